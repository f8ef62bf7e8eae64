//! What the wizard asks the shell around it to do.

use std::path::PathBuf;

use serde_json::Value;

use crate::{
    domain::{
        members::certificates,
        model::{observations::KnownMember, old_cluster::Old, plan::Plan, source_ref::Download},
        preflight::stop::RunningEtcd,
        quorum::hash_pairs::Pair,
    },
    etcd::membership::Id,
    execute::executor::Goal,
    system::DataDir,
};

/// What a plan does not say of how it is to be carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Orders {
    /// How far.
    pub until: Goal,
    /// What is known of the old cluster.
    pub old: Old,
    /// The commands that may be run to stop an etcd, each on its host.
    pub consent: Vec<(String, RunningEtcd)>,
    /// The overrides that were typed.
    pub overridden: Vec<String>,
    /// Why, in the operator's words.
    pub reason: String,
    /// What was decided on the way to it, each in a sentence and for programs.
    pub decisions: Vec<(String, Value)>,
    /// The journal.
    pub journal: PathBuf,
}

/// What the wizard asks the shell around it to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask one member.
    Ask {
        /// For the answer.
        id: u64,
        /// The client URL.
        endpoint: String,
        /// True where the operator named it, so that it may see the credentials.
        named: bool,
    },
    /// Ask whether the member behind a silent client URL is alive at its peer URLs.
    AskPeer {
        /// For the answer.
        id: u64,
        /// The silent client URL.
        endpoint: String,
        /// The member behind it, as its cluster lists it.
        member: KnownMember,
    },
    /// Ask one member for the hash of its keys.
    Hash {
        /// For the answer.
        id: u64,
        /// The client URL.
        endpoint: String,
        /// Up to which revision.
        revision: i64,
    },
    /// Hold directories and snapshots against members that serve, one after the other.
    HoldAgainst {
        /// For the answer.
        id: u64,
        /// What against whom.
        pairs: Vec<Pair>,
    },
    /// Find configurations and data directories on this machine.
    LookAround {
        /// For the answer.
        id: u64,
        /// Data directories that were named.
        named: Vec<DataDir>,
    },
    /// List the files in these places.
    Find {
        /// For the answer.
        id: u64,
        /// Files and directories.
        places: Vec<PathBuf>,
    },
    /// Read a file through.
    Inspect {
        /// For the answer.
        id: u64,
        /// The file.
        path: PathBuf,
    },
    /// Look at a data directory.
    Look {
        /// For the answer.
        id: u64,
        /// The data directory.
        data_dir: PathBuf,
        /// Its WAL directory, if elsewhere.
        wal_dir: Option<PathBuf>,
    },
    /// Look at two files briefly: do they have one history?
    Relate {
        /// For the answer.
        id: u64,
        /// The files.
        files: [PathBuf; 2],
    },
    /// Compare two files whole.
    Compare {
        /// For the answer.
        id: u64,
        /// The files.
        files: [PathBuf; 2],
    },
    /// Save a snapshot from a member.
    Save {
        /// For the answer.
        id: u64,
        /// The member or the object.
        from: Download,
        /// The new file.
        into: PathBuf,
        /// Its directory is the one that was proposed: it is made where it is not there.
        makes_dir: bool,
    },
    /// Look whether an old member still answers, a directory is held, or something would start an old etcd again.
    Fences {
        /// For the answer.
        id: u64,
        /// The plan.
        plan: Box<Plan>,
        /// What is known of the old cluster.
        old: Old,
        /// Old members that are stopped before anything is installed.
        halted: Vec<Id>,
        /// Where this plan's runs are written down.
        journal: PathBuf,
    },
    /// Look at every host of a plan. Nothing is written there.
    LookAtHosts {
        /// For the answers.
        id: u64,
        /// The plan.
        plan: Box<Plan>,
        /// Send the program, for as long as the look takes, to hosts where an etcd runs.
        closer: bool,
    },
    /// Which of these names and addresses are this machine?
    Here {
        /// For the answer.
        id: u64,
        /// As written in URLs.
        hosts: Vec<String>,
    },
    /// Read the journals of earlier runs.
    Journals {
        /// For the answer.
        id: u64,
        /// Where they are.
        dir: PathBuf,
    },
    /// Carry a plan out on its hosts as far as the orders say, or roll it back. The only effect that makes data
    /// directories.
    Apply {
        /// For the answers.
        id: u64,
        /// The plan, confirmed by its label.
        plan: Box<Plan>,
        /// How it is to be carried out.
        orders: Box<Orders>,
    },
    /// Watch the members of a restored plan come up.
    Verify {
        /// For the answers.
        id: u64,
        /// The plan.
        plan: Box<Plan>,
        /// What is known of the old cluster.
        old: Old,
        /// Whether a key may be put, read and deleted.
        canary: bool,
        /// The journal of the plan's runs.
        journal: PathBuf,
        /// Whether the journal records the result.
        records: bool,
    },
    /// Ask the hosts of these members for their addresses and how their etcds were started until now. The program is
    /// sent there for as long as that takes.
    KnowHosts {
        /// For the answer.
        id: u64,
        /// The plan.
        plan: Box<Plan>,
        /// The members.
        names: Vec<String>,
    },
    /// Look how a member would be started on its host.
    Offer {
        /// For the answer.
        id: u64,
        /// The plan.
        plan: Box<Plan>,
        /// The member.
        name: String,
        /// The journal, which records what was stopped there before.
        journal: PathBuf,
    },
    /// Start an installed member.
    Start {
        /// For the answer.
        id: u64,
        /// The plan.
        plan: Box<Plan>,
        /// The member.
        name: String,
        /// The commands that were agreed to.
        commands: Vec<String>,
        /// The journal.
        journal: PathBuf,
    },
    /// Stop the effect of this ID at its next safe point.
    Cancel {
        /// Of the effect to be stopped.
        id: u64,
    },
    /// Write a new file, never over another.
    Write {
        /// For the answer.
        id: u64,
        /// The file.
        path: PathBuf,
        /// What goes into it.
        text: String,
    },
    /// Read these certificates.
    Certificates {
        /// For the answer.
        id: u64,
        /// Their paths.
        named: Vec<certificates::Named>,
    },
    /// Ask for the time and for fresh digits.
    Fresh {
        /// For the answer.
        id: u64,
    },
    /// Ask the observer for the next note.
    Note,
    /// Send text to the clipboard.
    Copy {
        /// For the answer.
        id: u64,
        /// The text.
        text: String,
    },
    /// Suspend the program (Ctrl-Z).
    Suspend,
    /// Leave.
    Quit,
}

impl Effect {
    /// The ID under which it answers; none for what has no answer.
    pub fn id(&self) -> Option<u64> {
        match self {
            Effect::Ask { id, .. }
            | Effect::AskPeer { id, .. }
            | Effect::Hash { id, .. }
            | Effect::HoldAgainst { id, .. }
            | Effect::LookAround { id, .. }
            | Effect::Find { id, .. }
            | Effect::Inspect { id, .. }
            | Effect::Look { id, .. }
            | Effect::Relate { id, .. }
            | Effect::Compare { id, .. }
            | Effect::Save { id, .. }
            | Effect::Fences { id, .. }
            | Effect::LookAtHosts { id, .. }
            | Effect::Here { id, .. }
            | Effect::Journals { id, .. }
            | Effect::Apply { id, .. }
            | Effect::Verify { id, .. }
            | Effect::KnowHosts { id, .. }
            | Effect::Offer { id, .. }
            | Effect::Start { id, .. }
            | Effect::Write { id, .. }
            | Effect::Certificates { id, .. }
            | Effect::Copy { id, .. }
            | Effect::Fresh { id } => Some(*id),
            Effect::Cancel { .. } | Effect::Note | Effect::Suspend | Effect::Quit => None,
        }
    }

    /// Whether it writes anything, be it for a moment: a file here, one on a host, or a key.
    pub fn writes(&self) -> bool {
        match self {
            Effect::Save { .. }
            | Effect::Apply { .. }
            | Effect::KnowHosts { .. }
            | Effect::Offer { .. }
            | Effect::Start { .. }
            | Effect::Write { .. } => true,
            Effect::Verify { canary, records, .. } => *canary || *records,
            Effect::LookAtHosts { closer, .. } => *closer,
            Effect::Ask { .. }
            | Effect::AskPeer { .. }
            | Effect::Hash { .. }
            | Effect::HoldAgainst { .. }
            | Effect::LookAround { .. }
            | Effect::Find { .. }
            | Effect::Inspect { .. }
            | Effect::Look { .. }
            | Effect::Relate { .. }
            | Effect::Compare { .. }
            | Effect::Fences { .. }
            | Effect::Here { .. }
            | Effect::Journals { .. }
            | Effect::Certificates { .. }
            | Effect::Fresh { .. }
            | Effect::Cancel { .. }
            | Effect::Note
            | Effect::Copy { .. }
            | Effect::Suspend
            | Effect::Quit => false,
        }
    }
}
