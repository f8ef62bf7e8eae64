//! Connections that are not etcd's own: HTTP and TLS.

pub(crate) mod http;
pub mod tls;
