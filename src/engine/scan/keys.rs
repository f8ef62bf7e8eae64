//! The keys of a file at a revision, as `snapshot keys` lists them.

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

/// The keys to list, and the revision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Only keys with this prefix.
    pub prefix: Vec<u8>,
    /// The revision; 0 for the newest.
    pub revision: i64,
}

/// Returns every key that is live at a revision with the revision of its row, in the order of the keys.
///
/// # Errors
/// If the revision is compacted or in the future, a row cannot be decoded, or `watch` requests a stop.
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
        let bad = || Refused::Damaged(format!("bucket key: cannot decode row {}", row.key.escape_ascii()));
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
        // The empty key is the row of a revision bump; no client can read it.
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

/// Calls `each` for the rows of [`alive`], in the order of the keys, until it breaks.
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
        let missing =
            || Refused::Damaged(format!("bucket key: revision {}.{} is missing", revision.main, revision.sub));
        let row = view.get(&bucket, &revision.to_bytes())?.ok_or_else(missing)?;
        let kv = KeyValueRef::parse(&row).ok_or_else(missing)?;
        if each(&kv).is_break() {
            break;
        }
    }
    Ok(())
}

/// Returns whether all these keys are in a database at `revision`, unchanged.
///
/// # Errors
/// If the file cannot be read, or is compacted beyond the revision.
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

/// Returns one key as a JSON object; key and value in base64, under names that say so, if they are not UTF-8.
pub fn json(kv: &KeyValueRef<'_>, values: bool) -> serde_json::Map<String, serde_json::Value> {
    let mut object = serde_json::Map::new();
    put_bytes(&mut object, "key", kv.key);
    object.insert("create_revision".into(), kv.create_revision.into());
    object.insert("mod_revision".into(), kv.mod_revision.into());
    object.insert("version".into(), kv.version.into());
    if kv.lease != 0 {
        object.insert("lease".into(), format!("{:x}", kv.lease).into());
    }
    match values {
        true => put_bytes(&mut object, "value", kv.value),
        false => {
            object.insert("value_bytes".into(), kv.value.len().into());
        }
    }
    object
}

impl Refused {
    /// Converts it into an error that names the file.
    pub fn into_trouble(self, path: &std::path::Path) -> crate::error::Error {
        use crate::error::{Error, ErrorKind, Remedy};
        let path = path.shown();
        match self {
            Refused::Stopped(trouble) => trouble,
            Refused::Damaged(why) => {
                Error::new(ErrorKind::Input, format!("{path}: damaged")).why(why).remedies(&[Remedy::InspectSnapshot])
            }
            Refused::Compacted(at) => Error::new(ErrorKind::Input, format!("{path}: the revision is compacted"))
                .why(format!("the compacted revision is {at}"))
                .hint(format!("Use revision {at} or later.")),
            Refused::Future(newest) => Error::new(ErrorKind::Input, format!("{path}: the revision is in the future"))
                .why(format!("the newest revision is {newest}")),
        }
    }
}
