//! What one field of a scenario means for another: names that must exist, numbers that must lie within the history. The
//! first thing that is wrong comes back with its field and line.

use super::{Act, Condition, Fact, Scenario, State, Stride, VERSION, library, line::line_of};

/// A scenario may be another person's file: what it asks of the machine is bounded.
mod bounds {
    /// Members, and hosts for new ones.
    pub const MEMBERS: usize = 15;
    /// Backups and data directories, each of which is a database.
    pub const DATABASES: usize = 30;
    /// Writes in all, each a revision that is kept in memory.
    pub const WRITES: u64 = 100_000;
    /// Bytes of the beginnings of keys and values in all writes.
    pub const WRITTEN: u64 = 64 << 20;
    /// An age in minutes: ten years.
    pub const MINUTES: u64 = 10 * 366 * 24 * 60;
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The field, `members[1].state`.
    pub field: String,
    /// The line, from 1.
    pub line: usize,
    /// Why it is wrong.
    pub why: String,
}

/// The first thing that is wrong with `scenario`, which was read from `text`.
pub fn check(scenario: &Scenario, text: &str) -> Option<Found> {
    let (field, why) = problem(scenario)?;
    let line = line_of(text, &field);
    Some(Found { field, line, why })
}

/// Whether a scenario can be called this.
pub fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty() && name.chars().all(plain)
}

/// Whether `name` is one name of a file or directory that stays where it is put: no path, and nothing that a
/// terminal acts on.
pub(super) fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= 100 && !name.contains(|c: char| c == '/' || c.is_control())
}

type Wrong = (String, String);

fn problem(s: &Scenario) -> Option<Wrong> {
    let wrong = |field: &str, why: String| Some((field.to_string(), why));
    if s.version != VERSION {
        return wrong("version", format!("it is {}, this requorum reads {VERSION}", s.version));
    }
    if !is_name(&s.name) {
        return wrong("name", format!("{:?} is typed on a command line: small letters, digits and - only", s.name));
    }
    if !(1..=5).contains(&s.difficulty) {
        return wrong("difficulty", format!("{} is not from 1 to 5", s.difficulty));
    }
    if library::database(&s.cluster.database).is_none() {
        return wrong("cluster.database", format!("there is no database called {:?}", s.cluster.database));
    }
    if s.cluster.label.is_empty() || s.cluster.label.contains(char::is_whitespace) {
        return wrong("cluster.label", "it is typed to confirm, so it is one word".into());
    }
    sizes(s).or_else(|| members(s)).or_else(|| places(s)).or_else(|| happenings(s)).or_else(|| ways(s))
}

/// What is asked of memory and disk.
fn sizes(s: &Scenario) -> Option<Wrong> {
    let over = |field: &str, has: u64, most: u64| {
        (has > most).then(|| (field.to_string(), format!("{has} are more than the {most} that an exercise may have")))
    };
    let writes = s.cluster.writes.iter().fold(0_u64, |sum, w| sum.saturating_add(u64::from(w.count)));
    let written = s.cluster.writes.iter().fold(0_u64, |sum, w| {
        let bytes = (w.prefix.len() as u64).saturating_add(w.value.len() as u64);
        sum.saturating_add(bytes.saturating_mul(u64::from(w.count)))
    });
    let count = |list: usize| list as u64;
    over("members", count(s.members.len()), bounds::MEMBERS as u64)
        .or_else(|| over("cluster.spares", count(s.cluster.spares.len()), bounds::MEMBERS as u64))
        .or_else(|| over("cluster.zombies", count(s.cluster.zombies.len()), bounds::MEMBERS as u64))
        .or_else(|| over("backups", count(s.backups.len()), bounds::DATABASES as u64))
        .or_else(|| over("disks", count(s.disks.len()), bounds::DATABASES as u64))
        .or_else(|| over("cluster.writes", writes, bounds::WRITES))
        .or_else(|| over("cluster.writes", written, bounds::WRITTEN))
        .or_else(|| {
            let mut ages = s.backups.iter().map(|b| b.minutes_old).enumerate();
            ages.find_map(|(at, age)| over(&format!("backups[{at}].minutes_old"), age, bounds::MINUTES))
        })
}

fn members(s: &Scenario) -> Option<Wrong> {
    if s.members.is_empty() {
        return Some(("members".into(), "a cluster has at least one".into()));
    }
    for (at, member) in s.members.iter().enumerate() {
        let field = |name: &str| format!("members[{at}].{name}");
        // Its directories are made under its name.
        if !is_file_name(&member.name) {
            return Some((field("name"), format!("{:?} is not a directory's name", member.name)));
        }
        if s.members.iter().take(at).any(|other| other.name == member.name) {
            return Some((field("name"), format!("there are two members called {:?}", member.name)));
        }
        if member.log.is_some() && member.state != State::Stopped {
            return Some((field("log"), "only a stopped member's log can go on past its database".into()));
        }
        if member.log.is_some_and(|log| member.revision.is_none_or(|revision| log <= revision)) {
            return Some((field("log"), "it must go on past `revision`".into()));
        }
    }
    if let Some((at, name)) = s.cluster.spares.iter().enumerate().find(|(_, name)| !is_file_name(name)) {
        return Some((format!("cluster.spares[{at}]"), format!("{name:?} is not a host's name")));
    }
    let known = |name: &String| s.members.iter().any(|m| m.name == *name);
    if let Some(at) = s.cluster.nospace.iter().position(|name| !known(name)) {
        return Some((format!("cluster.nospace[{at}]"), no_member(&s.cluster.nospace[at], s)));
    }
    let of = |at: usize, of: &String| Some((format!("disks[{at}].of"), no_member(of, s)));
    if let Some((at, disk)) = s.disks.iter().enumerate().find(|(_, disk)| !known(&disk.of)) {
        return of(at, &disk.of);
    }
    let strange = |(_, b): &(usize, &super::Backup)| b.of.as_ref().is_some_and(|name| !known(name));
    let (at, backup) = s.backups.iter().enumerate().find(strange)?;
    Some((format!("backups[{at}].of"), no_member(backup.of.as_ref()?, s)))
}

fn no_member(name: &str, s: &Scenario) -> String {
    let names: Vec<&str> = s.members.iter().map(|m| m.name.as_str()).collect();
    format!("no member is called {name:?}; there is {}", names.join(", "))
}

fn places(s: &Scenario) -> Option<Wrong> {
    let inside = |path: &str| path.split('/').all(is_file_name);
    for (at, backup) in s.backups.iter().enumerate() {
        if !is_file_name(&backup.file) {
            return Some((format!("backups[{at}].file"), format!("{:?} is not a file's name", backup.file)));
        }
    }
    for (at, disk) in s.disks.iter().enumerate() {
        if !is_file_name(&disk.name) {
            return Some((format!("disks[{at}].name"), format!("{:?} is not a directory's name", disk.name)));
        }
    }
    for (at, file) in s.files.iter().enumerate() {
        if !inside(&file.path) {
            let why = format!("{:?} must lie inside the exercise: no / at its beginning, no ..", file.path);
            return Some((format!("files[{at}].path"), why));
        }
        match (&file.text, &file.from) {
            (Some(_), None) => {}
            (None, Some(from)) if library::asset(from).is_some() => {}
            (None, Some(from)) => return Some((format!("files[{at}].from"), format!("there is no asset {from:?}"))),
            _ => return Some((format!("files[{at}]"), "it has either `text` or `from`".into())),
        }
    }
    None
}

fn happenings(s: &Scenario) -> Option<Wrong> {
    for (at, hand) in s.hands.iter().enumerate() {
        if let Some(why) = act(&hand.act, s) {
            return Some((format!("hands[{at}].do"), why));
        }
    }
    for (at, inject) in s.injects.iter().enumerate() {
        if let Some((i, why)) = inject.acts.iter().enumerate().find_map(|(i, a)| Some((i, act(a, s)?))) {
            return Some((format!("injects[{at}].do[{i}]"), why));
        }
        if let Some(why) = condition(&inject.when, s) {
            return Some((format!("injects[{at}].when"), why));
        }
    }
    let hints = s.hints.iter().map(|hint| &hint.when).enumerate().map(|(at, when)| ("hints", at, when));
    let fails = s.fails.iter().map(|check| &check.when).enumerate().map(|(at, when)| ("fails", at, when));
    let goals = s.goals.iter().map(|check| &check.when).enumerate().map(|(at, when)| ("goals", at, when));
    hints
        .chain(fails)
        .chain(goals)
        .find_map(|(list, at, when)| Some((format!("{list}[{at}].if"), condition(when, s)?)))
        .or_else(|| s.goals.is_empty().then(|| ("goals".into(), "an exercise without a goal cannot be passed".into())))
}

/// Why `act` cannot be done in this scenario.
pub fn act(act: &Act, s: &Scenario) -> Option<String> {
    if let Some(name) = act.member() {
        return (!s.members.iter().any(|m| m.name == name)).then(|| no_member(name, s));
    }
    let later = |name: &str| {
        s.backups.iter().any(|b| b.later && b.file == name)
            || s.disks.iter().any(|d| d.later && d.name == name)
            || s.files.iter().any(|f| f.later && f.path == name)
    };
    match act {
        Act::Place(name) if !later(name) => Some(format!("no backup, disk or file {name:?} is marked `later: true`")),
        Act::Unpack(name) if !s.backups.iter().any(|b| b.file == *name && b.pack.is_some()) => {
            Some(format!("no backup {name:?} is packed"))
        }
        _ => None,
    }
}

fn condition(condition: &Condition, s: &Scenario) -> Option<String> {
    condition.facts.iter().find_map(|(fact, _)| match fact {
        Fact::Runs(name) | Fact::BegunWhile(name) if !s.members.iter().any(|m| m.name == *name) => {
            Some(no_member(name, s))
        }
        Fact::Came(name) if !s.injects.iter().any(|i| i.name == *name) => Some(format!("no inject is called {name:?}")),
        Fact::Secrets(path) if !s.files.iter().any(|f| f.path == *path) => Some(format!("there is no file {path:?}")),
        _ => None,
    })
}

fn ways(s: &Scenario) -> Option<Wrong> {
    let at_hosts = |stride: &Stride| match stride {
        Stride::At(act) if !s.hands.iter().any(|hand| hand.act == *act) => {
            Some(format!("\"{act}\" is none of the `hands`"))
        }
        _ => None,
    };
    for (at, leg) in s.path.iter().enumerate() {
        if let Some((i, why)) = leg.strides.iter().enumerate().find_map(|(i, stride)| Some((i, at_hosts(stride)?))) {
            return Some((format!("path[{at}].do[{i}]"), why));
        }
    }
    for (at, wrong) in s.wrong.iter().enumerate() {
        if let Some((i, why)) = wrong.strides.iter().enumerate().find_map(|(i, stride)| Some((i, at_hosts(stride)?))) {
            return Some((format!("wrong[{at}].do[{i}]"), why));
        }
        if !s.goals.iter().chain(&s.fails).any(|check| check.when == wrong.because) {
            let why = format!("\"{}\" is the condition of no goal and of nothing in `fails`", wrong.because);
            return Some((format!("wrong[{at}].because"), why));
        }
    }
    if s.path.is_empty() {
        return Some(("path".into(), "an exercise that nobody can pass is none".into()));
    }
    let (at, link) = s.links.iter().enumerate().find(|(_, link)| !link.starts_with("https://"))?;
    Some((format!("links[{at}]"), format!("{link:?} does not begin with https://")))
}
