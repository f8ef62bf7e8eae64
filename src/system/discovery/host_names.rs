//! The values that configurations take from their host: its name, its machine ID, the name of its node.

use std::path::Path;

use super::root_fs::Tree;

/// The host of a configuration, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Host {
    /// It is this machine: files that a configuration names can be read.
    pub here: bool,
    /// Its host name from the kernel.
    pub name: Option<String>,
    /// `/etc/machine-id`.
    pub machine_id: Option<String>,
    /// The name of its Kubernetes node.
    pub node: Option<String>,
}

/// The mark before what only the host can fill in; no configuration has this character.
pub(super) const OPEN: char = '\u{e0f0}';

/// Where kubeadm keeps the kubelet's flags.
const KUBELET_FLAGS: &str = "/var/lib/kubelet/kubeadm-flags.env";

impl Host {
    /// Returns this machine, by the files below a root and the kernel.
    pub(super) fn this(tree: Tree<'_>) -> Host {
        let line = |path: &str| {
            let text = tree.text(Path::new(path)).ok()?;
            Some(text.trim().to_string()).filter(|text| !text.is_empty())
        };
        // A tree below another root is still this machine, except in tests, which set a name.
        let kernel = || rustix::system::uname().nodename().to_str().ok().map(String::from);
        let name = line("/proc/sys/kernel/hostname").or_else(kernel).filter(|name| !name.is_empty());
        let told = line(KUBELET_FLAGS).and_then(|text| {
            let (_, rest) = text.split_once("--hostname-override=")?;
            rest.split([' ', '"', '\'']).next().map(String::from)
        });
        let node = told.or_else(|| name.as_ref().map(|name| name.to_lowercase()));
        Host { here: true, machine_id: line("/etc/machine-id"), node, name }
    }

    /// Returns a host of which only a file is known.
    pub(super) fn elsewhere() -> Host {
        Host::default()
    }

    /// Returns the value of a systemd specifier that depends on the host; if it is not known, the specifier itself,
    /// marked.
    ///
    /// Source: systemd.unit(5), "Specifiers".
    pub(super) fn specifier(&self, letter: char) -> Option<String> {
        let short = || self.name.as_deref().and_then(|name| name.split('.').next());
        let open = || format!("{OPEN}%{letter}");
        let known = |value: Option<&str>| Some(value.map_or_else(open, String::from));
        match letter {
            'H' => known(self.name.as_deref()),
            'l' => known(short()),
            'm' => known(self.machine_id.as_deref()),
            't' => Some("/run".into()),
            'S' => Some("/var/lib".into()),
            'C' => Some("/var/cache".into()),
            'L' => Some("/var/log".into()),
            'E' => Some("/etc".into()),
            'T' => Some("/tmp".into()),
            'V' => Some("/var/tmp".into()),
            'u' | 'g' => Some("root".into()),
            'U' | 'G' => Some("0".into()),
            'h' => Some("/root".into()),
            's' => Some("/bin/sh".into()),
            'a' | 'A' | 'b' | 'B' | 'd' | 'D' | 'M' | 'o' | 'q' | 'v' | 'w' | 'W' => Some(open()),
            _ => None,
        }
    }

    /// Returns the output of a shell's `$(command)`, if it is the host's name.
    pub(super) fn printed_by(&self, command: &str) -> Option<String> {
        let name = self.name.as_deref()?;
        let words: Vec<&str> = command.split_whitespace().collect();
        match words.as_slice() {
            ["hostname"] | ["uname", "-n"] | ["cat", "/etc/hostname"] | ["hostnamectl", "hostname"] => {
                Some(name.into())
            }
            ["hostname", "-s" | "--short"] => name.split('.').next().map(String::from),
            _ => None,
        }
    }
}
