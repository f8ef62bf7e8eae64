//! The whole recovery as one document: every step with a check box, for a recovery by hand.

use super::start::{Known, StartFormat, page};
use crate::{
    domain::{
        model::{
            host_address,
            plan::{Member, Plan},
        },
        render::manual,
    },
    text::{
        number::{plural, thousands},
        quote::{comment, shell_line, shell_word},
    },
};

/// The runbook as Markdown. Each member is started in the form that fits how it was started until now, or in `form`.
/// `stamp` is part of the names of what is moved aside.
pub fn runbook(plan: &Plan, form: Option<StartFormat>, known: &Known, stamp: &str) -> String {
    let mut out = head(plan);
    before(&mut out, plan);
    restore(&mut out, plan, stamp);
    start(&mut out, plan, form, known);
    look(&mut out, plan);
    back(&mut out, plan, stamp);
    out
}

fn host(member: &Member) -> String {
    if host_address::is_local(&member.host) { "this machine".into() } else { comment(&member.host) }
}

/// A line with a box.
fn tick(out: &mut String, text: &str) {
    out.push_str(&format!("- [ ] {text}\n"));
}

/// Commands in a block that nothing in them can end.
fn block(out: &mut String, language: &str, text: &str) {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    out.push_str(&format!("\n{fence}{language}\n{}\n{fence}\n\n", text.trim_end()));
}

/// Text between backticks, for a sentence or a table.
fn code(text: &str) -> String {
    let text = comment(text).replace('|', "\\|");
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

fn head(plan: &Plan) -> String {
    let count = plan.members.len();
    let mut out = format!(
        "# Runbook: cluster {}, plan {}\n\nMade {} · new cluster ID {} · token {} · {count} {} · begins at revision {}\n\n\
         | member | host | member ID | data directory | WAL directory |\n|---|---|---|---|---|\n",
        code(&plan.label),
        plan.short_id(),
        comment(&plan.created),
        plan.cluster_id,
        code(&plan.token),
        plural(count, "member", "members"),
        thousands(plan.expected_revision().unsigned_abs()),
    );
    for m in &plan.members {
        let wal = m.wal_dir.as_ref().map_or_else(|| "inside".into(), |wal| code(&wal.to_string_lossy()));
        let data = code(&m.data_dir.to_string_lossy());
        out.push_str(&format!("| {} | {} | {} | {data} | {wal} |\n", code(&m.name), host(m), m.id));
    }
    out.push_str("\nCarried out by ________________ on ________________, from ______ to ______\n");
    out
}

fn before(out: &mut String, plan: &Plan) {
    out.push_str("\n## 1. Before anything is written\n\n");
    tick(out, "No one else is working on this cluster, and everyone who could is informed");
    for m in &plan.members {
        tick(
            out,
            &format!("{}: no etcd of the old cluster runs on {}, and nothing starts one again", code(&m.name), host(m)),
        );
    }
    tick(out, "No other member of the old cluster runs anywhere");
    tick(
        out,
        &format!(
            "The snapshot is {} ({} bytes), and this prints its SHA-256:",
            code(&plan.source.path.to_string_lossy()),
            thousands(plan.source.bytes)
        ),
    );
    block(
        out,
        "sh",
        &format!("{}\n# {}", shell_line(["sha256sum", &plan.source.path.to_string_lossy()]), plan.source.sha256),
    );
}

fn restore(out: &mut String, plan: &Plan, stamp: &str) {
    out.push_str("## 2. Restore\n\n");
    let local = plan.members.iter().all(|m| host_address::is_local(&m.host));
    let command = if local { "requorum restore plan.yaml" } else { "requorum apply plan.yaml" };
    out.push_str(&format!(
        "With requorum: {} restores and verifies every member. By hand, host by host:\n\n",
        code(command)
    ));
    for m in &plan.members {
        let Ok(sheet) = manual::sheet(plan, &m.name, stamp) else { continue };
        out.push_str(&format!("### {} on {}: build\n", code(&m.name), host(m)));
        if !sheet.bring.is_empty() {
            block(out, "sh", &sheet.bring);
        }
        block(out, "sh", &sheet.build);
        tick(out, "Its code: ______-______-______-______");
        tick(
            out,
            &format!(
                "{} confirms that it is as planned\n",
                code(&format!("requorum sheet plan.yaml --member {} --result CODE", shell_word(&m.name)))
            ),
        );
    }
    out.push_str("Only when every member is verified:\n\n");
    for m in &plan.members {
        let Ok(sheet) = manual::sheet(plan, &m.name, stamp) else { continue };
        out.push_str(&format!("### {} on {}: into place\n", code(&m.name), host(m)));
        block(out, "sh", &sheet.swap);
        tick(out, "Done\n");
    }
}

fn start(out: &mut String, plan: &Plan, form: Option<StartFormat>, known: &Known) {
    out.push_str("## 3. Start\n\n");
    for m in &plan.members {
        let form = form.unwrap_or_else(|| StartFormat::fitting(plan, &m.name, known));
        out.push_str(&format!("### {} on {}: {}\n", code(&m.name), host(m), form.title()));
        match page(plan, &m.name, form, known) {
            Ok(page) => block(out, "sh", &page.text()),
            Err(why) => out.push_str(&format!("\n{}.\n\n", comment(&why))),
        }
        tick(out, "Started at ______\n");
    }
}

fn look(out: &mut String, plan: &Plan) {
    out.push_str("## 4. Verify\n");
    let urls: Vec<&str> = plan.members.iter().flat_map(|m| m.client_urls.iter().map(String::as_str)).collect();
    let endpoints = format!("--endpoints={}", urls.join(","));
    let lines = [
        vec!["etcdctl", &endpoints, "endpoint", "status", "-w", "table"],
        vec!["etcdctl", &endpoints, "endpoint", "hashkv", "-w", "table"],
        vec!["etcdctl", &endpoints, "member", "list", "-w", "table"],
        vec!["etcdctl", &endpoints, "alarm", "list"],
    ];
    let lines: Vec<String> = lines.into_iter().map(shell_line).collect();
    block(out, "sh", &lines.join("\n"));
    let count = plan.members.len();
    tick(out, &format!("{count} {}, one leader, no learner", plural(count, "member", "members")));
    for m in &plan.members {
        tick(out, &format!("{} has the ID {}", code(&m.name), m.id));
    }
    if count > 1 {
        tick(out, "Equal hashes: members with different ones were restored from different snapshots; stop them");
    }
    tick(out, "No alarm");
    tick(out, "Backups are enabled again\n");
}

fn back(out: &mut String, plan: &Plan, stamp: &str) {
    out.push_str("## Roll back\n\nStop every etcd of the new cluster, then on each host:\n\n");
    for m in &plan.members {
        let Ok(sheet) = manual::sheet(plan, &m.name, stamp) else { continue };
        out.push_str(&format!("### {} on {}\n", code(&m.name), host(m)));
        block(out, "sh", &sheet.back);
    }
}
