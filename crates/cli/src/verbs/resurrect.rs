//! `resurrect`: starts what was saved and is not there.

use std::path::Path;

use rpm_client::{ClientError, Connection};
use rpm_core::{
    name::printable,
    protocol::{Action, Failure as Refusal, Reply, Request},
};

use super::{Invocation, Nothing, Verb};
use crate::{
    act,
    context::Context,
    failure::Failure,
    foreground::{self, Manner},
};

pub(super) const VERB: Verb =
    Verb { name: "resurrect", aliases: &[], about: "Start what was saved", takes_options: false, run };

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Nothing {}) = invocation.read()?;
    if context.options.foreground {
        return foreground::run(&mut context, Manner::default(), |context, _| {
            let mut connection = saved(context)?;
            foreground::announce(context, Some(&mut connection))
        });
    }
    let mut connection = saved(&mut context)?;
    context.show_list(Some(&mut connection))
}

/// Starts what was saved, which may be nothing.
fn saved(context: &mut Context) -> Result<Connection, Failure> {
    let mut connection = context.connect_or_spawn()?;
    context.out.info("Resurrecting");
    match restore(context, &mut connection, None) {
        // A machine that boots for the first time has nothing to restore, and that is no failure, as in PM2.
        Err(ClientError::Failed(failure @ Refusal::NoDump)) => context.out.error(&failure.to_string()),
        outcome => outcome?,
    }
    Ok(connection)
}

/// Starts what `dump`, else the home's own, names and is not there.
pub(super) fn restore(
    context: &mut Context,
    connection: &mut Connection,
    dump: Option<&Path>,
) -> Result<(), ClientError> {
    let own = context.home.dump();
    context.out.info(&format!("Restoring processes located in {}", dump.unwrap_or(&own).display()));
    for reply in connection.request(&Request::Resurrect { dump: dump.map(Path::to_owned) })? {
        match reply? {
            Reply::Acted(acted) if acted.error.is_none() => {
                let script = acted.script.unwrap_or_default();
                context.out.info(&format!("Process {} restored", printable(&script.to_string_lossy())));
            }
            // One app that cannot be started is no reason to fail at boot, where all the others run.
            Reply::Acted(acted) => _ = act::tell(context, Action::Start, &acted),
            Reply::Note(note) => context.out.warn(&note),
            _ => {}
        }
    }
    Ok(())
}
