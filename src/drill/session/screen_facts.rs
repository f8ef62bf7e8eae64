//! What the wizard shows, as far as conditions and the debrief need it: taken from its model after every message.

use std::{path::PathBuf, time::Duration};

use crate::{
    domain::{
        members::table::{Column, Severity},
        sources::ranking::Place,
        verify::VerifyResult,
    },
    tui::{
        Model, Step,
        selectors::{members, review},
    },
};

/// What the wizard shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScreenFacts {
    /// The step.
    pub step: Option<Step>,
    /// The chosen file.
    pub chosen: Option<PathBuf>,
    /// How many writes it lacks compared with other sources, if known.
    pub loses: Option<u64>,
    /// A name that two rows have.
    pub twice: Option<String>,
    /// True if the table has a problem that blocks the plan.
    pub problems: bool,
    /// True if a blocker is open.
    pub fenced: bool,
    /// True if only the label is still to be typed on Review.
    pub ready: bool,
    /// True if all members are installed.
    pub installed: bool,
    /// Override texts that were typed.
    pub overridden: Vec<String>,
    /// The result of the verification, once it is final.
    pub proof: Option<String>,
    /// True while members are being probed.
    pub asking: bool,
    /// When the last key was pressed.
    pub key_at: Duration,
}

impl ScreenFacts {
    /// Returns what a model shows.
    pub fn from_model(model: &Model, key_at: Duration) -> ScreenFacts {
        let snapshot = &model.snapshot;
        let loses =
            snapshot.chosen.as_ref().and_then(|path| snapshot.list.get(&Place::File(path.clone()))?.loss.revisions);
        let rows = &model.members.rows;
        let twice = rows.iter().enumerate().find_map(|(at, row)| {
            let name = row.text(Column::Name).trim();
            let again = rows.iter().take(at).any(|before| before.text(Column::Name).trim() == name);
            (again && !name.is_empty()).then(|| name.to_string())
        });
        let draft = (model.step == Step::Members).then(|| members::draft(model));
        let problems =
            draft.is_some_and(|draft| members::problems(&draft).iter().any(|p| p.severity == Severity::Error));
        let fences = &model.review.fences;
        ScreenFacts {
            step: Some(model.step),
            chosen: snapshot.chosen.clone(),
            loses,
            twice,
            problems,
            fenced: fences.found.iter().any(|fence| fence.blocks(&fences.overridden)),
            ready: model.step == Step::Review && review::asks_for_label(model),
            installed: model.restore.complete(),
            overridden: fences.overridden.clone(),
            proof: model
                .proof
                .proof
                .as_ref()
                .filter(|p| p.verdict != VerifyResult::Waiting)
                .map(|p| p.sentence.clone()),
            asking: model.detect.asking() > 0,
            key_at,
        }
    }
}
