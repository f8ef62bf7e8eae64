//! Flags and keys that a minor version has only from some patch on: a plan names the minor version alone, so they are used with
//! a word about the patch.
//!
//! Source: the tags v3.4.0 to v3.7.1 of etcd, `embed/config.go` and `etcdmain/config.go` (below `server/` from 3.5 on).

use crate::etcd::version::Minor::{self, V3_4, V3_5};

/// Flag, version, and its first patch that has the flag. An earlier one does not start with it.
#[rustfmt::skip]
const FLAGS: &[(&str, Minor, u64)] = &[
    ("auth-token-ttl", V3_4, 10),
    ("experimental-compact-hash-check-enabled", V3_5, 5),
    ("experimental-compact-hash-check-time", V3_5, 5),
    ("experimental-compaction-sleep-interval", V3_5, 16),
    ("experimental-distributed-tracing-sampling-rate", V3_5, 11),
    ("experimental-enable-lease-checkpoint-persist", V3_4, 20),
    ("experimental-enable-lease-checkpoint-persist", V3_5, 2),
    ("experimental-snapshot-catchup-entries", V3_5, 14),
    ("experimental-stop-grpc-service-on-defrag", V3_5, 14),
    ("experimental-warning-apply-duration", V3_4, 16),
    ("experimental-watch-progress-notify-interval", V3_4, 11),
    ("max-concurrent-streams", V3_4, 20),
    ("max-concurrent-streams", V3_5, 5),
    ("next-cluster-version-compatible", V3_4, 31),
    ("tls-max-version", V3_4, 25),
    ("tls-max-version", V3_5, 8),
    ("tls-min-version", V3_4, 25),
    ("tls-min-version", V3_5, 8),
    ("unsafe-no-fsync", V3_4, 10),
];

/// The same for the keys of `etcd.conf.yml` that came later than their flag. An earlier patch silently ignores them, and
/// 3.5.14 does not take a list of allowed names.
const KEYS: &[(&str, Minor, u64)] = &[
    ("client-cert-allowed-hostname", V3_5, 15),
    ("peer-cert-allowed-cn", V3_5, 15),
    ("peer-cert-allowed-hostname", V3_5, 15),
    ("self-signed-cert-validity", V3_5, 1),
    ("socket-reuse-address", V3_5, 10),
    ("socket-reuse-port", V3_5, 10),
];

fn first(table: &[(&str, Minor, u64)], flag: &str, version: Minor) -> Option<u64> {
    table.iter().find(|(name, of, _)| *name == flag && *of == version).map(|(.., patch)| *patch)
}

/// The first patch of a version that has the flag, where that is not its first.
pub fn of_flag(flag: &str, version: Minor) -> Option<u64> {
    first(FLAGS, flag, version)
}

/// The first patch of a version that takes the flag from a configuration file, where that came later than the flag.
pub fn of_key(flag: &str, version: Minor) -> Option<u64> {
    first(KEYS, flag, version)
}
