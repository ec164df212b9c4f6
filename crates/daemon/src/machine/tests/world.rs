//! A process as the machine sees it: children that come and go, a clock, and what must always hold.

use super::*;

/// A process and a clock that moves when told.
#[derive(Clone)]
pub(super) struct World {
    pub(super) life: Life,
    pub(super) policy: Policy,
    pub(super) now: Now,
    pub(super) next_pid: i32,
    /// The child that lives, if any.
    pub(super) child: Option<i32>,
    /// The child that a reload started beside it.
    pub(super) second: Option<i32>,
    /// Those that were given away and live.
    pub(super) retired: Vec<i32>,
    pub(super) drained: u32,
    pub(super) reverted: u32,
    /// How often a new run was taken to be up although it had not said so.
    pub(super) unready: u32,
    /// Gates let everybody pass.
    pub(super) open: bool,
    pub(super) held: Option<Gate>,
    pub(super) armed: Option<u64>,
    pub(super) signals: Vec<Signal>,
    pub(super) settled: u32,
    pub(super) ended: Vec<Ended>,
    pub(super) forgotten: bool,
    /// The system can start nothing.
    pub(super) is_short: bool,
    /// What is to be started is not there.
    pub(super) is_missing: bool,
}

impl World {
    pub(super) fn new(change: impl FnOnce(&mut AppSpec)) -> Self {
        let mut app = AppSpec::new("app", "/bin/app".into(), rpm_core::Interpreter::None, "/".into());
        change(&mut app);
        let now = Now { wall: 1_000_000, mono: 1_000 };
        Self {
            life: Life::new(now),
            policy: Policy::of(&app, &MaxParallel::default()),
            now,
            next_pid: 100,
            child: None,
            second: None,
            retired: vec![],
            drained: 0,
            reverted: 0,
            unready: 0,
            open: true,
            held: None,
            armed: None,
            signals: vec![],
            settled: 0,
            ended: vec![],
            forgotten: false,
            is_short: false,
            is_missing: false,
        }
    }

    /// Steps, and carries out the effects as the daemon does: an outcome is the next event.
    pub(super) fn event(&mut self, event: Event) -> &mut Self {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            for effect in self.life.step(&self.policy, event, self.now) {
                let outcome = self.perform(effect);
                assert!(outcome.is_none() || next.is_none(), "two outcomes of one step: {:?}", self.life);
                next = outcome.or(next);
            }
        }
        self
    }

    fn perform(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Spawn => return Some(self.spawn()),
            Effect::Enter(gate) if self.open => return Some(Event::Admit(gate)),
            Effect::Enter(gate) => {
                self.held = Some(gate);
                self.settled += 1;
            }
            Effect::Ask(ask) => {
                assert!(self.child.is_some(), "nobody was asked to end");
                if let Ask::Signal(signal) = ask {
                    self.signals.push(signal);
                }
            }
            Effect::Drain => {
                assert!(self.child.is_some(), "nobody was asked to finish");
                self.drained += 1;
            }
            Effect::Retire { run, .. } => {
                let place = if self.second == Some(run.pid) { &mut self.second } else { &mut self.child };
                assert_eq!(place.take(), Some(run.pid), "a stranger was given away");
                self.retired.push(run.pid);
            }
            Effect::Promote => {
                assert_eq!(self.child, None, "the place is taken");
                assert!(self.second.is_some(), "nobody was promoted");
                self.child = self.second.take();
            }
            Effect::Revert => self.reverted += 1,
            Effect::Unready => self.unready += 1,
            Effect::Arm(at) => self.armed = Some(at),
            Effect::Disarm => self.armed = None,
            Effect::Settled => self.settled += 1,
            Effect::Ended(ended) => self.ended.push(ended),
            Effect::Forget => {
                assert_eq!((self.child, self.second), (None, None), "forgotten with a child");
                self.forgotten = true;
            }
            Effect::Emit(_) => {}
        }
        None
    }

    /// A new child, in the place that is for it.
    fn spawn(&mut self) -> Event {
        let place = match self.life.phase {
            Phase::Replacing { .. } => &mut self.second,
            _ => &mut self.child,
        };
        assert_eq!(*place, None, "two children at once");
        if self.is_short || self.is_missing {
            let reason = if self.is_short { "too many open files" } else { "no such file" };
            return Event::SpawnFailed { reason: reason.to_owned(), is_shortage: self.is_short };
        }
        self.next_pid += 1;
        *place = Some(self.next_pid);
        Event::Spawned { pid: self.next_pid }
    }

    pub(super) fn exits(&mut self, exit: Exit) -> &mut Self {
        let pid = self.child.take().expect("a child to end");
        self.event(Event::Exited { pid, exit })
    }

    /// The one that a reload started ends.
    pub(super) fn second_exits(&mut self, exit: Exit) -> &mut Self {
        let pid = self.second.take().expect("a second child to end");
        self.event(Event::Exited { pid, exit })
    }

    /// The latest child has come that far.
    pub(super) fn reaches(&mut self, stage: Stage) -> &mut Self {
        let pid = self.second.or(self.child).expect("a child");
        self.event(Event::Reached { pid, stage })
    }

    /// One that was given away ends.
    pub(super) fn retires(&mut self) -> &mut Self {
        self.retired.pop().expect("one that was given away");
        self.event(Event::Retired)
    }

    /// The gate at which it waits lets it pass.
    pub(super) fn opens(&mut self) -> &mut Self {
        let gate = self.held.take().expect("it waits");
        self.event(Event::Admit(gate))
    }

    pub(super) fn after(&mut self, ms: u64) -> &mut Self {
        self.now.mono += ms;
        self.now.wall += ms as i64;
        if self.armed.is_some_and(|at| at <= self.now.mono) {
            self.armed = None;
            self.event(Event::Deadline);
        }
        self
    }

    /// Why its run was started.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.life.run().map(|run| run.why.cause)
    }

    /// Of the run that ended last: why it was started, and what followed.
    pub(super) fn story(&self) -> (Cause, Next) {
        self.ended.last().map(|ended| (ended.why.cause, ended.next)).expect("one that ended")
    }

    pub(super) fn status(&self) -> Status {
        self.life.status()
    }

    /// The daemon dies and another takes over (`god::recover`): what lives goes on, what was armed is gone.
    pub(super) fn changes_daemon(&mut self) -> &mut Self {
        self.armed = None;
        match self.life.phase {
            Phase::Waiting => self.armed = Some(self.now.mono + self.life.prev_delay),
            Phase::Replacing { old, .. } => match self.second {
                None => self.life.phase = Phase::Online(old),
                Some(_) => _ = self.event(Event::Resume),
            },
            _ => _ = self.event(Event::Resume),
        }
        self
    }

    /// What always holds.
    pub(super) fn check(&self) {
        let Life { phase, .. } = &self.life;
        if self.forgotten {
            assert_eq!((self.child, self.second, self.armed), (None, None, None), "nothing is left of it");
            return;
        }
        // Each child that lives is known, and each that is known lives: none is lost, none runs twice.
        assert_eq!(self.child, self.life.run().map(|run| run.pid), "{phase:?}");
        let second = match phase {
            Phase::Replacing { new, .. } => new.map(|run| run.pid),
            _ => None,
        };
        assert_eq!(self.second, second, "{phase:?}");
        let is_timed = match phase {
            Phase::Waiting
            | Phase::Starting
            | Phase::Launching(_)
            | Phase::Replacing { .. }
            | Phase::Draining { .. }
            | Phase::Stopping { .. } => true,
            // Its time limit as a task.
            Phase::Online(run) => self.policy.latest_end(*run).is_some(),
            Phase::Stopped | Phase::Held { .. } | Phase::Errored => false,
        };
        assert_eq!(
            self.armed.is_some(),
            is_timed,
            "what passes has an end, what stays does not wake: {phase:?}"
        );
        assert!(*phase != Phase::Errored || self.life.error.is_some(), "a failure has a reason");
    }

    /// The next daemon reads what this one has written.
    pub(super) fn can_be_kept(&self) {
        let text = serde_json::to_string(&self.life).expect("a life is written");
        assert_eq!(serde_json::from_str::<Life>(&text).ok().as_ref(), Some(&self.life));
    }
}
