//! How things stand, in the words of the health report.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Part, moment::Moment, orchestrator::Emergency};

/// How a thing that is watched stands, or a part as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// All is as it should be.
    #[default]
    Healthy,
    /// Something is wrong; it is being dealt with, or stands in for.
    Degraded,
    /// Something is wrong, and what could be done here has been done.
    Unhealthy,
}

impl Level {
    /// The word of the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One process, workflow or function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitHealth {
    /// What it is called.
    pub name: String,
    /// How it stands.
    pub level: Level,
    /// Failures in a row: attempts to start a process, checks of a workflow or function.
    pub failures: u32,
    /// What is wrong, or how it is.
    pub note: String,
}

/// A part, as of its last check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartHealth {
    /// Which.
    pub part: Part,
    /// The worst of its units and notes.
    pub level: Level,
    /// When it last looked; nothing if it never did.
    pub checked_at: Option<Moment>,
    /// The process that looked.
    pub pid: u32,
    /// What is wrong with the part itself, such as an API that does not answer.
    pub notes: Vec<String>,
    /// What it watches, by name.
    pub units: Vec<UnitHealth>,
}

impl PartHealth {
    /// `5 of 6 healthy`, and what is wrong with the part itself.
    pub fn summary(&self) -> String {
        let healthy = self.units.iter().filter(|unit| unit.level == Level::Healthy).count();
        let mut summary = match (self.checked_at, self.units.len()) {
            (None, _) => "not checked yet".to_owned(),
            (_, 0) => "nothing to watch".to_owned(),
            (_, all) => format!("{healthy} of {all} healthy"),
        };
        for note in &self.notes {
            summary.push_str("; ");
            summary.push_str(note);
        }
        summary
    }
}

/// How the whole stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemLevel {
    /// Every part is healthy.
    Healthy,
    /// Some part is not.
    Degraded,
    /// So many parts are unhealthy that everything is started anew.
    Emergency,
}

impl SystemLevel {
    /// The exit code of `status` and `health`.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Degraded => 1,
            Self::Emergency => 2,
        }
    }

    /// The word of the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Emergency => "emergency",
        }
    }
}

impl fmt::Display for SystemLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// All that is known of the whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SystemHealth {
    /// When this was put together.
    pub at: Moment,
    /// The whole.
    pub level: SystemLevel,
    /// The emergency, while there is one.
    pub emergency: Option<Emergency>,
    /// Each part that is switched on.
    pub parts: Vec<PartHealth>,
}

impl SystemHealth {
    /// Puts the parts together. An emergency is one as soon as `unhealthy_parts` are unhealthy, and for as long as the
    /// orchestrator says so.
    pub fn of(
        parts: Vec<PartHealth>,
        emergency: Option<Emergency>,
        unhealthy_parts: u32,
        at: Moment,
    ) -> Self {
        let unhealthy = parts.iter().filter(|part| part.level == Level::Unhealthy).count();
        let level = if emergency.is_some() || unhealthy >= unhealthy_parts as usize {
            SystemLevel::Emergency
        } else if parts.iter().all(|part| part.level == Level::Healthy) {
            SystemLevel::Healthy
        } else {
            SystemLevel::Degraded
        };
        Self { at, level, emergency, parts }
    }
}
