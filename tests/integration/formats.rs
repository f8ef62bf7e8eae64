//! Files that released versions wrote are read: plans, the operator's journals and those of hosts. After a release its
//! files are added to `tests/fixtures/formats`; those of older versions are never changed.

use std::{fs, path::PathBuf};

use requorum::{
    domain::model::plan_yaml,
    execute::resume,
    system::journal::{self, Event},
};

use crate::support::{ended, requorum, succeed};

fn versions() -> Vec<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats");
    let mut found: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert!(found.iter().any(|path| path.ends_with("0.1.0")), "{found:?}");
    found
}

fn read(dir: &std::path::Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap_or_else(|e| panic!("{}/{name}: {e}", dir.display()))
}

#[test]
fn plans_of_every_version_are_read() {
    for dir in versions() {
        let text = read(&dir, "plan.yaml");
        let plan = plan_yaml::from_yaml(&text).unwrap();
        assert_eq!((plan.version, plan.label.as_str(), plan.members.len()), (1, "prod", 3), "{}", dir.display());
        assert_eq!(plan_yaml::from_yaml(&plan_yaml::to_yaml(&plan)).unwrap(), plan, "nothing is lost on the way");
        let printed = succeed(requorum(["launch"]).arg(dir.join("plan.yaml")));
        assert!(plan.members.iter().all(|member| printed.contains(&member.name)), "{printed}");
    }
}

#[test]
fn journals_of_every_version_are_read() {
    for dir in versions() {
        let plan = plan_yaml::from_yaml(&read(&dir, "plan.yaml")).unwrap();
        let records = journal::verify(&read(&dir, "plan.yaml.journal")).unwrap();
        let kinds = |kind: Event| records.iter().filter(|record| record.kind == kind).count();
        assert_eq!((kinds(Event::Begun), kinds(Event::Ended)), (3, 3), "{}: two applies and an undo", dir.display());
        assert_eq!(kinds(Event::Restored), 3);
        assert_eq!(resume::standing(&records), None, "nothing is left to do");
        let (cut, why) = journal::readable(
            &read(&dir, "plan.yaml.journal")
                .lines()
                .take(records.len() - 1)
                .fold(String::new(), |text, line| text + line + "\n"),
        );
        assert_eq!(why, None);
        let open = resume::standing(&cut).unwrap();
        assert!(open.undoes() && open.plan == plan && open.names == ["m1", "m2", "m3"], "{open:?}");
        let (host, why) = journal::readable(&read(&dir, "host.journal"));
        assert!(why.is_none() && host.iter().any(|record| record.kind == Event::Done), "{why:?}");

        let report = succeed(requorum(["report"]).arg(dir.join("plan.yaml")));
        assert!(report.contains("anna@etcd-1") && report.contains("prod"), "{report}");
        // nothing to resume is no error
        succeed(requorum(["resume", "--show"]).arg(dir.join("plan.yaml")));
    }
}

/// A later version's files are refused by their numbers, and never appended to.
#[test]
fn files_of_a_later_version_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let newest = versions().pop().unwrap();
    let plan = dir.path().join("plan.yaml");
    fs::write(&plan, read(&newest, "plan.yaml").replace("version: 1", "version: 2")).unwrap();
    ended(&requorum(["launch"]).arg(&plan).output().unwrap(), 1, &["version 2", "reads version 1"]);
    fs::write(&plan, read(&newest, "plan.yaml")).unwrap();
    let journal = dir.path().join("plan.yaml.journal");
    let text = read(&newest, "plan.yaml.journal");
    let first = text.lines().next().unwrap().replace("\"format\":1", "\"format\":2");
    assert!(first.contains("\"format\":2"));
    fs::write(&journal, sealed(&first)).unwrap();
    let before = fs::read_to_string(&journal).unwrap();
    for command in ["resume", "undo", "apply"] {
        ended(&requorum([command]).arg(&plan).output().unwrap(), 1, &["journal format 2", "reads format 1"]);
        assert_eq!(fs::read_to_string(&journal).unwrap(), before, "{command}");
    }
}

/// The line with the hash that belongs to it.
fn sealed(line: &str) -> String {
    use sha2::{Digest, Sha256};
    let mut record: journal::Record = serde_json::from_str(line).unwrap();
    record.hash = String::new();
    let digest = Sha256::digest(serde_json::to_vec(&record).unwrap());
    record.hash = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}\n", serde_json::to_string(&record).unwrap())
}
