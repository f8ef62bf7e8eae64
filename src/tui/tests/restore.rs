//! Review and Restore: what is in the way, the label, and members that go their own ways.

use super::*;

#[test]
fn nothing_begins_before_label_and_separate_enter() {
    let mut model = at_review();
    press(&mut model, KeyCode::Enter);
    type_in(&mut model, "Prod");
    assert_eq!(press(&mut model, KeyCode::Enter), [], "another word");
    send(&mut model, Msg::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)));
    assert_eq!(send(&mut model, Msg::Paste("prod\n".into())), [], "a pasted line end is no Enter");
    // the Enter of a terminal that does not mark pastes: at once behind the last character
    let at_once = update(&mut model, Msg::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)));
    assert_eq!((at_once, model.step), (vec![], Step::Review));
    assert!(matches!(press(&mut model, KeyCode::Enter)[..], [Effect::Apply { .. }]));
}

#[test]
fn an_answering_old_member_blocks_until_overridden() {
    let ask = |model: &Model| model.prompt.as_ref().map(|p| p.ask.clone());
    let mut model = at_review();
    let first = char(&mut model, 'r');
    // the field opens at once, and waits: nothing begins before the hosts and the old members were asked
    press(&mut model, KeyCode::Enter);
    assert_eq!(ask(&model), Some(Ask::Confirm));
    type_in(&mut model, "prod");
    assert_eq!(press(&mut model, KeyCode::Enter), []);
    assert!(matches!(review::gate(&model), review::Gate::Asking(_)));
    let first = seen_hosts(&mut model, &first, |_| {});
    assert_eq!(press(&mut model, KeyCode::Enter), [], "the old members are asked next");
    assert_eq!(model.prompt.as_ref().map(|p| p.text()), Some("prod"), "what was typed stays");
    press(&mut model, KeyCode::Esc);
    let again = char(&mut model, 'r');
    let id = seen_hosts(&mut model, &again, |_| {});
    send(&mut model, Msg::Fenced { id: first, seen: Default::default(), fences: Vec::new() });
    assert!(model.review.asking(), "the answer to an older question is dropped");
    let other = Blocker { typed: Some("/old".into()), what: "a process holds /old".into(), ..fence() };
    send(&mut model, Msg::Fenced { id, seen: Default::default(), fences: vec![fence(), other] });
    let mut shown = vec![("two blockers", screen(&model, 80, 24))];

    press(&mut model, KeyCode::Enter);
    assert_eq!(ask(&model), Some(Ask::Override("m2@10.0.0.2".into())));
    type_in(&mut model, "prod");
    press(&mut model, KeyCode::Enter);
    assert!(refused(&model) && ask(&model) == Some(Ask::Override("m2@10.0.0.2".into())), "{}", said(&model));
    send(&mut model, Msg::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)));
    type_in(&mut model, "m2@10.0.0.2");
    press(&mut model, KeyCode::Enter);
    assert_eq!(ask(&model), Some(Ask::Reason("m2@10.0.0.2".into())), "why is asked, too");
    press(&mut model, KeyCode::Enter);
    assert!(refused(&model) && ask(&model) == Some(Ask::Reason("m2@10.0.0.2".into())), "{}", said(&model));
    assert_eq!(model.review.fences.overridden, [""; 0]);
    type_in(&mut model, "its host is off the net");
    press(&mut model, KeyCode::Enter);
    assert_eq!(ask(&model), Some(Ask::Override("/old".into())), "one text lifts one fence");
    type_in(&mut model, "/old");
    press(&mut model, KeyCode::Enter);
    type_in(&mut model, "so it is");
    press(&mut model, KeyCode::Enter);
    assert_eq!(ask(&model), Some(Ask::Confirm));
    shown.push(("both overridden", screen(&model, 120, 40)));
    crate::text::messages::hold("tui-review-blockers", &shown);
    type_in(&mut model, "prod");
    let effects = press(&mut model, KeyCode::Enter);
    let [Effect::Apply { orders, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(orders.overridden, ["m2@10.0.0.2", "/old"]);
    assert_eq!(orders.reason, "its host is off the net; so it is");
    assert!(orders.journal.to_string_lossy().starts_with("/state/plan-"), "{orders:?}");
    let told: Vec<&str> = orders.decisions.iter().map(|(text, _)| text.as_str()).collect();
    assert!(told.iter().any(|t| t.contains("m2@10.0.0.2") && t.contains(&orders.reason[..23])), "{told:#?}");
}

#[test]
fn a_returned_member_leads_back_to_review() {
    let (mut model, id, _) = begun();
    let found = ExecutionEvent::Blockers(vec![fence()]);
    send(&mut model, Msg::Told { id, told: Box::new(found) });
    let answers = Error::new(ErrorKind::Refused, "m2 of the old cluster still answers on 10.0.0.2");
    let effects = send(&mut model, Msg::ApplyEnded { id, result: Err(answers.clone()) });
    assert!(matches!(effects[..], [Effect::LookAtHosts { .. }]), "{effects:?}");
    assert_eq!((model.step, model.restore.rows.len()), (Step::Review, 0));
    assert!(said(&model).contains(&answers.what), "{}", said(&model));
}

#[test]
fn a_changed_plan_asks_for_the_label_again() {
    let (mut model, id, plan) = begun();
    let why = Error::new(ErrorKind::Failed, "no space");
    hear(&mut model, id, "local", failed("m1", &why));
    send(&mut model, Msg::ApplyEnded { id, result: Err(why) });
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.step, Step::Review);
    assert_eq!(char(&mut model, 'n'), [], "the same plan is looked at, not begun again");
    assert_eq!(model.step, Step::Restore);
    char(&mut model, '3');
    crate::tui::steps::members::set_bump(&mut model, "1e9").unwrap();
    let effects = char(&mut model, 'n');
    nobody_answers(&mut model, &effects);
    crate::text::messages::hold("tui-review-changed", &[("a run with the same token", screen(&model, 80, 24))]);
    char(&mut model, 'n');
    assert_eq!(
        model.prompt.as_ref().map(|p| (p.ask.clone(), p.text().to_string())),
        Some((Ask::Confirm, String::new())),
        "{:?} {}",
        model.step,
        said(&model)
    );
    type_in(&mut model, "prod");
    let effects = press(&mut model, KeyCode::Enter);
    assert!(matches!(&effects[..], [Effect::Apply { plan: new, .. }] if **new != plan), "{effects:?}");
}

#[test]
fn members_progress_separately_and_failed_runs_resume() {
    let (mut model, id, plan) = begun();
    let why = Error::new(ErrorKind::Failed, "no space");
    hear(&mut model, id, "local", built(&plan, "m1"));
    let step = Progress { phase: Phase::Copy, done: 1, total: 9 };
    hear(&mut model, id, "local", HostEvent::Row("m2".into(), RowEvent::Step(step)));
    assert_eq!(char(&mut model, 't'), []);
    assert!(refused(&model), "{}", said(&model));
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.step, Step::Restore, "no way back while it runs");
    hear(&mut model, id, "local", failed("m2", &why));
    hear(&mut model, id, "local", built(&plan, "m3"));
    hear(&mut model, id + 7, "local", placed(&plan, "m2"));
    send(&mut model, Msg::ApplyEnded { id, result: Err(why) });
    assert_eq!(char(&mut model, 'n'), []);
    assert_eq!((model.step, model.restore.at), (Step::Restore, 1), "the failed one is selected");
    crate::text::messages::hold("tui-restore-failed", &[("one of three", screen(&model, 120, 40))]);
    let effects = char(&mut model, 't');
    let [Effect::Apply { id, plan: again, orders }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((&**again, orders.until, orders.decisions.len()), (&plan, Goal::InPlace, 0));
    for name in ["m1", "m2", "m3"] {
        hear(&mut model, *id, "local", placed(&plan, name));
    }
    send(&mut model, Msg::ApplyEnded { id: *id, result: Ok(()) });
    char(&mut model, 'n');
    assert_eq!(model.step, Step::Launch);
}

#[test]
fn going_on_asks_where_review_shows_another_plan() {
    let (mut model, id, plan) = begun();
    let why = Error::new(ErrorKind::Failed, "no space");
    hear(&mut model, id, "local", failed("m2", &why));
    send(&mut model, Msg::ApplyEnded { id, result: Err(why) });
    let mut other = plan.clone();
    other.token.push('x');
    model.review.plan = Some(other);
    for no in [KeyCode::Enter, KeyCode::Esc, KeyCode::Char('n')] {
        assert_eq!(char(&mut model, 't'), []);
        assert_eq!(model.overlay, Some(Overlay::Sure(Action::Retry)));
        assert!(screen(&model, 80, 24).contains(&plan.short_id()), "{}", screen(&model, 80, 24));
        assert_eq!((press(&mut model, no), model.overlay), (vec![], None));
    }
    char(&mut model, 't');
    let effects = char(&mut model, 'y');
    assert!(matches!(&effects[..], [Effect::Apply { plan: again, .. }] if **again == plan), "{effects:?}");
}
