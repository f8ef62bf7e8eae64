//! What changes something shows what it will do and asks, where there is a terminal; in scripts it does not.

use std::{fs, path::Path};

use requorum::system::journal::{Event, Record};

use crate::support::{self, PROGRAM, ended, fixture, names, pty::Pty, requorum};

/// A plan of m1, in `dir/root`, which exists.
fn planned(dir: &Path) {
    fs::create_dir(dir.join("root")).unwrap();
    let mut make = requorum(["plan", "--initial-cluster", "m1=http://127.45.9.1:2380", "--label=prod", "--snapshot"]);
    make.arg(fixture("s35.db")).args(["--data-root", "root", "-o", "plan.yaml"]).current_dir(dir);
    support::succeed(&mut make);
}

fn on_terminal(dir: &Path, args: &[&str]) -> Pty {
    let argv: Vec<&str> = [PROGRAM].iter().chain(args).copied().collect();
    Pty::spawn(&argv, &[("HOME", dir.to_str().unwrap())], 100, 40)
}

fn run(dir: &Path, args: &[&str]) -> std::process::Output {
    requorum(args).current_dir(dir).output().unwrap()
}

#[test]
fn apply_and_undo_show_and_ask_on_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    planned(dir.path());
    let plan = dir.path().join("plan.yaml").display().to_string();
    let root = dir.path().join("root");
    let mut pty = on_terminal(dir.path(), &["apply", &plan]);
    pty.wait("Restore? [y/N]");
    assert!(pty.screen().contains("m1") && pty.screen().contains("root/m1.etcd"), "{}", pty.screen());
    pty.send("\r");
    assert_eq!(pty.exit_code(), 75, "{}", pty.screen());
    assert!(!root.join("m1.etcd").exists() && !dir.path().join("plan.yaml.journal").exists());

    let mut pty = on_terminal(dir.path(), &["apply", &plan]);
    pty.wait("Restore? [y/N]");
    pty.send("y\r");
    assert_eq!(pty.exit_code(), 0, "{}", pty.screen());
    assert!(root.join("m1.etcd/member").is_dir());
    let journal = fs::read_to_string(dir.path().join("plan.yaml.journal")).unwrap();
    let records = requorum::system::journal::verify(&journal).unwrap();
    let agreed = |r: &&Record| r.kind == Event::Decided && r.data.contains_key("agreed");
    assert_eq!(records.iter().filter(agreed).count(), 1, "{journal}");

    // again there is nothing to agree to
    let mut pty = on_terminal(dir.path(), &["apply", &plan]);
    assert_eq!(pty.exit_code(), 0, "{}", pty.screen());

    let mut pty = on_terminal(dir.path(), &["undo", &plan]);
    pty.wait("Roll back? [y/N]");
    assert!(pty.screen().contains("m1.etcd.undone-"), "{}", pty.screen());
    pty.send("n\r");
    assert_eq!(pty.exit_code(), 75, "{}", pty.screen());
    assert!(root.join("m1.etcd/member").is_dir());

    let mut pty = on_terminal(dir.path(), &["undo", &plan, "--yes"]);
    assert_eq!(pty.exit_code(), 0, "{}", pty.screen());
    assert!(!root.join("m1.etcd").exists());
}

#[test]
fn scripts_are_not_asked() {
    let dir = tempfile::tempdir().unwrap();
    planned(dir.path());
    let root = dir.path().join("root");
    ended(&run(dir.path(), &["apply", "plan.yaml"]), 0, &["installed"]);
    // what a rollback would do, and nothing is done
    let before = names(&root);
    let said =
        ended(&run(dir.path(), &["undo", "plan.yaml", "--dry-run"]), 0, &["m1", "m1.etcd.undone-", "no previous"]);
    assert!(!said.contains("moved aside"), "{said}");
    assert_eq!(names(&root), before);
    let lines = support::succeed(requorum(["undo", "plan.yaml", "--dry-run", "-w", "json"]).current_dir(dir.path()));
    let line: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((&line["member"], &line["change"], &line["acts"]), (&"m1".into(), &"roll_back".into(), &true.into()));
    let said = ended(&run(dir.path(), &["undo", "plan.yaml"]), 0, &["m1"]);
    for word in ["already installed", "moved aside", "will be"] {
        assert!(!said.contains(word), "{word} is apply's: {said}");
    }
    ended(&run(dir.path(), &["undo", "plan.yaml", "--dry-run"]), 0, &["nothing to roll back"]);
    ended(&run(dir.path(), &["undo", "plan.yaml", "--dry-run", "--yes"]), 2, &[]);
    ended(&run(dir.path(), &["apply", "plan.yaml", "--yes"]), 0, &["installed"]);
}

/// The directory that a flag names is offered to be created, since it may be mistyped.
#[test]
fn a_missing_data_root_is_offered() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("new/root");
    let (flag, file) = (format!("--data-root={}", root.display()), fixture("s35.db").display().to_string());
    let make = |output: &str| {
        let output = dir.path().join(output).display().to_string();
        let args = ["plan", "--initial-cluster=m1=http://127.45.9.1:2380", "--snapshot", &file, &flag, "-o", &output];
        args.map(str::to_string).to_vec()
    };
    let typed = make("p1.yaml");
    let typed: Vec<&str> = typed.iter().map(String::as_str).collect();
    ended(&requorum(&typed).output().unwrap(), 0, &["does not exist yet"]);
    assert!(!root.exists(), "a script that only plans creates nothing");
    for (answer, there) in [("n", false), ("y", true)] {
        let typed = make(&format!("p-{answer}.yaml"));
        let typed: Vec<&str> = typed.iter().map(String::as_str).collect();
        let mut pty = on_terminal(dir.path(), &typed);
        pty.wait("Create it? [y/N]");
        pty.send(&format!("{answer}\r"));
        assert_eq!(pty.exit_code(), 0, "{}", pty.screen());
        assert_eq!(root.is_dir(), there, "{}", pty.screen());
    }
}

/// Sentences wrap between words at the terminal's edge; a command stays in one line.
#[test]
fn sentences_wrap_to_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    planned(dir.path());
    let plan = dir.path().join("plan.yaml").display().to_string();
    let argv = [PROGRAM, "apply", &plan];
    let mut pty = Pty::spawn(&argv, &[("HOME", dir.path().to_str().unwrap())], 60, 40);
    pty.wait("Restore? [y/N]");
    let screen = pty.screen();
    assert!(screen.contains("Nothing is overwritten or deleted;"), "{screen}");
    for word in ["previous directories", "restores"] {
        let whole = word.split(' ').all(|part| screen.contains(part));
        assert!(whole, "{word} is broken: {screen}");
    }
    pty.send("n\r");
    assert_eq!(pty.exit_code(), 75);
}
