//! Maps a configured data directory to its path on this machine: relative paths, defaults, mounts.

use std::path::{Component, Path, PathBuf};

use super::{flags::get, host_names::OPEN};
use crate::domain::model::observations::config::Setting;

/// A directory of this machine mounted into a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// Its path in the container.
    pub inside: PathBuf,
    /// Its path on this machine.
    pub host: PathBuf,
}

/// Returns the data directory, and the WAL directory if it has its own, of an etcd started in `here`; none if that is
/// known only on its host.
pub(super) fn dirs(flags: &[Setting], here: &Path, mounts: &[Mount]) -> (Option<PathBuf>, Option<PathBuf>) {
    // Without a name etcd is called `default`, and its directory after its name.
    let named = || format!("{}.etcd", get(flags, "name").unwrap_or("default"));
    let data = get(flags, "data-dir").map_or_else(named, String::from);
    let wal = get(flags, "wal-dir").map(String::from);
    let place = |path: String| (!path.contains(OPEN)).then(|| outside(&tidy(&here.join(path)), mounts));
    (place(data), wal.and_then(place))
}

fn tidy(path: &Path) -> PathBuf {
    path.components().filter(|c| *c != Component::CurDir).collect()
}

/// Maps a path by the longest mount that contains it.
fn outside(path: &Path, mounts: &[Mount]) -> PathBuf {
    let within = mounts.iter().filter(|mount| path.starts_with(&mount.inside));
    let Some(mount) = within.max_by_key(|mount| mount.inside.components().count()) else { return path.into() };
    let rest = path.strip_prefix(&mount.inside).unwrap_or(path);
    if rest.as_os_str().is_empty() { mount.host.clone() } else { mount.host.join(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::discovery::flags::of_args;

    #[test]
    fn defaults_relative_paths_and_mounts() {
        let mounts = [("/var/lib", "/host/lib"), ("/var/lib/etcd", "/srv/etcd")]
            .map(|(inside, host)| Mount { inside: inside.into(), host: host.into() });
        for (args, mounts, data, wal) in [
            (vec![], &[][..], "/here/default.etcd", None),
            (vec!["--name=m1"], &[], "/here/m1.etcd", None),
            (vec!["--data-dir=./d", "--wal-dir=/w/./x"], &[], "/here/d", Some("/w/x")),
            (
                vec!["--data-dir=/var/lib/etcd", "--wal-dir=/var/lib/etcd/wal"],
                &mounts,
                "/srv/etcd",
                Some("/srv/etcd/wal"),
            ),
            (vec!["--data-dir=/var/lib/etcd2/d"], &mounts, "/host/lib/etcd2/d", None),
        ] {
            let flags = of_args(&args.iter().map(|a| a.to_string()).collect::<Vec<_>>(), "");
            let expected = (Some(PathBuf::from(data)), wal.map(PathBuf::from));
            assert_eq!(dirs(&flags, Path::new("/here"), mounts), expected, "{args:?}");
        }
    }
}
