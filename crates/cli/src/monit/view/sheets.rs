//! Metrics and metadata: names and values.

use ratatui::{
    Frame,
    layout::Rect,
    style::Stylize,
    text::{Line, Span},
};

use super::nth_line;
use crate::monit::sheet;

/// Draws the entries from line `top` on, or `nothing` where there are none.
pub(super) fn draw(frame: &mut Frame, area: Rect, entries: &[sheet::Entry], top: usize, nothing: &str) {
    if entries.is_empty() {
        frame.render_widget(Line::from(nothing).dark_gray(), area);
        return;
    }
    let lines = sheet::lines(entries, usize::from(area.width));
    for (n, (name, value)) in lines.into_iter().skip(top).enumerate() {
        let Some(place) = nth_line(area, n) else { return };
        frame.render_widget(Line::from_iter([Span::from(name).cyan(), Span::from(value)]), place);
    }
}
