//! Numbers, ages and times in words, and text cut or wrapped to columns. Pure.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub use crate::text::number::size;
use crate::text::{escape, number};

/// `84211` as `84,211`.
pub fn thousands(n: impl Into<i128>) -> String {
    let n: i128 = n.into();
    let out = number::thousands(u64::try_from(n.unsigned_abs()).unwrap_or(u64::MAX));
    if n < 0 { format!("-{out}") } else { out }
}

/// A span of seconds in its two largest fitting words: `12 s`, `72 min`, `5 h`, `41 d`.
pub fn age(seconds: i64) -> String {
    match seconds {
        ..-60 => "in the future".into(),
        // a file's clock and ours may differ by a moment
        -60..0 => "0 s".into(),
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", thousands(seconds / 86_400)),
    }
}

/// How many columns `text` takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// `text` cut to `columns`, the cut shown by `…`.
pub fn fit(text: &str, columns: usize) -> String {
    if text.contains(escape::is_hostile) {
        return fit(&escape::line(text), columns);
    }
    if text.width() <= columns {
        return text.to_string();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > columns {
            break;
        }
        used += w;
        out.push(c);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// As [`fit`], but keeps the end and cuts the start: for paths, whose end tells them apart.
pub fn fit_end(text: &str, columns: usize) -> String {
    if text.width() <= columns || columns == 0 {
        return fit(text, columns);
    }
    if text.contains(escape::is_hostile) {
        return fit_end(&escape::line(text), columns);
    }
    let mut kept: Vec<char> = Vec::new();
    let mut used = 1;
    for c in text.chars().rev() {
        let w = c.width().unwrap_or(0);
        if used + w > columns {
            break;
        }
        used += w;
        kept.push(c);
    }
    kept.push('…');
    kept.iter().rev().collect()
}

/// `text` cut or filled with blanks to exactly `columns`, set to the left or the right.
pub fn pad(text: &str, columns: usize, right: bool) -> String {
    let text = fit(text, columns);
    let blanks = " ".repeat(columns.saturating_sub(text.width()));
    if right { blanks + &text } else { text + &blanks }
}

/// `text` in lines of at most `columns`, broken at blanks; a longer word is broken where it must.
/// Line feeds stay line ends, blanks within a line stay as many as they are.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let text = escape::page(text);
    for paragraph in text.split('\n') {
        let indent: String = paragraph.chars().take_while(|c| *c == ' ').take(columns.saturating_sub(2) / 2).collect();
        let mut line = indent.clone();
        let mut blanks = String::new();
        for word in paragraph.trim_start_matches(' ').split(' ') {
            if word.is_empty() {
                // one more blank between two words
                blanks.push(' ');
                continue;
            }
            let begun = line.len() > indent.len();
            if begun && line.width() + blanks.width() + word.width() > columns {
                lines.push(std::mem::replace(&mut line, indent.clone()));
            } else {
                line.push_str(&blanks);
            }
            for c in word.chars() {
                if line.width() + c.width().unwrap_or(0) > columns && line.len() > indent.len() {
                    lines.push(std::mem::replace(&mut line, indent.clone()));
                }
                line.push(c);
            }
            blanks = " ".into();
        }
        lines.push(line.trim_end().to_string());
    }
    lines
}

/// `text` as a sentence: with a full stop, unless it ends in a mark of its own.
pub fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.is_empty() || text.ends_with(['.', '!', '?', ':', '…']) { text.to_string() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(-84_211), "-84,211");
        assert_eq!(thousands(1_000_084_211i64), "1,000,084,211");
        assert_eq!(
            [5, 119, 4320, 7200, 3_542_400, -5, -61].map(age),
            ["5 s", "119 s", "72 min", "2 h", "41 d", "0 s", "in the future"]
        );
    }

    #[test]
    fn cuts_show_that_they_are_cuts() {
        assert_eq!(fit("/backup/etcd.db", 8), "/backup…");
        assert_eq!(fit_end("/backup/etcd.db", 8), "…etcd.db");
        assert_eq!(fit("語語語", 4), "語…");
        assert_eq!(pad("12", 5, true), "   12");
    }

    #[test]
    fn wrapping_keeps_indents_and_line_ends() {
        assert_eq!(wrap("one two three\n  four five", 9), ["one two", "three", "  four", "  five"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("a   b c", 5), ["a   b", "c"]);
        assert_eq!(wrap("x          edit it", 20), ["x          edit it"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(sentence("It stands"), "It stands.");
        assert_eq!(sentence("does it?"), "does it?");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_asked(text in "[a-z 語\n]{0,80}", columns in 2usize..20) {
            for line in wrap(&text, columns) {
                prop_assert!(line.width() <= columns, "{line:?}");
            }
            prop_assert!(fit(&text.replace('\n', ""), columns).width() <= columns);
            prop_assert!(fit_end(&text.replace('\n', ""), columns).width() <= columns);
        }
    }
}
