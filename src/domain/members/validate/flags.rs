//! Problems in the column of further `etcd` flags.

use crate::{
    domain::members::{
        cell::Row,
        table::{About, Column, Problem},
    },
    text::{escape::is_hostile, quote},
};

/// Flags that the plan sets itself, and those that would undo it.
const OWNED: [(&str, &str); 9] = [
    ("name", "it is set in the column \"name\""),
    ("data-dir", "it is set in the column \"data dir\""),
    ("wal-dir", "it is set in the column \"WAL dir\""),
    ("advertise-client-urls", "it is made from the column \"client URL\""),
    ("force-new-cluster", "it would remove the other members"),
    ("config-file", "with it etcd ignores every other flag"),
    ("discovery", "the members are set in this table"),
    ("discovery-srv", "the members are set in this table"),
    ("discovery-token", "the members are set in this table"),
];

/// The name of a flag word, as Go reads it: `-x`, `--x`, `--x=value`; `None` for a value.
pub(crate) fn flag_name(word: &str) -> Option<&str> {
    let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    Some(name.split_once('=').map_or(name, |(name, _)| name))
        .filter(|n| n.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// True when one of the words sets this flag to anything but `false`.
pub(crate) fn has(words: &[String], flag: &str) -> bool {
    words.iter().any(|w| flag_name(w) == Some(flag) && !w.ends_with("=false"))
}

/// The value of a flag among words, in either of its forms (`--flag=value`, `--flag value`); the last
/// counts, as for etcd.
pub(crate) fn flag_value<'a>(words: &'a [String], flag: &str) -> Option<&'a str> {
    let at = words.iter().rposition(|w| flag_name(w) == Some(flag))?;
    match words.get(at)?.split_once('=') {
        Some((_, value)) => Some(value),
        None => words.get(at + 1).map(String::as_str).filter(|w| !w.starts_with('-')),
    }
}

/// The mistakes in the flags of one row.
pub(super) fn check(at: usize, row: &Row, out: &mut Vec<Problem>) {
    let mut error = |text: String, fix: Option<String>| {
        out.push(Problem::error(Some(at), Some(Column::Flags), text).fixed(fix));
    };
    let text = row.text(Column::Flags);
    if let Some(c) = text.chars().find(|c| is_hostile(*c)) {
        let kind = if c.is_control() { "control character" } else { "invisible character" };
        return error(format!("U+{:04X} ({kind}) is in the flags", c as u32), None);
    }
    let Ok(list) = shell_words::split(text) else {
        return error("unclosed quote or trailing backslash".into(), None);
    };
    if let Some(word) = list.first().filter(|w| !w.starts_with('-')) {
        error(format!("{word:?} is not a flag; flags start with --"), None);
    }
    for (n, word) in list.iter().enumerate() {
        if let Some(dash) = word.chars().next().filter(|c| ['\u{2010}', '\u{2013}', '\u{2014}', '\u{2212}'].contains(c))
        {
            let fix = text.replace(dash, "--").replace("----", "--");
            error(format!("U+{:04X} in place of \"--\"", dash as u32), Some(fix));
        }
        let Some(name) = flag_name(word) else { continue };
        let why = match OWNED.iter().find(|(owned, _)| *owned == name) {
            Some((_, why)) => why,
            None if name.starts_with("initial-") && name != "initial-election-tick-advance" => {
                "it is made from this table and the token"
            }
            None => continue,
        };
        // Without the flag, and without the word after it where that is its value.
        let value = usize::from(!word.contains('=') && list.get(n + 1).is_some_and(|w| !w.starts_with('-')));
        let rest = list.iter().enumerate().filter(|(m, _)| *m < n || *m > n + value).map(|(_, w)| w);
        error(format!("--{name} is set by the plan: {why}"), Some(quote::quoted_line(rest)));
    }
}

/// https without certificates: etcd would not start.
pub(super) fn tls(at: usize, row: &Row, column: Column, out: &mut Vec<Problem>) {
    let words = shell_words::split(row.text(Column::Flags)).unwrap_or_default();
    let (auto, cert, key) = if column == Column::Peer {
        ("peer-auto-tls", "peer-cert-file", "peer-key-file")
    } else {
        ("auto-tls", "cert-file", "key-file")
    };
    let missing =
        [cert, key].into_iter().filter(|flag| !has(&words, flag)).map(|f| format!("--{f}")).collect::<Vec<_>>();
    if !has(&words, auto) && !missing.is_empty() {
        let text = format!("https needs {} among the flags; etcd will not start without", missing.join(" and "));
        out.push(Problem::warning(Some(at), Some(column), text).about(About::Certificates));
    }
}
