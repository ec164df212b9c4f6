//! One workflow that is run: the one that was asked for, or one that a job calls.

use std::collections::BTreeSet;

use rpm_core::Env;

use super::{Cancel, Shared, contexts};
use crate::{
    Workflow,
    expression::{Object, Value},
};

/// A workflow, and what it was given.
pub(super) struct Call<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) workflow: &'a Workflow,
    pub(super) inputs: Value,
    pub(super) secrets: Value,
    pub(super) variables: Value,
    /// What steps inherit.
    pub(super) env: Env,
    /// The jobs that are run; the others are not there.
    pub(super) only: Option<BTreeSet<String>>,
    /// What stands before the ids of its jobs, and before their names.
    pub(super) prefix: (String, String),
    pub(super) cancels: Vec<Cancel>,
    /// How many workflows called each other until here.
    pub(super) depth: usize,
}

impl<'a> Call<'a> {
    /// The workflow that was asked for.
    pub(super) fn top(
        shared: &'a Shared<'a>,
        workflow: &'a Workflow,
        inputs: Object,
        only: Option<BTreeSet<String>>,
    ) -> Self {
        let env = &shared.options.env;
        let secrets = contexts::secrets(&workflow.secrets, env);
        Self {
            shared,
            workflow,
            inputs: inputs.into(),
            secrets: secrets.into(),
            variables: contexts::variables(&workflow.variables, env).into(),
            env: contexts::inherited(env, &workflow.secrets),
            only,
            prefix: (String::new(), String::new()),
            cancels: vec![shared.options.cancel.clone()],
            depth: 0,
        }
        .masked()
    }

    /// Hides the secrets from here on.
    pub(super) fn masked(self) -> Self {
        if let Value::Object(secrets) = &self.secrets {
            secrets.iter().for_each(|(_, secret)| self.shared.masks.add(&secret.to_text()));
        }
        self
    }

    /// Whether all has to end.
    pub(super) fn is_cancelled(&self) -> bool {
        let is_late = self.shared.deadline.is_some_and(|deadline| std::time::Instant::now() >= deadline);
        is_late || self.cancels.iter().any(Cancel::is_cancelled)
    }
}
