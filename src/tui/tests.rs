//! `update` by tables, step by step. What holds for every sequence of messages: `tests_any`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

use super::{
    app::{Effect, Model, Msg, Options, Overlay, update},
    ending::Leaving,
    headless::screen,
    prompt::Ask,
    steps::Step,
};
use crate::{
    engine::{
        progress::{Phase, Progress},
        restore::Restored,
        swap::Swapped,
    },
    etcd::membership::Id,
    plan::{
        Plan,
        facts::{
            Answer, Around, Content, FileFacts, Hashed, Health, KnownMember, MemberSays,
            config::{ConfigFacts, ConfigKind, Origin, Setting, WITHHELD},
            disk::{DirFacts, DirState, Held},
            host::{HostFacts, Place, PlaceState, Root},
        },
        fence::Fence,
        hosts::{self, Look},
        table::Column,
    },
    recovery::{
        RowEvent,
        hosts::{HostEvent, Told, Until},
    },
    trouble::{Kind, Trouble},
    world::journal::{Event, Record},
};

fn options() -> Options {
    Options {
        endpoints: vec!["http://10.0.0.2:2379".into(), "http://10.0.0.1:2379".into()],
        places: vec!["/backup".into()],
        label: Some("prod".into()),
        base_dir: "/new".into(),
        here: "/root".into(),
        journals: "/state".into(),
        ..Options::default()
    }
}

fn member(n: u8) -> KnownMember {
    KnownMember {
        id: Id(u64::from(n)),
        name: format!("m{n}"),
        peer_urls: vec![format!("http://10.0.0.{n}:2380")],
        client_urls: vec![format!("http://10.0.0.{n}:2379")],
        is_learner: false,
    }
}

pub(super) fn survivor() -> Answer {
    Answer::Says(Box::new(MemberSays {
        cluster_id: Id(9),
        member_id: Id(2),
        revision: 100,
        members: vec![member(1), member(2), member(3)],
        ..MemberSays::default()
    }))
}

pub(super) fn silent() -> Answer {
    Answer::Silent { why: "connection refused".into(), details: String::new() }
}

pub(super) fn file(name: &str, health: Health) -> FileFacts {
    let content =
        Content { sha256: "ab".repeat(32), revision: 90, keys: 5, members: vec![member(1)], ..Content::default() };
    let content = matches!(health, Health::Verified | Health::Unhashed).then_some(content);
    FileFacts { path: PathBuf::from("/backup").join(name), bytes: 4096, modified: Some(50), health, content }
}

pub(super) fn send(model: &mut Model, msg: Msg) -> Vec<Effect> {
    let later = model.now_ms + 200;
    update(model, Msg::Tick(later));
    update(model, msg)
}

pub(super) fn press(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    send(model, Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn char(model: &mut Model, c: char) -> Vec<Effect> {
    press(model, KeyCode::Char(c))
}

fn ctrl_c(model: &mut Model) -> Vec<Effect> {
    send(model, Msg::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)))
}

fn type_in(model: &mut Model, text: &str) {
    for c in text.chars() {
        char(model, c);
    }
}

pub(super) fn said(model: &Model) -> &str {
    model.status.as_ref().map_or("", |s| s.text.as_str())
}

fn asks(effects: &[Effect]) -> Vec<(u64, &str)> {
    let ask = |e: &'_ Effect| match e {
        Effect::Ask { id, endpoint } => Some((*id, endpoint.as_str().to_string())),
        _ => None,
    };
    let all: Vec<(u64, String)> = effects.iter().filter_map(ask).collect();
    let around = effects.iter().filter(|e| matches!(e, Effect::LookAround { .. } | Effect::Journals { .. })).count();
    assert_eq!(all.len() + around, effects.len(), "{effects:?}");
    effects
        .iter()
        .filter_map(|e| match e {
            Effect::Ask { id, endpoint } => Some((*id, endpoint.as_str())),
            _ => None,
        })
        .collect()
}

pub(super) fn started() -> (Model, Vec<Effect>) {
    let mut model = Model::new(options(), "REAL");
    let effects = send(&mut model, Msg::Start { now: 1_795_317_120, fresh: "7f3a".into() });
    (model, effects)
}

/// Quorum lost: m2 answers, m1 and the discovered m3 do not.
fn lost() -> Model {
    let (mut model, effects) = started();
    let ids: Vec<u64> = asks(&effects).iter().map(|(id, _)| *id).collect();
    send(&mut model, Msg::Answered { id: ids[0], answer: survivor() });
    let more = send(&mut model, Msg::Answered { id: ids[1], answer: silent() });
    let [(id, "http://10.0.0.3:2379")] = asks(&more)[..] else { panic!("{more:?}") };
    let peers = send(&mut model, Msg::Answered { id, answer: silent() });
    settle(&mut model, peers);
    model
}

/// Peer ports are silent, and hashes are not to be had.
fn settle(model: &mut Model, effects: Vec<Effect>) {
    for effect in effects {
        let more = match effect {
            Effect::AskPeer { id, .. } => send(model, Msg::Answered { id, answer: silent() }),
            Effect::Hash { id, .. } => send(model, Msg::Hashed { id, hash: Hashed::Failed("no".into()) }),
            other => panic!("{other:?}"),
        };
        settle(model, more);
    }
}

/// In Snapshot, one verified file found, read and selected.
pub(super) fn with_file(health: Health) -> Model {
    let mut model = lost();
    let effects = char(&mut model, 'n');
    let [Effect::Find { id, places }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(places, &[PathBuf::from("/backup")]);
    let effects = send(&mut model, Msg::Found { id: *id, result: Ok(vec![file("a.db", Health::Unread)]) });
    let [Effect::Inspect { id, .. }] = &effects[..] else { panic!("{effects:?}") };
    send(&mut model, Msg::Inspected { id: *id, result: Ok(file("a.db", health)) });
    press(&mut model, KeyCode::Down);
    model
}

pub(super) fn at_review() -> Model {
    let mut model = with_file(Health::Verified);
    press(&mut model, KeyCode::Enter);
    char(&mut model, 'n');
    assert_eq!(model.step, Step::Members, "{}", said(&model));
    let effects = char(&mut model, 'n');
    assert_eq!(model.step, Step::Review, "{}", said(&model));
    nobody_answers(&mut model, &effects);
    model
}

/// A host that can take these members of the plan.
pub(super) fn ready(plan: &Plan, host: &str, members: &[usize]) -> Look {
    let place = |path: PathBuf| Place {
        path,
        state: PlaceState::Absent,
        there: "/new".into(),
        owner: "root:root".into(),
        writable: true,
        mount: "/".into(),
        read_only: false,
        free: Some(40 << 30),
    };
    let facts = HostFacts {
        system: "Linux".into(),
        machine: "x86_64".into(),
        user: "root".into(),
        root: Root::Is,
        places: hosts::asked(plan, members).into_iter().map(place).collect(),
        ..HostFacts::default()
    };
    Look { host: host.into(), facts: Ok(facts), ..Look::of(plan, members) }
}

/// Answers Review's look at the hosts, each as `change` leaves it; the question about the old cluster that follows.
pub(super) fn seen_hosts(model: &mut Model, effects: &[Effect], change: impl Fn(&mut Look)) -> u64 {
    let Some(Effect::LookAtHosts { id, plan, .. }) = effects.last() else { panic!("{effects:?}") };
    let names: Vec<String> = plan.members.iter().map(|m| m.name.clone()).collect();
    for (host, members) in hosts::groups(plan, &names) {
        let mut look = ready(plan, &host, &members);
        change(&mut look);
        send(model, Msg::HostSeen { id: *id, look: Box::new(look) });
    }
    let effects = send(model, Msg::HostsSeen { id: *id });
    let [Effect::Fences { id, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    *id
}

/// Answers what Review asks: every host is ready, and nobody answers.
fn nobody_answers(model: &mut Model, effects: &[Effect]) {
    let id = seen_hosts(model, effects, |_| {});
    send(model, Msg::Fenced { id, seen: Default::default(), fences: Vec::new() });
}

pub(super) fn fence() -> Fence {
    Fence {
        what: "m2 of the old cluster still answers on 10.0.0.2".into(),
        evidence: vec!["client URL http://10.0.0.2:2379: member 2 of cluster 9".into()],
        lift: "Stop it.".into(),
        typed: Some("m2@10.0.0.2".into()),
    }
}

fn begun() -> (Model, u64, Plan) {
    let mut model = at_review();
    press(&mut model, KeyCode::Enter);
    type_in(&mut model, "prod");
    let effects = press(&mut model, KeyCode::Enter);
    let [Effect::Apply { id, plan, orders }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(orders.until, Until::InPlace);
    (model, *id, (**plan).clone())
}

fn restored(plan: &Plan, name: &str) -> Restored {
    let m = plan.members.iter().find(|m| m.name == name).unwrap();
    Restored {
        name: name.into(),
        member_id: m.id,
        cluster_id: plan.cluster_id,
        data_dir: m.data_dir.clone(),
        revision: 90,
        keys: 5,
        bytes: 4096,
    }
}

pub(super) fn built(plan: &Plan, name: &str) -> HostEvent {
    HostEvent::Row(name.into(), RowEvent::Done(restored(plan, name)))
}

pub(super) fn placed(plan: &Plan, name: &str) -> HostEvent {
    HostEvent::Placed(Swapped { name: name.into(), restored: restored(plan, name), places: Vec::new() })
}

pub(super) fn failed(name: &str, why: &Trouble) -> HostEvent {
    HostEvent::Row(name.into(), RowEvent::Failed(why.clone()))
}

/// The line of a journal that says that a plan was begun.
pub(super) fn begun_record(plan: &Plan, until: &str) -> Record {
    let data = json!({"run": "5eed", "operator": "anna@laptop", "until": until, "whole_plan": plan});
    let Value::Object(data) = data else { panic!() };
    let at = "2026-11-22T03:12:00Z".into();
    Record { at, kind: Event::Begun, text: "begun".into(), data, prev: String::new(), hash: String::new() }
}

pub(super) fn hear(model: &mut Model, id: u64, host: &str, event: HostEvent) {
    send(model, Msg::Told { id, told: Box::new(Told::Host(host.into(), event)) });
}

#[test]
fn a_silent_member_is_gone_once_its_name_was_typed_and_comes_back_by_a_key() {
    use crate::plan::verdict::Verdict;
    let mut model = lost();
    let verdict = |model: &Model| model.detect.finding().verdict;
    char(&mut model, 'g');
    assert!(said(&model).contains("alive"), "m2 answers: {}", said(&model));
    for name in ["m1", "m3"] {
        assert_eq!(verdict(&model), Verdict::LostForNow);
        press(&mut model, KeyCode::Down);
        char(&mut model, 'g');
        type_in(&mut model, "m2");
        press(&mut model, KeyCode::Enter);
        assert!(said(&model).contains("That is not"), "{}", said(&model));
        press(&mut model, KeyCode::Backspace);
        type_in(&mut model, &name[1..]);
        press(&mut model, KeyCode::Enter);
    }
    assert_eq!(verdict(&model), Verdict::LostForGood);
    let effects = char(&mut model, 'r');
    assert_eq!(model.detect.gone().len(), 2, "what was typed is not lost by asking again");
    assert_eq!(asks(&effects).len(), 3);
    char(&mut model, 'g');
    assert_eq!(model.detect.gone().len(), 1, "taken back");
}

#[test]
fn detect_asks_all_at_once_and_then_those_whom_an_answer_names() {
    let model = lost();
    let rows: Vec<(&str, bool)> = model.detect.rows.iter().map(|r| (r.facts.endpoint.as_str(), r.discovered)).collect();
    let expected = [("http://10.0.0.2:2379", false), ("http://10.0.0.1:2379", false), ("http://10.0.0.3:2379", true)];
    assert_eq!(rows, expected);
    assert_eq!(model.detect.name(&model.detect.rows[2].facts), "m3");
}

#[test]
fn an_answer_to_an_older_question_is_dropped() {
    let (mut model, effects) = started();
    let old = asks(&effects)[0].0;
    char(&mut model, 'r');
    send(&mut model, Msg::Answered { id: old, answer: survivor() });
    assert_eq!(model.detect.rows[0].facts.answer, Answer::Asking);
}

#[test]
fn next_on_detect_waits_for_answers_and_says_for_whose() {
    let (mut model, _) = started();
    assert_eq!(char(&mut model, 'n'), []);
    assert_eq!(model.step, Step::Detect);
    assert!(said(&model).contains("http://10.0.0.1:2379"), "{}", said(&model));
}

#[test]
fn typed_endpoints_replace_the_old_and_nonsense_keeps_the_field_open() {
    let mut model = lost();
    char(&mut model, 'e');
    type_in(&mut model, ",ftp://x");
    press(&mut model, KeyCode::Enter);
    assert_eq!(model.prompt.as_ref().map(|p| p.ask.clone()), Some(Ask::Endpoints));
    assert!(said(&model).contains("ftp://x"));
    send(&mut model, Msg::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)));
    type_in(&mut model, "10.0.0.9:2379, http://10.0.0.8:2379");
    let effects = press(&mut model, KeyCode::Enter);
    let urls: Vec<&str> = asks(&effects).iter().map(|(_, u)| *u).collect();
    assert_eq!(urls, ["10.0.0.9:2379", "http://10.0.0.8:2379"]);
}

#[test]
fn where_quorum_may_hold_going_on_takes_the_label() {
    let (mut model, effects) = started();
    for (id, _) in asks(&effects) {
        let Answer::Says(mut says) = survivor() else { panic!() };
        (says.leader, says.read) = (Id(2), crate::plan::facts::Read::Served);
        (says.members, says.member_id) = (vec![member(1), member(2)], Id(id));
        send(&mut model, Msg::Answered { id, answer: Answer::Says(says) });
    }
    char(&mut model, 'n');
    assert_eq!(model.step, Step::Detect);
    type_in(&mut model, "pro");
    press(&mut model, KeyCode::Enter);
    assert_eq!((model.step, model.prompt.is_some()), (Step::Detect, true), "a part of the label is not the label");
    type_in(&mut model, "d");
    press(&mut model, KeyCode::Enter);
    assert_eq!(model.step, Step::Snapshot);
}

#[test]
fn the_label_is_proposed_until_it_is_used() {
    let mut model = Model::new(Options { label: None, ..options() }, "REAL");
    assert_eq!(model.label, "etcd");
    let effects = send(&mut model, Msg::Start { now: 1, fresh: "00ff".into() });
    let id = asks(&effects)[0].0;
    send(&mut model, Msg::Answered { id, answer: survivor() });
    assert_eq!(model.label, "9", "the first digits of the cluster ID");
    char(&mut model, 'l');
    type_in(&mut model, "-eu");
    press(&mut model, KeyCode::Enter);
    assert_eq!(model.label, "9-eu");
    char(&mut model, 'r');
    assert_eq!(model.label, "9-eu");
}

#[test]
fn files_are_read_one_after_another() {
    let mut model = lost();
    let effects = char(&mut model, 'n');
    let [Effect::Find { id, .. }, ..] = &effects[..] else { panic!("{effects:?}") };
    let files = vec![file("a.db", Health::Unread), file("b.db", Health::Unread)];
    let effects = send(&mut model, Msg::Found { id: *id, result: Ok(files) });
    let [Effect::Inspect { id, path }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(path, &PathBuf::from("/backup/a.db"));
    let broken = Err(Trouble::new(Kind::Failed, "read error"));
    let effects = send(&mut model, Msg::Inspected { id: *id, result: broken });
    assert!(matches!(&effects[..], [Effect::Inspect { path, .. }] if path.ends_with("b.db")), "{effects:?}");
    assert!(matches!(&model.snapshot.files[0].health, Health::Broken(why) if why == "read error"));
}

#[test]
fn an_opened_file_is_selected_and_an_empty_place_is_named() {
    let mut model = with_file(Health::Verified);
    char(&mut model, 'o');
    type_in(&mut model, "sub/b.db");
    let effects = press(&mut model, KeyCode::Enter);
    let [Effect::Find { id, places }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(places, &[PathBuf::from("/root/sub/b.db")], "relative paths start where the program did");
    let old = FileFacts { modified: Some(1), ..file("b.db", Health::Unread) };
    let mut empty = model.clone();
    send(&mut model, Msg::Found { id: *id, result: Ok(vec![old]) });
    assert_eq!(model.snapshot.at(), 2, "below the member and the newer file");
    send(&mut empty, Msg::Found { id: *id, result: Ok(Vec::new()) });
    assert!(screen(&empty, 80, 24).contains("/root/sub/b.db holds no file"), "{}", screen(&empty, 80, 24));
}

#[test]
fn only_sound_files_are_chosen_and_unhashed_ones_only_after_a_yes() {
    for (health, chosen) in [(Health::Verified, true), (Health::Unhashed, false), (Health::Broken("x".into()), false)] {
        let mut model = with_file(health.clone());
        press(&mut model, KeyCode::Enter);
        assert_eq!(model.snapshot.chosen.is_some(), chosen, "{health:?}");
        if health == Health::Unhashed {
            assert_eq!(model.overlay, Some(Overlay::Unhashed));
            press(&mut model, KeyCode::Enter);
            assert_eq!((model.overlay, model.snapshot.chosen.is_some()), (None, false), "Enter alone is no yes");
            char(&mut model, 'y');
            char(&mut model, 'y');
            char(&mut model, 'n');
            char(&mut model, 'n');
            assert!(model.review.plan.as_ref().is_some_and(|p| p.source.skip_hash_check), "{}", said(&model));
        }
        if matches!(health, Health::Broken(_)) {
            assert!(said(&model).contains("cannot be restored"));
        }
    }
}

#[test]
fn a_saved_snapshot_is_chosen_and_one_that_failed_is_not_listed() {
    let mut model = with_file(Health::Verified);
    press(&mut model, KeyCode::Up);
    press(&mut model, KeyCode::Enter);
    let effects = press(&mut model, KeyCode::Enter);
    let [Effect::Save { id, endpoint, into }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(endpoint, "http://10.0.0.2:2379");
    assert!(into.to_string_lossy().starts_with("/new/prod-20261122-0312"), "{into:?}");
    let (id, into) = (*id, into.clone());
    char(&mut model, 'n');
    assert_eq!(model.step, Step::Snapshot, "Next waits for the saving");
    assert_eq!(char(&mut model, 'c'), [Effect::Cancel { id }]);
    let mut failed = model.clone();
    send(&mut failed, Msg::Saved { id, result: Err(Trouble::new(Kind::Failed, "no space")) });
    assert_eq!((failed.snapshot.files.len(), failed.snapshot.chosen.clone()), (1, None));
    assert!(said(&failed).contains("no space"));
    let saved = FileFacts { path: into.clone(), ..file("x", Health::Verified) };
    send(&mut model, Msg::Saved { id, result: Ok(saved) });
    assert_eq!(model.snapshot.chosen, Some(into));
}

#[test]
fn the_slip_of_etcds_recovery_page_is_named_while_typing_and_x_takes_the_correction() {
    let mut model = with_file(Health::Verified);
    press(&mut model, KeyCode::Enter);
    char(&mut model, 'n');
    press(&mut model, KeyCode::Right);
    press(&mut model, KeyCode::Right);
    press(&mut model, KeyCode::Enter);
    send(&mut model, Msg::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)));
    send(&mut model, Msg::Paste("http:/host1:2380\n".into()));
    assert!(screen(&model, 80, 24).contains("one slash is missing"), "{}", screen(&model, 80, 24));
    press(&mut model, KeyCode::Enter);
    char(&mut model, 'n');
    assert_eq!((model.step, said(&model)), (Step::Members, "Next waits for: m1's peer URL."));
    char(&mut model, 'x');
    assert_eq!(model.members.rows[0].text(Column::Peer), "http://host1:2380");
    char(&mut model, 'u');
    assert_eq!(model.members.rows[0].text(Column::Peer), "http:/host1:2380");
}

#[test]
fn rows_are_added_removed_and_brought_back_and_going_back_loses_none() {
    let mut model = with_file(Health::Verified);
    press(&mut model, KeyCode::Enter);
    char(&mut model, 'n');
    char(&mut model, '-');
    assert_eq!(model.members.rows.len(), 2);
    char(&mut model, 'u');
    assert_eq!(model.members.rows.len(), 3);
    char(&mut model, '+');
    type_in(&mut model, "m4");
    press(&mut model, KeyCode::Enter);
    let new = &model.members.rows[1];
    assert_eq!((new.text(Column::Name), new.text(Column::DataDir)), ("m4", "/new/m4.etcd"));
    let kept = model.members.clone();
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.step, Step::Snapshot);
    char(&mut model, 'n');
    assert_eq!(model.members, kept);
}

#[test]
fn leaving_a_field_keeps_the_old_value() {
    let mut model = with_file(Health::Verified);
    press(&mut model, KeyCode::Enter);
    char(&mut model, 'n');
    let kept = model.members.rows.clone();
    press(&mut model, KeyCode::Enter);
    type_in(&mut model, "zzz");
    press(&mut model, KeyCode::Esc);
    assert_eq!((model.members.rows.clone(), model.step), (kept, Step::Members));
}

#[test]
fn a_pasted_initial_cluster_keeps_what_the_table_knew() {
    let mut model = with_file(Health::Verified);
    press(&mut model, KeyCode::Enter);
    char(&mut model, 'n');
    char(&mut model, 'p');
    send(&mut model, Msg::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)));
    send(&mut model, Msg::Paste("m1=http://10.0.0.11:2380,n9=http://10.0.0.19:2380".into()));
    press(&mut model, KeyCode::Enter);
    let rows: Vec<[&str; 4]> = model
        .members
        .rows
        .iter()
        .map(|r| [Column::Name, Column::Peer, Column::Client, Column::DataDir].map(|c| r.text(c)))
        .collect();
    assert_eq!(
        rows,
        [
            ["m1", "http://10.0.0.11:2380", "http://10.0.0.1:2379", "/new/m1.etcd"],
            ["n9", "http://10.0.0.19:2380", "http://10.0.0.19:2379", "/new/n9.etcd"],
        ]
    );
}

pub(super) fn at_members() -> Model {
    let mut model = with_file(Health::Verified);
    press(&mut model, KeyCode::Enter);
    char(&mut model, 'n');
    assert_eq!(model.step, Step::Members);
    model
}

fn names(model: &Model) -> Vec<&str> {
    model.members.rows.iter().map(|r| r.text(Column::Name)).collect()
}

#[test]
fn a_paste_on_the_step_asks_before_it_replaces_the_table() {
    let list = "1f, started, m1, http://10.0.0.11:2380, http://10.0.0.11:2379, false\r\n2f, started, n9, http://10.0.0.19:2380, , false\r\n";
    for (answer, wanted) in [
        (KeyCode::Esc, ["m1", "m2", "m3"].as_slice()),
        (KeyCode::Enter, &["m1", "m2", "m3"]),
        (KeyCode::Char('y'), &["m1", "n9"]),
    ] {
        let mut model = at_members();
        send(&mut model, Msg::Paste(list.into()));
        assert_eq!(model.overlay, Some(Overlay::Pasted));
        assert_eq!(names(&model), ["m1", "m2", "m3"], "nothing is replaced before the answer");
        press(&mut model, answer);
        assert_eq!((model.overlay, names(&model).as_slice()), (None, wanted));
        if answer == KeyCode::Char('y') {
            let m1 = &model.members.rows[0];
            assert_eq!(
                [Column::Peer, Column::Client, Column::DataDir].map(|c| m1.text(c)),
                ["http://10.0.0.11:2380", "http://10.0.0.11:2379", "/new/m1.etcd"]
            );
            char(&mut model, 'u');
            assert_eq!(names(&model), ["m1", "m2", "m3"], "u takes it back");
        }
    }
    // Lines pasted into the open field ask, too; one line is typed there, as into any field.
    let mut model = at_members();
    char(&mut model, 'p');
    send(&mut model, Msg::Paste(list.into()));
    assert_eq!((model.overlay, model.prompt.is_some()), (Some(Overlay::Pasted), false));
    let mut model = at_members();
    char(&mut model, 'p');
    send(&mut model, Msg::Paste(",m4=http://10.0.0.4:2380\n".into()));
    assert_eq!(model.overlay, None);
    assert!(model.prompt.as_ref().is_some_and(|p| p.text().ends_with(",m4=http://10.0.0.4:2380")));
    // Into a cell nothing but the cell is pasted; what is no table is said and left.
    let mut model = at_members();
    press(&mut model, KeyCode::Enter);
    send(&mut model, Msg::Paste("x\ny".into()));
    assert!(model.overlay.is_none() && model.prompt.as_ref().is_some_and(|p| p.text() == "m1xy"), "{:?}", model.prompt);
    let mut model = at_members();
    send(&mut model, Msg::Paste("rm -rf /".into()));
    assert!(model.overlay.is_none() && said(&model).starts_with("Nothing was done with the paste"), "{}", said(&model));
}

#[test]
fn a_cell_takes_what_the_next_source_says() {
    let mut model = at_members();
    assert!(
        char(&mut model, 'o').is_empty() && said(&model).contains("No source says anything else"),
        "{}",
        said(&model)
    );
    press(&mut model, KeyCode::Right);
    press(&mut model, KeyCode::Right);
    let known = model.members.rows[0].text(Column::Peer).to_string();
    super::steps::members::set_cell(&mut model, 0, Column::Peer, "http://typed:2380");
    char(&mut model, 'o');
    assert_eq!(model.members.rows[0].text(Column::Peer), known);
    assert!(said(&model).starts_with("Taken from"), "{}", said(&model));
    char(&mut model, 'u');
    assert_eq!(model.members.rows[0].text(Column::Peer), "http://typed:2380");
}

#[test]
fn certificates_are_read_when_others_are_named_and_late_answers_are_dropped() {
    use crate::plan::certs::{Files, Key, Named, Seen, Unread};
    let mut model = at_members();
    let flags = |model: &mut Model, text: &str| {
        super::steps::members::set_cell(model, 0, Column::Flags, text);
        update(model, Msg::Tick(0))
    };
    let first = flags(&mut model, "--cert-file=/a.crt");
    let [Effect::Certificates { id: old, named }] = &first[..] else { panic!("{first:?}") };
    assert_eq!(named, &[Named { cert: "/a.crt".into(), ..Named::default() }]);
    assert_eq!(update(&mut model, Msg::Tick(0)), [], "asked once");
    let second = flags(&mut model, "--cert-file=/b.crt");
    let [Effect::Certificates { id, named }] = &second[..] else { panic!("{second:?}") };
    let seen = |named: &[Named]| Seen {
        files: named
            .iter()
            .map(|n| Files {
                named: n.clone(),
                cert: Err(Unread::Wrong("it is empty".into())),
                key: Key::Unjudged,
                ca: None,
            })
            .collect(),
        distrust: Vec::new(),
    };
    send(&mut model, Msg::Certificates { id: *old, seen: seen(named) });
    assert_eq!(model.members.certs.seen, Seen::default(), "the answer to an old question");
    send(&mut model, Msg::Certificates { id: *id, seen: seen(named) });
    char(&mut model, 'n');
    assert_eq!((model.step, said(&model)), (Step::Members, "Next waits for: m1's more etcd flags."));
    assert!(screen(&model, 120, 40).contains("--cert-file /b.crt: it is empty"));
    assert_eq!(flags(&mut model, ""), []);
    char(&mut model, 'n');
    assert_eq!(model.step, Step::Review);
}

#[test]
fn a_proposed_bump_is_taken_with_a_key_and_missed_on_review() {
    let mut model = at_members();
    let chosen = model.snapshot.chosen.clone();
    for facts in &mut model.snapshot.files {
        facts.content.as_mut().unwrap().kubernetes = true;
    }
    let on_bump = |model: &mut Model| {
        press(model, KeyCode::End);
        press(model, KeyCode::Up);
        press(model, KeyCode::Up);
    };
    on_bump(&mut model);
    char(&mut model, 'x');
    assert!(said(&model).starts_with("No amount can be computed"), "{}", said(&model));
    assert_eq!(model.members.bump, 0);
    // An older snapshot of the same cluster tells the rate.
    let mut older = file("old.db", Health::Verified);
    older.modified = Some(50 - 3600);
    older.content.as_mut().unwrap().revision = 30;
    model.snapshot.files.push(older);
    assert_eq!(model.snapshot.chosen, chosen);
    char(&mut model, 'n');
    let review = screen(&model, 120, 40);
    assert!(model.step == Step::Review && review.contains("without a revision bump"), "{review}");
    char(&mut model, '3');
    on_bump(&mut model);
    char(&mut model, 'x');
    assert!(model.members.bump >= 1000 && model.members.mark_compacted);
    char(&mut model, 'n');
    assert!(!screen(&model, 120, 40).contains("without a revision bump"));
}

#[test]
fn what_lies_on_this_machine_fills_the_table_and_stands_in_detect() {
    let mut model = Model::new(options(), "REAL");
    let effects = update(&mut model, Msg::Start { now: 50, fresh: "beef".into() });
    let id = effects.iter().find_map(|e| match e {
        Effect::LookAround { id, .. } => Some(*id),
        _ => None,
    });
    let id = id.expect("it is looked for at the start");
    let setting = |flag: &str, value: &str| Setting { flag: flag.into(), value: value.into(), from: "unit".into() };
    let config = ConfigFacts {
        origin: Origin::File("/etc/systemd/system/etcd.service".into()),
        kind: ConfigKind::Unit,
        flags: vec![
            setting("name", "m1"),
            setting("initial-cluster", "m1=https://10.0.0.1:2380"),
            setting("listen-client-urls", "https://10.0.0.1:2379"),
            setting("auth-token", WITHHELD),
        ],
        data_dir: Some("/var/lib/etcd".into()),
        wal_dir: None,
        automation: Vec::new(),
        notes: Vec::new(),
    };
    let dir = DirFacts {
        data_dir: "/var/lib/etcd".into(),
        wal_dir: None,
        learned_from: config.place(),
        held: Held::By { pid: Some(7), program: "etcd".into() },
        state: DirState::Empty,
    };
    let around = Around { configs: vec![config], dirs: vec![dir], addresses: vec![] };
    update(&mut model, Msg::LookedAround { id: id + 1000, around: around.clone() });
    assert!(model.detect.dirs.is_empty(), "an answer that nobody waits for is dropped");
    update(&mut model, Msg::LookedAround { id, around });
    assert!(screen(&model, 80, 24).contains("On this machine, /var/lib/etcd: empty"), "{}", screen(&model, 80, 24));
    let flags: Vec<&str> = model.members.config.iter().map(|flag| flag.name.as_str()).collect();
    assert_eq!(flags, ["name", "initial-cluster", "listen-client-urls"], "secrets stay out");
}

#[test]
fn what_a_restore_does_besides_is_offered_where_it_applies() {
    let mut model = at_review();
    char(&mut model, '3');
    let members = screen(&model, 120, 40);
    assert!(members.contains("compact  ") && !members.contains("clear alarms"), "{members}");
    for facts in &mut model.snapshot.files {
        let content = facts.content.as_mut().unwrap();
        (content.alarms, content.auth_enabled) = (vec!["NOSPACE of member 1".into()], true);
    }
    char(&mut model, '2');
    char(&mut model, 'n');
    let members = screen(&model, 120, 40);
    assert!(members.contains("clear alarms    no") && members.contains("disable auth    no"), "{members}");
    char(&mut model, 'n');
    assert!(screen(&model, 120, 40).contains("NOSPACE of member 1 is an alarm in the snapshot"));
    char(&mut model, '3');
    press(&mut model, KeyCode::End);
    press(&mut model, KeyCode::Up);
    press(&mut model, KeyCode::Up);
    press(&mut model, KeyCode::Enter);
    char(&mut model, 'n');
    let plan = model.review.plan.as_ref().unwrap();
    assert!(plan.options.clear_alarms && !plan.options.disable_auth && !plan.options.compact);
    assert!(!screen(&model, 120, 40).contains("NOSPACE of member 1 is an alarm in the snapshot"));
}

#[test]
fn bumps_are_taken_in_the_forms_people_write() {
    for (typed, bump) in [("1000000000", 1_000_000_000), ("1e9", 1_000_000_000), ("1,000", 1000), ("", 0)] {
        let mut model = at_review();
        assert_eq!(super::steps::members::set_bump(&mut model, typed), Ok(()));
        assert_eq!((model.members.bump, model.members.mark_compacted), (bump, bump > 0), "{typed}");
    }
    let mut model = at_review();
    for wrong in ["1e99", "many", "-1", "99999999999999999999"] {
        assert!(super::steps::members::set_bump(&mut model, wrong).is_err(), "{wrong}");
    }
}

#[test]
fn nothing_begins_before_the_label_and_a_separate_enter() {
    let mut model = at_review();
    press(&mut model, KeyCode::Enter);
    type_in(&mut model, "Prod");
    assert_eq!(press(&mut model, KeyCode::Enter), [], "another word");
    send(&mut model, Msg::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)));
    assert_eq!(send(&mut model, Msg::Paste("prod\n".into())), [], "a pasted line end is no Enter");
    // the Enter of a terminal that does not mark pastes: at once behind the last character
    let at_once = update(&mut model, Msg::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)));
    assert_eq!((at_once, model.step), (vec![], Step::Review));
    assert!(matches!(press(&mut model, KeyCode::Enter)[..], [Effect::Apply { .. }]));
}

#[test]
fn an_old_member_that_answers_is_in_the_way_until_its_text_is_typed() {
    let mut model = at_review();
    let first = char(&mut model, 'r');
    press(&mut model, KeyCode::Enter);
    assert!(model.prompt.is_none() && said(&model).contains("still being looked at"), "{}", said(&model));
    let first = seen_hosts(&mut model, &first, |_| {});
    press(&mut model, KeyCode::Enter);
    assert!(model.prompt.is_none() && said(&model).contains("still being asked"), "{}", said(&model));
    let again = char(&mut model, 'r');
    let id = seen_hosts(&mut model, &again, |_| {});
    send(&mut model, Msg::Fenced { id: first, seen: Default::default(), fences: Vec::new() });
    assert!(model.review.asking(), "the answer to an older question is dropped");
    let other = Fence { typed: Some("/old".into()), what: "a process holds /old".into(), ..fence() };
    send(&mut model, Msg::Fenced { id, seen: Default::default(), fences: vec![fence(), other] });
    let shown = screen(&model, 80, 24);
    assert!(shown.contains("m2 of the old cluster still answers on 10.0.0.2") && shown.contains("Stop it."), "{shown}");

    press(&mut model, KeyCode::Enter);
    let ask = |model: &Model| model.prompt.as_ref().map(|p| p.ask.clone());
    assert_eq!(ask(&model), Some(Ask::Override("m2@10.0.0.2".into())));
    type_in(&mut model, "prod");
    press(&mut model, KeyCode::Enter);
    assert!(said(&model).contains("That is not the text"), "{}", said(&model));
    send(&mut model, Msg::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)));
    type_in(&mut model, "m2@10.0.0.2");
    press(&mut model, KeyCode::Enter);
    assert_eq!(ask(&model), Some(Ask::Reason("m2@10.0.0.2".into())), "why is asked, too");
    press(&mut model, KeyCode::Enter);
    assert!(said(&model).contains("A reason is needed"), "{}", said(&model));
    assert_eq!(model.review.fences.lifted, [""; 0]);
    type_in(&mut model, "its host is off the net");
    press(&mut model, KeyCode::Enter);
    assert_eq!(ask(&model), Some(Ask::Override("/old".into())), "one text lifts one fence");
    type_in(&mut model, "/old");
    press(&mut model, KeyCode::Enter);
    type_in(&mut model, "so it is");
    press(&mut model, KeyCode::Enter);
    assert_eq!(ask(&model), Some(Ask::Confirm));
    assert!(screen(&model, 120, 40).contains("Overridden: m2"), "{}", screen(&model, 120, 40));
    type_in(&mut model, "prod");
    let effects = press(&mut model, KeyCode::Enter);
    let [Effect::Apply { orders, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(orders.lifted, ["m2@10.0.0.2", "/old"]);
    assert_eq!(orders.reason, "its host is off the net; so it is");
    assert!(orders.journal.to_string_lossy().starts_with("/state/plan-"), "{orders:?}");
    let told: Vec<&str> = orders.decisions.iter().map(|(text, _)| text.as_str()).collect();
    assert!(told.iter().any(|t| t.contains("m2@10.0.0.2 was typed") && t.contains("off the net")), "{told:#?}");
}

#[test]
fn a_member_that_came_back_since_the_review_leads_back_to_it() {
    let (mut model, id, _) = begun();
    let found = Told::Fences(vec![fence()]);
    send(&mut model, Msg::Told { id, told: Box::new(found) });
    let refused = Trouble::new(Kind::Refused, "m2 of the old cluster still answers on 10.0.0.2");
    let effects = send(&mut model, Msg::ApplyEnded { id, result: Err(refused) });
    assert!(matches!(effects[..], [Effect::LookAtHosts { .. }]), "{effects:?}");
    assert_eq!((model.step, model.restore.rows.len()), (Step::Review, 0));
    assert!(said(&model).contains("still answers on 10.0.0.2"), "{}", said(&model));
}

#[test]
fn a_changed_plan_asks_for_the_label_again() {
    let (mut model, id, plan) = begun();
    let why = Trouble::new(Kind::Failed, "no space");
    hear(&mut model, id, "local", failed("m1", &why));
    send(&mut model, Msg::ApplyEnded { id, result: Err(why) });
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.step, Step::Review);
    assert_eq!(char(&mut model, 'n'), [], "the same plan is looked at, not begun again");
    assert_eq!(model.step, Step::Restore);
    char(&mut model, '3');
    super::steps::members::set_bump(&mut model, "1e9").unwrap();
    let effects = char(&mut model, 'n');
    nobody_answers(&mut model, &effects);
    assert!(screen(&model, 80, 24).contains("begun with the same token"), "{}", screen(&model, 80, 24));
    char(&mut model, 'n');
    assert_eq!(
        model.prompt.as_ref().map(|p| (p.ask.clone(), p.text().to_string())),
        Some((Ask::Confirm, String::new())),
        "{:?} {}",
        model.step,
        said(&model)
    );
    type_in(&mut model, "prod");
    let effects = press(&mut model, KeyCode::Enter);
    assert!(matches!(&effects[..], [Effect::Apply { plan: new, .. }] if **new != plan), "{effects:?}");
}

#[test]
fn members_go_their_own_ways_and_a_failed_run_is_gone_on_with() {
    let (mut model, id, plan) = begun();
    let why = Trouble::new(Kind::Failed, "no space");
    hear(&mut model, id, "local", built(&plan, "m1"));
    let step = Progress { phase: Phase::Copy, done: 1, total: 9 };
    hear(&mut model, id, "local", HostEvent::Row("m2".into(), RowEvent::Step(step)));
    assert_eq!(char(&mut model, 't'), []);
    assert!(said(&model).contains("waits until"), "{}", said(&model));
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.step, Step::Restore, "no way back while it runs");
    hear(&mut model, id, "local", failed("m2", &why));
    hear(&mut model, id, "local", built(&plan, "m3"));
    hear(&mut model, id + 7, "local", placed(&plan, "m2"));
    send(&mut model, Msg::ApplyEnded { id, result: Err(why) });
    assert_eq!(char(&mut model, 'n'), []);
    assert_eq!((model.step, model.restore.at), (Step::Restore, 1), "the failed one is selected");
    assert!(screen(&model, 120, 40).contains("Nothing is swapped before all 3 are proven"));
    let effects = char(&mut model, 't');
    let [Effect::Apply { id, plan: again, orders }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((&**again, orders.until, orders.decisions.len()), (&plan, Until::InPlace, 0));
    for name in ["m1", "m2", "m3"] {
        hear(&mut model, *id, "local", placed(&plan, name));
    }
    send(&mut model, Msg::ApplyEnded { id: *id, result: Ok(()) });
    char(&mut model, 'n');
    assert_eq!(model.step, Step::Launch);
}

#[test]
fn a_window_scrolled_past_its_end_comes_back_at_once() {
    let mut model = lost();
    char(&mut model, '?');
    let top = screen(&model, 80, 24);
    press(&mut model, KeyCode::End);
    let end = screen(&model, 80, 24);
    assert_ne!(top, end);
    press(&mut model, KeyCode::Down);
    assert_eq!(screen(&model, 80, 24), end);
    press(&mut model, KeyCode::Up);
    assert_ne!(screen(&model, 80, 24), end, "one key up is one line up");
    send(&mut model, Msg::Resized(120, 60));
    assert_eq!(model.scroll, 0, "all of it fits now");
}

#[test]
fn leaving_during_a_restore_stops_it_first_and_waits() {
    let (mut model, id, _) = begun();
    assert_eq!(ctrl_c(&mut model), []);
    assert!(screen(&model, 100, 30).contains("next safe point"));
    assert_eq!(ctrl_c(&mut model), [Effect::Cancel { id }]);
    assert_eq!(model.leaving, Leaving::WhenSafe);
    let stopped = Trouble::new(Kind::Stopped, "stopped on request");
    hear(&mut model, id, "local", failed("m1", &stopped));
    assert_eq!(send(&mut model, Msg::ApplyEnded { id, result: Err(stopped) }), [Effect::Quit]);
    let ending = super::ending::ending(&model);
    assert_eq!((ending.outcome, ending.exit_code()), (super::Outcome::Partly, 75));
}

#[test]
fn signals_leave_once_and_ctrl_c_twice_leaves() {
    let (mut model, id, _) = begun();
    assert_eq!(send(&mut model, Msg::Terminated), [Effect::Cancel { id }]);
    assert_eq!(send(&mut model, Msg::Terminated), [], "the terminal's end after its signal");
    assert_eq!(ctrl_c(&mut model).last(), Some(&Effect::Quit), "a person who insists goes at once");
    let mut idle = lost();
    ctrl_c(&mut idle);
    assert_eq!(ctrl_c(&mut idle), [Effect::Quit]);
    assert_eq!(super::ending::ending(&idle).lines, ["Nothing was written."]);
}

#[test]
fn a_plan_to_start_from_brings_its_table_token_source_and_options() {
    let mut plan = begun().2;
    plan.options.compact = true;
    let options = Options { plan: Some(plan.clone()), label: None, places: Vec::new(), ..options() };
    let mut model = Model::new(options, "REAL");
    assert_eq!((model.label.as_str(), &model.members.token), ("prod", &plan.token));
    let effects = send(&mut model, Msg::Start { now: 1, fresh: "1111".into() });
    for (id, _) in asks(&effects) {
        send(&mut model, Msg::Answered { id, answer: silent() });
    }
    let effects = char(&mut model, 'n');
    let [Effect::Find { id, places }, ..] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(places, std::slice::from_ref(&plan.source.path));
    let effects = send(&mut model, Msg::Found { id: *id, result: Ok(vec![file("a.db", Health::Unread)]) });
    let [Effect::Inspect { id, .. }] = &effects[..] else { panic!("{effects:?}") };
    send(&mut model, Msg::Inspected { id: *id, result: Ok(file("a.db", Health::Verified)) });
    char(&mut model, 'n');
    char(&mut model, 'n');
    let again = model.review.plan.clone().unwrap();
    assert_eq!(again, plan, "what was not changed is the same plan");
}
