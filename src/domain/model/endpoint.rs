//! Endpoints as people type them for the members' client ports: what etcdctl takes, and the mistakes in what it does not,
//! each with its correction.

use super::url::{self, CLIENT_PORT, Guess, Scheme, UrlSlip};
use crate::text::template;

/// One endpoint that cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSlip {
    /// The text as it was typed.
    pub typed: String,
    /// The mistake by name, a sentence without a full stop; it names the correction where that is known.
    pub text: String,
    /// What was meant, where that is known: one or several endpoints, separated by commas.
    pub fix: Option<String>,
}

/// Returns the mistakes in a list of endpoints; `tls` is whether those without a scheme are reached by https.
pub fn slips(typed: &[String], tls: bool) -> Vec<EndpointSlip> {
    let guess = Guess { scheme: if tls { Scheme::Https } else { Scheme::Http }, port: Some(CLIENT_PORT) };
    let whole = typed.join(",");
    if let Some(inner) = as_list(&whole) {
        let fix = corrected(&inner, guess);
        return vec![named(&whole, "brackets and quotes do not belong to a list of endpoints", fix)];
    }
    let one = |item: &String| one(item.trim(), guess).err().map(|slip| EndpointSlip { typed: item.clone(), ..slip });
    typed.iter().filter_map(one).collect()
}

/// The items of a list as JSON or YAML writes it: `["a:2379","b:2379"]`.
fn as_list(text: &str) -> Option<Vec<&str>> {
    let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    let is_list = inner.contains(['"', '\'']) || (inner.contains(',') && !inner.contains(['[', ']']));
    let items: Vec<&str> = inner.split(',').map(|item| item.trim().trim_matches(['"', '\''])).collect();
    (is_list && items.iter().all(|item| !item.is_empty())).then_some(items)
}

fn named(typed: &str, what: &str, fix: Option<String>) -> EndpointSlip {
    let text = fix.as_ref().map_or_else(|| what.to_string(), |fix| format!("{what}: {fix}?"));
    EndpointSlip { typed: typed.into(), text, fix }
}

/// The endpoints with their mistakes corrected, where that is known for each.
fn corrected(items: &[&str], guess: Guess) -> Option<String> {
    let each = items.iter().map(|item| match one(item.trim(), guess) {
        Ok(()) => Some(item.trim().to_string()),
        Err(slip) => slip.fix,
    });
    each.collect::<Option<Vec<_>>>().map(|items| items.join(","))
}

fn one(item: &str, guess: Guess) -> Result<(), EndpointSlip> {
    let slip = |what: &str, fix: Option<String>| Err(named(item, what, fix));
    if let Some(text) = template::slip(item, "the member's own name or address") {
        return slip(&text, None);
    }
    let bare = item.trim_matches(['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}']);
    if bare != item {
        return slip("quotes do not belong to an endpoint", corrected(&[bare], guess));
    }
    let pieces: Vec<&str> = item.split([' ', ';', '|', '\t', '\n']).filter(|piece| !piece.is_empty()).collect();
    if let [host, port] = pieces.as_slice()
        && !host.ends_with(':')
        && port.bytes().all(|b| b.is_ascii_digit())
    {
        return slip("a colon separates host and port", corrected(&[&format!("{host}:{port}")], guess));
    }
    let is_whole = |piece: &&str| !piece.starts_with(':') && !piece.ends_with(':') && !piece.ends_with('/');
    if pieces.len() > 1 && pieces.iter().all(is_whole) {
        return slip("only a comma separates two endpoints", corrected(&pieces, guess));
    }
    if let Some((name, rest)) = item.split_once('=').filter(|(name, _)| !name.contains([':', '/', '.'])) {
        return slip(&format!("the name {name:?} does not belong to an endpoint"), corrected(&[rest], guess));
    }
    if let Some(inner) = item.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))
        && inner.parse::<std::net::Ipv6Addr>().is_err()
    {
        return slip("brackets are only for IPv6 addresses", corrected(&[inner], guess));
    }
    let scheme = item.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if scheme.as_deref().is_some_and(|scheme| ["unix", "unixs"].contains(&scheme)) {
        return slip("a Unix socket cannot be asked; give the client URL with host and port", None);
    }
    let whole = match url::begins_with_scheme(item) {
        true => item.to_string(),
        false => format!("{}://{item}", guess.scheme.as_str()),
    };
    // etcdctl passes over a path, and a zone is good on the host where it is typed
    let whole = without_path(&whole);
    if whole.contains('%') {
        return Ok(());
    }
    match url::parse_with(whole, guess) {
        Ok(_) => Ok(()),
        Err(UrlSlip { text, fix }) => Err(EndpointSlip { typed: item.into(), text, fix }),
    }
}

/// `http://a:2379` of `http://a:2379/health`; a text whose scheme has a mistake stays as it is.
fn without_path(text: &str) -> &str {
    let Some(at) = text.find("://").map(|at| at + 3) else { return text };
    let rest = text.get(at..).unwrap_or_default();
    match rest.find(['/', '?', '#']).filter(|end| *end > 0) {
        Some(end) => text.get(..at + end).unwrap_or(text),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn typed(text: &str) -> Vec<String> {
        text.split(',').map(str::to_string).collect()
    }

    #[test]
    fn endpoints_that_can_be_asked() {
        for text in [
            "127.0.0.1:2379",
            "http://127.0.0.1:2379",
            "HTTPS://etcd-1.example:2379/",
            "https://etcd_1:2379,https://etcd_2:2379",
            " 10.0.0.1:2379 , 10.0.0.2:2379 ",
            "[::1]:2379",
            "http://[2001:db8::1]:2379",
            "[fe80::1%eth0]:2379",
            "localhost:2379/health",
            "http://a:2379/v3?x#y",
            "http:2379",
            "m1:2379",
        ] {
            assert_eq!(slips(&typed(text), false), [], "{text}");
        }
    }

    /// Each mistake, and its correction.
    #[test]
    fn endpoints_with_a_slip() {
        let one = "http://127.0.0.1:2379";
        let mut messages = Vec::new();
        for (text, fix) in [
            ("http:/127.0.0.1:2379", Some(one)),
            ("http:127.0.0.1:2379", Some(one)),
            ("http//127.0.0.1:2379", Some(one)),
            ("htp://127.0.0.1:2379", Some(one)),
            ("http:///127.0.0.1:2379", Some(one)),
            ("127.0.0.1:99999", None),
            ("http://127.0.0.1:0", None),
            ("127.0.0.1:2379l", Some("http://127.0.0.1:23791")),
            ("127.0.0.1:23O9", Some("http://127.0.0.1:2309")),
            ("127.0.0.1 :2379", Some(one)),
            ("127.0.0.1: 2379", Some(one)),
            ("127.0.0.1 2379", Some("127.0.0.1:2379")),
            ("127.0.0.1:2379;127.0.0.1:2381", Some("127.0.0.1:2379,127.0.0.1:2381")),
            ("127.0.0.1:2379 127.0.0.1:2381", Some("127.0.0.1:2379,127.0.0.1:2381")),
            ("http://a:2379; http://b:2379", Some("http://a:2379,http://b:2379")),
            ("http://a:2379|htp://b:2379", Some("http://a:2379,http://b:2379")),
            ("[127.0.0.1:2379]", Some("127.0.0.1:2379")),
            ("[\"http://a:2379\",\"http://b:2379\"]", Some("http://a:2379,http://b:2379")),
            ("[a:2379,b:2379]", Some("a:2379,b:2379")),
            ("\"127.0.0.1:2379\"", Some("127.0.0.1:2379")),
            ("'http:/127.0.0.1:2379'", Some(one)),
            ("m1=http://127.0.0.1:2379", Some(one)),
            ("m1=127.0.0.1:2379", Some("127.0.0.1:2379")),
            ("127.0.0.1", Some(one)),
            ("::1:2379", Some("http://[::1]:2379")),
            ("<etcd0>:2379", None),
            ("https://${NODE}:2379", None),
            ("unix:///run/etcd.sock", None),
            ("root:secret@127.0.0.1:2379", Some(one)),
            ("http://127.0.0.1\u{ff1a}2379", Some(one)),
            (":2379", None),
        ] {
            let found = slips(&typed(text), false);
            let [slip] = found.as_slice() else { panic!("{text}: {found:?}") };
            messages.push((text, slip.text.clone()));
            assert_eq!(slip.fix.as_deref(), fix, "{text}");
            if let Some(fix) = fix {
                assert!(slip.text.contains(fix), "{text}: the sentence names the correction: {}", slip.text);
                assert_eq!(slips(&typed(fix), false), [], "{text}: the correction is right");
            }
        }
        crate::text::messages::hold("endpoint-slips", &messages);
        assert_eq!(slips(&typed("127.0.0.1"), true)[0].fix.as_deref(), Some("https://127.0.0.1:2379"));
    }

    proptest! {
        #[test]
        fn corrections_are_right(text in "(htt?p?s?:?/{0,3})?[a1.:\\[\\]]{0,8}[:; ]?(2379|99999|x)?[ ;,\"'=]{0,2}\\PC{0,3}") {
            for slip in slips(&typed(&text), false) {
                prop_assert!(!slip.text.is_empty());
                if let Some(fix) = slip.fix {
                    prop_assert_eq!(slips(&typed(&fix), false), []);
                }
            }
        }
    }
}
