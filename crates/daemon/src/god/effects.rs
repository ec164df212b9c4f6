//! Carrying out what the machine decides.

use std::{io, path::Path, sync::Arc};

use rpm_core::{AppSpec, Home, ProcessId, Signal, process::Told, protocol::Reply};

use super::{God, Gone, reply};
use crate::{
    child_env::{self, Facts},
    ipc::Channel,
    logs::{Form, LogError, Output, Pump, Stream},
    machine::{Ask, Effect, Event},
    procfs::Kinship,
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
                let process = self.table.remove(id);
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
        if let Err(error) = write_pid_file(process, pid) {
            tracing::warn!("pid file {}: {error}", process.pid_file.display());
        }
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
            if let Err(error) = tree::signal_child(run.pid, signal) {
                tracing::error!("cannot send {signal} to pid {}: {error}", run.pid);
            }
            return;
        }
        let members = self.members(id, run.pid);
        self.watch(id, members);
        let Some(stopping) = self.table.get(id).and_then(|process| process.stopping.as_ref()) else { return };
        for member in stopping.survivors.values().filter(|member| !member.in_group) {
            member.signal(signal);
        }
        // Once the leader was taken in, its pid is kept from strangers only by those who are left of its group.
        let is_groups_own =
            stopping.main.is_none() || stopping.survivors.values().any(|member| member.in_group);
        if is_groups_own && let Err(error) = tree::signal_group(run.pid, signal) {
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
        let Self { kinship, table, .. } = self;
        if kinship.is_none() {
            match Kinship::look() {
                Ok(found) => *kinship = Some((std::time::Instant::now(), found)),
                Err(error) => tracing::error!("cannot read /proc: {error}"),
            }
        }
        let Some((_, kinship)) = kinship else { return Vec::new() };
        tree::members(kinship, &Owner { pid, marks: &marks }, |pid| table.is_main(pid))
    }

    /// Waits for the end of each of `members`.
    fn watch(&mut self, id: ProcessId, members: impl IntoIterator<Item = Member>) {
        let Some(stopping) = self.table.get_mut(id).and_then(|process| process.stopping.as_mut()) else {
            return;
        };
        for member in members {
            let (pid, pidfd, gone) = (member.pid, member.pidfd(), self.gone.clone());
            if stopping.survivors.insert(pid, member).is_none() {
                tokio::spawn(async move {
                    if let Err(error) = reap::end_of(Arc::clone(&pidfd)).await {
                        tracing::warn!("cannot watch pid {pid}: {error}");
                    }
                    let _ = gone.send(Gone { id, pid });
                });
            }
        }
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

/// Whether a run gets an IPC channel: Node does, and what says that it uses one.
fn speaks_ipc(app: &AppSpec) -> bool {
    let program = Path::new(app.interpreter.as_str()).file_name().and_then(|name| name.to_str());
    matches!(program, Some("node" | "nodejs" | "bun")) || app.wait_ready || app.shutdown_with_message
}

/// Where the next run writes to. Pumps are kept from run to run.
fn prepare_output(process: &mut Process, home: &Home) -> Result<Output, LogError> {
    if process.spec.disable_logs {
        process.pumps = None;
        return Output::none(&process.logs);
    }
    let Some(form) = Form::of(&process.spec, process.id, process.logs.combined.is_some()) else {
        process.pumps = None;
        return Output::direct(&process.logs);
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
    let output =
        Output { stdout: pumps.out.open_for_child()?.into(), stderr: pumps.error.open_for_child()?.into() };
    process.pumps = Some(pumps);
    Ok(output)
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
