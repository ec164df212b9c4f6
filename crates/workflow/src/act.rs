//! Running a workflow with `act`.

use crate::{Options, Outcome, Progress, RunError, Workflow};

/// Runs a workflow with `act`.
pub fn run_with_act(
    workflow: &Workflow,
    options: &Options,
    watch: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Outcome, RunError> {
    crate::run(workflow, options, watch)
}
