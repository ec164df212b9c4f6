//! Where everything stands on the screen.

use ratatui::layout::{Margin, Rect};

/// A part of the screen that can be looked at for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pane {
    Processes,
    Logs,
    Usage,
    Metrics,
    Metadata,
}

impl Pane {
    /// All, in the order in which a key goes through them.
    pub(super) const ALL: [Self; 5] =
        [Self::Processes, Self::Logs, Self::Usage, Self::Metrics, Self::Metadata];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Processes => "Processes",
            Self::Logs => "Logs",
            Self::Usage => "Usage",
            Self::Metrics => "Metrics",
            Self::Metadata => "Metadata",
        }
    }

    /// The one so many further.
    pub(super) fn further(self, by: usize) -> Self {
        Self::ALL[(self as usize + by) % Self::ALL.len()]
    }
}

/// The smallest screen on which all panes have room beside each other.
const ROOMY: (u16, u16) = (80, 20);

/// The areas of a screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Panes {
    pub(super) header: Rect,
    /// The names of the panes, where one of them takes all the room.
    pub(super) tabs: Option<Rect>,
    pub(super) footer: Rect,
    /// The panes that are seen, with their frames.
    pub(super) seen: Vec<(Pane, Rect)>,
}

impl Panes {
    /// Divides `screen`. On a small one, or when `zoomed`, the pane in `focus` takes all the room.
    ///
    /// By plain arithmetic, because it is asked for at every key: ratatui's solver takes longer than the drawing.
    pub(super) fn arrange(screen: Rect, focus: Pane, zoomed: bool) -> Self {
        let (header, rest) = above(screen, 1);
        let (body, footer) = above(rest, rest.height.saturating_sub(1));
        if zoomed || screen.width < ROOMY.0 || screen.height < ROOMY.1 {
            let (tabs, body) = above(body, 1);
            return Self { header, tabs: Some(tabs), footer, seen: vec![(focus, body)] };
        }
        let (list, right) = beside(body, (body.width * 9 / 20).min(66));
        let sheets = body.height * 7 / 20;
        let usage = if body.height < 36 { 5 } else { 9 };
        let (logs, below) = above(right, right.height - usage - sheets);
        let (usage, sheets) = above(below, usage);
        let (metrics, metadata) = beside(sheets, sheets.width * 2 / 5);
        let areas = [list, logs, usage, metrics, metadata];
        Self { header, tabs: None, footer, seen: Pane::ALL.into_iter().zip(areas).collect() }
    }

    /// The inside of a pane; empty where it is not seen.
    pub(super) fn inside(&self, pane: Pane) -> Rect {
        let found = self.seen.iter().find(|(seen, _)| *seen == pane);
        found.map_or(Rect::ZERO, |(_, area)| area.inner(Margin::new(1, 1)))
    }
}

/// The first `height` lines of `area`, and the rest.
pub(super) fn above(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    let rest = Rect { y: area.y + height, height: area.height - height, ..area };
    (Rect { height, ..area }, rest)
}

/// The first `width` columns of `area`, and the rest.
pub(super) fn beside(area: Rect, width: u16) -> (Rect, Rect) {
    let width = width.min(area.width);
    let rest = Rect { x: area.x + width, width: area.width - width, ..area };
    (Rect { width, ..area }, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_lie_beside_each_other_whatever_the_size() {
        for (width, height) in [(0, 0), (1, 1), (60, 15), (79, 50), (80, 20), (160, 50), (500, 200)] {
            let screen = Rect::new(0, 0, width, height);
            for pane in Pane::ALL {
                let panes = Panes::arrange(screen, pane, false);
                assert!(panes.seen.iter().any(|(seen, _)| *seen == pane));
                for (n, (_, area)) in panes.seen.iter().enumerate() {
                    assert_eq!(area.intersection(screen), *area, "{area} in {screen}");
                    let others = &panes.seen[n + 1..];
                    assert!(others.iter().all(|(_, other)| area.intersection(*other).is_empty()));
                }
            }
        }
    }

    #[test]
    fn one_pane_has_all_the_room_where_there_is_little() {
        let seen = |width, height, zoomed| {
            Panes::arrange(Rect::new(0, 0, width, height), Pane::Logs, zoomed).seen.len()
        };
        assert_eq!([seen(60, 15, false), seen(80, 24, false), seen(160, 50, true)], [1, 5, 1]);
    }
}
