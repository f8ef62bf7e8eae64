//! Is quorum lost, and may a restore go ahead? One rule, its numbers and its words.

#[cfg(test)]
mod tests;

use super::{
    facts::{Answer, EndpointFacts, KnownMember, MemberSays, Read},
    url,
    words::{all, either, natural, plural, thousands},
};
use crate::etcd::membership::Id;

/// What the answers amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Members are still being asked, and what is known does not settle it.
    Asking,
    /// A linearizable read was served: quorum holds.
    Holds,
    /// A voter names a leader, but the read through it failed.
    Unsettled,
    /// No leader, and fewer than a majority of the voters answer.
    Lost,
    /// A majority of the voters answers and knows no leader.
    NoLeader,
    /// The answers come from two clusters.
    Split,
    /// Nobody answers.
    Unknown,
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
    /// How many of them answer.
    pub answering: usize,
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
            Verdict::Lost | Verdict::Unknown => Gate::Open,
            _ => Gate::TypeLabel,
        }
    }

    /// The exit code of `requorum` where it only looks: 0 quorum holds, 5 nobody answers (or was
    /// heard out), 10 lost, 11 a majority without a leader, 12 unsettled, 13 two clusters.
    pub fn exit_code(&self) -> u8 {
        match self.verdict {
            Verdict::Holds => 0,
            Verdict::Unknown | Verdict::Asking => 5,
            Verdict::Lost => 10,
            Verdict::NoLeader => 11,
            Verdict::Unsettled => 12,
            Verdict::Split => 13,
        }
    }
}

/// The answers, sorted by what the rule asks for.
struct Count<'a> {
    /// Everybody who answered, each member once, with the endpoint it answered at.
    says: Vec<(&'a str, &'a MemberSays)>,
    /// The newest member list, where one could be had.
    list: Option<&'a [KnownMember]>,
    voters: usize,
    needed: usize,
    answering: usize,
    /// Still being asked.
    asking: usize,
    /// Voters that do not answer, by name where one is known.
    silent: Vec<String>,
    unasked: Unasked,
}

/// Voters that no endpoint stands for.
struct Unasked {
    count: usize,
    /// Their names, where it can be told which they are.
    names: Vec<String>,
    /// Their client URLs, where they are named.
    urls: Vec<String>,
}

impl<'a> Count<'a> {
    fn of(facts: &'a [EndpointFacts]) -> Self {
        let mut says: Vec<(&str, &MemberSays)> = Vec::new();
        let mut twice = 0;
        for fact in facts {
            let Answer::Says(member) = &fact.answer else { continue };
            // One member behind two endpoints is one voter; the better of its reads counts.
            match says.iter_mut().find(|(_, s)| (s.cluster_id, s.member_id) == (member.cluster_id, member.member_id)) {
                Some(same) => {
                    twice += 1;
                    if member.read == Read::Served {
                        *same = (&fact.endpoint, member);
                    }
                }
                None => says.push((&fact.endpoint, member)),
            }
        }
        let list = says
            .iter()
            .filter(|(_, s)| s.members.iter().any(|m| !m.is_learner))
            .max_by_key(|(_, s)| (s.raft_term, s.raft_index))
            .map(|(_, s)| s.members.as_slice());
        let votes = |says: &MemberSays| votes(list, says);
        let answering = says.iter().filter(|(_, s)| votes(s)).count();
        let voters = match list {
            Some(list) => list.iter().filter(|m| !m.is_learner).count(),
            None => facts.len().saturating_sub(twice + (says.len() - answering)),
        };
        let gone: Vec<&KnownMember> = list
            .unwrap_or_default()
            .iter()
            .filter(|m| !m.is_learner && !says.iter().any(|(_, s)| s.member_id == m.id))
            .collect();
        let mute = |f: &&EndpointFacts| matches!(f.answer, Answer::Silent { .. });
        let mut silent: Vec<String> = match list {
            Some(_) => gone.iter().map(|m| called(m)).collect(),
            None => facts.iter().filter(mute).map(|f| f.endpoint.clone()).collect(),
        };
        silent.sort_by(|a, b| natural(a, b));
        // An endpoint may be spelled otherwise than the member's own URL: how many were not asked is
        // certain, which ones only where the spelling leaves no other choice.
        let missing = gone.len().saturating_sub(facts.iter().filter(mute).count());
        let asked: Vec<_> = facts.iter().filter_map(|f| place(&f.endpoint)).collect();
        let missed = |m: &&&KnownMember| !m.client_urls.iter().filter_map(|u| place(u)).any(|p| asked.contains(&p));
        let missed: Vec<&KnownMember> = gone.iter().filter(missed).copied().collect();
        let named = if missed.len() == missing { missed } else { Vec::new() };
        let unasked = Unasked {
            count: missing,
            names: named.iter().map(|m| called(m)).collect(),
            urls: named.iter().flat_map(|m| m.client_urls.clone()).collect(),
        };
        let asking = facts.iter().filter(|f| f.answer == Answer::Asking).count();
        Count { says, list, voters, needed: voters / 2 + 1, answering, asking, silent, unasked }
    }

    fn verdict(&self) -> Verdict {
        let votes = |says: &MemberSays| votes(self.list, says) || !says.is_learner;
        let mut clusters = self.says.iter().map(|(_, s)| s.cluster_id).filter(|id| *id != Id(0));
        let first = clusters.next();
        if clusters.any(|id| Some(id) != first) {
            Verdict::Split
        } else if self.says.iter().any(|(_, s)| votes(s) && s.read == Read::Served) {
            Verdict::Holds
        } else if self.asking > 0 {
            Verdict::Asking
        } else if self.says.iter().any(|(_, s)| votes(s) && s.leader != Id(0)) {
            Verdict::Unsettled
        } else if self.says.is_empty() {
            Verdict::Unknown
        } else if self.answering >= self.needed {
            Verdict::NoLeader
        } else {
            Verdict::Lost
        }
    }

    /// A member's name in the newest list, else its endpoint.
    fn name(&self, endpoint: &str, says: &MemberSays) -> String {
        self.list
            .and_then(|list| list.iter().find(|m| m.id == says.member_id && !m.name.is_empty()))
            .map_or_else(|| endpoint.to_string(), |m| m.name.clone())
    }

    /// "1 of 3 voting members answers and knows no leader".
    fn answers(&self, tail_one: &str, tail_many: &str) -> String {
        let of = format!("of {} voting {}", self.voters, plural(self.voters, "member", "members"));
        match self.answering {
            0 => format!("none {of} answers"),
            1 => format!("1 {of} answers{tail_one}"),
            many => format!("{many} {of} answer{tail_many}"),
        }
    }

    fn needs(&self) -> String {
        format!("{} {} needed", self.needed, plural(self.needed, "is", "are"))
    }

    fn no_list(&self) -> &'static str {
        if self.list.is_some() {
            ""
        } else {
            " (no member list could be had, so each endpoint asked counts as a voting member)"
        }
    }

    fn sentence(&self, verdict: Verdict) -> String {
        let no_list = self.no_list();
        match verdict {
            Verdict::Asking => {
                let asking = plural(self.asking, "endpoint is", "endpoints are");
                format!("Asking: {} {asking} still to answer, {} answered", self.asking, self.says.len())
            }
            Verdict::Holds => {
                let reader = self.says.iter().find(|(_, s)| s.read == Read::Served);
                let reader = reader.map_or_else(|| "a member".into(), |(e, s)| self.name(e, s));
                format!(
                    "Quorum holds: a linearizable read through {reader} was served, which takes a majority of the voting members; {} from here{no_list}",
                    self.answers("", "")
                )
            }
            Verdict::Unsettled => {
                let leader = self.says.iter().find(|(_, s)| s.leader != Id(0) && !s.is_learner);
                let (who, why) = leader.map_or_else(
                    || ("a member".to_string(), "it was not tried"),
                    |(e, s)| {
                        let why = match &s.read {
                            Read::Failed(why) => why.as_str(),
                            _ => "it was not tried",
                        };
                        (self.name(e, s), why)
                    },
                );
                format!(
                    "Not settled: {who} names a leader, but a linearizable read through it failed ({why}); {}{no_list}",
                    self.answers("", "")
                )
            }
            Verdict::Lost => {
                let mut answers = self.answers(" and knows no leader", " and know no leader");
                if self.answering == 0 {
                    let learners = self.says.iter().filter(|(_, s)| s.is_learner).count();
                    answers.push_str(&match (learners, self.says.len()) {
                        (1, 1) => ", only a learner does, and learners have no vote".to_string(),
                        (l, all) if l == all => format!(", only {l} learners do, and learners have no vote"),
                        _ => ", only members that have no vote in it do".to_string(),
                    });
                }
                let were = plural(self.unasked.count, "was", "were");
                let unasked = match (self.unasked.count, self.unasked.names.as_slice()) {
                    (0, _) => String::new(),
                    (n, []) => format!("; {n} of them {were} not asked"),
                    (_, names) => format!("; {} {were} not asked", all(names)),
                };
                format!("Quorum is lost as far as this machine can see: {answers}; {}{unasked}{no_list}", self.needs())
            }
            Verdict::NoLeader => format!(
                "No leader, although {}, and {}: they do not hear each other{no_list}",
                self.answers("", ""),
                if self.needed == 1 { "1 is enough".to_string() } else { format!("{} are enough", self.needed) },
            ),
            Verdict::Split => {
                let mut seen: Vec<(Id, Vec<&str>)> = Vec::new();
                for (endpoint, says) in &self.says {
                    match seen.iter_mut().find(|(id, _)| *id == says.cluster_id) {
                        Some((_, endpoints)) => endpoints.push(endpoint),
                        None => seen.push((says.cluster_id, vec![endpoint])),
                    }
                }
                let parts: Vec<String> = seen.iter().map(|(id, e)| format!("{id} at {}", e.join(", "))).collect();
                format!("The answers come from {} different clusters: {}", parts.len(), parts.join("; "))
            }
            Verdict::Unknown if self.voters == 0 => "Unknown: no endpoint was asked".into(),
            Verdict::Unknown => {
                let asked = if self.voters == 1 {
                    "the endpoint asked does not answer".to_string()
                } else {
                    format!("none of the {} endpoints asked answers", self.voters)
                };
                format!("Unknown from here: {asked}, so this machine cannot tell whether quorum is lost")
            }
        }
    }

    fn rule(&self, verdict: Verdict) -> String {
        let majority = format!("a majority of {} is {}", self.voters, self.needed);
        match verdict {
            Verdict::Asking => {
                "it is settled once a linearizable read is served, or once everybody answered or ran out of time".into()
            }
            Verdict::Holds => format!(
                "a read that is linearizable can only be served by a leader that a majority follows; {majority}"
            ),
            Verdict::Unsettled => {
                "a leader that is named may be gone already; only a served linearizable read settles it".into()
            }
            Verdict::Lost => format!(
                "no voting member names a leader, and {} answering {} fewer than a majority; {majority}",
                self.answering,
                plural(self.answering, "is", "are")
            ),
            Verdict::NoLeader => format!(
                "no voting member names a leader, yet {} answering {} a majority; {majority}",
                self.answering,
                plural(self.answering, "is", "are")
            ),
            Verdict::Split => "members of one cluster answer with one cluster ID".into(),
            Verdict::Unknown => {
                "silence says nothing about quorum: the members may see each other while this machine does not see them"
                    .into()
            }
        }
    }

    fn advice(&self, verdict: Verdict) -> Vec<String> {
        let silent = either(&self.silent);
        let elsewhere = "Ask from a host that reaches the client port, best from a member's own: requorum --endpoints http://127.0.0.1:2379".to_string();
        match verdict {
            Verdict::Asking => vec!["Wait for the rest; each has its own deadline.".into()],
            Verdict::Holds if self.silent.is_empty() => vec!["Do not restore: the cluster serves.".into()],
            Verdict::Holds => vec![
                format!("Do not restore: the cluster serves. Start {silent} again, or replace it: etcdctl member remove, then member add."),
            ],
            Verdict::Unsettled => vec![
                "Ask again in a few seconds: an election may be under way.".into(),
                "If it stays so, look at the leader's log and at the network between the members.".into(),
            ],
            Verdict::Lost => {
                let mut advice = Vec::new();
                if self.unasked.count > 0 {
                    let names = if self.unasked.names.is_empty() { "the others".into() } else { all(&self.unasked.names) };
                    let urls = self.unasked.urls.join(",");
                    let at = if urls.is_empty() { urls } else { format!(" ({urls})") };
                    advice.push(format!("Ask {names} too{at}: nobody knows yet whether they answer."));
                }
                if !self.silent.is_empty() {
                    let missing = self.needed.saturating_sub(self.answering);
                    let enough = match (missing, self.silent.len()) {
                        (_, 1) => "that is enough".to_string(),
                        (1, _) => "one is enough".to_string(),
                        (n, all) if n == all => format!("all {n} are needed"),
                        (n, _) => format!("{n} of them are enough"),
                    };
                    let disk = if missing > 1 { "Are the disks of" } else { "Is the disk of" };
                    let listed = if missing > 1 { all(&self.silent) } else { silent };
                    advice.push(format!("{disk} {listed} whole? Start etcd there again; {enough}."));
                    advice.push(format!("Do they run, unseen from here? {elsewhere}"));
                }
                let newest = self.says.iter().max_by_key(|(_, s)| (s.raft_term, s.raft_index));
                if let Some((endpoint, says)) = newest {
                    let name = self.name(endpoint, says);
                    let revision = thousands(says.revision.unsigned_abs());
                    advice.push(format!("Gone for good? Go on: {name}'s own data is the newest that answers (revision {revision})."));
                }
                advice
            }
            Verdict::NoLeader => vec![
                "Do not restore yet: the members are there. Look at the peer network: does each reach the others' peer URLs (port 2380, firewall, DNS)?".into(),
                "Look at the peer certificates: expired, or signed by another CA? The members' logs name it.".into(),
                "Is a disk full or slow? A leader that cannot write steps down.".into(),
            ],
            Verdict::Split => vec![
                "Ask the members of one cluster only: drop the endpoints that belong to another.".into(),
                "Did somebody restore or bootstrap one of them already? Stop that member before its clients write to it.".into(),
            ],
            Verdict::Unknown => vec![
                elsewhere,
                "Is etcd running there at all? Look on the hosts: systemctl status etcd, or crictl ps --name etcd.".into(),
                "No member left? Go on with files: a saved snapshot, or a copy of member/snap/db.".into(),
            ],
        }
    }
}

fn called(member: &KnownMember) -> String {
    if member.name.is_empty() { member.id.to_string() } else { member.name.clone() }
}

/// Host and port of an endpoint, which may come without its scheme.
fn place(endpoint: &str) -> Option<(String, u16)> {
    let url = url::parse(endpoint).or_else(|_| url::parse(&format!("http://{endpoint}")));
    url.ok().map(|u| u.place())
}

/// Whether this member votes: by the newest list, else by what it says of itself.
fn votes(list: Option<&[KnownMember]>, says: &MemberSays) -> bool {
    match list {
        Some(list) => list.iter().any(|m| m.id == says.member_id && !m.is_learner),
        None => !says.is_learner,
    }
}

/// Judges the answers. Learners never count; the voters are those of the newest member list.
pub fn verdict(facts: &[EndpointFacts]) -> Finding {
    let count = Count::of(facts);
    let verdict = count.verdict();
    Finding {
        verdict,
        voters: count.voters,
        needed: count.needed,
        answering: count.answering,
        sentence: count.sentence(verdict),
        rule: count.rule(verdict),
        advice: count.advice(verdict),
    }
}
