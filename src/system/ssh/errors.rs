//! Turns what `ssh` prints when it fails into an error: what, why, what to do.

use crate::error::{Error, ErrorKind};

/// Returns the error for what `ssh` printed on its standard error.
pub(super) fn explain(host: &str, said: &str) -> Error {
    let low = said.to_lowercase();
    let has = |words: &str| low.contains(words);
    let (why, hint): (String, String) = if has("remote host identification has changed") {
        (
            "host key verification failed: the host was reinstalled, or the connection is intercepted".into(),
            format!(
                "Compare the key's fingerprint on the host's console. If it matches: ssh-keygen -R {host}, then \
                 connect once by hand."
            ),
        )
    } else if has("host key verification failed") || has("host key is known for") {
        (
            "host key verification failed: its host key is not in known_hosts".into(),
            format!("Connect once by hand, compare the fingerprint and accept it: ssh {host}"),
        )
    } else if has("permission denied (") {
        let methods =
            low.split("permission denied (").nth(1).and_then(|rest| rest.split(')').next()).unwrap_or_default();
        let password = methods.contains("password") || methods.contains("keyboard-interactive");
        let why = match password {
            true => "permission denied: none of your keys is accepted, and requorum cannot enter a password",
            false => "permission denied: none of your keys is accepted",
        };
        (why.into(), format!("Load the key into ssh-agent (ssh-add), or install it on the host: ssh-copy-id {host}"))
    } else if has("too many authentication failures") {
        (
            "too many authentication failures: more keys were offered than it allows".into(),
            "Name the right key in ssh's configuration: IdentityFile and IdentitiesOnly.".into(),
        )
    } else if has("could not resolve hostname") {
        (
            "the host name cannot be resolved".into(),
            "Correct the host in the plan, or give it an address in ssh's configuration (Host, HostName).".into(),
        )
    } else if has("connection refused") {
        (
            "connection refused: nothing listens on its ssh port".into(),
            "Check that sshd is running there, and on which port.".into(),
        )
    } else if has("timed out") || has("not responding") {
        ("connection timed out".into(), "Check that the host is up and that no firewall blocks the connection.".into())
    } else if has("no route to host") || has("network is unreachable") {
        ("no route to host".into(), "Check that the host is up, and whether you need a jump host (ProxyJump).".into())
    } else if has("unable to negotiate") || has("no matching host key") {
        ("no algorithm in common".into(), last_line(said))
    } else if has("can't open user config file") || has("bad owner or permissions") || has("bad configuration option") {
        ("ssh rejects its configuration".into(), last_line(said))
    } else if said.trim().is_empty() {
        ("ssh exited without a message".into(), format!("Try by hand: ssh {host} true"))
    } else {
        (last_line(said), format!("Try by hand: ssh {host} true"))
    };
    Error::new(ErrorKind::NoAnswer, format!("{host}: cannot be reached by ssh")).why(why).hint(hint)
}

/// Returns the last line with text, without control characters.
pub(super) fn last_line(said: &str) -> String {
    let line = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As OpenSSH 9.2 prints them.
    #[test]
    fn each_refusal_by_name() {
        let mut messages = Vec::new();
        for said in [
            "@@@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nHost key verification failed.\r\n",
            "No ED25519 host key is known for [127.0.0.1]:1 and you have requested strict checking.\r\nHost key verification failed.\r\n",
            "Host key verification failed.\r\n",
            "root@h: Permission denied (publickey,password).\r\n",
            "root@h: Permission denied (publickey).\r\n",
            "Received disconnect from 1.2.3.4 port 22:2: Too many authentication failures\r\n",
            "ssh: Could not resolve hostname nowhere: Name or service not known\r\n",
            "ssh: connect to host 127.0.0.1 port 1: Connection refused\r\n",
            "ssh: connect to host 10.9.9.9 port 22: Connection timed out\r\n",
            "Timeout, server 10.0.0.1 not responding.\r\n",
            "ssh: connect to host 10.9.9.9 port 22: No route to host\r\n",
            "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by 127.0.0.1 port 22\r\n",
            "",
        ] {
            let error = explain("h", said);
            assert!(!error.hint.is_empty(), "{said:?}: {error}");
            messages.push((format!("{said:?}"), error.to_string()));
        }
        crate::text::messages::hold("ssh-refused", &messages);
        assert_eq!(last_line("a\n\u{1b}[2Jb\u{7}\n\n"), "[2Jb");
    }
}
