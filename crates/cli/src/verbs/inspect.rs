//! `inspect`: switches the debugger of a Node app on or off, by the action that its APM module offers.

use clap::Args;
use rpm_client::ClientError;
use rpm_core::{
    name::printable,
    protocol::{Failure as Refusal, Trigger},
};
use serde_json::Value;

use super::{Invocation, Verb, trigger::trigger};
use crate::failure::Failure;

pub(super) const VERB: Verb = Verb {
    name: "inspect",
    aliases: &[],
    about: "Switch the debugger of a Node app on or off",
    takes_options: false,
    run,
};

#[derive(Args, Debug)]
struct Inspect {
    /// Which app.
    name: String,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Inspect { name }) = invocation.read()?;
    let name_shown = printable(&name).into_owned();
    let request =
        Trigger { target: context.selector(&name), action: "internal:inspect".to_owned(), param: None };
    let mut told = false;
    if let Some(mut connection) = context.connect()? {
        let outcome = trigger(&mut context, &mut connection, request, |context, _, _, value| {
            // The address of the debugger, or nothing where it was switched off.
            match value.as_str().or_else(|| value.get("return").and_then(Value::as_str)) {
                Some(address) if !address.is_empty() => {
                    context.out.line(&format!("Inspect enabled on {name_shown} => {}", printable(address)));
                }
                _ => context.out.line(&format!("Inspect disabled on {name_shown}")),
            }
            told = true;
        });
        match outcome {
            Ok(())
            | Err(ClientError::Failed(
                Refusal::NoAction | Refusal::NoProcess | Refusal::UnknownName(_) | Refusal::UnknownId(_),
            )) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if told {
        return Ok(());
    }
    context.out.error_line(&Refusal::NoAction.to_string());
    context.out.line(&format!("Unable to activate inspect mode on {name_shown} !!!"));
    Ok(())
}
