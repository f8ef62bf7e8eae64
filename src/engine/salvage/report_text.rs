//! The report of a salvage as text and as Markdown.

use std::fmt::Write;

use super::{
    apply::Doubt,
    log::{Fault, FaultKind},
    report::{Acknowledged, Because, Certainty, DatabaseState, Report, Role, SourceReport, Stop},
    sources::DatabaseKind,
};
use crate::{
    domain::sources::data_loss::Difference,
    text::{
        Foreign, Shown,
        number::{count, thousands},
        size::size,
    },
};

impl Report {
    /// The report in Markdown, which is also plain text.
    pub fn markdown(&self) -> String {
        let mut out = format!("# Salvaged snapshot {}\n\n", self.file.shown());
        out += &self.headline();
        out += "\n## What it holds\n\n";
        let _ = writeln!(
            out,
            "- revision {}, {}, raft index {} of term {}",
            thousands(self.revision.unsigned_abs()),
            count(self.keys, "key", "keys"),
            thousands(self.index),
            self.term
        );
        let _ = writeln!(out, "- {}, SHA-256 {}", size(self.bytes), self.sha256);
        let _ = writeln!(out, "- {}", self.from());
        if let Some(plain) = &self.plain {
            let _ = writeln!(out, "- {}", self.gain(plain));
        }
        out += "\n## Acknowledged writes\n\n";
        let _ = writeln!(out, "{}", self.acknowledged.sentences());
        for line in self.tail() {
            let _ = writeln!(out, "\n{line}");
        }
        if !self.applied.kinds.is_empty() {
            let _ = write!(
                out,
                "\n## Entries applied\n\n{} to {} (term {}): {}, {} of them refused as etcd refuses them.\n\n",
                thousands(self.applied.first),
                thousands(self.applied.last),
                self.applied.term,
                count(self.applied.entries(), "entry", "entries"),
                thousands(self.applied.refused()),
            );
            out += "| kind | changed something | changed nothing | refused |\n|---|---:|---:|---:|\n";
            for (kind, counts) in &self.applied.kinds {
                let refused: u64 = counts.refused.values().sum();
                let _ = writeln!(
                    out,
                    "| {} | {} | {} | {} |",
                    kind.0,
                    thousands(counts.changed),
                    thousands(counts.unchanged),
                    thousands(refused)
                );
            }
        }
        out += "\n## What was read\n";
        for source in &self.sources {
            out += "\n";
            out += &source_lines(source);
        }
        if !self.doubts.is_empty() {
            out += "\n## What no file records\n\n";
            for doubt in &self.doubts {
                let _ = writeln!(
                    out,
                    "- {} ({}, the first is entry {})",
                    doubt.doubt.sentence(),
                    count(doubt.entries, "entry", "entries"),
                    thousands(doubt.first_entry)
                );
            }
        }
        out
    }

    /// The report for a terminal: what decides, in a few lines.
    pub fn text(&self) -> String {
        let mut out = self.headline();
        let _ = writeln!(out, "{}", self.from());
        if let Some(plain) = &self.plain {
            let _ = writeln!(out, "{}", self.gain(plain));
        }
        let _ = writeln!(out, "\nAcknowledged writes: {}", self.acknowledged.sentences());
        for line in self.tail() {
            let _ = writeln!(out, "{line}");
        }
        for source in &self.sources {
            let faults = source.log.iter().flat_map(|log| &log.faults);
            for fault in faults {
                let _ = writeln!(out, "{}: {}", source.path.shown(), fault.sentence());
            }
            for database in source.databases.iter().filter(|database| database.state == DatabaseState::Rejected) {
                let why = database.why.as_deref().unwrap_or_default();
                let _ = writeln!(out, "{}: not used: {}", database.path.shown(), Foreign::new(why));
            }
        }
        for doubt in &self.doubts {
            let _ = writeln!(
                out,
                "{} ({}, the first is entry {})",
                doubt.doubt.sentence(),
                count(doubt.entries, "entry", "entries"),
                thousands(doubt.first_entry)
            );
        }
        out
    }

    fn headline(&self) -> String {
        format!(
            "Salvaged {}: revision {}, {}.\n",
            self.file.shown(),
            thousands(self.revision.unsigned_abs()),
            count(self.keys, "key", "keys")
        )
    }

    /// Where it came from.
    fn from(&self) -> String {
        let log = match (&self.chosen, self.applied.entries()) {
            (Some(dir), entries) if entries > 0 => {
                format!("{} of the log in {}", count(entries, "entry", "entries"), dir.shown())
            }
            (Some(dir), _) => format!("no entry of the log in {}", dir.shown()),
            (None, _) => "no log".to_string(),
        };
        match &self.base {
            Some(base) => {
                let what = match base.kind {
                    DatabaseKind::Own => "the database",
                    DatabaseKind::Received => "the database that a leader sent,",
                    DatabaseKind::Snapshot => "the snapshot",
                };
                let state = if base.before_last_transaction { " before its last transaction" } else { "" };
                format!(
                    "Made of {what} {}{state} (revision {}, raft index {}) and {log}.",
                    base.path.shown(),
                    thousands(base.revision.unsigned_abs()),
                    thousands(base.index)
                )
            }
            None => format!("Made of {log}, from the first entry of the cluster, without any database."),
        }
    }

    fn gain(&self, plain: &super::report::Plain) -> String {
        let path = plain.path.shown();
        match (&plain.lacks, plain.writes) {
            (Some(lacks), _) if !lacks.is_empty() => format!("More than {path} alone: {lacks}."),
            (_, 0) => format!("No revision more than {path} alone."),
            (_, writes) => format!("More than {path} alone: {}.", count(writes, "revision", "revisions")),
        }
    }

    /// What concerns the end of the log.
    fn tail(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match self.stopped {
            Some(Stop::Gap { first, last, after }) => lines.push(format!(
                "The replay ended before entry {}: {} missing, and {} after that cannot be applied without {}.",
                thousands(first),
                if first == last { "it is".to_string() } else { format!("entries {} to {} are", thousands(first), thousands(last)) },
                count(after, "entry", "entries"),
                if first == last { "it" } else { "them" }
            )),
            Some(Stop::CommittedOnly { left_out }) => lines.push(format!(
                "{} left out, as asked: no member recorded that they are committed. They may have been acknowledged.",
                count(left_out, "entry was", "entries were"),
            )),
            None if self.applied.undecided > 0 => lines.push(format!(
                "{} at the end of the log, with {}, {} not recorded as committed by any member given here. They are included: \
                 losing an acknowledged write is worse than keeping one that was not. --committed-only leaves them out.",
                count(self.applied.undecided, "entry", "entries"),
                count(self.applied.undecided_writes, "write", "writes"),
                if self.applied.undecided == 1 { "is" } else { "are" },
            )),
            None => {}
        }
        for dropped in &self.dropped {
            let path = self.sources.get(dropped.log).map(|source| source.path.shown()).unwrap_or_default();
            lines.push(format!(
                "Not used: entries {} to {} at the end of the log in {path} (term {}): a log of a later term replaces them.",
                thousands(dropped.first),
                thousands(dropped.last),
                dropped.term
            ));
        }
        for filled in &self.filled {
            let path = self.sources.get(filled.log).map(|source| source.path.shown()).unwrap_or_default();
            lines.push(format!(
                "Entries {} to {} come from the log in {path}.",
                thousands(filled.first),
                thousands(filled.last)
            ));
        }
        lines
    }
}

impl Certainty {
    /// The verdict in words.
    pub fn words(self) -> &'static str {
        match self {
            Certainty::Proven => "proven to be included",
            Certainty::Likely => "likely all included",
            Certainty::Unknown => "unknown whether all are included",
        }
    }
}

impl Acknowledged {
    /// The verdict with its rule.
    pub fn sentences(&self) -> String {
        let verdict = self.verdict.words();
        let logs = format!("{} of {} voting members' logs were read without loss", self.read, self.voters);
        let because = match self.because {
            Because::Majority => format!(
                "{logs}. An acknowledged write is on the disks of a majority, so it is in one of them, and the log that was \
                 followed has it."
            ),
            Because::Minority => format!(
                "{logs}. An acknowledged write is on the disks of a majority; one that these members had not received is \
                 missing. Give more members' directories to prove it."
            ),
            Because::NoVoter => format!("{logs}. Learners and removed members may lack acknowledged writes."),
            Because::Stopped => "the replay ended before the end of the log.".to_string(),
            Because::UnprovenBase => "the replay began from the state before the database's last transaction. etcd may have \
                 overwritten pages of that state, which no check shows: keys and leases may be missing or outdated. Use another \
                 member's directory if there is one."
                .to_string(),
            Because::NoLog => {
                "no log could be read; writes since the database was last written are missing.".to_string()
            }
            Because::Doubts => format!("{logs}, but the result depends on what no file records, see below."),
            Because::CommittedOnly => {
                "entries that no member recorded as committed were left out, as asked.".to_string()
            }
        };
        format!("{verdict}: {because}")
    }
}

impl Fault {
    /// The damage in a sentence.
    pub fn sentence(&self) -> String {
        let what = match &self.kind {
            FaultKind::BitFlip { byte, bit } => {
                format!("bit {bit} of byte {} was flipped; repaired by the checksum", thousands(*byte))
            }
            FaultKind::Record => "a damaged record was passed over".to_string(),
            FaultKind::Bytes => "no record can be read in these bytes; they were passed over".to_string(),
            FaultKind::TornTail => {
                "the last record was not completely written; the log ends before it, as for etcd".to_string()
            }
            FaultKind::CutShort => "the file ends inside a record; the log ends before it".to_string(),
            FaultKind::Garbage => "these bytes are no records; the log ends before them".to_string(),
            FaultKind::Broken => "it does not continue the checksum of the segment before it".to_string(),
            FaultKind::MissingSegment => "the segment is missing".to_string(),
            FaultKind::Unreadable { why } => format!("cannot be read: {}", Foreign::new(why)),
            FaultKind::OtherMember => {
                "another member wrote this segment; it and all after it were passed over".to_string()
            }
            FaultKind::Contradiction => {
                "an entry contradicts a committed one; it and all after it were passed over".to_string()
            }
        };
        let length = match self.length {
            0 => String::new(),
            length => format!(" ({})", count(length, "byte", "bytes")),
        };
        let entry =
            self.entry.map(|index| format!("; it seems to hold entry {}", thousands(index))).unwrap_or_default();
        format!("{}, byte {}{length}: {what}{entry}", Foreign::new(&self.file), thousands(self.offset))
    }
}

impl Doubt {
    /// What is not known, and what was assumed.
    pub fn sentence(self) -> &'static str {
        match self {
            Doubt::TxnPermissions => {
                "patch releases of etcd differ in what they check of a transaction's operations; naming the release of that etcd decides it"
            }
            Doubt::Reads => {
                "up to etcd 3.6 the member with the client refuses a transaction that reads at a compacted or future revision, \
                 and all others apply it; it was applied"
            }
            Doubt::RootLease => {
                "patch releases of etcd differ in whether root may end a lease with an outdated request; naming the \
                 release of that etcd decides it"
            }
            Doubt::NestedPuts => {
                "patch releases of etcd differ in whether a put in a nested transaction is refused when space is short; \
                 naming the release of that etcd decides it"
            }
            Doubt::UncheckedWhileAlarmed => {
                "etcd 3.4 and 3.5 do not check permissions while an alarm lasts that was raised since their start; so it was done"
            }
            Doubt::Checkpoints => {
                "before 3.6 a flag decides whether the remaining TTL of leases is stored; the default was assumed, which does not"
            }
            Doubt::Learners => {
                "--max-learners decides how many learners there may be; one was assumed, so another was refused"
            }
            Doubt::PasswordRehashed => {
                "the password was hashed again, as etcd 3.4 does in each member; the user logs in with the same password"
            }
            Doubt::UnknownMember => "a member that the database does not list published its attributes; ignored",
            Doubt::LeastTtl => {
                "a lease asked for less than the least TTL, which the election timeout decides; 2 seconds were assumed, as by \
                 default"
            }
        }
    }
}

/// What one source lacks, as a clause: `1,204 writes, 3 deployments`.
pub fn lacks(difference: &Difference) -> String {
    let writes = u64::try_from(difference.newer.saturating_sub(difference.older)).unwrap_or(0);
    let mut kinds: Vec<(&String, &u64)> = difference.lost.iter().collect();
    kinds.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
    let mut parts: Vec<String> = (writes > 0).then(|| count(writes, "revision", "revisions")).into_iter().collect();
    let shown = kinds.len().min(6);
    for (kind, number) in kinds.iter().take(shown) {
        parts.push(format!("{} {}", thousands(**number), Foreign::new(kind)));
    }
    let more: u64 = kinds.iter().skip(shown).map(|(_, number)| **number).sum();
    if more > 0 {
        parts.push(format!("{} others", thousands(more)));
    }
    if difference.back > 0 {
        parts.push(format!("{} deleted since", count(difference.back, "key", "keys")));
    }
    parts.join(", ")
}

fn source_lines(source: &SourceReport) -> String {
    let mut out = format!("### {}\n\n", source.path.shown());
    if let Some(member) = source.member {
        let role = match source.role {
            Role::Voter => "voting member",
            Role::Learner => "learner",
            Role::Removed => "removed from the cluster: what was written after that is not in its files",
            Role::Unknown => "role unknown",
        };
        let _ = writeln!(out, "- member {member}, {role}");
    }
    match (&source.log, &source.no_log) {
        (Some(log), _) => {
            let _ = writeln!(
                out,
                "- log: {} in {}, entries {} to {} (term {}), committed up to {}, {} replaced by a later leader",
                size(log.bytes),
                count(log.segments as u64, "segment", "segments"),
                thousands(log.first),
                thousands(log.last),
                log.last_term,
                thousands(log.commit),
                count(log.rewritten, "entry", "entries"),
            );
            for fault in &log.faults {
                let _ = writeln!(out, "  - {}", fault.sentence());
            }
        }
        (None, Some(why)) => {
            let _ = writeln!(out, "- log: {}", Foreign::new(why));
        }
        (None, None) => {}
    }
    for database in &source.databases {
        let state = match database.state {
            DatabaseState::Chosen => "used, every page and row is intact",
            DatabaseState::NotNeeded => "not needed",
            DatabaseState::Rejected => "not used",
        };
        let at = match (database.revision, database.index) {
            (Some(revision), Some(index)) => {
                format!(" (revision {}, raft index {})", thousands(revision.unsigned_abs()), thousands(index))
            }
            _ => String::new(),
        };
        let why = database.why.as_deref().map(|why| format!(": {}", Foreign::new(why))).unwrap_or_default();
        let older = if database.before_last_transaction { " before its last transaction" } else { "" };
        let _ = writeln!(out, "- {}{older}{at}: {state}{why}", database.path.shown());
    }
    out
}
