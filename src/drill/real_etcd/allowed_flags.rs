//! Which arguments a real etcd may have in an exercise: loopback addresses and paths inside its directory only. A member's own
//! flags from the table are checked here, too.

use std::path::{Component, Path};

use crate::domain::model::url;

/// Flags that lead elsewhere, whatever their value.
const ELSEWHERE: [&str; 3] = ["--discovery", "--config-file", "--proxy"];

/// Returns the first argument that leads out of `root` or off this machine.
pub fn outside<'a>(argv: &'a [String], root: &Path) -> Option<&'a str> {
    argv.iter().skip(1).map(String::as_str).find(|word| leads_out(word, root))
}

fn leads_out(word: &str, root: &Path) -> bool {
    if ELSEWHERE.iter().any(|flag| word.trim_start_matches('-').starts_with(flag.trim_start_matches('-'))) {
        return true;
    }
    let value = match word.split_once('=') {
        Some((flag, value)) if flag.starts_with('-') => value,
        _ if word.starts_with('-') => return false,
        _ => word,
    };
    value.split(',').any(|part| {
        let part = match part.split_once('=') {
            // `m1=URL` of an initial cluster
            Some((name, url)) if !name.contains([':', '/']) => url,
            _ => part,
        };
        if part.contains("://") {
            return !url::parse(part).is_ok_and(|url| {
                !url.scheme.is_unix() && (url.ip().is_some_and(|ip| ip.is_loopback()) || url.place().0 == "localhost")
            });
        }
        let path = Path::new(part);
        let climbs = path.components().any(|c| c == Component::ParentDir);
        match path.is_absolute() {
            true => climbs || !path.starts_with(root),
            // a relative path, or an address without a scheme
            false => part.contains(['/', ':']),
        }
    })
}
