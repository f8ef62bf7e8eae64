//! The sheet: all commands of a plan as one text to print, save or paste from.

use super::{Known, commands_on};
use crate::{
    domain::model::{
        host_address,
        plan::{Member, Plan},
    },
    text::{
        number::{plural, thousands},
        quote::{comment, comment_lines, shell_line, shell_word},
    },
};

/// All commands as one text. It has the plan's short ID, order and time, and lets no
/// command run where the restored directory is not.
pub fn sheet(plan: &Plan) -> String {
    sheet_on(plan, &Known::default())
}

/// [`sheet`], with what is known besides the plan.
pub fn sheet_on(plan: &Plan, known: &Known) -> String {
    let launches = commands_on(plan, known);
    let mut out = head(plan);
    let mut printed: Vec<&str> = Vec::new();
    for (n, (m, launch)) in plan.members.iter().zip(&launches).enumerate() {
        let host = if host_address::is_local(&m.host) { String::new() } else { format!(" on {}", comment(&m.host)) };
        let (at, of, name) = (n + 1, launches.len(), comment(&m.name));
        out.push_str(&format!("\n# {at} of {of}: {name}{host}, member ID {}\n", m.id));
        for note in launch.notes.iter().chain(&launch.changes) {
            // What holds for every member is printed once.
            if !printed.contains(&note.as_str()) {
                comment_lines(&mut out, note);
                printed.push(note);
            }
        }
        out.push_str(&guarded(m, &launch.pretty));
    }
    out.push_str(&tail(plan));
    out
}

fn head(plan: &Plan) -> String {
    let mut out = format!(
        "# Cluster {} · plan {} · made {}\n# new cluster ID {} · token {} · begins at revision {}\n#\n",
        comment(&plan.label),
        plan.short_id(),
        comment(&plan.created),
        plan.cluster_id,
        comment(&plan.token),
        thousands(plan.expected_revision().unsigned_abs()),
    );
    comment_lines(&mut out, &order(plan));
    out.push_str("# Stop every member of the old cluster first, and let none of them start again.\n");
    out
}

/// When to start the members, and what to expect meanwhile.
pub(super) fn order(plan: &Plan) -> String {
    let (count, more) = (plan.members.len(), plan.quorum() - 1);
    match (count, more) {
        (1, _) => "One member: it serves as soon as it is up".into(),
        (_, 1) => format!(
            "Start all {count} within a minute, in any order, each on its own host or terminal; the first waits for the \
             second and logs that: this is normal"
        ),
        _ => format!(
            "Start all {count} within a minute, in any order, each on its own host or terminal; the first waits for {more} \
             more and logs that: this is normal"
        ),
    }
}

/// The command, run only where the restored directory exists. No `exit`: pasted into a shell it
/// would close it.
pub(super) fn guarded(m: &Member, command: &str) -> String {
    let mut dirs = vec![m.data_dir.join("member").to_string_lossy().into_owned()];
    dirs.extend(m.wal_dir.iter().map(|d| d.to_string_lossy().into_owned()));
    let tests: Vec<String> = dirs.iter().map(|d| format!("test -d {}", shell_word(d))).collect();
    let missing = format!("{}: not started, {} does not exist; is this the right host?", m.name, dirs.join(" or "));
    format!(
        "if {}; then\n{}\nelse {} >&2; false; fi\n",
        tests.join(" && "),
        command,
        shell_line(["printf", "%s\\n", &missing])
    )
}

fn tail(plan: &Plan) -> String {
    let urls: Vec<&str> = plan.members.iter().flat_map(|m| m.client_urls.iter().map(String::as_str)).collect();
    let tls = if urls.iter().any(|u| u.starts_with("https:") || u.starts_with("unixs:")) {
        " (with --cacert, and --cert and --key where clients need them)"
    } else {
        ""
    };
    let mut out = String::from("\n");
    let count = plan.members.len();
    let lines = plural(count, "line", "lines");
    comment_lines(&mut out, &format!("Then look{tls}: {count} {lines}, one leader, cluster ID {}", plan.cluster_id));
    for words in [["endpoint", "status"], ["member", "list"]] {
        let [noun, verb] = words;
        let line = shell_line(["etcdctl", &format!("--endpoints={}", urls.join(",")), noun, verb, "-w", "table"]);
        out.push_str(&format!("# {}\n", comment(&line)));
    }
    out
}
