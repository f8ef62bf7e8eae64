//! The instructor at a second terminal: a drill in a pseudo-terminal, and `requorum drill host` next to it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use crate::support::{PROGRAM, messages, pty::Pty, requorum};
use requorum::drill::scenario::library;
use rustix::process::Signal;
use serde_json::Value;

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(50);

/// A drill in a terminal, the story not yet read.
fn drill(home: &Path, name: &str) -> Pty {
    let path = home.to_str().unwrap();
    let pty = Pty::spawn(&[PROGRAM, "drill", name], &[("XDG_STATE_HOME", path), ("TMPDIR", path)], 80, 40);
    pty.wait("Press Enter when you have read this");
    pty
}

fn host(home: &Path, args: &[&str]) -> Command {
    let mut command = requorum(["drill", "host"]);
    command.args(args).env("XDG_STATE_HOME", home);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// An instructor that sends some lines and leaves.
fn says(home: &Path, args: &[&str], lines: &str) -> (Option<i32>, String) {
    let mut child = host(home, args).spawn().unwrap();
    // one that has nothing to say to may be gone already
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

/// An instructor that stays.
struct Host {
    child: Child,
    orders: ChildStdin,
    words: Receiver<Value>,
}

impl Host {
    fn new(home: &Path) -> Host {
        let mut child = host(home, &["-w", "json"]).spawn().unwrap();
        let (tell, words) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let read = |line: std::io::Result<String>| serde_json::from_str(&line.unwrap()).unwrap();
        std::thread::spawn(move || lines.map(read).try_for_each(|word| tell.send(word)));
        Host { orders: child.stdin.take().unwrap(), words, child }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.orders, "{line}").unwrap();
    }

    /// The next word for which `wanted` has something.
    fn hear<T>(&mut self, wanted: impl Fn(&Value) -> Option<T>) -> T {
        loop {
            let word = self.words.recv_timeout(PATIENCE).expect("the drill said nothing of the kind");
            if let Some(found) = wanted(&word) {
                return found;
            }
        }
    }

    fn word(&mut self, kind: &str) -> Value {
        self.hear(|word| word.get(kind).cloned())
    }

    fn happens(&mut self, what: &str, text: &str) {
        self.hear(|word| {
            let happened = word.get("happened")?;
            (happened["what"] == what && happened["text"].as_str()?.contains(text)).then_some(())
        });
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn socket(home: &Path) -> PathBuf {
    let state = fs::read_dir(home.join("requorum")).unwrap().map(|e| e.unwrap().path());
    state.into_iter().find(|path| path.extension().is_some_and(|x| x == "sock")).unwrap()
}

#[test]
fn an_instructor_watches_triggers_and_ends() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let mut pty = drill(home, "dead-man-answers");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&home.join("requorum")), mode(&socket(home))), (0o700, 0o600));

    let mut master = Host::new(home);
    let scene = master.word("scene");
    assert_eq!((&scene["scenario"], &scene["instructors"]), (&"dead-man-answers".into(), &1.into()));
    let story = library::find("dead-man-answers", None).unwrap().brief;
    assert_eq!(scene["brief"].as_str().unwrap().trim(), story.trim());
    let injects: Vec<&str> = scene["injects"].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap()).collect();
    assert_eq!(injects, ["dead-man", "colleague"]);
    // the story is on the screen, and what is said reaches it
    master.say("note the pager is yours");
    pty.wait("Instructor: the pager is yours");
    pty.send("\r");
    master.happens("step", "Detect");
    pty.wait("DRILL");
    pty.wait("m2");
    master.say("look");
    assert_eq!(master.word("now")["step"], "Detect");
    master.say("note call\u{1b}[2J the hall");
    pty.wait("Instructor: call\\u{1b}[2J the hall");
    master.say("inject colleague");
    pty.wait("A colleague stopped m2 for good");
    master.happens("inject", "colleague");
    master.word("done");
    for (order, why) in [
        ("inject colleague", "already happened"),
        ("inject nobody", "Injects: dead-man, colleague"),
        ("act stop m9", "no member is named"),
        ("act dance", "is not an act"),
        (&format!("note {}", "x".repeat(300)), "1 to 240"),
    ] {
        master.say(order);
        let refused = master.word("refused");
        assert!(refused.as_str().unwrap().contains(why), "{order}: {refused}");
    }
    master.say("act start m5");
    master.happens("inject", "start m5: by the instructor");
    master.say("look");
    assert_eq!(master.hear(|word| Some(word.get("now")?["run"].clone())), serde_json::json!(["m5"]));

    // what does not work out is seen, too
    pty.send("n");
    master.happens("step", "Snapshot");
    pty.wait("over the network");
    pty.send("\r");
    pty.wait("Save a snapshot from");
    pty.send("\r");
    master.happens("source", "failed to save a snapshot from");

    // a second one who only asks, in words; its mistakes count
    let (code, said) = says(home, &[], "goals\nlook\n");
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "The dead man answers (dead-man-answers",
        "2 instructors",
        "✖ Every key is back",
        "running: m5",
        "call\\u{1b}[2J",
    ] {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
    assert!(!said.contains('\u{1b}'), "{said}");
    let (code, said) = says(home, &[], "dance\nlook\n");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with("no: \"dance\""), "{said}");
    messages::hold("cli-drill-host-command", &[("no command", messages::error(&said))]);

    master.say("end");
    let over = master.word("over");
    assert_eq!((&over["passed"], &over["scenario"]), (&false.into(), &"dead-man-answers".into()));
    assert_eq!(master.child.wait().unwrap().code(), Some(0));
    pty.wait("requorum drill list");
    assert_eq!(pty.exit_code(), 0);
    let left: Vec<_> = fs::read_dir(home.join("requorum")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["drills.json"]);
    assert_eq!(fs::read_dir(home).unwrap().count(), 1);
}

#[test]
fn it_reaches_the_pause_menu_and_stays_through_a_reset() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let mut pty = drill(home, "wait-and-see");
    pty.send("\r");
    pty.wait("Quorum appears lost");
    let mut master = Host::new(home);
    assert_eq!(master.word("scene")["timeline"][0]["text"], "Detect");
    pty.send("q");
    pty.wait("Quit?");
    pty.send("y");
    pty.wait("coach> ");
    master.say("note whose disk is whole?");
    pty.wait("Instructor: whose disk is whole?");
    pty.send("r\r");
    assert_eq!(master.hear(|word| word.get("scene")?.get("begins").cloned()), Value::from(true));
    pty.wait_until("the story is shown again", |pty| pty.screen().matches("Press Enter when").count() == 2);
    pty.send("\r");
    master.happens("step", "Detect");
    drop(master);
    // nobody looks on any more
    pty.send("q");
    pty.wait("Quit?");
    pty.send("y");
    pty.wait_until("the pause menu is back", |pty| pty.screen().matches("Paused at").count() == 2);
    pty.send("a 1\r");
    pty.wait("etcd on m1 runs");

    // what is no order, or never ends, harms nobody
    let mut raw = UnixStream::connect(socket(home)).unwrap();
    raw.write_all(b"{\"dance\":1}\n").unwrap();
    let mut words = BufReader::new(raw.try_clone().unwrap());
    let mut heard = Value::Null;
    while heard.get("refused").is_none() {
        let mut line = String::new();
        assert_ne!(words.read_line(&mut line).unwrap(), 0);
        heard = serde_json::from_str(&line).unwrap();
    }
    // the drill may hang up in the middle of it
    let _ = raw.write_all(&vec![b'x'; 3 << 20]);
    drop((raw, words));
    let (code, said) = says(home, &[], "end\n");
    assert!(code == Some(0) && said.contains("ok: "), "{said}");
    pty.wait("requorum drill list");
    assert_eq!(pty.exit_code(), 0);
}

#[test]
fn an_instructor_finds_the_drill_or_says_none() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (code, said) = says(home, &[], "look\n");
    assert_eq!(code, Some(5), "{said}");
    messages::hold("cli-drill-host-none", &[("no drill", said)]);

    let killed = drill(home, "first-night");
    killed.signal(Signal::KILL);
    let left = || fs::read_dir(home).unwrap().map(|e| e.unwrap().path()).filter(|p| p.join("in-use").exists()).count();
    assert_eq!(left(), 1, "a killed drill leaves its directory, or this shows nothing");
    let dead = socket(home);
    let mut killed = killed;
    killed.exit_code();
    let (code, said) = says(home, &[], "look\n");
    assert!(code == Some(5) && !dead.exists(), "{said}");

    let mut first = drill(home, "first-night");
    assert_eq!(left(), 1, "what the killed one left is removed");
    let number = socket(home).file_stem().unwrap().to_str().unwrap().strip_prefix("drill-").unwrap().to_string();
    let mut second = drill(home, "half-a-file");
    let (code, said) = says(home, &[], "look\n");
    assert!(code == Some(2) && said.contains(&number), "{said}");
    let (code, said) = says(home, &[&number], "look\n");
    assert!(code == Some(0) && said.contains("first-night"), "{said}");
    let (code, said) = says(home, &["1"], "look\n");
    assert!(code == Some(5) && said.contains(&number), "{said}");
    // left before it began, and by a signal at the desk: nothing stays
    first.signal(Signal::INT);
    assert_eq!(first.exit_code(), 75);
    second.send("\r");
    second.wait("DRILL");
    second.signal(Signal::TERM);
    second.exit_code();
    assert_eq!(left(), 0);
}

#[test]
fn on_a_terminal_it_is_a_screen() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let mut pty = drill(home, "dead-man-answers");
    let host = || {
        let env = [("XDG_STATE_HOME", home.to_str().unwrap())];
        Pty::spawn(&[PROGRAM, "drill", "host"], &env, 80, 60)
    };
    let mut left = host();
    left.wait("The trainee is at the story");
    left.send("quit\r");
    left.wait("The exercise continues");
    assert_eq!(left.exit_code(), 0);
    assert!(left.given_back());

    let mut master = host();
    master.wait("paused");
    assert!(master.taken());
    pty.send("\r");
    master.wait("The trainee is at Detect");
    master.send("note read the table\r");
    pty.wait("Instructor: read the table");
    master.wait("sent to the trainee");
    master.send("inj\tcol\t\r");
    pty.wait("A colleague stopped m2 for good");
    master.wait("✔ colleague: happened");
    master.send("end\r");
    master.wait("Press y to end it");
    master.send("y");
    master.wait("The dead man answers: not passed");
    assert_eq!(master.exit_code(), 0);
    assert!(master.given_back());
    pty.wait("requorum drill list");
    assert_eq!(pty.exit_code(), 0);

    // a trainee's terminal that is gone is told, and gives this one back
    let mut pty = drill(home, "first-night");
    let mut master = host();
    master.wait("The trainee is at the story");
    pty.signal(Signal::KILL);
    pty.exit_code();
    master.wait("connection to the drill is lost");
    assert_eq!(master.exit_code(), 4);
    assert!(master.given_back());
}
