//! etcd's flags, from wherever they are set: arguments, `ETCD_…` variables, the keys of its configuration file. Secrets
//! are removed here.
//!
//! Sources: etcd `server/etcdmain/config.go` (precedence), `pkg/flags/flag.go` (names of variables), Go's `flag`
//! package (syntax of arguments).

use serde_json::Value;

use super::{host_names::OPEN, systemd};
use crate::{
    domain::{
        model::observations::config::{Setting, WITHHELD},
        render::start::{
            etcd_flags::is_known,
            values::{self, ValueKind},
        },
    },
    text::phrase::all,
    yaml::number_text,
};

/// Variables that etcd reads itself, apart from its flags: they stay variables.
const OWN_VARIABLES: [&str; 2] = ["ETCD_UNSUPPORTED_ARCH", "ETCD_VERIFY"];

/// Variables of Go's runtime that change how etcd runs.
const GO_VARIABLES: [&str; 5] = ["GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK"];

/// Parses the flags among `words`, which follow the program's name. Of a flag given twice, the last value counts.
pub(super) fn of_args(words: &[String], from: &str) -> Vec<Setting> {
    parsed(words, from).0
}

/// Returns a note if a word that is not a flag follows the flags: etcd does not start with it, so it was not started
/// like this. A sentence without a full stop that says what is left out.
pub(super) fn beyond(words: &[String]) -> Option<String> {
    // What is known only at run time may be any number of words.
    if words.iter().any(|word| word.contains(OPEN)) {
        return None;
    }
    let rest = parsed(words, "").1;
    let rest = rest.strip_prefix(&["--".to_string()]).unwrap_or(&rest);
    let first = rest.first()?;
    let line: String = crate::text::phrase::shell_line(rest).replace(OPEN, "").chars().take(200).collect();
    Some(format!(
        "etcd does not start with the word {first} among its flags (the syntax of a boolean flag is --FLAG=VALUE); it \
         is left out together with what follows it: {line}"
    ))
}

/// Returns the flags, and the words from the first that is not a flag.
fn parsed(words: &[String], from: &str) -> (Vec<Setting>, Vec<String>) {
    let mut found = Vec::new();
    let mut words = words.iter().map(String::as_str).peekable();
    let mut rest = Vec::new();
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|name| !name.is_empty())
        else {
            // Like Go: the first word that is not a flag ends the flags.
            rest = std::iter::once(word).chain(words).map(String::from).collect();
            break;
        };
        let (flag, value) = match name.split_once('=') {
            Some((flag, value)) => (flag, value),
            None if values::kind(name) == ValueKind::Switch => (name, "true"),
            None => match words.next_if(|next| !next.starts_with('-') || next.len() == 1) {
                Some(value) => (name, value),
                None => (name, "true"),
            },
        };
        put(&mut found, flag, value, from);
    }
    (found, rest)
}

/// Returns the flags of variables; an empty variable sets none. Unknown variables that begin with `ETCD_` are noted:
/// etcd warns about them and starts without them.
pub(super) fn of_variables<'a>(
    variables: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>,
    notes: &mut Vec<String>,
) -> Vec<Setting> {
    let mut found = Vec::new();
    let (mut unknown, mut own) = (Vec::new(), Vec::new());
    for (name, value, from) in variables {
        if GO_VARIABLES.contains(&name) && !own.iter().any(|known| known == name) {
            own.push(name.to_string());
        }
        let Some(rest) = name.strip_prefix("ETCD_").filter(|_| !value.is_empty()) else { continue };
        let flag = rest.to_lowercase().replace('_', "-");
        let list = match flag.as_str() {
            _ if OWN_VARIABLES.contains(&name) => &mut own,
            // Go's flag names are in lower case, and their variables in upper case only.
            flag if is_flag(flag) && rest == rest.to_uppercase() && !rest.contains('-') => {
                put(&mut found, flag, value, from);
                continue;
            }
            // It may be part of a command; see [`in_text`].
            _ if !flags_in(value).is_empty() => continue,
            _ => &mut unknown,
        };
        if !list.iter().any(|known| known == name) {
            list.push(name.to_string());
        }
    }
    if !unknown.is_empty() {
        unknown.sort();
        let them = if unknown.len() == 1 { "it" } else { "them" };
        notes.push(format!("etcd does not know {} and ignores {them}", all(&unknown)));
    }
    if !own.is_empty() {
        own.sort();
        let what = if own.len() == 1 { "is not a flag: set it" } else { "are not flags: set them" };
        notes.push(format!("{} {what} again in etcd's environment", all(&own)));
    }
    found
}

/// Parses flags in the text of a variable, as in `DAEMON_ARGS="--max-wals=9"`.
fn flags_in(value: &str) -> Vec<Setting> {
    let words = systemd::words(value);
    if !words.first().is_some_and(|word| word.starts_with('-')) {
        return Vec::new();
    }
    of_args(&words, "").into_iter().filter(|setting| is_flag(&setting.flag)).collect()
}

/// Returns notes on variables that have flags and that no known etcd command uses: those flags would be lost.
pub(super) fn in_text<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, value) in variables {
        let found: Vec<String> =
            flags_in(value).iter().map(|setting| format!("--{}={}", setting.flag, setting.value)).collect();
        if !found.is_empty() {
            notes.push(format!(
                "{name} has {}, which apply only if etcd's command has ${name}; they are not taken over",
                all(&found)
            ));
        }
    }
    notes
}

/// Returns whether any version of etcd 3, or its discovery, has the flag.
fn is_flag(flag: &str) -> bool {
    is_known(flag) || DISCOVERY.contains(&flag)
}

/// Flags of `etcd` for the first bootstrap of a cluster; they are never used in a recovery.
const DISCOVERY: [&str; 13] = [
    "discovery-cacert",
    "discovery-cert",
    "discovery-dial-timeout",
    "discovery-endpoints",
    "discovery-insecure-skip-tls-verify",
    "discovery-insecure-transport",
    "discovery-keepalive-time",
    "discovery-keepalive-timeout",
    "discovery-key",
    "discovery-password",
    "discovery-request-timeout",
    "discovery-token",
    "discovery-user",
];

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
pub(super) fn is_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    is_flag(&key)
        || key == CATCH_UP.0
        || FLAGLESS.contains(&key.as_str())
        || SECTIONS.iter().any(|(section, _)| *section == key)
}

/// Parses the flags in etcd's own configuration file. Nested keys become their flags: `client-transport-security:
/// cert-file` is `cert-file`, that of the peers `peer-cert-file`. Keys that etcd does not know are noted: it ignores
/// them.
pub(super) fn of_file(document: &Value, from: &str, notes: &mut Vec<String>) -> Vec<Setting> {
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

/// Removes what only the host can fill in, with a note; its name without one, since that is noted elsewhere.
pub(super) fn settled(flags: Vec<Setting>, notes: &mut Vec<String>) -> Vec<Setting> {
    let (open, flags): (Vec<Setting>, Vec<Setting>) = flags.into_iter().partition(|s| s.value.contains(OPEN));
    for setting in open.iter().filter(|setting| setting.flag != "name") {
        let value = setting.value.replace(OPEN, "");
        notes.push(format!("--{}={value} is left out: its value is known only where etcd is started", setting.flag));
    }
    flags
}

fn put(found: &mut Vec<Setting>, flag: &str, value: &str, from: &str) {
    found.retain(|s| s.flag != flag);
    found.push(Setting { flag: flag.into(), value: without_secrets(flag, value), from: from.into() });
}

/// Merges arguments over variables, each flag once.
pub(super) fn merged(args: Vec<Setting>, variables: Vec<Setting>) -> Vec<Setting> {
    let mut all = args;
    for setting in variables {
        if !all.iter().any(|s| s.flag == setting.flag) {
            all.push(setting);
        }
    }
    all
}

/// A flag's value.
pub(super) fn get<'a>(flags: &'a [Setting], flag: &str) -> Option<&'a str> {
    flags.iter().find(|s| s.flag == flag).map(|s| s.value.as_str())
}

/// The options of `--auth-token=jwt,…` that are not secret.
const JWT: [&str; 4] = ["pub-key=", "priv-key=", "sign-method=", "ttl="];

/// Returns what may be kept of a value: no passwords, no token keys, no `user:password@` in URLs.
fn without_secrets(flag: &str, value: &str) -> String {
    if flag.contains("password") || flag.contains("secret") {
        return WITHHELD.into();
    }
    match flag {
        "auth-token" => match value.split_once(',') {
            // These are names of files and of a method; the keys themselves are in the files.
            Some((kind, rest)) if rest.split(',').all(|item| JWT.iter().any(|name| item.starts_with(name))) => {
                format!("{kind},{rest}")
            }
            Some((kind, _)) => format!("{kind},{WITHHELD}"),
            None => value.into(),
        },
        // `user[:password]`
        "discovery-user" => value.split_once(':').map_or(value.into(), |(user, _)| format!("{user}:{WITHHELD}")),
        _ => value.split(',').map(without_userinfo).collect::<Vec<_>>().join(","),
    }
}

fn without_userinfo(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.into() };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest.get(..end).and_then(|host| host.rfind('@')) {
        Some(at) => format!("{scheme}://{WITHHELD}{}", rest.get(at..).unwrap_or_default()),
        None => url.into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pairs(settings: &[Setting]) -> Vec<(&str, &str)> {
        settings.iter().map(|s| (s.flag.as_str(), s.value.as_str())).collect()
    }

    #[test]
    fn arguments_in_all_of_gos_forms() {
        let words = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
        for (line, expected) in [
            ("--name m1 -data-dir=/d", vec![("name", "m1"), ("data-dir", "/d")]),
            ("--name=a --name=b", vec![("name", "b")]),
            ("--client-cert-auth --name m1", vec![("client-cert-auth", "true"), ("name", "m1")]),
            ("--client-cert-auth=false", vec![("client-cert-auth", "false")]),
            ("--enable-v2 stray --name m1", vec![("enable-v2", "true")]),
            ("--name --debug", vec![("name", "true"), ("debug", "true")]),
            ("--initial-cluster a=http://h:1,b=http://i:1", vec![("initial-cluster", "a=http://h:1,b=http://i:1")]),
            ("-- --name m1", vec![("", "true")]),
        ] {
            let found = of_args(&words(line), "here");
            let expected: Vec<_> = expected.into_iter().filter(|(flag, _)| !flag.is_empty()).collect();
            assert_eq!(pairs(&found), expected, "{line}");
        }
    }

    #[test]
    fn variables_stand_behind_arguments() {
        let variables = [
            ("ETCD_NAME", "other", "env"),
            ("ETCD_INITIAL_CLUSTER_STATE", "new", "env"),
            ("ETCD_WAL_DIR", "", "env"),
            ("ETCDCTL_USER", "root:secret", "env"),
            ("ETCD_UNSUPPORTED_ARCH", "arm64", "env"),
            ("PATH", "/bin", "env"),
        ];
        let args = of_args(&["--name=m1".to_string()], "args");
        let mut notes = Vec::new();
        let all = merged(args, of_variables(variables, &mut notes));
        assert_eq!(pairs(&all), [("name", "m1"), ("initial-cluster-state", "new")]);
        assert_eq!(notes, ["ETCD_UNSUPPORTED_ARCH is not a flag: set it again in etcd's environment"]);
        assert_eq!((all[0].from.as_str(), all[1].from.as_str()), ("args", "env"));
    }

    #[test]
    fn variables_that_are_no_flags_are_named() {
        for (names, flags, unknown) in [
            (
                "ETCD_ON_K8S ETCD_ROOT_PASSWORD ETCD_QUOTA_BACKEND_BYTES",
                "quota-backend-bytes",
                "ETCD_ON_K8S and ETCD_ROOT_PASSWORD",
            ),
            (
                "ETCD_PORT ETCD_PORT_2379_TCP ETCD_SERVICE_HOST",
                "",
                "ETCD_PORT, ETCD_PORT_2379_TCP and ETCD_SERVICE_HOST",
            ),
            ("ETCD_IMAGE_TAG ETCD_USER ETCD_NAME", "name", "ETCD_IMAGE_TAG and ETCD_USER"),
            ("ETCD_CA_FILE", "", "ETCD_CA_FILE"),
            ("ETCD_VER ETCD_VERSION", "", "ETCD_VER and ETCD_VERSION"),
            ("ETCD_DATA-DIR", "", "ETCD_DATA-DIR"),
            ("ETCD_name ETCD_", "", "ETCD_ and ETCD_name"),
            ("ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK ETCD_DEBUG", "experimental-initial-corrupt-check debug", ""),
            ("ETCD_DISCOVERY_TOKEN ETCDCTL_API PATH", "discovery-token", ""),
        ] {
            let mut notes = Vec::new();
            let found = of_variables(names.split(' ').map(|name| (name, "hunter2", "env")), &mut notes);
            let found: Vec<&str> = found.iter().map(|s| s.flag.as_str()).collect();
            assert_eq!(found.join(" "), flags, "{names}");
            assert_eq!(notes.len(), usize::from(!unknown.is_empty()), "{names}: {notes:?}");
            assert!(notes.iter().all(|note| note.contains(unknown) && !note.contains("hunter2")), "{names}: {notes:?}");
        }
    }

    #[test]
    fn variables_holding_flags_are_expanded() {
        for (name, value, named) in [
            ("ETCD_OPTS", "--name m1 --quota-backend-bytes=8589934592", Some("--quota-backend-bytes=8589934592")),
            ("DAEMON_ARGS", "--snapshot-count=5000", Some("--snapshot-count=5000")),
            ("OPTIONS", "-max-wals 9", Some("--max-wals=9")),
            ("OPTIONS", "--discovery-password=hunter2", Some("--discovery-password=(withheld)")),
            ("OPTIONS", "--no-such-flag=1", None),
            ("HOME", "/root", None),
        ] {
            let mut notes = Vec::new();
            assert_eq!(of_variables([(name, value, "env")], &mut notes), [], "{name}");
            assert_eq!(notes, [] as [String; 0], "{name}");
            let said = in_text([(name, value)]);
            assert_eq!(said.len(), usize::from(named.is_some()), "{said:?}");
            assert!(said.iter().all(|note| note.contains(named.unwrap()) && !note.contains("hunter2")), "{said:?}");
        }
        let mut notes = Vec::new();
        of_variables([("GOMAXPROCS", "4", "env"), ("GODEBUG", "x=1", "env"), ("GOPATH", "/", "env")], &mut notes);
        assert!(
            matches!(&notes[..], [one] if one.contains("GODEBUG") && one.contains("GOMAXPROCS") && !one.contains("GOPATH")),
            "{notes:?}"
        );
    }

    /// Held against etcd 3.4 to 3.7: each says "… is not a valid flag".
    #[test]
    fn words_after_the_flags_are_named() {
        let words = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
        for (line, flags, rest) in [
            (
                "--name=m1 --pre-vote false --snapshot-count=5",
                vec![("name", "m1"), ("pre-vote", "true")],
                Some("false"),
            ),
            ("--name=m1 -- --snapshot-count=5", vec![("name", "m1")], Some("--snapshot-count=5")),
            ("--name=m1 --", vec![("name", "m1")], None),
            ("--name m1 --pre-vote=false", vec![("name", "m1"), ("pre-vote", "false")], None),
        ] {
            assert_eq!(pairs(&of_args(&words(line), "")), flags, "{line}");
            let note = beyond(&words(line));
            assert_eq!(note.is_some(), rest.is_some(), "{line}");
            let first = rest.map(|rest| format!("the word {rest} "));
            assert!(first.is_none_or(|first| note.as_ref().unwrap().contains(&first)), "{note:?}");
        }
        let note = beyond(&words("--pre-vote false --snapshot-count=5")).unwrap();
        assert!(note.ends_with("false --snapshot-count=5"), "{note}");
    }

    /// Held against etcd 3.4 to 3.7: each says "cannot unmarshal …" to the odd ones, and starts with the others.
    #[test]
    fn forms_etcd_rejects_in_files_are_named() {
        let noted = |text: &str| {
            let mut notes = Vec::new();
            of_file(&super::super::yaml::parse(text).unwrap(), "f", &mut notes);
            notes
        };
        let example = noted("pre-vote: \"false\"").join("\n");
        crate::text::messages::hold("discovery-file-form", &[("a word in quotes", example.clone())]);
        // of the same kind is a note that is like it but for the key
        let (before, after) = example.split_once("pre-vote").unwrap();
        let noted = |text: &str| noted(text).iter().any(|note| note.starts_with(before) && note.ends_with(after));
        for odd in [
            "heartbeat-interval: \"250\"",
            "heartbeat-interval: 250.5",
            "pre-vote: \"false\"",
            "listen-client-urls: [http://a:1]",
            "cipher-suites: TLS_X",
            "client-transport-security: {client-cert-auth: \"true\"}",
            "auto-compaction-retention: 1",
            "name: 5",
        ] {
            assert!(noted(odd), "{odd}");
        }
        for taken in [
            "heartbeat-interval: 250",
            "heartbeat-interval:",
            "pre-vote: yes",
            "pre-vote: false",
            "listen-client-urls: http://a:1,http://b:1",
            "cipher-suites: [TLS_X]",
            "auto-compaction-retention: \"1\"",
            "quota-backend-bytes: 8_000_000",
            "log-outputs: [stderr]",
            "unknown: [1]",
        ] {
            assert!(!noted(taken), "{taken}");
        }
    }

    #[test]
    fn the_keys_of_a_configuration_file() {
        let of = |document: serde_json::Value| {
            let mut notes = Vec::new();
            let mut found = of_file(&document, "file", &mut notes);
            found.sort_by(|a, b| a.flag.cmp(&b.flag));
            let found: Vec<String> = found.iter().map(|s| format!("{}={}", s.flag, s.value)).collect();
            (found.join(" "), notes.len())
        };
        for (document, expected, notes) in [
            (
                serde_json::json!({
                    "name": "m1", "snapshot-count": 10000, "wal-dir": null, "cors": "", "force-new-cluster": false,
                    "client-transport-security": {"cert-file": "/c", "client-cert-auth": true, "key-file": null},
                    "peer-transport-security": {"cert-file": "/p", "auto-tls": false},
                    "log-outputs": ["stderr", "/var/log/etcd"],
                }),
                "cert-file=/c client-cert-auth=true force-new-cluster=false log-outputs=stderr,/var/log/etcd name=m1 \
                 peer-auto-tls=false peer-cert-file=/p snapshot-count=10000",
                0,
            ),
            // Numbers for texts and texts for numbers, nanoseconds, the switches of YAML 1.1, keys in any case.
            (
                serde_json::json!({"auto-compaction-retention": 1, "auto-compaction-mode": "periodic"}),
                "auto-compaction-mode=periodic auto-compaction-retention=1",
                1,
            ),
            (
                serde_json::json!({"grpc-keepalive-min-time": 90_000_000_000i64, "backend-batch-interval": 0}),
                "backend-batch-interval=0s grpc-keepalive-min-time=90s",
                0,
            ),
            (
                serde_json::json!({"pre-vote": "yes", "enable-pprof": "off", "quota-backend-bytes": "8_000"}),
                "enable-pprof=false pre-vote=true quota-backend-bytes=8_000",
                0,
            ),
            (
                serde_json::json!({"NAME": "m1", "Peer-Transport-Security": {"Cert-File": "/p"}}),
                "name=m1 peer-cert-file=/p",
                0,
            ),
            // Keys whose flags are called otherwise.
            (
                serde_json::json!({
                    "socket-options": {"reuse-port": true}, "experimental-snapshot-catch-up-entries": 5,
                    "peer-transport-security": {"allowed-cn": ["a", "b"], "skip-client-san-verification": true},
                    "client-transport-security": {"allowed-hostname": "h"},
                }),
                "client-cert-allowed-hostname=h experimental-snapshot-catchup-entries=5 peer-cert-allowed-cn=a,b \
                 peer-skip-client-san-verification=true socket-reuse-port=true",
                0,
            ),
            // What etcd passes over, and what no flag says.
            (serde_json::json!({"snapshot-cout": 5, "image": "x", "services": {"a": 1}}), "", 1),
            (
                serde_json::json!({"client-transport-security": {"allowed-cn": ["a"]}, "discovery-config": {"x": 1}}),
                "",
                1,
            ),
            (serde_json::json!({"auto-compaction-retention": "1"}), "auto-compaction-retention=1", 1),
            (serde_json::json!({"auto-compaction-retention": "0"}), "auto-compaction-retention=0", 0),
        ] {
            assert_eq!(of(document.clone()), (expected.to_string(), notes), "{document}");
        }
    }

    #[test]
    fn secrets_are_not_kept() {
        for (flag, value, kept) in [
            (
                "auth-token",
                "jwt,pub-key=/a,priv-key=/b,sign-method=RS256",
                "jwt,pub-key=/a,priv-key=/b,sign-method=RS256",
            ),
            ("auth-token", "jwt,secret=x,sign-method=HS256", "jwt,(withheld)"),
            ("auth-token", "simple", "simple"),
            ("discovery-password", "hunter2", "(withheld)"),
            ("discovery-user", "anna:hunter2", "anna:(withheld)"),
            ("discovery-proxy", "http://anna:hunter2@proxy:3128/x@y", "http://(withheld)@proxy:3128/x@y"),
            ("initial-cluster-token", "prod-eu", "prod-eu"),
            ("listen-client-urls", "http://10.0.0.1:2379,http://u:p@h:1", "http://10.0.0.1:2379,http://(withheld)@h:1"),
        ] {
            let found = of_args(&[format!("--{flag}={value}")], "");
            assert_eq!(found[0].value, kept, "{flag}");
        }
    }
}
