//! What each fuzz target does with its bytes: the fuzzer and the replaying test call the same.
//!
//! A body panics when a promise is broken: a parser panics, reads without end, or disagrees with itself.

use std::{
    cell::Cell,
    fs, io,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
};

use prost::Message;
use requorum::{
    agent::{
        codec,
        protocol::{Event, Request},
    },
    bbolt::{ReadAt, View, check},
    domain::{
        members::{build_plan::verify, table, validate},
        model::{plan_yaml, source_ref, url},
    },
    engine::{
        durable_fs::Disk,
        install::{self, MemberRef, staging_recovery},
        restore::expected::Expected,
    },
    etcd::{
        membership::{Id, Member},
        proto::{KeyValue, KeyValueRef},
        revision::RevisionKey,
    },
    execute::report::report,
    raft::{
        message::{ConfChange, Entry, HardState, Metadata, SnapFile, WalSnapshot},
        record::{Encoder, RecordKind},
        snap, wal,
    },
    system::{
        etcd_client,
        journal::{self, Record},
        object_store, ssh,
    },
    yaml::{self, Schema},
};
use sha2::{Digest, Sha256};

/// A target's name and body.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 15] = [
    ("bolt", bolt),
    ("wal", wal),
    ("snap", snap),
    ("key_value", key_value),
    ("member", member),
    ("plan", plan),
    ("url", url),
    ("initial_cluster", initial_cluster),
    ("yaml", yaml),
    ("agent_request", agent_request),
    ("agent_event", agent_event),
    ("journal", journal),
    ("notes", notes),
    ("s3_answer", s3_answer),
    ("etcd_answer", etcd_answer),
];

/// Counts what is read.
struct Counted<'b>(&'b [u8], Cell<u64>);

impl ReadAt for Counted<'_> {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.1.set(self.1.get() + buf.len() as u64);
        self.0.read_exact_at(buf, offset)
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}

/// A database file: as it is, and with both meta pages summed up anew, which a fuzzer would not hit upon.
pub fn bolt(data: &[u8]) {
    look(data);
    let mut summed = data.to_vec();
    let second = data.get(24..28).map_or(0, |size| u32::from_le_bytes(size.try_into().unwrap()) as usize);
    for meta in [0, second] {
        let Some(body) = meta.checked_add(72).and_then(|end| summed.get(meta + 16..end)) else { continue };
        let sum: u64 =
            body.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
        if let Some(place) = summed.get_mut(meta + 72..meta + 80) {
            place.copy_from_slice(&sum.to_le_bytes());
        }
    }
    look(&summed);
}

fn look(data: &[u8]) {
    let source = Counted(data, Cell::new(0));
    let Ok(view) = View::open(&source) else { return };
    let report = check(&view, &mut |_, _| true).expect("nobody stopped it");
    let clean = report.problems.is_empty();
    assert!(report.problems.len() <= 100);
    let size = data.len() as u64;
    assert!(source.1.get() <= 4 * size + 65536, "the check read {} bytes of {size}", source.1.get());
    let buckets = view.buckets();
    assert!(!clean || buckets.is_ok(), "a clean file's buckets: {buckets:?}");
    for (name, bucket) in buckets.unwrap_or_default() {
        source.1.set(0);
        let (mut cursor, mut bytes, mut last) = (view.cursor(&bucket), 0u64, None);
        loop {
            match cursor.next() {
                Ok(Some(row)) => {
                    bytes += (row.key.len() + row.value.len()) as u64;
                    last = Some(row.key.to_vec());
                }
                Ok(None) => break,
                Err(error) => {
                    assert!(!clean, "a clean file's rows: {error}");
                    break;
                }
            }
        }
        assert!(source.1.get() <= 2 * size + 65536 && bytes <= 2 * size, "a walk is bounded by the file");
        let found = view.bucket(&name);
        if clean {
            assert_eq!(found.expect("it was listed").as_ref(), Some(&bucket));
            let key = view.last(&bucket).expect("it was walked over").map(|(key, _)| key);
            assert_eq!(key, last);
        }
    }
}

/// The records of a log: as one segment, and as two.
pub fn wal(data: &[u8]) {
    let whole = wal::parse(&[data]);
    let (first, second) = data.split_at(data.len() / 16 * 8);
    let _ = wal::parse(&[first, second]);
    let _ = (Entry::decode(data), HardState::decode(data), WalSnapshot::decode(data), ConfChange::decode(data));
    let Ok(log) = whole else { return };
    let indices: Vec<u64> = log.entries.iter().map(|entry| entry.index.unwrap_or_default()).collect();
    assert!(
        indices.windows(2).all(|pair| pair[0].checked_add(1) == Some(pair[1])),
        "entries without a gap: {indices:?}"
    );
    let mut encoder = Encoder::begin();
    encoder.record(RecordKind::Metadata, &Metadata { node_id: Some(log.node_id), cluster_id: Some(log.cluster_id) });
    log.snapshots.iter().for_each(|snapshot| encoder.record(RecordKind::Snapshot, snapshot));
    log.entries.iter().for_each(|entry| encoder.record(RecordKind::Entry, entry));
    encoder.record(RecordKind::State, &log.hard_state);
    let again = wal::parse(&[&encoder.into_bytes()]).expect("what was read can be written");
    assert_eq!(again, wal::Log { torn: None, ..log });
}

/// A `.snap` file: as it is, and as the content of one with the right checksum.
pub fn snap(data: &[u8]) {
    let wrapped = SnapFile { crc: Some(crc(data)), data: Some(data.to_vec()) }.encode_to_vec();
    for bytes in [data, &wrapped] {
        let Ok(snapshot) = snap::decode(bytes) else { continue };
        let again = snap::encode(&snapshot);
        // An empty snapshot has no content, and is refused as etcd refuses it.
        assert!(snapshot.encoded_len() == 0 || snap::decode(&again) == Ok(snapshot));
    }
}

/// CRC-32C, bit by bit: the test's own.
fn crc(data: &[u8]) -> u32 {
    !data.iter().fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 })
    })
}

/// A row of the `key` bucket, key or value.
pub fn key_value(data: &[u8]) {
    if let Some(at) = RevisionKey::parse(data) {
        assert_eq!(at.revision.to_bytes(), data[..17]);
        assert_eq!(at.tombstone, data.len() == 18);
    }
    let Some(ours) = KeyValueRef::parse(data) else { return };
    // prost refuses what we pass over in fields that etcd does not have; what both take must be the same.
    if let Ok(theirs) = KeyValue::decode(data) {
        let numbers = (theirs.create_revision, theirs.mod_revision, theirs.version, theirs.lease);
        assert_eq!((ours.key, ours.value), (&*theirs.key, &*theirs.value));
        assert_eq!((ours.create_revision, ours.mod_revision, ours.version, ours.lease), numbers);
    }
}

/// A row of the `members` bucket.
pub fn member(data: &[u8]) {
    if let Ok(member) = Member::from_json(data) {
        assert_eq!(Member::from_json(member.to_json().as_bytes()), Ok(member));
    }
}

/// A plan file.
pub fn plan(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(plan) = plan_yaml::from_yaml(text) {
        let _ = verify(&plan);
        let again = plan_yaml::from_yaml(&plan_yaml::to_yaml(&plan));
        assert_eq!(again.as_ref(), Ok(&plan));
    }
}

/// A URL as it is typed.
pub fn url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match url::parse(text) {
        Ok(url) => {
            let again = url::parse(url.as_str()).map(|again| again.as_str().to_string());
            assert_eq!(again.as_deref().ok(), Some(url.as_str()), "{text:?}");
            let _ = (url.ip(), url.place());
        }
        Err(slip) => {
            if let Some(fix) = slip.fix {
                // A cell holds several URLs, and so may its correction.
                let each = fix.split(',').all(|fix| url::parse(fix).is_ok());
                assert!(each, "{text:?}: the correction {fix:?} is none");
            }
        }
    }
}

/// The value of `--initial-cluster`.
pub fn initial_cluster(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(rows) = table::parse_initial_cluster(text) {
        let _ = validate::check(&rows, "token");
        let _ = table::ids(&rows, "token");
    }
}

/// A YAML file of somebody else's, in both ways of reading it.
pub fn yaml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let sound = yaml::check(text).is_ok();
    for schema in [Schema::Etcd, Schema::Words] {
        let Ok(value) = yaml::to_json(text, schema) else { continue };
        assert!(sound, "what is read is within the bounds");
        // Its JSON is YAML that means the same.
        let json = value.to_string();
        match yaml::to_json(&json, Schema::Etcd) {
            Ok(again) => assert_eq!(again, value, "{json}"),
            // Only what is longer once it is written out may be refused, and control characters.
            Err(_) => assert!(
                json.len() > 1000 || json.contains(['\u{85}', '\u{2028}', '\u{2029}', '\u{7f}']) || deep(&value) > 60,
                "{json}"
            ),
        }
    }
}

fn deep(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(list) => list.iter().map(deep).max().unwrap_or_default() + 1,
        serde_json::Value::Object(map) => map.values().map(deep).max().unwrap_or_default() + 1,
        _ => 0,
    }
}

/// What comes to an agent: requests, and the chunks among them. They are only read, never carried out.
pub fn agent_request(data: &[u8]) {
    let mut input = data;
    while let Ok(Some(request)) = codec::read::<Request>(&mut input) {
        again(&request);
        if let Request::Chunk { length, unpacked } = request {
            match codec::read_chunk(&mut input, length, unpacked) {
                Ok(bytes) => assert_eq!(bytes.len(), unpacked.unwrap_or(length) as usize),
                Err(_) => return,
            }
        }
    }
}

/// What comes from an agent, and before it from the shell that looks around.
pub fn agent_event(data: &[u8]) {
    let mut input = data;
    let mut lines = Vec::new();
    while let Ok(Some(line)) = codec::read_line(&mut input) {
        lines.push(String::from_utf8_lossy(&line).into_owned());
        let Ok(event) = codec::parse::<Event>(&line) else { continue };
        again(&event);
        if let Event::Failed(error) = event {
            let _ = error.to_string();
        }
    }
    if let Ok(facts) = ssh::read_look(&lines, i64::MAX) {
        assert!(facts.etcds.len() <= 256 && facts.addresses.len() <= 256);
        assert!(!facts.system.is_empty() && !facts.user.is_empty());
    }
}

/// What was understood is written and understood as the same.
fn again<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(message: &T) {
    let mut line = Vec::new();
    codec::write(&mut line, message).expect("it was read");
    let back: Option<T> = codec::read(&mut line.as_slice()).expect("it was written");
    assert_eq!(back.as_ref(), Some(message));
}

/// A journal: as it is, and with its lines sealed anew, which a fuzzer would not hit upon.
pub fn journal(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    read_journal(text);
    let (mut prev, mut sealed) = ("0".repeat(64), String::new());
    for line in text.lines() {
        let Ok(mut record) = serde_json::from_str::<Record>(line) else { continue };
        (record.prev, record.hash) = (prev, String::new());
        let bytes = serde_json::to_vec(&record).expect("it was read");
        record.hash = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        sealed += &format!("{}\n", serde_json::to_string(&record).expect("it was read"));
        prev = record.hash;
    }
    assert!(journal::verify(&sealed).is_ok(), "{sealed}");
    read_journal(&sealed);
}

fn read_journal(text: &str) {
    let (records, wrong) = journal::readable(text);
    assert!(records.len() <= text.lines().count());
    if let Ok(all) = journal::verify(text) {
        assert!(wrong.is_none());
        assert_eq!(all, records);
        // What stands at the beginning of a sound one is sound.
        if let Some((head, _)) = text.trim_end_matches('\n').rsplit_once('\n') {
            assert_eq!(journal::verify(&format!("{head}\n")).expect("its beginning").len() + 1, all.len());
        }
    }
    if let Ok(report) = report(text) {
        let _ = report.markdown();
    }
}

/// Notes in a staging directory that is ours: `promise`, `moves` and `staged`, between lines of `--`. In them `@` is the
/// directory with all that is around, and a path of a promise is written as a text. Whatever they say, what is outside of
/// the member's place stays.
pub fn notes(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let root = dir.path();
    let private = |path: &Path| {
        fs::create_dir(path).expect("it is new");
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).expect("it is ours");
    };
    let put = |path: &Path, text: &[u8]| {
        fs::write(path, text).expect("its directory is there");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    };
    let (place, other) = (root.join("place"), root.join("other"));
    [&place, &other].into_iter().for_each(|dir| private(dir));
    private(&place.join("wal"));
    put(&place.join("wal/0.wal"), b"log");
    put(&other.join("victim"), b"precious");
    let shell = place.join(".requorum-1");
    private(&shell);
    put(&shell.join(staging_recovery::MARKER), b"");
    private(&shell.join("new"));
    private(&shell.join("new/member"));
    let log = place.join(".requorum-2");
    private(&log);
    put(&log.join(staging_recovery::MARKER), b"");
    put(&log.join("partner"), shell.as_os_str().as_bytes());
    // The first is one of earlier versions: nothing goes by it any more.
    for (name, note) in
        ["promise", staging_recovery::MOVES, staging_recovery::STAGED].into_iter().zip(text.split("\n--\n"))
    {
        let text = match serde_json::from_str(note) {
            Ok(mut value) => {
                filled(&mut value, root, name == "promise");
                serde_json::to_vec(&value).expect("it was read")
            }
            Err(_) => note.as_bytes().to_vec(),
        };
        if !text.is_empty() {
            put(&shell.join(name), &text);
        }
    }
    let target = place.join("etcd");
    let expected = Expected {
        name: "m1".into(),
        member_id: Id(1),
        cluster_id: Id(2),
        members: vec![Id(1)],
        revision: 1,
        keys: 0,
        source_sha256: String::new(),
        log_sha256: String::new(),
    };
    let whose = MemberRef { plan: "p", run: "r", name: "m1", data_dir: &target, wal_dir: None, expected: &expected };
    let disk = Disk::default();
    let _ = install::member_state(&disk, &whose);
    let _ = install::discard(&disk, &whose);
    install::clear(&disk, &target);
    assert_eq!(fs::read(other.join("victim")).ok().as_deref(), Some(&b"precious"[..]));
    assert!(fs::read_dir(root).expect("it is there").count() == 2);
}

/// Puts the directory in the place of `@`, and bytes in the place of a promise's paths.
fn filled(value: &mut serde_json::Value, root: &Path, promise: bool) {
    use serde_json::Value;
    match value {
        Value::String(text) => *text = text.replace('@', &root.display().to_string()),
        Value::Array(list) => list.iter_mut().for_each(|item| filled(item, root, promise)),
        Value::Object(map) => {
            map.values_mut().for_each(|item| filled(item, root, promise));
            for key in ["path", "file"] {
                if let Some(Value::String(text)) = map.get(key).cloned()
                    && promise
                {
                    map.insert(key.into(), text.as_bytes().into());
                }
            }
            // What tells a file from every other is known only here.
            if let Some(Value::String(path)) = map.remove("of")
                && let Ok(meta) = fs::symlink_metadata(path)
            {
                use std::os::unix::fs::MetadataExt;
                let identity = [("device", meta.dev()), ("inode", meta.ino())];
                match map.get_mut("identity").and_then(Value::as_object_mut) {
                    Some(inner) => inner.extend(identity.map(|(key, n)| (key.to_string(), n.into()))),
                    None => map.extend(identity.map(|(key, n)| (key.to_string(), n.into()))),
                }
            }
        }
        _ => {}
    }
}

/// What an object store sends: a list, or an error.
pub fn s3_answer(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok((objects, _)) = object_store::page("bucket", &text) {
        for object in objects {
            let key = object.url.strip_prefix("s3://bucket/").expect("it begins with its bucket");
            assert!(object.bytes > 0 && !key.chars().any(char::is_control));
            assert!(!key.split('/').any(|part| part == ".."), "{key:?}");
            assert!(source_ref::is_object(Path::new(&object.url)), "{key:?}");
        }
    }
    if let Some((code, message)) = object_store::error_words(&text) {
        assert!(code.chars().count() <= 200 && message.chars().count() <= 200);
        assert!(!code.chars().chain(message.chars()).any(char::is_control));
    }
}

/// What a member answers: its status and the list of members, the first after the length of the second; and its metrics.
pub fn etcd_answer(data: &[u8]) {
    let (length, rest) = data.split_first().map_or((0, data), |(length, rest)| (usize::from(*length), rest));
    let (status, list) = rest.split_at(length.min(rest.len()));
    if let Some(says) = etcd_client::read_answers(status, list) {
        assert!(says.members.len() <= list.len() && says.errors.len() <= status.len());
        assert!(says.quota_bytes != Some(0));
        let _ = format!("{says:?}");
    }
    let _ = etcd_client::read_metrics(&String::from_utf8_lossy(data));
}
