//! What is wrong, or will be, with a home and its host, and what to do about it. It looks, and changes nothing.

mod apps;
mod boot;
mod daemon;
mod home;

use rpm_core::ProcessInfo;
use serde::Serialize;

use crate::{context::Context, failure::Failure};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// As it should be.
    Good,
    /// It works, and will not always.
    Warning,
    /// Something does not work.
    Bad,
}

/// What one check has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    /// What was looked at.
    pub(crate) subject: &'static str,
    pub(crate) what: String,
    /// What to do, where there is something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<String>,
}

impl Finding {
    fn good(subject: &'static str, what: impl Into<String>) -> Self {
        Self { level: Level::Good, subject, what: what.into(), advice: None }
    }

    fn warning(subject: &'static str, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Warning, subject, what: what.into(), advice: Some(advice.into()) }
    }

    fn bad(subject: &'static str, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Bad, ..Self::warning(subject, what, advice) }
    }
}

/// Looks at everything.
pub(crate) fn examine(context: &Context) -> Result<Vec<Finding>, Failure> {
    let mut findings = home::findings(&context.home);
    let (processes, of_daemon) = daemon::findings(&context.home);
    findings.extend(of_daemon);
    findings.extend(apps::findings(processes.as_deref().unwrap_or_default(), context.persona()));
    findings.extend(boot::findings(context, processes.as_deref())?);
    Ok(findings)
}

/// A few names, and how many more there are.
fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 5;
    let names: Vec<_> = names.into_iter().map(|name| rpm_core::name::printable(name).into_owned()).collect();
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..SHOWN].join(", ")),
    }
}

/// The names of processes.
fn names_of<'a>(processes: impl IntoIterator<Item = &'a ProcessInfo>) -> String {
    names(processes.into_iter().map(|process| process.summary.name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_counted() {
        assert_eq!(names(["a", "b"]), "a, b");
        assert_eq!(names(["a", "b", "c", "d", "e"]), "a, b, c, d, e");
        assert_eq!(names(["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }
}
