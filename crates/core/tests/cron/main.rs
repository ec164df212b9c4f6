//! The cron dialect: what is accepted, when it fires, through clock changes, and beside PM2's own library.

mod croner;
mod daylight_saving;
mod dialect;
mod properties;
mod zones;

use chrono::{DateTime, Utc};
use rpm_core::cron::{Schedule, Zone};

fn schedule(expression: &str) -> Schedule {
    expression.parse().expect(expression)
}

fn zone(name: &str) -> Zone {
    name.parse().expect(name)
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect(text)
}

/// The first `count` ticks after an instant.
fn ticks(expression: &str, zone: Zone, after: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
    let schedule = schedule(expression);
    std::iter::successors(schedule.next_after(after, zone), |&tick| schedule.next_after(tick, zone))
        .take(count)
        .collect()
}
