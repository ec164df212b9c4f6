//! How steadily an app runs: what two looks at its processes say of the time between them.

use std::collections::BTreeMap;

use rpm_core::{Cause, Millis};
use serde::{Deserialize, Serialize};

use crate::moment::Moment;

/// The present run of one process of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The number of its process.
    pub id: u32,
    /// 0 while it waits for its restart.
    pub pid: i32,
    /// Runs of the process that are over.
    pub ended: u32,
    pub began: Moment,
    pub cause: Cause,
}

/// What is remembered of a run.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    pid: i32,
    ended: u32,
    began: Moment,
}

/// What is remembered of the runs of an app, by the numbers of its processes.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Runs(BTreeMap<u32, Known>);

/// What happened between two looks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Since {
    /// Runs that ended without being asked to.
    pub crashes: u32,
    /// How long one of these runs lasted.
    pub lasted: Millis,
    /// A person, a script or the machine's start had a process started.
    pub was_asked: bool,
}

impl Runs {
    /// Compares the runs with those of the last look, and remembers them.
    pub(super) fn look(&mut self, runs: &[Run], interval: Millis, now: Moment) -> Since {
        let mut since = Since::default();
        for run in runs {
            let former = self.0.get(&run.id);
            let changed = former.is_none_or(|former| former.ended != run.ended || former.pid != run.pid);
            since.was_asked |= changed && is_verb(run.cause);
            let crashes = crashes(former, run, interval, now);
            since.crashes = since.crashes.saturating_add(crashes);
            if let Some(former) = former.filter(|_| crashes > 0) {
                let end = if run.pid == 0 { now } else { run.began };
                let lasted = Millis(end.since(former.began).0 / u64::from(crashes));
                since.lasted = since.lasted.max(lasted);
            }
        }
        let known = |run: &Run| (run.id, Known { pid: run.pid, ended: run.ended, began: run.began });
        self.0 = runs.iter().map(known).collect();
        since
    }
}

/// How many runs of a process ended by themselves.
fn crashes(former: Option<&Known>, run: &Run, interval: Millis, now: Moment) -> u32 {
    if !is_crash(run.cause) {
        return 0;
    }
    match former {
        // It is seen for the first time; what it was started for says that the run before it ended a moment ago.
        None => u32::from(run.cause != Cause::Unknown && now.since(run.began) < interval),
        Some(former) if run.ended >= former.ended => run.ended - former.ended,
        // `reset` has set the number back.
        Some(former) => u32::from(run.pid != former.pid),
    }
}

/// Whether a run that was started for this follows one that was not meant to end.
fn is_crash(cause: Cause) -> bool {
    match cause {
        Cause::User
        | Cause::Restart
        | Cause::Reload
        | Cause::Scale
        | Cause::Resurrect
        | Cause::Boot
        | Cause::Cron
        | Cause::CatchUp
        | Cause::Watch
        | Cause::Dependency => false,
        Cause::Retry
        | Cause::Autorestart
        | Cause::RestartDelay
        | Cause::Backoff
        | Cause::Memory
        | Cause::Health
        | Cause::Timeout
        | Cause::Unknown => true,
    }
}

fn is_verb(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::User | Cause::Restart | Cause::Reload | Cause::Scale | Cause::Resurrect | Cause::Boot
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Millis = Millis(30_000);

    fn run(pid: i32, ended: u32, began: i64, cause: Cause) -> Run {
        Run { id: 1, pid, ended, began: Moment(began), cause }
    }

    #[test]
    fn only_runs_that_ended_by_themselves_are_crashes() {
        for (cause, crashes) in [
            (Cause::Autorestart, 10),
            (Cause::Backoff, 10),
            (Cause::Memory, 10),
            (Cause::Reload, 0),
            (Cause::Cron, 0),
        ] {
            let mut runs = Runs::default();
            runs.look(&[run(1, 0, 0, Cause::User)], INTERVAL, Moment(0));
            let since = runs.look(&[run(11, 10, 29_000, cause)], INTERVAL, Moment(30_000));
            assert_eq!(since.crashes, crashes, "{cause}");
            assert_eq!(since.lasted, Millis(if crashes > 0 { 2_900 } else { 0 }), "{cause}");
            assert_eq!(since.was_asked, cause == Cause::Reload, "{cause}");
            let same = runs.look(&[run(11, 10, 29_000, cause)], INTERVAL, Moment(60_000));
            assert_eq!(same, Since::default(), "unchanged");
        }
    }

    #[test]
    fn the_first_look_sees_a_crash_that_was_a_moment_ago() {
        let first = |began, cause| Runs::default().look(&[run(1, 9, began, cause)], INTERVAL, Moment(60_000));
        assert_eq!(first(59_000, Cause::Autorestart).crashes, 1);
        assert_eq!(first(10_000, Cause::Autorestart).crashes, 0, "it has stayed up since");
        assert_eq!(first(59_000, Cause::Restart).crashes, 0);
        assert_eq!(first(59_000, Cause::Unknown).crashes, 0, "a daemon that does not say why");
    }

    #[test]
    fn a_run_that_waits_for_its_restart_has_crashed_once() {
        let mut runs = Runs::default();
        runs.look(&[run(1, 0, 0, Cause::User)], INTERVAL, Moment(0));
        let waiting = runs.look(&[run(0, 1, 0, Cause::Backoff)], INTERVAL, Moment(30_000));
        assert_eq!((waiting.crashes, waiting.lasted), (1, Millis(30_000)));
        let again = runs.look(&[run(2, 1, 31_000, Cause::Backoff)], INTERVAL, Moment(60_000));
        assert_eq!(again.crashes, 0, "it is the same crash");
        let reset = runs.look(&[run(2, 0, 31_000, Cause::Backoff)], INTERVAL, Moment(90_000));
        assert_eq!(reset.crashes, 0, "`reset`");
    }
}
