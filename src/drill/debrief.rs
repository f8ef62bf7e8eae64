//! What came of an exercise: asked of the restored members and read from their directories, never
//! taken from what was intended.

use super::{member::SIMULATED, range::Range};
use crate::{
    plan::facts::{Answer, Read},
    trouble::Result,
    world::members::Members,
};

/// The outcome of an exercise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debrief {
    /// True when every restored member serves every key of the best source.
    pub passed: bool,
    /// The findings, in lines.
    pub lines: Vec<String>,
}

/// Looks at what stands now.
///
/// # Errors
/// When nobody can be asked at all.
pub fn debrief(range: &Range) -> Result<Debrief> {
    let mut lines = Vec::new();
    let best = range.best().range(&[0], &[0], 0, usize::MAX).unwrap_or_default();
    if let Some(trouble) = range.trouble() {
        return Ok(Debrief { passed: false, lines: vec![format!("✖ the members did not come up: {trouble}")] });
    }
    if range.restored().is_empty() {
        let lines = vec![
            "✖ No new cluster: not every member of a plan was restored.".into(),
            format!(
                "  The survivor held {} keys at revision {}; they can still be had.",
                best.count,
                range.best().revision()
            ),
        ];
        return Ok(Debrief { passed: false, lines });
    }
    let asking = Members::new(Default::default())?;
    let mut passed = true;
    let mut hashes = Vec::new();
    for member in range.restored() {
        let endpoint = member.endpoint();
        let store = member.store();
        let kept = store.range(&[0], &[0], 0, usize::MAX).unwrap_or_default();
        let back = best.rows.iter().filter(|row| kept.rows.contains(row)).count();
        let (says, served) = match asking.ask(&endpoint) {
            Answer::Says(says) => {
                let simulated = says.errors.iter().any(|e| e == SIMULATED);
                let words = format!(
                    "revision {}, member {} of cluster {}{}",
                    says.revision,
                    says.member_id,
                    says.cluster_id,
                    if simulated { ", a simulated member" } else { "" }
                );
                (words, says.read == Read::Served)
            }
            Answer::Silent { why, .. } => (why, false),
            Answer::Asking => ("no answer".into(), false),
        };
        let whole = served && back == best.count;
        passed &= whole;
        hashes.push(store.hash_kv(store.revision()).map(|h| (h.hash, h.revision)).ok());
        let mark = if whole { '✔' } else { '✖' };
        let served = if served { "serves" } else { "does not serve" };
        lines.push(format!("{mark} {endpoint} {served}: {back} of {} keys are back; {says}", best.count));
    }
    if hashes.windows(2).any(|pair| pair.first() != pair.last()) {
        passed = false;
        lines.push(
            "✖ The members hold different data (HashKV differs): they were not restored from one snapshot.".into(),
        );
    }
    let lost = range.best().revision() - range.restored().first().map_or(0, |m| m.store().revision());
    match lost {
        ..=0 => lines.push("✔ Nothing that was known anywhere is lost.".into()),
        1 => lines.push("! 1 revision is lost that the survivor still had.".into()),
        n => lines.push(format!("! {n} revisions are lost that the survivor still had.")),
    }
    lines.push(
        "These are simulated members, read by requorum itself. Only a real etcd on the same directories is proof."
            .into(),
    );
    Ok(Debrief { passed, lines })
}
