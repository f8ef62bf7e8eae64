//! The exact `etcd` command for each member of a plan, and the sheet that carries them.
//!
//! `--initial-cluster-state` is always `existing`: on a restored directory etcd passes over every
//! `--initial-…` flag, but on a mistyped or empty one `new` would start an empty member under the
//! restored member's ID.

mod sheet;
#[cfg(test)]
mod tests;

use super::{
    Member, Plan,
    slips::flag_name,
    url::{self, Url},
    words::{shell_line, shell_word},
};

pub use sheet::sheet;

/// One member's command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The member's name.
    pub member: String,
    /// The command word by word, `etcd` first.
    pub argv: Vec<String>,
    /// The command as one shell line, quoted where it must be.
    pub command: String,
    /// The same, broken over lines with `\`; nothing but the command.
    pub pretty: String,
    /// What to know about it, sentences without a full stop.
    pub notes: Vec<String>,
}

/// One command for each member, in the order of the table.
pub fn commands(plan: &Plan) -> Vec<Launch> {
    plan.members.iter().map(|m| launch(plan, m)).collect()
}

fn launch(plan: &Plan, m: &Member) -> Launch {
    let mut notes = Vec::new();
    let mut argv = vec!["etcd".to_string()];
    let mut flag = |name: &str, value: &str| argv.push(format!("--{name}={value}"));
    flag("name", &m.name);
    flag("data-dir", &m.data_dir.to_string_lossy());
    if let Some(wal) = &m.wal_dir {
        flag("wal-dir", &wal.to_string_lossy());
    }
    for (name, urls) in [("listen-peer-urls", &m.peer_urls), ("listen-client-urls", &m.client_urls)] {
        if m.etcd_flags.iter().any(|f| flag_name(f) == Some(name)) {
            notes.push(format!("--{name} stands among the member's own flags and is taken from there"));
        } else {
            flag(name, &listen(urls, &mut notes));
        }
    }
    flag("initial-advertise-peer-urls", &m.peer_urls.join(","));
    flag("advertise-client-urls", &m.client_urls.join(","));
    flag("initial-cluster", &plan.initial_cluster());
    flag("initial-cluster-token", &plan.token);
    flag("initial-cluster-state", "existing");
    argv.extend(m.etcd_flags.iter().cloned());
    notes.push(
        "The state is \"existing\" on purpose: etcd reads the members from the restored directory; \
         were that mistyped or empty, \"new\" would start an empty member under this one's ID"
            .into(),
    );
    // A value that stands apart from its flag stays on the flag's line.
    let mut lines: Vec<String> = Vec::new();
    for word in &argv {
        match lines.last_mut() {
            Some(line) if !word.starts_with('-') => *line = format!("{line} {}", shell_word(word)),
            _ => lines.push(shell_word(word).into_owned()),
        }
    }
    Launch { member: m.name.clone(), command: shell_line(&argv), pretty: lines.join(" \\\n  "), argv, notes }
}

/// What to listen on for these URLs. etcd refuses host names there ("expected IP in URL for
/// binding"): an address is kept, `localhost` is 127.0.0.1, any other name becomes 0.0.0.0.
fn listen(urls: &[String], notes: &mut Vec<String>) -> String {
    let mut out: Vec<Url> = Vec::new();
    for url in urls.iter().filter_map(|text| url::parse(text).ok()) {
        let bind = if url.scheme.is_unix() || url.ip().is_some() {
            url
        } else if url.host.eq_ignore_ascii_case("localhost") {
            url.at("127.0.0.1", url.port)
        } else {
            let note = format!(
                "etcd takes no host name to listen on, so {} becomes 0.0.0.0, every IPv4 address of its host",
                url.host
            );
            if !notes.contains(&note) {
                notes.push(note);
            }
            url.at("0.0.0.0", url.port)
        };
        if !out.contains(&bind) {
            out.push(bind);
        }
    }
    // 0.0.0.0 takes the port on every address; a second socket beside it would be refused.
    let everywhere: Vec<(url::Scheme, u16)> =
        out.iter().filter(|u| u.host == "0.0.0.0").map(|u| (u.scheme, u.port)).collect();
    let v4 = |u: &Url| u.ip().is_some_and(|ip| ip.is_ipv4());
    out.retain(|u| u.host == "0.0.0.0" || !v4(u) || !everywhere.contains(&(u.scheme, u.port)));
    out.iter().map(Url::as_str).collect::<Vec<_>>().join(",")
}
