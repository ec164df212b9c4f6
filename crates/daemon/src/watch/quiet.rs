//! When a change leads to a restart: after a time of quiet, so that a thousand files that a checkout writes are one
//! change.

use std::collections::HashMap;

use rpm_core::AppKey;

/// The least time of quiet, milliseconds: programs write a file in several steps, and many files one after the other.
const LEAST: u64 = 50;

/// Who never is quiet is restarted after this many times the time of quiet, and at the earliest after
/// [`LEAST_PATIENCE`].
const PATIENCE: u64 = 10;

/// Milliseconds.
const LEAST_PATIENCE: u64 = 1_000;

/// Changes that have not led to a restart yet, one an app. Times are milliseconds of one clock.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    pending: HashMap<AppKey, Pending>,
}

#[derive(Debug)]
struct Pending {
    /// The first path that changed.
    path: String,
    since: u64,
    due: u64,
}

impl Quiet {
    /// `path` of `app` changed, which wants `delay` of quiet.
    pub(super) fn change(&mut self, app: &AppKey, path: impl FnOnce() -> String, delay: u64, now: u64) {
        let quiet = delay.max(LEAST);
        let latest = quiet.saturating_mul(PATIENCE).max(LEAST_PATIENCE);
        let due = now.saturating_add(quiet);
        match self.pending.get_mut(app) {
            Some(pending) => pending.due = due.min(pending.since.saturating_add(latest)),
            None => {
                self.pending.insert(app.clone(), Pending { path: path(), since: now, due });
            }
        }
    }

    /// When the next restart is due.
    pub(super) fn next(&self) -> Option<u64> {
        self.pending.values().map(|pending| pending.due).min()
    }

    /// Takes out what is due: the app, and the path that changed first.
    pub(super) fn due(&mut self, now: u64) -> impl Iterator<Item = (AppKey, String)> {
        self.pending
            .extract_if(move |_, pending| pending.due <= now)
            .map(|(app, pending)| (app, pending.path))
    }

    /// Forgets the changes of apps that are no longer watched.
    pub(super) fn keep(&mut self, watched: impl Fn(&AppKey) -> bool) {
        self.pending.retain(|app, _| watched(app));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn app() -> AppKey {
        AppKey { namespace: "default".to_owned(), name: "a".to_owned() }
    }

    #[test]
    fn changes_are_merged_until_it_is_quiet() {
        let mut quiet = Quiet::default();
        assert_eq!(quiet.next(), None);
        quiet.change(&app(), || "first".into(), 100, 0);
        quiet.change(&app(), || "second".into(), 100, 60);
        assert_eq!(quiet.next(), Some(160));
        assert_eq!(quiet.due(159).count(), 0);
        assert_eq!(quiet.due(160).collect::<Vec<_>>(), [(app(), "first".into())]);
        assert_eq!(quiet.next(), None);
    }

    #[test]
    fn who_never_is_quiet_is_restarted_all_the_same() {
        let mut quiet = Quiet::default();
        let restarts = (0..10_000).step_by(10).filter(|&now| {
            quiet.change(&app(), String::new, 200, now);
            quiet.due(now).count() > 0
        });
        assert_eq!(restarts.count(), 4);
    }

    proptest! {
        /// No change is lost: after the last one there is a restart, not before it was quiet unless patience ended.
        #[test]
        fn every_change_is_followed_by_a_restart(gaps in proptest::collection::vec(0u64..300, 1..50), delay in 0u64..200) {
            let mut quiet = Quiet::default();
            let mut now = 0;
            for gap in gaps {
                now += gap;
                let _ = quiet.due(now).count();
                quiet.change(&app(), String::new, delay, now);
                prop_assert!(quiet.next().is_some_and(|at| at <= now + delay.max(LEAST)));
            }
            prop_assert_eq!(quiet.due(now + delay.max(LEAST)).count(), 1);
        }
    }
}
