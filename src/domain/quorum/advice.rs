//! What to do, safest first: what brings a quorum back without a restore comes before what leads to one.

use super::{
    act::{Act, Advice},
    tally::{Count, Fate, Silent},
    verdict::QuorumVerdict,
};
use crate::{
    domain::{
        model::observations::{
            MemberStatus, NoAnswer,
            disk::{DirFacts, DirState},
        },
        sources::newest_dir::{Age, reach_words},
    },
    text::{
        Shown,
        number::thousands,
        phrase::{all, either},
    },
};

const ELSEWHERE: &str = "Ask from a host that reaches the client port, best from a member's own: requorum --endpoints http://127.0.0.1:2379";

impl Count<'_> {
    pub(crate) fn advice(&self, verdict: QuorumVerdict) -> Vec<Advice> {
        match verdict {
            QuorumVerdict::Asking => vec![Advice::new(Act::Wait, "", "Wait for the rest; each has its own deadline.")],
            QuorumVerdict::Healthy => {
                let mut advice = vec![self.serves(verdict)];
                advice.extend(self.lacking());
                advice.extend(self.broken());
                advice.extend(self.silent_learners());
                advice.extend(self.other_names());
                advice.extend(self.not_shown());
                advice
            }
            QuorumVerdict::Degraded => self.mend(),
            QuorumVerdict::Unsettled => vec![
                Advice::new(Act::Wait, "", "Ask again in a few seconds: an election may be under way."),
                Advice::new(Act::Look, "", "If it stays so, look at the leader's log and at the network between the members."),
            ],
            QuorumVerdict::LostForNow => self.before_a_restore(),
            QuorumVerdict::LostForGood => {
                let mut advice = self.misplaced_advice();
                advice.extend(self.start_what_is_whole());
                advice.extend(self.broken());
                advice.extend(self.lacking());
                advice.extend(self.disagreement_advice());
                advice.push(self.go_on("Go"));
                advice
            }
            QuorumVerdict::NoLeader => [
                match self.keep(verdict) {
                    true => Advice::new(Act::Keep, "", "Do not restore yet: the members are there. Look at the peer network: does each reach the others' peer URLs (port 2380, firewall, DNS)?"),
                    false => Advice::new(Act::Look, "", "The members are there, and something newer than what they say is known: keep it. Look at the peer network: does each reach the others' peer URLs (port 2380, firewall, DNS)?"),
                },
                Advice::new(Act::Look, "", "Look at the peer certificates: expired, or signed by another CA? The members' logs name it."),
                Advice::new(Act::Look, "", "Is a disk full or slow? A leader that cannot write steps down."),
            ]
            .into_iter()
            .chain(self.shut())
            .chain(self.lacking())
            .collect(),
            QuorumVerdict::Forked => self.forked_advice(),
            QuorumVerdict::Unconfirmed => self.unconfirmed_advice(),
            QuorumVerdict::Split if !self.twins.is_empty() => vec![
                Advice::new(Act::Compare, "", "Ask each endpoint by itself, and save a snapshot from each: requorum snapshot compare shows what differs."),
                Advice::new(Act::WhoseCluster, "", "Each was begun as a cluster of its own with the same IDs: stop those that do not hold your data before clients write to them."),
            ],
            QuorumVerdict::Split => {
                let mut advice = self.misplaced_advice();
                if advice.is_empty() {
                    advice = self.split_advice();
                    advice.push(Advice::new(Act::WhoseCluster, "", "Was one of them already restored or bootstrapped? Stop that member before its clients write to it."));
                }
                advice.push(Advice::new(Act::Ask, "", "Ask the members of one cluster by themselves: --endpoints with client URLs of that cluster only."));
                advice
            }
            QuorumVerdict::Unknown => {
                let mut advice = self.start_what_is_whole();
                advice.extend(self.lacking());
                advice.extend([
                    Advice::new(Act::AskElsewhere, "", ELSEWHERE),
                    Advice::new(Act::Look, "", "Is etcd running there at all? Look on the hosts: systemctl status etcd, or crictl ps --name etcd."),
                    Advice::new(Act::GoOn, "", "No member left? Go on with files: a saved snapshot, or a copy of member/snap/db."),
                ]);
                advice
            }
        }
    }

    /// What mends a cluster that serves.
    fn mend(&self) -> Vec<Advice> {
        let mut advice = self.apart_advice();
        advice.extend(self.start_what_is_whole());
        advice.extend(self.lacking());
        let mut first = self.serves(QuorumVerdict::Degraded);
        if let [lost] = self.unmended().as_slice() {
            let remove = lost.id.map_or_else(|| "ID".to_string(), |id| id.to_string());
            first.text.push_str(&format!(
                " Start {} again, or replace it: etcdctl member remove {remove}, then member add.",
                lost.name
            ));
        } else if !self.unmended().is_empty() {
            let names: Vec<String> = self.unmended().iter().map(|s| s.name.clone()).collect();
            first.text.push_str(&format!(
                " Start {} again, or replace them one by one: etcdctl member remove ID, then member add.",
                either(&names)
            ));
        }
        advice.insert(0, first);
        for alarm in &self.alarms {
            let whose = self.name_of(alarm.member).unwrap_or_else(|| alarm.member.to_string());
            let text = match alarm.kind.as_str() {
                "NOSPACE" => format!(
                    "{whose} is out of its quota, and no write goes through: compact, defragment, then etcdctl alarm disarm."
                ),
                "CORRUPT" => {
                    format!("{whose} holds other data than the rest: replace that member, then etcdctl alarm disarm.")
                }
                kind => format!("{whose} raised the alarm {kind}: find out why, then etcdctl alarm disarm."),
            };
            advice.push(Advice::new(Act::Alarm, &whose, text));
        }
        advice.extend(self.disagreement_advice());
        advice.extend(self.silent_learners());
        advice.extend(self.other_names());
        advice.extend(self.not_shown());
        advice
    }

    /// That the cluster serves, and what that means for a restore.
    fn serves(&self, verdict: QuorumVerdict) -> Advice {
        let serving = self.history.serving.as_ref();
        if self.keep(verdict) {
            Advice::new(Act::Keep, "", "Do not restore: the cluster serves.")
        } else if serving.is_some_and(|s| s.is_empty()) {
            Advice::new(
                Act::SaveFirst,
                "",
                "The cluster serves, and it is empty: nothing was ever written to it (revision 1). Had yours data, then these members were begun with empty directories: stop them before clients write to them, and look for a snapshot or an old data directory.",
            )
        } else if self.unknown_dir() {
            Advice::new(
                Act::SaveFirst,
                "",
                "The cluster serves, and whether a directory is of its history is not known (see below): save a snapshot from it before you restore or start anything.",
            )
        } else {
            Advice::new(
                Act::SaveFirst,
                "",
                "The cluster serves, and not all that is known fits to what it holds: save a snapshot from it, and look at what follows before you restore or start anything.",
            )
        }
    }

    /// Silent voters for which nothing better is known than to start or to replace them.
    fn unmended(&self) -> Vec<&Silent<'_>> {
        self.silent.iter().filter(|s| !matches!(s.fate, Fate::Whole(_) | Fate::Lacks(..))).collect()
    }

    /// The directories on which an etcd can be started at once.
    fn start_what_is_whole(&self) -> Vec<Advice> {
        let whole: Vec<(&str, &DirFacts)> = self
            .silent
            .iter()
            .filter_map(|s| match s.fate {
                Fate::Whole(dir) if self.history.not_known(dir).is_none() => Some((s.name.as_str(), dir)),
                _ => None,
            })
            .collect();
        let lead = |n: usize| if n == 0 { "Start" } else { "And start" };
        let enough = self.needed.saturating_sub(self.answering);
        let mut advice: Vec<Advice> = whole
            .iter()
            .enumerate()
            .map(|(n, (name, dir))| {
                let revision = dir.state.says().map_or(0, |s| s.revision);
                let holds = if revision > 0 {
                    format!(" (revision {})", thousands(revision.unsigned_abs()))
                } else {
                    String::new()
                };
                let first = if n == 0 { " first" } else { "" };
                let text =
                    format!("{} etcd on {name}{first}: its data in {} is whole{holds}.", lead(n), dir.data_dir.shown());
                Advice::new(if n == 0 { Act::Start } else { Act::AlsoStart }, dir.data_dir.shown(), text)
            })
            .collect();
        if let Some(first) = advice.first_mut()
            && enough > 0
        {
            first.text.push_str(&match (enough, whole.len()) {
                (1, _) => " That one is enough for a quorum.".to_string(),
                (n, there) if there >= n => format!(" {n} such are enough for a quorum."),
                (n, _) => format!(" {n} members are needed for a quorum."),
            });
        }
        for silent in &self.silent {
            if let Fate::Held(dir) = silent.fate {
                let (name, dir) = (&silent.name, dir.data_dir.shown());
                let text = match silent.asked {
                    true => format!(
                        "A process has {name}'s data in {dir}, and yet it does not answer: see its log before anything else."
                    ),
                    false => format!("A process has {name}'s data in {dir}, and it was not asked: ask it first."),
                };
                let act = if silent.asked { Act::Held } else { Act::AskHeld };
                advice.push(Advice::new(act, dir, text));
            }
        }
        advice.extend(self.silent.iter().flat_map(copies_advice));
        advice
    }

    fn before_a_restore(&self) -> Vec<Advice> {
        let mut advice = self.misplaced_advice();
        advice.extend(self.start_what_is_whole());
        advice.extend(self.broken());
        advice.extend(self.lacking());
        advice.extend(self.shut());
        if self.unasked.count > 0 {
            let names = if self.unasked.names.is_empty() { "the others".into() } else { all(&self.unasked.names) };
            let urls = self.unasked.urls.join(",");
            let at = if urls.is_empty() { urls } else { format!(" ({urls})") };
            let text = format!("Ask {names} too{at}: nobody knows yet whether they answer.");
            advice.push(Advice::new(Act::Ask, names, text));
        }
        let open: Vec<String> = self
            .silent
            .iter()
            .filter(|s| matches!(s.fate, Fate::Open | Fate::Blank(_)))
            .map(|s| s.name.clone())
            .collect();
        if !open.is_empty() {
            let missing = self.needed.saturating_sub(self.answering);
            let enough = match (missing, open.len()) {
                (_, 1) if missing > 1 => "it is one of those needed".to_string(),
                (_, 1) => "that is enough".to_string(),
                (1, _) => "one is enough".to_string(),
                (n, all) if n >= all => format!("all {all} are needed"),
                (n, _) => format!("{n} of them are enough"),
            };
            let several = missing > 1 && open.len() > 1;
            let disk = if several { "Are the disks of" } else { "Is the disk of" };
            let listed = if several { all(&open) } else { either(&open) };
            let text = format!("{disk} {listed} whole? Start etcd there again; {enough}.");
            advice.push(Advice::new(Act::StartIfWhole, all(&open), text));
            advice.push(Advice::new(Act::AskElsewhere, "", format!("Do they run, unseen from here? {ELSEWHERE}")));
        }
        advice.extend(self.disagreement_advice());
        if !self.says.is_empty() {
            advice.push(self.go_on("Gone for good? Go"));
        }
        advice
    }

    /// What may be behind client ports that say nothing while their members live.
    fn shut(&self) -> Vec<Advice> {
        let closed = self.closed();
        let text = |name: &String, why: &NoAnswer| match why {
            NoAnswer::Password => format!(
                "{name} wants a password, and without a quorum no token can be had: a client certificate of a user, or its files, do without."
            ),
            NoAnswer::Because(why) => format!(
                "{name} lives, though not at its client port ({why}). Was it started again? Without a quorum it opens that port to nobody; its log tells."
            ),
        };
        closed.iter().map(|(name, why)| Advice::new(Act::Shut, name, text(name, why))).collect()
    }

    /// Whose disk was found broken, and why.
    fn broken(&self) -> impl Iterator<Item = Advice> {
        self.silent.iter().chain(&self.learners).filter_map(|s| match s.fate {
            Fate::Broken(why) => {
                let text = format!("{} cannot start again: {}.", s.name, why.trim_end_matches('.'));
                Some(Advice::new(Act::Broken, &s.name, text))
            }
            _ => None,
        })
    }

    /// That members disagree, and that nobody decides it but the operator.
    fn disagreement_advice(&self) -> Option<Advice> {
        let text = format!(
            "{}. None is picked for you: save a snapshot from each, and see what differs: requorum snapshot compare.",
            self.disagreement_words()?
        );
        Some(Advice::new(Act::Compare, "", text))
    }

    fn go_on(&self, go: &str) -> Advice {
        let able = self.says.iter().filter(|(_, s)| s.closed.is_none() && s.revision > 0);
        let newest: Option<&(&str, &MemberStatus)> = able.max_by_key(|(_, s)| (s.raft_term, s.raft_index));
        let mut on = String::new();
        let text = match newest {
            _ if self.disagreement.is_some() => format!("{go} on, and choose the source yourself."),
            None => match self.closed().first() {
                Some((name, _)) => {
                    on.clone_from(name);
                    format!(
                        "{go} on with files: a saved snapshot, or {name}'s member/snap/db, once that member is stopped."
                    )
                }
                None => format!("{go} on with files: a saved snapshot, or a copy of member/snap/db."),
            },
            Some((endpoint, says)) => {
                on = self.name(endpoint, says);
                let revision = thousands(says.revision.unsigned_abs());
                format!("{go} on: {on}'s own data is the newest that answers (revision {revision}).")
            }
        };
        Advice::new(Act::GoOn, on, text)
    }
}

/// What is to be known of a member's other directories, each in a sentence.
fn copies_advice<'a>(silent: &'a Silent<'_>) -> impl Iterator<Item = Advice> + use<'a> {
    silent.copies.iter().filter_map(move |(dir, age)| {
        let (path, name, reach) = (dir.data_dir.shown(), &silent.name, reach_words(dir));
        let whole = matches!(dir.state, DirState::Whole(_));
        let (act, text) = match (&silent.fate, age) {
            (Fate::Broken(_), Age::Older) if whole => (Act::ReplaceNotOlder, format!(
                "{path} is a whole but OLDER copy of {name}'s data ({reach}): an etcd started on it would lack what {name} acknowledged. Replace the member instead: etcdctl member remove, then member add."
            )),
            (Fate::Held(held), Age::Newer) => (Act::NewerCopy, format!(
                "The process has an OLDER copy of {name}'s data ({}): {path} is newer ({reach}). Stop that process before it serves.",
                reach_words(held)
            )),
            (_, Age::Older) => {
                (Act::OlderCopy, format!("Start no etcd on {path}: it is an OLDER copy of {name}'s data ({reach})."))
            }
            (_, Age::Same) => (
                Act::SameCopy,
                format!("{path} holds the same data of {name}: start one etcd only, on one of the two."),
            ),
            (Fate::Whole(chosen), Age::Unknown) => (Act::UnknownCopy, format!(
                "How far {path} goes cannot be read. If it is newer than {}, {name} would forget what it acknowledged: find out first.",
                chosen.data_dir.shown()
            )),
            (_, Age::Newer | Age::Unknown) => return None,
        };
        Some(Advice::new(act, path, text))
    })
}
