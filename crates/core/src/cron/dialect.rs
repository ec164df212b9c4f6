//! From PM2's dialect to the `cron` crate's, the one place that knows both.
//!
//! The crate wants a seconds field, counts the days of the week from 1 = Sunday, has no `L`, no step as long as
//! the whole field, and errors that point at bytes. So each item of a field is checked here in PM2's terms, handed
//! over as `first-last/step`, and the sets that the crate makes of them are taken as bits: its own schedule holds
//! seven trees, ends with the year 2100 and skips a time that falls into a daylight-saving gap.

use std::str::FromStr;

use cron::TimeUnitSpec;

use super::{error::Problem, fields::Fields};
use crate::suggestion::nearest;

/// What one field may hold.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names of the values from `min` on.
    names: &'static [&'static str],
    expected: &'static str,
}

const SECOND: Field =
    Field { name: "second", min: 0, max: 59, names: &[], expected: "a number from 0 to 59" };
const MINUTE: Field = Field { name: "minute", ..SECOND };
const HOUR: Field = Field { name: "hour", max: 23, expected: "a number from 0 to 23", ..SECOND };
const DAY: Field =
    Field { name: "day of month", min: 1, max: 31, names: &[], expected: "a number from 1 to 31, or L" };
const MONTH: Field = Field {
    name: "month",
    min: 1,
    max: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    expected: "a number from 1 to 12, or JAN-DEC",
};
const WEEKDAY: Field = Field {
    name: "day of week",
    min: 0,
    max: SUNDAY_AGAIN,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    expected: "a number from 0 to 7, or SUN-SAT",
};
const FIELDS: [Field; 6] = [SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY];

/// Sunday as the end of a week.
const SUNDAY_AGAIN: u32 = 7;

/// The words that stand for a whole expression.
const WORDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Reads an expression of PM2's dialect.
pub(super) fn parse(text: &str) -> Result<Fields, Problem> {
    let text = text.trim();
    let text = if text.starts_with('@') { expression_of(text)? } else { text };
    let mut parts: Vec<&str> = text.split_whitespace().collect();
    if parts.len() == FIELDS.len() - 1 {
        parts.insert(0, "0");
    }
    if parts.len() != FIELDS.len() {
        return Err(Problem::FieldCount { found: parts.len() });
    }
    let translated: Vec<String> =
        FIELDS.iter().zip(&parts).map(|(field, part)| translate(field, part)).collect::<Result<_, _>>()?;
    let translated = translated.join(" ");
    let schedule = cron::Schedule::from_str(&translated).map_err(|error| Problem::Library {
        reason: error.to_string().into(),
        translation: translated.as_str().into(),
    })?;
    Ok(Fields {
        seconds: bits(schedule.seconds()),
        minutes: bits(schedule.minutes()),
        hours: bits(schedule.hours()) as u32,
        days: bits(schedule.days_of_month()) as u32,
        last_day: is_last_day(parts[3]),
        months: bits(schedule.months()) as u16,
        weekdays: (bits(schedule.days_of_week()) >> 1) as u8,
    })
}

fn expression_of(word: &str) -> Result<&'static str, Problem> {
    let words = || WORDS.iter().map(|(word, _)| *word);
    WORDS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(word))
        .map(|(_, expression)| *expression)
        .ok_or_else(|| Problem::UnknownWord {
            word: word.into(),
            words: words().collect(),
            suggestion: nearest(word, words()).map(Into::into),
        })
}

/// One field in the crate's dialect.
fn translate(field: &Field, text: &str) -> Result<String, Problem> {
    match text {
        "?" if matches!(field.name, "day of month" | "day of week") => return Ok("*".into()),
        _ if text.contains('?') => return Err(Problem::Question { field: field.name, text: text.into() }),
        _ if field.name == DAY.name && is_last_day(text) => return Ok("*".into()),
        _ => {}
    }
    let items: Vec<String> =
        text.split(',').map(|item| translate_item(field, item, text)).collect::<Result<_, _>>()?;
    Ok(items.join(","))
}

fn is_last_day(text: &str) -> bool {
    text.eq_ignore_ascii_case("L")
}

fn translate_item(field: &Field, item: &str, whole: &str) -> Result<String, Problem> {
    if item.is_empty() {
        return Err(Problem::EmptyItem { field: field.name, text: whole.into() });
    }
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(parse_step(field, step)?)),
        None => (item, None),
    };
    let (first, last) = match range.split_once('-') {
        Some((first, last)) => (parse_value(field, first)?, parse_value(field, last)?),
        None if range == "*" => (field.min, field.max),
        None => {
            let first = parse_value(field, range)?;
            (first, if step.is_some() { field.max } else { first })
        }
    };
    // `FRI-SUN`: the Sunday meant is the one that ends the week.
    let last = if field.name == WEEKDAY.name && last == 0 && first > 0 { SUNDAY_AGAIN } else { last };
    if first > last {
        return Err(Problem::Backwards { field: field.name, range: range.into() });
    }
    let step = step.unwrap_or(1);
    Ok(if field.name == WEEKDAY.name {
        // The crate has no second Sunday for a range to end on, so it gets the days one by one.
        let days: Vec<String> =
            (first..=last).step_by(step as usize).map(|day| (day % 7 + 1).to_string()).collect();
        days.join(",")
    } else if step > last - first {
        first.to_string()
    } else {
        format!("{first}-{last}/{step}")
    })
}

fn parse_step(field: &Field, text: &str) -> Result<u32, Problem> {
    let max = field.max - field.min + 1;
    parse_digits(text).filter(|step| (1..=max).contains(step)).ok_or_else(|| Problem::Step {
        field: field.name,
        step: text.into(),
        max,
    })
}

fn parse_value(field: &Field, text: &str) -> Result<u32, Problem> {
    if let Some(index) = field.names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
        return Ok(field.min + index as u32);
    }
    match parse_digits(text) {
        Some(value) if (field.min..=field.max).contains(&value) => Ok(value),
        Some(_) => {
            Err(Problem::OutOfRange { field: field.name, value: text.into(), min: field.min, max: field.max })
        }
        None if field.name == DAY.name && is_last_day(text) => Err(Problem::LastDay),
        None => Err(Problem::NotAValue {
            field: field.name,
            text: text.into(),
            expected: field.expected,
            suggestion: suggest_name(field, text),
        }),
    }
}

/// The name that `text` begins with (`monday`, `sept`), or nearly is (`mno`).
fn suggest_name(field: &Field, text: &str) -> Option<Box<str>> {
    let names = || field.names.iter().copied();
    let is_start = |name: &&str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    names().find(is_start).or_else(|| nearest(text, names())).map(Into::into)
}

/// Digits only: `u32::from_str` would take a sign. A number too large to hold is larger than any field.
fn parse_digits(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

fn bits(unit: &impl TimeUnitSpec) -> u64 {
    unit.iter().fold(0, |set, value| set | 1 << value)
}
