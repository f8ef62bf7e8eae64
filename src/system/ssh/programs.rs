//! The programs that are here for hosts: the running one, and its builds for other processors, named by the operator or
//! found next to the running one or in the cache directory. Each is checked before any host is asked.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{
    elf,
    self_binary::{Program, head},
};
use crate::{
    agent::{build_note, snapshot_upload::sha256},
    domain::{
        model::{build_version::BuildVersion, host_address, observations::host::HostFacts},
        preflight::{
            hosts::{self, BinarySource, Own},
            programs::{self, Unusable, file_name, versioned_name},
        },
    },
    engine::{durable_fs::Untrusted, progress::Flow},
    error::{Error, ErrorKind, Remedy, Result},
    text::Shown,
};

/// The files with checksums that count where they are next to a build, as `sha256sum` writes them.
const SUMS: &str = "SHA256SUMS";

/// The longest list of checksums that is read.
const SUMS_BYTES: u64 = 1 << 20;

/// How much of a build is searched for its note at a time.
const PIECE: usize = 1 << 20;

/// All programs that are here for hosts, as open files.
#[derive(Debug)]
pub struct Programs {
    running: Program,
    builds: Vec<Program>,
    known: hosts::Programs,
}

impl Programs {
    /// Finds the programs: the running one, the files that the operator named, and what is in the usual places.
    ///
    /// # Errors
    /// When the running program cannot be read, or a named file is no build of this version.
    pub fn find(named: &[PathBuf]) -> Result<Programs> {
        let running = Program::running()?;
        let next_to = running.path.parent().map(Path::to_path_buf);
        let places: Vec<PathBuf> = next_to.into_iter().chain(cache_dir()).collect();
        Programs::find_in(running, named, places)
    }

    /// Returns the running program alone; nothing is searched for.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn running_only() -> Result<Programs> {
        Programs::find_in(Program::running()?, &[], Vec::new())
    }

    fn find_in(running: Program, named: &[PathBuf], searched: Vec<PathBuf>) -> Result<Programs> {
        let (mut known, mut builds) =
            (hosts::Programs { searched, ..hosts::Programs::only(running.own.clone()) }, vec![]);
        for path in named {
            let build = open(path, &running.own).map_err(|why| {
                Error::new(ErrorKind::Input, format!("{}: {why}", path.shown())).hint(format!(
                    "It must be a static Linux build of requorum {}, as {} of the release; nothing was written on any host.",
                    running.own.version,
                    file_name("aarch64")
                ))
            })?;
            known.named.push(build.own.clone());
            builds.push(build);
        }
        for machine in elf::machines() {
            if running.own.stays.is_none() && running.own.machine == machine {
                continue;
            }
            let names = [file_name(machine), versioned_name(&running.own.version.number, machine)];
            for path in known.searched.iter().flat_map(|dir| names.iter().map(move |name| dir.join(name))) {
                if fs::symlink_metadata(&path).is_err() {
                    continue;
                }
                let build = open(&path, &running.own).and_then(|build| match build.own.machine == machine {
                    true => Ok(build),
                    false => Err(format!("is for {}", build.own.machine)),
                });
                match build {
                    Ok(build) => {
                        known.found.push(build.own.clone());
                        builds.push(build);
                    }
                    Err(why) => known.unusable.push(Unusable { machine: machine.into(), path, why }),
                }
            }
        }
        Ok(Programs { running, builds, known })
    }

    /// Returns what they are.
    pub fn known(&self) -> &hosts::Programs {
        &self.known
    }

    /// Chooses the program for a host; on this machine it is the running one.
    ///
    /// # Errors
    /// `Refused` when none fits, with how to get one.
    pub fn choose(&self, host: &str, facts: &HostFacts) -> Result<(&Program, BinarySource)> {
        if host_address::is_local(host) {
            return Ok((&self.running, BinarySource::Send));
        }
        let (source, own) = programs::choose(&self.known, facts).map_err(|why| {
            Error::new(ErrorKind::Refused, format!("{host}: no program for this host"))
                .why(why)
                .hint("Nothing was written there.")
                .remedies(if programs::takes_a_build(facts) { &[Remedy::NameBuild] } else { &[] })
        })?;
        let program = self.builds.iter().find(|build| build.own == *own).unwrap_or(&self.running);
        Ok((program, source))
    }
}

/// Returns the directory of builds that were downloaded: `$XDG_CACHE_HOME/requorum`, else `~/.cache/requorum`.
fn cache_dir() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    Some(set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?.join("requorum"))
}

/// Opens a build and checks that it is one of this version, complete and static, and that no other user can
/// write to it.
///
/// # Errors
/// Why not, as it follows the path.
fn open(path: &Path, running: &Own) -> std::result::Result<Program, String> {
    let unread = |e: io::Error| format!("cannot be read: {e}");
    let mut file = File::open(path).map_err(unread)?;
    let meta = file.metadata().map_err(unread)?;
    match Untrusted::file_owned_by(&meta, &[0]) {
        // a package manager's hard links do no harm
        None | Some(Untrusted::Names(_)) => {}
        Some(why) => return Err(why.to_string()),
    }
    let head = head(&mut file).map_err(unread)?;
    let elf = elf::read(&head).ok_or("is not a Linux program for a processor that etcd runs on")?;
    if elf.dynamic {
        return Err("is linked dynamically".into());
    }
    if meta.len() < elf.bytes {
        return Err(format!("is truncated: {} of {} bytes", meta.len(), elf.bytes));
    }
    let version = note(&mut file).map_err(unread)?.ok_or("has no build note of requorum")?;
    if !version.fits(&running.version) {
        return Err(format!("is requorum {version}, and this one is {}", running.version));
    }
    let sha256 = sha256(&file, path, meta.len(), &mut |_| Flow::Go).map_err(|trouble| trouble.sentence())?;
    if let Some((list, sum)) = listed(path)?
        && sum != sha256
    {
        return Err(format!("is not the file that {list} lists: its SHA-256 is {sha256}"));
    }
    let own = Own { sha256, version, machine: elf.machine.into(), stays: None };
    Ok(Program { file, path: path.into(), bytes: meta.len(), own })
}

/// Searches the whole file for its build note, in pieces that overlap by the longest note.
fn note(file: &mut File) -> io::Result<Option<BuildVersion>> {
    file.seek(SeekFrom::Start(0))?;
    let mut buffer = Vec::new();
    loop {
        let read = file.by_ref().take(PIECE as u64).read_to_end(&mut buffer)?;
        if let Some(found) = build_note::find(&buffer) {
            return Ok(Some(found));
        }
        if read == 0 {
            return Ok(None);
        }
        buffer.drain(..buffer.len().saturating_sub(build_note::LONGEST));
    }
}

/// Returns the checksum that is listed for a file, and the name of the list next to it; none where nothing is listed.
///
/// # Errors
/// When a list is there and cannot be read.
fn listed(path: &Path) -> std::result::Result<Option<(String, String)>, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for list in [SUMS.to_string(), format!("{name}.sha256")] {
        let file = match File::open(path.with_file_name(&list)) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(format!("cannot be checked: {list}: {e}")),
        };
        let mut text = String::new();
        file.take(SUMS_BYTES).read_to_string(&mut text).map_err(|e| format!("cannot be checked: {list}: {e}"))?;
        let own = |line: &&str| {
            line.split_once([' ', '\t']).is_some_and(|(_, rest)| rest.trim_start_matches([' ', '*']) == name)
        };
        if let Some(line) = text.lines().find(own) {
            let sum = line.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
            return Ok(Some((list, sum)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// This machine's processor and another one, each with its number in ELF headers.
    const ARCH: &str = "x86_64";
    const OTHER: (&str, u16) = ("aarch64", 183);

    fn build(version: &str, commit: &str, dynamic: bool) -> Vec<u8> {
        build_for(OTHER.1, version, commit, dynamic)
    }

    /// A build for a processor: headers, bytes up to where they say, and the note.
    fn build_for(machine: u16, version: &str, commit: &str, dynamic: bool) -> Vec<u8> {
        let note = format!("requorum build note 1\nversion={version}\ncommit={commit}\n.\n");
        let filler = vec![0x90; 3 * PIECE / 2];
        let mut bytes = elf::tests::made(machine, true, dynamic, (filler.len() + note.len()) as u64);
        bytes.extend(filler);
        bytes.extend(note.as_bytes());
        bytes
    }

    /// The text without what differs from build to build: the directory, versions and lengths.
    fn plain(text: &str, dir: &Path) -> String {
        let bytes = here(VERSION).len();
        text.replace(&dir.display().to_string(), "DIR")
            .replace(&build_note::running().to_string(), "VERSION")
            .replace(VERSION, "VERSION")
            .replace(&format!("{} of {bytes} bytes", bytes - 1), "all bytes but one")
    }

    fn here(version: &str) -> Vec<u8> {
        build(version, "", false)
    }

    /// The programs of a machine that runs this version; its own file does not matter.
    fn find(named: &[PathBuf], searched: &[&Path]) -> Result<Programs> {
        let own = Own { sha256: "5a".repeat(32), version: build_note::running(), machine: ARCH.into(), stays: None };
        let running = Program { file: tempfile::tempfile().unwrap(), path: "/usr/bin/requorum".into(), bytes: 0, own };
        Programs::find_in(running, named, searched.iter().map(|dir| dir.to_path_buf()).collect())
    }

    fn host(machine: &str) -> HostFacts {
        HostFacts { system: "Linux".into(), machine: machine.into(), user: "ops".into(), ..Default::default() }
    }

    const VERSION: &str = env!("CARGO_PKG_VERSION");

    #[test]
    fn builds_are_found_by_either_name() {
        let dir = tempfile::tempdir().unwrap();
        for name in [file_name(OTHER.0), versioned_name(VERSION, OTHER.0)] {
            let path = dir.path().join(&name);
            fs::write(&path, here(VERSION)).unwrap();
            let programs = find(&[], &[&dir.path().join("none"), dir.path()]).unwrap();
            let (program, source) = programs.choose("h1", &host(OTHER.0)).unwrap();
            assert_eq!((program.path.as_path(), source), (path.as_path(), BinarySource::Send));
            assert_eq!((program.bytes, program.own.machine.as_str()), (here(VERSION).len() as u64, OTHER.0));
            let (program, _) = programs.choose("h1", &host(ARCH)).unwrap();
            assert_eq!(program.path, Path::new("/usr/bin/requorum"));
            let (program, _) = programs.choose("local", &host("riscv64")).unwrap();
            assert_eq!(program.path, Path::new("/usr/bin/requorum"), "this machine needs no other");
            assert_eq!(programs.choose("h1", &host("riscv64")).unwrap_err().kind, ErrorKind::Refused);
            fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn what_is_no_build_of_this_version_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(file_name(OTHER.0));
        let mut cut = here(VERSION);
        cut.truncate(cut.len() - 1);
        let mut nameless = here(VERSION);
        nameless.truncate(nameless.len() - 3);
        nameless.extend(b"xxx");
        let mut messages = Vec::new();
        for (bytes, what) in [
            (Vec::new(), "empty"),
            (b"#!/bin/sh\n".to_vec(), "a script"),
            (b"<html>404</html>".to_vec(), "a page"),
            (cut, "truncated"),
            (nameless, "without a build note"),
            (build(VERSION, "", true), "linked dynamically"),
            (here("9.9.9"), "another version"),
            (build_for(62, VERSION, "", false), "another processor"),
        ] {
            fs::write(&path, bytes).unwrap();
            let programs = find(&[], &[dir.path()]).unwrap();
            let trouble = programs.choose("h1", &host(OTHER.0)).unwrap_err();
            assert!(trouble.why.contains(&file_name(OTHER.0)), "{what}: {trouble}");
            let named = find(std::slice::from_ref(&path), &[]);
            // one that is named may be for any processor
            assert_eq!(named.is_ok(), what == "another processor", "{what}");
            let named = named.err().map(|named| {
                assert_eq!(named.kind, ErrorKind::Input, "{what}: {named}");
                format!("\nnamed: {named}")
            });
            let all = format!("{trouble}{}", named.unwrap_or_default());
            messages.push((what, plain(&all, dir.path())));
        }
        fs::write(&path, here(VERSION)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(find(&[], &[dir.path()]).unwrap().known.unusable[0].why.contains("0777"));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(find(&[], &[dir.path()]).unwrap().known.unusable.len(), 1);
        let missing = find(&[dir.path().join("none")], &[]).unwrap_err();
        messages.push(("not there", plain(&missing.to_string(), dir.path())));
        crate::text::messages::hold("ssh-programs", &messages);
    }

    #[test]
    fn a_listed_checksum_has_to_match() {
        let dir = tempfile::tempdir().unwrap();
        let name = file_name(OTHER.0);
        let path = dir.path().join(&name);
        fs::write(&path, here(VERSION)).unwrap();
        let right = find(&[], &[dir.path()]).unwrap().known.found[0].sha256.clone();
        let wrong = "0".repeat(64);
        for (list, line, good) in [
            (SUMS.to_string(), format!("{wrong}  other\n{right}  {name}\n"), true),
            (SUMS.to_string(), format!("{} *{name}\n", right.to_uppercase()), true),
            (SUMS.to_string(), format!("{wrong}  {name}\n"), false),
            (SUMS.to_string(), format!("{wrong}  x{name}\n"), true),
            (format!("{name}.sha256"), format!("{wrong}  {name}\n"), false),
            (format!("{name}.sha256"), format!("{right}  {name}\n"), true),
        ] {
            fs::write(dir.path().join(&list), &line).unwrap();
            let programs = find(&[], &[dir.path()]).unwrap();
            assert_eq!(programs.choose("h1", &host(OTHER.0)).is_ok(), good, "{line}");
            assert_eq!(find(std::slice::from_ref(&path), &[]).is_ok(), good, "{line}");
            fs::remove_file(dir.path().join(&list)).unwrap();
        }
    }

    #[test]
    fn a_named_build_goes_before_a_found_one() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (named, found) = (one.path().join("any-name"), other.path().join(file_name(OTHER.0)));
        fs::write(&named, here(VERSION)).unwrap();
        fs::write(&found, [here(VERSION), b"more".to_vec()].concat()).unwrap();
        let programs = find(std::slice::from_ref(&named), &[other.path()]).unwrap();
        assert_eq!(programs.choose("h1", &host(OTHER.0)).unwrap().0.path, named);
        let programs = find(&[], &[other.path()]).unwrap();
        assert_eq!(programs.choose("h1", &host(OTHER.0)).unwrap().0.path, found);
    }
}
