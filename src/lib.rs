//! requorum: from an etcd cluster without quorum to a cluster that serves again.
//!
//! The rooms, from the ground up; arrows go down only (README, ARCHITECTURE):
//! [`bolt`], [`raft`] and [`etcd`] know the file formats, [`yaml`] reads what others wrote in it, [`engine`] works on one machine's
//! files, [`plan`] is pure and holds the one value everybody shares, [`agent`] is how two
//! requorums speak with each other, [`world`] is the door to the outside, [`recovery`] carries a
//! plan out, [`tui`] and [`cli`] speak with people, [`drill`] is practice on the same code. What others said is shown
//! through [`text`].

#[path = "agent/protocol.rs"]
pub mod agent;
#[path = "bbolt.rs"]
pub mod bolt;
pub mod cli;
pub mod drill;
pub mod engine;
pub mod etcd;
#[path = "domain/model/plan.rs"]
pub mod plan;
pub mod raft;
#[path = "execute.rs"]
pub mod recovery;
pub mod text;
#[path = "error.rs"]
pub mod trouble;
pub mod tui;
#[path = "system.rs"]
pub mod world;
pub mod yaml;
