//! Foreign text: text that did not come from this program.

use std::{borrow::Borrow, ffi::OsStr, fmt, ops::Deref, os::unix::ffi::OsStrExt, path::Path};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{columns, escape};

/// Text of a member, host, file, process, store or environment. It is escaped, set on one line and cut when it is
/// created, in code or by serde, so that no other form of it can be shown, stored or sent.
///
/// What needs the exact bytes (to compare, hash, open or send to a server) has a type of its own, and is shown by
/// [`Foreign::new`] or [`path`].
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Foreign(String);

impl Foreign {
    /// Creates one from any text.
    pub fn new(text: impl AsRef<str>) -> Foreign {
        Foreign(escape::line(text.as_ref()))
    }

    /// Creates one from bytes; those that are not UTF-8 become `\xNN`.
    pub fn from_bytes(bytes: &[u8]) -> Foreign {
        let mut out = String::new();
        for chunk in bytes.utf8_chunks() {
            if out.len() > escape::MOST {
                break;
            }
            out.push_str(chunk.valid());
            out.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
        }
        Foreign::new(out)
    }

    /// Returns the text as it may be shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns a path as it may be shown: a foreign file name may contain line ends and escape sequences.
pub fn path(path: &Path) -> Foreign {
    Foreign::from_bytes(path.as_os_str().as_bytes())
}

/// The use of [`path`] as a method, instead of `display`.
pub trait Shown {
    /// Returns the text as it may be shown.
    fn shown(&self) -> Foreign;
}

impl Shown for OsStr {
    fn shown(&self) -> Foreign {
        path(Path::new(self))
    }
}

impl Shown for Path {
    fn shown(&self) -> Foreign {
        path(self)
    }
}

impl Deref for Foreign {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the width of `format!` counts characters
        let free = f.width().unwrap_or(0).saturating_sub(columns::width(&self.0));
        let before = match f.align() {
            Some(fmt::Alignment::Right) => free,
            Some(fmt::Alignment::Center) => free / 2,
            _ => 0,
        };
        write!(f, "{}{}{}", " ".repeat(before), self.0, " ".repeat(free - before))
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<&str> for Foreign {
    fn from(text: &str) -> Foreign {
        Foreign::new(text)
    }
}

impl From<String> for Foreign {
    fn from(text: String) -> Foreign {
        Foreign::new(text)
    }
}

impl From<&String> for Foreign {
    fn from(text: &String) -> Foreign {
        Foreign::new(text)
    }
}

impl From<Foreign> for String {
    /// Returns the text as it may be shown.
    fn from(text: Foreign) -> String {
        text.0
    }
}

impl AsRef<str> for Foreign {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Foreign {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Foreign {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Foreign {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl PartialEq<String> for Foreign {
    fn eq(&self, other: &String) -> bool {
        self.0 == *other
    }
}

impl PartialEq<Foreign> for String {
    fn eq(&self, other: &Foreign) -> bool {
        *self == other.0
    }
}

impl PartialEq<Foreign> for str {
    fn eq(&self, other: &Foreign) -> bool {
        *self == *other.0
    }
}

impl PartialEq<Foreign> for &str {
    fn eq(&self, other: &Foreign) -> bool {
        **self == *other.0
    }
}

impl Serialize for Foreign {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Foreign {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Foreign, D::Error> {
        String::deserialize(from).map(Foreign::from)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn foreign_text_has_no_raw_form() {
        let evil = "m1\x1b[2J\u{202e}\r\n\u{9b}";
        let shown = "m1\\u{1b}[2J\\u{202e}\\u{d}\\u{a}\\u{9b}";
        let by_serde: Foreign = serde_json::from_str(&serde_json::to_string(evil).unwrap()).unwrap();
        for text in
            [Foreign::new(evil), evil.into(), evil.to_string().into(), Foreign::from_bytes(evil.as_bytes()), by_serde]
        {
            assert_eq!(text, shown);
            assert_eq!((text.to_string(), text.as_str(), &*text), (shown.to_string(), shown, shown));
            assert_eq!(Foreign::new(&text), text, "a second time changes nothing");
        }
        assert_eq!(Foreign::from_bytes(&[b'a'; 10_000]).len(), escape::MOST + '…'.len_utf8());
        assert_eq!(path(Path::new(OsStr::from_bytes(b"/a\n\xff\x1b"))), "/a\\u{a}\\xff\\u{1b}");
        assert_eq!(format!("{:>5}|{:?}", Foreign::new("m1"), Foreign::new("m1")), "   m1|\"m1\"");
    }
}
