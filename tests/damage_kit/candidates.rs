//! What a file tells about rows that are gone, though every page of it reads: rules over meaning and over the pages
//! that nothing refers to. They back the judge's statement that a missed loss could have been seen.

use std::collections::BTreeMap;

use requorum::etcd::{proto::KeyValueRef, revision::RevisionKey, schema};

use super::{oracle::Rows, u16_at, u32_at, u64_at};

/// The first rule that finds something, by name.
pub fn suspect(body: &[u8], rows: &Rows) -> Option<String> {
    buckets(rows).or_else(|| forms(rows)).or_else(|| revisions(rows)).or_else(|| orphans(body, rows))
}

/// etcd makes all of its buckets when it first opens a database.
fn buckets(rows: &Rows) -> Option<String> {
    let missing = schema::ALL.iter().find(|name| !rows.contains_key(**name))?;
    Some(format!("buckets: {} is missing", missing.escape_ascii()))
}

/// Each bucket's rows have a form of their own.
fn forms(rows: &Rows) -> Option<String> {
    for (bucket, rows) in rows {
        for (key, value) in rows {
            let fits = match &**bucket {
                schema::LEASE => key.len() == 8 && value.first() == Some(&8),
                schema::AUTH => key == b"authEnabled" || key == b"authRevision",
                schema::AUTH_USERS | schema::AUTH_ROLES => value.starts_with(&[10]) && value[2..].starts_with(key),
                schema::MEMBERS => value.starts_with(b"{\"id\":"),
                schema::MEMBERS_REMOVED => value == b"removed",
                schema::CLUSTER => key == b"clusterVersion" || key == b"downgrade",
                schema::META => {
                    let known = ["consistent_index", "term", "confState", "storageVersion"];
                    known.iter().any(|k| k.as_bytes() == key) || key.ends_with(b"CompactRev")
                }
                _ => true,
            };
            if !fits {
                return Some(format!("forms: a row of {} is none", bucket.escape_ascii()));
            }
        }
    }
    let (key, meta) = (rows.get(schema::KEY)?, rows.get(schema::META)?);
    (!key.is_empty() && !meta.contains_key(schema::CONSISTENT_INDEX)).then(|| "forms: no consistent index".into())
}

/// Behind the last compaction every revision has its row, and a key's history is without gaps.
fn revisions(rows: &Rows) -> Option<String> {
    let meta = rows.get(schema::META);
    let mark = |name| meta.and_then(|meta| meta.get(name)).and_then(|key| RevisionKey::parse(key));
    let marks = [schema::SCHEDULED_COMPACT, schema::FINISHED_COMPACT].map(mark);
    let compacted = marks.into_iter().flatten().map(|mark| mark.revision.main).max();
    let mut last = compacted.unwrap_or(1);
    let mut sub = 0;
    let mut keys: BTreeMap<&[u8], (i64, i64)> = BTreeMap::new();
    for (key, value) in rows.get(schema::KEY)? {
        let (at, kv) = (RevisionKey::parse(key)?, KeyValueRef::parse(value)?);
        let main = at.revision.main;
        if kv.key.is_empty() {
            // A revision that was bumped is marked as compacted up to there.
            if compacted.is_none_or(|compacted| main > compacted) {
                return Some(format!("revisions: the row of {main} is empty"));
            }
            continue;
        }
        if !at.tombstone && kv.mod_revision != main {
            return Some(format!("revisions: {main} calls itself {}", kv.mod_revision));
        }
        if main > compacted.unwrap_or(1) {
            let next = if main == last { sub + 1 } else { 0 };
            if main > last + 1 || at.revision.sub != next {
                return Some(format!("revisions: a gap before {main}.{}", at.revision.sub));
            }
            (last, sub) = (main, at.revision.sub);
        }
        let (created, version) = keys.get(kv.key).copied().unwrap_or((0, 0));
        if at.tombstone {
            keys.insert(kv.key, (0, 0));
        } else {
            let known = version > 0 || kv.create_revision > compacted.unwrap_or(1);
            let fits = if version == 0 {
                kv.version == 1 && kv.create_revision == main
            } else {
                kv.version == version + 1 && kv.create_revision == created
            };
            if known && !fits {
                return Some(format!("revisions: the history of a key does not lead to {main}"));
            }
            keys.insert(kv.key, (kv.create_revision, kv.version));
        }
    }
    None
}

/// A leaf that nothing refers to, with revisions beyond the last: a free page only ever holds what was before.
fn orphans(body: &[u8], rows: &Rows) -> Option<String> {
    let last =
        rows.get(schema::KEY).and_then(|rows| rows.last_key_value()).and_then(|(key, _)| RevisionKey::parse(key));
    let last = last.map(|last| last.revision);
    let page_size = u32_at(body, 24) as usize;
    if !page_size.is_power_of_two() || page_size < 512 {
        return None;
    }
    for (id, page) in body.chunks_exact(page_size).enumerate().skip(2) {
        if u64_at(page, 0) != id as u64 || u16_at(page, 8) != 2 {
            continue;
        }
        for n in 0..usize::from(u16_at(page, 10)).min(page_size / 16 - 1) {
            let element = 16 + 16 * n;
            let from = element + u32_at(page, element + 4) as usize;
            let key = page.get(from..from + u32_at(page, element + 8).min(64) as usize);
            if let Some(at) = key.and_then(RevisionKey::parse)
                && last.is_none_or(|last| at.revision > last)
            {
                return Some(format!(
                    "orphans: page {id} holds revision {}, the last one in use is {last:?}",
                    at.revision.main
                ));
            }
        }
    }
    None
}
