//! Drills by the expert's path on real etcd processes; ignored, with the reason, where this machine has none. And: nothing

//! is left running, however a drill ends; without `--real`, members are simulated and nothing is called proof.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
    time::Duration,
};

use crate::support::{FIRST_NIGHT, PROGRAM, piped, pty::Pty, requorum, said, servers::Server, succeed, wait_until};
use libtest_mimic::{Completion, Failed, Trial};
use requorum::{
    domain::{render::start, verify::VerifyResult},
    drill::{
        Drill, autoplay, debrief,
        real_etcd::{Etcd, process::Process},
        scenario::{Stride, library},
    },
    tui::Step,
};

/// What the cases share: an etcd.
type Case = fn(&Server) -> Result<(), Failed>;

const CASES: [(&str, &str, Case); 10] = [
    ("first-night", "3.5", |server| by_the_experts_path("first-night", server)),
    ("typed-at-night", "3.6", |server| by_the_experts_path("typed-at-night", server)),
    ("wait-and-see", "3.7", |server| by_the_experts_path("wait-and-see", server)),
    ("first-night_untouched_and_wrong", "3.5", |server| by_wrong_ways("first-night", server)),
    ("typed-at-night_untouched_and_wrong", "3.6", |server| by_wrong_ways("typed-at-night", server)),
    ("wait-and-see_untouched_and_wrong", "3.7", |server| by_wrong_ways("wait-and-see", server)),
    ("first-night_by_lines", "3.6", by_lines),
    ("nothing_is_left_after_a_panic", "3.6", after_a_panic),
    ("nothing_is_left_after_a_signal_or_a_kill", "3.6", after_a_signal),
    ("without_real_they_are_simulated_and_prove_nothing", "3.6", without_real),
];

/// Those that wait for tests/run, or for being called by name.
const LONG: [&str; 6] = [
    "nothing_is_left_after_a_panic",
    "typed-at-night",
    "wait-and-see",
    "first-night_untouched_and_wrong",
    "typed-at-night_untouched_and_wrong",
    "wait-and-see_untouched_and_wrong",
];

/// The cases; all of them where `every` is asked for.
pub fn trials(every: bool) -> Vec<Trial> {
    let trial = |(name, minor, case): (&'static str, &'static str, Case)| {
        Trial::ignorable_test(format!("drill_real::{name}"), move || match Server::find(minor) {
            Ok(_) if LONG.contains(&name) && !every => {
                Ok(Completion::ignored_with("long: run by tests/run, or by name"))
            }
            Ok(server) => case(&server).map(|()| Completion::Completed),
            Err(why) => Ok(Completion::ignored_with(why)),
        })
    };
    CASES.into_iter().map(trial).collect()
}

fn etcd(server: &Server) -> Arc<Etcd> {
    let etcd = Etcd::find(Some(&server.dir().join("etcd"))).unwrap();
    assert_eq!(etcd.version, server.full);
    Arc::new(etcd)
}

fn set_up(name: &str, server: &Server) -> Drill {
    Drill::set_up_on(library::find(name, None).unwrap(), Default::default(), Some(etcd(server))).unwrap()
}

/// `--plain` from the story to a proof: the same lines as with simulated members.
fn by_lines(server: &Server) -> Result<(), Failed> {
    let home = tempfile::tempdir().unwrap();
    let report = home.path().join("night.json");
    let mut command = requorum(["drill", "first-night", "--plain", "--real", "--etcd"]);
    command.arg(server.dir().join("etcd")).arg("--debrief").arg(&report);
    let output = piped(command.env("XDG_STATE_HOME", home.path()).env("TMPDIR", home.path()), FIRST_NIGHT);
    assert!(output.status.success(), "{}", said(&output));
    let written: serde_json::Value = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
    assert_eq!((&written["passed"], &written["proven"]), (&true.into(), &true.into()), "{}", said(&output));
    Ok(())
}

fn by_wrong_ways(name: &str, server: &Server) -> Result<(), Failed> {
    let scenario = library::find(name, None).unwrap();
    assert!(!scenario.wrong.is_empty());
    Ok(autoplay::fails(&scenario, Some(&etcd(server)))?)
}

/// The words of a process's command line, the program's left out; none once it has ended.
fn words(pid: u32) -> Vec<String> {
    let read = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    read.split(|byte| *byte == 0)
        .skip(1)
        .map(|w| String::from_utf8_lossy(w).into_owned())
        .filter(|w| !w.is_empty())
        .collect()
}

/// Everything that runs with a data directory below `dir`: etcds, and the shells that keep them.
fn all_below(dir: &Path) -> Vec<u32> {
    let lead = format!("--data-dir={}", dir.display());
    let pids = fs::read_dir("/proc").unwrap().filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(|pid| words(*pid).iter().any(|word| word.starts_with(&lead))).collect()
}

/// The etcds of those.
fn etcds_below(dir: &Path) -> Vec<u32> {
    let mut pids = all_below(dir);
    pids.retain(|pid| words(*pid).first().is_some_and(|word| word.starts_with("--name=")));
    pids
}

fn by_the_experts_path(name: &str, server: &Server) -> Result<(), Failed> {
    let drill = set_up(name, server);
    let (path, root) = {
        let state = drill.exercise.lock();
        let scenario = state.lab.scenario();
        let path: Vec<Stride> = scenario.path.iter().flat_map(|leg| leg.strides.clone()).collect();
        let begun: Vec<_> = state.lab.processes().iter().map(|p| words(p.pid())).collect();
        assert!(!begun.is_empty() && !begun.contains(&Vec::new()), "survivors run as processes: {begun:?}");
        (path, state.lab.root().to_path_buf())
    };
    let mut walker = drill.walker();
    for stride in &path {
        walker.stride(stride)?;
    }
    let found = debrief::debrief(&drill.exercise.lock());
    let told = debrief::print::text(&found);
    if !found.passed {
        return Err(told.into());
    }
    assert_eq!(found.members, format!("real etcd {}", server.full));
    let processes: Vec<Arc<Process>> = drill.exercise.lock().lab.processes();
    if let Some(plan) = walker.wizard.model().restore.plan.clone() {
        assert!(found.proven && told.contains(&found.members), "{told}");
        // what runs is what was printed, word by word
        let printed: Vec<Vec<String>> = start::commands(&plan).into_iter().map(|l| l.argv[1..].to_vec()).collect();
        let run: Vec<Vec<String>> = processes.iter().map(|p| words(p.pid())).collect();
        assert_eq!(run, printed);
        if walker.wizard.model().step != Step::Proof {
            walker.stride(&Stride::Next)?;
        }
        let proof = walker.wizard.model().proof.proof.as_ref().unwrap();
        assert_eq!((proof.verdict, proof.simulated), (VerifyResult::Proven, false), "{proof:#?}");
    } else {
        assert!(!found.proven, "nothing was restored, so nothing is proven");
    }
    let pids: Vec<u32> = processes.iter().map(|p| p.pid()).collect();
    assert_eq!(etcds_below(&root).len(), pids.len(), "no other process of the drill runs");
    drop((processes, walker, drill));
    assert!(pids.iter().all(|pid| words(*pid).is_empty()) && all_below(&root).is_empty(), "left: {pids:?}");
    assert!(!root.exists());
    Ok(())
}

fn after_a_panic(server: &Server) -> Result<(), Failed> {
    let mut pids = Vec::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let drill = set_up("first-night", server);
        pids = drill.exercise.lock().lab.processes().iter().map(|p| p.pid()).collect();
        panic!("on purpose");
    }));
    assert!(panicked.is_err() && pids.len() == 1);
    assert!(pids.iter().all(|pid| words(*pid).is_empty()), "left: {pids:?}");
    Ok(())
}

/// Ctrl-C while the story is read, where it is a signal and not a key; and a kill, after which nothing of requorum acts.
fn after_a_signal(server: &Server) -> Result<(), Failed> {
    for kill in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().to_str().unwrap();
        let etcd = server.dir().join("etcd");
        let command = [PROGRAM, "drill", "--real", "--etcd", etcd.to_str().unwrap()];
        let mut pty = Pty::spawn(&command, &[("XDG_STATE_HOME", path), ("TMPDIR", path)], 80, 24);
        pty.wait("Press Enter when you have read this");
        let pids = etcds_below(home.path());
        assert_eq!(pids.len(), 1, "{pids:?}");
        if kill {
            pty.signal(rustix::process::Signal::KILL);
        } else {
            pty.send("\x03");
        }
        wait_until("the member's end", Duration::from_secs(30), || {
            let left = all_below(home.path());
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
    }
    Ok(())
}

/// The same command without `--real`: no process, the other word, and no proof.
fn without_real(server: &Server) -> Result<(), Failed> {
    let dir = tempfile::tempdir().unwrap();
    let play = |name: &str, more: &[&str]| -> serde_json::Value {
        let debrief = dir.path().join(name);
        let mut command = requorum(["drill", "--play", "--debrief"]);
        succeed(command.arg(&debrief).args(more).env("PATH", server.dir()));
        serde_json::from_slice(&std::fs::read(debrief).unwrap()).unwrap()
    };
    let simulated = play("simulated.json", &[]);
    assert_eq!((&simulated["passed"], &simulated["proven"]), (&true.into(), &false.into()), "{simulated:#}");
    // found on the PATH
    let real = play("real.json", &["--real"]);
    assert_eq!((&real["passed"], &real["proven"]), (&true.into(), &true.into()), "{real:#}");
    let members = |debrief: &serde_json::Value| debrief["members"].as_str().unwrap().to_string();
    assert!(members(&real).ends_with(&server.full) && !members(&simulated).contains(&server.full), "{real:#}");
    Ok(())
}
