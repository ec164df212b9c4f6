//! Drawing: what the screen looks like depends on nothing but the model and the time.

mod bars;
mod help;
mod logs;
mod processes;
mod sheets;
mod usage;

use ratatui::{
    Frame,
    layout::Rect,
    style::{Color, Style},
    text::Line,
    widgets::{Block, BorderType},
};
use rpm_core::{Status, name::printable};

use super::{
    model::{Mode, Model},
    panes::{Pane, Panes},
};

/// Draws everything at `now`, milliseconds since the epoch.
pub(super) fn draw(frame: &mut Frame, model: &Model, now: i64) {
    let panes = Panes::arrange(frame.area(), model.focus, model.zoomed);
    bars::header(frame, panes.header, model, now);
    if let Some(tabs) = panes.tabs {
        bars::tabs(frame, tabs, model.focus);
    }
    for (pane, area) in &panes.seen {
        let block = Block::bordered()
            .border_type(BorderType::Rounded)
            .border_style(if *pane == model.focus { Style::new().cyan() } else { Style::new().dark_gray() })
            .title(title(*pane, model));
        frame.render_widget(block, *area);
        let inside = panes.inside(*pane);
        match pane {
            Pane::Processes => processes::draw(frame, inside, model, now),
            Pane::Logs => logs::draw(frame, inside, model),
            Pane::Usage => usage::draw(frame, inside, model),
            Pane::Metrics => {
                let nothing = if model.detail().is_some() { "none told by this app" } else { "" };
                sheets::draw(frame, inside, &model.metrics(), model.metrics_top, nothing);
            }
            Pane::Metadata => sheets::draw(frame, inside, &model.metadata(now), model.metadata_top, ""),
        }
    }
    bars::footer(frame, panes.footer, model);
    if model.mode == Mode::Help {
        help::draw(frame, model.persona);
    }
}

/// What stands in the frame of a pane.
fn title(pane: Pane, model: &Model) -> Line<'static> {
    let (list, title) = (&model.list, pane.title());
    let text = match pane {
        Pane::Processes => {
            let (shown, all) = (list.len(), list.all().len());
            let count = if shown == all { all.to_string() } else { format!("{shown}/{all}") };
            let filter = if list.filter().is_empty() {
                String::new()
            } else {
                format!(" · /{}", printable(list.filter()))
            };
            format!(" {title} {count} · by {}{filter} ", list.order())
        }
        Pane::Logs => {
            let whose = list.selected().map(|row| format!(" · {}|{}", row.id, printable(&row.name)));
            let back = match model.log.back() {
                0 => String::new(),
                back => format!(" · {back} more below"),
            };
            format!(" {title}{}{back} ", whose.unwrap_or_default())
        }
        _ => format!(" {title} "),
    };
    Line::from(text)
}

/// The colour of a status, as `list` has it.
fn of_status(status: Status) -> Color {
    match status {
        Status::Online => Color::Green,
        Status::Launching => Color::Blue,
        Status::WaitingRestart | Status::Queued | Status::Waiting => Color::Yellow,
        Status::Stopping | Status::Stopped | Status::Errored => Color::Red,
    }
}

/// The `n`th line of `area`, if it has that many.
fn nth_line(area: Rect, n: usize) -> Option<Rect> {
    let n = u16::try_from(n).ok().filter(|n| *n < area.height)?;
    Some(Rect { y: area.y + n, height: 1, ..area })
}

#[cfg(test)]
mod tests;
