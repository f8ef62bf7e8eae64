//! The gRPC services of a simulated member. Here: Maintenance, Cluster and what all share; [`kv`] and [`watch`] are separate.

mod copy;
mod kv;
mod watch;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use etcd_client::proto::*;
use tokio::time::sleep;
use tokio_stream::{Iter, iter};
use tonic::{Request, Response, Status};

use self::copy::Copy;
pub(super) use self::kv::range;
use super::{Mode, Options, SIMULATED, sequencer::Sequencer};
use crate::{
    drill::mvcc_store::{Refused, Store},
    etcd::membership::Id,
};

/// The result of a call.
type Answer<T> = Result<Response<T>, Status>;

/// All services of one member; clones share its state.
#[derive(Clone)]
pub(super) struct Service {
    store: Arc<Store>,
    mode: Arc<RwLock<Mode>>,
    version: String,
    patience: Duration,
    client_urls: Vec<(Id, Vec<String>)>,
    sequencer: Option<Arc<Sequencer>>,
}

impl Service {
    pub(super) fn new(store: Arc<Store>, mode: Arc<RwLock<Mode>>, options: Options) -> Self {
        let Options { version, patience, client_urls, sequencer, .. } = options;
        Service { store, mode, version, patience, client_urls, sequencer }
    }

    fn leader(&self) -> Option<Id> {
        match *self.mode.read().unwrap_or_else(PoisonError::into_inner) {
            Mode::Lone => None,
            Mode::Serving { leader } => Some(leader),
        }
    }

    fn header(&self) -> Option<PbResponseHeader> {
        let identity = self.store.identity();
        Some(PbResponseHeader {
            cluster_id: identity.cluster.0,
            member_id: identity.member.0,
            revision: self.store.revision(),
            raft_term: identity.raft_term,
        })
    }

    /// Accepts a request. One with "require leader" fails at once if there is no leader.
    fn accept<T>(&self, request: Request<T>) -> Result<T, Status> {
        if self.leader().is_none() && request.metadata().contains_key("hasleader") {
            return Err(Status::unavailable("etcdserver: no leader"));
        }
        Ok(request.into_inner())
    }

    /// Confirms a linearizable read. Without quorum it fails as etcd's read index does.
    async fn linearizable(&self) -> Result<(), Status> {
        if self.leader().is_none() {
            sleep(self.patience).await;
            return Err(Status::unavailable("etcdserver: request timed out"));
        }
        Ok(())
    }

    /// Accepts a request that goes through the log. Without quorum it fails as etcd's proposals do.
    async fn proposed<T>(&self, request: Request<T>) -> Result<T, Status> {
        let asked = self.accept(request)?;
        if self.leader().is_none() {
            sleep(self.patience).await;
            return Err(Status::deadline_exceeded("context deadline exceeded"));
        }
        Ok(asked)
    }

    /// Refuses a write that a drill does not support.
    async fn write<T, A>(&self, request: Request<T>) -> Answer<A> {
        self.proposed(request).await?;
        Err(unwritable())
    }

    /// Refuses a call that a drill does not support.
    fn absent<A>(&self) -> Answer<A> {
        Err(Status::unimplemented("not supported by a simulated member of a drill"))
    }
}

fn unwritable() -> Status {
    Status::failed_precondition("write not supported by a simulated member of a drill")
}

fn refusal(refused: Refused) -> Status {
    match refused {
        Refused::Compacted => Status::out_of_range("etcdserver: mvcc: required revision has been compacted"),
        Refused::Future => Status::out_of_range("etcdserver: mvcc: required revision is a future revision"),
        Refused::Damaged(why) => Status::data_loss(why),
    }
}

#[tonic::async_trait]
impl PbClusterService for Service {
    async fn member_list(&self, request: Request<PbMemberListRequest>) -> Answer<PbMemberListResponse> {
        if self.accept(request)?.linearizable {
            self.linearizable().await?;
        }
        let urls = |id: u64| self.client_urls.iter().find(|(published, _)| published.0 == id).map(|(_, urls)| urls);
        let members = self.store.members().iter().map(|member| PbMember {
            id: member.id,
            name: member.name.clone(),
            peer_ur_ls: member.peer_urls.clone(),
            client_ur_ls: urls(member.id).unwrap_or(&member.client_urls).clone(),
            is_learner: member.is_learner,
        });
        // like etcd's, this header has no revision
        let header = self.header().map(|header| PbResponseHeader { revision: 0, ..header });
        Ok(Response::new(PbMemberListResponse { header, members: members.collect() }))
    }

    async fn member_add(&self, request: Request<PbMemberAddRequest>) -> Answer<PbMemberAddResponse> {
        self.write(request).await
    }

    async fn member_remove(&self, request: Request<PbMemberRemoveRequest>) -> Answer<PbMemberRemoveResponse> {
        self.write(request).await
    }

    async fn member_update(&self, request: Request<PbMemberUpdateRequest>) -> Answer<PbMemberUpdateResponse> {
        self.write(request).await
    }

    async fn member_promote(&self, request: Request<PbMemberPromoteRequest>) -> Answer<PbMemberPromoteResponse> {
        self.write(request).await
    }
}

#[tonic::async_trait]
impl PbMaintenanceService for Service {
    type SnapshotStream = Iter<Copy>;

    async fn status(&self, request: Request<PbStatusRequest>) -> Answer<PbStatusResponse> {
        self.accept(request)?;
        let (store, identity, leader) = (&self.store, self.store.identity(), self.leader());
        let mut errors: Vec<String> =
            leader.is_none().then(|| "etcdserver: no leader".to_owned()).into_iter().collect();
        errors.extend(store.alarms().iter().map(|alarm| {
            let kind = if alarm.alarm == 1 { "NOSPACE" } else { "CORRUPT" };
            format!("memberID:{} alarm:{kind} ", alarm.member_id)
        }));
        errors.push(SIMULATED.to_owned());
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        Ok(Response::new(PbStatusResponse {
            header: self.header(),
            version: self.version.clone(),
            db_size: signed(store.db_bytes()),
            db_size_in_use: signed(store.used_bytes()),
            leader: leader.unwrap_or(Id(0)).0,
            raft_index: identity.raft_index + store.written(),
            raft_term: identity.raft_term,
            raft_applied_index: store.consistent_index() + store.written(),
            is_learner: store.members().iter().any(|member| member.id == identity.member.0 && member.is_learner),
            errors,
            ..PbStatusResponse::default()
        }))
    }

    async fn hash_kv(&self, request: Request<PbHashKvRequest>) -> Answer<PbHashKvResponse> {
        let hash = self.store.hash_kv(self.accept(request)?.revision).map_err(refusal)?;
        Ok(Response::new(PbHashKvResponse {
            header: self.header(),
            hash: hash.hash,
            compact_revision: hash.compacted,
            hash_revision: hash.revision,
        }))
    }

    async fn snapshot(&self, request: Request<PbSnapshotRequest>) -> Answer<Self::SnapshotStream> {
        self.accept(request)?;
        Ok(Response::new(iter(Copy::new(self.store.clone()))))
    }

    async fn alarm(&self, request: Request<PbAlarmRequest>) -> Answer<PbAlarmResponse> {
        // even the list of alarms goes through the log in etcd
        let asked = self.proposed(request).await?;
        if asked.action != 0 {
            return Err(unwritable());
        }
        let alarms = self.store.alarms().iter().map(|a| PbAlarmMember { member_id: a.member_id, alarm: a.alarm });
        Ok(Response::new(PbAlarmResponse { header: self.header(), alarms: alarms.collect() }))
    }

    async fn defragment(&self, _: Request<PbDefragmentRequest>) -> Answer<PbDefragmentResponse> {
        self.absent()
    }

    async fn hash(&self, _: Request<PbHashRequest>) -> Answer<PbHashResponse> {
        self.absent()
    }

    async fn move_leader(&self, request: Request<PbMoveLeaderRequest>) -> Answer<PbMoveLeaderResponse> {
        self.write(request).await
    }

    async fn downgrade(&self, request: Request<PbDowngradeRequest>) -> Answer<PbDowngradeResponse> {
        self.write(request).await
    }
}
