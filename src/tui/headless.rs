//! The same wizard without a terminal: messages in, the screen as text out. For practice runs that
//! play themselves, and for tests.

use std::{collections::VecDeque, sync::Arc};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{Terminal, backend::TestBackend, buffer::Buffer};

use crate::{
    execute::Cancel,
    system::System,
    tui::{
        app::update,
        effects::perform,
        frame::draw,
        observer::{Notes, Observer},
        state::{
            messages::{Clipboard, Effect, Msg},
            model::Model,
        },
        widgets::layout,
    },
};

/// How far the clock advances with each message, in milliseconds: no finger is faster.
const PACE_MS: u64 = 200;

/// The wizard's loop without a terminal.
pub struct Headless {
    model: Model,
    system: Arc<dyn System>,
    clock_ms: u64,
    copied: Vec<String>,
    quit: bool,
    companion: Option<Box<dyn Observer>>,
}

impl Headless {
    /// A wizard on `world`, started: members are asked before this returns.
    pub fn new(model: Model, system: Arc<dyn System>) -> Self {
        Headless::accompanied(model, system, None)
    }

    /// The same with an observer.
    pub fn accompanied(model: Model, system: Arc<dyn System>, companion: Option<Box<dyn Observer>>) -> Self {
        let mut headless = Headless { model, system, clock_ms: 0, copied: Vec::new(), quit: false, companion };
        let (now, fresh) = (headless.system.now(), headless.system.random_suffix());
        headless.send(Msg::Start { now, fresh });
        headless
    }

    /// Sends one message and carries out what follows from it, until nothing more does.
    pub fn send(&mut self, msg: Msg) {
        self.clock_ms += PACE_MS;
        update(&mut self.model, Msg::Tick(self.clock_ms));
        let mut effects: VecDeque<Effect> = self.take(msg).into();
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Quit => self.quit = true,
                Effect::Copy { id, text } => {
                    self.copied.push(text);
                    effects.extend(self.take(Msg::Copied { id, to: Clipboard::Terminal }));
                }
                Effect::Note => {
                    let notes = self.companion.as_mut().and_then(|companion| companion.asked(&self.model));
                    self.noted(notes);
                }
                effect => {
                    let mut answers = Vec::new();
                    let look_only = self.model.options.look_only;
                    let mut answered = |msg| answers.push(msg);
                    perform(&effect, look_only, self.system.as_ref(), &Cancel::default(), &mut answered);
                    for msg in answers {
                        effects.extend(self.take(msg));
                    }
                }
            }
        }
    }

    /// One message, shown to the observer.
    fn take(&mut self, msg: Msg) -> Vec<Effect> {
        let seen = self.companion.is_some().then(|| msg.clone());
        let effects = update(&mut self.model, msg);
        if let (Some(companion), Some(seen)) = (&mut self.companion, seen) {
            let notes = companion.saw(&self.model, &seen);
            self.noted(notes);
        }
        effects
    }

    fn noted(&mut self, notes: Option<Notes>) {
        if let Some(notes) = notes {
            update(&mut self.model, Msg::Noted(notes));
        }
    }

    /// Presses a key.
    pub fn press(&mut self, code: KeyCode) {
        self.send(Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    /// Types a text, key by key.
    pub fn type_text(&mut self, text: &str) {
        for c in text.chars() {
            self.press(KeyCode::Char(c));
        }
    }

    /// The wizard's state.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// True once the wizard was left.
    pub fn has_quit(&self) -> bool {
        self.quit
    }

    /// What was sent to the clipboard.
    pub fn copied(&self) -> &[String] {
        &self.copied
    }

    /// The screen as text, one line for each row, without blanks at the ends.
    pub fn screen(&self, width: u16, height: u16) -> String {
        screen(&self.model, width, height)
    }
}

/// A model's screen as text.
pub fn screen(model: &Model, width: u16, height: u16) -> String {
    let picture = picture(model, width, height);
    let mut out = String::new();
    for y in 0..picture.area.height {
        let line: String = (0..picture.area.width).filter_map(|x| picture.cell((x, y))).map(|c| c.symbol()).collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// A model's screen as cells.
pub fn picture(model: &Model, width: u16, height: u16) -> Buffer {
    let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
    let Ok(_) = terminal.draw(|frame| {
        draw(model, frame);
        layout::disarm(frame.buffer_mut());
    });
    terminal.backend().buffer().clone()
}
