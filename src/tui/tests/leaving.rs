//! Windows, signals and leaving; a plan to start from.

use super::*;

#[test]
fn overscrolling_a_window_is_undone_at_once() {
    let mut model = lost();
    char(&mut model, '?');
    let top = screen(&model, 80, 24);
    press(&mut model, KeyCode::End);
    let end = screen(&model, 80, 24);
    assert_ne!(top, end);
    press(&mut model, KeyCode::Down);
    assert_eq!(screen(&model, 80, 24), end);
    press(&mut model, KeyCode::Up);
    assert_ne!(screen(&model, 80, 24), end, "one key up is one line up");
    send(&mut model, Msg::Resized(120, 60));
    assert_eq!(model.scroll, 0, "all of it fits now");
}

#[test]
fn quitting_during_a_restore_stops_it_first() {
    let (mut model, id, _) = begun();
    assert_eq!(ctrl_c(&mut model), []);
    assert_eq!(model.overlay, Some(Overlay::Quit));
    crate::text::messages::hold("tui-quit", &[("while a restore runs", screen(&model, 100, 30))]);
    assert_eq!(ctrl_c(&mut model), [Effect::Cancel { id }]);
    assert_eq!(model.leaving, Leaving::WhenSafe);
    let stopped = Error::new(ErrorKind::Stopped, "stopped on request");
    hear(&mut model, id, "local", failed("m1", &stopped));
    assert_eq!(send(&mut model, Msg::ApplyEnded { id, result: Err(stopped) }), [Effect::Quit]);
    let ending = crate::tui::exit_summary::ending(&model);
    assert_eq!((ending.outcome, ending.exit_code()), (crate::tui::Outcome::Partly, 75));
}

#[test]
fn signals_leave_once_and_ctrl_c_twice_leaves() {
    let (mut model, id, _) = begun();
    assert_eq!(send(&mut model, Msg::Terminated), [Effect::Cancel { id }]);
    assert_eq!(send(&mut model, Msg::Terminated), [], "the terminal's end after its signal");
    assert_eq!(ctrl_c(&mut model).last(), Some(&Effect::Quit), "a person who insists goes at once");
    let mut idle = lost();
    ctrl_c(&mut idle);
    assert_eq!(ctrl_c(&mut idle), [Effect::Quit]);
    assert_eq!(crate::tui::exit_summary::ending(&idle).lines, ["Nothing was written."]);
}

#[test]
fn a_starting_plan_fills_every_step() {
    let mut plan = begun().2;
    plan.options.compact = true;
    let options = Options { plan: Some(plan.clone()), label: None, places: Vec::new(), ..options() };
    let mut model = Model::new(options, "REAL");
    assert_eq!((model.label.as_str(), &model.members.token), ("prod", &plan.token));
    let effects = send(&mut model, Msg::Start { now: 1, fresh: "1111".into() });
    for (id, _) in asks(&effects) {
        send(&mut model, Msg::Answered { id, answer: silent() });
    }
    let effects = char(&mut model, 'n');
    let [Effect::Find { id, places }, ..] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(places, std::slice::from_ref(&plan.source.path));
    let effects = send(&mut model, Msg::Found { id: *id, result: Ok(vec![file("a.db", Health::Unread)]) });
    let [Effect::Inspect { id, .. }] = &effects[..] else { panic!("{effects:?}") };
    send(&mut model, Msg::Inspected { id: *id, result: Ok(file("a.db", Health::Verified)) });
    char(&mut model, 'n');
    char(&mut model, 'n');
    let again = model.review.plan.clone().unwrap();
    assert_eq!(again, plan, "what was not changed is the same plan");
}
