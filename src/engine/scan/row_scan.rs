//! One scan of every row of a database: etcdutl's status figures, and what a restore keeps.

mod damage;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use prost::Message;

pub use self::damage::accept_hint;
use self::damage::foreign;
use super::{
    clients::Clients,
    mvcc_check::{self, Findings, MetaRows},
    orphan_pages, outside,
};
use crate::engine::{
    progress::{Phase, ProgressFn},
    source::step,
};
use crate::{
    bbolt::{self, FreeList, PageSet, Part, ReadAt, Row, View},
    domain::model::{
        observations::{Content, DamagedPart, KnownMember, LimitedDamage},
        revisions::Client,
    },
    error::Error,
    etcd::{
        membership::{Id, Member},
        proto::{AlarmMember, KeyValueRef},
        revision::{Revision, RevisionKey},
        schema,
    },
    text::Foreign,
};

/// The result of a scan of all rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowScan {
    /// etcdutl's status hash: CRC-32C over bucket names, keys and values.
    pub hash: u32,
    /// Rows of all buckets.
    pub rows: u64,
    /// The last revision in the `key` bucket; zero if it is empty.
    pub last: Revision,
    /// Live keys: those whose last row is not a tombstone.
    pub keys: u64,
    /// Each bucket by name: its rows and the CRC-32C over them.
    pub buckets: Vec<BucketSum>,
    /// The members in it.
    pub members: Vec<KnownMember>,
    /// Everything else that a restore keeps.
    pub content: Content,
    /// The revision up to which it is compacted, -1 for none.
    pub compacted: i64,
    /// The results of the consistency check.
    pub findings: Findings,
    /// The pages in use; set by [`inspect`] only.
    pub in_use: PageSet,
    /// Pages in use and free.
    pub pages: Pages,
    /// Damage that leaves every row readable: of one meta page if the other, which is used, is intact, and of the
    /// freelist. Each with a sentence.
    pub limited: Vec<(DamagedPart, String)>,
}

/// How the pages up to the high-water mark are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pages {
    /// Bytes per page.
    pub bytes: u32,
    /// All of them.
    pub all: u64,
    /// The free ones.
    pub free: u64,
}

/// The totals of one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSum {
    /// The bucket's name.
    pub name: Vec<u8>,
    /// How many rows it has.
    pub rows: u64,
    /// CRC-32C over all keys and values.
    pub crc: u32,
}

/// Why a scan failed.
#[derive(Debug)]
pub enum ScanError {
    /// The database is damaged.
    Damaged(String),
    /// It is a database of another program, described in a clause.
    Foreign(String),
    /// It is damaged where no row is affected, and that was not accepted, or accepted at another revision.
    Limited {
        /// What is damaged, and what is intact.
        why: String,
        /// The last revision of what can be read.
        revision: i64,
    },
    /// `watch` requested a stop.
    Stopped(Error),
}

impl From<bbolt::Error> for ScanError {
    fn from(error: bbolt::Error) -> Self {
        ScanError::Damaged(error.to_string())
    }
}

/// Scans every row, without a check of the page structure.
///
/// # Errors
/// The first page that cannot be read, or the first row that etcd could not decode either.
pub fn walk<R: ReadAt>(view: &View<R>, watch: &mut ProgressFn<'_>) -> std::result::Result<RowScan, ScanError> {
    let mut tally = Tally::new(MetaRows::read(view)?);
    let total = view.used_bytes();
    let (mut read, mut told) = (0u64, 0u64);
    for (name, bucket) in view.buckets()? {
        let mut rows = view.cursor(&bucket);
        while let Some(row) = rows.next()? {
            tally.row(&name, row);
            read = read.saturating_add(row.both.len() as u64);
            if read.saturating_sub(told) >= STEP_BYTES {
                told = read;
                step(watch, Phase::Check, read.min(total), total).map_err(ScanError::Stopped)?;
            }
        }
    }
    tally.finish(view)
}

/// Bytes that are read between two progress steps.
const STEP_BYTES: u64 = 1 << 20;

/// Sums up rows as they are read: those of a bucket together and in order, the buckets in any order.
struct Tally {
    found: RowScan,
    meaning: mvcc_check::Checker,
    /// The clients that depend on revisions.
    clients: Clients,
    /// Whether a live row has an empty key: the row of a bumped revision, which counts as a key.
    nameless: bool,
    /// Bytes of the keys and values of each bucket in `found`.
    bytes: Vec<usize>,
    /// By bucket, the first row that etcd could not decode.
    faults: BTreeMap<Vec<u8>, String>,
}

impl Tally {
    fn new(marks: MetaRows) -> Tally {
        let found = RowScan { compacted: marks.compacted(), ..RowScan::default() };
        let meaning = mvcc_check::Checker::new(marks);
        Tally {
            found,
            meaning,
            clients: Clients::default(),
            nameless: false,
            bytes: Vec::new(),
            faults: BTreeMap::new(),
        }
    }

    fn row(&mut self, bucket: &[u8], row: Row<'_>) {
        if self.found.buckets.last().is_none_or(|sum| sum.name != bucket) {
            self.found.buckets.push(BucketSum { name: bucket.to_vec(), rows: 0, crc: 0 });
            self.bytes.push(0);
            self.meaning.bucket(bucket);
        }
        if let (Some(sum), Some(bytes)) = (self.found.buckets.last_mut(), self.bytes.last_mut()) {
            sum.crc = crc32c::crc32c_append(sum.crc, row.both);
            sum.rows = sum.rows.saturating_add(1);
            *bytes = bytes.saturating_add(row.both.len());
        }
        let decoded = if bucket == schema::KEY {
            self.key_row(row.key, row.value)
        } else {
            self.meaning.other_row(bucket, row.key, row.value);
            other_row(&mut self.found, bucket, row.key, row.value)
        };
        if let Err(fault) = decoded {
            self.faults.entry(bucket.to_vec()).or_insert(fault);
        }
    }

    /// Sorts the buckets by name, including those without rows, and computes the totals.
    fn finish<R: ReadAt>(mut self, view: &View<R>) -> std::result::Result<RowScan, ScanError> {
        if let Some((_, fault)) = self.faults.pop_first() {
            return Err(ScanError::Damaged(fault));
        }
        let mut sums: BTreeMap<Vec<u8>, (BucketSum, usize)> =
            self.found.buckets.drain(..).zip(self.bytes).map(|(sum, bytes)| (sum.name.clone(), (sum, bytes))).collect();
        for (name, _) in view.buckets()? {
            let empty = || (BucketSum { name: name.clone(), rows: 0, crc: 0 }, 0);
            let (sum, bytes) = sums.remove(&name).unwrap_or_else(empty);
            let hash = crc32c::crc32c_append(self.found.hash, &name);
            self.found.hash = crc32c::crc32c_combine(hash, sum.crc, bytes);
            self.found.rows = self.found.rows.saturating_add(sum.rows);
            self.found.buckets.push(sum);
            self.meaning.bucket(&name);
        }
        if !self.found.buckets.iter().any(|b| schema::is_known(&b.name)) {
            let names: Vec<String> =
                self.found.buckets.iter().take(3).map(|b| b.name.escape_ascii().to_string()).collect();
            let whose = self.found.buckets.iter().find_map(|bucket| foreign(&bucket.name));
            let whose = whose.map(|whose| format!(" (perhaps {whose})")).unwrap_or_default();
            return Err(ScanError::Foreign(match names.as_slice() {
                [] => "it is a bbolt database without buckets, so not etcd's".into(),
                [only] => format!("it is a bbolt database of another program{whose}: its only bucket is {only}"),
                names => format!(
                    "it is a bbolt database of another program{whose}: it has no etcd bucket; the first buckets are {}",
                    names.join(", ")
                ),
            }));
        }
        let (findings, live) = self.meaning.finish();
        self.found.keys = live.saturating_add(self.nameless.into());
        (self.found.content.clients, self.found.content.past_clients) = self.clients.finish(view)?;
        self.found.content.kubernetes = self.found.content.clients.contains(&Client::Kubernetes)
            && !self.found.content.past_clients.contains(&Client::Kubernetes);
        self.found.findings = findings;
        Ok(self.found)
    }

    fn key_row(&mut self, key: &[u8], value: &[u8]) -> std::result::Result<(), String> {
        let Some(at) = RevisionKey::parse(key) else {
            return Err(format!("bucket key: {} is not a revision", key.escape_ascii()));
        };
        let Some(kv) = KeyValueRef::parse(value) else {
            return Err(format!("bucket key: the value at revision {} does not decode", at.revision.main));
        };
        self.found.last = at.revision;
        self.meaning.key_row(at, &kv);
        self.clients.row(&kv, at.tombstone);
        if kv.key.is_empty() {
            self.nameless = !at.tombstone;
        }
        Ok(())
    }
}

fn other_row(found: &mut RowScan, bucket: &[u8], key: &[u8], value: &[u8]) -> std::result::Result<(), String> {
    let content = &mut found.content;
    let text = |bytes: &[u8]| String::from(Foreign::from_bytes(bytes));
    let urls = |urls: Vec<String>| urls.into_iter().map(Foreign::from).collect();
    match bucket {
        schema::MEMBERS => {
            let m = Member::from_json(value)?;
            let (id, is_learner) = (Id(m.id), m.is_learner);
            let known = KnownMember {
                id,
                name: m.name.into(),
                peer_urls: urls(m.peer_urls),
                client_urls: urls(m.client_urls),
                is_learner,
            };
            found.members.push(known);
        }
        schema::MEMBERS_REMOVED => {
            content.removed.extend(std::str::from_utf8(key).ok().and_then(|id| id.parse::<Id>().ok()));
        }
        schema::LEASE => content.leases = content.leases.saturating_add(1),
        schema::ALARM => {
            let alarm = AlarmMember::decode(key).map_err(|_| "bucket alarm: a row does not decode".to_string())?;
            content.alarms.push(alarm.words());
        }
        schema::AUTH_USERS => content.users = content.users.saturating_add(1),
        schema::AUTH if key == schema::AUTH_ENABLED => content.auth_enabled = value == [1],
        schema::META if key == schema::STORAGE_VERSION => content.storage_version = text(value),
        schema::CLUSTER if key == schema::CLUSTER_VERSION => content.cluster_version = text(value),
        schema::CLUSTER if key == schema::DOWNGRADE => {
            let json: serde_json::Value = serde_json::from_slice(value).unwrap_or_default();
            content.downgrading = json.get("enabled").and_then(|v| v.as_bool()).unwrap_or_default();
        }
        _ => {}
    }
    Ok(())
}

/// Checks the pages and scans their rows, reading each page once: everything that must hold before a file is restored.
///
/// # Errors
/// [`ScanError::Damaged`] with a sentence that names the first damage and the number of others.
pub fn check_and_walk<R: ReadAt>(
    view: &View<R>,
    watch: &mut ProgressFn<'_>,
) -> std::result::Result<RowScan, ScanError> {
    check_and_accept(view, None, watch)
}

/// As [`check_and_walk`], for a file whose damaged meta page or freelist the operator may have accepted by entering the
/// revision of the readable state.
///
/// # Errors
/// As there; [`ScanError::Limited`] for such damage if it was not accepted.
pub fn check_and_accept<R: ReadAt>(
    view: &View<R>,
    accepted: Option<i64>,
    watch: &mut ProgressFn<'_>,
) -> std::result::Result<RowScan, ScanError> {
    let walk = inspect(view, watch)?;
    match (walk.acceptable(false), walk.damage()) {
        (Some(damage), _) if accepted == Some(damage.revision) => Ok(walk),
        (Some(LimitedDamage { why, revision, .. }), _) => Err(ScanError::Limited { why, revision }),
        (None, Some(damage)) => Err(ScanError::Damaged(damage)),
        (None, None) => Ok(walk),
    }
}

/// As [`check_and_walk`], to show what a damaged file still contains: damage of one meta page and inconsistent rows are
/// part of the result.
///
/// # Errors
/// If pages or rows cannot be read.
pub fn inspect<R: ReadAt>(view: &View<R>, watch: &mut ProgressFn<'_>) -> std::result::Result<RowScan, ScanError> {
    let page = u64::from(view.page_size());
    let (mut stopped, mut reported, mut tally) = (None, 0, Tally::new(MetaRows::read(view)?));
    let mut each = |done: u64, of: u64| {
        let done = done.saturating_mul(page);
        if done.saturating_sub(reported) >= STEP_BYTES || done == of.saturating_mul(page) {
            reported = done;
            stopped = step(watch, Phase::Check, done, of.saturating_mul(page)).err();
        }
        stopped.is_none()
    };
    let report = bbolt::check_rows(view, &mut each, &mut |bucket, row| tally.row(bucket, row));
    if let Some(trouble) = stopped {
        return Err(ScanError::Stopped(trouble));
    }
    let report = report?;
    let and_more = |first: &bbolt::Error, all: u64| match all {
        0 | 1 => first.to_string(),
        all => format!("{first} (and {} more)", all.saturating_sub(1)),
    };
    let number = |shown: usize| (shown as u64).saturating_add(report.more);
    let of_list = report.about(Part::FreeList).count();
    if let Some(first) = report.about(Part::Tree).next() {
        return Err(ScanError::Damaged(and_more(first, number(report.problems.len()))));
    }
    let mut found = tally.finish(view)?;
    if let Some(first) = report.about(Part::Meta).next() {
        let newer = view.fell_back();
        let more = report.about(Part::Meta).count() as u64;
        found.limited.push(if view.metas().iter().all(|meta| meta.is_ok()) {
            // bbolt ignores the page header and uses the meta with the higher transaction ID, wherever that is.
            let why = and_more(first, more);
            let words =
                format!("the page header of a meta page is damaged ({why}), so the newer of the two states is used");
            (DamagedPart::MetaPage, words)
        } else if newer && view.damaged_meta_agrees() {
            let words = "the newer of its two meta pages is damaged";
            let why = and_more(first, more);
            (DamagedPart::MetaPage, format!("{words} ({why}); both have the same root page, so the other one is used"))
        } else if newer {
            let words = "the newer of its two meta pages is damaged";
            (
                DamagedPart::NewerMetaPage,
                format!("{words} ({}), so the state before the last transaction is used", and_more(first, more)),
            )
        } else {
            (
                DamagedPart::MetaPage,
                format!("a meta page is damaged ({}), so the other one is used", and_more(first, more)),
            )
        });
    }
    if let Some(first) = report.about(Part::FreeList).next() {
        let why = and_more(first, number(of_list));
        let part = if report.list_harms { DamagedPart::FreeList } else { DamagedPart::LeakedPages };
        let words = match report.free_list {
            FreeList::Contradicts => {
                let outside = outside::find_rows(view, &report.unaccounted, found.last, found.compacted)?;
                let auth = found.content.auth_enabled;
                found.findings.proven.retain(|_| outside.lost.is_none());
                found.findings.errors.extend(outside.refusal(auth));
                let rows = outside.words().map(|words| format!("; {words}")).unwrap_or_default();
                format!(
                    "every page of its trees is intact; some pages that look like parts of a tree are neither in the trees nor \
                     in the freelist. They are probably old pages, but that is not proven{rows}"
                )
            }
            _ => "which contains no data: every page of its trees is intact".into(),
        };
        found.limited.push((part, format!("its freelist is damaged ({why}), {words}")));
    }
    // An intact tree may be the rest of a larger one, of which the pages outside it still hold parts.
    let lost = orphan_pages::lost_end(view, &report.in_use, found.last, found.compacted)?;
    found.findings.proven.retain(|_| lost.is_none());
    found.findings.errors.extend(lost);
    let contradicts = report.free_list == FreeList::Contradicts;
    if contradicts || report.free.saturating_mul(2) > report.pages {
        match orphan_pages::newest(view, watch) {
            // If the older of two states is used, newer rows are expected.
            Ok(newest) if contradicts && view.metas().iter().all(|meta| meta.is_ok()) => {
                found.findings.errors.extend(orphan_pages::newer_rows(newest, found.end()));
            }
            Ok(newest) => found.findings.warnings.extend(orphan_pages::newer_rows(newest, found.end())),
            Err(orphan_pages::Ended::Stopped(trouble)) => return Err(ScanError::Stopped(trouble)),
            Err(orphan_pages::Ended::Read(error)) => return Err(ScanError::Damaged(error.to_string())),
        }
    }
    found.in_use = report.in_use;
    found.pages = Pages { bytes: view.page_size(), all: report.pages, free: report.free };
    Ok(found)
}
