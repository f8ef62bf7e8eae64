//! One walk over every row of a database: etcdutl's status figures, and what a restore carries over.

use std::collections::HashSet;

use prost::Message;

use super::{
    leftover,
    meaning::{self, Findings, Marks},
    progress::{Phase, Watch},
    source::{self, Source, Wrapping, step},
    words::{count, thousands},
};
use crate::{
    bolt::{self, ReadAt, View},
    etcd::{
        membership::{Id, Member},
        proto::{AlarmMember, KeyValueRef},
        revision::{Revision, RevisionKey},
        schema,
    },
    plan::facts::{Content, FileFacts, Health, KnownMember},
    trouble::{Kind, Result, Trouble},
};

/// What a walk over all rows found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Walk {
    /// etcdutl's status hash: CRC-32C over bucket names, keys and values.
    pub hash: u32,
    /// Rows of all buckets.
    pub rows: u64,
    /// The last revision in the `key` bucket; zero when it is empty.
    pub last: Revision,
    /// Live keys: rows that no later tombstone of the same key follows.
    pub keys: u64,
    /// Each bucket by name: its rows and the CRC-32C over them.
    pub buckets: Vec<BucketSum>,
    /// The members in it.
    pub members: Vec<KnownMember>,
    /// Everything else that a restore carries over.
    pub content: Content,
    /// The revision up to which it is compacted, -1 for none.
    pub compacted: i64,
    /// What the rows mean together.
    pub findings: Findings,
    /// Pages in use and free.
    pub pages: Pages,
    /// What is wrong with a meta page where the other one is whole; the figures are that one's.
    pub meta_problem: Option<String>,
}

/// How the pages up to the high-water mark are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pages {
    /// Bytes per page.
    pub bytes: u32,
    /// All of them.
    pub all: u64,
    /// Those that hold nothing.
    pub free: u64,
}

/// One bucket's rows, summed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSum {
    /// The bucket's name.
    pub name: Vec<u8>,
    /// How many rows it has.
    pub rows: u64,
    /// CRC-32C over all keys and values.
    pub crc: u32,
}

/// Why a walk ended before its end.
#[derive(Debug)]
pub enum Halt {
    /// The database is damaged.
    Damaged(String),
    /// The watcher said stop.
    Stopped(Trouble),
}

impl From<bolt::Error> for Halt {
    fn from(error: bolt::Error) -> Self {
        Halt::Damaged(error.to_string())
    }
}

/// Walks over every row.
///
/// # Errors
/// At the first page that cannot be read and the first row that etcd could not decode either.
pub fn walk<R: ReadAt>(view: &View<R>, watch: &mut Watch<'_>) -> std::result::Result<Walk, Halt> {
    let mut found = Walk::default();
    let marks = Marks::read(view)?;
    found.compacted = marks.compacted();
    let mut meaning = meaning::Checker::new(marks);
    let mut live: HashSet<Box<[u8]>> = HashSet::new();
    let total = view.used_bytes();
    let (mut read, mut told) = (0u64, 0u64);
    for (name, bucket) in view.buckets()? {
        found.hash = crc32c::crc32c_append(found.hash, &name);
        meaning.bucket(&name);
        let mut sum = BucketSum { name, rows: 0, crc: 0 };
        let mut rows = view.cursor(&bucket);
        while let Some(row) = rows.next()? {
            found.hash = crc32c::crc32c_append(crc32c::crc32c_append(found.hash, row.key), row.value);
            sum.crc = crc32c::crc32c_append(crc32c::crc32c_append(sum.crc, row.key), row.value);
            sum.rows += 1;
            if sum.name == schema::KEY {
                key_row(&mut found, &mut live, &mut meaning, row.key, row.value).map_err(Halt::Damaged)?;
            } else {
                meaning.other_row(&sum.name, row.key, row.value);
                other_row(&mut found, &sum.name, row.key, row.value).map_err(Halt::Damaged)?;
            }
            read += (row.key.len() + row.value.len()) as u64;
            if read - told >= 4 << 20 {
                told = read;
                step(watch, Phase::Check, read.min(total), total).map_err(Halt::Stopped)?;
            }
        }
        found.rows += sum.rows;
        found.buckets.push(sum);
    }
    if !found.buckets.iter().any(|b| schema::is_known(&b.name)) {
        let names: Vec<String> = found.buckets.iter().take(3).map(|b| b.name.escape_ascii().to_string()).collect();
        return Err(Halt::Damaged(match names.as_slice() {
            [] => "it holds no buckets at all, so nothing of etcd".into(),
            names => format!("none of its buckets is etcd's; the first are {}", names.join(", ")),
        }));
    }
    found.keys = live.len() as u64;
    found.findings = meaning.finish();
    Ok(found)
}

fn key_row(
    found: &mut Walk,
    live: &mut HashSet<Box<[u8]>>,
    meaning: &mut meaning::Checker,
    key: &[u8],
    value: &[u8],
) -> std::result::Result<(), String> {
    let Some(at) = RevisionKey::parse(key) else {
        return Err(format!("bucket key: {} is not a revision", key.escape_ascii()));
    };
    let Some(kv) = KeyValueRef::parse(value) else {
        return Err(format!("bucket key: the value at revision {} does not decode", at.revision.main));
    };
    found.last = at.revision;
    meaning.key_row(at, &kv);
    if at.tombstone {
        live.remove(kv.key);
    } else if !live.contains(kv.key) {
        live.insert(kv.key.into());
    }
    Ok(())
}

fn other_row(found: &mut Walk, bucket: &[u8], key: &[u8], value: &[u8]) -> std::result::Result<(), String> {
    let content = &mut found.content;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match bucket {
        schema::MEMBERS => {
            let m = Member::from_json(value)?;
            let (id, is_learner) = (Id(m.id), m.is_learner);
            let known =
                KnownMember { id, name: m.name, peer_urls: m.peer_urls, client_urls: m.client_urls, is_learner };
            found.members.push(known);
        }
        schema::LEASE => content.leases += 1,
        schema::ALARM => {
            let alarm = AlarmMember::decode(key).map_err(|_| "bucket alarm: a row does not decode".to_string())?;
            content.alarms.push(alarm.words());
        }
        schema::AUTH_USERS => content.users += 1,
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

/// Checks the pages, then walks over the rows: all that has to hold before a file is restored from.
///
/// # Errors
/// In a sentence that names the first damage and says how many there are.
pub fn check_and_walk<R: ReadAt>(view: &View<R>, watch: &mut Watch<'_>) -> std::result::Result<Walk, Halt> {
    let walk = look(view, watch)?;
    match walk.damage() {
        Some(damage) => Err(Halt::Damaged(damage)),
        None => Ok(walk),
    }
}

/// As [`check_and_walk`], for those who show what a damaged file still holds: a broken meta page
/// beside a whole one, and rows that make no sense together, are in the result.
///
/// # Errors
/// When pages or rows cannot be read.
pub fn look<R: ReadAt>(view: &View<R>, watch: &mut Watch<'_>) -> std::result::Result<Walk, Halt> {
    let page = u64::from(view.page_size());
    let mut stopped = None;
    let report = bolt::check(view, &mut |done, of| {
        stopped = step(watch, Phase::Check, done.saturating_mul(page), of.saturating_mul(page)).err();
        stopped.is_none()
    });
    if let Some(trouble) = stopped {
        return Err(Halt::Stopped(trouble));
    }
    let report = report?;
    let of_meta = |problem: &&bolt::Error| matches!(problem, bolt::Error::Damaged { place, .. } if place.page.is_some_and(|page| page < 2));
    if let Some(first) = report.problems.iter().find(|problem| !of_meta(problem)) {
        let count = report.problems.len() as u64 + report.more;
        let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
        return Err(Halt::Damaged(format!("{first}{more}")));
    }
    let mut found = walk(view, watch)?;
    // A sound tree may be what is left of a larger one. Where most pages hold nothing, those are asked.
    if report.free.saturating_mul(2) > report.pages {
        match leftover::newest(view, watch) {
            Ok(newest) => found.findings.warnings.extend(leftover::words(newest, found.end())),
            Err(leftover::Ended::Stopped(trouble)) => return Err(Halt::Stopped(trouble)),
            Err(leftover::Ended::Read(error)) => return Err(Halt::Damaged(error.to_string())),
        }
    }
    found.pages = Pages { bytes: view.page_size(), all: report.pages, free: report.free };
    found.meta_problem = report.problems.first().map(ToString::to_string);
    if found.meta_problem.is_some() && view.fell_back() {
        found.meta_problem = found.meta_problem.map(|why| {
            format!(
                "the newer of its two meta pages is damaged ({why}), so the state before the last transaction is read"
            )
        });
    }
    Ok(found)
}

impl Walk {
    /// The last revision that the file knows of: of a row, or the compaction mark.
    fn end(&self) -> i64 {
        self.last.main.max(self.compacted)
    }

    /// Why it must not be taken as it is, in a sentence; none where nothing speaks against it.
    pub fn damage(&self) -> Option<String> {
        let meta = self.meta_problem.as_ref().map(|why| {
            let revision = thousands(self.last.main.unsigned_abs());
            format!("{why}; what can be read is whole: revision {revision}, {}", count(self.keys, "key", "keys"))
        });
        let mut all = meta.into_iter().chain(self.findings.errors.iter().cloned());
        let first = all.next()?;
        match all.count() {
            0 => Some(first),
            more => Some(format!("{first} (and {more} more)")),
        }
    }
}

/// Reads a file through and says what it is and what it holds. Damage is a finding, not an error.
///
/// # Errors
/// Only `Stopped`.
pub fn examine(path: &std::path::Path, watch: &mut Watch<'_>) -> Result<FileFacts> {
    let mut facts = FileFacts { path: path.into(), bytes: 0, modified: None, health: Health::Unread, content: None };
    let outcome = (|| {
        if let Ok(meta) = std::fs::metadata(path) {
            facts.bytes = meta.len();
        }
        let source = Source::open_any(path, watch)?;
        (facts.bytes, facts.modified) = (source.given_bytes(), source.modified);
        let view = source.view()?;
        let digest = source.digest(watch)?;
        let walk = look(&view, watch).map_err(|halt| halt.into_trouble(&source))?;
        let damage = walk.damage();
        facts.content = Some(Content {
            sha256: digest.file_sha256.clone(),
            hash: walk.hash,
            revision: walk.last.main,
            keys: walk.keys,
            rows: walk.rows,
            total_bytes: view.used_bytes(),
            members: walk.members,
            warnings: walk.findings.warnings,
            ..walk.content
        });
        match (damage, digest.verified()) {
            (Some(damage), _) => Err(Trouble::new(Kind::Input, damage)),
            (None, Err(why)) if digest.trailer.is_some() => Err(Trouble::new(Kind::Input, why)),
            (None, _) if source.wrapping != Wrapping::Plain => Err(Trouble::new(Kind::Input, source.to_restore())),
            (None, Ok(())) => Ok(Health::Verified),
            (None, Err(_)) if source.is_part() => Err(Trouble::new(Kind::Input, source::LEFTOVER)),
            (None, Err(_)) => Ok(Health::Unhashed),
        }
    })();
    facts.health = match outcome {
        Ok(health) => health,
        Err(trouble) if trouble.kind == Kind::Stopped => return Err(trouble),
        Err(trouble) if trouble.why.is_empty() => Health::Broken(trouble.what),
        Err(trouble) => Health::Broken(trouble.why),
    };
    Ok(facts)
}

impl Halt {
    /// The failure, naming the file.
    pub fn into_trouble(self, source: &Source) -> Trouble {
        match self {
            Halt::Stopped(trouble) => trouble,
            Halt::Damaged(why) => Trouble::new(Kind::Input, format!("{} is damaged", source.path.display()))
                .why(why)
                .hint("Take another snapshot; a copy of member/snap/db is only whole when etcd was stopped."),
        }
    }
}
