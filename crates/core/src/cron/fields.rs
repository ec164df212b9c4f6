//! The sets of a schedule as bits, and the next wall-clock time that is in all of them.

use chrono::{DateTime, Datelike, NaiveDate, Timelike};

/// No day that exists is further away: the 29th of February on a given day of week, across a century without it.
const LONGEST_WAIT_YEARS: i32 = 40;

/// In seconds.
pub(super) const DAY: i64 = 86_400;

/// The values of each field: bit `n` is set when the value `n` matches. No set is empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fields {
    pub(super) seconds: u64,
    pub(super) minutes: u64,
    pub(super) hours: u32,
    /// Bits 1 to 31.
    pub(super) days: u32,
    /// Bits 1 to 12.
    pub(super) months: u16,
    /// Bits 0 (Sunday) to 6.
    pub(super) weekdays: u8,
    /// Of `days` only the last of the month.
    pub(super) last_day: bool,
}

impl Fields {
    /// Whether the hour does not matter: the schedule speaks of intervals.
    pub(super) fn every_hour(&self) -> bool {
        self.hours == (1 << 24) - 1
    }

    /// The first matching wall-clock time that is not before `wall`. Both are seconds since 1970 on that clock.
    pub(super) fn next_wall(&self, wall: i64) -> Option<i64> {
        let now = DateTime::from_timestamp(wall, 0)?.naive_utc();
        let today = self.month_days(now.year(), now.month())? & (1 << now.day()) != 0;
        let later_today = today.then(|| self.next_time(now.hour(), now.minute(), now.second())).flatten();
        let (date, time) = match later_today {
            Some(time) => (now.date(), time),
            None => (self.next_day(now.date())?, self.next_time(0, 0, 0)?),
        };
        Some(i64::from(date.to_epoch_days()) * DAY + time)
    }

    /// The first matching time of day that is not before the given one, in seconds since midnight.
    fn next_time(&self, hour: u32, minute: u32, second: u32) -> Option<i64> {
        if self.hours & (1 << hour) != 0 {
            if self.minutes & (1 << minute) != 0
                && let Some(second) = member_from(self.seconds, second)
            {
                return Some(time(hour, minute, second));
            }
            if let Some(minute) = member_from(self.minutes, minute + 1) {
                return Some(time(hour, minute, self.seconds.trailing_zeros()));
            }
        }
        let hour = member_from(u64::from(self.hours), hour + 1)?;
        Some(time(hour, self.minutes.trailing_zeros(), self.seconds.trailing_zeros()))
    }

    /// The first matching day after `date`.
    fn next_day(&self, date: NaiveDate) -> Option<NaiveDate> {
        let mut month_from = date.month();
        let mut day_from = date.day() + 1;
        for year in date.year()..=date.year() + LONGEST_WAIT_YEARS {
            while let Some(month) = member_from(u64::from(self.months), month_from) {
                if month != date.month() || year != date.year() {
                    day_from = 1;
                }
                if let Some(day) = member_from(u64::from(self.month_days(year, month)?), day_from) {
                    return NaiveDate::from_ymd_opt(year, month, day);
                }
                month_from = month + 1;
            }
            month_from = 1;
        }
        None
    }

    /// The days of a month that match, as bits 1 to 31; none if the month does not match.
    fn month_days(&self, year: i32, month: u32) -> Option<u32> {
        if self.months & (1 << month) == 0 {
            return Some(0);
        }
        let first = NaiveDate::from_ymd_opt(year, month, 1)?;
        let length = u32::from(first.num_days_in_month());
        let exist = if self.last_day { 1 << length } else { (2 << length) - 2 };
        // The week again and again, and the first of the month moved to bit 1.
        let weeks = (0..6).fold(0, |weeks, week| weeks | u64::from(self.weekdays) << (7 * week));
        let matching = (weeks >> first.weekday().num_days_from_sunday()) << 1;
        Some((u64::from(self.days) & matching & exist) as u32)
    }
}

/// The smallest member of `set` that is not below `from`.
fn member_from(set: u64, from: u32) -> Option<u32> {
    let rest = set & u64::MAX.checked_shl(from)?;
    (rest != 0).then(|| rest.trailing_zeros())
}

fn time(hour: u32, minute: u32, second: u32) -> i64 {
    i64::from(hour * 3600 + minute * 60 + second)
}
