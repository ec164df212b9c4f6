//! Which files restart an app when they change.

use rpm_core::Watch;

use crate::{
    node::{Entry, Node, Value},
    values::{self, Choice, Read, expected},
};

/// PM2's `watch_options`, which it hands to its watcher.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchOptions {
    /// Globs of files that are not watched, in place of `ignore_watch`.
    pub ignored: Option<Vec<String>>,
}

/// `true`, `false`, a path or a list of paths.
pub(crate) fn read(node: &Node) -> Read<Watch> {
    Ok(match values::choice("true, false, a path or a list of paths", node)? {
        Choice::Switch(true) => Watch::All,
        Choice::Switch(false) => Watch::Off,
        Choice::One(path) => Watch::Paths(vec![path.into()]),
        Choice::Several(paths) => Watch::Paths(paths.into_iter().map(Into::into).collect()),
    })
}

/// A table of options.
pub(crate) fn options(node: &Node) -> Read<WatchOptions> {
    let Value::Table(entries) = &node.value else {
        return expected("a table such as { ignored = [\"*.log\"] }", node);
    };
    let ignored =
        entries.iter().rev().find(|entry| entry.key == "ignored" && entry.node.value != Value::Null);
    let ignored = ignored.map(|entry| match &entry.node.value {
        // Unlike `ignore_watch` this is not split: PM2 hands it on.
        Value::String(_) => values::filled(&entry.node).map(|glob| vec![glob]),
        _ => values::words(&entry.node),
    });
    Ok(WatchOptions { ignored: ignored.transpose()? })
}

/// The options that ask for something that does not happen here.
pub(crate) fn without_effect(node: &Node) -> impl Iterator<Item = &Entry> {
    let entries = match &node.value {
        Value::Table(entries) => entries.as_slice(),
        _ => &[],
    };
    entries.iter().filter(|entry| {
        !matches!(
            (entry.key.as_str(), &entry.node.value),
            (_, Value::Null)
                | ("ignored" | "atomic" | "alwaysStat" | "ignorePermissionErrors", _)
                | ("persistent" | "ignoreInitial" | "followSymlinks", Value::Bool(true))
                | ("usePolling" | "awaitWriteFinish", Value::Bool(false))
        )
    })
}
