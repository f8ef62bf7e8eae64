//! A host's journal in another user's directory: a file that is not ours is rejected, and so are lines that the operator's
//! journal does not have.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::{MetadataExt, chown, lchown, symlink};

use super::*;
use crate::{
    agent::protocol::MemberRequest,
    domain::model::plan::Plan,
    engine::install::MemberState,
    system::{
        etcd_client::Members,
        journal::{Event as Line, Journal, Start, verify_from},
        local::Local,
    },
};

const EVE: u32 = 61_234;

fn local() -> Local {
    Local::new(Members::new(Default::default()).unwrap())
}

/// m2 in place on this machine, by the agent; its plan, and where its journal lies.
fn placed(dir: &std::path::Path) -> (Box<Plan>, std::path::PathBuf) {
    let bytes = snapshot();
    let wanted = wanted(dir, &bytes);
    let mut far = Far::greeted();
    far.ask(&Request::Receive { snapshot: wanted.clone(), from: 0 });
    far.send(&bytes);
    far.answer();
    let plan = Box::new(plan(dir, &wanted));
    let of = MemberRequest { plan: plan.clone(), name: "m2".into() };
    std::fs::create_dir(dir.join("m2")).unwrap();
    std::fs::write(dir.join("m2/old"), b"old").unwrap();
    assert_eq!(far.ask(&claim(&plan, "anna@laptop")), claimed());
    assert!(matches!(far.ask(&Request::Stage(of.clone())), Event::Restored(_)));
    assert!(matches!(far.ask(&Request::Swap { of, stamp: "1".into() }), Event::Swapped(_)));
    far.ask(&Request::Forget(wanted));
    far.end().unwrap();
    let journal = dir.join(format!(".requorum-{}.journal", plan.short_id()));
    (plan, journal)
}

fn bound(plan: &Plan) -> Request {
    let Request::Claim { run, targets, seal, .. } = claim(plan, "ben@desk") else { unreachable!() };
    Request::Claim { run, targets, seal, bound: true }
}

#[test]
fn a_foreign_journal_is_named_not_followed() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path(), &wanted(dir.path(), &snapshot()));
    let journal = dir.path().join(format!(".requorum-{}.journal", plan.short_id()));
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("nologin");
    chown(dir.path(), Some(EVE), None).unwrap();
    type Plant = fn(&std::path::Path, &std::path::Path);
    let plants: [Plant; 5] = [
        |journal, victim| symlink(victim, journal).unwrap(),
        |journal, _| {
            rustix::fs::mknodat(rustix::fs::CWD, journal, rustix::fs::FileType::Fifo, 0o666.into(), 0).unwrap();
        },
        |journal, _| std::fs::create_dir(journal).unwrap(),
        |journal, _| std::fs::write(journal, b"").unwrap(),
        |journal, victim| {
            std::fs::write(victim, b"").unwrap();
            std::fs::hard_link(victim, journal).unwrap();
        },
    ];
    for (at, plant) in plants.into_iter().enumerate() {
        plant(&journal, &victim);
        // The last one is root's own file, by another name.
        if at != 4 {
            lchown(&journal, Some(EVE), None).unwrap();
        }
        let mut far = Far::greeted();
        let Event::Failed(refused) = far.ask(&claim(&plan, "anna@laptop")) else { panic!("{at}: it was taken") };
        assert!(refused.to_string().contains(".journal") && refused.kind == ErrorKind::Refused, "{at}: {refused}");
        far.end().unwrap();
        assert!(at == 4 || !victim.exists(), "{at}");
        assert!(at != 4 || std::fs::metadata(&victim).unwrap().len() == 0);
        if journal.is_dir() { std::fs::remove_dir(&journal).unwrap() } else { std::fs::remove_file(&journal).unwrap() }
    }
}

#[test]
fn a_journal_with_another_beginning_does_not_verify() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, journal) = placed(dir.path());
    let of = MemberRequest { plan: plan.clone(), name: "m2".into() };
    let mut far = Far::greeted();
    assert_eq!(far.ask(&bound(&plan)), claimed());
    assert!(matches!(far.ask(&Request::Standing(of.clone())), Event::Standing(MemberState::InPlace(_))));
    far.end().unwrap();
    // As somebody forges it who cannot read the real one: a chain that holds, with places of his own.
    let text = std::fs::read_to_string(&journal).unwrap();
    let records = verify_from(&text, &Start::Any).unwrap();
    let outside = tempfile::tempdir().unwrap();
    let meta = std::fs::metadata(outside.path()).unwrap();
    let mut data = records.iter().find(|r| r.data.contains_key("swapped")).unwrap().data.clone();
    data["swapped"]["places"][0]["target"] = serde_json::json!(outside.path());
    data["swapped"]["places"][0]["identity"] = serde_json::json!({"device": meta.dev(), "inode": meta.ino()});
    for start in ["00".repeat(32), "f0".repeat(32)] {
        std::fs::remove_file(&journal).unwrap();
        let system = local();
        let begins = if start.starts_with("00") { Start::Zeros } else { Start::Seal(start.clone()) };
        let forged = Journal::on_host(&system, &journal, begins);
        forged.add(Line::Done, "m2: putting it in place: done", serde_json::Value::Object(data.clone())).unwrap();
        let mut far = Far::greeted();
        let Event::Failed(refused) = far.ask(&bound(&plan)) else { panic!("{start}: it was taken") };
        assert_eq!(refused.kind, ErrorKind::Refused, "{refused}");
        crate::text::messages::hold("agent-seal", &[("a forged journal", refused.why)]);
        // Whom no journal here has told is told what is there; and undo asks for the member's own places all the same.
        let answer = far.ask(&claim(&plan, "carl@away"));
        if start.starts_with("00") {
            assert!(matches!(&answer, Event::Failed(t) if t.kind == ErrorKind::Refused), "{answer:?}");
            continue;
        }
        assert_eq!(answer, Event::Claimed { seal: start.clone() });
        let answer = far.ask(&Request::Undo { of: of.clone(), stamp: "2".into() });
        assert!(matches!(&answer, Event::Failed(t) if t.what.contains("m2")), "{answer:?}");
        far.end().unwrap();
        assert!(outside.path().is_dir());
    }
    // Gone altogether, it is begun again as it was.
    std::fs::remove_file(&journal).unwrap();
    let mut far = Far::greeted();
    assert_eq!(far.ask(&bound(&plan)), claimed());
    assert_eq!(far.ask(&Request::Standing(of)), Event::Standing(MemberState::Nothing));
    far.end().unwrap();
    assert_eq!(std::fs::metadata(&journal).unwrap().mode() & 0o777, 0o600);
}
