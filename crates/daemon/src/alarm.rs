//! Waking at a time of the wall clock.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        time::TimeSpec,
        timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
    },
    unistd::read,
};
use tokio::io::unix::AsyncFd;

use crate::readable;

/// An alarm clock. Unlike a sleep it keeps to the wall clock when somebody sets it, and after a suspend.
pub(crate) struct Alarm {
    timer: TimerFd,
    /// Another descriptor of the same timer.
    ready: AsyncFd<Arc<OwnedFd>>,
    set: Option<i64>,
}

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_REALTIME, flags)?;
        let ready = readable::watch(Arc::new(timer.as_fd().try_clone_to_owned()?))?;
        Ok(Self { timer, ready, set: None })
    }

    /// Rings at `at`, milliseconds since the epoch; never, if there is no time given.
    pub(crate) fn set(&mut self, at: Option<i64>) -> io::Result<()> {
        if self.set == at {
            return Ok(());
        }
        match at {
            None => self.timer.unset()?,
            Some(at) => {
                // A time of zero would switch the timer off.
                let at = Duration::from_millis(u64::try_from(at).unwrap_or(0).max(1));
                self.timer.set(
                    Expiration::OneShot(TimeSpec::from(at)),
                    TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET,
                )?;
            }
        }
        self.set = at;
        Ok(())
    }

    /// Waits until it rings. True if the wall clock was set meanwhile: then every time has to be computed anew.
    pub(crate) async fn rings(&mut self) -> io::Result<bool> {
        loop {
            let mut ready = self.ready.readable().await?;
            let mut count = [0; 8];
            match read(self.timer.as_fd(), &mut count) {
                Ok(_) => {
                    self.set = None;
                    return Ok(false);
                }
                Err(Errno::ECANCELED) => {
                    self.set = None;
                    return Ok(true);
                }
                Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
