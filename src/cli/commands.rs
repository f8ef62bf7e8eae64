//! One file for each command: a few lines over the library.

pub(crate) mod apply;
pub(crate) mod bench;
pub(crate) mod cluster;
pub(crate) mod drill;
pub(crate) mod guide;
pub(crate) mod inspect;
pub(crate) mod launch;
pub(crate) mod man;
pub(crate) mod manual;
pub(crate) mod plan;
pub(crate) mod probe;
pub(crate) mod report;
pub(crate) mod salvage;
pub(crate) mod snapshot;
pub(crate) mod start;
pub(crate) mod v2store;
pub(crate) mod verify;
pub(crate) mod wizard;
