//! Whether something of a journal stands in a text: every string in it, the parts of its paths, addresses and lists,
//! every longer number, and every ID in hex and in decimal.

use std::collections::BTreeSet;

use requorum::system::journal::Record;
use serde_json::Value;

/// Words of the field, which a scenario has of its own, whatever a journal says.
const GENERIC: &[&str] = &[
    "http",
    "https",
    "local",
    "hosts",
    "member",
    "members",
    "snap",
    "wal",
    "etcd",
    "data",
    "backup",
    "restored",
    "old",
    "review",
    "snapshot",
    "detect",
    "start",
    "name",
    "names",
    "host",
    "yes",
    "typed",
    "the snapshot",
    "the inventory",
    "a proposal",
    "true",
    "false",
    "certificates",
    "Linux",
    "journal",
    "InPlace",
    "Undone",
    "Built",
    "Rehearsed",
    "answer",
    "config",
    "inventory",
    "proposed",
    "the",
    "127.0.0.1",
    "this",
    "etc",
    "etcd.conf.yml",
    "--peer-cert-file",
    "--peer-key-file",
    "--peer-trusted-ca-file",
    "new",
    "3.4",
    "3.5",
    "3.6",
    "3.7",
    "kubernetes",
];

/// What of these lines stands in `text`.
pub fn leaks(records: &[Record], text: &str) -> Vec<String> {
    let mut marks = BTreeSet::new();
    for record in records {
        for whole in [&record.at, &record.text, &record.hash, &record.prev] {
            marks.insert(whole.clone());
        }
        of(&Value::Object(record.data.clone()), &mut marks);
    }
    marks.retain(|mark| mark.chars().count() > 2 && !GENERIC.contains(&mark.as_str()));
    let text = text.to_lowercase();
    marks.into_iter().filter(|mark| text.contains(&mark.to_lowercase())).collect()
}

fn of(value: &Value, marks: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => words(text, marks),
        Value::Number(number) => {
            let digits = number.to_string();
            // a short one is on many pages
            if digits.len() > 3 {
                marks.insert(digits);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| of(item, marks)),
        Value::Object(map) => map.values().for_each(|value| of(value, marks)),
        Value::Null | Value::Bool(_) => {}
    }
}

fn words(text: &str, marks: &mut BTreeSet<String>) {
    marks.insert(text.to_string());
    let hex = text.len() >= 8 && text.chars().all(|c| c.is_ascii_hexdigit());
    if hex && text.len() <= 16 {
        marks.insert(u64::from_str_radix(text, 16).unwrap().to_string());
    }
    // a sentence is looked for as a whole; what is no sentence, in its parts, too
    if !text.contains(' ') {
        for part in text.split(['/', ',', '=', '@']) {
            let port = part.rsplit_once(':').map(|(host, port)| [host, port]);
            marks.extend(port.into_iter().flatten().chain([part]).map(String::from));
        }
    }
}

#[test]
fn the_check_itself_finds_what_is_planted() {
    use requorum::system::journal::Event;
    let data = serde_json::json!({
        "who": "anna@laptop", "path": "/srv/pelikan/etcd.db", "id": "3c505846437ba852", "url": "https://10.77.3.4:23790",
        "deep": [{"key": ["zebra"]}], "revision": 84_211, "sha256": "9f3c11aa9f3c11aa9f3c11aa9f3c11aa",
    });
    let record = Record {
        at: "2026-11-22T03:12:00Z".into(),
        kind: Event::Begun,
        text: "it was begun".into(),
        data: data.as_object().unwrap().clone(),
        prev: "0".repeat(64),
        hash: "77aa".repeat(16),
    };
    let records = [record];
    assert_eq!(leaks(&records, "m1 of practice answers, with 274 keys"), [""; 0]);
    for planted in [
        "anna",
        "laptop",
        "PELIKAN",
        "etcd.db",
        "3c505846437ba852",
        "4346070699215661138",
        "10.77.3.4",
        "23790",
        "zebra",
        "84211",
        "9f3c11aa9f3c11aa9f3c11aa9f3c11aa",
        "it was begun",
        "2026-11-22T03:12:00Z",
    ] {
        let found = leaks(&records, &format!("a scenario in which {planted} stands"));
        assert!(!found.is_empty(), "{planted} was not found");
    }
}
