//! What was measured: the runs, their medians and ratios, as a table, as JSON, and compared with earlier reports.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::text::size::size;

/// What a slower median must exceed an earlier one by before it counts as a regression: more than runs of the same
/// program differ by on a machine with nothing else to do.
const TOLERANCE: f64 = 1.10;

/// One measurement of everything; a line of the history file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The format of this value; 1.
    pub version: u32,
    /// When it was measured, in RFC 3339.
    pub time: String,
    /// The version of requorum.
    pub requorum: String,
    /// What etcdutl says of its version; none where there was no etcdutl.
    pub etcdutl: Option<String>,
    /// The machine: processor and number of cores. Figures of different machines are not compared.
    pub machine: String,
    /// What was measured, in order.
    pub races: Vec<RaceReport>,
}

/// Programs that did the same work with the same file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RaceReport {
    /// The work: `status`, `restore x1`, …
    pub work: String,
    /// The shape of the snapshot.
    pub shape: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether the file was in the page cache.
    pub cold: bool,
    /// What each program took.
    pub entrants: Vec<EntrantReport>,
}

/// Which part a program has in a race.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// requorum's command.
    Requorum,
    /// A part of its work alone.
    Part,
    /// What it is compared with.
    Etcdutl,
    /// The least that the work can take here.
    Floor,
}

/// What one program took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EntrantReport {
    /// Its name in the table.
    pub name: String,
    /// Its part in the race.
    pub role: Role,
    /// Every run.
    pub runs: Vec<Run>,
    /// The median of its times in seconds.
    pub seconds: f64,
    /// The median of its processor time in seconds, in all threads, the kernel's included.
    pub cpu_seconds: f64,
    /// The most memory that a run had, in bytes.
    pub peak_bytes: u64,
    /// The median of its times divided by etcdutl's of the same round.
    pub to_etcdutl: Option<f64>,
    /// The same of the processor times.
    pub cpu_to_etcdutl: Option<f64>,
    /// The median of its times divided by the floor's of the same round.
    pub to_floor: Option<f64>,
}

/// One run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Processor time of all its threads, the kernel's included, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory at most, in bytes.
    pub peak_bytes: u64,
}

impl RaceReport {
    /// Puts together what the rounds gave: in each, the run of each entrant, in the order of `entrants`.
    pub(super) fn new(
        (work, shape, bytes, cold): (&str, &str, u64, bool),
        entrants: &[(String, Role)],
        rounds: &[Vec<Run>],
    ) -> RaceReport {
        let index = |role: Role| entrants.iter().position(|(_, is)| *is == role);
        let values = |at: usize, of: fn(&Run) -> f64| -> Vec<f64> {
            rounds.iter().filter_map(|round| round.get(at)).map(of).collect()
        };
        let ratio = |at: usize, to: Option<usize>, of: fn(&Run) -> f64| {
            let to = to.filter(|to| *to != at)?;
            let ratios = values(at, of).into_iter().zip(values(to, of)).filter(|(_, to)| *to > 0.0);
            let ratios: Vec<f64> = ratios.map(|(one, other)| one / other).collect();
            (!ratios.is_empty()).then(|| median(ratios))
        };
        let entrants = entrants.iter().enumerate().map(|(at, (name, role))| EntrantReport {
            name: name.clone(),
            role: *role,
            runs: rounds.iter().filter_map(|round| round.get(at)).copied().collect(),
            seconds: median(values(at, |run| run.seconds)),
            cpu_seconds: median(values(at, |run| run.cpu_seconds)),
            peak_bytes: rounds.iter().filter_map(|round| round.get(at)).map(|run| run.peak_bytes).max().unwrap_or(0),
            to_etcdutl: ratio(at, index(Role::Etcdutl), |run| run.seconds),
            cpu_to_etcdutl: ratio(at, index(Role::Etcdutl), |run| run.cpu_seconds),
            to_floor: ratio(at, index(Role::Floor), |run| run.seconds),
        });
        RaceReport { work: work.into(), shape: shape.into(), bytes, cold, entrants: entrants.collect() }
    }

    fn name(&self) -> String {
        let cache = if self.cold { "cold" } else { "warm" };
        format!("{}, {} {}, {cache}", self.work, self.shape, size(self.bytes))
    }

    fn is_same_work(&self, other: &RaceReport) -> bool {
        (&self.work, &self.shape, self.bytes, self.cold) == (&other.work, &other.shape, other.bytes, other.cold)
    }
}

/// The table's heading.
pub(super) fn heading() -> String {
    format!(
        "{:<42} {:<22} {:>3} {:>26} {:>9} {:>6} {:>9} {:>7} {:>11}\n",
        "", "", "n", "seconds, median [min..max]", "/etcdutl", "CPU s", "/etcdutl", "/floor", "peak memory"
    )
}

/// The race's lines of the table.
pub(super) fn lines(race: &RaceReport) -> String {
    let (mut lines, ratio) = (String::new(), |value: Option<f64>| value.map(|v| format!("{v:.2}")).unwrap_or_default());
    for (at, entrant) in race.entrants.iter().enumerate() {
        let seconds = entrant.runs.iter().map(|run| run.seconds);
        let (least, most) = seconds.fold((f64::MAX, 0f64), |(least, most), s| (least.min(s), most.max(s)));
        let _ = writeln!(
            lines,
            "{:<42} {:<22} {:>3} {:>26} {:>9} {:>6.2} {:>9} {:>7} {:>11}",
            if at == 0 { race.name() } else { String::new() },
            entrant.name,
            entrant.runs.len(),
            format!("{:.2} [{least:.2}..{most:.2}]", entrant.seconds),
            ratio(entrant.to_etcdutl),
            entrant.cpu_seconds,
            ratio(entrant.cpu_to_etcdutl),
            ratio(entrant.to_floor),
            size(entrant.peak_bytes),
        );
    }
    lines
}

/// A program that was faster in earlier reports.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Regression {
    /// The race.
    pub race: String,
    /// The program in it.
    pub entrant: String,
    /// What is compared.
    pub measure: Measure,
    /// The median of the earlier reports.
    pub before: f64,
    /// What it is now.
    pub now: f64,
}

/// What a regression is a regression of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The ratio to etcdutl: other work of the machine slows both.
    ToEtcdutl,
    /// Seconds, where there was no etcdutl.
    Seconds,
    /// The most memory, in bytes.
    PeakBytes,
}

/// What became slower or larger, by more than a tenth, than the median of the `earlier` reports of the same machine.
pub fn regressions(now: &Report, earlier: &[Report]) -> Vec<Regression> {
    let mut found = Vec::new();
    let earlier: Vec<&Report> = earlier.iter().filter(|report| report.machine == now.machine).collect();
    for race in &now.races {
        for entrant in race.entrants.iter().filter(|entrant| matches!(entrant.role, Role::Requorum | Role::Part)) {
            let before: Vec<&EntrantReport> = earlier
                .iter()
                .flat_map(|report| report.races.iter().filter(|other| other.is_same_work(race)))
                .flat_map(|race| race.entrants.iter().filter(|other| other.name == entrant.name))
                .collect();
            let mut compare = |measure: Measure, now: f64, before: Vec<f64>| {
                let median = median(before);
                if median > 0.0 && now > median * TOLERANCE {
                    let (race, entrant) = (race.name(), entrant.name.clone());
                    found.push(Regression { race, entrant, measure, before: median, now });
                }
            };
            let ratios: Vec<f64> = before.iter().filter_map(|entrant| entrant.to_etcdutl).collect();
            match entrant.to_etcdutl.filter(|_| !ratios.is_empty()) {
                Some(ratio) => compare(Measure::ToEtcdutl, ratio, ratios),
                None => compare(Measure::Seconds, entrant.seconds, before.iter().map(|e| e.seconds).collect()),
            }
            let peaks = before.iter().map(|entrant| entrant.peak_bytes as f64).collect();
            compare(Measure::PeakBytes, entrant.peak_bytes as f64, peaks);
        }
    }
    found
}

impl Regression {
    /// One line for people.
    pub fn line(&self) -> String {
        let (now, before) = match self.measure {
            Measure::ToEtcdutl => (format!("{:.2} of etcdutl's time", self.now), format!("{:.2}", self.before)),
            Measure::Seconds => (format!("{:.2} s", self.now), format!("{:.2} s", self.before)),
            Measure::PeakBytes => (size(self.now as u64), size(self.before as u64)),
        };
        format!("Regression: {}, {}: {now}, before {before}", self.race, self.entrant)
    }
}

/// The middle one; the mean of the two where two are in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = |at: usize| values.get(at).copied().unwrap_or_default();
    f64::midpoint(at(values.len().saturating_sub(1) / 2), at(values.len() / 2))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn run(seconds: f64) -> Run {
        Run { seconds, cpu_seconds: seconds * 2.0, peak_bytes: (seconds * 1000.0) as u64 }
    }

    fn report(ours: &[f64], theirs: &[f64]) -> Report {
        let entrants = [("requorum".to_string(), Role::Requorum), ("etcdutl".to_string(), Role::Etcdutl)];
        let rounds: Vec<Vec<Run>> = ours.iter().zip(theirs).map(|(a, b)| vec![run(*a), run(*b)]).collect();
        let races = vec![RaceReport::new(("status", "big-values", 1_000_000, false), &entrants, &rounds)];
        let machine = "a processor, 2 cores".to_string();
        Report { version: 1, time: String::new(), requorum: String::new(), etcdutl: None, machine, races }
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0]), 2.5);
        assert_eq!(median(vec![]), 0.0);
    }

    #[test]
    fn ratios_are_of_runs_in_one_round() {
        // The machine became slow after the first round: both programs with it.
        let race = &report(&[1.0, 10.0, 10.0], &[2.0, 20.0, 20.0]).races[0];
        assert_eq!((race.entrants[0].to_etcdutl, race.entrants[0].cpu_to_etcdutl), (Some(0.5), Some(0.5)));
        assert_eq!((race.entrants[1].to_etcdutl, race.entrants[0].to_floor), (None, None));
        assert_eq!((race.entrants[0].seconds, race.entrants[0].peak_bytes), (10.0, 10_000));
    }

    #[test]
    fn a_regression_shows_against_the_same_machine() {
        let earlier = [report(&[1.0], &[2.0]), report(&[1.1], &[2.0]), report(&[0.9], &[2.0])];
        let measures = |now: &Report| regressions(now, &earlier).iter().map(|found| found.measure).collect::<Vec<_>>();
        assert_eq!(measures(&report(&[1.05], &[2.0])), []);
        assert_eq!(measures(&report(&[1.3], &[2.0])), [Measure::ToEtcdutl, Measure::PeakBytes]);
        // A slow machine is none, nor is another one.
        let mut slow = report(&[2.0], &[4.0]);
        slow.races[0].entrants[0].peak_bytes = 1000;
        assert_eq!(measures(&slow), []);
        let other = Report { machine: "another".into(), ..report(&[9.0], &[2.0]) };
        assert_eq!(measures(&other), []);
        // Without etcdutl the seconds count.
        let mut alone = report(&[1.3], &[2.0]);
        alone.races[0].entrants[0].to_etcdutl = None;
        assert_eq!(measures(&alone), [Measure::Seconds, Measure::PeakBytes]);
    }

    #[test]
    fn a_report_is_read_back() {
        let report = report(&[1.0, 2.0], &[2.0, 2.0]);
        let line = serde_json::to_string(&report).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Report>(&line).unwrap(), report);
    }
}
