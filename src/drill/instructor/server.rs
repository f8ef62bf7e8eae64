//! The drill's end of the socket. It survives resets, and instructors stay connected.

use std::{
    fs,
    io::{self, BufReader, Write},
    net::Shutdown,
    os::unix::{
        fs::{DirBuilderExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{Command, LONGEST_NOTE, Message, Now, Scene, client, line, read, tame};
use crate::drill::{
    debrief::{self, Debrief},
    scenario::{Act, check},
    session::{Exercise, Happened, Listener, State, What},
};

/// An instructor that accepts no data for this long is disconnected.
const PATIENCE: Duration = Duration::from_secs(2);

/// The connected instructors, each with its queue of messages.
#[derive(Debug, Clone, Default)]
struct Instructors(Arc<Mutex<Vec<Sender<Message>>>>);

impl Instructors {
    fn lock(&self) -> MutexGuard<'_, Vec<Sender<Message>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, word: &Message) {
        self.lock().retain(|instructor| instructor.send(word.clone()).is_ok());
    }
}

impl Listener for Instructors {
    fn on_line(&self, happened: &Happened) {
        self.send(&Message::Happened(happened.clone()));
    }
}

/// What all connections share. If both are locked, the exercise is locked first.
#[derive(Debug, Default)]
struct Shared {
    exercise: Mutex<Option<Arc<Exercise>>>,
    instructors: Instructors,
    ends: AtomicBool,
    served: Mutex<Vec<Served>>,
}

/// A connection and its sending thread.
#[derive(Debug)]
struct Served {
    stream: UnixStream,
    writer: JoinHandle<()>,
}

impl Shared {
    /// Serves `exercise` from now on, or none.
    fn turn_to(&self, exercise: Option<Arc<Exercise>>) {
        *self.exercise.lock().unwrap_or_else(PoisonError::into_inner) = exercise;
    }

    fn served(&self) -> MutexGuard<'_, Vec<Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn exercise(&self) -> Option<Arc<Exercise>> {
        self.exercise.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Listens for instructors until it is dropped.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    shared: Arc<Shared>,
}

impl Server {
    /// Listens in `dir`, which is created if it does not exist.
    ///
    /// # Errors
    /// If the directory or the socket cannot be created. A drill continues without.
    pub fn listen(dir: &Path) -> io::Result<Server> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let path = dir.join(client::socket_name(process::id()));
        // a killed drill with the same process ID left it
        if path.exists() {
            fs::remove_file(&path)?;
        }
        let socket = UnixListener::bind(&path)?;
        let server = Server { path, shared: Arc::default() };
        fs::set_permissions(&server.path, fs::Permissions::from_mode(0o600))?;
        let shared = Arc::clone(&server.shared);
        thread::Builder::new().name("instructor".into()).spawn(move || {
            for stream in socket.incoming() {
                if shared.ends.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(stream) = stream {
                    // a failure only affects this connection: the exercise continues
                    let _ = serve(&shared, stream);
                }
            }
        })?;
        Ok(server)
    }

    /// Serves this exercise from now on.
    pub fn begin(&self, exercise: &Arc<Exercise>) {
        let mut state = exercise.lock();
        self.shared.turn_to(Some(Arc::clone(exercise)));
        let instructors = &self.shared.instructors;
        let count = instructors.lock().len();
        instructors.send(&Message::Scene(Box::new(Scene::new(&state, count, true))));
        state.listener = Some(Box::new(instructors.clone()));
    }

    /// Stops serving the exercise, before a reset.
    pub fn leave(&self) {
        self.shared.turn_to(None);
    }

    /// Sends the debrief to all instructors.
    pub fn over(&self, debrief: &Debrief) {
        self.shared.instructors.send(&Message::Over(Box::new(debrief.clone())));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        // wakes the listener, which then ends
        let _ = UnixStream::connect(&self.path);
        let _ = fs::remove_file(&self.path);
        self.leave();
        self.shared.instructors.lock().clear();
        // nothing more is received; queued messages are still sent
        for Served { stream, writer } in self.shared.served().drain(..) {
            let _ = stream.shutdown(Shutdown::Read);
            let _ = writer.join();
        }
    }
}

/// Serves one instructor: one thread sends messages, another answers commands.
fn serve(shared: &Arc<Shared>, stream: UnixStream) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut out = stream.try_clone()?;
    let (words, to_send) = mpsc::channel::<Message>();
    let writer = thread::Builder::new().name("instructor, out".into()).spawn(move || {
        for word in to_send {
            if out.write_all(&line(&word)).is_err() {
                break;
            }
        }
        // the reader must not wait for a closed connection
        let _ = out.shutdown(Shutdown::Both);
    })?;
    let kept = stream.try_clone()?;
    let mut served = shared.served();
    served.retain(|served| !served.writer.is_finished());
    served.push(Served { stream: kept, writer });
    drop(served);
    let exercise = shared.exercise();
    {
        // no event may be lost between the first message and the following ones
        let state = exercise.as_ref().map(|exercise| exercise.lock());
        let mut instructors = shared.instructors.lock();
        if let Some(state) = &state {
            let _ = words.send(Message::Scene(Box::new(Scene::new(state, instructors.len() + 1, false))));
        }
        instructors.push(words.clone());
    }
    let shared = Arc::clone(shared);
    thread::Builder::new().name("instructor, in".into()).spawn(move || {
        let mut from = BufReader::new(stream);
        loop {
            let answer = match read::<Command>(&mut from) {
                Ok(Some(command)) => obey(&shared, &command),
                Err(error) if error.kind() == io::ErrorKind::Other => {
                    Message::Refused(format!("invalid command: {error}"))
                }
                Ok(None) => return,
                Err(_) => {
                    // the other end must not block on writing
                    let _ = from.get_ref().shutdown(Shutdown::Read);
                    return;
                }
            };
            if words.send(answer).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

fn obey(shared: &Shared, command: &Command) -> Message {
    let Some(exercise) = shared.exercise() else {
        return Message::Refused("no exercise is running at the moment: the trainee is resetting it".into());
    };
    let mut state = exercise.lock();
    let instructors = shared.instructors.lock().len();
    command.obey(&mut state, instructors)
}

impl Command {
    /// Executes the command; `instructors` are connected.
    pub fn obey(&self, state: &mut State, instructors: usize) -> Message {
        let done = |text: String| Message::Done(text);
        match self {
            Command::Scene => Message::Scene(Box::new(Scene::new(state, instructors, false))),
            Command::Look => Message::Now(Box::new(Now::from_state(state))),
            Command::Goals => Message::Goals(debrief::objectives(state)),
            Command::Note(text) => {
                let text = tame(text.trim());
                if text.is_empty() || text.chars().count() > LONGEST_NOTE {
                    return Message::Refused(format!("a note must have 1 to {LONGEST_NOTE} characters"));
                }
                let message = format!("Instructor: {text}");
                state.note(What::Note, message.as_str());
                state.announce(&message);
                done("sent to the trainee".into())
            }
            Command::Inject(name) if state.triggered.contains(name) => {
                Message::Refused(format!("{} has already happened", tame(name)))
            }
            Command::Inject(name) => match state.inject(name) {
                Ok(()) => {
                    state.run_due_injects();
                    done(format!("{name} happened"))
                }
                Err(error) => Message::Refused(error.to_string()),
            },
            Command::Act(text) => match act(state, text) {
                Ok(act) => done(format!("{act}: done; the trainee is not told")),
                Err(why) => Message::Refused(why),
            },
            Command::End => {
                state.end("the instructor ended the exercise");
                done("the exercise ends when the trainee's screen updates".into())
            }
        }
    }
}

/// Does something that is not in the scenario.
fn act(state: &mut State, text: &str) -> Result<Act, String> {
    let act = Act::try_from(text.to_string())?;
    match check::act(&act, state.lab.scenario()) {
        Some(why) => return Err(why),
        None => state.lab.act(&act).map_err(|error| error.to_string())?,
    }
    state.note(What::Inject, format!("{act}: by the instructor; the trainee is not told"));
    state.run_due_injects();
    Ok(act)
}
