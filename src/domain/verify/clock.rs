//! Do the members' clocks agree? By the dates of their answers, which are in whole seconds, so that only what is
//! certain is asserted.

use super::{Case, Check, Outcome, Topic, names};
use crate::{
    domain::model::{
        observations::{rows::ClockOffset, started::Queried},
        plan::Member,
    },
    text::{
        join::all,
        number::{plural, thousands},
    },
};

/// What clocks may differ by: more is no drift that time synchronisation leaves. etcd itself warns above a second.
const TOLERATED: i64 = 10_000;
/// What etcd warns of.
const WARNED: i64 = 1_000;

/// By how much two clocks differ for certain, in milliseconds; 0 where they may agree.
fn apart(a: ClockOffset, b: ClockOffset) -> i64 {
    a.least.saturating_sub(b.most).max(b.least.saturating_sub(a.most)).max(0)
}

/// By how much `a` is ahead of `b`, as far as is known, in milliseconds; negative where it is slow.
fn ahead(a: ClockOffset, b: ClockOffset) -> i64 {
    let middle = |clock: ClockOffset| clock.least.midpoint(clock.most);
    middle(a).saturating_sub(middle(b))
}

fn agree(a: ClockOffset, b: ClockOffset) -> bool {
    apart(a, b) <= TOLERATED
}

/// Milliseconds as people say them: `2 days`.
fn span(millis: i64) -> String {
    // rounded, since the last second is not certain
    let seconds = (millis.unsigned_abs() + 500) / 1000;
    let said = |unit: u64, one: &str, several: &str| {
        let n = (seconds + unit / 2) / unit;
        format!("{} {}", thousands(n), plural(usize::try_from(n).unwrap_or(usize::MAX), one, several))
    };
    match seconds {
        172_000.. => said(86_400, "day", "days"),
        7_100.. => said(3_600, "h", "h"),
        118.. => said(60, "min", "min"),
        _ => said(1, "s", "s"),
    }
}

/// Formats a difference: `2 days ahead`.
fn off(millis: i64) -> String {
    format!("{} {}", span(millis), if millis > 0 { "ahead" } else { "behind" })
}

/// Checks the clocks, with this machine's as one more vote.
pub(super) fn clocks(case: Case<'_>) -> Check {
    let check = |outcome, words: String| Check::new(Topic::Clock, outcome, words);
    let (mut told, mut untold): (Vec<(&Member, ClockOffset)>, Vec<String>) = (Vec::new(), Vec::new());
    for (member, seen) in case.members() {
        match &seen.stored {
            Queried::Not => return check(Outcome::NotYet, "asked once every member answers".into()).aside(),
            Queried::Is(rows) if super::own(case, member, rows) && rows.clock.is_some() => {
                told.extend(rows.clock.map(|clock| (member, clock)));
            }
            _ => untold.push(member.name.clone()),
        }
    }
    let here = ClockOffset { least: 0, most: 0 };
    let everyone: Vec<ClockOffset> = told.iter().map(|(_, clock)| *clock).chain([here]).collect();
    let with = |clock: ClockOffset| everyone.iter().filter(|other| agree(clock, **other)).count();
    let most = everyone.iter().map(|clock| with(*clock)).max().unwrap_or_default();
    let right: Vec<ClockOffset> = everyone.iter().copied().filter(|clock| with(*clock) == most).collect();
    // several clocks that most agree with, but that disagree with each other, are a tie
    let tie = right.iter().any(|a| right.iter().any(|b| !agree(*a, *b)));
    let reference = right.first().copied().unwrap_or(here);
    let odd: Vec<&(&Member, ClockOffset)> = told.iter().filter(|(_, clock)| !agree(*clock, reference)).collect();
    let off_here = |(member, clock): &(&Member, ClockOffset)| {
        format!(
            "{} {}",
            member.name,
            if agree(*clock, here) { "the same".to_string() } else { off(ahead(*clock, here)) }
        )
    };
    if tie {
        let said: Vec<String> = told.iter().map(off_here).collect();
        let words =
            format!("by this machine's clock: {}; which clock is right is not known from here", said.join(", "));
        return check(Outcome::Unknown, words).todo("Compare `date -u` on this machine and on the members.");
    }
    if !odd.is_empty() {
        let said: Vec<String> = odd
            .iter()
            .map(|(member, clock)| format!("the clock of {} is {}", member.name, off(ahead(*clock, reference))))
            .collect();
        return check(Outcome::Fail, all(&said)).who(odd.iter().map(|(m, _)| m.name.as_str())).todo(
            "Set it and enable time synchronisation there: certificate checks, backup names and log times depend on that \
             clock.",
        );
    }
    let silent = match untold.is_empty() {
        true => String::new(),
        false => {
            format!("not compared: {} {} no date in its answers", all(&untold), plural(untold.len(), "has", "have"))
        }
    };
    if told.is_empty() {
        return check(Outcome::Unknown, silent).aside();
    }
    let pairs = told.iter().flat_map(|(_, a)| told.iter().map(move |(_, b)| (apart(*a, *b), ahead(*a, *b))));
    let (widest, about) = pairs.max().unwrap_or_default();
    let mut words = match widest > WARNED {
        true => format!("up to {} apart; etcd warns of more than 1 s", span(about)),
        false => "no difference over 1 s".to_string(),
    };
    if !agree(reference, here) {
        words = format!("{words}; this machine's clock is {}", off(ahead(here, reference)));
    }
    match untold.is_empty() {
        true => check(Outcome::Pass, words),
        false => check(
            Outcome::Unknown,
            format!("{}: {words}; {silent}", names(&told.iter().map(|(m, _)| *m).collect::<Vec<_>>())),
        ),
    }
    .aside()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_as_people_say_them() {
        for (millis, words) in [
            (172_799_600, "2 days"),
            (250_000_000, "3 days"),
            (7_200_000, "2 h"),
            (-171_000_000, "48 h"),
            (5_400_000, "90 min"),
            (600_000, "10 min"),
            (119_900, "2 min"),
            (90_000, "90 s"),
            (11_000, "11 s"),
        ] {
            assert_eq!(span(millis), words);
        }
    }

    #[test]
    fn only_what_is_certain_counts() {
        let at = |least, most| ClockOffset { least, most };
        assert_eq!(apart(at(-300, 800), at(500, 900)), 0);
        assert_eq!(apart(at(5_000, 6_000), at(-100, 900)), 4_100);
        assert_eq!(apart(at(-100, 900), at(5_000, 6_000)), 4_100);
        assert_eq!(ahead(at(5_000, 6_000), at(0, 1_000)), 5_000);
    }
}
