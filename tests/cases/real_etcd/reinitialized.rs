//! `requorum probe` where members lost their directories and were begun anew under their old IDs, and where what answers is
//! not the cluster that was asked for.

use std::{fs, path::Path, process::Command, time::Duration};

use super::{
    detect::{acts, of, probe, starts, texts, urls, wait_for},
    end_to_end::Planned,
};
use crate::support::{
    cluster::{Cluster, Member, Place, initial_cluster},
    requorum,
    servers::Server,
    wait_until,
};

/// Starts a member in a directory, `places` being its initial cluster.
fn start(server: &Server, place: &Place, dir: &Path, places: &[Place], state: &str) -> Member {
    let (name, client, peer) = (&place.name, place.client_url(), place.peer_url());
    let line = format!(
        "etcd --name {name} --data-dir {} --listen-client-urls {client} --advertise-client-urls {client} \
         --listen-peer-urls {peer} --initial-advertise-peer-urls {peer} --initial-cluster {} \
         --initial-cluster-token first --initial-cluster-state {state}",
        dir.display(),
        initial_cluster(places)
    );
    Member::start(server, place, dir, &line, &[])
}

/// Whether it is advised not to start etcd on this directory, for whichever reason.
fn avoids(said: &serde_json::Value, dir: &str) -> bool {
    acts(said).iter().any(|(act, on)| ["do_not_start", "other_history", "show_first"].contains(act) && *on == dir)
}

fn path(dir: &Path) -> String {
    dir.to_string_lossy().into_owned()
}

/// Begun anew with state `existing` while the others serve, then without them, then with state `new` to an empty cluster.
pub fn anew(server: &Server) {
    let mut cluster = Cluster::new(server, 3);
    let places: Vec<Place> = cluster.members.iter().map(|m| m.place.clone()).collect();
    let all = urls(&cluster.members);
    cluster.client(0, None).put_many("k", 10);
    let snapshot = path(&cluster.dir.path().join("s.db"));
    let saved = requorum(["snapshot", "save", &snapshot, "--endpoints", &all[0]]).output().unwrap();
    assert!(saved.status.success(), "{saved:?}");

    // the leader remembers how far a follower was: that one cannot come back with less
    let leader = cluster.client(0, None).leader();
    let ids: Vec<u64> = (0..3).map(|at| cluster.client(at, None).member_id()).collect();
    let led = ids.iter().position(|id| *id == leader).unwrap();
    let (lost, other) = ((led + 1) % 3, (led + 2) % 3);
    let name = |at: usize| places[at].name.clone();
    cluster.members[lost].kill();
    let dir = cluster.dir.path().join("anew.etcd");
    let mut again = start(server, &places[lost], &dir, &places, "existing");
    again.comes_up().expect_err("etcd itself refuses");
    again.kill();
    let empty = path(&dir);
    let degraded = wait_for("degraded", &all, &["--data-dir", &empty]);
    assert_eq!(degraded["dirs"][0]["whole"], false, "{degraded}");
    let advice = texts(&degraded["advice"]).join("\n");
    assert!(acts(&degraded).contains(&("do_not_start", empty.as_str())), "{degraded}");
    assert!(advice.contains(&format!("etcdctl member remove {:x}", ids[lost])), "{advice}");
    assert!(!starts(&degraded), "{advice}");
    assert_eq!(degraded["keep"], true);

    cluster.members[other].kill();
    let without = wait_for("lost_for_now", &all, &["--data-dir", &empty]);
    assert_eq!(texts(&without["may_come_back"]), [name(other)], "{without}");
    assert!(!starts(&without), "{without}");

    cluster.members[led].kill();
    let held = path(&cluster.members[led].data_dir);
    let dirs = [cluster.dir.path().join("new1.etcd"), cluster.dir.path().join("new2.etcd")];
    let mut new = [
        start(server, &places[lost], &dirs[0], &places, "new"),
        start(server, &places[other], &dirs[1], &places, "new"),
    ];
    new.iter_mut().for_each(|member| drop(member.wait_ready(None)));
    let mut reborn = vec![all[lost].clone(), all[other].clone()];
    reborn.sort();
    for (more, at) in [(["--data-dir", &held], &held), (["--snapshot", &snapshot], &snapshot)] {
        let forked = wait_for("forked", &all, &more);
        assert_eq!((forked["exit_code"].as_u64(), forked["serves"].as_bool()), (Some(18), Some(false)), "{forked}");
        assert_eq!(forked["keep"], false);
        assert_eq!(forked["newer"][0]["at"].as_str(), Some(at.as_str()), "{forked}");
        assert_eq!((&forked["newer"][0]["certain"], &forked["newer"][0]["revision"]), (&true.into(), &11.into()));
        let mut stop = texts(&forked["stop"]);
        stop.sort_unstable();
        assert_eq!(stop, reborn, "{forked}");
        assert_eq!(of(&forked, &name(lost))["revision"], 1, "an empty cluster: {forked}");
        assert!(
            texts(&forked["advice"]).join("\n").contains(&format!(
                "restore from {}",
                if at == &held {
                    format!("{}'s data directory {held}", name(led))
                } else {
                    format!("snapshot {snapshot}")
                }
            )),
            "{forked}"
        );
    }
    // without either, nothing is known but that it is empty
    let alone = wait_for("degraded", &all, &[]);
    assert_eq!(alone["keep"], false, "{alone}");

    // stopped, they still do not count
    new.iter_mut().for_each(Member::kill);
    let [first, second] = dirs.map(|dir| path(&dir));
    let stopped = probe(&all, &["--data-dir", &first, "--data-dir", &second, "--data-dir", &held]);
    assert_eq!(texts(&stopped["may_come_back"]), [name(led)], "{stopped}");
}

/// kubeadm's first member names itself alone in its manifest: wiped, it is at once a cluster of one with its old IDs.
pub fn first_member_reborn(server: &Server) {
    let dir = tempfile::tempdir().unwrap();
    let places = Place::take(3);
    let at = |n: usize| dir.path().join(format!("{}.etcd", places[n].name));
    let mut members = vec![start(server, &places[0], &at(0), &places[..1], "new")];
    let mut client = members[0].wait_ready(None);
    for n in 1..3 {
        client.add_member(&places[n].peer_url());
        let mut member = start(server, &places[n], &at(n), &places[..=n], "existing");
        drop(member.wait_ready(None));
        members.push(member);
    }
    client.put_many("k", 10);
    let all = urls(&members);
    let healthy = wait_for("healthy", &all, &[]);
    members[0].kill();
    members[2].kill();
    for n in [0, 2] {
        fs::remove_dir_all(at(n)).unwrap();
    }
    members[0] = start(server, &places[0], &at(0), &places[..1], "new");
    drop(members[0].wait_ready(None));
    let mut sentence = String::new();
    for ends in [&all[..], &all[1..2], &all[..2]] {
        let forked = wait_for("forked", ends, &[]);
        assert_eq!(forked["exit_code"], 18, "{forked}");
        assert_eq!((texts(&forked["stop"]), &forked["keep"]), (vec![all[0].as_str()], &false.into()), "{forked}");
        let newer = &forked["newer"][0];
        assert_eq!((&newer["kind"], newer["at"].as_str()), (&"member".into(), Some(all[1].as_str())), "{forked}");
        assert_eq!((&newer["revision"], &newer["certain"]), (&11.into(), &true.into()));
        let ids =
            |said: &serde_json::Value| (of(said, "m1")["cluster_id"].clone(), of(said, "m1")["member_id"].clone());
        assert_eq!(ids(&forked), ids(&healthy), "the very same IDs");
        assert_eq!(acts(&forked)[0], ("save", all[1].as_str()), "{forked}");
        sentence = forked["sentence"].as_str().unwrap().to_string();
    }
    // the final check says the same: what serves is no old cluster that came back
    let snapshot = dir.path().join("s.db");
    assert!(requorum(["snapshot", "save", &path(&snapshot), "--endpoints", &all[1]]).status().unwrap().success());
    let plan = Planned::new(&snapshot, &places, dir.path(), &[]);
    let mut apply = requorum(["apply", &path(&plan.file), "--reason", "the empty one is stopped next"]);
    for place in &places[..2] {
        apply.args(["--override", &format!("{}@{}", place.name, place.host())]);
    }
    let applied = apply.output().unwrap();
    let text = String::from_utf8_lossy(&applied.stdout).into_owned() + &String::from_utf8_lossy(&applied.stderr);
    let first = sentence.split(['.', ',', ':']).next().unwrap();
    assert!(applied.status.success() && text.contains(first), "{text}");
    // asked after it was stopped: its directory brings nothing back
    members[0].kill();
    let lost = wait_for("lost_for_now", &all, &["--data-dir", &path(&at(0))]);
    assert_eq!(texts(&lost["may_come_back"]), ["m3"], "{lost}");
}

/// One member restored from a snapshot under its old IDs while the others serve.
pub fn restored_beside(server: &Server) {
    let mut cluster = Cluster::new(server, 3);
    let places: Vec<Place> = cluster.members.iter().map(|m| m.place.clone()).collect();
    let all = urls(&cluster.members);
    cluster.client(0, None).put_many("k", 10);
    let snapshot = path(&cluster.dir.path().join("s.db"));
    assert!(requorum(["snapshot", "save", &snapshot, "--endpoints", &all[0]]).status().unwrap().success());
    cluster.client(0, None).put_many("later", 10);
    cluster.members[2].kill();
    let dir = path(&cluster.dir.path().join("restored.etcd"));
    let tool = ["etcdutl", "etcdctl"].map(|tool| server.dir().join(tool)).into_iter().find(|tool| tool.is_file());
    let restored = Command::new(tool.unwrap())
        .env("ETCDCTL_API", "3")
        .args(["snapshot", "restore", &snapshot, "--name", "m3", "--data-dir", &dir])
        .args(["--initial-cluster", &initial_cluster(&places), "--initial-cluster-token", "first"])
        .args(["--initial-advertise-peer-urls", &places[2].peer_url()])
        .output()
        .unwrap();
    assert!(restored.status.success(), "{restored:?}");
    let degraded = wait_for("degraded", &all, &["--data-dir", &dir]);
    assert!(!starts(&degraded) && avoids(&degraded, &dir), "{degraded}");
    // its own old directory only lags
    let own = path(&cluster.members[2].data_dir);
    let degraded = wait_for("degraded", &all, &["--data-dir", &dir, "--data-dir", &own]);
    assert!(acts(&degraded).contains(&("start", own.as_str())), "{degraded}");
}

/// An etcd that was started without a word about its cluster, at one of the endpoints.
pub fn not_asked_for(server: &Server) {
    let dir = tempfile::tempdir().unwrap();
    let [strange, silent, other] = Place::take(3).try_into().unwrap();
    let data = dir.path().join("default.etcd");
    let (client, peer) = (strange.client_url(), strange.peer_url());
    let line = format!(
        "etcd --data-dir {} --listen-client-urls {client} --advertise-client-urls {client} --listen-peer-urls {peer}",
        data.display()
    );
    let mut member = Member::start(server, &strange, &data, &line, &[]);
    let mut client_of = member.wait_ready(None);
    let ends = [silent.client_url(), client.clone(), other.client_url()];
    // by itself it may be a new cluster or a member that lost its directory: nothing tells which
    let empty = wait_for("unconfirmed", std::slice::from_ref(&client), &[]);
    assert_eq!((&empty["keep"], &empty["not_members"]), (&false.into(), &serde_json::json!([])), "{empty}");
    for revision in [1, 2] {
        let said = wait_for("unconfirmed", &ends, &[]);
        assert_eq!((said["exit_code"].as_u64(), said["serves"].as_bool()), (Some(19), Some(false)), "{said}");
        assert_eq!(texts(&said["not_members"]), [ends[0].as_str(), ends[2].as_str()], "{said}");
        assert_eq!(said["keep"], false);
        assert_eq!(said["endpoints"][1]["cluster_id"], "cdf818194e3a8c32", "{said}");
        assert_eq!(said["endpoints"][1]["revision"], revision, "{said}");
        client_of.put_and_get("k", "v");
    }
    // by itself it serves, and it is not said to be anything else; through another name it is the same member
    let alone = wait_for("healthy", &[client], &[]);
    assert_eq!(alone["keep"], true, "{alone}");
    member.kill();
    wait_until("silence", Duration::from_secs(20), || match probe(&ends, &[])["verdict"].as_str() {
        Some("unknown") => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// Written past the old state and compacted, a reborn cluster is told by keys that it did not write since; a member that
/// was only down while its cluster went on is not taken for another history.
pub fn compacted_past(server: &Server) {
    let mut cluster = Cluster::new(server, 3);
    let places: Vec<Place> = cluster.members.iter().map(|m| m.place.clone()).collect();
    let all = urls(&cluster.members);
    cluster.client(0, None).put_many("k", 10);
    cluster.client(2, None).flush();
    cluster.members[2].kill();
    let dir = path(&cluster.members[2].data_dir);
    wait_until("a leader of two", Duration::from_secs(60), || {
        if cluster.client(0, None).try_put("q", "v") { Ok(()) } else { Err("no leader yet".to_string()) }
    });
    cluster.client(0, None).put_many("l", 30);
    cluster.client(0, None).compact(30);
    let own = wait_for("degraded", &all, &["--data-dir", &dir]);
    assert_eq!(own["keep"], true, "{own}");
    assert!(acts(&own).contains(&("start", dir.as_str())), "{own}");

    cluster.members.iter_mut().for_each(Member::kill);
    let dirs = [0, 1].map(|at| cluster.dir.path().join(format!("new{at}.etcd")));
    let mut new: Vec<Member> = (0..2).map(|at| start(server, &places[at], &dirs[at], &places, "new")).collect();
    new.iter_mut().for_each(|member| drop(member.wait_ready(None)));
    let mut client = new[0].wait_ready(None);
    client.put_many("z", 40);
    client.compact(30);
    let forked = wait_for("forked", &all, &["--data-dir", &dir]);
    assert_eq!((forked["exit_code"].as_u64(), &forked["keep"]), (Some(18), &false.into()), "{forked}");
    assert_eq!(
        (forked["newer"][0]["at"].as_str(), &forked["newer"][0]["certain"]),
        (Some(dir.as_str()), &false.into())
    );
    assert!(!starts(&forked) && avoids(&forked, &dir), "{forked}");
    // every key is written again: nothing tells any more, and that is what is said
    client.put_many("z", 40);
    let unknown = wait_for("degraded", &all, &["--data-dir", &dir]);
    assert_eq!(unknown["keep"], false, "{unknown}");
    assert!(!starts(&unknown) && avoids(&unknown, &dir), "{unknown}");
    assert!(texts(&unknown["advice"]).iter().any(|line| line.contains("snapshot compare")), "{unknown}");
}

/// Another etcd at the client URL of a member that is down.
pub fn foreign_at_a_members_url(server: &Server) {
    let mut cluster = Cluster::new(server, 3);
    let all = urls(&cluster.members);
    cluster.client(0, None).put_many("k", 3);
    cluster.members[2].kill();
    let (place, dir) = (cluster.members[2].place.clone(), cluster.dir.path().join("foreign.etcd"));
    let mut foreign = start(server, &place, &dir, std::slice::from_ref(&place), "new");
    drop(foreign.wait_ready(None));
    let degraded = wait_for("degraded", &all[..1], &[]);
    let misplaced = &degraded["misplaced"][0];
    assert_eq!((misplaced["endpoint"].as_str(), &misplaced["member"]), (Some(all[2].as_str()), &"m3".into()));
    assert_ne!(misplaced["answers"], misplaced["cluster"], "{degraded}");
    assert_eq!((&degraded["cluster"], &degraded["answering"]), (&misplaced["cluster"], &2.into()), "{degraded}");
    assert!(!acts(&degraded).iter().any(|(act, _)| *act == "other_name"), "{degraded}");
    let split = wait_for("split", &all, &[]);
    assert_eq!(split["misplaced"][0]["endpoint"].as_str(), Some(all[2].as_str()), "{split}");
}

/// A learner that lost its directory, and was started again with an empty one.
pub fn learner_anew(server: &Server) {
    let cluster = Cluster::new(server, 3);
    let mut place = Place::take(1).remove(0);
    place.name = "m4".into();
    // a young cluster takes no member yet
    let mut client = cluster.client(0, None);
    client.put_many("k", 10);
    client.add_learner_once_taken(&place.peer_url());
    let mut places: Vec<Place> = cluster.members.iter().map(|m| m.place.clone()).collect();
    places.push(place.clone());
    let ends: Vec<String> = places.iter().map(Place::client_url).collect();
    let mut learner = start(server, &place, &cluster.dir.path().join("m4.etcd"), &places, "existing");
    wait_until("the learner", Duration::from_secs(60), || {
        let said = probe(&ends[..1], &[]);
        let there = said["endpoints"].as_array().unwrap().len() == 4 && of(&said, "m4")["learner"] == true;
        if there { Ok(()) } else { Err(said.to_string()) }
    });
    learner.kill();
    let own = path(&learner.data_dir);
    let healthy = wait_for("healthy", &ends, &["--data-dir", &own]);
    assert!(acts(&healthy).contains(&("start_learner", "m4")), "{healthy}");
    let empty = cluster.dir.path().join("anew.etcd");
    let mut again = start(server, &place, &empty, &places, "existing");
    wait_until("a log in it", Duration::from_secs(60), || {
        if empty.join("member/wal").is_dir() { Ok(()) } else { Err("none".to_string()) }
    });
    again.kill();
    let empty = path(&empty);
    let named = wait_for("healthy", &ends, &["--data-dir", &empty]);
    let advice = texts(&named["advice"]).join("\n");
    assert!(acts(&named).contains(&("do_not_start", empty.as_str())), "{named}");
    assert!(advice.contains("member add --learner"), "{advice}");
}
