//! A look at this machine for an exercise: what the look at a host tells ([`ssh`](crate::world::ssh)), learnt without
//! running anything and without looking past the exercise's own directory.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, StatVfsMountFlags, access, statvfs},
    process::getuid,
    system::uname,
};

use crate::plan::facts::host::{HostFacts, Place, PlaceState, Root};

/// What there is to see; `user` is who works here. Nothing is installed, and no etcd runs, as far as an exercise goes.
pub(super) fn glance(dirs: &[PathBuf], root: &Path, user: String) -> HostFacts {
    let system = uname();
    HostFacts {
        system: system.sysname().to_string_lossy().into_owned(),
        machine: system.machine().to_string_lossy().into_owned(),
        user,
        root: if getuid().is_root() { Root::Is } else { Root::No },
        places: dirs.iter().map(|dir| place(dir, root)).collect(),
        ..HostFacts::default()
    }
}

fn place(path: &Path, root: &Path) -> Place {
    let there = path.ancestors().find(|dir| dir.is_dir()).unwrap_or(root).to_path_buf();
    let state = match fs::read_dir(path) {
        Ok(entries) => {
            PlaceState::Dir(entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
        }
        Err(_) if path.is_dir() => PlaceState::Closed,
        Err(_) if path.symlink_metadata().is_ok() => PlaceState::File,
        Err(_) => PlaceState::Absent,
    };
    let stat = statvfs(&there).ok();
    Place {
        path: path.into(),
        state,
        owner: there.metadata().map(|meta| format!("{}:{}", meta.uid(), meta.gid())).unwrap_or_default(),
        writable: access(&there, Access::WRITE_OK).is_ok(),
        mount: root.to_string_lossy().into_owned(),
        read_only: stat.as_ref().is_some_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY)),
        free: stat.map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize)),
        there,
    }
}
