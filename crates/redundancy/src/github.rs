//! GitHub Actions: what is decided about workflows that are wrong, fail, or do not come.

mod api;
mod repository;
mod world;

use std::collections::{BTreeMap, VecDeque};

use rpm_core::cron::{Schedule, Zone};
use serde::{Deserialize, Serialize};

pub(crate) use self::world::Actions;

use crate::{
    config::{Backup, Github},
    health::{Level, UnitHealth},
    local::Facts,
    log::Severity,
    moment::{Moment, Spoken},
    watch::{Event, Machine, Step, tell},
};

/// How the workflows are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub workflows: Vec<Workflow>,
    /// Why the API was not asked, or how it failed. Then nothing is known of runs.
    pub api: Option<String>,
}

/// A watched workflow.
#[derive(Clone, Debug)]
pub(crate) struct Workflow {
    /// The name of its file.
    pub name: String,
    pub file: File,
    /// What GitHub says of it; nothing where it was not asked or does not know it.
    pub remote: Option<Remote>,
}

/// A workflow file.
#[derive(Clone, Debug)]
pub(crate) enum File {
    Missing,
    /// What is wrong, with its place.
    Invalid(String),
    Valid(Facts),
}

/// A workflow on GitHub.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remote {
    /// GitHub's word: `active`, `disabled_inactivity` ...
    pub state: String,
    pub created_at: Option<Moment>,
    /// The last run that has ended.
    pub ended: Option<Run>,
    /// When the last run began that its schedule started.
    pub scheduled: Option<Moment>,
}

/// A run on GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub number: u64,
    /// GitHub's word: `success`, `failure` ...
    pub conclusion: String,
}

/// What can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Have GitHub run it; where it was switched off for inactivity, switch it on first.
    Dispatch { name: String, enable: bool },
    /// Run it here.
    Local { name: String },
}

impl Deed {
    fn name(&self) -> &str {
        match self {
            Self::Dispatch { name, .. } | Self::Local { name } => name,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Dispatch { .. } => Backup::Dispatch.as_str(),
            Self::Local { .. } => Backup::Local.as_str(),
        }
    }
}

/// What is remembered.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Workflows {
    api: Option<String>,
    units: BTreeMap<String, Unit>,
}

/// A watched workflow.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Unit {
    /// Its file has been there once.
    known: bool,
    trouble: Option<Trouble>,
    note: String,
}

/// Something is wrong with it.
#[derive(Debug, Serialize, Deserialize)]
struct Trouble {
    since: Moment,
    what: String,
    /// Checks in a row.
    failures: u32,
    /// When the back-ups were last tried.
    tried: Option<Moment>,
    /// Those that are left of this attempt.
    #[serde(skip)]
    left: VecDeque<Deed>,
    /// What stands in for it.
    covered: Option<String>,
}

impl Workflows {
    /// Whether there has been nothing yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }
}

type Steps = Vec<Step<Deed>>;

impl Machine for Workflows {
    type Settings = Github;
    type Seen = Seen;
    type Deed = Deed;

    fn step(&mut self, settings: &Github, event: Event<Seen, Deed>, now: Moment) -> Steps {
        let mut steps = Vec::new();
        match event {
            Event::Seen(Seen { workflows, api }) => {
                if api != self.api {
                    match &api {
                        Some(reason) => tell(&mut steps, Severity::Warn, format!("API: {reason}")),
                        None => tell(&mut steps, Severity::Info, "API: it answers again".to_owned()),
                    }
                }
                self.api = api;
                let is_there = |name: &String| workflows.iter().any(|workflow| workflow.name == *name);
                self.units.retain(|name, _| is_there(name));
                for workflow in workflows {
                    let unit = self.units.entry(workflow.name.clone()).or_default();
                    unit.step(settings, &workflow, self.api.is_none(), now, &mut steps);
                }
            }
            Event::Done(deed, outcome) => {
                // What was asked for by hand may be about a workflow that is not watched.
                match self.units.get_mut(deed.name()) {
                    Some(unit) => unit.done(&deed, outcome, &mut steps),
                    None => Unit::default().done(&deed, outcome, &mut steps),
                }
            }
        }
        steps
    }

    fn units(&self, settings: &Github) -> Vec<UnitHealth> {
        let health = |(name, unit): (&String, &Unit)| match &unit.trouble {
            None => {
                UnitHealth { name: name.clone(), level: Level::Healthy, failures: 0, note: unit.note.clone() }
            }
            Some(trouble) => {
                let is_open = trouble.covered.is_none() && unit.known;
                let level = if is_open && trouble.failures >= settings.failure_threshold {
                    Level::Unhealthy
                } else {
                    Level::Degraded
                };
                let note = match &trouble.covered {
                    Some(how) => format!("{} (covered: {how})", trouble.what),
                    None => trouble.what.clone(),
                };
                UnitHealth { name: name.clone(), level, failures: trouble.failures, note }
            }
        };
        self.units.iter().map(health).collect()
    }

    fn notes(&self, _: &Github) -> Vec<(Level, String)> {
        // Without a token much is known all the same: that is how the user set it up.
        let level = |reason: &str| {
            if reason.starts_with(NOT_ASKED) { Level::Healthy } else { Level::Degraded }
        };
        self.api.iter().map(|reason| (level(reason), format!("API: {reason}"))).collect()
    }

    fn due(&self, settings: &Github, checked: Moment) -> Moment {
        checked.after(settings.interval.value)
    }
}

/// How a reason begins why the API is not asked, as against one why it does not answer.
pub(crate) const NOT_ASKED: &str = "not asked";

impl Unit {
    fn step(
        &mut self,
        settings: &Github,
        workflow: &Workflow,
        api_answers: bool,
        now: Moment,
        steps: &mut Steps,
    ) {
        self.known |= !matches!(workflow.file, File::Missing);
        let name = &workflow.name;
        let is_of_github = |trouble: &Trouble| trouble.what.starts_with(ON_GITHUB);
        if !api_answers
            && matches!(workflow.file, File::Valid(_))
            && self.trouble.as_ref().is_some_and(is_of_github)
        {
            // Nobody knows better: what was known stays, and is not counted again.
            return;
        }
        let Some(what) = wrong(settings, workflow, now) else {
            if let Some(trouble) = self.trouble.take() {
                let took = Spoken(now.since(trouble.since));
                tell(steps, Severity::Info, format!("{name} is well again after {took}"));
            }
            self.note = match (&workflow.remote, &workflow.file) {
                (Some(Remote { state, .. }), _) if state.starts_with("disabled") => {
                    format!("on GitHub {state}")
                }
                (Some(Remote { ended: Some(run), .. }), _) => {
                    format!("run {}: {}", run.number, run.conclusion)
                }
                _ => "valid".to_owned(),
            };
            return;
        };
        let trouble = self.trouble.get_or_insert_with(|| Trouble {
            since: now,
            what: String::new(),
            failures: 0,
            tried: None,
            left: VecDeque::new(),
            covered: None,
        });
        if trouble.what != what {
            tell(steps, Severity::Warn, format!("{name}: {what}"));
            if trouble.covered.take().is_some() {
                // What stood in for the former trouble does not for this one.
                (trouble.failures, trouble.tried) = (0, None);
            }
            trouble.what = what;
        }
        trouble.failures = trouble.failures.saturating_add(1);
        let is_time = trouble.tried.is_none_or(|tried| now.since(tried) >= settings.backup_pause.value);
        if trouble.failures >= settings.failure_threshold && is_time && self.known {
            trouble.tried = Some(now);
            trouble.covered = None;
            let enable = workflow.remote.as_ref().is_some_and(|remote| remote.state == INACTIVE);
            let deed = |backup: &Backup| match backup {
                Backup::Dispatch => Deed::Dispatch { name: name.clone(), enable },
                Backup::Local => Deed::Local { name: name.clone() },
            };
            trouble.left = settings.backup.iter().map(deed).collect();
            let failures = trouble.failures;
            tell(steps, Severity::Warn, format!("{name}: {failures} failed checks, the back-up begins"));
            steps.extend(trouble.left.pop_front().map(Step::Do));
        }
    }

    fn done(&mut self, deed: &Deed, outcome: Result<String, String>, steps: &mut Steps) {
        let (name, word) = (deed.name(), deed.word());
        let trouble = self.trouble.as_mut();
        match outcome {
            Ok(how) => {
                tell(steps, Severity::Info, format!("{name}: {word}: {how}"));
                if let Some(trouble) = trouble {
                    trouble.covered = Some(format!("{word}: {how}"));
                    trouble.left.clear();
                }
            }
            Err(reason) => {
                tell(steps, Severity::Error, format!("{name}: {word} failed: {reason}"));
                let Some(trouble) = trouble else { return };
                match trouble.left.pop_front() {
                    Some(next) => steps.push(Step::Do(next)),
                    None if trouble.tried.is_some() => {
                        tell(steps, Severity::Error, format!("{name}: no back-up helped: it needs a person"));
                    }
                    None => {}
                }
            }
        }
    }
}

/// What is wrong, in words that stay the same while it is the same.
fn wrong(settings: &Github, workflow: &Workflow, now: Moment) -> Option<String> {
    let facts = match &workflow.file {
        File::Missing => return Some("the file is not there".to_owned()),
        File::Invalid(reason) => return Some(format!("the file is not valid: {reason}")),
        File::Valid(facts) => facts,
    };
    let remote = workflow.remote.as_ref()?;
    if remote.state == INACTIVE {
        return Some(format!("{ON_GITHUB}it is switched off after 60 days without activity"));
    }
    if remote.state.starts_with("disabled") {
        // Somebody wanted that.
        return None;
    }
    if let Some(run) = &remote.ended
        && matches!(run.conclusion.as_str(), "failure" | "timed_out" | "startup_failure")
    {
        return Some(format!("{ON_GITHUB}run {} ended with {}", run.number, run.conclusion));
    }
    let due = missed(&facts.schedules, remote, now.before(settings.schedule_grace.value))?;
    Some(format!("{ON_GITHUB}the run that was scheduled for {due} has not come"))
}

/// GitHub's word for a workflow that it switched off after 60 days without activity in the repository.
const INACTIVE: &str = "disabled_inactivity";

/// How troubles begin that only GitHub knows of.
const ON_GITHUB: &str = "on GitHub ";

/// The last time before `until` for which a run was scheduled and none has come.
fn missed(schedules: &[(Schedule, Zone)], remote: &Remote, until: Moment) -> Option<Moment> {
    // Before its first run nothing can be missed but by a workflow that is there long enough.
    let since = remote.scheduled.or(remote.created_at)?;
    // A run comes late, never early: the tick that started the last one lies before it.
    let next = |(schedule, zone): &(Schedule, Zone)| schedule.next_after(since.utc(), *zone);
    let due = schedules.iter().filter_map(next).map(|due| Moment(due.timestamp_millis()));
    due.min().filter(|due| *due <= until)
}

#[cfg(test)]
mod tests;
