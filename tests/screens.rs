//! A picture of every screen at 80x24 and 120x40, and what holds for all of them.
//! `INSTA_UPDATE=always cargo test --test screens` writes the pictures anew; read the difference.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod fake_world;

use std::{fmt::Write, sync::Arc};

use crossterm::event::KeyCode::{self, Char, Down, Enter, Left, PageDown, Right, Up};
use fake_world::{Fake, options};
use ratatui::style::{Color, Modifier};
use requorum::{
    engine::progress::{Phase, Progress},
    recovery::{
        Cancel, RowEvent,
        verify::{Job, verify},
    },
    trouble::{Kind, Trouble},
    tui::{
        Headless, Model, Msg, Options, Step,
        app::{Effect, update},
        headless::{picture, screen},
    },
    world::World,
};

const SIZES: [(u16, u16); 2] = [(80, 24), (120, 40)];

fn wizard(options: Options, world: Fake) -> Headless {
    Headless::new(Model::new(options, "REAL"), Arc::new(world))
}

fn at_start() -> Headless {
    wizard(options(), Fake::default())
}

fn keys(mut w: Headless, codes: &[KeyCode]) -> Headless {
    for code in codes {
        w.press(*code);
    }
    w
}

fn at_snapshot() -> Headless {
    keys(at_start(), &[Char('n')])
}

fn at_members() -> Headless {
    let w = keys(at_snapshot(), &[Down, Down, Enter, Char('n')]);
    assert_eq!(w.model().step, Step::Members, "{}", w.screen(80, 24));
    w
}

fn with_slip() -> Headless {
    let mut w = keys(at_members(), &[Right, Enter]);
    w.send(Msg::Key(crossterm::event::KeyEvent::new(Char('u'), crossterm::event::KeyModifiers::CONTROL)));
    w.type_text("http:/10.0.0.11:2380");
    w
}

/// An inventory that moves m1 and leaves m3 out.
fn inventoried() -> Headless {
    let text = "- {name: m2, peerUrls: [https://10.0.0.2:2380]}\n- {name: m1, host: 10.0.0.11, dataDir: /disk/m1}\n";
    let inventory = requorum::plan::inventory::read(text).unwrap();
    let w = wizard(Options { inventory, ..options() }, Fake::default());
    keys(w, &[Char('n'), Down, Down, Enter, Char('n')])
}

fn pasting(text: &str) -> Headless {
    let mut w = at_members();
    w.send(Msg::Paste(text.into()));
    w
}

const MEMBER_LIST: &str = "$ etcdctl member list\n\
    8e9e05c52164694d, started, m1, https://10.0.0.11:2380, https://10.0.0.11:2379, false\n\
    91bc3c398fb3c146, started, m2, https://10.0.0.2:2380, https://10.0.0.2:2379, false\n\
    fd422379fda50e48, started, m4, https://10.0.0.4:2380, https://10.0.0.4:2379, true\n";

/// m2's row names certificates that are for m1's address alone.
fn certified() -> Headless {
    let world = Fake { certificates_for: Some("10.0.0.1".parse().unwrap()), ..Fake::default() };
    let mut w = keys(wizard(options(), world), &[Char('n'), Down, Down, Enter, Char('n'), Down]);
    w = keys(w, &[Right, Right, Right, Right, Right, Enter]);
    w.type_text("--peer-cert-file=/pki/m2.crt --peer-key-file=/pki/m2.key");
    keys(w, &[Enter])
}

fn kubernetes() -> Headless {
    let world = Fake { kubernetes: true, ..Fake::default() };
    keys(wizard(options(), world), &[Char('n'), Down, Down, Enter, Char('n')])
}

fn at_review() -> Headless {
    let w = keys(at_members(), &[Char('n')]);
    assert_eq!(w.model().step, Step::Review, "{}", w.screen(80, 24));
    w
}

/// On Review, where m2 still answers and m3 may.
fn fenced(codes: &[KeyCode]) -> Headless {
    let world = Fake { unclear: true, ..Fake::default() };
    world.answers.lock().unwrap().insert("m2".into());
    let w = keys(wizard(options(), world), &[Char('n'), Down, Down, Enter, Char('n'), Char('n')]);
    keys(w, codes)
}

fn restored(world: Fake) -> Headless {
    let mut w = wizard(options(), world);
    w = keys(w, &[Char('n'), Down, Down, Enter, Char('n'), Char('n'), Enter]);
    w.type_text("prod-eu");
    let w = keys(w, &[Enter]);
    assert_eq!(w.model().step, Step::Restore, "{}", w.screen(80, 24));
    w
}

/// In the middle of a restore: m1 stands, m2 is being copied for four seconds, m3 waits.
fn restoring() -> Model {
    let w = {
        let mut w = at_review();
        w.press(Enter);
        w.type_text("prod-eu");
        w
    };
    let mut model = w.model().clone();
    update(&mut model, Msg::Tick(100_000));
    let effects = update(&mut model, Msg::Key(Enter.into()));
    let [Effect::Restore { id, plan, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    let id = *id;
    let m1 = plan.members[0].clone();
    let done = requorum::engine::restore::Restored {
        name: m1.name.clone(),
        member_id: m1.id,
        cluster_id: plan.cluster_id,
        data_dir: m1.data_dir,
        revision: plan.expected_revision(),
        keys: plan.source.keys,
        bytes: 41 << 20,
    };
    let row = |name: &str, event| Msg::Row { id, name: name.into(), event };
    let step = |mb: u64| RowEvent::Step(Progress { phase: Phase::Copy, done: mb << 20, total: 41 << 20 });
    update(&mut model, row("m1", RowEvent::Done(done)));
    update(&mut model, row("m2", step(0)));
    update(&mut model, Msg::Tick(104_000));
    update(&mut model, row("m2", step(20)));
    update(&mut model, Msg::Key(Down.into()));
    model
}

/// On Proof, after the members were watched.
fn proof(world: Fake, codes: &[KeyCode]) -> Headless {
    let w = keys(restored(world), &[Char('n'), Char('n')]);
    assert_eq!(w.model().step, Step::Proof, "{}", w.screen(80, 24));
    keys(w, codes)
}

/// A world in which these restored members were not started, and those hold other data.
fn without(down: &[&str], mixed: &[&str]) -> Fake {
    let world = Fake::default();
    world.down.lock().unwrap().extend(down.iter().map(ToString::to_string));
    world.mixed.lock().unwrap().extend(mixed.iter().map(ToString::to_string));
    world
}

/// On Proof, while m3 is still to come up.
fn waiting() -> Model {
    let world = without(&["m3"], &[]);
    let mut model = keys(restored(Fake::default()), &[Char('n')]).model().clone();
    let effects = update(&mut model, Msg::Key(Char('n').into()));
    let [Effect::Verify { id, plan, old, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    for member in &plan.members {
        world.restore(plan, &member.name, &mut |_| requorum::engine::progress::Flow::Go).unwrap();
    }
    let cancel = Cancel::default();
    let job = Job { plan, old, timeout: std::time::Duration::from_secs(60), canary: false };
    let _ = verify(&job, &world, &cancel, &mut |proof| {
        update(&mut model, Msg::Seen { id: *id, proof: Box::new(proof.clone()) });
        cancel.stop();
    });
    model
}

fn pressed(mut model: Model, code: KeyCode) -> Model {
    update(&mut model, Msg::Key(code.into()));
    model
}

fn failing() -> Headless {
    let world = Fake::default();
    world.failing.lock().unwrap().insert("m3".into());
    restored(world)
}

/// Members asked, none heard yet.
fn asking() -> Model {
    let mut model = Model::new(options(), "REAL");
    update(&mut model, Msg::Start { now: fake_world::NOW, fresh: "7f3a".into() });
    model
}

/// A snapshot half received.
fn saving() -> Model {
    let mut model = keys(at_snapshot(), &[Enter]).model().clone();
    let effects = update(&mut model, Msg::Key(Enter.into()));
    let [Effect::Save { id, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    let step =
        |mb: u64| Msg::Stepped { id: *id, progress: Progress { phase: Phase::Receive, done: mb << 20, total: 0 } };
    update(&mut model, step(1));
    let later = model.now_ms + 5000;
    update(&mut model, Msg::Tick(later));
    update(&mut model, step(31));
    model
}

/// A defect of ours in the middle of a restore.
fn defect() -> Model {
    let mut model = restoring();
    let id = model.restore.id().unwrap();
    let bug = Trouble::new(Kind::Bug, "this is a defect of requorum")
        .why("index out of bounds")
        .hint("Trying again does no harm");
    update(&mut model, Msg::RestoreEnded { id, result: Err(bug) });
    model
}

fn noted() -> Model {
    let note = "Practice: look for what loses nothing before you go on.".to_string();
    let options = Options { notes: vec![(Step::Detect, note)], ..options() };
    wizard(options, Fake::default()).model().clone()
}

type Scenes = Vec<(&'static str, Model)>;

/// Every screen worth a picture; made once, as each takes a walk through the wizard.
fn scenes() -> Scenes {
    static MADE: std::sync::LazyLock<Scenes> = std::sync::LazyLock::new(make_scenes);
    MADE.clone()
}

fn make_scenes() -> Scenes {
    let model = |w: Headless| w.model().clone();
    let nobody = || wizard(Options { endpoints: Vec::new(), label: None, ..options() }, Fake::default());
    let quorum = || wizard(options(), Fake { healthy: true, ..Fake::default() });
    let degraded = || wizard(options(), Fake { degraded: true, ..Fake::default() });
    let gate = |text: &str| {
        let mut w = keys(quorum(), &[Char('n')]);
        w.type_text(text);
        model(w)
    };
    let typing = |text: &str| {
        let mut w = keys(at_review(), &[Enter]);
        w.type_text(text);
        model(w)
    };
    let last = [KeyCode::End];
    vec![
        ("1-detect-nobody-named", model(nobody())),
        ("1-detect-asking", asking()),
        ("1-detect-lost", model(at_start())),
        ("1-detect-details", model(keys(at_start(), &[Enter]))),
        ("1-detect-details-silent", model(keys(at_start(), &[Down, Enter]))),
        ("1-detect-unknown", model(wizard(options(), Fake { silent: true, ..Fake::default() }))),
        ("1-detect-holds", model(quorum())),
        ("1-detect-degraded", model(degraded())),
        ("1-detect-degraded-details", model(keys(degraded(), &[Enter]))),
        ("1-detect-closed", model(keys(wizard(options(), Fake { peers: true, ..Fake::default() }), &[Down]))),
        ("1-detect-gone", model(keys(at_start(), &[Down, Char('g')]))),
        ("1-detect-lost-for-good", {
            let mut w = keys(at_start(), &[Down, Char('g')]);
            w.type_text("m1");
            w = keys(w, &[Enter, Down, Char('g')]);
            w.type_text("m3");
            model(keys(w, &[Enter]))
        }),
        ("1-detect-gate", gate("prod")),
        ("1-detect-defect", model(wizard(options(), Fake { panics: true, ..Fake::default() }))),
        ("1-detect-endpoints", model(keys(at_start(), &[Char('e')]))),
        ("1-detect-note", noted()),
        ("1-detect-key-of-another-step", model(keys(at_start(), &[Char('t')]))),
        ("2-snapshot", model(at_snapshot())),
        (
            "2-snapshot-empty",
            model(keys(
                wizard(
                    Options { places: vec!["/nowhere".into()], endpoints: Vec::new(), ..options() },
                    Fake::default(),
                ),
                &[Char('n')],
            )),
        ),
        ("2-snapshot-next-waits", model(keys(at_snapshot(), &[Char('n')]))),
        ("2-snapshot-unhashed", model(keys(at_snapshot(), &[Down]))),
        ("2-snapshot-unhashed-asks", model(keys(at_snapshot(), &[Down, Enter]))),
        ("2-snapshot-broken", model(keys(at_snapshot(), &[Down, Down, Down, Enter]))),
        ("2-snapshot-chosen", model(keys(at_snapshot(), &[Down, Down, Enter]))),
        ("2-snapshot-details", model(keys(at_snapshot(), &[Down, Down, Char('i')]))),
        ("2-snapshot-differs", {
            let mut w = keys(wizard(options(), Fake { degraded: true, ..Fake::default() }), &[Char('n')]);
            w.type_text("prod-eu");
            model(keys(w, &[Enter]))
        }),
        ("2-snapshot-compared", model(keys(at_snapshot(), &[Down, Down, Char('d')]))),
        ("2-snapshot-dir-details", model(keys(at_snapshot(), &[Down, Char('i')]))),
        (
            "2-snapshot-nobody-answers",
            model(keys(wizard(options(), Fake { silent: true, ..Fake::default() }), &[Char('n')])),
        ),
        ("2-snapshot-save-into", model(keys(at_snapshot(), &[Enter]))),
        ("2-snapshot-saving", saving()),
        ("3-members", model(at_members())),
        ("3-members-typing-a-slip", model(with_slip())),
        ("3-members-slip", model(keys(with_slip(), &[Enter, Char('n')]))),
        ("3-members-right-end", model(keys(at_members(), &[Right, Right, Right, Right, Right]))),
        ("3-members-option", model(keys(at_members(), &last))),
        ("3-members-bump", {
            let mut w = keys(at_members(), &[KeyCode::End, Up, Up, Up, Enter, KeyCode::Backspace]);
            w.type_text("1e9");
            model(w)
        }),
        ("3-members-empty", model(keys(at_members(), &[Char('-'), Char('-'), Char('-')]))),
        ("3-members-added", model(keys(at_members(), &[Down, Down, Char('+')]))),
        ("3-members-paste", model(keys(at_members(), &[Char('p')]))),
        ("3-members-sources-differ", model(keys(inventoried(), &[Down, Right]))),
        ("3-members-source-taken", model(keys(inventoried(), &[Down, Right, Char('o')]))),
        ("3-members-paste-asks", model(pasting(MEMBER_LIST))),
        ("3-members-pasted", model(keys(pasting(MEMBER_LIST), &[Char('y')]))),
        ("3-members-paste-refused", model(pasting("kubectl get pods"))),
        ("3-members-certificates", model(certified())),
        ("3-members-bump-proposed", model(keys(kubernetes(), &[KeyCode::End, Up, Up, Up]))),
        ("3-members-bump-unknown", {
            let mut m = keys(kubernetes(), &[KeyCode::End, Up, Up, Up]).model().clone();
            m.snapshot.files.retain(|f| Some(&f.path) == m.snapshot.chosen.as_ref());
            m
        }),
        ("4-review", model(at_review())),
        ("4-review-unbumped", model(keys(kubernetes(), &[Char('n')]))),
        ("4-review-end", model(keys(at_review(), &last))),
        ("4-review-fence", model(fenced(&[]))),
        ("4-review-fence-asks", model(fenced(&[Enter]))),
        ("4-review-overridden", {
            let mut w = fenced(&[Enter]);
            w.type_text("m2@10.0.0.2");
            model(keys(w, &[Enter, KeyCode::Esc]))
        }),
        ("4-review-typing", typing("prod")),
        ("4-review-typed-wrong", {
            let mut w = keys(at_review(), &[Enter]);
            w.type_text("prod-us");
            model(keys(w, &[Enter]))
        }),
        ("4-review-typed", {
            let mut m = typing("prod-eu");
            update(&mut m, Msg::Tick(1_000_000));
            m
        }),
        ("4-review-save-plan", model(keys(at_review(), &[Char('s')]))),
        ("4-review-saved", model(keys(at_review(), &[Char('s'), Enter]))),
        ("5-restore-working", restoring()),
        ("5-restore-next-waits", pressed(restoring(), Char('n'))),
        ("5-restore-stop-asks", pressed(restoring(), Char('c'))),
        ("5-restore-quit-asks", pressed(restoring(), Char('q'))),
        ("5-restore-stopping", pressed(pressed(restoring(), Char('c')), Char('y'))),
        ("5-restore-failed", model(failing())),
        ("5-restore-failed-details", model(keys(failing(), &[Char('e')]))),
        ("5-restore-defect", defect()),
        ("5-restore-done", model(restored(Fake::default()))),
        ("6-launch", model(keys(restored(Fake::default()), &[Char('n')]))),
        ("6-launch-systemd", model(keys(restored(Fake::default()), &[Char('n'), Right]))),
        ("6-launch-pod", model(keys(restored(Fake::default()), &[Char('n'), Down, Left, PageDown, PageDown]))),
        ("6-launch-runbook", model(keys(restored(Fake::default()), &[Char('n'), Char('p'), Enter]))),
        ("6-launch-copied", model(keys(restored(Fake::default()), &[Char('n'), Down, Char('y')]))),
        ("6-launch-saved", model(keys(restored(Fake::default()), &[Char('n'), Char('w'), Enter]))),
        ("6-launch-notes", model(keys(restored(Fake::default()), &[Char('n'), Enter]))),
        ("6-launch-help", model(keys(restored(Fake::default()), &[Char('n'), Char('?')]))),
        ("6-launch-quit", model(keys(restored(Fake::default()), &[Char('n'), Char('q')]))),
        ("7-proof-asking", {
            let mut m = keys(restored(Fake::default()), &[Char('n')]).model().clone();
            update(&mut m, Msg::Key(Char('n').into()));
            m
        }),
        ("7-proof-waiting", waiting()),
        ("7-proof-proven", model(proof(Fake::default(), &[]))),
        ("7-proof-next", model(proof(Fake { kubernetes: true, ..Fake::default() }, &[KeyCode::End]))),
        ("7-proof-canary-asks", model(proof(Fake::default(), &[Char('c')]))),
        ("7-proof-canary", model(proof(Fake::default(), &[Char('c'), Char('y')]))),
        ("7-proof-details", model(proof(Fake::default(), &[Enter]))),
        ("7-proof-mixed", model(proof(without(&[], &["m3"]), &[]))),
        ("7-proof-unproven", model(proof(without(&["m3"], &[]), &[]))),
        ("7-proof-simulated", model(proof(Fake { simulated: true, ..Fake::default() }, &[]))),
        ("7-proof-help", model(proof(Fake::default(), &[Char('?')]))),
        ("3-members-help", model(keys(at_members(), &[Char('?')]))),
    ]
}

#[test]
fn every_screen_looks_as_it_did() {
    for (name, model) in scenes() {
        for (width, height) in SIZES {
            insta::assert_snapshot!(format!("{name}@{width}x{height}"), screen(&model, width, height));
        }
    }
}

#[test]
fn a_window_that_is_too_small_says_so_and_keys_still_work() {
    insta::assert_snapshot!("small@59x15", at_start().screen(59, 15));
    let w = keys(at_start(), &[Char('n')]);
    assert_eq!(w.model().step, Step::Snapshot);
    for (_, model) in scenes() {
        for (width, height) in [(1, 1), (1, 50), (200, 1), (60, 16), (61, 17), (300, 90)] {
            let _ = screen(&model, width, height);
        }
    }
}

#[test]
fn ascii_screens_are_ascii() {
    for (name, mut model) in scenes() {
        model.look.ascii = true;
        for (width, height) in SIZES {
            let text = screen(&model, width, height);
            assert!(text.is_ascii(), "{name}: {text}");
        }
        if name == "3-members-slip" {
            insta::assert_snapshot!("ascii@80x24", screen(&model, 80, 24));
        }
        if name == "7-proof-mixed" {
            insta::assert_snapshot!("ascii-7-proof-mixed@80x24", screen(&model, 80, 24));
        }
    }
}

#[test]
fn mono_screens_have_no_colour_and_still_show_selection_and_weight() {
    for (name, mut model) in scenes() {
        model.look.mono = true;
        let cells = picture(&model, 80, 24);
        assert!(cells.content.iter().all(|c| c.fg == Color::Reset && c.bg == Color::Reset), "{name}");
        if matches!(name, "1-detect-lost" | "3-members-slip" | "5-restore-working" | "7-proof-mixed") {
            insta::assert_snapshot!(format!("mono-{name}@80x24"), styles(&cells));
        }
    }
}

/// A picture's text with its weights: `*bold*`, `_dim_`, `[reversed]`, run by run.
fn styles(cells: &ratatui::buffer::Buffer) -> String {
    let mut out = String::new();
    for y in 0..cells.area.height {
        let mut open = "";
        let mut line = String::new();
        for x in 0..cells.area.width {
            let cell = cells.cell((x, y)).unwrap();
            let mark = match cell.modifier {
                m if m.contains(Modifier::REVERSED) => "#",
                m if m.contains(Modifier::BOLD) => "*",
                m if m.contains(Modifier::DIM) => "_",
                _ => "",
            };
            if mark != open {
                write!(line, "{open}{mark}").unwrap();
                open = mark;
            }
            line.push_str(cell.symbol());
        }
        writeln!(out, "{}", format!("{line}{open}").trim_end()).unwrap();
    }
    out
}

#[test]
fn the_whole_way_restores_every_member_and_lists_what_lies_where() {
    let world = Arc::new(Fake::default());
    let mut w = Headless::new(Model::new(options(), "REAL"), world.clone());
    w = keys(w, &[Char('n'), Down, Down, Enter, Char('n'), Char('n'), Enter]);
    w.type_text("prod-eu");
    w = keys(w, &[Enter, Char('n'), Char('y'), Char('w'), Enter, Char('q'), Char('y')]);
    assert!(w.has_quit());
    assert_eq!(*world.restored.lock().unwrap(), ["m1", "m2", "m3"]);
    let plan = w.model().restore.plan.clone().unwrap();
    assert_eq!(w.copied(), [requorum::plan::launch::commands(&plan)[0].command.clone()]);
    let sheet = requorum::plan::launch::sheet(&plan);
    assert_eq!(world.written.lock().unwrap().iter().map(|(_, t)| t.clone()).collect::<Vec<_>>(), [sheet]);
    let ending = requorum::tui::ending::ending(w.model());
    assert_eq!((ending.outcome, ending.exit_code()), (requorum::tui::Outcome::Restored, 0));
    assert!(ending.lines.iter().any(|l| l.contains("/var/lib/etcd-new/m1.etcd")), "{ending:?}");
}

#[test]
fn a_failed_member_is_tried_again_alone() {
    let world = Arc::new(Fake::default());
    world.failing.lock().unwrap().insert("m2".into());
    let mut w = Headless::new(Model::new(options(), "REAL"), world.clone());
    w = keys(w, &[Char('n'), Down, Down, Enter, Char('n'), Char('n'), Enter]);
    w.type_text("prod-eu");
    w = keys(w, &[Enter]);
    assert_eq!(*world.restored.lock().unwrap(), ["m1", "m3"]);
    w = keys(w, &[Char('n')]);
    assert_eq!(w.model().step, Step::Restore, "Launch stays shut while a member is missing");
    world.failing.lock().unwrap().clear();
    w = keys(w, &[Char('t'), Char('n')]);
    assert_eq!(*world.restored.lock().unwrap(), ["m1", "m3", "m2"]);
    assert_eq!(w.model().step, Step::Launch);
}
