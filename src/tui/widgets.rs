//! What the steps are drawn with: layout, text input, colours, and the words of remedies.

pub mod layout;
pub mod progress_meter;
pub(crate) mod remedies;
pub mod text_input;
pub mod theme;
