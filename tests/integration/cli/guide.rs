//! `requorum guide`: every page prints, leads only to what exists, and is named right.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::support::{PROGRAM, ended, requorum, succeed};

/// The pages by the name that is asked for.
const PAGES: [(&str, &str); 17] = [
    ("incident", "incident.md"),
    ("commands", "commands.md"),
    ("hosts", "hosts.md"),
    ("launch", "launch.md"),
    ("verify", "verify.md"),
    ("files", "files.md"),
    ("drills", "drills.md"),
    ("evidence", "evidence.md"),
    ("glossary", "glossary.md"),
    ("architecture", "architecture.md"),
    ("bbolt", "formats/bbolt.md"),
    ("wal", "formats/wal.md"),
    ("snap", "formats/snap.md"),
    ("contributing", "contributing.md"),
    ("releasing", "releasing.md"),
    ("security", "SECURITY.md"),
    ("changelog", "CHANGELOG.md"),
];

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

fn guide() -> PathBuf {
    root().join("assets/guide")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// What stands between `open` and the next `close`, all through a text.
fn between<'t>(text: &'t str, open: &str, close: char) -> Vec<&'t str> {
    text.split(open).skip(1).filter_map(|rest| rest.split(close).next()).collect()
}

/// A page with what its pictures show in place of them.
fn as_printed(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix("![") {
        Some(picture) => format!("[Picture: {}]\n", picture.split_once("](").unwrap().0),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn every_page_prints_as_its_file() {
    let list = succeed(&mut requorum(["guide"]));
    for (name, file) in PAGES {
        let text = as_printed(&read(&guide().join(file)));
        let stem = file.strip_suffix(".md").unwrap();
        for asked in [name, file, stem, &name.to_uppercase()] {
            assert_eq!(succeed(&mut requorum(["guide", asked])), text, "{asked}");
        }
        assert!(list.lines().any(|line| line.split_whitespace().next() == Some(name)), "{name} in\n{list}");
        assert!(text.lines().all(|line| line.chars().count() <= 400) && text.ends_with('\n'), "{name}");
    }
}

#[test]
fn unknown_pages_end_with_usage_and_pages() {
    for (asked, near) in [("glosary", "glossary"), ("wall", "wal"), ("bolt", "bbolt"), ("nothing-like-it", "changelog")]
    {
        ended(&requorum(["guide", asked]).output().unwrap(), 2, &[near]);
    }
    for asked in
        [&["guide", ""][..], &["guide", "wal", "snap"], &["guide", "wal", "-w", "json"], &["guide", "../README"]]
    {
        ended(&requorum(asked).output().unwrap(), 2, &[]);
    }
}

#[test]
fn a_pipe_starts_no_pager() {
    let dir = tempfile::tempdir().unwrap();
    let touched = dir.path().join("touched");
    let mut command = requorum(["guide", "wal"]);
    command.env("PAGER", format!("touch {}", touched.display()));
    assert_eq!(succeed(&mut command), read(&guide().join("formats/wal.md")));
    assert!(!touched.exists());
}

#[test]
fn completions_and_help_know_the_pages() {
    for shell in ["bash", "zsh", "fish"] {
        let text = succeed(&mut requorum(["completions", shell]));
        assert!(PAGES.iter().all(|(name, _)| text.contains(name)), "{shell}");
    }
    let help = succeed(&mut requorum(["guide", "--help"]));
    assert!(PAGES.iter().all(|(name, _)| help.contains(name)), "{help}");
    assert!(succeed(&mut requorum(["--help"])).lines().any(|line| line.trim_start().starts_with("guide ")));
}

/// The first page is read at night: what is not needed then is in the guide.
#[test]
fn the_readme_is_at_most_8_kb() {
    let bytes = read(&root().join("README.md")).len();
    assert!(bytes <= 8000, "{bytes}");
}

#[test]
fn links_lead_to_pages() {
    let from_readme = [(root(), "README.md")];
    for (dir, file) in PAGES.map(|(_, file)| (guide(), file)).into_iter().chain(from_readme) {
        let path = dir.join(file);
        for link in between(&read(&path), "](", ')').into_iter().filter(|link| !link.starts_with("http")) {
            let target = path.parent().unwrap().join(link.split('#').next().unwrap());
            assert!(link.starts_with('#') || target.exists(), "{file}: {link}");
        }
    }
}

/// Paths of the project in backticks or comments: `src/...`, `tests/...`, `assets/...`.
fn paths(text: &str) -> BTreeSet<&str> {
    let of_path = |c: char| c.is_ascii_alphanumeric() || "/_.*-".contains(c);
    let words = text.split(|c| !of_path(c)).map(|word| word.trim_end_matches(['.', '-']));
    words.filter(|word| ["src/", "tests/", "assets/"].iter().any(|begin| word.starts_with(begin))).collect()
}

fn exists(path: &str) -> bool {
    let Some((begin, _)) = path.split_once('*') else { return root().join(path).exists() };
    let (dir, begin) = begin.rsplit_once('/').unwrap();
    fs::read_dir(root().join(dir)).unwrap().any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with(begin))
}

#[test]
fn named_paths_exist() {
    let mut count = 0;
    let pages = PAGES.map(|(_, file)| guide().join(file));
    let others = ["README.md", "Cargo.toml", "tests/run", "src/lib.rs"].map(|file| root().join(file));
    for file in pages.into_iter().chain(others) {
        let text = read(&file);
        for path in paths(&text) {
            // a file that is made by whoever follows the page
            if path != "assets/scenarios/NAME.yaml" {
                assert!(exists(path), "{}: {path}", file.display());
                count += 1;
            }
        }
    }
    assert!(count > 50, "{count}");
}

#[test]
fn a_terminal_shows_a_page_in_its_pager() {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("kept");
    let shown = |pager: &str| {
        let mut command = portable_pty::CommandBuilder::new(PROGRAM);
        command.args(["guide", "snap"]);
        command.env("PAGER", pager);
        let terminal = portable_pty::native_pty_system().openpty(portable_pty::PtySize::default()).unwrap();
        let mut child = terminal.slave.spawn_command(command).unwrap();
        drop(terminal.slave);
        let mut reader = terminal.master.try_clone_reader().unwrap();
        let reading = std::thread::spawn(move || {
            let (mut all, mut some) = (Vec::new(), [0; 4096]);
            // a terminal whose last program went away ends in an error, not in an end
            while let Ok(n @ 1..) = std::io::Read::read(&mut reader, &mut some) {
                all.extend_from_slice(&some[..n]);
            }
            String::from_utf8_lossy(&all).into_owned()
        });
        assert!(child.wait().unwrap().success());
        drop(terminal.master);
        reading.join().unwrap()
    };
    let text = read(&guide().join("formats/snap.md"));
    assert_eq!(shown(&format!("tee {}", kept.display())).replace("\r\n", "\n"), text);
    assert_eq!(read(&kept), text);
    // printed where there is none, and without one
    assert!(shown("/nowhere/pager").replace("\r\n", "\n").contains(text.trim_end()));
    assert_eq!(shown("cat").replace("\r\n", "\n"), text);
    // a pager that takes nothing is no error
    assert_eq!(shown("true"), "");
}
