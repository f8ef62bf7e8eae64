//! Questions on the terminal.

use std::{
    fs,
    io::{self, IsTerminal},
    os::unix::fs::MetadataExt,
    path::Path,
};

use super::progress::answered;
use crate::{
    cli::note,
    error::{Error, ErrorKind, Result},
    system::Files,
    text::{Shown, stdio},
};

/// Returns whether the operator can be asked: there is a terminal to read from, and one to ask on.
pub(in crate::cli) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question that only `y` or `yes` agrees to.
///
/// # Errors
/// When the terminal is gone; `Stopped` on a signal.
pub(in crate::cli) fn agreed(question: &str) -> Result<bool> {
    let no = |e: io::Error| Error::new(ErrorKind::Failed, "terminal: cannot read the answer").why(e);
    answered(|| {
        stdio::ask(question).map_err(no)?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map_err(no)?;
        Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
    })
}

/// Offers to create a directory that a flag names and that does not exist: asked on a terminal; in scripts it is created
/// where its parent exists and only its owner may change that. Returns whether it is there then.
///
/// # Errors
/// When it cannot be created, and as [`agreed`].
pub(in crate::cli) fn offer_dir(flag: &str, dir: &Path, files: &dyn Files) -> Result<bool> {
    if dir.symlink_metadata().is_ok() {
        return Ok(true);
    }
    let create = match can_ask() {
        true => agreed(&format!("{flag}: {} does not exist on this machine. Create it? [y/N] ", dir.shown()))?,
        false => dir.parent().and_then(|above| fs::metadata(above).ok()).is_some_and(|meta| is_safe(&meta)),
    };
    if create {
        files.create_dir(dir)?;
        note(&format!("{flag}: {} was created.", dir.shown()));
    }
    Ok(create)
}

/// Whether others cannot replace what is created in a directory: they may not write to it, or not to what is another's.
fn is_safe(meta: &fs::Metadata) -> bool {
    meta.is_dir() && (meta.mode() & 0o022 == 0 || meta.mode() & 0o1000 != 0)
}
