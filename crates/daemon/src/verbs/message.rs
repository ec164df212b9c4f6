//! `sendSignal`, `send`, `trigger` and messages: things said to processes that go on running.

use std::{fs::File, io::Write, os::unix::fs::FileTypeExt};

use nix::libc::O_NONBLOCK;
use rpm_core::{
    ProcessId,
    protocol::{Failure, Input, Reply, SendSignal, Trigger},
};
use serde_json::{Value, json};

use super::refuse;
use crate::{
    god::{God, reply},
    table::{Process, Replies},
};

impl God {
    /// Sends a signal to main processes, and to nobody else.
    pub(crate) fn send_signal(&mut self, request: &SendSignal, replies: &Replies) {
        let ids = match self.table.resolve(&request.target) {
            Ok(ids) => ids,
            Err(failure) => return refuse(replies, failure),
        };
        self.announce(&ids, replies);
        for process in ids.into_iter().filter_map(|id| self.table.get(id)) {
            if let Some(run) = process.life.run().filter(|run| self.table.is_main(run.pid))
                && let Err(error) = process.signal_main(request.signal)
            {
                return refuse(replies, Failure::Io(format!("pid {}: {error}", run.pid)));
            }
            reply(replies, Reply::Acted(process.acted(false)));
        }
    }

    /// Writes a line to the standard input of a process.
    pub(crate) fn input(&mut self, input: &Input, replies: &Replies) {
        let Some(process) = self.table.get(input.id) else {
            return refuse(replies, Failure::UnknownId(input.id.0));
        };
        let Some(run) = process.life.run() else {
            return refuse(replies, Failure::Offline(input.id.0));
        };
        match write_line(run.pid, &input.line) {
            Ok(()) => reply(replies, Reply::Acted(process.acted(false))),
            Err(error) => {
                refuse(replies, Failure::Io(format!("standard input of process {}: {error}", input.id)));
            }
        }
    }

    /// Has an action done by each selected process that offers it. The answers come one by one.
    pub(crate) fn trigger(&mut self, trigger: &Trigger, replies: &Replies) {
        let ids = match self.table.resolve(&trigger.target) {
            Ok(ids) => ids,
            Err(failure) => return refuse(replies, failure),
        };
        let message = match &trigger.param {
            None => json!(trigger.action),
            Some(param) => json!({ "msg": trigger.action, "opts": param }),
        };
        let mut reached = 0;
        for id in ids {
            let Some(process) = self.table.get_mut(id).filter(|process| offers(process, &trigger.action))
            else {
                continue;
            };
            if process.run.channel.as_ref().is_some_and(|channel| channel.send(&message)) {
                process.triggers.push((trigger.action.clone(), replies.clone()));
                reached += 1;
            }
        }
        if reached == 0 {
            return refuse(replies, Failure::NoAction);
        }
        reply(replies, Reply::Reached(reached));
    }

    /// Sends a message on the IPC channel of a process.
    pub(crate) fn message(&mut self, id: ProcessId, data: &Value, replies: &Replies) {
        match self.table.get(id) {
            None => refuse(replies, Failure::UnknownId(id.0)),
            Some(process) if process.run.channel.as_ref().is_some_and(|channel| channel.send(data)) => {
                reply(replies, Reply::Acted(process.acted(false)));
            }
            Some(_) => refuse(replies, Failure::NoChannel(id.0)),
        }
    }
}

fn offers(process: &Process, action: &str) -> bool {
    let name = |offered: &Value| offered.get("action_name").and_then(Value::as_str) == Some(action);
    process.run.told.actions.iter().any(name)
}

/// Writes to the pipe that a child was given as standard input; never waits for it to be read.
fn write_line(pid: i32, line: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut input = File::options().write(true).custom_flags(O_NONBLOCK).open(format!("/proc/{pid}/fd/0"))?;
    if !input.metadata()?.file_type().is_fifo() {
        return Err(std::io::Error::other("the process reads from something else by now"));
    }
    input.write_all(format!("{line}\n").as_bytes())
}
