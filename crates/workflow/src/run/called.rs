//! A workflow that a job calls.

use super::{
    call::Call,
    contexts::{self, Contexts},
    event, graph,
    job::{self, Instance, Ran, ended},
};
use crate::{
    Conclusion,
    check::check_file,
    expression::{Object, Tree, Value},
    model::{Called, Event, Secrets},
};

/// GitHub's bound of workflows that call each other.
const MAX_DEPTH: usize = 10;

/// Runs the workflow that a job calls.
pub(super) fn run(instance: &Instance<'_>, workflow: &Called, with: &Tree, secrets: &Secrets) -> Ran {
    match prepare_and_run(instance, workflow, with, secrets) {
        Ok(ran) => ran,
        Err((conclusion, reason)) => {
            let outcome =
                ended(instance.call, instance.id.clone(), instance.name.clone(), conclusion, Some(reason));
            Ran { outcomes: vec![outcome], conclusion, outputs: Object::default() }
        }
    }
}

fn prepare_and_run(
    instance: &Instance<'_>,
    called: &Called,
    with: &Tree,
    secrets: &Secrets,
) -> Result<Ran, (Conclusion, String)> {
    let failed = |reason: String| (Conclusion::Failure, reason);
    let caller = instance.call;
    let shared = caller.shared;
    let path = match called {
        Called::Local(path) => shared.repository.root.join(path.strip_prefix(".").unwrap_or(path)),
        Called::Remote(name) => {
            let reason = format!("not runnable here: the workflow {name} is in another repository");
            return Err((Conclusion::NotRunnable, reason));
        }
    };
    if caller.depth >= MAX_DEPTH {
        return Err(failed(format!("expected at most {MAX_DEPTH} workflows that call each other")));
    }
    let workflow = check_file(&path).map_err(|report| failed(report.to_string()))?;
    let event = workflow
        .event("workflow_call")
        .ok_or_else(|| failed(format!("{} cannot be called: it has no workflow_call", path.display())))?;
    let contexts = instance.contexts.clone().with("secrets", caller.secrets.clone());
    let inputs = called_inputs(event, with, &contexts).map_err(failed)?;
    let mut given = match secrets {
        Secrets::Inherit => contexts::secrets(&workflow.secrets, &shared.options.env),
        Secrets::Named(tree) => tree.texts(&contexts).map_err(failed)?.into_iter().collect(),
    };
    if let Value::Object(own) = &caller.secrets {
        own.get("GITHUB_TOKEN").into_iter().for_each(|token| given.set("GITHUB_TOKEN", token.clone()));
    }
    if let Some((name, _)) =
        event.secrets.iter().find(|(name, required)| *required && given.get(name).is_none())
    {
        return Err(failed(format!("the secret {name} is required by {}", path.display())));
    }
    let inner = Call {
        shared,
        workflow: &workflow,
        inputs: inputs.into(),
        secrets: given.into(),
        variables: contexts::variables(&workflow.variables, &shared.options.env).into(),
        env: contexts::inherited(&caller.env, &workflow.secrets),
        only: None,
        prefix: (format!("{}/", instance.id), format!("{} / ", instance.name)),
        cancels: instance.cancels.clone(),
        depth: caller.depth + 1,
    }
    .masked();
    let jobs = graph::run(&inner);
    let contexts = Contexts::default()
        .with("github", contexts::github(&inner))
        .with("inputs", inner.inputs.clone())
        .with("vars", inner.variables.clone())
        .with("jobs", job::results(jobs.iter().map(|(id, job)| (id.as_str(), job))));
    let mut outputs = Object::default();
    for (name, value) in &event.outputs {
        outputs.set(name, value.text(&contexts).map_err(failed)?);
    }
    Ok(Ran {
        conclusion: Conclusion::of_all(jobs.iter().map(|(_, job)| job.result)),
        outcomes: jobs.into_iter().flat_map(|(_, job)| job.outcomes).collect(),
        outputs,
    })
}

/// The inputs of a called workflow, each of the type that it is declared with.
fn called_inputs(event: &Event, with: &Tree, contexts: &Contexts) -> Result<Object, String> {
    let given = match with.evaluate(contexts)? {
        Value::Object(given) => given.as_ref().clone(),
        _ => Object::default(),
    };
    if let Some((name, _)) =
        given.iter().find(|(name, _)| !event.inputs.iter().any(|input| input.name.eq_ignore_ascii_case(name)))
    {
        return Err(format!("the called workflow has no input {name:?}"));
    }
    let mut inputs = Object::default();
    for input in &event.inputs {
        let value = match given.get(&input.name) {
            Some(value) => event::typed(input, &value.to_text()),
            None if input.required => Err("required by the called workflow".to_owned()),
            None => event::default(input, contexts),
        };
        inputs.set(&input.name, value.map_err(|error| format!("the input {:?}: {error}", input.name))?);
    }
    Ok(inputs)
}
