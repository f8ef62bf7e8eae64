//! The revision bump: what is proposed and why, what it means, and what is known of the old cluster for it.

use crate::{
    domain::{
        model::old_cluster::Old,
        model::revisions::Revisions,
        quorum::scope::Belongs,
        sources::{
            known_revisions,
            revision_bump::{self as bumps, Known, Proposal},
        },
    },
    text::{join, number},
    tui::state::model::Model,
};

/// The bump that is one key away: none where one is set, else the one that is proposed, or that of etcd's
/// documentation.
pub(in crate::tui) fn other_bump(model: &Model) -> u64 {
    match (model.members.bump, proposal(model)) {
        (0, Some(Proposal { revisions: revisions @ 1.., .. })) => revisions,
        (0, _) => bumps::DOCUMENTED,
        _ => 0,
    }
}

/// `1,000,000,000`, `1_000_000_000`, `1e9` or nothing.
pub(in crate::tui) fn number(typed: &str) -> Result<u64, String> {
    let plain: String = typed.chars().filter(|c| !matches!(c, ',' | '_' | ' ')).collect();
    if plain.is_empty() {
        return Ok(0);
    }
    let number = match plain.split_once(['e', 'E']) {
        Some((head, zeros)) => head
            .parse::<u64>()
            .ok()
            .zip(zeros.parse::<u32>().ok())
            .and_then(|(h, z)| 10u64.checked_pow(z).and_then(|p| h.checked_mul(p))),
        None => plain.parse().ok(),
    };
    number.ok_or_else(|| format!("{typed:?} is not a number of revisions, such as 1000000000 or 1e9."))
}

/// What a bump means, while it is typed.
pub(in crate::tui) fn bump_words(model: &Model, typed: &str) -> String {
    match number(typed) {
        Err(why) => why,
        Ok(0) => "0: the restored cluster starts at the snapshot's own revision.".into(),
        Ok(n) => {
            let from = model.snapshot.content().map_or(0, |c| c.revision);
            format!("The restored cluster starts at {}.", number::signed(i128::from(from) + i128::from(n)))
        }
    }
}

/// What is known of the old cluster's revisions for the chosen snapshot; `None` while none is chosen.
fn known(model: &Model) -> Option<Known> {
    let (facts, dirs) = (seen(model), &model.detect.dirs);
    known_revisions::known(model.snapshot.source()?, &model.snapshot.files, &facts, dirs, model.started)
}

/// What is proposed for the chosen snapshot; `None` while none is chosen.
pub(in crate::tui) fn proposal(model: &Model) -> Option<Proposal> {
    known(model).map(|known| bumps::propose(&known))
}

/// What the plan keeps of it.
pub(in crate::tui) fn revisions(model: &Model) -> Revisions {
    // A plan that came as a file knows more than a look at what is here now, where nothing was found.
    let loaded = model.options.plan.as_ref().map(|plan| plan.revisions.clone()).unwrap_or_default();
    match known(model).map(|known| known_revisions::revisions(&known)) {
        Some(found) => Revisions { newest: found.newest.or(loaded.newest), ..found },
        None => loaded,
    }
}

/// What members of the cluster that is meant answered, without those that may have been restored from the plan that
/// this wizard was opened with. While it is not known which cluster is meant, all count.
pub(in crate::tui) fn seen(model: &Model) -> Vec<crate::domain::model::observations::EndpointFacts> {
    use crate::domain::model::{observations::Answer, old_cluster::may_be_of};
    let mut facts = model.detect.facts();
    let scope = model.detect.scope();
    facts.retain(|f| !matches!(&f.answer, Answer::Says(says) if scope.of_cluster(says.cluster_id) == Belongs::Other));
    let own = model.options.plan.as_ref().or(model.review.plan.as_ref().filter(|_| model.review.pinned));
    let own = own.or(model.restore.plan.as_ref().filter(|_| model.restore.begun()));
    if let Some(plan) = own {
        facts.retain(|f| !matches!(&f.answer, Answer::Says(says) if may_be_of(plan, says)));
    }
    facts
}

/// What is known of the old cluster besides what the snapshot holds.
pub(in crate::tui) fn old(model: &Model, created: Option<i64>) -> Old {
    let mut old = Old::new(None, &seen(model), &[]);
    model.detect.dirs.iter().filter_map(|dir| dir.state.says()).for_each(|says| old.in_dir(says, created));
    old
}

/// The bump and its reasons in sentences, for the lines below the option.
pub(in crate::tui) fn offer_words(model: &Model, bump: u64) -> Vec<String> {
    let Some(known) = known(model) else { return Vec::new() };
    let Proposal { revisions, why } = bumps::propose(&known);
    let because = join::sentence(&join::capital(&why));
    let other = number::signed(other_bump(model));
    let mut out = match (revisions, bump == revisions) {
        (_, true) => vec![format!("{} is set: {because} x sets {other}.", number::signed(revisions))],
        (0, false) => vec![format!("No bump is needed: {because} x sets {other}.")],
        (_, false) => vec![format!("{} is suggested: {because} x sets {other}.", number::signed(revisions))],
    };
    out.extend(bumps::too_small(&known, bump).map(|words| join::sentence(&join::capital(&words))));
    out
}

/// A warning for Review where the bump may be too small by what can be computed.
pub(in crate::tui) fn too_small(model: &Model) -> Option<String> {
    bumps::too_small(&known(model)?, model.members.bump)
}
