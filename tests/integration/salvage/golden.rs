//! A result held against what the cluster itself came to.

use std::{collections::BTreeMap, path::Path};

use prost::Message;
use requorum::{
    bbolt::View,
    engine::source::Source,
    etcd::{
        membership::Member,
        proto::{AlarmMember, KeyValue, Lease, Role, User},
        revision::RevisionKey,
        schema,
    },
};
use serde_json::{Value, json};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// Every bucket of a snapshot.
pub fn buckets(path: &Path) -> BTreeMap<String, Rows> {
    let source = Source::open(path).unwrap();
    let view = View::open(source.body()).unwrap();
    let mut all = BTreeMap::new();
    for (name, bucket) in view.buckets().unwrap() {
        let (mut rows, mut cursor) = (Rows::new(), view.cursor(&bucket));
        while let Some(row) = cursor.next().unwrap() {
            rows.insert(row.key.to_vec(), row.value.to_vec());
        }
        all.insert(String::from_utf8(name).unwrap(), rows);
    }
    all
}

fn crc<'r>(rows: impl IntoIterator<Item = (&'r Vec<u8>, &'r Vec<u8>)>) -> u32 {
    let mut crc = flate2::Crc::new();
    for (key, value) in rows {
        crc.update(key);
        crc.update(value);
    }
    crc.sum()
}

/// What is left of the rows at or below `compact` when a server compacts, with and without a deletion at that very revision,
/// which some patch releases keep.
fn kept(rows: &Rows, compact: i64) -> [u32; 2] {
    let mut newest: BTreeMap<Vec<u8>, (&Vec<u8>, &Vec<u8>)> = BTreeMap::new();
    for (key, value) in rows {
        if RevisionKey::parse(key).unwrap().revision.main <= compact {
            newest.insert(KeyValue::decode(&**value).unwrap().key, (key, value));
        }
    }
    let tombstone = |key: &[u8]| RevisionKey::parse(key).unwrap();
    let with = |at: bool| -> u32 {
        let alive = newest.values().filter(|(key, _)| {
            let row = tombstone(key);
            !row.tombstone || (at && row.revision.main == compact)
        });
        let sorted: BTreeMap<_, _> = alive.copied().collect();
        crc(sorted)
    };
    [with(false), with(true)]
}

/// Everything that the golden file has of a snapshot, in its form.
pub fn summary(path: &Path, golden: &Value) -> Value {
    let all = buckets(path);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let compact = golden["compact"].as_i64().unwrap();
    let key = &all["key"];
    let mut rows: BTreeMap<i64, Rows> = BTreeMap::new();
    for (at, value) in key {
        let main = RevisionKey::parse(at).unwrap().revision.main;
        if main > compact {
            rows.entry(main).or_default().insert(at.clone(), value.clone());
        }
    }
    let revision = key.keys().next_back().map_or(0, |at| RevisionKey::parse(at).unwrap().revision.main);
    let wanted = golden["kept"].as_u64().unwrap();
    let kept = kept(key, compact);
    let scheduled =
        all["meta"].get(schema::SCHEDULED_COMPACT).map_or(0, |row| RevisionKey::parse(row).unwrap().revision.main);
    let leases: BTreeMap<String, [i64; 2]> = all["lease"]
        .iter()
        .map(|(id, row)| {
            let lease = Lease::decode(&**row).unwrap();
            assert_eq!(id.as_slice(), lease.id.to_be_bytes());
            (format!("{:x}", lease.id), [lease.ttl, lease.remaining_ttl])
        })
        .collect();
    let mut alarms: Vec<String> = all["alarm"]
        .keys()
        .map(|key| AlarmMember::decode(&**key).unwrap())
        .map(|alarm| format!("{:x} {}", alarm.member_id, alarm.alarm))
        .collect();
    alarms.sort();
    let enabled = all["auth"].get(schema::AUTH_ENABLED).is_some_and(|row| row == &[1]);
    let auth_revision = u64::from_be_bytes(*all["auth"][schema::AUTH_REVISION].first_chunk().unwrap());
    let users: BTreeMap<String, Value> = all["authUsers"]
        .iter()
        .map(|(name, row)| {
            let user = User::decode(&**row).unwrap();
            // field 2 is the password's hash
            let hash = row.windows(4).any(|bytes| bytes == b"$2a$");
            (text(name), json!([user.roles, hash]))
        })
        .collect();
    let roles: BTreeMap<String, Vec<String>> = all["authRoles"]
        .iter()
        .map(|(name, row)| {
            let role = Role::decode(&**row).unwrap();
            let permissions = role.permissions.iter().map(|permission| {
                let end = if permission.range_end.is_empty() { "-".into() } else { text(&permission.range_end) };
                format!("{}:{end}:{}", text(&permission.key), ["read", "write", "readwrite"][permission.kind as usize])
            });
            let mut permissions: Vec<String> = permissions.collect();
            permissions.sort();
            (text(name), permissions)
        })
        .collect();
    let members: BTreeMap<String, Value> = all["members"]
        .iter()
        .map(|(id, row)| {
            let member = Member::from_json(row).unwrap();
            (text(id), json!([member.name, member.peer_urls, member.is_learner]))
        })
        .collect();
    let removed: Vec<String> = all["members_removed"].keys().map(|id| text(id)).collect();
    let cluster: BTreeMap<String, String> = all["cluster"].iter().map(|(name, row)| (text(name), text(row))).collect();
    let crcs: BTreeMap<String, u32> = rows.iter().map(|(main, rows)| (main.to_string(), crc(rows))).collect();
    json!({
        "rows": crcs,
        "kept": kept.into_iter().map(u64::from).find(|kept| *kept == wanted).unwrap_or(kept[0].into()),
        "compact": scheduled,
        "revision": revision,
        "leases": leases,
        "alarms": alarms,
        "auth": [json!(enabled), json!(auth_revision)],
        "users": users,
        "roles": roles,
        "members": members,
        "removed": removed,
        "cluster": cluster,
    })
}

/// The parts that differ, each with both values cut to a readable length.
pub fn differences(ours: &Value, golden: &Value) -> Vec<String> {
    let (ours, golden) = (ours.as_object().unwrap(), golden.as_object().unwrap());
    assert_eq!(ours.keys().collect::<Vec<_>>(), golden.keys().collect::<Vec<_>>());
    let mut out = Vec::new();
    for (name, wanted) in golden {
        let own = &ours[name];
        if own == wanted {
            continue;
        }
        match (own.as_object(), wanted.as_object()) {
            (Some(own), Some(wanted)) => {
                let keys: std::collections::BTreeSet<&String> = own.keys().chain(wanted.keys()).collect();
                let differ: Vec<&String> = keys.into_iter().filter(|key| own.get(*key) != wanted.get(*key)).collect();
                let first = differ[0];
                out.push(format!(
                    "{name}: {} differ, {first}: {:?} and {:?}",
                    differ.len(),
                    own.get(first),
                    wanted.get(first)
                ));
            }
            _ => out.push(format!("{name}: {own} and {wanted}")),
        }
    }
    out
}
