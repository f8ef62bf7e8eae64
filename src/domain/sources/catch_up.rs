//! What to do about a directory whose log goes on past its database: its own etcd brings in what the log holds, but starting
//! one is only advised where nothing known speaks against it.

use std::path::Path;

use super::source::{Observed, Survivor};
use crate::{
    domain::{
        model::observations::{
            FileFacts, Health,
            disk::{DataDirState, DirFacts, DirState},
        },
        quorum::newest_dir,
    },
    text::Shown,
};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp<'a> {
    /// A survivor, this one, has all that the log holds.
    SaveFrom(&'a str),
    /// An etcd runs on it.
    Runs,
    /// It is not whole: an etcd would not start on it as it is, or start without a part of it.
    NotWhole,
    /// The directory of the same member that goes further.
    Older(&'a Path),
    /// It is not known whether the log's last entries were committed, so an etcd alone would not apply them.
    Undecided,
    /// Its own etcd brings in what the log holds.
    Start {
        /// All of it; else what it knows to be committed.
        all: bool,
        /// Its database is damaged in a part that an etcd starts without, and that it writes over then.
        damaged: bool,
        /// Something on its host is set up to start an etcd on this very directory; else it may be a copy.
        set_up: bool,
    },
}

impl<'a> CatchUp<'a> {
    /// What a directory by itself allows. `read` is what a reading of its database showed, where it was read since.
    pub fn new(dir: &'a DirFacts, read: Option<&FileFacts>, others: &'a [DirFacts]) -> Self {
        let says = match &dir.state {
            _ if dir.held.is_held() => return CatchUp::Runs,
            DirState::Whole(says) => says,
            _ => return CatchUp::NotWhole,
        };
        let damaged = match (&says.database.health, read.map(|file| &file.health)) {
            (Health::Broken(_) | Health::Unreadable(_), _) | (_, Some(Health::Broken(_) | Health::Unreadable(_))) => {
                return CatchUp::NotWhole;
            }
            (Health::Limited(damage), _) | (_, Some(Health::Limited(damage))) => {
                if !damage.parts.iter().all(|part| part.etcd_starts()) {
                    return CatchUp::NotWhole;
                }
                true
            }
            _ => false,
        };
        if let Some(newer) = newest_dir::newer(dir, others) {
            return CatchUp::Older(&newer.data_dir);
        }
        match (says.committed_beyond(), says.undecided_beyond()) {
            (0, _) => CatchUp::Undecided,
            (_, undecided) => CatchUp::Start { all: undecided == 0, damaged, set_up: !dir.learned_from.is_empty() },
        }
    }

    /// As [`CatchUp::new`], with regard to everything else that was seen.
    pub(crate) fn among(dir: &'a DirFacts, says: &DataDirState, seen: &'a Observed<'_>) -> Self {
        // committed up to the log's end, so it has all that this one could have served
        let has = |s: &&Survivor<'_>| s.says.cluster_id == says.cluster_id && s.says.raft_index >= says.last_index;
        match seen.survivors.iter().find(has) {
            Some(survivor) => CatchUp::SaveFrom(&survivor.name),
            None => CatchUp::new(dir, seen.files.iter().find(|file| file.path == says.database.path), seen.dirs),
        }
    }

    /// A sentence or two. The member cannot be asked for a snapshot while it runs alone: its client port stays shut until
    /// it has published itself, which takes a quorum.
    pub fn sentence(self) -> String {
        match self {
            CatchUp::SaveFrom(name) => {
                format!("Save from {name} instead: it answers, and has all that this member's log holds.")
            }
            CatchUp::Runs => "etcd is running on it; save a snapshot from that member instead.".into(),
            CatchUp::NotWhole => {
                "Keep its directory, and do not start etcd on it as it is: its log holds more than can be read here.".into()
            }
            CatchUp::Older(newer) => format!(
                "Do not start etcd on it: {} goes further, and the member would lose acknowledged writes.",
                newer.shown()
            ),
            CatchUp::Undecided => {
                "Its own etcd alone would not apply the last entries of its log: it is not known whether they were committed. \
                 Another member may know."
                    .into()
            }
            CatchUp::Start { all, damaged, set_up } => {
                let what = if all { "what its log holds" } else { "what it knows to be committed" };
                let copy = match damaged {
                    true => "Its database is damaged, so keep a copy of the directory first. ",
                    false => "",
                };
                let start = match set_up {
                    true => "Start its own etcd once",
                    false => "If it is not a copy, start its own etcd once",
                };
                format!("{copy}{start}, stop it (TERM) and check again: even without quorum it applies {what}.")
            }
        }
    }

    /// A clause for the headline.
    pub(crate) fn clause(self) -> String {
        match self {
            CatchUp::SaveFrom(name) => format!("save from {name}"),
            CatchUp::Runs => "save a snapshot from the member that runs on it".into(),
            CatchUp::NotWhole => "keep it, and do not start etcd on it as it is".into(),
            CatchUp::Older(newer) => format!("keep it, but do not start etcd on it: {} goes further", newer.shown()),
            CatchUp::Undecided => {
                "keep it; it is not known whether they were committed, another member may know".into()
            }
            CatchUp::Start { damaged, set_up, .. } => {
                let copy = if damaged { "its database is damaged, so copy the directory; then " } else { "" };
                let that = if set_up { "" } else { "if it is not a copy, " };
                format!("{that}{copy}start that member's own etcd once, stop it and check again")
            }
        }
    }
}
