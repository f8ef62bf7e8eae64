//! The service user, or any other, against a restore by root: what she plants is not obeyed, and whatever she exchanges
//! at whatever act, nothing outside her directory changes and the old data stay whole.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use requorum::{
    domain::model::options::Options,
    engine::{
        durable_fs::{Act, Disk, Gate},
        install::{self, MemberRef, MemberState, Swapped, clear, member_state, restore_with},
        progress::Flow,
        restore::{RestoreSpec, Tools},
    },
    error::{Fault, Result},
    etcd::version::Minor,
};
use serde_json::json;

use super::{
    common::{keys_in, restore, whole},
    eve::{EVE, Shell, World, word},
    install::{SOURCE, STAMP, expected, genesis},
    support::{fixture, names, requorum, said},
};

/// A member whose directories lie where `data` and `wal` say.
struct Member {
    data: PathBuf,
    wal: Option<PathBuf>,
}

impl Member {
    fn with_old(self) -> Member {
        fs::create_dir_all(self.data.join("member/snap")).unwrap();
        fs::write(self.data.join("member/snap/db"), b"old data").unwrap();
        let mut all = vec![self.data.clone(), self.data.join("member"), self.data.join("member/snap")];
        all.push(self.data.join("member/snap/db"));
        if let Some(wal) = &self.wal {
            fs::create_dir_all(wal).unwrap();
            fs::write(wal.join("0.wal"), b"old log").unwrap();
            all.extend([wal.clone(), wal.join("0.wal")]);
        }
        all.iter().for_each(|path| chown(path, Some(EVE), Some(EVE)).unwrap());
        self
    }

    fn does<T>(&self, work: impl FnOnce(&MemberRef<'_>) -> T) -> T {
        let expected = expected("p1");
        let (data_dir, wal_dir) = (self.data.as_path(), self.wal.as_deref());
        work(&MemberRef { plan: "p1", run: "run1", name: "m1", data_dir, wal_dir, expected: &expected })
    }

    fn stage(&self, disk: &Disk) -> Result<()> {
        self.does(|whose| {
            let job = RestoreSpec {
                source: &fixture(SOURCE),
                pinned_sha256: None,
                skip_hash_check: false,
                genesis: &genesis("p1"),
                name: "m1",
                data_dir: whose.data_dir,
                wal_dir: whose.wal_dir,
                target: Minor::V3_5,
                bump_revision: 0,
                options: &Options { owner: Some(EVE.to_string()), ..Options::default() },
            };
            install::build(&job, whose, &Tools { disk: disk.clone(), ..Tools::default() }, &mut |_| Flow::Go)
                .map(|_| ())
        })
    }

    fn swap(&self, disk: &Disk) -> Result<Swapped> {
        self.does(|whose| install::install(disk, whose, STAMP, &mut |_| Ok(())))
    }

    fn undo(&self, disk: &Disk, swapped: &Swapped) -> Result<()> {
        self.does(|whose| install::roll_back(disk, whose, swapped, STAMP, &mut |_| Ok(()))).map(|_| ())
    }

    fn member_state(&self) -> Result<MemberState> {
        self.does(|whose| member_state(&Disk::default(), whose))
    }
}

/// What an attacker writes as the list of a restore that was killed after it had installed `victim`, a file of root's, with
/// all that tells it from every other: rolled back, it would be removed.
fn killed_list(shell: &Path, victim: &Path) -> String {
    let meta = fs::metadata(victim).unwrap();
    let bytes = fs::read(victim).unwrap();
    let identity = json!({"device": meta.dev(), "inode": meta.ino()});
    let wanted = expected("p1");
    let restored = json!({
        "name": "m1", "member_id": wanted.member_id, "cluster_id": wanted.cluster_id, "data_dir": victim,
        "revision": wanted.revision, "keys": wanted.keys, "bytes": 1,
    });
    json!({
        "plan": "", "run": "", "name": "m1", "makes": [], "empty": [], "shells": [], "once": true,
        "renames": [{
            "from": shell.join("new/precious"), "to": victim, "identity": identity,
            "content": {"file": null, "bytes": bytes.len(), "head": crc32c::crc32c(&bytes)},
        }],
        "outcome": {"swapped": {"name": "m1", "restored": restored, "places": [
            {"target": victim, "inside": false, "aside": null, "identity": identity},
        ]}},
    })
    .to_string()
}

/// She makes a staging directory as a killed run would have left it, with these notes.
fn plant(eve: &mut Shell, shell: &Path, notes: &[(&str, &str)]) {
    let at = word(shell);
    eve.can(&format!("umask 077; mkdir {at} && mkdir -p {at}/new/member && : >{at}/requorum-staging"));
    for (name, text) in notes {
        eve.can(&format!("printf %s {} >{at}/{name}", shell_words::quote(text)));
    }
    assert_eq!(fs::metadata(shell.join("requorum-staging")).unwrap().uid(), EVE);
}

/// Nothing that somebody else's leftovers promise is removed (F1), nor is anything in them entered (F2).
pub fn planted_leftovers_are_not_obeyed() {
    let Some(world) = World::new() else { return };
    let (mut eve, before) = (Shell::new(), world.roots());
    let victim = world.path("roots/precious");
    assert!(!eve.run(&format!("rm -f {}", word(&victim))), "she cannot do it herself");
    // In a directory that is open to all, in hers, and in the data directory itself.
    fs::create_dir(world.path("hers/data")).unwrap();
    chown(world.path("hers/data"), Some(EVE), Some(EVE)).unwrap();
    for (at, target) in ["tmp/x", "hers/x", "hers/data"].into_iter().enumerate() {
        let target = world.path(target);
        let place = if target.exists() { target.clone() } else { target.parent().unwrap().to_path_buf() };
        let (shell, partner) = (place.join(format!(".requorum-dead{at}")), place.join(format!(".requorum-log{at}")));
        plant(&mut eve, &shell, &[("moves", &killed_list(&shell, &victim))]);
        plant(&mut eve, &partner, &[("partner", shell.to_str().unwrap())]);
        eve.can(&format!("ln -s {} {}/new/link", word(&world.path("roots/dir")), word(&shell)));
        clear(&Disk::default(), &target);
        let output = requorum(["snapshot", "restore", "--initial-cluster-token=t", "--data-dir"])
            .args([&target, &fixture(SOURCE)])
            .output()
            .unwrap();
        // In the data directory they are entries as any other, and named.
        let named = said(&output).contains(&format!(".requorum-dead{at}"));
        assert_eq!((output.status.success(), named), (place != target, place == target), "{}", said(&output));
        assert_eq!(world.roots(), before, "{}", target.display());
        assert!(shell.join("moves").exists() && partner.exists(), "what is not ours is left alone");
        // The same by somebody who can write as root: it lies around no target that it names.
        let own = place.join(format!(".requorum-own{at}"));
        fs::create_dir_all(own.join("new/member")).unwrap();
        fs::set_permissions(&own, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(own.join("requorum-staging"), b"").unwrap();
        fs::write(own.join("moves"), killed_list(&own, &victim)).unwrap();
        clear(&Disk::default(), &target);
        assert!(!own.exists() && world.roots() == before, "{}", target.display());
    }
}

/// Nobody's list of renames is gone by but our own, and that only among the member's places (F3).
pub fn planted_renames_are_not_made() {
    let Some(world) = World::new() else { return };
    let (mut eve, before) = (Shell::new(), world.roots());
    let member = Member { data: world.path("hers/etcd"), wal: None }.with_old();
    let victim = world.path("roots/dir");
    let identity = |path: &Path| fs::metadata(path).map(|m| json!({"device": m.dev(), "inode": m.ino()})).unwrap();
    let renames = |from: &Path, to: &Path| json!([{"from": from, "to": to, "identity": identity(from)}]);
    let wanted = expected("p1");
    let restored = json!({
        "name": "m1", "member_id": wanted.member_id, "cluster_id": wanted.cluster_id, "data_dir": member.data,
        "revision": wanted.revision, "keys": wanted.keys, "bytes": 1, "members": wanted.members,
        "source_sha256": wanted.source_sha256, "log_sha256": wanted.log_sha256,
    });
    let swapped =
        |places: serde_json::Value| json!({"swapped": {"name": "m1", "restored": restored, "places": places}});
    let place = json!([{"target": member.data, "inside": false, "aside": null, "identity": identity(&member.data)}]);
    let moves = |renames, outcome| {
        json!({
            "plan": "p1", "run": "r", "name": "m1", "makes": [], "renames": renames, "empty": [], "shells": [],
            "outcome": outcome,
        })
        .to_string()
    };
    let aside = world.path("roots/moved");
    let forged = moves(renames(&victim, &aside), swapped(place.clone()));
    let shell = world.path("hers/.requorum-evil");
    plant(&mut eve, &shell, &[("moves", &forged)]);
    assert_eq!(member.member_state().unwrap(), MemberState::Nothing);
    assert!(member.swap(&Disk::default()).unwrap_err().fault == Some(Fault::NotBuilt));
    assert_eq!(world.roots(), before);

    // The same by somebody who can write as root: the places, the outcome and the IDs have to be the member's.
    fs::remove_dir_all(&shell).unwrap();
    let elsewhere = json!([{"target": victim, "inside": false, "aside": null, "identity": identity(&victim)}]);
    let mut other = restored.clone();
    other["member_id"] = json!("00000000000000ff");
    for text in [
        moves(renames(&victim, &aside), swapped(place.clone())),
        moves(renames(&member.data, &aside), swapped(place.clone())),
        moves(renames(&victim, &member.data), json!("undone")),
        moves(json!([]), swapped(elsewhere)),
        moves(json!([]), swapped(json!([]))),
        moves(json!([]), json!({"swapped": {"name": "m1", "restored": other, "places": place}})),
    ] {
        fs::create_dir(&shell).unwrap();
        fs::set_permissions(&shell, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(shell.join("requorum-staging"), b"").unwrap();
        fs::write(shell.join("moves"), &text).unwrap();
        for refused in [
            member.member_state().map(|_| ()),
            member.swap(&Disk::default()).map(|_| ()),
            member.stage(&Disk::default()),
        ] {
            let refused = refused.unwrap_err();
            assert!(refused.what.contains(".requorum-evil"), "{text}: {refused}");
        }
        assert_eq!(world.roots(), before, "{text}");
        assert_eq!(fs::read(member.data.join("member/snap/db")).unwrap(), b"old data");
        fs::remove_dir_all(&shell).unwrap();
    }
}

/// A journal that names other directories than the member's takes nothing out (F5).
pub fn undo_asks_for_the_members_own_places() {
    let Some(world) = World::new() else { return };
    let before = world.roots();
    let member = Member { data: world.path("hers/etcd"), wal: None }.with_old();
    member.stage(&Disk::default()).unwrap();
    let swapped = member.swap(&Disk::default()).unwrap();
    let victim = world.path("roots/dir");
    let meta = fs::metadata(&victim).unwrap();
    type Change = fn(&mut serde_json::Value, &Path, &fs::Metadata);
    let changes: [Change; 4] = [
        |place, victim, meta| {
            place["target"] = json!(victim);
            place["identity"] = json!({"device": meta.dev(), "inode": meta.ino()});
        },
        |place, victim, _| place["aside"] = json!(victim),
        |place, victim, _| place["aside"] = json!(victim.parent()),
        |place, _, _| place["aside"] = place["target"].clone(),
    ];
    for change in changes {
        let mut forged = serde_json::to_value(&swapped).unwrap();
        change(&mut forged["places"][0], &victim, &meta);
        let forged: Swapped = serde_json::from_value(forged).unwrap();
        let refused = member.undo(&Disk::default(), &forged).unwrap_err();
        assert!(matches!(refused.fault, Some(Fault::Changed | Fault::NotItsPlace)), "{refused}");
        assert_eq!(world.roots(), before);
        assert!(swapped.still());
    }
    member.undo(&Disk::default(), &swapped).unwrap();
    assert_eq!(fs::read(member.data.join("member/snap/db")).unwrap(), b"old data");
}

/// Something that she does at one act, with her own rights.
struct AtAct<F>(Mutex<(Option<u64>, F)>);

impl<F: FnMut(&Act<'_>) -> bool + Send> Gate for AtAct<F> {
    fn pass(&self, act: &Act<'_>, run: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if let Some(left) = state.0 {
            if left == 0 {
                (state.1)(act);
                state.0 = None;
            } else {
                state.0 = Some(left - 1);
            }
        }
        drop(state);
        run()
    }
}

/// The staging directory exchanged for one of hers that leads elsewhere, at every act in turn (F4).
pub fn nothing_outside_is_given_away() {
    let Some(world) = World::new() else { return };
    let before = world.roots();
    let mut exchanged = 0;
    for at in 0..60 {
        // The documented case: an empty data directory of the service user.
        let target = world.path(&format!("hers/data-{at}"));
        fs::create_dir(&target).unwrap();
        chown(&target, Some(EVE), Some(EVE)).unwrap();
        let (home, victim) = (target.clone(), world.path("roots/dir"));
        let mut eve = Shell::new();
        let count = Arc::new(Mutex::new(0));
        let seen = Arc::clone(&count);
        let gate = AtAct(Mutex::new((Some(at), move |_: &Act<'_>| {
            let Some(name) = names(&home).into_iter().find(|name| name.starts_with(".requorum")) else { return true };
            let (shell, victim) = (word(&home.join(name)), word(&victim));
            let swap = format!("mv {shell} {shell}.away && mkdir {shell} && ln -s {victim} {shell}/new");
            *seen.lock().unwrap() += u32::from(eve.run(&swap));
            true
        })));
        let tools = Tools { disk: Disk::gated(Arc::new(gate)), ..Tools::default() };
        let options = Options { owner: Some(EVE.to_string()), ..Options::default() };
        let outcome = restore(&fixture(SOURCE), &target, None, &options, &tools);
        assert_eq!(world.roots(), before, "act {at}: {outcome:?}");
        if outcome.is_ok() {
            whole(&target, None, keys_in(&fixture(SOURCE))).unwrap_or_else(|e| panic!("act {at}: {e}"));
        }
        exchanged += *count.lock().unwrap();
    }
    assert!(exchanged > 20, "she came to it only {exchanged} times");
}

/// xorshift: the same in every run.
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

/// The service user at every act: she renames, links, plants, puts pipes and puts back, in all of her directories.
struct Adversary {
    eve: Shell,
    chance: Chance,
    dirs: Vec<PathBuf>,
    victims: Vec<PathBuf>,
    /// How many of her commands succeeded, by kind.
    done: Arc<Mutex<[u32; 9]>>,
    /// One act in so many.
    pace: u64,
}

impl Adversary {
    fn act(&mut self) {
        if self.chance.below(self.pace) != 0 {
            return;
        }
        let dir = self.chance.of(&self.dirs).clone();
        let entries = names(&dir);
        if entries.is_empty() {
            return;
        }
        let name = self.chance.of(&entries).clone();
        let away = if let Some(back) = name.strip_suffix("~") { back.to_string() } else { format!("{name}~") };
        let (from, to) = (word(&dir.join(&name)), word(&dir.join(&away)));
        let victim = word(&self.chance.of(&self.victims).clone());
        let (other, kind) = (word(&dir.join(self.chance.of(&entries))), self.chance.below(9) as usize);
        let command = match kind {
            0 => format!("mv -nT {from} {to}"),
            1 => format!("mv -nT {from} {to} && ln -s {victim} {from}"),
            2 => format!("mv -nT {from} {to} && mkfifo {from}"),
            3 => format!(
                "mv -nT {from} {to} && mkdir {from} && ln -s {victim} {from}/new && ln -s {victim} {from}/member"
            ),
            4 => format!("mv -nT {from} {to} && mkdir {from}"),
            // Two of them exchanged.
            5 => format!("[ {from} != {other} ] && mv -nT {from} {to} && mv -nT {other} {from} && mv -nT {to} {other}"),
            6 => format!("mv -nT {from} {to} && ln {victim} {from}"),
            7 => format!(
                "mkdir -m 700 {to} && mkdir -p {to}/new/member && : >{to}/requorum-staging && ln -s {victim} {to}/moves"
            ),
            _ => format!("chmod 777 {from}"),
        };
        if self.eve.run(&command) {
            self.done.lock().unwrap()[kind] += 1;
        }
    }
}

struct Gated(Mutex<Adversary>);

impl Gate for Gated {
    fn pass(&self, _: &Act<'_>, run: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        self.0.lock().unwrap().act();
        run()?;
        self.0.lock().unwrap().act();
        Ok(())
    }
}

/// Every file below a directory with this content.
fn with_content(dir: &Path, content: &[u8]) -> usize {
    let mut found = 0;
    for entry in fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap()) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found += with_content(&entry.path(), content);
        } else if kind.is_file() {
            let same = entry.metadata().unwrap().len() == content.len() as u64;
            found += usize::from(same && fs::read(entry.path()).unwrap() == content);
        }
    }
    found
}

/// Does `work` and ends the test where it does not return.
pub fn in_time<T: Send + 'static>(what: String, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, done) = mpsc::channel();
    let worker = thread::spawn(move || send.send(work()).unwrap());
    match done.recv_timeout(Duration::from_secs(120)) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what}: it waits for her"),
        Err(mpsc::RecvTimeoutError::Disconnected) => std::panic::resume_unwind(worker.join().unwrap_err()),
    }
}

/// Restores, exchanges and ways back while she is at it all the time.
pub fn an_adversary_at_every_act(seeds: u64) {
    let Some(first) = World::new() else { return };
    drop(first);
    let done = Arc::new(Mutex::new([0; 9]));
    let (mut right, mut refused) = (0, 0);
    for seed in 1..=seeds {
        for layout in 0..4 {
            let world = World::new().unwrap();
            let before = world.roots();
            let pace = 1 + seed % 6;
            let member = match layout {
                0 => Member { data: world.path("hers/etcd"), wal: None },
                1 => Member { data: world.path("hers/etcd"), wal: Some(world.path("hers/log/wal")) },
                2 => Member { data: world.path("hers"), wal: None },
                _ => Member { data: world.path("hers/etcd"), wal: None },
            };
            let has_old = layout < 2;
            let member = if has_old { member.with_old() } else { member };
            if layout == 1 {
                chown(world.path("hers/log"), Some(EVE), Some(EVE)).unwrap();
            }
            let mut dirs = vec![world.path("hers")];
            dirs.extend((layout == 1).then(|| world.path("hers/log")));
            let victims = ["roots/dir", "roots/precious", "roots/dir/inner", "roots"].map(|name| world.path(name));
            let adversary = Adversary {
                eve: Shell::new(),
                chance: Chance((seed * 4 + layout).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
                dirs,
                victims: victims.into(),
                done: Arc::clone(&done),
                pace,
            };
            let disk = Disk::gated(Arc::new(Gated(Mutex::new(adversary))));
            let what = format!("seed {seed}, layout {layout}");
            let outcomes = in_time(what.clone(), move || {
                if layout >= 2 {
                    let tools = Tools { disk, ..Tools::default() };
                    let options = Options { owner: Some(EVE.to_string()), ..Options::default() };
                    return vec![restore_at(&member, &tools, &options)];
                }
                let staged = member.stage(&disk);
                let swapped = member.swap(&disk);
                let undone = match &swapped {
                    Ok(swapped) => member.undo(&disk, swapped),
                    Err(_) => member.swap(&disk).map(|_| ()),
                };
                vec![staged, swapped.map(|_| ()), undone]
            });
            assert_eq!(world.roots(), before, "{what}: {outcomes:?}");
            assert_eq!(with_content(&world.path("hers"), b"old data"), usize::from(has_old), "{what}: {outcomes:?}");
            assert_eq!(with_content(&world.path("hers"), b"old log"), usize::from(layout == 1), "{what}: {outcomes:?}");
            right += outcomes.iter().filter(|outcome| outcome.is_ok()).count();
            refused += outcomes.iter().filter(|outcome| outcome.is_err()).count();
        }
    }
    let done = done.lock().unwrap();
    assert!(right > 0 && refused > 0, "{right} went right, {refused} did not; {done:?}");
    // Hard links to what is root's the kernel may refuse her.
    let could = done.iter().enumerate().filter(|(kind, _)| *kind != 6);
    assert!(could.into_iter().all(|(_, count)| *count > 0), "{done:?}");
}

fn restore_at(member: &Member, tools: &Tools, options: &Options) -> Result<()> {
    let job = RestoreSpec {
        source: &fixture(SOURCE),
        pinned_sha256: None,
        skip_hash_check: false,
        genesis: &genesis("p1"),
        name: "m1",
        data_dir: &member.data,
        wal_dir: member.wal.as_deref(),
        target: Minor::V3_5,
        bump_revision: 0,
        options,
    };
    restore_with(&job, tools, &mut |_| Flow::Go).map(|_| ())
}

/// A link of hers is not a way for root to move what is root's aside.
pub fn a_link_of_hers_moves_nothing_of_roots() {
    let Some(world) = World::new() else { return };
    let (mut eve, before) = (Shell::new(), world.roots());
    let member = Member { data: world.path("hers/etcd"), wal: None };
    eve.can(&format!("ln -s {} {}", word(&world.path("roots/dir")), word(&member.data)));
    for refused in [member.stage(&Disk::default()), member.swap(&Disk::default()).map(|_| ())] {
        let refused = refused.unwrap_err();
        assert!(refused.why.contains("hers/etcd"), "the link is named: {refused}");
    }
    assert_eq!(world.roots(), before);
    let options = Options::default();
    let outcome = restore(&fixture(SOURCE), &member.data.join("new"), None, &options, &Tools::default());
    assert!(outcome.is_err(), "built in root's directory");
    assert_eq!(world.roots(), before);
}
