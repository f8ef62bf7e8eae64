//! The overall result of all checks of a started cluster, and its message.

use super::{Case, Check, MemberCheck, Outcome, Topic, VerifyResult, data, shown, stored};
use crate::{
    domain::model::observations::{
        Read,
        started::{Canary, Observed},
    },
    text::number::plural,
};

/// Returns the overall result of all checks.
pub(super) fn evaluate(seen: &Observed, checks: &[Check]) -> VerifyResult {
    let mut needed = checks.iter().filter(|check| check.needed);
    match () {
        () if checks.iter().any(|check| check.outcome == Outcome::Fail) => VerifyResult::Failed,
        () if needed.clone().all(|check| check.outcome == Outcome::Pass) => match seen.simulated {
            true => VerifyResult::Agree,
            false => VerifyResult::Proven,
        },
        () if !seen.over && needed.any(|check| check.outcome == Outcome::NotYet) => VerifyResult::Waiting,
        () => VerifyResult::Unproven,
    }
}

/// Returns the result in one or two sentences.
pub(super) fn sentence(case: Case<'_>, verdict: VerifyResult, states: &[MemberCheck], checks: &[Check]) -> String {
    let count = states.len();
    let members = plural(count, "member", "members");
    let missing = || {
        let open = checks.iter().filter(|check| check.needed && check.outcome != Outcome::Pass);
        let down = states.iter().filter(|s| s.outcome != Outcome::Pass).map(|s| format!("{}: {}", s.name, s.words));
        // a member that is not up explains by itself why the rest is missing
        let down: Vec<String> = down.collect();
        if down.is_empty() { open.map(|c| format!("{}: {}", c.topic.title(), c.words)).collect() } else { down }
            .join("; ")
    };
    match verdict {
        VerifyResult::Proven | VerifyResult::Agree => {
            let hash = data::agreed(case).map_or_else(String::new, |hash| format!(" {hash:08x}"));
            let wrote = match &case.seen.canary {
                Canary::Done { .. } => "a key was put, read through each and deleted",
                _ => "no write was tried",
            };
            let mut not_compared = stored::not_compared(case);
            if checks.iter().any(|check| check.topic == Topic::Clock && check.outcome == Outcome::Unknown) {
                not_compared.push("clocks");
            }
            let open = match not_compared.as_slice() {
                [] => String::new(),
                list => format!("; not compared: {}", list.join(", ")),
            };
            let what = format!("equal HashKV{hash}, the snapshot's own; {wrote}{open}");
            let revision = shown(case.plan.expected_revision());
            match verdict {
                VerifyResult::Proven => format!(
                    "PROVEN. {count} {members} {} from revision {revision} with {what}.",
                    plural(count, "serves", "serve")
                ),
                _ => format!(
                    "The members agree: {count} simulated {members}, read by requorum itself, from revision {revision} \
                     with {what}. Only a real etcd on the same directories is proof."
                ),
            }
        }
        VerifyResult::Failed => {
            let mut wrong = checks.iter().filter(|check| check.outcome == Outcome::Fail);
            let first = wrong.next().map_or_else(String::new, |check| {
                format!("{}. {}", check.words, check.todo.first().map_or("", String::as_str))
            });
            match wrong.count() {
                0 => first.trim_end().to_string(),
                more => format!("{} ({more} more below.)", first.trim_end()),
            }
        }
        VerifyResult::Waiting => {
            let up = states.iter().filter(|s| s.outcome == Outcome::Pass).count();
            format!("{up} of {count} {members} {} up. Still missing: {}.", plural(up, "is", "are"), missing())
        }
        VerifyResult::Unproven => {
            // a linearizable read is what shows that the cluster serves
            let serve = case.ours().iter().filter(|(_, _, says)| says.read == Read::Served).count();
            let all_up = states.iter().all(|s| s.outcome == Outcome::Pass);
            match serve {
                0 => format!("NOT PROVEN. No error was found, but not verified: {}.", missing()),
                _ if all_up => format!("NOT PROVEN. No error was found, but not verified: {}.", missing()),
                _ => format!(
                    "NOT PROVEN. {serve} of {count} {members} {}. Still missing: {}.",
                    plural(serve, "serves", "serve"),
                    missing()
                ),
            }
        }
    }
}
