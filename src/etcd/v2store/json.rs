//! The v2 store's JSON as a restore puts it into the `.snap` file: nothing but the membership,
//! which is where 3.4 and 3.5 take it from.
//!
//! The bytes are those of etcd's `v2store.Store.Save` after `Create` was called once for each
//! member in ascending order of ID (3.4 and 3.5 do so; 3.6 and 3.7 in random order, and with one
//! failed get in the statistics).

use crate::etcd::{
    membership::{Id, go_json_list, go_json_string},
    version::Minor,
};

const NEVER: &str = r#""ExpireTime":"0001-01-01T00:00:00Z""#;
/// The ring buffer of events is saved in full, empty places included.
const EVENTS: usize = 1000;

/// The JSON for `members` (ID and peer URLs), which must be in ascending order of ID.
pub fn genesis_json(members: &[(Id, Vec<String>)], target: Minor) -> String {
    let n = members.len();
    let attributes: Vec<String> =
        members.iter().map(|(_, urls)| go_json_string(&format!("{{\"peerURLs\":{}}}", go_json_list(urls)))).collect();

    // Go writes maps sorted by key, and a key is the ID in hex without leading zeros.
    let mut children: Vec<(String, String)> = members
        .iter()
        .zip(&attributes)
        .enumerate()
        .map(|(i, ((id, _), value))| {
            let (path, i) = (format!("/0/members/{id}"), i.saturating_add(1));
            let leaf = node(&format!("{path}/raftAttributes"), i, value, "null");
            (id.to_string(), node(&path, i, r#""""#, &format!(r#"{{"raftAttributes":{leaf}}}"#)))
        })
        .collect();
    children.sort();
    let children: Vec<String> = children.into_iter().map(|(id, node)| format!(r#""{id}":{node}"#)).collect();

    let all = node("/0/members", usize::from(n > 0), r#""""#, &format!("{{{}}}", children.join(",")));
    let zero = node("/0", 0, r#""""#, &format!(r#"{{"members":{all}}}"#));
    let one = node("/1", 0, r#""""#, "{}");
    let root = node("/", 0, r#""""#, &format!(r#"{{"0":{zero},"1":{one}}}"#));

    let mut events: Vec<String> = members
        .iter()
        .zip(&attributes)
        .enumerate()
        .map(|(i, ((id, _), value))| {
            let i = i.saturating_add(1);
            format!(
                r#"{{"action":"create","node":{{"key":"/0/members/{id}/raftAttributes","value":{value},"modifiedIndex":{i},"createdIndex":{i}}}}}"#
            )
        })
        .collect();
    events.resize(EVENTS.max(n), "null".into());

    let gets_failed = u8::from(target >= Minor::V3_6);
    format!(
        concat!(
            r#"{{"Root":{root},"WatcherHub":{{"EventHistory":{{"Queue":{{"Events":[{events}],"Size":{n},"Front":0,"Back":{n},"Capacity":1000}},"#,
            r#""StartIndex":1,"LastIndex":{n}}}}},"CurrentIndex":{n},"#,
            r#""Stats":{{"getsSuccess":0,"getsFail":{gets_failed},"setsSuccess":0,"setsFail":0,"deleteSuccess":0,"deleteFail":0,"#,
            r#""updateSuccess":0,"updateFail":0,"createSuccess":{n},"createFail":0,"#,
            r#""compareAndSwapSuccess":0,"compareAndSwapFail":0,"compareAndDeleteSuccess":0,"compareAndDeleteFail":0,"#,
            r#""expireCount":0,"watchers":0}},"CurrentVersion":2}}"#
        ),
        root = root,
        events = events.join(","),
        n = n,
        gets_failed = gets_failed,
    )
}

/// A node: `value` and `children` are JSON already.
fn node(path: &str, index: usize, value: &str, children: &str) -> String {
    format!(
        r#"{{"Path":"{path}","CreatedIndex":{index},"ModifiedIndex":{index},{NEVER},"Value":{value},"Children":{children}}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_members_make_etcds_7517_bytes() {
        let members: Vec<(Id, Vec<String>)> = [
            (0x3c50_5846_437b_a852, "http://127.0.0.32:2380"),
            (0xbdbc_0424_5f59_4d01, "http://127.0.0.33:2380"),
            (0xcfa0_1bbb_22ab_cc1b, "http://127.0.0.31:2380"),
        ]
        .map(|(id, url)| (Id(id), vec![url.to_string()]))
        .to_vec();
        let json = genesis_json(&members, Minor::V3_5);
        assert_eq!(json.len(), 7517);
        serde_json::from_str::<serde_json::Value>(&json).unwrap();
    }
}
