//! The runs of a task: how long one may last, whether a failed one is tried again, and what its schedule owes.

use rpm_core::{AppSpec, Cause, Next, Why, protocol::EventKind};

use super::{Effect, Ended, Life, Phase, Policy, Run};
use crate::clock::Now;

/// The longest pause before a task is tried again, unless a longer one was declared for the first time.
const RETRY_CAP: u64 = 3_600_000;

/// What is declared of the runs of a task. Durations are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskPolicy {
    /// How long one may last.
    pub timeout: Option<u64>,
    /// How often a failed one is tried again.
    pub retries: u32,
    /// The pause before the first of these.
    pub retry_delay: u64,
}

impl TaskPolicy {
    pub(super) fn of(app: &AppSpec) -> Option<Self> {
        let is_used = app.is_task() && (app.task_timeout.is_some() || app.retries > 0);
        is_used.then(|| Self {
            timeout: app.task_timeout.map(|timeout| timeout.0),
            retries: app.retries,
            retry_delay: app.retry_delay.unwrap_or(AppSpec::DEFAULT_RETRY_DELAY).0,
        })
    }

    /// The pause before try number `attempt`, from 1: twice as long each time.
    fn delay(self, attempt: u32) -> u64 {
        let doubled = 1u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(u64::MAX);
        self.retry_delay.saturating_mul(doubled).min(RETRY_CAP.max(self.retry_delay))
    }
}

impl Policy {
    /// When a run has lasted as long as it may, on the monotonic clock.
    pub(crate) fn latest_end(&self, run: Run) -> Option<u64> {
        Some(run.started.mono.saturating_add(self.task.as_ref()?.timeout?))
    }

    pub(super) fn is_overdue(&self, run: Run, now: Now) -> bool {
        self.latest_end(run).is_some_and(|end| end <= now.mono)
    }

    /// What wakes the daemon while a run is up.
    pub(super) fn watch_over(&self, run: Run) -> Effect {
        self.latest_end(run).map_or(Effect::Disarm, Effect::Arm)
    }
}

impl Life {
    /// The tick is followed when the present run has ended.
    pub(super) fn owe(&mut self, why: Why, now: Now) -> Vec<Effect> {
        self.owed.get_or_insert(why.due.unwrap_or(now.wall));
        vec![]
    }

    /// A run is over that is not followed by another as a matter of course: its schedule may owe one, or it is tried
    /// again if it has `failed`.
    pub(super) fn conclude(
        &mut self,
        over: Ended,
        failed: Option<String>,
        policy: &Policy,
        now: Now,
    ) -> Vec<Effect> {
        if let Some(due) = self.owed.take() {
            let mut effects = vec![Effect::Ended(over)];
            effects.extend(self.start_afresh(Why::tick(due), policy, now));
            return effects;
        }
        let tries = policy.task.as_deref().filter(|_| failed.is_some());
        if let Some(task) = tries.filter(|task| self.attempts < task.retries) {
            self.attempts += 1;
            self.phase = Phase::Waiting;
            self.prev_delay = task.delay(self.attempts);
            self.why = Why { cause: Cause::Retry, due: over.why.due };
            let over = Ended { next: Next::Retried, ..over };
            return vec![Effect::Ended(over), Effect::Arm(now.mono + self.prev_delay)];
        }
        // Without tries a code is the task's own word: it rests, as in PM2.
        let is_given_up = over.asked_by.is_some() || tries.is_some_and(|task| task.retries > 0);
        match failed.filter(|_| is_given_up) {
            Some(reason) => {
                self.phase = Phase::Errored;
                self.error = Some(match self.attempts {
                    0 => reason,
                    attempts => format!("{} tries failed, the last with {reason}", attempts + 1),
                });
                let over = Ended { next: Next::Errored, ..over };
                vec![Effect::Disarm, Effect::Ended(over), Effect::Emit(EventKind::Errored), Effect::Settled]
            }
            None => {
                let mut effects = vec![Effect::Ended(over)];
                effects.extend(self.rest());
                effects
            }
        }
    }
}
