//! From one table of a file, or the options of a command line, to a [`Declaration`].

use std::collections::BTreeMap;

use crate::{
    Declaration, Problem,
    attributes::{self, Attribute, Key, Quiet},
    node::{Entry, Node, Value},
    values::{self, Mismatch},
};

impl Declaration {
    /// Takes what a table declares; what is wrong with it goes to `problems`.
    pub(crate) fn read(entries: &[Entry], problems: &mut Vec<Problem>) -> Self {
        let mut declaration = Self::default();
        let mut chosen: BTreeMap<&str, (usize, &Attribute, &Entry)> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.node.value != Value::Null) {
            match attributes::key(&entry.key) {
                Key::Known(attribute, distance) => {
                    let this = (distance, attribute, entry);
                    if let Some(other) = chosen.insert(attribute.name, this) {
                        let (near, far) = if distance < other.0 { (this, other) } else { (other, this) };
                        chosen.insert(attribute.name, near);
                        problems.push(outdone(far.2, near.2));
                    }
                }
                Key::Profile(name) => match values::variables(&entry.node) {
                    Ok(env) => _ = declaration.profiles.insert(name.to_owned(), env),
                    Err(mismatch) => {
                        let message = format!("{}: {}", entry.key, mismatch.message);
                        problems.push(Problem::error(message).at(mismatch.span));
                    }
                },
                Key::Idle(quiet) if !is_quiet(quiet, &entry.node) => problems.push(
                    Problem::warning(format!("`{}` has no effect in this version", entry.key))
                        .at(entry.span.clone()),
                ),
                Key::Idle(_) => {}
                Key::Unknown => problems.push(unknown(entry)),
            }
        }
        for (_, attribute, entry) in chosen.into_values() {
            match (attribute.read)(&mut declaration, &entry.node) {
                Ok(()) => {
                    declaration.spans.extend(entry.node.span.clone().map(|span| (attribute.name, span)));
                }
                Err(mismatch) => problems.push(problem(attribute, mismatch)),
            }
        }
        declaration
    }

    /// Sets one attribute from the text of a command-line option, by the rules of a file. `true` and `false` are
    /// taken for switches.
    pub fn set(&mut self, attribute: &str, text: &str) -> Result<(), Problem> {
        let Key::Known(attribute, _) = attributes::key(attribute) else {
            return Err(Problem::error(format!("unknown attribute `{attribute}`{}", hint(attribute))));
        };
        let as_text = (attribute.read)(self, &Node::text(text));
        as_text.or_else(|mismatch| match text.parse() {
            Ok(switch) => {
                let switch = Node { span: None, value: Value::Bool(switch) };
                (attribute.read)(self, &switch).map_err(|mismatch| problem(attribute, mismatch))
            }
            Err(_) => Err(problem(attribute, mismatch)),
        })
    }

    /// The names of the attributes that are declared.
    pub(crate) fn declared(&self) -> impl Iterator<Item = &'static str> {
        attributes::ATTRIBUTES
            .iter()
            .filter(|attribute| (attribute.is_declared)(self))
            .map(|attribute| attribute.name)
    }
}

fn problem(attribute: &Attribute, mismatch: Mismatch) -> Problem {
    Problem::error(mismatch.message).of_attribute(attribute.name).at(mismatch.span)
}

fn unknown(entry: &Entry) -> Problem {
    Problem::warning(format!("unknown attribute `{}` is ignored{}", entry.key, hint(&entry.key)))
        .at(entry.span.clone())
}

fn hint(word: &str) -> String {
    attributes::suggestion(word).map(|name| format!(": did you mean `{name}`?")).unwrap_or_default()
}

fn outdone(entry: &Entry, winner: &Entry) -> Problem {
    Problem::warning(format!("`{}` has no effect beside `{}`", entry.key, winner.key)).at(entry.span.clone())
}

fn is_quiet(quiet: Quiet, node: &Node) -> bool {
    match (quiet, &node.value) {
        (Quiet::Any, _) => true,
        (Quiet::On, Value::Bool(value)) => *value,
        (Quiet::Off, Value::Bool(value)) => !value,
        (Quiet::Off, Value::String(text)) => text.is_empty(),
        (Quiet::Off, Value::Array(items)) => items.is_empty(),
        (Quiet::Off, Value::Table(entries)) => entries.is_empty(),
        _ => false,
    }
}
