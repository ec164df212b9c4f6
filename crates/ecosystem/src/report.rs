//! Problems, and how they are shown to people.

use std::{
    collections::HashMap,
    fmt::{self, Write},
};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use rpm_core::name::printable;

use crate::source::{Source, Span};

/// Beyond so many problems the source lines are left out: the positions are enough then, and a file that is
/// started from the wrong directory has one for each app.
const MAX_SNIPPETS: usize = 12;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Nothing is started.
    Error,
    /// Something is ignored.
    Warning,
}

/// One thing that is wrong with a declaration. `Display` is the message without its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    severity: Severity,
    /// Several where the same warning holds for several apps.
    apps: Vec<String>,
    attribute: Option<&'static str>,
    message: String,
    span: Option<Span>,
    /// An earlier place that this one clashes with.
    earlier: Option<Span>,
    /// Whether it is about how the file is written, which is worth a line at a start alone.
    is_notice: bool,
}

impl Problem {
    /// Something that stops the file from being used.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message.into())
    }

    /// Something that is ignored, or probably meant otherwise.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message.into())
    }

    /// A warning about how the file is written: a restart, a stop and the like do not repeat it.
    pub(crate) fn notice(message: impl Into<String>) -> Self {
        Self { is_notice: true, ..Self::warning(message) }
    }

    fn new(severity: Severity, message: String) -> Self {
        let (apps, attribute, span, earlier) = (Vec::new(), None, None, None);
        Self { severity, apps, attribute, message, span, earlier, is_notice: false }
    }

    /// Instead of an error the warning that what is wrong is ignored.
    pub(crate) fn ignored(self) -> Self {
        let message = format!("{}: it is ignored", self.message);
        Self { severity: Severity::Warning, message, is_notice: true, ..self }
    }

    pub(crate) fn is_notice(&self) -> bool {
        self.is_notice
    }

    /// The attribute that is wrong.
    pub(crate) fn attribute(&self) -> Option<&'static str> {
        self.attribute
    }

    /// Points at a place.
    #[must_use]
    pub fn at(self, span: Option<Span>) -> Self {
        Self { span, ..self }
    }

    pub(crate) fn of_app(self, app: Option<&str>) -> Self {
        Self { apps: app.map(str::to_owned).into_iter().collect(), ..self }
    }

    pub(crate) fn of_attribute(self, attribute: &'static str) -> Self {
        Self { attribute: Some(attribute), ..self }
    }

    /// Points at an earlier place as well, where what stands here was used first.
    #[must_use]
    pub fn after(self, earlier: Option<Span>) -> Self {
        Self { earlier, ..self }
    }

    /// Points there unless it points somewhere.
    pub(crate) fn or_at(self, span: Option<&Span>) -> Self {
        Self { span: self.span.or_else(|| span.cloned()), ..self }
    }

    /// Whether one of these attributes is wrong.
    pub(crate) fn is_error_in(&self, attributes: &[&str]) -> bool {
        self.severity == Severity::Error && self.attribute.is_some_and(|wrong| attributes.contains(&wrong))
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.severity
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.apps.as_slice() {
            [] => {}
            [app] => write!(f, "app \"{}\": ", printable(app))?,
            [first, second] => write!(f, "apps \"{}\" and \"{}\": ", printable(first), printable(second))?,
            [first, rest @ ..] => write!(f, "app \"{}\" and {} more: ", printable(first), rest.len())?,
        }
        if let Some(attribute) = self.attribute {
            write!(f, "{attribute}: ")?;
        }
        f.write_str(&printable(&self.message))
    }
}

/// Problems of one file or command line, in the order of their places. `Display` is all of them.
#[derive(Clone, Debug, Default)]
pub struct Report {
    source: Option<Source>,
    problems: Vec<Problem>,
}

impl Report {
    /// The problems of one source.
    pub fn new(source: Option<Source>, problems: Vec<Problem>) -> Self {
        let mut problems = grouped(problems);
        problems.sort_by_key(|problem| problem.span.as_ref().map(|span| span.start));
        Self { source, problems }
    }

    /// The same with further problems.
    pub(crate) fn with(self, more: impl IntoIterator<Item = Problem>) -> Self {
        Self::new(self.source, self.problems.into_iter().chain(more).collect())
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// What they are in.
    pub(crate) fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// The problems themselves.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// One text for each problem: a line `file:line:column: message`, and for errors the line of the source.
    pub fn rendered(&self, colour: bool) -> impl Iterator<Item = String> {
        let errors = self.problems.iter().any(|problem| problem.severity == Severity::Error);
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        self.problems.iter().enumerate().map(move |(index, problem)| {
            let mut shown = self.place(problem);
            if errors && problem.severity == Severity::Warning {
                shown.push_str("warning: ");
            }
            // Writing to a String cannot fail.
            let _ = write!(shown, "{problem}");
            if problem.severity == Severity::Error && index < MAX_SNIPPETS {
                self.snippet(problem, &renderer, &mut shown);
            }
            shown
        })
    }

    fn place(&self, problem: &Problem) -> String {
        let Some(source) = &self.source else { return String::new() };
        let path = source.path().to_string_lossy();
        let path = printable(&path);
        match &problem.span {
            Some(span) => {
                let (line, column) = source.position(span.start);
                format!("{path}:{line}:{column}: ")
            }
            None => format!("{path}: "),
        }
    }

    fn snippet(&self, problem: &Problem, renderer: &Renderer, shown: &mut String) {
        let (Some(source), Some(span)) = (&self.source, &problem.span) else { return };
        let mut snippet =
            Snippet::source(source.text()).annotation(AnnotationKind::Primary.span(source.first_line(span)));
        if let Some(earlier) = &problem.earlier {
            let earlier = AnnotationKind::Context.span(source.first_line(earlier)).label("first used here");
            snippet = snippet.annotation(earlier);
        }
        shown.push('\n');
        shown.push_str(renderer.render(&[Group::with_level(Level::ERROR).element(snippet)]).trim_end());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.rendered(false).enumerate() {
            if index > 0 {
                f.write_char('\n')?;
            }
            f.write_str(&problem)?;
        }
        Ok(())
    }
}

/// Why nothing was loaded. Warnings that were found on the way are part of it: they often name the cause.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LoadError(Report);

impl LoadError {
    pub(crate) fn new(source: Option<Source>, problems: Vec<Problem>) -> Self {
        Self(Report::new(source, problems))
    }

    /// All that is wrong.
    pub fn report(&self) -> &Report {
        &self.0
    }
}

impl From<Problem> for LoadError {
    fn from(problem: Problem) -> Self {
        Self::new(None, vec![problem])
    }
}

/// The same warning about many apps becomes one that stands where the first does.
fn grouped(problems: Vec<Problem>) -> Vec<Problem> {
    let mut groups: Vec<Problem> = Vec::with_capacity(problems.len());
    let mut warnings = HashMap::new();
    for problem in problems {
        if problem.severity == Severity::Warning {
            let first = *warnings
                .entry((problem.attribute, problem.message.clone(), problem.apps.is_empty()))
                .or_insert(groups.len());
            if let Some(group) = groups.get_mut(first) {
                group.apps.extend(problem.apps);
                continue;
            }
        }
        groups.push(problem);
    }
    groups
}
