//! The wizard: Detect → Snapshot → Members → Review → Restore → Launch → Proof in one frame.
//!
//! Its rooms from the ground up, each taking from those before it only: [`widgets`] are parts to draw with; [`state`] is
//! everything that the wizard knows and all that can happen to it, as plain data; [`keymap`] is the one table of keys;
//! [`selectors`] are pure functions of the model that several steps and views share; [`audit_entries`] and
//! [`exit_summary`] put the model into words for the journal and the normal screen; [`views`] draw; [`steps`] turn keys
//! and messages into changes of the model and effects; [`dialogs`] is the text field; [`frame`] is the whole screen;
//! [`app`] takes every message. Here is the shell around it: the terminal, the event loop, signals; `plain` is another
//! shell, of lines. Files and the network are reached through effects only.

pub mod app;
pub mod audit_entries;
pub mod dialogs;
mod effects;
pub mod exit_summary;
pub mod frame;
pub mod headless;
pub(crate) mod keyboard;
pub mod keymap;
pub mod observer;
pub(crate) mod plain;
pub mod selectors;
pub mod state;
pub mod steps;
pub(crate) mod terminal;
#[cfg(test)]
mod tests;
pub mod views;
pub mod widgets;

use crate::tui::widgets::theme;
use std::{
    io::{self, IsTerminal},
    sync::Arc,
    time::{Duration, Instant},
};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

use self::{
    app::update,
    effects::Workers,
    keyboard::Keyboard,
    state::{leaving::Leaving, messages::Effect, model::REAL},
    terminal::{Canvas, Fit, Guard, copy, hook_panics, hung_up},
};
pub use self::{
    exit_summary::{Ending, Outcome},
    headless::Headless,
    observer::Observer,
    state::{messages::Msg, model::Model, options::Options, step::Step},
};
use crate::{
    error::{Error, ErrorKind, Result},
    system::System,
    text::stdio::{self, OutputFormat},
};

/// No more than 30 pictures a second; 10 over ssh, where each one travels.
const FRAME: Duration = Duration::from_millis(33);
const FRAME_SSH: Duration = Duration::from_millis(100);
/// How often the model gets the time while work is in progress.
const TICK: Duration = Duration::from_millis(250);

/// How often it is asked whether the terminal is still there.
const HANG_UP: Duration = Duration::from_secs(1);

/// Opens the wizard on the terminal and stays until the operator leaves. What was written and where
/// it lies is then printed to the normal screen.
///
/// # Errors
/// `Usage` where stdin or stdout is no terminal, and lines were not asked for; `Failed` when the terminal gives out.
pub fn run(options: Options, system: Arc<dyn System>) -> Result<Ending> {
    let mut model = Model::new(options, REAL);
    let ending = go_on(&mut model, system, None)?;
    for line in &ending.lines {
        // the operator may have closed the terminal: then nobody reads this
        let _ = stdio::print(OutputFormat::Text, &format!("{line}\n"));
    }
    Ok(ending)
}

/// As [`run`], on a model that may have been left before, with somebody who looks on, and without a word afterwards.
///
/// # Errors
/// As [`run`].
pub fn go_on(model: &mut Model, system: Arc<dyn System>, companion: Option<&mut dyn Observer>) -> Result<Ending> {
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let fit = terminal::fit(terminal, std::env::var_os("TERM").as_deref());
    if fit == Fit::Nothing && !model.options.plain {
        return Err(Error::new(ErrorKind::Usage, "the wizard needs a terminal")
            .why("stdin or stdout is a pipe or a file")
            .hint(
                "Without one: `requorum --plain` asks and answers in lines, `requorum probe` says whether quorum is lost, \
                 `requorum snapshot restore` restores a member from the command line, `requorum plan` and `apply` a \
                 whole cluster, and `requorum drill --play` shows the whole way as plain lines",
            ));
    }
    if fit == Fit::Lines {
        (model.options.plain, model.look.plain) = (true, true);
    }
    let has = |name| std::env::var_os(name).is_some();
    if has("SSH_CONNECTION") && !has("TMUX") && !has("STY") {
        model.say(
            theme::Tone::Plain,
            "This runs over ssh and not in tmux or screen: if the connection drops, the wizard ends at a safe point.",
        );
    }
    let runtime = Builder::new_current_thread().enable_all().build().map_err(terminal_gone)?;
    hook_panics();
    let ended = match model.options.plain {
        true => plain::run(model, system, companion, &runtime, terminal),
        false => wizard(model, system, companion, &runtime),
    };
    // a member that hangs must not keep the operator from leaving
    runtime.shutdown_background();
    ended.map_err(terminal_gone)?;
    Ok(exit_summary::ending(model))
}

fn terminal_gone(error: io::Error) -> Error {
    Error::new(ErrorKind::Failed, "the terminal cannot be used").why(error)
}

/// The event loop, between taking the terminal and giving it back. Only its waiting happens inside the runtime: whatever
/// is called from here, a companion that starts a member first of all, may use a runtime of its own.
fn wizard(
    model: &mut Model,
    system: Arc<dyn System>,
    mut companion: Option<&mut dyn Observer>,
    runtime: &Runtime,
) -> io::Result<()> {
    let (tx, mut rx) = mpsc::unbounded_channel();
    let copied = tx.clone();
    let mut workers = Workers::new(model.options.look_only, system.clone(), move |msg| {
        // the receiver is gone after the end
        let _ = tx.send(msg);
    });
    let entered = runtime.enter();
    let mut term = signal(SignalKind::terminate())?;
    let mut hup = signal(SignalKind::hangup())?;
    let mut int = signal(SignalKind::interrupt())?;
    let mut stop = signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()))?;
    drop(entered);
    let frame = if std::env::var_os("SSH_CONNECTION").is_some() { FRAME_SSH } else { FRAME };
    let (started, before) = (Instant::now(), model.now_ms);
    let since =
        |started: Instant| u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(before);
    model.leaving = Leaving::No;
    let guard = Guard::take()?;
    let mut canvas = Canvas::new()?;
    let mut keys = Keyboard::new()?;
    let (columns, lines) = crossterm::terminal::size()?;
    let mut pending = vec![Msg::Resized(columns, lines)];
    match model.started {
        0 => pending.push(Msg::Start { now: system.now(), fresh: system.random_suffix() }),
        _ => pending.push(Msg::Returned),
    }
    let mut drawn: Option<Instant> = None;
    let mut dirty = true;
    // noticed by the last act, and known since
    let (mut lost, mut gone) = (false, false);
    loop {
        for msg in pending.drain(..) {
            update(model, Msg::Tick(since(started)));
            dirty = true;
            let seen = companion.is_some().then(|| msg.clone());
            let effects = update(model, msg);
            if let (Some(companion), Some(seen)) = (&mut companion, seen) {
                take_notes(model, companion.saw(model, &seen));
                if companion.ends() {
                    return Ok(());
                }
            }
            for effect in effects {
                match effect {
                    Effect::Quit => return Ok(()),
                    Effect::Note => {
                        let notes = companion.as_mut().and_then(|companion| companion.asked(model));
                        take_notes(model, notes);
                    }
                    Effect::Suspend => {
                        // a reader would take the keys meant for the shell
                        keys.pause();
                        let taken = runtime.block_on(guard.suspend()).and_then(|()| Canvas::new());
                        keys.resume();
                        match taken {
                            Ok(again) => canvas = again,
                            Err(_) => lost = true,
                        }
                    }
                    Effect::Copy { id, text } => {
                        let copied = copied.clone();
                        // tmux may take a moment; a terminal that is gone is noticed elsewhere
                        std::thread::spawn(move || {
                            if let Ok(to) = copy(&text) {
                                let _ = copied.send(Msg::Copied { id, to });
                            }
                        });
                    }
                    effect => workers.begin(effect),
                }
            }
        }
        // whatever runs goes on to its safe point, as after a signal
        if std::mem::take(&mut lost) && !gone {
            gone = true;
            keys.hang_up();
            pending.push(Msg::Terminated);
            continue;
        }
        let wait = drawn.map_or(Duration::ZERO, |at| frame.saturating_sub(at.elapsed()));
        if dirty && wait.is_zero() {
            // a terminal that is gone does not keep the work from its safe point
            // and neither does one that is not read at the moment: it gets the newest picture when it is
            match if gone { Ok(true) } else { canvas.draw(|frame| frame::draw(model, frame)) } {
                Ok(taken) => dirty = !taken,
                Err(_) => {
                    lost = true;
                    continue;
                }
            }
            drawn = Some(Instant::now());
        }
        // the model's own time stands still while nothing happens
        let look_due = model.look_due_at().map(|at| Duration::from_millis(at.saturating_sub(since(started))));
        runtime.block_on(async {
            tokio::select! {
                event = keys.next(), if !gone => match event {
                    Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => pending.push(Msg::Key(key)),
                    Some(Ok(Event::Paste(text))) => pending.push(Msg::Paste(text)),
                    Some(Ok(Event::Resize(columns, lines))) => pending.push(Msg::Resized(columns, lines)),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => lost = true,
                },
                Some(msg) = rx.recv() => {
                    pending.push(msg);
                    while let Ok(more) = rx.try_recv() {
                        pending.push(more);
                    }
                }
                () = asked_to_end(&mut term, &mut hup, &mut int) => pending.push(Msg::Terminated),
                // sent from outside: the same as the key
                _ = stop.recv() => pending.push(Msg::Key(KeyEvent::new(KeyCode::Char('z'), KeyModifiers::CONTROL))),
                () = tokio::time::sleep(wait), if dirty => {}
                // no key ever comes of it, and where nothing changes nothing is drawn that could fail
                () = tokio::time::sleep(HANG_UP), if !gone => lost |= hung_up(),
                () = tokio::time::sleep(look_due.unwrap_or_default()), if !dirty && look_due.is_some() => {
                    pending.push(Msg::LookAgain);
                }
                () = tokio::time::sleep(TICK), if !dirty && (model.animates() || companion.is_some()) => {
                    pending.push(Msg::Tick(since(started)));
                }
            }
        });
    }
}

fn take_notes(model: &mut Model, notes: Option<observer::Notes>) {
    if let Some(notes) = notes {
        update(model, Msg::Noted(notes));
    }
}

/// Waits for a signal that asks for the end. From then on nothing waits for a terminal that is not read.
async fn asked_to_end(term: &mut Signal, hup: &mut Signal, int: &mut Signal) {
    tokio::select! {
        _ = term.recv() => {}
        _ = hup.recv() => {}
        _ = int.recv() => {}
    }
    stdio::hurry();
}
