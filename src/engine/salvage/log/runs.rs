//! Where the entries of a log are: runs of entries with consecutive indices and one term, in the order of their indices.

/// A place in a log: the segment, and the offset of a record in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The position of the segment among those of its log.
    pub segment: usize,
    /// The offset of the record's length field, in bytes.
    pub offset: u64,
}

/// Entries that follow each other in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Index of the first entry.
    pub first: u64,
    /// Index of the last entry.
    pub last: u64,
    /// Their term.
    pub term: u64,
    /// The log that they are read from, where several are merged.
    pub log: usize,
    /// Where the first entry's record is.
    pub place: Place,
}

/// The most runs of a log. A new term or a gap begins one; etcd's logs have some tens.
const MOST_RUNS: usize = 200_000;

/// The runs of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs {
    runs: Vec<Run>,
    /// Whether the next entry begins a run whatever it is.
    closed: bool,
    /// Entries that later ones took the place of.
    rewritten: u64,
}

impl Runs {
    /// Adds an entry that was read: it drops all earlier ones from its index on. Returns false if there are too many runs.
    pub fn push(&mut self, index: u64, term: u64, place: Place) -> bool {
        while let Some(last) = self.runs.last_mut() {
            if last.last < index {
                break;
            }
            self.closed = true;
            let from = last.first.max(index);
            self.rewritten = self.rewritten.saturating_add(last.last.saturating_sub(from)).saturating_add(1);
            if last.first < index {
                last.last = index.saturating_sub(1);
                break;
            }
            self.runs.pop();
        }
        match self.runs.last_mut() {
            Some(last) if !self.closed && last.term == term && last.last.checked_add(1) == Some(index) => {
                last.last = index;
            }
            _ => self.runs.push(Run { first: index, last: index, term, log: 0, place }),
        }
        self.closed = false;
        self.runs.len() <= MOST_RUNS
    }

    /// Makes the next entry begin a run, after damage.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// The runs, in the order of their indices.
    pub fn all(&self) -> &[Run] {
        &self.runs
    }

    /// How many entries later ones took the place of.
    pub fn rewritten(&self) -> u64 {
        self.rewritten
    }

    /// The last entry's term and index; zeros without one.
    pub fn last(&self) -> (u64, u64) {
        self.runs.last().map_or((0, 0), |run| (run.term, run.last))
    }

    /// The term of the entry with an index.
    pub fn term(&self, index: u64) -> Option<u64> {
        find(&self.runs, index).map(|run| run.term)
    }
}

/// Returns the run that holds an index.
pub fn find(runs: &[Run], index: u64) -> Option<&Run> {
    let after = runs.partition_point(|run| run.first <= index);
    runs.get(after.checked_sub(1)?).filter(|run| run.last >= index)
}

/// Returns the last index that is reached from `index` (which need not be there itself) without a gap.
pub fn reach(runs: &[Run], index: u64) -> u64 {
    let mut at = index;
    while let Some(run) = at.checked_add(1).and_then(|next| find(runs, next)) {
        at = run.last;
    }
    at
}

/// Returns the parts of runs whose indices are in `first..=last`. A part that does not begin where its run begins keeps the run's
/// place: reading skips to it.
pub fn slice(runs: &[Run], first: u64, last: u64) -> Vec<Run> {
    let from = runs.partition_point(|run| run.last < first);
    let inside = runs.get(from..).unwrap_or_default().iter().take_while(|run| run.first <= last);
    inside.map(|run| Run { first: run.first.max(first), last: run.last.min(last), ..*run }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// Whatever is appended, the runs are what is left when each entry drops those from its index on.
        #[test]
        fn later_entries_drop_earlier_ones(steps in prop::collection::vec((1u64..30, 1u64..4, any::<bool>()), 0..60)) {
            let (mut runs, mut map) = (Runs::default(), BTreeMap::new());
            let mut rewritten = 0;
            for (n, (index, term, close)) in steps.into_iter().enumerate() {
                if close {
                    runs.close();
                }
                let place = Place { segment: 0, offset: n as u64 };
                prop_assert!(runs.push(index, term, place));
                rewritten += map.split_off(&index).len() as u64;
                map.insert(index, term);
            }
            for index in 0..32 {
                prop_assert_eq!(runs.term(index), map.get(&index).copied());
                let mut last = index;
                while map.contains_key(&(last + 1)) {
                    last += 1;
                }
                prop_assert_eq!(reach(runs.all(), index), last);
            }
            prop_assert_eq!(runs.rewritten(), rewritten);
            prop_assert_eq!(runs.last().1, map.keys().last().copied().unwrap_or(0));
            let some: Vec<(u64, u64)> = slice(runs.all(), 5, 20).iter().flat_map(|run| (run.first..=run.last).map(|index| (index, run.term))).collect();
            prop_assert_eq!(some, map.range(5..=20).map(|(index, term)| (*index, *term)).collect::<Vec<_>>());
        }
    }
}
