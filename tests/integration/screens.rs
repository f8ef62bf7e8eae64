//! A picture of every screen at 80x24 and 120x40, and what holds for all of them.

//! `INSTA_UPDATE=always cargo test --test integration screens::` writes the pictures anew; read the difference.

use std::{collections::BTreeSet, fmt::Write, sync::Arc};

use crate::mock_system::{self, MockSystem, options};
use crate::support::{every_case, everyday, messages};
use crossterm::event::KeyCode::{self, Char, Down, Enter, Left, PageDown, Right, Up};
use ratatui::style::{Color, Modifier};
use requorum::{
    domain::{
        model::observations::host::{HostFacts, PlaceState, Root},
        render::start::HostKnown,
    },
    engine::progress::{Phase, Progress},
    error::{Error, ErrorKind},
    execute::{
        Cancel, RowEvent,
        events::{ExecutionEvent, HostEvent},
        verify::{VerifySpec, verify},
    },
    system::{
        journal::{self, Event},
        ssh::Sent,
    },
    tui::{
        Headless, Model, Msg, Options, Step,
        app::update,
        headless::{picture, screen},
        state::{messages::Effect, prompt::Ask},
    },
};

const SIZES: [(u16, u16); 2] = [(80, 24), (120, 40)];

/// Compares a picture with `tests/snapshots/screens__NAME.snap`.
fn assert_picture(name: &str, picture: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(format!("screens__{name}"), picture));
}

fn wizard(options: Options, world: MockSystem) -> Headless {
    Headless::new(Model::new(options, "REAL"), Arc::new(world))
}

fn at_start() -> Headless {
    wizard(options(), MockSystem::default())
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
    let mut w = keys(at_members(), &[Right, Right, Enter]);
    w.send(Msg::Key(crossterm::event::KeyEvent::new(Char('u'), crossterm::event::KeyModifiers::CONTROL)));
    w.type_text("http:/10.0.0.11:2380");
    w
}

/// An inventory that moves m1 and leaves m3 out.
fn inventoried() -> Headless {
    let text = "- {name: m2, peerUrls: [https://10.0.0.2:2380]}\n- {name: m1, host: 10.0.0.11, dataDir: /disk/m1}\n";
    let inventory = requorum::domain::members::inventory::read(text).unwrap();
    let w = wizard(Options { inventory, ..options() }, MockSystem::default());
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
    let world = MockSystem::builder().certificates_for("10.0.0.1").build();
    let mut w = keys(wizard(options(), world), &[Char('n'), Down, Down, Enter, Char('n'), Down]);
    w = keys(w, &[Right, Right, Right, Right, Right, Right, Enter]);
    w.type_text("--peer-cert-file=/pki/m2.crt --peer-key-file=/pki/m2.key");
    keys(w, &[Enter])
}

fn kubernetes() -> Headless {
    let world = MockSystem::builder().kubernetes().build();
    keys(wizard(options(), world), &[Char('n'), Down, Down, Enter, Char('n')])
}

/// On Members, with a token that makes the IDs of the snapshot's own members.
fn old_token() -> Model {
    let mut m = at_members().model().clone();
    let ids = requorum::domain::members::table::ids(&m.members.rows, &m.members.token).0;
    for content in m.snapshot.files.iter_mut().filter_map(|file| file.content.as_mut()) {
        content.members.iter_mut().zip(&ids).for_each(|(member, id)| member.id = id.unwrap());
    }
    m
}

fn at_review() -> Headless {
    let w = keys(at_members(), &[Char('n')]);
    assert_eq!(w.model().step, Step::Review, "{}", w.screen(80, 24));
    w
}

/// On Review, where m2 still answers and m3 may.
fn fenced(codes: &[KeyCode]) -> Headless {
    let world = MockSystem::builder().unclear().build();
    world.answers.lock().unwrap().insert("m2".into());
    let w = keys(wizard(options(), world), &[Char('n'), Down, Down, Enter, Char('n'), Char('n')]);
    keys(w, codes)
}

fn restored(world: MockSystem) -> Headless {
    let mut w = wizard(options(), world);
    w = keys(w, &[Char('n'), Down, Down, Enter, Char('n'), Char('n'), Enter]);
    w.type_text("prod-eu");
    let w = keys(w, &[Enter]);
    assert_eq!(w.model().step, Step::Restore, "{}", w.screen(80, 24));
    w
}

/// Launch of a plan with other hosts, while they are asked or after; one told nothing.
fn far_launch(asked: bool) -> Model {
    let mut w = keys(with_hosts(MockSystem::default()), &[Char('n'), Enter]);
    w.type_text("prod-eu");
    let mut m = keys(w, &[Enter]).model().clone();
    let effects = update(&mut m, Msg::Key(Char('n').into()));
    let [Effect::KnowHosts { id, names, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(names, &["m1", "m3"], "this machine was looked at already");
    if !asked {
        let known = HostKnown {
            host: "root@10.0.0.1".into(),
            addresses: vec!["10.0.0.1".parse().unwrap()],
            adopt: true,
            ..HostKnown::default()
        };
        let error = Error::new(ErrorKind::NoAnswer, "root@10.0.0.3 cannot be reached by ssh");
        let troubles = vec![("root@10.0.0.3".to_string(), error)];
        update(&mut m, Msg::HostsKnown { id: *id, hosts: vec![known], troubles });
        update(&mut m, Msg::Key(Down.into()));
        update(&mut m, Msg::Key(Down.into()));
    }
    m
}

/// The restored plan on Launch, where units start its members, after these keys.
fn starting(codes: &[KeyCode]) -> Headless {
    let w = keys(restored(MockSystem::builder().units().build()), &[Char('n')]);
    assert_eq!(w.model().step, Step::Launch, "{}", w.screen(80, 24));
    keys(w, codes)
}

/// The table with a host for each row: this machine for m2, and what `world` makes of the others.
fn with_hosts(world: MockSystem) -> Headless {
    keys(wizard(options(), world), &[Char('n'), Down, Down, Enter, Char('n'), Char('f')])
}

/// Hosts of every kind, each with its row state.
fn odd_hosts(m1: fn(&mut HostFacts), m3: Option<fn(&mut HostFacts)>) -> MockSystem {
    let world = MockSystem::default();
    world.odd.lock().unwrap().insert("root@10.0.0.1".into(), m1);
    match m3 {
        Some(m3) => drop(world.odd.lock().unwrap().insert("root@10.0.0.3".into(), m3)),
        None => drop(world.unreachable.lock().unwrap().insert("root@10.0.0.3".into())),
    }
    world
}

fn full(facts: &mut HostFacts) {
    facts.places.iter_mut().for_each(|place| place.free = Some(12 << 20));
}

fn old_member(facts: &mut HostFacts) {
    (facts.user, facts.root, facts.skew) = ("ops".into(), Root::Sudo, 3600);
    facts.places.iter_mut().take(1).for_each(|place| place.state = PlaceState::Dir(vec!["member".into()]));
}

fn other_cpu(facts: &mut HostFacts) {
    facts.machine = "riscv64".into();
    facts.places.iter_mut().for_each(|place| place.read_only = true);
}

fn runs_etcd(facts: &mut HostFacts) {
    facts.etcds.push((4711, "etcd --name m1 --data-dir /var/lib/etcd".into()));
}

/// On Review, where an etcd runs on m2's new directory.
fn running() -> Headless {
    let world = MockSystem::default();
    world.held.lock().unwrap().insert("/var/lib/etcd-new/m2.etcd".into());
    keys(wizard(options(), world), &[Char('n'), Down, Down, Enter, Char('n'), Char('n')])
}

/// In the middle of a restore over three hosts: m1 is built, m2 is being copied for four seconds, m3's host is sent the
/// snapshot.
fn restoring() -> Model {
    let w = {
        let mut w = keys(with_hosts(MockSystem::default()), &[Char('n')]);
        assert_eq!(w.model().step, Step::Review, "{}", w.screen(80, 24));
        w.press(Enter);
        w.type_text("prod-eu");
        w
    };
    let mut model = w.model().clone();
    update(&mut model, Msg::Tick(100_000));
    let effects = update(&mut model, Msg::Key(Enter.into()));
    let [Effect::Apply { id, plan, .. }] = effects.as_slice() else { panic!("{effects:?}") };
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
        members: Vec::new(),
        source_sha256: String::new(),
        log_sha256: String::new(),
    };
    let told = |host: &str, event| Msg::Told { id, told: Box::new(ExecutionEvent::Host(host.into(), event)) };
    let row = |name: &str, event| HostEvent::Row(name.into(), event);
    let step = |phase, mb: u64| Progress { phase, done: mb << 20, total: 41 << 20 };
    let sent = Sent { from: 0, bytes: 41 << 20, packed: 12 << 20 };
    update(&mut model, told("root@10.0.0.1", HostEvent::Sent(sent)));
    update(&mut model, told("root@10.0.0.1", row("m1", RowEvent::Done(done))));
    update(&mut model, told("local", HostEvent::HadIt("/backup/etcd-0200.db".into())));
    update(&mut model, told("local", row("m2", RowEvent::Step(step(Phase::Copy, 0)))));
    update(&mut model, told("root@10.0.0.3", HostEvent::Step(step(Phase::Receive, 0))));
    update(&mut model, Msg::Tick(104_000));
    update(&mut model, told("local", row("m2", RowEvent::Step(step(Phase::Copy, 20)))));
    update(&mut model, told("root@10.0.0.3", HostEvent::Step(step(Phase::Receive, 30))));
    update(&mut model, Msg::Key(Down.into()));
    model
}

/// On Proof, after the members were watched.
fn proof(world: MockSystem, codes: &[KeyCode]) -> Headless {
    let w = keys(restored(world), &[Char('n'), Char('n')]);
    assert_eq!(w.model().step, Step::Proof, "{}", w.screen(80, 24));
    keys(w, codes)
}

/// A world in which these restored members were not started, and those hold other data.
fn without(down: &[&str], mixed: &[&str]) -> MockSystem {
    let world = MockSystem::default();
    world.down.lock().unwrap().extend(down.iter().map(ToString::to_string));
    world.mixed.lock().unwrap().extend(mixed.iter().map(ToString::to_string));
    world
}

/// On Proof, while m3 is still to come up.
fn waiting() -> Model {
    let world = without(&["m3"], &[]);
    let mut model = keys(restored(MockSystem::default()), &[Char('n')]).model().clone();
    let effects = update(&mut model, Msg::Key(Char('n').into()));
    let [Effect::Verify { id, plan, old, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    for member in &plan.members {
        world.restore(plan, &member.name, &mut |_| requorum::engine::progress::Flow::Go).unwrap();
    }
    let cancel = Cancel::default();
    let job = VerifySpec { plan, old, timeout: std::time::Duration::from_secs(60), canary: false, deep: false };
    let _ = verify(&job, &world, &cancel, &mut |proof| {
        update(&mut model, Msg::Seen { id: *id, proof: Box::new(proof.clone()) });
        cancel.stop();
    });
    model
}

/// A run whose host broke off, in the words of its journal.
fn unfinished() -> Headless {
    let world = Arc::new(MockSystem::default());
    world.failing.lock().unwrap().insert("m3".into());
    let mut w = Headless::new(Model::new(options(), "REAL"), world.clone());
    w = keys(w, &[Char('n'), Down, Down, Enter, Char('n'), Char('n'), Enter]);
    w.type_text("prod-eu");
    keys(w, &[Enter]);
    Headless::new(Model::new(options(), "REAL"), world)
}

fn rehearsed(world: MockSystem) -> Headless {
    keys(wizard(options(), world), &[Char('n'), Down, Down, Enter, Char('n'), Char('n'), Char('d'), Char('y')])
}

fn undoing(codes: &[KeyCode]) -> Headless {
    let mut w = keys(restored(MockSystem::default()), &[Char('u')]);
    w.type_text("prod-eu");
    keys(w, codes)
}

fn pressed(mut model: Model, code: KeyCode) -> Model {
    update(&mut model, Msg::Key(code.into()));
    model
}

fn failing() -> Headless {
    let world = MockSystem::default();
    world.failing.lock().unwrap().insert("m3".into());
    restored(world)
}

/// Members asked, none heard yet.
fn asking() -> Model {
    let mut model = Model::new(options(), "REAL");
    update(&mut model, Msg::Start { now: mock_system::NOW, fresh: "7f3a".into() });
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
    let bug = Error::new(ErrorKind::Bug, "this is a defect of requorum")
        .why("index out of bounds")
        .hint("Trying again does no harm");
    update(&mut model, Msg::ApplyEnded { id, result: Err(bug) });
    model
}

fn noted() -> Model {
    let note = "Practice: look for what loses nothing before you go on.".to_string();
    let options = Options { notes: vec![(Step::Detect, note)], ..options() };
    wizard(options, MockSystem::default()).model().clone()
}

pub type Scenes = Vec<(&'static str, Model)>;

/// Nobody answers, and this machine has members of two other clusters, of which nothing says that one is meant.
fn clusters(codes: &[KeyCode]) -> Headless {
    let around = [("/srv/main", 0xa1, 90_120), ("/srv/events", 0xe2, 4_088)];
    let around = around.map(|(path, id, end)| (path.into(), requorum::etcd::membership::Id(id), end)).into();
    let options =
        Options { endpoints: vec!["http://10.9.9.9:2379".into()], places: vec!["/nowhere".into()], ..options() };
    keys(wizard(options, MockSystem::builder().around(around).silent().build()), codes)
}

/// Every screen worth a picture; made once, as each takes a walk through the wizard.
pub fn scenes() -> Scenes {
    static MADE: std::sync::LazyLock<Scenes> = std::sync::LazyLock::new(|| {
        make_first_scenes().into_iter().chain(make_middle_scenes()).chain(make_last_scenes()).collect()
    });
    MADE.clone()
}

fn make_first_scenes() -> Scenes {
    let model = |w: Headless| w.model().clone();
    let nobody = || wizard(Options { endpoints: Vec::new(), label: None, ..options() }, MockSystem::default());
    let quorum = || wizard(options(), MockSystem::builder().healthy().build());
    let degraded = || wizard(options(), MockSystem::builder().degraded().build());
    let gate = |text: &str| {
        let mut w = keys(quorum(), &[Char('n')]);
        w.type_text(text);
        model(w)
    };
    vec![
        ("1-detect-nobody-named", model(nobody())),
        ("1-detect-asking", asking()),
        ("1-detect-lost", model(at_start())),
        ("1-detect-details", model(keys(at_start(), &[Enter]))),
        ("1-detect-look-only", {
            let options = Options { look_only: true, ..options() };
            model(wizard(options, MockSystem::default()))
        }),
        ("1-detect-details-silent", model(keys(at_start(), &[Down, Enter]))),
        ("1-detect-unknown", model(wizard(options(), MockSystem::builder().silent().build()))),
        ("1-detect-holds", model(quorum())),
        ("1-detect-degraded", model(degraded())),
        ("1-detect-forked", model(wizard(options(), MockSystem::builder().reborn().build()))),
        ("1-detect-not-asked-for", model(wizard(options(), MockSystem::builder().default_ids().build()))),
        ("1-detect-degraded-details", model(keys(degraded(), &[Enter]))),
        ("1-detect-closed", model(keys(wizard(options(), MockSystem::builder().peers().build()), &[Down]))),
        ("1-detect-gone", model(keys(at_start(), &[Down, Char('g')]))),
        ("1-detect-lost-for-good", {
            let mut w = keys(at_start(), &[Down, Char('g')]);
            w.type_text("m1");
            w = keys(w, &[Enter, Down, Char('g')]);
            w.type_text("m3");
            model(keys(w, &[Enter]))
        }),
        ("1-detect-gate", gate("prod")),
        ("1-detect-defect", model(wizard(options(), MockSystem::builder().panics().build()))),
        ("1-detect-endpoints", model(keys(at_start(), &[Char('e')]))),
        ("1-detect-note", noted()),
        ("1-detect-key-of-another-step", model(keys(at_start(), &[Char('t')]))),
        ("1-detect-clusters", model(clusters(&[]))),
        ("1-detect-cluster-chosen", model(clusters(&[Char('c')]))),
        ("1-detect-copies", {
            let around = [("/var/lib/etcd", 90_120), ("/srv/etcd-copy", 90_088)];
            let around = around.map(|(path, end)| (path.into(), mock_system::CLUSTER, end)).into();
            model(wizard(options(), MockSystem::builder().silent().around(around).build()))
        }),
        ("1-detect-menu", model(keys(at_start(), &[Char(' '), Down]))),
        ("1-detect-text-below", model(keys(at_start(), &[KeyCode::End, Down, Down, Down]))),
        ("1-detect-button", model(keys(at_start(), &[KeyCode::Tab]))),
        ("1-detect-filtered", {
            let mut w = keys(at_start(), &[Char('/')]);
            w.type_text("refused");
            model(keys(w, &[Enter]))
        }),
        ("1-detect-quit-yes", model(keys(at_start(), &[Char('q'), KeyCode::Tab]))),
        ("2-snapshot", model(at_snapshot())),
        ("2-snapshot-chosen-elsewhere", model(keys(at_snapshot(), &[Down, Down, Enter, Up]))),
        ("2-snapshot-clusters", model(keys(clusters(&[]), &[Char('n')]))),
        ("2-snapshot-files-only", {
            let world = MockSystem::builder().silent().saved("prod-eu-20261122-0302.db").build();
            model(keys(wizard(Options { places: vec!["/nowhere".into()], ..options() }, world), &[Char('n')]))
        }),
        (
            "2-snapshot-empty",
            model(keys(
                wizard(
                    Options { places: vec!["/nowhere".into()], endpoints: Vec::new(), ..options() },
                    MockSystem::default(),
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
            let mut w = keys(wizard(options(), MockSystem::builder().degraded().build()), &[Char('n')]);
            w.type_text("prod-eu");
            model(keys(w, &[Enter]))
        }),
        ("2-snapshot-compared", model(keys(at_snapshot(), &[Down, Down, Char('d')]))),
        ("2-snapshot-dir-details", model(keys(at_snapshot(), &[Down, Char('i')]))),
        (
            "2-snapshot-nobody-answers",
            model(keys(wizard(options(), MockSystem::builder().silent().build()), &[Char('n')])),
        ),
        ("2-snapshot-save-into", model(keys(at_snapshot(), &[Enter]))),
        ("2-snapshot-saving", saving()),
        ("3-members", model(at_members())),
        ("3-members-typing-a-slip", model(with_slip())),
        ("3-members-slip", model(keys(with_slip(), &[Enter, Char('n')]))),
        ("3-members-right-end", model(keys(at_members(), &[Right, Right, Right, Right, Right, Right]))),
        ("3-members-option", model(keys(at_members(), &[KeyCode::End]))),
        ("3-members-bump", {
            let mut w = keys(at_members(), &[KeyCode::End, Up, Up, Up, Enter, KeyCode::Backspace]);
            w.type_text("1e9");
            model(w)
        }),
        ("3-members-empty", model(keys(at_members(), &[Char('-'), Char('-'), Char('-')]))),
        ("3-members-added", model(keys(at_members(), &[Down, Down, Char('+')]))),
        ("3-members-paste", model(keys(at_members(), &[Char('p')]))),
        ("3-members-sources-differ", model(keys(inventoried(), &[Down, Right, Right]))),
        ("3-members-source-taken", model(keys(inventoried(), &[Down, Right, Right, Char('o')]))),
        ("3-members-paste-asks", model(pasting(MEMBER_LIST))),
        ("3-members-pasted", model(keys(pasting(MEMBER_LIST), &[Char('y')]))),
        ("3-members-paste-refused", model(pasting("kubectl get pods"))),
        ("3-members-certificates", model(certified())),
        ("3-members-bump-proposed", model(keys(kubernetes(), &[KeyCode::End, Up, Up, Up]))),
        ("3-members-bump-left-out", model(keys(kubernetes(), &[KeyCode::End, Up, Up, Up, Char('x')]))),
        ("3-members-old-token", old_token()),
        ("3-members-bump-unknown", {
            let mut m = keys(kubernetes(), &[KeyCode::End, Up, Up, Up]).model().clone();
            m.snapshot.files.retain(|f| Some(&f.path) == m.snapshot.chosen.as_ref());
            m
        }),
        ("3-members-host", {
            let mut w = keys(at_members(), &[Right, Enter, KeyCode::Backspace]);
            w.type_text(" -p 22 h");
            model(w)
        }),
        ("3-members-hosts-filled", model(with_hosts(MockSystem::default()))),
        ("3-members-hosts-ready", model(keys(with_hosts(MockSystem::default()), &[Char('r')]))),
        ("3-members-hosts-not-ready", model(keys(with_hosts(odd_hosts(full, None)), &[Char('r')]))),
        ("3-members-hosts-odd", model(keys(with_hosts(odd_hosts(old_member, Some(other_cpu))), &[Char('r')]))),
        ("3-members-host-details", model(keys(with_hosts(odd_hosts(old_member, None)), &[Char('r'), Char('i')]))),
    ]
}

/// Those of Review and Restore: a stack does not hold all of them at once.
fn make_middle_scenes() -> Scenes {
    let model = |w: Headless| w.model().clone();
    let typing = |text: &str| {
        let mut w = keys(at_review(), &[Enter]);
        w.type_text(text);
        model(w)
    };
    vec![
        ("4-review", model(at_review())),
        ("4-review-hosts", model(keys(with_hosts(odd_hosts(old_member, Some(old_member))), &[Char('n')]))),
        ("4-review-not-ready", model(keys(with_hosts(odd_hosts(full, None)), &[Char('n'), Enter]))),
        ("4-review-etcd-runs", model(keys(with_hosts(odd_hosts(runs_etcd, Some(full))), &[Char('n')]))),
        ("4-review-consent", model(running())),
        ("4-review-consent-asks", model(keys(running(), &[Enter]))),
        ("4-review-agreed", {
            let mut w = keys(running(), &[Enter]);
            w.type_text("stop");
            model(keys(w, &[Enter, KeyCode::Esc]))
        }),
        ("4-review-rehearse-asks", model(keys(at_review(), &[Char('d')]))),
        ("4-review-host-details", model(keys(with_hosts(odd_hosts(old_member, None)), &[Char('n'), Char('i')]))),
        ("4-review-unbumped", model(keys(kubernetes(), &[KeyCode::End, Up, Up, Up, Char('x'), Char('n')]))),
        ("4-review-bumped", model(keys(kubernetes(), &[Char('n')]))),
        ("4-review-look-only", {
            let options = Options { look_only: true, ..options() };
            let w = wizard(options, MockSystem::default());
            model(keys(w, &[Char('n'), Down, Down, Enter, Char('n'), Char('n'), Enter]))
        }),
        ("4-review-end", model(keys(at_review(), &[KeyCode::End]))),
        ("4-review-opened", model(keys(at_review(), &[Up, KeyCode::End, Up, Enter, Down, Down, PageDown]))),
        ("4-review-filtered", {
            let mut w = keys(at_review(), &[Char('/')]);
            w.type_text("m2");
            model(keys(w, &[Enter]))
        }),
        ("4-review-menu", model(keys(at_review(), &[Char(' ')]))),
        ("4-review-fence", model(fenced(&[]))),
        ("4-review-fence-asks", model(fenced(&[Enter]))),
        ("4-review-overridden", {
            let mut w = fenced(&[Enter]);
            w.type_text("m2@10.0.0.2");
            w.press(Enter);
            w.type_text("its host is off the net");
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
        ("5-restore-done", model(restored(MockSystem::default()))),
        ("5-restore-log", model(keys(restored(MockSystem::default()), &[Enter]))),
        ("5-restore-undo-asks", model(keys(restored(MockSystem::default()), &[Char('u')]))),
        ("5-restore-undone", model(undoing(&[Enter]))),
        ("5-rehearsed", model(rehearsed(MockSystem::default()))),
        ("5-rehearsal-failed", {
            let world = MockSystem::default();
            world.failing.lock().unwrap().insert("m3".into());
            model(rehearsed(world))
        }),
        ("1-detect-unfinished", model(unfinished())),
        ("4-review-unfinished", model(keys(unfinished(), &[Char('y')]))),
        ("1-detect-held", {
            let mut m = asking();
            update(&mut m, Msg::Key(Char('n').into()));
            m
        }),
        ("3-members-token-asks", model(keys(at_members(), &[Char('g')]))),
        ("4-review-label-waits", {
            let mut m = at_review().model().clone();
            for key in [Char('r'), Enter, Char('p'), Char('r'), Char('o')] {
                update(&mut m, Msg::Key(key.into()));
            }
            m
        }),
        ("3-members-help", model(keys(at_members(), &[Char('?')]))),
        ("3-members-menu", model(keys(at_members(), &[Char(' ')]))),
    ]
}

/// Those of the last two steps.
fn make_last_scenes() -> Scenes {
    let model = |w: Headless| w.model().clone();
    vec![
        ("6-launch", model(keys(restored(MockSystem::default()), &[Char('n')]))),
        ("6-launch-systemd", model(keys(restored(MockSystem::default()), &[Char('n'), Right]))),
        ("6-launch-pod", model(keys(restored(MockSystem::default()), &[Char('n'), Down, Left, PageDown, PageDown]))),
        ("6-launch-runbook", model(keys(restored(MockSystem::default()), &[Char('n'), Char('p'), Enter]))),
        ("6-launch-copied", model(keys(restored(MockSystem::default()), &[Char('n'), Down, Char('y')]))),
        ("6-launch-saved", model(keys(restored(MockSystem::default()), &[Char('n'), Char('w'), Enter]))),
        ("6-launch-notes", model(keys(restored(MockSystem::default()), &[Char('n'), Enter]))),
        ("6-launch-help", model(keys(restored(MockSystem::default()), &[Char('n'), Char('?')]))),
        ("6-launch-quit", model(keys(restored(MockSystem::default()), &[Char('n'), Char('q')]))),
        ("6-launch-start-asks", model(starting(&[Char('s')]))),
        ("6-launch-started", model(starting(&[Char('s'), Char('y')]))),
        ("6-launch-not-started", model(starting(&[Down, Down, Char('s')]))),
        ("6-launch-no-unit", model(keys(restored(MockSystem::default()), &[Char('n'), Char('s')]))),
        ("6-launch-hosts-asked", far_launch(true)),
        ("6-launch-hosts-known", far_launch(false)),
        ("7-proof-asking", {
            let mut m = keys(restored(MockSystem::default()), &[Char('n')]).model().clone();
            update(&mut m, Msg::Key(Char('n').into()));
            m
        }),
        ("7-proof-waiting", waiting()),
        ("7-proof-proven", model(proof(MockSystem::default(), &[]))),
        ("7-proof-next", model(proof(MockSystem::builder().kubernetes().build(), &[KeyCode::End]))),
        ("7-proof-canary-asks", model(proof(MockSystem::default(), &[Char('c')]))),
        ("7-proof-canary", model(proof(MockSystem::default(), &[Char('c'), Char('y')]))),
        ("7-proof-details", model(proof(MockSystem::default(), &[Enter]))),
        ("7-proof-mixed", model(proof(without(&[], &["m3"]), &[]))),
        ("7-proof-unproven", model(proof(without(&["m3"], &[]), &[]))),
        ("7-proof-simulated", model(proof(MockSystem::builder().simulated().build(), &[]))),
        ("7-proof-help", model(proof(MockSystem::default(), &[Char('?')]))),
    ]
}

/// The scene of each step that is pictured on a small terminal, too.
const SMALL: [&str; 8] = [
    "1-detect-lost",
    "2-snapshot-chosen",
    "3-members",
    "4-review",
    "5-restore-working",
    "6-launch",
    "7-proof-proven",
    "7-proof-unproven",
];

#[test]
fn every_screen_looks_as_it_did() {
    for (name, model) in scenes() {
        let small = SMALL.contains(&name).then_some((60, 20));
        for (width, height) in SIZES.into_iter().chain(small) {
            assert_picture(&format!("{name}@{width}x{height}"), &screen(&model, width, height));
        }
    }
}

/// The letters that a sentence asks to press: "press c", "c stops it", "u undoes it".
fn letters_asked_for(text: &str) -> BTreeSet<char> {
    const VERBS: [&str; 18] = [
        "takes", "takes,", "chooses", "asks", "makes", "stops", "checks", "undoes", "shows", "copies", "saves", "adds",
        "resumes", "compares", "resumes,", "looks", "gives", "unmarks",
    ];
    let words: Vec<&str> = text.split_whitespace().map(|word| word.trim_matches(['(', '"', '“'])).collect();
    let one = |word: &str| {
        let mut chars = word.trim_end_matches(['.', ',', ';', ':', ')']).chars();
        chars.next().filter(|c| chars.next().is_none() && !c.is_numeric() && (c.is_alphabetic() || "+!/".contains(*c)))
    };
    let mut found = BTreeSet::new();
    for (at, pair) in words.windows(2).enumerate() {
        let [first, second] = pair else { continue };
        // "On Snapshot, d compares two files" is about another step
        let step = at.checked_sub(1).and_then(|before| words.get(before)).map(|word| word.trim_end_matches(','));
        if step.is_some_and(|word| Step::ALL.iter().any(|step| step.title() == word)) {
            continue;
        }
        if first.eq_ignore_ascii_case("press") {
            found.extend(one(second));
        }
        if VERBS.contains(second) && first.chars().count() == 1 {
            found.extend(one(first));
        }
    }
    found
}

#[test]
fn the_footer_names_every_key_that_the_text_asks_for() {
    let mut missing = Vec::new();
    for (name, model) in scenes() {
        if model.overlay.is_some() || model.prompt.is_some() {
            continue;
        }
        for (width, height) in SIZES {
            let text = screen(&model, width, height);
            let lines: Vec<&str> = text.lines().collect();
            let (above, foot) = lines.split_at(lines.len().saturating_sub(2));
            let foot = foot.join(" ");
            let above = above.iter().skip(3).copied().collect::<Vec<_>>().join("\n");
            for letter in letters_asked_for(&above) {
                let named = [format!(" {letter} "), format!("▸{letter} "), format!("Alt-{letter} ")];
                if !named.iter().any(|named| foot.contains(named)) {
                    missing.push(format!("{name} at {width}: {letter}"));
                }
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn a_small_window_says_so_keys_still_work() {
    assert_picture("small@59x15", &at_start().screen(59, 15));
    let w = keys(at_start(), &[Char('n')]);
    assert_eq!(w.model().step, Step::Snapshot);
    for (_, model) in everyday(scenes(), 5) {
        for (width, height) in [(1, 1), (1, 50), (200, 1), (60, 16), (61, 17), (300, 90)] {
            let _ = screen(&model, width, height);
        }
    }
}

#[test]
fn ascii_screens_are_ascii() {
    let shown = ["3-members-slip", "7-proof-mixed"];
    for (at, (name, mut model)) in scenes().into_iter().enumerate() {
        if !every_case() && at % 4 != 0 && !shown.contains(&name) {
            continue;
        }
        model.look.ascii = true;
        for (width, height) in SIZES {
            let text = screen(&model, width, height);
            assert!(text.is_ascii(), "{name}: {text}");
        }
        if name == "3-members-slip" {
            assert_picture("ascii@80x24", &screen(&model, 80, 24));
        }
        if name == "7-proof-mixed" {
            assert_picture("ascii-7-proof-mixed@80x24", &screen(&model, 80, 24));
        }
    }
}

#[test]
fn mono_screens_show_selection_without_colour() {
    for (name, mut model) in scenes() {
        model.look.mono = true;
        let cells = picture(&model, 80, 24);
        assert!(cells.content.iter().all(|c| c.fg == Color::Reset && c.bg == Color::Reset), "{name}");
        if matches!(name, "1-detect-lost" | "3-members-slip" | "5-restore-working" | "7-proof-mixed") {
            assert_picture(&format!("mono-{name}@80x24"), &styles(&cells));
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
fn the_full_path_restores_and_lists_every_member() {
    let world = Arc::new(MockSystem::default());
    let mut w = Headless::new(Model::new(options(), "REAL"), world.clone());
    w = keys(w, &[Char('n'), Down, Down, Enter, Char('n'), Char('n'), Enter]);
    w.type_text("prod-eu");
    w = keys(w, &[Enter, Char('n'), Char('y'), Char('w'), Enter, Char('q'), Char('y')]);
    assert!(w.has_quit());
    assert_eq!(*world.restored.lock().unwrap(), ["m1", "m2", "m3"]);
    let plan = w.model().restore.plan.clone().unwrap();
    assert_eq!(w.copied(), [requorum::domain::render::start::commands(&plan)[0].command.clone()]);
    let sheet = requorum::domain::render::start::sheet(&plan);
    assert_eq!(world.written.lock().unwrap().iter().map(|(_, t)| t.clone()).collect::<Vec<_>>(), [sheet]);
    let ending = requorum::tui::exit_summary::ending(w.model());
    assert_eq!((ending.outcome, ending.exit_code()), (requorum::tui::Outcome::Restored, 0));
    assert!(ending.lines.iter().any(|l| l.contains("/var/lib/etcd-new/m1.etcd")), "{ending:?}");
    // The plan was not saved, so what is done with it from here is done by the journal.
    for next in ["verify: requorum verify ", "roll back: requorum undo "] {
        assert!(ending.lines.iter().any(|l| l.starts_with(next) && l.ends_with(".journal")), "{ending:?}");
    }
}

#[test]
fn a_failed_run_resumes_without_repeating_work() {
    let world = Arc::new(MockSystem::default());
    world.failing.lock().unwrap().insert("m2".into());
    let mut w = Headless::new(Model::new(options(), "REAL"), world.clone());
    w = keys(w, &[Char('n'), Down, Down, Enter, Char('n'), Char('n'), Enter]);
    w.type_text("prod-eu");
    w = keys(w, &[Enter]);
    assert_eq!(*world.restored.lock().unwrap(), ["m1", "m3"]);
    assert_eq!(*world.placed.lock().unwrap(), [""; 0], "nothing is in place before all are proven");
    w = keys(w, &[Char('n')]);
    assert_eq!(w.model().step, Step::Restore, "Launch stays shut while a member is missing");
    world.failing.lock().unwrap().clear();
    w = keys(w, &[Char('t'), Char('n')]);
    assert_eq!(*world.restored.lock().unwrap(), ["m1", "m3", "m2"]);
    assert_eq!(*world.placed.lock().unwrap(), ["m1", "m2", "m3"]);
    assert_eq!(w.model().step, Step::Launch);
}

#[test]
fn a_restart_resumes_the_unfinished_runs_plan() {
    let world = Arc::new(MockSystem::default());
    world.failing.lock().unwrap().insert("m3".into());
    let mut w = Headless::new(Model::new(options(), "REAL"), world.clone());
    w = keys(w, &[Char('n'), Down, Down, Enter, Char('n'), Char('n'), Enter]);
    w.type_text("prod-eu");
    let plan = keys(w, &[Enter]).model().restore.plan.clone().unwrap();
    world.failing.lock().unwrap().clear();

    // The next morning, on another machine's clock: asked, and left; then gone on with.
    let mut w = Headless::new(Model::new(Options { label: None, ..options() }, "REAL"), world.clone());
    w = keys(w, &[Enter]);
    assert_eq!((w.model().step, w.model().overlay), (Step::Detect, None), "Enter alone leaves it");
    w = keys(w, &[Char('u'), Char('y')]);
    assert_eq!((w.model().step, w.model().review.plan.as_ref()), (Step::Review, Some(&plan)), "{}", w.screen(80, 24));
    w = keys(w, &[KeyCode::Esc]);
    assert_eq!(
        (w.model().step, w.model().review.plan.as_ref()),
        (Step::Detect, None),
        "a way back that changes nothing"
    );
    w = keys(w, &[Char('u'), Char('y'), Enter]);
    w.type_text("prod-eu");
    w = keys(w, &[Enter]);
    assert_eq!(*world.restored.lock().unwrap(), ["m1", "m2", "m3"], "m1 and m2 are not built again");
    assert!(w.model().restore.complete(), "{}", w.screen(80, 24));
    let again = Headless::new(Model::new(options(), "REAL"), world);
    assert!(again.model().unfinished.runs.is_empty(), "it is at its end");
    assert_eq!(again.model().unfinished.in_place(), Some(&plan), "and waits to be launched and verified");
}

#[test]
fn an_etcd_stops_only_by_agreed_commands() {
    let world = Arc::new(MockSystem::default());
    world.held.lock().unwrap().insert("/var/lib/etcd-new/m2.etcd".into());
    let mut w = Headless::new(Model::new(options(), "REAL"), world.clone());
    w = keys(w, &[Char('n'), Down, Down, Enter, Char('n'), Char('n'), Enter]);
    assert!(w.model().review.consent.is_empty());
    w.type_text("prod-eu");
    w = keys(w, &[Enter]);
    assert_eq!((w.model().step, world.restored.lock().unwrap().len()), (Step::Review, 0), "the label is no consent");
    w = keys(w, &[KeyCode::Esc, Enter]);
    w.type_text("stop");
    w = keys(w, &[Enter]);
    assert_eq!(w.model().prompt.as_ref().map(|prompt| prompt.ask.clone()), Some(Ask::Confirm), "{}", w.screen(80, 24));
    w.type_text("prod-eu");
    w = keys(w, &[Enter]);
    assert!(w.model().restore.complete(), "{}", w.screen(80, 24));
    let journals = world.journals.lock().unwrap();
    let journal = journals.iter().find(|(path, _)| path.starts_with("/root")).unwrap().1;
    let records = journal::verify(journal).unwrap();
    let consent = |text: &str| text.contains("kill -TERM 812") && text.contains("/var/lib/etcd-new/m2.etcd on local");
    assert!(records.iter().any(|record| consent(&record.text)), "{journal}");
}

#[test]
fn installed_members_are_rolled_back_by_label() {
    let world = Arc::new(MockSystem::default());
    let mut w = Headless::new(Model::new(options(), "REAL"), world.clone());
    w = keys(w, &[Char('n'), Down, Down, Enter, Char('n'), Char('n'), Enter]);
    w.type_text("prod-eu");
    w = keys(w, &[Enter, Char('u'), Enter]);
    assert_eq!(world.placed.lock().unwrap().len(), 3, "the key alone takes nothing back");
    w.type_text("prod-eu");
    w = keys(w, &[Enter]);
    assert_eq!(world.placed.lock().unwrap().len(), 0, "{}", w.screen(80, 24));
    assert!(!w.model().restore.complete(), "{}", w.screen(80, 24));
    w = keys(w, &[Char('n'), KeyCode::Esc, Char('n')]);
    assert_eq!(w.model().prompt.as_ref().map(|prompt| prompt.ask.clone()), Some(Ask::Confirm), "{}", w.screen(80, 24));
}

/// A host that claims something else than was planned is met before anything is put in place, whether it built that now or
/// an earlier run did.
#[test]
fn mismatched_reports_stop_before_installing() {
    let mut told = Vec::new();
    for built in [false, true] {
        let world = Arc::new(MockSystem::builder().lies().build());
        if built {
            world.restored.lock().unwrap().extend(["m1", "m2", "m3"].map(String::from));
        }
        world.answers.lock().unwrap().insert("m2".into());
        let mut w = Headless::new(Model::new(options(), "REAL"), world.clone());
        w = keys(w, &[Char('n'), Down, Down, Enter, Char('n'), Char('n'), Enter]);
        w.type_text("m2@10.0.0.2");
        w.press(Enter);
        w.type_text("its host is off the net");
        w.press(Enter);
        w.type_text("prod-eu");
        w = keys(w, &[Enter]);
        let screen = w.screen(120, 40);
        assert!(!w.model().restore.complete() && world.placed.lock().unwrap().is_empty(), "{screen}");
        let failed = w.model().restore.failed.as_ref().map(ToString::to_string);
        let said = failed.or(w.model().status.as_ref().map(|status| status.text.to_string()));
        let said = said.unwrap_or_else(|| panic!("{screen}"));
        told.push((if built { "built by an earlier run" } else { "built now" }, said));
    }
    messages::hold("wizard-built-otherwise", &told);
}

#[test]
fn the_journal_tells_every_screen_and_no_secret() {
    let secrets = ["hunter2", "s3cr3t-key"];
    let world = Arc::new(MockSystem::builder().kubernetes().unclear().build());
    world.answers.lock().unwrap().insert("m2".into());
    let mut endpoints = options().endpoints;
    endpoints.push(format!("https://root:{}@10.0.0.9:2379", secrets[0]));
    endpoints.push(format!("https://10.0.0.8:2379?token={}", secrets[1]));
    let mut w = Headless::new(Model::new(Options { endpoints, ..options() }, "REAL"), world.clone());
    w = keys(w, &[Char('n'), Down, Down, Enter, Char('n'), Char('n'), Enter]);
    w.type_text("m2@10.0.0.2");
    w.press(Enter);
    w.type_text("its host is off the net");
    w.press(Enter);
    w.type_text("prod-eu");
    w = keys(w, &[Enter]);
    assert!(w.model().restore.complete(), "{}", w.screen(80, 24));
    keys(w, &[Char('n'), Char('n')]);
    let journals = world.journals.lock().unwrap();
    let all: String = journals.values().cloned().collect();
    for secret in secrets {
        assert!(!all.contains(secret), "{secret} stands in a journal");
    }
    let journal = journals.iter().find(|(path, _)| path.starts_with("/root")).unwrap().1;
    let records = journal::verify(journal).unwrap();
    assert_eq!(records.last().unwrap().kind, Event::Proof, "what came of it is kept, too");
    let decided: Vec<&str> = records
        .iter()
        .take_while(|r| r.kind != Event::Begun)
        .map(|r| {
            assert_eq!(r.kind, Event::Decided, "{r:?}");
            r.text.as_str()
        })
        .collect();
    for words in [
        "Detect: Quorum appears lost",
        "Snapshot: /backup/etcd-0200.db is restored, revision 83,799",
        "412 revisions",
        "Members: m1, m2 and m3",
        "a revision bump of 1,000,000,000",
        "Review: local: ready",
        "override m2@10.0.0.2 was typed: its host is off the net",
        "The label prod-eu was typed",
    ] {
        assert!(decided.iter().any(|text| text.contains(words)), "{words:?} is not in {decided:#?}");
    }
}
