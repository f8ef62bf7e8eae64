//! Practice: the same wizard, engine and commands on a broken cluster in a temporary directory.
//!
//! Nothing outside that directory and nobody but the range's own members can be reached; that is
//! the world's doing, the wizard does not know that it is a drill.

pub mod coach;
pub mod debrief;
#[path = "drill/pause_menu.rs"]
pub mod desk;
#[path = "drill/session.rs"]
pub mod exercise;
#[path = "drill/instructor.rs"]
pub mod master;
#[path = "drill/simulated_member.rs"]
pub mod member;
#[path = "drill/autoplay.rs"]
pub mod play;
#[path = "drill/scores.rs"]
pub mod progress;
#[path = "drill/lab.rs"]
pub mod range;
#[path = "drill/real_etcd.rs"]
pub mod real;
#[path = "drill/from_journal.rs"]
pub mod record;
pub mod scenario;
#[path = "drill/mvcc_store.rs"]
pub mod store;
#[path = "drill/driver.rs"]
pub mod walk;
#[path = "drill/sandbox.rs"]
pub mod world;

use std::sync::Arc;

use self::{
    coach::Coach, exercise::Exercise, range::Range, real::Etcd, scenario::Scenario, walk::Walker, world::DrillWorld,
};
use crate::{
    text::Shown,
    trouble::Result,
    tui::{Headless, Model, Options},
    world::{World, local::Local, members::Members},
};

/// What the frame says all the time.
pub const LABEL: &str = "DRILL";

/// A drill that is set up.
pub struct Drill {
    /// What is practised, and how far it is.
    pub exercise: Arc<Exercise>,
    world: Arc<DrillWorld>,
    options: Options,
}

impl Drop for Drill {
    fn drop(&mut self) {
        self.exercise.lock().range.clear();
    }
}

impl Drill {
    /// Builds the range of `scenario`. `options` tells how to draw; everything else is the drill's.
    ///
    /// # Errors
    /// When the range cannot be built on this machine.
    pub fn set_up(scenario: Scenario, options: Options) -> Result<Drill> {
        Drill::set_up_on(scenario, options, None)
    }

    /// The same, with real processes for members where an etcd is given.
    ///
    /// # Errors
    /// As for [`Drill::set_up`]; when the scenario cannot be played on that etcd.
    pub fn set_up_on(scenario: Scenario, options: Options, real: Option<Arc<Etcd>>) -> Result<Drill> {
        let range = Range::build_on(scenario, real)?;
        let inner = Arc::new(Local::fenced(LABEL, Members::new(Default::default())?, range.root(), range.urls())?);
        let cluster = &range.scenario().cluster;
        let options = Options {
            endpoints: range.endpoints(),
            places: range.places(),
            data_dirs: range.data_dirs(),
            label: Some(cluster.label.clone()),
            base_dir: range.base_dir(),
            here: range.root().into(),
            journals: range.root().join("journal"),
            target: Some(cluster.target.unwrap_or(cluster.etcd)),
            plan: None,
            inventory: range.inventory(),
            accompanied: true,
            ..options
        };
        let exercise = Arc::new(Exercise::begin(range, Arc::clone(&inner)));
        let world = Arc::new(DrillWorld::new(inner, Arc::clone(&exercise)));
        Ok(Drill { exercise, world, options })
    }

    /// The wizard before its first message.
    pub fn model(&self) -> Model {
        Model::new(self.options.clone(), self.world.label())
    }

    /// The world that it acts through.
    pub fn world(&self) -> Arc<dyn World> {
        Arc::<DrillWorld>::clone(&self.world)
    }

    /// A wizard without a terminal, that the coach looks at, and that walks paths. Nobody waits for it.
    pub fn walker(&self) -> Walker {
        self.exercise.lock().hurried = true;
        let coach = Box::new(Coach::new(Arc::clone(&self.exercise)));
        let wizard = Headless::accompanied(self.model(), self.world(), Some(coach));
        Walker::new(wizard, Arc::clone(&self.exercise))
    }

    /// What the pager said.
    pub fn brief(&self) -> String {
        Drill::brief_of(&self.exercise.lock())
    }

    fn brief_of(state: &exercise::State) -> String {
        let scenario = state.range.scenario();
        format!(
            "{}\n\n{}\n\nThis is practice: the wizard is the real one, and it reaches nothing outside {}. The coach speaks at the \
             foot of its screens; q leaves to him, for hints, hands at the hosts, a pause or a reset.\n",
            scenario.title,
            state.range.expand(scenario.brief.trim()),
            state.range.root().shown()
        )
    }
}
