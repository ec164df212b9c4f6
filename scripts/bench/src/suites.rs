//! Named sets of measures.

mod cluster;
mod history;
mod main;
mod soak;
mod survival;

use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use tempfile::TempDir;

use crate::{failure::Outcome, pm2::Pm2, report::Sheet};

/// Which figures to take.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Suite {
    /// Everyday verbs, crashes, memory, idling and logs, with many long sleeps.
    Main,
    /// Node's cluster mode: requests a second, their spread, and reloads under load; wants `wrk`.
    Cluster,
    /// The history of 100,000 runs: appending, asking, its size.
    History,
    /// 10,000 restarts and 1,000,000 log lines through one daemon: its memory, descriptors and journal.
    Soak,
    /// Taking over after `kill -9`, `update`, and the journal of a start.
    Survival,
}

/// How to take them.
pub(crate) struct Plan {
    /// Numbers of processes.
    pub(crate) sizes: Vec<usize>,
    /// How often everything is done; floor, rpm and pm2 one after another in each round, so that whatever disturbs
    /// the machine disturbs them alike.
    pub(crate) rounds: u32,
    pub(crate) idle: Duration,
    /// Where everything is kept until the end.
    pub(crate) directory: TempDir,
    pub(crate) rpm: PathBuf,
    pub(crate) pm2: Option<Pm2>,
}

impl Suite {
    pub(crate) fn run(self, plan: &Plan) -> Outcome<Vec<Sheet>> {
        match self {
            Self::Main => main::run(plan),
            Self::Cluster => cluster::run(plan),
            Self::History => history::run(plan),
            Self::Soak => soak::run(plan),
            Self::Survival => survival::run(plan),
        }
    }
}

/// Tells whoever waits what is being done.
fn progress(text: &str) {
    // Nobody may be there to read it.
    let _ = writeln!(io::stderr(), "{text}");
}
