//! A screen as a picture: its cells with their colours as SVG, for pages that are read in a browser.

use std::fmt::Write;

use ratatui::{
    buffer::{Buffer, Cell},
    style::{Color, Modifier},
};
use requorum::text::columns;

/// The size of a cell, in tenths of a pixel.
const CELL: (usize, usize) = (84, 180);
/// The margin around the screen, likewise.
const MARGIN: usize = 120;

const PAPER: &str = "#16181d";
const INK: &str = "#d5d9e0";

fn px(tenths: usize) -> String {
    match tenths % 10 {
        0 => format!("{}", tenths / 10),
        rest => format!("{}.{rest}", tenths / 10),
    }
}

fn colour(color: Color) -> &'static str {
    match color {
        Color::Black => PAPER,
        Color::White => "#ffffff",
        Color::Gray | Color::DarkGray => "#8b909a",
        Color::LightRed => "#ffa198",
        Color::LightGreen => "#8fe3a2",
        Color::LightYellow => "#f5d97e",
        Color::Red => "#ff7b72",
        Color::Green => "#6fcf86",
        Color::Yellow => "#e5c35c",
        Color::Blue => "#79b8ff",
        Color::Cyan => "#66d0d6",
        Color::Magenta => "#d2a8ff",
        _ => INK,
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Whether two cells are drawn alike.
fn alike(a: &Cell, b: &Cell) -> bool {
    (a.fg, a.bg, a.modifier) == (b.fg, b.bg, b.modifier)
}

/// The picture of a screen; `alt` says what it shows.
pub fn svg(cells: &Buffer, alt: &str) -> String {
    let (columns, rows) = (usize::from(cells.area.width), usize::from(cells.area.height));
    let (width, height) = (px(columns * CELL.0 + 2 * MARGIN), px(rows * CELL.1 + 2 * MARGIN));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" \
         font-size=\"14\">\n<title>{}</title>\n<rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{PAPER}\"/>\n",
        escape(alt)
    );
    for (y, row) in cells.content.chunks(columns).enumerate() {
        let mut x = 0;
        while x < columns {
            let run = row[x..].iter().take_while(|cell| alike(cell, &row[x])).count();
            let first = &row[x];
            let mut text = String::new();
            let mut covered = 0_usize;
            for cell in &row[x..x + run] {
                // a wide character covers the cell after it
                if covered == 0 {
                    text.push_str(cell.symbol());
                    covered = columns::as_typed(cell.symbol());
                }
                covered = covered.saturating_sub(1);
            }
            piece(&mut out, (x, y), run, &text, first);
            x += run;
        }
    }
    out.push_str("</svg>\n");
    out
}

fn piece(out: &mut String, (x, y): (usize, usize), run: usize, text: &str, cell: &Cell) {
    let (mut ink, mut paper) = (colour(cell.fg), if cell.bg == Color::Reset { PAPER } else { colour(cell.bg) });
    if cell.modifier.contains(Modifier::REVERSED) {
        (ink, paper) = (paper, ink);
    }
    let (left, top) = (MARGIN + x * CELL.0, MARGIN + y * CELL.1);
    if paper != PAPER {
        writeln!(
            out,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>",
            px(left),
            px(top),
            px(run * CELL.0),
            px(CELL.1),
            paper
        )
        .unwrap();
    }
    let blanks = text.len() - text.trim_start().len();
    let words = text.trim();
    if words.is_empty() {
        return;
    }
    let mut style = format!(" fill=\"{ink}\"");
    for (modifier, attribute) in [
        (Modifier::BOLD, " font-weight=\"bold\""),
        (Modifier::DIM, " fill-opacity=\"0.65\""),
        (Modifier::UNDERLINED, " text-decoration=\"underline\""),
    ] {
        if cell.modifier.contains(modifier) {
            style.push_str(attribute);
        }
    }
    writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\"{style}>{}</text>",
        px(left + blanks * CELL.0),
        px(top + CELL.1 * 3 / 4),
        px(columns::as_typed(words) * CELL.0),
        escape(words)
    )
    .unwrap();
}
