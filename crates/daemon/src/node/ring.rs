//! Who gets the next connection: the workers of one server in a ring.

use std::{collections::VecDeque, time::Instant};

use super::WorkerId;

/// Connections on their way to one worker that it has not answered. A few, so that a worker finds the next one waiting
/// when it has taken one; not many, because those wait for this worker and no other.
pub(super) const DEPTH: usize = 4;

/// Connections that a worker may be behind the others in number. So many it catches up with at most, when it was
/// busy for a while.
const LAG: u64 = 64;

/// The workers that take connections of one server.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// Those that have come last first.
    members: VecDeque<Member>,
}

#[derive(Debug)]
struct Member {
    worker: WorkerId,
    /// Unanswered connections.
    unanswered: usize,
    /// Connections that it has been handed, for its turn.
    turns: u64,
    /// It refused one: it gets none before this.
    resumes: Option<Instant>,
}

impl Ring {
    pub(super) fn add(&mut self, worker: WorkerId) {
        let turns = self.members.iter().map(|member| member.turns).min().unwrap_or(0);
        self.members.push_front(Member { worker, unanswered: 0, turns, resumes: None });
    }

    /// Each worker in its order, with its unanswered connections.
    pub(super) fn pack(&self) -> Vec<(WorkerId, usize)> {
        self.members.iter().map(|member| (member.worker, member.unanswered)).collect()
    }

    /// The ring that was packed.
    pub(super) fn packed(members: Vec<(WorkerId, usize)>) -> Self {
        let member = |(worker, unanswered)| Member { worker, unanswered, turns: 0, resumes: None };
        Self { members: members.into_iter().map(member).collect() }
    }

    /// Takes a worker out. False if it was not in.
    pub(super) fn remove(&mut self, worker: WorkerId) -> bool {
        let before = self.members.len();
        self.members.retain(|member| member.worker != worker);
        self.members.len() < before
    }

    pub(super) fn contains(&self, worker: WorkerId) -> bool {
        self.members.iter().any(|member| member.worker == worker)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whose turn it is: among those with the fewest unanswered connections the one that had the fewest altogether, so
    /// that one which was passed over gets its share later. `None` while all have enough.
    pub(super) fn next(&self, now: Instant) -> Option<WorkerId> {
        let can = |member: &&Member| {
            member.unanswered < DEPTH && member.resumes.is_none_or(|resumes| resumes <= now)
        };
        let members = self.members.iter().filter(can);
        members.min_by_key(|member| (member.unanswered, member.turns)).map(|member| member.worker)
    }

    /// A worker was handed a connection.
    pub(super) fn handed(&mut self, worker: WorkerId) {
        let Some(member) = self.members.iter_mut().find(|member| member.worker == worker) else { return };
        member.unanswered += 1;
        member.turns += 1;
        member.resumes = None;
        let least = member.turns.saturating_sub(LAG);
        for member in &mut self.members {
            member.turns = member.turns.max(least);
        }
    }

    /// A worker answered. One that refused gets no connection before `resumes`.
    pub(super) fn answered(&mut self, worker: WorkerId, resumes: Option<Instant>) {
        if let Some(member) = self.members.iter_mut().find(|member| member.worker == worker) {
            member.unanswered = member.unanswered.saturating_sub(1);
            member.resumes = resumes.or(member.resumes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, time::Duration};

    use proptest::prelude::*;

    use super::*;

    fn ring(workers: u32) -> Ring {
        let mut ring = Ring::default();
        for worker in (1..=workers).rev() {
            ring.add(WorkerId(worker));
        }
        ring
    }

    #[test]
    fn one_after_the_other_goes_round() {
        let mut ring = ring(3);
        let now = Instant::now();
        let mut order = Vec::new();
        for _ in 0..7 {
            let worker = ring.next(now).unwrap();
            ring.handed(worker);
            ring.answered(worker, None);
            order.push(worker.0);
        }
        assert_eq!(order, [1, 2, 3, 1, 2, 3, 1]);
    }

    #[test]
    fn one_that_was_passed_over_gets_its_share_later() {
        let mut ring = ring(2);
        let now = Instant::now();
        let mut counts = [0; 2];
        let mut hand = |ring: &mut Ring| {
            let worker = ring.next(now).unwrap();
            ring.handed(worker);
            counts[worker.0 as usize - 1] += 1;
            worker
        };
        let slow = hand(&mut ring);
        for _ in 0..10 {
            let quick = hand(&mut ring);
            ring.answered(quick, None);
        }
        ring.answered(slow, None);
        for _ in 0..11 {
            let worker = hand(&mut ring);
            ring.answered(worker, None);
        }
        assert_eq!(counts, [11, 11]);
    }

    #[test]
    fn who_comes_late_or_was_away_for_long_gets_no_more_than_a_few_in_a_row() {
        let mut ring = ring(1);
        let now = Instant::now();
        for _ in 0..1_000 {
            ring.handed(WorkerId(1));
            ring.answered(WorkerId(1), None);
        }
        ring.add(WorkerId(2));
        let in_a_row = |ring: &mut Ring| {
            let mut length = 0;
            while ring.next(now) == Some(WorkerId(2)) {
                ring.handed(WorkerId(2));
                ring.answered(WorkerId(2), None);
                length += 1;
            }
            length
        };
        assert_eq!(in_a_row(&mut ring), 1);
        for _ in 0..1_000 {
            ring.handed(WorkerId(1));
            ring.answered(WorkerId(1), None);
        }
        assert_eq!(in_a_row(&mut ring), LAG + 1);
    }

    #[test]
    fn one_that_does_not_answer_gets_few_and_stops_nobody() {
        let mut ring = ring(2);
        let now = Instant::now();
        let mut stuck = 0;
        for _ in 0..1_000 {
            let worker = ring.next(now).unwrap();
            ring.handed(worker);
            if worker == WorkerId(1) {
                stuck += 1;
            } else {
                ring.answered(worker, None);
            }
        }
        assert_eq!(stuck, 1, "the other always had fewer");
        for _ in 0..2 * DEPTH - 1 {
            ring.handed(ring.next(now).unwrap());
        }
        assert_eq!(ring.next(now), None);
    }

    #[test]
    fn one_that_refused_rests_a_while() {
        let mut ring = ring(2);
        let now = Instant::now();
        let later = now + Duration::from_millis(20);
        ring.handed(WorkerId(1));
        ring.answered(WorkerId(1), Some(later));
        for _ in 0..3 {
            assert_eq!(ring.next(now), Some(WorkerId(2)));
            ring.handed(WorkerId(2));
            ring.answered(WorkerId(2), None);
        }
        assert_eq!(ring.next(later), Some(WorkerId(1)));
    }

    proptest! {
        /// However workers come, go and answer: nobody gets more than it may, and as long as all answer the spread
        /// is even.
        #[test]
        fn the_ring_keeps_its_limits(steps in prop::collection::vec((0u8..4, 1u32..6), 1..300)) {
            let mut ring = Ring::default();
            let now = Instant::now();
            let mut unanswered: HashMap<WorkerId, usize> = HashMap::new();
            for (what, number) in steps {
                let worker = WorkerId(number);
                match what {
                    0 if !ring.contains(worker) => {
                        ring.add(worker);
                        unanswered.insert(worker, 0);
                    }
                    1 => prop_assert_eq!(ring.remove(worker), unanswered.remove(&worker).is_some()),
                    2 => if let Some(count) = unanswered.get_mut(&worker).filter(|count| **count > 0) {
                        *count -= 1;
                        ring.answered(worker, None);
                    },
                    _ => match ring.next(now) {
                        Some(worker) => {
                            let least = unanswered.values().min().copied();
                            prop_assert_eq!(unanswered.get(&worker).copied(), least);
                            ring.handed(worker);
                            *unanswered.get_mut(&worker).unwrap() += 1;
                            prop_assert!(unanswered[&worker] <= DEPTH);
                        }
                        None => prop_assert!(unanswered.values().all(|&count| count == DEPTH)),
                    },
                }
                prop_assert_eq!(ring.is_empty(), unanswered.is_empty());
            }
        }
    }
}
