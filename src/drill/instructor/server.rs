//! The drill's end of the socket. It goes on through resets; whoever looks on stays.

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

use super::{LONGEST_NOTE, Now, Order, Scene, Word, client, line, read, tame};
use crate::drill::{
    debrief::{self, Debrief},
    scenario::{Act, check},
    session::{Exercise, Happened, Listener, State, What},
};

/// A game master that does not take what is sent to it for so long is let go.
const PATIENCE: Duration = Duration::from_secs(2);

/// Everybody who looks on, each with what is still to be sent.
#[derive(Debug, Clone, Default)]
struct Lookers(Arc<Mutex<Vec<Sender<Word>>>>);

impl Lookers {
    fn lock(&self) -> MutexGuard<'_, Vec<Sender<Word>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, word: &Word) {
        self.lock().retain(|looker| looker.send(word.clone()).is_ok());
    }
}

impl Listener for Lookers {
    fn hears(&self, happened: &Happened) {
        self.send(&Word::Happened(happened.clone()));
    }
}

/// What all connections share. Where both are locked, the exercise is first.
#[derive(Debug, Default)]
struct Shared {
    exercise: Mutex<Option<Arc<Exercise>>>,
    lookers: Lookers,
    ends: AtomicBool,
    served: Mutex<Vec<Served>>,
}

/// A connection, and what sends on it.
#[derive(Debug)]
struct Served {
    stream: UnixStream,
    writer: JoinHandle<()>,
}

impl Shared {
    /// Looks at `exercise` from now on, or at none.
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

/// Listens for game masters as long as it lives.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    shared: Arc<Shared>,
}

impl Server {
    /// Listens in `dir`, which is made where it is not there.
    ///
    /// # Errors
    /// When the directory or the socket cannot be made. A drill goes on without.
    pub fn listen(dir: &Path) -> io::Result<Server> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let path = dir.join(client::socket_name(process::id()));
        // one that a killed drill with our number left behind
        if path.exists() {
            fs::remove_file(&path)?;
        }
        let socket = UnixListener::bind(&path)?;
        let server = Server { path, shared: Arc::default() };
        fs::set_permissions(&server.path, fs::Permissions::from_mode(0o600))?;
        let shared = Arc::clone(&server.shared);
        thread::Builder::new().name("game master".into()).spawn(move || {
            for stream in socket.incoming() {
                if shared.ends.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(stream) = stream {
                    // who cannot be served is not: the exercise goes on
                    let _ = serve(&shared, stream);
                }
            }
        })?;
        Ok(server)
    }

    /// From now on this exercise is looked at.
    pub fn begin(&self, exercise: &Arc<Exercise>) {
        let mut state = exercise.lock();
        self.shared.turn_to(Some(Arc::clone(exercise)));
        let lookers = &self.shared.lookers;
        let count = lookers.lock().len();
        lookers.send(&Word::Scene(Box::new(Scene::new(&state, count, true))));
        state.listener = Some(Box::new(lookers.clone()));
    }

    /// The exercise is given up for another one.
    pub fn leave(&self) {
        self.shared.turn_to(None);
    }

    /// Tells everybody how it went.
    pub fn over(&self, debrief: &Debrief) {
        self.shared.lookers.send(&Word::Over(Box::new(debrief.clone())));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        // wakes the listener, which then sees that it is over
        let _ = UnixStream::connect(&self.path);
        let _ = fs::remove_file(&self.path);
        self.leave();
        self.shared.lookers.lock().clear();
        // nobody is heard any more; what was said to them still goes out
        for Served { stream, writer } in self.shared.served().drain(..) {
            let _ = stream.shutdown(Shutdown::Read);
            let _ = writer.join();
        }
    }
}

/// One game master: what is to be sent goes out on one thread, what comes in is answered on another.
fn serve(shared: &Arc<Shared>, stream: UnixStream) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut out = stream.try_clone()?;
    let (words, to_send) = mpsc::channel::<Word>();
    let writer = thread::Builder::new().name("game master, out".into()).spawn(move || {
        for word in to_send {
            if out.write_all(&line(&word)).is_err() {
                break;
            }
        }
        // the reader must not wait for one who is gone
        let _ = out.shutdown(Shutdown::Both);
    })?;
    let kept = stream.try_clone()?;
    let mut served = shared.served();
    served.retain(|served| !served.writer.is_finished());
    served.push(Served { stream: kept, writer });
    drop(served);
    let exercise = shared.exercise();
    {
        // nothing may happen between what is told at once and what is told from then on
        let state = exercise.as_ref().map(|exercise| exercise.lock());
        let mut lookers = shared.lookers.lock();
        if let Some(state) = &state {
            let _ = words.send(Word::Scene(Box::new(Scene::new(state, lookers.len() + 1, false))));
        }
        lookers.push(words.clone());
    }
    let shared = Arc::clone(shared);
    thread::Builder::new().name("game master, in".into()).spawn(move || {
        let mut from = BufReader::new(stream);
        loop {
            let answer = match read::<Order>(&mut from) {
                Ok(Some(order)) => obey(&shared, &order),
                Err(error) if error.kind() == io::ErrorKind::Other => {
                    Word::Refused(format!("that is no order: {error}"))
                }
                Ok(None) => return,
                Err(_) => {
                    // nobody must be kept waiting until more is taken
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

fn obey(shared: &Shared, order: &Order) -> Word {
    let Some(exercise) = shared.exercise() else {
        return Word::Refused("no exercise is under way at the moment; the trainee begins anew".into());
    };
    let mut state = exercise.lock();
    let lookers = shared.lookers.lock().len();
    order.obey(&mut state, lookers)
}

impl Order {
    /// Carries it out; `lookers` look on.
    pub fn obey(&self, state: &mut State, lookers: usize) -> Word {
        let done = |text: String| Word::Done(text);
        match self {
            Order::Scene => Word::Scene(Box::new(Scene::new(state, lookers, false))),
            Order::Look => Word::Now(Box::new(Now::from_state(state))),
            Order::Goals => Word::Goals(debrief::objectives(state)),
            Order::Note(text) => {
                let text = tame(text.trim());
                if text.is_empty() || text.chars().count() > LONGEST_NOTE {
                    return Word::Refused(format!("a note has from 1 to {LONGEST_NOTE} characters"));
                }
                let said = format!("Game master: {text}");
                state.note(What::Note, said.as_str());
                state.call(&said);
                done("the trainee reads it".into())
            }
            Order::Inject(name) if state.came.contains(name) => Word::Refused(format!("{} came already", tame(name))),
            Order::Inject(name) => match state.inject(name) {
                Ok(()) => {
                    state.stir();
                    done(format!("{name} came"))
                }
                Err(trouble) => Word::Refused(trouble.to_string()),
            },
            Order::Act(text) => match act(state, text) {
                Ok(act) => done(format!("{act}: done; the trainee hears nothing of it")),
                Err(why) => Word::Refused(why),
            },
            Order::End => {
                state.end("the game master ended the exercise");
                done("the exercise is over as soon as the trainee's screen has seen it".into())
            }
        }
    }
}

/// Something that the scenario does not foresee.
fn act(state: &mut State, text: &str) -> Result<Act, String> {
    let act = Act::try_from(text.to_string())?;
    match check::act(&act, state.range.scenario()) {
        Some(why) => return Err(why),
        None => state.range.act(&act).map_err(|trouble| trouble.to_string())?,
    }
    state.note(What::Inject, format!("{act}: by the game master; the trainee hears nothing of it"));
    state.stir();
    Ok(act)
}
