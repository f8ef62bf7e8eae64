//! Renders a drill's messages as lines for a terminal or a log.

use super::{Inject, Message, Now, Scene, command, tame};
use crate::{
    drill::{
        debrief::{self, Objective},
        session::{Happened, What},
    },
    text::columns::{self, Align, pad},
};

/// Renders a message as text, with line ends.
pub fn text(word: &Message) -> String {
    match word {
        Message::Scene(scene) => self::scene(scene),
        Message::Happened(happened) => format!("{}\n", self::happened(happened)),
        Message::Now(now) => format!("{}\n", self::now(now)),
        Message::Goals(goals) => goals.iter().map(|goal| format!("  {}\n", self::goal(goal))).collect(),
        Message::Done(done) => format!("ok: {}\n", tame(done)),
        Message::Refused(why) => format!("no: {}\n", tame(why)),
        Message::Over(debrief) => format!("\n{}", debrief::print::text(debrief)),
    }
}

/// Formats a clock, such as `02:13`.
pub fn clock(ms: u64) -> String {
    format!("{:02}:{:02}", ms / 60_000, ms / 1000 % 60)
}

/// Renders a line of the timeline.
pub fn happened(happened: &Happened) -> String {
    format!("{}  {}  {}", clock(happened.at_ms), pad(kind(happened.what), KIND, Align::Left), tame(&happened.text))
}

/// The width of [`kind`].
pub const KIND: usize = 8;

/// Returns a name for a kind of line, of at most [`KIND`] letters.
pub fn kind(what: What) -> &'static str {
    match what {
        What::Step => "step",
        What::Asked => "probe",
        What::Source => "source",
        What::Action => "action",
        What::Inject => "inject",
        What::Note => "note",
        What::Hint => "mistake",
        What::Tip => "hint",
        What::Override => "override",
        What::Restore => "restore",
        What::Proof => "verify",
        What::Pause => "clock",
        What::End => "end",
    }
}

/// Renders an objective with its evidence.
pub fn goal(goal: &Objective) -> String {
    format!("{} {} ({})", if goal.met { '✔' } else { '✖' }, tame(&goal.says), tame(&goal.evidence))
}

/// Renders the current state.
pub fn now(now: &Now) -> String {
    let paused = if now.paused { ", paused" } else { "" };
    let step = now.step.as_deref().unwrap_or("the story");
    let chosen = now.chosen.as_deref().map_or("no source chosen".into(), |path| format!("chosen: {}", tame(path)));
    let run =
        if now.run.is_empty() { "no old member running".into() } else { format!("running: {}", now.run.join(", ")) };
    let failed =
        if now.failed.is_empty() { String::new() } else { format!("; unsafe: {}", tame(&now.failed.join(" "))) };
    let (mistakes, asked) = now.hints;
    format!(
        "{}, at {step}{paused}; {chosen}; {run}; hints: {mistakes} for mistakes, {asked} asked for{failed}",
        clock(now.at_ms)
    )
}

/// Renders an inject: its name, what it does, when it is triggered automatically, what the trainee is shown.
pub fn inject(inject: &Inject) -> String {
    let when = match inject.when.as_str() {
        "never" => "triggered only by you".to_string(),
        when => format!("automatic when {when}"),
    };
    let does = if inject.does.is_empty() { "message only".into() } else { inject.does.join(", ") };
    let says = if inject.says.is_empty() { "the trainee is not told".into() } else { format!("\"{}\"", inject.says) };
    tame(&format!("{}: {does}; {when}; {says}", inject.name))
}

/// Renders everything the instructor needs at the start.
pub fn scene(scene: &Scene) -> String {
    let starts = if scene.begins { "The trainee starts: " } else { "" };
    let mut out = format!("{starts}{} ({}, seed {}; {})\n", scene.title, scene.scenario, scene.seed, scene.members_are);
    let mut part = |heading: &str, lines: Vec<String>| {
        out.push_str(&format!("\n{heading}\n"));
        lines.iter().for_each(|line| out.push_str(&format!("  {}\n", tame(line))));
    };
    part("The trainee's story:", scene.brief.lines().map(str::to_string).collect());
    match scene.injects.is_empty() {
        true => part("The scenario has no injects; use act.", Vec::new()),
        false => part("Injects:", scene.injects.iter().map(inject).collect()),
    }
    part("The expert's path:", scene.path.clone());
    if scene.instructors > 1 {
        part(&format!("{} instructors are connected, including you.", scene.instructors), Vec::new());
    }
    part("Timeline:", scene.timeline.iter().map(happened).collect());
    out
}

/// Renders the commands.
pub fn help() -> String {
    let rows: Vec<[String; 2]> =
        command::WORDS.iter().map(|(words, does)| [format!("  {words}"), (*does).into()]).collect();
    columns::rows(&rows, [Align::Left; 2])
}
