//! Old members' directories on several hosts, exchanged for new ones and taken back: with real etcds that run on them, by
//! hand, rehearsed, and by two operators at once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use requorum::{domain::model::observations::disk::DirState, engine::datadir, etcd::membership::Id, system::journal};

use super::{
    Planned, data, hidden,
    sshd::{Gate, Net, Sshd},
    support::{
        cluster::{Cluster, Member, Place},
        ended, fixture, names, requorum, said,
        secrets::leaks,
        servers::Server,
        succeed, wait_until,
    },
    told,
};

/// Hosts h1, h2, … with the program on them.
pub fn hosts(net: &Net, count: usize) -> Vec<Sshd> {
    let hosts: Vec<Sshd> = (1..=count).map(|n| net.host(&format!("h{n}"))).collect();
    hosts.iter().for_each(Sshd::install);
    hosts
}

/// An old member's directory on each, that no etcd runs on.
pub fn with_old(hosts: &[Sshd]) -> Vec<PathBuf> {
    let make = |host: &Sshd| {
        let dir = data(host);
        fs::create_dir_all(dir.join("member")).unwrap();
        fs::write(dir.join("member/old"), host.dir.to_string_lossy().as_bytes()).unwrap();
        dir
    };
    hosts.iter().map(make).collect()
}

pub fn plan(net: &Net, dirs: &[PathBuf]) -> Planned {
    let rows: Vec<(String, &Path)> =
        dirs.iter().enumerate().map(|(n, dir)| (format!("h{}", n + 1), dir.as_path())).collect();
    let rows: Vec<(&str, &Path)> = rows.iter().map(|(host, dir)| (host.as_str(), *dir)).collect();
    Planned::new(net, &fixture("3.5.16-small.db"), &rows)
}

/// Where the old directory of a host is now: in its place, or beside it under its dated name.
pub fn old_of(host: &Sshd) -> PathBuf {
    let home = data(host).parent().unwrap().to_path_buf();
    let all: Vec<PathBuf> =
        names(&home).iter().map(|name| home.join(name)).filter(|dir| dir.join("member/old").exists()).collect();
    let [one] = all.as_slice() else { panic!("the old data of {} is there {} times", host.dir.display(), all.len()) };
    assert_eq!(fs::read(one.join("member/old")).unwrap(), host.dir.to_string_lossy().as_bytes());
    one.clone()
}

/// The cluster of a directory that an etcd could start on.
fn cluster_of(dir: &Path) -> Id {
    match datadir::inspect(dir, None).state {
        DirState::Whole(says) => says.cluster_id,
        other => panic!("{}: {other:?}", dir.display()),
    }
}

/// The old is there, and what is in its place is that or a whole new member.
pub fn nothing_is_lost(hosts: &[Sshd], planned: &Planned) {
    for host in hosts {
        let (old, place) = (old_of(host), data(host));
        if old != place && place.exists() {
            assert_eq!(cluster_of(&place), planned.plan.cluster_id);
        }
    }
}

/// Every host has its new member, its old data beside it, a journal, and nothing else of ours.
pub fn all_in_place(hosts: &[Sshd], planned: &Planned) {
    for host in hosts {
        assert_eq!(cluster_of(&data(host)), planned.plan.cluster_id);
        let name = old_of(host).file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.starts_with("etcd.old-2"), "{name}");
        assert_eq!(hidden(host), [planned.journal()]);
        assert!(host.temporary().is_empty(), "{:?}", host.temporary());
    }
}

/// A quorum lost for real: two of three killed, the third still running on one of the hosts. Its etcd is stopped only by
/// consent, the members serve from the same directories, and the way back leads to the old data.
pub fn with_real_etcds() {
    let Some(server) = ["3.6", "3.5"].iter().find_map(|minor| Server::find(minor).ok()) else { return };
    let net = Net::new();
    let hosts = hosts(&net, 3);
    let (dirs, places): (Vec<PathBuf>, Vec<Place>) = (hosts.iter().map(data).collect(), Place::take(3));
    dirs.iter().for_each(|dir| fs::create_dir_all(dir.parent().unwrap()).unwrap());
    let mut members = Cluster::begin(&server, &places, &dirs, "");
    members[1].wait_ready(None).put_and_get("before", "the loss");
    let old = members[1].wait_ready(None).members().1;
    members[0].kill();
    members[2].kill();
    let snapshot = net.dir.path().join("survivor.db");
    succeed(requorum(["snapshot", "save"]).arg(&snapshot).args(["--endpoints", &places[1].client_url()]));
    let here = net.dir.path().join("here");
    fs::create_dir(&here).unwrap();
    let rows: Vec<(String, &Path)> =
        dirs.iter().enumerate().map(|(n, d)| (format!("h{}", n + 1), d.as_path())).collect();
    let rows: Vec<(&str, &Path)> = rows.iter().map(|(host, dir)| (host.as_str(), *dir)).collect();
    let planned = Planned::at(&here, &snapshot, places.clone(), &rows);

    // Shown as a command, and not run.
    let output = planned.apply(&net, &[]).output().unwrap();
    let kill = format!("h2: kill -TERM {}", members[1].pid());
    ended(&output, 3, &["h2: Warning: etcd is running there", &kill, "--stop"]);
    // A rehearsal disturbs nobody, and leaves nothing.
    let output = planned.apply(&net, &["--dry-run"]).output().unwrap();
    let said = ended(&output, 0, &["1 member answers, has no leader, raft index unchanged", "Dry run passed"]);
    assert_eq!(said.matches("; verified").count(), 3, "{said}");
    assert!(hosts.iter().all(|host| hidden(host) == [planned.journal()]));
    let probe = requorum(["probe", "-w", "json", "--endpoints", &places[1].client_url()]).output().unwrap();
    assert!(probe.status.code() != Some(5), "m2 still answers");

    let output = planned.apply(&net, &["--stop"]).output().unwrap();
    let said = ended(&output, 0, &["h2: stopping the etcd on", "h2: the etcd on", "installed and verified", "undo"]);
    assert_eq!(said.matches("; previous ").count(), 3, "{said}");
    members.iter_mut().for_each(Member::kill);
    assert!(dirs.iter().all(|dir| cluster_of(dir) == planned.plan.cluster_id));
    let mut new = started(&planned, &server, &dirs);
    new.iter_mut().for_each(|member| {
        let mut client = member.wait_ready(None);
        assert_eq!(client.members().1, planned.plan.cluster_id.0);
        assert!(client.contents().keys.contains_key(b"before".as_slice()));
    });

    // What runs in place is left alone by another run, and taken out only when it may be stopped.
    let output = planned.apply(&net, &[]).output().unwrap();
    let said = ended(&output, 0, &["h2: m2 is already installed"]);
    assert!(!said.contains("kill -TERM"), "{said}");
    let output = planned.undo(&net, &[]).output().unwrap();
    ended(&output, 3, &["etcds are running on the data directories of 3 members", "--stop"]);
    let output = planned.undo(&net, &["--stop"]).output().unwrap();
    ended(&output, 0, &["rolled back", "the previous directories are restored"]);
    assert!(dirs.iter().all(|dir| cluster_of(dir).0 == old), "the old directories are back");
    drop(new);
    let report = succeed(requorum(["report"]).arg(&planned.file));
    for words in ["chain is intact", "stopping the etcd on", "kill -TERM", "undone", "1 member answers"] {
        assert!(report.contains(words), "{words:?} is not in\n{report}");
    }

    // It is something to practise on, without a word of it.
    let mut record = requorum(["drill", "record"]);
    let said = succeed(record.arg(&planned.file).args(["-o", "night.yaml"]).current_dir(&planned.dir));
    for words in ["m2 answers", "the rollback", "night: sound"] {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
    let journal = fs::read_to_string(journal::path_next_to(&planned.file)).unwrap();
    let made = fs::read_to_string(planned.dir.join("night.yaml")).unwrap();
    assert_eq!(leaks(&journal::verify(&journal).unwrap(), &made), [""; 0], "{made}");
}

/// Five hosts: what was built waits, is taken by the next run, and nothing is sent twice; taken back, put in place again,
/// and started.
pub fn rehearsed_and_kept() {
    let net = Net::new();
    let hosts = hosts(&net, 5);
    let dirs = with_old(&hosts);
    let planned = plan(&net, &dirs);
    let output = planned.apply(&net, &["--dry-run", "--keep", "-w", "json"]).output().unwrap();
    ended(&output, 0, &[]);
    assert_eq!((told(&output, "restored").len(), told(&output, "placed").len()), (5, 0));
    let packed = |line: &serde_json::Value| line["packed"].as_u64().unwrap();
    assert!(
        told(&output, "sent").iter().all(|line| packed(line) < planned.plan.source.bytes),
        "they are packed on the way"
    );
    assert!(hosts.iter().zip(&dirs).all(|(host, dir)| old_of(host) == *dir));
    let output = planned.apply(&net, &["-w", "json"]).output().unwrap();
    ended(&output, 0, &[]);
    let counts = ["sent", "restored", "placed", "barrier"].map(|event| told(&output, event).len());
    assert_eq!(counts, [0, 0, 5, 1]);
    all_in_place(&hosts, &planned);
    // The way back, and forth again.
    ended(&planned.undo(&net, &[]).output().unwrap(), 0, &["rolled back"]);
    assert!(hosts.iter().zip(&dirs).all(|(host, dir)| old_of(host) == *dir));
    ended(&planned.undo(&net, &[]).output().unwrap(), 0, &["Nothing to undo"]);
    assert!(hosts.iter().zip(&dirs).all(|(host, dir)| old_of(host) == *dir));
    ended(&planned.apply(&net, &[]).output().unwrap(), 0, &[]);
    all_in_place(&hosts, &planned);

    let Some(server) = ["3.7", "3.6", "3.5"].iter().find_map(|minor| Server::find(minor).ok()) else { return };
    let mut members = started(&planned, &server, &dirs);
    for member in &mut members {
        assert_eq!(member.wait_ready(None).members().1, planned.plan.cluster_id.0);
    }
    members[4].wait_ready(None).put_and_get("after", "the restore");
}

/// The plan's members, started by the printed commands.
fn started(planned: &Planned, server: &Server, dirs: &[PathBuf]) -> Vec<Member> {
    let lines = succeed(requorum(["launch", "--plan"]).arg(&planned.file));
    let lines = lines.trim_end().split("\n\n");
    lines.zip(planned.places.iter().zip(dirs)).map(|(line, (p, d))| Member::start(server, p, d, line, &[])).collect()
}

/// The second operator is told who is at it, where and since when; nothing of the first one's work is touched.
pub fn two_operators() {
    let net = Net::new();
    let hosts = hosts(&net, 1);
    let dirs = with_old(&hosts);
    let big = super::big(&net, 24);
    let planned = Planned::new(&net, &big, &[("h1", &dirs[0])]);
    // The first one hangs in the middle of sending.
    let gate = Gate::new(hosts[0].ip, 4 << 20);
    let direct = fs::read_to_string(net.config()).unwrap();
    net.lead("h1", "127.0.0.1".parse().unwrap(), gate.port);
    let first =
        planned.apply(&net, &[]).env("USER", "anna").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    gate.wait();
    fs::write(net.config(), direct).unwrap();
    let output = planned.apply(&net, &[]).env("USER", "ben").env_remove("SUDO_USER").output().unwrap();
    ended(
        &output,
        3,
        &["locked by another run", "anna@", "is restoring prod there since 20", &planned.plan.short_id()],
    );
    let mut first = first;
    first.kill().unwrap();
    first.wait().unwrap();
    // The wire stays as it is, and no end of anything comes through: silence tells.
    wait_until("the far end to let go", Duration::from_secs(60), || {
        let output = planned.apply(&net, &[]).env("USER", "ben").env_remove("SUDO_USER").output().unwrap();
        if output.status.success() { Ok(()) } else { Err(said(&output)) }
    });
    all_in_place(&hosts, &planned);
}

/// A host whose processor is another one is done by hand, and counts at the barrier by its code.
pub fn by_hand() {
    let net = Net::new();
    let hosts = hosts(&net, 2);
    let dirs = with_old(&hosts);
    hosts[1].script("uname", "case $1 in -m) echo s390x ;; *) echo Linux ;; esac");
    fs::remove_file(hosts[1].dir.join("bin/requorum")).unwrap();
    let planned = plan(&net, &dirs);
    let output = planned.apply(&net, &[]).output().unwrap();
    ended(&output, 3, &["processor is s390x", "requorum sheet"]);
    let code = requorum::engine::restore::manual_proof::expected_code(&planned.plan, "m2").unwrap();
    let wrong = requorum::engine::restore::manual_proof::expected_code(&planned.plan, "m1").unwrap();
    let output = planned.apply(&net, &["--by-hand", &format!("m2={wrong}")]).output().unwrap();
    ended(&output, 1, &["m2: wrong code", "the code of m1"]);
    nothing_is_lost(&hosts, &planned);
    let output = planned.apply(&net, &["--by-hand", &format!("m2={code}")]).output().unwrap();
    ended(&output, 0, &["m2 is as planned", "m1: installed", "m2: run part 2 of its sheet there now"]);
    assert_eq!(old_of(&hosts[1]), dirs[1], "nothing was done there");
}

/// A cluster of real etcds whose data are none of the plan's directories, and a plan from its survivor.
fn lost(net: &Net, server: &Server, dirs: &[PathBuf]) -> (Cluster, Planned) {
    let mut cluster = Cluster::new(server, 3);
    cluster.members[0].kill();
    cluster.members[2].kill();
    let snapshot = net.dir.path().join("survivor.db");
    let url = cluster.members[1].place.client_url();
    succeed(requorum(["snapshot", "save"]).arg(&snapshot).args(["--endpoints", &url]));
    let rows: Vec<(String, &Path)> =
        dirs.iter().enumerate().map(|(n, d)| (format!("h{}", n + 1), d.as_path())).collect();
    let rows: Vec<(&str, &Path)> = rows.iter().map(|(host, dir)| (host.as_str(), *dir)).collect();
    let planned = Planned::new(net, &snapshot, &rows);
    (cluster, planned)
}

/// A "dead" member comes back while members are built: nothing is put in place, and what it did meanwhile is noticed even
/// when it is gone again.
pub fn the_old_cluster_comes_back() {
    let Some(server) = ["3.6", "3.5"].iter().find_map(|minor| Server::find(minor).ok()) else { return };
    let net = Net::new();
    let hosts = hosts(&net, 3);
    let dirs = with_old(&hosts);
    let (mut cluster, planned) = lost(&net, &server, &dirs);
    let lifts: Vec<String> = cluster.members.iter().map(|m| format!("{}@{}", m.place.name, m.place.host())).collect();
    let mut over = vec!["--reason", "its host cannot be reached to stop it"];
    lifts.iter().for_each(|text| over.extend(["--override", text]));
    let output = planned.apply(&net, &["--dry-run", "--keep"]).output().unwrap();
    ended(&output, 0, &["1 member answers, has no leader, raft index unchanged"]);
    let output = planned.apply(&net, &[]).output().unwrap();
    ended(&output, 3, &["m2 of the old cluster still answers", &format!("--override {}", lifts[1])]);
    let output = planned.apply(&net, &["--override", &lifts[1]]).output().unwrap();
    ended(&output, 2, &["--reason"]);

    let m1 = cluster.members.remove(0);
    let (place, dir) = (m1.place.clone(), m1.data_dir.clone());
    drop(m1);
    let line = format!(
        "etcd --name m1 --data-dir {} --listen-client-urls {c} --advertise-client-urls {c} --listen-peer-urls {p}",
        dir.display(),
        c = place.client_url(),
        p = place.peer_url()
    );
    let mut back = Member::start(&server, &place, &dir, &line, &[]);
    back.wait_ready(None).put_and_get("written", "by the old cluster");
    let output = planned.apply(&net, &over).output().unwrap();
    ended(&output, 3, &["nothing is installed", "has a leader again"]);
    assert!(hosts.iter().zip(&dirs).all(|(host, dir)| old_of(host) == *dir));
    back.kill();
    let survivor = cluster.members[0].place.client_url();
    wait_until("m2 to know of no leader", Duration::from_secs(60), || {
        let said = said(&requorum(["probe", "-w", "json", "--endpoints", &survivor]).output().unwrap());
        if said.contains("no-leader") || said.contains("\"leader\":null") { Ok(()) } else { Err(said) }
    });
    let output = planned.apply(&net, &over).output().unwrap();
    ended(&output, 3, &["nothing is installed", "raft index", "it was written to since"]);
    assert!(hosts.iter().zip(&dirs).all(|(host, dir)| old_of(host) == *dir));
    let report = succeed(requorum(["report"]).arg(&planned.file));
    for words in
        ["its host cannot be reached to stop it", "overridden", "has a leader again", "it was written to since"]
    {
        assert!(report.contains(words), "{words:?} is not in\n{report}");
    }
}

/// A log that lies elsewhere than the plan says would undo the restore.
pub fn a_log_elsewhere() {
    let Some(server) = ["3.6", "3.5"].iter().find_map(|minor| Server::find(minor).ok()) else { return };
    let net = Net::new();
    let hosts = hosts(&net, 1);
    let (dir, wal, place) = (data(&hosts[0]), hosts[0].dir.join("log/wal"), Place::take(1).remove(0));
    [&dir, &wal].iter().for_each(|dir| fs::create_dir_all(dir.parent().unwrap()).unwrap());
    let (client, peer) = (place.client_url(), place.peer_url());
    let line = format!(
        "etcd --name m1 --data-dir {} --wal-dir {} --listen-client-urls {client} --advertise-client-urls {client} \
         --listen-peer-urls {peer} --initial-advertise-peer-urls {peer} --initial-cluster m1={peer}",
        dir.display(),
        wal.display()
    );
    let mut member = Member::start(&server, &place, &dir, &line, &[]);
    member.wait_ready(None);
    let planned = plan(&net, std::slice::from_ref(&dir));
    let output = planned.apply(&net, &["--dry-run"]).output().unwrap();
    ended(&output, 3, &["m1 on h1: not restored", "keeps its WAL in", &wal.to_string_lossy(), "wal_dir"]);
    let yaml = fs::read_to_string(&planned.file).unwrap();
    fs::write(&planned.file, yaml.replace("  data_dir:", &format!("  wal_dir: {}\n  data_dir:", wal.display())))
        .unwrap();
    let output = planned.apply(&net, &["--stop"]).output().unwrap();
    ended(&output, 0, &["m1: installed"]);
    let cluster = |dir: &Path, wal: &Path| match datadir::inspect(dir, Some(wal)).state {
        DirState::Whole(says) => says.cluster_id,
        other => panic!("{other:?}"),
    };
    assert_eq!(cluster(&dir, &wal), planned.plan.cluster_id);
    let old = names(wal.parent().unwrap()).into_iter().find(|name| name.starts_with("wal.old-2")).unwrap();
    assert!(!names(&wal.parent().unwrap().join(old)).is_empty());
    let output = planned.undo(&net, &[]).output().unwrap();
    ended(&output, 0, &[]);
    assert_ne!(cluster(&dir, &wal), planned.plan.cluster_id);
}

/// What is typed to ask the old cluster stands in no journal.
pub fn no_secrets() {
    let net = Net::new();
    let hosts = hosts(&net, 1);
    let planned = plan(&net, &with_old(&hosts));
    let more = ["--user", "root:hunter2-of-the-night", "--endpoints", "http://127.0.0.1:1"];
    ended(&planned.apply(&net, &more).output().unwrap(), 0, &[]);
    let home = data(&hosts[0]).parent().unwrap().to_path_buf();
    let there =
        hidden(&hosts[0]).into_iter().map(|name| [home.join(&name), hosts[0].dir.join(name)]).collect::<Vec<_>>();
    let mut files: Vec<PathBuf> = there.into_iter().flatten().filter(|path| path.is_file()).collect();
    files.push(requorum::system::journal::path_next_to(&planned.file));
    assert_eq!(files.len(), 2, "one here and one there");
    let report = succeed(requorum(["report", "-w", "json"]).arg(&planned.file));
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap()).chain([report]);
    texts.for_each(|text| assert!(text.contains(&planned.plan.short_id()) && !text.contains("hunter2"), "{text}"));
}
