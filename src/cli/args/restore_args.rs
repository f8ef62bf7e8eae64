//! Restore options that etcdutl does not have: the same for `snapshot restore` and `plan`.

use std::path::PathBuf;

use crate::cli::absolute;
use crate::{domain::model::options::Options, error::Result};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Restore options (each off by default)")]
pub(in crate::cli) struct OptionArgs {
    /// Clear the alarms
    ///
    /// They belong to members that no longer exist, and block writes.
    #[arg(long)]
    clear_alarms: bool,
    /// Finish a downgrade that was in progress when the snapshot was taken
    #[arg(long)]
    finish_downgrade: bool,
    /// Disable authentication, where root's password is lost
    ///
    /// Users and roles stay.
    #[arg(long)]
    disable_auth: bool,
    /// Set storage and cluster version to --etcd-version
    ///
    /// Needed to start etcd 3.6 from a snapshot of 3.7.
    #[arg(long)]
    set_version: bool,
    /// Write a compacted database, without its free pages
    #[arg(long)]
    compact: bool,
    /// Accept a damaged file and restore it at this revision
    ///
    /// Only for a damaged meta page or freelist; the refusal names the revision. The database is rewritten without the
    /// damage.
    #[arg(long, value_name = "REVISION")]
    accept_damage: Option<i64>,
    /// Owner of the new files [default: the current user]
    ///
    /// In an existing empty directory the default is that directory's owner.
    #[arg(long, value_name = "USER[:GROUP]")]
    owner: Option<String>,
    /// Mode of the new directories, in octal [default: 0700]
    ///
    /// An existing empty directory keeps its own mode.
    #[arg(long, value_name = "MODE")]
    mode: Option<String>,
    /// Copy owner, group and mode from this directory
    ///
    /// Usually the old data directory.
    #[arg(long, value_name = "DIR")]
    like: Option<PathBuf>,
}

impl OptionArgs {
    /// Returns the options in the form of a plan.
    pub(in crate::cli) fn options(&self) -> Result<Options> {
        Ok(Options {
            clear_alarms: self.clear_alarms,
            finish_downgrade: self.finish_downgrade,
            disable_auth: self.disable_auth,
            set_version: self.set_version,
            compact: self.compact,
            accept_damage: self.accept_damage,
            owner: self.owner.clone(),
            mode: self.mode.clone(),
            like: self.like.as_deref().map(absolute).transpose()?,
        })
    }
}
