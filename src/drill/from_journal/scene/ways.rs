//! What happens meanwhile, what must have come of it, and the ways through it: the expert's, and each of them with one
//! thing done wrong.

use super::{BACKUP, Cast, Cell, Certs, FRESHER, Leg, ListItem, Scene, first, new_cert, text};
use crate::drill::from_journal::shape::Source;

/// Revisions skipped, as an operator types them; beyond every revision that a practice cluster has.
const BUMP: u64 = 1_000_000;
/// A goal that only a bump reaches.
const BUMPED: &str = "revision at least 1000";

/// A way through the wizard by its steps.
#[derive(Debug, Clone, Default)]
struct Way {
    /// At Snapshot.
    source: Vec<String>,
    /// At Members, and back from there where something fresher turned up.
    fresher: Vec<String>,
    /// At Members.
    table: Vec<String>,
    /// At Review, before the label.
    review: Vec<String>,
}

impl Way {
    /// All strides up to the restore.
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

/// Gives a scene its happenings, goals and ways.
pub(super) fn furnish(cast: &Cast, scene: &mut Scene) {
    scene.hands = hands(cast);
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

/// What is changed in the table: the strides, why, what a way without them is called, and the goal that it misses.
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
        let why = "Every certificate was for an address that its host no longer has. New ones are issued and named.";
        all.push((strides, why, "", "certificates fit"));
    }
    if cast.shape.wal_apart {
        let why = "The hosts keep etcd's log in a directory of its own, so that is where each new one goes; not where the old one lies.";
        let strides = each(&|row, name| format!("set {row} wal {{dir}}/restored/{name}.wal"));
        all.push((strides, why, "no WAL directory", "logs lie apart"));
    }
    if cast.alarms() {
        let why = "The alarm is of a member that is gone: a restore carries it over, and nobody could take it away.";
        all.push((words(&["switch alarms"]), why, "the alarm stays", "no alarm is left"));
    }
    if cast.shape.bumped {
        let why =
            "Clients have seen revisions that no file holds. The new cluster begins beyond them, and they list again.";
        all.push((vec![format!("bump {BUMP}")], why, "no bump", BUMPED));
    }
    all
}

fn tls_flags(cert: &str) -> String {
    format!(
        "--peer-cert-file={{dir}}/{cert} --peer-key-file={{dir}}/pki/member.key --peer-trusted-ca-file={{dir}}/pki/ca.crt"
    )
}

/// What has to be done before the way is free.
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

fn hands(cast: &Cast) -> Vec<ListItem> {
    let hand = |act: String, says: String, gives: String| -> ListItem {
        vec![("do", text(&act)), ("says", text(&says)), ("gives", text(&gives))]
    };
    let mut all: Vec<ListItem> = Vec::new();
    for name in &cast.alone {
        let gives = format!("etcd on {name} is stopped and disabled.");
        all.push(hand(format!("stop {name}"), format!("Stop etcd on {name} for good"), gives));
    }
    if let Some(name) = &cast.dead_man {
        let gives = format!("{name}'s host was up after all, and etcd ran on it. It is stopped and disabled now.");
        all.push(hand(format!("stop {name}"), format!("Stop etcd on {name} for good"), gives));
    }
    if cast.log() {
        let name = first(&cast.stopped);
        let says = format!("Start etcd on {name}, let it apply its log, and stop it again");
        let gives =
            format!("etcd on {name} started, waited for the others in vain and was stopped. Search again with r.");
        all.push(hand(format!("replay {name}"), says, gives));
    }
    if cast.shape.full {
        let says = "Clear old files off the volume of {dir}/restored".to_string();
        all.push(hand("free disk".into(), says, "There is room again.".into()));
    }
    if cast.certs == Certs::OldAddress {
        for (name, _) in &cast.rows {
            let path = new_cert(name);
            let gives = format!("It lies in {{dir}}/{path}; name it in {name}'s row.");
            all.push(hand(
                format!("place {path}"),
                format!("Have a certificate issued for {name}'s new address"),
                gives,
            ));
        }
    }
    let lost = cast.gone.first().filter(|name| cast.shape.unreachable && cast.dead_man.as_ref() != Some(name));
    if let Some(name) = lost {
        let gives = format!("Nobody gets through to {name}'s host, and its disk is not to be had.");
        let mut entry =
            hand(format!("start {name}"), format!("Have somebody look for {name}'s host and start etcd"), gives);
        entry.push(("in_vain", Cell::Bare("true".into())));
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
        let says = format!("The storage team: a fresher snapshot is in the backup directory now, {FRESHER}.");
        all.push(inject("fresher-snapshot", "step is members".into(), vec![format!("place {FRESHER}")], &says));
    }
    if cast.shape.full {
        let says = "Monitoring: the volume of {dir}/restored is full.";
        all.push(inject("disk-full", "step is review".into(), vec!["fill disk".into()], says));
    }
    if let Some(name) = &cast.dead_man {
        // beside those that answer he could make up a quorum
        let quiet: Vec<String> = cast.alone.iter().map(|name| format!(" and not {name} runs")).collect();
        let when =
            if quiet.is_empty() { "step is members".into() } else { format!("it was knocked{}", quiet.concat()) };
        all.push(inject("dead-man", when, vec![format!("start {name}")], ""));
    }
    if cast.shape.failed {
        let says = "A colleague: on one host it failed half way through last time. Would all of it have to be begun anew then?";
        all.push(inject("half-way", "step is restore".into(), Vec::new(), says));
    }
    all
}

fn fails(cast: &Cast) -> Vec<ListItem> {
    let fail = |when: String, says: String| vec![("if", text(&when)), ("says", text(&says))];
    let ways = cast.in_the_way();
    let mut all = Vec::new();
    if !ways.is_empty() {
        let says = "A fence was overridden while an old member still served old data.";
        all.push(fail("a fence was overridden".into(), says.into()));
    }
    let while_ran = |name: &&String| {
        fail(format!("begun while {name} ran"), format!("The restore was begun while {name} still served old data."))
    };
    all.extend(ways.iter().map(while_ran));
    all
}

fn goals(cast: &Cast) -> Vec<ListItem> {
    let goal = |when: &str, says: &str| vec![("if", text(when)), ("says", text(says))];
    let mut all = vec![
        goal("restored", "All members of the plan came up"),
        goal("every key is back", "Every key that can be had is back"),
    ];
    all.push(match cast.shape.bumped {
        true => goal(BUMPED, "The new cluster begins beyond every revision that the old one gave out"),
        false => goal("revision at least the best", "The newest revision that can be had is reached"),
    });
    if cast.shape.bumped {
        all.push(goal("old revisions are compacted", "Watchers are told to list again"));
    }
    if cast.listed() {
        let names: Vec<&str> = cast.rows.iter().map(|(name, _)| name.as_str()).collect();
        all.push(goal(&format!("members are {}", names.join(", ")), "The new members are those of the inventory"));
    }
    if cast.shape.wal_apart {
        all.push(goal("logs lie apart", "Every new log lies apart from the data, as the hosts start it"));
    }
    if cast.alarms() {
        all.push(goal("no alarm is left", "No alarm keeps writes from succeeding"));
    }
    if cast.certs != Certs::No {
        all.push(goal("certificates fit", "Every certificate is for its host, for today, and trusted by the others"));
    }
    let quiet: Vec<String> = cast.in_the_way().iter().map(|name| format!("not {name} runs")).collect();
    if !quiet.is_empty() {
        all.push(goal(&quiet.join(" and "), "Nobody of the old cluster lives on"));
    }
    all.push(goal("all from one snapshot and ids are as planned", "All members are of one plan, from one snapshot"));
    all.push(goal("old data is untouched", "What was left of the old cluster is untouched"));
    all
}

fn path(cast: &Cast, right: &Way) -> Vec<Leg> {
    let why = match cast.source {
        Source::Survivor => "The survivor holds the newest state, so a snapshot is saved from it now.",
        Source::File => "The newest file is the best that can be had.",
        Source::Raw => {
            "The copy is the newest state. It carries no checksum; its pages and rows were read, and are sound."
        }
        Source::Disk if cast.log() => {
            "The log goes on past its database. The member's own etcd brings that in; then nothing is newer."
        }
        Source::Disk => "That member's database has all that its log holds; nothing is newer.",
    };
    let next = || words(&["next"]);
    let mut path: Vec<Leg> = vec![
        (next(), "Too few are left for a quorum, and the rest will not come back. A restore is right."),
        (right.source.clone(), why),
        (next(), "On to the table."),
    ];
    if !right.fresher.is_empty() {
        path.push((
            right.fresher.clone(),
            "Something fresher turned up before anything was begun: the search is made again.",
        ));
    }
    path.extend(table(cast).into_iter().map(|(strides, why, ..)| (strides, why)));
    path.push((next(), "Who is in the new cluster, and where, is right. On to the whole plan."));
    let why = match (right.review.is_empty(), cast.in_the_way().is_empty()) {
        (true, _) => "",
        (false, true) => "The new directories need room.",
        (false, false) => {
            "Nobody of the old cluster may serve on beside the new one; and it is asked again before the restore."
        }
    };
    if !right.review.is_empty() {
        path.push((right.review.clone(), why));
    }
    path.push((words(&["confirm"]), "Nothing is in the way. Typing the label begins it."));
    path.push((words(&["next", "next"]), "The members come up, and what they serve is held against the plan."));
    path
}

/// Each with the name, the strides and the condition that catches it; never none.
fn wrong(cast: &Cast, right: &Way) -> Vec<(String, Vec<String>, String)> {
    let keys = || "every key is back".to_string();
    let done = |so: bool| if so { ", as it was done" } else { "" };
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
        add("the first choice stays".into(), way, keys());
    }
    for (strides, _, name, because) in table(cast) {
        let left: Vec<String> = right.table.iter().filter(|stride| !strides.contains(stride)).cloned().collect();
        let (name, table) = match because {
            "certificates fit" => {
                let auto = (1..=cast.rows.len()).map(|row| format!("set {row} flags --peer-auto-tls"));
                ("automatic certificates instead", auto.chain(left).collect())
            }
            // Left alone, a bump is set where the data is Kubernetes'.
            BUMPED => (name, left.into_iter().chain(words(&["bump 0"])).collect()),
            _ => (name, left),
        };
        add(name.into(), Way { table, ..right.clone() }, because.into());
    }
    let fences = if cast.alone.is_empty() { usize::from(cast.dead_man.is_some()) } else { cast.alone.len() };
    if fences > 0 {
        let mut review = if cast.shape.full { words(&["at the hosts: free disk", "again"]) } else { Vec::new() };
        review.extend(std::iter::repeat_n("override".to_string(), fences));
        let as_done = done(cast.shape.overridden);
        add(
            format!("the fence is overridden{as_done}"),
            Way { review, ..right.clone() },
            "a fence was overridden".into(),
        );
    }
    all
}
