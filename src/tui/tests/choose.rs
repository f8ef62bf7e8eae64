//! The Snapshot step's background: directories are looked at before they are read, what an etcd holds is left alone,
//! whole files are glanced at in pairs, a comparison can be stopped.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::tui::{
    app::{Model, update},
    messages::{Effect, Msg},
    tests::{file, with_file},
};
use crate::{
    domain::{
        model::{
            observations::{
                Answer, FileFacts, Hashed, Health, MachineFacts, MemberStatus,
                disk::{DataDirState, DirFacts, DirState, Held},
            },
            source_ref::Download,
        },
        quorum::act::Act,
        sources::{
            data_loss::{Difference, History},
            ranking::{Place, SourceState},
        },
    },
    error::{Error, ErrorKind},
    etcd::membership::Id,
};

fn press(model: &mut Model, c: char) -> Vec<Effect> {
    update(model, Msg::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)))
}

pub(super) fn dir(data_dir: &str, database: FileFacts, held: Held) -> DirFacts {
    let says = DataDirState {
        cluster_id: Id(9),
        member_id: Id(1),
        term: 2,
        vote: Id(0),
        commit: 40,
        first_index: 1,
        last_index: 50,
        last_term: 2,
        torn: None,
        snap_index: 0,
        consistent_index: 40,
        consistent_term: None,
        writes_beyond: None,
        revision: 80,
        database,
        received_db: None,
        members: Vec::new(),
        v2_keys: 0,
        etcd: None,
        written: None,
        warnings: Vec::new(),
    };
    let state = DirState::Whole(Box::new(says));
    DirFacts { data_dir: data_dir.into(), wal_dir: None, learned_from: String::new(), held, state }
}

/// What was found on this machine, told after the step was entered.
fn found_around(model: &mut Model, dirs: Vec<DirFacts>) -> Vec<Effect> {
    let Effect::LookAround { id, .. } = crate::tui::steps::detect::look_around(model) else { panic!() };
    update(model, Msg::LookedAround { id, around: MachineFacts { dirs, ..MachineFacts::default() } })
}

#[test]
fn configured_directories_are_inspected_then_read() {
    let mut model = with_file(Health::Verified);
    // a database that a leader sent is the one that counts
    let sent = FileFacts { path: "/var/lib/etcd/member/snap/1f.snap.db".into(), ..file("x", Health::Unread) };
    let effects = found_around(&mut model, vec![dir("/var/lib/etcd", sent.clone(), Held::No)]);
    let [Effect::Inspect { id, path }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(path, &sent.path);
    let read = FileFacts { path: sent.path.clone(), ..file("x", Health::Unhashed) };
    let effects = update(&mut model, Msg::Inspected { id: *id, result: Ok(read) });
    let [Effect::Relate { id, files }] = &effects[..] else { panic!("{effects:?}") };
    assert!(files.contains(&sent.path) && files.contains(&PathBuf::from("/backup/a.db")), "{files:?}");
    let same = History::Same { rows: 9, until: 80 };
    assert_eq!(update(&mut model, Msg::Related { id: *id, result: Ok(same) }), [], "no pair is left");
    let source = model.snapshot.list.get(&Place::File(sent.path)).unwrap();
    assert_eq!((source.name.as_str(), source.loss.cell()), ("/var/lib/etcd, data dir", "≥ 10".into()));
}

#[test]
fn an_object_is_fetched_before_it_is_read() {
    let mut model = with_file(Health::Verified);
    let id = model.id();
    model.snapshot.searching.push((id, "s3://backups/prod".into()));
    let object = FileFacts { path: "s3://backups/prod/etcd.db".into(), content: None, ..file("x", Health::Unread) };
    assert_eq!(update(&mut model, Msg::Found { id, result: Ok(vec![object.clone()]) }), [], "it is not read from afar");
    model.snapshot.select(Place::File(object.path));
    let enter = || Msg::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
    assert_eq!(update(&mut model, enter()), []);
    let effects = update(&mut model, enter());
    let [Effect::Save { id, from: Download::Object(url), into, makes_dir: true }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert!(url.as_str() == "s3://backups/prod/etcd.db" && into.ends_with("etcd.db"), "{into:?}");
    let fetched = FileFacts { path: into.clone(), ..file("x", Health::Verified) };
    update(&mut model, Msg::Saved { id: *id, result: Ok(fetched) });
    assert_eq!(model.snapshot.chosen.as_ref(), Some(into));
}

#[test]
fn a_database_in_use_is_not_read() {
    let mut model = with_file(Health::Verified);
    let database = FileFacts { path: "/var/lib/etcd/member/snap/db".into(), ..file("x", Health::Unread) };
    let held = Held::By { pid: Some(812), program: "etcd".into() };
    assert_eq!(found_around(&mut model, vec![dir("/var/lib/etcd", database.clone(), held)]), []);
    let source = model.snapshot.list.get(&Place::File(database.path)).unwrap();
    assert!(matches!(source.standing, SourceState::Held(_)), "{source:?}");
}

#[test]
fn a_comparison_is_begun_stopped_and_shown() {
    let mut model = with_file(Health::Verified);
    assert_eq!(press(&mut model, 'd'), [], "there is nothing to compare it with");
    let id = model.id();
    model.snapshot.searching.push((id, "/other".into()));
    let effects = update(&mut model, Msg::Found { id, result: Ok(vec![file("b.db", Health::Unread)]) });
    let [Effect::Inspect { id, .. }] = &effects[..] else { panic!("{effects:?}") };
    update(&mut model, Msg::Inspected { id: *id, result: Ok(file("b.db", Health::Verified)) });
    let effects = press(&mut model, 'd');
    let [Effect::Compare { id, files }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(files, &["/backup/a.db", "/backup/b.db"].map(PathBuf::from));
    let id = *id;
    assert_eq!(press(&mut model, 'c'), [Effect::Cancel { id }]);
    let mut stopped = model.clone();
    update(&mut stopped, Msg::Compared { id, result: Err(Error::new(ErrorKind::Stopped, "stopped")) });
    assert!(stopped.snapshot.comparing.is_none() && stopped.snapshot.compared.is_empty());
    let history = History::Same { rows: 9, until: 80 };
    let lost = [("deployments".to_string(), 3)].into();
    let difference = Difference { history, newer: 90, older: 80, seconds: None, lost, back: 0 };
    update(&mut model, Msg::Compared { id, result: Ok((difference, false)) });
    let shown = [("b.db instead of a.db", crate::tui::headless::screen(&model, 120, 40))];
    crate::text::messages::hold("tui-snapshot-compared", &shown);
}

#[test]
fn survivors_with_different_data_are_not_proposed() {
    let mut model = with_file(Health::Verified);
    let answer = |n: u64, hash| {
        let hash = Hashed::Says { hash, revision: 99, compacted: 50 };
        Answer::Says(Box::new(MemberStatus {
            cluster_id: Id(9),
            member_id: Id(n),
            revision: 100,
            hash,
            ..MemberStatus::default()
        }))
    };
    for (hash, differ) in [(7, false), (8, true)] {
        model.detect.rows[0].facts.answer = answer(2, 7);
        model.detect.rows[1].facts.answer = answer(3, hash);
        crate::tui::steps::snapshot::relist(&mut model);
        let list = &model.snapshot.list;
        assert_eq!((list.pick.is_none(), list.differing.is_some()), (differ, differ), "{list:#?}");
        assert_eq!(list.sources.iter().filter(|s| s.disagrees).count(), if differ { 2 } else { 0 });
    }
    let shown = [("two survivors", crate::tui::headless::screen(&model, 120, 40))];
    crate::text::messages::hold("tui-snapshot-differing", &shown);
}

#[test]
fn a_key_says_which_cluster_is_meant() {
    let (mut model, effects) = crate::tui::tests::started();
    for effect in effects {
        if let Effect::Ask { id, .. } = effect {
            update(&mut model, Msg::Answered { id, answer: crate::tui::tests::silent() });
        }
    }
    press(&mut model, 'c');
    assert!(model.detect.meant.is_none(), "there is nothing to choose from");
    let of = |path: &str, cluster: u64| {
        let database = FileFacts { path: format!("{path}/member/snap/db").into(), ..file("x", Health::Unread) };
        let mut found = dir(path, database, Held::By { pid: Some(8), program: "etcd".into() });
        found.learned_from = "process 8".into();
        if let DirState::Whole(says) = &mut found.state {
            says.cluster_id = Id(cluster);
        }
        found
    };
    found_around(&mut model, vec![of("/srv/main", 9), of("/srv/events", 4)]);
    let finding = model.detect.finding();
    assert!(!finding.advice.iter().any(|line| matches!(line.act, Act::Held | Act::AskHeld)), "{:?}", finding.advice);
    assert!(model.detect.scope().id().is_none() && model.detect.scope().open().is_some());
    let shown = [("two clusters", crate::tui::headless::screen(&model, 120, 40))];
    crate::text::messages::hold("tui-detect-clusters", &shown);
    let mut chosen = Vec::new();
    for _ in 0..3 {
        press(&mut model, 'c');
        chosen.push(model.detect.scope().id());
    }
    assert_eq!(chosen, [Some(Id(4)), Some(Id(9)), None]);
    press(&mut model, 'c');
    press(&mut model, 'n');
    let relation = |model: &Model, path: &str| {
        model.snapshot.list.get(&Place::File(format!("{path}/member/snap/db").into())).unwrap().relation.clone()
    };
    assert!(relation(&model, "/srv/events").ours());
    assert!(matches!(relation(&model, "/srv/main"), crate::domain::sources::cluster_match::Relation::Other(_)));
}
