//! The command line.

use std::{env, path::PathBuf};

use clap::Parser;

use crate::{
    failure::{Failure, Outcome, doing},
    faults::Fault,
};

/// Injects faults into a daemon and its apps, and looks after each whether anything was lost or runs twice. Exit code
/// 1 says that something did.
#[derive(Debug, Parser)]
#[command(name = "scripts/chaos/run", disable_version_flag = true)]
pub(crate) struct Options {
    /// How many faults
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) rounds: u64,
    /// How many processes there are beside them
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(10..=2000))]
    pub(crate) apps: u64,
    /// Repeats the faults of a run; without it they are new ones
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// Only these faults
    #[arg(long, value_name = "FAULT,…", value_delimiter = ',', value_enum)]
    only: Vec<Fault>,
    /// All faults but these
    #[arg(long, value_name = "FAULT,…", value_delimiter = ',', value_enum)]
    without: Vec<Fault>,
    /// The rpm to test [default: the one beside this program]
    #[arg(long, value_name = "PATH")]
    rpm: Option<PathBuf>,
    /// Instead of rounds: a producer of so many lines, whose log is rotated and whose daemon is killed again and again
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) producer: Option<u64>,
    /// Where homes are made; what is left of one that was violated stays there
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) directory: Option<PathBuf>,
}

impl Options {
    /// The faults that may be drawn.
    pub(crate) fn faults(&self) -> Outcome<Vec<Fault>> {
        let is_meant = |fault: &Fault| {
            (self.only.is_empty() || self.only.contains(fault)) && !self.without.contains(fault)
        };
        let faults: Vec<_> = Fault::ALL.into_iter().filter(is_meant).collect();
        if faults.is_empty() { Err(Failure::Unexpected("no fault is left".to_owned())) } else { Ok(faults) }
    }

    /// The executable under test.
    pub(crate) fn rpm(&self) -> Outcome<PathBuf> {
        let rpm = match &self.rpm {
            Some(rpm) => rpm.clone(),
            None => env::current_exe().map_err(doing("finding this program"))?.with_file_name("rpm"),
        };
        rpm.canonicalize().map_err(|error| {
            let missing = format!("no rpm at {} ({error}): build it, or name one with --rpm", rpm.display());
            Failure::Unexpected(missing)
        })
    }
}
