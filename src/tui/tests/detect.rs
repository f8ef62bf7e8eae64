//! Asking the members, those that are gone, and the cluster's label.

use super::*;
use crate::domain::quorum::act::Act;

#[test]
fn a_silent_member_is_marked_gone_and_back() {
    use crate::domain::quorum::verdict::QuorumVerdict;
    let mut model = lost();
    let verdict = |model: &Model| model.detect.finding().verdict;
    char(&mut model, 'g');
    assert!(refused(&model) && model.prompt.is_none(), "m2 answers: {}", said(&model));
    for name in ["m1", "m3"] {
        assert_eq!(verdict(&model), QuorumVerdict::LostForNow);
        press(&mut model, KeyCode::Down);
        char(&mut model, 'g');
        type_in(&mut model, "m2");
        press(&mut model, KeyCode::Enter);
        assert!(refused(&model) && model.prompt.is_some(), "{}", said(&model));
        press(&mut model, KeyCode::Backspace);
        type_in(&mut model, &name[1..]);
        press(&mut model, KeyCode::Enter);
    }
    assert_eq!(verdict(&model), QuorumVerdict::LostForGood);
    let effects = char(&mut model, 'r');
    assert_eq!(model.detect.gone().len(), 2, "what was typed is not lost by asking again");
    assert_eq!(asks(&effects).len(), 3);
    char(&mut model, 'g');
    assert_eq!(model.detect.gone().len(), 1, "taken back");
}

#[test]
fn detect_probes_all_then_those_answers_name() {
    let model = lost();
    let rows: Vec<(&str, bool)> = model.detect.rows.iter().map(|r| (r.facts.endpoint.as_str(), r.discovered)).collect();
    let expected = [("http://10.0.0.2:2379", false), ("http://10.0.0.1:2379", false), ("http://10.0.0.3:2379", true)];
    assert_eq!(rows, expected);
    assert_eq!(model.detect.name(&model.detect.rows[2].facts), "m3");
}

#[test]
fn discovered_members_are_not_the_operators() {
    let named = |effects: &[Effect]| -> Vec<(String, bool)> {
        let ask = |e: &Effect| match e {
            Effect::Ask { endpoint, named, .. } => Some((endpoint.clone(), *named)),
            _ => None,
        };
        effects.iter().filter_map(ask).collect()
    };
    let [m2, m1, m3] = [2, 1, 3].map(|n| format!("http://10.0.0.{n}:2379"));
    let (mut model, effects) = started();
    assert_eq!(named(&effects), [(m2.clone(), true), (m1.clone(), true)]);
    let ids: Vec<u64> = asks(&effects).iter().map(|(id, _)| *id).collect();
    send(&mut model, Msg::Answered { id: ids[0], answer: survivor() });
    let more = send(&mut model, Msg::Answered { id: ids[1], answer: silent() });
    assert_eq!(named(&more), [(m3.clone(), false)]);
    let again = char(&mut lost(), 'r');
    assert_eq!(named(&again), [(m2, true), (m1, true), (m3.clone(), false)], "nor by asking again");
    // typed, it is
    char(&mut model, 'e');
    type_in(&mut model, &format!(",{m3}"));
    let typed = press(&mut model, KeyCode::Enter);
    assert!(named(&typed).contains(&(m3, true)), "{typed:?}");
}

#[test]
fn an_answer_to_an_older_question_is_dropped() {
    let (mut model, effects) = started();
    let old = asks(&effects)[0].0;
    char(&mut model, 'r');
    send(&mut model, Msg::Answered { id: old, answer: survivor() });
    assert_eq!(model.detect.rows[0].facts.answer, Answer::Asking);
}

#[test]
fn next_on_detect_waits_for_named_answers() {
    let (mut model, _) = started();
    assert_eq!(char(&mut model, 'n'), []);
    assert_eq!(model.step, Step::Detect);
    assert!(said(&model).contains("http://10.0.0.1:2379"), "{}", said(&model));
}

#[test]
fn typed_endpoints_replace_old_ones_when_valid() {
    let mut model = lost();
    char(&mut model, 'e');
    type_in(&mut model, ",ftp://x");
    press(&mut model, KeyCode::Enter);
    assert_eq!(model.prompt.as_ref().map(|p| p.ask.clone()), Some(Ask::Endpoints));
    assert!(said(&model).contains("ftp://x"));
    send(&mut model, Msg::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)));
    type_in(&mut model, "10.0.0.9:2379, http://10.0.0.8:2379");
    let effects = press(&mut model, KeyCode::Enter);
    let urls: Vec<&str> = asks(&effects).iter().map(|(_, u)| *u).collect();
    assert_eq!(urls, ["10.0.0.9:2379", "http://10.0.0.8:2379"]);
}

#[test]
fn continuing_past_possible_quorum_takes_the_label() {
    let (mut model, effects) = started();
    for (id, _) in asks(&effects) {
        let Answer::Says(mut says) = survivor() else { panic!() };
        (says.leader, says.read) = (Id(2), crate::domain::model::observations::Read::Served);
        (says.members, says.member_id) = (vec![member(1), member(2)], Id(id));
        send(&mut model, Msg::Answered { id, answer: Answer::Says(says) });
    }
    char(&mut model, 'n');
    assert_eq!(model.step, Step::Detect);
    type_in(&mut model, "pro");
    press(&mut model, KeyCode::Enter);
    assert_eq!((model.step, model.prompt.is_some()), (Step::Detect, true), "a part of the label is not the label");
    type_in(&mut model, "d");
    press(&mut model, KeyCode::Enter);
    assert_eq!(model.step, Step::Snapshot);
}

#[test]
fn the_label_is_proposed_until_it_is_used() {
    let mut model = Model::new(Options { label: None, ..options() }, "REAL");
    assert_eq!(model.label, "etcd");
    let effects = send(&mut model, Msg::Start { now: 1, fresh: "00ff".into() });
    let id = asks(&effects)[0].0;
    send(&mut model, Msg::Answered { id, answer: survivor() });
    assert_eq!(model.label, "9", "the first digits of the cluster ID");
    char(&mut model, 'l');
    type_in(&mut model, "-eu");
    press(&mut model, KeyCode::Enter);
    assert_eq!(model.label, "9-eu");
    char(&mut model, 'r');
    assert_eq!(model.label, "9-eu");
}

#[test]
fn a_serving_member_is_reprobed_before_called_older() {
    use crate::domain::{model::observations::Read, quorum::verdict::QuorumVerdict};
    let serves = |n: u64, index: u64| {
        let Answer::Says(mut says) = survivor() else { panic!() };
        (says.leader, says.read, says.raft_index) = (Id(2), Read::Served, index);
        (says.members, says.member_id) = (vec![member(1), member(2)], Id(n));
        Answer::Says(says)
    };
    let (mut model, effects) = started();
    for (n, (id, _)) in (1..).zip(asks(&effects)) {
        let more = send(&mut model, Msg::Answered { id, answer: serves(n, 30) });
        settle(&mut model, more);
    }
    assert_eq!(model.detect.finding().verdict, QuorumVerdict::Healthy);
    // its log is committed up to 40
    let dirs = vec![super::choose::dir("/old", file("x", Health::Unread), Held::No)];
    let around = |model: &mut Model| {
        let Effect::LookAround { id, .. } = crate::tui::steps::detect::look_around(model) else { panic!() };
        send(model, Msg::LookedAround { id, around: MachineFacts { dirs: dirs.clone(), ..MachineFacts::default() } })
    };
    for (index, wanted) in [(45, QuorumVerdict::Healthy), (30, QuorumVerdict::Forked)] {
        model.detect.rows.iter_mut().for_each(|row| {
            if let Answer::Says(says) = &mut row.facts.answer {
                says.raft_index = 30;
            }
        });
        let effects = around(&mut model);
        let again = asks(&effects);
        if index == 45 {
            assert_eq!((again.len(), model.detect.finding().verdict), (2, QuorumVerdict::Asking));
        } else {
            assert_eq!(again, [], "what was asked about it once is known");
        }
        for (n, (id, _)) in (1..).zip(again) {
            let more = send(&mut model, Msg::Answered { id, answer: serves(n, index) });
            settle(&mut model, more);
        }
        assert_eq!(model.detect.finding().verdict, wanted);
    }
}

/// The wizard compares as `probe` does: in the background, once, and again when everybody is asked again.
#[test]
fn a_directory_is_held_against_who_serves() {
    use crate::domain::{
        model::observations::{Read, disk::DirState},
        quorum::{known::NewerAt, verdict::QuorumVerdict},
    };
    let serves = |n: u64| {
        let Answer::Says(mut says) = survivor() else { panic!() };
        (says.leader, says.read, says.raft_index, says.revision) = (Id(2), Read::Served, 60, 90);
        (says.members, says.member_id) = (vec![member(1), member(2), member(3)], Id(n));
        Answer::Says(says)
    };
    let open = |model: &mut Model, outcome: Option<Match>| {
        let (mut waiting, mut pairs) = (vec![], vec![]);
        let mut queue: Vec<Effect> = crate::tui::steps::detect::ask_all(model);
        queue.push(crate::tui::steps::detect::look_around(model));
        while let Some(effect) = queue.pop() {
            queue.extend(match effect {
                Effect::Ask { id, endpoint, .. } => {
                    let n = endpoint.trim_end_matches(":2379").chars().last().and_then(|c| c.to_digit(10)).unwrap_or(0);
                    let answer = if n == 3 { silent() } else { serves(u64::from(n)) };
                    send(model, Msg::Answered { id, answer })
                }
                Effect::AskPeer { id, .. } => send(model, Msg::Answered { id, answer: silent() }),
                Effect::Hash { id, .. } => send(model, Msg::Hashed { id, hash: Hashed::Failed("no".into()) }),
                Effect::LookAround { id, .. } => {
                    let mut dir = super::choose::dir("/old", file("x", Health::Unread), Held::No);
                    if let DirState::Whole(says) = &mut dir.state {
                        (says.member_id, says.members) = (Id(3), vec![member(1), member(2), member(3)]);
                    }
                    send(
                        model,
                        Msg::LookedAround { id, around: MachineFacts { dirs: vec![dir], ..MachineFacts::default() } },
                    )
                }
                Effect::HoldAgainst { id, pairs: asked } => {
                    pairs.extend(asked.iter().map(|pair| pair.at.clone()));
                    waiting.push(id);
                    match &outcome {
                        None => Vec::new(),
                        Some(outcome) => {
                            let compared = asked.iter().map(|pair| pair.came_to(outcome.clone())).collect();
                            send(model, Msg::HeldAgainst { id, compared })
                        }
                    }
                }
                // a directory's database is read for the next step, too
                _ => Vec::new(),
            });
        }
        assert_eq!(pairs, [NewerAt::Dir("/old".into())], "once");
        waiting
    };
    let starts = |model: &Model| model.detect.finding().advice.iter().any(|a| a.act == Act::Start);
    let (mut model, _) = started();
    let late = open(&mut model, None);
    let finding = model.detect.finding();
    assert_eq!((finding.verdict, finding.keep), (QuorumVerdict::Degraded, false), "while it is compared: {finding:?}");
    assert!(!starts(&model), "{:?}", finding.advice);
    for (outcome, wanted, keep) in
        [(Match::Same, QuorumVerdict::Degraded, true), (Match::Differs, QuorumVerdict::Forked, false)]
    {
        open(&mut model, Some(outcome));
        let finding = model.detect.finding();
        assert_eq!((finding.verdict, finding.keep), (wanted, keep), "{}", finding.sentence);
        assert_eq!(starts(&model), keep, "{:?}", finding.advice);
        // an answer to what was asked before everybody was asked again does not count
        for id in late.clone() {
            send(&mut model, Msg::HeldAgainst { id, compared: Vec::new() });
        }
        assert_eq!(model.detect.finding(), finding);
    }
}

#[test]
fn choosing_a_snapshot_questions_another_cluster() {
    // before anything depends on it, it is only the next one
    let mut model = lost();
    char(&mut model, 'c');
    assert_eq!(model.overlay, None);
    // a second cluster was seen, in a directory of this machine
    let mut model = at_members();
    char(&mut model, '1');
    char(&mut model, 'c');
    if model.overlay.is_none() {
        // one cluster only: choosing it by its key is a choice, too
        assert!(refused(&model), "{}", said(&model));
        model.detect.meant = Some(crate::etcd::membership::Id(9));
        char(&mut model, 'c');
    }
    let before = model.detect.meant;
    assert_eq!(model.overlay, Some(Overlay::Sure(Action::Cluster)));
    char(&mut model, 'n');
    assert_eq!((model.overlay, model.detect.meant), (None, before));
    char(&mut model, 'c');
    assert_eq!(char(&mut model, 'y'), []);
    assert_ne!(model.detect.meant, before);
}
