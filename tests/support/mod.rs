//! What the tests stand on: runs of the `requorum` binary, also in a pseudo-terminal; the etcd servers that this machine
//! has, clusters of them on loopback, and what a cluster holds.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "each of the two test programs uses a part of it"
)]

pub mod cluster;
pub mod contents;
pub mod messages;
mod program;
pub mod pty;
pub mod secrets;
pub mod servers;
pub mod svg;

use std::{
    thread,
    time::{Duration, Instant},
};

pub use program::*;

/// Whether everything runs: in tests/run and in CI. An everyday `cargo test` takes less than three minutes, with the cases that
/// show the most of each kind.
pub fn every_case() -> bool {
    ["REQUORUM_EVERY_SERVER", "CI"].iter().any(|name| std::env::var_os(name).is_some())
}

/// All of these where everything runs, else every `nth`.
pub fn everyday<T>(all: impl IntoIterator<Item = T>, nth: usize) -> impl Iterator<Item = T> {
    all.into_iter().step_by(if every_case() { 1 } else { nth })
}

/// Asks `ready` again and again until it gives something; panics with the last reason when that
/// took longer than `limit`.
pub fn wait_until<T>(what: &str, limit: Duration, mut ready: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + limit;
    loop {
        match ready() {
            Ok(value) => return value,
            Err(why) if Instant::now() > end => panic!("waited {limit:?} for {what} in vain: {why}"),
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}
