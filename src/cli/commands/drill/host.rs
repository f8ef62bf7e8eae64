//! `requorum drill host`: the instructor's screen, or lines where standard input and output are no terminal.

use std::{
    io::{self, IsTerminal},
    sync::mpsc::{self, Sender},
    thread,
};

use super::super::wizard;
use crate::cli::{Format, print, print_json, warn};
use crate::{
    drill::instructor::{
        Message,
        client::{self, Connection},
        command::{self, Typed},
        print::{self as words, text},
        screen::terminal,
    },
    error::{Error, ErrorKind, Result},
    text::number::count,
    tui::widgets::theme::Look,
};

/// Returns the text after the flags: the instructor's commands.
pub(super) fn help() -> String {
    format!(
        "Start a drill in one terminal and this in another, as the same user. Commands:\n{}Without a terminal it reads the same \
         commands as lines, and exits at the end of its input:\n  echo 'inject dead-man' | requorum drill host\n  requorum \
         drill host --watch -w json > timeline.jsonl",
        words::help()
    )
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Process ID of the drill, where several are running
    process: Option<u32>,
    /// Only watch until the exercise ends; read no commands
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    look: wizard::Look,
}

pub(super) fn run(args: &Args, format: Format) -> Result<()> {
    let dir = wizard::state_dir().ok_or_else(|| {
        Error::new(ErrorKind::Usage, "drill: cannot look for a running one")
            .why("neither XDG_STATE_HOME nor HOME is an absolute path")
            .hint("Set HOME to its value in the drill's terminal.")
    })?;
    let drill = client::choose(client::running(&dir)?, args.process, &dir)?;
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    if !terminal || args.watch || format == Format::Json {
        return lines(drill, args.watch, format);
    }
    let options = args.look.options();
    let seen = terminal::show(drill, Look { mono: options.mono, ascii: options.ascii, ..Look::default() })?;
    match seen.over {
        Some(debrief) => print(&text(&Message::Over(Box::new(debrief)))),
        None => print("The exercise continues; reconnect with: requorum drill host\n"),
    }
}

/// What reaches the instructor.
enum Event {
    Heard(Result<Message>),
    Typed(Option<String>),
}

/// Runs the instructor's side as lines.
fn lines(drill: Connection, watch: bool, format: Format) -> Result<()> {
    let mut sender = drill.sender()?;
    let (tell, events) = mpsc::channel();
    if !watch {
        listen(tell.clone())?;
    }
    drill.listen(move |word| tell.send(Event::Heard(word)).is_ok())?;
    let json = format == Format::Json;
    // a script's commands are answered before it exits
    let (mut greeted, mut open, mut pending, mut refused) = (false, true, 0usize, 0usize);
    for event in events {
        match event {
            Event::Heard(word) => {
                let word = word?;
                match &word {
                    Message::Scene(scene) if greeted && !scene.begins => pending = pending.saturating_sub(1),
                    Message::Now(_) | Message::Goals(_) | Message::Done(_) => pending = pending.saturating_sub(1),
                    Message::Refused(_) => (pending, refused) = (pending.saturating_sub(1), refused + 1),
                    _ => {}
                }
                greeted |= matches!(word, Message::Scene(_));
                match json {
                    true => print_json(&format!("{}\n", serde_json::to_string(&word).unwrap_or_default()))?,
                    false => print(&text(&word))?,
                }
                if matches!(word, Message::Over(_)) {
                    return Ok(());
                }
            }
            Event::Typed(None) => {
                sender.close();
                open = false;
            }
            Event::Typed(Some(line)) => match command::read(&line) {
                Typed::Command(command) => {
                    sender.send(&command)?;
                    pending += 1;
                }
                Typed::Help => note(&words::help(), json)?,
                Typed::Quit => return Ok(()),
                Typed::Empty => {}
                Typed::Unknown(why) => {
                    refused += 1;
                    note(&format!("no: {why}\n"), json)?;
                }
            },
        }
        if !open && greeted && pending == 0 {
            break;
        }
    }
    match refused {
        0 => Ok(()),
        n => Err(Error::new(
            ErrorKind::Input,
            format!("standard input: {}", count(n as u64, "invalid command", "invalid commands")),
        )),
    }
}

/// Prints what is not from the drill: to standard error, where standard output is for a program.
fn note(text: &str, json: bool) -> Result<()> {
    match json {
        true => {
            warn(text.trim_end());
            Ok(())
        }
        false => print(text),
    }
}

/// Reads lines until the end of input.
fn listen(tell: Sender<Event>) -> Result<()> {
    spawn("terminal", move || {
        for line in io::stdin().lines() {
            let Ok(line) = line else { break };
            if tell.send(Event::Typed(Some(line))).is_err() {
                return;
            }
        }
        let _ = tell.send(Event::Typed(None));
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let spawned = thread::Builder::new().name(name.into()).spawn(work);
    spawned.map(drop).map_err(|e| Error::new(ErrorKind::Failed, "drill: failed to start a thread").why(e))
}
