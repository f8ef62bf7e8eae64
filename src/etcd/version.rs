//! The etcd minor versions that requorum writes for.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The version that a member reports while the cluster has none (etcd `etcdhttp/version.go`,
/// `serveVersion`).
pub const NOT_DECIDED: &str = "not_decided";

/// An etcd minor version whose servers start from the files that requorum writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Minor {
    /// etcd 3.4
    #[serde(rename = "3.4")]
    V3_4,
    /// etcd 3.5
    #[serde(rename = "3.5")]
    V3_5,
    /// etcd 3.6
    #[serde(rename = "3.6")]
    V3_6,
    /// etcd 3.7
    #[serde(rename = "3.7")]
    V3_7,
}

impl Minor {
    /// All of them, oldest first.
    pub const ALL: [Minor; 4] = [Minor::V3_4, Minor::V3_5, Minor::V3_6, Minor::V3_7];

    /// `"3.5"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Minor::V3_4 => "3.4",
            Minor::V3_5 => "3.5",
            Minor::V3_6 => "3.6",
            Minor::V3_7 => "3.7",
        }
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Minor {
    type Err = String;

    /// Takes `3.5`, `v3.5`, `3.5.16`; the error is a message.
    fn from_str(text: &str) -> Result<Self, String> {
        let plain = text.trim().trim_start_matches('v');
        Minor::ALL
            .into_iter()
            .find(|m| plain == m.as_str() || plain.strip_prefix(m.as_str()).is_some_and(|r| r.starts_with('.')))
            .ok_or_else(|| format!("unsupported etcd version {text:?}: expected 3.4, 3.5, 3.6 or 3.7"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_minor_and_patch_forms() {
        assert_eq!("3.5".parse(), Ok(Minor::V3_5));
        assert_eq!("v3.6.14".parse(), Ok(Minor::V3_6));
        assert!("3.50".parse::<Minor>().is_err());
        assert!("2.3".parse::<Minor>().is_err());
    }
}
