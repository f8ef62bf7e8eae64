//! Files that people give for how an etcd was started: each read right, or named for what it is.
#![allow(clippy::unwrap_used)]

use super::*;

fn of(name: &str, text: &str, here: bool) -> std::result::Result<ConfigFacts, NotOne> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    let host = Host { here, name: here.then(|| "h1".to_string()), ..Host::default() };
    read(Tree(Path::new("/")), &host, &path, text)
}

/// The kind, and the flags in order.
fn flags_of(name: &str, text: &str) -> (ConfigKind, String) {
    let facts = of(name, text, true).unwrap();
    let mut flags: Vec<String> = facts.flags.iter().map(|s| format!("{}={}", s.flag, s.value)).collect();
    flags.sort();
    (facts.kind, flags.join(" "))
}

const COMPOSE: &str = "name: infra\nservices:\n  etcd1:\n    image: quay.io/coreos/etcd:v3.5.9\n    environment:\n      - \
                       ETCD_NAME=etcd1\n";

#[test]
fn what_is_none_is_named() {
    let keys = |keys: &[&str]| NotOne::Keys(keys.iter().map(ToString::to_string).collect());
    for (name, text, wanted) in [
        ("compose.yml", COMPOSE, NotOne::Compose(vec!["etcd1".into()])),
        (
            "docker-compose.yaml",
            "version: '3'\nservices: {a: {}, b: {}}\n",
            NotOne::Compose(vec!["a".into(), "b".into()]),
        ),
        ("run.sh", "#!/bin/bash\nif [ -e /x ]; then\n  exec etcd --name m1\nfi\n", NotOne::Script),
        (
            "run.script",
            "export ETCD_QUOTA_BACKEND_BYTES=8\nsource /etc/e\nexec /usr/bin/etcd --name m1\n",
            NotOne::Script,
        ),
        ("two.sh", "#!/bin/sh\netcd --name m1 &\netcd --name m2\n", NotOne::Script),
        ("backup.sh", "#!/bin/sh\netcdctl snapshot save /b\n", NotOne::Script),
        ("backup.service", "[Service]\nExecStart=/usr/bin/etcdctl snapshot save /b\n", NotOne::Unit { starts: true }),
        (
            "root.service",
            "[Service]\nRootDirectory=/srv/etcd\nExecStart=/usr/bin/etcd --name m1 --data-dir /d\n",
            NotOne::Chroot,
        ),
        ("image.service", "[Service]\nRootImage=/srv/e.raw\nExecStart=/usr/bin/etcd --name m1\n", NotOne::Chroot),
        ("etcd.service", "[Service]\nExecStart=/usr/sbin/chroot /srv /usr/bin/etcd --name m1\n", NotOne::Chroot),
        ("override.conf", "[Service]\nEnvironment=ETCD_QUOTA_BACKEND_BYTES=8\n", NotOne::Unit { starts: false }),
        ("sts.yaml", "apiVersion: apps/v1\nkind: StatefulSet\nspec: {}\n", NotOne::Manifest("StatefulSet".into())),
        (
            "kubeadm.yaml",
            "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\netcd: {local: {dataDir: /d}}\n",
            NotOne::Manifest("ClusterConfiguration".into()),
        ),
        (
            "api.yaml",
            "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, command: [kube-apiserver]}]}\n",
            NotOne::Pod,
        ),
        ("inventory.yml", "all: {hosts: {m1: {}}}\n", keys(&["all"])),
        ("values.yaml", "image: {tag: '3.5'}\nreplicas: 3\nname: m1\n", keys(&["image", "replicas"])),
        ("package.json", "{\"name\": \"m1\", \"version\": \"1\", \"scripts\": {}}", keys(&["scripts", "version"])),
        ("inspect.json", "[{\"Path\": \"sleep\", \"Args\": [], \"Config\": {}}]", NotOne::Containers(1)),
        ("image.json", "[{\"RepoTags\": [], \"Config\": {}}]", keys(&[])),
        ("empty", "\n# nothing\n", NotOne::Empty),
        ("db", "\0\0\0\0", NotOne::Binary),
        ("notes.txt", "our etcd runs on three hosts\nand is fine\n", NotOne::Text),
    ] {
        assert_eq!(of(name, text, true).unwrap_err(), wanted, "{name}");
        let said = format!("{wanted} {}", wanted.hint());
        assert!(!said.contains("  ") && said.len() > 20, "{said}");
    }
}

#[test]
fn what_is_one_is_read_in_every_form() {
    let inspect = r#"[{"Path": "/usr/local/bin/etcd", "Args": ["--name", "m1", "--data-dir=/d"],
        "Config": {"Env": ["PATH=/bin", "ETCD_QUOTA_BACKEND_BYTES=8"], "WorkingDir": ""},
        "Mounts": [{"Source": "/srv/etcd", "Destination": "/d"}]}]"#;
    let pod = "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {\"containers\": [{\"command\": [\"etcd\", \"--max-wals=5\"]}]}}";
    for (name, text, kind, flags) in [
        ("etcd.env", "ETCD_NAME=m1\nETCD_MAX_WALS=5\n", ConfigKind::EnvironmentFile, "max-wals=5 name=m1"),
        (".env", "# c\nexport ETCD_MAX_WALS='5'\n\nOTHER=x\n", ConfigKind::EnvironmentFile, "max-wals=5"),
        ("shell.env", "ETCD_NAME=$(hostname)\nETCD_MAX_WALS=5\n", ConfigKind::EnvironmentFile, "max-wals=5"),
        ("long.env", "ETCD_NAME=m1\nETCD_MAX_WALS=\\\n5\n", ConfigKind::EnvironmentFile, "max-wals=5 name=m1"),
        (
            "run.sh",
            "#!/bin/bash\nset -e\nexport ETCD_MAX_WALS=5\nexec etcd --name m1 \\\n  --snapshot-count 5\n",
            ConfigKind::Process,
            "max-wals=5 name=m1 snapshot-count=5",
        ),
        ("line", "/usr/bin/etcd --name m1 --max-wals 5\n", ConfigKind::Process, "max-wals=5 name=m1"),
        ("etcd.service.bak", "[Unit]\nA=b\n[Service]\nExecStart=etcd --max-wals=5\n", ConfigKind::Unit, "max-wals=5"),
        (
            "cat",
            "# /lib/systemd/system/etcd.service\n[Service]\nExecStart=etcd\n# /etc/x.conf\n[Service]\nEnvironment=ETCD_MAX_WALS=5\n",
            ConfigKind::Unit,
            "max-wals=5",
        ),
        ("etcd.conf.yml", "name: m1\nmax-wals: 5\n", ConfigKind::ConfigFile, "max-wals=5 name=m1"),
        ("etcd.json", "{\"name\": \"m1\", \"max-wals\": 5}", ConfigKind::ConfigFile, "max-wals=5 name=m1"),
        ("name.yml", "name: m1\n", ConfigKind::ConfigFile, "name=m1"),
        ("bom.yml", "\u{feff}max-wals: 5\n---\nmax-wals: 6\n", ConfigKind::ConfigFile, "max-wals=5"),
        ("pod.json", pod, ConfigKind::StaticPod, "max-wals=5"),
        ("inspect.json", inspect, ConfigKind::Process, "data-dir=/d name=m1 quota-backend-bytes=8"),
    ] {
        assert_eq!(flags_of(name, text), (kind, flags.to_string()), "{name}");
    }
    assert_eq!(of("inspect.json", inspect, true).unwrap().data_dir, Some("/srv/etcd".into()));
}

#[test]
fn files_named_by_a_copy_are_unread() {
    let unit =
        "[Service]\nEnvironmentFile=-/etc/hostname\nExecStart=etcd --max-wals=5 --listen-client-urls=http://%H:2379\n";
    let copy = of("etcd.service", unit, false).unwrap();
    assert_eq!((copy.get("max-wals"), copy.get("listen-client-urls")), (Some("5"), None));
    assert_eq!(copy.notes.len(), 2, "{:?}", copy.notes);
    let named = "[Service]\nExecStart=etcd --config-file=/etc/hostname\n";
    assert_eq!(of("etcd.service", named, false).unwrap().notes.len(), 1);
    // On this machine the host's name is known; a file that is not there is told all the same.
    let here = of("etcd.service", &unit.replace("/etc/hostname", "/none"), true).unwrap();
    assert_eq!((here.get("listen-client-urls"), here.notes.len()), (Some("http://h1:2379"), 1), "{:?}", here.notes);
}
