//! A step, of a job or of a composite action.

use std::{fmt, path::PathBuf};

use rpm_ecosystem::Node;

use super::{child_or_null, condition, items, text, tree};
use crate::expression::{Template, TemplateError, Tree};

/// A step.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) id: Option<String>,
    pub(crate) name: Tree,
    pub(crate) condition: Option<Template>,
    pub(crate) env: Tree,
    pub(crate) continue_on_error: Tree,
    pub(crate) timeout_minutes: Tree,
    pub(crate) todo: Todo,
}

/// What a step does.
#[derive(Clone, Debug)]
pub(crate) enum Todo {
    Run { script: Tree, shell: Tree, directory: Tree },
    Use { action: Uses, with: Tree },
}

/// An action that is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Uses {
    /// `./path`, relative to the workspace.
    Local(PathBuf),
    /// `docker://image`
    Docker(String),
    /// `owner/name/path@version`
    Repository { owner: String, name: String, path: String, version: String },
}

impl Uses {
    /// What is written after `uses:`.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if let Some(image) = text.strip_prefix("docker://") {
            return Ok(Self::Docker(image.to_owned()));
        }
        if text.starts_with("./") || text == "." {
            return Ok(Self::Local(PathBuf::from(text)));
        }
        let form = "expected ./path, docker://image or owner/name@version";
        let (action, version) = text
            .split_once('@')
            .filter(|(_, version)| !version.is_empty())
            .ok_or_else(|| format!("{text:?} has no version: {form}"))?;
        let mut words = action.splitn(3, '/').map(str::to_owned);
        match (words.next(), words.next()) {
            (Some(owner), Some(name)) if !owner.is_empty() && !name.is_empty() => {
                let path = words.next().unwrap_or_default();
                Ok(Self::Repository { owner, name, path, version: version.to_owned() })
            }
            _ => Err(format!("{text:?} names no repository: {form}")),
        }
    }
}

impl fmt::Display for Uses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{}", path.display()),
            Self::Docker(image) => write!(f, "docker://{image}"),
            Self::Repository { owner, name, path, version } if path.is_empty() => {
                write!(f, "{owner}/{name}@{version}")
            }
            Self::Repository { owner, name, path, version } => write!(f, "{owner}/{name}/{path}@{version}"),
        }
    }
}

/// `defaults.run`
#[derive(Clone, Debug, Default)]
pub(crate) struct Defaults {
    pub(crate) shell: Tree,
    pub(crate) directory: Tree,
}

impl Defaults {
    /// Those of a workflow or of a job.
    pub(super) fn read(node: &Node) -> Result<Self, TemplateError> {
        let run = child_or_null(child_or_null(node, "defaults"), "run");
        Ok(Self { shell: tree(run, "shell")?, directory: tree(run, "working-directory")? })
    }
}

/// The steps of a list that was checked.
pub(super) fn read(steps: &Node) -> Result<Vec<Step>, TemplateError> {
    items(steps).iter().map(Step::read).collect()
}

impl Step {
    fn read(node: &Node) -> Result<Self, TemplateError> {
        let action = text(node, "uses").and_then(|uses| Uses::read(&uses).ok());
        let todo = match action {
            Some(action) => Todo::Use { action, with: tree(node, "with")? },
            None => Todo::Run {
                script: tree(node, "run")?,
                shell: tree(node, "shell")?,
                directory: tree(node, "working-directory")?,
            },
        };
        Ok(Self {
            id: text(node, "id"),
            name: tree(node, "name")?,
            condition: condition(node)?,
            env: tree(node, "env")?,
            continue_on_error: tree(node, "continue-on-error")?,
            timeout_minutes: tree(node, "timeout-minutes")?,
            todo,
        })
    }
}
