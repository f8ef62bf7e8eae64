//! `--look`: whatever is pressed, nothing is written. Walked on the real machine's files, with a directory compared before
//! and after.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use requorum::{
    system::{etcd_client::Members, local::Local},
    tui::{Headless, Model, Msg, Options, Step, keymap::TABLE},
};

use crate::support::{fixture, piped, requorum, said, succeed};

/// Everything below a directory: sizes and times of change.
fn tree(dir: &Path) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let mut out = BTreeMap::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let entry = entry.unwrap();
            let data = entry.metadata().unwrap();
            if data.is_dir() {
                open.push(entry.path());
            }
            out.insert(entry.path(), (data.len(), data.modified().unwrap()));
        }
    }
    out
}

/// A plan of three members of this machine, whose snapshot is here, in `dir`.
fn plan(dir: &Path) -> PathBuf {
    fs::copy(fixture("3.6.14-multipeer.db"), dir.join("backup.db")).unwrap();
    let mut command =
        requorum(["plan", "--snapshot", "backup.db", "--data-root", "new", "--label", "prod", "-o", "plan.yaml"]);
    succeed(command.current_dir(dir));
    dir.join("plan.yaml")
}

fn wizard(dir: &Path, look_only: bool) -> Headless {
    let text = fs::read_to_string(dir.join("plan.yaml")).unwrap();
    let options = Options {
        places: vec![dir.to_path_buf()],
        label: Some("prod".into()),
        base_dir: dir.join("new"),
        here: dir.to_path_buf(),
        journals: dir.join("state"),
        plan: Some(requorum::domain::model::plan_yaml::from_yaml(&text).unwrap()),
        look_only,
        ..Options::default()
    };
    let system = Local::new(Members::new(Default::default()).unwrap());
    Headless::new(Model::new(options, "REAL"), Arc::new(system))
}

fn to_review(wizard: &mut Headless) {
    for _ in 0..3 {
        wizard.press(KeyCode::Char('n'));
    }
    assert_eq!(wizard.model().step, Step::Review, "{}", wizard.screen(100, 40));
}

#[test]
fn no_key_writes_anything() {
    let home = tempfile::tempdir().unwrap();
    plan(home.path());
    let before = tree(home.path());
    let mut wizard = wizard(home.path(), true);
    assert!(wizard.screen(80, 24).contains("LOOK ONLY"));
    let keys: Vec<KeyEvent> = TABLE
        .iter()
        .flat_map(|binding| binding.keys)
        .map(|chord| chord.event())
        // what ends or stops the walk
        .filter(|key| key.code != KeyCode::Char('q') && !key.modifiers.contains(KeyModifiers::CONTROL))
        .collect();
    let mut reached = vec![];
    for step in 0..4 {
        for key in &keys {
            // each from the step itself, and Enter, y and the label into whatever it opened
            wizard.press(KeyCode::Esc);
            wizard.press(KeyCode::Esc);
            for _ in 0..step {
                wizard.press(KeyCode::Char('n'));
            }
            reached.push(wizard.model().step);
            wizard.send(Msg::Key(*key));
            wizard.type_text("prod");
            wizard.press(KeyCode::Enter);
            wizard.press(KeyCode::Char('y'));
            wizard.press(KeyCode::Enter);
        }
    }
    assert!(reached.contains(&Step::Members), "{reached:?}");
    assert_eq!(tree(home.path()), before);
    assert!(wizard.model().written.is_empty());
}

#[test]
fn review_is_the_end_of_the_way() {
    let home = tempfile::tempdir().unwrap();
    plan(home.path());
    let before = tree(home.path());
    let mut looks = wizard(home.path(), true);
    to_review(&mut looks);
    for key in ['d', 's', 'c', 'n', 'p'] {
        looks.press(KeyCode::Char(key));
        assert!(looks.model().prompt.is_none() && looks.model().overlay.is_none(), "{key}: {}", looks.screen(100, 40));
        assert!(looks.model().status.is_some(), "{key} says why not");
    }
    looks.press(KeyCode::Enter);
    looks.type_text("prod");
    looks.press(KeyCode::Enter);
    assert_eq!((looks.model().step, tree(home.path())), (Step::Review, before));
    // the same keys without it
    let mut writes = wizard(home.path(), false);
    to_review(&mut writes);
    writes.press(KeyCode::Enter);
    writes.type_text("prod");
    writes.press(KeyCode::Enter);
    assert!(home.path().join("new/m1.etcd/member").is_dir(), "{}", writes.screen(100, 40));
}

/// The program itself, with the same lines that restore without `--look`.
#[test]
fn the_program_looks_only() {
    let home = tempfile::tempdir().unwrap();
    plan(home.path());
    let before = tree(home.path());
    let state = tempfile::tempdir().unwrap();
    let run = |flags: &[&str]| {
        let mut command = requorum(["--plain", "--plan", "plan.yaml", "--snapshots", "."]);
        command.args(flags).current_dir(home.path()).env("XDG_STATE_HOME", state.path());
        piped(&mut command, "n\nn\nn\nenter\nprod\n\ns\n\nq\ny\n")
    };
    let output = run(&["--look"]);
    assert!(output.status.success() && said(&output).contains("LOOK ONLY"), "{}", said(&output));
    assert_eq!((tree(home.path()), fs::read_dir(state.path()).unwrap().count()), (before, 0));
    assert!(run(&[]).status.success());
    assert!(home.path().join("new/m3.etcd/member").is_dir());
}
