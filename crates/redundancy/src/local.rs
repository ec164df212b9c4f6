//! The only place that knows how workflow files are read and run on this machine: [`rpm_workflow`].

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use rpm_core::{
    Env,
    cron::{Schedule, Zone},
};
use rpm_ecosystem::{Node, Source, Value};
use rpm_workflow::{Cancel, Conclusion, Options, Outcome, Workflow};

use crate::stop::Stop;

/// What is known of a valid workflow file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// When its runs are scheduled.
    pub schedules: Vec<(Schedule, Zone)>,
    /// Whether `workflow_dispatch` starts it.
    pub workflow_dispatch: bool,
    /// A type of `repository_dispatch` that starts it.
    pub repository_dispatch: Option<String>,
}

/// GitHub's schedules are in UTC unless they say otherwise.
pub(crate) fn utc() -> Zone {
    "UTC".parse().unwrap_or_default()
}

/// Checks a file. The error is all that is wrong with it, in one line.
pub(crate) fn facts(path: &Path) -> Result<Facts, String> {
    let workflow = check(path)?;
    let zone = |schedule: &rpm_workflow::Schedule| {
        schedule.timezone().and_then(|name| name.parse().ok()).unwrap_or_else(utc)
    };
    let schedules = workflow
        .schedules()
        .flat_map(|schedule| schedule.parts().iter().map(move |part| (part.clone(), zone(schedule))))
        .collect();
    let listens = |event: &str| workflow.events().any(|known| known == event);
    let repository_dispatch = if listens("repository_dispatch") { Some(event_type(path)) } else { None };
    Ok(Facts { schedules, workflow_dispatch: listens("workflow_dispatch"), repository_dispatch })
}

fn check(path: &Path) -> Result<Workflow, String> {
    rpm_workflow::check_file(path).map_err(|report| {
        // Of each problem the line that says it; the lines of the source would fill a log.
        let lines: Vec<_> =
            report.rendered(false).filter_map(|text| text.lines().next().map(str::to_owned)).collect();
        let directory = path.parent().map(|parent| format!("{}/", parent.display())).unwrap_or_default();
        lines.join("; ").replace(&directory, "")
    })
}

/// The first type of `repository_dispatch` that a file names. Where it names none, any will do.
fn event_type(path: &Path) -> String {
    let child = |node: &Node, key: &str| match &node.value {
        Value::Table(entries) => {
            entries.iter().find(|entry| entry.key == key).map(|entry| entry.node.clone())
        }
        _ => None,
    };
    let first = |node: Node| match node.value {
        Value::Array(items) => items.first().map(Node::to_text),
        Value::String(text) => Some(text),
        _ => None,
    };
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let tree = rpm_ecosystem::parse_yaml(&Source::new(path, text)).ok();
    tree.and_then(|tree| first(child(&child(&child(&tree, "on")?, "repository_dispatch")?, "types")?))
        .unwrap_or_else(|| "rpm-redundancy".to_owned())
}

/// How often it is looked whether the companion is to end.
const STOP_LOOK: Duration = Duration::from_millis(100);

/// Runs a workflow in a scratch copy of the repository. What came of it, as an error unless it is a success.
pub(crate) fn run(
    path: &Path,
    root: &Path,
    env: &Env,
    limit: Duration,
    stop: &Stop,
) -> Result<String, String> {
    let workflow = check(path)?;
    let cancel = Cancel::default();
    let options = Options {
        repository: Some(root.to_owned()),
        jobs: Vec::new(),
        event: None,
        payload: None,
        inputs: std::collections::BTreeMap::new(),
        in_place: false,
        env: env.clone(),
        limit: Some(limit),
        max_parallel: 2,
        cancel: cancel.clone(),
    };
    let ended = AtomicBool::new(false);
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                if stop.wait(STOP_LOOK) {
                    cancel.cancel();
                    break;
                }
            }
        });
        let outcome = rpm_workflow::run(&workflow, &options, &|_| {});
        ended.store(true, Ordering::Relaxed);
        outcome
    });
    told(&outcome.map_err(|error| error.to_string())?)
}

/// An outcome in words.
fn told(outcome: &Outcome) -> Result<String, String> {
    let seconds = outcome.took.as_secs_f64();
    let jobs = outcome.jobs.len();
    if outcome.conclusion == Conclusion::Success {
        return Ok(format!("{jobs} jobs ended with success after {seconds:.1} s"));
    }
    let mut reasons = outcome.jobs.iter().filter(|job| job.conclusion == outcome.conclusion).map(|job| {
        let step = job.steps.iter().find(|step| step.conclusion == job.conclusion);
        let reason = step.and_then(|step| Some(format!("{}: {}", step.name, step.reason.as_ref()?)));
        let reason = job.reason.clone().or(reason).unwrap_or_default();
        format!("job {}: {reason}", job.name)
    });
    let first = reasons.next().unwrap_or_else(|| format!("{jobs} jobs"));
    Err(format!("{} after {seconds:.1} s: {first}", outcome.conclusion.word()))
}
