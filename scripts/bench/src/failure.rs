//! Why a measurement could not be taken.

use std::{fmt::Display, io, path::Path};

/// What ends the benchmark.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Ctrl-C, or another signal that asks to end.
    #[error("interrupted")]
    Interrupted,
    /// The system refused something.
    #[error("{doing}: {error}")]
    System { doing: String, error: io::Error },
    /// A command that is measured, or prepares it, did not succeed.
    #[error("`{command}` ended with {outcome}: {said}")]
    Command { command: String, outcome: String, said: String },
    /// A subject did not do what the figure would be about.
    #[error("{0}")]
    Unexpected(String),
}

/// What a measurement gives.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// For `map_err`: what was being done.
pub(crate) fn doing<E: Into<io::Error>>(what: impl Display) -> impl FnOnce(E) -> Failure {
    move |error| Failure::System { doing: what.to_string(), error: error.into() }
}

/// For `map_err`: the file that it was about.
pub(crate) fn at<E: Into<io::Error>>(path: &Path) -> impl FnOnce(E) -> Failure {
    doing(path.display())
}
