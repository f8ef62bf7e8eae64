//! Clocks by the dates of answers: who is off by how much, and who could be.

use super::*;

#[test]
fn a_clock_that_is_off_is_named() {
    const DAY: i64 = 86_400_000;
    const HOUR: i64 = 3_600_000;
    // offsets of the members from this machine's clock, in milliseconds; none for no date
    type Case<'a> = (&'a [Option<i64>], VerifyResult, Outcome, &'a [&'a str]);
    let cases: [Case<'_>; 11] = [
        (&[Some(0), Some(0), Some(0)], VerifyResult::Proven, Outcome::Pass, &[]),
        (&[Some(0), Some(0), Some(2 * DAY)], VerifyResult::Failed, Outcome::Fail, &["m3"]),
        (&[Some(0), Some(-2 * HOUR - 5000), Some(0)], VerifyResult::Failed, Outcome::Fail, &["m2"]),
        (&[Some(45_000), Some(0), Some(0)], VerifyResult::Failed, Outcome::Fail, &["m1"]),
        (&[Some(0), Some(4_000), Some(0)], VerifyResult::Proven, Outcome::Pass, &[]),
        // the operator's machine is the odd one
        (&[Some(DAY), Some(DAY), Some(DAY)], VerifyResult::Proven, Outcome::Pass, &[]),
        // of two members this machine has the casting vote
        (&[Some(0), Some(3 * DAY)], VerifyResult::Failed, Outcome::Fail, &["m2"]),
        (&[Some(DAY), Some(3 * DAY)], VerifyResult::Unproven, Outcome::Unknown, &[]),
        (&[Some(-2 * DAY)], VerifyResult::Unproven, Outcome::Unknown, &[]),
        (&[Some(0), None, Some(0)], VerifyResult::Proven, Outcome::Unknown, &[]),
        (&[None, None, None], VerifyResult::Proven, Outcome::Unknown, &[]),
    ];
    let mut messages = Vec::new();
    for (offsets, verdict, outcome, who) in cases {
        let mut plan = plan();
        plan.members.truncate(offsets.len());
        plan.cluster_id = cluster_id(&plan.members.iter().map(|m| m.id).collect::<Vec<_>>());
        let mut seen = good(&plan);
        for (at, offset) in offsets.iter().enumerate() {
            let leader = plan.members[offsets.len() - 1].id;
            said(&mut seen, at).leader = leader;
            let Queried::Is(rows) = &mut seen.members[at].stored else { unreachable!() };
            rows.clock = offset.map(|off| ClockOffset { least: off - 300, most: off + 700 });
        }
        let proof = check(&plan, &seen, &Queried::Not);
        let found = proof.check(Topic::Clock).unwrap();
        assert_eq!(
            (found.outcome, &found.who[..]),
            (outcome, &who.iter().map(|w| w.to_string()).collect::<Vec<_>>()[..]),
            "{offsets:?}: {found:?}"
        );
        assert_eq!(proof.verdict, verdict, "{offsets:?}: {proof:#?}");
        messages.push((format!("{offsets:?}"), format!("{}\n{}", found.words, proof.sentence)));
    }
    let messages: Vec<(&str, String)> = messages.iter().map(|(what, said)| (what.as_str(), said.clone())).collect();
    crate::text::messages::hold("plan-check-clocks", &messages);
}
