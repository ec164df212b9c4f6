//! Listing all to `/dev/null`: the wall time of the whole command, against that of an empty process.

use std::time::{Duration, Instant};

use crate::{
    failure::Outcome,
    interrupt::pause,
    report::{Measure, Sheet, Target, Unit},
    subject::{Kind, Subject},
};

/// Up to this many processes a list shall cost little more than a process that does nothing; of more it shall be
/// linear.
const SMALL: usize = 226;

/// How much more a row may cost among many than among few.
const LINEAR: f64 = 1.25;

/// Lists back to back: as many as fit into this time, within these numbers.
const BUDGET: Duration = Duration::from_secs(1);
const FEWEST: usize = 5;
const MOST: usize = 40;

/// Lists after a pause, in each round.
const PAUSED: usize = 3;

/// A process manager may give its last figures again for about a second: in this time they become stale.
const PAUSE: Duration = Duration::from_millis(1200);

fn target(processes: usize) -> Target {
    if processes <= SMALL { Target::TimesFloor(2.5) } else { Target::None }
}

pub(crate) fn back_to_back(processes: usize) -> Measure {
    Measure { name: "list, back to back", unit: Unit::Seconds, target: target(processes) }
}

pub(crate) fn after_pause(processes: usize) -> Measure {
    Measure { name: "list, after 1.2 s at rest", unit: Unit::Seconds, target: target(processes) }
}

/// What a row adds to an empty process; among many processes no more than among `few`.
pub(crate) fn each_row(few: Option<&Sheet>) -> Measure {
    let target = few
        .and_then(|few| few.median(each_row(None), Kind::Rpm))
        .map_or(Target::None, |seconds| Target::AtMost(seconds * LINEAR));
    Measure { name: "list, each row, at rest", unit: Unit::Seconds, target }
}

pub(crate) fn measure(subject: &mut dyn Subject, sheet: &mut Sheet) -> Outcome<()> {
    let began = Instant::now();
    for taken in 0..MOST {
        if taken >= FEWEST && began.elapsed() > BUDGET {
            break;
        }
        let took = subject.list()?;
        sheet.add(back_to_back(sheet.processes), subject.kind(), took.as_secs_f64());
    }
    for _ in 0..PAUSED {
        pause(PAUSE)?;
        let took = subject.list()?;
        sheet.add(after_pause(sheet.processes), subject.kind(), took.as_secs_f64());
    }
    Ok(())
}

/// Derives what a row costs, once all rounds are done.
pub(crate) fn derive_each_row(sheet: &mut Sheet, few: Option<&Sheet>) {
    let list = after_pause(sheet.processes);
    let Some(empty) = sheet.median(list, Kind::Floor) else { return };
    for kind in [Kind::Rpm, Kind::Pm2] {
        if let Some(seconds) = sheet.median(list, kind) {
            sheet.add(each_row(few), kind, (seconds - empty) / sheet.processes as f64);
        }
    }
}
