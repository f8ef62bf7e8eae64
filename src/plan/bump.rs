//! How many revisions a restored cluster should skip: a proposal with its reasons, or why there is
//! none.
//!
//! Clients of Kubernetes remember revisions. A restored cluster that gives out old ones again lets
//! their caches stay wrong for hours (kubernetes/kubernetes#107457, etcd-io/etcd#16028); one that
//! begins beyond everything the old cluster ever gave out makes them list again. How far that was
//! can be computed from what is known of the old cluster, or it cannot: then nothing is proposed.

use super::words::thousands;

/// By how much the computed distance is multiplied, for writes that came faster than those known.
const SLACK: u64 = 2;
/// At least so many seconds of writes are skipped.
const LEAST_SECONDS: u64 = 600;
/// At least so many revisions are skipped.
const LEAST: u64 = 1_000;
/// Two states nearer to each other than this, in seconds, say nothing about the rate.
const APART: i64 = 60;
/// The value in the examples of etcd's documentation on `--bump-revision`.
pub const DOCUMENTED: u64 = 1_000_000_000;

/// A state of the old cluster that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Its revision.
    pub revision: i64,
    /// When the cluster was in it, seconds since 1970, where that is known.
    pub at: Option<i64>,
    /// Who tells: `m2's answer`, `a.db`.
    pub from: String,
}

/// What is known of the old cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// True where an API server of Kubernetes kept its data there.
    pub kubernetes: bool,
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
pub enum Proposal {
    /// So many revisions.
    Amount {
        /// `--bump-revision`.
        revisions: u64,
        /// How it was computed, a sentence without a full stop.
        why: String,
        /// What was assumed in that, sentences without a full stop.
        assumed: Vec<String>,
    },
    /// Nothing.
    Nothing {
        /// Why not, a sentence without a full stop.
        why: String,
        /// What to look at, sentences without a full stop; empty where no bump is needed.
        look: Vec<String>,
    },
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

/// The proposal for what is known.
pub fn propose(known: &Known) -> Proposal {
    if !known.kubernetes {
        let why =
            "no Kubernetes data was found in the snapshot; a bump is for clients that remember revisions, as its do";
        return Proposal::Nothing { why: why.into(), look: Vec::new() };
    }
    // No state can be younger than the last write, whenever it was saved.
    let youngest = known.writes_ended.unwrap_or(known.now).min(known.now);
    let clamped = |p: &Point| Point { at: p.at.map(|at| at.min(youngest)), ..p.clone() };
    let points: Vec<Point> = std::iter::once(&known.snapshot).chain(&known.others).map(clamped).collect();
    let newest = points.iter().max_by_key(|p| p.revision).unwrap_or(&known.snapshot);
    let ahead = newest.revision.saturating_sub(known.snapshot.revision).unsigned_abs();
    let Some(rate) = rate(&points) else { return unknown(newest, ahead) };
    let until_words = if known.writes_ended.is_some() { "writes ended" } else { "now" };
    // What can have been written behind the newest state whose time is known.
    let timed = points.iter().filter_map(|p| Some((p.revision, p.at?))).max();
    let (unseen, from) = timed.map_or((0, known.snapshot.revision), |(revision, at)| {
        (rate.over(youngest.saturating_sub(at).max(0).unsigned_abs()), revision)
    });
    let last = from.saturating_add_unsigned(unseen).max(newest.revision);
    let distance = last.saturating_sub(known.snapshot.revision).unsigned_abs();
    let (slack, least) = (distance.saturating_mul(SLACK), rate.over(LEAST_SECONDS).max(LEAST));
    let amount = rounded(slack.max(least));
    let how = if slack >= least {
        "doubled and rounded up that is"
    } else {
        "raised to ten minutes of writes and 1,000 at least that is"
    };
    if known.snapshot.revision.checked_add_unsigned(amount).is_none() {
        let why = "the computed amount passes the largest revision that etcd can count to; a bump cannot help here";
        return Proposal::Nothing { why: why.into(), look: Vec::new() };
    }
    let newest_words = match ahead {
        0 => "nothing newer than the snapshot is known".to_string(),
        _ => {
            format!(
                "{} knows revision {}, {} after the snapshot's",
                newest.from,
                number(newest.revision),
                thousands(ahead)
            )
        }
    };
    let came_to = match distance {
        0 => format!("it came no further until {until_words}"),
        _ => {
            format!("it came to about {} until {until_words}, {} after the snapshot", number(last), thousands(distance))
        }
    };
    let why = format!(
        "{newest_words}; at {} (from {} to {}) {came_to}; {how} {}",
        rate.words(),
        rate.from,
        rate.to,
        thousands(amount),
    );
    let mut assumed = vec![
        "file times are right (a copy may bear its own)".to_string(),
        "it wrote no faster than twice that rate".to_string(),
    ];
    if known.writes_ended.is_none() {
        // A state that was saved after that time bears a time later than its last write.
        assumed.push(
            "writes went on until now, as their end is not known; had they ended earlier, the rate was higher".into(),
        );
    }
    Proposal::Amount { revisions: amount, why, assumed }
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

/// Without a rate there is no amount; what there is, and what to look at.
fn unknown(newest: &Point, ahead: u64) -> Proposal {
    let mut look = Vec::new();
    if ahead > 0 {
        look.push(format!(
            "{} knows revision {}, so at least {}",
            newest.from,
            number(newest.revision),
            thousands(ahead)
        ));
    }
    look.push("a second snapshot of the same cluster tells the rate".into());
    look.push("the highest resourceVersion in a client's log was given out".into());
    look.push(format!("{} is the example of etcd's documentation: large, not computed", thousands(DOCUMENTED)));
    let why = "this is Kubernetes data, whose clients remember revisions, but how fast the old cluster wrote is not known: no amount can be computed";
    Proposal::Nothing { why: why.into(), look }
}

/// Rounded up to two digits, as nobody takes such a number for a measured one.
fn rounded(amount: u64) -> u64 {
    let unit = 10u64.pow(amount.checked_ilog10().unwrap_or(0).saturating_sub(1));
    amount.div_ceil(unit).saturating_mul(unit)
}

fn number(revision: i64) -> String {
    thousands(revision.unsigned_abs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_795_317_120;

    fn point(revision: i64, ago: Option<i64>, from: &str) -> Point {
        Point { revision, at: ago.map(|ago| NOW - ago), from: from.into() }
    }

    fn known(snapshot: Point, others: &[Point]) -> Known {
        Known { kubernetes: true, snapshot, others: others.to_vec(), writes_ended: None, now: NOW }
    }

    fn amount(known: &Known) -> (u64, String) {
        match propose(known) {
            Proposal::Amount { revisions, why, .. } => (revisions, why),
            nothing => panic!("{nothing:?}"),
        }
    }

    #[test]
    fn the_amount_follows_from_rate_outage_and_what_is_known() {
        // 3,600 writes in an hour, then another hour of which nothing is known: 3,600 more, doubled.
        let two = known(point(13_600, Some(3600), "b.db"), &[point(10_000, Some(7200), "a.db")]);
        let (revisions, why) = amount(&two);
        assert_eq!(revisions, 7_200);
        assert_eq!(
            why,
            "nothing newer than the snapshot is known; at 60 a minute (from a.db to b.db) it came to about 17,200 until now, 3,600 after the snapshot; doubled and rounded up that is 7,200"
        );
        // The outage began half an hour after the newest state.
        let ended = Known { writes_ended: Some(NOW - 1800), ..two.clone() };
        assert_eq!(amount(&ended).0, 3_600);
        // A state saved after the end of writes is no younger than that: the rate was twice as high.
        let late = Known { writes_ended: Some(NOW - 5400), ..two.clone() };
        assert!(amount(&late).1.contains("at 120 a minute"), "{:?}", amount(&late));
        // The older of the two is restored: what lies between counts, too.
        let older = known(point(10_000, Some(7200), "a.db"), &[point(13_600, Some(3600), "b.db")]);
        assert_eq!(amount(&older).0, 15_000);
        // A survivor knows more than the rate would say.
        let survivor = known(two.snapshot.clone(), &[two.others[0].clone(), point(100_000, None, "m2's answer")]);
        let (revisions, why) = amount(&survivor);
        assert_eq!(revisions, 180_000);
        assert!(why.starts_with("m2's answer knows revision 100,000, 86,400 after the snapshot's"), "{why}");
        // The busiest time counts.
        let busy =
            known(point(10_000, Some(7200), "a"), &[point(20_000, Some(7100), "b"), point(20_001, Some(100), "c")]);
        assert!(amount(&busy).1.contains("at 100 a second (from a to b)"), "{:?}", amount(&busy));
        // Saved this moment: never less than ten minutes of writes.
        let fresh = known(point(16_000, Some(0), "m2"), &[point(10_000, Some(600), "a")]);
        assert_eq!(amount(&fresh).0, 6_000);
        assert_eq!(amount(&known(point(11, Some(0), "b"), &[point(10, Some(90_000), "a")])).0, LEAST);
    }

    #[test]
    fn a_guess_is_never_an_amount() {
        let alone = known(point(83_799, Some(4320), "a.db"), &[point(84_211, None, "m2's answer")]);
        let cases = [
            alone.clone(),
            known(point(5, None, "a"), &[point(9, None, "b")]),
            known(point(5, Some(10), "a"), &[point(9, Some(0), "b")]),
            known(point(9, Some(7200), "a"), &[point(5, Some(0), "copied later")]),
        ];
        for case in &cases {
            let Proposal::Nothing { why, look } = propose(case) else { panic!("{case:?}") };
            assert!(why.contains("is not known"), "{why}");
            assert!(look.iter().any(|l| l.starts_with("1,000,000,000 is the example") && l.ends_with("not computed")));
        }
        let Proposal::Nothing { look, .. } = propose(&alone) else { panic!() };
        assert!(look[0] == "m2's answer knows revision 84,211, so at least 412", "{look:?}");
        let other = Known { kubernetes: false, ..alone };
        assert!(matches!(propose(&other), Proposal::Nothing { look, .. } if look.is_empty()));
    }

    proptest! {
        #[test]
        fn every_amount_passes_what_is_known_and_can_be_counted(
            points in prop::collection::vec((0i64.., prop::option::of(any::<i64>())), 1..5), ended in prop::option::of(any::<i64>()), now: i64,
        ) {
            let mut points: Vec<Point> = points.into_iter().map(|(revision, at)| Point { revision, at, from: "x".into() }).collect();
            let snapshot = points.remove(0);
            let known = Known { kubernetes: true, snapshot, others: points, writes_ended: ended, now };
            if let Proposal::Amount { revisions, .. } = propose(&known) {
                let begins = known.snapshot.revision.checked_add_unsigned(revisions);
                prop_assert!(begins.is_some_and(|begins| known.others.iter().all(|p| p.revision <= begins)));
            }
        }
    }
}
