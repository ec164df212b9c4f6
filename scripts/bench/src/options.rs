//! The command line.

use std::{env, path::PathBuf, time::Duration};

use clap::Parser;

use crate::{
    failure::{Failure, Outcome, doing},
    pm2::Pm2,
    suites::{Plan, Suite},
};

#[expect(clippy::struct_excessive_bools, reason = "they are flags")]
/// Measures rpm against the bare system calls and, where it is installed, against PM2.
#[derive(Debug, Parser)]
#[command(name = "scripts/bench/run", disable_version_flag = true)]
pub(crate) struct Options {
    /// Which figures to take
    #[arg(value_enum, default_value_t = Suite::Main)]
    pub(crate) suite: Suite,
    /// Numbers of processes; PM2 is left out where it would take minutes for each verb
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [226, 2000])]
    sizes: Vec<usize>,
    /// How often each figure is taken [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Two rounds, and 10 s of idling instead of a minute
    #[arg(long)]
    quick: bool,
    /// The rpm to measure [default: the one beside this program]
    #[arg(long, value_name = "PATH")]
    rpm: Option<PathBuf>,
    /// The PM2 to compare with [default: `pm2` in PATH, if there is one]
    #[arg(long, value_name = "PATH", conflicts_with_all = ["install_pm2", "no_pm2"])]
    pm2: Option<PathBuf>,
    /// Install PM2 from npm into a temporary directory for this run
    #[arg(long, conflicts_with = "no_pm2")]
    install_pm2: bool,
    /// Do not compare with PM2
    #[arg(long)]
    no_pm2: bool,
    /// Print all samples as JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}

impl Options {
    /// What they mean.
    pub(crate) fn plan(&self) -> Outcome<Plan> {
        let rpm = match &self.rpm {
            Some(rpm) => rpm.clone(),
            None => env::current_exe().map_err(doing("finding this program"))?.with_file_name("rpm"),
        };
        let rpm = rpm.canonicalize().map_err(|error| {
            let missing =
                format!("there is no rpm at {} ({error}): build it, or name one with --rpm", rpm.display());
            Failure::Unexpected(missing)
        })?;
        let pm2 = match &self.pm2 {
            Some(pm2) => Some(Pm2::given(pm2)?),
            None if self.install_pm2 => Some(Pm2::install()?),
            None if self.no_pm2 => None,
            None => Pm2::in_path(&rpm)?,
        };
        let directory = tempfile::Builder::new()
            .prefix("rpm-bench-")
            .tempdir()
            .map_err(doing("making a temporary directory"))?;
        Ok(Plan {
            sizes: self.sizes.clone(),
            rounds: self.rounds.unwrap_or(if self.quick { 2 } else { 5 }),
            idle: Duration::from_secs(if self.quick { 10 } else { 60 }),
            directory,
            rpm,
            pm2,
        })
    }
}
