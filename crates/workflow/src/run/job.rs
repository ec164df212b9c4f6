//! One job: whether it runs, once for each combination of its matrix, or as a workflow of its own.

use std::thread;

use super::{
    Cancel, Progress, call::Call, called, contexts, contexts::Contexts, graph::Finished, matrix,
    slots::Slots, steps,
};
use crate::{
    Conclusion, JobOutcome,
    expression::{Expression, Object, Status, Tree, Value},
    model::{Job, Work},
};

/// What a job that ended is to those that need it: `needs.x.result` has four words.
fn result_word(result: Conclusion) -> &'static str {
    match result {
        Conclusion::NotRunnable => Conclusion::Skipped.word(),
        other => other.word(),
    }
}

/// Results and outputs by the ids of jobs: `needs` and `jobs`.
pub(super) fn results<'a>(jobs: impl Iterator<Item = (&'a str, &'a Finished)>) -> Object {
    jobs.map(|(id, job)| {
        let entries =
            [("result", Value::from(result_word(job.result))), ("outputs", job.outputs.clone().into())];
        (id, Value::from(entries.into_iter().collect::<Object>()))
    })
    .collect()
}

/// One run of a job, with all that was evaluated for it.
pub(super) struct Instance<'a> {
    pub(super) call: &'a Call<'a>,
    pub(super) job: &'a Job,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) contexts: Contexts,
    pub(super) cancels: Vec<Cancel>,
}

/// Runs a job when all that it needs has ended.
pub(super) fn run(call: &Call<'_>, job: &Job, needs: &[(&str, &Finished)], status: Status) -> Finished {
    let mut contexts = Contexts::default()
        .with("github", contexts::github(call))
        .with("inputs", call.inputs.clone())
        .with("vars", call.variables.clone())
        .with("needs", results(needs.iter().copied()));
    contexts.status = status;
    match contexts.hold(job.condition.as_ref()) {
        Ok(true) => {}
        Ok(false) => {
            let culprit = needs.iter().find(|(_, need)| need.result != Conclusion::Success);
            let reason = match culprit {
                _ if call.is_cancelled() => "the run was cancelled".to_owned(),
                Some((id, need)) => format!("it needs {id}: {}", need.result.word().replace('_', " ")),
                None => "its condition does not hold".to_owned(),
            };
            let conclusion = if call.is_cancelled() { Conclusion::Cancelled } else { Conclusion::Skipped };
            return not_run(call, job, conclusion, &reason);
        }
        Err(error) => return not_run(call, job, Conclusion::Failure, &error),
    }
    contexts.status = Status::Success;
    match instances(call, job, &contexts) {
        Ok(instances) => all(job, &instances, &contexts),
        Err(error) => not_run(call, job, Conclusion::Failure, &error),
    }
}

/// A job that ends before its first step.
fn not_run(call: &Call<'_>, job: &Job, conclusion: Conclusion, reason: &str) -> Finished {
    let id = format!("{}{}", call.prefix.0, job.id);
    let name = match &job.name {
        Tree::Value(Value::String(name)) => name.as_ref(),
        _ => &job.id,
    };
    let name = format!("{}{name}", call.prefix.1);
    let outcome = ended(call, id, name, conclusion, Some(reason.to_owned()));
    Finished { result: conclusion, outputs: Object::default(), outcomes: vec![outcome] }
}

/// An outcome without steps, which is told.
pub(super) fn ended(
    call: &Call<'_>,
    id: String,
    name: String,
    conclusion: Conclusion,
    reason: Option<String>,
) -> JobOutcome {
    let reason = reason.map(|reason| call.shared.masks.hide(&reason).into_owned());
    (call.shared.watch)(Progress::JobEnded { job: &name, conclusion, reason: reason.as_deref() });
    JobOutcome {
        id,
        name,
        conclusion,
        reason,
        tolerated: false,
        took: std::time::Duration::ZERO,
        outputs: std::collections::BTreeMap::new(),
        steps: Vec::new(),
        annotations: Vec::new(),
        summary: String::new(),
    }
}

/// The runs of a job: one, or one for each combination.
fn instances<'a>(call: &'a Call<'a>, job: &'a Job, contexts: &Contexts) -> Result<Vec<Instance<'a>>, String> {
    let combinations = if job.strategy.matrix.is_absent() {
        vec![None]
    } else {
        let matrix = job.strategy.matrix.evaluate(contexts)?;
        matrix::combinations(&matrix)?.into_iter().map(Some).collect()
    };
    let total = combinations.len();
    let fail_fast = is_fail_fast(job, contexts)?;
    let max_parallel = max_parallel(job, contexts)?.unwrap_or(total);
    let group = Cancel::default();
    let instance = |(index, combination): (usize, Option<Object>)| {
        let strategy: Object = [
            ("fail-fast", Value::from(fail_fast)),
            ("job-index", Value::Number(index as f64)),
            ("job-total", Value::Number(total as f64)),
            ("max-parallel", Value::Number(max_parallel as f64)),
        ]
        .into_iter()
        .collect();
        let label = combination.as_ref().map(matrix::label);
        let contexts = contexts
            .clone()
            .with("strategy", strategy)
            .with("matrix", combination.map_or(Value::Null, Value::from));
        let name = name(job, &contexts, label.as_deref())?;
        Ok(Instance {
            call,
            job,
            id: format!("{}{}", call.prefix.0, job.id),
            name: format!("{}{name}", call.prefix.1),
            contexts,
            cancels: [call.cancels.clone(), vec![group.clone()]].concat(),
        })
    };
    combinations.into_iter().enumerate().map(instance).collect()
}

fn is_fail_fast(job: &Job, contexts: &Contexts) -> Result<bool, String> {
    match job.strategy.fail_fast.evaluate(contexts)? {
        Value::Null => Ok(true),
        value => Ok(value.is_truthy() && value.to_text() != "false"),
    }
}

fn max_parallel(job: &Job, contexts: &Contexts) -> Result<Option<usize>, String> {
    match job.strategy.max_parallel.evaluate(contexts)? {
        Value::Null => Ok(None),
        value => match value.to_text().parse() {
            Ok(count) if count > 0 => Ok(Some(count)),
            _ => Err(format!("max-parallel: expected a number from 1, found {:?}", value.to_text())),
        },
    }
}

/// The name that GitHub shows: the values of the matrix stand behind one that does not use them.
fn name(job: &Job, contexts: &Contexts, label: Option<&str>) -> Result<String, String> {
    let name = job.name.text(contexts)?;
    let name = if name.is_empty() { job.id.clone() } else { name };
    let mut uses_matrix = false;
    job.name.templates(&mut |template| {
        for expression in template.expressions() {
            expression.walk(&mut |part| {
                uses_matrix |= matches!(part, Expression::Context(name) if name == "matrix");
            });
        }
    });
    Ok(match label.filter(|label| !uses_matrix && !label.is_empty()) {
        Some(label) => format!("{name} ({label})"),
        None => name,
    })
}

/// What one run of a job has come to.
pub(super) struct Ran {
    pub(super) outcomes: Vec<JobOutcome>,
    /// The whole of them.
    pub(super) conclusion: Conclusion,
    pub(super) outputs: Object,
}

/// Runs them side by side, as many at once as the strategy allows.
fn all(job: &Job, instances: &[Instance<'_>], contexts: &Contexts) -> Finished {
    let places = max_parallel(job, contexts).ok().flatten().unwrap_or(instances.len());
    let places = Slots::new(places);
    let fail_fast = instances.len() > 1 && is_fail_fast(job, contexts).unwrap_or(true);
    let ended = std::sync::Mutex::new(Object::default());
    let ran: Vec<(Ran, bool)> = thread::scope(|scope| {
        let running: Vec<_> = instances
            .iter()
            .map(|instance| {
                let (places, ended) = (&places, &ended);
                scope.spawn(move || {
                    let _place = places.take();
                    let (ran, is_tolerated) = one(instance);
                    // Of several the last one to end gives an output.
                    let mut outputs = ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    for (name, value) in ran.outputs.iter().filter(|(_, value)| value.is_truthy()) {
                        outputs.set(name, value.clone());
                    }
                    if fail_fast && ran.conclusion == Conclusion::Failure && !is_tolerated {
                        instance.cancels.last().into_iter().for_each(Cancel::cancel);
                    }
                    (ran, is_tolerated)
                })
            })
            .collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let result = |(ran, is_tolerated): &(Ran, bool)| {
        if *is_tolerated { Conclusion::Success } else { ran.conclusion }
    };
    Finished {
        result: Conclusion::of_all(ran.iter().map(result)),
        outputs: ended.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner),
        outcomes: ran.into_iter().flat_map(|(ran, _)| ran.outcomes).collect(),
    }
}

/// Runs one of them. What came of it, and whether it failed and was allowed to.
fn one(instance: &Instance<'_>) -> (Ran, bool) {
    let mut ran = match &instance.job.work {
        Work::Call { workflow, with, secrets } => called::run(instance, workflow, with, secrets),
        Work::Steps { .. } => {
            let _place = instance.call.shared.slots.take();
            steps::run(instance)
        }
    };
    let tolerates = instance.job.continue_on_error.evaluate(&instance.contexts);
    let tolerates = tolerates.is_ok_and(|value| value.is_truthy() && value.to_text() != "false");
    let is_tolerated = tolerates && ran.conclusion == Conclusion::Failure;
    if is_tolerated {
        ran.outcomes
            .iter_mut()
            .for_each(|outcome| outcome.tolerated = outcome.conclusion == Conclusion::Failure);
    }
    (ran, is_tolerated)
}
