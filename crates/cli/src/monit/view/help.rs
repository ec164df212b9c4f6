//! The keys, above everything else.

use ratatui::{
    Frame,
    layout::Rect,
    style::{Style, Stylize},
    text::{Line, Span, Text},
    widgets::{Block, BorderType, Clear, Paragraph},
};
use rpm_core::Persona;

use crate::monit::keys::HELP;

/// Draws them in the middle.
pub(super) fn draw(frame: &mut Frame, persona: Persona) {
    let lines = HELP.iter().map(|(keys, does)| {
        Line::from_iter([Span::from(format!(" {keys:<13}")).cyan(), Span::from(format!(" {does} "))])
    });
    let text: Text = lines.collect();
    let (width, height) = (text.width() as u16 + 4, text.height() as u16 + 2);
    let screen = frame.area();
    let middle = |all: u16, taken: u16| all.saturating_sub(taken) / 2;
    let (x, y) = (middle(screen.width, width), middle(screen.height, height));
    let area = Rect { x, y, width, height }.intersection(screen);
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(Style::new().cyan())
        .title(format!(" {} monit · any key closes ", persona.word()));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(text).block(block), area);
}
