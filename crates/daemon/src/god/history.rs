//! Runs that are over, and what they said last.

use rpm_core::{
    Cause, Exit, Millis, Next, ProcessId,
    protocol::{Reply, RunEnded},
};
use rpm_history::{Key, Run as Noted, record::has_failed};

use super::{God, reply};
use crate::{
    clock::Now,
    logs::{Ends, LogPaths},
    machine::{Ended, Run},
    reap::Used,
};

/// A run that has failed, and whose last words are in its logs.
pub(super) struct Unread {
    id: ProcessId,
    /// Its number among the runs of the process.
    run: u64,
    key: Key,
    logs: LogPaths,
    /// Where they ended when it began.
    ends: Ends,
}

impl God {
    /// Notes a run that is over.
    pub(super) fn ended(&mut self, id: ProcessId, ended: Ended) {
        let Some(process) = self.table.get_mut(id) else { return };
        let Ended { run, why, exit, next, asked_by } = ended;
        let used = run.and_then(|run| process.used.take_if(|(pid, _)| *pid == run.pid));
        let (owner, next) = match process.retired_from {
            Some(owner) => (owner, self.after_retirement(id, owner)),
            None => (id, next),
        };
        if next != Next::RolledBack {
            self.tell_end(owner, exit);
        }
        if !self.history.is_on() {
            return;
        }
        let Some(process) = self.table.get(id) else { return };
        let now = Now::read();
        let started = run.map_or(now, |run| run.started);
        let used = used.map(|(_, used)| used);
        let noted = Noted {
            id: owner,
            name: process.spec.name.clone(),
            namespace: process.spec.namespace.clone(),
            pid: run.map(|run| run.pid),
            why,
            started: started.wall,
            ended: now.wall,
            lasted: Millis(now.mono.saturating_sub(started.mono)),
            exit,
            cpu: used.map(|used| used.cpu),
            memory: used.map(Used::memory),
            next,
            asked_by,
            reason: process.life.error.clone().filter(|_| next == Next::Errored || exit.is_none()),
        };
        self.history.note(&noted);
        if let Some(key) = noted.key().filter(|_| has_failed(exit, next, asked_by)) {
            self.note_last_words(id, key);
        }
    }

    /// Tells those who wait for the end of a run.
    pub(super) fn tell_end(&mut self, id: ProcessId, exit: Option<Exit>) {
        let Some(process) = self.table.get_mut(id).filter(|process| !process.followers.is_empty()) else {
            return;
        };
        let followers = std::mem::take(&mut process.followers);
        let error = process.life.error.clone().filter(|_| exit.is_none());
        let news = Reply::Ended(RunEnded { process: process.reference(), exit, error });
        for follower in followers {
            reply(&follower, news.clone());
        }
    }

    /// A run of an earlier boot, of which nobody can know more.
    pub(super) fn ended_with_the_machine(&mut self, id: ProcessId, run: Run, will_run: bool) {
        let Some(process) = self.table.get(id) else { return };
        let now = Now::read();
        self.history.note(&Noted {
            id,
            name: process.spec.name.clone(),
            namespace: process.spec.namespace.clone(),
            pid: Some(run.pid),
            why: run.why,
            started: run.started.wall,
            ended: now.wall,
            lasted: Millis(now.wall.saturating_sub(run.started.wall).max(0).cast_unsigned()),
            exit: Some(Exit::Unknown),
            cpu: None,
            memory: None,
            next: if will_run { Next::Restarted } else { Next::Stopped },
            asked_by: Some(Cause::Boot),
            reason: None,
        });
    }

    /// What followed the end of a run that was given away: a later one has its place, or it was the later one.
    fn after_retirement(&self, id: ProcessId, owner: ProcessId) -> Next {
        let number = |id| self.table.get(id).map(|process| process.run.number);
        if number(owner) < number(id) { Next::RolledBack } else { Next::Replaced }
    }

    /// Keeps what the run of `id` that has just failed said last.
    fn note_last_words(&mut self, id: ProcessId, key: Key) {
        let Some(process) = self.table.get(id) else { return };
        let Some(ends) = process.run.log_ends else { return };
        let Some(pumps) = &process.pumps else {
            let run = process.run.number;
            return self.unread.push(Unread { id, run, key, logs: process.logs.clone(), ends });
        };
        // Some of it may still be on its way.
        let (out, error) = (pumps.out.settled(), pumps.error.settled());
        let (logs, arriving) = (process.logs.clone(), self.history.later());
        tokio::spawn(async move {
            let _ = (out.await, error.await);
            let _ = arriving.send((key, ends.words(&logs, None)));
        });
    }

    /// Reads the last words that are in the logs, after all that is urgent: the next run may have begun.
    pub(super) fn read_last_words(&mut self) {
        for Unread { id, run, key, logs, ends } in std::mem::take(&mut self.unread) {
            let next = self.table.get(id).filter(|process| process.run.number != run);
            let words = ends.words(&logs, next.and_then(|process| process.run.log_ends));
            self.history.note_words(key, words);
        }
    }
}
