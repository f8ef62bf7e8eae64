//! What the program says, held as tables of messages: their wording is in tests/snapshots/messages, and the tests look at
//! exit codes, kinds and fields.

/// Compares the messages of a test with `tests/snapshots/messages/ROOM.snap`; each has a line that says what causes it.
#[track_caller]
pub fn hold(room: &str, messages: &[(impl AsRef<str>, String)]) {
    let table: String =
        messages.iter().map(|(what, told)| format!("## {}\n{}\n\n", what.as_ref(), plain(told).trim_end())).collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/messages"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(room, table));
}

/// The text with a name in place of each temporary directory, and paths of the project without its directory.
pub fn plain(text: &str) -> String {
    let text = text.replace(concat!(env!("CARGO_MANIFEST_DIR"), "/"), "");
    let begin = format!("{}/.tmp", std::env::temp_dir().display());
    let mut pieces = text.split(&begin);
    let first = pieces.next().unwrap_or_default().to_string();
    pieces.fold(first, |all, piece| format!("{all}DIR{}", piece.trim_start_matches(char::is_alphanumeric)))
}

/// The lines of what was said that are warnings.
pub fn warnings(said: &str) -> String {
    let lines = said.lines().filter(|line| line.starts_with("Warning: "));
    lines.map(|line| format!("{line}\n")).collect()
}

/// What was said of the error that ended a run, with its hints.
pub fn error(said: &str) -> String {
    said.lines().skip_while(|line| !line.starts_with("Error: ")).map(|line| format!("{line}\n")).collect()
}
