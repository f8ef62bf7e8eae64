//! `requorum verify` on real clusters: whole ones are proven, and each way to be wrong is caught by the member's name.

pub mod alike;

use std::{fs, path::Path};

use requorum::system::journal::{self, Event};
use serde_json::Value;

use super::end_to_end::{Planned, restore_by_flags};
use crate::support::{
    cluster::{Cluster, Member, Place, initial_cluster},
    contents::ROOT,
    fixture, requorum,
    servers::Server,
    succeed,
};

/// What `requorum verify -w json` says of the plan's cluster, and its exit code, which must be the verdict's.
fn verify(plan: &Planned, timeout: &str, more: &[&str]) -> Value {
    let mut command = requorum(["verify", "-w", "json", "--timeout", timeout, "--plan"]);
    let output = command.arg(&plan.file).args(more).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said: Value = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("no JSON ({e}): {text}{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(said["exit_code"].as_i64(), output.status.code().map(i64::from), "{text}");
    said
}

/// Long enough for elections on a busy machine; nothing waits for it unless something is broken.
const PATIENCE: &str = "90s";

fn check<'a>(said: &'a Value, topic: &str) -> &'a Value {
    let all = said["checks"].as_array().unwrap();
    all.iter().find(|c| c["topic"] == topic).unwrap_or_else(|| panic!("no check {topic} in {said:#}"))
}

#[track_caller]
fn proven(said: &Value) {
    assert_eq!(said["verdict"], "proven", "{said:#}");
    assert_eq!(said["exit_code"], 0);
}

/// The verdict is a failure, and this check says these words.
#[track_caller]
fn caught(said: &Value, topic: &str, words: &[&str]) {
    assert_eq!((&said["verdict"], &said["exit_code"]), (&"failed".into(), &16.into()), "{said:#}");
    let check = check(said, topic);
    assert_eq!(check["outcome"], "fail", "{said:#}");
    let text = format!("{}. {}", check["words"].as_str().unwrap(), check["todo"]);
    for part in words {
        assert!(text.contains(part), "{part:?} is not in {text}\n{said:#}");
    }
}

/// Three places, a plan for them on this snapshot, in a directory of its own.
struct Site {
    plan: Planned,
    places: Vec<Place>,
    dir: tempfile::TempDir,
}

impl Site {
    fn new(snapshot: &Path, flags: &[&str]) -> Site {
        Site::at(snapshot, Place::take(3), flags)
    }

    fn at(snapshot: &Path, places: Vec<Place>, flags: &[&str]) -> Site {
        let dir = tempfile::TempDir::new().unwrap();
        let plan = Planned::new(snapshot, &places, dir.path(), flags);
        Site { plan, places, dir }
    }

    /// Restores these members from the plan.
    fn restore(&self, names: &[&str]) {
        let mut command = requorum(["restore", "--plan"]);
        command.arg(&self.plan.file);
        for name in names {
            command.args(["--member", name]);
        }
        succeed(&mut command);
    }

    /// Does what is said of a member with other data, and the cluster is proven then.
    fn set_right(&self, server: &Server, mut members: Vec<Member>, name: &str) {
        members.iter_mut().for_each(|m| assert!(m.stop().code().is_none_or(|c| c == 0)));
        drop(members);
        if self.data_dir(name).exists() {
            fs::rename(self.data_dir(name), self.dir.path().join("aside")).unwrap();
        }
        // one that was restored from the plan before, and is again, is refused without this
        let typed = format!("twice@{}", self.plan.plan.short_id());
        succeed(requorum(["restore", "--member", name, "--override", &typed, "--plan"]).arg(&self.plan.file));
        let _members = self.start_all(server, &["m1", "m2", "m3"]);
        proven(&verify(&self.plan, PATIENCE, &["--canary"]));
    }

    fn data_dir(&self, name: &str) -> &Path {
        &self.plan.plan.members.iter().find(|m| m.name == name).unwrap().data_dir
    }

    /// The printed command of a member.
    fn line(&self, name: &str) -> String {
        succeed(requorum(["launch", "--member", name, "--plan"]).arg(&self.plan.file)).trim_end().to_string()
    }

    /// Starts a member with this command.
    fn start(&self, server: &Server, name: &str, line: &str) -> Member {
        let place = self.places.iter().find(|p| p.name == name).unwrap();
        Member::start(server, place, self.data_dir(name), line, &[])
    }

    /// Starts these members with their printed commands.
    fn start_all(&self, server: &Server, names: &[&str]) -> Vec<Member> {
        names.iter().map(|name| self.start(server, name, &self.line(name))).collect()
    }
}

impl Site {
    /// m1 and m2 as planned, m3 with this state and a directory that is not there, whose path comes last.
    fn mistyped(server: &Server, state: &str) -> (Site, Vec<Member>, Member, String) {
        let site = Site::new(&fixture("3.4.23-small.db"), &[]);
        site.restore(&["m1", "m2", "m3"]);
        let mut members = site.start_all(server, &["m1", "m2"]);
        members.iter_mut().for_each(|m| drop(m.wait_ready(None)));
        let mistyped = site.dir.path().join("mistyped").display().to_string();
        let printed = site.line("m3");
        let wrong = printed.replace(&site.data_dir("m3").display().to_string(), &mistyped);
        assert_ne!(wrong, printed);
        let state = format!("--initial-cluster-state={state}");
        let m3 = site.start(server, "m3", &wrong.replace("--initial-cluster-state=existing", &state));
        (site, members, m3, mistyped)
    }
}

/// A snapshot of a single member with these keys put, one revision each.
fn snapshot(server: &Server, dir: &Path, name: &str, keys: &[(&str, &str)]) -> std::path::PathBuf {
    let cluster = Cluster::new(server, 1);
    let mut client = cluster.client(0, None);
    keys.iter().for_each(|(key, value)| client.put_and_get(key, value));
    let file = dir.join(name);
    let endpoint = cluster.members[0].place.client_url();
    succeed(requorum(["snapshot", "save"]).arg(&file).args(["--endpoints", &endpoint]));
    file
}

/// A whole cluster is proven, with and without a key being written; while a member was not started it is not, and the
/// member is named.
pub fn whole_and_never_started(server: &Server) {
    let site = Site::new(&fixture("3.4.23-lease.db"), &[]);
    site.restore(&["m1", "m2", "m3"]);
    let mut members = site.start_all(server, &["m1", "m3"]);
    members.iter_mut().for_each(|m| drop(m.wait_ready(None)));
    let said = verify(&site.plan, "1s", &["--canary"]);
    assert_eq!((&said["verdict"], &said["exit_code"]), (&"unproven".into(), &17.into()), "{said:#}");
    let up = said["members"].as_array().unwrap().iter().map(|m| (m["name"].as_str().unwrap(), m["outcome"] == "pass"));
    assert_eq!(up.collect::<Vec<_>>(), [("m1", true), ("m2", false), ("m3", true)], "{said:#}");
    assert_eq!(check(&said, "directories")["outcome"], "not_yet", "nothing runs on m2's directory: {said:#}");
    assert_eq!(check(&said, "members")["outcome"], "not_yet");
    assert_eq!(check(&said, "canary")["outcome"], "not_yet", "nothing is written before all is right");

    members.extend(site.start_all(server, &["m2"]));
    let said = verify(&site.plan, PATIENCE, &[]);
    proven(&said);
    let from = site.plan.plan.expected_revision();
    assert_eq!(members[0].wait_ready(None).revision(), from, "nothing was written");
    for topic in
        ["identity", "members", "leader", "reads", "revision", "hash", "snapshot", "alarms", "quota", "directories"]
    {
        assert_eq!(check(&said, topic)["outcome"], "pass", "{said:#}");
    }
    assert_eq!(check(&said, "canary")["outcome"], "unknown");

    let said = verify(&site.plan, PATIENCE, &["--canary"]);
    proven(&said);
    let words = check(&said, "canary")["words"].as_str().unwrap();
    assert!(
        words.contains(&format!("put at revision {}, read through 3 members, seen by a watch, deleted", from + 1)),
        "{words}"
    );
    assert_eq!(members[1].wait_ready(None).revision(), from + 2, "put and deleted");
    assert!(
        said["next"].as_array().unwrap().iter().any(|n| n["command"].as_str().unwrap().contains("timetolive")),
        "{said:#}"
    );

    let id = site.plan.plan.short_id();
    assert!(said["plan"] == *id && words.contains(&format!("requorum/canary/{id}-")));
    // All of it is in the recovery's record.
    let text = fs::read_to_string(journal::path_next_to(&site.plan.file)).unwrap();
    let proofs = journal::verify(&text).unwrap().into_iter().filter(|record| record.kind == Event::Proof);
    let codes: Vec<_> = proofs.map(|record| record.data["exit_code"].as_i64()).collect();
    assert_eq!(codes, [Some(17), Some(0), Some(0)], "{text}");
}

/// Members from different snapshots, all of them "healthy": older, newer, and as new but other.
pub fn different_snapshots(server: &Server) {
    let dir = tempfile::TempDir::new().unwrap();
    let mut cluster = Cluster::new(server, 1);
    let mut client = cluster.client(0, None);
    client.put_many("k", 20);
    let endpoint = cluster.members[0].place.client_url();
    let save = |name: &str| {
        let file = dir.path().join(name);
        succeed(requorum(["snapshot", "save"]).arg(&file).args(["--endpoints", &endpoint]));
        file
    };
    let old = save("old.db");
    client.put_many("l", 20);
    let new = save("new.db");
    cluster.members[0].kill();
    let a = snapshot(server, dir.path(), "a.db", &[("k", "1"), ("l", "2")]);
    let b = snapshot(server, dir.path(), "b.db", &[("k", "1"), ("l", "3")]);
    for (planned, other, topic, words) in [
        (
            &new,
            &old,
            "revision",
            "m3 was restored from another, older snapshot: it is at revision 21, and the plan begins at 41",
        ),
        (&old, &new, "revision", "m3 was restored from another"),
        (&a, &b, "hash", "m3 was restored from another snapshot (HashKV at revision 3: m1 and m2 "),
    ] {
        let site = Site::new(planned, &[]);
        site.restore(&["m1", "m2"]);
        succeed(&mut restore_by_flags(other, &site.plan.plan, "m3", site.data_dir("m3")));
        let mut members = site.start_all(server, &["m1", "m2", "m3"]);
        members.iter_mut().for_each(|m| drop(m.wait_ready(None)));
        let said = verify(&site.plan, PATIENCE, &["--canary"]);
        caught(&said, topic, &[words, "Stop it now: it answers reads with different data"]);
        assert!(check(&said, "canary")["outcome"] != "pass", "nothing is written into it: {said:#}");
        if other == &old {
            site.set_right(server, members, "m3");
        }
    }
}

/// All members are from one snapshot, which is not the plan's.
pub fn all_from_another_snapshot(server: &Server) {
    let dir = tempfile::TempDir::new().unwrap();
    let a = snapshot(server, dir.path(), "a.db", &[("k", "1"), ("l", "2")]);
    let b = snapshot(server, dir.path(), "b.db", &[("k", "1"), ("l", "3")]);
    let site = Site::new(&a, &[]);
    for name in ["m1", "m2", "m3"] {
        succeed(&mut restore_by_flags(&b, &site.plan.plan, name, site.data_dir(name)));
    }
    let _members = site.start_all(server, &["m1", "m2", "m3"]);
    let said = verify(&site.plan, PATIENCE, &[]);
    caught(&said, "snapshot", &["m1, m2 and m3 do not hold the plan's snapshot"]);
    assert_eq!(check(&said, "hash")["outcome"], "pass", "among themselves they agree");
}

/// A member of the old cluster that was left alive: in a new member's place, and at a URL that only it has.
pub fn an_old_member(server: &Server) {
    let mut cluster = Cluster::new(server, 3);
    let file = cluster.dir.path().join("survivor.db");
    let places: Vec<Place> = cluster.members.iter().map(|m| m.place.clone()).collect();
    succeed(requorum(["snapshot", "save"]).arg(&file).args(["--endpoints", &places[2].client_url()]));
    cluster.members[0].kill();
    cluster.members[1].kill();

    let site = Site::at(&file, places.clone(), &[]);
    let lift = format!("m3@{}", places[2].host());
    succeed(requorum(["restore", "--override", &lift, "--plan"]).arg(&site.plan.file));
    let mut new = site.start_all(server, &["m1", "m2"]);
    new.iter_mut().for_each(|m| drop(m.wait_ready(None)));
    let said = verify(&site.plan, "1s", &[]);
    caught(&said, "identity", &["m3's place is taken by the old cluster: member ", "the old etcd still runs there"]);
    drop(new);

    let elsewhere = Site::new(&file, &[]);
    let names = ["m1", "m2", "m3"];
    succeed(requorum(["restore", "--override", &lift, "--plan"]).arg(&elsewhere.plan.file));
    let _new = elsewhere.start_all(server, &names);
    let said = verify(&elsewhere.plan, PATIENCE, &[]);
    caught(&said, "old", &[&format!("m3 of the old cluster still answers on {}", places[2].host())]);
    cluster.members[2].kill();
    proven(&verify(&elsewhere.plan, PATIENCE, &[]));
}

/// A member that was started where nothing was restored. With the state `new` it stays empty and looks healthy.
pub fn an_empty_directory(server: &Server) {
    let (site, members, mut m3, mistyped) = Site::mistyped(server, "new");
    m3.wait_ready(None);
    let said = verify(&site.plan, PATIENCE, &[]);
    caught(&said, "revision", &["m3 was started on an empty data directory and holds none of the snapshot's data"]);
    caught(&said, "directories", &["m3 (process ", &format!("runs on {mistyped}, not on its restored directory")]);
    m3.stop();
    site.set_right(server, members, "m3");
}

/// With the printed command it takes the data from the others, and does not run where the next start looks.
pub fn a_mistyped_directory(server: &Server) {
    let (site, mut members, mut m3, mistyped) = Site::mistyped(server, "existing");
    m3.wait_ready(None);
    let said = verify(&site.plan, PATIENCE, &[]);
    caught(&said, "directories", &["m3 (process ", &format!("runs on {mistyped}, not on its restored directory")]);
    assert_eq!(check(&said, "hash")["outcome"], "pass", "it fetched the data: {said:#}");
    m3.stop();
    members.iter_mut().for_each(|m| assert!(m.stop().code().is_none_or(|c| c == 0)));
    drop(members);
    let _members = site.start_all(server, &["m1", "m2", "m3"]);
    proven(&verify(&site.plan, PATIENCE, &[]));
}

/// The restored data directory with the old cluster's log beside it.
pub fn an_old_wal_directory(server: &Server) {
    let dir = tempfile::TempDir::new().unwrap();
    let (wal, place) = (dir.path().join("old-wal"), Place::take(1).remove(0));
    let data = dir.path().join("old.etcd");
    let (client, peer) = (place.client_url(), place.peer_url());
    let line = format!(
        "etcd --name m1 --data-dir {} --wal-dir {} --listen-client-urls {client} --advertise-client-urls {client} \
         --listen-peer-urls {peer} --initial-advertise-peer-urls {peer} --initial-cluster m1={peer}",
        data.display(),
        wal.display()
    );
    let mut old = Member::start(server, &place, &data, &line, &[]);
    old.wait_ready(None).put_many("k", 5);
    let file = dir.path().join("old.db");
    succeed(requorum(["snapshot", "save"]).arg(&file).args(["--endpoints", &client]));
    old.kill();

    let site = Site::at(&file, vec![place], &[]);
    site.restore(&["m1"]);
    let printed = site.line("m1");
    let left = format!("{printed} --wal-dir={}", wal.display());
    let mut m1 = site.start(server, "m1", &left);
    match m1.comes_up() {
        Ok(()) => {
            let said = verify(&site.plan, PATIENCE, &[]);
            caught(
                &said,
                "identity",
                &["m1's place is taken by the old cluster", &format!("an old log, {}", wal.display())],
            );
        }
        // some versions see that log and database do not belong together
        Err(refused) => {
            let said = verify(&site.plan, "1s", &[]);
            assert_ne!(said["exit_code"], 0, "{refused}\n{said:#}");
        }
    }
}

/// A member restored with another token, with etcd's default token, and one restored with all of etcd's defaults.
pub fn other_tokens_and_defaults(server: &Server) {
    let snapshot = fixture("3.4.23-small.db");
    let site = Site::new(&snapshot, &[]);
    site.restore(&["m1", "m2"]);
    let mut members = site.start_all(server, &["m1", "m2"]);
    members.iter_mut().for_each(|m| drop(m.wait_ready(None)));
    let there = site.data_dir("m3");
    let table = initial_cluster(&site.places);
    let peer = site.places[2].peer_url();
    let own = format!("m3={peer}");
    let by_hand = |name: &str, cluster: &str, peer: &str, token: &str| {
        let mut command = requorum(["snapshot", "restore"]);
        command.arg(&snapshot).args([
            "--name",
            name,
            "--initial-cluster",
            cluster,
            "--initial-advertise-peer-urls",
            peer,
        ]);
        command.args(["--initial-cluster-token", token]).arg("--data-dir").arg(there);
        succeed(&mut command);
    };
    let defaults = "http://localhost:2380";
    for (name, cluster, at, token, words) in [
        ("m3", table.as_str(), peer.as_str(), "another", "m3 was restored with another token than the plan's"),
        ("m3", &table, &peer, "etcd-cluster", "m3 was restored with etcd's default token etcd-cluster"),
        ("m3", &own, &peer, &site.plan.plan.token, "m3 was restored with itself alone in --initial-cluster"),
        ("default", "default=http://localhost:2380", defaults, "etcd-cluster", "m3 was restored with etcd's defaults"),
    ] {
        by_hand(name, cluster, at, token);
        let mut m3 = site.start(server, "m3", &site.line("m3"));
        let said = verify(&site.plan, "20s", &[]);
        caught(&said, "identity", &[words, "Stop it now"]);
        m3.kill();
        fs::remove_dir_all(there).unwrap();
    }
    site.restore(&["m3"]);
    let _m3 = site.start_all(server, &["m3"]);
    proven(&verify(&site.plan, PATIENCE, &[]));
}

/// An alarm that came with the snapshot keeps every put from succeeding, and belongs to nobody any more.
pub fn nospace_left_over(server: &Server) {
    let dir = tempfile::TempDir::new().unwrap();
    let place = Place::take(1).remove(0);
    let data = dir.path().join("full.etcd");
    let (client, peer) = (place.client_url(), place.peer_url());
    let line = format!(
        "etcd --name full --data-dir {} --quota-backend-bytes 200000 --listen-client-urls {client} \
         --advertise-client-urls {client} --listen-peer-urls {peer} --initial-advertise-peer-urls {peer} \
         --initial-cluster full={peer}",
        data.display()
    );
    let mut full = Member::start(server, &place, &data, &line, &[]);
    let mut writer = full.wait_ready(None);
    let value = "0123456789abcdef".repeat(4096);
    let refused = (0..100).any(|n| !writer.try_put(&format!("k{n}"), &value));
    assert!(refused, "the quota was never reached");
    let file = dir.path().join("full.db");
    succeed(requorum(["snapshot", "save"]).arg(&file).args(["--endpoints", &client]));
    full.kill();

    let site = Site::new(&file, &[]);
    site.restore(&["m1", "m2", "m3"]);
    let _members = site.start_all(server, &["m1", "m2", "m3"]);
    let said = verify(&site.plan, PATIENCE, &["--canary"]);
    caught(
        &said,
        "alarms",
        &["NOSPACE is raised for member ", "which no longer exists: it came with the snapshot", "alarm disarm"],
    );
    drop(_members);

    let cleared = Site::new(&file, &["--clear-alarms"]);
    cleared.restore(&["m1", "m2", "m3"]);
    let _members = cleared.start_all(server, &["m1", "m2", "m3"]);
    proven(&verify(&cleared.plan, PATIENCE, &["--canary"]));
}

/// With passwords on, a stranger is told too little for a proof, and root enough.
pub fn behind_passwords(server: &Server) {
    let cluster = Cluster::new(server, 1);
    cluster.client(0, None).fill(true);
    let file = cluster.dir.path().join("auth.db");
    let user = format!("{}:{}", ROOT.0, ROOT.1);
    let endpoint = cluster.members[0].place.client_url();
    succeed(requorum(["snapshot", "save", "--user", &user, "--endpoints", &endpoint]).arg(&file));
    drop(cluster.members);

    let site = Site::new(&file, &[]);
    site.restore(&["m1", "m2", "m3"]);
    let mut members = site.start_all(server, &["m1", "m2", "m3"]);
    members.iter_mut().for_each(|m| drop(m.wait_ready(Some(ROOT))));
    let said = verify(&site.plan, "1s", &["--canary"]);
    assert_eq!((&said["verdict"], &said["exit_code"]), (&"unproven".into(), &17.into()), "{said:#}");
    assert!(said["sentence"].as_str().unwrap().contains("user name is empty"), "{said:#}");
    proven(&verify(&site.plan, PATIENCE, &["--canary", "--user", &user]));
}

/// After a bump the hash is still the snapshot's with the bump counted in, and a watch from before is told to list again.
pub fn bumped(server: &Server) {
    let site = Site::new(&fixture("3.4.23-small.db"), &["--bump-revision", "1000000000", "--mark-compacted"]);
    site.restore(&["m1", "m2", "m3"]);
    let _members = site.start_all(server, &["m1", "m2", "m3"]);
    let said = verify(&site.plan, PATIENCE, &["--canary"]);
    proven(&said);
    let watch = check(&said, "watch");
    assert_eq!(watch["outcome"], "pass", "{said:#}");
    assert!(watch["words"].as_str().unwrap().contains("1,000,000,002"), "{said:#}");
}

/// Once the plan's revision, members are still held against each other, and it is said what that
/// no longer proves.
pub fn compacted_since(server: &Server) {
    let site = Site::new(&fixture("3.4.23-small.db"), &[]);
    site.restore(&["m1", "m2", "m3"]);
    let mut members = site.start_all(server, &["m1", "m2", "m3"]);
    proven(&verify(&site.plan, PATIENCE, &[]));
    let mut client = members[0].wait_ready(None);
    client.put_many("after", 10);
    let now = client.revision();
    client.compact(now - 3);
    members.iter_mut().for_each(|m| drop(m.wait_ready(None)));
    let said = verify(&site.plan, "3s", &[]);
    assert_eq!((&said["verdict"], &said["exit_code"]), (&"unproven".into(), &17.into()), "{said:#}");
    assert_eq!(check(&said, "hash")["outcome"], "pass", "{said:#}");
    let open = said["checks"].as_array().unwrap().iter().filter(|c| c["needed"] == true && c["outcome"] != "pass");
    let open: Vec<_> = open.map(|c| (c["topic"].as_str().unwrap(), c["outcome"].as_str().unwrap())).collect();
    assert!(open.contains(&("snapshot", "unknown")), "it can no longer be verified: {said:#}");
}
