//! Which configuration belongs to which member of the plan, and what of the others would be lost.
//!
//! A configuration belongs to the member of its name. One that names none, or none of the plan's, belongs to the member whose
//! data directory or URLs it has, or to the only member on a host on which only one etcd is configured. What can be matched to
//! no member is never dropped without a line.

use super::flags;
use crate::plan::{
    Member, Plan,
    facts::config::{ConfigFacts, ConfigKind, Setting},
    url,
    words::all,
};

/// The kinds of configuration, those first that say on what platform an etcd runs.
const KINDS: [ConfigKind; 6] = [
    ConfigKind::Unit,
    ConfigKind::StaticPod,
    ConfigKind::ParkedPod,
    ConfigKind::EnvironmentFile,
    ConfigKind::ConfigFile,
    ConfigKind::Process,
];

/// Kinds from which an etcd is started or runs, unlike files that nothing names.
const IN_FORCE: [ConfigKind; 3] = [ConfigKind::Unit, ConfigKind::StaticPod, ConfigKind::Process];

/// The configurations of one host, held against the plan's members there.
pub(super) struct Matching<'a> {
    here: Vec<&'a Member>,
    /// In the order of [`KINDS`].
    configs: Vec<&'a ConfigFacts>,
}

impl<'a> Matching<'a> {
    pub(super) fn new(plan: &'a Plan, host: &str, configs: &'a [ConfigFacts]) -> Matching<'a> {
        let ordered = KINDS.iter().flat_map(|kind| configs.iter().filter(move |config| config.kind == *kind));
        Matching { here: plan.members.iter().filter(|m| m.host == host).collect(), configs: ordered.collect() }
    }

    /// The configuration by which a member was started.
    pub(super) fn of(&self, member: &Member) -> Option<&'a ConfigFacts> {
        let found = |fits: &dyn Fn(&ConfigFacts) -> bool| self.configs.iter().copied().find(|config| fits(config));
        found(&|config| config.get("name") == Some(&member.name))
            .or_else(|| found(&|config| !self.is_named(config) && has_its_place(config, member)))
            .or_else(|| self.only(member))
    }

    /// Whether a member on this host has the configuration's name.
    fn is_named(&self, config: &ConfigFacts) -> bool {
        self.here.iter().any(|member| config.get("name") == Some(&member.name))
    }

    /// On a host with one member and one configured etcd, without a name, that etcd's configuration.
    fn only(&self, member: &Member) -> Option<&'a ConfigFacts> {
        let [alone] = self.here.as_slice() else { return None };
        let nameless = |config: &&&ConfigFacts| matches!(config.get("name"), None | Some("default"));
        let in_force: Vec<&&ConfigFacts> = self.configs.iter().filter(|c| IN_FORCE.contains(&c.kind)).collect();
        let first = match in_force.split_first() {
            // A process and the unit that started it are one etcd.
            Some((first, rest)) if rest.iter().all(|other| other.data_dir == first.data_dir) => first,
            None if self.configs.len() == 1 => self.configs.first()?,
            _ => return None,
        };
        (alone.name == member.name && nameless(&first)).then_some(*first)
    }

    /// What of the host's configurations a member does not get, for one with these flags: sentences without a full stop.
    pub(super) fn lost(&self, member: &Member, own: &[flags::Flag]) -> Vec<String> {
        match self.of(member) {
            Some(config) => self.differing(config, member),
            None => self.unmatched(member, own),
        }
    }

    /// Configurations that are nobody's, for a member that has none.
    fn unmatched(&self, member: &Member, own: &[flags::Flag]) -> Vec<String> {
        let mine = |config: &ConfigFacts| self.here.iter().any(|other| self.of(other) == Some(config));
        let mut out = Vec::new();
        for config in self.configs.iter().filter(|config| !mine(config)) {
            let lost: Vec<String> = kept(config)
                .into_iter()
                .filter(|(name, _)| !own.iter().any(|flag| flag.name == *name))
                .map(|(name, value)| format!("--{name}={value}"))
                .collect();
            if lost.is_empty() {
                continue;
            }
            let named = match config.get("name") {
                Some(name) => format!("is for {name}, which is no member of the plan on this host"),
                None => "does not say for which member it is".into(),
            };
            let place = config.place();
            out.push(format!(
                "{place} {named}: its {} {} not taken over; if it is {}'s, add them to the member's flags or give --old {}=FILE",
                all(&lost),
                if lost.len() == 1 { "is" } else { "are" },
                member.name,
                member.name
            ));
        }
        out
    }

    /// Settings of the member's other configurations in force that the chosen one has not, or otherwise.
    fn differing(&self, chosen: &ConfigFacts, member: &Member) -> Vec<String> {
        let has: Vec<(&str, &str)> = kept(chosen);
        let others = self.configs.iter().filter(|other| {
            **other != chosen && IN_FORCE.contains(&other.kind) && other.get("name") == Some(&member.name)
        });
        let mut out = Vec::new();
        for other in others {
            let differs: Vec<String> = kept(other)
                .into_iter()
                .filter(|pair| !has.contains(pair))
                .map(|(name, value)| format!("--{name}={value}"))
                .collect();
            if !differs.is_empty() {
                out.push(format!("{} has {}; {} counts here", other.place(), all(&differs), chosen.place()));
            }
        }
        out
    }
}

/// The flags of a configuration that a member is to have again.
pub(super) fn kept(config: &ConfigFacts) -> Vec<(&str, &str)> {
    flags::kept(&pairs(config))
}

/// All its flags, in order.
pub(super) fn pairs(config: &ConfigFacts) -> Vec<(&str, &str)> {
    config.flags.iter().map(|Setting { flag, value, .. }| (flag.as_str(), value.as_str())).collect()
}

/// Whether it has the member's data directory, or one of its URLs.
fn has_its_place(config: &ConfigFacts, member: &Member) -> bool {
    let shares = |flag: &str, urls: &[String]| {
        let its = config.get(flag).unwrap_or_default().split(',').filter_map(|text| url::parse(text).ok());
        let its: Vec<String> = its.filter(|url| !is_everywhere(url)).map(|url| url.as_str().to_string()).collect();
        urls.iter()
            .filter_map(|text| url::parse(text).ok())
            .any(|url| !is_everywhere(&url) && its.iter().any(|its| its == url.as_str()))
    };
    config.data_dir.as_ref() == Some(&member.data_dir)
        || shares("initial-advertise-peer-urls", &member.peer_urls)
        || shares("listen-peer-urls", &member.peer_urls)
        || shares("advertise-client-urls", &member.client_urls)
}

/// An address that every host has tells nothing.
fn is_everywhere(url: &url::Url) -> bool {
    url.host.eq_ignore_ascii_case("localhost") || url.ip().is_some_and(|ip| ip.is_loopback() || ip.is_unspecified())
}
