//! Checks the fields of a scenario against each other: names must exist, numbers must be within bounds. Returns the first
//! problem with its field and line.

use super::{Act, Condition, Fact, Scenario, State, Stride, VERSION, library, line::line_of};

/// A scenario may come from another person: the resources that it can use are bounded.
mod bounds {
    /// Members, and spare hosts.
    pub const MEMBERS: usize = 15;
    /// Backups and data directories, one database each.
    pub const DATABASES: usize = 30;
    /// Writes in total; each is a revision kept in memory.
    pub const WRITES: u64 = 100_000;
    /// Bytes of the prefixes of keys and values in all writes.
    pub const WRITTEN: u64 = 64 << 20;
    /// An age in minutes: ten years.
    pub const MINUTES: u64 = 10 * 366 * 24 * 60;
}

/// A problem and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The field, `members[1].state`.
    pub field: String,
    /// The line, from 1.
    pub line: usize,
    /// Why it is wrong.
    pub why: String,
}

/// Returns the first problem of `scenario`, which was parsed from `text`.
pub fn check(scenario: &Scenario, text: &str) -> Option<Found> {
    let (field, why) = problem(scenario)?;
    let field = as_written(field, text);
    let line = line_of(text, &field);
    Some(Found { field, line, why })
}

/// Names a field as the file does, which may use the key of an earlier version.
fn as_written(field: String, text: &str) -> String {
    match field.strip_prefix("actions[") {
        Some(rest) if text.lines().any(|line| line.starts_with("hands:")) => format!("hands[{rest}"),
        _ => field,
    }
}

/// Returns whether this is a valid scenario name.
pub fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty() && name.chars().all(plain)
}

/// Returns whether `name` is the name of one file or directory: no path, no control characters.
pub(super) fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= 100 && !name.contains(|c: char| c == '/' || c.is_control())
}

type Wrong = (String, String);

fn problem(s: &Scenario) -> Option<Wrong> {
    let wrong = |field: &str, why: String| Some((field.to_string(), why));
    if s.version != VERSION {
        return wrong("version", format!("unsupported version {}; this requorum reads {VERSION}", s.version));
    }
    if !is_name(&s.name) {
        return wrong("name", format!("{:?}: only lowercase letters, digits and - are allowed", s.name));
    }
    if !(1..=5).contains(&s.difficulty) {
        return wrong("difficulty", format!("{} is not between 1 and 5", s.difficulty));
    }
    if library::database(&s.cluster.database).is_none() {
        return wrong("cluster.database", format!("no database is named {:?}", s.cluster.database));
    }
    if s.cluster.label.is_empty() || s.cluster.label.contains(char::is_whitespace) {
        return wrong("cluster.label", "must be one word: it is typed to confirm".into());
    }
    sizes(s).or_else(|| members(s)).or_else(|| places(s)).or_else(|| events(s)).or_else(|| ways(s))
}

/// Checks the use of memory and disk.
fn sizes(s: &Scenario) -> Option<Wrong> {
    let over = |field: &str, has: u64, most: u64| {
        (has > most).then(|| (field.to_string(), format!("{has} is more than the maximum of {most}")))
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
        return Some(("members".into(), "a cluster has at least one member".into()));
    }
    for (at, member) in s.members.iter().enumerate() {
        let field = |name: &str| format!("members[{at}].{name}");
        // its directories have its name
        if !is_file_name(&member.name) {
            return Some((field("name"), format!("{:?}: invalid directory name", member.name)));
        }
        if s.members.iter().take(at).any(|other| other.name == member.name) {
            return Some((field("name"), format!("duplicate name: two members are named {:?}", member.name)));
        }
        if member.log.is_some() && member.state != State::Stopped {
            return Some((field("log"), "only a stopped member's log can be newer than its database".into()));
        }
        if member.log.is_some_and(|log| member.revision.is_none_or(|revision| log <= revision)) {
            return Some((field("log"), "must be greater than `revision`".into()));
        }
    }
    if let Some((at, name)) = s.cluster.spares.iter().enumerate().find(|(_, name)| !is_file_name(name)) {
        return Some((format!("cluster.spares[{at}]"), format!("{name:?}: invalid host name")));
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
    format!("no member is named {name:?}; the members are {}", names.join(", "))
}

fn places(s: &Scenario) -> Option<Wrong> {
    let inside = |path: &str| path.split('/').all(is_file_name);
    for (at, backup) in s.backups.iter().enumerate() {
        if !is_file_name(&backup.file) {
            return Some((format!("backups[{at}].file"), format!("{:?}: invalid file name", backup.file)));
        }
    }
    for (at, disk) in s.disks.iter().enumerate() {
        if !is_file_name(&disk.name) {
            return Some((format!("disks[{at}].name"), format!("{:?}: invalid directory name", disk.name)));
        }
    }
    for (at, file) in s.files.iter().enumerate() {
        if !inside(&file.path) {
            let why = format!("{:?}: must be inside the exercise's directory: no leading /, no ..", file.path);
            return Some((format!("files[{at}].path"), why));
        }
        match (&file.text, &file.from) {
            (Some(_), None) => {}
            (None, Some(from)) if library::asset(from).is_some() => {}
            (None, Some(from)) => return Some((format!("files[{at}].from"), format!("no asset is named {from:?}"))),
            _ => return Some((format!("files[{at}]"), "exactly one of `text` and `from` is required".into())),
        }
    }
    None
}

fn events(s: &Scenario) -> Option<Wrong> {
    for (at, action) in s.actions.iter().enumerate() {
        if let Some(why) = act(&action.act, s) {
            return Some((format!("actions[{at}].do"), why));
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
        .or_else(|| s.goals.is_empty().then(|| ("goals".into(), "at least one objective is required".into())))
}

/// Returns why `act` is impossible in this scenario.
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
            Some(format!("no backup named {name:?} is packed"))
        }
        _ => None,
    }
}

fn condition(condition: &Condition, s: &Scenario) -> Option<String> {
    condition.facts.iter().find_map(|(fact, _)| match fact {
        Fact::Runs(name) | Fact::BegunWhile(name) if !s.members.iter().any(|m| m.name == *name) => {
            Some(no_member(name, s))
        }
        Fact::Came(name) if !s.injects.iter().any(|i| i.name == *name) => Some(format!("no inject is named {name:?}")),
        Fact::Secrets(path) if !s.files.iter().any(|f| f.path == *path) => {
            Some(format!("no file has the path {path:?}"))
        }
        _ => None,
    })
}

fn ways(s: &Scenario) -> Option<Wrong> {
    let at_hosts = |stride: &Stride| match stride {
        Stride::At(act) if !s.actions.iter().any(|action| action.act == *act) => {
            Some(format!("\"{act}\" is not among the `actions`"))
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
            let why = format!("\"{}\" is not a condition in `goals` or `fails`", wrong.because);
            return Some((format!("wrong[{at}].because"), why));
        }
    }
    if s.path.is_empty() {
        return Some(("path".into(), "the expert's path is required".into()));
    }
    let (at, link) = s.links.iter().enumerate().find(|(_, link)| !link.starts_with("https://"))?;
    Some((format!("links[{at}]"), format!("{link:?}: must start with https://")))
}
