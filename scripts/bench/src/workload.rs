//! The apps that are run, as each process manager wants them declared.

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    failure::{Failure, Outcome},
    system::find_program,
};

/// Some number of long sleeps.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) processes: usize,
    /// The program that sleeps.
    pub(crate) sleep: PathBuf,
}

/// An ecosystem file: the same in TOML and in JSON.
#[derive(Serialize)]
pub(crate) struct Ecosystem {
    pub(crate) apps: Vec<App>,
}

/// One app of an ecosystem file.
#[derive(Serialize)]
pub(crate) struct App {
    pub(crate) name: String,
    pub(crate) script: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) interpreter: &'static str,
    pub(crate) autorestart: bool,
    /// Milliseconds.
    pub(crate) kill_timeout: u32,
}

impl App {
    pub(crate) fn new(name: impl Into<String>, script: impl Into<PathBuf>, args: Vec<String>) -> Self {
        Self {
            name: name.into(),
            script: script.into(),
            args,
            interpreter: "none",
            autorestart: true,
            // PM2's default.
            kill_timeout: 1600,
        }
    }
}

impl Workload {
    pub(crate) fn new(processes: usize) -> Outcome<Self> {
        let sleep = find_program("sleep")
            .ok_or_else(|| Failure::Unexpected("`sleep`, which is what is run, is not in PATH".to_owned()))?;
        Ok(Self { processes, sleep })
    }

    pub(crate) fn sleep_args() -> Vec<String> {
        vec!["1000000".to_owned()]
    }

    /// The name that all sleeps begin with.
    pub(crate) const PREFIX: &str = "sleep-";

    pub(crate) fn ecosystem(&self) -> Ecosystem {
        let app = |index| App::new(format!("{}{index}", Self::PREFIX), &self.sleep, Self::sleep_args());
        Ecosystem { apps: (0..self.processes).map(app).collect() }
    }
}
