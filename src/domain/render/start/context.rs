//! What is known of the members' hosts besides the plan: how their etcds were started until now, which addresses they have,
//! which version will run.

use std::net::IpAddr;

use crate::{
    domain::model::{
        observations::config::ConfigFacts,
        plan::{Member, Plan},
        url,
    },
    etcd::version::Minor,
};

use super::matching::Matching;

/// What is known besides the plan; nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The version that will run, where the plan does not name one.
    pub version: Option<Minor>,
    /// What hosts reported.
    pub hosts: Vec<HostKnown>,
    /// The image that containers run.
    pub image: Option<String>,
    /// The path of the program on the hosts.
    pub program: Option<String>,
}

/// What one host reported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostKnown {
    /// Its name in the plan's rows.
    pub host: String,
    /// How etcds are started there.
    pub configs: Vec<ConfigFacts>,
    /// Flags of these configurations that a row of the plan does not have are kept, too: the plan was made without them.
    pub adopt: bool,
    /// The addresses that it has.
    pub addresses: Vec<IpAddr>,
}

/// What is known where one member is started.
#[derive(Default)]
pub(super) struct Ground<'a> {
    pub version: Option<Minor>,
    pub config: Option<&'a ConfigFacts>,
    /// The configurations of its host, compared with the plan.
    pub matching: Option<Matching<'a>>,
    pub adopt: bool,
    pub addresses: Vec<IpAddr>,
    pub image: Option<&'a str>,
    pub program: Option<&'a str>,
}

impl Known {
    /// What is known where this member is started.
    pub(super) fn ground<'a>(&'a self, plan: &'a Plan, member: &Member) -> Ground<'a> {
        let host = self.hosts.iter().find(|known| known.host == member.host);
        let matching = host.map(|known| Matching::new(plan, &known.host, &known.configs));
        let config = matching.as_ref().and_then(|matching| matching.of(member));
        let mut addresses = host.map_or_else(Vec::new, |known| known.addresses.clone());
        // It has listened there, so the host has them.
        for flag in ["listen-peer-urls", "listen-client-urls"] {
            let urls = config.and_then(|config| config.get(flag)).unwrap_or_default().split(',');
            addresses.extend(urls.filter_map(|text| url::parse(text).ok()?.ip()).filter(|ip| !ip.is_unspecified()));
        }
        Ground {
            version: plan.target.or(self.version),
            config,
            matching,
            adopt: host.is_some_and(|known| known.adopt),
            addresses,
            image: self.image.as_deref(),
            program: self.program.as_deref(),
        }
    }
}
