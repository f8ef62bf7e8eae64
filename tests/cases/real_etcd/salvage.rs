//! `requorum salvage` held against the server: a log with every kind of request, the server killed, and what that very server
//! makes of a copy of the directory. Rows are compared byte for byte.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use etcd_client::{
    AlarmAction, AlarmOptions, AlarmType, Compare, CompareOp, DeleteOptions, Error, GetOptions, LeaseGrantOptions,
    MemberAddOptions, Permission, PutOptions, Txn, TxnOp,
};
use prost::Message;
use requorum::{
    bbolt::View,
    engine::{
        durable_fs::Disk,
        progress::Flow,
        salvage::{Spec, report::Report, salvage},
        source::Source,
    },
    etcd::{proto::KeyValue, revision::RevisionKey, schema},
};
use tempfile::TempDir;

use super::end_to_end::Planned;
use crate::support::{
    cluster::{Cluster, Member, Place, initial_cluster},
    contents::{Client, ROOT},
    requorum,
    servers::Server,
    succeed,
};

/// The database is written only when the server must: all else is in the log alone.
const LAGGING: &str = " --backend-batch-interval=1h --backend-batch-limit=10000000";

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
type Buckets = BTreeMap<String, Rows>;

/// A small generator, so that a failure repeats.
struct Dice {
    state: u64,
    /// Whether transactions read, also at old and future revisions.
    reads: bool,
}

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % n
    }

    fn key(&mut self) -> String {
        format!("k/{:02}", self.below(24))
    }

    fn value(&mut self) -> Vec<u8> {
        let length = [0, 1, 7, 300][self.below(4) as usize];
        (0..length).map(|_| self.below(256) as u8).collect()
    }

    fn put(&mut self, leases: &[i64]) -> PutOptions {
        let mut options = PutOptions::new();
        if self.below(4) == 0 {
            options = options.with_lease(match leases {
                [] => 77,
                _ if self.below(9) == 0 => 77,
                some => some[self.below(some.len() as u64) as usize],
            });
        }
        match self.below(8) {
            0 => options.with_ignore_value(),
            1 => PutOptions::new().with_ignore_lease(),
            2 => options.with_prev_key(),
            _ => options,
        }
    }

    /// A value is sent only where it is not ignored, which servers ask for.
    fn put_op(&mut self, leases: &[i64]) -> TxnOp {
        let (key, value) = (self.key(), self.value());
        match self.below(8) {
            0 => TxnOp::put(key, "", Some(PutOptions::new().with_ignore_value())),
            1 => TxnOp::put(key, value, Some(PutOptions::new().with_ignore_lease())),
            2 if !leases.is_empty() => {
                let lease = leases[self.below(leases.len() as u64) as usize];
                TxnOp::put(key, value, Some(PutOptions::new().with_lease(lease)))
            }
            3 => TxnOp::put(key, value, Some(PutOptions::new().with_prev_key())),
            _ => TxnOp::put(key, value, None),
        }
    }

    fn compare(&mut self, revision: i64) -> Compare {
        let ops = [CompareOp::Equal, CompareOp::Greater, CompareOp::Less, CompareOp::NotEqual];
        let op = ops[self.below(4) as usize];
        let (key, about) = (self.key(), self.below(revision.max(2) as u64) as i64);
        let compare = match self.below(5) {
            0 => Compare::version(key, op, self.below(4) as i64),
            1 => Compare::create_revision(key, op, about),
            2 => Compare::mod_revision(key, op, about),
            3 => Compare::value(key, op, self.value()),
            _ => Compare::lease(key, op, 0),
        };
        if self.below(4) == 0 { compare.with_range("k/18") } else { compare }
    }

    fn txn(&mut self, leases: &[i64], revision: i64, depth: u32) -> Txn {
        let compares: Vec<Compare> = (0..self.below(3)).map(|_| self.compare(revision)).collect();
        let branch = |dice: &mut Dice| -> Vec<TxnOp> {
            (0..dice.below(4))
                .map(|_| match dice.below(7) {
                    0 if depth < 3 => TxnOp::txn(dice.txn(leases, revision, depth + 1)),
                    1 => TxnOp::delete(dice.key(), None),
                    2 => {
                        let from = dice.key();
                        TxnOp::delete(from.clone(), Some(DeleteOptions::new().with_range(format!("{from}z"))))
                    }
                    3 if dice.reads => TxnOp::get(dice.key(), None),
                    // Up to 3.6 such a read makes the members part: the one with the client refuses what the others apply.
                    4 if dice.reads && dice.below(3) == 0 => {
                        let at = dice.below(revision.max(2) as u64 + 5) as i64;
                        TxnOp::get(dice.key(), Some(GetOptions::new().with_revision(at)))
                    }
                    _ => dice.put_op(leases),
                })
                .collect()
        };
        let (then, other) = (branch(self), branch(self));
        Txn::new().when(compares).and_then(then).or_else(other)
    }
}

/// Sends a random request of keys and leases; refusals are as welcome as changes.
async fn random(
    dice: &mut Dice,
    client: &mut etcd_client::Client,
    leases: &mut Vec<i64>,
    revision: &mut i64,
) -> Result<(), Error> {
    match dice.below(14) {
        0 => drop(client.delete(dice.key(), None).await?),
        1 => {
            let options = DeleteOptions::new().with_range("k/09").with_prev_key();
            drop(client.delete("k/05", Some(options)).await?);
        }
        2 => {
            let id = 1000 + dice.below(60) as i64;
            let ttl = [600, 700, 9_000_000_000][dice.below(3) as usize];
            client.lease_grant(ttl, Some(LeaseGrantOptions::new().with_id(id))).await?;
            leases.push(id);
        }
        3 if !leases.is_empty() => {
            let id = leases[dice.below(leases.len() as u64) as usize];
            client.lease_revoke(id).await?;
        }
        4 if dice.below(6) == 0 => {
            client.compact(dice.below(*revision as u64 + 3) as i64, None).await?;
        }
        5..=8 => drop(client.txn(dice.txn(leases, *revision, 0)).await?),
        _ => {
            let options = dice.put(leases);
            let (key, value) = (dice.key(), dice.value());
            let put = client.put(key.clone(), value, Some(options.clone())).await;
            let put = match put {
                Err(_) => client.put(key, "", Some(options)).await,
                put => put,
            };
            *revision = put?.header().map_or(*revision, |header| header.revision());
        }
    }
    Ok(())
}

fn of(member: u64) -> AlarmOptions {
    let mut options = AlarmOptions::new();
    options.with_member(member);
    options
}

/// Fills the log with every kind of request.
fn fill(cluster: &Cluster, dice: &mut Dice) {
    let mut client = cluster.client(0, None);
    let (mut leases, mut revision) = (Vec::new(), 1);
    let mut some = |client: &mut Client, dice: &mut Dice, count: usize| {
        client.with(async |client| {
            let mut done = 0;
            for _ in 0..count {
                done += u32::from(random(dice, client, &mut leases, &mut revision).await.is_ok());
            }
            assert!(done > 0);
        });
    };
    some(&mut client, dice, 250);
    client.with(async |client| {
        let member = client.member_list().await.unwrap().members()[0].id();
        // Writes that are refused at the apply.
        client.alarm(AlarmAction::Activate, AlarmType::Nospace, Some(of(member))).await.unwrap();
        for n in 0..20 {
            let _ = client.put(dice.key(), "no space", None).await;
            let _ = client.lease_grant(600, Some(LeaseGrantOptions::new().with_id(5000 + n))).await;
            let _ = client.txn(dice.txn(&[], 100, 1)).await;
            let _ = client.delete(dice.key(), None).await;
        }
        client.alarm(AlarmAction::Deactivate, AlarmType::Nospace, Some(of(member))).await.unwrap();
        client.alarm(AlarmAction::Activate, AlarmType::Corrupt, Some(of(77))).await.unwrap();
        for _ in 0..10 {
            let _ = client.put(dice.key(), "corrupt", None).await;
            let _ = client.delete(dice.key(), None).await;
        }
        client.alarm(AlarmAction::Deactivate, AlarmType::Corrupt, Some(of(77))).await.unwrap();
        // A learner that comes and goes.
        let learner = MemberAddOptions::new().with_is_learner();
        let added = client.member_add(["http://127.0.0.1:1"], Some(learner)).await.unwrap();
        let learner = added.member().unwrap().id();
        let _ = client.member_add(["http://127.0.0.1:2"], Some(MemberAddOptions::new().with_is_learner())).await;
        client.member_update(learner, vec!["http://127.0.0.1:3".to_string()]).await.unwrap();
        client.member_remove(learner).await.unwrap();
        // Users and roles, some of which are refused.
        for user in ["root", "reader", "writer", "gone"] {
            client.user_add(user, ROOT.1, None).await.unwrap();
        }
        for role in ["root", "reads", "writes", "gone"] {
            client.role_add(role).await.unwrap();
        }
        client.role_grant_permission("reads", Permission::read("k/").with_prefix()).await.unwrap();
        client.role_grant_permission("reads", Permission::write("k/03")).await.unwrap();
        client.role_grant_permission("writes", Permission::read_write("k/").with_range_end("k/1")).await.unwrap();
        client.role_grant_permission("writes", Permission::read_write("k/1").with_range_end("k/2")).await.unwrap();
        client.role_grant_permission("writes", Permission::read("k/1").with_range_end("k/2")).await.unwrap();
        client.role_grant_permission("gone", Permission::read("x").with_from_key()).await.unwrap();
        for (user, role) in
            [("root", "root"), ("reader", "reads"), ("writer", "writes"), ("gone", "gone"), ("reader", "gone")]
        {
            client.user_grant_role(user, role).await.unwrap();
        }
        let _ = client.user_grant_role("reader", "gone").await;
        let _ = client.user_grant_role("reader", "never").await;
        client.role_delete("gone").await.unwrap();
        client.user_delete("gone").await.unwrap();
        client.role_revoke_permission("reads", "k/03", None).await.unwrap();
        let _ = client.role_revoke_permission("reads", "k/03", None).await;
        client.user_change_password("reader", "another").await.unwrap();
        client.auth_enable().await.unwrap();
    });
    for user in [ROOT, ("reader", "another"), ("writer", ROOT.1)] {
        let mut client = cluster.client(0, Some(user));
        client.with(async |client| {
            for _ in 0..40 {
                let _ = random(dice, client, &mut Vec::new(), &mut 50).await;
            }
            let _ = client.user_add("more", "password", None).await;
            let _ = client.user_revoke_role("reader", "reads").await;
        });
    }
    let mut root = cluster.client(0, Some(ROOT));
    root.with(async |root| {
        if dice.below(2) == 0 {
            root.auth_disable().await.unwrap();
        }
    });
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").args(["-r", "--sparse=always"]).arg(from).arg(to).status().unwrap();
    assert!(done.success());
}

fn salvaged(server: &Server, dir: &Path, out: &Path) -> Report {
    let version = Some((server.minor.parse().unwrap(), server.patch()));
    let spec = Spec { dirs: vec![dir.into()], older: vec![], output: out.into(), committed_only: false, version };
    salvage(&spec, &Disk::default(), &mut |_| Flow::Go).unwrap()
}

fn buckets(path: &Path) -> Buckets {
    let source = Source::open(path).unwrap();
    let view = View::open(source.body()).unwrap();
    let mut all = Buckets::new();
    for (name, bucket) in view.buckets().unwrap() {
        let (mut rows, mut cursor) = (Rows::new(), view.cursor(&bucket));
        while let Some(row) = cursor.next().unwrap() {
            rows.insert(row.key.to_vec(), row.value.to_vec());
        }
        all.insert(String::from_utf8(name).unwrap(), rows);
    }
    all
}

/// Leaves out what a compaction takes, and what only the server that runs writes.
fn comparable(mut all: Buckets, minor: &str) -> Buckets {
    let scheduled =
        all["meta"].get(schema::SCHEDULED_COMPACT).map_or(0, |row| RevisionKey::parse(row).unwrap().revision.main);
    let mut newest = BTreeMap::new();
    for (at, row) in &all["key"] {
        if RevisionKey::parse(at).unwrap().revision.main <= scheduled {
            newest.insert(KeyValue::decode(&**row).unwrap().key, at.clone());
        }
    }
    let kept: Vec<Vec<u8>> = newest.into_values().filter(|at| !RevisionKey::parse(at).unwrap().tombstone).collect();
    if let Some(rows) = all.get_mut("key") {
        rows.retain(|at, _| RevisionKey::parse(at).unwrap().revision.main > scheduled || kept.contains(at));
    }
    if let Some(meta) = all.get_mut("meta") {
        meta.retain(|name, _| name == schema::SCHEDULED_COMPACT || name == schema::CONF_STATE);
    }
    if minor == "3.4"
        && let Some(users) = all.get_mut("authUsers")
    {
        // Each member salts for itself: the hash is cut, the rest stays.
        for row in users.values_mut() {
            if let Some(at) = row.windows(4).position(|bytes| bytes == b"$2a$") {
                row.drain(at..at + 60);
            }
        }
    }
    all
}

fn assert_same(ours: &Buckets, theirs: &Buckets, what: &str) {
    for (name, rows) in theirs {
        let own = &ours[name];
        let differ: Vec<String> = rows
            .keys()
            .chain(own.keys())
            .filter(|key| rows.get(*key) != own.get(*key))
            .take(6)
            .map(|key| {
                let text = |rows: &Rows| {
                    rows.get(key).map(|row| row.escape_ascii().to_string().chars().take(80).collect::<String>())
                };
                format!("{}: ours {:?}, the server's {:?}", key.escape_ascii(), text(own), text(rows))
            })
            .collect();
        assert!(differ.is_empty(), "{what}, bucket {name}:\n{}", differ.join("\n"));
    }
}

/// One member: its log is complete and committed, so all that it makes of it must be what salvage makes.
pub fn equals_the_server(server: &Server) {
    let dir = TempDir::new().unwrap();
    let places = Place::take(1);
    let data = dir.path().join("m1.etcd");
    let mut cluster = Cluster { members: Cluster::begin(server, &places, std::slice::from_ref(&data), LAGGING), dir };
    let seed = 0x9e37_79b9 + u64::from(server.minor.as_bytes()[2]);
    fill(&cluster, &mut Dice { state: seed, reads: server.minor == "3.7" });
    cluster.members[0].kill();
    let root = cluster.dir.path();

    let (ours, alone) = (root.join("ours.db"), root.join("alone.db"));
    let report = salvaged(server, &data, &ours);
    assert_eq!((report.stopped, report.acknowledged.voters), (None, 1), "{report:#?}");
    let log_only = root.join("log-only");
    copy(&data, &log_only);
    fs::remove_file(log_only.join("member/snap/db")).unwrap();
    assert!(salvaged(server, &log_only, &alone).base.is_none());

    // The server itself, on the very directory.
    let (place, client, peer) = (&places[0], places[0].client_url(), places[0].peer_url());
    let line = format!(
        "etcd --name {} --data-dir {} --listen-client-urls {client} --advertise-client-urls {client} --listen-peer-urls {peer} \
         --initial-advertise-peer-urls {peer} --initial-cluster {} --force-new-cluster",
        place.name,
        data.display(),
        initial_cluster(&places)
    );
    let mut member = Member::start(server, place, &data, &line, &[]);
    crate::support::wait_until("the server to apply its log", std::time::Duration::from_secs(60), || {
        // Authentication may be on or off.
        let connected = Client::connect(&client, Some(ROOT)).or_else(|_| Client::connect(&client, None));
        let mut client = connected.map_err(|e| e.to_string())?;
        let mut applied = 0;
        client.with(async |client| {
            applied = client.status().await.map_or(0, |status| status.raft_applied_index());
        });
        if applied > report.index { Ok(()) } else { Err(format!("{applied} of {}", report.index)) }
    });
    member.stop();
    let theirs = comparable(buckets(&member.db()), server.minor);
    for (file, what) in [(&ours, "database and log"), (&alone, "the log alone")] {
        assert_same(&comparable(buckets(file), server.minor), &theirs, &format!("etcd {}, {what}", server.full));
    }
}

/// Three members killed under writes: the directory of one, restored as a new cluster, serves all that it held.
pub fn the_whole_road(server: &Server) {
    let dir = TempDir::new().unwrap();
    let places = Place::take(3);
    let dirs: Vec<PathBuf> = places.iter().map(|place| dir.path().join(format!("{}.etcd", place.name))).collect();
    let mut members = Cluster::begin(server, &places, &dirs, LAGGING);
    let mut client = members[0].wait_ready(None);
    client.fill(false);
    client.put_many("late/", 40);
    let contents = client.contents();
    members.iter_mut().for_each(Member::kill);
    // The database of one, and with the log of a second all is proven to be there.
    let out = dir.path().join("salvaged.db");
    fs::remove_file(dirs[1].join("member/snap/db")).unwrap();
    let text = succeed(requorum(["salvage"]).arg(&dirs[0]).arg(&dirs[1]).arg("-o").arg(&out));
    assert!(text.contains("proven"), "{text}");
    for place in &dirs {
        fs::rename(place, place.with_extension("old")).unwrap();
    }
    let plan = Planned::new(&out, &places, dir.path(), &["--etcd-version", server.minor]);
    succeed(requorum(["restore", "--plan"]).arg(&plan.file));
    plan.serves(server, &places, &contents, None);
}
