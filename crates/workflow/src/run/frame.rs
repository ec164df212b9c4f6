//! A list of steps that is gone through, and what each of them comes to.

use std::{path::PathBuf, time::Instant};

use rpm_core::Env;

use crate::{
    Conclusion, StepOutcome,
    expression::{Object, Value},
};

/// A list of steps: those of the job, or those of a composite action.
#[derive(Default)]
pub(super) struct Frame {
    pub(super) inputs: Value,
    /// What the step that uses the action sets.
    pub(super) env: Env,
    pub(super) action_path: Option<PathBuf>,
    pub(super) steps: Object,
    pub(super) shell: Option<String>,
    pub(super) directory: Option<String>,
    pub(super) has_failed: bool,
    pub(super) is_incomplete: bool,
    pub(super) was_cancelled: bool,
    pub(super) depth: usize,
    /// When the step that uses the action has reached its `timeout-minutes`.
    pub(super) timeout: Option<Instant>,
    pub(super) outcomes: Vec<StepOutcome>,
}

impl Frame {
    /// The steps of a composite action that a step of `outer` uses with an environment of its own.
    pub(super) fn of_action(outer: &Self, env: &Env, directory: PathBuf, inputs: Object) -> Self {
        let mut all = outer.env.clone();
        all.merge(env);
        Self {
            inputs: inputs.into(),
            env: all,
            action_path: Some(directory),
            depth: outer.depth + 1,
            ..Self::default()
        }
    }

    /// What all steps together have come to.
    pub(super) fn conclusion(&self) -> Conclusion {
        if self.was_cancelled {
            Conclusion::Cancelled
        } else if self.has_failed {
            Conclusion::Failure
        } else if self.is_incomplete {
            Conclusion::NotRunnable
        } else {
            Conclusion::Success
        }
    }

    /// What the first step says that ended like that.
    pub(super) fn reason(&self, conclusion: Conclusion) -> Option<String> {
        let step = self.outcomes.iter().find(|step| step.conclusion == conclusion)?;
        Some(format!("{}: {}", step.name, step.reason.as_ref()?))
    }
}

/// What a step has come to before `continue-on-error`.
pub(super) struct Did {
    pub(super) conclusion: Conclusion,
    pub(super) reason: Option<String>,
    pub(super) outputs: Object,
}

impl Did {
    pub(super) fn success(outputs: Object) -> Self {
        Self { conclusion: Conclusion::Success, reason: None, outputs }
    }

    pub(super) fn skipped() -> Self {
        Self { conclusion: Conclusion::Skipped, reason: None, outputs: Object::default() }
    }

    pub(super) fn cancelled() -> Self {
        Self { conclusion: Conclusion::Cancelled, reason: None, outputs: Object::default() }
    }

    pub(super) fn failure(reason: impl Into<String>) -> Self {
        Self { conclusion: Conclusion::Failure, reason: Some(reason.into()), outputs: Object::default() }
    }

    pub(super) fn not_runnable(reason: &str) -> Self {
        Self {
            conclusion: Conclusion::NotRunnable,
            reason: Some(format!("not runnable here: {reason}")),
            outputs: Object::default(),
        }
    }
}
