//! Waiting, in a way that a signal can end.

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

/// From now on the signals that ask to end raise a flag: on the way out each world ends what it has started.
pub(crate) fn listen() -> io::Result<()> {
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&RAISED))?;
    }
    Ok(())
}

/// Does nothing for a while.
pub(crate) fn pause(duration: Duration) -> Outcome<()> {
    let end = Instant::now() + duration;
    loop {
        if RAISED.load(Ordering::Relaxed) {
            return Err(Failure::Interrupted);
        }
        match end.saturating_duration_since(Instant::now()) {
            Duration::ZERO => return Ok(()),
            left => thread::sleep(left.min(SLICE)),
        }
    }
}

/// Waits until `condition` gives something, at most for `limit`.
pub(crate) fn within<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Outcome<Option<T>> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = condition() {
            return Ok(Some(found));
        }
        if Instant::now() > end {
            return Ok(None);
        }
        pause(Duration::from_millis(2))?;
    }
}
