//! The log of the selected process.

use ratatui::{Frame, layout::Rect, style::Style, text::Line, text::Span};

use super::nth_line;
use crate::{monit::model::Model, render::grid::display_width};

/// Draws the last lines from the bottom up, broken where they are too long.
pub(super) fn draw(frame: &mut Frame, area: Rect, model: &Model) {
    let height = usize::from(area.height);
    let mut rows = Vec::with_capacity(height);
    for line in model.log.upwards() {
        let broken = broken(line, usize::from(area.width));
        rows.extend(broken.into_iter().rev());
        if rows.len() >= height {
            break;
        }
    }
    rows.truncate(height);
    for (n, row) in rows.into_iter().rev().enumerate() {
        if let Some(place) = nth_line(area, n) {
            frame.render_widget(row, place);
        }
    }
}

/// `line` in rows of at most `width` columns; at least one.
fn broken(line: &Line<'static>, width: usize) -> Vec<Line<'static>> {
    if line.width() <= width {
        return vec![line.clone()];
    }
    let mut rows = vec![Line::default()];
    let mut columns = 0;
    for symbol in line.styled_graphemes(Style::new()) {
        let taken = display_width(symbol.symbol);
        if columns + taken > width && columns > 0 {
            rows.push(Line::default());
            columns = 0;
        }
        columns += taken;
        let Some(row) = rows.last_mut() else { continue };
        match row.spans.last_mut().filter(|span| span.style == symbol.style) {
            Some(span) => span.content.to_mut().push_str(symbol.symbol),
            None => row.spans.push(Span::styled(symbol.symbol.to_owned(), symbol.style)),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use ratatui::style::Stylize;

    use super::*;

    #[test]
    fn long_lines_are_broken_with_their_styles() {
        let line = Line::from(vec!["abc".into(), "漢字".red()]);
        let rows = broken(&line, 4);
        let texts: Vec<_> = rows.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["abc", "漢字"]);
        assert_eq!(rows[1].spans, ["漢字".red()]);
        assert_eq!(broken(&line, 7).len(), 1);
        assert_eq!(broken(&Line::default(), 0).len(), 1);
        assert_eq!(broken(&line, 0).len(), 5);
    }
}
