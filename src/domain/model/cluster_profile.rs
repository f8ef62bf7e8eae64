//! The operator's clusters: `config.yaml` names each with its endpoints, certificates, snapshots and hosts, so that it is
//! reached by its name. It holds no secret.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{endpoint, source_ref};
use crate::{
    error::{Error, ErrorKind, Result},
    text::{join::either, nearest::candidates, template},
    yaml::{self, Schema},
};

/// The keys of a cluster.
const KEYS: [&str; 9] = ["label", "endpoints", "cacert", "cert", "key", "user", "snapshots", "hosts", "data_root"];

/// Keys that people write for a secret.
const SECRETS: [&str; 10] =
    ["password", "passwd", "pass", "secret", "token", "auth", "credentials", "key_data", "access_key", "secret_key"];

/// What other tools call a key of ours.
const OTHERS: [(&str, &str); 14] = [
    ("ca", "cacert"),
    ("ca_file", "cacert"),
    ("trusted_ca_file", "cacert"),
    ("certificate", "cert"),
    ("cert_file", "cert"),
    ("key_file", "key"),
    ("username", "user"),
    ("inventory", "hosts"),
    ("name", "label"),
    ("endpoint", "endpoints"),
    ("snapshot", "snapshots"),
    ("backups", "snapshots"),
    ("data_dir", "data_root"),
    ("urls", "endpoints"),
];

/// One cluster of the configuration. Its paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Cluster {
    /// The name by which it is asked for.
    pub name: String,
    /// Its label; the name where none is given.
    pub label: String,
    /// The members' client URLs.
    pub endpoints: Vec<String>,
    /// CA certificate that verifies the members.
    pub cacert: Option<PathBuf>,
    /// Client certificate.
    pub cert: Option<PathBuf>,
    /// The file of the client certificate's private key.
    pub key: Option<PathBuf>,
    /// User name; never with a password.
    pub user: Option<String>,
    /// Where its snapshots are: files, directories, `s3://` URLs.
    pub snapshots: Vec<PathBuf>,
    /// Inventory file with the members of the new cluster.
    pub hosts: Option<PathBuf>,
    /// Parent of new data directories.
    pub data_root: Option<PathBuf>,
}

/// From where the paths of a configuration start.
#[derive(Debug, Clone, Copy)]
pub struct Bases<'a> {
    /// The directory of the file, for relative paths.
    pub file: &'a Path,
    /// The home directory, for `~/`.
    pub home: Option<&'a Path>,
}

/// Reads a configuration; `reserved` are the words that cannot be a cluster's name.
///
/// # Errors
/// `Input` for what is no configuration, with the cluster and key; an unknown key with the one that may have been meant.
pub fn read(text: &str, bases: Bases<'_>, reserved: &[String]) -> Result<Vec<Cluster>> {
    let value = yaml::to_json(text, Schema::Words).map_err(|e| wrong("not YAML", e.to_string()))?;
    let top = match &value {
        Value::Null => return Ok(Vec::new()),
        Value::Object(map) => map,
        _ => return Err(form("it is not a map")),
    };
    let mut out = Vec::new();
    for (key, value) in top {
        match (key.as_str(), value) {
            ("clusters", Value::Object(clusters)) => {
                for (name, cluster) in clusters {
                    out.push(one(name, cluster, bases, reserved)?);
                }
            }
            ("clusters", Value::Null) => {}
            ("clusters", _) => return Err(form("clusters is not a map of names")),
            _ => return Err(unknown("", key, &["clusters"])),
        }
    }
    Ok(out)
}

fn wrong(what: &str, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Input, what).why(why.into())
}

fn form(why: &str) -> Error {
    wrong("invalid configuration", why).hint("The format is: clusters: {NAME: {endpoints: [URL, …], cacert: FILE, …}}")
}

/// Returns the error for a key that is not known, or that is for a secret.
fn unknown(place: &str, key: &str, known: &[&str]) -> Error {
    let plain = key.to_ascii_lowercase().replace('-', "_");
    if SECRETS.contains(&plain.as_str()) {
        return wrong(&format!("{place}{key}: refused"), "no secret is stored in this file")
            .hint("Give a password by ETCDCTL_PASSWORD, or where it is asked for; a key by the path of its file.");
    }
    let error = wrong(&format!("{place}{key}: unknown key"), format!("known are {}", known.join(", ")));
    let other = OTHERS.iter().find(|(other, name)| *other == plain && known.contains(name)).map(|(_, name)| *name);
    let meant: Vec<String> = match other {
        Some(name) => vec![name.to_string()],
        None => candidates(&plain, known.iter().copied()).into_iter().map(str::to_string).collect(),
    };
    if meant.is_empty() { error } else { error.hint(format!("Did you mean {}?", either(&meant))) }
}

fn one(name: &str, value: &Value, bases: Bases<'_>, reserved: &[String]) -> Result<Cluster> {
    let place = format!("cluster {name:?}: ");
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.starts_with('-') || !name.chars().all(plain) {
        return Err(wrong(&format!("{place}invalid name"), "a name has letters, digits, \".\", \"_\" and \"-\""));
    }
    if reserved.iter().any(|word| word == name) {
        return Err(wrong(&format!("{place}invalid name"), format!("`requorum {name}` is a command"))
            .hint("Choose another name."));
    }
    let empty = Map::new();
    let map = match value {
        Value::Object(map) => map,
        Value::Null => &empty,
        _ => return Err(form(&format!("{place}it has no keys"))),
    };
    let mut out = Cluster { name: name.to_string(), label: name.to_string(), ..Cluster::default() };
    for (key, value) in map {
        let at = format!("{place}{key}");
        match key.as_str() {
            "label" => out.label = text(&at, value)?,
            "endpoints" => out.endpoints = endpoints(&at, value)?,
            "cacert" => out.cacert = Some(path(&at, value, bases)?),
            "cert" => out.cert = Some(path(&at, value, bases)?),
            "key" => out.key = Some(path(&at, value, bases)?),
            "user" => out.user = Some(user(&at, value)?),
            "snapshots" => out.snapshots = list(&at, value)?.iter().map(|item| absolute(item, bases)).collect(),
            "hosts" => out.hosts = Some(path(&at, value, bases)?),
            "data_root" => out.data_root = Some(path(&at, value, bases)?),
            _ => return Err(unknown(&place, key, &KEYS)),
        }
    }
    if out.cert.is_some() != out.key.is_some() {
        return Err(wrong(&format!("{place}cert and key must be used together"), "one of them is missing"));
    }
    Ok(out)
}

/// Returns a text that is not empty.
fn text(at: &str, value: &Value) -> Result<String> {
    let text = match value {
        Value::String(text) => text.trim().to_string(),
        Value::Number(number) => number.to_string(),
        _ => return Err(wrong(&format!("{at}: invalid value"), "it is not a text")),
    };
    if text.is_empty() {
        return Err(wrong(&format!("{at}: invalid value"), "it is empty").hint("Leave the key out."));
    }
    match template::slip(&text, "the value itself") {
        Some(why) => Err(wrong(&format!("{at}: invalid value"), why)),
        None => Ok(text),
    }
}

/// Returns a list, also where it is written as one text with commas.
fn list(at: &str, value: &Value) -> Result<Vec<String>> {
    match value {
        Value::Array(items) => items.iter().map(|item| text(at, item)).collect(),
        other => {
            let text = text(at, other)?;
            Ok(text.split(',').map(|item| item.trim().to_string()).filter(|item| !item.is_empty()).collect())
        }
    }
}

fn endpoints(at: &str, value: &Value) -> Result<Vec<String>> {
    let list = list(at, value)?;
    if list.iter().any(|item| item.contains('@')) {
        return Err(wrong(&format!("{at}: refused"), "a user and password do not belong to an endpoint")
            .hint("No secret is stored in this file: give a password by ETCDCTL_PASSWORD."));
    }
    match endpoint::slips(&list, false).into_iter().next() {
        Some(slip) => Err(wrong(&format!("{at}: {}: not valid", slip.typed), slip.text)),
        None => Ok(list),
    }
}

fn user(at: &str, value: &Value) -> Result<String> {
    let name = text(at, value)?;
    if name.contains(':') {
        return Err(wrong(&format!("{at}: refused"), "no secret is stored in this file")
            .hint("Write the name alone, and give the password by ETCDCTL_PASSWORD."));
    }
    Ok(name)
}

fn path(at: &str, value: &Value, bases: Bases<'_>) -> Result<PathBuf> {
    let text = text(at, value)?;
    if text.contains("-----BEGIN") || text.contains('\n') {
        return Err(wrong(&format!("{at}: refused"), "it is not a path")
            .hint("No secret is stored in this file: give the path of the file."));
    }
    Ok(absolute(&text, bases))
}

/// Returns a path as it is meant in the file; the URL of an object store stays as it is.
fn absolute(text: &str, bases: Bases<'_>) -> PathBuf {
    let path = Path::new(text);
    match (text.strip_prefix("~/"), bases.home) {
        _ if source_ref::is_object(path) => path.to_path_buf(),
        (Some(rest), Some(home)) => home.join(rest),
        _ => bases.file.join(path),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> Result<Vec<Cluster>> {
        let bases = Bases { file: Path::new("/c"), home: Some(Path::new("/h")) };
        read(text, bases, &["drill".to_string(), "probe".to_string()])
    }

    #[test]
    fn clusters_with_all_their_keys() {
        let all = parse(
            "clusters:\n  prod-eu:\n    label: Production EU\n    endpoints: [https://10.0.0.1:2379, 'https://10.0.0.2:2379']\n    \
             cacert: pki/ca.crt\n    cert: ~/client.crt\n    key: /k/client.key\n    user: root\n    \
             snapshots: [/var/backups, s3://b/p, own]\n    hosts: hosts.yaml\n    data_root: /var/lib\n  dev:\n    endpoints: a:2379, b:2379\n  bare:\n",
        )
        .unwrap();
        let [bare, dev, prod] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((bare.name.as_str(), bare.label.as_str(), bare.endpoints.len()), ("bare", "bare", 0));
        assert_eq!(
            (dev.label.as_str(), dev.endpoints.as_slice()),
            ("dev", &["a:2379", "b:2379"].map(String::from)[..])
        );
        let expected = Cluster {
            name: "prod-eu".into(),
            label: "Production EU".into(),
            endpoints: vec!["https://10.0.0.1:2379".into(), "https://10.0.0.2:2379".into()],
            cacert: Some("/c/pki/ca.crt".into()),
            cert: Some("/h/client.crt".into()),
            key: Some("/k/client.key".into()),
            user: Some("root".into()),
            snapshots: vec!["/var/backups".into(), "s3://b/p".into(), "/c/own".into()],
            hosts: Some("/c/hosts.yaml".into()),
            data_root: Some("/var/lib".into()),
        };
        assert_eq!(*prod, expected);
        for nothing in ["", "# none\n", "clusters:\n"] {
            assert_eq!(parse(nothing), Ok(Vec::new()), "{nothing:?}");
        }
    }

    #[test]
    fn what_is_refused_and_in_which_words() {
        let mut messages = Vec::new();
        for text in [
            "clusters: {a: {password: geheim}}",
            "clusters: {a: {Password: geheim}}",
            "clusters: {a: {secret-key: geheim}}",
            "clusters: {a: {user: 'root:geheim'}}",
            "clusters: {a: {key: \"-----BEGIN PRIVATE KEY-----\\ngeheim\"}}",
            "clusters: {a: {endpoints: 'http://root:geheim@h:2379'}}",
            "password: geheim",
            "clusters: {a: {endpoint: h:2379}}",
            "clusters: {a: {dataRoot: /x}}",
            "clusters: {a: {inventory: x}}",
            "clusters: {a: {colour: red}}",
            "cluster: {a: {}}",
            "clusters: {drill: {}}",
            "clusters: {'a b': {}}",
            "clusters: {-x: {}}",
            "clusters: {a: {endpoints: ['http:/h:2379']}}",
            "clusters: {a: {endpoints: ['https://<node>:2379']}}",
            "clusters: {a: {cert: x}}",
            "clusters: {a: {label: ''}}",
            "clusters: {a: {cacert: [x]}}",
            "clusters: [a]",
            "clusters: {a: b}",
            "- a",
            "a: [",
        ] {
            let error = parse(text).unwrap_err();
            let whole = error.to_string();
            assert_eq!(error.kind, ErrorKind::Input, "{text}: {whole}");
            assert!(!whole.contains("geheim"), "{text}: {whole}");
            messages.push((text, whole));
        }
        crate::text::messages::hold("clusters-refused", &messages);
    }
}
