//! Numbers as they are printed everywhere, and the form of a word that goes with one.

/// Returns `84211` as `84,211`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns the same of a number of any kind: `-84,211`.
pub fn signed(n: impl Into<i128>) -> String {
    let n: i128 = n.into();
    let out = thousands(u64::try_from(n.unsigned_abs()).unwrap_or(u64::MAX));
    if n < 0 { format!("-{out}") } else { out }
}

/// Returns `1 key`, `2 keys`, `2,200 keys`.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { many })
}

/// Returns one form for 1, the other for every other number.
pub fn plural<'a>(number: usize, one: &'a str, many: &'a str) -> &'a str {
    if number == 1 { one } else { many }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_get_separators() {
        let shown = [0, 7, 999, 1000, 84_211, 9_531_392, 1_000_084_211].map(thousands);
        assert_eq!(shown, ["0", "7", "999", "1,000", "84,211", "9,531,392", "1,000,084,211"]);
        assert_eq!([signed(0), signed(-84_211), signed(1_000_084_211i64)], ["0", "-84,211", "1,000,084,211"]);
        assert_eq!((count(1, "key", "keys"), count(0, "key", "keys")), ("1 key".into(), "0 keys".into()));
        assert_eq!([0, 1, 2].map(|n| plural(n, "has", "have")), ["have", "has", "have"]);
    }
}
