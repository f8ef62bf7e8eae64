//! For tests: the messages of a module as one table, which holds their wording; other tests look at kinds and fields.

/// Compares the messages of `room` with `tests/snapshots/messages/ROOM.snap`; each has a line that says what causes
/// it.
pub(crate) fn hold(room: &str, messages: &[(impl AsRef<str>, String)]) {
    let table: String =
        messages.iter().map(|(what, told)| format!("## {}\n{}\n\n", what.as_ref(), told.trim_end())).collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/messages"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(room, table));
}
