//! Netlify functions: what is decided about those that are not there, do not load, or do not answer.

mod deploy;
mod manifest;
mod probe;
mod scratch;
mod trigger;
mod world;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use self::world::Site;

use crate::{
    config::Netlify,
    health::{Level, UnitHealth},
    log::Severity,
    moment::{Moment, Spoken},
    watch::{Event, Machine, Step, tell},
};

/// How the functions are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// What is wrong with the manifest; it is a unit of its own.
    pub manifest: Option<String>,
    /// Functions in the directory that the manifest does not name.
    pub unlisted: Vec<String>,
    pub functions: Vec<Function>,
    /// Why functions cannot be run here.
    pub unable: Option<String>,
}

/// A function that the manifest names.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub name: String,
    pub probe: Probe,
}

/// What is known of a function from running it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Probe {
    /// When it was last run.
    pub at: Moment,
    /// Its files then; another text when one of them has changed.
    pub stamp: String,
    /// What it said, or what was wrong.
    pub outcome: Result<String, String>,
}

/// What can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Make the manifest from the directory.
    Regenerate {
        /// The functions that are known, in case the manifest is lost.
        known: Vec<String>,
    },
    /// Have the site built and deployed.
    Deploy,
}

/// What is remembered.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Functions {
    units: BTreeMap<String, Unit>,
    /// When the recovery was last tried, and what went wrong with it.
    recovered: Option<Moment>,
    fault: Option<String>,
    unable: Option<String>,
}

/// A function, or the manifest.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Unit {
    probe: Option<Probe>,
    trouble: Option<Trouble>,
}

/// Something is wrong with it.
#[derive(Debug, Serialize, Deserialize)]
struct Trouble {
    since: Moment,
    what: String,
    /// Checks in a row.
    failures: u32,
}

/// What the manifest is called as a unit.
const MANIFEST: &str = "(manifest)";

type Steps = Vec<Step<Deed>>;

impl Functions {
    /// What is known of a function.
    pub(crate) fn probe(&self, name: &str) -> Option<&Probe> {
        self.units.get(name)?.probe.as_ref()
    }

    /// Whether there has been nothing yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// The manifest is to be made again.
    pub(crate) fn regeneration(&self) -> Deed {
        Deed::Regenerate { known: self.units.keys().filter(|name| *name != MANIFEST).cloned().collect() }
    }

    /// Failures of a function in a row.
    pub(crate) fn failures(&self, name: &str) -> u32 {
        self.units.get(name).map_or(0, Unit::failures)
    }

    fn look(&mut self, settings: &Netlify, seen: Seen, now: Moment, steps: &mut Steps) {
        if let Some(reason) = seen.unable.as_ref().filter(|_| seen.unable != self.unable) {
            tell(steps, Severity::Warn, reason.clone());
        }
        self.unable = seen.unable;
        let is_there = |name: &String| seen.functions.iter().any(|function| function.name == *name);
        // While the manifest cannot be read nobody knows what is in it.
        let keeps = seen.manifest.is_some();
        self.units.retain(|name, unit| {
            let stays = name == MANIFEST || keeps || is_there(name);
            if !stays && unit.trouble.is_some() {
                tell(steps, Severity::Info, format!("{name} is not in the manifest any more"));
            }
            stays
        });
        if !seen.functions.is_empty() || keeps || self.units.contains_key(MANIFEST) {
            self.units.entry(MANIFEST.to_owned()).or_default().step(MANIFEST, seen.manifest, now, steps);
        }
        for Function { name, probe } in seen.functions {
            let unit = self.units.entry(name.clone()).or_default();
            let wrong = probe.outcome.clone().err();
            unit.probe = Some(probe);
            unit.step(&name, wrong, now, steps);
        }
        let failing: Vec<_> = self
            .units
            .iter()
            .filter(|(_, unit)| unit.failures() >= settings.failure_threshold)
            .map(|(name, _)| name.clone())
            .collect();
        let is_time = self.recovered.is_none_or(|last| now.since(last) >= settings.deploy_pause.value);
        if failing.is_empty() {
            self.recovered = None;
            self.fault = None;
        } else if is_time {
            self.recovered = Some(now);
            let text = format!(
                "{} failed checks of {}: recovery begins",
                settings.failure_threshold,
                failing.join(", ")
            );
            tell(steps, Severity::Warn, text);
            steps.push(Step::Do(self.regeneration()));
            if settings.auto_deploy {
                steps.push(Step::Do(Deed::Deploy));
            }
            return;
        }
        if !seen.unlisted.is_empty() {
            let text = format!("not in the manifest: {}", seen.unlisted.join(", "));
            tell(steps, Severity::Warn, text);
            steps.push(Step::Do(self.regeneration()));
        }
    }
}

impl Machine for Functions {
    type Settings = Netlify;
    type Seen = Seen;
    type Deed = Deed;

    fn step(&mut self, settings: &Netlify, event: Event<Seen, Deed>, now: Moment) -> Steps {
        let mut steps = Vec::new();
        match event {
            Event::Seen(seen) => self.look(settings, seen, now, &mut steps),
            Event::Done(deed, outcome) => {
                let what = match deed {
                    Deed::Regenerate { .. } => "manifest",
                    Deed::Deploy => "deployment",
                };
                match outcome {
                    Ok(done) => tell(&mut steps, Severity::Info, format!("{what}: {done}")),
                    Err(reason) => {
                        tell(&mut steps, Severity::Error, format!("{what} failed: {reason}"));
                        self.fault = Some(format!("{what} failed: {reason}"));
                    }
                }
            }
        }
        steps
    }

    fn units(&self, settings: &Netlify) -> Vec<UnitHealth> {
        let health = |(name, unit): (&String, &Unit)| {
            let said = unit.probe.as_ref().and_then(|probe| probe.outcome.clone().ok()).unwrap_or_default();
            let (level, note) = match &unit.trouble {
                Some(trouble) if trouble.failures >= settings.failure_threshold => {
                    (Level::Unhealthy, trouble.what.clone())
                }
                Some(trouble) => (Level::Degraded, trouble.what.clone()),
                None => (Level::Healthy, said),
            };
            UnitHealth { name: name.clone(), level, failures: unit.failures(), note }
        };
        self.units.iter().map(health).collect()
    }

    fn notes(&self, _: &Netlify) -> Vec<(Level, String)> {
        self.fault.iter().chain(&self.unable).map(|fault| (Level::Degraded, fault.clone())).collect()
    }

    fn due(&self, settings: &Netlify, checked: Moment) -> Moment {
        checked.after(settings.interval.value)
    }
}

impl Unit {
    fn failures(&self) -> u32 {
        self.trouble.as_ref().map_or(0, |trouble| trouble.failures)
    }

    fn step(&mut self, name: &str, wrong: Option<String>, now: Moment, steps: &mut Steps) {
        let Some(what) = wrong else {
            if let Some(trouble) = self.trouble.take() {
                let took = Spoken(now.since(trouble.since));
                tell(steps, Severity::Info, format!("{name} is well again after {took}"));
            }
            return;
        };
        let trouble =
            self.trouble.get_or_insert_with(|| Trouble { since: now, what: String::new(), failures: 0 });
        trouble.failures = trouble.failures.saturating_add(1);
        if trouble.what != what {
            tell(steps, Severity::Warn, format!("{name}: {what}"));
            trouble.what = what;
        }
    }
}

#[cfg(test)]
mod tests;
