//! The two clocks: one for people and schedules, one for durations.

use std::time::Duration;

use nix::{
    time::{ClockId, clock_gettime},
    unistd::{SysconfVar, sysconf},
};
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

    /// The instant at which a process began whose start `/proc` gives as `birth`, in clock ticks since boot.
    pub(crate) fn of_birth(birth: u64) -> Self {
        let since_boot = birth.saturating_mul(1000) / ticks_per_second();
        // That clock goes on while the machine sleeps, the monotonic one does not.
        let age = read(ClockId::CLOCK_BOOTTIME).saturating_sub(since_boot);
        let now = Self::read();
        Self { wall: now.wall.saturating_sub(age as i64), mono: now.mono.saturating_sub(age) }
    }
}

/// The unit of times in `/proc`.
fn ticks_per_second() -> u64 {
    sysconf(SysconfVar::CLK_TCK).ok().flatten().map_or(100, |ticks| ticks.max(1) as u64)
}

fn read(clock: ClockId) -> u64 {
    // Both clocks exist on every kernel we run on; a zero would only make timers fire at once.
    clock_gettime(clock).map_or(0, |time| Duration::from(time).as_millis() as u64)
}
