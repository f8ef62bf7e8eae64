//! Which cluster is meant, by tables: what was seen, and what follows.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::domain::model::observations::{
    FileFacts, Health,
    config::{Origin, Setting},
    disk::{DataDirState, DirState, Held},
};

const MAIN: Id = Id(0xa1);
const EVENTS: Id = Id(0xe2);

fn member(n: u64, port: u16) -> KnownMember {
    KnownMember {
        id: Id(n),
        name: format!("m{n}").into(),
        client_urls: vec![format!("http://10.0.0.{n}:{port}").into()],
        ..KnownMember::default()
    }
}

/// m1's directory; its cluster's members serve clients at this port.
fn dir(path: &str, cluster: Id, port: u16) -> DirFacts {
    let database = FileFacts {
        path: format!("{path}/member/snap/db").into(),
        bytes: 1,
        modified: None,
        health: Health::Unread,
        content: None,
    };
    let says = DataDirState {
        cluster_id: cluster,
        member_id: Id(1),
        term: 2,
        vote: Id(0),
        commit: 9,
        first_index: 1,
        last_index: 9,
        last_term: 2,
        torn: None,
        snap_index: 0,
        consistent_index: 9,
        consistent_term: None,
        writes_beyond: None,
        revision: 5,
        database,
        received_db: None,
        members: [1, 2, 3].map(|n| member(n, port)).into(),
        v2_keys: 0,
        etcd: None,
        written: None,
        warnings: Vec::new(),
    };
    DirFacts {
        data_dir: path.into(),
        wal_dir: None,
        learned_from: "process 1".into(),
        held: Held::No,
        state: DirState::Whole(Box::new(says)),
    }
}

fn searched(dir: DirFacts) -> DirFacts {
    DirFacts { learned_from: String::new(), ..dir }
}

fn config(dir: &str, kind: ConfigKind, listen: Option<&str>) -> ConfigFacts {
    let listen =
        listen.map(|value| Setting { flag: "listen-client-urls".into(), value: value.into(), from: String::new() });
    ConfigFacts {
        origin: Origin::File(format!("{dir}.conf").into()),
        kind,
        flags: listen.into_iter().collect(),
        data_dir: Some(dir.into()),
        wal_dir: None,
        automation: Vec::new(),
        notes: Vec::new(),
        runs: Default::default(),
    }
}

fn silent(endpoint: &str) -> EndpointFacts {
    let answer = Answer::Silent { why: "connection refused".into(), details: String::new() };
    EndpointFacts { endpoint: endpoint.into(), answer }
}

fn answers(endpoint: &str, cluster: Id) -> EndpointFacts {
    let says = MemberStatus { cluster_id: cluster, member_id: Id(1), ..MemberStatus::default() };
    EndpointFacts { endpoint: endpoint.into(), answer: Answer::Says(Box::new(says)) }
}

#[derive(Default)]
struct Case {
    facts: Vec<EndpointFacts>,
    untyped: bool,
    given: Vec<String>,
    dirs: Vec<DirFacts>,
    configs: Vec<ConfigFacts>,
    named: Vec<PathBuf>,
    chosen: Option<Id>,
}

impl Case {
    fn scope(&self) -> Scope {
        Scope::new(&Evidence {
            facts: &self.facts,
            typed: !self.untyped,
            given: &self.given,
            dirs: &self.dirs,
            configs: &self.configs,
            addresses: &["10.0.0.1".parse().unwrap()],
            named: &self.named,
            chosen: self.chosen,
        })
    }
}

fn both() -> Vec<DirFacts> {
    vec![dir("/main", MAIN, 4001), dir("/events", EVENTS, 4002)]
}

#[test]
fn what_says_which_cluster_is_meant() {
    let runs = |main: &str, events: &str| {
        let of = |dir, listen| config(dir, ConfigKind::Process, Some(listen));
        vec![of("/main", main), of("/events", events)]
    };
    let named = |dirs: &[&str]| dirs.iter().map(PathBuf::from).collect::<Vec<_>>();
    let is = |id, by| (Some(id), Some(by), None);
    let open = |why| (None, None, Some(why));
    for (what, case, wanted) in [
        ("nothing was seen", Case::default(), open(Open::Nothing)),
        ("two, and nothing else", Case { dirs: both(), ..Case::default() }, open(Open::Several)),
        (
            "one alone, and nobody was asked",
            Case { dirs: vec![dir("/main", MAIN, 4001)], ..Case::default() },
            is(MAIN, By::Alone),
        ),
        (
            "one alone, which is not at the endpoints asked",
            Case {
                facts: vec![silent("http://10.9.9.9:2379")],
                dirs: vec![dir("/events", EVENTS, 4002)],
                ..Case::default()
            },
            open(Open::Unlinked),
        ),
        (
            "the same, where nobody typed the endpoint",
            Case {
                facts: vec![silent("127.0.0.1:2379")],
                untyped: true,
                dirs: vec![dir("/events", EVENTS, 4002)],
                ..Case::default()
            },
            is(EVENTS, By::Alone),
        ),
        (
            "a member that answers",
            Case { facts: vec![answers("http://10.0.0.2:4001", MAIN)], dirs: both(), ..Case::default() },
            is(MAIN, By::Answer),
        ),
        (
            "members of two answer",
            Case { facts: vec![answers("http://a:1", MAIN), answers("http://b:1", EVENTS)], ..Case::default() },
            open(Open::Answers),
        ),
        (
            "members of two answer, and a directory of one is named",
            Case {
                facts: vec![answers("http://a:1", MAIN), answers("http://b:1", EVENTS)],
                dirs: both(),
                named: named(&["/events"]),
                ..Case::default()
            },
            is(EVENTS, By::DataDir),
        ),
        (
            "a process that listens on an endpoint, spelled otherwise",
            Case {
                facts: vec![silent("localhost:5002")],
                dirs: both(),
                configs: runs("http://127.0.0.1:5001", "http://127.0.0.1:5002"),
                ..Case::default()
            },
            is(EVENTS, By::Listens),
        ),
        (
            "a process that listens everywhere",
            Case {
                facts: vec![silent("https://10.0.0.1:5001")],
                dirs: both(),
                configs: runs("https://0.0.0.0:5001", "https://[::]:5002"),
                ..Case::default()
            },
            is(MAIN, By::Listens),
        ),
        (
            "everywhere is not on another host",
            Case {
                facts: vec![silent("https://10.0.0.9:5001")],
                dirs: both(),
                configs: runs("https://0.0.0.0:5001", "https://[::]:5002"),
                ..Case::default()
            },
            open(Open::Unlinked),
        ),
        (
            "another cluster answers where a directory has a member, and lists fewer of the endpoints asked",
            Case {
                facts: vec![
                    silent("http://10.0.0.1:4001"),
                    silent("http://10.0.0.2:4001"),
                    answers("http://10.0.0.3:4001", EVENTS),
                ],
                dirs: vec![dir("/main", MAIN, 4001)],
                ..Case::default()
            },
            is(MAIN, By::Listed),
        ),
        (
            "another cluster answers at the only endpoint asked, which a directory lists",
            Case {
                facts: vec![answers("http://10.0.0.3:4001", EVENTS)],
                dirs: vec![dir("/main", MAIN, 4001)],
                ..Case::default()
            },
            is(EVENTS, By::Answer),
        ),
        (
            "as before, and the operator named that directory",
            Case {
                facts: vec![answers("http://10.0.0.3:4001", EVENTS)],
                dirs: vec![dir("/main", MAIN, 4001)],
                named: named(&["/main"]),
                ..Case::default()
            },
            is(MAIN, By::Listed),
        ),
        (
            "an etcd without flags answers there",
            Case {
                facts: vec![answers("http://10.0.0.3:4001", DEFAULT_CLUSTER)],
                dirs: vec![dir("/main", MAIN, 4001)],
                ..Case::default()
            },
            is(MAIN, By::Listed),
        ),
        (
            "another cluster answers at an endpoint that nobody gave",
            Case {
                facts: vec![answers("http://10.0.0.1:4001", MAIN), answers("http://10.0.0.2:4001", EVENTS)],
                given: vec!["http://10.0.0.1:4001".into()],
                ..Case::default()
            },
            is(MAIN, By::Answer),
        ),
        (
            "etcd's default",
            Case {
                facts: vec![silent("127.0.0.1:2379")],
                dirs: both(),
                configs: vec![config("/events", ConfigKind::Process, None)],
                ..Case::default()
            },
            is(EVENTS, By::Listens),
        ),
        (
            "an endpoint that a directory's member list has",
            Case { facts: vec![silent("http://10.0.0.3:4002")], dirs: both(), ..Case::default() },
            is(EVENTS, By::Listed),
        ),
        (
            "what is installed goes before what a search found",
            Case {
                facts: vec![silent("http://10.0.0.3:4001")],
                dirs: vec![searched(dir("/restored", EVENTS, 4001)), dir("/main", MAIN, 4001)],
                ..Case::default()
            },
            is(MAIN, By::Listed),
        ),
        (
            "endpoints of two clusters",
            Case {
                facts: vec![silent("http://10.0.0.3:4001"), silent("http://10.0.0.3:4002")],
                dirs: both(),
                ..Case::default()
            },
            open(Open::Several),
        ),
        (
            "a directory that is named",
            Case { dirs: both(), named: named(&["/events"]), ..Case::default() },
            is(EVENTS, By::DataDir),
        ),
        (
            "a directory that is named, beside an endpoint of nobody that was seen",
            Case {
                facts: vec![silent("http://10.9.9.9:2379")],
                dirs: both(),
                named: named(&["/events"]),
                ..Case::default()
            },
            is(EVENTS, By::DataDir),
        ),
        (
            "a directory that is named goes before an endpoint that nobody typed",
            Case {
                facts: vec![answers("127.0.0.1:2379", MAIN)],
                untyped: true,
                dirs: both(),
                named: named(&["/events"]),
                ..Case::default()
            },
            is(EVENTS, By::DataDir),
        ),
        (
            "directories of both are named",
            Case { dirs: both(), named: named(&["/events", "/main"]), ..Case::default() },
            open(Open::Several),
        ),
        (
            "directories of both are named, and an endpoint tells them apart",
            Case {
                facts: vec![silent("http://10.0.0.3:4002")],
                dirs: both(),
                named: named(&["/events", "/main"]),
                ..Case::default()
            },
            is(EVENTS, By::Listed),
        ),
        (
            "the endpoints are of one, the directory of the other",
            Case {
                facts: vec![silent("http://10.0.0.3:4001")],
                dirs: both(),
                named: named(&["/events"]),
                ..Case::default()
            },
            open(Open::Conflict),
        ),
        (
            "the operator's word goes before all",
            Case {
                facts: vec![answers("http://a:1", MAIN)],
                dirs: both(),
                named: named(&["/main"]),
                chosen: Some(EVENTS),
                ..Case::default()
            },
            is(EVENTS, By::Choice),
        ),
        (
            "a word on nobody that was seen says nothing",
            Case { dirs: both(), chosen: Some(Id(7)), ..Case::default() },
            open(Open::Several),
        ),
    ] {
        let scope = case.scope();
        assert_eq!((scope.id(), scope.by(), scope.open()), wanted, "{what}");
        let why = scope.open().filter(|why| *why != Open::Nothing);
        assert_eq!(scope.sentence().is_some(), why.is_some(), "{what}: {:?}", scope.sentence());
        assert_eq!(scope.why_open().is_empty(), scope.id().is_some(), "{what}");
        // whatever the order
        let mut turned =
            Case { dirs: case.dirs.clone(), configs: case.configs.clone(), named: case.named.clone(), ..case };
        turned.dirs.reverse();
        turned.configs.reverse();
        turned.named.reverse();
        turned.facts.reverse();
        assert_eq!(turned.scope(), scope, "{what}");
    }
}

#[test]
fn what_counts_for_the_cluster_that_is_meant() {
    let mut dirs = both();
    dirs.push(DirFacts { data_dir: "/none".into(), state: DirState::Absent, ..dir("/none", MAIN, 1) });
    let paths = |dirs: Vec<DirFacts>| dirs.into_iter().map(|d| d.data_dir.display().to_string()).collect::<Vec<_>>();
    let facts = vec![answers("http://a:1", MAIN), answers("http://b:1", EVENTS), silent("http://c:1")];
    let ends = |facts: Vec<EndpointFacts>| facts.into_iter().map(|f| f.endpoint).collect::<Vec<_>>();
    let open = Case { facts: facts.clone(), dirs: dirs.clone(), ..Case::default() }.scope();
    assert_eq!(paths(open.dirs(&dirs)), ["/none"], "while nothing says which, no directory says anything");
    assert_eq!(ends(open.facts(&facts, true)).len(), 3, "that they are of two clusters is for the verdict to say");
    let chosen = Case { facts: facts.clone(), dirs: dirs.clone(), chosen: Some(MAIN), ..Case::default() }.scope();
    assert_eq!(paths(chosen.dirs(&dirs)), ["/main", "/none"]);
    assert_eq!(ends(chosen.facts(&facts, true)), ["http://a:1", "http://c:1"]);
    assert_eq!(chosen.others().map(|c| c.id).collect::<Vec<_>>(), [EVENTS]);
    let configs = [config("/events", ConfigKind::Unit, None), config("/elsewhere", ConfigKind::Unit, None)];
    assert_eq!(configs.map(|c| chosen.of_config(&c, &dirs)), [Belongs::Other, Belongs::Open]);
}

#[test]
fn a_snapshot_matches_by_id_or_members() {
    let list = |ids: &[u64]| ids.iter().map(|n| member(*n, 1)).collect::<Vec<_>>();
    for (source, members, cluster, listed, same) in [
        (Some(MAIN), list(&[1]), MAIN, list(&[9]), true),
        (Some(MAIN), list(&[1]), EVENTS, list(&[1]), false),
        (None, list(&[1, 2]), EVENTS, list(&[2, 3]), true),
        (None, list(&[1, 2]), EVENTS, list(&[3]), false),
        (None, list(&[]), EVENTS, list(&[3]), true),
        (Some(MAIN), list(&[1]), Id(0), list(&[1]), true),
    ] {
        assert_eq!(same_cluster(source, &members, cluster, &listed), same, "{source:?} {members:?} {cluster}");
    }
}
