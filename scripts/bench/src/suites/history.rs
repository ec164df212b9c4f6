//! The history of runs: a hundred thousand of 226 tasks.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use rpm_core::{Bytes, Cause, Exit, Home, Millis, Next, Persona, ProcessId, Why};
use rpm_history::{Memory, Run, Store, Words, words};

use super::{Plan, progress};
use crate::{
    failure::{Failure, Outcome, at, doing},
    report::{Measure, Sheet, Target},
    subject::Kind,
};

const RUNS: u64 = 100_000;
const TASKS: u64 = 226;

/// One run in so many fails.
const FAILS: u64 = 20;

/// A command is called so often in each round.
const CALLS: usize = 10;

const APPEND: Measure = Measure::seconds("appending a run, the slowest of 1,000", Target::AtMost(0.001));
const MEAN: Measure = Measure::seconds("appending a run, on average", Target::AtMost(0.001));
const FAILED: Measure = Measure::seconds("history --failed", Target::AtMost(0.050));
const ALL_FAILED: Measure = Measure::seconds("history --failed --limit 0 (5,000 rows)", Target::None);
const ALL: Measure = Measure::seconds("history --limit 0 --json (100,000 runs)", Target::None);
const WHY: Measure = Measure::seconds("why of one task", Target::AtMost(0.050));
const NOTHING: Measure =
    Measure::seconds("history of nobody (each line is looked at)", Target::AtMost(0.050));
const SIZE: Measure = Measure::bytes("size of the store with last words", Target::AtMost(20e6));

pub(crate) fn run(plan: &Plan) -> Outcome<Vec<Sheet>> {
    let measures = [APPEND, MEAN, FAILED, ALL_FAILED, ALL, WHY, NOTHING, SIZE];
    let mut sheet = Sheet::new(TASKS as usize, measures);
    for round in 0..plan.rounds {
        progress(&format!("history of {RUNS} runs, round {} of {}", round + 1, plan.rounds));
        let root = plan.directory.path().join(format!("history-{round}"));
        fs::create_dir(&root).map_err(at(&root))?;
        let home = Home::new(root.clone(), Persona::Rpm);
        fill(&home, &mut sheet)?;
        let size = size(&rpm_history::runs_directory(&home))? + size(&rpm_history::words_directory(&home))?;
        sheet.add(SIZE, Kind::Rpm, size as f64);
        for _ in 0..CALLS {
            for (measure, words) in [
                (FAILED, &["history", "--failed"][..]),
                (ALL_FAILED, &["history", "--failed", "--limit", "0"]),
                (ALL, &["history", "--limit", "0", "--json"]),
                (WHY, &["why", "report-007-daily-summary"]),
                (NOTHING, &["history", "nobody"]),
            ] {
                sheet.add(measure, Kind::Rpm, call(&plan.rpm, &root, words)?);
            }
        }
    }
    Ok(vec![sheet])
}

/// Writes all runs as the daemon does that reaps them one by one: a write for each.
fn fill(home: &Home, sheet: &mut Sheet) -> Outcome<()> {
    let failed = |error: rpm_history::StoreError| Failure::Unexpected(error.to_string());
    let mut runs = rpm_history::runs(home, RUNS);
    let mut said = rpm_history::words(home);
    let began = Instant::now();
    let mut slowest = 0.0_f64;
    for number in 0..RUNS {
        let before = Instant::now();
        note(number, &mut runs, &mut said);
        runs.flush().and_then(|()| said.flush()).map_err(failed)?;
        slowest = slowest.max(before.elapsed().as_secs_f64());
        if number % 1_000 == 999 {
            sheet.add(APPEND, Kind::Rpm, slowest);
            slowest = 0.0;
        }
    }
    sheet.add(MEAN, Kind::Rpm, began.elapsed().as_secs_f64() / RUNS as f64);
    Ok(())
}

fn note(number: u64, runs: &mut Store, said: &mut Store) {
    let (task, ended) = (number % TASKS, 1_700_000_000_000 + number as i64 * 1_234);
    let fails = number.is_multiple_of(FAILS);
    let run = Run {
        id: ProcessId(task as u32),
        name: format!("report-{task:03}-daily-summary"),
        namespace: "reports".to_owned(),
        pid: Some(10_000 + (number * 7 % 1_000_000) as i32),
        why: Why { cause: Cause::Cron, due: Some(ended - 5_678 - 12) },
        started: ended - 5_678,
        ended,
        lasted: Millis(5_678),
        exit: Some(Exit::Code(i32::from(fails))),
        cpu: Some(Millis(number % 5_000)),
        memory: Some(Memory { peak: Bytes((8 + number % 90) << 20), at_most: number.is_multiple_of(3) }),
        next: Next::Rests,
        asked_by: None,
        reason: None,
    };
    run.write_to(runs.pending());
    if let Some(key) = run.key().filter(|_| fails) {
        let lines = (0..words::LINES).map(|line| format!("{number}: line {line} of what it said last"));
        words::keep(said, key, Words { out: Vec::new(), error: lines.collect() });
    }
}

/// Bytes of the files in a directory.
fn size(directory: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory).map_err(at(directory))? {
        bytes += entry.and_then(|entry| entry.metadata()).map_err(at(directory))?.len();
    }
    Ok(bytes)
}

/// How long a command takes, from its call to its end.
fn call(rpm: &Path, home: &Path, words: &[&str]) -> Outcome<f64> {
    let began = Instant::now();
    let status = Command::new(rpm)
        .args(words)
        .env("RPM_HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(doing("running rpm"))?;
    let took = began.elapsed().as_secs_f64();
    if status.success() {
        Ok(took)
    } else {
        Err(Failure::Unexpected(format!("rpm {}: {status}", words.join(" "))))
    }
}
