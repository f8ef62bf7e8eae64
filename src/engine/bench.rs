//! Measuring requorum against etcdutl on one machine, in one run.

pub mod generate;
