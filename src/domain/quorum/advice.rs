//! What to do, safest first: whatever regains quorum without a restore comes before a restore.

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
        quorum::newest_dir::{Age, reach_words},
    },
    error::Remedy,
    text::{
        Shown,
        join::{all, either},
        number::thousands,
    },
};

impl Count<'_> {
    pub(crate) fn advice(&self, verdict: QuorumVerdict) -> Vec<Advice> {
        match verdict {
            QuorumVerdict::Asking => vec![Advice::new(Act::Wait, "", "Wait for the other endpoints; each has its own timeout.")],
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
                Advice::new(Act::Wait, "", "Try again in a few seconds: an election may be in progress."),
                Advice::new(Act::Look, "", "If it persists, check the leader's log and the network between the members."),
            ],
            QuorumVerdict::LostForNow => self.before_a_restore(),
            QuorumVerdict::LostForGood => {
                let mut advice = self.misplaced_advice();
                advice.extend(self.start_what_is_whole());
                advice.extend(self.broken());
                advice.extend(self.lacking());
                advice.extend(self.disagreement_advice());
                advice.push(self.go_on("Continue"));
                advice
            }
            QuorumVerdict::NoLeader => [
                match self.keep(verdict) {
                    true => Advice::new(Act::Keep, "", "Do not restore yet: a majority of the members is running. Check the peer network: can each member reach the others' peer URLs (port 2380, firewall, DNS)?"),
                    false => Advice::new(Act::Look, "", "A majority of the members is running, but newer data than theirs is known: keep it. Check the peer network: can each member reach the others' peer URLs (port 2380, firewall, DNS)?"),
                },
                Advice::new(Act::Look, "", "Check the peer certificates: expired, or signed by another CA? The members' logs show it."),
                Advice::new(Act::Look, "", "Check the disks: full or slow? A leader that cannot write steps down."),
            ]
            .into_iter()
            .chain(self.shut())
            .chain(self.lacking())
            .collect(),
            QuorumVerdict::Forked => self.forked_advice(),
            QuorumVerdict::Unconfirmed => self.unconfirmed_advice(),
            QuorumVerdict::Split if !self.twins.is_empty() => vec![
                Advice::new(Act::Compare, "", "Query each endpoint on its own, save a snapshot from each and compare them.")
                    .by(Remedy::CompareSnapshots),
                Advice::new(Act::WhoseCluster, "", "Each was bootstrapped as its own cluster with the same IDs: stop those that do not hold your data before clients write to them."),
            ],
            QuorumVerdict::Split => {
                let mut advice = self.misplaced_advice();
                if advice.is_empty() {
                    advice = self.split_advice();
                    advice.push(Advice::new(Act::WhoseCluster, "", "Was one of them already restored or bootstrapped? Stop that member before its clients write to it."));
                }
                advice.push(Advice::new(Act::Ask, "", "Query one cluster at a time.").by(Remedy::AskOneCluster));
                advice
            }
            QuorumVerdict::Unknown => {
                let mut advice = self.start_what_is_whole();
                advice.extend(self.lacking());
                advice.extend([
                    Advice::new(Act::AskElsewhere, "", "Ask from a host that can reach the client ports, best on a member itself.").by(Remedy::AskElsewhere),
                    Advice::new(Act::Look, "", "Is etcd running at all? Check on the hosts: systemctl status etcd, or crictl ps --name etcd."),
                    Advice::new(Act::GoOn, "", "No member left? Continue with files: a saved snapshot, or a copy of member/snap/db."),
                ]);
                advice
            }
        }
    }

    /// Returns what repairs a cluster that serves.
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
                    "{whose} has exceeded its space quota, so writes are rejected: compact, defragment, then etcdctl alarm disarm."
                ),
                "CORRUPT" => {
                    format!(
                        "{whose}: its data differs from the other members': replace that member, then etcdctl alarm disarm."
                    )
                }
                kind => format!("{whose} raised alarm {kind}: find the cause, then etcdctl alarm disarm."),
            };
            advice.push(Advice::new(Act::Alarm, &whose, text));
        }
        advice.extend(self.disagreement_advice());
        advice.extend(self.silent_learners());
        advice.extend(self.other_names());
        advice.extend(self.not_shown());
        advice
    }

    /// Returns the advice that the cluster serves, and what that means for a restore.
    fn serves(&self, verdict: QuorumVerdict) -> Advice {
        let serving = self.history.serving.as_ref();
        if self.keep(verdict) {
            Advice::new(Act::Keep, "", "Do not restore: the cluster serves.")
        } else if serving.is_some_and(|s| s.is_empty()) {
            Advice::new(
                Act::SaveFirst,
                "",
                "The cluster serves but is empty: nothing was ever written to it (revision 1). If yours had data, these members were started with empty data directories: stop them before clients write to them, and look for a snapshot or an old data directory.",
            )
        } else if self.unknown_dir() {
            Advice::new(
                Act::SaveFirst,
                "",
                "The cluster serves, but it is not known whether a data directory shares its history (see below): save a snapshot from the cluster before you restore or start anything.",
            )
        } else {
            Advice::new(
                Act::SaveFirst,
                "",
                "The cluster serves, but its data does not match everything else found: save a snapshot from it, and read the following points before you restore or start anything.",
            )
        }
    }

    /// Returns the silent voters that can only be started or replaced, as far as is known.
    fn unmended(&self) -> Vec<&Silent<'_>> {
        self.silent.iter().filter(|s| !matches!(s.fate, Fate::Whole(_) | Fate::Lacks(..))).collect()
    }

    /// Returns the data directories on which etcd can be started right away.
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
                let text = format!(
                    "{} etcd on {name}{first}: its data in {} is intact{holds}.",
                    lead(n),
                    dir.data_dir.shown()
                );
                Advice::new(if n == 0 { Act::Start } else { Act::AlsoStart }, dir.data_dir.shown(), text)
            })
            .collect();
        if let Some(first) = advice.first_mut()
            && enough > 0
        {
            first.text.push_str(&match (enough, whole.len()) {
                (1, _) => " That one is enough for quorum.".to_string(),
                (n, there) if there >= n => format!(" {n} of these are enough for quorum."),
                (n, _) => format!(" {n} more members are needed for quorum."),
            });
        }
        for silent in &self.silent {
            if let Fate::Held(dir) = silent.fate {
                let (name, dir) = (&silent.name, dir.data_dir.shown());
                let text = match silent.asked {
                    true => format!(
                        "A process is using {name}'s data in {dir}, but {name} does not answer: check its log before anything else."
                    ),
                    false => {
                        format!("A process is using {name}'s data in {dir}, but {name} was not asked: query it first.")
                    }
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
            let text = format!("Query {names} too{at}: it is not known yet whether they answer.");
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
                (_, 1) => "that is enough for quorum".to_string(),
                (1, _) => "one is enough".to_string(),
                (n, all) if n >= all => format!("all {all} are needed"),
                (n, _) => format!("{n} of them are enough"),
            };
            let several = missing > 1 && open.len() > 1;
            let disk = if several { "Are the disks of" } else { "Is the disk of" };
            let listed = if several { all(&open) } else { either(&open) };
            let text = format!("{disk} {listed} intact? Start etcd there again; {enough}.");
            advice.push(Advice::new(Act::StartIfWhole, all(&open), text));
            advice.push(
                Advice::new(Act::AskElsewhere, "", "They may be running but unreachable from here: ask from a host that can reach the client ports, best on a member itself.")
                    .by(Remedy::AskElsewhere),
            );
        }
        advice.extend(self.disagreement_advice());
        if !self.says.is_empty() {
            advice.push(self.go_on("Permanently lost? Continue"));
        }
        advice
    }

    /// Returns why client ports may not answer although their members run.
    fn shut(&self) -> Vec<Advice> {
        let closed = self.closed();
        let text = |name: &String, why: &NoAnswer| match why {
            NoAnswer::Password => format!(
                "{name}: authentication is enabled; no token can be issued without quorum. Use a client certificate of a user, or the member's files."
            ),
            NoAnswer::Because(why) => format!(
                "{name} is running, but its client port does not answer ({why}). Was it restarted? A restarted member does not open its client port without quorum; check its log."
            ),
        };
        closed.iter().map(|(name, why)| Advice::new(Act::Shut, name, text(name, why))).collect()
    }

    /// Returns the members whose data directory was found damaged, and why.
    fn broken(&self) -> impl Iterator<Item = Advice> {
        self.silent.iter().chain(&self.learners).filter_map(|s| match s.fate {
            Fate::Broken(why) => {
                let text = format!("{} cannot start again: {}.", s.name, why.trim_end_matches('.'));
                Some(Advice::new(Act::Broken, &s.name, text))
            }
            _ => None,
        })
    }

    /// Returns the advice that members hold different data, which only the operator can decide.
    fn disagreement_advice(&self) -> Option<Advice> {
        let text = format!(
            "{}. requorum does not choose between them: save a snapshot from each and compare them.",
            self.disagreement_words()?
        );
        Some(Advice::new(Act::Compare, "", text).by(Remedy::CompareSnapshots))
    }

    fn go_on(&self, go: &str) -> Advice {
        let able = self.says.iter().filter(|(_, s)| s.closed.is_none() && s.revision > 0);
        let newest: Option<&(&str, &MemberStatus)> = able.max_by_key(|(_, s)| (s.raft_term, s.raft_index));
        let mut on = String::new();
        let text = match newest {
            _ if self.disagreement.is_some() => format!("{go}, and choose the source yourself."),
            None => match self.closed().first() {
                Some((name, _)) => {
                    on.clone_from(name);
                    format!(
                        "{go} with files: a saved snapshot, or {name}'s member/snap/db once that member is stopped."
                    )
                }
                None => format!("{go} with files: a saved snapshot, or a copy of member/snap/db."),
            },
            Some((endpoint, says)) => {
                on = self.name(endpoint, says);
                let revision = thousands(says.revision.unsigned_abs());
                format!("{go}: {on} has the newest data of the members that answer (revision {revision}).")
            }
        };
        Advice::new(Act::GoOn, on, text)
    }
}

/// Returns what matters about a member's other data directories, one sentence each.
fn copies_advice<'a>(silent: &'a Silent<'_>) -> impl Iterator<Item = Advice> + use<'a> {
    silent.copies.iter().filter_map(move |(dir, age)| {
        let (path, name, reach) = (dir.data_dir.shown(), &silent.name, reach_words(dir));
        let whole = matches!(dir.state, DirState::Whole(_));
        let (act, text) = match (&silent.fate, age) {
            (Fate::Broken(_), Age::Older) if whole => (Act::ReplaceNotOlder, format!(
                "{path} is an intact but OLDER copy of {name}'s data ({reach}): etcd started on it would lack writes that {name} acknowledged. Replace the member instead: etcdctl member remove, then member add."
            )),
            (Fate::Held(held), Age::Newer) => (Act::NewerCopy, format!(
                "The running process uses an OLDER copy of {name}'s data ({}): {path} is newer ({reach}). Stop that process before it serves.",
                reach_words(held)
            )),
            (_, Age::Older) => {
                (Act::OlderCopy, format!("Do not start etcd on {path}: it is an OLDER copy of {name}'s data ({reach})."))
            }
            (_, Age::Same) => (
                Act::SameCopy,
                format!("{path} holds the same data of {name}: start etcd on only one of the two directories."),
            ),
            (Fate::Whole(chosen), Age::Unknown) => (Act::UnknownCopy, format!(
                "How far {path} goes cannot be read. If it is newer than {}, {name} would lose acknowledged writes: find out first.",
                chosen.data_dir.shown()
            )),
            (_, Age::Newer | Age::Unknown) => return None,
        };
        Some(Advice::new(act, path, text))
    })
}
