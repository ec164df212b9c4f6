//! Whether an app that runs is well.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    Millis,
    ready::{Address, Url},
};

/// What is asked of an app again and again while it is up, and what follows if it does not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// What is asked.
    #[serde(flatten)]
    pub probe: Probe,
    /// Between two questions.
    #[serde(default = "default_interval")]
    pub interval: Millis,
    /// How long an answer may take.
    #[serde(default = "default_timeout")]
    pub timeout: Millis,
    /// After so many failures in a row it is unhealthy.
    #[serde(default = "default_retries")]
    pub retries: u32,
    /// After it has come up, how long failures do not count, unless it has been healthy.
    #[serde(default = "default_start_period")]
    pub start_period: Millis,
    /// What is done about it.
    #[serde(default)]
    pub on_failure: OnFailure,
}

impl Health {
    /// What is asked, with everything else as it is where nothing is declared.
    pub fn new(probe: Probe) -> Self {
        Self {
            probe,
            interval: default_interval(),
            timeout: default_timeout(),
            retries: default_retries(),
            start_period: default_start_period(),
            on_failure: OnFailure::default(),
        }
    }
}

fn default_interval() -> Millis {
    Millis(10_000)
}

fn default_timeout() -> Millis {
    Millis(5_000)
}

fn default_retries() -> u32 {
    3
}

fn default_start_period() -> Millis {
    Millis(10_000)
}

/// A question that has an answer, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// A GET has to be answered with a status from 200 to 399.
    Http(Url),
    /// Somebody has to accept a connection there.
    Tcp(Address),
    /// A line for the shell has to end with 0.
    Command(String),
}

/// What is done about an app that is unhealthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It is restarted: a hung program is a failed program.
    #[default]
    Restart,
    /// It is reloaded, so that the old run goes only when the new one is up.
    Reload,
    /// It is told.
    Report,
}

/// How well a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// It has come up and was not healthy yet.
    #[default]
    Starting,
    /// It has answered.
    Healthy,
    /// It has failed to answer as often as it may.
    Unhealthy,
}

impl HealthState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl fmt::Display for HealthState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the checks of a run have shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReport {
    /// How well it is.
    pub state: HealthState,
    /// Since when, milliseconds since the epoch.
    pub since: i64,
    /// Failures in a row up to now; those within `start_period` too.
    pub failures: u32,
    /// What was wrong at the last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_it_is_declared() {
        let json = r#"{"http":"http://127.0.0.1:80/health","interval":1000,"on_failure":"report"}"#;
        let health: Health = serde_json::from_str(json).unwrap();
        assert_eq!(
            (health.interval, health.retries, health.on_failure),
            (Millis(1000), 3, OnFailure::Report)
        );
        let again = serde_json::to_string(&health).unwrap();
        assert!(
            again.starts_with(r#"{"http":"http://127.0.0.1:80/health","interval":1000,"timeout":5000"#),
            "{again}"
        );
        assert_eq!(serde_json::from_str::<Health>(&again).unwrap(), health);
        for bad in
            [r#"{"tcp":"99999"}"#, r#"{"http":"nowhere"}"#, "{}", r#"{"command":"x","on_failure":"x"}"#]
        {
            assert!(serde_json::from_str::<Health>(bad).is_err(), "{bad}");
        }
    }
}
