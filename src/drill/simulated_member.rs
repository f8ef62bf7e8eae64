//! A simulated member: a small gRPC etcd server on loopback that answers from a real data
//! directory, and reports itself as simulated.
//!
//! It answers the requests of a recovery: status, members, reads, HashKV and the snapshot's stream. Members that serve share
//! one log ([`sequencer`]), so that writes and watches work. It has no authentication and no TLS.

pub mod sequencer;
mod services;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc, PoisonError, RwLock,
        mpsc::{self, Receiver},
    },
    time::Duration,
};

use etcd_client::proto::{PbClusterServer, PbKvServer, PbMaintenanceServer, PbWatchServer};
use tokio::{runtime, sync::oneshot};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use self::{sequencer::Sequencer, services::Service};
use super::mvcc_store::Store;
use crate::{
    error::{Error, ErrorKind, Result},
    etcd::membership::Id,
};

/// An error in its status that marks it as simulated.
pub const SIMULATED: &str = "simulated by requorum drill";

/// The state of a member in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Quorum is lost: it has no leader, and requests that need one time out.
    Lone,
    /// Its cluster serves.
    Serving {
        /// The leader.
        leader: Id,
    },
}

/// How a simulated member is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The loopback address.
    pub address: IpAddr,
    /// The port; 0 for any free one.
    pub port: u16,
    /// The initial mode.
    pub mode: Mode,
    /// The reported version.
    pub version: String,
    /// The timeout of requests that need quorum; etcd's 7 s by default.
    pub patience: Duration,
    /// Client URLs by member ID, if the database has none: a real member publishes its own when it starts.
    pub client_urls: Vec<(Id, Vec<String>)>,
    /// The log shared by all members; without one it accepts no writes.
    pub sequencer: Option<Arc<Sequencer>>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            address: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            mode: Mode::Lone,
            version: "3.5.30".to_owned(),
            patience: Duration::from_secs(7),
            client_urls: Vec::new(),
            sequencer: None,
        }
    }
}

/// A running simulated member; it stops, and its port is free, when this is dropped.
pub struct Member {
    address: SocketAddr,
    store: Arc<Store>,
    mode: Arc<RwLock<Mode>>,
    runtime: Option<runtime::Runtime>,
    stop: Option<oneshot::Sender<()>>,
    closed: Receiver<()>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("address", &self.address).field("mode", &self.mode()).finish_non_exhaustive()
    }
}

impl Member {
    /// Starts a member on `store`.
    ///
    /// # Errors
    /// If the port is in use or no thread can be started.
    pub fn start(store: Arc<Store>, options: Options) -> Result<Member> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("drill-member")
            .enable_all()
            .build()
            .map_err(|e| Error::new(ErrorKind::Failed, "failed to start a simulated member").why(e))?;
        let wanted = SocketAddr::from((options.address, options.port));
        // not bound by the runtime: the caller may be inside another runtime, which must not block
        let bound = TcpListener::bind(wanted).and_then(|l| l.set_nonblocking(true).map(|()| l));
        let (listener, address) = bound.and_then(|l| l.local_addr().map(|at| (l, at))).map_err(|e| {
            Error::new(ErrorKind::Failed, format!("{wanted}: a simulated member cannot listen"))
                .why(e)
                .hint("Stop the process that listens on this port, or start the drill with another --seed.")
        })?;
        let mode = Arc::new(RwLock::new(options.mode));
        let service = Service::new(store.clone(), mode.clone(), options);
        let router = Server::builder()
            .add_service(PbKvServer::new(service.clone()))
            .add_service(PbMaintenanceServer::new(service.clone()))
            .add_service(PbWatchServer::new(service.clone()))
            .add_service(PbClusterServer::new(service));
        let (stop, stopped) = oneshot::channel();
        let (closing, closed) = mpsc::channel();
        runtime.spawn(async move {
            // not gracefully: a stopped member does not wait for its watches
            if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                tokio::select! {
                    _ = router.serve_with_incoming(TcpListenerStream::new(listener)) => {}
                    _ = stopped => {}
                }
            }
            let _ = closing.send(());
        });
        Ok(Member { address, store, mode, runtime: Some(runtime), stop: Some(stop), closed })
    }

    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the client URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the store, to be kept after the member stops.
    pub fn shared_store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }

    /// Returns the current mode.
    pub fn mode(&self) -> Mode {
        *self.mode.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the mode: a cluster regained or lost quorum. Pending requests keep waiting.
    pub fn set_mode(&self, mode: Mode) {
        *self.mode.write().unwrap_or_else(PoisonError::into_inner) = mode;
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        // the listener is closed by then, so that the port is free at once
        let _ = self.closed.recv_timeout(Duration::from_secs(1));
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
