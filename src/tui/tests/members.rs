//! The table: cells, pastes, corrections, certificates, bumps and what a restore does besides.

use super::*;
use crate::{
    domain::members::table::{self, About},
    tui::steps::members::{self, Choice, Extra},
};

#[test]
fn the_recovery_pages_mistake_is_corrected_by_x() {
    let mut model = with_file(Health::Verified);
    press(&mut model, KeyCode::Enter);
    char(&mut model, 'n');
    press(&mut model, KeyCode::Right);
    press(&mut model, KeyCode::Right);
    press(&mut model, KeyCode::Enter);
    send(&mut model, Msg::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)));
    send(&mut model, Msg::Paste("http:/host1:2380\n".into()));
    crate::text::messages::hold("tui-members-typed", &[("one slash", screen(&model, 80, 24))]);
    press(&mut model, KeyCode::Enter);
    char(&mut model, 'n');
    assert_eq!((model.step, said(&model)), (Step::Members, "Next waits for: m1's peer URL."));
    char(&mut model, 'x');
    assert_eq!(model.members.rows[0].text(Column::Peer), "http://host1:2380");
    char(&mut model, 'u');
    assert_eq!(model.members.rows[0].text(Column::Peer), "http:/host1:2380");
}

#[test]
fn rows_are_added_removed_and_restored() {
    let mut model = with_file(Health::Verified);
    press(&mut model, KeyCode::Enter);
    char(&mut model, 'n');
    char(&mut model, '-');
    assert_eq!(model.members.rows.len(), 2);
    char(&mut model, 'u');
    assert_eq!(model.members.rows.len(), 3);
    char(&mut model, '+');
    type_in(&mut model, "m4");
    press(&mut model, KeyCode::Enter);
    let new = &model.members.rows[1];
    assert_eq!((new.text(Column::Name), new.text(Column::DataDir)), ("m4", "/new/m4.etcd"));
    let kept = model.members.clone();
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.step, Step::Snapshot);
    char(&mut model, 'n');
    assert_eq!(model.members, kept);
}

#[test]
fn leaving_a_field_keeps_the_old_value() {
    let mut model = with_file(Health::Verified);
    press(&mut model, KeyCode::Enter);
    char(&mut model, 'n');
    let kept = model.members.rows.clone();
    press(&mut model, KeyCode::Enter);
    type_in(&mut model, "zzz");
    press(&mut model, KeyCode::Esc);
    assert_eq!((model.members.rows.clone(), model.step), (kept, Step::Members));
}

#[test]
fn a_pasted_initial_cluster_keeps_known_cells() {
    let mut model = with_file(Health::Verified);
    press(&mut model, KeyCode::Enter);
    char(&mut model, 'n');
    char(&mut model, 'p');
    send(&mut model, Msg::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)));
    send(&mut model, Msg::Paste("m1=http://10.0.0.11:2380,n9=http://10.0.0.19:2380".into()));
    press(&mut model, KeyCode::Enter);
    let rows: Vec<[&str; 4]> = model
        .members
        .rows
        .iter()
        .map(|r| [Column::Name, Column::Peer, Column::Client, Column::DataDir].map(|c| r.text(c)))
        .collect();
    assert_eq!(
        rows,
        [
            ["m1", "http://10.0.0.11:2380", "http://10.0.0.1:2379", "/new/m1.etcd"],
            ["n9", "http://10.0.0.19:2380", "http://10.0.0.19:2379", "/new/n9.etcd"],
        ]
    );
}

fn names(model: &Model) -> Vec<&str> {
    model.members.rows.iter().map(|r| r.text(Column::Name)).collect()
}

#[test]
fn a_paste_asks_before_replacing_the_table() {
    let list = "1f, started, m1, http://10.0.0.11:2380, http://10.0.0.11:2379, false\r\n2f, started, n9, \
                http://10.0.0.19:2380, , false\r\n";
    for (answer, wanted) in [
        (KeyCode::Esc, ["m1", "m2", "m3"].as_slice()),
        (KeyCode::Enter, &["m1", "m2", "m3"]),
        (KeyCode::Char('y'), &["m1", "n9"]),
    ] {
        let mut model = at_members();
        send(&mut model, Msg::Paste(list.into()));
        assert_eq!(model.overlay, Some(Overlay::Pasted));
        assert_eq!(names(&model), ["m1", "m2", "m3"], "nothing is replaced before the answer");
        press(&mut model, answer);
        assert_eq!((model.overlay, names(&model).as_slice()), (None, wanted));
        if answer == KeyCode::Char('y') {
            let m1 = &model.members.rows[0];
            assert_eq!(
                [Column::Peer, Column::Client, Column::DataDir].map(|c| m1.text(c)),
                ["http://10.0.0.11:2380", "http://10.0.0.11:2379", "/new/m1.etcd"]
            );
            char(&mut model, 'u');
            assert_eq!(names(&model), ["m1", "m2", "m3"], "u takes it back");
        }
    }
    // Lines pasted into the open field ask, too; one line is typed there, as into any field.
    let mut model = at_members();
    char(&mut model, 'p');
    send(&mut model, Msg::Paste(list.into()));
    assert_eq!((model.overlay, model.prompt.is_some()), (Some(Overlay::Pasted), false));
    let mut model = at_members();
    char(&mut model, 'p');
    send(&mut model, Msg::Paste(",m4=http://10.0.0.4:2380\n".into()));
    assert_eq!(model.overlay, None);
    assert!(model.prompt.as_ref().is_some_and(|p| p.text().ends_with(",m4=http://10.0.0.4:2380")));
    // Into a cell nothing but the cell is pasted; what is no table is said and left.
    let mut model = at_members();
    press(&mut model, KeyCode::Enter);
    send(&mut model, Msg::Paste("x\ny".into()));
    assert!(model.overlay.is_none() && model.prompt.as_ref().is_some_and(|p| p.text() == "m1xy"), "{:?}", model.prompt);
    let mut model = at_members();
    send(&mut model, Msg::Paste("rm -rf /".into()));
    assert!(model.overlay.is_none() && refused(&model), "{}", said(&model));
    assert_eq!(names(&model), ["m1", "m2", "m3"]);
    crate::text::messages::hold("tui-members-paste", &[("no table", said(&model).to_string())]);
}

#[test]
fn a_cell_takes_what_the_next_source_says() {
    let mut model = at_members();
    assert!(char(&mut model, 'o').is_empty() && refused(&model), "{}", said(&model));
    press(&mut model, KeyCode::Right);
    press(&mut model, KeyCode::Right);
    let known = model.members.rows[0].text(Column::Peer).to_string();
    crate::tui::steps::members::set_cell(&mut model, 0, Column::Peer, "http://typed:2380");
    char(&mut model, 'o');
    assert_eq!(model.members.rows[0].text(Column::Peer), known);
    crate::text::messages::hold("tui-members-taken", &[("from the next source", said(&model).to_string())]);
    char(&mut model, 'u');
    assert_eq!(model.members.rows[0].text(Column::Peer), "http://typed:2380");
}

#[test]
fn certificates_are_reread_late_answers_are_dropped() {
    use crate::domain::members::certificates::{CertificateFacts, Files, Key, Named, Unread};
    let mut model = at_members();
    let flags = |model: &mut Model, text: &str| {
        crate::tui::steps::members::set_cell(model, 0, Column::Flags, text);
        update(model, Msg::Tick(0))
    };
    let first = flags(&mut model, "--cert-file=/a.crt");
    let [Effect::Certificates { id: old, named }] = &first[..] else { panic!("{first:?}") };
    assert_eq!(named, &[Named { cert: "/a.crt".into(), ..Named::default() }]);
    assert_eq!(update(&mut model, Msg::Tick(0)), [], "asked once");
    let second = flags(&mut model, "--cert-file=/b.crt");
    let [Effect::Certificates { id, named }] = &second[..] else { panic!("{second:?}") };
    let seen = |named: &[Named]| CertificateFacts {
        files: named
            .iter()
            .map(|n| Files {
                named: n.clone(),
                cert: Err(Unread::Wrong("it is empty".into())),
                key: Key::Unjudged,
                ca: None,
            })
            .collect(),
        distrust: Vec::new(),
    };
    send(&mut model, Msg::Certificates { id: *old, seen: seen(named) });
    assert_eq!(model.members.certs.seen, CertificateFacts::default(), "the answer to an old question");
    send(&mut model, Msg::Certificates { id: *id, seen: seen(named) });
    char(&mut model, 'n');
    assert_eq!((model.step, said(&model)), (Step::Members, "Next waits for: m1's more etcd flags."));
    crate::text::messages::hold("tui-members-certificates", &[("an empty file", screen(&model, 120, 40))]);
    assert_eq!(flags(&mut model, ""), []);
    char(&mut model, 'n');
    assert_eq!(model.step, Step::Review);
}

#[test]
fn a_bump_for_revision_clients_is_changeable() {
    let mut model = at_members();
    assert_eq!((model.members.bump, model.members.mark_compacted), (0, false), "no such client has data here");
    for facts in &mut model.snapshot.files {
        facts.content.as_mut().unwrap().kubernetes = true;
    }
    // Entered again, with another snapshot, it is settled anew.
    char(&mut model, '2');
    char(&mut model, 'n');
    assert_eq!((model.members.bump, model.members.mark_compacted), (1_000_000_000, true));
    let on_bump = |model: &mut Model| {
        press(model, KeyCode::End);
        press(model, KeyCode::Up);
        press(model, KeyCode::Up);
    };
    on_bump(&mut model);
    let mut shown = vec![("a bump is set", screen(&model, 120, 40))];
    char(&mut model, 'n');
    assert_eq!(model.step, Step::Review);
    shown.push(("a bump on Review", screen(&model, 120, 40)));
    char(&mut model, '3');
    on_bump(&mut model);
    char(&mut model, 'x');
    assert_eq!((model.members.bump, model.members.mark_compacted), (0, false));
    char(&mut model, 'n');
    shown.push(("no bump on Review", screen(&model, 120, 40)));
    crate::text::messages::hold("tui-members-bump", &shown);
    // What was chosen stays.
    char(&mut model, '2');
    char(&mut model, 'n');
    assert_eq!(model.members.bump, 0);
    on_bump(&mut model);
    char(&mut model, 'x');
    assert_eq!((model.members.bump, model.members.mark_compacted), (1_000_000_000, true));
}

#[test]
fn the_old_token_is_replaced_by_a_key() {
    let mut model = at_members();
    let ids = table::ids(&model.members.rows, "old").0;
    for facts in &mut model.snapshot.files {
        let members = &mut facts.content.as_mut().unwrap().members;
        members.iter_mut().zip(&ids).for_each(|(member, id)| member.id = id.unwrap());
    }
    crate::tui::steps::members::set_token(&mut model, "old").unwrap();
    let text = |model: &Model| {
        let found = members::problems(&members::draft(model));
        found.into_iter().find(|problem| problem.lift.is_some()).map(|problem| problem.text)
    };
    assert!(text(&model).is_some(), "the one that can be overridden is about the token");
    crate::text::messages::hold("tui-members-token", &[("the old one", screen(&model, 120, 40))]);
    // Review is where it can be overridden, with its text and a reason.
    char(&mut model, 'n');
    assert_eq!(model.step, Step::Review);
    char(&mut model, '3');
    crate::tui::steps::members::set_token(&mut model, "new").unwrap();
    assert_eq!(text(&model), None);
}

#[test]
fn this_machines_files_fill_table_and_detect() {
    let mut model = Model::new(options(), "REAL");
    let effects = update(&mut model, Msg::Start { now: 50, fresh: "beef".into() });
    let id = effects.iter().find_map(|e| match e {
        Effect::LookAround { id, .. } => Some(*id),
        _ => None,
    });
    let id = id.expect("it is looked for at the start");
    let setting = |flag: &str, value: &str| Setting { flag: flag.into(), value: value.into(), from: "unit".into() };
    let config = ConfigFacts {
        origin: Origin::File("/etc/systemd/system/etcd.service".into()),
        kind: ConfigKind::Unit,
        flags: vec![
            setting("name", "m1"),
            setting("initial-cluster", "m1=https://10.0.0.1:2380"),
            setting("listen-client-urls", "https://10.0.0.1:2379"),
            setting("auth-token", WITHHELD),
        ],
        data_dir: Some("/var/lib/etcd".into()),
        wal_dir: None,
        automation: Vec::new(),
        notes: Vec::new(),
        runs: Default::default(),
    };
    let dir = DirFacts {
        data_dir: "/var/lib/etcd".into(),
        wal_dir: None,
        learned_from: config.place(),
        held: Held::By { pid: Some(7), program: "etcd".into() },
        state: DirState::Empty,
    };
    let around = MachineFacts { configs: vec![config], dirs: vec![dir], addresses: vec![] };
    update(&mut model, Msg::LookedAround { id: id + 1000, around: around.clone() });
    assert!(model.detect.dirs.is_empty(), "an answer that nobody waits for is dropped");
    update(&mut model, Msg::LookedAround { id, around });
    crate::text::messages::hold("tui-detect-here", &[("an empty directory", screen(&model, 80, 24))]);
    let flags: Vec<&str> = model.members.config.iter().map(|flag| flag.name.as_str()).collect();
    assert_eq!(flags, ["name", "initial-cluster", "listen-client-urls"], "secrets stay out");
}

#[test]
fn restore_options_are_offered_where_they_apply() {
    let mut model = at_review();
    char(&mut model, '3');
    let members = screen(&model, 120, 40);
    let offered = |model: &Model, extra| model.members.choices.contains(&Choice::Extra(extra));
    assert!(!offered(&model, Extra::Alarms) && !offered(&model, Extra::Auth), "{members}");
    for facts in &mut model.snapshot.files {
        let content = facts.content.as_mut().unwrap();
        (content.alarms, content.auth_enabled) = (vec!["NOSPACE of member 1".into()], true);
    }
    char(&mut model, '2');
    char(&mut model, 'n');
    let members = screen(&model, 120, 40);
    assert!(offered(&model, Extra::Alarms) && offered(&model, Extra::Auth), "{members}");
    char(&mut model, 'n');
    let warned = |model: &Model| model.review.warnings.iter().any(|p| p.text.contains("NOSPACE"));
    assert!(warned(&model), "{:?}", model.review.warnings);
    char(&mut model, '3');
    press(&mut model, KeyCode::End);
    press(&mut model, KeyCode::Up);
    press(&mut model, KeyCode::Up);
    press(&mut model, KeyCode::Enter);
    char(&mut model, 'n');
    let plan = model.review.plan.as_ref().unwrap();
    assert!(plan.options.clear_alarms && !plan.options.disable_auth && !plan.options.compact);
    assert!(!warned(&model), "{:?}", model.review.warnings);
}

#[test]
fn bumps_are_taken_in_the_forms_people_write() {
    for (typed, bump) in [("1000000000", 1_000_000_000), ("1e9", 1_000_000_000), ("1,000", 1000), ("", 0)] {
        let mut model = at_review();
        assert_eq!(crate::tui::steps::members::set_bump(&mut model, typed), Ok(()));
        assert_eq!((model.members.bump, model.members.mark_compacted), (bump, bump > 0), "{typed}");
    }
    let mut model = at_review();
    for wrong in ["1e99", "many", "-1", "99999999999999999999"] {
        assert!(crate::tui::steps::members::set_bump(&mut model, wrong).is_err(), "{wrong}");
    }
}

#[test]
fn review_names_learners_and_a_key_keeps_them() {
    let mut model = with_file(Health::Verified);
    for facts in &mut model.snapshot.files {
        let learner = KnownMember { is_learner: true, ..member(4) };
        facts.content.as_mut().unwrap().members.push(learner);
    }
    press(&mut model, KeyCode::Enter);
    char(&mut model, 'n');
    let names = |model: &Model| model.members.rows.iter().map(|r| r.text(Column::Name).to_string()).collect::<Vec<_>>();
    assert_eq!(names(&model), ["m1", "m2", "m3"]);
    let warned = |model: &Model| model.review.warnings.iter().any(|p| p.about == About::Learner);
    let mut left = model.clone();
    char(&mut left, 'n');
    assert!(warned(&left), "{:?}", left.review.warnings);
    let choice = Choice::Learners;
    let at = model.members.rows.len() + model.members.choices.iter().position(|c| *c == choice).unwrap();
    (0..at).for_each(|_| drop(press(&mut model, KeyCode::Down)));
    crate::text::messages::hold("tui-members-learners", &[("left out", screen(&model, 120, 40))]);
    press(&mut model, KeyCode::Enter);
    assert_eq!(
        (names(&model), model.members.choice()),
        (["m1", "m2", "m3", "m4"].map(String::from).to_vec(), Some(choice))
    );
    let mut kept = model.clone();
    char(&mut kept, 'n');
    assert!(!warned(&kept) && kept.review.plan.as_ref().unwrap().members.len() == 4);
    press(&mut model, KeyCode::Enter);
    assert_eq!((names(&model), model.members.choice()), (["m1", "m2", "m3"].map(String::from).to_vec(), Some(choice)));
}
