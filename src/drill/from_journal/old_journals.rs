//! Reads journals of earlier versions, which have sentences where later ones have fields: what a source loses, the origin of a
//! cell, and whether a disk was full. Those sentences cannot change any more, so they are matched as written; a record with
//! the field is never read this way.

use serde_json::Value;

use crate::system::journal::{Event, Record};

/// Returns whether the sentences on a source's data loss name a newer state.
pub(super) fn lost<'a>(mut loses: impl Iterator<Item = &'a str>) -> bool {
    loses.any(|text| text.starts_with("Against revision "))
}

/// Returns whether they name log entries that are not in its database.
pub(super) fn beyond<'a>(mut loses: impl Iterator<Item = &'a str>) -> bool {
    loses.any(|text| text.contains("; restoring it loses it.") || text.contains("; restoring it loses them."))
}

/// Returns whether a cell's text came from the old cluster.
pub(super) fn of_old_cluster(from: &str) -> bool {
    from == "the snapshot" || from.ends_with("'s answer")
}

/// Returns whether a cell's text was entered for the new cluster.
pub(super) fn of_operator(from: &str) -> bool {
    from == "typed" || from == "the inventory"
}

/// Returns whether a record without a fault reports a full filesystem.
pub(super) fn ran_out(record: &Record) -> bool {
    let data = &record.data;
    let problems = data.get("problems").and_then(Value::as_array).into_iter().flatten();
    let mut parts = data.get("error").into_iter().chain(problems).peekable();
    if parts.peek().is_some() {
        return parts
            .filter(|part| part.get("fault").is_none())
            .any(|part| ["what", "why", "text"].iter().filter_map(|field| part.get(field)?.as_str()).any(is_full));
    }
    let failed = matches!(record.kind, Event::Failed | Event::Ended) && !data.contains_key("fault");
    failed && (is_full(&record.text) || data.get("why").and_then(Value::as_str).is_some_and(is_full))
}

fn is_full(text: &str) -> bool {
    let begins = ["not enough space for ", "not enough space on ", "No space left on device (os error 28)"];
    text == "the disk is full" || begins.iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use serde_json::json;

    use super::*;

    fn line(kind: Event, text: &str, data: Value) -> Record {
        let Value::Object(data) = data else { panic!("{data}") };
        let (at, prev, hash) = (String::new(), String::new(), String::new());
        Record { at, kind, text: text.into(), data, prev, hash }
    }

    #[test]
    fn old_lines_are_read_by_their_words() {
        let error = |what: &str, why: &str| json!({"error": {"what": what, "why": why, "hint": ""}});
        let problem = |text: &str| json!({"problems": [{"error": true, "member": null, "text": text}]});
        for (kind, text, data, full) in [
            (Event::Failed, "h: it failed", error("not enough space for /srv/m2", "9 bytes are needed"), true),
            (Event::Failed, "h: it failed", error("cannot write /srv/m2", "the disk is full"), true),
            (Event::Failed, "h: it failed", error("x", "No space left on device (os error 28)"), true),
            (Event::Failed, "h: it failed", error("cannot write /srv/m2", "permission denied"), false),
            (Event::Looked, "h: Linux", problem("not enough space on /: 1 bytes are free, 2 are needed"), true),
            (Event::Looked, "h: Linux", problem("no requorum there"), false),
            (Event::Ended, "plan 1: not complete: not enough space for /srv/m2", json!({"complete": false}), true),
            (Event::Ended, "plan 1: not complete", json!({"complete": false, "why": "the disk is full"}), true),
            (Event::Ended, "plan 1: done on every host", json!({"complete": true}), false),
        ] {
            assert_eq!(ran_out(&line(kind, text, data.clone())), full, "{text}: {data}");
        }
    }

    #[test]
    fn lines_with_the_field_ignore_their_wording() {
        let words = "not enough space for /srv/m2";
        for (kind, data) in [
            (Event::Failed, json!({"error": {"what": words, "why": "", "hint": "", "fault": null}})),
            (Event::Looked, json!({"problems": [{"error": true, "text": words, "fault": null}]})),
            (Event::Ended, json!({"complete": false, "why": words, "fault": null})),
            // what is decided or done is never a failure
            (Event::Decided, json!({"step": "snapshot"})),
        ] {
            assert!(!ran_out(&line(kind, words, data.clone())), "{data}");
        }
    }

    #[test]
    fn old_losses_and_origins_are_read_from_wording() {
        let against = "Against revision 84,211 (m2 answers with it) it loses 59 revisions, at most 72 minutes.";
        let log = "38 log entries are not in this file (12 of them known to be committed); restoring it loses them.";
        let one = "1 log entry is not in this file; restoring it loses it.";
        for (text, is_lost, is_beyond) in [
            (against, true, false),
            (log, false, true),
            (one, false, true),
            ("Nothing is known to be lost.", false, false),
        ] {
            assert_eq!((lost([text].into_iter()), beyond([text].into_iter())), (is_lost, is_beyond), "{text}");
        }
        for (from, old, new) in [
            ("the snapshot", true, false),
            ("m2's answer", true, false),
            ("typed", false, true),
            ("the inventory", false, true),
            ("a proposal", false, false),
        ] {
            assert_eq!((of_old_cluster(from), of_operator(from)), (old, new), "{from}");
        }
    }
}
