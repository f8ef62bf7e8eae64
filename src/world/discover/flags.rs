//! etcd's flags, wherever they stand: arguments, `ETCD_…` variables, the keys of its configuration file. Secrets end
//! here.
//!
//! Sources: etcd `server/etcdmain/config.go` (what goes before what), `pkg/flags/flag.go` (names of variables), Go's
//! `flag` package (forms of arguments).

use serde_json::Value;

use crate::plan::facts::config::{Setting, WITHHELD};

/// Variables that begin with `ETCD_` and stand for no flag.
const NO_FLAGS: [&str; 3] = ["unsupported-arch", "verify", "version"];

/// Flags that are true when nothing follows them, so that a word behind them is none of theirs. All others that begin
/// with one of [`SWITCH_BEGINNINGS`] are, too.
const SWITCHES: [&str; 19] = [
    "auto-tls",
    "client-cert-auth",
    "debug",
    "discovery-insecure-skip-tls-verify",
    "discovery-insecure-transport",
    "enable-grpc-gateway",
    "force-new-cluster",
    "peer-auto-tls",
    "peer-client-cert-auth",
    "peer-skip-client-san-verification",
    "pre-vote",
    "proxy-refresh",
    "socket-reuse-address",
    "socket-reuse-port",
    "strict-reconfig-check",
    "unsafe-no-fsync",
    "version",
    "initial-election-tick-advance",
    "experimental-initial-corrupt-check",
];
const SWITCH_BEGINNINGS: [&str; 3] = ["enable-", "experimental-enable-", "experimental-memory-"];

/// The flags among `words`, which follow the program's name. One that is given twice counts as it was given last.
pub(super) fn of_args(words: &[String], from: &str) -> Vec<Setting> {
    let mut found = Vec::new();
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|name| !name.is_empty())
        else {
            // As Go does: what is no flag ends the flags.
            break;
        };
        let (flag, value) = match name.split_once('=') {
            Some((flag, value)) => (flag, value),
            None if is_switch(name) => (name, "true"),
            None => match words.next_if(|next| !next.starts_with('-') || next.len() == 1) {
                Some(value) => (name, value),
                None => (name, "true"),
            },
        };
        put(&mut found, flag, value, from);
    }
    found
}

fn is_switch(flag: &str) -> bool {
    SWITCHES.contains(&flag) || SWITCH_BEGINNINGS.iter().any(|begin| flag.starts_with(begin))
}

/// The flags that variables stand for; an empty variable stands for none.
pub(super) fn of_variables<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>) -> Vec<Setting> {
    let mut found = Vec::new();
    for (name, value, from) in variables {
        let Some(rest) = name.strip_prefix("ETCD_") else { continue };
        let flag = rest.to_lowercase().replace('_', "-");
        if !value.is_empty() && !NO_FLAGS.contains(&flag.as_str()) {
            put(&mut found, &flag, value, from);
        }
    }
    found
}

/// The flags in etcd's own configuration file. Its nested keys become their flags: `client-transport-security:
/// cert-file` is `cert-file`, that of the peers `peer-cert-file`.
pub(super) fn of_file(document: &Value, from: &str) -> Vec<Setting> {
    let mut found = Vec::new();
    for (key, value) in document.as_object().into_iter().flatten() {
        let prefix = match key.as_str() {
            "client-transport-security" => "",
            "peer-transport-security" => "peer-",
            _ => {
                if let Some(value) = plain(value) {
                    put(&mut found, key, &value, from);
                }
                continue;
            }
        };
        for (key, value) in value.as_object().into_iter().flatten() {
            if let Some(value) = plain(value) {
                put(&mut found, &format!("{prefix}{key}"), &value, from);
            }
        }
    }
    found
}

/// A value as it would stand on a command line: lists with commas. Nothing for an empty one.
fn plain(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null | Value::Object(_) => return None,
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    };
    (!text.is_empty()).then_some(text)
}

fn put(found: &mut Vec<Setting>, flag: &str, value: &str, from: &str) {
    found.retain(|s| s.flag != flag);
    found.push(Setting { flag: flag.into(), value: without_secrets(flag, value), from: from.into() });
}

/// Arguments before variables, each flag once.
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

/// What `--auth-token=jwt,…` may say without a secret.
const JWT: [&str; 4] = ["pub-key=", "priv-key=", "sign-method=", "ttl="];

/// What may be kept of a value: no passwords, no keys of tokens, no `user:password@` in URLs.
fn without_secrets(flag: &str, value: &str) -> String {
    if flag.contains("password") || flag.contains("secret") {
        return WITHHELD.into();
    }
    match flag {
        "auth-token" => match value.split_once(',') {
            // These are names of files and of a method; the keys themselves stand in the files.
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
        let all = merged(args, of_variables(variables));
        assert_eq!(pairs(&all), [("name", "m1"), ("initial-cluster-state", "new")]);
        assert_eq!((all[0].from.as_str(), all[1].from.as_str()), ("args", "env"));
    }

    #[test]
    fn the_keys_of_a_configuration_file() {
        let document = serde_json::json!({
            "name": "m1", "snapshot-count": 10000, "wal-dir": null, "cors": "", "force-new-cluster": false,
            "client-transport-security": {"cert-file": "/c", "client-cert-auth": true},
            "peer-transport-security": {"cert-file": "/p", "auto-tls": false},
            "log-outputs": ["stderr", "/var/log/etcd"],
        });
        let mut found = of_file(&document, "file");
        found.sort_by(|a, b| a.flag.cmp(&b.flag));
        let expected = [
            ("cert-file", "/c"),
            ("client-cert-auth", "true"),
            ("force-new-cluster", "false"),
            ("log-outputs", "stderr,/var/log/etcd"),
            ("name", "m1"),
            ("peer-auto-tls", "false"),
            ("peer-cert-file", "/p"),
            ("snapshot-count", "10000"),
        ];
        assert_eq!(pairs(&found), expected);
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
