//! Practice: the same wizard, engine and commands on a broken cluster in a temporary directory.
//!
//! Nothing outside that directory and nobody but the range's own members can be reached; that is
//! the world's doing, the wizard does not know that it is a drill.

pub mod debrief;
pub mod member;
pub mod play;
pub mod range;
pub mod scenario;
pub mod store;
pub mod world;

use std::sync::{Arc, Mutex, PoisonError};

use self::{range::Range, scenario::Scenario, world::DrillWorld};
use crate::{
    trouble::Result,
    tui::{self, Model, Options, Step},
    world::{World, local::Local, members::Members},
};

/// What the frame says all the time.
pub const LABEL: &str = "DRILL";

/// A drill that is set up.
pub struct Drill {
    range: Arc<Mutex<Range>>,
    world: Arc<DrillWorld>,
    options: Options,
}

impl Drill {
    /// Builds the range of `scenario`. `options` tells how to draw; everything else is the drill's.
    ///
    /// # Errors
    /// When the range cannot be built on this machine.
    pub fn set_up(scenario: Scenario, options: Options) -> Result<Drill> {
        let range = Range::build(scenario)?;
        let inner = Local::fenced(LABEL, Members::new(Default::default())?, range.root(), range.urls())?;
        let options = Options {
            endpoints: range.endpoints().to_vec(),
            places: range.places(),
            label: Some(range.scenario().cluster.label.clone()),
            base_dir: range.base_dir(),
            here: range.root().into(),
            journals: range.root().join("journal"),
            target: Some(range.scenario().cluster.etcd),
            plan: None,
            notes: notes(range.scenario()),
            ..options
        };
        let range = Arc::new(Mutex::new(range));
        let world = Arc::new(DrillWorld::new(inner, Arc::clone(&range)));
        Ok(Drill { range, world, options })
    }

    /// What the pager said.
    pub fn brief(&self) -> String {
        let range = self.range.lock().unwrap_or_else(PoisonError::into_inner);
        format!(
            "{}\n{}\nEverything lies in {}\n",
            range.scenario().title,
            range.scenario().brief,
            range.root().display()
        )
    }

    /// Opens the wizard on it, and prints how it went.
    ///
    /// # Errors
    /// When there is no terminal.
    pub fn wizard(&self, print: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        let world: Arc<dyn World> = Arc::<DrillWorld>::clone(&self.world);
        tui::run(self.options.clone(), world)?;
        print("\nHow it went:\n")?;
        for line in debrief::debrief(&self.range.lock().unwrap_or_else(PoisonError::into_inner))?.lines {
            print(&format!("{line}\n"))?;
        }
        Ok(())
    }

    /// Walks the expert's path by itself and prints every step.
    ///
    /// # Errors
    /// When it does not come out as it must.
    pub fn play(&self, print: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        let model = Model::new(self.options.clone(), self.world.label());
        play::play(Arc::clone(&self.range), Arc::clone(&self.world), model, print)
    }
}

fn notes(scenario: &Scenario) -> Vec<(Step, String)> {
    let notes = scenario.notes.clone();
    vec![
        (Step::Detect, notes.detect),
        (Step::Snapshot, notes.snapshot),
        (Step::Members, notes.members),
        (Step::Review, notes.review),
        (Step::Restore, notes.restore),
        (Step::Launch, notes.launch),
    ]
}
