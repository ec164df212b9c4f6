//! From a crash to the pid of the successor, as the pid file tells it.

use std::time::Duration;

use crate::{
    failure::Outcome,
    interrupt::pause,
    report::{Measure, Sheet, Target},
    subject::Subject,
};

pub(crate) const CRASH: Measure = Measure::seconds("crash to new pid", Target::AtMost(0.002));

pub(crate) const DURING_SLOW_STOP: Measure =
    Measure::seconds("crash to new pid, during a slow stop", Target::AtMost(0.002));

/// Crashes in each round, of different processes.
const CRASHES: usize = 10;

/// Between two, so that the first is over and done with.
const REST: Duration = Duration::from_millis(20);

pub(crate) fn measure(subject: &mut dyn Subject, sheet: &mut Sheet) -> Outcome<()> {
    crash(subject, sheet, CRASH)?;
    if subject.begin_slow_stop()? {
        crash(subject, sheet, DURING_SLOW_STOP)?;
        subject.end_slow_stop()?;
    }
    Ok(())
}

fn crash(subject: &mut dyn Subject, sheet: &mut Sheet, measure: Measure) -> Outcome<()> {
    let crashes = CRASHES.min(sheet.processes);
    for index in 0..crashes {
        pause(REST)?;
        let took = subject.crash(index * sheet.processes / crashes)?;
        sheet.add(measure, subject.kind(), took.as_secs_f64());
    }
    Ok(())
}
