//! From nothing to a daemon that answers.

use crate::{
    failure::Outcome,
    report::{Measure, Sheet, Target},
    subject::Subject,
};

pub(crate) const BOOT: Measure = Measure::seconds("boot an empty daemon", Target::None);

pub(crate) fn measure(subject: &mut dyn Subject, sheet: &mut Sheet) -> Outcome<()> {
    if let Some(took) = subject.boot()? {
        sheet.add(BOOT, subject.kind(), took.as_secs_f64());
    }
    Ok(())
}
