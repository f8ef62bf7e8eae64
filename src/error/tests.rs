//! Sentences are for people: nothing outside of tests may look into one to decide what to do.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::*;

/// What holds a sentence: the fields of a failure, of a problem and of a journal's line, and the ways to make text of one.
const SENTENCES: [&str; 16] = [
    ".what",
    ".why",
    ".fix",
    ".hint",
    ".sentence()",
    ".on_one_line()",
    "record.text",
    "problem.text",
    "p.text",
    "r.text",
    "trouble.to_string()",
    "error.to_string()",
    "err.to_string()",
    "e.to_string()",
    "refused.to_string()",
    "bug.to_string()",
];

/// What hands the same text on.
const THE_SAME: [&str; 9] = [
    ".as_str()",
    ".as_ref()",
    ".as_deref()",
    ".unwrap_or_default()",
    ".clone()",
    ".to_string()",
    ".trim()",
    ".to_lowercase()",
    ".to_ascii_lowercase()",
];

/// What looks into a text, or changes its wording.
const LOOKS: [&str; 15] = [
    ".contains(",
    ".starts_with(",
    ".ends_with(",
    ".strip_prefix(",
    ".strip_suffix(",
    ".split_once(",
    ".rsplit_once(",
    ".find(",
    ".rfind(",
    ".matches(",
    ".eq_ignore_ascii_case(",
    ".replace(",
    ".replacen(",
    "==\"",
    "!=\"",
];

/// The part of a source file above its tests, without comments and white space.
fn own_code(text: &str) -> String {
    let mut own = String::new();
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let mut after = lines[at..].iter().skip_while(|line| line.starts_with("#["));
        if *line == "#[cfg(test)]" && after.next().is_some_and(|line| line.starts_with("mod ") && line.ends_with('{')) {
            break;
        }
        if !line.trim_start().starts_with("//") {
            // white space goes, except between two words: `match x` is not the name `matchx`
            for word in line.split_whitespace() {
                let touch = |c: char| c.is_alphanumeric() || c == '_';
                if own.ends_with(touch) && word.starts_with(touch) {
                    own.push(' ');
                }
                own.push_str(word);
            }
        }
    }
    own
}

/// The places in a file where something depends on a sentence's wording.
fn readings(text: &str) -> Vec<String> {
    let own = own_code(text);
    let mut found = Vec::new();
    for sentence in SENTENCES {
        for (at, _) in own.match_indices(sentence) {
            let before = own[..at].chars().next_back().unwrap_or(' ');
            let mut rest = &own[at + sentence.len()..];
            while let Some(more) = THE_SAME.iter().find_map(|same| rest.strip_prefix(same)) {
                rest = more;
            }
            // a placeholder that is filled in is no wording
            let filled = rest.starts_with(".replace(\"{}\",");
            let part_of_a_name = !sentence.starts_with('.') && (before.is_alphanumeric() || before == '_');
            if LOOKS.iter().any(|look| rest.starts_with(*look)) && !filled && !part_of_a_name {
                found.push(own[at..].chars().take(80).collect());
            }
        }
    }
    found
}

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()) {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.file_type().unwrap().is_dir() {
            true if name == "tests" => {}
            true => sources(&path, out),
            false if name.starts_with("tests") || name == "testing.rs" => {}
            false => out.push(path),
        }
    }
}

#[test]
fn nothing_decides_by_a_sentence() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 300, "the sources were found");
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        found.extend(readings(&text).into_iter().map(|code| format!("{}: {code}", file.display())));
    }
    assert_eq!(found, Vec::<String>::new(), "what behaviour depends on is an enum or a field, never a wording");
}

#[test]
fn planted_readings_are_found() {
    for (code, is) in [
        ("if trouble.why.contains(\"no space\") {}", true),
        ("if trouble\n    .what\n    .starts_with(WAITS) {}", true),
        ("let same = trouble.why == \"no leader\";", true),
        ("let other = trouble.hint.as_str() != \"\\n\";", true),
        ("let hint = trouble.hint.replace(\"u\", \"`requorum undo`\");", true),
        ("match trouble.to_string().split_once(\": \") {}", true),
        ("if problem.text.contains(\"is missing\") {}", true),
        ("if record.text.to_lowercase().ends_with(\"done\") {}", true),
        ("if problem.fix.as_deref().unwrap_or_default().contains(\"x\") {}", true),
        ("if trouble.why.is_empty() {}", false),
        ("if trouble.kind == Kind::Stopped {}", false),
        ("// trouble.why.contains(\"no space\")", false),
        ("let hint = found.hint.replace(\"{}\", &path);", false),
        ("let host = name.to_string().replace('.', \"-\");", false),
        ("fn a() {}\n#[cfg(test)]\nmod tests {\n    assert!(trouble.why.contains(\"no space\"));\n}", false),
    ] {
        assert_eq!(!readings(code).is_empty(), is, "{code}");
    }
}

#[test]
fn a_one_line_failure_includes_its_hint() {
    let error = || Error::new(ErrorKind::Failed, "cannot read /srv/a");
    for (error, line) in [
        (error(), "cannot read /srv/a"),
        (error().why("permission denied"), "cannot read /srv/a: permission denied"),
        (error().why("denied.").hint("Use sudo.\n  Or root."), "cannot read /srv/a: denied. Use sudo. Or root."),
        (error().remedies(&[Remedy::Undo]), "cannot read /srv/a"),
    ] {
        assert_eq!(error.on_one_line(), line);
    }
}
