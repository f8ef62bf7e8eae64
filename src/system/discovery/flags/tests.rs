//! Arguments, variables and files that flags are read from.
#![allow(clippy::unwrap_used)]

use super::*;

fn pairs(settings: &[Setting]) -> Vec<(&str, &str)> {
    settings.iter().map(|s| (s.flag.as_str(), s.value.as_str())).collect()
}

#[test]
fn arguments_in_all_of_gos_forms() {
    let words = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
    for (line, expected) in [
        ("--name m1 -data-dir=/d", vec![("name", "m1"), ("data-dir", "/d")]),
        ("--name=a --name=b", vec![("name", "b")]),
        ("--client-cert-auth --name m1", vec![("client-cert-auth", "true"), ("name", "m1")]),
        ("--client-cert-auth=false", vec![("client-cert-auth", "false")]),
        ("--enable-v2 stray --name m1", vec![("enable-v2", "true")]),
        ("--name --debug", vec![("name", "true"), ("debug", "true")]),
        ("--initial-cluster a=http://h:1,b=http://i:1", vec![("initial-cluster", "a=http://h:1,b=http://i:1")]),
        ("-- --name m1", vec![("", "true")]),
    ] {
        let found = of_args(&words(line), "here");
        let expected: Vec<_> = expected.into_iter().filter(|(flag, _)| !flag.is_empty()).collect();
        assert_eq!(pairs(&found), expected, "{line}");
    }
}

#[test]
fn variables_stand_behind_arguments() {
    let variables = [
        ("ETCD_NAME", "other", "env"),
        ("ETCD_INITIAL_CLUSTER_STATE", "new", "env"),
        ("ETCD_WAL_DIR", "", "env"),
        ("ETCDCTL_USER", "root:secret", "env"),
        ("ETCD_UNSUPPORTED_ARCH", "arm64", "env"),
        ("PATH", "/bin", "env"),
    ];
    let args = of_args(&["--name=m1".to_string()], "args");
    let mut notes = Vec::new();
    let all = merged(args, of_variables(variables, &mut notes));
    assert_eq!(pairs(&all), [("name", "m1"), ("initial-cluster-state", "new")]);
    assert_eq!(notes, ["ETCD_UNSUPPORTED_ARCH is not a flag: set it again in etcd's environment"]);
    assert_eq!((all[0].from.as_str(), all[1].from.as_str()), ("args", "env"));
}

#[test]
fn variables_that_are_no_flags_are_named() {
    for (names, flags, unknown) in [
        (
            "ETCD_ON_K8S ETCD_ROOT_PASSWORD ETCD_QUOTA_BACKEND_BYTES",
            "quota-backend-bytes",
            "ETCD_ON_K8S and ETCD_ROOT_PASSWORD",
        ),
        ("ETCD_PORT ETCD_PORT_2379_TCP ETCD_SERVICE_HOST", "", "ETCD_PORT, ETCD_PORT_2379_TCP and ETCD_SERVICE_HOST"),
        ("ETCD_IMAGE_TAG ETCD_USER ETCD_NAME", "name", "ETCD_IMAGE_TAG and ETCD_USER"),
        ("ETCD_CA_FILE", "", "ETCD_CA_FILE"),
        ("ETCD_VER ETCD_VERSION", "", "ETCD_VER and ETCD_VERSION"),
        ("ETCD_DATA-DIR", "", "ETCD_DATA-DIR"),
        ("ETCD_name ETCD_", "", "ETCD_ and ETCD_name"),
        ("ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK ETCD_DEBUG", "experimental-initial-corrupt-check debug", ""),
        ("ETCD_DISCOVERY_TOKEN ETCDCTL_API PATH", "discovery-token", ""),
    ] {
        let mut notes = Vec::new();
        let found = of_variables(names.split(' ').map(|name| (name, "hunter2", "env")), &mut notes);
        let found: Vec<&str> = found.iter().map(|s| s.flag.as_str()).collect();
        assert_eq!(found.join(" "), flags, "{names}");
        assert_eq!(notes.len(), usize::from(!unknown.is_empty()), "{names}: {notes:?}");
        assert!(notes.iter().all(|note| note.contains(unknown) && !note.contains("hunter2")), "{names}: {notes:?}");
    }
}

#[test]
fn variables_holding_flags_are_expanded() {
    for (name, value, named) in [
        ("ETCD_OPTS", "--name m1 --quota-backend-bytes=8589934592", Some("--quota-backend-bytes=8589934592")),
        ("DAEMON_ARGS", "--snapshot-count=5000", Some("--snapshot-count=5000")),
        ("OPTIONS", "-max-wals 9", Some("--max-wals=9")),
        ("OPTIONS", "--discovery-password=hunter2", Some("--discovery-password=(withheld)")),
        ("OPTIONS", "--no-such-flag=1", None),
        ("HOME", "/root", None),
    ] {
        let mut notes = Vec::new();
        assert_eq!(of_variables([(name, value, "env")], &mut notes), [], "{name}");
        assert_eq!(notes, [] as [String; 0], "{name}");
        let said = in_text([(name, value)]);
        assert_eq!(said.len(), usize::from(named.is_some()), "{said:?}");
        assert!(said.iter().all(|note| note.contains(named.unwrap()) && !note.contains("hunter2")), "{said:?}");
    }
    let mut notes = Vec::new();
    of_variables([("GOMAXPROCS", "4", "env"), ("GODEBUG", "x=1", "env"), ("GOPATH", "/", "env")], &mut notes);
    assert!(
        matches!(&notes[..], [one] if one.contains("GODEBUG") && one.contains("GOMAXPROCS") && !one.contains("GOPATH")),
        "{notes:?}"
    );
}

/// Held against etcd 3.4 to 3.7: each says "… is not a valid flag".
#[test]
fn words_after_the_flags_are_named() {
    let words = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
    for (line, flags, rest) in [
        ("--name=m1 --pre-vote false --snapshot-count=5", vec![("name", "m1"), ("pre-vote", "true")], Some("false")),
        ("--name=m1 -- --snapshot-count=5", vec![("name", "m1")], Some("--snapshot-count=5")),
        ("--name=m1 --", vec![("name", "m1")], None),
        ("--name m1 --pre-vote=false", vec![("name", "m1"), ("pre-vote", "false")], None),
    ] {
        assert_eq!(pairs(&of_args(&words(line), "")), flags, "{line}");
        let note = beyond(&words(line));
        assert_eq!(note.is_some(), rest.is_some(), "{line}");
        let first = rest.map(|rest| format!(" {rest} "));
        assert!(first.is_none_or(|first| note.as_ref().unwrap().contains(&first)), "{note:?}");
    }
    let note = beyond(&words("--pre-vote false --snapshot-count=5")).unwrap();
    assert!(note.ends_with("false --snapshot-count=5"), "{note}");
}

/// Held against etcd 3.4 to 3.7: each says "cannot unmarshal …" to the odd ones, and starts with the others.
#[test]
fn forms_etcd_rejects_in_files_are_named() {
    let noted = |text: &str| {
        let mut notes = Vec::new();
        of_file(&super::super::yaml::parse(text).unwrap(), "f", &mut notes);
        notes
    };
    let example = noted("pre-vote: \"false\"").join("\n");
    crate::text::messages::hold("discovery-file-form", &[("a word in quotes", example.clone())]);
    // of the same kind is a note that is like it but for the key
    let (before, after) = example.split_once("pre-vote").unwrap();
    let noted = |text: &str| noted(text).iter().any(|note| note.starts_with(before) && note.ends_with(after));
    for odd in [
        "heartbeat-interval: \"250\"",
        "heartbeat-interval: 250.5",
        "pre-vote: \"false\"",
        "listen-client-urls: [http://a:1]",
        "cipher-suites: TLS_X",
        "client-transport-security: {client-cert-auth: \"true\"}",
        "auto-compaction-retention: 1",
        "name: 5",
    ] {
        assert!(noted(odd), "{odd}");
    }
    for taken in [
        "heartbeat-interval: 250",
        "heartbeat-interval:",
        "pre-vote: yes",
        "pre-vote: false",
        "listen-client-urls: http://a:1,http://b:1",
        "cipher-suites: [TLS_X]",
        "auto-compaction-retention: \"1\"",
        "quota-backend-bytes: 8_000_000",
        "log-outputs: [stderr]",
        "unknown: [1]",
    ] {
        assert!(!noted(taken), "{taken}");
    }
}

#[test]
fn the_keys_of_a_configuration_file() {
    let of = |document: serde_json::Value| {
        let mut notes = Vec::new();
        let mut found = of_file(&document, "file", &mut notes);
        found.sort_by(|a, b| a.flag.cmp(&b.flag));
        let found: Vec<String> = found.iter().map(|s| format!("{}={}", s.flag, s.value)).collect();
        (found.join(" "), notes.len())
    };
    for (document, expected, notes) in [
        (
            serde_json::json!({
                "name": "m1", "snapshot-count": 10000, "wal-dir": null, "cors": "", "force-new-cluster": false,
                "client-transport-security": {"cert-file": "/c", "client-cert-auth": true, "key-file": null},
                "peer-transport-security": {"cert-file": "/p", "auto-tls": false},
                "log-outputs": ["stderr", "/var/log/etcd"],
            }),
            "cert-file=/c client-cert-auth=true force-new-cluster=false log-outputs=stderr,/var/log/etcd name=m1 \
             peer-auto-tls=false peer-cert-file=/p snapshot-count=10000",
            0,
        ),
        // Numbers for texts and texts for numbers, nanoseconds, the switches of YAML 1.1, keys in any case.
        (
            serde_json::json!({"auto-compaction-retention": 1, "auto-compaction-mode": "periodic"}),
            "auto-compaction-mode=periodic auto-compaction-retention=1",
            1,
        ),
        (
            serde_json::json!({"grpc-keepalive-min-time": 90_000_000_000i64, "backend-batch-interval": 0}),
            "backend-batch-interval=0s grpc-keepalive-min-time=90s",
            0,
        ),
        (
            serde_json::json!({"pre-vote": "yes", "enable-pprof": "off", "quota-backend-bytes": "8_000"}),
            "enable-pprof=false pre-vote=true quota-backend-bytes=8_000",
            0,
        ),
        (
            serde_json::json!({"NAME": "m1", "Peer-Transport-Security": {"Cert-File": "/p"}}),
            "name=m1 peer-cert-file=/p",
            0,
        ),
        // Keys whose flags are called otherwise.
        (
            serde_json::json!({
                "socket-options": {"reuse-port": true}, "experimental-snapshot-catch-up-entries": 5,
                "peer-transport-security": {"allowed-cn": ["a", "b"], "skip-client-san-verification": true},
                "client-transport-security": {"allowed-hostname": "h"},
            }),
            "client-cert-allowed-hostname=h experimental-snapshot-catchup-entries=5 peer-cert-allowed-cn=a,b \
             peer-skip-client-san-verification=true socket-reuse-port=true",
            0,
        ),
        // What etcd passes over, and what no flag says.
        (serde_json::json!({"snapshot-cout": 5, "image": "x", "services": {"a": 1}}), "", 1),
        (serde_json::json!({"client-transport-security": {"allowed-cn": ["a"]}, "discovery-config": {"x": 1}}), "", 1),
        (serde_json::json!({"auto-compaction-retention": "1"}), "auto-compaction-retention=1", 1),
        (serde_json::json!({"auto-compaction-retention": "0"}), "auto-compaction-retention=0", 0),
    ] {
        assert_eq!(of(document.clone()), (expected.to_string(), notes), "{document}");
    }
}

#[test]
fn secrets_are_not_kept() {
    for (flag, value, kept) in [
        ("auth-token", "jwt,pub-key=/a,priv-key=/b,sign-method=RS256", "jwt,pub-key=/a,priv-key=/b,sign-method=RS256"),
        ("auth-token", "jwt,secret=x,sign-method=HS256", "jwt,(withheld)"),
        ("auth-token", "simple", "simple"),
        ("discovery-password", "hunter2", "(withheld)"),
        ("discovery-user", "anna:hunter2", "anna:(withheld)"),
        ("discovery-proxy", "http://anna:hunter2@proxy:3128/x@y", "http://(withheld)@proxy:3128/x@y"),
        ("initial-cluster-token", "prod-eu", "prod-eu"),
        ("listen-client-urls", "http://10.0.0.1:2379,http://u:p@h:1", "http://10.0.0.1:2379,http://(withheld)@h:1"),
    ] {
        let found = of_args(&[format!("--{flag}={value}")], "");
        assert_eq!(found[0].value, kept, "{flag}");
    }
}
