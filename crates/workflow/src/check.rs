//! From a file to a [`Workflow`], or to all that is wrong with it.

mod events;
mod jobs;
mod steps;

use std::{fs, path::Path};

use rpm_core::name::printable;
use rpm_ecosystem::{Node, Problem, Report, Severity, Source, parse_yaml};

use crate::{
    expression::TemplateError,
    model::{Action, Workflow},
    schema,
};

/// A file of more bytes is no workflow; GitHub's own bound is half of it.
const MAX_BYTES: u64 = 1 << 20;

/// Reads and checks the workflow file at `path`.
///
/// The report tells all that is wrong, with places; a file that cannot be read is one problem. What is only
/// suspicious does not fail: [`Workflow::warnings`].
pub fn check_file(path: &Path) -> Result<Workflow, Report> {
    let source = read(path)?;
    let tree = parse_yaml(&source).map_err(|problems| Report::new(Some(source.clone()), problems))?;
    workflow(path, source, &tree)
}

/// Checks a text as if it had been read from `path`.
pub fn check_text(path: &Path, text: &str) -> Result<Workflow, Report> {
    let source = Source::new(path, text);
    let tree = parse_yaml(&source).map_err(|problems| Report::new(Some(source.clone()), problems))?;
    workflow(path, source, &tree)
}

fn workflow(path: &Path, source: Source, tree: &Node) -> Result<Workflow, Report> {
    let mut problems = schema::check_workflow(tree, &source);
    events::check(tree, &mut problems);
    jobs::check(tree, &mut problems);
    if problems.iter().any(|problem| problem.severity() == Severity::Error) {
        return Err(Report::new(Some(source), problems));
    }
    let warnings = Report::new(Some(source.clone()), problems);
    Workflow::read(path, tree, warnings).map_err(|error| unread(source, error))
}

/// Reads and checks an `action.yml`.
pub(crate) fn action(path: &Path) -> Result<Action, Report> {
    let source = read(path)?;
    let tree = parse_yaml(&source).map_err(|problems| Report::new(Some(source.clone()), problems))?;
    let mut problems = schema::check_action(&tree, &source);
    steps::check_composite(&tree, &mut problems);
    if problems.iter().any(|problem| problem.severity() == Severity::Error) {
        return Err(Report::new(Some(source), problems));
    }
    Action::read(&tree).map_err(|error| unread(source, error))
}

/// The schema has checked all expressions, so that none is left that cannot be read.
fn unread(source: Source, error: TemplateError) -> Report {
    Report::new(Some(source), vec![Problem::error(error.message)])
}

fn read(path: &Path) -> Result<Source, Report> {
    let refused = |message: String| {
        let path = path.to_string_lossy();
        Report::new(None, vec![Problem::error(format!("{}: {message}", printable(&path)))])
    };
    let length = fs::metadata(path).map_err(|error| refused(format!("cannot be read: {error}")))?;
    if length.is_dir() {
        return Err(refused("expected a file, found a directory".to_owned()));
    }
    if length.len() > MAX_BYTES {
        return Err(refused(format!("expected at most {MAX_BYTES} bytes, found {}", length.len())));
    }
    let bytes = fs::read(path).map_err(|error| refused(format!("cannot be read: {error}")))?;
    Source::decode(path, bytes).map_err(|error| error.report().clone())
}

/// Whether a text can be the id of a job or a step.
fn is_id(text: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.len() < 100
        && text.starts_with(begins)
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

const ID: &str = "expected a letter or _, then letters, digits, _ and -, below 100";
