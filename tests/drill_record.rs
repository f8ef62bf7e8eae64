//! Journals of recoveries become scenarios: every shape of one is read and proven, and nothing of a journal's text or
//! numbers stands in what is made of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "drill_record/leaks.rs"]
mod leaks;
#[path = "drill_record/real.rs"]
mod real;
#[path = "drill_record/shapes.rs"]
mod shapes;
mod support;
