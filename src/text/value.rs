//! Keys and values as text, and tables of them.

use base64::{Engine as _, engine::general_purpose::STANDARD};

pub use crate::text::number::{byte_count, count, thousands};
use crate::text::{
    columns::{Align, column_width, pad},
    escape::is_hostile,
};

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
        Err(_) => object.insert(format!("{name}Base64"), STANDARD.encode(bytes).into()),
    };
}

/// Returns a table as etcdutl prints it: heads centred, cells at the right.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = heads
        .iter()
        .enumerate()
        .map(|(at, head)| column_width(rows.iter().filter_map(|row| row.get(at)).map(String::as_str).chain([*head])))
        .collect();
    let rule: String =
        widths.iter().map(|w| format!("+{}", "-".repeat(w.saturating_add(2)))).collect::<String>() + "+\n";
    let heads: String =
        heads.iter().zip(&widths).map(|(h, w)| format!("| {} ", pad(h, *w, Align::Middle))).collect::<String>() + "|\n";
    let mut out = format!("{rule}{heads}{rule}");
    for row in rows {
        let cells: String =
            row.iter().zip(&widths).map(|(text, w)| format!("| {} ", pad(text, *w, Align::Right))).collect();
        out.push_str(&format!("{cells}|\n"));
    }
    out + &rule
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::columns::{as_typed, odd_cells};

    #[test]
    fn table_lines_are_as_wide_as_the_rule() {
        let rows: Vec<Vec<String>> = odd_cells().into_iter().map(|cell| vec![cell.clone(), cell]).collect();
        for rows in rows.iter().map(std::slice::from_ref).chain([rows.as_slice()]) {
            let text = table(&["NAME", "語"], rows);
            let widths: std::collections::BTreeSet<_> = text.lines().map(as_typed).collect();
            assert_eq!((widths.len(), text.lines().count()), (1, rows.len() + 4));
        }
    }

    #[test]
    fn numbers_get_separators() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (9_531_392, "9,531,392")] {
            assert_eq!(thousands(n), text);
        }
        assert_eq!((count(1, "key", "keys"), count(0, "key", "keys")), ("1 key".into(), "0 keys".into()));
    }

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
        assert_eq!(serde_json::to_string(&object).unwrap(), r#"{"key":"a","valueBase64":"/w=="}"#);
    }
}
