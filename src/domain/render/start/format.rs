//! The formats in which a member's start is printed, and the page of each: files for their places, the lines that start it,
//! and the rollback.

pub use super::format_input::{File, StartFormat};
use super::format_input::{FormatInput, Rendered};
use super::{Known, command_sheet, config_file, container, launch, static_pod, systemd};
use crate::domain::members::etcd_flags;
use crate::{
    domain::{
        model::{
            host_address,
            plan::{Member, Plan},
        },
        render::manual,
    },
    etcd::version::Minor,
    text::{
        escape,
        join::either,
        number::thousands,
        quote::{comment, comment_lines},
    },
};

/// How one member is started, in one form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The member.
    pub member: String,
    /// The form.
    pub form: StartFormat,
    /// The member, and when to start it: comment lines.
    pub head: String,
    /// What goes to its place on the host before; `start` writes it there.
    pub files: Vec<File>,
    /// The lines for a shell on the host that start it, only where the restored directory is.
    pub start: String,
    /// The lines that roll it back.
    pub back: String,
    /// What to know, and which earlier flags changed: sentences without a full stop.
    pub notes: Vec<String>,
}

impl Page {
    /// All of it as one text that a shell on the host takes as a whole.
    pub fn text(&self) -> String {
        let mut out = format!("{}{}\n", self.head, self.start);
        comment_lines(&mut out, "Rollback, with etcd stopped");
        for line in self.back.lines() {
            out.push_str(&format!("# {line}\n"));
        }
        out
    }
}

/// The page of the member called `name`.
///
/// # Errors
/// A sentence without a full stop: why this form cannot hold it.
pub fn page(plan: &Plan, name: &str, form: StartFormat, known: &Known) -> Result<Page, String> {
    let member = plan.member(name).map_err(|error| error.what)?;
    let at = plan.members.iter().position(|m| m.name == name).unwrap_or_default();
    let ground = known.ground(plan, member);
    let launch = launch(plan, member, &ground, known);
    let flags = etcd_flags::read(launch.argv.get(1..).unwrap_or_default());
    let mut makings = FormatInput { plan, member, launch, flags, ground, top: top(plan, member, at) };
    let mut notes: Vec<String> = makings.launch.notes.iter().chain(&makings.launch.changes).cloned().collect();
    notes.extend(match form {
        StartFormat::Unit | StartFormat::DropIn | StartFormat::Environment => systemd::notes(&makings, form),
        StartFormat::Config => config_file::notes(&makings),
        StartFormat::Docker | StartFormat::Podman | StartFormat::Compose => container::notes(&makings),
        StartFormat::Pod => static_pod::adapt(&mut makings),
        StartFormat::Shell => Vec::new(),
    });
    if makings.ground.version.is_none() {
        notes.push("The etcd version is not known, so flags it does not have are not detected".into());
    }
    if let Some(unit) = makings.contained() {
        let place = unit.place();
        if matches!(form, StartFormat::DropIn | StartFormat::Environment | StartFormat::Config) {
            return Err(format!(
                "{place} runs etcd in a container: with this format it would run a program of the host instead; use the \
                 format docker or podman, or systemd for a separate unit"
            ));
        }
        notes.push(format!("{place} still runs etcd in a container: disable it first, or it starts that again"));
    }
    let head = head(&makings, &notes);
    let said = match form {
        StartFormat::Shell => shell(&makings),
        StartFormat::Unit => systemd::unit(&makings),
        StartFormat::DropIn => systemd::drop_in(&makings),
        StartFormat::Environment => systemd::environment(&makings)?,
        StartFormat::Config => config_file::config(&makings)?,
        StartFormat::Docker => container::run(&makings, "docker"),
        StartFormat::Podman => container::run(&makings, "podman"),
        StartFormat::Compose => container::compose(&makings),
        StartFormat::Pod => static_pod::patch(&makings),
    };
    let Rendered { files, start, back } = said;
    // What this form has no escape for would be pasted unseen.
    let lines = [&head, &start, &back].into_iter().chain(files.iter().flat_map(|file| [&file.place, &file.text]));
    if let Some(c) = lines.filter_map(|text| escape::find(&text.replace('\t', ""))).next() {
        return Err(format!("it would contain U+{:04X}, which cannot be written there visibly", u32::from(c)));
    }
    let notes = notes.iter().map(|note| escape::line(note)).collect();
    Ok(Page { member: name.into(), form, head, files, start, back, notes })
}

fn shell(makings: &FormatInput<'_>) -> Rendered {
    let start = command_sheet::guarded(makings.member, &makings.launch.pretty);
    Rendered { files: Vec::new(), start, back: "Ctrl-C in its terminal ends it".into() }
}

/// The member of the page, and when to start it.
fn top(plan: &Plan, member: &Member, at: usize) -> String {
    let host = if host_address::is_local(&member.host) { "this machine".into() } else { comment(&member.host) };
    let mut out = format!(
        "# etcd member {} on {host} · {} of {} · plan {} of {}\n# member ID {} · new cluster ID {} · begins at revision {}\n#\n",
        comment(&member.name),
        at + 1,
        plan.members.len(),
        plan.short_id(),
        comment(&plan.label),
        member.id,
        plan.cluster_id,
        thousands(plan.expected_revision().unsigned_abs()),
    );
    comment_lines(&mut out, &command_sheet::order(plan));
    comment_lines(&mut out, "Stop every member of the old cluster first, and let none of them start again");
    out + "#\n"
}

/// The same, with what to know, and how the directory would be made without requorum.
fn head(makings: &FormatInput<'_>, notes: &[String]) -> String {
    let FormatInput { plan, member, .. } = makings;
    let mut out = makings.top.clone();
    for note in notes {
        comment_lines(&mut out, note);
    }
    out.push_str("#\n");
    match manual::etcdutl(plan, member) {
        Ok(line) => {
            let tools: Vec<String> = manual::tools(plan)
                .iter()
                .map(|minor| match minor {
                    Minor::V3_4 => "etcdctl 3.4 (with ETCDCTL_API=3)".into(),
                    minor => format!("etcdutl {minor}"),
                })
                .collect();
            let what =
                format!("Its directory by hand, with {}; with checks and rollback: requorum sheet", either(&tools));
            comment_lines(&mut out, &what);
            out.push_str(&format!("# {}\n", comment(&line)));
        }
        Err(why) => comment_lines(&mut out, &format!("Only requorum can build its directory: {why}")),
    }
    out.push_str("#\n");
    out
}
