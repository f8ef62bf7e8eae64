//! The keys of a file as they stood at a revision: what `snapshot keys` lists.

use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
    path::Path,
};

use super::hashkv::{Refused, RevisionRange};
use crate::{
    bbolt::{ReadAt, View},
    domain::quorum::known::OldKey,
    etcd::{
        proto::KeyValueRef,
        revision::{Revision, RevisionKey},
        schema,
    },
    text::Shown,
};
use crate::{
    engine::{
        progress::{Flow, Phase, ProgressFn},
        source::{Source, step},
    },
    text::value::put_bytes,
};

/// Which keys, and when.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Only keys that begin with this.
    pub prefix: Vec<u8>,
    /// As they stood at this revision; 0 for the newest.
    pub revision: i64,
}

/// The key → row of every key alive at a revision, in the order of the keys.
///
/// # Errors
/// When the revision is compacted or in the future, a row does not decode, or `watch` says stop.
pub fn alive<R: ReadAt>(
    view: &View<R>,
    wanted: &Wanted,
    watch: &mut ProgressFn<'_>,
) -> Result<BTreeMap<Box<[u8]>, Revision>, Refused> {
    let at = RevisionRange::read(view)?.asked(wanted.revision)?;
    let mut alive = BTreeMap::new();
    let Some(bucket) = view.bucket(schema::KEY)? else { return Ok(alive) };
    let (mut rows, mut seen, mut read, total) = (view.cursor(&bucket), 0u64, 0u64, view.used_bytes());
    while let Some(row) = rows.next()? {
        let bad = || Refused::Damaged(format!("bucket key: row {} does not decode", row.key.escape_ascii()));
        let key = RevisionKey::parse(row.key).ok_or_else(bad)?;
        let kv = KeyValueRef::parse(row.value).ok_or_else(bad)?;
        if key.revision.main > at {
            break;
        }
        seen = seen.wrapping_add(1);
        read = read.saturating_add(row.both.len() as u64);
        if seen.is_multiple_of(1 << 14) {
            step(watch, Phase::Check, read.min(total), total).map_err(Refused::Stopped)?;
        }
        // The empty key is the row of a bumped revision; no client can ask for it.
        if kv.key.is_empty() || !kv.key.starts_with(&wanted.prefix) {
            continue;
        }
        if key.tombstone {
            alive.remove(kv.key);
        } else if let Some(revision) = alive.get_mut(kv.key) {
            *revision = key.revision;
        } else {
            alive.insert(kv.key.into(), key.revision);
        }
    }
    Ok(alive)
}

/// Hands out the rows of [`alive`] one by one, in the order of the keys, until `each` breaks.
///
/// # Errors
/// As for [`alive`].
pub fn each<R: ReadAt>(
    view: &View<R>,
    wanted: &Wanted,
    watch: &mut ProgressFn<'_>,
    each: &mut dyn FnMut(&KeyValueRef<'_>) -> ControlFlow<()>,
) -> Result<(), Refused> {
    let alive = alive(view, wanted, watch)?;
    let Some(bucket) = view.bucket(schema::KEY)? else { return Ok(()) };
    for revision in alive.values() {
        let gone = || Refused::Damaged(format!("bucket key: revision {}.{} is gone", revision.main, revision.sub));
        let row = view.get(&bucket, &revision.to_bytes())?.ok_or_else(gone)?;
        let kv = KeyValueRef::parse(&row).ok_or_else(gone)?;
        if each(&kv).is_break() {
            break;
        }
    }
    Ok(())
}

/// Whether all these keys are in a database at `revision` as they were written last.
///
/// # Errors
/// When the file cannot be read, or was compacted past the revision.
pub fn are_in(database: &Path, revision: i64, keys: &[OldKey]) -> crate::error::Result<bool> {
    let source = Source::open(database)?;
    let wanted = Wanted { prefix: Vec::new(), revision };
    let mut left: HashMap<&[u8], &OldKey> = keys.iter().map(|key| (key.key.as_slice(), key)).collect();
    let mut same = true;
    let mut each_one = |kv: &KeyValueRef<'_>| {
        if let Some(key) = left.remove(kv.key) {
            let numbers = (key.create_revision, key.mod_revision, key.version);
            same &= (kv.create_revision, kv.mod_revision, kv.version) == numbers
                && key.value.as_ref().is_none_or(|value| value == kv.value);
        }
        if same { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    each(&source.view()?, &wanted, &mut |_| Flow::Go, &mut each_one)
        .map_err(|refused| refused.into_trouble(database))?;
    Ok(same && left.is_empty())
}

/// One key as a JSON object; key and value in base64 (under names that say so) where they are not UTF-8.
pub fn json(kv: &KeyValueRef<'_>, values: bool) -> serde_json::Map<String, serde_json::Value> {
    let mut object = serde_json::Map::new();
    put_bytes(&mut object, "key", kv.key);
    object.insert("createRevision".into(), kv.create_revision.into());
    object.insert("modRevision".into(), kv.mod_revision.into());
    object.insert("version".into(), kv.version.into());
    if kv.lease != 0 {
        object.insert("lease".into(), format!("{:x}", kv.lease).into());
    }
    match values {
        true => put_bytes(&mut object, "value", kv.value),
        false => {
            object.insert("valueBytes".into(), kv.value.len().into());
        }
    }
    object
}

impl Refused {
    /// The failure in words, naming the file.
    pub fn into_trouble(self, path: &std::path::Path) -> crate::error::Error {
        use crate::error::{Error, ErrorKind};
        let path = path.shown();
        match self {
            Refused::Stopped(trouble) => trouble,
            Refused::Damaged(why) => Error::new(ErrorKind::Input, format!("{path} is damaged"))
                .why(why)
                .hint("`requorum snapshot status` says what can still be read."),
            Refused::Compacted(at) => Error::new(ErrorKind::Input, format!("{path} no longer holds that revision"))
                .why(format!("it was compacted up to revision {at}"))
                .hint(format!("Ask for revision {at} or later.")),
            Refused::Future(newest) => Error::new(ErrorKind::Input, format!("{path} does not hold that revision yet"))
                .why(format!("its newest revision is {newest}")),
        }
    }
}
