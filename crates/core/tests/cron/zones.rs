//! Names of time zones, the machine's own zone, and the ends of the calendar.

use std::{env, mem::size_of, process::Command};

use chrono::{DateTime, Utc};
use rpm_core::cron::{Schedule, Zone};

use super::{instant, schedule, zone};

#[test]
fn names_are_iana_names_in_any_case() {
    assert_eq!(zone("Europe/Berlin").to_string(), "Europe/Berlin");
    assert_eq!(zone("europe/berlin"), zone("Europe/Berlin"));
    assert_eq!(zone("utc").name(), "UTC");
    assert_eq!(zone("Local"), Zone::Local);
    assert_eq!(Zone::default(), Zone::Local);
    assert_ne!(zone("Europe/Berlin"), zone("Europe/Paris"));
}

#[test]
fn a_wrong_name_gets_the_nearest_one() {
    let list = [
        ("Europe/Berln", " (did you mean Europe/Berlin?)"),
        ("Berlin", " (did you mean Europe/Berlin?)"),
        ("new york", " (did you mean America/New_York?)"),
        ("US/New_York", " (did you mean America/New_York?)"),
        ("Tokio", " (did you mean Asia/Tokyo?)"),
        ("Mars/Olympus_Mons", ""),
        ("", ""),
    ];
    for (name, suggestion) in list {
        let error = name.parse::<Zone>().expect_err(name);
        assert_eq!(
            error.to_string(),
            format!(
                "unknown time zone {name:?}: expected \"local\" or an IANA name such as Europe/Berlin{suggestion}"
            )
        );
    }
}

#[test]
fn a_zone_is_its_name_to_serde() {
    for name in ["local", "Asia/Kathmandu"] {
        let json = serde_json::to_string(&zone(name)).expect("JSON");
        assert_eq!(json, format!("{name:?}"));
        assert_eq!(serde_json::from_str::<Zone>(&json).expect("a zone"), zone(name));
    }
    assert!(serde_json::from_str::<Zone>("\"Nowhere\"").is_err());
}

/// A daemon holds thousands of them.
#[test]
fn schedules_and_zones_are_small() {
    assert!(size_of::<Schedule>() <= 48, "{}", size_of::<Schedule>());
    assert!(size_of::<Zone>() <= size_of::<usize>(), "{}", size_of::<Zone>());
}

/// Set in the child of the next test.
const IN_CHILD: &str = "RPM_TEST_LOCAL_ZONE";

/// `TZ` is read by a child: a test's own environment belongs to all tests at once.
#[test]
fn local_is_the_zone_of_the_machine() {
    let after = instant("2024-07-01T00:00:00Z");
    if env::var_os(IN_CHILD).is_some() {
        let noon = schedule("0 12 * * *").next_after(after, Zone::Local);
        assert_eq!(noon, Some(instant("2024-07-01T16:00:00Z")), "summer in New York");
        ends_of_the_calendar(Zone::Local);
        return;
    }
    let status = Command::new(env::current_exe().expect("this program"))
        .args(["--exact", "zones::local_is_the_zone_of_the_machine"])
        .env(IN_CHILD, "1")
        .env("TZ", "EST5EDT,M3.2.0,M11.1.0")
        .output()
        .expect("a child");
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
}

#[test]
fn nothing_panics_at_the_ends_of_the_calendar() {
    ends_of_the_calendar(Zone::Local);
    for name in chrono_tz::TZ_VARIANTS {
        ends_of_the_calendar(zone(name.name()));
    }
}

fn ends_of_the_calendar(zone: Zone) {
    let (first, last) = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
    let day = chrono::Duration::days(1);
    for expression in ["* * * * * *", "*/5 * * * *", "30 2 * * *", "0 0 L * 5", "0 0 31 2 *", "0 * 29 2 1"] {
        let schedule = schedule(expression);
        for after in [first, first + day, last - day * 2, last - day, last] {
            if let Some(tick) = schedule.next_after(after, zone) {
                assert!(tick > after, "{expression} in {zone} after {after}: {tick}");
            }
        }
        assert_eq!(schedule.next_after(last, zone), None, "{expression} in {zone}");
    }
}
