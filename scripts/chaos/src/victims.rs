//! The victims of faults that have a small world of their own: each kind of app that a daemon has to treat differently.

use std::path::Path;

use serde_json::{Value, json};

use crate::apps::MAIN;

/// The name of the app that a fault is aimed at.
pub(crate) const VICTIM: &str = "victim";

/// The name of the app beside it, which no fault is aimed at.
pub(crate) const BYSTANDER: &str = "bystander";

/// The variable that tells the processes of one app from those of another, whatever the marks of the daemon are.
pub(crate) const APP: &str = "CHAOS_APP";

/// What is special about an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Victim {
    /// Node with an IPC channel.
    Fork,
    /// Two workers of Node's cluster.
    Cluster,
    /// Not started again when it has ended; it has a schedule.
    Task,
    /// The daemon dates its lines.
    Pumped,
    /// It has a child, one that left its session, and one whose parent has ended.
    Family,
    Python,
    Shell,
}

impl Victim {
    pub(crate) const ALL: [Self; 7] =
        [Self::Fork, Self::Cluster, Self::Task, Self::Pumped, Self::Family, Self::Python, Self::Shell];

    /// Each comes once in so many turns of a fault as there are kinds.
    pub(crate) fn of_turn(turn: u64) -> Self {
        Self::ALL[turn as usize % Self::ALL.len()]
    }

    /// How many main processes it has.
    pub(crate) fn instances(self) -> usize {
        if self == Self::Cluster { 2 } else { 1 }
    }

    /// How many processes each main process has beside itself.
    pub(crate) fn relatives(self) -> usize {
        if self == Self::Family { 3 } else { 0 }
    }

    /// Whether a run that was ended from outside is followed by another.
    pub(crate) fn is_restarted(self) -> bool {
        self != Self::Task
    }

    /// What its program is told to do.
    fn behaviour(self) -> &'static str {
        if self == Self::Family { "scattered" } else { "steady" }
    }

    /// The ending of its program's name.
    fn program(self) -> &'static str {
        match self {
            Self::Fork | Self::Cluster => "js",
            Self::Python => "py",
            Self::Task | Self::Pumped | Self::Family | Self::Shell => "sh",
        }
    }

    /// Its declaration as the app `name`, whose program is in `directory`.
    pub(crate) fn declare(self, name: &str, directory: &Path) -> Value {
        let program = format!("{MAIN}{}", self.program());
        let mut app = json!({
            "name": name,
            "script": directory.join(program.trim_start_matches('/')),
            "args": [self.behaviour(), directory.join("ledger"), directory.join("never")],
            "cwd": directory,
            "min_uptime": 300,
            "max_restarts": 1_000_000,
            "env": { APP: name },
        });
        match self {
            Self::Cluster => {
                app["exec_mode"] = "cluster".into();
                app["instances"] = self.instances().into();
            }
            Self::Task => {
                app["autorestart"] = false.into();
                app["cron_restart"] = "0 0 1 1 *".into();
                app["cron_catch_up"] = true.into();
            }
            Self::Pumped => app["time"] = true.into(),
            Self::Fork | Self::Family | Self::Python | Self::Shell => {}
        }
        app
    }
}
