//! A word for the place that it is pasted into: a systemd unit, an environment file, YAML.

use crate::text::{Foreign, escape::is_hostile};

/// A word of `ExecStart=`: `%` and `$` would be expanded, quotes and backslashes taken away.
///
/// Source: systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers".
pub(super) fn unit(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@:,./=-+[]".contains(c);
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with(['@', '-', ':', '+']) {
        return word.into();
    }
    // A flag begins with a dash, which is special only before the program.
    if word.starts_with("--") && word.chars().all(plain) {
        return word.into();
    }
    let mut out = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '%' | '$' => out.extend([c, c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_hostile(c) => {
                let mut bytes = [0; 4];
                out.extend(c.encode_utf8(&mut bytes).bytes().map(|b| format!("\\x{b:02x}")));
            }
            c => out.push(c),
        }
    }
    out + "\""
}

/// A path in a setting of a unit that is no command line, such as `AssertPathIsDirectory=`: taken to the end of the line,
/// with specifiers.
pub(super) fn unit_path(path: &str) -> String {
    path.replace('%', "%%")
}

/// The value of a variable in a file that systemd reads and shells do, too.
///
/// # Errors
/// A sentence without a full stop, where no such file can hold it.
pub(super) fn variable(value: &str) -> Result<String, String> {
    if value.contains(is_hostile) {
        let kind = if value.contains(char::is_control) { "a control character" } else { "an invisible character" };
        return Err(format!("{kind} is in \"{}\", which no environment file can hold", Foreign::new(value)));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@:,./=-+".contains(c);
    if value.chars().all(plain) {
        return Ok(value.into());
    }
    if !value.contains('\'') {
        return Ok(format!("'{value}'"));
    }
    let mut out = String::from("\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            out.push('\\');
        }
        out.push(c);
    }
    Ok(out + "\"")
}

/// A string in YAML, always in double quotes: `on`, `1e3` and `0x1f` are strings, too.
pub(super) fn yaml(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            // What YAML takes as it is; all else by number.
            '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' if !is_hostile(c) => {
                out.push(c);
            }
            c if u32::from(c) <= 0xffff => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_of_a_unit() {
        for (word, wanted) in [
            ("/usr/bin/etcd", "/usr/bin/etcd"),
            ("--name=m1", "--name=m1"),
            ("--name=m 1", "\"--name=m 1\""),
            ("--data-dir=/d/100%", "\"--data-dir=/d/100%%\""),
            ("--x=$HOME;\"\\", "\"--x=$$HOME;\\\"\\\\\""),
            ("--u=http://[::1]:2380", "--u=http://[::1]:2380"),
            ("-", "\"-\""),
            (";", "\";\""),
            ("", "\"\""),
            ("a\u{1}\n", "\"a\\x01\\n\""),
            ("a\u{202e}", "\"a\\xe2\\x80\\xae\""),
        ] {
            assert_eq!(unit(word), wanted);
        }
    }

    proptest! {
        #[test]
        fn yaml_gives_back_the_text(text in "(\\PC|[\u{0}-\u{ff}\u{2028}\u{feff}'\"\\\\:#\n]){0,12}") {
            let read: String = serde_yaml::from_str(&yaml(&text)).unwrap();
            prop_assert_eq!(read, text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_shell_reads_back_the_variable(value in "(\\PC|['\"`$\\\\!; ]){0,12}") {
            prop_assume!(!value.contains(is_hostile));
            let script = format!("V={}\nprintf '%s.' \"$V\"", variable(&value).unwrap());
            let out = Command::new("sh").arg("-c").arg(script).output().unwrap();
            prop_assert_eq!(String::from_utf8(out.stdout).unwrap(), format!("{value}."));
        }
    }
}
