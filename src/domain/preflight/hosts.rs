//! Whether each host can take its members, and which program does the work there: judged from the preflight, before
//! anything is written.

use crate::error::Remedy;
use std::path::{Path, PathBuf};

pub use super::programs::{BinarySource, Own, Programs};
pub use crate::domain::preflight::host_report::{Look, Running, is_members};

use super::{
    programs,
    space::{Needed, shortage},
};
use crate::domain::{
    members::table::{About, Column, Problem},
    model::{
        host_address,
        observations::{
            config::ConfigFacts,
            host::{HostFacts, Place, PlaceState, Root},
        },
        plan::{Member, Plan},
    },
};
use crate::text::{Foreign, Shown};

/// How far a clock may be off: etcd itself warns from one second on, and a preflight takes a moment.
const SKEW: i64 = 5;

/// The hosts of the members named in `names`, in the order of the table, each with its members' places in the plan.
pub fn groups(plan: &Plan, names: &[String]) -> Vec<(String, Vec<usize>)> {
    let mut out: Vec<(String, Vec<usize>)> = Vec::new();
    for (at, member) in plan.members.iter().enumerate().filter(|(_, m)| names.contains(&m.name)) {
        let host = if host_address::is_local(&member.host) { host_address::LOCAL } else { &member.host };
        match out.iter_mut().find(|(known, _)| known == host) {
            Some((_, members)) => members.push(at),
            None => out.push((host.to_string(), vec![at])),
        }
    }
    out
}

/// The problem with the program of a host, and with its clock. On this machine no program is needed but the running one.
pub fn judge_program(host: &str, programs: &Programs, facts: &HostFacts) -> Vec<Problem> {
    let mut out = Vec::new();
    if !host_address::is_local(host)
        && let Err(why) = programs::choose(programs, facts)
    {
        let problem = Problem::error(None, None, why);
        let problem = if programs::takes_a_build(facts) { problem.by(Remedy::NameBuild) } else { problem };
        out.push(problem.by(Remedy::RestoreByHand));
    }
    if facts.skew.abs() > SKEW {
        let (seconds, which) = (facts.skew.unsigned_abs(), if facts.skew > 0 { "ahead" } else { "behind" });
        out.push(Problem::warning(None, None, format!("its clock is {seconds} s {which} of this machine's")));
    }
    out
}

/// Returns every problem with one host: its program, its directories, its space; warnings where it can continue.
pub fn evaluate(plan: &Plan, members: &[usize], programs: &Programs, facts: &HostFacts) -> Vec<Problem> {
    let host = members.first().and_then(|at| plan.members.get(*at)).map_or("", |member| member.host.as_str());
    let mut out = judge_program(host, programs, facts);
    let pids: Vec<String> = facts.etcds.iter().map(|(pid, _)| pid.to_string()).collect();
    match pids.as_slice() {
        [] => {}
        [pid] => out.push(Problem::warning(None, None, format!("etcd is running there (process {pid})"))),
        several => {
            out.push(Problem::warning(None, None, format!("etcd is running there (processes {})", several.join(", "))))
        }
    }
    for (at, member) in members.iter().filter_map(|at| Some((*at, plan.members.get(*at)?))) {
        for (column, path) in dirs(member) {
            match facts.places.iter().find(|place| place.path == *path) {
                Some(place) => {
                    let text = place_slip(column, place, facts);
                    out.extend(text.map(|text| Problem::error(Some(at), Some(column), text)));
                }
                None => out.push(Problem::error(Some(at), Some(column), "the host did not report on it")),
            }
        }
    }
    let depot = depot(plan, members);
    if let Some(place) = depot.as_ref().and_then(|depot| facts.places.iter().find(|place| place.path == *depot))
        && (place.read_only || !place.writable)
    {
        let text = format!("the snapshot cannot be sent: no write permission in {}", place.there.shown());
        out.push(Problem::error(None, None, text));
    }
    space(plan, members, depot.as_deref(), facts, &mut out);
    out
}

/// Where the snapshot is received on another machine: next to the first member's data directory. Of that directory, the
/// deepest part that exists is taken.
pub fn depot(plan: &Plan, members: &[usize]) -> Option<PathBuf> {
    let first = members.first().and_then(|at| plan.members.get(*at)).filter(|m| !host_address::is_local(&m.host))?;
    Some(first.data_dir.parent().unwrap_or(&first.data_dir).to_path_buf())
}

/// Every directory that a host is asked about.
pub fn asked(plan: &Plan, members: &[usize]) -> Vec<PathBuf> {
    let rows = members.iter().filter_map(|at| plan.members.get(*at));
    let mut all: Vec<PathBuf> = rows.flat_map(|m| dirs(m).map(|(_, path)| path.clone())).collect();
    all.extend(depot(plan, members));
    all
}

/// The directories that a member's restore makes.
pub fn dirs(member: &Member) -> impl Iterator<Item = (Column, &PathBuf)> {
    [(Column::DataDir, Some(&member.data_dir)), (Column::WalDir, member.wal_dir.as_ref())]
        .into_iter()
        .filter_map(|(column, path)| Some((column, path?)))
}

fn place_slip(column: Column, place: &Place, facts: &HostFacts) -> Option<String> {
    let path = place.path.shown();
    match &place.state {
        PlaceState::File => return Some(format!("{path} exists and is not a directory")),
        PlaceState::Closed => {
            return Some(format!("{path} exists, but {} may not read it", facts.user));
        }
        PlaceState::Dir(names) => {
            // An old member's directory is moved aside; anything else may be a typing mistake.
            if !is_members(column, names)
                && let Some(first) = strangers(names).next()
            {
                return Some(format!(
                    "{path} is not empty: it holds {first} and is not an etcd directory; move it aside, or choose another directory"
                ));
            }
        }
        PlaceState::Absent => {}
    }
    if place.read_only {
        return Some(format!("{path} would be on {}, which is mounted read-only", place.mount));
    }
    if !place.writable {
        let way = match facts.root {
            Root::No => "; log in as a user who may, or allow sudo without a password",
            Root::Is | Root::Sudo => ", not even as root",
        };
        return Some(format!("{} may not write into {}{way}", facts.user, place.there.shown()));
    }
    None
}

/// The entries that make a directory one that is not empty: what a killed run left is cleared by the next one, and an
/// empty filesystem has its lost+found.
pub fn strangers(names: &[Foreign]) -> impl Iterator<Item = &Foreign> {
    names.iter().filter(|name| name.as_str() != "lost+found" && !name.starts_with(".requorum-"))
}

/// Checks for members whose etcd keeps its WAL outside the plan's directories: left alone, it would silently undo the restore.
pub fn logs_elsewhere(plan: &Plan, members: &[usize], configs: &[ConfigFacts]) -> Vec<Problem> {
    let mut out: Vec<Problem> = Vec::new();
    for (at, member) in members.iter().filter_map(|at| Some((*at, plan.members.get(*at)?))) {
        let of_it = configs.iter().filter(|config| config.data_dir.as_ref() == Some(&member.data_dir));
        for config in of_it.filter(|config| config.wal_dir.is_some() && config.wal_dir != member.wal_dir) {
            let dir = config.wal_dir.as_deref().unwrap_or(Path::new("")).shown();
            let text = format!(
                "{} keeps its WAL in {dir}, but the plan does not: left there, the old WAL would undo the restore; \
                 add walDir to the inventory, or wal_dir to this member in the plan",
                config.place()
            );
            if !out.iter().any(|known| known.row == Some(at) && known.text == text) {
                out.push(Problem::error(Some(at), Some(Column::WalDir), text));
            }
        }
    }
    out
}

/// What the members of a host need on each filesystem, the snapshot among it where it is sent.
fn space(plan: &Plan, members: &[usize], depot: Option<&Path>, facts: &HostFacts, out: &mut Vec<Problem>) {
    let mut needs: Vec<(&Place, u64)> = Vec::new();
    let mut add = |path: &Path, bytes: u64| {
        let Some(place) = facts.places.iter().find(|place| place.path == path) else { return };
        match needs.iter_mut().find(|(known, _)| known.mount == place.mount) {
            Some((_, sum)) => *sum = sum.saturating_add(bytes),
            None => needs.push((place, bytes)),
        }
    };
    if let Some(depot) = depot {
        add(depot, plan.source.bytes);
    }
    for member in members.iter().filter_map(|at| plan.members.get(*at)) {
        let needed = Needed::of_plan(plan);
        add(&member.data_dir, needed.data);
        add(member.wal_dir.as_ref().unwrap_or(&member.data_dir), needed.wal);
    }
    for (place, needed) in needs {
        if let Some(free) = place.free.filter(|free| *free < needed) {
            let text = format!("not enough space on {}: {}", place.mount, shortage(free, needed, ""));
            out.push(Problem::error(None, None, text).about(About::Space));
        }
    }
}

#[cfg(test)]
mod tests;
