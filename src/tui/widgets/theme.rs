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
    /// The header's badge of a practice run.
    Practice,
}

impl Look {
    /// The style of `tone`.
    pub fn style(self, tone: Tone) -> Style {
        let plain = Style::new();
        let coloured = |color| if self.mono { plain } else { plain.fg(color) };
        match tone {
            Tone::Plain => plain,
            Tone::Strong | Tone::Good | Tone::Bar => plain.add_modifier(Modifier::BOLD),
            Tone::Faint => plain.add_modifier(Modifier::DIM),
            Tone::Warn => coloured(Color::Magenta).add_modifier(Modifier::BOLD),
            Tone::Bad => coloured(Color::LightRed).add_modifier(Modifier::BOLD),
            Tone::Chosen | Tone::BarLive => plain.add_modifier(Modifier::REVERSED | Modifier::BOLD),
            Tone::Looks | Tone::Practice => plain.add_modifier(Modifier::UNDERLINED | Modifier::BOLD),
        }
    }

    /// The style of a sentence's mark: a block of colour, readable on any background because it brings its own.
    pub fn mark(self, tone: Tone) -> Style {
        let block = |text, color| Style::new().fg(text).bg(color).add_modifier(Modifier::BOLD);
        match tone {
            Tone::Good if !self.mono => block(Color::Black, Color::Green),
            Tone::Warn if !self.mono => block(Color::Black, Color::Yellow),
            Tone::Bad if !self.mono => block(Color::White, Color::Red),
            tone => self.style(tone),
        }
    }

    /// Text as this terminal can show it: where only ASCII can be, names of keys and signs that would mean something else
    /// with one letter for another are spelt out.
    pub fn spell(self, text: &str) -> String {
        if !self.ascii || text.is_ascii() {
            return text.to_string();
        }
        let pairs = [
            ("↑↓", "Up/Dn"),
            ("←→", "Lt/Rt"),
            ("⏎", "Enter"),
            ("≥", ">="),
            ("≤", "<="),
            ("≠", "!="),
            ("↓ takes", "Down takes"),
        ];
        pairs.into_iter().rev().fold(text.to_string(), |text, (glyph, plain)| text.replace(glyph, plain))
    }

    /// A key's name as this terminal can show it.
    pub fn key(self, name: &str) -> String {
        match name {
            "↓" if self.ascii => "Down".into(),
            name => self.spell(name),
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
        '←' | '‹' => "<",
        '◆' | '•' => "*",
        '○' => "o",
        '═' => "=",
        '↕' => "|",
        '↑' | '▴' => "^",
        '↓' | '▾' => "v",
        '…' => "~",
        '·' => ".",
        '█' => "#",
        '░' => ".",
        '“' | '”' => "\"",
        '‘' | '’' => "'",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use ratatui::layout::Rect;

    const TONES: [Tone; 11] = [
        Tone::Plain,
        Tone::Strong,
        Tone::Faint,
        Tone::Good,
        Tone::Warn,
        Tone::Bad,
        Tone::Chosen,
        Tone::Bar,
        Tone::BarLive,
        Tone::Looks,
        Tone::Practice,
    ];

    /// The 16 colours of common terminals, in ANSI order. Solarized redefines the bright ones as greys and is not here.
    const PALETTES: [(&str, [u32; 16]); 6] = [
        (
            "xterm",
            [
                0x000000, 0xcd0000, 0x00cd00, 0xcdcd00, 0x0000ee, 0xcd00cd, 0x00cdcd, 0xe5e5e5, 0x7f7f7f, 0xff0000,
                0x00ff00, 0xffff00, 0x5c5cff, 0xff00ff, 0x00ffff, 0xffffff,
            ],
        ),
        (
            "VGA",
            [
                0x000000, 0xaa0000, 0x00aa00, 0xaa5500, 0x0000aa, 0xaa00aa, 0x00aaaa, 0xaaaaaa, 0x555555, 0xff5555,
                0x55ff55, 0xffff55, 0x5555ff, 0xff55ff, 0x55ffff, 0xffffff,
            ],
        ),
        (
            "GNOME, Tango",
            [
                0x2e3436, 0xcc0000, 0x4e9a06, 0xc4a000, 0x3465a4, 0x75507b, 0x06989a, 0xd3d7cf, 0x555753, 0xef2929,
                0x8ae234, 0xfce94f, 0x729fcf, 0xad7fa8, 0x34e2e2, 0xeeeeec,
            ],
        ),
        (
            "GNOME",
            [
                0x171421, 0xc01c28, 0x26a269, 0xa2734c, 0x12488b, 0xa347ba, 0x2aa1b3, 0xd0cfcc, 0x5e5c64, 0xf66151,
                0x33d17a, 0xe9ad0c, 0x2a7bde, 0xc061cb, 0x33c7de, 0xffffff,
            ],
        ),
        (
            "PuTTY",
            [
                0x000000, 0xbb0000, 0x00bb00, 0xbbbb00, 0x0000bb, 0xbb00bb, 0x00bbbb, 0xbbbbbb, 0x555555, 0xff5555,
                0x55ff55, 0xffff55, 0x5555ff, 0xff55ff, 0x55ffff, 0xffffff,
            ],
        ),
        (
            "Terminal.app",
            [
                0x000000, 0x990000, 0x00a600, 0x999900, 0x0000b2, 0xb200b2, 0x00a6b2, 0xbfbfbf, 0x666666, 0xe50000,
                0x00d900, 0xe5e500, 0x0000ff, 0xe500e5, 0x00e5e5, 0xe5e5e5,
            ],
        ),
    ];

    /// Relative luminance (WCAG 2.1).
    fn luminance(rgb: u32) -> f64 {
        let part = |shift: u32| {
            let value = f64::from(rgb >> shift & 0xff) / 255.0;
            if value <= 0.03928 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(16) + 0.7152 * part(8) + 0.0722 * part(0)
    }

    fn contrast(one: u32, other: u32) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    fn rgb(palette: &[u32; 16], color: Option<Color>, default: u32) -> u32 {
        let at = match color {
            None => return default,
            Some(Color::Black) => 0,
            Some(Color::Red) => 1,
            Some(Color::Green) => 2,
            Some(Color::Yellow) => 3,
            Some(Color::Magenta) => 5,
            Some(Color::White) => 15,
            Some(Color::LightRed) => 9,
            Some(other) => panic!("{other:?} is not looked at here"),
        };
        palette[at]
    }

    /// 3:1 is what WCAG asks for of bold text and of signs; no one colour of these palettes reaches 4.5:1 on both white
    /// and black.
    #[test]
    fn every_colour_is_readable_on_white_and_on_black() {
        let look = Look::default();
        for (name, palette) in PALETTES {
            for style in TONES.into_iter().flat_map(|tone| [look.style(tone), look.mark(tone)]) {
                for (background, text) in [(0xffffff, 0x000000), (0x000000, 0xffffff)] {
                    let (fg, bg) = (rgb(&palette, style.fg, text), rgb(&palette, style.bg, background));
                    let reached = contrast(fg, bg);
                    assert!(reached >= 3.0, "{name} on {background:06x}: {style:?} has {reached:.2}");
                }
            }
        }
    }

    #[test]
    fn ascii_spells_keys_and_signs_out() {
        let look = Look { ascii: true, ..Look::default() };
        for (text, spelt) in [
            ("(⏎ lists them)", "(Enter lists them)"),
            ("≥ 47", ">= 47"),
            ("↑↓ select", "Up/Dn select"),
            ("  ↓ takes it", "  Down takes it"),
            ("m1 ≠ m2", "m1 != m2"),
        ] {
            assert_eq!((look.spell(text), Look::default().spell(text)), (spelt.to_string(), text.to_string()));
        }
        assert_eq!((look.key("⏎"), look.key("↓")), ("Enter".into(), "Down".into()));
    }

    #[test]
    fn mono_has_no_colour_in_any_tone() {
        let mono = Look { mono: true, ..Look::default() };
        for tone in TONES {
            for style in [mono.style(tone), mono.mark(tone)] {
                assert_eq!((style.fg, style.bg), (None, None), "{tone:?}");
            }
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
