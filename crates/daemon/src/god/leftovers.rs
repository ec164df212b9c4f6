//! What runs have left that ended by themselves.
//!
//! Such processes end with the run, or survive it as under PM2; a stop or a delete of their process reaches them in any case.

use std::{io, os::fd::OwnedFd, sync::Arc, time::Duration};

use rpm_core::{Exit, Persona, ProcessId, Signal};
use tokio::{task::JoinSet, time::timeout};

use super::{God, Look};
use crate::{
    clock::Now,
    machine::{Ask, Phase, Run},
    procfs::{Kinship, Stat},
    reap,
    tree::{self, Member},
};

/// Ends of leftovers that are under way. Each ends by itself: with SIGKILL, if need be.
#[derive(Default)]
pub(super) struct Leftovers(JoinSet<()>);

impl Leftovers {
    /// Whether none is under way.
    pub(super) fn is_empty(&mut self) -> bool {
        while self.0.try_join_next().is_some() {}
        self.0.is_empty()
    }

    /// Returns when none is under way any more.
    pub(super) async fn end(&mut self) {
        while self.0.join_next().await.is_some() {}
    }

    /// Asks `members` to end after `delay`, and makes them after `patience` more.
    fn add(&mut self, members: Vec<Member>, delay: Duration, signal: Signal, patience: Duration) {
        self.0.spawn(async move {
            tokio::time::sleep(delay).await;
            for member in &members {
                member.signal(signal);
            }
            let ends: Vec<Arc<OwnedFd>> = members.iter().map(Member::pidfd).collect();
            let all = async {
                for end in ends {
                    reap::end_of(end).await;
                }
            };
            if timeout(patience, all).await.is_err() {
                for member in &members {
                    member.signal(Signal::KILL);
                }
            }
        });
    }
}

impl God {
    /// Whether processes live on that are to end with the run of `id`, whose main process `pid` has ended by itself. Then
    /// their ends are awaited.
    pub(super) fn leaves_others(&mut self, id: ProcessId, pid: i32, exit: Exit) -> bool {
        let Some(process) = self.table.get(id) else { return false };
        let run = match process.life.phase {
            Phase::Launching(run) | Phase::Online(run) if run.pid == pid && process.spec.treekill => run,
            _ => return false,
        };
        let ends_with_its_run = self.home.persona() == Persona::Rpm;
        let time_limit = process.policy.task.as_ref().and_then(|task| task.timeout);
        if !(ends_with_its_run || time_limit.is_some()) || !self.may_have_left(id, pid) {
            return false;
        }
        let mut left = self.members(id, pid);
        left.retain(|member| !self.checks.has(member.pid));
        if left.is_empty() {
            return false;
        }
        if !ends_with_its_run {
            let elapsed = Now::read().mono.saturating_sub(run.started.mono);
            let delay = time_limit.unwrap_or_default().saturating_sub(elapsed);
            self.end_left(id, left, Duration::from_millis(delay));
            return false;
        }
        if let Some(process) = self.table.get_mut(id) {
            process.stopping.get_or_insert_default().main = Some(exit);
        }
        self.watch(id, left);
        true
    }

    /// Whether it is worth a look at all that may belong to a run whose main process was `pid`.
    fn may_have_left(&mut self, id: ProcessId, pid: i32) -> bool {
        if self.table.get(id).is_some_and(|process| process.has_strays) || tree::group_exists(pid) {
            return true;
        }
        let Self { kinship, table, checks, reaped, .. } = self;
        let is_other = |pid| table.is_main(pid) || checks.has(pid);
        // What it left has become this daemon's child before its end was heard of.
        kinship.take_if(|look| look.taken < *reaped);
        let mut look = || -> io::Result<bool> {
            let look = match kinship {
                Some(look) => look,
                None => kinship.insert(Look::new(Kinship::look()?)),
            };
            Ok(!look.orphans(is_other)?.is_empty())
        };
        // If that cannot be said, the closer look says so.
        look().unwrap_or(true)
    }

    /// Ends what the runs of `id` have left, if none of them is there any more: it is being stopped or deleted.
    pub(crate) fn sweep(&mut self, id: ProcessId) {
        let Some(process) = self.table.get(id).filter(|process| process.life.run().is_none()) else { return };
        // While processes of its session live, the kernel gives the leader's pid to no other.
        let leader = process.run.pid.filter(|&pid| Stat::find(pid).is_ok_and(|stat| stat.is_none()));
        let left = self.members(id, leader.unwrap_or(Run::UNKNOWN));
        if !left.is_empty() {
            self.end_left(id, left, Duration::ZERO);
        }
    }

    /// Ends processes that runs of `id` have left, as its declaration says how.
    fn end_left(&mut self, id: ProcessId, left: Vec<Member>, delay: Duration) {
        let Some(process) = self.table.get(id) else { return };
        let signal = match process.policy.stop {
            Ask::Signal(signal) => signal,
            // They read no messages.
            Ask::Message => Signal::INT,
        };
        let patience = Duration::from_millis(process.policy.kill_timeout);
        let name = rpm_core::name::printable(&process.spec.name);
        tracing::info!("App [{name}:{id}] ending {} processes that earlier runs have left", left.len());
        self.leftovers.add(left, delay, signal, patience);
    }
}
