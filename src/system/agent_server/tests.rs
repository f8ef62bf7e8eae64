//! The agent over a pair of pipes: what it answers, and that it stops when the pipe ends.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, thread::JoinHandle};

use sha2::{Digest, Sha256};

use super::*;
use crate::{
    agent::protocol::{CHUNK_BYTES, Have, MemberRequest, PROTOCOL, Wanted},
    domain::{members::build_plan, model::plan::Plan},
    engine::{
        install::{MemberState, run_lock::Run},
        source::hex,
    },
    system::{etcd_client::Members, journal::Event as Line, local::Local},
};

/// An agent in a thread, and our ends of its pipes.
pub(super) struct Far {
    to: Option<io::PipeWriter>,
    from: BufReader<io::PipeReader>,
    agent: JoinHandle<Result<()>>,
}

impl Far {
    pub(super) fn new() -> Far {
        Far::beating(HEARTBEAT)
    }

    fn beating(beat: Duration) -> Far {
        let (input, to) = io::pipe().unwrap();
        let (from, output) = io::pipe().unwrap();
        let agent = thread::spawn(move || {
            let system = Local::new(Members::new(Default::default()).unwrap());
            serve_beating(&system, input, output, beat)
        });
        Far { to: Some(to), from: BufReader::new(from), agent }
    }

    pub(super) fn greeted() -> Far {
        let mut far = Far::new();
        assert!(matches!(far.ask(&Request::Hello { protocol: PROTOCOL }), Event::Hello { protocol: PROTOCOL, .. }));
        far
    }

    pub(super) fn say(&mut self, request: &Request) {
        codec::write(self.to.as_mut().unwrap(), request).unwrap();
    }

    pub(super) fn answer(&mut self) -> Event {
        loop {
            match codec::read(&mut self.from).unwrap().unwrap() {
                Event::Progress(_) | Event::Heartbeat => {}
                event => return event,
            }
        }
    }

    pub(super) fn ask(&mut self, request: &Request) -> Event {
        self.say(request);
        self.answer()
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        let mut packing = true;
        for chunk in bytes.chunks(CHUNK_BYTES) {
            codec::write_chunk(self.to.as_mut().unwrap(), chunk, &mut packing).unwrap();
        }
    }

    /// Ends its input; what it says of that.
    pub(super) fn end(mut self) -> Result<()> {
        drop(self.to.take());
        io::copy(&mut self.from, &mut io::sink()).unwrap();
        self.agent.join().unwrap()
    }
}

pub(super) fn snapshot() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snapshots/3.5.16-small.db")).unwrap()
}

pub(super) fn wanted(depot: &Path, bytes: &[u8]) -> Wanted {
    let sha256 = hex(&Sha256::digest(bytes));
    Wanted { sha256, bytes: bytes.len() as u64, at: "/nowhere.db".into(), depot: depot.into() }
}

/// The last revision and the live keys of [`snapshot`].
fn held() -> (i64, u64) {
    let view = crate::bbolt::View::open(snapshot()).unwrap();
    let walk = crate::engine::scan::row_scan::check_and_walk(&view, &mut |_| Flow::Go).unwrap();
    (walk.last.main, walk.keys)
}

/// A plan for m1 to m3 below `dir`.
pub(super) fn plan(dir: &Path, wanted: &Wanted) -> Plan {
    let mut draft = build_plan::tests::draft();
    let source = draft.source.as_mut().unwrap();
    source.bytes = wanted.bytes;
    let content = source.content.as_mut().unwrap();
    content.sha256 = wanted.sha256.clone();
    (content.revision, content.keys) = held();
    let mut plan = build_plan::build(&draft).unwrap().plan;
    plan.members.iter_mut().for_each(|m| m.data_dir = dir.join(&m.name));
    plan
}

pub(super) fn claim(plan: &Plan, operator: &str) -> Request {
    let run = Run {
        id: format!("run-{operator}"),
        plan: plan.short_id(),
        label: "prod".into(),
        operator: operator.into(),
        since: "2026-11-22T03:12:05Z".into(),
    };
    let targets = plan.members.iter().map(|m| m.data_dir.clone()).collect();
    Request::Claim { run, targets, seal: seal(), bound: false }
}

fn seal() -> String {
    "5ea1".repeat(16)
}

pub(super) fn claimed() -> Event {
    Event::Claimed { seal: seal() }
}

#[test]
fn a_member_is_received_built_installed_rolled_back() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = snapshot();
    let snapshot = wanted(dir.path(), &bytes);
    let mut far = Far::greeted();
    assert_eq!(far.ask(&Request::HaveSnapshot(snapshot.clone())), Event::Snapshot(Have::Nothing));
    assert_eq!(far.ask(&Request::Receive { snapshot: snapshot.clone(), from: 0 }), Event::Snapshot(Have::Part(0)));
    far.send(&bytes);
    assert!(matches!(far.answer(), Event::Snapshot(Have::All(_))));
    let plan = Box::new(plan(dir.path(), &snapshot));
    let of = MemberRequest { plan: plan.clone(), name: "m2".into() };
    // Nothing is changed by somebody who did not say who they are, and one at a time may.
    assert!(
        matches!(far.ask(&Request::Stage(of.clone())), Event::Failed(error) if error.kind == crate::error::ErrorKind::Bug)
    );
    let old = dir.path().join("m2");
    fs::create_dir_all(old.join("member")).unwrap();
    fs::write(old.join("member/old"), b"old").unwrap();
    assert_eq!(far.ask(&claim(&plan, "anna@laptop")), claimed());
    let mut second = Far::greeted();
    assert!(matches!(second.ask(&claim(&plan, "ben@desk")), Event::Failed(error) if error.why.contains("anna@laptop")));
    second.end().unwrap();
    assert_eq!(far.ask(&Request::Standing(of.clone())), Event::Standing(MemberState::Nothing));
    let Event::Restored(restored) = far.ask(&Request::Stage(of.clone())) else { panic!("m2 was not built") };
    assert_eq!((restored.member_id, restored.cluster_id), (plan.members[1].id, plan.cluster_id));
    assert_eq!(far.ask(&Request::Standing(of.clone())), Event::Standing(MemberState::Staged(restored)));
    assert!(old.join("member/old").exists());
    // Nothing is started on what is there until then, and nobody does without the journal's word.
    let start = Request::Start { of: of.clone(), commands: vec!["echo of no avail >&2; exit 7".into()] };
    assert!(matches!(far.ask(&start), Event::Failed(error) if error.what == "m2: not installed by this plan"));
    let swap = Request::Swap { of: of.clone(), stamp: "20261122-031205".into() };
    let Event::Swapped(swapped) = far.ask(&swap) else { panic!("m2 was not put in place") };
    let aside = dir.path().join("m2.old-20261122-031205");
    assert!(old.join("member/snap/db").exists() && aside.join("member/old").exists());
    assert_eq!(far.ask(&Request::Standing(of.clone())), Event::Standing(MemberState::InPlace(swapped)));
    assert!(matches!(far.ask(&start), Event::Failed(error) if error.why == "of no avail"));
    // A second time nothing waits, and the agent goes on.
    assert!(matches!(far.ask(&swap), Event::Failed(error) if error.kind == ErrorKind::Failed));
    assert_eq!(far.ask(&Request::Forget(snapshot)), Event::Done);
    let Event::Around(around) = far.ask(&Request::LookAround { dirs: vec![(dir.path().join("m2"), None)] }) else {
        panic!("nothing was seen")
    };
    assert!(around.dirs[0].words().contains(&plan.members[1].id.to_string()), "{}", around.dirs[0].words());
    assert!(matches!(far.ask(&Request::DiscoverConfigs), Event::Configs(_)));
    far.say(&Request::Bye);
    far.end().unwrap();
    // Another one takes it back: the journal here tells it what was done.
    let mut far = Far::greeted();
    far.ask(&claim(&plan, "ben@desk"));
    let undo = Request::Undo { of: of.clone(), stamp: "20261122-041205".into() };
    assert!(matches!(far.ask(&undo), Event::Undone(went) if went.len() == 2));
    assert!(old.join("member/old").exists() && !aside.exists());
    // Asked again it is done already; what was never in place is not.
    assert!(matches!(far.ask(&undo), Event::Undone(went) if went.len() == 2));
    assert!(old.join("member/old").exists() && !aside.exists());
    let other = Request::Undo { of: MemberRequest { plan: plan.clone(), name: "m1".into() }, stamp: "x".into() };
    assert!(matches!(far.ask(&other), Event::Failed(error) if error.kind == ErrorKind::Refused));
    far.end().unwrap();
    let journal = format!(".requorum-{}.journal", plan.short_id());
    let mut left: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, [journal.as_str(), "m2", "m2.undone-20261122-041205"]);
    let text = fs::read_to_string(dir.path().join(journal)).unwrap();
    use crate::system::journal::{Start, verify, verify_from};
    assert!(verify(&text).is_err(), "it begins with what its operator's journal keeps");
    let records = verify_from(&text, &Start::Seal(seal())).unwrap();
    let acts = records.iter().filter(|r| r.kind != Line::Begun);
    let acts: Vec<_> =
        acts.map(|r| (r.kind, r.data["act"].as_str().unwrap(), r.data["run"].as_str().unwrap())).collect();
    let (doing, done, failed) = (Line::Doing, Line::Done, Line::Failed);
    let expected = [
        (doing, "stage", "run-anna@laptop"),
        (done, "stage", "run-anna@laptop"),
        (doing, "swap", "run-anna@laptop"),
        (done, "swap", "run-anna@laptop"),
        (doing, "start", "run-anna@laptop"),
        (failed, "start", "run-anna@laptop"),
        (doing, "swap", "run-anna@laptop"),
        (failed, "swap", "run-anna@laptop"),
        (doing, "undo", "run-ben@desk"),
        (done, "undo", "run-ben@desk"),
    ];
    assert_eq!(acts, expected);
}

#[test]
fn end_of_input_stops_at_a_safe_point() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = snapshot();
    let snapshot = wanted(dir.path(), &bytes);
    let mut far = Far::greeted();
    far.ask(&Request::Receive { snapshot: snapshot.clone(), from: 0 });
    far.send(&bytes[..9000]);
    far.end().unwrap();
    let mut far = Far::greeted();
    assert_eq!(far.ask(&Request::HaveSnapshot(snapshot.clone())), Event::Snapshot(Have::Part(9000)));
    far.ask(&Request::Receive { snapshot: snapshot.clone(), from: 9000 });
    far.send(&bytes[9000..]);
    assert!(matches!(far.answer(), Event::Snapshot(Have::All(_))));
    let plan = Box::new(plan(dir.path(), &snapshot));
    let of = MemberRequest { plan: plan.clone(), name: "m1".into() };
    assert_eq!(far.ask(&claim(&plan, "anna@laptop")), claimed());
    far.say(&Request::Stage(of.clone()));
    drop(far.to.take());
    // Either the end came before it was built, or it waits whole: never half of it.
    let answer = far.answer();
    let mut next = Far::greeted();
    next.ask(&claim(&plan, "anna@laptop"));
    let standing = next.ask(&Request::Standing(of));
    match answer {
        Event::Failed(error) => {
            assert_eq!((error.kind, standing), (ErrorKind::Stopped, Event::Standing(MemberState::Nothing)));
        }
        Event::Restored(restored) => assert_eq!(standing, Event::Standing(MemberState::Staged(restored))),
        other => panic!("{other:?}"),
    }
    far.agent.join().unwrap().unwrap();
}

#[test]
fn chunks_after_a_failed_upload_are_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = wanted(dir.path(), b"short");
    let mut far = Far::greeted();
    far.ask(&Request::Receive { snapshot: snapshot.clone(), from: 0 });
    for _ in 0..3 {
        far.send(b"more than that");
    }
    assert!(
        matches!(far.answer(), Event::Failed(error) if error.kind == ErrorKind::Bug),
        "more bytes than the snapshot has"
    );
    // What was begun stays, empty; now another content of the right length.
    far.ask(&Request::Receive { snapshot: snapshot.clone(), from: 0 });
    far.send(b"wrong");
    assert!(matches!(far.answer(), Event::Snapshot(Have::Wrong(_))));
    assert_eq!(far.ask(&Request::HaveSnapshot(snapshot)), Event::Snapshot(Have::Nothing));
    far.end().unwrap();
}

#[test]
fn who_is_not_understood_is_told_so() {
    let mut far = Far::new();
    let answer = far.ask(&Request::Hello { protocol: PROTOCOL + 1 });
    assert!(matches!(answer, Event::Failed(error) if error.kind == ErrorKind::Failed));
    let mut far = Far::new();
    far.say(&Request::DiscoverConfigs);
    assert_eq!(far.end().unwrap_err().kind, ErrorKind::Input, "it did not begin with hello");
    let mut far = Far::new();
    far.to.as_mut().unwrap().write_all(b"GET / HTTP/1.1\n").unwrap();
    assert!(far.end().unwrap_err().why.contains("GET /"));
}

/// What it waits for here is that another run lets go; an fsync on a slow disk has as little to report.
#[test]
fn work_in_progress_sends_heartbeats() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path(), &wanted(dir.path(), &snapshot()));
    let mut first = Far::greeted();
    assert_eq!(first.ask(&claim(&plan, "anna@laptop")), claimed());
    let mut second = Far::beating(Duration::from_millis(10));
    assert!(matches!(second.ask(&Request::Hello { protocol: PROTOCOL }), Event::Hello { .. }));
    second.say(&claim(&plan, "anna@laptop"));
    loop {
        match codec::read(&mut second.from).unwrap().unwrap() {
            Event::Progress(_) => {}
            other => break assert_eq!(other, Event::Heartbeat),
        }
    }
    first.end().unwrap();
    assert_eq!(second.answer(), claimed());
    second.end().unwrap();
}

#[test]
fn no_heartbeat_outside_of_an_answer() {
    let answers = Answers::new(Vec::new());
    let beats = |answers: &Answers<Vec<u8>>| {
        answers.beat().unwrap();
        answers.with(|pipe| String::from_utf8_lossy(&std::mem::take(&mut pipe.output)) == "\"heartbeat\"\n")
    };
    assert!(!beats(&answers), "before the first request");
    answers.working(true);
    assert!(beats(&answers));
    let step = Event::Progress(Progress { phase: Phase::Hash, done: 1, total: 2 });
    for (event, more) in [(step, true), (Event::Done, false)] {
        answers.write(&event).unwrap();
        answers.with(|pipe| pipe.output.clear());
        assert_eq!(beats(&answers), more, "after {event:?}");
    }
    answers.working(true);
    answers.write(&Event::Failed(Error::new(ErrorKind::Failed, "x"))).unwrap();
    answers.with(|pipe| pipe.output.clear());
    assert!(!beats(&answers), "after a failure");
}
