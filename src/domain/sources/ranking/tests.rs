//! The ranking by tables, and what must never come of it by properties.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;
use crate::domain::{
    model::observations::{
        Answer, Content, DamagedPart, EndpointFacts, KnownMember, LimitedDamage, MemberStatus, NoAnswer, Read,
    },
    quorum::scope::{Evidence, Scope},
    sources::data_loss::{History, Lost},
};

const NOW: i64 = 1_000_000;
const OURS: Id = Id(0x4f1c);

fn member(id: u64) -> KnownMember {
    KnownMember { id: Id(id), name: format!("m{id}").into(), ..KnownMember::default() }
}

fn ours() -> Vec<KnownMember> {
    [1, 2, 3].map(member).into()
}

fn says(revision: i64, index: u64) -> MemberStatus {
    MemberStatus {
        cluster_id: OURS,
        member_id: Id(2),
        revision,
        raft_index: index,
        members: ours(),
        ..MemberStatus::default()
    }
}

fn file(path: &str, health: Health, revision: i64, members: &[u64]) -> FileFacts {
    let content = Content { revision, members: members.iter().map(|id| member(*id)).collect(), ..Content::default() };
    let read = !matches!(health, Health::Unread | Health::Broken(_));
    FileFacts { path: path.into(), bytes: 1, modified: Some(NOW - 4320), health, content: read.then_some(content) }
}

/// A data directory and its database, which was read through.
fn dir(path: &str, cluster: Id, revision: i64, index: u64, log: (u64, u64)) -> (DirFacts, FileFacts) {
    let database = file(&format!("{path}/member/snap/db"), Health::Unhashed, revision, &[1, 2, 3]);
    let says = DataDirState {
        cluster_id: cluster,
        member_id: Id(1),
        term: log.0,
        vote: Id(0),
        commit: log.1,
        first_index: 1,
        last_index: log.1,
        last_term: log.0,
        torn: None,
        snap_index: 0,
        consistent_index: index,
        consistent_term: None,
        writes_beyond: None,
        revision,
        database: database.clone(),
        received_db: None,
        members: ours(),
        v2_keys: 0,
        etcd: None,
        written: Some(NOW - 40),
        warnings: Vec::new(),
    };
    let facts = DirFacts {
        data_dir: path.into(),
        wal_dir: None,
        learned_from: String::new(),
        held: Held::No,
        state: DirState::Whole(Box::new(says)),
    };
    (facts, database)
}

fn kin(a: &str, b: &str, history: History) -> HistoryMatch {
    HistoryMatch { files: [a.into(), b.into()], history }
}

const SAME: History = History::Same { rows: 32, until: 50 };

fn names(list: &List) -> Vec<&str> {
    list.sources.iter().map(|s| s.name.as_str()).collect()
}

fn at<'a>(list: &'a List, path: &str) -> &'a Source {
    list.get(&Place::File(path.into())).unwrap()
}

fn survivors(says: &[MemberStatus]) -> Vec<Survivor<'_>> {
    let each = says.iter().zip(["http://m2:2379", "http://m3:2379"]).zip(["m2", "m3"]);
    each.map(|((says, endpoint), name)| Survivor { name: name.into(), endpoint, says }).collect()
}

/// The list, where what was seen settles which cluster is meant.
fn list(seen: &Observed<'_>) -> List {
    let said = seen.survivors.iter().chain(&seen.closed);
    let facts: Vec<EndpointFacts> = said
        .map(|s| EndpointFacts { endpoint: s.endpoint.into(), answer: Answer::Says(Box::new(s.says.clone())) })
        .collect();
    let scope = Scope::new(&Evidence { facts: &facts, typed: true, dirs: seen.dirs, ..Evidence::default() });
    super::list(&Observed { scope, ..seen.clone() })
}

#[test]
fn the_sketch_of_the_screen() {
    let says = [says(84_211, 90_114)];
    let (m1, m1_db) = dir("/var/lib/etcd", OURS, 84_152, 90_050, (7, 90_088));
    let files = [
        file("/backup/etcd-0100.db.part", Health::Broken("incomplete".into()), 0, &[]),
        file("/backup/old.db", Health::Verified, 12_004, &[7, 8, 9]),
        file("/backup/etcd-0200.db", Health::Verified, 83_799, &[1, 2, 3]),
        m1_db,
    ];
    let dirs = [m1];
    let list =
        list(&Observed { survivors: survivors(&says), files: &files, dirs: &dirs, now: NOW, ..Observed::default() });
    let table: Vec<(&str, String)> = list.sources.iter().map(|s| (s.name.as_str(), s.loss.cell())).collect();
    assert_eq!(
        table,
        [
            ("m2, over the network", "0 known".into()),
            ("/var/lib/etcd, data dir", "≥ 59".into()),
            ("/backup/etcd-0200.db", "≥ 412".into()),
            ("/backup/old.db", "?".into()),
            ("/backup/etcd-0100.db.part", "?".into()),
        ]
    );
    assert_eq!(list.newest.as_ref().unwrap().words, "revision 84,211 (m2 answers with it)");
    assert_eq!(list.pick, Some(Place::Member("http://m2:2379".into())));
    let said = at(&list, "/var/lib/etcd/member/snap/db").loses(list.newest.as_ref());
    crate::text::messages::hold("plan-sources-behind", &[("a directory behind m2", said.join("\n"))]);
    assert_eq!(
        at(&list, "/backup/old.db").relation.words(),
        "none of its members is known here (no m1, m2 and m3), and a snapshot file names no cluster"
    );
    assert_eq!(at(&list, "/backup/etcd-0200.db").loss.seconds, Some(4320));
}

#[test]
fn whose_a_source_is() {
    let says = [says(100, 90)];
    let (strange, strange_db) = dir("/strange", Id(0xbad), 500, 10, (1, 10));
    let files = [
        strange_db,
        file("/kin.db", Health::Verified, 50, &[]),
        file("/kin-of-kin.db", Health::Verified, 40, &[8]),
        file("/parted.db", Health::Verified, 60, &[1, 2, 3]),
        file("/bare.db", Health::Unhashed, 30, &[1]),
        file("/none.db", Health::Verified, 20, &[]),
        file("/saved.db", Health::Verified, 100, &[]),
    ];
    let saved = [Saved { path: "/saved.db".into(), member: "m2".into(), cluster_id: OURS }];
    let kin = [
        kin("/kin.db", "/kin-of-kin.db", SAME),
        kin("/saved.db", "/kin.db", SAME),
        kin("/parted.db", "/saved.db", History::Parts { at: 7 }),
        kin("/none.db", "/saved.db", History::Unknown),
    ];
    let seen = Observed {
        survivors: survivors(&says),
        files: &files,
        dirs: &[strange],
        saved: &saved,
        kin: &kin,
        now: NOW,
        ..Observed::default()
    };
    let list = list(&seen);
    for (path, relation) in [
        ("/saved.db", Relation::Same(format!("it was saved from m2, which answers for cluster {OURS}"))),
        ("/kin.db", Relation::Same("its rows up to revision 50 are those of /saved.db".into())),
        ("/kin-of-kin.db", Relation::Same("its rows up to revision 50 are those of /kin.db".into())),
        ("/parted.db", Relation::Other("at revision 7 its rows differ from those of /saved.db".into())),
        ("/bare.db", Relation::SharesMembers("it lists this cluster's member m1 under the same IDs".into())),
        ("/none.db", Relation::CannotTell("it lists no members, and a snapshot file names no cluster".into())),
        (
            "/strange/member/snap/db",
            Relation::Other(format!("its log names cluster {}; this one is {OURS}, as m2 says", Id(0xbad))),
        ),
    ] {
        assert_eq!(at(&list, path).relation, relation, "{path}");
    }
    assert_eq!(list.newest.as_ref().unwrap().revision, 100, "a stranger is not the newest state of this cluster");
    assert_eq!(
        names(&list),
        [
            "m2, over the network",
            "/saved.db",
            "/kin.db",
            "/kin-of-kin.db",
            "/bare.db",
            "/none.db",
            "/strange, data dir",
            "/parted.db",
        ]
    );
    assert_eq!(at(&list, "/bare.db").loss.cell(), "≥ 70");
}

#[test]
fn a_longer_log_ranks_first_within_one_cluster() {
    let (a, a_db) = dir("/a", OURS, 100, 50, (3, 50));
    let (b, b_db) = dir("/b", OURS, 90, 40, (3, 60));
    let (c, c_db) = dir("/c", OURS, 99, 49, (2, 70));
    let files = [file("/f.db", Health::Verified, 95, &[1]), a_db, b_db, c_db];
    let list = list(&Observed { files: &files, dirs: &[a, b, c], now: NOW, ..Observed::default() });
    assert_eq!(names(&list), ["/b, data dir", "/a, data dir", "/c, data dir", "/f.db"]);
    let said = at(&list, "/b/member/snap/db").loses(list.newest.as_ref());
    let mut messages = vec![("a longer log", said.join("\n")), ("the list", list.ahead.clone().unwrap())];
    messages.push(("a file", at(&list, "/f.db").loses(list.newest.as_ref()).join("\n")));
    crate::text::messages::hold("plan-sources-log", &messages);
    assert_eq!(list.pick, None, "there is something to do first");
    assert_eq!(at(&list, "/f.db").loss.cell(), "≥ 5", "a log that no file holds may go on past everything");
}

#[test]
fn differing_survivors_are_shown_none_is_proposed() {
    let says = [says(100, 90), says(100, 90)];
    let differing = Differing {
        sentence: "m2 (9f3c11aa) and m3 (77aa02c1) hold different data at revision 99".into(),
        endpoints: ["http://m2:2379", "http://m3:2379"].map(String::from).into(),
    };
    let seen = Observed { survivors: survivors(&says), now: NOW, ..Observed::default() };
    assert!(list(&seen).pick.is_some());
    let differ = list(&Observed { differing: Some(differing), ..seen.clone() });
    assert_eq!((differ.pick.clone(), differ.sources.iter().filter(|s| s.disagrees).count()), (None, 2));
    assert!(differ.differing.as_ref().unwrap().contains("77aa02c1"));
    assert!(differ.sources.iter().all(|s| s.loss.lost() == Lost::NotKnown), "one loses what the other holds");
    assert_eq!(differ.horizon, list(&seen).horizon, "what is known of the newest state is the same");
    // the same is learnt from what was saved from both
    let files = [file("/2.db", Health::Verified, 100, &[1]), file("/3.db", Health::Verified, 100, &[1])];
    let saved = [("/2.db", "m2"), ("/3.db", "m3")].map(|(path, member)| Saved {
        path: path.into(),
        member: member.into(),
        cluster_id: OURS,
    });
    let kin = [kin("/2.db", "/3.db", History::Parts { at: 98 })];
    let differ = list(&Observed { files: &files, saved: &saved, kin: &kin, ..seen });
    assert_eq!(
        differ.differing.unwrap(),
        "/2.db and /3.db are of the same cluster but hold different data at revision 98"
    );
    assert!(differ.pick.is_none() && differ.sources.iter().filter(|s| s.disagrees).count() == 2);
    assert!(differ.sources.iter().all(|s| s.loss.lost() == Lost::NotKnown));
}

#[test]
fn two_answering_clusters_leave_the_choice_open() {
    let says = [says(100, 90), MemberStatus { cluster_id: Id(0xbad), ..says(200, 9) }];
    let list = list(&Observed { survivors: survivors(&says), now: NOW, ..Observed::default() });
    assert!(list.sources.iter().all(|s| matches!(&s.relation, Relation::CannotTell(_))));
    assert_eq!(list.pick, None);
}

#[test]
fn directories_in_use_or_unstartable_say_so() {
    let (mut held, held_db) = dir("/held", OURS, 100, 50, (3, 50));
    held.held = Held::By { pid: Some(812), program: "etcd".into() };
    let (mut broken, broken_db) = dir("/broken", OURS, 90, 50, (0, 0));
    let DirState::Whole(says) = broken.state else { unreachable!() };
    broken.state =
        DirState::Broken { why: "there is no log in /broken/member/wal".into(), part: BrokenPart::Log, says };
    let files = [held_db, broken_db];
    let list = list(&Observed { files: &files, dirs: &[held, broken], now: NOW, ..Observed::default() });
    assert_eq!(names(&list), ["/broken, data dir", "/held, data dir"]);
    let held = at(&list, "/held/member/snap/db");
    let SourceState::Held(why) = &held.standing else { panic!("{held:?}") };
    let broken = at(&list, "/broken/member/snap/db");
    assert_eq!((broken.loss.entries, broken.loss.cell()), (Entries::Unknown, "≥ 10".into()));
    assert_eq!(broken.warnings.len(), 1, "{:?}", broken.warnings);
    let messages = [("broken", broken.warnings.join("\n")), ("in use", why.to_string())];
    crate::text::messages::hold("plan-sources-broken", &messages);
}

#[test]
fn an_unflushed_database_is_no_empty_store() {
    let (lagging, mut db) = dir("/lag", OURS, 0, 0, (2, 8_263));
    db.content.as_mut().unwrap().revision = 0;
    let (mut half, mut half_db) = dir("/half", OURS, 0, 10, (1, 9_000));
    half_db.health = Health::Broken("truncated".into());
    let DirState::Whole(says) = half.state else { unreachable!() };
    half.state = DirState::Broken { why: "truncated".into(), part: BrokenPart::Log, says };
    let list = list(&Observed { files: &[db, half_db], dirs: &[lagging, half], now: NOW, ..Observed::default() });
    let source = at(&list, "/lag/member/snap/db");
    assert_eq!((source.revision, source.loss.cell()), (Some(1), "8,263 entries".into()));
    let mut messages = vec![("never flushed", source.loses(list.newest.as_ref()).join("\n"))];
    let broken = at(&list, "/half/member/snap/db").loses(None);
    assert!(broken[1].starts_with("8,990 "), "{broken:?}");
    messages.push(("and broken", broken.join("\n")));
    crate::text::messages::hold("plan-sources-empty", &messages);
}

fn any_health() -> impl Strategy<Value = Health> {
    prop_oneof![
        Just(Health::Verified),
        Just(Health::Unhashed),
        Just(Health::Unread),
        Just(Health::Broken("x".into())),
        Just(Health::Packed("x".into())),
        Just(Health::Limited(LimitedDamage { parts: Vec::new(), revision: 5, hashed: true, why: "x".into() })),
    ]
}

fn any_history() -> impl Strategy<Value = History> {
    prop_oneof![Just(SAME), Just(History::Parts { at: 3 }), Just(History::Unknown)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_must_never_come_of_it(
        answering in prop::collection::vec((1i64..20, 1u64..20, prop::bool::weighted(0.9)), 0..3),
        plain in prop::collection::vec((any_health(), 1i64..20, prop::collection::vec(1u64..6, 0..3), 0i64..3), 0..5),
        dirs in prop::collection::vec((1i64..20, 1u64..20, 1u64..4, 0u64..25, prop::bool::weighted(0.8), any::<bool>()), 0..4),
        looks in prop::collection::vec((0usize..9, 0usize..9, any_history()), 0..8),
        differ: bool,
        order: prop::sample::Index,
    ) {
        let says: Vec<MemberStatus> = answering
            .iter()
            .map(|(revision, index, ours)| MemberStatus { cluster_id: if *ours { OURS } else { Id(9) }, ..says(*revision, *index) })
            .collect();
        let mut files = Vec::new();
        for (at, (health, revision, members, age)) in plain.into_iter().enumerate() {
            let found = file(&format!("/f{at}"), health, revision, &members);
            files.push(FileFacts { modified: Some(NOW - age), ..found });
        }
        let mut dir_facts = Vec::new();
        for (at, (revision, index, term, end, ours, held)) in dirs.into_iter().enumerate() {
            let (mut facts, db) = dir(&format!("/d{at}"), if ours { OURS } else { Id(9) }, revision, index, (term, end));
            if held && at == 0 {
                facts.held = Held::By { pid: None, program: String::new() };
            }
            dir_facts.push(facts);
            files.push(db);
        }
        let path = |at: usize| files.get(at).map(|f| f.path.clone());
        let kin: Vec<HistoryMatch> = looks
            .into_iter()
            .filter_map(|(a, b, history)| Some(HistoryMatch { files: [path(a)?, path(b)?], history }).filter(|k| k.files[0] != k.files[1]))
            .collect();
        let endpoints = ["http://m2:2379", "http://m3:2379"].map(String::from).into();
        let differing = (differ && says.len() == 2).then(|| Differing { sentence: "m2 and m3 differ".into(), endpoints });
        let differs = differing.is_some();
        let seen = Observed {
            closed: Vec::new(),
            scope: Scope::default(),
            survivors: survivors(&says), files: &files, dirs: &dir_facts, saved: &[], kin: &kin, differing, now: NOW,
        };
        let made = list(&seen);

        prop_assert_eq!(made.sources.len(), says.len() + files.len(), "nothing is left out");
        prop_assert!(made.sources.windows(2).all(|w| w[0].standing.class() <= w[1].standing.class()), "broken above whole");
        for w in made.sources.windows(2).filter(|w| w[0].standing.class() == w[1].standing.class()) {
            prop_assert!(w[0].relation.class() <= w[1].relation.class(), "a stranger above one of ours");
        }
        for (at, source) in made.sources.iter().enumerate() {
            if let Some(log) = source.log {
                let above = made.sources[..at].iter().filter(|s| {
                    s.standing.class() == source.standing.class() && s.relation.class() == source.relation.class()
                });
                let shorter = |s: &Source| s.log.is_some_and(|l| l.cluster == log.cluster && l < log);
                prop_assert!(!above.into_iter().any(shorter), "a shorter log above a longer one");
            }
            if source.loss.entries != Entries::None {
                prop_assert!(source.loss.cell() != "0" && source.loss.cell() != "≥ 0");
            }
            if let (Some(loses), Some(newest), Some(revision)) = (source.loss.revisions, &made.newest, source.revision) {
                prop_assert_eq!(i64::try_from(loses).unwrap(), (newest.revision - revision).max(0));
            }
        }
        if let Some(pick) = &made.pick {
            let first = &made.sources[0];
            prop_assert_eq!(pick, &first.place);
            prop_assert!(first.standing.usable() && first.relation.ours() && first.loss.entries == Entries::None);
            prop_assert!(!differs && made.differing.is_none());
        }
        // the list does not hang on the order in which things were learnt
        let mut turned = files.clone();
        if !turned.is_empty() {
            let by = order.index(turned.len());
            turned.rotate_left(by);
        }
        let again = list(&Observed { files: &turned, ..seen.clone() });
        prop_assert_eq!(names(&made), names(&again));
    }
}

#[test]
fn a_lone_member_brings_only_its_known_commits() {
    let mut messages = Vec::new();
    for (commit, what) in [
        (40, "it knows fewer entries to be committed"),
        (50, "it knows some to be committed"),
        (60, "it knows all to be committed"),
    ] {
        let (mut found, db) = dir("/b", OURS, 90, 40, (3, 60));
        let DirState::Whole(says) = &mut found.state else { panic!("{found:?}") };
        says.commit = commit;
        let list = list(&Observed { files: &[db], dirs: &[found], now: NOW, ..Observed::default() });
        let said = at(&list, "/b/member/snap/db").loses(None);
        messages.push((what, said[0].clone()));
    }
    crate::text::messages::hold("plan-sources-lone", &messages);
}

#[test]
fn members_heard_elsewhere_tell_the_cluster() {
    let (ours, ours_db) = dir("/ours", OURS, 31, 41, (2, 41));
    let (other, other_db) = dir("/other", Id(0xbeef), 146, 150, (2, 150));
    let says = MemberStatus { cluster_id: OURS, closed: Some(NoAnswer::Password), ..MemberStatus::default() };
    let (files, dirs) = ([ours_db, other_db], [ours, other]);
    let seen = Observed { files: &files, dirs: &dirs, now: NOW, ..Observed::default() };
    assert!(!at(&list(&seen), "/ours/member/snap/db").relation.ours(), "of two clusters, and nothing says which");
    let closed = vec![Survivor { name: "m2".into(), endpoint: "10.0.0.2:2379", says: &says }];
    let list = list(&Observed { closed, ..seen });
    assert!(at(&list, "/ours/member/snap/db").relation.ours());
    assert!(matches!(at(&list, "/other/member/snap/db").relation, Relation::Other(_)));
    assert_eq!(list.newest.map(|newest| newest.revision), Some(31), "what another cluster holds is not our newest");
    assert_eq!(list.sources.len(), 2, "it gives no snapshot");
}

/// What is known of the three voters of a cluster: who answers, whose directory was read, where that was learned of.
#[test]
fn a_loss_is_known_when_no_majority_exceeds() {
    let installed = |n: u64, index: u64, end: u64| {
        let (mut facts, mut db) = dir(&format!("/d{n}"), OURS, 100, index, (3, end));
        facts.learned_from = "etcd.service".into();
        db.modified = None;
        let DirState::Whole(says) = &mut facts.state else { unreachable!() };
        says.member_id = Id(n);
        (facts, db)
    };
    let copied = |n: u64| {
        let (facts, db) = installed(n, 50, 50);
        (DirFacts { learned_from: String::new(), ..facts }, db)
    };
    let of_one = |(mut facts, db): (DirFacts, FileFacts)| {
        let DirState::Whole(says) = &mut facts.state else { unreachable!() };
        says.members = vec![member(1)];
        (facts, db)
    };
    let held = |(facts, db): (DirFacts, FileFacts)| {
        (DirFacts { held: Held::By { pid: None, program: "etcd".into() }, ..facts }, db)
    };
    let empty = |n: u64| {
        let (mut facts, db) = installed(n, 3, 4);
        let DirState::Whole(says) = &mut facts.state else { unreachable!() };
        says.revision = 1;
        (facts, db)
    };
    let answers = |read: Read| MemberStatus { read, ..says(100, 50) };
    let partial = |known| Horizon::Partial { known, voters: 3 };
    for (what, answering, dirs, horizon) in [
        ("nothing but a file", vec![], vec![], Horizon::Files),
        ("one survivor of three", vec![answers(Read::NotAsked)], vec![], partial(1)),
        ("a quorum serves", vec![answers(Read::Served)], vec![], Horizon::Complete),
        ("one directory of three", vec![], vec![installed(1, 50, 50)], partial(1)),
        ("two of three, to their ends", vec![], vec![installed(1, 50, 50), installed(3, 40, 50)], Horizon::Complete),
        ("the same, used", vec![], vec![installed(1, 50, 50), held(installed(3, 40, 50))], Horizon::Complete),
        ("one that goes on past all", vec![], vec![installed(1, 50, 50), installed(3, 40, 51)], Horizon::LogAhead),
        ("a used one goes on", vec![], vec![installed(1, 50, 50), held(installed(3, 40, 51))], Horizon::LogEnds),
        ("copies, of whatever age", vec![], vec![copied(1), copied(3)], Horizon::LogEnds),
        ("copies of one member", vec![], vec![copied(1), installed(1, 50, 50)], partial(1)),
        ("begun with an empty directory", vec![], vec![installed(1, 50, 50), empty(3)], partial(1)),
        ("a survivor and a directory", vec![answers(Read::NotAsked)], vec![installed(1, 50, 50)], Horizon::LogEnds),
        ("a cluster of one, stopped", vec![], vec![of_one(installed(1, 50, 50))], Horizon::Complete),
    ] {
        let (dirs, mut files): (Vec<DirFacts>, Vec<FileFacts>) = dirs.into_iter().unzip();
        files.push(file("/b.db", Health::Verified, 90, &[1, 2, 3]));
        let seen =
            Observed { survivors: survivors(&answering), files: &files, dirs: &dirs, now: NOW, ..Observed::default() };
        let found = list(&seen);
        assert_eq!(found.horizon, horizon, "{what}");
        for source in &found.sources {
            let exact = matches!(source.loss.lost(), Lost::Exactly(_));
            assert!(!exact || horizon == Horizon::Complete, "{what}: {source:#?}");
            assert!(source.loss.cell() != "0" || source.revision == Some(100), "{what}: {source:#?}");
        }
        let turned: Vec<DirFacts> = dirs.iter().rev().cloned().collect();
        let again = list(&Observed { dirs: &turned, ..seen.clone() });
        assert_eq!(again.horizon, found.horizon, "{what}: whatever the order");
    }
}

#[test]
fn a_lone_backup_is_never_lossless() {
    let files = [file("/a.db", Health::Verified, 90, &[1]), file("/b.db", Health::Verified, 100, &[1])];
    let list = list(&Observed { files: &files, now: NOW, ..Observed::default() });
    let cells: Vec<String> = list.sources.iter().map(|s| s.loss.cell()).collect();
    assert_eq!(cells, ["not known", "≥ 10"]);
    assert!(list.horizon.caveat().is_some());
}

#[test]
fn an_older_copy_is_named_in_any_order() {
    let ((new, new_db), (old, old_db)) = (dir("/z", OURS, 100, 50, (3, 60)), dir("/a", OURS, 90, 40, (3, 50)));
    for dirs in [[new.clone(), old.clone()], [old, new]] {
        let files = [old_db.clone(), new_db.clone()];
        let list = list(&Observed { files: &files, dirs: &dirs, now: NOW, ..Observed::default() });
        assert_eq!(names(&list), ["/z, data dir", "/a, data dir"]);
        let warned = |path: &str| at(&list, path).warnings.iter().filter(|w| w.contains("/z")).count();
        assert_eq!((warned("/z/member/snap/db"), warned("/a/member/snap/db")), (0, 1), "the newer one is named");
    }
}

#[test]
fn other_clusters_do_not_measure_the_loss() {
    let (ours, ours_db) = dir("/ours", OURS, 31, 41, (2, 41));
    let (other, other_db) = dir("/other", Id(0xbeef), 15_450, 150, (2, 150));
    let (files, dirs) = ([ours_db, other_db], [ours, other]);
    let named = [std::path::PathBuf::from("/ours")];
    let scope = Scope::new(&Evidence { dirs: &dirs, named: &named, ..Evidence::default() });
    let seen = Observed { files: &files, dirs: &dirs, now: NOW, scope, ..Observed::default() };
    let settled = super::list(&seen);
    assert_eq!(settled.newest.as_ref().map(|newest| newest.revision), Some(31));
    assert!(matches!(settled.get(&Place::File("/other/member/snap/db".into())).unwrap().relation, Relation::Other(_)));
    let open = list(&seen);
    assert_eq!((open.horizon, open.newest.clone()), (Horizon::Unsettled, None));
    assert!(open.pick.is_none() && open.sources.iter().all(|s| s.loss.lost() == Lost::NotKnown));
}

/// To start an etcd is advised only where nothing that is known speaks against it.
#[test]
fn only_intact_directories_are_to_be_started() {
    type Change = fn(&mut DirFacts, &mut FileFacts);
    fn says(dir: &mut DirFacts) -> &mut DataDirState {
        let DirState::Whole(says) = &mut dir.state else { unreachable!() };
        says
    }
    fn limited(part: DamagedPart) -> Health {
        Health::Limited(LimitedDamage { parts: vec![part], revision: 90, hashed: false, why: "x".into() })
    }
    let start = |all, damaged, set_up| CatchUp::Start { all, damaged, set_up };
    let cases: Vec<(&str, Change, CatchUp<'_>)> = vec![
        ("set up to start on it", |d, _| d.learned_from = "etcd.service".into(), start(true, false, true)),
        ("maybe a copy", |_, _| {}, start(true, false, false)),
        ("its end undecided", |d, _| says(d).commit = 50, start(false, false, false)),
        ("nothing committed", |d, _| says(d).commit = 40, CatchUp::Undecided),
        ("held", |d, _| d.held = Held::By { pid: None, program: String::new() }, CatchUp::Runs),
        ("a damaged row", |_, f| f.health = Health::Broken("x".into()), CatchUp::NotWhole),
        ("it cannot be read", |_, f| f.health = Health::Unreadable("x".into()), CatchUp::NotWhole),
        ("a harmful list", |_, f| f.health = limited(DamagedPart::FreeList), CatchUp::NotWhole),
        (
            "the same, by the quick look",
            |d, _| says(d).database.health = limited(DamagedPart::FreeList),
            CatchUp::NotWhole,
        ),
        ("a meta page", |_, f| f.health = limited(DamagedPart::NewerMetaPage), start(true, true, false)),
        ("pages leaked", |d, _| says(d).database.health = limited(DamagedPart::LeakedPages), start(true, true, false)),
        (
            "not whole",
            |d, _| {
                let DirState::Whole(says) = std::mem::replace(&mut d.state, DirState::Empty) else { unreachable!() };
                d.state = DirState::Broken { why: "x".into(), part: BrokenPart::Log, says };
            },
            CatchUp::NotWhole,
        ),
    ];
    let mut messages = Vec::new();
    for (what, change, wanted) in cases {
        let (mut found, mut db) = dir("/b", OURS, 90, 40, (3, 60));
        change(&mut found, &mut db);
        let (files, dirs) = ([db], [found]);
        assert_eq!(CatchUp::new(&dirs[0], Some(&files[0]), &dirs), wanted, "{what}");
        let list = list(&Observed { files: &files, dirs: &dirs, now: NOW, ..Observed::default() });
        let said = at(&list, "/b/member/snap/db").loses(None).join(" ") + &list.ahead.clone().unwrap_or_default();
        messages.push((what, format!("{wanted:?}: {said}")));
    }
    // An older copy of a member's directory makes it forget.
    let ((new, new_db), (old, old_db)) = (dir("/new", OURS, 100, 50, (3, 70)), dir("/old", OURS, 90, 40, (3, 60)));
    let (files, dirs) = ([new_db, old_db], [new, old]);
    assert_eq!(CatchUp::new(&dirs[1], None, &dirs), CatchUp::Older(std::path::Path::new("/new")));
    let list = list(&Observed { files: &files, dirs: &dirs, now: NOW, ..Observed::default() });
    let said = at(&list, "/old/member/snap/db").loses(None).join(" ");
    assert!(said.contains("/new"), "{said}");
    messages.push(("an older copy", said));
    crate::text::messages::hold("plan-sources-start", &messages);
}
