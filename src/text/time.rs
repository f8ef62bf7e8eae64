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

/// Returns the time of day of a moment, seconds since 1970, in UTC: `03:12:45`.
pub fn clock(at: i64) -> String {
    let seconds = at.rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_its_time_of_day() {
        assert_eq!([0, 86_399, 1_700_000_000, -1].map(clock), ["00:00:00", "23:59:59", "22:13:20", "23:59:59"]);
    }

    #[test]
    fn ages_are_in_their_largest_unit() {
        assert_eq!(
            [5, 119, 4320, 7200, 3_542_400, -5, -61].map(age),
            ["5 s", "119 s", "72 min", "2 h", "41 d", "0 s", "in the future"]
        );
    }
}
