//! Finds the snapshots in a tar archive by their first bytes, to give the command that extracts them.

use std::{fs::File, os::unix::fs::FileExt, path::Path};

use super::{Identified, is_database, quoted};
use crate::text::{quote::shell_word, value::brief};

/// The most members that are examined.
const MOST: usize = 20_000;

/// Returns the names of the databases in it, in order, as far as the archive can be read.
fn databases(file: &File) -> Vec<Vec<u8>> {
    let (mut at, mut found, mut long) = (0u64, Vec::new(), None);
    for _ in 0..MOST {
        let mut header = [0; 512];
        if file.read_exact_at(&mut header, at).is_err() || header.iter().all(|byte| *byte == 0) {
            break;
        }
        let Some(bytes) = size(header.get(124..136).unwrap_or_default()) else { break };
        let kind = header.get(156).copied().unwrap_or_default();
        let content = at.saturating_add(512);
        let mut start = [0; 32];
        match kind {
            // GNU tar stores a long name before its member; pax stores it among other records.
            b'L' if bytes < 65_536 => {
                let mut name = vec![0; bytes as usize];
                long = file.read_exact_at(&mut name, content).is_ok().then_some(name);
            }
            b'x' if bytes < 65_536 => {
                let mut records = vec![0; bytes as usize];
                long = file.read_exact_at(&mut records, content).ok().and_then(|()| pax_path(&records));
            }
            b'0' | b'7' | 0
                if bytes >= 4096 && file.read_exact_at(&mut start, content).is_ok() && is_database(&start) =>
            {
                found.push(trimmed(&long.take().unwrap_or_else(|| name(&header))));
            }
            _ => long = None,
        }
        at = content.saturating_add(bytes.div_ceil(512).saturating_mul(512));
    }
    found
}

/// Parses a size: octal digits, or, for a larger number, binary after a byte whose first bit is set.
fn size(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        return field.get(4..12)?.try_into().ok().map(u64::from_be_bytes);
    }
    let digits: String = field.iter().map(|byte| char::from(*byte)).filter(char::is_ascii_digit).collect();
    u64::from_str_radix(if digits.is_empty() { "0" } else { &digits }, 8).ok()
}

fn name(header: &[u8; 512]) -> Vec<u8> {
    let field = |from: usize, to: usize| trimmed(header.get(from..to).unwrap_or_default());
    let (name, prefix) = (field(0, 100), field(345, 500));
    let posix = header.get(257..263) == Some(b"ustar\0");
    if posix && !prefix.is_empty() { [prefix, name].join(&b'/') } else { name }
}

fn trimmed(field: &[u8]) -> Vec<u8> {
    field.iter().copied().take_while(|byte| *byte != 0).collect()
}

/// Returns the `path` among the records of a pax header: `LENGTH path=NAME`, one a line.
fn pax_path(records: &[u8]) -> Option<Vec<u8>> {
    let mut lines = records.split(|byte| *byte == b'\n');
    lines.find_map(|line| {
        let (_, record) = line.split_at_checked(line.iter().position(|byte| *byte == b' ')?)?;
        record.strip_prefix(b" path=").map(<[u8]>::to_vec)
    })
}

/// Adds the databases in a tar archive to what is known of it.
pub fn with_content(found: Identified, file: &File, path: &Path) -> Identified {
    let names = databases(file);
    let shown: Vec<String> = names.iter().take(3).map(|name| brief(name, 120)).collect();
    let more = names.len().saturating_sub(shown.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let (name, hint) = match names.as_slice() {
        [] => (
            format!("{}; no database was found in it", found.name),
            format!("List its content: tar -tf {}", quoted(path)),
        ),
        [only] => {
            let hint = match std::str::from_utf8(only) {
                Ok(only) if !only.starts_with('-') => {
                    format!("Unpack it first: tar -xOf {} {} > NEW.db", quoted(path), shell_word(only))
                }
                _ => found.hint,
            };
            (format!("{} with a database in it ({})", found.name, shown.join(", ")), hint)
        }
        _ => (
            format!("{} with {} databases in it ({}{more})", found.name, names.len(), shown.join(", ")),
            format!("Unpack the one you want: tar -xOf {} MEMBER > NEW.db", quoted(path)),
        ),
    };
    Identified { name, hint, ..found }
}
