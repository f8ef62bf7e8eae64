//! Whether a journal may be taken for one of ours: by its name, its place and who owns it.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{
    engine::{
        durable_fs::{self, Disk, Trusted, Untrusted},
        install::{staging, staging_recovery::PREFIX},
    },
    error::{Error, ErrorKind},
    text::Shown,
};

/// Returns whether a file of this name is one that requorum keeps where others may write.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()))
}

/// Returns whether a file of this name is a journal: its content decides what is done, and no other user's file is
/// written to.
pub(super) fn is_journal(path: &Path) -> bool {
    is_hidden(path) || path.extension().is_some_and(|end| end == "journal")
}

/// Returns where a journal really is: the operator's own link is followed, another user's is not. A host's journal is
/// no link.
pub(super) fn journal_path(path: &Path) -> io::Result<PathBuf> {
    if is_hidden(path) { Ok(path.into()) } else { durable_fs::real(path) }
}

/// Returns who else may own an operator's journal: the user who called sudo, and whoever may change its plan or, if it
/// is not next to its plan, the directory that was named for it. A host's journal must be this user's own.
pub(super) fn owners(path: &Path) -> Vec<u32> {
    if is_hidden(path) {
        return Vec::new();
    }
    let meta = |path: &Path| fs::symlink_metadata(path).ok();
    let plan = meta(&path.with_extension("")).filter(fs::Metadata::is_file);
    let of = plan.or_else(|| meta(staging::parent(path)).filter(|dir| dir.mode() & 0o022 == 0));
    let sudo = rustix::process::geteuid().is_root().then(|| std::env::var("SUDO_UID").ok()?.parse().ok()).flatten();
    of.map(|meta| meta.uid()).into_iter().chain(sudo).collect()
}

/// Returns why a journal may contain another user's text; `None` if it cannot.
pub fn strange_journal(path: &Path) -> Option<String> {
    let look = || -> io::Result<Trusted<File>> {
        let path = journal_path(path)?;
        let (above, name) = Disk::default().above(&path)?;
        above.trusted_owned_by(&name, false, &owners(&path))
    };
    match look() {
        Ok(Trusted::Untrusted(why)) => Some(format!("it {why}")),
        Ok(Trusted::Ours(_) | Trusted::Absent) => None,
        Err(e) => Some(e.to_string()),
    }
}

/// The error for a journal that another user may have written.
pub(super) fn not_ours(path: &Path, why: Untrusted) -> Error {
    Error::new(ErrorKind::Refused, format!("{}: journal not trusted", path.shown()))
        .why(format!("it {why}"))
        .hint("Check the file and who created it, then move it away.")
}
