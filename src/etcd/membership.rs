//! Members of a cluster: their JSON as etcd writes it, and how member and cluster IDs are made.
//!
//! Sources: etcd `server/etcdserver/api/membership/member.go` (`computeMemberID`) and `cluster.go`
//! (`genID`), the same in 3.4 to 3.7.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha1::{Digest, Sha1};

/// A member or cluster ID. Shown, and stored in plan files, as etcd shows it: lower-case hex
/// without leading zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Id(pub u64);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl FromStr for Id {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        u64::from_str_radix(text, 16).map(Id).map_err(|_| format!("{text:?} is not a hexadecimal ID"))
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The ID that a restore gives a member: SHA-1 over its peer URLs, sorted as strings and
/// concatenated, then the token; the first eight bytes, big-endian.
///
/// The URLs must be in the form in which etcd prints them (scheme in lower case).
pub fn member_id(peer_urls: &[String], token: &str) -> Id {
    let mut sorted: Vec<&str> = peer_urls.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let mut sha = Sha1::new();
    for url in sorted {
        sha.update(url.as_bytes());
    }
    sha.update(token.as_bytes());
    first_eight(&sha.finalize())
}

/// The cluster's ID: SHA-1 over the member IDs, ascending, each as eight bytes big-endian.
pub fn cluster_id(members: &[Id]) -> Id {
    let mut sorted = members.to_vec();
    sorted.sort_unstable();
    let mut sha = Sha1::new();
    for id in sorted {
        sha.update(id.0.to_be_bytes());
    }
    first_eight(&sha.finalize())
}

fn first_eight(digest: &[u8]) -> Id {
    Id(digest.iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte)))
}

/// One row of the `members` bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Member {
    /// The member's ID.
    pub id: u64,
    /// Peer URLs, sorted; etcd writes `null` for none.
    #[serde(rename = "peerURLs", default, deserialize_with = "null_as_empty")]
    pub peer_urls: Vec<String>,
    /// True for a member that does not vote.
    #[serde(rename = "isLearner", default)]
    pub is_learner: bool,
    /// The name; empty until the member has published it.
    #[serde(default)]
    pub name: String,
    /// Client URLs; left out of the bucket by 3.5 up to 3.5.16 and by every restore.
    #[serde(rename = "clientURLs", default, deserialize_with = "null_as_empty")]
    pub client_urls: Vec<String>,
}

fn null_as_empty<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::<Vec<String>>::deserialize(d)?.unwrap_or_default())
}

impl Member {
    /// The JSON that Go's `encoding/json` makes of etcd's `membership.Member`: fields in this
    /// order, empty ones left out, `<`, `>` and `&` escaped.
    pub fn to_json(&self) -> String {
        let mut out = format!("{{\"id\":{},\"peerURLs\":{}", self.id, go_json_list(&self.peer_urls));
        if self.is_learner {
            out.push_str(",\"isLearner\":true");
        }
        if !self.name.is_empty() {
            out.push_str(&format!(",\"name\":{}", go_json_string(&self.name)));
        }
        if !self.client_urls.is_empty() {
            out.push_str(&format!(",\"clientURLs\":{}", go_json_list(&self.client_urls)));
        }
        out.push('}');
        out
    }

    /// Reads a row of the `members` bucket.
    ///
    /// # Errors
    /// Returns a message if the bytes are not such JSON.
    pub fn from_json(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|e| format!("invalid JSON in a row of the members bucket ({e})"))
    }
}

/// `["a","b"]` as Go's `encoding/json` writes it.
pub(crate) fn go_json_list(items: &[String]) -> String {
    let quoted: Vec<String> = items.iter().map(|s| go_json_string(s)).collect();
    format!("[{}]", quoted.join(","))
}

/// A JSON string as Go's `encoding/json` writes it with its default HTML escaping.
pub(crate) fn go_json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn members()(id: u64, name: String, is_learner: bool, peer_urls in prop::collection::vec("\\PC{0,12}", 0..4),
            client_urls in prop::collection::vec(any::<String>(), 0..3)) -> Member {
            Member { id, peer_urls, is_learner, name, client_urls }
        }
    }

    proptest! {
        #[test]
        fn any_member_survives_its_json(member in members()) {
            let json = member.to_json();
            prop_assert!(!json.contains(['<', '>', '&']) && serde_json::from_str::<serde_json::Value>(&json).is_ok());
            prop_assert_eq!(Member::from_json(json.as_bytes()), Ok(member));
        }

        #[test]
        fn any_bytes_end_in_a_value(bytes: Vec<u8>, text in "[\\[\\]{}\":,a-zA-Z0-9 ]{0,40}") {
            let _ = (Member::from_json(&bytes), Member::from_json(text.as_bytes()));
        }

        /// Neither the order of the URLs nor that of the members is part of an ID.
        #[test]
        fn ids_know_no_order(mut urls in prop::collection::vec("[a-z:/.0-9]{1,20}", 1..5), token in "\\PC{0,9}", mut ids: Vec<u64>) {
            let (id, cluster) = (member_id(&urls, &token), cluster_id(&ids.iter().map(|n| Id(*n)).collect::<Vec<_>>()));
            urls.reverse();
            ids.reverse();
            prop_assert_eq!(member_id(&urls, &token), id);
            prop_assert_eq!(cluster_id(&ids.iter().map(|n| Id(*n)).collect::<Vec<_>>()), cluster);
        }
    }

    /// Names, URLs and IDs as etcdutl 3.4 to 3.7 made them.
    const WORKED: [(&str, u64); 3] = [
        ("http://127.0.0.31:2380", 0xcfa0_1bbb_22ab_cc1b),
        ("http://127.0.0.32:2380", 0x3c50_5846_437b_a852),
        ("http://127.0.0.33:2380", 0xbdbc_0424_5f59_4d01),
    ];

    #[test]
    fn ids_are_those_of_etcdutl() {
        let ids: Vec<Id> = WORKED.iter().map(|(url, _)| member_id(&[(*url).to_string()], "spec-token")).collect();
        assert_eq!(ids.iter().map(|i| i.0).collect::<Vec<_>>(), WORKED.map(|(_, id)| id));
        assert_eq!(cluster_id(&ids), Id(0xe88e_3c40_b93f_9f54));
    }

    #[test]
    fn the_fingerprint_of_etcds_defaults() {
        let id = member_id(&["http://localhost:2380".into()], "etcd-cluster");
        assert_eq!(
            (id.to_string(), cluster_id(&[id]).to_string()),
            ("8e9e05c52164694d".into(), "cdf818194e3a8c32".into())
        );
    }

    #[test]
    fn ids_keep_no_leading_zeros_and_round_trip() {
        assert_eq!(Id(0x0498_d53d).to_string(), "498d53d");
        assert_eq!("498d53d".parse(), Ok(Id(0x0498_d53d)));
        assert!("m1".parse::<Id>().is_err());
    }

    #[test]
    fn json_escapes_as_go_does() {
        let member =
            Member { id: 7, peer_urls: vec!["http://a:1".into()], name: "a<b&c é\u{1}".into(), ..Member::default() };
        assert_eq!(member.to_json(), r#"{"id":7,"peerURLs":["http://a:1"],"name":"a\u003cb\u0026c é\u0001"}"#);
        assert_eq!(Member::from_json(member.to_json().as_bytes()), Ok(member));
    }
}
