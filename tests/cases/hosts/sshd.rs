//! Real `sshd`s on loopback, each with an address, a host key and a directory of its own, and the one `ssh` configuration
//! that leads to them.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::support::{PROGRAM, names, succeed, wait_until};

const PORT: u16 = 2222;
const PATIENCE: Duration = Duration::from_secs(60);

/// Where Debian's `openssh-server` puts it; `sshd` wants to be called by its whole path.
///
/// # Errors
/// Why there is none.
pub fn program() -> Result<PathBuf, String> {
    let places = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"].map(PathBuf::from);
    let found = places.into_iter().find(|path| path.exists());
    found.ok_or_else(|| "no sshd here; tests/servers/get installs openssh-server where it may".to_string())
}

/// An address in 127.128.0.0/10 that no other test has.
fn free_address() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let seed = std::process::id().wrapping_mul(251).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let [_, a, b, c] = (seed % 0x3f_ffff).to_be_bytes();
        let ip = Ipv4Addr::new(127, 128 | (a & 0x3f), b, c);
        if !matches!(c, 0 | 255) && TcpListener::bind((ip, PORT)).is_ok() {
            return ip;
        }
    }
}

/// Keys and configuration of the one who connects.
pub struct Net {
    pub dir: TempDir,
    user: String,
}

impl Net {
    pub fn new() -> Net {
        let dir = TempDir::new().unwrap();
        let user = succeed(Command::new("id").arg("-un")).trim().to_string();
        if user == "root" {
            // Debian's service makes it at its start; sshd does not start without.
            let _ = fs::create_dir("/run/sshd");
        }
        keygen(&dir.path().join("id"));
        let known = dir.path().join("known_hosts");
        fs::write(&known, "").unwrap();
        let config = format!(
            "Host *\n  User {user}\n  IdentityFile {0}/id\n  IdentitiesOnly yes\n  IdentityAgent none\n  \
             UserKnownHostsFile {0}/known_hosts\n  GlobalKnownHostsFile /dev/null\n",
            dir.path().display()
        );
        fs::write(dir.path().join("config"), config).unwrap();
        Net { dir, user }
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    /// Makes `name` lead to this address. Of several lines the first counts for ssh, so this goes before the others.
    pub fn lead(&self, name: &str, ip: Ipv4Addr, port: u16) {
        let old = fs::read_to_string(self.config()).unwrap();
        let new = format!("Host {name}\n  HostName {ip}\n  Port {port}\n  HostKeyAlias {name}\n{old}");
        fs::write(self.config(), new).unwrap();
    }

    /// Trusts a host by this public key.
    pub fn trust(&self, name: &str, public: &Path) {
        let key = fs::read_to_string(public).unwrap();
        let mut known = File::options().append(true).open(self.dir.path().join("known_hosts")).unwrap();
        writeln!(known, "{name} {}", key.trim()).unwrap();
    }

    /// A host whose key is known.
    pub fn host(&self, name: &str) -> Sshd {
        let sshd = self.stranger(name);
        self.trust(name, &sshd.public());
        sshd
    }

    /// A host whose key is not known.
    pub fn stranger(&self, name: &str) -> Sshd {
        let dir = self.dir.path().join(name);
        fs::create_dir_all(dir.join("tmp")).unwrap();
        fs::create_dir_all(dir.join("bin")).unwrap();
        keygen(&dir.join("host_key"));
        let ip = free_address();
        // A PATH and a place for temporary files that no other host has.
        let text = format!(
            "ListenAddress {ip}:{PORT}\nHostKey {0}/host_key\nAuthorizedKeysFile {1}/id.pub\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nPrintMotd no\nLogLevel VERBOSE\n\
             AllowUsers {2}\nSetEnv PATH={0}/bin:/usr/sbin:/usr/bin:/sbin:/bin TMPDIR={0}/tmp\n",
            dir.display(),
            self.dir.path().display(),
            self.user
        );
        fs::write(dir.join("sshd_config"), text).unwrap();
        self.lead(name, ip, PORT);
        let mut sshd = Sshd { dir, ip, child: None };
        sshd.start();
        sshd
    }
}

pub fn keygen(path: &Path) {
    succeed(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path));
}

/// One running `sshd`.
pub struct Sshd {
    pub dir: PathBuf,
    pub ip: Ipv4Addr,
    child: Option<Child>,
}

impl Sshd {
    /// Starts it, and waits until it answers.
    pub fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.dir.join("sshd.log")).unwrap();
        let mut command = Command::new(program().unwrap());
        command.args(["-D", "-e", "-f"]).arg(self.dir.join("sshd_config"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = self.child.insert(command.spawn().unwrap());
        wait_until("sshd", PATIENCE, || {
            if let Some(status) = child.try_wait().unwrap() {
                let log = fs::read_to_string(self.dir.join("sshd.log")).unwrap_or_default();
                panic!("sshd ended with {status}:\n{log}");
            }
            let mut hello = [0; 4];
            let heard = TcpStream::connect((self.ip, PORT)).and_then(|mut s| s.read_exact(&mut hello));
            heard.map_err(|e| e.to_string())
        });
    }

    pub fn public(&self) -> PathBuf {
        self.dir.join("host_key.pub")
    }

    /// Kills it and every connection that it serves, as when the machine loses its network card.
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        for pid in descendants(child.id()) {
            if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Kills the program that works there.
    pub fn kill_agent(&self) {
        let ours = self.child.as_ref().map(|child| everybody(child.id())).unwrap_or_default();
        let agent = |pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).replace('\0', " ").trim_end().ends_with("requorum agent")
        };
        for pid in ours.into_iter().filter(agent) {
            if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }

    /// Puts the program on the PATH there, so that it is not sent.
    pub fn install(&self) {
        std::os::unix::fs::symlink(PROGRAM, self.dir.join("bin/requorum")).unwrap();
    }

    /// Puts a script on the PATH there, before the system's own program of that name.
    pub fn script(&self, name: &str, text: &str) {
        let path = self.dir.join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What is left of programs that were sent.
    pub fn temporary(&self) -> Vec<String> {
        names(&self.dir.join("tmp"))
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.kill();
    }
}

/// All that a process started, and theirs.
fn everybody(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children: Vec<u32> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    children.iter().copied().chain(children.iter().flat_map(|child| everybody(*child))).collect()
}

/// The `sshd`s that a process started, and theirs; not the programs that these run.
fn descendants(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let mut all = Vec::new();
    for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
        let name = fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
        if name.starts_with("sshd") {
            all.extend(descendants(child));
            all.push(child);
        }
    }
    all
}

/// A wire to a host that counts what goes there, and stops dead after so many bytes.
pub struct Gate {
    pub port: u16,
    sent: Arc<AtomicU64>,
    stopped: Receiver<()>,
}

impl Gate {
    /// A wire from `127.0.0.1:port` to the host.
    pub fn new(to: Ipv4Addr, limit: u64) -> Gate {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let sent = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = sync_channel(9);
        let count = Arc::clone(&sent);
        thread::spawn(move || {
            for near in listener.incoming() {
                let near = near.unwrap();
                let Ok(far) = TcpStream::connect((to, PORT)) else { continue };
                let (near2, far2) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let (count, stop) = (Arc::clone(&count), stop.clone());
                thread::spawn(move || pass(near, far, limit, &count, Some(&stop)));
                thread::spawn(move || pass(far2, near2, u64::MAX, &AtomicU64::new(0), None));
            }
        });
        Gate { port, sent, stopped }
    }

    /// How many bytes went to the host.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// Waits until it stopped.
    pub fn wait(&self) {
        self.stopped.recv_timeout(PATIENCE).expect("so many bytes were never sent");
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, limit: u64, count: &AtomicU64, stop: Option<&SyncSender<()>>) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
        if count.fetch_add(n as u64, Ordering::SeqCst) + n as u64 >= limit {
            if let Some(stop) = stop {
                stop.send(()).unwrap();
            }
            // Open, and nothing passes, until the host hangs up.
            while matches!(to.peek(&mut buffer), Ok(1..)) {
                thread::sleep(Duration::from_millis(20));
            }
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
