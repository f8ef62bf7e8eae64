//! Practice: the same wizard, engine and commands on a broken cluster in a temporary directory.
//!
//! Nothing outside that directory, and no member but the lab's own, can be reached. The sandbox sees to that; the wizard does
//! not know that it runs in a drill.

pub mod autoplay;
pub mod coach;
pub mod debrief;
pub mod driver;
pub mod from_journal;
pub mod instructor;
pub mod lab;
pub mod mvcc_store;
pub mod pause_menu;
pub mod real_etcd;
pub mod sandbox;
pub mod scenario;
pub mod scores;
pub mod session;
pub mod simulated_member;

use std::sync::Arc;

use self::{
    coach::Coach,
    driver::Walker,
    lab::Lab,
    real_etcd::Etcd,
    sandbox::{Bounds, Sandbox},
    scenario::Scenario,
    session::Exercise,
};
use crate::{
    error::Result,
    system::{System, etcd_client::Members, local::Local},
    text::Shown,
    tui::{Headless, Model, Options},
};

/// The label that the frame always shows.
pub const LABEL: &str = "DRILL";

/// A drill that is ready to start.
pub struct Drill {
    /// The exercise and its state.
    pub exercise: Arc<Exercise>,
    system: Arc<Sandbox<Local>>,
    options: Options,
}

impl Drop for Drill {
    fn drop(&mut self) {
        self.exercise.lock().lab.clear();
    }
}

impl Drill {
    /// Builds the lab of `scenario`. Of `options`, only those about drawing are used.
    ///
    /// # Errors
    /// If the lab cannot be built on this machine.
    pub fn set_up(scenario: Scenario, options: Options) -> Result<Drill> {
        Drill::set_up_on(scenario, options, None)
    }

    /// Builds the lab with real etcd processes as members, if an etcd is given.
    ///
    /// # Errors
    /// As [`Drill::set_up`]; if the scenario cannot run on that etcd.
    pub fn set_up_on(scenario: Scenario, options: Options, real: Option<Arc<Etcd>>) -> Result<Drill> {
        let lab = Lab::build_on(scenario, real)?;
        let bounds = Bounds::new(lab.root(), lab.urls())?;
        // a port that is guessed could be another cluster's
        let members = Members::new(Default::default())?.without_guesses();
        let inner = Arc::new(Local::new(members).within(lab.root().into()));
        let cluster = &lab.scenario().cluster;
        let options = Options {
            endpoints: lab.endpoints(),
            places: lab.places(),
            data_dirs: lab.data_dirs(),
            label: Some(cluster.label.clone()),
            base_dir: lab.base_dir(),
            here: lab.root().into(),
            journals: lab.root().join("journal"),
            target: Some(cluster.target.unwrap_or(cluster.etcd)),
            plan: None,
            inventory: lab.inventory(),
            accompanied: true,
            ..options
        };
        let exercise = Arc::new(Exercise::begin(lab, Arc::clone(&inner), bounds.clone()));
        let system = Arc::new(Sandbox::new(inner, bounds, Arc::clone(&exercise)));
        Ok(Drill { exercise, system, options })
    }

    /// Returns the wizard's model before its first message.
    pub fn model(&self) -> Model {
        Model::new(self.options.clone(), LABEL)
    }

    /// Returns the sandbox that the wizard acts through.
    pub fn system(&self) -> Arc<dyn System> {
        Arc::<Sandbox<Local>>::clone(&self.system)
    }

    /// Returns a wizard without a terminal that walks paths, with the coach connected. Waiting moves the clock forward instead.
    pub fn walker(&self) -> Walker {
        self.exercise.lock().hurried = true;
        let coach = Box::new(Coach::new(Arc::clone(&self.exercise)));
        let wizard = Headless::accompanied(self.model(), self.system(), Some(coach));
        Walker::new(wizard, Arc::clone(&self.exercise))
    }

    /// Returns the brief, as shown to the trainee.
    pub fn brief(&self) -> String {
        Drill::brief_of(&self.exercise.lock())
    }

    fn brief_of(state: &session::State) -> String {
        let scenario = state.lab.scenario();
        format!(
            "{}\n\n{}\n\nThis is a drill: the wizard is the real one, but it reaches nothing outside {}. The coach's notes are at the \
             foot of each screen; ! gives a hint. q pauses the drill: hints, actions at the hosts, the story, a reset.\n",
            scenario.title,
            state.lab.expand(scenario.brief.trim()),
            state.lab.root().shown()
        )
    }
}
