//! What an expression may say, what it means, and what is said about one that is wrong.

use std::fmt::Write;

use super::{instant, schedule, ticks};
use rpm_core::cron::{Schedule, Zone};

/// The days and times of the first ticks in 2024, which begins on a Monday.
#[track_caller]
fn assert_ticks(expression: &str, expected: &[&str]) {
    let zone: Zone = super::zone("UTC");
    let mut found = String::new();
    for tick in ticks(expression, zone, instant("2023-12-31T23:59:59Z"), expected.len()) {
        writeln!(found, "{}", tick.format("%m-%d %H:%M:%S")).expect("a string");
    }
    assert_eq!(found.lines().collect::<Vec<_>>(), expected, "{expression}");
}

#[test]
fn five_fields_or_six_with_the_second_first() {
    assert_ticks("30 4 * * *", &["01-01 04:30:00", "01-02 04:30:00"]);
    assert_ticks("15 30 4 * * *", &["01-01 04:30:15", "01-02 04:30:15"]);
    assert_ticks("  30\t4  * *  * ", &["01-01 04:30:00"]);
}

#[test]
fn lists_ranges_and_steps() {
    assert_ticks("5,50 * * * *", &["01-01 00:05:00", "01-01 00:50:00", "01-01 01:05:00"]);
    assert_ticks("58-59 * * * *", &["01-01 00:58:00", "01-01 00:59:00", "01-01 01:58:00"]);
    assert_ticks("*/40 * * * *", &["01-01 00:00:00", "01-01 00:40:00", "01-01 01:00:00"]);
    assert_ticks("10-30/20 * * * *", &["01-01 00:10:00", "01-01 00:30:00", "01-01 01:10:00"]);
    assert_ticks("50/5 * * * *", &["01-01 00:50:00", "01-01 00:55:00", "01-01 01:50:00"]);
    assert_ticks(
        "0-1,30,50/5 * * * *",
        &["01-01 00:00:00", "01-01 00:01:00", "01-01 00:30:00", "01-01 00:50:00"],
    );
    assert_ticks("0 0 5/10 * *", &["01-05 00:00:00", "01-15 00:00:00", "01-25 00:00:00", "02-05 00:00:00"]);
    assert_ticks("0 0 1 */5 *", &["01-01 00:00:00", "06-01 00:00:00", "11-01 00:00:00"]);
}

#[test]
fn a_step_may_be_as_long_as_its_field() {
    assert_ticks("*/60 * * * *", &["01-01 00:00:00", "01-01 01:00:00"]);
    assert_ticks("7 */24 * * *", &["01-01 00:07:00", "01-02 00:07:00"]);
    assert_ticks("0 0 */31 */12 *", &["01-01 00:00:00"]);
}

#[test]
fn names_in_any_case() {
    assert_ticks("0 0 1 Feb,OCT *", &["02-01 00:00:00", "10-01 00:00:00"]);
    assert_ticks("0 0 * * wed", &["01-03 00:00:00", "01-10 00:00:00"]);
    assert_ticks("0 0 1 jun-AUG/2 *", &["06-01 00:00:00", "08-01 00:00:00"]);
    assert_ticks("0 0 * * THU-6", &["01-04 00:00:00", "01-05 00:00:00", "01-06 00:00:00", "01-11 00:00:00"]);
}

#[test]
fn zero_and_seven_are_sunday() {
    let sundays = ["01-07 00:00:00", "01-14 00:00:00"];
    for expression in ["0 0 * * 0", "0 0 * * 7", "0 0 * * SUN", "0 0 * * 0,7", "0 0 * * */7"] {
        assert_ticks(expression, &sundays);
    }
    let weekend = ["01-05 00:00:00", "01-06 00:00:00", "01-07 00:00:00", "01-12 00:00:00"];
    for expression in ["0 0 * * 5-7", "0 0 * * FRI-SUN", "0 0 * * 5-0", "0 0 * * 5,6,0"] {
        assert_ticks(expression, &weekend);
    }
    assert_ticks("0 12 * * 0-7", &["01-01 12:00:00", "01-02 12:00:00", "01-03 12:00:00"]);
    assert_ticks("0 0 * * 3/2", &["01-03 00:00:00", "01-05 00:00:00", "01-07 00:00:00", "01-10 00:00:00"]);
}

#[test]
fn day_of_month_and_day_of_week_must_both_match() {
    assert_ticks("0 0 13 * 5", &["09-13 00:00:00", "12-13 00:00:00"]);
    assert_ticks("0 0 L * SUN", &["03-31 00:00:00", "06-30 00:00:00"]);
}

#[test]
fn l_is_the_last_day_of_each_month() {
    assert_ticks("0 0 L * *", &["01-31 00:00:00", "02-29 00:00:00", "03-31 00:00:00", "04-30 00:00:00"]);
    let february = ticks("0 0 l 2 *", super::zone("UTC"), instant("2097-01-01T00:00:00Z"), 8);
    let days: Vec<String> = february.iter().map(|tick| tick.format("%y-%d").to_string()).collect();
    assert_eq!(days, ["97-28", "98-28", "99-28", "00-28", "01-28", "02-28", "03-28", "04-29"]);
}

#[test]
fn a_question_mark_for_a_day_is_any_day() {
    assert_ticks("0 0 ? * 3", &["01-03 00:00:00", "01-10 00:00:00"]);
    assert_ticks("0 0 3 * ?", &["01-03 00:00:00", "02-03 00:00:00"]);
}

#[test]
fn words_stand_for_expressions() {
    assert_ticks("@yearly", &["01-01 00:00:00"]);
    assert_ticks("@annually", &["01-01 00:00:00"]);
    assert_ticks("@monthly", &["01-01 00:00:00", "02-01 00:00:00"]);
    assert_ticks("@weekly", &["01-07 00:00:00", "01-14 00:00:00"]);
    assert_ticks("@daily", &["01-01 00:00:00", "01-02 00:00:00"]);
    assert_ticks("@midnight", &["01-01 00:00:00", "01-02 00:00:00"]);
    assert_ticks(" @Hourly", &["01-01 00:00:00", "01-01 01:00:00"]);
}

#[test]
fn a_tick_is_strictly_later_and_a_whole_second() {
    let utc = super::zone("UTC");
    let every_second = schedule("* * * * * *");
    let tick = instant("2024-05-01T10:00:00Z");
    assert_eq!(every_second.next_after(instant("2024-05-01T09:59:59Z"), utc), Some(tick));
    assert_eq!(every_second.next_after(instant("2024-05-01T09:59:59.999999999Z"), utc), Some(tick));
    assert_eq!(every_second.next_after(tick, utc), Some(instant("2024-05-01T10:00:01Z")));
    assert_eq!(
        every_second.next_after(instant("1969-12-31T23:59:58.5Z"), utc),
        Some(instant("1969-12-31T23:59:59Z"))
    );
    // A leap second, as chrono writes it.
    let leap = instant("2016-12-31T23:59:60.5Z");
    assert_eq!(every_second.next_after(leap, utc), Some(instant("2017-01-01T00:00:00Z")));
}

#[test]
fn a_day_that_does_not_exist_never_comes() {
    let utc = super::zone("UTC");
    for expression in ["0 0 31 2 *", "0 0 30 FEB 1", "0 0 31 4,6,9,11 *", "* * * 31 2 *"] {
        assert_eq!(
            schedule(expression).next_after(instant("2024-01-01T00:00:00Z"), utc),
            None,
            "{expression}"
        );
    }
}

#[test]
fn the_rarest_day_is_found() {
    // 1900 and 2100 have no 29 February: forty years between two on a Monday.
    let found = ticks("0 0 29 2 MON", super::zone("UTC"), instant("2072-03-01T00:00:00Z"), 1);
    assert_eq!(found, [instant("2112-02-29T00:00:00Z")]);
}

#[test]
fn the_text_is_kept() {
    for text in ["*/5 * * * *", " 0  0 * * MON ", "@daily"] {
        let schedule = schedule(text);
        assert_eq!(schedule.to_string(), text);
        assert_eq!(schedule.as_str(), text);
        let json = serde_json::to_string(&schedule).expect("JSON");
        assert_eq!(json, format!("{text:?}"));
        assert_eq!(serde_json::from_str::<Schedule>(&json).expect("a schedule"), schedule);
    }
    let error = serde_json::from_str::<Schedule>("\"* * *\"").expect_err("three fields");
    assert!(error.to_string().contains("found 3"), "{error}");
}

#[test]
fn errors_name_the_field_and_what_it_may_hold() {
    let list = [
        ("61 * * * *", "minute 61 is out of range 0-59"),
        ("* 24 * * *", "hour 24 is out of range 0-23"),
        ("* * 0 * *", "day of month 0 is out of range 1-31"),
        ("* * * 13 *", "month 13 is out of range 1-12"),
        ("* * * * 8", "day of week 8 is out of range 0-7"),
        ("60 * * * * *", "second 60 is out of range 0-59"),
        ("1-99999999999 * * * *", "minute 99999999999 is out of range 0-59"),
        (
            "",
            "expected 5 fields (minute hour day-of-month month day-of-week), or 6 with the second first, found 0",
        ),
        (
            "0 0 * *",
            "expected 5 fields (minute hour day-of-month month day-of-week), or 6 with the second first, found 4",
        ),
        (
            "0 0 0 * * * 2024",
            "expected 5 fields (minute hour day-of-month month day-of-week), or 6 with the second first, found 7",
        ),
        (
            "* * * * MONDAY",
            "day of week \"MONDAY\" is not a number from 0 to 7, or SUN-SAT (did you mean MON?)",
        ),
        ("* * * sept *", "month \"sept\" is not a number from 1 to 12, or JAN-DEC (did you mean SEP?)"),
        ("* * * * TEU", "day of week \"TEU\" is not a number from 0 to 7, or SUN-SAT (did you mean TUE?)"),
        ("* noon * * *", "hour \"noon\" is not a number from 0 to 23"),
        ("-5 * * * *", "minute \"\" is not a number from 0 to 59"),
        ("+5 * * * *", "minute \"+5\" is not a number from 0 to 59"),
        ("5* * * * *", "minute \"5*\" is not a number from 0 to 59"),
        ("1,,2 * * * *", "minute \"1,,2\" has an empty item"),
        ("* 17-9 * * *", "hour range 17-9 runs backwards"),
        ("* * * * SAT-FRI", "day of week range SAT-FRI runs backwards"),
        ("*/0 * * * *", "minute step \"0\" is not a number from 1 to 60"),
        ("*/90 * * * *", "minute step \"90\" is not a number from 1 to 60"),
        ("* */x * * *", "hour step \"x\" is not a number from 1 to 24"),
        ("0 0 L,15 * *", "L (the last day of the month) must stand alone in day of month"),
        ("0 0 L-3 * *", "L (the last day of the month) must stand alone in day of month"),
        ("0 0 * * L", "day of week \"L\" is not a number from 0 to 7, or SUN-SAT"),
        ("? * * * *", "minute \"?\": ? stands alone in day of month or day of week, and means *"),
        ("0 0 ?/2 * *", "day of month \"?/2\": ? stands alone in day of month or day of week, and means *"),
        (
            "@dayly",
            "unknown word \"@dayly\": expected @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly \
             (did you mean @daily?)",
        ),
        (
            "@reboot",
            "unknown word \"@reboot\": expected @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly",
        ),
    ];
    for (expression, problem) in list {
        let error = Schedule::parse(expression).expect_err(expression);
        assert_eq!(error.to_string(), format!("bad cron expression {expression:?}: {problem}"));
    }
}

#[test]
fn control_characters_do_not_reach_the_message() {
    let error = Schedule::parse("\u{1b}[2J * * * *").expect_err("an escape sequence");
    assert!(!error.to_string().contains('\u{1b}'), "{error:?}");
}
