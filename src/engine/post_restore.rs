//! What a plan's snapshot predicts of the cluster that was started from it: the HashKV of its members, its other rows,
//! and the events that the data will cause.

use std::collections::BTreeSet;

use super::{
    progress::ProgressFn,
    scan::{
        hashkv::{After, hash_kv_after},
        stored_rows,
        summary::{Contents, contents},
    },
    source::Source,
};
use crate::{
    domain::model::{
        observations::{
            rows::{Part, RowKey, StoredRows},
            started::{Data, EncryptedObjects, Kubernetes, Lease, PlannedHash},
        },
        plan::Plan,
    },
    error::{Error, ErrorKind, Result},
    etcd::revision::Revision,
    text::Shown,
};

/// Computes HashKV at the plan's revision, of a member that was restored from the plan and later compacted at
/// `compacted`.
///
/// # Errors
/// If the snapshot cannot be read, is not the plan's, or is compacted beyond that revision.
pub fn planned_hash(plan: &Plan, compacted: i64, watch: &mut ProgressFn<'_>) -> Result<PlannedHash> {
    let source = Source::open(&plan.source.path)?;
    check_source(plan, &source.digest(watch)?.file_sha256)?;
    let main = plan.expected_revision();
    let bump = (plan.bump_revision > 0).then_some(Revision { main, sub: 0 });
    let hash = hash_kv_after(&source.view()?, main, After { bump, compacted }, watch)
        .map_err(|refused| refused.into_trouble(&plan.source.path))?;
    Ok(PlannedHash { hash: hash.hash, compacted: hash.compacted })
}

/// Reads the rows outside bucket `key` as the plan's restore writes them.
///
/// # Errors
/// If the snapshot cannot be read, or is not the plan's.
pub fn planned_rows(plan: &Plan, watch: &mut ProgressFn<'_>) -> Result<StoredRows> {
    let source = Source::open(&plan.source.path)?;
    check_source(plan, &source.digest(watch)?.file_sha256)?;
    let mut rows = stored_rows::read(&source.view()?)
        .map_err(|why| {
            Error::new(ErrorKind::Input, format!("{}: cannot read its rows", plan.source.path.shown())).why(why)
        })?
        .rows;
    if plan.options.disable_auth {
        rows.insert(RowKey::AuthEnabled, stored_rows::enabled_in_words(false).into());
    }
    if plan.options.clear_alarms {
        rows.retain(|row, _| row.part() != Part::Alarms);
    }
    // the restore sets the other parts itself
    let parts = Part::ALL.into_iter().filter(|part| !matches!(part, Part::Members | Part::Versions | Part::Compaction));
    let parts: BTreeSet<Part> = parts.collect();
    rows.retain(|row, _| parts.contains(&row.part()));
    Ok(StoredRows { rows, parts, ..StoredRows::default() })
}

/// Reads what the restored data will cause: leases that expire, Kubernetes objects, clients.
///
/// # Errors
/// If the snapshot cannot be read, or is not the plan's.
pub fn data(plan: &Plan, watch: &mut ProgressFn<'_>) -> Result<Data> {
    let source = Source::open(&plan.source.path)?;
    let contents = contents(&source, 1, watch)?;
    check_source(plan, &contents.sha256)?;
    Ok(to_observations(contents))
}

fn check_source(plan: &Plan, sha256: &str) -> Result<()> {
    if sha256 == plan.source.sha256 {
        return Ok(());
    }
    let what = format!("{}: not the file that the plan was made from", plan.source.path.shown());
    Err(Error::new(ErrorKind::Input, what)
        .why(format!("the plan pins SHA-256 {}, the file has {sha256}", plan.source.sha256)))
}

fn to_observations(contents: Contents) -> Data {
    let lease = |lease: super::scan::summary::LeaseIn| Lease {
        id: lease.id,
        seconds: if lease.remaining_ttl > 0 { lease.remaining_ttl } else { lease.ttl },
        keys: lease.keys,
        first_keys: lease.first_keys,
    };
    let clients = contents.clients.clone();
    let kubernetes = contents.kubernetes.map(|found| Kubernetes {
        prefix: found.prefixes.first().cloned().unwrap_or_default(),
        service_accounts: found.kinds.get("serviceaccounts").copied().unwrap_or_default(),
        nodes: found.nodes,
        api_servers: found.api_servers,
        sealed: found
            .encrypted
            .into_iter()
            .map(|sealed| EncryptedObjects {
                provider: sealed.provider,
                version: sealed.version,
                key: sealed.key,
                objects: sealed.objects,
                kinds: sealed.kinds.into_iter().collect(),
            })
            .collect(),
    });
    let leases = contents.leases.into_iter().filter(|lease| lease.keys > 0 && !lease.missing).map(lease);
    Data { leases: leases.collect(), kubernetes, clients }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::{
        domain::{members::build_plan, model::options::Options},
        engine::{
            install,
            progress::Flow,
            restore,
            scan::{examine, hashkv::hash_kv},
        },
        etcd::version::Minor,
    };

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snapshots").join(name)
    }

    fn plan(snapshot: &Path, bump: u64) -> Plan {
        let facts = examine::examine(snapshot, &mut |_| Flow::Go).unwrap();
        let mut draft = build_plan::tests::draft();
        draft.source = Some(facts);
        (draft.bump_revision, draft.mark_compacted) = (bump, bump > 0);
        build_plan::build(&draft).unwrap().plan
    }

    /// The hash that is computed from the snapshot is that of the restored directory, and of that directory once it is
    /// compacted further.
    #[test]
    fn the_snapshot_predicts_the_restored_hash() {
        let dir = tempfile::tempdir().unwrap();
        for (n, (name, bump)) in [("s35.db", 0), ("s35.db", 1000), ("3.4.23-small.db", 7)].into_iter().enumerate() {
            let snapshot = fixture(name);
            let plan = plan(&snapshot, bump);
            let table = plan.members.iter().map(|m| (m.name.as_str(), m.peer_urls.as_slice()));
            let genesis = crate::engine::restore::initial_log::InitialLog::new(table, &plan.token);
            let data_dir = dir.path().join(n.to_string());
            let job = restore::RestoreSpec {
                source: &snapshot,
                pinned_sha256: None,
                skip_hash_check: false,
                genesis: &genesis,
                name: &plan.members[0].name,
                data_dir: &data_dir,
                wal_dir: None,
                target: Minor::V3_5,
                bump_revision: bump,
                options: &Options::default(),
            };
            install::restore(&job, &mut |_| Flow::Go).unwrap();
            let made = Source::open_any(&data_dir, &mut |_| Flow::Go).unwrap();
            let view = made.view().unwrap();
            let found = hash_kv(&view, 0, &mut |_| Flow::Go).unwrap();
            assert_eq!(found.revision, plan.expected_revision());
            let planned = planned_hash(&plan, -1, &mut |_| Flow::Go).unwrap();
            assert_eq!((planned.hash, planned.compacted), (found.hash, found.compacted), "{name} + {bump}");
            let later = After { bump: None, compacted: found.revision };
            let compacted = hash_kv_after(&view, 0, later, &mut |_| Flow::Go).unwrap();
            let planned = planned_hash(&plan, found.revision, &mut |_| Flow::Go).unwrap();
            assert_eq!((planned.hash, planned.compacted), (compacted.hash, found.revision), "{name} + {bump}");
        }
    }

    #[test]
    fn another_file_under_the_same_name_is_refused() {
        let mut plan = plan(&fixture("3.4.23-small.db"), 0);
        plan.source.path = fixture("3.5.16-lease.db");
        for refused in
            [planned_hash(&plan, -1, &mut |_| Flow::Go).map(|_| ()), data(&plan, &mut |_| Flow::Go).map(|_| ())]
        {
            assert!(refused.unwrap_err().kind == ErrorKind::Input);
        }
    }

    #[test]
    fn leases_come_with_their_keys() {
        let plan = plan(&fixture("3.5.16-lease.db"), 0);
        let data = data(&plan, &mut |_| Flow::Go).unwrap();
        assert!(!data.leases.is_empty() && data.kubernetes.is_none());
        assert!(data.leases.iter().all(|l| l.keys > 0 && l.seconds > 0 && !l.first_keys.is_empty()), "{data:?}");
    }
}
