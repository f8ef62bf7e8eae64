//! `requorum drill record`: the journal of a real recovery becomes a scenario to practise on.
//!
//! What is taken from the journal is its `shape`, which holds numbers, yes and no, and nothing that a person ever typed:
//! a name, address, path, key or reason has no place in it to be carried along in. Everything that the scenario says is
//! made from that alone: the exercise itself in `scene`, its file in `page`.

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
    /// What of the recovery became what, a sentence each.
    pub became: Vec<String>,
    /// What the journal does not tell, and what was assumed instead.
    pub assumed: Vec<&'static str>,
}

/// Makes the scenario `name` from a journal's lines. The same lines make the same scenario.
///
/// # Errors
/// When the lines are of no recovery: none was begun, or they are those that a host keeps for itself.
pub fn record(records: &[Record], name: &str) -> Result<Recorded> {
    let shape = Shape::from_records(records).map_err(|why| {
        Error::new(ErrorKind::Input, "no scenario can be made from this journal").why(why).hint(
            "The operator's journal lies beside the plan file, as PLAN.yaml.journal; those of the wizard are in \
             $XDG_STATE_HOME/requorum (else ~/.local/state/requorum).",
        )
    })?;
    let scene = Scene::new(&shape);
    Ok(Recorded { text: page::text(&scene, name), became: scene.became, assumed: scene.assumed })
}
