//! Places for tasks where not all may run at the same time: who has one, and who waits for one.
//!
//! Who is due first gets the next place. A namespace that is full does not keep others waiting.

use std::collections::{BTreeSet, HashMap};

use rpm_core::{MaxParallel, ProcessId};

/// When it is due, and for those of one time the order in which they came.
type Turn = (i64, u64, ProcessId);

/// The tasks that have a place or wait for one. Others are unknown here.
#[derive(Debug, Default)]
pub(crate) struct Places {
    standing: HashMap<ProcessId, Standing>,
    taken: u32,
    namespaces: HashMap<String, Namespace>,
    /// Counts those who came to wait.
    came: u64,
    /// Somebody may get a place who could not at the last look.
    changed: bool,
}

#[derive(Debug, Default)]
struct Namespace {
    taken: u32,
    waiting: BTreeSet<Turn>,
}

#[derive(Debug)]
struct Standing {
    namespace: String,
    /// `None` is one who has a place.
    turn: Option<Turn>,
}

impl Places {
    /// `id` waits for a place, since `due`. It keeps its turn if it waits already.
    pub(crate) fn wait(&mut self, id: ProcessId, namespace: &str, due: i64) {
        let waits = |standing: &Standing| {
            standing.namespace == namespace && standing.turn.is_some_and(|turn| turn.0 == due)
        };
        if self.standing.get(&id).is_some_and(waits) {
            return;
        }
        self.leave(id);
        self.came += 1;
        let turn = (due, self.came, id);
        self.namespace(namespace).waiting.insert(turn);
        self.standing.insert(id, Standing { namespace: namespace.to_owned(), turn: Some(turn) });
        self.changed = true;
    }

    /// `id` has a place from now on, whether there was one or not.
    pub(crate) fn take(&mut self, id: ProcessId, namespace: &str) {
        let has = |standing: &Standing| standing.namespace == namespace && standing.turn.is_none();
        if self.standing.get(&id).is_some_and(has) {
            return;
        }
        self.leave(id);
        self.namespace(namespace).taken += 1;
        self.taken += 1;
        self.standing.insert(id, Standing { namespace: namespace.to_owned(), turn: None });
    }

    /// `id` neither has a place nor waits for one.
    pub(crate) fn leave(&mut self, id: ProcessId) {
        let Some(Standing { namespace: name, turn }) = self.standing.remove(&id) else { return };
        let namespace = self.namespace(&name);
        match turn {
            Some(turn) => _ = namespace.waiting.remove(&turn),
            None => namespace.taken -= 1,
        }
        if namespace.taken == 0 && namespace.waiting.is_empty() {
            self.namespaces.remove(&name);
        }
        if turn.is_none() {
            self.taken -= 1;
        }
        self.changed = true;
    }

    /// Who gets the next place, if there is one and somebody waits.
    pub(crate) fn next(&mut self, max: &MaxParallel) -> Option<ProcessId> {
        let has_room = |limit: Option<u32>, taken: u32| limit.is_none_or(|limit| taken < limit);
        let next = self
            .namespaces
            .iter()
            .filter(|_| has_room(max.of_home(), self.taken))
            .filter(|(name, namespace)| has_room(max.of_namespace(name), namespace.taken))
            .filter_map(|(_, namespace)| namespace.waiting.first())
            .min()
            .map(|turn| turn.2);
        self.changed = next.is_some();
        next
    }

    /// Whether [`Self::next`] may find somebody whom it did not find before.
    pub(crate) fn have_changed(&self) -> bool {
        self.changed
    }

    /// There may be more places than before.
    pub(crate) fn look_again(&mut self) {
        self.changed = true;
    }

    fn namespace(&mut self, name: &str) -> &mut Namespace {
        self.namespaces.entry(name.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn max(home: u32, namespaces: &[(&str, u32)]) -> MaxParallel {
        let namespaces = namespaces.iter().map(|(name, limit)| ((*name).to_owned(), *limit)).collect();
        MaxParallel { home: Some(home), namespaces }
    }

    /// Lets in whoever may go.
    fn admitted(places: &mut Places, max: &MaxParallel) -> Vec<u32> {
        let mut ids = Vec::new();
        while let Some(id) = places.next(max) {
            let namespace = places.standing[&id].namespace.clone();
            places.take(id, &namespace);
            ids.push(id.0);
        }
        ids
    }

    #[test]
    fn who_is_due_first_goes_first() {
        let (mut places, max) = (Places::default(), max(2, &[]));
        for (id, due) in [(1, 30), (2, 10), (3, 20), (4, 10)] {
            places.wait(ProcessId(id), "default", due);
        }
        assert_eq!(admitted(&mut places, &max), [2, 4]);
        assert!(!places.have_changed());
        places.leave(ProcessId(2));
        assert!(places.have_changed());
        assert_eq!(admitted(&mut places, &max), [3]);
        // One that no longer wants to.
        places.leave(ProcessId(1));
        places.leave(ProcessId(3));
        assert_eq!(admitted(&mut places, &max), [] as [u32; 0]);
        places.leave(ProcessId(4));
        assert!(places.standing.is_empty() && places.namespaces.is_empty() && places.taken == 0);
    }

    #[test]
    fn a_full_namespace_keeps_no_other_waiting() {
        let (mut places, max) = (Places::default(), max(3, &[("slow", 1)]));
        for (id, namespace) in [(1, "slow"), (2, "slow"), (3, "quick"), (4, "quick"), (5, "quick")] {
            places.wait(ProcessId(id), namespace, 0);
        }
        assert_eq!(admitted(&mut places, &max), [1, 3, 4]);
        places.leave(ProcessId(3));
        assert_eq!(admitted(&mut places, &max), [5]);
        places.leave(ProcessId(1));
        assert_eq!(admitted(&mut places, &max), [2]);
    }

    #[test]
    fn a_limit_that_is_raised_or_taken_off_lets_more_in() {
        let mut places = Places::default();
        for id in 0..6 {
            places.wait(ProcessId(id), "default", 0);
        }
        assert_eq!(admitted(&mut places, &max(1, &[])), [0]);
        assert_eq!(admitted(&mut places, &max(3, &[])), [1, 2]);
        assert_eq!(admitted(&mut places, &max(0, &[])), [3, 4, 5]);
    }

    proptest! {
        /// Whatever comes in whatever order: never more than may, nobody waits beside a free place, and nobody
        /// passes one of the same namespace who was due earlier.
        #[test]
        fn places_are_filled_and_never_overfilled(
            home in 0u32..5,
            slow in 0u32..3,
            events in prop::collection::vec((0u32..12, 0i64..20, any::<bool>()), 1..80),
        ) {
            let max = max(home, &[("slow", slow)]);
            let mut places = Places::default();
            for (id, due, comes) in events {
                let namespace = if id % 2 == 0 { "slow" } else { "quick" };
                let id = ProcessId(id);
                if !comes {
                    places.leave(id);
                } else if places.standing.get(&id).is_none_or(|standing| standing.turn.is_some()) {
                    places.wait(id, namespace, due);
                }
                admitted(&mut places, &max);
                let with_place = |name: Option<&str>| {
                    let mine = |standing: &&Standing| {
                        standing.turn.is_none() && name.is_none_or(|name| standing.namespace == name)
                    };
                    places.standing.values().filter(mine).count() as u32
                };
                let room = |limit: Option<u32>, taken| limit.is_none_or(|limit| taken < limit);
                prop_assert!(max.of_home().is_none_or(|limit| with_place(None) <= limit));
                prop_assert!(max.of_namespace("slow").is_none_or(|limit| with_place(Some("slow")) <= limit));
                for standing in places.standing.values().filter(|standing| standing.turn.is_some()) {
                    let namespace = standing.namespace.as_str();
                    prop_assert!(
                        !room(max.of_home(), with_place(None))
                            || !room(max.of_namespace(namespace), with_place(Some(namespace)))
                    );
                }
                prop_assert_eq!(places.taken, with_place(None));
            }
        }
    }
}
