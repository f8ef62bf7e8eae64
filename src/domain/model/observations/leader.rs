//! Whether a member has a leader, by its own words, and how that is shown: one reading of its answer for all who ask.

use super::{MemberStatus, Read, Source};
use crate::etcd::membership::Id;

/// What a member says of its leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaderState {
    /// It was not asked: only its peer port or its pages answered, and they do not tell.
    Unknown,
    /// It has none.
    None,
    /// It has one and does not say which: metrics tell no more to those without a password.
    Unnamed,
    /// It names this member.
    Named(Id),
}

impl MemberStatus {
    /// Returns what it says of its leader.
    pub fn leader_state(&self) -> LeaderState {
        let tells = |source: &Source| matches!(source, Source::Client | Source::Metrics);
        match self.leader {
            Id(0) if self.has_leader == Some(true) => LeaderState::Unnamed,
            Id(0) if self.has_leader.is_some() || self.heard.is_empty() || self.heard.iter().any(tells) => {
                LeaderState::None
            }
            Id(0) => LeaderState::Unknown,
            leader => LeaderState::Named(leader),
        }
    }

    /// True where it has a leader, by its own words, be it named or not.
    pub fn has_leader(&self) -> bool {
        matches!(self.leader_state(), LeaderState::Unnamed | LeaderState::Named(_))
    }

    /// Returns its state as one cell of a list: whether it answers, its leader, and whether a read through it failed.
    pub fn leader_words(&self) -> String {
        let learner = if self.is_learner { ", a learner" } else { "" };
        if let Some(why) = &self.closed {
            return format!("alive{learner}; {why}");
        }
        let leader = match self.leader_state() {
            LeaderState::Unknown => return format!("answers, leader not known{learner}"),
            LeaderState::None => return format!("answers, no leader{learner}"),
            LeaderState::Unnamed => "not named".to_string(),
            LeaderState::Named(id) => {
                let known = self.members.iter().find(|m| m.id == id && !m.name.is_empty());
                known.map_or_else(|| id.to_string(), |m| m.name.to_string())
            }
        };
        match &self.read {
            Read::Failed(_) => format!("leader {leader}, read failed{learner}"),
            _ => format!("answers, leader {leader}{learner}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::observations::KnownMember;

    #[test]
    fn a_leader_is_named_known_absent_or_unknown() {
        use LeaderState::{Named, None as NoLeader, Unknown, Unnamed};
        let (client, metrics, peer) = (Source::Client, Source::Metrics, Source::Peer);
        for (leader, has_leader, heard, state, words) in [
            (0, None, vec![client], NoLeader, "answers, no leader"),
            (0, Some(false), vec![metrics], NoLeader, "answers, no leader"),
            (0, Some(true), vec![metrics], Unnamed, "answers, leader not named"),
            (0, Some(true), vec![client, metrics], Unnamed, "answers, leader not named"),
            (0, None, vec![peer], Unknown, "answers, leader not known"),
            (0, None, vec![Source::Version, Source::Health], Unknown, "answers, leader not known"),
            (2, None, vec![client], Named(Id(2)), "answers, leader m2"),
            (2, Some(false), vec![client, metrics], Named(Id(2)), "answers, leader m2"),
            (9, None, vec![client], Named(Id(9)), "answers, leader 0000000000000009"),
        ] {
            let known = |n, name: &str| KnownMember { id: Id(n), name: name.into(), ..KnownMember::default() };
            let members = vec![known(1, "m1"), known(2, "m2"), known(9, "")];
            let says = MemberStatus { leader: Id(leader), has_leader, heard, members, ..MemberStatus::default() };
            let words = words.replace("0000000000000009", &Id(9).to_string());
            assert_eq!((says.leader_state(), says.leader_words()), (state, words), "{says:?}");
            assert_eq!(says.has_leader(), matches!(state, Named(_) | Unnamed));
        }
    }

    #[test]
    fn failed_reads_and_closed_ports_are_reported() {
        let led =
            MemberStatus { leader: Id(2), is_learner: true, heard: vec![Source::Client], ..MemberStatus::default() };
        let failed = MemberStatus { read: Read::Failed("late".into()), ..led.clone() };
        assert_eq!(failed.leader_words(), format!("leader {}, read failed, a learner", Id(2)));
        let closed = MemberStatus { closed: Some("wants a password".into()), ..led };
        assert_eq!(closed.leader_words(), "alive, a learner; wants a password");
    }
}
