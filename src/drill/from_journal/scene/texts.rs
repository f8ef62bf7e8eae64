//! The texts of an exercise: the symptoms, hints, the lesson, and how the recovery is represented.

use super::{Cast, Certs, ListItem, Scene, first, text};
use crate::drill::from_journal::shape::{End, Source};
use crate::text::{join::all, number::plural};

/// Adds the texts to a scene.
pub(super) fn add(cast: &Cast, scene: &mut Scene) {
    let load = load(cast);
    scene.title = title(cast);
    scene.difficulty = u8::try_from((1 + load).min(5)).unwrap_or(5);
    scene.minutes = u32::try_from(4 + 2 * load + cast.rows.len() / 3).unwrap_or(20);
    scene.brief = brief(cast);
    scene.tips = tips(cast);
    scene.hints = hints();
    scene.debrief = debrief(cast);
}

/// Returns the number of complications.
fn load(cast: &Cast) -> usize {
    let shape = &cast.shape;
    let each = [
        cast.source == Source::Raw,
        cast.log(),
        cast.dead_man.is_some(),
        cast.certs == Certs::OldAddress,
        shape.undone,
        shape.full,
        shape.wal_apart,
        cast.alarms(),
        shape.bumped,
        cast.alone.len() > 1,
    ];
    each.iter().filter(|so| **so).count()
}

fn counted(number: usize) -> &'static str {
    const WORDS: [&str; 10] = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    WORDS.get(number).copied().unwrap_or("many")
}

fn title(cast: &Cast) -> String {
    let left = match cast.source {
        Source::Survivor => format!("{} left", counted(cast.alone.len())),
        Source::File => "a snapshot is left".into(),
        Source::Raw => "a copy is left".into(),
        Source::Disk => "a disk is left".into(),
    };
    let count = cast.count();
    let mut title = format!("{} {}, {left}", counted(count), plural(count, "member", "members"));
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

fn brief(cast: &Cast) -> String {
    let shape = &cast.shape;
    let count = cast.count();
    let mut say = vec![match count {
        1 => "03:20. Every write to practice, an etcd of one member, fails.".to_string(),
        _ => {
            format!("03:20. Every write to practice, an etcd of {} members, m1 to m{count}, fails.", counted(count))
        }
    }];
    if !cast.alone.is_empty() {
        let answers = plural(cast.alone.len(), "answers", "answer");
        say.push(format!("{} {answers}, and every write to it times out.", all(&cast.alone)));
    }
    if !cast.stopped.is_empty() {
        let (does, disk) =
            (plural(cast.stopped.len(), "does", "do"), plural(cast.stopped.len(), "its disk is", "their disks are"));
        say.push(format!("{} {does} not start again; {disk} mounted here.", all(&cast.stopped)));
    }
    if !cast.gone.is_empty() {
        let (host, is) = match cast.gone.len() {
            1 => ("host", "is"),
            _ => ("hosts", "are"),
        };
        say.push(format!("The {host} of {} {is} reported lost, with the disks.", all(&cast.gone)));
    }
    say.push(match cast.source {
        Source::Raw => {
            "Backups are in the backup directory, and so is a file that was copied off a member by hand.".to_string()
        }
        _ => "The backups are in the backup directory.".to_string(),
    });
    if cast.listed() {
        say.push(format!(
            "The deployment's inventory lists the members of the new cluster: {} {}{}.",
            counted(cast.rows.len()),
            plural(cast.rows.len(), "member", "members"),
            match cast.spares.len() {
                0 => String::new(),
                n if n == cast.rows.len() => ", on new hosts".into(),
                n => format!(", {} of them on {}", counted(n), plural(n, "a new host", "new hosts")),
            }
        ));
    }
    if cast.certs != Certs::No {
        say.push("The members use TLS between peers.".into());
    }
    if shape.wal_apart {
        say.push("The hosts keep etcd's WAL on a separate disk.".into());
    }
    if cast.alarms() {
        say.push("All the day before, writes were refused: \"mvcc: database space exceeded\".".into());
    }
    if shape.bumped {
        say.push(
            "A Kubernetes cluster depends on it; its nodes still run and wait, with the state they have last seen."
                .into(),
        );
    }
    say.join(" ")
}

fn tips(cast: &Cast) -> Vec<(&'static str, Vec<String>)> {
    let shape = &cast.shape;
    let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_string()).collect::<Vec<_>>();
    let mut snapshot = match cast.source {
        Source::Survivor => list(&["Which member has the newest state, and can it still be saved?"]),
        Source::File => list(&["The list is ranked. Which file has the newest revision?"]),
        Source::Raw => list(&["A file without a checksum is not a bad file. Press i on it and see what was checked."]),
        Source::Disk if cast.log() => list(&["A member writes to its log first. Which is newer, log or database?"]),
        Source::Disk => list(&["A disk that is mounted here has a database. Is anything newer?"]),
    };
    if cast.log() {
        snapshot.push(
            "The member's own etcd applies its log. Press q to pause the drill; from there you can have it started."
                .into(),
        );
    }
    let mut members = Vec::new();
    if shape.undone {
        members.push("Has anything new arrived since the list was made? Esc goes back, r searches again.".to_string());
    }
    if cast.certs == Certs::OldAddress {
        members.push("For which addresses are the certificates in the last column? You can have new ones issued (q pauses the drill).".into());
    }
    if shape.wal_apart {
        members
            .push("How do the hosts start etcd? Give every row its own WAL dir, such as {dir}/restored/m1.wal.".into());
    }
    if cast.alarms() {
        members.push("Which alarm does a restore keep that no member is left to disarm? Look below the table.".into());
    }
    if shape.bumped {
        members.push(
            "Which revisions have clients seen that are in no file? Look at bump revision below the table.".into(),
        );
    }
    let mut review = Vec::new();
    if !cast.in_the_way().is_empty() {
        review.push(
            "Stop every old member that answers; do not override the blocker. q pauses the drill, then r checks again."
                .to_string(),
        );
    }
    if shape.full {
        review.push(
            "The volume needs free space before anything is built on it. q pauses the drill, then r checks again."
                .into(),
        );
    }
    let steps = [("snapshot", snapshot), ("members", members), ("review", review)];
    steps.into_iter().filter(|(_, texts)| !texts.is_empty()).collect()
}

fn hints() -> Vec<ListItem> {
    vec![vec![
        ("if", text("the chosen file loses writes")),
        ("says", text("A newer source than the chosen file is known.")),
    ]]
}

fn debrief(cast: &Cast) -> String {
    let shape = &cast.shape;
    let mut say = vec![match cast.source {
        Source::Survivor => {
            "A member that answers without quorum can still give a snapshot, and nothing has newer data. Use a backup only \
             when no survivor is left."
        }
        Source::File => "Without a survivor and without a disk, the newest file is the best source.",
        Source::Raw => {
            "A plain copy of member/snap/db has no checksum. That is a reason to check it, not to use an older file."
        }
        Source::Disk => {
            "A member's disk is as good as the member: its database, and the newer entries of its log, which its own etcd \
             applies."
        }
    }];
    if cast.dead_man.is_some() {
        say.push("\"Lost\" is a report, not a fact: probe every old address before you begin, and stop what answers.");
    } else if !cast.alone.is_empty() {
        say.push("A survivor keeps serving old data, so it is stopped before the new cluster starts.");
    }
    if shape.undone {
        say.push("What was true when you looked may not be true when you act: search again before you begin.");
    }
    if shape.full {
        say.push(
            "A full disk that is found before anything is written costs a minute; in the middle of a restore it costs more.",
        );
    }
    if cast.certs == Certs::OldAddress {
        say.push("An address must be among a certificate's IP subject alternative names, so new hosts need new certificates.");
    }
    if shape.wal_apart {
        say.push("If a host starts etcd with --wal-dir, an old WAL in that directory undoes the restore.");
    }
    if cast.alarms() {
        say.push(
            "Alarms are stored in the database and survive a restore, under the ID of the member that raised them.",
        );
    }
    if shape.bumped {
        say.push(
            "A revision bump above everything that clients have seen, marked as compacted, makes them list again.",
        );
    }
    if shape.failed {
        say.push("A restore that fails half way leaves the old data unchanged; the same plan can be resumed.");
    }
    say.join(" ")
}

/// Describes how the recovery is represented: its members, its source, and its complications.
pub(super) fn became(cast: &Cast) -> Vec<String> {
    let shape = &cast.shape;
    let roles = [(&cast.alone, "answers", "answer"), (&cast.stopped, "has its disk left", "have their disks left")];
    let mut who: Vec<String> = roles
        .iter()
        .filter(|(names, ..)| !names.is_empty())
        .map(|(names, one, many)| format!("{} {}", all(names), plural(names.len(), one, many)))
        .collect();
    if !cast.gone.is_empty() {
        who.push(format!("{} {} gone", all(&cast.gone), plural(cast.gone.len(), "is", "are")));
    }
    let from = match cast.source {
        Source::Survivor => format!("a snapshot saved from {}", first(&cast.alone)),
        Source::File => "the newest backup".into(),
        Source::Raw => "a copy without a checksum".into(),
        Source::Disk => format!("the disk of {}", first(&cast.stopped)),
    };
    let mut way = Vec::new();
    if let Some(name) = &cast.dead_man {
        way.push(format!("an old member that was reported lost: {name} comes back"));
    }
    let happened = [
        (shape.overridden, "a blocker that was overridden: a wrong way, and an unsafe act"),
        (shape.lost == Some(true), "a source that was not the newest: a wrong way"),
        (cast.log(), "a log that was not used: a wrong way"),
        (shape.full, "a full disk: the volume fills up at Review"),
        (shape.undone, "the rollback: a newer snapshot arrives at Members"),
        (shape.failed, "a failure half way: a colleague asks about it"),
        (shape.unreachable, "an unreachable host: an action at that host without effect"),
        (!cast.spares.is_empty(), "new addresses: new hosts in an inventory"),
        (cast.certs != Certs::No, "TLS between peers: practice certificates"),
        (shape.wal_apart, "WAL directories: the same, below {dir}"),
        (cast.alarms(), "cleared alarms: one of m1's"),
        (shape.bumped, "a revision bump: an objective that needs a bump"),
    ];
    way.extend(happened.into_iter().filter(|(so, _)| *so).map(|(_, words)| words.to_string()));
    let mut became = vec![
        format!("Its members: {}; the new cluster has {}.", who.join(", "), counted(cast.rows.len())),
        format!("Its source: {from} at revision {} of a practice database.", cast.top()),
    ];
    if !way.is_empty() {
        became.push(format!("Complications: {}.", way.join("; ")));
    }
    became
}

/// Returns what the journal does not record.
pub(super) fn assumed(cast: &Cast) -> Vec<&'static str> {
    let shape = &cast.shape;
    let each = [
        (!shape.planned, "which other members the new cluster had: none"),
        (!shape.asked, "which old members answered: only those that other records name"),
        (shape.target.is_none(), "the target etcd version: 3.5"),
        (true, "the old etcd version: the same as the target"),
        (true, "whether there were learners: none"),
        (shape.moved.is_none(), "whether the new members had new addresses: no"),
        (shape.renamed && cast.spares.is_empty(), "(new names at old addresses: the members keep their names here)"),
        (
            cast.source == Source::Survivor && shape.source == Source::Survivor,
            "where the snapshot came from: the member that answered, since nothing newer was known",
        ),
        (shape.lost.is_none(), "what other sources there were: an older backup"),
        (cast.source == Source::Disk && shape.log.is_none(), "whether the log was newer than the database: no"),
        (shape.undone, "why members were rolled back: a newer snapshot arrived"),
        (shape.failed, "(a failing connection, host or process cannot be practised here: it is only mentioned)"),
        (
            shape.hosts > 0 || shape.by_hand > 0,
            "(members on other hosts, or built by hand there: all are on this machine)",
        ),
        (shape.other_options, "(authentication disabled, or a downgrade finished: not practised here)"),
        (
            shape.alarms && !cast.alarms(),
            "(an alarm keeps etcd from applying its log: here there is the log, and no alarm)",
        ),
        (shape.end == End::Unfinished, "how it ended, since it was not finished: well, by the expert's path"),
        (shape.end == End::RolledBack, "what came after the rollback: a restore from the newer snapshot"),
        (shape.proven == Some(false), "(the verification failed at the end: what was wrong is not practised here)"),
    ];
    each.into_iter().filter(|(so, _)| *so).map(|(_, words)| words).collect()
}
