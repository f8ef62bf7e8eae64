//! Every form in which a start is printed, started by the real server or read by its own consumer.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::Command,
};

use requorum::{domain::render::start::StartFormat, system::discovery};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    real_etcd::end_to_end::Planned,
    support::{
        cluster::{Member, Place},
        fixture, json, requorum,
        servers::Server,
        succeed,
    },
};

/// How the old member was started: flags of every kind, and those that no recovery may have.
const OLD: &str = r#"[Service]
Type=notify
Environment=ETCD_QUOTA_BACKEND_BYTES=4294967296 ETCD_FORCE_NEW_CLUSTER=true
ExecStart=/usr/bin/etcd --name=old --data-dir=/var/lib/etcd --initial-cluster-state=new \
  --initial-cluster old=http://10.0.0.1:2380 --discovery-srv=example.org --listen-peer-urls=http://10.0.0.1:2380 \
  --snapshot-count=5000 --heartbeat-interval=150 --election-timeout=1500 --pre-vote --grpc-keepalive-min-time=4s \
  --auto-compaction-mode=periodic --auto-compaction-retention=8 --log-outputs=stderr --logger=zap \
  --experimental-initial-corrupt-check=true --experimental-corrupt-check-time=10h \
  --experimental-watch-progress-notify-interval=5s --enable-v2=false
"#;

/// YAML as JSON.
pub(super) fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

/// Its name and directory are odd on purpose.
pub(super) struct Odd {
    server: Server,
    place: Place,
    plan: Planned,
    old: PathBuf,
    pub(super) dir: TempDir,
}

impl Odd {
    pub(super) fn new(server: &Server) -> Odd {
        let dir = TempDir::new().unwrap();
        let mut place = Place::take(1).remove(0);
        place.name = "m$1%;é".into();
        let places = [place.clone()];
        let root = dir.path().join("da $HOME 100% 'q\"");
        let flags = ["--etcd-version", server.minor, "--data-root", root.to_str().unwrap()];
        let plan = Planned::new_in(&fixture("3.4.23-small.db"), &places, dir.path(), &flags);
        succeed(requorum(["restore", "--plan"]).arg(&plan.file));
        let old = dir.path().join("etcd.service");
        fs::write(&old, OLD).unwrap();
        Odd { server: server.clone(), place, plan, old, dir }
    }

    pub(super) fn launch(&self, form: &str) -> Command {
        let mut command = requorum(["launch", "--format", form, "--image", "the-image", "--plan"]);
        command.arg(&self.plan.file).arg("--program").arg(self.server.dir().join("etcd"));
        command.arg("--old").arg(format!("{}={}", self.place.name, self.old.display()));
        command
    }

    /// Starts it by `script`, in which what is called `etcd` takes the shell's place, and looks at what it serves.
    fn serves(&self, what: &str, script: &str, env: &[(&str, &str)]) {
        let file = self.dir.path().join("start.sh");
        fs::write(&file, format!("etcd() {{ exec \"$(type -P etcd)\" \"$@\"; }}\n{script}")).unwrap();
        succeed(Command::new("bash").arg("-n").arg(&file));
        let data = &self.plan.plan.members[0].data_dir;
        let line = format!("bash {}", file.display());
        let mut member = Member::start(&self.server, &self.place, data, &line, env);
        let mut client = member.wait_ready(None);
        assert_eq!(client.contents().keys.len(), 100, "by {what}");
        assert_eq!(client.members().1, self.plan.plan.cluster_id.0);
        let metrics = self.metrics();
        assert!(
            metrics.contains("etcd_server_quota_backend_bytes 4.294967296e+09"),
            "{what} lost the quota\n{metrics}"
        );
        member.stop();
    }

    /// Started without a directory, nothing comes up.
    fn refuses(&self, what: &str, script: &str) {
        let data = &self.plan.plan.members[0].data_dir;
        let aside = data.with_extension("aside");
        fs::rename(data, &aside).unwrap();
        let path = format!("{}:/usr/bin:/bin", self.server.dir().display());
        // Were it to start anyhow, it would be below our own directory.
        let out = Command::new("bash").arg("-c").arg(self.below(script)).env("PATH", path).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(!out.status.success() && !said.is_empty(), "{what}");
        assert!(!data.exists(), "{what} made a directory");
        fs::rename(&aside, data).unwrap();
    }

    /// The script with the host's `/etc` in a directory of the test.
    fn below(&self, script: &str) -> String {
        script.replace("/etc/", &format!("{}/etc/", self.dir.path().display()))
    }

    /// Runs the lines that put a page's files in their places, twice; `systemctl` only notes what it is asked for.
    fn installs(&self, page: &Value) {
        let (form, start) = (page["form"].as_str().unwrap(), page["start"].as_str().unwrap());
        let log = self.dir.path().join(format!("{form}.log"));
        let script = format!("systemctl() {{ echo \"$*\" >>{}; }}\n{}", log.display(), self.below(start));
        let files: Vec<(PathBuf, String)> = page["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| (self.below(f["place"].as_str().unwrap()).into(), f["text"].as_str().unwrap().to_string()))
            .collect();
        let run = || Command::new("bash").arg("-c").arg(&script).output().unwrap();
        let _ = fs::remove_dir_all(self.dir.path().join("etc"));
        for (place, _) in &files {
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, "what was there").unwrap();
        }
        let out = run();
        assert!(out.status.success(), "{form}: {}", String::from_utf8_lossy(&out.stderr));
        for (place, text) in &files {
            assert_eq!(fs::read_to_string(place).unwrap(), self.below(text).trim_end().to_string() + "\n", "{form}");
            let old = format!("{}.requorum-old-{}", place.display(), self.plan.plan.short_id());
            assert_eq!(fs::read_to_string(old).unwrap(), "what was there", "{form}");
        }
        let asked = fs::read_to_string(&log).unwrap();
        assert_eq!(asked, "daemon-reload\nstart --no-block etcd.service\n", "{form}");
        assert!(!run().status.success(), "{form}: a second time it would write over");
        let back = format!("systemctl() {{ :; }}\n{}", self.below(page["back"].as_str().unwrap()));
        let out = Command::new("bash").arg("-c").arg(back).output().unwrap();
        assert!(out.status.success(), "{form}: {}", String::from_utf8_lossy(&out.stderr));
        for (place, _) in &files {
            assert_eq!(fs::read_to_string(place).unwrap(), "what was there", "{form}");
        }
    }

    fn metrics(&self) -> String {
        let mut stream = TcpStream::connect((self.place.host(), 2379)).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: etcd\r\n\r\n").unwrap();
        let mut text = Vec::new();
        stream.read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Every form starts the member that was restored, with the flags that it had, and none starts without its directory.
pub fn forms(server: &Server) {
    let odd = Odd::new(server);
    let page = |form: &str| json(odd.launch(form).args(["-w", "json"]))[0].clone();
    let text = |value: &Value| value.as_str().unwrap().to_string();
    let wanted = json(requorum(["launch", "-w", "json", "--plan"]).arg(&odd.plan.file).arg("--old").arg(format!(
        "{}={}",
        odd.place.name,
        odd.old.display()
    )))[0]
        .clone();
    let argv: Vec<String> = wanted["argv"].as_array().unwrap().iter().map(text).collect();
    let changes = wanted["changes"].to_string();
    for words in
        ["--force-new-cluster is left out", "--discovery-srv is left out", "--initial-cluster-state=new is left out"]
    {
        assert!(changes.contains(words), "{words:?} is not in {changes}");
    }
    assert_eq!(changes.contains("--feature-gates=InitialCorruptCheck=true"), server.minor >= "3.6", "{changes}");

    // All of it is what a shell can read, and everything is said above it.
    for form in StartFormat::all() {
        let whole = succeed(&mut odd.launch(form.as_str()));
        for words in [
            &odd.plan.plan.short_id(),
            "this machine",
            "It serves as soon as it is up",
            "force-new-cluster is left out",
        ] {
            let words = words.replacen("It serves", "it serves", 1);
            assert!(whole.contains(&words), "{words:?} is not in\n{whole}");
        }
    }

    let shell = page("shell");
    odd.serves("shell", &text(&shell["start"]), &[]);
    odd.refuses("shell", &text(&shell["start"]));

    for program in ["docker", "podman"] {
        let start = text(&page(program)["start"]);
        let found = "while [ \"$1\" != the-image ]; do shift; done; shift; etcd \"$@\"";
        odd.serves(program, &format!("{program}() {{ {found}; }}\n{start}"), &[]);
        odd.refuses(program, &start);
    }

    let compose = page("compose");
    let service: Value = serde_yaml::from_str(&text(&compose["files"][0]["text"])).unwrap();
    let service = service["services"].as_object().unwrap().values().next().unwrap().clone();
    let words: Vec<String> =
        service["command"].as_array().unwrap().iter().map(|word| text(word).replace("$$", "$")).collect();
    assert_eq!(words, argv[1..]);
    assert_eq!((&service["image"], &service["entrypoint"][0]), (&Value::from("the-image"), &Value::from("etcd")));
    let mounts: Vec<String> =
        service["volumes"].as_array().unwrap().iter().map(|v| text(&v["source"]).replace("$$", "$")).collect();
    let data = odd.plan.plan.members[0].data_dir.display().to_string();
    assert_eq!(mounts, [data.clone(), format!("{data}/member")]);
    odd.refuses("compose", &text(&compose["start"]));

    let env = page("env");
    fs::write(odd.dir.path().join("etcd.env"), text(&env["files"][0]["text"])).unwrap();
    odd.serves("env", &format!("set -a\n. {}\nset +a\netcd\n", odd.dir.path().join("etcd.env").display()), &[]);

    let config = page("config");
    let file = odd.dir.path().join("etcd.conf.yml");
    fs::write(&file, text(&config["files"][0]["text"])).unwrap();
    odd.serves("config", &format!("etcd --config-file={}\n", file.display()), &[]);

    // What a unit says is read by who reads units.
    for form in ["systemd", "drop-in"] {
        let unit = page(form);
        let copy = odd.dir.path().join("printed.service");
        fs::write(&copy, text(&unit["files"][0]["text"])).unwrap();
        let read = discovery::one(&copy, true).unwrap();
        let pairs: Vec<String> = read.flags.iter().map(|s| format!("--{}={}", s.flag, s.value)).collect();
        assert_eq!(pairs, argv[1..], "{form}");
        odd.refuses(form, &text(&unit["start"]));
    }
    for form in ["systemd", "drop-in", "env", "config"] {
        odd.installs(&page(form));
    }
    pod(&odd, &page("pod"), &argv);
}

/// kubeadm's manifest, patched by kubectl.
fn pod(odd: &Odd, page: &Value, argv: &[String]) {
    let text = |value: &Value| value.as_str().unwrap().to_string();
    odd.refuses("pod", &text(&page["start"]));
    let patch = odd.dir.path().join("patch.yaml");
    fs::write(&patch, text(&page["files"][0]["text"])).unwrap();
    let parsed: Value = serde_yaml::from_str(&fs::read_to_string(&patch).unwrap()).unwrap();
    let words: Vec<String> = parsed["spec"]["containers"][0]["command"]
        .as_array()
        .unwrap()
        .iter()
        .map(text)
        .map(|w| w.replace("$$(", "$("))
        .collect();
    let with_metrics: Vec<String> =
        argv.iter().cloned().chain(["--listen-metrics-urls=http://127.0.0.1:2381".into()]).collect();
    assert_eq!(words, with_metrics);
    if Command::new("kubectl").arg("version").arg("--client").output().is_err() {
        eprintln!("no kubectl here: the patch was read as YAML only");
        return;
    }
    // The very lines, with the host's /etc/kubernetes in a directory of the test.
    let manifest = odd.dir.path().join("etc/kubernetes/manifests/etcd.yaml");
    fs::create_dir_all(manifest.parent().unwrap()).unwrap();
    fs::write(&manifest, MANIFEST).unwrap();
    let out = Command::new("bash").arg("-c").arg(odd.below(&text(&page["start"]))).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let pod: Value = serde_yaml::from_str(&fs::read_to_string(&manifest).unwrap()).unwrap();
    assert_eq!(fs::read_dir(manifest.parent().unwrap()).unwrap().count(), 1, "the kubelet runs every file there");
    let container = &pod["spec"]["containers"][0];
    let parked = odd.dir.path().join("etc/kubernetes/etcd.yaml.parked");
    assert_eq!(fs::read_to_string(parked).unwrap(), MANIFEST);
    assert_eq!(container["command"], parsed["spec"]["containers"][0]["command"]);
    // What was there and is nobody's business stays.
    assert_eq!(container["livenessProbe"]["httpGet"]["port"], Value::from(2381));
    assert_eq!(
        pod["metadata"]["annotations"]["kubeadm.kubernetes.io/etcd.advertise-client-urls"],
        Value::from(odd.place.client_url())
    );
    let data = odd.plan.plan.members[0].data_dir.display().to_string();
    let volume = pod["spec"]["volumes"].as_array().unwrap().iter().find(|v| v["name"] == "requorum-member").unwrap();
    assert_eq!(volume["hostPath"], serde_json::json!({"path": format!("{data}/member"), "type": "Directory"}));
    assert!(container["volumeMounts"].as_array().unwrap().iter().any(|m| m["mountPath"] == data.clone()));
    assert!(container["volumeMounts"].as_array().unwrap().iter().any(|m| m["mountPath"] == "/etc/kubernetes/pki/etcd"));
    let out = Command::new("bash").arg("-c").arg(odd.below(&text(&page["back"]))).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(fs::read_to_string(&manifest).unwrap(), MANIFEST);
}

const MANIFEST: &str = "apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/etcd.advertise-client-urls: https://10.0.0.1:2379
  name: etcd
  namespace: kube-system
spec:
  containers:
  - command:
    - etcd
    - --data-dir=/var/lib/etcd
    - --initial-cluster-state=new
    image: etcd:3.5
    livenessProbe:
      httpGet:
        host: 127.0.0.1
        path: /health?exclude=NOSPACE&serializable=true
        port: 2381
    name: etcd
    volumeMounts:
    - mountPath: /var/lib/etcd
      name: etcd-data
    - mountPath: /etc/kubernetes/pki/etcd
      name: etcd-certs
  hostNetwork: true
  volumes:
  - hostPath:
      path: /etc/kubernetes/pki/etcd
      type: DirectoryOrCreate
    name: etcd-certs
  - hostPath:
      path: /var/lib/etcd
      type: DirectoryOrCreate
    name: etcd-data
";

/// systemd itself reads the units, and says whether their condition holds.
pub fn systemd(server: &Server) {
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        eprintln!("no systemd-analyze here");
        return;
    };
    assert!(version.status.success());
    let odd = Odd::new(server);
    for form in ["systemd", "drop-in", "env", "config"] {
        let page = json(odd.launch(form).args(["-w", "json"]))[0].clone();
        let files = page["files"].as_array().unwrap();
        let unit = files.last().unwrap()["text"].as_str().unwrap();
        let home = TempDir::new().unwrap();
        let file = home.path().join("etcd.service");
        let unit = if form == "systemd" {
            unit.to_string()
        } else {
            // As it comes out with the unit that it is dropped into.
            let drop = home.path().join("etcd.service.d");
            fs::create_dir(&drop).unwrap();
            fs::write(drop.join("90-requorum.conf"), unit).unwrap();
            "[Service]\nType=notify\nExecStart=/bin/true --old\n".to_string()
        };
        fs::write(&file, unit).unwrap();
        let out = Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .arg(&file)
            .env("SYSTEMD_UNIT_PATH", format!("{}:", home.path().display()))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        let ours: Vec<&str> =
            said.lines().filter(|line| line.contains("etcd.service") || line.contains("90-req")).collect();
        assert!(out.status.success() && ours.is_empty(), "{form}: {said}\n{}", fs::read_to_string(&file).unwrap());
        // The assertion names the very directory.
        let text = files.last().unwrap()["text"].as_str().unwrap();
        let assertion = text.lines().find(|line| line.starts_with("AssertPathIsDirectory=")).unwrap();
        let holds =
            || Command::new("systemd-analyze").args(["condition", assertion]).output().unwrap().status.success();
        assert!(holds(), "{assertion}");
        let data = &odd.plan.plan.members[0].data_dir;
        let aside = data.with_extension("aside");
        fs::rename(data, &aside).unwrap();
        assert!(!holds(), "{assertion} holds without the directory");
        fs::rename(&aside, data).unwrap();
    }
}
