//! Why a run began, and what followed its end.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What had a run started. A word that this version does not know is [`Cause::Unknown`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Somebody asked for it: `start`, `run`.
    User,
    /// Somebody asked for a restart.
    Restart,
    /// Somebody asked for a reload.
    Reload,
    /// More processes of its app were asked for.
    Scale,
    /// The list that `save` wrote was brought back.
    Resurrect,
    /// The machine was started.
    Boot,
    /// Its schedule fired.
    Cron,
    /// Its schedule had fired while nobody could start it.
    CatchUp,
    /// The run before failed, and is tried again.
    Retry,
    /// The run before ended, and was restarted at once.
    Autorestart,
    /// The same, after `restart_delay`.
    RestartDelay,
    /// The same, after a pause of the series that `exp_backoff_restart_delay` begins.
    Backoff,
    /// Files that it watches have changed.
    Watch,
    /// It used more than `max_memory_restart`.
    Memory,
    /// Its health check failed.
    Health,
    /// It lasted longer than `task_timeout`; only ever a reason to end.
    Timeout,
    /// What it depends on came, or was restarted.
    Dependency,
    /// It was started by an earlier version, or for a reason that only a later one knows.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Cause {
    /// The word for it, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::Scale => "scale",
            Self::Resurrect => "resurrect",
            Self::Boot => "boot",
            Self::Cron => "cron",
            Self::CatchUp => "catch_up",
            Self::Retry => "retry",
            Self::Autorestart => "autorestart",
            Self::RestartDelay => "restart_delay",
            Self::Backoff => "backoff",
            Self::Watch => "watch",
            Self::Memory => "memory",
            Self::Health => "health",
            Self::Timeout => "timeout",
            Self::Dependency => "dependency",
            Self::Unknown => "unknown",
        }
    }

    /// Whether a run that was ended for this had failed.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Memory | Self::Health | Self::Timeout)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// What had it started.
    pub cause: Cause,
    /// When the schedule fired that it is owed to, milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<i64>,
}

impl Why {
    /// A tick of the schedule that was due at `due`, milliseconds since the epoch.
    pub fn tick(due: i64) -> Self {
        Self { cause: Cause::Cron, due: Some(due) }
    }
}

impl From<Cause> for Why {
    fn from(cause: Cause) -> Self {
        Self { cause, due: None }
    }
}

/// What followed the end of a run. A word that this version does not know is [`Next::Unknown`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// It had been asked to end, and rests.
    Stopped,
    /// It had been asked to end, and is forgotten.
    Deleted,
    /// It had been asked to end for the next run.
    Restarted,
    /// The new run of a reload has taken its place.
    Replaced,
    /// It was the new run of a reload that failed: the old one goes on.
    RolledBack,
    /// Restarted at once: `autorestart`.
    AtOnce,
    /// Restarted after a pause: `restart_delay`.
    Delayed,
    /// Restarted after a pause that grows: `exp_backoff_restart_delay`.
    BackedOff,
    /// Tried again after a pause, because it failed: `retries`.
    Retried,
    /// Not restarted: `autorestart` is off.
    Rests,
    /// Not restarted: its code is one of `stop_exit_codes`.
    StopExitCode,
    /// Not restarted: it had been unstable too often (`max_restarts`), the last of its tries has failed, or it could not
    /// be started.
    Errored,
    /// What only a later version knows.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Next {
    /// The word for it, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Deleted => "deleted",
            Self::Restarted => "restarted",
            Self::Replaced => "replaced",
            Self::RolledBack => "rolled_back",
            Self::AtOnce => "at_once",
            Self::Delayed => "delayed",
            Self::BackedOff => "backed_off",
            Self::Retried => "retried",
            Self::Rests => "rests",
            Self::StopExitCode => "stop_exit_code",
            Self::Errored => "errored",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the run had been asked to end.
    pub fn was_asked(self) -> bool {
        matches!(self, Self::Stopped | Self::Deleted | Self::Restarted | Self::Replaced)
    }
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_has_the_same_words_and_takes_others() {
        for cause in [Cause::User, Cause::CatchUp, Cause::RestartDelay, Cause::Dependency] {
            assert_eq!(serde_json::to_string(&cause).unwrap(), format!("\"{cause}\""));
        }
        for next in [Next::AtOnce, Next::StopExitCode, Next::RolledBack] {
            assert_eq!(serde_json::to_string(&next).unwrap(), format!("\"{next}\""));
        }
        assert_eq!(serde_json::from_str::<Cause>("\"of_tomorrow\"").unwrap(), Cause::Unknown);
        assert_eq!(serde_json::from_str::<Next>("\"of_tomorrow\"").unwrap(), Next::Unknown);
        assert_eq!(serde_json::to_string(&Why::tick(5)).unwrap(), r#"{"cause":"cron","due":5}"#);
    }
}
