//! A restore with care: killed or without power at any moment it leaves the target absent or whole; what it
//! costs, whom it belongs to, and what its options do, also to every real etcd that the machine has under

//! `target/etcd/VERSION` (`etcd`, `etcdutl`). Cases whose server is not there show as ignored.

mod common;
mod crash;
mod eve;
mod files;
mod hostile;
mod install;
mod killed;
mod planted;
mod servers;

use crate::support;
use libtest_mimic::Trial;
use requorum::etcd::version::Minor;

/// A case that is run against each version.
type OnVersion = fn(Minor);

/// Those that wait for tests/run, or for being called by name: every day a shorter one shows the most of them.
const LONG: [&str; 3] =
    ["exchange_killed_at_every_act", "every_fixture_plain_and_compacted", "an_adversary_at_every_act_for_long"];

/// The cases; all of them where `every` is asked for.
pub fn trials(every: bool) -> Vec<Trial> {
    let mut trials = Vec::new();
    let mut add = |name: String, absent: bool, case: Box<dyn FnOnce() + Send>| {
        let run = move || {
            case();
            Ok(())
        };
        trials.push(Trial::test(format!("restore_crash::{name}"), run).with_ignored_flag(absent));
    };
    for (at, layout) in crash::LAYOUTS.into_iter().enumerate() {
        // the plainest and the one with the most in its way, every day
        let waits = ![0, 4].contains(&at) && !every;
        add(format!("killed_at_every_act_{at}"), waits, Box::new(move || crash::killed_at_every_act(layout)));
        add(format!("power_lost_at_every_act_{at}"), waits, Box::new(move || crash::power_lost_at_every_act(layout)));
    }
    let plain: [(&str, fn()); 34] = [
        ("flags_and_plans", files::flags_and_plans),
        ("wal_taken_back_for_another_data_dir", crash::wal_taken_back_for_another_data_dir),
        ("what_was_used_since_stays", crash::what_was_used_since_stays),
        ("a_sync_that_fails_is_rolled_back", crash::a_sync_that_fails_is_rolled_back),
        ("what_appears_meanwhile_is_not_replaced", crash::what_appears_meanwhile_is_not_replaced),
        ("the_program_killed_at_many_moments", killed::at_many_moments),
        ("free_pages_become_holes", files::free_pages_become_holes),
        ("one_reading_serves_all_members", files::one_reading_serves_all_members),
        ("a_source_that_changes_is_caught", files::a_source_that_changes_is_caught),
        ("a_live_database_is_refused", files::a_live_database_is_refused),
        ("owner_and_mode", files::owner_and_mode),
        ("every_fixture_plain_and_compacted", files::every_fixture_plain_and_compacted),
        ("staged_and_exchanged", install::what_waits_outlives_its_run_and_is_exchanged_for_what_is_there),
        ("exchanged_with_owner_and_context", install::owner_and_context),
        ("exchanged_for_nothing", install::nothing_there_before_and_an_empty_directory),
        ("another_plans_work_gives_way", install::another_plans_work_gives_way_and_its_own_can_be_discarded),
        ("exchanged_behind_a_link", install::a_link_stays_and_what_it_leads_to_is_exchanged),
        ("what_an_etcd_holds_is_not_moved", install::what_an_etcd_holds_is_not_moved),
        ("dated_names_are_never_taken_twice", install::dated_names_are_never_taken_twice),
        ("exchange_without_power_at_every_act", install::power_lost_at_every_act),
        ("another_plans_exchange_is_finished_first", install::another_plans_exchange_is_finished_first),
        ("exchange_killed_at_every_act", install::killed_at_every_act),
        ("planted_leftovers_are_not_obeyed", hostile::planted_leftovers_are_not_obeyed),
        ("planted_renames_are_not_made", hostile::planted_renames_are_not_made),
        ("undo_asks_for_the_members_own_places", hostile::undo_asks_for_the_members_own_places),
        ("nothing_outside_is_given_away", hostile::nothing_outside_is_given_away),
        ("a_link_of_hers_moves_nothing_of_roots", hostile::a_link_of_hers_moves_nothing_of_roots),
        ("a_link_of_hers_is_no_source", planted::a_link_of_hers_is_no_source),
        ("a_members_directory_keeps_nobody_waiting", planted::a_members_directory_keeps_nobody_waiting),
        ("a_planted_journal_is_not_the_operators", planted::a_planted_journal_is_not_the_operators),
        ("no_name_of_a_lock_is_taken_for_good", planted::no_name_of_a_lock_is_taken_for_good),
        ("the_lock_of_a_mere_reader_is_no_etcds", planted::the_lock_of_a_mere_reader_is_no_etcds),
        ("an_adversary_at_every_act", || hostile::an_adversary_at_every_act(12)),
        ("an_adversary_at_every_act_for_long", || hostile::an_adversary_at_every_act(200)),
    ];
    for (name, case) in plain {
        add(name.to_string(), LONG.contains(&name) && !every, Box::new(case));
    }
    let with_server: [(&str, OnVersion); 5] = [
        ("live_source", servers::live_source),
        ("set_version", servers::set_version),
        ("cleared_alarms", servers::cleared_alarms),
        ("disabled_auth", servers::disabled_auth),
        ("holes_and_compacted", servers::holes_and_compacted),
    ];
    // Every day each on one version in turn.
    let here: Vec<Minor> = Minor::ALL.into_iter().filter(|v| servers::home(*v).join("etcd").is_file()).collect();
    for version in Minor::ALL {
        for (at, (name, case)) in with_server.into_iter().enumerate() {
            let turn = here.get(at % here.len().max(1)) == Some(&version);
            let ignored = !here.contains(&version) || !every && !turn;
            add(format!("{name}_on_{version}"), ignored, Box::new(move || case(version)));
        }
    }
    trials
}
