//! Being a service of systemd (`Type=notify`): whoever started the daemon hears when it is up, and the list that was
//! saved is brought back.
//!
//! See `sd_notify(3)`: a datagram of lines to the socket that `NOTIFY_SOCKET` names. Nobody else has that variable: what
//! starts a daemon by a verb takes it out.

use std::{
    env,
    ffi::OsString,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

use rpm_core::{
    Cause,
    protocol::{NOTIFY_SOCKET, Reply},
};
use tokio::sync::mpsc;

use crate::god::God;

/// Answers that are waited for at once when the list is brought back.
const ANSWERS: usize = 4096;

/// Whether this daemon is the main process of a service.
pub(crate) fn is_one() -> bool {
    socket().is_some()
}

/// Tells the service manager, if there is one.
pub(crate) fn tell(state: &str) {
    let Some(socket) = socket() else { return };
    if let Err(error) = send(&socket, state) {
        tracing::warn!("the service manager does not hear: {error}");
    }
}

fn socket() -> Option<OsString> {
    env::var_os(NOTIFY_SOCKET).filter(|name| !name.is_empty())
}

fn send(socket: &OsString, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

impl God {
    /// Starts what was saved. That there is nothing is no failure; all else is told in the log.
    pub(crate) fn bring_back(&mut self) {
        let (replies, mut answers) = mpsc::channel(ANSWERS);
        self.resurrect(None, Cause::Boot, &replies);
        while let Ok(answer) = answers.try_recv() {
            match answer {
                Reply::Failed(rpm_core::protocol::Failure::NoDump) => {}
                Reply::Failed(failure) => tracing::error!("what was saved is not brought back: {failure}"),
                _ => {}
            }
        }
    }
}
