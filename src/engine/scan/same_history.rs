//! Whether two databases have the same history, by a sample of rows, for a list of many files; [`super::diff`] reads
//! all.
//!
//! A revision has the same rows in every database of one history; other clusters have other keys, values and leases at
//! it. So rows are compared at revisions spread over the range that both must contain, and at the last one in
//! particular.

use super::hashkv::{Refused, RevisionRange};
use crate::{
    bbolt::{Bucket, Cursor, ReadAt, View},
    domain::sources::data_loss::History,
    etcd::{
        revision::{Revision, RevisionKey},
        schema,
    },
};

/// The number of sampled revisions, each below and above the compacted revision.
const PLACES: i128 = 16;

/// Compares a few rows of two databases.
///
/// Above both compacted revisions each contains every row up to its end, so there they must contain the same ones. At
/// or below, either may lack a row; a row that is in both must be equal.
///
/// # Errors
/// If a page cannot be read or a row is not a revision; with the file, 0 or 1.
pub fn compare_histories<R: ReadAt>(views: [&View<R>; 2]) -> Result<History, (usize, Refused)> {
    let at = |file: usize| move |e: Refused| (file, e);
    let reach = [RevisionRange::read(views[0]).map_err(at(0))?, RevisionRange::read(views[1]).map_err(at(1))?];
    let until = reach[0].revision.min(reach[1].revision);
    let full = reach[0].compacted.max(reach[1].compacted);
    let bucket = |file: usize, view: &View<R>| view.bucket(schema::KEY).map_err(|e| (file, e.into()));
    let [(Some(left), first), (Some(right), second)] =
        [(bucket(0, views[0])?, views[0]), (bucket(1, views[1])?, views[1])]
    else {
        return Ok(History::Unknown);
    };
    let (left, right) = ((0, first, left), (1, second, right));
    let mut rows = 0u64;
    for place in samples(full, until) {
        // from either side, to find rows that only one has
        for ((from, view, bucket), (to, other, same)) in [(&left, &right), (&right, &left)] {
            let Some((key, value)) = first_from(view, bucket, place).map_err(at(*from))? else { continue };
            let revision = RevisionKey::parse(&key).map_or(0, |key| key.revision.main);
            if revision > until {
                continue;
            }
            match other.get(same, &key).map_err(|e| (*to, e.into()))? {
                Some(theirs) if theirs == value => rows = rows.saturating_add(1),
                None if revision <= full => {}
                _ => return Ok(History::Parts { at: revision }),
            }
        }
    }
    Ok(if rows == 0 { History::Unknown } else { History::Same { rows, until } })
}

/// Returns revisions spread over all up to `until` and again over those above `full`, including the last one.
fn samples(full: i64, until: i64) -> Vec<i64> {
    let spread = |from: i64| {
        // 64-bit numbers in 128 bits: nothing can overflow.
        let (from, until) = (i128::from(from), i128::from(until));
        let width = until.saturating_sub(from);
        (1..=PLACES).map(move |n| from.saturating_add(width.saturating_mul(n) / PLACES))
    };
    let below = spread(0);
    let above = Some(full).filter(|full| *full > 0 && *full < until).map(spread);
    let mut all: Vec<i64> = below.chain(above.into_iter().flatten()).filter_map(|n| i64::try_from(n).ok()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

type Owned = (Vec<u8>, Vec<u8>);

/// Returns the first row at or after a revision.
fn first_from<R: ReadAt>(view: &View<R>, bucket: &Bucket, revision: i64) -> Result<Option<Owned>, Refused> {
    let mut cursor: Cursor<'_, R> = view.cursor(bucket);
    cursor.seek(&Revision { main: revision, sub: 0 }.to_bytes())?;
    let Some(row) = cursor.next()? else { return Ok(None) };
    if RevisionKey::parse(row.key).is_none() {
        return Err(Refused::Damaged(format!("bucket key: {} is not a revision", row.key.escape_ascii())));
    }
    Ok(Some((row.key.to_vec(), row.value.to_vec())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::{progress::Flow, scan::diff::compare, source::Source};

    fn fixtures() -> Vec<Source> {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/snapshots");
        let mut paths: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths.iter().filter(|p| p.extension().is_some_and(|x| x == "db")).map(|p| Source::open(p).unwrap()).collect()
    }

    /// On pairs of fixtures the sample agrees with the whole comparison: on each with itself, and on a fifth of the others.
    #[test]
    fn a_sample_agrees_with_the_whole_comparison() {
        let (sources, mut same, mut parts) = (fixtures(), 0, 0);
        for (i, a) in sources.iter().enumerate() {
            for b in sources.iter().enumerate().filter(|(j, _)| i == *j || (i + 2 * j) % 5 == 0).map(|(_, b)| b) {
                let (a, b) = (a.view().unwrap(), b.view().unwrap());
                let whole = compare([&a, &b], b"", &|_| String::new(), &mut |_| Flow::Go, &mut |_| {}).unwrap().history;
                match compare_histories([&a, &b]).unwrap() {
                    History::Same { until, .. } => {
                        assert!(matches!(whole, History::Same { until: u, .. } if u == until), "{whole:?}");
                        same += 1;
                    }
                    History::Parts { .. } => {
                        assert!(matches!(whole, History::Parts { .. }), "{whole:?}");
                        parts += 1;
                    }
                    History::Unknown => {}
                }
            }
        }
        assert!(same >= sources.len() - 4 && parts > 40, "{same} {parts} of {}", sources.len());
    }

    #[test]
    fn positions_end_at_the_last_revision() {
        for (full, until) in [(-1, 1), (0, 5), (80, 84), (84_000, 84_211), (7, 7), (9, 5), (5, i64::MAX)] {
            let samples = samples(full, until);
            assert_eq!(samples.last(), Some(&until), "{full} {until}");
            assert!(samples.iter().all(|p| (0..=until).contains(p)) && samples.len() <= 32);
        }
    }
}
