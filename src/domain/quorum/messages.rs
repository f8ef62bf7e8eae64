//! The quorum verdict in sentences: what was found, and the rule it follows from.

use super::{
    tally::{Count, Fate, Silent},
    verdict::QuorumVerdict,
};
use crate::{
    domain::model::observations::{NoAnswer, Read},
    etcd::membership::Id,
    text::{
        join::all,
        number::{plural, thousands},
    },
};

impl Count<'_> {
    /// "1 of 3 voting members answers and knows no leader".
    fn answers(&self, tail_one: &str, tail_many: &str) -> String {
        let of = format!("of {} voting {}", self.voters, plural(self.voters, "member", "members"));
        match self.answering {
            0 => format!("none {of} answers"),
            1 => format!("1 {of} answers{tail_one}"),
            many => format!("{many} {of} answer{tail_many}"),
        }
    }

    fn no_list(&self) -> &'static str {
        if self.list.is_some() {
            ""
        } else {
            " (no member list available, so each endpoint asked counts as a voting member)"
        }
    }

    /// Returns the members that run but whose client port does not answer, with the reason.
    pub(crate) fn closed(&self) -> Vec<(String, &NoAnswer)> {
        let closed = self.says.iter().filter_map(|(e, s)| Some((self.name(e, s), s.closed.as_ref()?)));
        closed.collect()
    }

    pub(crate) fn disagreement_words(&self) -> Option<String> {
        Some(self.disagreement.as_ref()?.words(|endpoint| self.name_at(endpoint)))
    }

    fn alarm_words(&self) -> Vec<String> {
        let whose = |id: Id| self.name_of(id).unwrap_or_else(|| id.to_string());
        self.alarms.iter().map(|a| format!("{} of {}", a.kind, whose(a.member))).collect()
    }

    pub(crate) fn sentence(&self, verdict: QuorumVerdict) -> String {
        let no_list = self.no_list();
        match verdict {
            QuorumVerdict::Asking => {
                let asking = plural(self.asking, "endpoint is", "endpoints are");
                format!("Asking: {} {asking} yet to answer, {} answered", self.asking, self.says.len())
            }
            QuorumVerdict::Healthy | QuorumVerdict::Degraded => {
                let served = self.history.serving.iter().flat_map(|group| &group.says);
                let reader = served.into_iter().find(|(_, s)| s.read == Read::Served);
                let reader = reader.map_or_else(|| "a member".into(), |(e, s)| self.name(e, s));
                let read = format!("linearizable read through {reader} succeeded");
                let answers = self.answers("", "");
                match self.amiss().as_slice() {
                    amiss if amiss.is_empty() || verdict == QuorumVerdict::Healthy => format!(
                        "Quorum holds: a {read}, which takes a majority of the voting members; {answers} from here{no_list}"
                    ),
                    amiss => {
                        format!("Quorum holds, degraded: {}. A {read}; {answers} from here{no_list}", amiss.join("; "))
                    }
                }
            }
            QuorumVerdict::Unsettled => {
                let led = self.says.iter().find(|(_, s)| s.has_leader() && !s.is_learner);
                let (who, read) = led.map_or_else(
                    || ("a member".to_string(), "was not tried".to_string()),
                    |(e, s)| {
                        let read = match &s.read {
                            Read::Failed(why) => format!("failed ({why})"),
                            _ => "was not tried".to_string(),
                        };
                        (self.name(e, s), read)
                    },
                );
                format!(
                    "Not confirmed: {who} names a leader, but a linearizable read through it {read}; {}{no_list}",
                    self.answers("", "")
                )
            }
            QuorumVerdict::LostForNow | QuorumVerdict::LostForGood => self.lost(verdict),
            QuorumVerdict::NoLeader => format!(
                "No leader, although {}, and {}: they cannot elect one{no_list}",
                self.answers("", ""),
                if self.needed == 1 { "1 is enough".to_string() } else { format!("{} are enough", self.needed) },
            ),
            QuorumVerdict::Split if !self.twins.is_empty() => self.twins_sentence(),
            QuorumVerdict::Split => {
                let mut seen: Vec<(Id, Vec<&str>)> = Vec::new();
                for (endpoint, says) in self.says.iter().filter(|(_, s)| s.cluster_id != Id(0)) {
                    match seen.iter_mut().find(|(id, _)| *id == says.cluster_id) {
                        Some((_, endpoints)) => endpoints.push(endpoint),
                        None => seen.push((says.cluster_id, vec![endpoint])),
                    }
                }
                let parts: Vec<String> = seen.iter().map(|(id, e)| format!("{id} at {}", e.join(", "))).collect();
                format!("The answers come from {} different clusters: {}", parts.len(), parts.join("; "))
            }
            QuorumVerdict::Forked => self.forked_sentence(),
            QuorumVerdict::Unconfirmed => self.unconfirmed_sentence(),
            QuorumVerdict::Unknown if self.asked == 0 => "Unknown: no endpoint was asked".into(),
            QuorumVerdict::Unknown => {
                let asked = match self.asked {
                    1 => "the endpoint asked does not answer".to_string(),
                    many => format!("none of the {many} endpoints asked answers"),
                };
                format!("Unknown from here: {asked}, so this machine cannot tell whether quorum is lost")
            }
        }
    }

    fn lost(&self, verdict: QuorumVerdict) -> String {
        let mut answers = self.answers(" and knows no leader", " and know no leader");
        if self.answering == 0 {
            let learners = self.says.iter().filter(|(_, s)| s.is_learner).count();
            answers.push_str(&match (learners, self.says.len()) {
                (_, 0) => String::new(),
                (1, 1) => ", only a learner does, and learners have no vote".to_string(),
                (l, all) if l == all => format!(", only {l} learners do, and learners have no vote"),
                _ => ", only members that have no vote".to_string(),
            });
        }
        for (name, why) in self.closed() {
            answers.push_str(&format!(" ({name} not at its client port: {why})"));
        }
        let needs = format!("{} {} needed", self.needed, plural(self.needed, "is", "are"));
        let were = plural(self.unasked.count, "was", "were");
        let unasked = match (self.unasked.count, self.unasked.names.as_slice()) {
            (0, _) => String::new(),
            (n, []) => format!("; {n} of them {were} not asked"),
            (_, names) => format!("; {} {were} not asked", all(names)),
        };
        let (back, gone) = (self.may_come_back(), self.gone());
        let is = |names: &[String]| plural(names.len(), "is", "are").to_string();
        let lacks = |s: &&Silent<'_>| matches!(s.fate, Fate::Lacks(..));
        let lacking: Vec<String> = self.silent.iter().filter(lacks).map(|s| s.name.clone()).collect();
        let really: Vec<String> = gone.iter().filter(|name| !lacking.contains(name)).cloned().collect();
        let mut gone_words = match really.as_slice() {
            [] => String::new(),
            really => format!("; {} {} gone for good", all(really), is(really)),
        };
        if !lacking.is_empty() {
            gone_words.push_str(&match lacking.as_slice() {
                [one] => format!("; {one}'s data directory does not hold its data"),
                many => format!("; the data directories of {} do not hold their data", all(many)),
            });
        }
        let no_list = self.no_list();
        if verdict == QuorumVerdict::LostForGood {
            let left = self.voters.saturating_sub(gone.len());
            return format!(
                "Quorum is permanently lost: {answers}; {needs}{gone_words}, so at most {left} can ever answer{no_list}"
            );
        }
        let back = if back.is_empty() { String::new() } else { format!("; {} may come back", all(&back)) };
        format!(
            "Quorum appears lost, as seen from this machine: {answers}; {needs}{gone_words}{back}{unasked}{no_list}"
        )
    }

    /// Returns what is wrong in a cluster that serves, one clause each.
    fn amiss(&self) -> Vec<String> {
        let mut amiss = Vec::new();
        if !self.silent.is_empty() && self.asking == 0 {
            let names: Vec<String> = self.silent.iter().map(|s| s.name.clone()).collect();
            let spare = self.answering.saturating_sub(self.needed);
            let left = match spare {
                0 => "no further failure is tolerated".to_string(),
                1 => "1 more failure is tolerated".to_string(),
                n => format!("{n} more failures are tolerated"),
            };
            let verb = plural(names.len(), "does not answer", "do not answer");
            amiss.push(format!("{} {verb}, {left}", all(&names)));
        }
        amiss.extend(
            self.closed().iter().map(|(name, why)| format!("{name} gives no status at its client port ({why})")),
        );
        let unled: Vec<String> = self
            .says
            .iter()
            .filter(|(_, s)| !s.has_leader() && s.closed.is_none() && super::tally::votes(self.list, s))
            .map(|(e, s)| self.name(e, s))
            .collect();
        if !unled.is_empty() {
            amiss.push(format!("{} {} no leader", all(&unled), plural(unled.len(), "knows", "know")));
        }
        amiss.extend(self.apart_words());
        let alarms = self.alarm_words();
        if !alarms.is_empty() {
            amiss.push(format!("{} {}", plural(alarms.len(), "alarm", "alarms"), all(&alarms)));
        }
        if let Some(differ) = &self.disagreement {
            let names: Vec<String> = differ.parts.iter().flat_map(|(_, who)| who).map(|e| self.name_at(e)).collect();
            let revision = thousands(differ.revision.unsigned_abs());
            amiss.push(format!("{} hold different data at revision {revision}", all(&names)));
        }
        amiss
    }

    pub(crate) fn rule(&self, verdict: QuorumVerdict) -> String {
        let majority = format!("a majority of {} is {}", self.voters, self.needed);
        match verdict {
            QuorumVerdict::Asking => {
                "the verdict is final once a linearizable read succeeds, or once every endpoint has answered or timed out".into()
            }
            QuorumVerdict::Healthy | QuorumVerdict::Degraded => format!(
                "a linearizable read needs a leader that a majority follows; {majority}"
            ),
            QuorumVerdict::Unsettled => {
                "a named leader may already be gone; only a successful linearizable read confirms it".into()
            }
            QuorumVerdict::LostForNow => format!(
                "no voting member names a leader, and {} answering {} fewer than a majority; {majority}",
                self.answering,
                plural(self.answering, "is", "are")
            ),
            QuorumVerdict::LostForGood => format!(
                "{} of {} voting members will not come back, and those left ({}) are fewer than a majority; {majority}",
                self.gone().len(),
                self.voters,
                self.voters.saturating_sub(self.gone().len())
            ),
            QuorumVerdict::NoLeader => format!(
                "no voting member names a leader, yet {} answering {} a majority; {majority}",
                self.answering,
                plural(self.answering, "is", "are")
            ),
            QuorumVerdict::Split if !self.twins.is_empty() => {
                "raft index, term and revision never decrease on one server, and each member ID belongs to one server"
                    .into()
            }
            QuorumVerdict::Split => "all members of a cluster report the same cluster ID".into(),
            QuorumVerdict::Forked => self.forked_rule(),
            QuorumVerdict::Unconfirmed => {
                "a successful read proves quorum only for the members in the server's own member list".into()
            }
            QuorumVerdict::Unknown => {
                "no answer says nothing about quorum: the members may reach each other while this machine cannot reach them"
                    .into()
            }
        }
    }
}
