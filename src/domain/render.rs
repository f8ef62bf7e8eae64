//! Plans as text: commands that start members, scripts and runbooks.

pub mod manual;
pub(crate) mod plan_steps;
pub(crate) mod runbook;
pub mod start;
