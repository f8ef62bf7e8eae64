//! Clients that keep revisions, as data: which there are, which of them a snapshot holds, and what a plan knows of the
//! revisions that the old cluster gave out.

use serde::{Deserialize, Serialize};

use crate::text::join::all;

/// The value in the examples of etcd's documentation on `--bump-revision`, tried with real API servers and informers.
pub const DOCUMENTED: u64 = 1_000_000_000;

/// How the values begin that an API server writes: protobuf, and encrypted.
pub(crate) const KUBERNETES_VALUES: [&[u8]; 2] = [b"k8s\0", b"k8s:enc:"];
/// `--etcd-prefix` by default, and those of OpenShift.
pub(crate) const KUBERNETES_PREFIXES: [&[u8]; 3] = [b"/registry/", b"/kubernetes.io/", b"/openshift.io/"];
/// The namespace that every API server makes, under any prefix.
pub(crate) const KUBE_SYSTEM: &[u8] = b"/namespaces/kube-system";

/// A client that keeps revisions, known by its keys or values.
///
/// Others watch too, and are left out for a reason: Patroni and CoreDNS read again whenever a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Client {
    /// API servers (the watch cache) and everything that lists and watches through them: `resourceVersion` is etcd's
    /// revision.
    Kubernetes,
    /// Felix, Typha and confd with the etcd datastore: libcalico-go's watcher cache lists once and watches on from the
    /// revision that it has; it lists again when that is compacted.
    Calico,
    /// Agents with a kvstore: the etcd client of `pkg/kvstore` lists, watches from the next revision, and lists again
    /// when that is compacted.
    Cilium,
    /// The gateways: `config_etcd.lua` keeps the last revision of each directory, watches from the one after it, and
    /// reads all again when that is compacted.
    Apisix,
    /// flanneld with the etcd backend: the cursor of its lease watch is a revision; it reads all again when that is
    /// compacted.
    Flannel,
}

impl Client {
    /// All of them.
    pub const ALL: [Client; 5] = [Client::Kubernetes, Client::Calico, Client::Cilium, Client::Apisix, Client::Flannel];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Client::Kubernetes => "Kubernetes",
            Client::Calico => "Calico",
            Client::Cilium => "Cilium",
            Client::Apisix => "APISIX",
            Client::Flannel => "flannel",
        }
    }

    /// Whether a row is its.
    pub fn wrote(self, key: &[u8], value: &[u8]) -> bool {
        match self {
            Client::Kubernetes => {
                KUBERNETES_VALUES.iter().any(|lead| value.starts_with(lead))
                    || KUBERNETES_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
                    || key.ends_with(KUBE_SYSTEM)
            }
            Client::Calico => key.starts_with(b"/calico/"),
            Client::Cilium => key.starts_with(b"cilium/"),
            Client::Apisix => key.starts_with(b"/apisix/"),
            Client::Flannel => key.starts_with(b"/coreos.com/network/"),
        }
    }

    /// The names of several: `Kubernetes and Calico`.
    pub fn names(clients: &[Client]) -> String {
        all(&clients.iter().map(|client| client.name().to_string()).collect::<Vec<_>>())
    }
}

/// What a snapshot holds of these clients: `data of Calico and the deleted history of Kubernetes`.
pub fn data_of(clients: &[Client], past: &[Client]) -> String {
    let (gone, live): (Vec<Client>, Vec<Client>) = clients.iter().partition(|client| past.contains(client));
    let live = (!live.is_empty()).then(|| format!("data of {}", Client::names(&live)));
    let gone = (!gone.is_empty()).then(|| format!("the deleted history of {} (no live key)", Client::names(&gone)));
    all(&live.into_iter().chain(gone).collect::<Vec<_>>())
}

/// A revision that the old cluster gave out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownRevision {
    /// The revision.
    pub revision: i64,
    /// Who or what has it: a member's name, a file.
    pub from: String,
}

/// What a plan knows of the revisions that the old cluster gave out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revisions {
    /// Clients that keep revisions whose data is in the snapshot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<Client>,
    /// Those of them of which deleted history alone is in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<Client>,
    /// The newest revision known, where it is above the snapshot's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<KnownRevision>,
    /// True where it was shown that no write after the snapshot can have been acknowledged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub complete: bool,
}

impl Revisions {
    /// True where nothing is known, as in plans of earlier versions.
    pub fn is_unknown(&self) -> bool {
        *self == Revisions::default()
    }
}
