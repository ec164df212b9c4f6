//! Durations and sizes in PM2's spelling, and how people read them.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// A duration in whole milliseconds, the unit of PM2's attributes. What is read is at most [`Self::LONGEST`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u64")]
pub struct Millis(pub u64);

impl Millis {
    /// About a hundred years: whatever is longer never comes. The sum of a few of these and a time of either clock is
    /// no overflow.
    pub const LONGEST: Self = Self(100 * 366 * 86_400_000);
}

impl From<u64> for Millis {
    fn from(millis: u64) -> Self {
        Self(millis).min(Self::LONGEST)
    }
}

impl From<Millis> for Duration {
    fn from(millis: Millis) -> Self {
        Self::from_millis(millis.0)
    }
}

/// A size in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// A text that is no duration or size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}: expected {expected}")]
pub struct BadUnit {
    /// What was written.
    pub text: String,
    what: &'static str,
    expected: &'static str,
}

impl FromStr for Millis {
    type Err = BadUnit;

    /// PM2's form: digits, then nothing (milliseconds), `s`, `m` or `h`. We take `ms` and `d` as well.
    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let factor = |unit: &str| match unit {
            "" | "ms" => Some(1),
            "s" => Some(1_000),
            "m" => Some(60_000),
            "h" => Some(3_600_000),
            "d" => Some(86_400_000),
            _ => None,
        };
        scaled(text, factor).map(Self::from).ok_or_else(|| BadUnit {
            text: text.to_owned(),
            what: "duration",
            expected: "milliseconds, or a number with ms, s, m, h or d (such as 5000, 30s, 1h)",
        })
    }
}

impl FromStr for Bytes {
    type Err = BadUnit;

    /// PM2's form: digits, then nothing (bytes), `K`, `M` or `G`, counted in 1024s. We take `KB` and its kin and
    /// small letters as well.
    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let factor = |unit: &str| match unit.to_ascii_uppercase().as_str() {
            "" | "B" => Some(1),
            "K" | "KB" => Some(1 << 10),
            "M" | "MB" => Some(1 << 20),
            "G" | "GB" => Some(1 << 30),
            _ => None,
        };
        scaled(text, factor).map(Self).ok_or_else(|| BadUnit {
            text: text.to_owned(),
            what: "size",
            expected: "bytes, or a number with K, M or G (such as 150M)",
        })
    }
}

fn scaled(text: &str, factor: impl Fn(&str) -> Option<u64>) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    number.parse::<u64>().ok()?.checked_mul(factor(unit)?)
}

/// An age as `list` shows it: the largest unit of which there is more than one (`90m`, not `1h`), as in PM2.
pub struct Uptime(pub Millis);

impl fmt::Display for Uptime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 5] =
            [(31_536_000, "Y"), (2_592_000, "M"), (86_400, "D"), (3_600, "h"), (60, "m")];
        let seconds = self.0.0 / 1000;
        let (size, unit) = UNITS.into_iter().find(|(size, _)| seconds / size > 1).unwrap_or((1, "s"));
        write!(f, "{}{unit}", seconds / size)
    }
}

/// A size as `list` shows it: `51.3mb`, counted in 1024s, as in PM2.
pub struct Memory(pub Bytes);

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] = [(1 << 40, "tb"), (1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")];
        let bytes = self.0.0;
        let (size, unit) = UNITS.into_iter().find(|(size, _)| bytes >= *size).unwrap_or((1, "b"));
        // One decimal, and none where it would be zero.
        let tenths = (bytes % size * 10 + size / 2) / size;
        match (bytes / size + tenths / 10, tenths % 10) {
            (whole, 0) => write!(f, "{whole}{unit}"),
            (whole, tenths) => write!(f, "{whole}.{tenths}{unit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_milliseconds_unless_they_say_otherwise() {
        for (text, ms) in [("0", 0), ("4000", 4000), ("250ms", 250), ("1h", 3_600_000), ("2m", 120_000)] {
            assert_eq!(text.parse(), Ok(Millis(ms)), "{text}");
        }
        for text in ["", "h", "1.5s", "-1", "1 h", "10y", "99999999999999999999", "18446744073709551615h"] {
            assert!(text.parse::<Millis>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_never_comes_is_no_later_than_that() {
        let longest = Ok(Millis::LONGEST);
        assert_eq!(["18446744073709551615", "99999999d"].map(str::parse), [longest.clone(), longest]);
        assert_eq!(serde_json::from_str::<Millis>("18446744073709551615").ok(), Some(Millis::LONGEST));
        assert_eq!(serde_json::to_string(&Millis(5)).ok().as_deref(), Some("5"));
    }

    #[test]
    fn sizes_count_in_1024s() {
        for (text, bytes) in [("100", 100), ("1K", 1024), ("150M", 157_286_400), ("2GB", 2_147_483_648)] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        assert!("12X".parse::<Bytes>().is_err());
    }

    #[test]
    fn ages_read_as_in_pm2() {
        let shown = |seconds: u64| Uptime(Millis(seconds * 1000)).to_string();
        assert_eq!([0, 119, 120, 5400, 7200, 172_800].map(shown), ["0s", "119s", "2m", "90m", "2h", "2D"]);
    }

    #[test]
    fn memory_reads_as_in_pm2() {
        let shown = |bytes: u64| Memory(Bytes(bytes)).to_string();
        assert_eq!([0, 1023, 1024, 53_791_949, 3 << 30].map(shown), ["0b", "1023b", "1kb", "51.3mb", "3gb"]);
        assert_eq!([(1 << 20) - 1, (2 << 20) - 1].map(shown), ["1024kb", "2mb"]);
        assert_eq!(shown(u64::MAX), "16777216tb");
    }
}
