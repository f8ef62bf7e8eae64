//! Values of flags without passwords, token keys and user information.

use crate::domain::model::observations::config::WITHHELD;

/// The options of `--auth-token=jwt,…` that are not secret.
const JWT: [&str; 4] = ["pub-key=", "priv-key=", "sign-method=", "ttl="];

/// Returns what may be kept of a value: no passwords, no token keys, no `user:password@` in URLs.
pub(super) fn without_secrets(flag: &str, value: &str) -> String {
    if flag.contains("password") || flag.contains("secret") {
        return WITHHELD.into();
    }
    match flag {
        "auth-token" => match value.split_once(',') {
            // These are names of files and of a method; the keys themselves are in the files.
            Some((kind, rest)) if rest.split(',').all(|item| JWT.iter().any(|name| item.starts_with(name))) => {
                format!("{kind},{rest}")
            }
            Some((kind, _)) => format!("{kind},{WITHHELD}"),
            None => value.into(),
        },
        // `user[:password]`
        "discovery-user" => value.split_once(':').map_or(value.into(), |(user, _)| format!("{user}:{WITHHELD}")),
        _ => value.split(',').map(without_userinfo).collect::<Vec<_>>().join(","),
    }
}

fn without_userinfo(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.into() };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest.get(..end).and_then(|host| host.rfind('@')) {
        Some(at) => format!("{scheme}://{WITHHELD}{}", rest.get(at..).unwrap_or_default()),
        None => url.into(),
    }
}
