//! How a verb ends: what is said about it, and the exit code.

use std::process::ExitCode;

use rpm_client::{ClientError, ConnectError, SpawnError};
use rpm_core::protocol;

use crate::output::Output;

/// The exit code of what went well.
pub(crate) const SUCCESS: u8 = 0;
/// The exit code of every failure, as in PM2.
pub(crate) const FAILURE: u8 = 1;

/// Why a verb ended before its end.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The help was asked for, which is no failure.
    Help(String),
    /// All has been said.
    Said,
    /// All has been said, and the exit code tells more.
    Exit(u8),
    /// `[RPM] …` on standard output.
    Told(String),
    /// `[RPM][ERROR] …` on standard error.
    Error(String),
    /// `[RPM][WARN] …` on standard error.
    Warning(String),
    /// Bare lines on standard error.
    Bare(String),
}

impl From<protocol::Failure> for Failure {
    fn from(failure: protocol::Failure) -> Self {
        match failure {
            protocol::Failure::NoProcess => Self::Warning(failure.to_string()),
            _ => Self::Error(failure.to_string()),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Failed(failure) => failure.into(),
            _ => Self::Error(error.to_string()),
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::Error(error.to_string())
    }
}

impl From<SpawnError> for Failure {
    fn from(error: SpawnError) -> Self {
        Self::Error(error.to_string())
    }
}

/// Says how it ended, once.
pub(crate) fn conclude(out: &mut Output, outcome: Result<(), Failure>) -> ExitCode {
    let mut code = if outcome.is_ok() { SUCCESS } else { FAILURE };
    match outcome {
        Ok(()) | Err(Failure::Said) => {}
        Err(Failure::Exit(told)) => code = told,
        Err(Failure::Help(text)) => {
            code = SUCCESS;
            out.data(text.as_bytes());
        }
        Err(Failure::Told(message)) => out.info(&message),
        Err(Failure::Error(message)) => out.error(&message),
        Err(Failure::Warning(message)) => out.alert(&message),
        Err(Failure::Bare(lines)) => out.error_line(&lines),
    }
    if let Some(error) = out.fault() {
        code = FAILURE;
        let message = format!("cannot write to standard output: {error}");
        out.error(&message);
    }
    ExitCode::from(code)
}
