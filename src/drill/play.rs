//! The expert's path, walked by the program itself through the wizard's own `update` loop: for a
//! first look, for pipes, and for machines without a terminal.

use std::sync::{Arc, Mutex, PoisonError};

use crossterm::event::KeyCode;

use super::{debrief, range::Range, world::DrillWorld};
use crate::{
    plan::{file, launch},
    trouble::{Kind, Result, Trouble},
    tui::{Headless, Model, Step},
};

/// One act of the path: what it is for, and where the wizard must stand afterwards.
struct Act {
    says: &'static str,
    does: &'static [Input],
    then: Step,
}

enum Input {
    Press(KeyCode),
    TypeTheLabel,
}

const NEXT: &[Input] = &[Input::Press(KeyCode::Char('n'))];

const PATH: [Act; 7] = [
    Act {
        says: "The quorum is lost and both other disks are gone: a restore is right. On to the snapshots (n).",
        does: NEXT,
        then: Step::Snapshot,
    },
    Act {
        says: "The survivor holds the newest state: a snapshot is saved from it now (Enter, and Enter for the file name).",
        does: &[Input::Press(KeyCode::Enter), Input::Press(KeyCode::Enter)],
        then: Step::Snapshot,
    },
    Act {
        says: "It is whole, its hash is right, and it is chosen. On to the table (n).",
        does: NEXT,
        then: Step::Members,
    },
    Act {
        says: "The table came from the survivor, and nothing is wrong with it. On to the whole plan (n).",
        does: NEXT,
        then: Step::Review,
    },
    Act {
        says: "m2 still answers, which would go on serving old data beside the new cluster. Here a colleague stops it at its host; ask again (r).",
        does: &[Input::Press(KeyCode::Char('r'))],
        then: Step::Review,
    },
    Act {
        says: "Everything that will happen is read; typing the cluster's label and Enter begins it.",
        does: &[Input::Press(KeyCode::Enter), Input::TypeTheLabel, Input::Press(KeyCode::Enter)],
        then: Step::Restore,
    },
    Act { says: "All three members stand, each read back. On to the commands (n).", does: NEXT, then: Step::Launch },
];

/// Walks the path and prints every step through `print`.
///
/// # Errors
/// When a step does not lead where it must (a defect), or the keys are not all back.
pub fn play(
    range: Arc<Mutex<Range>>,
    world: Arc<DrillWorld>,
    model: Model,
    print: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<()> {
    let label = model.label.clone();
    let mut wizard = Headless::new(model, world);
    print(&wizard.screen(80, 24))?;
    for (number, act) in PATH.iter().enumerate() {
        print(&format!("\n[{} of {}] {}\n\n", number + 1, PATH.len(), act.says))?;
        for input in act.does {
            match input {
                Input::Press(key) => wizard.press(*key),
                Input::TypeTheLabel => wizard.type_text(&label),
            }
        }
        print(&wizard.screen(80, 24))?;
        if wizard.model().step != act.then {
            return Err(Trouble::new(Kind::Bug, format!("the expert's path stopped before {:?}", act.then)));
        }
    }
    let Some(plan) = wizard.model().restore.plan.clone() else {
        return Err(Trouble::new(Kind::Bug, "the expert's path ended without a plan"));
    };
    print(&format!("\nThe plan, as plan.yaml would hold it:\n\n{}", file::to_yaml(&plan)))?;
    print("\nThe restored directories:\n\n")?;
    for member in &plan.members {
        print(&format!("{}: {}\n", member.name, member.data_dir.display()))?;
    }
    print("\nThe launch commands:\n\n")?;
    for launch in launch::commands(&plan) {
        print(&format!("{}\n", launch.command))?;
    }
    print("\nIn this exercise simulated members came up on these directories instead. Asked over the network:\n\n")?;
    let found = debrief::debrief(&range.lock().unwrap_or_else(PoisonError::into_inner))?;
    for line in &found.lines {
        print(&format!("{line}\n"))?;
    }
    if found.passed { Ok(()) } else { Err(Trouble::new(Kind::Bug, "the keys are not all back")) }
}
