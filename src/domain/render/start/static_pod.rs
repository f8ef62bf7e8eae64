//! kubeadm's static pod: a patch of the existing manifest, which `kubectl patch --local` applies without a cluster.
//!
//! The kubelet does not start a pod whose hostPath of type `Directory` is missing; so `member` is mounted by itself, and no
//! start comes up on an empty directory.

use super::{
    Flag, escape,
    format_input::{FormatInput, Rendered},
};
use crate::{
    domain::model::observations::config::ConfigKind,
    text::{
        Shown,
        quote::{shell_line, shell_word},
    },
};

const MANIFEST: &str = "/etc/kubernetes/manifests/etcd.yaml";
const METRICS: &str = "http://127.0.0.1:2381";

/// Adds what kubeadm's probes need; what to know.
pub(super) fn adapt(makings: &mut FormatInput<'_>) -> Vec<String> {
    let mut notes = vec![
        "Files that flags name are those that the pod sees; kubeadm mounts /etc/kubernetes/pki/etcd".to_string(),
        format!(
            "kubeadm upgrade regenerates the manifest: set etcd.local.dataDir of its ClusterConfiguration to {} first",
            makings.member.data_dir.shown()
        ),
    ];
    if makings.get("listen-metrics-urls").is_none() {
        makings.launch.argv.push(format!("--listen-metrics-urls={METRICS}"));
        makings.flags.push(Flag::new("listen-metrics-urls", METRICS));
        notes.push(format!("--listen-metrics-urls={METRICS} is added for the probes of kubeadm's manifest"));
    }
    notes
}

pub(super) fn patch(makings: &FormatInput<'_>) -> Rendered {
    let mut body = String::from("metadata:\n  annotations:\n    kubeadm.kubernetes.io/etcd.advertise-client-urls: ");
    body.push_str(&escape::yaml(&makings.member.client_urls.join(",")));
    body.push_str("\nspec:\n  containers:\n  - name: etcd\n");
    if let Some(image) = makings.ground.image {
        body.push_str(&format!("    image: {}\n", escape::yaml(image)));
    }
    body.push_str("    command:\n");
    for word in &makings.launch.argv {
        // Kubernetes replaces `$(NAME)`.
        body.push_str(&format!("    - {}\n", escape::yaml(&word.replace("$(", "$$("))));
    }
    let data = makings.member.data_dir.to_string_lossy().into_owned();
    let needed = [data].into_iter().chain(makings.needed());
    let named: Vec<(String, String)> =
        ["requorum-data", "requorum-member", "requorum-wal"].map(String::from).into_iter().zip(needed).collect();
    body.push_str("    volumeMounts:\n");
    for (name, dir) in &named {
        body.push_str(&format!("    - name: {name}\n      mountPath: {}\n", escape::yaml(dir)));
    }
    body.push_str("  volumes:\n");
    for (name, dir) in &named {
        body.push_str(&format!(
            "  - name: {name}\n    hostPath:\n      path: {}\n      type: Directory\n",
            escape::yaml(dir)
        ));
    }

    let (manifest, parked) = places(makings);
    let above = dir(dir(&manifest));
    let file = makings.file(format!("{above}/etcd-patch-{}.yaml", makings.plan.short_id()), "etcd-patch.yaml", &body);
    let made = format!("{parked}.requorum-{}", makings.plan.short_id());
    let mut start = format!("(\nset -euC\n{}", makings.guards());
    let patched = shell_line([
        "kubectl",
        "patch",
        "--local",
        "--type=strategic",
        "-f",
        &parked,
        "--patch-file",
        &file.place,
        "-o",
        "yaml",
    ]);
    let writes = makings.write(&file);
    let (manifest, parked, made) = (shell_word(&manifest), shell_word(&parked), shell_word(&made));
    start.push_str(&format!(
        "# The old manifest goes where the kubelet does not look, which stops the old pod.\n\
         if [ -e {manifest} ]; then mv -nT {manifest} {parked}; fi\n\
         [ ! -e {manifest} ] || {{ echo 'Not started: the manifest is still there; is it parked already?' >&2; exit 1; }}\n\
         {writes}{patched} >{made}\nmv -nT {made} {manifest}\n)\n"
    ));
    let back = format!("test ! -e {made} && mv -nT {manifest} {made} && mv -nT {parked} {manifest}\n");
    Rendered { files: vec![file], start, back }
}

/// Where the kubelet looks for the manifest, and where it is put aside.
fn places(makings: &FormatInput<'_>) -> (String, String) {
    if let Some(parked) = makings.old(ConfigKind::ParkedPod) {
        return (MANIFEST.into(), parked.place());
    }
    let manifest = makings.old(ConfigKind::StaticPod).map_or_else(|| MANIFEST.into(), |config| config.place());
    let above = dir(dir(&manifest));
    let name = manifest.rsplit('/').next().unwrap_or("etcd.yaml");
    let parked = format!("{above}/{name}.parked");
    (manifest, parked)
}

fn dir(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}
