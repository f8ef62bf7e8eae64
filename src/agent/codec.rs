//! Lines of JSON and the bytes between them, read from an untrusted peer: every length is bounded.

use std::io::{self, BufRead, Read, Write};

use flate2::{Compression, bufread::ZlibDecoder, write::ZlibEncoder};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::protocol::{CHUNK_BYTES, Request};
use crate::text::{Foreign, escape};

/// Longest line in bytes: a plan has at most 1 MiB as YAML, and a machine's findings less.
const LINE_BYTES: u64 = 8 << 20;
/// Longest response in bytes.
const ANSWER_BYTES: u64 = 2 << 20;
/// Most values in a response: each takes some hundred bytes of memory once it is read, however short it is written.
const VALUES: usize = 1 << 16;

fn unexpected_response(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// Writes one message as a line.
///
/// # Errors
/// Fails if the system call fails.
pub fn write(out: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

/// Reads one message; `None` at the end of the input.
///
/// # Errors
/// As [`read_line`], and `InvalidData` if the line is not a message.
pub fn read<T: DeserializeOwned>(input: &mut impl BufRead) -> io::Result<Option<T>> {
    read_line(input)?.map(|line| parse(&line)).transpose()
}

/// Reads one line without its line ending; `None` at the end of the input.
///
/// # Errors
/// `InvalidData` for a line that is too long, `UnexpectedEof` for half a line, or the system's error.
pub fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    line_within(input, LINE_BYTES)
}

/// As [`read_line`], for a host's response, which is shorter than a request: requests contain a plan.
///
/// # Errors
/// As [`read_line`].
pub fn read_answer(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    line_within(input, ANSWER_BYTES)
}

fn line_within(input: &mut impl BufRead, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    input.take(most).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        let long = line.len() as u64 >= most.saturating_sub(1);
        return Err(if long { unexpected_response("line too long") } else { io::ErrorKind::UnexpectedEof.into() });
    }
    Ok(Some(line))
}

/// One line as a message.
///
/// # Errors
/// `InvalidData`, with the beginning of the line.
pub fn parse<T: DeserializeOwned>(line: &[u8]) -> io::Result<T> {
    serde_json::from_slice(line).map_err(|e| {
        let head: String = String::from_utf8_lossy(line).chars().take(80).collect();
        unexpected_response(format!("cannot parse \"{}\" ({})", Foreign::new(head), Foreign::new(e.to_string())))
    })
}

/// One line of another machine as a message: every text in it is escaped and cut, paths, names and hosts' settings alike.
/// None that a plan may name has anything in it that would be, so what is compared stays the same.
///
/// # Errors
/// As [`parse`].
pub fn parse_foreign<T: DeserializeOwned>(line: &[u8]) -> io::Result<T> {
    if values(line) > VALUES {
        return Err(unexpected_response(format!("more than {VALUES} values")));
    }
    let mut value: Value = parse(line)?;
    disarm(&mut value, "");
    serde_json::from_value(value)
        .map_err(|e| unexpected_response(format!("cannot parse it ({})", Foreign::new(e.to_string()))))
}

/// At most how many values a line of JSON can hold: what begins or parts them, counted wherever it is.
fn values(line: &[u8]) -> usize {
    line.iter().filter(|byte| matches!(byte, b'[' | b'{' | b',')).count()
}

fn disarm(value: &mut Value, name: &str) {
    match value {
        Value::String(text) => match name {
            // a hint has lines
            "hint" => *text = escape::lines(text),
            // a list of URLs may be long, and is given to an etcd
            "value" => *text = escape::whole(text),
            _ => *text = escape::line(text),
        },
        Value::Array(items) => items.iter_mut().for_each(|item| disarm(item, name)),
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| disarm(value, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Writes a chunk, packed where that makes it shorter by a tenth. `packing` is switched off once a chunk did not get
/// shorter: the rest of such a file mostly does not either. Returns how many bytes went out.
///
/// # Errors
/// Fails if the system call fails.
pub fn write_chunk(out: &mut impl Write, bytes: &[u8], packing: &mut bool) -> io::Result<u64> {
    let packed = if *packing { pack(bytes)? } else { None };
    *packing = packed.is_some();
    let unpacked = packed.as_ref().and(u32::try_from(bytes.len()).ok());
    let body = packed.as_deref().unwrap_or(bytes);
    let length = u32::try_from(body.len()).map_err(|_| unexpected_response("chunk too long"))?;
    write(out, &Request::Chunk { length, unpacked })?;
    out.write_all(body)?;
    Ok(body.len() as u64)
}

fn pack(bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    let packed = encoder.finish()?;
    Ok((packed.len() < (bytes.len() / 10).saturating_mul(9)).then_some(packed))
}

/// Reads the bytes that follow the line of a chunk.
///
/// # Errors
/// `InvalidData` when it is longer than a chunk may be or does not decompress to the announced length, or the system's error.
pub fn read_chunk(input: &mut impl Read, length: u32, unpacked: Option<u32>) -> io::Result<Vec<u8>> {
    let most = |n: u32| {
        usize::try_from(n).ok().filter(|n| *n <= CHUNK_BYTES).ok_or_else(|| unexpected_response("chunk too long"))
    };
    let mut body = vec![0; most(length)?];
    input.read_exact(&mut body)?;
    let Some(unpacked) = unpacked else { return Ok(body) };
    let wanted = most(unpacked)?;
    let mut bytes = Vec::with_capacity(wanted);
    // One more than wanted tells a chunk that goes on.
    ZlibDecoder::new(body.as_slice()).take((wanted as u64).saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() == wanted { Ok(bytes) } else { Err(unexpected_response("wrong length of a decompressed chunk")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::agent::protocol::Event;

    /// What a host says of paths, names, processes and failures, as far as it is shown or written down.
    #[test]
    fn texts_of_another_machine_are_escaped_and_cut() {
        let evil = "pwn\x1b[2J\u{202e}\r\nFORGED\u{9b}";
        let long = format!("{evil}{}", "A".repeat(10_000));
        let setting = serde_json::json!({"flag": evil, "value": long, "from": long});
        let config = serde_json::json!({
            "origin": {"File": evil}, "kind": "Process", "flags": [setting], "data_dir": evil, "wal_dir": null,
            "automation": [{"what": long, "active": true, "pause": evil, "resume": evil}], "notes": [long], "runs": {"Program": evil},
        });
        let failed = serde_json::json!({"kind": "Failed", "what": long, "why": long, "hint": format!("{evil}\nmore")});
        for message in [
            serde_json::json!({"configs": [config]}),
            serde_json::json!({"failed": failed}),
            serde_json::json!({"hello": {"protocol": 4, "version": long}}),
            serde_json::json!({"undone": [[evil, evil]]}),
            serde_json::json!({"snapshot": {"all": evil}}),
        ] {
            let event: Event = parse_foreign(message.to_string().as_bytes()).unwrap();
            let shown = format!("{event:?}");
            assert!(shown.contains("pwn") && !shown.contains("\\u{1b}[2J\\u{202e}\\r"), "{shown}");
            let json = serde_json::to_string(&event).unwrap();
            assert_eq!(escape::find(&json), None, "{json}");
            // a value is given to an etcd, and all of it; a hint alone has lines
            assert!(json.matches(&"A".repeat(9_000)).count() <= 1 && !json.contains("\\r"), "{json}");
        }
        let odd = parse_foreign::<Event>(format!("{{\"{}\":1}}", "x\u{202e}").as_bytes()).unwrap_err().to_string();
        assert_eq!(escape::find(&odd), None, "{odd}");
        let odd = parse_foreign::<Event>(evil.as_bytes()).unwrap_err().to_string();
        assert!(!odd.contains(escape::is_hostile), "{odd:?}");
    }

    /// Short as they are written, such lists take a hundred times as much memory.
    #[test]
    fn an_answer_of_many_values_is_refused_unread() {
        let mut messages = Vec::new();
        for (item, many) in [("0", VALUES), ("[]", VALUES / 2), ("{\"a\":{}}", VALUES / 2)] {
            let list = |count: usize| format!("{{\"configs\":[{}]}}", vec![item; count].join(","));
            let why = |count| parse_foreign::<Event>(list(count).as_bytes()).unwrap_err().to_string();
            messages.push((item, why(many + 2)));
            assert_ne!(why(many + 2), why(9), "{item}");
        }
        crate::text::messages::hold("agent-values", &messages);
        let mut long = vec![b' '; ANSWER_BYTES as usize];
        long.push(b'\n');
        assert!(read_answer(&mut long.as_slice()).is_err() && read_line(&mut long.as_slice()).is_ok());
    }

    fn there_and_back(bytes: &[u8], mut packing: bool) -> (Vec<u8>, u64, bool) {
        let mut out = Vec::new();
        let sent = write_chunk(&mut out, bytes, &mut packing).unwrap();
        let mut input = out.as_slice();
        let Some(Request::Chunk { length, unpacked }) = read(&mut input).unwrap() else { panic!("no chunk") };
        let back = read_chunk(&mut input, length, unpacked).unwrap();
        assert!(input.is_empty());
        (back, sent, packing)
    }

    #[test]
    fn only_what_shrinks_is_compressed() {
        let zeros = vec![0; CHUNK_BYTES];
        let (back, sent, packing) = there_and_back(&zeros, true);
        assert!(back == zeros && sent < 10_000 && packing);
        let noise: Vec<u8> = (0..1000u32)
            .flat_map(|n| sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(n.to_be_bytes())))
            .collect();
        let (back, sent, packing) = there_and_back(&noise, true);
        assert!(back == noise && sent == noise.len() as u64 && !packing);
        assert_eq!(there_and_back(&zeros[..99], false).1, 99);
    }

    #[test]
    fn malformed_input_is_refused() {
        let mut bomb = Vec::new();
        let mut packing = true;
        write_chunk(&mut bomb, &vec![0; CHUNK_BYTES], &mut packing).unwrap();
        let at = bomb.iter().position(|b| *b == b'\n').unwrap() + 1;
        let body = &bomb[at..];
        let length = u32::try_from(body.len()).unwrap();
        let mut messages = Vec::new();
        for (what, length, unpacked) in [
            ("another length", length, Some(9)),
            ("unpacked too long", length, Some(u32::MAX)),
            ("too long", CHUNK_BYTES as u32 + 1, None),
        ] {
            messages.push((what, read_chunk(&mut &*body, length, unpacked).unwrap_err().to_string()));
        }
        assert!(read_chunk(&mut &b"abc"[..], 4, None).is_err());
        assert!(read_chunk(&mut &b"abcd"[..], 4, Some(4)).is_err());
        assert_eq!(read::<Event>(&mut &b""[..]).unwrap(), None);
        for text in ["\"done\"", "{}\n", "\"dance\"\n", "hello\n", "\n"] {
            assert!(read::<Event>(&mut text.as_bytes()).is_err(), "{text:?}");
        }
        assert_eq!(read::<Event>(&mut &b"\"done\"\n"[..]).unwrap(), Some(Event::Done));
        let long = vec![b' '; LINE_BYTES as usize + 9];
        messages.push(("a long line", read::<Event>(&mut long.as_slice()).unwrap_err().to_string()));
        crate::text::messages::hold("agent-malformed", &messages);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..60), packed: Option<u8>) {
            let _ = read::<Request>(&mut bytes.as_slice());
            let _ = read_chunk(&mut bytes.as_slice(), bytes.len() as u32, packed.map(u32::from));
        }

        #[test]
        fn chunks_come_through(bytes in prop::collection::vec(0u8..4, 0..5000), packing: bool) {
            prop_assert_eq!(there_and_back(&bytes, packing).0, bytes);
        }
    }
}
