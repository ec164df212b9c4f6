//! Ending all; the floor is `kill` and `waitpid`.

use crate::{
    failure::Outcome,
    report::{Measure, Sheet, Target},
    subject::Subject,
};

pub(crate) const STOP: Measure = Measure::seconds("stop all", Target::TimesFloor(5.0));

pub(crate) fn measure(subject: &mut dyn Subject, sheet: &mut Sheet) -> Outcome<()> {
    let took = subject.stop()?;
    sheet.add(STOP, subject.kind(), took.as_secs_f64());
    Ok(())
}
