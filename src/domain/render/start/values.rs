//! What kind of value each flag takes: switch, number, duration, list, text. etcd's configuration file wants each in its own
//! YAML form, and takes no flag's text for it.
//!
//! Source: etcd `server/embed/config.go` and `server/etcdmain/config.go` of 3.4 to 3.7 (the types of the fields with the
//! `json:"…"` tags); Go's `strconv` and `time` for how texts are read. Compared with the programs by the case
//! `every_key_of_the_file` of `tests/cases/real_etcd.rs`.

/// What kind of value a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// `true` or `false`; given without a value it is `true`.
    Switch,
    /// A whole number that is not negative.
    Count,
    /// A whole number that may be negative.
    Number,
    /// A duration: a flag has it as `1m30s`, the file as nanoseconds.
    Duration,
    /// Texts: a flag has them with commas, the file as a list.
    List,
    /// Anything else.
    Text,
}

/// Flags that are true when nothing follows them.
const SWITCHES: &[&str] = &[
    "auto-tls",
    "client-cert-auth",
    "debug",
    "discovery-insecure-skip-tls-verify",
    "discovery-insecure-transport",
    "enable-distributed-tracing",
    "enable-grpc-gateway",
    "enable-log-rotation",
    "enable-pprof",
    "enable-v2",
    "experimental-compact-hash-check-enabled",
    "experimental-enable-distributed-tracing",
    "experimental-enable-lease-checkpoint",
    "experimental-enable-lease-checkpoint-persist",
    "experimental-initial-corrupt-check",
    "experimental-memory-mlock",
    "experimental-peer-skip-client-san-verification",
    "experimental-stop-grpc-service-on-defrag",
    "experimental-txn-mode-write-with-shared-buffer",
    "force-new-cluster",
    "initial-election-tick-advance",
    "memory-mlock",
    "next-cluster-version-compatible",
    "peer-auto-tls",
    "peer-client-cert-auth",
    "peer-skip-client-san-verification",
    "pre-vote",
    "socket-reuse-address",
    "socket-reuse-port",
    "strict-reconfig-check",
    "unsafe-no-fsync",
    "version",
];

/// Flags whose values are unsigned numbers.
const COUNTS: &[&str] = &[
    "auth-token-ttl",
    "bcrypt-cost",
    "bootstrap-defrag-threshold-megabytes",
    "election-timeout",
    "experimental-bootstrap-defrag-threshold-megabytes",
    "experimental-snapshot-catchup-entries",
    "heartbeat-interval",
    "max-concurrent-streams",
    "max-request-bytes",
    "max-snapshots",
    "max-txn-ops",
    "max-wals",
    "proxy-dial-timeout",
    "proxy-failure-wait",
    "proxy-read-timeout",
    "proxy-refresh-interval",
    "proxy-write-timeout",
    "self-signed-cert-validity",
    "snapshot-catchup-entries",
    "snapshot-count",
];

/// Flags whose values are signed numbers. A negative quota means none.
const NUMBERS: &[&str] = &[
    "backend-batch-limit",
    "compaction-batch-limit",
    "distributed-tracing-sampling-rate",
    "experimental-compaction-batch-limit",
    "experimental-distributed-tracing-sampling-rate",
    "max-learners",
    "quota-backend-bytes",
];

/// Flags whose values are durations; those of experiments have the same names after `experimental-`.
const DURATIONS: &[&str] = &[
    "backend-batch-interval",
    "compact-hash-check-time",
    "compaction-sleep-interval",
    "corrupt-check-time",
    "downgrade-check-time",
    "grpc-keepalive-interval",
    "grpc-keepalive-min-time",
    "grpc-keepalive-timeout",
    "raft-read-timeout",
    "raft-write-timeout",
    "warning-apply-duration",
    "warning-unary-request-duration",
    "watch-progress-notify-interval",
];

/// Flags whose values are lists in the file. The URLs, `cors` and `host-whitelist` are texts with commas there, too.
const LISTS: &[&str] = &[
    "cipher-suites",
    "client-cert-allowed-hostname",
    "log-output",
    "log-outputs",
    "peer-cert-allowed-cn",
    "peer-cert-allowed-hostname",
];

/// The kind of a flag's value.
pub fn kind(flag: &str) -> ValueKind {
    let bare = flag.strip_prefix("experimental-").unwrap_or(flag);
    match flag {
        _ if SWITCHES.contains(&flag) => ValueKind::Switch,
        _ if COUNTS.contains(&flag) => ValueKind::Count,
        _ if NUMBERS.contains(&flag) => ValueKind::Number,
        _ if DURATIONS.contains(&bare) => ValueKind::Duration,
        _ if LISTS.contains(&flag) => ValueKind::List,
        _ => ValueKind::Text,
    }
}

/// Whether etcd takes a flag's value for what it is to be.
pub fn is_right(flag: &str, value: &str) -> bool {
    match kind(flag) {
        ValueKind::Switch => switch(value).is_some(),
        ValueKind::Count => {
            integer(value).is_some_and(|number| u64::try_from(number).is_ok() && !value.starts_with(['+', '-']))
        }
        // a sampling rate and the like are whole numbers, too
        ValueKind::Number => integer(value).is_some_and(|number| i64::try_from(number).is_ok()),
        ValueKind::Duration => nanoseconds(value).is_some(),
        ValueKind::List | ValueKind::Text => true,
    }
}

/// What a flag's value is to be, in words.
pub fn wanted(flag: &str) -> &'static str {
    match kind(flag) {
        ValueKind::Switch => "true or false",
        ValueKind::Count | ValueKind::Number => "a whole number",
        ValueKind::Duration => "a duration such as 5s",
        ValueKind::List | ValueKind::Text => "a text",
    }
}

/// A switch in the forms that Go takes.
pub(crate) fn switch(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A whole number in the forms that Go's flags take: `0x10`, `0o17`, `017`, `0b1`, `8_000`.
pub(crate) fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, rest) = match lower.get(..2) {
        Some("0x") => (16, lower.get(2..)?),
        Some("0b") => (2, lower.get(2..)?),
        Some("0o") => (8, lower.get(2..)?),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    // Go takes an underscore between digits and after a prefix.
    let apart = radix != 10 && rest.starts_with('_');
    let plain = rest.get(usize::from(apart)..)?;
    let fine = plain.split('_').all(|part| !part.is_empty() && part.chars().all(|c| c.is_digit(radix)));
    let number = i128::from_str_radix(&plain.replace('_', ""), radix).ok().filter(|_| fine)?;
    Some(sign * number)
}

/// Go's durations, such as `1m30s` or `1.5h`.
pub(crate) fn nanoseconds(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut sum = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        sum += number.parse::<f64>().ok()? * *scale as f64;
        rest = after;
    }
    // Whole nanoseconds of up to a hundred days are exact in a double.
    (!text.is_empty() && sum <= 9e15).then_some((sign * sum).round() as i64)
}

/// Go's units of a duration, in nanoseconds.
const UNITS: [(&str, i64); 8] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ns", 1),
];

/// Nanoseconds as a flag has them, in the largest unit that leaves nothing over: `90s`.
pub(crate) fn duration(nanoseconds: i64) -> String {
    let fits = |scale: i64| nanoseconds != 0 && nanoseconds % scale == 0;
    match UNITS.iter().find(|(_, scale)| fits(*scale)) {
        Some((unit, scale)) => format!("{}{unit}", nanoseconds / scale),
        None => "0s".into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::domain::members::etcd_flags;

    #[test]
    fn values_that_etcd_does_not_take() {
        for (flag, value, right) in [
            ("quota-backend-bytes", "8G", false),
            ("quota-backend-bytes", "8_000", true),
            ("quota-backend-bytes", "-1", true),
            ("snapshot-count", "abc", false),
            ("snapshot-count", "-1", false),
            ("snapshot-count", "", false),
            ("client-cert-auth", "yes", false),
            ("client-cert-auth", "T", true),
            ("grpc-keepalive-timeout", "20", false),
            ("grpc-keepalive-timeout", "20s", true),
            ("log-level", "any", true),
        ] {
            assert_eq!(is_right(flag, value), right, "--{flag}={value}");
        }
    }

    #[test]
    fn durations_as_go_reads_them() {
        for (text, wanted) in [
            ("5s", Some(5_000_000_000)),
            ("1h2m3s4ms", Some(3_723_004_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            ("100us", Some(100_000)),
            ("-1s", Some(-1_000_000_000)),
            ("0", Some(0)),
            ("5", None),
            ("", None),
            ("s", None),
            ("1d", None),
        ] {
            assert_eq!(nanoseconds(text), wanted, "{text}");
        }
        for (number, text) in
            [(0, "0s"), (5_000_000_000, "5s"), (90_000_000_000, "90s"), (1, "1ns"), (-60_000_000_000, "-1m")]
        {
            assert_eq!(duration(number), text);
        }
    }

    #[test]
    fn numbers_as_go_reads_them() {
        for (text, wanted) in [
            ("8589934592", Some(8_589_934_592)),
            ("8_589_934_592", Some(8_589_934_592)),
            ("0x200000000", Some(8_589_934_592)),
            ("0X_1f", Some(31)),
            ("017", Some(15)),
            ("0o17", Some(15)),
            ("0b101", Some(5)),
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("+1", Some(1)),
            ("18446744073709551615", Some(18_446_744_073_709_551_615)),
            ("8e9", None),
            ("8Gi", None),
            ("1.0", None),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("0x", None),
            ("08", None),
            ("--1", None),
            ("", None),
        ] {
            assert_eq!(integer(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn kinds_name_flags_that_there_are() {
        for flag in SWITCHES.iter().chain(COUNTS).chain(NUMBERS).chain(LISTS) {
            let known = etcd_flags::is_known(flag) || flag.starts_with("discovery") || *flag == "version";
            assert!(known, "--{flag} is no flag");
        }
        assert!(DURATIONS.iter().all(|flag| etcd_flags::is_known(flag)));
        assert_eq!(kind("experimental-corrupt-check-time"), ValueKind::Duration);
        assert_eq!((kind("cors"), kind("made-up")), (ValueKind::Text, ValueKind::Text));
    }

    proptest! {
        #[test]
        fn durations_come_back(number in -9_000_000_000_000_000i64..9_000_000_000_000_000) {
            prop_assert_eq!(nanoseconds(&duration(number)), Some(number));
        }
    }
}
