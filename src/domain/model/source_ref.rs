//! Where a snapshot comes from, as it was named: a file of this machine or an object in a store; and what is downloaded.

use std::path::{Path, PathBuf};

use crate::{
    error::{Error, ErrorKind, Remedy, Result},
    text::Foreign,
};

/// The scheme of an object's URL. What `aws s3` takes.
const SCHEME: &str = "s3://";

/// What was named where a path is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceRef {
    /// A file or directory of this machine.
    File(PathBuf),
    /// An object in a store, or a prefix of several: `s3://BUCKET/KEY`.
    Object(ObjectUrl),
}

impl SourceRef {
    /// Reads what was named as a path: a URL of an object is one only in form.
    pub fn from_path(path: &Path) -> SourceRef {
        match path.to_str().and_then(ObjectUrl::recognize) {
            Some(url) => SourceRef::Object(url),
            None => SourceRef::File(path.into()),
        }
    }

    /// Returns its URL where it is an object's.
    pub fn object(&self) -> Option<&ObjectUrl> {
        match self {
            SourceRef::Object(url) => Some(url),
            SourceRef::File(_) => None,
        }
    }
}

/// What is downloaded into a new file before it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Download {
    /// The state of a member, by its client URL. What was received of it is removed when that is cut off.
    Member(String),
    /// An object. What was received of it stays, and the next download goes on there.
    Object(ObjectUrl),
}

/// Whether what was named as a path is an object's URL.
pub fn is_object(path: &Path) -> bool {
    SourceRef::from_path(path).object().is_some()
}

/// Refuses what is no file of this machine, where only one can be read.
///
/// # Errors
/// `Usage`, with downloading it as the remedy.
pub fn local(path: &Path) -> Result<&Path> {
    match SourceRef::from_path(path) {
        SourceRef::Object(url) => {
            Err(Error::new(ErrorKind::Usage, format!("{}: not a file on this machine", url.as_str()))
                .remedies(&[Remedy::FetchObject { url: url.as_str().to_string() }]))
        }
        SourceRef::File(_) => Ok(path),
    }
}

/// The URL of an object in a store that speaks S3. That it is whole is known once its [`parts`](ObjectUrl::parts) are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectUrl(String);

impl ObjectUrl {
    /// Reads a text that is to be an object's URL.
    ///
    /// # Errors
    /// `Usage` when it has another scheme.
    pub fn new(text: &str) -> Result<ObjectUrl> {
        ObjectUrl::recognize(text).ok_or_else(|| no_object(text))
    }

    /// The URL that a text is, where it is one. As with every URL, the case of the scheme does not matter.
    fn recognize(text: &str) -> Option<ObjectUrl> {
        let (scheme, rest) = text.split_at_checked(SCHEME.len())?;
        scheme.eq_ignore_ascii_case(SCHEME).then(|| ObjectUrl(format!("{SCHEME}{rest}")))
    }

    /// Returns the whole URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the bucket and the key, or the prefix of keys.
    ///
    /// # Errors
    /// `Usage` when it has no bucket, or a key that no URL can represent.
    pub fn parts(&self) -> Result<(&str, &str)> {
        let rest = self.0.strip_prefix(SCHEME).unwrap_or_default();
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if bucket.is_empty() || !bucket.chars().all(plain) || !sound(key) {
            return Err(no_object(&self.0));
        }
        Ok((bucket, key))
    }

    /// Returns the last part of the key: the name under which it is kept.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default()
    }
}

fn no_object(text: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("{:?} names no object", Foreign::new(text).as_str()))
        .hint("An object is s3://BUCKET/KEY, a list of them s3://BUCKET/PREFIX.")
}

/// No store that speaks S3 takes a longer key, in bytes of UTF-8.
const KEY_BYTES: usize = 1024;

/// Whether a URL can represent this key: with such segments it would lead to another object.
pub fn sound(key: &str) -> bool {
    key.len() <= KEY_BYTES
        && !key.split('/').any(|part| part == "." || part == "..")
        && !key.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_path_is_a_file_or_an_object() {
        for (path, object) in [
            ("s3://backups/prod/etcd.db", Some("s3://backups/prod/etcd.db")),
            ("S3://backups/etcd.db", Some("s3://backups/etcd.db")),
            ("s3://", Some("s3://")),
            ("s3:/backups/etcd.db", None),
            ("s3:backups", None),
            ("./s3://backups", None),
            ("/srv/s3://x", None),
            ("s3", None),
            ("", None),
            ("é3://x", None),
            ("https://backups.example/etcd.db", None),
            ("/var/lib/etcd/member/snap/db", None),
        ] {
            let source = SourceRef::from_path(Path::new(path));
            assert_eq!(source.object().map(ObjectUrl::as_str), object, "{path}");
            assert_eq!(is_object(Path::new(path)), object.is_some(), "{path}");
            assert_eq!(local(Path::new(path)).is_err(), object.is_some(), "{path}");
            assert_eq!(ObjectUrl::new(path).is_ok(), object.is_some(), "{path}");
            if object.is_none() {
                assert_eq!(source, SourceRef::File(path.into()));
            }
        }
    }

    #[test]
    fn a_url_has_a_bucket_and_a_key() {
        for (url, parts) in [
            ("s3://backups/prod/etcd.db", Some(("backups", "prod/etcd.db"))),
            ("s3://backups", Some(("backups", ""))),
            ("s3://backups/", Some(("backups", ""))),
            ("s3://b.a-c_k/a//b", Some(("b.a-c_k", "a//b"))),
            ("s3://", None),
            ("s3:///key", None),
            ("s3://back ups/key", None),
            ("s3://b@c/key", None),
            ("s3://backups/../other", None),
            ("s3://backups/./a", None),
            ("s3://backups/a\nb", None),
        ] {
            assert_eq!(ObjectUrl::new(url).unwrap().parts().ok(), parts, "{url}");
        }
        let names = [("s3://b/a/etcd.db", "etcd.db"), ("s3://b/a/", "a"), ("s3://b", "b")];
        assert!(names.iter().all(|(url, name)| ObjectUrl::new(url).unwrap().file_name() == *name));
    }
}
