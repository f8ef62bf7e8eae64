//! How state looks: the terminal's own 16 colours with bold, reverse and dim, or none at all, and
//! the glyphs for terminals that have ASCII only. Words carry the state; a colour only underlines.

use ratatui::{
    buffer::Buffer,
    style::{Color, Modifier, Style},
};

/// What the operator's terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// No colours (`NO_COLOR`): bold, dim and reverse stay.
    pub mono: bool,
    /// ASCII only.
    pub ascii: bool,
    /// As whole lines, one after the other: nothing is cut, no columns, and no marks that only an eye understands.
    pub plain: bool,
}

/// What a piece of text means; the look decides how that is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Ordinary text.
    #[default]
    Plain,
    /// Headings and what matters now.
    Strong,
    /// Less important.
    Faint,
    /// It is right.
    Good,
    /// Worth a look.
    Warn,
    /// It is wrong.
    Bad,
    /// Where the selection is.
    Chosen,
    /// The header's bar.
    Bar,
    /// The header's bar while disks are being written.
    BarLive,
    /// The header's badge of a wizard that only looks.
    Looks,
}

impl Look {
    /// The style of `tone`.
    pub fn style(self, tone: Tone) -> Style {
        let plain = Style::new();
        let coloured = |color| if self.mono { plain } else { plain.fg(color) };
        match tone {
            Tone::Plain => plain,
            Tone::Strong => plain.add_modifier(Modifier::BOLD),
            Tone::Faint => plain.add_modifier(Modifier::DIM),
            Tone::Good => coloured(Color::Green).add_modifier(Modifier::BOLD),
            Tone::Warn => coloured(Color::Yellow).add_modifier(Modifier::BOLD),
            Tone::Bad => coloured(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Chosen | Tone::BarLive => plain.add_modifier(Modifier::REVERSED | Modifier::BOLD),
            Tone::Bar => plain.add_modifier(Modifier::BOLD),
            Tone::Looks => plain.add_modifier(Modifier::UNDERLINED | Modifier::BOLD),
        }
    }

    /// A key's name as this terminal can show it.
    pub fn key(self, name: &str) -> String {
        if self.ascii {
            name.replace("↑↓", "Up/Dn").replace("←→", "Lt/Rt").replace('⏎', "Enter")
        } else {
            name.to_string()
        }
    }

    /// Replaces everything drawn that is not ASCII, cell by cell, where the look asks for it. Done
    /// on the finished picture, so that no sentence, from wherever it comes, can slip by.
    pub fn finish(self, picture: &mut Buffer) {
        if !self.ascii {
            return;
        }
        for cell in &mut picture.content {
            if !cell.symbol().is_ascii() {
                let plain = cell.symbol().chars().next().map_or("?", ascii);
                cell.set_symbol(plain);
            }
        }
    }
}

/// The nearest one-column ASCII of a glyph that the screens use.
pub(in crate::tui) fn ascii(c: char) -> &'static str {
    match c {
        '─' | '–' | '—' | '‑' => "-",
        '│' => "|",
        '┌' | '┐' | '└' | '┘' | '├' | '┤' => "+",
        '✔' => "+",
        '✖' => "x",
        '▸' | '→' | '›' => ">",
        '←' => "<",
        '↑' | '▴' => "^",
        '↓' | '▾' => "v",
        '…' => "~",
        '·' => ".",
        '█' => "#",
        '░' => ".",
        '≥' => ">",
        '≠' => "#",
        '“' | '”' => "\"",
        '‘' | '’' => "'",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;

    #[test]
    fn mono_has_no_colour_in_any_tone() {
        let mono = Look { mono: true, ..Look::default() };
        for tone in [Tone::Good, Tone::Warn, Tone::Bad, Tone::Chosen, Tone::Bar, Tone::BarLive, Tone::Faint] {
            assert_eq!((mono.style(tone).fg, mono.style(tone).bg), (None, None), "{tone:?}");
        }
    }

    #[test]
    fn an_ascii_picture_is_ascii() {
        let mut picture = Buffer::with_lines(["┌─✖ m1…語│"]);
        picture.set_string(0, 0, "┌─✖ m1…", Style::new());
        Look { ascii: true, ..Look::default() }.finish(&mut picture);
        assert!(picture.content.iter().all(|c| c.symbol().is_ascii()), "{picture:?}");
        assert_eq!(picture.cell((2, 0)).map(|c| c.symbol()), Some("x"));
        assert_eq!(picture.area, Rect::new(0, 0, 10, 1));
    }
}
