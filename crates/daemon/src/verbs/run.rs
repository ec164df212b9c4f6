//! `run`: a task runs now, and whoever asked may wait for its end.

use rpm_core::{
    Cause, ProcessId,
    protocol::{Failure, RunNow},
};

use super::refuse;
use crate::{
    god::God,
    machine::{Event, Phase},
    table::{Process, Replies},
};

impl God {
    /// Starts each selected process, if none of them runs or is about to.
    pub(crate) fn run_now(&mut self, run: &RunNow, replies: &Replies) {
        if self.is_ending() {
            return refuse(replies, Failure::Ending);
        }
        let ids = match self.table.resolve(&run.target) {
            Ok(ids) => ids,
            Err(failure) => return refuse(replies, failure),
        };
        let processes = ids.iter().filter_map(|&id| self.table.get(id));
        if let Some(busy) = processes.into_iter().find(|process| is_busy(process)) {
            return refuse(replies, running(busy));
        }
        self.announce(&ids, replies);
        for id in ids {
            self.order(id, Event::Start(Cause::User.into()), replies);
            if let Some(process) = self.table.get_mut(id).filter(|_| run.wait) {
                process.follow(replies.clone());
            }
        }
    }

    /// Has `replies` told of the end of the run that a process has.
    pub(crate) fn await_run(&mut self, id: ProcessId, replies: &Replies) {
        match self.table.get_mut(id) {
            None => refuse(replies, Failure::UnknownId(id.0)),
            Some(process) if is_busy(process) => process.follow(replies.clone()),
            Some(_) => refuse(replies, Failure::Offline(id.0)),
        }
    }
}

/// Whether it runs, or is about to without another word.
fn is_busy(process: &Process) -> bool {
    let life = &process.life;
    life.run().is_some() || life.is_wanted_up() && !matches!(life.phase, Phase::Waiting | Phase::Errored)
}

fn running(process: &Process) -> Failure {
    Failure::AlreadyRunning { name: process.spec.name.clone(), id: process.id.0 }
}
