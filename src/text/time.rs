//! Times and ages in words. Pure.

pub use crate::text::columns::{Align, fit, fit_end, of_char, pad, width, wrap};
use crate::text::number;
pub use crate::text::number::size;

/// Returns `84211` as `84,211`.
pub fn thousands(n: impl Into<i128>) -> String {
    let n: i128 = n.into();
    let out = number::thousands(u64::try_from(n.unsigned_abs()).unwrap_or(u64::MAX));
    if n < 0 { format!("-{out}") } else { out }
}

/// Returns a span of seconds in its largest fitting unit: `12 s`, `72 min`, `5 h`, `41 d`.
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

/// Returns `text` as a sentence: with a full stop, unless it ends in a mark of its own.
pub fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.is_empty() || text.ends_with(['.', '!', '?', ':', '…']) { text.to_string() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_sentence_ends_in_a_mark() {
        assert_eq!(sentence("It is up"), "It is up.");
        assert_eq!(sentence("does it?"), "does it?");
    }
}
