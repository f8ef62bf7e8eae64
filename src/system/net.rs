//! HTTP and TLS connections, below the etcd client and the object store.

pub(crate) mod http;
pub(crate) mod resolve;
pub mod tls;
