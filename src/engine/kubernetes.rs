//! What a Kubernetes API server keeps in etcd: kinds, namespaces, and which values are encrypted
//! with which key, for without that key a restored cluster cannot read them.
//!
//! Sources: Kubernetes `apiserver/pkg/storage` (keys: `/registry/[GROUP/]RESOURCE/[NAMESPACE/]NAME`)
//! and `apiserver/pkg/server/options/encryptionconfig` (values: `k8s:enc:PROVIDER:VERSION:KEY:…`).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::words::brief;

/// The API server's default `--etcd-prefix`.
pub(super) const PREFIX: &[u8] = b"/registry/";
const SEAL: &[u8] = b"k8s:enc:";

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kubernetes {
    /// Objects in all.
    pub objects: u64,
    /// Objects by kind: `pods`, `services/specs`, `cilium.io/ciliumnodes`.
    pub kinds: BTreeMap<String, u64>,
    /// Objects by namespace.
    pub namespaces: BTreeMap<String, u64>,
    /// Encryption in use.
    pub encrypted: Vec<Sealed>,
    /// Secrets that are not encrypted.
    pub plain_secrets: u64,
    /// The nodes' names.
    #[serde(skip)]
    pub nodes: Vec<String>,
    /// Which API servers have a lease as masters: their addresses.
    #[serde(skip)]
    pub api_servers: Vec<String>,
}

/// Values that one key encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Sealed {
    /// `aescbc`, `aesgcm`, `secretbox`, `kms`.
    pub provider: String,
    /// `v1`, `v2`.
    pub version: String,
    /// The name of the key, or of the KMS provider, in the encryption configuration.
    pub key: String,
    /// How many live objects it encrypted.
    pub objects: u64,
    /// Their kinds.
    pub kinds: BTreeSet<String>,
}

impl Kubernetes {
    /// Which encryption a value has.
    pub(super) fn sealed(&mut self, value: &[u8]) -> Option<usize> {
        let mut parts = value.strip_prefix(SEAL)?.splitn(4, |byte| *byte == b':');
        let mut part = || parts.next().map(|part| brief(part, 100));
        let (provider, version, key) = (part()?, part()?, part()?);
        let known =
            self.encrypted.iter().position(|s| (&s.provider, &s.version, &s.key) == (&provider, &version, &key));
        Some(known.unwrap_or_else(|| {
            self.encrypted.push(Sealed { provider, version, key, ..Sealed::default() });
            self.encrypted.len() - 1
        }))
    }

    /// Counts a live key.
    pub(super) fn key(&mut self, key: &[u8], sealed: Option<usize>) {
        let Some((kind, rest)) = kind_and_rest(key) else { return };
        self.objects += 1;
        if kind == "secrets" && sealed.is_none() {
            self.plain_secrets += 1;
        }
        if let Some(seal) = sealed.and_then(|at| self.encrypted.get_mut(at)) {
            seal.objects += 1;
            seal.kinds.insert(kind.clone());
        }
        match (kind.as_str(), rest.as_slice()) {
            ("minions", [node]) => self.nodes.push(brief(node, 253)),
            ("masterleases", [address]) => self.api_servers.push(brief(address, 253)),
            _ => {}
        }
        *self.kinds.entry(kind).or_default() += 1;
        if let [namespace, _, ..] = rest.as_slice() {
            *self.namespaces.entry(brief(namespace, 100)).or_default() += 1;
        }
    }

    /// None where there is nothing of Kubernetes. Encryption that only rows of the past have is left out.
    pub(super) fn finish(mut self) -> Option<Kubernetes> {
        self.encrypted.retain(|sealed| sealed.objects > 0);
        (self.objects > 0).then_some(self)
    }
}

/// The kind of the object under a key: `deployments`, `services/specs`; none for keys that are not Kubernetes'.
pub fn kind_of(key: &[u8]) -> Option<String> {
    kind_and_rest(key).map(|(kind, _)| kind)
}

/// The kind, and what follows it in the key, part by part.
fn kind_and_rest(key: &[u8]) -> Option<(String, Vec<&[u8]>)> {
    let path = key.strip_prefix(PREFIX).filter(|path| !path.is_empty())?;
    let mut parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    let named = match parts.as_slice() {
        // groups have a dot; services keep their endpoints beside their specs
        [first, _, ..] if first.contains(&b'.') || *first == b"services" => 2,
        _ => 1,
    };
    let rest = parts.split_off(named.min(parts.len()));
    Some((brief(&parts.join(&b'/'), 100), rest))
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
            ("/elsewhere/x", b"k8s:enc:aescbc:v1:key1:"),
        ];
        for (key, value) in rows {
            let sealed = found.sealed(value);
            found.key(key.as_bytes(), sealed);
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
}
