//! Processes: what is decided about those that do not run, use too much, or write too much.

mod daemon;

use std::collections::BTreeMap;

use rpm_core::{Bytes, units::Memory as Shown};
use serde::{Deserialize, Serialize};

pub(crate) use self::daemon::Daemon;

use crate::{
    config::Pm2,
    health::{Level, UnitHealth},
    log::Severity,
    moment::{Moment, Spoken},
    watch::{Event, Machine, Step, tell},
};

/// What the daemon says.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// It cannot be asked, for this reason.
    Away(String),
    /// The watched processes, and what is wrong with the files that declare them.
    There { processes: Vec<Process>, faults: Vec<String> },
}

/// A watched app; several instances count as one.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub name: String,
    pub state: State,
    /// The busiest instance, percent of one core.
    pub cpu: f64,
    /// The largest instance, percent of what it may have.
    pub memory: f64,
    /// Its largest log.
    pub log: Bytes,
}

/// Whether it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Online,
    /// It is on its way up or down, by itself or by request.
    Moving(String),
    /// A task between two ticks of its schedule.
    Resting,
    /// Some instance does not run; these are they.
    Down {
        ids: Vec<u32>,
        status: String,
    },
    /// It is not in the table; whether a file declares it.
    Absent {
        declared: bool,
    },
}

/// What can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Start the daemon.
    Spawn,
    /// Start an app that a file declares.
    Start(String),
    /// Restart these instances of an app.
    Restart { name: String, ids: Vec<u32> },
    /// Rotate the logs of an app.
    Rotate(String),
    /// Stop everything and start it from the files.
    StartAnew,
}

/// What is remembered.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Processes {
    /// Since when the daemon is away, and why.
    away: Option<(Moment, String)>,
    faults: Vec<String>,
    units: BTreeMap<String, Unit>,
}

/// A watched process.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Unit {
    /// It has been in the table once.
    known: bool,
    trouble: Option<Trouble>,
    /// Looks in a row above a limit.
    over_cpu: u32,
    over_memory: u32,
    note: String,
}

/// It does not run.
#[derive(Debug, Serialize, Deserialize)]
struct Trouble {
    since: Moment,
    what: String,
    attempts: u32,
    last_attempt: Option<Moment>,
    /// When it was seen online again.
    online_since: Option<Moment>,
    /// All attempts are used up, which has been told.
    given_up: bool,
}

/// What a machine wants.
type Steps = Vec<Step<Deed>>;

impl Machine for Processes {
    type Settings = Pm2;
    type Seen = Seen;
    type Deed = Deed;

    fn step(&mut self, settings: &Pm2, event: Event<Seen, Deed>, now: Moment) -> Steps {
        let mut steps = Vec::new();
        match event {
            Event::Seen(Seen::Away(reason)) => self.is_away(settings, reason, now, &mut steps),
            Event::Seen(Seen::There { processes, faults }) => {
                if let Some((since, _)) = self.away.take() {
                    let text = format!("the daemon is back after {}", Spoken(now.since(since)));
                    tell(&mut steps, Severity::Info, text);
                }
                for fault in faults.iter().filter(|fault| !self.faults.contains(fault)) {
                    tell(&mut steps, Severity::Error, fault.clone());
                }
                self.faults = faults;
                let is_there = |name: &String| processes.iter().any(|process| process.name == *name);
                self.units.retain(|name, _| is_there(name));
                for process in processes {
                    let unit = self.units.entry(process.name.clone()).or_default();
                    unit.step(settings, &process, now, &mut steps);
                }
            }
            Event::Done(deed, outcome) => self.done(&deed, outcome, &mut steps),
        }
        steps
    }

    fn units(&self, _: &Pm2) -> Vec<UnitHealth> {
        let health = |(name, unit): (&String, &Unit)| {
            let (level, failures, note) = match &unit.trouble {
                Some(trouble) if trouble.online_since.is_none() => {
                    let level = if trouble.given_up { Level::Unhealthy } else { Level::Degraded };
                    (level, trouble.attempts, trouble.what.clone())
                }
                Some(trouble) => (Level::Healthy, trouble.attempts, unit.note.clone()),
                None if unit.note.starts_with(OVER) => (Level::Degraded, 0, unit.note.clone()),
                None => (Level::Healthy, 0, unit.note.clone()),
            };
            UnitHealth { name: name.clone(), level, failures, note }
        };
        self.units.iter().map(health).collect()
    }

    fn notes(&self, _: &Pm2) -> Vec<(Level, String)> {
        let away = self
            .away
            .iter()
            .map(|(since, reason)| (Level::Unhealthy, format!("the daemon is away since {since}: {reason}")));
        away.chain(self.faults.iter().map(|fault| (Level::Degraded, fault.clone()))).collect()
    }

    fn due(&self, settings: &Pm2, checked: Moment) -> Moment {
        let is_open = |unit: &Unit| {
            unit.trouble.as_ref().is_some_and(|trouble| !trouble.given_up && trouble.attempts > 0)
        };
        let soon = self.away.is_some() || self.units.values().any(is_open);
        let pause = settings.interval.value;
        checked.after(if soon { pause.min(settings.retry_delay.value) } else { pause })
    }
}

/// How notes begin about a process that uses too much.
const OVER: &str = "over its limit: ";

impl Processes {
    fn is_away(&mut self, settings: &Pm2, reason: String, now: Moment, steps: &mut Steps) {
        if self.away.is_none() {
            let will = if settings.start_daemon { "starting it" } else { "waiting for it" };
            tell(steps, Severity::Warn, format!("the daemon is away, {will}: {reason}"));
            self.away = Some((now, reason));
        }
        if settings.start_daemon {
            steps.push(Step::Do(Deed::Spawn));
        }
    }

    fn done(&mut self, deed: &Deed, outcome: Result<String, String>, steps: &mut Steps) {
        let (what, name) = match deed {
            Deed::Spawn => ("the daemon".to_owned(), None),
            Deed::Start(name) => (format!("{name}: start"), Some(name)),
            Deed::Restart { name, .. } => (format!("{name}: restart"), Some(name)),
            Deed::Rotate(name) => (format!("{name}: rotation of its logs"), None),
            Deed::StartAnew => {
                // Whatever was tried before counts no more.
                self.units.values_mut().for_each(|unit| unit.trouble = None);
                ("everything anew".to_owned(), None)
            }
        };
        let trouble = name.and_then(|name| self.units.get_mut(name)?.trouble.as_mut());
        match outcome {
            Ok(done) => tell(steps, Severity::Info, format!("{what}: {done}")),
            Err(error) => {
                tell(steps, Severity::Error, format!("{what} failed: {error}"));
                if let Some(trouble) = trouble {
                    trouble.what = error;
                }
            }
        }
    }
}

impl Unit {
    fn step(&mut self, settings: &Pm2, process: &Process, now: Moment, steps: &mut Steps) {
        let name = &process.name;
        match &process.state {
            State::Online | State::Resting => {
                self.known = true;
                self.is_well(settings, process, now, steps);
                self.over(settings, process, steps);
            }
            State::Moving(status) => {
                self.known = true;
                self.note.clone_from(status);
            }
            State::Down { ids, status } => {
                self.known = true;
                let deed = Deed::Restart { name: name.clone(), ids: ids.clone() };
                self.is_down(settings, name, status, Some(deed), now, steps);
            }
            State::Absent { declared: true } => {
                let deed = Deed::Start(name.clone());
                self.is_down(settings, name, "not in the table", Some(deed), now, steps);
            }
            State::Absent { declared: false } => {
                let status = "not in the table, and no ecosystem file declares it";
                self.is_down(settings, name, status, None, now, steps);
            }
        }
        if process.log > settings.max_log_size.value {
            let size = Shown(process.log);
            tell(steps, Severity::Warn, format!("{name}: a log of {size} is above the bound"));
            steps.push(Step::Do(Deed::Rotate(name.clone())));
        }
    }

    fn is_well(&mut self, settings: &Pm2, process: &Process, now: Moment, steps: &mut Steps) {
        let word = if process.state == State::Resting { "between two ticks" } else { "online" };
        word.clone_into(&mut self.note);
        let Some(trouble) = &mut self.trouble else { return };
        let since = *trouble.online_since.get_or_insert_with(|| {
            let (name, attempts) = (&process.name, trouble.attempts);
            let took = Spoken(now.since(trouble.since));
            let text = format!("{name} is {word} again after {took}, attempts: {attempts}");
            tell(steps, Severity::Info, text);
            now
        });
        // One that comes up and falls again keeps its count.
        if trouble.attempts == 0 || now.since(since) >= settings.interval.value {
            self.trouble = None;
        }
    }

    fn is_down(
        &mut self,
        settings: &Pm2,
        name: &str,
        status: &str,
        deed: Option<Deed>,
        now: Moment,
        steps: &mut Steps,
    ) {
        (self.over_cpu, self.over_memory) = (0, 0);
        let known = self.known;
        let trouble = self.trouble.get_or_insert_with(|| {
            tell(steps, Severity::Warn, format!("{name} is {status}: expected online"));
            Trouble {
                since: now,
                what: status.to_owned(),
                attempts: 0,
                last_attempt: None,
                online_since: None,
                given_up: false,
            }
        });
        if trouble.online_since.take().is_some() {
            tell(steps, Severity::Warn, format!("{name} is {status} again"));
        }
        let Some(deed) = deed else {
            // What was never there cannot be lost.
            trouble.given_up = known;
            return;
        };
        if trouble.given_up
            || trouble.last_attempt.is_some_and(|last| now.since(last) < settings.retry_delay.value)
        {
            return;
        }
        if trouble.attempts >= settings.max_attempts {
            trouble.given_up = true;
            let text = format!(
                "{name}: {} attempts did not bring it back ({}): it needs a person",
                trouble.attempts, trouble.what
            );
            return tell(steps, Severity::Error, text);
        }
        trouble.attempts += 1;
        trouble.last_attempt = Some(now);
        status.clone_into(&mut trouble.what);
        let text = format!("{name}: attempt {} of {}", trouble.attempts, settings.max_attempts);
        tell(steps, Severity::Info, text);
        steps.push(Step::Do(deed));
    }

    fn over(&mut self, settings: &Pm2, process: &Process, steps: &mut Steps) {
        let limits = [
            ("CPU", process.cpu, settings.cpu_limit, &mut self.over_cpu),
            ("memory", process.memory, settings.memory_limit, &mut self.over_memory),
        ];
        for (what, used, limit, count) in limits {
            *count = if used > limit { *count + 1 } else { 0 };
            if *count < settings.overload_checks {
                continue;
            }
            self.note = format!("{OVER}{what} {used:.0} %, limit {limit:.0} %");
            if *count == settings.overload_checks {
                let name = &process.name;
                let checks = settings.overload_checks;
                let text = format!("{name}: {what} {used:.0} % over {checks} checks, limit {limit:.0} %");
                tell(steps, Severity::Warn, text);
                if settings.restart_overloaded {
                    *count = 0;
                    steps.push(Step::Do(Deed::Restart { name: name.clone(), ids: Vec::new() }));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
