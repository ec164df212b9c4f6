//! Noticing the end of processes: children by SIGCHLD, others by a pidfd. Nothing polls.

#![expect(
    unsafe_code,
    reason = "wait4(2), which tells what a child has used, has no safe wrapper in our libraries"
)]

use std::{
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use nix::{
    errno::Errno,
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use rpm_core::{Bytes, Exit, Millis};
use rpm_history::Memory;
use tokio::time::sleep;

use crate::readable;

/// The pause between two looks at a process of whose end the kernel does not tell.
const LOOK: Duration = Duration::from_millis(500);

/// Takes in every child that has ended: the daemon's own, and orphans that were handed to it. One system call for
/// each that ended and one more, however many are alive.
pub(crate) fn ended_children() -> impl Iterator<Item = (i32, Exit, Used)> {
    std::iter::from_fn(|| {
        loop {
            let mut status = 0;
            let mut usage = MaybeUninit::<libc::rusage>::zeroed();
            // SAFETY: both are of the types that the call fills in and outlive it; of the zeroed structure each field
            // is an integer, so that it is valid also where the call writes nothing.
            let (pid, usage) = unsafe {
                let pid = libc::wait4(-1, &raw mut status, libc::WNOHANG, usage.as_mut_ptr());
                (pid, usage.assume_init())
            };
            return match pid {
                1.. if libc::WIFSIGNALED(status) => {
                    Some((pid, Exit::Signal(libc::WTERMSIG(status)), Used::of(&usage)))
                }
                1.. => Some((pid, Exit::Code(libc::WEXITSTATUS(status)), Used::of(&usage))),
                -1 if Errno::last() == Errno::EINTR => continue,
                // No more of them, for now or at all.
                _ => None,
            };
        }
    })
}

/// What a child has used, with those of its descendants that it waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    /// CPU time.
    pub cpu: Millis,
    /// The peak of the largest of them.
    peak: Bytes,
}

impl Used {
    fn of(usage: &libc::rusage) -> Self {
        let millis = |time: libc::timeval| time.tv_sec as u64 * 1000 + time.tv_usec as u64 / 1000;
        let cpu = Millis(millis(usage.ru_utime) + millis(usage.ru_stime));
        Self { cpu, peak: Bytes((usage.ru_maxrss as u64) << 10) }
    }

    /// Its memory. The kernel counts from before the program was executed, when the child shared the daemon's memory
    /// (`vfork`): it says nothing of a peak below the daemon's own.
    pub(crate) fn memory(self) -> Memory {
        let own = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF);
        let own = own.map_or(0, |usage| usage.max_rss() as u64);
        Memory { peak: self.peak, at_most: self.peak.0 >> 10 <= own }
    }
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
