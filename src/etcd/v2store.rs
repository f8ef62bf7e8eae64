//! The v2 store: as a value, as the JSON of a `.snap` file, and when its keys expire.

pub mod expiration;
pub mod json;
pub mod state;
