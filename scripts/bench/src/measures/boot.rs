//! From nothing to a daemon that answers.

use crate::{
    failure::Outcome,
    report::{Measure, Sheet, Target, Unit},
    subject::Subject,
};

pub(crate) const BOOT: Measure =
    Measure { name: "boot an empty daemon", unit: Unit::Seconds, target: Target::None };

pub(crate) fn measure(subject: &mut dyn Subject, sheet: &mut Sheet) -> Outcome<()> {
    if let Some(took) = subject.boot()? {
        sheet.add(BOOT, subject.kind(), took.as_secs_f64());
    }
    Ok(())
}
