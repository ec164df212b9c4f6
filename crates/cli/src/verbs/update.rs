//! `update`: replaces the daemon by one of the version that is installed now.

use rpm_client::{ClientError, Connection};
use rpm_core::{
    Persona,
    protocol::{Failure as Refusal, Request},
};

use super::{Invocation, Nothing, Verb, resurrect};
use crate::{context::Context, failure::Failure, render::style::Style};

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
    let mut connection = match context.connect()? {
        Some(connection) => replace(&context, connection)?,
        None => {
            let mut connection = context.connect_or_spawn()?;
            match resurrect::restore(&mut context, &mut connection, None) {
                Ok(()) | Err(ClientError::Failed(Refusal::NoDump)) => {}
                Err(error) => return Err(error.into()),
            }
            connection
        }
    };
    let title = context.persona().title();
    let done = context.out.paint.paint(Style::BOLD_BLUE, &format!(">>>>>>>>>> {title} updated"));
    context.out.line(&done);
    context.show_list(Some(&mut connection))
}

/// Has this program take the daemon's place, in which every process goes on.
fn replace(context: &Context, mut daemon: Connection) -> Result<Connection, Failure> {
    let executable =
        std::env::current_exe().map_err(|error| Failure::Error(format!("this program: {error}")))?;
    let outcome = daemon
        .request(&Request::Update { executable })
        .and_then(|mut replies| replies.try_for_each(|reply| reply.map(drop)));
    match outcome {
        // It ends the connection as it becomes the other.
        Err(ClientError::Closed { .. }) | Ok(()) => {}
        Err(error) => return Err(error.into()),
    }
    let gone = || Failure::Error(format!("the daemon is gone (see {})", context.home.daemon_log().display()));
    let mut connection = context.connect()?.ok_or_else(gone)?;
    for reply in connection.request(&Request::Ping)? {
        reply?;
    }
    // As in PM2 the list that was saved last is the present one then.
    for reply in connection.request(&Request::Save { force: false })? {
        match reply {
            Ok(_) | Err(ClientError::Failed(Refusal::NothingToSave)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(connection)
}
