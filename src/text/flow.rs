//! Sentences for a terminal: wrapped to its width, a command never broken, since it is copied; and in ASCII where the
//! locale has nothing else.

use std::borrow::Cow;

use super::columns;

/// The most columns of a line: longer ones are hard to read.
pub const WIDEST: usize = 110;

/// What a command begins with, after a colon.
const PROGRAMS: [&str; 14] = [
    "requorum",
    "env",
    "sudo",
    "systemctl",
    "ulimit",
    "etcdctl",
    "etcdutl",
    "chmod",
    "kill",
    "crictl",
    "mkdir",
    "mv",
    "ssh-keygen",
    "ssh",
];

/// Returns text whose lines are at most `width` columns wide where their words allow it; a line that goes on is indented
/// as its begin. Tables, which have several blanks in a row, and commands stay as they are.
pub fn flow(text: &str, width: usize) -> String {
    let lines: Vec<String> = text.split('\n').map(|line| flow_line(line, width)).collect();
    lines.join("\n")
}

fn flow_line(line: &str, width: usize) -> String {
    let bare = line.trim_start();
    let lead = line.len() - bare.len();
    let bullet = ["- ", "* ", "→ "].iter().find(|bullet| bare.starts_with(**bullet)).map_or(0, |_| 2);
    let command = bare.split(' ').next().is_some_and(is_command);
    if columns::width(line) <= width || command || bare.contains("  ") || width < 20 {
        return line.to_string();
    }
    let indent = " ".repeat(lead + bullet);
    let (mut out, mut at) = (" ".repeat(lead), lead);
    let mut fresh = true;
    for part in parts(bare) {
        let wide = columns::width(&part);
        if !fresh && at + 1 + wide > width {
            out.push('\n');
            out.push_str(&indent);
            (at, fresh) = (indent.len(), true);
        }
        if !fresh {
            out.push(' ');
            at += 1;
        }
        out.push_str(&part);
        at += wide;
        fresh = false;
    }
    out
}

/// Splits a line at its blanks, but neither between backticks nor in a command at its end.
fn parts(line: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut open = false;
    let mut command = false;
    for word in line.split(' ') {
        let begins = out.last().is_some_and(|last| last.ends_with(':')) && is_command(word);
        match out.last_mut() {
            Some(last) if open || command => {
                last.push(' ');
                last.push_str(word);
            }
            _ => out.push(word.to_string()),
        }
        command |= !open && begins;
        open ^= word.matches('`').count() % 2 == 1;
    }
    // a backtick that is never closed is no quote
    if open { line.split(' ').map(str::to_string).collect() } else { out }
}

fn is_command(word: &str) -> bool {
    PROGRAMS.contains(&word) || (word.starts_with("--") && word.len() > 2)
}

/// Returns text without the marks that requorum writes beyond ASCII; what others wrote stays.
pub fn ascii(text: &str) -> Cow<'_, str> {
    const MARKS: [(char, &str); 16] = [
        ('…', "..."),
        ('·', "-"),
        ('→', "->"),
        ('←', "<-"),
        ('✔', "+"),
        ('✖', "x"),
        ('–', "-"),
        ('—', "-"),
        ('µ', "u"),
        ('μ', "u"),
        ('≥', ">="),
        ('≤', "<="),
        ('“', "\""),
        ('”', "\""),
        ('⏎', "Enter"),
        ('×', "x"),
    ];
    if text.is_ascii() {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match MARKS.iter().find(|(mark, _)| *mark == c) {
            Some((_, plain)) => out.push_str(plain),
            None => out.push(c),
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sentences_wrap_and_commands_do_not() {
        for (text, wanted) in [
            ("one two three four five six", "one two three four\nfive six"),
            ("  one two three four five", "  one two three four\n  five"),
            (" - one two three four five", " - one two three\n   four five"),
            ("Next: requorum apply /srv/a/plan.yaml --check", "Next:\nrequorum apply /srv/a/plan.yaml --check"),
            (
                "To override: --override old-token@2c3ec1 --reason WHY",
                "To override:\n--override old-token@2c3ec1 --reason WHY",
            ),
            ("Then `requorum undo plan.yaml` does it all", "Then\n`requorum undo plan.yaml`\ndoes it all"),
            ("m1  http://a:2379  leader  revision  12", "m1  http://a:2379  leader  revision  12"),
            ("it is 5` long and then it goes on", "it is 5` long and\nthen it goes on"),
            ("   etcdctl --endpoints=http://a:2379 put x y", "   etcdctl --endpoints=http://a:2379 put x y"),
            ("short", "short"),
            ("", ""),
        ] {
            assert_eq!(flow(text, 20), wanted, "{text}");
        }
    }

    #[test]
    fn own_marks_have_ascii_forms() {
        assert_eq!(ascii("✔ 3 of 3 … → ok, ≥ 47"), "+ 3 of 3 ... -> ok, >= 47");
        assert_eq!(ascii("müller 北京"), "müller 北京");
    }

    proptest! {
        #[test]
        fn no_word_is_lost(text in "[a-z`:\n-]{0,8}( {0,2}[a-z`:\n-]{1,9}){0,12}", width in 20usize..60) {
            let words = |text: &str| text.split_whitespace().map(str::to_string).collect::<Vec<_>>();
            prop_assert_eq!(words(&flow(&text, width)), words(&text));
        }
    }
}
