//! What a daemon does when nobody asks and nothing happens.

use std::time::Duration;

use crate::{
    failure::Outcome,
    interrupt::pause,
    report::{Measure, Sheet, Target},
    subject::Subject,
    system::activity,
};

pub(crate) const CONTEXT_SWITCHES: Measure =
    Measure::count("context switches while idle", Target::AtMost(0.0));

pub(crate) const CPU_TICKS: Measure = Measure::count("CPU ticks while idle", Target::AtMost(0.0));

/// What was begun before may still be on its way.
const SETTLING: Duration = Duration::from_secs(2);

pub(crate) fn measure(subject: &mut dyn Subject, sheet: &mut Sheet, time: Duration) -> Outcome<()> {
    let Some(daemon) = subject.daemon()? else { return Ok(()) };
    pause(SETTLING)?;
    let before = activity(daemon)?;
    pause(time)?;
    let after = activity(daemon)?;
    for (measure, count) in [
        (CONTEXT_SWITCHES, after.context_switches - before.context_switches),
        (CPU_TICKS, after.cpu_ticks - before.cpu_ticks),
    ] {
        sheet.add(measure, subject.kind(), count as f64);
    }
    Ok(())
}
