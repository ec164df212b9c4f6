//! Random schedules against a slow model that walks over days and minutes.

use std::collections::BTreeSet;

use chrono::{
    DateTime, Datelike, Duration, MappedLocalTime, NaiveDate, NaiveDateTime, TimeZone, Timelike, Utc,
};
use chrono_tz::Tz;
use proptest::{
    collection::btree_set,
    prelude::*,
    sample::{Index, select},
};
use rpm_core::cron::Schedule;

use super::{schedule, zone};

/// The values of each field, from the second to the day of week (0 = Sunday).
#[derive(Clone, Debug)]
struct Sets([BTreeSet<u32>; 6]);

impl Sets {
    fn expression(&self) -> String {
        let list = |set: &BTreeSet<u32>| set.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        self.0.iter().map(list).collect::<Vec<_>>().join(" ")
    }

    fn has_day(&self, date: NaiveDate) -> bool {
        self.0[3].contains(&date.day())
            && self.0[4].contains(&date.month())
            && self.0[5].contains(&date.weekday().num_days_from_sunday())
    }

    fn has(&self, wall: NaiveDateTime) -> bool {
        self.has_day(wall.date())
            && self.0[0].contains(&wall.second())
            && self.0[1].contains(&wall.minute())
            && self.0[2].contains(&wall.hour())
    }

    /// The first matching time after `after`, day by day.
    fn next_after(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let a_cycle = 400 * 366;
        after.date().iter_days().take(a_cycle).filter(|day| self.has_day(*day)).find_map(|day| {
            let times = self.0[2].iter().flat_map(|hour| {
                self.0[1]
                    .iter()
                    .flat_map(move |minute| self.0[0].iter().map(move |second| (*hour, *minute, *second)))
            });
            times.filter_map(|(h, m, s)| day.and_hms_opt(h, m, s)).find(|time| *time > after)
        })
    }
}

/// Some of a field's values, or all of them.
fn field(min: u32, max: u32) -> impl Strategy<Value = BTreeSet<u32>> {
    prop_oneof![Just((min..=max).collect()), btree_set(min..=max, 1..4)]
}

fn sets(second: impl Strategy<Value = BTreeSet<u32>>) -> impl Strategy<Value = Sets> {
    (second, field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6))
        .prop_map(|sets| Sets(sets.into()))
}

fn only_zero() -> impl Strategy<Value = BTreeSet<u32>> {
    Just(BTreeSet::from([0]))
}

/// The ticks between two instants, minute by minute, by the rules in the module's documentation.
fn ticks_of_the_model(
    sets: &Sets,
    tz: Tz,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> BTreeSet<DateTime<Utc>> {
    let minutes = || (0..=(to - from).num_minutes()).map(|minute| from + Duration::minutes(minute));
    let wall = |instant: DateTime<Utc>| instant.with_timezone(&tz).naive_local();
    if sets.0[2].len() == 24 {
        return minutes().skip(1).filter(|instant| sets.has(wall(*instant))).collect();
    }
    let (first, last) = (wall(from), wall(to));
    let walls = (0..=(last - first).num_minutes()).map(|minute| first + Duration::minutes(minute));
    walls
        .filter(|wall| sets.has(*wall))
        .filter_map(|shown| match tz.from_local_datetime(&shown) {
            MappedLocalTime::Single(instant) | MappedLocalTime::Ambiguous(instant, _) => {
                Some(instant.to_utc())
            }
            MappedLocalTime::None => minutes().find(|instant| wall(*instant) > shown),
        })
        .filter(|instant| *instant > from && *instant <= to)
        .collect()
}

/// Changes of the clock: the zone and the instant.
const CHANGES: [(Tz, &str); 12] = [
    (Tz::America__New_York, "2024-03-10T07:00:00Z"),
    (Tz::America__New_York, "2024-11-03T06:00:00Z"),
    (Tz::Europe__Berlin, "2024-03-31T01:00:00Z"),
    (Tz::Europe__Berlin, "2024-10-27T01:00:00Z"),
    (Tz::America__Sao_Paulo, "2018-11-04T03:00:00Z"),
    (Tz::America__Sao_Paulo, "2018-02-18T02:00:00Z"),
    (Tz::Australia__Lord_Howe, "2024-10-05T15:30:00Z"),
    (Tz::Australia__Lord_Howe, "2024-04-06T15:00:00Z"),
    (Tz::Atlantic__Azores, "2024-10-27T01:00:00Z"),
    (Tz::Pacific__Apia, "2011-12-30T10:00:00Z"),
    (Tz::Pacific__Kwajalein, "1993-08-21T12:00:00Z"),
    (Tz::Asia__Kolkata, "2024-06-01T00:00:00Z"),
];

fn instant_near(change: &str, minutes: i64) -> DateTime<Utc> {
    super::instant(change) + Duration::minutes(minutes)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        let _ = Schedule::parse(&text);
    }

    #[test]
    fn text_of_cron_characters_is_read_or_refused(text in "@?([0-9*,/L?-]|MON|jan| ){0,40}") {
        if let Ok(schedule) = Schedule::parse(&text) {
            let after = DateTime::UNIX_EPOCH;
            let tick = schedule.next_after(after, zone("UTC"));
            prop_assert!(tick.is_none_or(|tick| tick > after), "{text}: {tick:?}");
        }
    }

    #[test]
    fn the_next_tick_is_the_first_that_matches(
        sets in sets(field(0, 59)),
        after in -2_000_000_000_i64..8_000_000_000,
    ) {
        let after = DateTime::from_timestamp(after, 0).expect("an instant");
        let found = schedule(&sets.expression()).next_after(after, zone("UTC"));
        prop_assert_eq!(found.map(|tick| tick.naive_utc()), sets.next_after(after.naive_utc()), "{}", sets.expression());
    }

    #[test]
    fn changes_of_the_clock_are_as_in_the_model(
        sets in sets(only_zero()).prop_map(|mut sets| {
            // Days are another property's subject.
            sets.0[3] = (1..=31).collect();
            sets.0[4] = (1..=12).collect();
            sets
        }),
        (tz, change) in select(&CHANGES[..]),
        from in -1_600_i64..1_600,
    ) {
        let (from, to) = (instant_near(change, from), instant_near(change, 3_200));
        let schedule = schedule(&sets.expression());
        let zone = zone(tz.name());
        let found: BTreeSet<_> = std::iter::successors(
            schedule.next_after(from, zone), |&tick| schedule.next_after(tick, zone)
        ).take_while(|tick| *tick <= to).collect();
        prop_assert_eq!(found, ticks_of_the_model(&sets, tz, from, to), "{} in {}", sets.expression(), tz);
    }

    /// Lists, ranges, steps and names say the same as the values one by one.
    #[test]
    fn a_range_with_a_step_is_its_values(bounds: (Index, Index), step: Index, field in 0..6_usize) {
        let (min, max) = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7)][field];
        let value = |index: Index| min + index.index(max - min + 1);
        let (first, last) = (value(bounds.0).min(value(bounds.1)), value(bounds.0).max(value(bounds.1)));
        let step = 1 + step.index(max - min + 1);
        let values: Vec<String> = (first..=last).step_by(step).map(|value| value.to_string()).collect();
        let with = |text: &str| {
            let mut fields = ["*"; 6];
            fields[field] = text;
            schedule(&fields.join(" "))
        };
        let (short, long) = (with(&format!("{first}-{last}/{step}")), with(&values.join(",")));
        let after = super::instant("2023-12-31T23:59:59Z");
        let mut tick = after;
        for _ in 0..20 {
            let next = short.next_after(tick, zone("UTC"));
            prop_assert_eq!(next, long.next_after(tick, zone("UTC")), "{} and {}", short, long);
            tick = next.expect("a tick");
        }
    }
}
