//! The width of text in terminal columns, and text cut, padded and wrapped to columns. No other module counts them: a
//! wide character takes two, a combining one none, and escaped text as many as its escape.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::escape;

/// The greatest width of a table column: etcd accepts keys and names of more than a megabyte.
pub const WIDEST: usize = 1_000;

/// The alignment of text in its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Left.
    Left,
    /// Centred; rounded to the left.
    Middle,
    /// Right.
    Right,
}

/// Returns text as a cell shows it: escaped, on one line, and cut as foreign text is, since text of zero width has a
/// length too.
fn shown(text: &str) -> Cow<'_, str> {
    match text.len() > escape::MOST || text.contains(escape::is_hostile) {
        true => escape::line(text).into(),
        false => text.into(),
    }
}

/// Returns the columns of a character that is drawn as it is.
pub fn of_char(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Returns the columns of text that is drawn as it is, such as an input field.
pub fn as_typed(text: &str) -> usize {
    text.width()
}

/// Returns the columns of `text` as it is shown, on one line.
pub fn width(text: &str) -> usize {
    match text.contains(escape::is_hostile) {
        true => escape::line(text).width(),
        false => text.width(),
    }
}

/// Returns the width of a column for these cells, at most [`WIDEST`].
pub fn column_width<'a>(cells: impl IntoIterator<Item = &'a str>) -> usize {
    cells.into_iter().map(width).max().unwrap_or(0).min(WIDEST)
}

/// Returns `text` on one line, cut to `columns`, with `…` for the rest.
pub fn fit(text: &str, columns: usize) -> String {
    let text = shown(text);
    if text.width() <= columns {
        return text.into_owned();
    }
    if columns == 0 {
        return String::new();
    }
    let mut left = columns - 1;
    let mut out: String = text.chars().take_while(|c| take(&mut left, *c)).collect();
    out.push('…');
    // what belongs together can be wider than its parts
    while out.width() > columns && out.pop().is_some() {}
    out
}

/// Cuts as [`fit`] does, but at the start: for paths, whose ends differ.
pub fn fit_end(text: &str, columns: usize) -> String {
    let text = shown(text);
    if text.width() <= columns {
        return text.into_owned();
    }
    if columns == 0 {
        return String::new();
    }
    let mut left = columns - 1;
    let kept: Vec<char> = text.chars().rev().take_while(|c| take(&mut left, *c)).collect();
    // what combines with a character that was cut off would be drawn on the `…`
    let kept: String = kept.into_iter().rev().skip_while(|c| of_char(*c) == 0).collect();
    format!("…{kept}")
}

/// Cuts a path in its middle, where it can at a `/`: where it begins and its last part both tell it from others.
pub fn fit_middle(text: &str, columns: usize) -> String {
    let text = shown(text);
    if text.width() <= columns {
        return text.into_owned();
    }
    let end = fit_end(&text, (columns * 2 / 3).max(columns.min(2)));
    let end = end.trim_start_matches('…');
    let at_slash = end.find('/').filter(|at| at + 1 < end.len()).and_then(|at| end.get(at..));
    // the last part whole, where there is room for it and something before it; else that part alone, in halves
    let slash = text.rfind('/').filter(|at| at + 1 < text.len());
    let last = slash.and_then(|at| text.get(at..)).filter(|last| last.width() + 3 <= columns);
    if let (None, None, Some(at)) = (at_slash, last, slash) {
        return fit_middle(text.get(at + 1..).unwrap_or_default(), columns);
    }
    let half = fit_end(&text, columns.div_ceil(2));
    let end = at_slash.or(last).unwrap_or(half.trim_start_matches('…'));
    let mut left = columns.saturating_sub(1 + end.width());
    let start: String = text.chars().take_while(|c| take(&mut left, *c)).collect();
    let start = start.rfind('/').filter(|at| *at > 0).and_then(|at| start.get(..=at)).unwrap_or(&start);
    let out = format!("{start}…{end}");
    if out.width() <= columns { out } else { fit_end(&text, columns) }
}

fn take(left: &mut usize, c: char) -> bool {
    match left.checked_sub(of_char(c)) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}

/// Returns `text` cut or padded to exactly `columns`. (The width of `format!` counts characters, and panics beyond
/// 65,535.)
pub fn pad(text: &str, columns: usize, align: Align) -> String {
    let text = fit(text, columns);
    let free = columns.saturating_sub(text.width());
    let before = match align {
        Align::Left => 0,
        Align::Middle => free / 2,
        Align::Right => free,
    };
    format!("{}{text}{}", " ".repeat(before), " ".repeat(free - before))
}

/// Returns rows in plain columns, two blanks between them, without trailing blanks. The last column is not cut.
pub fn rows<const N: usize>(rows: &[[String; N]], aligned: [Align; N]) -> String {
    let at = |at: usize| rows.iter().filter_map(move |row| row.get(at)).map(String::as_str);
    let widths: Vec<usize> = (0..N).map(|n| column_width(at(n))).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).zip(aligned).enumerate();
        let cells = cells.map(|(n, ((text, width), align))| match n + 1 == N && align == Align::Left {
            true => shown(text).into_owned(),
            false => pad(text, *width, align),
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// Wraps `text` to lines of at most `columns`, at blanks; a longer word is broken. Line feeds and runs of blanks
/// within a line are kept.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let text = escape::page(text);
    for paragraph in text.split('\n') {
        let indent: String = paragraph.chars().take_while(|c| *c == ' ').take(columns.saturating_sub(2) / 2).collect();
        let mut line = Line::new(&indent);
        let mut blanks = 0;
        for word in paragraph.trim_start_matches(' ').split(' ') {
            if word.is_empty() {
                // one more blank between two words
                blanks += 1;
                continue;
            }
            if line.begun() && line.columns + blanks + word.width() > columns {
                lines.push(std::mem::replace(&mut line, Line::new(&indent)).text);
            } else {
                (0..blanks).for_each(|_| line.push(' '));
            }
            for c in word.chars() {
                if line.columns + of_char(c) > columns && line.begun() {
                    lines.push(std::mem::replace(&mut line, Line::new(&indent)).text);
                }
                line.push(c);
            }
            blanks = 1;
        }
        lines.push(line.text.trim_end().to_string());
    }
    lines
}

/// A growing line that keeps count of its columns.
struct Line {
    text: String,
    columns: usize,
    indent: usize,
}

impl Line {
    fn new(indent: &str) -> Line {
        Line { text: indent.into(), columns: indent.len(), indent: indent.len() }
    }

    fn begun(&self) -> bool {
        self.text.len() > self.indent
    }

    fn push(&mut self, c: char) {
        self.text.push(c);
        self.columns += of_char(c);
    }
}

/// What a name, URL or key may hold, for the tests of all tables.
#[cfg(test)]
pub(crate) fn odd_cells() -> Vec<String> {
    let short = [
        "",
        "m1",
        "語語",
        "Ａ",
        "e\u{301}\u{302}",
        "\u{301}",
        "a\u{200b}b",
        "\u{1f468}\u{200d}\u{1f469}",
        "\u{1f44d}\u{1f3fd}\u{1f44d}\u{1f3fd}",
        "\u{2764}\u{fe0f}",
        "\u{1f1e9}\u{1f1ea}",
        "\u{644}\u{627}",
        "m1\r\n\t\x1b[2JAll is well",
    ];
    let marks = format!("a{}", "\u{301}".repeat(40_000));
    let long = ["x".repeat(80_000), "語".repeat(26_667), marks, "\u{200b}".repeat(26_667), "m ".repeat(40_000)];
    short.iter().map(|text| (*text).into()).chain(long).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cuts_show_that_they_are_cuts() {
        assert_eq!(fit("/backup/etcd.db", 8), "/backup…");
        assert_eq!(fit_end("/backup/etcd.db", 8), "…etcd.db");
        let long = "/srv/etcd/restored/2026-11/m1.etcd";
        assert_eq!(fit_middle(long, 34), long);
        assert_eq!(fit_middle(long, 20), "/srv/etcd/…/m1.etcd");
        assert_eq!(fit_middle(long, 15), "/srv/…/m1.etcd");
        assert_eq!(fit_middle(long, 28), "/srv/etcd/…/2026-11/m1.etcd");
        assert_eq!(fit_middle("/backup/etcd-0100.db.part", 24), "/back…/etcd-0100.db.part");
        assert_eq!(fit_middle("/tmp/x/prod-eu-m2-20261129-150635.db", 22), "prod-eu-m2-…-150635.db");
        assert_eq!(fit_middle("prod-eu-20261129-150635.db", 16), "prod-eu-…0635.db");
        assert_eq!(fit("語語語", 4), "語…");
        assert_eq!(fit_end("語e\u{301}語", 3), "…語");
        assert_eq!(fit_end("e\u{301}語", 3), "e\u{301}語");
        assert_eq!((fit("abc", 2), fit("abc", 1), fit("abc", 0)), ("a…".into(), "…".into(), String::new()));
        assert_eq!(pad("12", 5, Align::Right), "   12");
        let shown = [Align::Left, Align::Middle, Align::Right].map(|align| pad("äb", 5, align));
        assert_eq!(shown, ["äb   ", " äb  ", "   äb"]);
    }

    #[test]
    fn wrapping_keeps_indents_and_line_ends() {
        assert_eq!(wrap("one two three\n  four five", 9), ["one two", "three", "  four", "  five"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("a   b c", 5), ["a   b", "c"]);
        assert_eq!(wrap("x          edit it", 20), ["x          edit it"]);
        assert_eq!(wrap("", 5), [""]);
        let marks = "\u{301}".repeat(40_000);
        assert_eq!(wrap(&format!("a{marks} b"), 2), [format!("a{marks}"), "b".into()]);
    }

    /// Whatever is in a cell, it takes the columns of its column, on one line.
    #[test]
    fn cells_are_exactly_as_wide_as_columns() {
        let cells = odd_cells();
        for cell in &cells {
            for other in cells.iter().step_by(6) {
                let columns = column_width([cell.as_str(), other]);
                assert!(columns <= WIDEST);
                for align in [Align::Left, Align::Middle, Align::Right] {
                    let padded = pad(cell, columns, align);
                    assert_eq!(
                        (width(&padded), padded.find(escape::is_hostile)),
                        (columns, None),
                        "{cell:.20} {other:.20}"
                    );
                    assert!(padded.len() <= escape::MOST + WIDEST + 16);
                }
            }
        }
        assert_eq!(pad("m1\r\n\x1b[2JAll", 24, Align::Left), "m1\\u{d}\\u{a}\\u{1b}[2JAll");
    }

    #[test]
    fn columns_of_rows_are_below_each_other() {
        for aligned in [Align::Left, Align::Right] {
            let lines: Vec<[String; 3]> =
                odd_cells().into_iter().map(|cell| [cell.clone(), cell, "|".into()]).collect();
            let text = rows(&lines, [aligned, Align::Left, Align::Left]);
            let ends: Vec<_> = text.lines().map(|line| as_typed(line.strip_suffix('|').unwrap_or_default())).collect();
            assert_eq!(ends, vec![2 * WIDEST + 4; lines.len()]);
        }
        let last = ["a".to_string(), "x".repeat(3000)];
        assert_eq!(
            rows(&[last], [Align::Left; 2]).len(),
            3004,
            "the last column is not cut at the widest column's width"
        );
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_asked(text in "(\\PC|[a-z 語\n\u{301}\u{1f44d}\u{1f3fd}\u{644}\u{627}]){0,80}", columns in 2usize..20) {
            for line in wrap(&text, columns) {
                prop_assert!(line.as_str().width() <= columns, "{line:?}");
            }
            prop_assert!(width(&fit(&text, columns)) <= columns);
            prop_assert!(width(&fit_end(&text, columns)) <= columns);
            prop_assert!(width(&fit_middle(&text, columns)) <= columns);
            prop_assert_eq!(width(&pad(&text, columns, Align::Middle)), columns);
        }
    }
}
