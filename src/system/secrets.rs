//! What is done in this process while it holds a password or a key.

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// Switches core dumps off for this process: they would hold its secrets. Piped ones (systemd-coredump, apport) heed no
/// limit, so the process is marked as not dumpable, too.
pub(super) fn no_core_dumps() {
    let limit = Rlimit { current: Some(0), maximum: getrlimit(Resource::Core).maximum };
    // neither can fail for a process's own; where it does, that is no reason to leave a cluster down
    let _ = setrlimit(Resource::Core, limit);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
