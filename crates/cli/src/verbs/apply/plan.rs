//! What has to be done so that what runs agrees with a declaration.

use std::{collections::BTreeSet, fmt};

use rpm_core::{AppKey, AppSpec, ProcessInfo, Status, name::printable};
use serde::Serialize;
use serde_json::{Map, Value};

/// Steps in the order in which they are done: what is no longer declared goes first, and makes room.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
}

/// What has to be done with one app.
#[derive(Debug)]
pub(super) enum Step {
    /// No file declares it.
    Remove(AppKey),
    /// It is not there.
    Start(Box<AppSpec>),
    /// Its declaration differs in these attributes.
    Restart { app: Box<AppSpec>, differences: Vec<String> },
    /// There are too few processes or too many.
    Scale { app: AppKey, from: u32, to: u32 },
    /// It is as declared, and rests though it should run.
    Wake(AppKey),
    /// It is as declared.
    Keep(AppKey),
}

/// A step as it is told.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Told<'a> {
    step: &'static str,
    app: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<u32>,
}

impl Plan {
    /// Compares `apps` with what is there. The error is an app that is declared twice.
    pub(super) fn new(apps: Vec<AppSpec>, present: &[ProcessInfo], prune: bool) -> Result<Self, String> {
        let mut names = BTreeSet::new();
        if let Some(twice) = apps.iter().find(|app| !names.insert(app.key())) {
            return Err(format!("app {:?} is declared twice", printable(&twice.name)));
        }
        let mut steps = Vec::new();
        if prune {
            let declared =
                |process: &&ProcessInfo| names.contains(&process.spec.key()) || process.spec.is_module();
            let surplus = present.iter().filter(|process| !declared(process));
            let surplus: BTreeSet<_> = surplus.map(|process| process.spec.key()).collect();
            steps.extend(surplus.into_iter().map(Step::Remove));
        }
        for app in apps {
            let processes: Vec<_> = present.iter().filter(|process| process.spec.is_same_app(&app)).collect();
            steps.push(Step::of(app, &processes));
        }
        Ok(Self { steps })
    }

    /// Whether anything is to be done.
    pub(super) fn changes(&self) -> bool {
        self.steps.iter().any(|step| !matches!(step, Step::Keep(_)))
    }

    pub(super) fn told(&self) -> Vec<Told<'_>> {
        self.steps.iter().map(Step::told).collect()
    }
}

impl Step {
    fn of(app: AppSpec, processes: &[&ProcessInfo]) -> Self {
        let Some(first) = processes.first() else { return Self::Start(Box::new(app)) };
        let differences =
            processes.iter().map(|process| differences(&process.spec, &app)).find(|found| !found.is_empty());
        if let Some(differences) = differences {
            return Self::Restart { app: Box::new(app), differences };
        }
        let there = processes.len() as u32;
        let wanted = app.instances.map_or(there, |instances| instances.resolve(cpus()));
        if wanted != there {
            return Self::Scale { app: app.key(), from: there, to: wanted };
        }
        // A task rests between its runs.
        let is_service = app.autostart && app.autorestart && app.cron_restart.is_none();
        let rests =
            |process: &&ProcessInfo| matches!(process.summary.status, Status::Stopped | Status::Errored);
        let key = first.spec.key();
        if is_service && processes.iter().any(rests) { Self::Wake(key) } else { Self::Keep(key) }
    }

    fn told(&self) -> Told<'_> {
        let told = |step, app| Told { step, app, differences: Vec::new(), from: None, to: None };
        match self {
            Self::Remove(app) => told("stop", &app.name),
            Self::Start(app) => told("start", &app.name),
            Self::Restart { app, differences } => Told {
                differences: differences.iter().map(String::as_str).collect(),
                ..told(if app.overlaps() { "reload" } else { "restart" }, &app.name)
            },
            Self::Scale { app, from, to } => {
                Told { from: Some(*from), to: Some(*to), ..told("scale", &app.name) }
            }
            Self::Wake(app) => told("start", &app.name),
            Self::Keep(app) => told("keep", &app.name),
        }
    }
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8}{}", self.step, printable(self.app))?;
        if !self.differences.is_empty() {
            write!(f, ": {}", self.differences.join(", "))?;
        }
        if let (Some(from), Some(to)) = (self.from, self.to) {
            write!(f, ": {from} -> {to} processes")?;
        }
        Ok(())
    }
}

/// The attributes in which two declarations differ, those of objects such as `env` one by one. How many processes there
/// are is another matter, and the version is read when a process starts, not declared.
fn differences(old: &AppSpec, new: &AppSpec) -> Vec<String> {
    let object = |spec: &AppSpec| match serde_json::to_value(spec) {
        Ok(Value::Object(attributes)) => attributes,
        _ => Map::new(),
    };
    let (old, new) = (object(old), object(new));
    let names: BTreeSet<&String> = old
        .keys()
        .chain(new.keys())
        .filter(|name| !["instances", "version"].contains(&name.as_str()))
        .collect();
    let mut found = Vec::new();
    for name in names {
        match (old.get(name), new.get(name)) {
            (old, new) if old == new => {}
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
                found.extend(
                    keys.into_iter()
                        .filter(|key| old.get(*key) != new.get(*key))
                        .map(|key| format!("{name}.{key}")),
                );
            }
            _ => found.push(name.clone()),
        }
    }
    found
}

/// CPUs that apps may use.
fn cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32)
}

#[cfg(test)]
mod tests {
    use rpm_core::Interpreter;

    use super::*;

    fn app() -> AppSpec {
        let mut app = AppSpec::new("api", "/srv/api.js".into(), Interpreter::None, "/srv".into());
        app.env.set("PORT", "1");
        app.env.set("GONE", "1");
        app
    }

    #[test]
    fn differences_are_named_one_by_one() {
        let (old, mut new) = (app(), app());
        assert!(differences(&old, &new).is_empty());
        new.args = vec!["-v".to_owned()];
        new.env = rpm_core::Env::default();
        new.env.set("PORT", "2");
        assert_eq!(differences(&old, &new), ["args", "env.GONE", "env.PORT"]);
    }

    #[test]
    fn an_app_that_is_not_there_is_started_and_twice_the_same_refused() {
        let plan = Plan::new(vec![app()], &[], true).unwrap();
        assert_eq!(plan.told()[0].to_string(), "start   api");
        assert!(plan.changes());
        assert!(Plan::new(vec![app(), app()], &[], false).unwrap_err().contains("twice"));
    }
}
