//! Why a run could not be gone on with.

use std::{fmt::Display, io, path::Path};

/// What ends it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Ctrl-C, or another signal that asks to end.
    #[error("interrupted")]
    Interrupted,
    /// The system refused something.
    #[error("{doing}: {error}")]
    System {
        /// What was being done, or the file that it was about.
        doing: String,
        /// What the system says.
        error: io::Error,
    },
    /// A command did not succeed.
    #[error("`{command}` ended with {outcome}: {said}")]
    Command {
        /// What was run.
        command: String,
        /// How it ended.
        outcome: String,
        /// What it wrote on standard error.
        said: String,
    },
    /// Something did not work that had to.
    #[error("{0}")]
    Unexpected(String),
}

/// What a step gives.
pub type Outcome<T> = Result<T, Failure>;

/// For `map_err`: what was being done.
pub fn doing<E: Into<io::Error>>(what: impl Display) -> impl FnOnce(E) -> Failure {
    move |error| Failure::System { doing: what.to_string(), error: error.into() }
}

/// For `map_err`: the file that it was about.
pub fn at<E: Into<io::Error>>(path: &Path) -> impl FnOnce(E) -> Failure {
    doing(path.display())
}
