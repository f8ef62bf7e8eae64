//! What people type who come from other tools, or who mistype: exit code 2 and the command that does it, or the work itself.

use std::fs;

use crate::support::{self, ended, fixture, requorum, said};

#[test]
fn words_of_etcdctl_and_kubectl_point_to_ours() {
    for (line, word) in [
        (&["status", "x.db"][..], "snapshot status"),
        (&["endpoint", "status"], "requorum probe"),
        (&["endpoint", "health", "--cluster"], "requorum probe"),
        (&["member", "list", "-w", "table"], "requorum probe"),
        (&["member", "remove", "8211f1d0f64f3269"], "Do not add or remove members"),
        (&["alarm", "list"], "alarms"),
        (&["defrag"], "etcdctl defrag"),
        (&["get", "--prefix", "/registry"], "snapshot keys"),
        (&["etcdctl", "endpoint", "status"], "without etcdctl"),
        (&["snapshot", "stat", "x.db"], "snapshot status"),
    ] {
        let said = ended(&requorum(line).output().unwrap(), 2, &[word]);
        for changing in ["requorum start", "requorum restore", "requorum apply", "'start'", "'restore'"] {
            assert!(!said.contains(changing), "{line:?}: {said}");
        }
    }
}

#[test]
fn the_version_is_a_command_too() {
    let flag = support::succeed(&mut requorum(["--version"]));
    assert_eq!(support::succeed(&mut requorum(["version"])), flag);
    let value = support::json(&mut requorum(["version", "-w", "json"]));
    assert_eq!(format!("requorum {}\n", value["version"].as_str().unwrap()), flag);
}

/// `-q` prints neither notes nor progress, `-v` more; warnings, errors and results are the same, on either side of the
/// command.
#[test]
fn quiet_and_verbose() {
    let file = fixture("s35.db");
    let run = |args: &[&str]| requorum(args).arg(&file).env("ETCDCTL_WRITE_OUT", "protobuf").output().unwrap();
    let usual = run(&["snapshot", "status"]);
    let note = "ETCDCTL_WRITE_OUT=protobuf";
    assert!(said(&usual).contains(note), "{}", said(&usual));
    for args in [&["-q", "snapshot", "status"][..], &["snapshot", "status", "--quiet"]] {
        let quiet = run(args);
        assert_eq!((quiet.status.code(), &quiet.stdout), (Some(0), &usual.stdout));
        assert!(quiet.stderr.len() < usual.stderr.len(), "{}", said(&quiet));
    }
    for args in
        [&["-v", "snapshot", "status"][..], &["snapshot", "--verbose", "status"], &["--debug", "snapshot", "status"]]
    {
        let verbose = run(args);
        assert_eq!((verbose.status.code(), &verbose.stdout), (Some(0), &usual.stdout));
        assert!(verbose.stderr.len() > usual.stderr.len(), "{}", said(&verbose));
    }
    ended(&run(&["-q", "-v", "snapshot", "status"]), 2, &["--quiet"]);
}

#[test]
fn flags_of_etcdctl_at_commands_that_ask_no_member() {
    let certificates = ["--cacert", "/ca.crt", "--cert", "/c.crt", "--key", "/c.key"];
    let mut status = requorum(["snapshot", "status"]);
    status.arg(fixture("s35.db")).args(certificates);
    let text = ended(&status.output().unwrap(), 2, &["--cacert has no effect", "does not connect to members"]);
    assert!(!text.contains("-- --cacert"), "{text}");
    // etcdctl takes them at a restore and uses none
    let dir = tempfile::tempdir().unwrap();
    let mut restore = requorum(["snapshot", "restore", "--initial-cluster-token=t"]);
    restore.arg(fixture("s35.db")).arg("--data-dir").arg(dir.path().join("d")).args(["--endpoints", "127.0.0.1:1"]);
    ended(&restore.output().unwrap(), 0, &["--endpoints is not used"]);
    assert!(dir.path().join("d/member").is_dir());
}

#[test]
fn exercises_and_formats_are_found_or_suggested() {
    ended(&requorum(["drill", "check", "dead-man"]).output().unwrap(), 0, &["dead-man-answers"]);
    for (name, word) in
        [("ton-pages", "torn-pages"), ("night", "typed-at-night"), ("n", "no-space"), ("zzz", "first-night, ")]
    {
        ended(&requorum(["drill", "check", name]).output().unwrap(), 2, &[word]);
    }
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan.yaml");
    let mut make = requorum(["plan", "--initial-cluster", "m1=http://127.45.7.1:2380", "--snapshot"]);
    support::succeed(make.arg(fixture("s35.db")).arg("--data-root").arg(dir.path()).arg("-o").arg(&plan));
    for (format, word) in [("sytemd", "systemd"), ("unit", "systemd"), ("kubernetes", "pod"), ("runbok", "runbook")] {
        let mut launch = requorum(["launch", "--format", format]);
        ended(&launch.arg(&plan).output().unwrap(), 2, &[&format!("Did you mean {word}")]);
    }
}

/// Placeholders of a manual that were left in are called that, in whichever flag.
#[test]
fn placeholders_that_were_left_in_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let plan = |flags: &[&str]| {
        let mut command = requorum(["plan", "--snapshot"]);
        command.arg(fixture("s35.db")).args(flags).arg("-o").arg(dir.path().join("p.yaml"));
        if !flags.contains(&"--data-root") {
            command.arg("--data-root").arg(dir.path());
        }
        command.output().unwrap()
    };
    for (cluster, found) in [
        ("m1=http://<etcd0>:2380", "<etcd0>"),
        ("m1=http://$(hostname):2380", "$(hostname)"),
        ("m1=http://${NODE}:2380", "${NODE}"),
        ("m1=http://$NODE_IP:2380", "$NODE_IP"),
        ("m1=http://{{ name }}:2380", "{{ name }}"),
        ("$(hostname)=http://10.0.0.1:2380", "$(hostname)"),
        ("{{ inventory_hostname }}=http://10.0.0.1:2380", "{{ inventory_hostname }}"),
        ("%H=http://10.0.0.1:2380", "%H"),
    ] {
        let said = ended(&plan(&["--initial-cluster", cluster]), 1, &["placeholder"]);
        assert!(said.contains(found), "{cluster}: {said}");
    }
    let one = ["--initial-cluster", "m1=http://10.0.0.1:2380"];
    ended(&plan(&[&one[..], &["--hosts", "m1=<node1>"]].concat()), 1, &["placeholder"]);
    ended(&plan(&[&one[..], &["--data-root", "/srv/${NODE}"]].concat()), 1, &["placeholder"]);
    ended(&plan(&[&one[..], &["--initial-cluster-token", "<token>"]].concat()), 1, &["placeholder"]);
    let probe = ["probe", "--no-discover", "--endpoints", "https://<etcd0>:2379"];
    ended(&requorum(probe).output().unwrap(), 2, &["placeholder"]);
    assert!(support::names(dir.path()).is_empty());
}

#[test]
fn a_name_that_is_given_twice_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let mut make = requorum(["plan", "--initial-cluster", "m1=http://127.45.7.1:2380,m1=http://127.45.7.2:2380"]);
    make.arg("--snapshot")
        .arg(fixture("s35.db"))
        .arg("--data-root")
        .arg(dir.path())
        .arg("-o")
        .arg(dir.path().join("p"));
    ended(&make.output().unwrap(), 0, &["Warning", "m1 appears more than once"]);
}

#[test]
fn paths_in_a_plan_are_clean() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a/b")).unwrap();
    let plan = dir.path().join("p.yaml");
    let mut make =
        requorum(["plan", "--initial-cluster", "m1=http://127.45.7.1:2380", "--data-root", "a//./b/../", "-o"]);
    support::succeed(make.arg(&plan).arg("--snapshot").arg(fixture("s35.db")).current_dir(dir.path()));
    let text = fs::read_to_string(&plan).unwrap();
    assert!(text.contains("/a/m1.etcd\n") && !text.contains("..") && !text.contains("//m1"), "{text}");
}

/// JSON keys are in one spelling; those that etcdutl prints, too, keep its own.
#[test]
fn json_keys_are_snake_case() {
    fn keys(value: &serde_json::Value, out: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(map) => map.iter().for_each(|(key, value)| {
                // of a map from names of the database to what they hold, the names are its own
                if !["buckets", "prefixes", "lost", "kinds", "namespaces"].contains(&key.as_str()) {
                    keys(value, out);
                }
                out.push(key.clone());
            }),
            serde_json::Value::Array(list) => list.iter().for_each(|value| keys(value, out)),
            _ => {}
        }
    }
    let (file, other) = (fixture("s35.db"), fixture("3.5.16-binary.db"));
    let lines = |args: &[&str]| {
        let mut command = requorum(args);
        command.args(["-w", "json"]);
        let text = support::said(&command.output().unwrap());
        text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()).collect::<Vec<_>>()
    };
    let (file, other) = (file.to_str().unwrap(), other.to_str().unwrap());
    for args in [
        &["snapshot", "inspect", file][..],
        &["snapshot", "keys", file, "--values"],
        &["snapshot", "keys", other, "--values"],
        &["snapshot", "compare", file, other, "--keys"],
        &["probe", "--no-discover", "--endpoints", "127.0.0.1:1"],
        &["cluster", "list"],
        &["version"],
    ] {
        let mut found = Vec::new();
        lines(args).iter().for_each(|value| keys(value, &mut found));
        assert!(!found.is_empty(), "{args:?}");
        let odd: Vec<_> = found.iter().filter(|key| key.chars().any(|c| c.is_ascii_uppercase())).collect();
        assert_eq!(odd, Vec::<&String>::new(), "{args:?}");
    }
    let status = lines(&["snapshot", "status", file]);
    for key in ["hash", "revision", "totalKey", "totalSize", "version"] {
        assert!(!status[0][key].is_null(), "{status:?}");
    }
}

/// What requorum writes itself is ASCII where the locale has nothing else.
#[test]
fn the_locale_is_respected() {
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("p.yaml");
    let mut make = requorum(["plan", "--initial-cluster", "m1=http://127.45.7.1:2380", "--snapshot"]);
    support::succeed(make.arg(fixture("s35.db")).arg("--data-root").arg(dir.path()).arg("-o").arg(&plan));
    for (locale, plain) in
        [("C", true), ("POSIX", true), ("de_DE.ISO-8859-1", true), ("C.UTF-8", false), ("en_US.utf8", false)]
    {
        let runs = [
            requorum(["verify", "--timeout", "0"]).arg(&plan).env("LC_ALL", locale).output().unwrap(),
            requorum(["plan", "--help"]).env("LC_ALL", locale).output().unwrap(),
        ];
        for run in runs {
            assert_eq!(said(&run).is_ascii(), plain, "{locale}: {}", said(&run));
        }
    }
}
