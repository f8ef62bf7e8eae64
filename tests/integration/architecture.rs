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

/// The rooms of the wizard, likewise; above all of them is `src/tui.rs`, the event loop.
const WIZARD: &[&str] = &[
    "widgets",
    "state",
    "keymap",
    "selectors",
    "audit_entries",
    "exit_summary",
    "views",
    "steps",
    "dialogs",
    "frame",
    "app",
    "observer",
    "effects",
    "terminal",
    "keyboard",
    "plain",
    "headless",
];

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

/// The circles among the arrows, each with the arrows that make it.
fn round(arrows: &[Arrow]) -> Vec<String> {
    let arrows: Vec<Arrow> = arrows.iter().filter(|arrow| !into_own_head(arrow)).cloned().collect();
    let words = |files: BTreeSet<String>| {
        let mut ties: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for arrow in arrows.iter().filter(|a| files.contains(&a.from) && files.contains(&a.to)) {
            ties.entry((&arrow.from, &arrow.to)).or_default().insert(&arrow.name);
        }
        let ties: Vec<String> = ties.iter().map(|((from, to), names)| format!("  {from} -> {to}: {names:?}")).collect();
        format!("a circle of {} files: {files:?}\n{}", files.len(), ties.join("\n"))
    };
    circles(&arrows).into_iter().map(words).collect()
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
fn arrows_within_the_wizard_go_down() {
    let arrows = house();
    let wrong = up(&arrows, "src/tui/", WIZARD);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let into_loop: Vec<&Arrow> = arrows.iter().filter(|a| into_own_head(a) && a.to == "src/tui.rs").collect();
    assert!(into_loop.is_empty(), "{into_loop:?}");
}

#[test]
fn no_files_form_a_circle() {
    let found = round(&house());
    assert!(found.is_empty(), "{}", found.join("\n"));
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
fn a_circle_is_found() {
    let circle = |a: &str, b: &str, c: &str| {
        round(&of(&[
            ("src/lib.rs", "mod room;"),
            ("src/room.rs", "mod a; mod b; mod c; pub struct Head;"),
            ("src/room/a.rs", a),
            ("src/room/b.rs", b),
            ("src/room/c.rs", c),
        ]))
    };
    let found = circle("use super::b::B;", "use super::c::C; pub struct B;", "pub struct C; fn f() { super::a::g() }");
    assert_eq!(found.len(), 1);
    for (from, to) in [("a", "b"), ("b", "c"), ("c", "a")] {
        assert!(found[0].contains(&format!("src/room/{from}.rs -> src/room/{to}.rs")), "{}", found[0]);
    }
    let two = circle("use super::b::B;", "use super::a::A; pub struct B;", "use super::c::C; pub struct C;");
    assert_eq!(two.len(), 1, "a file that names itself is no circle");
    let open = circle("use super::b::B;", "use super::c::C; pub struct B;", "use super::Head; pub struct C;");
    assert!(open.is_empty(), "{open:?}");
    let tests_only = circle("use super::b::B;", "pub struct B; #[cfg(test)] mod tests { use super::super::a::g; }", "");
    assert!(tests_only.is_empty(), "{tests_only:?}");
}
