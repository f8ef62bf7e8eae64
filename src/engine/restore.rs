//! One member's data directory made from a snapshot: built beside its place, proven by reading it
//! back, renamed to its name.
//!
//! What it makes is what `etcdutl snapshot restore` makes (the same WAL, `.snap` and bucket
//! contents, byte for byte), and everything is durable before the rename:
//! ```text
//! DATA-DIR/member/snap/db                      the snapshot, with the new membership in it
//! DATA-DIR/member/snap/TERM-INDEX.snap         the membership again, for 3.4 and 3.5
//! DATA-DIR/member/wal/0…0-0…0.wal              the membership as the first entries of the log
//! ```
//! Its order: read the source, hash it, check every page and row; copy; compare the copy with what
//! was hashed; edit the copy; write the log; sync; reopen all of it with the independent readers
//! and compare; rename. Any failure before the rename removes what was made.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::{
    genesis::{Genesis, TERM},
    inspect::{Walk, check_and_walk},
    progress::{Phase, Watch},
    prove,
    source::{BLOCK_BYTES, Digest, Source, io_trouble, step},
    stage::{Stage, make_dir, parent, sync_dir},
};
use crate::{
    bolt,
    etcd::{
        membership::Id,
        revision::Revision,
        schema::{CLUSTER, CONSISTENT_INDEX, KEY, MEMBERS, MEMBERS_REMOVED, META, SCHEDULED_COMPACT},
        version::Minor,
    },
    raft::wal,
    trouble::{Kind, Result, Trouble},
};

/// What to restore, and as whom.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// The snapshot file.
    pub source: &'a Path,
    /// SHA-256 of the whole file, hex, where a plan pins it.
    pub pinned_sha256: Option<&'a str>,
    /// Take a file without a trailer, or with a wrong one. Its pages and rows are checked all the same.
    pub skip_hash_check: bool,
    /// All members of the new cluster, with their IDs.
    pub genesis: &'a Genesis,
    /// Which of them this is.
    pub name: &'a str,
    /// `--data-dir`.
    pub data_dir: &'a Path,
    /// `--wal-dir`, where it is not inside the data directory.
    pub wal_dir: Option<&'a Path>,
    /// The etcd version whose forms are written.
    pub target: Minor,
    /// How many revisions later the restored store starts; 0 for none.
    pub bump_revision: u64,
}

/// What stands on the disk after a restore, as it was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The member's name.
    pub name: String,
    /// The member's ID, from the WAL that was written.
    pub member_id: Id,
    /// The cluster's ID, from the WAL that was written.
    pub cluster_id: Id,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The last revision in the restored database.
    pub revision: i64,
    /// Live keys in the restored database.
    pub keys: u64,
    /// Bytes of the database file.
    pub bytes: u64,
}

/// Restores one member.
///
/// # Errors
/// When the source is not whole, the target is taken, or the machine refuses; nothing is left
/// behind then. `Stopped` when `watch` says so.
pub fn restore(job: &Job<'_>, watch: &mut Watch<'_>) -> Result<Restored> {
    let member = job.genesis.id_of(job.name).ok_or_else(|| {
        let names: Vec<&str> = job.genesis.members.iter().map(|m| m.name.as_str()).collect();
        Trouble::new(Kind::Input, format!("no member is called {:?}", job.name))
            .why(format!("the table names {}", names.join(", ")))
    })?;
    // Looked at before the source is read through, so that a taken target is said at once.
    super::stage::free(job.data_dir)?;
    job.wal_dir.map(super::stage::free).transpose()?;

    let source = Source::open(job.source)?;
    let view = source.view()?;
    let digest = source.digest(watch)?;
    trust(job, &source, &digest)?;
    let walk = check_and_walk(&view, watch).map_err(|halt| halt.into_trouble(&source))?;
    let bump = bumped(&walk, job.bump_revision)?;

    let data = Stage::begin(job.data_dir)?;
    let wal = job.wal_dir.map(Stage::begin).transpose()?;
    enough_space(&data, view.used_bytes(), wal.as_ref())?;

    let snap_dir = data.content().join("member/snap");
    make_dir(&data.content().join("member"))?;
    make_dir(&snap_dir)?;
    let wal_dir = wal.as_ref().map_or_else(|| data.content().join("member/wal"), |stage| stage.content().into());
    if wal.is_none() {
        make_dir(&wal_dir)?;
    }

    let db = snap_dir.join("db");
    copy(&source, view.used_bytes(), &digest, &db, watch)?;
    step(watch, Phase::Write, 0, 0)?;
    edit(job, &db, bump)?;
    let (snap_name, snap_bytes) = job.genesis.snap(job.target);
    write_synced(&snap_dir.join(snap_name), &snap_bytes, 0o666)?;
    let wal_bytes = job.genesis.wal(member, job.target);
    write_wal(&wal_dir.join(wal::file_name(0, 0)), &wal_bytes)?;
    for dir in [&wal_dir, &snap_dir, &data.content().join("member")] {
        sync_dir(dir)?;
    }

    let made = prove::Made { db: &db, snap_dir: &snap_dir, wal_dir: &wal_dir, member, bump };
    let mut restored = prove::prove(job, &made, &walk, watch)?;
    restored.data_dir = job.data_dir.into();

    step(watch, Phase::Place, 0, 0)?;
    // The WAL goes first: until the data directory has its name there is no member, so that rename
    // is the commit. A failure in between takes the WAL back.
    let placed_wal = wal.map(Stage::place).transpose()?;
    data.place()?.keep();
    if let Some(placed) = placed_wal {
        placed.keep();
    }
    Ok(restored)
}

/// May this file be restored from? Its pin must hold, and its trailer, unless that is passed over.
fn trust(job: &Job<'_>, source: &Source, digest: &Digest) -> Result<()> {
    if let Some(pinned) = job.pinned_sha256.filter(|pinned| !pinned.eq_ignore_ascii_case(&digest.file_sha256)) {
        return Err(Trouble::new(
            Kind::Refused,
            format!("{} is not the file that the plan was made for", source.path.display()),
        )
        .why(format!("the plan pins SHA-256 {pinned}, the file has {}", digest.file_sha256))
        .hint("Bring the right file, or make a new plan from this one."));
    }
    match digest.verified() {
        Err(why) if !job.skip_hash_check => {
            let hint = match digest.trailer {
                None => {
                    "If etcd was stopped when it was copied, say so with --skip-hash-check; its pages are checked either way."
                }
                Some(_) => {
                    "Take another copy. --skip-hash-check passes over it, at your own risk; its pages are checked either way."
                }
            };
            Err(Trouble::new(Kind::Input, format!("{} cannot be trusted", source.path.display())).why(why).hint(hint))
        }
        _ => Ok(()),
    }
}

/// The revision of the bump row; `None` without a bump.
///
/// # Errors
/// When the revision would leave the range of int64.
fn bumped(walk: &Walk, bump: u64) -> Result<Option<Revision>> {
    if bump == 0 {
        return Ok(None);
    }
    let main =
        i64::try_from(bump).ok().and_then(|bump| walk.last.main.checked_add(bump)).filter(|main| *main < i64::MAX);
    let main = main.ok_or_else(|| {
        Trouble::new(Kind::Input, format!("the revision cannot be bumped by {bump}"))
            .why(format!("the snapshot ends at {}, and revisions end at {}", walk.last.main, i64::MAX))
            .hint("1000000000 is the customary amount.")
    })?;
    Ok(Some(Revision { main, sub: 0 }))
}

fn enough_space(data: &Stage, db_bytes: u64, wal: Option<&Stage>) -> Result<()> {
    let slack = 1 << 20;
    let wal_bytes = wal::SEGMENT_BYTES;
    let needs = match wal {
        None => vec![(data, db_bytes + wal_bytes + slack)],
        Some(wal) => vec![(data, db_bytes + slack), (wal, wal_bytes + slack)],
    };
    for (stage, needed) in needs {
        let place = parent(stage.content());
        let stat = statvfs(place).map_err(|e| io_trouble("look at", place, &e.into()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < needed {
            let target = stage.placed(stage.content());
            return Err(Trouble::new(Kind::Failed, format!("not enough space for {}", target.display()))
                .why(format!("{free} bytes are free there, {needed} are needed"))
                .hint("Free some space, or choose a directory on another filesystem."));
        }
    }
    Ok(())
}

/// Copies the pages in use, in the kernel where it can, and compares the copy with what was hashed.
fn copy(source: &Source, used: u64, digest: &Digest, db: &Path, watch: &mut Watch<'_>) -> Result<()> {
    let fail = |e: io::Error| io_trouble("write", db, &e);
    let mut from = File::open(&source.path).map_err(|e| io_trouble("read", &source.path, &e))?;
    let mut to = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(db).map_err(fail)?;
    let mut done = 0;
    while done < used {
        let length = (used - done).min(16 * BLOCK_BYTES as u64);
        let copied = io::copy(&mut (&mut from).take(length), &mut to).map_err(fail)?;
        if copied < length {
            return Err(changed(source));
        }
        done += copied;
        step(watch, Phase::Copy, done, used)?;
    }
    to.seek(SeekFrom::Start(0)).map_err(fail)?;
    let mut buffer = vec![0; BLOCK_BYTES];
    let mut left = used;
    for expected in &digest.blocks {
        // A raw database may be longer than its pages in use; the block at their end is then not
        // comparable, but its rows are, when the result is walked over.
        if left < BLOCK_BYTES as u64 && used != source.body_bytes() {
            break;
        }
        let block = buffer.split_at_mut(left.min(BLOCK_BYTES as u64) as usize).0;
        to.read_exact(block).map_err(fail)?;
        left -= block.len() as u64;
        if crc32c::crc32c(block) != *expected {
            return Err(changed(source));
        }
    }
    Ok(())
}

fn changed(source: &Source) -> Trouble {
    Trouble::new(Kind::Input, format!("{} changed while it was being read", source.path.display()))
        .why("the copy is not what was hashed a moment before")
        .hint(
            "Something still writes to it. Use a file at rest: a saved snapshot, or the database of a stopped member.",
        )
}

/// Puts the new membership into the copy, resets the raft position, and bumps the revision.
///
/// Everything else stays as the snapshot has it. Without the reset of the consistent index the
/// server would drop every write until its new log had grown past the old index.
fn edit(job: &Job<'_>, db: &Path, bump: Option<Revision>) -> Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(db).map_err(|e| io_trouble("write", db, &e))?;
    let edited = (|| {
        let mut edit = bolt::Edit::begin(file)?;
        for bucket in [MEMBERS, MEMBERS_REMOVED, CLUSTER, META] {
            edit.create_bucket(bucket)?;
        }
        edit.clear_bucket(MEMBERS)?;
        edit.clear_bucket(MEMBERS_REMOVED)?;
        for member in &job.genesis.members {
            edit.put(MEMBERS, Id(member.id).to_string().as_bytes(), member.to_json().as_bytes())?;
        }
        if let Some(revision) = bump {
            edit.create_bucket(KEY)?;
            edit.put(KEY, &revision.to_bytes(), b"")?;
            edit.put(META, SCHEDULED_COMPACT, &revision.to_bytes())?;
        }
        edit.put(META, CONSISTENT_INDEX, &job.genesis.index().to_be_bytes())?;
        edit.put(META, crate::etcd::schema::TERM, &TERM.to_be_bytes())?;
        edit.commit()
    })();
    edited.map_err(|e: bolt::Error| {
        Trouble::new(Kind::Failed, format!("cannot write the new members into {}", db.display())).why(e)
    })
}

fn write_synced(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    })();
    written.map_err(|e| io_trouble("write", path, &e))
}

/// Writes the WAL segment at the size to which etcd preallocates its own.
fn write_wal(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        match fallocate(&file, FallocateFlags::empty(), 0, wal::SEGMENT_BYTES) {
            // Not every filesystem reserves space; etcd, too, takes the length alone then.
            Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(wal::SEGMENT_BYTES)?,
            other => other?,
        }
        file.write_all(bytes)?;
        file.sync_all()
    })();
    written.map_err(|e: io::Error| io_trouble("write", path, &e))
}

/// Names the `.snap` file of a restore; for those who look at the result.
pub fn snap_files(snap_dir: &Path) -> Result<Vec<PathBuf>> {
    let read = |e: io::Error| io_trouble("read", snap_dir, &e);
    let mut found = Vec::new();
    for entry in fs::read_dir(snap_dir).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.extension().is_some_and(|x| x == "snap") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
