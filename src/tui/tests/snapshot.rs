//! Files that are found, read, chosen, opened and saved.

use super::*;
use crate::plan::facts::{DamagedPart, LimitedDamage};

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
fn a_damaged_file_is_taken_once_that_is_accepted() {
    let parts = vec![DamagedPart::NewerMetaPage];
    for hashed in [true, false] {
        let damage = LimitedDamage { parts: parts.clone(), revision: 90, hashed, why: "a page is torn".into() };
        let mut model = with_file(Health::Limited(damage));
        press(&mut model, KeyCode::Enter);
        assert_eq!((model.overlay, model.snapshot.chosen.is_some()), (Some(Overlay::Unhashed), false));
        let (title, words) = crate::tui::steps::snapshot::asked(&model);
        let words = words.join(" ");
        assert!(title.contains("damaged") && words.contains("a page is torn"), "{title}: {words}");
        assert!(words.contains("accept_damage: 90") && words.contains("skip_hash_check") != hashed, "{words}");
        char(&mut model, 'y');
        assert!(model.snapshot.chosen.is_some());
        char(&mut model, 'n');
        char(&mut model, 'n');
        let plan = model.review.plan.as_ref().unwrap_or_else(|| panic!("{}", said(&model)));
        assert_eq!((plan.options.accept_damage, plan.source.skip_hash_check), (Some(90), !hashed));
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
