//! The few lines of `/metrics` that are used; their names are the same in etcd 3.4 to 3.7
//! (`etcdserver/metrics.go`, `mvcc/metrics.go`).

use crate::{etcd::membership::Id, text::Foreign};

/// What a member's metrics report.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Metrics {
    pub member_id: Option<Id>,
    pub has_leader: Option<bool>,
    pub is_leader: bool,
    pub is_learner: bool,
    pub version: Foreign,
    pub cluster_version: Foreign,
    pub revision: i64,
    pub db_bytes: u64,
    pub db_bytes_in_use: u64,
    pub quota_bytes: Option<u64>,
    pub committed: u64,
    pub applied: u64,
}

impl Metrics {
    /// Parses Prometheus's text format; `None` if these are not an etcd member's metrics.
    pub(super) fn parse(text: &str) -> Option<Metrics> {
        let mut metrics = Metrics::default();
        for line in text.lines().filter(|line| line.starts_with("etcd_")) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let (name, label) = match name.split_once('{') {
                Some((name, labels)) => (name, labels.split('"').nth(1).unwrap_or_default()),
                None => (name, ""),
            };
            // numbers are printed as Go prints floats: 2.147483648e+09
            let number = || value.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0).map(|n| n as u64);
            let told = number().unwrap_or_default();
            match name {
                "etcd_server_id" => metrics.member_id = label.parse().ok(),
                "etcd_server_has_leader" => metrics.has_leader = number().map(|n| n > 0),
                "etcd_server_is_leader" => metrics.is_leader = told > 0,
                "etcd_server_is_learner" => metrics.is_learner = told > 0,
                "etcd_server_version" => metrics.version = label.into(),
                "etcd_cluster_version" => metrics.cluster_version = label.into(),
                "etcd_debugging_mvcc_current_revision" => metrics.revision = i64::try_from(told).unwrap_or_default(),
                "etcd_mvcc_db_total_size_in_bytes" => metrics.db_bytes = told,
                "etcd_mvcc_db_total_size_in_use_in_bytes" => metrics.db_bytes_in_use = told,
                "etcd_server_quota_backend_bytes" => metrics.quota_bytes = number().filter(|n| *n > 0),
                "etcd_server_proposals_committed_total" => metrics.committed = told,
                "etcd_server_proposals_applied_total" => metrics.applied = told,
                _ => {}
            }
        }
        metrics.has_leader.is_some().then_some(metrics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_are_used() {
        let text = "# HELP etcd_server_has_leader Whether or not a leader exists.\n\
            etcd_cluster_version{cluster_version=\"3.5\"} 1\n\
            etcd_debugging_mvcc_current_revision 84211\n\
            etcd_mvcc_db_total_size_in_bytes 4.2991616e+07\n\
            etcd_server_has_leader 0\n\
            etcd_server_id{server_id=\"8e9e05c52164694d\"} 1\n\
            etcd_server_is_leader 0\n\
            etcd_server_proposals_committed_total 90114\n\
            etcd_server_quota_backend_bytes 2.147483648e+09\n\
            etcd_server_version{server_version=\"3.5.30\"} 1\n\
            etcd_server_is_learner NaN\n\
            go_goroutines 120\n";
        let metrics = Metrics::parse(text).unwrap();
        assert_eq!((metrics.has_leader, metrics.is_leader, metrics.is_learner), (Some(false), false, false));
        assert_eq!((metrics.member_id, metrics.revision), (Some(Id(0x8e9e_05c5_2164_694d)), 84_211));
        assert_eq!((metrics.version.as_str(), metrics.cluster_version.as_str()), ("3.5.30", "3.5"));
        assert_eq!((metrics.db_bytes, metrics.quota_bytes, metrics.committed), (42_991_616, Some(2 << 30), 90_114));
        assert_eq!(Metrics::parse("go_goroutines 120\netcd_\netcd_x{\n"), None, "another server's");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in "(etcd_server_has_leader|etcd_server_id\\{|\\PC|\n| |\"){0,40}") {
            let _ = Metrics::parse(&text);
        }
    }
}
