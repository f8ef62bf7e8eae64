//! What only a pseudo-terminal can prove: the terminal is taken and given back on every way out,

//! follows a resize, and is never drawn on when it is none.

use std::{
    net::TcpListener,
    process::{Command, Stdio},
    sync::Arc,
};

use crate::mock_system::MockSystem;
use crate::support::{PROGRAM, messages, pty::Pty};
use requorum::{system::System, tui};
use rustix::process::Signal;

const CHILD: &str = "REQUORUM_TEST_WIZARD";

/// Not a test of its own: the wizard that the others start in a pseudo-terminal, by running this
/// test binary once more with the variable set.
#[test]
fn child() {
    let Ok(kind) = std::env::var(CHILD) else { return };
    let world: Arc<dyn System> = match kind.as_str() {
        "clockless" => Arc::new(MockSystem::builder().clock_panics().build()),
        "defect" => Arc::new(MockSystem::builder().panics().build()),
        _ => Arc::new(MockSystem::default()),
    };
    // as the program does it
    let code = requorum::cli::guarded(|| match tui::run(crate::mock_system::options(), world) {
        Ok(ending) => ending.exit_code(),
        Err(error) => {
            println!("{error}");
            error.kind.exit_code()
        }
    });
    std::process::exit(i32::from(code));
}

fn wizard(kind: &str) -> Pty {
    wizard_in(kind, &[])
}

/// The same with these variables.
fn wizard_in(kind: &str, env: &[(&str, &str)]) -> Pty {
    let exe = std::env::current_exe().unwrap();
    let env: Vec<(&str, &str)> = [(CHILD, kind)].into_iter().chain(env.iter().copied()).collect();
    Pty::spawn(&[exe.to_str().unwrap(), "--exact", "wizard_pty::child", "--nocapture"], &env, 80, 24)
}

/// To Launch, from the start.
fn to_launch(pty: &mut Pty) {
    for (shown, key) in [
        ("Quorum appears lost", "n"),
        ("hash ok", "\x1b[B\x1b[B"),
        ("▸ /backup/etcd-0200.db", "\r"),
        ("Chosen: /backup/etcd-0200.db", "n"),
        ("No problems.", "n"),
        ("none answers", "\r"),
        ("type the cluster label: prod-eu", "prod-eu"),
        ("Right. Enter starts writing.", "\r"),
        ("All 3 members are restored", "n"),
    ] {
        pty.wait(shown);
        pty.send(key);
    }
    pty.wait("--name=m1");
}

/// In tmux a copy goes by tmux; where that does not take it, and everywhere else, by the terminal's own sequence.
#[test]
fn tmux_takes_copies_where_it_can() {
    for (works, wanted) in [(true, "in tmux's paste buffer"), (false, "(OSC 52)")] {
        let dir = tempfile::tempdir().unwrap();
        let (program, kept) = (dir.path().join("tmux"), dir.path().join("kept"));
        let end = if works { "cat >>" } else { "cat >/dev/null; exit 1; cat >>" };
        let script = format!("#!/bin/sh\necho \"$*\" >{0}\n{end} {0}\n", kept.display());
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
        let mut pty = wizard_in("", &[("PATH", &path), ("TMUX", "/nowhere,1,0")]);
        to_launch(&mut pty);
        pty.send("y");
        pty.wait(wanted);
        let kept = std::fs::read_to_string(&kept).unwrap();
        let (args, text) = kept.split_once('\n').unwrap();
        assert_eq!(args, "load-buffer -w -");
        assert_eq!(text.starts_with("etcd --name=m1 "), works, "{text}");
        pty.send("\x03");
        pty.wait("Quit?");
        pty.send("\x03");
        assert_eq!(pty.exit_code(), 0);
    }
}

#[test]
fn quitting_restores_the_terminal_and_reports_writes() {
    let mut pty = wizard("");
    pty.wait("Quorum appears lost");
    assert!(pty.taken(), "alternate screen, raw mode, bracketed paste");
    pty.send("n");
    pty.wait("Newest state known");
    pty.send("q");
    pty.wait("Quit?");
    pty.send("y");
    assert_eq!(pty.exit_code(), 0);
    assert!(pty.given_back());
    let screen = pty.screen();
    let last = screen.trim_end().lines().last().unwrap_or_default();
    messages::hold("wizard-quit", &[("nothing written", last.to_string())]);
}

/// A refused port is asked again without a key, and what listens there by then is shown.
#[test]
fn detect_asks_again_without_a_key() {
    let listens = |port| TcpListener::bind(("127.61.7.3", port)).unwrap();
    let port = listens(0).local_addr().unwrap().port();
    let home = tempfile::tempdir().unwrap();
    let url = format!("http://127.61.7.3:{port}");
    let argv = [PROGRAM, "--snapshots", home.path().to_str().unwrap(), "--endpoints", &url];
    let pty = Pty::spawn(&argv, &[("XDG_STATE_HOME", home.path().to_str().unwrap())], 80, 24);
    let refused = |pty: &Pty| pty.screen().contains("connection refused");
    pty.wait_until("the port is refused", refused);
    let _listens = listens(port);
    pty.wait_until("what is shown is the later answer", |pty| !refused(pty));
}

#[test]
fn a_resize_keeps_the_place() {
    let mut pty = wizard("");
    pty.wait("Quorum appears lost");
    pty.send("n");
    pty.wait("hash ok");
    pty.resize(50, 10);
    pty.wait("Make the window larger");
    pty.resize(1, 1);
    pty.resize(120, 40);
    pty.wait("[2 Snapshot]");
    pty.wait("/backup/etcd-0200.db");
    pty.send("q");
    pty.wait("Quit?");
    pty.send("y");
    assert_eq!(pty.exit_code(), 0);
}

#[test]
fn the_whole_way_with_real_keys() {
    let mut pty = wizard("");
    pty.wait("Quorum appears lost");
    pty.send("n");
    pty.wait("hash ok");
    pty.send("\x1b[B\x1b[B");
    pty.wait("▸ /backup/etcd-0200.db");
    pty.send("\r");
    pty.wait("Chosen: /backup/etcd-0200.db");
    pty.send("n");
    pty.wait("No problems.");
    pty.send("n");
    pty.wait("no data directory is written yet");
    // the hosts are looked at, and then the old members asked
    pty.wait("none answers");
    pty.send("\r");
    pty.wait("type the cluster label: prod-eu");
    // a paste with a line end in it: the text is taken, the line end is not
    pty.send("\x1b[200~prod-eu\r\x1b[201~");
    pty.wait("Right. Enter starts writing.");
    pty.send("\r");
    pty.wait("All 3 members are restored");
    pty.send("n");
    pty.wait("--name=m1");
    pty.send("y");
    pty.wait("sent to your terminal's clipboard (OSC 52)");
    pty.send("\x03");
    pty.wait("Quit?");
    pty.send("\x03");
    assert_eq!(pty.exit_code(), 0);
    assert!(pty.given_back());
    assert!(pty.screen().contains("--initial-cluster-state=existing"), "{}", pty.screen());
}

/// The program's wizard on a plan of three members of this machine, with its journals in `home`.
fn on_plan(home: &std::path::Path) -> Pty {
    let (plan, state) = (home.join("plan.yaml"), home.join("state"));
    let argv = [PROGRAM, "--plan", plan.to_str().unwrap(), "--snapshots", home.to_str().unwrap()];
    Pty::spawn(&argv, &[("XDG_STATE_HOME", state.to_str().unwrap())], 100, 40)
}

#[test]
fn an_unverified_restore_is_offered_at_next_start() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    let run = |args: &[&str]| {
        let mut command = crate::support::requorum(args);
        crate::support::succeed(command.current_dir(dir).env("XDG_STATE_HOME", dir.join("state")))
    };
    std::fs::copy(crate::support::fixture("3.6.14-multipeer.db"), dir.join("backup.db")).unwrap();
    run(&["plan", "--snapshot", "backup.db", "--data-root", "new", "--label", "prod", "-o", "plan.yaml"]);

    let to_launch = |pty: &mut Pty| {
        pty.wait("[1 Detect]");
        pty.send("n");
        pty.wait("hash ok");
        pty.send("n");
        pty.wait("[3 Members]");
        pty.send("n");
        pty.wait("[4 Review]");
        // the field opens at once, and takes the label while hosts and old members are still asked
        pty.send("\r");
        pty.wait("type the cluster label: prod");
        pty.send("prod");
        pty.wait("Right. Enter starts writing.");
        pty.send("\r");
        pty.wait("Every member is installed");
    };
    let mut pty = on_plan(dir);
    to_launch(&mut pty);
    // the terminal goes away before anything was started
    drop(pty);

    let mut pty = on_plan(dir);
    pty.wait("is restored but not verified");
    let header = |pty: &Pty| pty.screen().lines().next().unwrap_or_default().to_string();
    let header = header(&pty);
    let (before, after) = header.split_once("plan ").unwrap();
    // the plan has an ID of its own in each run
    messages::hold("wizard-header", &[("restored, not verified", format!("{before}plan ID{}", &after[8..]))]);
    for name in ["m1", "m2", "m3"] {
        // a picture may come in two parts
        pty.wait(&format!("/new/{name}.etcd"));
    }
    // left, it is a key away
    pty.send("\r");
    pty.wait("u earlier run");
    pty.send("u");
    pty.wait("is restored but not verified");
    pty.send("y");
    pty.wait("[6 Launch]");
    pty.wait("--name=m1");
    pty.send("n");
    pty.wait("[7 Proof]");
    pty.wait("0 of 3");
    pty.signal(Signal::TERM);
    assert_eq!(pty.exit_code(), 0);
    assert!(dir.join("new/m1.etcd").is_dir());

    // taken back, nothing is left to do
    let journals = crate::support::names(&dir.join("state/requorum"));
    let journal = journals.iter().find(|name| name.ends_with(".journal")).unwrap();
    run(&["undo", &format!("state/requorum/{journal}")]);
    let mut pty = on_plan(dir);
    pty.wait("[1 Detect]");
    pty.wait("nothing written yet");
    pty.send("u");
    pty.wait("No journal shows an incomplete or unverified restore.");
    pty.send("\x03");
    pty.wait("Quit?");
    pty.send("\x03");
    assert_eq!(pty.exit_code(), 0);
}

#[test]
fn a_signal_gives_the_terminal_back() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut pty = wizard("");
        pty.wait("Quorum appears lost");
        pty.signal(signal);
        assert_eq!(pty.exit_code(), 0, "nothing was begun, so nothing was cut short");
        assert!(pty.given_back(), "{signal:?}");
    }
}

const CLOSER: &str = "REQUORUM_TEST_CLOSER";

/// Not a test of its own: it opens a terminal, runs a command in it, and types keys as soon as the screen shows a text; then
/// it goes away together with the terminal.
#[test]
fn closer() {
    let Ok(words) = std::env::var(CLOSER) else { return };
    let words: Vec<&str> = words.split('\n').collect();
    let mut pty = Pty::spawn(&["sh", "-c", words[0]], &[(CHILD, "")], 100, 40);
    for step in words[1..].chunks(2) {
        pty.wait(step[0]);
        pty.send(step[1]);
    }
    // no destructor: what ran in it is not ended but left without a terminal
    std::process::exit(0);
}

/// The exit code of `command` when its terminal goes away after these steps: what it shows, and the keys for it.
fn closed_after(command: &str, steps: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let code = dir.path().join("code");
    crate::support::succeed(Command::new("mkfifo").arg(&code));
    // the shell outlives the hang-up to write the code down; the program under test hears it
    let mut words = vec![format!("trap : HUP; {command}; echo $? >'{}'", code.display())];
    words.extend(steps.iter().flat_map(|(shown, keys)| [shown.to_string(), keys.to_string()]));
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "wizard_pty::closer", "--nocapture"])
        .env(CLOSER, words.join("\n"))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || tell.send(std::fs::read_to_string(code)));
    told.recv_timeout(std::time::Duration::from_secs(50)).expect("it does not end").unwrap().trim().to_string()
}

/// A closed window or a dropped connection is no defect: it ends like a signal.
#[test]
fn a_closed_terminal_ends_it_like_signals() {
    let exe = std::env::current_exe().unwrap();
    let wizard = format!("'{}' --exact wizard_pty::child --nocapture", exe.display());
    for keys in ["", "n", "\x1b[B?y"] {
        assert_eq!(closed_after(&wizard, &[("Quorum appears lost", keys)]), "0", "{keys:?}");
    }
    // where the hang-up does not reach it, the terminal's own end does
    assert_eq!(closed_after(&format!("setsid -w {wizard}"), &[("Quorum appears lost", "")]), "0");
}

/// The same at the moment when a restore begins: it stops at a safe point, and its journal is whole.
#[test]
fn a_closed_terminal_leaves_a_resumable_restore() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    std::fs::copy(crate::support::fixture("3.6.14-multipeer.db"), dir.join("backup.db")).unwrap();
    let mut command =
        crate::support::requorum(["plan", "--snapshot", "backup.db", "--data-root", "new", "--label", "prod"]);
    crate::support::succeed(command.args(["-o", "plan.yaml"]).current_dir(dir));
    let at = |name: &str| format!("'{}'", dir.join(name).display());
    let program =
        format!("XDG_STATE_HOME={} '{PROGRAM}' --plan {} --snapshots {}", at("state"), at("plan.yaml"), at("."));
    let code = closed_after(
        &program,
        &[
            ("[1 Detect]", "n"),
            ("hash ok", "n"),
            ("[3 Members]", "n"),
            ("[4 Review]", "\r"),
            ("type the cluster label: prod", "prod"),
            ("Right. Enter starts writing.", "\r"),
        ],
    );
    assert!(["0", "75"].contains(&code.as_str()), "{code}");
    let journals = crate::support::names(&dir.join("state/requorum"));
    let Some(journal) = journals.iter().find(|name| name.ends_with(".journal")) else {
        // it went before the key was read
        assert!(!dir.join("new/m1.etcd").exists());
        return;
    };
    let journal = dir.join("state/requorum").join(journal);
    let run =
        |command: &str| crate::support::succeed(crate::support::requorum([command]).arg(&journal).current_dir(dir));
    let report = crate::support::json(crate::support::requorum(["report", "-w", "json"]).arg(&journal));
    assert!(report["broken"].is_null(), "{report:#}");
    run("resume");
    for name in ["m1", "m2", "m3"] {
        let there = dir.join(format!("new/{name}.etcd/member/snap/db")).is_file();
        assert!(there || code == "75", "{name} after {code}");
    }
    run("report");
}

#[test]
fn a_suspended_wizard_returns_and_retakes_the_terminal() {
    let mut pty = wizard("");
    pty.wait("Quorum appears lost");
    // the key, and the same wish from outside
    let wishes: [fn(&mut Pty); 2] = [|pty| pty.send("\x1a"), |pty| pty.signal(Signal::TSTP)];
    for wish in wishes {
        wish(&mut pty);
        pty.wait_until("the terminal is given back", Pty::given_back);
        // it may not have stopped itself yet: SIGCONT counts only after that, so it is sent until it does
        pty.wait_until("the screen is back", |pty| {
            pty.signal(Signal::CONT);
            pty.taken() && pty.screen().contains("Detect")
        });
    }
    pty.send("n");
    pty.wait("Newest state known");
    pty.send("\x03");
    pty.wait("Quit?");
    pty.send("\x03");
    assert_eq!(pty.exit_code(), 0);
}

#[test]
fn a_panic_restores_the_terminal_before_printing() {
    let mut pty = wizard("clockless");
    assert_eq!(pty.exit_code(), 70, "{}", pty.screen());
    assert!(pty.given_back());
    let screen = pty.screen();
    assert!(screen.contains("the made-up clock broke"), "{screen}");
    let report: Vec<&str> = screen.lines().skip_while(|line| !line.starts_with("requorum: ")).collect();
    messages::hold("cli-panic", &[("a panic in the wizard", report.join("\n"))]);
}

#[test]
fn a_background_panic_is_shown_as_internal_error() {
    let mut pty = wizard("defect");
    pty.wait("internal error in requorum: the made-up defect");
    assert!(!pty.screen().contains("panicked at"), "{}", pty.screen());
    pty.send("\x03");
    pty.wait("Quit?");
    pty.send("\x03");
    assert_eq!(pty.exit_code(), 0);
}

#[test]
fn without_a_terminal_it_names_other_ways() {
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "wizard_pty::child", "--nocapture"])
        .env(CHILD, "")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(2), "{text}");
    for word in ["requorum snapshot restore", "requorum drill --play"] {
        assert!(text.contains(word), "{text}");
    }
    assert!(!text.contains('\x1b'), "not a byte is drawn: {text:?}");
}

/// The wizard itself, on files: what it restored from is among the sources after a new start, and so is what lies where it
/// saves; without a member that answers nothing is said to lose nothing.
#[test]
fn a_new_start_knows_earlier_sources() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    for made in ["backup", "root", "empty", "home"] {
        std::fs::create_dir(path(made)).unwrap();
    }
    std::fs::copy(crate::support::fixture("3.5.16-small.db"), path("backup/night.db")).unwrap();
    std::fs::copy(crate::support::fixture("3.5.16-lease.db"), path("root/prod-20261122-0312.db")).unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let start = |snapshots: &str| {
        let args = [
            format!("--endpoints=http://{silent}"),
            "--label=prod".into(),
            format!("--data-root={}", path("root")),
            format!("--snapshots={}", path(snapshots)),
        ];
        let argv: Vec<&str> = std::iter::once(crate::support::PROGRAM).chain(args.iter().map(String::as_str)).collect();
        let pty = Pty::spawn(&argv, &[("HOME", &path("home"))], 140, 45);
        pty.wait("Unknown from here");
        pty
    };
    let mut first = start("backup");
    first.send("n");
    first.wait("root/prod-20261122-0312.db");
    // a path that is typed is selected, whatever else this machine has
    first.send("o");
    first.wait("Path of a snapshot");
    first.send(&path("backup/night.db"));
    first.send("\r");
    first.wait(&format!("▸ {}", path("backup/night.db")));
    first.wait_until("it was read", |pty| !pty.screen().contains("It must be read"));
    first.send("\r");
    first.wait("Chosen: ");
    first.send("n");
    first.wait("Press n for Review");
    first.send("n");
    first.wait("none answers");
    first.send("\r");
    first.wait("type the cluster label");
    first.send("prod");
    first.wait("Right. Enter starts writing.");
    first.send("\r");
    first.wait("restored, verified and");
    first.signal(Signal::HUP);
    first.exit_code();

    let mut second = start("empty");
    // whatever is offered at the start is left by the same key
    let on = (0..20).any(|_| {
        second.send("n");
        second.shows("[2 Snapshot]", std::time::Duration::from_secs(5))
    });
    assert!(on, "n goes on:\n{}", second.screen());
    second.wait("was made from");
    second.wait("backup/night.db");
    second.wait("root/prod-20261122-0312.db");
    second.wait_until("all is read", |pty| !pty.screen().contains("reading") && !pty.screen().contains("unread"));
    let screen = second.screen();
    let lines = |end: &str| screen.lines().filter(|l| l.contains(end) && l.contains("hash ok")).count();
    assert_eq!((lines("night.db"), lines("prod-20261122-0312.db")), (1, 1), "{screen}");
    assert!(!screen.lines().any(|line| line.contains(".etcd, data dir") && line.contains("root/")), "{screen}");
    second.send("\x03");
    second.wait("Quit?");
    second.send("\x03");
    assert_eq!(second.exit_code(), 0);
}
