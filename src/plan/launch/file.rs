//! `etcd.conf.yml`. Its keys are the flags' names but for a few, its durations are nanoseconds, and what is no key of it is
//! passed over by etcd without a word; so what it cannot hold is refused here.
//!
//! Source: etcd `server/embed/config.go`, the `json:"…"` tags of `configYAML`, `Config` and `securityConfig` of 3.4 to 3.7.

use std::collections::BTreeMap;

use super::{
    Flag, flags,
    form::{Makings, Said},
    quote, systemd,
};
use crate::{
    etcd::version::Minor,
    plan::{
        facts::config::{ConfigFacts, ConfigKind},
        words::all,
    },
};

/// Flags whose values are switches, in the file `true` or `false`.
const SWITCHES: [&str; 22] = [
    "auto-tls",
    "client-cert-auth",
    "debug",
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
    "experimental-stop-grpc-service-on-defrag",
    "experimental-txn-mode-write-with-shared-buffer",
    "initial-election-tick-advance",
    "memory-mlock",
    "pre-vote",
    "skip-client-san-verification",
    "strict-reconfig-check",
    "unsafe-no-fsync",
];

/// Flags whose values are numbers.
const NUMBERS: [&str; 22] = [
    "auth-token-ttl",
    "backend-batch-limit",
    "bcrypt-cost",
    "bootstrap-defrag-threshold-megabytes",
    "compaction-batch-limit",
    "distributed-tracing-sampling-rate",
    "election-timeout",
    "experimental-bootstrap-defrag-threshold-megabytes",
    "experimental-compaction-batch-limit",
    "experimental-distributed-tracing-sampling-rate",
    "experimental-snapshot-catch-up-entries",
    "heartbeat-interval",
    "max-concurrent-streams",
    "max-learners",
    "max-request-bytes",
    "max-snapshots",
    "max-txn-ops",
    "max-wals",
    "quota-backend-bytes",
    "self-signed-cert-validity",
    "snapshot-catchup-entries",
    "snapshot-count",
];

/// Flags whose values are durations; those of experiments have the same names after `experimental-`.
const DURATIONS: [&str; 11] = [
    "backend-batch-interval",
    "compact-hash-check-time",
    "compaction-sleep-interval",
    "corrupt-check-time",
    "downgrade-check-time",
    "grpc-keepalive-interval",
    "grpc-keepalive-min-time",
    "grpc-keepalive-timeout",
    "warning-apply-duration",
    "warning-unary-request-duration",
    "watch-progress-notify-interval",
];

/// Flags whose values are lists in the file.
const LISTS: [&str; 4] = ["cipher-suites", "log-outputs", "allowed-cn", "allowed-hostname"];

/// Flags that stand in one of the two sections for TLS: the flag, its key there, and since when the file has it.
const TLS: [(&str, &str, Minor); 9] = [
    ("cert-file", "cert-file", Minor::V3_4),
    ("key-file", "key-file", Minor::V3_4),
    ("client-cert-file", "client-cert-file", Minor::V3_5),
    ("client-key-file", "client-key-file", Minor::V3_5),
    ("client-cert-auth", "client-cert-auth", Minor::V3_4),
    ("trusted-ca-file", "trusted-ca-file", Minor::V3_4),
    ("auto-tls", "auto-tls", Minor::V3_4),
    ("cert-allowed-cn", "allowed-cn", Minor::V3_5),
    ("cert-allowed-hostname", "allowed-hostname", Minor::V3_5),
];

/// Flags that no file of any version has.
const NO_KEYS: [&str; 5] = [
    "client-crl-file",
    "peer-crl-file",
    "raft-read-timeout",
    "raft-write-timeout",
    "experimental-peer-skip-client-san-verification",
];

pub(super) fn notes(_: &Makings<'_>) -> Vec<String> {
    vec![
        "With a configuration file etcd passes over every flag and every ETCD_ variable: all of them stand in the file"
            .into(),
    ]
}

pub(super) fn config(makings: &Makings<'_>) -> Result<Said, String> {
    let body = body(&makings.flags, makings.ground.version)?;
    let old = makings.old(ConfigKind::ConfigFile).map(ConfigFacts::place);
    let place = old.unwrap_or_else(|| {
        let service = makings.service();
        format!("/etc/etcd/{service}.conf.yml")
    });
    let file = makings.file(&place, "etcd.conf.yml", &body);
    Ok(systemd::for_config(makings, &place, file))
}

/// The file's text.
pub(super) fn body(flags: &[Flag], version: Option<Minor>) -> Result<String, String> {
    let mut top = String::new();
    let mut sections: BTreeMap<&str, String> = BTreeMap::new();
    let mut missing = Vec::new();
    for flag in flags {
        match place(&flag.name, version.unwrap_or(Minor::V3_5)) {
            None => missing.push(format!("--{}", flag.name)),
            Some((None, key)) => top.push_str(&format!("{key}: {}\n", value(key, &flag.value)?)),
            Some((Some(section), key)) => {
                let line = format!("  {key}: {}\n", value(key, &flag.value)?);
                sections.entry(section).or_default().push_str(&line);
            }
        }
    }
    if !missing.is_empty() {
        return Err(format!(
            "etcd's configuration file has no key for {}, and takes no flags beside it",
            all(&missing)
        ));
    }
    for (section, lines) in sections {
        top.push_str(&format!("{section}:\n{lines}"));
    }
    Ok(top)
}

/// Section and key of a flag; `None` where the file has none.
fn place(flag: &str, version: Minor) -> Option<(Option<&'static str>, &str)> {
    // One that is not known may be no key, and etcd would pass over it.
    if NO_KEYS.contains(&flag) || flags::has(flag, version).is_none() {
        return None;
    }
    match flag {
        "socket-reuse-port" => return Some((Some("socket-options"), "reuse-port")),
        "socket-reuse-address" => return Some((Some("socket-options"), "reuse-address")),
        "peer-skip-client-san-verification" => {
            return Some((Some("peer-transport-security"), "skip-client-san-verification"));
        }
        "experimental-snapshot-catchup-entries" => return Some((None, "experimental-snapshot-catch-up-entries")),
        "client-cert-allowed-hostname" => {
            return (version >= Minor::V3_5).then_some((Some("client-transport-security"), "allowed-hostname"));
        }
        _ => {}
    }
    let (section, bare) = match flag.strip_prefix("peer-") {
        Some(bare) => ("peer-transport-security", bare),
        None => ("client-transport-security", flag),
    };
    match TLS.iter().find(|(name, ..)| *name == bare) {
        Some((_, key, since)) => (version >= *since).then_some((Some(section), key)),
        None => Some((None, flag)),
    }
}

/// A value as its key wants it.
fn value(key: &str, text: &str) -> Result<String, String> {
    let wrong = |what: &str| format!("{text:?} is no {what}, which {key} is");
    if SWITCHES.contains(&key) || ["reuse-port", "reuse-address"].contains(&key) {
        // The forms that Go takes.
        return match text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok("true".into()),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok("false".into()),
            _ => Err(wrong("switch")),
        };
    }
    if NUMBERS.contains(&key) {
        return text.parse::<i64>().map(|number| number.to_string()).map_err(|_| wrong("number"));
    }
    if DURATIONS.contains(&key.strip_prefix("experimental-").unwrap_or(key)) {
        return nanoseconds(text).map(|number| number.to_string()).ok_or_else(|| wrong("duration"));
    }
    if LISTS.contains(&key) {
        let items: Vec<String> = text.split(',').map(quote::yaml).collect();
        return Ok(format!("[{}]", items.join(", ")));
    }
    Ok(quote::yaml(text))
}

/// Go's durations, such as `1m30s` or `1.5h`.
fn nanoseconds(text: &str) -> Option<i64> {
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
        let scale = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 6e10,
            "h" => 3.6e12,
            _ => return None,
        };
        sum += number.parse::<f64>().ok()? * scale;
        rest = after;
    }
    // Whole nanoseconds of up to a hundred days are exact in a double.
    (!text.is_empty() && sum <= 9e15).then_some((sign * sum).round() as i64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(flags: &[(&str, &str)], version: &str) -> Result<serde_json::Value, String> {
        let flags: Vec<Flag> = flags.iter().map(|(name, value)| Flag::new(name, value)).collect();
        body(&flags, version.parse().ok()).map(|text| serde_yaml::from_str(&text).unwrap())
    }

    #[test]
    fn keys_and_values_as_etcd_reads_them() {
        let read = of(
            &[
                ("name", "1e3"),
                ("snapshot-count", "10000"),
                ("auto-compaction-retention", "8"),
                ("grpc-keepalive-min-time", "1m30.5s"),
                ("experimental-corrupt-check-time", "100ms"),
                ("log-outputs", "stderr,/var/log/a b"),
                ("client-cert-auth", "true"),
                ("cert-file", "/c: d"),
                ("peer-cert-file", "/p"),
                ("peer-client-cert-auth", "1"),
                ("peer-cert-allowed-cn", "a"),
                ("socket-reuse-port", "false"),
                ("initial-cluster", "m1=http://[::1]:1,m'2=http://b:1"),
            ],
            "3.5",
        );
        assert_eq!(
            read.unwrap(),
            serde_json::json!({
                "name": "1e3", "snapshot-count": 10000, "auto-compaction-retention": "8",
                "grpc-keepalive-min-time": 90_500_000_000i64, "experimental-corrupt-check-time": 100_000_000,
                "log-outputs": ["stderr", "/var/log/a b"],
                "client-transport-security": {"client-cert-auth": true, "cert-file": "/c: d"},
                "peer-transport-security": {"cert-file": "/p", "client-cert-auth": true, "allowed-cn": ["a"]},
                "socket-options": {"reuse-port": false},
                "initial-cluster": "m1=http://[::1]:1,m'2=http://b:1",
            })
        );
    }

    #[test]
    fn what_the_file_cannot_hold_is_refused() {
        for (flag, value, version, words) in [
            ("peer-crl-file", "/x", "3.6", "no key for --peer-crl-file"),
            ("made-up", "a", "3.6", "no key for --made-up"),
            ("peer-cert-allowed-cn", "a", "3.4", "no key for --peer-cert-allowed-cn"),
            ("snapshot-count", "many", "3.6", "\"many\" is no number, which snapshot-count is"),
            ("pre-vote", "yes", "3.6", "no switch"),
            ("corrupt-check-time", "1 day", "3.6", "no duration"),
        ] {
            let why = of(&[(flag, value)], version).unwrap_err();
            assert!(why.contains(words), "{why}");
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
    }
}
