//! What the steps are drawn with: layout, text input, colours.

pub mod layout;
pub mod progress_meter;
pub mod text_input;
pub mod theme;
