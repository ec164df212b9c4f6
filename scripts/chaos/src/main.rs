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
mod trial;
mod victims;
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
    faults::{Fault, Place, Scene, Told, enter_namespace},
    options::Options,
    random::Random,
    stage::Stage,
    table::{Round, Totals, render},
    trial::Ground,
};

/// As a shell reports a program that was interrupted.
const INTERRUPTED: u8 = 130;

/// Chance for the order of faults must not be that for what happens in them.
const DECK: u64 = 0x6465_636B;

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
        let draw = draw(number, seed, faults)?;
        let played = match draw.fault.place() {
            Place::Trial(happen) => try_out(draw, happen, rpm, directory)?,
            Place::Stage(happen) => {
                let current = match &mut stage {
                    Some(current) => current,
                    None => {
                        stages += 1;
                        stage.insert(Stage::new(
                            rpm,
                            &fresh(directory, &format!("stage-{stages}"))?,
                            processes,
                        )?)
                    }
                };
                let round = perform(draw, happen, current, directory)?;
                if !round.violations.is_empty()
                    && let Some(over) = stage.take()
                {
                    totals.add(&over);
                    over.world.end()?;
                }
                round
            }
        };
        let violated = if played.violations.is_empty() { "" } else { ": VIOLATED" };
        let settled = played.settled.as_secs_f64();
        say(&format!("{number:4} {:14} {settled:6.2} s  {}{violated}", played.fault.word(), played.what));
        for violation in &played.violations {
            say(&format!("       {violation}"));
        }
        rounds.push(played);
    }
    if let Some(over) = stage.take() {
        totals.add(&over);
        let left = over.world.end()?;
        let last = rounds.iter_mut().rfind(|round| matches!(round.fault.place(), Place::Stage(_)));
        if let Some(last) = last {
            last.violations.extend(left.iter().map(|left| format!("`kill` left {left}")));
        }
    }
    totals.took = began.elapsed();
    let text = render(&rounds, &totals);
    io::stdout().write_all(text.as_bytes()).map_err(doing("writing the table"))?;
    Ok(rounds.iter().all(|round| round.violations.is_empty()))
}

/// What a round is to be.
struct Draw {
    number: u64,
    fault: Fault,
    /// How often the fault has happened before.
    turn: u64,
    random: Random,
}

/// The faults come as from a deck of cards: each once, in any order, before any comes again.
fn draw(number: u64, seed: u64, faults: &[Fault]) -> Outcome<Draw> {
    let size = faults.len().max(1) as u64;
    let (turn, place) = ((number - 1) / size, (number - 1) % size);
    let deck = Random::of_round(seed ^ DECK, turn).shuffled(faults);
    match deck.get(place as usize) {
        Some(&fault) => Ok(Draw { number, fault, turn, random: Random::of_round(seed, number) }),
        None => Err(Failure::Unexpected("no fault is left".to_owned())),
    }
}

/// A round on the stage.
fn perform(
    mut draw: Draw,
    happen: fn(&mut Scene<'_>) -> Outcome<Told>,
    stage: &mut Stage,
    directory: &Path,
) -> Outcome<Round> {
    let told = happen(&mut Scene { stage, random: &mut draw.random, directory })?;
    let mut found = stage.look()?;
    let violations = told.violations.into_iter().chain(found.violations.drain(..)).collect();
    let Draw { number, fault, .. } = draw;
    Ok(Round { number, fault, what: told.what, settled: found.settled, violations })
}

/// A round in a small world of its own.
fn try_out(
    mut draw: Draw,
    happen: fn(&mut Ground<'_>) -> Outcome<Told>,
    rpm: &Path,
    directory: &Path,
) -> Outcome<Round> {
    let Draw { number, fault, turn, .. } = draw;
    let directory = fresh(directory, &format!("trial-{number}"))?;
    let random = &mut draw.random;
    let told = match happen(&mut Ground { rpm, random, directory: directory.clone(), turn }) {
        // Other rounds have worlds of their own: they go on.
        Err(failure) if !matches!(failure, Failure::Interrupted) => {
            Told { what: "broken off".to_owned(), violations: vec![failure.to_string()], settled: None }
        }
        told => told?,
    };
    if told.violations.is_empty() {
        fs::remove_dir_all(&directory).map_err(at(&directory))?;
    }
    let settled = told.settled.unwrap_or_default();
    Ok(Round { number, fault, what: told.what, settled, violations: told.violations })
}

fn fresh(directory: &Path, name: &str) -> Outcome<PathBuf> {
    let path = directory.join(name);
    fs::create_dir(&path).map_err(at(&path))?;
    Ok(path)
}

/// To whoever watches.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
