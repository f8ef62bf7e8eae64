//! Journals that were written by carrying out plans, on the command line and through the wizard's screens, with names
//! that nobody else has.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Output,
};

use requorum::{
    drill::{Drill, autoplay, from_journal, scenario},
    system::journal::{self, Event, Record},
    tui::Options,
};

use super::{
    secrets::leaks,
    support::{self, ended, fixture},
};

const LABEL: &str = "krokodil-eu";
const REASON: &str = "Frau Giraffe said that nashorn-2 is only a load balancer";

fn requorum(dir: &Path, args: &[&str]) -> Output {
    support::requorum(args).current_dir(dir).output().unwrap()
}

fn read(path: &Path) -> Vec<Record> {
    journal::verify(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A plan for three members below `dir`, at the second of which something listens.
fn planned(dir: &Path) -> (PathBuf, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = |_: usize| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    fs::copy(fixture("3.5.16-small.db"), dir.join("elefant-nightly.db")).unwrap();
    let rows: Vec<serde_json::Value> = (1..=3)
        .map(|n| {
            let client = if n == 2 { listener.local_addr().unwrap().port() } else { port(n) };
            serde_json::json!({
                "name": format!("nashorn-{n}"), "peerUrls": [format!("http://127.0.0.1:{}", port(n))],
                "clientUrls": [format!("http://127.0.0.1:{client}")], "dataDir": dir.join(format!("pelikan/etcd-{n}")),
            })
        })
        .collect();
    fs::create_dir(dir.join("pelikan")).unwrap();
    fs::write(dir.join("inventory.json"), serde_json::to_string(&rows).unwrap()).unwrap();
    let token = ["--initial-cluster-token", "zebra-token-77"];
    let mut args = vec!["plan", "--label", LABEL, "--inventory", "inventory.json", "--snapshot", "elefant-nightly.db"];
    args.extend(token);
    args.extend(["-o", "tapir.yaml"]);
    ended(&requorum(dir, &args), 0, &["requorum apply"]);
    (dir.join("tapir.yaml"), listener)
}

/// Overridden, carried out, taken back; and what is made of it.
#[test]
fn a_command_line_journal_leaks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (_, listener) = planned(dir.path());
    let overridden = ["apply", "tapir.yaml", "--override", "nashorn-2@127.0.0.1", "--reason", REASON];
    ended(&requorum(dir.path(), &overridden), 0, &["installed"]);
    drop(listener);
    let path = dir.path().join("tapir.yaml.journal");

    let output = requorum(dir.path(), &["drill", "record", "tapir.yaml.journal", "-o", "night.yaml"]);
    let words = [
        "Written: night.yaml",
        "overridden",
        "night: sound",
        "Read it before you share it",
        "requorum drill night.yaml",
    ];
    let printed = ended(&output, 0, &words);
    let text = fs::read_to_string(dir.path().join("night.yaml")).unwrap();
    let records = read(&path);
    for kind in [Event::Begun, Event::Override, Event::Looked, Event::Restored, Event::Done, Event::Ended] {
        assert!(records.iter().any(|r| r.kind == kind), "{kind:?} is in the journal");
    }
    assert_eq!(leaks(&records, &text), [""; 0], "{text}");
    assert_eq!(leaks(&records, &printed), [""; 0], "{printed}");
    assert!(text.contains("start m3"), "{text}");
    ended(&requorum(dir.path(), &["drill", "check", "night.yaml"]), 0, &["night: sound"]);

    // what is there is never written over, and what is no name no file
    ended(
        &requorum(dir.path(), &["drill", "record", "tapir.yaml", "-o", "night.yaml"]),
        1,
        &["night.yaml: file exists"],
    );
    ended(&requorum(dir.path(), &["drill", "record", "tapir.yaml", "-o", "Our Night.yaml"]), 2, &["lowercase letters"]);
    ended(&requorum(dir.path(), &["drill", "record", "tapir.yaml", "-o", "night.txt"]), 2, &["then .yaml"]);
    ended(
        &requorum(dir.path(), &["drill", "record", "tapir.yaml"]),
        2,
        &["a file name is required", "-o our-night.yaml"],
    );

    ended(&requorum(dir.path(), &["undo", "tapir.yaml"]), 0, &["rolled back"]);
    ended(
        &requorum(dir.path(), &["drill", "record", "tapir.yaml", "-o", "back.yaml"]),
        0,
        &["rollback", "back: sound"],
    );
    let text = fs::read_to_string(dir.path().join("back.yaml")).unwrap();
    assert_eq!(leaks(&read(&path), &text), [""; 0], "{text}");
}

/// What is no operator's journal, and what was changed, is refused with what to do, and nothing is written.
#[test]
fn what_is_no_journal_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, listener) = planned(dir.path());
    drop(listener);
    ended(&requorum(dir.path(), &["apply", "tapir.yaml"]), 0, &["installed"]);
    let journal = fs::read_to_string(dir.path().join("tapir.yaml.journal")).unwrap();
    let lines: Vec<&str> = journal.lines().collect();
    let of_host = fs::read_dir(dir.path().join("pelikan")).unwrap().map(|e| e.unwrap().path());
    let of_host = of_host.into_iter().find(|p| p.to_string_lossy().ends_with(".journal")).unwrap();
    let write = |name: &str, text: &str| {
        fs::write(dir.path().join(name), text).unwrap();
        name.to_string()
    };
    let plan = write("copy.yaml", &fs::read_to_string(plan).unwrap());
    for (file, words) in [
        (
            write("changed", &journal.replace(LABEL, "another")),
            &["not an intact journal", "line 1 was changed", "PLAN.yaml.journal"][..],
        ),
        (write("cut", &journal[..journal.len() - 9]), &["is incomplete", "head -n "]),
        (write("without", &format!("{}\n{}\n", lines[0], lines[2])), &["line 2 does not follow", "head -n 1"]),
        (write("empty", ""), &["is empty"]),
        (plan, &["line 1 is not a journal record", "PLAN.yaml.journal"]),
        (of_host.to_string_lossy().into_owned(), &["a host's own journal", "PLAN.yaml.journal"]),
    ] {
        let output = requorum(dir.path(), &["drill", "record", &file, "-o", "night.yaml"]);
        ended(&output, 1, words);
        assert!(!dir.path().join("night.yaml").exists(), "{file}");
    }
    ended(&requorum(dir.path(), &["drill", "record", "nowhere", "-o", "night.yaml"]), 1, &["nowhere"]);
    // how far it goes is enough
    write("so-far", &format!("{}\n", lines[0]));
    ended(&requorum(dir.path(), &["drill", "record", "so-far", "-o", "night.yaml"]), 0, &["night: sound"]);
}

/// What the wizard decided on every screen, in a drill with a team's own names.
#[test]
fn a_wizard_journal_leaks_nothing() {
    for (name, words) in [
        ("dead-man-answers", &["save from m2", "state: alone"][..]),
        ("new-hosts", &["spares: [n1, n2, n3]", "tls: true"]),
        ("ahead-in-the-log", &["choose m2.etcd"]),
    ] {
        let (_, text) = scenario::library::BUILT_IN.iter().find(|(known, _)| *known == name).unwrap();
        let [label, token, member, file] = [LABEL, "zebra-token", "nashorn", "tapir"];
        let mut text = text.replace("prod-eu-2024", token).replace("label: prod-eu", &format!("label: {label}"));
        for n in 1..=5 {
            text = text.replace(&format!("m{n}"), &format!("{member}-{n}"));
        }
        let text = text.replace("etcd-0", &format!("{file}-0"));
        // what is taken out of the program keeps its name there
        let parts: Vec<String> = text.split("from: pki/").map(|part| part.replace("pki/", "muschel/")).collect();
        let text = parts.join("from: pki/").replace(&format!("from: pki/{member}-"), "from: pki/m");
        let text =
            text.replace("muschel/ca.crt", "muschel/koralle.crt").replace("muschel/member.key", "muschel/hai.key");
        let strange = scenario::parse("strange.yaml", &text).unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
        let drill = Drill::set_up(strange.clone(), Options::default()).unwrap();
        let mut walker = drill.walker();
        for stride in strange.path.iter().flat_map(|leg| &leg.strides) {
            walker.stride(stride).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        let dir = drill.exercise.lock().lab.root().join("journal");
        let path = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).next().unwrap();
        let records = read(&path);
        assert!(records.iter().any(|r| r.kind == Event::Decided), "the wizard writes what was decided");
        let made = from_journal::record(&records, "taken").unwrap();
        assert_eq!(leaks(&records, &made.text), [""; 0], "{}", made.text);
        for word in words {
            assert!(made.text.contains(word), "{name}: {word:?} is not in\n{}", made.text);
        }
        let taken = scenario::parse("taken.yaml", &made.text).unwrap();
        autoplay::prove(&taken, None).unwrap_or_else(|e| panic!("{name}: {e}\n{}", made.text));
    }
}
