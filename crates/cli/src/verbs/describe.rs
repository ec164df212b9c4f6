//! `describe`: all about the processes of a name or an id.

use clap::Args;
use rpm_client::ClientError;
use rpm_core::protocol::{Failure as Refusal, Reply, Request};
use serde_json::json;

use super::{Invocation, Verb};
use crate::{
    context::{self, own_environment},
    failure::Failure,
    render::{
        describe::{Look, describe},
        document,
    },
};

pub(super) const VERB: Verb = Verb {
    name: "describe",
    aliases: &["desc", "info", "show"],
    about: "Show all about a process",
    takes_options: false,
    run,
};

#[derive(Args, Debug)]
struct Describe {
    /// Name or id of the process.
    #[arg(value_name = "name|id")]
    target: String,
    /// Tell it as data.
    #[arg(long)]
    json: bool,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Describe { target, json }) = invocation.read()?;
    let unknown = || Failure::Warning(format!("{target} doesn't exist"));
    let Some(mut connection) = context.connect()? else { return Err(unknown()) };
    let local = own_environment();
    let look = Look {
        persona: context.persona(),
        paint: context.out.paint,
        now: context::now_millis(),
        local: &local,
    };
    let selector = Some(context.selector(&target));
    let request =
        if context.options.reveal { Request::Reveal(selector) } else { Request::Describe(selector) };
    let mut told = Vec::new();
    for reply in connection.request(&request)? {
        match reply {
            Ok(Reply::Processes(processes)) if json => told.extend(processes.iter().map(document::process)),
            Ok(Reply::Processes(processes)) => {
                for process in &processes {
                    context.out.text(&describe(process, &look));
                }
            }
            Ok(_) => {}
            Err(ClientError::Failed(
                Refusal::NoProcess | Refusal::UnknownName(_) | Refusal::UnknownId(_),
            )) => return Err(unknown()),
            Err(error) => return Err(error.into()),
        }
    }
    if json {
        context.out.document(json!({ "processes": told }));
    }
    Ok(())
}
