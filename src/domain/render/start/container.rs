//! `docker run`, `podman run` and a compose file.
//!
//! Directories are mounted under their own names, by the mounts that refuse what is not there (`-v` would make an empty
//! one); `member` by itself, so that no restart of the container comes up on an empty directory.

use std::path::{Path, PathBuf};

use super::{
    command_sheet, escape,
    format_input::{FormatInput, Rendered},
};
use crate::text::quote::{shell_line, shell_word};

pub(super) fn notes(makings: &FormatInput<'_>) -> Vec<String> {
    let mut notes = vec![
        "The container has the host's network, and the directories under the same names as the host".to_string(),
        "Files are owned by the image's user, mostly root; change it if yours runs as another".into(),
    ];
    if makings.ground.image.is_none() {
        notes.push(format!("Set ETCD_IMAGE to the image of etcd{} that you use", version(makings)));
    }
    notes
}

fn version(makings: &FormatInput<'_>) -> String {
    makings.ground.version.map(|version| format!(" {version}")).unwrap_or_default()
}

/// What is mounted, and whether it is only read.
fn mounts(makings: &FormatInput<'_>) -> Vec<(String, bool)> {
    let data = makings.member.data_dir.to_string_lossy().into_owned();
    let mut mounts: Vec<(String, bool)> = [data].into_iter().chain(makings.needed()).map(|dir| (dir, false)).collect();
    let jwt = makings.get("auth-token").unwrap_or_default().split(',').filter_map(|item| item.split_once('='));
    let keys = jwt.filter(|(name, _)| ["pub-key", "priv-key"].contains(name)).map(|(_, path)| path);
    // Certificates, keys and lists of revoked ones.
    let files = makings.flags.iter().filter(|flag| flag.name.ends_with("-file")).map(|flag| flag.value.as_str());
    let named = files.chain(keys);
    let mut dirs: Vec<PathBuf> = named.filter_map(|file| Path::new(file).parent().map(Path::to_path_buf)).collect();
    dirs.sort();
    dirs.dedup();
    let within = |dir: &PathBuf| dirs.iter().any(|other| other != dir && dir.starts_with(other));
    let read: Vec<String> = dirs
        .iter()
        .filter(|dir| dir.is_absolute() && dir.parent().is_some() && !within(dir))
        .map(|dir| dir.to_string_lossy().into_owned())
        .collect();
    mounts.extend(read.into_iter().map(|dir| (dir, true)));
    mounts
}

fn image(makings: &FormatInput<'_>) -> String {
    match makings.ground.image {
        Some(image) => shell_word(image).into_owned(),
        None => format!("\"${{ETCD_IMAGE:?set it to the image of etcd{} to run}}\"", version(makings)),
    }
}

/// A field of the comma-separated value of `--mount`.
fn field(text: &str) -> String {
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.into() }
}

pub(super) fn run(makings: &FormatInput<'_>, program: &str) -> Rendered {
    let name = format!("etcd-{}", makings.word());
    let mut lines = vec![format!("{program} run --detach --name={name} --network=host --restart=unless-stopped")];
    // Without it SELinux keeps a container from what it did not label.
    lines.push("--security-opt=label=disable".into());
    for (dir, read) in mounts(makings) {
        let read = if read { ",readonly" } else { "" };
        let mount = format!("type=bind,{},{}{read}", field(&format!("source={dir}")), field(&format!("target={dir}")));
        lines.push(shell_word(&format!("--mount={mount}")).into_owned());
    }
    lines.push("--entrypoint=etcd".into());
    lines.push(image(makings));
    lines.extend(makings.launch.argv.iter().skip(1).map(|word| shell_word(word).into_owned()));
    let start = command_sheet::guarded(makings.member, &lines.join(" \\\n  "));
    let back =
        shell_line([program, "stop", &name]) + "\n" + &shell_line([program, "rename", &name, &format!("{name}-new")]);
    Rendered { files: Vec::new(), start, back }
}

pub(super) fn compose(makings: &FormatInput<'_>) -> Rendered {
    // Compose replaces `$NAME`.
    let text = |text: &str| escape::yaml(&text.replace('$', "$$"));
    let name = format!("etcd-{}", makings.word());
    let image = match makings.ground.image {
        Some(image) => text(image),
        None => format!("\"${{ETCD_IMAGE:?set it to the image of etcd{} to run}}\"", version(makings)),
    };
    let mut body = format!(
        "services:\n  {}:\n    image: {image}\n    container_name: {}\n    network_mode: host\n    restart: unless-stopped\n    \
         security_opt: [\"label=disable\"]\n    entrypoint: [\"etcd\"]\n    command:\n",
        text(&name),
        text(&name)
    );
    for word in makings.launch.argv.iter().skip(1) {
        body.push_str(&format!("      - {}\n", text(word)));
    }
    body.push_str("    volumes:\n");
    for (dir, read) in mounts(makings) {
        let dir = text(&dir);
        let read = if read { "        read_only: true\n" } else { "" };
        body.push_str(&format!(
            "      - type: bind\n        source: {dir}\n        target: {dir}\n{read}        bind: {{create_host_path: false}}\n"
        ));
    }
    let place = format!("./{name}.compose.yaml");
    let file = makings.file(&place, "compose.yaml", &body);
    let up = shell_line(["docker", "compose", "-f", &place, "up", "-d"]);
    let start = format!("(\nset -euC\n{}{}{up}\n)\n", makings.guards(), makings.write(&file));
    let back = shell_line(["docker", "compose", "-f", &place, "stop"]);
    Rendered { files: vec![file], start, back }
}
