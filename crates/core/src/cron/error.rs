//! What can be wrong with a cron expression or with the name of a time zone.

use std::fmt;

/// An expression that was not understood, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad cron expression {expression:?}: {problem}")]
pub struct CronError {
    /// The whole expression.
    pub expression: Box<str>,
    /// What is wrong with it.
    pub problem: Problem,
}

/// Why an expression was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its variant is")]
pub enum Problem {
    #[error(
        "expected 5 fields (minute hour day-of-month month day-of-week), or 6 with the second first, found {found}"
    )]
    FieldCount { found: usize },
    #[error("unknown word {word:?}: expected {}{}", words.join(", "), DidYouMean(suggestion.as_deref()))]
    UnknownWord { word: Box<str>, words: Vec<&'static str>, suggestion: Option<Box<str>> },
    #[error("{field} {value} is out of range {min}-{max}")]
    OutOfRange { field: &'static str, value: Box<str>, min: u32, max: u32 },
    #[error("{field} {text:?} is not {expected}{}", DidYouMean(suggestion.as_deref()))]
    NotAValue { field: &'static str, text: Box<str>, expected: &'static str, suggestion: Option<Box<str>> },
    #[error("{field} {text:?} has an empty item")]
    EmptyItem { field: &'static str, text: Box<str> },
    #[error("{field} range {range} runs backwards")]
    Backwards { field: &'static str, range: Box<str> },
    #[error("{field} step {step:?} is not a number from 1 to {max}")]
    Step { field: &'static str, step: Box<str>, max: u32 },
    #[error("L (the last day of the month) must stand alone in day of month")]
    LastDay,
    #[error("{field} {text:?}: ? stands alone in day of month or day of week, and means *")]
    Question { field: &'static str, text: Box<str> },
    /// The translation handed the library something that it does not know: a defect of the translation.
    #[error("the cron library refused its translation {translation:?}: {reason}")]
    Library { translation: Box<str>, reason: Box<str> },
}

/// A time zone that is not in the database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown time zone {name:?}: expected \"local\" or an IANA name such as Europe/Berlin{}",
    DidYouMean(*suggestion)
)]
pub struct ZoneError {
    /// The name as it was written.
    pub name: Box<str>,
    /// The nearest name that exists.
    pub suggestion: Option<&'static str>,
}

/// The end of a message: nothing, or the suggestion.
struct DidYouMean<'a>(Option<&'a str>);

impl fmt::Display for DidYouMean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |suggestion| write!(f, " (did you mean {suggestion}?)"))
    }
}
