//! How the sources are drawn: the list, what the selected one holds, its details window.

use ratatui::text::Span;

use crate::{
    domain::{
        model::observations::{FileFacts, Health},
        sources::{
            cluster_match::Relation,
            data_loss::{Entries, Horizon, Lost},
            ranking::{Place, Source, SourceKind, SourceState},
        },
    },
    text::{
        Shown, columns,
        join::{self, natural},
        number, size, time,
    },
    tui::{
        selectors::{filter, snapshot::selected},
        state::{model::Model, snapshot::Compared},
        widgets::{
            layout::{Head, Page, Spot},
            theme::Tone,
        },
    },
};

const HEADS: [Head; 7] = [
    Head { title: "source", right: false, most: 48 },
    Head { title: "revision", right: true, most: 14 },
    Head { title: "loses", right: true, most: 14 },
    Head { title: "size", right: true, most: 8 },
    Head { title: "age", right: true, most: 13 },
    Head { title: "cluster", right: false, most: 8 },
    Head { title: "checks", right: false, most: 40 },
];

/// Places in [`HEADS`] of what a narrow page can do without.
const SIZE: usize = 3;
const AGE: usize = 4;
/// How much of a source's name is shown at least.
const NAME: usize = 24;

pub(crate) fn draw(model: &Model, page: &mut Page<'_>) {
    let state = &model.snapshot;
    let list = &state.list;
    match &list.newest {
        Some(newest) => {
            let caveat = list.horizon.caveat().map(|words| format!(" {words}")).unwrap_or_default();
            page.sentence(" ", &format!("Newest state known: {}.{caveat}", newest.words), Tone::Strong, 2);
        }
        None if list.horizon == Horizon::Unsettled => page.say(" The newest state is not known.", Tone::Strong),
        None => page.say(" No source with a known revision yet.", Tone::Strong),
    }
    if list.horizon == Horizon::Unsettled
        && let Some(words) = model.detect.scope().sentence()
    {
        page.sentence(" ! ", &format!("{words} Choose one on Detect: Esc, then c."), Tone::Warn, 3);
    }
    if let Some(words) = &list.differing {
        let words =
            format!("{words}. No source is proposed: save from each that answers, compare the files (d), and decide.");
        page.sentence(" ✖ ", &words, Tone::Bad, 3);
    }
    if let Some(words) = &list.ahead {
        page.sentence(" ! ", words, Tone::Warn, 3);
    }
    if let Some(plan) = state.journaled.first() {
        let when = plan.at.replace('T', " ");
        let words = format!(
            "Plan {} of {} UTC was made from {}, revision {}.",
            plan.plan,
            when.get(..16).unwrap_or(&when),
            plan.path.shown(),
            number::signed(plan.revision)
        );
        page.sentence(" ", &words, Tone::Plain, 2);
    }
    page.gap();
    if list.sources.is_empty() {
        let words = match state.is_searching() {
            false => "No source is known. Press o to open a snapshot or directory, or Esc and then e to ask members.",
            true => "Searching …",
        };
        page.sentence("   ", words, Tone::Plain, 3);
    } else {
        let rows: Vec<Vec<Spot>> = list.sources.iter().map(|source| cells(model, source)).collect();
        let shown = columns(page, &rows);
        let heads: Vec<Head> = shown.iter().filter_map(|at| HEADS.get(*at).copied()).collect();
        let rows: Vec<Vec<Spot>> =
            rows.iter().map(|row| shown.iter().filter_map(|at| row.get(*at).cloned()).collect()).collect();
        let mut widths = page.widths(&heads, &rows);
        // what a narrow page lacks is taken from the names
        let lack: usize = heads.iter().zip(&widths).map(|(h, w)| columns::width(h.title).saturating_sub(*w)).sum();
        if let Some(first) = widths.first_mut() {
            *first = first.saturating_sub(lack);
        }
        page.heads(&heads, &widths);
        let room = widths.first().copied().unwrap_or(0);
        let at_list = state.at();
        let seen = filter::seen(model);
        let rows = rows.into_iter().zip(&list.sources).enumerate().filter(|(i, _)| seen.contains(i));
        let lines: Vec<_> = rows
            .map(|(i, (mut row, source))| {
                // the ends of paths differ, and where they begin
                if let (Some((name, _)), Place::File(_)) = (row.first_mut(), &source.place) {
                    *name = columns::fit_middle(name, room);
                }
                page.row(&heads, &widths, &row, i == at_list)
            })
            .collect();
        let at = seen.iter().position(|i| *i == at_list).unwrap_or(0);
        // the axis, a gap, and what is to be known of the selected one
        let below = selected(model).map_or(0, |source| about(model, source, page).len()).min(6) + 3;
        let most = page.left().saturating_sub(below).max(4);
        page.list(lines, at..at + 1, most);
        if let Some(line) = revision_axis(model, page) {
            page.line(line);
        }
    }
    let elsewhere =
        |path: &&std::path::PathBuf| selected(model).is_none_or(|s| s.place != Place::File((*path).clone()));
    match state.chosen.as_ref().filter(elsewhere) {
        Some(path) => page.sentence(" ✔ ", &format!("Chosen: {}", path.shown()), Tone::Good, 2),
        None => page.gap(),
    }
    for (what, work) in [("Saving", &state.saving), ("Comparing", &state.comparing)] {
        if let Some(work) = work {
            let words = work.meter.map_or_else(|| "started".to_string(), |m| m.words(model.now_ms));
            page.sentence(" ", &format!("{what} {}: {words}. c stops it.", work.path.shown()), Tone::Strong, 2);
        }
    }
    for place in state.empty.iter().filter(|place| !state.files.iter().any(|file| file.path.starts_with(place))) {
        page.sentence(" ! ", &format!("{} has no file that could be a snapshot.", place.shown()), Tone::Warn, 2);
    }
    for words in &state.unsearched {
        page.sentence(" ! ", words, Tone::Warn, 2);
    }
    let Some(source) = selected(model) else { return };
    let mut lines = about(model, source, page);
    if let Some(file) = file_of(model, source).filter(|file| file.content.is_some()) {
        lines.push(Vec::new());
        lines.push(vec![page.span(" Its contents:", Tone::Strong)]);
        lines.extend(contents(file).iter().flat_map(|line| page.flow("   ", line, Tone::Faint, usize::MAX)));
    }
    page.text(lines, model.below);
}

/// The sources of this cluster on one line of revisions, up to the newest state known; what restoring the selected one
/// would lose is filled in.
fn revision_axis(model: &Model, page: &Page<'_>) -> Option<Vec<Span<'static>>> {
    let list = &model.snapshot.list;
    let newest = list.newest.as_ref().filter(|_| list.horizon != Horizon::Unsettled)?.revision;
    let own = |source: &&Source| !matches!(source.relation, Relation::Other(_)) && !source.disagrees;
    let revisions: Vec<i64> = list.sources.iter().filter(own).filter_map(|source| source.revision).collect();
    let lowest = revisions.iter().copied().min().filter(|lowest| *lowest < newest)?;
    let chosen = selected(model).filter(own).and_then(|source| source.revision);
    let lost = chosen.map(|revision| newest.saturating_sub(revision)).filter(|lost| *lost > 0);
    let words = match lost {
        Some(lost) => format!("  ░ {} lost", number::signed(lost)),
        None => String::new(),
    };
    let (from, upto) = (format!("   {} ", number::signed(lowest)), format!(" {} newest", number::signed(newest)));
    let room = page.width().saturating_sub(columns::width(&from) + columns::width(&upto) + 22);
    if room < 8 {
        return None;
    }
    let span = u128::try_from(newest.saturating_sub(lowest)).unwrap_or(1).max(1);
    let place = |revision: i64| {
        let offset = u128::try_from(revision.saturating_sub(lowest)).unwrap_or(0);
        usize::try_from(offset * (room as u128 - 1) / span).unwrap_or(0).min(room - 1)
    };
    let mut axis = vec!['─'; room];
    let mut put = |at: usize, glyph: char| {
        if let Some(cell) = axis.get_mut(at) {
            *cell = glyph;
        }
    };
    if let (Some(revision), Some(_)) = (chosen, lost) {
        (place(revision)..=place(newest)).for_each(|at| put(at, '░'));
    }
    revisions.iter().chain([&newest]).for_each(|revision| put(place(*revision), '○'));
    chosen.into_iter().for_each(|revision| put(place(revision), '◆'));
    Some(vec![
        page.span(from, Tone::Faint),
        page.span(axis.into_iter().collect::<String>(), Tone::Plain),
        page.span(upto, Tone::Faint),
        page.span(words, Tone::Warn),
    ])
}

/// The columns that are shown: where the names would be cut short, the size and then the age, which the details say,
/// too, give their room to them.
fn columns(page: &Page<'_>, rows: &[Vec<Spot>]) -> Vec<usize> {
    let wide = |at: usize| {
        let texts =
            rows.iter().filter_map(|row| row.get(at)).map(|(words, _)| columns::width(words)).max().unwrap_or(0);
        HEADS.get(at).map_or(0, |head| texts.min(head.most).max(columns::width(head.title)))
    };
    let mut shown: Vec<usize> = (0..HEADS.len()).collect();
    for spare in [SIZE, AGE] {
        let others: usize = shown.iter().skip(1).map(|at| wide(*at) + 2).sum();
        if page.width().saturating_sub(2 + others) >= wide(0).min(NAME) {
            break;
        }
        shown.retain(|at| *at != spare);
    }
    shown
}

fn file_of<'a>(model: &'a Model, source: &Source) -> Option<&'a FileFacts> {
    match &source.place {
        Place::File(path) => model.snapshot.file(path),
        Place::Member(_) => None,
    }
}

fn cells(model: &Model, source: &Source) -> Vec<Spot> {
    let or_dash = |t: Option<String>| t.map_or(("–".to_string(), Tone::Faint), |t| (t, Tone::Plain));
    let file = file_of(model, source);
    let chosen = file.is_some() && model.snapshot.chosen.as_ref() == file.map(|f| &f.path);
    let marked = file.is_some() && model.snapshot.marked.as_ref() == file.map(|f| &f.path);
    let compared = if model.look.plain { "picked for a comparison, " } else { "(d) " };
    let marks = format!("{}{}", mark(model, chosen), if marked { compared } else { "" });
    let bytes = match &source.place {
        Place::File(_) => file.map(|f| f.bytes),
        Place::Member(endpoint) => {
            let row = model.detect.rows.iter().find(|r| &r.facts.endpoint == endpoint);
            row.and_then(|r| crate::tui::state::detect::says(&r.facts)).map(|s| s.db_bytes)
        }
    };
    let age = match source.kind {
        SourceKind::Survivor => Some("now".to_string()),
        _ => source.at.map(|at| time::age(model.now().saturating_sub(at))),
    };
    let lossy = if source.loss.entries == Entries::None { Tone::Plain } else { Tone::Warn };
    vec![
        (format!("{marks}{}", source.name), Tone::Plain),
        or_dash(source.revision.map(number::signed)),
        match (source.revision, source.loss.entries) {
            (None, Entries::None | Entries::Unknown) => ("–".to_string(), Tone::Faint),
            _ => (source.loss.cell(), lossy),
        },
        or_dash(bytes.map(size::size)),
        or_dash(age),
        kinship(source),
        checks(model, source),
    ]
}

/// What is before the name of the chosen source.
fn mark(model: &Model, chosen: bool) -> &'static str {
    match chosen {
        true if model.look.plain => "chosen, ",
        true => "✔ ",
        false => "",
    }
}

fn kinship(source: &Source) -> Spot {
    match &source.relation {
        _ if source.disagrees => ("differs".into(), Tone::Bad),
        Relation::Same(_) => ("same".into(), Tone::Good),
        Relation::SharesMembers(_) => ("same IDs".into(), Tone::Plain),
        Relation::CannotTell(_) => ("?".into(), Tone::Warn),
        Relation::Other(_) => ("another".into(), Tone::Bad),
    }
}

fn checks(model: &Model, source: &Source) -> Spot {
    let is = |paths: &[std::path::PathBuf]| matches!(&source.place, Place::File(path) if paths.contains(path));
    match &source.standing {
        SourceState::ToSave => ("to save".into(), Tone::Faint),
        SourceState::Remote => ("to download".into(), Tone::Faint),
        SourceState::Unread => match &model.snapshot.reading {
            Some(work) if is(std::slice::from_ref(&work.path)) => ("reading …".into(), Tone::Plain),
            _ => ("unread".into(), Tone::Faint),
        },
        SourceState::Whole => ("hash ok".into(), Tone::Good),
        SourceState::Sound if is(&model.snapshot.agreed) => ("accepted".into(), Tone::Warn),
        SourceState::Sound => ("no hash".into(), Tone::Warn),
        SourceState::Packed(_) => ("packed".into(), Tone::Warn),
        SourceState::Limited(_) if is(&model.snapshot.agreed) => ("accepted".into(), Tone::Warn),
        SourceState::Limited(_) => ("! damaged".into(), Tone::Warn),
        SourceState::Held(_) => ("in use".into(), Tone::Warn),
        SourceState::Unreadable(_) => ("✖ unreadable".into(), Tone::Bad),
        SourceState::Broken(_) => ("✖ broken".into(), Tone::Bad),
    }
}

/// A sentence about the selected source, with its mark.
type StateCell = (&'static str, Tone, String);

/// What must be known of a source before it is chosen, the gravest first.
fn said(model: &Model, source: &Source) -> Vec<StateCell> {
    let mut out: Vec<StateCell> = Vec::new();
    match &source.standing {
        SourceState::Broken(why) | SourceState::Unreadable(why) => out.push((" ✖ ", Tone::Bad, join::sentence(why))),
        SourceState::Limited(damage) => {
            let agreed = matches!(&source.place, Place::File(path) if model.snapshot.agreed.contains(path));
            let asks = if agreed { "" } else { " Press Enter to decide whether to accept it." };
            out.push((" ! ", Tone::Warn, format!("{}{asks}", join::sentence(&damage.why))));
        }
        SourceState::Packed(why) => {
            out.push((" ! ", Tone::Warn, format!("It was read and is intact, but {}", join::sentence(why))))
        }
        SourceState::Held(why) => out.push((" ! ", Tone::Warn, format!("It cannot be used: {}", join::sentence(why)))),
        SourceState::Unread => {
            let reading = model.snapshot.reading.as_ref().filter(|w| Place::File(w.path.clone()) == source.place);
            let how =
                reading.and_then(|w| w.meter).map_or_else(String::new, |m| format!(": {}", m.words(model.now_ms)));
            out.push((" ", Tone::Plain, format!("It must be read before it can be chosen{how}.")));
        }
        SourceState::Remote => out.push((
            " ",
            Tone::Plain,
            "Enter downloads it from the object store into a new file, which is then read like any other.".into(),
        )),
        SourceState::ToSave => out.push((
            " ",
            Tone::Plain,
            "Enter saves a snapshot from this member into a new file. That works without quorum and does not change \
             its data."
                .into(),
        )),
        SourceState::Whole | SourceState::Sound => {}
    }
    if source.loss.entries != Entries::Unknown
        || !matches!(source.standing, SourceState::Broken(_) | SourceState::Unreadable(_))
    {
        let newest = model.snapshot.list.newest.as_ref();
        let unsure = source.loss.entries != Entries::None;
        let tone = if unsure { Tone::Warn } else { Tone::Plain };
        let sentences = source.loses(newest);
        // that nothing newer is known, and what there may be, is shown above the list
        let settled = matches!(source.loss.lost(), Lost::Exactly(_)) || model.snapshot.list.horizon.caveat().is_some();
        let plain = newest.is_some_and(|n| n.place == source.place) && !unsure && settled;
        out.extend(
            sentences.into_iter().filter(|_| !plain).map(|words| (if unsure { " ! " } else { " " }, tone, words)),
        );
    }
    out.extend(plans(model, source));
    out.extend(differences(model, source).map(|words| (" ", Tone::Strong, words)));
    let why = source.relation.words();
    match &source.relation {
        Relation::Same(_) => out.push((" ", Tone::Plain, format!("It belongs to this cluster: {why}."))),
        Relation::SharesMembers(_) => {
            out.push((
                " ",
                Tone::Plain,
                format!("It likely belongs to this cluster: {why}. A file does not name its cluster."),
            ));
        }
        Relation::CannotTell(_)
            if matches!(
                source.standing,
                SourceState::Remote | SourceState::Unread | SourceState::Broken(_) | SourceState::Unreadable(_)
            ) => {}
        Relation::CannotTell(_) => {
            out.push((" ! ", Tone::Warn, format!("Unknown whether it belongs to this cluster: {why}.")));
        }
        Relation::Other(_) => out.push((" ✖ ", Tone::Bad, format!("It belongs to another cluster: {why}."))),
    }
    let accepted = matches!(&source.place, Place::File(path) if model.snapshot.agreed.contains(path));
    if source.standing == SourceState::Sound && !accepted {
        let words = "It has no checksum, unlike saved snapshots. Its pages are sound, but values changed on disk \
                     would go unnoticed. Enter asks whether to accept it.";
        out.push((" ! ", Tone::Warn, words.into()));
    }
    out.extend(source.warnings.iter().map(|words| (" ! ", Tone::Warn, join::sentence(words))));
    out
}

/// What journals say of the source: which plans were made from it.
fn plans(model: &Model, source: &Source) -> impl Iterator<Item = StateCell> {
    let of = |path: &std::path::Path| source.place == Place::File(path.to_path_buf());
    let now = file_of(model, source).and_then(|file| Some(file.content.as_ref()?.sha256.as_str()));
    let said = model.snapshot.journaled.iter().filter(|j| of(&j.path)).map(|j| match now {
        Some(now) if now != j.sha256 => (
            " ! ",
            Tone::Warn,
            format!("Plan {} was made from this file, which had different content then (another SHA-256).", j.plan),
        ),
        _ => (" ", Tone::Plain, format!("Plan {} was made from it.", j.plan)),
    });
    said.collect::<Vec<_>>().into_iter()
}

/// What comparing the source with others showed, in one line each.
fn differences(model: &Model, source: &Source) -> impl Iterator<Item = String> {
    let of = |c: &&Compared| [&c.newer, &c.older].iter().any(|p| Place::File((*p).clone()) == source.place);
    let name = |path: &std::path::PathBuf| {
        let listed = model.snapshot.list.get(&Place::File(path.clone()));
        let in_dir = listed.filter(|s| s.kind == SourceKind::DataDir).map(|s| s.name.clone());
        in_dir.unwrap_or_else(|| path.file_name().unwrap_or_default().to_string_lossy().into_owned())
    };
    let line = |c: &Compared| {
        let line = c.difference.line(&name(&c.newer), &name(&c.older));
        format!("{}{}.", line.get(..1).unwrap_or_default().to_uppercase(), line.get(1..).unwrap_or_default())
    };
    model.snapshot.compared.iter().filter(of).map(line).collect::<Vec<_>>().into_iter()
}

/// What is to be known of the selected source, below the list.
fn about(model: &Model, source: &Source, page: &Page<'_>) -> Vec<Vec<Span<'static>>> {
    let mut out = Vec::new();
    let mut say = |mark: &str, words: &str, tone| out.extend(page.flow(mark, words, tone, usize::MAX));
    for (mark, tone, words) in said(model, source) {
        say(mark, &words, tone);
    }
    let Some(file) = file_of(model, source) else { return out };
    let Some(content) = &file.content else { return out };
    say(" ", &file.path.to_string_lossy(), Tone::Strong);
    let mut names: Vec<&str> = content.members.iter().map(|m| m.name.as_str()).collect();
    names.sort_by(|a, b| natural(a, b));
    let etcd = match content.cluster_version.as_str() {
        "" => String::new(),
        version => format!("   cluster version {version}"),
    };
    say(
        " ",
        &format!(
            "members {}   leases {}   users {}   auth {}{etcd}",
            if names.is_empty() { "none".to_string() } else { names.join(" ") },
            number::signed(content.leases),
            number::signed(content.users),
            if content.auth_enabled { "on" } else { "off" },
        ),
        Tone::Plain,
    );
    for alarm in &content.alarms {
        say(" ! ", &format!("alarm in it: {alarm}"), Tone::Warn);
    }
    for warning in &content.warnings {
        say(" ! ", warning, Tone::Warn);
    }
    if content.downgrading {
        say(" ! ", "a downgrade is in progress in it", Tone::Warn);
    }
    out
}

pub(crate) fn details(model: &Model) -> (String, Vec<String>) {
    let Some(source) = selected(model) else { return (String::new(), Vec::new()) };
    let mut lines: Vec<String> = said(model, source).into_iter().map(|(.., words)| words).collect();
    match (&source.place, file_of(model, source)) {
        (Place::File(path), Some(file)) => {
            if source.standing.usable() && differences(model, source).next().is_none() {
                lines.push("d marks it for comparison; d on a second file compares the keys of the two.".into());
            }
            lines.push(String::new());
            lines.extend(contents(file));
            (path.to_string_lossy().into_owned(), lines)
        }
        _ => (source.name.clone(), lines),
    }
}

/// Everything known about a file.
fn contents(file: &FileFacts) -> Vec<String> {
    let mut lines = vec![format!("{} ({} bytes)", size::size(file.bytes), number::signed(file.bytes))];
    lines.push(match &file.health {
        Health::Unread => "Not fully read yet.".into(),
        Health::Verified => "The SHA-256 at its end matches, and every page is sound.".into(),
        Health::Unhashed => "No SHA-256 at its end; every page is sound.".into(),
        Health::Packed(_) => "In the archive every page is sound, and the SHA-256 matches where there is one.".into(),
        Health::Limited(damage) => join::sentence(&damage.why),
        Health::Broken(why) | Health::Unreadable(why) => format!("Not restorable: {why}"),
    });
    if let Some(c) = &file.content {
        lines.push(format!("SHA-256 of the whole file {}", c.sha256));
        lines.push(format!("hash {:x} (as `etcdutl snapshot status` shows it)", c.hash));
        lines.push(format!("revision {}", number::signed(c.revision)));
        lines.push(format!("{} keys in {} rows", number::signed(c.keys), number::signed(c.rows)));
        lines.push(format!("{} in use by pages", size::size(c.total_bytes)));
        for (what, version) in [("cluster version", &c.cluster_version), ("storage version", &c.storage_version)] {
            if !version.is_empty() {
                lines.push(format!("{what} {version}"));
            }
        }
        let leases = number::count(c.leases, "lease", "leases");
        lines.push(format!("{leases}, {}", number::count(c.users, "user", "users")));
        lines.extend(c.alarms.iter().map(|a| format!("alarm: {a}")));
        lines.push(String::new());
        lines.push("Members in it:".into());
        for m in &c.members {
            lines.push(format!("  {} {} {}", m.name, m.id, m.peer_urls.join(",")));
        }
    }
    lines
}
