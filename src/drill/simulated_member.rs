//! A simulated member: a small gRPC etcd server on loopback that answers from a real data
//! directory, and says of itself that it is simulated.
//!
//! It answers what leads an operator through a recovery: status, members, reads, HashKV and the
//! snapshot's stream. Members that serve share one log ([`sequencer`]), so that writes and watches work. It asks for no
//! passwords and speaks no TLS.

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

/// What stands among the errors of its status, so that nobody takes it for a real one.
pub const SIMULATED: &str = "simulated by requorum drill";

/// How the member stands in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It has lost its quorum: it knows no leader, and what needs one runs into a timeout.
    Lone,
    /// Its cluster serves.
    Serving {
        /// The member that leads.
        leader: Id,
    },
}

/// How a simulated member is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The loopback address.
    pub address: IpAddr,
    /// The port there; 0 for any that is free.
    pub port: u16,
    /// How it stands at first.
    pub mode: Mode,
    /// The version that it gives.
    pub version: String,
    /// How long it lets those wait who ask for what only a quorum can do. etcd's 7 s by default.
    pub patience: Duration,
    /// Client URLs by member ID, where the database knows none: a real member publishes its own
    /// when it starts.
    pub client_urls: Vec<(Id, Vec<String>)>,
    /// The log that it shares with the others; without one it takes no writes.
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
    /// Starts a member over `store`.
    ///
    /// # Errors
    /// When the port is taken or no thread can be started.
    pub fn start(store: Arc<Store>, options: Options) -> Result<Member> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("drill-member")
            .enable_all()
            .build()
            .map_err(|e| Error::new(ErrorKind::Failed, "a simulated member cannot be started").why(e))?;
        let wanted = SocketAddr::from((options.address, options.port));
        // not by the runtime: whoever starts a member may be inside one, and would have to wait for ours there
        let bound = TcpListener::bind(wanted).and_then(|l| l.set_nonblocking(true).map(|()| l));
        let (listener, address) = bound.and_then(|l| l.local_addr().map(|at| (l, at))).map_err(|e| {
            Error::new(ErrorKind::Failed, format!("a simulated member cannot listen on {wanted}"))
                .why(e)
                .hint("End what listens on that port, or begin the drill anew on other ports.")
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
            // not gracefully: a member that is stopped does not wait for those who watch it
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

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its client URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it answers from.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What it answers from, to be kept beyond the member's life.
    pub fn shared_store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }

    /// How it stands now.
    pub fn mode(&self) -> Mode {
        *self.mode.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes how it stands: a cluster found its quorum, or lost it. Questions that are waiting
    /// already wait on.
    pub fn set_mode(&self, mode: Mode) {
        *self.mode.write().unwrap_or_else(PoisonError::into_inner) = mode;
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        // the listener is closed when this comes, so that the port can be taken at once
        let _ = self.closed.recv_timeout(Duration::from_secs(1));
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
