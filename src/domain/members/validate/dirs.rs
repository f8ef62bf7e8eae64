//! Problems in the directory columns. Two members restored on one machine must not share a directory.
//! Paths are compared as text: only the disk shows symbolic links.

use std::path::{Component, Path, PathBuf};

use super::display_name;
use crate::{
    domain::members::{
        cell::Row,
        table::{Column, Problem},
    },
    text::{confusables, template},
};

/// The directories a row writes to, each with its column.
fn places(row: &Row) -> Vec<(Column, PathBuf)> {
    [Column::DataDir, Column::WalDir]
        .into_iter()
        .filter(|c| row.text(*c).trim().starts_with('/'))
        .map(|c| (c, normal(row.text(c).trim())))
        .collect()
}

/// The path without `.`, `..` and doubled slashes.
fn normal(text: &str) -> PathBuf {
    let mut out = PathBuf::new();
    for part in Path::new(text).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// Returns the problems in the directories of row `at`, compared with the rows above it.
pub(super) fn check(rows: &[Row], at: usize, out: &mut Vec<Problem>) {
    let Some(row) = rows.get(at) else { return };
    if row.text(Column::DataDir).trim().is_empty() {
        let text = "the data dir is missing; it is where the member is restored to";
        out.push(Problem::error(Some(at), Some(Column::DataDir), text));
    }
    for column in [Column::DataDir, Column::WalDir] {
        one(at, column, row.text(column), out);
    }
    let mine = places(row);
    if let [(_, data), (_, wal)] = mine.as_slice() {
        if wal.starts_with(data) {
            let text = "the WAL dir is inside the data dir; leave it empty and etcd keeps the WAL in the data dir";
            out.push(Problem::error(Some(at), Some(Column::WalDir), text).fixed(Some(String::new())));
        } else if data.starts_with(wal) {
            out.push(Problem::error(Some(at), Some(Column::WalDir), "the data dir is inside the WAL dir"));
        }
    }
    for (column, path) in &mine {
        for (first, other) in rows.iter().enumerate().take(at).filter(|(_, other)| other.host() == row.host()) {
            for (its_column, its_path) in places(other) {
                let (what, whose) = (its_column.heading(), display_name(rows, first));
                let text = if *path == its_path {
                    format!("this is already the {what} of {whose}")
                } else if path.starts_with(&its_path) {
                    format!("this is inside the {what} of {whose}")
                } else if its_path.starts_with(path) {
                    format!("the {what} of {whose} is inside this one")
                } else {
                    continue;
                };
                out.push(Problem::error(Some(at), Some(*column), text));
            }
        }
    }
}

/// Returns the problems of a single path.
fn one(at: usize, column: Column, text: &str, out: &mut Vec<Problem>) {
    let heading = column.heading();
    let mut error = |text: String, fix: Option<String>| {
        out.push(Problem::error(Some(at), Some(column), text).fixed(fix));
    };
    if text.trim().is_empty() {
        return;
    }
    // blanks around it: a name that was chosen, not a placeholder that was left in
    let left_in = |part: &&str| {
        template::find(part).is_some_and(|found| !part.replacen(found, "", 1).contains(char::is_whitespace))
    };
    let part = text.split('/').find(left_in);
    if let Some(text) = part.and_then(|part| template::slip(part, "the directory on the member's host")) {
        return error(format!("the {heading}: {text}"), None);
    }
    if let Some(stray) = confusables::find_hidden(text) {
        return error(format!("{} in the {heading}", stray.name), Some(confusables::clean(text).trim().to_string()));
    }
    if text.trim() != text {
        return error(format!("leading or trailing space in the {heading}"), Some(text.trim().to_string()));
    }
    if text.starts_with('~') {
        return error(format!("the {heading} must be absolute; ~ is not expanded here"), None);
    }
    if !text.starts_with('/') {
        return error(format!("the {heading} must be absolute: it starts with /"), None);
    }
    let path = normal(text);
    if Path::new(text).components().any(|part| part == Component::ParentDir) {
        // a link created after the review could redirect it
        let text = format!("the {heading} contains \"..\"; what that resolves to depends on symbolic links");
        return error(text, Some(path.to_string_lossy().into_owned()).filter(|path| path != "/"));
    }
    if path == Path::new("/") {
        return error(format!("the {heading} cannot be the root of the filesystem"), None);
    }
    if column == Column::DataDir && path.file_name().is_some_and(|last| last == "member") {
        let above = path.parent().map(|p| p.to_string_lossy().into_owned()).filter(|p| p != "/");
        let text = "etcd creates \"member\" inside the data dir; give the directory above it";
        out.push(Problem::warning(Some(at), Some(column), text).fixed(above));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_that_was_left_in_is_named_and_odd_names_are_not() {
        for (text, problems) in [
            ("/srv/${NODE}/etcd", 1),
            ("/srv/{{ name }}.etcd", 1),
            ("/srv/<node>", 1),
            ("/srv/$(hostname)/m1", 1),
            ("/srv/da $HOME 100% 'q\"", 0),
            ("/srv/our {new} directory/m1", 0),
            ("/srv/m1.etcd", 0),
        ] {
            let mut found = Vec::new();
            one(0, Column::DataDir, text, &mut found);
            assert_eq!(found.len(), problems, "{text}: {found:?}");
        }
    }
}
