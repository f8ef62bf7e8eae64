//! A user's results: a small file in the user's state directory. It is optional; without it the list shows no results.

use std::{collections::BTreeMap, fs, io::Write, path::Path};

use serde::{Deserialize, Serialize};

use super::debrief::Debrief;
use crate::{
    engine::source::{creation_trouble, io_trouble},
    error::{Error, ErrorKind, Result},
    text::Shown,
};

/// The file's name in the state directory.
pub const FILE: &str = "drills.json";

/// All scenarios that were tried, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress(pub BTreeMap<String, Tried>);

/// The results of one scenario.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// How often it was finished.
    pub ended: u32,
    /// How often it was passed.
    pub passed: u32,
    /// The best result: fewest writes lost, then least time.
    pub best: Option<Best>,
}

/// The best result of one scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Best {
    /// Writes lost compared with the best possible.
    pub lost: i64,
    /// Seconds.
    pub seconds: u64,
}

impl Progress {
    /// Reads the file; returns no results if it does not exist.
    ///
    /// # Errors
    /// If the file exists but cannot be read or parsed.
    pub fn read(path: &Path) -> Result<Progress> {
        match fs::read(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Progress::default()),
            Err(e) => Err(io_trouble("read", path, &e)),
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| {
                Error::new(ErrorKind::Input, format!("{}: invalid results file", path.shown()))
                    .why(e)
                    .hint("Move it away; a new one is started then.")
            }),
        }
    }

    /// Adds the result of an exercise.
    pub fn add(&mut self, debrief: &Debrief) {
        let tried = self.0.entry(debrief.scenario.clone()).or_default();
        tried.ended += 1;
        if debrief.passed {
            tried.passed += 1;
            let now = Best { lost: debrief.writes.map_or(0, |w| w.lost), seconds: debrief.seconds };
            tried.best = Some(tried.best.map_or(now, |best| best.min(now)));
        }
    }

    /// Writes the file atomically.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let fail = |e| creation_trouble("write", path, &e);
        let dir = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(dir).map_err(fail)?;
        let mut file = tempfile::NamedTempFile::new_in(dir).map_err(fail)?;
        file.write_all(&serde_json::to_vec_pretty(self).unwrap_or_default()).map_err(fail)?;
        file.persist(path).map_err(|e| fail(e.error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_best_score_lost_least_then_was_quickest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/drills.json");
        assert_eq!(Progress::read(&path).unwrap(), Progress::default());
        let mut progress = Progress::default();
        let drill = crate::drill::Drill::set_up(
            crate::drill::scenario::library::find("first-night", None).unwrap(),
            Default::default(),
        );
        let mut debrief = crate::drill::debrief::debrief(&drill.unwrap().exercise.lock());
        assert!(!debrief.passed);
        progress.add(&debrief);
        debrief.passed = true;
        for (lost, seconds) in [(5, 10), (0, 300), (0, 200), (0, 400)] {
            debrief.writes = Some(crate::drill::debrief::Writes { restored: 0, best: 0, lost });
            debrief.seconds = seconds;
            progress.add(&debrief);
        }
        progress.write(&path).unwrap();
        let read = Progress::read(&path).unwrap();
        assert_eq!(read, progress);
        let tried = &read.0["first-night"];
        assert_eq!((tried.ended, tried.passed, tried.best), (5, 4, Some(Best { lost: 0, seconds: 200 })));
        fs::write(&path, "{").unwrap();
        assert!(!Progress::read(&path).unwrap_err().hint.is_empty(), "what to do with it");
    }
}
