//! The command line on bad input: each mistake is a sentence and an exit code, and leaves nothing

//! behind. Good input is shown against real etcd servers in `tests/cases/real_etcd.rs`.

mod asked;
mod connect;
mod guide;
mod identity;
mod twice;
mod typed;
mod words;

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::support::{self, PROGRAM, apart, ended, fixture, messages, names, requorum, said};
use sha2::{Digest, Sha256};

const THREE: &str = "m1=http://127.45.7.1:2380,m2=http://127.45.7.2:2380,m3=http://127.45.7.3:2380";

/// Restores `file` as m1 of `cluster` into `dir/m1.etcd`, with `more` flags.
fn restore(file: &Path, cluster: &str, dir: &Path, more: &[&str]) -> Output {
    let mut command = requorum(["snapshot", "restore", "--name=m1", "--initial-cluster-token=t"]);
    command.args(["--initial-cluster", cluster, "--data-dir"]).arg(dir.join("m1.etcd"));
    if !more.iter().any(|flag| flag.starts_with("--initial-advertise-peer-urls")) {
        command.arg("--initial-advertise-peer-urls=http://127.45.7.1:2380");
    }
    command.args(more).arg(file).output().unwrap()
}

/// The refusal's words and exit code must be these, and the directory must stay as it was.
#[track_caller]
fn refused(output: &Output, code: i32, words: &[&str], dir: &Path, before: &[String]) {
    ended(output, code, words);
    assert_eq!(names(dir), before, "something was left behind");
}

#[test]
fn files_that_are_no_whole_snapshot() {
    let good = fs::read(fixture("seed-3.5.16.db")).unwrap();
    let raw = &good[..good.len() - 32];
    let mut wrong_trailer = good.clone();
    *wrong_trailer.last_mut().unwrap() ^= 1;
    let mut damaged = good.clone();
    // The root page's id: a bbolt page must say of itself where it stands.
    let root = u64::from_le_bytes(good[32..40].try_into().unwrap()) as usize;
    damaged[root * 4096] ^= 0x40;
    let damaged_and_signed =
        [&damaged[..damaged.len() - 32], &Sha256::digest(&damaged[..damaged.len() - 32])[..]].concat();
    let cases: [(&str, Vec<u8>, &[&str]); 9] = [
        ("garbage", vec![0x5a; 20_512], &["not an intact snapshot", "bbolt"]),
        ("zeros", vec![0; 20_512], &["not an intact snapshot", "nothing but zeros"]),
        ("empty", Vec::new(), &["it is empty (0 bytes)"]),
        ("short", good[..100].to_vec(), &["not an intact snapshot"]),
        ("truncated", good[..12_000].to_vec(), &["truncated", "20,480", "12,000"]),
        ("wrong-trailer", wrong_trailer, &["hash check failed", "SHA-256 trailer", "--skip-hash-check"]),
        ("raw", raw.to_vec(), &["no SHA-256 trailer", "--skip-hash-check"]),
        ("gzip", [b"\x1f\x8b\x08\0", &good[..]].concat(), &["it is a gzip archive", "gunzip"]),
        ("damaged", damaged_and_signed, &["page"]),
    ];
    for (name, bytes, words) in cases {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(name);
        fs::write(&file, bytes).unwrap();
        refused(&restore(&file, THREE, dir.path(), &[]), 1, words, dir.path(), &[name.to_string()]);
    }
    let dir = tempfile::tempdir().unwrap();
    refused(&restore(dir.path(), THREE, dir.path(), &[]), 1, &["it is a directory"], dir.path(), &[]);
    refused(&restore(&dir.path().join("no.db"), THREE, dir.path(), &[]), 1, &["it does not exist"], dir.path(), &[]);
}

#[test]
fn what_skip_hash_check_takes_and_what_not() {
    let good = fs::read(fixture("seed-3.5.16.db")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("raw");
    fs::write(&raw, &good[..good.len() - 32]).unwrap();
    let output = restore(&raw, THREE, dir.path(), &["--skip-hash-check"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(names(dir.path()), ["m1.etcd", "raw"]);

    let dir = tempfile::tempdir().unwrap();
    let torn = dir.path().join("torn");
    fs::write(&torn, &good[..8192]).unwrap();
    let output = restore(&torn, THREE, dir.path(), &["--skip-hash-check"]);
    refused(&output, 1, &["truncated"], dir.path(), &["torn".to_string()]);
}

#[test]
fn status_says_a_wrong_trailer_and_fails() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("flipped.db");
    let mut bytes = fs::read(fixture("s35.db")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let output = requorum(["snapshot", "status"]).arg(&file).output().unwrap();
    assert!(said(&output).starts_with("94a13e62, 8, 4, 20 kB, \n"), "{}", said(&output));
    refused(&output, 1, &["SHA-256 trailer"], dir.path(), &["flipped.db".to_string()]);
}

#[test]
fn tables_with_a_slip() {
    let url = |bad: &str| format!("m1={bad},m2=http://127.45.7.2:2380,m3=http://127.45.7.3:2380");
    let cases: [(String, &str, &[&str]); 13] = [
        (THREE.replace("m1", "m9"), "http://127.45.7.1:2380", &["no member called \"m1\"", "m9, m2, m3"]),
        (THREE.replace("127.45.7.3", "127.45.7.2"), "http://127.45.7.1:2380", &["http://127.45.7.2:2380"]),
        (url("http:/127.45.7.1:2380"), "http://127.45.7.1:2380", &["slash is missing", "http://127.45.7.1:2380"]),
        (THREE.into(), "http:/127.45.7.1:2380", &["--initial-advertise-peer-urls", "slash is missing"]),
        (url("http://127.45.7.1:2380/v3"), "http://127.45.7.1:2380", &["path"]),
        (url("http://127.45.7.1:0"), "http://127.45.7.1:2380", &["port 0"]),
        (url("http://127.45.7.1:65536"), "http://127.45.7.1:2380", &["65535"]),
        (url("http://127.45.7.1:23eighty"), "http://127.45.7.1:2380", &["23eighty"]),
        (url("127.45.7.1:2380"), "http://127.45.7.1:2380", &["scheme"]),
        (THREE.replace(",m2", ", m2"), "http://127.45.7.1:2380", &["space after the comma", "Probably meant"]),
        (THREE.replace("m2=", "m2"), "http://127.45.7.1:2380", &["no \"=\""]),
        (" ,".into(), "http://127.45.7.1:2380", &["it has no members"]),
        (THREE.into(), "http://127.45.7.9:2380", &["advertised peer URLs differ", "http://127.45.7.9:2380"]),
    ];
    for (cluster, advertise, words) in cases {
        let dir = tempfile::tempdir().unwrap();
        let advertise = format!("--initial-advertise-peer-urls={advertise}");
        let output = restore(&fixture("s35.db"), &cluster, dir.path(), &[&advertise]);
        refused(&output, 1, words, dir.path(), &[]);
    }
}

#[test]
fn what_is_legal_but_worth_a_word() {
    let cases: [(&str, &[&str], &[&str]); 3] = [
        (
            "m1=http://127.45.7.1:2380,m1=http://10.1.0.1:2380,m2=http://127.45.7.2:2380",
            &["--initial-advertise-peer-urls=http://127.45.7.1:2380,http://10.1.0.1:2380"],
            &["3 URLs, 2 members"],
        ),
        ("m1=http://127.45.7.1:2380,m2=http://127.45.7.2:2380", &[], &["Warning", "2-member"]),
        ("m1=http://127.45.7.1:2379", &["--initial-advertise-peer-urls=http://127.45.7.1:2379"], &["Warning", "2379"]),
    ];
    for (cluster, more, words) in cases {
        let dir = tempfile::tempdir().unwrap();
        let output = restore(&fixture("s35.db"), cluster, dir.path(), more);
        assert!(output.status.success(), "{}", said(&output));
        for word in words {
            assert!(said(&output).contains(word), "{word:?} is not in:\n{}", said(&output));
        }
        assert_eq!(names(dir.path()), ["m1.etcd"]);
    }
}

#[test]
fn taken_targets_stay_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("m1.etcd");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("precious"), b"x").unwrap();
    let output = restore(&fixture("s35.db"), THREE, dir.path(), &[]);
    refused(
        &output,
        1,
        &["already exists", "it contains precious", "never overwrites"],
        dir.path(),
        &["m1.etcd".to_string()],
    );
    assert_eq!(names(&target), ["precious"]);

    fs::remove_file(target.join("precious")).unwrap();
    fs::create_dir(target.join("lost+found")).unwrap();
    let output = restore(&fixture("s35.db"), THREE, dir.path(), &[]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(names(&target), ["lost+found", "member"]);
}

#[test]
fn a_separate_wal_directory() {
    let dir = tempfile::tempdir().unwrap();
    let wal = dir.path().join("wal");
    let flag = format!("--wal-dir={}", wal.display());
    let output = restore(&fixture("s35.db"), THREE, dir.path(), &[&flag]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(names(dir.path()), ["m1.etcd", "wal"]);
    assert_eq!(names(&wal), ["0000000000000000-0000000000000000.wal"]);
    assert_eq!(names(&dir.path().join("m1.etcd/member")), ["snap"]);

    let second = tempfile::tempdir().unwrap();
    let output = restore(&fixture("s35.db"), THREE, second.path(), &[&flag]);
    refused(&output, 1, &["already exists", ".wal"], second.path(), &[]);
}

#[test]
fn bumps_need_both_flags_and_room() {
    let dir = tempfile::tempdir().unwrap();
    let output = restore(&fixture("s35.db"), THREE, dir.path(), &["--bump-revision=5"]);
    refused(&output, 2, &["must be used together"], dir.path(), &[]);
    let output = restore(&fixture("s35.db"), THREE, dir.path(), &["--mark-compacted"]);
    refused(&output, 2, &["must be used together"], dir.path(), &[]);
    for too_much in ["9223372036854775807", "18446744073709551615"] {
        let flag = format!("--bump-revision={too_much}");
        let output = restore(&fixture("s35.db"), THREE, dir.path(), &[&flag, "--mark-compacted"]);
        refused(&output, 1, &["cannot bump", too_much], dir.path(), &[]);
    }
    let output = restore(&fixture("s35.db"), THREE, dir.path(), &["--bump-revision=1000000000", "--mark-compacted"]);
    assert!(said(&output).contains("revision 1000000008"), "{}", said(&output));
}

#[test]
fn without_a_token_there_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = requorum(["snapshot", "restore", "--name=default"]);
    command.arg("--data-dir").arg(dir.path().join("d"));
    let output = command.arg(fixture("s35.db")).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("--initial-cluster-token"), "{}", said(&output));
    for id in ["8e9e05c52164694d", "cdf818194e3a8c32"] {
        assert!(said(&output).contains(id), "{}", said(&output));
    }
}

/// A directory on which the named etcd would not start is not made.
#[test]
fn a_snapshot_of_a_later_version() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("d");
    let restore = |more: &[&str]| {
        let mut command = requorum(["snapshot", "restore", "--name=default", "--etcd-version=3.6"]);
        command.args(more).arg("--data-dir").arg(&target).arg(fixture("3.7.1-small.db")).output().unwrap()
    };
    let refused = restore(&[]);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(said(&refused).contains("--set-version") && !target.exists(), "{}", said(&refused));
    assert!(restore(&["--set-version"]).status.success() && target.join("member").is_dir());
}

/// Root may read everything, so this runs as another user, and first sees the system refuse.
#[test]
fn no_permission() {
    if !rustix::process::geteuid().is_root() {
        // An ordinary user is refused by the modes below just as well, without setpriv.
        return no_permission_as(&[]);
    }
    no_permission_as(&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
}

fn no_permission_as(user: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let (binary, secret, locked) =
        (dir.path().join("requorum"), dir.path().join("secret.db"), dir.path().join("locked"));
    fs::copy(PROGRAM, &binary).unwrap();
    fs::copy(fixture("s35.db"), &secret).unwrap();
    fs::create_dir(&locked).unwrap();
    fs::copy(fixture("s35.db"), dir.path().join("open.db")).unwrap();
    for (path, mode) in [(dir.path(), 0o755), (&binary, 0o755), (&secret, 0o000), (&locked, 0o555)] {
        set(path, mode);
    }
    let run = |program: &Path, args: &[&str]| {
        let mut words = user.iter().map(Into::into).chain([program.to_path_buf()]);
        apart(Command::new(words.next().unwrap()).args(words).args(args)).output().unwrap()
    };
    let before = names(dir.path());
    let (secret, locked) = (secret.to_str().unwrap(), locked.to_str().unwrap());
    assert!(!run(Path::new("cat"), &[secret]).status.success(), "the system does not refuse; nothing would be tested");
    assert!(!run(Path::new("touch"), &[&format!("{locked}/x")]).status.success(), "the system does not refuse");

    let common = ["snapshot", "restore", "--initial-cluster-token=t", "--data-dir"];
    let target = format!("{locked}/m1");
    let output = run(&binary, &[&common[..], &[target.as_str(), secret]].concat());
    refused(&output, 4, &["secret.db", "permission denied", "sudo"], dir.path(), &before);
    let open = dir.path().join("open.db");
    let output = run(&binary, &[&common[..], &[target.as_str(), open.to_str().unwrap()]].concat());
    refused(&output, 4, &["locked", "permission denied"], dir.path(), &before);
    assert!(names(Path::new(locked)).is_empty());
    set(Path::new(secret), 0o600);
}

/// A filesystem of three megabytes has no room for a WAL. Mounting one takes root.
#[test]
fn disk_full() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root: a small filesystem cannot be mounted, so the full disk is not tested");
        return;
    }
    struct Mounted(tempfile::TempDir);
    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(self.0.path()).status();
        }
    }
    let small = Mounted(tempfile::tempdir().unwrap());
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"]).arg(small.0.path()).status();
    assert!(mounted.unwrap().success(), "no tmpfs can be mounted here");
    let output = restore(&fixture("s35.db"), THREE, small.0.path(), &[]);
    refused(&output, 4, &["not enough space", "bytes are free", "are needed"], small.0.path(), &[]);
}

#[test]
fn plans_carry_a_whole_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan.yaml");
    let make = |output: &Path| {
        let mut command = requorum(["plan", "--initial-cluster", THREE, "--label=prod", "--snapshot"]);
        command.arg(fixture("s35.db"));
        command.arg("--data-root").arg(dir.path()).arg("-o").arg(output).output().unwrap()
    };
    let output = make(&plan);
    assert!(output.status.success(), "{}", said(&output));
    let output = make(&plan);
    assert_eq!(output.status.code(), Some(1), "a plan is never written over: {}", said(&output));

    let output = requorum(["restore", "--plan"]).arg(&plan).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let all = names(dir.path());
    let hosts = all.iter().filter(|name| name.starts_with(".requorum-") && name.ends_with(".journal")).count();
    assert_eq!(
        (hosts, &all[1..]),
        (1, &["m1.etcd", "m2.etcd", "m3.etcd", "plan.yaml", "plan.yaml.journal"].map(String::from)[..])
    );
    let output = requorum(["launch", "--plan"]).arg(&plan).output().unwrap();
    let commands = String::from_utf8(output.stdout).unwrap();
    assert_eq!(commands.split("\n\n").count(), 3);
    assert!(commands.contains("--initial-cluster-state=existing"), "{commands}");

    // A second time there is nothing to do; and it is undone, reported and restored as what was applied.
    let run = |args: &[&str]| requorum(args).arg(&plan).output().unwrap();
    let inodes =
        || ["m1", "m2", "m3"].map(|name| fs::metadata(dir.path().join(format!("{name}.etcd"))).ok().map(|m| m.ino()));
    let before = inodes();
    ended(&run(&["restore", "--plan"]), 0, &["m1 is already installed", "m3 is already installed"]);
    assert_eq!(inodes(), before);
    ended(&run(&["resume"]), 0, &["Nothing to resume"]);
    ended(&run(&["report"]), 0, &["Installed: m1", "Installed: m3"]);
    ended(&run(&["undo"]), 0, &["m2"]);
    assert_eq!(inodes(), [None; 3]);
    ended(&run(&["restore", "--plan"]), 0, &["m2: installed"]);
}

#[test]
fn an_inventory_says_who_is_in_the_plan() {
    let dir = tempfile::tempdir().unwrap();
    let (inventory, plan) = (dir.path().join("hosts.ini"), dir.path().join("plan.yaml"));
    let make = |text: &str| {
        fs::write(&inventory, text).unwrap();
        let mut command = requorum(["plan", "--label=prod"]);
        command.arg("--snapshot").arg(fixture("s35.db")).arg("--inventory").arg(&inventory);
        command.arg("--data-root").arg(dir.path()).arg("-o").arg(&plan).output().unwrap()
    };
    let output = make(
        "- {name: n1, peerUrls: [http://127.45.7.1:2380], dataDir: /disk/n1}\n- {name: n2, host: 127.45.7.2, peerUrls: 'http://127.45.7.2:2380'}\n- {name: n3, peerUrls: 'http://127.45.7.3:2380'}\n",
    );
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let made = fs::read_to_string(&plan).unwrap();
    for part in ["name: n1", "data_dir: /disk/n1", "n2.etcd", "- http://127.45.7.3:2379"] {
        assert!(made.contains(part), "{part} is not in {made}");
    }
    fs::remove_file(&plan).unwrap();
    for (list, word) in
        [("- {name: n1, colour: red}", "unknown key \"colour\""), ("[web]\na\n", "hosts.ini: entry 1 of the inventory")]
    {
        refused(&make(list), 1, &[word], dir.path(), &["hosts.ini".to_string()]);
    }
}

#[test]
fn wrong_local_certificates_stop_a_plan() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("peer.crt"), dir.path().join("peer.key"));
    let write = |hosts: &[&str]| {
        let pair = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(hosts.iter().map(|h| (*h).to_string()).collect::<Vec<_>>()).unwrap();
        fs::write(&cert, params.self_signed(&pair).unwrap().pem()).unwrap();
        fs::write(&key, pair.serialize_pem()).unwrap();
    };
    let plan = dir.path().join("plan.yaml");
    let make = || {
        let mut command = requorum([
            "plan",
            "--initial-cluster",
            "m1=https://127.45.7.1:2380",
            "--client-urls=m1=http://127.45.7.1:2379",
        ]);
        command.arg("--snapshot").arg(fixture("s35.db")).arg("--data-root").arg(dir.path()).arg("-o").arg(&plan);
        command.arg(format!("--etcd-flag=--peer-cert-file={}", cert.display()));
        command.arg(format!("--etcd-flag=--peer-key-file={}", key.display())).output().unwrap()
    };
    write(&["127.45.7.9"]);
    let before = ["peer.crt".to_string(), "peer.key".to_string()];
    refused(&make(), 1, &["m1", "is not valid for 127.45.7.1; it is valid for 127.45.7.9"], dir.path(), &before);
    write(&["127.45.7.1"]);
    let output = make();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let made = fs::read_to_string(&plan).unwrap();
    assert!(made.contains("peer.key") && !made.contains("PRIVATE KEY"));
    // Between plan and restore a certificate may have been replaced by a wrong one.
    write(&["127.45.7.9"]);
    let restore = || requorum(["restore", "--plan"]).arg(&plan).output().unwrap();
    let output = restore();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    fs::remove_file(&cert).unwrap();
    let output = restore();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    messages::hold("cli-certificate-missing", &[("restored", messages::warnings(&said(&output)))]);
}

#[test]
fn plans_that_were_tampered_with_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan.yaml");
    let snapshot = dir.path().join("s.db");
    fs::copy(fixture("s35.db"), &snapshot).unwrap();
    let mut command = requorum(["plan", "--initial-cluster", THREE, "--snapshot"]);
    command.arg(&snapshot);
    command.arg("--data-root").arg(dir.path()).arg("-o").arg(&plan);
    assert!(command.output().unwrap().status.success());
    let original = fs::read_to_string(&plan).unwrap();
    let restore = || requorum(["restore", "--plan"]).arg(&plan).output().unwrap();

    fs::write(&plan, original.replace("127.45.7.2:2380", "127.45.7.22:2380")).unwrap();
    let output = restore();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));

    fs::write(&plan, original.replace("m2.etcd", "m1.etcd")).unwrap();
    let output = restore();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let mut told = vec![("one directory for two", messages::error(&said(&output)))];

    fs::write(&plan, &original).unwrap();
    fs::copy(fixture("seed-3.5.16.db"), &snapshot).unwrap();
    let output = restore();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    told.push(("another snapshot", messages::error(&said(&output))));
    messages::hold("cli-plan-tampered", &told);
    let left = names(dir.path()).into_iter().filter(|name| !name.ends_with(".journal")).collect::<Vec<_>>();
    assert_eq!(left, ["plan.yaml", "s.db"]);
}

#[test]
fn unknown_etcdctl_variables_are_refused_by_name() {
    let output = requorum(["snapshot", "save", "/nowhere/x"]).env("ETCDCTL_DISCOVERY_SRV", "x").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("ETCDCTL_DISCOVERY_SRV"), "{}", said(&output));
    let output = requorum(["snapshot", "save", "x", "--discovery-srv=x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("--discovery-srv"), "{}", said(&output));
}

#[test]
fn a_named_pipe_keeps_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe.db");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for words in [&["snapshot", "status"][..], &["snapshot", "inspect"], &["hashkv"], &["plan", "--snapshot"]] {
        let mut command = Command::new("timeout");
        command.args(["-s", "KILL", "60", PROGRAM]).args(words);
        let output = apart(command.arg(&pipe)).current_dir(dir.path()).output().unwrap();
        refused(&output, 1, &["it is not a regular file"], dir.path(), &["pipe.db".to_string()]);
    }
}

#[test]
fn resuming_a_missing_plan_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let output = requorum(["resume"]).arg(dir.path().join("mistyped.yaml")).output().unwrap();
    refused(&output, 1, &["mistyped.yaml", "it does not exist"], dir.path(), &[]);
}

#[test]
fn client_urls_come_from_a_matching_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan.yaml");
    // On one host each, port 2379 of the peer host would be the client URL of all of them.
    let cluster = "a=http://[::1]:33428,b=http://[::1]:33430,c=http://[::2]:33499";
    let mut command = requorum(["plan", "--initial-cluster", cluster, "--snapshot"]);
    command.arg(fixture("3.4.23-ipv6.db"));
    let output = command.arg("-o").arg(&plan).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let made = fs::read_to_string(&plan).unwrap();
    for url in ["http://127.0.0.1:33427", "http://127.0.0.1:33429", "http://[::2]:2379"] {
        assert!(made.contains(&format!("client_urls:\n  - {url}\n")), "{url} is not in:\n{made}");
    }
}

#[test]
fn a_silent_server_keeps_no_caller_waiting() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let endpoint = format!("--endpoints=http://{}", mute.local_addr().unwrap());
    let mut command = requorum(["snapshot", "save", "x.db", &endpoint, "--command-timeout=1h", "--dial-timeout=1h"]);
    let mut child = command.current_dir(dir.path()).stderr(Stdio::piped()).spawn().unwrap();
    let kept = mute.accept().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let stop = || rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    stop();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let said = lines.find(|line| !line.trim().is_empty());
    let said = said.expect("it ended, and nothing was left to ask a second time");
    messages::hold("cli-stopping", &[("the first signal", said)]);
    stop();
    assert_eq!(child.wait().unwrap().code(), Some(75));
    drop(kept);
}

/// A wizard that was left has no plan file where none was saved: its journal stands in for it.
#[test]
fn a_journal_stands_in_for_its_plan() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, journal) = (dir.path().join("plan.yaml"), dir.path().join("kept.journal"));
    let mut command = requorum(["plan", "--initial-cluster", THREE, "--snapshot"]);
    command.arg(fixture("s35.db"));
    let output = command.arg("--data-root").arg(dir.path()).arg("-o").arg(&plan).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let told = |command: &str, flags: &[&str], file: &Path| {
        let output = requorum([command]).args(flags).arg(file).output().unwrap();
        assert!(output.status.success(), "{command}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let launch = told("launch", &["--plan"], &plan);
    told("apply", &[], &plan);
    fs::rename(dir.path().join("plan.yaml.journal"), &journal).unwrap();
    fs::remove_file(&plan).unwrap();
    assert_eq!(told("launch", &["--plan"], &journal), launch);
    told("undo", &[], &journal);
    // done already is no failure: told() asks for exit code 0
    told("undo", &[], &journal);
    assert!(told("report", &[], &journal).contains(".undone-"), "written down in the same journal");
    assert!(!names(dir.path()).contains(&"m1.etcd".to_string()));
    let empty = dir.path().join("empty.journal");
    fs::write(&empty, "").unwrap();
    let output = requorum(["undo"]).arg(&empty).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
}

#[test]
fn log_and_data_directories_are_not_nested() {
    let dir = tempfile::tempdir().unwrap();
    for wal in ["m1.etcd", "m1.etcd/member", "m1.etcd/wal", "."] {
        let flag = format!("--wal-dir={}", dir.path().join(wal).display());
        let output = restore(&fixture("s35.db"), THREE, dir.path(), &[&flag]);
        refused(&output, 2, &["is inside the other", "Omit --wal-dir"], dir.path(), &[]);
    }
}

#[test]
fn a_full_disk_at_standard_output_is_reported() {
    for words in [&["completions", "bash"][..], &["snapshot", "status"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = requorum(words);
        command.stdout(full);
        if words[0] == "snapshot" {
            command.arg(fixture("s35.db"));
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    }
}

#[test]
fn unprinted_work_is_reported_as_done() {
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan.yaml");
    let run = |command: &mut Command| {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).output().unwrap();
        ended(&output, 4, &["write failed", "the command itself succeeded"]);
    };
    let mut command =
        requorum(["snapshot", "restore", "--name=m1", "--initial-cluster-token=t", "--initial-cluster", THREE]);
    command.arg("--initial-advertise-peer-urls=http://127.45.7.1:2380").arg("--data-dir").arg(dir.path().join("m1"));
    run(command.arg(fixture("s35.db")));
    assert!(dir.path().join("m1/member/snap/db").is_file());
    let mut command = requorum(["plan", "--initial-cluster", THREE, "--snapshot"]);
    run(command.arg(fixture("s35.db")).arg("--data-root").arg(dir.path()).arg("-o").arg(&plan));
    run(requorum(["restore", "--plan"]).arg(&plan));
    for name in ["m1.etcd", "m2.etcd", "m3.etcd"] {
        assert!(dir.path().join(name).join("member/snap/db").is_file(), "{name}");
    }
}

/// Few descriptors are a sentence before anything is begun, not a panic of what listens for signals.
#[test]
fn too_few_open_files_are_a_sentence() {
    for limit in [4, 5, 6, 7, 8, 10, 12, 14, 20, 30, 34] {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        apart(&mut command).args(["-c", &format!("ulimit -n {limit}; exec \"$@\""), "sh", PROGRAM]);
        command.args(["snapshot", "restore", "--name=m1", "--initial-cluster-token=t", "--initial-cluster", THREE]);
        command
            .arg("--initial-advertise-peer-urls=http://127.45.7.1:2380")
            .arg("--data-dir")
            .arg(dir.path().join("m1"));
        let output = command.arg(fixture("s35.db")).output().unwrap();
        refused(&output, 4, &["open files: the limit is below", "ulimit -n"], dir.path(), &[]);
    }
}

/// A plan holds no `..`, so one on the command line is resolved as the system resolves it: by links.
#[test]
fn dots_in_arguments_are_resolved_by_links() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("disk/deep")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("disk/deep"), dir.path().join("link")).unwrap();
    let mut command = requorum(["plan", "--initial-cluster", THREE, "--snapshot"]);
    command.arg(fixture("s35.db")).args(["--data-root", "link/../new", "-o", "plan.yaml"]).current_dir(dir.path());
    support::succeed(&mut command);
    let plan = fs::read_to_string(dir.path().join("plan.yaml")).unwrap();
    assert!(plan.contains("/disk/new/m1.etcd") && !plan.contains(".."), "{plan}");
    let mut command = requorum(["plan", "--initial-cluster", THREE, "--snapshot"]);
    command.arg(fixture("s35.db")).args(["--data-root", "nowhere/../new", "-o", "p2.yaml"]).current_dir(dir.path());
    ended(&command.output().unwrap(), 1, &["cannot resolve"]);
}

/// A data directory that is typed holds none, for whatever it is: the path to type instead is named.
#[test]
fn dots_in_a_typed_data_directory_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().canonicalize().unwrap();
    fs::create_dir_all(home.join("disk/deep")).unwrap();
    std::os::unix::fs::symlink(home.join("disk/deep"), home.join("link")).unwrap();
    let (snapshot, leads) = (fixture("s35.db"), home.join("disk/new"));
    let restore = |args: &[&str]| {
        let mut command = requorum(["snapshot", "restore", "--initial-cluster-token=t"]);
        command.arg(&snapshot).args(args);
        command
    };
    for mut command in [
        restore(&["--data-dir", "link/../new"]),
        restore(&["--data-dir=./link/../new"]),
        restore(&["--data-dir", home.join("link/../new").to_str().unwrap()]),
        restore(&["--data-dir", "m1", "--wal-dir", "link/../new"]),
        requorum(["probe", "--no-discover", "--data-dir", "link/../new"]),
        requorum(["probe", "--no-discover", "--data-dir", "m1:link/../new"]),
        requorum(["v2", "list", "link/../new"]),
        requorum(["v2", "list", "m1", "--wal-dir=link/../new"]),
        requorum(["--data-dir", "link/../new"]),
    ] {
        ended(&command.current_dir(&home).output().unwrap(), 2, &["..", leads.to_str().unwrap()]);
    }
    let mut command = restore(&["--data-dir", "nowhere/../new"]);
    ended(&command.current_dir(&home).output().unwrap(), 2, &["does not resolve"]);
    let mut left: Vec<_> = fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["disk", "link"]);
    assert!(!leads.exists());
}

#[test]
fn what_is_no_plan_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("empty.yaml"), "\n").unwrap();
    fs::write(dir.path().join("half.yaml"), "version: 1\n").unwrap();
    fs::write(dir.path().join("binary"), [0xff, 0xfe, 0]).unwrap();
    fs::create_dir(dir.path().join("dir")).unwrap();
    let before = names(dir.path());
    for (file, words) in [
        ("empty.yaml", &["empty.yaml: not a plan: it is empty"][..]),
        ("half.yaml", &["half.yaml: the plan cannot be read", "missing field"]),
        ("binary", &["binary: not a plan: it is not text"]),
        ("dir", &["dir: not a plan: it is a directory"]),
    ] {
        let output = requorum(["apply"]).arg(dir.path().join(file)).output().unwrap();
        refused(&output, 1, words, dir.path(), &before);
    }
    let mut command = requorum(["plan", "--initial-cluster", "m1=http://host1", "--snapshot"]);
    command.arg(fixture("s35.db"));
    let output = command.arg("-o").arg(dir.path().join("no/plan.yaml")).output().unwrap();
    refused(&output, 1, &[], dir.path(), &before);
    // nobody has to type a client URL
    messages::hold("cli-plan-port", &[("no port", said(&output))]);
    let mut command = requorum(["plan", "--initial-cluster", THREE, "--snapshot"]);
    command.arg(fixture("s35.db"));
    let output = command.arg("-o").arg(dir.path().join("no/plan.yaml")).output().unwrap();
    refused(&output, 1, &["cannot write", "its parent directory does not exist"], dir.path(), &before);
}

/// The log goes 8 entries past this database: who takes the file alone leaves them behind.
#[test]
fn entries_beyond_a_database_are_reported_first() {
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/datadirs/3.4-v2");
    let db = old.join("member/snap/db");
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("m1.etcd");
    let restore: [&std::ffi::OsStr; 6] = [
        "snapshot".as_ref(),
        "restore".as_ref(),
        "--skip-hash-check".as_ref(),
        "--data-dir".as_ref(),
        target.as_ref(),
        db.as_ref(),
    ];
    let status = |path: &Path| requorum(["snapshot", "status"]).arg(path).output().unwrap();
    let mut plan = requorum(["plan", "--skip-hash-check", "--snapshot"]);
    plan.arg(&db).current_dir(dir.path());
    let mut told = Vec::new();
    for output in [status(&old), status(&db), plan.output().unwrap(), requorum(restore).output().unwrap()] {
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        told.push(messages::warnings(&said));
    }
    assert!(told.iter().all(|warnings| warnings.contains("datadirs/3.4-v2")), "{told:#?}");
    let [of_dir, of_db, plan, restore] = <[String; 4]>::try_from(told).unwrap();
    let told = [("status of the directory", of_dir), ("of its database", of_db), ("plan", plan), ("restore", restore)];
    messages::hold("cli-entries-beyond", &told);
    assert_eq!(messages::warnings(&said(&status(&fixture("s35.db")))), "");
}

#[test]
fn a_path_unfit_for_plans_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let mut command = requorum(["plan", "--initial-cluster", THREE, "--snapshot"]);
    command.arg(fixture("s35.db"));
    command.arg("--data-root").arg(std::ffi::OsStr::from_bytes(b"bad\xff")).current_dir(dir.path());
    refused(&command.output().unwrap(), 1, &["--data-root: not UTF-8"], dir.path(), &[]);
}

#[test]
fn probe_takes_only_snapshots_it_can_read() {
    let dir = tempfile::tempdir().unwrap();
    let short = dir.path().join("short.db");
    fs::write(&short, "hello").unwrap();
    for (file, code) in
        [(short.to_string_lossy().into_owned(), 1), ("/nowhere/a.db".into(), 1), ("s3://b/a.db".into(), 2)]
    {
        let output = requorum(["probe", "--no-discover", "--endpoints", "http://127.0.0.1:1", "--snapshot", &file])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(said(&output).contains(&file), "{}", said(&output));
    }
}
