//! Where a command line leads that is another tool's, or mistyped: to the command of ours that does the same. What only
//! reads is never answered with a command that changes something.

use clap::{
    Command,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::surface::connection_flag;
use crate::text::{
    flow,
    nearest::{candidates, distance},
    stdio,
};

/// Commands that change something on a disk or start a process. They are proposed only for a word that is one letter
/// from theirs.
const CHANGES: [&str; 8] = ["apply", "restore", "resume", "start", "undo", "plan", "drill", "fetch"];

const PROBE: &str =
    "`requorum probe --endpoints …` asks every member for its status, health, members, alarms and HashKV";
const STATUS: &str = "`requorum snapshot status FILE` prints what a snapshot holds and whether it is intact; \
                      `requorum probe` asks the members";
const KEYS: &str =
    "`requorum snapshot keys FILE --prefix P` lists the keys in a file; for a running cluster: etcdctl get";
const ETCDCTL: &str = "requorum changes no running cluster; for that: etcdctl";
const MEMBERS: &str = "requorum changes no running cluster. Do not add or remove members while quorum is lost; \
                       `requorum probe` shows what each member answers";
const INSPECT: &str =
    "`requorum snapshot inspect FILE` lists what a snapshot holds: members, leases, users, keys by prefix";
const WIZARD: &str = "`requorum` without a command opens the wizard";
const REPORT: &str = "`requorum report PLAN` prints the journal of a recovery";
const UNDO: &str = "`requorum undo PLAN --dry-run` shows what a rollback would do; `requorum undo PLAN` does it";
const CLUSTERS: &str = "`requorum cluster list` prints the clusters that your configuration names";

/// Words of etcdctl, etcdutl, kubectl and others, and what does that here. Two words come before their first alone.
const ROOT: [(&str, &str); 104] = [
    ("status", STATUS),
    ("stat", STATUS),
    ("stats", STATUS),
    ("state", STATUS),
    ("endpoint", PROBE),
    ("endpoints", PROBE),
    ("health", PROBE),
    ("healthcheck", PROBE),
    ("cluster-health", PROBE),
    ("check", PROBE),
    ("ping", PROBE),
    ("doctor", PROBE),
    ("diagnose", PROBE),
    ("detect", PROBE),
    ("quorum", PROBE),
    ("leader", PROBE),
    ("top", PROBE),
    ("member", PROBE),
    ("members", PROBE),
    ("member list", PROBE),
    ("member add", MEMBERS),
    ("member remove", MEMBERS),
    ("member update", MEMBERS),
    ("member promote", MEMBERS),
    ("alarm", "`requorum probe` lists alarms; --clear-alarms of `requorum plan` leaves them out of the new cluster"),
    (
        "alarm disarm",
        "requorum disarms no alarm of a running cluster: etcdctl alarm disarm. For a restore: --clear-alarms",
    ),
    ("defrag", "for a running member: etcdctl defrag. A restore writes a compacted database with --compact"),
    ("compact", "for a running cluster: etcdctl compact. A restore writes a compacted database with --compact"),
    ("compaction", "for a running cluster: etcdctl compact. A restore writes a compacted database with --compact"),
    ("get", KEYS),
    ("keys", KEYS),
    ("range", KEYS),
    ("ls", KEYS),
    ("put", ETCDCTL),
    ("set", ETCDCTL),
    ("del", ETCDCTL),
    ("delete", ETCDCTL),
    ("rm", ETCDCTL),
    ("txn", ETCDCTL),
    ("lock", ETCDCTL),
    ("elect", ETCDCTL),
    ("lease grant", ETCDCTL),
    ("lease revoke", ETCDCTL),
    ("lease", INSPECT),
    ("watch", "`requorum probe --watch` asks the members again and again; to watch keys: etcdctl watch"),
    (
        "auth",
        "users and roles of a snapshot: `requorum snapshot inspect FILE`; a restore switches authentication off with --disable-auth",
    ),
    ("user", INSPECT),
    ("users", INSPECT),
    ("role", INSPECT),
    ("roles", INSPECT),
    ("move-leader", ETCDCTL),
    ("make-mirror", ETCDCTL),
    (
        "downgrade",
        "for a running cluster: etcdctl downgrade. A restore ends one that is in a snapshot with --finish-downgrade",
    ),
    ("migrate", "`requorum plan --etcd-version VERSION` writes the format of that version"),
    ("upgrade", "`requorum plan --etcd-version VERSION` writes the format of that version"),
    ("hash", "`requorum hashkv FILE` computes the HashKV of a file; `requorum probe` compares those of the members"),
    ("etcdctl", "type the command without etcdctl in front; `requorum --help` lists what there is"),
    ("etcdutl", "type the command without etcdutl in front; `requorum --help` lists what there is"),
    ("save", "`requorum snapshot save FILE --endpoints MEMBER` saves a snapshot from one member"),
    ("backup", "`requorum snapshot save FILE --endpoints MEMBER` saves a snapshot from one member"),
    ("dump", "`requorum snapshot save FILE --endpoints MEMBER` saves a snapshot from one member"),
    ("snap", "`requorum snapshot --help` lists what can be done with snapshots"),
    ("snapshots", "`requorum snapshot --help` lists what can be done with snapshots"),
    ("inspect", INSPECT),
    ("show", INSPECT),
    ("info", INSPECT),
    ("describe", INSPECT),
    ("cat", INSPECT),
    ("dump-db", INSPECT),
    ("dump-log", INSPECT),
    (
        "list",
        "`requorum snapshot list s3://BUCKET/PREFIX` lists the snapshots in an object store; `requorum drill list` the exercises",
    ),
    ("diff", "`requorum snapshot compare FILE FILE` shows which keys differ"),
    ("compare", "`requorum snapshot compare FILE FILE` shows which keys differ"),
    ("fetch", "`requorum snapshot fetch s3://BUCKET/KEY FILE` downloads a snapshot and verifies it"),
    ("download", "`requorum snapshot fetch s3://BUCKET/KEY FILE` downloads a snapshot and verifies it"),
    ("get-snapshot", "`requorum snapshot fetch s3://BUCKET/KEY FILE` downloads a snapshot and verifies it"),
    ("wizard", WIZARD),
    ("tui", WIZARD),
    ("ui", WIZARD),
    ("gui", WIZARD),
    ("run", WIZARD),
    ("open", WIZARD),
    ("recover", WIZARD),
    ("rescue", WIZARD),
    ("log", REPORT),
    ("logs", REPORT),
    ("journal", REPORT),
    ("history", REPORT),
    ("audit", REPORT),
    ("events", REPORT),
    ("rollback", UNDO),
    ("revert", UNDO),
    ("validate", "`requorum apply PLAN --check` runs the preflight of every host and writes nothing"),
    ("preflight", "`requorum apply PLAN --check` runs the preflight of every host and writes nothing"),
    ("dry-run", "`requorum apply PLAN --dry-run` builds and verifies every member, and installs nothing"),
    ("proof", "`requorum verify PLAN` compares the started cluster with its plan"),
    ("docs", "`requorum guide` lists the pages of the guide"),
    ("config", CLUSTERS),
    ("context", CLUSTERS),
    ("contexts", CLUSTERS),
    ("clusters", CLUSTERS),
    ("profile", CLUSTERS),
    ("profiles", CLUSTERS),
    ("practice", "`requorum drill` opens the wizard on a practice cluster"),
];

/// The same below `snapshot`.
const SNAPSHOT: [(&str, &str); 14] = [
    ("stat", STATUS),
    ("stats", STATUS),
    ("state", STATUS),
    ("check", STATUS),
    ("verify", STATUS),
    ("validate", STATUS),
    ("health", STATUS),
    ("hash", "`requorum hashkv FILE` computes the HashKV of a file; `requorum snapshot status FILE` prints its hash"),
    ("hashkv", "`requorum hashkv FILE` computes the HashKV of a file"),
    ("show", INSPECT),
    ("info", INSPECT),
    ("diff", "`requorum snapshot compare FILE FILE` shows which keys differ"),
    ("ls", "`requorum snapshot list s3://BUCKET/PREFIX` lists the snapshots in an object store"),
    ("download", "`requorum snapshot fetch s3://BUCKET/KEY FILE` downloads a snapshot and verifies it"),
];

/// Returns the error with its tips replaced by ours; `words` is the command line without the program, `clusters` are those
/// that the configuration names.
pub(in crate::cli) fn explained(
    mut error: clap::Error,
    command: &Command,
    words: &[String],
    clusters: &[String],
) -> clap::Error {
    let text = |error: &clap::Error, kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let Some(word) = text(&error, ContextKind::InvalidSubcommand) else { return error };
            error.remove(ContextKind::SuggestedSubcommand);
            error.remove(ContextKind::Suggested);
            with_tips(&mut error, tips(command, words, &word, clusters));
            error
        }
        ErrorKind::UnknownArgument => {
            let Some(flag) = text(&error, ContextKind::InvalidArg).and_then(|arg| connection_flag(&arg)) else {
                return error;
            };
            let path = path(command, words).0.join(" ");
            clap::Error::raw(
                ErrorKind::ArgumentConflict,
                format!(
                    "{flag} has no effect: `requorum {path}` does not connect to members. Leave the connection flags out.\n"
                ),
            )
        }
        _ => error,
    }
}

/// Adds tips to an error, wrapped to the terminal.
pub(in crate::cli) fn with_tips(error: &mut clap::Error, tips: Vec<String>) {
    // clap prints `  tip: ` before each
    const LEAD: usize = 7;
    let columns = stdio::error_columns().map_or(usize::MAX, |columns| columns.min(flow::WIDEST).saturating_sub(LEAD));
    let laid_out = |tip: String| flow::flow(&tip, columns).replace('\n', &format!("\n{}", " ".repeat(LEAD)));
    if !tips.is_empty() {
        let tips = tips.into_iter().map(|tip| laid_out(tip).into()).collect();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
}

/// Returns the commands on the line, as far as they are known, and how many words they take.
fn path<'a>(command: &Command, words: &'a [String]) -> (Vec<&'a str>, usize) {
    let (mut here, mut path, mut taken) = (command, Vec::new(), 0);
    for (at, word) in words.iter().enumerate() {
        if let Some(sub) = here.find_subcommand(word) {
            (here, taken) = (sub, at + 1);
            path.push(word.as_str());
        }
    }
    (path, taken)
}

/// Returns whether a word is in the place of the first command, where it may name a cluster.
pub(in crate::cli) fn is_first(command: &Command, words: &[String], word: &str) -> bool {
    let at = words.iter().position(|typed| typed == word).unwrap_or(words.len());
    path(command, words.get(..at).unwrap_or_default()).0.is_empty()
}

/// Returns what to type instead of an unknown command.
fn tips(command: &Command, words: &[String], word: &str, clusters: &[String]) -> Vec<String> {
    let at = words.iter().position(|typed| typed == word).unwrap_or(words.len());
    let above = path(command, words.get(..at).unwrap_or_default()).0;
    let table: &[(&str, &str)] = match above.as_slice() {
        [] => &ROOT,
        ["snapshot"] => &SNAPSHOT,
        _ => &[],
    };
    let here = above.iter().try_fold(command, |command, name| command.find_subcommand(name)).unwrap_or(command);
    let next = words.get(at + 1).map(String::as_str).unwrap_or_default();
    let two = format!("{word} {next}");
    let exact = |name: &str| table.iter().find(|(typed, _)| typed.eq_ignore_ascii_case(name)).map(|(_, tip)| *tip);
    if let Some(tip) = exact(&two).or_else(|| exact(word)) {
        return vec![tip.to_string()];
    }
    if word.chars().count() < 3 {
        // too short to be like anything
        return Vec::new();
    }
    let shown = |command: &Command| !command.is_hide_set() && command.get_name() != "help";
    let names: Vec<&str> = here.get_subcommands().filter(|sub| shown(sub)).map(Command::get_name).collect();
    let single = table.iter().map(|(typed, _)| *typed).filter(|typed| !typed.contains(' '));
    let mut meant = candidates(word, names.iter().copied().chain(single));
    let reads = meant.iter().any(|name| !CHANGES.contains(name));
    let close = |name: &str| distance(word, name) <= 1 || (word.len() > 2 && name.starts_with(word));
    meant.retain(|name| !CHANGES.contains(name) || (!reads && close(name)));
    let mut out: Vec<String> = Vec::new();
    if above.is_empty() {
        let near = candidates(word, clusters.iter().map(String::as_str)).into_iter().take(3);
        out.extend(
            near.map(|name| format!("did you mean the cluster {name}? `requorum {name}` opens the wizard with it")),
        );
    }
    for name in meant.into_iter().take(3) {
        let tip = match here.find_subcommand(name).filter(|_| names.contains(&name)) {
            None => exact(name).unwrap_or_default().to_string(),
            Some(sub) => {
                let line: Vec<&str> = above.iter().copied().chain([name]).collect();
                let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
                format!("did you mean `requorum {}`? {about}", line.join(" "))
            }
        };
        if !out.contains(&tip) {
            out.push(tip);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory;

    use super::*;
    use crate::cli::{Cli, args::surface};

    fn told(line: &str) -> (ErrorKind, String) {
        let words: Vec<String> = line.split(' ').map(str::to_string).collect();
        let mut command = surface::declare(Cli::command());
        let error = command.try_get_matches_from_mut(["requorum".to_string()].iter().chain(&words)).unwrap_err();
        let error = explained(error, &command, &words, &[]);
        (error.kind(), error.render().to_string())
    }

    #[test]
    fn words_of_other_tools_lead_to_ours() {
        for (line, tip) in [
            ("status x.db", "requorum snapshot status FILE"),
            ("stauts x.db", "requorum snapshot status FILE"),
            ("endpoint status", "requorum probe"),
            ("endpoint health --cluster", "requorum probe"),
            ("member list", "requorum probe"),
            ("member remove 8e9e05c52164694d", "Do not add or remove members"),
            ("alarm list", "lists alarms"),
            ("alarm disarm", "etcdctl alarm disarm"),
            ("defrag", "etcdctl defrag"),
            ("get foo", "requorum snapshot keys FILE"),
            ("put a b", "etcdctl"),
            ("lease list", "requorum snapshot inspect FILE"),
            ("save x.db", "requorum snapshot save FILE"),
            ("hash", "requorum hashkv FILE"),
            ("cluster-health", "requorum probe"),
            ("rollback p", "requorum undo PLAN --dry-run"),
            ("snapshot stat f", "requorum snapshot status FILE"),
            ("snapshot stauts f", "requorum snapshot status"),
            ("snapshot hash f", "requorum hashkv FILE"),
            ("snapshot ls", "requorum snapshot list"),
            ("completion bash", "requorum completions"),
            ("prob", "requorum probe"),
            ("laun p", "requorum launch"),
            ("und p", "requorum undo"),
            ("unod p", "requorum undo"),
            ("aply p", "requorum apply"),
            ("MEMBER list", "requorum probe"),
        ] {
            let (kind, text) = told(line);
            assert!(kind == ErrorKind::InvalidSubcommand && text.contains(tip), "{line}: {text}");
        }
    }

    /// Whatever a reading word is mistyped as, no command that changes something is proposed.
    #[test]
    fn reading_never_leads_to_changing() {
        let reading =
            ["status", "state", "stats", "health", "list", "check", "keys", "probe", "report", "verify", "guide"];
        let letters = ["a", "s", "t", "r", "e", "u"];
        let mut tried = 0;
        for word in reading {
            let slips = (0..word.len()).flat_map(|at| {
                let without = format!("{}{}", &word[..at], &word[at + 1..]);
                let with = letters.iter().map(move |letter| format!("{}{letter}{}", &word[..at], &word[at..]));
                with.chain([without])
            });
            for slip in slips.filter(|slip| slip.len() > 2) {
                let mut command = surface::declare(Cli::command());
                command.build();
                if command.find_subcommand(&slip).is_some() {
                    continue;
                }
                tried += 1;
                let tips = tips(&command, std::slice::from_ref(&slip), &slip, &[]).join("\n");
                let changes = CHANGES.iter().find(|name| tips.contains(&format!("did you mean `requorum {name}`")));
                assert_eq!(changes, None, "{slip}: {tips}");
            }
        }
        assert!(tried > 200, "{tried}");
    }

    #[test]
    fn connection_flags_where_no_member_is_asked() {
        for line in [
            "snapshot status f --cacert c --cert d --key e",
            "snapshot inspect f --endpoints a:1",
            "hashkv f --endpoints=a:1",
            "launch p --insecure-skip-tls-verify",
            "v2 list d --user u:p",
        ] {
            let (kind, text) = told(line);
            assert!(
                kind == ErrorKind::ArgumentConflict && text.contains("does not connect to members"),
                "{line}: {text}"
            );
        }
        assert_eq!(told("snapshot status f --cacrt c").0, ErrorKind::UnknownArgument);
    }
}
