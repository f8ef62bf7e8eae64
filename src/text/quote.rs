//! Text that is safe where something else reads it: words and lines for a POSIX shell, and comments.

use std::borrow::Cow;

use crate::text::escape;

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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
}
