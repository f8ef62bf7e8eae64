//! The comparison of two files: whether they share a history, and which keys differ.
//!
//! Whether they share a history is decided by their rows: at a revision that both still contain, the same history has
//! the same rows. Two clusters with the same keys do not.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    hashkv::{Refused, RevisionRange},
    keys::{Wanted, alive},
};
pub use crate::domain::sources::data_loss::History;
use crate::engine::{
    progress::{Phase, Progress, ProgressFn},
    source::step,
};
use crate::{
    bbolt::{Bucket, Cursor, ReadAt, Row, View},
    etcd::{
        proto::KeyValueRef,
        revision::{Revision, RevisionKey},
        schema,
    },
};

/// How a key differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Only the second file has it.
    Added,
    /// Both have it, with another value, lease or revision.
    Changed,
    /// Only the first file has it.
    Deleted,
}

/// How many keys differ, and by how many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Sums {
    /// Only in the second.
    pub added: u64,
    /// In both, but different.
    pub changed: u64,
    /// Only in the first.
    pub deleted: u64,
    /// In both and equal.
    pub equal: u64,
}

/// One key that differs.
#[derive(Debug)]
pub struct Differs<'a> {
    /// The kind of difference.
    pub change: Change,
    /// The row in the first file.
    pub before: Option<KeyValueRef<'a>>,
    /// The row in the second file.
    pub after: Option<KeyValueRef<'a>>,
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// The first file's revision and compaction.
    pub first: RevisionRange,
    /// The second file's.
    pub second: RevisionRange,
    /// Whether both have the same history.
    pub history: History,
    /// All keys.
    pub keys: Sums,
    /// By prefix.
    pub prefixes: BTreeMap<String, Sums>,
}

/// Compares the newest states of two databases under `prefix`; `each` is called for every key that differs, in the
/// order of the keys. `group` returns the prefix under which a key is counted.
///
/// # Errors
/// See [`Refused`], with the file: 0 for the first and 1 for the second.
pub fn compare<R: ReadAt>(
    views: [&View<R>; 2],
    prefix: &[u8],
    group: &dyn Fn(&[u8]) -> String,
    watch: &mut ProgressFn<'_>,
    each: &mut dyn FnMut(&Differs<'_>),
) -> Result<Compared, (usize, Refused)> {
    let [first, second] = views;
    let watch: &mut ProgressFn<'_> = &mut |step| watch(Progress { phase: Phase::Compare, ..step });
    let wanted = Wanted { prefix: prefix.into(), revision: 0 };
    let reach = [at(0, RevisionRange::read(first))?, at(1, RevisionRange::read(second))?];
    let mut found = Compared {
        first: reach[0],
        second: reach[1],
        history: history(views, reach, watch)?,
        keys: Sums::default(),
        prefixes: BTreeMap::new(),
    };
    let buckets = [at(0, first.bucket(schema::KEY))?, at(1, second.bucket(schema::KEY))?];
    let row = |file: usize, revision: Option<Revision>| -> Result<Option<Vec<u8>>, (usize, Refused)> {
        match (revision, buckets.get(file), views.get(file)) {
            (Some(revision), Some(Some(bucket)), Some(view)) => at(file, view.get(bucket, &revision.to_bytes())),
            _ => Ok(None),
        }
    };
    let lists = [alive(first, &wanted, watch).map_err(|e| (0, e))?, alive(second, &wanted, watch).map_err(|e| (1, e))?];
    let [before, after] = lists;
    let mut pairs = Merge { left: before.into_iter().peekable(), right: after.into_iter().peekable() };
    while let Some((key, left, right)) = pairs.next() {
        let rows = [row(0, left)?, row(1, right)?];
        let [before, after] = [&rows[0], &rows[1]].map(|row| row.as_deref().and_then(KeyValueRef::parse));
        let sums = found.prefixes.entry(group(&key)).or_default();
        let change = match (&before, &after) {
            (Some(a), Some(b)) if a == b => {
                sums.equal = sums.equal.saturating_add(1);
                found.keys.equal = found.keys.equal.saturating_add(1);
                continue;
            }
            (Some(_), Some(_)) => Change::Changed,
            (Some(_), None) => Change::Deleted,
            _ => Change::Added,
        };
        for sums in [sums, &mut found.keys] {
            let count = match change {
                Change::Added => &mut sums.added,
                Change::Changed => &mut sums.changed,
                Change::Deleted => &mut sums.deleted,
            };
            *count = count.saturating_add(1);
        }
        each(&Differs { change, before, after });
    }
    Ok(found)
}

fn at<T, E: Into<Refused>>(file: usize, result: Result<T, E>) -> Result<T, (usize, Refused)> {
    result.map_err(|e| (file, e.into()))
}

/// A key with its row in the first and in the second file.
type Pair = (Box<[u8]>, Option<Revision>, Option<Revision>);

/// Merges two sorted maps, key by key.
struct Merge<I: Iterator> {
    left: std::iter::Peekable<I>,
    right: std::iter::Peekable<I>,
}

impl<I: Iterator<Item = (Box<[u8]>, Revision)>> Merge<I> {
    fn next(&mut self) -> Option<Pair> {
        let order = match (self.left.peek(), self.right.peek()) {
            (Some((a, _)), Some((b, _))) => a.cmp(b),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return None,
        };
        let left = if order.is_le() { self.left.next() } else { None };
        let right = if order.is_ge() { self.right.next() } else { None };
        match (left, right) {
            (Some((key, a)), b) => Some((key, Some(a), b.map(|(_, b)| b))),
            (None, Some((key, b))) => Some((key, None, Some(b))),
            (None, None) => None,
        }
    }
}

/// Compares the histories. Above both compacted revisions both files contain every row, so they must be equal row by
/// row up to the end of the shorter one. At or below, either may lack a row, but a row that is in both must be equal.
fn history<R: ReadAt>(
    views: [&View<R>; 2],
    reach: [RevisionRange; 2],
    watch: &mut ProgressFn<'_>,
) -> Result<History, (usize, Refused)> {
    let [a, b] = reach;
    let (full, until) = (a.compacted.max(b.compacted), a.revision.min(b.revision));
    let buckets = [at(0, views[0].bucket(schema::KEY))?, at(1, views[1].bucket(schema::KEY))?];
    let [Some(left), Some(right)] = buckets else { return Ok(History::Unknown) };
    let (mut left, mut right) = (Rows::new(views[0], &left), Rows::new(views[1], &right));
    at(0, left.step())?;
    at(1, right.step())?;
    let (mut rows, mut seen, mut read, total) = (0u64, 0u64, 0u64, views[0].used_bytes());
    loop {
        seen = seen.wrapping_add(1);
        read = read.saturating_add(left.key.len().saturating_add(left.value.len()) as u64);
        if seen.is_multiple_of(1 << 14) {
            step(watch, Phase::Compare, read.min(total), total).map_err(|e| (0, Refused::Stopped(e)))?;
        }
        let heads = (left.at.filter(|at| at.main <= until), right.at.filter(|at| at.main <= until));
        let (parts, order) = match heads {
            (None, None) => break,
            (Some(l), Some(r)) => ((l != r).then(|| l.min(r)), l.cmp(&r)),
            (Some(l), None) => (Some(l), std::cmp::Ordering::Less),
            (None, Some(r)) => (Some(r), std::cmp::Ordering::Greater),
        };
        match parts {
            Some(at) if at.main > full => return Ok(History::Parts { at: at.main }),
            None if left.key != right.key || left.value != right.value => {
                return Ok(History::Parts { at: heads.0.map_or(0, |at| at.main) });
            }
            None => rows = rows.saturating_add(1),
            Some(_) => {}
        }
        if order.is_le() {
            at(0, left.step())?;
        }
        if order.is_ge() {
            at(1, right.step())?;
        }
    }
    Ok(if rows == 0 { History::Unknown } else { History::Same { rows, until } })
}

/// The current row of a scan, copied, since two scans advance in turn.
struct Rows<'v, R> {
    cursor: Cursor<'v, R>,
    at: Option<Revision>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl<'v, R: ReadAt> Rows<'v, R> {
    fn new(view: &'v View<R>, bucket: &Bucket) -> Self {
        Rows { cursor: view.cursor(bucket), at: None, key: Vec::new(), value: Vec::new() }
    }

    fn step(&mut self) -> Result<(), Refused> {
        self.at = None;
        if let Some(Row { key, value, .. }) = self.cursor.next()? {
            let bad = || Refused::Damaged(format!("bucket key: cannot decode row {}", key.escape_ascii()));
            self.at = Some(RevisionKey::parse(key).ok_or_else(bad)?.revision);
            key.clone_into(&mut self.key);
            value.clone_into(&mut self.value);
        }
        Ok(())
    }
}
