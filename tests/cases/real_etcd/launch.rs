//! The table of flags against the programs, a member on IPv6, the runbook, and what goes wrong without
//! `--initial-cluster-state=existing`.

mod forms;
mod keys;
mod tls;

use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use requorum::domain::members::etcd_flags::{self, patches};
use tempfile::TempDir;

use super::end_to_end::Planned;
use crate::support::{
    cluster::{Member, Place},
    contents::Client,
    fixture, json, requorum,
    servers::Server,
    succeed, wait_until,
};
use forms::Odd;
pub use forms::{forms, systemd};
pub use keys::{config_again, every_key, foreign_variables};
pub use tls::as_judged;

/// The table of flags is that of the program: each flag that it lists is taken, each other is not.
pub fn flags_of_server(server: &Server) {
    let program = server.dir().join("etcd");
    let etcd = |args: &[&str]| {
        let Output { stdout, stderr, .. } = Command::new(&program).args(args).env_clear().output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr))
    };
    let of = |minor: &str| -> BTreeSet<&str> { etcd_flags::of_version(minor.parse().unwrap()).into_iter().collect() };
    let own = of(server.minor);
    let all: BTreeSet<&str> = ["3.4", "3.5", "3.6", "3.7"].into_iter().flat_map(of).collect();
    for flag in all {
        let taken = !etcd(&["--version", &format!("--{flag}=1")]).contains("provided but not defined");
        // Early patches lack some that were brought back to their version.
        let since = patches::of_flag(flag, server.minor.parse().unwrap()).unwrap_or(0);
        let wanted = own.contains(flag) && u64::from(server.patch()) >= since;
        assert_eq!(taken, wanted, "--{flag} of etcd {}", server.full);
    }
    let help = etcd(&["--help"]);
    let listed: Vec<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  --").or_else(|| line.strip_prefix("  -")))
        .filter_map(|line| line.split([' ', '=']).next().filter(|flag| flag.len() > 2))
        .collect();
    assert!(listed.len() > 50, "{help}");
    for flag in listed.into_iter().filter(|flag| !["version", "help"].contains(flag)) {
        // Those of discovery are taken out whatever they are.
        assert!(own.contains(flag) || flag.starts_with("discovery"), "--{flag} is unknown to us");
    }
}

/// Three members, of which the third is started on an empty directory: with `new` it comes up empty under its planned ID
/// and answers; with `existing`, as every printed line has it, it fetches the data or refuses.
pub fn empty_directory(server: &Server) {
    let start = |state: &str| {
        let dir = TempDir::new().unwrap();
        let places = Place::take(3);
        let plan = Planned::new(&fixture("3.4.23-small.db"), &places, dir.path(), &["--etcd-version", server.minor]);
        succeed(requorum(["restore", "--plan"]).arg(&plan.file));
        let third = plan.plan.members[2].data_dir.clone();
        fs::rename(&third, third.with_extension("aside")).unwrap();
        let list = json(requorum(["launch", "-w", "json", "--plan"]).arg(&plan.file));
        let line = |at: usize| list[at]["command"].as_str().unwrap().to_string();
        let of = |at: usize| &plan.plan.members[at].data_dir;
        let mut members: Vec<Member> =
            (0..2).map(|at| Member::start(server, &places[at], of(at), &line(at), &[])).collect();
        for member in &mut members {
            assert_eq!(member.wait_ready(None).contents().keys.len(), 100);
        }
        let stated = line(2).replace("--initial-cluster-state=existing", &format!("--initial-cluster-state={state}"));
        assert_eq!(stated == line(2), state == "existing");
        let mut last = Member::start(server, &places[2], of(2), &stated, &[]);
        let up = last.comes_up();
        let keys = up.is_ok().then(|| {
            let mut client = Client::connect(&places[2].client_url(), None).unwrap();
            (client.serializable_keys(), client.member_id())
        });
        let planned = plan.plan.members[2].id.0;
        (keys, planned, up)
    };
    let (keys, planned, said) = start("new");
    assert_eq!(keys, Some((0, planned)), "an empty member that looks healthy: {said:?}");
    match start("existing") {
        (Some((keys, _)), ..) => assert_eq!(keys, 100, "it fetched the data"),
        (None, _, refused) => assert!(refused.is_err()),
    }
}

/// A member with an IPv6 address, started with exactly the printed line.
pub fn ipv6(server: &Server) {
    let Ok(probe) = TcpListener::bind("[::1]:0") else {
        eprintln!("no IPv6 here");
        return;
    };
    let other = TcpListener::bind("[::1]:0").unwrap();
    let (peer, client) = (probe.local_addr().unwrap().port(), other.local_addr().unwrap().port());
    drop((probe, other));
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("plan.yaml");
    let mut make = requorum(["plan", "--snapshot"]);
    make.arg(fixture("3.4.23-small.db")).arg("-o").arg(&file).arg("--data-root").arg(dir.path().join("restored"));
    make.args([
        "--initial-cluster",
        &format!("m1=http://[::1]:{peer}"),
        "--client-urls",
        &format!("m1=http://[::1]:{client}"),
    ]);
    succeed(make.args(["--etcd-version", server.minor]));
    let plan = Planned::read(&file);
    succeed(requorum(["restore", "--plan"]).arg(&plan.file));
    let line = json(requorum(["launch", "-w", "json", "--plan"]).arg(&plan.file))[0]["command"].clone();
    let line = line.as_str().unwrap();
    assert!(line.contains(&format!("'--listen-peer-urls=http://[::1]:{peer}'")), "{line}");
    let place = Place::take(1).remove(0);
    let mut member = Member::start(server, &place, &plan.plan.members[0].data_dir, line, &[]);
    let url = format!("http://[::1]:{client}");
    let keys = wait_until("an answer", Duration::from_secs(60), || {
        let mut client = Client::connect(&url, None).map_err(|e| e.to_string())?;
        client.try_read().map_err(|e| format!("{e}\n{}", member.log()))?;
        Ok(client.contents().keys.len())
    });
    assert_eq!(keys, 100);
    member.stop();
}

/// The runbook holds every step of every member, each with a box, and its shell parts are what a shell can read.
pub fn runbook(server: &Server) {
    let odd = Odd::new(server);
    let text = succeed(&mut odd.launch("runbook"));
    for words in
        ["- [ ] ", "## 1. Before anything is written", "## 2. Restore", "## 3. Start", "## 4. Verify", "## Roll back"]
    {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    assert!(text.contains("systemd drop-in"), "the old unit says how it was started");
    let dir = odd.dir.path().join("out");
    let written = succeed(odd.launch("runbook:config").arg("-o").arg(&dir));
    let file = Path::new(written.trim());
    assert!(file.starts_with(&dir) && fs::read_to_string(file).unwrap().contains("etcd.conf.yml"));
    let again = odd.launch("runbook").arg("-o").arg(&dir).output().unwrap();
    assert!(!again.status.success(), "nothing is written over");
    let mut blocks = 0;
    for block in text.split("\n```sh\n").skip(1) {
        let block = block.split("\n```\n").next().unwrap();
        blocks += 1;
        let file = odd.dir.path().join("block.sh");
        fs::write(&file, block).unwrap();
        succeed(Command::new("bash").arg("-n").arg(&file));
    }
    assert!(blocks >= 6, "{blocks} blocks in\n{text}");
}
