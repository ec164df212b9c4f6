//! CPU and memory of every process over time.

use std::collections::{HashMap, VecDeque};

use rpm_core::{ProcessId, ProcessSummary};

/// Samples that are kept of each process: four minutes, and more than a terminal has columns.
const KEPT: usize = 240;

/// What one process used at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Usage {
    /// Percent of one core.
    pub(super) cpu: f32,
    /// Bytes.
    pub(super) memory: u64,
}

/// The samples of all processes, so that one that is selected has a past already.
#[derive(Debug, Default)]
pub(super) struct History(HashMap<ProcessId, VecDeque<Usage>>);

impl History {
    /// Takes a sample of each process, and forgets those that are gone.
    pub(super) fn record(&mut self, rows: &[ProcessSummary]) {
        let mut before = std::mem::take(&mut self.0);
        for row in rows {
            let mut samples = before.remove(&row.id).unwrap_or_default();
            if samples.len() == KEPT {
                samples.pop_front();
            }
            samples.push_back(Usage { cpu: row.cpu, memory: row.memory.0 });
            self.0.insert(row.id, samples);
        }
    }

    /// The last `count` samples of a process, the oldest first.
    pub(super) fn last(&self, process: ProcessId, count: usize) -> impl Iterator<Item = Usage> {
        let samples = self.0.get(&process);
        let skipped = samples.map_or(0, |samples| samples.len().saturating_sub(count));
        samples.into_iter().flatten().skip(skipped).copied()
    }
}

#[cfg(test)]
mod tests {
    use rpm_core::Status;

    use super::*;
    use crate::render::sample::row;

    fn cpu(history: &History, count: usize) -> Vec<f32> {
        history.last(ProcessId(0), count).map(|usage| usage.cpu).collect()
    }

    #[test]
    fn it_is_bounded_and_forgets_who_is_gone() {
        let mut history = History::default();
        for n in 0..KEPT + 10 {
            let mut row = row(0, "a", Status::Online);
            row.cpu = n as f32;
            history.record(&[row]);
        }
        assert_eq!(cpu(&history, 3), [247.0, 248.0, 249.0]);
        assert_eq!(cpu(&history, usize::MAX).len(), KEPT);
        history.record(&[]);
        assert!(cpu(&history, 3).is_empty());
    }
}
