//! The data directory of an old member: its database at one revision, its WAL up to the same or a later one.
//!
//! ```text
//! entries 1 … n                the members join, as a restore or a first start writes them (term 1)
//! entry n+1                    a leader is elected (term 2)
//! then                         learners join; each member publishes its name and client URLs
//! then                         one entry for each revision, from 2 on
//! ```
//! So a database at revision r has applied the entry of r, on any member. etcd 3.5 and later starts on such a directory.

use std::{
    fs,
    path::{Path, PathBuf},
};

use prost::Message;

use super::workload::{DatabaseMeta, History};
use crate::{
    engine::{
        restore::initial_log::{InitialLog, TERM},
        source::creation_trouble,
    },
    error::Result,
    etcd::{
        membership::{Id, Member, member_id},
        raft_request::encode,
        version::Minor,
    },
    raft::{
        message::{ConfChange, ConfState, Entry, HardState, Metadata, WalSnapshot},
        record::{Encoder, RecordKind},
        wal,
    },
};

/// The term of all writes.
pub const LATER: u64 = TERM + 1;

/// The members of an old cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    initial_log: InitialLog,
    learners: Vec<Member>,
    /// All members, with their published client URLs.
    members: Vec<Member>,
    etcd: Minor,
}

/// The paths of a member's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `--data-dir`.
    pub data: PathBuf,
    /// `--wal-dir`, if it has one.
    pub wal: Option<PathBuf>,
}

/// One member to be made: name, peer URL, client URL, whether it is a learner.
pub type Row<'a> = (&'a str, &'a str, &'a str, bool);

impl Cluster {
    /// Makes the cluster of these members.
    pub fn new(rows: &[Row<'_>], token: &str, etcd: Minor) -> Cluster {
        let peers: Vec<Vec<String>> = rows.iter().map(|(_, peer, ..)| vec![(*peer).to_string()]).collect();
        let voters = rows.iter().zip(&peers).filter(|((.., learner), _)| !learner);
        let initial_log = InitialLog::new(voters.map(|((name, ..), urls)| (*name, urls.as_slice())), token);
        let member = |((name, _, client, learner), urls): (&Row<'_>, &Vec<String>)| Member {
            id: member_id(urls, token).0,
            peer_urls: urls.clone(),
            is_learner: *learner,
            name: (*name).to_string(),
            client_urls: vec![(*client).to_string()],
        };
        let mut members: Vec<Member> = rows.iter().zip(&peers).map(member).collect();
        members.sort_by_key(|m| m.id);
        let learners = members.iter().filter(|m| m.is_learner).cloned().collect();
        Cluster { initial_log, learners, members, etcd }
    }

    /// Returns the cluster ID.
    pub fn id(&self) -> Id {
        self.initial_log.cluster_id
    }

    /// Returns the ID of a member.
    pub fn id_of(&self, name: &str) -> Option<Id> {
        self.members.iter().find(|m| m.name == name).map(|m| Id(m.id))
    }

    /// Returns all members, with their client URLs.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Returns the raft index at which revision `revision` was written.
    pub fn index_of(&self, revision: i64) -> u64 {
        let before = self.initial_log.index() + 1 + self.learners.len() as u64 + self.members.len() as u64;
        before + u64::try_from(revision.saturating_sub(1)).unwrap_or(0)
    }

    /// Returns what a database at `revision` contains besides the keys.
    pub fn meta(&self, revision: i64) -> DatabaseMeta {
        let storage = if self.etcd >= Minor::V3_6 { format!("{}.0", self.etcd) } else { String::new() };
        DatabaseMeta {
            members: self.members.clone(),
            index: self.index_of(revision),
            term: LATER,
            cluster_version: format!("{}.0", self.etcd),
            storage_version: storage,
            nospace: Vec::new(),
        }
    }

    /// Makes the data directory of the member `me`: the database of `history` at revision `until` with `meta`, and the WAL up
    /// to revision `log`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn directory(
        &self,
        place: &Place,
        me: Id,
        history: &History,
        until: i64,
        log: i64,
        meta: &DatabaseMeta,
    ) -> Result<()> {
        history.database(until, meta, &place.data.join("member/snap/db"))?;
        let (name, bytes) = self.initial_log.snap(self.etcd);
        write(&place.data.join("member/snap").join(name), &bytes)?;
        let inside = place.data.join("member/wal");
        let segment = place.wal.as_ref().unwrap_or(&inside).join(wal::file_name(0, 0));
        write(&segment, &self.log(me, history, log))
    }

    /// Returns the records of a member's WAL.
    fn log(&self, me: Id, history: &History, until: i64) -> Vec<u8> {
        let mut log = Encoder::begin();
        log.record(
            RecordKind::Metadata,
            &Metadata { node_id: Some(me.0), cluster_id: Some(self.initial_log.cluster_id.0) },
        );
        log.record(RecordKind::Snapshot, &WalSnapshot { index: Some(0), term: Some(0), conf_state: None });
        let mut index = 0;
        let mut entry = |log: &mut Encoder, kind: i32, term: u64, data: Option<Vec<u8>>| {
            index += 1;
            log.record(RecordKind::Entry, &Entry { kind: Some(kind), term: Some(term), index: Some(index), data });
        };
        let join = |member: &Member| {
            let unpublished = Member { client_urls: Vec::new(), ..member.clone() };
            let kind = if member.is_learner { 3 } else { 0 };
            let context = Some(unpublished.to_json().into_bytes());
            ConfChange { id: Some(0), kind: Some(kind), node_id: Some(member.id), context }.encode_to_vec()
        };
        for member in &self.initial_log.members {
            entry(&mut log, 1, TERM, Some(join(member)));
        }
        let vote = self.initial_log.members.first().map(|m| m.id);
        log.record(RecordKind::State, &HardState { term: Some(TERM), vote, commit: Some(self.initial_log.index()) });
        let voters = self.initial_log.members.iter().map(|m| m.id).collect();
        let conf_state = Some(ConfState { voters, auto_leave: Some(false), ..ConfState::default() });
        log.record(
            RecordKind::Snapshot,
            &WalSnapshot { index: Some(self.initial_log.index()), term: Some(TERM), conf_state },
        );
        entry(&mut log, 0, LATER, None);
        for learner in &self.learners {
            entry(&mut log, 1, LATER, Some(join(learner)));
        }
        for (n, member) in (1u64..).zip(&self.members) {
            let data = encode::attributes(n, member.id, &member.name, &member.client_urls);
            entry(&mut log, 0, LATER, Some(data));
        }
        for (revision, writes) in history.writes(2, until) {
            let id = 1000 + u64::try_from(revision).unwrap_or(0);
            entry(&mut log, 0, LATER, Some(encode::writes(id, &writes)));
        }
        log.record(RecordKind::State, &HardState { term: Some(LATER), vote, commit: Some(self.index_of(until)) });
        log.into_bytes()
    }
}

/// Writes a new file and the directories above it.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(|e| creation_trouble("make", dir, &e))?;
    }
    fs::write(path, bytes).map_err(|e| creation_trouble("write", path, &e))
}
