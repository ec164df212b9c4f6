//! Why a run could not be gone on with. What a fault broke is no failure but a violation: see `check`.

use std::{fmt::Display, io, path::Path};

/// What ends a run early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Ctrl-C, or another signal that asks to end.
    #[error("interrupted")]
    Interrupted,
    /// The system refused something.
    #[error("{doing}: {error}")]
    System { doing: String, error: io::Error },
    /// Something that no fault has touched did not work.
    #[error("{0}")]
    Unexpected(String),
}

/// What a step gives.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// For `map_err`: what was being done.
pub(crate) fn doing<E: Into<io::Error>>(what: impl Display) -> impl FnOnce(E) -> Failure {
    move |error| Failure::System { doing: what.to_string(), error: error.into() }
}

/// For `map_err`: the file that it was about.
pub(crate) fn at<E: Into<io::Error>>(path: &Path) -> impl FnOnce(E) -> Failure {
    doing(path.display())
}
