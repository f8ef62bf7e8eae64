//! Plans carried out over real `sshd`s on loopback (Debian's `openssh-server`); without one these tests are shown as
//! ignored.

mod faults;
mod install;
mod launching;
mod sshd;
mod starting;
mod wizard;

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output, Stdio},
    time::Duration,
};

use crate::support::{
    self, PROGRAM,
    cluster::{Member, Place, client_urls, initial_cluster},
    ended, fixture, names, requorum, said,
    servers::Server,
    succeed, wait_until,
};
use libtest_mimic::{Completion, Trial};
use requorum::domain::model::plan::Plan;
use sha2::{Digest, Sha256};
use sshd::{Gate, Net, Sshd, keygen, program};

const CASES: [(&str, fn()); 27] = [
    ("the_whole_road_over_three_hosts", the_whole_road),
    ("every_host_that_is_not_ready_is_named", not_ready),
    ("a_cut_connection_goes_on_where_it_ended", cut),
    ("a_stop_is_a_stop_at_a_safe_point", stopped),
    ("a_wrong_snapshot_is_never_taken", wrong),
    ("sudo_and_hosts_that_do_not_take_the_program", sudo),
    ("a_host_of_another_processor_gets_its_build", another_processor),
    ("launch_asks_the_hosts", launching::asks_the_hosts),
    ("members_are_started_by_their_units", starting::by_their_units),
    ("members_that_share_a_host_share_its_snapshot", shared),
    ("old_members_are_exchanged_and_taken_back", install::with_real_etcds),
    ("what_was_rehearsed_need_not_be_built_again", install::rehearsed_and_kept),
    ("two_operators_at_once", install::two_operators),
    ("a_host_that_is_done_by_hand", install::by_hand),
    ("the_old_cluster_comes_back", install::the_old_cluster_comes_back),
    ("a_log_that_lies_elsewhere", install::a_log_elsewhere),
    ("no_journal_holds_a_secret", install::no_secrets),
    ("the_wizard_over_three_hosts", wizard::the_whole_road),
    ("the_wizard_is_killed_and_goes_on", wizard::killed_and_gone_on_with),
    ("the_operator_is_killed_in_each_phase", faults::operator_killed),
    ("an_sshd_is_killed_in_each_phase", faults::sshd_killed),
    ("the_agent_is_killed_in_each_phase", faults::agent_killed),
    ("disks_that_are_full_or_read_only", faults::disks),
    ("a_data_directory_that_is_a_mount_point", faults::a_mount_point),
    ("whoever_may_not_write_is_refused", faults::permissions),
    ("sudo_refused_clock_off_host_key_changed", faults::refused_and_odd),
    ("a_host_that_lies_about_what_it_built", faults::liar),
];

/// Those that take long and of which a shorter one shows the most: only where everything is asked for.
const LONG: [&str; 18] = [
    "the_whole_road_over_three_hosts",
    "a_cut_connection_goes_on_where_it_ended",
    "launch_asks_the_hosts",
    "members_that_share_a_host_share_its_snapshot",
    "a_log_that_lies_elsewhere",
    "a_data_directory_that_is_a_mount_point",
    "a_stop_is_a_stop_at_a_safe_point",
    "two_operators_at_once",
    "the_old_cluster_comes_back",
    "the_wizard_over_three_hosts",
    "what_was_rehearsed_need_not_be_built_again",
    "an_sshd_is_killed_in_each_phase",
    "the_agent_is_killed_in_each_phase",
    "the_operator_is_killed_in_each_phase",
    "the_wizard_is_killed_and_goes_on",
    "members_are_started_by_their_units",
    "sudo_and_hosts_that_do_not_take_the_program",
    "disks_that_are_full_or_read_only",
];

/// What this program does when a case starts it once more in place of an agent, and the code that it ends with.
pub fn child() -> Option<ExitCode> {
    match std::env::args().collect::<Vec<_>>().as_slice() {
        [_, word, root] if word == starting::AGENT => Some(starting::agent(Path::new(root))),
        _ => None,
    }
}

/// The cases; all of them where `every` is asked for.
pub fn trials(every: bool) -> Vec<Trial> {
    let trial = |(name, case): (&str, fn())| {
        let waits = LONG.contains(&name) && !every;
        Trial::ignorable_test(format!("hosts::{name}"), move || match program() {
            Ok(_) if waits => Ok(Completion::ignored_with("not every day; tests/run has every case")),
            Ok(_) => {
                case();
                Ok(Completion::Completed)
            }
            Err(why) => Ok(Completion::ignored_with(why)),
        })
    };
    CASES.map(trial).into()
}

/// A plan of members m1, m2, … on these hosts, each with a data directory of its own below its host's.
struct Planned {
    file: PathBuf,
    plan: Plan,
    places: Vec<Place>,
    dir: PathBuf,
}

impl Planned {
    /// `snapshot` comes to lie at a path that leads nowhere on a host, whose programs work in another directory.
    fn new(net: &Net, snapshot: &Path, hosts: &[(&str, &Path)]) -> Planned {
        let dir = net.dir.path().join("here");
        fs::create_dir(&dir).unwrap();
        fs::copy(snapshot, dir.join("of-this-machine.db")).unwrap();
        Planned::of(&dir, Path::new("/proc/self/cwd/of-this-machine.db"), hosts)
    }

    fn of(dir: &Path, snapshot: &Path, hosts: &[(&str, &Path)]) -> Planned {
        Planned::at(dir, snapshot, Place::take(hosts.len()), hosts)
    }

    fn at(dir: &Path, snapshot: &Path, places: Vec<Place>, hosts: &[(&str, &Path)]) -> Planned {
        let rows: Vec<serde_json::Value> = places
            .iter()
            .zip(hosts)
            .map(|(place, (_, data))| {
                serde_json::json!({"name": place.name, "peerUrls": [place.peer_url()], "clientUrls": [place.client_url()], "dataDir": data})
            })
            .collect();
        fs::write(dir.join("inventory.json"), serde_json::to_string(&rows).unwrap()).unwrap();
        let pairs: Vec<String> = places.iter().zip(hosts).map(|(p, (host, _))| format!("{}={host}", p.name)).collect();
        let mut command =
            requorum(["plan", "--label", "prod", "--inventory", "inventory.json", "--hosts", &pairs.join(",")]);
        command.arg("--snapshot").arg(snapshot).args(["-o", "plan.yaml"]);
        let said = succeed(command.current_dir(dir));
        assert!(said.contains("requorum apply "), "{said}");
        let file = dir.join("plan.yaml");
        let plan = requorum::domain::model::plan_yaml::from_yaml(&fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(initial_cluster(&places), plan.initial_cluster());
        assert!(client_urls(&places).contains(&plan.members[0].client_urls[0]));
        Planned { file, plan, places, dir: dir.into() }
    }

    fn apply(&self, net: &Net, more: &[&str]) -> Command {
        let mut command = requorum(["apply"]);
        command.arg(&self.file).arg("--ssh-config").arg(net.config()).args(more).current_dir(&self.dir);
        command
    }

    fn resume(&self, net: &Net, more: &[&str]) -> Command {
        let mut command = requorum(["resume"]);
        command.arg(&self.file).arg("--ssh-config").arg(net.config()).args(more).current_dir(&self.dir);
        command
    }

    fn undo(&self, net: &Net, more: &[&str]) -> Command {
        let mut command = requorum(["undo"]);
        command.arg(&self.file).arg("--ssh-config").arg(net.config()).args(more).current_dir(&self.dir);
        command
    }

    /// The name of its journal on a host.
    fn journal(&self) -> String {
        format!(".requorum-{}.journal", self.plan.short_id())
    }

    /// The name of the snapshot that a host received.
    fn received(&self) -> String {
        format!(".requorum-snapshot-{}.db", &self.plan.source.sha256[..16])
    }
}

/// The lines of `-w json` about one event.
fn told(output: &Output, event: &str) -> Vec<serde_json::Value> {
    let lines = String::from_utf8_lossy(&output.stdout);
    let lines = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.filter(|line| line["event"] == event).collect()
}

/// A sound snapshot of `megabytes` that does not pack, so that a connection is busy with it.
fn big(net: &Net, megabytes: u32) -> PathBuf {
    let path = net.dir.path().join("big.db");
    succeed(requorum(["bench", "--generate", "big-values", "--size", &format!("{megabytes}M")]).arg(&path));
    path
}

/// What lies hidden in a host's directories.
fn hidden(host: &Sshd) -> Vec<String> {
    let mut all: Vec<String> =
        [&host.dir, &host.dir.join("lib"), &data(host)].into_iter().flat_map(|dir| names(dir)).collect();
    all.retain(|name| name.starts_with('.'));
    all
}

fn data(host: &Sshd) -> PathBuf {
    host.dir.join("lib/etcd")
}

/// Looked at, sent, restored, cleared up; and the members serve, started by the printed commands.
fn the_whole_road() {
    let net = Net::new();
    let hosts = ["h1", "h2", "h3"].map(|name| net.host(name));
    let dirs = hosts.each_ref().map(data);
    // One is there already, and empty, as a mount point would be.
    fs::create_dir_all(&dirs[1]).unwrap();
    let planned =
        Planned::new(&net, &fixture("3.5.16-small.db"), &[("h1", &dirs[0]), ("h2", &dirs[1]), ("h3", &dirs[2])]);

    let said = succeed(&mut planned.apply(&net, &["--check"]));
    for words in
        ["h1: Linux ", "h3: Linux ", "does not exist yet", "Preflight passed on every host; nothing was written"]
    {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
    assert!(!dirs[0].exists() && names(&dirs[1]).is_empty(), "a look wrote something");

    let output = planned.apply(&net, &["--limit", "2"]).output().unwrap();
    let said = ended(
        &output,
        0,
        &["h1: sending the program", "snapshot sent and verified", "compressed", "requorum launch ", "Journal: "],
    );
    assert_eq!(said.matches("; verified").count(), 3, "{said}");
    for (host, dir) in hosts.iter().zip(&dirs) {
        assert!(host.temporary().is_empty(), "the program was left in {:?}", host.temporary());
        assert_eq!(names(dir), ["member"]);
        assert_eq!(hidden(host), [planned.journal()], "something was left beside {}", dir.display());
        let log = fs::read_to_string(host.dir.join("sshd.log")).unwrap();
        assert_eq!(log.matches("Accepted publickey").count(), 2, "one connection for the look and one for the work");
    }
    let output = planned.apply(&net, &[]).output().unwrap();
    let said = ended(&output, 0, &["h1: m1 is already installed"]);
    assert_eq!(said.matches("is already installed").count(), 3, "all hosts are shown:\n{said}");
    assert!(hosts.iter().all(|host| host.temporary().is_empty()));

    let Some(server) = ["3.6", "3.5"].iter().find_map(|minor| Server::find(minor).ok()) else { return };
    let lines = succeed(requorum(["launch", "--plan"]).arg(&planned.file));
    let lines: Vec<&str> = lines.trim_end().split("\n\n").collect();
    let start = |((line, place), dir): ((&&str, &Place), &PathBuf)| Member::start(&server, place, dir, line, &[]);
    let mut members: Vec<Member> = lines.iter().zip(&planned.places).zip(&dirs).map(start).collect();
    for member in &mut members {
        let mut client = member.wait_ready(None);
        assert_eq!(client.members().1, planned.plan.cluster_id.0);
        assert_eq!(client.contents().keys.len(), usize::try_from(planned.plan.source.keys).unwrap());
    }
    members[0].wait_ready(None).put_and_get("after", "the restore");
}

/// Each in its own sentence, and the good one among them is not begun.
fn not_ready() {
    let net = Net::new();
    let good = net.host("good");
    let strange = net.stranger("strange");
    let changed = net.stranger("changed");
    keygen(&net.dir.path().join("other"));
    net.trust("changed", &net.dir.path().join("other.pub"));
    let locked = net.host("locked");
    let allowed = locked.dir.join("sshd_config");
    let text = fs::read_to_string(&allowed).unwrap();
    let mut locked = locked;
    locked.kill();
    fs::write(&allowed, text.replace("/id.pub", "/other.pub")).unwrap();
    locked.start();
    let mut dead = net.host("dead");
    dead.kill();
    let taken = net.host("taken");
    fs::create_dir_all(data(&taken).join("photos")).unwrap();
    let silly = net.host("silly");
    // The login prints something first, as many do, and then is no shell.
    let profile = silly.dir.join("sshd_config");
    let text = fs::read_to_string(&profile).unwrap();
    let mut silly = silly;
    silly.kill();
    fs::write(&profile, format!("{text}ForceCommand echo 'This account is currently not available.'\n")).unwrap();
    silly.start();

    let dirs = [&good, &strange, &changed, &locked, &dead, &taken, &silly].map(data);
    let names_ = ["good", "strange", "changed", "locked", "dead", "taken", "silly"];
    let rows: Vec<(&str, &Path)> = names_.iter().zip(&dirs).map(|(name, dir)| (*name, dir.as_path())).collect();
    let planned = Planned::new(&net, &fixture("3.5.16-small.db"), &rows);
    let output = planned.apply(&net, &[]).output().unwrap();
    ended(
        &output,
        3,
        &[
            "good: Linux",
            "strange: strange: cannot be reached by ssh: host key verification failed: its host key is not in known_hosts",
            "compare the fingerprint and accept it: ssh strange",
            "changed: changed: cannot be reached by ssh: host key verification failed",
            "locked: locked: cannot be reached by ssh: permission denied: none of your keys is accepted",
            "dead: dead: cannot be reached by ssh: connection refused",
            "taken: m6: ",
            "is not empty: it holds photos and is not an etcd directory",
            "silly: cannot be reached by ssh: it only prints: This account is currently not available.",
            "strange, changed, locked, dead, taken and silly are not ready",
            "Nothing was written on any host",
        ],
    );
    assert!(!dirs[0].exists() && good.temporary().is_empty() && names(&data(&taken)) == ["photos"]);
    let output = planned.apply(&net, &["-w", "json"]).output().unwrap();
    assert_eq!((told(&output, "looked").len(), told(&output, "unreachable").len()), (2, 5));
}

/// What has arrived is not sent again: counted at the far end and on the wire.
fn cut() {
    const HALF: u64 = 8 << 20;
    let net = Net::new();
    let mut host = net.host("h1");
    let planned = Planned::new(&net, &big(&net, 24), &[("h1", &data(&host))]);
    let total = planned.plan.source.bytes;

    let gate = Gate::new(host.ip, fs::metadata(PROGRAM).unwrap().len() + HALF);
    net.lead("h1", "127.0.0.1".parse().unwrap(), gate.port);
    let child = planned.apply(&net, &["-w", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    gate.wait();
    host.kill();
    let output = child.wait_with_output().unwrap();
    ended(&output, 4, &["h1: connection lost", "Run the same command again"]);
    let part = host.dir.join(format!("{}.part", planned.received()));
    let there = wait_until("the far end to let go", Duration::from_secs(30), || {
        let file = File::open(&part).map_err(|e| e.to_string())?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|e| e.to_string())?;
        Ok(file.metadata().unwrap().len())
    });
    assert!(there > HALF / 2 && there < total - HALF / 2, "{there} bytes arrived");
    assert_eq!(fs::metadata(&part).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!data(&host).exists());

    wait_until("the program to be removed", Duration::from_secs(30), || match host.temporary() {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?} is left")),
    });

    host.start();
    host.install();
    let gate = Gate::new(host.ip, u64::MAX);
    net.lead("h1", "127.0.0.1".parse().unwrap(), gate.port);
    let output = planned.apply(&net, &["-w", "json"]).output().unwrap();
    ended(&output, 0, &[]);
    let sent = told(&output, "sent");
    assert_eq!((sent[0]["from"].as_u64(), sent[0]["bytes"].as_u64()), (Some(there), Some(total - there)));
    let wire = gate.sent();
    assert!(
        wire < total - there + (1 << 20),
        "{wire} bytes went over the wire for {} that were missing",
        total - there
    );
    assert_eq!((names(&data(&host)), part.exists()), (vec!["member".to_string()], false));
    // The row that a bump leaves counts as a key.
    let keys = planned.plan.source.keys + u64::from(planned.plan.bump_revision > 0);
    assert_eq!(told(&output, "restored")[0]["restored"]["keys"], keys);
}

/// Ctrl-C while a snapshot is on its way: the exit code says so, and the far end keeps what it has.
fn stopped() {
    let net = Net::new();
    let host = net.host("h1");
    host.install();
    let planned = Planned::new(&net, &big(&net, 24), &[("h1", &data(&host))]);
    let gate = Gate::new(host.ip, 4 << 20);
    net.lead("h1", "127.0.0.1".parse().unwrap(), gate.port);
    let child = planned.apply(&net, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    gate.wait();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    // The wire is dead: it ends all the same, when ssh has found out.
    let output = child.wait_with_output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(75), "{said}");
    assert!(names(&host.dir).contains(&format!("{}.part", planned.received())), "{said}");
    assert!(!data(&host).exists());
}

/// Not at the far end, not here, not by a name.
fn wrong() {
    let net = Net::new();
    let host = net.host("h1");
    host.install();
    let planned = Planned::new(&net, &fixture("3.5.16-small.db"), &[("h1", &data(&host))]);
    let here = planned.dir.join("of-this-machine.db");

    // Half of another file under the name of ours: sent on, found wrong, sent anew.
    let part = host.dir.join(format!("{}.part", planned.received()));
    fs::write(&part, [0x5a; 5000]).unwrap();
    let whole = host.dir.join(planned.received());
    fs::write(&whole, b"somebody wrote into it").unwrap();
    let output = planned.apply(&net, &[]).output().unwrap();
    ended(&output, 1, &[": not the plan's snapshot", "its SHA-256 has changed"]);
    assert_eq!(fs::read(&whole).unwrap(), b"somebody wrote into it");
    assert!(!data(&host).exists());
    fs::remove_file(&whole).unwrap();

    // The file here was changed after the plan was made.
    let good = fs::read(&here).unwrap();
    let mut bad = good.clone();
    bad[9000] ^= 1;
    fs::write(&here, &bad).unwrap();
    let output = planned.apply(&net, &[]).output().unwrap();
    ended(&output, 3, &["not the snapshot of the plan", "requires SHA-256"]);
    assert!(!data(&host).exists());
    fs::write(&here, &good).unwrap();

    let output = planned.apply(&net, &["-w", "json"]).output().unwrap();
    ended(&output, 0, &[]);
    let sent = told(&output, "sent");
    assert_eq!((sent.len(), sent[0]["from"].as_u64()), (1, Some(0)), "all of it, after what was there was found wrong");
    assert_eq!(names(&data(&host)), ["member"]);
    assert!(!part.exists() && !whole.exists());
}

/// Somebody who is not root but may be; and hosts on which our program cannot run. (Their `id`, `sudo`, `uname`, `date`
/// and `mktemp` are made up, all else is real.)
fn sudo() {
    let net = Net::new();
    let ops = net.host("ops");
    ops.script("id", "case $1 in -u) echo 1000 ;; *) echo ops ;; esac");
    let log = ops.dir.join("sudo.log");
    ops.script("sudo", &format!("echo \"$*\" >>{}; shift; exec \"$@\"", log.display()));
    let planned = Planned::new(&net, &fixture("3.5.16-small.db"), &[("ops", &data(&ops))]);
    let output = planned.apply(&net, &[]).output().unwrap();
    ended(&output, 0, &["ops: Linux x86_64, as ops, root via sudo".replace("x86_64", std::env::consts::ARCH).as_str()]);
    let log = fs::read_to_string(log).unwrap();
    let run: Vec<&str> = log.lines().filter(|line| line.ends_with("/requorum agent")).collect();
    assert!(matches!(run.as_slice(), [one] if one.starts_with("-n ")), "{log}");
    assert_eq!((ops.temporary(), names(&data(&ops))), (Vec::new(), vec!["member".to_string()]));

    let other = net.host("other");
    other.script("uname", "case $1 in -m) echo s390x ;; *) echo Linux ;; esac");
    other.script("date", "echo 1000");
    let again = net.dir.path().join("again");
    fs::create_dir(&again).unwrap();
    let snapshot = planned.dir.join("of-this-machine.db");
    let planned = Planned::of(&again, &snapshot, &[("other", &data(&other))]);
    let output = planned.apply(&net, &[]).output().unwrap();
    ended(
        &output,
        3,
        &[
            "processor is s390x; no release has a build for s390x: install requorum",
            "Warning: its clock is ",
            "s behind",
        ],
    );

    let full = net.host("full");
    full.script("mktemp", "exit 1");
    let third = net.dir.path().join("third");
    fs::create_dir(&third).unwrap();
    let planned = Planned::of(&third, &snapshot, &[("full", &data(&full))]);
    let output = planned.apply(&net, &[]).output().unwrap();
    ended(&output, 4, &["full: the host does not accept the program", "no directory takes the program"]);
    assert!(!data(&other).exists() && !data(&full).exists());
}

/// A build for another processor: its headers, and after them the note of this version.
fn build_for(machine: u16, version: &str) -> Vec<u8> {
    let note = format!("requorum build note 1\nversion={version}\ncommit=\n.\n");
    let mut out = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0];
    out.extend(machine.to_le_bytes());
    // version, entry, program headers at 64, section headers, flags, sizes and counts
    for (value, bytes) in
        [(1_u64, 4), (0, 8), (64, 8), (0, 8), (0, 4), (64, 2), (56, 2), (1, 2), (0, 2), (0, 2), (0, 2)]
    {
        out.extend(&value.to_le_bytes()[..bytes]);
    }
    let length = 64 + 56 + note.len() as u64;
    for (value, bytes) in [(1_u64, 4), (5, 4), (0, 8), (0, 8), (0, 8), (length, 8), (length, 8), (4096, 8)] {
        out.extend(&value.to_le_bytes()[..bytes]);
    }
    out.extend(note.as_bytes());
    out
}

/// A host whose `uname` names another processor: without a build for it nothing is written on any host; a build that is
/// not of this version is refused before a host is asked; the right one is what arrives there. (It cannot run here, so a
/// `chmod` on that host puts this program in its place when the bytes are those of the build.)
fn another_processor() {
    let net = Net::new();
    let (good, other) = (net.host("good"), net.host("other"));
    let (name, number) = if cfg!(target_arch = "x86_64") { ("aarch64", 183) } else { ("x86_64", 62) };
    other.script("uname", &format!("case $1 in -m) echo {name} ;; *) echo Linux ;; esac"));
    let rows: [(&str, &Path); 2] = [("good", &data(&good)), ("other", &data(&other))];
    let planned = Planned::new(&net, &fixture("3.5.16-small.db"), &rows);
    let build = planned.dir.join("build");
    let cache = planned.dir.join("cache");
    let apply = |args: &[&str]| planned.apply(&net, args).env("XDG_CACHE_HOME", &cache).output().unwrap();
    let untouched = || {
        assert!(!data(&good).exists() && !data(&other).exists());
        assert_eq!((good.temporary(), other.temporary()), (Vec::new(), Vec::new()));
    };

    let output = apply(&[]);
    ended(
        &output,
        3,
        &[&format!("processor is {name}; requorum-{name}-linux was not found"), "--agent FILE", "other is not ready"],
    );
    untouched();
    for (bytes, words) in [
        (b"not found".to_vec(), "is not a Linux program"),
        (build_for(number, "9.9.9"), "is requorum 9.9.9, and this one is"),
        (build_for(number, env!("CARGO_PKG_VERSION"))[..130].to_vec(), "is truncated"),
    ] {
        fs::write(&build, bytes).unwrap();
        ended(&apply(&["--agent", build.to_str().unwrap()]), 1, &[words]);
        fs::create_dir_all(cache.join("requorum")).unwrap();
        let found = cache.join(format!("requorum/requorum-{name}-linux"));
        fs::rename(&build, &found).unwrap();
        ended(&apply(&[]), 3, &[words, "other is not ready"]);
        fs::remove_file(found).unwrap();
        untouched();
    }

    fs::write(&build, build_for(number, env!("CARGO_PKG_VERSION"))).unwrap();
    other.script(
        "chmod",
        &format!(
            "/bin/chmod \"$@\" || exit 1\ncase $2 in */requorum) cmp \"$2\" {} || exit 1; cp {PROGRAM} \"$2\" ;; esac",
            build.display()
        ),
    );
    let output = apply(&["--agent", build.to_str().unwrap()]);
    ended(&output, 0, &[&format!("other: Linux {name}")]);
    assert_eq!((names(&data(&good)), names(&data(&other))), (vec!["member".into()], vec!["member".to_string()]));
    assert_eq!((good.temporary(), other.temporary()), (Vec::new(), Vec::new()));
}

/// Two members on one host, one on this machine: the snapshot is sent once; where it lies already, not at all.
fn shared() {
    let net = Net::new();
    let host = net.host("h1");
    host.install();
    let (one, two, local) = (host.dir.join("a/m1"), host.dir.join("a/m2"), net.dir.path().join("local/m3"));
    let rows: [(&str, &Path); 3] = [("h1", &one), ("h1", &two), ("local", &local)];
    let planned = Planned::new(&net, &fixture("3.6.14-small.db"), &rows);
    assert_eq!(hex(&fs::read(planned.dir.join("of-this-machine.db")).unwrap()), planned.plan.source.sha256);
    let output = planned.apply(&net, &["-w", "json"]).output().unwrap();
    ended(&output, 0, &[]);
    let hosts =
        |event: &str| told(&output, event).iter().map(|l| l["host"].as_str().unwrap().to_string()).collect::<Vec<_>>();
    assert_eq!((hosts("sent"), hosts("had-snapshot")), (vec!["h1".to_string()], vec!["local".to_string()]));
    assert_eq!(told(&output, "restored").len(), 3);
    assert_eq!(
        (names(one.parent().unwrap()), names(local.parent().unwrap())),
        (vec!["m1".into(), "m2".into()], vec!["m3".to_string()])
    );

    // A plan whose snapshot lies at the same path there, as on a shared filesystem.
    let again = net.dir.path().join("again");
    fs::create_dir(&again).unwrap();
    let other = host.dir.join("b/m1");
    let planned = Planned::of(&again, &planned.dir.join("of-this-machine.db"), &[("h1", &other)]);
    let output = planned.apply(&net, &["-w", "json"]).output().unwrap();
    ended(&output, 0, &[]);
    assert_eq!((told(&output, "sent").len(), told(&output, "had-snapshot").len()), (0, 1));
    assert!(planned.plan.source.path.exists(), "what requorum did not make stays");

    let refused = requorum(["restore", "--plan"]).arg(&planned.file).output().unwrap();
    ended(&refused, 2, &["m1: its host is h1", "requorum apply"]);
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
