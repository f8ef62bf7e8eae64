//! `requorum verify`: the wizard's last step without the wizard.

use std::time::Duration;

use super::plan;
use crate::cli::{
    Format,
    args::{connection_args, plan_arg::PlanArg},
    output::progress::interruptible,
    print, print_json, warn,
};
use crate::{
    domain::verify::{Check, MemberCheck, Next, Verification, VerifyResult},
    error::Result,
    execute::{
        blocker_checks, resume,
        verify::{VerifySpec, record, verify},
    },
    system::{Clock, journal::Journal, local::Local},
    text::{
        columns::{Align, column_width, pad, width, wrap},
        join::sentence,
    },
};

const AFTER: &str = "\
Members are asked in rounds until everything is verified, something differs from the plan for certain, or the timeout \
expires. Only --canary writes anything: one key, which is deleted again.

Exit codes: 0 verified, 16 something differs from the plan, 17 not verified before the timeout. Other codes are those of \
`requorum --help`.";

#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct VerifyArgs {
    #[command(flatten)]
    plan: PlanArg,
    /// Timeout for members to come up
    #[arg(long, default_value = "2m", value_name = "TIME", value_parser = connection_args::duration)]
    timeout: Duration,
    /// Put, read and delete a key under requorum/canary/ at the end
    ///
    /// Only if all other checks pass.
    #[arg(long)]
    canary: bool,
    /// Compare the members' whole databases, whatever their size
    ///
    /// Each database is streamed; up to 64 MB that is done anyway.
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    connect: connection_args::ConnectArgs,
}

/// Watches the members come up and prints the result; returns its exit code.
pub(in crate::cli) fn run(args: VerifyArgs, outer: &connection_args::ConnectArgs, format: Format) -> Result<u8> {
    let connect = args.connect.or(outer);
    let plan = plan::read(args.plan.path())?;
    let system = Local::new(connect.members()?);
    let mut old = blocker_checks::of_snapshot(&plan, &connect.endpoints(), &system);
    // the members are verified even where the journal cannot be read
    let journal = plan::journal_of(args.plan.path())?;
    let records = Journal::at(&system, &journal).read().unwrap_or_default();
    old.newest = resume::newest_seen(&records, &plan);
    let job = VerifySpec { plan: &plan, old: &old, timeout: args.timeout, canary: args.canary, deep: args.deep };
    let mut last = String::new();
    let proof = interruptible(|cancel| {
        verify(&job, &system, cancel, &mut |proof| {
            if proof.sentence != last && !proof.settled() {
                warn(&format!("{} {}", proof.verdict.mark(), proof.sentence));
            }
            last.clone_from(&proof.sentence);
        })
    })?;
    // The result counts whether or not it can be recorded.
    if let Err(error) = record(&proof, &system, &journal) {
        warn(&format!("Warning: the verification is not in the journal: {error}"));
    }
    let code = proof.verdict.exit_code();
    match format {
        Format::Json => {
            let mut value = serde_json::to_value(&proof).unwrap_or_default();
            if let Some(object) = value.as_object_mut() {
                object.insert("exit_code".into(), code.into());
                object.insert("time".into(), plan::timestamp(system.now()).into());
            }
            print_json(&format!("{value}\n"))?;
        }
        _ => print(&text(&proof))?,
    }
    Ok(code)
}

/// The columns of a line, and the most for its members' names.
const WIDTH: usize = 110;
const NAMES: usize = 60;

/// Returns the verification as text.
fn text(proof: &Verification) -> String {
    let mut out = String::new();
    paragraph(&mut out, &format!("{} ", proof.verdict.mark()), &proof.sentence);
    if proof.verdict != VerifyResult::Failed {
        paragraph(&mut out, "  ", &proof.service());
    }
    out.push('\n');
    let names = column_width(proof.members.iter().map(|m| m.name.as_str())).min(NAMES);
    for MemberCheck { name, endpoint, outcome, words, .. } in &proof.members {
        let name = pad(name, names, Align::Left);
        paragraph(&mut out, &format!("  {} {name}  ", outcome.mark()), &format!("{endpoint}  {words}"));
    }
    out.push('\n');
    for Check { topic, outcome, words, todo, .. } in &proof.checks {
        let head = |outcome, topic| format!("  {} {} ", pad(outcome, 8, Align::Left), pad(topic, 11, Align::Left));
        paragraph(&mut out, &head(outcome.words(), topic.title()), words);
        for todo in todo {
            paragraph(&mut out, &head("", ""), &format!("→ {todo}"));
        }
    }
    if proof.verdict != VerifyResult::Failed && !proof.next.is_empty() {
        out.push_str("\nNext steps:\n");
        for Next { what, command } in &proof.next {
            paragraph(&mut out, "  - ", what);
            if !command.is_empty() {
                // a command is copied: it stays in one line
                out.push_str(&format!("      {command}\n"));
            }
        }
    }
    out
}

/// Appends lines of at most [`WIDTH`] columns: the first after `head`, the others indented as far.
fn paragraph(out: &mut String, head: &str, words: &str) {
    let indent = width(head);
    for (n, line) in wrap(&sentence(words), WIDTH.saturating_sub(indent)).into_iter().enumerate() {
        let lead = if n == 0 { head.to_string() } else { " ".repeat(indent) };
        out.push_str(format!("{lead}{line}").trim_end());
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::verify::Outcome,
        etcd::membership::Id,
        text::columns::{as_typed, odd_cells},
    };

    #[test]
    fn member_lines_align_whatever_their_names() {
        let stand = |name: String| MemberCheck {
            name,
            endpoint: "http://e".into(),
            outcome: Outcome::Pass,
            words: "w ".repeat(200).trim_end().into(),
            brief: None,
            serves: true,
            revision: None,
            hash: None,
        };
        for cells in odd_cells().into_iter().map(|cell| vec![cell]).chain([odd_cells()]) {
            let proof = Verification {
                plan: "a".into(),
                label: "b".into(),
                cluster_id: Id(1),
                verdict: VerifyResult::Proven,
                sentence: "It is".into(),
                simulated: false,
                members: cells.into_iter().map(stand).collect(),
                checks: Vec::new(),
                next: Vec::new(),
            };
            let text = text(&proof);
            assert!(text.lines().all(|line| as_typed(line) <= WIDTH), "{text:.500}");
            let heads: std::collections::BTreeSet<_> =
                text.lines().filter_map(|line| line.split_once("http://e")).map(|(head, _)| as_typed(head)).collect();
            assert_eq!(heads.len(), 1, "{text:.500}");
        }
    }
}
