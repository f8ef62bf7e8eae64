//! A database that was changed in transit: converted as if it were text, or with other bytes before it.
//!
//! Some changes show at the start of the file, others only as damage later: then the line ends of the whole file are
//! counted, see [`LineEnds`].

use super::{FileKind, Identified};
use crate::text::{number::thousands, size::byte_count, value::brief};

/// The beginning of a database's first meta page: page 0, the type of a meta page, the magic number, the version.
const START: [u8; 24] = [0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0xed, 0xda, 0x0c, 0xed, 2, 0, 0, 0];

const BINARY: &str =
    "Copy it again in binary mode (kubectl exec without -t, ftp with `binary`, scp, or base64 on both ends)";

/// Recognizes a conversion as if it were text by the first bytes.
pub(super) fn text_conversion(head: &[u8]) -> Option<Identified> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let lost = |what: &str| {
        let name = format!("a database that was converted as if it were text: {what}");
        Some(Identified::new(
            FileKind::Altered,
            name,
            format!("{BINARY}: the bytes that were replaced cannot be recovered."),
        ))
    };
    let magic = |bytes: &[u8]| text.get(16..).is_some_and(|rest| rest.starts_with(bytes)) && text.starts_with(&[0; 8]);
    if magic("\u{fffd}\u{fffd}\u{c}".as_bytes()) || magic("\u{fffd}\u{c}".as_bytes()) {
        return lost("bytes that are not UTF-8 were replaced by U+FFFD (EF BF BD)");
    }
    if magic(b"??\x0c?") {
        return lost("bytes above 127 were replaced by question marks");
    }
    if magic("\u{ed}\u{da}\u{c}\u{ed}".as_bytes()) {
        let name = "a database that was converted as if it were text: from Latin-1 to UTF-8";
        let hint = format!("{BINARY}, or reverse it: iconv -f UTF-8 -t LATIN1 {{}} > NEW.db");
        return Some(Identified::new(FileKind::Altered, name, hint));
    }
    if magic(b"\x6d\x5a\x0c\x6d") {
        return lost("the highest bit of every byte was cleared, as on a 7-bit connection");
    }
    if let [0xff, 0xfe, rest @ ..] | [0xfe, 0xff, rest @ ..] = head
        && rest.len() >= 64
    {
        // NUL characters are not text.
        if rest.iter().take(16).any(|byte| *byte != 0) {
            return None;
        }
        return lost("to UTF-16, as `>` in Windows PowerShell does");
    }
    None
}

/// Recognizes a database with other bytes before it: a banner, a warning of kubectl, the headers of a response.
pub(super) fn leading_bytes(head: &[u8]) -> Option<Identified> {
    let at = head.windows(START.len()).position(|part| part == START).filter(|at| *at > 0)?;
    let ahead = head.get(..at)?;
    let what = match std::str::from_utf8(ahead) {
        Ok(text) if !text.trim().is_empty() && !text.contains('\0') => {
            format!(" (the text \"{}\")", brief(text.trim().as_bytes(), 60))
        }
        Ok(text) if text.trim().is_empty() => " (line ends)".into(),
        _ => String::new(),
    };
    let name = format!("a database with {} before it{what}", byte_count(at as u64));
    let hint = format!("Remove them: tail -c +{} {{}} > NEW.db", at.saturating_add(1));
    Some(Identified::new(FileKind::Altered, name, hint))
}

/// The counts of line ends in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineEnds {
    /// All bytes.
    pub bytes: u64,
    /// Line feeds.
    pub feeds: u64,
    /// Line feeds after a carriage return.
    pub pairs: u64,
    /// Carriage returns.
    pub returns: u64,
    /// Bytes that are not zero.
    pub filled: u64,
    last: u8,
}

/// Fewer line feeds than this prove nothing.
const FEW: u64 = 4;

impl LineEnds {
    /// Counts the next block.
    pub fn add(&mut self, block: &[u8]) {
        let Some((first, last)) = block.first().zip(block.last()) else { return };
        let number = |found: usize| found as u64;
        let zeros = number(block.iter().filter(|byte| **byte == 0).count());
        let across = u64::from(self.last == b'\r' && *first == b'\n');
        let pairs = number(block.windows(2).filter(|pair| *pair == b"\r\n").count()).saturating_add(across);
        self.bytes = self.bytes.saturating_add(number(block.len()));
        self.filled = self.filled.saturating_add(number(block.len()).saturating_sub(zeros));
        self.returns = self.returns.saturating_add(number(block.iter().filter(|byte| **byte == b'\r').count()));
        self.feeds = self.feeds.saturating_add(number(block.iter().filter(|byte| **byte == b'\n').count()));
        self.pairs = self.pairs.saturating_add(pairs);
        self.last = *last;
    }

    /// Returns what was done to the file, if the counts show it: a carriage return before every line feed, which in a
    /// database happens only by chance.
    pub fn verdict(&self, page_is_meta: bool) -> Option<Identified> {
        if self.filled == 0 {
            let name = format!("nothing but zeros, {} of them", byte_count(self.bytes));
            let hint = "It was created or extended, and never written. Take another copy of the snapshot.";
            return Some(Identified::new(FileKind::Other, name, hint));
        }
        if self.feeds >= FEW && self.pairs == self.feeds {
            let name = format!(
                "changed by a transfer in text mode: each of its {} line feeds has a carriage return before it",
                thousands(self.feeds)
            );
            let hint = format!(
                "{BINARY}; or inspect a copy without the carriage returns, and use it if its SHA-256 matches: LC_ALL=C sed \
                 's/\\r$//' {{}} > NEW.db"
            );
            return Some(Identified::new(FileKind::Altered, name, hint));
        }
        if page_is_meta && self.feeds >= 32 && self.returns == 0 {
            let name = format!(
                "perhaps changed by a transfer in text mode: it has {} line feeds and no carriage return",
                thousands(self.feeds)
            );
            return Some(Identified::new(FileKind::Altered, name, format!("{BINARY}.")));
        }
        None
    }
}
