//! What no schema says about steps.

use std::collections::HashMap;

use rpm_ecosystem::{Node, Problem, Span, Value as Yaml};

use super::{ID, is_id};
use crate::{
    expression::{Expression, Template},
    model::{Uses, child, entries, items},
    suggestion::did_you_mean,
};

/// The steps of a job or of a composite action.
pub(super) fn check(list: &Node, problems: &mut Vec<Problem>) {
    let steps = items(list);
    if steps.is_empty() {
        problems.push(Problem::error("expected a step").at(list.span.clone()));
    }
    let mut ids: HashMap<String, Option<Span>> = HashMap::new();
    for step in steps {
        if let Some(uses) = child(step, "uses")
            && let Err(error) = Uses::read(&uses.to_text())
        {
            problems.push(Problem::error(error).at(uses.span.clone()));
        }
        condition(step, problems);
        if let Some(id) = child(step, "id") {
            let text = id.to_text();
            if !is_id(&text) {
                let message = format!("{text:?} is no id of a step: {ID}");
                problems.push(Problem::error(message).at(id.span.clone()));
            }
            if let Some(earlier) = ids.insert(text.to_lowercase(), id.span.clone()) {
                let message = format!("the id {text:?} is used twice");
                problems.push(Problem::error(message).at(id.span.clone()).after(earlier));
            }
        }
    }
    unknown_steps(list, &ids, problems);
}

/// Those of an `action.yml`, if it has any.
pub(super) fn check_composite(tree: &Node, problems: &mut Vec<Problem>) {
    if let Some(steps) = child(tree, "runs").and_then(|runs| child(runs, "steps")) {
        check(steps, problems);
    }
}

/// `steps.x` where there is no x is nothing, which hardly anybody means.
fn unknown_steps(list: &Node, ids: &HashMap<String, Option<Span>>, problems: &mut Vec<Problem>) {
    texts(list, &mut |text, at, is_condition| {
        let template = if is_condition { Template::condition(text) } else { Template::parse(text) };
        for expression in template.iter().flat_map(Template::expressions) {
            expression.walk(&mut |part: &Expression| {
                let Some(name) = part.property_of("steps") else { return };
                if !ids.contains_key(&name.to_lowercase()) {
                    let nearest = did_you_mean(name, ids.keys().map(String::as_str));
                    let message = format!("steps.{name} is nothing: no step has the id {name:?}{nearest}");
                    problems.push(Problem::warning(message).at(at.cloned()));
                }
            });
        }
    });
}

/// A condition with text beside its `${{ }}` is a text that is not empty, and so always true.
pub(super) fn condition(node: &Node, problems: &mut Vec<Problem>) {
    let Some(condition) = child(node, "if") else { return };
    if Template::condition(&condition.to_text()).is_ok_and(|template| template.is_mixed()) {
        let message = "this condition always holds: ${{ }} has to stand around all of it, or be left out";
        problems.push(Problem::warning(message).at(condition.span.clone()));
    }
}

/// Calls `visit` with each text within, its place, and whether it is a condition.
pub(super) fn texts(node: &Node, visit: &mut dyn FnMut(&str, Option<&Span>, bool)) {
    match &node.value {
        Yaml::String(text) => visit(text, node.span.as_ref(), false),
        Yaml::Array(items) => items.iter().for_each(|item| texts(item, visit)),
        Yaml::Table(_) => {
            for entry in entries(node) {
                match &entry.node.value {
                    Yaml::String(text) if entry.key == "if" => visit(text, entry.node.span.as_ref(), true),
                    _ => texts(&entry.node, visit),
                }
            }
        }
        _ => {}
    }
}
