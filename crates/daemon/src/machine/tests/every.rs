//! Every event in every state that can be reached: each pair of commands, in each phase, and all that follows.
//!
//! States that differ only in pids and times are one. Of each the search tries all that may happen next, so what holds
//! here holds for sequences of any length.

use std::collections::{BTreeSet, HashSet, VecDeque};

use rpm_core::Reload;

use super::{make_worker, *};

/// More than any way to rest takes.
const PATIENCE: usize = 60;

/// What people and schedules ask for.
fn commands() -> [Event; 8] {
    [
        Event::Start(Cause::User.into()),
        Event::Restart(Cause::Restart.into()),
        Event::Reload(Cause::Reload.into()),
        Event::Tick(Why::tick(7)),
        Event::Stop,
        Event::Delete,
        Event::Release,
        Event::Reset,
    ]
}

/// What else may happen.
#[derive(Clone, Debug)]
enum Happening {
    /// The child ends after so many milliseconds, in which it was not asked to.
    Ends(Exit, u64),
    SecondEnds(Exit),
    Reaches(Stage),
    Drained,
    Retires,
    /// Its main process ends by itself after so many milliseconds, and leaves others.
    Leaves(Exit, u64),
    /// What is armed comes.
    Time,
    Opens,
    Refuses,
    ChangesDaemon,
    /// A word about what is long over, or about somebody else.
    Late(Event),
}

fn happenings() -> Vec<Happening> {
    use Happening::*;
    let refused = Event::Refuse { gate: Gate::Dependencies, reason: "late".to_owned() };
    let late = [
        Event::Exited { pid: 1, exit: Exit::Code(0) },
        Event::Reached { pid: 1, stage: Stage::Ready },
        Event::Admit(Gate::Dependencies),
        Event::Admit(Gate::Place),
        refused,
        Event::Retired,
        Event::Drained,
        Event::SpawnFailed { reason: "late".to_owned(), is_shortage: false },
    ];
    let exits = [Exit::Code(0), Exit::Code(7), Exit::Signal(9)];
    exits
        .into_iter()
        .flat_map(|exit| {
            [Ends(exit, 0), Ends(exit, 40_000), SecondEnds(exit), Leaves(exit, 0), Leaves(exit, 40_000)]
        })
        .chain([Stage::Booted, Stage::Listening, Stage::Ready].map(Reaches))
        .chain([Drained, Retires, Time, Opens, Refuses, ChangesDaemon])
        .chain(late.map(Late))
        .collect()
}

impl World {
    /// Does what `happening` says, if it can happen now.
    fn happens(&mut self, happening: Happening) -> bool {
        let has_gate = self.held.is_some() && matches!(self.life.phase, Phase::Held { .. });
        let can_be = match happening {
            Happening::Ends(..) | Happening::Reaches(_) => self.child.is_some(),
            Happening::SecondEnds(_) => self.second.is_some(),
            Happening::Leaves(..) => matches!(self.life.phase, Phase::Launching(_) | Phase::Online(_)),
            Happening::Drained => matches!(self.life.phase, Phase::Draining { .. }),
            Happening::Retires => !self.retired.is_empty(),
            Happening::Time => self.armed.is_some(),
            Happening::Opens | Happening::Refuses => has_gate,
            // A word about a spawn that nobody waits for any more; one that is awaited has its own.
            Happening::Late(Event::SpawnFailed { .. }) => {
                !matches!(self.life.phase, Phase::Starting | Phase::Replacing { .. })
            }
            // The gate at which it waits is the other one's.
            Happening::Late(Event::Admit(gate) | Event::Refuse { gate, .. }) => {
                !matches!(self.life.phase, Phase::Held { gate: at, .. } if at == gate)
            }
            Happening::ChangesDaemon | Happening::Late(_) => true,
        };
        if !can_be {
            return false;
        }
        match happening {
            Happening::Ends(exit, age) => {
                self.now.mono += age;
                self.exits(exit);
            }
            Happening::SecondEnds(exit) => _ = self.second_exits(exit),
            Happening::Leaves(exit, age) => {
                self.now.mono += age;
                let pid = self.child.expect("a child to end");
                self.event(Event::Left { pid, exit });
            }
            Happening::Reaches(stage) => _ = self.reaches(stage),
            Happening::Drained => _ = self.event(Event::Drained),
            Happening::Retires => _ = self.retires(),
            Happening::Time => self.waits(),
            Happening::Opens => _ = self.opens(),
            Happening::Refuses => {
                let gate = self.held.take().expect("it waits");
                self.event(Event::Refuse { gate, reason: "what it needs has failed".to_owned() });
            }
            Happening::ChangesDaemon => _ = self.changes_daemon(),
            Happening::Late(event) => _ = self.event(event),
        }
        true
    }

    /// Until what is armed comes.
    fn waits(&mut self) {
        let at = self.armed.expect("something is armed");
        self.after(at.saturating_sub(self.now.mono));
    }

    /// Lets the world go on by itself until nothing moves: children that are asked to end do so and those that start
    /// say that they are up, or if they are `deaf` only time and SIGKILL move anything.
    fn comes_to_rest(&mut self, is_deaf: bool) {
        (self.open, self.is_short, self.is_missing) = (true, false, false);
        for _ in 0..PATIENCE {
            self.check();
            match self.life.phase {
                _ if self.forgotten => return,
                _ if !self.retired.is_empty() => _ = self.retires(),
                Phase::Held { .. } => _ = self.opens(),
                Phase::Launching(_) if !is_deaf => _ = self.reaches(Stage::Ready),
                // Else nothing but time shows that it is up.
                Phase::Replacing { old, new: Some(_) }
                    if !is_deaf && self.policy.reloaded_at(old) > Stage::Booted =>
                {
                    self.reaches(Stage::Ready);
                }
                Phase::Draining { .. } if !is_deaf => _ = self.event(Event::Drained),
                Phase::Stopping { killed: true, .. } => _ = self.exits(Exit::Signal(9)),
                Phase::Stopping { .. } if !is_deaf => _ = self.exits(Exit::Signal(2)),
                Phase::Stopped | Phase::Errored | Phase::Online(_) => return,
                _ => self.waits(),
            }
        }
        panic!("it never comes to rest: {:?}", self.life);
    }

    /// What makes this state another than the next one.
    fn state(&self) -> String {
        let Self { child, second, retired, open: _, held, armed, forgotten, .. } = self;
        let overdue = self.life.run().is_some_and(|run| self.policy.is_overdue(run, self.now));
        let there =
            [child.is_some(), second.is_some(), !retired.is_empty(), armed.is_some(), overdue, *forgotten];
        let Life { phase, unstable_restarts, attempts, owed, error, .. } = &self.life;
        let counters = (unstable_restarts, attempts, owed.is_some(), error.is_some(), held);
        format!("{:?} {there:?} {counters:?}", bare(phase.clone()))
    }
}

/// A phase without pids and times.
fn bare(phase: Phase) -> Phase {
    let run = |run: Run| Run { pid: 0, started: Now { wall: 0, mono: 0 }, why: Why::default(), ..run };
    let after = |then, started: u64| match then {
        Then::Start { counted, .. } => Then::Start { counted, why: Why::default() },
        // Whether it had been up for long is what counts.
        Then::Ended { exit, at } => {
            let was_stable = u64::from(at.mono.saturating_sub(started) >= 40_000);
            Then::Ended { exit, at: Now { wall: 0, mono: was_stable } }
        }
        then => then,
    };
    match phase {
        Phase::Held { gate, .. } => Phase::Held { gate, due: 0 },
        Phase::Launching(r) => Phase::Launching(run(r)),
        Phase::Online(r) => Phase::Online(run(r)),
        Phase::Replacing { old, new } => Phase::Replacing { old: run(old), new: new.map(run) },
        Phase::Draining { run: r, then } => {
            Phase::Draining { run: run(r), then: after(then, r.started.mono) }
        }
        Phase::Stopping { run: r, then, killed } => {
            Phase::Stopping { run: run(r), then: after(then, r.started.mono), killed }
        }
        phase => phase,
    }
}

/// The name of a phase.
fn name(phase: &Phase) -> String {
    format!("{phase:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// All that may come of a process of this kind. Returns the phases that it has been in.
fn explore(start: World) -> BTreeSet<String> {
    let mut seen = HashSet::from([start.state()]);
    let mut phases = BTreeSet::new();
    let mut ahead = VecDeque::from([start]);
    while let Some(world) = ahead.pop_front() {
        phases.insert(name(&world.life.phase));
        let mut next = Vec::new();
        for command in commands() {
            is_obeyed(&world, &command);
            for (is_short, is_missing, open) in
                [(false, false, true), (false, false, false), (true, false, true), (false, true, true)]
            {
                let mut after = World { open, is_short, is_missing, ..world.clone() };
                after.event(command.clone());
                next.push(after);
            }
        }
        for happening in happenings() {
            for open in [true, false] {
                let mut after = World { open, is_short: false, is_missing: false, ..world.clone() };
                if after.happens(happening.clone()) {
                    next.push(after);
                }
            }
        }
        for after in next {
            after.check();
            if !after.forgotten && seen.insert(after.state()) {
                after.can_be_kept();
                for is_deaf in [true, false] {
                    after.clone().comes_to_rest(is_deaf);
                }
                ahead.push_back(after);
            }
        }
    }
    phases
}

/// In whatever state it comes, a command is answered, and leads where it should.
fn is_obeyed(world: &World, command: &Event) {
    let is_doomed = |world: &World| {
        matches!(
            world.life.phase,
            Phase::Draining { then: Then::Forget, .. } | Phase::Stopping { then: Then::Forget, .. }
        )
    };
    for is_deaf in [true, false] {
        let mut after = world.clone();
        (after.open, after.is_short, after.is_missing) = (true, false, false);
        let answered = after.settled;
        after.event(command.clone()).comes_to_rest(is_deaf);
        let place = format!("{command:?} in {:?} led to {:?}", world.life, after.life);
        assert!(after.settled > answered || matches!(command, Event::Tick(_)), "no answer: {place}");
        match command {
            Event::Delete | Event::Release => assert!(after.forgotten, "{place}"),
            _ if is_doomed(world) => assert!(after.forgotten, "a delete is final: {place}"),
            Event::Stop => assert_eq!(after.life.phase, Phase::Stopped, "{place}"),
            Event::Start(_) | Event::Restart(_) | Event::Reload(_) => {
                // One that is not up in time may also have been too slow for a task.
                let is_up = after.child.is_some() || is_deaf && after.policy.task.is_some();
                assert!(is_up, "{place}");
            }
            _ => {}
        }
    }
}

/// A kind of app, and how it is declared.
type Kind = (&'static str, fn(&mut AppSpec));

#[test]
fn every_event_in_every_state() {
    let kinds: [Kind; 10] = [
        ("app", |_| {}),
        ("limited", |app| {
            app.max_restarts = Some(1);
            app.restart_delay = Some(Millis(100));
        }),
        ("delayed", |app| app.restart_delay = Some(Millis(100))),
        ("backed off", |app| app.exp_backoff_restart_delay = Some(Millis(100))),
        ("announced", |app| app.wait_ready = true),
        ("overlapping", |app| {
            app.reload = Some(Reload::Overlap);
            app.stop_exit_codes = vec![7];
        }),
        ("worker", make_worker),
        ("announced worker", |app| {
            make_worker(app);
            app.wait_ready = true;
        }),
        ("task", |app| {
            app.autorestart = false;
            app.task_timeout = Some(Millis(2_000));
            app.retries = 2;
            app.cron_overlap = Overlap::Queue;
        }),
        ("task that is not disturbed", |app| {
            app.autorestart = false;
            app.task_timeout = Some(Millis(500));
            app.wait_ready = true;
            app.cron_overlap = Overlap::Skip;
        }),
    ];
    let mut phases = BTreeSet::new();
    for (kind, declare) in kinds {
        let mut world = World::new(|app| {
            // Each more is another state of everything.
            app.max_restarts = Some(2);
            declare(app);
        });
        // Where they are open, it is as if they were not there.
        world.policy.gates = vec![Gate::Dependencies, Gate::Place];
        let found = explore(world);
        assert!(found.len() >= 6, "{kind}: {found:?}");
        phases.extend(found);
    }
    let all = [
        "Draining",
        "Errored",
        "Held",
        "Launching",
        "Online",
        "Replacing",
        "Starting",
        "Stopped",
        "Stopping",
        "Waiting",
    ];
    assert_eq!(phases, BTreeSet::from(all.map(str::to_owned)), "each phase can be reached");
}
