//! Protection of this process while it has a password or a key in memory.

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// Disables core dumps for this process: they would contain its secrets. Piped ones (systemd-coredump, apport) ignore
/// the limit, so the process is marked as not dumpable, too.
pub(super) fn no_core_dumps() {
    let limit = Rlimit { current: Some(0), maximum: getrlimit(Resource::Core).maximum };
    // neither can fail for the own process; if it does, that is no reason to stop a recovery
    let _ = setrlimit(Resource::Core, limit);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
