//! How Detect is drawn: the verdict, a row for each member, what is to be done, and everything that one member
//! reported.

use ratatui::text::Span;

use crate::{
    domain::{
        model::observations::{Answer, EndpointFacts, Hashed, MemberStatus, OwnHealth, Read, Source},
        quorum::{
            newest_dir,
            scope::{Belongs, Scope},
            verdict::{QuorumReport, QuorumVerdict},
        },
    },
    etcd::membership::Id,
    text::{Shown, columns, join, number, size, time},
    tui::widgets::remedies,
    tui::{
        selectors::filter,
        state::{
            detect::{AGAIN_MS, Asked, State},
            model::Model,
        },
        widgets::{
            layout::{Head, Page, Spot},
            theme::Tone,
        },
    },
};

pub(crate) fn details(model: &Model) -> (String, Vec<String>) {
    let Some(row) = model.detect.rows.get(model.detect.at) else { return (String::new(), Vec::new()) };
    let mut lines = about(&model.detect, row);
    if !model.detect.dirs.is_empty() {
        lines.extend([String::new(), "Data directories on this machine:".into()]);
    }
    let scope = model.detect.scope();
    for dir in &model.detect.dirs {
        let from = if dir.learned_from.is_empty() { String::new() } else { format!(" (from {})", dir.learned_from) };
        let other = if scope.of_dir(dir) == Belongs::Other { "of ANOTHER cluster: " } else { "" };
        let copy = newest_dir::clause(dir, &model.detect.dirs);
        lines.push(format!("  {}{copy}{from}: {other}{}", dir.data_dir.shown(), dir.words()));
    }
    let finding = model.detect.finding();
    if !finding.rule.is_empty() {
        lines.push(String::new());
        lines.push(format!("The rule: {}", join::sentence(&finding.rule)));
    }
    (format!("{}  {}", model.detect.name(&row.facts), row.facts.endpoint), lines)
}

/// Everything that a member reported, or why it did not.
fn about(state: &State, row: &Asked) -> Vec<String> {
    let mut lines = Vec::new();
    if row.gone {
        lines.push("You marked this member as gone for good (g unmarks it).".to_string());
    }
    match &row.facts.answer {
        Answer::Asking => lines.push("Still being asked.".to_string()),
        Answer::Silent { why, details } => {
            lines.push(format!("No answer: {why}."));
            lines.extend(details.lines().map(str::to_string));
        }
        Answer::Says(says) => said(state, says, &mut lines),
    }
    lines
}

fn said(state: &State, says: &MemberStatus, lines: &mut Vec<String>) {
    if let Some(why) = &says.closed {
        lines.push(format!("It is alive, although its client port gives no status: {why}."));
    }
    let or = |text: &str| if text.is_empty() { "?".to_string() } else { text.to_string() };
    let storage =
        if says.storage_version.is_empty() { String::new() } else { format!("   storage {}", says.storage_version) };
    lines.push(format!("etcd {}   cluster version {}{storage}", or(&says.version), or(&says.cluster_version)));
    lines.push(format!("member ID {}   cluster ID {}", says.member_id, says.cluster_id));
    let applied = if says.raft_applied == 0 || says.raft_applied == says.raft_index {
        String::new()
    } else {
        format!(" ({} applied)", number::signed(says.raft_applied))
    };
    lines.push(format!(
        "revision {}   term {}   index {}{applied}",
        number::signed(says.revision),
        says.raft_term,
        number::signed(says.raft_index)
    ));
    lines.push(format!(
        "{}   database {}, {} in use",
        says.leader_words(),
        database(says),
        size::size(says.db_bytes_in_use)
    ));
    lines.push(format!("alarms: {}   HashKV: {}", alarms(state, says), hash_words(&says.hash)));
    match &says.read {
        Read::NotAsked => {}
        Read::Served => lines.push("A linearizable read through it succeeded.".into()),
        Read::Failed(why) => lines.push(format!("A linearizable read through it failed: {why}")),
    }
    match &says.local_read {
        Read::NotAsked => {}
        Read::Served => lines.push("It serves serializable reads from what it has.".into()),
        Read::Failed(why) => lines.push(format!("A serializable read failed: {why}")),
    }
    match &says.health {
        OwnHealth::Untold => {}
        OwnHealth::Good => lines.push("/health: good".into()),
        OwnHealth::Bad(why) if why.is_empty() => lines.push("/health: not healthy".into()),
        OwnHealth::Bad(why) => lines.push(format!("/health: not healthy, {why}")),
    }
    lines.extend(says.errors.iter().map(|e| format!("it reports an error: {e}")));
    if !says.heard.is_empty() {
        let doors: Vec<&str> = says.heard.iter().map(|s| door(*s)).collect();
        lines.push(format!("seen at: {}", doors.join(", ")));
    }
    lines.push(String::new());
    lines.push("Members that it knows:".into());
    for m in &says.members {
        let learner = if m.is_learner { " (learner)" } else { "" };
        let name = if m.name.is_empty() { "(never started)" } else { &m.name };
        lines.push(format!("  {name}{learner}  {}", m.id));
        lines.push(format!("    peer {}", m.peer_urls.join(",")));
        if !m.client_urls.is_empty() {
            lines.push(format!("    client {}", m.client_urls.join(",")));
        }
    }
}

fn door(source: Source) -> &'static str {
    match source {
        Source::Client => "client port",
        Source::Header => "header of a refusal",
        Source::Health => "/health",
        Source::Version => "/version",
        Source::Metrics => "/metrics",
        Source::Peer => "peer port",
    }
}

/// `none`, or `NOSPACE of m1`.
fn alarms(state: &State, says: &MemberStatus) -> String {
    if says.alarms.is_empty() {
        return if says.closed.is_some() { "unknown".into() } else { "none".into() };
    }
    let name = |id: Id| {
        let known = state.rows.iter().filter_map(|r| match &r.facts.answer {
            Answer::Says(says) => Some(&says.members),
            _ => None,
        });
        let found = known.flatten().find(|m| m.id == id && !m.name.is_empty());
        found.map_or_else(|| id.to_string(), |m| m.name.to_string())
    };
    let each: Vec<String> = says.alarms.iter().map(|a| format!("{} of {}", a.kind, name(a.member))).collect();
    each.join(", ")
}

fn hash_words(hash: &Hashed) -> String {
    match hash {
        Hashed::NotAsked => "not asked".into(),
        Hashed::Asking => "asking …".into(),
        Hashed::Failed(why) | Hashed::Compacted(why) => why.to_string(),
        Hashed::Says { hash, revision, compacted } => {
            let compacted =
                if *compacted > 0 { format!(" (compacted {})", number::signed(*compacted)) } else { String::new() };
            format!("{hash:08x} at revision {}{compacted}", number::signed(*revision))
        }
    }
}

fn database(says: &MemberStatus) -> String {
    let quota = says.quota_bytes.map_or_else(String::new, |q| format!(" of {} quota", size::size(q)));
    format!("{}{quota}", size::size(says.db_bytes))
}

/// How a verdict is marked.
pub fn mark(verdict: QuorumVerdict) -> (&'static str, Tone) {
    match verdict {
        QuorumVerdict::Healthy => (" ✔ ", Tone::Good),
        QuorumVerdict::LostForNow | QuorumVerdict::LostForGood | QuorumVerdict::Forked => (" ✖ ", Tone::Bad),
        QuorumVerdict::Asking => (" … ", Tone::Plain),
        QuorumVerdict::Degraded | QuorumVerdict::Unsettled | QuorumVerdict::NoLeader | QuorumVerdict::Split => {
            (" ! ", Tone::Warn)
        }
        QuorumVerdict::Unknown | QuorumVerdict::Unconfirmed => (" ? ", Tone::Warn),
    }
}

const HEADS: [Head; 5] = [
    Head { title: "member", right: false, most: 16 },
    Head { title: "client URL", right: false, most: 44 },
    Head { title: "says", right: false, most: 40 },
    Head { title: "revision", right: true, most: 16 },
    Head { title: "term/index", right: true, most: 18 },
];

pub(crate) fn draw(model: &Model, page: &mut Page<'_>) {
    let state = &model.detect;
    let scope = state.scope();
    if state.rows.is_empty() {
        page.sentence(" ? ", "No member to ask is known yet.", Tone::Warn, 2);
        if let Some(words) = scope.sentence() {
            page.sentence(" ! ", &format!("{words} c chooses one."), Tone::Warn, 4);
        }
        page.gap();
        let named = match state.configured().as_slice() {
            [] => String::new(),
            urls => format!(" (proposed: {}, from configurations on this machine)", urls.join(", ")),
        };
        let words = format!(
            "enter the client URLs of the cluster's members{named}: each is asked what it knows, and none of them is \
             changed."
        );
        page.sentence("   e  ", &words, Tone::Plain, 4);
        page.sentence("   n  ", "continue with files alone, if no member can be reached from here.", Tone::Plain, 3);
        return;
    }
    let finding = state.finding();
    let (glyph, tone) = mark(finding.verdict);
    page.sentence(glyph, &join::sentence(&finding.sentence), tone, 5);
    if let Some(words) = apart(state, &finding) {
        page.sentence(" ✖ ", &words, Tone::Bad, 3);
    }
    if let Some(words) = scope.sentence() {
        page.sentence(" ! ", &format!("{words} c chooses one."), Tone::Warn, 3);
    }
    match asked(model) {
        Some(words) => {
            page.say(&columns::pad(&words, page.width().saturating_sub(1), columns::Align::Right), Tone::Faint)
        }
        None => page.gap(),
    }
    let seen = filter::seen(model);
    let rows: Vec<Vec<Spot>> = state.rows.iter().map(|r| cells(model, r)).collect();
    let widths = page.widths(&HEADS, &rows);
    page.heads(&HEADS, &widths);
    let row = |at: &usize| Some(page.row(&HEADS, &widths, rows.get(*at)?, *at == state.at));
    let lines: Vec<_> = seen.iter().filter_map(row).collect();
    let at = seen.iter().position(|at| *at == state.at).unwrap_or(0);
    // the advice is worth more than the tenth silent member
    let most = page.left().saturating_sub(6).max(3);
    page.list(lines, at..at + 1, most);
    if page.left() > 4 {
        page.gap();
    }
    let lines = text(model, &finding, &scope, page);
    page.text(lines, model.below);
}

/// Members that hold different data, where the verdict's own sentence does not name them.
fn apart(state: &State, finding: &QuorumReport) -> Option<String> {
    let named = matches!(
        finding.verdict,
        QuorumVerdict::Healthy | QuorumVerdict::Degraded | QuorumVerdict::Forked | QuorumVerdict::Split
    );
    let differ = finding.disagreement.as_ref().filter(|_| !named)?;
    let facts = state.facts();
    let name = |endpoint: &str| {
        let fact = facts.iter().find(|f| f.endpoint == endpoint);
        fact.map_or_else(|| endpoint.to_string(), |fact| state.name(fact))
    };
    Some(format!("{}. Which of them is right has to be found out before a restore.", differ.words(name)))
}

type Lines = Vec<Vec<Span<'static>>>;

/// What is below the table: the advice first, then what it follows from.
fn text(model: &Model, finding: &QuorumReport, scope: &Scope, page: &Page<'_>) -> Lines {
    let state = &model.detect;
    let mut out = Lines::new();
    let mut say = |mark: &str, words: &str, tone| out.extend(page.flow(mark, words, tone, usize::MAX));
    for advice in &finding.advice {
        say(" · ", &remedies::advised(advice, &advice.remedies), Tone::Plain);
    }
    say("", "", Tone::Plain);
    if let Some(line) = state.rows.get(state.at).and_then(|row| selected(model, &row.facts)) {
        say("   ", &line, Tone::Plain);
    }
    let dirs = state.own_dirs();
    for dir in &dirs {
        let place = format!("{}{}", dir.data_dir.shown(), newest_dir::clause(dir, &state.dirs));
        say("   ", &format!("On this machine, {place}: {}", dir.words()), Tone::Plain);
    }
    let others: Vec<String> = scope.others().map(|c| c.words()).collect();
    if !others.is_empty() {
        say("   ", &format!("Of another cluster, not counted: {}.", others.join("; ")), Tone::Faint);
    }
    if !finding.rule.is_empty() {
        say("   ", &format!("The rule: {}", join::sentence(&finding.rule)), Tone::Faint);
    }
    let Some(row) = state.rows.get(state.at) else { return out };
    say("", "", Tone::Plain);
    let name = Some(state.name(&row.facts)).filter(|name| name != "?");
    say(" ", &format!("Answer of {}:", name.unwrap_or_else(|| row.facts.endpoint.clone())), Tone::Strong);
    for line in about(state, row) {
        say("   ", &line, Tone::Faint);
    }
    out
}

/// When the members were asked last, and when they are asked again.
fn asked(model: &Model) -> Option<String> {
    let at = model.detect.asked_at?;
    let clock = time::clock(model.started.saturating_add(i64::try_from(at / 1000).unwrap_or(0)));
    // as lines nothing is asked without being told to
    let again = if model.look.plain { String::new() } else { format!(", again every {} s", AGAIN_MS / 1000) };
    Some(format!("asked at {clock} UTC{again}"))
}

fn cells(model: &Model, row: &Asked) -> Vec<Spot> {
    let facts = &row.facts;
    let plain = |t: String| (t, Tone::Plain);
    let none = || ("–".to_string(), Tone::Faint);
    let head = [plain(model.detect.name(facts)), plain(facts.endpoint.clone())];
    let tail = match &facts.answer {
        Answer::Asking => [("asking …".to_string(), Tone::Faint), none(), none()],
        Answer::Silent { why, .. } if row.gone => {
            let short = format!("gone for good ({why})");
            [(if columns::width(&short) > 24 { "gone for good".into() } else { short }, Tone::Bad), none(), none()]
        }
        Answer::Silent { why, .. } => [(why.to_string(), Tone::Bad), none(), none()],
        Answer::Says(says) => {
            let well = says.has_leader() && says.read == Read::Served && says.alarms.is_empty();
            let tone = if well { Tone::Good } else { Tone::Warn };
            // what only its peer port shows has no numbers
            if says.revision == 0 && says.closed.is_some() {
                return head.into_iter().chain([(says.leader_words(), tone), none(), none()]).collect();
            }
            [
                (says.leader_words(), tone),
                plain(number::signed(says.revision)),
                plain(format!("{} / {}", says.raft_term, number::signed(says.raft_index))),
            ]
        }
    };
    head.into_iter().chain(tail).collect()
}

/// One line on the selected member.
fn selected(model: &Model, facts: &EndpointFacts) -> Option<String> {
    let name = model.detect.name(facts);
    Some(match &facts.answer {
        Answer::Asking => return None,
        Answer::Silent { details, why } => {
            let details = details.lines().next().filter(|l| !l.is_empty());
            let details = details.map_or_else(|| why.to_string(), str::to_string);
            crate::domain::quorum::probe_rounds::about(&name, &facts.endpoint, &details)
        }
        Answer::Says(says) if says.closed.is_some() && says.revision == 0 => {
            format!("{name} is alive at its peer port. {}", says.errors.join("; "))
        }
        Answer::Says(says) => {
            let hash = match &says.hash {
                Hashed::Says { hash, revision, .. } => format!(", HashKV {hash:08x} at {}", number::signed(*revision)),
                _ => String::new(),
            };
            let complaints = if says.errors.is_empty() { "no errors".to_string() } else { says.errors.join("; ") };
            let version = if says.version.is_empty() { "?" } else { &says.version };
            let alarms = alarms(&model.detect, says);
            format!("{name}: etcd {version}, db {}, alarms {alarms}{hash}; {complaints}", database(says))
        }
    })
}
