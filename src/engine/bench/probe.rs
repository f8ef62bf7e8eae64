//! Lower bounds to compare with, and single parts of the work. They run as processes, like what is measured.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    str::FromStr,
    thread,
};

use sha2::{Digest, Sha256};

use crate::{
    bbolt::PageBuffer,
    engine::{
        durable_fs::Disk,
        progress::Flow,
        scan::walker::walk_through,
        source::{Source, io_trouble},
    },
    error::{Error, ErrorKind, Result},
};

/// What a probe does with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Read it once from start to end, as `cat` does.
    Read,
    /// Check it as `status` does, without the SHA-256: the work of etcdutl's status.
    Walk,
    /// Hash it, copy it to each target in the kernel, and sync.
    Copy,
}

impl Probe {
    const ALL: [Probe; 3] = [Probe::Read, Probe::Walk, Probe::Copy];

    /// Returns its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Probe::Read => "read",
            Probe::Walk => "walk",
            Probe::Copy => "copy",
        }
    }

    /// Runs the probe; `targets` are the directories that [`Probe::Copy`] creates, with a file in each.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or the copy cannot be written.
    pub fn run(self, file: &Path, targets: &[PathBuf]) -> Result<()> {
        match self {
            Probe::Read => read(file, &mut |_| {}).map_err(|e| io_trouble("read", file, &e)),
            Probe::Walk => {
                let source = Source::open(file)?;
                let walk = walk_through(&source, &mut |_| Flow::Go)?;
                walk.map(|_| ()).map_err(|halt| halt.into_trouble(&source))
            }
            Probe::Copy => {
                let copied = thread::scope(|scope| {
                    let hashing = scope.spawn(|| {
                        let mut sha = Sha256::new();
                        read(file, &mut |bytes| sha.update(bytes)).map(|()| sha.finalize())
                    });
                    targets.iter().try_for_each(|dir| copy(file, dir))?;
                    hashing.join().map_err(|_| io::Error::other("the hash thread panicked"))?
                });
                copied.map(|_| ()).map_err(|e| io_trouble("copy", file, &e))
            }
        }
    }
}

impl FromStr for Probe {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = Probe::ALL.into_iter().find(|probe| probe.as_str() == text);
        found.ok_or_else(|| format!("expected one of {}", Probe::ALL.map(Probe::as_str).join(", ")))
    }
}

/// Reads in pieces of 128 KiB, as `cat` does.
fn read(path: &Path, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let (mut file, mut buffer) = (File::open(path)?, PageBuffer::new(128 << 10));
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            n => each(buffer.get(..n).unwrap_or_default()),
        }
    }
}

fn copy(from: &Path, dir: &Path) -> io::Result<()> {
    let from = File::open(from)?;
    let to = Disk::default().make_dir(dir)?.create("db", 0o600)?;
    to.copy(&from, 0, from.metadata()?.len())?;
    to.sync()
}

/// Checks that targets are given if and only if the probe needs them.
///
/// # Errors
/// `Usage`, with the name of the probe.
pub fn fits(probe: Probe, targets: &[PathBuf]) -> Result<()> {
    match (probe, targets) {
        (Probe::Copy, []) => Err(Error::new(ErrorKind::Usage, "probe copy: a directory to create is required")),
        (Probe::Read | Probe::Walk, [_, ..]) => {
            Err(Error::new(ErrorKind::Usage, format!("probe {}: takes a single file", probe.as_str())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn probes_do_their_work() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let dir = tempfile::tempdir().unwrap();
        let targets = [dir.path().join("a"), dir.path().join("b")];
        Probe::Read.run(&file, &[]).unwrap();
        Probe::Copy.run(&file, &targets).unwrap();
        for target in &targets {
            assert_eq!(fs::read(target.join("db")).unwrap(), fs::read(&file).unwrap());
        }
        assert!(Probe::Copy.run(&file, &targets).is_err(), "an existing target is not changed");
        assert!(Probe::Walk.run(&file, &[]).is_err());
        for probe in Probe::ALL {
            assert_eq!(probe.as_str().parse(), Ok(probe));
            assert_eq!(fits(probe, &targets).is_ok(), probe == Probe::Copy);
            assert_eq!(fits(probe, &[]).is_ok(), probe != Probe::Copy);
        }
    }
}
