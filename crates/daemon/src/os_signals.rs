//! The signals that the daemon itself gets.

use std::io;

use nix::libc::SIGXFSZ;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Take in the children that have ended.
    Reap,
    /// End in good order; the name of the signal.
    End(&'static str),
    /// Open the logs again.
    ReloadLogs,
}

/// The signals that are handled.
pub(crate) struct OsSignals {
    child: Signal,
    interrupt: Signal,
    terminate: Signal,
    quit: Signal,
    hangup: Signal,
    user1: Signal,
    user2: Signal,
    /// A write beyond the limit of the size of files fails instead of ending the daemon.
    _file_size: Signal,
}

impl OsSignals {
    /// Handles them from now on.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            child: signal(SignalKind::child())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
            _file_size: signal(SignalKind::from_raw(SIGXFSZ))?,
        })
    }

    /// Waits for the next one that asks for something. Nothing is lost if the wait is given up.
    pub(crate) async fn next(&mut self) -> Asked {
        loop {
            tokio::select! {
                biased;
                Some(()) = self.child.recv() => return Asked::Reap,
                Some(()) = self.interrupt.recv() => return Asked::End("SIGINT"),
                Some(()) = self.terminate.recv() => return Asked::End("SIGTERM"),
                Some(()) = self.quit.recv() => return Asked::End("SIGQUIT"),
                Some(()) = self.user2.recv() => return Asked::ReloadLogs,
                // The daemon does not belong to the terminal from which it was started.
                Some(()) = self.hangup.recv() => {}
                Some(()) = self.user1.recv() => {}
            }
        }
    }
}
