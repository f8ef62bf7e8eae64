//! Walks a path of a scenario through the wizard's own `update` loop: each stride becomes the keys that an operator would
//! press, found with the screen's model. Nothing bypasses the keyboard.

use std::{path::Path, sync::Arc};

use crossterm::event::{
    KeyCode::{self, Char, Down, Enter, Esc, Home, Right},
    KeyEvent, KeyModifiers,
};

use super::{scenario::Stride, session::Exercise};
use crate::{
    domain::{
        members::table::Column,
        sources::ranking::{Place, Source},
    },
    error::{Error, ErrorKind, Result},
    tui::{
        Headless, Model, Msg, Step,
        dialogs::words,
        state::{members::Choice, model::Overlay, prompt::Ask, restore::RowState},
    },
};

/// A wizard that takes keys and gives access to its model: without a terminal, or as the event loop on one.
pub trait Keyboard {
    /// Sends one message, a key or a tick, and returns when all its effects are done.
    fn send(&mut self, msg: Msg);

    /// Returns the current model.
    fn model(&self) -> &Model;

    /// Presses a key.
    fn press(&mut self, code: KeyCode) {
        self.send(Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    /// Types a text, key by key.
    fn type_text(&mut self, text: &str) {
        text.chars().for_each(|c| self.press(Char(c)));
    }
}

impl Keyboard for Headless {
    fn send(&mut self, msg: Msg) {
        Headless::send(self, msg);
    }

    fn model(&self) -> &Model {
        Headless::model(self)
    }
}

/// Walks a wizard along a path.
pub struct Walker<K = Headless> {
    /// The wizard.
    pub wizard: K,
    exercise: Arc<Exercise>,
}

impl<K: Keyboard> Walker<K> {
    /// Makes a walker of `wizard` in `exercise`.
    pub fn new(wizard: K, exercise: Arc<Exercise>) -> Walker<K> {
        Walker { wizard, exercise }
    }

    /// Does one stride.
    ///
    /// # Errors
    /// If it has not the expected result; the cause includes the status line on the screen.
    pub fn stride(&mut self, stride: &Stride) -> Result<()> {
        let done = match stride {
            Stride::Next => self.next(),
            Stride::Back => {
                self.press(Esc);
                Ok(())
            }
            Stride::Again => {
                self.press(Char('r'));
                Ok(())
            }
            Stride::Gone(name) => self.gone(name),
            Stride::Save(name) => self.save(name),
            Stride::Choose(file) => self.choose(file),
            Stride::Set(row, column, text) => self.set(*row, *column, text),
            Stride::Fix(row, column) => self.cell(*row, *column).and_then(|()| self.expect_press('x')),
            Stride::Other(row, column) => self.cell(*row, *column).and_then(|()| self.expect_press('o')),
            Stride::Remove(row) => self.cell(*row, Column::Name).and_then(|()| self.expect_press('-')),
            Stride::Switch(option) => self.switch(*option),
            Stride::Bump(amount) => self.bump(*amount),
            Stride::Confirm => self.confirm(),
            Stride::Override => self.override_blocker(),
            Stride::At(act) => {
                self.exercise.lock().act_at_host(act)?;
                self.tick();
                Ok(())
            }
            Stride::Wait(time) => {
                self.exercise.lock().clock.skip(*time);
                self.tick();
                Ok(())
            }
        };
        done.map_err(|why| {
            let status =
                self.wizard.model().status.as_ref().map_or_else(String::new, |s| format!("; status line: {}", s.text));
            Error::new(ErrorKind::Refused, format!("the stride \"{stride}\" failed")).why(format!("{why}{status}"))
        })
    }

    fn tick(&mut self) {
        let now = self.wizard.model().now_ms;
        self.wizard.send(Msg::Tick(now));
    }

    fn press(&mut self, key: KeyCode) {
        self.wizard.press(key);
    }

    /// Presses a letter that must change something.
    fn expect_press(&mut self, key: char) -> std::result::Result<(), String> {
        let before = self.wizard.model().members.clone();
        self.press(Char(key));
        if self.wizard.model().members == before { Err(format!("{key} changed nothing")) } else { Ok(()) }
    }

    fn next(&mut self) -> std::result::Result<(), String> {
        let before = self.wizard.model().step;
        self.press(Char('n'));
        if self.wizard.model().step == before && self.wizard.model().prompt.is_none() {
            return Err(format!("n does not leave {}", before.title()));
        }
        Ok(())
    }

    fn gone(&mut self, name: &str) -> std::result::Result<(), String> {
        let detect = &self.wizard.model().detect;
        let at = detect.rows.iter().position(|row| detect.name(&row.facts) == name);
        let at = at.ok_or_else(|| format!("Detect has no row for {name}"))?;
        self.line(at);
        self.press(Char('g'));
        self.wizard.type_text(name);
        self.press(Enter);
        Ok(())
    }

    /// Selects the line `at` of a step.
    fn line(&mut self, at: usize) {
        self.press(Home);
        for _ in 0..at {
            self.press(Down);
        }
    }

    fn source(&mut self, is: impl Fn(&Source) -> bool) -> std::result::Result<(), String> {
        let list = &self.wizard.model().snapshot.list.sources;
        let at = list.iter().position(is).ok_or_else(|| {
            let names: Vec<&str> = list.iter().map(|s| s.name.as_str()).collect();
            format!("not in the list: {}", names.join(", "))
        })?;
        self.line(at);
        Ok(())
    }

    fn save(&mut self, name: &str) -> std::result::Result<(), String> {
        self.source(|s| matches!(s.place, Place::Member(_)) && s.bare_name == name)?;
        self.press(Enter);
        self.press(Enter);
        if self.wizard.model().snapshot.chosen.is_none() { Err("no snapshot was saved".into()) } else { Ok(()) }
    }

    fn choose(&mut self, file: &str) -> std::result::Result<(), String> {
        let dir = Path::new(file).join("member/snap/db");
        self.source(|s| matches!(&s.place, Place::File(path) if path.ends_with(file) || path.ends_with(&dir)))?;
        self.press(Enter);
        if self.wizard.model().overlay == Some(Overlay::Unhashed) {
            self.press(Char('y'));
        }
        let chosen = self.wizard.model().snapshot.chosen.clone().unwrap_or_default();
        if chosen.ends_with(file) || chosen.ends_with(&dir) { Ok(()) } else { Err("it was not chosen".into()) }
    }

    /// Selects a cell of the member table.
    fn cell(&mut self, row: usize, column: Column) -> std::result::Result<(), String> {
        if row > self.wizard.model().members.rows.len() {
            return Err(format!("the table has no row {row}"));
        }
        self.line(row - 1);
        for _ in 0..Column::ALL.len() {
            if self.wizard.model().members.column() == column {
                return Ok(());
            }
            self.press(Right);
        }
        Err("there is no such column".into())
    }

    fn set(&mut self, row: usize, column: Column, text: &str) -> std::result::Result<(), String> {
        self.cell(row, column)?;
        let text = self.exercise.lock().lab.expand(text);
        self.press(Enter);
        self.clear();
        self.wizard.type_text(&text);
        self.press(Enter);
        Ok(())
    }

    /// Clears the open field.
    fn clear(&mut self) {
        self.wizard.send(Msg::Key(KeyEvent::new(KeyCode::End, KeyModifiers::NONE)));
        self.wizard.send(Msg::Key(KeyEvent::new(Char('u'), KeyModifiers::CONTROL)));
    }

    /// Selects a line below the table.
    fn choice(&mut self, is: impl Fn(&Choice) -> bool) -> std::result::Result<(), String> {
        let members = &self.wizard.model().members;
        let at = members.choices.iter().position(is).ok_or("there is no such line below the table")?;
        let at = members.rows.len() + at;
        self.line(at);
        Ok(())
    }

    fn switch(&mut self, option: Choice) -> std::result::Result<(), String> {
        self.choice(|choice| *choice == option)?;
        self.expect_enter()
    }

    fn expect_enter(&mut self) -> std::result::Result<(), String> {
        let before = self.wizard.model().members.clone();
        self.press(Enter);
        if self.wizard.model().members == before { Err("Enter changed nothing".into()) } else { Ok(()) }
    }

    fn bump(&mut self, amount: Option<u64>) -> std::result::Result<(), String> {
        self.choice(|choice| *choice == Choice::Bump)?;
        match amount {
            // it is set already, unless it was removed
            None if self.wizard.model().members.bump > 0 => Ok(()),
            None => self.expect_press('x'),
            Some(amount) => {
                self.press(Enter);
                self.clear();
                self.wizard.type_text(&amount.to_string());
                self.press(Enter);
                if amount > 0 && !self.wizard.model().members.mark_compacted {
                    self.choice(|choice| *choice == Choice::Compacted)?;
                    self.press(Enter);
                }
                Ok(())
            }
        }
    }

    /// Types the label to continue; at Review this starts the restore.
    fn confirm(&mut self) -> std::result::Result<(), String> {
        if self.wizard.model().prompt.is_none() {
            self.press(if self.wizard.model().step == Step::Review { Enter } else { Char('n') });
        }
        let model = self.wizard.model();
        match model.prompt.as_ref().map(|p| &p.ask) {
            Some(Ask::Confirm | Ask::Gate) => {}
            Some(_) => {
                let asks = model.prompt.as_ref().map(|p| words(model, p).0).unwrap_or_default();
                self.press(Esc);
                return Err(format!("another field is open instead of the label's: {asks}"));
            }
            None => return Err("the field for the label does not open".into()),
        }
        let (label, step) = (model.label.clone(), model.step);
        self.wizard.type_text(&label);
        self.press(Enter);
        let model = self.wizard.model();
        let failed = model.restore.rows.iter().find_map(|row| match &row.stand {
            RowState::Failed(error) => Some(format!("{}: {error}", row.name)),
            _ => None,
        });
        match failed {
            _ if model.step == step => Err("the label was typed, but the wizard did not continue".into()),
            Some(why) => Err(why),
            None => Ok(()),
        }
    }

    fn override_blocker(&mut self) -> std::result::Result<(), String> {
        if self.wizard.model().prompt.is_none() {
            self.press(Enter);
        }
        let Some(Ask::Override(text)) = self.wizard.model().prompt.as_ref().map(|p| p.ask.clone()) else {
            return Err("no blocker asks for an override".into());
        };
        self.wizard.type_text(&text);
        self.press(Enter);
        if matches!(self.wizard.model().prompt.as_ref().map(|p| &p.ask), Some(Ask::Reason(_))) {
            self.wizard.type_text("walked in practice");
            self.press(Enter);
        }
        // the next field opens automatically; the path continues from the step
        if self.wizard.model().prompt.is_some() {
            self.press(Esc);
        }
        Ok(())
    }
}
