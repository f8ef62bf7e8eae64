//! Which configuration belongs to which member of the plan, and what of the others would be lost.
//!
//! A configuration belongs to the member of its name. One that names none, or none of the plan's, belongs to the member whose
//! data directory or URLs it has, or to the only member on a host on which only one etcd is configured. What can be matched to
//! no member is never dropped without a line.

use crate::domain::members::etcd_flags;
use crate::{
    domain::model::{
        observations::config::{ConfigFacts, ConfigKind, Setting},
        plan::{Member, Plan},
        url,
    },
    text::join::all,
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

/// The configurations of one host, compared with the plan's members there.
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
    pub(super) fn lost(&self, member: &Member, own: &[etcd_flags::Flag]) -> Vec<String> {
        match self.of(member) {
            Some(config) => self.differing(config, member),
            None => self.unmatched(member, own),
        }
    }

    /// Configurations that belong to no member, for a member that has none.
    fn unmatched(&self, member: &Member, own: &[etcd_flags::Flag]) -> Vec<String> {
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
                Some(name) => format!("is for {name}, which is not a member of the plan on this host"),
                None => "does not name its member".into(),
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
    etcd_flags::kept(&pairs(config))
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

/// Returns true for an address that every host has, which identifies none.
fn is_everywhere(url: &url::Url) -> bool {
    url.host.eq_ignore_ascii_case("localhost") || url.ip().is_some_and(|ip| ip.is_loopback() || ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::{members::build_plan, model::observations::config::Origin};

    fn config(kind: ConfigKind, flags: &str, dir: &str) -> ConfigFacts {
        let pair = |word: &str| word.split_once('=').map(|(n, v)| (n.to_string(), v.to_string())).unwrap();
        let setting = |(flag, value)| Setting { flag, value, from: String::new() };
        ConfigFacts {
            origin: Origin::File(format!("/{kind:?}").into()),
            kind,
            flags: flags.split_whitespace().map(pair).map(setting).collect(),
            data_dir: Some(dir).filter(|dir| !dir.is_empty()).map(Into::into),
            wal_dir: None,
            automation: Vec::new(),
            notes: Vec::new(),
            runs: Default::default(),
        }
    }

    /// Which configuration m1 gets, by its place, and how many lines say what it does not get.
    fn found(members: usize, configs: &[ConfigFacts]) -> (Option<String>, usize) {
        let mut plan = build_plan::build(&build_plan::tests::draft()).unwrap().plan;
        plan.members.truncate(members);
        let matching = Matching::new(&plan, "local", configs);
        let m1 = &plan.members[0];
        (matching.of(m1).map(ConfigFacts::place), matching.lost(m1, &[]).len())
    }

    #[test]
    fn each_member_gets_its_configuration_or_a_note() {
        use ConfigKind::{ConfigFile, EnvironmentFile, ParkedPod, Process, StaticPod, Unit};
        let unit = |flags: &str| config(Unit, flags, "/old");
        for (what, members, configs, wanted, lines) in [
            ("its name", 3, vec![unit("name=m1 quota-backend-bytes=8")], Some("/Unit"), 0),
            (
                "its name goes before its kind",
                3,
                vec![unit("name=m2"), config(ParkedPod, "name=m1", "")],
                Some("/ParkedPod"),
                0,
            ),
            ("no name, one member", 1, vec![unit("quota-backend-bytes=8")], Some("/Unit"), 0),
            ("etcd's name for the nameless", 1, vec![unit("name=default quota-backend-bytes=8")], Some("/Unit"), 0),
            ("no name, three members", 3, vec![unit("quota-backend-bytes=8")], None, 1),
            ("no name, its directory", 3, vec![config(Unit, "max-wals=5", "/var/lib/etcd/m1.etcd")], Some("/Unit"), 0),
            (
                "another name, its URL",
                3,
                vec![unit("name=x initial-advertise-peer-urls=http://127.0.0.31:2380")],
                None,
                0,
            ),
            ("another name", 1, vec![unit("name=x quota-backend-bytes=8 max-wals=9")], None, 1),
            ("another name, nothing to lose", 1, vec![unit("name=x data-dir=/d")], None, 0),
            ("another member's", 3, vec![unit("name=m2 quota-backend-bytes=8")], None, 0),
            ("two without a name", 1, vec![unit("max-wals=9"), config(StaticPod, "max-wals=8", "/p")], None, 2),
            (
                "a unit and its process",
                1,
                vec![config(Process, "max-wals=9", "/old"), unit("max-wals=9")],
                Some("/Unit"),
                0,
            ),
            (
                "a file that nothing names",
                1,
                vec![config(EnvironmentFile, "max-wals=9", "")],
                Some("/EnvironmentFile"),
                0,
            ),
            (
                "two such",
                1,
                vec![config(EnvironmentFile, "max-wals=9", ""), config(ConfigFile, "max-wals=8", "")],
                None,
                2,
            ),
            (
                "a process with more",
                3,
                vec![unit("name=m1"), config(Process, "name=m1 max-wals=9", "")],
                Some("/Unit"),
                1,
            ),
            (
                "a process with the same",
                3,
                vec![unit("name=m1 max-wals=9"), config(Process, "name=m1 max-wals=9", "")],
                Some("/Unit"),
                0,
            ),
            (
                "an old copy counts for nothing",
                3,
                vec![unit("name=m1"), config(ParkedPod, "name=m1 max-wals=9", "")],
                Some("/Unit"),
                0,
            ),
            ("nothing", 1, vec![], None, 0),
        ] {
            assert_eq!(found(members, &configs), (wanted.map(String::from), lines), "{what}");
        }
    }

    #[test]
    fn addresses_that_every_host_has_are_no_match() {
        let mut plan = build_plan::build(&build_plan::tests::draft()).unwrap().plan;
        for (url, its, matches) in [
            ("http://10.0.0.1:2380", "initial-advertise-peer-urls=http://10.0.0.1:2380", true),
            ("https://H1.example:2380", "listen-peer-urls=https://10.0.0.9:2380,https://H1.example:2380", true),
            ("http://10.0.0.1:2380", "initial-advertise-peer-urls=http://10.0.0.1:2381", false),
            ("http://127.0.0.1:2380", "initial-advertise-peer-urls=http://127.0.0.1:2380", false),
            ("http://localhost:2380", "listen-peer-urls=http://localhost:2380", false),
            ("http://0.0.0.0:2380", "listen-peer-urls=http://0.0.0.0:2380", false),
        ] {
            plan.members[0].peer_urls = vec![url.into()];
            let configs = [config(ConfigKind::Unit, &format!("name=x {its}"), "/old")];
            assert_eq!(Matching::new(&plan, "local", &configs).of(&plan.members[0]).is_some(), matches, "{its}");
        }
    }
}
