//! How the sources are drawn: the list, what the selected one holds, its details window.

use super::{
    super::{
        app::Model,
        page::{Head, Page, Spot},
        text,
        theme::Tone,
    },
    detect::says,
    snapshot::{Choice, choices, selected},
};
use crate::plan::{
    facts::{FileFacts, Health},
    words::natural,
};

const HEADS: [Head; 7] = [
    Head { title: "source", right: false, most: 48 },
    Head { title: "revision", right: true, most: 14 },
    Head { title: "loses", right: true, most: 10 },
    Head { title: "keys", right: true, most: 11 },
    Head { title: "size", right: true, most: 8 },
    Head { title: "age", right: true, most: 13 },
    Head { title: "checks", right: false, most: 40 },
];

pub(super) fn draw(model: &Model, page: &mut Page<'_>) {
    let state = &model.snapshot;
    let newest = newest(model);
    match &newest {
        Some((revision, from)) => page.sentence(
            " ",
            &format!("Newest state known: revision {} ({from}).", text::thousands(*revision)),
            Tone::Strong,
            2,
        ),
        None => page.say(" No source with a known revision yet.", Tone::Strong),
    }
    page.gap();
    let list = choices(model);
    if list.is_empty() {
        let words = match state.searching.is_empty() {
            true => "No source is known. o opens a snapshot or a directory; Esc goes back, where e asks members.",
            false => "Searching …",
        };
        page.sentence("   ", words, Tone::Plain, 3);
    } else {
        let newest = newest.as_ref().map(|(r, _)| *r);
        let rows: Vec<Vec<Spot>> = list.iter().map(|c| cells(model, *c, newest)).collect();
        let mut widths = page.widths(&HEADS, &rows);
        // what a narrow page lacks is taken from the paths, which show their ends
        let lack: usize = HEADS.iter().zip(&widths).map(|(h, w)| text::width(h.title).saturating_sub(*w)).sum();
        if let Some(first) = widths.first_mut() {
            *first = first.saturating_sub(lack);
        }
        page.heads(&HEADS, &widths);
        let room = widths.first().copied().unwrap_or(0);
        let lines = rows
            .into_iter()
            .enumerate()
            .map(|(i, mut row)| {
                if let Some((path, _)) = row.first_mut() {
                    *path = text::fit_end(path, room);
                }
                page.row(&HEADS, &widths, &row, i == state.at)
            })
            .collect();
        let most = page.left().saturating_sub(7).max(4);
        page.list(lines, state.at..state.at + 1, most);
    }
    page.gap();
    if let Some(work) = &state.saving {
        let words = work.meter.map_or_else(|| "asking for it".to_string(), |m| m.words(model.now_ms));
        page.sentence(" ", &format!("Saving {}: {words}. c stops it.", work.path.display()), Tone::Strong, 2);
    }
    for words in &state.unsearched {
        page.sentence(" ! ", words, Tone::Warn, 2);
    }
    match selected(model) {
        Some(Choice::File(file)) => {
            about(model, file, page);
            let lines = if file.content.is_some() { contents(file) } else { Vec::new() };
            page.more("All that is in it:", &lines);
        }
        Some(Choice::Member(_)) => page.sentence(
            " ",
            "Enter saves a snapshot from this member into a new file. That works without quorum, and its own data \
             is not changed.",
            Tone::Plain,
            3,
        ),
        None => {}
    }
}

/// The newest revision known, and from where.
fn newest(model: &Model) -> Option<(i64, String)> {
    let members = model.detect.rows.iter().filter_map(|r| {
        says(&r.facts).map(|s| (s.revision, format!("{} answers with it", model.detect.name(&r.facts))))
    });
    let files = model.snapshot.files.iter().filter_map(|f| {
        f.content.as_ref().map(|c| (c.revision, f.path.file_name().unwrap_or_default().to_string_lossy().into_owned()))
    });
    // the first of equals: a member before a file
    members.chain(files).rev().max_by_key(|(r, _)| *r)
}

fn cells(model: &Model, choice: Choice<'_>, newest: Option<i64>) -> Vec<Spot> {
    let plain = |t: String| (t, Tone::Plain);
    let loses = |revision: i64| newest.map_or("?".to_string(), |n| text::thousands(n.saturating_sub(revision)));
    match choice {
        Choice::Member(asked) => {
            let says = says(&asked.facts);
            let revision = says.map_or(0, |s| s.revision);
            vec![
                plain(format!("{}, over the network", model.detect.name(&asked.facts))),
                plain(text::thousands(revision)),
                plain(loses(revision)),
                ("–".into(), Tone::Faint),
                plain(text::bytes(says.map_or(0, |s| s.db_bytes))),
                plain("now".into()),
                ("to be saved".to_string(), Tone::Faint),
            ]
        }
        Choice::File(file) => {
            let chosen = model.snapshot.chosen.as_ref() == Some(&file.path);
            let content = file.content.as_ref();
            // what a member's log holds beyond its database, nobody has read
            let at_least = if file.health == Health::Verified { "" } else { "≥ " };
            let or_dash = |t: Option<String>| t.map_or(("–".to_string(), Tone::Faint), |t| (t, Tone::Plain));
            vec![
                plain(format!("{}{}", if chosen { "✔ " } else { "" }, file.path.display())),
                or_dash(content.map(|c| text::thousands(c.revision))),
                or_dash(content.map(|c| format!("{at_least}{}", loses(c.revision)))),
                or_dash(content.map(|c| text::thousands(c.keys))),
                plain(text::bytes(file.bytes)),
                or_dash(file.modified.map(|m| text::age(model.now().saturating_sub(m)))),
                checks(model, file),
            ]
        }
    }
}

fn checks(model: &Model, file: &FileFacts) -> Spot {
    match &file.health {
        Health::Unread => match &model.snapshot.reading {
            Some(work) if work.path == file.path => ("reading …".into(), Tone::Plain),
            _ => ("unread".into(), Tone::Faint),
        },
        Health::Verified => ("hash ok".into(), Tone::Good),
        Health::Unhashed if model.snapshot.agreed.contains(&file.path) => ("accepted".into(), Tone::Warn),
        Health::Unhashed => ("no hash".into(), Tone::Warn),
        Health::Broken(_) => ("✖ broken".into(), Tone::Bad),
    }
}

/// What the selected file holds, below the list.
fn about(model: &Model, file: &FileFacts, page: &mut Page<'_>) {
    match &file.health {
        Health::Broken(why) => page.sentence(" ✖ ", why, Tone::Bad, 4),
        Health::Unread => {
            let reading = model.snapshot.reading.as_ref().filter(|w| w.path == file.path);
            let how =
                reading.and_then(|w| w.meter).map_or_else(String::new, |m| format!(": {}", m.words(model.now_ms)));
            let words = format!("It is read through before it can be chosen{how}.");
            page.sentence(" ", &words, Tone::Plain, 2);
        }
        Health::Unhashed if !model.snapshot.agreed.contains(&file.path) => page.sentence(
            " ! ",
            "A database without the checksum that a saved snapshot carries. Its pages are sound, but values that \
             changed on the disk would not be noticed. Enter asks whether to take it.",
            Tone::Warn,
            4,
        ),
        _ => {}
    }
    let Some(content) = &file.content else { return };
    page.sentence(" ", &file.path.to_string_lossy(), Tone::Strong, 2);
    let mut names: Vec<&str> = content.members.iter().map(|m| m.name.as_str()).collect();
    names.sort_by(|a, b| natural(a, b));
    page.sentence(
        " ",
        &format!(
            "members {}   leases {}   users {}   auth {}{}",
            if names.is_empty() { "none".to_string() } else { names.join(" ") },
            text::thousands(content.leases),
            text::thousands(content.users),
            if content.auth_enabled { "on" } else { "off" },
            if content.cluster_version.is_empty() {
                String::new()
            } else {
                format!("   etcd {}", content.cluster_version)
            },
        ),
        Tone::Plain,
        2,
    );
    for alarm in &content.alarms {
        page.sentence(" ! ", &format!("alarm in it: {alarm}"), Tone::Warn, 2);
    }
    for warning in &content.warnings {
        page.sentence(" ! ", warning, Tone::Warn, 3);
    }
    if content.downgrading {
        page.sentence(" ! ", "a downgrade is in progress in it", Tone::Warn, 2);
    }
}

pub(super) fn details(model: &Model) -> (String, Vec<String>) {
    let file = match selected(model) {
        Some(Choice::File(file)) => file,
        Some(Choice::Member(asked)) => {
            let words = "Nothing was saved from this member yet. Enter saves a snapshot.".to_string();
            return (asked.facts.endpoint.clone(), vec![words]);
        }
        None => return (String::new(), Vec::new()),
    };
    (file.path.to_string_lossy().into_owned(), contents(file))
}

/// Everything known about a file.
fn contents(file: &FileFacts) -> Vec<String> {
    let mut lines = vec![format!("{} ({} bytes)", text::bytes(file.bytes), text::thousands(file.bytes))];
    lines.push(match &file.health {
        Health::Unread => "Not read through yet.".into(),
        Health::Verified => "The SHA-256 at its end is right, and every page is sound.".into(),
        Health::Unhashed => "No SHA-256 at its end; every page is sound.".into(),
        Health::Broken(why) => format!("Not restorable: {why}"),
    });
    if let Some(c) = &file.content {
        lines.push(format!("SHA-256 of the whole file {}", c.sha256));
        lines.push(format!("hash {:x} (as `etcdutl snapshot status` shows it)", c.hash));
        lines.push(format!("revision {}", text::thousands(c.revision)));
        lines.push(format!("{} keys in {} rows", text::thousands(c.keys), text::thousands(c.rows)));
        lines.push(format!("{} in use by pages", text::bytes(c.total_bytes)));
        for (what, version) in [("cluster version", &c.cluster_version), ("storage version", &c.storage_version)] {
            if !version.is_empty() {
                lines.push(format!("{what} {version}"));
            }
        }
        lines.push(format!("{} leases, {} users", c.leases, c.users));
        lines.extend(c.alarms.iter().map(|a| format!("alarm: {a}")));
        lines.push(String::new());
        lines.push("Members in it:".into());
        for m in &c.members {
            lines.push(format!("  {} {} {}", m.name, m.id, m.peer_urls.join(",")));
        }
    }
    lines
}
