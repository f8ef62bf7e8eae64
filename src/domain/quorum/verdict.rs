//! Is quorum lost, and may a restore go ahead? One type for badge, message, exit code and gate, with the rule and its
//! numbers.
//!
//! The input is the members' answers, the data directories that were inspected, and the operator's statements about
//! silent members. Learners never count; the voters are those of the newest member list.

#[cfg(test)]
mod tests;

pub use crate::domain::quorum::act::{Act, Advice};
pub use crate::domain::quorum::evidence::{Evidence, QuorumVerdict};
pub use crate::domain::quorum::hash_mismatch::{Disagreement, disagreement};
pub use crate::domain::quorum::hash_pairs::{Pair, pairs};
pub use crate::domain::quorum::history::Lack;
pub use crate::domain::quorum::known::{
    By, Compared, DEFAULT_CLUSTER, KnownState, Match, Newer, NewerAt, OldKey, Unknown,
};
use crate::domain::quorum::misplaced;
pub use crate::domain::quorum::misplaced::{Misplaced, of_given};
use crate::domain::quorum::tally::Count;

/// What the operator must do before continuing to a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gate {
    /// Nothing.
    Open,
    /// The operator types the cluster's label.
    TypeLabel,
}

/// A verdict with the numbers it follows from, and its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumReport {
    /// The verdict.
    pub verdict: QuorumVerdict,
    /// Voting members of the cluster.
    pub voters: usize,
    /// How many of them make a majority.
    pub needed: usize,
    /// How many of them answer, even if only at their peer port.
    pub answering: usize,
    /// Voters that do not answer and may come back, by name where one is known.
    pub may_come_back: Vec<String>,
    /// Voters that do not answer and are gone: their disk is broken, or the operator says so.
    pub gone: Vec<String>,
    /// Members whose data differ at one revision.
    pub disagreement: Option<Disagreement>,
    /// States that go on past what serves, the newest first.
    pub newer: Vec<Newer>,
    /// Endpoints of members that serve an older, empty or different state under the cluster's ID, to be stopped.
    pub stop: Vec<String>,
    /// Endpoints to ask once more before relying on this: their answers may be older than what they are compared
    /// with.
    pub ask_again: Vec<String>,
    /// Silent endpoints that are not a URL of any member, where there are more of them than silent members.
    pub unmatched: Vec<String>,
    /// Client URLs of members at which another cluster answers.
    pub misplaced: Vec<Misplaced>,
    /// True where the cluster should be left as it is: it serves, or its members only have to reach each other, and nothing
    /// newer is known.
    pub keep: bool,
    /// The verdict in one or two sentences, with the numbers.
    pub sentence: String,
    /// The rule that led to it.
    pub rule: String,
    /// What to do, safest first.
    pub advice: Vec<Advice>,
}

impl QuorumReport {
    /// Returns what the operator must do before continuing to a restore.
    pub fn gate(&self) -> Gate {
        match self.verdict {
            QuorumVerdict::LostForNow | QuorumVerdict::LostForGood | QuorumVerdict::Unknown => Gate::Open,
            // what serves does not hold the data; the members that still answer block the restore at the review
            QuorumVerdict::Forked if self.surely_behind() => Gate::Open,
            _ => Gate::TypeLabel,
        }
    }

    /// The exit code of `requorum probe`: 0 healthy, 5 no member answers (or some are still being asked), 10 lost for now, 11 a
    /// majority without a leader, 12 unsettled, 13 two clusters, 14 permanently lost, 15 degraded, 18 an older, empty or other
    /// state serves, 19 what serves is not shown to be the cluster asked for.
    pub fn exit_code(&self) -> u8 {
        match self.verdict {
            QuorumVerdict::Healthy => 0,
            QuorumVerdict::Unknown | QuorumVerdict::Asking => 5,
            QuorumVerdict::LostForNow => 10,
            QuorumVerdict::NoLeader => 11,
            QuorumVerdict::Unsettled => 12,
            QuorumVerdict::Split => 13,
            QuorumVerdict::LostForGood => 14,
            QuorumVerdict::Degraded => 15,
            // 16 and 17 are those of `verify`
            QuorumVerdict::Forked => 18,
            QuorumVerdict::Unconfirmed => 19,
        }
    }

    /// Returns what the advice of one kind is about.
    pub fn advised(&self, act: Act) -> Vec<&str> {
        self.advice.iter().filter(|advice| advice.act == act).map(|advice| advice.on.as_str()).collect()
    }

    /// Returns true where what serves is shown to be older than another known state of the same cluster.
    pub fn surely_behind(&self) -> bool {
        self.verdict == QuorumVerdict::Forked && self.newer.first().is_some_and(|n| n.certain)
    }
}

/// Returns the verdict on all the evidence.
pub fn verdict(seen: &Evidence<'_>) -> QuorumReport {
    let misplaced = misplaced::misplaced(seen.facts);
    let facts = of_given(seen.facts, seen.given);
    let count = Count::new(&Evidence { facts: &facts, ..*seen }, misplaced);
    let verdict = count.verdict();
    QuorumReport {
        verdict,
        voters: count.voters,
        needed: count.needed,
        answering: count.answering,
        may_come_back: count.may_come_back(),
        gone: count.gone(),
        disagreement: count.disagreement.clone(),
        newer: count.history.newer.clone(),
        stop: count.to_stop(verdict),
        ask_again: count.ask_again(),
        unmatched: count.more_than_missing(),
        misplaced: count.misplaced.clone(),
        keep: count.keep(verdict),
        sentence: count.sentence(verdict),
        rule: count.rule(verdict),
        advice: count.advice(verdict),
    }
}
