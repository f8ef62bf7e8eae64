//! `requorum probe`: the quorum verdict without the wizard, for scripts and for a second look.

use std::{collections::BTreeSet, path::PathBuf, thread, time::Duration};

use serde_json::{Value, json};

use super::plan;
use crate::cli::{Format, absolute, args::connection_args, detail, print_json, print_sentences, typed_dirs, warn};
use crate::{
    cli::output::remedies,
    domain::{
        model::{
            observations::{
                Answer, EndpointFacts, Hashed, Health, KnownMember, LeaderState, MachineFacts, MemberStatus, OwnHealth,
                Read, Withheld,
                config::ConfigFacts,
                disk::{DirFacts, DirState},
            },
            source_ref, url,
        },
        quorum::{
            known::{KnownState, NewerAt},
            newest_dir, probe_rounds,
            scope::{self, Belongs, Scope},
            verdict::{Evidence, QuorumReport, verdict},
        },
    },
    engine::progress::Flow,
    error::{Error, ErrorKind, Result},
    etcd::server_error::ServerError,
    system::{
        Clock, DataDir, Files, System, hash_compare,
        local::Local,
        probe::{confirm, survey as ask_everybody},
    },
    text::{
        Foreign, Shown,
        columns::{self, Align},
        number::thousands,
    },
};

const AFTER: &str = "\
All members are asked at once, with requests that need no quorum; nothing is written. Without --endpoints the endpoint is \
127.0.0.1:2379, as in etcdctl.

Where this machine has data of several clusters (etcd-main and etcd-events), select one by its endpoint or by --data-dir; \
the others are listed separately and do not count.

Exit codes:
   0  healthy: a linearizable read succeeded, and every voter answers
  15  degraded: the cluster serves; a voter is missing, or an alarm is raised
  10  quorum lost for now: the members named may come back
  14  quorum lost for good: broken disks, or --gone, leave fewer than a majority
  11  no leader, although a majority answers
  12  unsettled: a member names a leader, but no linearizable read succeeds
  13  split: answers come from two clusters, or two servers answer as the same member
  18  wrong data: an empty, older or other state serves under this cluster's ID, or serving members hold different data
  19  unidentified: a cluster serves that may not be yours: other endpoints are silent, or it is empty and has one member
   5  no member answers
The cluster serves with 0 and 15; quorum is lost with 10 and 14. Other codes are those of `requorum --help`. With --watch \
there is no exit code of a verdict: read the output.";

const NAME_IT: &str = "Select one: --endpoints with one of its client URLs, or --data-dir with one of its directories.";

#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct ProbeArgs {
    /// Data directory of a member on this machine; repeatable
    ///
    /// DIR:WAL-DIR where the WAL directory is separate.
    #[arg(long, value_name = "DIR[:WAL-DIR]")]
    data_dir: Vec<DataDir>,
    /// Snapshot to compare with the data that is served; repeatable
    #[arg(long, value_name = "FILE")]
    snapshot: Vec<PathBuf>,
    /// Examine no directories other than those
    ///
    /// Otherwise they are found by the units, manifests, files and processes of this machine.
    #[arg(long)]
    no_discover: bool,
    /// Members that are lost for good, comma-separated: URL, HOST:PORT or name
    ///
    /// Silent members whose disks are lost too. A name is known where a member that answers lists it.
    #[arg(long, value_name = "MEMBERS", value_delimiter = ',')]
    gone: Vec<String>,
    /// Probe again every SECONDS seconds [default: 5]
    ///
    /// Only changes are printed in full, and only the first probe compares hashes.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "5")]
    watch: Option<u64>,
    #[command(flatten)]
    connect: connection_args::ConnectArgs,
}

/// Probes and prints the verdict; returns its exit code.
pub(in crate::cli) fn run(args: ProbeArgs, outer: &connection_args::ConnectArgs, format: Format) -> Result<u8> {
    typed_dirs(&args.data_dir)?;
    let connect = args.connect.or(outer);
    let mut endpoints = connect.endpoints();
    let typed = !endpoints.is_empty();
    if !typed {
        endpoints.push(connection_args::DEFAULT_ENDPOINT.into());
    }
    let system = Local::new(connect.members()?);
    let known = states(&system, &args.snapshot)?;
    detail(&format!("asking {}", endpoints.join(", ")));
    let mut before: Option<QuorumReport> = None;
    let mut compared = Vec::new();
    loop {
        // before members are asked, so that what is read here cannot be newer than their answers
        let around = match args.no_discover {
            true => MachineFacts { dirs: look(&system, &args.data_dir), ..MachineFacts::default() },
            false => system.inspect_machine(&args.data_dir),
        };
        let mut facts = ask_everybody(&system, &endpoints, before.is_none(), &mut |_| {});
        let gone = gone(&args.gone, &facts)?;
        let named: Vec<PathBuf> = args.data_dir.iter().map(|dir| dir.data.clone()).collect();
        let scope_of = |facts: &[EndpointFacts]| {
            Scope::new(&scope::Evidence {
                facts,
                typed,
                given: &endpoints,
                dirs: &around.dirs,
                configs: &around.configs,
                addresses: &around.addresses,
                named: &named,
                chosen: None,
            })
        };
        if before.is_none() {
            compared = hash_compare::with_members(&system, &facts, &around.dirs, &known);
        }
        let judge = |facts: &[EndpointFacts]| {
            let scope = scope_of(facts);
            let (facts, dirs) = (&*scope.facts(facts, typed), &*scope.dirs(&around.dirs));
            verdict(&Evidence { facts, given: &endpoints, dirs, known: &known, compared: &compared, gone: &gone })
        };
        let finding = confirm(&system, &mut facts, &judge);
        let scope = scope_of(&facts);
        let now = plan::timestamp(system.now());
        match format {
            Format::Json => print_json(&format!("{}\n", as_json(&finding, &facts, &around, &scope, &now)))?,
            _ if args.watch.is_none() => print_sentences(&text(&finding, &facts, &around, &scope))?,
            _ if before.as_ref().is_some_and(|b| b.sentence == finding.sentence) => {
                print_sentences(&format!("{now}  unchanged: {}\n", finding.verdict.name()))?;
            }
            _ => print_sentences(&format!("{now}\n{}\n", text(&finding, &facts, &around, &scope)))?,
        }
        let Some(seconds) = args.watch else { return Ok(finding.exit_code()) };
        before = Some(finding);
        thread::sleep(Duration::from_secs(seconds));
    }
}

/// Reads the snapshots that were given.
fn states(files: &dyn Files, paths: &[PathBuf]) -> Result<Vec<KnownState>> {
    let read = |path: &PathBuf| {
        let facts = files.inspect_snapshot(&absolute(source_ref::local(path)?)?, &mut |_| Flow::Go)?;
        if let Health::Packed(why) | Health::Broken(why) = &facts.health {
            return Err(
                Error::new(ErrorKind::Input, format!("{}: not a readable snapshot", path.shown())).why(why.clone())
            );
        }
        KnownState::from_file(&facts).ok_or_else(|| {
            Error::new(ErrorKind::Input, format!("{}: not read", path.shown())).hint("Give a file on this machine.")
        })
    };
    paths.iter().map(read).collect()
}

/// Examines the data directories that were given.
fn look(files: &dyn Files, dirs: &[DataDir]) -> Vec<DirFacts> {
    dirs.iter().map(|dir| files.inspect_data_dir(&dir.data, dir.wal.as_deref())).collect()
}

fn dir_json(dir: &DirFacts, around: &MachineFacts, scope: &Scope) -> Value {
    let says = dir.state.says();
    json!({
        "belongs": scope.of_dir(dir),
        "copy": newest_dir::among(dir, &around.dirs).map(newest_dir::Age::name),
        "data_dir": dir.data_dir,
        "learned_from": dir.learned_from,
        "wal_dir": dir.wal_dir,
        "whole": matches!(&dir.state, DirState::Whole(says) if !says.holds_nothing()),
        "held": dir.held.is_held(),
        "says": dir.words(),
        "member_id": says.map(|s| s.member_id),
        "cluster_id": says.map(|s| s.cluster_id),
        "revision": says.map(|s| s.revision),
        "last_term": says.map(|s| s.last_term),
        "last_index": says.map(|s| s.last_index),
    })
}

fn config_json(config: &ConfigFacts, around: &MachineFacts, scope: &Scope) -> Value {
    let paused = config.automation.iter().map(|a| json!({ "what": a.what, "active": a.active, "pause": a.pause }));
    json!({
        "place": config.place(),
        "belongs": scope.of_config(config, &around.dirs),
        "name": config.get("name"),
        "data_dir": config.data_dir,
        "wal_dir": config.wal_dir,
        "automation": paused.collect::<Vec<_>>(),
        "notes": config.notes,
    })
}

/// Returns the endpoints of the members that `--gone` names: by an endpoint as it was asked or as another URL of the same
/// host and port, by the member's name, ID or another of its URLs.
fn gone(typed: &[String], facts: &[EndpointFacts]) -> Result<BTreeSet<String>> {
    let mut out = BTreeSet::new();
    for text in typed.iter().map(|text| text.trim().trim_end_matches('/')).filter(|text| !text.is_empty()) {
        let place = url::place(text);
        let is_at = |endpoint: &str| endpoint == text || (place.is_some() && url::place(endpoint) == place);
        let lists = facts.iter().filter_map(says).flat_map(|says| &says.members);
        let is_member = |member: &KnownMember| {
            let urls = member.client_urls.iter().chain(&member.peer_urls);
            member.name.as_str() == text || member.id.to_string() == text || urls.into_iter().any(|url| is_at(url))
        };
        let members: Vec<&KnownMember> = lists.filter(|member| is_member(member)).collect();
        let named = |fact: &&EndpointFacts| {
            let own = says(fact).map(|says| says.member_id);
            is_at(&fact.endpoint)
                || members.iter().any(|m| probe_rounds::at(m, &fact.endpoint) || own.is_some_and(|id| id == m.id))
        };
        let found: Vec<&EndpointFacts> = facts.iter().filter(named).collect();
        if found.is_empty() {
            return Err(stray(text, facts));
        }
        if let Some(fact) = found.iter().find(|fact| says(fact).is_some()) {
            warn(&format!("Warning: --gone {text}: {} answers, so it does not count as lost.", fact.endpoint));
        }
        out.extend(found.into_iter().map(|fact| fact.endpoint.clone()));
    }
    Ok(out)
}

/// Returns the error for a `--gone` that names none of the members.
fn stray(text: &str, facts: &[EndpointFacts]) -> Error {
    let each = facts.iter().map(|fact| match name(fact, facts) {
        unknown if unknown == "?" => fact.endpoint.clone(),
        name => format!("{} ({name})", fact.endpoint),
    });
    let known = each.collect::<Vec<_>>().join(", ");
    let hint = match facts.iter().any(|fact| says(fact).is_some()) {
        true => format!("The endpoints are: {known}"),
        false => format!("The endpoints are: {known}. No member answered, so no names are known: give the endpoint."),
    };
    Error::new(ErrorKind::Usage, format!("--gone {}: not among the endpoints", Foreign::new(text))).hint(hint)
}

/// Returns the name of the member at an endpoint, where an answer names it.
fn name(fact: &EndpointFacts, facts: &[EndpointFacts]) -> String {
    let mut lists = facts.iter().filter_map(says).flat_map(|s| &s.members);
    let own = says(fact).and_then(|s| s.members.iter().find(|m| m.id == s.member_id));
    own.or_else(|| lists.find(|m| probe_rounds::at(m, &fact.endpoint)))
        .map_or_else(|| "?".into(), |m| m.name.to_string())
}

fn says(fact: &EndpointFacts) -> Option<&MemberStatus> {
    match &fact.answer {
        Answer::Says(says) => Some(says),
        _ => None,
    }
}

fn sentence(words: &str) -> String {
    crate::text::join::sentence(words)
}

fn text(finding: &QuorumReport, facts: &[EndpointFacts], around: &MachineFacts, scope: &Scope) -> String {
    let mut out = format!("{}\n\n", sentence(&finding.sentence));
    if let Some(words) = scope.sentence() {
        out.push_str(&format!("{words}\n{NAME_IT}\n\n"));
    }
    let mut rows =
        vec![["member", "client URL", "says", "revision", "term/index", "etcd", "alarms", "HashKV"].map(String::from)];
    let mut notes = Vec::new();
    for fact in facts {
        let none = || "-".to_string();
        let name = name(fact, facts);
        rows.push(match &fact.answer {
            Answer::Says(says) => [
                name.clone(),
                fact.endpoint.clone(),
                says.leader_words(),
                if says.revision > 0 { thousands(says.revision.unsigned_abs()) } else { none() },
                if says.raft_term > 0 { format!("{}/{}", says.raft_term, says.raft_index) } else { none() },
                if says.version.is_empty() { none() } else { says.version.to_string() },
                match says.alarms.as_slice() {
                    [] => none(),
                    alarms => alarms.iter().map(|a| a.kind.clone()).collect::<Vec<_>>().join(","),
                },
                match &says.hash {
                    Hashed::Says { hash, revision, .. } => format!("{hash:08x}@{revision}"),
                    _ => none(),
                },
            ],
            Answer::Silent { why, .. } => {
                [name.clone(), fact.endpoint.clone(), why.to_string(), none(), none(), none(), none(), none()]
            }
            Answer::Asking => continue,
        });
        match &fact.answer {
            Answer::Silent { details, .. } if !details.is_empty() => {
                notes.push(probe_rounds::about(&name, &fact.endpoint, details));
            }
            Answer::Says(says) => {
                // its row says that there is no leader
                let more = says.errors.iter().filter(|e| ServerError::from_message(e) != Some(ServerError::NoLeader));
                notes.extend(more.map(|e| probe_rounds::about(&name, &fact.endpoint, e)));
            }
            _ => {}
        }
    }
    out.push_str(&columns::rows(&rows, [Align::Left; 8]));
    for note in notes {
        out.push_str(&format!("\n  {}", note.replace('\n', "\n  ")));
    }
    let line = |dir: &DirFacts| {
        let from = if dir.learned_from.is_empty() { String::new() } else { format!(" (from {})", dir.learned_from) };
        let copy = newest_dir::clause(dir, &around.dirs);
        format!("\n  {}{copy}{from}: {}", dir.data_dir.shown(), dir.words())
    };
    let (others, own): (Vec<&DirFacts>, Vec<&DirFacts>) =
        around.dirs.iter().partition(|dir| scope.of_dir(dir) == Belongs::Other);
    own.into_iter().for_each(|dir| out.push_str(&line(dir)));
    if !others.is_empty() {
        out.push_str("\n  Of another cluster, not counted:");
        others.into_iter().for_each(|dir| out.push_str(&line(dir).replace('\n', "\n  ")));
    }
    for config in around.configs.iter().filter(|config| config.data_dir.is_none()) {
        out.push_str(&format!("\n  {}: an etcd is configured there; its data directory is unknown", config.place()));
    }
    for automation in around.configs.iter().flat_map(|config| &config.automation).filter(|a| a.active) {
        out.push_str(&format!("\n  {}; to pause it: {}", automation.what, automation.pause));
    }
    out.push_str(if out.ends_with('\n') { "\n" } else { "\n\n" });
    for advice in &finding.advice {
        out.push_str(&format!(" - {}\n", remedies::advised(advice, &advice.remedies)));
    }
    out.push_str(&format!("\nRule: {}\n", sentence(&finding.rule)));
    out
}

fn as_json(finding: &QuorumReport, facts: &[EndpointFacts], around: &MachineFacts, scope: &Scope, now: &str) -> Value {
    let parts = finding.disagreement.as_ref().map(|d| {
        let parts: Vec<Value> = d.parts.iter().map(|(hash, who)| json!({ "hash": hash, "endpoints": who })).collect();
        json!({ "revision": d.revision, "hashes": parts })
    });
    let newer = finding.newer.iter().map(|n| {
        let (kind, at) = match &n.at {
            NewerAt::Member(at) => ("member", at),
            NewerAt::Dir(at) => ("directory", at),
            NewerAt::File(at) => ("snapshot", at),
        };
        json!({
            "kind": kind, "at": at, "member_id": n.member, "revision": n.revision,
            "raft_index": (n.index > 0).then_some(n.index), "certain": n.certain,
        })
    });
    let misplaced = finding.misplaced.iter().map(|m| {
        json!({ "endpoint": m.endpoint, "member_id": m.member.id, "member": m.member.name, "cluster": m.cluster, "answers": m.other })
    });
    json!({
        "time": now,
        "verdict": finding.verdict.name(),
        "exit_code": finding.exit_code(),
        "serves": finding.verdict.serves(),
        "lost": finding.verdict.lost(),
        "voters": finding.voters,
        "needed": finding.needed,
        "answering": finding.answering,
        "may_come_back": finding.may_come_back,
        "gone": finding.gone,
        "disagreement": parts,
        "newer": newer.collect::<Vec<_>>(),
        "stop": finding.stop,
        "not_members": finding.unmatched,
        "misplaced": misplaced.collect::<Vec<_>>(),
        "keep": finding.keep,
        "sentence": finding.sentence,
        "rule": finding.rule,
        "advice": finding.advice.iter().map(|a| remedies::advised(a, &a.remedies)).collect::<Vec<_>>(),
        "acts": finding.advice.iter().map(|advice| json!({ "act": advice.act, "on": advice.on })).collect::<Vec<_>>(),
        "cluster": scope.id(),
        "cluster_known_by": scope.by(),
        "cluster_not_known": scope.open(),
        "clusters": scope.clusters,
        "dirs": around.dirs.iter().map(|dir| dir_json(dir, around, scope)).collect::<Vec<_>>(),
        "configurations": around.configs.iter().map(|config| config_json(config, around, scope)).collect::<Vec<_>>(),
        "endpoints": facts.iter().map(|f| endpoint_json(f, facts, scope)).collect::<Vec<_>>(),
    })
}

fn endpoint_json(fact: &EndpointFacts, facts: &[EndpointFacts], scope: &Scope) -> Value {
    let mut value = match &fact.answer {
        Answer::Asking => json!({ "answers": false }),
        Answer::Silent { why, details } => json!({ "answers": false, "why": why.to_string(), "details": details }),
        Answer::Says(says) => says_json(says),
    };
    if let Some(object) = value.as_object_mut() {
        object.insert("endpoint".into(), fact.endpoint.clone().into());
        object.insert("name".into(), name(fact, facts).into());
        if let Some(says) = says(fact) {
            object.insert("belongs".into(), json!(scope.of_cluster(says.cluster_id)));
        }
    }
    value
}

fn says_json(says: &MemberStatus) -> Value {
    let read = |read: &Read| match read {
        Read::NotAsked => Value::Null,
        Read::Served => true.into(),
        Read::Failed(_) => false.into(),
    };
    let (has_leader, leader) = match says.leader_state() {
        LeaderState::Unknown => (None, None),
        LeaderState::None => (Some(false), None),
        LeaderState::Unnamed => (Some(true), None),
        LeaderState::Named(id) => (Some(true), Some(id)),
    };
    let hash = match &says.hash {
        Hashed::Says { hash, revision, compacted } => {
            json!({ "hash": hash, "revision": revision, "compact_revision": compacted })
        }
        Hashed::Failed(why) | Hashed::Compacted(why) => json!({ "failed": why }),
        Hashed::NotAsked | Hashed::Asking => Value::Null,
    };
    let members = says.members.iter().map(|m| {
        json!({ "id": m.id, "name": m.name, "peer_urls": m.peer_urls, "client_urls": m.client_urls, "learner": m.is_learner })
    });
    json!({
        "answers": true,
        "closed": says.closed.as_ref().map(ToString::to_string),
        "cluster_id": says.cluster_id,
        "member_id": says.member_id,
        "version": says.version,
        "cluster_version": says.cluster_version,
        "storage_version": says.storage_version,
        "revision": says.revision,
        "raft_term": says.raft_term,
        "raft_index": says.raft_index,
        "raft_applied": says.raft_applied,
        "has_leader": has_leader,
        "leader": leader,
        "learner": says.is_learner,
        "db_bytes": says.db_bytes,
        "db_bytes_in_use": says.db_bytes_in_use,
        "quota_bytes": says.quota_bytes,
        "alarms": says.alarms.iter().map(|a| json!({ "member": a.member, "kind": a.kind })).collect::<Vec<_>>(),
        "linearizable_read": read(&says.read),
        "serializable_read": read(&says.local_read),
        "health": match &says.health {
            OwnHealth::Untold => Value::Null,
            OwnHealth::Good => true.into(),
            OwnHealth::Bad(_) => false.into(),
        },
        "hash_kv": hash,
        "errors": says.errors,
        "credentials_withheld": says.withheld.map(Withheld::name),
        "members": members.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{domain::model::observations::NoAnswer, etcd::membership::Id};

    /// m1 answers and lists m1, m2 and m3; m2 and m3 are silent.
    fn facts() -> Vec<EndpointFacts> {
        let member = |id: u64| KnownMember {
            id: Id(id),
            name: format!("m{id}").into(),
            peer_urls: vec![format!("http://10.0.0.{id}:2380").into()],
            client_urls: vec![format!("http://10.0.0.{id}:2379").into()],
            is_learner: false,
        };
        let says =
            MemberStatus { member_id: Id(1), members: [1, 2, 3].map(member).to_vec(), ..MemberStatus::default() };
        let silent = || Answer::Silent { why: NoAnswer::Because("silent".into()), details: String::new() };
        let fact = |endpoint: &str, answer| EndpointFacts { endpoint: endpoint.into(), answer };
        vec![
            fact("http://10.0.0.1:2379", Answer::Says(Box::new(says))),
            fact("10.0.0.2:2379", silent()),
            fact("http://10.0.0.3:2379", silent()),
        ]
    }

    #[test]
    fn gone_members_by_whatever_names_them() {
        let found = |text: &str| gone(&[text.to_string()], &facts()).map(|found| found.into_iter().collect::<Vec<_>>());
        for text in [
            "10.0.0.2:2379",
            "http://10.0.0.2:2379",
            "http://10.0.0.2:2379/",
            " 10.0.0.2:2379 ",
            "m2",
            "2",
            "http://10.0.0.2:2380",
            "10.0.0.2:2380",
        ] {
            assert_eq!(found(text).unwrap(), ["10.0.0.2:2379"], "{text}");
        }
        let both = gone(&["m2".into(), "http://10.0.0.3:2379".into()], &facts()).unwrap();
        assert_eq!(both.len(), 2);
        assert_eq!(found("").unwrap(), [] as [&str; 0]);
        for text in ["m4", "10.0.0.4:2379", "http://10.0.0.2:2381", "M2"] {
            let error = found(text).unwrap_err();
            assert!(error.kind == ErrorKind::Usage && error.to_string().contains("(m2)"), "{text}: {error}");
        }
    }
}
