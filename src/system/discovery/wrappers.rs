//! Programs that run another command with their own arguments before it: `nice`, `taskset`, `sudo -u` and the like.
//!
//! Sources: the manual pages of coreutils, util-linux, numactl, sudo, runit and of the containers' small inits.

/// How a program's own arguments are separated from the command that it runs.
struct Wrapper {
    name: &'static str,
    /// Options that use the next word as their value.
    valued: &'static [&'static str],
    /// The number of operands before the command.
    before: usize,
}

#[rustfmt::skip]
const WRAPPERS: &[Wrapper] = &[
    Wrapper { name: "cgexec", valued: &["-g"], before: 0 },
    Wrapper { name: "chpst", valued: &["-u", "-U", "-b", "-e", "-/", "-n", "-l", "-L", "-m", "-d", "-o", "-p", "-f", "-c"], before: 0 },
    Wrapper { name: "chrt", valued: &["-T", "-P", "-D", "--sched-runtime", "--sched-period", "--sched-deadline"], before: 1 },
    Wrapper { name: "dumb-init", valued: &["-r", "--rewrite"], before: 0 },
    Wrapper { name: "env", valued: &["-u", "--unset", "-C", "--chdir"], before: 0 },
    Wrapper { name: "exec", valued: &["-a"], before: 0 },
    Wrapper { name: "flock", valued: &["-w", "-E", "--wait", "--timeout", "--conflict-exit-code"], before: 1 },
    Wrapper { name: "gosu", valued: &[], before: 1 },
    Wrapper { name: "ionice", valued: &["-c", "-n", "--class", "--classdata"], before: 0 },
    Wrapper { name: "nice", valued: &["-n", "--adjustment"], before: 0 },
    Wrapper { name: "nohup", valued: &[], before: 0 },
    Wrapper { name: "numactl", valued: &["-i", "-p", "-N", "-C", "-m", "-P", "--interleave", "--preferred", "--cpunodebind", "--physcpubind", "--membind"], before: 0 },
    Wrapper { name: "prlimit", valued: &["-o"], before: 0 },
    Wrapper { name: "runuser", valued: &["-u", "--user", "-g", "-G"], before: 0 },
    Wrapper { name: "setpriv", valued: &["--reuid", "--regid", "--ruid", "--euid", "--rgid", "--egid", "--groups", "--inh-caps", "--ambient-caps", "--bounding-set", "--securebits", "--pdeathsig"], before: 0 },
    Wrapper { name: "setsid", valued: &[], before: 0 },
    Wrapper { name: "setuidgid", valued: &[], before: 1 },
    Wrapper { name: "stdbuf", valued: &["-i", "-o", "-e", "--input", "--output", "--error"], before: 0 },
    Wrapper { name: "strace", valued: &["-a", "-b", "-e", "-E", "-I", "-o", "-O", "-P", "-s", "-S", "-u", "-U", "-X"], before: 0 },
    Wrapper { name: "su-exec", valued: &[], before: 1 },
    Wrapper { name: "sudo", valued: &["-u", "--user", "-g", "--group", "-h", "-p", "-C", "-T", "-D", "-R", "--chdir", "--prompt"], before: 0 },
    Wrapper { name: "systemd-cat", valued: &["-t", "-p", "--identifier", "--priority"], before: 0 },
    Wrapper { name: "systemd-inhibit", valued: &[], before: 0 },
    Wrapper { name: "taskset", valued: &[], before: 1 },
    Wrapper { name: "time", valued: &["-o", "-f"], before: 0 },
    Wrapper { name: "timeout", valued: &["-s", "-k", "--signal", "--kill-after"], before: 1 },
    Wrapper { name: "tini", valued: &["-p", "-e"], before: 0 },
    Wrapper { name: "unshare", valued: &["-S", "-G", "-w", "--setuid", "--setgid", "--wd"], before: 0 },
];

/// Returns whether a program runs another as another user.
pub(super) fn changes_user(name: &str) -> bool {
    ["chpst", "gosu", "runuser", "setpriv", "setuidgid", "su", "su-exec", "sudo"].contains(&name)
}

/// Returns the command that a wrapper runs, and the variables before it; `None` if it is not a wrapper.
pub(super) fn unwrapped(words: &[String]) -> Option<(Vec<String>, &[String])> {
    let (first, mut rest) = words.split_first()?;
    let wrapper = WRAPPERS.iter().find(|wrapper| wrapper.name == base(first))?;
    let mut before = wrapper.before;
    let mut variables = Vec::new();
    while let Some((word, more)) = rest.split_first() {
        if word == "--" {
            rest = more.get(before..)?;
            break;
        }
        let is_option = word.starts_with('-') && word.len() > 1;
        if is_option {
            rest = more.get(usize::from(wrapper.valued.contains(&word.as_str()))..)?;
        } else if super::shell::is_assignment(word) && ["env", "sudo"].contains(&wrapper.name) {
            variables.push(word.clone());
            rest = more;
        } else if before > 0 {
            before -= 1;
            rest = more;
        } else {
            break;
        }
    }
    Some((variables, rest))
}

/// Returns the last part of a path.
pub(super) fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_wrapped() {
        for (line, expected) in [
            ("nice -n 5 etcd --a", "etcd --a"),
            ("/usr/bin/nice -10 etcd --a", "etcd --a"),
            ("ionice -c2 -n0 etcd --a", "etcd --a"),
            ("ionice -c 2 -n 0 etcd --a", "etcd --a"),
            ("chrt -f 10 etcd --a", "etcd --a"),
            ("chrt --rr 10 etcd --a", "etcd --a"),
            ("taskset -c 0,1 etcd --a", "etcd --a"),
            ("taskset 0x3 etcd --a", "etcd --a"),
            ("numactl --cpunodebind=0 etcd --a", "etcd --a"),
            ("numactl --membind 0 --localalloc etcd --a", "etcd --a"),
            ("stdbuf -oL etcd --a", "etcd --a"),
            ("sudo -u etcd /usr/bin/etcd --a", "/usr/bin/etcd --a"),
            ("sudo -E -u etcd -- etcd --a", "etcd --a"),
            ("env -i A=1 B=2 etcd --a", "etcd --a"),
            ("setpriv --reuid=etcd --init-groups etcd --a", "etcd --a"),
            ("gosu etcd etcd --a", "etcd --a"),
            ("chpst -u etcd:etcd etcd --a", "etcd --a"),
            ("timeout -k 5 10 etcd --a", "etcd --a"),
            ("tini -- etcd --a", "etcd --a"),
            ("flock -n /run/etcd.lock etcd --a", "etcd --a"),
            ("flock -w 5 /run/etcd.lock etcd --a", "etcd --a"),
            ("strace -f -o /tmp/t etcd --a", "etcd --a"),
            ("unshare -m etcd --a", "etcd --a"),
            ("nice", ""),
            ("taskset", ""),
        ] {
            let words: Vec<String> = line.split(' ').map(String::from).collect();
            assert_eq!(unwrapped(&words).unwrap().1.join(" "), expected, "{line}");
        }
        assert!(unwrapped(&["etcd".to_string()]).is_none() && unwrapped(&[]).is_none());
        let words: Vec<String> = "sudo A=1 etcd".split(' ').map(String::from).collect();
        assert_eq!(unwrapped(&words).unwrap().0, ["A=1"]);
    }
}
