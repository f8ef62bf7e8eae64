//! Data directories of real servers: what is read of them against what the servers said, and whether an etcd starts on
//! them against what was said of that.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use requorum::{
    domain::model::observations::{
        config::{ConfigKind, Origin},
        disk::{BrokenPart, DataDirState, DirFacts, DirState, Held},
    },
    engine::datadir::inspect,
    etcd::v2store::expiration::from_rfc3339,
    system::discovery::discover,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    cluster::{Member, Place, initial_cluster},
    contents::Client,
    requorum,
    servers::Server,
    succeed, wait_until,
};

/// Starts the member of `places[at]` in `dir` with more flags.
fn start(server: &Server, dir: &Path, places: &[Place], at: usize, more: &str) -> Member {
    let place = &places[at];
    let (name, client, peer) = (&place.name, place.client_url(), place.peer_url());
    let line = format!(
        "etcd --name {name} --data-dir {} --listen-client-urls {client} --advertise-client-urls {client} \
         --listen-peer-urls {peer} --initial-advertise-peer-urls {peer} --initial-cluster {} {more}",
        dir.display(),
        initial_cluster(places)
    );
    Member::start(server, place, dir, &line, &[])
}

fn whole(dir: &Path) -> DataDirState {
    match inspect(dir, None).state {
        DirState::Whole(says) => *says,
        other => panic!("{}: {other:#?}", dir.display()),
    }
}

/// One member under a batch interval so long that its database stays behind its log.
pub fn says_the_same(server: &Server) {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("m1");
    let places = Place::take(1);
    let late = "--snapshot-count 10 --backend-batch-interval 60s --backend-batch-limit 1000000";
    let mut member = start(server, &data, &places, 0, late);
    let mut client = member.wait_ready(None);
    client.put_many("before/", 25);

    // Held by a process, which goes on as if nobody had looked.
    let held = inspect(&data, None);
    assert_eq!(held.held, Held::By { pid: Some(member.pid()), program: "etcd".into() });
    assert!(matches!(held.state, DirState::Whole(_)), "{held:#?}");
    let process = discover(Path::new("/")).into_iter().find(|f| f.origin == Origin::Process(member.pid())).unwrap();
    assert_eq!((process.kind, process.data_dir.as_deref()), (ConfigKind::Process, Some(data.as_path())));
    assert_eq!(process.get("snapshot-count"), Some("10"));
    client.put_many("after/", 6);
    let status = client.status();
    let revision = client.revision();
    member.kill();

    let facts = inspect(&data, None);
    assert_eq!(facts.held, Held::No);
    let says = whole(&data);
    let header = status.header().unwrap();
    assert_eq!(
        (says.cluster_id.0, says.member_id.0, says.term),
        (header.cluster_id(), header.member_id(), status.raft_term())
    );
    assert_eq!((says.last_index, says.last_term), (status.raft_index(), status.raft_term()));
    assert!(says.commit <= says.last_index && says.entries_beyond() > 0 && says.log_reaches_database(), "{says:#?}");
    assert!(says.snap_index >= 10 && says.snap_index <= says.consistent_index, "{says:#?}");
    // Every entry that the database lacks is a revision that it lacks.
    assert!(revision - says.revision <= says.entries_beyond() as i64 && says.revision < revision, "{says:#?}");
    assert_eq!(says.etcd.map(|minor| minor.as_str()), Some(server.minor));
    let known: Vec<_> =
        says.members.iter().map(|m| (m.name.as_str(), m.peer_urls.clone(), m.client_urls.clone())).collect();
    assert_eq!(known, [("m1", vec![places[0].peer_url().into()], vec![places[0].client_url().into()])]);

    for (what, damage) in DAMAGES {
        let copy = dir.path().join(what);
        copied(&data, &copy);
        damage(&copy);
        starts_as_said(server, &copy, &places, what);
    }
}

/// etcd starts on what was called whole. It does not on what was called broken, with two exceptions, which are said: one
/// that finds no database makes it anew from a whole log, and one whose log ends before its database may come up and drop what is written to it.
fn starts_as_said(server: &Server, dir: &Path, places: &[Place], what: &str) {
    let facts = inspect(dir, None);
    let DirFacts { state, .. } = &facts;
    let mut member = start(server, dir, places, 0, "");
    let came = member.comes_up();
    member.kill();
    match (state, came) {
        (DirState::Whole(_), Ok(())) | (DirState::Broken { .. }, Err(_)) => {}
        (DirState::Broken { part: BrokenPart::Database, says, .. }, Ok(())) if says.first_index == 1 => {}
        (DirState::Broken { part: BrokenPart::Log, says, .. }, Ok(())) if says.consistent_index > says.last_index => {}
        (_, came) => panic!("{what}: etcd {} came up: {came:?}, and yet {state:#?}", server.full),
    }
}

type Damage = (&'static str, fn(&Path));

const DAMAGES: [Damage; 9] = [
    ("untouched", |_| {}),
    ("the-end-zeroed", |dir| {
        let (path, mut bytes, end) = log_of(dir);
        bytes[(end - 700) / 512 * 512..].fill(0);
        fs::write(path, bytes).unwrap();
    }),
    ("the-end-cut-off", |dir| {
        let (path, bytes, end) = log_of(dir);
        fs::write(path, &bytes[..end - 100]).unwrap();
    }),
    ("a-byte-of-the-log", |dir| {
        let (path, mut bytes, end) = log_of(dir);
        let key = bytes[..end].windows(6).position(|w| w == b"before").unwrap();
        bytes[key] = b'B';
        fs::write(path, bytes).unwrap();
    }),
    ("most-of-the-log-cut-off", |dir| {
        let (path, bytes, end) = log_of(dir);
        fs::write(path, &bytes[..end / 3]).unwrap();
    }),
    ("the-newest-snap-damaged", |dir| {
        if let Some(newest) = snaps(dir).last() {
            fs::write(newest, b"damaged").unwrap();
        }
    }),
    ("no-snap-files", |dir| snaps(dir).iter().for_each(|path| fs::remove_file(path).unwrap())),
    ("half-of-the-database", |dir| {
        let db = dir.join("member/snap/db");
        // What lies behind the high-water mark is not missed.
        let bytes = fs::read(&db).unwrap();
        fs::write(&db, &bytes[..8192]).unwrap();
    }),
    ("no-database", |dir| fs::remove_file(dir.join("member/snap/db")).unwrap()),
];

fn copied(from: &Path, to: &Path) {
    succeed(Command::new("cp").arg("-r").arg("--sparse=always").arg(from).arg(to));
}

/// The only segment: its path, its bytes, and where its records end.
fn log_of(dir: &Path) -> (PathBuf, Vec<u8>, usize) {
    let path = dir.join("member/wal/0000000000000000-0000000000000000.wal");
    let bytes = fs::read(&path).unwrap();
    let end = bytes.iter().rposition(|b| *b != 0).unwrap() + 1;
    (path, bytes, end)
}

fn snaps(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("member/snap")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|x| x == "snap")).collect();
    paths.sort();
    paths
}

/// A follower that was down while the others went on: behind them, then caught up, by a snapshot where the version lets
/// one ask for that.
pub fn lagging(server: &Server) {
    let dir = TempDir::new().unwrap();
    let places = Place::take(3);
    let by_snapshot = server.minor != "3.4";
    let more = match server.minor {
        "3.4" => "--snapshot-count 10",
        "3.5" => "--snapshot-count 10 --unsafe-no-fsync --experimental-snapshot-catchup-entries 5",
        _ => "--snapshot-count 10 --unsafe-no-fsync --snapshot-catchup-entries 5",
    };
    let data: Vec<PathBuf> = places.iter().map(|place| dir.path().join(&place.name)).collect();
    let mut members: Vec<Member> = (0..3).map(|at| start(server, &data[at], &places, at, more)).collect();
    for member in &mut members {
        member.wait_ready(None);
    }
    // Not the leader: the others shall go on at once.
    let connect = |at: usize| Client::connect(&places[at].client_url(), None).unwrap();
    let leads = |at: usize| {
        let status = connect(at).status();
        status.leader() == status.header().unwrap().member_id()
    };
    let (first, victim) = if leads(0) { (0, 2) } else { (1, 0) };
    let mut client = connect(first);
    client.put_many("a/", 5);
    members[victim].kill();
    client.put_many("b/", 60);
    let ahead = client.status();
    let behind = whole(&data[victim]);
    assert!(behind.last_index + 60 <= ahead.raft_index(), "{behind:#?}");
    assert_eq!(behind.cluster_id.0, ahead.header().unwrap().cluster_id());
    assert_eq!(behind.members.len(), 3, "{behind:#?}");

    members[victim] = start(server, &data[victim], &places, victim, more);
    let mut lagged = members[victim].wait_ready(None);
    wait_until("the member to catch up", Duration::from_secs(60), || {
        let status = lagged.status();
        let applied = status.raft_applied_index();
        if applied >= ahead.raft_index() { Ok(()) } else { Err(format!("{applied} of {}", ahead.raft_index())) }
    });
    members[victim].kill();
    let caught = whole(&data[victim]);
    assert!(caught.last_index >= ahead.raft_index(), "{caught:#?}");
    assert_eq!(caught.members, behind.members);
    if by_snapshot {
        assert!(caught.first_index > behind.last_index + 1, "it was sent no snapshot: {caught:#?}");
    }
    start(server, &data[victim], &places, victim, more).wait_ready(None);
}

/// A request of the v2 API.
fn http(place: &Place, method: &str, path: &str, form: &str) -> String {
    let url = place.client_url();
    let host = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_string()).unwrap_or(answer)
}

/// Value, whether a directory, the two indexes, expiry.
type Node = (Option<String>, bool, u64, u64, Option<i64>);
type Nodes = BTreeMap<String, Node>;

fn node(value: &Value) -> (String, Node) {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(String::from);
    let number = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or_default();
    let dir = value.get("dir").and_then(Value::as_bool).unwrap_or_default();
    let expires = text("expiration").and_then(|at| from_rfc3339(&at).unwrap());
    (text("key").unwrap_or_default(), (text("value"), dir, number("createdIndex"), number("modifiedIndex"), expires))
}

fn flat(value: &Value, into: &mut Nodes) {
    let (key, of) = node(value);
    if !key.is_empty() {
        into.insert(key, of);
    }
    for child in value.get("nodes").and_then(Value::as_array).into_iter().flatten() {
        flat(child, into);
    }
}

/// What a server with `--enable-v2` answers, and what is written out of its directory after its death.
pub fn v2_keys(server: &Server) {
    for snapshot_count in [9, 10_000] {
        let dir = TempDir::new().unwrap();
        let data = dir.path().join("m1");
        let places = Place::take(1);
        let mut member = start(server, &data, &places, 0, &format!("--enable-v2 --snapshot-count {snapshot_count}"));
        member.wait_ready(None);
        let ask = |method: &str, path: &str, form: &str| http(&places[0], method, &format!("/v2/keys{path}"), form);
        let put = |path: &str, form: &str| ask("PUT", path, form);
        put("/short", "value=soon+gone&ttl=1");
        for i in 0..20 {
            put(&format!("/apps/a{i}"), &format!("value=v%C3%A9+{i}"));
        }
        put("/apps/a1", "value=again");
        put("/apps/a2", "value=updated&prevExist=true");
        put("/apps/a3", "value=swapped&prevValue=v%C3%A9+3");
        put("/apps/a4", "value=refused&prevValue=other");
        put("/apps/a5/below", "value=refused");
        put("/long", "value=here&ttl=86400");
        put("/long", "ttl=90000&refresh=true&prevExist=true");
        put("/forever", "value=x&ttl=86400");
        put("/forever", "value=x&prevExist=true");
        put("/empty", "dir=true");
        put("/leased", "dir=true&ttl=5000");
        put("/bytes", "value=%FF%00z");
        ask("POST", "/queue", "value=first");
        ask("POST", "/queue", "value=second");
        ask("DELETE", "/apps/a6", "");
        ask("DELETE", "/apps?dir=true", "");
        ask("DELETE", "/apps/a7?prevValue=v%C3%A9%207", "");
        put("/gone/with/all", "value=1");
        ask("DELETE", "/gone?recursive=true", "");
        wait_until("a key to expire", Duration::from_secs(30), || {
            let answer = ask("GET", "/short", "");
            if answer.contains("errorCode") { Ok(()) } else { Err(answer) }
        });
        put("/last", "value=1");
        let mut expected = Nodes::new();
        let answer: Value = serde_json::from_str(&ask("GET", "/?recursive=true&sorted=true", "")).unwrap();
        flat(answer.get("node").unwrap(), &mut expected);
        assert!(expected.len() > 25, "{answer}");
        member.kill();

        let out = dir.path().join("v2.jsonl");
        succeed(requorum(["v2", "export"]).arg(&data).arg("-o").arg(&out));
        let lines = fs::read_to_string(&out).unwrap();
        let found: Nodes = lines.lines().map(|line| node(&serde_json::from_str(line).unwrap())).collect();
        assert_eq!(found, expected, "snapshot count {snapshot_count}");
        assert_eq!(snaps(&data).is_empty(), snapshot_count > 9);
        let keys = found.values().filter(|(_, dir, ..)| !dir).count() as u64;
        assert_eq!(whole(&data).v2_keys, keys);
    }
}
