//! Running a workflow with `act` (<https://github.com/nektos/act>), where that is installed.
//!
//! Jobs run on this machine itself (`-self-hosted`): no container engine is asked for.

use std::{
    collections::{BTreeMap, HashMap},
    process::Command,
    time::{Duration, Instant},
};

use serde::Deserialize;

use crate::{
    Conclusion, JobOutcome, Options, Outcome, Progress, RunError, StepOutcome, Workflow,
    expression::{Tree, Value},
    model::{Job, Work},
    run,
};

/// Runs a workflow with `act` and reads what came of it from its log.
///
/// Secrets, variables and inputs are those of [`crate::run`](fn@crate::run). `act` works in a copy of its own unless `in_place`.
pub fn run_with_act(
    workflow: &Workflow,
    options: &Options,
    watch: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Outcome, RunError> {
    let started = Instant::now();
    let event = run::event::choose(workflow, options)?;
    let inputs = run::event::inputs(event, &options.inputs)?;
    run::graph::chosen(workflow, &options.jobs)?;
    let repository = run::repository(workflow, options)?;
    let program = run::script::find("act", &options.env).ok_or_else(|| {
        RunError::Workspace(
            "act is not installed here: without --act the workflow runs all the same".to_owned(),
        )
    })?;
    let scratch = tempfile::Builder::new().prefix("rpm-workflow-").tempdir()?;
    let payload = run::event::payload(event, options.payload.as_ref(), &inputs, &repository, &options.env);
    let event_file = scratch.path().join("event.json");
    std::fs::write(&event_file, payload.to_string())?;
    let mut command = Command::new(program);
    command.arg(&event.name).arg("--json").arg("--workflows").arg(workflow.path().canonicalize()?);
    command.arg("--eventpath").arg(&event_file);
    for label in labels(workflow) {
        command.arg("--platform").arg(format!("{label}=-self-hosted"));
    }
    for (option, names) in [("--secret", &workflow.secrets), ("--var", &workflow.variables)] {
        for (name, value) in names.iter().filter_map(|name| Some((name, options.env.get(name)?))) {
            // A secret stands in the environment, which only this user can read; arguments can be read by everybody.
            command.arg(option).arg(if option == "--secret" {
                name.clone()
            } else {
                format!("{name}={value}")
            });
        }
    }
    for (name, value) in inputs.iter() {
        command.arg("--input").arg(format!("{name}={}", value.to_text()));
    }
    // It takes one job alone.
    if let [job] = options.jobs.as_slice() {
        command.arg("--job").arg(job);
    }
    if options.in_place {
        command.arg("--bind");
    }
    command.current_dir(&repository.root).env_clear().envs(options.env.iter());
    let limit = run::process::Limit {
        timeout: None,
        deadline: options.limit.and_then(|limit| started.checked_add(limit)),
        cancels: vec![options.cancel.clone()],
    };
    let mut log = Log {
        watch,
        known: workflow.jobs().collect(),
        jobs: Vec::new(),
        places: HashMap::new(),
        said: Vec::new(),
    };
    let end = run::process::run(&mut command, &limit, &mut |line| log.line(line))?;
    let is_cancelled = !matches!(end, run::process::End::Exited(_));
    let jobs = log.finish(workflow, is_cancelled);
    if jobs.is_empty() {
        let said = log.said.join("; ");
        return Err(RunError::Workspace(format!("act ran no job: {said}")));
    }
    Ok(Outcome {
        workflow: workflow.name(),
        file: workflow.path().to_owned(),
        event: event.name.clone(),
        conclusion: match end {
            run::process::End::Exited(status) if status.success() => Conclusion::of_all(
                jobs.iter().map(|job| job.conclusion).filter(|it| *it != Conclusion::Failure),
            ),
            run::process::End::Exited(_) => Conclusion::Failure,
            _ => Conclusion::Cancelled,
        },
        took: started.elapsed(),
        jobs,
    })
}

/// The labels of the jobs, as far as they are written out.
fn labels(workflow: &Workflow) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    let mut add = |tree: &Tree| {
        if let Tree::Value(Value::String(label)) = tree {
            labels.push(label.as_ref().to_owned());
        }
    };
    for job in &workflow.jobs {
        if let Work::Steps { runs_on, .. } = &job.work {
            match runs_on {
                Tree::List(items) => items.iter().for_each(&mut add),
                tree => add(tree),
            }
        }
    }
    labels.extend(["ubuntu-latest", "ubuntu-24.04", "ubuntu-22.04"].map(str::to_owned));
    labels.retain(|label| !label.starts_with("windows") && !label.starts_with("macos"));
    labels.sort_unstable();
    labels.dedup();
    labels
}

/// A line of its log.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    level: Option<String>,
    #[serde(default)]
    msg: String,
    job: Option<String>,
    #[serde(rename = "jobID")]
    job_id: Option<String>,
    job_result: Option<String>,
    #[serde(default)]
    step: String,
    stage: Option<String>,
    #[serde(rename = "stepID", default)]
    step_id: Vec<String>,
    step_result: Option<String>,
    #[serde(default, rename = "raw_output")]
    raw_output: bool,
    #[serde(default)]
    execution_time: u64,
    command: Option<String>,
    name: Option<String>,
    arg: Option<String>,
}

struct Log<'a> {
    watch: &'a (dyn Fn(Progress<'_>) + Sync),
    /// The ids of the file.
    known: Vec<&'a str>,
    jobs: Vec<JobOutcome>,
    places: HashMap<String, usize>,
    /// Errors that belong to no job.
    said: Vec<String>,
}

impl Log<'_> {
    fn line(&mut self, text: &str) {
        let Ok(line) = serde_json::from_str::<Line>(text) else {
            self.said.push(text.to_owned());
            return;
        };
        let (Some(name), Some(id)) = (&line.job, &line.job_id) else {
            if line.level.as_deref() == Some("error") {
                self.said.push(line.msg);
            }
            return;
        };
        // `workflow/job`, or `caller/workflow/job` for a job of a workflow that is called.
        let (first, rest) = name.split_once('/').unwrap_or(("", name));
        let is_own = self.known.iter().any(|known| known == id);
        let (id, name) = if is_own { (id.as_str(), rest.trim()) } else { (first, name.trim()) };
        let name = name.to_owned();
        let place = *self.places.entry(name.clone()).or_insert_with(|| {
            (self.watch)(Progress::JobStarted { job: &name });
            self.jobs.push(empty(id.trim(), &name, Conclusion::Success));
            self.jobs.len() - 1
        });
        let Some(job) = self.jobs.get_mut(place) else { return };
        if line.raw_output {
            (self.watch)(Progress::Line { job: &name, text: line.msg.trim_end() });
        } else if line.command.as_deref() == Some("set-output") {
            if let (Some(step), Some(name)) = (job.steps.last_mut(), line.name) {
                step.outputs.insert(name, line.arg.unwrap_or_default());
            }
        } else if let Some(result) = &line.step_result {
            if line.stage.as_deref() != Some("Main") {
                return;
            }
            let conclusion = conclusion(result);
            let step = line.step.lines().next().unwrap_or_default();
            (self.watch)(Progress::StepEnded { job: &name, step, conclusion, reason: None });
            let id = line.step_id.last().filter(|id| id.parse::<usize>().is_err());
            job.steps.push(StepOutcome {
                name: step.to_owned(),
                id: id.cloned(),
                outcome: conclusion,
                conclusion,
                reason: None,
                took: Duration::from_nanos(line.execution_time),
                outputs: BTreeMap::new(),
            });
        } else if let Some(result) = &line.job_result {
            job.conclusion = conclusion(result);
            (self.watch)(Progress::JobEnded { job: &name, conclusion: job.conclusion, reason: None });
        } else if line.msg.contains("Skipping unsupported platform") {
            job.conclusion = Conclusion::NotRunnable;
            job.reason = Some(line.msg.trim().to_owned());
        } else if line.level.as_deref() == Some("error") {
            job.reason.get_or_insert(line.msg.trim().to_owned());
        }
    }

    /// The jobs in the order of the file; those of which it said nothing were skipped.
    fn finish(&mut self, workflow: &Workflow, is_cancelled: bool) -> Vec<JobOutcome> {
        let missing = if is_cancelled { Conclusion::Cancelled } else { Conclusion::Skipped };
        if self.jobs.is_empty() && !self.said.is_empty() {
            return Vec::new();
        }
        for job in &workflow.jobs {
            if !self.jobs.iter().any(|known| known.id == job.id) {
                self.jobs.push(empty(&job.id, &job.id, missing));
            }
        }
        let place = |job: &JobOutcome| workflow.jobs.iter().position(|own: &Job| own.id == job.id);
        self.jobs.sort_by_key(place);
        std::mem::take(&mut self.jobs)
    }
}

fn conclusion(word: &str) -> Conclusion {
    match word {
        "success" => Conclusion::Success,
        "skipped" => Conclusion::Skipped,
        "cancelled" => Conclusion::Cancelled,
        _ => Conclusion::Failure,
    }
}

fn empty(id: &str, name: &str, conclusion: Conclusion) -> JobOutcome {
    JobOutcome {
        id: id.to_owned(),
        name: name.to_owned(),
        conclusion,
        reason: None,
        tolerated: false,
        took: Duration::ZERO,
        outputs: BTreeMap::new(),
        steps: Vec::new(),
        annotations: Vec::new(),
        summary: String::new(),
    }
}
