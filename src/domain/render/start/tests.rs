//! The commands word by word, the listen addresses by a table, the sheet as a shell would read it.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::domain::members::etcd_flags;
use crate::{
    domain::{
        members::build_plan,
        model::observations::config::{self, ConfigFacts, ConfigKind, Runs, Setting},
    },
    etcd::version::Minor,
    text::escape::is_hostile,
};

fn plan() -> Plan {
    build_plan::build(&build_plan::tests::draft()).unwrap().plan
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
    crate::text::messages::hold("plan-launch-notes", &[("a plan", launch.notes[0].clone())]);
}

#[test]
fn listen_addresses_are_the_hosts_own() {
    let own: [std::net::IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    for (urls, known, wanted, notes) in [
        ("http://10.0.0.1:2380", true, "http://10.0.0.1:2380", 0),
        ("http://10.0.0.1:2380", false, "http://0.0.0.0:2380", 1),
        ("http://10.0.0.9:2380", true, "http://0.0.0.0:2380", 1),
        ("http://10.0.0.9:2399", true, "http://10.0.0.9:2399", 0),
        ("https://[2001:db8::1]:2380", true, "https://[2001:db8::1]:2380", 0),
        ("https://[2001:db8::1]:2380", false, "https://[::]:2380", 1),
        ("http://localhost:2380", false, "http://127.0.0.1:2380", 0),
        ("http://127.3.2.1:2380", false, "http://127.3.2.1:2380", 0),
        ("http://[::1]:2380", false, "http://[::1]:2380", 0),
        ("https://Host1:2380", true, "https://0.0.0.0:2380", 1),
        ("https://a:2380,https://b:2380", true, "https://0.0.0.0:2380", 2),
        ("https://a:2380,https://b:2381", true, "https://0.0.0.0:2380,https://0.0.0.0:2381", 2),
        ("http://10.0.0.1:2380,http://[2001:db8::1]:2380", true, "http://10.0.0.1:2380,http://[2001:db8::1]:2380", 0),
        ("http://10.0.0.1:2380,http://[2001:db8::1]:2380", false, "http://[::]:2380", 2),
        ("http://10.0.0.1:2380,http://host1:2380", true, "http://0.0.0.0:2380", 1),
        ("http://10.0.0.1:2381,http://host1:2380", true, "http://10.0.0.1:2381,http://0.0.0.0:2380", 1),
        ("http://localhost:2380,http://127.0.0.1:2380", false, "http://127.0.0.1:2380", 0),
        ("unix:///run/m1.sock", false, "unix:///run/m1.sock", 0),
    ] {
        let mut told = Vec::new();
        let urls: Vec<String> = urls.split(',').map(String::from).collect();
        let own = Own { addresses: if known { &own } else { &[] }, shared: vec![2399] };
        assert_eq!((listen(&urls, &own, &mut told).as_str(), told.len()), (wanted, notes), "{urls:?} {told:?}");
    }
}

fn config(kind: ConfigKind, flags: &[(&str, &str)]) -> ConfigFacts {
    ConfigFacts {
        origin: config::Origin::File("/etc/systemd/system/etcd.service".into()),
        kind,
        flags: flags
            .iter()
            .map(|(flag, value)| Setting { flag: (*flag).into(), value: (*value).into(), from: "there".into() })
            .collect(),
        data_dir: None,
        wal_dir: None,
        automation: Vec::new(),
        notes: Vec::new(),
        runs: Default::default(),
    }
}

#[test]
fn flags_from_version_to_version() {
    let mut messages = Vec::new();
    for (flags, version, wanted, changes) in [
        (
            "--experimental-initial-corrupt-check --quota-backend-bytes 8",
            "3.5",
            "--experimental-initial-corrupt-check --quota-backend-bytes 8",
            0,
        ),
        (
            "--experimental-initial-corrupt-check --quota-backend-bytes 8",
            "3.6",
            "--quota-backend-bytes 8 --feature-gates=InitialCorruptCheck=true",
            1,
        ),
        (
            "--feature-gates=CompactHashCheck=true --experimental-enable-lease-checkpoint=false",
            "3.7",
            "--feature-gates=CompactHashCheck=true,LeaseCheckpoint=false",
            1,
        ),
        (
            "--feature-gates=CompactHashCheck=true,SetMemberLocalAddr=true",
            "3.5",
            "--experimental-compact-hash-check-enabled=true",
            2,
        ),
        ("--feature-gates=SetMemberLocalAddr=true", "3.5", "", 1),
        ("--experimental-corrupt-check-time=1m", "3.7", "--corrupt-check-time=1m", 1),
        ("--corrupt-check-time=1m", "3.4", "--experimental-corrupt-check-time=1m", 1),
        ("--compact-hash-check-time=1m", "3.4", "", 1),
        ("--experimental-backend-bbolt-freelist-type=map", "3.5", "--backend-bbolt-freelist-type=map", 1),
        ("--backend-bbolt-freelist-type=map", "3.4", "--experimental-backend-bbolt-freelist-type=map", 1),
        ("--enable-v2=true --log-level=info", "3.6", "--log-level=info", 1),
        ("--debug", "3.5", "--log-level=debug", 1),
        ("--debug=false", "3.5", "", 1),
        ("--logger=capnslog", "3.5", "", 1),
        ("--logger=zap", "3.5", "--logger=zap", 0),
        ("--v2-deprecation=not-yet", "3.7", "", 1),
        ("--tls-min-version=TLS1.2", "3.4", "--tls-min-version=TLS1.2", 1),
        ("--tls-min-version=TLS1.2", "3.6", "--tls-min-version=TLS1.2", 0),
        ("--log-output=stderr", "3.4", "--log-output=stderr", 0),
        ("--log-output=stderr", "3.5", "--log-outputs=stderr", 1),
        ("--next-cluster-version-compatible=true", "3.5", "", 1),
        ("--snapshot=true --name-of-none=1", "3.5", "--name-of-none=1", 2),
        ("--force-new-cluster --discovery=https://d --proxy=off", "3.5", "", 2),
        ("--made-up=1", "3.6", "--made-up=1", 1),
        ("--experimental-corrupt-check-time=1m --corrupt-check-time=2m", "3.6", "--corrupt-check-time=2m", 1),
        // Without a version nothing is known to be wrong.
        ("--debug --enable-v2", "", "--debug --enable-v2", 0),
        ("--force-new-cluster=true", "", "", 1),
    ] {
        let fitted = etcd_flags::fit(etcd_flags::read(&shell_words::split(flags).unwrap()), version.parse().ok());
        let words: Vec<String> = fitted.flags.into_iter().flat_map(|flag| flag.words).collect();
        assert_eq!(words.join(" "), wanted, "{flags} for {version}");
        assert_eq!(fitted.changes.len(), changes, "{flags} for {version}: {:?}", fitted.changes);
        if changes > 0 {
            messages.push((format!("{flags} for {version:?}"), fitted.changes.join("\n")));
        }
    }
    crate::text::messages::hold("plan-flags-fitted", &messages);
}

#[test]
fn the_old_configuration_comes_along() {
    let plan = plan();
    let unit = config(
        ConfigKind::Unit,
        &[
            ("name", "m2"),
            ("data-dir", "/old"),
            ("listen-peer-urls", "http://10.0.0.2:2380"),
            ("initial-cluster-state", "new"),
            ("initial-cluster", "m1=http://old:2380"),
            ("force-new-cluster", "true"),
            ("discovery-srv", "example"),
            ("snapshot-count", "5000"),
            ("auth-token", "jwt,(withheld)"),
            ("experimental-watch-progress-notify-interval", "5s"),
        ],
    );
    let host = |adopt| HostKnown { host: "local".into(), configs: vec![unit.clone()], adopt, addresses: vec![] };
    let known = |adopt| Known { version: Some(Minor::V3_6), hosts: vec![host(adopt)], ..Known::default() };
    let adopted = &commands_on(&plan, &known(true))[1];
    assert!(
        adopted
            .command
            .ends_with("--initial-cluster-state=existing --snapshot-count=5000 --watch-progress-notify-interval=5s"),
        "{}",
        adopted.command
    );
    // Each flag that the row does not have bears its origin, those from one place in one line.
    let adopts = |note: &&String| note.contains("--snapshot-count=5000");
    let origins: Vec<&String> = adopted.notes.iter().filter(adopts).collect();
    let [origin] = origins.as_slice() else { panic!("{:?}", adopted.notes) };
    for flag in ["--snapshot-count=5000", "--experimental-watch-progress-notify-interval=5s"] {
        assert!(origin.contains(flag), "{origin}");
    }
    assert!(commands_on(&plan, &known(false))[1].notes.iter().all(|note| !adopts(&note)));
    let messages = [("adopted", (*origin).clone()), ("changed and left out", adopted.changes.join("\n"))];
    crate::text::messages::hold("plan-launch-adopted", &messages);
    // What the row has already counts; and its rows alone, where the plan was made from the configuration.
    let row = &commands_on(&plan, &known(false))[1];
    assert!(row.command.ends_with("--initial-cluster-state=existing"));
    assert!(row.changes.iter().any(|change| change.contains("force-new-cluster")));
    let other = &commands_on(&plan, &known(true))[0];
    assert!(!other.command.contains("watch-progress"), "it is m2's");
    crate::text::messages::hold("plan-launch-other", &[("a flag that m2 alone has", other.changes.join("\n"))]);
}

#[test]
fn a_container_unit_gets_no_drop_in() {
    let plan = plan();
    let unit = |runs| ConfigFacts { runs, ..config(ConfigKind::Unit, &[("name", "m2")]) };
    for (runs, fitting, drops_in, program) in [
        (Runs::Container("docker".into()), StartFormat::Docker, false, ""),
        (Runs::Container("podman".into()), StartFormat::Podman, false, ""),
        (Runs::Program("/usr/local/bin/etcd".into()), StartFormat::DropIn, true, "ExecStart=/usr/local/bin/etcd"),
        (Runs::Untold, StartFormat::DropIn, true, "ExecStart=/usr/bin/etcd"),
    ] {
        let host =
            HostKnown { host: "local".into(), configs: vec![unit(runs.clone())], adopt: true, addresses: vec![] };
        let known = Known { hosts: vec![host], ..Known::default() };
        assert_eq!(StartFormat::fitting(&plan, "m2", &known), fitting, "{runs:?}");
        for form in [StartFormat::DropIn, StartFormat::Environment, StartFormat::Config] {
            let page = page(&plan, "m2", form, &known);
            assert_eq!(page.is_ok(), drops_in, "{runs:?}");
            assert!(page.is_err() || page.unwrap().start.contains(program), "{runs:?}");
        }
    }
}

#[test]
fn a_missing_configuration_names_the_others_settings() {
    let mut plan = build_plan::build(&build_plan::tests::draft()).unwrap().plan;
    let flags = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut messages = Vec::new();
    for (own, others, differs) in [
        (vec![], flags(&["--quota-backend-bytes=4294967296"]), true),
        (vec![], flags(&["--listen-metrics-urls=http://10.0.0.1:1"]), true),
        (flags(&["--max-wals=9"]), flags(&["--max-wals", "8", "-pre-vote"]), true),
        (flags(&["--max-wals=9"]), flags(&["--max-wals=9"]), false),
        (flags(&["--max-wals=9"]), vec![], false),
        (vec![], vec![], true),
    ] {
        plan.members[0].etcd_flags.clone_from(&others);
        plan.members[1].etcd_flags.clone_from(&own);
        plan.members[2].etcd_flags.clone_from(&own);
        let found = &commands(&plan)[1].changes;
        assert_eq!(found.len(), usize::from(differs), "{found:?}");
        if differs {
            messages.push((format!("own {own:?}, others {others:?}"), found.join("\n")));
        }
        let page = page(&plan, "m2", StartFormat::Unit, &Known::default()).unwrap();
        assert!(found.iter().all(|words| page.notes.contains(words)));
    }
    crate::text::messages::hold("plan-launch-differs", &messages);
}

#[test]
fn own_listen_flags_are_kept() {
    let mut plan = plan();
    plan.members[0].etcd_flags = vec!["--listen-client-urls=http://0.0.0.0:2379".into()];
    let launch = &commands(&plan)[0];
    let listening: Vec<&String> = launch.argv.iter().filter(|w| w.starts_with("--listen-client-urls")).collect();
    assert_eq!(listening, ["--listen-client-urls=http://0.0.0.0:2379"]);
    let mut messages = vec![("own listen flags", launch.notes.join("\n"))];
    // On a host whose addresses are known, one that is not its own is named.
    plan.members[0].etcd_flags = vec!["--listen-client-urls=http://10.0.0.9:2379,http://10.0.0.1:2379".into()];
    let host = HostKnown { host: "local".into(), addresses: vec!["10.0.0.1".parse().unwrap()], ..HostKnown::default() };
    let notes = &commands_on(&plan, &Known { hosts: vec![host], ..Known::default() })[0].notes;
    messages.push(("one is not the host's", notes.join("\n")));
    crate::text::messages::hold("plan-launch-listen", &messages);
}

#[test]
fn the_runbook_names_its_plan_and_guards_commands() {
    let mut plan = plan();
    plan.members[2].peer_urls = vec!["http://host3:2380".into()];
    plan.members[2].client_urls = vec!["http://host3:2379".into()];
    plan.members[2].wal_dir = Some("/wal/m 3".into());
    let text = sheet(&plan);
    assert!(text.contains(&plan.short_id()));
    let mut messages = vec![("three members", text.clone())];
    for launch in commands(&plan) {
        assert!(text.contains(&launch.pretty));
    }
    plan.members.truncate(1);
    messages.push(("one member", sheet(&plan)));
    crate::text::messages::hold("plan-runbook", &messages);
}

proptest! {
    #[test]
    fn a_shell_reads_back_the_exact_words(name in "\\PC{1,8}", dir in "/\\PC{0,8}", flags in prop::collection::vec("--[a-z]{1,5}=\\PC{0,8}", 0..3)) {
        let mut plan = plan();
        plan.members[0].name = name;
        plan.members[0].data_dir = dir.into();
        plan.members[0].etcd_flags = flags;
        // what is not seen is written as the shell makes it, which shell_words does not run
        let words = plan.members[0].name.clone() + &plan.members[0].etcd_flags.concat();
        prop_assume!(!words.contains(is_hostile) && !plan.members[0].data_dir.to_string_lossy().contains(is_hostile));
        for launch in commands(&plan) {
            prop_assert_eq!(shell_words::split(&launch.command), Ok(launch.argv.clone()));
            prop_assert_eq!(shell_words::split(&launch.pretty), Ok(launch.argv.clone()));
        }
    }

    #[test]
    fn no_plan_file_escapes_its_comment(label in "(\\PC|[\n\r\t;`$]){0,12}", token in "(\\PC|\n){0,8}") {
        let mut plan = plan();
        (plan.label, plan.token) = (label, token);
        let text = sheet(&plan);
        let head = text.lines().take_while(|l| l.starts_with('#')).count();
        prop_assert!(head >= 6 && text.lines().nth(head) == Some(""), "{}", text);
    }
}

fn tls_plan() -> Plan {
    let mut plan = plan();
    let m = &mut plan.members[0];
    m.name = "a/b".into();
    m.host = "root@h1".into();
    m.data_dir = "/d,1/$x".into();
    m.wal_dir = Some("/wal".into());
    m.etcd_flags = [
        "--cert-file=/pki/etcd/s.crt",
        "--key-file",
        "/pki/etcd/s.key",
        "--peer-trusted-ca-file=/pki/etcd/sub/ca.crt",
        "--trusted-ca-file=/other/ca.crt",
        "--auth-token=jwt,pub-key=/jwt/p,priv-key=/jwt/q,sign-method=RS256",
    ]
    .map(String::from)
    .into();
    plan
}

fn made(plan: &Plan, form: StartFormat, known: &Known) -> Page {
    page(plan, &plan.members[0].name, form, known).unwrap()
}

#[test]
fn containers_mount_exactly_what_flags_name() {
    let plan = tls_plan();
    let known = Known { image: Some("img:1 2".into()), ..Known::default() };
    let run = made(&plan, StartFormat::Podman, &known).start;
    for words in [
        "podman run --detach --name=etcd-a_b --network=host",
        "'--mount=type=bind,\"source=/d,1/$x\",\"target=/d,1/$x\"' \\\n",
        "'--mount=type=bind,\"source=/d,1/$x/member\",\"target=/d,1/$x/member\"' \\\n",
        "--mount=type=bind,source=/wal,target=/wal \\\n",
        "--mount=type=bind,source=/pki/etcd,target=/pki/etcd,readonly \\\n",
        "--mount=type=bind,source=/other,target=/other,readonly \\\n",
        "--mount=type=bind,source=/jwt,target=/jwt,readonly \\\n",
        "\n  'img:1 2' \\\n  --name=a/b \\\n",
        "if test -d '/d,1/$x/member' && test -d /wal; then",
    ] {
        assert!(run.contains(words), "{words:?} is not in\n{run}");
    }
    assert!(!run.contains("/pki/etcd/sub,"), "it lies in what is mounted already");
    let unknown = made(&plan, StartFormat::Docker, &Known::default());
    assert!(unknown.start.contains("\n  \"${ETCD_IMAGE:?"), "{}", unknown.start);
    assert!(unknown.notes.iter().any(|note| note.contains("ETCD_IMAGE")));
    let compose = made(&plan, StartFormat::Compose, &known).files.remove(0).text;
    assert!(compose.contains("source: \"/d,1/$$x/member\"\n") && compose.contains("image: \"img:1 2\""), "{compose}");
    let read: serde_json::Value = serde_yaml::from_str(&compose).unwrap();
    assert_eq!(read["services"]["etcd-a_b"]["volumes"].as_array().unwrap().len(), 6);
}

#[test]
fn each_format_names_its_plan_and_guards_starting() {
    let plan = tls_plan();
    for form in StartFormat::all() {
        assert_eq!(form.as_str().parse(), Ok(form));
        let page = made(&plan, form, &Known { version: Some(Minor::V3_6), ..Known::default() });
        let text = page.text();
        if form == StartFormat::Shell {
            crate::text::messages::hold("plan-start-page", &[("a page for a shell", text.clone())]);
        }
        for words in [
            "etcdutl snapshot restore",
            &plan.short_id(),
            &plan.members[0].id.to_string(),
            &plan.cluster_id.to_string(),
        ] {
            assert!(text.contains(words), "{words:?} of {form:?} is not in\n{text}");
        }
        assert!(page.start.contains("test -d '/d,1/$x/member'") && page.start.contains("/wal"), "{}", page.start);
        let files: Vec<&str> = page.files.iter().map(|f| f.text.as_str()).collect();
        let unit = files.iter().find(|text| text.contains("[Unit]"));
        let asserted = unit.map(|unit| unit.matches("\nAssertPathIsDirectory=/").count());
        assert_eq!(asserted.unwrap_or(2), 2, "{form:?}");
        assert!(page.files.iter().all(|f| f.name.starts_with("a_b-")), "{:?}", page.files);
    }
    assert!("systemd-unit".parse::<StartFormat>().unwrap_err().contains("drop-in, env"));
}

#[test]
fn the_form_that_fits_and_its_places() {
    let mut plan = plan();
    plan.members.truncate(1);
    for (kind, path, form, place) in [
        (
            ConfigKind::Unit,
            "/lib/systemd/system/etcd2.service",
            StartFormat::DropIn,
            "/etc/systemd/system/etcd2.service.d/90-requorum.conf",
        ),
        (ConfigKind::EnvironmentFile, "/etc/sysconfig/etcd", StartFormat::Environment, "/etc/sysconfig/etcd"),
        (ConfigKind::ConfigFile, "/etc/etcd.conf.yml", StartFormat::Config, "/etc/etcd.conf.yml"),
        (ConfigKind::StaticPod, "/srv/m/manifests/etcd.yaml", StartFormat::Pod, "/srv/m/etcd-patch-"),
    ] {
        let mut config = config(kind, &[("name", "m1"), ("quota-backend-bytes", "8")]);
        config.origin = config::Origin::File(path.into());
        let host = HostKnown { host: "local".into(), configs: vec![config], adopt: true, addresses: vec![] };
        let known = Known { hosts: vec![host], ..Known::default() };
        assert_eq!(StartFormat::fitting(&plan, "m1", &known), form);
        let page = made(&plan, form, &known);
        assert!(page.files[0].place.starts_with(place), "{}", page.files[0].place);
        if kind == ConfigKind::Unit {
            // What the unit had in its environment would be a conflict with the flag.
            assert!(page.files[0].text.contains(" ETCD_QUOTA_BACKEND_BYTES"), "{}", page.files[0].text);
        }
        if kind == ConfigKind::StaticPod {
            assert!(page.start.contains("mv -nT /srv/m/manifests/etcd.yaml /srv/m/etcd.yaml.parked"), "{}", page.start);
        }
    }
    assert_eq!(StartFormat::fitting(&plan, "m1", &Known::default()), StartFormat::Shell);
}

#[test]
fn what_a_form_cannot_hold_is_refused() {
    let mut plan = plan();
    plan.members[0].etcd_flags = vec!["--peer-crl-file=/x".into()];
    let refused = page(&plan, "m1", StartFormat::Config, &Known::default()).unwrap_err();
    let mut messages = vec![("a flag without a key", refused)];
    plan.members[0].etcd_flags = vec!["--log-outputs=/a\nb".into()];
    let refused = |name: &str, format| page(&plan, name, format, &Known::default()).unwrap_err();
    messages.push(("a line end in a variable", refused("m1", StartFormat::Environment)));
    messages.push(("no member", refused("m9", StartFormat::Shell)));
    crate::text::messages::hold("plan-launch-refused", &messages);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_plan_escapes_any_formats_comment(odd in "(\\PC|[\n\r'\"`$\\\\%;]){0,10}") {
        let mut plan = plan();
        (plan.label, plan.token) = (odd.clone(), odd.clone());
        plan.members[0].host = odd.clone();
        plan.source.path = odd.into();
        for form in [StartFormat::Unit, StartFormat::Config, StartFormat::Compose, StartFormat::Pod] {
            let Ok(page) = page(&plan, "m1", form, &Known::default()) else { continue };
            let head: Vec<&str> = page.head.lines().filter(|line| !line.starts_with('#')).collect();
            prop_assert!(head.is_empty(), "{:?}", head);
        }
    }
}
