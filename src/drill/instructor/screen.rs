//! The model of the instructor's screen: what is known of the exercise, the line being typed, and the effect of keys and of
//! the drill's messages. Drawn by [`draw`], shown by [`terminal`].

pub mod draw;
pub mod terminal;
#[cfg(test)]
mod tests;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{
    Command, Message, Now, Scene,
    command::{self, Typed},
    print,
};
use crate::{
    drill::{debrief::Debrief, session::Happened},
    tui::widgets::{
        text_input::Field,
        theme::{Look, Tone},
    },
};

/// Everything on the screen.
#[derive(Debug, Clone)]
pub struct Model {
    /// How to draw.
    pub look: Look,
    /// The exercise; none until the drill has sent it.
    pub scene: Option<Scene>,
    /// The timeline.
    pub timeline: Vec<Happened>,
    /// The current state.
    pub now: Option<Now>,
    /// The result of the last command, or the error in what was typed.
    pub message: Option<(Tone, String)>,
    /// A page shown instead of the timeline, until Esc.
    pub page: Option<Vec<String>>,
    /// By how many lines it is scrolled: the timeline from its end, a page from its start.
    pub scrolled: usize,
    /// The line being typed.
    pub field: Field,
    /// The last typed line.
    pub last: String,
    /// True while the end of the exercise waits for confirmation.
    pub ends: bool,
    /// The debrief, once the exercise is over.
    pub over: Option<Debrief>,
}

/// An input of the screen.
#[derive(Debug, Clone)]
pub enum Msg {
    /// A key.
    Key(KeyEvent),
    /// A paste.
    Paste(String),
    /// A message from the drill.
    Message(Box<Message>),
}

/// An effect of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Sends a command to the drill.
    Send(Command),
    /// Closes the screen.
    Leave,
}

impl Model {
    /// Makes an empty screen.
    pub fn new(look: Look) -> Model {
        Model {
            look,
            scene: None,
            timeline: Vec::new(),
            now: None,
            message: None,
            page: None,
            scrolled: 0,
            field: Field::default(),
            last: String::new(),
            ends: false,
            over: None,
        }
    }

    /// Handles an input. Returns its effect.
    pub fn update(&mut self, msg: Msg) -> Option<Effect> {
        match msg {
            Msg::Message(word) => self.receive(*word),
            Msg::Paste(text) => {
                self.field.paste(&text);
                None
            }
            Msg::Key(key) => self.press(key),
        }
    }

    fn receive(&mut self, word: Message) -> Option<Effect> {
        match word {
            Message::Scene(scene) => {
                // if it was asked for it is shown as a page; else an exercise starts
                if self.scene.is_some() && !scene.begins {
                    self.read(&print::scene(&Scene { timeline: Vec::new(), ..*scene }));
                    return None;
                }
                if self.scene.is_some() {
                    self.message = Some((Tone::Warn, "The trainee reset the exercise.".into()));
                }
                self.timeline.clone_from(&scene.timeline);
                self.scene = Some(*scene);
                return Some(Effect::Send(Command::Look));
            }
            Message::Happened(happened) => {
                self.timeline.push(happened);
                // what is being read does not move
                if self.page.is_none() && self.scrolled > 0 {
                    self.scrolled += 1;
                }
                return Some(Effect::Send(Command::Look));
            }
            Message::Now(now) => self.now = Some(*now),
            Message::Goals(goals) => {
                self.read(&goals.iter().map(|goal| print::goal(goal) + "\n").collect::<String>());
            }
            Message::Done(done) => self.message = Some((Tone::Good, super::tame(&done))),
            Message::Refused(why) => self.message = Some((Tone::Warn, super::tame(&why))),
            Message::Over(debrief) => {
                self.over = Some(*debrief);
                return Some(Effect::Leave);
            }
        }
        None
    }

    fn read(&mut self, text: &str) {
        self.page = Some(text.lines().map(str::to_string).collect());
        self.scrolled = 0;
    }

    fn press(&mut self, key: KeyEvent) -> Option<Effect> {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        if ctrl && matches!(key.code, KeyCode::Char('c' | 'd')) {
            return Some(Effect::Leave);
        }
        if std::mem::take(&mut self.ends) {
            self.message = None;
            return (key.code == KeyCode::Char('y')).then_some(Effect::Send(Command::End));
        }
        match key.code {
            KeyCode::Enter => return self.submit(),
            KeyCode::Esc if self.page.take().is_some() || self.scrolled > 0 => self.scrolled = 0,
            KeyCode::Esc => self.field = Field::default(),
            KeyCode::Tab => self.complete(),
            KeyCode::PageUp => self.scroll(true),
            KeyCode::PageDown => self.scroll(false),
            KeyCode::Up => self.field = Field::new(self.last.clone()),
            KeyCode::Down => self.field = Field::default(),
            _ => {
                self.field.press(key);
            }
        }
        None
    }

    /// Scrolls by half a small screen; a page is counted from its start, the timeline from its end.
    fn scroll(&mut self, up: bool) {
        const LINES: usize = 8;
        let most = self.page.as_ref().map_or(self.timeline.len(), Vec::len).saturating_sub(1);
        self.scrolled = match up == self.page.is_none() {
            true => (self.scrolled + LINES).min(most),
            false => self.scrolled.saturating_sub(LINES),
        };
    }

    fn submit(&mut self) -> Option<Effect> {
        let line = std::mem::take(&mut self.field).text().to_string();
        if !line.trim().is_empty() {
            self.last.clone_from(&line);
            self.message = None;
        }
        match command::read(&line) {
            Typed::Command(Command::End) => {
                self.ends = true;
                self.message = Some((
                    Tone::Warn,
                    "This ends the exercise for the trainee, too. Press y to end it, any other key to continue.".into(),
                ));
                None
            }
            Typed::Command(Command::Look) => {
                self.message = self.now.as_ref().map(|now| (Tone::Plain, print::now(now)));
                Some(Effect::Send(Command::Look))
            }
            Typed::Command(command) => Some(Effect::Send(command)),
            Typed::Quit => Some(Effect::Leave),
            Typed::Help => {
                self.read(&print::help());
                None
            }
            Typed::Empty => None,
            Typed::Unknown(why) => {
                self.message = Some((Tone::Warn, why));
                // a mistake is corrected, not typed again
                self.field = Field::new(line);
                None
            }
        }
    }

    /// Completes the word at the end: a command, an inject's name, a member's name.
    fn complete(&mut self) {
        let text = self.field.text().to_string();
        let (before, begun) = text.rsplit_once(' ').map_or(("", text.as_str()), |(before, begun)| (before, begun));
        let scene = self.scene.as_ref();
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_string).collect::<Vec<_>>();
        let candidates = match before.trim() {
            "" => owned(command::WORDS.iter().filter_map(|(words, _)| words.split(' ').next()).collect()),
            "inject" => owned(scene.iter().flat_map(|s| &s.injects).map(|i| i.name.as_str()).collect()),
            "act" => owned(vec!["start", "stop", "lose", "replay", "place", "unpack", "fill", "free"]),
            "act start" | "act stop" | "act lose" | "act replay" => {
                owned(scene.iter().flat_map(|s| &s.members).map(String::as_str).collect())
            }
            "act fill" | "act free" => owned(vec!["disk"]),
            _ => Vec::new(),
        };
        let fitting: Vec<&String> = candidates.iter().filter(|c| c.starts_with(begun)).collect();
        match fitting.as_slice() {
            [] => {}
            [one] => {
                let gap = if before.is_empty() { "" } else { " " };
                self.field = Field::new(format!("{before}{gap}{one} "));
            }
            several => {
                let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
                self.message = Some((Tone::Plain, names.join("  ")));
            }
        }
    }
}
