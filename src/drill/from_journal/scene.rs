//! The exercise that a recovery's shape makes: who is in it under which neutral name, what lies where, what happens, the
//! expert's way and the wrong ones.

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
    /// A number, or yes.
    Bare(String),
}

/// Fields of one entry of a list, each with its value.
pub(super) type ListItem = Vec<(&'static str, Cell)>;

/// What one leg of the expert's path does, and why.
pub(super) type Leg = (Vec<String>, &'static str);

/// An exercise, its texts in the words of a scenario.
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
    /// Path, and the text or the asset that it is.
    pub files: Vec<(String, File, bool)>,
    pub hands: Vec<ListItem>,
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

/// What a file is made of.
#[derive(Debug)]
pub(super) enum File {
    Text(String),
    Asset(&'static str),
}

/// The last revision of the practice cluster: what the built-in database has, and what is written behind it.
const LAST: i64 = BUILT_IN + WRITES;
const BUILT_IN: i64 = 274;
const WRITES: i64 = 90;
/// Where an old backup ends, a member that fell behind, one whose log goes on, and what is there before something fresher
/// turns up.
const OLD: i64 = 310;
const BEHIND: i64 = 320;
const BEFORE_LOG: i64 = 330;
const BEFORE_FRESHER: i64 = 350;

const BACKUP: &str = "etcd-0200.db";
const NEWEST: &str = "etcd-0300.db";
const FRESHER: &str = "etcd-0400.db";

/// More members than anybody runs; more than that are practised on with so many.
const MOST: usize = 9;

/// Who plays what.
#[derive(Debug)]
pub(super) struct Cast {
    shape: Shape,
    /// The old members that answer, those whose disks are there, and the rest.
    alone: Vec<String>,
    stopped: Vec<String>,
    gone: Vec<String>,
    /// From what the expert restores.
    source: Source,
    /// The one of the gone that lives after all.
    dead_man: Option<String>,
    /// The new cluster: name, and whose address, an old member's or a spare's.
    rows: Vec<(String, String)>,
    spares: Vec<String>,
    certs: Certs,
    etcd: Minor,
}

/// Which certificates the members have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certs {
    No,
    /// Those that they had, for the addresses that they keep.
    Fit,
    /// Those that they had, for addresses that they do not keep; new ones can be had.
    OldAddress,
}

/// For how many new hosts the program carries certificates.
const CERTIFIED: usize = 3;

impl Cast {
    /// Distributes the parts, and says what of the recovery did not fit.
    fn new(shape: &Shape, assumed: &mut Vec<&'static str>) -> Cast {
        let told = shape.voters.unwrap_or(shape.members).max(1);
        if shape.voters.is_none() {
            assumed.push("how many members the old cluster had: as many as the new one");
        }
        if told > MOST || shape.members > MOST {
            assumed.push("(more than nine members: nine are practised on)");
        }
        let (count, new) = (told.min(MOST), shape.members.clamp(1, MOST));
        // with one more that lives or could be started, a restore would be the wrong answer
        let room = count / 2;
        let source = match shape.source {
            Source::Disk if room == 0 => {
                assumed.push("(a lone member's own disk would simply be started: here it is a copy of its database)");
                Source::Raw
            }
            Source::Survivor if room == 0 => {
                assumed.push("(a lone member that answers has its quorum: here its newest snapshot is left)");
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
            assumed.push("(more members answered, or had their disks, than can be let live here: with them a quorum could come back)");
        }
        let names: Vec<String> = (1..=count).map(|n| format!("m{n}")).collect();
        let (mut living, mut gone) = (Vec::new(), Vec::new());
        for (at, name) in names.into_iter().enumerate() {
            let lives = at > 0 && living.len() < alone + stopped;
            if lives { &mut living } else { &mut gone }.push(name);
        }
        let stopped = living.split_off(alone);
        // in a cluster of one he would have his quorum
        let back = shape.came_back || (shape.overridden && alone == 0);
        let dead_man = gone.last().filter(|_| back && count > 1).cloned();
        if back && dead_man.is_none() {
            assumed.push("(an old member of a cluster of one that answers has its quorum: nobody answers here)");
        }
        let (rows, spares) = rows(shape, new, &gone, count);
        let certs = match (shape.tls, spares.len()) {
            (false, _) => Certs::No,
            (true, 0) => Certs::Fit,
            (true, CERTIFIED) if count == CERTIFIED && new == CERTIFIED => Certs::OldAddress,
            (true, _) => {
                assumed.push("(the peers spoke TLS: requorum carries no certificates for so many new addresses, so they do not here)");
                Certs::No
            }
        };
        let etcd = shape.target.unwrap_or(Minor::V3_5);
        Cast { shape: *shape, alone: living, stopped, gone, source, dead_man, rows, spares, certs, etcd }
    }

    fn count(&self) -> usize {
        self.alone.len() + self.stopped.len() + self.gone.len()
    }

    /// All old members in the order of their names.
    fn olds(&self) -> Vec<&String> {
        let mut all: Vec<&String> = [&self.alone, &self.stopped, &self.gone].into_iter().flatten().collect();
        all.sort();
        all
    }

    /// The newest revision before something fresher turns up.
    fn top(&self) -> i64 {
        if self.shape.undone { BEFORE_FRESHER } else { LAST }
    }

    /// True where an inventory says who is in the new cluster.
    fn listed(&self) -> bool {
        !self.spares.is_empty() || self.rows.len() != self.count()
    }

    /// True where the database that is chosen lacks what its own log holds.
    fn log(&self) -> bool {
        self.source == Source::Disk && self.shape.log == Some(true)
    }

    /// True where an alarm of one that is gone is in the data. With one, an etcd does not apply the writes in its log.
    fn alarms(&self) -> bool {
        self.shape.alarms && !self.log()
    }

    /// What the expert chooses, as a stride.
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

    /// Those who have to be stopped, in the order in which they show.
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
            // all of them alike: real ones that start together even out
            Source::Survivor if self.alone.contains(name) => (self.top(), None),
            Source::Disk if first(&self.stopped) == name && self.log() => (BEFORE_LOG, Some(self.top())),
            Source::Disk if first(&self.stopped) == name => (self.top(), None),
            _ => (BEHIND, None),
        };
        let there = !self.gone.contains(name) || self.dead_man.as_ref() == Some(name);
        if there && revision != LAST {
            entry.push(("revision", bare(revision)));
        }
        entry.extend(log.map(|log| ("log", bare(log))));
        if there && self.shape.wal_apart {
            entry.push(("wal_apart", bare(true)));
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

    /// The configurations of the hosts, where one tells what nothing else does, and the certificates.
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

/// Who is in the new cluster, and which new hosts that takes: those that moved are first of all the gone.
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
    /// The exercise for a recovery of this shape.
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
        ways::furnish(&cast, &mut scene);
        texts::furnish(&cast, &mut scene);
        scene
    }
}
