//! Those who wait until processes are somewhere: `wait`, and `start --wait`.

use rpm_core::{
    Condition, ProcessId, Status,
    protocol::{Reply, Until, Wait, Waited},
};

use super::{God, depending::Prospect, refuse, reply};
use crate::{
    machine::Phase,
    table::{Process, Replies},
};

/// Somebody who waits for one process.
pub(crate) struct Waiting {
    id: ProcessId,
    until: Until,
    /// The run whose end is waited for, once there is one.
    pid: Option<i32>,
    /// It was running, or on its way to: if it rests now, it has ended.
    was_wanted_up: bool,
    replies: Replies,
}

/// Whether it has come there; the error says why it will not.
type Decision = Result<(), String>;

impl God {
    /// Answers for each process when it is where it has to be, or cannot come there any more.
    pub(super) fn wait(&mut self, wait: &Wait, replies: &Replies) {
        let ids = match &wait.target {
            Some(target) => match self.table.resolve(target) {
                Ok(ids) => ids,
                Err(failure) => return refuse(replies, failure),
            },
            None => wait.ids.clone(),
        };
        for id in ids {
            let (until, replies) = (wait.until, replies.clone());
            self.waiting.push(Waiting { id, until, pid: None, was_wanted_up: false, replies });
            self.look_at_waiting(id);
        }
    }

    /// A process is another than it was, or is no more.
    pub(super) fn look_at_waiting(&mut self, id: ProcessId) {
        let Self { waiting, table, .. } = self;
        let process = table.get(id);
        waiting.retain_mut(|waiting| {
            if waiting.replies.is_closed() {
                return false;
            }
            let decision = if waiting.id == id { waiting.decide(process) } else { None };
            let Some(decision) = decision else { return true };
            reply(
                &waiting.replies,
                Reply::Waited(Waited {
                    id,
                    name: process.map(|process| process.spec.name.clone()).unwrap_or_default(),
                    failure: decision.err(),
                }),
            );
            false
        });
    }
}

impl Waiting {
    fn decide(&mut self, process: Option<&Process>) -> Option<Decision> {
        let is_for_end = matches!(self.until, Until::Stopped | Until::Exit);
        let Some(process) = process else {
            return Some(if is_for_end { Ok(()) } else { Err("it was deleted".to_owned()) });
        };
        let life = &process.life;
        let rests = matches!(life.phase, Phase::Stopped | Phase::Errored);
        let errored = || Err(life.error.clone().unwrap_or_else(|| "it is errored".to_owned()));
        let decision = match self.until {
            Until::Online if life.status() == Status::Online => Some(Ok(())),
            Until::Online => (life.phase == Phase::Errored).then(errored),
            Until::Up if process.spec.health.is_some() => decided(process, Condition::Healthy),
            Until::Up | Until::Ready => decided(process, Condition::Ready),
            Until::Healthy => decided(process, Condition::Healthy),
            Until::Stopped => match life.phase {
                Phase::Stopped => Some(Ok(())),
                Phase::Errored => Some(errored()),
                _ => None,
            },
            Until::Exit => {
                let pid = life.run().map(|run| run.pid);
                let is_over = self.pid.is_some() && self.pid != pid;
                self.pid = self.pid.or(pid);
                (rests || is_over).then_some(Ok(()))
            }
        };
        let has_ended = rests && self.was_wanted_up && !is_for_end;
        self.was_wanted_up |= !rests;
        decision.or_else(|| has_ended.then(|| Err("it has stopped".to_owned())))
    }
}

fn decided(process: &Process, condition: Condition) -> Option<Decision> {
    match Prospect::of(process, condition) {
        Prospect::Met => Some(Ok(())),
        Prospect::Open => None,
        Prospect::Lost(reason) => Some(Err(reason)),
    }
}
