//! A one-line text field: text, cursor, editing keys, paste. Plain data; drawing is the frame's.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::text::columns::{as_typed, of_char};

/// The longest text a field takes, in characters; a paste beyond it is cut.
const LONGEST: usize = 4096;

/// A line being edited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Field {
    text: String,
    /// The cursor, in characters from the start.
    cursor: usize,
}

impl Field {
    /// A field with `text` in it and the cursor after the last character.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Field { cursor: text.chars().count(), text }
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Takes an editing key; false when the key is none of a field's.
    pub fn press(&mut self, key: KeyEvent) -> bool {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('a') if ctrl => self.cursor = 0,
            KeyCode::Char('e') if ctrl => self.cursor = self.count(),
            KeyCode::Char('u') if ctrl => {
                self.text = self.text.chars().skip(self.cursor).collect();
                self.cursor = 0;
            }
            KeyCode::Char('k') if ctrl => self.text = self.text.chars().take(self.cursor).collect(),
            KeyCode::Char('w') if ctrl => self.delete_word(),
            KeyCode::Char(_) if ctrl || key.modifiers.contains(KeyModifiers::ALT) => return false,
            KeyCode::Char(c) => self.insert(c),
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.count()),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.count(),
            KeyCode::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.remove_at_cursor();
            }
            KeyCode::Delete => self.remove_at_cursor(),
            KeyCode::Backspace => {}
            _ => return false,
        }
        true
    }

    /// Inserts pasted text as one edit. Line ends and control characters are left out: a paste
    /// never submits, and never carries an escape sequence into a plan.
    pub fn paste(&mut self, text: &str) {
        for c in text.trim_matches(['\r', '\n']).chars() {
            match c {
                '\t' => self.insert(' '),
                c => self.insert(c),
            }
        }
    }

    /// The part of the text that fits `width` columns with the cursor in it, and the cursor's
    /// column in that part.
    pub fn window(&self, width: usize) -> (String, usize) {
        let mut start = 0;
        let chars: Vec<char> = self.text.chars().collect();
        let span = |from: usize| chars.iter().take(self.cursor).skip(from).map(|c| of_char(*c)).sum::<usize>();
        while span(start) + 1 > width.max(1) && start < self.cursor {
            start += 1;
        }
        let mut used = 0;
        let mut shown: String = chars
            .iter()
            .skip(start)
            .take_while(|c| {
                used += of_char(**c);
                used <= width
            })
            .collect();
        // A sign and its selector together can be wider than each by itself.
        while as_typed(&shown) > width && shown.pop().is_some() {}
        (shown, span(start))
    }

    /// Whether text is hidden before and after the part that fits `width` columns.
    pub fn hidden(&self, width: usize) -> (bool, bool) {
        let (shown, column) = self.window(width);
        let before: usize = self.text.chars().take(self.cursor).map(of_char).sum();
        let seen = shown.chars().count();
        let start = if before > column { self.cursor.saturating_sub(self.fitting(column)) } else { 0 };
        (start > 0, start + seen < self.count())
    }

    /// How many characters before the cursor take `columns`.
    fn fitting(&self, columns: usize) -> usize {
        let before: Vec<char> = self.text.chars().take(self.cursor).collect();
        let mut left = columns;
        before.iter().rev().take_while(|c| left.checked_sub(of_char(**c)).map(|rest| left = rest).is_some()).count()
    }

    fn count(&self) -> usize {
        self.text.chars().count()
    }

    fn insert(&mut self, c: char) {
        if c.is_control() || self.count() >= LONGEST {
            return;
        }
        let at = self.text.char_indices().nth(self.cursor).map_or(self.text.len(), |(i, _)| i);
        self.text.insert(at, c);
        self.cursor += 1;
    }

    fn remove_at_cursor(&mut self) {
        if let Some((at, _)) = self.text.char_indices().nth(self.cursor) {
            self.text.remove(at);
        }
    }

    fn delete_word(&mut self) {
        let before: Vec<char> = self.text.chars().take(self.cursor).collect();
        let kept = before.iter().rposition(|c| !c.is_whitespace()).map_or(0, |last| {
            before.iter().take(last).rposition(|c| matches!(c, ' ' | ',' | '/' | ':')).map_or(0, |i| i + 1)
        });
        let after: String = self.text.chars().skip(self.cursor).collect();
        self.text = before.iter().take(kept).collect::<String>() + &after;
        self.cursor = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    #[test]
    fn edits_in_the_middle_of_wide_text() {
        let mut field = Field::new("aé語b");
        for code in [KeyCode::Left, KeyCode::Backspace, KeyCode::Char('x'), KeyCode::Home, KeyCode::Delete] {
            assert!(field.press(key(code)));
        }
        assert_eq!(field.text(), "éxb");
    }

    #[test]
    fn a_paste_is_one_line_without_control_characters() {
        let mut field = Field::new("");
        field.paste("prod\u{1b}[2J-eu\nx\r\n");
        assert_eq!(field.text(), "prod[2J-eux");
    }

    #[test]
    fn a_word_ends_at_the_separators_of_urls() {
        let mut field = Field::new("m1=http://a:2380");
        field.press(KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL));
        assert_eq!(field.text(), "m1=http://a:");
    }

    #[test]
    fn what_is_hidden_is_known_on_both_sides() {
        let mut field = Field::new("abcdefgh");
        assert_eq!((field.hidden(9), field.hidden(8), field.hidden(4)), ((false, false), (true, false), (true, false)));
        field.press(key(KeyCode::Home));
        assert_eq!((field.hidden(8), field.hidden(4)), ((false, false), (false, true)));
        (0..5).for_each(|_| assert!(field.press(key(KeyCode::Right))));
        assert_eq!(field.hidden(4), (true, true));
    }

    proptest! {
        #[test]
        fn the_window_fits_and_holds_the_cursor(text in "\\PC{0,40}", lefts in 0usize..40, width in 1usize..30) {
            let mut field = Field::new(text);
            for _ in 0..lefts {
                field.press(key(KeyCode::Left));
            }
            let (shown, cursor) = field.window(width);
            prop_assert!(as_typed(&shown) <= width.max(2));
            prop_assert!(cursor <= width);
        }
    }
}
