//! An open directory, and operations on its entries by a single name.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::MetadataExt,
    },
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{
        AtFlags, Gid, Mode, OFlags, RenameFlags, ResolveFlags, Uid, XattrFlags, chownat, fchmod, fchown, fgetxattr,
        fsetxattr, fstatvfs, linkat, mkdirat, openat, openat2, renameat, renameat_with, unlinkat,
    },
    io::Errno,
};

use super::{Act, Disk, DiskFile, Identity, Trusted, Untrusted, free_bytes, resolve, trust};
use crate::{bbolt::WriteAt, text::Shown};

/// The deepest tree that is traversed: a data directory has three levels.
const DEPTH: u32 = 64;

const ALWAYS: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NOCTTY);
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// An open directory; clones share the handle. Its path is the one it was opened by, for messages and the gate.
#[derive(Debug, Clone)]
pub struct Dir {
    disk: Disk,
    file: Arc<File>,
    path: PathBuf,
}

impl Dir {
    pub(super) fn new(disk: Disk, file: File, path: PathBuf) -> Dir {
        Dir { disk, file: Arc::new(file), path }
    }

    /// Returns the path that it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of its handle in /proc, for code that reads its content by path. A name in it may be a link.
    pub fn handle_path(&self) -> PathBuf {
        use std::os::fd::AsRawFd;
        format!("/proc/self/fd/{}", self.file.as_raw_fd()).into()
    }

    /// Returns its metadata.
    ///
    /// # Errors
    /// System errors.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Returns its identity.
    ///
    /// # Errors
    /// System errors.
    pub fn identity(&self) -> io::Result<Identity> {
        Ok(Identity::from_metadata(&self.metadata()?))
    }

    /// Returns the available bytes on its filesystem.
    ///
    /// # Errors
    /// System errors.
    pub fn free(&self) -> io::Result<u64> {
        let stat = fstatvfs(&*self.file)?;
        Ok(free_bytes(&stat))
    }

    fn at(&self, name: &OsStr, flags: OFlags, mode: u32) -> io::Result<File> {
        single(name)?;
        Ok(openat(&*self.file, name, flags | ALWAYS, Mode::from_bits_truncate(mode))?.into())
    }

    /// Returns the metadata of the entry `name`, without following a link; `None` if it does not exist.
    ///
    /// # Errors
    /// System errors.
    pub fn entry_metadata(&self, name: impl AsRef<OsStr>) -> io::Result<Option<Metadata>> {
        match self.at(name.as_ref(), OFlags::PATH, 0) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other?.metadata().map(Some),
        }
    }

    /// Returns the identity of the entry `name`; `None` if it does not exist.
    ///
    /// # Errors
    /// System errors.
    pub fn entry_identity(&self, name: impl AsRef<OsStr>) -> io::Result<Option<Identity>> {
        Ok(self.entry_metadata(name)?.as_ref().map(Identity::from_metadata))
    }

    /// Returns whether the entry `name` is this file or directory.
    pub fn is(&self, name: impl AsRef<OsStr>, identity: Identity) -> bool {
        self.entry_identity(name).is_ok_and(|found| found == Some(identity))
    }

    /// Returns the names of its entries.
    ///
    /// # Errors
    /// System errors.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&*self.file)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        Ok(names)
    }

    /// Opens a path in it; no link on the path is followed, and the path cannot leave the directory.
    fn beneath(&self, below: &Path, flags: OFlags) -> io::Result<File> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        // With O_PATH openat2 accepts no other flags.
        let with = if flags.contains(OFlags::PATH) { ALWAYS.difference(OFlags::NOCTTY) } else { ALWAYS };
        match openat2(&*self.file, below, flags | with, Mode::empty(), resolve) {
            // Kernels before 5.6, and sandboxes without openat2.
            Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => self.step_by_step(below, flags),
            other => Ok(other?.into()),
        }
    }

    pub(super) fn step_by_step(&self, below: &Path, flags: OFlags) -> io::Result<File> {
        let mut names: Vec<&OsStr> = below.iter().collect();
        let last = names.pop().ok_or(io::ErrorKind::InvalidInput)?;
        let mut at = self.clone();
        for name in names {
            at = Dir::new(self.disk.clone(), at.at(name, DIRECTORY, 0)?, at.path.join(name));
        }
        at.at(last, flags, 0)
    }

    /// Opens a directory in it, at any depth.
    ///
    /// # Errors
    /// If a part of the path is a link, and system errors.
    pub fn open(&self, below: impl AsRef<Path>) -> io::Result<Dir> {
        let below = below.as_ref();
        let file = self.beneath(below, DIRECTORY)?;
        Ok(Dir::new(self.disk.clone(), file, self.path.join(below)))
    }

    /// Opens a directory in it that belongs to this user and is not writable by others.
    ///
    /// # Errors
    /// If it belongs to another user or is writable by others, and system errors.
    pub fn open_private(&self, name: impl AsRef<Path>) -> io::Result<Dir> {
        let dir = self.open(name)?;
        match Untrusted::directory(&dir.metadata()?) {
            Some(why) => Err(io::Error::other(format!("{} {why}", dir.path.shown()))),
            None => Ok(dir),
        }
    }

    /// Opens a regular file in it for reading, at any depth and whoever owns it.
    ///
    /// # Errors
    /// If it is not a regular file, a part of the path is a link, and system errors.
    pub fn read(&self, below: impl AsRef<Path>) -> io::Result<File> {
        self.regular(below.as_ref(), OFlags::RDONLY)
    }

    /// Opens a regular file in it for reading and writing, for example to lock it.
    ///
    /// # Errors
    /// As [`Dir::read`].
    pub fn write(&self, below: impl AsRef<Path>) -> io::Result<File> {
        self.regular(below.as_ref(), OFlags::RDWR)
    }

    /// Opens a path in it only if it is a regular file, which is checked before opening.
    fn regular(&self, below: &Path, flags: OFlags) -> io::Result<File> {
        resolve::reopen(&self.beneath(below, OFlags::PATH)?, flags, || self.beneath(below, flags | OFlags::NONBLOCK))
    }

    /// Opens a file that counts only if it is ours; with `write`, also for writing.
    ///
    /// # Errors
    /// System errors.
    pub fn trusted(&self, name: impl AsRef<OsStr>, write: bool) -> io::Result<Trusted<File>> {
        self.trusted_owned_by(name, write, &[])
    }

    /// Does the same for a file that may also belong to one of these users.
    ///
    /// # Errors
    /// System errors.
    pub fn trusted_owned_by(&self, name: impl AsRef<OsStr>, write: bool, owners: &[u32]) -> io::Result<Trusted<File>> {
        let (name, flags) = (name.as_ref(), if write { OFlags::RDWR } else { OFlags::RDONLY });
        let found = match self.at(name, OFlags::PATH, 0) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Trusted::Absent),
            other => other?,
        };
        match Untrusted::file_owned_by(&found.metadata()?, owners) {
            Some(why) => Ok(Trusted::Untrusted(why)),
            None => trust::file(resolve::reopen(&found, flags, || self.at(name, flags | OFlags::NONBLOCK, 0))?, owners),
        }
    }

    /// Opens a file that counts only if it is ours for reading and writing, and creates it with mode 0600 if it does not
    /// exist.
    ///
    /// # Errors
    /// System errors.
    pub fn trusted_or_new(&self, name: impl AsRef<OsStr>) -> io::Result<Trusted<File>> {
        self.trusted_or_new_owned_by(name, &[])
    }

    /// Does the same for a file that may also belong to one of these users.
    ///
    /// # Errors
    /// System errors.
    pub fn trusted_or_new_owned_by(&self, name: impl AsRef<OsStr>, owners: &[u32]) -> io::Result<Trusted<File>> {
        let name = name.as_ref();
        match self.trusted_owned_by(name, true, owners)? {
            Trusted::Absent => {}
            other => return Ok(other),
        }
        let path = self.path.join(name);
        let made =
            self.disk.act(Act::Create(&path), || self.at(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, 0o600));
        match made {
            // Another process created it first.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => self.trusted_owned_by(name, true, owners),
            other => other.map(Trusted::Ours),
        }
    }

    /// Reads a file that counts only if it is ours, in a directory that is ours, and has at most `most` bytes.
    ///
    /// # Errors
    /// System errors.
    pub fn read_trusted(&self, name: impl AsRef<OsStr>, most: u64) -> io::Result<Trusted<Vec<u8>>> {
        if let Some(why) = Untrusted::directory(&self.metadata()?) {
            return Ok(Trusted::Untrusted(why));
        }
        let file = match self.trusted(name, false)? {
            Trusted::Ours(file) => file,
            Trusted::Absent => return Ok(Trusted::Absent),
            Trusted::Untrusted(why) => return Ok(Trusted::Untrusted(why)),
        };
        let mut bytes = Vec::new();
        file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(if bytes.len() as u64 > most { Trusted::Untrusted(Untrusted::Long) } else { Trusted::Ours(bytes) })
    }

    /// Creates a directory in it with mode 0700, as etcd does, and opens it.
    ///
    /// # Errors
    /// If it exists, if what is opened is not what was created, and system errors.
    pub fn make(&self, name: impl AsRef<OsStr>) -> io::Result<Dir> {
        let name = name.as_ref();
        single(name)?;
        let path = self.path.join(name);
        self.disk.act(Act::MakeDir(&path), || Ok(mkdirat(&*self.file, name, Mode::from_bits_truncate(0o700))?))?;
        let made = self.open_private(name)?;
        match made.names()?.first() {
            Some(found) => {
                Err(io::Error::other(format!("{} was just created, but contains {}", path.shown(), found.shown())))
            }
            None => Ok(made),
        }
    }

    /// Creates a file in it, open for reading and writing.
    ///
    /// # Errors
    /// If it exists, and system errors.
    pub fn create(&self, name: impl AsRef<OsStr>, mode: u32) -> io::Result<DiskFile> {
        let name = name.as_ref();
        let path = self.path.join(name);
        let file =
            self.disk.act(Act::Create(&path), || self.at(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, mode))?;
        Ok(DiskFile::new(self.disk.clone(), file, path))
    }

    /// Creates a file with these bytes and syncs it.
    ///
    /// # Errors
    /// If it exists, and system errors.
    pub fn write_new(&self, name: impl AsRef<OsStr>, bytes: &[u8], mode: u32) -> io::Result<DiskFile> {
        let file = self.create(name, mode)?;
        file.write_all_at(bytes, 0)?;
        file.sync()?;
        Ok(file)
    }

    /// Syncs the directory.
    ///
    /// # Errors
    /// System errors.
    pub fn sync(&self) -> io::Result<()> {
        self.disk.act(Act::SyncDir(&self.path), || self.file.sync_all())
    }

    /// Renames an entry to `new` in `to`, and never replaces.
    ///
    /// # Errors
    /// `AlreadyExists` if `new` exists, and system errors.
    pub fn rename(&self, name: impl AsRef<OsStr>, to: &Dir, new: impl AsRef<OsStr>) -> io::Result<()> {
        let (name, new) = (name.as_ref(), new.as_ref());
        single(name)?;
        single(new)?;
        let (from_path, to_path) = (self.path.join(name), to.path.join(new));
        self.disk.act(Act::Rename { from: &from_path, to: &to_path }, || {
            match renameat_with(&*self.file, name, &*to.file, new, RenameFlags::NOREPLACE) {
                // Some filesystems (NFS) do not support NOREPLACE. A hard link never replaces either, but exists only for
                // files; otherwise a check before the rename must be enough.
                Err(Errno::INVAL | Errno::NOSYS) => match linkat(&*self.file, name, &*to.file, new, AtFlags::empty()) {
                    Ok(()) => Ok(unlinkat(&*self.file, name, AtFlags::empty())?),
                    Err(Errno::EXIST) => Err(io::ErrorKind::AlreadyExists.into()),
                    Err(_) => match to.entry_metadata(new)? {
                        Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
                        None => Ok(renameat(&*self.file, name, &*to.file, new)?),
                    },
                },
                other => Ok(other?),
            }
        })
    }

    /// Removes a file, or a link without following it.
    ///
    /// # Errors
    /// System errors.
    pub fn remove_file(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        let name = name.as_ref();
        single(name)?;
        let path = self.path.join(name);
        self.disk.act(Act::RemoveFile(&path), || Ok(unlinkat(&*self.file, name, AtFlags::empty())?))
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// System errors.
    pub fn remove_dir(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        let name = name.as_ref();
        single(name)?;
        let path = self.path.join(name);
        self.disk.act(Act::RemoveDir(&path), || Ok(unlinkat(&*self.file, name, AtFlags::REMOVEDIR)?))
    }

    /// Removes an entry with its content. Links are removed, not followed, and no other filesystem is entered.
    ///
    /// # Errors
    /// At the first entry that cannot be removed.
    pub fn remove_tree(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        self.remove_below(name.as_ref(), DEPTH)
    }

    fn remove_below(&self, name: &OsStr, depth: u32) -> io::Result<()> {
        let found = self.entry_metadata(name)?.ok_or(io::ErrorKind::NotFound)?;
        if !found.is_dir() {
            return self.remove_file(name);
        }
        let left = depth.checked_sub(1).ok_or_else(|| io::Error::other("the tree is too deep"))?;
        let dir = self.open(name)?;
        if Identity::from_metadata(&found) != dir.identity()? || found.dev() != self.metadata()?.dev() {
            return Err(io::Error::other(format!("{} was replaced meanwhile", dir.path.shown())));
        }
        dir.names()?.iter().try_for_each(|name| dir.remove_below(name, left))?;
        self.remove_dir(name)
    }

    /// Changes the owner and group of it and its content, itself last. Links are changed, not followed; a file with a
    /// second hard link is an error.
    ///
    /// # Errors
    /// System errors, usually that only root may.
    pub fn give(&self, user: u32, group: u32) -> io::Result<()> {
        self.give_below(Uid::from_raw(user), Gid::from_raw(group), DEPTH)
    }

    fn give_below(&self, user: Uid, group: Gid, depth: u32) -> io::Result<()> {
        let left = depth.checked_sub(1).ok_or_else(|| io::Error::other("the tree is too deep"))?;
        for name in self.names()? {
            let path = self.path.join(&name);
            let meta = self.entry_metadata(&name)?.ok_or(io::ErrorKind::NotFound)?;
            if meta.is_dir() {
                self.open(&name)?.give_below(user, group, left)?;
            } else if meta.nlink() != 1 {
                return Err(io::Error::other(format!("{} has a second hard link", path.shown())));
            } else {
                self.disk.act(Act::Own(&path), || {
                    Ok(chownat(&*self.file, &name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?)
                })?;
            }
        }
        self.disk.act(Act::Own(&self.path), || Ok(fchown(&*self.file, Some(user), Some(group))?))
    }

    /// Sets its permission bits.
    ///
    /// # Errors
    /// System errors.
    pub fn mode(&self, mode: u32) -> io::Result<()> {
        self.disk.act(Act::Own(&self.path), || Ok(fchmod(&*self.file, Mode::from_bits_truncate(mode))?))
    }

    /// Returns an extended attribute of itself or of a regular file or directory in it.
    pub fn attribute(&self, below: &Path, name: &str) -> Option<Vec<u8>> {
        let other = if below.as_os_str().is_empty() { None } else { Some(self.either(below).ok()?) };
        let mut buffer = vec![0; 4096];
        let length = fgetxattr(other.as_ref().unwrap_or(&self.file), name, &mut buffer[..]).ok()?;
        buffer.truncate(length);
        Some(buffer)
    }

    fn either(&self, below: &Path) -> io::Result<File> {
        match self.beneath(below, OFlags::PATH)?.metadata()?.is_dir() {
            true => self.beneath(below, DIRECTORY),
            false => self.regular(below, OFlags::RDONLY),
        }
    }

    /// Sets an extended attribute of itself, or of a regular file or directory in it.
    ///
    /// # Errors
    /// System errors.
    pub fn set_attribute(&self, below: &Path, name: &str, value: &[u8]) -> io::Result<()> {
        let other = if below.as_os_str().is_empty() { None } else { Some(self.either(below)?) };
        let path = self.path.join(below);
        self.disk.act(Act::Own(&path), || {
            Ok(fsetxattr(other.as_ref().unwrap_or(&self.file), name, value, XattrFlags::empty())?)
        })
    }

    /// Returns the relative paths of everything in it, at any depth; itself first, as an empty path.
    ///
    /// # Errors
    /// System errors.
    pub fn tree(&self) -> io::Result<Vec<PathBuf>> {
        let (mut found, mut dirs) = (vec![PathBuf::new()], vec![(PathBuf::new(), self.clone(), DEPTH)]);
        while let Some((below, dir, depth)) = dirs.pop() {
            let left = depth.checked_sub(1).ok_or_else(|| io::Error::other("the tree is too deep"))?;
            for name in dir.names()? {
                let way = below.join(&name);
                if dir.entry_metadata(&name)?.is_some_and(|meta| meta.is_dir()) {
                    dirs.push((way.clone(), dir.open(&name)?, left));
                }
                found.push(way);
            }
        }
        Ok(found)
    }
}

/// Refuses anything but the name of one entry.
fn single(name: &OsStr) -> io::Result<()> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(only)), None) if only.as_bytes() == name.as_bytes() => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is not the name of one entry", name.shown()))),
    }
}
