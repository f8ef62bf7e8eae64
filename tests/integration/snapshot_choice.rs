//! Choosing among real files: a survivor that answers, its directory in use, backups of the same history, an archive,

//! and a stranger. And what the command line says between two of them.

use std::{fs, io::Write, os::fd::AsFd, sync::Arc};

use crate::support::{fixture, requorum, succeed};
use crossterm::event::KeyCode::{Char, Enter};
use requorum::{
    domain::sources::{
        cluster_match::Relation,
        data_loss::{History, Lost},
        ranking::{Place, Source, SourceState},
    },
    drill::{lab::Lab, scenario},
    system::{System, etcd_client::Members, local::Local},
    tui::{Headless, Model, Options},
};

fn source<'a>(wizard: &'a Headless, end: &str) -> &'a Source {
    let sources = &wizard.model().snapshot.list.sources;
    let ends = |s: &&Source| matches!(&s.place, Place::File(path) if path.to_string_lossy().ends_with(end));
    sources.iter().find(ends).unwrap_or_else(|| panic!("{end} is not in {sources:#?}"))
}

/// The made cluster: m2 answers, and its directory `m2.etcd` is there.
fn practice() -> (Lab, Arc<dyn System>, Options) {
    let range = Lab::build(scenario::library::find(scenario::library::FIRST, None).unwrap()).unwrap();
    let members = Members::new(Default::default()).unwrap();
    let world = Local::new(members.without_guesses()).below(range.root().into()).within(range.root().into());
    let options = Options {
        endpoints: range.endpoints(),
        places: range.places(),
        label: Some("prod-eu".into()),
        base_dir: range.base_dir(),
        here: range.root().into(),
        ..Options::default()
    };
    (range, Arc::new(world), options)
}

#[test]
fn every_source_is_listed_with_its_evidence() {
    let (range, world, options) = practice();
    let backup = range.root().join("backup");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&fs::read(backup.join("etcd-0200.db")).unwrap()).unwrap();
    fs::write(backup.join("etcd-0200.db.gz"), gz.finish().unwrap()).unwrap();
    fs::copy(fixture("seed-3.6.14.db"), backup.join("stranger.db")).unwrap();
    let m2 = range.root().join("old/m2.etcd/member/snap/db");
    let mut wizard = Headless::new(Model::new(options, "DRILL"), world);
    wizard.press(Char('n'));

    let dir = source(&wizard, "m2.etcd/member/snap/db");
    assert!(matches!(&dir.relation, Relation::Same(_)), "{dir:#?}");
    assert_eq!((dir.revision, dir.standing.clone()), (Some(274), SourceState::Sound));
    let backup = source(&wizard, "etcd-0200.db");
    assert!(matches!(&backup.relation, Relation::Same(_)), "by its rows: {backup:#?}");
    // one survivor of three: the two that are gone may have acknowledged more
    assert_eq!((backup.loss.lost(), backup.loss.seconds.map(|s| s / 60)), (Lost::AtLeast(34), Some(72)));
    let stranger = source(&wizard, "stranger.db");
    assert!(matches!(&stranger.relation, Relation::Other(_)), "{stranger:#?}");
    assert!(matches!(&source(&wizard, "db.gz").standing, SourceState::Packed(why) if why.contains("gunzip -k")));
    assert!(matches!(source(&wizard, "0100.db.part").standing, SourceState::Broken(_)));
    let list = &wizard.model().snapshot.list;
    assert!(matches!(&list.pick, Some(Place::Member(_))), "the survivor is proposed: {list:#?}");

    // its own snapshot, saved, has the history of its directory
    wizard.press(Enter);
    wizard.press(Enter);
    let saved = wizard.model().snapshot.chosen.clone().expect("what was saved is chosen");
    let kin = &wizard.model().snapshot.kin;
    let of_both = kin.iter().find(|k| k.files.contains(&saved) && k.files.contains(&m2));
    assert!(matches!(of_both.map(|k| k.history), Some(History::Same { until: 274, .. })), "{kin:?}");

    // the ledger, on demand
    let names = |w: &Headless| w.model().snapshot.list.sources.iter().map(|s| s.name.clone()).collect::<Vec<_>>();
    let newest = saved.file_name().unwrap().to_string_lossy().into_owned();
    for picked in [newest.as_str(), "etcd-0200.db"] {
        for _ in 0..names(&wizard).len() {
            wizard.press(Char('k'));
        }
        let to = names(&wizard).iter().position(|name| name.ends_with(picked)).unwrap();
        for _ in 0..to {
            wizard.press(Char('j'));
        }
        wizard.press(Char('d'));
    }
    let compared = &wizard.model().snapshot.compared;
    let older = compared.iter().find(|pair| pair.older.ends_with("etcd-0200.db"));
    let difference = &older.unwrap_or_else(|| panic!("{compared:?}")).difference;
    assert_eq!((difference.newer - difference.older, difference.seconds.map(|s| s / 60)), (34, Some(72)));
    assert!(difference.lost.keys().any(|kind| kind.starts_with("deployment")), "{difference:?}");
}

#[test]
fn a_directory_in_use_is_listed_and_refused() {
    let (range, world, options) = practice();
    let db = fs::File::open(range.root().join("old/m2.etcd/member/snap/db")).unwrap();
    rustix::fs::flock(db.as_fd(), rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let mut wizard = Headless::new(Model::new(options, "DRILL"), world);
    wizard.press(Char('n'));
    let dir = source(&wizard, "m2.etcd/member/snap/db");
    assert!(matches!(&dir.standing, SourceState::Held(_)), "{dir:#?}");
    let at = wizard.model().snapshot.list.sources.iter().position(|s| s == dir).unwrap();
    for _ in 0..at {
        wizard.press(Char('j'));
    }
    wizard.press(Enter);
    assert_eq!(wizard.model().snapshot.chosen, None);
}

#[test]
fn compare_ends_with_the_older_ones_loss() {
    let (range, ..) = practice();
    let [old, new] = ["backup/etcd-0200.db", "old/m2.etcd"].map(|name| range.root().join(name));
    for files in [[&old, &new], [&new, &old]] {
        let said = succeed(requorum(["snapshot", "compare"]).args(files));
        let line = said.lines().last().unwrap_or_default();
        let begins = format!("choosing {} instead of {} loses 34 writes, ", old.display(), new.display());
        assert!(line.starts_with(&begins), "{said}");
    }
    let lines = succeed(requorum(["snapshot", "compare", "-w", "json"]).args([&new, &old]));
    let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap_or_default()).unwrap();
    assert_eq!((&last["loss"]["loses"]["newer"], &last["loss"]["loses"]["older"]), (&274.into(), &240.into()));
    assert_eq!(last["loss"]["loses"]["history"]["is"], "same");
}
