//! What is known of the hosts of the table.

use crate::{
    domain::{
        members::{cell::Row, table::Column},
        model::{host_address, plan::Plan},
        preflight::{
            host_report::{Look, Running},
            stop::RunningEtcd,
        },
    },
    text::join,
    tui::widgets::remedies,
};

/// What is known of the hosts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// The effect that looks, while it does.
    pub(in crate::tui) asking: Option<u64>,
    /// For which plan.
    pub plan: Option<Plan>,
    /// What was seen, in the order of the table.
    pub looks: Vec<Look>,
    /// Etcds that a run found, from the host itself, on hosts that are checked from elsewhere.
    pub(in crate::tui) known: Vec<(String, Vec<Running>)>,
    /// The effect that finds out which rows are this machine.
    pub(in crate::tui) filling: Option<u64>,
}

impl State {
    /// True while hosts are being looked at.
    pub fn asking(&self) -> bool {
        self.asking.is_some()
    }

    /// What was seen of the host of a row, if it was looked at for what the row says now.
    pub fn of_row(&self, at: usize, row: &Row) -> Option<&Look> {
        let member = self.plan.as_ref()?.members.get(at)?;
        let wal = member.wal_dir.as_ref().map(|dir| dir.to_string_lossy()).unwrap_or_default();
        let same = member.host == row.host()
            && member.data_dir.to_string_lossy() == row.text(Column::DataDir)
            && wal == row.text(Column::WalDir);
        self.looks.iter().find(|look| same && look.members.contains(&at))
    }

    /// Every etcd that runs on a member's directory, with its host.
    pub fn runs(&self) -> impl Iterator<Item = (&str, &Running)> {
        self.looks.iter().flat_map(|look| look.runs.iter().map(|running| (look.host.as_str(), running)))
    }

    /// How those are stopped.
    pub fn halts(&self) -> Vec<(String, RunningEtcd)> {
        self.runs().map(|(host, running)| (host.to_string(), running.halt.clone())).collect()
    }

    /// What keeps the plan from being begun, in a sentence.
    pub fn in_the_way(&self) -> Option<String> {
        if self.asking() {
            return Some("The hosts are still being checked.".into());
        }
        let bad: Vec<&Look> = self.looks.iter().filter(|look| !look.ready()).collect();
        let first = bad.first()?;
        let why = match &first.facts {
            Err(error) => error.sentence(),
            Ok(_) => first.errors().map(remedies::problem).collect::<Vec<_>>().join("; "),
        };
        let why = join::sentence(&format!("{} is not ready: {why}", display_name(&first.host)));
        Some(match bad.len() - 1 {
            0 => format!("{why} r checks again."),
            1 => format!("{why} 1 more host is not ready. r checks again."),
            more => format!("{why} {more} more hosts are not ready. r checks again."),
        })
    }

    /// Hosts where an etcd runs of which more must be known.
    pub fn unclear(&self) -> Vec<&Look> {
        self.looks.iter().filter(|look| look.unclear()).collect()
    }
}

/// A host as a sentence names it.
pub(crate) fn display_name(host: &str) -> &str {
    if host_address::is_local(host) { "this machine" } else { host }
}
