//! YAML as JSON values, as etcd and the kubelet read it.

use serde_json::Value;

use crate::yaml::{Schema, to_json};

/// Reads the first document, as etcd does; what JSON cannot express (keys that are no text) is an error.
///
/// # Errors
/// A sentence that says where it is wrong.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    to_json(text, Schema::Etcd).map_err(|e| format!("it is not YAML that can be read ({e})"))
}
