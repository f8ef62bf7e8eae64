//! One line of a [journal](super::journal).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::engine::source::hex;

/// The kind of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A run was started.
    Begun,
    /// The operator decided something before it.
    Decided,
    /// A warning was shown.
    Warned,
    /// A blocker was overridden.
    Override,
    /// A host was inspected, or could not be.
    Looked,
    /// Old members were asked again.
    Asked,
    /// A step is about to be done.
    Doing,
    /// A step is done.
    Done,
    /// A member is built and verified.
    Restored,
    /// A step failed.
    Failed,
    /// The data that the new members serve was compared with the plan.
    Proof,
    /// A run ended.
    Ended,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The time, RFC 3339 in UTC.
    pub at: String,
    /// The kind.
    pub kind: Event,
    /// The text for people.
    pub text: String,
    /// The data for programs.
    pub data: Map<String, Value>,
    /// The hash of the line before.
    pub prev: String,
    /// The hash of this line, over all of the above.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
}

impl Record {
    /// Returns the record with its hash.
    pub(super) fn sealed(mut self) -> Record {
        self.hash = String::new();
        self.hash = hex(&Sha256::digest(serde_json::to_vec(&self).unwrap_or_default()));
        self
    }
}
