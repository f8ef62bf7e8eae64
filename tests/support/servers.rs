//! The etcd servers under `target/etcd`, as `tests/servers/get` left them.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// One minor version's programs.
#[derive(Debug, Clone)]
pub struct Server {
    /// `3.5`
    pub minor: &'static str,
    /// `3.5.35`
    pub full: String,
    dir: PathBuf,
}

impl Server {
    /// The server of this minor version.
    ///
    /// # Errors
    /// Why it is not here, in a sentence.
    pub fn find(minor: &'static str) -> Result<Server, String> {
        let dir = home().join(minor);
        match fs::read_to_string(dir.join("from")) {
            Ok(from) => Ok(Server { minor, full: from.split_whitespace().nth(1).unwrap_or(minor).to_string(), dir }),
            Err(_) => Err(match fs::read_to_string(home().join("SOURCES")) {
                Ok(sources) => match sources.lines().find(|l| l.starts_with(minor)) {
                    Some(line) => format!("etcd {line}"),
                    None => format!("no etcd {minor} here"),
                },
                Err(_) => format!("no etcd {minor} here; tests/servers/get was not run"),
            }),
        }
    }

    /// Where `etcd` and its tools lie, for a PATH.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The offline tool, whose answers ours are held against.
    ///
    /// # Errors
    /// Why it is not here.
    pub fn etcdutl(&self) -> Result<Command, String> {
        let path = self.dir.join("etcdutl");
        if path.is_file() { Ok(Command::new(path)) } else { Err(format!("etcd {} has no etcdutl here", self.full)) }
    }

    /// The third number of the version.
    pub fn patch(&self) -> u32 {
        self.full.split('.').nth(2).and_then(|p| p.parse().ok()).unwrap_or(0)
    }
}

/// Notes that a case passed on a version; `tests/run` counts the lines.
pub fn note_run(minor: &str, case: &str) {
    let mut log = OpenOptions::new().create(true).append(true).open(home().join("ran.log")).unwrap();
    log.write_all(format!("{minor} {case}\n").as_bytes()).unwrap();
}

/// Go's own bbolt as a checker (`tests/tools/boltcheck`), where Go was there to build it.
pub fn boltcheck() -> Option<Command> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/boltcheck");
    path.is_file().then(|| Command::new(path))
}

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/etcd")
}
