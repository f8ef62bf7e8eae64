//! The files in the backup directory: the history up to a revision, with the SHA-256 that `snapshot save` appends, then
//! damaged, truncated or packed as the scenario says.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;

use super::workload::{DatabaseMeta, History, Rng};
use crate::{
    drill::scenario::{Backup, Damage, Pack},
    engine::source::{creation_trouble, io_trouble},
    error::Result,
};

/// The page size of all databases of a lab.
const PAGE: usize = 4096;

/// Makes a backup in `dir`, packed if the scenario says so. Returns its path.
///
/// # Errors
/// If it cannot be written.
pub fn make(dir: &Path, backup: &Backup, history: &History, meta: &DatabaseMeta) -> Result<PathBuf> {
    let path = dir.join(&backup.file);
    let bytes = snapshot(dir, backup, history, meta)?;
    let fail = |e: io::Error| creation_trouble("write", &path, &e);
    let packed = match backup.pack {
        None => bytes,
        Some(Pack::Gzip) => {
            let mut out = GzEncoder::new(Vec::new(), Compression::default());
            out.write_all(&bytes).and_then(|()| out.finish()).map_err(fail)?
        }
        Some(Pack::Zip) => {
            let mut out = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
            out.start_file(unpacked(&backup.file), SimpleFileOptions::default()).map_err(|e| fail(e.into()))?;
            out.write_all(&bytes).map_err(fail)?;
            out.finish().map_err(|e| fail(e.into()))?.into_inner()
        }
    };
    put(&path, &packed, backup.minutes_old)?;
    Ok(path)
}

/// Unpacks a backup into the directory of its archive.
///
/// # Errors
/// If it cannot be written.
pub fn unpack(dir: &Path, backup: &Backup, history: &History, meta: &DatabaseMeta) -> Result<PathBuf> {
    let path = dir.join(unpacked(&backup.file));
    if !path.exists() {
        put(&path, &snapshot(dir, backup, history, meta)?, backup.minutes_old)?;
    }
    Ok(path)
}

/// Returns a file's name without the archive's extension.
fn unpacked(name: &str) -> &str {
    [".zip", ".gz"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

/// Returns the bytes of the snapshot, damaged and truncated as the scenario says.
fn snapshot(dir: &Path, backup: &Backup, history: &History, meta: &DatabaseMeta) -> Result<Vec<u8>> {
    let scratch = dir.join(".making");
    let built = history.database(backup.revision, meta, &scratch);
    let bytes = built.and_then(|()| fs::read(&scratch).map_err(|e| io_trouble("read", &scratch, &e)));
    let _ = fs::remove_file(&scratch);
    let mut bytes = bytes?;
    if !backup.raw {
        let hash = Sha256::digest(&bytes);
        bytes.extend(hash);
    }
    if let Some(damage) = backup.damage {
        self::damage(&mut bytes, damage);
    }
    if let Some(length) = backup.cut_to {
        bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
    }
    Ok(bytes)
}

/// Damages a database.
pub fn damage(bytes: &mut [u8], damage: Damage) {
    let mut rng = Rng(0x5eed);
    let place = match damage {
        // most pages belong to the key bucket
        Damage::Page => (bytes.len() / PAGE / 2) * PAGE,
        Damage::FirstMeta => 0,
    };
    let hit = match damage {
        Damage::Page => place + 16..place + 80,
        Damage::FirstMeta => 16..128,
    };
    for byte in bytes.get_mut(hit).unwrap_or_default() {
        *byte = (rng.number() % 256) as u8;
    }
}

fn put(path: &Path, bytes: &[u8], minutes: u64) -> Result<()> {
    let fail = |e: io::Error| creation_trouble("write", path, &e);
    let mut out = File::create_new(path).map_err(fail)?;
    out.write_all(bytes).map_err(fail)?;
    let then = SystemTime::now().checked_sub(Duration::from_secs(60 * minutes));
    then.map_or(Ok(()), |then| out.set_modified(then)).map_err(fail)
}
