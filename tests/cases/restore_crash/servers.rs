//! Restored with options, then started: does the etcd of that version take it, and does it serve?

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use etcd_client::{Client, ConnectOptions};
use requorum::{
    domain::model::options::Options,
    engine::{
        install::restore,
        progress::Flow,
        restore::{RestoreSpec, initial_log::InitialLog},
    },
    error::Fault,
    etcd::version::Minor,
};

use super::{
    common::{changed_fixture, keys_in, make_snapshot},
    support::fixture,
};

/// How long an etcd may take to serve, on a machine that builds something else.
const PATIENCE: Duration = Duration::from_secs(40);

/// Where the servers lie: `etcd` and, from 3.5 on, `etcdutl`.
pub fn home(version: Minor) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/etcd").join(version.as_str())
}

/// A member that runs; ended when dropped.
struct Server {
    child: Child,
    client: u16,
    log: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    /// Restores the only member of a new cluster with these options and starts it.
    fn restored(version: Minor, source: &Path, dir: &Path, options: &Options) -> Server {
        Self::written_for(version, version, source, dir, options)
    }

    /// As [`Server::restored`], in the forms of etcd `target`.
    fn written_for(version: Minor, target: Minor, source: &Path, dir: &Path, options: &Options) -> Server {
        let (client, peer) = (port(), port());
        let url = |port| format!("http://127.0.0.1:{port}");
        let peers = [url(peer)];
        let data_dir = dir.join("m1.etcd");
        let job = RestoreSpec {
            source,
            pinned_sha256: None,
            skip_hash_check: false,
            genesis: &InitialLog::new([("m1", &peers[..])], "care"),
            name: "m1",
            data_dir: &data_dir,
            wal_dir: None,
            target,
            bump_revision: 0,
            options,
        };
        restore(&job, &mut |_| Flow::Go).unwrap_or_else(|e| panic!("{e}"));
        let log = dir.join("etcd.log");
        let output = fs::File::create(&log).unwrap();
        let child = Command::new(home(version).join("etcd"))
            .args(["--name=m1", "--data-dir"])
            .arg(&data_dir)
            .arg(format!("--listen-client-urls={}", url(client)))
            .arg(format!("--advertise-client-urls={}", url(client)))
            .arg(format!("--listen-peer-urls={}", url(peer)))
            .arg(format!("--initial-advertise-peer-urls={}", url(peer)))
            .arg(format!("--initial-cluster=m1={}", url(peer)))
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Server { child, client, log }
    }

    /// Runs `ask` until it succeeds; `Err` with the last answer when the server ends or the time is over.
    fn ask<T, F: Future<Output = Result<T, etcd_client::Error>>>(
        &mut self,
        ask: impl Fn(Client) -> F,
    ) -> Result<T, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let began = Instant::now();
        runtime.block_on(async {
            loop {
                let options = ConnectOptions::new().with_timeout(Duration::from_secs(3));
                let url = format!("127.0.0.1:{}", self.client);
                let answer = match Client::connect([url], Some(options)).await {
                    Ok(client) => ask(client).await,
                    Err(e) => Err(e),
                };
                match answer {
                    Ok(answer) => return Ok(answer),
                    Err(e) if self.child.try_wait().unwrap().is_some() || began.elapsed() > PATIENCE => {
                        return Err(format!("{e}; it said:\n{}", fs::read_to_string(&self.log).unwrap_or_default()));
                    }
                    // A refusal is an answer.
                    Err(e)
                        if e.to_string().contains("space exceeded") || e.to_string().contains("user name is empty") =>
                    {
                        return Err(e.to_string());
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        })
    }

    fn put(&mut self) -> Result<(), String> {
        self.ask(|mut client| async move { client.put("care", "taken", None).await.map(|_| ()) })
    }

    /// How many keys it serves.
    fn count(&mut self) -> Result<i64, String> {
        self.ask(|mut client| async move {
            let options = etcd_client::GetOptions::new().with_all_keys().with_count_only();
            client.get("", Some(options)).await.map(|found| found.count())
        })
    }
}

/// A snapshot of 3.7 starts on an older etcd once its versions are set, and on 3.6 only then.
pub fn set_version(version: Minor) {
    let home = tempfile::tempdir().unwrap();
    // Copied from a member that was killed early: the cluster's version stands there, the storage's not yet.
    let early = home.path().join("early.db");
    changed_fixture("3.7.1-small.db", &early, |edit| {
        edit.delete(b"meta", b"storageVersion").unwrap();
    });
    for (source, why) in [(fixture("3.7.1-small.db"), "is not supported"), (early, "invalid downgrade")] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { set_version: true, ..Options::default() };
        let mut server = Server::restored(version, &source, dir.path(), &options);
        assert_eq!(server.count().unwrap() as u64, keys_in(&source));
        server.put().unwrap();
        drop(server);
        if version == Minor::V3_6 {
            let dir = tempfile::tempdir().unwrap();
            // Written for 3.6 it is refused; in the forms of 3.5, which all start from, it shows why.
            let mut server = Server::written_for(version, Minor::V3_5, &source, dir.path(), &Options::default());
            let told = server.count().unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}

/// A NOSPACE alarm of a member that is gone keeps writes from succeeding, unless it is left out.
pub fn cleared_alarms(version: Minor) {
    let home = tempfile::tempdir().unwrap();
    let source = home.path().join("alarm.db");
    changed_fixture(small(version), &source, |edit| {
        edit.create_bucket(b"alarm").unwrap();
        edit.put(b"alarm", &[0x08, 0xc2, 0xa4, 0xca, 0xf8, 0xe4, 0xef, 0xeb, 0x88, 0xd4, 0x01, 0x10, 0x01], b"")
            .unwrap();
    });
    for clear_alarms in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { clear_alarms, ..Options::default() };
        let mut server = Server::restored(version, &source, dir.path(), &options);
        server.count().unwrap();
        match (server.put(), clear_alarms) {
            (Ok(()), true) => {}
            (Err(told), false) if told.contains("space exceeded") => {}
            (outcome, _) => panic!("clear_alarms={clear_alarms}: {outcome:?}"),
        }
    }
}

/// With authentication switched off nobody needs a password; without the option everybody does.
pub fn disabled_auth(version: Minor) {
    let source = fixture(&small(version).replace("small", "auth"));
    for disable_auth in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { disable_auth, ..Options::default() };
        let mut server = Server::restored(version, &source, dir.path(), &options);
        match (server.put(), disable_auth) {
            (Ok(()), true) => {}
            (Err(told), false) if told.contains("user name is empty") => {}
            (outcome, _) => panic!("disable_auth={disable_auth}: {outcome:?}"),
        }
    }
}

/// A database with holes and a compacted one: etcdutl finds them sound, and the server starts and writes.
pub fn holes_and_compacted(version: Minor) {
    let home_dir = tempfile::tempdir().unwrap();
    let source = home_dir.path().join("half.db");
    make_snapshot(&source, 4_000, true);
    for compact in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { compact, ..Options::default() };
        let mut server = Server::restored(version, &source, dir.path(), &options);
        assert_eq!(server.count().unwrap(), 2_000, "compact={compact}");
        server.put().unwrap();
        drop(server);
        let etcdutl = home(version).join("etcdutl");
        if etcdutl.is_file() {
            // Before and after a server wrote to it.
            let fresh = tempfile::tempdir().unwrap();
            super::common::restore(&source, &fresh.path().join("d"), None, &options, &Default::default()).unwrap();
            for db in [fresh.path().join("d/member/snap/db"), dir.path().join("m1.etcd/member/snap/db")] {
                let output = Command::new(&etcdutl).args(["snapshot", "status"]).arg(&db).output().unwrap();
                assert!(output.status.success(), "{compact}: {}", String::from_utf8_lossy(&output.stderr));
            }
        }
    }
}

/// The database of a running etcd is refused as a source; the same one is taken once the etcd has ended.
pub fn live_source(version: Minor) {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::restored(version, &fixture(small(version)), dir.path(), &Options::default());
    server.put().unwrap();
    let source = dir.path().join("m1.etcd/member/snap/db");
    let job = RestoreSpec {
        source: &source,
        pinned_sha256: None,
        skip_hash_check: true,
        genesis: &super::common::genesis(),
        name: "m2",
        data_dir: &dir.path().join("m2.etcd"),
        wal_dir: None,
        target: version,
        bump_revision: 0,
        options: &Options::default(),
    };
    let refused = restore(&job, &mut |_| Flow::Go).unwrap_err();
    assert_eq!(refused.fault, Some(Fault::InUse), "{refused}");
    drop(server);
    restore(&job, &mut |_| Flow::Go).unwrap();
}

/// The fixture that an etcd of this version wrote.
fn small(version: Minor) -> &'static str {
    match version {
        Minor::V3_4 => "3.4.23-small.db",
        Minor::V3_5 => "3.5.16-small.db",
        Minor::V3_6 => "3.6.14-small.db",
        Minor::V3_7 => "3.7.1-small.db",
    }
}
