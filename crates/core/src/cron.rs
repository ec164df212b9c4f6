//! PM2's cron dialect: reading an expression, and the next time it fires.
//!
//! # Dialect
//! Five fields, `minute hour day-of-month month day-of-week`, or six with the second first. A field is `*`, a
//! number, a range `a-b`, a step `*/n`, `a-b/n` or `a/n` (from `a` to the end), or a list of these. Months and
//! days of week have names (`JAN`-`DEC`, `SUN`-`SAT`, in any case). 0 and 7 are Sunday, which may also end a
//! range (`FRI-SUN`). `L`, alone in day of month, is the last day of the month. `?`, alone in day of month or day
//! of week, is `*`. Day of month **and** day of week must match: `0 0 13 * 5` is Friday the 13th. Beside it
//! `@yearly` = `@annually`, `@monthly`, `@weekly`, `@daily` = `@midnight` and `@hourly`.
//!
//! # Daylight saving time
//! A schedule that names hours speaks of the clock on the wall: each time that it shows fires once.
//! - In a gap the clock jumps over the time: it fires at the end of the gap. `30 2 * * *` fires at 3:00 when the
//!   clock goes from 2:00 to 3:00. Several times in one gap, and one at its end, are that one tick.
//! - In an overlap the clock shows the time twice: it fires the first time.
//!
//! A schedule of every hour (`*/5 * * * *`, `0 * * * *`) speaks of intervals, which go on: it fires in both
//! passes of an overlap, and there is nothing to make up for in a gap.
//!
//! # Where it differs from PM2
//! PM2 7 reads expressions with croner 4.1.97. What differs on purpose, each shown by a test against croner:
//! - The ticks above: croner leaves out the day of a time in a gap, and pauses for the second pass of an overlap.
//! - `a/n` starts at `a`; in day of month and month croner starts at `a + 1`.
//! - A matching day of week begins with its first tick; asked on another day, croner begins at that time of day.
//! - A month ends at its last day; where a field has a day that the month lacks, croner counts on into the next.
//! - Understood here and refused by croner: ranges and steps in lists, ranges that end on `SUN`, the `@` words.
//! - Refused here: a misspelt value (`5*`, `1,,2`), which croner cuts short or ignores, and `?` for anything but a
//!   day. In croner `?` is the value at the moment of reading, so it would change with each start of the daemon.

mod dialect;
mod error;
mod fields;
mod ticks;
mod timetable;
mod zone;

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use self::fields::Fields;
pub use self::{
    error::{CronError, Problem, ZoneError},
    timetable::{Tick, Timetable},
    zone::{NamedZone, Zone},
};

/// A cron expression that has been understood. It is its text to serde and to `Display`.
///
/// Small (48 bytes and the text), because a daemon holds thousands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Schedule {
    source: Box<str>,
    fields: Fields,
}

impl Schedule {
    /// Reads an expression; the error says which field is wrong and what was expected there.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        match dialect::parse(text) {
            Ok(fields) => Ok(Self { source: text.into(), fields }),
            Err(problem) => Err(CronError { expression: text.into(), problem }),
        }
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The last time after `since` and not after `until` for which it fires, milliseconds since the epoch.
    pub fn last_between(&self, since: i64, until: i64, zone: Zone) -> Option<i64> {
        let after = |time: i64| {
            let tick = self.next_after(DateTime::from_timestamp_millis(time)?, zone)?;
            Some(tick.timestamp_millis())
        };
        // Back in steps that grow, because a schedule only looks ahead.
        let mut step = 1_000i64;
        loop {
            let from = until.saturating_sub(step).max(since);
            let mut last = None;
            let mut next = after(from);
            while let Some(due) = next.filter(|due| *due <= until) {
                last = Some(due);
                next = after(due);
            }
            if last.is_some() || from <= since {
                return last;
            }
            step = step.saturating_mul(2);
        }
    }

    /// The first instant strictly after `after` at which it fires, always a whole second.
    ///
    /// `None` if there is none: the 31st of February, or the end of the calendar.
    pub fn next_after(&self, after: DateTime<Utc>, zone: Zone) -> Option<DateTime<Utc>> {
        let tick = ticks::next(&self.fields, after.timestamp(), zone)?;
        DateTime::from_timestamp(tick, 0)
    }
}

impl FromStr for Schedule {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        Self::parse(text)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}
