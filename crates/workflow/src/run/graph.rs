//! The jobs of a workflow, each as soon as those that it needs have ended.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Condvar, Mutex, PoisonError},
    thread,
};

use super::{RunError, call::Call, job};
use crate::{
    Conclusion, JobOutcome, Workflow,
    expression::{Object, Status},
    model::Job,
};

/// A job that has ended, with all combinations of its matrix.
#[derive(Clone, Debug)]
pub(super) struct Finished {
    /// As those see it that need it: a failure that was allowed is a success.
    pub(super) result: Conclusion,
    pub(super) outputs: Object,
    pub(super) outcomes: Vec<JobOutcome>,
}

/// The jobs that were asked for, with all that they need; none where all are meant.
pub(crate) fn chosen(workflow: &Workflow, names: &[String]) -> Result<Option<BTreeSet<String>>, RunError> {
    if names.is_empty() {
        return Ok(None);
    }
    let mut chosen = BTreeSet::new();
    for name in names {
        if !workflow.jobs.iter().any(|job| job.id == *name) {
            return Err(RunError::NoJob {
                name: name.clone(),
                file: workflow.path().to_owned(),
                known: workflow.jobs().map(str::to_owned).collect(),
            });
        }
        chosen.insert(name.clone());
        chosen.extend(ancestors(workflow, name));
    }
    Ok(Some(chosen))
}

/// All that a job needs, directly or not.
fn ancestors(workflow: &Workflow, id: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut next = vec![id.to_owned()];
    while let Some(id) = next.pop() {
        let needs = workflow.jobs.iter().filter(|job| job.id == id).flat_map(|job| &job.needs);
        for need in needs {
            if found.insert(need.clone()) {
                next.push(need.clone());
            }
        }
    }
    found
}

/// What has ended by now.
#[derive(Default)]
struct Board {
    finished: Mutex<HashMap<String, Finished>>,
    changed: Condvar,
}

impl Board {
    fn wait_for(&self, ids: &BTreeSet<String>) -> HashMap<String, Finished> {
        let finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        let finished = self
            .changed
            .wait_while(finished, |finished| ids.iter().any(|id| !finished.contains_key(id)))
            .unwrap_or_else(PoisonError::into_inner);
        ids.iter().filter_map(|id| Some((id.clone(), finished.get(id)?.clone()))).collect()
    }

    fn put(&self, id: &str, job: Finished) {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), job);
        self.changed.notify_all();
    }
}

/// Runs the jobs of a workflow. What came of them, in the order of the file.
pub(super) fn run(call: &Call<'_>) -> Vec<(String, Finished)> {
    let board = Board::default();
    let is_chosen = |job: &&Job| call.only.as_ref().is_none_or(|only| only.contains(&job.id));
    let jobs: Vec<_> = call.workflow.jobs.iter().filter(is_chosen).collect();
    thread::scope(|scope| {
        for job in &jobs {
            let board = &board;
            scope.spawn(move || {
                let before = board.wait_for(&ancestors(call.workflow, &job.id));
                let status = status(call, &before);
                let needs: Vec<_> =
                    job.needs.iter().filter_map(|id| Some((id.as_str(), before.get(id)?))).collect();
                board.put(&job.id, job::run(call, job, &needs, status));
            });
        }
    });
    let mut finished = board.finished.into_inner().unwrap_or_else(PoisonError::into_inner);
    jobs.iter().filter_map(|job| finished.remove_entry(&job.id)).collect()
}

/// How all that came before a job went: on GitHub, too, what is farther away than `needs` counts.
fn status(call: &Call<'_>, before: &HashMap<String, Finished>) -> Status {
    let any = |conclusion| before.values().any(|job| job.result == conclusion);
    if call.is_cancelled() {
        Status::Cancelled
    } else if any(Conclusion::Failure) {
        Status::Failure
    } else if before.values().all(|job| job.result == Conclusion::Success) {
        Status::Success
    } else {
        Status::Incomplete
    }
}
