//! Reads YAML as JSON values, as etcd and the kubelet do.

use serde_json::Value;

use crate::yaml::{Schema, to_json};

/// Reads the first document, like etcd; what JSON cannot express (keys that are not strings) is an error.
///
/// # Errors
/// A sentence with the place of the mistake.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    to_json(text, Schema::Etcd).map_err(|e| format!("it is not valid YAML ({e})"))
}
