//! Whatever is pressed, typed or pasted in a drill, no path outside its directory is touched: random sequences of keys in
//! a process of its own, all of its file calls traced by `strace`. Eighty sequences every day, three times as many in
//! `tests/run`, ten thousand with `REQUORUM_LONG=1`.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use libtest_mimic::{Completion, Failed, Trial};
use requorum::{
    domain::members::table::Column,
    drill::{
        Drill,
        driver::Walker,
        scenario::{Stride, library::BUILT_IN, parse},
    },
    tui::Msg,
};

/// How many sequences the child is to play.
const CHILD: &str = "REQUORUM_TEST_SEQUENCES";
/// A directory that nobody has any business in.
const DECOY: &str = "REQUORUM_TEST_DECOY";
/// A file that is looked for when the tracing is to begin.
const BEGIN: &str = "/requorum-test-begins";
/// So many keys make a sequence.
const KEYS: u64 = 24;
/// So many sequences are played on one range.
const EACH: u64 = 40;

/// What this program does when the case starts it once more: it plays, and ends.
pub fn child() {
    if let (Ok(count), Ok(decoy)) = (std::env::var(CHILD), std::env::var(DECOY)) {
        play(count.parse().unwrap(), Path::new(&decoy));
        std::process::exit(0);
    }
}

/// The case.
pub fn trials(_: bool) -> Vec<Trial> {
    let set = |name| std::env::var_os(name).is_some();
    let count = match (set("REQUORUM_LONG"), set("REQUORUM_EVERY_SERVER")) {
        (true, _) => 10_000,
        (false, true) => 240,
        (false, false) => 80,
    };
    let trial =
        Trial::ignorable_test(format!("drill_sandbox::{count}_random_sequences_touch_nothing_outside"), move || {
            if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
                return Ok(Completion::ignored_with("strace is not installed"));
            }
            traced(count).map(|()| Completion::Completed)
        });
    vec![trial]
}

/// Plays in a child under strace and reads what it touched.
fn traced(count: u64) -> Result<(), Failed> {
    let dir = tempfile::tempdir().unwrap();
    let (decoy, temporary, trace) = (dir.path().join("decoy"), dir.path().join("t"), dir.path().join("trace"));
    std::fs::create_dir_all(decoy.join("m1.etcd/member/snap")).unwrap();
    std::fs::create_dir_all(&temporary).unwrap();
    std::fs::write(decoy.join("etcd.db"), "not for you").unwrap();
    let output = Command::new("strace")
        .args(["-f", "-qq", "-s", "400", "-e", "trace=%file", "-e", "signal=none", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, count.to_string())
        .env(DECOY, &decoy)
        .env("TMPDIR", &temporary)
        .env("HOME", &decoy)
        .current_dir(&decoy)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("the child failed: {said}").into());
    }
    // the sequences did try to get out, or this shows nothing
    let tries = said.matches("outside this exercise").count();
    let restored = said.matches("a restore was started").count();
    assert!(tries > 3 && restored > 0, "{tries} tries to get out, {restored} restores");
    let text = std::fs::read_to_string(&trace).unwrap();
    let (_, after) = text.split_once(BEGIN).ok_or("the trace has no beginning")?;
    let inside = temporary.join("requorum-drill-");
    let strays: Vec<&str> =
        after.lines().skip(1).filter(|line| paths(line).iter().any(|path| !allowed(path, &inside, line))).collect();
    match strays.first() {
        None => Ok(()),
        Some(_) => {
            Err(format!("{} calls outside, such as:\n{}", strays.len(), strays[..strays.len().min(12)].join("\n"))
                .into())
        }
    }
}

/// The absolute paths and those relative to the current directory that a call names.
fn paths(line: &str) -> Vec<PathBuf> {
    if line.contains(" getcwd(") {
        return Vec::new();
    }
    let mut parts = line.split('"');
    let mut found = Vec::new();
    let mut before = parts.next().unwrap_or_default();
    while let (Some(path), Some(after)) = (parts.next(), parts.next()) {
        // relative to an open directory: that one was judged when it was opened
        let at_open_dir =
            before.trim_end_matches(", ").rsplit(['(', ' ']).next().is_some_and(|fd| fd.parse::<u32>().is_ok());
        if path.starts_with('/') || !at_open_dir {
            found.push(PathBuf::from(path));
        }
        // what a link leads to is the answer, not a question; an attribute's name is no path
        if line.contains(" readlink") || line.contains("xattr(") {
            break;
        }
        before = after;
    }
    found
}

/// Inside, or what the system's libraries read of themselves; that is never written.
fn allowed(path: &Path, inside: &Path, line: &str) -> bool {
    if path.to_string_lossy().replace("//", "/").starts_with(&*inside.to_string_lossy()) {
        return true;
    }
    let call = line.split_whitespace().nth(1).and_then(|rest| rest.split('(').next()).unwrap_or_default();
    let looks = [
        "readlink",
        "readlinkat",
        "stat",
        "lstat",
        "lgetxattr",
        "statx",
        "newfstatat",
        "statfs",
        "access",
        "faccessat2",
    ];
    let opens = ["open", "openat"].contains(&call);
    let writes = ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| line.contains(flag));
    let reads = looks.contains(&call) || (opens && !writes);
    let system = ["/proc/", "/sys/fs/cgroup", "/sys/devices/system/cpu", "/dev/urandom", "/etc/ssl", "/usr/lib/ssl"]
        .iter()
        .any(|lead| path.starts_with(lead.trim_end_matches('/')));
    let names = ["hosts", "resolv.conf", "nsswitch.conf", "host.conf", "gai.conf", "passwd", "localtime"];
    let resolver =
        path.parent() == Some(Path::new("/etc")) && path.file_name().is_some_and(|n| names.iter().any(|m| n == *m));
    // the way from / to the inside is looked at when links on it are resolved
    let on_the_way = inside.starts_with(path) && (looks.contains(&call) || (opens && line.contains("O_PATH")));
    // a file that was looked at by a handle is opened by that handle
    let by_handle = opens && path.starts_with("/proc/self/fd");
    reads && (system || resolver || on_the_way) || by_handle
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

fn play(count: u64, decoy: &Path) {
    let mut chance = Chance(0x0dd_ba11);
    let _ = std::fs::metadata(BEGIN);
    for round in 0..count.div_ceil(EACH) {
        let (name, text) = BUILT_IN[(round as usize * 7) % BUILT_IN.len()];
        let scenario = parse(name, text).unwrap();
        let path = scenario.path.clone();
        let drill = Drill::set_up(scenario, Default::default()).unwrap();
        let mut walker = drill.walker();
        for _ in 0..EACH.min(count) {
            if walker.wizard.has_quit() || chance.below(8) == 0 {
                walker = drill.walker();
                // a part of the way, so that the late steps have their share of keys, too
                let strides: Vec<Stride> = path.iter().flat_map(|leg| leg.strides.clone()).collect();
                let far = chance.below(strides.len() as u64 + 1) as usize;
                for stride in &strides[..far] {
                    let _ = walker.stride(stride);
                    if chance.below(6) == 0 {
                        press(&mut walker, &mut chance, decoy);
                    }
                }
            }
            for _ in 0..KEYS {
                press(&mut walker, &mut chance, decoy);
            }
            let model = walker.wizard.model();
            println!("{:?} {:?} {:?}", model.status, model.snapshot.unsearched, model.restore.rows);
        }
        for happened in &drill.exercise.lock().timeline {
            println!("{}", happened.text);
        }
    }
}

/// One key, one paste, or a stride that leads on to where more can go wrong.
fn press(walker: &mut Walker, chance: &mut Chance, decoy: &Path) {
    const LETTERS: &[char] = &[
        'n', 'n', 'b', 'r', 'e', 'g', 'l', 'o', 'd', 'i', 'y', 's', 't', 'c', 'w', 'p', 'u', 'x', 'a', '+', '-', '?',
        '!', 'h', 'j', 'k', ' ', '1', '2', '3', '4', '5', '6', '7', 'm', '/', '.',
    ];
    const OTHERS: &[KeyCode] = &[
        KeyCode::Enter,
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Backspace,
        KeyCode::PageDown,
    ];
    let decoys = [
        decoy.join("etcd.db"),
        decoy.join("m1.etcd"),
        decoy.to_path_buf(),
        "../../../../../../etc/passwd".into(),
        "etcd.db".into(),
        "/".into(),
        "/etc".into(),
        "s3://bucket/etcd.db".into(),
    ];
    match chance.below(20) {
        0 => {
            let hostile = chance.of(&decoys).to_string_lossy().into_owned();
            walker.wizard.send(Msg::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)));
            walker.wizard.send(Msg::Paste(hostile));
            walker.wizard.press(KeyCode::Enter);
        }
        1 => {
            let texts =
                ["prod-eu", "http://127.0.0.1:22", "m1=http://10.0.0.1:2380", "--peer-cert-file=/etc/ssl/x.pem"];
            walker.wizard.send(Msg::Paste((*chance.of(&texts)).into()));
        }
        2 => {
            let path = chance.of(&decoys).to_string_lossy().into_owned();
            let strides = [
                Stride::Next,
                Stride::Confirm,
                Stride::Override,
                Stride::Set(1, Column::DataDir, path.clone()),
                Stride::Set(1, Column::WalDir, path.clone()),
                Stride::Set(2, Column::Flags, format!("--peer-cert-file={path} --peer-key-file={path}")),
                Stride::Save("m2".into()),
                Stride::Save("m3".into()),
            ];
            // most of them lead nowhere from where it stands
            let _ = walker.stride(chance.of(&strides));
        }
        3..=8 => walker.wizard.press(*chance.of(OTHERS)),
        _ => walker.wizard.press(KeyCode::Char(*chance.of(LETTERS))),
    }
}
