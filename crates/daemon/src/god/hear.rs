//! What children say on their IPC channels.

use rpm_core::protocol::Reply;
use serde_json::Value;

use super::{God, reply};
use crate::{ipc::Received, machine::Event, table::Process};

impl God {
    /// Takes one message in: readiness for the machine, PM2's own conventions for the record, all else for those who
    /// listen.
    pub(super) fn hear(&mut self, received: Received) {
        let Received { id, run, message } = received;
        let Some(process) = self.table.get_mut(id).filter(|process| process.runs == run) else { return };
        if message == "ready" {
            self.post(id, Event::Ready);
        } else if !record(process, &message) {
            let process = process.reference();
            self.broadcast(&Reply::Message { process, data: message });
        }
    }
}

/// Keeps what an app tells about itself. False if the message is something else.
fn record(process: &mut Process, message: &Value) -> bool {
    if let Some(version) = message.get("node_version").and_then(Value::as_str) {
        process.told.node_version = Some(version.to_owned());
        return true;
    }
    let (Some(kind), Some(data)) = (message.get("type").and_then(Value::as_str), message.get("data")) else {
        return false;
    };
    match kind {
        "axm:action" => {
            let name = |action: &Value| action.get("action_name").cloned();
            if !process.told.actions.iter().any(|known| name(known) == name(data)) {
                process.told.actions.push(data.clone());
            }
            true
        }
        "axm:monitor" => {
            process.told.metrics.extend(data.as_object().cloned().unwrap_or_default());
            true
        }
        "axm:option:configuration" => {
            process.told.options.extend(data.as_object().cloned().unwrap_or_default());
            true
        }
        "axm:reply" => {
            answer(process, data);
            false
        }
        _ => false,
    }
}

/// Hands the answer to an action to the one who asked first.
fn answer(process: &mut Process, data: &Value) {
    let Some(action) = data.get("action_name").and_then(Value::as_str) else { return };
    if let Some(index) = process.triggers.iter().position(|(name, _)| name == action) {
        let (_, replies) = process.triggers.remove(index);
        let value = data.get("return").cloned().unwrap_or_default();
        let namespace = process.spec.namespace.clone();
        reply(&replies, Reply::Answer { process: process.reference(), namespace, value });
    }
}
