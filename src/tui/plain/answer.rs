//! What a typed line means: the keys that an operator of the screens would press for it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::choices::{Choice, Deed, choices, for_the_eye, named};
use crate::{
    domain::members::table::Column,
    tui::{
        keymap,
        selectors::review::wanted,
        state::{key::Place, messages::Msg, model::Model},
    },
};

/// What leaves a text field as it was.
pub(super) const LEAVE: &str = "<";
/// What is typed for a text of no characters.
pub(super) const EMPTY: &str = "\"\"";

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// To press these keys.
    Keys(Vec<KeyEvent>),
    /// To read everything again.
    Again,
    /// Nothing that is known.
    Unknown,
    /// A choice that was listed and is not there any more.
    Gone,
    /// Something that was typed before the question was printed: it is no answer to that.
    Early,
}

impl Answer {
    /// The messages of its keys.
    pub(super) fn messages(self) -> Vec<Msg> {
        match self {
            Answer::Keys(keys) => keys.into_iter().map(Msg::Key).collect(),
            _ => Vec::new(),
        }
    }
}

fn key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

/// What `line` asks for, where `offered` is what was listed last.
pub(super) fn answer(model: &Model, offered: &[Choice], line: &str) -> Answer {
    if model.place() == Place::Field {
        return Answer::Keys(in_field(model, line));
    }
    let line = line.trim();
    if line.is_empty() {
        return Answer::Again;
    }
    if let Ok(number) = line.parse::<usize>() {
        return match number.checked_sub(1).and_then(|at| offered.get(at)) {
            // a number means what was listed under it, whatever has changed since
            Some(choice) if choices(model).contains(choice) => Answer::Keys(deed(model, choice.deed)),
            Some(_) => Answer::Gone,
            None => Answer::Unknown,
        };
    }
    if wanted(model).is_some_and(|text| text == line) && model.place() == Place::Review {
        // its first letter opens the field
        return Answer::Keys(typed(line).collect());
    }
    let mut letters = line.chars();
    if let (Some(letter), None) = (letters.next(), letters.next()) {
        let key = command(model.place(), letter);
        return if for_the_eye(key) { Answer::Unknown } else { Answer::Keys(vec![key]) };
    }
    if let Some(key) = named(line) {
        return Answer::Keys(vec![key]);
    }
    let said = line.to_lowercase();
    let by_words = offered.iter().find(|choice| {
        let label = choice.words.split(": ").next().unwrap_or_default();
        choice.words.to_lowercase() == said || label.to_lowercase() == said
    });
    match by_words {
        Some(choice) => Answer::Keys(deed(model, choice.deed)),
        None => Answer::Unknown,
    }
}

/// A letter as a command. Where it may begin what is to be typed on a screen, it has to come with Alt there.
fn command(place: Place, letter: char) -> KeyEvent {
    let alt = place == Place::Review && keymap::is_key(place, letter);
    KeyEvent::new(KeyCode::Char(letter), if alt { KeyModifiers::ALT } else { KeyModifiers::NONE })
}

fn deed(model: &Model, deed: Deed) -> Vec<KeyEvent> {
    match deed {
        Deed::Key(KeyEvent { code: KeyCode::Char(letter), .. }) => vec![command(model.place(), letter)],
        Deed::Key(key) => vec![key],
        Deed::Line(at) => line(at),
        Deed::Cell(row, column) => in_cell(model, row, column, KeyCode::Enter),
        Deed::Fix(row, column) => in_cell(model, row, column, KeyCode::Char('x')),
        Deed::Other(row, column) => in_cell(model, row, column, KeyCode::Char('o')),
    }
}

/// The keys that select a line.
fn line(at: usize) -> Vec<KeyEvent> {
    std::iter::once(key(KeyCode::Home)).chain(std::iter::repeat_n(key(KeyCode::Down), at)).collect()
}

/// The keys that select a cell, and then this one.
fn in_cell(model: &Model, row: usize, column: usize, then: KeyCode) -> Vec<KeyEvent> {
    let count = Column::ALL.len();
    let right = (column + count - model.members.column % count) % count;
    let mut keys = line(row);
    keys.extend(std::iter::repeat_n(key(KeyCode::Right), right));
    keys.push(key(then));
    keys
}

/// The keys that put a text into an empty field.
fn typed(text: &str) -> impl Iterator<Item = KeyEvent> {
    text.chars().filter(|c| !c.is_control()).map(|c| key(KeyCode::Char(c)))
}

/// What a line does in an open field. One that confirms takes the text first, and the Enter after it as a line of its own:
/// what is pasted confirms nothing.
fn in_field(model: &Model, line: &str) -> Vec<KeyEvent> {
    let confirms = model.prompt.as_ref().is_some_and(|prompt| prompt.ask.confirms());
    let text = match line.trim() {
        "" => return vec![key(KeyCode::Enter)],
        LEAVE => return vec![key(KeyCode::Esc)],
        EMPTY => "",
        text => text,
    };
    let mut keys = vec![key(KeyCode::End), KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)];
    keys.extend(typed(text));
    if !confirms {
        keys.push(key(KeyCode::Enter));
    }
    keys
}

/// What can be typed now, on one line.
pub(super) fn asks(model: &Model, offered: &[Choice]) -> String {
    let Some(prompt) = model.prompt.as_ref().filter(|_| model.overlay.is_none()) else {
        let last = offered.len();
        let keys = offered.iter().filter(|choice| !choice.key.is_empty()).count();
        let or = if keys > 0 { ", or a key" } else { "" };
        return match last {
            0 => "Enter reads everything again: ".into(),
            _ => format!("1 to {last}{or}, Enter reads again: "),
        };
    };
    let now = prompt.text();
    match (prompt.ask.confirms(), now) {
        (true, "") => format!("Type it, or {LEAVE} to cancel: "),
        (true, now) => format!("{now}: Enter confirms it, {LEAVE} cancels: "),
        (false, "") => format!("Type it, or {LEAVE} to cancel: "),
        (false, now) => {
            format!("Now: {now}. Type another text, Enter to take this one, {EMPTY} for none, {LEAVE} to cancel: ")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{super::choices::key_name, *};
    use crate::tui::{
        app::update,
        state::{messages::Effect, model::Overlay, step::Step},
        tests::{at_members, at_review, press, started},
    };

    fn say(model: &mut Model, line: &str) -> Vec<Effect> {
        let offered = choices(model);
        let keys = answer(model, &offered, line).messages();
        assert!(!keys.is_empty(), "{line:?} means nothing among {offered:#?}");
        let later = model.now_ms + 200;
        update(model, Msg::Tick(later));
        keys.into_iter().flat_map(|msg| update(model, msg)).collect()
    }

    fn number(model: &Model, is: impl Fn(&Choice) -> bool) -> String {
        (choices(model).iter().position(is).unwrap() + 1).to_string()
    }

    #[test]
    fn cells_are_edited_by_number() {
        let mut model = at_members();
        for (column, text) in [(0, "one"), (4, "/srv/one"), (5, "\"\"")] {
            let edit = number(&model, |choice| choice.deed == Deed::Cell(0, column));
            say(&mut model, &edit);
            say(&mut model, text);
            assert_eq!(model.members.rows[0].text(Column::ALL[column]), text.trim_matches('"'));
        }
        let edit = number(&model, |choice| choice.deed == Deed::Cell(0, 0));
        say(&mut model, &edit);
        say(&mut model, LEAVE);
        assert_eq!((model.members.rows[0].text(Column::Name), model.prompt.is_none()), ("one", true));
    }

    #[test]
    fn corrections_are_taken_by_number() {
        let mut model = at_members();
        let edit = number(&model, |choice| choice.deed == Deed::Cell(0, 2));
        say(&mut model, &edit);
        say(&mut model, "http:/10.0.0.1:2380");
        let fix = number(&model, |choice| matches!(choice.deed, Deed::Fix(0, 2)));
        say(&mut model, &fix);
        assert_eq!(model.members.rows[0].text(Column::Peer), "http://10.0.0.1:2380");
    }

    #[test]
    fn the_label_confirms_with_an_enter_of_its_own() {
        let mut model = at_review();
        assert!(say(&mut model, "enter").is_empty() && model.prompt.is_some());
        for wrong in ["prod-eu", "PROD", "pro d"] {
            assert!(say(&mut model, wrong).is_empty(), "{wrong}");
            assert!(say(&mut model, "").is_empty(), "{wrong}");
            assert!(model.prompt.is_some() && model.step == Step::Review, "{wrong}");
        }
        assert!(say(&mut model, "prod").is_empty(), "the text alone starts nothing");
        assert!(matches!(say(&mut model, "")[..], [Effect::Apply { .. }]));
    }

    #[test]
    fn the_label_opens_its_field() {
        let mut model = at_review();
        say(&mut model, "prod");
        assert_eq!(model.prompt.as_ref().map(|prompt| prompt.text().to_string()), Some("prod".into()));
        // a letter is a command here, though the label begins with it
        let mut model = at_review();
        say(&mut model, "s");
        assert_eq!(model.prompt.as_ref().map(|prompt| prompt.ask.confirms()), Some(false));
    }

    #[test]
    fn a_number_means_what_was_listed() {
        let (mut model, _) = started();
        let offered = choices(&model);
        let quit = offered.iter().position(|choice| choice.key == "q").unwrap() + 1;
        press(&mut model, KeyCode::Char('q'));
        assert_eq!(model.overlay, Some(Overlay::Quit));
        assert_eq!(answer(&model, &offered, &quit.to_string()), Answer::Gone);
        let listed = choices(&model);
        for wrong in ["0", "99", "-1", "quit!", "1 2", "yes please"] {
            assert_eq!(answer(&model, &listed, wrong), Answer::Unknown, "{wrong}");
        }
        assert_eq!(answer(&model, &listed, "  "), Answer::Again);
    }

    /// Whatever can be done on a screen by a key that is named there can be chosen here.
    #[test]
    fn every_key_of_a_step_is_a_choice() {
        for model in [started().0, at_members(), at_review()] {
            let keys: Vec<String> = choices(&model).into_iter().map(|choice| choice.key).collect();
            let shown = keymap::bindings_for(model.place())
                .filter(|b| !b.label.is_empty() && crate::tui::steps::can(&model, b.action).is_ok());
            for binding in shown {
                let event = binding.keys[0].event();
                let moves = matches!(event.code, KeyCode::Up | KeyCode::Down | KeyCode::Left | KeyCode::Right);
                let of_cell = model.step == Step::Members && ["enter", "x", "o"].contains(&key_name(event).as_str());
                assert!(
                    moves || of_cell || for_the_eye(event) || keys.contains(&key_name(event)),
                    "{binding:?} in {keys:?}"
                );
            }
        }
    }
}
