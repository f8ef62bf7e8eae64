//! How many revisions a restored cluster should skip, with the reason.
//!
//! Where the snapshot holds data of clients that keep revisions and it is not shown to be the newest state, the proposal
//! is the amount of etcd's documentation: it costs nothing, and an amount computed from a few known states has been too
//! small (a backup of the night, a rollout in the morning). What can be computed shows whether even that is too small.

use crate::{
    domain::model::revision_clients::{self, Client},
    text::number::thousands,
};

pub use crate::domain::model::revision_clients::DOCUMENTED;

/// By how much the computed distance is multiplied, for writes that came faster than those known.
const SLACK: u64 = 2;
/// At least so many seconds of writes are skipped.
const LEAST_SECONDS: u64 = 600;
/// At least so many revisions are skipped.
const LEAST: u64 = 1_000;
/// Two states nearer to each other than this, in seconds, show nothing about the rate.
const APART: i64 = 60;

/// A state of the old cluster that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Its revision.
    pub revision: i64,
    /// When the cluster was in it, seconds since 1970, where that is known.
    pub at: Option<i64>,
    /// Where it is: `m2`, `a.db`.
    pub from: String,
}

/// What is known of the old cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Clients that keep revisions whose data is in the snapshot.
    pub clients: Vec<Client>,
    /// Those of them of which deleted history alone is in it.
    pub past: Vec<Client>,
    /// True where no write after the snapshot can have been acknowledged.
    pub complete: bool,
    /// The snapshot that is restored.
    pub snapshot: Point,
    /// Other states: survivors, data directories, other snapshots of the same cluster.
    pub others: Vec<Point>,
    /// When the last write can have been, seconds since 1970, where the beginning of the outage is
    /// known.
    pub writes_ended: Option<i64>,
    /// Seconds since 1970.
    pub now: i64,
}

/// What is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// `--bump-revision`; 0 for none.
    pub revisions: u64,
    /// Why, a sentence without a full stop.
    pub why: String,
}

impl Known {
    /// The newest state that is known to be newer than the snapshot.
    pub fn newest(&self) -> Option<&Point> {
        let newest = self.others.iter().max_by_key(|point| point.revision)?;
        Some(newest).filter(|point| point.revision > self.snapshot.revision)
    }
}

/// Returns the proposal for what is known.
pub fn propose(known: &Known) -> Proposal {
    let none = |why: String| Proposal { revisions: 0, why };
    if known.clients.is_empty() {
        return none(format!(
            "the snapshot holds no data of a client known to keep revisions ({})",
            Client::names(&Client::ALL)
        ));
    }
    let clients = Client::names(&known.clients);
    let newest = match (known.newest(), known.complete) {
        (Some(newest), _) => {
            let ahead = newest.revision.saturating_sub(known.snapshot.revision).unsigned_abs();
            format!("{} is at revision {}, {} after it", newest.from, number(newest.revision), thousands(ahead))
        }
        (None, true) => {
            return none(format!(
                "no write after the snapshot can have been acknowledged, so {clients} clients know no later revision"
            ));
        }
        (None, false) => "it is not known to be the newest state".to_string(),
    };
    if known.snapshot.revision.checked_add_unsigned(DOCUMENTED).is_none() {
        return none("a bump would exceed the largest revision etcd supports".into());
    }
    Proposal {
        revisions: DOCUMENTED,
        why: format!(
            "the snapshot holds {}, whose clients keep revisions, and {newest}",
            revision_clients::data_of(&known.clients, &known.past)
        ),
    }
}

/// Returns why a bump of so many revisions may be too small, by the rate at which the old cluster wrote; a sentence without a full
/// stop.
pub fn too_small(known: &Known, bump: u64) -> Option<String> {
    if known.clients.is_empty() || known.complete || bump == 0 {
        return None;
    }
    let (least, how) = estimate(known)?;
    (least > bump).then(|| format!("a bump of {} may be too small: {how}", thousands(bump)))
}

/// Writes in a time: `writes` in `seconds`.
#[derive(Clone, Copy)]
struct Rate<'a> {
    writes: u64,
    seconds: u64,
    from: &'a str,
    to: &'a str,
}

impl Rate<'_> {
    /// How many writes that makes in so many seconds, rounded up.
    fn over(self, seconds: u64) -> u64 {
        let writes = u128::from(self.writes) * u128::from(seconds);
        u64::try_from(writes.div_ceil(u128::from(self.seconds.max(1)))).unwrap_or(u64::MAX)
    }

    fn words(self) -> String {
        match self.over(60) {
            0..=1 => format!("{} an hour", thousands(self.over(3600))),
            2..=300 => format!("{} a minute", thousands(self.over(60))),
            _ => format!("{} a second", thousands(self.over(1))),
        }
    }
}

/// How many revisions the old cluster can have gone beyond the snapshot, doubled, and how that was computed. It takes two
/// states whose times are known.
fn estimate(known: &Known) -> Option<(u64, String)> {
    // No state can be younger than the last write, whenever it was saved.
    let youngest = known.writes_ended.unwrap_or(known.now).min(known.now);
    let clamped = |p: &Point| Point { at: p.at.map(|at| at.min(youngest)), ..p.clone() };
    let points: Vec<Point> = std::iter::once(&known.snapshot).chain(&known.others).map(clamped).collect();
    let newest = points.iter().max_by_key(|p| p.revision).unwrap_or(&known.snapshot);
    let rate = rate(&points)?;
    let until_words = if known.writes_ended.is_some() { "writes ended" } else { "now" };
    // What can have been written after the newest state whose time is known.
    let timed = points.iter().filter_map(|p| Some((p.revision, p.at?))).max();
    let (unseen, from) = timed.map_or((0, known.snapshot.revision), |(revision, at)| {
        (rate.over(youngest.saturating_sub(at).max(0).unsigned_abs()), revision)
    });
    let last = from.saturating_add_unsigned(unseen).max(newest.revision);
    let distance = last.saturating_sub(known.snapshot.revision).unsigned_abs();
    let amount = rounded(distance.saturating_mul(SLACK).max(rate.over(LEAST_SECONDS).max(LEAST)));
    let how = format!(
        "at {} (from {} to {}) the old cluster reached about {} until {until_words}, {} after the snapshot; doubled, that \
         is {}",
        rate.words(),
        rate.from,
        rate.to,
        number(last),
        thousands(distance),
        thousands(amount),
    );
    Some((amount, how))
}

/// The fastest that the old cluster wrote between two states known one after the other. A later state
/// with a smaller revision belongs to another history, or its time is not its own.
fn rate(points: &[Point]) -> Option<Rate<'_>> {
    let mut timed: Vec<(i64, i64, &str)> =
        points.iter().filter_map(|p| Some((p.at?, p.revision, p.from.as_str()))).collect();
    timed.sort_unstable();
    let rates = timed.iter().zip(timed.iter().skip(1)).filter_map(|(a, b)| {
        let (seconds, writes) = (b.0.checked_sub(a.0)?, b.1.checked_sub(a.1)?);
        (seconds >= APART && writes > 0).then(|| Rate {
            writes: writes.unsigned_abs(),
            seconds: seconds.unsigned_abs(),
            from: a.2,
            to: b.2,
        })
    });
    rates.max_by(|a, b| {
        (u128::from(a.writes) * u128::from(b.seconds)).cmp(&(u128::from(b.writes) * u128::from(a.seconds)))
    })
}

/// Rounded up to two digits, so that the number does not look measured.
fn rounded(amount: u64) -> u64 {
    let unit = 10u64.pow(amount.checked_ilog10().unwrap_or(0).saturating_sub(1));
    amount.div_ceil(unit).saturating_mul(unit)
}

fn number(revision: i64) -> String {
    thousands(revision.unsigned_abs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_795_317_120;

    fn point(revision: i64, ago: Option<i64>, from: &str) -> Point {
        Point { revision, at: ago.map(|ago| NOW - ago), from: from.into() }
    }

    fn known(snapshot: Point, others: &[Point]) -> Known {
        let clients = vec![Client::Kubernetes];
        Known {
            clients,
            past: Vec::new(),
            complete: false,
            snapshot,
            others: others.to_vec(),
            writes_ended: None,
            now: NOW,
        }
    }

    #[test]
    fn the_proposal_follows_from_clients_and_certainty() {
        let alone = known(point(83_799, Some(4320), "a.db"), &[]);
        let ahead = known(point(83_799, Some(4320), "a.db"), &[point(84_211, None, "m2")]);
        let none = |known: &Known| Known { clients: Vec::new(), ..known.clone() };
        let complete = |known: &Known| Known { complete: true, ..known.clone() };
        let last = known(point(i64::MAX - 5, None, "a.db"), &[]);
        let mut messages = Vec::new();
        for (known, revisions, what) in [
            (&alone, DOCUMENTED, "not known to be the newest"),
            (&ahead, DOCUMENTED, "a newer state is known"),
            (&complete(&alone), 0, "complete"),
            // A newer state that is known counts for more.
            (&complete(&ahead), DOCUMENTED, "complete, and a newer state is known"),
            (&none(&ahead), 0, "no client that caches"),
            (&last, 0, "the largest revision"),
        ] {
            let proposed = propose(known);
            assert_eq!(proposed.revisions, revisions, "{known:?}");
            messages.push((what, proposed.why));
        }
        crate::text::messages::hold("plan-bump-proposed", &messages);
    }

    #[test]
    fn what_is_computed_only_warns() {
        let amount = |known: &Known| estimate(known).unwrap().0;
        // 3,600 writes in an hour, then another hour of which nothing is known: 3,600 more, doubled.
        let two = known(point(13_600, Some(3600), "b.db"), &[point(10_000, Some(7200), "a.db")]);
        assert_eq!(amount(&two), 7_200);
        assert_eq!(
            too_small(&two, 1_000).unwrap(),
            "a bump of 1,000 may be too small: at 60 a minute (from a.db to b.db) the old cluster reached about 17,200 \
             until now, 3,600 after the snapshot; doubled, that is 7,200"
        );
        assert_eq!((too_small(&two, 7_200), too_small(&two, 0), too_small(&two, DOCUMENTED)), (None, None, None));
        // The outage began half an hour after the newest state.
        let ended = Known { writes_ended: Some(NOW - 1800), ..two.clone() };
        assert_eq!(amount(&ended), 3_600);
        // A state saved after the end of writes is no younger than that: the rate was twice as high.
        let late = Known { writes_ended: Some(NOW - 5400), ..two.clone() };
        let mut messages = vec![("saved after the end of writes", estimate(&late).unwrap().1)];
        // The older of the two is restored: what was written between them counts, too.
        let older = known(point(10_000, Some(7200), "a.db"), &[point(13_600, Some(3600), "b.db")]);
        assert_eq!(amount(&older), 15_000);
        // A survivor knows more than the rate would say.
        let survivor = known(two.snapshot.clone(), &[two.others[0].clone(), point(100_000, None, "m2")]);
        assert_eq!(amount(&survivor), 180_000);
        // The busiest time counts.
        let busy =
            known(point(10_000, Some(7200), "a"), &[point(20_000, Some(7100), "b"), point(20_001, Some(100), "c")]);
        messages.push(("the busiest time", estimate(&busy).unwrap().1));
        crate::text::messages::hold("plan-bump-rate", &messages);
        // Saved this moment: never less than ten minutes of writes.
        let fresh = known(point(16_000, Some(0), "m2"), &[point(10_000, Some(600), "a")]);
        assert_eq!(amount(&fresh), 6_000);
        assert_eq!(amount(&known(point(11, Some(0), "b"), &[point(10, Some(90_000), "a")])), LEAST);
        // A billion is too small for who wrote a million a second for an hour.
        let wild = known(point(10_000_000_000, Some(3600), "b"), &[point(6_400_000_000, Some(7200), "a")]);
        assert!(too_small(&wild, DOCUMENTED).is_some());
        // Without two states whose times are known there is no rate.
        for case in [
            known(point(83_799, Some(4320), "a.db"), &[point(84_211, None, "m2")]),
            known(point(5, Some(10), "a"), &[point(9, Some(0), "b")]),
            known(point(9, Some(7200), "a"), &[point(5, Some(0), "copied later")]),
        ] {
            assert_eq!(estimate(&case), None, "{case:?}");
        }
    }

    proptest! {
        #[test]
        fn every_suggestion_exceeds_the_known_revisions(
            points in prop::collection::vec((0i64.., prop::option::of(any::<i64>())), 1..5), ended in prop::option::of(any::<i64>()), now: i64,
            complete: bool,
        ) {
            let mut points: Vec<Point> = points.into_iter().map(|(revision, at)| Point { revision, at, from: "x".into() }).collect();
            let snapshot = points.remove(0);
            let known = Known { clients: vec![Client::Calico], past: Vec::new(), complete, snapshot, others: points, writes_ended: ended, now };
            let begins = known.snapshot.revision.checked_add_unsigned(propose(&known).revisions);
            prop_assert!(begins.is_some());
            if let Some((amount, _)) = estimate(&known) {
                let begins = i128::from(known.snapshot.revision) + i128::from(amount);
                prop_assert!(known.others.iter().all(|p| i128::from(p.revision) <= begins));
            }
        }
    }
}
