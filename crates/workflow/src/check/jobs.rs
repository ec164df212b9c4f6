//! What no schema says about jobs.

use std::{collections::HashMap, path::Path};

use rpm_ecosystem::{Entry, Node, Problem, Span, Value as Yaml};

use super::{ID, is_id, steps};
use crate::{
    expression::{Expression, Template},
    model::{child, entries, items},
    suggestion::did_you_mean,
};

pub(super) fn check(tree: &Node, problems: &mut Vec<Problem>) {
    let Some(jobs) = child(tree, "jobs") else { return };
    let all = entries(jobs);
    if all.is_empty() {
        problems.push(Problem::error("expected a job").at(jobs.span.clone()));
    }
    for job in all {
        if !is_id(&job.key) {
            let message = format!("{:?} is no id of a job: {ID}", job.key);
            problems.push(Problem::error(message).at(job.span.clone()));
        }
        needs(job, all, problems);
        matrix(&job.node, problems);
        outside_needs(job, problems);
        if let Some(uses) = child(&job.node, "uses") {
            called(uses, problems);
        }
        if let Some(list) = child(&job.node, "steps") {
            steps::check(list, problems);
        } else if child(&job.node, "runs-on").is_some() {
            let message = format!("the job {:?} has no steps", job.key);
            problems.push(Problem::error(message).at(job.span.clone()));
        }
        steps::condition(&job.node, problems);
    }
    cycles(all, problems);
}

fn needed(job: &Entry) -> impl Iterator<Item = (String, Option<Span>)> {
    let needs = child(&job.node, "needs").map(items).unwrap_or_default();
    needs.iter().map(|need| (need.to_text(), need.span.clone()))
}

fn needs(job: &Entry, all: &[Entry], problems: &mut Vec<Problem>) {
    for (name, at) in needed(job) {
        if name == job.key {
            problems.push(Problem::error(format!("the job {name:?} needs itself")).at(at));
        } else if all.iter().all(|other| other.key != name) {
            let nearest = did_you_mean(&name, all.iter().map(|other| other.key.as_str()));
            let message = format!("the job {:?} needs {name:?}, which there is not{nearest}", job.key);
            problems.push(Problem::error(message).at(at));
        }
    }
}

/// Each job that needs itself by way of others is told once, with the way.
fn cycles(all: &[Entry], problems: &mut Vec<Problem>) {
    let index: HashMap<&str, usize> =
        all.iter().enumerate().map(|(index, job)| (job.key.as_str(), index)).collect();
    let edges: Vec<Vec<(usize, Option<Span>)>> = all
        .iter()
        .enumerate()
        .map(|(own, job)| {
            let known = needed(job).filter_map(|(name, at)| Some((*index.get(name.as_str())?, at)));
            known.filter(|(need, _)| *need != own).collect()
        })
        .collect();
    // What has no unmet need is taken away until only cycles are left, and what hangs on them.
    let mut is_left = vec![true; all.len()];
    while let Some(free) =
        (0..all.len()).find(|job| is_left[*job] && edges[*job].iter().all(|(need, _)| !is_left[*need]))
    {
        is_left[free] = false;
    }
    let mut is_told = vec![false; all.len()];
    for start in 0..all.len() {
        if !is_left[start] || is_told[start] {
            continue;
        }
        // Every job that is left needs one that is left: following them ends in a cycle.
        let mut way: Vec<usize> = Vec::new();
        let mut job = start;
        while !way.contains(&job) {
            way.push(job);
            match edges[job].iter().find(|(need, _)| is_left[*need]) {
                Some((need, _)) => job = *need,
                None => return,
            }
        }
        let cycle = &way[way.iter().position(|on| *on == job).unwrap_or_default()..];
        let is_new = cycle.iter().all(|job| !is_told[*job]);
        for job in &way {
            is_told[*job] = true;
        }
        if is_new {
            let names: Vec<_> = cycle.iter().chain([&job]).map(|job| all[*job].key.as_str()).collect();
            let at = edges[job].iter().find(|(need, _)| is_left[*need]).and_then(|(_, at)| at.clone());
            let message = format!("the jobs need each other: {}", names.join(" needs "));
            problems.push(Problem::error(message).at(at));
        }
    }
}

fn matrix(job: &Node, problems: &mut Vec<Problem>) {
    let Some(matrix) = child(job, "strategy").and_then(|strategy| child(strategy, "matrix")) else { return };
    for entry in entries(matrix) {
        if matches!(&entry.node.value, Yaml::Array(values) if values.is_empty()) {
            let message = format!("the matrix has no value for {:?}", entry.key);
            problems.push(Problem::error(message).at(entry.span.clone()));
        }
    }
}

/// `needs.x` where x is not needed is nothing, which hardly anybody means.
fn outside_needs(job: &Entry, problems: &mut Vec<Problem>) {
    let known: Vec<_> = needed(job).map(|(name, _)| name).collect();
    steps::texts(&job.node, &mut |text, at, is_condition| {
        let template = if is_condition { Template::condition(text) } else { Template::parse(text) };
        for expression in template.iter().flat_map(Template::expressions) {
            expression.walk(&mut |part: &Expression| {
                let Some(name) = part.property_of("needs") else { return };
                if !known.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                    let message = format!("needs.{name} is nothing: {:?} does not need {name:?}", job.key);
                    problems.push(Problem::warning(message).at(at.cloned()));
                }
            });
        }
    });
}

fn called(uses: &Node, problems: &mut Vec<Problem>) {
    let text = uses.to_text();
    let path = text.split_once('@').map_or(text.as_str(), |(path, _)| path);
    let is_yaml =
        Path::new(path).extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
    let is_workflow = path.contains(".github/workflows/") && is_yaml;
    let is_right = is_workflow && (text.starts_with("./") != text.contains('@'));
    if !is_right {
        let message = format!(
            "{text:?} is no workflow: expected ./.github/workflows/FILE or owner/name/.github/workflows/FILE@version"
        );
        problems.push(Problem::error(message).at(uses.span.clone()));
    }
}
