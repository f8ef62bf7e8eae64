//! `requorum probe` on real clusters that lose members in every way: killed, hung, wiped, started again, behind
//! passwords and client certificates, a learner left alone, a stranger among them.

use std::{fs, path::Path, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use requorum::system::etcd_client::CLOSED;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{
    cluster::{Cluster, Member, Place, initial_cluster},
    contents::ROOT,
    requorum,
    servers::Server,
    wait_until,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// What `requorum probe -w json` says of these members, and its exit code, which must be the verdict's.
pub(super) fn probe(endpoints: &[String], more: &[&str]) -> Value {
    let mut command = requorum(["probe", "-w", "json", "--no-discover", "--endpoints", &endpoints.join(",")]);
    let output = command.args(more).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said: Value = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("no JSON ({e}): {text}{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(said["exit_code"].as_i64(), output.status.code().map(i64::from), "{text}");
    said
}

/// Probes until the verdict is this one: elections take their time.
pub(super) fn wait_for(verdict: &str, endpoints: &[String], more: &[&str]) -> Value {
    wait_until(verdict, PATIENCE, || {
        let said = probe(endpoints, more);
        if said["verdict"] == verdict { Ok(said) } else { Err(brief(&said)) }
    })
}

/// What a failed test shows of an answer.
fn brief(said: &Value) -> String {
    let ends = said["endpoints"].as_array().unwrap().iter();
    let ends = ends.map(|e| {
        let member = e["name"].as_str().unwrap();
        let of = |key: &str| e[key].to_string();
        format!(
            "\n  {member}: why {} closed {} leader {} read {}",
            of("why"),
            of("closed"),
            of("leader"),
            of("linearizable_read")
        )
    });
    format!("{}: {}{}", said["verdict"], said["sentence"], ends.collect::<String>())
}

pub(super) fn urls(members: &[Member]) -> Vec<String> {
    members.iter().map(|m| m.place.client_url()).collect()
}

/// What was said of the member of this name.
pub(super) fn of<'a>(said: &'a Value, name: &str) -> &'a Value {
    let all = said["endpoints"].as_array().unwrap();
    all.iter().find(|e| e["name"] == name).unwrap_or_else(|| panic!("no {name} in {said}"))
}

pub(super) fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect()
}

/// What was advised: each act with what it is about.
pub(super) fn acts(said: &Value) -> Vec<(&str, &str)> {
    let name = |act: &'_ Value| -> &'static str {
        let keyed = act.as_object().and_then(|act| act.keys().next());
        keyed.map_or_else(|| act.as_str(), |key| Some(key.as_str())).unwrap().to_string().leak()
    };
    let list = said["acts"].as_array().unwrap().iter();
    list.map(|advice| (name(&advice["act"]), advice["on"].as_str().unwrap())).collect()
}

/// Whether it was advised to start etcd on a directory.
pub(super) fn starts(said: &Value) -> bool {
    acts(said).iter().any(|(act, _)| ["start", "also_start"].contains(act))
}

/// Starts a member that has its data already.
fn again(server: &Server, member: &Member) -> Member {
    let (name, client, peer) = (&member.place.name, member.place.client_url(), member.place.peer_url());
    let line = format!(
        "etcd --name {name} --data-dir {} --listen-client-urls {client} --advertise-client-urls {client} \
         --listen-peer-urls {peer} --initial-advertise-peer-urls {peer}",
        member.data_dir.display()
    );
    Member::start(server, &member.place, &member.data_dir, &line, &[])
}

pub fn lost_hung_and_started_again(server: &Server) {
    let mut cluster = Cluster::new(server, 3);
    let all = urls(&cluster.members);
    // an empty cluster is not said to be worth keeping
    assert_eq!(wait_for("healthy", &all[..1], &[])["keep"], false);
    cluster.client(0, None).put_and_get("k", "v");
    let healthy = wait_for("healthy", &all[..1], &[]);
    assert_eq!(healthy["keep"], true, "{healthy}");
    assert_eq!((&healthy["voters"], &healthy["answering"]), (&3.into(), &3.into()), "the others are found: {healthy}");
    let hash = |said: &Value, name: &str| of(said, name)["hash_kv"]["hash"].as_u64().unwrap();
    assert_eq!(hash(&healthy, "m1"), hash(&healthy, "m3"));
    assert_eq!(of(&healthy, "m2")["linearizable_read"], true);
    assert!(of(&healthy, "m2")["quota_bytes"].as_u64().unwrap() > 0, "from its status or its metrics");

    cluster.members[1].kill();
    let degraded = wait_for("degraded", &all, &[]);
    assert_eq!((&degraded["voters"], &degraded["answering"]), (&3.into(), &2.into()), "{degraded}");
    assert_eq!(texts(&degraded["may_come_back"]), ["m2"], "{degraded}");
    assert_eq!(degraded["acts"][0]["act"], "keep", "{degraded}");

    cluster.members[2].signal(Signal::STOP);
    let lost = wait_for("lost_for_now", &all, &[]);
    assert_eq!(texts(&lost["may_come_back"]), ["m2", "m3"]);
    let m1 = of(&lost, "m1");
    assert_eq!((&m1["serializable_read"], &m1["linearizable_read"]), (&true.into(), &Value::Null));
    assert_eq!((&m1["health"], &m1["leader"]), (&false.into(), &Value::Null));
    assert!(m1["hash_kv"]["hash"].is_u64());
    assert_eq!(
        (&of(&lost, "m2")["why"], &of(&lost, "m3")["why"]),
        (&"connection refused".into(), &"no answer in 3 s".into())
    );

    let gone = probe(&all, &["--gone", &all[1..].join(",")]);
    assert_eq!((gone["verdict"].as_str(), texts(&gone["gone"])), (Some("lost_for_good"), vec!["m2", "m3"]));
    assert_eq!(probe(&all, &["--gone", &all[1]])["verdict"], "lost_for_now", "m3 would be enough");

    cluster.members[2].signal(Signal::CONT);
    wait_for("degraded", &all, &[]);

    // one is left, and it is started again: without a quorum its client port stays shut
    cluster.members[2].kill();
    cluster.members[0].kill();
    let _m1 = again(server, &cluster.members[0]);
    let shut = wait_until("m1 at its peer port", PATIENCE, || {
        let said = probe(&all, &[]);
        let there = said["answering"] == 1 && of(&said, "m1")["closed"] == "no answer in 3 s";
        if there { Ok(said) } else { Err(brief(&said)) }
    });
    assert_eq!((shut["verdict"].as_str(), shut["voters"].as_u64()), (Some("lost_for_now"), Some(3)), "{shut}");
    assert_eq!(shut["acts"][0], serde_json::json!({"act": "shut", "on": "m1"}), "{shut}");
}

pub fn five(server: &Server) {
    let mut cluster = Cluster::new(server, 5);
    let all = urls(&cluster.members);
    wait_for("healthy", &all, &[]);
    for member in &mut cluster.members[3..] {
        member.kill();
        fs::remove_dir_all(&member.data_dir).unwrap();
    }
    let degraded = wait_for("degraded", &all, &[]);
    assert_eq!((&degraded["voters"], &degraded["answering"]), (&5.into(), &3.into()), "{degraded}");
    assert_eq!(texts(&degraded["may_come_back"]), ["m4", "m5"], "{degraded}");
    cluster.members[2].kill();
    let wiped = all[3..].join(",");
    let lost = wait_for("lost_for_now", &all, &["--gone", &wiped]);
    assert_eq!((texts(&lost["may_come_back"]), texts(&lost["gone"])), (vec!["m3"], vec!["m4", "m5"]));
    assert_eq!(lost["acts"][0], serde_json::json!({"act": "start_if_whole", "on": "m3"}), "{lost}");
    let good = probe(&all, &["--gone", &all[2..].join(",")]);
    assert_eq!(
        (&good["verdict"], &good["exit_code"], &good["answering"]),
        (&"lost_for_good".into(), &14.into(), &2.into())
    );
    // with the disk of m3 at hand, starting it is said first, and a word against it is not believed
    let disk = cluster.members[2].data_dir.to_string_lossy().into_owned();
    let whole = probe(&all, &["--data-dir", &disk, "--gone", &all[2..].join(",")]);
    assert_eq!((&whole["verdict"], &whole["dirs"][0]["whole"]), (&"lost_for_now".into(), &true.into()), "{whole}");
    assert_eq!(whole["acts"][0], serde_json::json!({"act": "start", "on": disk}), "{whole}");
    // what was advised first helps
    let _m3 = again(server, &cluster.members[2]);
    wait_for("degraded", &all, &[]);
}

pub fn passwords(server: &Server) {
    let mut cluster = Cluster::new(server, 3);
    let all = urls(&cluster.members);
    cluster.client(0, None).fill(true);
    let user = format!("{}:{}", ROOT.0, ROOT.1);
    wait_for("healthy", &all, &["--user", &user]);
    let stranger = probe(&all, &[]);
    assert_eq!(stranger["serves"], true, "no token, and yet the read tells: {stranger}");
    for member in &mut cluster.members[1..] {
        member.kill();
    }
    for more in [&["--user", &user][..], &[]] {
        let lost = wait_for("lost_for_now", &all, more);
        assert_eq!((&lost["voters"], &lost["answering"]), (&3.into(), &1.into()), "{lost}");
        assert_eq!(texts(&lost["may_come_back"]), ["m2", "m3"]);
        let m1 = of(&lost, "m1");
        assert!(m1["revision"].as_i64().unwrap() > 100 && m1["db_bytes"].as_u64().unwrap() > 100_000, "{m1}");
        if server.minor != "3.4" {
            assert_eq!(m1["closed"], "wants a password");
            assert!(texts(&m1["errors"]).contains(&CLOSED), "{m1}");
            assert!(texts(&lost["advice"]).join("\n").contains("m1's member/snap/db"), "{lost}");
        }
    }
}

/// A CA, and a certificate for `host` by it, in `dir`.
fn certificates(dir: &Path, host: &str) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    fs::write(dir.join("ca.pem"), ca.self_signed(&ca_key).unwrap().pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec![host.to_string()]).unwrap();
    fs::write(dir.join("m.pem"), cert.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap().pem()).unwrap();
    fs::write(dir.join("m.key"), key.serialize_pem()).unwrap();
}

pub fn client_certificates(server: &Server) {
    let dir = tempfile::tempdir().unwrap();
    // the second never starts: one of two has no quorum from the beginning, but then it has no client port either
    let places = Place::take(2);
    let https = |place: &Place| place.client_url().replace("http:", "https:");
    let host = places[0].client_url().trim_start_matches("http://").replace(":2379", "");
    certificates(dir.path(), &host);
    let start = |place: &Place, tls: bool| {
        let data = dir.path().join(&place.name);
        let (name, peer) = (&place.name, place.peer_url());
        let client = if tls { https(place) } else { place.client_url() };
        let certs = "--cert-file=m.pem --key-file=m.key --trusted-ca-file=ca.pem --client-cert-auth";
        let line = format!(
            "etcd --name {name} --data-dir {} --listen-client-urls {client} --advertise-client-urls {client} \
             --listen-peer-urls {peer} --initial-advertise-peer-urls {peer} --initial-cluster {} {}",
            data.display(),
            initial_cluster(&places),
            if tls { certs } else { "" }
        );
        Member::start(server, place, &data, &line, &[])
    };
    let _m1 = start(&places[0], true);
    let mut m2 = start(&places[1], false);
    m2.wait_ready(None);
    let at = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let flags =
        [format!("--cacert={}", at("ca.pem")), format!("--cert={}", at("m.pem")), format!("--key={}", at("m.key"))];
    let with: Vec<&str> = flags.iter().map(String::as_str).collect();
    let m1 = [https(&places[0])];
    let healthy = wait_for("healthy", &m1, &with);
    assert!(
        of(&healthy, "m1")["quota_bytes"].as_u64().unwrap() > 0 && of(&healthy, "m1")["health"] == true,
        "{healthy}"
    );
    m2.kill();
    let lost = wait_for("lost_for_now", &m1, &with);
    assert!(of(&lost, "m1")["hash_kv"]["hash"].is_u64(), "{lost}");
    // without a certificate its peer port still tells who is there
    let refused = probe(&m1, &with[..1]);
    assert_eq!((refused["verdict"].as_str(), refused["voters"].as_u64()), (Some("lost_for_now"), Some(2)), "{refused}");
    assert_eq!(of(&refused, "m1")["closed"], "requires a client certificate");
    assert!(texts(&of(&refused, "m1")["errors"])[0].contains("--cert"), "{refused}");
}

pub fn learner_and_stranger(server: &Server) {
    let mut cluster = Cluster::new(server, 1);
    let mut place = Place::take(1).remove(0);
    place.name = "m2".into();
    cluster.client(0, None).add_learner(&place.peer_url());
    let data = cluster.dir.path().join("m2.etcd");
    let (client, peer) = (place.client_url(), place.peer_url());
    let both = [cluster.members[0].place.clone(), place.clone()];
    let line = format!(
        "etcd --name m2 --data-dir {} --listen-client-urls {client} --advertise-client-urls {client} \
         --listen-peer-urls {peer} --initial-advertise-peer-urls {peer} --initial-cluster {} \
         --initial-cluster-state existing",
        data.display(),
        initial_cluster(&both)
    );
    let learner = Member::start(server, &place, &data, &line, &[]);
    let ends = [cluster.members[0].place.client_url(), learner.place.client_url()];
    let healthy = wait_until("the learner", PATIENCE, || {
        let said = probe(&ends[..1], &[]);
        let there = said["endpoints"].as_array().unwrap().len() == 2 && of(&said, "m2")["learner"] == true;
        if there { Ok(said) } else { Err(brief(&said)) }
    });
    assert_eq!((healthy["verdict"].as_str(), healthy["voters"].as_u64()), (Some("healthy"), Some(1)), "{healthy}");

    // a member of another cluster, such as one that nobody stopped when its cluster was restored
    let old = Cluster::new(server, 1);
    let split = probe(&[ends[0].clone(), old.members[0].place.client_url()], &[]);
    assert_eq!((split["verdict"].as_str(), split["exit_code"].as_i64()), (Some("split"), Some(13)), "{split}");

    cluster.members[0].kill();
    let lost = wait_for("lost_for_now", &ends, &[]);
    assert_eq!((&lost["voters"], &lost["answering"]), (&1.into(), &0.into()), "{lost}");
    let m2 = of(&lost, "m2");
    assert_eq!((&m2["answers"], &m2["learner"]), (&true.into(), &true.into()), "it has no vote: {lost}");
}

/// Two clusters on one machine, with a member m1 each: what was asked for counts, the other one is listed apart.
pub fn two_clusters_on_one_machine(server: &Server) {
    let (main, events) = (Cluster::new(server, 1), Cluster::new(server, 1));
    let ids = [&main, &events].map(|c| {
        // of an empty cluster of one it is not known whether it is the one that is meant
        c.client(0, None).put_and_get("k", "v");
        let said = wait_for("healthy", &urls(&c.members), &[]);
        said["endpoints"][0]["cluster_id"].as_str().unwrap().to_string()
    });
    let dirs = [&main, &events].map(|c| c.members[0].data_dir.display().to_string());
    [&main, &events].iter().for_each(|c| c.members[0].signal(Signal::STOP));
    let look = |args: &[&str]| -> Value {
        let output = requorum(["probe", "-w", "json"]).args(args).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let belongs = |said: &Value, dir: &str| {
        let all = said["dirs"].as_array().unwrap();
        let found = all.iter().find(|d| d["data_dir"] == dir).unwrap_or_else(|| panic!("no {dir} in {said}"));
        found["belongs"].as_str().unwrap().to_string()
    };
    let advised = |said: &Value, dir: &str| texts(&said["advice"]).iter().any(|line| line.contains(dir));
    let client = |c: &Cluster| c.members[0].place.client_url();

    // the process that listens where it was asked says which cluster is meant
    for (asked, own, other) in [(&main, 0, 1), (&events, 1, 0)] {
        let said = look(&["--endpoints", &client(asked)]);
        assert_eq!((said["cluster"].as_str(), said["cluster_known_by"].as_str()), (Some(&*ids[own]), Some("listens")));
        assert_eq!((&*belongs(&said, &dirs[own]), &*belongs(&said, &dirs[other])), ("meant", "other"));
        assert!(advised(&said, &dirs[own]) && !advised(&said, &dirs[other]), "{said}");
    }
    // an endpoint of neither says nothing, and then neither is said to be silent
    let nobody = format!("http://{}:2381", Place::take(1)[0].host());
    let said = look(&["--endpoints", &nobody]);
    assert_eq!((&said["cluster"], said["cluster_not_known"].as_str()), (&Value::Null, Some("unlinked")), "{said}");
    assert!(dirs.iter().all(|dir| belongs(&said, dir) == "open" && !advised(&said, dir)), "{said}");
    // a directory that is named does, also beside the endpoint that nobody typed
    for (at, dir) in dirs.iter().enumerate() {
        for args in [&["--data-dir", dir][..], &["--endpoints", &nobody, "--data-dir", dir]] {
            let said = look(args);
            assert_eq!(
                (said["cluster"].as_str(), said["cluster_known_by"].as_str()),
                (Some(&*ids[at]), Some("data_dir"))
            );
            assert_eq!(belongs(&said, &dirs[1 - at]), "other");
        }
    }
    let text = requorum(["probe", "--endpoints", &client(&main)]).output().unwrap();
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let (own, others) = text.split_once("Of another cluster, not counted").unwrap();
    assert!(own.contains(&dirs[0]) && !own.contains(&dirs[1]) && others.contains(&dirs[1]), "{text}");
    [&main, &events].iter().for_each(|c| c.members[0].signal(Signal::CONT));
}
