//! Drafts that become plans, drafts that do not, and plans that were tampered with.
#![allow(clippy::unwrap_used, missing_docs)]

use super::*;
use crate::domain::members::table::Severity;
use crate::domain::render::plan_steps::sentences;
use crate::error::Remedy;

pub(crate) fn draft() -> Draft {
    let content = Content { sha256: "9f3c11aa".repeat(8), revision: 83_799, keys: 4_112, ..Content::default() };
    let rows = (1..=3)
        .map(|n| {
            Row::default()
                .with(Column::Name, format!("m{n}"), Origin::Snapshot)
                .with(Column::Peer, format!("HTTP://127.0.0.3{n}:2380"), Origin::Snapshot)
                .with(Column::Client, format!("http://127.0.0.3{n}:2379"), Origin::Snapshot)
                .with(Column::DataDir, format!("/var/lib/etcd/m{n}.etcd"), Origin::Proposed)
        })
        .collect();
    Draft {
        label: "prod-eu".into(),
        token: "spec-token".into(),
        created: "2026-11-22T03:12:00Z".into(),
        source: Some(FileFacts {
            path: "/backup/etcd-0200.db".into(),
            bytes: 143_392,
            modified: None,
            health: Health::Verified,
            content: Some(content),
        }),
        rows,
        ..Draft::default()
    }
}

fn content(draft: &mut Draft) -> &mut Content {
    draft.source.as_mut().unwrap().content.as_mut().unwrap()
}

/// The errors among the problems, a line each; there must be one.
fn errors(problems: &[Problem]) -> String {
    let errors: Vec<&Problem> = problems.iter().filter(|p| p.severity == Severity::Error).collect();
    assert!(!errors.is_empty(), "{problems:?}");
    errors.iter().map(|p| format!("{} {:?}\n", p.text, p.remedies)).collect()
}

#[test]
fn a_complete_draft_becomes_a_plan_with_ids() {
    let built = build(&draft()).unwrap();
    assert_eq!(built.warnings, []);
    let plan = built.plan;
    let ids: Vec<String> = plan.members.iter().map(|m| m.id.to_string()).collect();
    assert_eq!(ids, ["cfa01bbb22abcc1b", "3c505846437ba852", "bdbc04245f594d01"]);
    assert_eq!(plan.cluster_id.to_string(), "e88e3c40b93f9f54");
    assert_eq!(plan.members[0].peer_urls, ["http://127.0.0.31:2380"]);
    assert!(!plan.source.skip_hash_check && plan.expected_revision() == 83_799);
    assert_eq!(verify(&plan), []);
}

#[test]
fn what_stops_a_draft() {
    type Change = fn(&mut Draft);
    fn limited(d: &mut Draft, hashed: bool) {
        let parts = vec![crate::domain::model::observations::DamagedPart::FreeList];
        let damage = crate::domain::model::observations::LimitedDamage {
            parts,
            revision: 83_799,
            hashed,
            why: "a list is torn".into(),
        };
        d.source.as_mut().unwrap().health = Health::Limited(damage);
    }
    let cases: [(Change, &str); 23] = [
        (|d| limited(d, true), "a list is torn"),
        (
            |d| {
                limited(d, true);
                d.options.accept_damage = Some(83_798);
            },
            "accept that state (--accept-damage=83799)",
        ),
        (
            |d| {
                limited(d, false);
                d.options.accept_damage = Some(83_799);
            },
            "has no SHA-256",
        ),
        (|d| d.label = " ".into(), "no label"),
        (|d| d.label = "a\nb".into(), "U+000A (line feed)"),
        (|d| d.token.clear(), "the token is empty"),
        (|d| d.source = None, "no snapshot is chosen"),
        (|d| d.source.as_mut().unwrap().health = Health::Unread, "has not been read in full"),
        (|d| d.source.as_mut().unwrap().content = None, "has not been read in full"),
        (|d| d.source.as_mut().unwrap().health = Health::Unhashed, "has no SHA-256"),
        (|d| d.source.as_mut().unwrap().health = Health::Broken("page 7 is torn".into()), "page 7 is torn"),
        (
            |d| {
                d.source.as_mut().unwrap().health = Health::Broken("page 7 is torn".into());
                d.skip_hash_check = true;
            },
            "page 7 is torn",
        ),
        (|d| d.source.as_mut().unwrap().path = "/b\u{1b}[2J".into(), "in the snapshot's path"),
        (
            |d| d.source.as_mut().unwrap().path = "/var/lib/etcd/m2.etcd/member/snap/db".into(),
            "the snapshot is in this data dir",
        ),
        (|d| d.rows.clear(), "the table is empty"),
        (|d| d.rows[1].set(Column::Peer, "http:/x:2380", Origin::Typed), "one slash is missing"),
        (|d| d.bump_revision = 1, "a bump without the other"),
        (|d| d.mark_compacted = true, "the other without a bump"),
        (
            |d| {
                d.mark_compacted = true;
                d.bump_revision = u64::MAX;
            },
            "exceeds the largest revision",
        ),
        (
            |d| {
                d.mark_compacted = true;
                d.bump_revision = i64::MAX as u64 - 83_798;
            },
            "the largest possible bump is 9,223,372,036,854,692,008",
        ),
        (
            |d| {
                content(d).storage_version = "3.7.0".into();
                d.target = Some(Minor::V3_6);
            },
            "etcd 3.6 does not start on a snapshot of 3.7 (\"version \\\"3.7.0\\\" is not supported\")",
        ),
        (
            |d| {
                content(d).cluster_version = "3.7.0".into();
                d.target = Some(Minor::V3_6);
            },
            "etcd 3.6 does not start on a snapshot of 3.7 (\"invalid downgrade; ",
        ),
        (|d| d.rows.iter_mut().for_each(|r| r.set(Column::DataDir, "/d", Origin::Typed)), "already the data dir of m1"),
    ];
    let mut messages = Vec::new();
    for (change, what) in cases {
        let mut draft = draft();
        change(&mut draft);
        messages.push((what, errors(&build(&draft).unwrap_err())));
    }
    crate::text::messages::hold("plan-draft-refused", &messages);
    let mut most = draft();
    (most.mark_compacted, most.bump_revision) = (true, i64::MAX as u64 - 83_799);
    assert_eq!(build(&most).unwrap().plan.expected_revision(), i64::MAX);
}

#[test]
fn what_a_snapshot_brings_along_is_a_warning() {
    type Change = fn(&mut Draft);
    let cases: [(Change, &str); 8] = [
        (|d| content(d).alarms = vec!["NOSPACE of member 1f2e".into()], "an alarm"),
        (|d| (content(d).auth_enabled, content(d).users) = (true, 2), "authentication"),
        (|d| content(d).downgrading = true, "a downgrade"),
        (|d| content(d).leases = 3, "leases"),
        (
            |d| {
                d.skip_hash_check = true;
                d.source.as_mut().unwrap().health = Health::Unhashed;
            },
            "no SHA-256",
        ),
        (|d| content(d).storage_version = "3.7.0".into(), "a later storage version"),
        (
            |d| {
                content(d).storage_version = "3.6.0".into();
                d.target = Some(Minor::V3_5);
            },
            "an earlier storage version",
        ),
        (|d| d.source.as_mut().unwrap().path = "x.db".into(), "a relative path"),
    ];
    let mut messages = Vec::new();
    for (change, what) in cases {
        let mut draft = draft();
        change(&mut draft);
        let built = build(&draft).unwrap();
        assert_eq!(built.warnings.len(), 1, "{:?}", built.warnings);
        messages.push((what, built.warnings[0].text.clone()));
        assert_eq!(built.plan.source.skip_hash_check, draft.skip_hash_check);
    }
    crate::text::messages::hold("plan-warnings", &messages);
    let mut same = draft();
    content(&mut same).storage_version = "3.6.0".into();
    same.target = Some(Minor::V3_6);
    same.skip_hash_check = true;
    let built = build(&same).unwrap();
    assert!(built.warnings.is_empty() && !built.plan.source.skip_hash_check, "a good trailer is checked all the same");
}

#[test]
fn an_option_ends_its_warning_and_is_reviewed() {
    type Change = fn(&mut Draft);
    let cases: [(Change, Change, &str); 4] = [
        (|d| content(d).alarms = vec!["CORRUPT of member 1".into()], |d| d.options.clear_alarms = true, "alarms"),
        (|d| content(d).auth_enabled = true, |d| d.options.disable_auth = true, "authentication"),
        (|d| content(d).downgrading = true, |d| d.options.finish_downgrade = true, "a downgrade"),
        (
            |d| {
                content(d).storage_version = "3.7.0".into();
                d.target = Some(Minor::V3_5);
            },
            |d| d.options.set_version = true,
            "versions",
        ),
    ];
    let mut messages = Vec::new();
    for (with, option, what) in cases {
        let mut draft = draft();
        with(&mut draft);
        let plain = build(&draft).unwrap();
        assert_eq!(plain.warnings.len(), 1, "{what}");
        let before = sentences(&plain.plan, &Shared::None);
        option(&mut draft);
        let built = build(&draft).unwrap();
        assert_eq!(built.warnings, [], "{what}");
        let mut added = sentences(&built.plan, &Shared::None);
        added.retain(|sentence| !before.contains(sentence));
        assert!(!added.is_empty(), "{what}");
        messages.push((what, added.join("\n")));
        assert_ne!(built.plan.short_id(), plain.plan.short_id());
    }
    crate::text::messages::hold("plan-options-reviewed", &messages);
    // Without it etcd 3.6 would not start at all.
    let mut draft = draft();
    (content(&mut draft).storage_version, draft.target) = ("3.7.0".into(), Some(Minor::V3_6));
    assert!(build(&draft).unwrap_err().iter().any(|p| p.remedies == [Remedy::SetVersions]));
    draft.options.set_version = true;
    assert!(
        sentences(&build(&draft).unwrap().plan, &Shared::None)
            .contains(&"Set storage and cluster version to 3.6.0".to_string())
    );
}

#[test]
fn options_that_cannot_be_carried_out_are_errors() {
    type Change = fn(&mut Draft);
    let cases: [(Change, &str); 5] = [
        (|d| d.options.set_version = true, "needs a target etcd version"),
        (|d| d.options.mode = Some("0990".into()), "the mode \"0990\" is not one from 0700 to 0777"),
        (|d| d.options.mode = Some("0600".into()), "is not one from 0700 to 0777"),
        (|d| d.options.like = Some("old".into()), "must be an absolute path"),
        (|d| d.options.owner = Some("et\u{200b}cd".into()), "in the owner"),
    ];
    let mut messages = Vec::new();
    for (change, what) in cases {
        let mut draft = draft();
        change(&mut draft);
        let problems = build(&draft).unwrap_err();
        messages.push((what, errors(&problems)));
        let mut plan = build(&self::draft()).unwrap().plan;
        plan.options = draft.options;
        let verified = verify(&plan);
        assert!(problems.iter().filter(|p| p.severity == Severity::Error).all(|p| verified.contains(p)), "{what}");
    }
    crate::text::messages::hold("plan-options-refused", &messages);
}

#[test]
fn a_tampered_plan_is_detected() {
    let plan = build(&draft()).unwrap().plan;
    type Change = fn(&mut Plan);
    let cases: [(Change, &str); 14] = [
        (|p| p.members[0].data_dir = "/var/lib/x/../../etc/d".into(), "the data dir contains \"..\""),
        (|p| p.members[0].data_dir = "/var/lib/etcd/..".into(), "the data dir contains \"..\""),
        (|p| p.members[1].wal_dir = Some("/../wal".into()), "the WAL dir contains \"..\""),
        (|p| p.members = vec![p.members[0].clone(); 5_000], "at most 100"),
        (|p| p.token = "other".into(), "follows from its peer URLs and the token"),
        (|p| p.members[1].id.0 ^= 1, "the plan gives m2 the ID 3c505846437ba853"),
        (|p| p.cluster_id.0 ^= 1, "the plan gives the cluster the ID"),
        (
            |p| p.members[0].peer_urls[0] = "HTTP://127.0.0.31:2380".into(),
            "which etcd prints as http://127.0.0.31:2380",
        ),
        (|p| p.members[0].client_urls = vec![" http://a:2379".into()], "which etcd prints as"),
        (|p| p.members[2].name = "m1".into(), "(row 1)"),
        (|p| p.source.sha256 = "9F3C".into(), "sha256 is not 64 hex digits"),
        (|p| p.bump_revision = 5, "a bump without the other"),
        (|p| p.members[0].etcd_flags = vec!["--force-new-cluster".into()], "--force-new-cluster is set by the plan"),
        (|p| p.members.clear(), "the table is empty"),
    ];
    let mut messages = Vec::new();
    for (change, what) in cases {
        let mut plan = plan.clone();
        change(&mut plan);
        messages.push((what, errors(&verify(&plan))));
    }
    crate::text::messages::hold("plan-tampered", &messages);
}

#[test]
fn the_review_lists_reads_writes_and_leftovers() {
    let mut draft = draft();
    (draft.bump_revision, draft.mark_compacted) = (1_000_000_000, true);
    draft.rows[1].set(Column::WalDir, "/wal/m2", Origin::Typed);
    let text = sentences(&build(&draft).unwrap().plan, &Shared::None);
    crate::text::messages::hold("plan-steps", &[("a plan", text.join("\n"))]);
    assert!(text.iter().all(|t| !t.ends_with('.')));
}

#[test]
fn accepted_damage_in_the_plan_fits_its_snapshot() {
    for hashed in [true, false] {
        let mut draft = draft();
        let parts = vec![crate::domain::model::observations::DamagedPart::NewerMetaPage];
        let damage = crate::domain::model::observations::LimitedDamage {
            parts,
            revision: 83_799,
            hashed,
            why: "torn: page 7".into(),
        };
        draft.source.as_mut().unwrap().health = Health::Limited(damage);
        draft.skip_hash_check = !hashed;
        draft.options.accept_damage = Some(83_799);
        let built = build(&draft).unwrap();
        assert!(built.warnings.iter().any(|p| p.text.contains("torn: page 7")), "{:?}", built.warnings);
        assert_eq!((built.plan.source.skip_hash_check, built.plan.options.accept_damage), (!hashed, Some(83_799)));
        assert_eq!(verify(&built.plan), []);
        let mut other = built.plan;
        other.options.accept_damage = Some(5);
        assert!(matches!(&verify(&other)[..], [one] if one.severity == Severity::Error), "{:?}", verify(&other));
    }
}

#[test]
fn bytes_after_a_snapshot_are_a_warning() {
    let mut draft = draft();
    draft.source.as_mut().unwrap().content.as_mut().unwrap().snapshot_bytes = Some(36_896);
    let built = build(&draft).unwrap();
    assert!(built.warnings.iter().any(|p| p.text.contains("36,896")), "{:?}", built.warnings);
    assert_eq!(built.plan.source.snapshot_bytes, Some(36_896));
    assert!(crate::domain::render::manual::beyond_etcdutl(&built.plan).is_some(), "etcdutl does not know such a file");
}
