//! The objects of a Kubernetes API server in etcd: kinds, namespaces, and which values are encrypted with which key;
//! without that key a restored cluster cannot read them.
//!
//! The keys begin with the API server's `--etcd-prefix`. By default that is `/registry/`, OpenShift has two others, and
//! any other is known by its namespace kube-system and by values that only API servers write.
//!
//! Sources: Kubernetes `apiserver/pkg/storage` (keys: `PREFIX/[GROUP/]RESOURCE/[NAMESPACE/]NAME`)
//! and `apiserver/pkg/server/options/encryptionconfig` (values: `k8s:enc:PROVIDER:VERSION:KEY:…`).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::domain::model::revisions::{KUBE_SYSTEM, KUBERNETES_PREFIXES, KUBERNETES_VALUES};
use crate::text::value::brief;

const SEAL: &[u8] = b"k8s:enc:";

/// The objects that were counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Kubernetes {
    /// The prefixes of its keys: `/registry/`.
    pub prefixes: Vec<String>,
    /// Objects in all.
    pub objects: u64,
    /// Objects by kind: `pods`, `services/specs`, `cilium.io/ciliumnodes`.
    pub kinds: BTreeMap<String, u64>,
    /// Objects by namespace.
    pub namespaces: BTreeMap<String, u64>,
    /// Encryption in use.
    pub encrypted: Vec<EncryptedValues>,
    /// Secrets that are not encrypted.
    pub plain_secrets: u64,
    /// The nodes' names.
    #[serde(skip)]
    pub nodes: Vec<String>,
    /// The addresses of the API servers that have a master lease.
    #[serde(skip)]
    pub api_servers: Vec<String>,
}

/// Values that are encrypted with one key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct EncryptedValues {
    /// `aescbc`, `aesgcm`, `secretbox`, `kms`.
    pub provider: String,
    /// `v1`, `v2`.
    pub version: String,
    /// The name of the key, or of the KMS provider, in the encryption configuration.
    pub key: String,
    /// The number of live objects that are encrypted with it.
    pub objects: u64,
    /// Their kinds.
    pub kinds: BTreeSet<String>,
}

impl Kubernetes {
    /// Returns the index of a value's encryption.
    pub(in crate::engine) fn sealed(&mut self, value: &[u8]) -> Option<usize> {
        let mut parts = value.strip_prefix(SEAL)?.splitn(4, |byte| *byte == b':');
        let mut part = || parts.next().map(|part| brief(part, 100));
        let (provider, version, key) = (part()?, part()?, part()?);
        let known =
            self.encrypted.iter().position(|s| (&s.provider, &s.version, &s.key) == (&provider, &version, &key));
        Some(known.unwrap_or_else(|| {
            let next = self.encrypted.len();
            self.encrypted.push(EncryptedValues { provider, version, key, ..EncryptedValues::default() });
            next
        }))
    }

    /// Counts a live key; `written` is whether an API server wrote its value.
    pub(in crate::engine) fn key(&mut self, prefixes: &Prefixes, key: &[u8], written: bool, sealed: Option<usize>) {
        let Some((prefix, kind, rest)) = prefixes.split(key, written) else { return };
        let prefix = brief(prefix, 100);
        if !self.prefixes.contains(&prefix) {
            self.prefixes.push(prefix);
        }
        self.objects = self.objects.saturating_add(1);
        if kind == "secrets" && sealed.is_none() {
            self.plain_secrets = self.plain_secrets.saturating_add(1);
        }
        if let Some(seal) = sealed.and_then(|at| self.encrypted.get_mut(at)) {
            seal.objects = seal.objects.saturating_add(1);
            seal.kinds.insert(kind.clone());
        }
        match (kind.as_str(), rest.as_slice()) {
            ("minions", [node]) => self.nodes.push(brief(node, 253)),
            ("masterleases", [address]) => self.api_servers.push(brief(address, 253)),
            _ => {}
        }
        one_more(self.kinds.entry(kind).or_default());
        if let [namespace, _, ..] = rest.as_slice() {
            one_more(self.namespaces.entry(brief(namespace, 100)).or_default());
        }
    }

    /// Returns `None` if there are no Kubernetes objects. Encryption that only old rows have is left out.
    pub(in crate::engine) fn finish(mut self) -> Option<Kubernetes> {
        self.encrypted.retain(|sealed| sealed.objects > 0);
        (self.objects > 0).then_some(self)
    }
}

fn one_more(count: &mut u64) {
    *count = count.saturating_add(1);
}

/// Returns whether only an API server writes such a value.
pub(in crate::engine) fn wrote(value: &[u8]) -> bool {
    KUBERNETES_VALUES.iter().any(|lead| value.starts_with(lead))
}

/// A key's prefix, its kind, and the parts that follow.
type Object<'k> = (&'k [u8], String, Vec<&'k [u8]>);

/// The prefixes under which API servers keep their objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Prefixes(Vec<Vec<u8>>);

impl Prefixes {
    /// Returns the usual ones, and those that have a namespace kube-system in `keys`.
    pub(in crate::engine) fn new<'k>(keys: impl Iterator<Item = &'k [u8]>) -> Prefixes {
        let mut known: Vec<Vec<u8>> = KUBERNETES_PREFIXES.iter().map(|prefix| prefix.to_vec()).collect();
        for key in keys {
            let Some(prefix) = key.strip_suffix(KUBE_SYSTEM) else { continue };
            let prefix = [prefix, b"/"].concat();
            if !known.contains(&prefix) {
                known.push(prefix);
            }
        }
        // The longest first: one may contain another.
        known.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
        Prefixes(known)
    }

    /// Returns the object of a key. Under an unknown prefix only keys whose values an API server wrote are objects;
    /// their prefix is assumed to be the first part of the key.
    fn split<'k>(&self, key: &'k [u8], written: bool) -> Option<Object<'k>> {
        let known = self.0.iter().find(|prefix| key.starts_with(prefix)).map(Vec::len);
        let first = || {
            let slash = key.iter().enumerate().position(|(at, byte)| at > 0 && *byte == b'/')?;
            written.then_some(slash.saturating_add(1))
        };
        let (prefix, path) = key.split_at_checked(known.or_else(first)?)?;
        if path.is_empty() {
            return None;
        }
        let mut parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let named = match parts.as_slice() {
            // API groups have a dot; services have endpoints and specs
            [first, _, ..] if first.contains(&b'.') || *first == b"services" => 2,
            _ => 1,
        };
        let rest = parts.split_off(named.min(parts.len()));
        Some((prefix, brief(&parts.join(&b'/'), 100), rest))
    }
}

/// Returns the kind of the object of a key with this value: `deployments`, `services/specs`; `None` if it is not
/// Kubernetes'.
pub fn kind_of(key: &[u8], value: &[u8]) -> Option<String> {
    let prefixes = Prefixes::new(std::iter::once(key));
    prefixes.split(key, wrote(value)).map(|(_, kind, _)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_namespaces_and_keys_that_will_be_needed() {
        let mut found = Kubernetes::default();
        let rows: [(&str, &[u8]); 10] = [
            ("/registry/masterleases/10.0.0.1", b"k8s\0"),
            ("/registry/pods/default/web-1", b"k8s\0"),
            ("/registry/pods/kube-system/dns", b"k8s\0"),
            ("/registry/minions/node-1", b"k8s\0"),
            ("/registry/services/specs/default/web", b"k8s\0"),
            ("/registry/cilium.io/ciliumnodes/node-1", b"{}"),
            ("/registry/secrets/default/a", b"k8s:enc:aescbc:v1:key1:\x01\x02"),
            ("/registry/secrets/default/b", b"k8s:enc:kms:v2:vault:\xff:"),
            ("/registry/secrets/default/c", b"k8s\0"),
            ("/elsewhere/x", b"k8s is no API server's"),
        ];
        let prefixes = Prefixes::new(rows.iter().map(|(key, _)| key.as_bytes()));
        for (key, value) in rows {
            let sealed = found.sealed(value);
            found.key(&prefixes, key.as_bytes(), wrote(value), sealed);
        }
        found.sealed(b"k8s:enc:secretbox:v1:old:rows of the past");
        let found = found.finish().unwrap();
        let kinds: Vec<(&str, u64)> = found.kinds.iter().map(|(k, n)| (k.as_str(), *n)).collect();
        assert_eq!(
            kinds,
            [
                ("cilium.io/ciliumnodes", 1),
                ("masterleases", 1),
                ("minions", 1),
                ("pods", 2),
                ("secrets", 3),
                ("services/specs", 1)
            ]
        );
        let namespaces: Vec<(&str, u64)> = found.namespaces.iter().map(|(k, n)| (k.as_str(), *n)).collect();
        assert_eq!(namespaces, [("default", 5), ("kube-system", 1)]);
        let seals: Vec<(&str, &str, u64)> =
            found.encrypted.iter().map(|s| (s.provider.as_str(), s.key.as_str(), s.objects)).collect();
        assert_eq!(seals, [("aescbc", "key1", 1), ("kms", "vault", 1)]);
        assert_eq!((found.objects, found.plain_secrets), (9, 1));
        assert_eq!((found.nodes, found.api_servers), (vec!["node-1".to_string()], vec!["10.0.0.1".to_string()]));
        assert_eq!(Kubernetes::default().finish(), None);
    }
    #[test]
    fn any_prefix_is_found_by_kube_system() {
        let rows: [(&str, &[u8], &str); 9] = [
            ("/kubernetes.io/namespaces/kube-system", b"k8s\0", "namespaces"),
            ("/kubernetes.io/pods/default/web", b"k8s\0", "pods"),
            ("/openshift.io/route.openshift.io/routes/default/web", b"{}", "route.openshift.io/routes"),
            ("/clusters/a/registry/namespaces/kube-system", b"k8s\0", "namespaces"),
            ("/clusters/a/registry/stable.example.com/widgets/default/w", b"{}", "stable.example.com/widgets"),
            ("plain/secrets/default/a", b"k8s:enc:secretbox:v1:sb1:", "secrets"),
            ("plain/other", b"{}", ""),
            ("/app/config", b"{}", ""),
            ("noslash", b"k8s\0", ""),
        ];
        let prefixes = Prefixes::new(rows.iter().map(|(key, ..)| key.as_bytes()));
        let mut found = Kubernetes::default();
        for (key, value, kind) in rows {
            let split = prefixes.split(key.as_bytes(), wrote(value)).map(|(_, kind, _)| kind);
            assert_eq!(split.unwrap_or_default(), kind, "{key}");
            let sealed = found.sealed(value);
            found.key(&prefixes, key.as_bytes(), wrote(value), sealed);
        }
        let found = found.finish().unwrap();
        assert_eq!(found.prefixes, ["/kubernetes.io/", "/openshift.io/", "/clusters/a/registry/", "plain/"]);
        assert_eq!((found.objects, found.encrypted.len(), found.namespaces["default"]), (6, 1, 4));
        assert_eq!(kind_of(b"/kubernetes.io/pods/default/web", b"k8s\0").as_deref(), Some("pods"));
        assert_eq!(kind_of(b"/own/pods/default/web", b"k8s\0").as_deref(), Some("pods"));
        assert_eq!(kind_of(b"/own/pods/default/web", b"{}"), None);
    }
}
