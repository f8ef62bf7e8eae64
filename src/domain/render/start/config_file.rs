//! `etcd.conf.yml`. Its keys are the flags' names but for a few, its durations are nanoseconds, and etcd silently
//! ignores unknown keys; so what it cannot hold is rejected here.
//!
//! Source: etcd `server/embed/config.go`, the `json:"…"` tags of `configYAML`, `Config` and `securityConfig` of 3.4 to 3.7.

use std::collections::BTreeMap;

use super::{
    Flag, escape,
    format_input::{FormatInput, Rendered},
    systemd,
    values::{self, ValueKind},
};
use crate::domain::members::etcd_flags;
use crate::domain::members::etcd_flags::patches;
use crate::{
    domain::model::observations::config::{ConfigFacts, ConfigKind},
    etcd::version::Minor,
    text::join::all,
};

/// Flags that are in one of the two TLS sections: the flag, its key there, and since when the file has it.
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

pub(super) fn notes(makings: &FormatInput<'_>) -> Vec<String> {
    let all =
        "With a configuration file etcd ignores every flag and every ETCD_ variable: all settings are in the file";
    let late = |flag: &Flag| {
        let version = makings.ground.version?;
        let patch = patches::of_key(&flag.name, version)?;
        Some(format!(
            "etcd {version}.{patch} and later take --{} from a file; an earlier {version} ignores it there",
            flag.name
        ))
    };
    [all.to_string()].into_iter().chain(makings.flags.iter().filter_map(late)).collect()
}

pub(super) fn config(makings: &FormatInput<'_>) -> Result<Rendered, String> {
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
    let last = |at: usize, name: &str| !flags.iter().skip(at + 1).any(|flag| flag.name == name);
    let given = flags.iter().enumerate().filter(|(at, flag)| last(*at, &flag.name)).map(|(_, flag)| flag);
    for flag in given.chain(&defaults(flags, version)) {
        match place(&flag.name, version.unwrap_or(Minor::V3_5)) {
            None => missing.push(format!("--{}", flag.name)),
            Some((None, key)) => top.push_str(&format!("{key}: {}\n", value(flag)?)),
            Some((Some(section), key)) => {
                let line = format!("  {key}: {}\n", value(flag)?);
                sections.entry(section).or_default().push_str(&line);
            }
        }
    }
    if !missing.is_empty() {
        return Err(format!(
            "etcd's configuration file has no key for {}, and etcd accepts no flags in addition to it",
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
    // One that is not known may be no key, and etcd would ignore it.
    if NO_KEYS.contains(&flag) || etcd_flags::has(flag, version).is_none() {
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

/// Returns a value as its key needs it.
fn value(flag: &Flag) -> Result<String, String> {
    let (name, text) = (&flag.name, flag.value.as_str());
    let wrong = |what: &str| format!("{text:?} is not a {what}, which --{name} needs");
    let count = || values::integer(text).ok_or_else(|| wrong("whole number"));
    match values::kind(name) {
        ValueKind::Switch => {
            values::switch(text).map(|on| on.to_string()).ok_or_else(|| wrong("switch (true or false)"))
        }
        ValueKind::Count => {
            count().and_then(|n| if n < 0 { Err(wrong("number from 0 on")) } else { Ok(n.to_string()) })
        }
        ValueKind::Number => count().map(|number| number.to_string()),
        ValueKind::Duration => {
            values::nanoseconds(text).map(|n| n.to_string()).ok_or_else(|| wrong("duration such as 5s"))
        }
        ValueKind::List => {
            let items: Vec<String> = text.split(',').map(escape::yaml).collect();
            Ok(format!("[{}]", items.join(", ")))
        }
        ValueKind::Text => Ok(escape::yaml(text)),
    }
}

/// What a flag that is not given means, where a key that is not there means something else: to be written out, so that the
/// member runs as its command says.
///
/// Source: the defaults of the flags in `server/etcdmain/config.go` against those of `NewConfig` in `server/embed/config.go`.
fn defaults(flags: &[Flag], version: Option<Minor>) -> Vec<Flag> {
    let get = |name: &str| flags.iter().rev().find(|flag| flag.name == name).map(|flag| flag.value.as_str());
    let on = |name: &str| get(name).and_then(values::switch) == Some(true);
    let until = |last: Minor| version.is_none_or(|version| version <= last);
    let tls = flags.iter().any(|flag| flag.name.ends_with("cert-file") || flag.name.ends_with("auto-tls"));
    let all = [
        // Without a mode 3.4 and 3.5 take a number of hours for nothing at all, and do not start with a duration.
        ("auto-compaction-mode", "periodic", get("auto-compaction-retention").is_some()),
        ("enable-grpc-gateway", "true", until(Minor::V3_4)),
        ("tls-min-version", "TLS1.2", tls && until(Minor::V3_5)),
        (
            "experimental-distributed-tracing-address",
            "localhost:4317",
            on("experimental-enable-distributed-tracing") && until(Minor::V3_5),
        ),
        (
            "experimental-distributed-tracing-service-name",
            "etcd",
            on("experimental-enable-distributed-tracing") && until(Minor::V3_5),
        ),
    ];
    let differs = |(name, _, differs): &(&str, &str, bool)| *differs && get(name).is_none();
    all.into_iter().filter(differs).map(|(name, value, _)| Flag::new(name, value)).collect()
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
                // A flag that is not given means these, a key that is not there does not.
                "auto-compaction-mode": "periodic", "tls-min-version": "TLS1.2",
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
    fn values_in_the_form_of_their_kind() {
        use serde_json::json;
        for (flag, value, version, key, wanted) in [
            ("proxy-failure-wait", "5000", "3.4", "proxy-failure-wait", json!(5000)),
            ("proxy-dial-timeout", "0x3e8", "3.5", "proxy-dial-timeout", json!(1000)),
            ("quota-backend-bytes", "8_589_934_592", "3.6", "quota-backend-bytes", json!(8_589_934_592u64)),
            ("quota-backend-bytes", "-1", "3.6", "quota-backend-bytes", json!(-1)),
            ("snapshot-count", "18446744073709551615", "3.7", "snapshot-count", json!(u64::MAX)),
            ("experimental-snapshot-catchup-entries", "5", "3.5", "experimental-snapshot-catch-up-entries", json!(5)),
            ("auto-compaction-mode", "revision", "3.5", "auto-compaction-mode", json!("revision")),
            ("auto-compaction-retention", "1", "3.7", "auto-compaction-retention", json!("1")),
            ("log-output", "stderr", "3.4", "log-output", json!(["stderr"])),
            ("cipher-suites", "A,B", "3.6", "cipher-suites", json!(["A", "B"])),
            ("cors", "*", "3.6", "cors", json!("*")),
            ("host-whitelist", "a,b", "3.6", "host-whitelist", json!("a,b")),
            ("backend-batch-interval", "100ms", "3.4", "backend-batch-interval", json!(100_000_000)),
            ("feature-gates", "A=true,B=false", "3.6", "feature-gates", json!("A=true,B=false")),
        ] {
            let read = of(&[(flag, value)], version).unwrap();
            assert_eq!(read[key], wanted, "{flag}={value} of {version}: {read}");
        }
        // The last counts, as for flags.
        assert_eq!(of(&[("log-level", "info"), ("log-level", "warn")], "3.6").unwrap(), json!({"log-level": "warn"}));
    }

    #[test]
    fn defaults_of_absent_flags_are_written_out() {
        for (flags, version, wanted) in [
            (vec![("auto-compaction-retention", "1")], "3.5", vec![("auto-compaction-mode", "periodic")]),
            (vec![("auto-compaction-retention", "1"), ("auto-compaction-mode", "revision")], "3.5", vec![]),
            (vec![], "3.4", vec![("enable-grpc-gateway", "true")]),
            (vec![("enable-grpc-gateway", "false")], "3.4", vec![]),
            (vec![], "3.5", vec![]),
            (vec![("peer-cert-file", "/p")], "3.5", vec![("tls-min-version", "TLS1.2")]),
            (vec![("peer-cert-file", "/p"), ("tls-min-version", "TLS1.3")], "3.5", vec![]),
            (vec![("peer-cert-file", "/p")], "3.6", vec![]),
            (
                vec![("experimental-enable-distributed-tracing", "true")],
                "3.5",
                vec![
                    ("experimental-distributed-tracing-address", "localhost:4317"),
                    ("experimental-distributed-tracing-service-name", "etcd"),
                ],
            ),
            (vec![("experimental-enable-distributed-tracing", "false")], "3.5", vec![]),
        ] {
            let given: Vec<Flag> = flags.iter().map(|(name, value)| Flag::new(name, value)).collect();
            let added = defaults(&given, version.parse().ok());
            let added: Vec<(&str, &str)> = added.iter().map(|f| (f.name.as_str(), f.value.as_str())).collect();
            assert_eq!(added, wanted, "{flags:?} of {version}");
        }
    }

    #[test]
    fn what_the_file_cannot_hold_is_refused() {
        for (flag, value, version) in [
            ("peer-crl-file", "/x", "3.6"),
            ("made-up", "a", "3.6"),
            ("peer-cert-allowed-cn", "a", "3.4"),
            ("snapshot-count", "many", "3.6"),
            ("snapshot-count", "-1", "3.6"),
            ("proxy-read-timeout", "5s", "3.5"),
            ("pre-vote", "yes", "3.6"),
            ("corrupt-check-time", "1 day", "3.6"),
        ] {
            let why = of(&[(flag, value)], version).unwrap_err();
            assert!(why.contains(&format!("--{flag}")), "{why}");
        }
    }
}
