//! Starting all from an ecosystem file, with a daemon that is up.

use crate::{
    failure::Outcome,
    report::{Measure, Sheet, Target},
    subject::Subject,
};

pub(crate) const START: Measure = Measure::seconds("start all", Target::TimesFloor(1.5));

pub(crate) fn measure(subject: &mut dyn Subject, sheet: &mut Sheet) -> Outcome<()> {
    let took = subject.start()?;
    sheet.add(START, subject.kind(), took.as_secs_f64());
    Ok(())
}
