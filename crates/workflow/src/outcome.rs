//! How a run ended.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Serialize, Serializer};

/// How a step, a job or a run ended, in GitHub's words and one of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// All that had to be done was done.
    Success,
    /// Something failed that was not allowed to.
    Failure,
    /// Ended from outside: by whoever asked for the run, by a limit of time, or because a sibling failed.
    Cancelled,
    /// Its condition did not hold, or what it needs did not succeed.
    Skipped,
    /// It asks for something that is not on this machine. Never a success, and no verdict on the workflow either.
    NotRunnable,
}

impl Conclusion {
    /// The word that GitHub uses, and `not_runnable`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::NotRunnable => "not_runnable",
        }
    }

    /// The exit code of `rpm workflow run`: 0 for success (and for a run in which everything was skipped, as on
    /// GitHub), 1 failure, 2 cancelled, 3 not runnable here.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Success | Self::Skipped => 0,
            Self::Failure => 1,
            Self::Cancelled => 2,
            Self::NotRunnable => 3,
        }
    }

    /// Of several, the one that stands for all: a failure counts most, then a cancellation, then what did not run.
    pub(crate) fn of_all(all: impl IntoIterator<Item = Self>) -> Self {
        let rank = |conclusion: &Self| match conclusion {
            Self::Skipped => 0,
            Self::Success => 1,
            Self::NotRunnable => 2,
            Self::Cancelled => 3,
            Self::Failure => 4,
        };
        all.into_iter().max_by_key(rank).unwrap_or(Self::Skipped)
    }
}

/// How a run of a workflow ended. Serialised it is what `rpm workflow run --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The name of the workflow.
    pub workflow: String,
    /// Its file.
    pub file: PathBuf,
    /// The event that it was run for.
    pub event: String,
    /// The whole.
    pub conclusion: Conclusion,
    /// How long it took, in seconds.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub took: Duration,
    /// Its jobs, in the order of the file; one for each combination of a matrix.
    pub jobs: Vec<JobOutcome>,
}

/// How a job ended.
#[derive(Clone, Debug, Serialize)]
pub struct JobOutcome {
    /// Its key in the file. The jobs of a called workflow have that of the caller and a `/` before their own.
    pub id: String,
    /// Its name as GitHub shows it, with the values of the matrix.
    pub name: String,
    /// The end.
    pub conclusion: Conclusion,
    /// Why, where that is not said by a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Failed, and allowed to: the run does not count it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tolerated: bool,
    /// How long it took, in seconds.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub took: Duration,
    /// Its outputs; those that hold a secret are left out, as on GitHub.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, String>,
    /// What it did.
    pub steps: Vec<StepOutcome>,
    /// What its steps said with `::error::`, `::warning::` and `::notice::`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Annotation>,
    /// What its steps wrote into `$GITHUB_STEP_SUMMARY`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub summary: String,
}

/// How a step ended.
#[derive(Clone, Debug, Serialize)]
pub struct StepOutcome {
    /// Its name as GitHub shows it.
    pub name: String,
    /// Its id, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Before `continue-on-error`.
    pub outcome: Conclusion,
    /// After it.
    pub conclusion: Conclusion,
    /// Why it did not succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long it took, in seconds.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub took: Duration,
    /// Its outputs; those that hold a secret are left out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, String>,
}

/// A remark of a step about a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Annotation {
    /// `error`, `warning` or `notice`.
    pub level: &'static str,
    /// What it says, with secrets masked.
    pub message: String,
    /// The other properties: `file`, `line`, `col`, `title` ...
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
}

fn seconds<S: Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // Milliseconds: what is finer is noise.
    serializer.serialize_f64((took.as_secs_f64() * 1000.0).round() / 1000.0)
}
