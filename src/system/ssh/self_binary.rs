//! The running program as a file: its hash, and whether it can run on another machine.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::elf;
use crate::{
    agent::{build_note, snapshot_upload::sha256},
    domain::preflight::hosts::Own,
    engine::{progress::Flow, source::io_trouble},
    error::Result,
};

/// A program that can be sent, as an open file: what is hashed is what is sent, whatever happens to its name meanwhile.
#[derive(Debug)]
pub struct Program {
    pub(super) file: File,
    /// Its path, as far as the system reports it.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// What decides whether it is sent.
    pub own: Own,
}

impl Program {
    /// Opens and hashes the running program.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn running() -> Result<Program> {
        let path = std::env::current_exe().unwrap_or_else(|_| "requorum".into());
        // Linux keeps the file even if another file has taken its name.
        let kept = Path::new("/proc/self/exe");
        let from = if kept.exists() { kept } else { &path };
        let mut file = File::open(from).map_err(|e| io_trouble("read", &path, &e))?;
        let bytes = file.metadata().map_err(|e| io_trouble("read", &path, &e))?.len();
        let head = head(&mut file).map_err(|e| io_trouble("read", &path, &e))?;
        let own = Own {
            sha256: sha256(&file, &path, bytes, &mut |_| Flow::Go)?,
            version: build_note::running(),
            machine: std::env::consts::ARCH.into(),
            stays: stays(&head),
        };
        Ok(Program { file, path, bytes, own })
    }

    /// Reads the bytes from `offset` on, at most the length of `buffer`; returns their number.
    ///
    /// # Errors
    /// As the system reports.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.file, buffer, offset)
    }
}

/// Reads as much of a file's beginning as has its program headers.
pub(super) fn head(file: &mut File) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.take(elf::HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Returns why the running program cannot run on another Linux of the same architecture.
fn stays(head: &[u8]) -> Option<String> {
    match elf::read(head) {
        None => Some("this requorum is not a Linux program".into()),
        Some(elf) => elf.dynamic.then(|| "this requorum is linked dynamically".into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_can_be_sent_and_what_cannot() {
        let head = |path: &str| std::fs::read(path).unwrap()[..4096].to_vec();
        // `sh` is linked dynamically on the distributions that this is tested on, and this test is not.
        assert_eq!(stays(&head("/proc/self/exe")), None);
        let shell = head("/bin/sh");
        assert_eq!(stays(&shell).as_deref(), Some("this requorum is linked dynamically"));
        for length in [0, 3, 4, 40, 60, 70] {
            assert_eq!(stays(&shell[..length]).as_deref(), Some("this requorum is not a Linux program"), "{length}");
        }
        assert!(stays(b"\xcf\xfa\xed\xfe").is_some());
    }

    #[test]
    fn the_running_program_is_itself() {
        let program = Program::running().unwrap();
        let mut first = [0; 4];
        assert_eq!((program.read_at(&mut first, 0).unwrap(), &first), (4, b"\x7fELF"));
        assert_eq!((program.own.stays, program.own.sha256.len()), (None, 64));
    }
}
