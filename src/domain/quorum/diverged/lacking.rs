//! Data directories that lack writes, or are not shown to share the cluster's history.

use crate::{
    domain::{
        model::observations::disk::{DirFacts, DirState},
        quorum::{
            act::{Act, Advice},
            history::Lack,
            known::{Match, NewerAt, Unknown},
            tally::{Count, Fate, Silent},
        },
    },
    error::Remedy,
    etcd::membership::Id,
    text::{Shown, join::capital, number::thousands},
};

impl Count<'_> {
    /// Returns the directories and snapshots not shown to share the history of what serves, each with the reason and with
    /// what would show it.
    pub(crate) fn not_shown(&self) -> Vec<Advice> {
        let served = self.history.serving.iter().flat_map(|s| &s.says).next();
        let from = served.map(|(endpoint, _)| endpoint.to_string());
        let each = self.history.not_shown().filter_map(|compared| {
            let Match::Unknown(why) = &compared.outcome else { return None };
            let (NewerAt::Dir(at) | NewerAt::File(at) | NewerAt::Member(at)) = &compared.at;
            let what = format!(
                "it is not known yet whether {at} shares the history of the serving cluster: at its revision {}, {}",
                thousands(compared.revision.max(0).unsigned_abs()),
                why.words()
            );
            if *why == Unknown::Asking {
                return Some(Advice::new(Act::Comparing, at, capital(&what) + "."));
            }
            let database = match compared.at {
                NewerAt::Dir(_) => format!("{at}/member/snap/db"),
                _ => at.clone(),
            };
            let show = Remedy::SaveAndCompare { from: from.clone(), with: database };
            let silent = self.unknown_dirs().find(|(_, dir, _)| dir.data_dir.shown() == *at);
            let act = if silent.is_some() { Act::ShowFirst } else { Act::Show };
            let text = match silent {
                Some((silent, ..)) => format!(
                    "Do not start etcd on {at} ({}) until you know: {what}. If they share one history, start it; otherwise replace {}: {}",
                    silent.name,
                    silent.name,
                    self.replace_words(silent)
                ),
                None => capital(&what) + ".",
            };
            Some(Advice::new(act, at, text).by(show))
        });
        each.collect()
    }

    /// Returns the learners that do not answer and on whose data directory etcd may be started.
    pub(crate) fn silent_learners(&self) -> Vec<Advice> {
        let comes = |s: &&Silent<'_>| matches!(s.fate, Fate::Open | Fate::Whole(_) | Fate::Held(_));
        let open = self.learners.iter().filter(|s| s.asked).filter(comes);
        let open = open.filter(|s| !self.unknown_dirs().any(|(unknown, ..)| unknown.id == s.id));
        open.map(|silent| {
            let text = format!(
                "{}, a learner, does not answer: start it again; it has no vote and does not count towards quorum.",
                silent.name
            );
            Advice::new(Act::StartLearner, &silent.name, text)
        })
        .collect()
    }

    /// Returns how to replace a member by one with an empty data directory.
    fn replace_words(&self, silent: &Silent<'_>) -> String {
        let id = silent.id.map_or_else(|| "ID".to_string(), |id: Id| id.to_string());
        let add = if self.learners.iter().any(|s| s.id == silent.id) { "member add --learner" } else { "member add" };
        format!(
            "etcdctl member remove {id}, then {add}, and start it with an empty data directory and --initial-cluster-state=existing."
        )
    }

    /// Returns the data directories on which etcd must not be started, each with the reason and what to do instead.
    pub(crate) fn lacking(&self) -> Vec<Advice> {
        self.lacking_but(&|_| false)
    }

    pub(super) fn lacking_but(&self, named: &dyn Fn(&str) -> bool) -> Vec<Advice> {
        let lacking = self.silent.iter().chain(&self.learners).filter_map(|s| match s.fate {
            Fate::Lacks(dir, _) if named(&dir.data_dir.to_string_lossy()) => None,
            Fate::Lacks(dir, lack) => {
                Some(Advice::new(Act::DoNotStart(lack), dir.data_dir.shown(), self.lack_words(s, dir, lack)))
            }
            Fate::Blank(dir) => {
                let place = dir.data_dir.shown();
                let text = format!(
                    "{}'s data directory {place} holds nothing yet (log up to {}): starting etcd on it brings no data.",
                    s.name,
                    log_end(dir)
                );
                Some(Advice::new(Act::BringsNothing, place, text))
            }
            _ => None,
        });
        lacking.collect()
    }

    fn lack_words(&self, silent: &Silent<'_>, dir: &DirFacts, lack: Lack) -> String {
        let (name, path) = (&silent.name, dir.data_dir.shown());
        let log = log_end(dir);
        let revision = dir.state.says().map_or(0, |s| s.revision);
        let revision = thousands(revision.max(0).unsigned_abs());
        let why = match lack {
            Lack::Everything => format!(
                "it is empty (log up to {log}), so {name} was started with an empty data directory, without the writes it had acknowledged"
            ),
            Lack::Restored => format!(
                "its log ends at the bootstrap ({log}) and its store is at revision {revision}, so it was restored from a snapshot, without the writes {name} had acknowledged"
            ),
            Lack::Keys => format!(
                "it holds no keys (revision {revision}, log up to {log}) while the cluster has some: it was started with an empty data directory, or stopped before the first write"
            ),
            Lack::Acknowledged => format!(
                "its log ends ({log}) before what the cluster had committed, and so do too many others: some of them lost acknowledged writes"
            ),
            Lack::OtherData => format!(
                "its store is at revision {revision}, while the serving members are at a lower one at the same raft index: it holds different data"
            ),
            Lack::OtherLog => format!(
                "its log is not the serving cluster's: since its revision {revision} (log up to {log}) that cluster made more revisions than log entries, so it was restored or started from other data, and etcd continuing from this log would hold different data than the other members"
            ),
            Lack::OlderCopy => {
                format!("another data directory of {name} holds more of its log: this one is an older copy")
            }
        };
        let way = if lack == Lack::OlderCopy {
            String::new()
        } else if self.history.serving.is_some() {
            format!(" Replace {name}: {}", self.replace_words(silent))
        } else {
            " Starting it does not regain quorum.".into()
        };
        let do_not = if dir.held.is_held() { "Stop etcd on" } else { "Do not start etcd on" };
        format!("{do_not} {path} ({name}): {why}.{way}")
    }
}

fn log_end(dir: &DirFacts) -> String {
    match &dir.state {
        DirState::Whole(says) | DirState::Broken { says, .. } => format!("{}/{}", says.last_term, says.last_index),
        _ => "0/0".into(),
    }
}
