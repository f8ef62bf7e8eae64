//! From the operator's choices to a plan, or to the problems that prevent it.

mod snapshot;
#[cfg(test)]
pub(crate) mod tests;

use super::{
    cell::{Origin, Row},
    certificates, prefill,
    table::{self, About, Column, Problem},
};
use crate::domain::{
    members::token::Shared,
    model::{
        observations::{Content, FileFacts, Health},
        old_cluster::Old,
        options::Options,
        plan::{Member, Plan, Source},
        revisions::{self, Revisions},
    },
};
use crate::etcd::version::Minor;
use crate::text::confusables;
use crate::{
    domain::members::validate,
    error::Remedy,
    text::{join, quote},
};

pub use snapshot::brought;

/// What the operator chose so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Draft {
    /// What the operator calls the cluster.
    pub label: String,
    /// The token of this attempt.
    pub token: String,
    /// When the plan was made, RFC 3339 in UTC.
    pub created: String,
    /// The etcd version that will run on the result.
    pub target: Option<Minor>,
    /// The file to restore from.
    pub source: Option<FileFacts>,
    /// True when a file without a SHA-256 trailer may be taken.
    pub skip_hash_check: bool,
    /// How many revisions the new cluster starts later than the snapshot; 0 for none.
    pub bump_revision: u64,
    /// Mark everything up to the bumped revision as compacted.
    pub mark_compacted: bool,
    /// What is done beyond a plain restore.
    pub options: Options,
    /// What is known of the old cluster besides the snapshot.
    pub old: Old,
    /// The newest revision that the old cluster is known to have issued, and whether nothing newer than the snapshot can
    /// have been acknowledged. Which clients keep revisions is read from the snapshot.
    pub revisions: Revisions,
    /// The member table.
    pub rows: Vec<Row>,
    /// The certificates that the table names, as far as they were read.
    pub certs: certificates::CertificateFacts,
    /// Seconds since 1970, to judge their dates by.
    pub now: i64,
}

/// A plan and its warnings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The plan.
    pub plan: Plan,
    /// Warnings: they do not stop it.
    pub warnings: Vec<Problem>,
}

/// Makes the plan.
///
/// A problem that can be overridden keeps no plan from being made: whoever makes it asks for the override.
///
/// # Errors
/// Every problem, the warnings too, when at least one of them is an error that nothing overrides.
pub fn build(draft: &Draft) -> Result<Built, Vec<Problem>> {
    let mut problems = validate::check(&draft.rows, &draft.token);
    problems.extend(certificates::check(&draft.rows, &draft.certs, draft.now));
    problems.extend(label(&draft.label));
    problems.extend(snapshot::check(draft));
    problems.extend(learners(draft));
    let (ids, cluster) = table::ids(&draft.rows, &draft.token);
    let source = draft.source.as_ref().and_then(|file| Some((file, file.content.as_ref()?)));
    let (Some((file, content)), Some(cluster_id)) = (source, cluster) else {
        return Err(problems);
    };
    if problems.iter().any(Problem::is_final) {
        return Err(problems);
    }
    let members = draft.rows.iter().zip(ids).map(|(row, id)| member(row, id.unwrap_or_default())).collect();
    let plan = Plan {
        version: 1,
        label: draft.label.trim().to_string(),
        token: draft.token.clone(),
        created: draft.created.clone(),
        target: draft.target,
        source: Source {
            path: file.path.clone(),
            bytes: file.bytes,
            sha256: content.sha256.clone(),
            revision: content.revision,
            keys: content.keys,
            // A good trailer is checked whatever was allowed.
            skip_hash_check: match &file.health {
                Health::Limited(damage) => !damage.hashed,
                health => *health == Health::Unhashed,
            },
            snapshot_bytes: content.snapshot_bytes,
        },
        bump_revision: draft.bump_revision,
        mark_compacted: draft.mark_compacted,
        revisions: known(draft, content),
        options: draft.options.clone(),
        cluster_id,
        members,
    };
    problems.extend(shared(draft, &plan));
    problems.extend(reused(&plan));
    Ok(Built { plan, warnings: problems })
}

/// Returns the learners of the snapshot that the table leaves out, so that they are not first missed afterwards.
fn learners(draft: &Draft) -> Option<Problem> {
    let left_out = prefill::left_out(draft.source.as_ref()?.content.as_ref()?, &draft.rows);
    let text = match left_out.as_slice() {
        [] => return None,
        [one] => format!(
            "{one} is a learner in the snapshot and is left out of the new cluster, as a restore makes every member a voter"
        ),
        many => format!(
            "{} are learners in the snapshot and are left out of the new cluster, as a restore makes every member a voter",
            join::all(many)
        ),
    };
    Some(Problem::warning(None, None, text).about(About::Learner).by(Remedy::KeepLearners))
}

/// What a plan keeps of the old cluster's revisions: nothing, where it matters to no client that is known and nothing is
/// skipped.
fn known(draft: &Draft, content: &Content) -> Revisions {
    let clients = revisions::clients(content);
    if clients.is_empty() && draft.bump_revision == 0 {
        return Revisions::default();
    }
    let newest = draft.revisions.newest.clone().filter(|known| known.revision > content.revision);
    Revisions { clients, past: revisions::past(content), newest, complete: draft.revisions.complete }
}

/// Everything that is known of the old cluster.
pub fn old(draft: &Draft) -> Old {
    let mut old = Old::new(draft.source.as_ref().and_then(|file| file.content.as_ref()), &[], &[]);
    draft.old.members.iter().for_each(|member| old.knows(member));
    old.clusters.extend(&draft.old.clusters);
    old.removed.extend(&draft.old.removed);
    old
}

/// IDs that are the old cluster's.
fn shared(draft: &Draft, plan: &Plan) -> Option<Problem> {
    let shared = Shared::of_plan(plan, &old(draft));
    Some(Problem::error(None, None, shared.sentence()?).lifted_by(shared.override_text()))
}

/// Returns the revisions that are, or may be, issued twice.
fn reused(plan: &Plan) -> Option<Problem> {
    let (text, lift) = revisions::warning(plan)?;
    Some(Problem::warning(None, None, text).lifted_by(lift))
}

/// The URLs of a cell as etcd prints them.
fn printed(text: &str) -> Vec<String> {
    table::urls(text).unwrap_or_default().iter().map(|u| u.as_str().to_string()).collect()
}

fn member(row: &Row, id: crate::etcd::membership::Id) -> Member {
    Member {
        name: row.text(Column::Name).to_string(),
        host: row.host().to_string(),
        id,
        peer_urls: printed(row.text(Column::Peer)),
        client_urls: printed(row.text(Column::Client)),
        data_dir: row.text(Column::DataDir).into(),
        wal_dir: Some(row.text(Column::WalDir)).filter(|t| !t.trim().is_empty()).map(Into::into),
        etcd_flags: shell_words::split(row.text(Column::Flags)).unwrap_or_default(),
    }
}

/// The label is typed to confirm and printed in comments, so it must be one readable line.
fn label(label: &str) -> Option<Problem> {
    let text = if label.trim().is_empty() {
        "the cluster has no label yet; it is what you type to confirm".to_string()
    } else {
        format!("{} in the label {label:?}", confusables::find_hidden(label)?.name)
    };
    Some(Problem::error(None, None, text))
}

/// The plan's members as rows of a table, as if they had been typed.
pub fn rows(plan: &Plan) -> Vec<Row> {
    plan.members
        .iter()
        .map(|m| {
            let wal = m.wal_dir.as_ref().map(|d| d.to_string_lossy().into_owned()).unwrap_or_default();
            Row::default()
                .with(Column::Name, &m.name, Origin::Typed)
                .with(Column::Host, &m.host, Origin::Typed)
                .with(Column::Peer, m.peer_urls.join(","), Origin::Typed)
                .with(Column::Client, m.client_urls.join(","), Origin::Typed)
                .with(Column::DataDir, m.data_dir.to_string_lossy(), Origin::Typed)
                .with(Column::WalDir, wal, Origin::Typed)
                .with(Column::Flags, quote::quoted_line(&m.etcd_flags), Origin::Typed)
        })
        .collect()
}

/// The same plan, made at `created` with another token: other IDs, all else as it was.
pub fn renewed(plan: &Plan, token: String, created: String) -> Plan {
    let (ids, cluster) = table::ids(&rows(plan), &token);
    let mut plan = Plan { token, created, ..plan.clone() };
    for (member, id) in plan.members.iter_mut().zip(ids) {
        member.id = id.unwrap_or(member.id);
    }
    plan.cluster_id = cluster.unwrap_or(plan.cluster_id);
    plan
}

/// Checks a plan that was read from a file: its rows as if they had been typed, its IDs as they
/// follow from URLs and token, the bump's bounds. Errors and warnings.
pub fn verify(plan: &Plan) -> Vec<Problem> {
    let rows = rows(plan);
    let mut problems = validate::check(&rows, &plan.token);
    problems.extend(label(&plan.label));
    problems.extend(snapshot::path(&plan.source.path));
    problems.extend(snapshot::options(&plan.options, plan.target));
    problems.extend(snapshot::bump(plan.source.revision, plan.bump_revision, plan.mark_compacted));
    problems.extend(reused(plan));
    let mut error = |row, column, text: String| problems.push(Problem::error(row, column, text));
    if plan.version != 1 {
        error(None, None, format!("the plan has version {}; this requorum knows version 1", plan.version));
    }
    let sha = &plan.source.sha256;
    if sha.len() != 64 || !sha.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        error(None, None, "the snapshot's sha256 is not 64 hex digits in lower case".into());
    }
    if plan.source.revision < 0 {
        error(None, None, "the snapshot's revision is below 0".into());
    }
    if let Some(accepted) = plan.options.accept_damage.filter(|accepted| *accepted != plan.source.revision) {
        let revision = plan.source.revision;
        let text =
            format!("the plan accepts a damaged snapshot at revision {accepted}, and its snapshot ends at {revision}");
        error(None, None, text);
    }
    let (ids, cluster) = table::ids(&rows, &plan.token);
    for (at, (m, id)) in plan.members.iter().zip(&ids).enumerate() {
        for (column, urls) in [(Column::Peer, &m.peer_urls), (Column::Client, &m.client_urls)] {
            let etcds = printed(&urls.join(","));
            if !etcds.is_empty() && etcds != *urls {
                let text = format!("the plan has {}, which etcd prints as {}", urls.join(","), etcds.join(","));
                error(Some(at), Some(column), text);
            }
        }
        if let Some(id) = id.filter(|id| *id != m.id) {
            let text =
                format!("the plan gives {} the ID {}, but {id} follows from its peer URLs and the token", m.name, m.id);
            error(Some(at), None, text);
        }
    }
    if let Some(id) = cluster.filter(|id| *id != plan.cluster_id) {
        let text = format!("the plan gives the cluster the ID {}, but {id} follows from its members", plan.cluster_id);
        error(None, None, text);
    }
    problems
}
