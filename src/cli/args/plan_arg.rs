//! The plan argument of a command: `PLAN`, or `--plan FILE` as in earlier versions.

use std::path::{Path, PathBuf};

use crate::text::quote::shell_word;

#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct PlanArg {
    /// The plan file, or the journal of a run
    ///
    /// The wizard's journals are in $XDG_STATE_HOME/requorum, else in ~/.local/state/requorum; without a home
    /// directory, where the wizard was started.
    #[arg(id = Self::POSITIONAL, value_name = "PLAN", required_unless_present = Self::FLAG)]
    file: Option<PathBuf>,
    /// The plan file, as in earlier versions
    #[arg(id = Self::FLAG, long = "plan", value_name = "FILE", hide = true)]
    flag: Option<PathBuf>,
}

impl PlanArg {
    /// The ID of the positional argument.
    pub(in crate::cli) const POSITIONAL: &str = "plan";
    /// The ID of the flag. Both at once are refused by [`super::surface::check`].
    pub(in crate::cli) const FLAG: &str = "plan_flag";

    /// Returns the path that was given.
    pub(in crate::cli) fn path(&self) -> &Path {
        // One of them is there: clap sees to it.
        self.file.as_deref().or(self.flag.as_deref()).unwrap_or(Path::new(""))
    }

    /// Returns the path as a shell word for a command.
    pub(in crate::cli) fn word(&self) -> String {
        word(self.path())
    }
}

/// Returns a path as a shell word for a command's plan argument; one that begins with a dash would be a flag.
pub(in crate::cli) fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text = if text.starts_with('-') { format!("./{text}") } else { text.into_owned() };
    shell_word(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_path_cannot_be_read_as_flag() {
        for (path, typed) in [
            ("plan.yaml", "plan.yaml"),
            ("/a b/plan.yaml", "'/a b/plan.yaml'"),
            ("-w", "./-w"),
            ("--plan", "./--plan"),
            ("-a b", "'./-a b'"),
        ] {
            assert_eq!(word(Path::new(path)), typed);
        }
    }
}
