//! Evaluates the facts of a scenario, each with its evidence: from the lab, the restored members and the timeline. Nothing
//! is taken from what was intended.

use std::{collections::BTreeSet, fs, path::Path};

use super::State;
use crate::{
    domain::{
        members::{build_plan, certificates},
        model::plan::Plan,
    },
    drill::{mvcc_store::Store, scenario::Fact},
    system::{Clock, Files},
    text::{Shown, number::thousands},
};

/// Returns whether a fact is true, and the evidence as a clause.
pub(super) fn fact(state: &State, fact: &Fact) -> (bool, String) {
    let lab = &state.lab;
    match fact {
        Fact::Restored => restored(state),
        Fact::Members(names) => of_plan(state, |plan| {
            let have: Vec<&str> = plan.members.iter().map(|m| m.name.as_str()).collect();
            let same = have.iter().collect::<BTreeSet<_>>()
                == names.iter().map(String::as_str).collect::<Vec<_>>().iter().collect();
            (same && have.len() == names.len(), format!("the new members are {}", have.join(", ")))
        }),
        Fact::EveryKey => every_key(state),
        Fact::Revision(floor) => of_stores(state, |stores| {
            let floor = floor.unwrap_or(lab.best());
            let least = stores.iter().map(|s| s.revision()).min().unwrap_or(0);
            (least >= floor, format!("the new cluster is at revision {}, {} is required", number(least), number(floor)))
        }),
        Fact::OneSnapshot => of_stores(state, |stores| {
            let hashes: BTreeSet<Option<u32>> = stores.iter().map(|s| s.hash_kv(0).ok().map(|h| h.hash)).collect();
            let words = match hashes.first() {
                Some(Some(hash)) if hashes.len() == 1 => format!("HashKV is {hash:08x} on every member"),
                _ => "HashKV differs between members".into(),
            };
            (hashes.len() == 1 && !hashes.contains(&None), words)
        }),
        Fact::OldUntouched => match lab.touched() {
            Ok(changed) if changed.is_empty() => (true, "every old file has its original SHA-256".into()),
            Ok(changed) => (false, format!("{} was changed", changed[0].shown())),
            Err(error) => (false, error.to_string()),
        },
        Fact::AsPlanned => of_plan(state, |plan| {
            let ids = |store: &Store| (store.identity().cluster, store.identity().member);
            let came: BTreeSet<_> = lab.restored().iter().map(|m| ids(m.store())).collect();
            let planned: BTreeSet<_> = plan.members.iter().map(|m| (plan.cluster_id, m.id)).collect();
            let from = if lab.is_real() { "its members" } else { "its WAL" };
            (came == planned, format!("cluster {}, according to {from}", plan.cluster_id))
        }),
        Fact::NoAlarm => of_stores(state, |stores| {
            let alarms: usize = stores.iter().map(|s| s.alarms().len()).sum();
            (
                alarms == 0,
                if alarms == 0 {
                    "no alarm is raised".into()
                } else {
                    "an alarm of an old member is still raised".into()
                },
            )
        }),
        Fact::Compacted => of_stores(state, |stores| {
            let source = lab.plan().map_or(0, |plan| plan.source.revision);
            let least = stores.iter().map(|s| s.compacted()).min().unwrap_or(-1);
            (
                least > source,
                if least > source {
                    format!("compacted up to {}", number(least))
                } else {
                    "no revision is compacted".into()
                },
            )
        }),
        Fact::ByAddress => of_plan(state, |plan| {
            let named = |url: &&String| crate::domain::model::url::parse(url).is_ok_and(|url| url.ip().is_none());
            match plan.members.iter().flat_map(|m| &m.peer_urls).find(named) {
                Some(url) => (false, format!("{url} has a host name")),
                None => (true, "every peer URL has an IP address".into()),
            }
        }),
        Fact::LogsApart => of_plan(state, |plan| {
            let within =
                plan.members.iter().find(|m| m.wal_dir.as_ref().is_none_or(|wal| wal.starts_with(&m.data_dir)));
            match within {
                Some(member) => (false, format!("{}'s WAL is in its data directory", member.name)),
                None => (true, "every member has a WAL directory".into()),
            }
        }),
        Fact::Flag(flag) => of_plan(state, |plan| {
            let has =
                |m: &&crate::domain::model::plan::Member| m.etcd_flags.iter().any(|f| f.starts_with(flag.as_str()));
            match plan.members.iter().find(|m| !has(m)) {
                Some(member) => (false, format!("{} is started without {flag}", member.name)),
                None => (true, format!("every member is started with {flag}")),
            }
        }),
        Fact::Certificates => of_plan(state, |plan| certificates(state, plan)),
        Fact::Secrets(file) => secrets(state, &lab.root().join(file)),
        Fact::Quorum => {
            let yes = lab.has_quorum();
            (
                yes,
                if yes {
                    "a majority of the old members runs and has a leader"
                } else {
                    "the old members have no leader"
                }
                .into(),
            )
        }
        Fact::Runs(name) => {
            let yes = lab.runs(name);
            (yes, format!("{name} {}", if yes { "runs" } else { "does not run" }))
        }
        Fact::WrittenFor(minor) => of_plan(state, |plan| {
            let target = plan.target.map_or("no version".to_string(), |t| format!("etcd {t}"));
            (plan.target == Some(*minor), format!("the plan's target is {target}"))
        }),
        Fact::Source(file) => of_plan(state, |plan| {
            (plan.source.path.ends_with(file), format!("it was restored from {}", plan.source.path.shown()))
        }),
        Fact::Begun => match &state.ran_at_begin {
            Some(_) => (true, "a restore was started".into()),
            None => (false, "no restore was started".into()),
        },
        Fact::BegunWhile(name) => {
            let ran = state.ran_at_begin.as_ref().is_some_and(|ran| ran.contains(name));
            (ran, format!("{name} {} when the restore was started", if ran { "ran" } else { "did not run" }))
        }
        Fact::Overridden => {
            let typed = state.overridden.join(", ");
            (
                !typed.is_empty(),
                if typed.is_empty() { "no blocker was overridden".into() } else { format!("typed: {typed}") },
            )
        }
        Fact::Chosen(file) => {
            let chosen = state.seen.chosen.as_ref();
            let named =
                |path: &std::path::PathBuf| path.ends_with(file) || path.starts_with(lab.root().join("old").join(file));
            (
                chosen.is_some_and(named),
                chosen.map_or("no source is chosen".into(), |p| format!("{} is chosen", p.shown())),
            )
        }
        Fact::NothingChosen => (state.seen.chosen.is_none(), "the chosen source".into()),
        Fact::ChosenLoses => (state.seen.loses.is_some_and(|n| n > 0), "the writes that the chosen file lacks".into()),
        Fact::NamesRepeat => (state.seen.twice.is_some(), state.seen.twice.clone().unwrap_or_default()),
        Fact::Problems => (state.seen.problems, "the problems of the table".into()),
        Fact::Fenced => (state.seen.fenced, "the blockers".into()),
        Fact::Step(step) => (state.seen.step == Some(*step), "the wizard's step".into()),
        Fact::Asked(times) => (state.asked >= *times, format!("the members were probed {} times", state.asked)),
        Fact::Probed => (state.probed, "whether the old members were probed".into()),
        Fact::Saved => (state.saved, "whether a snapshot was saved".into()),
        Fact::After(time) => (state.clock.elapsed() >= *time, "the clock".into()),
        Fact::Idle(time) => (state.clock.elapsed().saturating_sub(state.seen.key_at) >= *time, "the clock".into()),
        Fact::Never => (false, "never true".into()),
        Fact::Came(name) => (state.triggered.contains(name), format!("whether {name} happened")),
    }
}

fn number(revision: i64) -> String {
    thousands(revision.unsigned_abs())
}

fn of_plan(state: &State, look: impl FnOnce(&Plan) -> (bool, String)) -> (bool, String) {
    state.lab.plan().map_or_else(|| (false, "nothing was restored".into()), look)
}

fn of_stores(state: &State, look: impl FnOnce(&[&Store]) -> (bool, String)) -> (bool, String) {
    let stores: Vec<&Store> = state.lab.restored().iter().map(|m| m.store()).collect();
    if stores.is_empty() { (false, "no member came up".into()) } else { look(&stores) }
}

fn restored(state: &State) -> (bool, String) {
    let lab = &state.lab;
    if let Some(error) = lab.error() {
        return (false, format!("the members did not come up: {error}"));
    }
    of_plan(state, |plan| {
        let (up, all) = (lab.restored().len(), plan.members.len());
        (up == all, format!("{up} of {all} members came up"))
    })
}

fn every_key(state: &State) -> (bool, String) {
    let best = state.lab.history().alive(state.lab.best());
    of_stores(state, |stores| {
        let back = |store: &&&Store| {
            let kept = store.range(&[0], &[0], 0, usize::MAX).unwrap_or_default();
            let same = |kv: &&etcd_client::proto::PbKeyValue| {
                best.get(&kv.key).is_some_and(|b| (b.mod_revision, &b.value) == (kv.mod_revision, &kv.value))
            };
            kept.rows.iter().filter(same).count()
        };
        let least = stores.iter().map(|store| back(&store)).min().unwrap_or(0);
        (
            least == best.len(),
            format!("{least} of {} keys are back on every member, with their last values", best.len()),
        )
    })
}

fn certificates(state: &State, plan: &Plan) -> (bool, String) {
    let rows = build_plan::rows(plan);
    let named = certificates::named(&rows);
    if named.is_empty() {
        return (false, "no member names a certificate".into());
    }
    let seen = state.system.read_certificates(&state.bounds.certificates(&named));
    let problems = certificates::check(&rows, &seen, state.system.now());
    match problems.iter().find(|p| p.severity == crate::domain::members::table::Severity::Error) {
        Some(problem) => (false, problem.text.clone()),
        None => (true, format!("{} certificates were checked and are valid for their hosts", named.len())),
    }
}

/// Compares the keys of an encryption configuration with those that the restored secrets need.
fn secrets(state: &State, config: &Path) -> (bool, String) {
    let text = fs::read_to_string(config).unwrap_or_default();
    let held: BTreeSet<&str> =
        text.lines().filter_map(|line| line.trim().strip_prefix("- name: ")).map(str::trim).collect();
    of_stores(state, |stores| {
        let needed: BTreeSet<String> = stores
            .iter()
            .flat_map(|store| {
                store.range(b"/registry/secrets/", b"/registry/secrets0", 0, usize::MAX).unwrap_or_default().rows
            })
            .filter_map(|kv| {
                let value = String::from_utf8_lossy(&kv.value).into_owned();
                value.strip_prefix("k8s:enc:")?.split(':').nth(2).map(str::to_string)
            })
            .collect();
        let missing: Vec<&String> = needed.iter().filter(|key| !held.contains(key.as_str())).collect();
        match missing.first() {
            Some(key) => (false, format!("the secrets need {key}, which is not in {}", config.shown())),
            None => (
                !needed.is_empty(),
                format!("the secrets need {}, which is available", needed.into_iter().collect::<Vec<_>>().join(", ")),
            ),
        }
    })
}
