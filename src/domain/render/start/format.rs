//! The formats in which a member's start is printed, and the page of each: files for their places, the lines that start it,
//! and the rollback.

use std::str::FromStr;

use super::{
    Flag, Ground, Known, Launch, command_sheet, config_file, container, etcd_flags, launch, static_pod, systemd,
};
use crate::{
    domain::{
        model::{
            host_address,
            observations::config::{ConfigFacts, ConfigKind, Runs},
            plan::{Member, Plan},
        },
        render::manual,
    },
    etcd::version::Minor,
    text::{
        escape,
        number::thousands,
        phrase::{all, comment, comment_lines, either, shell_line, shell_word},
    },
};

/// Where a member is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartFormat {
    /// A shell.
    Shell,
    /// A systemd unit of its own.
    Unit,
    /// A drop-in for the unit that is there.
    DropIn,
    /// `/etc/default/etcd`, a file of variables.
    Environment,
    /// `etcd.conf.yml`.
    Config,
    /// `docker run`.
    Docker,
    /// `podman run`.
    Podman,
    /// A compose file.
    Compose,
    /// kubeadm's static pod, as a patch of the manifest that is there.
    Pod,
}

/// Each format, its name in options, and its name on screen.
const NAMES: [(StartFormat, &str, &str); 9] = [
    (StartFormat::Shell, "shell", "shell"),
    (StartFormat::Unit, "systemd", "systemd unit"),
    (StartFormat::DropIn, "drop-in", "systemd drop-in"),
    (StartFormat::Environment, "env", "environment file"),
    (StartFormat::Config, "config", "etcd.conf.yml"),
    (StartFormat::Docker, "docker", "docker run"),
    (StartFormat::Podman, "podman", "podman run"),
    (StartFormat::Compose, "compose", "compose file"),
    (StartFormat::Pod, "pod", "static pod"),
];

impl StartFormat {
    /// All of them.
    pub fn all() -> impl Iterator<Item = StartFormat> {
        NAMES.into_iter().map(|(form, ..)| form)
    }

    /// As it is asked for: `drop-in`.
    pub fn as_str(self) -> &'static str {
        NAMES.iter().find(|(form, ..)| *form == self).map_or("", |(_, name, _)| name)
    }

    /// As it is called on screen: `systemd drop-in`.
    pub fn title(self) -> &'static str {
        NAMES.iter().find(|(form, ..)| *form == self).map_or("", |(.., title)| title)
    }

    /// The form that fits how a member's etcd was started until now.
    pub fn fitting(plan: &Plan, name: &str, known: &Known) -> StartFormat {
        let member = plan.member(name).ok();
        let config = member.and_then(|m| known.ground(plan, m).config);
        if let Some(Runs::Container(runtime)) = config.map(|config| &config.runs) {
            return if runtime == "podman" { StartFormat::Podman } else { StartFormat::Docker };
        }
        match config.map(|config| config.kind) {
            Some(ConfigKind::Unit) => StartFormat::DropIn,
            Some(ConfigKind::StaticPod | ConfigKind::ParkedPod) => StartFormat::Pod,
            Some(ConfigKind::EnvironmentFile) => StartFormat::Environment,
            Some(ConfigKind::ConfigFile) => StartFormat::Config,
            Some(ConfigKind::Process) | None => StartFormat::Shell,
        }
    }
}

impl FromStr for StartFormat {
    type Err = String;

    /// The error is a sentence.
    fn from_str(text: &str) -> Result<StartFormat, String> {
        let named = NAMES.iter().find(|(_, name, _)| *name == text).map(|(form, ..)| *form);
        let names: Vec<String> = NAMES.iter().map(|(_, name, _)| (*name).to_string()).collect();
        named.ok_or_else(|| format!("{text:?} is not a start format; use one of {}", all(&names)))
    }
}

/// A file for its place on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it belongs on the host.
    pub place: String,
    /// What to call it among the files of other members.
    pub name: String,
    /// Its content; it begins with the member and when to start it.
    pub text: String,
}

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

/// What a form is made from.
pub(super) struct FormatInput<'a> {
    pub plan: &'a Plan,
    pub member: &'a Member,
    pub launch: Launch,
    /// The flags of `launch`.
    pub flags: Vec<Flag>,
    pub ground: Ground<'a>,
    /// The member and when to start it, as comment lines.
    pub top: String,
}

impl FormatInput<'_> {
    /// `etcd`, or with the member's name where its host has others.
    pub fn service(&self) -> String {
        let shares = self.plan.members.iter().filter(|other| other.host == self.member.host).count() > 1;
        if shares { format!("etcd-{}", self.word()) } else { "etcd".into() }
    }

    /// The member's name in letters that files and services may have.
    pub fn word(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        self.member.name.chars().map(plain).collect()
    }

    /// The directories without which etcd must not start.
    pub fn needed(&self) -> Vec<String> {
        let data = self.member.data_dir.join("member");
        let wal = self.member.wal_dir.clone();
        [Some(data), wal].into_iter().flatten().map(|dir| dir.to_string_lossy().into_owned()).collect()
    }

    /// The old configuration where it is of this kind.
    pub fn old(&self, kind: ConfigKind) -> Option<&ConfigFacts> {
        self.ground.config.filter(|config| config.kind == kind)
    }

    pub fn file(&self, place: impl Into<String>, name: &str, body: &str) -> File {
        File { place: place.into(), name: format!("{}-{name}", self.word()), text: format!("{}{body}", self.top) }
    }

    /// Lines for a shell that write a file, which is not to be there.
    pub fn write(&self, file: &File) -> String {
        let end = format!("REQUORUM-{}", self.plan.short_id());
        format!("cat >{} <<'{end}'\n{}\n{end}\n", shell_word(&file.place), file.text.trim_end())
    }

    /// Lines for a shell that end it where etcd must not start.
    pub fn guards(&self) -> String {
        let guard = |dir: String| {
            let say = shell_line(["echo", &format!("Not started: {dir} does not exist; is this the right host?")]);
            format!("test -d {} || {{ {say} >&2; exit 1; }}\n", shell_word(&dir))
        };
        self.needed().into_iter().map(guard).collect()
    }

    pub fn program(&self) -> &str {
        self.ground.program.or(self.old_program()).unwrap_or("/usr/bin/etcd")
    }

    /// The program that the old configuration names.
    pub fn old_program(&self) -> Option<&str> {
        match &self.ground.config?.runs {
            Runs::Program(path) => Some(path),
            Runs::Untold | Runs::Container(_) => None,
        }
    }

    /// The unit that runs etcd in a container until now.
    pub fn contained(&self) -> Option<&ConfigFacts> {
        self.old(ConfigKind::Unit).filter(|config| matches!(config.runs, Runs::Container(_)))
    }

    pub fn get(&self, flag: &str) -> Option<&str> {
        self.flags.iter().rev().find(|f| f.name == flag).map(|f| f.value.as_str())
    }

    /// The suffix of what is moved aside.
    pub fn aside(&self) -> String {
        format!("requorum-old-{}", self.plan.short_id())
    }
}

/// What a format prints: its files, the lines that start it, the lines that roll it back.
pub(super) struct Rendered {
    pub files: Vec<File>,
    pub start: String,
    pub back: String,
}

/// The page of the member called `name`.
///
/// # Errors
/// A sentence without a full stop: why this form cannot hold it.
pub fn page(plan: &Plan, name: &str, form: StartFormat, known: &Known) -> Result<Page, String> {
    let member = plan.member(name).map_err(|trouble| trouble.what)?;
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
        notes.push("The etcd version is not known, so flags it does not have are not detected (--etcd-version)".into());
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
