//! The ordinary tests, each file of which is a module: the program as a user meets it, the library from outside, the
//! screens, and the structure of the source. What is made from tables is in `tests/cases`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod architecture;
mod cli;
mod damage;
#[path = "../damage_kit/mod.rs"]
mod damage_kit;
mod drill;
mod drill_host;
mod drill_pty;
mod drill_record;
mod filetypes;
mod formats;
mod fuzz_replay;
mod inspect;
mod launch_lines;
mod look_only;
mod mock_system;
mod pictures;
mod plain;
mod release;
mod salvage;
mod screens;
mod snapshot_choice;
mod stops;
#[path = "../support/mod.rs"]
mod support;
mod text_sink;
mod v2;
mod verification;
mod wizard_pty;
