//! What a release is made of: the version with its commit, manual pages, completions, and the lists of packages.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use crate::support::{PROGRAM, ended, names, requorum, said, succeed};

#[path = "../../assets/release/version.rs"]
mod version;

#[test]
fn the_version_names_commit_and_day() {
    for (commit, epoch, wanted) in [
        (Some("0123456789ab"), Some(1_796_027_151), "0.1.0 (0123456789ab 2026-11-30)"),
        (Some("0123456789ab-modified"), None, "0.1.0 (0123456789ab-modified)"),
        (None, Some(0), "0.1.0 (1970-01-01)"),
        (None, None, "0.1.0"),
        (None, Some(i64::MAX), "0.1.0"),
    ] {
        assert_eq!(version::shown("0.1.0", commit, epoch), wanted);
    }
    for (epoch, day) in [
        (-1, Some("1969-12-31")),
        (951_782_400, Some("2000-02-29")),
        (1_709_164_799, Some("2024-02-28")),
        (4_102_444_800, Some("2100-01-01")),
        (4_107_542_400, Some("2100-03-01")),
        (253_402_300_799, Some("9999-12-31")),
        (253_402_300_800, None),
        (i64::MIN, None),
    ] {
        assert_eq!(version::date(epoch).as_deref(), day, "{epoch}");
    }
    let shown = succeed(&mut requorum(["--version"]));
    assert!(shown.starts_with(concat!("requorum ", env!("CARGO_PKG_VERSION"))), "{shown}");
}

#[test]
fn a_packaged_crate_knows_its_commit() {
    let id = "ec7cac9d248137dd58bfca154e6f8f7e6e1a07ad";
    for (text, commit) in [
        (
            format!("{{\n  \"git\": {{\n    \"sha1\": \"{id}\"\n  }},\n  \"path_in_vcs\": \"\"\n}}"),
            Some("ec7cac9d2481"),
        ),
        (format!("{{\"git\":{{\"sha1\":\"{id}\",\"dirty\":true}}}}"), None),
        (format!("{{\"git\":{{\"sha1\":\"{}\"}}}}", &id[..20]), None),
        ("{\"git\":{\"sha1\":\"$(reboot)\"}}".into(), None),
        ("{".into(), None),
        (String::new(), None),
    ] {
        assert_eq!(version::packaged_commit(&text).as_deref(), commit, "{text}");
    }
}

#[test]
fn a_work_tree_knows_its_commit() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(version::worktree(dir.path()), None, "no work tree");
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(dir.path()).args(["-c", "user.name=x", "-c", "user.email=x@localhost"]).args(args);
        git.env("GIT_COMMITTER_DATE", "1709164799 +0000").output().is_ok_and(|output| output.status.success())
    };
    if !git(&["init", "-q"]) {
        eprintln!("no git here");
        return;
    }
    assert_eq!(version::worktree(dir.path()), None, "no commit");
    fs::create_dir(dir.path().join("sub")).unwrap();
    fs::write(dir.path().join("sub/file"), "a").unwrap();
    assert!(git(&["add", "sub"]) && git(&["commit", "-q", "-m", "one"]));
    let (commit, date) = version::worktree(dir.path()).unwrap();
    assert_eq!((commit.len(), date), (12, 1_709_164_799));
    assert_eq!(version::worktree(&dir.path().join("sub")), None, "a package inside the work tree of something else");
    fs::write(dir.path().join("sub/file"), "b").unwrap();
    assert_eq!(version::worktree(dir.path()).unwrap().0, format!("{commit}-modified"));
}

/// The names of all commands, as `--help` lists them, joined by dashes.
fn commands(path: &[&str], out: &mut BTreeSet<String>) {
    let help = succeed(requorum(path.iter().copied()).arg("--help"));
    out.insert([&["requorum"], path].concat().join("-"));
    let list = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest.split("\n\n").next().unwrap());
    for name in list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()) {
        if !name.is_empty() && name != "help" {
            commands(&[path, &[name]].concat(), out);
        }
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = tempfile::tempdir().unwrap();
    let man = dir.path().join("share/man1");
    let mut all = BTreeSet::new();
    commands(&[], &mut all);
    assert!(all.len() > 30, "{all:?}");
    let mut command = requorum(["man"]);
    command.arg(&man).env("ETCDCTL_USER", "root:se-cret").env("ETCDCTL_ENDPOINTS", "http://se-cret:1");
    let printed = succeed(&mut command);
    let files: BTreeSet<String> = names(&man).into_iter().collect();
    assert_eq!(files, all.iter().map(|name| format!("{name}.1")).collect());
    assert_eq!(printed.lines().count(), files.len());
    for file in &files {
        let text = fs::read_to_string(man.join(file)).unwrap();
        let title = file.strip_suffix(".1").unwrap();
        assert!(text.contains(&format!(".TH {title} 1")) && text.contains(".SH SYNOPSIS"), "{file}");
        assert!(!text.contains("se-cret"), "{file}");
    }
    let before = fs::read(man.join("requorum.1")).unwrap();
    fs::write(man.join("requorum-apply.1"), "mine").unwrap();
    ended(&requorum(["man"]).arg(&man).output().unwrap(), 1, &["requorum"]);
    assert_eq!(fs::read(man.join("requorum.1")).unwrap(), before);
    assert_eq!(fs::read_to_string(man.join("requorum-apply.1")).unwrap(), "mine");
}

#[test]
fn completions_know_every_command() {
    let mut all = BTreeSet::new();
    commands(&[], &mut all);
    let tops: BTreeSet<&str> = all.iter().filter_map(|name| name.split('-').nth(1)).collect();
    for shell in ["bash", "zsh", "fish"] {
        let text = succeed(&mut requorum(["completions", shell]));
        for top in &tops {
            assert!(text.contains(top), "{shell}: {top}");
        }
        assert!(text.contains("agent"), "{shell}: --agent");
    }
}

/// A static program would load the modules that nsswitch.conf names, with the glibc of the machine; `getent` is asked
/// instead. (In a mount namespace of its own; `getent` is made up and knows every name.)
#[test]
fn names_are_resolved_without_foreign_modules() {
    let dir = tempfile::tempdir().unwrap();
    let (conf, log) = (dir.path().join("nsswitch.conf"), dir.path().join("log"));
    let getent = dir.path().join("getent");
    fs::write(&getent, format!("#!/bin/sh\necho \"$*\" >>{}\necho '127.0.0.1 STREAM x'\n", log.display())).unwrap();
    fs::set_permissions(&getent, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let probe = |services: &str| {
        fs::write(&conf, format!("hosts: {services}\n")).unwrap();
        let script = "mount --bind \"$1\" /etc/nsswitch.conf || exit 99; shift; exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", script, "sh"]).arg(&conf).arg(PROGRAM);
        command.args(["probe", "--endpoints", "http://m1.no-such-zone.invalid:9", "--dial-timeout", "1s"]);
        command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", dir.path().display()));
        command.output().ok().filter(|output| output.status.code().is_some_and(|code| code != 99 && code != 1))
    };
    let Some(output) = probe("files sss [!UNAVAIL=return] dns") else {
        eprintln!("no mount namespaces here, or no /etc/nsswitch.conf");
        return;
    };
    assert!(said(&output).contains("connection refused"), "{}", said(&output));
    let asked = fs::read_to_string(&log).unwrap();
    assert!(asked.lines().all(|line| line == "ahosts -- m1.no-such-zone.invalid"), "{asked}");
    let output = probe("files dns").unwrap();
    assert!(!said(&output).contains("connection refused"), "{}", said(&output));
    assert_eq!(fs::read_to_string(&log).unwrap(), asked, "not asked again");
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// Files that both package lists name outside of `target`, and tools and actions of a certain version only.
#[test]
fn lists_name_files_and_versions_that_are() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let lists = manifest.split_once("[package.metadata.deb]").unwrap().1;
    for file in ["README.md", "LICENSE", "assets/release/version.rs"] {
        assert!(manifest.contains(&format!("\"{file}\"")) && root().join(file).is_file(), "{file}");
    }
    for installed in ["usr/bin/", "man1/", "bash-completion", "_requorum", "requorum.fish", "guide/formats/"] {
        assert!(lists.matches(installed).count() >= 2, "{installed} is in both lists");
    }
    for workflow in ["ci.yml", "release.yml"] {
        let text = fs::read_to_string(root().join(".github/workflows").join(workflow)).unwrap();
        for action in text.lines().filter_map(|line| line.split_once("uses: ")).map(|(_, action)| action) {
            let version = action.rsplit_once("@v").unwrap().1;
            assert_eq!(version.split('.').filter(|n| n.parse::<u32>().is_ok()).count(), 3, "{workflow}: {action}");
        }
    }
    for script in ["build", "check"] {
        assert!(root().join("assets/release").join(script).is_file(), "{script}");
    }
}
