//! `requorum man DIR`: the manual pages of all commands, for packages and for a machine without a browser.

use std::path::PathBuf;

use clap::Command;
use clap_mangen::Man;

use crate::{
    agent::build_note,
    cli::{absolute, print},
    error::{Error, ErrorKind, Result},
    system::{Files, etcd_client::Members, local::Local},
    text::Shown,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
One file for each command: requorum.1, requorum-probe.1, requorum-snapshot-save.1 and so on. No file is overwritten. \
`man -l DIR/requorum.1` shows one; in DIR = /usr/local/share/man/man1 `man requorum` finds it.")]
pub(in crate::cli) struct Args {
    /// Directory for the pages; created if missing
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Writes the pages of `command` and all its subcommands, and prints their paths.
pub(in crate::cli) fn run(args: &Args, command: Command) -> Result<()> {
    let pages = pages(command)?;
    let system = Local::new(Members::new(Default::default())?);
    let dir = absolute(&args.dir)?;
    system.create_dir(&dir)?;
    for (name, text) in pages {
        let path = dir.join(name);
        system.write_new(&path, &text)?;
        print(&format!("{}\n", path.shown()))?;
    }
    Ok(())
}

/// Returns the name and text of each page.
fn pages(command: Command) -> Result<Vec<(String, String)>> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut out = Vec::new();
    page(&command, &mut out)?;
    Ok(out)
}

fn page(command: &Command, out: &mut Vec<(String, String)>) -> Result<()> {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        page(sub, out)?;
    }
    // Named by the whole path: `requorum-snapshot-save`.
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_string();
    let man = Man::new(command.clone().version(build_note::VERSION)).manual("requorum");
    let fail = |why: String| Error::new(ErrorKind::Bug, "failed to make a manual page").why(why);
    let mut text = Vec::new();
    man.render(&mut text).map_err(|e| fail(e.to_string()))?;
    out.push((format!("{name}.1"), String::from_utf8(text).map_err(|e| fail(e.to_string()))?));
    Ok(())
}
