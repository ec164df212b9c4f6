//! From wall-clock times to instants, through daylight-saving changes. Instants are seconds since 1970, UTC.

use super::{
    fields::{DAY, Fields},
    zone::Zone,
};

/// The first tick after the instant `after`.
pub(super) fn next(fields: &Fields, after: i64, zone: Zone) -> Option<i64> {
    if fields.every_hour() {
        next_interval(fields, after, zone)
    } else {
        next_on_the_wall(fields, after, zone)
    }
}

/// Ticks of a schedule that names hours: each wall-clock time at the first instant when the clock is there, or
/// past it because it jumped.
fn next_on_the_wall(fields: &Fields, after: i64, zone: Zone) -> Option<i64> {
    let mut wall = after + zone.offset_at(after);
    loop {
        wall = fields.next_wall(wall + 1)?;
        let instant = first_instant(wall, zone);
        // Else `after` is in the second pass of an overlap, and the tick was in the first.
        if instant > after {
            return Some(instant);
        }
    }
}

/// The first instant at which the clock shows `wall` or later.
fn first_instant(wall: i64, zone: Zone) -> i64 {
    let day_before = wall - DAY;
    let unchanged = wall - zone.offset_at(day_before);
    match zone.change_between(day_before, unchanged) {
        None => unchanged,
        Some(change) => change.max(wall - zone.offset_at(change)),
    }
}

/// Ticks of a schedule of every hour: all that the clock shows, between one change of the clock and the next.
fn next_interval(fields: &Fields, after: i64, zone: Zone) -> Option<i64> {
    let mut from = after + 1;
    loop {
        let offset = zone.offset_at(from);
        let unchanged = fields.next_wall(from + offset)? - offset;
        // Two changes would look like none: a day at a time, and a tick that is far off is approached at once.
        match zone.change_between(from, unchanged.min(from + DAY)) {
            Some(change) => from = change,
            None if unchanged > from + 2 * DAY => from = unchanged - DAY,
            None if unchanged > from + DAY => from += DAY,
            None => return Some(unchanged),
        }
    }
}
