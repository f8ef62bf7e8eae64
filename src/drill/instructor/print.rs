//! A drill's words as lines for a terminal or a log.

use super::{Inject, Now, Scene, Word, command, tame};
use crate::{
    drill::{
        debrief::{self, Objective},
        session::{Happened, What},
    },
    text::columns::{self, Align, pad},
};

/// A word as text, lines ended.
pub fn text(word: &Word) -> String {
    match word {
        Word::Scene(scene) => self::scene(scene),
        Word::Happened(happened) => format!("{}\n", self::happened(happened)),
        Word::Now(now) => format!("{}\n", self::now(now)),
        Word::Goals(goals) => goals.iter().map(|goal| format!("  {}\n", self::goal(goal))).collect(),
        Word::Done(done) => format!("ok: {}\n", tame(done)),
        Word::Refused(why) => format!("no: {}\n", tame(why)),
        Word::Over(debrief) => format!("\n{}", debrief::print::text(debrief)),
    }
}

/// `02:13`.
pub fn clock(ms: u64) -> String {
    format!("{:02}:{:02}", ms / 60_000, ms / 1000 % 60)
}

/// A line of the timeline.
pub fn happened(happened: &Happened) -> String {
    format!("{}  {}  {}", clock(happened.at_ms), pad(kind(happened.what), KIND, Align::Left), tame(&happened.text))
}

/// The columns of [`kind`].
pub const KIND: usize = 8;

/// What a line is about, in at most [`KIND`] letters.
pub fn kind(what: What) -> &'static str {
    match what {
        What::Step => "step",
        What::Asked => "asks",
        What::Source => "source",
        What::Hand => "hands",
        What::Inject => "inject",
        What::Note => "note",
        What::Hint => "mistake",
        What::Tip => "hint",
        What::Override => "override",
        What::Restore => "restore",
        What::Proof => "proof",
        What::Pause => "clock",
        What::End => "end",
    }
}

/// An objective with what shows it.
pub fn goal(goal: &Objective) -> String {
    format!("{} {} ({})", if goal.met { '✔' } else { '✖' }, tame(&goal.says), tame(&goal.evidence))
}

/// How things stand.
pub fn now(now: &Now) -> String {
    let stands = if now.stands { ", and the clock stands still" } else { "" };
    let step = now.step.as_deref().unwrap_or("the story");
    let chosen = now.chosen.as_deref().map_or("nothing is chosen".into(), |path| format!("chosen: {}", tame(path)));
    let run = if now.run.is_empty() { "no old member runs".into() } else { format!("{} runs", now.run.join(", ")) };
    let failed =
        if now.failed.is_empty() { String::new() } else { format!("; failed: {}", tame(&now.failed.join(" "))) };
    let (mistakes, asked) = now.hints;
    format!(
        "{}, at {step}{stands}; {chosen}; {run}; hints: {mistakes} for mistakes, {asked} asked for{failed}",
        clock(now.at_ms)
    )
}

/// An inject: its name, what happens, when it comes by itself, what is heard of it.
pub fn inject(inject: &Inject) -> String {
    let when = match inject.when.as_str() {
        "never" => "only from you".to_string(),
        when => format!("by itself when {when}"),
    };
    let does = if inject.does.is_empty() { "nothing is done".into() } else { inject.does.join(", ") };
    let says = if inject.says.is_empty() { "the trainee hears nothing".into() } else { format!("\"{}\"", inject.says) };
    tame(&format!("{}: {does}; {when}; {says}", inject.name))
}

/// Everything there is to know before looking on.
pub fn scene(scene: &Scene) -> String {
    let anew = if scene.begins { "The trainee begins: " } else { "" };
    let mut out = format!("{anew}{} ({}, seed {}; {})\n", scene.title, scene.scenario, scene.seed, scene.members_are);
    let mut part = |heading: &str, lines: Vec<String>| {
        out.push_str(&format!("\n{heading}\n"));
        lines.iter().for_each(|line| out.push_str(&format!("  {}\n", tame(line))));
    };
    part("What the trainee was told:", scene.brief.lines().map(str::to_string).collect());
    match scene.injects.is_empty() {
        true => part("The scenario has no injects of its own; act does something.", Vec::new()),
        false => part("What you can let happen:", scene.injects.iter().map(inject).collect()),
    }
    part("How the expert goes:", scene.path.clone());
    if scene.lookers > 1 {
        part(&format!("{} look on, you among them.", scene.lookers), Vec::new());
    }
    part("So far:", scene.timeline.iter().map(happened).collect());
    out
}

/// What can be typed.
pub fn help() -> String {
    let rows: Vec<[String; 2]> =
        command::WORDS.iter().map(|(words, does)| [format!("  {words}"), (*does).into()]).collect();
    columns::rows(&rows, [Align::Left; 2])
}
