//! The wording of every verdict and of its advice, as one table.

use super::{
    fork::{holds, judge, served, unled},
    *,
};

fn told(finding: &QuorumReport) -> String {
    let advice: String = finding.advice.iter().map(|a| format!("- {:?} [{}] {}\n", a.act, a.on, a.text)).collect();
    format!("{:?}: {}\nrule: {}\n{advice}", finding.verdict, finding.sentence, finding.rule)
}

/// The answers beside directories, snapshots and comparisons.
fn held_against(
    facts: &[EndpointFacts],
    dirs: &[DirFacts],
    known: &[KnownState],
    compared: &[Compared],
) -> QuorumReport {
    super::super::verdict(&Evidence { facts, given: &[], dirs, known, compared, gone: &BTreeSet::new() })
}

fn with(mut fact: EndpointFacts, change: impl FnOnce(&mut MemberStatus)) -> EndpointFacts {
    let Answer::Says(says) = &mut fact.answer else { unreachable!() };
    change(says);
    fact
}

#[test]
fn messages() {
    let m = listed(3, 0);
    let five = list(5, 0);
    let none = |n| says(n, &m, Id(0), Read::NotAsked);
    let mut rows: Vec<(&str, QuorumReport)> = vec![
        ("nobody asked", verdict(&[])),
        ("one endpoint, silent", verdict(&[silent(1)])),
        ("all silent", verdict(&[silent(1), silent(2)])),
        ("asking", verdict(&[none(1), asking(2), silent(3)])),
        ("1 of 3", verdict(&[silent(1), none(2), silent(3)])),
        ("1 of 3, one not asked", verdict(&[none(2), silent(1)])),
        ("2 of 5", {
            let none = |n| says(n, &five, Id(0), Read::NotAsked);
            verdict(&[none(1), none(2), silent(3), silent(4), silent(5)])
        }),
        ("1 of 5, the others not asked", verdict(&[says(1, &five, Id(0), Read::NotAsked), silent(2)])),
        ("a learner only", verdict(&[silent(1), says(4, &list(3, 2), LEADER, Read::NotAsked)])),
        ("two learners only", verdict(&[4, 5].map(|n| says(n, &list(3, 2), LEADER, Read::NotAsked)))),
        ("a stranger only", verdict(&[says(9, &m, Id(0), Read::NotAsked)])),
        ("one voter and a learner", verdict(&[says(2, &list(1, 1), Id(0), Read::NotAsked), silent(1)])),
        ("no member list", verdict(&[says(1, &[], Id(0), Read::NotAsked), silent(2), silent(3)])),
        ("a majority without a leader", verdict(&[none(1), none(2), silent(3)])),
        ("the read failed", verdict(&[says(1, &m, LEADER, Read::Failed("timed out".into())), silent(2)])),
        ("healthy", verdict(&[1, 2, 3].map(|n| served(n, 1, &m, (2, 30), 20)))),
        (
            "one of a cluster that serves is silent",
            verdict(&[served(1, 1, &m, (2, 30), 20), served(2, 1, &m, (2, 30), 20), silent(3)]),
        ),
        (
            "alarms",
            verdict(&[1, 2, 3].map(|n| {
                with(served(n, 1, &m, (2, 30), 20), |says| {
                    let alarm = |n: u64, kind: &str| Alarm { member: Id(n), kind: kind.into() };
                    says.alarms = vec![alarm(1, "NOSPACE"), alarm(2, "CORRUPT"), alarm(3, "ODD")];
                })
            })),
        ),
        (
            "survivors differ",
            verdict(&[(1, 5), (2, 6)].map(|(n, hash)| {
                with(says(n, &listed(5, 0), Id(0), Read::NotAsked), |says| {
                    says.hash = Hashed::Says { hash, revision: 9, compacted: -1 };
                })
            })),
        ),
        (
            "a client port is shut",
            verdict(&[silent(1), with(none(2), |says| says.closed = Some("no answer in 3 s".into())), silent(3)]),
        ),
        (
            "a client port wants a password",
            verdict(&[silent(1), with(none(2), |says| says.closed = Some(NoAnswer::Password)), silent(3)]),
        ),
        ("two clusters", verdict(&[none(1), with(none(2), |says| says.cluster_id = Id(0xc2))])),
    ];
    let lost = [none(2), silent(1), silent(3)];
    let dirs = |dirs: &[DirFacts]| judged(&lost, dirs, &BTreeSet::new());
    let held = |n, asked: bool| {
        let dir = dir(n, DirState::Whole, Held::By { pid: Some(7), program: "etcd".into() });
        judged(if asked { &lost } else { &lost[..1] }, &[dir], &BTreeSet::new())
    };
    rows.extend([
        ("gone for good", judged(&lost, &[broken(1)], &marks([3]))),
        ("a whole disk", dirs(&[dir(3, DirState::Whole, Held::No)])),
        ("two whole disks", dirs(&[dir(1, DirState::Whole, Held::No), dir(3, DirState::Whole, Held::No)])),
        ("a process has it", held(3, true)),
        ("a process has it, not asked", held(3, false)),
        ("an older copy", dirs(&[copy("/a", 80, true, false), copy("/b", 90, true, false)])),
        ("the same copy", dirs(&[copy("/a", 90, true, false), copy("/b", 90, true, false)])),
        ("a whole copy older than a broken one", dirs(&[copy("/a", 80, true, false), copy("/b", 90, false, false)])),
        ("a copy without an end", dirs(&[copy("/a", 0, false, false), copy("/b", 90, true, false)])),
        ("an etcd runs on the older copy", dirs(&[copy("/a", 90, true, false), copy("/b", 80, true, true)])),
    ]);
    let serving = |index, revision| [1, 2].map(|n| served(n, 1, &m, (2, index), revision));
    let beside = |serving: [EndpointFacts; 2], dir: DirFacts| {
        let facts: Vec<EndpointFacts> = serving.into_iter().chain([silent(3)]).collect();
        judge(&facts, &[dir])
    };
    let lost = [unled(1, &m, (2, 18), 11), silent(2), silent(3)];
    let mut never = m.clone();
    never[2].client_urls.clear();
    rows.extend([
        ("lacks everything", beside(serving(18, 11), holds(3, &[], (0, 0), 0))),
        ("lacks everything, no quorum", judge(&lost, &[holds(3, &[], (0, 0), 0)])),
        ("restored", beside(serving(18, 11), holds(3, &m, (1, 3), 11))),
        ("no keys", beside(serving(18, 11), holds(3, &m, (2, 7), 1))),
        ("other data", beside(serving(30, 21), holds(3, &m, (2, 30), 32))),
        ("another log", beside(serving(50, 530), holds(3, &m, (2, 18), 11))),
        (
            "not what was acknowledged",
            judge(
                &[silent(1), silent(2), silent(3)],
                &[holds(1, &m, (2, 18), 11), holds(2, &m, (2, 12), 5), holds(3, &m, (2, 12), 5)],
            ),
        ),
        ("never joined", judge(&[unled(1, &never, (2, 18), 11), silent(2), silent(3)], &[holds(3, &[], (0, 0), 0)])),
        ("a learner is silent", {
            let m = listed(3, 1);
            verdict(&[
                served(1, 2, &m, (2, 23), 14),
                served(2, 2, &m, (2, 23), 14),
                served(3, 2, &m, (2, 23), 14),
                silent(4),
            ])
        }),
    ]);
    let reborn = |revision| [silent(1), served(2, 3, &m, (2, 7), revision), served(3, 3, &m, (2, 7), revision)];
    let file = KnownState { from: "/backup/a.db".into(), cluster_id: None, members: m.clone(), revision: 50 };
    let all = |index, revision| [1, 2, 3].map(|n| served(n, 1, &m, (2, index), revision));
    let ahead = [silent(1), served(2, 3, &m, (2, 44), 37), served(3, 3, &m, (2, 44), 37)];
    let compared = |at: NewerAt, outcome| [Compared { at, revision: 11, outcome }];
    let m1 = || NewerAt::Dir("/var/lib/m1".into());
    let against = |outcome| held_against(&ahead, &[holds(1, &m, (2, 21), 14)], &[], &compared(m1(), outcome));
    rows.extend([
        ("an empty cluster serves", judge(&reborn(1), &[holds(1, &m, (2, 18), 11)])),
        ("an older state serves", judge(&reborn(5), &[holds(1, &m, (2, 18), 11)])),
        ("it serves from behind a survivor", judge(&[served(1, 1, &m[..1], (2, 4), 1), unled(2, &m, (3, 14), 6)], &[])),
        ("it serves from behind a snapshot", held_against(&all(40, 40), &[], &[file], &[])),
        ("a later term", judge(&[silent(1), served(2, 3, &m, (2, 44), 41)], &[holds(1, &m, (5, 17), 11)])),
        ("other data by hash", against(Match::Differs)),
        ("compacted", against(Match::Unknown(Unknown::Compacted))),
        ("compacted itself", against(Match::Unknown(Unknown::OwnCompacted(9)))),
        ("too large", against(Match::Unknown(Unknown::TooLarge))),
        ("being compared", against(Match::Unknown(Unknown::Asking))),
        ("one reborn beside a quorum", {
            judge(&[served(1, 1, &m[..1], (2, 4), 1), served(2, 2, &m, (3, 14), 6), served(3, 2, &m, (3, 14), 6)], &[])
        }),
        (
            "two states",
            verdict(&[(1, 7), (2, 8), (3, 8)].map(|(n, hash)| {
                with(served(n, 3, &m, (2, 46), 37), |says| {
                    says.hash = Hashed::Says { hash, revision: 36, compacted: 30 }
                })
            })),
        ),
        (
            "only a list speaks against it",
            verdict(&[
                served(1, 1, &m[..1], (2, 4), 300),
                with(unled(2, &m, (0, 0), 0), |says| says.closed = Some("no answer in 3 s".into())),
                silent(3),
            ]),
        ),
    ]);
    let default = |host: u64, revision, url: &str| {
        let mut lone = listed(1, 0);
        lone[0].client_urls = vec![url.into()];
        let mut fact = with(served(1, 1, &lone, (2, 4), revision), |says| says.cluster_id = DEFAULT_CLUSTER);
        fact.endpoint = format!("http://10.0.0.{host}:2379");
        fact
    };
    let local = "http://localhost:2379";
    let foreign = with(served(3, 3, &[], (2, 4), 1), |says| (says.cluster_id, says.member_id) = (Id(0xf0), Id(0xf1)));
    let misplaced = [served(1, 2, &m, (2, 18), 11), served(2, 2, &m, (2, 18), 11), foreign];
    let given = ["http://10.0.0.1:2379".to_string()];
    let none = BTreeSet::new();
    let found = |facts: &[EndpointFacts], given: &[String]| {
        super::super::verdict(&Evidence { facts, given, dirs: &[], known: &[], compared: &[], gone: &none })
    };
    let other = EndpointFacts { endpoint: "node3:2379".into(), ..silent(3) };
    rows.extend([
        ("not the cluster asked for", verdict(&[silent(1), default(2, 1, local), silent(3)])),
        ("an empty cluster of one", verdict(&[default(2, 1, local)])),
        ("several addresses", verdict(&[default(1, 6, local), default(2, 6, local)])),
        (
            "several servers",
            verdict(&[with(default(1, 6, local), |_| ()), with(default(2, 1, local), |says| says.went_back = true)]),
        ),
        ("another cluster at a member's URL", found(&misplaced, &given)),
        ("the same, all given", found(&misplaced, &[])),
        ("another name of a member", {
            let given = ["http://10.0.0.1:2379", "http://10.0.0.2:2379", "node3:2379"].map(String::from);
            found(&[served(1, 1, &m, (2, 40), 30), served(2, 1, &m, (2, 40), 30), other, silent(3)], &given)
        }),
    ]);
    let rows: Vec<(&str, String)> = rows.iter().map(|(what, finding)| (*what, told(finding))).collect();
    crate::text::messages::hold("plan-verdict", &rows);
}
