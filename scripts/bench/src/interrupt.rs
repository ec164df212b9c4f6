//! Waiting, in a way that a signal can end.
//!
//! A signal only raises a flag. Whoever waits or begins something new looks at it and fails; on the way out each
//! owner of processes ends them.

use std::{
    io,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use crate::failure::{Failure, Outcome};

static RAISED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// How long a signal may go unnoticed while waiting.
const SLICE: Duration = Duration::from_millis(50);

/// From now on the signals that ask to end raise the flag.
pub fn listen() -> io::Result<()> {
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&RAISED))?;
    }
    Ok(())
}

/// Fails once a signal has come.
pub fn check() -> Outcome<()> {
    if RAISED.load(Ordering::Relaxed) { Err(Failure::Interrupted) } else { Ok(()) }
}

/// Does nothing for a while.
pub fn pause(duration: Duration) -> Outcome<()> {
    let end = Instant::now() + duration;
    loop {
        check()?;
        match end.saturating_duration_since(Instant::now()) {
            Duration::ZERO => return Ok(()),
            left => thread::sleep(left.min(SLICE)),
        }
    }
}

/// Waits until `condition` gives something, at most for `limit`.
pub fn within<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Outcome<Option<T>> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = condition() {
            return Ok(Some(found));
        }
        if Instant::now() > end {
            return Ok(None);
        }
        pause(Duration::from_millis(1))?;
    }
}

/// [`within`], failing with what did not happen.
pub fn wait_for<T>(what: &str, limit: Duration, condition: impl FnMut() -> Option<T>) -> Outcome<T> {
    let late = || Failure::Unexpected(format!("{what}: not within {} s", limit.as_secs()));
    within(limit, condition)?.ok_or_else(late)
}
