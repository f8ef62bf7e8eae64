//! The reader of YAML by tables, against what sigs.k8s.io/yaml makes of the same, and its bounds.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Number, Value, json};

use super::{Schema, check, from_str, number_text, to_json};

/// Texts and what sigs.k8s.io/yaml 1.6.0 (`YAMLToJSON`) makes of them, made by its own code.
const GO: &str = include_str!("../../tests/fixtures/go-yaml.json");

/// What go-yaml reads and this reader refuses: another version of YAML would read it differently, or JSON has no such value.
const REFUSED: [&str; 9] = [
    "a: .5_0\n",
    "{b:}\n",
    "[a:]\n",
    "&a:b: c\n",
    "a: \u{85}b\n",
    "a: \u{2028}b\n",
    "a: !!timestamp 2001-01-01\n",
    "a: !!binary YWJj\n",
    "1: a\n'1': b\n",
];

#[derive(Deserialize)]
struct Case {
    yaml: String,
    json: Option<Value>,
    error: Option<String>,
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        _ => a == b,
    }
}

#[test]
fn files_of_etcd_read_as_etcd_reads_them() {
    let cases: Vec<Case> = serde_json::from_str(GO).unwrap();
    assert!(cases.len() > 150);
    let mut wrong = Vec::new();
    for case in cases {
        let ours = to_json(&case.yaml, Schema::Etcd);
        let right = match (&ours, &case.error) {
            (Err(_), Some(_)) => true,
            (Err(_), None) => REFUSED.contains(&case.yaml.as_str()),
            (Ok(ours), None) => same(ours, case.json.as_ref().unwrap_or(&Value::Null)),
            (Ok(_), Some(_)) => READ.contains(&case.yaml.as_str()),
        };
        if !right {
            wrong.push(format!("{:?}: ours {ours:?}, Go {:?} {:?}", case.yaml, case.json, case.error));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What go-yaml refuses and this reader reads, as YAML 1.2 allows: nothing that etcd would read differently.
const READ: [&str; 1] = ["%YAML 1.2\n---\na: 1\n"];

#[test]
fn words_keep_their_text() {
    let read = to_json("{a: yes, b: 017, c: 1.10, d: 1e5, e: true, f: ~, g: '', h: 1_0, i: 0x1f}", Schema::Words);
    let want = json!({"a": "yes", "b": "017", "c": "1.10", "d": "1e5", "e": true, "f": null, "g": "", "h": "1_0", "i": "0x1f"});
    assert_eq!(read, Ok(want));
    // In Ansible's files the keys of the map itself win over those that it merges in, wherever they are written.
    let merged = to_json("x: &x {a: 1, b: 2}\nz: {b: 3, <<: *x}\n", Schema::Words).unwrap();
    assert_eq!(merged["z"], json!({"a": "1", "b": "3"}));
    let merged = to_json("x: &x {a: 1, b: 2}\nz: {b: 3, <<: *x}\n", Schema::Etcd).unwrap();
    assert_eq!(merged["z"], json!({"a": 1, "b": 2}));
}

#[test]
fn numbers_become_text_as_in_go() {
    for (number, text) in [
        (1.0, "1"),
        (1.10, "1.1"),
        (100_000.0, "100000"),
        (1e6, "1e+06"),
        (1_234_567.0, "1.234567e+06"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1.0 / 3.0, "0.33333334"),
        (-2.5, "-2.5"),
        (1e300, "+Inf"),
    ] {
        assert_eq!(number_text(&Number::from_f64(number).unwrap()), text);
    }
    assert_eq!(number_text(&u64::MAX.into()), "18446744073709551615");
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Team {
    name: String,
    size: u8,
    #[serde(default)]
    of: Option<String>,
    kind: Sort,
    #[serde(default)]
    parts: Vec<BTreeMap<String, Sort>>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Sort {
    OneWay,
    Both,
}

#[test]
fn type_errors_are_named_by_line_and_field() {
    let good = "name: 017\nsize: 3\nof: ~\nkind: one-way\nparts:\n- a: both\n- &b {c: both}\n- *b\n";
    let team: Team = from_str(good).unwrap();
    assert_eq!((team.name.as_str(), team.size, &team.of, &team.kind), ("017", 3, &None, &Sort::OneWay));
    assert_eq!((team.parts.len(), team.parts[2].get("c")), (3, Some(&Sort::Both)));
    for (from, to, line, field) in [
        ("size: 3", "size: 300", 2, "size"),
        ("size: 3", "size: '3'", 2, "size"),
        ("size: 3", "size: -1", 2, "size"),
        ("size: 3", "size: yes", 2, "size"),
        ("kind: one-way", "kind: none", 4, "kind"),
        ("kind: one-way", "kind: [both]", 4, "kind"),
        ("- a: both", "- a: {b: both}", 6, "parts[0].a"),
        ("{c: both}", "{c: red}", 7, "parts[1].c"),
        ("- *b", "- [b]", 8, "parts[2]"),
        ("name: 017", "nam: 017", 1, ""),
        ("of: ~", "name: x", 3, ""),
        ("of: ~", "of: [", 3, ""),
    ] {
        let error = from_str::<Team>(&good.replace(from, to)).unwrap_err();
        let near = error.line.is_some_and(|at| at.abs_diff(line) <= 1 || to.ends_with('['));
        assert!(near && error.field == field, "{to}: {error:?}");
    }
    crate::text::messages::hold("yaml", &[("nothing", from_str::<Team>("").unwrap_err().why)]);
}

#[test]
fn bombs_are_refused_at_once() {
    let mut laughs = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    let mut chain = String::from("- &a0 [x]\n");
    let mut quadratic = String::from("x: &x {");
    for n in 1..30_000 {
        if n < 30 {
            laughs += &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(","));
        }
        chain += &format!("- &a{n} [*a{}]\n", n - 1);
        quadratic += &format!("k{n}: 1, ");
    }
    quadratic += "}\nys: [";
    quadratic += &"{<<: [*x, *x, *x]},".repeat(1000);
    let long = format!("- &a {}\n{}", "x".repeat(100_000), "- *a\n".repeat(100));
    for text in [
        laughs,
        chain,
        quadratic + "]\n",
        long,
        "- ".repeat(100_000),
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "? ".repeat(100_000),
        "- &a [*a]\n".into(),
        "- a\n".repeat(200_000),
        "#".repeat(super::MAX_BYTES + 1),
    ] {
        assert!(check(&text).is_err(), "{}", text.chars().take(60).collect::<String>());
        assert!(to_json(&text, Schema::Etcd).is_err() && to_json(&text, Schema::Words).is_err());
    }
}

proptest! {
    #[test]
    fn no_text_is_a_panic(text in "([a-z0-9:\\-\\[\\]{}&*!|>'\"#%@,?<~_. \n\t]|<<: |&a |\\*a|- |\\PC){0,60}") {
        let etcd = to_json(&text, Schema::Etcd);
        let words = to_json(&text, Schema::Words);
        prop_assert_eq!(check(&text).is_ok() || etcd.is_err() && words.is_err(), true);
        let _ = from_str::<Team>(&text);
    }

    /// JSON is YAML: what serde_json writes is read as it was.
    #[test]
    fn json_reads_as_it_is(text in "\\PC{0,20}", number: i64, list in prop::collection::vec(any::<bool>(), 0..4)) {
        prop_assume!(!text.contains(['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}']));
        let value = json!({"text": text, "number": number, "list": list, "none": null});
        prop_assert_eq!(to_json(&value.to_string(), Schema::Etcd), Ok(value));
    }
}
