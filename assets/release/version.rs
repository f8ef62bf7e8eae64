//! Cargo's build script: the commit and date of a release build, for `--version` and the build note in the file.
//!
//! A debug build has neither: otherwise each commit would recompile it. The commit is that of the packaged crate
//! (`.cargo_vcs_info.json`), else of the git work tree; files that differ from it are shown as `-modified`. The date is
//! SOURCE_DATE_EPOCH, else the commit's, so the same commit makes the same file on any day. What is not known is left
//! out; nothing here fails a build.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// How many hex digits of a commit are kept.
const DIGITS: usize = 12;

#[allow(dead_code)] // a test includes this file for its functions
fn main() {
    println!("cargo::rerun-if-changed=assets/release/version.rs");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let root = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let (commit, date) = if release { known(&root) } else { (None, None) };
    let number = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    println!("cargo::rustc-env=REQUORUM_VERSION={}", shown(&number, commit.as_deref(), date));
    println!("cargo::rustc-env=REQUORUM_COMMIT={}", commit.unwrap_or_default());
}

/// Returns the commit, and the date in seconds since 1970.
#[allow(dead_code)]
fn known(root: &Path) -> (Option<String>, Option<i64>) {
    // A change of any source file may change whether the commit describes it.
    for path in ["src", "assets", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let epoch = env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.trim().parse().ok());
    let packaged = root.join(".cargo_vcs_info.json");
    if let Ok(text) = fs::read_to_string(&packaged) {
        println!("cargo::rerun-if-changed={}", packaged.display());
        return (packaged_commit(&text), epoch);
    }
    let (commit, date) = worktree(root).unzip();
    (commit, epoch.or(date))
}

/// Returns the commit in the file that `cargo package` adds; none if the package was made of changed files.
pub fn packaged_commit(text: &str) -> Option<String> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if compact.contains("\"dirty\":true") {
        return None;
    }
    let rest = compact.split_once("\"sha1\":\"")?.1;
    digits(rest.split('"').next()?)
}

/// Returns the first digits of a commit's ID; none if it is no such ID.
pub fn digits(id: &str) -> Option<String> {
    let hex = id.len() >= 40 && id.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| id.get(..DIGITS).unwrap_or(id).to_ascii_lowercase())
}

/// Returns the commit of the git work tree whose top is `root`, and its date. A package unpacked inside the work tree of
/// something else has no commit of its own.
pub fn worktree(root: &Path) -> Option<(String, i64)> {
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(root).args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim_end().to_string())
    };
    let top = fs::canonicalize(git(&["rev-parse", "--show-toplevel"])?).ok()?;
    if top != fs::canonicalize(root).ok()? {
        return None;
    }
    for name in ["HEAD", "packed-refs", &git(&["rev-parse", "--symbolic-full-name", "HEAD"]).unwrap_or_default()] {
        // A path that is not there would run this script at each build.
        if let Some(path) = git(&["rev-parse", "--git-path", name]).map(|path| root.join(path)).filter(|p| p.is_file())
        {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    let head = git(&["log", "-1", "--format=%H %ct"])?;
    let (id, date) = head.split_once(' ')?;
    let mut commit = digits(id)?;
    if !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty() {
        commit += "-modified";
    }
    Some((commit, date.parse().ok()?))
}

/// Returns the version as `--version` prints it: `0.1.0 (0123456789ab 2026-11-30)`.
pub fn shown(number: &str, commit: Option<&str>, epoch: Option<i64>) -> String {
    let words: Vec<String> = commit.map(str::to_string).into_iter().chain(epoch.and_then(date)).collect();
    if words.is_empty() { number.into() } else { format!("{number} ({})", words.join(" ")) }
}

/// Returns the UTC day of a time in seconds since 1970, as `YYYY-MM-DD`; none beyond the year 9999.
pub fn date(epoch: i64) -> Option<String> {
    // Source: "days_from_civil" turned around, Howard Hinnant, chrono-Compatible Low-Level Date Algorithms.
    let days = epoch.div_euclid(86_400).checked_add(719_468)?;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, shift) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year_of_era + era * 400 + shift;
    (0..=9999).contains(&year).then(|| format!("{year:04}-{month:02}-{day_of_month:02}"))
}
