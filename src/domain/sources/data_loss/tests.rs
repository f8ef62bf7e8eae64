//! Words and cells by tables; that nothing is called lossless while more may be lost, by a property.
#![allow(clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;

fn loss(revisions: Option<u64>, entries: Entries, horizon: Horizon) -> Loss {
    Loss { revisions, seconds: Some(4320), entries, horizon }
}

const PARTIAL: Horizon = Horizon::Partial { known: 1, voters: 3 };
const HORIZONS: [Horizon; 7] = [
    Horizon::Complete,
    PARTIAL,
    Horizon::Partial { known: 0, voters: 3 },
    Horizon::LogEnds,
    Horizon::Files,
    Horizon::LogAhead,
    Horizon::Unsettled,
];

fn beyond(all: u64) -> Entries {
    Entries::Beyond { all, committed: all / 3 }
}

#[test]
fn cells() {
    use Horizon::{Complete, Files, LogAhead, LogEnds, Unsettled};
    use Lost::{AtLeast, Exactly, NotKnown};
    let none_known = Horizon::Partial { known: 0, voters: 3 };
    for (loss, lost, cell) in [
        (loss(Some(412), Entries::None, Complete), Exactly(412), "412"),
        (loss(Some(0), Entries::None, Complete), Exactly(0), "0"),
        (loss(Some(412), Entries::None, PARTIAL), AtLeast(412), "≥ 412"),
        (loss(Some(0), Entries::None, PARTIAL), AtLeast(0), "0 known"),
        (loss(Some(0), Entries::None, LogEnds), AtLeast(0), "0 known"),
        (loss(Some(0), Entries::None, none_known), NotKnown, "not known"),
        (loss(Some(0), Entries::None, Files), NotKnown, "not known"),
        (loss(Some(0), Entries::None, Unsettled), NotKnown, "not known"),
        (loss(Some(7), Entries::None, Files), AtLeast(7), "≥ 7"),
        (loss(Some(59), beyond(38), Complete), AtLeast(59), "≥ 59"),
        (loss(Some(0), beyond(38), Complete), NotKnown, "38 entries"),
        (loss(None, beyond(1), PARTIAL), NotKnown, "1 entry"),
        (loss(Some(0), Entries::Unknown, Complete), NotKnown, "not known"),
        (loss(Some(0), Entries::None, LogAhead), NotKnown, "not known"),
        (loss(Some(1_412), Entries::None, LogAhead), AtLeast(1_412), "≥ 1,412"),
        (loss(None, Entries::None, Complete), NotKnown, "?"),
    ] {
        assert_eq!((loss.lost(), loss.cell().as_str()), (lost, cell), "{loss:?}");
    }
    let as_json = |lost: Lost| serde_json::to_string(&lost).unwrap_or_default();
    assert_eq!(as_json(Exactly(3)), r#"{"known":"exactly","revisions":3}"#);
    assert_eq!(as_json(AtLeast(0)), r#"{"known":"at_least","revisions":0}"#);
    assert_eq!(as_json(NotKnown), r#"{"known":"not_known"}"#);
}

#[test]
fn nothing_newer_comes_with_its_evidence() {
    for (horizon, said) in [
        (Horizon::Complete, "It holds every write that the cluster acknowledged."),
        (PARTIAL, "It lacks nothing that is known. It may lack more: only 1 of 3 voting members could be read."),
        (Horizon::Files, "What it loses is not known: no member's own data could be read."),
        (Horizon::LogAhead, "It is not known how far a log that is in no file goes on past it."),
        (Horizon::Unsettled, "What it loses is not known: it is not known which cluster is meant."),
    ] {
        assert_eq!(loss(Some(0), Entries::None, horizon).sentences(Some("x"), None), [said]);
    }
    let some = loss(Some(7), Entries::None, Horizon::Files).sentences(Some("revision 9 (b.db)"), None);
    assert_eq!(
        some,
        [
            "Compared with revision 9 (b.db) it loses 7 revisions, at most 72 minutes. There may be more: no member's own data could be read."
        ]
    );
}

#[test]
fn a_longer_log_is_counted_after_other_sources() {
    let said = loss(Some(59), beyond(38), Horizon::Complete)
        .sentences(Some("revision 84,211 (m2 answers with it)"), Some("Start it."));
    assert_eq!(
        said,
        [
            "Start it.",
            "38 log entries are not in this file (12 of them known to be committed); restoring it loses them.",
            "Compared with revision 84,211 (m2 answers with it) it loses 59 revisions, at most 72 minutes.",
        ]
    );
    let alone = loss(None, beyond(1), Horizon::Files).sentences(None, None);
    assert_eq!(alone, ["1 log entry is not in this file; restoring it loses it."]);
    let unknown = loss(None, Entries::Unknown, Horizon::Complete);
    assert_eq!(unknown.lost(), Lost::NotKnown);
    crate::text::messages::hold("plan-ledger", &[("not known", unknown.sentences(Some("x"), None).join("\n"))]);
}

#[test]
fn the_line_between_two_sources() {
    let lost = |kinds: &[(&str, u64)]| kinds.iter().map(|(k, n)| ((*k).to_string(), *n)).collect();
    let same = History::Same { rows: 20, until: 83_799 };
    let made = |history, kinds: &[(&str, u64)], back| Difference {
        history,
        newer: 84_211,
        older: 83_799,
        seconds: Some(420),
        lost: lost(kinds),
        back,
    };
    for (difference, line) in [
        (made(same, &[("deployments", 3)], 0), "choosing B instead of A loses 412 writes, 7 minutes, 3 deployments"),
        (
            made(same, &[("networking.k8s.io/networkpolicies", 1), ("services/specs", 2), ("/app/", 1), ("", 4)], 1),
            "choosing B instead of A loses 412 writes, 7 minutes, 4 keys, 2 services, 1 key in /app/, 1 networkpolicy; \
             1 deleted key comes back",
        ),
        (
            made(History::Parts { at: 12 }, &[("ingresses", 1)], 0),
            "choosing B instead of A loses what A wrote since they diverged (at revision 12 or before), \
             7 minutes, 1 ingress",
        ),
        (
            Difference { older: 84_211, ..made(same, &[], 0) },
            "choosing B instead of A loses nothing: they hold the same keys",
        ),
        (
            made(same, &[("a/", 9), ("b/", 8), ("c/", 7), ("d/", 6), ("e/", 5), ("f/", 4), ("g/", 3), ("h/", 2)], 0),
            "choosing B instead of A loses 412 writes, 7 minutes, 9 keys in a/, 8 keys in b/, 7 keys in c/, \
             6 keys in d/, 5 keys in e/, 4 keys in f/, 5 other keys",
        ),
    ] {
        assert_eq!(difference.line("A", "B"), line);
    }
}

#[test]
fn spans() {
    let said = [0, 1, 119, 120, 4320, 7200, 172_800].map(span);
    assert_eq!(said, ["0 seconds", "1 second", "119 seconds", "2 minutes", "72 minutes", "2 hours", "2 days"]);
}

proptest! {
    #[test]
    fn nothing_loses_nothing_while_more_may_be_lost(
        revisions in prop::option::of(0u64..3),
        all in 0u64..3,
        unknown: bool,
        horizon in prop::sample::select(HORIZONS.to_vec()),
    ) {
        let entries = match all {
            _ if unknown => Entries::Unknown,
            0 => Entries::None,
            all => Entries::Beyond { all, committed: 0 },
        };
        let loss = Loss { revisions, seconds: None, entries, horizon };
        let sure = entries == Entries::None && horizon == Horizon::Complete && revisions.is_some();
        prop_assert_eq!(matches!(loss.lost(), Lost::Exactly(_)), sure, "{:?}", loss);
        prop_assert_eq!(loss.cell() == "0", sure && revisions == Some(0), "{:?}", loss);
        prop_assert!(!loss.cell().ends_with(" 0") && !loss.cell().starts_with("0 ") || loss.cell() == "0 known");
        let none = Loss { revisions: Some(0), seconds: None, entries: Entries::None, horizon: Horizon::Complete };
        let lossless = loss.sentences(Some("x"), None) == none.sentences(Some("x"), None);
        prop_assert_eq!(lossless, sure && revisions == Some(0));
    }
}
