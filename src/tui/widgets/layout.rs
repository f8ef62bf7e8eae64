//! A place to write on from top to bottom: lines, wrapped sentences, tables, scrolled lists.
//! Everything is cut at the page's edge, so that no terminal is too small to draw on.

use crate::text::columns;
use std::ops::Range;

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::theme::{Look, Tone};
use crate::text::escape::is_hostile;

/// A part of the screen that is filled from the top.
pub struct Page<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    look: Look,
    used: u16,
}

/// A cell's text and tone.
pub type Spot = (String, Tone);

/// A column of a table: its heading, and whether its text is set to the right.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// The heading.
    pub title: &'static str,
    /// Numbers go to the right.
    pub right: bool,
    /// The widest it gets.
    pub most: usize,
}

/// Takes out of a picture whatever a terminal would act on, or what joins, hides or turns text without being seen; it
/// is replaced by `�`. Text from outside is escaped long before: anything of that kind here is a mistake of ours.
pub fn disarm(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if cell.symbol().contains(is_hostile) {
            let seen: String = cell.symbol().chars().filter(|c| !is_hostile(*c)).collect();
            cell.set_symbol(if seen.is_empty() { "\u{fffd}" } else { &seen });
        }
    }
}

impl<'a> Page<'a> {
    /// A page on `area` of `buffer`; anything outside the buffer is cut off.
    pub fn new(buffer: &'a mut Buffer, area: Rect, look: Look) -> Self {
        let area = area.intersection(buffer.area);
        Page { buffer, area, look, used: 0 }
    }

    /// Columns.
    pub fn width(&self) -> usize {
        usize::from(self.area.width)
    }

    /// True where whole lines are wanted, one after the other.
    pub fn is_plain(&self) -> bool {
        self.look.plain
    }

    /// Lines that are still free.
    pub fn left(&self) -> usize {
        usize::from(self.area.height.saturating_sub(self.used))
    }

    /// Text as it is drawn with `tone`.
    pub fn span(&self, text: impl Into<String>, tone: Tone) -> Span<'static> {
        Span::styled(text.into(), self.look.style(tone))
    }

    /// An empty line.
    pub fn gap(&mut self) {
        self.used = self.used.saturating_add(1);
    }

    /// One line of pieces.
    pub fn line(&mut self, pieces: Vec<Span<'static>>) {
        if self.left() > 0 {
            let y = self.area.y + self.used;
            self.buffer.set_line(self.area.x, y, &Line::from(pieces), self.area.width);
        }
        self.gap();
    }

    /// One line of one tone, cut at the edge with a `…`.
    pub fn say(&mut self, words: &str, tone: Tone) {
        let line = columns::fit(words, self.width());
        self.line(vec![self.span(line, tone)]);
    }

    /// A sentence over as many lines as it takes, the first after `mark`, the others indented as far; at most `most`
    /// lines.
    pub fn sentence(&mut self, mark: &str, words: &str, tone: Tone, most: usize) {
        // Where the page ends first, the cut is shown there.
        let lines = self.flow(mark, words, tone, most.min(self.left().max(1)));
        for line in lines {
            self.line(line);
        }
    }

    /// The lines that [`sentence`](Self::sentence) would write.
    pub fn flow(&self, mark: &str, words: &str, tone: Tone, most: usize) -> Vec<Vec<Span<'static>>> {
        let indent = columns::width(mark);
        let room = self.width().saturating_sub(indent + 1).max(8);
        let mut lines = columns::wrap(words, room);
        if lines.len() > most {
            lines.truncate(most);
            if let Some(last) = lines.last_mut() {
                *last = columns::fit(&format!("{last} …"), room);
            }
        }
        lines
            .into_iter()
            .enumerate()
            .map(|(i, line)| {
                let head = if i == 0 { mark.to_string() } else { " ".repeat(indent) };
                vec![self.span(head, tone), self.span(line, tone)]
            })
            .collect()
    }

    /// Widths for a table's columns: what the texts need, at most each column's own, shortened
    /// from the widest where the page is too narrow.
    pub fn widths(&self, heads: &[Head], rows: &[Vec<Spot>]) -> Vec<usize> {
        let mut widths: Vec<usize> = heads
            .iter()
            .enumerate()
            .map(|(i, head)| {
                let texts = rows.iter().filter_map(|r| r.get(i)).map(|(t, _)| columns::width(t)).max().unwrap_or(0);
                let most = if self.look.plain { columns::WIDEST } else { head.most };
                texts.min(most).max(columns::width(head.title))
            })
            .collect();
        if self.look.plain {
            return widths;
        }
        let room = self.width().saturating_sub(2 + 2 * heads.len().saturating_sub(1));
        while widths.iter().sum::<usize>() > room {
            let Some(widest) = widths.iter_mut().max_by_key(|w| **w).filter(|w| **w > 4) else { break };
            *widest -= 1;
        }
        widths
    }

    /// One row of a table; `chosen` puts the mark before it.
    pub fn row(&self, heads: &[Head], widths: &[usize], cells: &[Spot], chosen: bool) -> Vec<Span<'static>> {
        let mut line = vec![self.span(if chosen { "▸ " } else { "  " }, Tone::Strong)];
        if self.look.plain {
            let named = cells.iter().zip(heads).filter(|((words, _), _)| !["", "–"].contains(&words.as_str()));
            let named: Vec<String> = named.map(|((words, _), head)| format!("{} {words}", head.title)).collect();
            line.push(self.span(named.join("; "), Tone::Plain));
            return line;
        }
        for (i, (((words, tone), head), width)) in cells.iter().zip(heads).zip(widths).enumerate() {
            if i > 0 {
                line.push(self.span("  ", Tone::Plain));
            }
            let side = if head.right { columns::Align::Right } else { columns::Align::Left };
            let tone = if chosen && i == 0 && *tone == Tone::Plain { Tone::Chosen } else { *tone };
            line.push(self.span(columns::pad(words, *width, side), tone));
        }
        line
    }

    /// The headings of a table.
    pub fn heads(&mut self, heads: &[Head], widths: &[usize]) {
        // each cell names its own
        if self.look.plain {
            return;
        }
        let cells: Vec<Spot> = heads.iter().map(|h| (h.title.to_string(), Tone::Faint)).collect();
        let line = self.row(heads, widths, &cells, false);
        self.line(line);
    }

    /// A list in at most `most` lines, scrolled so that the lines `focus` are seen, the first of them before all; lines
    /// beyond are counted in the corners.
    pub fn list(&mut self, lines: Vec<Vec<Span<'static>>>, focus: Range<usize>, most: usize) {
        let room = most.min(self.left());
        let count = lines.len();
        // one line of the next entry as a sign that there is one
        let first = (focus.end + 1).saturating_sub(room).min(count.saturating_sub(room)).min(focus.start);
        let top = self.used;
        for line in lines.into_iter().skip(first).take(room) {
            self.line(line);
        }
        if first > 0 {
            self.corner(&format!(" ↑ {first} more"), top);
        }
        if count > first + room && room > 0 {
            let last = self.used.saturating_sub(1);
            self.corner(&format!(" ↓ {} more", count - first - room), last);
        }
    }

    /// Lines that are welcome but not needed, where the whole of them fits.
    pub fn more(&mut self, heading: &str, lines: &[String]) {
        if !lines.is_empty() && !self.look.plain && self.left() > lines.len() + 2 {
            self.gap();
            self.sentence(" ", heading, Tone::Strong, 1);
            for line in lines {
                self.sentence("   ", line, Tone::Faint, 2);
            }
        }
    }

    /// Words at the right end of a line that was written.
    fn corner(&mut self, words: &str, line: u16) {
        let x = self.area.right().saturating_sub(u16::try_from(columns::width(words)).unwrap_or(u16::MAX));
        if line < self.area.height && x >= self.area.x {
            let style = self.look.style(Tone::Strong);
            self.buffer.set_stringn(x, self.area.y + line, words, usize::from(self.area.width), style);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn a_row_always_takes_its_column_widths() {
        let area = Rect::new(0, 0, 60, 4);
        let mut buffer = Buffer::empty(area);
        let page = Page::new(&mut buffer, area, Look::default());
        let heads = [Head { title: "name", most: 20, right: false }, Head { title: "語", most: 30, right: true }];
        for cell in crate::text::columns::odd_cells() {
            let row = vec![(cell.clone(), Tone::Plain), (cell, Tone::Plain)];
            let widths = page.widths(&heads, std::slice::from_ref(&row));
            let taken: usize =
                page.row(&heads, &widths, &row, true).iter().map(|span| columns::width(&span.content)).sum();
            assert_eq!(taken, widths.iter().sum::<usize>() + 4, "{:.20}", row[0].0);
            assert!(taken <= page.width());
        }
    }

    #[test]
    fn a_picture_holds_no_terminal_codes() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 1));
        for (x, symbol) in ["a", "\x1b", "\u{202e}", "e\u{301}", "b\u{200d}", "\n"].into_iter().enumerate() {
            buffer.content[x].set_symbol(symbol);
        }
        disarm(&mut buffer);
        let shown: Vec<&str> = buffer.content.iter().map(|cell| cell.symbol()).collect();
        assert_eq!(shown, ["a", "\u{fffd}", "\u{fffd}", "e\u{301}", "b", "\u{fffd}"]);
    }
}
