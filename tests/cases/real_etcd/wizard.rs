//! The wizard, driven key by key in a pseudo-terminal through every step, against real members of
//! which one is alive; what it prints starts a cluster that holds everything.

use std::{fs, path::Path, time::Duration};

use requorum::domain::render::start;

use super::end_to_end::Planned;
use crate::support::{
    PROGRAM,
    cluster::{Cluster, Place},
    pty::Pty,
    servers::Server,
};

const ENTER: &str = "\r";
/// Ctrl-U: empties a text field.
const CLEAR: &str = "\x15";
const RIGHT: &str = "\x1b[C";

pub fn every_step_by_keys(server: &Server) {
    let mut cluster = Cluster::new(server, 3);
    cluster.client(0, None).fill(false);
    let contents = cluster.client(2, None).contents();
    cluster.members[0].kill();
    cluster.members[1].kill();
    let places: Vec<Place> = cluster.members.iter().map(|m| m.place.clone()).collect();
    let endpoints: Vec<String> = places.iter().map(Place::client_url).collect();
    let root = cluster.dir.path().join("restored");
    fs::create_dir(&root).unwrap();

    let endpoints = format!("--endpoints={}", endpoints.join(","));
    let data_root = format!("--data-root={}", root.display());
    let snapshots = format!("--snapshots={}", root.display());
    let mut wizard = Pty::spawn(&[PROGRAM, "--label=prod", &endpoints, &data_root, &snapshots], &[], 100, 30);

    // Detect: the survivor names its dead leader until it notices; asking again shows the rest.
    wizard.wait("[1 Detect]");
    let lost = |wizard: &mut Pty| {
        (0..20).any(|_| {
            let shown = wizard.shows("Quorum appears lost", Duration::from_secs(5));
            if !shown {
                wizard.send("r");
            }
            shown
        })
    };
    assert!(lost(&mut wizard), "the survivor should know no leader:\n{}", wizard.screen());
    wizard.resize(80, 24);
    // As long as a silent member's peer port is being asked, the key is refused.
    let on = (0..20).any(|_| {
        wizard.send("n");
        wizard.shows("[2 Snapshot]", Duration::from_secs(5))
    });
    assert!(on, "n goes on:\n{}", wizard.screen());

    // Snapshot: saved from the survivor, into the proposed file.
    wizard.wait("[2 Snapshot]");
    // As far as the column shows it: other tests' clusters on this machine are listed, too.
    wizard.wait("m3, over the network");
    wizard.send(ENTER);
    wizard.wait("Save a snapshot from");
    wizard.send(ENTER);
    wizard.wait("Saved and chosen");
    wizard.send("n");

    // Members: a slip in m1's peer URL is named while it is typed, and a key takes the correction.
    wizard.wait("[3 Members]");
    wizard.send(RIGHT);
    wizard.send(RIGHT);
    wizard.send(ENTER);
    wizard.send(CLEAR);
    wizard.send(&places[0].peer_url().replace("//", "/"));
    wizard.wait("one slash is missing");
    wizard.send(ENTER);
    wizard.wait("Next waits for");
    wizard.send("x");
    wizard.wait("Press n for Review");
    wizard.send("n");

    // Review: the plan is saved; no data directory is made before the label stands there.
    wizard.wait("[4 Review]");
    let (plan_file, sheet_file) = (root.join("plan.yaml"), root.join("launch.txt"));
    wizard.send("s");
    wizard.send(CLEAR);
    wizard.send(plan_file.to_str().unwrap());
    wizard.send(ENTER);
    wizard.wait("plan.yaml");
    // The survivor is in the way, and a restore begins only when it is stopped (or its text was typed).
    let survivor = format!("m3 of the old cluster still answers on {}", places[2].host());
    wizard.wait(&survivor);
    wizard.send(ENTER);
    wizard.wait("To override it, type: m3@");
    wizard.send("prod");
    wizard.send(ENTER);
    wizard.wait_any(&["That Enter came with the text", "is not the text"]);
    wizard.send("\x1b");
    wizard.wait("d dry run");
    cluster.members[2].kill();
    wizard.send("r");
    wizard.wait("none answers");
    wizard.send(ENTER);
    wizard.wait("type the cluster label");
    wizard.send("wrong");
    wizard.send(ENTER);
    wizard.wait_any(&["That Enter came with the text", "is not the label"]);
    assert_eq!(directories(&root), 0);
    wizard.send(CLEAR);
    wizard.send("prod");
    wizard.wait("Right. Enter starts writing.");
    wizard.send(ENTER);
    wizard.wait("Every member is installed");
    assert_eq!(directories(&root), 3);
    wizard.send("n");
    wizard.wait("[6 Launch]");
    wizard.wait("--name=m1");
    wizard.send("w");
    wizard.send(CLEAR);
    wizard.send(sheet_file.to_str().unwrap());
    wizard.send(ENTER);
    wizard.wait("launch.txt");

    // Proof: watched while they come up; nothing is written, as nobody agrees to that.
    let plan = Planned::read(&plan_file);
    wizard.send("n");
    wizard.wait("[7 Proof]");
    wizard.wait("0 of 3 members are up");
    let mut members = plan.start(server, &places, &[]);
    members.iter_mut().for_each(|member| drop(member.wait_ready(None)));
    wizard.wait("PROVEN. 3 members serve");
    wizard.send("c");
    wizard.wait("Write one key");
    wizard.send("n");
    members.iter_mut().for_each(|member| assert!(member.stop().code().is_none_or(|code| code == 0)));
    wizard.send("q");
    wizard.wait("uit");
    wizard.send("y");
    assert_eq!(wizard.exit_code(), 0);

    // What the wizard printed is what `launch` prints for its plan; and it starts the cluster.
    let sheet = fs::read_to_string(&sheet_file).unwrap();
    for launch in start::commands(&plan.plan) {
        assert!(sheet.contains(&launch.pretty), "{} is not in\n{sheet}", launch.pretty);
    }
    plan.serves(server, &places, &contents, None);
}

fn directories(root: &Path) -> usize {
    fs::read_dir(root).unwrap().filter(|e| e.as_ref().unwrap().path().is_dir()).count()
}
