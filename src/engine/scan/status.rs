//! `snapshot status`: etcdutl's figures for a file and our own, in etcdutl's formats.
//!
//! etcdutl up to 3.5 counts the rows of all buckets as keys, 3.6 and later the live keys; for the same file one prints
//! 15 and the other 4. Both are given. etcdutl does not check the SHA-256 trailer here; requorum does, and a wrong one
//! makes the status an error after it was printed.
//!
//! Source: etcd `etcdutl/etcdutl/printer*.go`, and `dustin/go-humanize` for sizes.

use std::path::Path;

use serde::Serialize;

pub use super::summary::Trailer;
use super::{row_scan::accept_hint, summary::nature, walker::scan};
use crate::{
    engine::{
        progress::ProgressFn,
        source::{LEFTOVER, Source},
    },
    text::table,
};
use crate::{
    error::{Error, ErrorKind, Remedy, Result},
    text::{Shown, size::size},
};

/// The status of one file. The first five fields are etcdutl 3.6's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// CRC-32C over all buckets.
    pub hash: u32,
    /// The last revision.
    pub revision: i64,
    /// Live keys.
    pub total_key: u64,
    /// Bytes of the pages in use.
    pub total_size: u64,
    /// The storage version, written by 3.6 and later.
    pub version: String,
    /// Rows of all buckets: what etcdutl up to 3.5 gives as keys.
    pub total_row: u64,
    /// The file's own length.
    pub file_size: u64,
    /// SHA-256 of the whole file.
    pub sha256: String,
    /// Whether the trailer matches.
    pub trailer: Trailer,
    /// Why the trailer is not `ok`, in a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub trailer_problem: String,
    /// What the file is, in a sentence.
    pub kind: String,
    /// What is wrong with the file although its figures could be read: one damaged meta page, lost rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// What is unusual, but not damage.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The revision at which the file can be restored although a meta page or the freelist is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acceptable_revision: Option<i64>,
    /// The length of the snapshot with its trailer, if other bytes follow it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_bytes: Option<u64>,
    /// What the rows prove.
    pub proven: Vec<String>,
    /// What they cannot prove.
    pub unproven: Vec<String>,
}

/// Reads all of `path`: pages, rows and trailer. The snapshot in a data directory or an archive is found in it.
///
/// # Errors
/// If it is not a snapshot, or cannot be read to the end. Other problems are in the result: a missing or wrong trailer,
/// one damaged meta page, lost rows.
pub fn status(path: &Path, watch: &mut ProgressFn<'_>) -> Result<Status> {
    status_of(&Source::open_any(path, watch)?, watch)
}

/// As [`status`], for an opened file.
///
/// # Errors
/// As there.
pub fn status_of(source: &Source, watch: &mut ProgressFn<'_>) -> Result<Status> {
    let view = source.view()?;
    let (digest, walk) = scan(source, false, watch)?;
    let walk = walk.map_err(|halt| halt.into_trouble(source))?;
    let acceptable = walk.acceptable(false).map(|damage| damage.revision);
    let mut problems: Vec<String> = walk.damage_of_parts().collect();
    problems.extend(walk.findings.errors);
    let mut warnings = walk.findings.warnings;
    warnings.extend(source.hole.map(|hole| hole.words(source)));
    let (trailer, mut trailer_problem) = (Trailer::from_digest(&digest), digest.verified().err().unwrap_or_default());
    if trailer == Trailer::Missing && source.is_part() {
        problems.push(LEFTOVER.into());
        trailer_problem.clear();
    }
    Ok(Status {
        kind: nature(source, &view, &digest),
        hash: walk.hash,
        revision: walk.last.main,
        total_key: walk.keys,
        total_size: view.used_bytes(),
        version: walk.content.storage_version,
        total_row: walk.rows,
        file_size: source.given_bytes(),
        sha256: digest.file_sha256,
        trailer,
        trailer_problem,
        problems,
        warnings,
        acceptable_revision: acceptable,
        snapshot_bytes: (digest.snapshot_bytes < digest.hashed).then_some(digest.snapshot_bytes),
        proven: walk.findings.proven,
        unproven: walk.findings.unproven,
    })
}

impl Status {
    /// Renders etcdutl 3.6's line.
    pub fn simple(&self) -> String {
        let size = size(self.total_size);
        format!("{:x}, {}, {}, {size}, {}\n", self.hash, self.revision, self.total_key, self.version)
    }

    /// Renders one JSON object: etcdutl 3.6's fields, followed by ours.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// Renders `"Name" : value` lines, etcdutl 3.6's first.
    pub fn fields(&self) -> String {
        let trailer = serde_json::to_value(self.trailer).unwrap_or_default();
        format!(
            "\"Hash\" : {}\n\"Revision\" : {}\n\"Keys\" : {}\n\"Size\" : {}\n\"Version\" : {}\n\
             \"Rows\" : {}\n\"FileSize\" : {}\n\"SHA256\" : {}\n\"Trailer\" : {}\n",
            self.hash,
            self.revision,
            self.total_key,
            self.total_size,
            self.version,
            self.total_row,
            self.file_size,
            self.sha256,
            trailer.as_str().unwrap_or_default(),
        )
    }

    /// Renders etcdutl 3.6's table, with the 3.5 count and the trailer as two more columns.
    pub fn table(&self) -> String {
        let head = ["HASH", "REVISION", "TOTAL KEYS", "TOTAL SIZE", "VERSION", "ROWS (3.5 KEYS)", "SHA-256"];
        let trailer = match self.trailer {
            Trailer::Ok => "ok",
            Trailer::Missing => "missing",
            Trailer::Wrong => "WRONG",
        };
        let row = [
            format!("{:x}", self.hash),
            self.revision.to_string(),
            self.total_key.to_string(),
            size(self.total_size),
            self.version.clone(),
            self.total_row.to_string(),
            trailer.to_string(),
        ];
        table::table(&head, &[row.to_vec()])
    }
}

impl Status {
    /// Returns an error that names the file if it must not be used.
    ///
    /// # Errors
    /// For a wrong trailer, one damaged meta page, and lost or changed rows.
    pub fn verdict(&self, path: &Path) -> Result<()> {
        let path = path.shown();
        let trouble = |what: &str, why: &str| {
            let error = Error::new(ErrorKind::Input, format!("{path}: {what}")).why(why);
            match self.acceptable_revision {
                Some(revision) if self.trailer != Trailer::Wrong => {
                    error.hint(accept_hint(revision)).remedies(&[Remedy::AcceptDamage { revision }])
                }
                _ => error.hint("Make another copy of it, or use another snapshot."),
            }
        };
        match (self.problems.as_slice(), self.trailer) {
            ([], Trailer::Wrong) => Err(trouble("verification failed", &self.trailer_problem)),
            ([], _) => Ok(()),
            ([first, rest @ ..], trailer) => {
                let trailer = (trailer == Trailer::Wrong).then_some(&self.trailer_problem);
                let more: String = rest.iter().chain(trailer).map(|why| format!("\n  also: {why}")).collect();
                Err(trouble("damaged", &format!("{first}{more}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Status {
        Status {
            hash: 0x94a1_3e62,
            revision: 8,
            total_key: 4,
            total_size: 20480,
            version: String::new(),
            total_row: 15,
            file_size: 20512,
            sha256: "ab".into(),
            trailer: Trailer::Ok,
            trailer_problem: String::new(),
            kind: String::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            acceptable_revision: None,
            snapshot_bytes: None,
            proven: Vec::new(),
            unproven: Vec::new(),
        }
    }

    #[test]
    fn lines_are_etcdutls() {
        assert_eq!(sample().simple(), "94a13e62, 8, 4, 20 kB, \n");
        assert!(sample().json().starts_with(
            r#"{"hash":2493595234,"revision":8,"totalKey":4,"totalSize":20480,"version":"","totalRow":15,"#
        ));
        assert!(
            sample().fields().starts_with("\"Hash\" : 2493595234\n\"Revision\" : 8\n\"Keys\" : 4\n\"Size\" : 20480\n")
        );
        assert!(sample().table().contains("| 94a13e62 |        8 |          4 |      20 kB |         |"));
    }
}
