//! Hostile text fed into every source that a run reads, and looked for in everything that comes out of it: standard output

//! and error, JSON, tables, journals, reports, launch forms, and the bytes that the wizard sends to its terminal.

#[path = "../../src/system/etcd_client/testing.rs"]
#[allow(dead_code, missing_docs)]
mod testing;

use std::{
    ffi::OsStr,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use crate::support::{callers_variables, fixture, requorum, said};
use etcd_client::proto::*;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use requorum::{
    bbolt::Edit,
    system::{
        etcd_client::Members,
        journal::{Event, Journal},
        local::Local,
    },
    text::escape::{find, is_hostile},
};
use sha2::{Digest, Sha256};
use testing::{Script, Served};
use tonic::Status;

/// A title, a cleared screen, C1, the direction of text, what joins and hides, DEL, and line ends of all kinds with a
/// verdict of its own after them.
const EVIL: &str = "pwn\x1b]0;pwn\x07\x1b[2J\u{9b}31m\u{202e}\u{2066}\u{200b}\u{e0041}\u{7f}\r\nFORGED\u{2028}FORGED\u{85}FORGED\nFORGED";
const THREE: &str = "m1=http://127.45.8.1:2380,m2=http://127.45.8.2:2380,m3=http://127.45.8.3:2380";

/// The same, and longer than any text of others is shown.
fn long() -> String {
    format!("{EVIL}{}", "A".repeat(10_000))
}

/// As a string of JSON, which is one of YAML, too.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// None of it is there as it was: not its characters, not its lines, not its length.
#[track_caller]
fn clean(what: &str, bytes: &[u8]) {
    let text = String::from_utf8(bytes.to_vec()).unwrap_or_else(|e| panic!("{what}: no UTF-8 ({e})"));
    let found = find(&text.replace('\t', " "));
    assert_eq!(found, None, "{what}: raw in\n{text:?}");
    assert!(!forged(&text), "{what}: a line of its own in\n{text}");
    assert!(!text.contains(&"A".repeat(5000)), "{what}: not cut: {} bytes", text.len());
}

/// Whether one of the line ends came through: what was before it stands right before what was after it, however the
/// program breaks its own lines.
fn forged(text: &str) -> bool {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    ["\\u{d}FORGED", "\\rFORGED", "\\x0dFORGED", "FORGEDFORGED"].iter().any(|joined| text.contains(joined))
}

/// Runs it and looks at what it says.
#[track_caller]
fn run(what: &str, command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let code = output.status.code();
    assert!(code.is_some_and(|code| code != 70 && code != 101), "{what}: {code:?}\n{}", said(&output));
    clean(&format!("{what}, stdout"), &output.stdout);
    clean(&format!("{what}, stderr"), &output.stderr);
    output
}

/// The same, and what was fed in is shown: escaped.
#[track_caller]
fn shown(what: &str, command: &mut Command) -> Output {
    let output = run(what, command);
    assert!(said(&output).contains("pwn"), "{what}: it never came there:\n{}", said(&output));
    output
}

/// Each format in turn; JSON has to be JSON.
#[track_caller]
fn every_format(what: &str, args: &[&OsStr], formats: &[&str]) {
    for format in formats {
        let output = run(&format!("{what}, -w {format}"), requorum(args).args(["-w", format]));
        if *format == "json" {
            let text = String::from_utf8(output.stdout).unwrap();
            let values = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
            values.for_each(|value| assert!(value.is_ok(), "{what}: {value:?} in {text}"));
        }
    }
}

fn os(words: &[&str]) -> Vec<std::ffi::OsString> {
    words.iter().map(Into::into).collect()
}

/// An etcd that lies in everything that it says.
fn hostile_etcd(lists: bool) -> Served {
    let header = Some(PbResponseHeader { cluster_id: 1, member_id: 2, revision: 3, raft_term: 4 });
    let member = |id: u64, name: &str| PbMember {
        id,
        name: name.into(),
        peer_ur_ls: vec![format!("http://127.0.0.1:1/{EVIL}"), long()],
        client_ur_ls: vec![format!("http://127.0.0.1:1/{EVIL}")],
        is_learner: false,
    };
    Served::start(
        Script {
            status: Some(match lists {
                true => Ok(PbStatusResponse {
                    header,
                    version: long(),
                    storage_version: long(),
                    leader: 9,
                    raft_index: 7,
                    raft_term: 4,
                    errors: vec![long(), format!("memberID:2 alarm:{EVIL}")],
                    ..Default::default()
                }),
                false => Err(Status::unknown(EVIL)),
            }),
            members: Some(match lists {
                true => Ok(PbMemberListResponse {
                    header,
                    members: vec![member(2, EVIL), member(9, &long()), member(8, "")],
                }),
                false => Err(Status::unavailable(EVIL)),
            }),
            range: Some(Err(Status::unknown(EVIL))),
            snapshot: vec![Err(Status::unknown(EVIL))],
            ..Script::default()
        },
        None,
    )
}

/// A web server that answers every request with this status, these headers and this body.
fn hostile_web(status: &'static str, headers: &'static str, body: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let body = body.clone();
            thread::spawn(move || {
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked);
                let head = format!(
                    "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
            });
        }
    });
    at
}

/// A snapshot of whose members, users and versions every name is hostile.
fn hostile_snapshot(path: &Path) {
    let bytes = fs::read(fixture("3.5.16-auth.db")).unwrap();
    fs::write(path, &bytes[..bytes.len() - 32]).unwrap();
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut edit = Edit::begin(file).unwrap();
    for (id, name) in [("00000000000000aa", EVIL.to_string()), ("00000000000000ab", long())] {
        let member = serde_json::json!({
            "id": u64::from_str_radix(id, 16).unwrap(), "name": name, "peerURLs": [EVIL, long()], "clientURLs": [EVIL],
        });
        edit.put(b"members", id.as_bytes(), member.to_string().as_bytes()).unwrap();
    }
    edit.put(b"cluster", b"clusterVersion", EVIL.as_bytes()).unwrap();
    edit.put(b"meta", b"storageVersion", EVIL.as_bytes()).unwrap();
    edit.put(b"authUsers", EVIL.as_bytes(), b"").unwrap();
    edit.commit().unwrap();
    let mut bytes = fs::read(path).unwrap();
    let sum = Sha256::digest(&bytes);
    bytes.extend(sum);
    fs::write(path, bytes).unwrap();
}

/// A plan on this machine, in `dir`.
fn plan(dir: &Path, more: &[&str]) -> PathBuf {
    let file = dir.join("plan.yaml");
    let mut command = requorum(["plan", "--initial-cluster", THREE, "--initial-cluster-token=t", "--snapshot"]);
    command.arg(fixture("3.5.16-small.db")).arg("--data-root").arg(dir.join("data")).args(more).arg("-o").arg(&file);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    file
}

#[test]
fn what_members_answer() {
    for lists in [true, false] {
        let etcd = hostile_etcd(lists);
        let endpoint = etcd.http();
        let asked = ["--endpoints", &endpoint, "--dial-timeout=1s", "--command-timeout=1s"];
        for format in ["simple", "json"] {
            let what = format!("probe of one that lists: {lists}, {format}");
            let output = shown(&what, requorum(["probe", "-w", format]).args(asked));
            if format == "json" {
                serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON");
            }
        }
        let dir = tempfile::tempdir().unwrap();
        shown("snapshot save", requorum(["snapshot", "save"]).arg(dir.path().join("x.db")).args(asked));
        let plan = plan(dir.path(), &[]);
        run("verify", requorum(["verify", "--timeout=1s", "--plan"]).arg(&plan).args(asked));
    }
}

#[test]
fn what_web_servers_answer() {
    let evil = quoted(&long());
    let metrics = format!(
        "etcd_server_id{{server_id=\"2\"}} 1\netcd_server_has_leader 1\netcd_server_version{{server_version=\"{}\"}} 1\n",
        long().replace(['\n', '\r', '"'], "|")
    );
    for body in [
        long(),
        metrics,
        format!("{{\"health\":\"false\",\"reason\":{evil}}}"),
        format!("{{\"etcdserver\":{evil},\"etcdcluster\":{evil},\"storage\":{evil}}}"),
        format!("[{{\"id\":2,\"name\":{evil},\"peerURLs\":[{evil}],\"clientURLs\":[{evil}]}}]"),
    ] {
        let at = hostile_web("200 OK", "x-etcd-cluster-id: 1\r\n", body);
        for format in ["simple", "json"] {
            let endpoint = format!("--endpoints=http://{at}");
            run(
                "probe of a web server",
                &mut requorum(["probe", &endpoint, "--dial-timeout=1s", "--command-timeout=1s", "-w", format]),
            );
        }
    }
}

#[test]
fn what_object_stores_answer() {
    let dir = tempfile::tempdir().unwrap();
    let evil = EVIL.replace('<', "");
    let xml = |text: &str| text.replace('\x1b', "&#27;").replace('\x07', "&#7;");
    let refused = format!("<Error><Code>{evil}</Code><Message>{evil}{}</Message></Error>", "A".repeat(10_000));
    let listed = format!(
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>{}</Key><Size>9</Size></Contents></ListBucketResult>",
        "a\u{202e}\u{200b}pwn\u{9b}"
    );
    for (status, headers, body) in [
        ("403 Forbidden", "x-amz-bucket-region: eu-1; rm -rf /\r\n", refused.clone()),
        ("500 No", "", xml(&refused)),
        ("404 Not Found", "", long()),
        ("200 OK", "", long()),
        ("200 OK", "", listed),
    ] {
        let at = hostile_web(status, headers, body);
        let store = |command: &mut Command| {
            command.env("AWS_ENDPOINT_URL_S3", format!("http://{at}")).env("AWS_REGION", "eu-2");
            command.env("AWS_ACCESS_KEY_ID", "k").env("AWS_SECRET_ACCESS_KEY", "s");
        };
        for format in ["simple", "json"] {
            let mut list = requorum(["snapshot", "list", "s3://bucket/", "-w", format]);
            store(&mut list);
            let output = run(&format!("list, {status}"), &mut list);
            assert!(!said(&output).contains("rm -rf"), "a line to copy: {}", said(&output));
        }
        let mut fetch = requorum(["snapshot", "fetch", "s3://bucket/x.db"]);
        store(&mut fetch);
        run("fetch", fetch.arg(dir.path().join("x.db")));
    }
}

#[test]
fn what_snapshots_hold() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("evil.db");
    hostile_snapshot(&file);
    let all = ["simple", "table", "json", "fields"];
    for words in [
        &["snapshot", "status"][..],
        &["snapshot", "inspect"],
        &["snapshot", "keys"],
        &["snapshot", "keys", "--values"],
        &["hashkv"],
    ] {
        let mut args = os(words);
        args.push(file.clone().into());
        every_format(&words.join(" "), &args.iter().map(|a| a.as_os_str()).collect::<Vec<_>>(), &all);
    }
    shown("inspect", requorum(["snapshot", "inspect"]).arg(&file));
    for bytes in [long().into_bytes(), [b"\x1f\x8b\x08\0", EVIL.as_bytes()].concat()] {
        let broken = dir.path().join("broken");
        fs::write(&broken, bytes).unwrap();
        run("status of something else", requorum(["snapshot", "status"]).arg(&broken));
    }
    let mut make = requorum(["plan", "--initial-cluster", THREE, "--data-root", "/nowhere", "--snapshot"]);
    run("plan", make.arg(&file).arg("-o").arg(dir.path().join("p.yaml")));
    run("probe", requorum(["probe", "--endpoints=http://127.0.0.1:1", "--snapshot"]).arg(&file));
}

#[test]
fn what_files_and_directories_are_called() {
    let dir = tempfile::tempdir().unwrap();
    let evil = dir.path().join(EVIL);
    fs::create_dir(&evil).unwrap();
    let (good, bad) = (evil.join(EVIL), evil.join(format!("{EVIL}.db")));
    fs::copy(fixture("3.5.16-small.db"), &good).unwrap();
    fs::write(&bad, "no snapshot").unwrap();
    for file in [&good, &bad, &evil, &evil.join("absent")] {
        for command in ["status", "inspect", "keys"] {
            let args = [OsStr::new("snapshot"), OsStr::new(command), file.as_os_str()];
            every_format(&format!("{command} {file:?}"), &args, &["simple", "table", "json", "fields"]);
        }
        run("compare", requorum(["snapshot", "compare"]).arg(file).arg(&good));
        for command in ["report", "resume"] {
            shown(command, requorum([command]).arg(file));
        }
        for command in ["restore", "launch", "verify"] {
            shown(command, requorum([command, "--plan"]).arg(file));
        }
        shown("v2", requorum(["v2", "list"]).arg(file));
        shown("probe", requorum(["probe", "--endpoints=http://127.0.0.1:1", "--data-dir"]).arg(file));
        shown("drill check", requorum(["drill", "check"]).arg(file));
    }
    let mut restore = requorum(["snapshot", "restore", "--name=m1", "--initial-cluster=m1=http://127.0.0.1:2380"]);
    restore
        .arg("--initial-advertise-peer-urls=http://127.0.0.1:2380")
        .arg("--data-dir")
        .arg(evil.join("new"))
        .arg(&good);
    shown("restore", &mut restore);
    shown(
        "probe of what was restored",
        requorum(["probe", "--endpoints=http://127.0.0.1:1", "--data-dir"]).arg(evil.join("new")),
    );
    shown("restore again", &mut restore);
}

#[test]
fn what_the_environment_holds() {
    for name in [
        "ETCDCTL_WRITE_OUT",
        "ETCDCTL_ENDPOINTS",
        "ETCDCTL_CACERT",
        "ETCDCTL_DIAL_TIMEOUT",
        "ETCDCTL_USER",
        "ETCDCTL_INSECURE_TRANSPORT",
    ] {
        for words in [&["probe"][..], &["probe", "--help"], &["--help"], &["snapshot", "status", "x"]] {
            run(&format!("{name}, {words:?}"), requorum(words).env(name, long()));
        }
    }
    for name in ["AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_PROFILE", "AWS_CA_BUNDLE"] {
        run(
            name,
            requorum(["snapshot", "list", "s3://b/"])
                .env(name, EVIL)
                .env("AWS_ACCESS_KEY_ID", "k")
                .env("AWS_SECRET_ACCESS_KEY", "s"),
        );
    }
    run("arguments", &mut requorum([EVIL]));
    run("arguments", &mut requorum(["probe", &format!("--{EVIL}")]));
}

/// Every scalar of a file in turn is hostile.
fn spoiled(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let spoil = |at: usize| {
        let line = lines[at];
        let end = line.find(": ").map(|end| end + 2).or_else(|| line.find("- ").map(|end| end + 2))?;
        (!line.trim_start().starts_with('#')).then_some(())?;
        let mut all: Vec<String> = lines.iter().map(|l| l.to_string()).collect();
        all[at] = format!("{}{}", &line[..end], quoted(EVIL));
        Some(all.join("\n") + "\n")
    };
    (0..lines.len()).filter_map(spoil).collect()
}

#[test]
fn what_plans_hold() {
    let dir = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(plan(dir.path(), &["--etcd-flag=--log-level=warn"])).unwrap();
    let all = spoiled(&text);
    assert!(all.len() > 20, "{}", text);
    for (n, text) in all.iter().enumerate() {
        let file = dir.path().join(format!("evil-{n}.yaml"));
        fs::write(&file, text).unwrap();
        run("restore", requorum(["restore", "--plan"]).arg(&file).args(["--member", "nobody"]));
        run("sheet", requorum(["sheet", "--member=m1"]).arg(&file));
        run("launch", requorum(["launch", "--manual", "--plan"]).arg(&file));
        for form in ["shell", "systemd", "env", "config", "docker", "compose"] {
            let output = run(form, requorum(["launch", "--format", form, "--plan"]).arg(&file));
            if n % 8 == 0 && output.status.success() {
                run(form, requorum(["launch", "--format", form, "-w", "json", "--plan"]).arg(&file));
            }
        }
    }
}

#[test]
fn what_scenarios_hold() {
    let dir = tempfile::tempdir().unwrap();
    let made = requorum(["drill", "new", "evil"]).current_dir(dir.path()).output().unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let text = fs::read_to_string(dir.path().join("evil.yaml")).unwrap();
    let own = dir.path().join("own");
    for text in spoiled(&text) {
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("evil.yaml"), text).unwrap();
        for format in ["simple", "json"] {
            run("drill list", requorum(["drill", "list", "-w", format, "--dir"]).arg(&own));
        }
    }
}

#[test]
fn what_unit_and_environment_files_hold() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path(), &[]);
    let evil = EVIL.replace(['\n', '\r'], "|");
    let unit = format!(
        "[Service]\nUser={evil}\nExecStart=/usr/bin/etcd{evil} --name m1 --log-level={evil} --cors={evil}\nEnvironment=ETCD_X={evil}\n"
    );
    let variables = format!("ETCD_NAME=m1\nETCD_LOG_LEVEL='{evil}'\nETCD_{evil}=1\n");
    let yaml = format!("name: m1\nlog-level: {}\ncors: {}\n{}: x\n", quoted(EVIL), quoted(&long()), quoted(EVIL));
    let script = format!("#!/bin/sh\nexec etcd --name m1 --log-level='{EVIL}' --cors=\"$(printf '\\033')\"\n");
    for (name, text) in [("etcd.service", unit), ("etcd.env", variables), ("etcd.yaml", yaml), ("etcd.sh", script)] {
        let file = dir.path().join(name);
        fs::write(&file, text).unwrap();
        let old = format!("--old=m1={}", file.display());
        for form in ["shell", "systemd", "drop-in", "env", "config", "docker", "podman", "compose", "pod"] {
            for format in ["simple", "json"] {
                let mut launch = requorum(["launch", &old, "--format", form, "--member=m1", "-w", format, "--plan"]);
                run(&format!("{name} as {form}"), launch.arg(&plan));
            }
            let out = dir.path().join("out");
            run(
                "written",
                requorum(["launch", &old, "--format", form, "--member=m1", "--plan"]).arg(&plan).arg("-o").arg(&out),
            );
            for file in fs::read_dir(&out).into_iter().flatten().flatten() {
                clean(&format!("{name} as {form}, {:?}", file.path()), &fs::read(file.path()).unwrap());
            }
            let _ = fs::remove_dir_all(&out);
        }
    }
}

#[test]
fn what_journals_hold() {
    let dir = tempfile::tempdir().unwrap();
    let world = Local::new(Members::new(Default::default()).unwrap());
    let path = dir.path().join("plan.yaml.journal");
    let journal = Journal::at(&world, &path);
    let evil = serde_json::json!({
        "host": EVIL, "member": EVIL, "run": EVIL, "operator": long(), "label": EVIL, "plan": EVIL, "reason": EVIL,
        "whole_plan": {"label": EVIL},
    });
    for kind in [Event::Begun, Event::Decided, Event::Done, Event::Asked, Event::Proof, Event::Ended] {
        journal.add(kind, EVIL, evil.clone()).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(find(&text), None, "the journal itself");
    assert_eq!(journal.read().unwrap()[1].text, EVIL, "it holds what was said");
    for format in ["simple", "json"] {
        let output = requorum(["report", "-w", format]).arg(&path).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!((find(&text), output.status.code()), (None, Some(0)), "{text}");
        assert!(text.contains("pwn") && !text.lines().any(|line| line.starts_with("FORGED")), "{text}");
    }
    for args in [&["resume", "--show"][..], &["drill", "record"]] {
        run(&args.join(" "), requorum(args).arg(&path));
    }
    fs::write(&path, format!("{}\n", long())).unwrap();
    run("report of no journal", requorum(["report"]).arg(&path));
}

/// An `ssh` of a host that says what it likes instead of what is asked.
#[test]
fn what_hosts_say() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path(), &[]);
    let text = fs::read_to_string(&plan).unwrap();
    let remote = text.replace("host: local", "host: far");
    let remote = match remote == text {
        true => text
            .lines()
            .map(|line| {
                if line.trim_start().starts_with("- name:") {
                    format!("{line}\n  host: far\n")
                } else {
                    format!("{line}\n")
                }
            })
            .collect(),
        false => remote,
    };
    fs::write(&plan, remote).unwrap();
    let bin = dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let line = EVIL.replace('\n', "\u{85}");
    let look = format!(
        "requorum-look 1\nsystem Linux{line}\nmachine {line}\nuser {line}\nroot is\ntime 1\netcd 9 {line}\ndir /d{line}\nstate dir\nholds {line}\n\
         there /{line}\nowner {line}\nwritable yes\noptions ro\ninstalled {line} {line}\nversion {line}\nend\n"
    );
    for (out, err) in [
        (String::new(), EVIL.to_string()),
        (long(), long()),
        (look, EVIL.to_string()),
        (format!("{EVIL}\n").repeat(9), String::new()),
    ] {
        fs::write(dir.path().join("out"), out).unwrap();
        fs::write(dir.path().join("err"), err).unwrap();
        let script = format!("#!/bin/sh\ncat '{0}/out'\ncat '{0}/err' >&2\nexit 255\n", dir.path().display());
        fs::write(bin.join("ssh"), script).unwrap();
        fs::set_permissions(bin.join("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
        let search = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        for format in ["simple", "json"] {
            run("apply --check", requorum(["apply", "--check", "-w", format]).arg(&plan).env("PATH", &search));
            run(
                "launch --discover",
                requorum(["launch", "--discover", "-w", format, "--plan"]).arg(&plan).env("PATH", &search),
            );
        }
        for file in fs::read_dir(dir.path())
            .unwrap()
            .flatten()
            .filter(|file| file.path().extension() == Some(OsStr::new("journal")))
        {
            assert_eq!(find(&fs::read_to_string(file.path()).unwrap()), None, "the journal");
        }
    }
}

/// The bytes that the wizard sends to its terminal: sequences of its own, and no character of others.
#[test]
fn what_the_wizard_draws() {
    let etcd = hostile_etcd(true);
    let dir = tempfile::tempdir().unwrap();
    hostile_snapshot(&dir.path().join("evil.db"));
    fs::copy(fixture("3.5.16-small.db"), dir.path().join(format!("{EVIL}.db"))).unwrap();
    let pair = native_pty_system().openpty(PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 }).unwrap();
    let mut command = CommandBuilder::new(crate::support::PROGRAM);
    command.args(["--endpoints", &etcd.http(), "--dial-timeout=1s", "--command-timeout=1s"]);
    callers_variables().iter().for_each(|name| command.env_remove(name));
    command.env("TERM", "xterm-256color");
    command.env("HOME", dir.path());
    command.cwd(dir.path());
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let (tell, heard) = std::sync::mpsc::channel::<Vec<u8>>();
    thread::spawn(move || {
        let mut bytes = [0; 8192];
        while let Ok(n) = reader.read(&mut bytes) {
            if n == 0 || tell.send(bytes[..n].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut keys = pair.master.take_writer().unwrap();
    let mut parser = vt100::Parser::new(40, 120, 0);
    let mut all = Vec::new();
    let end = Instant::now() + Duration::from_secs(50);
    // what was fed in is on the screen, then the next step with the files, then the end
    for (wanted, then) in [
        ("connection refused", "n"),
        ("type the label", "1"),
        ("Enter continues", "\r"),
        ("evil.db", "\x03"),
        ("", "y"),
    ] {
        while !wanted.is_empty() && !parser.screen().contents().contains(wanted) {
            assert!(Instant::now() < end, "waiting for {wanted}:\n{}", parser.screen().contents());
            let Ok(bytes) = heard.recv_timeout(Duration::from_secs(1)) else { continue };
            parser.process(&bytes);
            all.extend(bytes);
            // where the step was not settled yet, its key waits
            if wanted == "type the label" && parser.screen().contents().contains("Ready: ") {
                keys.write_all(b"\r").unwrap();
            }
        }
        if keys.write_all(then.as_bytes()).is_err() {
            break;
        }
        let screen = parser.screen().contents();
        assert!(!screen.contains("FORGEDFORGED"), "{screen}");
    }
    let _ = child.kill();
    let _ = child.wait();
    let text = String::from_utf8_lossy(&all);
    let own = ['\x1b', '\r', '\n', '\x08', '\x0f', '\x07'];
    assert_eq!(text.chars().find(|c| is_hostile(*c) && !own.contains(c)), None);
    assert!(!text.contains("\x1b]0;") && !text.contains("\x1b]2;"), "no title");
}
