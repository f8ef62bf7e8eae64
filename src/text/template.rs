//! Placeholders that were left in a text that was copied from a manual or a playbook: `<etcd0>`, `$(hostname)`,
//! `${NODE}`, `{{ name }}`, `%H`.

/// Returns the first placeholder in a text, as it is written there.
pub fn find(text: &str) -> Option<&str> {
    text.char_indices().find_map(|(at, c)| text.get(at..).and_then(|rest| begins(c, rest)))
}

/// Returns the sentence for a text with a placeholder, without a full stop; `wanted` is what belongs there.
pub fn slip(text: &str, wanted: &str) -> Option<String> {
    find(text).map(|found| format!("{found:?} is a placeholder that was not filled in; give {wanted}"))
}

/// Returns the placeholder that a text begins with.
fn begins(first: char, rest: &str) -> Option<&str> {
    match first {
        '<' => between(rest, "<", ">").filter(|inside| named(inside.trim_matches(['<', '>']))),
        '$' => between(rest, "$(", ")").or_else(|| between(rest, "${", "}")).or_else(|| variable(rest)),
        '`' => between(rest, "`", "`").filter(|inside| is_command(inside.trim_matches('`'))),
        '{' => between(rest, "{{", "}}").or_else(|| between(rest, "{%", "%}")).or_else(|| between(rest, "{", "}")),
        '%' => between(rest, "%(", ")s").or_else(|| marked(rest, "%")).or_else(|| specifier(rest)),
        '@' => marked(rest, "@"),
        '_' => marked(rest, "__"),
        _ => None,
    }
}

/// `open…close`, with something between them, on one line.
fn between<'a>(rest: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let inside = rest.strip_prefix(open)?;
    let end = inside.find(close).filter(|end| *end > 0)?;
    if inside.get(..end)?.contains('\n') { None } else { rest.get(..open.len() + end + close.len()) }
}

/// Whether it is what people write into angle brackets: it begins with a letter, and is no URL.
fn named(inside: &str) -> bool {
    inside.trim().starts_with(|c: char| c.is_alphabetic() || c == '_') && !inside.contains("://")
}

/// Whether a shell would run it: backticks are quotes elsewhere.
fn is_command(inside: &str) -> bool {
    let first = inside.split_whitespace().next().unwrap_or_default();
    ["hostname", "hostnamectl", "uname", "ip", "cat", "echo", "curl", "dig", "kubectl", "awk"].contains(&first)
}

/// `$NODE`.
fn variable(rest: &str) -> Option<&str> {
    let name = rest.strip_prefix('$')?;
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins { rest.get(..=end) } else { None }
}

/// `@HOST@`, `__HOST__`, `%HOST%`: capitals between two marks.
fn marked<'a>(rest: &'a str, mark: &str) -> Option<&'a str> {
    let inside = rest.strip_prefix(mark)?;
    let end = inside.find(mark)?;
    let name = inside.get(..end)?;
    let capitals = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    if capitals { rest.get(..mark.len() * 2 + end) } else { None }
}

/// `%H`, `%i`, `%m`: what systemd fills in. `%eth0` is a zone, and `%2F` an escaped letter.
fn specifier(rest: &str) -> Option<&str> {
    let letter = rest.get(1..2).filter(|letter| "HilmnNpPIjJ".contains(letter))?;
    let next = rest.get(1 + letter.len()..).and_then(|after| after.chars().next());
    if next.is_some_and(char::is_alphanumeric) { None } else { rest.get(..1 + letter.len()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn placeholders_of_manuals_and_playbooks() {
        for (text, found) in [
            ("http://<etcd0>:2380", Some("<etcd0>")),
            ("http://<IP of node 1>:2380", Some("<IP of node 1>")),
            ("$(hostname)", Some("$(hostname)")),
            ("m-$(hostname -s)", Some("$(hostname -s)")),
            ("https://${NODE}:2379", Some("${NODE}")),
            ("http://$NODE_IP:2380", Some("$NODE_IP")),
            ("`hostname`", Some("`hostname`")),
            ("http://{{ name }}:2380", Some("{{ name }}")),
            ("{% raw %}", Some("{% raw %}")),
            ("{name}", Some("{name}")),
            ("%H", Some("%H")),
            ("/var/lib/etcd/%i.etcd", Some("%i")),
            ("%NODE%", Some("%NODE%")),
            ("%(ENV_HOST)s", Some("%(ENV_HOST)s")),
            ("@HOST@", Some("@HOST@")),
            ("__HOST_1__", Some("__HOST_1__")),
            ("`hostname -s`", Some("`hostname -s`")),
            ("`http://a:1`", None),
            ("`m1`", None),
            ("<http://a:2380>", None),
            ("m1", None),
            ("http://10.0.0.1:2380", None),
            ("http://[fe80::1%eth0]:2380", None),
            ("http://a%2Fb:1", None),
            ("root@10.0.0.1", None),
            ("a@b@c", None),
            ("etcd__1__a", None),
            ("<>", None),
            ("1 < 2 > 1", None),
            ("$", None),
            ("$1", None),
            ("${}", None),
            ("a{b", None),
        ] {
            assert_eq!(find(text), found, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[<>${}()%@_`a-zA-Z0-9é\n ]{0,20}|\\PC{0,20}") {
            if let Some(found) = find(&text) {
                prop_assert!(text.contains(found) && !found.is_empty());
            }
        }
    }
}
