//! The instructor's screen on a terminal: takes keys, signals and the drill's messages, and draws.

use std::{io, time::Duration};

use crossterm::event::{Event, KeyEventKind};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use super::{Effect, Model, Msg, draw};
use crate::{
    drill::instructor::{Command, Message, client::Connection},
    error::{Error, ErrorKind, Result},
    text::stdio,
    tui::{
        keyboard::Keyboard,
        terminal::{Canvas, Guard, hook_panics},
        widgets::theme::Look,
    },
};

/// How often the current state is requested: the clock moves even if nothing happens.
const LOOK: Duration = Duration::from_secs(1);

/// Shows the exercise until it is over or the instructor leaves. Returns the last screen.
///
/// # Errors
/// If the terminal cannot be used, or the drill ends without a debrief.
pub fn show(drill: Connection, look: Look) -> Result<Model> {
    let fail = |e: io::Error| Error::new(ErrorKind::Failed, "failed to use the terminal").why(e);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail)?;
    hook_panics();
    let shown = runtime.block_on(watch(drill, look));
    runtime.shutdown_background();
    shown
}

async fn watch(drill: Connection, look: Look) -> Result<Model> {
    let fail = |e: io::Error| Error::new(ErrorKind::Failed, "failed to use the terminal").why(e);
    let mut sender = drill.sender()?;
    let (tell, mut words) = mpsc::unbounded_channel::<Result<Message>>();
    drill.listen(move |word| tell.send(word).is_ok())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(fail)?;
    let mut look_again = interval(LOOK);
    look_again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut model = Model::new(look);
    let _guard = Guard::take().map_err(fail)?;
    let mut canvas = Canvas::new().map_err(fail)?;
    let mut keys = Keyboard::new().map_err(fail)?;
    loop {
        // as at the end of the keys: the exercise continues without this screen. A frame that the terminal does not accept
        // yet is drawn with the next update
        if canvas.draw(|frame| draw::draw(&model, frame)).is_err() {
            return Ok(model);
        }
        let msg = tokio::select! {
            event = keys.next() => match event {
                Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => Some(Msg::Key(key)),
                Some(Ok(Event::Paste(text))) => Some(Msg::Paste(text)),
                Some(Ok(_)) => None,
                Some(Err(_)) | None => return Ok(model),
            },
            Some(word) = words.recv() => Some(Msg::Message(Box::new(word?))),
            _ = look_again.tick() => {
                sender.send(&Command::Look)?;
                None
            }
            _ = terminate.recv() => {
                stdio::hurry();
                return Ok(model);
            }
            _ = hangup.recv() => {
                stdio::hurry();
                return Ok(model);
            }
        };
        match msg.and_then(|msg| model.update(msg)) {
            Some(Effect::Send(command)) => sender.send(&command)?,
            Some(Effect::Leave) => return Ok(model),
            None => {}
        }
    }
}
