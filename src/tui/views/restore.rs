//! How Restore is drawn: the members with their hosts, what is untouched, what the selected one is at, and a host's
//! log.

use ratatui::text::Span;

use crate::{
    engine::restore::Restored,
    error::{Error, ErrorKind, Remedy},
    execute::executor::Goal,
    text::{
        Shown,
        join::all,
        number::{self, plural},
        size,
    },
    tui::{
        selectors::{
            restore::selected,
            review::{Gate, gate},
        },
        state::{
            model::Model,
            restore::{Arrived, At, Host, Row, RowState, State},
        },
        widgets::{
            layout::{Head, Page, Spot},
            progress_meter::Meter,
            theme::Tone,
        },
    },
};

const HEADS: [Head; 6] = [
    Head { title: "host", right: false, most: 20 },
    Head { title: "member", right: false, most: 16 },
    Head { title: "phase", right: false, most: 60 },
    Head { title: "done", right: true, most: 24 },
    Head { title: "rate", right: true, most: 10 },
    Head { title: "left", right: true, most: 14 },
];

pub(crate) fn draw(model: &Model, page: &mut Page<'_>) {
    let state = &model.restore;
    let (mark, tone, words) = sentence(model);
    page.sentence(mark, &words, tone, 2);
    page.gap();
    let rows: Vec<Vec<Spot>> = state.rows.iter().map(|row| cells(state, row, model.now_ms)).collect();
    let widths = page.widths(&HEADS, &rows);
    page.heads(&HEADS, &widths);
    let lines = rows.iter().enumerate().map(|(i, r)| page.row(&HEADS, &widths, r, i == state.at)).collect();
    let most = page.left().saturating_sub(6).max(3);
    page.list(lines, state.at..state.at + 1, most);
    if let Some(line) = total(state, page) {
        page.line(line);
    }
    page.gap();
    let lines = below(model, page);
    page.text(lines, model.below);
}

/// How far all members are, as a bar with words beside it; it is full when all of them are done, not before.
fn total(state: &State, page: &Page<'_>) -> Option<Vec<Span<'static>>> {
    if state.rows.is_empty() || state.until == Some(Goal::Undone) || state.until.is_none() {
        return None;
    }
    let done: u64 = state.rows.iter().map(|row| share(state, row)).sum();
    let percent = done / state.rows.len() as u64;
    let percent = if state.running() { percent.min(99) } else { percent };
    let width = page.width().saturating_sub(60).clamp(10, 40);
    let filled = usize::try_from(percent).unwrap_or(0) * width / 100;
    let bar = format!("{}{}", "█".repeat(filled), "░".repeat(width - filled));
    let count = state.rows.len();
    let words = match state.until {
        Some(Goal::DryRun) => format!("{} of {count} verified", state.proven()),
        _ => format!("{} of {count} verified, {} installed", state.proven(), state.placed()),
    };
    Some(vec![
        page.span("  all   ", Tone::Faint),
        page.span(bar, Tone::Plain),
        page.span(format!(" {percent:>3} %   {words}"), Tone::Strong),
    ])
}

/// How far one member is, in percent: a share for the snapshot on its host, one for building, one for installing.
fn share(state: &State, row: &Row) -> u64 {
    let dry = state.until == Some(Goal::DryRun);
    let part = |meter: &Meter| meter.percent().min(99);
    match (&row.stand, state.host_of(row).map(|host| &host.at)) {
        (RowState::Placed(_) | RowState::Out(_) | RowState::Discarded, _) => 100,
        (RowState::Built(_), _) => {
            if dry {
                95
            } else {
                80
            }
        }
        (RowState::Moving | RowState::Undoing, _) => 90,
        (RowState::Works(meter), _) => 20 + (meter.phase().order() * 100 + part(meter)) * 60 / 500,
        (_, Some(At::Snapshot(meter))) => part(meter) / 5,
        (_, Some(At::Halts(_) | At::Ready)) => 20,
        _ => 0,
    }
}

/// What is untouched, and what is known of the selected member.
fn below(model: &Model, page: &Page<'_>) -> Vec<Vec<Span<'static>>> {
    let state = &model.restore;
    let mut out = Vec::new();
    let mut say = |mark: &str, words: &str, tone| out.extend(page.flow(mark, words, tone, usize::MAX));
    if let Some(words) = sent(state) {
        say(" ", &words, Tone::Plain);
    }
    say(" ", &untouched(state), Tone::Strong);
    let Some(row) = selected(model) else { return out };
    say("", "", Tone::Plain);
    say(" ", &format!("{} on {}, in {}", row.name, row.host, row.dir), Tone::Strong);
    match state.error(row) {
        Some(error) => {
            say(" ✖ ", &error.sentence(), Tone::Bad);
            say("   ", advice(error).lines().next().unwrap_or_default(), Tone::Plain);
        }
        None => {
            for line in about(state, row) {
                say("   ", &line, Tone::Plain);
            }
        }
    }
    let its = |about: &Option<String>| about.as_ref().is_none_or(|name| *name == row.name);
    let last = state.host_of(row).and_then(|host| host.log.iter().rev().find(|(about, _)| its(about)));
    if let Some(line) = last.and_then(|(_, last)| last.lines().next()) {
        say("   last: ", line, Tone::Faint);
    }
    out
}

/// What to do about a failure, the ways on by their keys here.
fn advice(error: &Error) -> String {
    error.advice(|way| match way {
        Remedy::Resume => "t".into(),
        Remedy::Undo => "u".into(),
        Remedy::FinishOther => "`requorum resume JOURNAL` in a shell".into(),
    })
}

/// Where the whole is.
fn sentence(model: &Model) -> (&'static str, Tone, String) {
    let state = &model.restore;
    let (proven, placed, members) = (state.proven(), state.placed(), state.rows.len());
    let so_far = match placed {
        0 => format!("{proven} of {members} members {} verified, none is installed", plural(proven, "is", "are")),
        _ => format!("{placed} of {members} members {} installed", plural(placed, "is", "are")),
    };
    if state.stopping {
        return (" ! ", Tone::Warn, format!("Stopping at the next safe point. {so_far}."));
    }
    match (state.until, state.running(), &state.failed) {
        (Some(Goal::Undone), true, _) => {
            (" ", Tone::Strong, "Rolling back: the new directories are moved out, the previous ones back in.".into())
        }
        (Some(Goal::Undone), false, None) => {
            let words = "Rolled back: the previous state is restored. The new directories are kept under a dated \
                         name, with what was written to the new cluster since.";
            (" ✔ ", Tone::Good, words.into())
        }
        (Some(Goal::Undone), false, Some(_)) => {
            (" ✖ ", Tone::Bad, format!("Rollback is not complete: {placed} of {members} members are still installed."))
        }
        (Some(Goal::DryRun), true, _) => (" ", Tone::Strong, format!("Dry run: {proven} of {members} verified.")),
        (Some(Goal::DryRun), false, None) => {
            let can = if members == 1 { "the member can".to_string() } else { format!("all {members} members can") };
            let rest = "What was built is removed again. Esc goes back to Review.";
            match in_the_way(model) {
                None => (" ✔ ", Tone::Good, format!("Dry run complete: {can} be built. {rest}")),
                Some(what) => (" ! ", Tone::Warn, format!("Dry run complete: {can} be built. {what} {rest}")),
            }
        }
        (Some(Goal::DryRun), false, Some(error)) => {
            (" ✖ ", Tone::Bad, format!("The dry run did not finish: {}.", error.what))
        }
        // until the run has ended, the next step waits
        (_, true, _) if state.complete() => {
            (" ", Tone::Strong, format!("All {members} members are installed. They are being checked there once more."))
        }
        _ if state.complete() => {
            (" ✔ ", Tone::Good, format!("All {members} members are restored, verified and installed."))
        }
        (_, true, _) => (" ", Tone::Strong, format!("Restoring: {so_far}.")),
        (_, false, _) => (" ✖ ", Tone::Bad, format!("Not complete: {so_far}.")),
    }
}

/// What is still between a dry run and its restore, as far as it was checked.
fn in_the_way(model: &Model) -> Option<String> {
    match gate(model) {
        Gate::Label | Gate::Asking(_) => None,
        Gate::Shut(_) => Some("A host is not ready for the restore; Review shows why.".into()),
        Gate::Consent(_) => {
            Some("An etcd runs on a member's directory: Review asks for your consent to stop it.".into())
        }
        Gate::Override(_, what) => Some(format!("Blocker: {what}")),
    }
}

/// What is untouched, and what the install waits for.
fn untouched(state: &State) -> String {
    let members = state.rows.len();
    let whole = if members == 1 { "it is".to_string() } else { format!("all {members} are") };
    match (state.until, &state.barrier) {
        (Some(Goal::Undone), _) => "What was installed is kept under a dated name.".into(),
        (Some(Goal::DryRun), None) => "Old data is untouched on every host. A dry run installs nothing.".into(),
        (Some(Goal::DryRun), Some(text)) => format!("{}. Nothing was installed.", text),
        (_, Some(text)) if state.placed() == 0 && !state.running() => {
            format!("{text}. Old data is untouched on every host.")
        }
        (_, Some(text)) if state.complete() => format!("{text}. {}", before(state)),
        (_, Some(text)) => format!("{text}. Now the members are installed, host by host."),
        (_, None) if state.placed() > 0 => before(state).into(),
        (_, None) => {
            format!("Old data is untouched on every host. Nothing is installed before {whole} verified.")
        }
    }
}

/// What became of what was in the members' places.
fn before(state: &State) -> &'static str {
    let aside = |row: &Row| matches!(&row.stand, RowState::Placed(swapped) if !swapped.aside().is_empty());
    match state.rows.iter().any(aside) {
        true => "What was there before is kept under a dated name.",
        false => "Nothing was in their places before.",
    }
}

/// What went over the wire, host by host.
fn sent(state: &State) -> Option<String> {
    let each = state.hosts.iter().filter_map(|host| match host.snapshot.as_ref()? {
        Arrived::Sent(sent) => Some(format!("{} {}", host.name, size::size(sent.packed))),
        Arrived::Had(_) if crate::domain::model::host_address::is_local(&host.name) => None,
        Arrived::Had(_) => Some(format!("{} had it", host.name)),
    });
    let each: Vec<String> = each.collect();
    (!each.is_empty()).then(|| format!("Snapshot sent: {}.", each.join(", ")))
}

fn cells(state: &State, row: &Row, now_ms: u64) -> Vec<Spot> {
    let mut cells: Vec<Spot> = vec![(row.host.clone(), Tone::Plain), (row.name.clone(), Tone::Plain)];
    cells.extend(phase(state, row, now_ms));
    cells.resize(HEADS.len(), (String::new(), Tone::Plain));
    cells
}

fn phase(state: &State, row: &Row, now_ms: u64) -> Vec<Spot> {
    let meter = |words: &str, meter: &crate::tui::widgets::progress_meter::Meter| {
        let plain = |text| (text, Tone::Plain);
        vec![
            (words.to_string(), Tone::Strong),
            plain(meter.done()),
            plain(meter.rate_words(now_ms)),
            plain(meter.left(now_ms)),
        ]
    };
    let one = |words: &str, tone| vec![(words.to_string(), tone)];
    if let Some(error) = state.error(row) {
        return match error.kind {
            ErrorKind::Stopped => one("! stopped", Tone::Warn),
            _ => one(&format!("✖ {}", error.sentence()), Tone::Bad),
        };
    }
    let here = state.host_of(row).map(|host| &host.at);
    match (&row.stand, here) {
        (_, Some(At::Halts(_))) => one("stopping what runs there", Tone::Strong),
        (RowState::Works(at), _) => meter(at.phase().words(), at),
        (RowState::Built(r), _) => vec![
            (format!("✔ verified, {} keys", number::signed(r.keys)), Tone::Good),
            (size::size(r.bytes), Tone::Plain),
        ],
        (RowState::Moving, _) => one("! half installed", Tone::Warn),
        (RowState::Undoing, _) => one("! half rolled back", Tone::Warn),
        (RowState::Placed(swapped), _) => {
            let keys = number::signed(swapped.restored.keys);
            vec![(format!("✔ installed, {keys} keys"), Tone::Good), (size::size(swapped.restored.bytes), Tone::Plain)]
        }
        (RowState::Out(_), _) => one("✔ rolled back", Tone::Good),
        (RowState::Discarded, _) => one("✔ can be built; removed", Tone::Good),
        (_, Some(At::Program(at))) => meter("sending the program", at),
        (_, Some(At::Snapshot(at))) => {
            let words = match at.phase() {
                crate::engine::progress::Phase::Receive => "sending snapshot",
                phase => phase.words(),
            };
            meter(words, at)
        }
        (_, Some(At::Ready)) => one("ready", Tone::Plain),
        _ if state.running() => one("waits", Tone::Faint),
        _ => one("not finished", Tone::Faint),
    }
}

/// What is known of a member.
fn about(state: &State, row: &Row) -> Vec<String> {
    let read_back = |r: &Restored| {
        format!(
            "member {}, cluster {}, revision {}, {} keys, {}",
            r.member_id,
            r.cluster_id,
            number::signed(r.revision),
            number::signed(r.keys),
            size::size(r.bytes)
        )
    };
    let went = |list: &[(std::path::PathBuf, std::path::PathBuf)]| -> Vec<String> {
        list.iter().map(|(from, to)| format!("{} is now {}", from.shown(), to.shown())).collect()
    };
    match &row.stand {
        RowState::Built(restored) => vec![read_back(restored)],
        RowState::Placed(swapped) => {
            let mut lines = vec![read_back(&swapped.restored)];
            lines.extend(went(&swapped.aside()).into_iter().map(|line| format!("What was at {line}")));
            lines
        }
        RowState::Out(list) => went(list),
        _ => match state.host_of(row).map(|host| &host.at) {
            Some(At::Halts(halt)) => vec![halt.commands.join(" && ")],
            _ => Vec::new(),
        },
    }
}

/// The details of the selected member: what went wrong and the way out, what is known, its host's log.
pub(crate) fn details(model: &Model) -> (String, Vec<String>) {
    let state = &model.restore;
    let Some(row) = selected(model) else { return (String::new(), Vec::new()) };
    let mut lines = Vec::new();
    if let Some(error) = state.error(row) {
        lines.push(format!("{}.", error.what));
        if !error.why.is_empty() {
            lines.push(format!("Why: {}", error.why));
        }
        let advice = advice(error);
        if !advice.is_empty() {
            lines.push("What to do:".into());
            lines.extend(advice.lines().map(|line| format!("  {}", line.trim())));
        }
        lines.push(String::new());
        lines.push("Your previous data is untouched or back in place. What was built waits in staging.".into());
        lines.push("Press t to resume this plan on every host from its first incomplete step.".into());
    }
    lines.extend(about(state, row));
    if let Some(host) = state.host_of(row) {
        lines.extend(log(host));
    }
    (format!("{} on {}: {}", row.name, row.host, row.dir), lines)
}

fn log(host: &Host) -> Vec<String> {
    let mut lines = vec![String::new(), format!("Log of {}:", host.name)];
    match &host.snapshot {
        Some(Arrived::Sent(sent)) => lines.push(format!(
            "  The snapshot was sent there once: {}, sent as {} on the wire.",
            size::size(sent.bytes),
            size::size(sent.packed)
        )),
        Some(Arrived::Had(path)) => lines.push(format!("  The snapshot was already there: {}", path.shown())),
        None => {}
    }
    if host.log.is_empty() {
        lines.push("  Nothing yet.".into());
    }
    lines.extend(host.log.iter().flat_map(|(_, text)| text.lines()).map(|line| format!("  {line}")));
    lines
}

/// What still runs on the members' directories, with what stops it.
pub(in crate::tui) fn halts(state: &State) -> Vec<String> {
    let line = |(host, running): &(String, crate::domain::preflight::host_report::Running)| {
        format!("{host}: {}", running.halt.commands.join(" && "))
    };
    state.runs.iter().map(line).collect()
}

/// The members that are installed or built, by name.
pub(in crate::tui) fn taken_back(state: &State) -> String {
    let there = |row: &&Row| {
        matches!(row.stand, RowState::Placed(_) | RowState::Built(_) | RowState::Moving | RowState::Undoing)
    };
    let names: Vec<String> = state.rows.iter().filter(there).map(|row| row.name.clone()).collect();
    all(&names)
}
