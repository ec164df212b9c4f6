//! The first line, the names of the panes, and the last line.

use std::ops::Add;

use ratatui::{
    Frame,
    layout::{Alignment, Rect},
    style::{Style, Stylize},
    text::{Line, Span},
};
use rpm_core::{
    Bytes, Status,
    name::printable,
    units::{Memory, Millis, Uptime},
};

use super::of_status;
use crate::{
    monit::{
        model::{Link, Mode, Model},
        panes::Pane,
    },
    render::table::percent,
};

/// A daemon that has not answered for this long is said to be silent, milliseconds.
const SILENT_AFTER: i64 = 5_000;

/// What all processes together do, or why nobody knows.
pub(super) fn header(frame: &mut Frame, area: Rect, model: &Model, now: i64) {
    let mut spans = vec![Span::from(format!(" {} ", model.persona.word())).cyan().bold()];
    let silence = now - model.heard_at;
    match &model.link {
        Link::Down(reason) => {
            let reason = format!("{} · trying again", printable(reason));
            spans.push(Span::from(reason).red().bold());
        }
        _ if silence > SILENT_AFTER => {
            let silence = Uptime(Millis(silence.unsigned_abs()));
            let text = format!("the daemon has not answered for {silence} · waiting");
            spans.push(Span::from(text).yellow().bold());
        }
        Link::Asked => spans.push("asking the daemon".dark_gray()),
        Link::Up => spans.extend(summary(model)),
    }
    let line = Line::from(spans);
    let rows = model.list.all();
    let cpu = percent(rows.iter().map(|row| row.cpu).fold(0.0, f32::add));
    let memory = Memory(Bytes(rows.iter().map(|row| row.memory.0).sum()));
    let total = Line::from(format!("  cpu {cpu}  mem {memory} ")).alignment(Alignment::Right);
    let has_room = line.width() + total.width() <= usize::from(area.width);
    frame.render_widget(line, area);
    if has_room && model.link == Link::Up {
        frame.render_widget(total, area);
    }
}

/// How many processes there are in each status.
fn summary(model: &Model) -> Vec<Span<'static>> {
    const STATUSES: [Status; 8] = [
        Status::Online,
        Status::Launching,
        Status::Stopping,
        Status::WaitingRestart,
        Status::Queued,
        Status::Waiting,
        Status::Stopped,
        Status::Errored,
    ];
    let rows = model.list.all();
    let mut spans = vec![Span::from(match rows.len() {
        1 => "1 process".to_owned(),
        count => format!("{count} processes"),
    })];
    for status in STATUSES {
        let count = rows.iter().filter(|row| row.status == status).count();
        if count > 0 {
            spans.push(" · ".dark_gray());
            spans.push(Span::styled(format!("{count} {status}"), of_status(status)));
        }
    }
    spans
}

/// The names of the panes.
pub(super) fn tabs(frame: &mut Frame, area: Rect, focus: Pane) {
    let tab = |pane: Pane| {
        let name = Span::from(format!(" {} ", pane.title()));
        if pane == focus { name.reversed() } else { name.dark_gray() }
    };
    frame.render_widget(Line::from_iter(Pane::ALL.map(tab)), area);
}

/// What is asked, what happened, or what can be done.
pub(super) fn footer(frame: &mut Frame, area: Rect, model: &Model) {
    let line = match (&model.mode, &model.notice) {
        (Mode::Filter, _) => Line::from_iter([
            " /".cyan().bold(),
            Span::from(printable(model.list.filter()).into_owned()),
            "█".cyan(),
            "  Enter keeps, Esc clears".dark_gray(),
        ]),
        (Mode::Confirm(order), _) => Line::from_iter([
            Span::from(format!(" delete [{}]({})?", printable(&order.name), order.process)).red().bold(),
            "  y deletes, any other key does not".dark_gray(),
        ]),
        (Mode::Browse | Mode::Help, Some(notice)) => {
            let style = if notice.is_bad { Style::new().red().bold() } else { Style::new().green() };
            Line::styled(format!(" {}", notice.text), style)
        }
        (Mode::Browse | Mode::Help, None) => {
            let keys = [
                ("?", "help"),
                ("q", "quit"),
                ("/", "filter"),
                ("r", "restart"),
                ("s", "stop"),
                ("d", "delete"),
                ("o", "order"),
                ("Tab", "pane"),
            ];
            let hints = keys.into_iter().flat_map(|(key, does)| {
                [Span::from(format!(" {key}")).cyan(), Span::from(format!(" {does} ")).dark_gray()]
            });
            hints.collect()
        }
    };
    frame.render_widget(line, area);
}
