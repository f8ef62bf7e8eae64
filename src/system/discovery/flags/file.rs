//! The keys of etcd's own configuration file as flags.

use serde_json::Value;

use super::{get, is_flag, put};
use crate::{
    domain::{
        model::observations::config::Setting,
        render::start::values::{self, ValueKind},
    },
    text::join::all,
    yaml::number_text,
};

/// Keys of the sections of etcd's file, each with its flag.
const NESTED: &[(&str, &str, &str)] = &[
    ("client-transport-security", "allowed-hostname", "client-cert-allowed-hostname"),
    ("peer-transport-security", "allowed-cn", "peer-cert-allowed-cn"),
    ("peer-transport-security", "allowed-hostname", "peer-cert-allowed-hostname"),
    ("peer-transport-security", "skip-client-san-verification", "peer-skip-client-san-verification"),
    ("socket-options", "reuse-address", "socket-reuse-address"),
    ("socket-options", "reuse-port", "socket-reuse-port"),
];

/// The sections of etcd's file, each with the prefix of most of its flags.
const SECTIONS: [(&str, &str); 3] =
    [("client-transport-security", ""), ("peer-transport-security", "peer-"), ("socket-options", "socket-")];

/// Keys of etcd's file without a flag.
const FLAGLESS: [&str; 3] = [
    "client-transport-security: allowed-cn",
    "client-transport-security: skip-client-san-verification",
    "discovery-config",
];

/// The key of the file whose flag has another name.
const CATCH_UP: (&str, &str) = ("experimental-snapshot-catch-up-entries", "experimental-snapshot-catchup-entries");

/// Returns whether etcd knows a key of the file's top level.
pub(in crate::system::discovery) fn is_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    is_flag(&key)
        || key == CATCH_UP.0
        || FLAGLESS.contains(&key.as_str())
        || SECTIONS.iter().any(|(section, _)| *section == key)
}

/// Parses the flags in etcd's own configuration file. Nested keys become their flags: `client-transport-security:
/// cert-file` is `cert-file`, that of the peers `peer-cert-file`. Keys that etcd does not know are noted: it ignores
/// them.
pub(in crate::system::discovery) fn of_file(document: &Value, from: &str, notes: &mut Vec<String>) -> Vec<Setting> {
    let mut found = Vec::new();
    let (mut unknown, mut odd) = (Vec::new(), Vec::new());
    let mut take = |key: String, flag: &str, value: &Value| {
        if is_flag(flag) && !fits(flag, value) {
            odd.push(key.clone());
        }
        let empty = value.is_null() || value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty);
        match plain(flag, value) {
            _ if empty => {}
            Some(value) if is_flag(flag) => put(&mut found, flag, &value, from),
            _ => unknown.push(key),
        }
    };
    // As in Go, the case of a key does not matter.
    for (key, value) in document.as_object().into_iter().flatten() {
        let lower = key.to_ascii_lowercase();
        let Some((section, prefix)) = SECTIONS.iter().find(|(section, _)| *section == lower) else {
            let flag = if lower == CATCH_UP.0 { CATCH_UP.1 } else { lower.as_str() };
            take(key.clone(), flag, value);
            continue;
        };
        for (inner, value) in value.as_object().into_iter().flatten() {
            let lower = inner.to_ascii_lowercase();
            let nested = NESTED.iter().find(|(of, key, _)| of == section && *key == lower);
            let flag = nested.map_or_else(|| format!("{prefix}{lower}"), |(.., flag)| (*flag).to_string());
            take(format!("{section}: {inner}"), &flag, value);
        }
    }
    let (flagless, unknown): (Vec<String>, Vec<String>) =
        unknown.into_iter().partition(|key| FLAGLESS.contains(&key.to_ascii_lowercase().as_str()));
    if !unknown.is_empty() {
        let (are, them) = if unknown.len() == 1 { ("is not a key", "it") } else { ("are not keys", "them") };
        notes.push(format!("{} {are} of etcd's configuration file: etcd ignores {them}", all(&unknown)));
    }
    if !odd.is_empty() {
        notes.push(format!(
            "etcd does not start from a file with {} in this form (quotes around a number, true or false; no quotes \
             where a string is required; a list instead of a string, or the reverse); is this the file that it was \
             started with",
            all(&odd)
        ));
    }
    if !flagless.is_empty() {
        notes.push(format!("{} is left out: etcd has no equivalent flag", all(&flagless)));
    }
    let retention = get(&found, "auto-compaction-retention").filter(|retention| *retention != "0");
    if let (Some(retention), None) = (retention, get(&found, "auto-compaction-mode")) {
        notes.push(format!(
            "auto-compaction-retention: {retention} without auto-compaction-mode compacts nothing in a file of etcd \
             3.4 and 3.5; as a flag it is periodic, as with 3.6 and later"
        ));
    }
    found
}

/// Returns whether etcd accepts a value of its file for this flag; Go's `encoding/json` accepts only its type, and
/// null.
fn fits(flag: &str, value: &Value) -> bool {
    match (values::kind(flag), value) {
        (_, Value::Null) => true,
        // YAML 1.1, which etcd reads, has more words for booleans; whether they were quoted is not known here.
        (ValueKind::Switch, Value::String(text)) => {
            ["yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str())
        }
        (ValueKind::Switch, value) => value.is_boolean(),
        // `8_000` is a number in YAML 1.1, too; a quoted one is not.
        (ValueKind::Count | ValueKind::Number, Value::String(text)) => text.parse::<i64>().is_err(),
        (ValueKind::Count | ValueKind::Number, value) => value.is_i64() || value.is_u64(),
        // Others are a string in one version and a list in another.
        (ValueKind::List, value) => value.is_array() || !["cipher-suites", "log-outputs"].contains(&flag),
        // What etcd parses itself: some durations are strings, some are numbers.
        (ValueKind::Duration, value) => !value.is_array() && !value.is_boolean(),
        (ValueKind::Text, value) => value.is_string(),
    }
}

/// Returns a value as on a command line: lists with commas, durations with a unit. `None` for a section.
fn plain(flag: &str, value: &Value) -> Option<String> {
    match (value, values::kind(flag)) {
        (Value::Null | Value::Object(_), _) => None,
        (Value::String(text), ValueKind::Switch) => Some(match text.to_ascii_lowercase().as_str() {
            // YAML 1.1, which etcd reads, has more words for booleans.
            "yes" | "on" | "y" => "true".into(),
            "no" | "off" | "n" => "false".into(),
            _ => text.clone(),
        }),
        (Value::Number(number), ValueKind::Duration) => {
            Some(number.as_i64().map_or_else(|| number_text(number), values::duration))
        }
        (Value::String(text), _) => Some(text.clone()),
        (Value::Array(items), _) => Some(items.iter().filter_map(|item| plain("", item)).collect::<Vec<_>>().join(",")),
        (Value::Number(number), _) => Some(number_text(number)),
        (Value::Bool(yes), _) => Some(yes.to_string()),
    }
}
