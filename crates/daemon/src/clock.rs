//! The two clocks: one for people and schedules, one for durations.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// An instant on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Now {
    /// Milliseconds since the epoch. May jump.
    pub wall: i64,
    /// Milliseconds since boot. Never jumps, and means the same to the next daemon of this boot.
    pub mono: u64,
}

impl Now {
    /// Reads both clocks.
    pub(crate) fn read() -> Self {
        Self { wall: read(ClockId::CLOCK_REALTIME) as i64, mono: read(ClockId::CLOCK_MONOTONIC) }
    }
}

fn read(clock: ClockId) -> u64 {
    // Both clocks exist on every kernel we run on; a zero would only make timers fire at once.
    clock_gettime(clock).map_or(0, |time| Duration::from(time).as_millis() as u64)
}
