//! How host names become addresses. A program that is linked with glibc statically loads the modules of the host's
//! `/etc/nsswitch.conf` (sss, resolve, mdns, …) together with the host's own glibc, which may be another version and crash
//! it. `files` and `dns` are part of the program itself. Where another module is configured for hosts, the host's `getent`
//! is asked instead: it is the same lookup, made by the host's own libraries.

use std::{
    env, fs, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    process::{Command, Stdio},
};

/// Whether this program would load modules of another glibc.
const LOADS_MODULES: bool = cfg!(all(target_os = "linux", target_env = "gnu", target_feature = "crt-static"));

/// Returns the addresses of a host, with this port, in the order of preference.
///
/// # Errors
/// When it has none, as the system reports.
pub(in crate::system) fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    if LOADS_MODULES && fs::read_to_string("/etc/nsswitch.conf").is_ok_and(|text| has_modules(&text)) {
        match getent(host).output() {
            Ok(output) => {
                let addresses = parse(&String::from_utf8_lossy(&output.stdout), port);
                return if addresses.is_empty() { Err(unknown(output.status.code())) } else { Ok(addresses) };
            }
            // As in a container that has nothing else: then it has no modules either.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    (host, port).to_socket_addrs().map(Iterator::collect)
}

/// The same without blocking the runtime's threads.
///
/// # Errors
/// As [`lookup`].
pub(in crate::system) async fn lookup_host(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let host = host.to_string();
    tokio::task::spawn_blocking(move || lookup(&host, port)).await.map_err(io::Error::other)?
}

/// Returns the command that asks for a host's addresses. It gets none of our variables: some are secrets.
fn getent(host: &str) -> Command {
    let mut command = Command::new("getent");
    command.args(["ahosts", "--", host]).stdin(Stdio::null());
    command.env_clear().envs(env::var_os("PATH").map(|path| ("PATH", path)));
    command
}

fn unknown(code: Option<i32>) -> io::Error {
    // getent(1): 2 means that the key was not found.
    let why = if code == Some(2) { "Name or service not known" } else { "getent failed" };
    io::Error::new(io::ErrorKind::NotFound, format!("failed to lookup address information: {why}"))
}

/// Returns whether a text of nsswitch.conf(5) names other services for hosts than those in glibc itself.
fn has_modules(text: &str) -> bool {
    let line = |line: &str| line.split('#').next()?.trim().strip_prefix("hosts:").map(str::to_string);
    let Some(services) = text.lines().filter_map(line).next_back() else { return false };
    // Between services there may be actions: [NOTFOUND=return], also with spaces in them.
    let mut inside = false;
    let without_actions: String = services
        .chars()
        .map(|c| {
            inside = (inside || c == '[') && c != ']';
            if inside || c == ']' { ' ' } else { c }
        })
        .collect();
    without_actions.split_whitespace().any(|service| !matches!(service, "files" | "dns"))
}

/// Parses the output of `getent ahosts`: an address at the start of each line, once for each kind of socket.
fn parse(text: &str, port: u16) -> Vec<SocketAddr> {
    let mut out: Vec<SocketAddr> = Vec::new();
    for ip in text.lines().filter_map(|line| line.split_whitespace().next()?.parse::<IpAddr>().ok()) {
        let address = SocketAddr::new(ip, port);
        if !out.contains(&address) {
            out.push(address);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn other_services_are_recognised() {
        for (text, modules) in [
            ("", false),
            ("passwd: sss files\n", false),
            ("hosts: files dns\n", false),
            ("hosts:\tfiles  dns # myhostname\n", false),
            ("hosts: files [NOTFOUND=return] dns\n", false),
            ("hosts: files [ NOTFOUND=return UNAVAIL = continue ] dns\n", false),
            ("#hosts: files resolve\nhosts: files dns", false),
            ("hosts: files myhostname resolve [!UNAVAIL=return] dns", true),
            ("hosts: files mdns4_minimal [NOTFOUND=return] dns", true),
            ("  hosts: sss", true),
        ] {
            assert_eq!(has_modules(text), modules, "{text}");
        }
    }

    #[test]
    fn output_of_getent_is_parsed_once_each() {
        let text = "127.0.0.1       STREAM m1\n127.0.0.1       DGRAM  \n::1  RAW\nfe80::1%eth0 STREAM\nwhatever\n\n";
        let shown: Vec<String> = parse(text, 2379).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["127.0.0.1:2379", "[::1]:2379"]);
        assert_eq!(unknown(Some(2)).kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn addresses_and_names_are_resolved() {
        assert_eq!(lookup("10.0.0.1", 1).unwrap()[0].to_string(), "10.0.0.1:1");
        assert_eq!(lookup("::1", 1).unwrap()[0].to_string(), "[::1]:1");
        assert!(lookup("localhost", 2379).unwrap().iter().all(|address| address.ip().is_loopback()));
        assert!(lookup("no-such-host.invalid", 1).is_err());
    }
}
