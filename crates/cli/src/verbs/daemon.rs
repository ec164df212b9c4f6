//! The daemon itself: this executable under a name that nobody types.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use nix::{
    libc::O_NOFOLLOW,
    sys::signal::SigSet,
    unistd::{dup2_stderr, dup2_stdout},
};
use rpm_client::READY_FD;
use rpm_core::{Home, Persona, protocol::NOTIFY_SOCKET};
use rpm_daemon::{CHECK, FIT, HANDOVER_FD, MAKE_WAY};

use crate::{context::variable, failure::Failure};

/// Becomes the program of an app that runs as another user. Returns only if that fails.
pub(super) fn launch() -> Result<(), Failure> {
    match rpm_daemon::launch(std::env::args_os().skip(2)) {
        Ok(never) => match never {},
        Err(error) => Err(Failure::Error(error.to_string())),
    }
}

/// Is the daemon until it ends; or tells whether it could take the place of one.
pub(super) fn run(persona: Persona, args: &[String]) -> Result<(), Failure> {
    let home = Home::locate(persona, variable, Path::new("/"))
        .ok_or_else(|| Failure::Error(format!("no home: set {} or HOME", persona.home_variable())))?;
    let failed = |error: rpm_daemon::DaemonError| Failure::Error(error.to_string());
    match args.get(1).map(String::as_str) {
        Some(CHECK) => {
            let format = args.get(2).and_then(|number| number.parse().ok()).unwrap_or(u32::MAX);
            rpm_daemon::check(&home, format).map_err(failed)?;
            io::stdout().write_all(FIT.as_bytes()).map_err(|error| Failure::Error(error.to_string()))
        }
        Some(MAKE_WAY) => rpm_daemon::make_way()
            .map_err(|error| Failure::Error(format!("control groups of the unit: {error}"))),
        handover => {
            // Signals are how a daemon is ended, whatever its starter held back.
            let _ = SigSet::empty().thread_set_mask();
            let number = handover
                .and_then(|argument| argument.strip_prefix(HANDOVER_FD)?.strip_prefix('=')?.parse().ok());
            match number {
                Some(number) => rpm_daemon::take_over(&home, number),
                None if variable(NOTIFY_SOCKET).is_some() => {
                    settle_as_service(&home)?;
                    rpm_daemon::run(&home, None)
                }
                None => rpm_daemon::run(&home, variable(READY_FD).and_then(|number| number.parse().ok())),
            }
            .map_err(failed)
        }
    }
}

/// Does what a client does for the daemon that it starts: nobody else was there to do it.
fn settle_as_service(home: &Home) -> Result<(), Failure> {
    rpm_client::prepare_home(home)?;
    let path = home.daemon_log();
    let settle = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        let log = options.create(true).append(true).mode(0o600).custom_flags(O_NOFOLLOW).open(&path)?;
        dup2_stdout(&log)?;
        dup2_stderr(&log)?;
        std::env::set_current_dir("/")
    };
    settle().map_err(|error| Failure::Error(format!("{}: {error}", path.display())))
}
