//! Measures rpm, the bare system calls and PM2 side by side.
//!
//! The way of a figure: a suite brings up each subject in turn and hands it to the measures, these note samples in
//! a sheet, and the table shows their medians, ratios and targets. All that was started ends with its subject,
//! also on an error or a signal.

mod floor;
mod manager;
mod measures;
mod options;
mod pm2;
mod report;
mod subject;
mod suites;
mod system;
mod table;
mod workload;
mod writer;

use std::{
    env,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use clap::Parser;
use rpm_bench::{failure, interrupt};

use crate::{
    failure::{Failure, Outcome, doing},
    options::Options,
    report::Report,
    writer::Signs,
};

/// As a shell reports a program that was interrupted.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let args: Vec<_> = env::args_os().collect();
    let outcome = match args.as_slice() {
        [_, verb, directory] if verb == writer::VERB => Signs::new(Path::new(directory)).write(),
        _ => run(&Options::parse()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "bench: {failure}");
            if matches!(failure, Failure::Interrupted) { INTERRUPTED.into() } else { ExitCode::FAILURE }
        }
    }
}

fn run(options: &Options) -> Outcome<()> {
    interrupt::listen().map_err(doing("listening to signals"))?;
    let plan = options.plan()?;
    let machine = system::machine();
    let sheets = options.suite.run(&plan)?;
    let mut subjects = vec![format!("rpm {}", env!("CARGO_PKG_VERSION"))];
    subjects.extend(plan.pm2.iter().map(|pm2| format!("pm2 {}", pm2.version)));
    let idle_seconds = plan.idle.as_secs();
    let report = Report { machine, subjects, rounds: plan.rounds, idle_seconds, sheets };
    let text = if options.json {
        serde_json::to_string_pretty(&report).map_err(doing("rendering JSON"))? + "\n"
    } else {
        table::render(&report)
    };
    io::stdout().write_all(text.as_bytes()).map_err(doing("writing the figures"))
}
