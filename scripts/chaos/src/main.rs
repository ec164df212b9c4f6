//! Injects faults into a daemon and its apps, and looks after each whether anything was lost or runs twice.
//!
//! The way of a round: chance, from a seed, draws a fault; it happens to a `stage`, a home with a daemon and apps that
//! write numbered lines; then `check` and `lines` say what does not hold. A stage on which something does not hold is
//! left as it is for whoever wants to know, and the next round has a fresh one. The clock of the machine is left
//! alone: it cannot be set for some processes only.

mod apps;
mod check;
mod deed;
mod faults;
mod lines;
mod options;
mod procs;
mod producer;
mod random;
mod stage;
mod table;
mod world;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Instant, SystemTime},
};

use clap::Parser;
use rpm_bench::{failure, interrupt};

use crate::{
    failure::{Failure, Outcome, at, doing},
    faults::{Fault, Scene, enter_namespace},
    options::Options,
    random::Random,
    stage::Stage,
    table::{Round, Totals, render},
};

/// As a shell reports a program that was interrupted.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            say(&format!("chaos: {failure}"));
            if matches!(failure, Failure::Interrupted) { INTERRUPTED.into() } else { ExitCode::from(2) }
        }
    }
}

/// All rounds. True if nothing was violated.
fn run(options: &Options) -> Outcome<bool> {
    interrupt::listen().map_err(doing("listening to signals"))?;
    let mut faults = options.faults()?;
    if faults.contains(&Fault::Disk)
        && let Err(reason) = enter_namespace()
    {
        say(&format!("no full disk: a file system cannot be mounted here ({reason})"));
        faults.retain(|fault| *fault != Fault::Disk);
    }
    let seed = options.seed.unwrap_or_else(|| {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |now| now.as_micros() as u64 % 1_000_000)
    });
    let rpm = options.rpm()?;
    let parent = options.directory.clone().unwrap_or_else(std::env::temp_dir);
    let directory =
        tempfile::Builder::new().prefix("rpm-chaos-").tempdir_in(&parent).map_err(at(&parent))?.keep();
    let outcome = match options.producer {
        Some(lines) => {
            say(&format!("{lines} lines, --seed {seed}, {}", rpm.display()));
            producer::show(&rpm, &directory, lines, seed).and_then(|(text, is_right)| {
                io::stdout().write_all(text.as_bytes()).map_err(doing("writing the table"))?;
                Ok(is_right)
            })
        }
        None => play(options, seed, &faults, &rpm, &directory),
    };
    if matches!(outcome, Ok(true)) {
        fs::remove_dir_all(&directory).map_err(at(&directory))?;
    } else {
        say(&format!("what is left is in {}", directory.display()));
    }
    outcome
}

fn play(options: &Options, seed: u64, faults: &[Fault], rpm: &Path, directory: &Path) -> Outcome<bool> {
    say(&format!("{} rounds, {} apps, --seed {seed}, {}", options.rounds, options.apps, rpm.display()));
    let began = Instant::now();
    let processes = options.apps as usize;
    let mut rounds: Vec<Round> = Vec::new();
    let mut totals = Totals::default();
    let mut stages = 0;
    let mut stage = None;
    for number in 1..=options.rounds {
        let current = match &mut stage {
            Some(current) => current,
            None => {
                stages += 1;
                stage.insert(Stage::new(rpm, &fresh(directory, stages)?, processes)?)
            }
        };
        let round = round(number, seed, faults, current, directory)?;
        let violated = if round.violations.is_empty() { "" } else { ": VIOLATED" };
        let settled = round.settled.as_secs_f64();
        say(&format!("{number:4} {:14} {settled:6.2} s  {}{violated}", round.fault.word(), round.what));
        for violation in &round.violations {
            say(&format!("       {violation}"));
        }
        let is_over = !round.violations.is_empty() || number == options.rounds;
        rounds.push(round);
        if is_over && let Some(over) = stage.take() {
            totals.lines += over.lines.counted;
            totals.left_in_pipes += over.lines.left_in_pipes;
            totals.largest = totals.largest.max(over.largest);
            let left = over.world.end()?;
            if let Some(last) = rounds.last_mut().filter(|last| last.violations.is_empty()) {
                last.violations.extend(left.iter().map(|who| format!("`kill` left {who}")));
            }
        }
    }
    totals.took = began.elapsed();
    let text = render(&rounds, &totals);
    io::stdout().write_all(text.as_bytes()).map_err(doing("writing the table"))?;
    Ok(rounds.iter().all(|round| round.violations.is_empty()))
}

fn round(number: u64, seed: u64, faults: &[Fault], stage: &mut Stage, directory: &Path) -> Outcome<Round> {
    let mut random = Random::of_round(seed, number);
    let Some(&fault) = random.one_of(faults) else {
        return Err(Failure::Unexpected("no fault is left".to_owned()));
    };
    let told = fault.inject(&mut Scene { stage, random: &mut random, directory })?;
    let mut found = stage.look()?;
    let violations = told.violations.into_iter().chain(found.violations.drain(..)).collect();
    Ok(Round { number, fault, what: told.what, settled: found.settled, violations })
}

fn fresh(directory: &Path, number: u32) -> Outcome<PathBuf> {
    let path = directory.join(format!("stage-{number}"));
    fs::create_dir(&path).map_err(at(&path))?;
    Ok(path)
}

/// To whoever watches.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
