//! Three drills from the prompt to the debrief, with keystrokes in a pseudo-terminal: what only the whole program on a

//! terminal can show.

use crate::support::{PROGRAM, names, pty::Pty};

/// `requorum drill ARGS` in a terminal, with its state in `home`.
fn drill(home: &tempfile::TempDir, args: &[&str]) -> Pty {
    let mut command = vec![PROGRAM, "drill"];
    command.extend(args);
    let path = home.path().to_str().unwrap();
    Pty::spawn(&command, &[("XDG_STATE_HOME", path), ("TMPDIR", path)], 80, 70)
}

#[test]
fn the_first_night_by_what_the_coach_says() {
    let home = tempfile::tempdir().unwrap();
    let report = home.path().join("night.json");
    let mut pty = drill(&home, &["--debrief", report.to_str().unwrap()]);
    pty.wait("Press Enter when you have read this");
    pty.send("\r");
    pty.wait("DRILL");
    pty.wait("restore is right. Press n.");
    pty.wait("Quorum appears lost");
    pty.send("n");
    pty.wait("press Enter twice");
    pty.wait("hash ok");
    pty.send("\r");
    pty.wait("Save a snapshot from");
    pty.send("\r");
    pty.wait("Saved and chosen");
    pty.send("n");
    pty.wait("nothing has to change. Press n.");
    pty.send("n");
    pty.wait("Press r to ask again.");
    pty.send("r");
    pty.wait("none answers");
    pty.wait("No blocker is left. Press Enter");
    pty.send("\r");
    pty.wait("type the cluster label: prod-eu");
    pty.send("prod-eu");
    pty.wait("Right. Enter starts writing.");
    pty.send("\r");
    pty.wait("restored, verified and installed");
    pty.send("n");
    pty.wait("Press n to see whether it worked");
    pty.send("n");
    pty.wait("The members agree");
    pty.send("c");
    pty.wait("y yes");
    pty.send("y");
    pty.wait("read through");
    pty.wait("Leave with q to see how you did");
    pty.send("q");
    pty.wait("Quit?");
    pty.send("y");
    assert_eq!(pty.exit_code(), 0);
    let written = std::fs::read_to_string(&report).unwrap();
    let written: serde_json::Value = serde_json::from_str(&written).unwrap();
    assert_eq!((&written["passed"], &written["proven"]), (&true.into(), &false.into()), "{written:#}");
    let met = written["objectives"].as_array().unwrap();
    assert!(!met.is_empty() && met.iter().all(|objective| objective["met"] == true), "{written:#}");
    let mut names = names(home.path());
    names.sort();
    assert_eq!(names, ["night.json", "requorum"]);
    let progress = std::fs::read_to_string(home.path().join("requorum/drills.json")).unwrap();
    assert!(progress.contains("\"first-night\"") && progress.contains("\"passed\": 1"), "{progress}");
}

/// The first drill to its end without a letter but those of the label.
#[test]
fn the_first_night_by_arrows_tab_space_and_enter() {
    let (down, left, shift_tab) = ("\x1b[B", "\x1b[D", "\x1b[Z");
    let home = tempfile::tempdir().unwrap();
    let report = home.path().join("night.json");
    let mut pty = drill(&home, &["--debrief", report.to_str().unwrap()]);
    pty.wait("Press Enter when you have read this");
    pty.send("\r");
    pty.wait("Quorum appears lost");
    let button = |pty: &mut Pty, from: &str, button: &str| {
        pty.send(from);
        pty.wait(&format!("[▸{button}"));
        pty.send("\r");
    };
    button(&mut pty, "\t", "n Next: Snapshot ]");
    pty.wait("press Enter twice");
    pty.wait("hash ok");
    pty.send("\r");
    pty.wait("Save a snapshot from");
    pty.send("\r");
    pty.wait("Saved and chosen");
    button(&mut pty, "\t", "n Next: Members ]");
    pty.wait("[3 Members]");
    // back from the first cell is the last button
    pty.send(shift_tab);
    pty.wait("[▸Space Menu ]");
    button(&mut pty, left, "n Next: Review ]");
    pty.wait("Press r to ask again.");
    pty.send(" ");
    pty.wait("What can be done on Review");
    for _ in 0..20 {
        if pty.screen().lines().any(|line| line.contains("▸ r ")) {
            break;
        }
        let before = pty.screen();
        pty.send(down);
        pty.wait_until("the selection moves", |pty| pty.screen() != before);
    }
    pty.send("\r");
    pty.wait("none answers");
    pty.wait("[▸n Next: Restore ]");
    pty.send("\r");
    pty.wait("type the cluster label: prod-eu");
    pty.send("prod-eu");
    pty.wait("Right. Enter starts writing.");
    pty.send("\r");
    pty.wait("restored, verified and installed");
    button(&mut pty, "\t", "n Next: Launch ]");
    pty.wait("[6 Launch]");
    button(&mut pty, "\t", "n Next: Proof ]");
    pty.wait("The members agree");
    pty.wait("3 of 3 members");
    button(&mut pty, "\t", "q Quit ]");
    pty.wait("Quit?");
    // Enter alone stays
    pty.send("\t");
    pty.wait("⏎ yes, quit");
    pty.send("\r");
    assert_eq!(pty.exit_code(), 0);
    let written: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
    assert_eq!(written["passed"], true, "{written:#}");
}

/// Waits until it stands there a second time; the first exercise's lines are still above.
fn twice(pty: &Pty, text: &str) {
    pty.wait_until(text, |pty| pty.screen().matches(text).count() == 2);
}

#[test]
fn waiting_is_an_answer_and_resets_start_over() {
    let home = tempfile::tempdir().unwrap();
    let mut pty = drill(&home, &["wait-and-see"]);
    pty.wait("Press Enter when you have read this");
    pty.send("\r");
    pty.wait("Quorum appears lost");
    pty.send("!");
    pty.wait("What is enough for a quorum of three");
    // the pause menu: actions at the hosts, and a reset that undoes them
    pty.send("q");
    pty.wait("Quit?");
    pty.send("y");
    pty.wait("Paused at");
    pty.send("a 1\r");
    pty.wait("etcd on m1 runs");
    pty.send("r\r");
    twice(&pty, "Press Enter when you have read this");
    pty.send("\r");
    pty.wait("Quorum appears lost");
    pty.send("q");
    pty.wait("Quit?");
    pty.send("y");
    twice(&pty, "Paused at");
    pty.send("a 1\r");
    twice(&pty, "etcd on m1 runs");
    pty.send("b\r");
    // the picture from before may still stand there; this is new
    pty.wait("note: etcd on m1 runs");
    pty.send("r");
    pty.wait("Quorum holds");
    pty.send("q");
    pty.wait("Quit?");
    pty.send("y");
    pty.wait("requorum drill list");
    assert_eq!(pty.exit_code(), 0);
    assert_eq!(names(home.path()), ["requorum"]);
}

#[test]
fn a_wrong_choice_does_not_pass() {
    let home = tempfile::tempdir().unwrap();
    let mut pty = drill(&home, &["copy-without-hash", "-w", "json"]);
    pty.wait("Press Enter when you have read this");
    pty.send("\r");
    pty.wait("Unknown from here");
    pty.send("n");
    pty.wait("m2-member-snap-db");
    pty.wait("hash ok");
    pty.send("\x1b[B");
    pty.wait("▸ ");
    pty.send("\r");
    pty.wait("newer writes than the chosen one");
    pty.send("q");
    pty.wait("Quit?");
    pty.send("y");
    pty.wait("Paused at");
    pty.send("d\r");
    pty.wait("\"links\"");
    assert_eq!(pty.exit_code(), 0);
    let progress = std::fs::read_to_string(home.path().join("requorum/drills.json")).unwrap();
    assert!(progress.contains("\"passed\": 0") && progress.contains("\"ended\": 1"), "{progress}");
}

#[test]
fn a_self_starting_member_keeps_the_wizard_running() {
    let home = tempfile::tempdir().unwrap();
    let mut pty = drill(&home, &["dead-man-answers"]);
    pty.wait("Press Enter when you have read this");
    pty.send("\r");
    pty.wait("Quorum");
    pty.wait("n Next");
    pty.send("n");
    pty.wait("hash ok");
    pty.send("\r");
    pty.wait("Save a snapshot from");
    pty.send("\r");
    pty.wait("Saved and chosen");
    // m5 comes up by itself as soon as the step is Members
    pty.send("n");
    pty.wait("[3 Members]");
    pty.wait("No problems.");
    pty.send("n");
    pty.wait("m5");
    pty.send("q");
    pty.wait("Quit?");
    pty.send("y");
    pty.wait("Paused at");
    pty.send("d\r");
    assert_eq!(pty.exit_code(), 0);
    assert_eq!(names(home.path()), ["requorum"], "the range is removed");
}
