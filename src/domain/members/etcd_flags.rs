//! etcd's flags from version to version: which there are, and what they became.
//!
//! Sources: etcd `server/embed/config.go`, `server/etcdmain/config.go` and `server/features/etcd_features.go` of 3.4 to 3.7;
//! compared with the programs by the case `flags_are_those_of_the_server` of `tests/cases/real_etcd.rs`.

pub mod patches;

use crate::{
    domain::{members::validate::flag_name, model::observations::config::WITHHELD},
    etcd::version::Minor::{self, V3_4, V3_5, V3_6, V3_7},
};

/// Flags that every version has.
#[rustfmt::skip]
const ALWAYS: &[&str] = &[
    "advertise-client-urls", "auth-token", "auth-token-ttl", "auto-compaction-mode", "auto-compaction-retention",
    "auto-tls", "backend-batch-interval", "backend-batch-limit", "bcrypt-cost", "cert-file", "cipher-suites",
    "client-cert-allowed-hostname", "client-cert-auth", "client-crl-file", "config-file", "cors", "data-dir",
    "discovery-fallback", "discovery-srv", "discovery-srv-name", "election-timeout", "enable-grpc-gateway",
    "enable-pprof", "force-new-cluster", "grpc-keepalive-interval", "grpc-keepalive-min-time",
    "grpc-keepalive-timeout", "heartbeat-interval", "host-whitelist", "initial-advertise-peer-urls",
    "initial-cluster", "initial-cluster-state", "initial-cluster-token", "initial-election-tick-advance", "key-file",
    "listen-client-urls", "listen-metrics-urls", "listen-peer-urls", "log-level", "log-outputs", "logger",
    "max-concurrent-streams", "max-request-bytes", "max-snapshots", "max-txn-ops", "max-wals", "metrics", "name",
    "peer-auto-tls", "peer-cert-allowed-cn", "peer-cert-allowed-hostname", "peer-cert-file", "peer-client-cert-auth",
    "peer-crl-file", "peer-key-file", "peer-trusted-ca-file", "pre-vote", "quota-backend-bytes", "snapshot-count",
    "strict-reconfig-check", "trusted-ca-file", "unsafe-no-fsync", "wal-dir",
];

/// Flags that came or went: the first and the last version that has them.
#[rustfmt::skip]
const SOME: &[(&str, Minor, Minor)] = &[
    ("backend-bbolt-freelist-type", V3_5, V3_7),
    ("bootstrap-defrag-threshold-megabytes", V3_6, V3_7),
    ("client-cert-file", V3_5, V3_7),
    ("client-key-file", V3_5, V3_7),
    ("compact-hash-check-time", V3_6, V3_7),
    ("compaction-batch-limit", V3_6, V3_7),
    ("compaction-sleep-interval", V3_6, V3_7),
    ("corrupt-check-time", V3_6, V3_7),
    ("debug", V3_4, V3_4),
    ("discovery", V3_4, V3_6),
    ("discovery-proxy", V3_4, V3_6),
    ("distributed-tracing-address", V3_6, V3_7),
    ("distributed-tracing-instance-id", V3_6, V3_7),
    ("distributed-tracing-sampling-rate", V3_6, V3_7),
    ("distributed-tracing-service-name", V3_6, V3_7),
    ("downgrade-check-time", V3_6, V3_7),
    ("enable-distributed-tracing", V3_6, V3_7),
    ("enable-log-rotation", V3_5, V3_7),
    ("enable-v2", V3_4, V3_5),
    ("experimental-backend-bbolt-freelist-type", V3_4, V3_4),
    ("experimental-bootstrap-defrag-threshold-megabytes", V3_5, V3_6),
    ("experimental-compact-hash-check-enabled", V3_5, V3_6),
    ("experimental-compact-hash-check-time", V3_5, V3_6),
    ("experimental-compaction-batch-limit", V3_4, V3_6),
    ("experimental-compaction-sleep-interval", V3_5, V3_6),
    ("experimental-corrupt-check-time", V3_4, V3_6),
    ("experimental-distributed-tracing-address", V3_5, V3_6),
    ("experimental-distributed-tracing-instance-id", V3_5, V3_6),
    ("experimental-distributed-tracing-sampling-rate", V3_5, V3_6),
    ("experimental-distributed-tracing-service-name", V3_5, V3_6),
    ("experimental-downgrade-check-time", V3_5, V3_6),
    ("experimental-enable-distributed-tracing", V3_5, V3_6),
    ("experimental-enable-lease-checkpoint", V3_4, V3_6),
    ("experimental-enable-lease-checkpoint-persist", V3_4, V3_6),
    ("experimental-enable-v2v3", V3_4, V3_5),
    ("experimental-initial-corrupt-check", V3_4, V3_6),
    ("experimental-memory-mlock", V3_5, V3_6),
    ("experimental-peer-skip-client-san-verification", V3_4, V3_6),
    ("experimental-snapshot-catchup-entries", V3_5, V3_6),
    ("experimental-stop-grpc-service-on-defrag", V3_5, V3_6),
    ("experimental-txn-mode-write-with-shared-buffer", V3_5, V3_6),
    ("experimental-warning-apply-duration", V3_4, V3_6),
    ("experimental-warning-unary-request-duration", V3_6, V3_6),
    ("experimental-watch-progress-notify-interval", V3_4, V3_6),
    ("feature-gates", V3_6, V3_7),
    ("listen-client-http-urls", V3_5, V3_7),
    ("log-format", V3_6, V3_7),
    ("log-output", V3_4, V3_4),
    ("log-package-levels", V3_4, V3_4),
    ("log-rotation-config-json", V3_5, V3_7),
    ("max-learners", V3_6, V3_7),
    ("memory-mlock", V3_6, V3_7),
    ("next-cluster-version-compatible", V3_4, V3_4),
    ("peer-client-cert-file", V3_5, V3_7),
    ("peer-client-key-file", V3_5, V3_7),
    ("peer-skip-client-san-verification", V3_6, V3_7),
    ("proxy", V3_4, V3_5),
    ("proxy-dial-timeout", V3_4, V3_5),
    ("proxy-failure-wait", V3_4, V3_5),
    ("proxy-read-timeout", V3_4, V3_5),
    ("proxy-refresh-interval", V3_4, V3_5),
    ("proxy-write-timeout", V3_4, V3_5),
    ("raft-read-timeout", V3_5, V3_7),
    ("raft-write-timeout", V3_5, V3_7),
    ("self-signed-cert-validity", V3_5, V3_7),
    ("snapshot-catchup-entries", V3_6, V3_7),
    ("socket-reuse-address", V3_5, V3_7),
    ("socket-reuse-port", V3_5, V3_7),
    ("tls-max-version", V3_4, V3_7),
    ("tls-min-version", V3_4, V3_7),
    ("v2-deprecation", V3_5, V3_7),
    ("warning-apply-duration", V3_6, V3_7),
    ("warning-unary-request-duration", V3_6, V3_7),
    ("watch-progress-notify-interval", V3_6, V3_7),
];

/// Flags of etcd 0.4 that every version takes and does nothing with: `ignored` of `etcdmain/config.go`.
const WITHOUT_EFFECT: &[&str] = &[
    "cluster-active-size",
    "cluster-remove-delay",
    "cluster-sync-interval",
    "config",
    "force",
    "max-result-buffer",
    "max-retry-attempts",
    "peer-election-timeout",
    "peer-heartbeat-interval",
    "retry-interval",
    "snapshot",
    "v",
    "vv",
];

/// How the names of experiments begin.
const EXPERIMENT: &str = "experimental-";

/// Flags that became features of `--feature-gates` in 3.6.
#[rustfmt::skip]
const FEATURES: &[(&str, &str)] = &[
    ("experimental-stop-grpc-service-on-defrag", "StopGRPCServiceOnDefrag"),
    ("experimental-initial-corrupt-check", "InitialCorruptCheck"),
    ("experimental-compact-hash-check-enabled", "CompactHashCheck"),
    ("experimental-txn-mode-write-with-shared-buffer", "TxnModeWriteWithSharedBuffer"),
    ("experimental-enable-lease-checkpoint", "LeaseCheckpoint"),
    ("experimental-enable-lease-checkpoint-persist", "LeaseCheckpointPersist"),
];

/// Values that a later version does not start with: flag, value, the first such version, and why.
const VALUES: &[(&str, &str, Minor, &str)] = &[
    ("logger", "capnslog", V3_5, "which removed it"),
    ("v2-deprecation", "not-yet", V3_6, "whose v2 store is written only"),
];

/// Flags that must not come along from an old start into a recovery, and why.
const STALE: &[(&str, &str)] = &[
    ("force-new-cluster", "it would remove the other members of the new cluster"),
    ("config-file", "with it etcd ignores every other flag"),
    ("proxy", "a proxy is not a member"),
];

/// Flags that the plan sets itself.
fn is_plans(name: &str) -> bool {
    let owned = ["name", "data-dir", "wal-dir", "advertise-client-urls", "config-file", "version", "help"];
    owned.contains(&name) || name.starts_with("initial-") && name != "initial-election-tick-advance"
}

/// The flags of an old configuration that a member is to have again: all but those that the plan sets itself, those that no
/// recovery may have, and secrets. Where it listened is kept where that is not where it was reached, as with an address
/// translation.
pub(crate) fn kept<'a>(old: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let get = |name: &str| old.iter().rev().find(|(n, _)| *n == name).map_or("", |(_, value)| *value);
    let elsewhere = |listen: &str, advertise: &str| !get(advertise).is_empty() && get(listen) != get(advertise);
    let keep = |(name, value): &(&str, &str)| match *name {
        "listen-peer-urls" => elsewhere(name, "initial-advertise-peer-urls"),
        "listen-client-urls" => elsewhere(name, "advertise-client-urls"),
        _ => !is_plans(name) && stale(name).is_none() && !value.is_empty() && !value.contains(WITHHELD),
    };
    old.iter().filter(|pair| keep(pair) && get(pair.0) == pair.1).copied().collect()
}

/// Why a flag must not come along into a recovery, where it must not.
fn stale(name: &str) -> Option<&'static str> {
    let discovery = name.starts_with("discovery");
    STALE
        .iter()
        .find(|(stale, _)| *stale == name)
        .map(|(_, why)| *why)
        .or_else(|| discovery.then_some("the members are in the plan and must not be discovered elsewhere"))
}

/// What of an old configuration is left out of a recovery, whatever its version: sentences without a full stop.
pub(crate) fn left_out(old: &[(&str, &str)], place: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (name, value) in old {
        let off = ["false", "off", ""].contains(value);
        if let Some(why) = stale(name).filter(|_| !off && *name != "config-file") {
            out.push(format!("--{name} is left out: {why}"));
        } else if *name == "initial-cluster-state" && *value == "new" {
            out.push(
                "--initial-cluster-state=new is left out: on an empty or mistyped directory it would start an empty member \
                 under the planned ID"
                    .into(),
            );
        } else if value.contains(WITHHELD) {
            out.push(format!("--{name} is left out because it holds a secret; copy it from {place}"));
        }
    }
    out
}

/// One flag as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flag {
    /// Without dashes.
    pub name: String,
    /// `true` where none was given.
    pub value: String,
    /// The words that it was.
    pub words: Vec<String>,
}

impl Flag {
    pub(crate) fn new(name: &str, value: &str) -> Flag {
        Flag { name: name.into(), value: value.into(), words: vec![format!("--{name}={value}")] }
    }
}

/// What became of flags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fitted {
    /// Those that etcd is started with.
    pub flags: Vec<Flag>,
    /// What is not as it was, and why: sentences without a full stop.
    pub changes: Vec<String>,
}

/// The flags among words, in Go's forms. A word that belongs to none stays with the one before it.
pub(crate) fn read(words: &[String]) -> Vec<Flag> {
    let mut flags: Vec<Flag> = Vec::new();
    for word in words {
        match (flag_name(word), flags.last_mut()) {
            (Some(name), _) => {
                let value = word.split_once('=').map_or("true", |(_, value)| value);
                flags.push(Flag { name: name.into(), value: value.into(), words: vec![word.clone()] });
            }
            (None, Some(flag)) => {
                if flag.words.len() == 1 && !word.starts_with('-') {
                    flag.value = word.clone();
                }
                flag.words.push(word.clone());
            }
            (None, None) => flags.push(Flag { name: String::new(), value: word.clone(), words: vec![word.clone()] }),
        }
    }
    flags
}

/// Whether this version has the flag; `None` for one that no version has.
pub(crate) fn has(flag: &str, version: Minor) -> Option<bool> {
    if ALWAYS.contains(&flag) {
        return Some(true);
    }
    let (_, first, last) = SOME.iter().find(|(name, ..)| *name == flag)?;
    Some((*first..=*last).contains(&version))
}

/// Whether any version has the flag.
pub fn is_known(flag: &str) -> bool {
    has(flag, V3_4).is_some()
}

/// Whether every version takes the flag and does nothing with it.
pub(crate) fn is_without_effect(flag: &str) -> bool {
    WITHOUT_EFFECT.contains(&flag)
}

/// Fits flags to a version; where that is not known only what no recovery may have is taken out.
pub(crate) fn fit(flags: Vec<Flag>, version: Option<Minor>) -> Fitted {
    let mut fitted = Fitted::default();
    let mut gates: Vec<String> = Vec::new();
    for flag in flags {
        let was = format!("--{}={}", flag.name, flag.value);
        if let Some(why) = stale(&flag.name) {
            // What is off does nothing and needs no note.
            if !["false", "off", ""].contains(&flag.value.as_str()) {
                fitted.changes.push(format!("{was} is left out: {why}"));
            }
            continue;
        }
        if is_without_effect(&flag.name) {
            fitted.changes.push(format!("{was} is left out: etcd 3 ignores it"));
            continue;
        }
        let Some(version) = version else {
            fitted.flags.push(flag);
            continue;
        };
        match fate(&flag, version) {
            Fate::Stays => fitted.flags.push(flag),
            Fate::Unknown => {
                let what = format!("--{} is not a flag of etcd {version} known to requorum; it is kept", flag.name);
                fitted.changes.push(what);
                fitted.flags.push(flag);
            }
            Fate::Gates(list) => {
                let own = flag.name == "feature-gates";
                if !own {
                    let gate = list.join(",");
                    fitted.changes.push(format!("{was} became --feature-gates={gate}, as etcd {version} has it"));
                }
                gates.extend(list);
            }
            Fate::Becomes(list) => {
                let now: Vec<String> = list.iter().map(|new| format!("--{}={}", new.name, new.value)).collect();
                fitted.changes.push(format!("{was} became {}, as etcd {version} has it", now.join(" ")));
                fitted.flags.extend(list);
            }
            Fate::Partly(list, lost) => {
                let now: Vec<String> = list.iter().map(|new| format!("--{}={}", new.name, new.value)).collect();
                let lost = lost.join(",");
                let what =
                    format!("{was} became {}; {lost} is left out: etcd {version} does not have it", now.join(" "));
                fitted.changes.push(what);
                fitted.flags.extend(list);
            }
            Fate::Out(why) => fitted.changes.push(format!("{was} is left out: {why}")),
        }
    }
    if !gates.is_empty() {
        fitted.flags.push(Flag::new("feature-gates", &gates.join(",")));
    }
    // A flag that was there under both of its names is there once, and the last counts, as for etcd.
    let mut seen: Vec<String> = Vec::new();
    fitted.flags.reverse();
    fitted.flags.retain(|flag| {
        let twice = seen.contains(&flag.name) && SOME.iter().any(|(name, ..)| *name == flag.name);
        seen.push(flag.name.clone());
        !twice
    });
    fitted.flags.reverse();
    let late = |flag: &Flag| Some((flag.name.clone(), version?, patches::of_flag(&flag.name, version?)?));
    for (name, version, patch) in fitted.flags.iter().filter_map(late) {
        let what =
            format!("--{name} needs etcd {version}.{patch} or later; an earlier {version} does not start with it");
        fitted.changes.push(what);
    }
    fitted
}

enum Fate {
    Stays,
    Unknown,
    Becomes(Vec<Flag>),
    /// As far as the version has it; the rest is left out.
    Partly(Vec<Flag>, Vec<String>),
    Gates(Vec<String>),
    Out(String),
}

fn fate(flag: &Flag, version: Minor) -> Fate {
    let name = flag.name.as_str();
    if let Some((_, value, _, why)) =
        VALUES.iter().find(|(of, value, first, _)| *of == name && flag.value == *value && version >= *first)
    {
        return Fate::Out(format!("etcd {version} does not start with {value:?}, {why}"));
    }
    if name == "feature-gates" {
        return gates(&flag.value, version);
    }
    if let Some((_, feature)) = FEATURES.iter().find(|(of, _)| *of == name).filter(|_| version >= V3_6) {
        return Fate::Gates(vec![format!("{feature}={}", flag.value)]);
    }
    if name == "log-output" && version > V3_4 {
        return Fate::Becomes(vec![Flag::new("log-outputs", &flag.value)]);
    }
    // An experiment that was taken in lost the beginning of its name. 3.6 knows both; the old one is about to go.
    let renamed = match name.strip_prefix(EXPERIMENT) {
        Some(new) => Some(new.to_string()).filter(|new| has(new, version) == Some(true)),
        None if has(name, version) == Some(false) => {
            Some(format!("{EXPERIMENT}{name}")).filter(|old| has(old, version) == Some(true))
        }
        None => None,
    };
    if let Some(other) = renamed {
        return Fate::Becomes(vec![Flag::new(&other, &flag.value)]);
    }
    match has(name, version) {
        Some(true) => Fate::Stays,
        None => Fate::Unknown,
        Some(false) if name == "debug" && flag.value == "true" => Fate::Becomes(vec![Flag::new("log-level", "debug")]),
        Some(false) => {
            let later = SOME.iter().any(|(of, first, _)| *of == name && *first > version);
            Fate::Out(format!("etcd {version} {} it", if later { "does not have" } else { "no longer has" }))
        }
    }
}

/// The features of `--feature-gates` for a version; before 3.6 each has a flag of its own, or is not there.
fn gates(value: &str, version: Minor) -> Fate {
    let items: Vec<&str> = value.split(',').filter(|item| !item.is_empty()).collect();
    if version >= V3_6 {
        return Fate::Gates(items.iter().map(ToString::to_string).collect());
    }
    let flag = |item: &str| {
        let (feature, value) = item.split_once('=')?;
        let (flag, _) = FEATURES.iter().find(|(_, of)| *of == feature)?;
        (has(flag, version) == Some(true)).then(|| Flag::new(flag, value))
    };
    let flags: Vec<Flag> = items.iter().filter_map(|item| flag(item)).collect();
    let lost: Vec<String> = items.iter().filter(|item| flag(item).is_none()).map(ToString::to_string).collect();
    match (flags.is_empty(), lost.is_empty()) {
        (true, _) => Fate::Out(format!("etcd {version} does not have it")),
        (false, true) => Fate::Becomes(flags),
        (false, false) => Fate::Partly(flags, lost),
    }
}

/// All flags that a version has, for the test against its program.
pub fn of_version(version: Minor) -> Vec<&'static str> {
    let some = SOME.iter().filter(|(_, first, last)| (*first..=*last).contains(&version)).map(|(name, ..)| *name);
    ALWAYS.iter().copied().chain(some).collect()
}
