//! Is it the plan's data? Revisions against the log, HashKV among the members and against the snapshot.

use super::{Case, Check, Ours, Outcome, Topic, names, shown};
use crate::{
    domain::model::{
        observations::{
            Hashed, MemberStatus,
            started::{Canary, ObservedMember, PlannedHash, Queried},
        },
        plan::Member,
    },
    etcd::membership::Id,
    text::{
        Shown,
        join::all,
        number::{plural, thousands},
    },
};

pub(super) const STOP: &str = "Stop it now: it answers reads with different data.";
/// Seen with 3.4 to 3.7: "tocommit(8) is out of range [lastIndex(3)]".
pub(super) const AGAIN: &str = "Then stop all members, move its directory aside, restore it from the plan (a second time needs an override), and \
                     start all together: running members rely on its log entries, and a member that returns with fewer panics.";

/// The log entry with which every restored member begins: one for each member.
fn genesis(case: Case<'_>) -> u64 {
    case.plan.members.len() as u64
}

/// Checks for members whose revision cannot follow from the plan's by the log entries they applied.
pub(super) fn revision(case: Case<'_>) -> Check {
    let from = case.plan.expected_revision();
    let ours = case.ours();
    let (fresh, stood): (Vec<Ours<'_>>, Vec<Ours<'_>>) =
        ours.iter().partition(|(_, _, says)| says.raft_applied <= genesis(case) && says.revision < from);
    let (mut wrong, mut low, mut who) = (Vec::new(), Vec::new(), Vec::new());
    for (member, _, says) in &stood {
        if says.revision < from {
            low.push(member.name.as_str());
            who.push(member.name.as_str());
            wrong.push(below(case, &stood, member, says));
        } else if says.raft_applied > 0 && over(says, from) > says.raft_applied.saturating_sub(genesis(case)) {
            let entries = says.raft_applied.saturating_sub(genesis(case));
            who.push(member.name.as_str());
            wrong.push(format!(
                "{} was restored from another, newer snapshot{}: it is at revision {}, to which {} log {} since the restore \
                 cannot lead from {}",
                member.name,
                if case.plan.bump_revision > 0 { " or with another revision bump" } else { "" },
                shown(says.revision),
                entries,
                plural(usize::try_from(entries).unwrap_or(usize::MAX), "entry", "entries"),
                shown(from)
            ));
        }
    }
    if wrong.is_empty() {
        let level: Vec<&Ours<'_>> = stood.iter().filter(|(m, _, _)| !low.contains(&m.name.as_str())).collect();
        if let Some((odd, words)) = apart(&level, agreed(case).is_some()) {
            who.extend(odd);
            wrong.push(words);
        }
    }
    if let Some((member, index, leader, committed)) = ahead(case).filter(|_| wrong.is_empty()) {
        who.push(member.name.as_str());
        wrong.push(format!(
            "{} has committed {} log entries and its leader {}, which was asked later, only {}: {}'s log is that of another \
             run of the plan",
            member.name,
            thousands(index),
            leader.name,
            thousands(committed),
            member.name
        ));
    }
    if !wrong.is_empty() {
        return Check::new(Topic::Revision, Outcome::Fail, wrong.join("; ")).who(who).todo(STOP).todo(AGAIN);
    }
    if let Some((member, _, says)) = fresh.first() {
        let words = format!("{} is at revision {} and receives data", member.name, shown(says.revision));
        return Check::new(Topic::Revision, Outcome::NotYet, words);
    }
    match case.passed() {
        Outcome::Pass => {
            let now = ours.iter().map(|(_, _, says)| says.revision).max().unwrap_or_default();
            let words = match now - from {
                0 => format!("{} on every member, as planned", shown(from)),
                _ => format!("{} by now, from the planned {} on", shown(now), shown(from)),
            };
            Check::new(Topic::Revision, Outcome::Pass, words)
        }
        other => Check::new(Topic::Revision, other, format!("no answer yet: {}", all(&case.others()))),
    }
}

/// By how many revisions a member is beyond the plan's.
fn over(says: &MemberStatus, from: i64) -> u64 {
    says.revision.saturating_sub(from).max(0).unsigned_abs()
}

fn below(case: Case<'_>, stood: &[Ours<'_>], member: &Member, says: &MemberStatus) -> String {
    let from = case.plan.expected_revision();
    // what was written since the restore counts for it, too
    let written = stood.iter().map(|(_, _, s)| over(s, from)).max().unwrap_or_default();
    let begun = says.revision.saturating_sub_unsigned(written);
    let at = format!("it is at revision {}, and the plan begins at {}", shown(says.revision), shown(from));
    let source = case.plan.source.revision;
    if case.plan.bump_revision > 0 && (source..=source.saturating_add_unsigned(written)).contains(&says.revision) {
        return format!("{} was restored without the plan's revision bump: {at}", member.name);
    }
    match begun <= 1 {
        true => format!(
            "{} was started on an empty data directory and holds none of the snapshot's data: {at}",
            member.name
        ),
        false => format!("{} was restored from another, older snapshot: {at}", member.name),
    }
}

/// Between which revisions a member was when it had applied its log up to an index.
#[derive(Clone, Copy)]
struct Bounds {
    applied: u64,
    least: i64,
    most: i64,
}

impl Bounds {
    /// The server reads its revision first and the applied index after that, and counts an entry as applied only after its
    /// revision was given out. While clients write, the revision that belongs to the index of the round before is thus that
    /// of its reading less one, or more, up to that of this round. At rest, and in a first round, which is never the only
    /// one that a failure is seen in, it is the one that was read.
    fn new(seen: &ObservedMember, says: &MemberStatus) -> Bounds {
        match seen.level_before {
            Some(before)
                if before.revision <= says.revision
                    && (before.revision, before.raft_applied) != (says.revision, says.raft_applied) =>
            {
                Bounds { applied: before.raft_applied, least: before.revision.saturating_sub(1), most: says.revision }
            }
            _ => Bounds { applied: says.raft_applied, least: says.revision, most: says.revision },
        }
    }

    /// Whether no log leads from one to the other.
    fn differ(self, other: Bounds) -> bool {
        let (first, second) = if self.applied <= other.applied { (self, other) } else { (other, self) };
        let log = second.applied - first.applied;
        second.most < first.least || second.least.saturating_sub(first.most).max(0).unsigned_abs() > log
    }
}

/// Members whose revisions differ by more than what one of them has applied beyond the other. `alike` where all have the
/// same keys at the plan's revision.
fn apart<'a>(level: &[&Ours<'a>], alike: bool) -> Option<(Vec<&'a str>, String)> {
    let bounds = |(_, seen, says): &Ours<'_>| Bounds::new(seen, says);
    let against = |one: &Ours<'_>| level.iter().filter(|other| bounds(one).differ(bounds(other))).count();
    let most = level.iter().map(|one| against(one)).max().filter(|most| *most > 0)?;
    let odd: Vec<&Ours<'a>> = level.iter().copied().filter(|one| against(one) == most).collect();
    let others: Vec<&Ours<'_>> = level.iter().copied().filter(|one| against(one) < most).collect();
    let at = |list: &[&Ours<'_>]| {
        let at = list.iter().map(|(m, _, says)| format!("{} at revision {}", m.name, shown(says.revision)));
        all(&at.collect::<Vec<_>>())
    };
    let who = names(&odd.iter().map(|(m, _, _)| *m).collect::<Vec<_>>());
    let words = match others.is_empty() {
        true => format!(
            "{who} were restored from different snapshots{}: after the same log they are {}",
            if alike { " or in different runs of the plan" } else { "" },
            at(&odd)
        ),
        false => format!(
            "{who} {} restored from another snapshot{}: after the same log {}, {}",
            plural(odd.len(), "was", "were"),
            if alike { " or left from another run of the plan" } else { "" },
            at(&odd),
            at(&others)
        ),
    };
    Some((odd.iter().map(|(m, _, _)| m.name.as_str()).collect(), words))
}

/// One member's hash.
struct Given<'a> {
    member: &'a Member,
    hash: u32,
    revision: i64,
    compacted: i64,
}

fn given<'a>(member: &'a Member, hash: &Hashed) -> Option<Given<'a>> {
    match hash {
        Hashed::Says { hash, revision, compacted } => {
            Some(Given { member, hash: *hash, revision: *revision, compacted: *compacted })
        }
        _ => None,
    }
}

/// The hash at the plan's revision that all members give, where all give the same.
pub(super) fn agreed(case: Case<'_>) -> Option<u32> {
    let ours = case.ours();
    let hashes: Vec<Given<'_>> = ours.iter().filter_map(|(m, _, says)| given(m, &says.hash)).collect();
    let first = hashes.first()?;
    let same =
        hashes.iter().all(|g| (g.hash, g.revision, g.compacted) == (first.hash, first.revision, first.compacted));
    (same && hashes.len() == case.plan.members.len()).then_some(first.hash)
}

/// True where the plan's revision was compacted away on a member.
pub(super) fn passed_by(says: &MemberStatus) -> bool {
    matches!(&says.hash, Hashed::Compacted(_))
}

/// The newest revision that every member is known to have: what the canary was read through each with, or the lowest that
/// any gave.
pub(super) fn newest(case: Case<'_>) -> i64 {
    let lowest = case.ours().iter().map(|(_, _, says)| says.revision).min().unwrap_or_default();
    match &case.seen.canary {
        Canary::Done { revision, read, .. } if read.len() == case.plan.members.len() => lowest.max(*revision),
        _ => lowest,
    }
}

/// HashKV among the members: at the plan's revision where that is not compacted away, and at the newest that all have.
pub(super) fn hash(case: Case<'_>) -> Check {
    let ours = case.ours();
    let gone = ours.iter().any(|(_, _, says)| passed_by(says));
    let since = newest(case) > case.plan.expected_revision();
    let planned = |our: &Ours<'_>| our.2.hash.clone();
    let common = |our: &Ours<'_>| our.1.common.clone();
    let first = match gone {
        true => compared(case, &ours, &common, Some(Cause::Gone)),
        false => compared(case, &ours, &planned, None),
    };
    if gone || !since || first.outcome == Outcome::Fail {
        return first;
    }
    // every member has the snapshot's keys, or may yet prove to: what was written since is another question
    let second = compared(case, &ours, &common, Some(Cause::Since));
    match (first.outcome, second.outcome) {
        (_, Outcome::Fail) => second,
        (Outcome::Pass, Outcome::Pass) => Check { words: format!("{}; {}", first.words, second.words), ..first },
        (Outcome::Pass, _) => second,
        _ => first,
    }
}

/// Which hashes are compared, other than those at the plan's revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// Those of the newest revision, since the plan's is compacted away.
    Gone,
    /// Those of the newest revision, for what was written since the restore.
    Since,
}

fn compared(case: Case<'_>, ours: &[Ours<'_>], of: &dyn Fn(&Ours<'_>) -> Hashed, cause: Option<Cause>) -> Check {
    let mut failed = Vec::new();
    for our in ours {
        if let Hashed::Failed(why) | Hashed::Compacted(why) = of(our) {
            failed.push(format!("{}: {why}", our.0.name));
        }
    }
    let hashes: Vec<Given<'_>> = ours.iter().filter_map(|our| given(our.0, &of(our))).collect();
    if let Some(found) = differing(case, &hashes, cause) {
        return found;
    }
    if !failed.is_empty() {
        return Check::new(Topic::Hash, Outcome::NotYet, failed.join("; "));
    }
    let compacted = hashes.windows(2).any(|pair| pair.first().map(|g| g.compacted) != pair.last().map(|g| g.compacted));
    match hashes.first() {
        Some(first) if hashes.len() == case.plan.members.len() && !compacted => {
            let words = format!("{:08x} on every member at revision {}", first.hash, shown(first.revision));
            Check::new(
                Topic::Hash,
                Outcome::Pass,
                match cause {
                    None => words,
                    Some(Cause::Since) => format!("{:08x} at {}", first.hash, shown(first.revision)),
                    Some(Cause::Gone) => format!(
                        "{words}; the plan's revision {} is compacted, so this is the newest revision all members have",
                        shown(case.plan.expected_revision())
                    ),
                },
            )
        }
        _ if compacted => {
            let up_to = |g: &Given<'_>| match g.compacted {
                ..=0 => format!("{} not compacted", g.member.name),
                at => format!("{} compacted up to {}", g.member.name, shown(at)),
            };
            let each: Vec<String> = hashes.iter().map(up_to).collect();
            let words = format!("members are compacted up to different revisions: {}", each.join(", "));
            Check::new(Topic::Hash, Outcome::NotYet, words)
        }
        _ => {
            let have: Vec<&str> = hashes.iter().map(|g| g.member.name.as_str()).collect();
            let lack = case.plan.members.iter().filter(|m| !have.contains(&m.name.as_str())).map(|m| m.name.clone());
            Check::new(Topic::Hash, Outcome::NotYet, format!("not asked: {}", all(&lack.collect::<Vec<_>>())))
        }
    }
}

/// Members that give different hashes of what must be the same.
fn differing(case: Case<'_>, hashes: &[Given<'_>], cause: Option<Cause>) -> Option<Check> {
    for first in hashes {
        let alike: Vec<&Given<'_>> =
            hashes.iter().filter(|g| (g.revision, g.compacted) == (first.revision, first.compacted)).collect();
        let mut parts: Vec<(u32, Vec<&Member>)> = Vec::new();
        for g in &alike {
            match parts.iter_mut().find(|(hash, _)| *hash == g.hash) {
                Some((_, who)) => who.push(g.member),
                None => parts.push((g.hash, vec![g.member])),
            }
        }
        if parts.len() < 2 {
            continue;
        }
        let planned = match case.seen.planned {
            Queried::Is(PlannedHash { hash, compacted }) if compacted == first.compacted && cause.is_none() => {
                Some(hash)
            }
            _ => None,
        };
        // right is the snapshot's; where that is not known, what most have
        let most = parts.iter().map(|(_, who)| who.len()).max().unwrap_or_default();
        let lone = parts.iter().filter(|(_, who)| who.len() == most).count() == 1;
        let right = planned
            .filter(|hash| parts.iter().any(|(h, _)| h == hash))
            .or_else(|| parts.iter().find(|(_, who)| lone && who.len() == most).map(|(hash, _)| *hash));
        let said = |(hash, who): &(u32, Vec<&Member>)| format!("{} {hash:08x}", names(who));
        let each: Vec<String> = parts.iter().map(said).collect();
        let odd: Vec<&Member> =
            parts.iter().filter(|(hash, _)| Some(*hash) != right).flat_map(|(_, who)| who.clone()).collect();
        let hashes = format!("HashKV at revision {}: {}", shown(first.revision), each.join(", "));
        let words = match (cause, right) {
            // where all had the same at the plan's revision, the snapshot is not what differs
            (Some(Cause::Since), Some(_)) if agreed(case).is_some() => format!(
                "{} {} different keys than the other members since the restore ({hashes}; the same at the plan's revision {}): left \
                 from another run of the plan, restored from a newer snapshot, or damaged",
                names(&odd),
                plural(odd.len(), "holds", "hold"),
                shown(case.plan.expected_revision())
            ),
            (Some(Cause::Since), None) if agreed(case).is_some() => format!(
                "{} hold different keys since the restore ({hashes}; the same at the plan's revision {}): one is left from \
                 another run of the plan, restored from a newer snapshot, or damaged",
                names(&odd),
                shown(case.plan.expected_revision())
            ),
            (_, right) => format!(
                "{} {} restored from {} ({hashes})",
                names(&odd),
                plural(odd.len(), "was", "were"),
                if right.is_some() { "another snapshot" } else { "different snapshots" },
            ),
        };
        let who = odd.iter().map(|m| m.name.as_str());
        return Some(Check::new(Topic::Hash, Outcome::Fail, words).who(who).todo(STOP).todo(AGAIN));
    }
    None
}

/// HashKV against the snapshot's own.
pub(super) fn snapshot(case: Case<'_>) -> Check {
    let ours = case.ours();
    let check = |outcome, words: String| Check::new(Topic::Snapshot, outcome, words);
    if ours.iter().any(|(_, _, says)| passed_by(says)) {
        let words = format!(
            "the plan's revision {} is compacted: whether the members hold what the snapshot held can no longer \
             be verified, only that they agree",
            shown(case.plan.expected_revision())
        );
        return check(Outcome::Unknown, words);
    }
    let hashes: Vec<Given<'_>> = ours.iter().filter_map(|(m, _, says)| given(m, &says.hash)).collect();
    let planned = match &case.seen.planned {
        Queried::Not => return check(Outcome::NotYet, "the snapshot's own hash is not known yet".into()),
        Queried::Failed(why) => {
            return check(Outcome::Unknown, format!("the snapshot's own hash cannot be determined: {why}"));
        }
        Queried::Is(planned) => planned,
    };
    let (mut same, mut other) = (Vec::new(), Vec::new());
    for g in hashes.iter().filter(|g| g.compacted == planned.compacted) {
        if g.hash == planned.hash { same.push(g.member) } else { other.push(g.member) }
    }
    let path = case.plan.source.path.shown();
    match (same.len(), other.len()) {
        (all, 0) if all == case.plan.members.len() => {
            check(Outcome::Pass, format!("{:08x}, as computed from {path}", planned.hash))
        }
        (_, 0) => check(Outcome::NotYet, "not every member has given its hash".into()),
        (_, many) => check(
            Outcome::Fail,
            format!(
                "{} {} not hold the plan's snapshot {path} (its HashKV is {:08x})",
                names(&other),
                plural(many, "does", "do"),
                planned.hash
            ),
        )
        .who(other.iter().map(|m| m.name.as_str()))
        .todo(STOP)
        .todo(AGAIN),
    }
}

/// A member whose log is ahead of its leader's, which was asked later: with one log that cannot be.
fn ahead<'a>(case: Case<'a>) -> Option<(&'a Member, u64, &'a Member, u64)> {
    let ours = case.ours();
    let leader: Id = ours.iter().find(|(_, _, says)| says.has_leader()).map(|(_, _, says)| says.leader)?;
    let (leader, seen) = case.members().find(|(member, _)| member.id == leader)?;
    let Queried::Is(rows) = &seen.stored else { return None };
    if !super::own(case, leader, rows) {
        return None;
    }
    let mut far = ours.iter().filter(|(_, _, says)| says.raft_index > rows.committed && says.leader == leader.id);
    far.next().map(|(member, _, says)| (*member, says.raft_index, leader, rows.committed))
}
