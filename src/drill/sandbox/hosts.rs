//! The exercise's hosts, which are directories, and its clock, which can be put forward.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use super::{Sandbox, bounds};
use crate::{
    domain::model::{
        host_address,
        observations::config::{ConfigFacts, Origin},
    },
    error::Result,
    system::{
        Clock, Hosts, System, discovery,
        host_session::{HostSession, LocalHost},
        member_ops::MemberOps,
        ssh::Stop,
    },
    text::Shown,
};

impl<W: System> Hosts for Sandbox<W> {
    fn operator(&self) -> String {
        self.inner.operator()
    }

    fn addresses(&self) -> Vec<IpAddr> {
        // the hosts of an exercise are not reached by this machine's addresses
        Vec::new()
    }

    fn is_this_machine(&self, _host: &str) -> bool {
        // the hosts of an exercise are directories of this one
        true
    }

    fn discover_configs(&self) -> Vec<ConfigFacts> {
        // this machine's own etcds are not part of an exercise; the lab's hosts are
        let root = self.exercise.lock().lab.root().to_path_buf();
        let mut found = Vec::new();
        for host in std::fs::read_dir(root.join("hosts")).into_iter().flatten().flatten() {
            let name = host.file_name().to_string_lossy().into_owned();
            for config in discovery::discover(&host.path()) {
                let origin = match &config.origin {
                    Origin::File(path) => Origin::File(format!("{name}:{}", path.shown()).into()),
                    Origin::Process(pid) => Origin::Process(*pid),
                };
                found.push(ConfigFacts { origin, ..config });
            }
        }
        found.sort_by_key(ConfigFacts::place);
        found
    }

    fn member_ops(&self) -> &dyn MemberOps {
        self
    }

    fn open_session(&self, host: &str, dirs: &[PathBuf], stop: Stop<'_>) -> Result<Box<dyn HostSession + '_>> {
        if !host_address::is_local(host) {
            return Err(bounds::outside(host));
        }
        dirs.iter().try_for_each(|dir| self.bounds.path(dir))?;
        // the same session, but its acts go through the sandbox
        let facts = self.inner.open_session(host, dirs, stop)?.facts().clone();
        Ok(Box::new(LocalHost::new(self, facts)))
    }
}

impl<W: System> Clock for Sandbox<W> {
    fn now(&self) -> i64 {
        let forward = self.exercise.lock().clock.forward().as_secs();
        self.inner.now().saturating_add_unsigned(forward)
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic() + self.exercise.lock().clock.forward()
    }

    fn sleep(&self, time: Duration) {
        let mut exercise = self.exercise.lock();
        // moving the clock forward does not speed up a real member
        match exercise.hurried && !exercise.lab.is_real() {
            true => exercise.clock.skip(time),
            false => {
                drop(exercise);
                self.inner.sleep(time);
            }
        }
    }

    fn random_suffix(&self) -> String {
        self.inner.random_suffix()
    }
}
