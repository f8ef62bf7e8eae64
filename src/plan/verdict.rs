//! Is quorum lost, and may a restore go ahead? One type for badge, wording, exit code and gate; the rule, its numbers
//! and its words.
//!
//! Judged are the members' answers, the data directories that were looked at, and what the operator says of members
//! that are silent. Learners never count; the voters are those of the newest member list.

mod advice;
mod count;
mod hashes;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeSet;

use count::Count;
pub use hashes::{Disagreement, disagreement};

use super::facts::{EndpointFacts, disk::DirFacts};

/// What the answers amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Members are still being asked, and what is known does not settle it.
    Asking,
    /// A linearizable read was served, every voter answers, and nothing is amiss.
    Healthy,
    /// A linearizable read was served: quorum holds. A voter is missing, an alarm is raised, or data differ.
    Degraded,
    /// A voter names a leader, but the read through it failed.
    Unsettled,
    /// No leader, fewer than a majority of the voters answer, and enough of the others may come back.
    LostForNow,
    /// No leader, fewer than a majority of the voters answer, and too many of the others are known to be gone.
    LostForGood,
    /// A majority of the voters answers and knows no leader.
    NoLeader,
    /// The answers come from two clusters.
    Split,
    /// Nobody answers.
    Unknown,
}

impl Verdict {
    /// True where the cluster serves.
    pub fn serves(self) -> bool {
        matches!(self, Verdict::Healthy | Verdict::Degraded)
    }

    /// True where quorum is lost, for now or for good.
    pub fn lost(self) -> bool {
        matches!(self, Verdict::LostForNow | Verdict::LostForGood)
    }

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Asking => "asking",
            Verdict::Healthy => "healthy",
            Verdict::Degraded => "degraded",
            Verdict::Unsettled => "unsettled",
            Verdict::LostForNow => "lost_for_now",
            Verdict::LostForGood => "lost_for_good",
            Verdict::NoLeader => "no_leader",
            Verdict::Split => "split",
            Verdict::Unknown => "unknown",
        }
    }
}

/// What stands before going on to a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gate {
    /// Nothing.
    Open,
    /// The operator types the cluster's label.
    TypeLabel,
}

/// A verdict with the numbers it follows from, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The verdict.
    pub verdict: Verdict,
    /// Voting members of the cluster.
    pub voters: usize,
    /// How many of them make a majority.
    pub needed: usize,
    /// How many of them answer, be it at their peer port only.
    pub answering: usize,
    /// Voters that do not answer and may come back, by name where one is known.
    pub may_come_back: Vec<String>,
    /// Voters that do not answer and are gone: their disk is broken, or the operator says so.
    pub gone: Vec<String>,
    /// Members whose data differ at one revision.
    pub disagreement: Option<Disagreement>,
    /// The verdict in one or two sentences, with the numbers.
    pub sentence: String,
    /// The rule that led to it.
    pub rule: String,
    /// What to do, safest first.
    pub advice: Vec<String>,
}

impl Finding {
    /// What stands before going on to a restore.
    pub fn gate(&self) -> Gate {
        match self.verdict {
            Verdict::LostForNow | Verdict::LostForGood | Verdict::Unknown => Gate::Open,
            _ => Gate::TypeLabel,
        }
    }

    /// The exit code of `requorum probe`: 0 healthy, 5 nobody answers (or was heard out), 10 lost for now, 11 a
    /// majority without a leader, 12 unsettled, 13 two clusters, 14 lost for good, 15 degraded.
    pub fn exit_code(&self) -> u8 {
        match self.verdict {
            Verdict::Healthy => 0,
            Verdict::Unknown | Verdict::Asking => 5,
            Verdict::LostForNow => 10,
            Verdict::NoLeader => 11,
            Verdict::Unsettled => 12,
            Verdict::Split => 13,
            Verdict::LostForGood => 14,
            Verdict::Degraded => 15,
        }
    }
}

/// Judges the answers, with the data directories that were looked at, and the endpoints of which the operator says that
/// the member behind them is gone for good. That is believed of silent members only, and not against a disk that is
/// whole.
pub fn verdict(facts: &[EndpointFacts], dirs: &[DirFacts], gone: &BTreeSet<String>) -> Finding {
    let count = Count::of(facts, dirs, gone);
    let verdict = count.verdict();
    Finding {
        verdict,
        voters: count.voters,
        needed: count.needed,
        answering: count.answering,
        may_come_back: count.may_come_back(),
        gone: count.gone(),
        disagreement: count.disagreement.clone(),
        sentence: count.sentence(verdict),
        rule: count.rule(verdict),
        advice: count.advice(verdict),
    }
}
