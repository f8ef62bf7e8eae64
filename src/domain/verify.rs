//! Did it work? From the plan and what was seen of the cluster that was started from it to one [`Verification`]: checks
//! with their outcomes and messages, a verdict, and the next steps.
//!
//! A check covers what can be determined now. A difference is reported with what it means and the member's name; what
//! cannot be determined is never treated as right.

mod bump;
mod clock;
mod data;
mod follow_up;
mod health;
mod identity;
mod members;
mod queries;
mod settings;
mod source;
mod stored;
#[cfg(test)]
pub(crate) mod tests;
mod urls;
mod verdict;

use std::borrow::Cow;

pub use identity::old_doors;
pub use queries::{Question, again, questions};
use serde::Serialize;

use super::model::{
    observations::{
        Answer, MemberStatus,
        rows::StoredRows,
        started::{Data, Observed, ObservedMember, Queried},
    },
    plan::{Member, Plan},
};
use crate::etcd::membership::Id;
use crate::text::{
    join::all,
    number::{plural, thousands},
};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is as planned.
    Pass,
    /// It is not.
    Fail,
    /// It may still come.
    NotYet,
    /// It cannot be determined, and waiting does not change that.
    Unknown,
}

impl Outcome {
    /// Returns its label, at most eight characters.
    pub fn words(self) -> &'static str {
        match self {
            Outcome::Pass => "PASS",
            Outcome::Fail => "FAIL",
            Outcome::NotYet => "not yet",
            Outcome::Unknown => "unknown",
        }
    }

    /// Returns its glyph.
    pub fn mark(self) -> char {
        match self {
            Outcome::Pass => '✔',
            Outcome::Fail => '✖',
            Outcome::NotYet => '…',
            Outcome::Unknown => '!',
        }
    }
}

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Cluster and member IDs.
    Identity,
    /// Who is a member.
    Members,
    /// Who leads.
    Leader,
    /// Whether a linearizable read is served.
    Reads,
    /// Whether members are at the revision to which the same log leads from the plan's.
    Revision,
    /// Whether members hold the same keys.
    Hash,
    /// Whether these are the snapshot's.
    Snapshot,
    /// Leases.
    Leases,
    /// Authentication, users and roles.
    Auth,
    /// What else members store besides keys.
    Rows,
    /// Clocks.
    Clock,
    /// Alarms.
    Alarms,
    /// Size against quota.
    Quota,
    /// Versions.
    Version,
    /// Client URLs that members advertise.
    Urls,
    /// How members were started.
    Settings,
    /// The old cluster.
    Old,
    /// The directories on this machine.
    Directories,
    /// Put, get, delete.
    Canary,
    /// Watches from before a bump.
    Watch,
    /// Whether revisions are given out twice.
    Bump,
}

impl Topic {
    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Topic::Identity => "IDs",
            Topic::Members => "members",
            Topic::Leader => "leader",
            Topic::Reads => "reads",
            Topic::Revision => "revision",
            Topic::Hash => "HashKV",
            Topic::Snapshot => "snapshot",
            Topic::Leases => "leases",
            Topic::Auth => "users",
            Topic::Rows => "other rows",
            Topic::Clock => "clocks",
            Topic::Alarms => "alarms",
            Topic::Quota => "quota",
            Topic::Version => "version",
            Topic::Urls => "client URLs",
            Topic::Settings => "settings",
            Topic::Old => "old cluster",
            Topic::Directories => "directories",
            Topic::Canary => "writes",
            Topic::Watch => "watches",
            Topic::Bump => "bump",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is about.
    pub topic: Topic,
    /// How it came out.
    pub outcome: Outcome,
    /// Whether there is no proof without it. A failure counts in any case.
    pub needed: bool,
    /// What was seen, in words without a full stop.
    pub words: String,
    /// What that means and what to do, sentences; empty where nothing is to be done.
    pub todo: Vec<String>,
    /// The members that fail it, by name; none where it is about all of them.
    pub who: Vec<String>,
}

impl Check {
    fn new(topic: Topic, outcome: Outcome, words: impl Into<String>) -> Check {
        Check { topic, outcome, needed: true, words: words.into(), todo: Vec::new(), who: Vec::new() }
    }

    fn todo(mut self, todo: impl Into<String>) -> Check {
        self.todo.push(todo.into());
        self
    }

    /// That these members fail it.
    fn who<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Check {
        for name in names {
            if !self.who.iter().any(|known| known == name) {
                self.who.push(name.into());
            }
        }
        self
    }

    /// One without which a proof is one all the same.
    fn aside(self) -> Check {
        Check { needed: false, ..self }
    }
}

/// One member in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemberCheck {
    /// Its name.
    pub name: String,
    /// The client URL that was asked.
    pub endpoint: String,
    /// Its state.
    pub outcome: Outcome,
    /// The same in words without a full stop.
    pub words: String,
    /// Its role and version, where it runs.
    #[serde(skip)]
    pub brief: Option<String>,
    /// True where a linearizable read through it was served.
    #[serde(skip)]
    pub serves: bool,
    /// Its revision, where it reported one.
    #[serde(skip)]
    pub revision: Option<i64>,
    /// Its hash at the plan's revision, where it returned one.
    #[serde(skip)]
    pub hash: Option<u32>,
}

/// A next step for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Next {
    /// What, a sentence.
    pub what: String,
    /// The command for it; empty without one.
    pub command: String,
}

/// What all checks amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyResult {
    /// Something may still come.
    Waiting,
    /// Everything that is needed for it is as planned.
    Proven,
    /// The same, of members that are only played: no proof.
    Agree,
    /// Something is not as planned.
    Failed,
    /// No error was found, but something needed could not be verified.
    Unproven,
}

impl VerifyResult {
    /// The exit code of `requorum verify`: 0 proven (or played and agreeing), 16 failed, 17 not proven.
    pub fn exit_code(self) -> u8 {
        match self {
            VerifyResult::Proven | VerifyResult::Agree => 0,
            VerifyResult::Failed => 16,
            VerifyResult::Waiting | VerifyResult::Unproven => 17,
        }
    }

    /// Returns its glyph.
    pub fn mark(self) -> char {
        match self {
            VerifyResult::Proven | VerifyResult::Agree => '✔',
            VerifyResult::Failed => '✖',
            VerifyResult::Waiting => '…',
            VerifyResult::Unproven => '!',
        }
    }
}

/// The evidence that a recovery worked, or what speaks against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The plan's short ID.
    pub plan: String,
    /// What the operator calls the cluster.
    pub label: String,
    /// The cluster's planned ID.
    pub cluster_id: Id,
    /// What all of it amounts to.
    pub verdict: VerifyResult,
    /// The verdict in one or two sentences.
    pub sentence: String,
    /// True where the members were only played.
    pub simulated: bool,
    /// The members.
    pub members: Vec<MemberCheck>,
    /// The checks.
    pub checks: Vec<Check>,
    /// Next steps.
    pub next: Vec<Next>,
}

impl Verification {
    /// True when waiting alone cannot change the verdict for the better: with something wrong, what is still to come of
    /// members that are up does not matter.
    pub fn settled(&self) -> bool {
        match self.verdict {
            VerifyResult::Proven | VerifyResult::Agree | VerifyResult::Unproven => true,
            VerifyResult::Waiting => false,
            VerifyResult::Failed => self.members.iter().all(|member| member.outcome != Outcome::NotYet),
        }
    }

    /// How many members serve.
    pub fn serving(&self) -> usize {
        self.members.iter().filter(|member| member.serves).count()
    }

    /// Returns whether the cluster serves, in one sentence: the first that is asked for. It is about service alone, not
    /// about the data.
    pub fn service(&self) -> String {
        let (serving, count) = (self.serving(), self.members.len());
        let members = plural(count, "member", "members");
        let played = if self.simulated { " (simulated members)" } else { "" };
        let missing = |member: &&MemberCheck| !member.serves;
        let missing: Vec<String> = self.members.iter().filter(missing).map(|member| member.name.clone()).collect();
        match serving {
            0 => format!("The cluster does not serve yet: 0 of {count} {members}{played}."),
            all if all == count => format!("The cluster serves again: {count} of {count} {members}{played}."),
            some => format!(
                "The cluster serves again: {some} of {count} {members}{played}; still missing: {}.",
                all(&missing)
            ),
        }
    }

    /// The check about `topic`, where there is one.
    pub fn check(&self, topic: Topic) -> Option<&Check> {
        self.checks.iter().find(|check| check.topic == topic)
    }
}

/// The plan and what was seen, as every check needs it.
#[derive(Clone, Copy)]
struct Case<'a> {
    plan: &'a Plan,
    seen: &'a Observed,
}

/// A member that answers, with what it says.
type Ours<'a> = (&'a Member, &'a ObservedMember, &'a MemberStatus);

impl<'a> Case<'a> {
    fn members(self) -> impl Iterator<Item = (&'a Member, &'a ObservedMember)> {
        self.plan.members.iter().zip(&self.seen.members)
    }

    /// The members that answer at their client ports and are who they are to be.
    fn ours(self) -> Vec<Ours<'a>> {
        let answers = self.members().filter_map(|(member, seen)| Some((member, seen, says(seen)?)));
        answers.filter(|(m, _, s)| open(s) && identity::planned(self.plan, m, s)).collect()
    }

    /// Returns those of the plan that are not among [`ours`](Self::ours), by name.
    fn others(self) -> Vec<String> {
        let ours = self.ours();
        let here = |name: &str| ours.iter().any(|(m, _, _)| m.name == name);
        self.plan.members.iter().filter(|m| !here(&m.name)).map(|m| m.name.clone()).collect()
    }

    /// `PASS` only where every member of the plan was heard.
    fn passed(self) -> Outcome {
        if self.others().is_empty() { Outcome::Pass } else { Outcome::NotYet }
    }

    /// The members' client URLs, as etcdctl takes them.
    fn endpoints(self) -> String {
        let urls: Vec<&str> = self.plan.members.iter().flat_map(|m| m.client_urls.iter().map(String::as_str)).collect();
        urls.join(",")
    }
}

/// Returns true where a member reported its status. With authentication enabled it may refuse that without a user.
fn open(says: &MemberStatus) -> bool {
    says.closed.is_none() && !says.version.is_empty()
}

fn says(seen: &ObservedMember) -> Option<&MemberStatus> {
    match &seen.answer {
        Answer::Says(says) => Some(says),
        _ => None,
    }
}

/// A count as a revision is shown.
fn shown(revision: i64) -> String {
    thousands(revision.unsigned_abs())
}

fn names(items: &[&Member]) -> String {
    all(&items.iter().map(|m| m.name.clone()).collect::<Vec<_>>())
}

/// The plan with the newest revision that is known of the old cluster, which a run may have seen later.
fn with_seen<'a>(plan: &'a Plan, seen: &Observed) -> Cow<'a, Plan> {
    let known = plan.revisions.newest.as_ref().map_or(plan.source.revision, |known| known.revision);
    match seen.old.newest.as_ref().filter(|newest| newest.revision > known) {
        Some(newest) => {
            let mut plan = plan.clone();
            plan.revisions.newest = Some(newest.clone());
            Cow::Owned(plan)
        }
        None => Cow::Borrowed(plan),
    }
}

/// Checks everything that was seen against the plan. `data` is what the snapshot shows about the next steps.
pub fn check(plan: &Plan, seen: &Observed, data: &Queried<Data>) -> Verification {
    let id = plan.short_id();
    let plan = &*with_seen(plan, seen);
    let case = Case { plan, seen };
    let mut checks: Vec<Check> = vec![
        identity::ids(case),
        members::members(case),
        members::leader(case),
        members::reads(case),
        data::revision(case),
        data::hash(case),
        data::snapshot(case),
    ];
    checks.extend(stored::checks(case));
    checks.extend([health::alarms(case), health::quota(case), health::version(case), clock::clocks(case)]);
    checks.extend(urls::urls(case));
    checks.extend(settings::settings(case));
    checks.extend(identity::old(case));
    checks.extend(identity::directories(case));
    checks.extend(health::watch(case));
    checks.extend(bump::bump(case, data));
    let wrong = checks.iter().any(|check| check.outcome == Outcome::Fail);
    checks.extend(health::canary(case, wrong));
    let mut told: Vec<String> = Vec::new();
    for check in &mut checks {
        check.todo.retain(|todo| !told.contains(todo));
        told.extend(check.todo.iter().cloned());
    }
    let verdict = verdict::evaluate(seen, &checks);
    let mut stands: Vec<MemberCheck> =
        case.members().map(|(member, seen)| members::stand(case, member, seen)).collect();
    for stand in &mut stands {
        // what runs as if nothing were wrong is no reason for a tick
        let fails = |check: &Check| check.outcome == Outcome::Fail && check.who.contains(&stand.name);
        if let Some(check) = checks.iter().find(|check| fails(check)).filter(|_| stand.outcome == Outcome::Pass) {
            stand.outcome = Outcome::Fail;
            stand.words = format!("wrong {}; {}", check.topic.title(), stand.words);
        }
    }
    Verification {
        plan: id,
        label: plan.label.clone(),
        cluster_id: plan.cluster_id,
        verdict,
        sentence: verdict::sentence(case, verdict, &stands, &checks),
        simulated: seen.simulated,
        members: stands,
        next: follow_up::next(case, data),
        checks,
    }
}

/// Whether the rows of this reading are the member's own.
fn own(case: Case<'_>, member: &Member, rows: &StoredRows) -> bool {
    (rows.cluster_id, rows.member_id) == (case.plan.cluster_id, member.id)
}

/// So many rows of a kind are named before the rest is counted.
const NAMED: usize = 3;

fn some(items: &[String]) -> String {
    match items.len().saturating_sub(NAMED) {
        0 => all(items),
        more => {
            let first: Vec<String> = items.iter().take(NAMED).cloned().collect();
            format!("{} and {} more", first.join(", "), thousands(more as u64))
        }
    }
}
