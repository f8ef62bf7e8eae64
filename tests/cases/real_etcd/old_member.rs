//! An old member that was left alive: it is met before anything is made, by its URLs and by its directory.

use std::{fs, path::Path, process::Command};

use requorum::{
    etcd::membership::Id,
    system::journal::{self, Event},
};

use super::end_to_end::{Planned, plan_command};
use crate::support::{
    cluster::{Cluster, Member, Place, initial_cluster},
    messages, names, requorum, said,
    servers::Server,
    succeed, wait_until,
};

pub fn left_alive(server: &Server) {
    let mut cluster = Cluster::new(server, 3);
    cluster.members[0].kill();
    cluster.members[1].kill();
    let dir = cluster.dir.path().to_path_buf();
    let snapshot = dir.join("survivor.db");
    let places: Vec<Place> = cluster.members.iter().map(|m| m.place.clone()).collect();
    let survivor = &places[2];
    succeed(requorum(["snapshot", "save"]).arg(&snapshot).args(["--endpoints", &survivor.client_url()]));
    let plan = Planned::new(&snapshot, &places, &dir, &[]);
    let restored = dir.join("restored");
    let restore = |more: &[&str]| {
        let mut command = requorum(["restore", "--plan"]);
        command.arg(&plan.file).args(more);
        command
    };

    let text = format!("m3@{}", survivor.host());
    for wrong in
        [&[][..], &["--override", "y"], &["--override", "m1@127.0.0.1"], &["--override", survivor.host().leak()]]
    {
        let (code, said) = run(&mut restore(wrong));
        assert_eq!(code, Some(3), "{said}");
        for part in [
            &format!("m3 of the old cluster still answers on {}", survivor.host()),
            &format!("client URL {}: member ", survivor.client_url()),
            &format!("peer URL {}: a member of cluster ", survivor.peer_url()),
            &format!("etcd {}", server.full),
            &format!("--override {text}"),
        ] {
            assert!(said.contains(part.as_str()), "{part} is not in\n{said}");
        }
        assert!(!said.contains(&places[0].client_url()), "a dead member blocks nothing:\n{said}");
        assert!(!restored.exists(), "nothing is made");
    }
    let overridden =
        kinds(&journal::path_next_to(&plan.file)).into_iter().filter(|kind| *kind == Event::Override).count();
    assert_eq!(overridden, 0, "what was refused is in the journal, and nothing was overridden");

    // Its own directory as a target: somebody holds it, whatever the URLs say.
    let yaml = fs::read_to_string(&plan.file).unwrap();
    let held = dir.join("held.yaml");
    let m3 = plan.plan.members[2].data_dir.display().to_string();
    let own = cluster.members[2].data_dir.display().to_string();
    fs::write(&held, yaml.replace(&m3, &own)).unwrap();
    let (code, said) = run(requorum(["restore", "--override", &text, "--plan"]).arg(&held));
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains(&format!("{own} is in use by a process"))
            && said.contains(&format!("process {}", cluster.members[2].pid())),
        "{said}"
    );

    let (code, said) = run(&mut restore(&["--override", &text]));
    assert_eq!(code, Some(0), "{said}");
    assert!(messages::warnings(&said).contains(&survivor.host()), "{said}");
    let kinds = kinds(&journal::path_next_to(&plan.file));
    use Event::{Begun, Ended, Override, Restored};
    let told = kinds.into_iter().filter(|kind| [Begun, Ended, Override, Restored].contains(kind)).collect::<Vec<_>>();
    // four refusals before it
    assert_eq!(told[8..], [Begun, Override, Restored, Restored, Restored, Ended]);
    let written = fs::read_to_string(journal::path_next_to(&plan.file)).unwrap();
    assert!(written.contains(&text) && written.contains(&plan.plan.cluster_id.to_string()), "{written}");

    // Stopped, nothing is in the way; and members of the new cluster that run already are none of the old.
    cluster.members[2].kill();
    fs::create_dir(dir.join("again")).unwrap();
    let again = Planned::new(&snapshot, &places, &dir.join("again"), &[]);
    succeed(requorum(["restore", "--member=m1", "--member=m2", "--plan"]).arg(&again.file));
    let mut new = again.start(server, &places[..2], &[]);
    new.iter_mut().for_each(|member| drop(member.wait_ready(None)));
    succeed(requorum(["restore", "--member=m3", "--plan"]).arg(&again.file));
}

/// The old token again: an old member with its old data would join. It is refused; overridden, it does join; with a new
/// token it does not.
pub fn old_token(server: &Server) {
    let mut cluster = Cluster::new(server, 3);
    let mut client = cluster.client(0, None);
    client.put_and_get("before", "the snapshot");
    let dir = cluster.dir.path().to_path_buf();
    let snapshot = dir.join("backup.db");
    let places: Vec<Place> = cluster.members.iter().map(|m| m.place.clone()).collect();
    succeed(requorum(["snapshot", "save"]).arg(&snapshot).args(["--endpoints", &places[0].client_url()]));
    client.put_and_get("after", "the snapshot");
    let (_, old) = client.members();
    let old = Id(old);
    drop(client);
    cluster.members.iter_mut().for_each(Member::kill);

    let sentence = format!("cluster {old} and its members are those of the old cluster: the token is the old one");
    let lift = format!("old-token@{old}");
    let again = dir.join("again");
    fs::create_dir(&again).unwrap();
    let (code, said) =
        run(plan_command(&snapshot, &places, &again.join("plan.yaml")).args(["--initial-cluster-token=first"]));
    assert!(code == Some(3) && said.contains(&sentence) && said.contains(&lift), "{said}");
    let (code, said) = run(requorum(["snapshot", "restore", "--name=m1", "--initial-cluster-token=first"])
        .arg(&snapshot)
        .args(["--initial-cluster", &initial_cluster(&places), "--initial-advertise-peer-urls", &places[0].peer_url()])
        .arg("--data-dir")
        .arg(again.join("m1")));
    assert!(code == Some(3) && said.contains(&sentence), "{said}");
    assert_eq!(names(&again), [""; 0], "nothing is made");

    // Overridden, it goes on, and the old member joins: its log is the longer one.
    let flags = ["--initial-cluster-token=first", "--override", &lift];
    let plan = Planned::new(&snapshot, &places, &again, &flags);
    assert_eq!(plan.plan.cluster_id, old);
    let (code, said) = run(requorum(["restore", "--plan"]).arg(&plan.file));
    assert!(code == Some(3) && said.contains(&sentence), "{said}");
    succeed(requorum(["restore", "--override", &lift, "--plan"]).arg(&plan.file));
    let back = |name: &str| {
        let place = &places[2];
        let (client, peer) = (place.client_url(), place.peer_url());
        let line = format!(
            "etcd --name m3 --data-dir {} --listen-client-urls {client} --advertise-client-urls {client} \
             --listen-peer-urls {peer} --initial-advertise-peer-urls {peer}",
            dir.join(name).display()
        );
        Member::start(server, place, &dir.join(name), &line, &[])
    };
    copy_dir(&cluster.members[2].data_dir, &dir.join("m3-joins"));
    let mut new = plan.start(server, &places[..1], &[]);
    let mut joined = back("m3-joins");
    assert_eq!(joined.wait_ready(None).members().1, old.0, "two of three, one of them old, serve");
    joined.kill();
    new.iter_mut().for_each(Member::kill);

    // With a token of its own the new cluster refuses it.
    let apart = dir.join("apart");
    fs::create_dir(&apart).unwrap();
    let plan = Planned::new(&snapshot, &places, &apart, &[]);
    assert_ne!(plan.plan.cluster_id, old);
    succeed(requorum(["restore", "--plan"]).arg(&plan.file));
    let _new = plan.start(server, &places[..1], &[]);
    let alone = back("m3.etcd");
    wait_until("the old member to be refused", std::time::Duration::from_secs(90), || {
        let log = alone.log();
        if log.contains("cluster ID mismatch") { Ok(()) } else { Err(log) }
    });
}

fn copy_dir(from: &Path, to: &Path) {
    succeed(Command::new("cp").arg("-r").arg(from).arg(to));
}

fn kinds(journal: &Path) -> Vec<Event> {
    let text = fs::read_to_string(journal).unwrap();
    journal::verify(&text).unwrap_or_else(|e| panic!("{e}\n{text}")).into_iter().map(|r| r.kind).collect()
}

fn run(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (output.status.code(), said(&output))
}
