//! An action: `action.yml`.

use rpm_ecosystem::Node;

use super::{Step, child_or_null, entries, step, text, tree};
use crate::expression::{Template, TemplateError, Tree};

/// What an `action.yml` says.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    /// Names and defaults.
    pub(crate) inputs: Vec<ActionInput>,
    /// Names and values, of a composite action.
    pub(crate) outputs: Vec<(String, Tree)>,
    pub(crate) runs: Runs,
}

/// An input of an action.
#[derive(Clone, Debug)]
pub(crate) struct ActionInput {
    pub(crate) name: String,
    pub(crate) default: Tree,
}

/// How an action runs.
#[derive(Clone, Debug)]
pub(crate) enum Runs {
    /// The steps of a composite action.
    Composite(Vec<Step>),
    /// Files for Node.js, and when the last one is run.
    JavaScript {
        main: String,
        /// Not run for an action of the repository itself.
        pre: Option<String>,
        post: Option<String>,
        post_condition: Option<Template>,
    },
    /// Needs a container engine.
    Docker,
}

impl Action {
    /// Reads a tree that was checked.
    pub(crate) fn read(node: &Node) -> Result<Self, TemplateError> {
        let runs = child_or_null(node, "runs");
        let condition = |key: &str| text(runs, key).map(|text| Template::condition(&text)).transpose();
        Ok(Self {
            inputs: entries(child_or_null(node, "inputs"))
                .iter()
                .map(|entry| {
                    Ok(ActionInput { name: entry.key.clone(), default: tree(&entry.node, "default")? })
                })
                .collect::<Result<_, _>>()?,
            outputs: entries(child_or_null(node, "outputs"))
                .iter()
                .map(|entry| Ok((entry.key.clone(), tree(&entry.node, "value")?)))
                .collect::<Result<_, _>>()?,
            runs: match text(runs, "using").as_deref() {
                Some("composite") => Runs::Composite(step::read(child_or_null(runs, "steps"))?),
                Some("docker") => Runs::Docker,
                _ => Runs::JavaScript {
                    main: text(runs, "main").unwrap_or_default(),
                    pre: text(runs, "pre"),
                    post: text(runs, "post"),
                    post_condition: condition("post-if")?,
                },
            },
        })
    }
}
