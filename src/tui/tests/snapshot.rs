//! Files that are found, read, chosen, opened and saved.

use super::*;
use crate::domain::model::{
    observations::{DamagedPart, LimitedDamage},
    source_ref::Download,
};

#[test]
fn files_are_read_one_after_another() {
    let mut model = lost();
    let effects = char(&mut model, 'n');
    let [Effect::Find { id, .. }, ..] = &effects[..] else { panic!("{effects:?}") };
    let files = vec![file("a.db", Health::Unread), file("b.db", Health::Unread)];
    let effects = send(&mut model, Msg::Found { id: *id, result: Ok(files) });
    let [Effect::Inspect { id, path }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(path, &PathBuf::from("/backup/a.db"));
    let broken = Err(Error::new(ErrorKind::Failed, "read error"));
    let effects = send(&mut model, Msg::Inspected { id: *id, result: broken });
    assert!(matches!(&effects[..], [Effect::Inspect { path, .. }] if path.ends_with("b.db")), "{effects:?}");
    assert!(matches!(&model.snapshot.files[0].health, Health::Broken(why) if why == "read error"));
}

#[test]
fn opened_files_are_selected_empty_places_named() {
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
    assert_eq!(empty.snapshot.empty, [PathBuf::from("/root/sub/b.db")]);
    crate::text::messages::hold("tui-snapshot-empty", &[("a place without a file", screen(&empty, 80, 24))]);
}

#[test]
fn only_sound_or_accepted_files_are_chosen() {
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
            assert!(refused(&model), "{}", said(&model));
        }
    }
}

#[test]
fn a_damaged_file_is_chosen_once_accepted() {
    let parts = vec![DamagedPart::NewerMetaPage];
    let mut asked = Vec::new();
    for hashed in [true, false] {
        let damage = LimitedDamage { parts: parts.clone(), revision: 90, hashed, why: "a page is torn".into() };
        let mut model = with_file(Health::Limited(damage));
        press(&mut model, KeyCode::Enter);
        assert_eq!((model.overlay, model.snapshot.chosen.is_some()), (Some(Overlay::Unhashed), false));
        let (title, words) = crate::tui::views::questions::accept_words(&model);
        asked.push((if hashed { "hashed" } else { "not hashed" }, format!("{title}\n{}", words.join("\n"))));
        char(&mut model, 'y');
        assert!(model.snapshot.chosen.is_some());
        char(&mut model, 'n');
        char(&mut model, 'n');
        let plan = model.review.plan.as_ref().unwrap_or_else(|| panic!("{}", said(&model)));
        assert_eq!((plan.options.accept_damage, plan.source.skip_hash_check), (Some(90), !hashed));
    }
    crate::text::messages::hold("tui-snapshot-damaged", &asked);
}

#[test]
fn a_saved_snapshot_is_chosen_unless_it_failed() {
    let mut model = with_file(Health::Verified);
    press(&mut model, KeyCode::Up);
    press(&mut model, KeyCode::Enter);
    let effects = press(&mut model, KeyCode::Enter);
    let [Effect::Save { id, from, into, makes_dir: true }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(from, &Download::Member("http://10.0.0.2:2379".into()));
    assert!(into.to_string_lossy().starts_with("/new/prod-m2-20261122-0312"), "{into:?}");
    let (id, into) = (*id, into.clone());
    char(&mut model, 'n');
    assert_eq!(model.step, Step::Snapshot, "Next waits for the saving");
    // what was received would be removed: that is asked first, and no is the answer of every key but one
    for no in [KeyCode::Enter, KeyCode::Esc, KeyCode::Char('n')] {
        assert_eq!(char(&mut model, 'c'), []);
        assert_eq!(model.overlay, Some(Overlay::Sure(Action::StopWork)));
        assert_eq!(press(&mut model, no), []);
        assert_eq!(model.overlay, None);
    }
    char(&mut model, 'c');
    assert_eq!(char(&mut model, 'y'), [Effect::Cancel { id }]);
    let mut failed = model.clone();
    send(&mut failed, Msg::Saved { id, result: Err(Error::new(ErrorKind::Failed, "no space")) });
    assert_eq!((failed.snapshot.files.len(), failed.snapshot.chosen.clone()), (1, None));
    assert!(refused(&failed), "{}", said(&failed));
    crate::text::messages::hold("tui-snapshot-not-saved", &[("no space", said(&failed).to_string())]);
    let saved = FileFacts { path: into.clone(), ..file("x", Health::Verified) };
    send(&mut model, Msg::Saved { id, result: Ok(saved) });
    assert_eq!(model.snapshot.chosen, Some(into));
}

#[test]
fn saved_snapshots_are_found_again_restored_ones_not() {
    let mut model = lost();
    let effects = char(&mut model, 'n');
    let [Effect::Find { .. }, Effect::Find { id, places }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(places, &[PathBuf::from("/new")], "where snapshots are saved");
    let mut absent = model.clone();
    send(&mut absent, Msg::Found { id: *id, result: Err(Error::new(ErrorKind::Input, "/new is not there")) });
    assert!(absent.snapshot.unsearched.is_empty(), "it is made with the first snapshot");
    send(&mut absent, Msg::Found { id: *id, result: Ok(Vec::new()) });
    assert!(absent.snapshot.unsearched.is_empty() && absent.snapshot.empty.is_empty());
    let at = |path: &str| FileFacts { path: path.into(), ..file("x", Health::Unread) };
    let found = vec![at("/new/prod-20261122-0312.db"), at("/new/m1.etcd/member/snap/db")];
    let effects = send(&mut model, Msg::Found { id: *id, result: Ok(found) });
    assert!(!effects.iter().any(|e| matches!(e, Effect::Look { .. })), "{effects:?}");
    let paths: Vec<_> = model.snapshot.files.iter().map(|f| f.path.display().to_string()).collect();
    assert_eq!(paths, ["/new/prod-20261122-0312.db"]);
}

#[test]
fn the_journals_source_is_known_after_restarting() {
    let plan = at_review().review.plan.unwrap();
    let of = |label: &str, url: &str, path: &str| {
        let mut plan = plan.clone();
        (plan.label, plan.source.path) = (label.into(), path.into());
        plan.members.iter_mut().for_each(|m| m.client_urls = vec![url.into()]);
        (PathBuf::from(format!("/state/{label}.journal")), Ok(vec![begun_record(&plan, "InPlace")]))
    };
    let (ours, theirs) = ("10.0.0.1:2379", "http://10.9.9.9:2379");
    let found = || {
        vec![
            of("prod", theirs, "/saved/by-label.db"),
            of("old-name", ours, "/saved/by-url.db"),
            of("staging", theirs, "/saved/other.db"),
            of("here", ours, "/new/in-data-root.db"),
        ]
    };
    let searched = |effects: &[Effect]| -> Vec<String> {
        let place = |e: &Effect| match e {
            Effect::Find { places, .. } => places.first().map(|p| p.display().to_string()),
            _ => None,
        };
        effects.iter().filter_map(place).collect()
    };
    let (mut model, effects) = started();
    let id = effects.iter().find_map(|e| match e {
        Effect::Journals { id, .. } => Some(*id),
        _ => None,
    });
    for (id, _) in asks(&effects) {
        send(&mut model, Msg::Answered { id, answer: silent() });
    }
    let mut late = model.clone();
    assert_eq!(send(&mut model, Msg::Journals { id: id.unwrap(), found: found() }), []);
    press(&mut model, KeyCode::Esc);
    let effects = char(&mut model, 'n');
    let wanted = ["/backup", "/new", "/saved/by-url.db", "/saved/by-label.db"];
    let sorted = |mut places: Vec<String>| {
        places.sort();
        places
    };
    assert_eq!(sorted(searched(&effects)), sorted(wanted.map(String::from).to_vec()));
    // the journals may be read only after the step was entered
    char(&mut late, 'n');
    let effects = send(&mut late, Msg::Journals { id: id.unwrap(), found: found() });
    assert!(searched(&effects).contains(&"/saved/by-label.db".to_string()), "{effects:?}");
    // what is there is listed with its plan; what is gone is said with the revision that it had
    let id_of = |model: &Model, path: &str| model.snapshot.searching.iter().find(|(_, p)| p.ends_with(path)).unwrap().0;
    let there = FileFacts { path: "/saved/by-label.db".into(), ..file("x", Health::Verified) };
    let (here, gone) = (id_of(&model, "by-label.db"), id_of(&model, "by-url.db"));
    send(&mut model, Msg::Found { id: here, result: Ok(vec![there]) });
    send(&mut model, Msg::Found { id: gone, result: Err(Error::new(ErrorKind::Input, "no such file")) });
    assert_eq!(model.snapshot.unsearched.len(), 1, "{:?}", model.snapshot);
    crate::text::messages::hold("tui-snapshot-known", &[("one is there, one is gone", screen(&model, 120, 40))]);
}
