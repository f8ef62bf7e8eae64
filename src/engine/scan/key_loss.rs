//! The data loss of choosing the older of two readable files instead of the newer: the number of keys by kind.

use std::{collections::BTreeMap, path::Path};

use super::{
    diff::{Change, Compared, Differs, compare},
    kubernetes,
    summary::prefix_of,
};
use crate::{domain::sources::data_loss::Difference, error::Result};
use crate::{
    engine::{progress::ProgressFn, source::Source},
    text::value::shown,
};

/// Keys that differ, counted by kind during a comparison.
#[derive(Debug, Default)]
pub struct Tally {
    /// Only in the first, only in the second.
    only: [BTreeMap<String, u64>; 2],
    changed: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts one key.
    pub fn add(&mut self, differs: &Differs<'_>) {
        let (key, value) = differs.before.or(differs.after).map(|kv| (kv.key, kv.value)).unwrap_or_default();
        let kind = kubernetes::kind_of(key, value).unwrap_or_else(|| shown(prefix_of(key, 1)));
        let [first, second] = &mut self.only;
        let counts = match differs.change {
            Change::Deleted => first,
            Change::Added => second,
            Change::Changed => &mut self.changed,
        };
        let count = counts.entry(kind).or_default();
        *count = count.saturating_add(1);
    }

    /// Returns what the older file lacks, and true if the second file is the newer one.
    pub fn finish(self, compared: &Compared, modified: [Option<i64>; 2]) -> (Difference, bool) {
        let forwards = compared.second.revision >= compared.first.revision;
        let [first, second] = self.only;
        let (mut lost, back) = if forwards { (second, first) } else { (first, second) };
        for (kind, count) in self.changed {
            let sum = lost.entry(kind).or_default();
            *sum = sum.saturating_add(count);
        }
        let [a, b] = if forwards { modified } else { [modified[1], modified[0]] };
        let (older, newer) = match forwards {
            true => (compared.first.revision, compared.second.revision),
            false => (compared.second.revision, compared.first.revision),
        };
        let difference = Difference {
            history: compared.history,
            newer,
            older,
            seconds: a.zip(b).and_then(|(a, b)| u64::try_from(b.saturating_sub(a)).ok()),
            lost,
            back: back.values().sum(),
        };
        (difference, forwards)
    }
}

/// Compares all keys of two files, databases or data directories. The second value is true if `second` is the newer.
///
/// # Errors
/// If one cannot be read; the error names it. `Stopped` if `watch` requests it.
pub fn difference(first: &Path, second: &Path, watch: &mut ProgressFn<'_>) -> Result<(Difference, bool)> {
    let sources = [Source::open_any(first, watch)?, Source::open_any(second, watch)?];
    let views = [sources[0].view()?, sources[1].view()?];
    let mut tally = Tally::default();
    let group = |_: &[u8]| String::new();
    let compared = compare([&views[0], &views[1]], b"", &group, watch, &mut |differs| tally.add(differs))
        .map_err(|(file, refused)| refused.into_trouble(if file == 0 { first } else { second }))?;
    Ok(tally.finish(&compared, [sources[0].modified, sources[1].modified]))
}
