//! Parts of sentences: singular and plural, lists as people write them, and text that is safe in a shell's line or
//! comment.

use std::borrow::Cow;

use crate::text::escape;
pub use crate::text::number::{byte_count, count, thousands};

/// Returns one form for 1, the other for every other number.
pub fn plural<'a>(number: usize, one: &'a str, many: &'a str) -> &'a str {
    if number == 1 { one } else { many }
}

/// Returns `m1, m2 or m3`.
pub fn either(items: &[String]) -> String {
    list(items, " or ")
}

/// Returns `m1, m2 and m3`.
pub fn all(items: &[String]) -> String {
    list(items, " and ")
}

fn list(items: &[String], last: &str) -> String {
    match items.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((end, rest)) => format!("{}{last}{end}", rest.join(", ")),
    }
}

/// Returns a word for a POSIX shell, quoted only where needed: `--name=m1` stays as it is. Control and invisible
/// characters are written as numbers that the shell decodes: `"$(printf 'a\033b')"`, which every POSIX shell supports
/// (dash has no `$'…'`).
pub fn shell_word(word: &str) -> Cow<'_, str> {
    if !word.contains(escape::is_hostile) {
        return quoted_word(word);
    }
    // what `$(…)` takes away at the end
    let (text, ends) = word.split_at(word.trim_end_matches('\n').len());
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '%' => out.push_str("%%"),
            c if c.is_ascii_alphanumeric() || " _@+:,./=-".contains(c) => out.push(c),
            c if c.is_ascii() || escape::is_hostile(c) => {
                out.extend(c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("\\{byte:03o}")));
            }
            c => out.push(c),
        }
    }
    let ends = if ends.is_empty() { String::new() } else { format!("'{ends}'") };
    format!("\"$(printf '{out}')\"{ends}").into()
}

/// Returns the same without the numbers: for a table cell, which no shell reads.
pub fn quoted_word(word: &str) -> Cow<'_, str> {
    // `=` is plain wherever the word begins with a dash or slash; elsewhere it could be an assignment.
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+:,./-".contains(c) || (c == '=' && word.starts_with('-'));
    // Quoted by ourselves: shell_words leaves `{}` and `!` bare, which bash expands.
    if !word.is_empty() && word.chars().all(plain) {
        return word.into();
    }
    format!("'{}'", word.replace('\'', r"'\''")).into()
}

/// Returns words as one shell line.
pub fn shell_line<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|w| shell_word(w.as_ref()).into_owned()).collect();
    quoted.join(" ")
}

/// Returns words as one line of a table cell, to be split again as a shell splits them.
pub fn quoted_line<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|w| quoted_word(w.as_ref()).into_owned()).collect();
    quoted.join(" ")
}

/// Returns text that cannot end its comment, whatever a plan file contains.
pub fn comment(text: &str) -> String {
    escape::whole(&text.replace('\t', " "))
}

/// Returns a sentence, given without its full stop, as comment lines of at most 100 characters.
pub fn comment_lines(out: &mut String, note: &str) {
    let mut line = String::from("#");
    for word in comment(note).split_whitespace() {
        if line.len() + word.len() > 98 && line.len() > 1 {
            out.push_str(&line);
            out.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push_str(".\n");
}

/// Returns the key of natural order: `m2` before `m10`.
pub fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    pieces(a).cmp(&pieces(b)).then_with(|| a.cmp(b))
}

/// Splits off runs of digits as (length without leading zeros, digits), other characters one by one.
fn pieces(text: &str) -> Vec<(usize, String)> {
    let mut out: Vec<(usize, String)> = Vec::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            let number = digits.trim_start_matches('0').to_string();
            out.push((number.len() + 1, number));
            digits.clear();
        }
        if c != '\0' {
            out.push((usize::from(c.is_alphabetic()) * 1000, c.to_string()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_and_lists() {
        let shown = [0, 7, 999, 1000, 84_211, 1_000_084_211].map(thousands);
        assert_eq!(shown, ["0", "7", "999", "1,000", "84,211", "1,000,084,211"]);
        let names = ["m1".to_string(), "m2".to_string(), "m3".to_string()];
        assert_eq!(
            (either(&names[..2]), all(&names), either(&names[..1]), all(&[])),
            ("m1 or m2".into(), "m1, m2 and m3".into(), "m1".into(), String::new())
        );
    }

    proptest::proptest! {
        #[test]
        fn a_line_splits_into_its_words(words in proptest::collection::vec("\\PC{0,12}|--[a-z]{1,4}=[a-z:/.']{0,6}", 0..5)) {
            proptest::prop_assert_eq!(shell_words::split(&quoted_line(&words)), Ok(words.clone()));
            if !words.concat().contains(escape::is_hostile) {
                proptest::prop_assert_eq!(shell_line(&words), quoted_line(&words));
            }
        }
    }

    /// What bash makes of a line that is pasted there, braces and history expansion included.
    #[test]
    fn bash_expands_nothing_in_a_word() {
        let words = [
            "d{1..2}", "{a,b}", "!!", "a!b", "$HOME", "`id`", "it's", "~root", "*", "[a-z]*", "a\\b", "#x", "a\nb", "",
        ];
        let line = format!("set -H; printf '%s\\0' {}", shell_line(words));
        let out = std::process::Command::new("bash").args(["-c", &line]).output().unwrap();
        let got: Vec<_> = String::from_utf8(out.stdout).unwrap().split('\0').map(String::from).collect();
        assert_eq!(got.split_last().unwrap().1, words);
    }

    /// The word is seen in the line, and the shell has it as it was.
    #[test]
    fn shells_make_hostile_words_of_numbers() {
        let words = [
            "\x1b]0;pwn\x07",
            "a\u{9b}2J",
            "a\u{202e}%s\\!$x`'\"b",
            "a\r\nb",
            "\u{feff}é語",
            "100%\u{2066}",
            "a\nb c\n\n",
            "\x1b{a,b}*",
        ];
        let line = format!("printf '%s\\0' {}", shell_line(words));
        assert_eq!(line.chars().find(|c| *c != '\n' && escape::is_hostile(*c)), None, "{line:?}");
        for shell in ["sh", "bash"] {
            let out = std::process::Command::new(shell).args(["-c", &line]).output().unwrap();
            let got: Vec<_> = String::from_utf8(out.stdout).unwrap().split('\0').map(String::from).collect();
            assert_eq!(got.split_last().unwrap().1, words, "{shell}: {line}");
        }
        assert_eq!(shell_word("a\x1bb"), "\"$(printf 'a\\033b')\"");
        assert_eq!(shell_words::split(&quoted_line(words)).unwrap(), words, "a cell keeps them as they are");
    }

    #[test]
    fn plain_words_stay_plain() {
        let words = ["etcd", "--name=m1", "--x=http://a:1,http://b:2", "a=b", "", "--d=/a b", "--u=http://[::1]:1"];
        assert_eq!(
            shell_line(words),
            "etcd --name=m1 --x=http://a:1,http://b:2 'a=b' '' '--d=/a b' '--u=http://[::1]:1'"
        );
    }

    #[test]
    fn people_count_m2_before_m10() {
        let mut names = ["m10", "m2", "b", "m1", "a10b", "a9c", "m02", ""];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["", "a9c", "a10b", "b", "m1", "m02", "m2", "m10"]);
    }
}
