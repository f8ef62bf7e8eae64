//! etcd's flags, from wherever they are set: arguments, `ETCD_…` variables, the keys of its configuration file. Secrets
//! are removed here.
//!
//! Sources: etcd `server/etcdmain/config.go` (precedence), `pkg/flags/flag.go` (names of variables), Go's `flag`
//! package (syntax of arguments).

mod file;
mod secrets;
#[cfg(test)]
mod tests;

use super::{host_names::OPEN, systemd};
use crate::{
    domain::{
        members::etcd_flags::is_known,
        model::observations::config::Setting,
        render::start::values::{self, ValueKind},
    },
    text::join::all,
};

pub(super) use file::{is_key, of_file};
use secrets::without_secrets;

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
    let line: String = crate::text::quote::shell_line(rest).replace(OPEN, "").chars().take(200).collect();
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
