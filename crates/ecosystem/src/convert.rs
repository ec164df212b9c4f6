//! From an ecosystem file of any format to TOML with the same meaning.
//!
//! The text is written from the tree, so that paths stay relative and `"5s"` stays what it is; and it is proved by
//! loading both, with each profile, and comparing the apps.

mod write;

use std::{
    collections::BTreeSet,
    iter,
    path::{Component, Path, PathBuf},
};

use rpm_core::AppSpec;

use crate::{
    Caller, EnvChange, LoadError, Loaded, Options, Problem, Report,
    caller::resolve,
    file, formats,
    node::{Entry, Node, Value},
    parallel,
    source::Source,
};

/// A file that was converted.
#[derive(Debug)]
pub struct Converted {
    /// The TOML.
    pub text: String,
    /// What is ignored in the file, and so not in the TOML.
    pub warnings: Report,
}

/// The TOML that says at `to` what the file at `path` says; `-` is JSON on standard input.
///
/// The error is that the file cannot be loaded, or which attributes of which apps cannot be written as TOML.
pub fn convert(path: &Path, to: &Path, caller: &Caller) -> Result<Converted, LoadError> {
    let (source, parsed) = file::read(path, caller)?;
    let as_said =
        |profile: Option<&str>| file::loaded(source.clone(), parsed.clone(), &with_profile(profile), caller);
    let original = as_said(None)?;
    let tree = &parsed.tree;
    let text = text(&source, tree, to, caller)?;

    let profiles = profiles(&original, tree);
    let mut problems = Vec::new();
    for profile in iter::once(None).chain(profiles.iter().map(|name| Some(name.as_str()))) {
        let converted = file::load_text(to, &text, &with_profile(profile), caller)
            .map_err(|error| Problem::error(format!("what was written cannot be loaded: {error}")))?;
        let said = as_said(profile)?;
        differences(&said.apps, &converted.apps, &mut problems);
        if said.max_parallel != converted.max_parallel {
            problems.push(Problem::error("TOML cannot say the same of max_parallel"));
        }
    }
    if problems.is_empty() {
        let warnings = original.warnings.with(env_changes(&parsed.env));
        return Ok(Converted { text, warnings });
    }
    problems.dedup();
    Err(LoadError::new(Some(source), problems))
}

/// The warning that the file changes variables while it is evaluated, which TOML cannot.
fn env_changes(env: &EnvChange) -> Option<Problem> {
    let names: Vec<_> = env.names().collect();
    (!names.is_empty()).then(|| {
        let names = names.join(", ");
        Problem::warning(format!("it changes variables when it is evaluated, and the TOML does not: {names}"))
    })
}

fn with_profile(profile: Option<&str>) -> Options {
    Options { profile: profile.map(str::to_owned), ..Options::default() }
}

/// Every name that `--env` may have.
fn profiles(loaded: &Loaded, tree: &Node) -> BTreeSet<String> {
    let declared = loaded.apps.iter().flat_map(|app| app.profiles.keys().cloned());
    let deployed = entry(tree, "deploy").into_iter().flat_map(|deploy| match &deploy.node.value {
        Value::Table(entries) => entries.iter().map(|entry| entry.key.clone()).collect(),
        _ => Vec::new(),
    });
    declared.chain(deployed).collect()
}

fn entry<'a>(tree: &'a Node, key: &str) -> Option<&'a Entry> {
    match &tree.value {
        Value::Table(entries) => entries.iter().rev().find(|entry| entry.key == key),
        _ => None,
    }
}

fn differences(before: &[AppSpec], after: &[AppSpec], problems: &mut Vec<Problem>) {
    for (at, app) in before.iter().enumerate() {
        let same = after.get(at);
        if same == Some(app) {
            continue;
        }
        let fields = |app: Option<&AppSpec>| match app.map(serde_json::to_value) {
            Some(Ok(serde_json::Value::Object(fields))) => fields,
            _ => serde_json::Map::new(),
        };
        let (before, after) = (fields(Some(app)), fields(same));
        let differ =
            before.keys().chain(after.keys()).filter(|field| before.get(*field) != after.get(*field));
        let differ: BTreeSet<_> = differ.map(String::as_str).collect();
        let differ: Vec<_> = differ.into_iter().collect();
        let message = format!("TOML cannot say the same of {}", differ.join(", "));
        problems.push(Problem::error(message).of_app(Some(&app.name)));
    }
}

/// The text, which nobody has checked.
fn text(source: &Source, tree: &Node, to: &Path, caller: &Caller) -> Result<String, Problem> {
    let dialect = formats::dialect(source.path());
    let is_lenient = file::is_lenient(dialect, caller);
    let mut writer = write::Writer::new(dialect, is_lenient);
    writer.comment(&format!("Converted from {}.", source.path().display()));
    if formats::is_javascript(&source.path().to_string_lossy()) {
        writer.comment("What that file computes (paths, variables) stands here as it was then.");
    }
    writer.comment("");
    writer.comment(
        "Times are milliseconds, or text with s, m or h (\"5s\"). Sizes are bytes, or text with K, M or G.",
    );
    writer.comment("Relative paths begin where this file is started from, not where it is; with");
    writer.comment("root = \".\" above the first app they begin where it is.");

    let directory = |path: &Path| resolve(&caller.cwd, path.parent().unwrap_or(Path::new("")));
    let (from, to) = (directory(source.path()), directory(to));
    let Value::Table(entries) = &tree.value else {
        apps(&mut writer, tree);
        return Ok(writer.text);
    };
    if let Some(root) = entry(tree, "root") {
        let Value::String(root) = &root.node.value else {
            return Err(Problem::error("root: expected text in quotes"));
        };
        let root = if from == to || Path::new(root).is_absolute() {
            root.clone()
        } else {
            relative(&to, &resolve(&from, root)).to_string_lossy().into_owned()
        };
        writer.blank();
        writer.line("root", &Node::text(root));
    }
    if let Some(limit) = entry(tree, parallel::KEY).filter(|limit| limit.node.value != Value::Null) {
        writer.blank();
        writer.comment("How many tasks may run at the same time.");
        writer.line(parallel::KEY, &limit.node);
    }
    let is_of_app = |entry: &&Entry| !file::KEYS.contains(&entry.key.as_str());
    match file::container(entries).and_then(|key| entry(tree, key)) {
        Some(entry) => apps(&mut writer, &entry.node),
        None => {
            let own: Vec<_> = entries.iter().filter(is_of_app).cloned().collect();
            if file::is_app(&own) {
                writer.app(&own);
            }
        }
    }
    if let Some(servers) = entry(tree, "static") {
        for server in listed(&servers.node) {
            writer.table(&["static"], server, true);
        }
    }
    for key in ["namespaces", "deploy"] {
        if let Some(entry) = entry(tree, key) {
            writer.table(&[key], &entry.node, false);
        }
    }
    Ok(writer.text)
}

fn apps(writer: &mut write::Writer, node: &Node) {
    if matches!(&node.value, Value::Array(apps) if apps.is_empty()) {
        writer.blank();
        writer.line("apps", node);
    }
    for app in listed(node) {
        if let Value::Table(entries) = &app.value {
            writer.app(entries);
        }
    }
}

fn listed(node: &Node) -> &[Node] {
    match &node.value {
        Value::Array(items) => items,
        _ => std::slice::from_ref(node),
    }
}

/// `path` as seen from `directory`; both are absolute and without `..`.
fn relative(directory: &Path, path: &Path) -> PathBuf {
    let (from, to): (Vec<_>, Vec<_>) = (directory.components().collect(), path.components().collect());
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = iter::repeat_n(Component::ParentDir, from.len() - shared);
    let relative: PathBuf = up.chain(to.iter().skip(shared).copied()).collect();
    if relative.as_os_str().is_empty() { PathBuf::from(".") } else { relative }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_seen_from_a_directory() {
        for (from, to, seen) in [
            ("/a/b", "/a/b", "."),
            ("/a/b", "/a/b/c", "c"),
            ("/a/b", "/a/x/y", "../x/y"),
            ("/", "/a", "a"),
            ("/a", "/", ".."),
        ] {
            assert_eq!(relative(Path::new(from), Path::new(to)), Path::new(seen), "{from} {to}");
        }
    }
}
