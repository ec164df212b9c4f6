//! The event that is said to have happened, and what it carries.

use std::collections::BTreeMap;

use rpm_core::Env;
use serde_json::{Value as Json, json};

use super::{Options, RunError, repository::Repository};
use crate::{
    Workflow,
    expression::{Object, Value},
    model::{Event, Input, InputType},
};

/// What is looked for first where no event is named.
const USUAL: &[&str] = &["workflow_dispatch", "push", "schedule"];

/// The event of a run.
pub(crate) fn choose<'a>(workflow: &'a Workflow, options: &Options) -> Result<&'a Event, RunError> {
    if let Some(name) = &options.event {
        return workflow.event(name).ok_or_else(|| RunError::NoEvent {
            event: name.clone(),
            file: workflow.path().to_owned(),
            known: workflow.events().map(str::to_owned).collect(),
        });
    }
    let usual = USUAL.iter().find_map(|name| workflow.event(name));
    usual.or(workflow.events.first()).ok_or_else(|| RunError::NoEvent {
        event: String::new(),
        file: workflow.path().to_owned(),
        known: Vec::new(),
    })
}

/// The `inputs` of a run, from what was given as text.
pub(crate) fn inputs(event: &Event, given: &BTreeMap<String, String>) -> Result<Object, RunError> {
    let wrong = |name: &str, problem: String| RunError::Input { name: name.to_owned(), problem };
    for name in given.keys() {
        if !event.inputs.iter().any(|input| input.name.eq_ignore_ascii_case(name)) {
            let known: Vec<_> = event.inputs.iter().map(|input| input.name.as_str()).collect();
            let nearest = crate::suggestion::did_you_mean(name, known.iter().copied());
            let problem = match known.as_slice() {
                [] => format!("{} declares no inputs", event.name),
                _ => format!("not declared{nearest}: expected {}", known.join(", ")),
            };
            return Err(wrong(name, problem));
        }
    }
    let mut inputs = Object::default();
    for input in &event.inputs {
        let given = given.iter().find(|(name, _)| input.name.eq_ignore_ascii_case(name));
        let value = match given {
            Some((_, text)) => typed(input, text).map_err(|problem| wrong(&input.name, problem))?,
            None if input.required && input.default.is_absent() => {
                return Err(wrong(&input.name, format!("required: --input {}=VALUE", input.name)));
            }
            None => default(input, &super::contexts::Contexts::default())
                .map_err(|problem| wrong(&input.name, problem))?,
        };
        inputs.set(&input.name, value);
    }
    Ok(inputs)
}

/// The value of an input that nobody gave.
pub(super) fn default(input: &Input, contexts: &super::contexts::Contexts) -> Result<Value, String> {
    if !input.default.is_absent() {
        return input.default.evaluate(contexts);
    }
    Ok(match &input.r#type {
        InputType::Boolean => false.into(),
        InputType::Number => 0.0.into(),
        InputType::Choice(options) => options.first().map(String::as_str).unwrap_or_default().into(),
        InputType::Text => "".into(),
    })
}

/// A text as the type that its input is declared with.
pub(super) fn typed(input: &Input, text: &str) -> Result<Value, String> {
    match &input.r#type {
        InputType::Text => Ok(text.into()),
        InputType::Boolean => match text {
            "true" => Ok(true.into()),
            "false" => Ok(false.into()),
            _ => Err(format!("expected true or false, found {text:?}")),
        },
        InputType::Number => match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number.into()),
            _ => Err(format!("expected a number, found {text:?}")),
        },
        InputType::Choice(options) if options.iter().any(|option| option == text) => Ok(text.into()),
        InputType::Choice(options) => Err(format!("expected one of {}, found {text:?}", options.join(", "))),
    }
}

/// `github.event`, as far as it can be known here.
pub(crate) fn payload(
    event: &Event,
    given: Option<&Json>,
    inputs: &Object,
    repository: &Repository,
    env: &Env,
) -> Json {
    let mut payload = json!({
        "repository": {
            "name": repository.name(),
            "full_name": repository.slug,
            "owner": { "login": repository.owner(), "name": repository.owner() },
            "default_branch": repository.branch,
        },
        "sender": { "login": super::contexts::actor(env) },
    });
    let own = match event.name.as_str() {
        "push" => json!({
            "ref": repository.git_ref(),
            "after": repository.sha,
            "before": "0".repeat(40),
            "head_commit": { "id": repository.sha },
            "commits": [],
        }),
        "schedule" => json!({ "schedule": event.schedules.first().map(crate::Schedule::as_str) }),
        "workflow_dispatch" => {
            let inputs: serde_json::Map<_, _> =
                inputs.iter().map(|(name, value)| (name.to_owned(), value.to_text().into())).collect();
            json!({ "ref": repository.git_ref(), "inputs": inputs })
        }
        "repository_dispatch" => json!({ "action": "rpm", "client_payload": {} }),
        _ => json!({}),
    };
    for part in [Some(&own), given].into_iter().flatten() {
        if let (Json::Object(payload), Json::Object(part)) = (&mut payload, part) {
            payload.extend(part.clone());
        }
    }
    payload
}
