//! Shell commands for a screen: no line is wider than it, and what is selected there with a mouse and pasted is the same
//! command.
//!
//! A line that is too wide is broken by a backslash at its end: between two words where there is a blank, else within the
//! word. Within single quotes, where a backslash is a character like any other, the
//! quotes end before it and begin again after it.

use super::columns;

/// A script as a screen shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// Its lines.
    pub lines: Vec<String>,
    /// False where a line cannot be broken, such as one of a file that the script writes: selected, it would be two.
    pub selectable: bool,
}

/// The least width at which lines are broken.
const NARROWEST: usize = 16;

/// Breaks the lines of a script for a screen of `width` columns. With `aligned` each backslash is in its last column where
/// the line allows it, so that no blanks are selected after it, which would end the command there.
pub fn fold(script: &str, width: usize, aligned: bool) -> Folded {
    let width = width.max(NARROWEST);
    let mut out = Folded { lines: Vec::new(), selectable: true };
    let mut document: Option<String> = None;
    let mut quote = Quote::None;
    for line in script.lines() {
        match &document {
            Some(end) => {
                if line == end {
                    document = None;
                }
                out.lines.push(line.to_string());
            }
            None if quote == Quote::None && line.trim_start().starts_with('#') => {
                out.lines.extend(comment(line, width));
            }
            None => {
                let before = quote;
                quote = places(&line.chars().collect::<Vec<_>>(), before).1;
                if (before, quote) == (Quote::None, Quote::None) {
                    document = here_document(line);
                    out.lines.extend(command(line, width, aligned));
                } else {
                    // a word with a line feed in it
                    out.lines.push(line.to_string());
                }
            }
        }
    }
    out.selectable = out.lines.iter().all(|line| columns::width(line) <= width);
    out
}

/// The line that ends the document which begins after this line: `cat >file <<'END'`.
fn here_document(line: &str) -> Option<String> {
    let (_, word) = line.rsplit_once("<<")?;
    let word = word.trim_start_matches('-').trim();
    let end = word.trim_matches(['\'', '"']);
    let plain = !end.is_empty() && end.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    plain.then(|| end.to_string())
}

/// A comment stays one: each of its lines begins as such.
fn comment(line: &str, width: usize) -> Vec<String> {
    let (indent, text) = line.split_at(line.len() - line.trim_start().len());
    let text = text.trim_start_matches('#');
    let (blank, text) = text.split_at(text.len() - text.trim_start().len());
    let head = format!("{indent}#{blank}");
    let lines = columns::wrap(text, width.saturating_sub(columns::width(&head)));
    lines.into_iter().map(|line| format!("{head}{line}").trim_end().to_string()).collect()
}

/// What a character is within.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Single,
    Double,
}

/// A place where a line can be broken: before this character, and how.
#[derive(Clone, Copy)]
struct Place {
    at: usize,
    quote: Quote,
    between_words: bool,
}

/// What follows a backslash between words.
const INDENT: &str = "  ";

fn command(line: &str, width: usize, aligned: bool) -> Vec<String> {
    let (text, continues) = match line.strip_suffix('\\') {
        Some(text) if !text.ends_with('\\') => (text.trim_end(), true),
        _ => (line, false),
    };
    let pieces = broken(text, width, continues);
    let last = pieces.len().saturating_sub(1);
    let ends = |n: usize, (piece, between_words): (String, bool)| match n < last || continues {
        false => piece,
        // a piece that cannot be broken may be wider
        true if between_words && aligned && columns::width(&piece) < width - 1 => {
            format!("{}\\", columns::pad(&piece, width - 1, columns::Align::Left))
        }
        true if between_words => format!("{piece} \\"),
        true => format!("{piece}\\"),
    };
    pieces.into_iter().enumerate().map(|(n, piece)| ends(n, piece)).collect()
}

/// The pieces of a line, each with whether the break after it is between two words.
fn broken(text: &str, width: usize, continues: bool) -> Vec<(String, bool)> {
    let room = if continues { width - 2 } else { width };
    let chars: Vec<char> = text.chars().collect();
    let places = places(&chars, Quote::None).0;
    let mut out = Vec::new();
    let (mut from, mut head) = (0, String::new());
    loop {
        let wide = |to: usize| columns::width(&head) + columns::width(&chars[from..to].iter().collect::<String>());
        if wide(chars.len()) <= room {
            out.push((head.clone() + &chars[from..].iter().collect::<String>(), true));
            return out;
        }
        // a first piece that is only an indentation is no progress
        let begun = chars[from..].iter().position(|c| *c != ' ').unwrap_or(0) + from;
        let ahead = || places.iter().filter(|place| place.at > begun + 1);
        // the backslash, with a blank or a quote before it
        let fits = |place: &&Place| match place.between_words || place.quote == Quote::Single {
            true => wide(place.at) + 2 <= width,
            false => wide(place.at) < width,
        };
        let best = ahead().rfind(|place| place.between_words && fits(place));
        let best = best.or_else(|| ahead().rfind(fits)).or_else(|| ahead().next());
        let Some(best) = best.copied() else {
            out.push((head.clone() + &chars[from..].iter().collect::<String>(), true));
            return out;
        };
        let piece: String = chars[from..best.at].iter().collect();
        let end = if best.quote == Quote::Single { "'" } else { "" };
        out.push((
            format!("{head}{}{end}", if best.between_words { piece.trim_end() } else { &piece }),
            best.between_words,
        ));
        head = match best.quote {
            Quote::Single => "'".into(),
            _ if best.between_words => INDENT.into(),
            _ => String::new(),
        };
        from = best.at;
    }
}

/// Every place where a line can be broken, from left to right, and what its end is within. What the shell computes, `$(…)`
/// and `${…}`, stays whole.
fn places(chars: &[char], mut quote: Quote) -> (Vec<Place>, Quote) {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(c) = chars.get(at).copied() {
        let next = chars.get(at + 1).copied();
        let before = at.checked_sub(1).and_then(|before| chars.get(before)).copied();
        if c != ' ' || quote != Quote::None {
            let between_words = quote == Quote::None && before == Some(' ');
            out.push(Place { at, quote, between_words });
        }
        at += match (quote, c, next) {
            (Quote::None | Quote::Double, '\\', Some(_)) => 2,
            (Quote::None | Quote::Double, '$', Some(open @ ('(' | '{'))) => computed(&chars[at..], open),
            _ => {
                quote = match (quote, c) {
                    (Quote::None, '\'') => Quote::Single,
                    (Quote::None, '"') => Quote::Double,
                    (Quote::Single, '\'') | (Quote::Double, '"') => Quote::None,
                    (quote, _) => quote,
                };
                1
            }
        };
    }
    (out, quote)
}

/// How many characters `$(…)` or `${…}` takes.
fn computed(chars: &[char], open: char) -> usize {
    let close = if open == '(' { ')' } else { '}' };
    let (mut depth, mut quoted) = (0_usize, false);
    for (at, c) in chars.iter().enumerate().skip(1) {
        match c {
            '\'' => quoted = !quoted,
            c if quoted && *c != '\'' => {}
            c if *c == open => depth += 1,
            c if *c == close => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    chars.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;
    use crate::text::quote::{shell_line, shell_word};

    fn run(shell: &str, script: &str) -> Vec<u8> {
        let out = Command::new(shell).args(["-c", script]).output().unwrap();
        assert!(out.status.success(), "{shell}: {}\n{script}", String::from_utf8_lossy(&out.stderr));
        out.stdout
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// What a shell makes of the lines of a screen is what it makes of the script.
        #[test]
        fn a_folded_command_is_the_same_command(
            words in prop::collection::vec("--[a-z]{1,8}=[a-z0-9:/.,]{0,60}|\\PC{0,30}|[ '\"\\\\$`!#~{},]{0,30}|[\u{1b}a'\n]{1,9}", 1..7),
            width in 16usize..90,
            lines in any::<bool>(),
            aligned in any::<bool>(),
        ) {
            let script = match lines {
                true => words.iter().map(|word| shell_word(word)).fold("printf '%s\\0'".to_string(), |all, word| format!("{all} \\\n  {word}")),
                false => format!("printf '%s\\0' {}", shell_line(&words)),
            };
            let folded = fold(&script, width, aligned).lines.join("\n");
            let wanted: Vec<u8> = words.iter().flat_map(|word| word.bytes().chain([0])).collect();
            for shell in ["sh", "bash"] {
                prop_assert_eq!(run(shell, &folded), wanted.clone(), "{} at {}:\n{}", shell, width, folded);
            }
        }
    }

    #[test]
    fn lines_break_between_words_or_at_the_edge() {
        let script = "etcd \\\n  --name=m1 \\\n  --initial-cluster=m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380";
        let folded = fold(script, 40, true);
        let bar = |text: &str| format!("{text:<39}\\");
        let wanted = [
            bar("etcd"),
            bar("  --name=m1"),
            "  --initial-cluster=m1=http://10.0.0.1:\\".to_string(),
            "2380,m2=http://10.0.0.2:2380".into(),
        ];
        assert_eq!((folded.lines.as_slice(), folded.selectable), (&wanted[..], true));
        assert_eq!(fold(script, 200, false).lines.join("\n"), script);
    }

    #[test]
    fn comments_stay_comments() {
        let folded = fold("# one two three four five six\n  # rm -rf / of everything that is there", 20, true);
        assert!(folded.lines.len() > 3 && folded.lines.iter().all(|line| line.trim_start().starts_with('#')));
        assert!(folded.selectable);
    }

    #[test]
    fn a_file_is_left_as_it_is() {
        let script = "cat >/etc/x <<'END-1'\nkey: a value that is wider than the screen\n# one more that is much too wide\nEND-1\necho a b c d e f g h i j k l m";
        let folded = fold(script, 24, true);
        assert!(!folded.selectable);
        assert_eq!(folded.lines[1..4].join("\n"), script.lines().skip(1).take(3).collect::<Vec<_>>().join("\n"));
        assert_eq!(folded.lines.len(), 6);
    }
}
