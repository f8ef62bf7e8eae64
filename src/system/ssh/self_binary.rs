//! The running program: its hash, and whether it can run on another machine.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::{
    agent::snapshot_upload::sha256,
    domain::preflight::hosts::Own,
    engine::{progress::Flow, source::io_trouble},
    error::Result,
};

/// How much of a program's beginning has its program headers.
const HEAD: u64 = 1 << 16;

/// The running program as a file.
#[derive(Debug)]
pub struct Program {
    file: File,
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
        let mut head = Vec::new();
        (&mut file).take(HEAD).read_to_end(&mut head).map_err(|e| io_trouble("read", &path, &e))?;
        let own = Own {
            sha256: sha256(&file, &path, bytes, &mut |_| Flow::Go)?,
            version: concat!("requorum ", env!("CARGO_PKG_VERSION")).into(),
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

/// Returns why a program cannot run on another Linux of the same architecture: it needs a loader (`PT_INTERP`), so
/// shared libraries. Source: elf(5).
fn stays(head: &[u8]) -> Option<String> {
    let foreign = || Some("this requorum is not a Linux program".to_string());
    if head.get(..4) != Some(b"\x7fELF") {
        return foreign();
    }
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = head.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    // 64 bits, little-endian, as everything that requorum is built for.
    let headers = || -> Option<Vec<u64>> {
        let (start, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        let at = |n: u64| usize::try_from(start.checked_add(n.checked_mul(size)?)?).ok();
        (0..count).map(|n| number(at(n)?, 4)).collect()
    };
    match (head.get(4..6), headers()) {
        (Some([2, 1]), Some(kinds)) => kinds.contains(&3).then(|| "this requorum is linked dynamically".to_string()),
        _ => foreign(),
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
