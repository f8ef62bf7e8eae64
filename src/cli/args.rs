//! What is typed: groups of flags that several commands share.

pub(crate) mod cluster;
pub(crate) mod connection_args;
pub(crate) mod plan_arg;
pub(crate) mod pointers;
pub(crate) mod restore_args;
pub(crate) mod ssh_args;
pub(crate) mod surface;
