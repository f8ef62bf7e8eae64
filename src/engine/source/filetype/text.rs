//! Identifies text files: the response of a server instead of the file, a snapshot in base64, armored encrypted data.

use std::{collections::BTreeSet, path::Path};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{FileKind, Identified, is_database};
use crate::text::value::brief;

/// Standard base64, with or without padding.
const STANDARD: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const AGAIN: &str = "Read it (cat {}), and download the snapshot again.";
const NOT_IT: &str = "Specify the snapshot file.";

/// The beginning of a text in lower case, its kind, its name, and what to do.
type Beginning = (&'static str, FileKind, &'static str, &'static str);

const BEGINNINGS: &[Beginning] = &[
    ("-----begin pgp", FileKind::Encrypted, "encrypted with gpg (armored)", "Decrypt it first: gpg -o NEW.db -d {}"),
    (
        "-----begin age encrypted file-----",
        FileKind::Encrypted,
        "encrypted with age (armored)",
        "Decrypt it first: age -d -i KEY-FILE -o NEW.db {}",
    ),
    (
        "-----begin pkcs7-----",
        FileKind::Encrypted,
        "a PKCS #7 message",
        "Decrypt it first: openssl smime -decrypt -binary -inform PEM -in {} -inkey KEY-FILE -out NEW.db",
    ),
    (
        "-----begin cms-----",
        FileKind::Encrypted,
        "a CMS message",
        "Decrypt it first: openssl cms -decrypt -binary -inform PEM -in {} -inkey KEY-FILE -out NEW.db",
    ),
    (
        "$ansible_vault;",
        FileKind::Encrypted,
        "encrypted with ansible-vault",
        "Decrypt it first: ansible-vault decrypt --output NEW.db {}",
    ),
    (
        "u2fsdgvkx1",
        FileKind::Encrypted,
        "encrypted with openssl enc, in base64",
        "Decrypt it first, with the cipher and options used to encrypt it: openssl enc -d -a -aes-256-cbc -pbkdf2 -in {} -out NEW.db",
    ),
    ("<!doctype html", FileKind::Answer, "an HTML page", AGAIN),
    ("<html", FileKind::Answer, "an HTML page", AGAIN),
    ("<head", FileKind::Answer, "an HTML page", AGAIN),
    ("<body", FileKind::Answer, "an HTML page", AGAIN),
    ("<script", FileKind::Answer, "an HTML page", AGAIN),
    ("<!--", FileKind::Answer, "an HTML or XML page", AGAIN),
    (
        "http/1",
        FileKind::Answer,
        "an HTTP response with its headers",
        "Save what follows the headers (curl -o FILE without -i).",
    ),
    (
        "http/2",
        FileKind::Answer,
        "an HTTP response with its headers",
        "Save what follows the headers (curl -o FILE without -i).",
    ),
    ("apiversion:", FileKind::Other, "a YAML manifest", NOT_IT),
    ("kind:", FileKind::Other, "a YAML manifest", NOT_IT),
    ("0000000 ", FileKind::Encoded, "an od or hexdump dump", "Take another copy of the snapshot."),
    ("000000 ", FileKind::Encoded, "an od or hexdump dump", "Take another copy of the snapshot."),
    ("unsigned char ", FileKind::Encoded, "a C array from xxd -i", "Take another copy of the snapshot."),
    (
        "[repository]",
        FileKind::Other,
        "the configuration of a Borg repository",
        "Extract the snapshot from it: borg extract",
    ),
    ("00000000  ", FileKind::Encoded, "a hexadecimal dump from hexdump -C", "Take another copy of the snapshot."),
];

/// The beginning of a text that a command decodes to a database, its name, what the command does, and the command.
const ENCODINGS: &[(&str, &str, &str, &str)] = &[
    ("begin 6", "a uuencoded file", DECODE, "uudecode -o NEW.db {}"),
    ("begin-base64 ", "a file in base64", DECODE, "uudecode -o NEW.db {}"),
    ("00000000: ", "a hexadecimal dump", CONVERT, "xxd -r {} > NEW.db"),
];

const DECODE: &str = "Decode it";
const CONVERT: &str = "Convert it back";

/// Identifies a text; `None` if it is not text.
pub(super) fn identify(head: &[u8]) -> Option<Identified> {
    if let Some(text) = utf16(head) {
        let found = identify(text.as_bytes())?;
        let hint = match &found.decode {
            Some(command) => format!(
                "Convert it to UTF-8 first (iconv -f UTF-16 -t UTF-8 {{}} > NEW.txt), then: {}",
                command.replace("{}", "NEW.txt")
            ),
            None => found.hint,
        };
        return Some(Identified { name: format!("{}, in UTF-16", found.name), hint, ..found });
    }
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let whole = readable(head)?;
    let mut text = whole.trim_start();
    // YAML document markers say nothing about the kind.
    while let Some((line, rest)) = text.split_once('\n').filter(|(line, _)| line.trim_end() == "---") {
        let _ = line;
        text = rest.trim_start();
    }
    if text.starts_with("-----BEGIN ")
        && !text.get(..64).unwrap_or(text).contains("PGP")
        && let Some(found) = armoured(text)
    {
        return Some(found);
    }
    let lower: String = text.chars().take(64).collect::<String>().to_ascii_lowercase();
    let named = BEGINNINGS.iter().find(|(start, ..)| lower.starts_with(start));
    if let Some((_, kind, name, hint)) = named {
        return Some(Identified::new(*kind, *name, *hint));
    }
    if let Some((_, name, lead, command)) = ENCODINGS.iter().find(|(start, ..)| lower.starts_with(start)) {
        return Some(Identified::encoded(*name, lead, *command));
    }
    if lower.starts_with('<') {
        return Some(xml(text));
    }
    if lower.starts_with("-----begin ") {
        return Some(Identified::new(FileKind::Other, "a PEM file (a certificate or a key)", NOT_IT));
    }
    // A section of a configuration file begins with a bracket too.
    let section = |rest: &str| {
        rest.trim_start().starts_with(|c: char| {
            c.is_ascii_alphabetic()
                && !rest.trim_start().starts_with("true")
                && !rest.trim_start().starts_with("null")
                && !rest.trim_start().starts_with("false")
        })
    };
    if lower.starts_with('{') || lower.strip_prefix('[').is_some_and(|rest| !section(rest)) {
        return Some(json(text));
    }
    hexadecimal(text).or_else(|| encoded(text)).or_else(|| plain(text))
}

/// Decodes UTF-16, recognized by its byte order mark or by every other byte being zero.
fn utf16(head: &[u8]) -> Option<String> {
    let zeros = |place: usize| {
        head.chunks_exact(2).take(32).all(|pair| pair.get(place) == Some(&0) && pair.get(place ^ 1) != Some(&0))
    };
    let (rest, little) = match head {
        [0xff, 0xfe, rest @ ..] => (rest, true),
        [0xfe, 0xff, rest @ ..] => (rest, false),
        _ if head.len() >= 32 && zeros(1) => (head, true),
        _ if head.len() >= 32 && zeros(0) => (head, false),
        _ => return None,
    };
    let units = rest.chunks_exact(2).filter_map(|pair| pair.try_into().ok());
    let units: Vec<u16> = units.map(if little { u16::from_le_bytes } else { u16::from_be_bytes }).collect();
    // A character that is cut at the end of the head is ignored.
    let text: String = char::decode_utf16(units).map_while(Result::ok).collect();
    (!text.is_empty() && !text.contains('\0')).then_some(text)
}

/// Recognizes a database in the PEM armor of a certificate, as `certutil -encode` writes it.
fn armoured(text: &str) -> Option<Identified> {
    let (_, body) = text.split_once('\n')?;
    let body = body.split("-----END").next().unwrap_or(body);
    let found = encoded(body).filter(|_| !body.starts_with(DATA_URL))?;
    let name = format!("{} in PEM armor, as certutil -encode writes it", found.name);
    Some(Identified::encoded(name, DECODE, "sed '/^-----/d' {} | base64 -di > NEW.db"))
}

/// Returns the head as text if it is printable UTF-8; a character that is cut at its end is ignored.
fn readable(head: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?,
        Err(_) => return None,
    };
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\x0c' | '\x1b' | '\x1a');
    (!text.trim().is_empty() && !text.contains(control)).then_some(text)
}

/// Returns the content of the first element `<name>`.
fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inner.trim()).filter(|inner| !inner.is_empty())
}

/// Returns what an error code of an object store means for the operator.
fn code_advice(code: &str) -> &'static str {
    match code {
        "AccessDenied" | "AllAccessDisabled" | "AuthorizationPermissionMismatch" | "AuthorizationFailure" => {
            "The credentials do not allow reading this object. "
        }
        "NoSuchKey" | "NoSuchBucket" | "BlobNotFound" | "ContainerNotFound" | "ResourceNotFound" => {
            "There is no such object; compare its name with a listing. "
        }
        "ExpiredToken" | "TokenRefreshRequired" | "RequestExpired" | "RequestTimeTooSkewed" => {
            "The credentials or the link have expired, or the clock is wrong. "
        }
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "AuthenticationFailed" => {
            "The credentials or the signed link are not valid. "
        }
        "InvalidObjectState" | "BlobArchived" => "The object is archived; restore it from its storage class first. ",
        "SlowDown" | "ServiceUnavailable" | "InternalError" | "ServerBusy" | "RequestTimeout" => {
            "The object store was not able to answer at the time. "
        }
        _ => "",
    }
}

fn server_response(what: &str, code: Option<&str>, message: Option<&str>) -> Identified {
    let code_words = code.map(|code| brief(code.as_bytes(), 60));
    let message = message.map(|message| brief(message.as_bytes(), 120));
    let detail: Vec<String> = code_words.into_iter().chain(message).collect();
    let name = if detail.is_empty() { what.to_string() } else { format!("{what}: {}", detail.join(", ")) };
    let hint = format!("{}Download the snapshot again.", code.map_or("", code_advice));
    Identified::new(FileKind::Answer, name, hint)
}

fn xml(text: &str) -> Identified {
    // Only the root element may have a namespace attribute.
    let (code, message) = (element(text, "Code"), element(text, "Message"));
    match (text.contains("<Error"), code) {
        (true, _) | (_, Some(_)) => server_response("an object store error in XML", code, message),
        _ if text.contains("<ListBucketResult") => server_response("an object store listing in XML", None, None),
        _ if text.to_ascii_lowercase().contains("<html") => Identified::new(FileKind::Answer, "an HTML page", AGAIN),
        _ => Identified::new(FileKind::Answer, "XML text", AGAIN),
    }
}

fn json(text: &str) -> Identified {
    if text.contains("\"blob\"") && text.contains("\"result\"") {
        let hint = "Join its parts: jq -r '.result.blob // empty' {} | base64 -d > NEW.db";
        return Identified::new(FileKind::Encoded, "a snapshot as etcd's JSON gateway sends it", hint);
    }
    if text.contains("\"ENC[AES256_GCM,") {
        return Identified::new(FileKind::Encrypted, "encrypted with sops", "Decrypt it first: sops -d {} > NEW.db");
    }
    let value: serde_json::Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(_) => return Identified::new(FileKind::Other, "JSON text", NOT_IT),
    };
    if let Some(found) = command_output(&value) {
        return found;
    }
    let error = value.get("error").or_else(|| value.get("Error")).filter(|inner| inner.is_object()).unwrap_or(&value);
    let word = |names: &[&str]| {
        let found = names.iter().find_map(|name| error.get(*name))?;
        found.as_str().map(str::to_string).or_else(|| found.as_i64().map(|n| n.to_string()))
    };
    let code = word(&["code", "Code", "__type", "reason", "status", "error"]);
    let message = word(&["message", "Message", "errorMessage", "detail", "details", "error_description"]);
    let failed = value.get("error").or_else(|| value.get("errors")).or_else(|| value.get("Error")).is_some();
    if failed || (code.is_some() && message.is_some()) {
        return server_response("an error in JSON", code.as_deref(), message.as_deref());
    }
    Identified::new(FileKind::Other, "JSON text", NOT_IT)
}

/// Recognizes the JSON output of etcdctl, etcdutl and kubectl.
fn command_output(value: &serde_json::Value) -> Option<Identified> {
    const SAVE: &str = "It is not a database. Create a snapshot with: etcdctl snapshot save FILE";
    let has = |value: &serde_json::Value, names: &[&str]| names.iter().all(|name| value.get(*name).is_some());
    let first = value.get(0).unwrap_or(value);
    let name = match value {
        _ if has(value, &["header", "kvs"]) => "the output of etcdctl get, with the keys and values of one range",
        _ if has(value, &["header", "members"]) => "the output of etcdctl member list",
        _ if has(first, &["Endpoint"]) && (has(first, &["Status"]) || has(first, &["HashKV"])) => {
            "the output of etcdctl endpoint status"
        }
        _ if has(value, &["hash", "revision", "totalKey"]) => "the output of etcdutl or etcdctl snapshot status",
        _ if has(value, &["apiVersion", "kind"])
            && value.get("kind").and_then(|kind| kind.as_str()) != Some("Status") =>
        {
            "Kubernetes objects in JSON, as kubectl prints them"
        }
        _ => return None,
    };
    Some(Identified::new(FileKind::Other, name, SAVE))
}

/// Recognizes a database in hexadecimal digits.
fn hexadecimal(text: &str) -> Option<Identified> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).take(64).collect();
    let is = digits.len() == 64 && digits.chars().all(|c| c.is_ascii_hexdigit());
    (is && digits.to_ascii_lowercase().get(32..40) == Some("edda0ced"))
        .then(|| Identified::encoded("a snapshot written as hexadecimal digits", CONVERT, "xxd -r -p {} > NEW.db"))
}

const DATA_URL: &str = "data:";

/// Recognizes base64, with or without mail headers before it.
fn encoded(text: &str) -> Option<Identified> {
    let mail =
        text.lines().take(40).any(|line| line.to_ascii_lowercase().starts_with("content-transfer-encoding: base64"));
    let data = text.strip_prefix(DATA_URL).and_then(|rest| rest.split_once(";base64,"));
    let (body, get, before) = match (data, mail) {
        (Some((_, body)), _) => (body, "sed 's/^data:[^,]*,//' {} | base64 -d", " in a data: URL"),
        (None, true) => {
            let (_, body) = text.split_once("\n\n").or_else(|| text.split_once("\r\n\r\n"))?;
            (body, "sed '1,/^\\r*$/d' {} | base64 -di", " with mail headers")
        }
        (None, false) => (text, "base64 -di {}", ""),
    };
    let symbols: String = body.chars().filter(|c| !c.is_ascii_whitespace()).take(4096).collect();
    let url = symbols.contains(['-', '_']);
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_');
    if symbols.len() < 24 || !symbols.chars().all(fits) {
        return None;
    }
    let plain = symbols.replace('-', "+").replace('_', "/");
    let end = plain.find('=').unwrap_or(plain.len());
    let inner = STANDARD.decode(plain.get(..end & !3)?).ok()?;
    let get = if url { "tr '_-' '/+' < {} | base64 -di".to_string() } else { get.to_string() };
    let found = |name: String| Identified::encoded(name, DECODE, format!("{get} > NEW.db"));
    if is_database(&inner) {
        return Some(found(format!("base64 of a snapshot{before}")));
    }
    // A word of letters counts as base64 only if its content is recognized, or it is long.
    if let Some(inner) = super::by_magic(&inner).or_else(|| super::by_rule(&inner, Path::new(""))) {
        return Some(found(format!("base64{before}, and its content is {}", inner.name)));
    }
    let name = format!("text that looks like base64{before}");
    let mixed = [|c: char| c.is_ascii_lowercase(), |c: char| c.is_ascii_uppercase(), |c: char| c.is_ascii_digit()];
    (symbols.len() >= 512 && mixed.iter().all(|is| symbols.contains(is))).then(|| found(name))
}

fn plain(text: &str) -> Option<Identified> {
    let first = text.lines().find(|line| !line.trim().is_empty())?;
    // Erased memory looks like one repeated character.
    if text.chars().filter(|c| !c.is_whitespace()).collect::<BTreeSet<_>>().len() < 2 {
        return None;
    }
    let name = format!("text; it begins with \"{}\"", brief(first.trim().as_bytes(), 60));
    Some(Identified::new(FileKind::Other, name, "Read it (cat {}), and take another copy of the snapshot."))
}
