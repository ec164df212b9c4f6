//! Through changes of the clock: which instants fire, written as the clock on the wall shows them.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::{instant, ticks, zone};

/// The ticks after an instant, in the zone's own time and offset.
#[track_caller]
fn assert_ticks(expression: &str, zone_name: &str, after: &str, expected: &[&str]) {
    let tz: Tz = zone_name.parse().expect("a zone");
    let after: DateTime<Utc> = instant(after);
    let found: Vec<String> = ticks(expression, zone(zone_name), after, expected.len())
        .iter()
        .map(|tick| tick.with_timezone(&tz).format("%d %H:%M %:z").to_string())
        .collect();
    assert_eq!(found, expected, "{expression} in {zone_name} after {after}");
}

const NEW_YORK: &str = "America/New_York";

#[test]
fn a_time_in_a_gap_fires_at_its_end() {
    let before = "2024-03-10T06:45:00Z";
    assert_ticks("30 2 * * *", NEW_YORK, before, &["10 03:00 -04:00", "11 02:30 -04:00"]);
    assert_ticks(
        "30 2 * * *",
        "Europe/Berlin",
        "2024-03-30T12:00:00Z",
        &["31 03:00 +02:00", "01 02:30 +02:00"],
    );
    // Half an hour only, and a gap at midnight.
    assert_ticks(
        "15 2 * * *",
        "Australia/Lord_Howe",
        "2024-10-05T12:00:00Z",
        &["06 02:30 +11:00", "07 02:15 +11:00"],
    );
    assert_ticks(
        "0 0 * * *",
        "America/Sao_Paulo",
        "2018-11-03T12:00:00Z",
        &["04 01:00 -02:00", "05 00:00 -02:00"],
    );
}

#[test]
fn a_gap_fires_once_however_many_times_fall_into_it() {
    let before = "2024-03-10T06:45:00Z";
    assert_ticks(
        "*/20 2 * * *",
        NEW_YORK,
        before,
        &["10 03:00 -04:00", "11 02:00 -04:00", "11 02:20 -04:00"],
    );
    assert_ticks("0 2,3 * * *", NEW_YORK, before, &["10 03:00 -04:00", "11 02:00 -04:00"]);
    assert_ticks(
        "30 1-3 * * *",
        NEW_YORK,
        before,
        &["10 03:00 -04:00", "10 03:30 -04:00", "11 01:30 -04:00"],
    );
    // Samoa left out the whole of 30 December 2011.
    assert_ticks(
        "0 9 * * *",
        "Pacific/Apia",
        "2011-12-29T20:00:00Z",
        &["31 00:00 +14:00", "31 09:00 +14:00"],
    );
}

#[test]
fn a_time_in_an_overlap_fires_the_first_time() {
    assert_ticks("30 1 * * *", NEW_YORK, "2024-11-03T04:00:00Z", &["03 01:30 -04:00", "04 01:30 -05:00"]);
    // Asked in between, and in the second pass.
    assert_ticks("30 1 * * *", NEW_YORK, "2024-11-03T05:30:00Z", &["04 01:30 -05:00"]);
    assert_ticks("30 1 * * *", NEW_YORK, "2024-11-03T06:10:00Z", &["04 01:30 -05:00"]);
    assert_ticks("*/30 1,2 * * *", NEW_YORK, "2024-11-03T05:10:00Z", &["03 01:30 -04:00", "03 02:00 -05:00"]);
    assert_ticks(
        "45 1 * * *",
        "Australia/Lord_Howe",
        "2024-04-06T12:00:00Z",
        &["07 01:45 +11:00", "08 01:45 +10:30"],
    );
    // The hour before midnight, twice.
    assert_ticks(
        "30 23 * * *",
        "America/Sao_Paulo",
        "2018-02-17T12:00:00Z",
        &["17 23:30 -02:00", "18 23:30 -03:00"],
    );
}

#[test]
fn a_schedule_of_every_hour_keeps_its_interval() {
    let gap = ["10 01:00 -05:00", "10 01:30 -05:00", "10 03:00 -04:00", "10 03:30 -04:00"];
    assert_ticks("*/30 * * * *", NEW_YORK, "2024-03-10T05:30:00Z", &gap);
    assert_ticks("30 * * * *", NEW_YORK, "2024-03-10T05:45:00Z", &["10 01:30 -05:00", "10 03:30 -04:00"]);
    let overlap =
        ["03 01:00 -04:00", "03 01:30 -04:00", "03 01:00 -05:00", "03 01:30 -05:00", "03 02:00 -05:00"];
    assert_ticks("*/30 * * * *", NEW_YORK, "2024-11-03T04:45:00Z", &overlap);
    assert_ticks("*/30 0-23 * * *", NEW_YORK, "2024-11-03T04:45:00Z", &overlap);
    assert_ticks("@hourly", NEW_YORK, "2024-11-03T05:00:00Z", &["03 01:00 -05:00", "03 02:00 -05:00"]);
    assert_ticks(
        "45 * * * *",
        "Australia/Lord_Howe",
        "2024-04-06T14:00:00Z",
        &["07 01:45 +11:00", "07 01:45 +10:30", "07 02:45 +10:30"],
    );
}

#[test]
fn a_second_pass_counts_on_the_last_matching_day() {
    // From 24:00 back to 23:00. The next 31 October that is a Thursday is six years away, and again in summer time.
    let expected = ["2024-10-31T20:30:00Z", "2024-10-31T21:30:00Z", "2030-10-30T21:30:00Z"].map(instant);
    assert_eq!(ticks("30 * 31 10 THU", zone("Africa/Cairo"), instant("2024-10-31T20:00:00Z"), 3), expected);
}

#[test]
fn rules_hold_for_years_to_come() {
    let found = ticks("0 12 1 7 *", zone(NEW_YORK), instant("2149-12-31T00:00:00Z"), 1);
    assert_eq!(found, [instant("2150-07-01T16:00:00Z")], "summer time");
}
