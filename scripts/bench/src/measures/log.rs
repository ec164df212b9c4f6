//! How quickly a child can write its log; the floor is the same program with its output in a plain file.

use crate::{
    failure::Outcome,
    report::{Measure, Sheet, Target, Unit},
    subject::Subject,
};

pub(crate) const LOG: Measure = Measure {
    name: "log throughput of a child",
    unit: Unit::BytesPerSecond,
    target: Target::ShareOfFloor(0.95),
};

/// Writers in each round, one after another.
const WRITERS: usize = 3;

pub(crate) fn measure(subject: &mut dyn Subject, sheet: &mut Sheet) -> Outcome<()> {
    for _ in 0..WRITERS {
        let rate = subject.write_log()?;
        sheet.add(LOG, subject.kind(), rate);
    }
    Ok(())
}
