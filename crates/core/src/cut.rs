//! What a reader of a log has to know of its rotation.
//!
//! A log that its app writes itself is rotated by cutting bytes off its beginning, while it stays the same file. The
//! daemon notes on the file, in the extended attribute [`ATTRIBUTE`], how much was cut, so that who follows the file
//! finds the place where it was.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The name of the extended attribute.
pub const ATTRIBUTE: &str = "user.rpm.cut";

/// What was cut off a log so far. Its text is `<bytes> <blank> <state> <archive>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Bytes that are no longer at the beginning, all cuts together.
    pub bytes: u64,
    /// Bytes at the beginning that are blank: they were the end of a line that is whole in the archive.
    pub blank: u64,
    /// The file is being cut: where anything stands in it cannot be said until this is false again.
    pub under_way: bool,
    /// The name of the file, beside the log, that took what was cut off last.
    pub archive: String,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.under_way { "cutting" } else { "cut" };
        write!(f, "{} {} {state} {}", self.bytes, self.blank, self.archive)
    }
}

/// A text that does not say what was cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} does not say what was cut off a log: expected `<bytes> <blank> cut|cutting <archive>`")]
pub struct BadCut(String);

impl FromStr for Cut {
    type Err = BadCut;

    fn from_str(text: &str) -> Result<Self, BadCut> {
        let read = || {
            let mut parts = text.splitn(4, ' ');
            let bytes = parts.next()?.parse().ok()?;
            let blank = parts.next()?.parse().ok()?;
            let under_way = match parts.next()? {
                "cut" => false,
                "cutting" => true,
                _ => return None,
            };
            Some(Self { bytes, blank, under_way, archive: parts.next()?.to_owned() })
        };
        read().ok_or_else(|| BadCut(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes: u64, blank: u64, under_way: bool, archive in "\\PC*") {
            let cut = Cut { bytes, blank, under_way, archive };
            prop_assert_eq!(cut.to_string().parse(), Ok(cut));
        }

        #[test]
        fn anything_can_be_read(text in "\\PC*|[0-9]{1,30} [0-9]{1,30} cut .*") {
            let _ = text.parse::<Cut>();
        }
    }
}
