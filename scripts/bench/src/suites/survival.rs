//! What it costs that the daemon may die: taking over, replacing it in place, and the journal by which both go on.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::Path,
    time::Instant,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{Plan, progress};
use crate::{
    failure::{Failure, Outcome, at, doing},
    interrupt::wait_for,
    manager::{LIMIT, Manager, RPM},
    report::{Measure, Sheet, Target},
    subject::{Kind, Subject},
    system::is_alive,
    workload::Workload,
};

/// Each is taken so often in a round.
const TIMES: usize = 5;

const START: Measure = Measure::seconds("start all", Target::None);
const RECORDS: Measure = Measure::bytes("what the journal got of that", Target::None);
const WRITING: Measure = Measure::seconds("writing the same records again", Target::None);
const ADOPTION: Measure = Measure::seconds("list after kill -9, all taken over", Target::AtMost(0.1));
const UPDATE: Measure = Measure::seconds("update", Target::AtMost(0.2));
const STOP: Measure = Measure::seconds("stop all, all taken over", Target::AtMost(0.2));

pub(crate) fn run(plan: &Plan) -> Outcome<Vec<Sheet>> {
    let mut sheets = Vec::new();
    for &processes in &plan.sizes {
        // What is wanted is said of so many.
        let target = |measure: Measure| match processes {
            226 => measure,
            _ => Measure { target: Target::None, ..measure },
        };
        let (adoption, update, stop) = (target(ADOPTION), target(UPDATE), target(STOP));
        let mut sheet = Sheet::new(processes, [START, RECORDS, WRITING, adoption, update, stop]);
        for round in 0..plan.rounds {
            progress(&format!("{processes} processes, survival, round {} of {}", round + 1, plan.rounds));
            let workload = Workload::new(processes)?;
            let mut manager = Manager::new(&RPM, &plan.rpm, &workload, plan.directory.path())?;
            manager.boot()?;
            let journal = manager.home().join("state/journal");
            let before = fs::metadata(&journal).map_err(at(&journal))?.len() as usize;
            let took = manager.start()?;
            sheet.add(START, Kind::Rpm, took.as_secs_f64());
            let text = fs::read(&journal).map_err(at(&journal))?;
            // One that has grown much was written anew.
            let records = text.get(before..).unwrap_or(&text);
            sheet.add(RECORDS, Kind::Rpm, records.len() as f64);
            sheet.add(WRITING, Kind::Rpm, again(records, &manager.directory().join("again"))?);
            let pids = manager.pids()?;
            for _ in 0..TIMES {
                lose_daemon(&manager)?;
                sheet.add(adoption, Kind::Rpm, manager.list()?.as_secs_f64());
            }
            for _ in 0..TIMES {
                let began = Instant::now();
                manager.verb(&["update"])?;
                sheet.add(update, Kind::Rpm, began.elapsed().as_secs_f64());
            }
            if manager.pids()? != pids {
                return Err(Failure::Unexpected("not all processes have kept their pids".to_owned()));
            }
            lose_daemon(&manager)?;
            manager.list()?;
            sheet.add(stop, Kind::Rpm, manager.stop()?.as_secs_f64());
            manager.end()?;
        }
        sheets.push(sheet);
    }
    Ok(sheets)
}

/// Kills the daemon, and waits until it is gone.
fn lose_daemon(manager: &Manager) -> Outcome<()> {
    let Some(daemon) = manager.daemon()? else { return Ok(()) };
    kill(Pid::from_raw(daemon), Signal::SIGKILL).map_err(doing("kill"))?;
    wait_for("the daemon dies", LIMIT, || (!is_alive(daemon)).then_some(()))
}

/// How long it takes to append each record by a system call of its own: the least that a journal costs.
fn again(records: &[u8], path: &Path) -> Outcome<f64> {
    let mut file: File = OpenOptions::new().create(true).append(true).open(path).map_err(at(path))?;
    let began = Instant::now();
    for record in records.split_inclusive(|&byte| byte == b'\n') {
        file.write_all(record).map_err(at(path))?;
    }
    Ok(began.elapsed().as_secs_f64())
}
