//! A job.

use std::path::PathBuf;

use rpm_ecosystem::{Entry, Node, Value as Yaml};

use super::{Defaults, Step, child, child_or_null, condition, entries, items, step, text, tree};
use crate::expression::{Template, TemplateError, Tree};

/// A job.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) name: Tree,
    pub(crate) needs: Needs,
    pub(crate) condition: Option<Template>,
    pub(crate) strategy: Strategy,
    pub(crate) continue_on_error: Tree,
    pub(crate) work: Work,
}

/// The ids of the jobs that come before.
pub(crate) type Needs = Vec<String>;

/// `strategy`
#[derive(Clone, Debug, Default)]
pub(crate) struct Strategy {
    pub(crate) matrix: Tree,
    pub(crate) fail_fast: Tree,
    pub(crate) max_parallel: Tree,
}

/// What a job does.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Steps {
        runs_on: Tree,
        env: Tree,
        defaults: Defaults,
        timeout_minutes: Tree,
        outputs: Vec<(String, Tree)>,
        /// `container` or `services`, where it has one.
        needs_engine: Option<&'static str>,
        steps: Vec<Step>,
    },
    Call {
        workflow: Called,
        with: Tree,
        secrets: Secrets,
    },
}

/// The workflow that a job calls.
#[derive(Clone, Debug)]
pub(crate) enum Called {
    /// `./.github/workflows/x.yml`
    Local(PathBuf),
    /// One of another repository.
    Remote(String),
}

/// The secrets that a called workflow gets.
#[derive(Clone, Debug)]
pub(crate) enum Secrets {
    Inherit,
    Named(Tree),
}

impl Job {
    pub(super) fn read(entry: &Entry) -> Result<Self, TemplateError> {
        let node = &entry.node;
        let strategy = child_or_null(node, "strategy");
        Ok(Self {
            id: entry.key.clone(),
            name: tree(node, "name")?,
            needs: items(child_or_null(node, "needs")).iter().map(Node::to_text).collect(),
            condition: condition(node)?,
            strategy: Strategy {
                matrix: tree(strategy, "matrix")?,
                fail_fast: tree(strategy, "fail-fast")?,
                max_parallel: tree(strategy, "max-parallel")?,
            },
            continue_on_error: tree(node, "continue-on-error")?,
            work: match text(node, "uses") {
                Some(uses) => call(&uses, node)?,
                None => work(node)?,
            },
        })
    }
}

fn call(uses: &str, node: &Node) -> Result<Work, TemplateError> {
    let workflow = if uses.starts_with("./") {
        Called::Local(PathBuf::from(uses))
    } else {
        Called::Remote(uses.to_owned())
    };
    let secrets = match child(node, "secrets") {
        Some(Node { value: Yaml::String(_), .. }) => Secrets::Inherit,
        _ => Secrets::Named(tree(node, "secrets")?),
    };
    Ok(Work::Call { workflow, with: tree(node, "with")?, secrets })
}

fn work(node: &Node) -> Result<Work, TemplateError> {
    let is_there = |key: &&&str| child(node, key).is_some_and(|node| node.value != Yaml::Null);
    Ok(Work::Steps {
        runs_on: tree(node, "runs-on")?,
        env: tree(node, "env")?,
        defaults: Defaults::read(node)?,
        timeout_minutes: tree(node, "timeout-minutes")?,
        outputs: entries(child_or_null(node, "outputs"))
            .iter()
            .map(|entry| Ok((entry.key.clone(), Tree::read(&entry.node)?)))
            .collect::<Result<_, _>>()?,
        needs_engine: ["container", "services"].iter().find(is_there).copied(),
        steps: step::read(child_or_null(node, "steps"))?,
    })
}
