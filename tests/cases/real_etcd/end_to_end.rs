//! From a cluster without quorum to one that serves again, with real servers at both ends.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use requorum::domain::model::plan::Plan;
use tempfile::TempDir;

use super::oracle::assert_same_tree;
use crate::support::{
    cluster::{Cluster, Member, Place, client_urls, initial_cluster},
    contents::{Client, Contents, ROOT},
    fixture, json, requorum,
    servers::{Server, boltcheck},
    succeed,
};

/// Each member restored with etcdutl's flags, in the forms that every version reads.
pub fn by_flags(server: &Server) {
    let lost = Lost::new(server);
    let plan = Planned::new(&lost.snapshot, &lost.places, lost.dir.path(), &[]);
    for member in &plan.plan.members {
        succeed(&mut restore_by_flags(&lost.snapshot, &plan.plan, &member.name, &member.data_dir));
    }
    plan.serves(server, &lost.places, &lost.contents, None);
}

/// All members restored from the plan, in the forms of the version that will run: the same files
/// that the flags make.
pub fn by_plan(server: &Server) {
    let lost = Lost::new(server);
    let dir = lost.dir.path();
    let plan = Planned::new(&lost.snapshot, &lost.places, dir, &["--etcd-version", server.minor]);
    succeed(requorum(["restore", "--plan"]).arg(&plan.file).args(["--member", "m2"]));
    assert!(plan.plan.members.iter().all(|m| m.data_dir.exists() == (m.name == "m2")), "only m2 was asked for");
    for name in ["m1", "m3"] {
        succeed(requorum(["restore", "--plan"]).arg(&plan.file).args(["--member", name]));
    }
    for member in &plan.plan.members {
        let again = dir.join("again").join(&member.name);
        let mut by_flags = restore_by_flags(&lost.snapshot, &plan.plan, &member.name, &again);
        succeed(by_flags.args(["--etcd-version", server.minor]));
        assert_same_tree(&member.data_dir, &again, |_| true);
    }
    plan.serves(server, &lost.places, &lost.contents, None);
}

/// The database file of a killed member, whose cluster asks for passwords. (Without quorum such a
/// cluster lets nobody in, so no snapshot can be saved from it.)
pub fn raw_copy(server: &Server) {
    let mut cluster = Cluster::new(server, 3);
    cluster.client(0, None).fill(true);
    let mut root = cluster.client(0, Some(ROOT));
    let contents = root.contents();
    root.flush();
    let saved = cluster.dir.path().join("saved.db");
    let user = format!("{}:{}", ROOT.0, ROOT.1);
    let endpoint = cluster.members[0].place.client_url();
    let mut save = requorum(["snapshot", "save"]);
    succeed(save.arg(&saved).args(["--endpoints", &endpoint, "--user", &user]));
    cluster.members.iter_mut().for_each(Member::kill);

    let raw = cluster.dir.path().join("raw.db");
    fs::copy(cluster.members[0].db(), &raw).unwrap();
    let revision = |file: &Path| json(requorum(["snapshot", "status", "-w", "json"]).arg(file))["revision"].clone();
    assert_eq!(revision(&raw), revision(&saved));

    let places: Vec<Place> = cluster.members.iter().map(|m| m.place.clone()).collect();
    let refused = plan_command(&raw, &places, &cluster.dir.path().join("no.yaml")).output().unwrap();
    assert!(!refused.status.success(), "a file without a hash was taken unasked");
    assert!(!cluster.dir.path().join("no.yaml").exists());

    let plan = Planned::new(&raw, &places, cluster.dir.path(), &["--skip-hash-check"]);
    succeed(requorum(["restore", "--plan"]).arg(&plan.file));
    plan.serves(server, &places, &contents, Some(ROOT));
}

/// Revisions go on far above those that clients have seen, and old ones are compacted.
pub fn bumped(server: &Server) {
    let dir = TempDir::new().unwrap();
    let places = Place::take(1);
    let snapshot = fixture("3.4.23-small.db");
    let flags = ["--bump-revision", "1000000000", "--mark-compacted"];
    let plan = Planned::new(&snapshot, &places, dir.path(), &flags);
    succeed(requorum(["restore", "--plan"]).arg(&plan.file));
    let mut members = plan.start(server, &places, &[]);
    let mut client = members[0].wait_ready(None);
    assert_eq!(client.contents().keys.len(), 100);
    assert_eq!(client.revision(), 1_000_000_002);
    let old = client.get_at("k", 2).unwrap_err().to_string();
    assert!(old.contains("compacted"), "{old}");
    client.put_and_get("after", "the bump");
    assert_eq!(client.revision(), 1_000_000_003);
}

/// Snapshots of this and of each older version start here, and the server's own verification at
/// its end finds nothing.
pub fn older_snapshots(server: &Server) {
    let all = ["3.4.23", "3.5.16", "3.6.14", "3.7.1"];
    for version in all.iter().filter(|v| v[..3] <= *server.minor) {
        let dir = TempDir::new().unwrap();
        let places = Place::take(1);
        let plan = Planned::new(&fixture(&format!("{version}-lease.db")), &places, dir.path(), &[]);
        succeed(requorum(["restore", "--plan"]).arg(&plan.file));
        let mut members = plan.start(server, &places, &[("ETCD_VERIFY", "all")]);
        let mut client = members[0].wait_ready(None);
        let contents = client.contents();
        // Early 3.5 servers do not load a lease with the highest possible ID, which the fixtures have.
        let leases = if server.minor == "3.5" && server.patch() < 10 { 19 } else { 20 };
        assert_eq!((contents.keys.len(), contents.leases.len()), (240, leases), "from {version}");
        client.put_and_get("after", "the restore");
        members[0].stop();
        let log = members[0].log();
        if server.minor != "3.4" {
            assert!(log.contains("verification of persisted state successful"), "from {version}:\n{log}");
        }
        assert!(!log.contains("panic"), "from {version}:\n{log}");
        if let Some(mut check) = boltcheck() {
            succeed(check.arg(members[0].db()));
        }
    }
}

/// A cluster of three that was filled, then lost two members; the snapshot is from the survivor,
/// which is dead by now, too.
struct Lost {
    places: Vec<Place>,
    contents: Contents,
    snapshot: PathBuf,
    dir: TempDir,
}

impl Lost {
    fn new(server: &Server) -> Lost {
        let mut cluster = Cluster::new(server, 3);
        cluster.client(0, None).fill(false);
        let contents = cluster.client(2, None).contents();
        assert!(contents.keys.len() > 120 && contents.leases.len() == 3 && contents.users.len() == 2);
        cluster.members[0].kill();
        cluster.members[1].kill();
        let snapshot = cluster.dir.path().join("survivor.db");
        let endpoint = cluster.members[2].place.client_url();
        succeed(requorum(["snapshot", "save"]).arg(&snapshot).args(["--endpoints", &endpoint]));
        let Cluster { mut members, dir } = cluster;
        members[2].kill();
        let places = members.iter().map(|m| m.place.clone()).collect();
        Lost { places, contents, snapshot, dir }
    }
}

/// A plan that `requorum plan` wrote, in its file and as read back.
pub(super) struct Planned {
    pub(super) file: PathBuf,
    pub(super) plan: Plan,
}

pub(super) fn plan_command(snapshot: &Path, places: &[Place], file: &Path) -> Command {
    let mut command = requorum(["plan", "--snapshot"]);
    command.arg(snapshot).args(["--initial-cluster", &initial_cluster(places), "--client-urls", &client_urls(places)]);
    command.arg("-o").arg(file);
    command
}

impl Planned {
    pub(super) fn new(snapshot: &Path, places: &[Place], dir: &Path, flags: &[&str]) -> Planned {
        let root = dir.join("restored");
        Planned::new_in(snapshot, places, dir, &[flags, &["--data-root", root.to_str().unwrap()]].concat())
    }

    /// [`Planned::new`] with all flags given, `--data-root` among them.
    pub(super) fn new_in(snapshot: &Path, places: &[Place], dir: &Path, flags: &[&str]) -> Planned {
        let file = dir.join("plan.yaml");
        succeed(plan_command(snapshot, places, &file).args(flags));
        Planned::read(&file)
    }

    pub(super) fn read(file: &Path) -> Planned {
        let plan = requorum::domain::model::plan_yaml::from_yaml(&fs::read_to_string(file).unwrap())
            .unwrap_or_else(|e| panic!("{e}"));
        Planned { file: file.into(), plan }
    }

    /// Starts the members at these places, the first of the plan, each with exactly the printed line.
    pub(super) fn start(&self, server: &Server, places: &[Place], env: &[(&str, &str)]) -> Vec<Member> {
        let lines = succeed(requorum(["launch", "-w", "simple", "--plan"]).arg(&self.file));
        let lines: Vec<&str> = lines.trim_end().split("\n\n").collect();
        let list = json(requorum(["launch", "-w", "json", "--plan"]).arg(&self.file));
        let list = list.as_array().unwrap();
        let all = self.plan.members.len();
        assert_eq!((lines.len(), list.len()), (all, all));
        let start = |((line, place), row): ((&&str, &Place), &serde_json::Value)| {
            let whole = line.replace(" \\\n  ", " ");
            assert_eq!((row["member"].as_str(), row["command"].as_str()), (Some(place.name.as_str()), Some(&*whole)));
            let data_dir = &self.plan.members.iter().find(|m| m.name == place.name).unwrap().data_dir;
            Member::start(server, place, data_dir, line, env)
        };
        lines.iter().zip(places).zip(list).map(start).collect()
    }

    /// The printed commands start a cluster that holds `contents`, takes writes, and after a stop
    /// and another start still has everything.
    pub(super) fn serves(&self, server: &Server, places: &[Place], contents: &Contents, user: Option<(&str, &str)>) {
        let mut members = self.start(server, places, &[]);
        for member in &mut members {
            let mut client = member.wait_ready(user);
            assert_eq!(&client.contents(), contents, "what {} serves", member.place.name);
            let names = places.iter().map(|p| p.name.clone()).collect();
            assert_eq!(client.members(), (names, self.plan.cluster_id.0), "the cluster as the plan predicts it");
        }
        let mut client = members[0].wait_ready(user);
        assert_eq!(client.revision(), self.plan.expected_revision());
        client.put_and_get("after", "the restore");
        let after = client.contents();
        assert_eq!(after.keys.len(), contents.keys.len() + 1);
        for member in &mut members {
            member.stop();
        }
        drop(members);

        let mut members = self.start(server, places, &[]);
        for member in &mut members {
            assert_eq!(member.wait_ready(user).contents(), after, "what {} serves again", member.place.name);
        }
        if user.is_some() {
            let mut nobody = Client::connect(&places[0].client_url(), None).unwrap();
            let refused = nobody.try_read().unwrap_err().to_string();
            assert!(refused.contains("user name is empty"), "{refused}");
        }
    }
}

pub(super) fn restore_by_flags(snapshot: &Path, plan: &Plan, name: &str, data_dir: &Path) -> Command {
    let member = plan.members.iter().find(|m| m.name == name).unwrap();
    let mut command = requorum(["snapshot", "restore"]);
    command.arg(snapshot).args(["--name", name, "--initial-cluster", &plan.initial_cluster()]);
    command.args(["--initial-cluster-token", &plan.token]);
    command.args(["--initial-advertise-peer-urls", &member.peer_urls.join(",")]);
    command.arg("--data-dir").arg(data_dir);
    if plan.bump_revision > 0 {
        command.args(["--bump-revision", &plan.bump_revision.to_string(), "--mark-compacted"]);
    }
    command
}
