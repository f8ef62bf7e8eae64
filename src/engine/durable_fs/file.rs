//! A new file: written, copied into, preallocated and synced through the gate.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::mpsc::{Sender, channel},
    thread::{self, JoinHandle},
};

use rustix::{
    fs::{FallocateFlags, copy_file_range, fallocate, ioctl_ficlone},
    io::Errno,
};

use super::{Act, Disk, Identity, try_lock};
use crate::bbolt::{PageBuffer, ReadAt, WriteAt};

/// Bytes copied at a time if the kernel cannot copy.
const BUFFER: usize = 256 << 10;

/// A file that a restore creates.
#[derive(Debug)]
pub struct DiskFile {
    file: File,
    path: PathBuf,
    disk: Disk,
}

impl DiskFile {
    pub(super) fn new(disk: Disk, file: File, path: PathBuf) -> DiskFile {
        DiskFile { file, path, disk }
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its identity.
    ///
    /// # Errors
    /// System errors.
    pub fn identity(&self) -> io::Result<Identity> {
        Ok(Identity::from_metadata(&self.file.metadata()?))
    }

    /// Returns the file itself; later operations on it do not pass the gate.
    pub fn into_file(self) -> File {
        self.file
    }

    /// Takes the lock that etcd holds on its database (`flock`, exclusive), until the file is closed.
    ///
    /// # Errors
    /// `WouldBlock` if another process holds it.
    pub fn flock(&self) -> io::Result<()> {
        if try_lock(&self.file)? { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    /// Syncs the content to disk.
    ///
    /// # Errors
    /// System errors.
    pub fn sync(&self) -> io::Result<()> {
        self.disk.act(Act::SyncFile(&self.path), || self.file.sync_all())
    }

    /// Preallocates `length` bytes; if the filesystem cannot, only sets the length, as etcd does.
    ///
    /// # Errors
    /// System errors.
    pub fn reserve(&self, length: u64) -> io::Result<()> {
        self.disk.act(Act::Resize { path: &self.path, length }, || {
            match fallocate(&self.file, FallocateFlags::empty(), 0, length) {
                Err(Errno::OPNOTSUPP) => self.file.set_len(length),
                other => Ok(other?),
            }
        })
    }

    /// Shares all of `from`'s blocks instead of copying them; returns false if the filesystem cannot.
    ///
    /// # Errors
    /// Only those of the gate.
    pub fn share(&self, from: &File, length: u64) -> io::Result<bool> {
        self.disk
            .act(Act::Write { path: &self.path, offset: 0, length }, || Ok(ioctl_ficlone(&self.file, from).is_ok()))
    }

    /// Copies `length` bytes at `offset` to the same offset, in the kernel if possible.
    ///
    /// # Errors
    /// `UnexpectedEof` if `from` is shorter, and system errors.
    pub fn copy(&self, from: &File, offset: u64, length: u64) -> io::Result<()> {
        self.disk.act(Act::Write { path: &self.path, offset, length }, || {
            let end = offset.checked_add(length).ok_or(io::ErrorKind::InvalidInput)?;
            let (mut read_at, mut write_at) = (offset, offset);
            while write_at < end {
                let ask = usize::try_from(end.saturating_sub(write_at)).unwrap_or(usize::MAX);
                match copy_file_range(from, Some(&mut read_at), &self.file, Some(&mut write_at), ask) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(Errno::XDEV | Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP | Errno::PERM | Errno::BADF) => {
                        return copy_buffered(from, &self.file, write_at, end);
                    }
                    Err(other) => return Err(other.into()),
                }
            }
            Ok(())
        })
    }
}

/// A file under construction for a writer that would sync it between its own steps: whoever has the file syncs it once, at
/// its end, and nothing reads it after a crash before that.
#[derive(Debug)]
pub struct SyncedLater<'f>(pub &'f DiskFile);

impl ReadAt for SyncedLater<'_> {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
}

impl WriteAt for SyncedLater<'_> {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(buf, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a file to the disk while it is still being copied: the system would begin only when it is synced, and the disk
/// is what takes longest.
#[derive(Debug)]
pub struct Flusher {
    more: Option<Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Flusher {
    /// Starts it for a file.
    ///
    /// # Errors
    /// When there is no descriptor or no thread.
    pub fn start(file: &DiskFile) -> io::Result<Flusher> {
        let file = file.file.try_clone()?;
        let (more, wanted) = channel();
        let run = move || {
            while let Ok(()) = wanted.recv() {
                // One sync for all that was written since.
                wanted.try_iter().for_each(drop);
                file.sync_data()?;
            }
            Ok(())
        };
        let thread = thread::Builder::new().name("requorum-flush".into()).spawn(run)?;
        Ok(Flusher { more: Some(more), thread: Some(thread) })
    }

    /// Has it write what the file holds by now. Returns at once.
    pub fn flush(&self) {
        // One that failed has ended; `finish` says why.
        let _ = self.more.as_ref().map(|more| more.send(()));
    }

    /// Waits until all of that is written.
    ///
    /// # Errors
    /// System errors: the system reports each only once for an open file, so a later sync would not.
    pub fn finish(mut self) -> io::Result<()> {
        drop(self.more.take());
        let joined = self.thread.take().map_or(Ok(Ok(())), JoinHandle::join);
        joined.unwrap_or_else(|_| Err(io::Error::other("the thread that writes the file ended in a panic")))
    }
}

impl Drop for Flusher {
    /// Its copy of the descriptor would keep the file locked.
    fn drop(&mut self) {
        drop(self.more.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn copy_buffered(from: &File, to: &File, mut at: u64, end: u64) -> io::Result<()> {
    let mut buffer = PageBuffer::new(BUFFER);
    while at < end {
        let length = end.saturating_sub(at).min(BUFFER as u64);
        let bytes = buffer.split_at_mut(length as usize).0;
        FileExt::read_exact_at(from, bytes, at)?;
        FileExt::write_all_at(to, bytes, at)?;
        at = at.saturating_add(length);
    }
    Ok(())
}

impl ReadAt for DiskFile {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(&self.file, buf, offset)
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

impl WriteAt for DiskFile {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let act = Act::Write { path: &self.path, offset, length: buf.len() as u64 };
        self.disk.act(act, || FileExt::write_all_at(&self.file, buf, offset))
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.act(Act::Resize { path: &self.path, length: len }, || self.file.set_len(len))
    }
    fn sync_data(&self) -> io::Result<()> {
        self.disk.act(Act::SyncFile(&self.path), || self.file.sync_data())
    }
}
