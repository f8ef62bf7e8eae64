//! Every scenario that the program carries: not passed untouched, by none of its wrong ways, and by the expert's path,
//! each walked with keys through the wizard's own `update` loop; and the expert's path once more through the event loop in

//! a pseudo-terminal, where what happens by itself (injects, timeouts) happens while it runs.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use crate::support::pty::Pty;
use crossterm::event::KeyCode;
use libtest_mimic::{Failed, Trial};
use requorum::{
    drill::{
        Drill, autoplay,
        coach::Coach,
        debrief,
        driver::{Keyboard, Walker},
        scenario::{Scenario, library::BUILT_IN, parse},
    },
    tui::{self, Model, Msg, Observer, observer::Notes},
};

/// Names the scenario that this program, started once more in a pseudo-terminal, walks through the event loop.
const SCENARIO: &str = "REQUORUM_TEST_SCENARIO";
/// Where it asks for the keys that are to be typed there.
const SOCKET: &str = "REQUORUM_TEST_SOCKET";
/// How long a key's consequences may take.
const PATIENCE: Duration = Duration::from_secs(50);

/// What this program does when a case starts it once more in a terminal: it walks a scenario, and ends.
pub fn child() {
    if let Ok(name) = std::env::var(SCENARIO) {
        std::process::exit(i32::from(requorum::cli::guarded(|| walked(&name))));
    }
}

/// The cases; all of them where `every` is asked for.
pub fn trials(every: bool) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, text) in BUILT_IN {
        trials.push(Trial::test(format!("drill_scenarios::{name}"), move || {
            let scenario = parse(name, text).map_err(|e| Failed::from(e.to_string()))?;
            autoplay::prove(&scenario, None).map_err(|e| Failed::from(e.to_string()))
        }));
        // every day the plainest, and one in which something is started while the wizard runs
        let today = every || ["first-night", "dead-man-answers"].contains(name);
        let by_keys = move || {
            by_keys(name);
            Ok(())
        };
        trials.push(Trial::test(format!("drill_scenarios::{name}_by_keys"), by_keys).with_ignored_flag(!today));
    }
    trials
}

fn scenario(name: &str) -> Scenario {
    let (name, text) = BUILT_IN.iter().find(|(known, _)| *known == name).unwrap();
    parse(name, text).unwrap()
}

/// Types what the program in the terminal asks for, until it ends.
fn by_keys(name: &str) {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("keys");
    let listener = UnixListener::bind(&socket).unwrap();
    let exe = std::env::current_exe().unwrap();
    let env = [(SCENARIO, name), (SOCKET, socket.to_str().unwrap()), ("TMPDIR", dir.path().to_str().unwrap())];
    let mut pty = Pty::spawn(&[exe.to_str().unwrap()], &env, 100, 40);
    let (mut asked, _) = listener.accept().unwrap();
    let mut keys = [0; 64];
    while let Ok(n @ 1..) = asked.read(&mut keys) {
        pty.send(std::str::from_utf8(&keys[..n]).unwrap());
    }
    let code = pty.exit_code();
    assert_eq!(code, 0, "{}", pty.screen());
    assert!(pty.given_back());
    assert_eq!(crate::support::names(dir.path()), ["keys"], "the range is removed");
}

/// The other end: the event loop with the coach in it, and the expert's path walked through it by another thread.
fn walked(name: &str) -> u8 {
    let scenario = scenario(name);
    let path: Vec<_> = scenario.path.iter().flat_map(|leg| leg.strides.clone()).collect();
    let drill = Drill::set_up(scenario, tui::Options::default()).unwrap();
    // what is slept through in the wizard is put forward here, as for a walk without a terminal
    drill.exercise.lock().hurried = true;
    let (tell, looks) = mpsc::channel();
    let over = Arc::new(AtomicBool::new(false));
    let mut observer =
        Recording { coach: Coach::new(drill.exercise.clone()), tell, pressed: 0, over: over.clone(), seen: false };
    let socket = UnixStream::connect(std::env::var(SOCKET).unwrap()).unwrap();
    let exercise = drill.exercise.clone();
    let mut model = drill.model();
    let first = model.clone();
    let walk = thread::spawn(move || {
        let _ends = Ends(over);
        let mut keys = Terminal { socket, looks, model: first, pressed: 0 };
        keys.settle();
        let mut walker = Walker::new(keys, exercise);
        path.iter().try_for_each(|stride| walker.stride(stride)).map_err(|why| why.to_string())
    });
    tui::go_on(&mut model, drill.system(), Some(&mut observer)).unwrap();
    drop(observer);
    let walked = walk.join().unwrap_or_else(|_| Err("the walk broke down".into()));
    let found = debrief::debrief(&drill.exercise.lock());
    let timeline: Vec<String> = drill.exercise.lock().timeline.iter().map(|h| h.text.clone()).collect();
    drop(drill);
    match walked {
        Ok(()) if found.passed => 0,
        outcome => {
            println!("{outcome:?}\n{}\n{}", debrief::print::text(&found), timeline.join("\n"));
            1
        }
    }
}

/// Ends the wizard, however the walk ends.
struct Ends(Arc<AtomicBool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The coach, and whoever walks: tells how many keys arrived, and the model after them.
struct Recording {
    coach: Coach,
    tell: Sender<(usize, bool, Model)>,
    pressed: usize,
    over: Arc<AtomicBool>,
    seen: bool,
}

impl Observer for Recording {
    fn saw(&mut self, model: &Model, msg: &Msg) -> Option<Notes> {
        self.pressed += usize::from(matches!(msg, Msg::Key(_)));
        self.seen |= matches!(msg, Msg::Start { .. });
        let notes = self.coach.saw(model, msg);
        // after the coach's part: what came by itself has happened
        let _ = self.tell.send((self.pressed, self.seen, model.clone()));
        notes
    }

    fn asked(&mut self, model: &Model) -> Option<Notes> {
        self.coach.asked(model)
    }

    fn ends(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

/// The terminal as a keyboard: each key is typed, and its consequences are waited for.
struct Terminal {
    socket: UnixStream,
    looks: Receiver<(usize, bool, Model)>,
    model: Model,
    pressed: usize,
}

impl Terminal {
    fn settle(&mut self) {
        loop {
            let (pressed, started, model) = self.looks.recv_timeout(PATIENCE).expect("the wizard goes on");
            self.model = model;
            if started && pressed >= self.pressed && self.model.at_rest() {
                return;
            }
        }
    }
}

impl Keyboard for Terminal {
    fn send(&mut self, msg: Msg) {
        // what was told before is of no interest
        while self.looks.try_recv().is_ok() {}
        if let Msg::Key(key) = msg {
            let bytes = match key.code {
                KeyCode::Char('u') if !key.modifiers.is_empty() => "\x15".to_string(),
                KeyCode::Char(c) => c.to_string(),
                KeyCode::Enter => "\r".into(),
                KeyCode::Esc => "\x1b".into(),
                KeyCode::Down => "\x1b[B".into(),
                KeyCode::Right => "\x1b[C".into(),
                KeyCode::Home => "\x1b[H".into(),
                KeyCode::End => "\x1b[F".into(),
                other => panic!("no bytes are known for {other:?}"),
            };
            self.socket.write_all(bytes.as_bytes()).unwrap();
            self.pressed += 1;
        }
        self.settle();
    }

    fn model(&self) -> &Model {
        &self.model
    }
}
