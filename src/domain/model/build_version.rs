//! The version of a requorum: its number and, where known, the commit that it was built from.

use std::fmt;

/// Which requorum it is, as `requorum --version` prints it, less the date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildVersion {
    /// `0.1.0`.
    pub number: String,
    /// The first digits of the commit, with `-modified` if files differed from it; none where it is not known, as in a
    /// debug build.
    pub commit: Option<String>,
}

impl BuildVersion {
    /// Parses the first line of `requorum --version`: `requorum 0.1.0 (0123456789ab 2026-11-30)`, where everything
    /// after the number may be missing.
    pub fn parse(line: &str) -> Option<BuildVersion> {
        let mut words = line.trim().strip_prefix("requorum ")?.splitn(2, ' ');
        let number = words.next().filter(|number| is_number(number))?;
        let rest = words.next().unwrap_or_default();
        let commit = rest.split(['(', ')', ' ']).find(|word| is_commit(word));
        Some(BuildVersion { number: number.into(), commit: commit.map(str::to_string) })
    }

    /// Returns whether both may be the same program: the numbers are equal, and so are the commits where both are known.
    pub fn fits(&self, other: &BuildVersion) -> bool {
        let commits = self.commit.as_ref().zip(other.commit.as_ref());
        self.number == other.number && commits.is_none_or(|(one, other)| one == other)
    }
}

impl fmt::Display for BuildVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.commit {
            Some(commit) => write!(f, "{} ({commit})", self.number),
            None => f.write_str(&self.number),
        }
    }
}

/// Returns whether this is a version number, with or without a pre-release: nothing else of a file is printed.
pub fn is_number(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    text.starts_with(|c: char| c.is_ascii_digit()) && text.len() <= 64 && text.chars().all(allowed)
}

/// Returns whether this is the beginning of a commit's ID.
pub fn is_commit(text: &str) -> bool {
    let digits = text.strip_suffix("-modified").unwrap_or(text);
    (7..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn versions_are_parsed_from_their_line() {
        for (line, number, commit) in [
            ("requorum 0.1.0", "0.1.0", None),
            ("requorum 0.1.0 (0123456789ab 2026-11-30)", "0.1.0", Some("0123456789ab")),
            ("requorum 0.1.0 (0123456789ab-modified 2026-11-30)\n", "0.1.0", Some("0123456789ab-modified")),
            ("requorum 0.1.0 (0123456789ab)", "0.1.0", Some("0123456789ab")),
            ("requorum 0.1.0 (2026-11-30)", "0.1.0", None),
            ("requorum 1.0.0-rc.1+2", "1.0.0-rc.1+2", None),
        ] {
            let version = BuildVersion::parse(line).unwrap();
            assert_eq!((version.number.as_str(), version.commit.as_deref()), (number, commit), "{line}");
        }
        for line in ["", "requorum", "requorum ", "requorum x", "etcd 3.5.0", "requorum \u{1b}[2J", "bash: not found"] {
            assert_eq!(BuildVersion::parse(line), None, "{line}");
        }
    }

    #[test]
    fn known_commits_have_to_be_equal() {
        let version = |line: &str| BuildVersion::parse(line).unwrap();
        let (one, other) = (version("requorum 0.1.0 (0123456789ab)"), version("requorum 0.1.0 (ba9876543210)"));
        let (none, newer) = (version("requorum 0.1.0"), version("requorum 0.1.1 (0123456789ab)"));
        assert!(one.fits(&one) && one.fits(&none) && none.fits(&other));
        assert!(!one.fits(&other) && !one.fits(&newer) && !none.fits(&newer));
    }
}
