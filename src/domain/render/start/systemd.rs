//! A systemd unit, a drop-in for the one that is there, and the file of variables with its drop-in.

use super::{
    File, escape,
    format_input::{FormatInput, Rendered, StartFormat},
};
use crate::{
    domain::model::observations::config::{ConfigFacts, ConfigKind},
    text::quote::{shell_line, shell_word},
};

/// Variables that must not reach etcd, whatever an old unit or file says.
const STALE: [&str; 6] = [
    "ETCD_CONFIG_FILE",
    "ETCD_FORCE_NEW_CLUSTER",
    "ETCD_DISCOVERY",
    "ETCD_DISCOVERY_SRV",
    "ETCD_DISCOVERY_ENDPOINTS",
    "ETCD_DISCOVERY_TOKEN",
];

pub(super) fn notes(makings: &FormatInput<'_>, form: StartFormat) -> Vec<String> {
    let mut notes = Vec::new();
    if form == StartFormat::Unit && makings.plan.options.owner.is_none() {
        notes.push("It runs as root; where its directory belongs to another user, add User= to [Service]".into());
    }
    if makings.ground.program.is_none() && makings.old_program().is_none() {
        notes.push("/usr/bin/etcd is where packages install the program; change it if yours is elsewhere".into());
    }
    notes
}

/// The unit's name.
fn unit_name(makings: &FormatInput<'_>) -> String {
    let origin = makings.old(ConfigKind::Unit).map(ConfigFacts::place);
    let name = origin.as_deref().and_then(|path| path.rsplit('/').next()).filter(|name| name.ends_with(".service"));
    name.map_or_else(|| format!("{}.service", makings.service()), String::from)
}

fn asserts(makings: &FormatInput<'_>) -> String {
    let lines = makings.needed().into_iter();
    lines.map(|dir| format!("AssertPathIsDirectory={}\n", escape::unit_path(&dir))).collect()
}

/// Until the second member is up the first is not ready, and systemd must not time out.
const PATIENCE: &str = "TimeoutStartSec=infinity\n";

fn exec_start(makings: &FormatInput<'_>) -> String {
    let words = makings.launch.argv.iter().skip(1).map(|word| escape::unit(word));
    let lines: Vec<String> = [escape::unit(makings.program())].into_iter().chain(words).collect();
    format!("ExecStart={}\n", lines.join(" \\\n  "))
}

pub(super) fn unit(makings: &FormatInput<'_>) -> Rendered {
    let name = format!("{}.service", makings.service());
    let place = format!("/etc/systemd/system/{name}");
    let owner = makings.plan.options.owner.as_deref().map(|owner| owner.split_once(':').unwrap_or((owner, "")));
    let user = owner.map_or(String::new(), |(user, group)| {
        let group = if group.is_empty() { String::new() } else { format!("Group={}\n", escape::unit_path(group)) };
        format!("User={}\n{group}", escape::unit_path(user))
    });
    let body = format!(
        "[Unit]\nDescription=etcd member {}\nDocumentation=https://etcd.io/docs\nAfter=network-online.target\n\
         Wants=network-online.target\n{}\n[Service]\nType=notify\n{user}{}Restart=on-failure\nRestartSec=5\n{PATIENCE}\
         LimitNOFILE=65536\n\n[Install]\nWantedBy=multi-user.target\n",
        escape::unit_path(&makings.word()),
        asserts(makings),
        exec_start(makings),
    );
    let file = makings.file(&place, &name, &body);
    let files = vec![file];
    let start = install(&files, &name, makings);
    let back = shell_line(["systemctl", "disable", "--now", &name]) + "\n" + &aside(&[&place], makings);
    Rendered { files, start, back }
}

pub(super) fn drop_in(makings: &FormatInput<'_>) -> Rendered {
    let name = unit_name(makings);
    // Its variables and ours together would be a conflict, with which etcd does not start.
    let unset = variables(makings).into_iter().map(|(name, _)| name);
    let body = format!(
        "[Unit]\n{}\n[Service]\nUnsetEnvironment={}\nExecStart=\n{}{PATIENCE}",
        asserts(makings),
        with_stale(makings, unset).join(" "),
        exec_start(makings),
    );
    dropped(makings, &name, &body, Vec::new())
}

/// `ETCD_…` and its value for every flag.
fn variables<'a>(makings: &'a FormatInput<'_>) -> Vec<(String, &'a str)> {
    makings.flags.iter().map(|flag| (variable_of(&flag.name), flag.value.as_str())).collect()
}

fn variable_of(flag: &str) -> String {
    format!("ETCD_{}", flag.to_uppercase().replace('-', "_"))
}

/// These variables, those of the old configuration, and the stale ones, each once.
fn with_stale(makings: &FormatInput<'_>, names: impl Iterator<Item = String>) -> Vec<String> {
    let old = makings.ground.config.into_iter().flat_map(|config| config.flags.iter().map(|s| variable_of(&s.flag)));
    let mut all: Vec<String> = names.chain(old).chain(STALE.map(String::from)).collect();
    all.sort();
    all.dedup();
    all
}

pub(super) fn environment(makings: &FormatInput<'_>) -> Result<Rendered, String> {
    let old = makings.old(ConfigKind::EnvironmentFile).map(ConfigFacts::place);
    let place = old.unwrap_or_else(|| format!("/etc/default/{}", makings.service()));
    let mut body = String::new();
    let ours = variables(makings);
    for (name, value) in &ours {
        body.push_str(&format!("{name}={}\n", escape::variable(value)?));
    }
    let variables = makings.file(&place, "etcd.env", &body);
    let stale = with_stale(makings, std::iter::empty());
    let stale: Vec<String> = stale.into_iter().filter(|name| !ours.iter().any(|(own, _)| own == name)).collect();
    let name = unit_name(makings);
    // A flag in addition to its variable is a conflict, with which etcd does not start: so the program has no flags.
    let body = format!(
        "[Unit]\n{}\n[Service]\nEnvironmentFile=\nEnvironmentFile={}\nUnsetEnvironment={}\nExecStart=\nExecStart={}\n{PATIENCE}",
        asserts(makings),
        escape::unit_path(&place),
        stale.join(" "),
        escape::unit(makings.program()),
    );
    Ok(dropped(makings, &name, &body, vec![variables]))
}

/// A drop-in with the files that it reads.
pub(super) fn dropped(makings: &FormatInput<'_>, unit: &str, body: &str, mut files: Vec<File>) -> Rendered {
    let place = format!("/etc/systemd/system/{unit}.d/90-requorum.conf");
    files.push(makings.file(&place, "90-requorum.conf", body));
    let start = install(&files, unit, makings);
    let stop = shell_line(["systemctl", "stop", unit]);
    let places: Vec<&str> = files.iter().map(|f| f.place.as_str()).collect();
    let back = format!("{stop}\n{}", aside(&places, makings));
    Rendered { files, start, back }
}

/// For a drop-in of a file of its own: the same guard and program for a configuration file.
pub(super) fn for_config(makings: &FormatInput<'_>, place: &str, file: File) -> Rendered {
    let unset = with_stale(makings, variables(makings).into_iter().map(|(name, _)| name));
    let body = format!(
        "[Unit]\n{}\n[Service]\nUnsetEnvironment={}\nExecStart=\nExecStart={} {}\n{PATIENCE}",
        asserts(makings),
        unset.join(" "),
        escape::unit(makings.program()),
        escape::unit(&format!("--config-file={place}")),
    );
    dropped(makings, &unit_name(makings), &body, vec![file])
}

/// Puts the files in their places, what is there aside, and starts the unit without waiting for the other members.
fn install(files: &[File], unit: &str, makings: &FormatInput<'_>) -> String {
    // With -C a shell overwrites nothing.
    let mut out = format!("(\nset -euC\n{}", makings.guards());
    for file in files {
        let old = format!("{}.{}", file.place, makings.aside());
        let parent = file.place.rsplit_once('/').map_or("/", |(parent, _)| parent);
        let (place, old) = (shell_word(&file.place), shell_word(&old));
        out.push_str(&format!("mkdir -p {}\n", shell_word(parent)));
        out.push_str(&format!("if [ -e {place} ]; then mv -nT {place} {old}; fi\n"));
        out.push_str(&makings.write(file));
    }
    out.push_str("systemctl daemon-reload\n");
    out.push_str(&shell_line(["systemctl", "start", "--no-block", unit]));
    out.push_str("\n)\n");
    let unit = shell_word(unit);
    out + &format!(
        "# It is ready when this says active: systemctl is-active {unit}; meanwhile: journalctl -fu {unit}\n"
    )
}

/// Moves the new files away and what was there back.
fn aside(places: &[&str], makings: &FormatInput<'_>) -> String {
    let mut out = String::new();
    for place in places {
        let (old, new) =
            (format!("{place}.{}", makings.aside()), format!("{place}.requorum-new-{}", makings.plan.short_id()));
        let (place, old, new) = (shell_word(place), shell_word(&old), shell_word(&new));
        out.push_str(&format!(
            "test ! -e {new} && mv -nT {place} {new} && {{ test ! -e {old} || mv -nT {old} {place}; }}\n"
        ));
    }
    out + "systemctl daemon-reload\n"
}
