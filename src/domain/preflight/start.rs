//! How an installed member is started: by what already starts the etcd on its directory, where that matches the plan. The mirror of [`super::stop`].

use super::stop::RunningEtcd;
use crate::text::Shown;
use crate::{
    domain::{
        members::etcd_flags,
        model::{
            observations::{
                MachineFacts,
                config::{ConfigFacts, ConfigKind, WITHHELD},
                disk::{DirFacts, DirState, Held},
            },
            plan::{Member, Plan},
            url::{self, Url},
        },
    },
    text::join::all,
};

/// What starts a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Nothing is needed: it runs already, as this process where this user may see it.
    Runs(Option<u32>),
    /// These commands, in this order, as a shell takes them. None of them waits until the member serves, which it does not
    /// before the others are up.
    By(Vec<String>),
}

/// How `member` is started on its host, as observed in `around`. `halted` is what was stopped there by consent before:
/// what was disabled then is enabled again.
///
/// # Errors
/// A sentence without a full stop: why it has to be started by hand, in one of the printed forms.
pub fn start(plan: &Plan, member: &Member, around: &MachineFacts, halted: &[RunningEtcd]) -> Result<Start, String> {
    let dir = around.dirs.iter().find(|dir| dir.data_dir == member.data_dir);
    if let Some(pid) = standing(plan, member, dir)? {
        return Ok(Start::Runs(pid));
    }
    let config = config(member, &around.configs)?;
    let wrong = contradictions(member, config);
    if !wrong.is_empty() {
        return Err(format!("{} does not match the plan: {}", config.place(), wrong.join("; ")));
    }
    let paused = halted.iter().rev().find(|halt| halt.data_dir == member.data_dir).map(|halt| &halt.resume);
    let commands = match paused {
        Some(resume) if config.kind == ConfigKind::Unit && !resume.is_empty() => resume.clone(),
        _ => config.automation.iter().take(1).map(|a| a.resume.clone()).filter(|c| !c.is_empty()).collect(),
    };
    match (config.kind, commands.is_empty()) {
        (ConfigKind::StaticPod, _) => Err(format!(
            "the kubelet starts the pod in {} by itself; if it does not, its log has the reason (journalctl -u \
             kubelet)",
            config.place()
        )),
        (_, true) => Err(format!("it is not known how to enable {} again", config.place())),
        (_, false) => Ok(Start::By(commands)),
    }
}

/// Checks whether this plan's member is in its directory and whether it runs there; returns its process then.
fn standing(plan: &Plan, member: &Member, dir: Option<&DirFacts>) -> Result<Option<Option<u32>>, String> {
    let path = member.data_dir.shown();
    let Some(dir) = dir else { return Err(format!("{path} was not inspected")) };
    let says =
        dir.state.says().ok_or_else(|| format!("{path} is not {} of this plan: {}", member.name, dir.words()))?;
    if (says.cluster_id, says.member_id) != (plan.cluster_id, member.id) {
        return Err(format!(
            "{path} holds member {} of cluster {}, not member {} of this plan's {}",
            says.member_id, says.cluster_id, member.id, plan.cluster_id
        ));
    }
    match (&dir.held, &dir.state) {
        (Held::By { pid, .. }, _) => Ok(Some(*pid)),
        (_, DirState::Broken { why, .. }) => Err(why.clone()),
        (Held::Unknown(why), _) => Err(format!("it is unknown whether an etcd runs on {path} ({why})")),
        (Held::No, _) => Ok(None),
    }
}

/// The configuration that starts an etcd on the member's directory.
fn config<'a>(member: &Member, configs: &'a [ConfigFacts]) -> Result<&'a ConfigFacts, String> {
    let kinds = [ConfigKind::Unit, ConfigKind::StaticPod, ConfigKind::ParkedPod];
    let services = || configs.iter().filter(|config| kinds.contains(&config.kind));
    let path = member.data_dir.shown();
    let mut on_it: Vec<&ConfigFacts> =
        services().filter(|config| config.data_dir.as_ref() == Some(&member.data_dir)).collect();
    // Active configurations come before copies that were set aside.
    if on_it.iter().any(|config| config.kind != ConfigKind::ParkedPod) {
        on_it.retain(|config| config.kind != ConfigKind::ParkedPod);
    }
    // Among those, the one that can be enabled again comes first.
    if on_it.iter().any(|config| !config.automation.is_empty()) {
        on_it.retain(|config| !config.automation.is_empty());
    }
    let Some(first) = on_it.first() else {
        let named = services().find(|config| config.get("name") == Some(&member.name));
        return Err(match named.and_then(|config| Some((config, config.data_dir.as_ref()?))) {
            Some((config, dir)) => {
                format!("{} starts {} on {}, and not on {path}", config.place(), member.name, dir.shown())
            }
            None => format!("no systemd unit and no static pod there starts an etcd on {path}"),
        });
    };
    let pairs =
        |config: &ConfigFacts| config.flags.iter().map(|s| (s.flag.clone(), s.value.clone())).collect::<Vec<_>>();
    if on_it.iter().any(|config| config.kind != first.kind || pairs(config) != pairs(first)) {
        let places: Vec<String> = on_it.iter().map(|config| config.place()).collect();
        return Err(format!("{} each start an etcd on {path}", all(&places)));
    }
    Ok(first)
}

/// Each flag that is not as the plan has it, with both values.
fn contradictions(member: &Member, config: &ConfigFacts) -> Vec<String> {
    let mut out = Vec::new();
    let differs =
        |flag: &str, there: &str, planned: &str| format!("--{flag} is {there} there, but {planned} in the plan");
    let name = config.get("name").unwrap_or("default");
    if name != member.name {
        out.push(differs("name", name, &member.name));
    }
    let dir = |dir: Option<&std::path::PathBuf>| dir.map_or("not set".into(), |dir| dir.shown().to_string());
    if config.wal_dir != member.wal_dir {
        out.push(differs("wal-dir", &dir(config.wal_dir.as_ref()), &dir(member.wal_dir.as_ref())));
    }
    let own = etcd_flags::read(&member.etcd_flags);
    for (listen, advertise, planned, usual) in [
        ("listen-peer-urls", "initial-advertise-peer-urls", &member.peer_urls, url::DEFAULT_PEER_URL),
        ("listen-client-urls", "advertise-client-urls", &member.client_urls, url::DEFAULT_CLIENT_URL),
    ] {
        let there = config.get(advertise).unwrap_or(usual);
        let wanted = urls(planned.iter().map(String::as_str));
        if sorted(&urls(there.split(','))) != sorted(&wanted) {
            out.push(differs(advertise, there, &planned.join(",")));
        }
        let there = config.get(listen).unwrap_or(usual);
        let heard = urls(there.split(','));
        if !own.iter().any(|flag| flag.name == listen)
            && !wanted.iter().all(|url| heard.iter().any(|on| hears(on, url)))
        {
            out.push(format!("--{listen} is {there} there, which does not serve {}", planned.join(",")));
        }
    }
    for flag in &own {
        let there = config.get(&flag.name).unwrap_or("not set");
        if there != flag.value && !there.contains(WITHHELD) {
            out.push(differs(&flag.name, there, &flag.value));
        }
    }
    for flag in ["force-new-cluster", "proxy"] {
        if let Some(value) = config.get(flag).filter(|value| !["", "false", "off"].contains(value)) {
            out.push(format!("--{flag}={value} is set there, which a member of a new cluster must not have"));
        }
    }
    out
}

fn urls<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<Url> {
    texts.filter_map(|text| url::parse(text).ok()).collect()
}

fn sorted(urls: &[Url]) -> Vec<&str> {
    let mut texts: Vec<&str> = urls.iter().map(Url::as_str).collect();
    texts.sort_unstable();
    texts
}

/// Whether an etcd that listens at `on` is reached at `url`. What a name resolves to is not known here; it may be that address.
fn hears(on: &Url, url: &Url) -> bool {
    let near = |url: &Url| url.ip().map_or_else(|| url.host.eq_ignore_ascii_case("localhost"), |ip| ip.is_loopback());
    let host = match (on.ip(), url.ip()) {
        (Some(every), Some(ip)) if every.is_unspecified() => every.is_ipv6() || ip.is_ipv4(),
        (Some(every), None) if every.is_unspecified() => true,
        (_, None) => near(on) == near(url),
        (None, Some(_)) => near(on) && near(url),
        (Some(_), Some(_)) => false,
    };
    on.scheme == url.scheme && on.port == url.port && (host || on.place() == url.place())
}

#[cfg(test)]
mod tests;
