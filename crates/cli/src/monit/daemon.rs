//! Asking the daemon, on threads of its own: the screen never waits for it.

use std::{
    sync::mpsc::{self, Sender},
    thread,
};

use rpm_client::{ClientError, Connection};
use rpm_core::{
    Home, ProcessId, Selector, Status,
    protocol::{Act, Action, Failure, Reply, Request},
};

use super::{
    Input,
    model::{Event, Order},
};
use crate::context::{now_millis, processes, rows};

/// A thread that answers each question, which names the process about which to tell all, with one event.
pub(super) fn ask(home: Home, inputs: Sender<Input>) -> Sender<Option<ProcessId>> {
    let (questions, asked) = mpsc::channel();
    thread::spawn(move || {
        let mut connection = None;
        for wanted in asked {
            let told = told(&home, &mut connection, wanted).unwrap_or_else(|reason| {
                // The next question may find another daemon.
                connection = None;
                Event::Unreachable(reason)
            });
            if inputs.send(Input::Told(told)).is_err() {
                return;
            }
        }
    });
    questions
}

fn told(
    home: &Home,
    connection: &mut Option<Connection>,
    wanted: Option<ProcessId>,
) -> Result<Event, String> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(connect(home)?),
    };
    let rows = rows(connection).map_err(|error| error.to_string())?;
    let detail = match wanted {
        Some(id) => match processes(connection, Some(selector(id))) {
            Ok(processes) => processes.into_iter().find(|process| process.summary.id == id).map(Box::new),
            // It may have gone since.
            Err(ClientError::Failed(Failure::UnknownId(_) | Failure::NoProcess)) => None,
            Err(error) => return Err(error.to_string()),
        },
        None => None,
    };
    Ok(Event::Sampled { rows, detail, at: now_millis() })
}

/// Has something done, which may take as long as a process takes to end.
pub(super) fn act(home: Home, order: Order, inputs: Sender<Input>) {
    thread::spawn(move || {
        let outcome = acted(&home, &order);
        // Nobody is left to tell when the screen is closed.
        let _ = inputs.send(Input::Event(Event::Acted { order, outcome }));
    });
}

fn acted(home: &Home, order: &Order) -> Result<(), String> {
    let mut connection = connect(home)?;
    let target = selector(order.process);
    let act = Act { action: order.action, target, env: None, patch: serde_json::Map::new() };
    let replies = connection.request(&Request::Act(act)).map_err(|error| error.to_string())?;
    for reply in replies {
        if let Reply::Acted(acted) = reply.map_err(|error| error.to_string())?
            && acted.status == Status::Errored
            && order.action != Action::Delete
        {
            return Err(acted.error.unwrap_or_else(|| "it is errored".to_owned()));
        }
    }
    Ok(())
}

fn connect(home: &Home) -> Result<Connection, String> {
    match rpm_client::connect(home) {
        Ok(Some(connection)) => Ok(connection),
        Ok(None) => Err(format!("no daemon runs in {}", home.root().display())),
        Err(error) => Err(error.to_string()),
    }
}

fn selector(id: ProcessId) -> Selector {
    // A number is no path: it means the same wherever it is typed.
    Selector::of_id(id)
}
