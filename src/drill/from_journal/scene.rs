//! Builds the exercise for a recovery's shape: its members under neutral names, its files, its injects, the expert's path and
//! the wrong ways.

mod texts;
mod ways;

use super::shape::{Shape, Source};
use crate::etcd::version::Minor;

/// The value of a field in the scenario's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    /// Text.
    Text(String),
    /// Texts.
    List(Vec<String>),
    /// A number or a boolean.
    Bare(String),
}

/// Fields of one entry of a list, each with its value.
pub(super) type ListItem = Vec<(&'static str, Cell)>;

/// A part of the expert's path: what is done, and why.
pub(super) type Leg = (Vec<String>, &'static str);

/// An exercise, as the fields of a scenario.
#[derive(Debug, Default)]
pub(super) struct Scene {
    pub title: String,
    pub difficulty: u8,
    pub minutes: u32,
    pub brief: String,
    pub cluster: ListItem,
    pub members: Vec<ListItem>,
    pub backups: Vec<ListItem>,
    pub inventory: Vec<ListItem>,
    /// Path, content, and whether it is placed later.
    pub files: Vec<(String, File, bool)>,
    pub actions: Vec<ListItem>,
    pub injects: Vec<ListItem>,
    pub tips: Vec<(&'static str, Vec<String>)>,
    pub hints: Vec<ListItem>,
    pub fails: Vec<ListItem>,
    pub goals: Vec<ListItem>,
    pub path: Vec<Leg>,
    /// Name, what is done, and the condition that catches it.
    pub wrong: Vec<(String, Vec<String>, String)>,
    pub debrief: String,
    pub became: Vec<String>,
    pub assumed: Vec<&'static str>,
}

/// The content of a file.
#[derive(Debug)]
pub(super) enum File {
    Text(String),
    Asset(&'static str),
}

/// The last revision of the practice cluster: that of the built-in database plus the generated writes.
const LAST: i64 = BUILT_IN + WRITES;
const BUILT_IN: i64 = 274;
const WRITES: i64 = 90;
/// The last revisions of an old backup, of an outdated member, of one with a newer log, and of everything before a newer
/// snapshot arrives.
const OLD: i64 = 310;
const OUTDATED: i64 = 320;
const BEFORE_LOG: i64 = 330;
const BEFORE_FRESHER: i64 = 350;

const BACKUP: &str = "etcd-0200.db";
const NEWEST: &str = "etcd-0300.db";
const FRESHER: &str = "etcd-0400.db";

/// The maximum number of members of an exercise.
const MOST: usize = 9;

/// The roles of the members.
#[derive(Debug)]
pub(super) struct Cast {
    shape: Shape,
    /// The old members that answer, those whose disks are left, and the rest.
    alone: Vec<String>,
    stopped: Vec<String>,
    gone: Vec<String>,
    /// The source that the expert restores.
    source: Source,
    /// The member reported lost that still runs.
    dead_man: Option<String>,
    /// The new cluster: name, and the old member or spare host whose address it has.
    rows: Vec<(String, String)>,
    spares: Vec<String>,
    certs: Certs,
    etcd: Minor,
}

/// The certificates of the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certs {
    No,
    /// The old ones, for addresses that are kept.
    Fit,
    /// The old ones, for old addresses; new ones can be issued.
    OldAddress,
}

/// The number of new hosts that the program has certificates for.
const CERTIFIED: usize = 3;

impl Cast {
    /// Assigns the roles, and records what of the recovery does not fit.
    fn new(shape: &Shape, assumed: &mut Vec<&'static str>) -> Cast {
        let voters = shape.voters.unwrap_or(shape.members).max(1);
        if shape.voters.is_none() {
            assumed.push("how many members the old cluster had: as many as the new one");
        }
        if voters > MOST || shape.members > MOST {
            assumed.push("(more than nine members: the exercise has nine)");
        }
        let (count, new) = (voters.min(MOST), shape.members.clamp(1, MOST));
        // with one more running or startable member, a restore would be the wrong answer
        let room = count / 2;
        let source = match shape.source {
            Source::Disk if room == 0 => {
                assumed.push(
                    "(the disk of a one-member cluster would simply be started: here it is a copy of its database)",
                );
                Source::Raw
            }
            Source::Survivor if room == 0 => {
                assumed.push("(a one-member cluster that answers has quorum: here its newest snapshot is left)");
                Source::File
            }
            // what should have been done
            Source::File if shape.alone > 0 && shape.lost == Some(true) && room > 0 => Source::Survivor,
            other => other,
        };
        let disk = usize::from(source == Source::Disk);
        let alone = shape.alone.min(room - disk);
        let stopped = shape.stopped.max(disk).min(room - alone);
        if shape.alone > alone || shape.stopped > stopped {
            assumed.push("(more members answered or had their disks than the exercise can have: with them quorum could come back)");
        }
        let names: Vec<String> = (1..=count).map(|n| format!("m{n}")).collect();
        let (mut living, mut gone) = (Vec::new(), Vec::new());
        for (at, name) in names.into_iter().enumerate() {
            let lives = at > 0 && living.len() < alone + stopped;
            if lives { &mut living } else { &mut gone }.push(name);
        }
        let stopped = living.split_off(alone);
        // in a one-member cluster it would have quorum
        let back = shape.came_back || (shape.overridden && alone == 0);
        let dead_man = gone.last().filter(|_| back && count > 1).cloned();
        if back && dead_man.is_none() {
            assumed.push("(a member of a one-member cluster that answers has quorum: here no member answers)");
        }
        let (rows, spares) = rows(shape, new, &gone, count);
        let certs = match (shape.tls, spares.len()) {
            (false, _) => Certs::No,
            (true, 0) => Certs::Fit,
            (true, CERTIFIED) if count == CERTIFIED && new == CERTIFIED => Certs::OldAddress,
            (true, _) => {
                assumed.push("(the peers used TLS: requorum has no certificates for so many new addresses, so the exercise has no TLS)");
                Certs::No
            }
        };
        let etcd = shape.target.unwrap_or(Minor::V3_5);
        Cast { shape: *shape, alone: living, stopped, gone, source, dead_man, rows, spares, certs, etcd }
    }

    fn count(&self) -> usize {
        self.alone.len() + self.stopped.len() + self.gone.len()
    }

    /// Returns all old members, sorted by name.
    fn olds(&self) -> Vec<&String> {
        let mut all: Vec<&String> = [&self.alone, &self.stopped, &self.gone].into_iter().flatten().collect();
        all.sort();
        all
    }

    /// Returns the newest revision before a newer snapshot arrives.
    fn top(&self) -> i64 {
        if self.shape.undone { BEFORE_FRESHER } else { LAST }
    }

    /// Returns whether an inventory lists the new members.
    fn listed(&self) -> bool {
        !self.spares.is_empty() || self.rows.len() != self.count()
    }

    /// Returns whether the chosen database lacks entries of its own log.
    fn log(&self) -> bool {
        self.source == Source::Disk && self.shape.log == Some(true)
    }

    /// Returns whether the data has an alarm of a lost member. With an alarm, etcd does not apply the writes in its log.
    fn alarms(&self) -> bool {
        self.shape.alarms && !self.log()
    }

    /// Returns the expert's choice, as a stride.
    fn choice(&self) -> String {
        match self.source {
            Source::Survivor => format!("save from {}", first(&self.alone)),
            Source::File => format!("choose {NEWEST}"),
            Source::Raw => format!("choose {}", self.raw()),
            Source::Disk => format!("choose {}.etcd", first(&self.stopped)),
        }
    }

    fn raw(&self) -> String {
        format!("{}-member-snap-db", first(&self.gone))
    }

    /// Returns the members that have to be stopped, in the order in which they appear.
    fn in_the_way(&self) -> Vec<&String> {
        self.alone.iter().chain(&self.dead_man).collect()
    }

    fn state(&self, name: &String) -> &'static str {
        if self.alone.contains(name) {
            "alone"
        } else if self.stopped.contains(name) {
            "stopped"
        } else {
            "gone"
        }
    }

    fn member(&self, name: &String) -> ListItem {
        let mut entry = vec![("name", text(name)), ("state", text(self.state(name)))];
        let (revision, log) = match self.source {
            // the same for all: real members that start together catch up
            Source::Survivor if self.alone.contains(name) => (self.top(), None),
            Source::Disk if first(&self.stopped) == name && self.log() => (BEFORE_LOG, Some(self.top())),
            Source::Disk if first(&self.stopped) == name => (self.top(), None),
            _ => (OUTDATED, None),
        };
        let there = !self.gone.contains(name) || self.dead_man.as_ref() == Some(name);
        if there && revision != LAST {
            entry.push(("revision", bare(revision)));
        }
        entry.extend(log.map(|log| ("log", bare(log))));
        if there && self.shape.wal_apart {
            entry.push(("separate_wal", bare(true)));
        }
        entry
    }

    fn backups(&self) -> Vec<ListItem> {
        let file = |name: &str, revision, age: i64| {
            vec![("file", text(name)), ("revision", bare(revision)), ("minutes_old", bare(age))]
        };
        let mut all = vec![file(BACKUP, OLD, 72)];
        match self.source {
            Source::File => all.push(file(NEWEST, self.top(), 12)),
            Source::Raw => {
                let mut raw = file(&self.raw(), self.top(), 9);
                raw.push(("raw", bare(true)));
                all.push(raw);
            }
            Source::Survivor | Source::Disk => {}
        }
        if self.shape.undone {
            let mut fresher = file(FRESHER, LAST, 4);
            fresher.push(("later", bare(true)));
            all.push(fresher);
        }
        all
    }

    fn cluster(&self) -> ListItem {
        let order = format!("{{count: {WRITES}, prefix: /registry/configmaps/shop/order-}}");
        let mut entry = vec![
            ("label", text("practice")),
            ("token", text("practice-token")),
            ("etcd", Cell::Bare(format!("\"{}\"", self.etcd))),
            ("database", text("first-night.db")),
            ("seed", bare(1)),
            ("writes", Cell::Bare(format!("[{order}]"))),
        ];
        if self.alarms() {
            entry.push(("nospace", Cell::List(vec![first(&self.gone).into()])));
        }
        if !self.spares.is_empty() {
            entry.push(("spares", Cell::List(self.spares.clone())));
        }
        if self.certs != Certs::No {
            entry.push(("tls", bare(true)));
        }
        entry
    }

    fn inventory(&self) -> Vec<ListItem> {
        let row = |(name, whose): &(String, String)| {
            let url = |what| text(&format!("{{{whose}.{what}}}"));
            vec![("name", text(name)), ("peer", url("peer")), ("client", url("client"))]
        };
        if self.listed() { self.rows.iter().map(row).collect() } else { Vec::new() }
    }

    /// Returns the hosts' configurations, if they are needed, and the certificates.
    fn files(&self) -> Vec<(String, File, bool)> {
        let mut all = Vec::new();
        let mut put = |path: &str, file| all.push((path.to_string(), file, false));
        if self.certs != Certs::No {
            put("pki/ca.crt", File::Asset("pki/ca.crt"));
            put("pki/member.key", File::Asset("pki/member.key"));
            for (name, _) in &self.rows {
                put(&format!("pki/{name}.crt"), File::Asset("pki/m1-old-address.crt"));
            }
        }
        if self.certs == Certs::OldAddress {
            for ((name, _), asset) in self.rows.iter().zip(["pki/m1.crt", "pki/m2.crt", "pki/m3.crt"]) {
                all.push((new_cert(name), File::Asset(asset), true));
            }
        }
        if self.certs == Certs::No && !self.shape.wal_apart {
            return all;
        }
        for (name, whose) in &self.rows {
            let mut lines = vec![format!("name: {name}")];
            if self.shape.wal_apart && self.olds().contains(&whose) {
                lines.push(format!("data-dir: {{dir}}/old/{whose}.etcd"));
                lines.push(format!("wal-dir: {{dir}}/old/{whose}.wal"));
            }
            lines.push(format!("initial-advertise-peer-urls: {{{whose}.peer}}"));
            lines.push(format!("advertise-client-urls: {{{whose}.client}}"));
            if self.certs != Certs::No {
                lines.push("peer-transport-security:".into());
                lines.push(format!("  cert-file: {{dir}}/pki/{name}.crt"));
                lines.push("  key-file: {dir}/pki/member.key".into());
                lines.push("  trusted-ca-file: {dir}/pki/ca.crt".into());
            }
            all.push((format!("hosts/{name}/etc/etcd/etcd.conf.yml"), File::Text(lines.join("\n")), false));
        }
        all
    }
}

/// Returns the members of the new cluster and its new hosts: lost members are the first to move.
fn rows(shape: &Shape, new: usize, gone: &[String], count: usize) -> (Vec<(String, String)>, Vec<String>) {
    let names: Vec<String> = (1..=new).map(|n| format!("m{n}")).collect();
    let mut order: Vec<usize> = (0..new).collect();
    order.sort_by_key(|at| (*at < count, names.get(*at).is_some_and(|name| !gone.contains(name))));
    let moved: Vec<usize> = order.into_iter().take(shape.moved.unwrap_or(0).max(new.saturating_sub(count))).collect();
    let mut spares = Vec::new();
    let rows = names.into_iter().enumerate().map(|(at, name)| {
        if !moved.contains(&at) {
            return (name.clone(), name);
        }
        let spare = format!("n{}", spares.len() + 1);
        spares.push(spare.clone());
        (if shape.renamed { spare.clone() } else { name }, spare)
    });
    (rows.collect(), spares)
}

fn first(names: &[String]) -> &str {
    names.first().map(String::as_str).unwrap_or_default()
}

fn new_cert(name: &str) -> String {
    format!("pki/{name}-new.crt")
}

pub(super) fn text(text: &str) -> Cell {
    Cell::Text(text.into())
}

fn bare(value: impl ToString) -> Cell {
    Cell::Bare(value.to_string())
}

impl Scene {
    /// Makes the exercise for a recovery of this shape.
    pub(super) fn new(shape: &Shape) -> Scene {
        let mut assumed = Vec::new();
        let cast = Cast::new(shape, &mut assumed);
        assumed.extend(texts::assumed(&cast));
        let mut scene = Scene {
            cluster: cast.cluster(),
            members: cast.olds().into_iter().map(|name| cast.member(name)).collect(),
            backups: cast.backups(),
            inventory: cast.inventory(),
            files: cast.files(),
            became: texts::became(&cast),
            assumed,
            ..Scene::default()
        };
        ways::add(&cast, &mut scene);
        texts::add(&cast, &mut scene);
        scene
    }
}
