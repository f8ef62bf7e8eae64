//! The words of the program: the rooms below are read, Rust sources by their string literals and doc comments, Markdown and
//! YAML or TOML texts whole; unclear idioms fail. Other rooms are added as they are rewritten.

use crate::support;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The rooms that are read: directories with all below them, and files.
const ROOMS: &[&str] = &[
    "src/agent",
    "src/agent.rs",
    "src/bbolt",
    "src/bbolt.rs",
    "src/etcd",
    "src/etcd.rs",
    "src/raft",
    "src/raft.rs",
    "src/yaml",
    "src/yaml.rs",
    "src/lib.rs",
    "src/main.rs",
    "src/cli",
    "src/cli.rs",
    "src/domain",
    "src/domain.rs",
    "src/drill",
    "src/drill.rs",
    "src/engine",
    "src/engine.rs",
    "src/error",
    "src/error.rs",
    "src/execute",
    "src/execute.rs",
    "src/system",
    "src/text",
    "src/text.rs",
    "README.md",
    "assets/scenarios",
    "assets/guide",
];

/// Words and phrases that fail; `|` separates forms of one word, `_` is any word.
const UNCLEAR: [&str; 14] = [
    "stand|stands|stood",
    "lie|lies",
    "tell|tells of",
    "is|are|was|were|be|been told",
    "said",
    "gone on with",
    "taken back",
    "anew",
    "beside",
    "behind",
    "somebody|nobody",
    "is|are none",
    "bear|bears",
    "whose it is",
];

/// Further phrases, whose first words are common.
const PHRASES: [&str; 3] = ["not to be had", "as it|they must be", "come|comes|came to its|their end"];

/// Literals and comments that may have such a word: the whole text, or a part of several words; and why.
const ALLOWED: [(&str, &str); 4] = [
    ("behind", "a clock is ahead or behind"),
    ("logs lie apart", "a phrase of earlier scenario files"),
    ("two rows bear one name", "a phrase of earlier scenario files"),
    ("stands", "a field that an earlier drill sends to its instructor"),
];

/// The endings of texts that are read whole; of Rust sources it is what [`texts`] finds, and no other file is read.
const PROSE: [&str; 4] = ["md", "yaml", "yml", "toml"];

/// The paragraphs of a text that is read whole, each with its first line: words may wrap, but not over a blank line, a
/// table's row or a list's item.
fn paragraphs(text: &str) -> Vec<(usize, String)> {
    let mut out: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (at, line) in text.lines().enumerate() {
        let bare = line.trim_start_matches([' ', '#', '>']);
        let begins = !open || ["- ", "* ", "|", "```"].iter().any(|lead| bare.starts_with(lead));
        open = !bare.is_empty();
        match out.last_mut() {
            Some((_, part)) if open && !begins => *part += &format!(" {bare}"),
            _ if open => out.push((at + 1, bare.to_string())),
            _ => {}
        }
    }
    out
}

/// What a source file shows to people: its string literals and its doc comments, each with its line. Comments that give
/// reasons are not read, and neither is what follows `#[cfg(test)]` in front of an inline module.
fn texts(source: &str) -> Vec<(usize, String)> {
    let own = ["\n#[cfg(test)]\nmod tests {", "\n#[cfg(test)]\n#[allow(clippy::panic)]\nmod tests {"];
    let end = own.iter().filter_map(|mark| source.find(mark)).min().unwrap_or(source.len());
    let code: Vec<char> = source[..end].chars().collect();
    let (mut out, mut doc): (Vec<(usize, String)>, String) = (Vec::new(), String::new());
    let (mut at, mut line, mut doc_line) = (0, 1, 0);
    let is = |at: usize, text: &str| text.chars().enumerate().all(|(n, c)| code.get(at + n) == Some(&c));
    while at < code.len() {
        let begins = at;
        if is(at, "//") {
            while at < code.len() && code[at] != '\n' {
                at += 1;
            }
            if (is(begins, "///") && !is(begins, "////")) || is(begins, "//!") {
                if doc.is_empty() {
                    doc_line = line;
                }
                doc.extend(code[begins + 3..at].iter().chain(&[' ']));
            }
            continue;
        }
        if !code[at].is_whitespace() && !doc.is_empty() {
            out.push((doc_line, std::mem::take(&mut doc)));
        }
        let hashes = code[at..].iter().skip(1).take_while(|c| **c == '#').count();
        let raw = code[at] == 'r'
            && code.get(at + 1 + hashes) == Some(&'"')
            && !(at > 0 && (code[at - 1].is_alphanumeric() && code[at - 1] != 'b' || code[at - 1] == '_'));
        if raw {
            let close = format!("\"{}", "#".repeat(hashes));
            at += 2 + hashes;
            let begins = at;
            while at < code.len() && !is(at, &close) {
                at += 1;
            }
            out.push((line, code[begins..at].iter().collect()));
            line += code[begins..at].iter().filter(|c| **c == '\n').count();
            at += close.len();
        } else if code[at] == '"' {
            let (mut text, begun) = (String::new(), line);
            at += 1;
            while at < code.len() && code[at] != '"' {
                line += usize::from(code[at] == '\n');
                if code[at] == '\\' {
                    at += 1;
                    line += usize::from(code.get(at) == Some(&'\n'));
                    // an escape separates words, as a line end does
                    text.push(' ');
                } else {
                    text.push(code[at]);
                }
                at += 1;
            }
            at += 1;
            out.push((begun, text));
        } else if code[at] == '\'' && (code.get(at + 2) == Some(&'\'') || code.get(at + 1) == Some(&'\\')) {
            // a character, not a lifetime
            at += if code.get(at + 1) == Some(&'\\') { 3 } else { 2 };
            while at < code.len() && code[at] != '\'' {
                at += 1;
            }
            at += 1;
        } else {
            line += usize::from(code[at] == '\n');
            at += 1;
        }
    }
    if !doc.is_empty() {
        out.push((doc_line, doc));
    }
    out
}

/// The first unclear phrase in a text.
fn unclear(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '_').filter(|w| !w.is_empty()).collect();
    UNCLEAR.into_iter().chain(PHRASES).find(|phrase| {
        let forms: Vec<Vec<&str>> = phrase.split(' ').map(|word| word.split('|').collect()).collect();
        words.windows(forms.len()).any(|part| part.iter().zip(&forms).all(|(word, forms)| forms.contains(word)))
    })
}

/// The unclear phrases of a file with this ending, each with its line and its text.
fn faults(ending: &str, source: &str) -> Vec<(usize, &'static str, String)> {
    let allowed =
        |text: &String| ALLOWED.iter().any(|(part, _)| text == *part || part.contains(' ') && text.contains(part));
    let fault = |(line, text): (usize, String)| unclear(&text).map(|phrase| (line, phrase, text));
    let all = if PROSE.contains(&ending) { paragraphs(source) } else { texts(source) };
    all.into_iter().filter(|(_, text)| !allowed(text)).filter_map(fault).collect()
}

/// The sources and texts at or below a path; files and directories that have nothing but tests are left out.
fn sources(path: &Path, out: &mut Vec<PathBuf>) {
    if path.file_name().unwrap().to_string_lossy().starts_with("tests") {
        return;
    }
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| sources(&entry.unwrap().path(), out));
    } else if ending(path) == "rs" || PROSE.contains(&ending(path)) {
        out.push(path.to_path_buf());
    }
}

fn ending(path: &Path) -> &str {
    path.extension().and_then(|end| end.to_str()).unwrap_or_default()
}

#[test]
fn rooms_have_no_unclear_words() {
    let (root, mut found) = (Path::new(env!("CARGO_MANIFEST_DIR")), Vec::new());
    for room in ROOMS {
        let mut files = Vec::new();
        sources(&root.join(room), &mut files);
        assert!(!files.is_empty(), "nothing is read in {room}");
        for file in files {
            let source = fs::read_to_string(&file).unwrap();
            let place = file.strip_prefix(root).unwrap().display().to_string();
            found.extend(
                faults(ending(&file), &source)
                    .into_iter()
                    .map(|(line, word, text)| format!("{place}:{line}: {word}: {text}")),
            );
        }
    }
    assert!(found.is_empty(), "use plain words, see the list in tests/integration/cli/words.rs:\n{}", found.join("\n"));
}

#[test]
fn planted_faults_are_found_with_their_lines() {
    for (source, line) in [
        ("fn a() {}\n/// The file that stands there.\nfn b() {}", Some(2)),
        ("//! Whose it\n//! is.", Some(1)),
        ("let a = \"one\\ntwo\";\nlet b = \"what somebody \\\n    said\";", Some(2)),
        ("let a = r#\"a \"quoted\" one\nlies there\"#;", Some(1)),
        ("let a = '\"'; let b = '\\''; let c = \"built beside it\";", Some(1)),
        ("fn a<'a>(b: &'a str) -> &'a str { \"it WAS told\" }", Some(1)),
        ("warn!(\"it has come to its end\");", Some(1)),
        ("let a = \"two\n lines\";\nlet b = \"they\\nbear it\";", Some(3)),
        ("// a reason may be said in any words\nlet said = beside;", None),
        ("let a = \"standard, besides, underlies, bearer, none\";", None),
        ("/// The data directory.\n\n/// Is\nstruct A;\n/// told apart\nstruct B;", None),
        ("fn a() {}\n\n#[cfg(test)]\nmod tests {\n    const A: &str = \"nobody\";\n}", None),
    ] {
        assert_eq!(faults("rs", source).first().map(|(line, ..)| *line), line, "{source}");
    }
}

#[test]
fn planted_faults_in_texts_are_found() {
    for (ending, source, line) in [
        ("md", "# A title\n\nIt is\ntold.", Some(3)),
        ("md", "| a | b |\n|---|---|\n| c | it lies there |", Some(3)),
        ("md", "```sh\nls   # what somebody wrote\n```", Some(1)),
        ("md", "This is\n\ntold apart.\n- as it\n- must be", None),
        ("yaml", "name: a\n# it is not to be\n# had\nb: 1", Some(1)),
        ("yaml", "name: a\n\nbrief: >-\n  He\n  said so.", Some(3)),
        ("yml", "tips:\n  - one\n  - built beside it", Some(3)),
        ("toml", "a = 1\n\n# comes to its end\nb = 2", Some(3)),
        ("yaml", "name: outstanding\nbrief: bearer of besides", None),
    ] {
        assert_eq!(faults(ending, source).first().map(|(line, ..)| *line), line, "{source}");
    }
}

/// The rooms below the front ends. What to do is a value there (`Remedy`), which each front end words: a command, or a key.
const BELOW: [&str; 10] = [
    "src/agent",
    "src/bbolt",
    "src/domain",
    "src/engine",
    "src/error.rs",
    "src/error",
    "src/etcd",
    "src/execute",
    "src/raft",
    "src/system",
];

/// Files and rooms below the front ends that write commands down as data, and why.
const DOCUMENTS: [(&str, &str); 2] = [
    ("src/domain/render/", "manual scripts, runbooks and command sheets are read where no front end is"),
    ("src/domain/model/plan_yaml.rs", "the comment at the head of a plan's file"),
];

/// The subcommands of the program.
const COMMANDS: &[&str] = &[
    "agent",
    "apply",
    "bench",
    "cluster",
    "completions",
    "drill",
    "guide",
    "hashkv",
    "salvage",
    "launch",
    "man",
    "plan",
    "probe",
    "report",
    "restore",
    "resume",
    "sheet",
    "snapshot",
    "start",
    "undo",
    "v2",
    "verify",
];

/// Flags that only requorum has.
const FLAGS: [&str; 16] = [
    "accept-damage",
    "again",
    "agent",
    "by-hand",
    "clear-alarms",
    "deep",
    "disable-auth",
    "etcd-version",
    "finish-downgrade",
    "keep-learners",
    "mark-compacted",
    "override",
    "reason",
    "set-version",
    "skip-hash-check",
    "stop",
];

/// The first command or flag of requorum in a text.
fn command(text: &str) -> Option<String> {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '/').filter(|w| !w.is_empty()).collect();
    let run = words.windows(2).find(|pair| pair[0] == "requorum" && COMMANDS.contains(&pair[1]));
    let flag = words.iter().find(|word| word.strip_prefix("--").is_some_and(|flag| FLAGS.contains(&flag)));
    // `requorum --flag`, and a command line in pieces
    let with_flag = words.windows(2).find(|pair| pair[0] == "requorum" && pair[1].starts_with("--"));
    run.or(with_flag).map(|pair| pair.join(" ")).or(flag.map(|flag| flag.to_string()))
}

/// The literals of a source that name a command or flag, each with its line.
fn commands(source: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = source.lines().collect();
    let comment = |line: usize| lines.get(line - 1).is_some_and(|line| line.trim_start().starts_with("//"));
    let found = texts(source).into_iter().filter(|(line, _)| !comment(*line));
    found.filter_map(|(line, text)| Some((line, command(&text)?))).collect()
}

#[test]
fn words_name_no_command_below_front_ends() {
    let (root, mut found) = (Path::new(env!("CARGO_MANIFEST_DIR")), Vec::new());
    for room in BELOW {
        let mut files = Vec::new();
        sources(&root.join(room), &mut files);
        assert!(!files.is_empty(), "nothing is read in {room}");
        for file in files {
            let place = file.strip_prefix(root).unwrap().display().to_string();
            if !DOCUMENTS.iter().any(|(allowed, _)| place.starts_with(allowed)) {
                let source = fs::read_to_string(&file).unwrap();
                found.extend(commands(&source).into_iter().map(|(line, what)| format!("{place}:{line}: {what}")));
            }
        }
    }
    assert!(found.is_empty(), "a Remedy says what to do, and the front ends word it:\n{}", found.join("\n"));
}

#[test]
fn words_know_every_command() {
    let help = support::said(&support::requorum(["--help"]).output().unwrap());
    let rows = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.trim().is_empty());
    let listed: Vec<&str> = rows
        .filter(|row| row.starts_with("  ") && !row.starts_with("   "))
        .filter_map(|row| row.split_whitespace().next())
        .collect();
    assert!(listed.len() > 10, "{help}");
    // "requorum version" is what others have in mind when they speak of the version of the program
    let others = ["help", "version"];
    let unknown: Vec<&&str> = listed.iter().filter(|name| !others.contains(name) && !COMMANDS.contains(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn planted_words_that_name_commands_are_found() {
    for (source, line) in [
        ("let a = 1;\nhint(\"Download it first: requorum snapshot fetch X\")", Some(2)),
        ("hint(\"`requorum launch` prints it.\")", Some(1)),
        ("format!(\"run requorum \\\n    verify\")", Some(1)),
        ("let a = r#\"requorum plan\"#;", Some(1)),
        ("hint(\"Run requorum --endpoints http://a\")", Some(1)),
        ("\"accept it (--accept-damage={})\"", Some(1)),
        ("\"give an --override\"", Some(1)),
        ("/// Prints `requorum launch`.\nfn a() {}", None),
        ("// requorum plan\nlet a = \"requorum restores at most 9 members\";", None),
        ("\"this requorum reads version 1\"", None),
        ("\"start it with --initial-cluster-state=existing\"", None),
        ("\"systemctl stop etcd; the plan, requorum, and apply\"", None),
        ("fn a() {}\n\n#[cfg(test)]\nmod tests {\n    const A: &str = \"requorum plan\";\n}", None),
    ] {
        assert_eq!(commands(source).first().map(|(line, _)| *line), line, "{source}");
    }
}
