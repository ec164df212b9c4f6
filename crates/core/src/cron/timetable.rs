//! When an app is started by its schedule: the ticks, and how far each is put off.

use chrono::DateTime;

use super::{Schedule, Zone};
use crate::AppSpec;

/// The schedule of one app, in its time zone, with its jitter. Times are milliseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub struct Timetable<'a> {
    app: &'a str,
    schedule: &'a Schedule,
    zone: Zone,
    jitter: i64,
}

/// One tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick {
    /// What the schedule says.
    pub due: i64,
    /// When it fires; `cron_jitter` puts it off.
    pub at: i64,
}

impl AppSpec {
    /// When it is started by its schedule, if it has one.
    pub fn timetable(&self) -> Option<Timetable<'_>> {
        let schedule = self.cron_restart.as_ref()?;
        let jitter = self.cron_jitter.map_or(0, |jitter| i64::try_from(jitter.0).unwrap_or(i64::MAX));
        Some(Timetable { app: &self.name, schedule, zone: self.cron_timezone.unwrap_or(Zone::Local), jitter })
    }
}

impl Timetable<'_> {
    /// The first tick that fires after `time`.
    pub fn next_after(&self, time: i64) -> Option<Tick> {
        if self.jitter > 0 {
            // One that is due and put off.
            let last = self.last_between(time.saturating_sub(self.jitter), time);
            if let Some(tick) = last.map(|due| self.put_off(due)).filter(|tick| tick.at > time) {
                return Some(tick);
            }
        }
        self.due_after(time).map(|due| self.put_off(due))
    }

    /// The last tick that is due after `since` and not after `until`.
    pub fn last_between(&self, since: i64, until: i64) -> Option<i64> {
        self.schedule.last_between(since, until, self.zone)
    }

    fn due_after(&self, time: i64) -> Option<i64> {
        let tick = self.schedule.next_after(DateTime::from_timestamp_millis(time)?, self.zone)?;
        Some(tick.timestamp_millis())
    }

    /// When a tick fires: by chance, as it looks, but the same for one app and tick always, and before the next one.
    fn put_off(&self, due: i64) -> Tick {
        if self.jitter == 0 {
            return Tick { due, at: due };
        }
        let room = self.due_after(due).map_or(i64::MAX, |next| next - due);
        let width = self.jitter.saturating_add(1).min(room).max(1);
        Tick { due, at: due + (hash(self.app, due) % width.unsigned_abs()) as i64 }
    }
}

/// FNV-1a, and a last stir: of two ticks that differ in a bit, all bits of the result may differ.
fn hash(app: &str, due: i64) -> u64 {
    let fnv = app.bytes().chain(due.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let stirred = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    stirred ^ (stirred >> 33)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Interpreter, Millis};

    const HOUR: i64 = 3_600_000;

    fn app(name: &str, cron: &str, jitter: u64) -> AppSpec {
        let mut app = AppSpec::new(name, "/a".into(), Interpreter::None, "/".into());
        app.cron_restart = Some(cron.parse().unwrap());
        app.cron_timezone = Some("UTC".parse().unwrap());
        app.cron_jitter = (jitter > 0).then_some(Millis(jitter));
        app
    }

    #[test]
    fn without_jitter_a_tick_fires_when_it_is_due() {
        let app = app("a", "0 * * * *", 0);
        let timetable = app.timetable().unwrap();
        assert_eq!(timetable.next_after(1), Some(Tick { due: HOUR, at: HOUR }));
        assert_eq!(timetable.next_after(HOUR), Some(Tick { due: 2 * HOUR, at: 2 * HOUR }));
        assert!(AppSpec { cron_restart: None, ..app }.timetable().is_none());
    }

    #[test]
    fn ticks_that_were_missed_are_found() {
        let app = app("a", "0 3 * * *", 0);
        let timetable = app.timetable().unwrap();
        assert_eq!(timetable.last_between(0, 3 * HOUR - 1), None);
        assert_eq!(timetable.last_between(0, 3 * HOUR), Some(3 * HOUR));
        assert_eq!(timetable.last_between(3 * HOUR, 20 * HOUR), None);
        assert_eq!(timetable.last_between(0, 24 * 400 * HOUR), Some((24 * 399 + 3) * HOUR));
        assert_eq!(timetable.last_between(5, 4), None);
    }

    #[test]
    fn jitter_spreads_apps_and_stays_the_same() {
        let at = |name: &str| {
            app(name, "0 * * * *", 600_000).timetable().unwrap().next_after(HOUR - 1).unwrap().at
        };
        let spread: std::collections::BTreeSet<_> = (0..50).map(|n| at(&format!("task-{n}"))).collect();
        assert!(spread.len() > 40 && spread.iter().all(|at| (HOUR..=HOUR + 600_000).contains(at)));
        assert!(spread.last().unwrap() - spread.first().unwrap() > 400_000);
        assert_eq!(at("a"), at("a"));
    }

    proptest! {
        /// One after the other every tick comes once, in order, put off by no more than was said; whoever asks in
        /// between gets the same answer.
        #[test]
        fn every_tick_fires_once(
            cron in prop::sample::select(vec!["* * * * *", "*/7 3 * * *", "0 0 1 * *", "*/10 * * * * *", "0 4,16 * * 1"]),
            jitter in 0u64..20_000_000,
            start in 0i64..4_000_000_000_000,
            between in 0.0f64..1.0,
        ) {
            let (jittered, plain) = (app("task", cron, jitter), app("task", cron, 0));
            let (jittered, plain) = (jittered.timetable().unwrap(), plain.timetable().unwrap());
            let mut tick = jittered.next_after(start).unwrap();
            for _ in 0..10 {
                prop_assert!(tick.at >= tick.due && tick.at - tick.due <= jitter as i64);
                let next = jittered.next_after(tick.at).unwrap();
                prop_assert_eq!(next.due, plain.next_after(tick.due).unwrap().due);
                let asked = tick.at + ((next.at - 1 - tick.at) as f64 * between) as i64;
                prop_assert_eq!(jittered.next_after(asked), Some(next));
                prop_assert_eq!(plain.last_between(tick.due - 1, tick.due), Some(tick.due));
                tick = next;
            }
        }
    }
}
