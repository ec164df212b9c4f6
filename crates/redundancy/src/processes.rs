//! Processes: what is decided about those that do not run, use too much, or write too much.

mod daemon;
mod runs;

use std::collections::BTreeMap;

use rpm_core::{Bytes, Millis, units::Memory as Shown};
use serde::{Deserialize, Serialize};

pub(crate) use self::daemon::Daemon;
use self::runs::{Run, Runs};

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
    pub kind: Kind,
    /// The present runs of its processes.
    pub runs: Vec<Run>,
    /// The busiest instance, percent of one core.
    pub cpu: f64,
    /// The largest instance, percent of what it may have.
    pub memory: f64,
    /// Its largest log.
    pub log: Bytes,
}

/// What an app is meant to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To stay up (`autorestart`).
    Service,
    /// To end when its work is done.
    Task,
    /// The same, again and again by its schedule.
    Scheduled,
}

/// Whether it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Online,
    /// It is on its way up or down, by itself or by request.
    Moving(String),
    /// A task between two ticks of its schedule.
    Resting,
    /// A scheduled task whose last run has failed, whatever it does now.
    Failed {
        /// The number of that run.
        run: u32,
        status: String,
    },
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
    #[serde(default)]
    runs: Runs,
    /// The last failed run of a scheduled task.
    #[serde(default)]
    failed_run: Option<u32>,
    /// Looks in a row above a limit.
    over_cpu: u32,
    over_memory: u32,
    /// Whether it is above a limit for too long.
    #[serde(default)]
    is_over: bool,
    note: String,
}

/// It does not run, or does not stay up.
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
    /// Runs that ended by themselves, or failed runs of a task.
    #[serde(default)]
    crashes: u32,
    /// It crashes and is restarted by the daemon again and again, which has been told.
    #[serde(default)]
    is_looping: bool,
    /// The longest run between two of its ends.
    #[serde(default)]
    longest_run: Millis,
    /// It has been up long enough to count as well. What was counted is kept for a while.
    #[serde(default)]
    is_settled: bool,
}

impl Trouble {
    fn new(what: &str, now: Moment) -> Self {
        Self {
            since: now,
            what: what.to_owned(),
            attempts: 0,
            last_attempt: None,
            online_since: None,
            given_up: false,
            crashes: 0,
            is_looping: false,
            longest_run: Millis(0),
            is_settled: false,
        }
    }

    /// How it stands.
    fn level(&self) -> Level {
        match (self.is_settled, self.given_up || self.is_looping) {
            (true, _) => Level::Healthy,
            (false, false) => Level::Degraded,
            (false, true) => Level::Unhealthy,
        }
    }

    /// How long it must have stayed up, `at_least` or longer: an app that falls every minute is not well after half of
    /// one.
    fn proof(&self, at_least: Millis) -> Millis {
        at_least.max(Millis(self.longest_run.0.saturating_mul(2)))
    }
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
                Some(trouble) => {
                    let level = trouble.level();
                    let note = if level == Level::Healthy { &unit.note } else { &trouble.what };
                    (level, trouble.attempts.saturating_add(trouble.crashes), note)
                }
                None if unit.is_over => (Level::Degraded, 0, &unit.note),
                None => (Level::Healthy, 0, &unit.note),
            };
            let note = note.clone();
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
            let is_tried =
                |trouble: &Trouble| !trouble.given_up && !trouble.is_settled && trouble.attempts > 0;
            unit.trouble.as_ref().is_some_and(is_tried)
        };
        let soon = self.away.is_some() || self.units.values().any(is_open);
        let pause = settings.interval.value;
        checked.after(if soon { pause.min(settings.retry_delay.value) } else { pause })
    }
}

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
        if process.kind == Kind::Service {
            self.compare(settings, process, now, steps);
        }
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
            State::Failed { run, status } => {
                self.known = true;
                self.has_failed(settings, name, (*run, status), (now, steps));
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

    /// Counts the runs that ended by themselves since the last look: an app that is meant to stay up and does not is
    /// not well, although it is online whenever it is looked at.
    fn compare(&mut self, settings: &Pm2, process: &Process, now: Moment, steps: &mut Steps) {
        let since = self.runs.look(&process.runs, settings.interval.value, now);
        let name = &process.name;
        if let Some(trouble) = self.trouble.as_mut().filter(|trouble| {
            // An attempt of ours is a verb, too; after the last one it is a person who tries.
            since.was_asked && (trouble.given_up || trouble.attempts == 0)
        }) {
            let what = std::mem::take(&mut trouble.what);
            *trouble = Trouble { since: trouble.since, ..Trouble::new(&what, now) };
        }
        if since.crashes == 0 {
            return;
        }
        let was_calm = self.trouble.as_ref().is_none_or(|trouble| trouble.crashes == 0 || trouble.is_settled);
        // The run that ended when all was well says nothing of how long the next ones last.
        let lasted = if self.trouble.is_some() { since.lasted } else { Millis(0) };
        let trouble = self.trouble.get_or_insert_with(|| Trouble::new("", now));
        trouble.longest_run = trouble.longest_run.max(lasted);
        trouble.crashes = trouble.crashes.saturating_add(since.crashes);
        (trouble.online_since, trouble.is_settled) = (None, false);
        let crashes = trouble.crashes;
        trouble.what = format!("does not stay up: ended by itself, restarts: {crashes}");
        if was_calm {
            let text = format!("{name} ended by itself and was restarted: expected to stay up");
            tell(steps, Severity::Warn, text);
        }
        if crashes >= settings.max_attempts && !trouble.is_looping {
            trouble.is_looping = true;
            let took = Spoken(now.since(trouble.since));
            let text = format!("{name} ended by itself {crashes} times within {took}: it needs a person");
            tell(steps, Severity::Error, text);
        }
    }

    /// The last run of a scheduled task has failed. It is not started again: its schedule does that.
    fn has_failed(
        &mut self,
        settings: &Pm2,
        name: &str,
        (run, status): (u32, &str),
        (now, steps): (Moment, &mut Steps),
    ) {
        let is_new = self.failed_run != Some(run);
        let trouble = self.trouble.get_or_insert_with(|| Trouble::new("", now));
        if is_new {
            self.failed_run = Some(run);
            trouble.crashes = trouble.crashes.saturating_add(1);
            trouble.what = format!("its last run failed: {status}");
            tell(steps, Severity::Warn, format!("{name}: the last run failed: {status}"));
        }
        if trouble.crashes >= settings.max_attempts && !trouble.given_up {
            trouble.given_up = true;
            let text = format!("{name}: {} runs in a row have failed: it needs a person", trouble.crashes);
            tell(steps, Severity::Error, text);
        }
    }

    fn is_well(&mut self, settings: &Pm2, process: &Process, now: Moment, steps: &mut Steps) {
        let word = if process.state == State::Resting { "between two ticks" } else { "online" };
        word.clone_into(&mut self.note);
        let Some(trouble) = &mut self.trouble else { return };
        let since = *trouble.online_since.get_or_insert(now);
        let began = process.runs.iter().map(|run| run.began).max().unwrap_or(since);
        let up = now.since(since.max(began));
        // A task is judged by its last run, which went well.
        let is_done = process.state == State::Resting
            || process.kind == Kind::Scheduled
            || (trouble.attempts == 0 && trouble.crashes == 0);
        if !trouble.is_settled && (is_done || up >= trouble.proof(settings.interval.value)) {
            trouble.is_settled = true;
            let (name, attempts) = (&process.name, trouble.attempts.saturating_add(trouble.crashes));
            let took = Spoken(now.since(trouble.since));
            let text = format!("{name} is {word} again after {took}, attempts: {attempts}");
            tell(steps, Severity::Info, text);
        }
        if is_done || up >= trouble.proof(settings.forget_after.value) {
            self.trouble = None;
            self.failed_run = None;
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
        (self.over_cpu, self.over_memory, self.is_over) = (0, 0, false);
        let known = self.known;
        let trouble = self.trouble.get_or_insert_with(|| {
            tell(steps, Severity::Warn, format!("{name} is {status}: expected online"));
            Trouble::new(status, now)
        });
        // The daemon does not restart it any more: the attempts begin.
        trouble.is_looping = false;
        if let Some(since) = trouble.online_since.take() {
            trouble.is_settled = false;
            trouble.longest_run = trouble.longest_run.max(now.since(since));
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
        self.is_over = false;
        for (what, used, limit, count) in limits {
            *count = if used > limit { *count + 1 } else { 0 };
            if *count < settings.overload_checks {
                continue;
            }
            self.is_over = true;
            self.note = format!("over its limit: {what} {used:.0} %, limit {limit:.0} %");
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
