//! The pictures of the guide and of README: real screens, made here, and held to what the screens are now.
//!
//! `INSTA_UPDATE=always cargo test --test integration pictures::` makes them again.

use std::{fs, path::PathBuf};

use requorum::tui::headless::picture;

use crate::{screens, support::svg::svg};

/// The picture's file, the screen that it shows, and what it shows.
const PICTURES: [(&str, &str, &str); 4] = [
    (
        "detect",
        "1-detect-lost",
        "Step 1, Detect: quorum appears lost; one of three members answers, and what to do follows",
    ),
    (
        "snapshot",
        "2-snapshot",
        "Step 2, Snapshot: a survivor, a data directory and files, each with what choosing it would lose",
    ),
    ("review", "4-review", "Step 4, Review: what will be done, in order, before the cluster label is typed"),
    ("proof", "7-proof-proven", "Step 7, Proof: every member of the new cluster compared with the plan"),
];

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

#[test]
fn pictures_show_the_screens() {
    let scenes = screens::scenes();
    let update = std::env::var("INSTA_UPDATE").is_ok_and(|value| value == "always");
    for (name, scene, alt) in PICTURES {
        let model = &scenes.iter().find(|(name, _)| *name == scene).unwrap().1;
        let made = svg(&picture(model, 80, 24), alt);
        assert!(made.len() < 24_000, "{name}: {} bytes", made.len());
        let path = root().join(format!("assets/guide/pictures/{name}.svg"));
        if update {
            fs::write(&path, &made).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == made, "{name} is not the screen any more: INSTA_UPDATE=always makes it again");
    }
}

/// Each is shown somewhere, with the words that it has itself, from where a browser finds it; and there are no others.
#[test]
fn every_picture_is_shown() {
    let shown = |page: &str| {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let dir = root().join(page).parent().unwrap().to_path_buf();
        let lines: Vec<(String, PathBuf)> = text
            .lines()
            .filter_map(|line| line.strip_prefix("![")?.strip_suffix(')')?.split_once("]("))
            .map(|(alt, link)| (alt.to_string(), dir.join(link)))
            .collect();
        lines
    };
    let first = shown("README.md");
    assert_eq!(first.len(), 1, "one picture on the first page");
    let all: Vec<_> = first.into_iter().chain(shown("assets/guide/incident.md")).collect();
    for (name, _, alt) in PICTURES {
        let path = root().join(format!("assets/guide/pictures/{name}.svg"));
        assert!(all.iter().any(|(words, file)| words == alt && *file == path), "{name} in {all:?}");
    }
    assert_eq!(fs::read_dir(root().join("assets/guide/pictures")).unwrap().count(), PICTURES.len());
}
