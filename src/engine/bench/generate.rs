//! Generates large snapshots for benchmarks: as etcd 3.6 would save them, of any size, always with the same bytes.
//!
//! Rows are revisions from 2 on, mostly of new keys; every fiftieth changes an older key and every two-hundredth
//! deletes one, so that etcd could have written every history.

use std::{
    fs::File,
    io::{Seek, SeekFrom, Write},
    path::Path,
    str::FromStr,
};

use prost::Message;

use crate::{
    bbolt::{self, Build},
    engine::{
        durable_fs::Disk,
        progress::{Phase, ProgressFn},
        source::{Source, creation_trouble, step},
    },
    error::{Error, ErrorKind, Result},
    etcd::{
        membership::{Member, member_id},
        proto::KeyValue,
        revision::Revision,
        schema,
    },
    text::Shown,
};

/// The shape of the generated data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Values as in Kubernetes: 75 % of 0.4 to 3 KB, 24 % of 4 to 16 KB, 1 % of 64 to 256 KB.
    BigValues,
    /// Millions of values of 64 to 256 bytes.
    SmallKeys,
    /// As [`Shape::BigValues`], with as many free pages as used ones.
    HalfFree,
}

impl Shape {
    /// All shapes.
    pub const ALL: [Shape; 3] = [Shape::BigValues, Shape::SmallKeys, Shape::HalfFree];

    /// Returns its name on the command line and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Shape::BigValues => "big-values",
            Shape::SmallKeys => "small-keys",
            Shape::HalfFree => "half-free",
        }
    }
}

impl FromStr for Shape {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = Shape::ALL.into_iter().find(|shape| shape.as_str() == text);
        found.ok_or_else(|| format!("expected one of {}", Shape::ALL.map(Shape::as_str).join(", ")))
    }
}

/// Writes a snapshot of this shape and of about `bytes` to `path`, which must not exist.
///
/// # Errors
/// If it cannot be written; an incomplete file is removed. `Stopped` if `watch` returns stop.
pub fn generate(shape: Shape, bytes: u64, path: &Path, watch: &mut ProgressFn<'_>) -> Result<()> {
    let disk = Disk::default();
    let file = disk.create(path, 0o644).map_err(|e| creation_trouble("write", path, &e))?.into_file();
    write(shape, bytes, &file, path, watch).inspect_err(|_| {
        let _ = disk.remove_file(path);
    })
}

fn write(shape: Shape, bytes: u64, mut file: &File, path: &Path, watch: &mut ProgressFn<'_>) -> Result<()> {
    let mut build = Build::begin(file, 4096).map_err(|e| refused(path, &e))?;
    for name in schema::ALL {
        build.bucket(name).map_err(|e| refused(path, &e))?;
        match name {
            schema::KEY => {
                build.leave_stale_pages(shape == Shape::HalfFree);
                rows(shape, bytes, &mut build, path, watch)?;
                build.leave_stale_pages(false);
            }
            schema::MEMBERS => {
                let urls = vec!["http://127.0.0.1:2380".to_string()];
                let id = member_id(&urls, "bench");
                let client_urls = vec!["http://127.0.0.1:2379".to_string()];
                let member = Member { id: id.0, peer_urls: urls, is_learner: false, name: "bench".into(), client_urls };
                let row = build.put(id.to_string().as_bytes(), member.to_json().as_bytes());
                row.map_err(|e| refused(path, &e))?;
            }
            schema::CLUSTER => {
                build.put(schema::CLUSTER_VERSION, b"3.6.0").map_err(|e| refused(path, &e))?;
            }
            schema::META => {
                for (key, value) in [
                    (schema::CONSISTENT_INDEX, &(1u64 << 30).to_be_bytes()[..]),
                    (schema::STORAGE_VERSION, b"3.6.0"),
                    (schema::TERM, &2u64.to_be_bytes()),
                ] {
                    build.put(key, value).map_err(|e| refused(path, &e))?;
                }
            }
            _ => {}
        }
    }
    build.finish(1 << 20).map_err(|e| refused(path, &e))?;
    let digest = Source::open(path)?.digest(watch)?;
    let fail = |e| creation_trouble("write", path, &e);
    file.seek(SeekFrom::End(0)).map_err(fail)?;
    file.write_all(&digest.body_sha256).map_err(fail)?;
    file.sync_all().map_err(fail)
}

/// Writes the rows of the bucket `key` until the file has `bytes`.
fn rows(shape: Shape, bytes: u64, build: &mut Build<&File>, path: &Path, watch: &mut ProgressFn<'_>) -> Result<()> {
    let mut rng = Rng(0x9e37_79b9_7f4a_7c15);
    let filler: Vec<u8> = (0..1 << 20).map(|_| rng.below(256) as u8).collect();
    let (mut reported, mut row) = (0, Vec::new());
    for n in 0i64.. {
        let done = build.written();
        if done >= bytes {
            break;
        }
        if done.saturating_sub(reported) >= 1 << 20 {
            reported = done;
            step(watch, Phase::Write, done.min(bytes), bytes)?;
        }
        let change = change(n);
        let main = |n: i64| n.saturating_add(2);
        let mut at = Revision { main: main(n), sub: 0 }.to_bytes().to_vec();
        let name = |n: i64| format!("/registry/k/{n:09}").into_bytes();
        let kv = match change {
            Change::Delete(key) => {
                at.push(b't');
                KeyValue { key: name(key), ..KeyValue::default() }
            }
            Change::Create | Change::Update(_) => {
                let length = length(shape, &mut rng);
                let from = rng.below(filler.len().saturating_sub(length).saturating_add(1));
                let value = filler.get(from..).and_then(|rest| rest.get(..length)).unwrap_or_default().to_vec();
                let (key, version) = if let Change::Update(key) = change { (key, 2) } else { (n, 1) };
                KeyValue { key: name(key), create_revision: main(key), mod_revision: main(n), version, value, lease: 0 }
            }
        };
        row.clear();
        kv.encode(&mut row).map_err(|e| Error::new(ErrorKind::Bug, "failed to encode a row").why(e))?;
        build.put(&at, &row).map_err(|e| refused(path, &e))?;
    }
    Ok(())
}

/// The change in a row.
enum Change {
    Create,
    Update(i64),
    Delete(i64),
}

/// Returns the change in row `n`. Only keys that were created are changed or deleted, each once.
fn change(n: i64) -> Change {
    match (n % 50, n % 200) {
        (49, _) => Change::Update(n.saturating_sub(25)),
        (_, 150) => Change::Delete(n.saturating_sub(60)),
        _ => Change::Create,
    }
}

fn length(shape: Shape, rng: &mut Rng) -> usize {
    let (least, most): (usize, usize) = match (shape, rng.below(100)) {
        (Shape::SmallKeys, _) => (64, 256),
        (_, 0..75) => (400, 3000),
        (_, 75..99) => (4 << 10, 16 << 10),
        _ => (64 << 10, 256 << 10),
    };
    let width = most.saturating_sub(least).saturating_add(1);
    rng.below(width).saturating_add(least)
}

/// Xorshift: the same numbers on every machine.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11).checked_rem(bound as u64).unwrap_or(0) as usize
    }
}

fn refused(path: &Path, error: &bbolt::Error) -> Error {
    Error::new(ErrorKind::Failed, format!("cannot write {}", path.shown())).why(error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::{
        progress::Flow,
        scan::status::{self, Trailer},
    };

    #[test]
    fn every_shape_is_an_intact_snapshot() {
        let dir = tempfile::tempdir().unwrap();
        for shape in Shape::ALL {
            assert_eq!(shape.as_str().parse(), Ok(shape));
            let path = dir.path().join(shape.as_str());
            generate(shape, 3 << 20, &path, &mut |_| Flow::Go).unwrap();
            let status = status::status(&path, &mut |_| Flow::Go).unwrap();
            assert_eq!(status.trailer, Trailer::Ok, "{shape:?}");
            let rows = u64::try_from(status.revision).unwrap() - 1;
            let (changed, gone) = ((0..rows).filter(|n| n % 50 == 49).count(), (0..rows).filter(|n| n % 200 == 150));
            assert_eq!(status.total_key, rows - changed as u64 - 2 * gone.count() as u64, "{shape:?}");
            let view = Source::open(&path).unwrap().view().unwrap();
            let report = bbolt::check(&view, &mut |_, _| true).unwrap();
            let share = report.free * 100 / report.pages;
            assert!(
                if shape == Shape::HalfFree { (48..=52).contains(&share) } else { share == 0 },
                "{shape:?}: {share}"
            );
        }
    }

    #[test]
    fn a_stop_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let stopped = generate(Shape::SmallKeys, 3 << 20, &path, &mut |_| Flow::Stop).unwrap_err();
        assert_eq!((stopped.kind, path.exists()), (ErrorKind::Stopped, false));
        std::fs::write(&path, "mine").unwrap();
        generate(Shape::SmallKeys, 1 << 20, &path, &mut |_| Flow::Go).unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    }
}
