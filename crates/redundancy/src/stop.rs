//! The end of a companion: a descriptor that becomes readable, so that everything that waits can wait for it too.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Whether, and when, it is time to end.
#[derive(Debug)]
pub struct Stop {
    told: OwnedFd,
    /// Kept open where no signal can come: a closed pipe would be readable.
    _never: Option<OwnedFd>,
}

impl Stop {
    /// On SIGTERM, SIGINT or SIGHUP.
    pub fn on_signals() -> io::Result<Self> {
        let (told, teller) = pipe()?;
        for signal in [nix::libc::SIGTERM, nix::libc::SIGINT, nix::libc::SIGHUP] {
            signal_hook::low_level::pipe::register(signal, teller.try_clone()?)?;
        }
        Ok(Self { told, _never: Some(teller) })
    }

    /// Never.
    pub fn never() -> io::Result<Self> {
        let (told, teller) = pipe()?;
        Ok(Self { told, _never: Some(teller) })
    }

    /// Waits for it, at most this long. Whether it is time to end.
    pub fn wait(&self, at_most: Duration) -> bool {
        let until = std::time::Instant::now() + at_most;
        loop {
            let left = until.saturating_duration_since(std::time::Instant::now());
            let mut polled = [PollFd::new(self.told.as_fd(), PollFlags::POLLIN)];
            match poll(&mut polled, timeout(left)) {
                Ok(0) if left.is_zero() => return false,
                Ok(0) | Err(nix::errno::Errno::EINTR) => {}
                // A descriptor that cannot be polled would make a busy loop of every wait.
                Ok(_) | Err(_) => return true,
            }
        }
    }

    /// Whether it is time to end.
    pub fn is_due(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    /// What becomes readable then.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.told.as_fd()
    }
}

/// A time limit for `poll`: rounded up, so that nobody looks just before the time has come.
pub(crate) fn timeout(left: Duration) -> PollTimeout {
    let ms = left.as_nanos().div_ceil(1_000_000);
    PollTimeout::try_from(i32::try_from(ms).unwrap_or(i32::MAX)).unwrap_or(PollTimeout::MAX)
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = nix::fcntl::OFlag::O_CLOEXEC | nix::fcntl::OFlag::O_NONBLOCK;
    Ok(nix::unistd::pipe2(flags)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_ends_every_wait() {
        let stop = Stop::on_signals().unwrap();
        assert!(!stop.is_due());
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGHUP).unwrap();
        assert!(stop.wait(Duration::from_mins(1)));
        assert!(stop.is_due(), "it stays due");
    }
}
