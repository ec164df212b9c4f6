//! What a process is doing, in PM2's words.

use serde::{Deserialize, Serialize};

/// The status of a process, as `list` shows it and `pm2_env.status` holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Status {
    /// Spawned, not yet known to be up.
    #[serde(rename = "launching")]
    Launching,
    /// Running.
    #[serde(rename = "online")]
    Online,
    /// Asked to end, not yet gone.
    #[serde(rename = "stopping")]
    Stopping,
    /// Not running, by request or because its work is done.
    #[serde(rename = "stopped")]
    Stopped,
    /// Not running, because it failed too often or could not be started.
    #[serde(rename = "errored")]
    Errored,
    /// Ended; will be started again after a delay.
    #[serde(rename = "waiting restart")]
    WaitingRestart,
    /// To be started, as soon as fewer tasks run (`max_parallel`).
    #[serde(rename = "queued")]
    Queued,
    /// To be started, as soon as what it depends on is as far as it has to be.
    #[serde(rename = "waiting")]
    Waiting,
}

impl Status {
    /// PM2's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Launching => "launching",
            Self::Online => "online",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Errored => "errored",
            Self::WaitingRestart => "waiting restart",
            Self::Queued => "queued",
            Self::Waiting => "waiting",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_has_the_same_words() {
        for status in
            [Status::Launching, Status::Online, Status::WaitingRestart, Status::Errored, Status::Queued]
        {
            let json = serde_json::to_string(&status).unwrap();
            assert_eq!(json, format!("\"{status}\""));
        }
    }
}
