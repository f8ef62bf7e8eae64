//! What is left to do according to a journal: a run to resume, or a restore that was never verified. The wizard shows
//! it at its start, and so does `requorum resume`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::spec::{Goal, Placement};
use crate::system::journal::{Event, Record};
use crate::{
    domain::model::{host_address, plan::Plan, revisions::KnownRevision},
    engine::install::Swapped,
    error::{Error, ErrorKind, Result},
};

/// A run whose end is not in its journal, or that ended before its goal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The plan of the run.
    pub plan: Plan,
    /// The run's ID.
    pub run: String,
    /// The operator who started it: `anna@laptop`.
    pub who: String,
    /// When, RFC 3339 in UTC.
    pub since: String,
    /// Its goal; the word in the journal if this version does not know it.
    pub until: std::result::Result<Goal, String>,
    /// The members that it works on.
    pub names: Vec<String>,
    /// On which machines they are installed.
    pub placement: Placement,
    /// How it ended; none if it was interrupted, or is still running elsewhere.
    pub ended: Option<String>,
    /// Each member of the plan, and the last line recorded for it or for its host.
    pub members: Vec<(String, Option<String>)>,
    /// Members for which a line of their own was recorded.
    own: BTreeSet<String>,
}

impl Unfinished {
    /// Returns its goal.
    ///
    /// # Errors
    /// `Input` for a goal that this version does not know: it is never guessed.
    pub fn goal(&self) -> Result<Goal> {
        self.until.clone().map_err(|word| {
            let what = format!("run {} of plan {}: cannot be resumed", self.run, self.plan.short_id());
            let why = match word.as_str() {
                "" => "its journal does not record its goal".to_string(),
                word => format!("its goal {word:?} is unknown to this version of requorum"),
            };
            Error::new(ErrorKind::Input, what).why(why).hint("Use the version that started it.")
        })
    }

    /// Returns true for a rollback.
    pub fn undoes(&self) -> bool {
        self.until == Ok(Goal::Undone)
    }

    fn begun(record: &Record) -> Option<Unfinished> {
        if record.kind != Event::Begun {
            return None;
        }
        let plan = whole_plan(record)?;
        let text = |name: &str| record.data.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
        Some(Unfinished {
            members: plan.members.iter().map(|m| (m.name.clone(), None)).collect(),
            plan,
            run: text("run"),
            who: text("operator"),
            since: record.at.clone(),
            until: goal(record).and_then(|until| placement(record).map(|_| until)),
            placement: placement(record).unwrap_or_default(),
            names: names(record),
            ended: None,
            own: BTreeSet::new(),
        })
    }

    /// Records the last line of each member that a journal line is about; a line about its host counts until there is
    /// one of its own.
    fn note(&mut self, record: &Record) {
        let of = |name: &str| record.data.get(name).and_then(Value::as_str);
        let (member, host) = (of("member"), of("host"));
        for (row, (name, last)) in self.plan.members.iter().zip(&mut self.members) {
            let here = if host_address::is_local(&row.host) { host_address::LOCAL } else { &row.host };
            if member.map_or(host == Some(here) && !self.own.contains(name), |member| member == name) {
                *last = Some(record.text.clone());
                self.own.extend(member.map(str::to_string));
            }
        }
    }
}

/// Returns the goal in a run's first line; the word there if it is unknown.
fn goal(begun: &Record) -> std::result::Result<Goal, String> {
    let value = begun.data.get("until").cloned().unwrap_or_default();
    let word = value.as_str().unwrap_or_default().to_string();
    serde_json::from_value(value).map_err(|_| word)
}

/// Returns on which machines a run installs its members; the text there if it is unknown. Earlier versions did not
/// record it, since there was only one way.
fn placement(begun: &Record) -> std::result::Result<Placement, String> {
    let Some(value) = begun.data.get("placement") else { return Ok(Placement::OnHosts) };
    serde_json::from_value(value.clone()).map_err(|_| value.to_string())
}

fn names(begun: &Record) -> Vec<String> {
    begun.data.get("members").and_then(|names| serde_json::from_value(names.clone()).ok()).unwrap_or_default()
}

/// Returns the members that runs of this journal installed on this machine regardless of the hosts in the plan, if the
/// last run did so.
pub fn installed_here(records: &[Record]) -> Option<Vec<String>> {
    let runs: Vec<Unfinished> = records.iter().filter_map(Unfinished::begun).collect();
    let last = runs.last().filter(|run| run.placement == Placement::Here)?;
    let here = runs.iter().filter(|run| run.placement == Placement::Here && run.plan == last.plan);
    let named: BTreeSet<String> = here.flat_map(|run| run.names.iter().cloned()).collect();
    Some(last.plan.members.iter().map(|m| m.name.clone()).filter(|name| named.contains(name)).collect())
}

/// A plan whose members are all installed, and which was not verified since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified {
    /// The plan.
    pub plan: Plan,
    /// The operator who restored it: `anna@laptop`.
    pub who: String,
    /// When its last run started, RFC 3339 in UTC.
    pub since: String,
    /// Its members as they were verified after the install, in the plan's order.
    pub placed: Vec<Swapped>,
    /// The last verification that did not pass, with its time.
    pub seen: Option<(String, String)>,
}

/// Returns the plan that is installed according to a journal, if it was neither verified nor rolled back since.
pub fn unverified(records: &[Record]) -> Option<Unverified> {
    let mut last: Option<Unverified> = None;
    let mut proven = false;
    for record in records {
        if record.kind == Event::Begun {
            let Some(Unfinished { plan, who, since, .. }) = Unfinished::begun(record) else { continue };
            let known = last.take().filter(|known| known.plan == plan);
            proven &= known.is_some();
            let (placed, seen) = known.map(|known| (known.placed, known.seen)).unwrap_or_default();
            last = Some(Unverified { plan, who, since, placed, seen });
            continue;
        }
        let Some(known) = &mut last else { continue };
        if let Some(swapped) = record.data.get("swapped")
            && let Ok(swapped) = serde_json::from_value::<Swapped>(swapped.clone())
        {
            known.placed.retain(|member| member.name != swapped.name);
            known.placed.push(swapped);
            (proven, known.seen) = (false, None);
        }
        if record.data.contains_key("undone")
            && let Some(name) = record.data.get("member").and_then(Value::as_str)
        {
            known.placed.retain(|member| member.name != name);
        }
        if record.kind == Event::Proof {
            proven = record.data.get("exit_code") == Some(&Value::from(0));
            known.seen = (!proven).then(|| (record.text.clone(), record.at.clone()));
        }
    }
    let mut found = last.filter(|_| !proven && standing(records).is_none())?;
    let of = |name: &str| found.placed.iter().find(|member| member.name == name).cloned();
    found.placed = found.plan.members.iter().map(|member| of(&member.name)).collect::<Option<Vec<_>>>()?;
    Some(found)
}

fn whole_plan(begun: &Record) -> Option<Plan> {
    serde_json::from_value(begun.data.get("whole_plan")?.clone()).ok()
}

/// Returns when the journal's last run with the goal to install was started, and its plan.
pub fn last_begun(records: &[Record]) -> Option<(String, Plan)> {
    let mut runs = records.iter().rev().filter_map(Unfinished::begun);
    runs.find(|run| run.until == Ok(Goal::InPlace)).map(|run| (run.since, run.plan))
}

/// Returns the newest revision at which runs of this plan saw members of the old cluster.
pub fn newest_seen(records: &[Record], plan: &Plan) -> Option<KnownRevision> {
    let mut its = false;
    let mut newest: Option<KnownRevision> = None;
    for record in records {
        if record.kind == Event::Begun {
            its = whole_plan(record).as_ref() == Some(plan);
        }
        let known = record.data.get("newest").filter(|_| its && record.kind == Event::Asked);
        let known =
            known.and_then(|known| serde_json::from_value::<Option<KnownRevision>>(known.clone()).ok().flatten());
        newest = newest.into_iter().chain(known).max_by_key(|known| known.revision);
    }
    newest
}

/// Returns the plan of the journal's last run.
pub fn last_plan(records: &[Record]) -> Option<Plan> {
    records.iter().rev().filter(|record| record.kind == Event::Begun).find_map(whole_plan)
}

/// Returns the run to resume, if the journal's last one did not reach its goal: all members installed, or all rolled
/// back. A preflight or a dry run leaves nothing to resume; what was unfinished before it remains.
pub fn standing(records: &[Record]) -> Option<Unfinished> {
    let mut open: Option<Unfinished> = None;
    let mut before: Option<Unfinished> = None;
    for record in records {
        match record.kind {
            Event::Begun => {
                let Some(mut begun) = Unfinished::begun(record) else { continue };
                if let Some(known) = &open
                    && known.plan == begun.plan
                {
                    begun.members.clone_from(&known.members);
                    begun.own.clone_from(&known.own);
                }
                before = open.replace(begun);
            }
            Event::Ended if record.data.get("complete") == Some(&Value::Bool(true)) => open = None,
            Event::Ended => {
                let failed = record.data.get("why").is_some_and(|why| !why.is_null());
                match &mut open {
                    Some(run) if matches!(run.until, Ok(Goal::Looked | Goal::DryRun)) && !failed => {
                        open = before.take();
                    }
                    Some(run) => run.ended = Some(record.text.clone()),
                    None => {}
                }
            }
            _ => open.iter_mut().for_each(|run| run.note(record)),
        }
    }
    open
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::domain::members::build_plan::{build, tests::draft};

    fn plan() -> Plan {
        let mut plan = build(&draft()).unwrap().plan;
        plan.members[1].host = "root@etcd-2".into();
        plan
    }

    fn record(kind: Event, text: &str, data: Value) -> Record {
        let Value::Object(data) = data else { panic!("{data}") };
        let at = "2026-11-22T03:12:00Z".into();
        Record { at, kind, text: text.into(), data, prev: String::new(), hash: String::new() }
    }

    fn begun(run: &str, until: &str) -> Record {
        let data = json!({"run": run, "operator": "anna@laptop", "until": until, "whole_plan": plan()});
        record(Event::Begun, "begun", data)
    }

    fn swapped(name: &str) -> Record {
        let plan = plan();
        let member = plan.members.iter().find(|m| m.name == name).unwrap();
        let restored = crate::engine::restore::Restored {
            name: name.into(),
            member_id: member.id,
            cluster_id: plan.cluster_id,
            data_dir: member.data_dir.clone(),
            revision: 90,
            keys: 5,
            bytes: 4096,
            members: plan.members.iter().map(|m| m.id).collect(),
            source_sha256: plan.source.sha256.clone(),
            log_sha256: String::new(),
        };
        let swapped = Swapped { name: name.into(), restored, places: Vec::new() };
        record(Event::Done, "in place", json!({"host": "local", "member": name, "swapped": swapped}))
    }

    fn proof(exit_code: u8) -> Record {
        record(Event::Proof, "what was seen", json!({"exit_code": exit_code}))
    }

    #[test]
    fn an_unknown_goal_of_a_run_is_refused() {
        for (word, goal) in [
            ("Looked", Goal::Looked),
            ("Rehearsed", Goal::DryRun),
            ("Built", Goal::Built),
            ("InPlace", Goal::InPlace),
            ("Undone", Goal::Undone),
        ] {
            assert_eq!(serde_json::to_value(goal).unwrap(), word, "what journals hold stays");
            assert_eq!(standing(&[begun("1", word)]).unwrap().goal(), Ok(goal));
        }
        for word in ["", "inplace", "InPlace ", "Salvaged", "undone"] {
            let run = standing(&[begun("1", word)]).unwrap();
            assert_eq!(run.goal().unwrap_err().kind, ErrorKind::Input, "{word:?}");
            assert!(!run.undoes());
        }
        let mut none = begun("1", "InPlace");
        none.data.remove("until");
        assert!(standing(&[none]).unwrap().goal().is_err());
    }

    #[test]
    fn what_was_installed_is_known_by_runs() {
        let run = |names: &[&str], placement: Option<&str>| {
            let mut run = begun("1", "InPlace");
            run.data.insert("members".into(), json!(names));
            run.data.extend(placement.map(|placement| ("placement".to_string(), json!(placement))));
            run
        };
        let strings = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (records, here) in [
            (vec![], None),
            (vec![run(&["m1"], None)], None),
            (vec![run(&["m1"], Some("hosts"))], None),
            (vec![run(&["m3"], Some("here")), run(&["m1"], Some("here"))], Some(strings(&["m1", "m3"]))),
            (vec![run(&["m2"], Some("here")), run(&["m1"], Some("hosts"))], None),
            (vec![run(&["m2"], Some("hosts")), run(&["m1"], Some("here"))], Some(strings(&["m1"]))),
        ] {
            assert_eq!(installed_here(&records), here, "{records:?}");
        }
        // where it is not known where to, it is not resumed
        let odd = standing(&[run(&["m1"], Some("moon"))]).unwrap();
        assert_eq!(odd.goal().unwrap_err().kind, ErrorKind::Input);
        let open = standing(&[run(&["m1"], Some("here"))]).unwrap();
        assert_eq!((open.placement, open.names), (Placement::Here, strings(&["m1"])));
    }

    #[test]
    fn installed_unverified_members_are_left_over() {
        let all = || ["m1", "m2", "m3"].map(swapped);
        let out = |name: &str| record(Event::Done, "out", json!({"host": "local", "member": name, "undone": []}));
        let whole = || ended(true, None);
        let of = |parts: Vec<Vec<Record>>| parts.concat();
        let restored = || of(vec![vec![begun("1", "InPlace")], all().to_vec(), vec![whole()]]);
        let undone = || of(vec![vec![begun("2", "Undone")], ["m1", "m2", "m3"].map(out).to_vec(), vec![whole()]]);
        for (records, left) in [
            (vec![], false),
            (restored(), true),
            (of(vec![restored(), vec![proof(17)]]), true),
            (of(vec![restored(), vec![proof(16), proof(0)]]), false),
            (of(vec![restored(), vec![proof(0), proof(16)]]), true),
            (of(vec![restored(), vec![proof(0)]]), false),
            (of(vec![restored(), undone()]), false),
            (of(vec![restored(), vec![proof(0)], undone(), restored()]), true),
            // cut off, or on some members only
            (of(vec![vec![begun("1", "InPlace")], all().to_vec()]), false),
            (of(vec![vec![begun("1", "InPlace"), swapped("m1"), whole()]]), false),
            // in several runs
            (of(vec![vec![begun("1", "InPlace"), swapped("m1"), ended(false, Some("no space"))], restored()]), true),
            // a rehearsal after it changes nothing
            (of(vec![restored(), vec![begun("2", "Rehearsed"), ended(false, None)]]), true),
        ] {
            let found = unverified(&records);
            assert_eq!(found.is_some(), left, "{records:?}");
            let names: Vec<_> = found.iter().flat_map(|f| &f.placed).map(|m| m.name.as_str()).collect();
            assert_eq!(names, if left { vec!["m1", "m2", "m3"] } else { vec![] });
        }
        let seen = unverified(&of(vec![restored(), vec![proof(17)]])).unwrap().seen;
        assert_eq!(seen.unwrap().0, "what was seen");
    }

    fn ended(complete: bool, why: Option<&str>) -> Record {
        record(Event::Ended, "plan 1: its end", json!({"complete": complete, "why": why}))
    }

    fn done(member: &str) -> Record {
        record(Event::Restored, &format!("{member} built"), json!({"host": "local", "member": member}))
    }

    #[test]
    fn the_newest_revision_of_all_runs_is_known() {
        let asked = |newest: Value| record(Event::Asked, "asked", json!({"barrier": true, "newest": newest}));
        let at = |revision: i64| json!({"revision": revision, "from": "m1"});
        let mut other = begun("9", "InPlace");
        other.data.remove("whole_plan");
        for (records, wanted) in [
            (vec![], None),
            (vec![begun("1", "InPlace"), asked(Value::Null)], None),
            (vec![begun("1", "InPlace"), asked(at(42)), asked(at(40))], Some(42)),
            (vec![begun("1", "InPlace"), asked(at(42)), begun("2", "InPlace"), asked(Value::Null)], Some(42)),
            (vec![other, asked(at(42))], None),
            (vec![begun("1", "InPlace"), record(Event::Done, "x", json!({"newest": at(7)}))], None),
        ] {
            assert_eq!(newest_seen(&records, &plan()).map(|known| known.revision), wanted, "{records:?}");
        }
    }

    #[test]
    fn only_a_complete_end_closes_a_run() {
        let (whole, cut, failed) = (ended(true, None), ended(false, None), ended(false, Some("no space")));
        for (records, open) in [
            (vec![], None),
            (vec![begun("1", "InPlace")], Some(("1", None))),
            (vec![begun("1", "InPlace"), whole.clone()], None),
            (vec![begun("1", "InPlace"), failed.clone()], Some(("1", Some("plan 1: its end")))),
            (vec![begun("1", "InPlace"), failed.clone(), begun("2", "InPlace")], Some(("2", None))),
            (vec![begun("1", "Built"), cut.clone()], Some(("1", Some("plan 1: its end")))),
            (vec![begun("1", "Rehearsed"), cut.clone()], None),
            (vec![begun("1", "Rehearsed"), failed.clone()], Some(("1", Some("plan 1: its end")))),
            (vec![begun("1", "InPlace"), begun("2", "Rehearsed"), cut.clone()], Some(("1", None))),
            (vec![begun("1", "InPlace"), whole.clone(), begun("2", "Looked"), cut.clone()], None),
            (vec![begun("1", "InPlace"), whole.clone(), begun("2", "Undone")], Some(("2", None))),
            (vec![begun("1", "InPlace"), whole.clone(), begun("2", "Undone"), whole.clone()], None),
            // What `requorum restore` wrote before it was an apply has no whole plan: it goes on by being run again.
            (vec![record(Event::Begun, "x", json!({"plan": "1"}))], None),
        ] {
            let found = standing(&records);
            let said = found.as_ref().map(|run| (run.run.as_str(), run.ended.as_deref()));
            assert_eq!(said, open, "{records:?}");
        }
    }

    #[test]
    fn each_members_last_line_is_its_hosts() {
        let far = record(Event::Failed, "root@etcd-2: no space", json!({"host": "root@etcd-2"}));
        let here = record(Event::Failed, "local: no space", json!({"host": "local"}));
        let (first, second) = (begun("1", "InPlace"), begun("2", "InPlace"));
        let records = [first, done("m1"), here, far, ended(false, Some("no space")), second, done("m3")];
        let run = standing(&records).unwrap();
        assert_eq!((run.who.as_str(), run.since.as_str()), ("anna@laptop", "2026-11-22T03:12:00Z"));
        let texts: Vec<_> = run.members.iter().map(|(_, last)| last.as_deref()).collect();
        assert_eq!(texts, [Some("m1 built"), Some("root@etcd-2: no space"), Some("m3 built")]);
        assert_eq!(run.plan, plan());
    }
}
