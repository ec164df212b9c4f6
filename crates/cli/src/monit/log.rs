//! The log of the selected process, as far as it is kept for looking back.

use std::collections::VecDeque;

use ratatui::text::Line;

/// Lines that are kept.
pub(super) const KEPT: usize = 1000;

/// The last lines.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: VecDeque<Line<'static>>,
    /// How many lines below the last one in view; 0 follows what is written.
    back: usize,
}

impl Log {
    /// Appends. Who has scrolled back goes on looking at the same lines for as long as they are kept.
    pub(super) fn extend(&mut self, lines: impl IntoIterator<Item = Line<'static>>) {
        for line in lines {
            if self.lines.len() == KEPT {
                self.lines.pop_front();
            }
            self.lines.push_back(line);
            if self.back > 0 {
                self.back += 1;
            }
        }
        self.back = self.back.min(self.lines.len().saturating_sub(1));
    }

    /// The lines up to the last one in view, the last first.
    pub(super) fn upwards(&self) -> impl Iterator<Item = &Line<'static>> {
        self.lines.iter().rev().skip(self.back)
    }

    /// How many lines below the last one in view.
    pub(super) fn back(&self) -> usize {
        self.back
    }

    /// Looks `back` lines back.
    pub(super) fn look(&mut self, back: usize) {
        self.back = back.min(self.lines.len().saturating_sub(1));
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(log: &Log) -> Option<String> {
        log.upwards().next().map(ToString::to_string)
    }

    fn lines(numbers: std::ops::Range<usize>) -> impl Iterator<Item = Line<'static>> {
        numbers.map(|n| Line::from(n.to_string()))
    }

    #[test]
    fn new_lines_move_only_who_follows() {
        let mut log = Log::default();
        log.extend(lines(0..10));
        assert_eq!(last(&log).as_deref(), Some("9"));
        log.look(4);
        log.extend(lines(10..20));
        assert_eq!((last(&log).as_deref(), log.back()), (Some("5"), 14));
        log.look(0);
        assert_eq!(last(&log).as_deref(), Some("19"));
    }

    #[test]
    fn it_is_bounded() {
        let mut log = Log::default();
        log.extend(lines(0..10));
        log.look(usize::MAX);
        assert_eq!(last(&log).as_deref(), Some("0"));
        log.extend(lines(10..5000));
        assert_eq!((log.len(), last(&log).as_deref()), (KEPT, Some("4000")));
    }
}
