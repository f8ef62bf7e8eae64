//! The frame around every step: header, stepper, notes, field, status line, footer, windows.
//! Drawing reads the model and changes nothing.

pub(in crate::tui) mod footer;
pub(in crate::tui) mod header;
pub(in crate::tui) mod window;

use ratatui::{Frame, buffer::Buffer, layout::Rect};

use crate::{
    text::columns,
    tui::{
        state::model::Model,
        views,
        widgets::{
            layout::{MOST_COLUMNS, Page, Scrolls},
            theme::Tone,
        },
    },
};

/// Below this nothing useful fits.
const LEAST: (u16, u16) = (60, 16);

/// Draws the model.
pub fn draw(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    picture(model, frame.buffer_mut(), area);
    model.look.finish(frame.buffer_mut());
}

/// How far the text of the model's step can be scrolled on its terminal.
pub(in crate::tui) fn text_scrolls(model: &Model) -> Scrolls {
    let area = Rect::new(0, 0, model.size.0, model.size.1);
    picture(model, &mut Buffer::empty(area), area)
}

fn picture(model: &Model, buffer: &mut Buffer, area: Rect) -> Scrolls {
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let words = format!(
            "Make the window larger: {}x{} now, {}x{} needed. Keys still work.",
            area.width, area.height, LEAST.0, LEAST.1
        );
        let mut page = Page::new(buffer, area, model.look);
        for line in columns::wrap(&words, page.width().max(1)) {
            page.say(&line, Tone::Strong);
        }
        return Scrolls::default();
    }
    let area = Rect { width: area.width.min(MOST_COLUMNS), ..area };
    let (body, status, keys) = footer::lines(model, area);
    let foot = u16::try_from(body.len() + status.len() + keys.len()).unwrap_or(u16::MAX);
    let head = Rect { height: 3, ..area };
    header::draw(model, &mut Page::new(buffer, head, model.look));
    let middle = Rect { y: area.y + 3, height: area.height.saturating_sub(3 + foot), ..area };
    let mut page = Page::new(buffer, middle, model.look);
    views::draw(model, &mut page);
    let scrolls = page.scrolls();
    let bottom = Rect { y: middle.bottom(), height: area.height.saturating_sub(3 + middle.height), ..area };
    let mut page = Page::new(buffer, bottom, model.look);
    for line in body.into_iter().chain(status).chain(keys) {
        page.line(line);
    }
    if model.overlay.is_some() {
        window::draw(model, buffer, area);
    }
    scrolls
}
