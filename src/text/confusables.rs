//! Characters that look like others, or like nothing: what chat programs, word processors and
//! keyboards put into a line that is pasted at 3 a.m., with what was meant.

use crate::text::escape::acts_unseen;

/// One such character found in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Its code point and name: `U+FF1A (fullwidth colon)`.
    pub name: String,
    /// What was meant; empty where it should not be there, `None` where that is unknown.
    pub meant: Option<String>,
}

const LOOKALIKES: [(char, &str, &str); 55] = [
    ('\u{2236}', "ratio sign", ":"),
    ('\u{a789}', "modifier letter colon", ":"),
    ('\u{2044}', "fraction slash", "/"),
    ('\u{2215}', "division slash", "/"),
    ('\u{3002}', "ideographic full stop", "."),
    ('\u{2024}', "one dot leader", "."),
    ('\u{2010}', "hyphen", "-"),
    ('\u{2011}', "non-breaking hyphen", "-"),
    ('\u{2012}', "figure dash", "-"),
    ('\u{2013}', "en dash", "-"),
    ('\u{2014}', "em dash", "-"),
    ('\u{2212}', "minus sign", "-"),
    ('\u{a0}', "non-breaking space", ""),
    ('\u{2007}', "figure space", ""),
    ('\u{2009}', "thin space", ""),
    ('\u{202f}', "narrow non-breaking space", ""),
    ('\u{3000}', "ideographic space", ""),
    ('\u{ad}', "soft hyphen", ""),
    ('\u{200b}', "zero-width space", ""),
    ('\u{200c}', "zero-width non-joiner", ""),
    ('\u{200d}', "zero-width joiner", ""),
    ('\u{2060}', "word joiner", ""),
    ('\u{feff}', "byte order mark", ""),
    ('\u{200e}', "left-to-right mark", ""),
    ('\u{200f}', "right-to-left mark", ""),
    ('\u{2018}', "left single quote", ""),
    ('\u{2019}', "right single quote", ""),
    ('\u{201c}', "left double quote", ""),
    ('\u{201d}', "right double quote", ""),
    ('\u{ab}', "left guillemet", ""),
    ('\u{bb}', "right guillemet", ""),
    ('\u{2026}', "ellipsis", "..."),
    ('\u{430}', "Cyrillic a", "a"),
    ('\u{435}', "Cyrillic ie", "e"),
    ('\u{43e}', "Cyrillic o", "o"),
    ('\u{440}', "Cyrillic er", "p"),
    ('\u{441}', "Cyrillic es", "c"),
    ('\u{445}', "Cyrillic ha", "x"),
    ('\u{443}', "Cyrillic u", "y"),
    ('\u{455}', "Cyrillic dze", "s"),
    ('\u{456}', "Cyrillic i", "i"),
    ('\u{458}', "Cyrillic je", "j"),
    ('\u{4bb}', "Cyrillic shha", "h"),
    ('\u{501}', "Cyrillic komi de", "d"),
    ('\u{3bf}', "Greek omicron", "o"),
    ('\u{131}', "dotless i", "i"),
    ('\u{41c}', "Cyrillic capital em", "M"),
    ('\u{201a}', "low single quote", ","),
    ('\u{60c}', "Arabic comma", ","),
    ('\u{3001}', "ideographic comma", ","),
    ('\u{5c3}', "Hebrew sof pasuq", ":"),
    ('\u{2d0}', "modifier letter triangular colon", ":"),
    ('\u{2002}', "en space", ""),
    ('\u{2003}', "em space", ""),
    ('\u{180e}', "Mongolian vowel separator", ""),
];

/// The first character of `text` that is not printable ASCII or a plain space.
pub fn find(text: &str) -> Option<Stray> {
    text.chars().find(|c| !matches!(c, ' '..='~')).map(stray)
}

/// The first character of `text` that is a control character or looks like another. Letters of
/// other scripts pass, unless they look like an ASCII letter and are among such.
pub fn find_hidden(text: &str) -> Option<Stray> {
    let latin = text.chars().any(|c| c.is_ascii_alphabetic());
    let odd = |c: &char| !matches!(c, ' '..='~') && (latin || !c.is_alphanumeric() || acts_unseen(*c));
    text.chars().filter(odd).map(stray).find(|stray| stray.meant.is_some())
}

/// `text` with every such character replaced by what was meant; unknown ones
/// stay.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match stray(c).meant {
            Some(meant) if !matches!(c, ' '..='~') => out.push_str(&meant),
            _ => out.push(c),
        }
    }
    out
}

fn stray(c: char) -> Stray {
    let code = format!("U+{:04X}", c as u32);
    if let Some((_, name, meant)) = LOOKALIKES.iter().find(|(l, ..)| *l == c) {
        return Stray { name: format!("{code} ({name})"), meant: Some((*meant).into()) };
    }
    // The fullwidth block repeats printable ASCII at a fixed distance.
    if ('\u{ff01}'..='\u{ff5e}').contains(&c) {
        let ascii = char::from_u32(c as u32 - 0xfee0).unwrap_or(c);
        let name = match ascii {
            ':' => "colon".to_string(),
            '/' => "slash".to_string(),
            ',' => "comma".to_string(),
            '.' => "full stop".to_string(),
            other => other.to_string(),
        };
        return Stray { name: format!("{code} (fullwidth {name})"), meant: Some(ascii.to_string()) };
    }
    if c.is_control() {
        let name = match c {
            '\t' => "tab",
            '\n' => "line feed",
            '\r' => "carriage return",
            _ => "control character",
        };
        return Stray { name: format!("{code} ({name})"), meant: Some(String::new()) };
    }
    if matches!(c, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}' | '\u{61c}') {
        return Stray { name: format!("{code} (line or direction mark)"), meant: Some(String::new()) };
    }
    if acts_unseen(c) {
        return Stray { name: format!("{code} (invisible character)"), meant: Some(String::new()) };
    }
    Stray { name: format!("{code} ({c})"), meant: None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_what_stands_there_and_what_was_meant() {
        for (text, name, clean_text) in [
            ("http\u{ff1a}//a", "U+FF1A (fullwidth colon)", "http://a"),
            ("a\u{a0}b", "U+00A0 (non-breaking space)", "ab"),
            ("a\u{2013}b", "U+2013 (en dash)", "a-b"),
            ("a\u{200b}b", "U+200B (zero-width space)", "ab"),
            ("\u{201c}a\u{201d}", "U+201C (left double quote)", "a"),
            ("h\u{43e}st", "U+043E (Cyrillic o)", "host"),
            ("a\tb", "U+0009 (tab)", "ab"),
            ("a\u{1b}b", "U+001B (control character)", "ab"),
            ("\u{ff11}", "U+FF11 (fullwidth 1)", "1"),
        ] {
            assert_eq!(find(text).unwrap().name, name);
            assert_eq!(clean(text), clean_text);
            assert_eq!(find(&clean(text)), None);
        }
    }

    #[test]
    fn plain_text_has_none() {
        assert_eq!(find("http://[::1]:2380 ~"), None);
        assert_eq!(find("é").unwrap().meant, None);
        assert_eq!(find_hidden("/var/lib/été"), None);
        assert_eq!(find_hidden("a\u{202e}b").unwrap().name, "U+202E (line or direction mark)");
        assert!(find_hidden("a\u{ff0c}b").is_some() && find_hidden("a\tb").is_some());
        assert!(find_hidden("/var/lib\u{200b}/x").is_some());
        // Arabic letter mark, invisible times, a tag character, a Hangul filler, a variation selector
        for unseen in ['\u{61c}', '\u{2062}', '\u{e0041}', '\u{3164}', '\u{fe0f}'] {
            let text = format!("語{unseen}");
            assert!(find_hidden(&text).is_some(), "{unseen:?}");
            assert_eq!(clean(&text), "語");
        }
        assert_eq!(clean("é x"), "é x");
        assert_eq!(find_hidden("pr\u{43e}d").unwrap().name, "U+043E (Cyrillic o)");
        assert_eq!((find_hidden("\u{43c}\u{43e}"), clean("pr\u{43e}d").as_str()), (None, "prod"));
    }
}
