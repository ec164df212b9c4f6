//! Ending all and starting them again.

use crate::{
    failure::Outcome,
    report::{Measure, Sheet, Target},
    subject::Subject,
};

pub(crate) const RESTART: Measure = Measure::seconds("restart all", Target::TimesFloor(1.5));

pub(crate) fn measure(subject: &mut dyn Subject, sheet: &mut Sheet) -> Outcome<()> {
    let took = subject.restart()?;
    sheet.add(RESTART, subject.kind(), took.as_secs_f64());
    Ok(())
}
