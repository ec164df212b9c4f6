//! CPU and memory of the selected process over time.

use ratatui::{
    Frame,
    layout::Rect,
    style::{Color, Style},
    text::Line,
    widgets::Sparkline,
};
use rpm_core::{Bytes, units::Memory};

use crate::{
    monit::{
        model::Model,
        panes::{above, beside},
    },
    render::table::percent,
};

/// Draws both beside each other, each with what it is now and the highest that is seen.
pub(super) fn draw(frame: &mut Frame, area: Rect, model: &Model) {
    let Some(row) = model.list.selected() else { return };
    let (left, rest) = beside(area, area.width / 2);
    let (_gap, right) = beside(rest, 1);
    let samples: Vec<_> = model.history.last(row.id, usize::from(left.width.max(right.width))).collect();

    // In tenths of a percent; below one percent of a core nothing is worth a hill.
    let cpu: Vec<_> = samples.iter().map(|usage| (usage.cpu * 10.0).round().max(0.0) as u64).collect();
    let peak = samples.iter().map(|usage| usage.cpu).fold(0.0, f32::max);
    let heading = format!("cpu {} ↑{}", percent(row.cpu), percent(peak));
    curve(frame, left, heading, &cpu, 10, Color::Yellow);

    let memory: Vec<_> = samples.iter().map(|usage| usage.memory).collect();
    let peak = memory.iter().copied().max().unwrap_or(0);
    let heading = format!("mem {} ↑{}", Memory(row.memory), Memory(Bytes(peak)));
    curve(frame, right, heading, &memory, 1, Color::Magenta);
}

/// A heading and the newest of `values` below it, the newest at the right.
fn curve(frame: &mut Frame, area: Rect, heading: String, values: &[u64], least: u64, colour: Color) {
    let (top, below) = above(area, 1);
    frame.render_widget(Line::from(heading), top);
    let values = &values[values.len().saturating_sub(usize::from(below.width))..];
    let (_, below) = beside(below, below.width - values.len() as u16);
    let max = values.iter().copied().max().unwrap_or(0).max(least);
    frame.render_widget(Sparkline::default().data(values).max(max).style(Style::new().fg(colour)), below);
}
