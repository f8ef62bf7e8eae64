//! `update` by tables, step by step, and the models that the tables begin with. What holds for every sequence of
//! messages: `any`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod any;
mod choose;
mod detect;
mod hosts;
mod leaving;
mod members;
mod reach;
mod restore;
mod snapshot;
mod typed_ahead;

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

use super::{
    app::update,
    headless::screen,
    selectors::review,
    state::{
        key::Action,
        leaving::Leaving,
        messages::{Effect, Msg},
        model::{Model, Overlay},
        options::Options,
        prompt::Ask,
        step::Step,
    },
    widgets::theme::Tone,
};
use crate::{
    domain::{
        members::table::Column,
        model::{
            observations::{
                Answer, Content, FileFacts, Hashed, Health, KnownMember, MachineFacts, MemberStatus,
                config::{ConfigFacts, ConfigKind, Origin, Setting, WITHHELD},
                disk::{DirFacts, DirState, Held},
                host::{HostFacts, Place, PlaceState, Root},
            },
            plan::Plan,
        },
        preflight::{blockers::Blocker, host_report::Look, hosts as planned_hosts},
        quorum::known::Match,
    },
    engine::{
        install::Swapped,
        progress::{Phase, Progress},
        restore::Restored,
    },
    error::{Error, ErrorKind},
    etcd::membership::Id,
    execute::{
        RowEvent,
        events::{ExecutionEvent, HostEvent},
        executor::Goal,
    },
    system::journal::{Event, Record},
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
        name: format!("m{n}").into(),
        peer_urls: vec![format!("http://10.0.0.{n}:2380").into()],
        client_urls: vec![format!("http://10.0.0.{n}:2379").into()],
        is_learner: false,
    }
}

pub(super) fn survivor() -> Answer {
    Answer::Says(Box::new(MemberStatus {
        cluster_id: Id(9),
        member_id: Id(2),
        revision: 100,
        members: vec![member(1), member(2), member(3)],
        ..MemberStatus::default()
    }))
}

pub(super) fn silent() -> Answer {
    Answer::Silent { why: "connection refused".into(), details: String::new() }
}

pub(super) fn file(name: &str, health: Health) -> FileFacts {
    let content =
        Content { sha256: "ab".repeat(32), revision: 90, keys: 5, members: vec![member(1)], ..Content::default() };
    let content = matches!(health, Health::Verified | Health::Unhashed | Health::Limited(_)).then_some(content);
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

/// Whether the last key did nothing, and the status line says why.
pub(super) fn refused(model: &Model) -> bool {
    model.status.as_ref().is_some_and(|s| !s.text.is_empty() && matches!(s.tone, Tone::Warn | Tone::Bad))
}

pub(super) fn said(model: &Model) -> &str {
    model.status.as_ref().map_or("", |s| s.text.as_str())
}

fn asks(effects: &[Effect]) -> Vec<(u64, &str)> {
    let ask = |e: &'_ Effect| match e {
        Effect::Ask { id, endpoint, .. } => Some((*id, endpoint.as_str().to_string())),
        _ => None,
    };
    let all: Vec<(u64, String)> = effects.iter().filter_map(ask).collect();
    let around = effects.iter().filter(|e| matches!(e, Effect::LookAround { .. } | Effect::Journals { .. })).count();
    assert_eq!(all.len() + around, effects.len(), "{effects:?}");
    effects
        .iter()
        .filter_map(|e| match e {
            Effect::Ask { id, endpoint, .. } => Some((*id, endpoint.as_str())),
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

/// Peer ports are silent, hashes cannot be had, and what is compared is the same.
fn settle(model: &mut Model, effects: Vec<Effect>) {
    for effect in effects {
        let more = match effect {
            Effect::AskPeer { id, .. } => send(model, Msg::Answered { id, answer: silent() }),
            Effect::Hash { id, .. } => send(model, Msg::Hashed { id, hash: Hashed::Failed("no".into()) }),
            Effect::HoldAgainst { id, pairs } => {
                let compared = pairs.iter().map(|pair| pair.came_to(Match::Same)).collect();
                send(model, Msg::HeldAgainst { id, compared })
            }
            other => panic!("{other:?}"),
        };
        settle(model, more);
    }
}

/// In Snapshot, one verified file found, read and selected.
pub(super) fn with_file(health: Health) -> Model {
    let mut model = lost();
    let effects = char(&mut model, 'n');
    let [Effect::Find { id, places }, Effect::Find { id: own, places: saved }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!([places, saved].map(Vec::as_slice), [&[PathBuf::from("/backup")], &[PathBuf::from("/new")]]);
    send(&mut model, Msg::Found { id: *own, result: Err(Error::new(ErrorKind::Input, "/new is not there yet")) });
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
        places: planned_hosts::asked(plan, members).into_iter().map(place).collect(),
        ..HostFacts::default()
    };
    Look { host: host.into(), facts: Ok(facts), ..Look::new(plan, members) }
}

/// Answers Review's look at the hosts, each as `change` leaves it; the question about the old cluster that follows.
pub(super) fn seen_hosts(model: &mut Model, effects: &[Effect], change: impl Fn(&mut Look)) -> u64 {
    let Some(Effect::LookAtHosts { id, plan, .. }) = effects.last() else { panic!("{effects:?}") };
    let names: Vec<String> = plan.members.iter().map(|m| m.name.clone()).collect();
    for (host, members) in planned_hosts::groups(plan, &names) {
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

pub(super) fn fence() -> Blocker {
    Blocker {
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
    assert_eq!(orders.until, Goal::InPlace);
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
        members: Vec::new(),
        source_sha256: String::new(),
        log_sha256: String::new(),
    }
}

pub(super) fn built(plan: &Plan, name: &str) -> HostEvent {
    HostEvent::Row(name.into(), RowEvent::Done(restored(plan, name)))
}

pub(super) fn placed(plan: &Plan, name: &str) -> HostEvent {
    HostEvent::Placed(Swapped { name: name.into(), restored: restored(plan, name), places: Vec::new() })
}

pub(super) fn failed(name: &str, why: &Error) -> HostEvent {
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
    send(model, Msg::Told { id, told: Box::new(ExecutionEvent::Host(host.into(), event)) });
}

pub(super) fn at_members() -> Model {
    let mut model = with_file(Health::Verified);
    press(&mut model, KeyCode::Enter);
    char(&mut model, 'n');
    assert_eq!(model.step, Step::Members);
    model
}
