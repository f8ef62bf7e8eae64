//! `requorum v2`: on the directory of a 3.4 server that was started with `--enable-v2` and killed.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use crate::support::{messages, requorum, succeed};

fn fixture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/datadirs/3.4-v2")
}

#[test]
fn keys_are_listed_and_written_out_once() {
    let listed = succeed(requorum(["v2", "list"]).arg(fixture()));
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines.contains(&"/apps/") && lines.contains(&"/apps/a1") && !lines.contains(&"/short"), "{listed}");
    assert!(!lines.iter().any(|line| line.starts_with("/0") || line.starts_with("/1")), "{listed}");

    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("v2.jsonl");
    let mut export = requorum(["v2", "export"]);
    export.arg(fixture()).arg("-o").arg(&file);
    assert_eq!(succeed(&mut export), "");
    let written = fs::read_to_string(&file).unwrap();
    assert_eq!(written, succeed(requorum(["v2", "export"]).arg(fixture())));
    assert_eq!(written.lines().count(), lines.len());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let expected = r#"{"createdIndex":7,"key":"/apps/a2","modifiedIndex":26,"value":"updated"}"#;
    assert!(written.lines().any(|line| line == expected), "{written}");

    let again = export.output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    messages::hold("cli-v2-again", &[("the file is there", String::from_utf8_lossy(&again.stderr).into_owned())]);
    assert_eq!(fs::read_to_string(&file).unwrap(), written);
}

#[test]
fn incomplete_and_foreign_directories_are_refused() {
    let copy = tempfile::tempdir().unwrap();
    let run = |dir: &std::path::Path| {
        let output = requorum(["v2", "export"]).arg(dir).output().unwrap();
        assert!(output.stdout.is_empty(), "{output:?}");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, error) = run(copy.path());
    assert_eq!(code, Some(1), "{error}");
    let mut told = vec![("an empty directory", error)];
    // A list that ends at the damage would look like a whole one.
    let wal = copy.path().join("member/wal");
    fs::create_dir_all(&wal).unwrap();
    let segment = "0000000000000000-0000000000000000.wal";
    let mut bytes = fs::read(fixture().join("member/wal").join(segment)).unwrap();
    bytes[2000] ^= 1;
    fs::write(wal.join(segment), &bytes).unwrap();
    let (code, error) = run(copy.path());
    assert_eq!(code, Some(1), "{error}");
    told.push(("a flipped bit in the log", error));
    messages::hold("cli-v2", &told);
}
