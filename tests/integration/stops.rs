//! What ends a run from outside, or makes it wait: signals while a server says nothing, a terminal that is not read, and

//! the limits of the machine.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use crate::support::{PROGRAM, apart, everyday, fixture, names, pty::Pty, requorum, wait_until};
use requorum::{
    drill::{
        mvcc_store::{Identity, Store},
        simulated_member::{Member, Mode, Options},
    },
    etcd::membership::Id,
};
use rustix::process::{Pid, Signal, kill_process};

/// A test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(50);

/// How much of an answer passes before nothing comes any more; from then on a byte now and then where it drips.
#[derive(Debug, Clone, Copy)]
struct Passes {
    bytes: usize,
    drips: bool,
}

/// A door to `to` through which only so much of the answers passes. It tells when a connection has had all that passes.
fn door(to: SocketAddr, passes: Passes) -> (SocketAddr, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let (tell, silent) = mpsc::channel();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(to)) else { return };
            let (mut from, mut into) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut into);
                let _ = into.shutdown(Shutdown::Both);
            });
            let (tell, mut client, mut server) = (tell.clone(), client, server);
            thread::spawn(move || {
                let (mut left, mut bytes) = (passes.bytes, [0; 1024]);
                while left > 0 {
                    let most = left.min(bytes.len());
                    let Ok(n @ 1..) = server.read(&mut bytes[..most]) else { return };
                    if client.write_all(&bytes[..n]).is_err() {
                        return;
                    }
                    left -= n;
                }
                let _ = tell.send(());
                while passes.drips && matches!(server.read(&mut bytes[..1]), Ok(1)) {
                    if client.write_all(&bytes[..1]).is_err() {
                        return;
                    }
                    thread::sleep(Duration::from_millis(20));
                }
                // held open until the process ends
                let _held = (client, server);
                thread::park();
            });
        }
    });
    (at, silent)
}

fn member() -> Member {
    let who = Identity { cluster: Id(0xc1), member: Id(0xa1), raft_term: 7, raft_index: 99 };
    let store = Arc::new(Store::from_file(&fixture("seed-3.5.16.db"), who).unwrap());
    let options = Options { mode: Mode::Lone, patience: Duration::ZERO, ..Options::default() };
    Member::start(store, options).unwrap()
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
}

#[track_caller]
fn code(child: &mut Child) -> Option<i32> {
    wait_until("its end", PATIENCE, || match child.try_wait().unwrap() {
        Some(status) => Ok(status.code()),
        None => Err("it runs".into()),
    })
}

fn quiet(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn saving_from_a_silent_server_stops_on_signal() {
    let member = member();
    for (bytes, drips) in [(0, false), (40, false), (4000, false), (12_000, false), (4000, true)] {
        for sent in [Signal::INT, Signal::TERM, Signal::HUP] {
            let (at, silent) = door(member.address(), Passes { bytes, drips });
            let dir = tempfile::tempdir().unwrap();
            let mut save = requorum(["snapshot", "save", "--endpoints", &format!("http://{at}")]);
            save.arg(dir.path().join("x.db"));
            let mut save = quiet(save);
            silent.recv_timeout(PATIENCE).unwrap();
            signal(&save, sent);
            assert_eq!(code(&mut save), Some(75), "{bytes} {drips} {sent:?}");
            assert_eq!(names(dir.path()), [""; 0], "{bytes} {drips} {sent:?}");
        }
    }
}

/// The second may come at any moment, also while the first is being obeyed.
#[test]
fn a_second_signal_ends_saving_at_once() {
    let member = member();
    for (first, second) in [(Signal::INT, Signal::INT), (Signal::INT, Signal::TERM), (Signal::TERM, Signal::HUP)] {
        let (at, silent) = door(member.address(), Passes { bytes: 12_000, drips: false });
        let dir = tempfile::tempdir().unwrap();
        let mut save = requorum(["snapshot", "save", "--endpoints", &format!("http://{at}")]);
        save.arg(dir.path().join("x.db"));
        let mut save = quiet(save);
        silent.recv_timeout(PATIENCE).unwrap();
        // both are there when it goes on: what obeys the first and what hears the second run at the same time
        signal(&save, Signal::STOP);
        signal(&save, first);
        signal(&save, second);
        signal(&save, Signal::CONT);
        assert_eq!(code(&mut save), Some(75), "{first:?} {second:?}");
        assert_eq!(names(dir.path()), [""; 0], "{first:?} {second:?}");
    }
}

/// A store whose object comes only in part, or not at all.
fn store(sends: &'static [u8]) -> (SocketAddr, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let (tell, asked) = mpsc::channel();
    thread::spawn(move || {
        let mut held = Vec::new();
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let _ = client.read(&mut [0; 4096]);
            let _ = client.write_all(sends);
            let _ = tell.send(());
            held.push(client);
        }
    });
    (at, asked)
}

#[test]
fn a_stalled_fetch_stops_and_resumes() {
    let begun: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nETag: \"e\"\r\n\r\nabcdefgh";
    for sends in [&b""[..], &b"HTTP/1.1 200 OK\r\n"[..], begun] {
        for twice in [false, true] {
            let (at, asked) = store(sends);
            let dir = tempfile::tempdir().unwrap();
            let run = || {
                let mut fetch = requorum(["snapshot", "fetch", "s3://backups/x.db"]);
                fetch.env("AWS_ENDPOINT_URL_S3", format!("http://{at}")).env("AWS_REGION", "us-east-1");
                fetch.env("AWS_ACCESS_KEY_ID", "AK").env("AWS_SECRET_ACCESS_KEY", "SK");
                fetch.arg(dir.path().join("x.db"));
                let mut fetch = quiet(fetch);
                asked.recv_timeout(PATIENCE).unwrap();
                signal(&fetch, Signal::STOP);
                signal(&fetch, Signal::INT);
                if twice {
                    signal(&fetch, Signal::TERM);
                }
                signal(&fetch, Signal::CONT);
                code(&mut fetch)
            };
            assert_eq!(run(), Some(75), "{sends:?} {twice}");
            let left = names(dir.path());
            assert!(left.iter().all(|name| name.starts_with("x.db.part")), "{left:?}");
            assert!(twice || sends == begun || left.is_empty(), "nothing came, so nothing stays: {left:?}");
            // what stays is no obstacle to the next
            assert_eq!(run(), Some(75), "{sends:?} {twice}");
        }
    }
}

#[test]
fn two_signals_leave_a_restore_whole_or_absent() {
    let restore = |dir: &Path| {
        let mut restore = requorum(["snapshot", "restore", "--name=m1", "--initial-cluster-token=t"]);
        restore.args(["--initial-cluster=m1=http://127.0.0.1:2380"]);
        restore.arg("--initial-advertise-peer-urls=http://127.0.0.1:2380").arg("--data-dir").arg(dir.join("m1"));
        restore.arg(fixture("seed-3.5.16.db"));
        restore
    };
    for pause in (0..40).step_by(4) {
        let dir = tempfile::tempdir().unwrap();
        let mut child = quiet(restore(dir.path()));
        // a moment of the restore: which one is not known, and need not be
        thread::sleep(Duration::from_millis(pause));
        for sent in [Signal::STOP, Signal::INT, Signal::TERM, Signal::CONT] {
            signal(&child, sent);
        }
        let ended = code(&mut child);
        let there = dir.path().join("m1/member/snap/db").is_file();
        match ended {
            Some(0) => assert!(there),
            // before it listens it has not begun
            None => assert!(!there),
            code => assert_eq!(code, Some(75)),
        }
        if !there {
            assert!(!dir.path().join("m1").exists(), "{:?}", names(dir.path()));
            assert!(restore(dir.path()).output().unwrap().status.success(), "the next one clears up");
        }
    }
}

/// A plan of three members of this machine in `dir`.
fn plan(dir: &Path) {
    fs::copy(fixture("3.6.14-multipeer.db"), dir.join("backup.db")).unwrap();
    let mut command = requorum(["plan", "--snapshot", "backup.db", "--data-root", "new", "--label", "prod"]);
    crate::support::succeed(command.args(["-o", "plan.yaml"]).current_dir(dir));
}

fn restored(dir: &Path) -> Result<(), String> {
    let lacks =
        ["m1", "m2", "m3"].into_iter().find(|name| !dir.join(format!("new/{name}.etcd/member/snap/db")).is_file());
    lacks.map_or(Ok(()), |name| Err(format!("{name} is not there")))
}

#[test]
fn a_wizard_on_an_unread_terminal_continues() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    plan(dir);
    let path = |name: &str| dir.join(name).display().to_string();
    let argv = [PROGRAM, "--plan", &path("plan.yaml"), "--snapshots", &path(".")];
    let mut pty = Pty::spawn(&argv, &[("XDG_STATE_HOME", &path("state"))], 200, 60);
    for (shown, keys) in [
        ("[1 Detect]", "n"),
        ("hash ok", "n"),
        ("[3 Members]", "n"),
        ("[4 Review]", "\r"),
        ("type the cluster label: prod", "prod"),
        ("Right. Enter starts writing.", ""),
    ] {
        pty.wait(shown);
        pty.send(keys);
    }
    pty.stall();
    pty.send("\r");
    wait_until("the restore", PATIENCE, || restored(dir));
    // longer than a picture may be late before the next is drawn from nothing
    thread::sleep(Duration::from_millis(1500));
    pty.read_on();
    pty.wait("Every member is installed");
    pty.signal(Signal::TERM);
    assert_eq!(pty.exit_code(), 0);
    assert!(pty.given_back());
    let state = dir.join("state/requorum");
    let journal = names(&state).into_iter().find(|name| name.ends_with(".journal")).unwrap();
    let report = crate::support::json(requorum(["report", "-w", "json"]).arg(state.join(journal)));
    assert!(report["broken"].is_null(), "{report:#}");
}

#[test]
fn a_signal_ends_it_on_unread_terminals() {
    let home = tempfile::tempdir().unwrap();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let argv = [PROGRAM, "--endpoints", "http://127.0.0.1:9", "--snapshots", home.path().to_str().unwrap()];
        let mut pty = Pty::spawn(&argv, &[], 120, 40);
        pty.wait("[1 Detect]");
        pty.stall();
        pty.resize(500, 200);
        pty.resize(499, 199);
        pty.signal(signal);
        assert_eq!(pty.code_unread(), 0, "{signal:?}");
    }
}

/// The command line on a terminal that is full from the beginning, and not read.
#[test]
fn commands_on_unread_terminals_do_their_work() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    plan(dir);
    let script = |command: &str| format!("read go; exec '{PROGRAM}' {command}");
    let command = script(&format!("restore --plan '{}'", dir.join("plan.yaml").display()));
    let mut pty = Pty::spawn(&["sh", "-c", &command], &[], 80, 24);
    pty.stall();
    pty.send("\n");
    wait_until("the restore", PATIENCE, || restored(dir));
    pty.signal(Signal::TERM);
    let code = pty.code_unread();
    assert!([0, 75].contains(&code), "done, or stopped just before its end: {code}");

    let member = member();
    let (at, silent) = door(member.address(), Passes { bytes: 12_000, drips: false });
    let file = dir.join("x.db");
    let command = script(&format!("snapshot save --endpoints http://{at} '{}'", file.display()));
    let mut pty = Pty::spawn(&["sh", "-c", &command], &[], 80, 24);
    pty.stall();
    pty.send("\n");
    silent.recv_timeout(PATIENCE).unwrap();
    pty.signal(Signal::INT);
    assert_eq!(pty.code_unread(), 75);
    assert!(!names(dir).iter().any(|name| name.starts_with("x.db")));
}

/// Each command with arguments that let it begin, in a directory with a plan, a snapshot and nothing else.
const COMMANDS: [&[&str]; 15] = [
    &["probe", "--endpoints", "http://127.0.0.1:9"],
    &["snapshot", "status", "backup.db"],
    &["snapshot", "save", "--endpoints", "http://127.0.0.1:9", "x.db"],
    &["snapshot", "restore", "--data-dir", "d", "backup.db"],
    &["hashkv", "backup.db"],
    &["plan", "--snapshot", "backup.db", "--data-root", "other", "-o", "other.yaml"],
    &["restore", "--plan", "plan.yaml"],
    &["apply", "plan.yaml"],
    &["launch", "--plan", "plan.yaml"],
    &["sheet", "plan.yaml", "--member", "m1"],
    &["verify", "--plan", "plan.yaml", "--timeout", "1s"],
    &["report", "none.journal"],
    &["drill", "list"],
    &["completions", "bash"],
    &[],
];

/// Whatever the machine lacks, it is a sentence and one of the documented exit codes: no panic, no abort, no hang.
#[test]
fn commands_under_limits_end_with_their_codes() {
    let home = tempfile::tempdir().unwrap();
    plan(home.path());
    let limits =
        ["ulimit -n 5", "ulimit -n 8", "ulimit -n 12", "ulimit -v 150000", "ulimit -v 200000", "ulimit -v 400000"];
    let streams = ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>&1"];
    let limits = limits.iter().map(|limit| format!("{limit}; exec \"$@\""));
    let streams = streams.iter().map(|stream| format!("exec \"$@\" {stream}"));
    let mut wrong = Vec::new();
    for script in everyday(limits.chain(streams), 4) {
        for args in COMMANDS {
            let dir = tempfile::tempdir().unwrap();
            for name in ["plan.yaml", "backup.db"] {
                fs::copy(home.path().join(name), dir.path().join(name)).unwrap();
            }
            let mut command = Command::new("timeout");
            apart(&mut command).args(["40", "sh", "-c", &script, "sh", PROGRAM]).args(args).stdin(Stdio::null());
            let output =
                command.current_dir(dir.path()).env("XDG_STATE_HOME", dir.path().join("state")).output().unwrap();
            let said = crate::support::said(&output);
            let documented = matches!(output.status.code(), Some(0..=5 | 17 | 75));
            if !documented || said.contains("panicked") {
                wrong.push(format!("{script} {args:?}: {:?}\n{said}", output.status));
            }
            // a limit that is too low is named before anything is begun
            let limit = script.get(..9).filter(|limit| limit.starts_with("ulimit"));
            if limit.is_some_and(|limit| output.status.code() != Some(4) || !said.contains(limit)) {
                wrong.push(format!("{script} {args:?}: {:?}\n{said}", output.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
