//! Journals of recoveries become scenarios: every shape of one is read and proven, and nothing of a journal's text or
//! numbers stands in what is made of it.

mod real;
mod shapes;

use crate::support::{self, secrets};
