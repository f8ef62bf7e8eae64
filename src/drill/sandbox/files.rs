//! The files of the exercise's directory, and no others.

use std::path::{Path, PathBuf};

use super::{Sandbox, bounds};
use crate::{
    domain::{
        members::certificates,
        model::{
            observations::{
                FileFacts, Hashed, KnownMember,
                disk::{DirFacts, DirState, Held},
                rows::StoredRows,
                started::{Data, PlannedHash},
            },
            plan::Plan,
            source_ref::ObjectUrl,
        },
        quorum::known::OldKey,
        sources::data_loss::{Difference, History},
    },
    engine::progress::ProgressFn,
    error::Result,
    etcd::membership::Id,
    system::{Files, System, journal::Record},
};

impl<W: System> Files for Sandbox<W> {
    fn find_snapshots(&self, places: &[PathBuf]) -> Result<Vec<FileFacts>> {
        places.iter().try_for_each(|place| self.bounds.path(place))?;
        self.inner.find_snapshots(places)
    }

    fn inspect_snapshot(&self, path: &Path, watch: &mut ProgressFn<'_>) -> Result<FileFacts> {
        self.bounds.path(path)?;
        self.inner.inspect_snapshot(path, watch)
    }

    fn snapshot_members(&self, snapshot: &Path) -> Result<Vec<KnownMember>> {
        self.bounds.path(snapshot)?;
        self.inner.snapshot_members(snapshot)
    }

    fn removed_members(&self, snapshot: &Path) -> Vec<Id> {
        match self.bounds.path(snapshot) {
            Ok(()) => self.inner.removed_members(snapshot),
            Err(_) => Vec::new(),
        }
    }

    fn fetch_object(&self, url: &ObjectUrl, _into: &Path, _watch: &mut ProgressFn<'_>) -> Result<FileFacts> {
        Err(bounds::outside(url.as_str()))
    }

    fn inspect_data_dir(&self, data_dir: &Path, wal_dir: Option<&Path>) -> DirFacts {
        let outside = [Some(data_dir), wal_dir].into_iter().flatten().find_map(|path| self.bounds.path(path).err());
        if let Some(error) = outside {
            return DirFacts {
                data_dir: data_dir.into(),
                wal_dir: wal_dir.map(Path::to_path_buf),
                learned_from: String::new(),
                held: Held::Unknown(format!("it is {}", bounds::OUTSIDE)),
                state: DirState::Unreadable(error.on_one_line()),
            };
        }
        let facts = self.inner.inspect_data_dir(data_dir, wal_dir);
        // a simulated member has no file lock, but its directory is in use
        let exercise = self.exercise.lock();
        match exercise.lab.runner_of(data_dir).filter(|_| !exercise.lab.is_real()) {
            Some(_) => DirFacts { held: Held::By { pid: None, program: "etcd".into() }, ..facts },
            None => facts,
        }
    }

    fn hash_database(&self, database: &Path, revision: i64, compacted: i64) -> Hashed {
        match self.bounds.path(database) {
            Ok(()) => self.inner.hash_database(database, revision, compacted),
            Err(error) => Hashed::Failed(error.to_string().into()),
        }
    }

    fn has_keys(&self, database: &Path, revision: i64, keys: &[OldKey]) -> Result<bool> {
        self.bounds.path(database)?;
        self.inner.has_keys(database, revision, keys)
    }

    fn same_history(&self, first: &Path, second: &Path) -> Result<History> {
        self.bounds.path(first)?;
        self.bounds.path(second)?;
        self.inner.same_history(first, second)
    }

    fn compare_databases(&self, first: &Path, second: &Path, watch: &mut ProgressFn<'_>) -> Result<(Difference, bool)> {
        self.bounds.path(first)?;
        self.bounds.path(second)?;
        self.inner.compare_databases(first, second, watch)
    }

    fn planned_hash(&self, plan: &Plan, compacted: i64, watch: &mut ProgressFn<'_>) -> Result<PlannedHash> {
        self.bounds.path(&plan.source.path)?;
        self.inner.planned_hash(plan, compacted, watch)
    }

    fn planned_rows(&self, plan: &Plan, watch: &mut ProgressFn<'_>) -> Result<StoredRows> {
        self.bounds.path(&plan.source.path)?;
        self.inner.planned_rows(plan, watch)
    }

    fn post_restore(&self, plan: &Plan, watch: &mut ProgressFn<'_>) -> Result<Data> {
        self.bounds.path(&plan.source.path)?;
        self.inner.post_restore(plan, watch)
    }

    fn read_certificates(&self, named: &[certificates::Named]) -> certificates::CertificateFacts {
        self.inner.read_certificates(&self.bounds.certificates(named))
    }

    fn create_dir(&self, dir: &Path) -> Result<()> {
        self.bounds.path(dir)?;
        self.inner.create_dir(dir)
    }

    fn write_new(&self, path: &Path, text: &str) -> Result<()> {
        self.bounds.path(path)?;
        self.inner.write_new(path, text)
    }

    fn read_text(&self, path: &Path) -> Result<Option<String>> {
        self.bounds.path(path)?;
        self.inner.read_text(path)
    }

    fn journals(&self, dir: &Path) -> Vec<(PathBuf, Result<Vec<Record>>)> {
        match self.bounds.path(dir) {
            Ok(()) => self.inner.journals(dir),
            Err(_) => Vec::new(),
        }
    }

    fn append_line(&self, path: &Path, line: &mut dyn FnMut(&str) -> Result<String>) -> Result<()> {
        self.bounds.path(path)?;
        self.inner.append_line(path, line)
    }
}
