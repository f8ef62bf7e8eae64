//! A gRPC server on loopback that sends a test's answers, and certificates for it.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use etcd_client::proto::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, runtime, sync::oneshot, time::sleep};
use tokio_stream::{Empty, Stream, StreamExt, iter, pending, wrappers::TcpListenerStream};
use tonic::{
    Request, Response, Status,
    transport::{Certificate, Identity, Server, ServerTlsConfig},
};
use tower::util::MapRequestLayer;

/// What the server answers; `Err` is a status, `None` is no answer at all.
#[derive(Clone, Default)]
pub struct Script {
    pub status: Option<Result<PbStatusResponse, Status>>,
    pub members: Option<Result<PbMemberListResponse, Status>>,
    pub range: Option<Result<PbRangeResponse, Status>>,
    pub snapshot: Vec<Result<PbSnapshotResponse, Status>>,
    /// After the snapshot's messages: true leaves the stream open without a further message.
    pub hangs: bool,
    /// The header of a refused watch.
    pub watch: Option<PbResponseHeader>,
    /// After the snapshot's messages: this one again and again, without an end.
    pub endless: Option<PbSnapshotResponse>,
    /// The requests received, by name.
    pub asked: Arc<Mutex<Vec<String>>>,
    /// The paths of all requests received, including those of services that are not implemented here.
    pub paths: Arc<Mutex<Vec<String>>>,
}

impl Script {
    async fn say<T>(&self, name: &str, answer: Option<Result<T, Status>>) -> Result<Response<T>, Status> {
        self.asked.lock().unwrap().push(name.to_owned());
        match answer {
            Some(answer) => answer.map(Response::new),
            None => loop {
                sleep(Duration::from_secs(3600)).await;
            },
        }
    }
}

fn no<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not in this test"))
}

type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl PbMaintenanceService for Script {
    type SnapshotStream = Streamed<PbSnapshotResponse>;

    async fn status(&self, _: Request<PbStatusRequest>) -> Result<Response<PbStatusResponse>, Status> {
        self.say("status", self.status.clone()).await
    }

    async fn snapshot(&self, _: Request<PbSnapshotRequest>) -> Result<Response<Self::SnapshotStream>, Status> {
        let messages = iter(self.snapshot.clone());
        if let Some(message) = self.endless.clone() {
            return Ok(Response::new(Box::pin(
                messages.chain(iter(std::iter::repeat_with(move || Ok(message.clone())))),
            )));
        }
        Ok(Response::new(if self.hangs { Box::pin(messages.chain(pending())) } else { Box::pin(messages) }))
    }

    async fn alarm(&self, _: Request<PbAlarmRequest>) -> Result<Response<PbAlarmResponse>, Status> {
        no()
    }

    async fn defragment(&self, _: Request<PbDefragmentRequest>) -> Result<Response<PbDefragmentResponse>, Status> {
        no()
    }

    async fn hash(&self, _: Request<PbHashRequest>) -> Result<Response<PbHashResponse>, Status> {
        no()
    }

    async fn hash_kv(&self, _: Request<PbHashKvRequest>) -> Result<Response<PbHashKvResponse>, Status> {
        no()
    }

    async fn move_leader(&self, _: Request<PbMoveLeaderRequest>) -> Result<Response<PbMoveLeaderResponse>, Status> {
        no()
    }

    async fn downgrade(&self, _: Request<PbDowngradeRequest>) -> Result<Response<PbDowngradeResponse>, Status> {
        no()
    }
}

#[tonic::async_trait]
impl PbClusterService for Script {
    async fn member_list(&self, ask: Request<PbMemberListRequest>) -> Result<Response<PbMemberListResponse>, Status> {
        let name = if ask.into_inner().linearizable { "members, linearizable" } else { "members" };
        self.say(name, self.members.clone()).await
    }

    async fn member_add(&self, _: Request<PbMemberAddRequest>) -> Result<Response<PbMemberAddResponse>, Status> {
        no()
    }

    async fn member_remove(
        &self,
        _: Request<PbMemberRemoveRequest>,
    ) -> Result<Response<PbMemberRemoveResponse>, Status> {
        no()
    }

    async fn member_update(
        &self,
        _: Request<PbMemberUpdateRequest>,
    ) -> Result<Response<PbMemberUpdateResponse>, Status> {
        no()
    }

    async fn member_promote(
        &self,
        _: Request<PbMemberPromoteRequest>,
    ) -> Result<Response<PbMemberPromoteResponse>, Status> {
        no()
    }
}

#[tonic::async_trait]
impl PbKvService for Script {
    type RangeStreamStream = Empty<Result<PbRangeStreamResponse, Status>>;

    async fn range(&self, ask: Request<PbRangeRequest>) -> Result<Response<PbRangeResponse>, Status> {
        let name = if ask.into_inner().serializable { "range, serializable" } else { "range" };
        self.say(name, self.range.clone()).await
    }

    async fn range_stream(&self, _: Request<PbRangeRequest>) -> Result<Response<Self::RangeStreamStream>, Status> {
        no()
    }

    async fn put(&self, _: Request<PbPutRequest>) -> Result<Response<PbPutResponse>, Status> {
        no()
    }

    async fn delete_range(&self, _: Request<PbDeleteRequest>) -> Result<Response<PbDeleteResponse>, Status> {
        no()
    }

    async fn txn(&self, _: Request<PbTxnRequest>) -> Result<Response<PbTxnResponse>, Status> {
        no()
    }

    async fn compact(&self, _: Request<PbCompactionRequest>) -> Result<Response<PbCompactionResponse>, Status> {
        no()
    }
}

#[tonic::async_trait]
impl PbWatchService for Script {
    type WatchStream = Streamed<PbWatchResponse>;

    async fn watch(&self, _: Request<tonic::Streaming<PbWatchRequest>>) -> Result<Response<Self::WatchStream>, Status> {
        let header = self.watch.ok_or_else(|| Status::unavailable("etcdserver: rpc not supported for learner"))?;
        let refused = PbWatchResponse {
            header: Some(header),
            watch_id: -1,
            created: true,
            canceled: true,
            cancel_reason: "rpc error: code = InvalidArgument desc = etcdserver: user name is empty".into(),
            ..Default::default()
        };
        Ok(Response::new(Box::pin(iter([Ok(refused)]).chain(pending()))))
    }
}

/// A running server; it stops when this is dropped.
pub struct Served {
    pub at: SocketAddr,
    runtime: Option<runtime::Runtime>,
    stop: Option<oneshot::Sender<()>>,
}

impl Served {
    pub fn start(script: Script, tls: Option<ServerTlsConfig>) -> Served {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let at = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let mut server = Server::builder();
        if let Some(tls) = tls {
            server = server.tls_config(tls).unwrap();
        }
        let paths = script.paths.clone();
        let mut server = server.layer(MapRequestLayer::new(move |request: hyper::Request<tonic::body::Body>| {
            paths.lock().unwrap().push(request.uri().path().to_owned());
            request
        }));
        let router = server
            .add_service(PbMaintenanceServer::new(script.clone()))
            .add_service(PbClusterServer::new(script.clone()))
            .add_service(PbWatchServer::new(script.clone()))
            .add_service(PbKvServer::new(script));
        runtime.spawn(router.serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
            let _ = stopped.await;
        }));
        Served { at, runtime: Some(runtime), stop: Some(stop) }
    }

    pub fn http(&self) -> String {
        format!("http://{}", self.at)
    }

    pub fn https(&self) -> String {
        format!("https://{}", self.at)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        self.runtime.take().unwrap().shutdown_background();
    }
}

/// The messages by which etcd streams `data`: blobs of 32 KiB, then the SHA-256.
pub fn snapshot_of(data: &[u8]) -> Vec<Result<PbSnapshotResponse, Status>> {
    let mut left = data.len() as u64;
    let mut messages: Vec<_> = data
        .chunks(32 * 1024)
        .map(|blob| {
            left -= blob.len() as u64;
            Ok(PbSnapshotResponse { remaining_bytes: left, blob: blob.to_vec(), ..Default::default() })
        })
        .collect();
    messages.push(Ok(PbSnapshotResponse { blob: Sha256::digest(data).to_vec(), ..Default::default() }));
    messages
}

/// A CA that signs certificates for tests, all kept in one directory.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
    dir: PathBuf,
}

impl Ca {
    /// Written to `file` and `file.key`; `name` is its common name.
    pub fn new(dir: &Path, file: &str, name: &str) -> Ca {
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        std::fs::write(dir.join(file), &pem).unwrap();
        std::fs::write(dir.join(format!("{file}.key")), key.serialize_pem()).unwrap();
        Ca { issuer: Issuer::new(params, key), pem, dir: dir.to_owned() }
    }

    /// Certificate and key for `host`, changed by `change`; also written to `host.crt`, `host.key`.
    pub fn sign(&self, host: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap().pem();
        std::fs::write(self.dir.join(format!("{host}.crt")), &cert).unwrap();
        std::fs::write(self.dir.join(format!("{host}.key")), key.serialize_pem()).unwrap();
        Identity::from_pem(cert, key.serialize_pem())
    }

    pub fn certificate(&self) -> Certificate {
        Certificate::from_pem(&self.pem)
    }
}
