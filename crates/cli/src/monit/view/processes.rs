//! The list of processes.

use std::fmt::Write;

use ratatui::{
    Frame,
    layout::Rect,
    style::{Style, Stylize},
    text::{Line, Span},
};
use rpm_core::{ProcessSummary, Status, name::printable, units::Memory};

use super::{nth_line, of_status};
use crate::{
    monit::model::{Link, Model},
    render::{
        grid::{clip, display_width},
        table::{percent, uptime},
    },
};

struct Column {
    title: &'static str,
    width: usize,
    /// The room that the name must have beside it, where the column may be left out.
    leaves: usize,
    is_right: bool,
    write: fn(&mut String, &ProcessSummary, i64),
    style: fn(&ProcessSummary) -> Style,
}

const fn column(
    title: &'static str,
    width: usize,
    leaves: usize,
    write: fn(&mut String, &ProcessSummary, i64),
) -> Column {
    Column { title, width, leaves, is_right: true, write, style: |_| Style::new() }
}

fn coloured(row: &ProcessSummary) -> Style {
    Style::new().fg(of_status(row.status))
}

/// The columns after id and name, and, from left to right, before which others they are left out.
const COLUMNS: &[Column] = &[
    Column {
        is_right: false,
        style: coloured,
        ..column("", 1, 0, |cell, row, _| cell.push(symbol(row.status)))
    },
    column("cpu", 6, 0, |cell, row, _| cell.push_str(&percent(row.cpu))),
    column("mem", 8, 0, |cell, row, _| _ = write!(cell, "{}", Memory(row.memory))),
    Column {
        is_right: false,
        style: coloured,
        ..column("status", 9, 16, |cell, row, _| cell.push_str(row.status.as_str()))
    },
    column("uptime", 6, 16, |cell, row, now| cell.push_str(&uptime(row, now))),
    column("↺", 5, 16, |cell, row, _| _ = write!(cell, "{}", row.restart_time)),
    column("pid", 8, 24, |cell, row, _| _ = write!(cell, "{}", row.pid)),
    Column {
        is_right: false,
        ..column("namespace", 13, 24, |cell, row, _| cell.push_str(&printable(&row.namespace)))
    },
    Column {
        is_right: false,
        ..column("user", 10, 24, |cell, row, _| {
            cell.push_str(&printable(row.user.as_deref().unwrap_or_default()));
        })
    },
];

/// A status in one column, also for who sees no colours.
fn symbol(status: Status) -> char {
    match status {
        Status::Online => '●',
        Status::Launching => '◐',
        Status::Stopping => '◑',
        Status::WaitingRestart | Status::Queued | Status::Waiting => '◌',
        Status::Stopped => '○',
        Status::Errored => '✗',
    }
}

/// Draws the headings and the rows in view.
pub(super) fn draw(frame: &mut Frame, area: Rect, model: &Model, now: i64) {
    let list = &model.list;
    let highest = list.all().iter().map(|row| row.id.0).max().unwrap_or(0);
    let id = (highest.checked_ilog10().unwrap_or(0) as usize + 1).max("id".len());
    let (columns, name) = fitting(usize::from(area.width).saturating_sub(id + 1));
    let Some(heading) = nth_line(area, 0) else { return };
    let mut headings = format!("{} {}", cell("id", id, true), cell("name", name, false));
    for column in &columns {
        let _ = write!(headings, " {}", cell(column.title, column.width, column.is_right));
    }
    frame.render_widget(Line::from(headings).dark_gray(), heading);

    let height = usize::from(area.height).saturating_sub(1);
    let selected = model.selected();
    for (n, row) in list.in_view(height).enumerate() {
        let Some(place) = nth_line(area, n + 1) else { break };
        let mut spans = vec![
            Span::from(cell(&row.id.to_string(), id, true)).cyan(),
            Span::from(format!(" {}", cell(&printable(&row.name), name, false))),
        ];
        let mut content = String::new();
        for column in &columns {
            content.clear();
            (column.write)(&mut content, row, now);
            let text = format!(" {}", cell(&content, column.width, column.is_right));
            spans.push(Span::styled(text, (column.style)(row)));
        }
        let line = Line::from(spans);
        let is_selected = Some(row.id) == selected;
        frame.render_widget(if is_selected { line.reversed() } else { line }, place);
    }
    if list.len() == 0
        && model.link != Link::Asked
        && let Some(place) = nth_line(area, 1)
    {
        let text = if list.all().is_empty() { "no processes" } else { "none passes the filter" };
        frame.render_widget(text.dark_gray(), place);
    }
}

/// The columns that fit beside a name of reasonable width, and that width.
fn fitting(room: usize) -> (Vec<&'static Column>, usize) {
    let mut columns = Vec::new();
    let mut name = room;
    for column in COLUMNS {
        let Some(left) = name.checked_sub(column.width + 1).filter(|left| *left >= column.leaves) else {
            break;
        };
        columns.push(column);
        name = left;
    }
    (columns, name)
}

/// `text` cut or padded to `width` columns.
fn cell(text: &str, width: usize, is_right: bool) -> String {
    let taken = display_width(text);
    let cut = match width {
        0 => return String::new(),
        _ if taken <= width => text.to_owned(),
        width => format!("{}…", clip(text, width - 1)),
    };
    let padding = " ".repeat(width - display_width(&cut));
    if is_right { padding + &cut } else { cut + &padding }
}
