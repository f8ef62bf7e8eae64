//! Every form that people copy, and what of it is told.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn shown(text: &str) -> Vec<[String; 3]> {
    let pasted = read(text).unwrap();
    pasted.rows.iter().map(|r| [Column::Name, Column::Peer, Column::Client].map(|c| r.text(c).to_string())).collect()
}

#[test]
fn an_initial_cluster_value_in_every_dress() {
    let wanted = [["m1", "http://a:2380", ""], ["m2", "http://b:2380", ""]];
    for text in [
        "m1=http://a:2380,m2=http://b:2380",
        "m1=http://a:2380, m2=http://b:2380\n",
        "--initial-cluster=m1=http://a:2380,m2=http://b:2380",
        "--initial-cluster 'm1=http://a:2380,m2=http://b:2380' --initial-cluster-state new",
        "--initial-cluster m1=http://a:2380,m2=http://b:2380 \\\n  --initial-cluster-state=new",
        "ETCD_INITIAL_CLUSTER=\"m1=http://a:2380,m2=http://b:2380\"\nETCD_INITIAL_CLUSTER_TOKEN=x",
        "    - --initial-cluster=m1=http://a:2380,m2=http://b:2380\n    - --name=m1\n",
        "etcd --name m1 --initial-cluster=m1=http://a:2380,\\\nm2=http://b:2380",
        "initial-cluster: m1=http://a:2380,\n  m2=http://b:2380\n",
        "\u{201c}m1=http://a:2380,m2=http://b:2380\u{201d}",
        "m1=http://a:2380\u{ff0c}m2=http\u{ff1a}//b:2380",
        "m1=http://a:2380 m2=http://b:2380",
        "\u{1b}[32mm1=http://a:2380,m2=http://b:2380\u{1b}[0m",
        // files of variables and units
        "ETCD_INITIAL_CLUSTER=m1=http://a:2380,m2=http://b:2380\nETCD_INITIAL_CLUSTER_STATE=new",
        "ETCD_INITIAL_CLUSTER_STATE=new\nETCD_INITIAL_CLUSTER=m1=http://a:2380,m2=http://b:2380\nETCD_LISTEN_PEER_URLS=http://a:2380",
        "export ETCD_INITIAL_CLUSTER=m1=http://a:2380,m2=http://b:2380; etcd",
        "Environment=\"ETCD_INITIAL_CLUSTER=m1=http://a:2380,m2=http://b:2380\" \"ETCD_NAME=m1\"",
        "Environment=ETCD_INITIAL_CLUSTER=m1=http://a:2380,m2=http://b:2380 ETCD_NAME=m1",
        "#ETCD_INITIAL_CLUSTER=\"default=http://localhost:2380\"\nETCD_INITIAL_CLUSTER=\"m1=http://a:2380,m2=http://b:2380\"",
        "# ETCD_INITIAL_CLUSTER=\"m1=http://a:2380,m2=http://b:2380\"",
        "ETCD_INITIAL_CLUSTER: m1=http://a:2380,m2=http://b:2380\nETCD_NAME: m1",
        // YAML
        "initial-cluster: m1=http://a:2380,m2=http://b:2380\ninitial-cluster-token: etcd",
        "name: m1\ninitial-cluster: 'm1=http://a:2380,m2=http://b:2380'\nlisten-peer-urls: http://a:2380",
        "initial-cluster: m1=http://a:2380,m2=http://b:2380 # all",
        "initial-cluster: >-\n  m1=http://a:2380,\n  m2=http://b:2380\ninitial-cluster-state: new",
        "initial-cluster: |\n  m1=http://a:2380,\n  m2=http://b:2380\n\ninitial-cluster-state: new",
        "initial-cluster:\n  m1=http://a:2380,m2=http://b:2380\ninitial-cluster-state: new",
        "- name: ETCD_INITIAL_CLUSTER\n  value: m1=http://a:2380,m2=http://b:2380\n- name: ETCD_NAME\n  value: m1",
        "  command:\n  - etcd\n  - --initial-cluster\n  - m1=http://a:2380,m2=http://b:2380\n  - --name=m1",
        "- m1=http://a:2380\n- m2=http://b:2380",
        // words of JSON, and etcd's log
        "\"--initial-cluster\", \"m1=http://a:2380,m2=http://b:2380\", \"--initial-cluster-state\", \"new\"",
        "[\"etcd\",\"--initial-cluster=m1=http://a:2380,m2=http://b:2380\",\"--name\",\"m1\"]",
        "\"Cmd\": [\n  \"--initial-cluster\",\n  \"m1=http://a:2380,m2=http://b:2380\",\n  \"--name\"\n]",
        "[\"m1=http://a:2380\",\"m2=http://b:2380\"]",
        "{\"level\":\"info\",\"name\":\"m1\",\"initial-cluster\":\"m1=http://a:2380,m2=http://b:2380\",\"initial-cluster-state\":\"new\"}",
        "Nov 30 11:00:00 h etcd[812]: {\"initial-cluster\":\"m1=http://a:2380,m2=http://b:2380\",\"initial-cluster-token\":\"x\"}",
        "2021-01-01 00:00:00.1 I | etcdserver: initial cluster = m1=http://a:2380,m2=http://b:2380",
        "initial_cluster = \"m1=http://a:2380,m2=http://b:2380\"",
        // a command, in several lines and broken by a terminal
        "/usr/bin/etcd --initial-cluster m1=http://a:2380,m2=http://b:2380 --name m1 && echo",
        "--initial-cluster=m1=http://a:2380,m2=http:\n//b:2380",
        "--initial-cluster=m1=http://a:2380,m2=http://b:2380\n--initial-cluster=m1=http://a:2380,m2=http://b:2380",
    ] {
        assert_eq!(shown(text), wanted, "{text:?}");
        assert_eq!(read(text).unwrap().form, PasteFormat::InitialCluster, "{text:?}");
    }
}

#[test]
fn etcdctl_member_list_in_every_format() {
    let wanted = [
        ["m1", "http://127.0.0.1:2380,http://10.0.0.1:2380", "http://127.0.0.1:2379,http://10.0.0.1:2379"],
        ["", "http://127.0.0.2:2380", ""],
    ];
    let simple = "$ etcdctl member list\n\
        8e9e05c52164694d, started, m1, http://127.0.0.1:2380,http://10.0.0.1:2380, http://127.0.0.1:2379,http://10.0.0.1:2379, false\n\
        91bc3c398fb3c146, unstarted, , http://127.0.0.2:2380, , false\n\
        fd422379fda50e48, started, l1, http://127.0.0.3:2380, http://127.0.0.3:2379, true\n";
    let boxed = "\
        +------------------+-----------+------+---------------------------------------------+---------------------------------------------+------------+\n\
        |        ID        |  STATUS   | NAME |                 PEER ADDRS                  |                CLIENT ADDRS                 | IS LEARNER |\n\
        +------------------+-----------+------+---------------------------------------------+---------------------------------------------+------------+\n\
        | 8e9e05c52164694d |   started |   m1 | http://127.0.0.1:2380,http://10.0.0.1:2380 | http://127.0.0.1:2379,http://10.0.0.1:2379 |      false |\n\
        | 91bc3c398fb3c146 | unstarted |      | http://127.0.0.2:2380 |  |      false |\n\
        | fd422379fda50e48 |   started |   l1 | http://127.0.0.3:2380 | http://127.0.0.3:2379 |       true |\n\
        +------------------+-----------+------+\n";
    let unicode = boxed.replace('|', "\u{2502}").replace("+--", "\u{250c}\u{2500}\u{2500}").replace('-', "\u{2500}");
    let json = r#"{"header":{"cluster_id":14841639068965178418,"member_id":10276657743932975437,"raft_term":2},"members":[
        {"ID":10276657743932975437,"name":"m1","peerURLs":["http://127.0.0.1:2380","http://10.0.0.1:2380"],"clientURLs":["http://127.0.0.1:2379","http://10.0.0.1:2379"]},
        {"ID":10501334649042878790,"peerURLs":["http://127.0.0.2:2380"]},
        {"ID":18249187646912138824,"name":"l1","peerURLs":["http://127.0.0.3:2380"],"clientURLs":["http://127.0.0.3:2379"],"isLearner":true}]}"#;
    let hex = json.replace("10276657743932975437,\"name", "\"8e9e05c52164694d\",\"name");
    let fields = "\"ClusterID\" : 14841639068965178418\n\"MemberID\" : 10276657743932975437\n\"Revision\" : 0\n\"RaftTerm\" : 2\n\
        \"ID\" : 10276657743932975437\n\"Name\" : \"m1\"\n\"PeerURL\" : \"http://127.0.0.1:2380\"\n\"PeerURL\" : \"http://10.0.0.1:2380\"\n\
        \"ClientURL\" : \"http://127.0.0.1:2379\"\n\"ClientURL\" : \"http://10.0.0.1:2379\"\n\"IsLearner\" : false\n\n\
        \"ID\" : 10501334649042878790\n\"Name\" : \"\"\n\"PeerURL\" : \"http://127.0.0.2:2380\"\n\"IsLearner\" : false\n\n\
        \"ID\" : 18249187646912138824\n\"Name\" : \"l1\"\n\"PeerURL\" : \"http://127.0.0.3:2380\"\n\"IsLearner\" : true\n";
    for text in [simple, boxed, &unicode, json, &hex, fields] {
        let pasted = read(text).unwrap();
        assert_eq!(
            (pasted.form, shown(text)),
            (PasteFormat::MemberList, wanted.map(|row| row.map(String::from)).to_vec()),
            "{text}"
        );
        assert!(pasted.notes.contains(&"left out as a learner: l1".to_string()), "{:?}", pasted.notes);
        assert!(
            pasted.notes.contains(&"member 91bc3c398fb3c146 never started and has no name; give it one".to_string()),
            "{:?}",
            pasted.notes
        );
    }
    let version_2 = "504ffa3d42ead29c: name=m1 peerURLs=http://a:2380 clientURLs=http://a:2379 isLeader=true\n\
        56f19cfb6ceccf5f[unstarted]: peerURLs=http://b:2380\n";
    assert_eq!(shown(version_2), [["m1", "http://a:2380", "http://a:2379"], ["", "http://b:2380", ""]]);
    assert_eq!(read(version_2).unwrap().form, PasteFormat::MemberList);
    // etcd 3.3 has no column for learners.
    let old = "8e9e05c52164694d, started, m1, http://a:2380, http://a:2379";
    assert_eq!(shown(old), [["m1", "http://a:2380", "http://a:2379"]]);
}

#[test]
fn what_was_changed_or_merged_is_told() {
    let mut messages = Vec::new();
    for text in [
        "m1=http://a:2380,m1=http://b:2380,m2=http://c:2380",
        "m1=http://a:2380\u{ff0c}m2=http://b:2380",
        "m1=http://a:2380 m2=http://b:2380",
    ] {
        let pasted = read(text).unwrap();
        messages.push((format!("{text:?}"), pasted.notes.join("\n")));
    }
    crate::text::messages::hold("plan-paste-notes", &messages);
    assert_eq!(read("m1=http://a:2380,m2=http://b:2380").unwrap().notes, [] as [&str; 0]);
}

#[test]
fn what_is_nothing_of_the_kind_is_said() {
    let mut messages = Vec::new();
    for text in [
        "",
        "kubectl get pods",
        "http://a:2380,http://b:2380",
        "{\"members\":[]}",
        "--initial-cluster=m1=http://a:2380\n--initial-cluster=m1=http://b:2380",
        "the initial cluster is gone",
        "91bc3c398fb3c146, started, l1, http://a:2380, http://a:2379, true",
        &"m".repeat(MAX_BYTES + 1),
    ] {
        let problem = read(text).unwrap_err();
        messages.push((format!("{:?}", text.get(..40).unwrap_or(text)), problem.text));
    }
    crate::text::messages::hold("plan-paste-refused", &messages);
}

proptest! {
    #[test]
    fn no_paste_is_a_panic(text in "\\PC{0,40}|(m1|http://a:1|[0-9a-f]{4}|started|[=, |\"'{}\\[\\]:\n\\\\]|--initial-cluster){0,20}") {
        if let Ok(pasted) = read(&text) {
            prop_assert!(!pasted.rows.is_empty());
        }
    }

    #[test]
    fn a_member_list_comes_back(names in prop::collection::btree_set("[a-z][a-z0-9-]{0,5}", 1..5)) {
        let line = |n: &String| format!("8e9e05c52164694d, started, {n}, http://{n}:2380, http://{n}:2379, false\n");
        let text: String = names.iter().map(line).collect();
        let got: Vec<String> = shown(&text).into_iter().map(|[name, ..]| name).collect();
        prop_assert_eq!(got, names.into_iter().collect::<Vec<_>>());
    }
}
