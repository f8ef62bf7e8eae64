//! Real etcd clusters on loopback: each member a process with an address of its own, its data in a
//! temporary directory, killed at the latest when the value is dropped.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tempfile::TempDir;

use super::{contents::Client, servers::Server, wait_until};

/// Long enough for a busy two-core machine; nothing waits for it unless something is broken.
const PATIENCE: Duration = Duration::from_secs(90);

/// One member's place: a loopback address that no other test has, with etcd's usual ports.
#[derive(Debug, Clone)]
pub struct Place {
    pub name: String,
    ip: Ipv4Addr,
}

impl Place {
    /// `count` places called m1, m2, ….
    pub fn take(count: usize) -> Vec<Place> {
        (1..=count).map(|i| Place { name: format!("m{i}"), ip: free_address() }).collect()
    }

    pub fn host(&self) -> String {
        self.ip.to_string()
    }

    pub fn peer_url(&self) -> String {
        format!("http://{}:2380", self.ip)
    }

    pub fn client_url(&self) -> String {
        format!("http://{}:2379", self.ip)
    }
}

/// `m1=URL,m2=URL` of the peer URLs.
pub fn initial_cluster(places: &[Place]) -> String {
    let pairs: Vec<String> = places.iter().map(|p| format!("{}={}", p.name, p.peer_url())).collect();
    pairs.join(",")
}

/// `m1=URL,m2=URL` of the client URLs.
pub fn client_urls(places: &[Place]) -> String {
    let pairs: Vec<String> = places.iter().map(|p| format!("{}={}", p.name, p.client_url())).collect();
    pairs.join(",")
}

/// An address in 127.64.0.0/10 made of the process ID and a counter, so that tests that run at the
/// same time, in one process or in several, never meet; one whose ports are taken is passed over.
fn free_address() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let seed = std::process::id().wrapping_mul(251).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let [_, a, b, c] = (seed % 0x3f_ffff).to_be_bytes();
        let ip = Ipv4Addr::new(127, 64 | (a & 0x3f), b, c);
        if !matches!(c, 0 | 255) && TcpListener::bind((ip, 2379)).is_ok() && TcpListener::bind((ip, 2380)).is_ok() {
            return ip;
        }
    }
}

/// One running etcd.
pub struct Member {
    pub place: Place,
    pub data_dir: PathBuf,
    child: Child,
    log: PathBuf,
}

impl Member {
    /// Starts `line`, a command as one types it into a shell, with this server's programs first on
    /// the PATH and no other variables than `env`.
    pub fn start(server: &Server, place: &Place, data_dir: &Path, line: &str, env: &[(&str, &str)]) -> Member {
        let log = data_dir.with_extension("log");
        let out = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(format!("exec {line}")).env_clear();
        command.env("PATH", format!("{}:/usr/bin:/bin", server.dir().display()));
        if !cfg!(target_arch = "x86_64") {
            // 3.4 starts elsewhere only when told that this is known.
            command.env("ETCD_UNSUPPORTED_ARCH", if cfg!(target_arch = "aarch64") { "arm64" } else { "" });
        }
        command.envs(env.iter().copied()).current_dir(data_dir.parent().unwrap());
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
        let child = command.spawn().unwrap();
        Member { place: place.clone(), data_dir: data_dir.to_path_buf(), child, log }
    }

    /// Its database file.
    pub fn db(&self) -> PathBuf {
        self.data_dir.join("member/snap/db")
    }

    /// Sends it a signal; `STOP` makes it hang as a broken disk does.
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and waits until it is gone.
    pub fn stop(&mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        wait_until("etcd to stop", PATIENCE, || {
            self.child.try_wait().unwrap().ok_or_else(|| format!("it still runs\n{}", self.tail()))
        })
    }

    /// All that it logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        format!("the last lines of {}:\n{}", self.place.name, lines[lines.len().saturating_sub(15)..].join("\n"))
    }

    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it answers a linearizable read, or ends, or says that it cannot even publish its name: then the end of
    /// its log comes back.
    pub fn comes_up(&mut self) -> Result<(), String> {
        wait_until("an answer or an end", PATIENCE, || match self.child.try_wait().unwrap() {
            Some(_) => Ok(Err(self.tail())),
            None => match Client::connect(&self.place.client_url(), None).map(|mut client| client.try_read()) {
                Ok(Ok(())) => Ok(Ok(())),
                _ if self.log().contains("failed to publish local member") => Ok(Err(self.tail())),
                _ => Err(self.tail()),
            },
        })
    }

    /// Waits until it answers a linearizable read; panics when the process ends instead.
    pub fn wait_ready(&mut self, user: Option<(&str, &str)>) -> Client {
        wait_until("a linearizable answer", PATIENCE, || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("etcd {} ended with {status}; {}", self.place.name, self.tail());
            }
            let mut client =
                Client::connect(&self.place.client_url(), user).map_err(|e| format!("{e}; {}", self.tail()))?;
            client.try_read().map_err(|e| format!("{e}; {}", self.tail()))?;
            Ok(client)
        })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A cluster of new members.
pub struct Cluster {
    pub members: Vec<Member>,
    pub dir: TempDir,
}

impl Cluster {
    /// Starts `count` members of a new cluster and waits until each serves.
    pub fn new(server: &Server, count: usize) -> Cluster {
        let dir = TempDir::new().unwrap();
        let places = Place::take(count);
        let dirs: Vec<PathBuf> = places.iter().map(|p| dir.path().join(format!("{}.etcd", p.name))).collect();
        // Nothing here is to outlive a power cut. 3.4 does not know the switch.
        let quick = if server.minor == "3.4" { "" } else { " --unsafe-no-fsync" };
        Cluster { members: Cluster::begin(server, &places, &dirs, quick), dir }
    }

    /// Starts a new cluster in these directories, with `more` flags, and waits until each member serves.
    pub fn begin(server: &Server, places: &[Place], dirs: &[PathBuf], more: &str) -> Vec<Member> {
        let start = |(place, data): (&Place, &PathBuf)| {
            let (name, client, peer) = (&place.name, place.client_url(), place.peer_url());
            let line = format!(
                "etcd --name {name} --data-dir {} --listen-client-urls {client} --advertise-client-urls {client} \
                 --listen-peer-urls {peer} --initial-advertise-peer-urls {peer} --initial-cluster {} \
                 --initial-cluster-token first{more}",
                data.display(),
                initial_cluster(places)
            );
            Member::start(server, place, data, &line, &[])
        };
        let mut members: Vec<Member> = places.iter().zip(dirs).map(start).collect();
        for member in &mut members {
            member.wait_ready(None);
        }
        members
    }

    /// A client of member `index`.
    pub fn client(&self, index: usize, user: Option<(&str, &str)>) -> Client {
        Client::connect(&self.members[index].place.client_url(), user).unwrap()
    }
}
