//! Scenario files: the built-in ones are valid, and a problem is named with file, line and field.
#![allow(clippy::unwrap_used)]

use super::{
    library::{self, BUILT_IN},
    line::line_of,
    parse,
};

const FIRST: &str = include_str!("../../../assets/scenarios/first-night.yaml");

#[test]
fn every_built_in_scenario_is_sound_and_named() {
    for (name, text) in BUILT_IN {
        let scenario = parse(name, text).unwrap();
        assert_eq!(&scenario.name, name);
        assert!(!scenario.wrong.is_empty(), "{name}: without a wrong way nothing is practised");
        // a question, what it means, and only then the answer
        for (step, tips) in &scenario.tips {
            assert!(tips.len() >= 3, "{name}: {step:?} has the answer among its first two hints");
        }
    }
}

/// Another person's file reaches nothing outside the exercise and asks for no more than it may.
#[test]
fn hostile_names_and_sizes_are_refused() {
    for (from, to, field) in [
        ("name: m3, state: gone", "name: ../../m3, state: gone", "members[2].name"),
        ("name: m3, state: gone", "name: .., state: gone", "members[2].name"),
        ("name: m3, state: gone", "name: \"m\\x1b[2J\", state: gone", "members[2].name"),
        ("file: etcd-0200.db", "file: ../etcd-0200.db", "backups[0].file"),
        ("file: etcd-0200.db", "file: .", "backups[0].file"),
        ("minutes_old: 72", "minutes_old: 99999999999999", "backups[0].minutes_old"),
        ("cluster:\n", "cluster:\n  writes: [{count: 3000000, prefix: a}]\n", "cluster.writes"),
        ("cluster:\n", "cluster:\n  spares: [../x]\n", "cluster.spares[0]"),
    ] {
        let text = FIRST.replacen(from, to, 1);
        assert_ne!(text, FIRST, "{from:?} is in the file");
        let said = parse("night.yaml", &text).unwrap_err().to_string();
        assert!(said.contains(field), "{field} in: {said}");
    }
    let waits = FIRST.replacen("do: [save from m2", "do: [wait 99999999999m, save from m2", 1);
    assert_ne!(waits, FIRST);
    assert!(parse("night.yaml", &waits).is_err());
}

/// A pipe among a team's scenarios is not waited for.
#[test]
fn only_files_of_bounded_length_are_scenarios() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("night.yaml");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert_eq!(library::read(&path).unwrap_err().kind, crate::error::ErrorKind::Input);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert_eq!(library::read(&path).unwrap_err().kind, crate::error::ErrorKind::Input);
}

/// A change to a sound file, the line on which it is found, the field, and a word of the reason.
#[test]
fn mistakes_are_named_by_file_line_and_field() {
    let line = |part: &str| FIRST.lines().position(|line| line.contains(part)).unwrap() + 1;
    for (from, to, at, field, word) in [
        ("version: 2", "version: 1", "version: 2", "version", "this requorum reads 2"),
        ("minutes_old: 72", "age: 72", "etcd-0200.db, revision: 240", "backups[0]", "unknown field `age`"),
        ("name: m2, state: alone", "name: m2, state: asleep", "name: m2, state", "members[1].state", "unknown variant"),
        ("name: m3, state: gone", "name: m1, state: gone", "name: m3, state", "members[2].name", "two members"),
        ("difficulty: 1", "difficulty: 9", "difficulty: 1", "difficulty", "not between 1 and 5"),
        (
            "database: first-night.db",
            "database: other.db",
            "database: first",
            "cluster.database",
            "no database is named",
        ),
        ("do: stop m2, says", "do: stop m9, says", "do: stop m2, says", "actions[0].do", "no member is named \"m9\""),
        ("    do: [stop m2]", "    do: [explode m2]", "    do: [stop m2]", "injects[0].do", "is not an act"),
        (
            "when: old members were probed",
            "when: it rained",
            "when: old members",
            "injects[0].when",
            "is not a condition",
        ),
        ("if: a blocker was overridden", "if: begun while m7 ran", "if: a blocker was", "fails[0].if", "no member"),
        ("detect: Only m2", "detekt: Only m2", "detect: Only m2", "notes", "is not a step"),
        ("do: [save from m2]", "do: [sing]", "do: [save from m2]", "path[1].do", "is not a stride"),
        (
            "choose etcd-0200.db, next",
            "\"at the hosts: start m1\", next",
            "name: last night",
            "wrong[0].do[1]",
            "not among the `actions`",
        ),
        (
            "because: every key is back",
            "because: restored and quorum is back",
            "because: every",
            "wrong[0].because",
            "not a condition in `goals`",
        ),
        ("- https://github.com/etcd-io/etcd/issues/13765", "- ftp://x", "issues/13765", "links[1]", "https://"),
    ] {
        let text = FIRST.replacen(from, to, 1);
        assert_ne!(text, FIRST, "{from:?} is in the file");
        let error = parse("night.yaml", &text).unwrap_err();
        let said = error.to_string();
        let wanted = format!("night.yaml, line {}", line(at));
        let near = (line(at) - 1..=line(at) + 1).any(|n| said.contains(&format!("night.yaml, line {n}:")));
        assert!(near && said.contains(field) && said.contains(word), "{wanted} {field} {word:?} in: {said}");
    }
}

#[test]
fn a_field_is_found_by_its_indentation() {
    let text = "a: 1\nb:\n  c:\n    - d: 2\n      e: 3\n    - d: 4\n\n      # x\n      e: [5, 6]\nf:\n- g: 7\n- g: 8\n";
    for (field, line) in [
        ("a", 1),
        ("b", 2),
        ("b.c", 3),
        ("b.c[0].d", 4),
        ("b.c[0].e", 5),
        ("b.c[1].d", 6),
        ("b.c[1].e[1]", 9),
        ("f[1].g", 12),
    ] {
        assert_eq!(line_of(text, field), line, "{field}");
    }
}

#[test]
fn words_come_back_as_they_are_written() {
    use super::grammar::{Act, Condition};
    for text in ["every key is back and not m5 runs", "revision at least 274", "after 5m", "started while m1 ran"] {
        assert_eq!(Condition::try_from(text.to_string()).unwrap().to_string(), text);
    }
    for text in ["start m1", "place etcd-0300.db", "fill disk", "free disk"] {
        assert_eq!(Act::try_from(text.to_string()).unwrap().to_string(), text);
    }
}

#[test]
fn keys_and_phrases_of_earlier_versions_are_read() {
    let now = parse("night.yaml", FIRST).unwrap();
    let mut text = FIRST.to_string();
    for (from, to) in [
        ("\nactions:", "\nhands:"),
        ("if: a blocker was overridden", "if: a fence was overridden"),
        ("when: old members were probed", "when: it was knocked"),
        ("name: m2, state: alone", "name: m2, state: alone, wal_apart: true"),
        ("do: stop m2, says", "in_vain: true, do: stop m2, says"),
    ] {
        assert_eq!(text.matches(from).count(), 1, "{from:?} is in the file once");
        text = text.replace(from, to);
    }
    let then = parse("night.yaml", &text).unwrap();
    assert!(then.members[1].separate_wal && then.actions[0].no_effect);
    assert_eq!((then.fails, then.injects), (now.fails, now.injects));
    // and a problem is named by the key that the file has
    let text = text.replace("do: stop m2, says", "do: stop m9, says");
    let problem = parse("night.yaml", &text).unwrap_err().to_string();
    let line = text.lines().position(|line| line.contains("stop m9")).unwrap() + 1;
    assert!(problem.contains("hands[0].do") && problem.contains(&format!("line {line}")), "{problem}");
    for (earlier, later) in [
        ("logs lie apart", "WAL directories are separate"),
        ("a restore was begun", "a restore was started"),
        ("two rows bear one name", "two rows have the same name"),
        ("a fence is in the way", "a blocker is open"),
        ("begun while m1 ran", "started while m1 ran"),
        ("inject boss came", "inject boss happened"),
    ] {
        let condition = |text: &str| super::Condition::try_from(text.to_string()).unwrap();
        assert_eq!(condition(earlier), condition(later));
    }
}
