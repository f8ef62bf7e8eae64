//! The v2 store as a value: read from a `.snap` file's JSON, and changed as etcd changes it, so that members, cluster
//! version and users' v2 keys at the end of a log are known. Its index counts every change, as etcd's does.
//!
//! Sources: etcd 3.4 and 3.5 `etcdserver/api/v2store/store.go` (`internalCreate`, `CompareAndSwap`, …),
//! `etcdserver/apply_v2.go`, `etcdserver/api/membership/{cluster,store}.go`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::etcd::{
    membership::{Id, Member, go_json_list},
    raft_request::decode::{Attributes, V2Request},
};

pub use crate::etcd::v2store::expiration::{from_rfc3339, to_rfc3339};

/// Where users' keys are; a key `/a` is the node `/1/a`.
const USERS: &str = "/1";
const MEMBERS: &str = "/0/members";
const REMOVED: &str = "/0/removed_members";
const VERSION: &str = "/0/version";
/// Earlier expirations are ignored by etcd as an error of the client's clock: 2000-01-01, nanoseconds since 1970.
const OLDEST_EXPIRY: i64 = 946_684_800_000_000_000;

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// True for a directory.
    pub dir: bool,
    /// The value; empty for a directory.
    pub value: String,
    /// The store's index when it was created.
    pub created: u64,
    /// The store's index when it was last changed.
    pub modified: u64,
    /// When it expires, nanoseconds since 1970.
    pub expires: Option<i64>,
}

/// All nodes, by path; `/`, `/0` and `/1` are always there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    nodes: BTreeMap<String, Node>,
    expiring: BTreeSet<(i64, String)>,
    index: u64,
}

#[derive(Deserialize)]
struct Saved {
    #[serde(rename = "Root")]
    root: SavedNode,
    #[serde(rename = "CurrentIndex")]
    index: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SavedNode {
    created_index: u64,
    modified_index: u64,
    expire_time: String,
    value: String,
    children: Option<BTreeMap<String, SavedNode>>,
}

impl Default for Store {
    fn default() -> Self {
        let directory = || Node { dir: true, ..Node::default() };
        let nodes = ["/", "/0", USERS].map(|path| (path.to_string(), directory()));
        Store { nodes: nodes.into(), expiring: BTreeSet::new(), index: 0 }
    }
}

impl Store {
    /// Reads the JSON inside a `.snap` file.
    ///
    /// # Errors
    /// Returns a message if it is not a v2 store.
    pub fn from_json(json: &[u8]) -> Result<Store, String> {
        let saved: Saved = serde_json::from_slice(json).map_err(|e| format!("not a v2 store's JSON ({e})"))?;
        let mut store = Store { index: saved.index, ..Store::default() };
        let mut open = vec![(String::from("/"), saved.root)];
        while let Some((path, node)) = open.pop() {
            let expires = from_rfc3339(&node.expire_time).map_err(|why| format!("{path} in the v2 store: {why}"))?;
            let above = if path == "/" { "" } else { &path };
            let dir = node.children.is_some();
            open.extend(node.children.into_iter().flatten().map(|(name, child)| (format!("{above}/{name}"), child)));
            let (created, modified) = (node.created_index, node.modified_index);
            store.put(path, Node { dir, value: node.value, created, modified, expires });
        }
        Ok(store)
    }

    /// A store that holds these members and nothing else.
    pub fn of_members(members: &[Member]) -> Store {
        let mut store = Store::default();
        for member in members {
            store.set_peers(member);
            let (name, client_urls) = (member.name.clone(), member.client_urls.clone());
            store.publish(Id(member.id), &Attributes { name, client_urls });
        }
        store
    }

    /// Whether a member was removed and may never come back.
    pub fn is_removed(&self, id: Id) -> bool {
        self.nodes.contains_key(&format!("{REMOVED}/{id}"))
    }

    /// Users' keys and directories, in the order of their paths as users know them.
    pub fn users(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.below(USERS).map(|(path, node)| (path.strip_prefix(USERS).unwrap_or(path), node))
    }

    /// How many of [`Store::users`] are keys, not directories.
    pub fn user_keys(&self) -> u64 {
        self.users().filter(|(_, node)| !node.dir).count() as u64
    }

    /// Returns the cluster version (`3.5.0`); `None` if it was never set.
    pub fn cluster_version(&self) -> Option<&str> {
        self.nodes.get(VERSION).map(|node| node.value.as_str())
    }

    /// The members, in the order of their IDs in hex.
    pub fn members(&self) -> Vec<Member> {
        let ids = self.below(MEMBERS).filter_map(|(path, _)| path.strip_suffix("/raftAttributes")?.rsplit('/').next());
        ids.filter_map(|id| self.member(id.parse().ok()?)).collect()
    }

    fn member(&self, id: Id) -> Option<Member> {
        let json = |name: &str| {
            let text = &self.nodes.get(&format!("{MEMBERS}/{id}/{name}"))?.value;
            serde_json::from_str::<serde_json::Value>(text).ok()
        };
        let raft = json("raftAttributes")?;
        let published = json("attributes").unwrap_or_default();
        let list = |value: Option<&serde_json::Value>| {
            let items = value.and_then(|v| v.as_array()).into_iter().flatten();
            items.filter_map(|v| v.as_str().map(String::from)).collect()
        };
        Some(Member {
            id: id.0,
            peer_urls: list(raft.get("peerURLs")),
            is_learner: raft.get("isLearner").and_then(|v| v.as_bool()).unwrap_or_default(),
            name: published.get("name").and_then(|v| v.as_str()).unwrap_or_default().into(),
            client_urls: list(published.get("clientURLs")),
        })
    }

    /// Applies a request; one that etcd would reject changes nothing.
    pub fn apply(&mut self, request: &V2Request) {
        // Rejected requests are part of a log like others.
        let _ = self.carry_out(request);
    }

    fn carry_out(&mut self, r: &V2Request) -> Option<()> {
        let compares = r.prev_index > 0 || !r.prev_value.is_empty();
        let expires = (r.expiration != 0).then_some(r.expiration);
        // Text that is not UTF-8 is converted as Go's JSON encoder does when the store is saved.
        let (path, value) = (clean(&String::from_utf8_lossy(&r.path)), text(&r.value));
        match (r.method.as_str(), r.prev_exist) {
            ("DELETE", _) if compares => {
                self.compared(&path, r)?;
                self.index = self.index.wrapping_add(1);
                self.remove(&path);
            }
            ("DELETE", _) => self.delete(&path, r.dir, r.recursive)?,
            ("POST", _) => {
                let unique = clean(&format!("{path}/{:020}", self.index.wrapping_add(1)));
                self.create(&unique, r.dir, &value, expires, false)?;
            }
            ("PUT", Some(false)) => self.create(&path, r.dir, &value, expires, false)?,
            ("PUT", Some(true)) if !compares => self.update(&path, r, expires)?,
            ("PUT", _) if compares => {
                self.compared(&path, r)?;
                self.change(&path, r, expires);
            }
            ("PUT", _) if path == VERSION => self.set_version(&value),
            ("PUT", _) => match attributes_of(&path) {
                Some(id) => {
                    self.member(id)?;
                    self.create(&path, false, &value, None, true)?;
                }
                None => self.set(&path, r, expires)?,
            },
            ("SYNC", _) => self.expire(r.time),
            _ => {}
        }
        Some(())
    }

    fn set(&mut self, path: &str, r: &V2Request, expires: Option<i64>) -> Option<()> {
        let before = self.nodes.get(path);
        let value = match (r.refresh, before) {
            (Some(true), None) => return None,
            (Some(true), Some(before)) => before.value.clone(),
            _ => text(&r.value),
        };
        self.create(path, r.dir, &value, expires, true)
    }

    /// A new node, in place of a key if `replace` says so; missing parent directories are created.
    fn create(&mut self, path: &str, dir: bool, value: &str, expires: Option<i64>, replace: bool) -> Option<()> {
        if read_only(path) {
            return None;
        }
        let above: Vec<&str> = path.match_indices('/').skip(1).filter_map(|(at, _)| path.get(..at)).collect();
        if above.iter().any(|a| self.nodes.get(*a).is_some_and(|node| !node.dir)) {
            return None;
        }
        if self.nodes.get(path).is_some_and(|node| node.dir || !replace) {
            return None;
        }
        let index = self.index.wrapping_add(1);
        let made =
            |dir, value: &str, expires| Node { dir, value: value.into(), created: index, modified: index, expires };
        for missing in above {
            if !self.nodes.contains_key(missing) {
                self.put(missing.into(), made(true, "", None));
            }
        }
        let value = if dir { "" } else { value };
        self.put(path.into(), made(dir, value, expires.filter(|at| *at >= OLDEST_EXPIRY)));
        self.index = index;
        Some(())
    }

    fn update(&mut self, path: &str, r: &V2Request, expires: Option<i64>) -> Option<()> {
        if read_only(path) || (self.nodes.get(path)?.dir && !r.value.is_empty()) {
            return None;
        }
        self.change(path, r, expires);
        Some(())
    }

    fn change(&mut self, path: &str, r: &V2Request, expires: Option<i64>) {
        self.index = self.index.wrapping_add(1);
        let Some(mut node) = self.nodes.get(path).cloned() else { return };
        if !node.dir {
            node.modified = self.index;
            if r.refresh != Some(true) {
                node.value = text(&r.value);
            }
        }
        node.expires = expires;
        self.put(path.into(), node);
    }

    /// Returns whether a key exists and meets the request's conditions.
    fn compared(&self, path: &str, r: &V2Request) -> Option<()> {
        let node = self.nodes.get(path).filter(|node| !node.dir && !read_only(path))?;
        let fits = (r.prev_index == 0 || r.prev_index == node.modified)
            && (r.prev_value.is_empty() || text(&r.prev_value) == node.value);
        fits.then_some(())
    }

    fn delete(&mut self, path: &str, dir: bool, recursive: bool) -> Option<()> {
        let node = self.nodes.get(path).filter(|_| !read_only(path))?;
        let allowed = !node.dir || recursive || (dir && self.below(path).next().is_none());
        if !allowed {
            return None;
        }
        self.remove(path);
        self.index = self.index.wrapping_add(1);
        Some(())
    }

    fn expire(&mut self, until: i64) {
        while let Some((at, path)) = self.expiring.first().cloned() {
            if at > until {
                break;
            }
            self.index = self.index.wrapping_add(1);
            self.remove(&path);
        }
    }

    /// Adds a member or, with `promote`, makes it a voter. A change that etcd would reject does nothing.
    pub fn add_member(&mut self, member: &Member, promote: bool) {
        let id = Id(member.id);
        let known = self.member(id);
        let taken = || self.members().iter().any(|m| m.peer_urls.iter().any(|url| member.peer_urls.contains(url)));
        match known {
            Some(known) if promote => self.set_peers(&Member { is_learner: false, ..known }),
            None if !promote && !self.is_removed(id) && !taken() => {
                self.set_peers(member);
            }
            _ => {}
        }
    }

    /// Sets a member's peer URLs.
    pub fn update_member(&mut self, id: Id, peer_urls: Vec<String>) {
        if let Some(known) = self.member(id) {
            self.set_peers(&Member { peer_urls, ..known });
        }
    }

    /// Removes a member permanently.
    pub fn remove_member(&mut self, id: Id) {
        if self.delete(&format!("{MEMBERS}/{id}"), true, true).is_some() {
            let _ = self.create(&format!("{REMOVED}/{id}"), false, "", None, false);
        }
    }

    /// Sets a member's published name and client URLs.
    pub fn publish(&mut self, id: Id, attributes: &Attributes) {
        if self.member(id).is_some() {
            let json = serde_json::json!({"name": attributes.name, "clientURLs": attributes.client_urls});
            let _ = self.create(&format!("{MEMBERS}/{id}/attributes"), false, &json.to_string(), None, true);
        }
    }

    /// Sets the cluster version.
    pub fn set_version(&mut self, version: &str) {
        let _ = self.create(VERSION, false, version, None, true);
    }

    /// In one change of the index, as etcd's create or update.
    fn set_peers(&mut self, member: &Member) {
        let learner = if member.is_learner { ",\"isLearner\":true" } else { "" };
        let json = format!("{{\"peerURLs\":{}{learner}}}", go_json_list(&member.peer_urls));
        let path = format!("{MEMBERS}/{}/raftAttributes", Id(member.id));
        let _ = self.create(&path, false, &json, None, true);
    }

    fn put(&mut self, path: String, node: Node) {
        let expires = node.expires;
        let before = self.nodes.insert(path.clone(), node);
        if let Some(at) = before.and_then(|node| node.expires) {
            self.expiring.remove(&(at, path.clone()));
        }
        if let Some(at) = expires {
            self.expiring.insert((at, path));
        }
    }

    fn below(&self, path: &str) -> impl Iterator<Item = (&String, &Node)> {
        // '0' is what follows '/' among the characters.
        self.nodes.range(format!("{path}/")..format!("{path}0"))
    }

    fn remove(&mut self, path: &str) {
        let mut gone: Vec<String> = self.below(path).map(|(path, _)| path.clone()).collect();
        gone.push(path.into());
        for path in gone {
            if let Some(at) = self.nodes.remove(&path).and_then(|node| node.expires) {
                self.expiring.remove(&(at, path));
            }
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn read_only(path: &str) -> bool {
    ["/", "/0", USERS].contains(&path)
}

/// The member in `/0/members/<id>/attributes`.
fn attributes_of(path: &str) -> Option<Id> {
    path.strip_prefix("/0/members/")?.strip_suffix("/attributes")?.parse().ok()
}

/// Go's `path.Clean` of an absolute path.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests;
