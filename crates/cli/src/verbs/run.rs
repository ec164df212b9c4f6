//! `run`: a task runs now.

use std::{collections::BTreeMap, thread, time::Duration};

use clap::Args;
use rpm_client::{ClientError, Connection};
use rpm_core::{
    Exit, ProcessId,
    name::printable,
    protocol::{Action, Failure as Refusal, Reply, Request, RunEnded, RunNow},
};

use super::{Invocation, Verb};
use crate::{
    act,
    context::{self, Context},
    failure::Failure,
    runs::{self, Query, Whose},
};

pub(super) const VERB: Verb = Verb {
    name: "run",
    aliases: &[],
    about: "Run a task now; with --wait, to its end and with its exit code",
    takes_options: false,
    run,
};

/// The exit code where no run has one to give: it runs already, could not be started, or nobody knows how it ended.
const NO_RUN: u8 = 125;

/// What a shell adds to the number of the signal that ended a program.
const BY_SIGNAL: i32 = 128;

/// The signal that the kernel ends what used too much memory with.
const KILL: i32 = 9;

#[derive(Args, Debug)]
struct Run {
    /// Name, namespace, id or `/regex/`.
    #[arg(value_name = "name")]
    target: String,
    /// Wait until it has ended. Ctrl-C ends the waiting and nothing else.
    #[arg(long)]
    wait: bool,
}

/// Attempts to find the daemon again, and the pause between two.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// Those whose end is waited for.
type Awaited = BTreeMap<ProcessId, String>;

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Run { target, wait }) = invocation.read()?;
    let unknown = || Failure::Warning(format!("{target} doesn't exist"));
    let Some(mut connection) = context.connect()? else { return Err(unknown()) };
    let began = context::now_millis();
    let request = Request::Run(RunNow { target: context.selector(&target), wait });
    let mut awaited = Awaited::new();
    let mut outcome = Ok(());
    let mut ended = Vec::new();
    for reply in connection.request(&request)? {
        match reply {
            Ok(Reply::Targets(targets)) if wait => {
                awaited.extend(targets.into_iter().map(|process| (process.id, process.name)));
            }
            Ok(Reply::Acted(acted)) => {
                if !act::tell(&mut context, Action::Start, &acted) {
                    outcome = Err(Failure::Exit(NO_RUN));
                }
            }
            Ok(Reply::Ended(end)) => {
                awaited.remove(&end.process.id);
                ended.push(end);
            }
            Ok(_) => {}
            Err(ClientError::Failed(
                Refusal::UnknownName(_) | Refusal::UnknownId(_) | Refusal::NoProcess,
            )) => {
                return Err(unknown());
            }
            Err(ClientError::Failed(busy @ Refusal::AlreadyRunning { .. })) => {
                context.out.error(&busy.to_string());
                return Err(Failure::Exit(NO_RUN));
            }
            // The daemon has died or was replaced; what it ran goes on under the next one.
            Err(ClientError::Closed { .. }) if !awaited.is_empty() => break,
            Err(error) => return Err(error.into()),
        }
    }
    if !wait {
        return outcome;
    }
    while let Some((id, name)) = awaited.pop_first() {
        ended.push(later(&context, id, &name, began)?);
    }
    ended.sort_by_key(|end| end.process.id);
    conclude(&mut context, &ended)
}

/// The end of a run that was waited for when the connection to the daemon was lost.
fn later(context: &Context, id: ProcessId, name: &str, began: i64) -> Result<RunEnded, Failure> {
    while let Some(mut connection) = reconnect(context)? {
        match await_end(&mut connection, id) {
            Ok(Some(end)) => return Ok(end),
            Ok(None) | Err(ClientError::Failed(Refusal::Offline(_) | Refusal::UnknownId(_))) => break,
            Err(ClientError::Closed { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // It ended in between.
    let whose = vec![Whose::Process(id, name.to_owned())];
    let mut found = runs::find(&context.home, &Query { whose, since: Some(began), ..Query::default() })?;
    let run = found.pop().filter(|run| run.ended >= began);
    Ok(RunEnded {
        process: rpm_core::protocol::ProcessRef { id, name: name.to_owned() },
        exit: run.map_or(Some(Exit::Unknown), |run| run.exit),
        error: None,
    })
}

/// The daemon after the one that is gone. Who is being killed may hold its lock for a moment longer than its socket:
/// then there is no other yet.
fn reconnect(context: &Context) -> Result<Option<Connection>, Failure> {
    for _ in 0..ATTEMPTS {
        if let Ok(found) = context.connect() {
            return Ok(found);
        }
        thread::sleep(PAUSE);
    }
    context.connect()
}

fn await_end(connection: &mut Connection, id: ProcessId) -> Result<Option<RunEnded>, ClientError> {
    for reply in connection.request(&Request::AwaitEnd(id))? {
        if let Reply::Ended(end) = reply? {
            return Ok(Some(end));
        }
    }
    Ok(None)
}

/// Says how they ended. The exit code is that of the first that did not end with 0.
fn conclude(context: &mut Context, ended: &[RunEnded]) -> Result<(), Failure> {
    let mut code = 0;
    for end in ended {
        let process = format!("[{}]({})", printable(&end.process.name), end.process.id);
        match (end.exit, &end.error) {
            (Some(exit), _) => context.out.info(&format!("{process} ended with {exit}")),
            // That has been said.
            (None, Some(_)) => {}
            (None, None) => context.out.error(&format!("{process} was not started")),
        }
        if code == 0 {
            code = exit_code(end.exit);
        }
    }
    if code == 0 { Ok(()) } else { Err(Failure::Exit(code)) }
}

fn exit_code(exit: Option<Exit>) -> u8 {
    match exit {
        // As the kernel keeps of it what a shell sees.
        Some(Exit::Code(code)) => code as u8,
        Some(Exit::Signal(number)) => (BY_SIGNAL + number) as u8,
        Some(Exit::OutOfMemory) => (BY_SIGNAL + KILL) as u8,
        Some(Exit::Unknown) | None => NO_RUN,
    }
}
