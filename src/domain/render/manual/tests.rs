//! What the sheet says for what a plan asks, and that a shell can read it whatever stands in the plan.
#![allow(clippy::unwrap_used)]

use std::{
    io::Write,
    process::{Command, Stdio},
};

use proptest::prelude::*;

use super::*;
use crate::domain::members::build_plan;

fn plan() -> Plan {
    build_plan::build(&build_plan::tests::draft()).unwrap().plan
}

fn bash_reads(text: &str) -> bool {
    let mut child = Command::new("bash").arg("-n").stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait().unwrap().success()
}

#[test]
fn the_sheet_of_a_member() {
    let mut plan = plan();
    plan.members[1].host = "root@10.0.0.12".into();
    let made = sheet(&plan, "m2", "20261122T031200Z").unwrap();
    let id = plan.short_id();
    assert!(made.head.contains(&id));
    crate::text::messages::hold("sheet-head", &[("m2 on another host", made.head.clone())]);
    assert!(made.bring.ends_with(&format!("scp -p /backup/etcd-0200.db root@10.0.0.12:requorum-{id}.db\n")));
    for words in [
        "snapshot=\"${snapshot:-$HOME/requorum-",
        &format!("[ \"$sum\" = {} ]", plan.source.sha256),
        "--initial-cluster-token=spec-token",
        "3.5.* | 3.6.*) ;;",
        "chown -R --reference=\"$data\" \"$new\"\n",
    ] {
        assert!(made.build.contains(words), "{words:?} is not in\n{}", made.build);
    }
    assert!(made.swap.contains("\"$1.requorum-old-20261122T031200Z\""));
    assert!(!made.text().contains("newwal") && !made.build.contains("bump"));
    assert!(sheet(&plan, "m9", "").is_err());
    // Here nothing has to be brought.
    let here = sheet(&plan, "m1", "").unwrap();
    assert!(here.bring.is_empty() && here.build.contains("\nsnapshot=/backup/etcd-0200.db\n"));
}

#[test]
fn where_scp_brings_it() {
    let mut plan = plan();
    for (host, to) in [
        ("h", "h:requorum-"),
        ("root@fe80::1%eth0", "'root@[fe80::1%eth0]:requorum-"),
        ("root@[::1]", "'root@[::1]:requorum-"),
        ("ssh://root@h:2222", "scp://root@h:2222/requorum-"),
        ("ssh://h/", "scp://h/requorum-"),
    ] {
        plan.members[0].host = host.into();
        let made = sheet(&plan, "m1", "").unwrap();
        assert!(made.bring.lines().last().unwrap().contains(&format!("/backup/etcd-0200.db {to}")), "{}", made.bring);
    }
}

#[test]
fn options_beyond_etcds_tools_are_refused() {
    type Change = fn(&mut Plan);
    let cases: [(Change, &str); 4] = [
        (|p| p.options.clear_alarms = true, "alarms"),
        (|p| p.options.compact = true, "compaction"),
        (
            |p| {
                p.options.disable_auth = true;
                p.options.finish_downgrade = true;
            },
            "a downgrade and authentication",
        ),
        (|p| p.options.set_version = true, "versions"),
    ];
    let build = |plan: &Plan| sheet(plan, "m1", "").unwrap().build.replace(&plan.short_id(), "PLAN");
    let plain = build(&plan());
    let mut messages = Vec::new();
    for (change, what) in cases {
        let mut plan = plan();
        change(&mut plan);
        let made = sheet(&plan, "m1", "").unwrap();
        let build = build(&plan);
        let own: Vec<&str> = build.lines().filter(|line| !plain.contains(line)).collect();
        messages.push((what, own.join("\n")));
        assert!(!made.build.contains("\"$tool\""));
        assert!(etcdutl(&plan, &plan.members[0]).is_err());
    }
    crate::text::messages::hold("sheet-options", &messages);
}

#[test]
fn owner_and_mode_as_the_plan_has_them() {
    type Change = fn(&mut Plan);
    let cases: [(Change, &str, bool); 5] = [
        (|_| {}, "chmod --reference=\"$data\" \"$new\"\n", true),
        (|p| p.options.owner = Some("etcd".into()), "\nchown -R etcd: \"$new\"\n", false),
        (|p| p.options.owner = Some("7".into()), "chown -R 7: \"$new\" 2>/dev/null || chown -R 7:7 \"$new\"\n", false),
        (|p| p.options.mode = Some("0750".into()), "\nchmod 0750 \"$new\"\n", true),
        (|p| p.options.like = Some("/old dir".into()), "chown -R --reference='/old dir' \"$new\"\n", false),
    ];
    for (change, words, as_there) in cases {
        let mut plan = plan();
        change(&mut plan);
        let made = sheet(&plan, "m1", "").unwrap();
        assert!(made.build.contains(words), "{words:?} is not in\n{}", made.build);
        assert_eq!(made.build.contains("chown -R --reference=\"$data\""), as_there, "{words}");
    }
}

#[test]
fn the_command_for_other_sheets() {
    let mut plan = plan();
    (plan.bump_revision, plan.source.skip_hash_check) = (5, true);
    plan.members[0].wal_dir = Some("/wal".into());
    let line = etcdutl(&plan, &plan.members[0]).unwrap();
    assert_eq!(
        line,
        "etcdutl snapshot restore /backup/etcd-0200.db --name=m1 \
         --initial-cluster=m1=http://127.0.0.31:2380,m2=http://127.0.0.32:2380,m3=http://127.0.0.33:2380 \
         --initial-cluster-token=spec-token --initial-advertise-peer-urls=http://127.0.0.31:2380 --skip-hash-check \
         --bump-revision=5 --mark-compacted --data-dir=/var/lib/etcd/m1.etcd --wal-dir=/wal"
    );
}

/// Each part looks at the way to where it works before it makes or moves anything there.
#[test]
fn nothing_is_done_where_others_could_interfere() {
    use std::os::unix::fs::{PermissionsExt, chown};
    let base = tempfile::tempdir().unwrap();
    let home = base.path().join("lib");
    let mut plan = plan();
    plan.members[0].data_dir = home.join("etcd");
    let sheet = sheet(&plan, "m1", "1").unwrap();
    let places = steps::places(&plan, &plan.members[0]);
    for part in [&sheet.build, &sheet.swap, &sheet.back] {
        assert!(part.contains(&places));
    }
    let script = format!("set -eu\n{}{places}exit 7\n", steps::STOP);
    let run = || {
        let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let mut messages = Vec::new();
    std::fs::create_dir(&home).unwrap();
    for (mode, owner, goes) in [
        (0o755, None, true),
        (0o700, None, true),
        (0o1755, None, true),
        (0o775, None, false),
        (0o757, None, false),
        (0o1777, None, false),
        (0o700, Some(61_234), false),
    ] {
        let Some(owner) = owner.or_else(|| Some(rustix::process::geteuid().as_raw())) else { continue };
        if owner == 61_234 && !rustix::process::geteuid().is_root() {
            continue;
        }
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(mode)).unwrap();
        chown(&home, Some(owner), None).unwrap();
        let (code, said) = run();
        assert_eq!(code, Some(if goes { 7 } else { 1 }), "{mode:o} {owner}: {said}");
        let said = said.replace(&*base.path().to_string_lossy(), "DIR");
        if !goes && owner != 61_234 {
            messages.push((format!("mode {mode:o}"), said));
        }
    }
    crate::text::messages::hold("sheet-unsafe-way", &messages);
}

#[test]
fn codes_however_they_are_typed() {
    assert!(same_code("AB12 cd34-ef56ab78\n", "ab12-cd34-ef56-ab78"));
    assert!(!same_code("ab12-cd34-ef56-ab7", "ab12-cd34-ef56-ab78") && !same_code("", "ab12"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_shell_reads_it_whatever_the_plan_holds(odd in "(\\PC|[\n'\"`$\\\\!;()]){1,12}", wal: bool) {
        let mut plan = plan();
        (plan.label, plan.token, plan.source.path) = (odd.clone(), odd.clone(), odd.clone().into());
        plan.members[0].name = odd.clone();
        plan.members[0].host = odd.clone();
        plan.members[0].data_dir = format!("/{odd}/{odd}").into();
        plan.members[0].wal_dir = wal.then(|| format!("/w{odd}").into());
        plan.options.like = Some(odd.clone().into());
        let text = sheet(&plan, &odd, &odd).unwrap().text();
        prop_assert!(bash_reads(&text), "{}", text);
        // Nothing of it got out of its comment: outside the steps there are comments and scp alone.
        let mut inside = false;
        for line in sheet(&plan, &odd, "s").unwrap().head.lines() {
            inside |= !line.starts_with('#');
        }
        prop_assert!(!inside, "{}", text);
    }
}
