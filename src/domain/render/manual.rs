//! A member restored by hand: the sheet of commands for a host on which requorum cannot run, and the code that it
//! returns.
//!
//! Part 1 builds the directory in staging next to the data and ends with a code, which follows from the plan, the snapshot that was
//! really used and the log that was really written; `requorum sheet --result` checks a code. Part 2 moves the old
//! data aside and the new into place. The parts are for bash on Linux with GNU or busybox tools, each in a subshell that
//! stops at the first unexpected result.

mod steps;
#[cfg(test)]
mod tests;

use sha2::{Digest, Sha256};

use crate::{
    domain::model::{
        host_address,
        plan::{Member, Plan},
    },
    text::{
        join::all,
        number::{plural, thousands},
        quote::{comment, comment_lines, shell_line},
    },
};
use crate::{error, etcd::version::Minor};

/// How much of the log's first file counts: it holds the whole table, and nothing but zeros after it.
pub const LOG_BYTES: usize = 1 << 20;

/// The sheet of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByHand {
    /// What it is about, comment lines.
    pub head: String,
    /// Brings the snapshot to the host; run on the operator's machine. Empty where the host is this machine.
    pub bring: String,
    /// Part 1: builds it in staging.
    pub build: String,
    /// Part 2: moves the old aside and the new into place.
    pub swap: String,
    /// Rolls part 2 back.
    pub back: String,
}

impl ByHand {
    /// The whole sheet.
    pub fn text(&self) -> String {
        let parts = [&self.head, &self.bring, &self.build, &self.swap, &self.back];
        let parts: Vec<&str> = parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        parts.join("\n")
    }
}

/// The sheet for the member called `name`. `stamp` is part of the names of what is moved aside, such as
/// `20261122T031200Z`.
///
/// # Errors
/// `Usage` where the plan has no such member.
pub fn sheet(plan: &Plan, name: &str, stamp: &str) -> error::Result<ByHand> {
    let member = plan.member(name)?;
    let stamp: String = stamp.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    Ok(ByHand {
        head: head(plan, member),
        bring: bring(plan, member),
        build: steps::build(plan, member),
        swap: steps::swap(plan, member, &stamp),
        back: steps::back(plan, member, &stamp),
    })
}

/// What part 1 prints: the first 16 hex digits of the SHA-256 of the plan's short ID, the snapshot's SHA-256 and that of the
/// first [`LOG_BYTES`] of the log's first file, in groups of four.
pub fn code(plan: &Plan, wal_sha256: &str) -> String {
    let digest = Sha256::digest(format!("{} {} {wal_sha256}\n", plan.short_id(), plan.source.sha256));
    let groups: Vec<String> =
        digest.chunks(2).take(4).map(|pair| pair.iter().map(|b| format!("{b:02x}")).collect()).collect();
    groups.join("-")
}

/// Whether two codes are the same but for how they were typed.
pub fn same_code(typed: &str, code: &str) -> bool {
    let digits = |text: &str| -> String {
        text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_lowercase()).collect()
    };
    digits(typed) == digits(code)
}

/// The versions of etcd's own tool that make what this plan asks for. Each writes the log in the forms of its version; those
/// of 3.5 and 3.6 are the same, and every etcd starts on them.
pub fn tools(plan: &Plan) -> &'static [Minor] {
    match plan.target {
        Some(Minor::V3_4) => &[Minor::V3_4, Minor::V3_5, Minor::V3_6],
        None | Some(Minor::V3_5 | Minor::V3_6) => &[Minor::V3_5, Minor::V3_6],
        Some(Minor::V3_7) => &[Minor::V3_5, Minor::V3_6, Minor::V3_7],
    }
}

/// Why no tool of etcd can do what the plan asks for, a sentence without a full stop; `None` where one can.
pub fn beyond_etcdutl(plan: &Plan) -> Option<String> {
    let chosen = &plan.options;
    let asked = [
        (chosen.clear_alarms, "leave out the alarms"),
        (chosen.finish_downgrade, "end the downgrade"),
        (chosen.disable_auth, "disable authentication"),
        (chosen.set_version, "set storage and cluster version"),
        (chosen.compact, "write the database compacted"),
        (chosen.accept_damage.is_some(), "read a file of which a part is damaged"),
        (plan.source.snapshot_bytes.is_some(), "leave out the bytes after the snapshot"),
    ];
    let asked: Vec<String> = asked.iter().filter(|(asked, _)| *asked).map(|(_, what)| (*what).into()).collect();
    (!asked.is_empty())
        .then(|| format!("the plan asks to {}, which no tool of etcd can do while it restores", all(&asked)))
}

/// The command of etcd's own tool for this member, for other sheets; it makes `data_dir` and, where the plan has one,
/// `wal_dir`.
///
/// # Errors
/// The sentence of [`beyond_etcdutl`].
pub fn etcdutl(plan: &Plan, member: &Member) -> Result<String, String> {
    if let Some(why) = beyond_etcdutl(plan) {
        return Err(why);
    }
    let data_dir = member.data_dir.to_string_lossy();
    let mut words = vec!["etcdutl".to_string(), "snapshot".into(), "restore".into()];
    words.push(plan.source.path.to_string_lossy().into_owned());
    words.extend(steps::restore_flags(plan, member));
    words.push(format!("--data-dir={data_dir}"));
    words.extend(member.wal_dir.iter().map(|wal| format!("--wal-dir={}", wal.display())));
    Ok(shell_line(words))
}

fn host(member: &Member) -> String {
    if host_address::is_local(&member.host) { "this machine".into() } else { comment(&member.host) }
}

fn head(plan: &Plan, member: &Member) -> String {
    let mut out = format!(
        "# Restore by hand: member {} on {} · cluster {} · plan {}\n# member ID {} of new cluster {} · {} members · begins at \
         revision {}\n#\n",
        comment(&member.name),
        host(member),
        comment(&plan.label),
        plan.short_id(),
        member.id,
        plan.cluster_id,
        plan.members.len(),
        thousands(plan.expected_revision().unsigned_abs()),
    );
    for note in [
        "Paste each part as a whole into bash on the host, as root, or as the user that etcd runs as if the parent directory \
         of the data belongs to that user. A part that finds something unexpected reports it and stops",
        "Part 1 can be done at any time: it builds in staging and touches nothing that is in use. Part 2 must wait until \
         every member of the plan is built and its code is verified",
    ] {
        comment_lines(&mut out, note);
    }
    out
}

fn bring(plan: &Plan, member: &Member) -> String {
    if host_address::is_local(&member.host) {
        return String::new();
    }
    let mut out = String::from("# ---- On the machine with the plan: copy the snapshot\n");
    let bytes = plan.source.bytes;
    let unit = plural(usize::try_from(bytes).unwrap_or(usize::MAX), "byte", "bytes");
    comment_lines(&mut out, &format!("{} {unit}, into the home directory there", thousands(bytes)));
    let file = steps::file_name(plan);
    // scp takes a port in its URL form only, whose path begins after the slash, at home.
    let to = match member.host.starts_with("ssh://") {
        true => format!("scp://{}/{file}", member.host.trim_start_matches("ssh://").trim_end_matches('/')),
        false => {
            let (user, name) = member.host.rsplit_once('@').map_or(("", &*member.host), |(user, name)| (user, name));
            let user = if user.is_empty() { String::new() } else { format!("{user}@") };
            let bare = name.contains(':') && !name.starts_with('[');
            if bare { format!("{user}[{name}]:{file}") } else { format!("{user}{name}:{file}") }
        }
    };
    out.push_str(&shell_line(["scp", "-p", &plan.source.path.to_string_lossy(), &to]));
    out.push('\n');
    out
}
