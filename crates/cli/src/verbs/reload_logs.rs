//! `reloadLogs`: has the log files opened anew, as after somebody moved them away.

use rpm_core::protocol::{Reply, Request};

use super::{Invocation, Nothing, Verb};
use crate::failure::Failure;

pub(super) const VERB: Verb =
    Verb { name: "reloadLogs", aliases: &[], about: "Open the log files anew", takes_options: false, run };

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Nothing {}) = invocation.read()?;
    context.out.line("Reloading all logs...");
    if let Some(mut connection) = context.connect()? {
        for reply in connection.request(&Request::ReloadLogs)? {
            if let Reply::Note(note) = reply? {
                context.out.warn(&note);
            }
        }
    }
    context.out.line("All logs reloaded");
    Ok(())
}
