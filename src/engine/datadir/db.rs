//! A quick look into a member's database: the few rows that say how far it got, without a walk over all of it.

use std::path::Path;

use crate::{
    bbolt::{self, Bucket, Part, ReadAt, View},
    domain::model::observations::{DamagedPart, FileFacts, Health, LimitedDamage},
    engine::source::Source,
    error::{Error, ErrorKind},
    etcd::{membership::Member, revision::RevisionKey, schema},
};

/// What a database says in its few rows of bookkeeping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Book {
    pub consistent_index: u64,
    pub term: Option<u64>,
    /// Of the last row, or of the compaction mark where that is later.
    pub revision: i64,
    pub cluster_version: String,
    pub storage_version: String,
    pub members: Vec<Member>,
    /// IDs of members that are gone, in hex.
    pub removed: Vec<String>,
}

/// Reads it; the file's health stays `Unread` where nothing was found wrong, and is `Limited` where the rows are not affected.
///
/// # Errors
/// Only when the file is there and may not be read.
pub(super) fn look(path: &Path) -> Result<(FileFacts, Option<Book>), Error> {
    let mut facts = FileFacts { path: path.into(), bytes: 0, modified: None, health: Health::Unread, content: None };
    let book = Source::open(path).and_then(|source| {
        (facts.bytes, facts.modified) = (source.bytes, source.modified);
        let view = source.view()?;
        let book = book(&view).map_err(|error| source.damaged(&error))?;
        facts.health = limited(&view, book.revision).map_or(Health::Unread, Health::Limited);
        Ok(book)
    });
    match book {
        Ok(book) => Ok((facts, Some(book))),
        Err(trouble) if trouble.kind == ErrorKind::Failed => Err(trouble),
        Err(trouble) => {
            let why = if trouble.why.is_empty() { trouble.what } else { trouble.why };
            facts.health = Health::Broken(why);
            Ok((facts, None))
        }
    }
}

/// Damage that leaves the rows readable, as far as the meta pages and the first page of the freelist tell; and
/// what an etcd would do on such a database.
fn limited<R: ReadAt>(view: &View<R>, revision: i64) -> Option<LimitedDamage> {
    let mut found = Vec::new();
    if let Some(Err(why)) = view.metas().iter().find(|meta| meta.is_err()) {
        found.push(match view.fell_back() {
            true if view.damaged_meta_agrees() => (
                DamagedPart::MetaPage,
                format!(
                    "the newer of its two meta pages is damaged ({why}): both name the same root, so an etcd would start from \
                     the same state with the other one"
                ),
            ),
            true => (
                DamagedPart::NewerMetaPage,
                format!(
                    "the newer of its two meta pages is damaged ({why}): an etcd would start from the state before the last \
                     transaction, and apply what its log holds after that"
                ),
            ),
            false => (
                DamagedPart::MetaPage,
                format!("a meta page is damaged ({why}): an etcd would start from the state that the other one has"),
            ),
        });
    }
    match free_list(view) {
        Some((why, true)) => found.push((
            DamagedPart::FreeList,
            format!(
                "its freelist is damaged ({why}): an etcd on it would stop with a panic, or write over pages in use; \
                 the list holds no data, and requorum snapshot status shows what can be restored from the file"
            ),
        )),
        Some((why, false)) => found.push((
            DamagedPart::LeakedPages,
            format!(
                "its freelist is damaged ({why}): an etcd starts on it; pages that are missing from the list are \
                 never used again"
            ),
        )),
        None => {}
    }
    let (parts, whys): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    (!parts.is_empty()).then(|| LimitedDamage { parts, revision, hashed: false, why: whys.join("; ") })
}

/// Databases that keep a freelist are rare, as etcd keeps none since 3.4. One that does and is no larger than this
/// is checked whole: only the trees tell whether a list is right.
const CHECKED_BYTES: u64 = 256 << 20;

/// What is wrong with the freelist, where one is kept, and whether an etcd would stop at it or do harm by it.
fn free_list<R: ReadAt>(view: &View<R>) -> Option<(bbolt::Error, bool)> {
    if !view.keeps_free_list() {
        return None;
    }
    let page = u64::from(view.page_size());
    match bbolt::check(view, &mut |done, _| done.saturating_mul(page) < CHECKED_BYTES) {
        // Damaged trees are for the full check to name.
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

/// The revision of the last row; 0 where there is none.
///
/// # Errors
/// When a page on the way there is broken.
pub fn last_revision<R: ReadAt>(view: &View<R>) -> Result<i64, bbolt::Error> {
    let Some(bucket) = view.bucket(schema::KEY)? else { return Ok(0) };
    Ok(view.last(&bucket)?.map_or(0, |(key, _)| main(&key)))
}

fn book<R: ReadAt>(view: &View<R>) -> Result<Book, bbolt::Error> {
    let mut book = Book::default();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let number = |bytes: Vec<u8>| bytes.first_chunk().map(|n| u64::from_be_bytes(*n));
    let get = |bucket: &Option<Bucket>, key: &[u8]| match bucket {
        Some(bucket) => view.get(bucket, key),
        None => Ok(None),
    };
    let meta = view.bucket(schema::META)?;
    book.consistent_index = get(&meta, schema::CONSISTENT_INDEX)?.and_then(number).unwrap_or_default();
    book.term = get(&meta, schema::TERM)?.and_then(number);
    book.storage_version = get(&meta, schema::STORAGE_VERSION)?.map(text).unwrap_or_default();
    let cluster = view.bucket(schema::CLUSTER)?;
    book.cluster_version = get(&cluster, schema::CLUSTER_VERSION)?.map(text).unwrap_or_default();
    let marks = [get(&meta, schema::SCHEDULED_COMPACT)?, get(&meta, schema::FINISHED_COMPACT)?];
    book.revision = marks.iter().flatten().map(|mark| main(mark)).fold(last_revision(view)?, i64::max);
    if let Some(bucket) = view.bucket(schema::MEMBERS)? {
        let mut rows = view.cursor(&bucket);
        while let Some(row) = rows.next()? {
            // One that does not decode is for the full check to name.
            book.members.extend(Member::from_json(row.value));
        }
    }
    if let Some(bucket) = view.bucket(schema::MEMBERS_REMOVED)? {
        let mut rows = view.cursor(&bucket);
        while let Some(row) = rows.next()? {
            book.removed.push(String::from_utf8_lossy(row.key).into_owned());
        }
    }
    Ok(book)
}
