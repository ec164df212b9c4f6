//! The life of one process, as a pure function: no clock, no system call.
//!
//! [`Life::step`] takes what happened and the time, and says what is to be done. Restart rules, delays, the
//! escalation of a stop and what a schedule's tick does are all here and nowhere else.

mod task;
#[cfg(test)]
mod tests;

use rpm_core::{AppSpec, Cause, Exit, MaxParallel, Next, Overlap, Signal, Status, Why, protocol::EventKind};
use serde::{Deserialize, Serialize};

use self::task::TaskPolicy;
use crate::clock::Now;

/// A run that lasted longer starts the series of growing pauses anew (PM2's `EXP_BACKOFF_RESET_TIMER`).
const BACKOFF_RESET: u64 = 30_000;

/// The longest pause of a growing series (PM2's cap).
const BACKOFF_CAP: u64 = 15_000;

/// The pause before what the system had no means for is tried again.
const SHORTAGE_PAUSE: u64 = 1_000;

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
    /// How far a run has to come until it is up.
    pub up_at: Stage,
    /// How long that may take.
    pub listen_timeout: u64,
    /// It declares `ready`: a reload whose new run does not show that has failed, whatever the old one did.
    pub insists: bool,
    /// A reload starts the new run beside the old one.
    pub overlaps: bool,
    /// A run can be told to take nothing new and to finish what it has.
    pub drains: bool,
    /// What a start has to wait for, in this order.
    pub gates: Vec<Gate>,
    /// What a tick does while it runs.
    pub overlap: Overlap,
    /// What is declared of its runs as those of a task.
    pub task: Option<Box<TaskPolicy>>,
}

/// What a start may have to wait for. Who opens it is the daemon's matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Gate {
    /// What it depends on has to be as far as it has to be.
    Dependencies,
    /// A place among the tasks that may run at the same time (`max_parallel`).
    Place,
}

/// How far a run has come. What is further down comes later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// It exists.
    #[default]
    Spawned,
    /// A worker of a cluster: Node has started.
    Booted,
    /// A worker of a cluster listens.
    Listening,
    /// It has shown what its declaration says it would.
    Ready,
}

/// How a process is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Signal(Signal),
    /// The message `shutdown` on its IPC channel.
    Message,
}

impl Policy {
    /// What `app` declares, with PM2's defaults, in a home where so many tasks may run.
    pub(crate) fn of(app: &AppSpec, max_parallel: &MaxParallel) -> Self {
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
            up_at: match app.readiness() {
                Some(_) => Stage::Ready,
                None if app.is_cluster() => Stage::Booted,
                None => Stage::Spawned,
            },
            listen_timeout: app.listen_timeout.unwrap_or(AppSpec::DEFAULT_LISTEN_TIMEOUT).0,
            insists: app.ready.is_some(),
            overlaps: app.overlaps(),
            drains: app.is_cluster(),
            gates: [
                (Gate::Dependencies, !app.dependencies().is_empty()),
                (Gate::Place, max_parallel.limits(app)),
            ]
            .into_iter()
            .filter_map(|(gate, is_there)| is_there.then_some(gate))
            .collect(),
            overlap: app.cron_overlap,
            task: TaskPolicy::of(app).map(Box::new),
        }
    }

    /// How far the new run of a reload has to have come when its time is over. PM2's `ready`, which an app may never say,
    /// is asked only of one that follows a run that has said it.
    fn reloaded_at_last(&self, old: Run) -> Stage {
        if self.up_at == Stage::Ready && !self.insists { old.stage } else { self.reloaded_at(old) }
    }

    /// How far the new run of a reload has to come: as a start, and of a worker as far as the old one.
    fn reloaded_at(&self, old: Run) -> Stage {
        if self.up_at == Stage::Booted {
            old.stage.clamp(Stage::Booted, Stage::Listening)
        } else {
            self.up_at
        }
    }
}

/// One life of the child, from spawn to exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub pid: i32,
    pub started: Now,
    #[serde(default)]
    pub stage: Stage,
    /// Why it was started.
    #[serde(default)]
    pub why: Why,
}

impl Run {
    /// The pid of a run of which nothing but that it has begun is known; the kernel gives it to no process.
    pub(crate) const UNKNOWN: i32 = i32::MAX;
}

/// Where a process is. What is true only there is held only there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    Stopped,
    /// It is to be started, and waits at a gate.
    Held {
        gate: Gate,
        /// Since when it should run, milliseconds since the epoch.
        due: i64,
    },
    /// A spawn was ordered; its outcome is the next event.
    Starting,
    /// Spawned; it has not said yet that it is ready.
    Launching(Run),
    Online(Run),
    /// A reload: the old run serves on until the new one, once it is spawned, is up.
    Replacing {
        old: Run,
        new: Option<Run>,
    },
    /// It takes nothing new and finishes what it has; then it is stopped.
    Draining {
        run: Run,
        then: Then,
    },
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
        #[serde(default)]
        why: Why,
    },
    Forget,
    /// It ran longer than it may: it has failed.
    Fail,
    /// What its end calls for: its main process had ended by itself, at this time, and left others.
    Ended {
        exit: Exit,
        at: Now,
    },
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Start(Why),
    Stop,
    Restart(Why),
    /// A new run before the old one ends, where its kind can; else a restart.
    Reload(Why),
    Delete,
    /// A delete that lets it finish what it has, where its kind can.
    Release,
    Reset,
    /// The schedule fired.
    Tick(Why),
    /// This gate has let it pass.
    Admit(Gate),
    /// Another daemon took it over as it stood: what was under way is asked for again.
    Resume,
    /// This gate will not let it pass.
    Refuse {
        gate: Gate,
        reason: String,
    },
    Spawned {
        pid: i32,
    },
    /// A run that an earlier daemon started and did not record was found alive.
    Found {
        pid: i32,
        started: Now,
    },
    SpawnFailed {
        reason: String,
        /// The system lacked something that it will have again, such as a free descriptor.
        is_shortage: bool,
    },
    /// A run has come that far.
    Reached {
        pid: i32,
        stage: Stage,
    },
    /// It has finished what it had.
    Drained,
    /// A run that was given away has ended.
    Retired,
    /// The child ended; of one that is being stopped, the whole tree did.
    Exited {
        pid: i32,
        exit: Exit,
    },
    /// The child ended by itself, and left others that are to end with the run.
    Left {
        pid: i32,
        exit: Exit,
    },
    /// As [`Self::Exited`], because the daemon that the run depended on has died.
    Bereft {
        pid: i32,
        exit: Exit,
    },
    /// The time set by [`Effect::Arm`] has come.
    Deadline,
}

/// What is to be done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Start a run; beside the present one, if there is one.
    Spawn,
    /// Let it through this gate: with [`Event::Admit`], at once if that can be.
    Enter(Gate),
    /// Have it take nothing new and finish what it has.
    Drain,
    /// Give a run away and see to its end, after it has finished what it has or at once. Then comes
    /// [`Event::Retired`].
    Retire {
        run: Run,
        drain: bool,
    },
    /// The run that was started beside the present one takes its place.
    Promote,
    /// The reload has failed: what was declared before it is in force again.
    Revert,
    /// The new run of a reload did not say that it is ready, and is taken to be up: say so.
    Unready,
    /// A run has ended, or could not begin: note it.
    Ended(Ended),
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

/// A run that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// `None` if it could not be started.
    pub run: Option<Run>,
    pub why: Why,
    /// How; `None` if it could not be started.
    pub exit: Option<Exit>,
    /// What is done about it.
    pub next: Next,
    /// Why it was asked to end, where that was for another run.
    pub asked_by: Option<Cause>,
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
    /// Why the run that is about to be started is; else the one that was started last.
    #[serde(default)]
    pub why: Why,
    /// How often the present run of a task was tried before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// A tick that came while it ran, and is to be followed when it has ended: when it was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owed: Option<i64>,
    /// The last tick of its schedule that it has followed, or passed over: when that was due. It stands in the same
    /// record as what follows from the tick, so that no tick is lost or followed twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticked: Option<i64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_zero(number: &u32) -> bool {
    *number == 0
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
            why: Why::default(),
            attempts: 0,
            owed: None,
            ticked: None,
        }
    }

    /// PM2's word for the phase.
    pub(crate) fn status(&self) -> Status {
        match self.phase {
            Phase::Stopped => Status::Stopped,
            Phase::Starting | Phase::Launching(_) => Status::Launching,
            Phase::Online(_) | Phase::Replacing { .. } => Status::Online,
            Phase::Draining { .. } | Phase::Stopping { .. } => Status::Stopping,
            Phase::Waiting => Status::WaitingRestart,
            Phase::Held { gate: Gate::Place, .. } => Status::Queued,
            Phase::Held { gate: Gate::Dependencies, .. } => Status::Waiting,
            Phase::Errored => Status::Errored,
        }
    }

    /// The run that may be alive; during a reload the old one.
    pub(crate) fn run(&self) -> Option<Run> {
        match self.phase {
            Phase::Launching(run)
            | Phase::Online(run)
            | Phase::Replacing { old: run, .. }
            | Phase::Draining { run, .. }
            | Phase::Stopping { run, .. } => Some(run),
            Phase::Stopped | Phase::Held { .. } | Phase::Starting | Phase::Waiting | Phase::Errored => None,
        }
    }

    /// Whether it runs, or is on its way to.
    pub(crate) fn is_wanted_up(&self) -> bool {
        match self.phase {
            Phase::Held { .. }
            | Phase::Starting
            | Phase::Launching(_)
            | Phase::Online(_)
            | Phase::Replacing { .. }
            | Phase::Waiting => true,
            Phase::Draining { then, .. } | Phase::Stopping { then, .. } => {
                matches!(then, Then::Start { .. } | Then::Fail | Then::Ended { .. })
            }
            // A failed app is tried again after a resurrect, as in PM2.
            Phase::Errored => true,
            Phase::Stopped => false,
        }
    }

    /// Whether it is on its way out of the table.
    pub(crate) fn is_leaving(&self) -> bool {
        matches!(
            self.phase,
            Phase::Draining { then: Then::Forget, .. } | Phase::Stopping { then: Then::Forget, .. }
        )
    }

    /// Where the process goes next, and what has to be done to get it there.
    pub(crate) fn step(&mut self, policy: &Policy, event: Event, now: Now) -> Vec<Effect> {
        if let Event::Tick(Why { due: Some(due), .. }) = event {
            self.ticked = Some(due);
        }
        match event {
            Event::Start(why) => match self.phase {
                Phase::Stopped | Phase::Errored | Phase::Waiting => self.start_afresh(why, policy, now),
                // It waits until the system can: perhaps by now.
                Phase::Starting => vec![Effect::Disarm, Effect::Spawn],
                Phase::Held { .. } | Phase::Online(_) => vec![Effect::Settled],
                // Answered when it is ready.
                Phase::Launching(_) | Phase::Replacing { .. } => vec![],
                Phase::Draining { .. } | Phase::Stopping { .. } => {
                    self.divert(Then::Start { counted: false, why })
                }
            },
            Event::Restart(why) => match self.phase {
                Phase::Stopped | Phase::Errored | Phase::Waiting => self.start_afresh(why, policy, now),
                Phase::Starting => vec![Effect::Disarm, Effect::Spawn],
                Phase::Held { .. } => vec![Effect::Settled],
                Phase::Launching(run) | Phase::Online(run) => {
                    self.begin_stop(run, Then::Start { counted: true, why }, policy, now)
                }
                Phase::Replacing { old, new } => self.give_up(old, new, |life| {
                    life.begin_stop(old, Then::Start { counted: true, why }, policy, now)
                }),
                Phase::Draining { .. } | Phase::Stopping { .. } => {
                    self.divert(Then::Start { counted: false, why })
                }
            },
            Event::Reload(why) => match self.phase {
                Phase::Online(old) if policy.overlaps => {
                    self.why = why;
                    self.phase = Phase::Replacing { old, new: None };
                    self.error = None;
                    vec![Effect::Spawn]
                }
                // Answered with the one that is under way.
                Phase::Replacing { .. } => vec![],
                _ => self.step(policy, Event::Restart(why), now),
            },
            Event::Tick(why) => match self.phase {
                Phase::Stopped | Phase::Errored | Phase::Waiting => self.start_afresh(why, policy, now),
                Phase::Launching(run) | Phase::Online(run) => match policy.overlap {
                    Overlap::Restart => self.begin_stop(run, Then::Start { counted: true, why }, policy, now),
                    Overlap::Skip => vec![],
                    Overlap::Queue => self.owe(why, now),
                },
                // One that has failed is on its way to rest, or to another try.
                Phase::Stopping { then: Then::Fail | Then::Ended { .. }, .. }
                    if policy.overlap != Overlap::Skip =>
                {
                    self.owe(why, now)
                }
                // A start that is under way is this tick's; a stop that somebody asked for wins.
                Phase::Held { .. }
                | Phase::Starting
                | Phase::Replacing { .. }
                | Phase::Draining { .. }
                | Phase::Stopping { .. } => vec![],
            },
            Event::Stop => match self.phase {
                Phase::Stopped | Phase::Errored | Phase::Waiting | Phase::Held { .. } | Phase::Starting => {
                    self.rest()
                }
                Phase::Launching(run) | Phase::Online(run) => self.begin_stop(run, Then::Rest, policy, now),
                Phase::Replacing { old, new } => {
                    self.give_up(old, new, |life| life.begin_stop(old, Then::Rest, policy, now))
                }
                Phase::Draining { run, then: Then::Forget }
                | Phase::Stopping { run, then: Then::Forget, .. } => {
                    self.begin_stop(run, Then::Forget, policy, now)
                }
                Phase::Draining { run, .. } | Phase::Stopping { run, .. } => {
                    self.begin_stop(run, Then::Rest, policy, now)
                }
            },
            Event::Delete => match self.phase {
                Phase::Stopped | Phase::Errored | Phase::Waiting | Phase::Held { .. } | Phase::Starting => {
                    self.forget()
                }
                Phase::Launching(run)
                | Phase::Online(run)
                | Phase::Draining { run, .. }
                | Phase::Stopping { run, .. } => self.begin_stop(run, Then::Forget, policy, now),
                Phase::Replacing { old, new } => {
                    self.give_up(old, new, |life| life.begin_stop(old, Then::Forget, policy, now))
                }
            },
            Event::Release => match self.phase {
                Phase::Launching(run) | Phase::Online(run) if policy.drains => {
                    self.begin_drain(run, Then::Forget, policy, now)
                }
                Phase::Replacing { old, new } if policy.drains => {
                    self.give_up(old, new, |life| life.begin_drain(old, Then::Forget, policy, now))
                }
                _ => self.step(policy, Event::Delete, now),
            },
            Event::Reset => {
                self.restart_time = 0;
                self.unstable_restarts = 0;
                self.created_at = Some(now.wall);
                vec![Effect::Settled]
            }
            happened => self.happened(policy, happened, now),
        }
    }

    /// Where it goes after what nobody asked for.
    fn happened(&mut self, policy: &Policy, event: Event, now: Now) -> Vec<Effect> {
        match event {
            Event::Admit(gate) => match self.phase {
                Phase::Held { gate: at, due } if at == gate => {
                    self.pass(policy.gates.iter().find(|next| **next > gate), due)
                }
                _ => vec![],
            },
            Event::Refuse { gate, reason } => match self.phase {
                Phase::Held { gate: at, .. } if at == gate => self.not_started(reason),
                _ => vec![],
            },
            Event::Spawned { pid } => {
                let why = self.why;
                self.spawned(Run { pid, started: now, stage: Stage::Spawned, why }, policy, now)
            }
            Event::Found { pid, started } => {
                let why = self.why;
                self.spawned(Run { pid, started, stage: Stage::Spawned, why }, policy, now)
            }
            // No fault of the app: however short the run was, it counts as a stable one.
            Event::Bereft { pid, exit } => {
                let policy = Policy { min_uptime: 0, ..policy.clone() };
                self.happened(&policy, Event::Exited { pid, exit }, now)
            }
            Event::SpawnFailed { reason, is_shortage } => match self.phase {
                // No fault of the app.
                Phase::Starting if is_shortage => {
                    self.error = Some(format!("it will be tried again each second: {reason}"));
                    vec![Effect::Arm(now.mono + SHORTAGE_PAUSE), Effect::Settled]
                }
                Phase::Starting => self.not_started(reason),
                Phase::Replacing { old, .. } => {
                    let mut effects = self.stay(old, &reason, policy);
                    effects.insert(0, self.unstarted(Next::RolledBack));
                    effects
                }
                _ => vec![],
            },
            Event::Exited { pid, exit } => match self.phase {
                Phase::Launching(run) | Phase::Online(run) if run.pid == pid => {
                    self.after_exit(run, exit, policy, now)
                }
                Phase::Draining { run, then } | Phase::Stopping { run, then, .. } if run.pid == pid => {
                    self.after_stop(run, then, exit, policy, now)
                }
                Phase::Replacing { old, new: Some(new) } if new.pid == pid => {
                    let mut effects =
                        self.stay(old, &format!("the new one ended with {exit} before it was up"), policy);
                    effects.insert(0, ended(new, exit, Next::RolledBack));
                    effects
                }
                // The new one is all there is: it goes on as if it had been started.
                Phase::Replacing { old, new: Some(new) } if old.pid == pid => {
                    self.exit = Some(exit);
                    self.phase = Phase::Launching(new);
                    self.begin_run(new);
                    self.restart_time += 1;
                    vec![
                        Effect::Emit(EventKind::Exit(exit)),
                        ended(old, exit, Next::Replaced),
                        Effect::Promote,
                    ]
                }
                // A late word about an older run.
                _ => vec![],
            },
            Event::Left { pid, exit } => match self.phase {
                Phase::Launching(run) | Phase::Online(run) if run.pid == pid => {
                    self.begin_stop(run, Then::Ended { exit, at: now }, policy, now)
                }
                // Its end is awaited with that of the others.
                _ => vec![],
            },
            Event::Reached { pid, stage } => self.reached(pid, stage, policy, now),
            Event::Resume => self.resume(policy, now),
            Event::Drained => match self.phase {
                Phase::Draining { run, then } => self.begin_stop(run, then, policy, now),
                _ => vec![],
            },
            Event::Retired => match self.phase {
                Phase::Stopped | Phase::Held { .. } | Phase::Errored | Phase::Waiting | Phase::Online(_) => {
                    vec![Effect::Settled]
                }
                // Answered with what is under way.
                _ => vec![],
            },
            Event::Deadline => self.deadline(policy, now),
            // Those are orders.
            _ => vec![],
        }
    }

    /// Goes on with what was under way under another daemon.
    fn resume(&mut self, policy: &Policy, now: Now) -> Vec<Effect> {
        match self.phase {
            Phase::Starting => vec![Effect::Spawn],
            // What it says can no longer be heard: it is taken to be up, as after its time limit.
            Phase::Launching(run) => self.up(run, policy),
            Phase::Online(run) => policy.latest_end(run).map(Effect::Arm).into_iter().collect(),
            Phase::Draining { run, then } | Phase::Stopping { run, then, .. } => {
                self.begin_stop(run, then, policy, now)
            }
            // Where living is all that shows that the new run is up, it must have lived for long enough.
            Phase::Replacing { old, new: Some(new) } if policy.reloaded_at(old) <= Stage::Booted => {
                vec![Effect::Arm(new.started.mono + policy.min_uptime)]
            }
            // What the new run says can no longer be heard: as after its time limit.
            Phase::Replacing { new: Some(_), .. } => self.deadline(policy, now),
            _ => vec![],
        }
    }

    /// The time has come that it waited for, or that it had.
    fn deadline(&mut self, policy: &Policy, now: Now) -> Vec<Effect> {
        match self.phase {
            Phase::Launching(run) | Phase::Online(run) if policy.is_overdue(run, now) => {
                self.begin_stop(run, Then::Fail, policy, now)
            }
            // PM2's rule: who says nothing in time is taken to be up.
            Phase::Launching(run) => self.up(run, policy),
            Phase::Waiting => self.spawn_again(policy, now),
            Phase::Starting => vec![Effect::Spawn],
            // Where nothing shows that a run is up, it is one that lives.
            Phase::Replacing { old, new: Some(new) } if policy.reloaded_at(old) <= Stage::Booted => {
                self.take_over(old, new, policy, now)
            }
            // As at a start: it is taken to be up.
            Phase::Replacing { old, new: Some(new) } if new.stage >= policy.reloaded_at_last(old) => {
                let mut effects = vec![Effect::Unready];
                effects.extend(self.take_over(old, new, policy, now));
                effects
            }
            Phase::Replacing { old, new: Some(new) } => {
                let reason = format!(
                    "the new one (pid {}) was not up after {} ms (listen_timeout)",
                    new.pid, policy.listen_timeout
                );
                let mut effects = self.stay(old, &reason, policy);
                // Answered when it is gone, and ended by its own declaration.
                effects.pop();
                effects.insert(0, Effect::Retire { run: new, drain: false });
                effects
            }
            Phase::Draining { run, then } => self.begin_stop(run, then, policy, now),
            Phase::Stopping { run, then, killed: false } => {
                self.phase = Phase::Stopping { run, then, killed: true };
                let patience = policy.kill_timeout.max(MIN_KILL_PATIENCE);
                vec![Effect::Ask(Ask::Signal(Signal::KILL)), Effect::Arm(now.mono + patience)]
            }
            // A child in an uninterruptible wait, or one that could not be found. Those who wait are told; the
            // process stays `stopping`, so that it never runs twice, and is looked for again and again.
            Phase::Stopping { run, killed: true, .. } => {
                self.error = Some(format!("pid {} is still there after SIGKILL", run.pid));
                let patience = policy.kill_timeout.max(MIN_KILL_PATIENCE);
                let again = Effect::Ask(Ask::Signal(Signal::KILL));
                vec![again, Effect::Arm(now.mono + patience), Effect::Settled]
            }
            _ => vec![],
        }
    }

    /// A start that somebody asked for: the counters of the crash loop begin anew.
    fn start_afresh(&mut self, why: Why, policy: &Policy, now: Now) -> Vec<Effect> {
        self.why = why;
        self.unstable_restarts = 0;
        self.prev_delay = 0;
        self.attempts = 0;
        self.owed = None;
        self.created_at = Some(now.wall);
        self.error = None;
        let mut effects = vec![Effect::Disarm];
        effects.extend(self.pass(policy.gates.first(), why.due.unwrap_or(now.wall)));
        effects
    }

    /// A start that is `due` has come to `gate`; without one it begins.
    fn pass(&mut self, gate: Option<&Gate>, due: i64) -> Vec<Effect> {
        match gate {
            Some(&gate) => {
                self.phase = Phase::Held { gate, due };
                vec![Effect::Enter(gate)]
            }
            None => {
                self.phase = Phase::Starting;
                vec![Effect::Spawn]
            }
        }
    }

    /// A restart that nobody asked for.
    fn spawn_again(&mut self, policy: &Policy, now: Now) -> Vec<Effect> {
        self.restart_time += 1;
        self.owed = None;
        let mut effects = vec![Effect::Emit(EventKind::Restart)];
        // What it waited for when it was started has been; a place is needed for each run.
        effects.extend(self.pass(policy.gates.iter().find(|gate| **gate == Gate::Place), now.wall));
        effects
    }

    fn spawned(&mut self, run: Run, policy: &Policy, now: Now) -> Vec<Effect> {
        match self.phase {
            Phase::Starting => {
                self.begin_run(run);
                if policy.up_at == Stage::Spawned {
                    self.up(run, policy)
                } else {
                    self.phase = Phase::Launching(run);
                    let patience = now.mono + policy.listen_timeout;
                    vec![Effect::Arm(policy.latest_end(run).map_or(patience, |end| end.min(patience)))]
                }
            }
            Phase::Replacing { old, new: None } => {
                self.phase = Phase::Replacing { old, new: Some(run) };
                let is_shown = policy.reloaded_at(old) > Stage::Booted;
                let limit = if is_shown { policy.listen_timeout } else { policy.min_uptime };
                vec![Effect::Arm(now.mono + limit)]
            }
            // It was stopped while it was being spawned: the child must not live on unowned.
            _ => self.begin_stop(run, Then::Rest, policy, now),
        }
    }

    /// A run became the run of this process.
    fn begin_run(&mut self, run: Run) {
        self.started_at = run.started.wall;
        self.error = None;
    }

    /// The run `pid` has come as far as `stage`.
    fn reached(&mut self, pid: i32, stage: Stage, policy: &Policy, now: Now) -> Vec<Effect> {
        let runs = match &mut self.phase {
            Phase::Launching(run) | Phase::Online(run) => [Some(run), None],
            Phase::Replacing { old, new } => [Some(old), new.as_mut()],
            _ => [None, None],
        };
        if let Some(run) = runs.into_iter().flatten().find(|run| run.pid == pid) {
            run.stage = run.stage.max(stage);
        }
        match self.phase {
            Phase::Launching(run) if run.stage >= policy.up_at => self.up(run, policy),
            Phase::Replacing { old, new: Some(new) } => {
                let needed = policy.reloaded_at(old);
                if needed > Stage::Booted && new.stage >= needed {
                    self.take_over(old, new, policy, now)
                } else {
                    vec![]
                }
            }
            _ => vec![],
        }
    }

    /// The new run of a reload is up: the old one may end.
    fn take_over(&mut self, old: Run, new: Run, policy: &Policy, now: Now) -> Vec<Effect> {
        self.phase = Phase::Online(new);
        self.begin_run(new);
        self.restart_time += 1;
        self.unstable_restarts = 0;
        self.prev_delay = 0;
        self.created_at = Some(now.wall);
        vec![
            policy.watch_over(new),
            Effect::Retire { run: old, drain: true },
            Effect::Promote,
            Effect::Emit(EventKind::Online),
        ]
    }

    /// The reload has failed: the old run goes on.
    fn stay(&mut self, old: Run, reason: &str, policy: &Policy) -> Vec<Effect> {
        self.phase = Phase::Online(old);
        self.error = Some(format!("not reloaded, pid {} goes on: {reason}", old.pid));
        vec![policy.watch_over(old), Effect::Revert, Effect::Settled]
    }

    /// The reload is no longer wanted: its new run goes, and `then` is done with the old one.
    fn give_up(
        &mut self,
        old: Run,
        new: Option<Run>,
        then: impl FnOnce(&mut Self) -> Vec<Effect>,
    ) -> Vec<Effect> {
        self.phase = Phase::Online(old);
        let retired = new.map(|run| Effect::Retire { run, drain: false });
        retired.into_iter().chain(then(self)).collect()
    }

    /// It was to be started, and that cannot be.
    fn not_started(&mut self, reason: String) -> Vec<Effect> {
        self.phase = Phase::Errored;
        self.error = Some(reason);
        vec![self.unstarted(Next::Errored), Effect::Emit(EventKind::Errored), Effect::Settled]
    }

    /// The run that was to be started could not be.
    fn unstarted(&self, next: Next) -> Effect {
        Effect::Ended(Ended { run: None, why: self.why, exit: None, next, asked_by: None })
    }

    fn up(&mut self, run: Run, policy: &Policy) -> Vec<Effect> {
        self.phase = Phase::Online(run);
        vec![policy.watch_over(run), Effect::Emit(EventKind::Online), Effect::Settled]
    }

    fn begin_stop(&mut self, run: Run, then: Then, policy: &Policy, now: Now) -> Vec<Effect> {
        self.phase = Phase::Stopping { run, then, killed: false };
        vec![Effect::Ask(policy.stop), Effect::Arm(now.mono + policy.kill_timeout)]
    }

    fn begin_drain(&mut self, run: Run, then: Then, policy: &Policy, now: Now) -> Vec<Effect> {
        self.phase = Phase::Draining { run, then };
        vec![Effect::Drain, Effect::Arm(now.mono + policy.kill_timeout)]
    }

    /// Changes what follows a stop that is under way. A delete cannot be taken back, and a counted restart stays
    /// counted.
    fn divert(&mut self, next: Then) -> Vec<Effect> {
        if let Phase::Stopping { then: then @ (Then::Rest | Then::Fail | Then::Ended { .. }), .. }
        | Phase::Draining { then: then @ Then::Rest, .. } = &mut self.phase
        {
            *then = next;
        }
        vec![]
    }

    fn after_stop(&mut self, run: Run, then: Then, exit: Exit, policy: &Policy, now: Now) -> Vec<Effect> {
        if let Then::Ended { exit, at } = then {
            // How long it was up is counted to the end of its main process.
            return self.after_exit(run, exit, policy, at);
        }
        self.exit = Some(exit);
        self.error = None;
        let ended = |next, asked_by| Ended { run: Some(run), why: run.why, exit: Some(exit), next, asked_by };
        let over = |next, asked_by| Effect::Ended(ended(next, asked_by));
        let mut effects = vec![Effect::Disarm, Effect::Emit(EventKind::Exit(exit))];
        match then {
            // Seen to above.
            Then::Ended { .. } => {}
            Then::Fail => {
                let limit = policy.task.as_ref().and_then(|task| task.timeout).unwrap_or_default();
                let reason = format!("it ran longer than {limit} ms (task_timeout)");
                let ended = ended(Next::Rests, Some(Cause::Timeout));
                effects.extend(self.conclude(ended, Some(reason), policy, now));
            }
            Then::Rest => {
                effects.push(over(Next::Stopped, None));
                effects.extend(self.rest());
            }
            Then::Forget => {
                effects.push(over(Next::Deleted, None));
                effects.extend(self.forget());
            }
            Then::Start { counted, why } => {
                effects.push(over(Next::Restarted, Some(why.cause)));
                self.restart_time += u32::from(counted);
                effects.extend(self.start_afresh(why, policy, now));
            }
        }
        effects
    }

    fn rest(&mut self) -> Vec<Effect> {
        self.owed = None;
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
        let mut effects = vec![Effect::Disarm, Effect::Emit(EventKind::Exit(exit))];
        let wanted = matches!(exit, Exit::Code(code) if policy.stop_exit_codes.contains(&code));
        if !policy.autorestart || wanted {
            let failed = !wanted && exit != Exit::Code(0);
            let next = if wanted { Next::StopExitCode } else { Next::Rests };
            let over = Ended { run: Some(run), why: run.why, exit: Some(exit), next, asked_by: None };
            effects.extend(self.conclude(over, failed.then(|| exit.to_string()), policy, now));
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
                effects.push(ended(run, exit, Next::Errored));
                effects.extend([Effect::Emit(EventKind::Errored), Effect::Settled]);
                return effects;
            }
        }
        let (next, cause) = match (delay, policy.backoff) {
            (0, _) => (Next::AtOnce, Cause::Autorestart),
            (_, 0) => (Next::Delayed, Cause::RestartDelay),
            _ => (Next::BackedOff, Cause::Backoff),
        };
        effects.push(ended(run, exit, next));
        self.why = cause.into();
        if delay == 0 {
            effects.extend(self.spawn_again(policy, now));
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

/// A run has ended by itself.
fn ended(run: Run, exit: Exit, next: Next) -> Effect {
    Effect::Ended(Ended { run: Some(run), why: run.why, exit: Some(exit), next, asked_by: None })
}
