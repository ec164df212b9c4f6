//! What has to be before an app is started: reading it, and what the apps of a file say about each other.

use std::collections::{BTreeMap, HashSet};

use rpm_core::{
    AppIndex, AppSpec, Condition, Dependencies, Dependency, OnDependencyFailure,
    circle::{self, References},
    suggestion::nearest,
};

use crate::{
    Problem,
    node::{Entry, Node, Value},
    source::Span,
    values::{self, Mismatch, Read, expected},
};

/// A name, a table with `app` and `condition`, or a list of these.
pub(crate) fn read(node: &Node) -> Read<Dependencies> {
    items(node).iter().map(dependency).collect::<Read<_>>().map(Dependencies)
}

fn items(node: &Node) -> &[Node] {
    match &node.value {
        Value::Array(items) => items,
        _ => std::slice::from_ref(node),
    }
}

fn dependency(node: &Node) -> Read<Dependency> {
    const WHAT: &str = "the name of an app, or { app = \"db\", condition = \"healthy\" }";
    let Value::Table(entries) = &node.value else {
        return match &node.value {
            Value::String(_) => {
                Ok(Dependency { app: values::filled(node)?, condition: Condition::default() })
            }
            _ => expected(WHAT, node),
        };
    };
    let (mut app, mut condition) = (None, Condition::default());
    for entry in entries {
        match entry.key.as_str() {
            "app" => app = Some(values::filled(&entry.node)?),
            "condition" => condition = self::condition(&entry.node)?,
            key => {
                let message = format!("expected app or condition, found {key:?}");
                return Err(Mismatch { message, span: entry.span.clone() });
            }
        }
    }
    app.map_or_else(|| expected(WHAT, node), |app| Ok(Dependency { app, condition }))
}

fn condition(node: &Node) -> Read<Condition> {
    let is_it =
        |condition: &Condition| matches!(&node.value, Value::String(word) if word == condition.as_str());
    Condition::ALL
        .into_iter()
        .find(is_it)
        .map_or_else(|| expected("\"started\", \"ready\", \"healthy\" or \"completed\"", node), Ok)
}

/// What becomes of an app if one that it needs fails.
pub(crate) fn on_failure(node: &Node) -> Read<OnDependencyFailure> {
    match &node.value {
        Value::String(word) if word == "wait" => Ok(OnDependencyFailure::Wait),
        Value::String(word) if word == "fail" => Ok(OnDependencyFailure::Fail),
        Value::String(word) if word == "start" => Ok(OnDependencyFailure::Start),
        _ => expected("\"wait\", \"fail\" or \"start\"", node),
    }
}

/// Where each dependency of an app stands.
pub(crate) fn places(entries: &[Entry]) -> Vec<Option<Span>> {
    let is_it = |entry: &&Entry| matches!(entry.key.as_str(), "depends_on" | "dependsOn");
    let places = entries.iter().rev().find(is_it).map(|entry| items(&entry.node));
    places.unwrap_or_default().iter().map(|item| item.span.clone()).collect()
}

/// An app as its dependencies see it.
pub(crate) struct Depending<'a> {
    /// As it was declared.
    pub(crate) name: &'a str,
    pub(crate) spec: &'a AppSpec,
    pub(crate) places: &'a [Option<Span>],
}

/// A dependency on an app that the file does not have. Whether there is one is for the daemon to say.
#[derive(Clone, Debug)]
pub struct Unresolved {
    /// The name that nobody in the file has.
    pub app: String,
    pub(crate) problem: Problem,
}

fn wrong(app: &Depending<'_>, index: usize, message: String) -> Problem {
    let place = app.places.get(index).cloned().flatten();
    Problem::error(message).of_app(Some(app.name)).of_attribute("depends_on").at(place)
}

fn index<'a>(apps: &'a [Depending<'a>]) -> AppIndex<'a, usize> {
    AppIndex::of(apps.iter().map(|app| (app.name, &*app.spec.namespace)).zip(0..))
}

/// The dependencies on apps that are not among `apps`.
pub(crate) fn unresolved(apps: &[Depending<'_>]) -> Vec<Unresolved> {
    let index = index(apps);
    let mut unresolved = Vec::new();
    for app in apps {
        for (number, dependency) in app.spec.dependencies().iter().enumerate() {
            let name = dependency.app.as_str();
            if !index.meant(&app.spec.namespace, name).is_empty() {
                continue;
            }
            let others = apps.iter().map(|other| other.name).filter(|other| *other != app.name);
            let hint =
                nearest(name, others).map(|other| format!(": did you mean {other:?}?")).unwrap_or_default();
            let message = format!("no app {name:?} is started here or in the list{hint}");
            unresolved.push(Unresolved { app: name.to_owned(), problem: wrong(app, number, message) });
        }
    }
    unresolved
}

/// What cannot be.
pub(crate) fn check(apps: &[Depending<'_>]) -> Vec<Problem> {
    let index = index(apps);
    let mut problems = Vec::new();
    let mut needed = Vec::with_capacity(apps.len());
    for app in apps {
        let mut of_app = Vec::new();
        for (number, dependency) in app.spec.dependencies().iter().enumerate() {
            let meant = index.meant(&app.spec.namespace, &dependency.app);
            let reason = meant.iter().find_map(|&other| cannot_be(apps[other].spec, dependency));
            problems.extend(reason.map(|reason| wrong(app, number, reason)));
            of_app.extend(meant);
        }
        needed.push(of_app);
    }
    // A name that others share is told with its namespace.
    let is_shared = |name: &str| apps.iter().filter(|app| app.name == name).nth(1).is_some();
    let label = |app: &Depending<'_>| {
        if is_shared(app.name) { format!("{}/{}", app.spec.namespace, app.name) } else { app.name.to_owned() }
    };
    if needed.iter().all(Vec::is_empty) {
        return problems;
    }
    let labels: Vec<_> = apps.iter().map(label).collect();
    let meant = |numbers: &Vec<usize>| numbers.iter().map(|&number| labels[number].as_str()).collect();
    let references: References<'_> =
        labels.iter().map(String::as_str).zip(needed.iter().map(meant)).collect();
    if let Some(circle) = circle::find(&references) {
        let first = labels.iter().position(|label| circle.first() == Some(&label.as_str()));
        let place = first.and_then(|number| apps[number].places.first().cloned().flatten());
        let message = format!("these depend on each other in a circle: {}", circle.join(" -> "));
        problems.push(Problem::error(message).of_attribute("depends_on").at(place));
    }
    problems
}

/// Why `app` will never be what is needed of it.
fn cannot_be(app: &AppSpec, dependency: &Dependency) -> Option<String> {
    let name = &dependency.app;
    match dependency.condition {
        Condition::Healthy if app.health.is_none() => {
            Some(format!("app {name:?} cannot be healthy: it declares no `health`"))
        }
        Condition::Completed if app.autorestart && !app.stop_exit_codes.contains(&0) => Some(format!(
            "app {name:?} is never completed, because it is started again whenever it ends: give it autorestart = \
             false"
        )),
        _ => None,
    }
}

/// The apps so that each comes after those that it needs, and else in their order.
pub(crate) fn in_order(apps: Vec<AppSpec>) -> Vec<AppSpec> {
    if apps.iter().all(|app| app.dependencies().is_empty()) {
        return apps;
    }
    let index = AppIndex::of(apps.iter().map(|app| (&*app.name, &*app.namespace)).zip(0..));
    let needed: Vec<Vec<usize>> = apps
        .iter()
        .map(|app| app.dependencies().iter().flat_map(|it| index.meant(&app.namespace, &it.app)).collect())
        .collect();
    let mut waiting: BTreeMap<usize, AppSpec> = apps.into_iter().enumerate().collect();
    let (mut ordered, mut done) = (Vec::with_capacity(waiting.len()), HashSet::new());
    loop {
        let is_free = |number: usize| needed[number].iter().all(|other| done.contains(other));
        // A circle has been refused.
        let next = waiting.iter().find(|(number, _)| is_free(**number)).or_else(|| waiting.iter().next());
        let Some(next) = next.map(|(index, _)| *index) else { return ordered };
        if let Some(app) = waiting.remove(&next) {
            done.insert(next);
            ordered.push(app);
        }
    }
}
