//! This machine's files, and objects in a store.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::{
    Local,
    journal_file::{is_journal, journal_path, not_ours, owners},
    snapshot_search::look_in,
};
use crate::{
    bbolt::WriteAt,
    domain::{
        members::certificates,
        model::{
            observations::{
                FileFacts, Hashed, KnownMember,
                disk::DirFacts,
                rows::StoredRows,
                started::{Data, PlannedHash},
            },
            plan::Plan,
            source_ref::{ObjectUrl, SourceRef},
        },
        quorum::known::OldKey,
        sources::data_loss::{Difference, History},
    },
    engine::{
        datadir,
        durable_fs::{self, Trusted},
        install::staging,
        post_restore,
        progress::{Flow, ProgressFn},
        scan::{
            examine,
            hashkv::{After, HashKv, hash_kv_after},
            key_loss, keys, same_history, snapshot_members,
        },
        source::{Source, creation_trouble, io_trouble},
    },
    error::{Error, ErrorKind, Result},
    system::{
        Files,
        journal::{self, Journal, Record},
        object_store,
    },
    text::Shown,
};

/// The largest text file that requorum writes, in bytes.
const TEXT: u64 = journal::MOST_BYTES;

impl Files for Local {
    fn find_snapshots(&self, places: &[PathBuf]) -> Result<Vec<FileFacts>> {
        let mut found = Vec::new();
        for place in places {
            match SourceRef::from_path(place).object() {
                Some(url) => found.extend(
                    object_store::Store::from_environment()?.list(url)?.into_iter().map(object_store::Object::facts),
                ),
                None => look_in(place, &mut found)?,
            }
        }
        Ok(found)
    }

    fn inspect_snapshot(&self, path: &Path, watch: &mut ProgressFn<'_>) -> Result<FileFacts> {
        match SourceRef::from_path(path).object() {
            Some(url) => object_store::Store::from_environment()?.object(url).map(object_store::Object::facts),
            None => examine::examine(path, watch),
        }
    }

    fn snapshot_members(&self, snapshot: &Path) -> Result<Vec<KnownMember>> {
        snapshot_members::read(snapshot)
    }

    fn removed_members(&self, snapshot: &Path) -> Vec<crate::etcd::membership::Id> {
        snapshot_members::removed(snapshot).unwrap_or_default()
    }

    fn fetch_object(&self, url: &ObjectUrl, into: &Path, watch: &mut ProgressFn<'_>) -> Result<FileFacts> {
        object_store::Store::from_environment()?.fetch(url, into, watch)?;
        examine::examine(into, watch)
    }

    fn inspect_data_dir(&self, data_dir: &Path, wal_dir: Option<&Path>) -> DirFacts {
        datadir::inspect(data_dir, wal_dir)
    }

    fn hash_database(&self, database: &Path, revision: i64, compacted: i64) -> Hashed {
        let hashed = || {
            let source = Source::open(database)?;
            let after = After { bump: None, compacted };
            hash_kv_after(&source.view()?, revision, after, &mut |_| Flow::Go)
                .map_err(|refused| refused.into_trouble(database))
        };
        match hashed() {
            Ok(HashKv { hash, revision, compacted }) => Hashed::Says { hash, revision, compacted },
            Err(error) => Hashed::Failed(error.to_string().into()),
        }
    }

    fn has_keys(&self, database: &Path, revision: i64, keys: &[OldKey]) -> Result<bool> {
        keys::are_in(database, revision, keys)
    }

    fn same_history(&self, first: &Path, second: &Path) -> Result<History> {
        let sources = [Source::open(first)?, Source::open(second)?];
        let views = [sources[0].view()?, sources[1].view()?];
        same_history::compare_histories([&views[0], &views[1]])
            .map_err(|(file, refused)| refused.into_trouble(if file == 0 { first } else { second }))
    }

    fn compare_databases(&self, first: &Path, second: &Path, watch: &mut ProgressFn<'_>) -> Result<(Difference, bool)> {
        key_loss::difference(first, second, watch)
    }

    fn planned_hash(&self, plan: &Plan, compacted: i64, watch: &mut ProgressFn<'_>) -> Result<PlannedHash> {
        post_restore::planned_hash(plan, compacted, watch)
    }

    fn planned_rows(&self, plan: &Plan, watch: &mut ProgressFn<'_>) -> Result<StoredRows> {
        post_restore::planned_rows(plan, watch)
    }

    fn post_restore(&self, plan: &Plan, watch: &mut ProgressFn<'_>) -> Result<Data> {
        post_restore::data(plan, watch)
    }

    fn read_certificates(&self, named: &[certificates::Named]) -> certificates::CertificateFacts {
        crate::system::certificates::read(named)
    }

    fn create_dir(&self, dir: &Path) -> Result<()> {
        self.tools
            .disk
            .make_dirs(dir)
            .map_err(|e| Error::new(ErrorKind::Failed, format!("{}: cannot create directory", dir.shown())).why(e))
    }

    fn write_new(&self, path: &Path, text: &str) -> Result<()> {
        let fail = |e: io::Error| match e.kind() {
            io::ErrorKind::AlreadyExists => Error::new(ErrorKind::Input, format!("{}: file exists", path.shown()))
                .why("requorum never overwrites a file")
                .hint("Name another file, or move this one aside yourself."),
            _ => creation_trouble("write", path, &e),
        };
        let (above, name) = self.tools.disk.above(path).map_err(fail)?;
        let file = above.create(&name, 0o600).map_err(fail)?;
        // A file that was not created is not removed either: without free descriptors nothing checks whether the name
        // is taken.
        if let Err(e) = file.write_all_at(text.as_bytes(), 0).and_then(|()| file.sync()) {
            if file.identity().is_ok_and(|own| above.is(&name, own)) {
                let _ = above.remove_file(&name);
            }
            return Err(fail(e));
        }
        above.sync().map_err(|e| io_trouble("make durable", above.path(), &e))
    }

    fn read_text(&self, path: &Path) -> Result<Option<String>> {
        let mut text = String::new();
        let journal = || -> io::Result<Trusted<File>> {
            let path = journal_path(path)?;
            let (above, name) = self.tools.disk.above(&path)?;
            above.trusted_owned_by(&name, false, &owners(&path))
        };
        let opened = match is_journal(path).then(journal) {
            Some(Ok(Trusted::Untrusted(why))) => return Err(not_ours(path, why)),
            Some(Ok(Trusted::Absent)) => return Ok(None),
            Some(Ok(Trusted::Ours(file))) => Ok(file),
            Some(Err(e)) => Err(e),
            None => durable_fs::regular(path),
        };
        match opened.and_then(|file| file.take(TEXT + 1).read_to_string(&mut text)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(io_trouble("read", path, &e)),
            Ok(length) if length as u64 > TEXT => {
                Err(Error::new(ErrorKind::Input, format!("{}: not read", path.shown()))
                    .why("it is larger than any file that requorum writes"))
            }
            Ok(_) => Ok(Some(text)),
        }
    }

    fn journals(&self, dir: &Path) -> Vec<(PathBuf, Result<Vec<Record>>)> {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "journal")).collect();
        paths.sort();
        paths.into_iter().map(|path| (path.clone(), Journal::at(self, &path).read())).collect()
    }

    fn append_line(&self, path: &Path, line: &mut dyn FnMut(&str) -> Result<String>) -> Result<()> {
        let fail = |e: io::Error| creation_trouble("write", path, &e);
        let home = staging::parent(path);
        self.tools.disk.make_dirs(home).map_err(|e| creation_trouble("make", home, &e))?;
        let place = journal_path(path).map_err(fail)?;
        let (above, name) = self.tools.disk.above(&place).map_err(fail)?;
        let mut file = match above.trusted_or_new_owned_by(&name, &owners(&place)).map_err(fail)? {
            Trusted::Ours(file) => file,
            Trusted::Untrusted(why) => return Err(not_ours(path, why)),
            Trusted::Absent => return Err(fail(io::ErrorKind::NotFound.into())),
        };
        // Released when the file is closed.
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).map_err(|e| fail(e.into()))?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|e| io_trouble("read", path, &e))?;
        let line = line(&text)?;
        let before = text.len() as u64;
        // The content that was read ends where the new line begins.
        if let Err(e) = file.write_all(line.as_bytes()).and_then(|()| file.sync_all()) {
            let _ = file.set_len(before);
            return Err(fail(e));
        }
        above.sync().map_err(|e| io_trouble("make durable", home, &e))
    }
}
