//! Dates in the tokens of day.js, the language of PM2's `log_date_format` and of `logs --timestamp`.
//!
//! `YYYY YY M MM MMM MMMM D DD d dd ddd dddd H HH h hh m mm s ss SSS a A Z ZZ`, and `[text]` for text that is not
//! to be read; checked against day.js 1.11.

use std::fmt::Write;

use chrono::{DateTime, Datelike, Offset, TimeZone, Timelike};

/// `--time`, and the date before each line of the daemon's own log.
pub const ISO: &str = "YYYY-MM-DDTHH:mm:ss";

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// `at` written as `format` says.
pub fn format<Tz: TimeZone>(format: &str, at: &DateTime<Tz>) -> String {
    let mut written = String::with_capacity(format.len() + 8);
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        if let Some((literal, after)) = bracketed(rest) {
            written.push_str(literal);
            rest = after;
            continue;
        }
        let length = token_length(first, rest);
        if length == 0 {
            written.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            push_token(&mut written, &rest[..length], at);
            rest = &rest[length..];
        }
    }
    written
}

/// The text of `[text]` at the beginning, and what follows it.
fn bracketed(rest: &str) -> Option<(&str, &str)> {
    rest.strip_prefix('[')?.split_once(']').filter(|(literal, _)| !literal.is_empty())
}

/// Bytes of the token at the beginning of `rest`, 0 if there is none. A token takes as many letters as it can.
fn token_length(first: char, rest: &str) -> usize {
    let (least, most) = match first {
        'Y' | 'M' | 'd' => (1, 4),
        'D' | 'H' | 'h' | 'm' | 's' | 'Z' => (1, 2),
        'a' | 'A' => (1, 1),
        'S' => (3, 3),
        _ => return 0,
    };
    let run = rest.chars().take(most).take_while(|c| *c == first).count();
    if run < least { 0 } else { run }
}

fn push_token<Tz: TimeZone>(written: &mut String, token: &str, at: &DateTime<Tz>) {
    let month = MONTHS[at.month0() as usize];
    let day = DAYS[at.weekday().num_days_from_sunday() as usize];
    let (pm, hour12) = at.hour12();
    // Writing to a String cannot fail.
    let _ = match token {
        "YYYY" => write!(written, "{:04}", at.year()),
        "YY" => write!(written, "{:02}", at.year().rem_euclid(100)),
        "M" => write!(written, "{}", at.month()),
        "MM" => write!(written, "{:02}", at.month()),
        "MMM" => written.write_str(&month[..3]),
        "MMMM" => written.write_str(month),
        "D" => write!(written, "{}", at.day()),
        "DD" => write!(written, "{:02}", at.day()),
        "d" => write!(written, "{}", at.weekday().num_days_from_sunday()),
        "dd" => written.write_str(&day[..2]),
        "ddd" => written.write_str(&day[..3]),
        "dddd" => written.write_str(day),
        "H" => write!(written, "{}", at.hour()),
        "HH" => write!(written, "{:02}", at.hour()),
        "h" => write!(written, "{hour12}"),
        "hh" => write!(written, "{hour12:02}"),
        "m" => write!(written, "{}", at.minute()),
        "mm" => write!(written, "{:02}", at.minute()),
        "s" => write!(written, "{}", at.second()),
        "ss" => write!(written, "{:02}", at.second()),
        "SSS" => write!(written, "{:03}", at.timestamp_subsec_millis().min(999)),
        "a" => written.write_str(if pm { "pm" } else { "am" }),
        "A" => written.write_str(if pm { "PM" } else { "AM" }),
        "Z" => push_zone(written, at, ":"),
        // day.js writes the zone for a letter run that it takes but does not know (`Y`, `YYY`), and so do we.
        _ => push_zone(written, at, ""),
    };
}

fn push_zone<Tz: TimeZone>(written: &mut String, at: &DateTime<Tz>, colon: &str) -> std::fmt::Result {
    let minutes = at.offset().fix().local_minus_utc() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    write!(written, "{sign}{:02}{colon}{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;

    use super::*;

    fn at(hour: u32, minutes_east: i32) -> DateTime<FixedOffset> {
        FixedOffset::east_opt(minutes_east * 60)
            .and_then(|zone| zone.with_ymd_and_hms(2026, 1, 4, hour, 5, 9).single())
            .unwrap()
            + chrono::Duration::milliseconds(7)
    }

    /// What day.js 1.11.15 answered for 2026-01-04 00:05:09.007 in India.
    #[test]
    fn formats_as_day_js_does() {
        let expected = [
            (ISO, "2026-01-04T00:05:09"),
            ("YYYY-MM-DDTHH:mm:ss.SSS", "2026-01-04T00:05:09.007"),
            (
                "YY M MM MMM MMMM D DD H HH h hh m mm s ss SSS A a Z ZZ d dd ddd dddd",
                "26 1 01 Jan January 4 04 0 00 12 12 5 05 9 09 007 AM am +05:30 +0530 0 Su Sun Sunday",
            ),
            ("[at] YYYY [YYYY]", "at 2026 YYYY"),
            ("Y YYY", "+0530 +0530"),
            ("YYYYYY", "202626"),
            ("ddddd", "Sunday0"),
            ("S SS SSSS", "S SS 007S"),
            ("MMMMM", "January1"),
            ("ZZZ", "+0530+05:30"),
            ("[unclosed YYYY", "[unclo9e0 2026"),
            ("[]YYYY", "[]2026"),
            ("[a]]", "a]"),
            ("[[x]]", "[x]"),
            ("é[ü]D", "éü4"),
            ("Q w X x", "Q w X x"),
            ("", ""),
        ];
        for (tokens, text) in expected {
            assert_eq!(format(tokens, &at(0, 330)), text, "{tokens}");
        }
    }

    #[test]
    fn the_clock_of_twelve_hours_and_zones_west() {
        let hours = [0, 1, 11, 12, 13, 23].map(|hour| format("hA", &at(hour, -570)));
        assert_eq!(hours, ["12AM", "1AM", "11AM", "12PM", "1PM", "11PM"]);
        assert_eq!(format("Z ZZ", &at(0, -570)), "-09:30 -0930");
        assert_eq!(format("Z", &at(0, 0)), "+00:00");
    }

    proptest::proptest! {
        #[test]
        fn any_format_is_written(tokens in "\\PC*|[YMDdHhmsSZaA\\[\\] -]{0,20}") {
            format(&tokens, &at(13, 60));
        }
    }
}
