//! How other hosts are reached, and which program does the work there: the flags of every command that opens sessions.

use std::path::PathBuf;

use crate::{cli::absolute, error::Result, system::ssh::Ssh};

#[derive(Debug, Clone, Default, clap::Args)]
pub(in crate::cli) struct SshArgs {
    /// Configuration file for ssh, as its -F
    ///
    /// Used where members are on other hosts.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) ssh_config: Option<PathBuf>,
    /// Program for hosts of another processor; repeatable
    ///
    /// A static Linux build of this version, for the processor that its header names. Without it,
    /// requorum-MACHINE-linux (or requorum-VERSION-MACHINE-linux) next to this program or in ~/.cache/requorum is sent.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) agent: Vec<PathBuf>,
}

impl SshArgs {
    /// Returns them with absolute paths.
    ///
    /// # Errors
    /// When the current directory is gone.
    pub(in crate::cli) fn ssh(&self) -> Result<Ssh> {
        let config = self.ssh_config.as_deref().map(absolute).transpose()?;
        Ok(Ssh { config, agents: self.agent.iter().map(|path| absolute(path)).collect::<Result<_>>()? })
    }
}
