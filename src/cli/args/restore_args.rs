//! The flags for what a restore does beyond etcdutl's: the same for `snapshot restore` and `plan`.

use std::path::PathBuf;

use crate::cli::absolute;
use crate::{domain::model::options::Options, error::Result};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Beyond a plain restore (each off unless asked for)")]
pub(in crate::cli) struct OptionArgs {
    /// Leave out the alarms: they belong to members that are gone, and keep writes from succeeding.
    #[arg(long)]
    clear_alarms: bool,
    /// End a downgrade that was in progress when the snapshot was taken.
    #[arg(long)]
    finish_downgrade: bool,
    /// Switch authentication off, where root's password is lost; users and roles stay.
    #[arg(long)]
    disable_auth: bool,
    /// Write storage and cluster version as --etcd-version has them: a snapshot of 3.7 starts on 3.6 only so.
    #[arg(long)]
    set_version: bool,
    /// Write a compacted database: live pages only, numbered anew.
    #[arg(long)]
    compact: bool,
    /// Restore a file of which only a meta page or the list of free pages is damaged, at this revision: the one that the
    /// refusal names. The database is written anew, without the damage.
    #[arg(long, value_name = "REVISION")]
    accept_damage: Option<i64>,
    /// Give everything that is made to this user [default: who runs requorum; in an empty directory, its owner].
    #[arg(long, value_name = "USER[:GROUP]")]
    owner: Option<String>,
    /// The mode of the new directories, in octal [default: 0700; an empty directory keeps its own].
    #[arg(long, value_name = "MODE")]
    mode: Option<String>,
    /// Take owner, group and mode from this directory, mostly the old data directory.
    #[arg(long, value_name = "DIR")]
    like: Option<PathBuf>,
}

impl OptionArgs {
    /// The options as a plan holds them.
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
