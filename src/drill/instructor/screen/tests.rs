//! The instructor's screen: input, messages and drawing.
#![allow(clippy::unwrap_used, clippy::panic)]

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::{Terminal, backend::TestBackend};

use super::{draw::draw, *};
use crate::drill::{Drill, scenario::library, session::What};

/// A drill, and what it says to `command`.
fn drill() -> (Drill, impl Fn(&Drill, &Command) -> Message) {
    let drill = Drill::set_up(library::find("dead-man-answers", None).unwrap(), Default::default()).unwrap();
    (drill, |drill, command| command.obey(&mut drill.exercise.lock(), 1))
}

fn word(model: &mut Model, word: Message) -> Option<Effect> {
    model.update(Msg::Message(Box::new(word)))
}

fn key(model: &mut Model, code: KeyCode) -> Option<Effect> {
    model.update(Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn type_in(model: &mut Model, line: &str) -> Option<Effect> {
    line.chars().for_each(|c| assert_eq!(key(model, KeyCode::Char(c)), None));
    key(model, KeyCode::Enter)
}

fn screen(model: &Model, width: u16, height: u16) -> String {
    let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
    let Ok(_) = terminal.draw(|frame| draw(model, frame));
    let picture = terminal.backend().buffer();
    let row = |y| (0..width).filter_map(|x| picture.cell((x, y))).map(|c| c.symbol()).collect::<String>();
    (0..height).map(|y| row(y).trim_end().to_string() + "\n").collect()
}

/// A screen after some minutes of an exercise.
fn followed() -> (Drill, Model) {
    let (drill, says) = drill();
    let mut model = Model::new(Look::default());
    assert_eq!(word(&mut model, says(&drill, &Command::Scene)), Some(Effect::Send(Command::Look)));
    for (at_ms, what, text) in [
        (0, What::Step, "Detect"),
        (400, What::Asked, "the members were probed"),
        (65_000, What::Step, "Snapshot"),
        (90_000, What::Source, "chosen: backup/etcd-0200.db"),
        (91_000, What::Hint, "The chosen file lacks writes that another source has."),
        (95_000, What::Note, "look at \u{1b}[2J the clock"),
    ] {
        let happened = Happened { at_ms, what, text: text.into() };
        assert_eq!(word(&mut model, Message::Happened(happened)), Some(Effect::Send(Command::Look)));
    }
    let Message::Now(now) = says(&drill, &Command::Look) else { panic!("no answer") };
    let now = Now { at_ms: 95_400, step: Some("Snapshot".into()), chosen: Some("backup/etcd-0200.db".into()), ..*now };
    word(&mut model, Message::Now(Box::new(Now { hints: (1, 0), triggered: vec!["dead-man".into()], ..now })));
    (drill, model)
}

#[test]
fn the_screen_shows_progress_and_possible_commands() {
    let (_drill, mut model) = followed();
    word(&mut model, Message::Done("the trainee reads it".into()));
    for c in "note whose".chars() {
        key(&mut model, KeyCode::Char(c));
    }
    let places = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots");
    insta::with_settings!({ snapshot_path => places, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("instructor@80x24", screen(&model, 80, 24));
    });
    for (width, height) in [(1, 1), (20, 6), (60, 16), (200, 60)] {
        screen(&model, width, height);
    }
    model.look.ascii = true;
    assert!(screen(&model, 80, 24).is_ascii());
}

#[test]
fn commands_are_completed_and_ending_is_confirmed() {
    let (drill, says) = drill();
    let (_other, mut model) = followed();
    assert_eq!(type_in(&mut model, "note  a  b"), Some(Effect::Send(Command::Note("a  b".into()))));
    key(&mut model, KeyCode::Up);
    assert_eq!(model.field.text(), "note  a  b");
    key(&mut model, KeyCode::Esc);
    for (typed, completed) in [
        ("inj", "inject "),
        ("inject c", "inject colleague "),
        ("act sto", "act stop "),
        ("act stop m", "act stop m"),
        ("act fill ", "act fill disk "),
        ("note m", "note m"),
    ] {
        model.field = Field::new(typed);
        key(&mut model, KeyCode::Tab);
        assert_eq!(model.field.text(), completed);
    }
    key(&mut model, KeyCode::Esc);
    // a mistake remains, to be corrected
    assert_eq!(type_in(&mut model, "stop m2"), None);
    let mut shown = vec![("a mistake", screen(&model, 80, 24))];
    key(&mut model, KeyCode::Esc);
    assert_eq!(type_in(&mut model, "end"), None);
    shown.push(("the end, asked", screen(&model, 80, 24)));
    assert_eq!(key(&mut model, KeyCode::Char('n')), None);
    assert_eq!(type_in(&mut model, "end"), None);
    assert_eq!(key(&mut model, KeyCode::Char('y')), Some(Effect::Send(Command::End)));
    // pages are read, and left
    word(&mut model, says(&drill, &Command::Goals));
    assert!(model.page.is_some());
    shown.push(("the objectives", screen(&model, 80, 24)));
    assert_eq!(word(&mut model, says(&drill, &Command::Scene)), None);
    shown.push(("the story", screen(&model, 80, 24)));
    let top = screen(&model, 80, 24);
    key(&mut model, KeyCode::PageDown);
    assert_ne!(screen(&model, 80, 24), top);
    key(&mut model, KeyCode::Esc);
    assert!(model.page.is_none());
    shown.push(("left again", screen(&model, 80, 24)));
    assert_eq!(type_in(&mut model, "quit"), Some(Effect::Leave));
    // an exercise after a reset has its own timeline
    let Message::Scene(scene) = says(&drill, &Command::Scene) else { panic!("no answer") };
    word(&mut model, Message::Scene(Box::new(Scene { begins: true, ..*scene })));
    assert!(model.timeline.is_empty());
    shown.push(("after a reset", screen(&model, 80, 24)));
    crate::text::messages::hold("drill-instructor", &shown);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn no_key_and_no_size_is_too_much(keys in proptest::collection::vec(0usize..14, 0..40), width in 1u16..120, height in 1u16..40) {
        let mut model = Model::new(Look::default());
        let codes = [
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::PageUp, KeyCode::PageDown, KeyCode::Up, KeyCode::Down,
            KeyCode::Left, KeyCode::Backspace, KeyCode::Char('e'), KeyCode::Char('n'), KeyCode::Char('d'),
            KeyCode::Char(' '), KeyCode::Char('語'),
        ];
        for at in keys {
            model.update(Msg::Key(KeyEvent::new(codes[at], KeyModifiers::NONE)));
            let text = "x".repeat(usize::from(width) * 3);
            model.update(Msg::Message(Box::new(Message::Happened(Happened { at_ms: 1, what: What::Note, text }))));
            screen(&model, width, height);
        }
    }
}
