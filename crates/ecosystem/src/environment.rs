//! Where variables come from, and which of them are secret.

use std::{collections::BTreeMap, fs, path::PathBuf};

use rpm_core::{
    AppSpec, EnvFile, Secrets, circle,
    env_file::{self, EnvFiles},
    expand::Template,
};

use crate::{
    Problem,
    attributes::{self, Key},
    node::{Entry, Node, Value},
    values::{self, Mismatch, Read, expected},
};

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
            Value::String(_) => Ok(EnvFile { path: values::filled(node)?.into(), required: true }),
            _ => expected(WHAT, node),
        };
    };
    let (mut path, mut required) = (None, true);
    for entry in entries {
        match entry.key.as_str() {
            "path" => path = Some(PathBuf::from(values::filled(&entry.node)?)),
            "required" => required = values::boolean(&entry.node)?,
            key => {
                let message = format!("expected path or required, found {key:?}");
                return Err(Mismatch { message, span: entry.span.clone() });
            }
        }
    }
    path.map_or_else(|| expected(WHAT, node), |path| Ok(EnvFile { path, required }))
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
        let wrong = |message: String| Err(Problem::error(message).of_attribute("env_file"));
        let path = file.path.display();
        // A pipe would keep whoever reads it waiting.
        let is_other = fs::metadata(&file.path).is_ok_and(|meta| !meta.is_file());
        if is_other {
            return wrong(format!("{path}: it is no regular file"));
        }
        match fs::read_to_string(&file.path) {
            Ok(text) => {
                if let Err(error) = env_file::parse(&text) {
                    return wrong(format!("{path}:{error}"));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !file.required => {}
            Err(error) => return wrong(format!("{path}: {error}")),
        }
    }
    Ok(())
}
