//! Parses the output of the inspection script on a host (`bootstrap.sh`).

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use crate::{
    domain::model::observations::host::{HostFacts, Installed, Place, PlaceState, Root},
    text::{Foreign, escape},
};

/// The first line of the inspection; what a login shell prints before it is skipped.
pub(super) const BEGIN: &str = "requorum-look 1";
/// The last line.
pub(super) const END: &str = "end";

const SCRIPT: &str = include_str!("bootstrap.sh");

/// Returns the script for a host, with the directories that it inspects.
pub(super) fn script(dirs: &[PathBuf], may_sudo: bool) -> String {
    let dirs: Vec<String> = dirs.iter().map(|dir| dir.to_string_lossy().into_owned()).collect();
    let may_sudo = if may_sudo { "yes" } else { "no" };
    format!("set -- {}\nmay_sudo={may_sudo}\n{SCRIPT}", crate::text::quote::shell_line(&dirs))
}

/// The numbers of etcds and of addresses that are kept of a host's output.
const KEPT: usize = 256;

/// Parses the lines of an inspection, between its first and its last; `now` is our clock on arrival, in seconds since
/// 1970.
///
/// # Errors
/// A sentence, if required facts are missing.
pub fn read(lines: &[String], now: i64) -> Result<HostFacts, String> {
    let mut facts = HostFacts::default();
    let mut installed: Option<(String, String)> = None;
    for line in lines.iter().map(|line| escape::line(line)) {
        let (word, value) = line.split_once(' ').unwrap_or((line.as_str(), ""));
        let place = facts.places.last_mut();
        match (word, place) {
            ("system", _) => facts.system = value.into(),
            ("machine", _) => facts.machine = common(value).into(),
            ("user", _) => facts.user = value.into(),
            ("root", _) => {
                facts.root = match value {
                    "is" => Root::Is,
                    "sudo" => Root::Sudo,
                    _ => Root::No,
                }
            }
            // Only a number is a time: a host without `date +%s` reports no clock.
            ("time", _) => facts.skew = value.parse::<i64>().map_or(0, |its| its.saturating_sub(now)),
            ("address", _) if facts.addresses.len() < KEPT => facts.addresses.extend(value.parse::<IpAddr>().ok()),
            ("etcd", _) if facts.etcds.len() < KEPT => {
                let (pid, line) = value.split_once(' ').unwrap_or((value, ""));
                facts.etcds.extend(pid.parse().ok().map(|pid| (pid, line.trim().into())));
            }
            ("dir", _) => facts.places.push(new(Path::new(value))),
            ("state", Some(place)) => {
                place.state = match value {
                    "dir" => PlaceState::Dir(Vec::new()),
                    "absent" => PlaceState::Absent,
                    "file" => PlaceState::File,
                    _ => PlaceState::Closed,
                }
            }
            ("holds", Some(Place { state: PlaceState::Dir(names), .. })) => names.push(value.into()),
            ("there", Some(place)) => place.there = value.into(),
            ("owner", Some(place)) => place.owner = value.into(),
            ("writable", Some(place)) => place.writable = value == "yes",
            ("df", Some(place)) => {
                if let Some((free, mount)) = df(value) {
                    (place.free, place.mount) = (Some(free), mount.into());
                }
            }
            ("options", Some(place)) => place.read_only = value.split(',').any(|option| option == "ro"),
            ("installed", _) => {
                installed = value.split_once(' ').map(|(sha256, path)| (sha256.into(), path.into()));
            }
            ("version", _) => {
                facts.installed =
                    installed.take().map(|(sha256, path)| Installed { path, sha256, version: value.into() });
            }
            _ => {}
        }
    }
    match facts.system.is_empty() || facts.user.is_empty() {
        true => Err("it did not report its system and user".into()),
        false => Ok(facts),
    }
}

fn new(path: &Path) -> Place {
    Place {
        path: path.into(),
        state: PlaceState::Closed,
        there: path.into(),
        owner: Foreign::default(),
        writable: false,
        mount: Foreign::default(),
        read_only: false,
        free: None,
    }
}

/// Returns one name for each processor architecture, whatever the system calls it.
fn common(machine: &str) -> &str {
    match machine {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    }
}

/// Parses a line of `df -Pk`: bytes free, and the mount point; device and mount point may have spaces.
fn df(line: &str) -> Option<(u64, &str)> {
    let (before, mount) = line.split_once("% ")?;
    let free: u64 = before.split_whitespace().rev().nth(1)?.parse().ok()?;
    Some((free.saturating_mul(1024), mount))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_string).collect()
    }

    #[test]
    fn a_host_in_its_own_words() {
        let text = "system Linux\nmachine arm64\nuser ops\nroot sudo\ntime 1007\netcd 812 etcd --name m1 \n\
                    dir /var/lib/etcd\nstate dir\nholds lost+found\nholds a b\nthere /var/lib/etcd\nowner etcd:etcd\nwritable yes\n\
                    df /dev/my disk     1000  900   100      90% /var/lib/a b\noptions rw,relatime\n\
                    dir /srv/wal\nstate absent\nthere /srv\nowner root:root\nwritable no\ndf /dev/sdb 10 0 7 1% /srv\noptions noatime,ro\n\
                    installed 9f3c /usr/local/bin/requorum\nversion requorum 0.1.0";
        let facts = read(&lines(text), 1000).unwrap();
        assert_eq!((facts.machine.as_str(), facts.skew, facts.root), ("aarch64", 7, Root::Sudo));
        assert_eq!(facts.etcds, [(812, "etcd --name m1".into())]);
        let [data, wal] = facts.places.as_slice() else { panic!("{facts:?}") };
        assert_eq!(data.state, PlaceState::Dir(vec!["lost+found".into(), "a b".into()]));
        assert_eq!((data.free, data.mount.as_str(), data.read_only), (Some(102_400), "/var/lib/a b", false));
        assert!(data.writable && data.owner == "etcd:etcd");
        assert_eq!(
            (wal.state.clone(), wal.there.as_path(), wal.read_only),
            (PlaceState::Absent, Path::new("/srv"), true)
        );
        let installed = facts.installed.unwrap();
        assert_eq!((installed.path.as_str(), installed.sha256.as_str()), ("/usr/local/bin/requorum", "9f3c"));
    }

    #[test]
    fn half_a_host_is_none() {
        for text in ["", "system Linux", "hello\nstate dir\nholds x\ndf 1\netcd x\nversion 1"] {
            assert!(read(&lines(text), 0).is_err(), "{text:?}");
        }
        let bare = read(&lines("system Linux\nuser x\ntime +%s\ndir /a\ndf nothing"), 0).unwrap();
        assert_eq!((bare.skew, bare.places[0].free, bare.places[0].writable), (0, None, false));
    }

    /// The look itself, on this machine: its directories in every state, with names that a shell would trip over.
    #[test]
    fn the_script_tells_the_truth_about_this_machine() {
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("it's $(odd) \"dir\" * \\n");
        std::fs::create_dir(&odd).unwrap();
        std::fs::write(odd.join("-n a;b"), b"").unwrap();
        std::fs::write(dir.path().join("file"), b"").unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
        let asked: Vec<PathBuf> =
            ["it's $(odd) \"dir\" * \\n", "file", "link", "a/b/c", "."].map(|n| dir.path().join(n)).into();
        let output = std::process::Command::new("/bin/sh")
            .arg("-c")
            .arg(script(&asked, false))
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = lines(&text);
        assert_eq!((lines[0].as_str(), lines.last().unwrap().as_str()), (BEGIN, END), "{text}");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let facts = read(&lines, i64::try_from(now).unwrap()).unwrap();
        assert!(facts.skew.abs() <= 60 && facts.system == "Linux" && facts.machine == std::env::consts::ARCH);
        let states: Vec<&PlaceState> = facts.places.iter().map(|p| &p.state).collect();
        assert_eq!(facts.places.iter().map(|p| p.path.clone()).collect::<Vec<_>>(), asked);
        assert_eq!(
            states[..4],
            [&PlaceState::Dir(vec!["-n a;b".into()]), &PlaceState::File, &PlaceState::File, &PlaceState::Absent]
        );
        assert_eq!(facts.places[3].there, dir.path());
        assert!(facts.places.iter().all(|p| p.free.is_some_and(|free| free > 0) && p.writable && !p.mount.is_empty()));
    }
}
