//! Finds out from journals whether a plan's members were installed before;
//! [`crate::domain::preflight::second_run`] decides what blocks then.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::Value;

use crate::system::journal::{Event, Journal, Record};
use crate::{
    domain::{
        model::{
            host_address,
            observations::disk::{DirFacts, DirState},
            plan::{Member, Plan},
        },
        preflight::{
            blockers::Blocker,
            second_run::{self, Again, Before},
        },
    },
    engine::install::Swapped,
    etcd::membership::Id,
    system::Files,
};

/// The present state of a member, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Now {
    /// Installed as recorded, or partly installed: nothing is done a second time.
    Same,
    /// Still to be installed.
    Open,
    /// Still to be installed, and its directory contains this member of this cluster.
    Holds,
}

/// One installation of a member.
#[derive(Debug, Clone)]
struct Time {
    /// The index of its journal line.
    number: usize,
    at: String,
    swapped: Option<Swapped>,
}

/// What a journal says about the members of one cluster.
#[derive(Debug, Clone, Default)]
struct History {
    /// Members that were installed and not rolled back.
    placed: BTreeMap<String, Time>,
    /// Members that were rolled back, each with those that were installed at the same time.
    met: BTreeMap<String, BTreeSet<(String, usize)>>,
}

impl History {
    fn read(records: &[Record], cluster: Id) -> History {
        let mut out = History::default();
        let mut its = false;
        for (number, record) in records.iter().enumerate() {
            let text = |name: &str| record.data.get(name).and_then(Value::as_str);
            if record.kind == Event::Begun {
                let known = record.data.get("whole_plan").unwrap_or(&Value::Null).get("cluster_id");
                let known = known.or_else(|| record.data.get("cluster_id")).and_then(Value::as_str);
                its = known.and_then(|id| id.parse().ok()) == Some(cluster);
                continue;
            }
            if !its {
                continue;
            }
            let swapped = record.data.get("swapped").and_then(|s| serde_json::from_value::<Swapped>(s.clone()).ok());
            let placed = |swapped| Time { number, at: record.at.clone(), swapped };
            if let Some(swapped) = swapped {
                out.placed.insert(swapped.name.clone(), placed(Some(swapped)));
            } else if let Some(name) = text("name").filter(|_| record.kind == Event::Restored) {
                // what `requorum restore` wrote before it used the executor
                out.placed.insert(name.into(), placed(None));
            } else if let Some(name) = text("member").filter(|_| is_hand_over(record)) {
                out.placed.insert(name.into(), placed(None));
            } else if let Some(name) = text("member").filter(|_| record.data.contains_key("undone")) {
                out.take(name);
            }
        }
        out
    }

    fn take(&mut self, name: &str) {
        if self.placed.remove(name).is_none() {
            return;
        }
        let others = self.placed.iter().map(|(other, time)| (other.clone(), time.number));
        self.met.entry(name.into()).or_default().extend(others);
    }

    /// Returns what speaks against installing this member.
    fn again(&self, name: &str, now: Now) -> Option<Before> {
        match (now, self.placed.get(name)) {
            (Now::Same, _) => return None,
            (_, Some(time)) => return Some(Before::Lost(time.at.clone())),
            (Now::Holds, None) => return Some(Before::There),
            (Now::Open, None) => {}
        }
        let still = |(other, number): &&(String, usize)| self.placed.get(other).is_some_and(|t| t.number == *number);
        let left: BTreeSet<String> = self.met.get(name)?.iter().filter(still).map(|(other, _)| other.clone()).collect();
        (!left.is_empty()).then(|| Before::Left(left.into_iter().collect()))
    }
}

/// Returns whether a line hands over a member that was built by hand: whether it was installed then is unknown.
fn is_hand_over(record: &Record) -> bool {
    record.data.get("hand_over") == Some(&Value::Bool(true))
}

/// Returns the blocker for installing these members, each in its present state: by the journal at `journal`, and by
/// those next to it that are of the same cluster. The run itself refuses a journal that cannot be read.
pub fn fence(plan: &Plan, now: &[(String, Now)], journal: &Path, files: &dyn Files) -> Option<Blocker> {
    let histories = histories(plan, journal, files);
    let found = now.iter().filter_map(|(name, now)| {
        let known = histories.iter().filter_map(|history| history.again(name, *now));
        // what a journal records is more than what a directory contains
        let before = known.min_by_key(|before| *before == Before::There);
        let there = (*now == Now::Holds).then_some(Before::There);
        Some(Again { name: name.clone(), before: before.or(there)? })
    });
    second_run::fence(plan, &found.collect::<Vec<_>>())
}

fn histories(plan: &Plan, journal: &Path, files: &dyn Files) -> Vec<History> {
    let own = Journal::at(files, journal).read().unwrap_or_default();
    let beside = journal.parent().map(|dir| files.journals(dir)).unwrap_or_default();
    let others = beside.into_iter().filter(|(path, _)| path != journal).filter_map(|(_, records)| records.ok());
    [own].into_iter().chain(others).map(|records| History::read(&records, plan.cluster_id)).collect()
}

/// Returns the present states of the plan's members whose directories are on this machine.
pub fn here(plan: &Plan, journal: &Path, files: &dyn Files) -> Vec<(String, Now)> {
    let histories = histories(plan, journal, files);
    let same = |member: &Member| {
        let known = histories.iter().filter_map(|history| history.placed.get(&member.name));
        known.filter_map(|time| time.swapped.as_ref()).any(Swapped::still)
    };
    let now = |member: &Member| {
        let dir = files.inspect_data_dir(&member.data_dir, member.wal_dir.as_deref());
        match &dir.state {
            DirState::Absent | DirState::Empty => Now::Open,
            _ if same(member) => Now::Same,
            _ if holds(plan, member, &dir) => Now::Holds,
            _ => Now::Open,
        }
    };
    let mine = plan.members.iter().filter(|member| host_address::is_local(&member.host));
    mine.map(|member| (member.name.clone(), now(member))).collect()
}

/// Returns whether a directory contains this very member and was written since the plan was made. An older one is of
/// the old cluster, whose IDs a plan with the old token has.
pub fn holds(plan: &Plan, member: &Member, dir: &DirFacts) -> bool {
    let since = |written: i64| plan.made().is_some_and(|made| written >= made);
    dir.state.says().is_some_and(|says| {
        (says.cluster_id, says.member_id) == (plan.cluster_id, member.id) && says.written.is_some_and(since)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::{
        domain::members::build_plan::{build, tests::draft},
        engine::restore::Restored,
    };

    fn plan() -> Plan {
        build(&draft()).unwrap().plan
    }

    fn record(kind: Event, at: &str, data: Value) -> Record {
        let Value::Object(data) = data else { panic!("{data}") };
        Record { at: at.into(), kind, text: String::new(), data, prev: String::new(), hash: String::new() }
    }

    fn begun() -> Record {
        record(Event::Begun, "t0", json!({"whole_plan": plan()}))
    }

    /// What `apply` writes of a member that it put in place.
    fn swapped(name: &str, at: &str) -> Record {
        let plan = plan();
        let member = plan.members.iter().find(|m| m.name == name).unwrap();
        let restored = Restored {
            name: name.into(),
            member_id: member.id,
            cluster_id: plan.cluster_id,
            data_dir: member.data_dir.clone(),
            revision: 90,
            keys: 5,
            bytes: 4096,
            members: plan.members.iter().map(|m| m.id).collect(),
            source_sha256: String::new(),
            log_sha256: String::new(),
        };
        let swapped = Swapped { name: name.into(), restored, places: Vec::new() };
        record(Event::Done, at, json!({"member": name, "swapped": swapped}))
    }

    fn undone(name: &str) -> Record {
        record(Event::Done, "t9", json!({"member": name, "undone": []}))
    }

    fn by_restore(name: &str) -> [Record; 2] {
        let begun = record(Event::Begun, "t0", json!({"plan": "x", "cluster_id": plan().cluster_id}));
        [begun, record(Event::Restored, "t1", json!({"name": name, "data_dir": "/x"}))]
    }

    #[test]
    fn a_member_is_reinstalled_only_without_earlier_data() {
        let lost = |at: &str| Some(Before::Lost(at.to_string()));
        let left = |names: &[&str]| Some(Before::Left(names.iter().map(|name| name.to_string()).collect()));
        let all = || vec![begun(), swapped("m1", "t1"), swapped("m2", "t2"), swapped("m3", "t3")];
        let more = |records: &[Record]| all().into_iter().chain(records.iter().cloned()).collect::<Vec<_>>();
        let other = || {
            let mut plan = plan();
            plan.cluster_id = Id(7);
            let begun = record(Event::Begun, "t0", json!({"whole_plan": plan}));
            vec![begun, record(Event::Restored, "t1", json!({"name": "m1"}))]
        };
        let hand_over = record(Event::Doing, "t4", json!({"member": "m3", "hand_over": true}));
        for (what, records, now, wanted) in [
            ("nothing was done", vec![], Now::Open, None),
            ("begun alone", vec![begun()], Now::Open, None),
            ("in place still", all(), Now::Same, None),
            ("lost", all(), Now::Open, lost("t1")),
            ("another has it", all(), Now::Holds, lost("t1")),
            ("never put there, and it is", vec![begun()], Now::Holds, Some(Before::There)),
            ("all undone", more(&[undone("m1"), undone("m2"), undone("m3")]), Now::Open, None),
            ("undone alone", more(&[undone("m1")]), Now::Open, left(&["m2", "m3"])),
            ("one is left", more(&[undone("m2"), undone("m1")]), Now::Open, left(&["m3"])),
            (
                "the others are of after its undo",
                more(&[undone("m1"), undone("m2"), undone("m3"), swapped("m2", "t5"), swapped("m3", "t6")]),
                Now::Open,
                None,
            ),
            ("only others were", vec![begun(), swapped("m2", "t2"), swapped("m3", "t3")], Now::Open, None),
            (
                "handed over, and who knows",
                vec![begun(), swapped("m1", "t1"), hand_over, undone("m1")],
                Now::Open,
                left(&["m3"]),
            ),
            ("by restore", by_restore("m1").to_vec(), Now::Open, lost("t1")),
            ("by restore, another", by_restore("m2").to_vec(), Now::Open, None),
            ("of another cluster", other(), Now::Open, None),
        ] {
            let history = History::read(&records, plan().cluster_id);
            assert_eq!(history.again("m1", now), wanted, "{what}");
        }
    }

    #[test]
    fn a_second_run_is_refused_until_overridden() {
        let plan = plan();
        let again = |name: &str, before: Before| Again { name: name.into(), before };
        assert_eq!(second_run::fence(&plan, &[]), None);
        let found = [
            again("m1", Before::Lost("2026-11-29T03:12:00Z".into())),
            again("m2", Before::Left(vec!["m3".into()])),
            again("m4", Before::There),
        ];
        let fence = second_run::fence(&plan, &found).unwrap();
        let typed = format!("twice@{}", plan.short_id());
        assert_eq!(fence.typed, Some(typed.clone()));
        assert!(fence.blocks(&[]) && fence.blocks(&["twice@".into()]) && !fence.blocks(&[typed]));
        assert_eq!(fence.evidence.len(), 3);
        for name in ["m1, m2 and m4", "m3", "2026-11-29T03:12:00Z"] {
            assert!(fence.sentence().contains(name), "{}", fence.sentence());
        }
    }
}
