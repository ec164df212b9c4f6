//! Running a workflow on this machine.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use rpm_core::Env;

pub use self::cancel::Cancel;
use crate::{Annotation, Conclusion, Outcome, Workflow};

mod cancel;

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
    /// Works in the repository itself instead of a scratch worktree of its last commit.
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

/// Runs a workflow and waits for its end. `watch` is called from the threads of the jobs.
///
/// What is wrong before a job begins is an error; what goes wrong in jobs is part of the outcome. When this returns,
/// nothing that the steps started is left: processes are killed, the scratch worktree is removed.
pub fn run(
    workflow: &Workflow,
    options: &Options,
    watch: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Outcome, RunError> {
    _ = (workflow, options, watch);
    Err(RunError::Workspace("not yet".to_owned()))
}
