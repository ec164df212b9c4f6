//! What no schema says about `on`.

use std::str::FromStr;

use rpm_core::cron::Zone;
use rpm_ecosystem::{Entry, Node, Problem, Value as Yaml};

use crate::model::{Schedule, child, entries, items};

pub(super) fn check(tree: &Node, problems: &mut Vec<Problem>) {
    let Some(on) = child(tree, "on") else { return };
    for event in entries(on) {
        match event.key.as_str() {
            "schedule" => items(&event.node).iter().for_each(|item| schedule(item, problems)),
            "workflow_dispatch" => inputs(&event.node, problems),
            _ => {}
        }
        filters(event, problems);
    }
    if matches!(&on.value, Yaml::Array(events) if events.is_empty()) {
        problems.push(Problem::error("expected an event").at(on.span.clone()));
    }
}

fn schedule(item: &Node, problems: &mut Vec<Problem>) {
    if let Some(cron) = child(item, "cron") {
        let text = cron.to_text();
        if let Err(error) = Schedule::read(&text, None) {
            problems.push(Problem::error(format!("cron {text:?}: {error}")).at(cron.span.clone()));
        } else if text.split_whitespace().next().is_some_and(|minute| minute == "*" || minute == "*/1") {
            let message = "GitHub starts a workflow every 5 minutes at most";
            problems.push(Problem::warning(message).at(cron.span.clone()));
        }
    }
    if let Some(zone) = child(item, "timezone")
        && let Err(error) = Zone::from_str(&zone.to_text())
    {
        problems.push(Problem::error(error.to_string()).at(zone.span.clone()));
    }
}

/// What stands beside its opposite.
fn filters(event: &Entry, problems: &mut Vec<Problem>) {
    for name in ["branches", "tags", "paths"] {
        let ignore = format!("{name}-ignore");
        let at = |key: &str| entries(&event.node).iter().find(|entry| entry.key == key);
        if let (Some(first), Some(second)) = (at(name), at(&ignore)) {
            let message = format!("{name} and {ignore} exclude each other: put !patterns into {name}");
            problems.push(Problem::error(message).at(second.span.clone()).after(first.span.clone()));
        }
    }
}

fn inputs(event: &Node, problems: &mut Vec<Problem>) {
    for input in child(event, "inputs").map(entries).unwrap_or_default() {
        let r#type = child(&input.node, "type").map(Node::to_text).unwrap_or_default();
        let default = child(&input.node, "default");
        let fits = |value: &Yaml| match r#type.as_str() {
            "boolean" => matches!(value, Yaml::Bool(_)),
            "number" => matches!(value, Yaml::Integer(_) | Yaml::Float(_)),
            _ => true,
        };
        if let Some(default) = default.filter(|default| !fits(&default.value)) {
            let message = format!("expected a {}, found {}", r#type, default.describe());
            problems.push(Problem::error(message).at(default.span.clone()));
        }
        if r#type != "choice" {
            continue;
        }
        let options: Vec<_> =
            child(&input.node, "options").map(items).unwrap_or_default().iter().map(Node::to_text).collect();
        if options.is_empty() {
            let message = format!("the choice {:?} has no options", input.key);
            problems.push(Problem::error(message).at(input.span.clone()));
        } else if let Some(default) = default.filter(|default| !options.contains(&default.to_text())) {
            let message = format!("expected one of {}, found {}", options.join(", "), default.describe());
            problems.push(Problem::error(message).at(default.span.clone()));
        }
    }
}
