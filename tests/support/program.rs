//! Runs of the `requorum` binary that touch nothing of the caller's, what they said, and the files that they are given.

use std::{
    ffi::OsStr,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// The binary. Whoever starts it other than by [`requorum`] asks [`apart`] for it.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_requorum");

/// The caller's variables that change what requorum does.
pub fn callers_variables() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let ours = ["ETCD", "REQUORUM", "AWS_", "XDG_"];
    names.filter(|name| ours.iter().any(|begin| name.starts_with(begin))).collect()
}

/// Sets a run apart from its caller: none of those variables, and another home, so that what requorum keeps for its
/// user (journals, records of drills) does not go among the caller's.
pub fn apart(command: &mut Command) -> &mut Command {
    for name in callers_variables() {
        command.env_remove(name);
    }
    command.env("HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/home"))
}

/// A run of `requorum`, set apart.
pub fn requorum<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(PROGRAM);
    apart(&mut command).args(args);
    command
}

/// Runs `command` to its end and gives what it printed; panics with all of it when it failed.
#[track_caller]
pub fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}\nended with {}\n{}", output.status, said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// [`succeed`] for a command that prints one JSON value.
#[track_caller]
pub fn json(command: &mut Command) -> serde_json::Value {
    let text = succeed(command);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{command:?} printed no JSON ({e}):\n{text}"))
}

/// All that a run said: its output, then its errors.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A run must have ended with this exit code, and have said these words; all that it said.
#[track_caller]
pub fn ended(output: &Output, code: i32, words: &[&str]) -> String {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in:\n{said}");
    }
    said
}

/// A run with these lines as its input.
pub fn piped(command: &mut Command, lines: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines = lines.to_string();
    let writes = std::thread::spawn(move || drop(input.write_all(lines.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writes.join().unwrap();
    output
}

/// The first drill by lines: the keys that the coach names, and what they ask for.
pub const FIRST_NIGHT: &str = "n\nenter\n\nn\nn\nr\nprod-eu\n\nn\nn\nc\ny\nq\ny\n";

/// A snapshot under `tests/fixtures/snapshots`.
pub fn fixture(name: &str) -> PathBuf {
    fixtures().join(name)
}

/// Every snapshot under `tests/fixtures/snapshots`, in the order of their names.
pub fn all_fixtures() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(fixtures()).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension() == Some(OsStr::new("db")));
    files.sort();
    assert!(!files.is_empty(), "no snapshots under {}", fixtures().display());
    files
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snapshots")
}

/// The names in a directory, sorted; none where there is no directory.
pub fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
