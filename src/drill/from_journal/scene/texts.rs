//! What an exercise says: the symptoms, hints, what is to be learnt, and what of the recovery became what.

use super::{Cast, Certs, ListItem, Scene, first, text};
use crate::drill::from_journal::shape::{End, Source};
use crate::text::phrase::{all, plural};

/// Gives a scene its words.
pub(super) fn furnish(cast: &Cast, scene: &mut Scene) {
    let load = load(cast);
    scene.title = title(cast);
    scene.difficulty = u8::try_from((1 + load).min(5)).unwrap_or(5);
    scene.minutes = u32::try_from(4 + 2 * load + cast.rows.len() / 3).unwrap_or(20);
    scene.brief = brief(cast);
    scene.tips = tips(cast);
    scene.hints = hints();
    scene.debrief = debrief(cast);
}

/// How many things there are to be seen and done beyond the plain road.
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
        1 => "03:20. No write goes through on practice, an etcd of one member.".to_string(),
        _ => {
            format!("03:20. No write goes through on practice, an etcd of {} members, m1 to m{count}.", counted(count))
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
            "Backups lie in the backup directory, and a file that somebody copied off a member by hand.".to_string()
        }
        _ => "What backups there are lie in the backup directory.".to_string(),
    });
    if cast.listed() {
        say.push(format!(
            "Who shall be in the new cluster stands in the deployment's inventory: {} {}{}.",
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
        say.push("The members speak TLS to each other.".into());
    }
    if shape.wal_apart {
        say.push("The hosts keep etcd's log on a disk of its own.".into());
    }
    if cast.alarms() {
        say.push("All day before, writes were refused: \"mvcc: database space exceeded\".".into());
    }
    if shape.bumped {
        say.push("A Kubernetes cluster hangs on it; its nodes run on and wait, with what they have last seen.".into());
    }
    say.join(" ")
}

fn tips(cast: &Cast) -> Vec<(&'static str, Vec<String>)> {
    let shape = &cast.shape;
    let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_string()).collect::<Vec<_>>();
    let mut snapshot = match cast.source {
        Source::Survivor => list(&["Who has the newest state, and can it still be had?"]),
        Source::File => list(&["The list is ranked. Which file has the newest revision?"]),
        Source::Raw => list(&["A file without a checksum is not a bad file. Press i on it and see what was read."]),
        Source::Disk if cast.log() => list(&["A member writes to its log first. Which goes further, log or database?"]),
        Source::Disk => list(&["A disk that is mounted here holds a database. What is newer than it?"]),
    };
    if cast.log() {
        snapshot.push("The member's own etcd brings its log in. q leads to the coach, who can have it started.".into());
    }
    let mut members = Vec::new();
    if shape.undone {
        members.push("Has anything turned up since the list was made? Esc leads back, r searches again.".to_string());
    }
    if cast.certs == Certs::OldAddress {
        members.push("For which addresses are the certificates in the last column? New ones can be had (q).".into());
    }
    if shape.wal_apart {
        members.push(
            "How do the hosts start etcd? Give every row a WAL dir of its own, such as {dir}/restored/m1.wal.".into(),
        );
    }
    if cast.alarms() {
        members.push("What does a restore carry over that nobody is left to take away? Look below the table.".into());
    }
    if shape.bumped {
        members.push(
            "Which revisions have clients seen that no file holds? Look at bump revision below the table.".into(),
        );
    }
    let mut review = Vec::new();
    if !cast.in_the_way().is_empty() {
        review.push(
            "Whoever of the old cluster answers has to be stopped, not overridden: q leads to the coach, then r."
                .to_string(),
        );
    }
    if shape.full {
        review.push("The volume needs room before anything is built on it; q leads to the coach, then r.".into());
    }
    let steps = [("snapshot", snapshot), ("members", members), ("review", review)];
    steps.into_iter().filter(|(_, texts)| !texts.is_empty()).collect()
}

fn hints() -> Vec<ListItem> {
    vec![vec![
        ("if", text("the chosen file loses writes")),
        ("says", text("Something newer than the chosen file is known.")),
    ]]
}

fn debrief(cast: &Cast) -> String {
    let shape = &cast.shape;
    let mut say = vec![match cast.source {
        Source::Survivor => {
            "A member that answers without a quorum still gives a snapshot, and nobody has newer data. A backup is what you \
             take when no survivor is left."
        }
        Source::File => "Without a survivor and without a disk the newest file is the best that can be had.",
        Source::Raw => {
            "A plain copy of member/snap/db has no checksum behind its data. That is a reason to look at it, not to take an \
             older file."
        }
        Source::Disk => {
            "A member's disk is as good as the member: its database, and what its log holds beyond that, which its own etcd \
             brings in."
        }
    }];
    if cast.dead_man.is_some() {
        say.push("\"Lost\" is a report, not a fact: ask every old address before you begin, and stop what answers.");
    } else if !cast.alone.is_empty() {
        say.push("Whoever lives on goes on serving old data, so it is stopped before the new cluster comes up.");
    }
    if shape.undone {
        say.push("What was true when you looked need not be true when you act: search again before you begin.");
    }
    if shape.full {
        say.push(
            "A full disk is found before anything is written, and costs a minute; half way through it costs more.",
        );
    }
    if cast.certs == Certs::OldAddress {
        say.push("An address must stand among a certificate's IP names, so new hosts need new certificates.");
    }
    if shape.wal_apart {
        say.push("Where a host starts etcd with --wal-dir, an old log left there undoes the restore.");
    }
    if cast.alarms() {
        say.push("Alarms lie in the database and come along with a restore, under the ID of whoever raised them.");
    }
    if shape.bumped {
        say.push("A bump beyond everything that clients have seen, marked as compacted, makes them list again.");
    }
    if shape.failed {
        say.push("What fails half way leaves the old data as they were; the same plan, run again, goes on.");
    }
    say.join(" ")
}

/// What of the recovery became what: who was there, what it was restored from, what happened on the way.
pub(super) fn became(cast: &Cast) -> Vec<String> {
    let shape = &cast.shape;
    let roles = [(&cast.alone, "answers", "answer"), (&cast.stopped, "left its disk", "left their disks")];
    let mut who: Vec<String> = roles
        .iter()
        .filter(|(names, ..)| !names.is_empty())
        .map(|(names, one, many)| format!("{} {}", all(names), plural(names.len(), one, many)))
        .collect();
    if !cast.gone.is_empty() {
        who.push(format!("{} {} gone", all(&cast.gone), plural(cast.gone.len(), "is", "are")));
    }
    let from = match cast.source {
        Source::Survivor => format!("a snapshot that {} still gives", first(&cast.alone)),
        Source::File => "the newest backup".into(),
        Source::Raw => "a copy without a checksum".into(),
        Source::Disk => format!("the disk of {}", first(&cast.stopped)),
    };
    let mut way = Vec::new();
    if let Some(name) = &cast.dead_man {
        way.push(format!("an old member that was taken for dead: {name} comes back"));
    }
    let happened = [
        (shape.overridden, "a fence that was overridden: a wrong way, and it cannot be undone"),
        (shape.lost == Some(true), "a source that was not the newest: a wrong way"),
        (cast.log(), "a log that was left behind: a wrong way"),
        (shape.full, "a full disk: the volume fills up at Review"),
        (shape.undone, "what was taken back: a fresher snapshot turns up at Members"),
        (shape.failed, "a failure half way: a colleague asks about it"),
        (shape.unreachable, "a host that nobody reached: somebody can be sent there, in vain"),
        (!cast.spares.is_empty(), "new addresses: new hosts in an inventory"),
        (cast.certs != Certs::No, "TLS between the members: practice certificates"),
        (shape.wal_apart, "logs in directories of their own: the same, below {dir}"),
        (cast.alarms(), "alarms that were left out: one of m1's"),
        (shape.bumped, "a revision bump: a goal that only a bump reaches"),
    ];
    way.extend(happened.into_iter().filter(|(so, _)| *so).map(|(_, words)| words.to_string()));
    let mut became = vec![
        format!("Its members: {}; the new cluster has {}.", who.join(", "), counted(cast.rows.len())),
        format!("Its source: {from} at revision {} of a practice database.", cast.top()),
    ];
    if !way.is_empty() {
        became.push(format!("On the way: {}.", way.join("; ")));
    }
    became
}

/// What the journal did not tell of it.
pub(super) fn assumed(cast: &Cast) -> Vec<&'static str> {
    let shape = &cast.shape;
    let each = [
        (!shape.planned, "who else was in the new cluster than those restored on that machine: nobody"),
        (!shape.asked, "who of the old cluster answered: nobody but whom the rest tells of"),
        (shape.target.is_none(), "which etcd was to run on the result: 3.5"),
        (true, "which etcd ran before: the one that runs on the result"),
        (true, "whether there were learners: there were none"),
        (shape.moved.is_none(), "whether the new members were on new addresses: on the old ones"),
        (shape.renamed && cast.spares.is_empty(), "(new names at old addresses: the members keep their names here)"),
        (
            cast.source == Source::Survivor && shape.source == Source::Survivor,
            "where the snapshot came from: from the member that answered, for nothing newer was known",
        ),
        (shape.lost.is_none(), "what other sources there were: an older backup"),
        (cast.source == Source::Disk && shape.log.is_none(), "whether the log went on past the database: it did not"),
        (shape.undone, "why members were taken out of their places again: something fresher had turned up"),
        (shape.failed, "(a connection, host or process that fails cannot be practised here: it is only spoken of)"),
        (
            shape.hosts > 0 || shape.by_hand > 0,
            "(members on other hosts, or built by hand there: all are on this machine)",
        ),
        (shape.other_options, "(passwords switched off, or a downgrade ended: not practised here)"),
        (
            shape.alarms && !cast.alarms(),
            "(an alarm keeps an etcd from applying what its log holds: here there is the log, and no alarm)",
        ),
        (shape.end == End::Unfinished, "how it ended, for it was not finished: well, by the expert's path"),
        (shape.end == End::TakenBack, "what came after it was taken back: a restore from the fresher snapshot"),
        (shape.proven == Some(false), "(the proof did not hold at the end: what was wrong is not practised here)"),
    ];
    each.into_iter().filter(|(so, _)| *so).map(|(_, words)| words).collect()
}
