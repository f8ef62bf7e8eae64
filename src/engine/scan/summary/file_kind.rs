//! What a file is, by its trailer and its meta pages: a saved snapshot, a copy of a database, or a database of a
//! running etcd.

use serde::Serialize;

use crate::{
    bbolt::{ReadAt, View},
    engine::source::{Digest, LEFTOVER, Source, Wrapping},
    text::number::count,
};

/// The state of the file's SHA-256 trailer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trailer {
    /// It matches.
    Ok,
    /// It is missing, as in a copy of `member/snap/db`.
    Missing,
    /// It does not match.
    Wrong,
}

impl Trailer {
    /// Returns the state from the checksums of a file.
    pub fn from_digest(digest: &Digest) -> Trailer {
        match digest.verified() {
            Ok(()) => Trailer::Ok,
            Err(_) if digest.is_wrong() => Trailer::Wrong,
            Err(_) => Trailer::Missing,
        }
    }
}

/// Returns what a file is, in a clause without its name: `a saved snapshot with a matching SHA-256 trailer`.
pub fn nature<R: ReadAt>(source: &Source, view: &View<R>, digest: &Digest) -> String {
    let copy = is_copy(view);
    let mut words = match (digest.trailer, digest.verified(), &digest.cut_trailer, &digest.extra) {
        (Some(_), Ok(()), _, None) => "a saved snapshot with a matching SHA-256 trailer".to_string(),
        (Some(_), Ok(()), _, Some(extra)) => {
            format!("a saved snapshot with a matching SHA-256 trailer; {}", extra.sentence())
        }
        (Some(_), Err(_), _, Some(extra)) => {
            let words = extra.words();
            let belong = if extra.bytes == 1 { "belongs" } else { "belong" };
            format!("a database, 32 bytes that may be its SHA-256 but do NOT match, and {words} that {belong} to no page")
        }
        (Some(_), Err(_), ..) => "a saved snapshot with a WRONG SHA-256 trailer".to_string(),
        // few bytes can match by chance: one byte does in 1 of 256 files
        (None, _, Some(cut), _) if cut.fits && cut.bytes < 4 => format!(
            "a database and {}, which may be the start of its SHA-256 trailer or belong to no page",
            count(cut.bytes, "further byte", "further bytes")
        ),
        (None, _, Some(cut), _) if cut.fits => {
            format!("a saved snapshot with a truncated SHA-256 trailer: {} of 32 bytes", cut.bytes)
        }
        (None, _, Some(cut), _) => format!(
            "a database and {}, which {}, or are the rest of a SHA-256 that does NOT match",
            count(cut.bytes, "further byte", "further bytes"),
            if cut.bytes == 1 { "belongs to no page" } else { "belong to no page" }
        ),
        (None, _, _, Some(extra)) => {
            let what = match copy {
                true => "a database (a copy of member/snap/db, or a saved snapshot)",
                false => "a database as etcd runs on it (member/snap/db)",
            };
            format!("{what}; {}, and no SHA-256 matches its content", extra.of_no_page())
        }
        (None, ..) if copy && source.body_bytes() == view.used_bytes() => {
            match &source.wrapping {
                Wrapping::DataDir(_) => "a database without a SHA-256".to_string(),
                _ => "a database without a SHA-256: either a copy of member/snap/db or a saved snapshot whose SHA-256 was cut off"
                    .to_string(),
            }
        }
        (None, ..) => "a database as etcd runs on it (member/snap/db), without a SHA-256 trailer".to_string(),
    };
    match &source.wrapping {
        Wrapping::Plain => {}
        Wrapping::DataDir(_) => words = format!("a data directory; its member/snap/db is {words}"),
        Wrapping::Archive { format, name, .. } => {
            let name = name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            words = format!("{}; its content{name} is {words}", format.words());
        }
    }
    if source.is_part() {
        words = format!("{words}; {LEFTOVER}");
    }
    words
}

/// Returns whether the meta pages are those that bbolt writes at the start of a copy: equal except for the transaction
/// ID, which is one less in the second.
fn is_copy<R: ReadAt>(view: &View<R>) -> bool {
    match view.metas() {
        [Ok(a), Ok(b)] => a.txid == b.txid.wrapping_add(1) && a.root == b.root && a.hwm == b.hwm,
        _ => false,
    }
}
