//! `max_parallel` at the top level of a file and in its `namespaces`: how many tasks may run at the same time.

use std::collections::HashSet;

use rpm_core::{MaxParallel, suggestion::nearest};

use crate::{
    Problem,
    node::{Node, Value},
    source::Span,
    values::{self, expected},
};

pub(crate) const KEY: &str = "max_parallel";

/// What stands at the top level under the two keys.
#[derive(Default)]
pub(crate) struct Declared {
    pub(crate) home: Option<Node>,
    pub(crate) namespaces: Option<Node>,
}

impl Declared {
    /// What it says about the apps of the file; what is wrong goes to `problems`.
    pub(crate) fn read(&self, problems: &mut Vec<Problem>) -> (MaxParallel, Vec<(String, Option<Span>)>) {
        let mut read = MaxParallel::default();
        let mut places = Vec::new();
        read.home = self.home.as_ref().and_then(|node| count("", node, problems));
        let Some(node) = self.namespaces.as_ref().filter(|node| node.value != Value::Null) else {
            return (read, places);
        };
        let Value::Table(namespaces) = &node.value else {
            problems.extend(wrong(
                "namespaces: ",
                expected::<()>("a table with a table for each namespace", node),
            ));
            return (read, places);
        };
        for namespace in namespaces {
            let of = format!("namespaces.{}: ", namespace.key);
            let Value::Table(entries) = &namespace.node.value else {
                let form = "a table such as { max_parallel = 2 }";
                problems.extend(wrong(&of, expected::<()>(form, &namespace.node)));
                continue;
            };
            for entry in entries {
                if entry.key == KEY {
                    let limit = count(&of, &entry.node, problems);
                    read.namespaces.extend(limit.map(|limit| (namespace.key.clone(), limit)));
                    places.push((namespace.key.clone(), namespace.span.clone()));
                } else {
                    let hint = values::did_you_mean(nearest(&entry.key, [KEY]));
                    let message = format!("{of}unknown key `{}` is ignored{hint}", entry.key);
                    problems.push(Problem::notice(message).at(entry.span.clone()));
                }
            }
        }
        (read, places)
    }
}

/// Warns of namespaces that no app is in: a slip of the pen would limit nothing.
pub(crate) fn strangers(
    places: Vec<(String, Option<Span>)>,
    known: &HashSet<String>,
) -> impl Iterator<Item = Problem> {
    let stranger = move |(name, _): &(String, Option<Span>)| !known.contains(name);
    places.into_iter().filter(stranger).map(|(name, span)| {
        Problem::notice(format!("no app of this file is in the namespace {name:?}")).at(span)
    })
}

fn count(of: &str, node: &Node, problems: &mut Vec<Problem>) -> Option<u32> {
    if node.value == Value::Null {
        return None;
    }
    let read = values::count(node);
    match read {
        Ok(count) => Some(count),
        Err(_) => {
            problems.extend(wrong(
                &format!("{of}{KEY}: "),
                expected("how many tasks may run at the same time, 0 for any number", node),
            ));
            None
        }
    }
}

fn wrong(of: &str, read: values::Read<()>) -> Option<Problem> {
    let mismatch = read.err()?;
    Some(Problem::error(format!("{of}{}", mismatch.message)).at(mismatch.span))
}
