//! A member as the plan defines it, and the comparison with a built one: done on the host with what was read back
//! there, and again on the operator's machine with what the host reports.

use std::io::Read;

use sha2::{Digest, Sha256};

use super::{Restored, initial_log::InitialLog};
use crate::engine::{datadir, durable_fs::Dir, source::hex};
use crate::{
    bbolt::View,
    domain::{model::plan::Plan, render::manual},
    error::{Error, ErrorKind, Result},
    etcd::{membership::Id, version::Minor},
    raft::wal,
};

/// How many bytes of a log are compared: its records are at the start, and only zeros follow.
pub const LOG_BYTES: usize = manual::LOG_BYTES;

/// Returns the SHA-256, hex, of the start of a log's first file.
pub fn log_sha256(begin: &[u8]) -> String {
    let mut sha = Sha256::new();
    sha.update(begin);
    sha.update(vec![0; LOG_BYTES.saturating_sub(begin.len())]);
    hex(&sha.finalize())
}

/// One member as planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The member's name.
    pub name: String,
    /// Its ID.
    pub member_id: Id,
    /// The new cluster's ID.
    pub cluster_id: Id,
    /// The IDs of all members, ascending.
    pub members: Vec<Id>,
    /// The last revision.
    pub revision: i64,
    /// Live keys.
    pub keys: u64,
    /// SHA-256 of the snapshot, hex.
    pub source_sha256: String,
    /// SHA-256 of the start of the log, hex.
    pub log_sha256: String,
}

/// The content of a snapshot, as a plan pins it.
#[derive(Debug, Clone, Copy)]
pub struct Pinned<'a> {
    /// SHA-256 of the whole file, hex.
    pub sha256: &'a str,
    /// Its last revision.
    pub revision: i64,
    /// Its live keys.
    pub keys: u64,
    /// The number of revisions that are skipped.
    pub bump: u64,
}

impl Expected {
    /// Returns the member `name` of a table, restored from this snapshot in the formats of `target`; `None` if the
    /// table has no such member.
    pub fn new(genesis: &InitialLog, name: &str, target: Minor, pinned: Pinned<'_>) -> Option<Expected> {
        let member_id = genesis.id_of(name)?;
        Some(Expected {
            name: name.into(),
            member_id,
            cluster_id: genesis.cluster_id,
            members: genesis.members.iter().map(|member| Id(member.id)).collect(),
            revision: pinned.revision.saturating_add_unsigned(pinned.bump),
            // A bump writes one more row, with an empty key.
            keys: pinned.keys.saturating_add(u64::from(pinned.bump > 0)),
            source_sha256: pinned.sha256.into(),
            log_sha256: log_sha256(&genesis.wal(member_id, target)),
        })
    }

    /// Returns a plan's member.
    ///
    /// # Errors
    /// `Usage` if the plan has no member of that name.
    pub fn from_plan(plan: &Plan, name: &str) -> Result<Expected> {
        plan.member(name)?;
        let table = plan.members.iter().map(|m| (m.name.as_str(), m.peer_urls.as_slice()));
        let source = &plan.source;
        let pinned =
            Pinned { sha256: &source.sha256, revision: source.revision, keys: source.keys, bump: plan.bump_revision };
        let found =
            Expected::new(&InitialLog::new(table, &plan.token), name, plan.target.unwrap_or(Minor::V3_5), pinned);
        found.ok_or_else(|| Error::new(ErrorKind::Bug, format!("{name}: in the plan but not in its member table")))
    }

    /// Returns the first difference between a reported member and the plan, in a clause; `None` if it is as planned.
    pub fn differs(&self, claim: &Restored) -> Option<String> {
        let differs = |what: &str, found: &dyn std::fmt::Display, planned: &dyn std::fmt::Display| {
            Some(format!("{what} is {found}, but the plan has {planned}"))
        };
        match () {
            () if claim.name != self.name => differs("its name", &claim.name, &self.name),
            () if claim.member_id != self.member_id => differs("its member ID", &claim.member_id, &self.member_id),
            () if claim.cluster_id != self.cluster_id => differs("its cluster ID", &claim.cluster_id, &self.cluster_id),
            () if claim.members != self.members => {
                differs("its list of members", &ids(&claim.members), &ids(&self.members))
            }
            () if claim.revision != self.revision => differs("its revision", &claim.revision, &self.revision),
            () if claim.keys != self.keys => differs("its number of keys", &claim.keys, &self.keys),
            () if claim.source_sha256 != self.source_sha256 => {
                differs("the SHA-256 of its snapshot", &claim.source_sha256, &self.source_sha256)
            }
            () if claim.log_sha256 != self.log_sha256 => {
                differs("the SHA-256 of its log", &claim.log_sha256, &self.log_sha256)
            }
            () => None,
        }
    }

    /// Reads an installed member through its open directories and compares it: the start of the log, and the members
    /// and the last revision in the database.
    ///
    /// # Errors
    /// The first difference from the plan, in a clause.
    pub fn read_back(&self, data: &Dir, log: Option<&Dir>) -> std::result::Result<(), String> {
        let fail = |e: std::io::Error| e.to_string();
        let segment = wal::file_name(0, 0);
        let (dir, below) = match log {
            Some(dir) => (dir, segment),
            None => (data, format!("member/wal/{segment}")),
        };
        let mut bytes = Vec::new();
        let file = dir.read(&below).map_err(|e| format!("cannot read its WAL: {e}"))?;
        file.take(LOG_BYTES as u64).read_to_end(&mut bytes).map_err(fail)?;
        let found = log_sha256(&bytes);
        if found != self.log_sha256 {
            return Err(match wal::parse(&[&bytes]) {
                Ok(log) => format!("it is member {} of cluster {}", Id(log.node_id), Id(log.cluster_id)),
                Err(e) => format!("its WAL is damaged: {e}"),
            });
        }
        let db = data.read("member/snap/db").map_err(|e| format!("cannot read its database: {e}"))?;
        let view = View::open(db).map_err(|e| format!("cannot open its database: {e}"))?;
        let members = members(&view).map_err(|e| e.to_string())?;
        if members != self.members {
            return Err(format!("its database has the members {}", ids(&members)));
        }
        let revision = datadir::last_revision(&view).map_err(|e| e.to_string())?;
        if revision != self.revision {
            return Err(format!("its database ends at revision {revision}, but the plan has {}", self.revision));
        }
        Ok(())
    }
}

fn ids(ids: &[Id]) -> String {
    match ids {
        [] => "empty".into(),
        some => some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// Reads the IDs in the bucket `members`, ascending.
pub(in crate::engine) fn members<R: crate::bbolt::ReadAt>(
    view: &View<R>,
) -> std::result::Result<Vec<Id>, crate::bbolt::Error> {
    let Some(bucket) = view.bucket(crate::etcd::schema::MEMBERS)? else { return Ok(Vec::new()) };
    let (mut rows, mut found) = (view.cursor(&bucket), Vec::new());
    while let Some(row) = rows.next()? {
        found.extend(crate::etcd::membership::Member::from_json(row.value).ok().map(|member| Id(member.id)));
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::members::build_plan;

    /// The report for m2 if everything is right.
    fn right(expected: &Expected) -> Restored {
        Restored {
            name: expected.name.clone(),
            member_id: expected.member_id,
            cluster_id: expected.cluster_id,
            data_dir: "/x".into(),
            revision: expected.revision,
            keys: expected.keys,
            bytes: 7,
            members: expected.members.clone(),
            source_sha256: expected.source_sha256.clone(),
            log_sha256: expected.log_sha256.clone(),
        }
    }

    #[test]
    fn every_field_of_a_report_is_compared() {
        let plan = build_plan::build(&build_plan::tests::draft()).unwrap().plan;
        let expected = Expected::from_plan(&plan, "m2").unwrap();
        assert_eq!((expected.member_id, expected.cluster_id), (plan.members[1].id, plan.cluster_id));
        assert_eq!(expected.differs(&right(&expected)), None);
        type Change = fn(&mut Restored);
        let changes: [Change; 9] = [
            |claim| claim.name = "m1".into(),
            |claim| claim.member_id = Id(1),
            |claim| claim.cluster_id = Id(2),
            |claim| claim.members.clear(),
            |claim| claim.members.reverse(),
            |claim| claim.revision = 1,
            |claim| claim.keys = 0,
            |claim| claim.source_sha256 = "00".repeat(32),
            |claim| claim.log_sha256.clear(),
        ];
        for change in changes {
            let mut claim = right(&expected);
            change(&mut claim);
            assert!(expected.differs(&claim).is_some(), "{claim:?}");
        }
        assert_eq!(Expected::from_plan(&plan, "m9").unwrap_err().kind, ErrorKind::Usage);
    }

    #[test]
    fn the_log_hash_includes_trailing_zeros() {
        let mut whole = vec![7; 100];
        let short = log_sha256(&whole);
        whole.resize(LOG_BYTES, 0);
        assert_eq!(log_sha256(&whole), short);
        whole[LOG_BYTES - 1] = 1;
        assert_ne!(log_sha256(&whole), short);
    }
}
