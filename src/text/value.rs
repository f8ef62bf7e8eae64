//! Keys and values as text.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::text::escape::is_hostile;

/// Returns bytes as text that is safe on a terminal: printable characters stay, every other byte becomes `\xNN`, `\n`,
/// `\t`, `\r` or `\u{…}`, and a backslash `\\`, so that different byte strings always look different.
pub fn shown(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
                c if is_hostile(c) => out.extend(c.escape_unicode()),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// Returns [`shown`], cut to `most` characters with `…` for the rest.
pub fn brief(bytes: &[u8], most: usize) -> String {
    let text = shown(bytes.get(..most.saturating_mul(4)).unwrap_or(bytes));
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

/// Adds `bytes` to a JSON object as `name` where they are UTF-8, else as `nameBase64`.
pub fn put_bytes(object: &mut serde_json::Map<String, serde_json::Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.into(), text.into()),
        Err(_) => object.insert(format!("{name}_base64"), STANDARD.encode(bytes).into()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_a_terminal_raw() {
        assert_eq!(shown(b"/a/\x1b[31m\n\0\\\xff\xc3\xa9"), "/a/\\x1b[31m\\n\\x00\\\\\\xffé");
        assert_eq!(shown("a\u{202e}b\u{9b}".as_bytes()), "a\\u{202e}b\\u{9b}");
        assert_eq!(brief("ééééé".as_bytes(), 3), "ééé…");
        assert_eq!(brief(b"abc", 3), "abc");
    }

    #[test]
    fn bytes_in_json_say_what_they_are() {
        let mut object = serde_json::Map::new();
        put_bytes(&mut object, "key", b"a");
        put_bytes(&mut object, "value", b"\xff");
        assert_eq!(serde_json::to_string(&object).unwrap(), r#"{"key":"a","value_base64":"/w=="}"#);
    }
}
