//! Which program does the work on a host: one that is installed there, this one, or its build for the host's processor.

use std::path::PathBuf;

use crate::{
    domain::model::{
        build_version::BuildVersion,
        observations::host::{HostFacts, Installed},
    },
    text::Shown,
};

/// The processors that a release has a build for, as `uname -m` prints them on Linux.
pub const RELEASED: [&str; 2] = ["x86_64", "aarch64"];

/// A program that can be sent to hosts: the running one, or its build for another processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// SHA-256 of its file, hex.
    pub sha256: String,
    /// Its version.
    pub version: BuildVersion,
    /// Its processor as `uname -m` prints it.
    pub machine: String,
    /// Why it cannot run elsewhere, where it cannot: it is linked dynamically, or is not a Linux program.
    pub stays: Option<String>,
}

impl Own {
    fn runs_on(&self, facts: &HostFacts) -> bool {
        self.stays.is_none() && facts.system == "Linux" && facts.machine == self.machine
    }
}

/// A file that has the name of a build, and cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// The processor that it is named for.
    pub machine: String,
    /// Its path.
    pub path: PathBuf,
    /// Why, as it follows the path: `is truncated`.
    pub why: String,
}

/// All programs that are here for hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// The running program.
    pub running: Own,
    /// The builds that the operator named.
    pub named: Vec<Own>,
    /// The builds that were found.
    pub found: Vec<Own>,
    /// Files that were found and do not count.
    pub unusable: Vec<Unusable>,
    /// The directories that were searched.
    pub searched: Vec<PathBuf>,
}

impl Programs {
    /// Creates the programs of a machine where only the running one is.
    pub fn only(running: Own) -> Programs {
        Programs { running, named: Vec::new(), found: Vec::new(), unusable: Vec::new(), searched: Vec::new() }
    }
}

/// Which program does the work on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BinarySource {
    /// One that is installed there.
    Installed(String),
    /// One that is here, sent.
    Send,
}

/// Chooses the program: the very same file where it is there already, else the one that fits the host's processor, else
/// one that is there and reports the same version. With it, the program here that is meant.
///
/// # Errors
/// A sentence, when none fits: why, and how to get one.
pub fn choose<'p>(programs: &'p Programs, facts: &HostFacts) -> Result<(BinarySource, &'p Own), String> {
    let Programs { running, named, found, .. } = programs;
    let all = || named.iter().chain([running]).chain(found);
    let same = |own: &&Own| facts.installed.as_ref().is_some_and(|there| there.sha256 == own.sha256);
    if let (Some(Installed { path, .. }), Some(own)) = (&facts.installed, all().find(same)) {
        return Ok((BinarySource::Installed(path.clone()), own));
    }
    if let Some(own) = all().find(|own| own.runs_on(facts)) {
        return Ok((BinarySource::Send, own));
    }
    match &facts.installed {
        Some(there) if BuildVersion::parse(&there.version).is_some_and(|version| version.fits(&running.version)) => {
            Ok((BinarySource::Installed(there.path.clone()), running))
        }
        Some(there) => Err(format!(
            "{}; the one there ({}) is {}, and this one is requorum {}: {}",
            unfit(running, facts),
            there.path,
            if there.version.is_empty() { "of an unknown version" } else { there.version.as_str() },
            running.version,
            remedy(programs, facts)
        )),
        None => Err(format!("{}; {}", unfit(running, facts), remedy(programs, facts))),
    }
}

/// Returns why the running program does not fit a host.
fn unfit(running: &Own, facts: &HostFacts) -> String {
    match &running.stays {
        _ if facts.system != "Linux" => format!("requorum works on Linux hosts, and the host runs {}", facts.system),
        Some(why) => why.clone(),
        None => format!("this requorum is for {}, and the host's processor is {}", running.machine, facts.machine),
    }
}

/// Returns how to get a program that fits.
fn remedy(programs: &Programs, facts: &HostFacts) -> String {
    let (version, machine) = (&programs.running.version, &facts.machine);
    if facts.system != "Linux" {
        return "choose a Linux host for its members".into();
    }
    let install = format!("install requorum {version} on the host");
    if let Some(Unusable { path, why, .. }) = programs.unusable.iter().find(|build| build.machine == *machine) {
        return format!("{} {why}: replace it by the build of {version} for {machine}, or {install}", path.shown());
    }
    if !RELEASED.contains(&machine.as_str()) {
        return format!("no release has a build for {machine}: install requorum {version} there");
    }
    let dirs: Vec<String> = programs.searched.iter().map(|dir| dir.shown().to_string()).collect();
    let place = if dirs.is_empty() { String::new() } else { format!(" (searched: {})", dirs.join(", ")) };
    let name = file_name(machine);
    format!("{name} was not found{place}: put the one of release {version} there, or {install}")
}

/// True where a build of requorum can run, if there is one.
pub fn takes_a_build(facts: &HostFacts) -> bool {
    facts.system == "Linux"
}

/// Returns the name of a build's file.
pub fn file_name(machine: &str) -> String {
    format!("requorum-{machine}-linux")
}

/// Returns the name of a build's file in a release, with its version.
pub fn versioned_name(number: &str, machine: &str) -> String {
    format!("requorum-{number}-{machine}-linux")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn own(sha: &str, machine: &str) -> Own {
        let version = BuildVersion::parse("requorum 0.1.0 (0123456789ab)").unwrap();
        Own { sha256: sha.repeat(32), version, machine: machine.into(), stays: None }
    }

    fn host(machine: &str, installed: Option<(&str, &str)>) -> HostFacts {
        let installed = installed.map(|(sha, version)| Installed {
            path: "/usr/bin/requorum".into(),
            sha256: sha.repeat(32),
            version: version.into(),
        });
        HostFacts {
            system: "Linux".into(),
            machine: machine.into(),
            user: "ops".into(),
            installed,
            ..Default::default()
        }
    }

    /// What is chosen: the path there or none, and the first digits of the program here.
    fn chosen(programs: &Programs, facts: &HostFacts) -> Result<(Option<String>, String), String> {
        choose(programs, facts).map(|(source, own)| {
            let there = match source {
                BinarySource::Installed(path) => Some(path),
                BinarySource::Send => None,
            };
            (there, own.sha256[..2].to_string())
        })
    }

    #[test]
    fn the_build_for_the_hosts_processor_is_sent() {
        let only = Programs::only(own("5a", "x86_64"));
        let arm = Programs { found: vec![own("aa", "aarch64")], ..only.clone() };
        let named = Programs { named: vec![own("bb", "aarch64"), own("cc", "x86_64")], ..arm.clone() };
        let mac = Programs {
            running: Own { stays: Some("this requorum is not a Linux program".into()), ..own("5a", "aarch64") },
            found: vec![own("aa", "aarch64"), own("ee", "x86_64")],
            ..only.clone()
        };
        let there = Some("/usr/bin/requorum".to_string());
        let mut messages = Vec::new();
        for (programs, machine, installed, wanted) in [
            (&only, "x86_64", None, Ok((None, "5a"))),
            (&only, "x86_64", Some(("5a", "whatever")), Ok((there.clone(), "5a"))),
            (&only, "x86_64", Some(("00", "requorum 0.1.0")), Ok((None, "5a"))),
            (&only, "aarch64", Some(("00", "requorum 0.1.0 (0123456789ab 2026-11-30)")), Ok((there.clone(), "5a"))),
            (&only, "aarch64", Some(("00", "requorum 0.1.0 (ffffffffffff 2026-11-30)")), Err(())),
            (&only, "aarch64", Some(("00", "requorum 0.0.9")), Err(())),
            (&only, "aarch64", Some(("00", "")), Err(())),
            (&only, "aarch64", None, Err(())),
            (&only, "s390x", None, Err(())),
            (&arm, "x86_64", None, Ok((None, "5a"))),
            (&arm, "aarch64", None, Ok((None, "aa"))),
            (&arm, "aarch64", Some(("aa", "")), Ok((there.clone(), "aa"))),
            (&arm, "aarch64", Some(("00", "requorum 0.0.9")), Ok((None, "aa"))),
            (&arm, "riscv64", None, Err(())),
            (&named, "aarch64", None, Ok((None, "bb"))),
            (&named, "x86_64", None, Ok((None, "cc"))),
            (&mac, "aarch64", None, Ok((None, "aa"))),
            (&mac, "x86_64", None, Ok((None, "ee"))),
            (&mac, "riscv64", None, Err(())),
        ] {
            match (chosen(programs, &host(machine, installed)), wanted) {
                (Err(told), Err(())) => {
                    messages.push((format!("{machine}, installed: {:?}", installed.map(|(_, version)| version)), told))
                }
                (got, wanted) => {
                    let wanted = wanted.map(|(there, sha)| (there, sha.to_string())).map_err(|()| String::new());
                    assert_eq!(got, wanted, "{machine} {installed:?}");
                }
            }
        }
        crate::text::messages::hold("preflight-programs", &messages);
    }

    #[test]
    fn what_was_found_and_does_not_count_is_named() {
        let unusable = Unusable { machine: "aarch64".into(), path: "/x/build".into(), why: "is truncated".into() };
        let programs = Programs {
            unusable: vec![unusable],
            searched: vec!["/usr/bin".into(), "/root/.cache/requorum".into()],
            ..Programs::only(own("5a", "x86_64"))
        };
        let why = choose(&programs, &host("aarch64", None)).unwrap_err();
        let mut messages = vec![("a truncated build", why)];
        let programs = Programs { unusable: Vec::new(), ..programs };
        let why = choose(&programs, &host("aarch64", None)).unwrap_err();
        messages.push(("no build", why));
        let bsd = HostFacts { system: "FreeBSD".into(), ..host("x86_64", None) };
        let why = choose(&programs, &bsd).unwrap_err();
        messages.push(("another system", why));
        assert!(!takes_a_build(&bsd) && takes_a_build(&host("aarch64", None)));
        crate::text::messages::hold("plan-programs", &messages);
    }
}
