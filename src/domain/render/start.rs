//! The exact `etcd` command for each member of a plan, and the sheet that carries them.
//!
//! `--initial-cluster-state` is always `existing`: on a restored directory etcd ignores every
//! `--initial-…` flag, but on a mistyped or empty one `new` would start an empty member under the
//! restored member's ID.

mod command_sheet;
mod config_file;
mod container;
mod context;
mod escape;
mod format;
mod format_input;
mod listen_urls;
mod matching;
mod static_pod;
mod systemd;
#[cfg(test)]
mod tests;
pub mod values;

use crate::domain::members::etcd_flags::{self, Flag};
use crate::text::Foreign;
use crate::{
    domain::model::plan::{Member, Plan},
    text::{
        join::all,
        quote::{shell_line, shell_word},
    },
};
use context::Ground;
pub use context::{HostKnown, Known};
use listen_urls::{Own, listen};

pub use crate::domain::render::runbook::runbook;
pub use command_sheet::{sheet, sheet_on};
pub use format::{Page, page};
pub use format_input::{File, StartFormat};

/// One member's command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The member's name.
    pub member: String,
    /// The command word by word, `etcd` first.
    pub argv: Vec<String>,
    /// The command as one shell line, quoted where it must be.
    pub command: String,
    /// The same, broken over lines with `\`; nothing but the command.
    pub pretty: String,
    /// What to know about it, sentences without a full stop.
    pub notes: Vec<String>,
    /// Which earlier flags changed, and why: sentences without a full stop.
    pub changes: Vec<String>,
}

/// One command for each member, in the order of the table, where nothing is known besides the plan.
pub fn commands(plan: &Plan) -> Vec<Launch> {
    commands_on(plan, &Known::default())
}

/// One command for each member, in the order of the table.
pub fn commands_on(plan: &Plan, known: &Known) -> Vec<Launch> {
    plan.members.iter().map(|m| launch(plan, m, &known.ground(plan, m), known)).collect()
}

fn launch(plan: &Plan, m: &Member, ground: &Ground<'_>, known: &Known) -> Launch {
    let mut notes = Vec::new();
    let etcd_flags::Fitted { flags: own, mut changes } = own_flags(m, ground);
    let mut argv = vec!["etcd".to_string()];
    let mut flag = |name: &str, value: &str| argv.push(format!("--{name}={value}"));
    flag("name", &m.name);
    flag("data-dir", &m.data_dir.to_string_lossy());
    if let Some(wal) = &m.wal_dir {
        flag("wal-dir", &wal.to_string_lossy());
    }
    let addresses = Own::new(plan, m, &ground.addresses);
    for (name, urls) in [("listen-peer-urls", &m.peer_urls), ("listen-client-urls", &m.client_urls)] {
        if own.iter().any(|flag| flag.name == name) {
            notes.push(format!("--{name} is taken from the member's own flags"));
            let value = own.iter().rev().find(|flag| flag.name == name).map_or("", |flag| &flag.value);
            notes.extend(addresses.strangers(value).map(|ip| {
                format!("--{name} names {ip}, which is not an address of the host; etcd would not start with it")
            }));
        } else {
            flag(name, &listen(urls, &addresses, &mut notes));
        }
    }
    flag("initial-advertise-peer-urls", &m.peer_urls.join(","));
    flag("advertise-client-urls", &m.client_urls.join(","));
    flag("initial-cluster", &plan.initial_cluster());
    flag("initial-cluster-token", &plan.token);
    flag("initial-cluster-state", "existing");
    let unknown = not_found(plan, m, ground, known, &own);
    argv.extend(own.into_iter().flat_map(|flag| flag.words));
    notes.push(
        "The state is \"existing\" on purpose: etcd reads the members from the restored directory; \
         if that were mistyped or empty, \"new\" would start an empty member under this one's ID"
            .into(),
    );
    notes.extend(origins(m, ground));
    for change in of_before(m, ground).into_iter().chain(unknown) {
        if !changes.contains(&change) {
            changes.push(change);
        }
    }
    // A value that is separate from its flag stays on the flag's line.
    let mut lines: Vec<String> = Vec::new();
    for word in &argv {
        match lines.last_mut() {
            Some(line) if !word.starts_with('-') => *line = format!("{line} {}", shell_word(word)),
            _ => lines.push(shell_word(word).into_owned()),
        }
    }
    let (command, pretty) = (shell_line(&argv), lines.join(" \\\n  "));
    Launch { member: m.name.clone(), command, pretty, argv, notes, changes }
}

/// What of the earlier configurations is left out, could not be read, or belongs to no member: sentences without a full stop.
fn of_before(m: &Member, ground: &Ground<'_>) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(config) = ground.config {
        let place = config.place();
        out.extend(etcd_flags::left_out(&matching::pairs(config), &place));
        out.extend(config.notes.iter().map(|note| format!("{place}: {note}")));
    }
    if let Some(matching) = &ground.matching {
        out.extend(matching.lost(m, &etcd_flags::read(&m.etcd_flags)));
    }
    out
}

/// Returns that it is not known how a member was started, and which flags other members have that it then lacks: a sentence
/// without a full stop.
fn not_found(plan: &Plan, m: &Member, ground: &Ground<'_>, known: &Known, own: &[Flag]) -> Option<String> {
    if ground.config.is_some() {
        return None;
    }
    // Listen addresses belong to one host and are not shared with others.
    let lacks = |flag: &Flag| !flag.name.starts_with("listen-") && !own.iter().any(|has| has.name == flag.name);
    let (mut others, mut names): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for other in plan.members.iter().filter(|other| other.name != m.name) {
        let flags: Vec<Flag> = own_flags(other, &known.ground(plan, other)).flags.into_iter().filter(lacks).collect();
        if flags.is_empty() {
            continue;
        }
        let shown: Vec<String> = flags.iter().map(|flag| format!("--{}={}", flag.name, flag.value)).collect();
        others.push(format!("{} has {}", other.name, all(&shown)));
        names.extend(flags.into_iter().map(|flag| flag.name));
    }
    let name = &m.name;
    let what = match (others.is_empty(), own.is_empty()) {
        // The plan's flags for it may be all that it had.
        (true, false) => return None,
        (true, true) => "flags that it had, such as --quota-backend-bytes, may be missing from this command".into(),
        (false, _) => {
            let quota = match names.iter().any(|flag| flag == "quota-backend-bytes") {
                true => " (2,147,483,648 bytes for the quota)",
                false => "",
            };
            format!("{}; {name}'s command does not, and etcd's own default applies{quota}", others.join("; "))
        }
    };
    Some(format!("How {name} was started until now is not known: no etcd configuration of it was found; {what}"))
}

/// Where the flags come from that the row does not have: a sentence without a full stop for each place.
fn origins(m: &Member, ground: &Ground<'_>) -> Vec<String> {
    let Some(config) = ground.config.filter(|_| ground.adopt) else { return Vec::new() };
    let own = etcd_flags::read(&m.etcd_flags);
    let mut places: Vec<(&str, Vec<String>)> = Vec::new();
    for (name, value) in
        matching::kept(config).into_iter().filter(|(name, _)| !own.iter().any(|flag| flag.name == *name))
    {
        let from = config.flags.iter().find(|setting| (setting.flag.as_str(), setting.value.as_str()) == (name, value));
        let from = from.map_or("", |setting| setting.from.as_str());
        let flag = format!("--{name}={value}");
        match places.iter_mut().find(|(place, _)| *place == from) {
            Some((_, flags)) => flags.push(flag),
            None => places.push((from, vec![flag])),
        }
    }
    let each = |(from, flags): (&str, Vec<String>)| {
        let verb = if flags.len() == 1 { "comes" } else { "come" };
        format!("{} {verb} from {}", all(&flags), Foreign::from(from))
    };
    places.into_iter().map(each).collect()
}

/// The row's own flags, and those of the old configuration that it lacks where they are to come along, as the version that
/// will run has them.
fn own_flags(m: &Member, ground: &Ground<'_>) -> etcd_flags::Fitted {
    let mut own = etcd_flags::read(&m.etcd_flags);
    if let Some(config) = ground.config.filter(|_| ground.adopt) {
        for (name, value) in matching::kept(config) {
            if !own.iter().any(|flag| flag.name == name) {
                own.push(Flag::new(name, value));
            }
        }
    }
    let mut fitted = etcd_flags::fit(own, ground.version);
    for flag in fitted.flags.iter().filter(|flag| !values::is_right(&flag.name, &flag.value)) {
        fitted.changes.push(format!(
            "--{}={} is not {}: etcd does not start with it",
            flag.name,
            flag.value,
            values::wanted(&flag.name)
        ));
    }
    fitted
}
