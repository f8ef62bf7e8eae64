//! What was written to the old cluster, revision by revision: first the content of a real cluster's snapshot, then writes
//! generated from a seed. Every database and every WAL of a lab is a part of it.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, OpenOptions},
    path::Path,
};

use prost::Message;

use crate::{
    bbolt::{self, Build},
    drill::scenario::Writes,
    engine::source::{Source, creation_trouble},
    error::{Error, ErrorKind, Result},
    etcd::{
        membership::{Id, Member},
        proto::{AlarmMember, KeyValue},
        raft_request::encode::Write,
        revision::{Revision, RevisionKey},
        schema,
    },
    text::Shown,
};

/// One row of the `key` bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    at: Revision,
    tombstone: bool,
    value: Vec<u8>,
}

/// A history, in the order of its revisions.
#[derive(Debug, Clone, Default)]
pub struct History {
    rows: Vec<Row>,
    /// Buckets that are the same in every database: leases, users, roles.
    others: BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>,
    /// For each live key, the create revision and version of its newest row.
    live: HashMap<Vec<u8>, (i64, i64)>,
}

/// What a database contains besides the keys.
#[derive(Debug, Clone, Default)]
pub struct DatabaseMeta {
    /// The rows of the `members` bucket, including those that an old restore left there.
    pub members: Vec<Member>,
    /// The consistent index.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// `3.5.0`.
    pub cluster_version: String,
    /// `3.6.0` from 3.6 on, empty before.
    pub storage_version: String,
    /// Members that have raised NOSPACE.
    pub nospace: Vec<Id>,
}

/// Buckets of every etcd 3.5 database that are empty in a new history.
const OTHERS: [&[u8]; 4] = [schema::AUTH, schema::AUTH_ROLES, schema::AUTH_USERS, schema::LEASE];

impl History {
    /// Reads the history of a snapshot.
    ///
    /// # Errors
    /// If the file is not a snapshot.
    pub fn read(path: &Path) -> Result<History> {
        let source = Source::open(path)?;
        let view = source.view()?;
        let broken = |e: bbolt::Error| source.damaged(&e);
        let mut history = History::default();
        for (name, bucket) in view.buckets().map_err(broken)? {
            let mut rows = view.cursor(&bucket);
            while let Some(row) = rows.next().map_err(broken)? {
                if OTHERS.contains(&name.as_slice()) {
                    history.others.entry(name.clone()).or_default().insert(row.key.into(), row.value.into());
                } else if name == schema::KEY {
                    let undecoded =
                        || Error::new(ErrorKind::Input, format!("{}: invalid row in bucket key", path.shown()));
                    let key = RevisionKey::parse(row.key).ok_or_else(undecoded)?;
                    let kv = KeyValue::decode(row.value).map_err(|_| undecoded())?;
                    history.keep(key.revision, key.tombstone, &kv, row.value.into());
                }
            }
        }
        Ok(history)
    }

    fn keep(&mut self, at: Revision, tombstone: bool, kv: &KeyValue, value: Vec<u8>) {
        match tombstone {
            true => self.live.remove(&kv.key),
            false => self.live.insert(kv.key.clone(), (kv.create_revision, kv.version)),
        };
        self.rows.push(Row { at, tombstone, value });
    }

    /// Returns the newest revision, 1 for none.
    pub fn last(&self) -> i64 {
        self.rows.last().map_or(1, |row| row.at.main)
    }

    /// Appends generated writes, one revision each.
    pub fn grow(&mut self, writes: &[Writes], seed: u64) {
        let mut rng = Rng(seed ^ 0x9e37_79b9_7f4a_7c15);
        for run in writes {
            for n in 0..run.count {
                let main = self.last() + 1;
                let key = format!("{}{:04}", run.prefix, n % run.keys.unwrap_or(run.count).max(1) + 1).into_bytes();
                let (create_revision, version) = self.live.get(&key).map_or((main, 1), |(made, v)| (*made, v + 1));
                let value = format!("{}{:016x}{:016x}", run.value, rng.number(), rng.number()).into_bytes();
                let kv = KeyValue { key, create_revision, mod_revision: main, version, value, lease: 0 };
                let bytes = kv.encode_to_vec();
                self.keep(Revision { main, sub: 0 }, false, &kv, bytes);
            }
        }
    }

    /// Returns the history with another value of the same length at revision `at`, as after bit rot or a bug on one member.
    #[must_use]
    pub fn differing(mut self, at: i64) -> History {
        if let Some(last) = self.rows.iter_mut().find(|row| row.at.main == at && !row.tombstone)
            && let Ok(mut kv) = KeyValue::decode(last.value.as_slice())
            && let Some(byte) = kv.value.last_mut()
        {
            *byte ^= 1;
            last.value = kv.encode_to_vec();
        }
        self
    }

    /// Returns the writes at each revision of `from..=until`.
    pub fn writes(&self, from: i64, until: i64) -> Vec<(i64, Vec<Write>)> {
        let mut out: Vec<(i64, Vec<Write>)> = Vec::new();
        for row in self.rows.iter().filter(|row| (from..=until).contains(&row.at.main)) {
            let Ok(kv) = KeyValue::decode(row.value.as_slice()) else { continue };
            let write = if row.tombstone { Write::Delete(kv.key) } else { Write::Put(kv) };
            match out.last_mut() {
                Some((main, writes)) if *main == row.at.main => writes.push(write),
                _ => out.push((row.at.main, vec![write])),
            }
        }
        out
    }

    /// Returns the live keys at revision `at`, each with its row.
    pub fn alive(&self, at: i64) -> BTreeMap<Vec<u8>, KeyValue> {
        let mut alive = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.at.main <= at) {
            let Ok(kv) = KeyValue::decode(row.value.as_slice()) else { continue };
            if row.tombstone {
                alive.remove(&kv.key);
            } else {
                alive.insert(kv.key.clone(), kv);
            }
        }
        alive
    }

    /// Writes the database at revision `until` to the new file `path`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn database(&self, until: i64, meta: &DatabaseMeta, path: &Path) -> Result<()> {
        let fail = |e| creation_trouble("write", path, &e);
        let broken = |e: bbolt::Error| {
            Error::new(ErrorKind::Failed, format!("{}: failed to build the database", path.shown())).why(e)
        };
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(|e| creation_trouble("make", dir, &e))?;
        }
        let out = OpenOptions::new().read(true).write(true).create_new(true).open(path).map_err(fail)?;
        let mut build = Build::begin(&out, 4096).map_err(broken)?;
        for name in schema::ALL {
            build.bucket(name).map_err(broken)?;
            for (key, value) in self.bucket(name, until, meta) {
                build.put(&key, &value).map_err(broken)?;
            }
        }
        build.finish(meta.index.max(2)).map_err(broken)?;
        Ok(())
    }

    /// Returns the rows of a bucket, in order.
    fn bucket(&self, name: &[u8], until: i64, meta: &DatabaseMeta) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut put = |key: &[u8], value: &[u8]| rows.insert(key.into(), value.into());
        match name {
            schema::KEY => {
                for row in self.rows.iter().filter(|row| row.at.main <= until) {
                    let mut key = row.at.to_bytes().to_vec();
                    if row.tombstone {
                        key.push(b't');
                    }
                    put(&key, &row.value);
                }
            }
            schema::META => {
                put(schema::CONSISTENT_INDEX, &meta.index.to_be_bytes());
                put(schema::TERM, &meta.term.to_be_bytes());
                if !meta.storage_version.is_empty() {
                    put(schema::STORAGE_VERSION, meta.storage_version.as_bytes());
                }
            }
            schema::MEMBERS => {
                for member in &meta.members {
                    put(Id(member.id).to_string().as_bytes(), member.to_json().as_bytes());
                }
            }
            schema::CLUSTER => {
                put(schema::CLUSTER_VERSION, meta.cluster_version.as_bytes());
            }
            schema::ALARM => {
                for id in &meta.nospace {
                    put(&AlarmMember { member_id: id.0, alarm: 1 }.encode_to_vec(), b"");
                }
            }
            other => {
                for (key, value) in self.others.get(other).into_iter().flatten() {
                    put(key, value);
                }
            }
        }
        rows
    }
}

/// Pseudo-random numbers, the same for the same seed (xorshift).
#[derive(Debug)]
pub struct Rng(pub u64);

impl Rng {
    /// Returns the next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
