//! `requorum drill record`: makes a scenario from the journal of a real recovery.
//!
//! Only the journal's `shape` is used, which has numbers and booleans but no text: it cannot carry a name, address, path, key
//! or reason. The whole scenario is made from the shape alone: the exercise in `scene`, its file in `page`.

mod old_journals;
mod page;
mod scene;
mod shape;

use self::{scene::Scene, shape::Shape};
use crate::{
    error::{Error, ErrorKind, Result},
    system::journal::Record,
};

/// A scenario that was made from a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The file's text.
    pub text: String,
    /// How the scenario represents the recovery, one sentence each.
    pub became: Vec<String>,
    /// What the journal does not record, and what is assumed instead.
    pub assumed: Vec<&'static str>,
}

/// Makes the scenario `name` from a journal's records. The same records make the same scenario.
///
/// # Errors
/// If the records are not those of a recovery: none was started, or they are a host's own journal.
pub fn record(records: &[Record], name: &str) -> Result<Recorded> {
    let shape = Shape::from_records(records).map_err(|why| {
        Error::new(ErrorKind::Input, "the journal cannot be made into a scenario").why(why).hint(
            "Name the operator's journal: it is next to the plan file as PLAN.yaml.journal; the wizard's are in \
             $XDG_STATE_HOME/requorum (else ~/.local/state/requorum).",
        )
    })?;
    let scene = Scene::new(&shape);
    Ok(Recorded { text: page::text(&scene, name), became: scene.became, assumed: scene.assumed })
}
