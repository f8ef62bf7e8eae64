//! Arrows, Tab, Enter, Esc and Space reach everything; a look without a key disturbs nothing.

use crate::tui::{
    selectors::filter,
    state::{detect::AGAIN_MS, model::Focus},
    steps::menu,
};

use super::*;

fn tab(model: &mut Model) -> Vec<Effect> {
    press(model, KeyCode::Tab)
}

/// Presses the button with this action by Tab and Enter.
fn button(model: &mut Model, action: Action) -> Vec<Effect> {
    for _ in 0..20 {
        if let Focus::Button(at) = model.focus
            && menu::buttons(model).get(at).is_some_and(|button| button.action == action)
        {
            return press(model, KeyCode::Enter);
        }
        tab(model);
    }
    panic!("no button for {action:?} on {}", model.step.title())
}

/// Picks an action in the menu by Space, arrows and Enter.
fn pick(model: &mut Model, action: Action) -> Vec<Effect> {
    char(model, ' ');
    assert_eq!(model.overlay, Some(Overlay::Menu));
    let at = menu::entries(model).iter().position(|entry| entry.binding.action == action);
    let at = at.unwrap_or_else(|| panic!("{action:?} is not in the menu of {}", model.step.title()));
    (0..at).for_each(|_| drop(press(model, KeyCode::Down)));
    press(model, KeyCode::Enter)
}

#[test]
fn every_step_has_a_way_on_by_tab_and_enter() {
    let mut model = with_file(Health::Verified);
    model.snapshot.chosen = model.snapshot.files.first().map(|file| file.path.clone());
    assert_eq!(model.step, Step::Snapshot);
    button(&mut model, Action::Next);
    assert_eq!(model.step, Step::Members, "{}", said(&model));
    let mut model = at_review();
    assert_eq!(model.focus, Focus::Button(0), "Review begins on the button that asks for the label");
    press(&mut model, KeyCode::Enter);
    assert_eq!(model.prompt.as_ref().map(|p| &p.ask), Some(&Ask::Confirm));
    press(&mut model, KeyCode::Esc);
    for step in Step::ALL {
        model.step = step;
        let buttons = menu::buttons(&model);
        let onward = if step == Step::Proof { Action::Quit } else { Action::Next };
        assert_eq!(buttons.iter().map(|b| b.action).collect::<Vec<_>>(), [onward, Action::Menu], "{step:?}");
        // round and round: the step, its buttons, the step
        model.focus = Focus::Body;
        model.members.at = model.members.rows.len();
        for key in [KeyCode::Tab, KeyCode::BackTab] {
            let mut seen = Vec::new();
            for _ in 0..3 {
                press(&mut model, key);
                seen.push(model.focus);
            }
            assert_eq!(seen.last(), Some(&Focus::Body), "{step:?} {key:?}: {seen:?}");
            assert!(seen.contains(&Focus::Button(0)) && seen.contains(&Focus::Button(1)), "{step:?} {key:?}");
        }
    }
}

#[test]
fn arrows_lead_past_the_last_line_to_the_buttons_and_back() {
    let mut model = started().0;
    for _ in 0..60 {
        press(&mut model, KeyCode::Down);
        if model.focus != Focus::Body {
            break;
        }
    }
    assert_eq!((model.focus, model.detect.at), (Focus::Button(0), model.detect.rows.len() - 1));
    press(&mut model, KeyCode::Down);
    assert_eq!(model.focus, Focus::Button(0), "a key that is held down ends there");
    press(&mut model, KeyCode::Right);
    assert_eq!(model.focus, Focus::Button(1));
    press(&mut model, KeyCode::Up);
    assert_eq!(model.focus, Focus::Body);
}

#[test]
fn the_menu_has_every_action_and_says_what_is_not_possible() {
    for mut model in [started().0, with_file(Health::Verified), at_review()] {
        let entries = menu::entries(&model);
        for binding in crate::tui::keymap::bindings_for(model.step.place()) {
            let named =
                !binding.label.is_empty() && !matches!(binding.action, Action::Up | Action::Left | Action::Right);
            let hint = binding.action == Action::Note;
            assert!(
                !named || hint || entries.iter().any(|entry| entry.binding.action == binding.action),
                "{:?}",
                binding.action
            );
        }
        let first_refused = entries.iter().position(|entry| entry.why.is_some()).unwrap_or(entries.len());
        assert!(entries.iter().skip(first_refused).all(|entry| entry.why.is_some()), "what is possible comes first");
        let refused = entries.get(first_refused).map(|entry| (entry.binding.action, entry.why.clone().unwrap()));
        if let Some((action, why)) = refused {
            assert_eq!(pick(&mut model, action), []);
            assert_eq!((model.overlay, said(&model)), (None, why.as_str()));
        }
    }
}

#[test]
fn the_picked_action_is_described_in_full() {
    for mut model in [started().0, with_file(Health::Verified), at_review()] {
        for size in [(80, 24), (60, 16)] {
            model.size = size;
            char(&mut model, ' ');
            for entry in menu::entries(&model) {
                let about = entry.why.map_or(entry.binding.help.to_string(), |why| format!("(not now: {why})"));
                let seen = screen(&model, size.0, size.1);
                for word in about.split_whitespace() {
                    assert!(seen.contains(word), "{word} of {about:?}\n{seen}");
                }
                press(&mut model, KeyCode::Down);
            }
            press(&mut model, KeyCode::Esc);
        }
    }
}

#[test]
fn a_page_key_scrolls_the_text_that_names_it_before_it_moves_the_selection() {
    let mut model = lost();
    model.size = (80, 20);
    assert!(screen(&model, 80, 20).contains("(PgDn)"));
    let at = model.detect.at;
    for _ in 0..60 {
        if !screen(&model, 80, 20).contains("(PgDn)") {
            break;
        }
        let below = model.below;
        press(&mut model, KeyCode::PageDown);
        assert_eq!((model.detect.at, model.below > below), (at, true));
    }
    assert!(!screen(&model, 80, 20).contains("(PgDn)"), "the text ends");
    press(&mut model, KeyCode::PageUp);
    assert_eq!(model.detect.at, at);
}

#[test]
fn a_picked_action_is_the_keys_own() {
    let (mut by_key, _) = started();
    let mut by_menu = by_key.clone();
    for (key, action) in [('e', Action::Endpoints), ('l', Action::Label), ('?', Action::Help)] {
        char(&mut by_key, key);
        pick(&mut by_menu, action);
        assert_eq!(
            (&by_menu.prompt.as_ref().map(|p| &p.ask), by_menu.overlay),
            (&by_key.prompt.as_ref().map(|p| &p.ask), by_key.overlay)
        );
        for model in [&mut by_key, &mut by_menu] {
            press(model, KeyCode::Esc);
        }
    }
}

#[test]
fn questions_are_answered_by_tab_and_enter_and_no_comes_first() {
    let mut model = started().0;
    char(&mut model, 'q');
    assert_eq!(press(&mut model, KeyCode::Enter), []);
    assert_eq!(model.overlay, None);
    char(&mut model, 'q');
    for (key, yes) in [(KeyCode::Tab, true), (KeyCode::Left, false), (KeyCode::Right, true)] {
        press(&mut model, key);
        assert_eq!(model.yes, yes);
    }
    assert_eq!(press(&mut model, KeyCode::Enter), [Effect::Quit]);
    char(&mut model, 'q');
    assert!(!model.yes, "each question begins with no");
}

#[test]
fn a_filter_hides_lines_and_the_selection_stays_on_one_that_is_seen() {
    let mut model = started().0;
    let all = model.detect.rows.len();
    assert!(all > 1);
    char(&mut model, '/');
    type_in(&mut model, "10.0.0.1");
    press(&mut model, KeyCode::Enter);
    let seen = filter::seen(&model);
    assert_eq!((seen.len(), seen.contains(&model.detect.at)), (1, true));
    press(&mut model, KeyCode::Home);
    press(&mut model, KeyCode::Down);
    assert!(seen.contains(&model.detect.at));
    press(&mut model, KeyCode::Esc);
    assert_eq!((filter::seen(&model).len(), model.step), (all, Step::Detect));
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.step, Step::Detect, "there is no step before");
    // a text that nothing contains
    char(&mut model, '/');
    type_in(&mut model, "nothing has this");
    press(&mut model, KeyCode::Enter);
    assert_eq!(filter::seen(&model), Vec::<usize>::new());
    for key in [KeyCode::Down, KeyCode::Up, KeyCode::End, KeyCode::PageDown] {
        press(&mut model, key);
    }
    // what is out of sight is not acted on
    for action in [Action::Open, Action::Gone] {
        assert!(crate::tui::steps::can(&model, action).is_err(), "{action:?}");
    }
    let gone = |model: &Model| model.detect.rows.iter().filter(|row| row.gone).count();
    char(&mut model, 'g');
    assert!((gone(&model), model.prompt.is_none(), model.overlay.is_none()) == (0, true, true));
    let _ = screen(&model, 80, 24);
    // it ends with its step
    let mut model = at_review();
    char(&mut model, '/');
    type_in(&mut model, "token");
    press(&mut model, KeyCode::Enter);
    assert!(!model.filter.is_empty());
    char(&mut model, '3');
    assert_eq!((model.step, model.filter.as_str()), (Step::Members, ""));
}

#[test]
fn two_files_that_were_picked_are_compared() {
    let mut model = with_file(Health::Verified);
    for name in ["b.db", "c.db"] {
        model.snapshot.files.push(file(name, Health::Verified));
    }
    crate::tui::steps::snapshot::relist(&mut model);
    let at =
        |model: &Model, name: &str| model.snapshot.list.sources.iter().position(|s| s.name.ends_with(name)).unwrap();
    let go = |model: &mut Model, name: &str| {
        press(model, KeyCode::Home);
        (0..at(model, name)).for_each(|_| drop(press(model, KeyCode::Down)));
    };
    go(&mut model, "c.db");
    assert_eq!(char(&mut model, 'd'), [], "{}", said(&model));
    assert_eq!(model.snapshot.marked.as_deref(), Some("/backup/c.db".as_ref()));
    assert_eq!(char(&mut model, 'd'), []);
    assert_eq!(model.snapshot.marked, None, "the same once more takes the mark off");
    char(&mut model, 'd');
    go(&mut model, "b.db");
    let effects = char(&mut model, 'd');
    let [Effect::Compare { files, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    let mut files = files.clone();
    files.sort();
    assert_eq!(files, [PathBuf::from("/backup/b.db"), "/backup/c.db".into()]);
}

/// Detect after everybody answered, with the effects answered by `answer`.
fn looked() -> Model {
    let (mut model, effects) = started();
    settle(&mut model, effects);
    assert_eq!(model.detect.asking(), 0);
    model
}

/// Answers until nothing is asked any more: the first endpoint answers, others are silent.
fn settle(model: &mut Model, effects: Vec<Effect>) -> Vec<Effect> {
    let mut asked: std::collections::VecDeque<Effect> = effects.into();
    let mut all = Vec::new();
    while let Some(effect) = asked.pop_front() {
        let msg = match &effect {
            Effect::Ask { id, endpoint, .. } if endpoint.contains("10.0.0.2") => {
                Msg::Answered { id: *id, answer: survivor() }
            }
            Effect::Ask { id, .. } | Effect::AskPeer { id, .. } => Msg::Answered { id: *id, answer: silent() },
            Effect::Hash { id, revision, .. } => {
                Msg::Hashed { id: *id, hash: Hashed::Says { hash: 7, revision: *revision, compacted: 0 } }
            }
            Effect::LookAround { id, .. } => Msg::LookedAround { id: *id, around: MachineFacts::default() },
            _ => continue,
        };
        all.push(effect);
        asked.extend(update(model, msg));
    }
    all
}

#[test]
fn detect_looks_again_by_itself_and_moves_nothing() {
    let mut model = looked();
    let at = model.detect.asked_at.unwrap();
    press(&mut model, KeyCode::Down);
    let silent_one = model.detect.rows[model.detect.at].facts.endpoint.clone();
    assert_eq!(update(&mut model, Msg::LookAgain), [], "not yet");
    update(&mut model, Msg::Tick(at + AGAIN_MS));
    let before = model.clone();
    let effects = update(&mut model, Msg::LookAgain);
    assert!(
        effects.iter().all(|effect| matches!(effect, Effect::Ask { .. })) && effects.len() == model.detect.rows.len()
    );
    assert_eq!(model.detect.rows, before.detect.rows, "the rows stay until all have answered");
    assert_eq!(crate::tui::steps::can(&model, Action::Next), Ok(()), "Next waits for no such look");
    assert_eq!(update(&mut model, Msg::LookAgain), [], "one at a time");
    let asked = settle(&mut model, effects);
    assert!(!asked.iter().any(|effect| matches!(effect, Effect::Hash { .. })), "hashes are not computed again");
    let facts = |model: &Model| model.detect.facts();
    assert_eq!(facts(&model), facts(&before));
    assert_eq!(model.detect.rows[model.detect.at].facts.endpoint, silent_one);
    assert_eq!(model.detect.asked_at, Some(at + AGAIN_MS));
    let but_the_time = |model: &Model| {
        let text = screen(model, 80, 24);
        text.lines().filter(|line| !line.contains("asked at")).map(str::to_string).collect::<Vec<_>>()
    };
    assert_eq!(but_the_time(&model), but_the_time(&before));
}

#[test]
fn a_look_without_a_key_waits_for_dialogs_and_steps() {
    let quiet: [fn(&mut Model); 5] = [
        |model| drop(char(model, '?')),
        |model| drop(char(model, 'e')),
        |model| drop(char(model, 'q')),
        |model| model.step = Step::Snapshot,
        |model| drop(char(model, 'r')),
    ];
    for disturb in quiet {
        let mut model = looked();
        update(&mut model, Msg::Tick(10 * AGAIN_MS));
        disturb(&mut model);
        assert_eq!((model.look_due_at(), update(&mut model, Msg::LookAgain)), (None, Vec::new()));
    }
}

#[test]
fn what_a_new_look_shows_takes_the_place_of_the_old() {
    let mut model = looked();
    char(&mut model, 'g');
    update(&mut model, Msg::Tick(10 * AGAIN_MS));
    press(&mut model, KeyCode::Esc);
    let effects = update(&mut model, Msg::LookAgain);
    // the operator asks meanwhile: what is still to come of the other look counts no more
    char(&mut model, 'r');
    settle(&mut model, effects);
    assert!(model.detect.asking() > 0);
    let mut model = looked();
    update(&mut model, Msg::Tick(10 * AGAIN_MS));
    let effects = update(&mut model, Msg::LookAgain);
    for effect in &effects {
        let Effect::Ask { id, .. } = effect else { panic!("{effect:?}") };
        update(&mut model, Msg::Answered { id: *id, answer: silent() });
    }
    assert!(model.detect.facts().iter().all(|fact| matches!(fact.answer, Answer::Silent { .. })));
}
