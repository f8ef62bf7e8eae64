//! The scenarios that are part of the program, and those in a team's own directory.

use std::{
    fs::{self, OpenOptions},
    io::Read,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::OFlags;

use super::{Scenario, parse};
use crate::{
    engine::source::io_trouble,
    error::{Error, ErrorKind, Result},
    text::Shown,
};

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every built-in scenario, the easiest first.
        pub const BUILT_IN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../assets/scenarios/", $name, ".yaml")))),*];
    };
}

built_in!(
    "first-night",
    "wait-and-see",
    "copy-without-hash",
    "typed-at-night",
    "half-a-file",
    "torn-pages",
    "ahead-in-the-log",
    "names-or-addresses",
    "dead-man-answers",
    "log-apart",
    "no-space",
    "ghosts",
    "two-truths",
    "time-runs-back",
    "new-hosts",
    "sealed-secrets",
    "reset-twice",
    "game-day",
);

/// The scenario to begin with.
pub const FIRST: &str = "first-night";

/// Returns the bytes of a database in `assets/scenarios`.
pub fn database(name: &str) -> Option<&'static [u8]> {
    match name {
        "first-night.db" => Some(include_bytes!("../../../assets/scenarios/first-night.db")),
        _ => None,
    }
}

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        /// Returns the text of another file in `assets/scenarios`.
        pub fn asset(name: &str) -> Option<&'static str> {
            match name {
                $($name => Some(include_str!(concat!("../../../assets/scenarios/", $name))),)*
                _ => None,
            }
        }
    };
}

assets!(
    "pki/ca.crt",
    "pki/member.key",
    "pki/m1.crt",
    "pki/m2.crt",
    "pki/m3.crt",
    "pki/m1-old-address.crt",
    "pki/m2-expired.crt",
    "pki/m3-too-early.crt",
);

/// Returns all scenarios: the built-in ones, then those in `dir` if it exists. A scenario in `dir` replaces a built-in one
/// of the same name.
///
/// # Errors
/// If `dir` cannot be read, or a file in it is not a scenario.
pub fn all(dir: Option<&Path>) -> Result<Vec<Scenario>> {
    let mut found: Vec<Scenario> =
        BUILT_IN.iter().map(|(name, text)| parse(&format!("{name}.yaml"), text)).collect::<Result<_>>()?;
    for scenario in of_dir(dir)? {
        match found.iter_mut().find(|known| known.name == scenario.name) {
            Some(known) => *known = scenario,
            None => found.push(scenario),
        }
    }
    Ok(found)
}

fn of_dir(dir: Option<&Path>) -> Result<Vec<Scenario>> {
    let Some(dir) = dir.filter(|dir| dir.exists()) else { return Ok(Vec::new()) };
    let fail = |e| io_trouble("look in", dir, &e);
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|x| x == "yaml" || x == "yml") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

/// The maximum size of a scenario file in bytes.
const LARGEST: u64 = 1 << 20;

/// Reads one scenario file.
///
/// # Errors
/// If it cannot be read or is not a scenario.
pub fn read(path: &Path) -> Result<Scenario> {
    let fail = |e| io_trouble("read", path, &e);
    // does not block on a pipe: a directory of scenarios may be another person's
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(fail)?;
    let meta = file.metadata().map_err(fail)?;
    if !meta.is_file() || meta.len() > LARGEST {
        return Err(Error::new(ErrorKind::Input, format!("{}: invalid scenario", path.shown()))
            .why(format!("a scenario is a regular file of at most {LARGEST} bytes")));
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(fail)?;
    parse(&path.shown(), &text)
}

/// Returns the scenario that is meant: the one with this name, or the only one whose name begins with it.
fn meant<'n>(given: &str, names: &'n [String]) -> Option<&'n String> {
    let begins: Vec<&String> = names.iter().filter(|name| !given.is_empty() && name.starts_with(given)).collect();
    match (names.iter().find(|name| *name == given), begins.as_slice()) {
        (Some(exact), _) => Some(exact),
        (None, [only]) => Some(*only),
        _ => None,
    }
}

/// Returns the names that resemble one: those that begin with it, or have a word of it.
fn near(given: &str, names: &[String]) -> Vec<String> {
    let given = given.to_lowercase();
    let words: Vec<&str> = given.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2).collect();
    let has = |name: &str, word: &str| {
        name.split('-').any(|own| own.starts_with(word) || word.starts_with(own) && own.len() > 2)
    };
    let like = |name: &&String| name.starts_with(&given) || words.iter().any(|word| has(name, word));
    if given.is_empty() { Vec::new() } else { names.iter().filter(like).cloned().collect() }
}

/// Returns the scenario named `name`, or the one in the file with that path.
///
/// # Errors
/// If no scenario has that name; the hint lists the names.
pub fn find(name: &str, dir: Option<&Path>) -> Result<Scenario> {
    if name.ends_with(".yaml") || name.ends_with(".yml") {
        return read(Path::new(name));
    }
    let all = all(dir)?;
    let names: Vec<String> = all.iter().map(|s| s.name.clone()).collect();
    let none = || {
        let near = near(name, &names);
        let near = if near.is_empty() { String::new() } else { format!("Did you mean {}? ", near.join(" or ")) };
        Error::new(ErrorKind::Usage, format!("{name:?}: no such scenario"))
            .hint(format!("{near}Scenarios: {}. Or give the path of a file.", names.join(", ")))
    };
    let wanted = meant(name, &names).ok_or_else(none)?.clone();
    all.into_iter().find(|s| s.name == wanted).ok_or_else(none)
}

/// Returns a scenario template named `name` that explains every field.
pub fn template(name: &str) -> String {
    include_str!("../../../assets/scenarios/template.yaml").replace("name: NAME", &format!("name: {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_by_its_beginning_or_suggested() {
        let names = ["dead-man-answers", "torn-pages", "no-space", "new-hosts", "first-night"].map(String::from);
        for (given, found, suggested) in [
            ("torn-pages", Some("torn-pages"), &["torn-pages"][..]),
            ("torn-page", Some("torn-pages"), &["torn-pages"]),
            ("dead-man", Some("dead-man-answers"), &["dead-man-answers"]),
            ("n", None, &["no-space", "new-hosts"]),
            ("dead-men", None, &["dead-man-answers"]),
            ("the-first-nite", None, &["first-night"]),
            ("xyz", None, &[]),
            ("", None, &[]),
        ] {
            assert_eq!(meant(given, &names).map(String::as_str), found, "{given}");
            assert_eq!(near(given, &names), suggested, "{given}");
        }
    }
}
