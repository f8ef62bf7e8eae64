//! Parses systemd units and environment files: lines, quoting, variables. It does not search for files.
//!
//! Sources: systemd.syntax(7), systemd.exec(5) (`EnvironmentFile=`), systemd.service(5) (command lines).

use std::collections::BTreeMap;

/// An assignment in a unit: section, key, value.
pub(super) type Directive = (String, String, String);

/// Returns the assignments of a unit or drop-in, in order.
pub(super) fn lines(text: &str) -> Vec<Directive> {
    let (mut section, mut found) = (String::new(), Vec::new());
    for line in joined(text) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.into();
        } else if let Some((key, value)) = line.split_once('=') {
            found.push((section.clone(), key.trim().to_string(), value.trim().to_string()));
        }
    }
    found
}

/// Returns the lines without comments; a backslash at the end joins a line with the next, over comments between them.
fn joined(text: &str) -> Vec<String> {
    let (mut lines, mut open) = (Vec::new(), String::new());
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with(['#', ';']) || (line.is_empty() && open.is_empty()) {
            continue;
        }
        match line.strip_suffix('\\') {
            Some(begun) => {
                open.push_str(begun);
                open.push(' ');
            }
            None => lines.push(std::mem::take(&mut open) + line),
        }
    }
    if !open.is_empty() {
        lines.push(open.trim_end().to_string());
    }
    lines
}

/// Splits a value into words; quotes keep words together, backslashes escape.
pub(super) fn words(value: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, '\\') => {
                let escaped = escape(&mut chars);
                word.get_or_insert_default().push_str(&escaped);
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn escape(chars: &mut std::str::Chars<'_>) -> String {
    let Some(c) = chars.next() else { return "\\".into() };
    let plain = match c {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        's' => ' ',
        '\\' | '"' | '\'' => c,
        'x' => {
            let digits: String = chars.as_str().chars().take(2).collect();
            return match u8::from_str_radix(&digits, 16) {
                Ok(byte) if digits.len() == 2 => {
                    chars.nth(1);
                    char::from(byte).to_string()
                }
                _ => "\\x".into(),
            };
        }
        other => return format!("\\{other}"),
    };
    plain.into()
}

/// Variables by name, each with its origin.
pub(super) type Variables = BTreeMap<String, (String, String)>;

/// Adds the assignments of an `Environment=` value.
pub(super) fn environment(value: &str, from: &str, into: &mut Variables) {
    for word in words(value) {
        if let Some((name, value)) = word.split_once('=') {
            into.insert(name.into(), (value.into(), from.into()));
        }
    }
}

/// Adds the assignments of an environment file like systemd, and returns the names that systemd ignores as invalid:
/// usually `export NAME`, which only a shell accepts.
pub(super) fn environment_file(text: &str, from: &str, into: &mut Variables) -> Vec<String> {
    let mut ignored = Vec::new();
    for (name, value) in assignments(text) {
        if is_variable(&name) {
            into.insert(name, (value, from.into()));
        } else {
            ignored.push(name);
        }
    }
    ignored
}

/// Does the same for a file that a shell may read as well: there people write `export`.
pub(super) fn shell_file(text: &str, from: &str, into: &mut Variables) {
    for (name, value) in assignments(text) {
        let name = name.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t'])).map_or(&*name, str::trim);
        into.insert(name.into(), (value, from.into()));
    }
}

fn is_variable(name: &str) -> bool {
    is_name(name) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// The state of the parser of environment files.
#[derive(Clone, Copy)]
enum At {
    PreKey,
    Key,
    PreValue,
    Value,
    Escape,
    Single,
    Double,
    DoubleEscape,
    Comment,
    CommentEscape,
}

/// Returns the assignments of an environment file, in order. A value continues over the end of a line after a
/// backslash, or in quotes; in double quotes a backslash escapes only `"`, `\`, `` ` ``, `$` and a line's end, in
/// single quotes nothing.
///
/// Source: systemd `src/basic/env-file.c`, `parse_env_file_internal`.
fn assignments(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut key, mut value) = (String::new(), String::new());
    // The length of the value without trailing blanks.
    let mut kept = 0;
    let mut at = At::PreKey;
    let line_end = |c: char| matches!(c, '\n' | '\r');
    let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
    let push = |key: &mut String, value: &mut String, kept: usize, found: &mut Vec<(String, String)>| {
        value.truncate(kept);
        found.push((key.trim_end_matches(blank).to_string(), std::mem::take(value)));
        key.clear();
    };
    for c in text.chars() {
        at = match at {
            At::PreKey if matches!(c, '#' | ';') => At::Comment,
            At::PreKey if blank(c) => At::PreKey,
            At::Key if line_end(c) => {
                key.clear();
                At::PreKey
            }
            At::Key if c == '=' => {
                kept = 0;
                At::PreValue
            }
            At::PreKey | At::Key => {
                key.push(c);
                At::Key
            }
            At::PreValue | At::Value if line_end(c) => {
                push(&mut key, &mut value, kept, &mut found);
                kept = 0;
                At::PreKey
            }
            At::PreValue if c == '\'' => At::Single,
            At::PreValue if c == '"' => At::Double,
            At::PreValue if blank(c) => At::PreValue,
            At::PreValue | At::Value if c == '\\' => {
                kept = value.len();
                At::Escape
            }
            At::PreValue | At::Value => {
                value.push(c);
                if !blank(c) {
                    kept = value.len();
                }
                At::Value
            }
            At::Escape => {
                if !line_end(c) {
                    value.push(c);
                }
                kept = value.len();
                At::Value
            }
            At::Single if c == '\'' => At::PreValue,
            At::Double if c == '"' => At::PreValue,
            At::Double if c == '\\' => At::DoubleEscape,
            At::Single | At::Double => {
                value.push(c);
                kept = value.len();
                at
            }
            At::DoubleEscape => {
                if matches!(c, '"' | '\\' | '`' | '$') {
                    value.push(c);
                } else if c != '\n' {
                    value.extend(['\\', c]);
                }
                kept = value.len();
                At::Double
            }
            At::Comment if c == '\\' => At::CommentEscape,
            At::Comment | At::CommentEscape if line_end(c) => At::PreKey,
            At::Comment | At::CommentEscape => At::Comment,
        };
    }
    match at {
        At::Value => push(&mut key, &mut value, kept, &mut found),
        At::PreValue | At::Escape | At::Single | At::Double | At::DoubleEscape => {
            let all = value.len();
            push(&mut key, &mut value, all, &mut found);
        }
        _ => {}
    }
    found
}

/// Returns a command line as systemd runs it: prefixes removed, variables expanded. `$NAME` as a word of its own
/// becomes as many words as its value has, `${NAME}` one.
pub(super) fn command(value: &str, variables: &Variables) -> Vec<String> {
    let prefixes = value.len() - value.trim_start_matches(['@', '-', ':', '+', '!', '|']).len();
    let (prefixes, rest) = value.split_at(prefixes);
    let mut found = Vec::new();
    for (at, word) in words(rest).into_iter().enumerate() {
        if at == 1 && prefixes.contains('@') {
            // The name under which the program runs, not an argument.
            continue;
        }
        if at == 0 || prefixes.contains(':') {
            found.push(word);
            continue;
        }
        let alone = word.strip_prefix('$').filter(|name| is_name(name));
        match alone {
            Some(name) => found.extend(words(variables.get(name).map_or("", |(value, _)| value))),
            None => found.push(expanded(&word, variables)),
        }
    }
    found
}

/// Returns the variables in a command line, each with its word.
pub(super) fn put_in(value: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for word in words(value).into_iter().skip(1) {
        if let Some(name) = word.strip_prefix('$').filter(|name| is_name(name)) {
            found.push((name.to_string(), word.clone()));
        }
        let braced = word.split("${").skip(1).filter_map(|inner| inner.split_once('}')).map(|(name, _)| name);
        found.extend(braced.filter(|name| is_name(name)).map(|name| (name.to_string(), word.clone())));
    }
    found
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn expanded(word: &str, variables: &Variables) -> String {
    let (mut out, mut rest) = (String::new(), word);
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let braced = after.strip_prefix("${").and_then(|inner| inner.split_once('}')).filter(|(name, _)| is_name(name));
        if let Some(more) = after.strip_prefix("$$") {
            out.push('$');
            rest = more;
        } else if let Some((name, more)) = braced {
            out.push_str(variables.get(name).map_or("", |(value, _)| value));
            rest = more;
        } else {
            out.push('$');
            rest = after.get(1..).unwrap_or_default();
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| (name.to_string(), (value.to_string(), String::new()))).collect()
    }

    #[test]
    fn units_have_sections_comments_and_long_lines() {
        let text = "# a unit\n[Unit]\nDescription = etcd\n\n[Service]\nExecStart=/usr/bin/etcd \\\n  # in between\n  \
                    --name m1 \\\n  --data-dir /d\n; another\nRestart=always\nlast=x \\";
        let found = lines(text);
        let found: Vec<_> = found.iter().map(|(s, k, v)| (s.as_str(), k.as_str(), v.as_str())).collect();
        let expected = [
            ("Unit", "Description", "etcd"),
            ("Service", "ExecStart", "/usr/bin/etcd  --name m1  --data-dir /d"),
            ("Service", "Restart", "always"),
            ("Service", "last", "x"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn words_quotes_and_escapes() {
        for (value, expected) in [
            (r#"a "b c" 'd "e"' f"#, vec!["a", "b c", "d \"e\"", "f"]),
            (r#"a\sb "c\"d" \x41\x4 \q"#, vec!["a b", "c\"d", "A\\x4", "\\q"]),
            ("\"\" x", vec!["", "x"]),
            ("  ", vec![]),
            (r#"--name="m 1""#, vec!["--name=m 1"]),
            ("\"open", vec!["open"]),
        ] {
            assert_eq!(words(value), expected, "{value}");
        }
    }

    #[test]
    fn commands_and_their_variables() {
        let env = variables(&[("A", "one two"), ("B", "--x=1 --y"), ("E", "")]);
        for (value, expected) in [
            ("/usr/bin/etcd ${A} $B", vec!["/usr/bin/etcd", "one two", "--x=1", "--y"]),
            ("-/usr/bin/etcd --n=${A}x $E ${NONE}", vec!["/usr/bin/etcd", "--n=one twox", ""]),
            ("@/usr/bin/etcd etcd --a", vec!["/usr/bin/etcd", "--a"]),
            (":/usr/bin/etcd $A", vec!["/usr/bin/etcd", "$A"]),
            ("etcd $$A 5$ ${A", vec!["etcd", "$A", "5$", "${A"]),
        ] {
            assert_eq!(command(value, &env), expected, "{value}");
        }
    }

    #[test]
    fn environment_and_its_files() {
        let mut env = Variables::new();
        environment(r#"ETCD_NAME=m1 "ETCD_X=a b" broken"#, "unit", &mut env);
        let text = "# c\nETCD_NAME=\"m2\"\nexport ETCD_Y=a b # no comment\nETCD_Z='q'\\\n  r\nno assignment\n";
        let ignored = environment_file(text, "file", &mut env);
        let found: Vec<_> = env.iter().map(|(n, (v, f))| (n.as_str(), v.as_str(), f.as_str())).collect();
        let expected = [("ETCD_NAME", "m2", "file"), ("ETCD_X", "a b", "unit"), ("ETCD_Z", "q  r", "file")];
        assert_eq!(found, expected);
        assert_eq!(ignored, ["export ETCD_Y"]);
        shell_file(text, "file", &mut env);
        assert_eq!(env.get("ETCD_Y").map(|(value, _)| value.as_str()), Some("a b # no comment"));
    }

    /// What systemd 252 makes of them, by its own generator for environment.d.
    #[test]
    fn values_of_environment_files() {
        for (text, expected) in [
            ("A=one \\\n  two\n", vec![("A", "one   two")]),
            ("A=one\\\ntwo\nB=x", vec![("A", "onetwo"), ("B", "x")]),
            ("A=\"one \\\ntwo\"\n", vec![("A", "one two")]),
            ("A=\"one\ntwo\"\nB='x\ny'", vec![("A", "one\ntwo"), ("B", "x\ny")]),
            (r#"A="a\tb\$c\"d\\e""#, vec![("A", r#"a\tb$c"d\e"#)]),
            (r"A='a\tb\'", vec![("A", r"a\tb\")]),
            (r"A=a\tb\ ", vec![("A", "atb ")]),
            ("A= x y  \r\nB=2\r\n", vec![("A", "x y"), ("B", "2")]),
            ("A='a' 'b'c  \n", vec![("A", "abc")]),
            ("A=a'b'\n", vec![("A", "a'b'")]),
            ("A=\"  x  \"  \n", vec![("A", "  x  ")]),
            ("A = x # y\n ; c\n#d\\\nB=1", vec![("A", "x # y"), ("B", "1")]),
            ("no assignment\nA=\nB==x=", vec![("A", ""), ("B", "=x=")]),
            ("A=x\\", vec![("A", "x")]),
            ("A=\"open", vec![("A", "open")]),
        ] {
            let found = assignments(text);
            let found: Vec<_> = found.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_value(text in "[\\\\ a$\"'{}x\n=\\[#-]{0,60}", any: String) {
            for text in [&text, &any] {
                let mut env = variables(&[("a", "$a ${x}")]);
                let _ = (lines(text), words(text), command(text, &env));
                environment_file(text, "", &mut env);
                shell_file(text, "", &mut env);
                environment(text, "", &mut env);
            }
        }
    }
}
