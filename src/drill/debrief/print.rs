//! A debrief as text for the terminal, and as Markdown for a team's records. (As JSON it is what it is.)

use super::{Debrief, Writes};
use crate::text::number::thousands;

/// As text.
pub fn text(d: &Debrief) -> String {
    let mut out = format!("{}: {}, {}\n", d.title, verdict(d), time(d.seconds));
    for goal in &d.objectives {
        let mark = if goal.met { '✔' } else { '✖' };
        out.push_str(&format!("  {mark} {} ({})\n", goal.says, goal.evidence));
    }
    for act in &d.unsafe_acts {
        out.push_str(&format!("  ✖ Unsafe, and not to be undone: {act}\n"));
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
    out
}

/// As Markdown.
pub fn markdown(d: &Debrief) -> String {
    let mut out = format!(
        "# {}: {}\n\nScenario `{}`, seed {}, {}.\n\n",
        d.title,
        verdict(d),
        d.scenario,
        d.seed,
        time(d.seconds)
    );
    out.push_str("| objective | met | shown by |\n|---|---|---|\n");
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    for goal in &d.objectives {
        let met = if goal.met { "yes" } else { "no" };
        out.push_str(&format!("| {} | {met} | {} |\n", cell(&goal.says), cell(&goal.evidence)));
    }
    out.push('\n');
    for act in &d.unsafe_acts {
        out.push_str(&format!("- Unsafe, and not to be undone: {act}\n"));
    }
    out.push_str(&format!("- {}\n", writes(d.writes.as_ref())));
    for (heading, lines) in lists(d) {
        out.push_str(&format!("\n## {}\n\n", heading.trim_end_matches(':')));
        for line in lines {
            out.push_str(&format!("- {line}\n"));
        }
    }
    out.push_str(&format!("\n## What is to be learnt\n\n{}\n\n", d.learnt));
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
        false => format!("Shown by {}. Only a real etcd on the same directories is proof (--real).", d.members),
    }
}

fn writes(writes: Option<&Writes>) -> String {
    let number = |n: i64| thousands(n.unsigned_abs());
    match writes {
        None => "Writes: nothing was restored.".into(),
        Some(w) if w.lost == 0 => format!("Writes: none lost; {} is the best that could be had.", number(w.best)),
        Some(w) => format!(
            "Writes: {} lost; the data ends at revision {}, {} could be had.",
            number(w.lost),
            number(w.restored),
            number(w.best)
        ),
    }
}

/// `4 min 12 s`.
pub fn time(seconds: u64) -> String {
    if seconds < 60 { format!("{seconds} s") } else { format!("{} min {} s", seconds / 60, seconds % 60) }
}

/// The lists that have something in them, each with its heading.
fn lists(d: &Debrief) -> Vec<(&'static str, Vec<String>)> {
    let phases: Vec<String> = d.phases.iter().map(|p| format!("{}: {}", p.step, time(p.seconds))).collect();
    let phases = if phases.is_empty() { Vec::new() } else { vec![phases.join(", ")] };
    let own = d.own_path.iter().map(|m| format!("{:02}:{:02} {}", m.at / 60, m.at % 60, m.text)).collect();
    let expert = d.expert_path.iter().map(|leg| format!("{}: {}", leg.act.join(", "), leg.why)).collect();
    let all = [
        ("Where the time went:", phases),
        ("Fences overridden:", d.overrides.clone()),
        ("Hints that a mistake brought:", d.hints.clone()),
        ("Hints asked for:", d.asked_for.clone()),
        ("Your path:", own),
        ("The expert's path:", expert),
    ];
    all.into_iter().filter(|(_, lines)| !lines.is_empty()).collect()
}
