//! What is shown of a restore that an earlier run left to be resumed or verified.

use crate::{
    execute::resume::{Unfinished, Unverified},
    text::{Shown, join},
    tui::state::{model::Model, resume::Left},
};

/// What the key that resumes it does.
pub(in crate::tui) fn key_words(model: &Model) -> &'static str {
    match model.unfinished.first() {
        Some(Left::Verify(..)) => "launch commands",
        _ => "resume it",
    }
}

/// The question's heading and lines.
pub(in crate::tui) fn words(model: &Model) -> (String, Vec<String>) {
    let (title, mut lines, path) = match model.unfinished.first() {
        None => return (String::new(), Vec::new()),
        Some(Left::Resume(path, run)) => ("An earlier restore is not complete".to_string(), resumed(run), path),
        Some(Left::Verify(path, left)) => {
            (format!("Plan {} is restored but not verified", left.plan.short_id()), restored(left), path)
        }
    };
    lines.push(format!("Its journal: {}", path.shown()));
    match model.unfinished.count() {
        0 | 1 => {}
        2 => lines.push("1 more plan is not complete or not verified; its journal is in the same directory.".into()),
        many => lines.push(format!(
            "{} more plans are not complete or not verified; their journals are in the same directory.",
            many - 1
        )),
    }
    (title, lines)
}

fn at(since: &str) -> String {
    format!("{} UTC", since.replace('T', " ").trim_end_matches('Z'))
}

fn restored(left: &Unverified) -> Vec<String> {
    let plan = &left.plan;
    let mut lines = vec![
        format!("Plan {} of {} was restored by {}, {}.", plan.short_id(), plan.label, left.who, at(&left.since)),
        "According to its journal every member was installed and verified. The journal does not record whether the \
         members were started since."
            .into(),
    ];
    if let Some((sentence, when)) = &left.seen {
        lines.push(format!("Last verification {}, not passed: {}", at(when), join::sentence(sentence)));
    }
    lines.push(String::new());
    for member in &left.placed {
        lines.push(format!("{}  in {}", member.name, member.restored.data_dir.shown()));
    }
    lines.push(String::new());
    lines.push(
        "Press y for the commands that start them (Launch), then n to verify them (Proof). This writes nothing. To \
         roll back, press u on Restore."
            .into(),
    );
    lines
}

fn resumed(run: &Unfinished) -> Vec<String> {
    let what = if run.undoes() { "was being rolled back" } else { "was started" };
    let mut lines =
        vec![format!("Plan {} of {} {what} by {}, {}.", run.plan.short_id(), run.plan.label, run.who, at(&run.since))];
    lines.push(match &run.ended {
        Some(text) => format!("It ended: {text}."),
        None => "How it ended is not recorded: it was interrupted, or is still running elsewhere.".into(),
    });
    lines.push(String::new());
    for (name, last) in &run.members {
        let last = last.as_deref().and_then(|text| text.lines().next()).unwrap_or("nothing is recorded");
        lines.push(format!("{name}  {last}"));
    }
    lines.push(String::new());
    lines.push(match (run.goal(), run.undoes()) {
        (Err(error), _) => join::sentence(&format!("{}: {}", error.what, error.why)),
        (Ok(_), true) => "Resuming rolls its members back, after you type the label.".into(),
        (Ok(_), false) => {
            "Resuming checks every host again and continues from the first incomplete step. Nothing is done until you \
             type the label."
                .to_string()
        }
    });
    lines
}
