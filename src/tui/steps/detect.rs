//! Detect: is quorum lost, and must I restore? Every member is asked at once, each answer is shown
//! as it comes, and the verdict stands above them in words.

use super::super::{
    app::{Effect, Model, Overlay, moved},
    keys::Action,
    page::{Head, Page, Spot},
    prompt::Ask,
    text,
    theme::Tone,
};
use crate::{
    etcd::membership::Id,
    plan::{
        facts::{Answer, EndpointFacts, MemberSays, Read},
        verdict::{Finding, Gate, Verdict, verdict},
    },
};

/// More members than this are not asked by themselves, only when they are typed.
const MOST_DISCOVERED: usize = 16;

/// One member that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The effect whose answer counts.
    pub id: u64,
    /// The URL, and what came back.
    pub facts: EndpointFacts,
    /// True where another member named this URL.
    pub discovered: bool,
}

/// The step's state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Who was asked.
    pub rows: Vec<Asked>,
    /// The selected one.
    pub at: usize,
    /// True once the label was typed to go on although quorum is not plainly lost.
    pub passed: bool,
}

impl State {
    pub(in crate::tui) fn new(endpoints: &[String]) -> Self {
        let rows = endpoints.iter().map(|e| asked(e, false)).collect();
        State { rows, ..State::default() }
    }

    /// What was seen, for the pure rooms.
    pub fn facts(&self) -> Vec<EndpointFacts> {
        self.rows.iter().map(|r| r.facts.clone()).collect()
    }

    /// How many are still being asked.
    pub fn asking(&self) -> usize {
        self.rows.iter().filter(|r| r.id != 0 && r.facts.answer == Answer::Asking).count()
    }

    /// The verdict on what was seen.
    pub fn finding(&self) -> Finding {
        verdict(&self.facts())
    }

    fn says(&self) -> impl Iterator<Item = &MemberSays> {
        self.rows.iter().filter_map(|r| says(&r.facts))
    }

    /// The name of the member behind an endpoint: as it says itself, else as another member lists
    /// that URL.
    pub fn name(&self, facts: &EndpointFacts) -> String {
        let own = says(facts).and_then(|s| s.members.iter().find(|m| m.id == s.member_id));
        let listed = || {
            let known = self.says().flat_map(|s| &s.members);
            known.into_iter().find(|m| m.client_urls.iter().any(|u| same_url(u, &facts.endpoint)))
        };
        own.or_else(listed).map(|m| m.name.clone()).filter(|n| !n.is_empty()).unwrap_or_else(|| "?".into())
    }
}

fn asked(endpoint: &str, discovered: bool) -> Asked {
    Asked { id: 0, facts: EndpointFacts { endpoint: endpoint.to_string(), answer: Answer::Asking }, discovered }
}

/// What the member said, if it did.
pub fn says(facts: &EndpointFacts) -> Option<&MemberSays> {
    match &facts.answer {
        Answer::Says(says) => Some(says),
        _ => None,
    }
}

fn same_url(a: &str, b: &str) -> bool {
    let plain = |u: &str| u.trim_end_matches('/').to_ascii_lowercase();
    let host = |u: &str| plain(u).split_once("://").map(|(_, h)| h.to_string()).unwrap_or_else(|| plain(u));
    host(a) == host(b)
}

/// Asks everybody again; answers that are still on their way no longer count.
pub(in crate::tui) fn ask_all(model: &mut Model) -> Vec<Effect> {
    model.detect.passed = false;
    let mut effects = Vec::new();
    for at in 0..model.detect.rows.len() {
        let id = model.id();
        if let Some(row) = model.detect.rows.get_mut(at) {
            row.id = id;
            row.facts.answer = Answer::Asking;
            effects.push(Effect::Ask { id, endpoint: row.facts.endpoint.clone() });
        }
    }
    effects
}

pub(in crate::tui) fn answered(model: &mut Model, id: u64, answer: Answer) -> Vec<Effect> {
    let Some(row) = model.detect.rows.iter_mut().find(|r| r.id == id && r.facts.answer == Answer::Asking) else {
        return Vec::new();
    };
    row.facts.answer = answer;
    model.propose_label();
    if model.detect.asking() == 0 { discover(model) } else { Vec::new() }
}

/// Asks the members that nobody typed but that an answer names. Only once all others were heard: a
/// member may be listed under another URL than the one at which it was asked.
fn discover(model: &mut Model) -> Vec<Effect> {
    let heard: Vec<Id> = model.detect.says().map(|s| s.member_id).collect();
    let mut found: Vec<String> = Vec::new();
    for member in model.detect.says().flat_map(|s| &s.members) {
        let known = |url: &String| {
            model.detect.rows.iter().any(|r| same_url(&r.facts.endpoint, url)) || found.iter().any(|f| same_url(f, url))
        };
        if !heard.contains(&member.id) && !member.client_urls.iter().any(known) {
            found.extend(member.client_urls.first().cloned());
        }
    }
    found.truncate(MOST_DISCOVERED);
    let mut effects = Vec::new();
    for endpoint in found {
        let id = model.id();
        model.detect.rows.push(Asked { id, ..asked(&endpoint, true) });
        effects.push(Effect::Ask { id, endpoint });
    }
    effects
}

pub(in crate::tui) fn set_endpoints(model: &mut Model, typed: &str) -> Result<Vec<Effect>, String> {
    let list: Vec<&str> = typed.split([',', ' ']).map(str::trim).filter(|e| !e.is_empty()).collect();
    let Some(first) = list.first() else { return Err("At least one client URL is needed.".into()) };
    if let Some(bad) = list.iter().find(|e| e.contains("://") && !e.starts_with("http")) {
        return Err(format!("{bad} does not begin with http:// or https://, as client URLs do."));
    }
    let _ = first;
    model.detect.rows = list.iter().map(|e| asked(e, false)).collect();
    model.detect.at = 0;
    Ok(ask_all(model))
}

/// True when going on takes typing the label.
pub(super) fn gated(model: &Model) -> bool {
    !model.detect.passed && model.detect.finding().gate() == Gate::TypeLabel && !model.detect.rows.is_empty()
}

pub(super) fn can(model: &Model, action: Action) -> Result<(), String> {
    let rows = &model.detect.rows;
    match action {
        Action::Open if rows.is_empty() => Err("There is no member in the table. e types client URLs to ask.".into()),
        Action::AskAgain if rows.is_empty() => Err("There is nobody to ask yet. e types client URLs.".into()),
        Action::Next if model.detect.asking() > 0 => {
            let waiting: Vec<&str> =
                rows.iter().filter(|r| r.facts.answer == Answer::Asking).map(|r| r.facts.endpoint.as_str()).collect();
            Err(format!("Next waits for {} to answer or to run into its deadline.", waiting.join(", ")))
        }
        _ => Ok(()),
    }
}

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Open => model.open(Overlay::Details),
        Action::AskAgain => return ask_all(model),
        Action::Endpoints => {
            let typed: Vec<String> =
                model.detect.rows.iter().filter(|r| !r.discovered).map(|r| r.facts.endpoint.clone()).collect();
            model.ask(Ask::Endpoints, typed.join(","));
        }
        action => model.detect.at = moved(model.detect.at, action, model.detect.rows.len()),
    }
    Vec::new()
}

pub(super) fn details(model: &Model) -> (String, Vec<String>) {
    let Some(row) = model.detect.rows.get(model.detect.at) else { return (String::new(), Vec::new()) };
    let mut lines = about(&row.facts);
    let finding = model.detect.finding();
    if !finding.rule.is_empty() {
        lines.push(String::new());
        lines.push(format!("The rule: {}", text::sentence(&finding.rule)));
    }
    (format!("{}  {}", model.detect.name(&row.facts), row.facts.endpoint), lines)
}

/// Everything that a member said, or why it did not.
fn about(facts: &EndpointFacts) -> Vec<String> {
    let mut lines = Vec::new();
    match &facts.answer {
        Answer::Asking => lines.push("Still being asked.".to_string()),
        Answer::Silent { why, details } => {
            lines.push(format!("No answer: {why}."));
            lines.extend(details.lines().map(str::to_string));
        }
        Answer::Says(says) => {
            lines.push(format!("etcd {}", says.version));
            lines.push(format!("member ID {}   cluster ID {}", says.member_id, says.cluster_id));
            lines.push(format!(
                "revision {}   term {}   index {}",
                text::thousands(says.revision),
                says.raft_term,
                text::thousands(says.raft_index)
            ));
            lines.push(format!("{}   database {}", leader_words(says), database(says)));
            match &says.read {
                Read::NotAsked => {}
                Read::Served => lines.push("A linearizable read through it succeeded.".into()),
                Read::Failed(why) => lines.push(format!("A linearizable read through it failed: {why}")),
            }
            lines.extend(says.errors.iter().map(|e| format!("it complains: {e}")));
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
    }
    lines
}

fn leader_words(says: &MemberSays) -> String {
    let learner = if says.is_learner { ", a learner" } else { "" };
    if says.leader == Id(0) {
        return format!("answers, no leader{learner}");
    }
    let name = says.members.iter().find(|m| m.id == says.leader).map(|m| m.name.as_str()).filter(|n| !n.is_empty());
    let name = name.map_or_else(|| says.leader.to_string(), str::to_string);
    match &says.read {
        Read::Failed(_) => format!("leader {name}, read failed{learner}"),
        _ => format!("answers, leader {name}{learner}"),
    }
}

fn database(says: &MemberSays) -> String {
    let quota = says.quota_bytes.map_or_else(String::new, |q| format!(" of {} quota", text::bytes(q)));
    format!("{}{quota}", text::bytes(says.db_bytes))
}

/// How a verdict is marked.
pub fn mark(verdict: Verdict) -> (&'static str, Tone) {
    match verdict {
        Verdict::Holds => (" ✔ ", Tone::Good),
        Verdict::Lost => (" ✖ ", Tone::Bad),
        Verdict::Asking => (" … ", Tone::Plain),
        Verdict::Unsettled | Verdict::NoLeader | Verdict::Split => (" ! ", Tone::Warn),
        Verdict::Unknown => (" ? ", Tone::Warn),
    }
}

const HEADS: [Head; 5] = [
    Head { title: "member", right: false, most: 16 },
    Head { title: "client URL", right: false, most: 44 },
    Head { title: "says", right: false, most: 40 },
    Head { title: "revision", right: true, most: 16 },
    Head { title: "term/index", right: true, most: 18 },
];

pub(super) fn draw(model: &Model, page: &mut Page<'_>) {
    let state = &model.detect;
    if state.rows.is_empty() {
        page.sentence(" ? ", "No member to ask is known yet.", Tone::Warn, 2);
        page.gap();
        page.sentence(
            "   e  ",
            "type the client URLs of the cluster's members: each is asked what it knows, and \
            none of them is changed.",
            Tone::Plain,
            3,
        );
        page.sentence("   n  ", "go on with files alone, where no member can be reached from here.", Tone::Plain, 3);
        return;
    }
    let finding = state.finding();
    let (glyph, tone) = mark(finding.verdict);
    page.sentence(glyph, &text::sentence(&finding.sentence), tone, 4);
    page.gap();
    let rows: Vec<Vec<Spot>> = state.rows.iter().map(|r| cells(model, &r.facts)).collect();
    let widths = page.widths(&HEADS, &rows);
    page.heads(&HEADS, &widths);
    let lines = rows.iter().enumerate().map(|(i, r)| page.row(&HEADS, &widths, r, i == state.at)).collect();
    // the advice is worth more than the tenth silent member
    let most = page.left().saturating_sub(6).max(3);
    page.list(lines, state.at..state.at + 1, most);
    page.gap();
    if let Some(facts) = state.rows.get(state.at).map(|r| &r.facts) {
        selected(model, facts, page);
    }
    for advice in &finding.advice {
        page.sentence(" · ", advice, Tone::Plain, 3);
    }
    if !finding.rule.is_empty() && page.left() > 1 {
        page.gap();
        page.sentence("   ", &format!("The rule: {}", text::sentence(&finding.rule)), Tone::Faint, 2);
    }
    let Some(facts) = state.rows.get(state.at).map(|r| &r.facts) else { return };
    page.more(&format!("What {} says:", state.name(facts)), &about(facts));
}

fn cells(model: &Model, facts: &EndpointFacts) -> Vec<Spot> {
    let plain = |t: String| (t, Tone::Plain);
    let none = || ("–".to_string(), Tone::Faint);
    let head = [plain(model.detect.name(facts)), plain(facts.endpoint.clone())];
    let tail = match &facts.answer {
        Answer::Asking => [("asking …".to_string(), Tone::Faint), none(), none()],
        Answer::Silent { why, .. } => [(why.clone(), Tone::Bad), none(), none()],
        Answer::Says(says) => {
            let tone = if says.leader == Id(0) || !matches!(says.read, Read::Served) { Tone::Warn } else { Tone::Good };
            [
                (leader_words(says), tone),
                plain(text::thousands(says.revision)),
                plain(format!("{} / {}", says.raft_term, text::thousands(says.raft_index))),
            ]
        }
    };
    head.into_iter().chain(tail).collect()
}

/// One line on the selected member.
fn selected(model: &Model, facts: &EndpointFacts, page: &mut Page<'_>) {
    let name = model.detect.name(facts);
    let line = match &facts.answer {
        Answer::Asking => return,
        Answer::Silent { details, why } => {
            format!("{name}: {}", details.lines().next().filter(|l| !l.is_empty()).unwrap_or(why))
        }
        Answer::Says(says) => {
            let complaints = if says.errors.is_empty() { "no complaints".to_string() } else { says.errors.join("; ") };
            format!("{name}: etcd {}, db {}, {complaints}", says.version, database(says))
        }
    };
    page.sentence("   ", &line, Tone::Plain, 2);
    page.gap();
}
