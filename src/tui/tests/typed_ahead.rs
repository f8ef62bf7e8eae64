//! What is typed before the wizard is ready for it: it stays text, or does nothing; it never runs as commands.

use super::*;

/// A label with the letters of as many commands as possible.
const TYPED: &str = "bigone-prod-tux-sky-mfa+lhjrwvcz";

/// The letters change nothing but what the open window or field shows, and no effect is begun.
fn inert(model: &mut Model) {
    let (before, text) = (model.clone(), |m: &Model| m.prompt.as_ref().map(|p| p.field.text().to_string()));
    for c in TYPED.chars() {
        assert_eq!(char(model, c), [], "{c}");
        assert_eq!((model.step, model.overlay), (before.step, before.overlay), "{c}");
    }
    let (mut now, mut then) = (model.clone(), before);
    assert_eq!(text(&now).is_some(), text(&then).is_some());
    for m in [&mut now, &mut then] {
        (m.prompt, m.status, m.now_ms, m.restore.at, m.launch.at) = (None, None, 0, 0, 0);
    }
    assert!(now == then, "typed letters changed the model");
}

#[test]
fn a_label_typed_during_preflight_is_text() {
    for key in [KeyCode::Enter, KeyCode::Char('n')] {
        let mut model = at_review();
        let plan = model.review.plan.clone();
        let looks = char(&mut model, 'r');
        assert_eq!(press(&mut model, key), []);
        inert(&mut model);
        assert_eq!(model.prompt.as_ref().map(|p| (&p.ask, p.text())), Some((&Ask::Confirm, TYPED)));
        send(&mut model, Msg::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)));
        type_in(&mut model, "prod");
        nobody_answers(&mut model, &looks);
        let effects = press(&mut model, KeyCode::Enter);
        let [Effect::Apply { plan: begun, .. }] = &effects[..] else { panic!("{effects:?}: {}", said(&model)) };
        assert_eq!(Some(&**begun), plan.as_ref(), "the plan is the one that was reviewed");
    }
}

#[test]
fn a_labels_first_letter_is_no_command() {
    for label in ["efa3", "3dc", "rke", "dev", "save", "q-east", "next", "7", "Gr"] {
        let mut model = at_review();
        model.label = label.into();
        let before = (model.step, model.members.token.clone(), model.review.plan.clone());
        for c in label.chars() {
            assert_eq!(char(&mut model, c), [], "{label}: {c}");
        }
        assert_eq!((model.step, model.members.token.clone(), model.review.plan.clone()), before, "{label}");
        assert_eq!(model.overlay, None, "{label}");
        assert_eq!(model.prompt.as_ref().map(|p| (&p.ask, p.text())), Some((&Ask::Confirm, label)));
        press(&mut model, KeyCode::Esc);
        // what does not begin the label stays a key
        char(&mut model, '?');
        assert_eq!(model.overlay, Some(Overlay::Help), "{label}");
    }
}

#[test]
fn blockers_found_while_typing_still_block() {
    let changes: [fn(&mut Look); 2] =
        [|_| {}, |look| look.facts = Err(crate::error::Error::new(ErrorKind::Failed, "no route to it"))];
    for change in changes {
        let mut model = at_review();
        let looks = char(&mut model, 'r');
        press(&mut model, KeyCode::Enter);
        type_in(&mut model, "prod");
        let id = seen_hosts(&mut model, &looks, change);
        send(&mut model, Msg::Fenced { id, seen: Default::default(), fences: vec![fence()] });
        assert_eq!(press(&mut model, KeyCode::Enter), [], "nothing begins");
        assert_ne!(model.prompt.as_ref().map(|p| &p.ask), Some(&Ask::Confirm));
        assert!(model.status.is_some(), "it is said");
    }
}

#[test]
fn keys_typed_while_waiting_do_nothing() {
    let (mut model, effects) = started();
    assert_eq!(char(&mut model, 'n'), []);
    assert_eq!(model.overlay, Some(Overlay::Held(Action::Next)));
    let without_n = TYPED.replace('n', "");
    for c in without_n.chars() {
        assert_eq!((char(&mut model, c), model.step), (vec![], Step::Detect), "{c}");
    }
    // the same key and Enter ask again, and say what is waited for
    for key in [KeyCode::Char('n'), KeyCode::Enter] {
        press(&mut model, key);
        assert_eq!(model.overlay, Some(Overlay::Held(Action::Next)));
    }
    let ids: Vec<u64> = asks(&effects).iter().map(|(id, _)| *id).collect();
    send(&mut model, Msg::Answered { id: ids[0], answer: survivor() });
    let more = send(&mut model, Msg::Answered { id: ids[1], answer: silent() });
    let [(id, _)] = asks(&more)[..] else { panic!("{more:?}") };
    let peers = send(&mut model, Msg::Answered { id, answer: silent() });
    settle(&mut model, peers);
    assert_eq!(
        (model.step, model.overlay),
        (Step::Detect, Some(Overlay::Held(Action::Next))),
        "nothing goes on by itself"
    );
    press(&mut model, KeyCode::Enter);
    assert_eq!((model.step, model.overlay), (Step::Snapshot, None));

    // and the window can be left
    let (mut model, _) = started();
    char(&mut model, 'n');
    press(&mut model, KeyCode::Esc);
    assert_eq!((model.step, model.overlay), (Step::Detect, None));
}

#[test]
fn a_rollback_label_typed_early_stops_nothing() {
    let (mut model, _, _) = begun();
    assert_eq!(char(&mut model, 'u'), []);
    assert_eq!(model.overlay, Some(Overlay::Held(Action::Undo)));
    let text = TYPED.replace('u', "");
    for c in text.chars() {
        assert_eq!((char(&mut model, c), model.step), (vec![], Step::Restore), "{c}");
        assert_eq!(model.overlay, Some(Overlay::Held(Action::Undo)), "{c}");
    }
    assert!(!model.restore.stopping && model.leaving == Leaving::No);
}

#[test]
fn an_early_yes_starts_no_member() {
    let (mut model, id, plan) = begun();
    for name in ["m1", "m2", "m3"] {
        hear(&mut model, id, "local", placed(&plan, name));
    }
    send(&mut model, Msg::ApplyEnded { id, result: Ok(()) });
    char(&mut model, 'n');
    assert_eq!(model.step, Step::Launch);
    let effects = char(&mut model, 's');
    let [Effect::Offer { id, .. }] = effects[..] else { panic!("{effects:?}") };
    inert(&mut model);
    assert_eq!(char(&mut model, 'y'), []);
    let how = Ok(crate::domain::preflight::start::Start::By(vec!["systemctl start etcd".into()]));
    let offer = crate::execute::start::StartOption { member: "m1".into(), host: "local".into(), how };
    // left meanwhile for a field: the question does not open over it
    let mut elsewhere = model.clone();
    press(&mut elsewhere, KeyCode::Esc);
    char(&mut elsewhere, 'w');
    send(&mut elsewhere, Msg::Offered { id, result: Ok(vec![offer.clone()]) });
    assert_eq!((elsewhere.overlay, elsewhere.prompt.is_some()), (None, true));
    send(&mut model, Msg::Offered { id, result: Ok(vec![offer]) });
    assert_eq!(model.overlay, Some(Overlay::Start));
    assert!(matches!(char(&mut model, 'y')[..], [Effect::Start { .. }]));
}

#[test]
fn a_new_token_needs_a_yes() {
    let mut model = at_members();
    let token = model.members.token.clone();
    assert_eq!(char(&mut model, 'g'), []);
    assert_eq!(model.overlay, Some(Overlay::Token));
    for c in "on".chars() {
        assert_eq!(char(&mut model, c), []);
    }
    assert_eq!((model.overlay, &model.members.token), (None, &token), "n is no");
    char(&mut model, 'g');
    let effects = char(&mut model, 'y');
    let [Effect::Fresh { id }] = effects[..] else { panic!("{effects:?}") };
    send(&mut model, Msg::Fresh { id, now: 1_795_317_999, fresh: "beef".into() });
    assert_ne!(model.members.token, token);
}

/// What is typed to pass what is in the way, with the letters of as many commands as possible.
fn asks_for(typed: &str) -> Model {
    let mut model = at_review();
    let looks = char(&mut model, 'r');
    let id = seen_hosts(&mut model, &looks, |_| {});
    let fences = vec![Blocker { typed: Some(typed.into()), ..fence() }];
    send(&mut model, Msg::Fenced { id, seen: Default::default(), fences });
    model
}

#[test]
fn an_overrides_first_letter_is_no_command() {
    for typed in ["serves@b", "rke-1@10.0.0.2", "dead-man", "n1", "q", "7", "c@c", "i am sure"] {
        let mut model = asks_for(typed);
        let before = (model.step, model.members.token.clone(), model.review.plan.clone());
        for c in typed.chars() {
            assert_eq!(char(&mut model, c), [], "{typed}: {c}");
        }
        assert_eq!((model.step, model.members.token.clone(), model.review.plan.clone()), before, "{typed}");
        let open = model.prompt.as_ref().map(|p| (p.ask.clone(), p.text().to_string()));
        assert_eq!(open, Some((Ask::Override(typed.into()), typed.to_string())));
        assert_eq!(model.overlay, None, "{typed}");
    }
}

#[test]
fn alt_makes_a_text_letter_a_command() {
    let alt = |c| Msg::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::ALT));
    let mut model = asks_for("rest");
    assert!(screen(&model, 80, 24).contains("Alt-r"), "{}", screen(&model, 80, 24));
    let effects = send(&mut model, alt('r'));
    assert!(matches!(&effects[..], [Effect::LookAtHosts { .. }]), "{effects:?}");
    // on other steps Alt means nothing
    let mut model = at_members();
    let token = model.members.token.clone();
    assert_eq!((send(&mut model, alt('g')), model.overlay, &model.members.token), (vec![], None, &token));
}

#[test]
fn an_earlier_request_is_no_command_during_preflight() {
    let mut model = asks_for("save m2");
    let looks = char(&mut model, 'r');
    for c in "save m2".chars() {
        assert_eq!((char(&mut model, c), model.prompt.is_some()), (vec![], false), "{c}");
    }
    assert_eq!(model.overlay, Some(Overlay::Held(Action::Next)));
    assert_eq!(press(&mut model, KeyCode::Enter), []);
    assert_eq!(model.overlay, Some(Overlay::Held(Action::Next)), "it is still looked at");
    let id = seen_hosts(&mut model, &looks, |_| {});
    let fences = vec![Blocker { typed: Some("save m2".into()), ..fence() }];
    send(&mut model, Msg::Fenced { id, seen: Default::default(), fences });
    press(&mut model, KeyCode::Enter);
    assert_eq!(model.prompt.as_ref().map(|p| p.ask.clone()), Some(Ask::Override("save m2".into())));
    // what was never asked for stays a command
    let mut model = at_review();
    char(&mut model, 'r');
    char(&mut model, 's');
    assert_eq!(model.prompt.as_ref().map(|p| p.ask.clone()), Some(Ask::PlanFile));
}
