//! Plays the expert's path without a trainee: as a demonstration, in pipes, and to check that a scenario can be passed and
//! that its wrong ways do not pass.

use std::sync::Arc;

use super::{
    Drill, debrief,
    real_etcd::Etcd,
    scenario::{Scenario, Stride},
};
use crate::{
    domain::{model::plan_yaml, render::start},
    error::{Error, ErrorKind, Result},
    tui::Options,
};

/// Plays the expert's path and prints every step through `print`.
///
/// # Errors
/// If a stride fails, or the objectives are not met: a defect of the scenario or of the program.
pub fn play(drill: &Drill, print: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    let mut walker = drill.walker();
    let path = drill.exercise.lock().lab.scenario().path.clone();
    print(&walker.wizard.screen(80, 24))?;
    for (number, leg) in path.iter().enumerate() {
        let does: Vec<String> = leg.strides.iter().map(Stride::to_string).collect();
        print(&format!("\n[{} of {}] {} ({})\n\n", number + 1, path.len(), leg.why, does.join(", ")))?;
        for stride in &leg.strides {
            walker.stride(stride)?;
        }
        print(&walker.wizard.screen(80, 24))?;
    }
    if let Some(plan) = walker.wizard.model().restore.plan.clone() {
        print(&format!("\nThe plan, as in plan.yaml:\n\n{}", plan_yaml::to_yaml(&plan)))?;
        print("\nThe launch commands:\n\n")?;
        for launch in start::commands(&plan) {
            print(&format!("{}\n\n", launch.pretty))?;
        }
    }
    let found = debrief::debrief(&drill.exercise.lock());
    print(&format!("\n{}", debrief::print::text(&found)))?;
    if found.passed { Ok(()) } else { Err(Error::new(ErrorKind::Bug, "the expert's path does not pass")) }
}

/// Walks strides in a new lab of `scenario`, with real etcd processes if an etcd is given. Returns the debrief.
///
/// # Errors
/// If a stride fails, or the lab cannot be built.
pub fn walk(scenario: &Scenario, strides: &[Stride], real: Option<&Arc<Etcd>>) -> Result<debrief::Debrief> {
    let drill = Drill::set_up_on(scenario.clone(), Options::default(), real.cloned())?;
    let mut walker = drill.walker();
    for stride in strides {
        walker.stride(stride)?;
    }
    let found = debrief::debrief(&drill.exercise.lock());
    Ok(found)
}

/// Checks a scenario: it must not pass untouched nor by its wrong ways, and the expert's path must pass.
///
/// # Errors
/// The first of these that is not so.
pub fn prove(scenario: &Scenario, real: Option<&Arc<Etcd>>) -> Result<()> {
    fails(scenario, real)?;
    passes(scenario, real)
}

/// Checks that a scenario does not pass untouched nor by its wrong ways, and that each wrong way is caught by the condition
/// that it names.
///
/// # Errors
/// The first of these that is not so.
pub fn fails(scenario: &Scenario, real: Option<&Arc<Etcd>>) -> Result<()> {
    if walk(scenario, &[], real)?.passed {
        return Err(wrong(format!("{}: passes untouched", scenario.name)));
    }
    for way in &scenario.wrong {
        let found = walk(scenario, &way.strides, real)
            .map_err(|e| wrong(format!("{}: the wrong way \"{}\" cannot be played", scenario.name, way.name)).why(e))?;
        if found.passed {
            return Err(wrong(format!("{}: the wrong way \"{}\" passes", scenario.name, way.name)));
        }
        let check = scenario.goals.iter().chain(&scenario.fails).find(|check| check.when == way.because);
        let says = check.map(|check| check.says.clone()).unwrap_or_default();
        let caught = found.objectives.iter().any(|o| !o.met && o.says == says) || found.unsafe_acts.contains(&says);
        if !caught {
            let what =
                format!("{}: the wrong way \"{}\" is not caught by \"{}\"", scenario.name, way.name, way.because);
            return Err(wrong(what).why(format!("caught instead by: {}", missed(&found).join("; "))));
        }
    }
    Ok(())
}

/// Checks that the expert's path of a scenario passes.
///
/// # Errors
/// If it does not, with the objectives that are not met.
pub fn passes(scenario: &Scenario, real: Option<&Arc<Etcd>>) -> Result<()> {
    let path: Vec<Stride> = scenario.path.iter().flat_map(|leg| leg.strides.clone()).collect();
    let found = walk(scenario, &path, real)
        .map_err(|e| wrong(format!("{}: the expert's path cannot be played", scenario.name)).why(e))?;
    match found.passed {
        true => Ok(()),
        false => {
            Err(wrong(format!("{}: the expert's path does not pass", scenario.name)).why(missed(&found).join("; ")))
        }
    }
}

fn wrong(what: String) -> Error {
    Error::new(ErrorKind::Input, what)
}

/// Returns the objectives that are not met, each with its evidence, and the unsafe acts.
fn missed(found: &debrief::Debrief) -> Vec<String> {
    let unmet = found.objectives.iter().filter(|o| !o.met).map(|o| format!("{} ({})", o.says, o.evidence));
    unmet.chain(found.unsafe_acts.iter().cloned()).collect()
}
