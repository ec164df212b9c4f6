//! The daemon itself: this executable under a name that nobody types.

use std::path::Path;

use rpm_client::READY_FD;
use rpm_core::{Home, Persona};

use crate::{context::variable, failure::Failure};

/// Is the daemon until it ends.
pub(super) fn run(persona: Persona) -> Result<(), Failure> {
    let home = Home::locate(persona, variable, Path::new("/"))
        .ok_or_else(|| Failure::Error(format!("no home: set {} or HOME", persona.home_variable())))?;
    let ready = variable(READY_FD).and_then(|number| number.parse().ok());
    rpm_daemon::run(&home, ready).map_err(|error| Failure::Error(error.to_string()))
}
