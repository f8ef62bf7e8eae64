//! Synthetic journals of many shapes, in the forms in which they are written.

use requorum::{
    domain::model::{
        options::Options,
        plan::{Member, Plan, Source},
    },
    drill::{autoplay, from_journal, scenario},
    etcd::membership::Id,
    system::journal::{Event, Record},
};
use serde_json::{Value, json};

use super::secrets::leaks;
use crate::support::every_case;

/// A journal that is told line by line, with names that nobody else has.
#[derive(Clone)]
struct Tale {
    plan: Plan,
    records: Vec<Record>,
}

impl Tale {
    fn of(members: usize) -> Tale {
        let member = |n: usize| Member {
            name: format!("nashorn-{n}"),
            host: if n == 1 { "local".into() } else { format!("root@savanne-{n}") },
            id: Id(0xcfa0_1bbb_22ab_cc00 + n as u64),
            peer_urls: vec![format!("http://10.77.13.{n}:23801")],
            client_urls: vec![format!("http://10.77.13.{n}:23791")],
            data_dir: format!("/srv/pelikan/etcd-{n}").into(),
            wal_dir: None,
            etcd_flags: vec!["--quota-backend-bytes=8589934599".into()],
        };
        let plan = Plan {
            version: 1,
            label: "krokodil".into(),
            token: "tok-zebra-77".into(),
            created: "2026-11-22T03:12:00Z".into(),
            target: None,
            source: Source {
                path: "/mnt/elefant/nightly-77.db".into(),
                bytes: 143_392,
                sha256: "9f3c11aa".repeat(8),
                revision: 83_799,
                keys: 4_112,
                skip_hash_check: false,
                snapshot_bytes: None,
            },
            bump_revision: 0,
            mark_compacted: false,
            revisions: Default::default(),
            options: Options::default(),
            cluster_id: Id(0xe88e_3c40_b93f_9f54),
            members: (1..=members).map(member).collect(),
        };
        Tale { plan, records: Vec::new() }
    }

    fn plan(mut self, change: impl FnOnce(&mut Plan)) -> Tale {
        change(&mut self.plan);
        self
    }

    fn line(mut self, kind: Event, text: &str, data: Value) -> Tale {
        let Value::Object(data) = data else { panic!("{data}") };
        let (prev, hash) = ("0".repeat(64), "77aa".repeat(16));
        self.records.push(Record { at: "2026-11-22T03:13:21Z".into(), kind, text: text.into(), data, prev, hash });
        self
    }

    /// What the wizard says of Detect.
    fn detect(self, voters: usize, answering: usize) -> Tale {
        let gone: Vec<String> = (answering..voters).map(|n| format!("nashorn-{n}")).collect();
        let data = json!({
            "step": "detect", "verdict": "lost_for_good", "voters": voters, "needed": voters / 2 + 1, "answering": answering,
            "may_come_back": [], "gone": gone, "rule": "zu wenige", "asked": ["http://10.77.13.9:23791"],
        });
        self.line(Event::Decided, "Detect: krokodil lost its quorum", data)
    }

    /// What the wizard says of Snapshot.
    fn snapshot(self, loses: &[&str]) -> Tale {
        let data =
            json!({"step": "snapshot", "source": self.plan.source.path, "loses": loses, "rank": 1, "of_sources": 3});
        self.line(Event::Decided, "Snapshot: /mnt/elefant/nightly-77.db is restored", data)
    }

    /// What the wizard says of Members, of which so many are on new addresses.
    fn table(self, moved: usize, renamed: bool) -> Tale {
        let cell = |text: &str, new: bool, old: &str| match new {
            true => {
                json!({"text": text, "from": "the inventory", "instead_of": [{"text": old, "from": ["the snapshot"]}]})
            }
            false => json!({"text": text, "from": "the snapshot", "instead_of": []}),
        };
        let row = |(at, m): (usize, &Member)| {
            json!({
                "name": cell(&m.name, renamed && at < moved, "flamingo"),
                "peer URL": cell(&m.peer_urls[0], at < moved, "http://10.66.1.1:23801"),
            })
        };
        let rows: Vec<Value> = self.plan.members.iter().enumerate().map(row).collect();
        self.line(Event::Decided, "Members: nashorn-1", json!({"step": "members", "rows": rows}))
    }

    fn begun(self, until: &str) -> Tale {
        let names: Vec<&String> = self.plan.members.iter().map(|m| &m.name).collect();
        let data = json!({
            "plan": self.plan.short_id(), "run": "a1b2c3d4e5f6", "operator": "anna@giraffe", "members": names,
            "until": until, "whole_plan": self.plan,
        });
        self.line(Event::Begun, "plan of krokodil: nashorn-1", data)
    }

    fn asked(self, who: usize) -> Tale {
        let indexes: Vec<Value> = (0..who).map(|n| json!([format!("http://10.77.13.{n}:23791"), 90_114])).collect();
        self.line(Event::Asked, "client URLs were asked", json!({"plan": "p", "raft_index": indexes}))
    }

    fn came_back(self) -> Tale {
        let text = "the old member at http://10.77.13.9:23791 has a leader again";
        self.line(Event::Asked, text, json!({"barrier": false}))
    }

    fn overridden(self) -> Tale {
        let data = json!({"typed": "nashorn-2@10.77.13.2", "evidence": ["client URL"], "reason": "der Chef sagt ja"});
        self.line(Event::Override, "overridden: nashorn-2 still answers", data)
    }

    fn failed(self, what: &str, why: &str) -> Tale {
        let data = json!({"host": "root@savanne-2", "error": {"what": what, "why": why, "hint": "Free some space."}});
        self.line(Event::Failed, "root@savanne-2: it failed", data)
    }

    fn unreachable(self) -> Tale {
        let data =
            json!({"host": "root@savanne-3", "error": {"what": "savanne-3 cannot be reached", "why": "", "hint": ""}});
        self.line(Event::Looked, "root@savanne-3 cannot be reached", data)
    }

    /// A member is in place, where an old one was.
    fn placed(self, n: usize) -> Tale {
        let places =
            json!([{"target": format!("/srv/pelikan/etcd-{n}"), "inside": false, "aside": "/srv/pelikan/etcd.old-77"}]);
        let data = json!({"host": "local", "member": format!("nashorn-{n}"), "swapped": {"name": format!("nashorn-{n}"), "places": places}});
        self.line(Event::Done, "local: in place", data)
    }

    fn undone(self) -> Tale {
        let data = json!({"host": "local", "member": "nashorn-1", "undone": [["/srv/pelikan/a", "/srv/pelikan/b"]]});
        self.line(Event::Done, "local: out of its place again", data)
    }

    fn ended(self, complete: bool) -> Tale {
        self.line(Event::Ended, "plan: its end", json!({"complete": complete, "why": null}))
    }

    /// From what is decided to the end.
    fn whole(self) -> Tale {
        self.begun("InPlace").asked(0).ended(true)
    }
}

fn tls(plan: &mut Plan) {
    plan.members.iter_mut().for_each(|m| m.peer_urls[0] = m.peer_urls[0].replace("http:", "https:"));
}

fn disk(plan: &mut Plan) {
    plan.source.path = "/srv/pelikan/etcd-2/member/snap/db".into();
    plan.source.skip_hash_check = true;
}

const AGAINST: &str = "Against revision 84,211 (nashorn-2 answers with it) it loses 412 revisions.";
const LOG: &str = "212 log entries are not in this file; restoring it loses them.";

/// Every shape by name: its journal, whether it is proven here, too, and words that must stand in what is made of it.
fn shapes() -> Vec<(&'static str, Tale, bool, &'static [&'static str])> {
    let three = || Tale::of(3);
    let wizard = |voters, answering| three().detect(voters, answering).snapshot(&[]).table(0, false);
    vec![
        ("bare", three().whole(), true, &["choose etcd-0300.db"]),
        ("survivor", wizard(3, 1).whole(), true, &["state: alone", "save from m2", "the blocker is overridden"]),
        ("one", Tale::of(1).whole(), true, &["an etcd of one member"]),
        ("one-answers", Tale::of(1).detect(1, 1).snapshot(&[]).whole(), false, &["has quorum"]),
        ("one-disk", Tale::of(1).plan(disk).whole(), false, &["raw: true"]),
        ("one-grows", Tale::of(3).detect(1, 0).snapshot(&[]).table(2, false).whole(), true, &["spares: [n1, n2]"]),
        ("two", Tale::of(2).detect(2, 1).snapshot(&[]).whole(), false, &["save from m2"]),
        ("four", Tale::of(4).detect(4, 2).snapshot(&[]).whole(), false, &["save from m2"]),
        ("five", Tale::of(5).detect(5, 2).snapshot(&[]).came_back().whole(), true, &["start m5", "stop m3"]),
        (
            "five-shrinks",
            Tale::of(3).detect(5, 1).snapshot(&[]).table(0, false).whole(),
            true,
            &["members are m1, m2, m3"],
        ),
        ("seven", Tale::of(7).detect(7, 3).snapshot(&[]).whole(), false, &["m1 to m7", "stop m4"]),
        ("eleven", Tale::of(11).whole(), false, &["the exercise has nine"]),
        ("raw", three().plan(|p| p.source.skip_hash_check = true).whole(), true, &["m1-member-snap-db"]),
        (
            "raw-beside-a-survivor",
            {
                let tale = three().plan(|p| p.source.skip_hash_check = true);
                tale.detect(3, 1).snapshot(&[]).whole()
            },
            true,
            &["a snapshot of the member that answers"],
        ),
        ("disk", three().plan(disk).placed(2).whole(), true, &["choose m2.etcd"]),
        (
            "disk-and-log",
            three().plan(disk).snapshot(&[LOG]).whole(),
            true,
            &["replay m2", "log: 364", "its log, as in the recovery"],
        ),
        (
            "old-file",
            wizard(3, 1).snapshot(&[AGAINST]).whole(),
            true,
            &["save from m2", "the old backup, as in the recovery"],
        ),
        ("new-hosts", three().detect(3, 0).snapshot(&[]).table(3, true).whole(), true, &["members are n1, n2, n3"]),
        ("tls", three().plan(tls).whole(), true, &["tls: true", "certificates fit"]),
        ("tls-new-hosts", three().plan(tls).table(3, false).whole(), true, &["place pki/m1-new.crt"]),
        ("tls-some-new-hosts", three().plan(tls).table(1, false).whole(), false, &["the exercise has no TLS"]),
        (
            "bump",
            three().plan(|p| (p.bump_revision, p.mark_compacted) = (1_000_000_123, true)).whole(),
            true,
            &["bump 1000000"],
        ),
        (
            "wal",
            three().plan(|p| p.members[0].wal_dir = Some("/srv/pelikan/wal".into())).whole(),
            true,
            &["WAL directories are separate"],
        ),
        (
            "wal-and-disk",
            {
                let tale = three().plan(disk).plan(|p| p.members[0].wal_dir = Some("/srv/pelikan/wal".into()));
                tale.whole()
            },
            true,
            &["separate_wal: true"],
        ),
        (
            "wal-and-survivor",
            { wizard(3, 1).plan(|p| p.members[0].wal_dir = Some("/srv/pelikan/wal".into())).whole() },
            true,
            &["separate_wal: true"],
        ),
        (
            "alarms",
            wizard(3, 1).plan(|p| p.options.clear_alarms = true).whole(),
            true,
            &["nospace: [m1]", "switch alarms"],
        ),
        (
            "override",
            three().begun("InPlace").asked(1).overridden().ended(true),
            true,
            &["is overridden, as in the recovery"],
        ),
        ("override-of-the-dead", three().begun("InPlace").asked(0).overridden().ended(true), true, &["start m3"]),
        (
            "comes-back",
            wizard(3, 1).begun("InPlace").asked(1).came_back().ended(false),
            true,
            &["old members were probed and not m2 runs"],
        ),
        (
            "disk-full",
            wizard(3, 1)
                .begun("InPlace")
                .failed("it cannot be written", "No space left on device (os error 28)")
                .ended(false)
                .whole(),
            true,
            &["fill disk", "free disk"],
        ),
        (
            "cut-off",
            three()
                .begun("InPlace")
                .failed("the connection to savanne-2 broke", "")
                .ended(false)
                .begun("InPlace")
                .ended(true),
            false,
            &["half way"],
        ),
        ("unfinished", three().begun("InPlace").asked(0), false, &["it was not finished"]),
        ("unreachable", three().unreachable().whole(), true, &["no_effect: true"]),
        ("undone", wizard(3, 1).whole().begun("Undone").undone().ended(true), true, &["etcd-0400.db", "rollback"]),
        (
            "undone-with-a-file",
            three().whole().begun("Undone").undone().ended(true),
            true,
            &["back, again, choose etcd-0400.db"],
        ),
        (
            "undone-with-a-disk",
            three().plan(disk).snapshot(&[LOG]).whole().begun("Undone").undone().ended(true),
            true,
            &["log: 350"],
        ),
        ("3.6", three().plan(|p| p.target = Some("3.6".parse().unwrap())).whole(), true, &["etcd: \"3.6\""]),
        ("3.7", three().plan(|p| p.target = Some("3.7".parse().unwrap())).whole(), false, &["etcd: \"3.7\""]),
        ("3.4", three().plan(|p| p.target = Some("3.4".parse().unwrap())).whole(), true, &["etcd: \"3.4\""]),
        (
            "everything",
            {
                let mut tale = Tale::of(5).plan(disk).plan(|p| {
                    p.members[0].wal_dir = Some("/srv/pelikan/wal".into());
                    p.options.clear_alarms = true;
                    (p.bump_revision, p.mark_compacted) = (1_000_000_123, true);
                });
                tale = tale
                    .detect(5, 1)
                    .snapshot(&[LOG, AGAINST])
                    .table(2, true)
                    .unreachable()
                    .begun("InPlace")
                    .asked(1)
                    .came_back();
                tale = tale
                    .failed("not enough space for m2", "")
                    .ended(false)
                    .begun("InPlace")
                    .overridden()
                    .placed(1)
                    .ended(true);
                tale.begun("Undone").undone().ended(true)
            },
            true,
            &["difficulty: 5"],
        ),
        (
            "restore-by-flags",
            {
                let data = json!({"plan": "ab12cd34", "label": "krokodil", "members": ["nashorn-1", "nashorn-2"], "revision": 83_799});
                three().line(Event::Begun, "plan of krokodil", data).ended(true)
            },
            false,
            &["an etcd of two members"],
        ),
    ]
}

fn made(name: &str, tale: &Tale) -> (scenario::Scenario, String) {
    let made = from_journal::record(&tale.records, &name.replace('.', "-")).unwrap_or_else(|e| panic!("{name}: {e}"));
    let read = scenario::parse("taken.yaml", &made.text).unwrap_or_else(|e| panic!("{name}: {e}\n{}", made.text));
    (read, made.text)
}

#[test]
fn every_shape_becomes_a_scenario_without_leaks() {
    for (name, tale, _, words) in shapes() {
        let (read, text) = made(name, &tale);
        assert!(!read.wrong.is_empty() && read.goals.len() >= 4, "{name}");
        assert_eq!(leaks(&tale.records, &text), [""; 0], "{name}:\n{text}");
        for word in words {
            assert!(text.contains(word), "{name}: {word:?} is not in\n{text}");
        }
        for mark in
            ["nashorn", "krokodil", "zebra", "pelikan", "elefant", "savanne", "giraffe", "flamingo", "anna", "10."]
        {
            assert!(!text.to_lowercase().contains(mark), "{name}: {mark}");
        }
        assert_eq!(made(name, &tale).1, text, "the same journal makes the same scenario");
    }
}

/// Whatever happens together: every pair of what can be told makes a file that is read.
#[test]
fn what_happens_together_is_a_scenario_too() {
    type Change = fn(Tale) -> Tale;
    let changes: [Change; 13] = [
        |t| t.plan(disk),
        |t| t.plan(tls),
        |t| t.plan(|p| p.bump_revision = 7_000),
        |t| t.plan(|p| p.members[0].wal_dir = Some("/srv/pelikan/wal".into())),
        |t| t.plan(|p| p.options.clear_alarms = true),
        |t| t.snapshot(&[LOG]),
        |t| t.snapshot(&[AGAINST]),
        |t| t.table(1, true),
        |t| t.overridden(),
        |t| t.came_back(),
        |t| t.failed("not enough space for m2", ""),
        |t| t.undone(),
        |t| t.unreachable(),
    ];
    // `REQUORUM_LONG=1` proves every one of them
    let long = std::env::var_os("REQUORUM_LONG").is_some();
    let pairs = |members: usize, answering: usize| {
        let name = format!("pair-{members}-{answering}");
        let mut unsound = Vec::new();
        for (at, first) in changes.into_iter().enumerate() {
            for (more, second) in changes.into_iter().enumerate().skip(at + 1) {
                let tale = second(first(Tale::of(members).detect(members, answering))).whole();
                let (read, text) = made(&name, &tale);
                assert_eq!(leaks(&tale.records, &text), [""; 0], "{text}");
                let error = long.then(|| autoplay::prove(&read, None).err()).flatten();
                unsound.extend(error.map(|error| format!("{name}, {at} and {more}: {error}")));
            }
        }
        unsound
    };
    let clusters = [(3, 0), (1, 0), (2, 1), (5, 2), (5, 5)];
    let clusters = if long || every_case() { &clusters[..] } else { &clusters[..1] };
    let unsound: Vec<String> = std::thread::scope(|scope| {
        let work: Vec<_> = clusters.iter().map(|(members, answer)| scope.spawn(|| pairs(*members, *answer))).collect();
        work.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(unsound, [""; 0]);
}

#[test]
fn shapes_are_proven_by_keys() {
    for (name, tale, proven, _) in shapes() {
        if !(proven && (every_case() || EVERY_DAY.contains(&name))) {
            continue;
        }
        let (read, text) = made(name, &tale);
        if let Err(error) = autoplay::prove(&read, None) {
            panic!("{name}: {error}\n{text}");
        }
    }
}

/// Those that are proven every day; tests/run proves the others, too.
const EVERY_DAY: [&str; 1] = ["survivor"];

#[test]
fn journals_without_recovery_are_refused() {
    let host = |kind, data| Tale::of(3).line(kind, "x", data).records;
    for (records, word) in [
        (Vec::new(), "is empty"),
        (host(Event::Begun, json!({"plan": "p", "run": "r", "operator": "anna"})), "a host's own journal"),
        (host(Event::Proof, json!({"plan": "p", "exit_code": 0})), "no start of a recovery"),
        (host(Event::Begun, json!({"run": "r", "until": "InPlace", "whole_plan": {"version": 9}})), "has a version"),
    ] {
        let said = from_journal::record(&records, "taken").unwrap_err().to_string();
        assert!(said.contains(word) && said.contains("PLAN.yaml.journal"), "{word:?} is not in {said}");
        assert!(!said.contains("anna"));
    }
}
