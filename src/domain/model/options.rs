//! What a recovery does beyond a plain restore; each is off unless it was asked for.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The options of a recovery; the default is what `etcdutl snapshot restore` does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Leave out the alarms: they are those of members that are gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clear_alarms: bool,
    /// End a downgrade that was in progress.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub finish_downgrade: bool,
    /// Switch authentication off; users and roles stay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disable_auth: bool,
    /// Write storage and cluster version for the etcd version that will run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub set_version: bool,
    /// Write a compacted database: no free pages, pages renumbered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compact: bool,
    /// Restore a file of which a meta page or the freelist is damaged: the last revision of the state that can
    /// be read, as the operator typed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_damage: Option<i64>,
    /// `USER[:GROUP]`, by name or number, to whom the new directories and files are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The mode of the new directories in octal, `0700`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// A directory whose owner, group and mode the new ones get: mostly the old data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<PathBuf>,
}

impl Options {
    /// Whether nothing was asked for.
    pub fn is_plain(&self) -> bool {
        *self == Options::default()
    }

    /// The mode as a number.
    ///
    /// # Errors
    /// A sentence when it is not octal, or would keep its owner out.
    pub fn mode_bits(&self) -> Result<Option<u32>, String> {
        let Some(text) = &self.mode else { return Ok(None) };
        let bits = u32::from_str_radix(text, 8).ok().filter(|bits| (0o700..=0o777).contains(bits));
        bits.map(Some).ok_or_else(|| format!("the mode {text:?} is not one from 0700 to 0777"))
    }
}
