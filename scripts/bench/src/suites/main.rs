//! Many long sleeps: everything that one does with them every day, and what they cost while one does nothing.

use super::{Plan, progress};
use crate::{
    failure::Outcome,
    floor::Floor,
    manager::{Manager, PM2, RPM},
    measures::{boot, crash, idle, list, log, memory, restart, start, stop},
    report::{Measure, Sheet},
    subject::Subject,
    workload::Workload,
};

/// PM2 takes minutes for each verb on more than this.
const MOST_OF_PM2: usize = 500;

pub(crate) fn run(plan: &Plan) -> Outcome<Vec<Sheet>> {
    let mut sheets: Vec<Sheet> = Vec::new();
    for &processes in &plan.sizes {
        let mut sheet = Sheet::new(processes, measures(processes, sheets.first()));
        for number in 0..plan.rounds {
            for mut subject in subjects(plan, &Workload::new(processes)?)? {
                let name = subject.kind().name();
                progress(&format!("{processes} processes, round {} of {}: {name}", number + 1, plan.rounds));
                // A minute of doing nothing is as good as five.
                round(subject.as_mut(), &mut sheet, (number == 0).then_some(plan))?;
            }
        }
        list::derive_each_row(&mut sheet, sheets.first());
        sheets.push(sheet);
    }
    Ok(sheets)
}

/// The rows, in the order of the table.
fn measures(processes: usize, few: Option<&Sheet>) -> Vec<Measure> {
    vec![
        boot::BOOT,
        start::START,
        restart::RESTART,
        stop::STOP,
        list::back_to_back(processes),
        list::after_pause(processes),
        list::each_row(few),
        crash::CRASH,
        crash::DURING_SLOW_STOP,
        memory::resident(processes),
        idle::CONTEXT_SWITCHES,
        idle::CPU_TICKS,
        log::LOG,
    ]
}

fn subjects(plan: &Plan, workload: &Workload) -> Outcome<Vec<Box<dyn Subject>>> {
    let mut subjects: Vec<Box<dyn Subject>> =
        vec![Box::new(Floor::new(workload)?), Box::new(Manager::new(&RPM, &plan.rpm, workload)?)];
    if let Some(pm2) = plan.pm2.as_ref().filter(|_| workload.processes <= MOST_OF_PM2) {
        subjects.push(Box::new(Manager::new(&PM2, &pm2.program, workload)?));
    }
    Ok(subjects)
}

/// From an empty home to an empty home.
fn round(subject: &mut dyn Subject, sheet: &mut Sheet, idling: Option<&Plan>) -> Outcome<()> {
    boot::measure(subject, sheet)?;
    start::measure(subject, sheet)?;
    memory::measure(subject, sheet)?;
    list::measure(subject, sheet)?;
    if let Some(plan) = idling {
        idle::measure(subject, sheet, plan.idle)?;
    }
    crash::measure(subject, sheet)?;
    log::measure(subject, sheet)?;
    restart::measure(subject, sheet)?;
    stop::measure(subject, sheet)?;
    subject.end()
}
