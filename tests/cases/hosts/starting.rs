//! `requorum start`: members started by systemd units, one consent for each. All hosts of these tests are one machine, so a
//! host's units lie below a directory of its own, its `requorum` is this program, which looks for them there, and its
//! `systemctl` is a script that starts what the unit says: a real etcd.

use std::{
    fs,
    io::{stdin, stdout},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use requorum::system::{agent_server, etcd_client::Members, local::Local};
use rustix::process::Signal;

use super::{
    Planned, data,
    sshd::{Net, Sshd},
    support::{
        PROGRAM,
        cluster::{Place, initial_cluster},
        contents::Client,
        ended, fixture,
        pty::Pty,
        requorum,
        servers::Server,
        succeed, wait_until,
    },
};

/// How a host calls this program, which then works as `requorum agent` does; the directory of its units follows.
pub const AGENT: &str = "agent-below";

pub fn agent(root: &Path) -> ExitCode {
    let world = Local::new(Members::new(Default::default()).unwrap()).below(root.into());
    match agent_server::serve(&world, stdin(), stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// A host with a unit, and what was started by it, which ends with it.
struct Managed {
    host: Sshd,
    place: Place,
}

impl Managed {
    fn new(net: &Net, name: &str, place: Place) -> Managed {
        let host = net.host(name);
        let root = host.dir.join("root");
        fs::create_dir_all(root.join("etc/systemd/system/multi-user.target.wants")).unwrap();
        fs::create_dir_all(host.dir.join("lib")).unwrap();
        // One that is for another processor is not sent; the one that is there is taken, by its version.
        host.script("uname", "case $1 in -m) echo s390x ;; *) echo Linux ;; esac");
        let this = std::env::current_exe().unwrap();
        host.script(
            "requorum",
            &format!(
                "case $1 in --version) echo requorum {} ;; agent) exec {} {AGENT} {} ;; esac",
                env!("CARGO_PKG_VERSION"),
                this.display(),
                root.display()
            ),
        );
        let systemctl = format!(
            r#"echo "$*" >>{0}/systemctl.log
for unit; do :; done
file={0}/root/etc/systemd/system/$unit wanted={0}/root/etc/systemd/system/multi-user.target.wants/$unit
[ -f "$file" ] || {{ echo "Failed to start $unit: Unit $unit not found." >&2; exit 5; }}
case $1 in
stop) kill "$(cat {0}/etcd.pid)"; while kill -0 "$(cat {0}/etcd.pid)" 2>/dev/null; do sleep 0.05; done ;;
disable) rm "$wanted" ;;
enable) ln -s ../$unit "$wanted" ;;
esac
case $1 in
start | enable)
    setsid sh -c "exec $(sed -n 's/^ExecStart=//p' "$file")" </dev/null >>{0}/etcd.log 2>&1 &
    echo $! >{0}/etcd.pid
esac"#,
            host.dir.display()
        );
        host.script("systemctl", &systemctl);
        Managed { host, place }
    }

    fn unit(&self) -> PathBuf {
        self.host.dir.join("root/etc/systemd/system/etcd.service")
    }

    /// Its etcd's unit, switched on.
    fn write_unit(&self, server: &Server, name: &str, cluster: &str) {
        let (client, peer) = (self.place.client_url(), self.place.peer_url());
        let text = format!(
            "[Service]\nType=notify\nRestart=always\nExecStart={}/etcd --name {name} --data-dir {} --listen-client-urls {client} \
             --advertise-client-urls {client} --listen-peer-urls {peer} --initial-advertise-peer-urls {peer} \
             --initial-cluster {cluster} --initial-cluster-token first\n[Install]\nWantedBy=multi-user.target\n",
            server.dir().display(),
            data(&self.host).display()
        );
        fs::write(self.unit(), text).unwrap();
    }

    fn wanted(&self) -> PathBuf {
        self.host.dir.join("root/etc/systemd/system/multi-user.target.wants/etcd.service")
    }

    /// What was told to its systemd.
    fn told(&self) -> Vec<String> {
        let log = fs::read_to_string(self.host.dir.join("systemctl.log")).unwrap_or_default();
        log.lines().map(str::to_string).collect()
    }

    fn pid(&self) -> Option<i32> {
        fs::read_to_string(self.host.dir.join("etcd.pid")).ok()?.trim().parse().ok()
    }

    /// Runs its systemctl, as its operator does.
    fn systemctl(&self, words: &[&str]) {
        succeed(Command::new(self.host.dir.join("bin/systemctl")).args(words));
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        let pid = self.pid().and_then(rustix::process::Pid::from_raw);
        // Its number is another's once it has ended.
        let line = pid.and_then(|pid| fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).ok());
        let ours = data(&self.host).to_string_lossy().into_owned();
        if let Some(pid) = pid.filter(|_| line.is_some_and(|line| String::from_utf8_lossy(&line).contains(&ours))) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

fn start(planned: &Planned, net: &Net, more: &[&str]) -> Command {
    let mut command = requorum(["start"]);
    command.arg(&planned.file).arg("--ssh-config").arg(net.config()).args(more).current_dir(&planned.dir);
    command
}

/// An old member is stopped and its unit switched off to put the new one there; then all are started by their units, asked
/// for one by one, and what they serve is proven.
pub fn by_their_units() {
    let Some(server) = ["3.6", "3.5"].iter().find_map(|minor| Server::find(minor).ok()) else { return };
    let net = Net::new();
    let places = Place::take(3);
    let cluster = initial_cluster(&places);
    let managed: Vec<Managed> =
        places.iter().enumerate().map(|(n, p)| Managed::new(&net, &format!("h{}", n + 1), p.clone())).collect();
    for one in &managed {
        one.write_unit(&server, &one.place.name, &cluster);
    }
    managed[2].write_unit(&server, "old-3", &cluster);
    let dirs: Vec<PathBuf> = managed.iter().map(|one| data(&one.host)).collect();
    let here = net.dir.path().join("here");
    fs::create_dir(&here).unwrap();
    fs::copy(fixture("3.5.16-small.db"), here.join("of-this-machine.db")).unwrap();
    let rows: Vec<(String, &Path)> =
        dirs.iter().enumerate().map(|(n, dir)| (format!("h{}", n + 1), dir.as_path())).collect();
    let rows: Vec<(&str, &Path)> = rows.iter().map(|(host, dir)| (host.as_str(), *dir)).collect();
    let planned = Planned::at(&here, Path::new("/proc/self/cwd/of-this-machine.db"), places.clone(), &rows);

    // Nothing is started on directories that hold no member of the plan.
    let output = start(&planned, &net, &["--yes"]).output().unwrap();
    ended(
        &output,
        3,
        &["not started: m1, m2, m3", "is not m1 of this plan: does not exist", "--format auto --member m1"],
    );
    assert!(managed.iter().all(|one| one.told().is_empty()));

    // Two old members make a cluster; m2 is lost, and m1 is still there.
    managed[..2].iter().for_each(|one| one.systemctl(&["start", "etcd.service"]));
    fs::write(managed[0].wanted(), "").unwrap();
    wait_until("the old cluster", Duration::from_secs(60), || {
        let mut client = Client::connect(&places[0].client_url(), None).map_err(|e| e.to_string())?;
        client.try_read().map_err(|e| e.to_string())
    });
    managed[1].systemctl(&["stop", "etcd.service"]);
    fs::remove_dir_all(&dirs[1]).unwrap();
    let second = managed[1].told();
    let old = managed[0].pid().unwrap();
    let output = planned.apply(&net, &["--stop"]).output().unwrap();
    ended(&output, 0, &["h1: stopping the etcd on", "systemctl stop etcd.service && systemctl disable etcd.service"]);
    assert!(!managed[0].wanted().exists(), "it would come back at the next boot");
    assert_eq!(managed[0].told()[1..], ["stop etcd.service", "disable etcd.service"]);

    // Shown, and not run: nobody is there to say yes.
    let output = start(&planned, &net, &[]).output().unwrap();
    let said = ended(
        &output,
        3,
        &[
            "h1: m1: systemctl enable --now --no-block etcd.service",
            "h2: m2: systemctl start --no-block etcd.service",
            "h3: m3 cannot be started from here: /etc/systemd/system/etcd.service does not match the plan: \
             --name is old-3 there, but m3 in the plan.",
            "not started: m1, m2, m3",
            "--yes",
        ],
    );
    assert!(!said.contains("requorum verify"), "{said}");
    managed[2].write_unit(&server, "m3", &cluster);

    // On a terminal each is asked for by itself; an answer that is no yes is a no.
    let (file, config) = (planned.file.to_str().unwrap(), net.config());
    let argv = [PROGRAM, "start", file, "--ssh-config", config.to_str().unwrap(), "--member", "m1", "--member", "m2"];
    let told: Vec<_> = managed.iter().map(Managed::told).collect();
    for (later, sent) in [(false, None), (true, None), (true, Some(Signal::TERM)), (false, Some(Signal::HUP))] {
        let mut pty = Pty::spawn(&argv, &[], 200, 40);
        pty.wait("Start m1 on h1 with this command? [y/N]");
        if later {
            pty.send("y\r");
            pty.wait("Start m2 on h2 with this command? [y/N]");
        }
        match sent {
            Some(signal) => pty.signal(signal),
            None => pty.send("\x03"),
        }
        assert_eq!(pty.exit_code(), 75, "{later} {sent:?}");
    }
    assert_eq!(
        managed.iter().map(Managed::told).collect::<Vec<_>>(),
        told,
        "nothing is started before all are asked for"
    );
    let mut pty = Pty::spawn(&argv, &[], 200, 40);
    pty.wait("Start m1 on h1 with this command? [y/N]");
    pty.send("y\r");
    pty.wait("Start m2 on h2 with this command? [y/N]");
    pty.send("\r");
    pty.wait("not started: m2");
    let screen = pty.screen();
    assert!(screen.contains("h1: m1: "), "{screen}");
    assert_eq!(pty.exit_code(), 3, "{screen}");
    assert_eq!(managed[0].told()[3..], ["enable --now --no-block etcd.service"]);
    assert!(managed[0].wanted().is_symlink() && managed[0].pid() != Some(old));
    assert!(managed[1].told() == second && managed[2].told().is_empty());

    // One that its systemd does not start is named, and the other comes up all the same.
    let whole = fs::read_to_string(managed[1].host.dir.join("bin/systemctl")).unwrap();
    managed[1].host.script("systemctl", "echo 'Failed to connect to bus: No such file' >&2; exit 1");
    let output = start(&planned, &net, &["--yes"]).output().unwrap();
    ended(
        &output,
        4,
        &[
            "h1: m1 is already running",
            "h2: m2: systemctl start --no-block etcd.service: failed to start it: Failed to connect to bus",
            "h3: m3: started; it has locked its data directory (process",
        ],
    );
    managed[1].host.script("systemctl", whole.trim_start_matches("#!/bin/sh\n"));
    let output = start(&planned, &net, &["--member", "m2", "--yes"]).output().unwrap();
    ended(&output, 0, &["h2: m2: started", "Next: requorum verify "]);

    let mut verify = requorum(["verify", "--canary", "--plan"]);
    let proof = verify.arg(&planned.file).current_dir(&planned.dir).output().unwrap();
    ended(&proof, 0, &["3 of 3"]);

    // What runs is left alone.
    let before: Vec<Vec<String>> = managed.iter().map(Managed::told).collect();
    let output = start(&planned, &net, &["--yes"]).output().unwrap();
    ended(&output, 0, &["h1: m1 is already running (process", "h3: m3 is already running (process"]);
    assert_eq!(before, managed.iter().map(Managed::told).collect::<Vec<_>>());

    // Both journals tell of it: what was agreed to here, what was done there.
    use requorum::system::journal::{Event, Start, verify_from};
    let here = fs::read_to_string(format!("{}.journal", planned.file.display())).unwrap();
    let agreed = verify_from(&here, &Start::Zeros).unwrap();
    let agreed = agreed.iter().filter(|r| r.kind == Event::Decided && r.data.contains_key("commands"));
    let by_yes: Vec<_> = agreed.map(|r| (r.data["member"].as_str().unwrap(), r.data["by"] == "--yes")).collect();
    let [(first, asked), rest @ ..] = &by_yes[..] else { panic!("{by_yes:?}") };
    assert_eq!((*first, *asked), ("m1", false), "on the terminal");
    assert_eq!(rest, [("m2", true), ("m3", true), ("m2", true)]);
    succeed(requorum(["report"]).arg(&planned.file));
    let there = fs::read_to_string(managed[1].host.dir.join("lib").join(planned.journal())).unwrap();
    let records = verify_from(&there, &Start::Any).unwrap();
    let acts = records.iter().filter(|r| r.data.get("act").is_some_and(|act| act == "start"));
    let kinds: Vec<String> = acts.map(|r| format!("{:?}", r.kind)).collect();
    assert_eq!(kinds, ["Doing", "Failed", "Doing", "Done"]);
}
