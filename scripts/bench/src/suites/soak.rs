//! Ten thousand restarts and a million lines through one daemon: what of it grows.

use std::{
    fs,
    time::{Duration, Instant},
};

use super::{Plan, progress};
use crate::{
    failure::{Failure, Outcome, at},
    interrupt::{pause, wait_for},
    manager::{Manager, RPM},
    report::{Measure, Sheet, Target},
    subject::{Kind, Subject},
    system::{open_descriptors, resident_memory},
    workload::Workload,
};

/// How many sleeps there are to restart.
const PROCESSES: usize = 50;

/// All is done in so many turns that are alike.
const TURNS: usize = 100;

/// After so many of them the daemon has been everywhere once: pages of its program, buffers, the allocator's pools.
const WARM_UP: usize = 10;

/// Restarts of all sleeps in a turn: 100 times 50 times 2.
const RESTARTS: usize = 2;

/// Lines that each of the two writers writes in a turn: 100 times 5,000 by the app itself, as many through a pump.
const LINES: usize = 5_000;

/// How long what was begun may be on its way before the daemon is looked at.
const SETTLING: Duration = Duration::from_secs(3);

const LIMIT: Duration = Duration::from_secs(30);

const WARM: Measure = Measure::bytes("resident memory after 1,000 restarts and 100,000 lines", Target::None);
const AFTER: Measure =
    Measure::bytes("resident memory after 10,000 restarts and 1,000,000 lines", Target::None);
const GROWTH: Measure = Measure::bytes("growth between these", Target::AtMost(1e6));
const DESCRIPTORS: Measure = Measure::count("descriptors that it has more then", Target::AtMost(0.0));
const JOURNAL: Measure = Measure::bytes("the journal at its largest", Target::AtMost(3e6));
const MISSING: Measure = Measure::count("lines that are not in the logs", Target::AtMost(0.0));
const TOOK: Measure = Measure::seconds("all of it", Target::None);

/// What is looked at of a daemon.
struct State {
    memory: u64,
    descriptors: usize,
}

pub(crate) fn run(plan: &Plan) -> Outcome<Vec<Sheet>> {
    let measures = [WARM, AFTER, GROWTH, DESCRIPTORS, JOURNAL, MISSING, TOOK];
    let mut sheet = Sheet::new(PROCESSES, measures);
    let mut manager = Manager::new(&RPM, &plan.rpm, &Workload::new(PROCESSES)?, plan.directory.path())?;
    manager.boot()?;
    for (key, value) in [("max_size", "256K"), ("retain", "all"), ("max_total", "none")] {
        manager.verb(&["set", &format!("pm2-logrotate:{key}"), value])?;
    }
    manager.start()?;
    let writer = format!("seq {LINES}");
    for (name, option) in [("direct", "--merge-logs"), ("pumped", "--time")] {
        // It has written its lines when it has ended.
        manager.verb(&["start", &writer, "--name", name, "--no-autorestart", option])?;
    }
    let began = Instant::now();
    let mut warm = None;
    let mut largest = 0;
    for turn in 1..=TURNS {
        if turn > 1 {
            manager.verb(&["restart", "direct", "pumped"])?;
        }
        for _ in 0..RESTARTS {
            manager.verb(&["restart", &format!("/{}/", Workload::PREFIX)])?;
        }
        manager.verb(&["wait", "direct", "pumped", "--for", "stopped"])?;
        let journal = manager.home().join("state/journal");
        largest = largest.max(fs::metadata(&journal).map_err(at(&journal))?.len());
        if turn == WARM_UP {
            warm = Some(look(&manager)?);
        }
        if turn % WARM_UP == 0 {
            progress(&format!("soak: {turn} of {TURNS} turns"));
        }
    }
    let took = began.elapsed();
    let after = look(&manager)?;
    let warm = warm.unwrap_or(State { memory: 0, descriptors: 0 });
    // The last ones may be on their way through the pump.
    let all = 2 * TURNS * LINES;
    let there = || written(&manager).ok().filter(|lines| *lines >= all);
    let lines = wait_for("the last lines arrive", LIMIT, there).or_else(|_| written(&manager))?;
    for (measure, value) in [
        (WARM, warm.memory as f64),
        (AFTER, after.memory as f64),
        (GROWTH, after.memory as f64 - warm.memory as f64),
        (DESCRIPTORS, after.descriptors as f64 - warm.descriptors as f64),
        (JOURNAL, largest as f64),
        (MISSING, all as f64 - lines as f64),
        (TOOK, took.as_secs_f64()),
    ] {
        sheet.add(measure, Kind::Rpm, value);
    }
    manager.end()?;
    Ok(vec![sheet])
}

fn look(manager: &Manager) -> Outcome<State> {
    pause(SETTLING)?;
    let Some(daemon) = manager.daemon()? else {
        return Err(Failure::Unexpected("there is no daemon".to_owned()));
    };
    Ok(State { memory: resident_memory(daemon)?, descriptors: open_descriptors(daemon)? })
}

/// How many lines there are in the logs of the writers.
fn written(manager: &Manager) -> Outcome<usize> {
    let logs = manager.home().join("logs");
    let mut lines = 0;
    for entry in fs::read_dir(&logs).map_err(at(&logs))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if ["direct-out", "pumped-out"].iter().any(|writer| name.starts_with(writer)) {
            let text = fs::read_to_string(entry.path()).map_err(at(&entry.path()))?;
            lines += text.lines().filter(|line| !line.trim().is_empty()).count();
        }
    }
    Ok(lines)
}
