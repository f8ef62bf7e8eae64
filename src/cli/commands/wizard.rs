//! `requorum` without a subcommand: the wizard on the real world.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::plan;
use crate::cli::{
    absolute,
    args::{connection_args, ssh_args::SshArgs},
    typed_dirs,
};
use crate::{
    domain::model::source_ref::is_object,
    error::{Error, ErrorKind, Result},
    etcd::version::Minor,
    system::{DataDir, local::Local},
    tui::{self, Options, Step},
};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Wizard")]
pub(in crate::cli) struct WizardArgs {
    /// Where to find snapshots [default: the current directory]
    ///
    /// A file, a directory or s3://BUCKET/PREFIX; repeatable.
    #[arg(long, value_name = "PATH")]
    snapshots: Vec<PathBuf>,
    /// Old data directory of a member on this machine; repeatable
    ///
    /// In addition to those found by units, manifests and processes. DIR:WAL-DIR where the WAL directory is separate.
    #[arg(long, value_name = "DIR[:WAL-DIR]")]
    data_dir: Vec<DataDir>,
    /// Label of the cluster, which you type to confirm
    #[arg(long)]
    label: Option<String>,
    /// Parent of new directories and files [default: the current directory]
    #[arg(long, value_name = "DIR")]
    data_root: Option<PathBuf>,
    /// etcd version that will run on the result: 3.4, 3.5, 3.6 or 3.7
    #[arg(long, value_name = "VERSION")]
    etcd_version: Option<Minor>,
    /// Plan file to start from
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Members of the new cluster, from a file
    ///
    /// A YAML or JSON list of {name, peerUrls, clientUrls, dataDir, walDir} or {name, host}, or an Ansible inventory
    /// with a group etcd.
    #[arg(long, value_name = "FILE")]
    inventory: Option<PathBuf>,
    /// Look only: nothing is written, on no machine and in no cluster
    ///
    /// Everything that writes is disabled and says so: saving snapshots and files, dry run, restore, start, the test key,
    /// the journal.
    #[arg(long = "look")]
    look_only: bool,
    #[command(flatten)]
    ssh: SshArgs,
    #[command(flatten)]
    pub(in crate::cli) look: Look,
}

#[derive(Debug, Clone, Copy, clap::Args)]
pub(in crate::cli) struct Look {
    /// Draw with ASCII only
    #[arg(long)]
    ascii: bool,
    /// Draw without colours, as with NO_COLOR=1
    #[arg(long)]
    no_color: bool,
    /// No screens: numbered questions and lines
    ///
    /// For screen readers, serial consoles and scripts. On a terminal of type dumb this is the default.
    #[arg(long)]
    plain: bool,
}

impl Look {
    /// These and those that were typed before the subcommand.
    pub(in crate::cli) fn with(self, before: &Look) -> Look {
        Look {
            ascii: self.ascii || before.ascii,
            no_color: self.no_color || before.no_color,
            plain: self.plain || before.plain,
        }
    }

    /// Terminals that are known to have nothing else get ASCII without being asked.
    pub(in crate::cli) fn options(&self) -> Options {
        let term = env::var("TERM").unwrap_or_default();
        let locale =
            ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| env::var(name).ok().filter(|v| !v.is_empty()));
        let utf8 = locale.is_none_or(|l| l.to_lowercase().replace('-', "").contains("utf8"));
        let plain = term == "linux" || term.starts_with("vt");
        // terminfo's names for terminals without colours
        let mono =
            term.ends_with("-mono") || term.ends_with("-m") || term.starts_with("vt1") || term.starts_with("vt2");
        Options {
            ascii: self.ascii || plain || !utf8,
            mono: self.no_color || mono || env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()),
            plain: self.plain,
            ..Options::default()
        }
    }
}

pub(in crate::cli) fn real(args: WizardArgs, connect: &connection_args::ConnectArgs) -> Result<()> {
    let here = env::current_dir().map_err(|e| Error::new(ErrorKind::Failed, "current directory: not found").why(e))?;
    typed_dirs(&args.data_dir)?;
    let plan = args.plan.as_deref().map(plan::read).transpose()?;
    let places = match args.snapshots.as_slice() {
        [] => vec![here.clone()],
        given => given.iter().map(|p| if is_object(p) { Ok(p.clone()) } else { absolute(p) }).collect::<Result<_>>()?,
    };
    let options = Options {
        endpoints: connect.endpoints(),
        places,
        data_dirs: args.data_dir,
        label: args.label,
        base_dir: args.data_root.as_deref().map_or_else(|| Ok(here.clone()), absolute)?,
        journals: journals(&here),
        here,
        target: args.etcd_version,
        plan,
        inventory: args.inventory.as_deref().map_or_else(|| Ok(Vec::new()), plan::inventory)?,
        notes: connect.standing_warning().map_or_else(Vec::new, |w| Step::ALL.map(|step| (step, w.into())).to_vec()),
        look_only: args.look_only,
        ..args.look.options()
    };
    let ssh = args.ssh.ssh()?;
    let ending = tui::run(options, Arc::new(Local::new(connect.members()?).by(ssh)))?;
    match ending.exit_code() {
        0 => Ok(()),
        _ => Err(Error::new(ErrorKind::Stopped, "restore: not complete")),
    }
}

/// Returns the directory of journals: the user's state directory, else the current one.
fn journals(here: &Path) -> PathBuf {
    state_dir().unwrap_or_else(|| here.to_path_buf())
}

/// Returns `requorum` in the user's state directory.
pub(in crate::cli) fn state_dir() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    state.map(|dir| dir.join("requorum"))
}
