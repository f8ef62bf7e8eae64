//! Times and ages in words.

use crate::text::number::thousands;

/// Returns a span of seconds in its largest fitting unit: `12 s`, `72 min`, `5 h`, `41 d`.
pub fn age(seconds: i64) -> String {
    match seconds {
        ..-60 => "in the future".into(),
        // a file's clock and ours may differ by a moment
        -60..0 => "0 s".into(),
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", thousands((seconds / 86_400).unsigned_abs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_in_their_largest_unit() {
        assert_eq!(
            [5, 119, 4320, 7200, 3_542_400, -5, -61].map(age),
            ["5 s", "119 s", "72 min", "2 h", "41 d", "0 s", "in the future"]
        );
    }
}
