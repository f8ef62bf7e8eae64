//! Where a data directory that a configuration names lies on this machine: relative paths, defaults, mounts.

use std::path::{Component, Path, PathBuf};

use super::{flags::get, host_names::OPEN};
use crate::domain::model::observations::config::Setting;

/// A directory of this machine inside a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// As the container names it.
    pub inside: PathBuf,
    /// As this machine names it.
    pub host: PathBuf,
}

/// The data directory, and the WAL directory where it has one of its own, of an etcd started in `here`; none where that is
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

/// The longest mount that a path lies in tells where it is outside.
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
