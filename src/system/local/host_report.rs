//! This machine as a host: the same facts as the inspection over a connection ([`crate::system::ssh`]), without a
//! shell.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};

use crate::{
    domain::model::observations::host::{HostFacts, Place, PlaceState, Root},
    engine::{durable_fs::free_bytes, install::staging},
    system::discovery,
    text,
};

/// Inspects the directories and the machine; `called` finds names of users and groups in the
/// files for them, and looks for running etcds.
pub(super) fn look(dirs: &[PathBuf], called: bool) -> HostFacts {
    let system = rustix::system::uname();
    let uid = rustix::process::geteuid();
    HostFacts {
        system: system.sysname().to_string_lossy().as_ref().into(),
        machine: system.machine().to_string_lossy().into_owned(),
        user: if called { name_of(uid.as_raw(), "/etc/passwd").into() } else { uid.to_string().into() },
        root: if uid.is_root() { Root::Is } else { Root::No },
        etcds: if called { etcds().into_iter().map(|(pid, line)| (pid, line.into())).collect() } else { Vec::new() },
        places: dirs.iter().map(|dir| place(dir, called)).collect(),
        ..HostFacts::default()
    }
}

/// Returns the name of a user or group in `/etc/passwd` or `/etc/group`; its number if it has none.
pub(super) fn name_of(id: u32, file: &str) -> String {
    let (text, id) = (fs::read_to_string(file).unwrap_or_default(), id.to_string());
    let line = text.lines().find(|line| line.split(':').nth(2) == Some(&id));
    line.and_then(|line| line.split(':').next()).unwrap_or(&id).to_string()
}

fn place(path: &Path, called: bool) -> Place {
    let there = path.ancestors().find(|dir| dir.is_dir()).unwrap_or(Path::new("/"));
    let owner = fs::metadata(there).map(|meta| match called {
        true => format!("{}:{}", name_of(meta.uid(), "/etc/passwd"), name_of(meta.gid(), "/etc/group")),
        false => format!("{}:{}", meta.uid(), meta.gid()),
    });
    let stat = statvfs(there).ok();
    Place {
        path: path.into(),
        state: state(path),
        there: there.into(),
        owner: owner.unwrap_or_default().into(),
        writable: access(there, Access::WRITE_OK).is_ok(),
        mount: text::path(mount(there)),
        read_only: stat.as_ref().is_some_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY)),
        free: stat.map(|stat| free_bytes(&stat)),
    }
}

fn state(path: &Path) -> PlaceState {
    match fs::read_dir(path) {
        Ok(entries) => PlaceState::Dir(entries.flatten().map(|e| text::path(Path::new(&e.file_name()))).collect()),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => PlaceState::Closed,
        Err(_) if fs::symlink_metadata(path).is_ok() => PlaceState::File,
        Err(_) => PlaceState::Absent,
    }
}

/// Returns the mount point of a directory's filesystem, as far as device numbers and the system show it.
fn mount(dir: &Path) -> &Path {
    let device = |dir: &Path| fs::metadata(dir).map(|meta| meta.dev()).ok();
    let own = device(dir);
    let same = dir.ancestors().take_while(|above| device(above) == own);
    let mut last = dir;
    for above in same {
        last = above;
        if staging::is_mount(above) {
            break;
        }
    }
    last
}

/// Returns running etcds, with their command lines as far as this user may read them. Any user may run a process of
/// that name: those count that are root's or the data directory's owner's and have its lock.
fn etcds() -> Vec<(u32, String)> {
    let line = |pid: u32| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        (pid, String::from_utf8_lossy(&words).replace('\0', " ").trim_end().to_string())
    };
    discovery::running(Path::new("/")).into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::system::ssh::Ssh;

    #[test]
    fn it_tells_what_a_shell_tells() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["full", "empty", "file", "not/yet"].map(|name| dir.path().join(name));
        fs::create_dir(&names[0]).unwrap();
        fs::write(names[0].join("member"), b"").unwrap();
        fs::create_dir(&names[1]).unwrap();
        fs::write(&names[2], b"").unwrap();
        let ours = look(&names, true);
        let session = Ssh::default().open("local", &names, &|| false).unwrap();
        let theirs = session.facts();
        assert_eq!((&ours.system, &ours.machine, &ours.user), (&theirs.system, &theirs.machine, &theirs.user));
        assert_eq!(ours.root == Root::Is, theirs.root == Root::Is);
        for (ours, theirs) in ours.places.iter().zip(&theirs.places) {
            // What is free moves meanwhile.
            assert_eq!(Place { free: None, ..ours.clone() }, Place { free: None, ..theirs.clone() });
            assert!(ours.free.is_some() && theirs.free.is_some());
        }
        assert_eq!(ours.places.len(), theirs.places.len());
    }

    /// Anybody may call a process etcd: one of another user's that names no directory of that user's does not count.
    #[test]
    fn a_process_merely_named_etcd_does_not_count() {
        use std::{
            os::unix::{fs::PermissionsExt, process::CommandExt},
            process::{Command, Stdio},
        };
        const EVE: u32 = 61_234;
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let program = dir.path().join("etcd");
        fs::copy("/bin/sh", &program).unwrap();
        let mut child = Command::new(&program)
            .args(["-c", "read line; exit", "--data-dir=/etc"])
            .uid(EVE)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let named = fs::read_to_string(format!("/proc/{}/comm", child.id())).unwrap();
        let counted = etcds();
        let _ = child.kill();
        let _ = child.wait();
        assert_eq!(named.trim_end(), "etcd");
        assert!(!counted.iter().any(|(pid, _)| *pid == child.id()));
    }
}
