//! The operator's inventory: the members of the new cluster, from a YAML or JSON list, or from the
//! group `etcd` (or `etcds`) of an Ansible inventory in either of its forms.
//!
//! Sources: Ansible's `ini` and `yaml` inventory plugins; kubespray names its group `etcd` and the
//! member `etcd_member_name`, kubeadm playbooks use `etcd` or `etcds`.

use serde_json::{Map, Value};

use crate::domain::model::plan_yaml;
use crate::error::{Error, ErrorKind, Result};

/// The groups that are looked for, in this order.
const GROUPS: [&str; 2] = ["etcd", "etcds"];

/// One host of the inventory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InventoryHost {
    /// The member's name, where the file names members; in an Ansible inventory it may be only the
    /// host's.
    pub name: String,
    /// True when `name` is what the file calls the host, not the member.
    pub host_name_only: bool,
    /// The address or name under which the host is reached; may be empty.
    pub host: String,
    /// Peer URLs, comma-separated; may be empty.
    pub peer_urls: String,
    /// Client URLs, comma-separated; may be empty.
    pub client_urls: String,
    /// The data directory; may be empty.
    pub data_dir: String,
    /// The WAL directory; may be empty.
    pub wal_dir: String,
}

/// Reads an inventory. Its URLs are validated by the table, not here.
///
/// # Errors
/// `Input` when it is not in a known format, has an unknown key, or names no member.
pub fn read(text: &str) -> Result<Vec<InventoryHost>> {
    let entries = match ansible_ini(text) {
        Some(entries) => entries,
        None => yaml(&plan_yaml::yaml("the inventory", text)?)?,
    };
    if entries.is_empty() {
        return Err(refused("the inventory names no member"));
    }
    Ok(entries)
}

fn refused(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Input, what)
        .hint("Write a list of {name, peerUrls, clientUrls, dataDir, walDir}, or {name, host}; an Ansible inventory needs a group etcd.")
}

fn yaml(value: &Value) -> Result<Vec<InventoryHost>> {
    match value {
        Value::Array(list) => list.iter().enumerate().map(|(n, item)| own(n, item)).collect(),
        Value::Object(map) => match map.get("members") {
            Some(members @ Value::Array(_)) => yaml(members),
            _ => GROUPS
                .iter()
                .find_map(|group| ansible_group(map, group, 8))
                .ok_or_else(|| refused("the inventory is not a list of members and has no group etcd")),
        },
        _ => Err(refused("the inventory is not a list of members")),
    }
}

/// One entry of our own form. Keys in camel case, snake case or as etcd's flags.
fn own(n: usize, item: &Value) -> Result<InventoryHost> {
    let Value::Object(map) = item else {
        return Err(refused(format!("entry {} of the inventory has no keys", n + 1)));
    };
    let mut entry = InventoryHost::default();
    for (key, value) in map {
        let plain: String = key.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_ascii_lowercase();
        let place = match plain.as_str() {
            "name" => &mut entry.name,
            "host" | "address" | "ip" => &mut entry.host,
            "peerurls" | "peerurl" | "initialadvertisepeerurls" => &mut entry.peer_urls,
            "clienturls" | "clienturl" | "advertiseclienturls" => &mut entry.client_urls,
            "datadir" => &mut entry.data_dir,
            "waldir" => &mut entry.wal_dir,
            _ => return Err(refused(format!("entry {} of the inventory has the unknown key {key:?}", n + 1))),
        };
        *place =
            text(value).ok_or_else(|| refused(format!("{key} in entry {} of the inventory is not text", n + 1)))?;
    }
    if entry.name.is_empty() && entry.host.is_empty() && entry.peer_urls.is_empty() {
        return Err(refused(format!("entry {} of the inventory has no name, no host and no peerUrls", n + 1)));
    }
    Ok(entry)
}

/// A text, a number, or a list of them with commas between.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(list) => list.iter().map(text).collect::<Option<Vec<_>>>().map(|l| l.join(",")),
        _ => None,
    }
}

/// `etcd: {hosts: {NAME: {ansible_host: …}}}`, at the top or below `children`.
fn ansible_group(map: &Map<String, Value>, group: &str, depth: u8) -> Option<Vec<InventoryHost>> {
    if let Some(Value::Object(hosts)) = map.get(group).and_then(|g| g.get("hosts")) {
        let empty = Map::new();
        // A host may have its variables elsewhere, under `all.hosts`; kubespray writes them there.
        let elsewhere = map.get("__hosts").and_then(Value::as_object).unwrap_or(&empty);
        return Some(
            hosts
                .iter()
                .map(|(name, vars)| {
                    let find = |key: &str| {
                        [Some(vars), elsewhere.get(name)].into_iter().flatten().find_map(|v| text(v.get(key)?))
                    };
                    ansible_host(name, find)
                })
                .collect(),
        );
    }
    let depth = depth.checked_sub(1)?;
    map.values().find_map(|inner| {
        let inner = inner.as_object()?;
        let mut children = inner.get("children")?.as_object()?.clone();
        if let Some(hosts) = inner.get("hosts").or_else(|| map.get("__hosts")) {
            children.insert("__hosts".into(), hosts.clone());
        }
        ansible_group(&children, group, depth)
    })
}

fn ansible_host(name: &str, var: impl Fn(&str) -> Option<String>) -> InventoryHost {
    let member = ["etcd_member_name", "etcd_name"].iter().find_map(|key| var(key));
    let host = ["etcd_address", "etcd_access_address", "ip", "ansible_host", "ansible_ssh_host"];
    InventoryHost {
        host_name_only: member.is_none(),
        name: member.unwrap_or_else(|| name.to_string()),
        host: host.iter().find_map(|key| var(key)).unwrap_or_else(|| name.to_string()),
        data_dir: var("etcd_data_dir").unwrap_or_default(),
        ..InventoryHost::default()
    }
}

/// The group's lines of an INI inventory; `None` where the text is not one. Variables of a host may
/// be in any of its lines.
fn ansible_ini(text: &str) -> Option<Vec<InventoryHost>> {
    let lines: Vec<&str> =
        text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with(['#', ';'])).collect();
    let group_of = |line: &str| Some(line.strip_prefix('[')?.strip_suffix(']')?.trim().to_string());
    // A JSON list may begin with a bracket, too.
    let groups: Vec<String> = lines.iter().filter_map(|l| group_of(l)).collect();
    let group = GROUPS.iter().find(|g| groups.iter().any(|found| found == *g))?;
    let mut here = String::new();
    let mut hosts: Vec<(&str, Vec<(String, String)>)> = Vec::new();
    let mut chosen: Vec<&str> = Vec::new();
    for line in lines {
        if let Some(name) = group_of(line) {
            here = name;
            continue;
        }
        if here.contains(':') {
            continue;
        }
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let words = shell_words::split(rest).unwrap_or_default();
        let vars = words.iter().filter_map(|w| w.split_once('=')).map(|(k, v)| (k.to_string(), v.to_string()));
        match hosts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => known.extend(vars),
            None => hosts.push((name, vars.collect())),
        }
        if here == *group && !chosen.contains(&name) {
            chosen.push(name);
        }
    }
    let entry = |name: &&str| {
        let vars = hosts.iter().find(|(known, _)| known == name).map(|(_, vars)| vars.as_slice()).unwrap_or_default();
        ansible_host(name, |key| vars.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone()))
    };
    Some(chosen.iter().map(entry).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn short(text: &str) -> Vec<[String; 3]> {
        read(text).unwrap().into_iter().map(|e| [e.name, e.host, e.peer_urls]).collect()
    }

    #[test]
    fn lists_of_members_in_yaml_and_json() {
        let wanted = [["m1", "", "https://a:2380,https://b:2380"], ["m2", "10.0.0.2", ""]];
        for text in [
            "- name: m1\n  peerUrls: [https://a:2380, https://b:2380]\n- {name: m2, host: 10.0.0.2}\n",
            "members:\n- name: m1\n  peer_urls: https://a:2380,https://b:2380\n- {name: m2, address: 10.0.0.2}\n",
            "[{\"name\":\"m1\",\"peerURLs\":[\"https://a:2380\",\"https://b:2380\"]},{\"name\":\"m2\",\"host\":\"10.0.0.2\"}]",
        ] {
            assert_eq!(short(text), wanted, "{text}");
        }
        let all = read("- {name: m1, host: h, client-urls: http://h:2379, dataDir: /d, wal_dir: /w}").unwrap();
        let wanted = InventoryHost {
            name: "m1".into(),
            host: "h".into(),
            client_urls: "http://h:2379".into(),
            data_dir: "/d".into(),
            wal_dir: "/w".into(),
            ..InventoryHost::default()
        };
        assert_eq!(all, [wanted]);
    }

    #[test]
    fn the_etcd_group_of_an_ansible_inventory() {
        let ini = "# hosts\nnode1 ansible_host=203.0.113.1 ip=10.0.0.1 etcd_member_name=etcd1\nnode2 ansible_host=10.0.0.2\n\n\
                   [kube_control_plane]\nnode1\n[etcd]\nnode1\nnode2\nnode3.example.com ansible_user=\"a b\"\n[etcd:vars]\nx=1\n[k8s:children]\netcd\n";
        assert_eq!(
            short(ini),
            [["etcd1", "10.0.0.1", ""], ["node2", "10.0.0.2", ""], ["node3.example.com", "node3.example.com", ""]]
        );
        assert_eq!(read(ini).unwrap().iter().map(|e| e.host_name_only).collect::<Vec<_>>(), [false, true, true]);
        let yaml = "all:\n  hosts:\n    node1: {ip: 10.0.0.1}\n    node2: {ansible_host: 10.0.0.2}\n  children:\n    etcd:\n      hosts:\n        node1: {etcd_member_name: etcd1}\n        node2:\n";
        assert_eq!(short(yaml), [["etcd1", "10.0.0.1", ""], ["node2", "10.0.0.2", ""]]);
        assert_eq!(short("etcds:\n  hosts:\n    a: {}\n"), [["a", "a", ""]]);
    }

    #[test]
    fn what_is_no_inventory_is_said() {
        let mut messages = Vec::new();
        for text in [
            "",
            "[]",
            "just text",
            "- m1",
            "- {name: m1, colour: red}",
            "- {dataDir: /d}",
            "- {name: {a: b}}",
            "web:\n  hosts:\n    a: {}\n",
            "- name: [",
            &"[".repeat(100_000),
        ] {
            let error = read(text).unwrap_err();
            messages.push((format!("{:?}", text.get(..40).unwrap_or(text)), error.to_string()));
        }
        crate::text::messages::hold("plan-inventory-refused", &messages);
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "[a-z0-9:\\-\\[\\]{}=&*#, \n]{0,80}") {
            let _ = read(&text);
            let _ = read(&format!("[etcd]\n{text}"));
        }
    }
}
