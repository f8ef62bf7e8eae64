//! `requorum launch --discover`: what the hosts tell of themselves goes into the start of their members.

use std::net::IpAddr;

use super::*;

/// The address that a host has is listened on, and the flags of the etcd that runs there are kept.
pub fn asks_the_hosts() {
    let Some(server) = ["3.6", "3.5"].iter().find_map(|minor| Server::find(minor).ok()) else { return };
    let net = Net::new();
    let host = net.host("h1");
    let address =
        Command::new("hostname").arg("-I").output().map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
    let address = address.unwrap_or_default().split(' ').find_map(|word| word.parse().ok().filter(IpAddr::is_ipv4));
    let Some(address) = address else {
        eprintln!("this machine has no address but loopback");
        return;
    };
    // Others of this name may run here for other tests.
    let name = format!("only-{}", std::process::id());
    let file = net.dir.path().join("plan.yaml");
    let mut make = requorum(["plan", "--snapshot"]);
    make.arg(fixture("3.5.16-small.db")).arg("--data-root").arg(&host.dir).arg("-o").arg(&file);
    make.args(["--initial-cluster", &format!("{name}=http://{address}:23800"), "--hosts", &format!("{name}=h1")]);
    succeed(make.args(["--client-urls", &format!("{name}=http://{address}:23790")]));

    let mut place = Place::take(1).remove(0);
    place.name = name.clone();
    let (client, peer) = (place.client_url(), place.peer_url());
    let data = net.dir.path().join("old.etcd");
    let line = format!(
        "etcd --name {name} --data-dir {} --listen-client-urls {client} --advertise-client-urls {client} \
         --listen-peer-urls {peer} --initial-advertise-peer-urls {peer} --initial-cluster {name}={peer} \
         --snapshot-count 4321 --force-new-cluster",
        data.display()
    );
    let mut old = Member::start(&server, &place, &data, &line, &[]);
    old.wait_ready(None);

    let launch = |more: &[&str]| {
        let out = requorum(["launch", "--plan"]).arg(&file).args(more).output().unwrap();
        (String::from_utf8_lossy(&out.stdout).into_owned(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (line, notes) = launch(&[]);
    assert!(line.contains("--listen-peer-urls=http://0.0.0.0:23800") && !line.contains("4321"), "{line}");
    assert!(notes.contains("192.0.2.2"), "{notes}");
    let config = net.config();
    let asked = ["--discover", "--ssh-config", config.to_str().unwrap()];
    let (line, notes) = launch(&asked);
    assert!(line.contains(&format!("--listen-peer-urls=http://{address}:23800")), "{line}{notes}");
    assert!(line.contains("--snapshot-count=4321") && !line.contains("force-new"), "{line}{notes}");
    assert!(notes.contains("--force-new-cluster"), "{notes}");
    assert!(host.temporary().is_empty(), "the program was left in {:?}", host.temporary());
    old.stop();

    // A host that does not answer is named, and its member is printed as before.
    let mut host = host;
    host.kill();
    let (line, notes) = launch(&asked);
    assert!(
        line.contains("--listen-peer-urls=http://0.0.0.0:23800") && notes.contains("Warning: h1:"),
        "{line}{notes}"
    );
}
