//! Members that serve the same keys and are not alike: in leases, users, passwords, authentication, compaction, quota,
//! clocks, and in what was written since a plan was carried out twice.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use etcd_client::{LeaseGrantOptions, Permission};
use requorum::{
    domain::model::observations::rows::{Part, StoredRows},
    engine::progress::Flow,
    system::etcd_client::{Connect, Members},
};

use super::{PATIENCE, Site, caught, check, proven, verify};
use crate::{
    real_etcd::end_to_end::restore_by_flags,
    support::{
        cluster::{Cluster, Member, Place},
        contents::{Client, ROOT},
        requorum,
        servers::Server,
        succeed,
    },
};

/// A cluster of one whose state is saved again and again while its keys stay as they are.
struct States {
    cluster: Cluster,
    dir: tempfile::TempDir,
    user: Option<(&'static str, &'static str)>,
}

impl States {
    fn new(server: &Server) -> States {
        let states = States { cluster: Cluster::new(server, 1), dir: tempfile::TempDir::new().unwrap(), user: None };
        let mut client = states.client();
        client.put_and_get("k", "1");
        client.put_and_get("l", "2");
        client.with(async |c| {
            c.lease_grant(3600, Some(LeaseGrantOptions::new().with_id(0x11))).await.unwrap();
            c.role_add("reader").await.unwrap();
            c.role_grant_permission("reader", Permission::read("/app/").with_prefix()).await.unwrap();
            c.user_add("ann", "first", None).await.unwrap();
            c.user_grant_role("ann", "reader").await.unwrap();
        });
        states
    }

    fn client(&self) -> Client {
        self.cluster.client(0, self.user)
    }

    /// A site for a plan on this state; the cluster itself ends.
    fn site(&mut self, planned: &Path, places: Vec<Place>) -> Site {
        self.cluster.members.clear();
        Site::at(planned, places, &[])
    }

    fn save(&self, name: &str) -> PathBuf {
        let file = self.dir.path().join(format!("{name}.db"));
        let mut command = requorum(["snapshot", "save", "--endpoints", &self.cluster.members[0].place.client_url()]);
        if let Some((name, password)) = self.user {
            command.args(["--user", &format!("{name}:{password}")]);
        }
        succeed(command.arg(&file));
        file
    }
}

impl Site {
    /// Restored from the plan a second time, which is refused first.
    fn restore_again(&self, name: &str) {
        let restore = |more: &[&str]| {
            let mut command = requorum(["restore", "--member", name, "--plan"]);
            command.arg(&self.plan.file).args(more).output().unwrap()
        };
        let typed = format!("twice@{}", self.plan.plan.short_id());
        let refused = restore(&[]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(3), "{said}");
        assert!(said.contains(&format!("--override {typed}")) && said.contains("plan --again"), "{said}");
        assert!(!self.data_dir(name).exists(), "nothing was written");
        let done = restore(&["--override", &typed]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Restored from the plan, but for these, which are restored from other snapshots with the same table.
    fn with_others(&self, others: &[(&str, &PathBuf)]) {
        for name in ["m1", "m2", "m3"] {
            match others.iter().find(|(other, _)| *other == name) {
                Some((_, file)) => {
                    succeed(&mut restore_by_flags(file, &self.plan.plan, name, self.data_dir(name)));
                }
                None => self.restore(&[name]),
            }
        }
    }

    fn up(&self, server: &Server, user: Option<(&str, &str)>) -> Vec<Member> {
        let mut members = self.start_all(server, &["m1", "m2", "m3"]);
        members.iter_mut().for_each(|m| drop(m.wait_ready(user)));
        members
    }
}

/// A lease that one lacks, and a user that another has alone: each serves, and HashKV is the same.
pub fn leases_and_users(server: &Server) {
    let mut states = States::new(server);
    let without = states.save("without");
    states.client().with(async |c| {
        c.lease_grant(600, Some(LeaseGrantOptions::new().with_id(0x22))).await.unwrap();
    });
    let planned = states.save("planned");
    states.client().with(async |c| {
        c.user_add("eve", "hush", None).await.unwrap();
    });
    let eve = states.save("eve");

    let site = states.site(&planned, Place::take(3));
    site.with_others(&[("m2", &eve), ("m3", &without)]);
    let members = site.up(server, None);
    let said = verify(&site.plan, PATIENCE, &["--canary"]);
    caught(&said, "leases", &["m3 lacks lease 22, which m1 and m2 have", "Stop it now"]);
    caught(&said, "auth", &["m2 has user eve, which m1 and m3 do not have", "m2 has auth revision"]);
    assert_eq!(
        (&check(&said, "hash")["outcome"], &check(&said, "snapshot")["outcome"]),
        (&"pass".into(), &"pass".into())
    );
    assert_ne!(check(&said, "canary")["outcome"], "pass", "nothing is written into it: {said:#}");
    assert_eq!(check(&said, "leases")["who"], serde_json::json!(["m3"]));
    drop(members);
    for name in ["m2", "m3"] {
        std::fs::rename(site.data_dir(name), site.dir.path().join(format!("{name}-aside"))).unwrap();
        site.restore(&[name]);
    }
    let _members = site.up(server, None);
    let said = verify(&site.plan, PATIENCE, &["--canary"]);
    proven(&said);
    for topic in ["leases", "auth", "rows", "clock"] {
        assert_eq!(check(&said, topic)["outcome"], "pass", "{said:#}");
    }
    // each 3.4 salts a password that is set by itself, but these came from one snapshot
    let all = said["checks"].as_array().unwrap().iter();
    let open: Vec<_> = all
        .filter(|c| c["outcome"] == "unknown" && ["leases", "auth", "rows", "clock"].iter().any(|t| c["topic"] == *t))
        .collect();
    assert!(open.is_empty(), "all are compared: {open:#?}");
}

/// All members, or most of them, of another snapshot with the same keys: the plan's own says who is right.
pub fn of_another_snapshot(server: &Server) {
    let mut states = States::new(server);
    let without = states.save("without");
    states.client().with(async |c| {
        c.lease_grant(3600, Some(LeaseGrantOptions::new().with_id(0x22))).await.unwrap();
        c.user_add("eve", "hush", None).await.unwrap();
    });
    let planned = states.save("planned");
    let site = states.site(&planned, Place::take(3));
    site.with_others(&[("m1", &without), ("m2", &without), ("m3", &without)]);
    let members = site.up(server, None);
    let said = verify(&site.plan, PATIENCE, &["--canary"]);
    caught(&said, "auth", &["user eve that the snapshot has is on no member", "it never decreases"]);
    assert_ne!(check(&said, "leases")["outcome"], "pass", "{said:#}");
    assert_eq!(check(&said, "snapshot")["outcome"], "pass", "the keys are the same: {said:#}");
    drop(members);
    std::fs::rename(site.data_dir("m3"), site.dir.path().join("m3-aside")).unwrap();
    site.restore(&["m3"]);
    for name in ["m1", "m2"] {
        std::fs::rename(site.data_dir(name), site.dir.path().join(format!("{name}-aside"))).unwrap();
    }
    for name in ["m1", "m2"] {
        succeed(&mut restore_by_flags(&without, &site.plan.plan, name, site.data_dir(name)));
    }
    let _members = site.up(server, None);
    let said = verify(&site.plan, PATIENCE, &["--canary"]);
    caught(&said, "leases", &["m1 lacks lease 22, which m3 has", "m2 lacks lease 22, which m3 has"]);
    for topic in ["leases", "auth"] {
        assert_eq!(check(&said, topic)["who"], serde_json::json!(["m1", "m2"]), "{said:#}");
    }
}

/// A member with authentication disabled serves everybody.
pub fn authentication_off(server: &Server) {
    let mut states = States::new(server);
    states.client().with(async |c| {
        c.user_add(ROOT.0, ROOT.1, None).await.unwrap();
        c.role_add("root").await.unwrap();
        c.user_grant_role(ROOT.0, "root").await.unwrap();
    });
    let off = states.save("off");
    states.client().with(async |c| {
        c.auth_enable().await.unwrap();
    });
    states.user = Some(ROOT);
    let planned = states.save("planned");
    let site = states.site(&planned, Place::take(3));
    site.with_others(&[("m3", &off)]);
    let mut members = site.start_all(server, &["m1", "m2", "m3"]);
    members[0].wait_ready(Some(ROOT));
    members[2].wait_ready(None);
    let user = format!("{}:{}", ROOT.0, ROOT.1);
    let said = verify(&site.plan, PATIENCE, &["--canary", "--user", &user]);
    caught(&said, "auth", &["authentication is disabled on m3 and enabled on m1 and m2"]);
}

/// Another TTL, another permission, another password, another compaction, another quota.
pub fn smaller_differences(server: &Server) {
    let mut states = States::new(server);
    states.client().put_and_get("m", "3");
    let planned = states.save("planned");
    let revision = states.client().revision();
    states.client().with(async |c| {
        c.lease_revoke(0x11).await.unwrap();
        c.lease_grant(60, Some(LeaseGrantOptions::new().with_id(0x11))).await.unwrap();
        c.role_grant_permission("reader", Permission::read_write("/secret")).await.unwrap();
    });
    let ttl = states.save("ttl");
    states.client().with(async |c| {
        c.user_change_password("ann", "second").await.unwrap();
    });
    states.client().compact(revision - 1);
    states.client().flush();
    let password = states.save("password");
    let site = states.site(&planned, Place::take(3));
    site.with_others(&[("m2", &ttl), ("m3", &password)]);
    let lines = ["m1", "m2", "m3"].map(|name| {
        let more = if name == "m3" { " --quota-backend-bytes=104857600" } else { "" };
        format!("{}{more}", site.line(name))
    });
    let names = ["m1", "m2", "m3"];
    let mut members: Vec<Member> =
        names.iter().zip(&lines).map(|(name, line)| site.start(server, name, line)).collect();
    members.iter_mut().for_each(|m| drop(m.wait_ready(None)));
    // members that are compacted up to different revisions give no hashes that compare: the rounds go on until the end
    let said = verify(&site.plan, PATIENCE, &[]);
    caught(&said, "leases", &["m2 has a TTL of 60 s for lease 11; m1 has 3600 s", "m3 has a TTL of 60 s"]);
    let password = match server.minor {
        "3.4" => "m3 has auth revision",
        _ => "m3 has another password for user ann than m1 and m2",
    };
    caught(&said, "auth", &[password, "for role reader"]);
    caught(&said, "rows", &[&format!("m3 is compacted up to revision {}", revision - 1)]);
    caught(&said, "quota", &["m3 105 MB (104,857,600 bytes)"]);
}

/// A plan that was carried out twice, with one member left from the first time: its log has the same IDs, indices and
/// terms, so that no member notices.
pub fn twice_and_one_left(server: &Server) {
    let mut states = States::new(server);
    let planned = states.save("planned");
    let site = states.site(&planned, Place::take(3));
    site.restore(&["m1", "m2", "m3"]);
    let term = |member: &mut Member| member.wait_ready(None).status().raft_term();
    let stop = |mut members: Vec<Member>| {
        members.iter_mut().for_each(|m| {
            m.stop();
        })
    };
    let mut members = site.up(server, None);
    members[0].wait_ready(None).put_many("first", 8);
    let first = term(&mut members[2]);
    members.iter_mut().for_each(|m| drop(m.wait_ready(None)));
    // m3 first, and none in good order: a leader that leaves makes the others elect one in another term
    members.iter_mut().rev().for_each(Member::kill);
    drop(members);
    // in another term, or with a longer log than its leader's, m3 would not come up
    let mut members = (0..20)
        .find_map(|attempt| {
            for name in ["m1", "m2"] {
                std::fs::rename(site.data_dir(name), site.dir.path().join(format!("{name}-{attempt}"))).unwrap();
                site.restore_again(name);
            }
            let mut members = site.start_all(server, &["m1", "m2"]);
            if members.iter_mut().all(|m| term(m) == first) {
                return Some(members);
            }
            stop(members);
            None
        })
        .expect("an election in the same term");
    members[0].wait_ready(None).put_many("second", 20);
    assert_eq!(term(&mut members[1]), first);
    members.extend(site.start_all(server, &["m3"]));
    members[2].comes_up().unwrap();
    let said = verify(&site.plan, PATIENCE, &["--canary"]);
    assert_eq!((&said["verdict"], &said["exit_code"]), (&"failed".into(), &16.into()), "{said:#}");
    let fails = |topic: &str| {
        let check = check(&said, topic);
        check["outcome"] == "fail" && check["who"] == serde_json::json!(["m3"])
    };
    assert!(fails("hash") || fails("revision"), "{said:#}");
    assert_eq!(check(&said, "snapshot")["outcome"], "pass", "each has the snapshot: {said:#}");
}

/// A member that sends clients elsewhere, and one that was started with other settings: each serves the same keys.
pub fn advertised_and_started(server: &Server) {
    let mut states = States::new(server);
    let planned = states.save("planned");
    let site = states.site(&planned, Place::take(3));
    site.restore(&["m1", "m2", "m3"]);
    let elsewhere = site.places[0].client_url();
    let advertised = format!("--advertise-client-urls={}", site.places[2].client_url());
    let lines = ["m1", "m2", "m3"].map(|name| match name {
        "m2" => format!("{} --auto-compaction-mode=revision --auto-compaction-retention=1000", site.line(name)),
        "m3" => site.line(name).replace(&advertised, &format!("--advertise-client-urls={elsewhere}")),
        _ => site.line(name),
    });
    assert!(!lines[2].contains(&advertised), "{}", lines[2]);
    let names = ["m1", "m2", "m3"];
    let mut members: Vec<Member> =
        names.iter().zip(&lines).map(|(name, line)| site.start(server, name, line)).collect();
    members.iter_mut().for_each(|m| drop(m.wait_ready(None)));
    let said = verify(&site.plan, PATIENCE, &["--canary"]);
    caught(&said, "urls", &[&format!("m3 advertises {elsewhere} to clients"), "and m1 answers there"]);
    let settings = check(&said, "settings");
    assert_eq!((&settings["outcome"], &settings["who"]), (&"unknown".into(), &serde_json::json!(["m2"])), "{said:#}");
    drop(members);
    let _members = site.up(server, None);
    proven(&verify(&site.plan, PATIENCE, &["--canary"]));
}

/// Another clock, as a proxy in front of the member tells it.
pub fn a_clock_that_is_off(server: &Server) {
    let mut states = States::new(server);
    let places = Place::take(3);
    let real: SocketAddr = format!("{}:12379", places[2].host()).parse().unwrap();
    pass_on(&places[2].host(), real, -2);
    let listen = format!("--listen-client-urls={}", places[2].client_url());
    let planned = states.save("planned");
    let site = states.site(&planned, places);
    site.restore(&["m1", "m2", "m3"]);
    let printed = site.line("m3");
    let line = printed.replace(&listen, &format!("--listen-client-urls=http://{real}"));
    assert_ne!(line, printed, "{printed}");
    let mut members = site.start_all(server, &["m1", "m2"]);
    members.push(site.start(server, "m3", &line));
    members.iter_mut().for_each(|m| drop(m.wait_ready(None)));
    let said = verify(&site.plan, PATIENCE, &[]);
    caught(&said, "clock", &["the clock of m3 is 2 days behind"]);
    for topic in ["leases", "auth", "rows", "hash"] {
        assert_eq!(check(&said, topic)["outcome"], "pass", "{said:#}");
    }
}

/// While clients write, leases come and go, and users are added, nothing is asserted that is not so.
pub fn under_writes(server: &Server) {
    let mut states = States::new(server);
    let planned = states.save("planned");
    let site = states.site(&planned, Place::take(3));
    site.restore(&["m1", "m2", "m3"]);
    let _members = site.up(server, None);
    let (over, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let writers = [0, 1].map(|at| {
        let (over, written, url) = (over.clone(), written.clone(), site.places[at].client_url());
        thread::spawn(move || {
            let mut client = Client::connect(&url, None).unwrap();
            let mut n: i64 = 0;
            while !over.load(Ordering::Relaxed) {
                n += 1;
                // A server on a busy machine may time out; such a write may or may not have been applied.
                let mut wrote = Ok(());
                client.with(async |c| {
                    let id = 1000 * (i64::try_from(at).unwrap() + 1) + n;
                    wrote = async {
                        c.put(format!("w{at}-{n}-0000"), "value", None).await?;
                        c.lease_grant(600, Some(LeaseGrantOptions::new().with_id(id))).await?;
                        if n > 5 {
                            c.lease_revoke(id - 5).await?;
                        }
                        if n % 30 == 0 {
                            c.user_add(format!("u{at}-{n}"), "x", None).await?;
                        }
                        Ok::<_, etcd_client::Error>(())
                    }
                    .await;
                });
                if wrote.is_ok() {
                    written.fetch_add(1, Ordering::Relaxed);
                }
                thread::sleep(Duration::from_millis(25));
            }
        })
    });
    for more in [&[][..], &["--canary"], &[], &["--canary"]] {
        // users that were added since may have come from another snapshot as well, and a slow machine reads no two members
        // between two of them: that alone is not proven then
        let said = verify(&site.plan, PATIENCE, more);
        let added = ["unknown", "not_yet"].iter().any(|open| check(&said, "auth")["outcome"] == *open);
        match added {
            true => assert_eq!(said["verdict"], "unproven", "{said:#}"),
            false => proven(&said),
        }
        for check in said["checks"].as_array().unwrap().iter().filter(|check| check["needed"] == true) {
            assert!(
                check["outcome"] == "pass" || added && check["topic"] == "auth" || check["topic"] == "canary",
                "{said:#}"
            );
        }
    }
    over.store(true, Ordering::Relaxed);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert!(written.load(Ordering::Relaxed) > 10);
}

/// What single calls tell is what the database holds, as far as they tell it; a user without rights is told so.
pub fn by_single_calls(server: &Server) {
    let cluster = Cluster::new(server, 1);
    cluster.client(0, None).fill(true);
    let endpoint = cluster.members[0].place.client_url();
    let ask = |user: Option<(&str, &str)>, most: u64| -> StoredRows {
        let mut connect = Connect::default();
        if let Some((name, password)) = user {
            (connect.user, connect.password) = (Some(name.into()), Some(password.into()));
        }
        let members = Members::new(connect).unwrap();
        members.name_endpoints(std::slice::from_ref(&endpoint));
        members.stored_rows(&endpoint, most, &mut |_| Flow::Go).unwrap()
    };
    let (whole, calls) = (ask(Some(ROOT), u64::MAX), ask(Some(ROOT), 0));
    let all = Part::ALL.into_iter();
    assert_eq!(whole.parts, all.collect(), "{whole:?}");
    assert!(calls.too_large && calls.missing.is_empty() && !calls.denied, "{calls:?}");
    let mut parts = BTreeSet::from([Part::Leases, Part::AuthEnabled, Part::Users, Part::Roles]);
    if server.minor != "3.4" {
        parts.insert(Part::AuthRevision);
    }
    assert_eq!(calls.parts, parts);
    let mut rows = whole.rows.clone();
    rows.retain(|row, _| parts.contains(&row.part()));
    assert_eq!(calls.rows, rows);
    assert!(whole.rows.len() > rows.len() && rows.len() > 4, "{rows:?}");
    for read in [&whole, &calls] {
        assert!(read.from <= read.to && read.to <= read.committed, "{read:?}");
        let clock = read.clock.unwrap();
        assert!(clock.least <= 0 && clock.most >= 0, "{clock:?}");
    }
}

/// Passes the client port of a host on to another, with another day in every `Date` header of HTTP/1.
fn pass_on(host: &str, to: SocketAddr, days: i64) {
    let listener = TcpListener::bind((host, 2379)).unwrap();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(to) else { continue };
            let (from_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || pass(from_client, to_server, 0));
            thread::spawn(move || pass(server, client, days));
        }
    });
}

fn pass(mut from: TcpStream, mut to: TcpStream, days: i64) {
    let mut buffer = [0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let part = &mut buffer[..count];
        let date = part.windows(6).position(|w| w == b"Date: ").map(|at| at + 6);
        if let Some(at) = date.filter(|at| days != 0 && at + 29 <= count) {
            let text = String::from_utf8_lossy(&part[at..at + 29]).into_owned();
            let moved = moved(&text, days);
            part[at..at + 29].copy_from_slice(moved.as_bytes());
        }
        if to.write_all(part).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// `Sun, 29 Nov 2026 17:34:11 GMT` so many days later.
fn moved(date: &str, days: i64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = date.split(' ').collect();
    let month = MONTHS.iter().position(|m| *m == words[2]).unwrap() + 1;
    let at = humantime::parse_rfc3339(&format!("{}-{month:02}-{}T{}Z", words[3], words[1], words[4])).unwrap();
    let day = Duration::from_secs(86_400 * days.unsigned_abs());
    let at = humantime::format_rfc3339_seconds(if days < 0 { at - day } else { at + day }).to_string();
    let month: usize = at[5..7].parse().unwrap();
    format!("{} {} {} {} {} GMT", words[0], &at[8..10], MONTHS[month - 1], &at[..4], &at[11..19])
}
