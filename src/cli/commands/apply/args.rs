//! The arguments of `apply`, `restore`, `resume` and `undo`.

use crate::cli::args::{connection_args, plan_arg::PlanArg, ssh_args::SshArgs};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The preflight covers every host before anything is written on any of them. Members are built in staging and verified; \
only when all of them are, and the final check of the old cluster has passed, are old directories renamed to a dated \
name and the new ones installed. On a terminal what will be done is shown and asked first; in scripts, without a terminal, \
no question is asked. After an interruption run the same command again, or `requorum resume PLAN`; \
`requorum undo PLAN` restores the previous directories.")]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    pub(super) plan: PlanArg,
    /// Build and verify every member, but install nothing
    ///
    /// The final check of the old cluster is made too; what was built is removed at the end.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// With --dry-run: keep what was built, so that apply can reuse it
    #[arg(long, requires = "dry_run")]
    pub(super) keep: bool,
    /// Run only the preflight of every host; write nothing
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) check: bool,
    /// Do not ask before the restore
    ///
    /// Without a terminal it is not asked in any case.
    #[arg(short = 'y', long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) how: How,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
This is an apply on this machine: members are built in staging and verified; only when all of them are, and the final \
check of the old cluster has passed, are they installed. Existing directories are not moved: one that is not empty is \
refused. After an interruption run the same command again, or `requorum resume PLAN`; `requorum undo PLAN` rolls it back, \
`requorum report PLAN` prints what was done.")]
pub(in crate::cli) struct RestoreArgs {
    #[command(flatten)]
    pub(super) plan: PlanArg,
    /// Restore only this member; repeatable [default: all]
    ///
    /// Without it every member of the plan must belong to this machine.
    #[arg(long, value_name = "NAME")]
    pub(super) member: Vec<String>,
    /// Override a blocker by the text that the refusal names; repeatable
    ///
    /// A blocker is, for example, an old member that still answers or a directory in use. The override is recorded in
    /// the journal next to the plan file.
    #[arg(long = "override", value_name = "TEXT")]
    pub(super) overrides: Vec<String>,
    /// Reason for the override, recorded in the journal
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(super) reason: String,
    #[command(flatten)]
    pub(super) connect: connection_args::ConnectArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The journal records the goal of the run and its last step. The hosts are examined again, and the run continues from the \
first incomplete step. Repeat the flags that it was started with (--stop, --by-hand, --override).")]
pub(in crate::cli) struct ResumeArgs {
    #[command(flatten)]
    pub(super) plan: PlanArg,
    /// Only show how far the run got
    #[arg(long)]
    pub(super) show: bool,
    #[command(flatten)]
    pub(super) how: How,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each restored directory is renamed to a dated name, and the previous one back to its place; nothing is deleted. On a \
terminal what will be done is shown and asked first; in scripts, without a terminal, no question is asked.")]
pub(in crate::cli) struct UndoArgs {
    #[command(flatten)]
    pub(super) plan: PlanArg,
    /// Only show what would be done
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do not ask before the rollback
    ///
    /// Without a terminal it is not asked in any case.
    #[arg(short = 'y', long, conflicts_with = "dry_run")]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) how: How,
}

#[derive(Debug, clap::Args)]
pub(super) struct How {
    /// Work on only this member; repeatable [default: all]
    #[arg(long, value_name = "NAME")]
    pub(super) member: Vec<String>,
    /// Number of hosts worked on in parallel
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(super) limit: usize,
    /// Member that was restored by hand, with the code printed there
    ///
    /// The code is printed by the sheet of `requorum sheet`. Repeatable.
    #[arg(long, value_name = "NAME=CODE")]
    pub(super) by_hand: Vec<String>,
    /// Run the commands that stop etcd on a data directory to be moved
    ///
    /// Without it the commands are only shown.
    #[arg(long)]
    pub(super) stop: bool,
    #[command(flatten)]
    pub(super) ssh: SshArgs,
    /// Override a blocker by the text that the refusal names; repeatable
    ///
    /// The override is recorded in the journal.
    #[arg(long = "override", value_name = "TEXT", requires = "reason")]
    pub(super) overrides: Vec<String>,
    /// Reason for the override, recorded in the journal
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(super) reason: String,
    #[command(flatten)]
    pub(super) connect: connection_args::ConnectArgs,
}
