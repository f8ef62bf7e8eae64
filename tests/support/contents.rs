//! What a cluster holds, written and read over the client: keys, leases, users and roles.

use std::{collections::BTreeMap, time::Duration};

use etcd_client::{
    Compare, CompareOp, ConnectOptions, DeleteOptions, Error, GetOptions, LeaseGrantOptions, LeaseTimeToLiveOptions,
    Permission, PutOptions, Txn, TxnOp,
};
use tokio::runtime::Runtime;

/// Root's name and password in every filled cluster.
pub const ROOT: (&str, &str) = ("root", "p w:'\"$1");

/// The highest lease ID that every server finds again after a restart: 3.5.1 forgets the one above.
const LAST_LEASE: i64 = i64::MAX - 1;

/// One key as etcd keeps it.
#[derive(Debug, PartialEq, Eq)]
pub struct Value {
    pub bytes: Vec<u8>,
    pub create_revision: i64,
    pub mod_revision: i64,
    pub version: i64,
    pub lease: i64,
}

/// Everything that must be back after a restore.
#[derive(Debug, PartialEq, Eq)]
pub struct Contents {
    pub keys: BTreeMap<Vec<u8>, Value>,
    /// By ID: the granted TTL in seconds, and the keys, sorted.
    pub leases: BTreeMap<i64, (i64, Vec<Vec<u8>>)>,
    /// By name: the roles.
    pub users: BTreeMap<String, Vec<String>>,
    /// By name: the permissions, as text.
    pub roles: BTreeMap<String, Vec<String>>,
}

/// A client of one member that blocks.
pub struct Client {
    runtime: Runtime,
    inner: etcd_client::Client,
}

impl Client {
    /// Connects, and authenticates where a user is given.
    pub fn connect(url: &str, user: Option<(&str, &str)>) -> Result<Client, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut options = ConnectOptions::new().with_timeout(Duration::from_secs(10));
        if let Some((name, password)) = user {
            options = options.with_user(name, password);
        }
        let inner = runtime.block_on(etcd_client::Client::connect([url], Some(options)))?;
        Ok(Client { runtime, inner })
    }

    /// Does something with the client itself.
    pub fn with(&mut self, work: impl AsyncFnOnce(&mut etcd_client::Client)) {
        self.runtime.block_on(work(&mut self.inner));
    }

    /// What the member says of itself.
    pub fn status(&mut self) -> etcd_client::StatusResponse {
        self.runtime.block_on(self.inner.status()).unwrap()
    }

    /// Puts keys called `prefix` and a number.
    pub fn put_many(&mut self, prefix: &str, count: u32) {
        self.runtime.block_on(async {
            for i in 0..count {
                self.inner.put(format!("{prefix}{i:04}"), "value", None).await.unwrap();
            }
        });
    }

    /// One linearizable read.
    pub fn try_read(&mut self) -> Result<(), Error> {
        self.runtime.block_on(self.inner.get("no such key", None)).map(|_| ())
    }

    /// Adds a learner that is still to be started.
    pub fn add_learner(&mut self, peer_url: &str) {
        let options = etcd_client::MemberAddOptions::new().with_is_learner();
        self.runtime.block_on(self.inner.member_add([peer_url], Some(options))).unwrap();
    }

    /// The same, as soon as the cluster takes one.
    pub fn add_learner_once_taken(&mut self, peer_url: &str) {
        super::wait_until("the cluster to take a learner", std::time::Duration::from_secs(60), || {
            let options = etcd_client::MemberAddOptions::new().with_is_learner();
            let added = self.runtime.block_on(self.inner.member_add([peer_url], Some(options)));
            added.map(|_| ()).map_err(|e| e.to_string())
        });
    }

    /// Adds a voting member that is still to be started, as soon as the cluster takes it.
    pub fn add_member(&mut self, peer_url: &str) {
        super::wait_until("the cluster to take a member", std::time::Duration::from_secs(60), || {
            let added = self.runtime.block_on(self.inner.member_add([peer_url], None));
            added.map(|_| ()).map_err(|e| e.to_string())
        });
    }

    /// The ID of the leader that it names.
    pub fn leader(&mut self) -> u64 {
        self.status().leader()
    }

    /// Puts a key and reads it back.
    pub fn put_and_get(&mut self, key: &str, value: &str) {
        self.runtime.block_on(async {
            self.inner.put(key, value, None).await.unwrap();
            let got = self.inner.get(key, None).await.unwrap();
            assert_eq!(got.kvs()[0].value(), value.as_bytes());
        });
    }

    /// Puts a key; false where the member refuses.
    pub fn try_put(&mut self, key: &str, value: &str) -> bool {
        self.runtime.block_on(self.inner.put(key, value, None)).is_ok()
    }

    /// Compacts up to a revision.
    pub fn compact(&mut self, revision: i64) {
        self.runtime.block_on(self.inner.compact(revision, None)).unwrap();
    }

    /// Writes the last batch into the database file, which otherwise trails by up to 100 ms.
    pub fn flush(&mut self) {
        self.runtime.block_on(self.inner.defragment()).unwrap();
    }

    /// How many keys this very member holds.
    pub fn serializable_keys(&mut self) -> i64 {
        let options = GetOptions::new().with_all_keys().with_count_only().with_serializable();
        self.runtime.block_on(self.inner.get("", Some(options))).unwrap().count()
    }

    /// The ID of the member that answers.
    pub fn member_id(&mut self) -> u64 {
        self.status().header().unwrap().member_id()
    }

    /// The member's last revision.
    pub fn revision(&mut self) -> i64 {
        let answer = self.runtime.block_on(self.inner.get("no such key", None)).unwrap();
        answer.header().unwrap().revision()
    }

    /// The names of the voting members, sorted, and the cluster's ID.
    pub fn members(&mut self) -> (Vec<String>, u64) {
        let answer = self.runtime.block_on(self.inner.member_list()).unwrap();
        let mut names: Vec<String> = answer.members().iter().map(|m| m.name().to_string()).collect();
        names.sort();
        (names, answer.header().unwrap().cluster_id())
    }

    /// Reads at an old revision.
    pub fn get_at(&mut self, key: &str, revision: i64) -> Result<(), Error> {
        self.runtime.block_on(self.inner.get(key, Some(GetOptions::new().with_revision(revision)))).map(|_| ())
    }

    /// Fills the cluster: small, big, empty, binary and overwritten keys, transactions, deletions,
    /// leases, a compaction, users and roles; authentication is enabled when asked for.
    pub fn fill(&mut self, enable_auth: bool) {
        let client = &mut self.inner;
        self.runtime.block_on(async {
            for (id, ttl) in [(7, 36_000), (LAST_LEASE, 86_400), (0x1234, 7_200)] {
                client.lease_grant(ttl, Some(LeaseGrantOptions::new().with_id(id))).await.unwrap();
            }
            let leased = |id| Some(PutOptions::new().with_lease(id));
            for i in 0..120 {
                client.put(format!("/registry/pods/{i:04}"), format!("pod {i}").repeat(20), None).await.unwrap();
                if i % 10 == 0 {
                    client.put(format!("/registry/events/{i:04}"), "first", leased(7)).await.unwrap();
                }
            }
            let binary: Vec<u8> = (0..=255).collect();
            client.put(binary.clone(), binary.clone(), leased(LAST_LEASE)).await.unwrap();
            client.put([0xff, 0xfe, 0x00], [0x00], None).await.unwrap();
            client.put([b'k'; 4096], "long key", None).await.unwrap();
            client.put("empty", "", None).await.unwrap();
            let middle = client.put("overwritten", "1", None).await.unwrap().header().unwrap().revision();
            client.put("overwritten", "2", leased(7)).await.unwrap();
            client.compact(middle, None).await.unwrap();
            client.put("overwritten", "3", None).await.unwrap();
            client.put("big", "0123456789abcdef".repeat(65_536), None).await.unwrap();
            client.delete("/registry/pods/0007", None).await.unwrap();
            client.delete("/registry/pods/005", Some(DeleteOptions::new().with_prefix())).await.unwrap();
            let several =
                [TxnOp::put("txn/a", "a", None), TxnOp::put("txn/b", "b", None), TxnOp::delete("empty", None)];
            let exists = Compare::version("big", CompareOp::Greater, 0);
            client.txn(Txn::new().when([exists]).and_then(several)).await.unwrap();
            client.put("empty", "", None).await.unwrap();

            client.role_add("reader").await.unwrap();
            client.role_grant_permission("reader", Permission::read("/registry/").with_prefix()).await.unwrap();
            client.role_grant_permission("reader", Permission::read_write([0x00, 0xff])).await.unwrap();
            client.user_add("anna", "secret", None).await.unwrap();
            client.user_grant_role("anna", "reader").await.unwrap();
            client.user_add(ROOT.0, ROOT.1, None).await.unwrap();
            client.role_add("root").await.unwrap();
            client.user_grant_role("root", "root").await.unwrap();
            if enable_auth {
                client.auth_enable().await.unwrap();
            }
        });
    }

    /// Reads everything.
    pub fn contents(&mut self) -> Contents {
        let client = &mut self.inner;
        self.runtime.block_on(async {
            let all = client.get("", Some(GetOptions::new().with_all_keys())).await.unwrap();
            let keys = all.kvs().iter().map(|kv| {
                let value = Value {
                    bytes: kv.value().to_vec(),
                    create_revision: kv.create_revision(),
                    mod_revision: kv.mod_revision(),
                    version: kv.version(),
                    lease: kv.lease(),
                };
                (kv.key().to_vec(), value)
            });
            let keys = keys.collect();
            let mut leases = BTreeMap::new();
            for lease in client.leases().await.unwrap().leases() {
                let options = LeaseTimeToLiveOptions::new().with_keys();
                let answer = client.lease_time_to_live(lease.id(), Some(options)).await.unwrap();
                let mut keys = answer.keys().to_vec();
                keys.sort();
                leases.insert(lease.id(), (answer.granted_ttl(), keys));
            }
            let mut users = BTreeMap::new();
            for user in client.user_list().await.unwrap().users() {
                users.insert(user.clone(), client.user_get(user.clone()).await.unwrap().roles().to_vec());
            }
            let mut roles = BTreeMap::new();
            for role in client.role_list().await.unwrap().roles() {
                let permissions = client.role_get(role.clone()).await.unwrap().permissions();
                let as_text = |p: &Permission| format!("{} {:?}..{:?}", p.get_type(), p.key(), p.range_end());
                roles.insert(role.clone(), permissions.iter().map(as_text).collect());
            }
            Contents { keys, leases, users, roles }
        })
    }
}
