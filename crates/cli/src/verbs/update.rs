//! `update`: replaces the daemon by one of the version that is installed now.

use rpm_client::ClientError;
use rpm_core::{
    Persona,
    protocol::{Failure as Refusal, Request},
};

use super::{Invocation, Nothing, Verb, kill, resurrect};
use crate::{failure::Failure, render::style::Style};

pub(super) const VERB: Verb = Verb {
    name: "update",
    aliases: &["updatePM2"],
    about: "Replace the daemon by the version that is installed",
    takes_options: false,
    run,
};

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Nothing {}) = invocation.read()?;
    let advice = match context.persona() {
        Persona::Rpm => "Be sure to have the latest version installed before doing this procedure.",
        _ => {
            "Be sure to have the latest version by doing `npm install pm2@latest -g` before doing this procedure."
        }
    };
    context.out.line(&context.out.paint.paint(Style::BOLD, advice));
    if let Some(mut connection) = context.connect()? {
        for reply in connection.request(&Request::Save { force: false })? {
            match reply {
                // As in PM2 the list that was saved last is restored then.
                Ok(_) | Err(ClientError::Failed(Refusal::NothingToSave)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    kill::kill(&mut context)?;
    let mut connection = context.connect_or_spawn()?;
    match resurrect::restore(&mut context, &mut connection, None) {
        Ok(()) | Err(ClientError::Failed(Refusal::NoDump)) => {}
        Err(error) => return Err(error.into()),
    }
    let title = context.persona().title();
    let done = context.out.paint.paint(Style::BOLD_BLUE, &format!(">>>>>>>>>> {title} updated"));
    context.out.line(&done);
    context.show_list(Some(&mut connection))
}
