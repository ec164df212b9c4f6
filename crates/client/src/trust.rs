//! Whose daemon is asked. A client hands its environment to it, and shows what it says.

use std::{
    io::Write,
    os::unix::fs::MetadataExt,
    sync::atomic::{AtomicBool, Ordering},
};

use interprocess::local_socket::{Stream, traits::StreamCommon};
use nix::unistd::{User, geteuid};
use rpm_core::Home;

use crate::error::{ConnectError, user_name};

/// The variable by which PM2 is told whose its socket is: the number of a user, or a name.
const TRUSTED: &str = "PM2_SOCKET_USER";

/// What belongs to another user.
#[derive(Clone, Copy, Debug)]
enum What {
    Home,
    Daemon,
}

/// Checks that `home` is this user's or root's, where it is there.
pub(crate) fn home(home: &Home) -> Result<(), ConnectError> {
    match std::fs::metadata(home.root()) {
        Ok(meta) => check(home, What::Home, meta.uid()),
        Err(_) => Ok(()),
    }
}

/// Checks that the daemon at the other end of `stream` is this user's or root's.
pub(crate) fn daemon(home: &Home, stream: &Stream) -> Result<(), ConnectError> {
    let credentials = stream.peer_creds();
    let user = credentials.map_err(|source| ConnectError::Io { socket: home.socket(), source })?.euid();
    check(home, What::Daemon, user.unwrap_or(u32::MAX))
}

/// The notice has been printed: one is enough for all that a verb asks.
static NOTICED: AtomicBool = AtomicBool::new(false);

fn check(home: &Home, what: What, owner: u32) -> Result<(), ConnectError> {
    let me = geteuid();
    if owner == 0 || owner == me.as_raw() || named() == Some(owner) {
        return Ok(());
    }
    let (socket, owner) = (home.socket(), user_name(owner));
    if !me.is_root() {
        return Err(ConnectError::Stranger { socket, owner, variable: home.persona().home_variable() });
    }
    if !NOTICED.swap(true, Ordering::Relaxed) {
        let what = match what {
            What::Home => "home",
            What::Daemon => "daemon",
        };
        let notice = format!("notice: the {what} of {} belongs to {owner}", home.root().display());
        // Where standard error is closed, the notice has no reader.
        let _ = writeln!(std::io::stderr(), "{notice}");
    }
    Ok(())
}

/// The user that the environment names as trusted.
fn named() -> Option<u32> {
    let name = std::env::var(TRUSTED).ok()?;
    let by_name = || Some(User::from_name(&name).ok()??.uid.as_raw());
    name.parse().ok().or_else(by_name)
}
