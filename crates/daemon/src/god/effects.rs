//! Carrying out what the machine decides.

use std::{os::fd::OwnedFd, sync::Arc};

use rpm_core::{Exit, ProcessId, Signal, protocol::Reply};
use tokio::sync::mpsc;

use super::{God, Gone, Look, reply};
use crate::{
    confinement::Confinement,
    exit_info,
    identity::Marks,
    ipc::Channel,
    machine::{Ask, Effect, Event, Phase},
    procfs::{Kinship, Stat},
    reap,
    strays::Stray,
    table::Process,
    tree::{self, Found, Member, Owner},
};

impl God {
    /// Carries out one effect. A spawn has an outcome, which is the machine's next event.
    pub(super) fn perform(&mut self, id: ProcessId, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Spawn => return Some(self.spawn(id)),
            Effect::Enter(gate) => return self.enter(id, gate),
            Effect::Drain => self.drain(id),
            Effect::Retire { run, drain } => self.retire(id, run, drain),
            Effect::Promote => self.promote(id),
            Effect::Revert => self.revert(id),
            Effect::Unready => self.warn_unready(id),
            Effect::Ask(ask) => self.ask(id, ask),
            Effect::Arm(at) => {
                if let Some(process) = self.table.get_mut(id) {
                    process.deadline = Some(at);
                    self.deadlines.arm(at as i64, id);
                }
            }
            Effect::Disarm => {
                if let Some(process) = self.table.get_mut(id) {
                    process.deadline = None;
                }
            }
            Effect::Emit(what) => self.emit(id, what),
            Effect::Ended(ended) => self.ended(id, ended),
            Effect::Settled => self.settle(id),
            Effect::Forget => {
                self.journal.forget(id);
                self.places.leave(id);
                let mut process = self.table.remove(id)?;
                process.tidy_pid_file();
                self.let_go(&process.spec);
                if process.spec.cron_catch_up {
                    self.unsee(&process.spec);
                }
                self.let_dependents_go_on(&process.spec);
                self.look_at_waiting(id);
                match process.retired_from {
                    Some(owner) => self.post(owner, Event::Retired),
                    None => self.rewatch(!process.spec.watch.is_off(), None),
                }
            }
        }
        None
    }

    /// Answers those who wait for this process.
    pub(crate) fn settle(&mut self, id: ProcessId) {
        let Some(process) = self.table.get_mut(id) else { return };
        for waiter in std::mem::take(&mut process.waiters) {
            reply(&waiter.replies, Reply::Acted(process.acted(waiter.created)));
        }
        // Nothing runs, and nothing is about to: there is no end to wait for.
        if matches!(process.life.phase, Phase::Stopped | Phase::Errored) {
            self.tell_end(id, None);
        }
        self.roll_on(id);
        self.unwind_on(id);
    }

    /// Asks the tree of a process to end.
    fn ask(&mut self, id: ProcessId, ask: Ask) {
        // It is about to close its servers, or to die.
        let channel = self.table.get(id).and_then(|process| process.run.channel.as_ref());
        if let Some(membership) = channel.and_then(Channel::membership) {
            membership.rest();
        }
        self.find_lost_main(id, ask == Ask::Signal(Signal::KILL));
        let is_headless = self.table.get(id).is_some_and(Process::is_headless);
        match ask {
            Ask::Signal(signal) => self.signal_tree(id, signal),
            // What its main process has left reads no messages.
            Ask::Message if is_headless => self.signal_tree(id, Signal::INT),
            Ask::Message => {
                let Some(process) = self.table.get_mut(id) else { return };
                process.stopping.get_or_insert_default();
                let heard =
                    process.run.channel.as_ref().is_some_and(|channel| channel.send(&"shutdown".into()));
                if !heard {
                    tracing::warn!("process {id} has no IPC channel for a message to end");
                }
                if let Some(run) = process.life.run() {
                    let members = self.members(id, run.pid);
                    self.watch(id, members);
                    self.finish_stops([id]);
                }
            }
        }
    }

    /// Takes the main process of `id`, which is about to be asked to end, for one that has ended if no end of it can be
    /// heard of. What did not end when it was asked is looked for in `/proc`: it may have ended unheard.
    fn find_lost_main(&mut self, id: ProcessId, was_asked: bool) {
        let Some(process) = self.table.get(id) else { return };
        let Some(run) = process.life.run() else { return };
        let birth = process.birth();
        let is_other = |stat: Stat| birth.is_some_and(|birth| birth != stat.start);
        let is_gone = || Stat::find(run.pid).is_ok_and(|stat| stat.is_none_or(is_other));
        if self.table.is_main(run.pid) && !(was_asked && is_gone()) {
            return;
        }
        if was_asked {
            self.table.disown(run.pid);
        }
        if let Some(process) = self.table.get_mut(id) {
            process.stopping.get_or_insert_default().main.get_or_insert(Exit::Unknown);
        }
    }

    /// Signals the whole tree of a process, and remembers who has to end before the stop is done.
    ///
    /// The group gets one signal; those who left it get theirs one by one. Nobody gets two: some programs take a
    /// second SIGINT for impatience.
    fn signal_tree(&mut self, id: ProcessId, signal: Signal) {
        if signal == Signal::KILL {
            self.kinship = None;
            let confinement = self.table.get(id).map(|process| &process.run.confinement);
            if let Some(group) = confinement.and_then(Confinement::group) {
                group.kill();
            }
        }
        let Some(process) = self.table.get_mut(id) else { return };
        let Some(run) = process.life.run() else { return };
        process.stopping.get_or_insert_default();
        if !process.spec.treekill {
            let has_ended = process.stopping.get_or_insert_default().main.is_some();
            if has_ended {
                self.finish_stops([id]);
            } else if let Err(error) = process.signal_main(signal) {
                tracing::error!("cannot send {signal} to pid {}: {error}", run.pid);
            }
            return;
        }
        let members = self.members(id, run.pid);
        self.watch(id, members);
        let Some(process) = self.table.get(id) else { return };
        let Some(stopping) = process.stopping.as_ref() else { return };
        // A leader that is no child of ours may be taken in by its parent at any time: its group is not ours then.
        let is_adopted = process.run.adopted.is_some();
        for member in stopping.survivors.values().filter(|member| is_adopted || !member.in_group) {
            member.signal(signal);
        }
        if let Some(main) = process.run.adopted.as_ref().filter(|_| stopping.main.is_none()) {
            main.signal(signal);
        }
        // Once the leader was taken in, its pid is kept from strangers only by those who are left of its group.
        let is_groups_own =
            stopping.main.is_none() || stopping.survivors.values().any(|member| member.in_group);
        if is_groups_own
            && !is_adopted
            && let Err(error) = tree::signal_group(run.pid, signal)
        {
            tracing::error!("cannot send {signal} to process group {}: {error}", run.pid);
        }
        self.finish_stops([id]);
    }

    /// The live processes of the tree of `id`, the main process aside.
    pub(super) fn members(&mut self, id: ProcessId, pid: i32) -> Vec<Member> {
        if self.table.get(id).is_none_or(|process| !process.spec.treekill) {
            return Vec::new();
        }
        let Some(marks) = self.marks(id) else { return Vec::new() };
        let mut found = self.look_for(id, pid, &marks);
        if found.is_partial {
            // With the descriptors that are kept for this. Those that could be held are found again.
            self.kinship = None;
            let mut reserve = std::mem::take(&mut self.reserve);
            found = reserve.lend(|| self.look_for(id, pid, &marks));
            self.reserve = reserve;
        }
        if found.is_partial {
            self.kinship = None;
        }
        if let Some(stopping) = self.table.get_mut(id).and_then(|process| process.stopping.as_mut()) {
            stopping.unseen = found.is_partial;
        }
        found.members
    }

    fn look_for(&mut self, id: ProcessId, pid: i32, marks: &Marks) -> Found {
        let Self { identity, kinship, table, .. } = self;
        let Some(process) = table.get(id) else { return Found::default() };
        // Those of a run that was given away are told from those of the present one by the number of restarts.
        let number = process.retired_from.map(|_| process.run.restart_time);
        let before = process
            .retired_from
            .and_then(|owner| table.get(owner)?.next_of_number(process.run.restart_time, process.run.birth?));
        let is_its = |stray: &&Stray| {
            number.is_none_or(|number| stray.restarts == Some(number))
                && before.is_none_or(|before| stray.stat.start < before)
        };
        let is_main = |pid| table.is_main(pid);
        let mut look = || {
            let look = match kinship {
                Some(look) => look,
                None => kinship.insert(Look::new(Kinship::look()?)),
            };
            let strays = if process.has_strays {
                let all = look.strays(identity)?.of(process.retired_from.unwrap_or(id), process.spec.uid);
                all.filter(is_its).map(|stray| &stray.stat).collect()
            } else {
                Vec::new()
            };
            let owner = Owner { pid, strays, is_its: &|environ| marks.are_in(environ), before };
            tree::members(&look.kinship, look.orphans(is_main)?, &owner, is_main)
        };
        look().unwrap_or_else(|error| {
            tracing::error!("cannot look for the tree of process {id}: {error}");
            Found { is_partial: true, ..Found::default() }
        })
    }

    /// Waits for the end of each of `members`.
    pub(super) fn watch(&mut self, id: ProcessId, members: impl IntoIterator<Item = Member>) {
        let Some(stopping) = self.table.get_mut(id).and_then(|process| process.stopping.as_mut()) else {
            return;
        };
        for member in members {
            let (pid, pidfd, gone) = (member.pid, member.pidfd(), self.gone.clone());
            if stopping.survivors.insert(pid, member).is_none() {
                tokio::spawn(tell_end((id, pid), pidfd, false, gone));
            }
        }
    }

    /// Hears of the end of a main process that is no child.
    pub(super) fn await_end(&self, id: ProcessId, pid: i32, pidfd: Arc<OwnedFd>) {
        tokio::spawn(tell_end((id, pid), pidfd, true, self.gone.clone()));
    }

    /// Reports to their machines the ends of processes that are being stopped and of whose trees no process is left.
    pub(super) fn finish_stops(&mut self, ids: impl IntoIterator<Item = ProcessId>) {
        let mut is_fresh = false;
        for id in ids {
            self.finish_stop(id, &mut is_fresh);
        }
    }

    /// One of them. `is_fresh` says whether the present look at all processes was taken after the ends that are known.
    fn finish_stop(&mut self, id: ProcessId, is_fresh: &mut bool) {
        let Some(process) = self.table.get(id) else { return };
        let (Some(run), Some(stopping)) = (process.life.run(), &process.stopping) else { return };
        let Some(exit) = stopping.main else { return };
        // Those who were not seen are looked for again at the deadline.
        if !stopping.survivors.is_empty() || stopping.unseen {
            return;
        }
        if process.spec.treekill && tree::group_exists(run.pid) {
            // A process was forked after the look at the tree, or is a zombie.
            if !std::mem::replace(is_fresh, true) {
                self.kinship = None;
            }
            let late = self.members(id, run.pid);
            self.watch(id, late);
            let stopping = self.table.get(id).and_then(|process| process.stopping.as_ref());
            if stopping.is_some_and(|stopping| !stopping.survivors.is_empty() || stopping.unseen) {
                return;
            }
        }
        if let Some(process) = self.table.get_mut(id) {
            process.stopping = None;
            process.has_strays &= !process.spec.treekill;
        }
        self.post(id, Event::Exited { pid: run.pid, exit });
    }
}

async fn tell_end(
    (id, pid): (ProcessId, i32),
    pidfd: Arc<OwnedFd>,
    is_main: bool,
    gone: mpsc::UnboundedSender<Gone>,
) {
    reap::end_of(Arc::clone(&pidfd)).await;
    let exit = if is_main { exit_info::of(&*pidfd).await } else { Exit::Unknown };
    let _ = gone.send(Gone { id, pid, exit });
}
