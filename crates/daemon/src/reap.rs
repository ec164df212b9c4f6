//! Noticing the end of processes: children by SIGCHLD, others by a pidfd. Nothing polls.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::wait::{WaitPidFlag, WaitStatus, waitpid},
    unistd::Pid,
};
use rpm_core::Exit;
use tokio::time::sleep;

use crate::readable;

/// The pause between two looks at a process of whose end the kernel does not tell.
const LOOK: Duration = Duration::from_millis(500);

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
pub(crate) async fn end_of(pidfd: Arc<OwnedFd>) {
    match readable::watch(Arc::clone(&pidfd)) {
        Ok(watched) => {
            if let Ok(mut ready) = watched.readable().await {
                return ready.retain_ready();
            }
        }
        Err(error) => tracing::warn!("the kernel does not tell of the end of a process: {error}"),
    }
    // It lives until the opposite is shown: what is taken to have ended is started again.
    while poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) == Ok(0) {
        sleep(LOOK).await;
    }
}
