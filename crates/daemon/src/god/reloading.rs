//! Two runs of one process: what a reload starts, and what it gives away. And reloads of many processes, a few at a time.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use rpm_core::{AppKey, AppSpec, Cause, Env, ProcessId, protocol::Reply};

use super::{God, reply, starting::prepare_pumps};
use crate::{
    clock::Now,
    identity::Marks,
    machine::{Event, Phase, Run},
    table::{Former, Process, Replies, Waiter},
};

/// The part of the time to end in which connections that are kept alive may end with an answer, before the servers of
/// a worker close: a quarter, and not more than [`LONGEST_FAREWELL`].
const FAREWELL_PART: u64 = 4;
const LONGEST_FAREWELL: u64 = 1_000;

/// What is to be declared anew of a process.
#[derive(Clone, Default)]
pub(crate) struct Change {
    pub spec: Option<Arc<AppSpec>>,
    /// The environment of the one who starts it.
    pub env: Option<Arc<Env>>,
}

/// A reload of an app's processes. What is declared anew comes into force with each one's turn: the others keep what
/// they have if it fails before.
pub(super) struct Rolling {
    waiting: VecDeque<(ProcessId, Change)>,
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
            process.former = None;
        }
        self.keep(id);
    }

    /// Brings what was declared before a reload that failed into force again: the next run, which may follow a crash, is
    /// to be one that works.
    pub(super) fn revert(&mut self, id: ProcessId) {
        let Some(process) = self.table.get_mut(id) else { return };
        let Some(former) = process.former.take() else { return };
        let Former { spec, base_env, .. } = *former;
        process.base_env = base_env;
        self.redeclare(id, spec, None);
        let Some(process) = self.table.get_mut(id) else { return };
        if let Err(error) = prepare_pumps(process, &self.home, &self.pumping) {
            tracing::error!("{error}");
        }
        if let (Some(run), false) = (process.life.run(), process.shown_pid) {
            process.show_pid(run.pid);
        }
    }

    /// Warns those who reload a process that its new run did not say that it is ready.
    pub(super) fn warn_unready(&self, id: ProcessId) {
        let Some(process) = self.table.get(id) else { return };
        let warning = format!(
            "App [{}:{id}] did not say `ready` within {} ms (listen_timeout), as the run before it did not: taken to be up",
            rpm_core::name::printable(&process.spec.name),
            process.policy.listen_timeout
        );
        tracing::warn!("{warning}");
        for waiter in &process.waiters {
            reply(&waiter.replies, Reply::Note(warning.clone()));
        }
    }

    /// The entries of the environment that tell whose the orphans of a process are. Those of a run that was given away
    /// are told from those of the present one by the number of restarts.
    pub(crate) fn marks(&self, id: ProcessId) -> Option<Marks> {
        let process = self.table.get(id)?;
        Some(Marks {
            home: self.identity.clone(),
            id: process.retired_from.unwrap_or(id),
            restarts: process.retired_from.map(|_| process.run.restart_time),
        })
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
    pub(super) fn let_go(&mut self, app: &AppSpec) {
        let runs = |process: &Process| {
            process.is_of(app) && !matches!(process.life.phase, Phase::Stopped | Phase::Errored)
        };
        if !self.table.iter().any(runs) && !self.table.retired().any(runs) {
            self.clusters.remove(&app.key());
            self.sockets.close(app);
        }
    }

    /// Reloads processes: those of one app as many at once as it declares, different apps at the same time. The
    /// first one that fails ends the reload of its app.
    pub(crate) fn reload(&mut self, changes: Vec<(ProcessId, Change)>, replies: &Replies) {
        let mut by_app: HashMap<AppKey, VecDeque<(ProcessId, Change)>> = HashMap::new();
        for (id, change) in changes {
            let Some(spec) = self.changed(id, &change) else { continue };
            if spec.overlaps() {
                by_app.entry(spec.key()).or_default().push_back((id, change));
            } else {
                self.order_reload(id, change, replies);
            }
        }
        for waiting in by_app.into_values() {
            self.rolling.push(Rolling { waiting, under_way: BTreeSet::new(), replies: replies.clone() });
        }
        self.roll();
    }

    /// What is declared of a process after `change`.
    fn changed(&self, id: ProcessId, change: &Change) -> Option<Arc<AppSpec>> {
        let process = self.table.get(id)?;
        Some(Arc::clone(change.spec.as_ref().unwrap_or(&process.spec)))
    }

    fn order_reload(&mut self, id: ProcessId, change: Change, replies: &Replies) {
        let Some(process) = self.table.get_mut(id) else { return };
        process.waiters.push(Waiter { replies: replies.clone(), created: false });
        // Of one that is being reloaded the first one stays: it is what works.
        if let Phase::Online(run) = process.life.phase {
            let is_changed = change.spec.is_some() || change.env.is_some();
            let (spec, base_env) = (Arc::clone(&process.spec), Arc::clone(&process.base_env));
            process.former = is_changed.then(|| Box::new(Former { spec, base_env, pid: run.pid }));
        }
        self.bring_in(id, change, replies);
        self.post(id, Event::Reload(Cause::Reload.into()));
    }

    /// Brings what is declared anew into force, from the next start on.
    pub(crate) fn bring_in(&mut self, id: ProcessId, change: Change, replies: &Replies) {
        let Change { spec, env } = change;
        if let (Some(process), Some(env)) = (self.table.get_mut(id), env) {
            process.base_env = env;
        }
        match spec {
            Some(spec) => self.redeclare(id, spec, Some(replies)),
            None => self.keep(id),
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
                let left: Vec<_> = rolling.waiting.drain(..).map(|(id, _)| id.to_string()).collect();
                let note = format!("not reloaded because {id} failed: {}", left.join(", "));
                reply(&rolling.replies, Reply::Note(note));
            }
        }
        self.roll();
    }

    fn roll(&mut self) {
        let mut orders = Vec::new();
        let mut all = std::mem::take(&mut self.rolling);
        for rolling in &mut all {
            while let Some((next, change)) = rolling.waiting.front() {
                let parallel = self.changed(*next, change).and_then(|spec| spec.reload_parallel);
                if rolling.under_way.len() >= parallel.unwrap_or(1).max(1) as usize {
                    break;
                }
                let Some((next, change)) = rolling.waiting.pop_front() else { break };
                // One that was deleted meanwhile needs no reload.
                if self.table.get(next).is_some() {
                    rolling.under_way.insert(next);
                    orders.push((next, change, rolling.replies.clone()));
                }
            }
        }
        all.retain(|rolling| !rolling.under_way.is_empty());
        self.rolling = all;
        for (id, change, replies) in orders {
            self.order_reload(id, change, &replies);
        }
    }
}
