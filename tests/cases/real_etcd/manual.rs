//! A member restored with nothing but the sheet and etcd's own tools: the code that the sheet prints is the plan's, the
//! swap moves what is old aside, etcd starts on the result, and the way back leads back.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

use super::end_to_end::Planned;
use crate::support::{
    PROGRAM,
    cluster::{Member, Place},
    fixture, messages,
    pty::Pty,
    requorum, said,
    servers::Server,
    succeed,
};

/// A sheet as the command prints it, in its parts.
struct Sheet {
    parts: Vec<String>,
}

impl Sheet {
    fn of(plan: &Path, name: &str) -> Sheet {
        let text = succeed(requorum(["sheet"]).arg(plan).args(["--member", name]));
        Sheet { parts: text.split("\n# ---- ").skip(1).map(|part| format!("# {part}")).collect() }
    }

    /// Runs the part that begins so, in a shell that finds this server's tools, and before them what is in `first`.
    fn run(&self, begin: &str, server: &Server, first: &Path) -> Output {
        self.shell(self.parts.iter().find(|part| part.starts_with(begin)).unwrap(), server, first)
    }

    /// Runs all of it at once, as nobody should.
    fn whole(&self, server: &Server, first: &Path) -> Output {
        self.shell(&self.parts.join("\n"), server, first)
    }

    fn shell(&self, part: &str, server: &Server, first: &Path) -> Output {
        let path = format!("{}:{}:/usr/sbin:/usr/bin:/bin", first.display(), server.dir().display());
        // A terminal's shell stays after a part that stopped.
        Command::new("bash").arg("-c").arg(format!("{part}\n")).env("PATH", path).output().unwrap()
    }
}

fn code(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    said(output).lines().find_map(|line| line.split_once("home: ")).unwrap().1.trim().to_string()
}

/// Why a part stopped, without what differs from plan to plan.
fn stopped(output: &Output, plan: &Planned) -> String {
    let said = said(output);
    assert!(!output.status.success(), "{said}");
    let why: Vec<&str> = stops(&said).collect();
    let [why] = why[..] else { panic!("{said}") };
    // the command that it may give names a process
    let why = why.split("; move").next().unwrap_or_default();
    why.replace(&plan.plan.short_id(), "PLAN").replace(&plan.plan.members[0].id.to_string(), "MEMBER")
}

/// The lines by which parts stop.
fn stops(said: &str) -> impl Iterator<Item = &str> {
    said.lines().filter(|line| line.starts_with("Stopped: "))
}

/// etcdctl 3.4 cannot skip revisions, which is what plan asks for where Kubernetes data is in the snapshot.
const UNBUMPED: [&str; 4] = ["--bump-revision", "0", "--override", "reuse-revisions@2"];

/// From an old directory to a new member that serves, and back.
pub fn sheet_and_code(server: &Server) {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("the 'data'");
    let places = Place::take(1);
    let snapshot = fixture("3.4.23-small.db");
    let bump = ["--bump-revision", "1000", "--mark-compacted"];
    let bump: &[&str] = if server.minor == "3.4" { &UNBUMPED } else { &bump };
    let owner = if rustix::process::geteuid().is_root() { (12, 34) } else { (0, 0) };
    let plan = Planned::new(&snapshot, &places, dir.path(), &[&["--etcd-version", server.minor], bump].concat());
    // Planned's root, under another name that a shell must quote.
    let text = fs::read_to_string(&plan.file).unwrap().replace("/restored/", "/the 'data'/");
    fs::write(&plan.file, text).unwrap();
    let plan = Planned::read(&plan.file);
    let member = &plan.plan.members[0];

    let sheet = Sheet::of(&plan.file, "m1");
    let none = dir.path().join("nothing");
    let mut table = Vec::new();
    table.push(("another host", stopped(&sheet.run("# Part 1", server, &none), &plan)));
    let whole = said(&sheet.whole(server, &none));
    assert_eq!(stops(&whole).count(), 1, "no part follows one that stopped: {whole}");
    fs::create_dir_all(member.data_dir.join("member")).unwrap();
    fs::write(member.data_dir.join("member/old"), "old").unwrap();
    fs::set_permissions(&member.data_dir, fs::Permissions::from_mode(0o750)).unwrap();
    if owner.0 != 0 {
        std::os::unix::fs::chown(&member.data_dir, Some(owner.0), Some(owner.1)).unwrap();
    }
    table.push(("part 2 before part 1", stopped(&sheet.run("# Part 2", server, &none), &plan)));

    // Given to a shell as a script, the sheet does no more than its first part.
    let built = code(&sheet.whole(server, &none));
    let judged =
        |code: &str| requorum(["sheet"]).arg(&plan.file).args(["--member", "m1", "--result", code]).output().unwrap();
    let yes = judged(&built);
    assert!(yes.status.success(), "{}", said(&yes));
    assert_eq!(judged("0000-0000-0000-0000").status.code(), Some(1));
    table.push(("part 1 again", stopped(&sheet.run("# Part 1", server, &none), &plan)));
    assert!(member.data_dir.join("member/old").exists(), "part 1 touches nothing");

    // An etcd that runs there holds its database.
    fs::create_dir(member.data_dir.join("member/snap")).unwrap();
    let db = fs::File::create(member.data_dir.join("member/snap/db")).unwrap();
    rustix::fs::flock(&db, rustix::fs::FlockOperation::LockExclusive).unwrap();
    table.push(("part 2 under an etcd", stopped(&sheet.run("# Part 2", server, &none), &plan)));
    drop(db);

    // Pasted into a terminal, the exchange waits for a word, which no paste of the whole sheet is.
    let path = format!("{}:{}:/usr/sbin:/usr/bin:/bin", none.display(), server.dir().display());
    let terminal = |paste: &str| {
        let mut terminal = Pty::spawn(&["bash", "--norc", "-i"], &[("PATH", &path), ("PS1", "ready> ")], 200, 200);
        terminal.wait("ready> ");
        terminal.send("bind 'set enable-bracketed-paste off'; echo plain\\ paste\r");
        terminal.wait("plain paste");
        terminal.send(&paste.replace('\n', "\r"));
        terminal
    };
    let asks = |terminal: &Pty| {
        // the line of the sheet that prints it is on the screen, too
        terminal.wait_until("it asks", |pty| pty.screen().lines().any(|line| line.starts_with("Is every member")));
    };
    let mut whole = terminal(&sheet.parts.join("\n"));
    asks(&whole);
    whole.send("yes\r");
    whole.wait("Stopped: that was not the word");
    assert!(member.data_dir.join("member/old").exists());
    let mut part = terminal(sheet.parts.iter().find(|part| part.starts_with("# Part 2")).unwrap());
    asks(&part);
    part.send("exchange\r");
    part.wait("m1 is installed in");
    let names = |dir: &Path| {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&root).len(), 2, "the new and the old: {:?}", names(&root));
    assert_eq!(names(&root.join(&names(&root)[1]).join("member")), ["old", "snap"]);
    let meta = fs::metadata(&member.data_dir).unwrap();
    assert_eq!(meta.mode() & 0o777, 0o750, "as the old one");
    if owner.0 != 0 {
        let db = fs::metadata(member.data_dir.join("member/snap/db")).unwrap();
        assert_eq!((meta.uid(), db.uid(), db.gid()), (owner.0, owner.0, owner.1), "as the old one's");
    }

    let mut members: Vec<Member> = plan.start(server, &places, &[]);
    let mut client = members[0].wait_ready(None);
    assert_eq!(client.contents().keys.len(), 100);
    assert_eq!(client.revision(), plan.plan.expected_revision());
    let running = sheet.run("# Rollback", server, &none);
    table.push(("a rollback under an etcd", stopped(&running, &plan)));
    messages::hold("sheet-stops", &table);
    members[0].stop();

    let back = sheet.run("# Rollback", server, &none);
    assert!(back.status.success(), "{}", said(&back));
    assert_eq!(names(&member.data_dir.join("member")), ["old", "snap"]);
    assert!(names(&root).iter().any(|name| name.contains("requorum-new-")), "the new one is kept: {:?}", names(&root));
}

/// Data and log each on a filesystem of their own, which cannot be renamed: `mountpoint` is ours and says so.
pub fn sheet_on_mounts(server: &Server) {
    let dir = TempDir::new().unwrap();
    let places = Place::take(1);
    let snapshot = dir.path().join("saved.db");
    fs::copy(fixture("3.4.23-small.db"), &snapshot).unwrap();
    let bump: &[&str] = if server.minor == "3.4" { &UNBUMPED } else { &[] };
    let plan = Planned::new(&snapshot, &places, dir.path(), &[&["--etcd-version", server.minor], bump].concat());
    let wal = dir.path().join("restored/wal");
    let line = format!("\n  wal_dir: {}\n", wal.display());
    let text = fs::read_to_string(&plan.file).unwrap();
    fs::write(&plan.file, format!("{}{line}", text.trim_end())).unwrap();
    let plan = Planned::read(&plan.file);
    let member = &plan.plan.members[0];
    let tools = dir.path().join("tools");
    fs::create_dir(&tools).unwrap();
    fs::write(tools.join("mountpoint"), "#!/bin/sh\ntest -d \"$2\"\n").unwrap();
    fs::set_permissions(tools.join("mountpoint"), fs::Permissions::from_mode(0o755)).unwrap();
    for (dir, file) in [(&member.data_dir, "member/old"), (&wal, "old.wal")] {
        fs::create_dir_all(dir.join("member")).unwrap();
        fs::create_dir_all(dir.join("lost+found")).unwrap();
        fs::write(dir.join(file), "old").unwrap();
    }

    let sheet = Sheet::of(&plan.file, "m1");
    fs::copy(fixture("3.5.16-lease.db"), &snapshot).unwrap();
    let why = stopped(&sheet.run("# Part 1", server, &tools), &plan);
    messages::hold("sheet-another-snapshot", &[("another file in its place", why)]);
    fs::copy(fixture("3.4.23-small.db"), &snapshot).unwrap();
    let by_etcd = code(&sheet.run("# Part 1", server, &tools));
    let swapped = sheet.run("# Part 2", server, &tools);
    assert!(swapped.status.success(), "{}", said(&swapped));
    assert!(!wal.join("old.wal").exists() && wal.join("lost+found").exists());
    let mut members = plan.start(server, &places, &[]);
    assert_eq!(members[0].wait_ready(None).contents().keys.len(), 100);
    members[0].stop();
    let back = sheet.run("# Rollback", server, &tools);
    assert!(back.status.success(), "{}", said(&back));
    assert!(wal.join("old.wal").exists() && member.data_dir.join("member/old").exists());
    assert!(!wal.join("0000000000000000-0000000000000000.wal").exists());

    // Where requorum is there, it is what restores.
    std::os::unix::fs::symlink(PROGRAM, tools.join("requorum")).unwrap();
    let built = sheet.run("# Part 1", server, &tools);
    assert!(said(&built).contains("; verified"), "{}", said(&built));
    assert_eq!(code(&built), by_etcd);
}
