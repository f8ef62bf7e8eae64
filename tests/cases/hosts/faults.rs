//! What goes wrong at each phase: nothing of the old data is lost, nothing half-made is in a place, the next run finishes,
//! and the report tells the truth.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    Planned, data, hidden,
    install::{all_in_place, hosts, nothing_is_lost, old_of, plan, with_old},
    sshd::{Net, Sshd},
    support::{PROGRAM, apart, ended, fixture, names, requorum, succeed},
    told,
};
use crate::support::every_case;

/// Runs `apply` until it tells `event` for the `nth` time; then does `harm`, and waits for its end.
fn harmed(planned: &Planned, net: &Net, event: &str, nth: usize, harm: impl FnOnce(u32)) -> Option<i32> {
    let mut child = planned
        .apply(net, &["-w", "json", "--limit", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let is = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap()["event"] == event;
    let met = lines.by_ref().map_while(Result::ok).filter(is).nth(nth - 1);
    assert!(met.is_some(), "{event} was not told {nth} times");
    harm(child.id());
    lines.for_each(drop);
    child.wait().unwrap().code()
}

const PHASES: [(&str, usize); 10] = [
    ("looked", 2),
    ("standing", 1),
    ("fences", 1),
    ("snapshot", 1),
    ("sent", 1),
    ("step", 3),
    ("restored", 2),
    ("barrier", 1),
    ("placed", 1),
    ("placed", 2),
];

/// All of them where tests/run asks for everything; else one before the barrier and one after it.
fn phases() -> Vec<(&'static str, usize)> {
    let everyday = |phase: &&(&str, usize)| [("restored", 2), ("placed", 1)].contains(phase);
    match every_case() {
        true => PHASES.to_vec(),
        false => PHASES.iter().filter(everyday).copied().collect(),
    }
}

fn report(planned: &Planned) -> serde_json::Value {
    serde_json::from_str(&succeed(requorum(["report", "-w", "json"]).arg(&planned.file))).unwrap()
}

/// The operator's process is killed in each phase; the next one goes on where it stood.
pub fn operator_killed() {
    for (event, nth) in phases() {
        let net = Net::new();
        let hosts = hosts(&net, 3);
        let planned = plan(&net, &with_old(&hosts));
        let ended_by = harmed(&planned, &net, event, nth, |pid| {
            kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
        });
        assert_eq!(ended_by, None, "{event}: killed");
        nothing_is_lost(&hosts, &planned);
        let begun = planned.file.with_extension("yaml.journal").exists();
        if begun {
            let stood = succeed(planned.resume(&net, &["--show"]).env_remove("SUDO_USER"));
            assert!(stood.contains("  m3: "), "each member of an unfinished run is listed: {event}: {stood}");
        }
        let output =
            if begun { planned.resume(&net, &["-w", "json"]) } else { planned.apply(&net, &[]) }.output().unwrap();
        ended(&output, 0, &[]);
        all_in_place(&hosts, &planned);
        ended(&planned.resume(&net, &[]).output().unwrap(), 0, &["Nothing to resume"]);
        if event == "placed" {
            // Those that were built are not built again.
            assert_eq!((told(&output, "sent").len(), told(&output, "restored").len()), (0, 0), "{event} {nth}");
        }
        let report = report(&planned);
        if event != "looked" {
            assert_eq!(report["runs"][0]["ended"], serde_json::Value::Null, "{event}: the first run was cut off");
        }
        assert_eq!(report["runs"].as_array().unwrap().last().unwrap()["complete"], true);
        let placed: usize =
            report["hosts"].as_array().unwrap().iter().map(|h| h["placed"].as_array().unwrap().len()).sum();
        // What the killed one did not live to write down is on the host's own journal, and in place all the same.
        assert!(placed >= 2, "{event} {nth}: {report}");
    }
}

/// A host's sshd, with all that it serves, is killed in each phase.
pub fn sshd_killed() {
    for (event, nth) in phases() {
        let net = Net::new();
        let mut hosts = hosts(&net, 3);
        let planned = plan(&net, &with_old(&hosts));
        let at = if event == "placed" { nth.min(2) } else { 1 };
        let code = harmed(&planned, &net, event, nth, |_| hosts[at].kill());
        assert!(matches!(code, Some(3..=5)), "{event}: {code:?}");
        nothing_is_lost(&hosts, &planned);
        hosts[at].start();
        let output = planned.resume(&net, &[]).output().unwrap();
        ended(&output, 0, &[]);
        all_in_place(&hosts, &planned);
        assert_eq!(report(&planned)["runs"].as_array().unwrap().last().unwrap()["complete"], true);
    }
}

/// The program beside the data is killed in each phase.
pub fn agent_killed() {
    // Before that there is none yet.
    for (event, nth) in phases().into_iter().filter(|(event, _)| *event != "looked") {
        let net = Net::new();
        let hosts = hosts(&net, 3);
        let planned = plan(&net, &with_old(&hosts));
        let code = harmed(&planned, &net, event, nth, |_| hosts.iter().for_each(Sshd::kill_agent));
        assert!(code.is_some_and(|code| code == 4 || code == 0), "{event}: {code:?}");
        nothing_is_lost(&hosts, &planned);
        ended(&planned.apply(&net, &[]).output().unwrap(), 0, &[]);
        all_in_place(&hosts, &planned);
    }
}

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

fn mount(options: &str, dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    succeed(Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(dir));
}

struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// A filesystem that is full, one that becomes full on the way, one that is read-only: all of them are row states.
pub fn disks() {
    if !root() {
        return;
    }
    let net = Net::new();
    let hosts = hosts(&net, 3);
    let dirs = with_old(&hosts[..2]);
    let small = hosts[2].dir.join("lib");
    mount("size=30m", &small);
    let _mounted = Mounted(&small);
    let dirs = [dirs, with_old(&hosts[2..])].concat();
    let planned = plan(&net, &dirs);
    ended(
        &planned.apply(&net, &[]).output().unwrap(),
        3,
        &["h3: not enough space on", "Nothing was written on any host"],
    );
    nothing_is_lost(&hosts, &planned);

    // Room enough when it was looked at, and not when the log was written.
    succeed(Command::new("mount").args(["-o", "remount,size=90m"]).arg(&small));
    let code = harmed(&planned, &net, "fences", 1, |_| fs::write(small.join("filler"), vec![0; 60 << 20]).unwrap());
    assert_eq!(code, Some(4));
    nothing_is_lost(&hosts, &planned);
    assert_eq!(old_of(&hosts[2]), dirs[2]);
    let left = hidden(&hosts[2]);
    assert!(
        !left
            .iter()
            .any(|name| name.starts_with(".requorum-") && !name.ends_with(".journal") && !name.contains("snapshot")),
        "{left:?}"
    );
    fs::remove_file(small.join("filler")).unwrap();

    succeed(Command::new("mount").args(["-o", "remount,ro"]).arg(&small));
    ended(&planned.apply(&net, &[]).output().unwrap(), 3, &["h3: ", "read-only"]);
    succeed(Command::new("mount").args(["-o", "remount,rw"]).arg(&small));
    ended(&planned.apply(&net, &[]).output().unwrap(), 0, &[]);
    all_in_place(&hosts, &planned);
}

/// A data directory that is a filesystem of its own cannot be renamed: what is in it is exchanged.
pub fn a_mount_point() {
    if !root() {
        return;
    }
    let net = Net::new();
    let hosts = hosts(&net, 1);
    mount("size=200m", &data(&hosts[0]));
    let own = data(&hosts[0]);
    let _mounted = Mounted(&own);
    let dirs = with_old(&hosts);
    let planned = plan(&net, &dirs);
    ended(&planned.apply(&net, &[]).output().unwrap(), 0, &["requorum-old-2"]);
    let aside = names(&own).into_iter().find(|name| name.starts_with("requorum-old-2")).unwrap();
    assert!(own.join(aside).join("member/old").exists() && own.join("member/snap/db").exists());
    ended(&planned.undo(&net, &[]).output().unwrap(), 0, &[]);
    assert!(own.join("member/old").exists());
}

/// Whoever may not write is refused in a sentence, before anything is made: as an ordinary user, on this machine.
pub fn permissions() {
    if !root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let nobody = |command: &mut Command| {
        let mut as_nobody = Command::new("setpriv");
        apart(&mut as_nobody);
        as_nobody.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]).arg(command.get_program());
        as_nobody.args(command.get_args());
        as_nobody
    };
    succeed(Command::new("chmod").arg("755").arg(dir.path()));
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    let tried = nobody(Command::new("touch").arg(closed.join("x"))).output().unwrap();
    assert!(!tried.status.success(), "the refusal does not happen here");
    let plan_dir = dir.path().join("plan");
    fs::create_dir(&plan_dir).unwrap();
    fs::copy(fixture("3.5.16-small.db"), plan_dir.join("s.db")).unwrap();
    let planned = Planned::of(&plan_dir, &plan_dir.join("s.db"), &[("local", &closed.join("etcd"))]);
    succeed(Command::new("chown").args(["-R", "65534:65534"]).arg(&plan_dir));
    // Our own file may lie where an ordinary user cannot go.
    let program = dir.path().join("requorum");
    fs::copy(PROGRAM, &program).unwrap();
    let mut command = Command::new(&program);
    command.arg("apply").arg(&planned.file);
    let output = nobody(&mut command).output().unwrap();
    ended(&output, 3, &["local: ", "may not write into", "Nothing was written on any host"]);
    assert!(names(&closed).is_empty());
    assert_eq!(fs::metadata(&closed).unwrap().uid(), 0);
}

/// A host whose sudo asks for a password works as whoever logged in, and is told so; one whose clock is off is warned of.
pub fn refused_and_odd() {
    let net = Net::new();
    let hosts = hosts(&net, 2);
    let dirs = with_old(&hosts);
    hosts[0].script("id", "case $1 in -u) echo 1000 ;; *) echo ops ;; esac");
    hosts[0].script("sudo", "echo 'sudo: a password is required' >&2; exit 1");
    hosts[1].script("date", "echo $(($(/bin/date +%s) - 3600))");
    let planned = plan(&net, &dirs);
    let output = planned.apply(&net, &[]).output().unwrap();
    ended(&output, 0, &["h1: Linux", "as ops, no root", "h2: Warning: its clock is 360"]);
    all_in_place(&hosts, &planned);

    // Between two runs somebody else planted a snapshot there, and the host key is another.
    let net = Net::new();
    let mut hosts = super::install::hosts(&net, 2);
    let planned = plan(&net, &with_old(&hosts));
    harmed(&planned, &net, "sent", 1, |pid| {
        kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
    });
    hosts[1].kill();
    fs::remove_file(hosts[1].dir.join("host_key")).unwrap();
    super::sshd::keygen(&hosts[1].dir.join("host_key"));
    hosts[1].start();
    let output = planned.apply(&net, &[]).output().unwrap();
    ended(&output, 3, &["host key verification failed"]);
    nothing_is_lost(&hosts, &planned);
}

/// A host whose answers are changed on their way: whatever it says that it built is held against the plan on this side, and
/// nothing is put in place anywhere.
pub fn liar() {
    for lie in [
        r#"s/"revision":[0-9]*/"revision":7/"#,
        r#"s/"keys":[0-9]*/"keys":1/"#,
        r#"s/"source_sha256":"[0-9a-f]*"/"source_sha256":"00"/"#,
        r#"s/"log_sha256":"[0-9a-f]*"/"log_sha256":"00"/"#,
    ] {
        let net = Net::new();
        let mut hosts = hosts(&net, 2);
        let planned = plan(&net, &with_old(&hosts));
        let liar = &mut hosts[1];
        liar.kill();
        let config = liar.dir.join("sshd_config");
        let text = fs::read_to_string(&config).unwrap();
        liar.script("lies", &format!("sh -c \"$SSH_ORIGINAL_COMMAND\" | sed -u '{lie}'"));
        fs::write(&config, format!("{text}ForceCommand {}\n", liar.dir.join("bin/lies").display())).unwrap();
        liar.start();
        let output = planned.apply(&net, &[]).output().unwrap();
        ended(&output, 3, &["h2: m2 was not built as planned"]);
        for host in &hosts {
            assert_eq!(old_of(host), data(host), "{lie}: something was put in place");
        }
    }
}
