//! Carrying out what the machine decides.

use std::{io, os::fd::OwnedFd, path::Path, sync::Arc};

use rpm_core::{AppSpec, Home, ProcessId, Signal, process::Told, protocol::Reply};
use tokio::sync::mpsc;

use super::{God, Gone, Look, reply};
use crate::{
    child_env::{self, Facts},
    ipc::Channel,
    logs::{Form, LogError, Output, Pump, Stream},
    machine::{Ask, Effect, Event},
    procfs::{Kinship, Stat},
    reap,
    spawn::{self, SpawnError},
    table::{Process, Pumps},
    tree::{self, Member, Owner},
};

/// Why a run did not begin.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    #[error("a pipe or channel: {0}")]
    System(#[from] io::Error),
    #[error("it is no longer in the table")]
    Forgotten,
}

impl God {
    /// Carries out one effect. A spawn has an outcome, which is the machine's next event.
    pub(super) fn perform(&mut self, id: ProcessId, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Spawn => return Some(self.spawn(id)),
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
            Effect::Settled => self.settle(id),
            Effect::Forget => {
                self.journal.forget(id);
                let mut process = self.table.remove(id);
                if let Some(process) = &mut process {
                    process.tidy_pid_file();
                }
                self.rewatch(process.is_some_and(|process| !process.spec.watch.is_off()), None);
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
    }

    fn spawn(&mut self, id: ProcessId) -> Event {
        match self.try_spawn(id) {
            Ok(pid) => {
                self.table.own(pid, id);
                if let Some(process) = self.table.get_mut(id) {
                    process.birth = Stat::read(pid).map(|stat| stat.start);
                }
                if self.table.get(id).is_some_and(|process| process.spec.max_memory_restart.is_some()) {
                    self.expect_checks();
                }
                Event::Spawned { pid }
            }
            Err(error) => Event::SpawnFailed { reason: error.to_string() },
        }
    }

    fn try_spawn(&mut self, id: ProcessId) -> Result<i32, StartError> {
        let Some(process) = self.table.get_mut(id) else { return Err(StartError::Forgotten) };
        let Output { stdout, stderr } = prepare_output(process, &self.home)?;
        self.rotator.expect(&process.logs);
        process.runs += 1;
        process.outdated = false;
        process.stopping = None;
        process.birth = None;
        process.adopted = None;
        process.told = Told::default();
        let (channel, theirs) = if speaks_ipc(&process.spec) {
            let (ours, theirs) = Channel::open(id, process.runs, self.messages.clone())?;
            (Some(ours), Some(theirs))
        } else {
            (None, None)
        };
        process.channel = channel;
        let facts = Facts {
            home: &self.home,
            id,
            instance: process.instance,
            unique_id: &process.unique_id,
            restart_time: process.life.restart_time,
            increment: process.increment,
            channel: theirs.is_some(),
        };
        let env = child_env::compose(&process.base_env, &process.spec, &facts);
        let stdin = spawn::endless_input()?;
        let command =
            spawn::Command { app: &process.spec, env: &env, stdin, stdout, stderr, channel: theirs };
        let pid = spawn::spawn(&command)?;
        process.shown_pid = match write_pid_file(process, pid) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!("pid file {}: {error}", process.pid_file.display());
                false
            }
        };
        Ok(pid)
    }

    /// Asks the tree of a process to end.
    fn ask(&mut self, id: ProcessId, ask: Ask) {
        match ask {
            Ask::Signal(signal) => self.signal_tree(id, signal),
            Ask::Message => {
                let Some(process) = self.table.get_mut(id) else { return };
                process.stopping.get_or_insert_default();
                let heard = process.channel.as_ref().is_some_and(|channel| channel.send(&"shutdown".into()));
                if !heard {
                    tracing::warn!("process {id} has no IPC channel for a message to end");
                }
                if let Some(run) = process.life.run() {
                    let members = self.members(id, run.pid);
                    self.watch(id, members);
                }
            }
        }
    }

    /// Signals the whole tree of a process, and remembers who has to end before the stop is done.
    ///
    /// The group gets one signal; those who left it get theirs one by one. Nobody gets two: some programs take a
    /// second SIGINT for impatience.
    fn signal_tree(&mut self, id: ProcessId, signal: Signal) {
        if signal == Signal::KILL {
            self.kinship = None;
        }
        let Some(process) = self.table.get_mut(id) else { return };
        let Some(run) = process.life.run() else { return };
        process.stopping.get_or_insert_default();
        if !process.spec.treekill {
            if let Err(error) = process.signal_main(signal) {
                tracing::error!("cannot send {signal} to pid {}: {error}", run.pid);
            }
            return;
        }
        let members = self.members(id, run.pid);
        self.watch(id, members);
        let Some(process) = self.table.get(id) else { return };
        let Some(stopping) = process.stopping.as_ref() else { return };
        // A leader that is no child of ours may be taken in by its parent at any time: its group is not ours then.
        let is_adopted = process.adopted.is_some();
        for member in stopping.survivors.values().filter(|member| is_adopted || !member.in_group) {
            member.signal(signal);
        }
        if let Some(main) = process.adopted.as_ref().filter(|_| stopping.main.is_none()) {
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
        self.finish_stop(id);
    }

    /// The live processes of the tree of `id`, the main process aside.
    fn members(&mut self, id: ProcessId, pid: i32) -> Vec<Member> {
        if self.table.get(id).is_some_and(|process| !process.spec.treekill) {
            return Vec::new();
        }
        let marks = child_env::marks(&self.home, id);
        let Self { home, kinship, table, .. } = self;
        if kinship.is_none() {
            match Kinship::look() {
                Ok(kinship_now) => *kinship = Some(Look::new(kinship_now)),
                Err(error) => tracing::error!("cannot read /proc: {error}"),
            }
        }
        let Some(look) = kinship else { return Vec::new() };
        let is_adopted = table.get(id).is_some_and(|process| process.adopted.is_some());
        let strays = if is_adopted { look.strays(home).of(id) } else { &[] };
        tree::members(&look.kinship, &Owner { pid, strays, marks: &marks }, |pid| table.is_main(pid))
    }

    /// Waits for the end of each of `members`.
    fn watch(&mut self, id: ProcessId, members: impl IntoIterator<Item = Member>) {
        let Some(stopping) = self.table.get_mut(id).and_then(|process| process.stopping.as_mut()) else {
            return;
        };
        for member in members {
            let (pid, pidfd, gone) = (member.pid, member.pidfd(), self.gone.clone());
            if stopping.survivors.insert(pid, member).is_none() {
                tokio::spawn(tell_end(id, pid, pidfd, gone));
            }
        }
    }

    /// Hears of the end of a process that is no child.
    pub(super) fn await_end(&self, id: ProcessId, pid: i32, pidfd: Arc<OwnedFd>) {
        tokio::spawn(tell_end(id, pid, pidfd, self.gone.clone()));
    }

    /// Tells the machine of the end of a process that is being stopped, once nobody of its tree is left.
    pub(super) fn finish_stop(&mut self, id: ProcessId) {
        let Some(process) = self.table.get(id) else { return };
        let (Some(run), Some(stopping)) = (process.life.run(), &process.stopping) else { return };
        let Some(exit) = stopping.main else { return };
        if !stopping.survivors.is_empty() {
            return;
        }
        if process.spec.treekill && tree::group_exists(run.pid) {
            // Somebody was forked after the look at the tree, or is a zombie.
            self.kinship = None;
            let late = self.members(id, run.pid);
            if !late.is_empty() {
                self.watch(id, late);
                return;
            }
        }
        if let Some(process) = self.table.get_mut(id) {
            process.stopping = None;
        }
        self.post(id, Event::Exited { pid: run.pid, exit });
    }
}

async fn tell_end(id: ProcessId, pid: i32, pidfd: Arc<OwnedFd>, gone: mpsc::UnboundedSender<Gone>) {
    if let Err(error) = reap::end_of(pidfd).await {
        tracing::warn!("cannot watch pid {pid}: {error}");
    }
    let _ = gone.send(Gone { id, pid });
}

/// Whether a run gets an IPC channel: Node does, and what says that it uses one.
fn speaks_ipc(app: &AppSpec) -> bool {
    let program = Path::new(app.interpreter.as_str()).file_name().and_then(|name| name.to_str());
    matches!(program, Some("node" | "nodejs" | "bun")) || app.wait_ready || app.shutdown_with_message
}

/// Where the next run writes to.
fn prepare_output(process: &mut Process, home: &Home) -> Result<Output, LogError> {
    prepare_pumps(process, home)?;
    match &process.pumps {
        Some(pumps) => Ok(Output {
            stdout: pumps.out.open_for_child()?.into(),
            stderr: pumps.error.open_for_child()?.into(),
        }),
        None if process.spec.disable_logs => Output::none(&process.logs),
        None => Output::direct(&process.logs),
    }
}

/// The pumps of a process whose lines need work; they are kept from run to run.
pub(super) fn prepare_pumps(process: &mut Process, home: &Home) -> Result<(), LogError> {
    let form = Form::of(&process.spec, process.id, process.logs.combined.is_some());
    let Some(form) = form.filter(|_| !process.spec.disable_logs) else {
        process.pumps = None;
        return Ok(());
    };
    let current = process.pumps.take().filter(|pumps| pumps.logs == process.logs && pumps.form == form);
    let pumps = match current {
        Some(pumps) => pumps,
        None => {
            let start = |stream: Stream, log: &Path| {
                let fifo = home.fifo(process.id, stream.name());
                let logs = [log.to_owned()].into_iter().chain(process.logs.combined.clone());
                Pump::start(fifo, stream, form.clone(), logs)
            };
            Pumps {
                out: start(Stream::Out, &process.logs.out)?,
                error: start(Stream::Error, &process.logs.error)?,
                logs: process.logs.clone(),
                form: form.clone(),
            }
        }
    };
    process.pumps = Some(pumps);
    Ok(())
}

fn write_pid_file(process: &Process, pid: i32) -> io::Result<()> {
    let write = || std::fs::write(&process.pid_file, pid.to_string());
    write().or_else(|error| match process.pid_file.parent() {
        Some(parent) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(parent)?;
            write()
        }
        _ => Err(error),
    })
}
