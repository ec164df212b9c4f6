//! What children say, on their IPC channels and otherwise.

use rpm_core::{
    ProcessId, Ready, Signal,
    protocol::{ProcessRef, Reply},
};
use serde_json::Value;

use super::{God, reply};
use crate::{
    ipc::{Heard, Received},
    machine::{Event, Stage},
    table::{Attached, Process},
    told::{self, Outcome},
    tree,
};

/// Maximum cost of a message that is passed on, see [`told::cost`]. Its frame is far shorter than the longest one.
const MAX_MESSAGE: usize = 16 << 20;

impl God {
    /// Takes in one thing that a run said: how far it has come for the machine, PM2's own conventions for the record,
    /// all else for those who listen.
    pub(super) fn hear(&mut self, received: Received) {
        let Received { id, run, what } = received;
        let Some((id, pid)) = self.whose(id, run) else { return };
        let stage = match what {
            Heard::Booted => Stage::Booted,
            Heard::Listening => Stage::Listening,
            Heard::Ready => Stage::Ready,
            Heard::Closed => return self.post(id, Event::Drained),
            Heard::Failed(reason) => return self.fail(id, pid, &reason),
            Heard::Status(status) => {
                if let Some(attached) = self.table.get_mut(id).and_then(|process| process.attached(pid)) {
                    attached.told.status = Some(status);
                }
                return;
            }
            Heard::Message(message) => {
                let Some(process) = self.table.get_mut(id) else { return };
                if message == "ready" && process.spec.readiness() == Some(Ready::Ipc) {
                    Stage::Ready
                } else {
                    return self.hear_message(id, pid, message);
                }
            }
        };
        self.post(id, Event::Reached { pid, stage });
    }

    fn hear_message(&mut self, id: ProcessId, pid: i32, message: Value) {
        let Some(process) = self.table.get_mut(id) else { return };
        let reference = process.reference();
        let cost = told::cost(&message, MAX_MESSAGE);
        if message.get("type").and_then(Value::as_str) == Some("axm:reply")
            && let Some(data) = message.get("data")
        {
            answer(process, data, cost.is_some());
        } else if let Some(attached) = process.attached(pid) {
            match told::record(&mut attached.told, &message) {
                Outcome::Kept => return,
                Outcome::Dropped => return report_excess(&reference, attached),
                Outcome::Other => {}
            }
        }
        match cost {
            Some(cost) => self.pass_on(&Reply::Message { process: reference, data: message }, cost),
            None => {
                if let Some(attached) = process.attached(pid) {
                    report_excess(&reference, attached);
                }
            }
        }
    }

    /// Whose run that is now, and its pid: it may be the second of a reload, or given away.
    fn whose(&self, id: ProcessId, run: u64) -> Option<(ProcessId, i32)> {
        let process = self.table.get(id);
        if let Some(process) = process {
            if process.run.number == run
                && let Some(present) = process.life.run()
            {
                return Some((id, present.pid));
            }
            if let Some((pid, second)) = &process.second
                && second.number == run
            {
                return Some((id, *pid));
            }
        }
        let is_it = |process: &&Process| process.retired_from == Some(id) && process.run.number == run;
        let retired = self.table.retired().find(is_it)?;
        Some((retired.id, retired.life.run()?.pid))
    }

    /// A run that cannot go on is ended; what follows is as after a crash.
    fn fail(&mut self, id: ProcessId, pid: i32, reason: &str) {
        let is_main = self.table.is_main(pid);
        let Some(process) = self.table.get_mut(id) else { return };
        let name = rpm_core::name::printable(&process.spec.name);
        tracing::error!("App [{name}:{id}] is given up, pid {pid}: {}", rpm_core::name::printable(reason));
        let Some(attached) = process.attached(pid) else { return };
        match &attached.adopted {
            Some(main) => main.signal(Signal::KILL),
            None if is_main => {
                if let Err(error) = tree::signal_group(pid, Signal::KILL) {
                    tracing::error!("cannot send SIGKILL to process group {pid}: {error}");
                }
            }
            None => {}
        }
    }
}

impl Process {
    /// What belongs to its run `pid`.
    fn attached(&mut self, pid: i32) -> Option<&mut Attached> {
        match &mut self.second {
            Some((second, attached)) if *second == pid => Some(attached),
            _ => self.life.run().is_some_and(|run| run.pid == pid).then_some(&mut self.run),
        }
    }
}

/// Logs, once for each run, that not all of what it sends is taken.
fn report_excess(process: &ProcessRef, run: &mut Attached) {
    if !std::mem::replace(&mut run.says_too_much, true) {
        let name = rpm_core::name::printable(&process.name);
        tracing::warn!(
            "App [{name}:{}] sends too much on its IPC channel: part of it is dropped",
            process.id
        );
    }
}

/// Hands the answer to an action to the one who asked first. An answer that is too large is not shown.
fn answer(process: &mut Process, data: &Value, is_shown: bool) {
    let Some(action) = data.get("action_name").and_then(Value::as_str) else { return };
    if let Some(index) = process.triggers.iter().position(|(name, _)| name == action) {
        let (_, replies) = process.triggers.remove(index);
        let value = match data.get("return") {
            Some(_) if !is_shown => "the answer is too large to be shown".into(),
            value => value.cloned().unwrap_or_default(),
        };
        let namespace = process.spec.namespace.clone();
        reply(&replies, Reply::Answer { process: process.reference(), namespace, value });
    }
}
