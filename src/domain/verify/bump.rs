//! Are revisions issued twice? Then clients that keep revisions are stale, which no other check shows: the members serve
//! and agree.

use super::{Case, Check, Outcome, Topic, shown};
use crate::{
    domain::{
        model::{
            observations::started::{Data, Queried, Watched},
            revisions::{self, Client, Risk},
        },
        sources::revision_bump::DOCUMENTED,
    },
    error::Remedy,
    text::number::{plural, thousands},
};

/// The clients that keep revisions: as the plan has them, and as its snapshot does.
pub(super) fn clients(case: Case<'_>, data: &Queried<Data>) -> Vec<Client> {
    let mut found = case.plan.revisions.clients.clone();
    if let Queried::Is(data) = data {
        found.extend(&data.clients);
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Checks whether the new cluster begins above all revisions the old one can have issued; only asked where clients keep
/// revisions, or where it is known that it does not.
pub(super) fn bump(case: Case<'_>, data: &Queried<Data>) -> Option<Check> {
    let plan = case.plan;
    let clients = clients(case, data);
    let from = shown(plan.expected_revision());
    let check = |outcome, words: String| Check::new(Topic::Bump, outcome, words);
    if clients.is_empty() {
        let known = plan.revisions.newest.as_ref()?;
        let count = revisions::twice(plan, known.revision)?;
        let words = format!(
            "{} {} up to {} ({}) are issued twice; the snapshot holds no data of a client known to keep revisions",
            thousands(count),
            plural(usize::try_from(count).unwrap_or(usize::MAX), "revision", "revisions"),
            shown(known.revision),
            known.from
        );
        return Some(
            check(Outcome::Unknown, words).aside().todo("Restart clients that were watching before the restore."),
        );
    }
    let names = Client::names(&clients);
    Some(match revisions::risk(plan, &clients) {
        Risk::Twice { newest, count } => {
            let words = format!(
                "{} {} up to {} ({}) are issued twice, because the new cluster begins at {from}: {names} clients that were \
                 not restarted are stale, or will be",
                thousands(count),
                plural(usize::try_from(count).unwrap_or(usize::MAX), "revision", "revisions"),
                shown(newest.revision),
                newest.from
            );
            cure(case, check(Outcome::Fail, words))
        }
        Risk::Unknown => {
            let bump = match plan.bump_revision {
                0 => "no bump".to_string(),
                n => format!("a bump of {}", thousands(n)),
            };
            let words = format!(
                "the new cluster begins at {from} ({bump}), and it is not known which revision the old one reached: {names} clients \
                 that know a later revision and were not restarted are stale"
            );
            cure(case, check(Outcome::Unknown, words))
        }
        Risk::None => match (plan.bump_revision, &case.seen.old_watch) {
            (0, _) => check(
                Outcome::Pass,
                format!("none, and none is needed: no write after revision {from} can have been acknowledged"),
            ),
            (_, watched) => skipped(case, &names, watched),
        },
    })
}

/// Checks a bump that is large enough as far as is known: whether older revisions are refused is seen by a watch.
fn skipped(case: Case<'_>, names: &str, watched: &Watched) -> Check {
    let (from, last) = (shown(case.plan.expected_revision()), case.plan.last_known_revision());
    let check = |outcome, words: String| Check::new(Topic::Bump, outcome, words);
    match watched {
        Watched::Compacted(at) if *at >= last => check(
            Outcome::Pass,
            format!(
                "revisions begin at {from}: {names} clients that know one up to {} list again; the last one known of the old \
                 cluster is {}",
                shown(*at),
                shown(last)
            ),
        ),
        Watched::Compacted(_) | Watched::Open => cure(
            case,
            check(
                Outcome::Fail,
                format!(
                    "revisions begin at {from}, and a watch from {}, which the old cluster issued, is not canceled",
                    shown(last)
                ),
            ),
        ),
        Watched::NotAsked => check(Outcome::NotYet, format!("revisions begin at {from}; no older watch was tried")),
        Watched::Failed(why) => {
            let words = format!("revisions begin at {from}; whether older watches are canceled is not known: {why}");
            check(Outcome::Unknown, words)
        }
    }
}

/// Returns what repairs stale clients; tested with real API servers and informers: none had to be restarted.
fn cure(case: Case<'_>, check: Check) -> Check {
    let file = format!("{}-running.db", case.plan.label);
    let endpoint = case.plan.members.iter().flat_map(|m| m.client_urls.first()).next();
    let from = endpoint.cloned();
    check
        .todo(
            "To repair all clients without a restart: a snapshot of the running cluster, restored with a bump that is \
             large enough.",
        )
        .by(Remedy::RepairClients { file, from, bump: DOCUMENTED })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{
        super::{VerifyResult, check, tests},
        *,
    };
    use crate::domain::model::{plan::Plan, revisions::KnownRevision};

    fn plan(bump: u64, clients: &[Client], newest: Option<i64>, complete: bool) -> Plan {
        let mut plan = tests::plan();
        (plan.bump_revision, plan.mark_compacted) = (bump, bump > 0);
        plan.revisions.clients = clients.to_vec();
        plan.revisions.newest = newest.map(|revision| KnownRevision { revision, from: "cp2".into() });
        plan.revisions.complete = complete;
        plan
    }

    #[test]
    fn stale_clients_are_never_proven() {
        use Client::{Calico, Kubernetes};
        let data = |clients: &[Client]| Queried::Is(Data { clients: clients.to_vec(), ..Data::default() });
        let first = tests::plan().expected_revision();
        let beyond = Some(first + 6_780);
        for (what, plan, data, outcome, code) in [
            ("no such client", plan(0, &[], None, false), data(&[]), None, 0),
            ("not read yet", plan(0, &[], None, false), Queried::Not, None, 0),
            ("a plan of before", plan(0, &[], None, false), data(&[Kubernetes]), Some(Outcome::Unknown), 17),
            ("no bump", plan(0, &[Kubernetes], None, false), Queried::Not, Some(Outcome::Unknown), 17),
            ("no bump is needed", plan(0, &[Calico], None, true), Queried::Not, Some(Outcome::Pass), 0),
            ("known to be given out", plan(0, &[Kubernetes], beyond, false), Queried::Not, Some(Outcome::Fail), 16),
            ("known, and no such client", plan(0, &[], beyond, false), data(&[]), Some(Outcome::Unknown), 0),
            ("too small a bump", plan(1_000, &[Kubernetes], beyond, false), Queried::Not, Some(Outcome::Fail), 16),
            ("perhaps too small", plan(1_000, &[Kubernetes], None, false), Queried::Not, Some(Outcome::Unknown), 17),
            ("enough", plan(DOCUMENTED, &[Kubernetes], beyond, false), Queried::Not, Some(Outcome::Pass), 0),
        ] {
            let mut seen = tests::good(&plan);
            seen.old_watch = Watched::Compacted(plan.expected_revision());
            let proof = check(&plan, &seen, &data);
            assert_eq!(proof.check(Topic::Bump).map(|check| check.outcome), outcome, "{what}");
            assert_eq!(proof.verdict.exit_code(), code, "{what}: {}", proof.sentence);
            if code != 0 {
                assert_ne!(proof.verdict, VerifyResult::Proven);
                let Check { todo, remedies, .. } = proof.check(Topic::Bump).unwrap();
                assert_eq!(todo.len(), 1);
                assert!(matches!(remedies[..], [Remedy::RepairClients { bump: DOCUMENTED, .. }]), "{remedies:?}");
            }
        }
    }
    /// What a run saw later than the plan was made counts, and a watch is tried from there.
    #[test]
    fn what_a_run_saw_counts() {
        use Client::Kubernetes;
        for (bump, ahead, outcome) in
            [(10, 30, Outcome::Fail), (1_000, 500, Outcome::Unknown), (DOCUMENTED, 500, Outcome::Pass)]
        {
            let plan = plan(bump, &[Kubernetes], None, false);
            let revision = plan.source.revision + ahead;
            let mut seen = tests::good(&plan);
            seen.old.newest = Some(KnownRevision { revision, from: "m1".into() });
            let asked = super::super::questions(&plan, &seen);
            assert!(
                asked.iter().any(|q| matches!(q, super::super::Question::Watch(_, at) if *at == revision)),
                "{asked:?}"
            );
            seen.old_watch = Watched::Compacted(plan.expected_revision());
            let proof = check(&plan, &seen, &Queried::Not);
            let found = proof.check(Topic::Bump).unwrap();
            assert_eq!((found.outcome, proof.plan.as_str()), (outcome, plan.short_id().as_str()), "{found:?}");
            if outcome == Outcome::Fail {
                assert_eq!(proof.verdict.exit_code(), 16);
                assert!(
                    found.words.contains("m1") && found.words.contains("20"),
                    "who saw it, and how many: {}",
                    found.words
                );
            }
        }
    }

    #[test]
    fn a_bump_is_right_when_watches_end() {
        let plan = plan(DOCUMENTED, &[Client::Kubernetes], Some(90_000), false);
        let first = plan.expected_revision();
        for (watched, outcome, code) in [
            (Watched::Compacted(first), Outcome::Pass, 0),
            (Watched::Compacted(first + 500), Outcome::Pass, 0),
            (Watched::Compacted(89_999), Outcome::Fail, 16),
            (Watched::Open, Outcome::Fail, 16),
            (Watched::NotAsked, Outcome::NotYet, 17),
            (Watched::Failed("no answer in 3 s".into()), Outcome::Unknown, 17),
        ] {
            let mut seen = tests::good(&plan);
            seen.old_watch = watched;
            seen.over = true;
            let proof = check(&plan, &seen, &Queried::Not);
            assert_eq!(proof.check(Topic::Bump).unwrap().outcome, outcome);
            assert_eq!(proof.verdict.exit_code(), code, "{}", proof.sentence);
        }
    }
}
