//! The points in time at which v2 keys expire: RFC 3339 as Go writes it, nanoseconds since 1970 as etcd's log has them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Go's zero time, which means "never".
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Nanoseconds since 1970; `None` for Go's zero time.
///
/// # Errors
/// Returns a message if it is not such a time.
pub fn from_rfc3339(text: &str) -> Result<Option<i64>, String> {
    if text == NEVER {
        return Ok(None);
    }
    let odd = || format!("not an RFC 3339 time: {text:?}");
    // Go writes the server's time zone; humantime parses UTC only.
    let (utc, offset) = match text.char_indices().nth_back(5) {
        Some((at, sign @ ('+' | '-'))) => {
            let (clock, zone) = text.split_at_checked(at).ok_or_else(odd)?;
            let number = |from: usize| {
                zone.get(from..from.saturating_add(2)).and_then(|n| n.parse::<i64>().ok()).ok_or_else(odd)
            };
            // Two digits each.
            let seconds = number(1)?.saturating_mul(3600).saturating_add(number(4)?.saturating_mul(60));
            (format!("{clock}Z"), if sign == '+' { seconds.saturating_neg() } else { seconds })
        }
        _ => (text.to_string(), 0),
    };
    let since = humantime::parse_rfc3339(&utc).ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).ok_or_else(odd)?;
    let nanos = i64::try_from(since.as_nanos()).map_err(|_| odd())?;
    nanos.checked_add(offset.saturating_mul(1_000_000_000)).ok_or_else(odd).map(Some)
}

/// A point in time given in nanoseconds since 1970, in UTC.
pub fn to_rfc3339(nanos: i64) -> String {
    let since = Duration::from_nanos(nanos.unsigned_abs());
    let at = if nanos < 0 { UNIX_EPOCH.checked_sub(since) } else { UNIX_EPOCH.checked_add(since) };
    // humantime ends at the year 9999, nanoseconds in an i64 in 2262 and 1677; it has none before 1970.
    humantime::format_rfc3339(at.unwrap_or(UNIX_EPOCH).max(SystemTime::UNIX_EPOCH)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_and_fractions() {
        for (text, nanos) in [
            (NEVER, None),
            ("1970-01-01T00:00:01Z", Some(1_000_000_000)),
            ("2026-11-22T18:00:00.5Z", Some(1_795_370_400_500_000_000)),
            ("2026-11-22T19:30:00.5+01:30", Some(1_795_370_400_500_000_000)),
            ("2026-11-22T10:00:00.5-08:00", Some(1_795_370_400_500_000_000)),
        ] {
            assert_eq!(from_rfc3339(text), Ok(nanos), "{text}");
        }
        for odd in ["", "tomorrow", "2026-11-22T19:30:00+1:30", "2026-11-22T19:30:00+é1:3", "+01:00"] {
            assert!(from_rfc3339(odd).is_err(), "{odd}");
        }
        assert_eq!(to_rfc3339(1_795_370_400_500_000_000), "2026-11-22T18:00:00.500000000Z");
        assert_eq!(to_rfc3339(-1), "1970-01-01T00:00:00Z");
    }
}
