//! `kill`: ends every process and the daemon.

use rpm_client::{ClientError, Connection};
use rpm_core::protocol::{self, Action, Reply, Request};

use super::{Invocation, Nothing, Verb};
use crate::{act, context::Context, failure::Failure};

pub(super) const VERB: Verb =
    Verb { name: "kill", aliases: &[], about: "End every process and the daemon", takes_options: false, run };

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Nothing {}) = invocation.read()?;
    kill(&mut context)
}

/// Ends them, if they are there.
pub(super) fn kill(context: &mut Context) -> Result<(), Failure> {
    if let Some(mut connection) = context.connect()? {
        match end_all(context, &mut connection) {
            // That it ended is what was wanted: another `kill` may have been a moment earlier.
            Ok(()) | Err(ClientError::Closed { .. } | ClientError::Failed(protocol::Failure::Ending)) => {}
            Err(error) => return Err(error.into()),
        }
        // Only then may another daemon be started in its place.
        connection.wait_closed();
    }
    context.out.info("[v] All Applications Stopped");
    let title = context.persona().title();
    context.out.info(&format!("[v] {title} Daemon Stopped"));
    Ok(())
}

fn end_all(context: &mut Context, connection: &mut Connection) -> Result<(), ClientError> {
    for reply in connection.request(&Request::Kill)? {
        match reply? {
            Reply::Targets(targets) if targets.is_empty() => context.out.alert("No process found"),
            Reply::Targets(targets) => {
                act::echo(context, Action::Delete, "all", &act::ids(&targets, false));
            }
            Reply::Acted(acted) => _ = act::tell(context, Action::Delete, &acted),
            _ => {}
        }
    }
    Ok(())
}
