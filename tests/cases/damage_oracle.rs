//! The same damaged files shown to etcdutl: never is one fine to us that is broken to it, and what is fine to both has
//! the same hash, revision and number of keys.
//!
//! Needs etcdutl under `target/etcd/VERSION/etcdutl`, or under the directory in `REQUORUM_ETCD`; without it the cases
//! show as ignored. A panic, a SIGBUS and a hang count as broken. The tally is printed by `--nocapture`, and

//! `REQUORUM_LONG=1` shows it every case there is, `REQUORUM_CASES=200` so many of each family.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::damage_kit::{Damage, Dice, Fixture, intact, long, make, structure};
use libtest_mimic::{Completion, Failed, Trial};
use requorum::engine::{
    progress::Flow,
    scan::status::{Trailer, status},
};

/// After so long without an answer a run counts as hanging. (A healthy one takes some hundredths of it.)
const PATIENCE: Duration = Duration::from_secs(20);

/// Files whose `status` is fine to us though etcdutl breaks on them, and why that is right.
const OURS_TO_SAVE: &[(&str, &str)] = &[];

/// A family of damages.
type Make = fn(&Fixture) -> Vec<Damage>;
const FAMILIES: [(&str, Make); 7] = [
    ("cuts", make::cuts),
    ("fields", make::fields),
    ("metas", make::metas),
    ("flips", make::flips),
    ("trailers", make::trailers),
    ("pointers", structure::pointers),
    ("pages", structure::pages),
];

/// The cases: each family of damages for each version of the tool.
pub fn trials(_: bool) -> Vec<Trial> {
    let root = std::env::var_os("REQUORUM_ETCD")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/etcd"), PathBuf::from);
    let mut trials = Vec::new();
    for version in ["3.5", "3.6", "3.7"] {
        let etcdutl = root.join(version).join("etcdutl");
        for (name, make) in FAMILIES {
            let etcdutl = etcdutl.clone();
            let run = move || {
                if !etcdutl.is_file() {
                    return Ok(Completion::ignored_with(format!("no etcdutl {version} here")));
                }
                family(version, &etcdutl, name, make).map(|()| Completion::Completed)
            };
            trials.push(Trial::ignorable_test(format!("damage_oracle::{version}_{name}"), run));
        }
    }
    trials
}

/// What etcdutl makes of a file.
#[derive(Debug)]
enum Theirs {
    Fine {
        hash: u64,
        revision: i64,
        keys: u64,
    },
    /// An error message, and exit code 1.
    Refused,
    Panicked,
    /// Killed by a signal: SIGBUS, as a rule.
    Killed(i32),
    Hung,
}

impl Theirs {
    fn word(&self) -> &'static str {
        match self {
            Theirs::Fine { .. } => "fine",
            Theirs::Refused => "refused",
            Theirs::Panicked => "panicked",
            Theirs::Killed(7) => "SIGBUS",
            Theirs::Killed(_) => "killed",
            Theirs::Hung => "hung",
        }
    }
}

fn family(version: &str, etcdutl: &Path, name: &str, make: Make) -> Result<(), Failed> {
    let scratch = tempfile::tempdir()?;
    let mut dice = Dice::of(name);
    let mut cases: Vec<(usize, Damage)> = Vec::new();
    let fixtures = intact::fixtures();
    for (n, fixture) in fixtures.iter().enumerate() {
        // Pages of other sizes, and those that no etcd wrote, are not etcdutl's everyday fare; they are in the long run.
        if long() || !fixture.name.contains("built-512") {
            cases.extend(make(fixture).into_iter().map(|damage| (n, damage)));
        }
    }
    let most = std::env::var("REQUORUM_CASES").ok().and_then(|most| most.parse().ok());
    let cases = dice.sample(cases, most.unwrap_or(if long() { usize::MAX } else { 9 }));
    let mut tally: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (n, damage) in &cases {
        let fixture = &fixtures[*n];
        let path = scratch.path().join("damaged.db");
        fs::write(&path, damage.apply(fixture))?;
        let ours = status(&path, &mut |_| Flow::Go).and_then(|ours| {
            // Figures may be shown of a damaged file; fine it is only without a problem.
            if ours.problems.is_empty() { Ok(ours) } else { ours.verdict(&path).map(|()| ours) }
        });
        let accepted = status(&path, &mut |_| Flow::Go).ok().filter(|ours| ours.acceptable_revision.is_some());
        let theirs = ask(etcdutl, &path, scratch.path())?;
        let fine = ours.as_ref().is_ok_and(|status| status.trailer != Trailer::Wrong);
        *tally.entry((if fine { "fine" } else { "refused" }, theirs.word())).or_default() += 1;
        let allowed = OURS_TO_SAVE.iter().any(|(class, _)| *class == damage.class);
        // What can be restored once it is accepted is what etcdutl reads without a word.
        let shown = ours.as_ref().ok().or(accepted.as_ref());
        let why = match (shown.ok_or(()), &theirs) {
            (Ok(ours), Theirs::Fine { hash, revision, keys }) => {
                let counted = if version == "3.5" { ours.total_row } else { ours.total_key };
                let same = (u64::from(ours.hash), ours.revision, counted) == (*hash, *revision, *keys);
                (!same).then(|| format!("{theirs:?}, ours {:?}", (ours.hash, ours.revision, counted)))
            }
            (Ok(_), theirs) if fine && !allowed => Some(format!("fine to us, {} to etcdutl {version}", theirs.word())),
            _ => None,
        };
        wrong.extend(why.map(|why| format!("{}: {}: {}: {why}", fixture.name, damage.class, damage.what)));
    }
    for ((ours, theirs), count) in &tally {
        println!("{version} {name}: ours {ours}, theirs {theirs}: {count}");
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{} wrong:\n{}", wrong.len(), wrong.join("\n")).into()) }
}

/// `etcdutl snapshot status`, given so long.
fn ask(etcdutl: &Path, snapshot: &Path, dir: &Path) -> Result<Theirs, Failed> {
    let (out, err) = (dir.join("out"), dir.join("err"));
    let mut child = Command::new(etcdutl)
        .args(["snapshot", "status", "-w", "json"])
        .arg(snapshot)
        .stdin(Stdio::null())
        .stdout(File::create(&out)?)
        .stderr(File::create(&err)?)
        .spawn()?;
    let begun = Instant::now();
    let ended = loop {
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        if begun.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Ok(Theirs::Hung);
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let said = fs::read(&err)?;
    if let Some(signal) = ended.signal() {
        return Ok(Theirs::Killed(signal));
    }
    if !ended.success() {
        // Go's own report of a fault in mapped memory is a death by SIGBUS, which it caught.
        let said = String::from_utf8_lossy(&said);
        return Ok(match said.contains("SIGBUS") {
            true => Theirs::Killed(7),
            false if said.contains("panic:") || said.contains("fatal error:") || said.contains("goroutine ") => {
                Theirs::Panicked
            }
            false => Theirs::Refused,
        });
    }
    let json: serde_json::Value = serde_json::from_slice(&fs::read(&out)?)?;
    let number = |name: &str| json.get(name).and_then(serde_json::Value::as_i64).ok_or(format!("no {name} in {json}"));
    let keys = u64::try_from(number("totalKey")?).unwrap_or_default();
    Ok(Theirs::Fine { hash: number("hash")?.unsigned_abs(), revision: number("revision")?, keys })
}
