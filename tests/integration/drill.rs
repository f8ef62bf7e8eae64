//! The practice cluster as a newcomer meets it: it plays by itself, everything is back, and nothing

//! outside its directory was touched.

use std::fs;

use crate::support::{names, requorum, said, succeed};

#[test]
fn the_drill_plays_by_itself_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let kept = tempfile::tempdir().unwrap();
    let debrief = kept.path().join("how it went.md");
    let mut drill = requorum(["drill", "--play", "--debrief"]);
    drill.arg(&debrief).env_clear().env("TMPDIR", temporary.path());
    let said = succeed(drill.current_dir(home.path()));
    for expected in [
        "1 of 3 voting",
        "answers and knows no leader; 2 are needed",
        "[6 of 8]",
        "The first night: passed",
        "DRILL",
        "cluster_id:",
        "--initial-cluster-state=existing",
        "119 of 119 keys are back",
        "simulated",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in:\n{said}");
    }
    assert!(names(home.path()).is_empty() && names(temporary.path()).is_empty());
    assert!(fs::read_to_string(&debrief).unwrap().contains("The first night: passed"));
}

#[test]
fn without_a_terminal_the_wizard_names_alternatives() {
    for arguments in [&["drill"][..], &[]] {
        let output = requorum(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("needs a terminal") && said.contains("requorum drill --play"), "{said}");
        assert!(!output.stdout.contains(&0x1b), "escape codes were written to a pipe");
    }
}

#[test]
fn a_template_is_written_once_and_proves_sound() {
    let dir = tempfile::tempdir().unwrap();
    let requorum = |args: &[&str]| {
        let output = requorum(args).current_dir(dir.path()).output().unwrap();
        (output.status.code(), said(&output))
    };
    let (code, said) = requorum(&["drill", "new", "game-day"]);
    assert!(code == Some(0) && said.contains("game-day.yaml"), "{said}");
    let (code, said) = requorum(&["drill", "check", "game-day.yaml"]);
    assert!(code == Some(0) && said.contains("game-day: sound"), "{said}");
    let (code, said) = requorum(&["drill", "new", "game-day"]);
    assert!(code == Some(1) && said.contains("file exists"), "{said}");
    let (code, said) = requorum(&["drill", "new", "Game Day"]);
    assert!(code == Some(1) && said.contains("lowercase letters"), "{said}");

    // a team's own directory, and a slip in it
    let (code, said) = requorum(&["drill", "check", "game-day", "--dir", "."]);
    assert_eq!(code, Some(0), "{said}");
    let path = dir.path().join("game-day.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("choose m2.etcd, next]", "choose etcd-0200.db, next]")).unwrap();
    let (code, said) = requorum(&["drill", "check", "game-day.yaml"]);
    assert!(code == Some(1) && said.contains("the expert's path does not pass"), "{said}");
}
