//! The commands word by word, the listen addresses by a table, the sheet as a shell would read it.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::plan::build;

fn plan() -> Plan {
    build::build(&build::tests::draft()).unwrap().plan
}

#[test]
fn the_command_of_a_member_word_by_word() {
    let mut plan = plan();
    plan.members[1].wal_dir = Some("/wal/m2".into());
    plan.members[1].etcd_flags = ["--log-level", "warn", "--quota-backend-bytes=8589934592"].map(String::from).into();
    let launch = &commands(&plan)[1];
    assert_eq!(launch.member, "m2");
    assert_eq!(
        launch.argv,
        [
            "etcd",
            "--name=m2",
            "--data-dir=/var/lib/etcd/m2.etcd",
            "--wal-dir=/wal/m2",
            "--listen-peer-urls=http://127.0.0.32:2380",
            "--listen-client-urls=http://127.0.0.32:2379",
            "--initial-advertise-peer-urls=http://127.0.0.32:2380",
            "--advertise-client-urls=http://127.0.0.32:2379",
            "--initial-cluster=m1=http://127.0.0.31:2380,m2=http://127.0.0.32:2380,m3=http://127.0.0.33:2380",
            "--initial-cluster-token=spec-token",
            "--initial-cluster-state=existing",
            "--log-level",
            "warn",
            "--quota-backend-bytes=8589934592",
        ]
    );
    assert!(launch.command.starts_with("etcd --name=m2 --data-dir=/var/lib/etcd/m2.etcd --wal-dir=/wal/m2 --listen"));
    assert!(launch.pretty.starts_with("etcd \\\n  --name=m2 \\\n"));
    assert!(
        launch.pretty.ends_with(
            "--initial-cluster-state=existing \\\n  --log-level warn \\\n  --quota-backend-bytes=8589934592"
        )
    );
    assert_eq!(launch.notes.len(), 1, "{:?}", launch.notes);
    assert!(launch.notes[0].contains("\"existing\" on purpose"));
}

#[test]
fn listen_addresses_are_addresses() {
    for (urls, wanted, notes) in [
        ("http://10.0.0.1:2380", "http://10.0.0.1:2380", 0),
        ("https://[2001:db8::1]:2380", "https://[2001:db8::1]:2380", 0),
        ("http://localhost:2380", "http://127.0.0.1:2380", 0),
        ("https://Host1:2380", "https://0.0.0.0:2380", 1),
        ("https://a:2380,https://b:2380", "https://0.0.0.0:2380", 2),
        ("https://a:2380,https://b:2381", "https://0.0.0.0:2380,https://0.0.0.0:2381", 2),
        ("http://10.0.0.1:2380,http://10.1.0.1:2380", "http://10.0.0.1:2380,http://10.1.0.1:2380", 0),
        ("http://10.0.0.1:2380,http://host1:2380", "http://0.0.0.0:2380", 1),
        ("http://10.0.0.1:2381,http://host1:2380", "http://10.0.0.1:2381,http://0.0.0.0:2380", 1),
        ("http://localhost:2380,http://127.0.0.1:2380", "http://127.0.0.1:2380", 0),
        ("unix:///run/m1.sock", "unix:///run/m1.sock", 0),
    ] {
        let mut told = Vec::new();
        let urls: Vec<String> = urls.split(',').map(String::from).collect();
        assert_eq!((listen(&urls, &mut told).as_str(), told.len()), (wanted, notes), "{urls:?}");
    }
}

#[test]
fn own_listen_flags_are_kept() {
    let mut plan = plan();
    plan.members[0].etcd_flags = vec!["--listen-client-urls=http://0.0.0.0:2379".into()];
    let launch = &commands(&plan)[0];
    let listening: Vec<&String> = launch.argv.iter().filter(|w| w.starts_with("--listen-client-urls")).collect();
    assert_eq!(listening, ["--listen-client-urls=http://0.0.0.0:2379"]);
    assert!(launch.notes[0].contains("own flags"));
}

#[test]
fn the_sheet_bears_its_plan_and_guards_each_command() {
    let mut plan = plan();
    plan.members[2].peer_urls = vec!["http://host3:2380".into()];
    plan.members[2].client_urls = vec!["http://host3:2379".into()];
    plan.members[2].wal_dir = Some("/wal/m 3".into());
    let text = sheet(&plan);
    assert!(text.starts_with(&format!("# Cluster prod-eu · plan {} · made 2026-11-22T03:12:00Z\n", plan.short_id())));
    for words in [
        "new cluster ID e88e3c40b93f9f54",
        "begins at revision 83,799",
        "# Start all 3 within a minute",
        "# 2 of 3: m2, member ID 3c505846437ba852\n",
        "if test -d /var/lib/etcd/m2.etcd/member; then\netcd \\\n",
        "if test -d /var/lib/etcd/m3.etcd/member && test -d '/wal/m 3'; then\n",
        "etcdctl --endpoints=http://127.0.0.31:2379,http://127.0.0.32:2379,http://host3:2379 endpoint status -w table",
        "so host3 becomes 0.0.0.0, every",
    ] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    assert_eq!((text.matches("on purpose").count(), text.matches("host3 becomes").count()), (1, 1));
    for launch in commands(&plan) {
        assert!(text.contains(&launch.pretty));
    }
    plan.members.truncate(1);
    assert!(sheet(&plan).contains("# One member"));
}

proptest! {
    #[test]
    fn a_shell_reads_back_the_exact_words(name in "\\PC{1,8}", dir in "/\\PC{0,8}", flags in prop::collection::vec("--[a-z]{1,5}=\\PC{0,8}", 0..3)) {
        let mut plan = plan();
        plan.members[0].name = name;
        plan.members[0].data_dir = dir.into();
        plan.members[0].etcd_flags = flags;
        for launch in commands(&plan) {
            prop_assert_eq!(shell_words::split(&launch.command), Ok(launch.argv.clone()));
            prop_assert_eq!(shell_words::split(&launch.pretty), Ok(launch.argv.clone()));
        }
    }

    #[test]
    fn no_plan_file_gets_a_line_out_of_its_comment(label in "(\\PC|[\n\r\t;`$]){0,12}", token in "(\\PC|\n){0,8}") {
        let mut plan = plan();
        (plan.label, plan.token) = (label, token);
        let text = sheet(&plan);
        let head = text.lines().take_while(|l| l.starts_with('#')).count();
        prop_assert!(head >= 6 && text.lines().nth(head) == Some(""), "{}", text);
    }
}
