//! The forms in which a member's start is printed; what each is made from, and what it says.

use std::str::FromStr;

use super::{Flag, Ground, Known, Launch};
use crate::{
    domain::model::{
        observations::config::{ConfigFacts, ConfigKind, Runs},
        plan::{Member, Plan},
    },
    text::{
        join::all,
        quote::{shell_line, shell_word},
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

/// Each form, how it is asked for, and what it is called on screen.
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
        named.ok_or_else(|| format!("{text:?}: unknown format; known are {}", all(&names)))
    }
}

/// A file for its place on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it belongs on the host.
    pub place: String,
    /// What to call it among the files of other members.
    pub name: String,
    /// Its content; it begins with the member's name and when to start it.
    pub text: String,
}

/// What a form is made from.
pub(super) struct FormatInput<'a> {
    pub plan: &'a Plan,
    pub member: &'a Member,
    pub launch: Launch,
    /// The flags of `launch`.
    pub flags: Vec<Flag>,
    pub ground: Ground<'a>,
    /// Returns the member's name and when to start it, as comment lines.
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
            let say = shell_line(["echo", &format!("Not started: {dir} is not here; is this the right host?")]);
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

/// What a form says: its files, the lines that start it, the lines that take it back.
pub(super) struct Rendered {
    pub files: Vec<File>,
    pub start: String,
    pub back: String,
}
