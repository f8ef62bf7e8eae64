//! The note in every build of requorum, by which its version is known without running it: the file may be for another
//! processor.

use crate::domain::model::build_version::{BuildVersion, is_commit, is_number};

/// The version as `--version` prints it, with commit and date where they are known: `0.1.0 (0123456789ab 2026-11-30)`.
pub const VERSION: &str = env!("REQUORUM_VERSION");

/// The note of this build. `assets/release/build` reads it, too.
static NOTE: &str = concat!(
    "requorum build note 1\nversion=",
    env!("CARGO_PKG_VERSION"),
    "\ncommit=",
    env!("REQUORUM_COMMIT"),
    "\n.\n"
);

/// The length of the note's first line, by which it is found.
const FIRST: usize = 22;

/// The longest note that is accepted, in bytes.
pub const LONGEST: usize = 256;

/// Returns the version of the running program.
pub fn running() -> BuildVersion {
    // The linker keeps a string that is used, and this one is to be in every build.
    parse(std::hint::black_box(NOTE).as_bytes())
        .unwrap_or(BuildVersion { number: env!("CARGO_PKG_VERSION").into(), commit: None })
}

/// Returns the version in the first complete note in these bytes of a program.
pub fn find(bytes: &[u8]) -> Option<BuildVersion> {
    let first = NOTE.as_bytes().get(..FIRST)?;
    let mut starts = bytes.windows(first.len()).enumerate().filter(|(_, window)| *window == first);
    starts.find_map(|(at, _)| parse(bytes.get(at..)?))
}

fn parse(note: &[u8]) -> Option<BuildVersion> {
    let rest = note.get(FIRST..note.len().min(LONGEST))?;
    let end = rest.windows(3).position(|window| window == b"\n.\n")?;
    let text = std::str::from_utf8(rest.get(..end)?).ok()?;
    let (version, commit) = text.strip_prefix("version=")?.split_once("\ncommit=")?;
    let known = commit.is_empty() || is_commit(commit);
    (is_number(version) && known)
        .then(|| BuildVersion { number: version.into(), commit: Some(commit.to_string()).filter(|c| !c.is_empty()) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{BufRead, BufReader, Read};

    use super::*;

    #[test]
    fn a_note_is_found_anywhere_and_only_whole() {
        let note =
            |version: &str, commit: &str| format!("requorum build note 1\nversion={version}\ncommit={commit}\n.\n");
        let own = running();
        assert_eq!((own.number.as_str(), find(NOTE.as_bytes())), (env!("CARGO_PKG_VERSION"), Some(own.clone())));
        let whole = note("1.2.3-rc.1", "0123456789ab");
        for before in ["", "x", "requorum build note 1\n", "requorum build note 1\nversion=\u{1b}[2J\ncommit=\n.\n"] {
            let found = find(format!("{before}{whole}rest").as_bytes()).unwrap();
            assert_eq!((found.number.as_str(), found.commit.as_deref()), ("1.2.3-rc.1", Some("0123456789ab")));
        }
        assert_eq!(find(note("1.2.3", "").as_bytes()).unwrap().commit, None);
        for cut in 0..whole.len() {
            assert_eq!(find(&whole.as_bytes()[..cut]), None, "{cut}");
        }
        for note in [note("", ""), note("one", ""), note("1.0", "x y"), note(&"1".repeat(300), ""), note("1\n2", "")] {
            assert_eq!(find(note.as_bytes()), None, "{note}");
        }
    }

    /// What the linker left out would not be found in a release either.
    #[test]
    fn the_note_is_in_the_program() {
        let mut file = BufReader::new(std::fs::File::open("/proc/self/exe").unwrap());
        let mut found = None;
        let mut line = Vec::new();
        while file.read_until(b'\n', &mut line).unwrap() > 0 {
            if line.ends_with(&NOTE.as_bytes()[..FIRST]) {
                let mut note = line.split_off(line.len() - FIRST);
                file.by_ref().take(LONGEST as u64).read_to_end(&mut note).unwrap();
                found = found.or(parse(&note));
            }
            line.clear();
        }
        assert_eq!(found, Some(running()));
    }
}
