//! The gRPC services of a simulated member: KV, Maintenance and Cluster, as far as reads go.

use std::{
    cmp::Ordering,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use etcd_client::{SortOrder, SortTarget, proto::*};
use sha2::{Digest, Sha256};
use tokio::time::sleep;
use tokio_stream::{Empty, Iter, iter};
use tonic::{Request, Response, Status};

use super::{Mode, Options, SIMULATED};
use crate::{
    drill::store::{Refused, Store},
    etcd::membership::Id,
};

/// Bytes of a snapshot message's blob, as in etcd.
const BLOB: u64 = 32 * 1024;

/// What a call comes to.
type Answer<T> = Result<Response<T>, Status>;

/// All services of one member; clones share it.
#[derive(Clone)]
pub(super) struct Service {
    store: Arc<Store>,
    mode: Arc<RwLock<Mode>>,
    version: String,
    patience: Duration,
    client_urls: Vec<(Id, Vec<String>)>,
}

impl Service {
    pub(super) fn new(store: Arc<Store>, mode: Arc<RwLock<Mode>>, options: Options) -> Self {
        let Options { version, patience, client_urls, .. } = options;
        Service { store, mode, version, patience, client_urls }
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

    /// Every call passes here: who asks with "require leader" hears at once that there is none.
    fn heard<T>(&self, request: Request<T>) -> Result<T, Status> {
        if self.leader().is_none() && request.metadata().contains_key("hasleader") {
            return Err(Status::unavailable("etcdserver: no leader"));
        }
        Ok(request.into_inner())
    }

    /// What only a quorum can confirm: without one it ends as etcd's read index does.
    async fn linearizable(&self) -> Result<(), Status> {
        if self.leader().is_none() {
            sleep(self.patience).await;
            return Err(Status::unavailable("etcdserver: request timed out"));
        }
        Ok(())
    }

    /// What goes through the log: without a quorum it ends as etcd's proposals do, with one it is
    /// refused, since nothing is written here.
    async fn write<T, A>(&self, request: Request<T>) -> Answer<A> {
        self.heard(request)?;
        if self.leader().is_none() {
            sleep(self.patience).await;
            return Err(Status::deadline_exceeded("context deadline exceeded"));
        }
        Err(Status::failed_precondition("this is a simulated member of a drill: it answers reads and takes no writes"))
    }

    /// What a drill has no use for.
    fn absent<A>(&self) -> Answer<A> {
        Err(Status::unimplemented("this is a simulated member of a drill: it knows reads, status and snapshots"))
    }
}

fn refusal(refused: Refused) -> Status {
    match refused {
        Refused::Compacted => Status::out_of_range("etcdserver: mvcc: required revision has been compacted"),
        Refused::Future => Status::out_of_range("etcdserver: mvcc: required revision is a future revision"),
        Refused::Damaged(why) => Status::data_loss(why),
    }
}

#[tonic::async_trait]
impl PbKvService for Service {
    type RangeStreamStream = Empty<Result<PbRangeStreamResponse, Status>>;

    async fn range(&self, request: Request<PbRangeRequest>) -> Answer<PbRangeResponse> {
        let ask = self.heard(request)?;
        if ask.key.is_empty() {
            return Err(Status::invalid_argument("etcdserver: key is not provided"));
        }
        if !ask.serializable {
            self.linearizable().await?;
        }
        range(&self.store, &ask)
            .map(|answer| Response::new(PbRangeResponse { header: self.header(), ..answer }))
            .map_err(refusal)
    }

    async fn range_stream(&self, _: Request<PbRangeRequest>) -> Answer<Self::RangeStreamStream> {
        self.absent()
    }

    async fn put(&self, request: Request<PbPutRequest>) -> Answer<PbPutResponse> {
        self.write(request).await
    }

    async fn delete_range(&self, request: Request<PbDeleteRequest>) -> Answer<PbDeleteResponse> {
        self.write(request).await
    }

    async fn txn(&self, request: Request<PbTxnRequest>) -> Answer<PbTxnResponse> {
        self.write(request).await
    }

    async fn compact(&self, request: Request<PbCompactionRequest>) -> Answer<PbCompactionResponse> {
        self.write(request).await
    }
}

/// etcd's order of things: all rows where they are filtered or sorted, then filter, sort, limit.
fn range(store: &Store, ask: &PbRangeRequest) -> Result<PbRangeResponse, Refused> {
    let filtered = ask.min_mod_revision != 0
        || ask.max_mod_revision != 0
        || ask.min_create_revision != 0
        || ask.max_create_revision != 0;
    let sorted = ask.sort_order != SortOrder::None as i32 || ask.sort_target != SortTarget::Key as i32;
    let limit = usize::try_from(ask.limit).ok().filter(|limit| *limit > 0);
    let most = match limit {
        _ if ask.count_only => 0,
        Some(limit) if !filtered && !sorted => limit,
        _ => usize::MAX,
    };
    let mut found = store.range(&ask.key, &ask.range_end, ask.revision, most)?;
    if filtered {
        let within = |at: i64, min: i64, max: i64| (min == 0 || at >= min) && (max == 0 || at <= max);
        found.rows.retain(|row| {
            within(row.mod_revision, ask.min_mod_revision, ask.max_mod_revision)
                && within(row.create_revision, ask.min_create_revision, ask.max_create_revision)
        });
    }
    if sorted {
        found.rows.sort_by(|a, b| by(ask.sort_target, a, b));
        if ask.sort_order == SortOrder::Descend as i32 {
            found.rows.reverse();
        }
    }
    let all = if filtered || sorted { found.rows.len() } else { found.count };
    let more = limit.is_some_and(|limit| all > limit) && !ask.count_only;
    if let Some(limit) = limit {
        found.rows.truncate(limit);
    }
    if ask.keys_only {
        found.rows.iter_mut().for_each(|row| row.value.clear());
    }
    Ok(PbRangeResponse { header: None, kvs: found.rows, more, count: i64::try_from(found.count).unwrap_or(i64::MAX) })
}

fn by(target: i32, a: &PbKeyValue, b: &PbKeyValue) -> Ordering {
    match target {
        t if t == SortTarget::Version as i32 => a.version.cmp(&b.version),
        t if t == SortTarget::Create as i32 => a.create_revision.cmp(&b.create_revision),
        t if t == SortTarget::Mod as i32 => a.mod_revision.cmp(&b.mod_revision),
        t if t == SortTarget::Value as i32 => a.value.cmp(&b.value),
        _ => a.key.cmp(&b.key),
    }
}

#[tonic::async_trait]
impl PbClusterService for Service {
    async fn member_list(&self, request: Request<PbMemberListRequest>) -> Answer<PbMemberListResponse> {
        if self.heard(request)?.linearizable {
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
        // like etcd's, this header bears no revision
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
        self.heard(request)?;
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
            raft_index: identity.raft_index,
            raft_term: identity.raft_term,
            raft_applied_index: store.consistent_index(),
            is_learner: store.members().iter().any(|member| member.id == identity.member.0 && member.is_learner),
            errors,
            ..PbStatusResponse::default()
        }))
    }

    async fn hash_kv(&self, request: Request<PbHashKvRequest>) -> Answer<PbHashKvResponse> {
        let hash = self.store.hash_kv(self.heard(request)?.revision).map_err(refusal)?;
        Ok(Response::new(PbHashKvResponse {
            header: self.header(),
            hash: hash.hash,
            compact_revision: hash.compacted,
            hash_revision: hash.revision,
        }))
    }

    async fn snapshot(&self, request: Request<PbSnapshotRequest>) -> Answer<Self::SnapshotStream> {
        self.heard(request)?;
        Ok(Response::new(iter(Copy::new(self.store.clone()))))
    }

    async fn alarm(&self, request: Request<PbAlarmRequest>) -> Answer<PbAlarmResponse> {
        // even the list of alarms goes through the log in etcd
        self.write(request).await
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

/// The messages of a snapshot's stream, read from the file as they are asked for: the two meta
/// pages, the rest as it is, and the SHA-256 of all of it.
pub(super) struct Copy {
    store: Arc<Store>,
    head: Vec<u8>,
    sent: u64,
    hash: Option<Sha256>,
}

impl Copy {
    fn new(store: Arc<Store>) -> Self {
        let head = store.copy_head();
        Copy { store, head, sent: 0, hash: Some(Sha256::new()) }
    }

    fn message(&self, blob: Vec<u8>, remaining_bytes: u64) -> PbSnapshotResponse {
        let version = self.store.storage_version().to_owned();
        PbSnapshotResponse { header: None, remaining_bytes, blob, version }
    }

    fn blob(&mut self, length: u64) -> Result<Vec<u8>, String> {
        let from = usize::try_from(self.sent).map_err(|e| e.to_string())?;
        let length = usize::try_from(length).map_err(|e| e.to_string())?;
        let head = self.head.get(from..).unwrap_or_default();
        let mut blob: Vec<u8> = head.iter().copied().take(length).collect();
        let (begun, offset) = (blob.len(), self.sent + blob.len() as u64);
        blob.resize(length, 0);
        self.store.copy_tail(blob.get_mut(begun..).unwrap_or_default(), offset)?;
        Ok(blob)
    }
}

impl Iterator for Copy {
    type Item = Result<PbSnapshotResponse, Status>;

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.store.copy_bytes().saturating_sub(self.sent);
        if left == 0 {
            // taken: after the trailer the stream ends
            let hash = self.hash.take()?;
            return Some(Ok(self.message(hash.finalize().to_vec(), 0)));
        }
        let length = left.min(BLOB);
        match self.blob(length) {
            Ok(blob) => {
                if let Some(hash) = &mut self.hash {
                    hash.update(&blob);
                }
                self.sent += length;
                Some(Ok(self.message(blob, left - length)))
            }
            Err(why) => {
                self.hash = None;
                self.sent = self.store.copy_bytes();
                Some(Err(Status::data_loss(why)))
            }
        }
    }
}
