//! Two runs of one process: what a reload starts, and what it gives away. And reloads of many processes, a few at a time.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use rpm_core::{Cause, ProcessId, protocol::Reply};

use super::{God, reply};
use crate::{
    child_env,
    clock::Now,
    machine::{Event, Phase, Run},
    table::{Process, Replies, Waiter},
};

/// The part of the time to end in which connections that are kept alive may end with an answer, before the servers of
/// a worker close: a quarter, and not more than [`LONGEST_FAREWELL`].
const FAREWELL_PART: u64 = 4;
const LONGEST_FAREWELL: u64 = 1_000;

/// A reload of an app's processes.
pub(super) struct Rolling {
    waiting: VecDeque<ProcessId>,
    under_way: BTreeSet<ProcessId>,
    replies: Replies,
}

impl God {
    /// Has a worker take nothing new and finish what it has.
    pub(super) fn drain(&mut self, id: ProcessId) {
        let Some(process) = self.table.get_mut(id) else { return };
        process.stopping.get_or_insert_default();
        let farewell = (process.policy.kill_timeout / FAREWELL_PART).min(LONGEST_FAREWELL);
        if let Some(membership) = process.run.channel.as_ref().and_then(|channel| channel.membership()) {
            membership.drain(Duration::from_millis(farewell));
        }
        if let Some(run) = process.life.run() {
            let members = self.members(id, run.pid);
            self.watch(id, members);
        }
    }

    /// Makes an entry of its own of a run that its process gives away, and has it ended.
    pub(super) fn retire(&mut self, id: ProcessId, run: Run, drain: bool) {
        let Some(process) = self.table.get_mut(id) else { return };
        let attached = match process.second.take_if(|(pid, _)| *pid == run.pid) {
            Some((_, attached)) => attached,
            None => std::mem::take(&mut process.run),
        };
        let Some(retired) = self.table.give_away(id, run, attached, Now::read()) else { return };
        self.post(retired, if drain { Event::Release } else { Event::Delete });
    }

    /// The run that a reload has started takes the place of the one before.
    pub(super) fn promote(&mut self, id: ProcessId) {
        let Some(process) = self.table.get_mut(id) else { return };
        if let Some((pid, attached)) = process.second.take() {
            process.run = attached;
            process.stopping = None;
            process.show_pid(pid);
        }
    }

    /// The entries of the environment that tell whose the orphans of a process are. Those of a run that was given away
    /// are told from those of the present one by the number of restarts.
    pub(super) fn marks(&self, id: ProcessId) -> Option<Vec<String>> {
        let process = self.table.get(id)?;
        let marks = child_env::marks(&self.home, process.retired_from.unwrap_or(id));
        let run = process.retired_from.map(|_| child_env::run_mark(process.run.restart_time));
        Some(marks.into_iter().chain(run).collect())
    }

    /// Has the runs that `id` gave away end at once: somebody stops all of it.
    pub(crate) fn hurry_retired(&mut self, id: ProcessId) {
        let retired: Vec<_> = self
            .table
            .retired()
            .filter(|process| process.retired_from == Some(id))
            .map(|process| process.id)
            .collect();
        for id in retired {
            self.post(id, Event::Delete);
        }
    }

    /// Closes the sockets of an app of which nothing runs.
    pub(super) fn let_go(&mut self, name: &str) {
        let runs = |process: &Process| {
            process.spec.name == name && !matches!(process.life.phase, Phase::Stopped | Phase::Errored)
        };
        if !self.table.iter().any(runs) && !self.table.retired().any(runs) {
            self.clusters.remove(name);
            self.sockets.close(name);
        }
    }

    /// Reloads processes: those of one app as many at once as it declares, different apps at the same time. The
    /// first one that fails ends the reload of its app.
    pub(crate) fn reload(&mut self, ids: &[ProcessId], replies: &Replies) {
        let mut by_app: HashMap<String, VecDeque<ProcessId>> = HashMap::new();
        let mut others = Vec::new();
        for process in ids.iter().filter_map(|&id| self.table.get(id)) {
            if process.policy.overlaps {
                by_app.entry(process.spec.name.clone()).or_default().push_back(process.id);
            } else {
                others.push(process.id);
            }
        }
        for id in others {
            self.order_reload(id, replies);
        }
        for waiting in by_app.into_values() {
            self.rolling.push(Rolling { waiting, under_way: BTreeSet::new(), replies: replies.clone() });
        }
        self.roll();
    }

    fn order_reload(&mut self, id: ProcessId, replies: &Replies) {
        if let Some(process) = self.table.get_mut(id) {
            process.waiters.push(Waiter { replies: replies.clone(), created: false });
            self.post(id, Event::Reload(Cause::Reload.into()));
        }
    }

    /// A process has settled: whose reload it was goes on.
    pub(super) fn roll_on(&mut self, id: ProcessId) {
        if self.rolling.is_empty() {
            return;
        }
        let error = self.table.get(id).and_then(|process| process.life.error.clone());
        for rolling in self.rolling.iter_mut().filter(|rolling| rolling.under_way.contains(&id)) {
            rolling.under_way.remove(&id);
            if error.is_some() && !rolling.waiting.is_empty() {
                let left: Vec<_> = rolling.waiting.drain(..).map(|id| id.to_string()).collect();
                let note = format!("not reloaded because {id} failed: {}", left.join(", "));
                reply(&rolling.replies, Reply::Note(note));
            }
        }
        self.roll();
    }

    fn roll(&mut self) {
        let mut orders = Vec::new();
        let Self { rolling, table, .. } = self;
        for rolling in rolling.iter_mut() {
            while let Some(&next) = rolling.waiting.front() {
                let parallel = table.get(next).and_then(|process| process.spec.reload_parallel);
                if rolling.under_way.len() >= parallel.unwrap_or(1).max(1) as usize {
                    break;
                }
                rolling.waiting.pop_front();
                // One that was deleted meanwhile needs no reload.
                if table.get(next).is_some() {
                    rolling.under_way.insert(next);
                    orders.push((next, rolling.replies.clone()));
                }
            }
        }
        self.rolling.retain(|rolling| !rolling.under_way.is_empty());
        for (id, replies) in orders {
            self.order_reload(id, &replies);
        }
    }
}
