//! Reads only the members of a snapshot: a few rows of a file that may have gigabytes.

use std::path::Path;

use crate::engine::source::Source;
use crate::{
    domain::model::observations::KnownMember,
    error::Result,
    etcd::{
        membership::{Id, Member},
        schema,
    },
    text::Foreign,
};

/// The most rows that are read; no cluster has more members.
const MOST: usize = 1000;

/// Reads the bucket `members`; a row that cannot be decoded is left out, the full check reports it.
///
/// # Errors
/// If `path` cannot be read, is not a database, or the pages that lead to those rows are damaged.
pub fn read(path: &Path) -> Result<Vec<KnownMember>> {
    let source = Source::open(path)?;
    let view = source.view()?;
    let broken = |e| source.damaged(&e);
    let Some(bucket) = view.bucket(schema::MEMBERS).map_err(broken)? else { return Ok(Vec::new()) };
    let (mut rows, mut out) = (view.cursor(&bucket), Vec::new());
    while let Some(row) = rows.next().map_err(broken)?.filter(|_| out.len() < MOST) {
        if let Ok(m) = Member::from_json(row.value) {
            out.push(KnownMember {
                id: Id(m.id),
                name: m.name.into(),
                peer_urls: m.peer_urls.into_iter().map(Foreign::from).collect(),
                client_urls: m.client_urls.into_iter().map(Foreign::from).collect(),
                is_learner: m.is_learner,
            });
        }
    }
    Ok(out)
}

/// Reads the IDs of members that were removed from the cluster.
///
/// # Errors
/// As [`read`].
pub fn removed(path: &Path) -> Result<Vec<Id>> {
    let source = Source::open(path)?;
    let view = source.view()?;
    let broken = |e| source.damaged(&e);
    let Some(bucket) = view.bucket(schema::MEMBERS_REMOVED).map_err(broken)? else { return Ok(Vec::new()) };
    let (mut rows, mut out) = (view.cursor(&bucket), Vec::new());
    while let Some(row) = rows.next().map_err(broken)?.filter(|_| out.len() < MOST) {
        out.extend(std::str::from_utf8(row.key).ok().and_then(|id| id.parse::<Id>().ok()));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::engine::scan::examine;

    #[test]
    fn the_same_members_as_a_full_reading() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snapshots");
        for name in ["s35.db", "3.4.23-removed.db", "3.7.1-small.db"] {
            let path = dir.join(name);
            let full = examine::examine(&path, &mut |_| crate::engine::progress::Flow::Go).unwrap();
            let full = full.content.unwrap();
            assert!(!full.members.is_empty());
            assert_eq!(read(&path).unwrap(), full.members, "{name}");
            assert_eq!(removed(&path).unwrap(), full.removed, "{name}");
            assert_eq!(full.removed.is_empty(), !name.contains("removed"), "{name}");
        }
        assert!(read(Path::new("/nowhere")).is_err());
    }
}
