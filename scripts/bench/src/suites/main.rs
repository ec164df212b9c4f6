//! Many long sleeps: everything that one does with them every day, and what they cost while one does nothing.

use std::time::Duration;

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
        let workload = Workload::new(processes)?;
        for number in 0..plan.rounds {
            for mut subject in subjects(plan, &workload)? {
                announce("verbs", subject.as_ref(), processes, number, plan);
                verbs(subject.as_mut(), &mut sheet)?;
            }
        }
        for number in 0..plan.rounds {
            for mut subject in subjects(plan, &workload)? {
                announce("at rest", subject.as_ref(), processes, number, plan);
                // One long look at doing nothing is as good as many.
                at_rest(subject.as_mut(), &mut sheet, (number == 0).then_some(plan.idle))?;
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
    let directory = plan.directory.path();
    let mut subjects: Vec<Box<dyn Subject>> =
        vec![Box::new(Floor::new(workload)?), Box::new(Manager::new(&RPM, &plan.rpm, workload, directory)?)];
    if let Some(pm2) = plan.pm2.as_ref().filter(|_| workload.processes <= MOST_OF_PM2) {
        subjects.push(Box::new(Manager::new(&PM2, &pm2.program, workload, directory)?));
    }
    Ok(subjects)
}

fn announce(what: &str, subject: &dyn Subject, processes: usize, number: u32, plan: &Plan) {
    let name = subject.kind().name();
    progress(&format!("{processes} processes, {what}, round {} of {}: {name}", number + 1, plan.rounds));
}

/// What changes all processes, without a pause: the subjects follow each other closely, and meet the same machine.
fn verbs(subject: &mut dyn Subject, sheet: &mut Sheet) -> Outcome<()> {
    boot::measure(subject, sheet)?;
    start::measure(subject, sheet)?;
    memory::measure(subject, sheet)?;
    restart::measure(subject, sheet)?;
    stop::measure(subject, sheet)?;
    subject.end()
}

/// What happens while all are up.
fn at_rest(subject: &mut dyn Subject, sheet: &mut Sheet, idling: Option<Duration>) -> Outcome<()> {
    subject.boot()?;
    subject.start()?;
    list::measure(subject, sheet)?;
    if let Some(time) = idling {
        idle::measure(subject, sheet, time)?;
    }
    crash::measure(subject, sheet)?;
    log::measure(subject, sheet)?;
    subject.end()
}
