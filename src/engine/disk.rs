//! The few things that a restore does to a disk, each passing one gate.
//!
//! Everything that [`super::restore`] makes, renames or removes goes through a [`Disk`]. The plain
//! one just does it. A test may put a [`Gate`] before it: one that stops at the n-th act is a kill
//! at that moment, one that writes the acts down can tell what a power cut would have left.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{
        CWD, FallocateFlags, FlockOperation, RenameFlags, XattrFlags, copy_file_range, fallocate, flock, ioctl_ficlone,
        lsetxattr, renameat_with,
    },
    io::Errno,
};

use crate::bolt::{ReadAt, WriteAt};

/// How much is copied at a time where the kernel does not do it.
const BUFFER: usize = 1 << 20;

/// One change of the disk, or the order to make changes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act<'a> {
    /// A new directory.
    MakeDir(&'a Path),
    /// A new, empty file.
    Create(&'a Path),
    /// Bytes written or copied into a file.
    Write {
        /// The file.
        path: &'a Path,
        /// From here on.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// Another length.
    Resize {
        /// The file.
        path: &'a Path,
        /// Its length from now on.
        length: u64,
    },
    /// Another owner, mode or label.
    Own(&'a Path),
    /// What is in the file shall last.
    SyncFile(&'a Path),
    /// What the directory lists shall last.
    SyncDir(&'a Path),
    /// A new name, in place of none.
    Rename {
        /// The old name.
        from: &'a Path,
        /// The new one.
        to: &'a Path,
    },
    /// A file goes.
    RemoveFile(&'a Path),
    /// An empty directory goes.
    RemoveDir(&'a Path),
}

/// Stands before every act of a [`Disk`].
pub trait Gate: Send + Sync {
    /// Lets the act happen by calling `run`, or does not.
    ///
    /// # Errors
    /// What the one who acts shall be told: `run`'s own error, or the gate's.
    fn pass(&self, act: &Act<'_>, run: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()>;
}

/// The disk of this machine; clones share the gate.
#[derive(Clone, Default)]
pub struct Disk(Option<Arc<dyn Gate>>);

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Disk(gated)" } else { "Disk" })
    }
}

impl Disk {
    /// A disk whose every act passes `gate`.
    pub fn gated(gate: Arc<dyn Gate>) -> Disk {
        Disk(Some(gate))
    }

    fn act<T>(&self, act: Act<'_>, mut run: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let Some(gate) = &self.0 else { return run() };
        let mut made = None;
        gate.pass(&act, &mut || run().map(|value| made = Some(value)))?;
        made.ok_or_else(|| io::Error::other("the gate let nothing happen"))
    }

    /// Makes one directory, mode 0700, as etcd makes its own.
    ///
    /// # Errors
    /// As the system says.
    pub fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.act(Act::MakeDir(path), || fs::DirBuilder::new().mode(0o700).create(path))
    }

    /// Makes a new file, open for reading and writing.
    ///
    /// # Errors
    /// When it exists, or as the system says.
    pub fn create(&self, path: &Path, mode: u32) -> io::Result<DiskFile> {
        let file = self.act(Act::Create(path), || {
            OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path)
        })?;
        Ok(DiskFile { file, path: path.into(), disk: self.clone() })
    }

    /// Makes a new file with these bytes and waits until they last.
    ///
    /// # Errors
    /// When it exists, or as the system says.
    pub fn write_new(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<DiskFile> {
        let file = self.create(path, mode)?;
        file.write_all_at(bytes, 0)?;
        file.sync()?;
        Ok(file)
    }

    /// Makes what a directory lists last.
    ///
    /// # Errors
    /// As the system says.
    pub fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.act(Act::SyncDir(path), || File::open(path)?.sync_all())
    }

    /// Renames, and never replaces.
    ///
    /// # Errors
    /// `AlreadyExists` when `to` is there, or as the system says.
    pub fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.act(Act::Rename { from, to }, || match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Some filesystems (NFS) know no NOREPLACE; then the look before the rename must do.
            Err(Errno::INVAL | Errno::NOSYS) => match fs::symlink_metadata(to) {
                Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                Err(_) => fs::rename(from, to),
            },
            other => other.map_err(io::Error::from),
        })
    }

    /// Removes a file.
    ///
    /// # Errors
    /// As the system says.
    pub fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.act(Act::RemoveFile(path), || fs::remove_file(path))
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// As the system says.
    pub fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.act(Act::RemoveDir(path), || fs::remove_dir(path))
    }

    /// Removes a directory with all that is in it, or a file. Links are removed, not followed.
    ///
    /// # Errors
    /// At the first thing that cannot be removed.
    pub fn remove_tree(&self, path: &Path) -> io::Result<()> {
        if !fs::symlink_metadata(path)?.is_dir() {
            return self.remove_file(path);
        }
        for entry in fs::read_dir(path)? {
            self.remove_tree(&entry?.path())?;
        }
        self.remove_dir(path)
    }

    /// Gives a file or directory to a user and a group.
    ///
    /// # Errors
    /// As the system says: mostly that only root may.
    pub fn own(&self, path: &Path, user: u32, group: u32) -> io::Result<()> {
        self.act(Act::Own(path), || chown(path, Some(user), Some(group)))
    }

    /// Sets the permission bits.
    ///
    /// # Errors
    /// As the system says.
    pub fn mode(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.act(Act::Own(path), || fs::set_permissions(path, fs::Permissions::from_mode(mode)))
    }

    /// Sets an extended attribute.
    ///
    /// # Errors
    /// As the system says.
    pub fn label(&self, path: &Path, name: &str, value: &[u8]) -> io::Result<()> {
        self.act(Act::Own(path), || Ok(lsetxattr(path, name, value, XattrFlags::empty())?))
    }
}

/// A file that a restore makes.
#[derive(Debug)]
pub struct DiskFile {
    file: File,
    path: PathBuf,
    disk: Disk,
}

impl DiskFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the lock that etcd holds on its database (`flock`, exclusive), until the file is closed.
    ///
    /// # Errors
    /// When somebody else has it.
    pub fn flock(&self) -> io::Result<()> {
        Ok(flock(&self.file, FlockOperation::NonBlockingLockExclusive)?)
    }

    /// Waits until the content lasts.
    ///
    /// # Errors
    /// As the system says.
    pub fn sync(&self) -> io::Result<()> {
        self.disk.act(Act::SyncFile(&self.path), || self.file.sync_all())
    }

    /// Reserves `length` bytes; where the filesystem cannot, the length alone is set, as etcd does.
    ///
    /// # Errors
    /// As the system says.
    pub fn reserve(&self, length: u64) -> io::Result<()> {
        self.disk.act(Act::Resize { path: &self.path, length }, || {
            match fallocate(&self.file, FallocateFlags::empty(), 0, length) {
                Err(Errno::OPNOTSUPP) => self.file.set_len(length),
                other => Ok(other?),
            }
        })
    }

    /// Shares all of `from`'s blocks instead of copying them; false where the filesystem cannot.
    ///
    /// # Errors
    /// Only the gate's.
    pub fn share(&self, from: &File, length: u64) -> io::Result<bool> {
        self.disk
            .act(Act::Write { path: &self.path, offset: 0, length }, || Ok(ioctl_ficlone(&self.file, from).is_ok()))
    }

    /// Copies `length` bytes at `offset` to the same place, in the kernel where it can.
    ///
    /// # Errors
    /// `UnexpectedEof` when `from` is shorter, or as the system says.
    pub fn copy(&self, from: &File, offset: u64, length: u64) -> io::Result<()> {
        self.disk.act(Act::Write { path: &self.path, offset, length }, || {
            let (mut read_at, mut write_at, end) = (offset, offset, offset + length);
            while write_at < end {
                let ask = usize::try_from(end - write_at).unwrap_or(usize::MAX);
                match copy_file_range(from, Some(&mut read_at), &self.file, Some(&mut write_at), ask) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(Errno::XDEV | Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP | Errno::PERM | Errno::BADF) => {
                        return by_hand(from, &self.file, write_at, end);
                    }
                    Err(other) => return Err(other.into()),
                }
            }
            Ok(())
        })
    }
}

fn by_hand(from: &File, to: &File, mut at: u64, end: u64) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    while at < end {
        let length = (end - at).min(BUFFER as u64);
        let bytes = buffer.split_at_mut(length as usize).0;
        FileExt::read_exact_at(from, bytes, at)?;
        FileExt::write_all_at(to, bytes, at)?;
        at += length;
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
