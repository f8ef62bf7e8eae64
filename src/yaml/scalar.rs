//! Resolves scalars of a YAML file: go-yaml v2's `resolve.go` and sigs.k8s.io/yaml's `convertToJSONableObject`, and
//! YAML 1.2's core schema.

use serde_json::{Number, Value};

use super::Schema;

/// The prefix of YAML's own tags.
const OWN: &str = "tag:yaml.org,2002:";

/// A scalar as JSON.
///
/// # Errors
/// Returns a message if a tag does not match, or if JSON has no such value (`.inf`).
pub(super) fn resolve(text: &str, plain: bool, tag: Option<&str>, schema: Schema) -> Result<Value, String> {
    let word = || Ok(Value::String(text.into()));
    let by_itself = || match schema {
        Schema::Etcd => etcd(text),
        Schema::Words => Ok(match core(text) {
            Value::Number(_) => Value::String(text.into()),
            other => other,
        }),
    };
    let Some(tag) = tag else { return if plain { by_itself() } else { word() } };
    let value = match tag.strip_prefix(OWN) {
        Some("str") | None => return word(),
        Some("bool" | "int" | "float" | "null") => match schema {
            Schema::Etcd => etcd(text)?,
            Schema::Words => core(text),
        },
        Some(other) => return Err(format!("unsupported tag !!{other}")),
    };
    let fits = match (tag.strip_prefix(OWN), &value) {
        (Some("bool"), Value::Bool(_)) | (Some("null"), Value::Null) | (Some("float"), Value::Number(_)) => true,
        (Some("int"), Value::Number(number)) => !number.is_f64(),
        _ => false,
    };
    match value {
        _ if !fits => Err("value does not match its tag".into()),
        Value::Number(number) if tag.ends_with("float") => {
            Ok(number.as_f64().and_then(Number::from_f64).map_or(Value::Null, Value::Number))
        }
        value => Ok(value),
    }
}

/// As go-yaml v2 does.
fn etcd(text: &str) -> Result<Value, String> {
    Ok(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf"
        | "-.INF" => return Err(format!("{text} is not a number that etcd accepts")),
        _ if text.starts_with('.') && text.contains('_') && float(&text.replace('_', "")).is_some() => {
            return Err(format!("ambiguous number {text}: underscores after a leading dot"));
        }
        _ if text.starts_with('.') => float(text).unwrap_or_else(|| text.into()),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || c == '+' || c == '-') => {
            let digits = text.replace('_', "");
            integer(&digits).or_else(|| float(&digits)).unwrap_or_else(|| text.into())
        }
        _ => text.into(),
    })
}

/// Go's `ParseInt` and then `ParseUint` with base 0: `0x`, `0b`, `0o`, and `0` for octal numbers.
fn integer(text: &str) -> Option<Value> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = rest.to_ascii_lowercase();
    let prefixed = |prefix: &str| lower.strip_prefix(prefix);
    let (digits, base) = match (prefixed("0x"), prefixed("0b"), prefixed("0o"), prefixed("0")) {
        (Some(digits), ..) => (digits, 16),
        (_, Some(digits), ..) => (digits, 2),
        (_, _, Some(digits), _) => (digits, 8),
        (.., Some(digits)) if !digits.is_empty() => (digits, 8),
        _ => (lower.as_str(), 10),
    };
    // A second sign is none of Go's.
    if !digits.starts_with(|c: char| c.is_digit(base)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, base).ok()?;
    if negative {
        return 0i64.checked_sub_unsigned(magnitude).map(Value::from);
    }
    // ParseUint takes no sign.
    (!text.starts_with('+') || i64::try_from(magnitude).is_ok()).then(|| magnitude.into())
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, where it is finite.
fn float(text: &str) -> Option<Value> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, part) = mantissa.split_once('.').map_or((mantissa, None), |(whole, part)| (whole, Some(part)));
    let sound = digits(whole) && part.is_none_or(digits) && !(whole.is_empty() && part.is_none_or(str::is_empty));
    let exponent_sound = exponent.is_none_or(|exponent| {
        let bare = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !bare.is_empty() && digits(bare)
    });
    let number: f64 = if sound && exponent_sound { text.parse().ok()? } else { return None };
    Number::from_f64(number).map(Value::Number)
}

/// As YAML 1.2's core schema does, with `0b` too.
pub(super) fn core(text: &str) -> Value {
    match text {
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let leading_zero = unsigned.len() > 1 && unsigned.starts_with('0') && unsigned.bytes().all(|b| b.is_ascii_digit());
    if leading_zero || unsigned.contains('_') {
        return text.into();
    }
    integer(text).or_else(|| float(text)).unwrap_or_else(|| text.into())
}

/// A map's key as text, where it can be one.
pub(super) fn key_text(key: &Value) -> Option<String> {
    match key {
        Value::String(text) => Some(text.clone()),
        Value::Bool(yes) => Some(yes.to_string()),
        // sigs.k8s.io/yaml has no case for what only fits 64 bits without a sign.
        Value::Number(number) if number.as_i64().is_none() && !number.is_f64() => None,
        Value::Number(number) => Some(number_text(number)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A number as etcd has it where it wants a text: Go's `FormatFloat(f, 'g', -1, 32)` for fractions.
pub fn number_text(number: &Number) -> String {
    if !number.is_f64() {
        return number.to_string();
    }
    #[allow(clippy::cast_possible_truncation)]
    let short = number.as_f64().unwrap_or_default() as f32;
    if short.is_infinite() {
        return if short > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    let scientific = format!("{short:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    // Go's bound for the shortest text.
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    short.to_string()
}
