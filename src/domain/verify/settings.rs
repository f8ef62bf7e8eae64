//! Are members started alike? By the command lines that they report at `/debug/vars` (3.4 to 3.7): compaction, tokens and time
//! limits are no rows of a member's database. A variable or a file may set on one what a flag sets on another, so that a
//! difference is reported, not called wrong.

use super::{Case, Check, Outcome, Topic, health, source};
use crate::{
    domain::model::{
        observations::{rows::RowKey, started::Queried},
        plan::Member,
    },
    text::join::all,
};

/// Flags that should be the same on all members of a cluster, each with what follows where they are not.
const ALIKE: [(&str, &str); 7] = [
    ("auto-compaction-mode", COMPACTION),
    ("auto-compaction-retention", COMPACTION),
    ("auth-token", TOKEN),
    ("heartbeat-interval", TIMES),
    ("election-timeout", TIMES),
    ("max-request-bytes", LIMITS),
    ("max-txn-ops", LIMITS),
];
const COMPACTION: &str = "The leader compacts, so what is kept depends on who leads: start every member with the same \
                          --auto-compaction-mode and --auto-compaction-retention.";
const TOKEN: &str = "A member rejects tokens issued by another member, so clients fail on it: start every member with the same \
                     --auth-token.";
const TIMES: &str = "Members then hold elections too early or too late: start every member with the same --heartbeat-interval and --election-timeout.";
const LIMITS: &str = "One member rejects what another accepts: start every member with the same --max-request-bytes and \
                      --max-txn-ops.";

/// The value of a flag in a command line; none where it is not there.
pub(super) fn flag<'a>(args: impl IntoIterator<Item = &'a String>, wanted: &str) -> Option<&'a str> {
    let mut args = args.into_iter();
    let mut found = None;
    while let Some(arg) = args.next() {
        let Some(name) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')) else { continue };
        match name.split_once('=') {
            Some((name, value)) if name == wanted => found = Some(value),
            None if name == wanted => found = args.next().map(String::as_str),
            _ => {}
        }
    }
    found
}

/// One member with its command line.
type CommandLine<'a> = (&'a Member, &'a [String]);

fn lines(case: Case<'_>) -> Option<Vec<CommandLine<'_>>> {
    let mut out = Vec::new();
    for (member, seen) in case.members() {
        match &seen.stored {
            Queried::Is(rows) if super::own(case, member, rows) && !rows.command.is_empty() => {
                out.push((member, rows.command.as_slice()));
            }
            _ => return None,
        }
    }
    // a file takes the place of all flags
    let by_file = out.iter().any(|(_, args)| flag(*args, "config-file").is_some());
    (!by_file).then_some(out)
}

/// Checks for command-line differences, where every member reports its own.
pub(super) fn settings(case: Case<'_>) -> Option<Check> {
    let lines = lines(case)?;
    let (mut said, mut who, mut todo, mut wrong) = (Vec::new(), Vec::new(), Vec::new(), false);
    for (name, meaning) in ALIKE {
        let planned = |(member, args): &CommandLine<'_>| {
            let of_plan = flag(&member.etcd_flags, name);
            of_plan.is_some() && of_plan == flag(*args, name)
        };
        if lines.iter().all(planned) {
            continue;
        }
        let Some((odd, words)) = health::apart(&lines, |(member, args)| {
            let value = flag(*args, name).map(|value| match name {
                // the rest names files
                "auth-token" => value.split(',').next().unwrap_or_default(),
                _ => value,
            });
            (*member, value, value.map_or_else(|| format!("without --{name}"), |v| format!("with --{name}={v}")))
        }) else {
            continue;
        };
        said.push(words);
        who.extend(odd.iter().map(|member| member.name.as_str()));
        if !todo.contains(&meaning) {
            todo.push(meaning);
        }
        let enabled = || {
            let rows = case.members().filter_map(|(_, seen)| match &seen.stored {
                Queried::Is(rows) => Some(rows),
                _ => None,
            });
            rows.filter_map(|rows| source::value(rows, &RowKey::AuthEnabled)).any(source::is_enabled)
        };
        wrong |= name == "auth-token" && enabled();
    }
    if said.is_empty() {
        return None;
    }
    let outcome = if wrong { Outcome::Fail } else { Outcome::Unknown };
    let mut check = Check::new(Topic::Settings, outcome, format!("started differently: {}", all(&said))).who(who);
    check.todo = todo.into_iter().map(str::to_string).collect();
    Some(check)
}
