//! YAML as JSON values: the one file here that knows the YAML library.

use serde::Deserialize;
use serde_json::Value;

/// Reads the first document, as etcd does; what JSON cannot express (keys that are no text) is an error.
///
/// # Errors
/// A sentence that says where it is wrong.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = serde_yaml::Deserializer::from_str(text).next();
    first.map_or(Ok(Value::Null), Value::deserialize).map_err(|e| format!("it is not YAML that can be read ({e})"))
}
