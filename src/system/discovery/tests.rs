//! Trees of files as distributions, kubeadm and people make them, and what is found in them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{fs, os::unix::fs::symlink};

use super::*;
use crate::domain::model::observations::config::Automation;

/// A tree of these files; a text that begins with `-> ` is a symbolic link.
fn found(files: &[(&str, &str)]) -> Vec<ConfigFacts> {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(target) => symlink(target, &path).unwrap(),
            None => fs::write(&path, text).unwrap(),
        }
    }
    discover(dir.path())
}

fn one(files: &[(&str, &str)]) -> ConfigFacts {
    let mut all = found(files);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

fn flags(facts: &ConfigFacts) -> Vec<(&str, &str)> {
    facts.flags.iter().map(|s| (s.flag.as_str(), s.value.as_str())).collect()
}

fn data_dir(facts: &ConfigFacts) -> &str {
    facts.data_dir.as_deref().and_then(Path::to_str).unwrap_or("none")
}

#[test]
fn debians_unit_with_its_default_file() {
    let facts = one(&[
        (
            "/lib/systemd/system/etcd.service",
            "[Service]\nEnvironment=ETCD_DATA_DIR=/var/lib/etcd/default ETCD_NAME=%p\nEnvironmentFile=-/etc/default/%p\n\
             EnvironmentFile=-/etc/default/none\nType=notify\nUser=etcd\nExecStart=/usr/bin/etcd $DAEMON_ARGS\n\
             Restart=on-abnormal\n[Install]\nWantedBy=multi-user.target\n",
        ),
        (
            "/etc/default/etcd",
            "# ETCD_NAME=x\nETCD_NAME=\"m1\"\nDAEMON_ARGS=\"--wal-dir=/wal --snapshot-count 5000\"\n",
        ),
        ("/etc/systemd/system/multi-user.target.wants/etcd.service", "-> /lib/systemd/system/etcd.service"),
    ]);
    assert_eq!(facts.kind, ConfigKind::Unit);
    assert_eq!(
        flags(&facts),
        [("wal-dir", "/wal"), ("snapshot-count", "5000"), ("data-dir", "/var/lib/etcd/default"), ("name", "m1")]
    );
    let from: Vec<_> = facts.flags.iter().map(|s| s.from.as_str()).collect();
    assert_eq!(from[0], "ExecStart of /lib/systemd/system/etcd.service");
    assert_eq!(from[2..], ["Environment of /lib/systemd/system/etcd.service", "/etc/default/etcd"]);
    assert_eq!((data_dir(&facts), facts.wal_dir.as_deref()), ("/var/lib/etcd/default", Some(Path::new("/wal"))));
    assert_eq!(
        facts.automation,
        [Automation {
            what: "systemd starts etcd.service again after a failure (Restart=on-abnormal), and starts etcd.service at boot"
                .into(),
            names_file: false,            active: true,
            pause: "systemctl stop etcd.service && systemctl mask --runtime etcd.service".into(),
            resume: "systemctl unmask --runtime etcd.service && systemctl start --no-block etcd.service".into(),
        }]
    );
    assert!(facts.notes.is_empty(), "{:?}", facts.notes);
}

#[test]
fn a_shell_around_etcd_and_a_relative_directory() {
    let facts = one(&[
        (
            "/usr/lib/systemd/system/etcd.service",
            "[Service]\nWorkingDirectory=/var/lib/etcd/\nEnvironmentFile=-/etc/etcd/etcd.conf\nUser=etcd\n\
             ExecStart=/bin/bash -c \"GOMAXPROCS=$(nproc) /usr/bin/etcd --name=\\\"${ETCD_NAME}\\\" \
             --data-dir=\\\"${ETCD_DATA_DIR}\\\"\"\nRestart=on-failure\n",
        ),
        ("/etc/etcd/etcd.conf", "ETCD_NAME=default\nETCD_DATA_DIR=\"default.etcd\"\nETCDCTL_USER=root:secret\n"),
    ]);
    assert_eq!(flags(&facts), [("name", "default"), ("data-dir", "default.etcd")]);
    assert_eq!(data_dir(&facts), "/var/lib/etcd/default.etcd");
    assert_eq!(facts.automation[0].pause, "systemctl stop etcd.service");
}

#[test]
fn drop_ins_take_back_and_add() {
    let unit = "[Service]\nExecStart=/usr/bin/etcd --name old --data-dir /old\nEnvironment=ETCD_LOG_LEVEL=debug\n";
    let facts = one(&[
        ("/usr/lib/systemd/system/etcd.service", unit),
        ("/usr/lib/systemd/system/etcd.service.d/20-env.conf", "[Service]\nEnvironment=\nEnvironment=ETCD_NAME=no\n"),
        ("/etc/systemd/system/etcd.service.d/20-env.conf", "[Service]\nEnvironment=ETCD_HEARTBEAT_INTERVAL=250\n"),
        (
            "/run/systemd/system/etcd.service.d/10-exec.conf",
            "[Service]\nExecStart=\nExecStart=/opt/etcd --data-dir /new\n",
        ),
        ("/etc/systemd/system/etcd.service.d/README", "ExecStart="),
    ]);
    assert_eq!(flags(&facts), [("data-dir", "/new"), ("heartbeat-interval", "250"), ("log-level", "debug")]);
    assert_eq!((data_dir(&facts), facts.automation[0].active), ("/new", false));
    // A unit below /etc goes before the one of the distribution; a mask below /run would be without effect on it.
    let facts = one(&[
        ("/usr/lib/systemd/system/etcd.service", unit),
        ("/etc/systemd/system/etcd.service", "[Service]\nExecStart=etcd --data-dir=/mine\nRestart=always\n"),
        ("/etc/systemd/system/multi-user.target.wants/etcd.service", "-> ../etcd.service"),
    ]);
    assert_eq!((data_dir(&facts), facts.place().as_str()), ("/mine", "/etc/systemd/system/etcd.service"));
    assert_eq!(facts.automation[0].pause, "systemctl stop etcd.service && systemctl disable etcd.service");
    // Masked: paused already.
    let facts =
        one(&[("/usr/lib/systemd/system/etcd.service", unit), ("/etc/systemd/system/etcd.service", "-> /dev/null")]);
    assert_eq!((facts.automation[0].active, facts.automation[0].pause.as_str()), (false, ""));
    assert_eq!(facts.automation[0].resume, "systemctl unmask etcd.service && systemctl start --no-block etcd.service");
    // Only until the next boot: that is another file.
    let facts =
        one(&[("/usr/lib/systemd/system/etcd.service", unit), ("/run/systemd/system/etcd.service", "-> /dev/null")]);
    assert!(facts.automation[0].resume.starts_with("systemctl unmask --runtime etcd.service && "));
    // Its other name is no second one, as with Debian's Alias=etcd2.service.
    let facts = one(&[
        ("/usr/lib/systemd/system/etcd.service", unit),
        ("/etc/systemd/system/etcd2.service", "-> /usr/lib/systemd/system/etcd.service"),
    ]);
    assert!(facts.automation[0].resume.ends_with(" etcd.service"));
}

#[test]
fn templates_containers_and_units_of_others() {
    let all = found(&[
        ("/etc/systemd/system/etcd@.service", "[Service]\nExecStart=/usr/bin/etcd --name %i --data-dir /srv/%i\n"),
        ("/etc/systemd/system/multi-user.target.wants/etcd@m1.service", "-> /etc/systemd/system/etcd@.service"),
        ("/etc/systemd/system/multi-user.target.wants/etcd@m2.service", "-> /etc/systemd/system/etcd@.service"),
        (
            "/etc/systemd/system/etcd-in-docker.service",
            "[Service]\nExecStart=/usr/bin/docker run --name etcd -v /srv/etcd:/etcd-data:rw -e ETCD_NAME=c1 \
             quay.io/coreos/etcd:v3.5.9 /usr/local/bin/etcd --data-dir=/etcd-data/d\n",
        ),
        ("/lib/systemd/system/backup.service", "[Service]\nExecStart=/usr/bin/etcdctl snapshot save /b\n"),
        ("/lib/systemd/system/copy.service", "[Service]\nExecStart=/usr/bin/rsync /var/lib/etcd host:etcd\n"),
    ]);
    let seen: Vec<_> = all.iter().map(|f| (f.get("name").unwrap(), data_dir(f))).collect();
    assert_eq!(seen, [("c1", "/srv/etcd/d"), ("m1", "/srv/m1"), ("m2", "/srv/m2")]);
    assert!(all[1].automation[0].pause.contains("etcd@m1.service"));
}

#[test]
fn a_configuration_file_goes_before_everything() {
    let facts = one(&[
        (
            "/etc/systemd/system/etcd.service",
            "[Service]\nEnvironment=ETCD_WAL_DIR=/ignored\nExecStart=/usr/bin/etcd --config-file=/etc/etcd/etcd.conf.yml --name no\n",
        ),
        ("/etc/etcd/etcd.conf.yml", "name: m1\ndata-dir: /data\npeer-transport-security:\n  key-file: /k\n"),
    ]);
    assert_eq!(
        flags(&facts),
        [("config-file", "/etc/etcd/etcd.conf.yml"), ("data-dir", "/data"), ("name", "m1"), ("peer-key-file", "/k")]
    );
    assert_eq!((data_dir(&facts), facts.wal_dir.as_deref()), ("/data", None));
    crate::text::messages::hold("discovery-config-file", &[("other flags", facts.notes.join("\n"))]);
    let facts = one(&[("/lib/systemd/system/e.service", "[Service]\nExecStart=/usr/bin/etcd --config-file /none\n")]);
    assert!(facts.notes[0].contains("/none"), "{:?}", facts.notes);
}

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: etcd
  namespace: kube-system
spec:
  containers:
  - command:
    - etcd
    - --name=cp1
    - --data-dir=/var/lib/etcd
    - --initial-cluster=cp1=https://10.0.0.1:2380
    - --client-cert-auth=true
    image: registry.k8s.io/etcd:3.5.9-0
    name: etcd
    env:
    - name: ETCD_QUOTA_BACKEND_BYTES
      value: \"8589934592\"
    - name: ETCD_DISCOVERY_PASSWORD
      value: hunter2
    volumeMounts:
    - mountPath: /var/lib/etcd
      name: etcd-data
  hostNetwork: true
  volumes:
  - hostPath:
      path: /srv/etcd
      type: DirectoryOrCreate
    name: etcd-data
";

#[test]
fn what_the_host_fills_in() {
    let name = ("/proc/sys/kernel/hostname", "H1.example\n");
    let unit = |text: &str| {
        let unit = format!("[Service]\n{text}\n");
        let mut files = vec![name, ("/etc/machine-id", "abc\n"), ("/lib/systemd/system/etcd.service", &unit)];
        if text.contains("EnvironmentFile") {
            let set = "ETCD_QUOTA_BACKEND_BYTES=8589934592\nETCD_AUTO_COMPACTION_RETENTION=1\n";
            files.push(("/etc/default/etcd", set));
        }
        let facts = one(&files);
        let flags: Vec<String> = flags(&facts).iter().map(|(flag, value)| format!("{flag}={value}")).collect();
        (flags.join(" "), data_dir(&facts).to_string(), facts.notes.len())
    };
    let quota = "auto-compaction-retention=1 name=H1.example quota-backend-bytes=8589934592";
    for (text, wanted, dir, notes) in [
        (
            "Environment=ETCD_NAME=%H\nEnvironmentFile=-/etc/default/%p\nExecStart=/usr/bin/etcd $DAEMON_ARGS",
            quota,
            "/H1.example.etcd",
            0,
        ),
        ("Environment=ETCD_NAME=%l\nExecStart=/usr/bin/etcd", "name=H1", "/H1.etcd", 0),
        ("ExecStart=/usr/bin/etcd --name=%m --data-dir=%S/etcd", "name=abc data-dir=/var/lib/etcd", "/var/lib/etcd", 0),
        (
            "ExecStart=/usr/bin/etcd --name m1 --data-dir=/srv/%H",
            "name=m1 data-dir=/srv/H1.example",
            "/srv/H1.example",
            0,
        ),
        ("ExecStart=/usr/bin/etcd --name m1 --data-dir=/srv/%v", "name=m1", "none", 1),
        ("ExecStart=/usr/bin/etcd --name m1 --log-outputs=/l/100%%H", "name=m1 log-outputs=/l/100%H", "/m1.etcd", 0),
        ("ExecStart=/usr/bin/etcd --name m1 --metrics=%z", "name=m1 metrics=%z", "/m1.etcd", 0),
        ("ExecStart=/usr/bin/nice -n 5 /usr/bin/etcd --name m1", "name=m1", "/m1.etcd", 1),
        ("ExecStart=/usr/bin/sudo -u etcd /usr/bin/etcd --name m1", "name=m1", "/m1.etcd", 1),
        ("ExecStart=/usr/bin/taskset -c 0,1 ionice -c2 etcd-3.5.9 --name m1", "name=m1", "/m1.etcd", 2),
        ("ExecStart=/bin/sh -c 'exec /usr/bin/etcd --name=$(hostname -s)'", "name=H1", "/H1.etcd", 0),
        ("ExecStart=/bin/sh -c 'exec /usr/bin/etcd --name=$(cat /x)'", "", "none", 0),
        ("ExecStart=/bin/bash -c 'source /e && exec /usr/bin/etcd --name m1'", "name=m1", "/m1.etcd", 1),
        // What cannot be read is told, with what its environment sets.
        ("Environment=ETCD_NAME=m1\nExecStart=/opt/run-etcd.sh", "name=m1", "none", 1),
        ("ExecStart=/usr/bin/docker start -a etcd", "", "none", 1),
    ] {
        let (mut found, its_dir, its_notes) = unit(text);
        if wanted == quota {
            let mut words: Vec<&str> = found.split(' ').collect();
            words.sort_unstable();
            found = words.join(" ");
        }
        assert_eq!((found.as_str(), its_dir.as_str(), its_notes), (wanted, dir, notes), "{text}");
    }
    let none = [name, ("/lib/systemd/system/etcd.service", "[Service]\nExecStart=/usr/bin/etcd gateway start\n")];
    assert!(found(&none).is_empty(), "a gateway is no member");
}

#[test]
fn what_kubernetes_fills_in() {
    let pod = |env: &str, command: &str| {
        let text = POD
            .replace("    - --name=cp1\n", command)
            .replace("    - name: ETCD_QUOTA_BACKEND_BYTES\n", &format!("{env}    - name: ETCD_QUOTA_BACKEND_BYTES\n"));
        let facts = one(&[("/proc/sys/kernel/hostname", "H1\n"), ("/etc/kubernetes/manifests/etcd.yaml", &text)]);
        (facts.get("name").map(String::from), facts.notes.len())
    };
    let node = "    - name: NODE_NAME\n      valueFrom: {fieldRef: {fieldPath: spec.nodeName}}\n";
    let secret = "    - name: NODE_NAME\n      valueFrom: {secretKeyRef: {name: s, key: k}}\n";
    let plain = "    - {name: NODE_NAME, value: m1}\n";
    for (env, command, name, notes) in [
        (node, "    - --name=$(NODE_NAME)\n", Some("h1"), 0),
        (plain, "    - --name=$(NODE_NAME)-x\n", Some("m1-x"), 0),
        (plain, "    - --name=$$(NODE_NAME)\n", Some("$(NODE_NAME)"), 0),
        (plain, "    - --name=$(OTHER)\n", Some("$(OTHER)"), 0),
        (secret, "    - --name=$(NODE_NAME)\n", None, 0),
        (secret, "    - --name=m1\n    - --log-outputs=$(NODE_NAME)\n", Some("m1"), 1),
        ("    - {name: ETCD_PORT, value: x}\n", "    - --name=m1\n", Some("m1"), 1),
        ("    - {name: ETCD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}\n", "", Some("etcd-h1"), 0),
    ] {
        assert_eq!(pod(env, command), (name.map(String::from), notes), "{env}{command}");
    }
}

#[test]
fn kubeadms_pod_in_force_and_put_aside() {
    let all = found(&[
        ("/etc/kubernetes/manifests/etcd.yaml", POD),
        ("/etc/kubernetes/manifests/kube-apiserver.yaml", &POD.replace("- etcd\n", "- kube-apiserver\n")),
        ("/etc/kubernetes/etcd.yaml.parked", &POD.replace("cp1=", "cp2=")),
        ("/etc/kubernetes/manifests.bak/etcd.yaml", POD),
        ("/etc/kubernetes/tmp/kubeadm-backup-manifests-2026/etcd.yaml", POD),
        ("/etc/kubernetes/admin.conf", "apiVersion: v1\nkind: Config\n"),
    ]);
    let places: Vec<_> = all.iter().map(|f| (f.place(), f.kind)).collect();
    let parked = |path: &str| (path.to_string(), ConfigKind::ParkedPod);
    assert_eq!(
        places,
        [
            ("/etc/kubernetes/manifests/etcd.yaml".to_string(), ConfigKind::StaticPod),
            parked("/etc/kubernetes/etcd.yaml.parked"),
            parked("/etc/kubernetes/manifests.bak/etcd.yaml"),
            parked("/etc/kubernetes/tmp/kubeadm-backup-manifests-2026/etcd.yaml"),
        ]
    );
    let pod = &all[0];
    assert_eq!(data_dir(pod), "/srv/etcd");
    assert_eq!(pod.get("quota-backend-bytes"), Some("8589934592"));
    assert!(!format!("{all:?}").contains("hunter2"));
    assert_eq!(pod.automation[0].pause, "mv /etc/kubernetes/manifests/etcd.yaml /etc/kubernetes/etcd.yaml.parked");
    assert_eq!(pod.automation[0].resume, "mv /etc/kubernetes/etcd.yaml.parked /etc/kubernetes/manifests/etcd.yaml");
    // What was put aside so comes back so.
    let back = &all[1].automation[0];
    assert_eq!((back.active, back.resume.as_str()), (false, pod.automation[0].resume.as_str()));
    assert!(all[2..].iter().all(|copy| copy.automation.is_empty()));
    // Elsewhere, where the kubelet was told so; broken ones are told, not passed over.
    let all = found(&[
        ("/var/lib/kubelet/config.yaml", "staticPodPath: /opt/pods\n"),
        ("/opt/pods/anything.bak", POD),
        ("/opt/pods/etcd.yaml", "a: [\n"),
    ]);
    assert_eq!(all[0].kind, ConfigKind::StaticPod);
    assert_eq!((all[1].notes.len(), flags(&all[1])), (1, vec![]), "{:?}", all[1].notes);
}

#[test]
fn openshifts_operator_is_named() {
    let pod = POD.replace("namespace: kube-system", "namespace: openshift-etcd");
    let all = found(&[("/etc/kubernetes/manifests/etcd-pod.yaml", &pod)]);
    let operators: Vec<_> = all[0].automation.iter().filter(|a| a.pause.contains("etcd-operator")).collect();
    assert!(operators.len() == 1 && operators[0].active, "{:?}", all[0].automation);
    let plain = found(&[("/etc/kubernetes/manifests/etcd.yaml", POD)]);
    assert_eq!(plain[0].automation.len(), 1);
}

/// A process with these arguments of this user, in a tree in which the data directories `dirs` have a database and a log of
/// whoever runs the tests. `locks` are lines of `/proc/locks`, `{DIR}` and `{DIR/wal}` in them the device and inode of a
/// directory's database and log.
fn running(
    files: &[(&str, &str)],
    dirs: &[&str],
    locks: &[&str],
) -> (tempfile::TempDir, impl Fn() -> Vec<ConfigFacts> + use<>) {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let uid = fs::metadata(dir.path()).unwrap().uid().to_string();
    let put = |path: &str, text: &str| {
        let path = dir.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(target) => symlink(target, &path).unwrap(),
            None => fs::write(&path, text.replace("{OWNER}", &uid)).unwrap(),
        }
        path
    };
    files.iter().for_each(|(path, text)| drop(put(path, text)));
    let mut listed = locks.join("\n") + "\n";
    for data in dirs {
        for (name, hole) in [("snap/db", format!("{{{data}}}")), ("wal/0.wal", format!("{{{data}/wal}}"))] {
            let meta = fs::metadata(put(&format!("{data}/member/{name}"), "x")).unwrap();
            let (major, minor) = (rustix::fs::major(meta.dev()), rustix::fs::minor(meta.dev()));
            listed = listed.replace(&hole, &format!("{major:02x}:{minor:02x}:{}", meta.ino()));
        }
    }
    put("/proc/locks", &listed);
    let root = dir.path().to_path_buf();
    (dir, move || discover(&root))
}

#[test]
fn a_running_process() {
    let environ = "PATH=/bin\0ETCD_NAME=other\0ETCD_INITIAL_CLUSTER_TOKEN=t\0AWS_SECRET=x\0";
    let (_dir, all) = running(
        &[
            ("/proc/812/cmdline", "/usr/bin/etcd\0--name\0m1\0--data-dir=d\0"),
            ("/proc/812/environ", environ),
            ("/proc/812/status", "Uid:\t{OWNER}\t{OWNER}\t{OWNER}\t{OWNER}\n"),
            ("/proc/812/cwd", "-> /var/lib"),
            ("/proc/812/ns/mnt", "-> mnt:[1]"),
            ("/proc/90/cmdline", "etcd\0--config-file=/c.yml\0"),
            ("/proc/90/status", "Uid:\t0\t0\t0\t0\n"),
            ("/proc/90/cwd", "-> /"),
            ("/proc/90/ns/mnt", "-> mnt:[2]"),
            ("/proc/90/root/c.yml", "data-dir: /data\n"),
            ("/proc/self/ns/mnt", "-> mnt:[1]"),
            ("/proc/7/cmdline", "/usr/bin/etcdctl\0get\0"),
            ("/proc/8/cmdline", ""),
        ],
        &["/var/lib/d", "/proc/90/root/data"],
        &[
            "1: FLOCK  ADVISORY  WRITE 812 {/var/lib/d} 0 EOF",
            "2: FLOCK  ADVISORY  WRITE 90 {/proc/90/root/data} 0 EOF",
        ],
    );
    let all = all();
    assert_eq!(all.len(), 2, "{all:#?}");
    assert_eq!((all[0].place().as_str(), data_dir(&all[0])), ("process 90", "/proc/90/root/data"));
    assert!(all[0].notes[0].contains("ETCD_"), "{:?}", all[0].notes);
    assert_eq!(flags(&all[1]), [("name", "m1"), ("data-dir", "d"), ("initial-cluster-token", "t")]);
    assert_eq!(data_dir(&all[1]), "/var/lib/d");
    // whose process it is is another name on each machine
    let (from, _) = all[1].flags[2].from.rsplit_once(' ').unwrap();
    crate::text::messages::hold("discovery-environment", &[("of a process", from.to_string())]);
}

#[test]
fn a_process_counts_by_user_and_lock() {
    const OWN: &str = "{OWNER}\t{OWNER}\t{OWNER}\t{OWNER}";
    const ROOT: &str = "0\t0\t0\t0";
    const EVE: &str = "54321\t54321\t54321\t54321";
    let by_812 = "1: FLOCK  ADVISORY  WRITE 812 {/var/lib/etcd} 0 EOF";
    let by_9 = "1: FLOCK  ADVISORY  WRITE 9 {/var/lib/etcd} 0 EOF";
    let log = "1: OFDLCK ADVISORY  WRITE -1 {/var/lib/etcd/wal} 0 EOF";
    let fd = ("/proc/812/fd/7", "-> ../../../var/lib/etcd/member/wal/0.wal");
    let other_fd = ("/proc/812/fd/7", "-> ../../../var/lib/etcd/member/snap/db");
    let none = ("/proc/812/fd/0", "x");
    for (case, args, user, locks, open, counts) in [
        ("the owner's, with its lock", "--data-dir=/var/lib/etcd", OWN, by_812, none, true),
        ("root's, with its lock", "--data-dir=/var/lib/etcd", ROOT, by_812, none, true),
        ("its lock is the log's", "--data-dir=/var/lib/etcd", OWN, log, fd, true),
        ("another user's", "--data-dir=/var/lib/etcd\0--evil-flag", EVE, "", none, false),
        ("another user's, which locked it", "--data-dir=/var/lib/etcd", EVE, by_812, none, false),
        ("the owner's, without a lock", "--data-dir=/var/lib/etcd", OWN, "", none, false),
        ("root's, without a lock", "--data-dir=/var/lib/etcd", ROOT, "", none, false),
        ("another process has the lock", "--data-dir=/var/lib/etcd", OWN, by_9, none, false),
        ("it only reads the log that another has", "--data-dir=/var/lib/etcd", OWN, log, other_fd, false),
        (
            "it waits for the lock",
            "--data-dir=/var/lib/etcd",
            OWN,
            "1: -> FLOCK ADVISORY WRITE 812 {/var/lib/etcd} 0 EOF",
            none,
            false,
        ),
        ("a directory that is not there", "--data-dir=/var/lib/other", OWN, by_812, none, false),
        ("setuid root", "--data-dir=/var/lib/etcd", "54321\t0\t0\t0", by_812, none, false),
        ("no user is told", "--data-dir=/var/lib/etcd", "", by_812, none, false),
    ] {
        let (_dir, all) = running(
            &[
                ("/proc/812/cmdline", &format!("etcd\0{args}\0")),
                ("/proc/812/status", &format!("Name:\tetcd\nUid:\t{user}\n")),
                ("/proc/812/cwd", "-> /"),
                open,
            ],
            &["/var/lib/etcd"],
            &[locks],
        );
        assert_eq!(all().len(), usize::from(counts), "{case}");
    }
}

/// A real process: an ordinary user's shell under the name of etcd, on a directory of this host and on one of its own.
#[test]
fn another_users_process_is_no_etcd_here() {
    use std::os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    };
    let dir = tempfile::tempdir().unwrap();
    let root = fs::metadata(dir.path()).unwrap().uid() == 0;
    let theirs = dir.path().join("theirs");
    for data in [dir.path().join("ours"), theirs.clone()] {
        fs::create_dir_all(data.join("member/snap")).unwrap();
        fs::write(data.join("member/snap/db"), "x").unwrap();
    }
    if root {
        chown(&theirs, Some(54321), Some(54321)).unwrap();
    }
    // Somebody holds the lock of ours, as the real etcd does.
    let held = fs::File::open(dir.path().join("ours/member/snap/db")).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    for data in ["ours", "theirs"] {
        let mut command = std::process::Command::new("/bin/sh");
        command.arg0("etcd").env_clear().env("ETCD_DATA_DIR", dir.path().join(data)).env("ETCD_CORS", "*");
        if root {
            command.uid(54321).gid(54321);
        }
        let mut child = command.current_dir("/").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let found = discover(Path::new("/"));
        let origin = Origin::Process(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.iter().all(|facts| facts.origin != origin), "{data}: {found:#?}");
    }
}

/// What does not count hides no file either.
#[test]
fn a_foreign_processs_file_is_found_independently() {
    let (_dir, all) = running(
        &[
            ("/proc/812/cmdline", "etcd\0--config-file=/etc/etcd/etcd.conf.yml\0"),
            ("/proc/812/status", "Uid:\t54321\t54321\t54321\t54321\n"),
            ("/proc/812/cwd", "-> /"),
            ("/etc/etcd/etcd.conf.yml", "name: m1\ndata-dir: /d\n"),
        ],
        &["/d"],
        &[],
    );
    assert_eq!(all().iter().map(|facts| facts.kind).collect::<Vec<_>>(), [ConfigKind::ConfigFile]);
}

#[test]
fn files_that_nothing_names() {
    let all = found(&[
        ("/etc/etcd.env", "ETCD_DATA_DIR=/var/lib/etcd\nETCDCTL_CACERT=/x\n"),
        ("/etc/etcd/etcd.conf.yml", "name: m1\ndata-dir: relative\n"),
        ("/etc/sysconfig/etcd", "# nothing set\n"),
        ("/etc/etcd/etcd.yml", "- [\n"),
    ]);
    let seen: Vec<_> = all.iter().map(|f| (f.kind, data_dir(f), f.notes.len())).collect();
    assert_eq!(
        seen,
        [
            (ConfigKind::EnvironmentFile, "/var/lib/etcd", 0),
            (ConfigKind::ConfigFile, "none", 0),
            (ConfigKind::ConfigFile, "none", 1),
        ]
    );
    assert!(found(&[]).is_empty());
}

#[test]
fn each_kind_of_file_in_its_usual_place() {
    let dir = tempfile::tempdir().unwrap();
    let unit = "[Service]\nEnvironment=ETCD_NAME=m1\nExecStart=/usr/bin/etcd --snapshot-count=5\n";
    for (name, text, kind, place, flag) in [
        ("etcd-2.service", unit, ConfigKind::Unit, "/etc/systemd/system/etcd-2.service", "snapshot-count"),
        ("pod.yaml", POD, ConfigKind::StaticPod, "/etc/kubernetes/manifests/etcd.yaml", "client-cert-auth"),
        ("etcd.env", "ETCD_NAME=\"m1\"\n", ConfigKind::EnvironmentFile, "/etc/default/etcd", "name"),
        ("conf", "name: m1\nsnapshot-count: 5\n", ConfigKind::ConfigFile, "/etc/etcd/etcd.conf.yml", "snapshot-count"),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let facts = super::one(&path, true).unwrap();
        assert_eq!((facts.kind, facts.place().as_str()), (kind, place), "{name}");
        assert!(facts.get(flag).is_some(), "{facts:?}");
    }
    for (name, text) in [("a.service", "[Service]\nExecStart=/bin/sshd\n"), ("b", "words\n"), ("c.yaml", "kind: Pod\n")]
    {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let why = super::one(&path, true).unwrap_err();
        assert_eq!(why.kind, crate::error::ErrorKind::Input, "{why}");
    }
}

/// Paths below another root are nobody's on this host: no flag and no directory is asserted.
#[test]
fn a_chroot_is_named_and_not_read() {
    for unit in [
        "[Service]\nRootDirectory=/srv/etcd\nExecStart=/usr/bin/etcd --name m1 --data-dir /d\nEnvironment=ETCD_WAL_DIR=/w\n",
        "[Service]\nRootImage=/srv/etcd.raw\nExecStart=/usr/bin/etcd --name m1 --data-dir /d\n",
        "[Service]\nExecStart=/usr/sbin/chroot --userspec=etcd /srv/etcd /usr/bin/etcd --name m1 --data-dir /d\n",
    ] {
        let facts = one(&[("/etc/systemd/system/etcd.service", unit)]);
        assert_eq!((flags(&facts), data_dir(&facts)), (vec![], "none"), "{unit}");
        assert!(facts.notes.iter().any(|note| note.contains("/srv/etcd")), "{:?}", facts.notes);
    }
    let plain =
        one(&[("/etc/systemd/system/etcd.service", "[Service]\nRootDirectory=/\nExecStart=etcd --data-dir=/d\n")]);
    assert_eq!(data_dir(&plain), "/d");
}

/// A file that nothing names and that only holds flags for a command is shown with what would be lost.
#[test]
fn a_file_of_daemon_args_alone_is_shown() {
    let facts = one(&[("/etc/default/etcd", "DAEMON_ARGS=\"--name m1 --quota-backend-bytes=8589934592\"\n")]);
    assert_eq!((facts.kind, flags(&facts)), (ConfigKind::EnvironmentFile, vec![]));
    let note = &facts.notes[0];
    for word in ["DAEMON_ARGS", "--name=m1", "--quota-backend-bytes=8589934592"] {
        assert!(note.contains(word), "{word} is not in {note}");
    }
    assert!(found(&[("/etc/default/etcd", "# nothing\nETCDCTL_API=3\nLANG=C\n")]).is_empty());
}

/// What a unit's environment file holds is read as systemd reads it, not as a shell would.
#[test]
fn environment_files_are_read_as_systemd_does() {
    let unit = "[Service]\nEnvironmentFile=-/etc/none\nEnvironmentFile=/etc/a.env\nEnvironmentFile=-/etc/b.env\n\
                ExecStart=/usr/bin/etcd $ARGS\n";
    let facts = one(&[
        ("/etc/systemd/system/etcd.service", unit),
        ("/etc/a.env", "export ETCD_NAME=shell\nETCD_DATA_DIR=/var/lib/\\\netcd\nETCD_WAL_DIR=/my\\ wal\n"),
        ("/etc/b.env", "ETCD_WAL_DIR='/b'\nARGS=\"--name m1 \\\n  --snapshot-count=5000\"\n"),
    ]);
    let mut read = flags(&facts);
    read.sort_unstable();
    assert_eq!(read, [("data-dir", "/var/lib/etcd"), ("name", "m1"), ("snapshot-count", "5000"), ("wal-dir", "/b")]);
    assert!(facts.notes.iter().any(|note| note.contains("ETCD_NAME")), "{:?}", facts.notes);
}

/// The wording of what is told of places that were found.
#[test]
fn messages() {
    let unit = "/etc/systemd/system/etcd.service";
    let notes = |files: &[(&str, &str)]| {
        found(files).iter().flat_map(|facts| &facts.notes).cloned().collect::<Vec<_>>().join("\n")
    };
    let rows = [
        (
            "flags beside a configuration file",
            notes(&[
                (
                    unit,
                    "[Service]\nEnvironment=ETCD_WAL_DIR=/w\nExecStart=/usr/bin/etcd --config-file=/c.yml --name no\n",
                ),
                ("/c.yml", "name: m1\ndata-dir: /data\n"),
            ]),
        ),
        (
            "a configuration file that is missing",
            notes(&[(unit, "[Service]\nExecStart=/usr/bin/etcd --config-file /none\n")]),
        ),
        ("a pod that is no YAML", notes(&[("/etc/kubernetes/manifests/etcd.yaml", "a: [\n")])),
        (
            "another root",
            notes(&[(unit, "[Service]\nRootDirectory=/srv/etcd\nExecStart=/usr/bin/etcd --name m1 --data-dir /d\n")]),
        ),
        (
            "flags in a variable",
            notes(&[("/etc/default/etcd", "DAEMON_ARGS=\"--name m1 --quota-backend-bytes=8589934592\"\n")]),
        ),
        (
            "a line that systemd does not read",
            notes(&[
                (unit, "[Service]\nEnvironmentFile=/etc/a.env\nExecStart=/usr/bin/etcd\n"),
                ("/etc/a.env", "export ETCD_NAME=shell\n"),
            ]),
        ),
        ("words after the flags", notes(&[(unit, "[Service]\nExecStart=/usr/bin/etcd --pre-vote false --name m1\n")])),
    ];
    crate::text::messages::hold("world-discover", &rows);
}
