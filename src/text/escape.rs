//! The characters that control a terminal or deceive a reader, and how they are escaped: in text as `\u{1b}`, in JSON
//! as `\u001b`.

use std::fmt::Write;

/// The most bytes of foreign text that are shown.
pub const MOST: usize = 4096;

/// What joins, hides or turns text, or ends a line, without being seen. Control characters (C0, DEL, C1) are not among
/// them: see [`is_hostile`].
///
/// Source: Unicode 16, `Default_Ignorable_Code_Point`, `Bidi_Control`, and the separators U+2028 and U+2029.
pub fn acts_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns whether a character must be escaped: control characters, line ends among them, and invisible ones.
pub fn is_hostile(c: char) -> bool {
    c.is_control() || acts_unseen(c)
}

/// Returns the first character of `text` that must be escaped; line feeds are allowed.
pub fn find(text: &str) -> Option<char> {
    text.chars().find(|c| *c != '\n' && is_hostile(*c))
}

/// Returns `text` on one line, with every such character escaped, and cut to [`MOST`] bytes with `…` for the rest.
pub fn line(text: &str) -> String {
    cut(text, is_hostile)
}

/// Returns the same with its line feeds, for text of several lines.
pub fn lines(text: &str) -> String {
    cut(text, |c| c != '\n' && is_hostile(c))
}

fn cut(text: &str, hostile: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len().min(MOST + 16));
    for c in text.chars() {
        if out.len() >= MOST {
            out.push('…');
            break;
        }
        match hostile(c) {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    out
}

/// Returns `text` on one line, escaped and not cut: for what is passed to a program and also shown.
pub fn whole(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match is_hostile(c) {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
        out
    })
}

/// Returns all of `text` with its lines and tabs, and every other such character escaped: a whole page before it is
/// printed. It is not cut; its parts are.
pub fn page(text: &str) -> std::borrow::Cow<'_, str> {
    let hostile = |c: char| !matches!(c, '\n' | '\t') && is_hostile(c);
    if !text.contains(hostile) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        match hostile(c) {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    out.into()
}

/// Returns JSON of the same value, with every such character as its `\u` escape. Only a string can have one, and serde
/// escapes C0 alone.
pub fn json(text: &str) -> std::borrow::Cow<'_, str> {
    let hostile = |c: char| c != '\n' && is_hostile(c);
    if !text.contains(hostile) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        match hostile(c) {
            true => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                // writing to a string does not fail
                let _ = write!(out, "\\u{unit:04x}");
            }),
            false => out.push(c),
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_steers_is_escaped_and_the_rest_stays() {
        for (text, one_line) in [
            ("\x1b]0;pwn\x07", "\\u{1b}]0;pwn\\u{7}"),
            ("\x1b[2J", "\\u{1b}[2J"),
            ("\u{9b}2J\u{7f}", "\\u{9b}2J\\u{7f}"),
            ("a\u{202e}b\u{2066}c\u{61c}", "a\\u{202e}b\\u{2066}c\\u{61c}"),
            ("a\r\nb\u{85}\u{2028}c", "a\\u{d}\\u{a}b\\u{85}\\u{2028}c"),
            ("a\u{200b}b\u{ad}c\u{e0041}", "a\\u{200b}b\\u{ad}c\\u{e0041}"),
            ("/var/lib/été 語 🙂 \\u{1b}", "/var/lib/été 語 🙂 \\u{1b}"),
        ] {
            assert_eq!(line(text), one_line, "{text:?}");
        }
        assert_eq!(lines("a\r\nb"), "a\\u{d}\nb");
        assert_eq!(page("a\tb\r\n\x1b"), "a\tb\\u{d}\n\\u{1b}");
        assert_eq!((find("a\nb"), find("a\u{2069}\n")), (None, Some('\u{2069}')));
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        for text in ["A".repeat(10_000), "\x1b".repeat(10_000), "語".repeat(10_000)] {
            let short = line(&text);
            assert!(short.len() <= MOST + 16 && short.ends_with('…'), "{} bytes", short.len());
        }
        assert_eq!(line(&"A".repeat(MOST)).len(), MOST);
    }

    proptest! {
        #[test]
        fn nothing_hostile_is_left(text in "(\\PC|[\u{0}-\u{ff}\u{2028}\u{202e}\u{feff}\u{e0041}]){0,40}") {
            prop_assert!(!line(&text).contains(is_hostile));
            prop_assert_eq!(find(&lines(&text)), None);
            prop_assert!(!page(&text).contains(|c| !matches!(c, '\n' | '\t') && is_hostile(c)));
        }

        #[test]
        fn json_keeps_its_meaning(text in "(\\PC|[\u{0}-\u{ff}\u{2028}\u{202e}\u{feff}\u{e0041}\"\\\\]){0,40}") {
            let value = serde_json::json!({ &text: [&text] });
            for plain in [serde_json::to_string(&value), serde_json::to_string_pretty(&value)].map(Result::unwrap_or_default) {
                let safe = json(&plain);
                prop_assert_eq!(find(&safe), None);
                prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).ok(), Some(value.clone()));
            }
        }
    }
}
