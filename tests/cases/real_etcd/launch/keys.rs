//! Every flag in `etcd.conf.yml`, as the form for it writes it: the programs take each key in its type, and know each key.

use std::{fs, path::Path, process::Command};

use requorum::{
    domain::{
        members::etcd_flags,
        model::{
            observations::config::{ConfigFacts, ConfigKind, Origin, Setting},
            plan::Plan,
        },
        render::start::{
            HostKnown, Known, StartFormat, page,
            values::{ValueKind, kind},
        },
    },
    system::discovery,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::forms::yaml;
use crate::{
    real_etcd::end_to_end::Planned,
    support::{
        cluster::{Member, Place},
        fixture, json as json_of, requorum,
        servers::Server,
        succeed,
    },
};

/// A value that a flag takes, and that is not what it is without the flag where that is possible.
fn value(flag: &str) -> &'static str {
    match (flag, kind(flag)) {
        ("pre-vote" | "strict-reconfig-check" | "enable-grpc-gateway" | "initial-election-tick-advance", _) => "false",
        ("experimental-txn-mode-write-with-shared-buffer", _) => "false",
        // It wants a single file to write to.
        ("enable-log-rotation", _) => "false",
        ("heartbeat-interval", _) => "200",
        ("cipher-suites", _) => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        ("log-output" | "log-outputs", _) => "stderr",
        (_, ValueKind::Switch) => "true",
        (_, ValueKind::Count | ValueKind::Number) => "7",
        (_, ValueKind::Duration) => "7s",
        (_, ValueKind::List) => "a,b",
        ("auto-compaction-mode", _) => "revision",
        ("auto-compaction-retention", _) => "8",
        ("auth-token", _) => "simple",
        ("backend-bbolt-freelist-type" | "experimental-backend-bbolt-freelist-type", _) => "array",
        ("cors", _) => "*",
        ("feature-gates", _) => "CompactHashCheck=true",
        ("listen-peer-urls" | "listen-client-urls" | "listen-metrics-urls" | "listen-client-http-urls", _) => {
            "http://127.0.0.1:1"
        }
        ("log-format", _) => "console",
        ("log-level", _) => "warn",
        ("log-rotation-config-json", _) => r#"{"maxsize": 7}"#,
        ("logger", _) => "zap",
        ("metrics", _) => "extensive",
        ("tls-min-version", _) => "TLS1.2",
        ("tls-max-version", _) => "TLS1.3",
        ("v2-deprecation", _) => "write-only",
        _ => "some text",
    }
}

/// The file for a member that was started with these flags.
fn file(plan: &Plan, server: &Server, flags: &[&str]) -> Result<Value, String> {
    let setting = |flag: &&str| Setting { flag: (*flag).into(), value: value(flag).into(), from: String::new() };
    let name = Setting { flag: "name".into(), value: plan.members[0].name.clone(), from: String::new() };
    let config = ConfigFacts {
        origin: Origin::File("/etc/default/etcd".into()),
        kind: ConfigKind::EnvironmentFile,
        flags: flags.iter().filter(|flag| **flag != "name").map(setting).chain([name]).collect(),
        data_dir: None,
        wal_dir: None,
        automation: Vec::new(),
        notes: Vec::new(),
        runs: Default::default(),
    };
    let host = HostKnown { host: plan.members[0].host.clone(), configs: vec![config], adopt: true, addresses: vec![] };
    let known = Known { version: server.minor.parse().ok(), hosts: vec![host], ..Known::default() };
    page(plan, &plan.members[0].name, StartFormat::Config, &known).map(|page| yaml(&page.files[0].text))
}

/// What etcd says of a file whose election timeout is too short for it: it reads all of it, and never starts. Keys of the proxy
/// it reads after that, so for them the timeout is right, and only the directory cannot be.
fn said(server: &Server, dir: &Path, document: &Value, timeout: u64) -> String {
    let mut document = document.clone();
    for (key, value) in [("election-timeout", json!(timeout)), ("data-dir", json!("/dev/null/etcd"))] {
        if !document[key].is_object() {
            document[key] = value;
        }
    }
    let file = dir.join("etcd.conf.yml");
    fs::write(&file, document.to_string()).unwrap();
    let out = Command::new(server.dir().join("etcd")).arg("--config-file").arg(&file).env_clear().output().unwrap();
    assert!(!out.status.success());
    String::from_utf8_lossy(&out.stderr).into_owned() + &String::from_utf8_lossy(&out.stdout)
}

/// Each flag of each version, by the server's own reading.
pub fn every_key(server: &Server) {
    let dir = TempDir::new().unwrap();
    let places = Place::take(1);
    let plan = Planned::new(&fixture("3.4.23-small.db"), &places, dir.path(), &["--etcd-version", server.minor]).plan;
    let minor = server.minor.parse().unwrap();
    let early = |flag: &str| {
        let of = requorum::domain::members::etcd_flags::patches::of_flag(flag, minor);
        let key = requorum::domain::members::etcd_flags::patches::of_key(flag, minor);
        of.max(key).is_some_and(|patch| u64::from(server.patch()) < patch)
    };
    // 3.4 takes one of both names for where it logs.
    let all: Vec<&str> =
        etcd_flags::of_version(minor).into_iter().filter(|flag| !early(flag) && *flag != "log-output").collect();
    let refused: Vec<&str> = all.iter().copied().filter(|flag| file(&plan, server, &[flag]).is_err()).collect();
    let without_key: &[&str] = match server.minor {
        "3.4" => &[
            "client-cert-allowed-hostname",
            "client-crl-file",
            "experimental-peer-skip-client-san-verification",
            "peer-cert-allowed-cn",
            "peer-cert-allowed-hostname",
            "peer-crl-file",
        ],
        "3.5" => &[
            "client-crl-file",
            "experimental-peer-skip-client-san-verification",
            "peer-crl-file",
            "raft-read-timeout",
            "raft-write-timeout",
        ],
        _ => &["client-crl-file", "peer-crl-file", "raft-read-timeout", "raft-write-timeout"],
    };
    let mut sorted = refused.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, without_key);

    let kept: Vec<&str> = all.iter().copied().filter(|flag| !refused.contains(flag)).collect();
    let document = file(&plan, server, &kept).unwrap();
    let heard = said(server, dir.path(), &document, 1);
    let fine = |heard: &str| heard.contains("election-timeout") && !heard.contains("unmarshal");
    assert!(fine(&heard), "{heard}\n{document:#}");

    // A key that etcd knows is refused with a value of no type of its; one that it does not know it would pass over.
    let mut paths: Vec<Vec<String>> = Vec::new();
    for (key, value) in document.as_object().unwrap() {
        match value.as_object() {
            Some(inner) => paths.extend(inner.keys().map(|name| vec![key.clone(), name.clone()])),
            None => paths.push(vec![key.clone()]),
        }
    }
    assert!(paths.len() > 50, "{paths:?}");
    // What we add for later patches an early one passes over, to no harm.
    for path in paths.into_iter().filter(|path| !early(&path[0])) {
        let mut wrong = document.clone();
        let at = path.iter().fold(&mut wrong, |value, key| &mut value[key.as_str()]);
        *at = json!({"no": "value"});
        let timeout = if path[0].starts_with("proxy") { 1000 } else { 1 };
        let heard = said(server, dir.path(), &wrong, timeout);
        assert!(heard.contains("cannot unmarshal"), "{} of etcd {}: {heard}", path.join(": "), server.full);
    }
}

/// etcd's own sample file of 3.4 and 3.5, with its numbers for the proxy that is off, comes back as a file with which etcd
/// starts; so does what we wrote ourselves.
pub fn config_again(server: &Server) {
    let dir = TempDir::new().unwrap();
    let places = Place::take(1);
    let plan = Planned::new(&fixture("3.4.23-small.db"), &places, dir.path(), &["--etcd-version", server.minor]);
    succeed(requorum(["restore", "--plan"]).arg(&plan.file));
    let mut old = dir.path().join("old.yml");
    fs::write(&old, OLD).unwrap();
    for round in ["old.yml", "again.yml"] {
        let mut launch = requorum(["launch", "-w", "json", "--format", "config", "--plan"]);
        launch.arg(&plan.file).arg("--old").arg(format!("m1={}", old.display()));
        let page = json_of(&mut launch)[0].clone();
        let text = page["files"][0]["text"].as_str().unwrap();
        old = dir.path().join("again.yml");
        fs::write(&old, text).unwrap();
        let read = yaml(text);
        if server.minor < "3.6" {
            assert_eq!(read["proxy-failure-wait"], json!(5000), "{round}: {text}");
        }
        assert_eq!(read["auto-compaction-mode"], json!("periodic"), "{round}: {text}");
        assert_eq!(read["quota-backend-bytes"], json!(8_589_934_592u64), "{round}: {text}");
        let line = format!("etcd --config-file={}", old.display());
        let mut member = Member::start(server, &places[0], &plan.plan.members[0].data_dir, &line, &[]);
        assert_eq!(member.wait_ready(None).contents().keys.len(), 100);
        let log = member.log();
        member.stop();
        // From 3.5 on the server tells what it took.
        if server.minor != "3.4" {
            for words in [
                r#""auto-compaction-mode":"periodic""#,
                r#""auto-compaction-interval":"1h0m0s""#,
                r#""quota-backend-bytes":8589934592"#,
                r#""snapshot-count":5000"#,
            ] {
                assert!(log.contains(words), "{round}: {words} is not in\n{log}");
            }
        }
    }
    let read = discovery::one(&old, true).unwrap();
    assert_eq!(read.get("grpc-keepalive-min-time"), Some("7s"), "{:?}", read.flags);
}

/// As etcd's sample has it, with more that people set.
const OLD: &str = "name: 'm1'
data-dir: /var/lib/etcd
snapshot-count: 5000
heartbeat-interval: 100
election-timeout: 1000
quota-backend-bytes: 8589934592
max-snapshots: 3
cors:
listen-client-urls: 'http://127.0.0.1:30270'
advertise-client-urls: 'http://127.0.0.1:30270'
discovery-fallback: 'proxy'
strict-reconfig-check: false
enable-v2: true
enable-pprof: true
proxy: 'off'
proxy-failure-wait: 5000
proxy-refresh-interval: 30000
proxy-dial-timeout: 1000
proxy-write-timeout: 5000
proxy-read-timeout: 0
client-transport-security:
  cert-file:
  client-cert-auth: false
peer-transport-security:
  auto-tls: false
debug: false
log-package-levels:
log-outputs: [stderr]
logger: zap
force-new-cluster: false
auto-compaction-retention: 1
grpc-keepalive-min-time: 7000000000
no-key-of-etcd: 5
";

/// Variables of images and of Kubernetes reach no command line: etcd starts with what is left.
pub fn foreign_variables(server: &Server) {
    let dir = TempDir::new().unwrap();
    let places = Place::take(1);
    let plan = Planned::new(&fixture("3.4.23-small.db"), &places, dir.path(), &["--etcd-version", server.minor]);
    succeed(requorum(["restore", "--plan"]).arg(&plan.file));
    let old = dir.path().join("etcd.env");
    fs::write(
        &old,
        "ETCD_NAME=m1\nETCD_ON_K8S=yes\nETCD_ROOT_PASSWORD=hunter2\nETCD_CONF_FILE=/opt/c.yaml\nETCD_PORT=tcp://10.96.0.7:2379\n\
         ETCD_PORT_2379_TCP=tcp://10.96.0.7:2379\nETCD_SERVICE_HOST=10.96.0.7\nETCD_IMAGE_TAG=v3.5.9\nETCD_CA_FILE=/ca.pem\n\
         ETCD_VER=v3.5.9\nETCD_QUOTA_BACKEND_BYTES=8589934592\n",
    )
    .unwrap();
    let mut launch = requorum(["launch", "-w", "json", "--plan"]);
    let said = json_of(launch.arg(&plan.file).arg("--old").arg(format!("m1={}", old.display())))[0].clone();
    assert!(!said.to_string().contains("hunter2"), "{said}");
    let changes = said["changes"].to_string();
    for name in
        ["ETCD_ON_K8S", "ETCD_ROOT_PASSWORD", "ETCD_PORT_2379_TCP", "ETCD_IMAGE_TAG", "ETCD_CA_FILE", "ETCD_VER"]
    {
        assert!(changes.contains(name), "{name} is not in {changes}");
    }
    let line = said["command"].as_str().unwrap();
    assert!(line.contains("--quota-backend-bytes=8589934592") && !line.contains("10.96"), "{line}");
    let mut member = Member::start(server, &places[0], &plan.plan.members[0].data_dir, line, &[]);
    assert_eq!(member.wait_ready(None).contents().keys.len(), 100);
    member.stop();
}
