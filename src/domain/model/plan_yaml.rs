//! `plan.yaml`: a plan as a file that people read, keep and edit. The only file that imports serde_yaml; what others
//! wrote goes through [`crate::yaml`].

use serde::Deserialize;

use super::plan::Plan;
use crate::text::size::byte_count;
use crate::{
    error::{Error, ErrorKind, Result},
    yaml::{Schema, to_json},
};

/// No plan is longer; a longer text is not parsed.
pub const MAX_BYTES: usize = 1 << 20;

/// The plan as YAML. It holds no secret. A plan that [`build`](crate::domain::members::build_plan::build) made can always
/// be written.
pub fn to_yaml(plan: &Plan) -> String {
    let mut body = serde_yaml::to_string(plan).unwrap_or_default();
    // Raw, these are line breaks of YAML 1.1 only, and refused when read: such a plan is written as JSON, which is YAML, too,
    // and has escapes for them.
    let breaks = ['\u{85}', '\u{2028}', '\u{2029}'];
    if body.contains(breaks) {
        body = serde_json::to_string_pretty(plan).unwrap_or_default() + "\n";
        for c in breaks {
            body = body.replace(c, &format!("\\u{:04x}", u32::from(c)));
        }
    }
    format!("# A recovery plan of requorum. `requorum launch PLAN` prints the launch commands.\n{body}")
}

/// How many brackets may be open; requorum itself writes none but those of IPv6 addresses.
const MAX_DEPTH: usize = 64;

/// Reads any YAML (or JSON) of a bounded size and depth that others wrote; `what` is how the text is called in errors.
///
/// # Errors
/// `Input` when it is longer than 1 MiB, nested too deep, or no YAML.
pub(crate) fn yaml(what: &str, text: &str) -> Result<serde_json::Value> {
    bounded(what, text)?;
    to_json(text, Schema::Words)
        .map_err(|error| Error::new(ErrorKind::Input, format!("{what} cannot be read")).why(brief(&error.to_string())))
}

/// Refuses what libyaml would take long for: its time grows with the square of the depth, and
/// 100,000 brackets take it ten seconds.
fn bounded(what: &str, text: &str) -> Result<()> {
    let refused = |why: String| Err(Error::new(ErrorKind::Input, format!("{what} {why}")));
    if text.len() > MAX_BYTES {
        return refused(format!(
            "is {} long and was not read; it may have {}",
            byte_count(text.len() as u64),
            byte_count(MAX_BYTES as u64)
        ));
    }
    if depth(text) > MAX_DEPTH {
        return refused(format!("was not read: it opens more than {MAX_DEPTH} brackets inside each other"));
    }
    Ok(())
}

/// The largest number of brackets that are open at once, wherever they are.
fn depth(text: &str) -> usize {
    let (mut open, mut most) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// Only what shows whether the rest can be understood.
#[derive(Deserialize)]
struct Head {
    version: Option<u64>,
}

/// Reads a plan. Its content is not validated here; [`verify`](crate::domain::members::build_plan::verify) does that.
///
/// # Errors
/// `Input`, naming the line where there is one: longer than 1 MiB, another version, not YAML, a
/// field that is missing, unknown or there twice.
pub fn from_yaml(text: &str) -> Result<Plan> {
    let refused = |what: String| Error::new(ErrorKind::Input, what);
    bounded("the plan", text)?;
    let unread = |error: String| {
        refused("the plan cannot be read".into())
            .why(brief(&error))
            .hint("Correct the line, or make the plan again in the wizard.")
    };
    // serde_yaml's parser is not safe code: it meets only what a safe one has accepted.
    crate::yaml::check(text).map_err(|error| unread(error.to_string()))?;
    // The version first: the fields of a later one would be reported as unknown.
    if let Ok(Head { version: Some(version) }) = serde_yaml::from_str(text)
        && version != 1
    {
        return Err(refused(format!("the plan has version {version}, and this requorum reads version 1"))
            .hint("Use the requorum that wrote it."));
    }
    serde_yaml::from_str(text).map_err(|error| unread(error.to_string()))
}

/// What the parser says, without the text that it quotes: the wrong file may be long, or a key.
fn brief(error: &str) -> String {
    match (error.split_once('"'), error.rsplit_once('"')) {
        (Some((before, _)), Some((quoted, after))) if quoted.chars().count() > before.chars().count() + 60 => {
            format!("{before}\"…\"{after}")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn a_wrong_file_is_not_read_out() {
        let error = from_yaml(&"-----BEGIN secret words ".repeat(20)).unwrap_err();
        assert!(!error.why.contains("secret"), "{}", error.why);
        crate::text::messages::hold("plan-file-foreign", &[("another file", error.to_string())]);
        // A short word is what has to be corrected, and is named.
        assert_eq!(brief("invalid value: string \"3.9\", expected 3.4"), "invalid value: string \"3.9\", expected 3.4");
    }
    use proptest::prelude::*;

    use super::*;
    use crate::{
        domain::{
            members::build_plan,
            model::{
                options::Options,
                plan::{Member, Source},
            },
        },
        etcd::{membership::Id, version::Minor},
    };

    fn plan() -> Plan {
        build_plan::build(&build_plan::tests::draft()).unwrap().plan
    }

    #[test]
    fn a_plan_reads_as_people_expect() {
        let yaml = to_yaml(&plan());
        assert!(yaml.contains("\ncluster_id: e88e3c40b93f9f54\n"), "{yaml}");
        assert!(
            yaml.contains("\n- name: m1\n  id: cfa01bbb22abcc1b\n  peer_urls:\n  - http://127.0.0.31:2380\n"),
            "{yaml}"
        );
        assert!(!yaml.contains("wal_dir") && !yaml.contains("target"));
        assert_eq!(from_yaml(&yaml), Ok(plan()));
    }

    #[test]
    fn what_is_refused_names_its_line() {
        let good = to_yaml(&plan());
        let mut messages = Vec::new();
        for (what, text) in [
            ("an unknown field", good.replace("label:", "lable:")),
            ("a field twice", good.replace("token: spec-token", "token: a\ntoken: b")),
            ("an unknown field of a member", good.replace("- name: m2", "- name: m2\n  colour: red")),
            ("a field of a member twice", good.replace("- name: m2", "- name: m2\n  name: m4")),
            ("no number", good.replace("  revision: 83799", "  revision: much")),
            ("no ID", good.replace("cluster_id: e88e3c40b93f9f54", "cluster_id: xyz")),
            ("no token", good.replace("token: spec-token\n", "")),
            ("no YAML", "members: [".into()),
            ("nothing", String::new()),
            ("a list", "- a".into()),
        ] {
            let error = from_yaml(&text).unwrap_err();
            assert!(error.kind == ErrorKind::Input && !error.hint.is_empty(), "{what}");
            messages.push((what, error.to_string()));
        }
        crate::text::messages::hold("plan-file-lines", &messages);
    }

    #[test]
    fn other_versions_and_long_texts_are_refused() {
        let next = to_yaml(&plan()).replace("version: 1", "version: 2\nnew_field: 3");
        let refused = |text: &str| from_yaml(text).unwrap_err().to_string();
        let messages = [
            ("a later version", refused(&next)),
            ("too long", refused(&" ".repeat(MAX_BYTES + 1))),
            ("too deep", refused(&"[".repeat(100_000))),
        ];
        crate::text::messages::hold("plan-file-refused", &messages);
        // Nine levels of nine references each: a file of a few bytes that would fill the memory.
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
        for n in 1..9 {
            bomb += &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(","));
        }
        assert!(from_yaml(&bomb).is_err());
    }

    #[test]
    fn line_breaks_of_another_yaml_survive() {
        for text in ["\u{2028}", "a\u{2029}b", "a \u{2028}: #", "'\u{85}\"\\"] {
            let plan = Plan { label: text.into(), token: text.into(), ..plan() };
            assert_eq!(from_yaml(&to_yaml(&plan)), Ok(plan), "{text:?}");
        }
    }

    prop_compose! {
        fn members()(host in "local|root@[a-z0-9.]{1,9}|ssh://a:22", name in "\\PC{1,8}|[0-9]{1,5}|null|~|yes|0x1f|1e5", id: u64, dir in "/\\PC{0,10}", wal: bool,
            flags in prop::collection::vec("\\PC{0,10}", 0..3)) -> Member {
            Member { name, host, id: Id(id), peer_urls: vec!["http://a:1".into()], client_urls: vec![], data_dir: dir.clone().into(),
                wal_dir: wal.then(|| dir.into()), etcd_flags: flags }
        }
    }

    prop_compose! {
        fn plans()(wild in prop::option::of("0[0-7]{3}"), label in "\\PC{0,8}|[0-9.]{1,5}|true", token in "\\PC{0,12}", minor in 0usize..5, revision: i64, bump: u64, mark: bool,
            id in prop_oneof![any::<u64>(), 0u64..0x1000], members in prop::collection::vec(members(), 0..4)) -> Plan {
            Plan { version: 1, label, token, created: "2026-11-22T03:12:00Z".into(), target: Minor::ALL.get(minor).copied(),
                source: Source { path: "/b".into(), bytes: bump, sha256: "12e4".into(), revision, keys: bump, skip_hash_check: mark, snapshot_bytes: mark.then_some(bump) },
                bump_revision: bump, mark_compacted: mark, revisions: Default::default(), options: Options { disable_auth: mark, mode: wild, ..Options::default() }, cluster_id: Id(id), members }
        }
    }

    proptest! {
        #[test]
        fn every_plan_survives_its_file(plan in plans()) {
            prop_assert_eq!(from_yaml(&to_yaml(&plan)), Ok(plan));
        }

        #[test]
        fn no_text_is_a_panic(text in "[a-z0-9:\\-\\[\\]{}&*!|>'\"#%@,? \n]{0,60}") {
            prop_assert!(from_yaml(&text).is_err());
        }
    }
}
