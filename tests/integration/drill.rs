//! The practice cluster as a newcomer meets it: it plays by itself, everything is back, and nothing

//! outside its directory was touched.

use std::fs;

use crate::support::{messages, names, requorum, said, succeed};

#[test]
fn the_drill_plays_by_itself_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let kept = tempfile::tempdir().unwrap();
    let debrief = kept.path().join("how it went.json");
    let mut drill = requorum(["drill", "--play", "--debrief"]);
    drill.arg(&debrief).env_clear().env("TMPDIR", temporary.path());
    let said = succeed(drill.current_dir(home.path()));
    assert!(said.contains("--initial-cluster-state=existing") && said.contains("cluster_id:"), "{said}");
    assert!(names(home.path()).is_empty() && names(temporary.path()).is_empty());
    let debrief: serde_json::Value = serde_json::from_slice(&fs::read(&debrief).unwrap()).unwrap();
    assert_eq!((&debrief["passed"], &debrief["proven"]), (&true.into(), &false.into()), "{debrief:#}");
    let met = debrief["objectives"].as_array().unwrap();
    assert!(!met.is_empty() && met.iter().all(|objective| objective["met"] == true), "{debrief:#}");
}

#[test]
fn without_a_terminal_the_wizard_names_alternatives() {
    let mut told = Vec::new();
    for arguments in [&["drill"][..], &[]] {
        let output = requorum(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        told.push((if arguments.is_empty() { "the wizard" } else { "a drill" }, said.into_owned()));
        assert!(!output.stdout.contains(&0x1b), "escape codes were written to a pipe");
    }
    messages::hold("cli-no-terminal", &told);
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
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = requorum(&["drill", "new", "game-day"]);
    assert_eq!(code, Some(1), "{said}");
    let mut told = vec![("it is there", said)];
    let (code, said) = requorum(&["drill", "new", "Game Day"]);
    assert_eq!(code, Some(1), "{said}");
    told.push(("no name", said));

    // a team's own directory, and a slip in it
    let (code, said) = requorum(&["drill", "check", "game-day", "--dir", "."]);
    assert_eq!(code, Some(0), "{said}");
    let path = dir.path().join("game-day.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("choose m2.etcd, next]", "choose etcd-0200.db, next]")).unwrap();
    let (code, said) = requorum(&["drill", "check", "game-day.yaml"]);
    assert_eq!(code, Some(1), "{said}");
    told.push(("a slip in the path", said));
    messages::hold("cli-drill-template", &told);
}
