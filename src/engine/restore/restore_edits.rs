//! The changes of a restore to the database, as a list of rows: applied to the file, and again to the source's rows
//! when the result is verified.
//!
//! Without options they are those of `etcdutl snapshot restore`: the members, and the raft position. Sources: etcd
//! `etcdutl/snapshot/v3_snapshot.go`, `server/storage/schema/{auth,cluster, alarm}.go`,
//! `server/etcdserver/version/downgrade.go`.

use std::collections::BTreeMap;

use super::initial_log::TERM;
use crate::{
    bbolt::{self, Edit, ReadAt, View, WriteAt},
    domain::model::options::Options,
    etcd::{
        membership::Id,
        revision::Revision,
        schema::{
            ALARM, AUTH, AUTH_ENABLED, AUTH_REVISION, CLUSTER, CLUSTER_VERSION, CONSISTENT_INDEX, DOWNGRADE, KEY,
            MEMBERS, MEMBERS_REMOVED, META, SCHEDULED_COMPACT, STORAGE_VERSION, TERM as TERM_ROW,
        },
        version::Minor,
    },
};

use super::initial_log::InitialLog;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Create the bucket if it does not exist.
    Create(&'static [u8]),
    /// Delete all rows of the bucket.
    Clear(&'static [u8]),
    /// Set a row.
    Put(&'static [u8], Vec<u8>, Vec<u8>),
    /// Delete a row if it exists.
    Delete(&'static [u8], &'static [u8]),
}

/// All rows of a bucket.
pub type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// Returns the changes to the database of `view`.
///
/// Without the reset of the consistent index the server would drop every write until its new log had grown past the old
/// index.
///
/// # Errors
/// If a row that the changes depend on cannot be read.
pub fn changes<R: ReadAt>(
    view: &View<R>,
    genesis: &InitialLog,
    options: &Options,
    target: Minor,
    bump: Option<Revision>,
) -> Result<Vec<Change>, bbolt::Error> {
    let mut out: Vec<Change> = [MEMBERS, MEMBERS_REMOVED, CLUSTER, META].map(Change::Create).into();
    out.extend([Change::Clear(MEMBERS), Change::Clear(MEMBERS_REMOVED)]);
    for member in &genesis.members {
        out.push(Change::Put(MEMBERS, Id(member.id).to_string().into_bytes(), member.to_json().into_bytes()));
    }
    if let Some(revision) = bump {
        out.push(Change::Create(KEY));
        out.push(Change::Put(KEY, revision.to_bytes().into(), Vec::new()));
        out.push(put(META, SCHEDULED_COMPACT, &revision.to_bytes()));
    }
    out.push(put(META, CONSISTENT_INDEX, &genesis.index().to_be_bytes()));
    out.push(put(META, TERM_ROW, &TERM.to_be_bytes()));

    let row = |bucket: &[u8], key: &[u8]| match view.bucket(bucket)? {
        Some(bucket) => view.get(&bucket, key),
        None => Ok(None),
    };
    if options.clear_alarms && view.bucket(ALARM)?.is_some() {
        out.push(Change::Clear(ALARM));
    }
    if options.finish_downgrade && row(CLUSTER, DOWNGRADE)?.is_some() {
        out.push(put(CLUSTER, DOWNGRADE, br#"{"target-version":"","enabled":false}"#));
    }
    if options.disable_auth && row(AUTH, AUTH_ENABLED)?.is_some_and(|value| value == [1]) {
        let before = row(AUTH, AUTH_REVISION)?.and_then(|value| Some(u64::from_be_bytes(value.try_into().ok()?)));
        out.push(put(AUTH, AUTH_ENABLED, &[0]));
        // Every change of authentication increments it, so that earlier tokens are rejected.
        out.push(put(AUTH, AUTH_REVISION, &before.unwrap_or(1).wrapping_add(1).to_be_bytes()));
    }
    if options.set_version {
        let version = format!("{target}.0");
        out.push(put(CLUSTER, CLUSTER_VERSION, version.as_bytes()));
        // 3.5 does not know the row; if it stayed, it would block a later upgrade.
        out.push(match target < Minor::V3_6 {
            true => Change::Delete(META, STORAGE_VERSION),
            false => put(META, STORAGE_VERSION, version.as_bytes()),
        });
    }
    Ok(out)
}

fn put(bucket: &'static [u8], key: &[u8], value: &[u8]) -> Change {
    Change::Put(bucket, key.into(), value.into())
}

/// Applies the changes to a file atomically.
///
/// # Errors
/// If it cannot be read or written.
pub fn apply<F: ReadAt + WriteAt>(changes: &[Change], file: F) -> Result<(), bbolt::Error> {
    let mut edit = Edit::begin(file)?;
    for change in changes {
        match change {
            Change::Create(bucket) => edit.create_bucket(bucket)?,
            Change::Clear(bucket) => edit.clear_bucket(bucket)?,
            Change::Put(bucket, key, value) => edit.put(bucket, key, value)?,
            Change::Delete(bucket, key) => {
                edit.delete(bucket, key)?;
            }
        }
    }
    edit.commit()
}

impl Change {
    /// Returns the bucket that it changes.
    pub fn bucket(&self) -> &'static [u8] {
        match self {
            Change::Create(bucket) | Change::Clear(bucket) | Change::Put(bucket, ..) | Change::Delete(bucket, _) => {
                bucket
            }
        }
    }
}

/// Returns the rows of `bucket` after the changes, given those before.
pub fn expected(changes: &[Change], bucket: &[u8], mut rows: Rows) -> Rows {
    for change in changes.iter().filter(|change| change.bucket() == bucket) {
        match change {
            Change::Create(_) => {}
            Change::Clear(_) => rows.clear(),
            Change::Put(_, key, value) => {
                rows.insert(key.clone(), value.clone());
            }
            Change::Delete(_, key) => {
                rows.remove(*key);
            }
        }
    }
    rows
}

/// Reads all rows of a bucket; none if it does not exist.
///
/// # Errors
/// If a page is damaged or cannot be read.
pub fn rows<R: ReadAt>(view: &View<R>, bucket: &[u8]) -> Result<Rows, bbolt::Error> {
    let mut out = Rows::new();
    let Some(bucket) = view.bucket(bucket)? else { return Ok(out) };
    let mut cursor = view.cursor(&bucket);
    while let Some(row) = cursor.next()? {
        out.insert(row.key.to_vec(), row.value.to_vec());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{bbolt::Build, engine::durable_fs::Disk};

    #[test]
    fn each_option_changes_its_rows_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let file = Disk::default().create(&dir.path().join("db"), 0o600).unwrap();
        let mut build = Build::begin(file, 4096).unwrap();
        let rows: [(&[u8], &[u8], &[u8]); 6] = [
            (ALARM, b"\x08\x01\x10\x01", b""),
            (AUTH, AUTH_ENABLED, &[1]),
            (AUTH, AUTH_REVISION, &7u64.to_be_bytes()),
            (CLUSTER, CLUSTER_VERSION, b"3.7.0"),
            (CLUSTER, DOWNGRADE, br#"{"target-version":"3.6.0","enabled":true}"#),
            (META, STORAGE_VERSION, b"3.7.0"),
        ];
        let mut last: &[u8] = b"";
        for (bucket, key, value) in rows {
            if bucket != last {
                build.bucket(bucket).unwrap();
                last = bucket;
            }
            build.put(key, value).unwrap();
        }
        let view = View::open(build.finish(3).unwrap()).unwrap();
        let genesis = InitialLog::new([("m1", &["http://a:1".to_string()][..])], "t");
        let plain = changes(&view, &genesis, &Options::default(), Minor::V3_6, None).unwrap();
        assert!(plain.iter().all(|c| ![ALARM, AUTH].contains(&c.bucket())));
        let more = |options: Options, target| {
            let all = changes(&view, &genesis, &options, target, None).unwrap();
            all.into_iter().filter(|c| !plain.contains(c)).collect::<Vec<_>>()
        };
        assert_eq!(more(Options { clear_alarms: true, ..Options::default() }, Minor::V3_5), [Change::Clear(ALARM)]);
        assert_eq!(
            more(Options { disable_auth: true, ..Options::default() }, Minor::V3_5),
            [put(AUTH, AUTH_ENABLED, &[0]), put(AUTH, AUTH_REVISION, &8u64.to_be_bytes())]
        );
        assert_eq!(
            more(Options { set_version: true, ..Options::default() }, Minor::V3_6),
            [put(CLUSTER, CLUSTER_VERSION, b"3.6.0"), put(META, STORAGE_VERSION, b"3.6.0")]
        );
        assert_eq!(
            more(Options { set_version: true, ..Options::default() }, Minor::V3_5),
            [put(CLUSTER, CLUSTER_VERSION, b"3.5.0"), Change::Delete(META, STORAGE_VERSION)]
        );
        assert_eq!(
            more(Options { finish_downgrade: true, ..Options::default() }, Minor::V3_5),
            [put(CLUSTER, DOWNGRADE, br#"{"target-version":"","enabled":false}"#)]
        );
    }
}
