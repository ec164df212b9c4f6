//! GitHub Actions workflow files: checked with positions, and run on this machine.
//!
//! A file goes forward only: text → a tree with places ([`rpm_ecosystem::parse_yaml`]) → `schema`, GitHub's own
//! schema of workflow files, kept as data → `check`, what no schema can say (needs, cron, ids) → [`Workflow`].
//! [`run`](fn@run) takes it from there: `run::plan` puts jobs in order, `run::job` does the steps of one, and everything
//! that a `${{ }}` says is `expression`.
//!
//! What runs here and what does not is in `docs/workflow.md`.

mod act;
mod check;
mod expression;
mod files;
mod model;
mod outcome;
mod run;
mod schema;
mod suggestion;

pub use act::run_with_act;
pub use check::{check_file, check_text};
pub use files::workflow_files;
pub use model::{Schedule, Workflow};
pub use outcome::{Annotation, Conclusion, JobOutcome, Outcome, StepOutcome};
pub use run::{Cancel, Options, Progress, RunError, run};
