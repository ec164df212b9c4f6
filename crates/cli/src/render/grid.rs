//! Boxed tables whose columns have fixed widths.
//!
//! comfy-table draws the frame. The rows are filled in here: 226 rows of 13 cells through comfy-table's arranging
//! take longer than all the rest of `rpm list`, and there is nothing to arrange when the widths are known.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets::NOTHING};
use comfy_table::{ContentLineStyle, LineStyle, TableStyle};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::style::{Paint, Style};

const FRAME: TableStyle = NOTHING
    .top_border(LineStyle::new('┌', '─', '┬', '┐'))
    .header_lines(ContentLineStyle::new('│', '│', '│'))
    .header_separator(LineStyle::new('├', '─', '┼', '┤'))
    .content_lines(ContentLineStyle::new('│', '│', '│'))
    .bottom_border(LineStyle::new('└', '─', '┴', '┘'));

/// A table under construction.
pub(crate) struct Grid {
    widths: Vec<u16>,
    paint: Paint,
    /// What stands between cells.
    bar: String,
    rule: String,
    bottom: String,
    text: String,
    column: usize,
}

impl Grid {
    /// A table with columns of these widths, padding included.
    pub(crate) fn new(widths: Vec<u16>, paint: Paint) -> Self {
        let mut frame = Table::new();
        frame.load_style(FRAME).set_content_arrangement(ContentArrangement::Disabled);
        frame.set_header(vec![""; widths.len()]).add_row(vec![""; widths.len()]);
        frame.set_constraints(widths.iter().map(|width| ColumnConstraint::Absolute(Width::Fixed(*width))));
        let mut lines = frame.lines();
        let [top, _, rule, _, bottom] = std::array::from_fn(|_| lines.next().unwrap_or_default());
        let bar = paint.paint(Style::GREY, "│");
        let mut grid = Self { widths, paint, bar, rule, bottom, text: String::new(), column: 0 };
        grid.border(&top);
        grid
    }

    /// Room for that many more rows.
    pub(crate) fn reserve(&mut self, rows: usize) {
        // Letters, and twice as much for styles.
        let row = self.rule.len() * if self.paint.0 { 3 } else { 1 };
        self.text.reserve(row * (rows + 4));
    }

    fn border(&mut self, line: &str) {
        self.paint.push(&mut self.text, Style::GREY, line);
        self.text.push('\n');
    }

    /// The line below the headings.
    pub(crate) fn rule(&mut self) {
        let rule = std::mem::take(&mut self.rule);
        self.border(&rule);
        self.rule = rule;
    }

    /// The next cell of the row. What is too long is cut.
    pub(crate) fn cell(&mut self, style: Style, content: &str) {
        let Some(width) = self.widths.get(self.column) else { return };
        let room = usize::from(*width).saturating_sub(2);
        self.text.push_str(&self.bar);
        self.text.push(' ');
        let taken = display_width(content);
        let left = if taken <= room {
            self.paint.push(&mut self.text, style, content);
            room - taken
        } else {
            let cut = cut(content, room);
            self.paint.push(&mut self.text, style, &cut);
            room - display_width(&cut)
        };
        self.blanks(left + 1);
        self.column += 1;
        if self.column == self.widths.len() {
            self.text.push_str(&self.bar);
            self.text.push('\n');
            self.column = 0;
        }
    }

    fn blanks(&mut self, mut count: usize) {
        const BLANKS: &str = "                                ";
        while count > BLANKS.len() {
            self.text.push_str(BLANKS);
            count -= BLANKS.len();
        }
        self.text.push_str(&BLANKS[..count]);
    }

    /// The whole table.
    pub(crate) fn finish(mut self) -> String {
        let bottom = std::mem::take(&mut self.bottom);
        self.border(&bottom);
        self.text
    }
}

/// Columns that `text` takes on a terminal.
pub(crate) fn display_width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

/// The beginning of `text` that fits into `room` columns.
pub(crate) fn clip(text: &str, room: usize) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find(|(_, c)| {
        taken += c.width().unwrap_or(0);
        taken > room
    });
    end.map_or(text, |(end, _)| &text[..end])
}

/// [`clip`] with a mark that something is missing.
fn cut(text: &str, room: usize) -> String {
    match room {
        0 => String::new(),
        room => format!("{}…", clip(text, room - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_padded_or_cut_to_their_columns() {
        let mut grid = Grid::new(vec![7, 6], Paint(false));
        for (left, right) in [("a", "b"), ("漢字", "ab"), ("漢字漢", "abcdef")] {
            grid.cell(Style::PLAIN, left);
            grid.cell(Style::PLAIN, right);
        }
        insta::assert_snapshot!(grid.finish(), @r"
        ┌───────┬──────┐
        │ a     │ b    │
        │ 漢字  │ ab   │
        │ 漢字… │ abc… │
        └───────┴──────┘
        ");
    }

    #[test]
    fn clips_end_at_a_letter() {
        assert_eq!(clip("abc", 3), "abc");
        assert_eq!(clip("abc", 2), "ab");
        assert_eq!(clip("漢字", 3), "漢");
        assert_eq!(clip("", 0), "");
    }

    #[test]
    fn a_cut_never_exceeds_its_room() {
        for room in 0..6 {
            assert!(display_width(&cut("漢x字y", room)) <= room, "{room}");
        }
    }
}
