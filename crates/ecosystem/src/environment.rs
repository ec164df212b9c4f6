//! Where variables come from, and which of them are secret.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use rpm_core::{
    AppSpec, Env, EnvFile, Secrets, bounded, circle, dotenv,
    env_file::{self, EnvFiles},
    expand::Template,
};

use crate::{
    Problem,
    attributes::{self, Key},
    node::{Entry, Node, Value},
    values::{self, Mismatch, Read, expected},
};

/// What a file changed in the environment while it was evaluated: as in PM2 that reaches the apps that it declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvChange {
    /// The variables that it set.
    set: Env,
    /// The names of those that it deleted.
    unset: Vec<String>,
}

impl EnvChange {
    /// Makes the change in `env`.
    pub fn apply(&self, env: &mut Env) {
        env.merge(&self.set);
        for name in &self.unset {
            env.remove(name);
        }
    }

    /// The names of all variables that differ.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.set.keys().chain(&self.unset).map(String::as_str)
    }
}

impl From<Node> for EnvChange {
    /// From a table of texts, in which null stands for a variable that is gone.
    fn from(node: Node) -> Self {
        let mut change = Self::default();
        let Value::Table(variables) = node.value else { return change };
        for Entry { key, node, .. } in variables {
            match node.value {
                Value::Null => change.unset.push(key),
                _ => change.set.set(key, node.to_text()),
            }
        }
        change
    }
}

/// A path, a table with `path` and `required`, or a list of these. The paths are as they were written.
pub(crate) fn files(node: &Node) -> Read<EnvFiles> {
    let items = match &node.value {
        Value::Array(items) => items.as_slice(),
        Value::String(text) if text.is_empty() => &[],
        _ => std::slice::from_ref(node),
    };
    items.iter().map(file).collect::<Read<_>>().map(EnvFiles)
}

fn file(node: &Node) -> Read<EnvFile> {
    const WHAT: &str = "a path, or { path = \".env\", required = false }";
    let Value::Table(entries) = &node.value else {
        return match &node.value {
            Value::String(_) => {
                Ok(EnvFile { path: values::filled(node)?.into(), required: true, dotenv: false })
            }
            _ => expected(WHAT, node),
        };
    };
    let (mut path, mut required, mut dotenv) = (None, true, false);
    for entry in entries {
        match entry.key.as_str() {
            "path" => path = Some(PathBuf::from(values::filled(&entry.node)?)),
            "required" => required = values::boolean(&entry.node)?,
            "dotenv" => dotenv = values::boolean(&entry.node)?,
            key => {
                let message = format!("expected path, required or dotenv, found {key:?}");
                return Err(Mismatch { message, span: entry.span.clone() });
            }
        }
    }
    path.map_or_else(|| expected(WHAT, node), |path| Ok(EnvFile { path, required, dotenv }))
}

/// Names of variables: one, or a list.
pub(crate) fn secrets(node: &Node) -> Read<Secrets> {
    let items = match &node.value {
        Value::Array(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let secret = |item: &Node| {
        let text = values::filled(item)?;
        text.parse().map_err(|error: rpm_core::secret::BadSecret| Mismatch {
            message: error.to_string(),
            span: item.span.clone(),
        })
    };
    items.iter().map(secret).collect::<Read<_>>().map(Secrets)
}

/// What is wrong with the references in the `env` of an app and its profiles.
pub(crate) fn unreadable(entries: &[Entry]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for block in entries {
        let name = match attributes::key_of(block) {
            Key::Known(attribute, _) if attribute.name == "env" => "env",
            Key::Profile(_) => block.key.as_str(),
            _ => continue,
        };
        let Value::Table(variables) = &block.node.value else { continue };
        let mut references = BTreeMap::new();
        for variable in variables {
            match Template::parse(&variable.node.to_text()) {
                Ok(template) => _ = references.insert(variable.key.as_str(), (template, variable)),
                Err(error) => {
                    let message = format!("{name}: {}: {error}", variable.key);
                    problems.push(Problem::error(message).at(variable.node.span.clone()));
                }
            }
        }
        // A variable that refers to itself means the one that it hides.
        let others = references.iter().map(|(&name, (template, _))| {
            (name, template.names().into_iter().filter(|other| *other != name).collect())
        });
        if let Some(circle) = circle::find(&others.collect()) {
            let message = format!("{name}: these refer to each other in a circle: {}", circle.join(" -> "));
            let place = circle.first().and_then(|first| references.get(first)?.1.node.span.clone());
            problems.push(Problem::error(message).at(place));
        }
    }
    problems
}

/// Whether the files can be read that have to be there.
pub(crate) fn check_files(app: &AppSpec) -> Result<(), Problem> {
    for file in app.env_file.iter().flat_map(|files| &files.0) {
        let path = file.path.display();
        let wrong = match content(&file.path) {
            Ok(_) if file.dotenv => continue,
            Ok(text) => match env_file::parse(&text) {
                Ok(_) => continue,
                Err(error) => format!("{path}:{error}"),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound && !file.required => continue,
            Err(_) if file.dotenv && !file.required => continue,
            Err(error) => format!("{path}: {error}"),
        };
        return Err(Problem::error(wrong).of_attribute("env_file"));
    }
    Ok(())
}

/// Which of an app's files are read in part or not at all, for each a warning.
pub(crate) fn unread(app: &AppSpec) -> Vec<Problem> {
    let files = app.env_file.iter().flat_map(|files| &files.0);
    files
        .filter(|file| file.dotenv)
        .filter_map(|file| Some(warning(file)?.of_attribute("env_file")))
        .collect()
}

fn warning(file: &EnvFile) -> Option<Problem> {
    let path = file.path.display();
    let text = match content(&file.path) {
        Ok(text) => text,
        Err(error) => return Some(Problem::warning(format!("{path}: {error}: its variables are missing"))),
    };
    let unread = dotenv::parse(&text).unread;
    let lines: Vec<_> = unread.iter().map(usize::to_string).collect();
    (!lines.is_empty()).then(|| {
        Problem::warning(format!("{path}: ignored, for it is no variable: line {}", lines.join(", ")))
    })
}

/// The text of a file, within the bounds that hold when the app is started. A pipe would keep its reader waiting.
fn content(path: &Path) -> io::Result<String> {
    let bytes = bounded::read(path, MAX_FILE)?;
    String::from_utf8(bytes).map_err(|_| io::Error::other("expected UTF-8 text"))
}

/// The largest file that the daemon reads.
const MAX_FILE: u64 = 1 << 20;
