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

/// Wider lines than this are hard to follow with the eye.
pub const MOST_COLUMNS: u16 = 140;

/// A part of the screen that is filled from the top.
pub struct Page<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    look: Look,
    used: u16,
    scrolls: Scrolls,
}

/// How far a text can be scrolled, in steps, and how many of them are a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scrolls {
    /// The last step.
    pub most: usize,
    /// A page.
    pub page: usize,
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
        Page { buffer, area, look, used: 0, scrolls: Scrolls::default() }
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
        Span::styled(self.look.spell(&text.into()), self.look.style(tone))
    }

    /// The mark before a sentence: a sign in a block of its colour, if it is one.
    fn mark(&self, mark: &str, tone: Tone) -> Vec<Span<'static>> {
        let sign = mark.trim();
        let is_sign = matches!(sign, "✔" | "✖" | "!") && mark.starts_with(' ');
        let Some(at) = mark.find(sign).filter(|_| is_sign) else { return vec![self.span(mark, tone)] };
        let at = at.saturating_sub(1);
        let end = (at + sign.len() + 2).min(mark.len());
        let part = |range: Range<usize>| mark.get(range).unwrap_or_default().to_string();
        vec![
            self.span(part(0..at), Tone::Plain),
            Span::styled(part(at..end), self.look.mark(tone)),
            self.span(part(end..mark.len()), Tone::Plain),
        ]
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
        let line = columns::fit(&self.look.spell(words), self.width());
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
        let words = &self.look.spell(words);
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
                let mut line = vec![self.span(line, tone)];
                let head = if i == 0 { self.mark(mark, tone) } else { vec![self.span(" ".repeat(indent), tone)] };
                line.splice(..0, head);
                line
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
                let wide = |(text, _): &Spot| columns::width(&self.look.spell(text));
                let texts = rows.iter().filter_map(|r| r.get(i)).map(wide).max().unwrap_or(0);
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
            line.push(self.span(columns::pad(&self.look.spell(words), *width, side), tone));
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

    /// A list in at most `most` lines, scrolled so that the lines `focus` are seen, the first of them before all; what
    /// is hidden is counted on lines of its own.
    pub fn list(&mut self, lines: Vec<Vec<Span<'static>>>, focus: Range<usize>, most: usize) {
        let room = most.min(self.left());
        let count = lines.len();
        if count <= room {
            lines.into_iter().for_each(|line| self.line(line));
            return;
        }
        // where there is room for little else, the counts give way
        let seen = listed(count, &focus, room);
        if seen.start > 0 && room > 2 {
            self.hidden('↑', seen.start, "");
        }
        for line in lines.into_iter().skip(seen.start).take(seen.len()) {
            self.line(line);
        }
        if seen.end < count && room > 1 {
            self.hidden('↓', count - seen.end, "");
        }
    }

    /// Text in all lines that are left, of which `offset` steps were scrolled away; what is hidden is counted on lines
    /// of its own. How far it can be scrolled is remembered for [`scrolls`](Self::scrolls).
    pub fn text(&mut self, lines: Vec<Vec<Span<'static>>>, offset: usize) {
        let (room, count) = (self.left(), lines.len());
        if count <= room || room == 0 {
            lines.into_iter().for_each(|line| self.line(line));
            return;
        }
        let most = if room < 3 { count.saturating_sub(1) } else { count - room };
        self.scrolls = Scrolls { most, page: room.saturating_sub(3).max(1) };
        let offset = offset.min(most);
        if room < 3 {
            lines.into_iter().skip(offset).take(room).for_each(|line| self.line(line));
            return;
        }
        // the line of the count takes the place of one more
        let from = if offset == 0 { 0 } else { offset + 1 };
        let upto = if offset == most { count } else { offset + room - 1 };
        if from > 0 {
            self.hidden('↑', from, "");
        }
        for line in lines.into_iter().skip(from).take(upto - from) {
            self.line(line);
        }
        if upto < count {
            self.hidden('↓', count - upto, "  (PgDn)");
        }
    }

    /// How far the text of this page can be scrolled.
    pub fn scrolls(&self) -> Scrolls {
        self.scrolls
    }

    /// A line that says how many are hidden there.
    fn hidden(&mut self, arrow: char, count: usize, key: &str) {
        let line = vec![self.span(format!("   {arrow} {count} more{key}"), Tone::Strong)];
        self.line(line);
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
}

/// Which lines of a list are seen in `room` lines, those of the counts taken off.
fn listed(count: usize, focus: &Range<usize>, room: usize) -> Range<usize> {
    let one = room.saturating_sub(1).max(1);
    if focus.end <= one {
        return 0..one.min(count);
    }
    if focus.start >= count.saturating_sub(one) {
        return count.saturating_sub(one)..count;
    }
    let both = room.saturating_sub(2).max(1);
    let from = focus.end.saturating_sub(both).min(focus.start);
    from..(from + both).min(count)
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

    /// The lines of a page as text.
    fn drawn(room: u16, draw: impl FnOnce(&mut Page<'_>)) -> (Vec<String>, Scrolls) {
        let area = Rect::new(0, 0, 24, room);
        let mut buffer = Buffer::empty(area);
        let mut page = Page::new(&mut buffer, area, Look::default());
        draw(&mut page);
        let scrolls = page.scrolls();
        let row = |y| (0..area.width).filter_map(|x| buffer.cell((x, y))).map(|c| c.symbol()).collect::<String>();
        ((0..room).map(|y| row(y).trim().to_string()).collect(), scrolls)
    }

    fn numbered(count: usize) -> Vec<Vec<Span<'static>>> {
        (0..count).map(|n| vec![Span::raw(format!("line {n}"))]).collect()
    }

    #[test]
    fn scrolling_shows_every_line_and_counts_the_rest() {
        for (count, room) in [(4, 4), (5, 4), (30, 4), (30, 11), (12, 3), (7, 2), (7, 1)] {
            let (_, scrolls) = drawn(room, |page| page.text(numbered(count), 0));
            for step in [1, scrolls.page.max(1)] {
                let mut seen = std::collections::BTreeSet::new();
                let mut offset = 0;
                loop {
                    let (lines, _) = drawn(room, |page| page.text(numbered(count), offset));
                    let shown = lines.iter().filter(|l| l.starts_with("line")).count();
                    let hidden: usize = lines
                        .iter()
                        .filter_map(|l| l.split(' ').nth(1)?.parse::<usize>().ok().filter(|_| !l.starts_with("line")))
                        .sum();
                    assert!(room < 3 || shown + hidden == count, "{count} in {room} at {offset}: {lines:?}");
                    seen.extend(lines.into_iter().filter(|l| l.starts_with("line")));
                    if offset >= scrolls.most {
                        break;
                    }
                    offset = (offset + step).min(scrolls.most);
                }
                assert_eq!(seen.len(), count, "{count} in {room} by {step}");
            }
        }
    }

    #[test]
    fn a_list_shows_its_focus_and_counts_the_rest() {
        for count in [3usize, 9, 30] {
            for room in [2u16, 3, 5, 9] {
                for at in 0..count {
                    let (lines, _) = drawn(room, |page| page.list(numbered(count), at..at + 1, usize::from(room)));
                    assert!(lines.contains(&format!("line {at}")), "{at} of {count} in {room}: {lines:?}");
                    let shown = lines.iter().filter(|l| l.starts_with("line")).count();
                    let hidden: usize = lines
                        .iter()
                        .filter_map(|l| l.split(' ').nth(1)?.parse::<usize>().ok().filter(|_| !l.starts_with("line")))
                        .sum();
                    assert!(room < 3 || shown + hidden == count, "{at} of {count} in {room}: {lines:?}");
                }
            }
        }
    }
}
