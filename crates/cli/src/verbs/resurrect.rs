//! `resurrect`: starts what was saved and is not there.

use rpm_client::ClientError;
use rpm_core::{
    name::printable,
    protocol::{Action, Failure as Refusal, Reply, Request},
};

use super::{Invocation, Nothing, Verb};
use crate::{act, failure::Failure};

pub(super) const VERB: Verb =
    Verb { name: "resurrect", aliases: &[], about: "Start what was saved", takes_options: false, run };

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Nothing {}) = invocation.read()?;
    let mut connection = context.connect_or_spawn()?;
    context.out.info("Resurrecting");
    let dump = context.home.dump();
    context.out.info(&format!("Restoring processes located in {}", dump.display()));
    let mut failed = false;
    for reply in connection.request(&Request::Resurrect)? {
        match reply {
            Ok(Reply::Acted(acted)) if acted.error.is_none() => {
                context.out.info(&format!("Process {} restored", printable(&acted.process.name)));
            }
            Ok(Reply::Acted(acted)) => failed |= !act::tell(&mut context, Action::Start, &acted),
            Ok(Reply::Note(note)) => context.out.warn(&note),
            Ok(_) => {}
            // PM2 exits with 0 here: a machine that boots for the first time has nothing to restore.
            Err(ClientError::Failed(failure @ Refusal::NoDump)) => context.out.error(&failure.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    if failed {
        return Err(Failure::Said);
    }
    context.show_list(Some(&mut connection))
}
