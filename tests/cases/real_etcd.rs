//! The same cases against every etcd version that this machine has (`tests/servers/get` fetches
//! them); those of a missing version are shown as ignored, with the reason. A plain `cargo test` runs each

//! case on one version, which differs from case to case; `tests/run`, CI and a named case run all.

mod datadir;
mod detect;
mod end_to_end;
mod launch;
mod manual;
mod old_member;
mod oracle;
mod reinitialized;
mod salvage;
mod verification;
mod wizard;

use crate::support::servers::{Server, note_run};
use libtest_mimic::{Completion, Trial};

type Needs = fn(&Server) -> Result<(), String>;
type Case = (&'static str, Needs, fn(&Server));

const MINORS: [&str; 4] = ["3.4", "3.5", "3.6", "3.7"];

/// Those of every day, each on one version: they show the most of every kind in the least time.
const EVERY_DAY: [&str; 20] = [
    "probe_learner_and_stranger",
    "probe_members_begun_anew",
    "probe_a_history_that_was_compacted",
    "probe_two_clusters_on_one_machine",
    "the_whole_road_by_flags",
    "every_key_of_the_file",
    "the_runbook",
    "a_sheet_by_hand_and_its_code",
    "an_old_member_left_alive",
    "a_bumped_revision",
    "proof_whole_and_never_started",
    "proof_different_snapshots",
    "proof_an_empty_directory",
    "proof_nospace_left_over",
    "proof_leases_and_users",
    "proof_twice_and_one_left",
    "a_directory_of_a_member_that_lagged",
    "same_files_as_etcdutl",
    "etcdutl_restores_what_we_restored",
    "same_status_as_etcdutl",
];

/// Each case: its name, what it needs of a server, and what it does.
const ALL: &[Case] = &[
    ("probe_lost_hung_and_started_again", any, detect::lost_hung_and_started_again),
    ("probe_five", any, detect::five),
    ("probe_passwords", any, detect::passwords),
    ("probe_client_certificates", any, detect::client_certificates),
    ("probe_learner_and_stranger", any, detect::learner_and_stranger),
    ("probe_members_begun_anew", any, reinitialized::anew),
    ("probe_a_first_member_reborn", any, reinitialized::first_member_reborn),
    ("probe_a_member_restored_beside_the_others", a_restoring_tool, reinitialized::restored_beside),
    ("probe_a_cluster_that_was_not_asked_for", any, reinitialized::not_asked_for),
    ("probe_a_history_that_was_compacted", any, reinitialized::compacted_past),
    ("probe_another_cluster_at_a_members_url", any, reinitialized::foreign_at_a_members_url),
    ("probe_a_learner_begun_anew", any, reinitialized::learner_anew),
    ("probe_two_clusters_on_one_machine", any, detect::two_clusters_on_one_machine),
    ("the_whole_road_by_flags", any, end_to_end::by_flags),
    ("the_whole_road_by_plan", any, end_to_end::by_plan),
    ("the_whole_road_by_keys", any, wizard::every_step_by_keys),
    ("flags_are_those_of_the_server", any, launch::flags_of_server),
    ("every_form_starts_it", any, launch::forms),
    ("every_key_of_the_file", any, launch::every_key),
    ("a_configuration_file_read_back", any, launch::config_again),
    ("variables_that_are_no_flags", any, launch::foreign_variables),
    ("certificates_as_etcd_judges_them", any, launch::as_judged),
    ("units_as_systemd_reads_them", any, launch::systemd),
    ("an_empty_directory_under_a_planned_id", any, launch::empty_directory),
    ("a_member_on_ipv6", any, launch::ipv6),
    ("the_runbook", any, launch::runbook),
    ("a_sheet_by_hand_and_its_code", a_restoring_tool, manual::sheet_and_code),
    ("a_sheet_by_hand_on_mounts", a_restoring_tool, manual::sheet_on_mounts),
    ("an_old_member_left_alive", any, old_member::left_alive),
    ("an_old_token", any, old_member::old_token),
    ("a_raw_copy_with_users_asked_for", any, end_to_end::raw_copy),
    ("a_bumped_revision", any, end_to_end::bumped),
    ("proof_whole_and_never_started", any, verification::whole_and_never_started),
    ("proof_different_snapshots", any, verification::different_snapshots),
    ("proof_all_from_another_snapshot", any, verification::all_from_another_snapshot),
    ("proof_an_old_member", any, verification::an_old_member),
    ("proof_an_empty_directory", any, verification::an_empty_directory),
    ("proof_a_mistyped_directory", any, verification::a_mistyped_directory),
    ("proof_an_old_wal_directory", any, verification::an_old_wal_directory),
    ("proof_other_tokens_and_defaults", any, verification::other_tokens_and_defaults),
    ("proof_nospace_left_over", any, verification::nospace_left_over),
    ("proof_behind_passwords", any, verification::behind_passwords),
    ("proof_bumped", any, verification::bumped),
    ("proof_compacted_since", any, verification::compacted_since),
    ("proof_leases_and_users", any, verification::alike::leases_and_users),
    ("proof_of_another_snapshot", any, verification::alike::of_another_snapshot),
    ("proof_authentication_off", any, verification::alike::authentication_off),
    ("proof_smaller_differences", any, verification::alike::smaller_differences),
    ("proof_twice_and_one_left", any, verification::alike::twice_and_one_left),
    ("proof_advertised_and_started", any, verification::alike::advertised_and_started),
    ("proof_a_clock_that_is_off", any, verification::alike::a_clock_that_is_off),
    ("proof_under_writes", any, verification::alike::under_writes),
    ("proof_by_single_calls", any, verification::alike::by_single_calls),
    ("a_directory_says_what_its_server_says", any, datadir::says_the_same),
    ("a_directory_of_a_member_that_lagged", any, datadir::lagging),
    ("v2_keys_are_written_out", with_v2, datadir::v2_keys),
    ("older_snapshots_start_and_stop_verified", any, end_to_end::older_snapshots),
    ("salvage_equals_the_server", any, salvage::equals_the_server),
    ("salvage_the_whole_road", any, salvage::the_whole_road),
    ("same_files_as_etcdutl", a_late_tool, oracle::same_files),
    ("same_files_as_etcdutl_when_bumped", a_late_tool, oracle::same_files_bumped),
    ("etcdutl_restores_what_we_restored", a_tool, oracle::restored_again),
    ("same_status_as_etcdutl", a_tool_that_counts_live_keys, oracle::same_status),
];

/// The cases on each version; all of them where `every` is asked for.
pub fn trials(every: bool) -> Vec<Trial> {
    let fits = |minor: &'static str, needs: fn(&Server) -> Result<(), String>| {
        Server::find(minor).and_then(|server| needs(&server)).is_ok()
    };
    let mut trials = Vec::new();
    for minor in MINORS {
        for (at, (name, needs, case)) in ALL.iter().copied().enumerate() {
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
                if !every && !EVERY_DAY.contains(&name) {
                    return Ok(Completion::ignored_with("not every day; tests/run has every case on every version"));
                }
                if !every && turn != Some(minor) {
                    return Ok(Completion::ignored_with("not its turn; tests/run has every case on every version"));
                }
                case(&server);
                note_run(minor, name);
                Ok(Completion::Completed)
            };
            trials.push(Trial::ignorable_test(format!("real_etcd::{minor}::{name}"), run).with_kind(kind));
        }
    }
    trials
}

fn any(_: &Server) -> Result<(), String> {
    Ok(())
}

fn a_tool(server: &Server) -> Result<(), String> {
    server.etcdutl().map(|_| ())
}

fn a_restoring_tool(server: &Server) -> Result<(), String> {
    let has = ["etcdutl", "etcdctl"].iter().any(|tool| server.dir().join(tool).is_file());
    if has { Ok(()) } else { Err(format!("etcd {} has neither etcdutl nor etcdctl here", server.full)) }
}

fn with_v2(server: &Server) -> Result<(), String> {
    if ["3.4", "3.5"].contains(&server.minor) { Ok(()) } else { Err("etcd keeps no v2 keys from 3.6 on".into()) }
}

fn a_late_tool(server: &Server) -> Result<(), String> {
    if server.minor == "3.5" && server.patch() < 10 {
        return Err(format!("etcdutl {} is older than 3.5.10, whose files ours are held against", server.full));
    }
    a_tool(server)
}

fn a_tool_that_counts_live_keys(server: &Server) -> Result<(), String> {
    if server.minor == "3.5" {
        return Err("etcdutl 3.5 counts the rows of all buckets as keys".into());
    }
    a_tool(server)
}
