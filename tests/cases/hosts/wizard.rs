//! The wizard over several hosts, by keys in a pseudo-terminal: real sshds, real etcds, one of which still runs; and a
//! wizard that is killed in the middle, and one that goes on.

use std::{
    fs,
    path::{Path, PathBuf},
};

use requorum::{domain::model::observations::disk::DirState, engine::datadir, execute::resume, system::journal};
use rustix::process::Signal;

use super::{
    Planned, big, data,
    install::{all_in_place, hosts, with_old},
    sshd::{Gate, Net, Sshd},
    support::{
        PROGRAM,
        cluster::{Cluster, Member, Place},
        pty::Pty,
        requorum,
        servers::Server,
        succeed,
    },
};

const ENTER: &str = "\r";
const ESC: &str = "\x1b";

/// A wizard whose state lies in the net's directory.
fn wizard(net: &Net, more: &[&str]) -> Pty {
    let (config, state) = (net.config(), net.dir.path().join("state"));
    let here = net.dir.path().join("here");
    let root = here.to_str().unwrap();
    let mut line = vec!["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", root, PROGRAM];
    line.extend(["--ssh-config", config.to_str().unwrap(), "--data-root", root]);
    line.extend(more);
    Pty::spawn(&line, &[("XDG_STATE_HOME", state.to_str().unwrap())], 100, 30)
}

/// From Detect to Review, with the plan's table and snapshot.
fn to_review(wizard: &mut Pty) {
    wizard.wait("[1 Detect]");
    // As long as somebody is asked, the key is refused.
    wizard.wait_until("n goes on", |pty| pty.screen().contains("n Next: Snapshot ]"));
    wizard.send("n");
    wizard.wait("[2 Snapshot]");
    // Shown once the chosen file is read through.
    wizard.wait("n Next: Members ]");
    wizard.send("n");
    wizard.wait("[3 Members]");
    wizard.wait("Press n for Review");
    wizard.send("r");
    wizard.wait("hosts are ready");
    wizard.send("n");
    wizard.wait("[4 Review]");
}

fn label(wizard: &mut Pty) {
    wizard.wait("type the cluster label: prod");
    wizard.send("prod");
    // not what the field before it said
    wizard.wait_any(&["Right. Enter starts writing", "Right. Enter rolls back"]);
    wizard.send(ENTER);
}

fn cluster_of(dir: &Path) -> u64 {
    match datadir::inspect(dir, None).state {
        DirState::Whole(says) => says.cluster_id.0,
        other => panic!("{}: {other:?}", dir.display()),
    }
}

/// Three hosts, a quorum lost for real, the survivor's etcd running on one of them: rehearsed, agreed to, put in place,
/// started, and taken back.
pub fn the_whole_road() {
    let Some(server) = ["3.6", "3.5"].iter().find_map(|minor| Server::find(minor).ok()) else { return };
    let net = Net::new();
    let hosts: Vec<Sshd> = (1..=3).map(|n| net.host(&format!("h{n}"))).collect();
    // m2's host has no program of its own: how its etcd is stopped is not known before one is sent there.
    hosts[0].install();
    hosts[2].install();
    let (dirs, places): (Vec<PathBuf>, Vec<Place>) = (hosts.iter().map(data).collect(), Place::take(3));
    dirs.iter().for_each(|dir| fs::create_dir_all(dir.parent().unwrap()).unwrap());
    let mut members = Cluster::begin(&server, &places, &dirs, "");
    members[1].wait_ready(None).put_and_get("before", "the loss");
    let old = members[1].wait_ready(None).members().1;
    members[0].kill();
    members[2].kill();
    let here = net.dir.path().join("here");
    fs::create_dir(&here).unwrap();
    let snapshot = here.join("survivor.db");
    succeed(requorum(["snapshot", "save"]).arg(&snapshot).args(["--endpoints", &places[1].client_url()]));
    let rows: Vec<(&str, &Path)> = ["h1", "h2", "h3"].into_iter().zip(dirs.iter().map(PathBuf::as_path)).collect();
    let planned = Planned::at(&here, &snapshot, places.clone(), &rows);

    let asked: Vec<String> = places.iter().map(Place::client_url).collect();
    let (file, endpoints) = (planned.file.to_str().unwrap(), format!("--endpoints={}", asked.join(",")));
    let mut wizard = wizard(&net, &["--plan", file, &endpoints]);
    // The survivor may still name its dead leader; it is asked until it does not.
    wizard.wait("no leader");
    to_review(&mut wizard);
    wizard.wait("How to stop it can be found out only");
    wizard.send(ENTER);
    wizard.wait("Next waits: it is not known how to stop the etcd on h2");
    wizard.send("c");
    let kill = format!("kill -TERM {}", members[1].pid());
    wizard.wait(&kill);
    wizard.wait("none answers, except what is stopped first");
    assert!(hosts[1].temporary().is_empty(), "the program that looked is removed again");
    wizard.send("d");
    wizard.wait("Dry run of this plan?");
    wizard.send("y");
    wizard.wait("Dry run complete: all 3 members can be built");
    assert!(dirs.iter().all(|dir| cluster_of(dir) == old), "a rehearsal moves nothing");
    wizard.send(ESC);
    wizard.wait("[4 Review]");
    wizard.send(ENTER);
    wizard.wait("type: stop");
    wizard.send("prod");
    wizard.send(ENTER);
    wizard.wait_any(&["That Enter came with the text", "is not the word"]);
    wizard.send("\x15stop");
    wizard.wait("Right. Enter agrees");
    wizard.send(ENTER);
    label(&mut wizard);
    wizard.wait("Every member is installed");
    wizard.wait("Snapshot sent: h1");
    assert!(dirs.iter().all(|dir| cluster_of(dir) == planned.plan.cluster_id.0));
    members.iter_mut().for_each(Member::kill);

    let lines = succeed(requorum(["launch", "--plan"]).arg(&planned.file));
    let lines = lines.trim_end().split("\n\n");
    let start = |(line, (place, dir)): (&str, (&Place, &PathBuf))| Member::start(&server, place, dir, line, &[]);
    let mut new: Vec<Member> = lines.zip(places.iter().zip(&dirs)).map(start).collect();
    for member in &mut new {
        assert!(member.wait_ready(None).contents().keys.contains_key(b"before".as_slice()));
    }
    // What runs on the new directories is shown before it is stopped.
    wizard.send("u");
    label(&mut wizard);
    wizard.wait("etcds are running on the data directories of 3 members");
    wizard.send("u");
    wizard.wait("These commands run first: h1: kill -TERM");
    label(&mut wizard);
    wizard.wait("Rolled back");
    assert!(dirs.iter().all(|dir| cluster_of(dir) == old), "the old directories are back");
    drop(new);

    let path = journal::of_plan(&net.dir.path().join("state/requorum"), &planned.plan);
    let report = succeed(requorum(["report"]).arg(path));
    for words in ["chain is intact", "consent to stop the etcd on", &kill, "The label prod was typed", "undone"] {
        assert!(report.contains(words), "{words:?} is not in\n{report}");
    }
}

/// The wizard is killed while it sends; the next one shows where it stood, and goes on.
pub fn killed_and_gone_on_with() {
    let net = Net::new();
    let mut hosts = hosts(&net, 3);
    let dirs = with_old(&hosts);
    let rows: Vec<(&str, &Path)> = ["h1", "h2", "h3"].into_iter().zip(dirs.iter().map(PathBuf::as_path)).collect();
    let planned = Planned::new(&net, &big(&net, 24), &rows);
    let gate = Gate::new(hosts[1].ip, 4 << 20);
    let direct = fs::read_to_string(net.config()).unwrap();
    let file = planned.file.to_str().unwrap();

    let mut first = wizard(&net, &["--plan", file]);
    to_review(&mut first);
    first.wait("none answers");
    net.lead("h2", "127.0.0.1".parse().unwrap(), gate.port);
    first.send(ENTER);
    label(&mut first);
    gate.wait();
    first.wait("2 of 3 members are verified");
    first.signal(Signal::KILL);
    first.exit_code();
    hosts[1].kill();
    fs::write(net.config(), direct).unwrap();
    hosts[1].start();

    let mut second = wizard(&net, &[]);
    second.wait("An earlier restore is not complete");
    second.wait("it was interrupted");
    second.wait("m1  h1: m1: built in staging");
    second.send("y");
    second.wait("was started by an earlier run");
    second.wait("none answers");
    second.send(ENTER);
    label(&mut second);
    second.wait("Every member is installed");
    second.send("q");
    second.wait("Quit?");
    second.send("y");
    assert_eq!(second.exit_code(), 0);
    all_in_place(&hosts, &planned);
    let path = journal::of_plan(&net.dir.path().join("state/requorum"), &planned.plan);
    succeed(requorum(["resume", "--show"]).arg(&path));
    let records = journal::verify(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(resume::standing(&records), None, "nothing is left to resume");
}
