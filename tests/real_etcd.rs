//! The same cases against every etcd version that this machine has (`tests/servers/get` fetches
//! them); those of a missing version are shown as ignored, with the reason. A plain `cargo test` runs each
//! case on one version, which differs from case to case; `tests/run`, CI and a named case run all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cases;
mod support;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Trial};
use support::servers::{Server, every_server, note_run};

const MINORS: [&str; 4] = ["3.4", "3.5", "3.6", "3.7"];

/// Those that take longest; an everyday `cargo test` shows the most of each by a shorter one.
const LONG: [&str; 10] = [
    "probe_lost_hung_and_started_again",
    "probe_five",
    "the_whole_road_by_plan",
    "the_whole_road_by_keys",
    "proof_an_old_member",
    "every_form_starts_it",
    "a_raw_copy_with_users_asked_for",
    "proof_other_tokens_and_defaults",
    "a_directory_says_what_its_server_says",
    "older_snapshots_start_and_stop_verified",
];

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    // A case runs up to three servers and mostly waits for elections; too many starve each other's heartbeats.
    let every = every_server(&args);
    args.test_threads = args.test_threads.or(Some(if every { 3 } else { 4 }));
    let fits = |minor: &'static str, needs: fn(&Server) -> Result<(), String>| {
        Server::find(minor).and_then(|server| needs(&server)).is_ok()
    };
    let mut trials = Vec::new();
    for minor in MINORS {
        for (at, (name, needs, case)) in cases::ALL.iter().copied().enumerate() {
            let fitting: Vec<&str> = MINORS.into_iter().filter(|minor| fits(minor, needs)).collect();
            let turn = fitting.get(at % fitting.len().max(1)).copied();
            let kind = match Server::find(minor) {
                Ok(server) => server.full,
                Err(_) => format!("{minor} missing"),
            };
            let run = move || {
                let server = match Server::find(minor).and_then(|server| needs(&server).map(|()| server)) {
                    Ok(server) => server,
                    Err(why) => return Ok(Completion::ignored_with(why)),
                };
                if !every && LONG.contains(&name) {
                    return Ok(Completion::ignored_with("not every day; tests/run has every case on every version"));
                }
                if !every && turn != Some(minor) {
                    return Ok(Completion::ignored_with("not its turn; tests/run has every case on every version"));
                }
                case(&server);
                note_run(minor, name);
                Ok(Completion::Completed)
            };
            trials.push(Trial::ignorable_test(format!("{minor}::{name}"), run).with_kind(kind));
        }
    }
    libtest_mimic::run(&args, trials).exit_code()
}
