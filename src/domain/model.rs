//! The plan and the observations: the values that every other room shares.

pub mod build_version;
pub mod cluster_profile;
pub mod endpoint;
pub mod host_address;
pub mod observations;
pub mod old_cluster;
pub mod options;
pub mod plan;
pub mod plan_yaml;
pub mod revision_clients;
pub mod revisions;
pub mod source_ref;
pub mod url;
