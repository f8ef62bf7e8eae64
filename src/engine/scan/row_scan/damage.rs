//! What is wrong with a scanned file: the damage that may be accepted, and the error for every other.

use super::{RowScan, ScanError};
use crate::{
    domain::model::observations::LimitedDamage,
    engine::source::Source,
    error::{Error, ErrorKind, Remedy},
    text::{
        Shown,
        number::{count, thousands},
    },
};

impl RowScan {
    /// Returns the last revision in the file: that of a row, or the compacted revision.
    pub(super) fn end(&self) -> i64 {
        self.last.main.max(self.compacted)
    }

    /// Returns the sentences of [`RowScan::limited`].
    pub fn damage_of_parts(&self) -> impl Iterator<Item = String> {
        self.limited.iter().map(|(_, why)| why.clone()).collect::<Vec<_>>().into_iter()
    }

    /// Returns the damage that may be accepted; `None` without damage, or if the file has other problems too.
    pub fn acceptable(&self, hashed: bool) -> Option<LimitedDamage> {
        let why = self.damage().filter(|_| !self.limited.is_empty() && self.findings.errors.is_empty())?;
        let parts = self.limited.iter().map(|(part, _)| *part).collect();
        Some(LimitedDamage { parts, revision: self.last.main, hashed, why })
    }

    /// Returns why the file must not be used as it is, in a sentence; `None` if nothing is wrong with it.
    pub fn damage(&self) -> Option<String> {
        let revision = thousands(self.last.main.unsigned_abs());
        let readable = |why: &str| {
            format!("{why}; what can be read is intact: revision {revision}, {}", count(self.keys, "key", "keys"))
        };
        let whys: Vec<&str> = self.limited.iter().map(|(_, why)| why.as_str()).collect();
        let limited = (!whys.is_empty()).then(|| match self.findings.errors.is_empty() {
            true => readable(&whys.join("; ")),
            false => whys.join("; "),
        });
        // What cannot be accepted goes first.
        let mut all = self.findings.errors.iter().cloned().chain(limited);
        let first = all.next()?;
        match all.count() {
            0 => Some(first),
            more => Some(format!("{first} (and {more} more)")),
        }
    }
}

/// Returns the hint for damage that can be accepted.
pub fn accept_hint(revision: i64) -> String {
    format!(
        "Use another snapshot if you have one; otherwise the state at revision {revision} can be restored, if you accept it."
    )
}

/// Returns the program that a bucket belongs to, for programs whose bbolt database may be mistaken for etcd's.
pub(super) fn foreign(bucket: &[u8]) -> Option<&'static str> {
    Some(match bucket {
        b"v1" => "containerd",
        b"logs" | b"conf" => "the raft log of Consul, Nomad or Vault",
        b"libnetwork" => "Docker's networks",
        b"bucketsv1" | b"organizationsv1" => "InfluxDB",
        _ => return None,
    })
}

impl ScanError {
    /// Converts it into an error that names the file.
    pub fn into_trouble(self, source: &Source) -> Error {
        match self {
            ScanError::Stopped(trouble) => trouble,
            ScanError::Foreign(why) => Error::new(ErrorKind::Input, format!("{}: not a snapshot", source.path.shown()))
                .why(why)
                .hint("Give the snapshot file, or member/snap/db of etcd's data directory."),
            ScanError::Limited { why, revision } => {
                Error::new(ErrorKind::Input, format!("{}: damaged", source.path.shown()))
                    .why(why)
                    .hint(accept_hint(revision))
                    .remedies(&[Remedy::AcceptDamage { revision }])
            }
            ScanError::Damaged(why) => {
                let trouble = Error::new(ErrorKind::Input, format!("{}: damaged", source.path.shown()));
                match source.altered() {
                    Some(found) => trouble.why(format!("{why}; it is {}", found.name)).hint(found.hint),
                    None => trouble
                        .why(why)
                        .hint("Use another snapshot; a copy of member/snap/db is consistent only if etcd was stopped."),
                }
            }
        }
    }
}
