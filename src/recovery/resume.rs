//! Where a run that was begun stands, as its journal tells: what a start of the wizard and `requorum resume` show first.

use std::collections::BTreeSet;

use serde_json::Value;

use super::journal::{Event, Record};
use crate::plan::{Plan, destination};

/// A run that was begun and whose end is not in its journal, or is not the one that it was begun for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The plan that is carried out.
    pub plan: Plan,
    /// The run's ID.
    pub run: String,
    /// Who began it: `anna@laptop`.
    pub who: String,
    /// When, RFC 3339 in UTC.
    pub since: String,
    /// How far it was to go, as [`Until`](super::hosts::Until) is called.
    pub until: String,
    /// How it ended; none where it was cut off, or is still at work elsewhere.
    pub ended: Option<String>,
    /// Each member of the plan, and the last that was written down of it or of its host.
    pub members: Vec<(String, Option<String>)>,
    /// Members of which a line of their own was written down.
    own: BTreeSet<String>,
}

impl Unfinished {
    /// True for one that was taking members out of their places again.
    pub fn undoes(&self) -> bool {
        self.until == "Undone"
    }

    fn begun(record: &Record) -> Option<Unfinished> {
        let plan = whole_plan(record)?;
        let text = |name: &str| record.data.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
        Some(Unfinished {
            members: plan.members.iter().map(|m| (m.name.clone(), None)).collect(),
            plan,
            run: text("run"),
            who: text("operator"),
            since: record.at.clone(),
            until: text("until"),
            ended: None,
            own: BTreeSet::new(),
        })
    }

    /// Notes the last line of each member that a record is about; what is about its host counts until there is one of its
    /// own.
    fn note(&mut self, record: &Record) {
        let of = |name: &str| record.data.get(name).and_then(Value::as_str);
        let (member, host) = (of("member"), of("host"));
        for (row, (name, last)) in self.plan.members.iter().zip(&mut self.members) {
            let here = if destination::is_local(&row.host) { destination::LOCAL } else { &row.host };
            if member.map_or(host == Some(here) && !self.own.contains(name), |member| member == name) {
                *last = Some(record.text.clone());
                self.own.extend(member.map(str::to_string));
            }
        }
    }
}

fn whole_plan(begun: &Record) -> Option<Plan> {
    serde_json::from_value(begun.data.get("whole_plan")?.clone()).ok()
}

/// The plan of the last run that a journal tells of.
pub fn last_plan(records: &[Record]) -> Option<Plan> {
    records.iter().rev().filter(|record| record.kind == Event::Begun).find_map(whole_plan)
}

/// The run that is to be gone on with, if the journal's last one did not end as it was to: with all members in place, or
/// out of their places again. A rehearsal leaves nothing behind, and what stood before it stands after it.
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
                    Some(run) if run.until == "Rehearsed" && !failed => open = before.take(),
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
    use crate::plan::build::{build, tests::draft};

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

    fn ended(complete: bool, why: Option<&str>) -> Record {
        record(Event::Ended, "plan 1: its end", json!({"complete": complete, "why": why}))
    }

    fn done(member: &str) -> Record {
        record(Event::Restored, &format!("{member} built"), json!({"host": "local", "member": member}))
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
            (vec![begun("1", "InPlace"), whole.clone(), begun("2", "Undone")], Some(("2", None))),
            (vec![begun("1", "InPlace"), whole.clone(), begun("2", "Undone"), whole.clone()], None),
            // What `requorum restore` writes has no whole plan: it goes on by being run again.
            (vec![record(Event::Begun, "x", json!({"plan": "1"}))], None),
        ] {
            let found = standing(&records);
            let said = found.as_ref().map(|run| (run.run.as_str(), run.ended.as_deref()));
            assert_eq!(said, open, "{records:?}");
        }
    }

    #[test]
    fn each_members_last_line_is_its_own_or_its_hosts() {
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
