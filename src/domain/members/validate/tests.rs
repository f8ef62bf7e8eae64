//! Every mistake of the table by a table of its own.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::domain::members::{
    cell::Origin,
    table::{About, Severity},
};

fn row(name: &str, peer: &str, client: &str, dir: &str) -> Row {
    Row::default()
        .with(Column::Name, name, Origin::Typed)
        .with(Column::Peer, peer, Origin::Typed)
        .with(Column::Client, client, Origin::Typed)
        .with(Column::DataDir, dir, Origin::Typed)
}

/// Three members without a mistake.
fn good() -> Vec<Row> {
    (1..=3)
        .map(|n| {
            let (peer, client) = (format!("http://10.0.0.{n}:2380"), format!("http://10.0.0.{n}:2379"));
            row(&format!("m{n}"), &peer, &client, &format!("/var/lib/etcd/m{n}.etcd"))
        })
        .collect()
}

/// The only problem of a cell that is not about certificates.
fn only(problems: &[Problem], row: usize, column: Column) -> Problem {
    let of_cell = |p: &&Problem| (p.row, p.column, p.about) == (Some(row), Some(column), About::Place);
    let hits: Vec<&Problem> = problems.iter().filter(of_cell).collect();
    assert_eq!(hits.len(), 1, "{row} {column:?} in {problems:#?}");
    hits[0].clone()
}

#[test]
fn a_right_table_has_no_problem() {
    assert_eq!(check(&good(), "tok"), []);
    let mut several = good();
    for (n, row) in several.iter_mut().enumerate() {
        row.set(Column::Peer, format!("http://10.0.0.{n}:2380,http://10.1.0.{n}:2380"), Origin::Typed);
    }
    several[0].set(Column::WalDir, "/wal/m1", Origin::Typed);
    several[0].set(Column::Flags, "--quota-backend-bytes=8589934592 --log-level 'warn'", Origin::Typed);
    assert_eq!(check(&several, "tok"), []);
    let loopback: Vec<Row> = (1..=3)
        .map(|n| {
            row(
                &format!("m{n}"),
                &format!("http://127.0.0.1:{n}2380"),
                &format!("http://127.0.0.1:{n}2379"),
                &format!("/d/{n}"),
            )
        })
        .collect();
    assert_eq!(check(&loopback, "tok"), []);
}

#[test]
fn every_mistake_is_named_in_its_cell() {
    use crate::domain::members::table::Severity::{Error, Warning};
    use Column::{Client, DataDir, Flags, Name, Peer, WalDir};
    let https = "https://10.0.0.2:2380";
    // The change is made in row 1 (m2), where the mistake must be found.
    let mut messages = Vec::new();
    for (column, text, severity, fix) in [
        (Name, "", Error, None),
        (Name, "m1", Error, Some("m2")),
        (Name, "m 2", Error, Some("m-2")),
        (Name, " m2", Error, Some("m2")),
        (Name, "m,2", Error, Some("m-2")),
        (Name, "m=2", Error, Some("m-2")),
        (Name, "m\u{200b}2", Error, Some("m2")),
        (Peer, "", Error, None),
        (Peer, "http:/10.0.0.2:2380", Error, Some("http://10.0.0.2:2380")),
        (Peer, "http://10.0.0.2", Error, Some("http://10.0.0.2:2380")),
        (Peer, "10.0.0.2", Error, Some("http://10.0.0.2:2380")),
        (Client, "10.0.0.2", Error, Some("http://10.0.0.2:2379")),
        (Peer, "http://a:2380,http:/b:2380", Error, Some("http://a:2380,http://b:2380")),
        (Peer, "http://a:2380,", Error, Some("http://a:2380")),
        (Peer, "http://a:2380,,http://b:2380", Error, Some("http://a:2380,http://b:2380")),
        (Peer, "http://a:2380, http://b:2380", Warning, Some("http://a:2380,http://b:2380")),
        (Peer, "http://10.0.0.2:2379,http://a:2380", Warning, Some("http://10.0.0.2:2380,http://a:2380")),
        (Client, "http://10.0.0.2:2380", Warning, Some("http://10.0.0.2:2379")),
        (Peer, "http://10.0.0.1:2380", Error, None),
        (Peer, "HTTPS://10.0.0.1:2380", Error, None),
        (Client, "http://10.0.0.1:2379", Error, None),
        (Client, "http://10.0.0.1:2380", Error, None),
        (Peer, "http://a:2380,http://A:2380", Error, None),
        (Peer, "http://0.0.0.0:2380", Error, Some("http://10.0.0.2:2380")),
        (Client, "http://[::]:2379", Error, Some("http://10.0.0.2:2379")),
        (Peer, "http://localhost:2380", Warning, Some("http://10.0.0.2:2380")),
        (Peer, "http://127.0.1.1:2380", Warning, Some("http://10.0.0.2:2380")),
        (Peer, "http://[::1]:2380", Warning, Some("http://10.0.0.2:2380")),
        (Client, "http://localhost:2379", Warning, Some("http://10.0.0.2:2379")),
        (Peer, "http://host2:2380", Warning, Some("http://10.0.0.2:2380")),
        (Peer, "http://10.0.0.2:2380,http://10.0.0.9:2380", Warning, None),
        (Peer, https, Warning, Some("http://10.0.0.2:2380")),
        (Client, "https://10.0.0.2:2379", Warning, Some("http://10.0.0.2:2379")),
        (Peer, https, Warning, None),
        (Client, "https://10.0.0.2:2379", Warning, None),
        (DataDir, "", Error, None),
        (DataDir, "etcd", Error, None),
        (DataDir, "~/etcd", Error, None),
        (DataDir, "/", Error, None),
        (DataDir, " /x", Error, Some("/x")),
        (DataDir, "/x\u{a0}", Error, Some("/x")),
        (DataDir, "/var/lib/etcd/m1.etcd/", Error, None),
        (DataDir, "/var/lib//etcd/x/../m1.etcd/sub", Error, None),
        (DataDir, "/var/lib/etcd", Error, None),
        (DataDir, "/x/member", Warning, Some("/x")),
        (WalDir, "wal", Error, None),
        (WalDir, "/var/lib/etcd/m2.etcd/member/wal", Error, Some("")),
        (WalDir, "/var/lib/etcd/m1.etcd/w", Error, None),
        (Flags, "--x 'y", Error, None),
        (Flags, "quota", Error, None),
        (Flags, "--name=x", Error, Some("")),
        (Flags, "--a=1 -data-dir /x --b", Error, Some("--a=1 --b")),
        (Flags, "--initial-cluster-state=new", Error, Some("")),
        (Flags, "--force-new-cluster", Error, Some("")),
        (Flags, "--config-file=/e.yml", Error, Some("")),
        (Flags, "\u{2013}log-level=warn", Error, Some("--log-level=warn")),
    ] {
        let mut rows = good();
        rows[1].set(column, text, Origin::Typed);
        let found = check(&rows, "tok");
        let wanted = (Some(1), Some(column), severity, fix);
        let is = |p: &&Problem| (p.row, p.column, p.severity, p.fix.as_deref()) == wanted;
        let Some(problem) = found.iter().find(is) else { panic!("{text:?}: {wanted:?} is not in {found:#?}") };
        assert!(!problem.text.ends_with('.'));
        let told: Vec<&str> = found.iter().filter(is).map(|p| p.text.as_str()).collect();
        messages.push((format!("{column:?} {text:?}"), told.join("\n")));
        if let Some(fix) = fix {
            rows[1].set(column, fix, Origin::Typed);
            let left = check(&rows, "tok");
            assert!(!left.iter().any(|p| p.text == problem.text), "{fix:?} leaves {left:?}");
        }
    }
    let messages: Vec<(&str, String)> = messages.iter().map(|(what, told)| (what.as_str(), told.clone())).collect();
    crate::text::messages::hold("plan-members", &messages);
}

#[test]
fn certificates_among_the_flags_settle_https() {
    for (flags, peer, client) in [
        ("", 1, 1),
        ("--peer-auto-tls --auto-tls", 0, 0),
        ("--auto-tls=false --peer-auto-tls=true", 0, 1),
        ("--cert-file=/c --key-file /k --peer-cert-file /pc", 1, 0),
        ("-peer-cert-file=/c -peer-key-file=/k --cert-file=/c", 0, 1),
    ] {
        let mut rows = vec![row("m1", "https://a:2380", "https://a:2379", "/d")];
        rows[0].set(Column::Flags, flags, Origin::Typed);
        let problems = check(&rows, "tok");
        // an etcd with an https URL does not start without a certificate: the flags for it are named
        let lacks = |p: &&Problem| p.text.contains("-cert-file") || p.text.contains("-key-file");
        let count = |c| problems.iter().filter(|p| p.column == Some(c)).filter(lacks).count();
        assert_eq!((count(Column::Peer), count(Column::Client)), (peer, client), "{flags}: {problems:?}");
    }
}

#[test]
fn dot_segments_are_refused_dotted_names_are_not() {
    let mut messages = Vec::new();
    for (dir, fix) in [
        ("/var/lib/etcd/../m1", Some("/var/lib/m1")),
        ("/var/lib/..", Some("/var")),
        ("/..", None),
        ("/a/../..", None),
        ("/var/lib/..etcd", Some("")),
        ("/var/lib/etcd..", Some("")),
        ("/var/lib/./etcd1", Some("")),
    ] {
        let mut rows = good();
        rows[0].set(Column::DataDir, dir, Origin::Typed);
        let found = check(&rows, "tok");
        if fix == Some("") {
            assert_eq!(found, [], "{dir}");
            continue;
        }
        let problem = only(&found, 0, Column::DataDir);
        messages.push((dir, problem.text.clone()));
        assert_eq!((problem.severity, problem.fix.as_deref()), (Severity::Error, fix), "{dir}");
    }
    crate::text::messages::hold("plan-members-dots", &messages);
}

#[test]
fn too_many_members_are_refused_at_once() {
    let many = |n: usize| {
        (1..=n)
            .map(|n| {
                let host = format!("10.0.{}.{}", n / 200, n % 200 + 1);
                let (peer, client) = (format!("http://{host}:2380"), format!("http://{host}:2379"));
                row(&format!("m{n}"), &peer, &client, &format!("/var/lib/etcd/m{n}.etcd"))
            })
            .collect::<Vec<Row>>()
    };
    assert!(check(&many(99), "tok").iter().all(|problem| problem.severity == Severity::Warning));
    for n in [101, 20_000] {
        let found = check(&many(n), "tok");
        assert!(matches!(&found[..], [one] if one.is_final() && one.row.is_none()), "{found:?}");
    }
}

#[test]
fn what_is_about_the_whole_table() {
    let whole = |rows: &[Row], token: &str| {
        let found = check(rows, token);
        assert!(found.iter().all(|p| (p.row, p.column) == (None, None)), "{found:#?}");
        found.into_iter().map(|p| (p.severity, p.text)).collect::<Vec<_>>()
    };
    let mut messages = Vec::new();
    let mut hold = |what, found: Vec<(Severity, String)>, severity| {
        let [(is, text)] = &found[..] else { panic!("{what}: {found:#?}") };
        assert_eq!(*is, severity, "{what}: {text}");
        messages.push((what, text.clone()));
    };
    hold("an empty table", whole(&[], "tok"), Severity::Error);
    let mut rows = good();
    rows.push(row("m4", "http://10.0.0.4:2380", "http://10.0.0.4:2379", "/d"));
    hold("4 members", whole(&rows, "tok"), Severity::Warning);
    hold("2 members", whole(&rows[..2], "tok"), Severity::Warning);
    for (what, token) in [("no token", ""), ("a space in the token", "a b"), ("what is not seen in it", "a\u{a0}")] {
        hold(what, whole(&good(), token), Severity::Error);
    }
    let lone = [row("default", "http://localhost:2380", "http://localhost:2379", "/d")];
    assert!(check(&lone, "etcd-cluster")[0].text.contains("cdf818194e3a8c32"));
    assert_eq!(check(&lone, "fresh"), []);
    hold("etcd's default token", whole(&good(), "etcd-cluster"), Severity::Warning);
    crate::text::messages::hold("plan-table", &messages);
}

#[test]
fn the_fingerprints_of_etcds_defaults_are_known() {
    let mut rows = good();
    rows[0].set(Column::Peer, "http://localhost:2380", Origin::Typed);
    let names = |p: &&Problem| p.text.contains("8e9e05c52164694d");
    let found = check(&rows, "etcd-cluster");
    let found: Vec<_> = found.iter().filter(names).map(|p| (p.row, p.column)).collect();
    assert_eq!(found, [(Some(0), Some(Column::Peer))]);
    assert!(!check(&rows, "tok").iter().any(|p| p.text.contains("8e9e05c52164694d")));
    let member = |id| KnownMember { id, ..KnownMember::default() };
    assert!(defaults_seen(&[member(Id(1)), member(DEFAULT_MEMBER)]).unwrap().contains("cdf818194e3a8c32"));
    assert_eq!(defaults_seen(&[member(Id(1))]), None);
}

#[test]
fn a_mix_without_majority_is_reported_not_corrected() {
    let mut rows = good();
    rows.pop();
    rows[1].set(Column::Peer, "http://host2:2380", Origin::Typed);
    let mut messages = Vec::new();
    let problem = only(&check(&rows, "tok"), 0, Column::Peer);
    messages.push(("an address and a host name", problem.text));
    assert_eq!(problem.fix, None);
    rows[1].set(Column::Peer, "https://10.0.0.2:2380", Origin::Typed);
    let problem = only(&check(&rows, "tok"), 1, Column::Peer);
    messages.push(("https and http", problem.text));
    assert_eq!(problem.fix, None);
    crate::text::messages::hold("plan-members-mixed", &messages);
    // Clients may be offered both; a name twice is free to be told where every row has as many.
    let mut both = good();
    both[1].set(Column::Client, "http://127.0.0.1:2379,http://10.0.0.2:2379", Origin::Typed);
    assert_eq!(check(&both, "tok"), []);
}

#[test]
fn the_odd_one_out_is_told() {
    let mut rows = good();
    for n in [1, 2] {
        rows[n].set(Column::Peer, format!("https://10.0.0.{}:2380", n + 1), Origin::Typed);
    }
    let mut messages = vec![("http among https", only(&check(&rows, "tok"), 0, Column::Peer).text)];
    rows[0].set(Column::Peer, "host1", Origin::Typed);
    let problem = only(&check(&rows, "tok"), 0, Column::Peer);
    messages.push(("no scheme among https", problem.text));
    assert_eq!(problem.fix.as_deref(), Some("https://host1:2380"));
    crate::text::messages::hold("plan-members-odd-one", &messages);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn url_corrections_leave_no_validation_problem(
        cells in prop::collection::vec(prop::array::uniform7("\\PC{0,12}|(https?:[/]{0,3}[a-c](:2380)?[, ]{0,2}){0,3}|/[ab/.]{0,6}|--[a-z-]{0,8}"), 0..4),
        token in "\\PC{0,6}",
    ) {
        let mut rows: Vec<Row> = cells.iter().map(|texts| {
            Column::ALL.iter().zip(texts).fold(Row::default(), |row, (c, t)| row.with(*c, t.as_str(), Origin::Typed))
        }).collect();
        let problems = check(&rows, &token);
        prop_assert!(!rows.is_empty() || problems.iter().any(|p| p.severity == Severity::Error));
        for p in &problems {
            prop_assert!(p.row.is_none_or(|at| at < rows.len()) && !p.text.is_empty());
            if let (Some(at), Some(column), Some(fix)) = (p.row, p.column, &p.fix) {
                prop_assert_ne!(rows[at].text(column), fix.as_str(), "{:?}", p);
            }
        }
        // No error in a column of URLs means that its IDs are known.
        let wrong = |c| problems.iter().any(|p| p.column == Some(c) && p.severity == Severity::Error);
        if !wrong(Column::Peer) {
            prop_assert!(table::ids(&rows, &token).0.iter().all(Option::is_some));
        }
        // Taking the corrections comes to an end.
        for _ in 0..40 {
            let Some(p) = check(&rows, &token).into_iter().find(|p| p.fix.is_some()) else { return Ok(()) };
            rows[p.row.unwrap()].set(p.column.unwrap(), p.fix.unwrap(), Origin::Typed);
        }
        prop_assert!(false, "corrections go in a circle: {:?}", rows);
    }
}
