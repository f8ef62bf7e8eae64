//! The exercise's members, and no others.

use std::path::Path;

use super::{Sandbox, bounds};
use crate::{
    domain::{
        model::{
            observations::{
                Alarm, Answer, FileFacts, Hashed, KnownMember,
                rows::StoredRows,
                started::{Canary, Queried, Watched},
            },
            old_cluster::{Endpoint, ProbeResult},
        },
        quorum::known::OldKey,
    },
    drill::session::What,
    engine::progress::ProgressFn,
    error::Result,
    system::{Cluster, System},
};

impl<W: System> Cluster for Sandbox<W> {
    fn trust_endpoints(&self, endpoints: &[String]) {
        self.inner.trust_endpoints(endpoints);
    }

    fn member_status(&self, endpoint: &str) -> Answer {
        match self.bounds.endpoint(endpoint) {
            Ok(()) => self.inner.member_status(endpoint),
            Err(error) => Answer::Silent { why: bounds::OUTSIDE.into(), details: error.to_string() },
        }
    }

    fn peer_status(&self, endpoint: &str, member: &KnownMember) -> Answer {
        // a peer URL from a database is not an address of an exercise
        match member.peer_urls.iter().try_for_each(|url| self.bounds.endpoint(url)) {
            Ok(()) => self.inner.peer_status(endpoint, member),
            Err(_) => Answer::Silent {
                why: bounds::OUTSIDE.into(),
                details: "Its peer port is not part of this exercise.".into(),
            },
        }
    }

    fn hash_kv(&self, endpoint: &str, revision: i64) -> Hashed {
        match self.bounds.endpoint(endpoint) {
            Ok(()) => self.inner.hash_kv(endpoint, revision),
            Err(error) => Hashed::Failed(error.to_string().into()),
        }
    }

    fn old_keys(&self, endpoint: &str, revision: i64) -> std::result::Result<Vec<OldKey>, String> {
        self.bounds.endpoint(endpoint).map_err(|error| error.to_string())?;
        self.inner.old_keys(endpoint, revision)
    }

    fn alarms(&self, endpoint: &str) -> Queried<Vec<Alarm>> {
        match self.bounds.endpoint(endpoint) {
            Ok(()) => self.inner.alarms(endpoint),
            Err(error) => Queried::Failed(error.to_string()),
        }
    }

    fn stored_rows(
        &self,
        endpoint: &str,
        most: u64,
        watch: &mut ProgressFn<'_>,
    ) -> std::result::Result<StoredRows, String> {
        self.bounds.endpoint(endpoint).map_err(|error| error.to_string())?;
        self.inner.stored_rows(endpoint, most, watch)
    }

    fn watch_from(&self, endpoint: &str, revision: i64) -> Watched {
        match self.bounds.endpoint(endpoint) {
            Ok(()) => self.inner.watch_from(endpoint, revision),
            Err(error) => Watched::Failed(error.to_string()),
        }
    }

    fn write_canary(&self, endpoints: &[String], key: &str, value: &str) -> Canary {
        match endpoints.iter().try_for_each(|endpoint| self.bounds.endpoint(endpoint)) {
            Ok(()) => self.inner.write_canary(endpoints, key, value),
            Err(error) => Canary::Failed { key: key.into(), why: error.to_string(), left: false },
        }
    }

    fn probe_endpoints(&self, endpoints: &[Endpoint]) -> Vec<ProbeResult> {
        let may = |endpoint: &&Endpoint| self.bounds.endpoint(&endpoint.url).is_ok();
        let mut inside =
            self.inner.probe_endpoints(&endpoints.iter().filter(may).cloned().collect::<Vec<_>>()).into_iter();
        let result = |endpoint: &Endpoint| if may(&endpoint) { inside.next() } else { None };
        let results: Vec<Option<ProbeResult>> = endpoints.iter().map(result).collect();
        let mut exercise = self.exercise.lock();
        exercise.probed = true;
        exercise.note(What::Asked, "the old members were probed");
        exercise.run_due_injects();
        let outside = || ProbeResult::Unclear(format!("it is {}", bounds::OUTSIDE));
        results.into_iter().map(|result| result.unwrap_or_else(outside)).collect()
    }

    fn save_snapshot(&self, endpoint: &str, into: &Path, watch: &mut ProgressFn<'_>) -> Result<FileFacts> {
        let may = self.bounds.endpoint(endpoint).and_then(|()| self.bounds.path(into));
        let saved = may.and_then(|()| self.inner.save_snapshot(endpoint, into, watch));
        let mut exercise = self.exercise.lock();
        if saved.is_err() {
            exercise.note(What::Source, format!("failed to save a snapshot from {endpoint}"));
            return saved;
        }
        exercise.saved = true;
        exercise.note(What::Source, format!("a snapshot was saved from {endpoint}"));
        exercise.run_due_injects();
        saved
    }

    fn is_simulated(&self) -> bool {
        !self.exercise.lock().lab.is_real()
    }
}
