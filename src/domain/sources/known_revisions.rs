//! What is known of the revisions that an old cluster issued, collected from everything that was seen: the snapshot,
//! other files of the same cluster, survivors' answers, data directories.

use std::collections::BTreeSet;

use super::revision_bump::{Known, Point};
use crate::{
    domain::model::{
        observations::{
            Answer, Content, EndpointFacts, FileFacts, Health,
            disk::{DataDirState, DirFacts, DirState, Held},
        },
        revisions::{self, KnownRevision, Revisions},
    },
    etcd::membership::Id,
    text::Shown,
};

/// Everything that was seen of the old cluster, for the snapshot `source`; none for a file that was not read.
pub fn known(
    source: &FileFacts,
    files: &[FileFacts],
    answers: &[EndpointFacts],
    dirs: &[DirFacts],
    now: i64,
) -> Option<Known> {
    let content = source.content.as_ref()?;
    let name = |file: &FileFacts| file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let point = |file: &FileFacts| {
        let revision = file.content.as_ref()?.revision;
        Some(Point { revision, at: file.modified, from: name(file) })
    };
    // Only states of the same cluster count: its members have the same IDs.
    let whole = |file: &&FileFacts| {
        let other = file.content.as_ref().is_some_and(|c| shares(content, c.members.iter().map(|m| m.id)));
        file.path != source.path && matches!(file.health, Health::Verified | Health::Unhashed) && other
    };
    let mut others: Vec<Point> = files.iter().filter(whole).filter_map(point).collect();
    let mut clusters: BTreeSet<Id> = BTreeSet::new();
    for facts in answers {
        let Answer::Says(says) = &facts.answer else { continue };
        clusters.insert(says.cluster_id);
        let own = says.members.iter().find(|m| m.id == says.member_id).map(|m| m.name.as_str());
        let from = own.filter(|name| !name.is_empty()).unwrap_or(&facts.endpoint).to_string();
        others.push(Point { revision: says.revision, at: None, from });
    }
    let ours: Vec<(&DirFacts, &DataDirState)> = dirs
        .iter()
        .filter_map(|dir| Some((dir, dir.state.says()?)))
        .filter(|(_, s)| clusters.contains(&s.cluster_id) || shares(content, s.members.iter().map(|m| m.id)))
        .collect();
    others.extend(ours.iter().filter(|(_, says)| says.database.path != source.path).map(|(dir, says)| Point {
        revision: says.revision,
        at: says.written,
        from: dir.data_dir.shown().to_string(),
    }));
    Some(Known {
        clients: revisions::clients(content),
        past: revisions::past(content),
        complete: complete(content.revision, &ours),
        snapshot: point(source)?,
        others,
        writes_ended: None,
        now,
    })
}

fn shares(content: &Content, ids: impl Iterator<Item = Id>) -> bool {
    let ids: BTreeSet<Id> = ids.collect();
    content.members.iter().any(|m| ids.contains(&m.id))
}

/// Whether no write after `revision` can have been acknowledged.
///
/// An acknowledged write is in the logs of a majority. So it is enough to know as many logs as meet every majority, each of
/// a directory that no process writes, that ends where its database does and brings nothing beyond `revision`. A member
/// that answers does not count: its log may end after what it reports as committed. A directory that began empty does not
/// either: it no longer has what its member acknowledged.
fn complete(revision: i64, dirs: &[(&DirFacts, &DataDirState)]) -> bool {
    let newest = dirs.iter().max_by_key(|(_, says)| (says.last_term, says.last_index));
    let Some((_, newest)) = newest else { return false };
    let voters: BTreeSet<Id> = newest.members.iter().filter(|m| !m.is_learner).map(|m| m.id).collect();
    let known: BTreeSet<Id> = dirs
        .iter()
        .filter(|(dir, says)| {
            let still = matches!(dir.state, DirState::Whole(_)) && dir.held == Held::No && says.torn.is_none();
            let ended = says.last_index > 0 && says.last_index == says.consistent_index && says.received_db.is_none();
            let begun_anew = says.last_term <= 1 || says.revision <= 1;
            let same = says.cluster_id == newest.cluster_id;
            still && ended && !begun_anew && same && says.revision <= revision
        })
        .map(|(_, says)| says.member_id)
        .filter(|id| voters.contains(id))
        .collect();
    !voters.is_empty() && known.len() >= voters.len() - voters.len() / 2
}

/// Returns the part that a plan keeps; the clients are read from the snapshot when it is made.
pub fn revisions(known: &Known) -> Revisions {
    let newest = known.newest().map(|point| KnownRevision { revision: point.revision, from: point.from.clone() });
    Revisions { newest, complete: known.complete, ..Revisions::default() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::model::observations::{KnownMember, MemberStatus};

    const CLUSTER: Id = Id(0xc1);

    fn members(count: u64) -> Vec<KnownMember> {
        (1..=count).map(|n| KnownMember { id: Id(n), name: format!("m{n}").into(), ..KnownMember::default() }).collect()
    }

    fn file(path: &str, revision: i64, ids: &[KnownMember]) -> FileFacts {
        let content = Content { revision, members: ids.to_vec(), kubernetes: true, ..Content::default() };
        FileFacts { path: path.into(), bytes: 1, modified: Some(5), health: Health::Verified, content: Some(content) }
    }

    fn dir(n: u64, of: u64, revision: i64, beyond: u64) -> DirFacts {
        let database = file(&format!("/d{n}/member/snap/db"), revision, &[]);
        let says = DataDirState {
            cluster_id: CLUSTER,
            member_id: Id(n),
            term: 4,
            vote: Id(0),
            commit: 90,
            first_index: 1,
            last_index: 90 + beyond,
            last_term: 4,
            torn: None,
            snap_index: 0,
            consistent_index: 90,
            consistent_term: Some(4),
            writes_beyond: None,
            revision,
            database,
            received_db: None,
            members: members(of),
            v2_keys: 0,
            etcd: None,
            written: Some(7),
            warnings: Vec::new(),
        };
        let state = DirState::Whole(Box::new(says));
        DirFacts {
            data_dir: format!("/d{n}").into(),
            wal_dir: None,
            learned_from: String::new(),
            held: Held::No,
            state,
        }
    }

    fn with(mut dir: DirFacts, change: impl FnOnce(&mut DataDirState)) -> DirFacts {
        if let DirState::Whole(says) = &mut dir.state {
            change(says);
        }
        dir
    }

    #[test]
    fn nothing_newer_needs_every_majority_known() {
        let held = |dir: DirFacts| DirFacts { held: Held::By { pid: Some(1), program: "etcd".into() }, ..dir };
        for (what, dirs, wanted) in [
            ("no directory", vec![], false),
            ("one of one", vec![dir(1, 1, 40, 0)], true),
            ("one of three", vec![dir(1, 3, 40, 0)], false),
            ("two of three", vec![dir(1, 3, 40, 0), dir(2, 3, 38, 0)], true),
            ("the same twice", vec![dir(1, 3, 40, 0), dir(1, 3, 38, 0)], false),
            ("two of four", vec![dir(1, 4, 40, 0), dir(2, 4, 40, 0)], true),
            ("two of five", vec![dir(1, 5, 40, 0), dir(2, 5, 40, 0)], false),
            ("a log that goes on", vec![dir(1, 3, 40, 0), dir(2, 3, 38, 1)], false),
            ("a database that is newer", vec![dir(1, 3, 40, 0), dir(2, 3, 41, 0)], false),
            ("an etcd that runs", vec![dir(1, 3, 40, 0), held(dir(2, 3, 40, 0))], false),
            (
                "begun anew",
                vec![dir(1, 3, 40, 0), with(dir(2, 3, 1, 0), |s| (s.last_term, s.revision) = (1, 1))],
                false,
            ),
            ("another cluster's", vec![dir(1, 3, 40, 0), with(dir(2, 3, 40, 0), |s| s.cluster_id = Id(9))], false),
            ("a torn log", vec![dir(1, 3, 40, 0), with(dir(2, 3, 40, 0), |s| s.torn = Some("at 7".into()))], false),
            ("a learner", vec![with(dir(1, 2, 40, 0), |s| s.members[1].is_learner = true)], true),
        ] {
            let found = known(&file("/a.db", 40, &members(5)), &[], &[], &dirs, 9).unwrap();
            assert_eq!(found.complete, wanted, "{what}");
        }
    }

    #[test]
    fn the_newest_state_is_of_the_same_cluster() {
        let strangers = vec![KnownMember { id: Id(77), ..KnownMember::default() }];
        let files = [file("/b.db", 60, &members(3)), file("/strange.db", 900, &strangers)];
        let says = |n: u64, revision| {
            let says = MemberStatus {
                cluster_id: CLUSTER,
                member_id: Id(n),
                revision,
                members: members(3),
                ..MemberStatus::default()
            };
            EndpointFacts { endpoint: format!("http://m{n}:2379"), answer: Answer::Says(Box::new(says)) }
        };
        let newest = |files: &[FileFacts], answers: &[EndpointFacts], dirs: &[DirFacts]| {
            let found = known(&file("/a.db", 40, &members(3)), files, answers, dirs, 9).unwrap();
            revisions(&found).newest.map(|known| (known.from, known.revision))
        };
        assert_eq!(newest(&[], &[], &[]), None);
        assert_eq!(newest(&files, &[], &[]), Some(("b.db".into(), 60)));
        assert_eq!(newest(&files, &[says(2, 70), says(3, 65)], &[]), Some(("m2".into(), 70)));
        assert_eq!(newest(&[], &[], &[dir(2, 3, 80, 0)]), Some(("/d2".into(), 80)));
        assert_eq!(newest(&[], &[says(2, 40)], &[dir(2, 3, 38, 0)]), None);
        let elsewhere = with(dir(2, 3, 800, 0), |s| (s.cluster_id, s.members) = (Id(9), strangers.clone()));
        assert_eq!(newest(&[], &[], std::slice::from_ref(&elsewhere)), None);
    }
}
