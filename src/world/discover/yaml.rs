//! YAML as JSON values: the one file here that knows the YAML library.

use serde_json::Value;

/// Reads one document; what JSON cannot express (keys that are no text) is an error.
///
/// # Errors
/// A sentence that says where it is wrong.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    serde_yaml::from_str(text).map_err(|e| format!("it is not YAML that can be read ({e})"))
}
