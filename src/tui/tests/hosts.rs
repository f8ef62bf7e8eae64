//! `update` where members live on several hosts: looked at, agreed to, refused, gone on with and taken back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crossterm::event::KeyCode::{self, Char, Enter, Esc};

use crate::tui::{
    app::update,
    exit_summary,
    headless::screen,
    state::{
        messages::{Effect, Msg},
        model::{Model, Overlay},
        prompt::Ask,
        step::Step,
    },
    tests::{
        at_members, at_review, begun_record, built, failed, fence, hear, placed, press, ready, refused, said,
        seen_hosts, send,
    },
};
use crate::{
    domain::{
        members::{
            cell::Origin,
            table::{Column, Problem},
        },
        model::{observations::host::PlaceState, plan::Plan},
        preflight::{
            host_report::{Look, Running},
            stop::RunningEtcd,
        },
    },
    error::{Error, ErrorKind},
    etcd::membership::Id,
    execute::{
        events::{ExecutionEvent, HostEvent},
        executor::Goal,
    },
    system::journal::{Event, Record},
};

fn type_in(model: &mut Model, text: &str) {
    text.chars().for_each(|c| drop(press(model, Char(c))));
}

fn halt(pid: u32) -> RunningEtcd {
    let commands = vec![format!("kill -TERM {pid}")];
    RunningEtcd { data_dir: "/new/m2.etcd".into(), wal_dir: None, pid: Some(pid), commands, resume: Vec::new() }
}

fn runs(look: &mut Look) {
    look.runs = vec![Running { halt: halt(812), member: Some(Id(2)) }];
    look.close = true;
}

/// On Review of the same table with m2 and m3 on other hosts; what Review asks first.
fn over_hosts() -> (Model, Vec<Effect>) {
    let mut model = at_members();
    for (at, host) in [(1, "root@b"), (2, "c")] {
        crate::tui::steps::members::set_cell(&mut model, at, Column::Host, host);
    }
    let effects = press(&mut model, Char('n'));
    assert_eq!(model.step, Step::Review, "{}", said(&model));
    (model, effects)
}

fn reviewed(change: impl Fn(&mut Look)) -> Model {
    let (mut model, effects) = over_hosts();
    let id = seen_hosts(&mut model, &effects, change);
    send(&mut model, Msg::Fenced { id, seen: Default::default(), fences: Vec::new() });
    model
}

fn ask(model: &Model) -> Option<Ask> {
    model.prompt.as_ref().map(|p| p.ask.clone())
}

/// Types the label into the field that is open, and the effect that follows.
fn confirmed(model: &mut Model) -> (u64, Plan, crate::tui::state::messages::Orders) {
    type_in(model, "prod");
    let effects = press(model, Enter);
    let Some(Effect::Apply { id, plan, orders }) = effects.into_iter().next_back() else {
        panic!("{}", screen(model, 100, 30))
    };
    (id, *plan, *orders)
}

#[test]
fn hosts_are_inspected_on_request_per_row() {
    let mut model = at_members();
    crate::tui::steps::members::set_cell(&mut model, 1, Column::Host, "root@b");
    crate::tui::steps::members::set_cell(&mut model, 2, Column::Host, "-c");
    assert_eq!(press(&mut model, Char('r')), []);
    assert_eq!(said(&model), "Checking the hosts waits for: m3's host.");
    crate::tui::steps::members::set_cell(&mut model, 2, Column::Host, "c");
    let effects = press(&mut model, Char('r'));
    let [Effect::LookAtHosts { id, plan, closer: false }] = &effects[..] else { panic!("{effects:?}") };
    let mut shown = vec![("asked", screen(&model, 80, 24))];
    // They answer in any order; one that was asked before counts no longer.
    let unreachable =
        Error::new(ErrorKind::NoAnswer, "c cannot be reached by ssh").why("its host key is not known here");
    let far = Look { facts: Err(unreachable), ..ready(plan, "c", &[2]) };
    let mut full = ready(plan, "root@b", &[1]);
    full.problems.push(Problem::error(None, None, "not enough space on /: 1 byte is free, 2 are needed"));
    send(&mut model, Msg::HostSeen { id: *id + 9, look: Box::new(ready(plan, "c", &[2])) });
    for look in [far, full, ready(plan, "local", &[0])] {
        send(&mut model, Msg::HostSeen { id: *id, look: Box::new(look) });
    }
    assert_eq!(send(&mut model, Msg::HostsSeen { id: *id }), [], "no old member is asked on this step");
    assert_eq!(said(&model), "2 of 3 hosts are not ready; each row says why.");
    shown.push(("two of three are not ready", screen(&model, 120, 40)));
    // What was seen is of the row as it was.
    crate::tui::steps::members::set_cell(&mut model, 2, Column::Host, "d");
    shown.push(("another host in the last row", screen(&model, 120, 40)));
    crate::text::messages::hold("tui-hosts-rows", &shown);
    press(&mut model, KeyCode::End);
    model.members.at = 2;
    press(&mut model, Char('i'));
    assert!(refused(&model) && model.overlay.is_none(), "{}", said(&model));
}

#[test]
fn hosts_are_filled_in_for_remote_rows() {
    let mut model = at_members();
    crate::tui::steps::members::set_cell(&mut model, 0, Column::Host, "ops@jump");
    let effects = press(&mut model, Char('f'));
    let [Effect::Here { id, hosts }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(hosts, &["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    send(&mut model, Msg::Here { id: *id + 1, here: Vec::new() });
    send(&mut model, Msg::Here { id: *id, here: vec!["10.0.0.2".into()] });
    let cells = |model: &Model| -> Vec<(String, Origin)> {
        model.members.rows.iter().map(|r| (r.host().to_string(), r.cell(Column::Host).origin)).collect()
    };
    let filled = [("ops@jump", Origin::Typed), ("local", Origin::Proposed), ("ops@10.0.0.3", Origin::Proposed)];
    assert_eq!(cells(&model), filled.map(|(host, origin)| (host.to_string(), origin)), "by the user of another row");
    press(&mut model, Char('u'));
    assert_eq!(model.members.rows[2].host(), "local");
}

#[test]
fn an_unready_host_blocks_apply_and_dry_run() {
    let mut model = reviewed(|look| {
        if look.host == "c" {
            look.facts = Err(Error::new(ErrorKind::NoAnswer, "c cannot be reached by ssh"));
        }
    });
    for key in [Enter, Char('d'), Char('n')] {
        assert_eq!(press(&mut model, key), []);
        assert!(refused(&model), "{}", said(&model));
        assert_eq!((ask(&model), model.overlay), (None, None));
    }
    let mut messages = vec![("a key", said(&model).to_string()), ("the screen", screen(&model, 100, 30))];
    // by its problems, where it was reached; how many more there are is counted
    let model = reviewed(|look| {
        let full = format!("not enough space on /srv: {} is full", look.host);
        look.problems.push(Problem::error(None, None, full));
    });
    messages.push(("three are full", model.hosts.in_the_way().unwrap()));
    crate::text::messages::hold("tui-hosts-unready", &messages);
}

#[test]
fn a_dry_run_names_the_remaining_blockers() {
    let rehearsed = |fences: Vec<crate::domain::preflight::blockers::Blocker>, consent: bool| {
        let mut model = reviewed(|look| {
            if consent && look.host == "root@b" {
                runs(look);
            }
        });
        press(&mut model, Char('d'));
        let effects = press(&mut model, Char('y'));
        let [Effect::Apply { id, .. }] = &effects[..] else { panic!("{effects:?}") };
        for name in ["m1", "m2", "m3"] {
            hear(&mut model, *id, "c", HostEvent::Discarded(name.into()));
        }
        send(&mut model, Msg::Told { id: *id, told: Box::new(ExecutionEvent::Blockers(fences)) });
        send(&mut model, Msg::ApplyEnded { id: *id, result: Ok(()) });
        screen(&model, 100, 30)
    };
    let shown = [
        ("nothing is in the way", rehearsed(Vec::new(), false)),
        ("an old member answers", rehearsed(vec![fence()], false)),
        ("an etcd is to be stopped", rehearsed(Vec::new(), true)),
    ];
    crate::text::messages::hold("tui-hosts-dry-run", &shown);
}

#[test]
fn review_says_host_by_host_what_is_done() {
    let mut model = reviewed(|look| {
        if look.host == "root@b" {
            look.facts.as_mut().unwrap().places[0].state = PlaceState::Dir(vec!["member".into()]);
        }
    });
    let mut shown = vec![("the plan", screen(&model, 120, 60))];
    press(&mut model, Char('i'));
    shown.push(("the hosts", screen(&model, 120, 40)));
    crate::text::messages::hold("tui-hosts-review", &shown);
}

#[test]
fn an_unknown_etcd_is_inspected_on_a_key() {
    let mut model = reviewed(|look| {
        if look.host == "c" {
            look.facts.as_mut().unwrap().etcds.push((7, "etcd".into()));
        }
    });
    assert_eq!(press(&mut model, Enter), []);
    assert!(refused(&model) && ask(&model).is_none(), "how the etcd on c is stopped is not known: {}", said(&model));
    let effects = press(&mut model, Char('c'));
    assert!(matches!(&effects[..], [Effect::LookAtHosts { closer: true, .. }]), "{effects:?}");
    let id = seen_hosts(&mut model, &effects, |look| {
        if look.host == "c" {
            look.facts.as_mut().unwrap().etcds.push((7, "etcd".into()));
            look.close = true;
        }
    });
    send(&mut model, Msg::Fenced { id, seen: Default::default(), fences: Vec::new() });
    press(&mut model, Enter);
    assert_eq!(ask(&model), Some(Ask::Confirm), "it runs on no member's directory");
}

#[test]
fn consent_holds_only_for_what_was_shown() {
    let mut model = reviewed(|look| {
        if look.host == "root@b" {
            runs(look);
        }
    });
    // its first letter opens the field: it is no command, and the commands that it agrees to stay in sight
    let mut typed = model.clone();
    for c in "sto".chars() {
        assert_eq!(press(&mut typed, Char(c)), [], "{c}");
    }
    assert_eq!((ask(&typed), typed.prompt.as_ref().map(|p| p.text())), (Some(Ask::Consent), Some("sto")));
    assert!(screen(&typed, 80, 24).contains("root@b: kill -TERM 812"), "{}", screen(&typed, 80, 24));
    press(&mut typed, Char('p'));
    press(&mut typed, Enter);
    assert_eq!(typed.review.consent, [("root@b".to_string(), halt(812))]);
    press(&mut model, Enter);
    assert_eq!(ask(&model), Some(Ask::Consent));
    assert!(screen(&model, 100, 30).contains("root@b: kill -TERM 812"));
    type_in(&mut model, "prod");
    press(&mut model, Enter);
    assert!(refused(&model) && ask(&model) == Some(Ask::Consent), "{}", said(&model));
    press(&mut model, Esc);
    press(&mut model, Enter);
    type_in(&mut model, "stop");
    press(&mut model, Enter);
    assert_eq!(ask(&model), Some(Ask::Confirm));
    let (id, _, orders) = confirmed(&mut model);
    assert_eq!(orders.consent, [("root@b".to_string(), halt(812))]);
    assert!(orders.decisions.iter().any(|(text, _)| text.contains("/new/m2.etcd") && text.contains("root@b")));

    // Something started it again meanwhile: the run asks nobody else's consent, and Review shows the new command.
    hear(&mut model, id, "root@b", HostEvent::Runs(halt(900), Some(Id(2))));
    let refused = Error::new(ErrorKind::Refused, "an etcd runs on root@b where a member is to be put");
    let effects = send(&mut model, Msg::ApplyEnded { id, result: Err(refused) });
    assert_eq!(model.step, Step::Review);
    let id = seen_hosts(&mut model, &effects, |look| {
        if look.host == "root@b" {
            look.runs = vec![Running { halt: halt(900), member: Some(Id(2)) }];
            look.close = true;
        }
    });
    send(&mut model, Msg::Fenced { id, seen: Default::default(), fences: Vec::new() });
    press(&mut model, Enter);
    assert_eq!(ask(&model), Some(Ask::Consent));
    assert!(screen(&model, 100, 30).contains("kill -TERM 900"));
}

#[test]
fn findings_of_a_run_appear_on_review() {
    let mut model = reviewed(|_| {});
    press(&mut model, Char('d'));
    assert_eq!(model.overlay, Some(Overlay::Rehearse));
    let effects = press(&mut model, Char('y'));
    let [Effect::Apply { id, orders, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((orders.until, orders.decisions.len()), (Goal::DryRun, 0));
    use crate::engine::install::MemberState;
    hear(&mut model, *id, "c", HostEvent::MemberState("m3".into(), MemberState::Nothing));
    hear(&mut model, *id, "c", HostEvent::Runs(halt(7), None));
    for name in ["m1", "m2", "m3"] {
        hear(&mut model, *id, "c", HostEvent::Discarded(name.into()));
    }
    send(
        &mut model,
        Msg::Told { id: *id, told: Box::new(ExecutionEvent::FinalCheck("1 client URL was asked again".into())) },
    );
    send(&mut model, Msg::ApplyEnded { id: *id, result: Ok(()) });
    let shown = [("a dry run that found an etcd", screen(&model, 100, 30))];
    crate::text::messages::hold("tui-hosts-found", &shown);
    press(&mut model, Char('n'));
    assert!(refused(&model) && model.step == Step::Restore, "{}", said(&model));
    assert_eq!(exit_summary::ending(&model).exit_code(), 0, "nothing was begun");
    press(&mut model, Esc);
    // From afar it is only seen that an etcd runs there; how it is stopped is known from the rehearsal.
    let again = press(&mut model, Char('r'));
    seen_hosts(&mut model, &again, |look| {
        if look.host == "c" {
            look.facts.as_mut().unwrap().etcds.push((7, "etcd".into()));
        }
    });
    assert_eq!(model.hosts.halts(), [("c".to_string(), halt(7))]);
}

#[test]
fn each_host_has_its_log_and_failure() {
    use crate::system::ssh::Sent;
    let mut model = reviewed(|_| {});
    press(&mut model, Enter);
    let (id, plan, _) = confirmed(&mut model);
    hear(&mut model, id, "root@b", HostEvent::Sent(Sent { from: 0, bytes: 4096, packed: 2048 }));
    hear(&mut model, id, "root@b", built(&plan, "m2"));
    let cut =
        Error::new(ErrorKind::Failed, "the connection to c broke").why("its host went away").hint("Run it again.");
    hear(&mut model, id, "c", HostEvent::Failed(cut.clone()));
    let mut other = model.clone();
    send(&mut model, Msg::ApplyEnded { id, result: Err(cut) });
    let mut shown = vec![("one host broke off", screen(&model, 120, 40))];
    assert_eq!(model.restore.at, 2, "the one whose host broke off is selected");
    press(&mut model, Char('e'));
    // the log of another host is another's
    shown.push(("its log", screen(&model, 120, 40)));
    press(&mut model, Esc);
    let effects = press(&mut model, Char('t'));
    assert!(matches!(&effects[..], [Effect::Apply { plan: again, .. }] if **again == plan), "{effects:?}");
    // Gone on with, what is built is still known to be.
    shown.push(("resumed", screen(&model, 120, 40)));
    // A failure of one member is not the others' of its host.
    let full = Error::new(ErrorKind::Failed, "no space");
    hear(&mut other, id, "local", failed("m1", &full));
    hear(&mut other, id, "local", HostEvent::Failed(full));
    other.restore.at = 1;
    shown.push(("one member failed", screen(&other, 120, 40)));
    crate::text::messages::hold("tui-hosts-failures", &shown);
}

#[test]
fn an_unfinished_run_offers_nothing_to_continue() {
    let mut model = reviewed(|_| {});
    press(&mut model, Enter);
    let (id, plan, _) = confirmed(&mut model);
    for (host, name) in [("local", "m1"), ("root@b", "m2"), ("c", "m3")] {
        hear(&mut model, id, host, placed(&plan, name));
    }
    let mut shown = vec![("all installed, not checked", screen(&model, 120, 40))];
    press(&mut model, Char('n'));
    assert_eq!(said(&model), "Next waits for the members that are being restored.");
    send(&mut model, Msg::ApplyEnded { id, result: Ok(()) });
    shown.push(("complete", screen(&model, 120, 40)));
    crate::text::messages::hold("tui-hosts-complete", &shown);
    press(&mut model, Char('n'));
    assert_eq!(model.step, Step::Launch);
}

#[test]
fn rollback_shows_its_stops_and_needs_the_label() {
    let mut model = reviewed(|_| {});
    press(&mut model, Enter);
    let (id, plan, _) = confirmed(&mut model);
    for (host, name) in [("local", "m1"), ("root@b", "m2"), ("c", "m3")] {
        hear(&mut model, id, host, placed(&plan, name));
    }
    send(&mut model, Msg::ApplyEnded { id, result: Ok(()) });
    assert_eq!(press(&mut model, Char('u')), []);
    let (id, _, orders) = confirmed(&mut model);
    assert_eq!((orders.until, orders.consent.len()), (Goal::Undone, 0));
    hear(&mut model, id, "c", HostEvent::Runs(halt(5), None));
    let runs = Error::new(ErrorKind::Refused, "an etcd runs on c where a member is to be put").hint("--stop");
    assert_eq!(send(&mut model, Msg::ApplyEnded { id, result: Err(runs) }), [], "nobody is led away from here");
    assert!(refused(&model) && !said(&model).contains("--stop"), "{}", said(&model));
    press(&mut model, Char('u'));
    crate::text::messages::hold("tui-hosts-rollback", &[("an etcd is stopped first", screen(&model, 100, 30))]);
    let (id, _, orders) = confirmed(&mut model);
    assert_eq!(orders.consent, [("c".to_string(), halt(5))]);
    for (host, name) in [("local", "m1"), ("root@b", "m2"), ("c", "m3")] {
        hear(&mut model, id, host, HostEvent::Undone(name.into(), Vec::new()));
    }
    send(&mut model, Msg::ApplyEnded { id, result: Ok(()) });
    assert!(!model.restore.complete());
    press(&mut model, Esc);
    press(&mut model, Enter);
    assert_eq!(ask(&model), Some(Ask::Confirm), "begun anew, by the label");
}

/// A journal of a plan that was restored at `since`, with `more` after that.
fn restored_journal(plan: &Plan, since: &str, more: Vec<Record>) -> Vec<Record> {
    let mut begun = begun_record(plan, "InPlace");
    begun.at = since.into();
    let line = |kind, data: serde_json::Value| {
        let serde_json::Value::Object(data) = data else { panic!() };
        Record { at: since.into(), kind, text: "x".into(), data, prev: String::new(), hash: String::new() }
    };
    let placed = plan.members.iter().map(|m| {
        let HostEvent::Placed(swapped) = placed(plan, &m.name) else { panic!() };
        line(Event::Done, serde_json::json!({"member": m.name, "swapped": swapped}))
    });
    let ended = line(Event::Ended, serde_json::json!({"complete": true}));
    [begun].into_iter().chain(placed).chain([ended]).chain(more).collect()
}

fn started_on(found: Vec<(std::path::PathBuf, crate::error::Result<Vec<Record>>)>) -> Model {
    let mut model =
        Model::new(crate::tui::Options { label: None, journals: "/state".into(), ..Default::default() }, "REAL");
    let effects = update(&mut model, Msg::Start { now: 9, fresh: "7f3a".into() });
    let id = effects.iter().find_map(|e| if let Effect::Journals { id, .. } = e { Some(*id) } else { None });
    send(&mut model, Msg::Journals { id: id.unwrap(), found });
    model
}

#[test]
fn installed_unverified_members_are_offered_with_commands() {
    let mut plan = at_review().review.plan.unwrap();
    plan.label = "efa3".into();
    let journal = |since, more| ("/state/y.journal".into(), Ok(restored_journal(&plan, since, more)));
    let mut model = started_on(vec![journal("2026-11-22T03:12:00Z", Vec::new())]);
    assert_eq!((model.overlay, model.label.as_str()), (Some(Overlay::Unfinished), "efa3"));
    crate::text::messages::hold("tui-unverified", &[("at the next start", screen(&model, 100, 30))]);
    press(&mut model, Char('y'));
    assert_eq!((model.step, model.restore.plan.as_ref(), model.restore.complete()), (Step::Launch, Some(&plan), true));
    assert!(screen(&model, 100, 30).contains("--name=m1"));
    let effects = press(&mut model, Char('n'));
    assert!(matches!(&effects[..], [Effect::Verify { plan: asked, .. }] if **asked == plan), "{effects:?}");
    // and taken back by the label, as ever
    press(&mut model, Esc);
    press(&mut model, Esc);
    press(&mut model, Char('u'));
    assert_eq!((model.step, ask(&model)), (Step::Restore, Some(Ask::Undo)));

    // a later plan in the same directories: the earlier one is not there any more
    let mut later = plan.clone();
    later.token = "another".into();
    let proof = serde_json::json!({"exit_code": 0});
    let serde_json::Value::Object(data) = proof else { panic!() };
    let proof = Record {
        at: "2026-11-23T03:12:00Z".into(),
        kind: Event::Proof,
        text: "proven".into(),
        data,
        prev: String::new(),
        hash: String::new(),
    };
    let newer = ("/state/z.journal".into(), Ok(restored_journal(&later, "2026-11-23T03:00:00Z", vec![proof])));
    let model = started_on(vec![journal("2026-11-22T03:12:00Z", Vec::new()), newer]);
    assert_eq!((model.overlay, model.unfinished.any()), (None, false));
}

#[test]
fn an_unknown_goal_is_refused_never_guessed() {
    let plan = at_review().review.plan.unwrap();
    for goal in ["Salvaged", ""] {
        let mut model = started_on(vec![("/state/y.journal".into(), Ok(vec![begun_record(&plan, goal)]))]);
        assert_eq!(model.overlay, Some(Overlay::Unfinished));
        assert_eq!(press(&mut model, Char('y')), []);
        assert_eq!((model.step, model.review.plan.as_ref()), (Step::Detect, None));
        assert!(refused(&model), "{}", said(&model));
    }
}

#[test]
fn unfinished_runs_and_broken_journals_are_shown() {
    let plan = at_review().review.plan.unwrap();
    let start = |until: &str| {
        let mut model =
            Model::new(crate::tui::Options { label: None, journals: "/state".into(), ..Default::default() }, "REAL");
        let effects = update(&mut model, Msg::Start { now: 9, fresh: "7f3a".into() });
        let id = effects.iter().find_map(|e| match e {
            Effect::Journals { id, dir } if dir == std::path::Path::new("/state") => Some(*id),
            _ => None,
        });
        let broken =
            Err(Error::new(ErrorKind::Input, "the journal /state/x.journal is not whole").why("line 2 was changed"));
        let found = vec![
            ("/state/x.journal".into(), broken),
            ("/state/y.journal".into(), Ok(vec![begun_record(&plan, until)])),
            ("/state/z.journal".into(), Ok(Vec::new())),
        ];
        send(&mut model, Msg::Journals { id: id.unwrap(), found });
        model
    };
    let mut model = start("InPlace");
    assert_eq!(model.overlay, Some(Overlay::Unfinished));
    let messages = [("a broken journal", said(&model).to_string()), ("an unfinished run", screen(&model, 100, 30))];
    crate::text::messages::hold("tui-unfinished", &messages);
    let effects = press(&mut model, Char('y'));
    seen_hosts(&mut model, &effects, |_| {});
    assert_eq!((model.step, model.review.plan.as_ref(), model.label.as_str()), (Step::Review, Some(&plan), "prod"));

    // One that was being taken back is taken back, and not put in place.
    let mut model = start("Undone");
    press(&mut model, Char('y'));
    assert_eq!((model.step, ask(&model)), (Step::Restore, Some(Ask::Undo)));
    let (_, again, orders) = confirmed(&mut model);
    assert_eq!((again, orders.until), (plan, Goal::Undone));
}
