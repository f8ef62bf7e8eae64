//! Input that reaches the trainee outside the wizard: lines typed at the terminal, signals, and the instructor's
//! messages.

use std::{
    io,
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    drill::session::{Exercise, TraineeInput},
    error::{Error, ErrorKind, Result},
    text::stdio,
    tui::plain::input::read_line,
};

/// Listens to all of them.
pub(super) struct InputEvents {
    sender: Sender<TraineeInput>,
    heard: Receiver<TraineeInput>,
    /// True while a line of the terminal is awaited. It is read only when one is needed: the keys belong to the
    /// wizard.
    asked: bool,
}

impl InputEvents {
    /// Starts to listen for signals. From then on they end nothing by themselves, so that the files made for an
    /// exercise are removed on every way out.
    pub(super) fn open() -> Result<InputEvents> {
        let (sender, heard) = mpsc::channel();
        let hung = sender.clone();
        let fail = |e: io::Error| Error::new(ErrorKind::Failed, "signals: cannot listen").why(e);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(fail)?;
        let entered = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
        let mut hangup = signal(SignalKind::hangup()).map_err(fail)?;
        drop(entered);
        let watch = move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                        _ = hangup.recv() => {}
                    }
                    stdio::hurry();
                    if hung.send(TraineeInput::Hung).is_err() {
                        return;
                    }
                }
            });
        };
        thread::Builder::new().name("signals".into()).spawn(watch).map_err(fail)?;
        Ok(InputEvents { sender, heard, asked: false })
    }

    /// From now on the trainee is away from the wizard.
    pub(super) fn sit(&mut self, exercise: &Exercise) {
        // messages since then were shown in the wizard; a signal still counts
        let hung = self.heard.try_iter().any(|line| line == TraineeInput::Hung);
        if hung {
            let _ = self.sender.send(TraineeInput::Hung);
        }
        exercise.lock().desk = Some(self.sender.clone());
    }

    /// From now on the trainee is in the wizard again.
    pub(super) fn rise(&mut self, exercise: &Exercise) {
        exercise.lock().desk = None;
    }

    /// Waits for the next line.
    ///
    /// # Errors
    /// When nothing can be heard any more.
    pub(super) fn line(&mut self) -> Result<TraineeInput> {
        let fail = |why: &str| Error::new(ErrorKind::Failed, "terminal: read failed").why(why);
        if !self.asked {
            let sender = self.sender.clone();
            let read = move || {
                // an error is a terminal that is gone; the lines after this one may be the wizard's
                let line = match read_line() {
                    Ok(None) | Err(_) => TraineeInput::Hung,
                    Ok(Some(line)) => TraineeInput::Typed(line),
                };
                let _ = sender.send(line);
            };
            thread::Builder::new().name("terminal".into()).spawn(read).map_err(|e| fail(&e.to_string()))?;
            self.asked = true;
        }
        let line = self.heard.recv().map_err(|_| fail("its thread has ended"))?;
        if matches!(line, TraineeInput::Typed(_)) {
            self.asked = false;
        }
        Ok(line)
    }
}
