//! A quick look into a member's database: the few rows that say how far it got, without a walk over all of it.

use std::path::Path;

use crate::{
    bolt::{self, Bucket, ReadAt, View},
    engine::source::Source,
    etcd::{membership::Member, revision::RevisionKey, schema},
    plan::facts::{FileFacts, Health},
    trouble::{Kind, Trouble},
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

/// Reads it; the file's health stays `Unread` where nothing was found wrong.
///
/// # Errors
/// Only when the file is there and may not be read.
pub(super) fn look(path: &Path) -> Result<(FileFacts, Option<Book>), Trouble> {
    let mut facts = FileFacts { path: path.into(), bytes: 0, modified: None, health: Health::Unread, content: None };
    let book = Source::open(path).and_then(|source| {
        (facts.bytes, facts.modified) = (source.bytes, source.modified);
        let view = source.view()?;
        book(&view).map_err(|error| source.damaged(&error))
    });
    match book {
        Ok(book) => Ok((facts, Some(book))),
        Err(trouble) if trouble.kind == Kind::Failed => Err(trouble),
        Err(trouble) => {
            let why = if trouble.why.is_empty() { trouble.what } else { trouble.why };
            facts.health = Health::Broken(why);
            Ok((facts, None))
        }
    }
}

fn main(bytes: &[u8]) -> i64 {
    RevisionKey::parse(bytes).map_or(0, |key| key.revision.main)
}

/// The revision of the last row; 0 where there is none.
///
/// # Errors
/// When a page on the way there is broken.
pub fn last_revision<R: ReadAt>(view: &View<R>) -> Result<i64, bolt::Error> {
    let Some(bucket) = view.bucket(schema::KEY)? else { return Ok(0) };
    Ok(view.last(&bucket)?.map_or(0, |(key, _)| main(&key)))
}

fn book<R: ReadAt>(view: &View<R>) -> Result<Book, bolt::Error> {
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
