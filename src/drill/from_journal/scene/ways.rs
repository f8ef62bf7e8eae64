//! The injects and objectives of an exercise and the ways through it: the expert's path, and variants of it with one mistake
//! each.

use super::{BACKUP, Cast, Cell, Certs, FRESHER, Leg, ListItem, Scene, first, new_cert, text};
use crate::drill::from_journal::shape::Source;

/// The revision bump, as an operator types it; above every revision of a practice cluster.
const BUMP: u64 = 1_000_000;
/// An objective that needs a bump.
const BUMPED: &str = "revision at least 1000";

/// A way through the wizard, by steps.
#[derive(Debug, Clone, Default)]
struct Way {
    /// At Snapshot.
    source: Vec<String>,
    /// At Members: back to Snapshot, if a newer snapshot arrived.
    fresher: Vec<String>,
    /// At Members.
    table: Vec<String>,
    /// At Review, before the label.
    review: Vec<String>,
}

impl Way {
    /// Returns all strides up to the restore.
    fn strides(&self) -> Vec<String> {
        let next = || vec!["next".to_string()];
        let confirm = vec!["confirm".to_string()];
        let parts = [next(), self.source.clone(), next(), self.fresher.clone(), self.table.clone(), next()];
        parts.into_iter().chain([self.review.clone(), confirm]).flatten().collect()
    }
}

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|word| (*word).to_string()).collect()
}

fn stop(name: &str) -> String {
    format!("at the hosts: stop {name}")
}

/// Adds the injects, objectives and ways to a scene.
pub(super) fn add(cast: &Cast, scene: &mut Scene) {
    scene.actions = actions(cast);
    scene.injects = injects(cast);
    scene.fails = fails(cast);
    scene.goals = goals(cast);
    let right = right(cast);
    scene.path = path(cast, &right);
    scene.wrong = wrong(cast, &right);
}

fn right(cast: &Cast) -> Way {
    let mut source = Vec::new();
    if cast.log() {
        source.extend([format!("at the hosts: replay {}", first(&cast.stopped)), "again".into()]);
    }
    source.push(cast.choice());
    let fresher = match cast.shape.undone {
        true => words(&["back", "again", &format!("choose {FRESHER}"), "next"]),
        false => Vec::new(),
    };
    Way {
        source,
        fresher,
        table: table(cast).into_iter().flat_map(|(strides, ..)| strides).collect(),
        review: review(cast),
    }
}

/// Returns the changes in the table: strides, reason, the name of the way without them, and the objective that it misses.
fn table(cast: &Cast) -> Vec<(Vec<String>, &'static str, &'static str, &'static str)> {
    let each = |stride: &dyn Fn(usize, &str) -> String| -> Vec<String> {
        cast.rows.iter().enumerate().map(|(at, (name, _))| stride(at + 1, name)).collect()
    };
    let mut all = Vec::new();
    if cast.certs == Certs::OldAddress {
        let mut strides = Vec::new();
        for (at, (name, _)) in cast.rows.iter().enumerate() {
            let (row, cert) = (at + 1, new_cert(name));
            strides.push(format!("at the hosts: place {cert}"));
            strides.push(format!("set {row} flags {}", tls_flags(&cert)));
        }
        let why = "Every certificate was for an address that its host no longer has. New ones are issued and entered.";
        all.push((strides, why, "", "certificates fit"));
    }
    if cast.shape.wal_apart {
        let why =
            "The hosts start etcd with --wal-dir, so each new WAL goes to such a directory, but not to the old one.";
        let strides = each(&|row, name| format!("set {row} wal {{dir}}/restored/{name}.wal"));
        all.push((strides, why, "no WAL directory", "WAL directories are separate"));
    }
    if cast.alarms() {
        let why = "The alarm belongs to a lost member. A restore would keep it, and no member would disarm it.";
        all.push((words(&["switch alarms"]), why, "the alarm stays", "no alarm is left"));
    }
    if cast.shape.bumped {
        let why = "Clients have seen revisions that are in no file. The new cluster starts above them, and clients list again.";
        all.push((vec![format!("bump {BUMP}")], why, "no bump", BUMPED));
    }
    all
}

fn tls_flags(cert: &str) -> String {
    format!(
        "--peer-cert-file={{dir}}/{cert} --peer-key-file={{dir}}/pki/member.key --peer-trusted-ca-file={{dir}}/pki/ca.crt"
    )
}

/// Returns what has to be done before the restore.
fn review(cast: &Cast) -> Vec<String> {
    let mut strides: Vec<String> = cast.alone.iter().map(|name| stop(name)).collect();
    if cast.shape.full {
        strides.push("at the hosts: free disk".into());
    }
    if !strides.is_empty() {
        strides.push("again".into());
    }
    if let Some(name) = &cast.dead_man {
        strides.extend([stop(name), "again".into()]);
    }
    strides
}

fn actions(cast: &Cast) -> Vec<ListItem> {
    let action = |act: String, says: String, gives: String| -> ListItem {
        vec![("do", text(&act)), ("says", text(&says)), ("gives", text(&gives))]
    };
    let mut all: Vec<ListItem> = Vec::new();
    for name in &cast.alone {
        let gives = format!("etcd on {name} is stopped and disabled.");
        all.push(action(format!("stop {name}"), format!("Stop etcd on {name} for good"), gives));
    }
    if let Some(name) = &cast.dead_man {
        let gives =
            format!("{name}'s host was up after all, and etcd was running on it. It is stopped and disabled now.");
        all.push(action(format!("stop {name}"), format!("Stop etcd on {name} for good"), gives));
    }
    if cast.log() {
        let name = first(&cast.stopped);
        let says = format!("Start etcd on {name}, let it apply its log, and stop it again");
        let gives =
            format!("etcd on {name} started, applied its log, found no quorum, and was stopped. Search again with r.");
        all.push(action(format!("replay {name}"), says, gives));
    }
    if cast.shape.full {
        let says = "Delete old files from the volume of {dir}/restored".to_string();
        all.push(action("free disk".into(), says, "The volume has free space again.".into()));
    }
    if cast.certs == Certs::OldAddress {
        for (name, _) in &cast.rows {
            let path = new_cert(name);
            let gives = format!("It is in {{dir}}/{path}; enter this path in {name}'s row.");
            all.push(action(
                format!("place {path}"),
                format!("Have a certificate issued for {name}'s new address"),
                gives,
            ));
        }
    }
    let lost = cast.gone.first().filter(|name| cast.shape.unreachable && cast.dead_man.as_ref() != Some(name));
    if let Some(name) = lost {
        let gives = format!("{name}'s host cannot be reached, and its disk is lost.");
        let mut entry =
            action(format!("start {name}"), format!("Send a technician to {name}'s host to start etcd"), gives);
        entry.push(("no_effect", Cell::Bare("true".into())));
        all.push(entry);
    }
    all
}

fn injects(cast: &Cast) -> Vec<ListItem> {
    let inject = |name: &str, when: String, acts: Vec<String>, says: &str| -> ListItem {
        let mut entry = vec![("name", text(name)), ("when", text(&when)), ("do", Cell::List(acts))];
        if !says.is_empty() {
            entry.push(("says", text(says)));
        }
        entry
    };
    let mut all = Vec::new();
    if cast.shape.undone {
        let says = format!("The storage team: a newer snapshot is in the backup directory now, {FRESHER}.");
        all.push(inject("newer-snapshot", "step is members".into(), vec![format!("place {FRESHER}")], &says));
    }
    if cast.shape.full {
        let says = "Monitoring: the volume of {dir}/restored is full.";
        all.push(inject("disk-full", "step is review".into(), vec!["fill disk".into()], says));
    }
    if let Some(name) = &cast.dead_man {
        // together with those that answer it could form a quorum
        let quiet: Vec<String> = cast.alone.iter().map(|name| format!(" and not {name} runs")).collect();
        let when = if quiet.is_empty() {
            "step is members".into()
        } else {
            format!("old members were probed{}", quiet.concat())
        };
        all.push(inject("dead-man", when, vec![format!("start {name}")], ""));
    }
    if cast.shape.failed {
        let says = "A colleague: last time it failed half way on one host. Would you have to start all over then?";
        all.push(inject("half-way", "step is restore".into(), Vec::new(), says));
    }
    all
}

fn fails(cast: &Cast) -> Vec<ListItem> {
    let fail = |when: String, says: String| vec![("if", text(&when)), ("says", text(&says))];
    let ways = cast.in_the_way();
    let mut all = Vec::new();
    if !ways.is_empty() {
        let says = "A blocker was overridden while an old member still served old data.";
        all.push(fail("a blocker was overridden".into(), says.into()));
    }
    let while_ran = |name: &&String| {
        fail(
            format!("started while {name} ran"),
            format!("The restore was started while {name} still served old data."),
        )
    };
    all.extend(ways.iter().map(while_ran));
    all
}

fn goals(cast: &Cast) -> Vec<ListItem> {
    let goal = |when: &str, says: &str| vec![("if", text(when)), ("says", text(says))];
    let mut all = vec![
        goal("restored", "All members of the plan came up"),
        goal("every key is back", "Every recoverable key is back"),
    ];
    all.push(match cast.shape.bumped {
        true => goal(BUMPED, "The new cluster starts above every revision that the old one gave out"),
        false => goal("revision at least the best", "The newest recoverable revision is restored"),
    });
    if cast.shape.bumped {
        all.push(goal("old revisions are compacted", "Watchers must list again"));
    }
    if cast.listed() {
        let names: Vec<&str> = cast.rows.iter().map(|(name, _)| name.as_str()).collect();
        all.push(goal(&format!("members are {}", names.join(", ")), "The new members are those of the inventory"));
    }
    if cast.shape.wal_apart {
        all.push(goal(
            "WAL directories are separate",
            "Every new member has its WAL in a separate directory, as the hosts expect",
        ));
    }
    if cast.alarms() {
        all.push(goal("no alarm is left", "No alarm blocks writes"));
    }
    if cast.certs != Certs::No {
        all.push(goal(
            "certificates fit",
            "Every certificate is valid for its host and for today, and trusted by the other members",
        ));
    }
    let quiet: Vec<String> = cast.in_the_way().iter().map(|name| format!("not {name} runs")).collect();
    if !quiet.is_empty() {
        all.push(goal(&quiet.join(" and "), "No old member is still running"));
    }
    all.push(goal(
        "all from one snapshot and ids are as planned",
        "All members were restored from one plan and one snapshot",
    ));
    all.push(goal("old data is untouched", "What is left of the old cluster is unchanged"));
    all
}

fn path(cast: &Cast, right: &Way) -> Vec<Leg> {
    let why = match cast.source {
        Source::Survivor => "The survivor has the newest state, so a snapshot is saved from it now.",
        Source::File => "The newest file is the best source.",
        Source::Raw => {
            "The copy is the newest state. It has no checksum, but its pages and rows were checked and are intact."
        }
        Source::Disk if cast.log() => {
            "The log is newer than its database. The member's own etcd applies it; then nothing is newer."
        }
        Source::Disk => "That member's database has everything that its log holds; nothing is newer.",
    };
    let next = || words(&["next"]);
    let mut path: Vec<Leg> = vec![
        (next(), "Too few members are left for a quorum, and the others will not come back. A restore is right."),
        (right.source.clone(), why),
        (next(), "Next is the member table."),
    ];
    if !right.fresher.is_empty() {
        path.push((
            right.fresher.clone(),
            "A newer snapshot arrived before the restore was started, so the list is searched again.",
        ));
    }
    path.extend(table(cast).into_iter().map(|(strides, why, ..)| (strides, why)));
    path.push((next(), "The members of the new cluster and their addresses are right. Next is the whole plan."));
    let why = match (right.review.is_empty(), cast.in_the_way().is_empty()) {
        (true, _) => "",
        (false, true) => "The new directories need disk space.",
        (false, false) => {
            "No old member may keep serving while the new cluster runs; they are probed again before the restore."
        }
    };
    if !right.review.is_empty() {
        path.push((right.review.clone(), why));
    }
    path.push((words(&["confirm"]), "No blocker is left. Typing the label starts the restore."));
    path.push((words(&["next", "next"]), "The members come up, and what they serve is compared with the plan."));
    path
}

/// Returns the wrong ways, at least one: the name, the strides and the condition that catches it.
fn wrong(cast: &Cast, right: &Way) -> Vec<(String, Vec<String>, String)> {
    let keys = || "every key is back".to_string();
    let done = |so: bool| if so { ", as in the recovery" } else { "" };
    let mut all: Vec<(String, Vec<String>, String)> = Vec::new();
    let mut add = |name: String, way: Way, because: String| all.push((name, way.strides(), because));
    let of = |choice: String| Way { source: vec![choice], fresher: Vec::new(), ..right.clone() };
    let as_done = done(cast.shape.lost == Some(true));
    add(format!("the old backup{as_done}"), of(format!("choose {BACKUP}")), keys());
    if cast.log() {
        let as_done = done(true);
        add(format!("the database without its log{as_done}"), of(cast.choice()), keys());
    }
    if cast.source != Source::Survivor && !cast.alone.is_empty() {
        add("a snapshot of the member that answers".into(), of(format!("save from {}", first(&cast.alone))), keys());
    }
    if cast.shape.undone {
        let way = Way { fresher: Vec::new(), ..right.clone() };
        add("the first choice is kept".into(), way, keys());
    }
    for (strides, _, name, because) in table(cast) {
        let left: Vec<String> = right.table.iter().filter(|stride| !strides.contains(stride)).cloned().collect();
        let (name, table) = match because {
            "certificates fit" => {
                let auto = (1..=cast.rows.len()).map(|row| format!("set {row} flags --peer-auto-tls"));
                ("automatic certificates instead", auto.chain(left).collect())
            }
            // a bump is set by default if the data is Kubernetes'
            BUMPED => (name, left.into_iter().chain(words(&["bump 0"])).collect()),
            _ => (name, left),
        };
        add(name.into(), Way { table, ..right.clone() }, because.into());
    }
    let blockers = if cast.alone.is_empty() { usize::from(cast.dead_man.is_some()) } else { cast.alone.len() };
    if blockers > 0 {
        let mut review = if cast.shape.full { words(&["at the hosts: free disk", "again"]) } else { Vec::new() };
        review.extend(std::iter::repeat_n("override".to_string(), blockers));
        let as_done = done(cast.shape.overridden);
        add(
            format!("the blocker is overridden{as_done}"),
            Way { review, ..right.clone() },
            "a blocker was overridden".into(),
        );
    }
    all
}
