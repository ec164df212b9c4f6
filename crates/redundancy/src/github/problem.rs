//! What can be wrong with the API, and with a workflow.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::moment::Moment;

/// Why the API told nothing, and in whose words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// There is no repository to ask about.
    NotAsked(String),
    /// No connection, no answer in time, or an error of the server: GitHub may run nothing either.
    Unreachable(String),
    /// The token, or the lack of one, does not allow it. GitHub runs the workflows all the same.
    Refused(String),
    /// The rate limit is spent. GitHub runs the workflows all the same.
    Limited(String),
    /// Whatever answered does not sound like GitHub.
    Odd(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::NotAsked(text)
        | Self::Unreachable(text)
        | Self::Refused(text)
        | Self::Limited(text)
        | Self::Odd(text)) = self;
        f.write_str(text)
    }
}

/// What is wrong with a workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Problem {
    Missing,
    /// What is wrong with the file, with its place.
    Invalid(String),
    /// GitHub switched it off for inactivity.
    Inactive,
    Failed {
        number: u64,
        conclusion: String,
    },
    /// The run that was scheduled for then.
    NotCome(Moment),
    /// It was run here in place of GitHub, and failed.
    FailedHere {
        tick: Moment,
        reason: String,
    },
    /// In the words of an earlier version.
    Former(String),
}

impl Problem {
    /// Whether only GitHub can tell that it is over.
    pub(super) fn is_of_github(&self) -> bool {
        match self {
            Self::Inactive | Self::Failed { .. } | Self::NotCome(_) | Self::FailedHere { .. } => true,
            Self::Missing | Self::Invalid(_) | Self::Former(_) => false,
        }
    }

    /// Reads what this version wrote, or the sentence of an earlier one.
    pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Now(Problem),
            Former(String),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Now(problem) => problem,
            Written::Former(text) => Self::Former(text),
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the file is not there"),
            Self::Invalid(reason) => write!(f, "the file is not valid: {reason}"),
            Self::Inactive => f.write_str("on GitHub it is switched off after 60 days without activity"),
            Self::Failed { number, conclusion } => {
                write!(f, "on GitHub run {number} ended with {conclusion}")
            }
            Self::NotCome(due) => write!(f, "on GitHub the run that was scheduled for {due} has not come"),
            Self::FailedHere { tick, reason } => write!(f, "the run here for {tick} failed: {reason}"),
            Self::Former(text) => f.write_str(text),
        }
    }
}
