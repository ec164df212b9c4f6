//! Which files restart an app when they change.

use rpm_core::{Millis, Watch};

use crate::{
    node::{Entry, Node, Value},
    values::{self, Choice, Read, expected},
};

/// PM2's `watch_options`, which it hands to its watcher.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchOptions {
    /// Globs of files that are not watched, in place of `ignore_watch`.
    pub ignored: Option<Vec<String>>,
    /// How long a file has to stay as it is before its change counts (`awaitWriteFinish`).
    pub settled: Option<Millis>,
}

/// The time of `awaitWriteFinish` that names none.
const SETTLED: Millis = Millis(2_000);

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
    let last =
        |key: &str| entries.iter().rev().find(|entry| entry.key == key && entry.node.value != Value::Null);
    let ignored = last("ignored").map(|entry| match &entry.node.value {
        // Unlike `ignore_watch` this is not split: PM2 hands it on.
        Value::String(_) => values::filled(&entry.node).map(|glob| vec![glob]),
        _ => values::words(&entry.node),
    });
    let settled = match last("awaitWriteFinish") {
        Some(entry) => settled(&entry.node)?,
        None => None,
    };
    Ok(WatchOptions { ignored: ignored.transpose()?, settled })
}

/// `true`, `false`, or a table with the time in `stabilityThreshold`.
fn settled(node: &Node) -> Read<Option<Millis>> {
    match &node.value {
        Value::Bool(false) => Ok(None),
        Value::Bool(true) => Ok(Some(SETTLED)),
        Value::Table(entries) => {
            let threshold = entries.iter().rev().find(|entry| entry.key == "stabilityThreshold");
            threshold.map_or(Ok(Some(SETTLED)), |entry| values::millis(&entry.node).map(Some))
        }
        _ => expected("true, false or { stabilityThreshold = 2000 }", node),
    }
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
                | ("ignored" | "awaitWriteFinish" | "atomic" | "alwaysStat" | "ignorePermissionErrors", _)
                | ("persistent" | "ignoreInitial" | "followSymlinks", Value::Bool(true))
                | ("usePolling", Value::Bool(false))
        )
    })
}
