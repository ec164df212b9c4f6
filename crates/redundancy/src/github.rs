//! GitHub Actions: what is decided about workflows that are wrong, fail, or do not come.

mod api;
mod away;
mod problem;
mod repository;
mod world;

use std::collections::{BTreeMap, VecDeque};

use rpm_core::cron::{Schedule, Zone};
use serde::{Deserialize, Serialize};

use self::{
    away::{Away, Ticks},
    problem::Problem,
};
pub(crate) use self::{problem::Fault, world::Actions};

use crate::{
    config::{Backup, Github, Unanswered},
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
    /// Why the API told nothing, or not all. Then nothing is known of runs.
    pub fault: Option<Fault>,
    /// It is asked without a token, for what is public.
    pub anonymous: bool,
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
    /// Run it here in place of GitHub, which is away, for this tick of its schedule.
    Due { name: String, tick: Moment },
}

impl Deed {
    fn name(&self) -> &str {
        match self {
            Self::Dispatch { name, .. } | Self::Local { name } | Self::Due { name, .. } => name,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Dispatch { .. } => Backup::Dispatch.as_str(),
            Self::Local { .. } | Self::Due { .. } => Backup::Local.as_str(),
        }
    }
}

/// What is remembered.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Workflows {
    #[serde(default)]
    fault: Option<Fault>,
    #[serde(default)]
    anonymous: bool,
    /// When the API last answered.
    #[serde(default)]
    answered: Option<Moment>,
    #[serde(default)]
    away: Option<Away>,
    units: BTreeMap<String, Unit>,
}

/// A watched workflow.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Unit {
    /// Its file has been there once.
    known: bool,
    trouble: Option<Trouble>,
    note: String,
    /// GitHub has it switched off, or does not know it, by its last answer.
    #[serde(default)]
    is_off: bool,
    /// The last run of which GitHub told that its schedule had started it.
    #[serde(default)]
    scheduled: Option<Moment>,
    /// The last tick that was run here while GitHub was away.
    #[serde(default)]
    ran_here: Option<Moment>,
    /// The last tick that GitHub missed and for which a back-up was begun.
    #[serde(default)]
    backed_up: Option<Moment>,
}

/// Something is wrong with it.
#[derive(Debug, Serialize, Deserialize)]
struct Trouble {
    since: Moment,
    #[serde(deserialize_with = "Problem::read")]
    what: Problem,
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

    /// Whether the file of a workflow has been there once.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.units.get(name).is_some_and(|unit| unit.known)
    }

    fn look(&mut self, settings: &Github, seen: Seen, now: Moment, steps: &mut Steps) {
        let Seen { workflows, fault, anonymous } = seen;
        if fault != self.fault {
            match &fault {
                Some(reason) => tell(steps, Severity::Warn, format!("API: {reason}")),
                None => tell(steps, Severity::Info, "API: it answers again".to_owned()),
            }
        }
        (self.fault, self.anonymous) = (fault, anonymous);
        let policy = self.count_unanswered(settings, now, steps);
        let is_there = |name: &String| workflows.iter().any(|workflow| workflow.name == *name);
        self.units.retain(|name, _| is_there(name));
        for workflow in workflows {
            let unit = self.units.entry(workflow.name.clone()).or_default();
            unit.step(settings, &workflow, self.fault.is_none(), now, steps);
            if let (Some(Unanswered::Local), Some(away)) = (policy, &self.away) {
                unit.stand_in(settings, &workflow, (away.since, self.answered), (now, steps));
            }
        }
    }

    /// Counts the looks in a row at which the API told nothing. What is to be done about it, when that is certain.
    fn count_unanswered(&mut self, settings: &Github, now: Moment, steps: &mut Steps) -> Option<Unanswered> {
        if self.fault.is_none() {
            self.answered = Some(now);
        }
        let Some(policy) = self.fault.as_ref().and_then(|fault| Away::policy(settings, fault)) else {
            if self.away.take().is_some_and(|away| away.is_certain(settings)) {
                tell(steps, Severity::Info, "API: due schedules are left to GitHub again".to_owned());
            }
            return None;
        };
        let away = self.away.get_or_insert(Away { since: now, looks: 0 });
        away.looks = away.looks.saturating_add(1);
        if away.looks == settings.failure_threshold {
            let text = format!("API: no answer at {} checks in a row: {}", away.looks, consequence(policy));
            tell(steps, Severity::Warn, text);
        }
        away.is_certain(settings).then_some(policy)
    }
}

/// What follows when GitHub is away.
fn consequence(policy: Unanswered) -> &'static str {
    match policy {
        Unanswered::Local => "due schedules run here",
        Unanswered::Report => "nothing is run here, as it is set",
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
            Event::Seen(seen) => self.look(settings, seen, now, &mut steps),
            Event::Done(deed, outcome) => {
                // What was asked for by hand may be about a workflow that is not watched.
                match (self.units.get_mut(deed.name()), &deed) {
                    (Some(unit), Deed::Due { name, tick }) => {
                        match &outcome {
                            Ok(how) => tell(&mut steps, Severity::Info, format!("{name}: local: {how}")),
                            Err(reason) => {
                                let text = format!("{name}: local failed: {reason}");
                                tell(&mut steps, Severity::Error, text);
                            }
                        }
                        unit.stood_in(settings, *tick, outcome, now);
                    }
                    (Some(unit), _) => unit.done(&deed, outcome, &mut steps),
                    (None, _) => Unit::default().done(&deed, outcome, &mut steps),
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
                    None => trouble.what.to_string(),
                };
                UnitHealth { name: name.clone(), level, failures: trouble.failures, note }
            }
        };
        self.units.iter().map(health).collect()
    }

    fn notes(&self, settings: &Github) -> Vec<(Level, String)> {
        let Some(fault) = &self.fault else { return Vec::new() };
        let level = match fault {
            Fault::NotAsked(_) => Level::Healthy,
            // Without a token little is known: that is how the user set it up.
            Fault::Refused(_) | Fault::Limited(_) if self.anonymous => Level::Healthy,
            _ => Level::Degraded,
        };
        let mut note = format!("API: {fault}");
        let certain = self.away.as_ref().is_some_and(|away| away.is_certain(settings));
        if let Some(policy) = Away::policy(settings, fault).filter(|_| certain) {
            note = format!("{note}; {}", consequence(policy));
        }
        vec![(level, note)]
    }

    /// A run whose beginning is forgotten would be begun again.
    fn is_once(_: &Deed) -> bool {
        true
    }

    fn due(&self, settings: &Github, checked: Moment) -> Moment {
        checked.after(settings.interval.value)
    }
}

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
        if api_answers {
            let remote = workflow.remote.as_ref();
            self.is_off = remote.is_none_or(Remote::is_off);
            self.scheduled = remote.and_then(|remote| remote.scheduled);
        } else if matches!(workflow.file, File::Valid(_))
            && self.trouble.as_ref().is_some_and(|trouble| trouble.what.is_of_github())
        {
            // Nobody knows better: what was known stays, and is not counted again.
            return;
        }
        let Some(what) = wrong(settings, workflow, self.ran_here, now) else {
            if let Some(trouble) = self.trouble.take() {
                let took = Spoken(now.since(trouble.since));
                tell(steps, Severity::Info, format!("{name} is well again after {took}"));
            }
            self.note = match (&workflow.remote, &workflow.file) {
                (Some(remote), _) if remote.is_off() => format!("on GitHub {}", remote.state),
                (Some(Remote { ended: Some(run), .. }), _) => {
                    format!("run {}: {}", run.number, run.conclusion)
                }
                // What was run here in place of GitHub is told until GitHub tells more.
                _ if !api_answers && self.ran_here.is_some() => return,
                _ => "valid".to_owned(),
            };
            return;
        };
        let trouble = self.trouble.get_or_insert_with(|| Trouble {
            since: now,
            what: Problem::Former(String::new()),
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
            if let Problem::NotCome(due) = trouble.what {
                self.backed_up = self.backed_up.max(Some(due));
            }
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

    /// Has the workflow run here if a tick of its schedule is due and GitHub is away.
    fn stand_in(
        &mut self,
        settings: &Github,
        workflow: &Workflow,
        (since, answered): (Moment, Option<Moment>),
        (now, steps): (Moment, &mut Steps),
    ) {
        let File::Valid(facts) = &workflow.file else { return };
        if self.is_off {
            return;
        }
        let (scheduled, done) = (self.scheduled, self.ran_here.max(self.backed_up));
        let ticks = Ticks { schedules: &facts.schedules, since, answered, scheduled, done };
        let Some(tick) = ticks.due(settings, now) else { return };
        self.ran_here = Some(tick);
        let name = workflow.name.clone();
        tell(steps, Severity::Warn, format!("{name}: due at {tick}, run here in place of GitHub"));
        steps.push(Step::Do(Deed::Due { name, tick }));
    }

    /// Notes what came of a run in place of GitHub.
    fn stood_in(&mut self, settings: &Github, tick: Moment, outcome: Result<String, String>, now: Moment) {
        match outcome {
            Ok(how) => {
                self.note = format!("run here for {tick}: {how}");
                if matches!(self.trouble, Some(Trouble { what: Problem::FailedHere { .. }, .. })) {
                    self.trouble = None;
                }
            }
            Err(reason) => {
                self.trouble = Some(Trouble {
                    since: now,
                    what: Problem::FailedHere { tick, reason },
                    // No further attempt is made for this tick.
                    failures: settings.failure_threshold,
                    tried: None,
                    left: VecDeque::new(),
                    covered: None,
                });
            }
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

/// What is wrong. `ran_here` is the last tick that GitHub need not make up for.
fn wrong(settings: &Github, workflow: &Workflow, ran_here: Option<Moment>, now: Moment) -> Option<Problem> {
    let facts = match &workflow.file {
        File::Missing => return Some(Problem::Missing),
        File::Invalid(reason) => return Some(Problem::Invalid(reason.clone())),
        File::Valid(facts) => facts,
    };
    let remote = workflow.remote.as_ref()?;
    if remote.state == INACTIVE {
        return Some(Problem::Inactive);
    }
    if remote.is_off() {
        // A person wanted that.
        return None;
    }
    if let Some(Run { number, conclusion }) = &remote.ended
        && matches!(conclusion.as_str(), "failure" | "timed_out" | "startup_failure")
    {
        return Some(Problem::Failed { number: *number, conclusion: conclusion.clone() });
    }
    let until = now.before(settings.schedule_grace.value);
    missed(&facts.schedules, remote, ran_here, until).map(Problem::NotCome)
}

impl Remote {
    /// Whether GitHub does not run it, in its own words.
    fn is_off(&self) -> bool {
        self.state.starts_with("disabled")
    }
}

/// GitHub's word for a workflow that it switched off after 60 days without activity in the repository.
const INACTIVE: &str = "disabled_inactivity";

/// The last time before `until` for which a run was scheduled and none has come.
fn missed(
    schedules: &[(Schedule, Zone)],
    remote: &Remote,
    ran_here: Option<Moment>,
    until: Moment,
) -> Option<Moment> {
    // Before its first run nothing can be missed but by a workflow that is there long enough.
    let since = remote.scheduled.or(remote.created_at)?.max(ran_here.unwrap_or_default());
    // A run comes late, never early: the tick that started the last one lies before it.
    let next = |(schedule, zone): &(Schedule, Zone)| schedule.next_after(since.utc(), *zone);
    let due = schedules.iter().filter_map(next).map(|due| Moment(due.timestamp_millis()));
    due.min().filter(|due| *due <= until)
}

#[cfg(test)]
mod tests;
