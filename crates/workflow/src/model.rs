//! What a checked file says.

mod action;
mod event;
mod job;
mod step;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use rpm_ecosystem::{Entry, Node, Report, Value as Yaml};

pub use self::event::Schedule;
pub(crate) use self::{
    action::{Action, Runs},
    event::{Event, Input, InputType},
    job::{Called, Job, Secrets, Work},
    step::{Defaults, Step, Todo, Uses},
};
use crate::expression::{Expression, Template, TemplateError, Tree};

/// A workflow that has been checked.
#[derive(Clone, Debug)]
pub struct Workflow {
    path: PathBuf,
    name: Option<String>,
    warnings: Report,
    pub(crate) events: Vec<Event>,
    pub(crate) env: Tree,
    pub(crate) defaults: Defaults,
    pub(crate) jobs: Vec<Job>,
    /// The names in `secrets.NAME`.
    pub(crate) secrets: BTreeSet<String>,
    /// The names in `vars.NAME`.
    pub(crate) variables: BTreeSet<String>,
}

impl Workflow {
    /// Reads the tree of a file that was found to be right.
    pub(crate) fn read(path: &Path, tree: &Node, warnings: Report) -> Result<Self, TemplateError> {
        let mut used = Vec::new();
        expressions_in(tree, &mut used);
        let names = |context: &str| {
            let mut names = BTreeSet::new();
            for expression in &used {
                expression.walk(&mut |part| names.extend(part.property_of(context).map(str::to_uppercase)));
            }
            names
        };
        Ok(Self {
            path: path.to_owned(),
            name: text(tree, "name"),
            warnings,
            events: child(tree, "on").map(event::read).unwrap_or_default(),
            env: Tree::read(child_or_null(tree, "env"))?,
            defaults: Defaults::read(tree)?,
            jobs: entries(child_or_null(tree, "jobs")).iter().map(Job::read).collect::<Result<_, _>>()?,
            secrets: names("secrets"),
            variables: names("vars"),
        })
    }

    /// The file, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name; the path where it has none, as on GitHub.
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.path.to_string_lossy().into_owned())
    }

    /// What is probably meant otherwise.
    pub fn warnings(&self) -> &Report {
        &self.warnings
    }

    /// The events that it runs on, in the order of the file.
    pub fn events(&self) -> impl Iterator<Item = &str> {
        self.events.iter().map(|event| event.name.as_str())
    }

    /// When it is started by the clock.
    pub fn schedules(&self) -> impl Iterator<Item = &Schedule> {
        self.events.iter().flat_map(|event| &event.schedules)
    }

    /// The ids of its jobs, in the order of the file.
    pub fn jobs(&self) -> impl Iterator<Item = &str> {
        self.jobs.iter().map(|job| job.id.as_str())
    }

    pub(crate) fn event(&self, name: &str) -> Option<&Event> {
        self.events.iter().find(|event| event.name == name)
    }
}

/// All expressions of a tree. Texts that are conditions without `${{ }}` are tried, too.
fn expressions_in(node: &Node, found: &mut Vec<Expression>) {
    match &node.value {
        Yaml::String(text) => {
            if let Ok(template) = Template::condition(text) {
                found.extend(template.expressions().cloned());
            }
        }
        Yaml::Array(items) => items.iter().for_each(|item| expressions_in(item, found)),
        Yaml::Table(entries) => entries.iter().for_each(|entry| expressions_in(&entry.node, found)),
        _ => {}
    }
}

/// The value of a key.
pub(crate) fn child<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    entries(node).iter().find(|entry| entry.key == key).map(|entry| &entry.node)
}

static NULL: Node = Node { span: None, value: Yaml::Null };

fn child_or_null<'a>(node: &'a Node, key: &str) -> &'a Node {
    child(node, key).unwrap_or(&NULL)
}

/// The entries of a table; none of anything else.
pub(crate) fn entries(node: &Node) -> &[Entry] {
    match &node.value {
        Yaml::Table(entries) => entries,
        _ => &[],
    }
}

/// The items of a list; what is no list is one item, and nothing is none.
pub(crate) fn items(node: &Node) -> &[Node] {
    match &node.value {
        Yaml::Array(items) => items,
        Yaml::Null => &[],
        _ => std::slice::from_ref(node),
    }
}

/// The text of a key, if it is there.
pub(crate) fn text(node: &Node, key: &str) -> Option<String> {
    let value = child(node, key)?;
    (!matches!(value.value, Yaml::Null)).then(|| value.to_text())
}

fn tree(node: &Node, key: &str) -> Result<Tree, TemplateError> {
    Tree::read(child_or_null(node, key))
}

fn condition(node: &Node) -> Result<Option<Template>, TemplateError> {
    let text = match child(node, "if").map(|node| (&node.value, node)) {
        None | Some((Yaml::Null, _)) => return Ok(None),
        Some((_, node)) => node.to_text(),
    };
    Template::condition(&text).map(Some)
}
