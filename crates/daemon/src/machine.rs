//! The life of one process, as a pure function: no clock, no system call.
//!
//! [`Life::step`] takes what happened and the time, and says what is to be done. Restart rules, delays, the
//! escalation of a stop and what a schedule's tick does are all here and nowhere else.

#[cfg(test)]
mod tests;

use rpm_core::{AppSpec, Exit, Signal, Status, protocol::EventKind};
use serde::{Deserialize, Serialize};

use crate::clock::Now;

/// A run that lasted longer starts the series of growing pauses anew (PM2's `EXP_BACKOFF_RESET_TIMER`).
const BACKOFF_RESET: u64 = 30_000;

/// The longest pause of a growing series (PM2's cap).
const BACKOFF_CAP: u64 = 15_000;

/// The least time that SIGKILL is given before those who wait are told that it did not help.
const MIN_KILL_PATIENCE: u64 = 1_000;

/// The part of an app's declaration that decides about its life. Durations are milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub autorestart: bool,
    pub max_restarts: Option<u32>,
    pub min_uptime: u64,
    pub restart_delay: u64,
    pub backoff: u64,
    pub stop_exit_codes: Vec<i32>,
    pub stop: Ask,
    pub kill_timeout: u64,
    /// How long it may take until it says that it is ready; `None` if it is up when it is spawned.
    pub ready_within: Option<u64>,
}

/// How a process is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Signal(Signal),
    /// The message `shutdown` on its IPC channel.
    Message,
}

impl Policy {
    /// What `app` declares, with PM2's defaults.
    pub(crate) fn of(app: &AppSpec) -> Self {
        Self {
            autorestart: app.autorestart,
            max_restarts: app.max_restarts,
            min_uptime: app.min_uptime.unwrap_or(AppSpec::DEFAULT_MIN_UPTIME).0,
            restart_delay: app.restart_delay.unwrap_or_default().0,
            backoff: app.exp_backoff_restart_delay.unwrap_or_default().0,
            stop_exit_codes: app.stop_exit_codes.clone(),
            stop: if app.shutdown_with_message {
                Ask::Message
            } else {
                Ask::Signal(app.kill_signal.unwrap_or(Signal::INT))
            },
            kill_timeout: app.kill_timeout.unwrap_or(AppSpec::DEFAULT_KILL_TIMEOUT).0,
            ready_within: app
                .wait_ready
                .then_some(app.listen_timeout.unwrap_or(AppSpec::DEFAULT_LISTEN_TIMEOUT).0),
        }
    }
}

/// One life of the child, from spawn to exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub pid: i32,
    pub started: Now,
}

/// Where a process is. What is true only there is held only there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    Stopped,
    /// A spawn was ordered; its outcome is the next event.
    Starting,
    /// Spawned; it has not said yet that it is ready.
    Launching(Run),
    Online(Run),
    Stopping {
        run: Run,
        then: Then,
        /// SIGKILL was sent.
        killed: bool,
    },
    /// The pause before an automatic restart.
    Waiting,
    Errored,
}

/// What follows a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Then {
    Rest,
    /// Start again, counted as a restart or not.
    Start {
        counted: bool,
    },
    Forget,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Start,
    Stop,
    Restart,
    Delete,
    Reset,
    /// The schedule fired.
    Tick,
    Spawned {
        pid: i32,
    },
    SpawnFailed {
        reason: String,
    },
    /// It said that it is ready.
    Ready,
    /// The child ended; of one that is being stopped, the whole tree did.
    Exited {
        pid: i32,
        exit: Exit,
    },
    /// The time set by [`Effect::Arm`] has come.
    Deadline,
}

/// What is to be done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Spawn,
    /// Ask the whole tree to end.
    Ask(Ask),
    /// Send [`Event::Deadline`] at this time of the monotonic clock; replaces an earlier one.
    Arm(u64),
    Disarm,
    /// Tell those who listen.
    Emit(EventKind),
    /// What was asked for has been done, or has failed: answer those who wait.
    Settled,
    /// Take it out of the table.
    Forget,
}

/// The state of one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Life {
    pub phase: Phase,
    /// The ↺ column.
    pub restart_time: u32,
    /// Unstable runs in a row.
    pub unstable_restarts: u32,
    /// The pause before the last automatic restart, milliseconds.
    pub prev_delay: u64,
    /// When it was first started, or last restarted by hand.
    pub created_at: Option<i64>,
    /// When the latest run began, milliseconds since the epoch.
    pub started_at: i64,
    /// How the latest run ended.
    pub exit: Option<Exit>,
    /// Why it is errored, or could not be stopped.
    pub error: Option<String>,
}

impl Life {
    /// A process that was declared and has not run.
    pub(crate) fn new(now: Now) -> Self {
        Self {
            phase: Phase::Stopped,
            restart_time: 0,
            unstable_restarts: 0,
            prev_delay: 0,
            created_at: Some(now.wall),
            started_at: now.wall,
            exit: None,
            error: None,
        }
    }

    /// PM2's word for the phase.
    pub(crate) fn status(&self) -> Status {
        match self.phase {
            Phase::Stopped => Status::Stopped,
            Phase::Starting | Phase::Launching(_) => Status::Launching,
            Phase::Online(_) => Status::Online,
            Phase::Stopping { .. } => Status::Stopping,
            Phase::Waiting => Status::WaitingRestart,
            Phase::Errored => Status::Errored,
        }
    }

    /// The run of the child that may be alive.
    pub(crate) fn run(&self) -> Option<Run> {
        match self.phase {
            Phase::Launching(run) | Phase::Online(run) | Phase::Stopping { run, .. } => Some(run),
            Phase::Stopped | Phase::Starting | Phase::Waiting | Phase::Errored => None,
        }
    }

    /// Whether it runs, or is on its way to.
    pub(crate) fn is_wanted_up(&self) -> bool {
        match self.phase {
            Phase::Starting | Phase::Launching(_) | Phase::Online(_) | Phase::Waiting => true,
            Phase::Stopping { then, .. } => matches!(then, Then::Start { .. }),
            // A failed app is tried again after a resurrect, as in PM2.
            Phase::Errored => true,
            Phase::Stopped => false,
        }
    }

    /// Where the process goes next, and what has to be done to get it there.
    pub(crate) fn step(&mut self, policy: &Policy, event: Event, now: Now) -> Vec<Effect> {
        match event {
            Event::Start => match self.phase {
                Phase::Stopped | Phase::Errored | Phase::Waiting => self.start_afresh(now),
                Phase::Starting | Phase::Online(_) => vec![Effect::Settled],
                // Answered when it is ready.
                Phase::Launching(_) => vec![],
                Phase::Stopping { .. } => self.divert(Then::Start { counted: false }),
            },
            Event::Restart => match self.phase {
                Phase::Stopped | Phase::Errored | Phase::Waiting => self.start_afresh(now),
                Phase::Starting => vec![Effect::Settled],
                Phase::Launching(run) | Phase::Online(run) => {
                    self.begin_stop(run, Then::Start { counted: true }, policy, now)
                }
                Phase::Stopping { .. } => self.divert(Then::Start { counted: false }),
            },
            Event::Tick => match self.phase {
                Phase::Stopped | Phase::Errored | Phase::Waiting => self.start_afresh(now),
                Phase::Launching(run) | Phase::Online(run) => {
                    self.begin_stop(run, Then::Start { counted: true }, policy, now)
                }
                // A restart that is under way is this tick's restart; a stop that somebody asked for wins.
                Phase::Starting | Phase::Stopping { .. } => vec![],
            },
            Event::Stop => match self.phase {
                Phase::Stopped | Phase::Errored | Phase::Waiting | Phase::Starting => self.rest(),
                Phase::Launching(run) | Phase::Online(run) => self.begin_stop(run, Then::Rest, policy, now),
                Phase::Stopping { run, then: Then::Forget, .. } => {
                    self.begin_stop(run, Then::Forget, policy, now)
                }
                Phase::Stopping { run, .. } => self.begin_stop(run, Then::Rest, policy, now),
            },
            Event::Delete => match self.phase {
                Phase::Stopped | Phase::Errored | Phase::Waiting | Phase::Starting => self.forget(),
                Phase::Launching(run) | Phase::Online(run) | Phase::Stopping { run, .. } => {
                    self.begin_stop(run, Then::Forget, policy, now)
                }
            },
            Event::Reset => {
                self.restart_time = 0;
                self.unstable_restarts = 0;
                self.created_at = Some(now.wall);
                vec![Effect::Settled]
            }
            Event::Spawned { pid } => self.spawned(Run { pid, started: now }, policy, now),
            Event::SpawnFailed { reason } => match self.phase {
                Phase::Starting => {
                    self.phase = Phase::Errored;
                    self.error = Some(reason);
                    vec![Effect::Emit(EventKind::Errored), Effect::Settled]
                }
                _ => vec![],
            },
            Event::Exited { pid, exit } => match self.phase {
                Phase::Launching(run) | Phase::Online(run) if run.pid == pid => {
                    self.after_exit(run, exit, policy, now)
                }
                Phase::Stopping { run, then, .. } if run.pid == pid => self.after_stop(then, exit, now),
                // A late word about an older run.
                _ => vec![],
            },
            Event::Ready => match self.phase {
                Phase::Launching(run) => self.up(run),
                _ => vec![],
            },
            Event::Deadline => match self.phase {
                // PM2's rule: who says nothing in time is taken to be up.
                Phase::Launching(run) => self.up(run),
                Phase::Waiting => self.spawn_again(),
                Phase::Stopping { run, then, killed: false } => {
                    self.phase = Phase::Stopping { run, then, killed: true };
                    let patience = policy.kill_timeout.max(MIN_KILL_PATIENCE);
                    vec![Effect::Ask(Ask::Signal(Signal::KILL)), Effect::Arm(now.mono + patience)]
                }
                // A child in an uninterruptible wait. Those who wait are told; the process stays `stopping`, so
                // that it never runs twice.
                Phase::Stopping { run, killed: true, .. } => {
                    self.error = Some(format!("pid {} is still there after SIGKILL", run.pid));
                    vec![Effect::Settled]
                }
                _ => vec![],
            },
        }
    }

    /// A start that somebody asked for: the counters of the crash loop begin anew.
    fn start_afresh(&mut self, now: Now) -> Vec<Effect> {
        self.phase = Phase::Starting;
        self.unstable_restarts = 0;
        self.prev_delay = 0;
        self.created_at = Some(now.wall);
        self.error = None;
        vec![Effect::Disarm, Effect::Spawn]
    }

    /// A restart that nobody asked for.
    fn spawn_again(&mut self) -> Vec<Effect> {
        self.phase = Phase::Starting;
        self.restart_time += 1;
        vec![Effect::Emit(EventKind::Restart), Effect::Spawn]
    }

    fn spawned(&mut self, run: Run, policy: &Policy, now: Now) -> Vec<Effect> {
        match self.phase {
            Phase::Starting => {
                self.started_at = now.wall;
                self.error = None;
                match policy.ready_within {
                    None => self.up(run),
                    Some(limit) => {
                        self.phase = Phase::Launching(run);
                        vec![Effect::Arm(now.mono + limit)]
                    }
                }
            }
            // It was stopped while it was being spawned: the child must not live on unowned.
            _ => self.begin_stop(run, Then::Rest, policy, now),
        }
    }

    fn up(&mut self, run: Run) -> Vec<Effect> {
        self.phase = Phase::Online(run);
        vec![Effect::Disarm, Effect::Emit(EventKind::Online), Effect::Settled]
    }

    fn begin_stop(&mut self, run: Run, then: Then, policy: &Policy, now: Now) -> Vec<Effect> {
        self.phase = Phase::Stopping { run, then, killed: false };
        vec![Effect::Ask(policy.stop), Effect::Arm(now.mono + policy.kill_timeout)]
    }

    /// Changes what follows a stop that is under way. A delete cannot be taken back, and a counted restart stays
    /// counted.
    fn divert(&mut self, next: Then) -> Vec<Effect> {
        if let Phase::Stopping { then: then @ Then::Rest, .. } = &mut self.phase {
            *then = next;
        }
        vec![]
    }

    fn after_stop(&mut self, then: Then, exit: Exit, now: Now) -> Vec<Effect> {
        self.exit = Some(exit);
        self.error = None;
        let mut effects = vec![Effect::Disarm, Effect::Emit(EventKind::Exit(exit))];
        match then {
            Then::Rest => effects.extend(self.rest()),
            Then::Forget => effects.extend(self.forget()),
            Then::Start { counted } => {
                self.restart_time += u32::from(counted);
                effects.extend(self.start_afresh(now));
            }
        }
        effects
    }

    fn rest(&mut self) -> Vec<Effect> {
        let mut effects = vec![Effect::Disarm];
        if self.phase != Phase::Stopped {
            effects.push(Effect::Emit(EventKind::Stopped));
        }
        self.phase = Phase::Stopped;
        self.error = None;
        effects.push(Effect::Settled);
        effects
    }

    fn forget(&mut self) -> Vec<Effect> {
        self.phase = Phase::Stopped;
        vec![Effect::Disarm, Effect::Emit(EventKind::Deleted), Effect::Settled, Effect::Forget]
    }

    /// The child ended by itself: the restart rules.
    fn after_exit(&mut self, run: Run, exit: Exit, policy: &Policy, now: Now) -> Vec<Effect> {
        let uptime = now.mono.saturating_sub(run.started.mono);
        let stable = uptime >= policy.min_uptime;
        self.exit = Some(exit);
        if stable {
            self.unstable_restarts = 0;
        }
        if uptime > BACKOFF_RESET {
            self.prev_delay = 0;
        }
        let mut effects = vec![Effect::Emit(EventKind::Exit(exit))];
        let wanted = matches!(exit, Exit::Code(code) if policy.stop_exit_codes.contains(&code));
        if !policy.autorestart || wanted {
            effects.extend(self.rest());
            return effects;
        }
        let delay = self.next_delay(policy);
        // A loop that pauses is bounded by its pauses: only a limit that was declared ends it. A loop without a
        // pause would eat the machine: it ends at PM2's limit in any case.
        if !stable && (delay == 0 || policy.max_restarts.is_some()) {
            self.unstable_restarts += 1;
            let limit = policy.max_restarts.unwrap_or(AppSpec::DEFAULT_MAX_RESTARTS);
            if self.unstable_restarts >= limit {
                self.phase = Phase::Errored;
                self.error = Some(format!("{limit} unstable restarts in a row, the last with {exit}"));
                self.unstable_restarts = 0;
                effects.extend([Effect::Emit(EventKind::Errored), Effect::Settled]);
                return effects;
            }
        }
        if delay == 0 {
            effects.extend(self.spawn_again());
        } else {
            self.phase = Phase::Waiting;
            self.prev_delay = delay;
            effects.push(Effect::Arm(now.mono + delay));
        }
        effects
    }

    /// The pause before the next automatic restart. A growing series wins over a fixed pause, as in PM2:
    /// 100, 150, 225, 337, 505, … 15,000.
    fn next_delay(&self, policy: &Policy) -> u64 {
        match (policy.backoff, self.prev_delay) {
            (0, _) => policy.restart_delay,
            (first, 0) => first,
            (_, previous) => (previous.saturating_mul(3) / 2).min(BACKOFF_CAP),
        }
    }
}
