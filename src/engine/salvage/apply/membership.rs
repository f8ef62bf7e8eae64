//! Members, the cluster version and a downgrade.
//!
//! Source: etcd `server/etcdserver/api/membership/cluster.go`, `server/storage/schema/{membership,confstate}.go`,
//! `server/etcdserver/server.go` (`applyConfChange`), 3.4 and 3.5 `apply_v2.go`.

use prost::Message;
use serde::{Deserialize, Serialize};

use super::{ApplyError, Doubt, Outcome, Refusal, State};
use crate::{
    etcd::{
        membership::{Id, Member, go_json_string},
        raft_request::decode::V2Request,
        schema,
        version::Minor,
    },
    raft::message::ConfChange,
};

/// How many learners there may be, unless `--max-learners` sets another number.
const MAX_LEARNERS: usize = 1;

/// The configuration of raft, as 3.5 and later store it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct ConfState {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    voters: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    learners: Vec<u64>,
    #[serde(default)]
    auto_leave: bool,
}

/// What a member publishes of itself, in a request to the v2 store.
#[derive(Debug, Default, Deserialize)]
struct Attributes {
    #[serde(default)]
    name: String,
    #[serde(default, rename = "clientURLs")]
    client_urls: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct Promotion {
    #[serde(default, rename = "isPromote")]
    is_promote: bool,
}

impl State {
    fn member(&self, id: Id) -> Option<Member> {
        Member::from_json(self.buckets.get(schema::MEMBERS, id.to_string().as_bytes())?).ok()
    }

    /// Returns the members, in the order of their rows.
    pub fn members(&self) -> Vec<Member> {
        self.buckets.rows(schema::MEMBERS).filter_map(|(_, row)| Member::from_json(row).ok()).collect()
    }

    fn put_member(&mut self, member: &Member) {
        let id = Id(member.id).to_string();
        self.buckets.put(schema::MEMBERS, id.as_bytes(), member.to_json().as_bytes());
    }

    /// Adds, promotes, removes or updates a member.
    pub(super) fn conf_change(&mut self, data: &[u8]) -> Result<Outcome, ApplyError> {
        let unknown = |what: &str| ApplyError::Entry(format!("it is a change of members {what}"));
        let change = ConfChange::decode(data).map_err(|_| unknown("that does not decode"))?;
        let kind = change.kind.unwrap_or_default();
        let id = Id(change.node_id.unwrap_or_default());
        let context = change.context.unwrap_or_default();
        let given = || Member::from_json(&context).map_err(|_| unknown("whose member is not JSON"));
        let refused = Ok(Outcome::Refused(Refusal::Membership));
        if self.buckets.get(schema::MEMBERS_REMOVED, id.to_string().as_bytes()).is_some() {
            return refused;
        }
        let own = self.member(id);
        match kind {
            // A new member, or the promotion of a learner.
            0 | 3 => {
                let new = Member { id: id.0, ..given()? };
                let promotes = serde_json::from_slice::<Promotion>(&context).is_ok_and(|json| json.is_promote);
                let member = match (promotes, own) {
                    (true, Some(own)) if own.is_learner => Member { is_learner: false, ..own },
                    (false, None) => new,
                    _ => return refused,
                };
                if !promotes {
                    let all = self.members();
                    let taken = |url: &String| all.iter().any(|other| other.peer_urls.contains(url));
                    if member.peer_urls.iter().any(taken) {
                        return refused;
                    }
                    if member.is_learner && kind == 3 && all.iter().filter(|m| m.is_learner).count() >= MAX_LEARNERS {
                        self.doubt(Doubt::Learners);
                        return refused;
                    }
                }
                self.put_member(&member);
            }
            1 => {
                if own.is_none() {
                    return refused;
                }
                self.buckets.delete(schema::MEMBERS, id.to_string().as_bytes());
                self.buckets.put(schema::MEMBERS_REMOVED, id.to_string().as_bytes(), b"removed");
            }
            2 => {
                let Some(own) = own else { return refused };
                let new = given()?;
                let others = self.members().into_iter().filter(|other| other.id != id.0);
                if others.flat_map(|other| other.peer_urls).any(|url| new.peer_urls.contains(&url)) {
                    return refused;
                }
                self.put_member(&Member { peer_urls: new.peer_urls, ..own });
            }
            kind => return Err(unknown(&format!("of type {kind}, which etcd 3.4 to 3.7 does not know"))),
        }
        self.conf_state(kind, id.0);
        Ok(Outcome::Changed)
    }

    /// Keeps the configuration of raft, which 3.5 and later store too.
    fn conf_state(&mut self, kind: i32, id: u64) {
        if self.rules.minor < Minor::V3_5 {
            return;
        }
        let row = self.buckets.get(schema::META, schema::CONF_STATE);
        let mut state: ConfState = row.and_then(|row| serde_json::from_slice(row).ok()).unwrap_or_default();
        if kind != 2 {
            state.voters.retain(|voter| *voter != id);
            state.learners.retain(|learner| *learner != id);
        }
        match kind {
            0 => state.voters.push(id),
            3 => state.learners.push(id),
            _ => {}
        }
        state.voters.sort_unstable();
        state.learners.sort_unstable();
        if let Ok(json) = serde_json::to_vec(&state) {
            self.buckets.put(schema::META, schema::CONF_STATE, &json);
        }
    }

    pub(super) fn set_attributes(&mut self, id: u64, name: String, client_urls: Vec<String>) -> Outcome {
        match self.member(Id(id)) {
            Some(member) => {
                self.put_member(&Member { name, client_urls, ..member });
                Outcome::Changed
            }
            None => {
                let removed = self.buckets.get(schema::MEMBERS_REMOVED, Id(id).to_string().as_bytes()).is_some();
                if !removed {
                    self.doubt(Doubt::UnknownMember);
                }
                Outcome::Refused(Refusal::Membership)
            }
        }
    }

    pub(super) fn set_version(&mut self, version: &str) -> Result<Outcome, ApplyError> {
        let fits = version.split('.').count() == 3 && version.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit());
        if !fits {
            return Err(ApplyError::Entry("it sets a cluster version that is not one".into()));
        }
        self.buckets.put(schema::CLUSTER, schema::CLUSTER_VERSION, version.as_bytes());
        Ok(Outcome::Changed)
    }

    pub(super) fn set_downgrade(&mut self, enabled: bool, version: &str) -> Outcome {
        let target = go_json_string(if enabled { version } else { "" });
        let json = format!("{{\"target-version\":{target},\"enabled\":{enabled}}}");
        self.buckets.put(schema::CLUSTER, schema::DOWNGRADE, json.as_bytes());
        Outcome::Changed
    }

    /// 3.4 and 3.5 publish members and the cluster version by requests to the v2 store, which reach the database too. All
    /// others stay in the v2 store, which no snapshot holds.
    pub(super) fn v2(&mut self, request: &V2Request) -> Result<Outcome, ApplyError> {
        let plain = request.prev_exist.is_none() && request.prev_index == 0 && request.prev_value.is_empty();
        if request.method != "PUT" || !plain {
            return Ok(Outcome::Unchanged);
        }
        if request.path == b"/0/version" {
            return self.set_version(&String::from_utf8_lossy(&request.value));
        }
        let path = std::str::from_utf8(&request.path).unwrap_or_default();
        let id = path.strip_prefix("/0/members/").and_then(|rest| rest.strip_suffix("/attributes"));
        let Some(id) = id.and_then(|id| id.parse::<Id>().ok()) else { return Ok(Outcome::Unchanged) };
        let attributes: Attributes = serde_json::from_slice(&request.value)
            .map_err(|_| ApplyError::Entry("the member attributes in it are not JSON".into()))?;
        Ok(self.set_attributes(id.0, attributes.name, attributes.client_urls.unwrap_or_default()))
    }
}
