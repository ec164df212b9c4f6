//! `save`: writes the list to the dump file.

use rpm_client::ClientError;
use rpm_core::protocol::{Failure as Refusal, Reply, Request};

use super::{Invocation, Nothing, Verb};
use crate::failure::Failure;

pub(super) const VERB: Verb = Verb {
    name: "save",
    aliases: &["dump"],
    about: "Save the list for `resurrect` (--force: also an empty one)",
    takes_options: false,
    run,
};

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Nothing {}) = invocation.read()?;
    let force = context.options.force;
    context.out.info("Saving current process list...");
    let Some(mut connection) = context.connect()? else {
        if force {
            return Err(Failure::Error("no daemon is running, nothing was saved".to_owned()));
        }
        warn_empty(context.out, context.home.persona());
        return Ok(());
    };
    for reply in connection.request(&Request::Save { force })? {
        match reply {
            Ok(Reply::File(path)) => context.out.info(&format!("Successfully saved in {}", path.display())),
            Ok(_) => {}
            Err(ClientError::Failed(Refusal::NothingToSave)) => {
                warn_empty(context.out, context.home.persona());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn warn_empty(out: &mut crate::output::Output, persona: rpm_core::Persona) {
    out.warn(&format!("{} is not managing any process, skipping save...", persona.title()));
    out.warn(&format!("To force saving use: {} save --force", persona.word()));
}
