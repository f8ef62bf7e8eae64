//! Snapshots to restore, and what a whole data directory is.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use prost::Message;
use requorum::{
    bbolt::{Build, Edit, View},
    domain::model::options::Options,
    engine::{
        durable_fs::{Disk, DiskFile},
        install::restore_with,
        progress::Flow,
        restore::{RestoreSpec, Restored, Tools, initial_log::InitialLog, snap_files},
        scan::row_scan::check_and_walk,
    },
    error::Result,
    etcd::{membership::Id, proto::KeyValue, revision::Revision, schema, version::Minor},
    raft::{snap, wal},
};
use sha2::{Digest, Sha256};

use crate::support::fixture;

/// A directory in memory where there is room for it: a disk whose failing is only played need not be waited for.
pub fn scratch() -> tempfile::TempDir {
    let memory = "/dev/shm";
    let room = rustix::fs::statvfs(memory).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    let in_memory = (room > 2 << 30).then(|| tempfile::tempdir_in(memory).ok()).flatten();
    in_memory.unwrap_or_else(|| tempfile::tempdir().unwrap())
}

pub fn genesis() -> InitialLog {
    let urls: Vec<[String; 1]> = (1..=3).map(|i| [format!("http://10.0.0.{i}:2380")]).collect();
    InitialLog::new(["m1", "m2", "m3"].into_iter().zip(urls.iter().map(|u| &u[..])), "care")
}

/// Restores m2 of three.
pub fn restore(source: &Path, data: &Path, wal: Option<&Path>, options: &Options, tools: &Tools) -> Result<Restored> {
    let job = RestoreSpec {
        source,
        pinned_sha256: None,
        skip_hash_check: false,
        genesis: &genesis(),
        name: "m2",
        data_dir: data,
        wal_dir: wal,
        target: Minor::V3_5,
        bump_revision: 0,
        options,
    };
    restore_with(&job, tools, &mut |_| Flow::Go)
}

/// Whether m2 stands there: every page and row sound, the right members, log and `.snap`.
pub fn whole(data: &Path, wal_dir: Option<&Path>, keys: u64) -> std::result::Result<(), String> {
    let view = View::open(fs::File::open(data.join("member/snap/db")).map_err(|e| e.to_string())?);
    let walk = check_and_walk(&view.map_err(|e| e.to_string())?, &mut |_| Flow::Go).map_err(|e| format!("{e:?}"))?;
    let genesis = genesis();
    let members: Vec<Id> = genesis.members.iter().map(|m| Id(m.id)).collect();
    let mut found: Vec<Id> = walk.members.iter().map(|m| m.id).collect();
    found.sort();
    if (found, walk.keys) != (members, keys) {
        return Err("other members or keys".into());
    }
    let log = wal::read(wal_dir.unwrap_or(&data.join("member/wal"))).map_err(|e| e.to_string())?;
    if Some(Id(log.node_id)) != genesis.id_of("m2") || log.entries.len() != 3 || log.torn.is_some() {
        return Err("another log".into());
    }
    let snaps = snap_files(&data.join("member/snap")).map_err(|e| e.to_string())?;
    let [file] = snaps.as_slice() else { return Err("not one .snap".into()) };
    snap::decode(&fs::read(file).map_err(|e| e.to_string())?).map(|_| ()).map_err(|e| e.to_string())
}

pub fn keys_in(source: &Path) -> u64 {
    let bytes = fs::read(source).unwrap();
    let view = View::open(bytes[..bytes.len() - 32].to_vec()).unwrap();
    check_and_walk(&view, &mut |_| Flow::Go).unwrap().keys
}

/// Puts a snapshot's trailer behind a database file.
pub fn sign(db: &Path) {
    let view = View::open(fs::File::open(db).unwrap()).unwrap();
    let used = view.used_bytes();
    let mut bytes = fs::read(db).unwrap();
    bytes.truncate(used as usize);
    let sum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&sum);
    fs::write(db, bytes).unwrap();
}

fn new_file(path: &Path) -> DiskFile {
    Disk::default().create(path, 0o600).unwrap()
}

fn value(n: u64) -> Vec<u8> {
    let main = n as i64 + 2;
    let kv = KeyValue {
        key: format!("/registry/k/{n:09}").into_bytes(),
        create_revision: main,
        mod_revision: main,
        version: 1,
        value: (0..1500u64).map(|i| (n.wrapping_mul(31).wrapping_add(i * i) % 251) as u8).collect(),
        ..KeyValue::default()
    };
    kv.encode_to_vec()
}

/// A snapshot with `keys` keys of 1.5 KB; the older half is compacted away when `holes` says so,
/// which leaves the pages that held it free.
pub fn make_snapshot(path: &Path, keys: u64, holes: bool) {
    let mut build = Build::begin(new_file(path), 4096).unwrap();
    for bucket in schema::ALL {
        build.bucket(bucket).unwrap();
        if bucket == schema::KEY {
            for n in 0..keys {
                build.put(&Revision { main: n as i64 + 2, sub: 0 }.to_bytes(), &value(n)).unwrap();
            }
        }
        if bucket == schema::CLUSTER {
            build.put(schema::CLUSTER_VERSION, b"3.5.0").unwrap();
        }
        if bucket == schema::META {
            build.put(schema::CONSISTENT_INDEX, &9u64.to_be_bytes()).unwrap();
            build.put(schema::TERM, &2u64.to_be_bytes()).unwrap();
        }
    }
    drop(build.finish(9).unwrap());
    if holes {
        change(path, |edit| {
            // The first half, so that its leaves are free and the rest stays where it is.
            for n in 0..keys / 2 {
                edit.delete(schema::KEY, &Revision { main: n as i64 + 2, sub: 0 }.to_bytes()).unwrap();
            }
            // As a compaction leaves it: revisions without rows would be lost ones otherwise.
            let compacted = Revision { main: keys as i64 / 2 + 1, sub: 0 }.to_bytes();
            edit.put(schema::META, schema::SCHEDULED_COMPACT, &compacted).unwrap();
            edit.put(schema::META, schema::FINISHED_COMPACT, &compacted).unwrap();
        });
    }
    sign(path);
}

/// Changes rows of a database file.
pub fn change(db: &Path, edit: impl FnOnce(&mut Edit<fs::File>)) {
    let file = fs::OpenOptions::new().read(true).write(true).open(db).unwrap();
    let mut editing = Edit::begin(file).unwrap();
    edit(&mut editing);
    editing.commit().unwrap();
}

/// A fixture with rows changed, signed anew.
pub fn changed_fixture(name: &str, path: &Path, edit: impl FnOnce(&mut Edit<fs::File>)) {
    let bytes = fs::read(fixture(name)).unwrap();
    fs::write(path, &bytes[..bytes.len() - 32]).unwrap();
    change(path, edit);
    sign(path);
}

/// Bytes that a file takes on the disk.
pub fn allocated(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}
