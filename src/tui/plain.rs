//! The wizard as lines, for screen readers, serial consoles, dumb terminals and scripts: what the screens show and the keys
//! that work, printed line by line and numbered. Nothing is drawn over, nothing moves, all of it stays in the scrollback.
//!
//! It is the same wizard: the same model and `update`, and the same views, drawn on a page without edges ([`page`]). A line
//! that is typed becomes the keys that do the same on the screens ([`answer`]); what changed since is printed
//! ([`transcript`]).

mod answer;
mod choices;
pub(crate) mod input;
mod page;
mod transcript;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc::{self, UnboundedSender},
};

use self::{
    answer::{Answer, answer},
    input::Lines,
    transcript::{Cause, Transcript, closes_itself},
};
use crate::{
    system::System,
    text::stdio::{self, OutputFormat},
    tui::{
        app::update,
        effects::Workers,
        observer::{Notes, Observer},
        state::{
            leaving::Leaving,
            messages::{Clipboard, Effect, Msg},
            model::Model,
            step::Step,
        },
        terminal,
    },
};

/// How long the answer to a line may take before what is known by then is printed.
const ANSWER: Duration = Duration::from_secs(1);
/// How often what is under way is printed.
const PROGRESS: Duration = Duration::from_secs(5);
/// How often the model gets the time while work is in progress.
const TICK: Duration = Duration::from_millis(250);
/// How long an Enter comes after the text before it at least, in milliseconds, where no clock can tell: in a script.
const PACE_MS: u64 = 200;

/// What ends a wait.
enum Event {
    Line(Option<String>),
    Message(Box<Msg>),
    Interrupted,
    Terminated,
    Time,
}

/// The wizard's state around its model.
struct Session<'m, 'o> {
    model: &'m mut Model,
    companion: Option<&'o mut dyn Observer>,
    transcript: Transcript,
    begin: Box<dyn FnMut(Effect)>,
    sender: UnboundedSender<Msg>,
    started: Instant,
    /// Milliseconds besides those since `started`.
    before: u64,
    /// Set when the wizard is to be left.
    quit: bool,
    /// True once the reader of the output is gone.
    unread: bool,
}

/// The event loop, until the wizard is left or the input ends. With `terminal` lines are taken at any time, and else when
/// nothing is under way, so that a script does not depend on how fast that is.
///
/// # Errors
/// When signals or standard input cannot be listened to.
pub(super) fn run(
    model: &mut Model,
    system: Arc<dyn System>,
    companion: Option<&mut dyn Observer>,
    runtime: &Runtime,
    terminal: bool,
) -> io::Result<()> {
    let (sender, mut messages) = mpsc::unbounded_channel();
    let to = sender.clone();
    // the receiver is gone after the end
    let mut workers = Workers::new(model.options.look_only, system.clone(), move |msg| drop(to.send(msg)));
    let entered = runtime.enter();
    let mut signals = Signals {
        term: signal(SignalKind::terminate())?,
        hup: signal(SignalKind::hangup())?,
        int: signal(SignalKind::interrupt())?,
    };
    drop(entered);
    let mut lines = Lines::new()?;
    let first = match model.started {
        0 => Msg::Start { now: system.now(), fresh: system.random_suffix() },
        _ => Msg::Returned,
    };
    model.leaving = Leaving::No;
    let before = model.now_ms;
    let mut session = Session {
        model,
        companion,
        transcript: Transcript::default(),
        begin: Box::new(move |effect| workers.begin(effect)),
        sender,
        started: Instant::now(),
        before,
        quit: false,
        unread: false,
    };
    // a serial line may not know its size; a pipe has none, and no mouse either
    let size = crossterm::terminal::size().ok().filter(|(columns, _)| *columns > 0).unwrap_or((80, 24));
    let (wide, high) = if terminal { size } else { (page::WIDE, page::HIGH) };
    session.take(Msg::Resized(wide, high));
    session.take(first);
    let mut ended = false;
    // what is not printed yet, and why it will be
    let mut news = Some(Cause::Asked);
    let mut printed = Instant::now();
    while !session.quit {
        let at_rest = session.model.at_rest();
        let patience = if news == Some(Cause::Asked) { ANSWER } else { PROGRESS };
        let wait = patience.saturating_sub(printed.elapsed());
        if let Some(cause) = news
            && (at_rest || wait.is_zero())
        {
            session.print(cause, at_rest);
            news = None;
            printed = Instant::now();
            continue;
        }
        let takes_lines = !ended && (terminal || at_rest);
        let ticks = session.model.animates() || session.companion.is_some();
        let event = runtime.block_on(async {
            tokio::select! {
                biased;
                event = signals.next(terminal) => event,
                Some(msg) = messages.recv() => Event::Message(Box::new(msg)),
                line = lines.next(), if takes_lines => Event::Line(line),
                () = tokio::time::sleep(wait), if news.is_some() => Event::Time,
                () = tokio::time::sleep(TICK), if ticks => Event::Time,
            }
        });
        match event {
            Event::Time => {
                let tick = session.now();
                session.take(Msg::Tick(tick));
                if session.model.animates() || session.noted() {
                    news = news.or(Some(Cause::Happened));
                }
            }
            Event::Message(msg) => {
                session.take(*msg);
                while let Ok(more) = messages.try_recv() {
                    session.take(more);
                }
                news = news.or(Some(Cause::Happened));
            }
            Event::Line(Some(line)) => {
                session.line(&line, terminal);
                (news, printed) = (Some(Cause::Asked), Instant::now());
            }
            Event::Line(None) => {
                ended = true;
                let words = session.transcript.say("The input has ended.");
                session.put(&words);
                session.take(Msg::Terminated);
                news = Some(Cause::Asked);
            }
            Event::Interrupted => {
                session.transcript.answered();
                session.take(Msg::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
                session.put("\n");
                news = Some(Cause::Asked);
            }
            Event::Terminated => {
                session.take(Msg::Terminated);
                news = Some(Cause::Asked);
            }
        }
        if session.unread && !ended {
            ended = true;
            session.take(Msg::Terminated);
        }
    }
    // the last state changes are not lost with it
    let at_rest = session.model.at_rest();
    if !session.unread && session.model.step == Step::Restore {
        session.print(Cause::Happened, at_rest);
    }
    let words = session.transcript.say("");
    session.put(words.trim_end_matches('\n'));
    Ok(())
}

impl Session<'_, '_> {
    fn now(&self) -> u64 {
        let since = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        since.saturating_add(self.before)
    }

    /// One message, with what follows from it.
    fn take(&mut self, msg: Msg) {
        let now = self.now();
        update(self.model, Msg::Tick(now));
        let seen = self.companion.is_some().then(|| msg.clone());
        let effects = update(self.model, msg);
        if let (Some(companion), Some(seen)) = (&mut self.companion, seen) {
            let notes = companion.saw(self.model, &seen);
            let ends = companion.ends();
            self.note(notes);
            self.quit |= ends;
        }
        for effect in effects {
            match effect {
                Effect::Quit => self.quit = true,
                Effect::Note => {
                    let notes = self.companion.as_mut().and_then(|companion| companion.asked(self.model));
                    self.note(notes);
                }
                // a terminal that keeps its own modes stops the program by itself
                Effect::Suspend => {}
                Effect::Copy { id, text } => self.copy(id, &text),
                effect => (self.begin)(effect),
            }
        }
    }

    fn note(&mut self, notes: Option<Notes>) {
        if let Some(notes) = notes {
            update(self.model, Msg::Noted(notes));
        }
    }

    /// Whether what the coach says is news.
    fn noted(&self) -> bool {
        self.transcript.hears(self.model)
    }

    /// Inside tmux a text goes where it is pasted from. Elsewhere it is printed: a terminal of lines may know no sequence
    /// for its clipboard.
    fn copy(&mut self, id: u64, text: &str) {
        let in_tmux = std::env::var_os("TMUX").is_some_and(|value| !value.is_empty());
        let to = match in_tmux && terminal::into_tmux(text) {
            true => Clipboard::Tmux,
            false => {
                let folded = page::folded(self.model, text);
                let lines = self.transcript.say(&format!("\n{}\n", folded.join("\n")));
                self.put(&lines);
                Clipboard::Lines
            }
        };
        let _ = self.sender.send(Msg::Copied { id, to });
    }

    /// What was typed. In a script it is repeated, so that the output can be read by itself.
    fn line(&mut self, line: &str, terminal: bool) {
        if !terminal {
            self.put(&format!("{line}\n"));
            // an Enter of its own
            self.before = self.before.saturating_add(PACE_MS);
        }
        let current = self.transcript.is_current(self.model);
        self.transcript.answered();
        let answer = match current {
            true => answer(self.model, self.transcript.offered(), line),
            false => Answer::Early,
        };
        let words = match &answer {
            Answer::Keys(_) => None,
            Answer::Again => {
                self.transcript.forget();
                None
            }
            Answer::Early => Some("That came before what it would answer was printed. Nothing was done."),
            Answer::Unknown => Some("That is not one of the choices. Nothing was done."),
            Answer::Gone => Some("That choice is not there any more. Nothing was done; these are the choices now:"),
        };
        if let Some(words) = words {
            let words = self.transcript.say(words);
            self.put(&words);
        }
        for msg in answer.messages() {
            self.take(msg);
        }
    }

    fn print(&mut self, cause: Cause, settled: bool) {
        let text = self.transcript.news(self.model, cause, settled);
        self.put(&text);
        // read at once, so there is nothing to close
        if closes_itself(self.model).is_some() {
            self.take(Msg::Key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE)));
            let text = self.transcript.news(self.model, Cause::Asked, settled);
            self.put(&text);
        }
    }

    fn put(&mut self, text: &str) {
        if !text.is_empty() {
            self.unread |= stdio::print(OutputFormat::Text, text).is_err();
        }
    }
}

/// The signals that ask for the end.
struct Signals {
    term: Signal,
    hup: Signal,
    int: Signal,
}

impl Signals {
    /// The next of them. Ctrl-C asks first where there is a terminal to answer at.
    async fn next(&mut self, terminal: bool) -> Event {
        let event = tokio::select! {
            _ = self.term.recv() => Event::Terminated,
            _ = self.hup.recv() => Event::Terminated,
            _ = self.int.recv() => if terminal { Event::Interrupted } else { Event::Terminated },
        };
        if matches!(event, Event::Terminated) {
            stdio::hurry();
        }
        event
    }
}
