//! `requorum cluster list|show`: the clusters that the operator's configuration names.

use serde_json::json;

use crate::{
    cli::{Format, args::cluster, print, print_json},
    domain::model::cluster_profile::Cluster,
    error::Result,
    text::{
        Shown,
        columns::{self, Align},
    },
};

const ABOUT_FILE: &str = "\
The clusters are named in requorum/config.yaml in $XDG_CONFIG_HOME, else in ~/.config. `requorum NAME` opens the wizard with \
one, `--cluster NAME` is for the commands that connect to members. No secret is stored there; `requorum guide commands` \
shows its keys.";

#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// List the clusters with their endpoints
    #[command(after_help = ABOUT_FILE)]
    List,
    /// Print what the configuration has for one cluster
    #[command(after_help = ABOUT_FILE)]
    Show {
        /// The cluster
        name: String,
    },
}

pub(in crate::cli) fn run(command: &Command, format: Format) -> Result<()> {
    match command {
        Command::List => list(format),
        Command::Show { name } => show(&cluster::find(name)?, format),
    }
}

fn list(format: Format) -> Result<()> {
    let all = cluster::all()?;
    let place = cluster::file();
    if format == Format::Json {
        return print_json(&format!("{}\n", json!({ "file": place, "clusters": all })));
    }
    let place = place.map_or_else(|| "no home directory is known".into(), |file| file.shown().to_string());
    if all.is_empty() {
        return print(&format!(
            "No clusters are named yet: {place}\n`requorum guide commands` shows how one is written there.\n"
        ));
    }
    let mut rows = vec![["cluster", "label", "endpoints"].map(String::from)];
    rows.extend(all.into_iter().map(|one| [one.name, one.label, one.endpoints.join(",")]));
    print(&columns::rows(&rows, [Align::Left; 3]))?;
    print(&format!("\nFrom {place}. `requorum NAME` opens the wizard with one.\n"))
}

fn show(one: &Cluster, format: Format) -> Result<()> {
    if format == Format::Json {
        return print_json(&format!("{}\n", json!(one)));
    }
    let paths =
        |paths: &[std::path::PathBuf]| paths.iter().map(|path| cluster::shown(path)).collect::<Vec<_>>().join(", ");
    let path = |path: &Option<std::path::PathBuf>| path.iter().map(|path| cluster::shown(path)).collect::<String>();
    let lines = [
        ("cluster", one.name.clone()),
        ("label", one.label.clone()),
        ("endpoints", one.endpoints.join(", ")),
        ("cacert", path(&one.cacert)),
        ("cert", path(&one.cert)),
        ("key", path(&one.key)),
        ("user", one.user.clone().unwrap_or_default()),
        ("snapshots", paths(&one.snapshots)),
        ("hosts", path(&one.hosts)),
        ("data_root", path(&one.data_root)),
    ];
    let rows: Vec<[String; 2]> =
        lines.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| [key.to_string(), value]).collect();
    print(&columns::rows(&rows, [Align::Left; 2]))
}
