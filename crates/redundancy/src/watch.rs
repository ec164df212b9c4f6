//! One round of a part: look, decide, act, remember.
//!
//! What a part remembers is in a file, and whoever does a round holds that file's lock: it makes no difference whether
//! the orchestrator, a part that runs alone or somebody at a terminal does it, and a restart forgets nothing.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::PathBuf,
    sync::Arc,
};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Part,
    config::Files,
    health::{Level, PartHealth, UnitHealth},
    log::{Log, Severity, replace},
    moment::Moment,
    stop::Stop,
};

/// What comes to a machine.
#[derive(Clone, Debug)]
pub(crate) enum Event<S, D> {
    /// This is how the world is.
    Seen(S),
    /// This was tried.
    Done(D, Result<String, String>),
}

/// What a machine wants.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step<D> {
    /// To be done, and its outcome told.
    Do(D),
    /// To be written into the log.
    Tell(Severity, String),
}

/// Adds a line for the log.
pub(crate) fn tell<D>(steps: &mut Vec<Step<D>>, severity: Severity, text: String) {
    steps.push(Step::Tell(severity, text));
}

/// The decisions of a part: pure, without a clock. It is what the part remembers.
pub(crate) trait Machine: Serialize + DeserializeOwned + Default {
    type Settings;
    /// How the world is.
    type Seen;
    /// What can be done to it.
    type Deed: Clone;

    /// Takes in what happened, and says what is to be done about it.
    fn step(
        &mut self,
        settings: &Self::Settings,
        event: Event<Self::Seen, Self::Deed>,
        now: Moment,
    ) -> Vec<Step<Self::Deed>>;

    /// What is watched, by name.
    fn units(&self, settings: &Self::Settings) -> Vec<UnitHealth>;

    /// What is wrong with the part itself, and how much that matters.
    fn notes(&self, settings: &Self::Settings) -> Vec<(Level, String)>;

    /// Whether a deed must not be done again if the companion dies before its end. Then what is remembered is written
    /// before it is begun.
    fn is_once(_: &Self::Deed) -> bool {
        false
    }

    /// When to look next, after a look at `checked`.
    fn due(&self, settings: &Self::Settings, checked: Moment) -> Moment;
}

/// Where a machine looks and acts.
pub(crate) trait World<M: Machine> {
    /// Looks. `memory` says what need not be looked at again.
    fn look(&mut self, memory: &M, now: Moment) -> M::Seen;

    /// Does it, and says what came of it.
    fn perform(&mut self, deed: &M::Deed) -> Result<String, String>;
}

/// What a part has in its file.
#[derive(Serialize, Deserialize)]
#[serde(bound = "M: Machine")]
struct Memory<M> {
    health: PartHealth,
    due: Moment,
    machine: M,
}

/// A part at work.
pub(crate) struct Watch<M: Machine, W> {
    pub(crate) part: Part,
    pub(crate) settings: M::Settings,
    pub(crate) world: W,
    pub(crate) log: Log,
    directory: PathBuf,
    stop: Arc<Stop>,
}

impl<M: Machine, W: World<M>> Watch<M, W> {
    pub(crate) fn new(
        part: Part,
        settings: M::Settings,
        world: W,
        log: Log,
        files: &Files,
        stop: Arc<Stop>,
    ) -> Self {
        Self { part, settings, world, log, directory: files.state.clone(), stop }
    }

    /// A round if it is due. When the next one is.
    pub(crate) fn round_if_due(&mut self) -> io::Result<Moment> {
        let _lock = self.lock()?;
        let mut memory = self.load();
        let now = Moment::now();
        // Later than after a check now: the clock was set back, or the interval made shorter.
        let is_odd = memory.due > memory.machine.due(&self.settings, now);
        if memory.due <= now || is_odd || memory.health.checked_at.is_none() {
            self.check(&mut memory)?;
        }
        Ok(memory.due)
    }

    /// A round now.
    pub(crate) fn round(&mut self) -> io::Result<PartHealth> {
        let _lock = self.lock()?;
        let mut memory = self.load();
        self.check(&mut memory)?;
        Ok(memory.health)
    }

    /// Looks, and neither acts nor remembers.
    pub(crate) fn look(&mut self) -> PartHealth {
        let mut memory = self.load();
        let now = Moment::now();
        let seen = self.world.look(&memory.machine, now);
        memory.machine.step(&self.settings, Event::Seen(seen), now);
        self.health(&memory.machine, now)
    }

    /// What is remembered now.
    pub(crate) fn memory(&self) -> M {
        self.load().machine
    }

    /// Does these whatever the machine thinks, then a round.
    pub(crate) fn order(
        &mut self,
        deeds: Vec<M::Deed>,
    ) -> io::Result<(Vec<Result<String, String>>, PartHealth)> {
        let _lock = self.lock()?;
        let mut memory = self.load();
        let mut outcomes = Vec::new();
        for deed in deeds {
            outcomes.push(self.act(&mut memory, deed));
        }
        self.check(&mut memory)?;
        Ok((outcomes, memory.health))
    }

    fn check(&mut self, memory: &mut Memory<M>) -> io::Result<()> {
        let now = Moment::now();
        let seen = self.world.look(&memory.machine, now);
        if self.stop.is_due() {
            return Ok(());
        }
        let before = memory.health.level;
        let steps = memory.machine.step(&self.settings, Event::Seen(seen), now);
        self.carry_out(memory, steps);
        memory.health = self.health(&memory.machine, now);
        memory.due = memory.machine.due(&self.settings, now);
        let after = memory.health.level;
        if before != after {
            let severity = if after == Level::Healthy { Severity::Info } else { Severity::Warn };
            self.log.write(severity, &format!("was {before}, is {after}: {}", memory.health.summary()));
        }
        if self.stop.is_due() {
            // What was cut short is no failure of anybody: this round never was.
            return Ok(());
        }
        self.save(memory)
    }

    fn save(&self, memory: &Memory<M>) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(memory)?;
        text.push(b'\n');
        // Functions may have said anything.
        replace(&self.file(), &text, 0o600)
    }

    fn carry_out(&mut self, memory: &mut Memory<M>, steps: Vec<Step<M::Deed>>) {
        for step in steps {
            match step {
                Step::Tell(severity, text) => self.log.write(severity, &text),
                Step::Do(deed) => _ = self.act(memory, deed),
            }
        }
    }

    /// Does one thing and what follows from it.
    fn act(&mut self, memory: &mut Memory<M>, deed: M::Deed) -> Result<String, String> {
        let kept = if M::is_once(&deed) { self.save(memory) } else { Ok(()) };
        let outcome = match kept {
            Ok(()) => self.world.perform(&deed),
            Err(error) => Err(format!("not begun, because it could not be remembered: {error}")),
        };
        let event = Event::Done(deed, outcome.clone());
        let steps = memory.machine.step(&self.settings, event, Moment::now());
        self.carry_out(memory, steps);
        outcome
    }

    fn health(&self, machine: &M, now: Moment) -> PartHealth {
        let clean = |text: &str| self.log.clean(text);
        let mut units = machine.units(&self.settings);
        for unit in &mut units {
            unit.note = clean(&unit.note);
        }
        let notes = machine.notes(&self.settings);
        let levels = units.iter().map(|unit| unit.level).chain(notes.iter().map(|(level, _)| *level));
        PartHealth {
            part: self.part,
            level: levels.max().unwrap_or_default(),
            checked_at: Some(now),
            pid: std::process::id(),
            notes: notes.iter().map(|(_, text)| clean(text)).collect(),
            units,
        }
    }

    fn file(&self) -> PathBuf {
        self.directory.join(format!("{}.json", self.part))
    }

    fn lock(&self) -> io::Result<Flock<File>> {
        fs::create_dir_all(&self.directory)?;
        let path = self.directory.join(format!("{}.lock", self.part));
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno.into())
    }

    /// What is remembered; nothing where the file cannot be understood, which is told.
    fn load(&self) -> Memory<M> {
        let path = self.file();
        let read = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| error.to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(self.nothing()),
            Err(error) => Err(error.to_string()),
        };
        read.unwrap_or_else(|reason| {
            let path = path.display();
            self.log.write(Severity::Warn, &format!("{path} cannot be understood, begins anew: {reason}"));
            self.nothing()
        })
    }

    fn nothing(&self) -> Memory<M> {
        Memory { health: never_checked(self.part), due: Moment::default(), machine: M::default() }
    }
}

fn never_checked(part: Part) -> PartHealth {
    let (level, pid) = (Level::Healthy, std::process::id());
    PartHealth { part, level, checked_at: None, pid, notes: Vec::new(), units: Vec::new() }
}

/// How a part stood at its last check, from its file, and when the next one is due.
pub(crate) fn remembered(part: Part, files: &Files) -> (PartHealth, Option<Moment>) {
    #[derive(Deserialize)]
    struct Known {
        health: PartHealth,
        due: Moment,
    }
    let text = fs::read(files.state.join(format!("{part}.json"))).unwrap_or_default();
    match serde_json::from_slice::<Known>(&text) {
        Ok(known) => (known.health, Some(known.due)),
        Err(_) => (never_checked(part), None),
    }
}

#[cfg(test)]
mod tests {
    use rpm_core::Millis;

    use super::*;
    use crate::mask::Mask;

    /// Counts what it sees, and has everything done that it sees.
    #[derive(Debug, Default, Serialize, Deserialize)]
    struct Counter {
        seen: u32,
        done: u32,
    }

    impl Machine for Counter {
        type Settings = Millis;
        type Seen = u32;
        type Deed = u32;

        fn step(&mut self, _: &Millis, event: Event<u32, u32>, _: Moment) -> Vec<Step<u32>> {
            match event {
                Event::Seen(0) => {
                    self.seen += 1;
                    Vec::new()
                }
                Event::Seen(number) => {
                    self.seen += 1;
                    vec![Step::Do(number), Step::Tell(Severity::Warn, "a s3cret-token".to_owned())]
                }
                Event::Done(deed, outcome) => {
                    assert_eq!(outcome, Ok(deed.to_string()));
                    self.done += deed;
                    // What is done may lead to more.
                    if deed > 1 { vec![Step::Do(deed - 1)] } else { Vec::new() }
                }
            }
        }

        fn units(&self, _: &Millis) -> Vec<UnitHealth> {
            let level = if self.done > 3 { Level::Unhealthy } else { Level::Healthy };
            vec![UnitHealth {
                name: "it".to_owned(),
                level,
                failures: self.done,
                note: "s3cret-token".to_owned(),
            }]
        }

        fn notes(&self, _: &Millis) -> Vec<(Level, String)> {
            Vec::new()
        }

        fn due(&self, interval: &Millis, checked: Moment) -> Moment {
            checked.after(*interval)
        }
    }

    impl World<Counter> for u32 {
        fn look(&mut self, _: &Counter, _: Moment) -> u32 {
            *self
        }

        fn perform(&mut self, deed: &u32) -> Result<String, String> {
            Ok(deed.to_string())
        }
    }

    /// A part in a directory, with what it sees and its interval.
    fn watch(directory: &std::path::Path, sees: u32, interval: u64, stop: Stop) -> Watch<Counter, u32> {
        let files =
            Files { logs: directory.join("logs"), state: directory.join("state"), ..Files::default() };
        let mask = Arc::new(Mask::new(std::iter::empty(), ["s3cret-token".to_owned()]));
        let log = Log::new(Part::Pm2, &files, mask, true);
        Watch::new(Part::Pm2, Millis(interval), sees, log, &files, Arc::new(stop))
    }

    fn never() -> Stop {
        Stop::never().unwrap()
    }

    #[test]
    fn whoever_does_a_round_goes_on_where_the_last_one_ended() {
        let directory = tempfile::tempdir().unwrap();
        let first = watch(directory.path(), 2, 0, never()).round().unwrap();
        assert_eq!((first.level, first.units[0].failures), (Level::Healthy, 3), "and all that followed");
        assert_eq!(first.units[0].note, "***");
        let mut second = watch(directory.path(), 1, 0, never());
        second.round_if_due().unwrap();
        let memory = second.memory();
        assert_eq!((memory.seen, memory.done), (2, 4));
        let log = fs::read_to_string(directory.path().join("logs/pm2.log")).unwrap();
        assert!(log.contains("WARN  pm2: a ***\n") && log.contains("was healthy, is unhealthy"), "{log}");
        assert!(!log.contains("s3cret"), "{log}");
    }

    #[test]
    fn a_round_is_done_when_it_is_due_and_when_the_time_is_odd() {
        let directory = tempfile::tempdir().unwrap();
        let mut part = watch(directory.path(), 0, 3_600_000, never());
        let due = part.round_if_due().unwrap();
        assert_eq!((part.round_if_due().unwrap(), part.memory().seen), (due, 1), "an hour has not passed");
        // As after the clock was set back: it is due much later than in an hour.
        part.settings = Millis(1_000);
        assert!(part.round_if_due().unwrap() < due);
        assert_eq!(part.memory().seen, 2);
    }

    #[test]
    fn a_look_changes_nothing_and_an_order_is_a_round_too() {
        let directory = tempfile::tempdir().unwrap();
        let mut part = watch(directory.path(), 5, 0, never());
        assert_eq!(part.look().units[0].failures, 0);
        assert_eq!(part.memory().seen, 0);
        part.world = 0;
        let (outcomes, health) = part.order(vec![1, 1]).unwrap();
        assert_eq!((outcomes.len(), health.units[0].failures, part.memory().seen), (2, 2, 1));
    }

    #[test]
    fn what_cannot_be_understood_is_told_and_begun_anew() {
        let directory = tempfile::tempdir().unwrap();
        let mut part = watch(directory.path(), 0, 0, never());
        part.round().unwrap();
        fs::write(directory.path().join("state/pm2.json"), "{\"health\":").unwrap();
        part.round().unwrap();
        assert_eq!(part.memory().seen, 1);
        let log = fs::read_to_string(directory.path().join("logs/pm2.log")).unwrap();
        assert!(log.contains("cannot be understood, begins anew: EOF"), "{log}");
    }
}
