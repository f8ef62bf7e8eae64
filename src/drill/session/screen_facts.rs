//! What the wizard shows, as far as conditions and the debrief ask for it: taken from its model after every message.

use std::{path::PathBuf, time::Duration};

use crate::{
    domain::{
        members::table::{Column, Severity},
        sources::ranking::Place,
        verify::VerifyResult,
    },
    tui::{Model, Step, steps::members},
};

/// What the wizard showed last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScreenFacts {
    /// The step.
    pub step: Option<Step>,
    /// The chosen file.
    pub chosen: Option<PathBuf>,
    /// How many writes it lacks that another source has, where that is known.
    pub loses: Option<u64>,
    /// A name that two rows bear.
    pub twice: Option<String>,
    /// True where the table has a problem that stops the plan.
    pub problems: bool,
    /// True where a fence is in the way.
    pub fenced: bool,
    /// Texts that were typed to lift fences.
    pub lifted: Vec<String>,
    /// What came of the proof, once it is settled.
    pub proof: Option<String>,
    /// True while members are being asked.
    pub asking: bool,
    /// When a key was pressed last.
    pub key_at: Duration,
}

impl ScreenFacts {
    /// What a model shows.
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
            fenced: fences.found.iter().any(|fence| fence.blocks(&fences.lifted)),
            lifted: fences.lifted.clone(),
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
