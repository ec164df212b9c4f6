//! Running a workflow on this machine.

mod actions;
mod call;
mod called;
mod cancel;
mod command_files;
mod commands;
mod console;
mod contexts;
pub(crate) mod event;
mod exec;
mod frame;
pub(crate) mod graph;
mod hash_files;
mod job;
mod labels;
mod mask;
mod matrix;
mod orphans;
pub(crate) mod process;
mod repository;
pub(crate) mod script;
mod slots;
mod steps;
mod tools;
mod version;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::AtomicUsize,
    time::{Duration, Instant},
};

use rpm_core::Env;

pub use self::cancel::Cancel;
use self::{call::Call, mask::Masks, repository::Repository, slots::Slots};
use crate::{Annotation, Conclusion, JobOutcome, Outcome, Workflow, expression::Value};

/// What a run is given.
#[derive(Clone, Debug)]
pub struct Options {
    /// The repository; else the one that the file is in.
    pub repository: Option<PathBuf>,
    /// Only these jobs, with those that they need; all of them where none is named.
    pub jobs: Vec<String>,
    /// The event that is said to have happened. Else the first that the file names of `workflow_dispatch`, `push`,
    /// `schedule`, or its first.
    pub event: Option<String>,
    /// The payload of the event; `github.event`.
    pub payload: Option<serde_json::Value>,
    /// The inputs of `workflow_dispatch`.
    pub inputs: BTreeMap<String, String>,
    /// Works in the repository itself instead of a scratch copy of its last commit.
    pub in_place: bool,
    /// The environment of steps, and where secrets and variables come from. A secret that the file names is taken
    /// from the variable of that name, and steps see it only where the file hands it to them.
    pub env: Env,
    /// After so long all is cancelled.
    pub limit: Option<Duration>,
    /// How many jobs run at once at most.
    pub max_parallel: usize,
    /// Cancels the run from outside.
    pub cancel: Cancel,
}

/// What happens during a run, for those who watch. Secrets are masked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// A job begins.
    JobStarted {
        /// Its name.
        job: &'a str,
    },
    /// A step begins.
    StepStarted {
        /// The name of the job.
        job: &'a str,
        /// The name of the step.
        step: &'a str,
    },
    /// A line of output.
    Line {
        /// The name of the job.
        job: &'a str,
        /// The line, without its end.
        text: &'a str,
    },
    /// A group of lines begins, with its title, or ends.
    Group {
        /// The name of the job.
        job: &'a str,
        /// The title; none where it ends.
        title: Option<&'a str>,
    },
    /// A step makes a remark.
    Annotation {
        /// The name of the job.
        job: &'a str,
        /// The remark.
        annotation: &'a Annotation,
    },
    /// A step has ended.
    StepEnded {
        /// The name of the job.
        job: &'a str,
        /// The name of the step.
        step: &'a str,
        /// After `continue-on-error`.
        conclusion: Conclusion,
        /// Why it did not succeed.
        reason: Option<&'a str>,
    },
    /// A job has ended.
    JobEnded {
        /// Its name.
        job: &'a str,
        /// The end.
        conclusion: Conclusion,
        /// Why, where no step says it.
        reason: Option<&'a str>,
    },
}

/// Why nothing was run.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its variant is")]
pub enum RunError {
    #[error("no job {name:?} in {file}: it has {}", known.join(", "))]
    NoJob { name: String, file: PathBuf, known: Vec<String> },
    #[error("{file} does not run on {event:?}: it runs on {}", known.join(", "))]
    NoEvent { event: String, file: PathBuf, known: Vec<String> },
    #[error("the input {name:?}: {problem}")]
    Input { name: String, problem: String },
    #[error("{0}")]
    Workspace(String),
    #[error("cannot prepare the run: {0}")]
    Io(#[from] std::io::Error),
}

/// What every part of a run shares.
struct Shared<'a> {
    options: &'a Options,
    watch: &'a (dyn Fn(Progress<'_>) + Sync),
    masks: Masks,
    deadline: Option<Instant>,
    repository: Repository,
    /// The directory of this run.
    scratch: PathBuf,
    event: &'a str,
    payload: Value,
    slots: Slots,
    /// Gives each job its own number.
    jobs: AtomicUsize,
}

/// Runs a workflow and waits for its end. `watch` is called from the threads of the jobs.
///
/// What is wrong before a job begins is an error; what goes wrong in jobs is part of the outcome. When this returns,
/// nothing that the steps started is left: processes are killed, scratch copies are removed.
pub fn run(
    workflow: &Workflow,
    options: &Options,
    watch: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Outcome, RunError> {
    let started = Instant::now();
    let event = event::choose(workflow, options)?;
    let inputs = event::inputs(event, &options.inputs)?;
    let only = graph::chosen(workflow, &options.jobs)?;
    let repository = repository(workflow, options)?;
    let scratch = tempfile::Builder::new().prefix("rpm-workflow-").tempdir()?;
    let payload = event::payload(event, options.payload.as_ref(), &inputs, &repository, &options.env);
    std::fs::write(scratch.path().join(EVENT_FILE), payload.to_string())?;
    let shared = Shared {
        options,
        watch,
        masks: Masks::of(&options.env),
        deadline: options.limit.and_then(|limit| started.checked_add(limit)),
        repository,
        // The names of temporary directories may be links.
        scratch: scratch.path().canonicalize()?,
        event: &event.name,
        payload: (&payload).into(),
        slots: Slots::new(options.max_parallel),
        jobs: AtomicUsize::new(0),
    };
    let call = Call::top(&shared, workflow, inputs, only);
    let jobs: Vec<JobOutcome> = graph::run(&call).into_iter().flat_map(|(_, job)| job.outcomes).collect();
    let counted = |job: &JobOutcome| if job.tolerated { Conclusion::Success } else { job.conclusion };
    Ok(Outcome {
        workflow: workflow.name(),
        file: workflow.path().to_owned(),
        event: event.name.clone(),
        conclusion: Conclusion::of_all(jobs.iter().map(counted)),
        took: started.elapsed(),
        jobs,
    })
}

/// The payload of the event, in the directory of the run.
const EVENT_FILE: &str = "event.json";

pub(crate) fn repository(workflow: &Workflow, options: &Options) -> Result<Repository, RunError> {
    let directory = options.repository.clone().unwrap_or_else(|| {
        let parent = workflow.path().parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.unwrap_or(Path::new(".")).to_owned()
    });
    let directory = directory
        .canonicalize()
        .map_err(|error| RunError::Workspace(format!("{}: {error}", directory.display())))?;
    let repository = Repository::of(&directory, &options.env);
    if repository.sha.is_none() && !options.in_place {
        let root = repository.root.display();
        let message =
            format!("{root} is no git repository with a commit to copy: --in-place runs in it as it is");
        return Err(RunError::Workspace(message));
    }
    Ok(repository)
}
