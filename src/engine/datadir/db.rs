//! Reads the few rows of a member's database that show how far it reaches, without reading all of it.

use std::path::Path;

use crate::{
    bbolt::{self, Bucket, Part, ReadAt, View},
    domain::model::observations::{DamagedPart, FileFacts, Health, LimitedDamage},
    engine::source::Source,
    error::{Error, ErrorKind},
    etcd::{membership::Member, revision::RevisionKey, schema},
};

/// The state that a database records in a few rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct BackendState {
    pub consistent_index: u64,
    pub term: Option<u64>,
    /// Of the last row, or of the compaction if that is later.
    pub revision: i64,
    pub cluster_version: String,
    pub storage_version: String,
    pub members: Vec<Member>,
    /// IDs of removed members, in hex.
    pub removed: Vec<String>,
}

/// Reads the rows; the file's health stays `Unread` if no damage was found, and is `Limited` if the rows are not affected.
///
/// # Errors
/// Only if the file exists and cannot be read.
pub(super) fn read(path: &Path) -> Result<(FileFacts, Option<BackendState>), Error> {
    let mut facts = FileFacts { path: path.into(), bytes: 0, modified: None, health: Health::Unread, content: None };
    let backend = Source::open(path).and_then(|source| {
        (facts.bytes, facts.modified) = (source.bytes, source.modified);
        let view = source.view()?;
        let backend = backend(&view).map_err(|error| source.damaged(&error))?;
        facts.health = limited(&view, backend.revision).map_or(Health::Unread, Health::Limited);
        Ok(backend)
    });
    match backend {
        Ok(backend) => Ok((facts, Some(backend))),
        Err(trouble) if trouble.kind == ErrorKind::Failed => Err(trouble),
        Err(trouble) => {
            let why = if trouble.why.is_empty() { trouble.what } else { trouble.why };
            facts.health = Health::Broken(why);
            Ok((facts, None))
        }
    }
}

/// Returns damage that leaves the rows readable, as far as the meta pages and the freelist show it, with what etcd would do
/// on such a database.
fn limited<R: ReadAt>(view: &View<R>, revision: i64) -> Option<LimitedDamage> {
    let mut found = Vec::new();
    if let Some(Err(why)) = view.metas().iter().find(|meta| meta.is_err()) {
        found.push(match view.fell_back() {
            true if view.damaged_meta_agrees() => (
                DamagedPart::MetaPage,
                format!(
                    "the newer of its two meta pages is damaged ({why}): both have the same root page, so etcd would start \
                     from the same state with the other one"
                ),
            ),
            true => (
                DamagedPart::NewerMetaPage,
                format!(
                    "the newer of its two meta pages is damaged ({why}): etcd would start from the state before the last \
                     transaction, and apply the later entries of its WAL"
                ),
            ),
            false => (
                DamagedPart::MetaPage,
                format!("a meta page is damaged ({why}): etcd would start from the state of the other one"),
            ),
        });
    }
    match freelist_damage(view) {
        Some((why, true)) => found.push((
            DamagedPart::FreeList,
            format!(
                "its freelist is damaged ({why}): etcd would panic, or overwrite pages in use; the freelist contains no data, \
                 so the file may still be intact as a source"
            ),
        )),
        Some((why, false)) => found.push((
            DamagedPart::LeakedPages,
            format!(
                "its freelist is damaged ({why}): etcd starts on it; pages that are missing from the freelist are never \
                 used again"
            ),
        )),
        None => {}
    }
    let (parts, whys): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    (!parts.is_empty()).then(|| LimitedDamage { parts, revision, hashed: false, why: whys.join("; ") })
}

/// Databases with a freelist are rare, as etcd has written none since 3.4. One with a freelist that is not larger than this
/// is checked completely: only the trees show whether a freelist is right.
const CHECKED_BYTES: u64 = 256 << 20;

/// Returns what is wrong with the freelist, if there is one, and whether etcd would panic on it or overwrite pages in use.
fn freelist_damage<R: ReadAt>(view: &View<R>) -> Option<(bbolt::Error, bool)> {
    if !view.keeps_free_list() {
        return None;
    }
    let page = u64::from(view.page_size());
    match bbolt::check(view, &mut |done, _| done.saturating_mul(page) < CHECKED_BYTES) {
        // Damaged trees are reported by the full check.
        Ok(report) if report.in_trees == 0 => {
            let first = report.parts.iter().position(|part| *part == Part::FreeList);
            first.and_then(|first| report.problems.into_iter().nth(first)).map(|why| (why, report.list_harms))
        }
        _ => view.free_list().err().map(|why| (why, true)),
    }
}

fn main(bytes: &[u8]) -> i64 {
    RevisionKey::parse(bytes).map_or(0, |key| key.revision.main)
}

/// Returns the revision of the last row; 0 without rows.
///
/// # Errors
/// If a page on the path to it is damaged.
pub fn last_revision<R: ReadAt>(view: &View<R>) -> Result<i64, bbolt::Error> {
    let Some(bucket) = view.bucket(schema::KEY)? else { return Ok(0) };
    Ok(view.last(&bucket)?.map_or(0, |(key, _)| main(&key)))
}

fn backend<R: ReadAt>(view: &View<R>) -> Result<BackendState, bbolt::Error> {
    let mut backend = BackendState::default();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let number = |bytes: Vec<u8>| bytes.first_chunk().map(|n| u64::from_be_bytes(*n));
    let get = |bucket: &Option<Bucket>, key: &[u8]| match bucket {
        Some(bucket) => view.get(bucket, key),
        None => Ok(None),
    };
    let meta = view.bucket(schema::META)?;
    backend.consistent_index = get(&meta, schema::CONSISTENT_INDEX)?.and_then(number).unwrap_or_default();
    backend.term = get(&meta, schema::TERM)?.and_then(number);
    backend.storage_version = get(&meta, schema::STORAGE_VERSION)?.map(text).unwrap_or_default();
    let cluster = view.bucket(schema::CLUSTER)?;
    backend.cluster_version = get(&cluster, schema::CLUSTER_VERSION)?.map(text).unwrap_or_default();
    let marks = [get(&meta, schema::SCHEDULED_COMPACT)?, get(&meta, schema::FINISHED_COMPACT)?];
    backend.revision = marks.iter().flatten().map(|mark| main(mark)).fold(last_revision(view)?, i64::max);
    if let Some(bucket) = view.bucket(schema::MEMBERS)? {
        let mut rows = view.cursor(&bucket);
        while let Some(row) = rows.next()? {
            // One that does not decode is reported by the full check.
            backend.members.extend(Member::from_json(row.value));
        }
    }
    if let Some(bucket) = view.bucket(schema::MEMBERS_REMOVED)? {
        let mut rows = view.cursor(&bucket);
        while let Some(row) = rows.next()? {
            backend.removed.push(String::from_utf8_lossy(row.key).into_owned());
        }
    }
    Ok(backend)
}
