//! Memory of the daemon once all are started.

use crate::{
    failure::Outcome,
    report::{Measure, Sheet, Target, Unit},
    subject::Subject,
    system::resident_memory,
};

/// The most that a daemon of so many processes may take, in bytes.
const LIMITS: [(usize, f64); 2] = [(226, 8e6), (2000, 25e6)];

pub(crate) fn resident(processes: usize) -> Measure {
    let limit = LIMITS.iter().find(|(most, _)| processes <= *most);
    let target = limit.map_or(Target::None, |&(_, bytes)| Target::AtMost(bytes));
    Measure { name: "resident memory of the daemon", unit: Unit::Bytes, target }
}

pub(crate) fn measure(subject: &mut dyn Subject, sheet: &mut Sheet) -> Outcome<()> {
    if let Some(daemon) = subject.daemon()? {
        sheet.add(resident(sheet.processes), subject.kind(), resident_memory(daemon)? as f64);
    }
    Ok(())
}
