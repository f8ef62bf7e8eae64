//! The rows of a database added to its [`Contents`]: each row of a bucket other than `key`, and the live keys.

use std::collections::BTreeMap;

use prost::Message;

use super::{Alive, Branch, Contents, LeaseIn, MemberIn, RoleIn, UserIn, prefix_of, shown};
use crate::{
    engine::scan::kubernetes::{self, Kubernetes},
    etcd::{
        membership::{Id, Member},
        proto::{AlarmMember, Lease, Permission, Role, User},
        schema,
    },
    text::value::brief,
};

impl Contents {
    /// Adds a row of a bucket other than `key`; a row that cannot be decoded is reported by the check.
    pub(super) fn add_row(&mut self, bucket: &[u8], key: &[u8], value: &[u8]) {
        match bucket {
            schema::MEMBERS => {
                if let Ok(m) = Member::from_json(value) {
                    self.members.push(MemberIn {
                        id: Id(m.id),
                        name: shown(m.name.as_bytes()),
                        peer_urls: m.peer_urls.iter().map(|url| shown(url.as_bytes())).collect(),
                        client_urls: m.client_urls.iter().map(|url| shown(url.as_bytes())).collect(),
                        is_learner: m.is_learner,
                    });
                }
            }
            schema::MEMBERS_REMOVED => self.removed_members.push(shown(key)),
            schema::ALARM => self.alarms.extend(AlarmMember::decode(key).map(|alarm| alarm.words())),
            schema::LEASE => {
                if let Ok(lease) = Lease::decode(value) {
                    let (id, remaining_ttl) = (format!("{:x}", lease.id), lease.remaining_ttl);
                    self.leases.push(LeaseIn { id, ttl: lease.ttl, remaining_ttl, ..LeaseIn::default() });
                }
            }
            schema::AUTH_USERS => {
                if let Ok(user) = User::decode(value) {
                    let roles = user.roles.iter().map(|role| shown(role.as_bytes())).collect();
                    self.users.push(UserIn { name: shown(key), roles });
                }
            }
            schema::AUTH_ROLES => {
                if let Ok(role) = Role::decode(value) {
                    let permits = role.permissions.iter().map(permission).collect();
                    self.roles.push(RoleIn { name: shown(key), permits });
                }
            }
            schema::CLUSTER if key == schema::DOWNGRADE => {
                let json: serde_json::Value = serde_json::from_slice(value).unwrap_or_default();
                if json.get("enabled").and_then(|on| on.as_bool()).unwrap_or_default() {
                    let target = json.get("target-version").and_then(|v| v.as_str()).unwrap_or("an unknown version");
                    self.downgrade_to = Some(shown(target.as_bytes()));
                }
            }
            _ => {}
        }
    }

    pub(super) fn add_keys(&mut self, keys: &BTreeMap<Box<[u8]>, Alive>, depth: usize, kubernetes: &mut Kubernetes) {
        let mut leases: BTreeMap<i64, (u64, Vec<String>)> = BTreeMap::new();
        let mut branch: Option<(&[u8], u64, u64)> = None;
        let prefixes = kubernetes::Prefixes::new(keys.keys().map(|key| &**key));
        // keys of one prefix are not adjacent in key order: /a/ may come between /a and /a/b
        let mut tree: BTreeMap<&[u8], (u64, u64)> = BTreeMap::new();
        for (key, alive) in keys {
            let prefix = prefix_of(key, depth);
            match &mut branch {
                Some((last, keys, bytes)) if *last == prefix => {
                    *keys = keys.saturating_add(1);
                    *bytes = bytes.saturating_add(alive.bytes);
                }
                _ => {
                    add(&mut tree, branch.replace((prefix, 1, alive.bytes)));
                }
            }
            if alive.lease != 0 {
                let (count, first) = leases.entry(alive.lease).or_default();
                *count = count.saturating_add(1);
                if first.len() < 3 {
                    first.push(brief(key, 80));
                }
            }
            kubernetes.key(&prefixes, key, alive.written, alive.sealed);
        }
        add(&mut tree, branch);
        self.tree =
            tree.into_iter().map(|(prefix, (keys, bytes))| Branch { prefix: shown(prefix), keys, bytes }).collect();
        for (id, (keys, first_keys)) in leases {
            let id = format!("{id:x}");
            match self.leases.iter_mut().find(|lease| lease.id == id) {
                Some(lease) => (lease.keys, lease.first_keys) = (keys, first_keys),
                None => self.leases.push(LeaseIn { id, keys, first_keys, missing: true, ..LeaseIn::default() }),
            }
        }
    }
}

fn add<'k>(tree: &mut BTreeMap<&'k [u8], (u64, u64)>, branch: Option<(&'k [u8], u64, u64)>) {
    if let Some((prefix, keys, bytes)) = branch {
        let sum = tree.entry(prefix).or_default();
        *sum = (sum.0.saturating_add(keys), sum.1.saturating_add(bytes));
    }
}

pub(in crate::engine) fn permission(permission: &Permission) -> String {
    let may = match permission.kind {
        0 => "read",
        1 => "write",
        _ => "read and write",
    };
    let (from, to) = (&permission.key, &permission.range_end);
    match (from.as_slice(), to.as_slice()) {
        (key, []) => format!("{may} {}", shown(key)),
        ([] | [0], [0]) => format!("{may} everything"),
        (from, [0]) => format!("{may} from {} on", shown(from)),
        (from, to) if after(from) == to => format!("{may} {}…", shown(from)),
        (from, to) => format!("{may} from {} to {}", shown(from), shown(to)),
    }
}

/// Returns the end of the range of keys with `prefix`, as `--prefix` computes it.
fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            break;
        }
    }
    end
}
