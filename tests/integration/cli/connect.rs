//! How members are named on the command line: endpoints, the variables of etcdctl, `--gone`, and clusters of the
//! configuration.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::support::{self, ended, fixture, pty::Pty, requorum, said};

fn probe(args: &[&str]) -> Command {
    let mut command = requorum(["probe", "--no-discover"]);
    command.args(args);
    command
}

/// An address where nothing listens.
fn silent() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn endpoints_with_a_slip_are_refused_with_their_correction() {
    for (typed, words) in [
        ("http:/127.0.0.1:2379", "one slash is missing: http://127.0.0.1:2379?"),
        ("htp://127.0.0.1:2379", "http://127.0.0.1:2379?"),
        ("127.0.0.1:99999", "port 99999"),
        ("127.0.0.1 :2379", "http://127.0.0.1:2379?"),
        ("127.0.0.1:2379;127.0.0.1:2381", "only a comma separates two endpoints: 127.0.0.1:2379,127.0.0.1:2381?"),
        ("127.0.0.1:2379 127.0.0.1:2381", "only a comma"),
        ("[127.0.0.1:2379]", "brackets"),
        ("\"127.0.0.1:2379\"", "quotes"),
        ("m1=http://127.0.0.1:2379", "the name \"m1\""),
        ("[\"http://a:2379\",\"http://b:2379\"]", "http://a:2379,http://b:2379?"),
        ("127.0.0.1", "port is missing"),
    ] {
        ended(&probe(&["--endpoints", typed]).output().unwrap(), 2, &[words]);
        ended(&probe(&[]).env("ETCDCTL_ENDPOINTS", typed).output().unwrap(), 2, &[words]);
    }
    let (dir, bad) = (tempfile::tempdir().unwrap(), "http:/127.0.0.1:1");
    let file = dir.path().join("x.db");
    let mut save = requorum(["snapshot", "save", "--endpoints", bad]);
    ended(&save.arg(&file).output().unwrap(), 2, &["one slash is missing"]);
    ended(&requorum(["--endpoints", bad]).output().unwrap(), 2, &["one slash is missing"]);
    // a password in one is not repeated
    let text = ended(&probe(&["--endpoints", "http://root:geheim@127.0.0.1:1"]).output().unwrap(), 2, &["password"]);
    assert!(!text.contains("geheim"), "{text}");
    ended(&probe(&["--endpoints", &format!(" {} ,", silent())]).output().unwrap(), 5, &[]);
}

#[test]
fn variables_of_etcdctl_as_it_takes_them() {
    let with = |name: &str, value: &str| probe(&["--endpoints", &silent()]).env(name, value).output().unwrap();
    let names = [
        "CACERT",
        "CERT",
        "KEY",
        "USER",
        "PASSWORD",
        "ENDPOINTS",
        "API",
        "INSECURE_SKIP_TLS_VERIFY",
        "INSECURE_TRANSPORT",
        "DIAL_TIMEOUT",
        "COMMAND_TIMEOUT",
        "WRITE_OUT",
        "DEBUG",
        "DISCOVERY_SRV",
    ];
    for name in names {
        ended(&with(&format!("ETCDCTL_{name}"), ""), 5, &[]);
    }
    for value in ["1", "0", "t", "T", "f", "F", "TRUE", "True", "False", "FALSE", "true", "false"] {
        for name in ["ETCDCTL_INSECURE_SKIP_TLS_VERIFY", "ETCDCTL_INSECURE_TRANSPORT"] {
            let said = ended(&with(name, value), 5, &[]);
            let skips = ["1", "t"].contains(&value.to_lowercase().as_str()) || value.to_lowercase() == "true";
            let warned = said.contains("server certificates are not verified");
            assert_eq!(warned, skips && name.contains("SKIP"), "{name}={value}: {said}");
        }
    }
    ended(&with("ETCDCTL_INSECURE_TRANSPORT", "yes"), 2, &["boolean"]);
    for (name, value) in [("DEBUG", "1"), ("HEX", "true"), ("KEEPALIVE_TIME", "2s"), ("KEEPALIVE_TIMEOUT", "6s")] {
        ended(&with(&format!("ETCDCTL_{name}"), value), 5, &[]);
    }
    ended(&with("ETCDCTL_IMAGE", "x"), 5, &["ETCDCTL_IMAGE", "ignored"]);
    ended(&with("ETCDCTL_DISCOVERY_SRV", "example"), 2, &["ETCDCTL_DISCOVERY_SRV"]);
    ended(&with("ETCDCTL_CA_CERT", "x"), 2, &["meant as ETCDCTL_CACERT"]);
    for flag in ["--insecure-skip-tls-verify=true", "--insecure-skip-tls-verify", "--insecure-skip-tls-verify=1"] {
        ended(&probe(&["--endpoints", &silent(), flag]).output().unwrap(), 5, &["not verified"]);
    }
    ended(&probe(&["--endpoints", &silent(), "--insecure-skip-tls-verify=false"]).output().unwrap(), 5, &[]);
}

/// `--gone` takes what names a member: its endpoint as it was asked, as a URL or without its scheme.
#[test]
fn gone_takes_every_name_of_an_endpoint() {
    let (first, second) = (silent(), silent());
    let both = format!("{first},http://{second}");
    for gone in [
        first.clone(),
        format!("http://{first}"),
        format!("http://{first}/"),
        second.clone(),
        format!("HTTP://{second}"),
    ] {
        let said = ended(&probe(&["--endpoints", &both, "--gone", &gone]).output().unwrap(), 14, &[]);
        assert!(!said.contains("not among"), "{gone}: {said}");
    }
    for gone in ["127.0.0.1:1", "m9", "http://example:2379"] {
        ended(
            &probe(&["--endpoints", &both, "--gone", gone]).output().unwrap(),
            2,
            &["not among the endpoints", &first],
        );
    }
}

/// A member that takes the connection and sends nothing: what is waited for, and how long, is reported meanwhile.
#[test]
fn a_silent_member_is_reported_while_it_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut save = requorum(["snapshot", "save", "--endpoints", &listener.local_addr().unwrap().to_string()]);
    let mut child = save.arg(dir.path().join("x.db")).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = lines.map_while(Result::ok).find(|line| line.contains("at most"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(first.is_some_and(|line| line.contains("30 s")));
}

struct Config {
    dir: tempfile::TempDir,
}

impl Config {
    fn new(text: &str) -> Config {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("requorum")).unwrap();
        let made = Config { dir };
        fs::write(made.file(), text).unwrap();
        made
    }

    fn file(&self) -> std::path::PathBuf {
        self.dir.path().join("requorum/config.yaml")
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = requorum(args);
        command.env("XDG_CONFIG_HOME", self.dir.path());
        command
    }
}

#[test]
fn clusters_are_listed_and_shown() {
    let config = Config::new(
        "clusters:\n  prod-eu:\n    endpoints: https://10.0.0.1:2379,https://10.0.0.2:2379\n    cacert: ca.crt\n  dev: {endpoints: ['a:2379'], label: Dev}\n",
    );
    let text = ended(&config.run(&["cluster", "list"]), 0, &["prod-eu", "https://10.0.0.2:2379", "Dev"]);
    assert!(text.contains(&config.file().display().to_string()), "{text}");
    ended(&config.run(&["cluster", "show", "prod-eu"]), 0, &["requorum/ca.crt", "label"]);
    let value = support::json(&mut config.command(&["cluster", "show", "dev", "-w", "json"]));
    assert_eq!((value["name"].as_str(), value["label"].as_str()), (Some("dev"), Some("Dev")));
    let list = support::json(&mut config.command(&["cluster", "list", "-w", "json"]));
    assert_eq!(list["clusters"].as_array().unwrap().len(), 2);
    ended(&config.run(&["cluster", "show", "prod-e"]), 2, &["Did you mean prod-eu?"]);
    ended(&config.run(&["probe", "--cluster", "staging"]), 2, &["prod-eu"]);
    ended(&config.run(&["prod-e"]), 2, &["prod-eu"]);
    ended(&config.run(&["zzz"]), 2, &["neither a command nor a cluster"]);
    // only the first word may be a cluster
    let below = ended(&config.run(&["snapshot", "prod-eu"]), 2, &["unrecognized subcommand"]);
    assert!(!below.contains("cluster prod-eu") && !below.contains("--cluster"), "{below}");
    ended(&config.run(&["guide", "--cluster", "dev"]), 2, &[]);
    ended(&requorum(["cluster", "list"]).env("XDG_CONFIG_HOME", "/nowhere").output().unwrap(), 0, &["No clusters"]);
}

/// The endpoints that a probe asked are in its output.
#[test]
fn a_cluster_is_asked_by_its_name_and_flags_come_first() {
    let (of_cluster, of_flag, of_variable) = (silent(), silent(), silent());
    let config = Config::new(&format!("clusters: {{prod: {{endpoints: ['{of_cluster}']}}}}"));
    let asked = |output: &Output| {
        [&of_cluster, &of_flag, &of_variable].map(|endpoint| said(output).contains(endpoint.as_str()))
    };
    for args in [
        &["probe", "--no-discover", "--cluster", "prod"][..],
        &["--cluster", "prod", "probe", "--no-discover"],
        &["prod", "probe", "--no-discover"],
    ] {
        let output = config.command(args).env("ETCDCTL_ENDPOINTS", &of_variable).output().unwrap();
        assert_eq!(
            (output.status.code(), asked(&output)),
            (Some(5), [true, false, false]),
            "{args:?}: {}",
            said(&output)
        );
    }
    let output = config.run(&["probe", "--no-discover", "--cluster", "prod", "--endpoints", &of_flag]);
    assert_eq!(asked(&output), [false, true, false], "{}", said(&output));
    ended(&config.run(&["--cluster", "prod", "probe", "--cluster", "dev"]), 2, &["prod, dev"]);
    // the certificates of a cluster, too
    let config = Config::new(&format!("clusters: {{prod: {{endpoints: ['https://{of_cluster}'], cacert: no.crt}}}}"));
    ended(&config.run(&["probe", "--no-discover", "--cluster", "prod"]), 1, &["no.crt"]);
}

#[test]
fn a_plan_takes_what_the_cluster_names() {
    let config = Config::new("clusters: {prod: {label: Production, hosts: hosts.yaml, data_root: /srv/etcd}}");
    fs::write(config.dir.path().join("requorum/hosts.yaml"), "- {name: n1, peerUrls: 'http://127.45.7.1:2380'}\n")
        .unwrap();
    let file = config.dir.path().join("plan.yaml");
    let mut make = config.command(&["plan", "--cluster", "prod", "--snapshot"]);
    support::succeed(make.arg(fixture("s35.db")).arg("-o").arg(&file));
    let plan = fs::read_to_string(&file).unwrap();
    for part in ["label: Production", "name: n1", "data_dir: /srv/etcd/n1.etcd"] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
}

#[test]
fn a_configuration_with_a_secret_or_of_others_is_refused() {
    for (text, words) in [
        ("clusters: {a: {endpoints: ['h:1'], password: geheim}}", "no secret is stored"),
        ("clusters: {a: {user: 'root:geheim'}}", "no secret is stored"),
        ("clusters: {a: {endpoint: 'h:1'}}", "Did you mean endpoints?"),
        ("clusters: {probe: {}}", "is a command"),
        ("clusters: {a: {endpoints: ['http:/h:1']}}", "one slash is missing"),
    ] {
        let config = Config::new(text);
        let said = ended(&config.run(&["cluster", "list"]), 1, &[words, "config.yaml"]);
        assert!(!said.contains("geheim"), "{said}");
        ended(&config.run(&["a"]), 1, &[words]);
        // what has nothing to do with it works
        ended(&config.run(&["version"]), 0, &[]);
        ended(&config.run(&["status"]), 2, &["snapshot status"]);
    }
    let config = Config::new("clusters: {a: {endpoints: ['h:1']}}");
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set(&config.file(), 0o666);
    ended(&config.run(&["cluster", "list"]), 3, &["writable by others", "chmod go-w"]);
    set(&config.file(), 0o644);
    ended(&config.run(&["cluster", "list"]), 0, &[]);
    set(config.file().parent().unwrap(), 0o777);
    ended(&config.run(&["cluster", "list"]), 3, &["writable by others"]);
}

/// `requorum prod-eu`: the wizard, with the cluster's label and endpoints.
#[test]
fn the_wizard_opens_with_a_cluster() {
    let endpoint = silent();
    let config = Config::new(&format!("clusters: {{prod-eu: {{label: Berlin, endpoints: ['http://{endpoint}']}}}}"));
    let env = [("XDG_CONFIG_HOME", config.dir.path().to_str().unwrap()), ("HOME", config.dir.path().to_str().unwrap())];
    let mut pty = Pty::spawn(&[support::PROGRAM, "prod-eu"], &env, 120, 40);
    pty.wait("Unknown from here");
    assert!(pty.screen().contains("Berlin") && pty.screen().contains(&endpoint), "{}", pty.screen());
    pty.send("q");
    pty.wait("Quit?");
    pty.send("y");
    assert_eq!(pty.exit_code(), 0);
}
