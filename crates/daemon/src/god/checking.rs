//! Health checks of the runs that are up: asking, and what follows. What an answer means is in [`crate::checkup`].
//!
//! Of an app with a check one question is on its way at a time. A question is a task that tells its answer; a command is
//! a child, whose end is noticed like that of any other.

use std::{
    collections::HashMap,
    fs::File,
    io::Read,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, LazyLock},
    time::Duration,
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    unistd::pipe2,
};
use rpm_core::{
    AppSpec, Cause, Exit, Health, HealthState, Interpreter, ProcessId, Signal,
    health::{OnFailure, Probe},
    name::printable,
    protocol::EventKind,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::God;
use crate::{
    checkup::Checkup,
    child_env::{self, Facts},
    clock::Now,
    machine::{Event, Phase},
    procfs::Kinship,
    ready::probe,
    spawn,
    table::Process,
    tree::{self, Owner},
};

/// Questions that may be on their way at the same time, of all apps together. Further ones wait their turn.
const AT_ONCE: usize = 16;

/// How much of what a command says on standard error is told, in characters.
const MAX_REASON: usize = 200;

/// The variable by which all that a command starts is known.
const MARK: &str = "RPM_HEALTH_CHECK";

static TURNS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(AT_ONCE)));

/// Questions that are on their way.
pub(super) struct Checks {
    /// Where answers go.
    inbox: mpsc::UnboundedSender<News>,
    /// Commands that have not ended, by pid.
    commands: HashMap<i32, ProcessId>,
}

impl Checks {
    pub(super) fn new(inbox: mpsc::UnboundedSender<News>) -> Self {
        Self { inbox, commands: HashMap::new() }
    }

    /// Whether `pid` is the command of a check.
    pub(super) fn has(&self, pid: i32) -> bool {
        self.commands.contains_key(&pid)
    }
}

/// The checks of one run.
pub(crate) struct Checking {
    /// The number of the run.
    run: u64,
    pub checkup: Checkup,
    /// Counts the questions: an answer to an earlier one is dropped.
    question: u64,
    task: AbortHandle,
    command: Option<Command>,
}

impl Drop for Checking {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(command) = &self.command {
            command.end();
        }
    }
}

/// A command that has not answered yet.
struct Command {
    pid: i32,
    mark: String,
    errors: OwnedFd,
    _turn: OwnedSemaphorePermit,
}

impl Command {
    /// Ends all that it has started. It was not taken in yet: its pid is its own.
    fn end(&self) {
        let mark = self.mark.as_bytes();
        let is_its = |environ: &[u8]| environ.split(|&byte| byte == 0).any(|entry| entry == mark);
        let owner = Owner { pid: self.pid, strays: Vec::new(), is_its: &is_its, before: None };
        let found = Kinship::look().and_then(|kinship| {
            let orphans = kinship.children(std::process::id() as i32)?;
            tree::members(&kinship, &orphans, &owner, |_| false)
        });
        if let Err(error) = tree::signal_group(self.pid, Signal::KILL) {
            tracing::error!("cannot end a health check, pid {}: {error}", self.pid);
        }
        match found {
            Ok(found) => found.members.iter().for_each(|member| member.signal(Signal::KILL)),
            Err(error) => tracing::error!("cannot look for what a health check has started: {error}"),
        }
    }

    /// Why it did not end with 0.
    fn reason(&self, exit: Exit) -> String {
        let mut said = vec![0; 64 << 10];
        let length = File::from(match self.errors.try_clone() {
            Ok(errors) => errors,
            Err(_) => return format!("it ended with {exit}"),
        })
        .read(&mut said)
        .unwrap_or(0);
        said.truncate(length);
        let said = String::from_utf8_lossy(&said);
        match said.lines().map(str::trim).rfind(|line| !line.is_empty()) {
            Some(line) => {
                format!("it ended with {exit}: {}", line.chars().take(MAX_REASON).collect::<String>())
            }
            None => format!("it ended with {exit}"),
        }
    }
}

/// Something about a question.
pub(crate) struct News {
    id: ProcessId,
    run: u64,
    question: u64,
    what: What,
}

enum What {
    Answer(Result<(), String>),
    /// It is time for a command, and its turn.
    Turn(OwnedSemaphorePermit),
}

impl God {
    /// Keeps up with whether the run of a process is to be checked.
    pub(super) fn attend_health(&mut self, id: ProcessId) {
        let Some(process) = self.table.get_mut(id) else { return };
        if process.spec.health.is_none() && process.checking.is_none() {
            return;
        }
        let is_up = matches!(process.life.phase, Phase::Online(_) | Phase::Replacing { .. });
        if !is_up || process.spec.health.is_none() || process.retired_from.is_some() {
            process.checking = None;
        } else if process.checking.as_ref().is_none_or(|checking| checking.run != process.run.number) {
            process.checking = None;
            let (run, checkup) = (process.run.number, Checkup::begin(Now::read()));
            let task = ask(process, (run, 1), 0, &self.checks.inbox);
            if let (Some(task), Some(process)) = (task, self.table.get_mut(id)) {
                process.checking =
                    Some(Box::new(Checking { run, checkup, question: 1, task, command: None }));
            }
        }
    }

    /// Ends all checks; [`Self::attend_health`] begins them anew.
    pub(super) fn end_checks(&mut self) {
        for process in self.table.iter_mut() {
            process.checking = None;
        }
    }

    /// Takes in an answer, or has a command answer.
    pub(super) fn hear_health(&mut self, news: News) {
        let News { id, run, question, what } = news;
        let is_asked = self
            .table
            .get(id)
            .and_then(|process| process.checking.as_ref())
            .is_some_and(|checking| checking.run == run && checking.question == question);
        if !is_asked {
            return;
        }
        match what {
            What::Answer(answer) => self.answered(id, answer),
            What::Turn(turn) => {
                if let Err(reason) = self.run_check(id, turn) {
                    self.answered(id, Err(reason));
                }
            }
        }
    }

    /// The command of a check has ended. False if `pid` is none.
    pub(super) fn check_ended(&mut self, pid: i32, exit: Exit) -> bool {
        let Some(id) = self.checks.commands.remove(&pid) else { return false };
        let Some(checking) = self.table.get_mut(id).and_then(|process| process.checking.as_mut()) else {
            return true;
        };
        if let Some(command) = checking.command.take_if(|command| command.pid == pid) {
            let answer = if exit == Exit::Code(0) { Ok(()) } else { Err(command.reason(exit)) };
            self.answered(id, answer);
        }
        true
    }

    fn answered(&mut self, id: ProcessId, answer: Result<(), String>) {
        let Some(process) = self.table.get_mut(id) else { return };
        let spec = Arc::clone(&process.spec);
        let (Some(health), Some(mut checking)) = (&spec.health, process.checking.take()) else { return };
        checking.task.abort();
        if let Some(command) = checking.command.take() {
            command.end();
        }
        let verdict = checking.checkup.answered(health, answer, Now::read());
        checking.question += 1;
        let Some(task) = ask(process, (checking.run, checking.question), verdict.pause, &self.checks.inbox)
        else {
            return;
        };
        checking.task = task;
        let report = checking.checkup.report.clone();
        process.checking = Some(checking);
        if verdict.is_news {
            let name = printable(&spec.name);
            match report.state {
                HealthState::Unhealthy => {
                    let reason = report.error.as_deref().unwrap_or_default();
                    tracing::warn!("App [{name}:{id}] is unhealthy: {}", printable(reason));
                    self.emit(id, EventKind::Unhealthy);
                }
                HealthState::Healthy => {
                    tracing::info!("App [{name}:{id}] is healthy");
                    self.emit(id, EventKind::Healthy);
                }
                HealthState::Starting => {}
            }
            self.has_changed(id);
        }
        let is_settled = self.table.get(id).is_some_and(|it| matches!(it.life.phase, Phase::Online(_)));
        if verdict.failed && is_settled {
            match health.on_failure {
                OnFailure::Restart => self.post(id, Event::Restart(Cause::Health.into())),
                OnFailure::Reload => self.post(id, Event::Reload(Cause::Health.into())),
                OnFailure::Report => {}
            }
        }
    }

    /// Starts the command of a check.
    fn run_check(&mut self, id: ProcessId, turn: OwnedSemaphorePermit) -> Result<(), String> {
        let Some(process) = self.table.get(id) else { return Ok(()) };
        let Some(checking) = &process.checking else { return Ok(()) };
        let Some(Health { probe: Probe::Command(line), .. }) = process.spec.health.as_deref() else {
            return Ok(());
        };
        let facts = Facts {
            home: &self.home,
            identity: &self.identity,
            id,
            instance: process.instance,
            unique_id: &process.unique_id,
            restart_time: process.life.restart_time,
            increment: process.increment,
            handed: Vec::new(),
        };
        let resolved = process.run.resolved.as_deref();
        let mut env = child_env::compose(&process.base_env, &process.spec, resolved, &facts);
        // It must not be taken for a run.
        env.remove(child_env::RESTARTS);
        let value = format!("{id}.{}.{}", checking.run, checking.question);
        env.set(MARK, &*value);
        let spec = AppSpec {
            script: "/bin/sh".into(),
            args: vec!["-c".to_owned(), line.clone()],
            interpreter: Interpreter::None,
            interpreter_args: Vec::new(),
            listen: Vec::new(),
            limits: None,
            ..AppSpec::clone(&process.spec)
        };
        let failed = |error: &dyn std::fmt::Display| format!("it could not be asked: {error}");
        let nothing = || File::options().read(true).write(true).open("/dev/null").map(OwnedFd::from);
        let (errors, stderr) = pipe2(OFlag::O_CLOEXEC).map_err(|error| failed(&error))?;
        fcntl(errors.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(|error| failed(&error))?;
        let pid = spawn::spawn(&spawn::Command {
            app: &spec,
            env: &env,
            stdin: nothing().map_err(|error| failed(&error))?,
            stdout: nothing().map_err(|error| failed(&error))?,
            stderr,
            node_args: &[],
            sockets: Vec::new(),
            channel: None,
            limit: self.limit,
            mark: None,
            group: None,
        })
        .map_err(|error| failed(&error))?;
        self.checks.commands.insert(pid, id);
        let limit = process.spec.health.as_ref().map_or(0, |health| health.timeout.0);
        let inbox = self.checks.inbox.clone();
        let Some(checking) = self.table.get_mut(id).and_then(|process| process.checking.as_mut()) else {
            return Ok(());
        };
        checking.command = Some(Command { pid, mark: format!("{MARK}={value}"), errors, _turn: turn });
        let (run, question) = (checking.run, checking.question);
        let task = tokio::spawn(async move {
            sleep(Duration::from_millis(limit)).await;
            let what = What::Answer(Err(no_answer(limit)));
            let _ = inbox.send(News { id, run, question, what });
        });
        checking.task = task.abort_handle();
        Ok(())
    }
}

fn no_answer(limit: u64) -> String {
    format!("no answer after {limit} ms (timeout)")
}

/// Asks after `pause` milliseconds.
fn ask(
    process: &Process,
    (run, question): (u64, u64),
    pause: u64,
    inbox: &mpsc::UnboundedSender<News>,
) -> Option<AbortHandle> {
    let health = process.spec.health.clone()?;
    let (id, inbox) = (process.id, inbox.clone());
    let task = tokio::spawn(async move {
        sleep(Duration::from_millis(pause)).await;
        // The semaphore is never closed.
        let Ok(turn) = Arc::clone(&TURNS).acquire_owned().await else { return };
        let limit = Duration::from_millis(health.timeout.0);
        let answer = match &health.probe {
            Probe::Command(_) => {
                let _ = inbox.send(News { id, run, question, what: What::Turn(turn) });
                return;
            }
            Probe::Tcp(address) => timeout(limit, probe::ask_tcp(address)).await,
            Probe::Http(url) => timeout(limit, probe::ask_http(url)).await,
        };
        let answer = answer.unwrap_or_else(|_| Err(no_answer(health.timeout.0)));
        let _ = inbox.send(News { id, run, question, what: What::Answer(answer) });
    });
    Some(task.abort_handle())
}
