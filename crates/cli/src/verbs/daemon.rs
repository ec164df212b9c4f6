//! The daemon itself: this executable under a name that nobody types.

use std::path::Path;

use nix::sys::signal::SigSet;
use rpm_client::READY_FD;
use rpm_core::{Home, Persona};

use crate::{context::variable, failure::Failure};

/// Becomes the program of an app that runs as another user. Returns only if that fails.
pub(super) fn launch() -> Result<(), Failure> {
    match rpm_daemon::launch(std::env::args_os().skip(2)) {
        Ok(never) => match never {},
        Err(error) => Err(Failure::Error(error.to_string())),
    }
}

/// Is the daemon until it ends.
pub(super) fn run(persona: Persona) -> Result<(), Failure> {
    // Signals are how a daemon is ended, whatever its starter held back.
    let _ = SigSet::empty().thread_set_mask();
    let home = Home::locate(persona, variable, Path::new("/"))
        .ok_or_else(|| Failure::Error(format!("no home: set {} or HOME", persona.home_variable())))?;
    let ready = variable(READY_FD).and_then(|number| number.parse().ok());
    rpm_daemon::run(&home, ready).map_err(|error| Failure::Error(error.to_string()))
}
