//! The table of the new cluster's members: proposed, edited, validated, and made into a plan.

pub mod build_plan;
pub(crate) mod cell;
pub mod certificates;
pub mod etcd_flags;
pub mod import;
pub mod inventory;
pub mod prefill;
pub mod table;
pub mod token;
pub mod validate;
