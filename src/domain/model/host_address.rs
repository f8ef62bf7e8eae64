//! Where a member is restored: this machine, or a host that `ssh` knows how to reach.

use crate::text::{confusables, template};

/// The host of a row that is restored on this machine.
pub const LOCAL: &str = "local";

/// [`LOCAL`], for serde.
pub(crate) fn local() -> String {
    LOCAL.into()
}

/// Whether a row's host is this machine.
pub fn is_local(host: &str) -> bool {
    host.is_empty() || host == LOCAL
}

/// The mistake in an ssh destination: `[user@]host`, a Host of ssh's configuration, or `ssh://[user@]host[:port]`.
/// A sentence without a full stop.
///
/// It is one argument of `ssh` and is inserted into the operator's `ProxyCommand`, so nothing that ssh could take for an
/// option, or a shell for more than a word, may be in it.
pub fn slip(host: &str) -> Option<String> {
    let called = format!("the host {host:?}");
    if let Some(text) = template::slip(host, "what ssh takes, such as root@10.0.0.1") {
        return Some(text);
    }
    if let Some(stray) = confusables::find_hidden(host) {
        return Some(format!("{} in {called}", stray.name));
    }
    if host.contains(char::is_whitespace) {
        return Some(format!("a space in {called}; options for ssh belong in its configuration"));
    }
    let (scheme, rest) = host.split_once("://").map_or((None, host), |(scheme, rest)| (Some(scheme), rest));
    if scheme.is_some_and(|scheme| scheme != "ssh") {
        return Some(format!("{called} is a URL; what ssh takes is wanted, such as root@10.0.0.1"));
    }
    if let Some(odd) = rest.chars().find(|c| !c.is_alphanumeric() && !"._-:@[]%+".contains(*c)) {
        return Some(format!("{:?} in {called}, which is not valid in an ssh destination", odd.to_string()));
    }
    let (user, name) = rest.rsplit_once('@').map_or((None, rest), |(user, name)| (Some(user), name));
    if name.is_empty() || user.is_some_and(str::is_empty) {
        return Some(format!("{called} is not whole; [user@]host is wanted"));
    }
    if host.starts_with('-') || name.starts_with('-') || user.is_some_and(|user| user.starts_with('-')) {
        return Some(format!("{called} begins with \"-\", which ssh would take for an option"));
    }
    match name.split_once(':') {
        Some((first, port)) if scheme.is_none() && port.bytes().all(|b| b.is_ascii_digit()) => {
            let user = user.map(|user| format!("{user}@")).unwrap_or_default();
            Some(format!("ssh takes the port of {called} for a part of the name; write ssh://{user}{first}:{port}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_and_their_slips() {
        for host in [
            "local",
            "m1",
            "etcd-1.prod_eu",
            "root@10.0.0.1",
            "a.b@host",
            "ssh://root@h:2222",
            "ssh://h",
            "root@fe80::1%eth0",
            "ssh://[::1]:22",
            "münchen",
        ] {
            assert_eq!(slip(host), None, "{host}");
        }
        let mut messages = Vec::new();
        for host in [
            "-oProxyCommand=x",
            "-lroot",
            "root@-x",
            "-x@h",
            "ssh://-x",
            "a b",
            "-p 22 h",
            "a\nb",
            "a\u{200b}b",
            "a;reboot",
            "$(x)",
            "<h1>",
            "{{ ansible_host }}",
            "$x;",
            "a$",
            "`x`",
            "`hostname`",
            "h'",
            "root@",
            "@h",
            "ssh://",
            "",
            "root@h:22",
            "10.0.0.1:",
            "https://10.0.0.1:2379",
        ] {
            messages.push((format!("{host:?}"), slip(host).unwrap()));
        }
        crate::text::messages::hold("host-slips", &messages);
    }
}
