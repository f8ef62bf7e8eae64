//! The structure of `src`, held: arrows between rooms go down only, and no files import each other in a circle.
//!
//! An arrow is a path that one file takes from another (`use crate::…`, `super::…`, or one in the code itself), outside
//! of tests. It goes to the file that defines the name: a room that only passes on what its own files define (`pub use`)

//! is no stop on the way.

mod arrows;

use arrows::{Arrow, Tree, circles};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The rooms of the house from the ground up: each may take from those before it.
const HOUSE: &[&str] = &[
    "text", "yaml", "error", "etcd", "bbolt", "raft", "domain", "engine", "agent", "system", "execute", "tui", "drill",
    "cli", "lib", "main",
];

/// The rooms of `src/domain` from the ground up.
const DOMAIN: &[&str] = &["model", "quorum", "sources", "members", "preflight", "verify", "render"];

/// Circles that stand today. Each is one set of files; one that is gone, or has other files, is to be changed here too.
/// The wizard: its model holds the states of its steps, and the steps act on the whole model. States as plain data below
/// the steps would end it.
const KNOWN: &[&[&str]] = &[&[
    "src/tui/app.rs",
    "src/tui/app/model.rs",
    "src/tui/audit_entries.rs",
    "src/tui/dialogs.rs",
    "src/tui/steps.rs",
    "src/tui/steps/detect.rs",
    "src/tui/steps/hosts.rs",
    "src/tui/steps/launch.rs",
    "src/tui/steps/launch_start.rs",
    "src/tui/steps/members.rs",
    "src/tui/steps/members/bumping.rs",
    "src/tui/steps/members/certificates.rs",
    "src/tui/steps/members/pasting.rs",
    "src/tui/steps/members/state.rs",
    "src/tui/steps/restore.rs",
    "src/tui/steps/restore/events.rs",
    "src/tui/steps/resume.rs",
    "src/tui/steps/review.rs",
    "src/tui/steps/review/blockers.rs",
    "src/tui/steps/review/plan_steps.rs",
    "src/tui/steps/snapshot.rs",
    "src/tui/steps/snapshot/actions.rs",
    "src/tui/steps/snapshot/choice.rs",
    "src/tui/steps/snapshot_tasks.rs",
    "src/tui/steps/verify.rs",
    "src/tui/views/detect.rs",
    "src/tui/views/frame.rs",
    "src/tui/views/hosts.rs",
    "src/tui/views/members.rs",
    "src/tui/views/restore.rs",
    "src/tui/views/snapshot.rs",
    "src/tui/views/verify.rs",
]];

/// What is wrong with the arrows: those that go up between `rooms`, and rooms that have no floor.
fn up(arrows: &[Arrow], folder: &str, rooms: &[&str]) -> Vec<String> {
    let room = |file: &str| -> Option<String> {
        let rest = file.strip_prefix(folder)?;
        rest.split(['/', '.']).next().map(str::to_string)
    };
    let mut wrong = BTreeSet::new();
    for arrow in arrows {
        let (Some(from), Some(to)) = (room(&arrow.from), room(&arrow.to)) else { continue };
        let floor = |name: &str| rooms.iter().position(|room| *room == name);
        match (floor(&from), floor(&to)) {
            (Some(above), Some(below)) if below <= above => {}
            (Some(_), Some(_)) => {
                wrong.insert(format!("{} takes {} from {}, which is above it", arrow.from, arrow.name, arrow.to));
            }
            (from_floor, _) => {
                let name = if from_floor.is_none() { from } else { to };
                wrong.insert(format!("{folder}{name} has no floor in this test"));
            }
        }
    }
    wrong.into_iter().collect()
}

/// Whether a file takes from the head of the folder that it is in: `a/b.rs` from `a.rs`. Both are one module to the
/// language, and the folder's files are there to be parts of it.
fn into_own_head(arrow: &Arrow) -> bool {
    let folder = arrow.to.strip_suffix(".rs").map(|head| format!("{head}/"));
    folder.is_some_and(|folder| arrow.from.starts_with(&folder))
}

/// What differs between the circles found and those known.
fn unknown(arrows: &[Arrow], known: &[&[&str]]) -> Vec<String> {
    let known: BTreeSet<BTreeSet<&str>> = known.iter().map(|files| files.iter().copied().collect()).collect();
    let arrows: Vec<Arrow> = arrows.iter().filter(|arrow| !into_own_head(arrow)).cloned().collect();
    let found = circles(&arrows);
    let mut wrong = Vec::new();
    for circle in &found {
        let files: BTreeSet<&str> = circle.iter().map(String::as_str).collect();
        if !known.contains(&files) {
            let ties: BTreeMap<(&str, &str), BTreeSet<&str>> = arrows
                .iter()
                .filter(|a| a.from != a.to && circle.contains(&a.from) && circle.contains(&a.to))
                .fold(BTreeMap::new(), |mut ties, a| {
                    ties.entry((a.from.as_str(), a.to.as_str())).or_insert_with(BTreeSet::new).insert(&a.name);
                    ties
                });
            let ties: Vec<String> =
                ties.iter().map(|((from, to), names)| format!("  {from} -> {to}: {names:?}")).collect();
            wrong.push(format!("a circle of {} files: {files:?}\n{}", files.len(), ties.join("\n")));
        }
    }
    for files in known {
        if !found.iter().any(|circle| circle.iter().map(String::as_str).collect::<BTreeSet<_>>() == files) {
            wrong.push(format!("this known circle is gone, or has other files now: {files:?}"));
        }
    }
    wrong
}

fn house() -> Vec<Arrow> {
    let tree = Tree::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(tree.files() > 300, "only {} files were read", tree.files());
    tree.arrows()
}

#[test]
fn arrows_between_rooms_go_down() {
    let wrong = up(&house(), "src/", HOUSE);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn arrows_between_rooms_of_the_domain_go_down() {
    let wrong = up(&house(), "src/domain/", DOMAIN);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The floor of the wizard: its parts for drawing, its plain data, and the table of keys take from nothing above them.
#[test]
fn data_of_the_wizard_is_below_its_steps() {
    let floor = ["widgets", "state", "keymap"];
    let in_floor = |arrow: &Arrow| {
        let rest = arrow.from.strip_prefix("src/tui/");
        rest.is_some_and(|rest| rest.split(['/', '.']).next().is_some_and(|room| floor.contains(&room)))
    };
    let arrows: Vec<Arrow> = house().into_iter().filter(in_floor).collect();
    assert!(!arrows.is_empty());
    let wrong = up(&arrows, "src/tui/", &floor);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_files_form_a_circle() {
    let wrong = unknown(&house(), KNOWN);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The arrows of made-up sources, as `path: text`.
fn of(sources: &[(&str, &str)]) -> Vec<Arrow> {
    let sources = sources.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect();
    Tree::of(&sources).arrows()
}

const LIB: (&str, &str) = ("src/lib.rs", "pub mod high; pub mod low;");

#[test]
fn an_arrow_that_goes_up_is_found() {
    let rooms = &["low", "high", "lib"];
    let low = |text| up(&of(&[LIB, ("src/high.rs", "pub fn x() {}"), ("src/low.rs", text)]), "src/", rooms).len();
    for (text, wrong) in [
        ("use crate::high::x;", 1),
        ("use crate::{high::{self, x as y}, low};", 1),
        ("use super::high; fn f() { high::x() }", 1),
        ("use crate::high as roof; fn f() { roof::x() }", 1),
        ("fn f() { crate::high::x() }", 1),
        ("fn f() -> &'static str { crate::high::x(); \"\" }", 1),
        ("fn f() { g!(crate::high::x) }", 1),
        ("pub use crate::high::*;", 1),
        ("#[cfg(unix)] use crate::high::x;", 1),
        ("#[cfg(not(test))] use crate::high::x;", 1),
        ("#[cfg(test)] mod tests { fn f() {} } use crate::high::x;", 1),
        ("#[cfg(test)] const A: [u8; 2] = [1, 2]; use crate::high::x;", 1),
        ("const A: char = '\"'; use crate::high::x; const B: char = '\"';", 1),
        ("fn f<'a>(a: &'a str) { crate::high::x() }", 1),
        ("#[cfg(test)] mod tests { use crate::high::x; }", 0),
        ("#[cfg(test)] use crate::high::x;", 0),
        ("#[test] fn f() { crate::high::x() }", 0),
        ("// use crate::high::x;\n/* /* */ use crate::high::x; */", 0),
        ("const A: &str = \"use crate::high::x;\"; const B: &str = r#\"\" crate::high::x \"#;", 0),
        ("use std::fmt; use other::high::x;", 0),
    ] {
        assert_eq!(low(text), wrong, "{text}");
    }
    let down = of(&[LIB, ("src/high.rs", "use crate::low::y;"), ("src/low.rs", "pub fn y() {}")]);
    assert!(down.len() == 1 && up(&down, "src/", rooms).is_empty());
    assert_eq!(up(&down, "src/", &["low", "lib"]).len(), 1, "a room without a floor");
}

#[test]
fn a_name_belongs_to_its_defining_file() {
    let arrows = of(&[
        LIB,
        ("src/high.rs", "use crate::low::{Deep, Own}; use crate::low::all::Far;"),
        ("src/low.rs", "mod all; mod deep; pub use deep::Deep; pub use all::*; pub struct Own;"),
        ("src/low/all.rs", "pub use super::deep::Far;"),
        ("src/low/deep.rs", "pub struct Deep; pub enum Far {}"),
    ]);
    let of_high: Vec<_> = arrows.iter().filter(|a| a.from == "src/high.rs").map(|a| (&*a.to, &*a.name)).collect();
    assert_eq!(of_high, [("src/low.rs", "Own"), ("src/low/deep.rs", "Deep"), ("src/low/deep.rs", "Far")]);
    // what only passes names on takes nothing
    assert!(!arrows.iter().any(|a| a.from == "src/low.rs"));
}

#[test]
fn new_circles_and_vanished_ones_are_found() {
    let circle = |a: &str, b: &str, c: &str| {
        of(&[
            ("src/lib.rs", "mod room;"),
            ("src/room.rs", "mod a; mod b; mod c; pub struct Head;"),
            ("src/room/a.rs", a),
            ("src/room/b.rs", b),
            ("src/room/c.rs", c),
        ])
    };
    let round = circle("use super::b::B;", "use super::c::C; pub struct B;", "pub struct C; fn f() { super::a::g() }");
    let files: &[&str] = &["src/room/a.rs", "src/room/b.rs", "src/room/c.rs"];
    assert_eq!(unknown(&round, &[]).len(), 1);
    assert!(unknown(&round, &[files]).is_empty());
    assert_eq!(unknown(&round, &[&files[..2]]).len(), 2, "one that has grown is not the one that is known");
    let open = circle("use super::b::B;", "use super::c::C; pub struct B;", "use super::Head; pub struct C;");
    assert!(unknown(&open, &[]).is_empty());
    assert_eq!(unknown(&open, &[files]).len(), 1, "one that is gone leaves the list");
    let tests_only = circle("use super::b::B;", "pub struct B; #[cfg(test)] mod tests { use super::super::a::g; }", "");
    assert!(unknown(&tests_only, &[]).is_empty());
}
