//! Where scenarios come from: those that are part of the program, and those in a team's own directory.

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
        /// Name and text of every scenario that the program carries, from the easiest on.
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

/// The one with which to begin.
pub const FIRST: &str = "first-night";

/// The bytes of a database in `assets/scenarios`.
pub fn database(name: &str) -> Option<&'static [u8]> {
    match name {
        "first-night.db" => Some(include_bytes!("../../../assets/scenarios/first-night.db")),
        _ => None,
    }
}

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        /// The text of another file in `assets/scenarios`.
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

/// All scenarios: those of the program, then those in `dir`, where it is there. One of the same name in `dir` stands
/// for the program's.
///
/// # Errors
/// When `dir` cannot be read, or a file in it is not a scenario.
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

/// No scenario is longer, in bytes.
const LARGEST: u64 = 1 << 20;

/// Reads one scenario file.
///
/// # Errors
/// When it cannot be read or is none.
pub fn read(path: &Path) -> Result<Scenario> {
    let fail = |e| io_trouble("read", path, &e);
    // Not waited for, where it is a pipe: a folder of scenarios may be anybody's.
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(fail)?;
    let meta = file.metadata().map_err(fail)?;
    if !meta.is_file() || meta.len() > LARGEST {
        return Err(Error::new(ErrorKind::Input, format!("{}: this is not a scenario", path.shown()))
            .why(format!("a scenario is a file of at most {LARGEST} bytes")));
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(fail)?;
    parse(&path.shown(), &text)
}

/// The scenario called `name`, or in the file of that path.
///
/// # Errors
/// When there is none; the names that there are are told.
pub fn find(name: &str, dir: Option<&Path>) -> Result<Scenario> {
    if name.ends_with(".yaml") || name.ends_with(".yml") {
        return read(Path::new(name));
    }
    let all = all(dir)?;
    let names: Vec<String> = all.iter().map(|s| s.name.clone()).collect();
    all.into_iter().find(|s| s.name == name).ok_or_else(|| {
        Error::new(ErrorKind::Usage, format!("there is no scenario called {name:?}"))
            .hint(format!("There is {}. A file's path works, too.", names.join(", ")))
    })
}

/// A scenario called `name` with every field explained, for authors.
pub fn template(name: &str) -> String {
    include_str!("../../../assets/scenarios/template.yaml").replace("name: NAME", &format!("name: {name}"))
}
