#![allow(clippy::unwrap_used)]
use serde_json::json;

use super::*;
use crate::system::{etcd_client::Members, journal::Journal, local::Local};

fn written(lines: &[(Event, &str, Value)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let system = Local::new(Members::new(Default::default()).unwrap());
    let path = dir.path().join("plan.yaml.journal");
    for (kind, text, data) in lines {
        Journal::at(&system, &path).add(*kind, text, data.clone()).unwrap();
    }
    std::fs::read_to_string(path).unwrap()
}

fn recovery() -> String {
    let begun = |run: &str| json!({"plan": "77aa02c1", "run": run, "operator": "anna@laptop", "whole_plan": {"label": "prod|eu"}});
    written(&[
        (Event::Begun, "plan 77aa02c1 of prod|eu: m1, m2", begun("run1")),
        (
            Event::Override,
            "overridden: m2 still answers",
            json!({"typed": "m2@10.0.0.2", "reason": "its host *burns*"}),
        ),
        (
            Event::Done,
            "h1: the snapshot was sent",
            json!({"host": "h1", "bytes": 3_000_000, "packed": 1_000_000, "took_ms": 2400}),
        ),
        (Event::Failed, "h2: the connection to h2 broke", json!({"host": "h2", "error": {}})),
        (Event::Begun, "plan 77aa02c1 of prod|eu: m1, m2", begun("run2")),
        (Event::Done, "h1: the rest was sent", json!({"host": "h1", "bytes": 500_000, "packed": 400_000})),
        (Event::Ended, "plan 77aa02c1: done on every host", json!({"complete": true})),
    ])
}

#[test]
fn what_a_journal_tells() {
    let report = report(&recovery()).unwrap();
    assert_eq!((report.label.as_str(), report.plan.as_str(), report.lines), ("prod|eu", "77aa02c1", 7));
    assert_eq!(
        report.runs.iter().map(|r| (r.id.as_str(), r.complete)).collect::<Vec<_>>(),
        [("run1", false), ("run2", true)]
    );
    assert_eq!(report.runs[0].ended, None, "interrupted: no end is recorded");
    let h1 = &report.hosts[0];
    assert_eq!((h1.host.as_str(), h1.sent, h1.packed, h1.lines.len()), ("h1", 3_500_000, 1_400_000, 2));
    let text = report.markdown();
    for words in [
        "# Recovery of prod\\|eu by plan 77aa02c1",
        "chain is intact: 7 lines",
        "| run1 | anna@laptop |",
        "interrupted: no end is recorded",
        "(reason: its host \\*burns\\*)",
        "3.5 MB sent, 1.4 MB compressed",
        "## Host h2",
        "the snapshot was sent (2.4 s)",
        "failed: h2: the connection to h2 broke",
    ] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    assert!(serde_json::to_string(&report).unwrap().contains("\"broken\":null"));
}

#[test]
fn a_broken_chain_keeps_the_records_before_it() {
    let good = recovery();
    let changed = good.replace("h2 broke", "h2 held");
    let report = report(&changed).unwrap();
    assert_eq!(report.lines, 3);
    assert!(report.broken.as_ref().is_some_and(|why| report.markdown().contains(why)), "{}", report.markdown());
    let mut messages = vec![("a line was changed", report.broken.clone().unwrap())];
    let cut = &good[..good.len() - 9];
    let cut = super::report(cut).unwrap();
    assert_eq!(cut.lines, 6);
    messages.push(("the last line is cut off", cut.broken.unwrap()));
    messages.push(("empty", super::report("").unwrap_err()));
    messages.push(("no record", super::report("hello\n").unwrap_err()));
    crate::text::messages::hold("recovery-report", &messages);
}
