//! What is known of a cluster before it is judged, and what it can amount to.

use std::collections::BTreeSet;

use super::known::{Compared, KnownState};
use crate::domain::model::observations::{EndpointFacts, disk::DirFacts};

/// All that is known of a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// What the endpoints answered.
    pub facts: &'a [EndpointFacts],
    /// The endpoints that were given; the others were found in answers. Empty where all were given.
    pub given: &'a [String],
    /// The data directories that were looked at, before the answers came.
    pub dirs: &'a [DirFacts],
    /// What snapshots and plans tell.
    pub known: &'a [KnownState],
    /// How directories and snapshots hash at their own revisions, compared with the live members; empty where nothing
    /// was compared.
    pub compared: &'a [Compared],
    /// The endpoints of which the operator says that their member is gone for good. That is believed of silent
    /// members only, and not against a disk that is whole.
    pub gone: &'a BTreeSet<String>,
}

/// What the answers amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QuorumVerdict {
    /// Members are still being asked, and what is known does not settle it.
    Asking,
    /// A linearizable read was served, every voter answers, and nothing is amiss.
    Healthy,
    /// A linearizable read was served: quorum holds. A voter is missing, or an alarm is raised.
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
    /// What serves is not the continuation of what is known of the same cluster: it was begun with an empty directory,
    /// or with an older state; or those who serve hold different data.
    Forked,
    /// A linearizable read was served, and what answers is not shown to be the cluster that was asked for: other
    /// endpoints are silent and none of its members'.
    Unconfirmed,
    /// No member answers.
    Unknown,
}

impl QuorumVerdict {
    /// True where the cluster serves.
    pub fn serves(self) -> bool {
        matches!(self, QuorumVerdict::Healthy | QuorumVerdict::Degraded)
    }

    /// True where quorum is lost, for now or for good.
    pub fn lost(self) -> bool {
        matches!(self, QuorumVerdict::LostForNow | QuorumVerdict::LostForGood)
    }

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            QuorumVerdict::Asking => "asking",
            QuorumVerdict::Healthy => "healthy",
            QuorumVerdict::Degraded => "degraded",
            QuorumVerdict::Unsettled => "unsettled",
            QuorumVerdict::LostForNow => "lost_for_now",
            QuorumVerdict::LostForGood => "lost_for_good",
            QuorumVerdict::NoLeader => "no_leader",
            QuorumVerdict::Split => "split",
            QuorumVerdict::Forked => "forked",
            QuorumVerdict::Unconfirmed => "unconfirmed",
            QuorumVerdict::Unknown => "unknown",
        }
    }
}
