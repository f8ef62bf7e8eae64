//! The decisions on the way to a restore, screen by screen, for the journal, which records them before anything starts.
//! A function of the model alone. It includes nothing secret: what is typed into a flag is part of the plan, and of an
//! endpoint only scheme, host and port are kept.

use serde_json::{Value, json};

use crate::{
    domain::{
        members::{cell::Origin, table::Column},
        model::plan::Plan,
        sources::{
            data_loss::Entries,
            ranking::{Place, Source},
        },
    },
    text::{
        Shown,
        join::all,
        number::{plural, thousands},
    },
    tui::widgets::remedies,
    tui::{
        selectors::{hosts, revision_bump::offer_words},
        state::model::Model,
    },
};

/// Each decision in a sentence and for programs, in the order of the screens.
pub fn decisions(model: &Model) -> Vec<(String, Value)> {
    let Some(plan) = &model.review.plan else { return Vec::new() };
    let mut out = detect(model);
    if model.review.pinned {
        let text = format!("Plan {} of an earlier run is resumed", plan.short_id());
        out.push((text, json!({"step": "start", "plan": plan.short_id()})));
    } else {
        out.extend(snapshot(model));
        out.push(table(model));
        out.push(options(model, plan));
    }
    out.extend(hosts(model));
    out.extend(review(model, plan));
    out.push((
        format!("The label {} was typed: plan {} is carried out", plan.label, plan.short_id()),
        json!({"step": "review", "label": plan.label, "plan": plan.short_id()}),
    ));
    let bare: Vec<(String, String)> = model
        .detect
        .rows
        .iter()
        .map(|row| (row.facts.endpoint.clone(), plain(&row.facts.endpoint)))
        .filter(|(endpoint, plain)| endpoint != plain)
        .collect();
    out.into_iter().map(|(text, data)| (scrubbed(&text, &bare), scrub(data, &bare))).collect()
}

fn scrubbed(text: &str, bare: &[(String, String)]) -> String {
    bare.iter().fold(text.to_string(), |text, (endpoint, plain)| text.replace(endpoint, plain))
}

/// The same data, with secrets removed from every endpoint.
fn scrub(data: Value, bare: &[(String, String)]) -> Value {
    match data {
        Value::String(text) => Value::String(scrubbed(&text, bare)),
        Value::Array(items) => items.into_iter().map(|item| scrub(item, bare)).collect(),
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (key, scrub(value, bare))).collect()),
        other => other,
    }
}

/// The verdict, with the numbers that it follows from.
fn detect(model: &Model) -> Vec<(String, Value)> {
    let state = &model.detect;
    let found = state.finding();
    let gone: Vec<String> = state.gone().into_iter().collect();
    let asked: Vec<&String> = state.rows.iter().map(|row| &row.facts.endpoint).collect();
    let mut out = vec![(
        format!("Detect: {}", found.sentence),
        json!({
            "step": "detect", "verdict": found.verdict.name(), "voters": found.voters, "needed": found.needed,
            "answering": found.answering, "may_come_back": found.may_come_back, "gone": found.gone, "rule": found.rule,
            "asked": asked,
        }),
    )];
    let scope = state.scope();
    if let Some(id) = state.meant {
        let text = format!("Detect: the operator chose cluster {id}");
        out.push((text, json!({"step": "detect", "cluster": id, "clusters": scope.clusters})));
    }
    if let Some(words) = scope.sentence() {
        out.push((format!("Detect, shown: {words}"), json!({"step": "detect", "shown": words, "open": scope.open()})));
    }
    if !gone.is_empty() {
        let text =
            format!("Detect: the operator says that {} {} gone for good", all(&gone), plural(gone.len(), "is", "are"));
        out.push((text, json!({"step": "detect", "gone": gone})));
    }
    if state.passed {
        let text = "Detect: the label was typed to continue although quorum is not clearly lost";
        out.push((text.into(), json!({"step": "detect", "label": model.label})));
    }
    out
}

/// The chosen source: what it loses, why it can be taken, and which others differ.
fn snapshot(model: &Model) -> Vec<(String, Value)> {
    let state = &model.snapshot;
    let Some(source) = state.source() else { return Vec::new() };
    let listed = state.list.get(&Place::File(source.path.clone()));
    let loses = listed.map(|listed| listed.loses(state.list.newest.as_ref())).unwrap_or_default();
    let rank = listed.and_then(|listed| state.list.sources.iter().position(|s| s.place == listed.place));
    let unhashed = state.agreed.contains(&source.path);
    let content = source.content.as_ref();
    let mut out = vec![(
        format!(
            "Snapshot: {} is restored, revision {}. {}",
            source.path.shown(),
            thousands(content.map_or(0, |c| c.revision.unsigned_abs())),
            loses.join(" ")
        ),
        json!({
            "step": "snapshot", "source": source.path, "sha256": content.map(|c| &c.sha256),
            "revision": content.map(|c| c.revision), "keys": content.map(|c| c.keys), "loses": loses,
            "loss": listed.map(loss),
            "newest": state.list.newest.as_ref().map(|n| &n.words), "rank": rank.map(|rank| rank + 1),
            "of_sources": state.list.sources.len(), "without_checksum": unhashed,
            "warnings": listed.map(|listed| &listed.warnings),
        }),
    )];
    if unhashed {
        let text = format!("Snapshot: {} was accepted without a checksum", source.path.shown());
        out.push((text, json!({"step": "snapshot", "without_checksum": source.path})));
    }
    for words in [&state.list.differing, &state.list.ahead].into_iter().flatten() {
        out.push((format!("Snapshot, shown: {words}"), json!({"step": "snapshot", "shown": words})));
    }
    out
}

/// What is known of a source's loss, for programs: how many revisions, how certain that is, and how many log entries.
fn loss(source: &Source) -> Value {
    let mut value = json!(source.loss.lost());
    if let (Some(object), Entries::Beyond { all, .. }) = (value.as_object_mut(), source.loss.entries) {
        object.insert("log_entries".into(), all.into());
    }
    value
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Typed => "typed",
        Origin::Snapshot => "the snapshot",
        Origin::Answer => "an answer",
        Origin::Config => "a configuration",
        Origin::Inventory => "the inventory",
        Origin::Proposed => "a proposal",
    }
}

/// The member table, each cell with where it came from.
fn table(model: &Model) -> (String, Value) {
    let rows: Vec<Value> = model
        .members
        .rows
        .iter()
        .map(|row| {
            let cells = Column::ALL.iter().filter(|column| !row.text(**column).is_empty());
            let cells = cells.map(|column| {
                let cell = row.cell(*column);
                let other: Vec<Value> = cell
                    .choices()
                    .iter()
                    .filter(|(choice, _)| choice.text != cell.text)
                    .map(|(choice, from)| json!({"text": choice.text, "from": from, "origin": choice.origin}))
                    .collect();
                (
                    column.heading().to_string(),
                    json!({"text": cell.text, "from": origin(cell.origin), "origin": cell.origin, "instead_of": other}),
                )
            });
            Value::Object(cells.collect())
        })
        .collect();
    let names: Vec<String> = model.members.rows.iter().map(|row| row.text(Column::Name).to_string()).collect();
    (format!("Members: {}", all(&names)), json!({"step": "members", "rows": rows}))
}

/// What is done besides a plain restore, and why.
fn options(model: &Model, plan: &Plan) -> (String, Value) {
    let why = offer_words(model, plan.bump_revision);
    let bump = match plan.bump_revision {
        0 => "no revision bump".to_string(),
        n => format!("a revision bump of {}", thousands(n)),
    };
    let target = plan.target.map_or_else(|| "3.5 format".to_string(), |target| format!("etcd {target}"));
    (
        format!("Members: {bump}, {target}, token {}", plan.token),
        json!({
            "step": "members", "bump_revision": plan.bump_revision, "mark_compacted": plan.mark_compacted,
            "proposed": why, "target": plan.target, "token": plan.token, "options": plan.options,
        }),
    )
}

/// What was seen of each host.
fn hosts(model: &Model) -> Vec<(String, Value)> {
    let Some(plan) = &model.hosts.plan else { return Vec::new() };
    let each = model.hosts.looks.iter().map(|look| {
        let rows: Vec<String> =
            look.members.iter().map(|at| hosts::row_words(plan, look, *at, model.now()).2).collect();
        let data = json!({"step": "review", "host": look.host, "ready": look.ready(), "seen": rows});
        (format!("Review: {}: {}", look.host, rows.join("; ")), data)
    });
    each.collect()
}

/// What was shown, overridden and agreed to.
fn review(model: &Model, plan: &Plan) -> Vec<(String, Value)> {
    let review = &model.review;
    let mut out = Vec::new();
    for problem in &review.warnings {
        let member = problem.row.and_then(|row| plan.members.get(row)).map(|m| m.name.as_str());
        let who = member.map(|name| format!("{name}: ")).unwrap_or_default();
        out.push((
            format!("Review, shown: {who}{}", remedies::problem(problem)),
            json!({"step": "review", "warning": problem.text, "member": member}),
        ));
    }
    for fence in &review.fences.found {
        let data = json!({"step": "review", "fence": fence.what, "evidence": fence.evidence, "typed": fence.typed});
        out.push((format!("Review, shown: {}", fence.sentence()), data));
    }
    for (typed, reason) in review.fences.overrides() {
        let data = json!({"step": "review", "override": typed, "reason": reason});
        out.push((format!("Review: override {typed} was typed: {reason}"), data));
    }
    for (host, halt) in &review.consent {
        let commands = halt.commands.join(" && ");
        let data =
            json!({"step": "review", "consent": {"host": host, "commands": halt.commands, "data_dir": halt.data_dir}});
        out.push((
            format!("Review: consent to stop the etcd on {} on {host}: {commands}", halt.data_dir.shown()),
            data,
        ));
    }
    out
}

/// An endpoint reduced to its scheme, host and port.
fn plain(endpoint: &str) -> String {
    let (scheme, rest) = endpoint.split_once("://").map_or(("", endpoint), |(scheme, rest)| (scheme, rest));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    if scheme.is_empty() { host.to_string() } else { format!("{scheme}://{host}") }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn an_endpoint_without_its_password() {
        for (endpoint, shown) in [
            ("https://10.0.0.1:2379", "https://10.0.0.1:2379"),
            ("10.0.0.1:2379", "10.0.0.1:2379"),
            ("https://root:hunter2@10.0.0.1:2379", "https://10.0.0.1:2379"),
            ("root:a@b@10.0.0.1", "10.0.0.1"),
            ("https://root:a?b@10.0.0.1:2379/?token=x", "https://10.0.0.1:2379"),
        ] {
            assert_eq!(plain(endpoint), shown);
        }
    }
}
