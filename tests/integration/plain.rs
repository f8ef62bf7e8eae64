//! `--plain`: the wizard as lines. The first drill from its story to its debrief by typed lines, in a pipe and on a
//! terminal; what is refused; and how the end of the input ends it.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::support::{FIRST_NIGHT, PROGRAM, fixture, piped, pty::Pty, requorum, said, succeed};

fn drill(home: &Path, args: &[&str]) -> Command {
    let mut command = requorum(args);
    command.env("XDG_STATE_HOME", home).env("TMPDIR", home);
    command
}

/// No line moves a cursor, draws a box or is drawn over.
fn is_plain(text: &str) {
    let odd = |c: char| (c.is_control() && c != '\n') || ('\u{2500}'..='\u{259f}').contains(&c);
    assert_eq!(text.chars().find(|c| odd(*c)), None, "{text}");
}

#[test]
fn the_first_drill_by_lines() {
    let home = tempfile::tempdir().unwrap();
    let report = home.path().join("night.json");
    for (n, args) in [&["--plain", "drill", "first-night"][..], &["drill", "--plain"]].iter().enumerate() {
        let mut command = drill(home.path(), args);
        let file = report.with_file_name(format!("{n}.json"));
        let output = piped(command.arg("--debrief").arg(&file), FIRST_NIGHT);
        let text = said(&output);
        assert!(output.status.success(), "{text}");
        let (wizard, _) = text.split_once("Your path:").unwrap();
        is_plain(&wizard.replace('✔', ""));
        for step in 1..=7 {
            assert!(text.contains(&format!("\nStep {step} of 7: ")), "{text}");
        }
        let written: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(written["passed"], true, "{written:#}");
    }
}

/// Waits for a choice in the last list, types its number and waits for what it shows.
fn choose(pty: &mut Pty, words: &str, shown: &str) {
    let mut number = None;
    pty.wait_until(&format!("{words:?} is a choice"), |pty| {
        let screen = pty.screen();
        let line = screen.lines().rfind(|line| line.contains(&format!(". {words}")));
        number = line.and_then(|line| line.trim().split_once('.')).map(|(number, _)| number.to_string());
        // the list is whole
        number.is_some() && screen.trim_end().ends_with("Enter reads again:")
    });
    pty.send(&format!("{}\n", number.unwrap()));
    pty.wait(shown);
}

/// By numbers alone, each as it is listed.
#[test]
fn the_first_drill_by_numbers_on_a_dumb_terminal() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().to_str().unwrap();
    let env = [("XDG_STATE_HOME", path), ("TMPDIR", path), ("TERM", "dumb")];
    let mut pty = Pty::spawn(&[PROGRAM, "drill"], &env, 200, 400);
    pty.wait("Press Enter when you have read this");
    pty.send("\n");
    choose(&mut pty, "next: Snapshot", "Step 2 of 7");
    choose(&mut pty, "save snapshot", "Enter to take this one");
    pty.send("\n");
    pty.wait("Saved and chosen");
    choose(&mut pty, "next: Members", "Step 3 of 7");
    choose(&mut pty, "next: Review", "Step 4 of 7");
    choose(&mut pty, "ask again", "none answers");
    pty.wait_until("the list is whole", |pty| pty.screen().trim_end().ends_with("Enter reads again:"));
    // by its key, as what it is called depends on what is in the way
    pty.send("n\n");
    pty.wait("type the cluster label: prod-eu");
    pty.send("prod-eu\n");
    pty.wait("Right. Enter starts writing.");
    pty.send("\n");
    pty.wait("Step 5 of 7");
    choose(&mut pty, "next: Launch", "Step 6 of 7");
    choose(&mut pty, "next: Proof", "The members agree");
    choose(&mut pty, "quit", "Quit?");
    choose(&mut pty, "yes, quit", "requorum drill list");
    assert_eq!(pty.exit_code(), 0);
    assert!(pty.given_back());
    let progress = fs::read_to_string(home.path().join("requorum/drills.json")).unwrap();
    assert!(progress.contains("\"passed\": 1"), "{progress}");
}

/// What ends programs of lines ends this one: Ctrl-C asks once, the end of the input and a signal do not.
#[test]
fn it_ends_as_programs_of_lines_do() {
    for (ends, code) in [("\x03", 0), ("\x04", 0), ("", 0)] {
        let mut pty = Pty::spawn(&[PROGRAM, "--plain", "--label", "x", "--snapshots", "/nowhere"], &[], 120, 60);
        pty.wait("Enter reads again:");
        assert!(pty.given_back(), "it takes nothing of the terminal");
        match ends {
            "" => pty.signal(rustix::process::Signal::TERM),
            keys => pty.send(keys),
        }
        if ends == "\x03" {
            pty.wait("Quit?");
            pty.wait("yes, quit");
            pty.send(ends);
        }
        assert_eq!(pty.exit_code(), code, "{ends:?}: {}", pty.screen());
        assert!(pty.screen().contains("Nothing was written."), "{ends:?}: {}", pty.screen());
    }
}

/// A plan of three members of this machine in `dir`, which the wizard starts from.
fn planned(dir: &Path) -> impl Fn(&str) -> Output {
    fs::copy(fixture("3.6.14-multipeer.db"), dir.join("backup.db")).unwrap();
    let mut command =
        requorum(["plan", "--snapshot", "backup.db", "--data-root", "new", "--label", "prod", "-o", "plan.yaml"]);
    succeed(command.current_dir(dir));
    let dir = dir.to_path_buf();
    move |lines| {
        let mut command = requorum(["--plain", "--plan", "plan.yaml", "--snapshots", "."]);
        piped(command.current_dir(&dir).env("XDG_STATE_HOME", dir.join("state")), lines)
    }
}

const TO_REVIEW: &str = "n\nn\nn\n";

#[test]
fn wrong_answers_restore_nothing() {
    let home = tempfile::tempdir().unwrap();
    let run = planned(home.path());
    for wrong in [
        "enter\nprod-eu\n\nPROD\n\nprod eu\n\n\n",
        // the text alone is no Enter
        "enter\nprod\n",
        "prod\n<\n",
        "99\n0\n-1\nprod!\nyes\n",
        "enter\n<\n\n\n",
        "d\n\nn\n",
    ] {
        let output = run(&format!("{TO_REVIEW}{wrong}"));
        let text = said(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.contains("Step 4 of 7") && !text.contains("Step 5 of 7"), "{wrong:?}\n{text}");
        assert!(!home.path().join("new").exists() && !home.path().join("state").exists(), "{wrong:?}");
    }
}

/// Wherever the input ends, the program ends by itself, and what was asked for by then is whole.
#[test]
fn the_end_of_input_ends_cleanly() {
    let home = tempfile::tempdir().unwrap();
    let run = planned(home.path());
    let lines: Vec<&str> = "n\nn\n8\n<\nn\nprod\n".split_inclusive('\n').collect();
    for count in 0..=lines.len() {
        let output = run(&lines[..count].concat());
        assert_eq!(output.status.code(), Some(0), "{count}: {}", said(&output));
        assert!(!home.path().join("new").exists(), "{count}");
    }
    let output = run(&format!("{TO_REVIEW}prod\n\n"));
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("Step 5 of 7"), "{text}");
    for name in ["m1", "m2", "m3"] {
        assert!(home.path().join(format!("new/{name}.etcd/member")).is_dir(), "{name}: {text}");
    }
    is_plain(&text);
}

/// Cells by number and by correction, and what they were by number again.
#[test]
fn the_table_is_edited_by_number() {
    let home = tempfile::tempdir().unwrap();
    let run = planned(home.path());
    let listed = said(&run("n\nn\n"));
    let number = |text: &str, words: &str| -> String {
        let line = text.lines().rfind(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}: {text}"));
        line.trim().split_once('.').unwrap().0.to_string()
    };
    let edit = number(&listed, "edit the peer URL of row 1");
    let wrong = format!("n\nn\n{edit}\nhttp:/127.0.0.1:33464\n");
    let text = said(&run(&wrong));
    let fix = number(&text, "take the correction of m1's peer URL");
    let text = said(&run(&format!("{wrong}{fix}\n")));
    assert!(text.contains("peer URL http://127.0.0.1:33464 (typed)"), "{text}");
    let text = said(&run(&format!("{wrong}{fix}\nu\nu\n")));
    assert!(text.contains("http://127.0.0.1:33464,http://127.0.0.1:33465"), "{text}");
    let text = said(&run(&format!("{wrong}n\n")));
    assert!(!text.contains("Step 4 of 7"), "{text}");
}

#[test]
fn without_lines_or_a_terminal_it_says_how() {
    let output = piped(&mut requorum(["--label", "x"]), "");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("--plain"));
}
