//! Old IDs and old revisions on the command line: what `plan`, `snapshot restore`, `restore`, `apply` and `launch` refuse or
//! warn of, and what an override lets pass.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener},
    path::PathBuf,
    process::Output,
    thread,
};

use crate::support::{ended, fixture, messages, names, requorum, said};

/// The snapshot's own cluster: its token is `prod`.
const OLD: &str = "m1=http://127.0.0.1:30341,m2=http://127.0.0.1:30343,m3=http://127.0.0.1:30345";
const CLUSTER: &str = "2c3ec1aef25db976";

fn snapshot(name: &str) -> PathBuf {
    fixture("../clusters").join(name)
}

/// Makes a plan of `snapshot` in `dir`.
fn plan(dir: &std::path::Path, name: &str, more: &[&str]) -> Output {
    let mut command = requorum(["plan", "--snapshot"]);
    command.arg(snapshot(name)).arg("--data-root").arg(dir).arg("-o").arg(dir.join("p.yaml"));
    command.args(more).output().unwrap()
}

fn text(dir: &std::path::Path) -> String {
    std::fs::read_to_string(dir.join("p.yaml")).unwrap()
}

#[test]
fn the_old_token_is_refused_unless_overridden() {
    let sentence = format!(
        "cluster {CLUSTER} and its members are those of the old cluster: the token is the old one; a member that comes back \
         with its old data joins the new cluster; use a new token"
    );
    let lift = format!("old-token@{CLUSTER}");
    let dir = tempfile::tempdir().unwrap();
    let old = ["--initial-cluster", OLD, "--initial-cluster-token", "prod"];
    let said = ended(&plan(dir.path(), "token-prod.db", &old), 3, &[&sentence, &format!("--override {lift}")]);
    let mut told = vec![("refused", said)];
    assert_eq!(names(dir.path()), [""; 0], "no plan is made");
    // A wrong override is none.
    ended(&plan(dir.path(), "token-prod.db", &[&old[..], &["--override", "prod"]].concat()), 3, &[&sentence]);

    let said =
        ended(&plan(dir.path(), "token-prod.db", &[&old[..], &["--override", &lift]].concat()), 0, &["Warning: "]);
    let token = |said: &str| said.lines().filter(|line| line.contains("(token ")).collect::<String>();
    told.push(("overridden", token(&said) + "\n" + &messages::warnings(&said)));
    // The plan file has the same IDs, so whoever carries it out is asked again.
    let file = dir.path().join("p.yaml");
    let run = |args: &[&str], more: &[&str]| requorum(args).arg(&file).args(more).output().unwrap();
    ended(&run(&["restore", "--plan"], &[]), 3, &[&sentence, &format!("--override {lift}")]);
    ended(&run(&["apply"], &[]), 3, &[&sentence, &format!("--override {lift}")]);
    assert_eq!(names(dir.path()).iter().filter(|name| name.ends_with(".etcd")).count(), 0);
    ended(&run(&["restore", "--plan"], &["--override", &lift]), 0, &["Warning: overridden: cluster"]);

    // With a token of its own it is another cluster, and only then that is said.
    let dir = tempfile::tempdir().unwrap();
    let new = ["--initial-cluster", OLD, "--initial-cluster-token", "prod-2"];
    let said = ended(&plan(dir.path(), "token-prod.db", &new), 0, &[]);
    assert_eq!(messages::warnings(&said), "");
    told.push(("a new token", token(&said)));
    messages::hold("cli-token", &told);
    let dir = tempfile::tempdir().unwrap();
    let useless = [&new[..], &["--override", &lift]].concat();
    ended(&plan(dir.path(), "token-prod.db", &useless), 0, &["matches no blocker"]);
}

#[test]
fn one_member_is_refused_the_old_ids_too() {
    let restore = |cluster: &str, dir: &std::path::Path, more: &[&str]| {
        let mut command = requorum(["snapshot", "restore"]);
        command.arg(snapshot("token-prod.db")).args(["--name=m1", "--initial-cluster", cluster]);
        command.arg("--initial-advertise-peer-urls=http://127.0.0.1:30341").arg("--data-dir").arg(dir.join("m1"));
        command.args(more).output().unwrap()
    };
    let dir = tempfile::tempdir().unwrap();
    let whole = restore(OLD, dir.path(), &["--initial-cluster-token=prod"]);
    ended(&whole, 3, &[&format!("cluster {CLUSTER} and its members are those of the old cluster"), "use a new token"]);
    // One of three at its old place, and the one that is left of three.
    let moved = "m1=http://127.0.0.1:30341,m2=http://127.0.0.2:30343,m3=http://127.0.0.3:30345";
    for cluster in [moved, "m1=http://127.0.0.1:30341"] {
        let part = restore(cluster, dir.path(), &["--initial-cluster-token=prod"]);
        ended(&part, 3, &["m1 (60ef17e001f78427) has the member ID of the old cluster", "--override old-token@"]);
    }
    assert_eq!(names(dir.path()), [""; 0], "nothing is made");
    ended(&restore(OLD, dir.path(), &["--initial-cluster-token=prod-2"]), 0, &[]);
    let dir = tempfile::tempdir().unwrap();
    let lift = format!("--override=old-token@{CLUSTER}");
    ended(&restore(OLD, dir.path(), &["--initial-cluster-token=prod", &lift]), 0, &["Warning: overridden: cluster"]);
}

#[test]
fn ids_serving_at_peer_urls_are_refused() {
    // Answers as a member's peer URL does, with the ID that the token `x` makes of this very URL.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let member = requorum::etcd::membership::member_id(std::slice::from_ref(&url), "x");
    let cluster = requorum::etcd::membership::cluster_id(&[member]);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            if stream.read(&mut [0; 4096]).unwrap_or(0) > 0 {
                let head = format!("HTTP/1.1 200 OK\r\nX-Etcd-Cluster-ID: {cluster}\r\nContent-Length: 2\r\n\r\n[]");
                let _ = stream.write_all(head.as_bytes());
            }
            let _ = stream.shutdown(Shutdown::Write);
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let restore = |token: &str, more: &[&str]| {
        let mut command = requorum(["snapshot", "restore", "--name=m1", "--initial-cluster-token", token]);
        command.args(["--initial-cluster", &format!("m1={url}"), "--initial-advertise-peer-urls", &url]);
        command.arg("--data-dir").arg(dir.path().join("m1")).args(more).arg(snapshot("token-prod.db")).output().unwrap()
    };
    let lift = format!("join@{cluster}");
    ended(
        &restore("x", &[]),
        3,
        &[&format!("cluster {cluster} already answers at {url}"), &format!("--override {lift}")],
    );
    assert_eq!(names(dir.path()), [""; 0]);
    ended(&restore("x", &["--override", &lift]), 0, &["Warning: overridden: cluster"]);
    // Another cluster there is no cluster that this member would join.
    std::fs::remove_dir_all(dir.path().join("m1")).unwrap();
    ended(&restore("y", &[]), 0, &[]);
}

#[test]
fn revision_clients_get_a_bump_unless_overridden() {
    let dir = tempfile::tempdir().unwrap();
    // Kubernetes under another prefix: nothing shows that the snapshot is the newest state.
    let said = ended(
        &plan(dir.path(), "kubernetes-io.db", &[]),
        0,
        &["1,000,000,009", "--bump-revision 0 --override reuse-revisions@9"],
    );
    assert_eq!(messages::warnings(&said), "");
    let made = text(dir.path());
    assert!(made.contains("bump_revision: 1000000000\nmark_compacted: true\n"), "{made}");
    assert!(made.contains("revisions:\n  clients:\n  - kubernetes\n"), "{made}");

    let none = ["--bump-revision", "0"];
    let dir = tempfile::tempdir().unwrap();
    let words = ["restored without a revision bump", "until each of them is restarted", "--override reuse-revisions@9"];
    ended(&plan(dir.path(), "kubernetes-io.db", &none), 3, &words);
    assert_eq!(names(dir.path()), [""; 0]);
    let overridden = [&none[..], &["--override", "reuse-revisions@9"]].concat();
    ended(&plan(dir.path(), "kubernetes-io.db", &overridden), 0, &["Warning: overridden: Kubernetes data"]);
    // What is risked is said again by whatever works with the plan.
    let mut told = Vec::new();
    for command in [["restore", "--plan"], ["launch", "--plan"], ["apply", "--check"]] {
        let output = requorum(command).arg(dir.path().join("p.yaml")).output().unwrap();
        told.push((command[0], messages::warnings(&super::said(&output))));
    }

    // Fewer than documented is taken, with a warning; other data gets none.
    let dir = tempfile::tempdir().unwrap();
    let few = ["--bump-revision", "1000", "--mark-compacted"];
    ended(
        &plan(dir.path(), "kubernetes-io.db", &few),
        0,
        &["Warning: Kubernetes data is restored with a revision bump of 1,000"],
    );
    let dir = tempfile::tempdir().unwrap();
    let said = ended(&plan(dir.path(), "token-prod.db", &[]), 0, &[]);
    assert!(text(dir.path()).contains("bump_revision: 0\n"), "{said}");
    assert_eq!(messages::warnings(&said), "");
    messages::hold("cli-no-bump", &told);
}

#[test]
fn one_member_is_restored_with_a_warning() {
    let restore = |name: &str, more: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        let mut command = requorum(["snapshot", "restore", "--name=m1", "--initial-cluster-token=t"]);
        command.args([
            "--initial-cluster=m1=http://127.45.9.1:2380",
            "--initial-advertise-peer-urls=http://127.45.9.1:2380",
        ]);
        said(&command.arg("--data-dir").arg(dir.path().join("d")).args(more).arg(snapshot(name)).output().unwrap())
    };
    let plain = restore("kubernetes-io.db", &[]);
    messages::hold("cli-restore-no-bump", &[("one member", messages::warnings(&plain))]);
    let bumped = restore("kubernetes-io.db", &["--bump-revision=1000000000", "--mark-compacted"]);
    assert_eq!(messages::warnings(&bumped), "");
    assert_eq!(messages::warnings(&restore("token-prod.db", &[])), "");
}

#[test]
fn kubernetes_under_another_prefix_is_inspected() {
    let output = requorum(["snapshot", "inspect"]).arg(snapshot("kubernetes-io.db")).output().unwrap();
    ended(
        &output,
        0,
        &[
            "Kubernetes: 7 objects under /kubernetes.io/, /openshift.io/",
            "route.openshift.io/routes 1",
            "encrypted: 1 object (secrets) need aescbc v1 key \"key1\"",
        ],
    );
}
