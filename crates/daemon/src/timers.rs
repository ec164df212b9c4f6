//! Deadlines: what to wake for next.

use std::{cmp::Reverse, collections::BinaryHeap};

use rpm_core::ProcessId;

/// Deadlines of many processes on one clock, the earliest first.
///
/// A process has one deadline at most, and keeps it itself: an entry here that no longer agrees with it is stale,
/// and is dropped when it comes up. So arming and disarming cost next to nothing.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(i64, ProcessId)>>,
}

impl Timers {
    /// Wakes for `id` at `at`.
    pub(crate) fn arm(&mut self, at: i64, id: ProcessId) {
        self.heap.push(Reverse((at, id)));
    }

    /// The earliest entry that is `current`; stale ones before it are dropped.
    pub(crate) fn next(&mut self, current: impl Fn(ProcessId) -> Option<i64>) -> Option<i64> {
        while let Some(&Reverse((at, id))) = self.heap.peek() {
            if current(id) == Some(at) {
                return Some(at);
            }
            self.heap.pop();
        }
        None
    }

    /// Takes out one process whose deadline has come.
    pub(crate) fn due(&mut self, now: i64, current: impl Fn(ProcessId) -> Option<i64>) -> Option<ProcessId> {
        while let Some(&Reverse((at, id))) = self.heap.peek() {
            let live = current(id) == Some(at);
            if live && at > now {
                return None;
            }
            self.heap.pop();
            if live {
                return Some(id);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn stale_deadlines_do_not_wake() {
        let mut timers = Timers::default();
        let mut armed = HashMap::new();
        for (id, at) in [(1, 30), (2, 10), (1, 20), (3, 5)] {
            timers.arm(at, ProcessId(id));
            armed.insert(ProcessId(id), at);
        }
        armed.remove(&ProcessId(3));
        let current = |armed: &HashMap<ProcessId, i64>| {
            let armed = armed.clone();
            move |id| armed.get(&id).copied()
        };
        assert_eq!(timers.next(current(&armed)), Some(10));
        assert_eq!(timers.due(9, current(&armed)), None);
        assert_eq!(timers.due(25, current(&armed)), Some(ProcessId(2)));
        armed.remove(&ProcessId(2));
        assert_eq!(timers.due(25, current(&armed)), Some(ProcessId(1)));
        armed.remove(&ProcessId(1));
        assert_eq!((timers.due(99, current(&armed)), timers.next(current(&armed))), (None, None));
        assert!(timers.heap.is_empty());
    }
}
