//! `sendSignal`: a signal for main processes.

use clap::Args;
use rpm_client::ClientError;
use rpm_core::{
    Signal,
    protocol::{Failure as Refusal, Request, SendSignal},
    selector::Form,
};

use super::{Invocation, Verb};
use crate::{context::Context, failure::Failure};

pub(super) const VERB: Verb =
    Verb { name: "sendSignal", aliases: &[], about: "Send a signal to processes", takes_options: false, run };

#[derive(Args, Debug)]
struct Arguments {
    /// Its name, as `SIGUSR2`, or its number.
    signal: String,
    /// To whom.
    #[arg(value_name = "pm2_id|name")]
    target: String,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Arguments { signal, target }) = invocation.read()?;
    let selector = context.selector(&target);
    let by = if matches!(selector.form(), Form::Number(_)) { "id" } else { "name" };
    context.out.info(&format!("Sending signal to process {by} {target}"));
    let known = signal.parse::<Signal>().or_else(|error| match signal.parse::<i32>() {
        Ok(number) => Signal::try_from(number),
        Err(_) => Err(error),
    });
    let known = known.map_err(|_| {
        Failure::Bare(match by {
            // PM2's words for either.
            "id" => "Error when sending signal (signal unknown)".to_owned(),
            _ => format!("Unknown signal: {signal}"),
        })
    })?;
    let Some(mut connection) = context.connect()? else { return Err(unknown(&context, &target)) };
    let request = Request::Signal(SendSignal { target: selector, signal: known });
    for reply in connection.request(&request)? {
        match reply {
            Ok(_) => {}
            Err(ClientError::Failed(
                Refusal::NoProcess | Refusal::UnknownName(_) | Refusal::UnknownId(_),
            )) => return Err(unknown(&context, &target)),
            Err(error) => return Err(error.into()),
        }
    }
    context.out.line(&format!("successfully sent signal {signal} to process {by} {target}"));
    context.show_list(Some(&mut connection))
}

fn unknown(context: &Context, target: &str) -> Failure {
    Failure::Bare(match context.selector(target).form() {
        Form::Number(id) => format!("{id} id unknown"),
        _ => "Unknown process name".to_owned(),
    })
}
