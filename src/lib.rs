//! requorum: from an etcd cluster without quorum to a cluster that serves again.
//!
//! The rooms, from the ground up; arrows go down only (README, ARCHITECTURE):
//! [`bbolt`], [`raft`] and [`etcd`] know the file formats, [`yaml`] reads what others wrote in it, [`engine`] works on one machine's
//! files, [`crate::domain::model::plan`] is pure and holds the one value everybody shares, [`crate::agent::protocol`] is how two
//! requorums speak with each other, [`system`] is the door to the outside, [`execute`] carries a
//! plan out, [`tui`] and [`cli`] speak with people, [`drill`] is practice on the same code. What others said is shown
//! through [`text`].

pub mod agent;
pub mod bbolt;
pub mod cli;
pub mod domain;
pub mod drill;
pub mod engine;
pub mod error;
pub mod etcd;
pub mod execute;
pub mod raft;
pub mod system;
pub mod text;
pub mod tui;
pub mod yaml;
