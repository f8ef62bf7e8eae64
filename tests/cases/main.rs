//! The cases that are made from tables: each etcd version, scenario, layout or damage is a case of its own, and one whose
//! server or tool is not on this machine shows as ignored, with the reason.
//!
//! One group runs after the other, as many of its cases at a time as it bears. `cargo test --test cases hosts::` runs one
//! group as every day, a longer filter runs what it names, also what otherwise waits for `tests/run`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bolt_go;
#[path = "../damage_kit/mod.rs"]
mod damage_kit;
mod damage_oracle;
mod drill_real;
mod drill_sandbox;
mod drill_scenarios;
mod hosts;
mod object_store;
mod real_etcd;
mod restore_crash;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// Makes the cases of a group; all of them, on every version, or those of every day.
type Trials = fn(bool) -> Vec<Trial>;

/// The groups, each with how many of its cases run at a time; where nothing is said, one for each processor.
const GROUPS: [(&str, Option<usize>, Trials); 9] = [
    ("bolt_go", None, bolt_go::trials),
    ("damage_oracle", None, damage_oracle::trials),
    // each starts a cluster of its own
    ("drill_real", Some(2), drill_real::trials),
    ("drill_sandbox", None, drill_sandbox::trials),
    ("drill_scenarios", None, drill_scenarios::trials),
    ("hosts", Some(2), hosts::trials),
    ("object_store", None, object_store::trials),
    // A case runs up to three servers and mostly waits for elections; too many starve each other's heartbeats.
    ("real_etcd", Some(4), real_etcd::trials),
    ("restore_crash", None, restore_crash::trials),
];

fn main() -> ExitCode {
    // a case may have started this program once more
    drill_sandbox::child();
    drill_scenarios::child();
    if let Some(code) = hosts::child() {
        return code;
    }
    let args = Arguments::from_args();
    let every = every_case(&args);
    let mut failed = false;
    for (name, at_a_time, trials) in GROUPS {
        let mut args = args.clone();
        let fewer = |most: usize| if every { most.min(3) } else { most };
        args.test_threads = args.test_threads.or(at_a_time.map(fewer));
        let trials = trials(every);
        assert!(trials.iter().all(|trial| trial.name().starts_with(&format!("{name}::"))), "a case outside of {name}");
        let named = |trial: &Trial| match &args.filter {
            Some(filter) if args.exact => trial.name() == filter,
            Some(filter) => trial.name().contains(filter.as_str()),
            None => true,
        };
        if trials.iter().any(named) {
            failed |= libtest_mimic::run(&args, trials).has_failed();
        }
    }
    ExitCode::from(if failed { 101 } else { 0 })
}

/// Whether all cases run, each on every version: in tests/run, in CI, and where more than a group is named.
fn every_case(args: &Arguments) -> bool {
    let group = |filter: &str| GROUPS.iter().any(|(name, ..)| *name == filter.trim_end_matches("::"));
    args.filter.as_deref().is_some_and(|filter| !group(filter)) || support::every_case()
}
