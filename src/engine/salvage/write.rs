//! The result of a replay as a snapshot file: written under a hidden name, read back, and renamed, never over a file.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    apply::{State, buckets::SMALL},
    sources::stopped,
    store::{Base, StoreError},
};
use crate::{
    bbolt::{self, Build, PageBuffer, ReadAt, WriteAt},
    engine::{
        durable_fs::{self, Dir, Disk, DiskFile, SyncedLater},
        progress::{Flow, Phase, Progress, ProgressFn},
        source::{BLOCK_BYTES, creation_trouble, hex, io_trouble},
    },
    error::{Error, ErrorKind, Result},
    etcd::schema,
    text::Shown,
};

/// The page size of a database that is built from nothing, as etcd's on most machines.
const PAGE_BYTES: u32 = 4096;

/// Where the result goes.
#[derive(Debug)]
pub struct Target {
    dir: Dir,
    name: OsString,
    hidden: OsString,
    path: PathBuf,
    /// The hidden file, while it is to be removed.
    open: Option<DiskFile>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The length of the file in bytes.
    pub bytes: u64,
    /// The SHA-256 over the whole file, in hex, as a plan pins it.
    pub sha256: String,
}

impl Target {
    /// Checks that the file, and those of its name with an ending of `also`, do not exist, and creates the hidden file.
    ///
    /// # Errors
    /// If one exists, or nothing can be created there.
    pub fn begin(disk: &Disk, path: &Path, also: &[&str]) -> Result<Target> {
        let (dir, name) = disk.above(path).map_err(|e| creation_trouble("write", path, &e))?;
        let beside = also.iter().map(|end| joined(&name, end));
        for name in std::iter::once(name.clone()).chain(beside) {
            let shown = dir.path().join(&name);
            if dir.entry_metadata(&name).map_err(|e| io_trouble("read", &shown, &e))?.is_some() {
                return Err(Error::new(ErrorKind::Input, format!("{}: file exists", shown.shown()))
                    .why("requorum never overwrites a file")
                    .hint("Choose another name, or move the file away."));
            }
        }
        let mut random = [0; 6];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
            .map_err(|e| io_trouble("write to", dir.path(), &e.into()))?;
        let hidden: OsString = format!(".requorum-salvage-{}", hex(&random)).into();
        let file = dir.create(&hidden, 0o600).map_err(|e| creation_trouble("write", path, &e))?;
        Ok(Target { dir, name, hidden, path: path.into(), open: Some(file) })
    }

    /// Creates a file without a name in the same directory.
    ///
    /// # Errors
    /// System errors.
    pub fn scratch(&self) -> Result<File> {
        durable_fs::unnamed(&self.dir.handle_path()).map_err(|e| creation_trouble("write", &self.path, &e))
    }

    /// The path of the hidden file.
    pub fn hidden(&self) -> PathBuf {
        self.dir.handle_path().join(&self.hidden)
    }

    /// Writes a state as a snapshot, its SHA-256 at the end. Nothing is synced yet.
    ///
    /// # Errors
    /// If the base cannot be read or the file cannot be written; `Stopped`.
    pub fn write(&mut self, state: &mut State, base: Option<&Base>, watch: &mut ProgressFn<'_>) -> Result<Written> {
        let Some(file) = &self.open else { return Err(Error::new(ErrorKind::Bug, "the result is written twice")) };
        let fail = |e: WriteError| match e {
            WriteError::Stopped => stopped(Phase::Write),
            WriteError::Build(bbolt::Error::Write { source, .. }) => creation_trouble("write", &self.path, &source),
            WriteError::Store(StoreError::Rows(source)) => creation_trouble("write", &self.path, &source),
            WriteError::Build(e) => Error::new(ErrorKind::Failed, "cannot write the result").why(e),
            WriteError::Store(e) => Error::new(ErrorKind::Failed, "cannot write the result").why(e),
        };
        build(file, state, base, watch).map_err(fail)?;
        let trouble = |e: std::io::Error| creation_trouble("write", &self.path, &e);
        let (body, mut whole) = (file.len().map_err(trouble)?, Sha256::new());
        let mut buffer = PageBuffer::new(BLOCK_BYTES);
        let mut offset = 0u64;
        while offset < body {
            let length = body.saturating_sub(offset).min(BLOCK_BYTES as u64);
            let piece = buffer.split_at_mut(length as usize).0;
            file.read_exact_at(piece, offset).map_err(trouble)?;
            whole.update(piece);
            offset = offset.saturating_add(length);
            if watch(Progress { phase: Phase::Hash, done: offset, total: body }) == Flow::Stop {
                return Err(stopped(Phase::Hash));
            }
        }
        let trailer = whole.clone().finalize();
        file.write_all_at(&trailer, body).map_err(trouble)?;
        whole.update(trailer);
        Ok(Written { bytes: body.saturating_add(trailer.len() as u64), sha256: hex(&whole.finalize()) })
    }

    /// Syncs the file and gives it its name.
    ///
    /// # Errors
    /// If a file of that name exists by now, and system errors.
    pub fn publish(mut self) -> Result<Dir> {
        let trouble = |e: std::io::Error| creation_trouble("write", &self.path, &e);
        if let Some(file) = &self.open {
            file.sync().map_err(trouble)?;
        }
        self.dir.rename(&self.hidden, &self.dir, &self.name).map_err(trouble)?;
        self.open = None;
        self.dir.sync().map_err(trouble)?;
        Ok(self.dir.clone())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(file) = self.open.take()
            && file.identity().is_ok_and(|identity| self.dir.is(&self.hidden, identity))
        {
            // It is ours and of no use.
            let _ = self.dir.remove_file(&self.hidden);
        }
    }
}

/// Returns a name with an ending.
pub fn joined(name: &OsStr, end: &str) -> OsString {
    let mut name = name.to_os_string();
    name.push(end);
    name
}

#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Build(#[from] bbolt::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("stopped")]
    Stopped,
}

fn build(
    file: &DiskFile,
    state: &mut State,
    base: Option<&Base>,
    watch: &mut ProgressFn<'_>,
) -> std::result::Result<(), WriteError> {
    let page_size = base.map_or(PAGE_BYTES, |base| base.page_size());
    let total = base.map_or(0, |base| base.used_bytes()).saturating_add(state.store.added_bytes());
    let mut build = Build::begin(SyncedLater(file), page_size)?;
    let mut step = |done: u64| match watch(Progress { phase: Phase::Write, done: done.min(total), total }) {
        Flow::Go => Ok(()),
        Flow::Stop => Err(WriteError::Stopped),
    };
    let mut names: Vec<Vec<u8>> = schema::ALL.iter().map(|name| name.to_vec()).collect();
    if let Some(base) = base {
        names.extend(base.buckets()?.into_iter().map(|(name, _)| name).filter(|name| !schema::is_known(name)));
    }
    names.sort();
    let (mut written, mut told) = (0u64, 0u64);
    for name in names {
        build.bucket(&name)?;
        if name == schema::LEASE {
            state.leases.each_row(&mut |key, value| build.put(key, value))?;
            continue;
        }
        if SMALL.contains(&name.as_slice()) {
            for (key, value) in state.buckets.rows(&name) {
                build.put(key, value)?;
            }
            continue;
        }
        let mut count = |bytes: usize| {
            written = written.saturating_add(bytes as u64);
            if written.saturating_sub(told) < 1 << 20 {
                return Ok(());
            }
            told = written;
            step(written)
        };
        if let Some(base) = base
            && let Some(bucket) = base.bucket(&name)?
        {
            let mut rows = base.cursor(&bucket);
            while let Some(row) = rows.next()? {
                // etcd has none, and the check of the database refuses them.
                if !row.is_bucket {
                    build.put(row.key, row.value)?;
                }
                count(row.both.len())?;
            }
        }
        if name == schema::KEY {
            state.store.each_added::<WriteError>(&mut |key, value| {
                build.put(key, value)?;
                count(key.len().saturating_add(value.len()))
            })?;
        }
    }
    let txid = base.map_or(1, |base| base.meta().txid).saturating_add(1);
    build.finish(txid)?;
    Ok(())
}
