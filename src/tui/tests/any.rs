//! What holds for every sequence of messages: no panic at any size, no restore unconfirmed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::execute::{events, start};
use std::{
    collections::{BTreeSet, VecDeque},
    path::PathBuf,
};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;

use crate::tui::{
    app::update,
    headless::screen,
    state::{
        messages::{Clipboard, Effect, Msg},
        model::Overlay,
        prompt::Ask,
        step::Step,
    },
    tests::{at_review, begun_record as begun, failed, file, placed, ready, silent, started, survivor, with_file},
};
use crate::{
    domain::{
        model::{
            observations::{
                FileFacts, Hashed, Health,
                disk::{DirFacts, DirState, Held},
                started::Queried,
            },
            plan::{Member, Plan},
        },
        preflight::{host_report::Running, hosts, start::Start, stop::RunningEtcd},
        quorum::known::Match,
        render::start::HostKnown,
        sources::data_loss::{Difference, History},
        verify::{check, tests},
    },
    engine::progress::{Phase, Progress},
    error::{Error, ErrorKind, Result},
    execute::{RowEvent, events::HostEvent, executor::Goal},
    system::journal::Record,
};

/// Keys that lead somewhere, more often than keys that do not.
fn any_key() -> impl Strategy<Value = KeyEvent> {
    let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
    prop_oneof![
        8 => prop::sample::select(vec!['n', 'b', 'y', 'e', 'r', 'd', 'f', 'l', 'o', 'i', 'c', '+', '-', 'u', 'x', 'p', 'g', 's', 't', 'w',
            'q', '?', '1', '3', '4', '6', '7', 'k', 'j', 'é', '語']).prop_map(move |c| plain(KeyCode::Char(c))),
        6 => Just(plain(KeyCode::Enter)),
        3 => Just(plain(KeyCode::Esc)),
        6 => prop::sample::select(vec![KeyCode::Up, KeyCode::Down, KeyCode::Left, KeyCode::Right, KeyCode::Tab,
            KeyCode::BackTab, KeyCode::Home, KeyCode::End, KeyCode::PageUp, KeyCode::PageDown, KeyCode::Backspace,
            KeyCode::Delete, KeyCode::F(1)]).prop_map(plain),
        1 => prop::sample::select(vec!['c', 'x', 'u', 'z', 'w']).prop_map(|c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)),
    ]
}

/// What the world answers to an effect: luck decides how.
fn answers(effect: &Effect, luck: u8) -> Vec<Msg> {
    let error =
        || Error::new(if luck.is_multiple_of(2) { ErrorKind::Failed } else { ErrorKind::Stopped }, "it did not go");
    let good = luck > 80;
    let progress = Progress { phase: Phase::Copy, done: u64::from(luck) * 1000, total: u64::from(luck) * 700 };
    match effect {
        Effect::Hash { id, revision, .. } => {
            let hash = Hashed::Says { hash: u32::from(luck / 99), revision: *revision, compacted: 0 };
            vec![Msg::Hashed { id: *id, hash }]
        }
        Effect::HoldAgainst { id, pairs } => {
            let outcome = if good { Match::Same } else { Match::Differs };
            let compared = pairs.iter().map(|pair| pair.came_to(outcome.clone())).collect();
            vec![Msg::HeldAgainst { id: *id, compared }]
        }
        Effect::Ask { id, .. } | Effect::AskPeer { id, .. } => {
            vec![Msg::Answered { id: *id, answer: if good { survivor() } else { silent() } }]
        }
        Effect::LookAround { id, .. } => vec![Msg::LookedAround { id: *id, around: Default::default() }],
        Effect::Find { id, .. } => {
            let files = ["a.db", "b.db", "m1/member/snap/db"].map(|name| file(name, Health::Unread)).to_vec();
            vec![Msg::Found { id: *id, result: if luck > 20 { Ok(files) } else { Err(error()) } }]
        }
        Effect::Inspect { id, path } => {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let health = if good { Health::Verified } else { Health::Unhashed };
            vec![Msg::Stepped { id: *id, progress }, Msg::Inspected { id: *id, result: Ok(file(&name, health)) }]
        }
        Effect::Look { id, data_dir, wal_dir } => {
            let state = if good { DirState::Empty } else { DirState::Unreadable("permission denied".into()) };
            let facts = DirFacts {
                data_dir: data_dir.clone(),
                wal_dir: wal_dir.clone(),
                learned_from: String::new(),
                held: Held::No,
                state,
            };
            vec![Msg::Looked { id: *id, facts: Box::new(facts) }]
        }
        Effect::Relate { id, .. } => {
            let result = if good { Ok(History::Same { rows: 1, until: 90 }) } else { Ok(History::Parts { at: 3 }) };
            vec![Msg::Related { id: *id, result: if luck > 20 { result } else { Err(error()) } }]
        }
        Effect::Compare { id, .. } => {
            let history = History::Same { rows: 1, until: 90 };
            let difference =
                Difference { history, newer: 90, older: 80, seconds: None, lost: [("pods".into(), 2)].into(), back: 1 };
            let result = if good { Ok((difference, luck.is_multiple_of(2))) } else { Err(error()) };
            vec![Msg::Stepped { id: *id, progress }, Msg::Compared { id: *id, result }]
        }
        Effect::Save { id, into, .. } => {
            let facts = FileFacts { path: into.clone(), ..file("x", Health::Verified) };
            vec![
                Msg::Stepped { id: *id, progress },
                Msg::Saved { id: *id, result: if good { Ok(facts) } else { Err(error()) } },
            ]
        }
        Effect::Apply { id, plan, orders } => {
            let mut events = vec![HostEvent::Step(progress)];
            for name in plan.members.iter().map(|m| &m.name) {
                events.push(HostEvent::Row(name.clone(), RowEvent::Step(progress)));
                events.push(match (good, orders.until, luck.is_multiple_of(5)) {
                    (true, Goal::InPlace, _) => placed(plan, name),
                    (true, Goal::Undone, _) => HostEvent::Undone(name.clone(), Vec::new()),
                    (true, ..) => HostEvent::Discarded(name.clone()),
                    (false, _, true) => runs(plan),
                    (false, ..) => failed(name, &error()),
                });
            }
            // Some are refused before anything was done.
            let events = if luck < 10 { vec![runs(plan)] } else { events };
            let told =
                |event| Msg::Told { id: *id, told: Box::new(events::ExecutionEvent::Host("local".into(), event)) };
            let mut out: Vec<Msg> = events.into_iter().map(told).collect();
            out.push(Msg::ApplyEnded { id: *id, result: if good { Ok(()) } else { Err(error()) } });
            out
        }
        Effect::LookAtHosts { id, plan, .. } => {
            let names: Vec<String> = plan.members.iter().map(|m| m.name.clone()).collect();
            let mut out = Vec::new();
            for (host, members) in hosts::groups(plan, &names) {
                let mut look = ready(plan, &host, &members);
                match luck % 4 {
                    0 if !good => look.facts = Err(error()),
                    1 => {
                        let HostEvent::Runs(halt, member) = runs(plan) else { continue };
                        look.runs.push(Running { halt, member });
                        look.close = true;
                    }
                    2 if !good => look.facts.iter_mut().for_each(|facts| facts.etcds.push((7, "etcd".into()))),
                    _ => {}
                }
                out.push(Msg::HostSeen { id: *id, look: Box::new(look) });
            }
            out.push(Msg::HostsSeen { id: *id });
            out
        }
        Effect::Here { id, hosts } => {
            vec![Msg::Here { id: *id, here: if good { hosts.clone() } else { Vec::new() } }]
        }
        Effect::Journals { id, .. } => vec![Msg::Journals { id: *id, found: journals(luck) }],
        Effect::Write { id, path, .. } => {
            vec![Msg::Written { id: *id, path: path.clone(), result: if good { Ok(()) } else { Err(error()) } }]
        }
        Effect::Fences { id, .. } => {
            let fence = crate::tui::tests::fence();
            let fences = if good { Vec::new() } else { vec![fence] };
            vec![Msg::Fenced { id: *id, seen: Default::default(), fences }]
        }
        Effect::Verify { id, plan, .. } => {
            let proof = Box::new(check(plan, &tests::good(plan), &Queried::Not));
            let result = if good { Ok(proof.clone()) } else { Err(error()) };
            vec![Msg::Seen { id: *id, proof }, Msg::Verified { id: *id, result }]
        }
        Effect::Certificates { id, .. } => vec![Msg::Certificates { id: *id, seen: Default::default() }],
        Effect::Fresh { id } => vec![Msg::Fresh { id: *id, now: 2, fresh: "beef".into() }],
        Effect::KnowHosts { id, plan, .. } => {
            let known = |m: &Member| HostKnown { host: m.host.clone(), adopt: good, ..HostKnown::default() };
            let troubles = if good { Vec::new() } else { vec![(plan.members[0].host.clone(), error())] };
            vec![Msg::HostsKnown { id: *id, hosts: plan.members.iter().map(known).collect(), troubles }]
        }
        Effect::Offer { id, name, .. } => {
            let how = match luck % 3 {
                0 => Ok(Start::Runs(None)),
                1 => Ok(Start::By(vec!["systemctl start --no-block etcd.service".into()])),
                _ => Err("no unit there starts an etcd on it".to_string()),
            };
            let offer = start::StartOption { host: "local".into(), member: name.clone(), how };
            vec![Msg::Offered { id: *id, result: if luck > 20 { Ok(vec![offer]) } else { Err(error()) } }]
        }
        Effect::Start { id, name, .. } => {
            vec![Msg::Started { id: *id, result: if good { Ok(format!("{name}: started")) } else { Err(error()) } }]
        }
        Effect::Copy { id, .. } => {
            vec![Msg::Copied { id: *id, to: if good { Clipboard::Terminal } else { Clipboard::Tmux } }]
        }
        Effect::Cancel { .. } | Effect::Note | Effect::Suspend | Effect::Quit => Vec::new(),
    }
}

/// An etcd that runs on the first member's directory.
fn runs(plan: &Plan) -> HostEvent {
    let data_dir = plan.members[0].data_dir.clone();
    let (commands, resume) = (vec!["kill -TERM 7".into()], Vec::new());
    HostEvent::Runs(RunningEtcd { data_dir, wal_dir: None, pid: Some(7), commands, resume }, None)
}

/// Now and then one of a run that is not complete, or one that is not whole.
fn journals(luck: u8) -> Vec<(PathBuf, Result<Vec<Record>>)> {
    let until = if luck.is_multiple_of(2) { "InPlace" } else { "Undone" };
    match luck {
        0..50 => vec![("/state/a.journal".into(), Err(Error::new(ErrorKind::Input, "it is not whole")))],
        50..150 => vec![("/state/b.journal".into(), Ok(vec![begun(&at_review().review.plan.unwrap(), until)]))],
        _ => Vec::new(),
    }
}

#[derive(Debug, Clone)]
enum Move {
    Key(KeyEvent),
    Paste(String),
    /// The label, as a person types it.
    Label,
    /// The label typed into the field that Enter opens, and Enter.
    Confirm,
    /// The world answers what it was asked, the oldest question first.
    World(u8),
    Wait(u64),
    Terminated,
}

fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        30 => any_key().prop_map(Move::Key),
        3 => Just(Move::Label),
        3 => Just(Move::Confirm),
        2 => prop::sample::select(vec!["prod", "m1=http://10.0.0.1:2380", "1f, started, m1, http://10.0.0.1:2380, http://10.0.0.1:2379, false\n", "http:/h:2380", "\u{1b}[2J\n", "語"])
            .prop_map(|t| Move::Paste(t.into())),
        14 => any::<u8>().prop_map(Move::World),
        3 => (0u64..5000).prop_map(Move::Wait),
        1 => Just(Move::Terminated),
    ]
}

fn typed(text: &str) -> Vec<Msg> {
    text.chars().map(|c| Msg::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// No sequence of messages panics, at any size; a restore is only ever asked for with the very plan for which the label
    /// was typed on Review; and a wizard that only looks asks for nothing that writes.
    #[test]
    fn nothing_panics_and_nothing_begins_unconfirmed(
        moves in prop::collection::vec(any_move(), 1..120),
        from in 0usize..3,
        look_only in any::<bool>(),
        width in 1u16..150,
        height in 1u16..50,
    ) {
        let mut model = match from {
            0 => started().0,
            1 => with_file(Health::Verified),
            _ => at_review(),
        };
        model.options.look_only = look_only;
        let mut asked: VecDeque<Effect> = VecDeque::new();
        let mut confirmed: BTreeSet<String> = BTreeSet::new();
        for (turn, step) in moves.into_iter().enumerate() {
            let msgs = match step {
                Move::Key(key) => vec![Msg::Key(key)],
                Move::Paste(text) => vec![Msg::Paste(text)],
                Move::Label => typed(&model.label),
                Move::Confirm => {
                    let enter = || Msg::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
                    let mut msgs = vec![enter()];
                    msgs.extend(typed(&model.label));
                    msgs.extend([Msg::Tick(model.now_ms + 200), enter()]);
                    msgs
                }
                Move::World(luck) => asked.pop_front().map_or_else(Vec::new, |e| answers(&e, luck)),
                Move::Wait(ms) => vec![Msg::Tick(model.now_ms + ms)],
                Move::Terminated => vec![Msg::Terminated],
            };
            for msg in msgs {
                let (ask, plan) = match model.step {
                    Step::Restore => (Ask::Undo, &model.restore.plan),
                    _ => (Ask::Confirm, &model.review.plan),
                };
                let text = model.prompt.as_ref().filter(|p| p.ask == ask).map(|p| p.text().to_string());
                if let (Msg::Key(KeyEvent { code: KeyCode::Enter, .. }), Some(plan), Step::Review | Step::Restore, None) =
                    (&msg, plan, model.step, model.overlay)
                    && text.as_ref() == Some(&plan.label)
                {
                    confirmed.insert(plan.short_id());
                }
                let (asked_for_key, asked_to_start) =
                    (model.overlay == Some(Overlay::Canary), model.overlay == Some(Overlay::Start));
                for effect in update(&mut model, msg) {
                    prop_assert!(!look_only || !effect.writes(), "it only looks: {effect:?}");
                    if let Effect::Verify { canary, .. } = &effect {
                        prop_assert!(!*canary || asked_for_key, "a key that nobody agreed to");
                    }
                    prop_assert!(asked_to_start || !matches!(effect, Effect::Start { .. }), "a start nobody agreed to");
                    if let Effect::Apply { plan, orders, .. } = &effect {
                        let first = !orders.decisions.is_empty();
                        let fences = &model.review.fences;
                        prop_assert!(!first || !fences.found.iter().any(|f| f.blocks(&orders.overridden)), "a fence stands");
                        let agreed = model.hosts.halts().iter().all(|halt| orders.consent.contains(halt));
                        prop_assert!(!first || agreed, "an etcd would be stopped that nobody agreed to");
                        let rehearsal = orders.until == Goal::DryRun;
                        prop_assert!(rehearsal || confirmed.contains(&plan.short_id()), "nobody confirmed {orders:?}");
                    }
                    asked.push_back(effect);
                }
                // what is asked for and answered must end: no more than one restore runs
                let running = asked.iter().filter(|e| matches!(e, Effect::Apply { .. })).count();
                prop_assert!(running <= 1);
            }
            if turn % 4 == 0 {
                let _ = screen(&model, width, height);
            }
        }
    }
}
