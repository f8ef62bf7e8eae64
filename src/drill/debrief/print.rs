//! Renders a debrief as text for the terminal, and as Markdown for a team's records.

use super::{Debrief, Writes};
use crate::text::number::thousands;

/// Renders a debrief as text.
pub fn text(d: &Debrief) -> String {
    let mut out = headline(d);
    for goal in &d.objectives {
        let mark = if goal.met { '✔' } else { '✖' };
        out.push_str(&format!("  {mark} {} ({})\n", goal.says, goal.evidence));
    }
    for act in &d.unsafe_acts {
        out.push_str(&format!("  ✖ Unsafe, cannot be undone: {act}\n"));
    }
    out.push_str(&format!("  {}\n", writes(d.writes.as_ref())));
    for (heading, lines) in lists(d) {
        out.push_str(&format!("\n{heading}\n"));
        for line in lines {
            out.push_str(&format!("  {line}\n"));
        }
    }
    out.push_str(&format!("\n{}\n", d.learnt));
    for link in &d.links {
        out.push_str(&format!("  {link}\n"));
    }
    out.push_str(&format!("\n{}\n", basis(d)));
    // on a terminal only the end is seen
    out.push_str(&format!("\n{}", headline(d)));
    out
}

/// The exercise and how it ended, in a line.
fn headline(d: &Debrief) -> String {
    format!("{}: {}, {}\n", d.title, verdict(d), time(d.seconds))
}

/// Renders a debrief as Markdown.
pub fn markdown(d: &Debrief) -> String {
    let mut out = format!(
        "# {}: {}\n\nScenario `{}`, seed {}, {}.\n\n",
        d.title,
        verdict(d),
        d.scenario,
        d.seed,
        time(d.seconds)
    );
    out.push_str("| objective | met | evidence |\n|---|---|---|\n");
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    for goal in &d.objectives {
        let met = if goal.met { "yes" } else { "no" };
        out.push_str(&format!("| {} | {met} | {} |\n", cell(&goal.says), cell(&goal.evidence)));
    }
    out.push('\n');
    for act in &d.unsafe_acts {
        out.push_str(&format!("- Unsafe, cannot be undone: {act}\n"));
    }
    out.push_str(&format!("- {}\n", writes(d.writes.as_ref())));
    for (heading, lines) in lists(d) {
        out.push_str(&format!("\n## {}\n\n", heading.trim_end_matches(':')));
        for line in lines {
            out.push_str(&format!("- {line}\n"));
        }
    }
    out.push_str(&format!("\n## Lesson\n\n{}\n\n", d.learnt));
    for link in &d.links {
        out.push_str(&format!("- <{link}>\n"));
    }
    out.push_str(&format!("\n{}\n", basis(d)));
    out
}

fn verdict(d: &Debrief) -> &'static str {
    if d.passed { "passed" } else { "not passed" }
}

fn basis(d: &Debrief) -> String {
    match d.proven {
        true => format!("Shown by {}.", d.members),
        false => format!("Shown by {}. Only real etcd members on these directories are proof (--real).", d.members),
    }
}

fn writes(writes: Option<&Writes>) -> String {
    let number = |n: i64| thousands(n.unsigned_abs());
    match writes {
        None => "Writes: nothing was restored.".into(),
        Some(w) if w.lost == 0 => format!("Writes: none lost; revision {} is the best possible.", number(w.best)),
        Some(w) => format!(
            "Writes: {} lost; the data ends at revision {}, the best possible is {}.",
            number(w.lost),
            number(w.restored),
            number(w.best)
        ),
    }
}

/// Formats a duration, such as `4 min 12 s`.
pub fn time(seconds: u64) -> String {
    if seconds < 60 { format!("{seconds} s") } else { format!("{} min {} s", seconds / 60, seconds % 60) }
}

/// Returns the lists that are not empty, each with its heading.
fn lists(d: &Debrief) -> Vec<(&'static str, Vec<String>)> {
    let phases: Vec<String> = d.phases.iter().map(|p| format!("{}: {}", p.step, time(p.seconds))).collect();
    let phases = if phases.is_empty() { Vec::new() } else { vec![phases.join(", ")] };
    let own = d.own_path.iter().map(|m| format!("{:02}:{:02} {}", m.at / 60, m.at % 60, m.text)).collect();
    let expert = d.expert_path.iter().map(|leg| format!("{}: {}", leg.act.join(", "), leg.why)).collect();
    let all = [
        ("Time in each step:", phases),
        ("Blockers overridden:", d.overrides.clone()),
        ("Hints shown for mistakes:", d.hints.clone()),
        ("Hints asked for:", d.asked_for.clone()),
        ("Your path:", own),
        ("The expert's path:", expert),
    ];
    all.into_iter().filter(|(_, lines)| !lines.is_empty()).collect()
}
