//! Waiting for what is to become true.

use std::{
    fmt::Display,
    thread,
    time::{Duration, Instant},
};

/// How long a test waits at most. Generous: a test that passes never waits for it.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Waits until `look` finds something.
///
/// # Panics
/// When it has not after [`LIMIT`]; `what` says what was waited for.
#[track_caller]
pub fn wait_for<T>(what: impl Display, look: impl FnMut() -> Option<T>) -> T {
    match within(LIMIT, look) {
        Some(found) => found,
        None => panic!("waited {} s in vain for {what}", LIMIT.as_secs()),
    }
}

/// Waits until `condition` holds, as [`wait_for`] does.
#[track_caller]
pub fn wait_until(what: impl Display, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// What `look` finds before `limit`. It is asked at once, then ever less often.
pub fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    let mut pause = Duration::from_micros(500);
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if began.elapsed() > limit {
            return None;
        }
        thread::sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(50));
    }
}
