//! The consistency of the rows, which no check of pages can see: a tree that lost a branch is a valid, smaller tree.
//!
//! What can be proven follows from how etcd writes (`server/storage/mvcc`):
//! - A transaction uses the next main revision only if it changes something, and each change writes a row: subs count
//!   from 0 without a gap. Lease revocations and range deletions do the same.
//! - A compaction at C removes no row above C, and for each key that is live at C keeps its newest row up to C. So
//!   above C no revision may be missing, and every put or deletion there follows a row that is still in the file.
//! - At or below C any row may be missing; a key that was lost there and not changed since leaves no trace, and neither
//!   does a lost end of the tree. Both are reported as not provable.
//!
//! The only row that breaks these rules is that of `snapshot restore --bump-revision`: an empty value at the compacted
//! revision that it sets. A store that `etcdctl migrate` filled from v2 data (3.4 and earlier) and that was never
//! compacted since has gaps as well; it is reported as damaged.

mod history;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};

use prost::Message;

use self::history::{History, Inconsistency, KeyHistoryChecker, Slips};
use super::live_keys::{Live, Past};
use crate::text::{
    number::{count, thousands},
    value::brief,
};
use crate::{
    bbolt::{self, ReadAt, View},
    etcd::{
        membership::Member,
        proto::{KeyValueRef, Lease, Role, User},
        revision::{Revision, RevisionKey},
        schema,
        version::Minor,
    },
};

/// The results of the check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// What etcd never writes: rows are lost or changed.
    pub errors: Vec<String>,
    /// What etcd can write, and an operator should know.
    pub warnings: Vec<String>,
    /// What the data proves.
    pub proven: Vec<String>,
    /// What the data cannot prove.
    pub unproven: Vec<String>,
}

/// The rows of `meta` that the check depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetaRows {
    /// The revision of the scheduled compaction.
    pub scheduled: Option<i64>,
    /// The revision of the finished compaction.
    pub finished: Option<i64>,
    /// The last applied raft index.
    pub consistent_index: Option<u64>,
    /// The term of that index (3.5 and later).
    pub term: Option<u64>,
    /// Rows that do not have the expected form, as sentences.
    pub broken: Vec<String>,
}

impl MetaRows {
    /// Reads them.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn read<R: ReadAt>(view: &View<R>) -> Result<MetaRows, bbolt::Error> {
        let mut marks = MetaRows::default();
        let Some(meta) = view.bucket(schema::META)? else { return Ok(marks) };
        let get = |name: &[u8]| view.get(&meta, name);
        let rows = [get(schema::SCHEDULED_COMPACT)?, get(schema::FINISHED_COMPACT)?];
        let numbers = [get(schema::CONSISTENT_INDEX)?, get(schema::TERM)?];
        let mut broken = |name: &[u8], value: &[u8], what: &str| {
            let (name, value) = (brief(name, 40), brief(value, 40));
            marks.broken.push(format!("bucket meta: {name} is not {what}: \"{value}\""));
        };
        let mut revision = |name: &[u8], value: &Option<Vec<u8>>| {
            let value = value.as_ref()?;
            let at = RevisionKey::parse(value).filter(|at| !at.tombstone).map(|at| at.revision.main);
            if at.is_none() {
                broken(name, value, "a revision");
            }
            at
        };
        let [scheduled, finished] = &rows;
        let found = (revision(schema::SCHEDULED_COMPACT, scheduled), revision(schema::FINISHED_COMPACT, finished));
        let mut number = |name: &[u8], value: &Option<Vec<u8>>| {
            let value = value.as_ref()?;
            let number = value.as_slice().try_into().ok().map(u64::from_be_bytes);
            if number.is_none() {
                broken(name, value, "eight bytes");
            }
            number
        };
        let [index, term] = &numbers;
        let counted = (number(schema::CONSISTENT_INDEX, index), number(schema::TERM, term));
        (marks.scheduled, marks.finished) = found;
        (marks.consistent_index, marks.term) = counted;
        Ok(marks)
    }

    /// Returns the revision up to which rows may be missing, -1 for none.
    pub fn compacted(&self) -> i64 {
        self.scheduled.into_iter().chain(self.finished).max().unwrap_or(-1)
    }
}

/// Checks all rows, given one by one in the order of the file.
///
/// It uses the memory of [`Live`].
#[derive(Debug)]
pub struct Checker {
    marks: MetaRows,
    compacted: i64,
    follower: KeyHistoryChecker,
    leases: HashSet<i64>,
    last: Option<Revision>,
    rows: u64,
    /// The first gap, the number of missing revisions, and the number of gaps.
    gap: Option<(i64, i64)>,
    missing: u64,
    gaps: u64,
    slips: Slips,
    buckets: HashSet<Vec<u8>>,
    auth_enabled: bool,
    /// Rows with unknown names in buckets whose row names are all known.
    strays: Vec<String>,
    /// Whether the store belongs to a later etcd than those that are known here, by its storage version.
    later: bool,
    users: HashSet<Vec<u8>>,
    roles: HashSet<Vec<u8>>,
    roles_named: Vec<(Vec<u8>, Vec<u8>)>,
    findings: Findings,
}

impl Checker {
    /// Creates a checker for a database with these rows of `meta`.
    pub fn new(marks: MetaRows) -> Checker {
        Checker {
            compacted: marks.compacted(),
            follower: KeyHistoryChecker::new(marks.compacted()),
            marks,
            leases: HashSet::new(),
            last: None,
            rows: 0,
            gap: None,
            missing: 0,
            gaps: 0,
            slips: Slips::default(),
            buckets: HashSet::new(),
            auth_enabled: false,
            strays: Vec::new(),
            later: false,
            users: HashSet::new(),
            roles: HashSet::new(),
            roles_named: Vec::new(),
            findings: Findings::default(),
        }
    }

    /// Adds a bucket.
    pub fn bucket(&mut self, name: &[u8]) {
        self.buckets.insert(name.into());
    }

    /// Adds a decoded row of `key`.
    pub fn key_row(&mut self, at: RevisionKey, kv: &KeyValueRef<'_>) {
        let main = at.revision.main;
        let kept = main > self.compacted;
        self.rows = self.rows.saturating_add(1);
        self.follows(at.revision, kept, kv.key);
        self.last = Some(at.revision);
        if !kept && !at.tombstone && *kv == KeyValueRef::default() {
            return; // the row of a revision bump
        }
        if kv.key.is_empty() {
            return self.slips.note(Inconsistency::NoKey, at.revision, kv.key);
        }
        let put = (!at.tombstone).then_some(Past { create: kv.create_revision, version: kv.version, lease: kv.lease });
        if let Some(Past { create, version, .. }) = put {
            if kv.mod_revision != main {
                self.slips.note(Inconsistency::ModRevision, at.revision, kv.key);
            }
            // A key changes at most once in a transaction, so its version cannot exceed its revisions.
            let ahead = main.saturating_sub(create);
            let fits = create > 0 && create <= main && version > 0 && version.saturating_sub(1) <= ahead;
            if !fits || (create == main) != (version == 1) {
                self.slips.note(Inconsistency::Numbers, at.revision, kv.key);
            }
        }
        self.follower.change(at.revision, kv.key, put);
    }

    /// Checks that a revision may follow the previous one.
    fn follows(&mut self, at: Revision, kept: bool, key: &[u8]) {
        if at.main < 2 {
            self.slips.note(Inconsistency::Early, at, key);
        }
        if !kept {
            return;
        }
        match self.last {
            Some(last) if last == at => self.slips.note(Inconsistency::Twice, at, key),
            Some(last) if last.main == at.main => {
                if last.sub.saturating_add(1) != at.sub {
                    self.slips.note(Inconsistency::Sub, at, key);
                }
            }
            last => {
                let before = last.map_or(1, |last| last.main).max(self.compacted).max(1);
                let next = before.saturating_add(1);
                if at.main > next {
                    self.gap.get_or_insert((next, at.main.saturating_sub(1)));
                    self.missing = self.missing.saturating_add(at.main.abs_diff(next));
                    self.gaps = self.gaps.saturating_add(1);
                }
                if at.sub != 0 {
                    self.slips.note(Inconsistency::Sub, at, key);
                }
            }
        }
    }

    /// Adds a row of any other bucket. A row that etcd could not decode is an error.
    pub fn other_row(&mut self, bucket: &[u8], key: &[u8], value: &[u8]) {
        match bucket {
            schema::LEASE => match Lease::decode(value) {
                Ok(lease) => {
                    if key != lease.id.to_be_bytes() {
                        let at = brief(key, 40);
                        self.findings.errors.push(format!("bucket lease: row \"{at}\" has lease {:x}", lease.id));
                    }
                    self.leases.insert(lease.id);
                }
                Err(_) => self.undecoded("lease", key),
            },
            schema::AUTH_USERS => match User::decode(value) {
                Ok(user) => {
                    self.named("authUsers", key, &user.name);
                    self.roles_named.extend(user.roles.into_iter().map(|role| (key.to_vec(), role.into_bytes())));
                    self.users.insert(key.into());
                }
                Err(_) => self.undecoded("authUsers", key),
            },
            schema::AUTH_ROLES => match Role::decode(value) {
                Ok(role) => {
                    self.named("authRoles", key, &role.name);
                    self.roles.insert(key.into());
                }
                Err(_) => self.undecoded("authRoles", key),
            },
            schema::AUTH if key == schema::AUTH_ENABLED => self.auth_enabled = value == [1],
            schema::MEMBERS_REMOVED => {
                let id = std::str::from_utf8(key).ok().and_then(|id| u64::from_str_radix(id, 16).ok());
                if value != b"removed" || id.is_none() {
                    self.undecoded("members_removed", key);
                }
            }
            schema::ALARM if !value.is_empty() => self.undecoded("alarm", key),
            schema::META if key == schema::STORAGE_VERSION => {
                let is_version = value.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
                let known = std::str::from_utf8(value).is_ok_and(|text| text.parse::<Minor>().is_ok());
                self.later = is_version && !known;
            }
            schema::AUTH | schema::CLUSTER | schema::META if !schema::is_row(bucket, key) && self.strays.len() < 20 => {
                let words = format!("bucket {}: row \"{}\" is not an etcd row", bucket.escape_ascii(), brief(key, 40));
                self.strays.push(words);
            }
            schema::MEMBERS => {
                if let Ok(member) = Member::from_json(value)
                    && key != format!("{:x}", member.id).as_bytes()
                {
                    let at = brief(key, 40);
                    self.findings.errors.push(format!("bucket members: row \"{at}\" has member {:x}", member.id));
                }
            }
            _ => {}
        }
    }

    /// Returns the results, and the number of live keys without the row of a revision bump.
    pub fn finish(mut self) -> (Findings, u64) {
        let follower = std::mem::replace(&mut self.follower, KeyHistoryChecker::new(-1));
        let History { live, slips, .. } = follower.finish();
        self.lost_rows(slips);
        self.buckets_and_marks();
        self.leases_and_users(&live);
        self.proof();
        (self.findings, live.count())
    }

    fn lost_rows(&mut self, of_keys: Slips) {
        if let Some((from, to)) = self.gap {
            let above = match self.compacted {
                ..=1 => "the store was never compacted".to_string(),
                at => format!("the compacted revision is {}", grouped(at)),
            };
            let first = if from == to { grouped(from) } else { format!("{} to {}", grouped(from), grouped(to)) };
            self.findings.errors.push(format!(
                "bucket key: {} no rows, the first is {first}; {above}, so rows are lost",
                if self.missing == 1 {
                    "1 revision has".to_string()
                } else {
                    format!("{} revisions in {} have", thousands(self.missing), count(self.gaps, "gap", "gaps"))
                },
            ));
        }
        for (slip, count, first) in std::mem::take(&mut self.slips).with(of_keys) {
            let rows = crate::text::number::count(count, "row", "rows");
            let list =
                if slip == Inconsistency::Early { &mut self.findings.warnings } else { &mut self.findings.errors };
            list.push(format!("bucket key: {}: {rows}, the first is {first}", slip.words()));
        }
    }

    fn buckets_and_marks(&mut self) {
        let findings = &mut self.findings;
        for name in schema::ALL.into_iter().filter(|name| !self.buckets.contains(*name)) {
            let words = format!("bucket {} is missing; every etcd creates it when it starts", name.escape_ascii());
            findings.errors.push(words);
        }
        for name in self.buckets.iter().filter(|name| !schema::is_known(name)) {
            findings.warnings.push(format!("bucket {} is not an etcd bucket; it is kept unchanged", brief(name, 60)));
        }
        findings.errors.append(&mut self.marks.broken);
        // A later etcd may have rows that are unknown here.
        if self.later { &mut findings.warnings } else { &mut findings.errors }.append(&mut self.strays);
        if self.buckets.contains(schema::META) && self.marks.consistent_index.unwrap_or(0) == 0 {
            findings.warnings.push(
                "bucket meta: consistent_index is missing, so etcd would apply its whole log again; a restore sets it"
                    .into(),
            );
        }
        if let (Some(scheduled), Some(finished)) = (self.marks.scheduled, self.marks.finished)
            && finished > scheduled
        {
            findings.warnings.push(format!(
                "bucket meta: the finished compaction is at {}, but the scheduled one is at {}",
                grouped(finished),
                grouped(scheduled)
            ));
        }
        if let Some(index) = self.marks.consistent_index.filter(|index| *index > 100)
            && self.rows == 0
            && self.compacted < 0
        {
            findings.warnings.push(format!(
                "there are no keys, although {} log entries were applied: either nothing was ever written to this cluster, or \
                 all keys are lost",
                thousands(index)
            ));
        }
    }

    fn leases_and_users(&mut self, live: &Live) {
        let mut gone: BTreeMap<i64, u64> = BTreeMap::new();
        for past in live.all().filter(|past| past.lease != 0 && !self.leases.contains(&past.lease)) {
            let keys = gone.entry(past.lease).or_default();
            *keys = keys.saturating_add(1);
        }
        if let Some((first, _)) = gone.first_key_value() {
            let keys: u64 = gone.values().sum();
            self.findings.warnings.push(format!(
                "{} attached to {} no row in bucket lease (the first is {first:x}); such keys never expire",
                if keys == 1 { "1 live key is".to_string() } else { format!("{} live keys are", thousands(keys)) },
                if gone.len() == 1 { "a lease that has".into() } else { format!("{} leases that have", gone.len()) },
            ));
        }
        // etcd has the role root without a row.
        let missing = |role: &Vec<u8>| role != b"root" && !self.roles.contains(role);
        for (user, role) in self.roles_named.iter().filter(|(_, role)| missing(role)).take(10) {
            self.findings.warnings.push(format!(
                "user {} has the role {}, which does not exist",
                brief(user, 60),
                brief(role, 60)
            ));
        }
        if self.auth_enabled && !self.users.contains(&b"root"[..]) {
            self.findings.warnings.push("authentication is enabled, but there is no user root to disable it".into());
        }
    }

    fn proof(&mut self) {
        let findings = &mut self.findings;
        let last = self.last.map_or(0, |last| last.main);
        // No revision follows the highest possible one.
        let from = self.compacted.max(1).checked_add(1).filter(|from| last >= *from);
        if let Some(from) = from.filter(|_| findings.errors.is_empty()) {
            findings.proven.push(format!(
                "every revision from {} to {} has all its rows, and each row is consistent with the previous row of its key",
                grouped(from),
                grouped(last)
            ));
        }
        if self.compacted > 1 {
            findings.unproven.push(format!(
                "whether a key that was last changed at revision {} or earlier is lost (compacted: the loss would leave no \
                 trace)",
                grouped(self.compacted)
            ));
        }
        let end = last.max(self.compacted).max(1);
        findings.unproven.push(format!("whether anything was written after revision {}", grouped(end)));
    }

    /// Checks that a user or a role is stored under its own name.
    fn named(&mut self, bucket: &str, key: &[u8], name: &[u8]) {
        if key != name {
            let (key, name) = (brief(key, 40), brief(name, 40));
            self.findings.errors.push(format!("bucket {bucket}: row \"{key}\" has the name \"{name}\""));
        }
    }

    fn undecoded(&mut self, bucket: &str, key: &[u8]) {
        if self.findings.errors.len() < 20 {
            self.findings.errors.push(format!("bucket {bucket}: cannot decode row \"{}\"", brief(key, 40)));
        }
    }
}

fn grouped(revision: i64) -> String {
    if revision < 0 { revision.to_string() } else { thousands(revision.unsigned_abs()) }
}
