//! How much space a restored member needs, and the message where there is less. One formula for the preflight of a host,
//! the restore itself and the shell of a manual restore, so that none of them promises what another refuses.

use std::path::Path;

use crate::{
    domain::model::plan::Plan,
    error::{Error, ErrorKind, Fault, Result},
    raft::wal,
    text::{Shown, number::count},
};

/// Allowance for what is small compared to a database or a log: directories, the `.snap` file, pages that an edit adds.
const SLACK: u64 = 1 << 20;

/// The bytes that a restored member needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needed {
    /// In its data directory, without the log.
    pub data: u64,
    /// For the log, in the WAL directory where there is one, else in the data directory, too.
    pub wal: u64,
}

impl Needed {
    /// Returns what a database of `bytes` needs. A compacted one leaves a tenth of each page free for later changes.
    pub fn new(bytes: u64, compact: bool) -> Needed {
        let database = if compact { bytes.saturating_add(bytes / 8) } else { bytes };
        Needed { data: database.saturating_add(SLACK), wal: wal::SEGMENT_BYTES + SLACK }
    }

    /// Returns what a member of the plan needs at most: how much of the snapshot is free pages is known only once it is read.
    pub fn of_plan(plan: &Plan) -> Needed {
        Needed::new(plan.source.bytes, plan.options.compact)
    }

    /// Returns what both need where they share a filesystem.
    pub fn total(self) -> u64 {
        self.data.saturating_add(self.wal)
    }
}

/// Compares what `path` needs with what is free there.
///
/// # Errors
/// `Failed` with [`Fault::NoSpace`] where less is free.
pub fn check(path: &Path, free: u64, needed: u64) -> Result<()> {
    if needed <= free {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Failed, format!("not enough space for {}", path.shown()))
        .fault(Fault::NoSpace)
        .why(shortage(free, needed, " there"))
        .hint("Free some space, or choose a directory on another filesystem."))
}

/// `1 byte is free there, 65,048,576 are needed`; `place` is put after `free`.
pub fn shortage(free: u64, needed: u64, place: &str) -> String {
    format!("{} free{place}, {} needed", count(free, "byte is", "bytes are"), count(needed, "is", "are"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_member_needs_its_database_and_a_log() {
        for (bytes, compact, data) in [
            (0, false, SLACK),
            (0, true, SLACK),
            (20_480, false, 20_480 + SLACK),
            (8_000_000, true, 9_000_000 + SLACK),
            (u64::MAX, false, u64::MAX),
            (u64::MAX, true, u64::MAX),
        ] {
            let needed = Needed::new(bytes, compact);
            assert_eq!(needed, Needed { data, wal: wal::SEGMENT_BYTES + SLACK }, "{bytes} {compact}");
        }
        assert_eq!(Needed::new(20_480, false).total(), 20_480 + wal::SEGMENT_BYTES + 2 * SLACK);
    }

    #[test]
    fn only_what_does_not_fit_is_refused() {
        let path = Path::new("/var/lib/etcd");
        for (free, needed, fits) in [(0, 0, true), (5, 5, true), (4, 5, false), (u64::MAX, u64::MAX, true)] {
            assert_eq!(check(path, free, needed).is_ok(), fits, "{free} {needed}");
        }
        let error = check(path, 1, 2000).unwrap_err();
        assert_eq!((error.kind, error.fault), (ErrorKind::Failed, Some(Fault::NoSpace)));
        assert_eq!(error.why, "1 byte is free there, 2,000 are needed");
    }

    proptest! {
        /// What the preflight lets pass, the restore does not refuse.
        #[test]
        fn live_pages_need_no_more_than_the_file(live in any::<u64>(), free in any::<u64>(), compact in any::<bool>()) {
            let (read, planned) = (Needed::new(live, compact), Needed::new(live.saturating_add(free), compact));
            prop_assert!(read.data <= planned.data && read.wal <= planned.wal && read.total() <= planned.total());
        }
    }
}
