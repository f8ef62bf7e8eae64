//! One call and its result: in time or late, answered or refused; and a member's status as facts.

use std::{future::Future, time::Duration};

use etcd_client::{
    Client, ConnectOptions, Error, MemberListResponse,
    proto::{PbMember, PbMemberListResponse, PbStatusResponse},
};
use tokio::time::timeout;
use tonic::Status;

use super::{
    connection::Connection,
    errors::{self, ConnectError},
};
use crate::{
    domain::model::observations::{Alarm, KnownMember, MemberStatus, Source},
    etcd::{membership::Id, server_error::ServerError},
    text::Foreign,
};

/// Which store a read asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// The quorum's.
    Linearizable,
    /// The member's own.
    Serializable,
}

/// Why a call failed.
#[derive(Debug)]
pub(super) enum CallError {
    /// Its deadline passed.
    Late(Duration),
    /// The member, or the transport, answered with an error.
    Status(Status),
    /// Any other error of etcd-client.
    Other(Foreign),
}

impl CallError {
    pub(super) fn is_auth(&self) -> bool {
        matches!(self, CallError::Status(status) if errors::is_auth(status))
    }

    /// Returns which of etcd's own errors it is.
    pub(super) fn error(&self) -> Option<ServerError> {
        if let CallError::Status(status) = self { ServerError::from_message(status.message()) } else { None }
    }

    pub(super) fn words(&self) -> Foreign {
        match self {
            CallError::Late(limit) => format!("no answer in {}", errors::span(*limit)).into(),
            CallError::Status(status) if ServerError::from_message(status.message()) == Some(ServerError::NoLeader) => {
                "no leader".into()
            }
            CallError::Status(status) => errors::said(status),
            CallError::Other(why) => why.clone(),
        }
    }
}

pub(super) type CallResult<T> = std::result::Result<T, CallError>;

pub(super) async fn answered<T>(
    limit: Duration,
    call: impl Future<Output = std::result::Result<T, Error>>,
) -> CallResult<T> {
    match timeout(limit, call).await {
        Err(_) => Err(CallError::Late(limit)),
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Error::GRpcStatus(status))) => Err(CallError::Status(status)),
        Ok(Err(other)) => Err(CallError::Other(other.to_string().into())),
    }
}

/// Returns an etcd client over one connection, without a token yet.
pub(super) async fn client(line: &Connection, require_leader: bool) -> std::result::Result<Client, ConnectError> {
    let options = ConnectOptions::new().with_require_leader(require_leader);
    Client::from_channel(etcd_client::Channel::Tonic(line.channel.clone()), Some(options))
        .await
        .map_err(|e| ConnectError::new("not asked", format!("the etcd client could not be created: {e}.")))
}

pub(super) fn says(status: PbStatusResponse) -> MemberStatus {
    let header = status.header.unwrap_or_default();
    let (alarms, errors): (Vec<_>, Vec<_>) = status
        .errors
        .into_iter()
        .take(MOST_ERRORS)
        .map(|error| (Alarm::parse(&error), error))
        .partition(|(alarm, _)| alarm.is_some());
    MemberStatus {
        cluster_id: Id(header.cluster_id),
        member_id: Id(header.member_id),
        version: status.version.into(),
        revision: header.revision,
        raft_term: status.raft_term,
        raft_index: status.raft_index,
        raft_applied: status.raft_applied_index,
        leader: Id(status.leader),
        is_learner: status.is_learner,
        db_bytes: u64::try_from(status.db_size).unwrap_or_default(),
        db_bytes_in_use: u64::try_from(status.db_size_in_use).unwrap_or_default(),
        quota_bytes: u64::try_from(status.db_size_quota).ok().filter(|quota| *quota > 0),
        storage_version: status.storage_version.into(),
        alarms: alarms.into_iter().filter_map(|(alarm, _)| alarm).collect(),
        errors: errors.into_iter().map(|(_, error)| Foreign::new(error).into()).collect(),
        heard: vec![Source::Client],
        ..MemberStatus::default()
    }
}

/// The largest number of members, and of their URLs: each may be asked, so a longer list would take too long.
pub(super) const MOST_MEMBERS: usize = 256;
/// See [`MOST_MEMBERS`].
pub(super) const MOST_URLS: usize = 16;
/// The number of errors of a member that are shown.
const MOST_ERRORS: usize = 32;

/// Returns the note on such a list.
pub(super) fn too_many(listed: usize) -> String {
    format!("member list ignored: it has {listed} members, more than {MOST_MEMBERS}")
}

const PROXY: &str =
    "a gRPC proxy answers there: it lists itself instead of the cluster's members. Ask the members' own client URLs.";

pub(super) fn note_members(says: &mut MemberStatus, members: CallResult<MemberListResponse>) {
    match members {
        Ok(MemberListResponse(PbMemberListResponse { members, .. })) => {
            let known = |m: PbMember| KnownMember {
                id: Id(m.id),
                name: m.name.into(),
                peer_urls: m.peer_ur_ls.into_iter().map(Foreign::from).take(MOST_URLS).collect(),
                client_urls: m.client_ur_ls.into_iter().map(Foreign::from).take(MOST_URLS).collect(),
                is_learner: m.is_learner,
            };
            match members.len() {
                0..=MOST_MEMBERS => says.members = members.into_iter().map(known).collect(),
                many => says.errors.push(too_many(many)),
            }
            // etcd's gRPC proxy lists the proxies registered with it, or itself, and no member has the ID 0 (etcd
            // `server/proxy/grpcproxy/cluster.go`)
            if says.members.iter().any(|m| m.id == Id(0)) {
                says.members.clear();
                says.errors.push(PROXY.to_owned());
            }
        }
        Err(miss) => {
            says.list_refused = miss.error() == Some(ServerError::NoUser);
            says.errors.push(format!("member list unknown: {}", miss.words()));
        }
    }
}
