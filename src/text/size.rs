//! Sizes as they are printed everywhere.
//!
//! They are in decimal units, one family for the whole program, since `etcdutl` prints its own so: 1 kB is 1,000 bytes and
//! 1 MB 1,000,000; none is printed in KiB or MiB. Limits that people set in powers of two, such as etcd's quota, are printed
//! with their bytes ([`exact`]), so that 2 GiB are known again.

use crate::text::number::count;

/// Returns `1 byte`, `20,480 bytes`.
pub fn byte_count(bytes: u64) -> String {
    count(bytes, "byte", "bytes")
}

/// Returns a size as `etcdutl` prints it (go-humanize's `Bytes`): `312 B`, `7.2 kB`, `20 kB`, `9.5 MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let exponent = bytes.ilog(1000) as usize;
    let value = (bytes as f64 / 1000f64.powi(exponent as i32) * 10.0 + 0.5).floor() / 10.0;
    let unit = UNITS.get(exponent).unwrap_or(&"EB");
    if value < 10.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// Returns a size with its bytes where the unit says less: `2.1 GB (2,147,483,648 bytes)`, `312 bytes`.
pub fn exact(bytes: u64) -> String {
    match bytes {
        ..1000 => byte_count(bytes),
        _ => format!("{} ({})", size(bytes), byte_count(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_in_etcdutl() {
        let sizes = [
            (0, "0 B"),
            (9, "9 B"),
            (312, "312 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1024, "1.0 kB"),
            (7168, "7.2 kB"),
            (20_480, "20 kB"),
            (262_144, "262 kB"),
            // not rounded up into the next unit, as go-humanize does not
            (999_999, "1000 kB"),
            (1_000_000, "1.0 MB"),
            (9_531_392, "9.5 MB"),
            (9_960_000, "10 MB"),
            (1 << 31, "2.1 GB"),
            (u64::MAX, "18 EB"),
        ];
        for (bytes, text) in sizes {
            assert_eq!(size(bytes), text);
        }
        assert_eq!([1, 999, 1 << 33].map(exact), ["1 byte", "999 bytes", "8.6 GB (8,589,934,592 bytes)"]);
    }
}
