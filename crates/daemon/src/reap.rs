//! Noticing the end of processes: children by SIGCHLD, others by a pidfd. Nothing polls.

use std::{io, os::fd::OwnedFd, sync::Arc};

use nix::{
    errno::Errno,
    sys::wait::{WaitPidFlag, WaitStatus, waitpid},
    unistd::Pid,
};
use rpm_core::Exit;

use crate::readable;

/// Takes in every child that has ended: the daemon's own, and orphans that were handed to it. One system call for
/// each that ended and one more, however many are alive.
pub(crate) fn ended_children() -> impl Iterator<Item = (i32, Exit)> {
    std::iter::from_fn(|| {
        loop {
            return match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => Some((pid.as_raw(), Exit::Code(code))),
                Ok(WaitStatus::Signaled(pid, signal, _)) => Some((pid.as_raw(), Exit::Signal(signal as i32))),
                Err(Errno::EINTR) => continue,
                // No more of them, for now or at all.
                Ok(_) | Err(_) => None,
            };
        }
    })
}

/// Waits for the end of a process that is no child, or need not be one.
pub(crate) async fn end_of(pidfd: Arc<OwnedFd>) -> io::Result<()> {
    readable::watch(pidfd)?.readable().await?.retain_ready();
    Ok(())
}
