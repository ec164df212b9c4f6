//! `trigger`: has actions done that apps offer, and shows what they answer.

use clap::Args;
use rpm_client::{ClientError, Connection};
use rpm_core::{
    name::printable,
    protocol::{Failure as Refusal, ProcessRef, Reply, Request, Trigger},
    selector::Form,
};

use super::{Invocation, Verb};
use crate::{
    context::{self, Context},
    failure::Failure,
};

pub(super) const VERB: Verb = Verb {
    name: "trigger",
    aliases: &[],
    about: "Have an action done that an app offers",
    takes_options: false,
    run,
};

#[derive(Args, Debug)]
struct Arguments {
    /// Whose.
    #[arg(value_name = "id|proc_name|namespace|all")]
    target: String,
    /// Its name.
    #[arg(value_name = "action_name")]
    action: String,
    /// What it gets.
    #[arg(value_name = "params", allow_hyphen_values = true)]
    param: Option<String>,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Arguments { target, action, param }) = invocation.read()?;
    let Some(mut connection) = context.connect()? else { return Err(nobody()) };
    let selector = context.selector(&target);
    let by_id = matches!(selector.form(), Form::Number(_));
    let answered = trigger(
        &mut context,
        &mut connection,
        Trigger { target: selector.clone(), action: action.clone(), param },
        |context, process, namespace, value| {
            let name = printable(&process.name);
            context.out.line(&format!("[{name}:{}:{}]={value}", process.id, printable(namespace)));
        },
    );
    match answered {
        // Who asks one process is told that it is there, and does not offer that.
        Err(ClientError::Failed(Refusal::NoAction)) if by_id => {
            let process = context::processes(&mut connection, Some(selector))?.into_iter().next();
            match process.filter(|process| process.summary.pid != 0) {
                Some(process) => Err(Failure::Bare(format!(
                    "Action doesn't exist {action} for {}",
                    printable(&process.summary.name)
                ))),
                None => Err(nobody()),
            }
        }
        Err(ClientError::Failed(Refusal::UnknownId(id))) => Err(Failure::Bare(format!("{id} id unknown"))),
        Err(ClientError::Failed(Refusal::NoAction | Refusal::NoProcess | Refusal::UnknownName(_))) => {
            Err(nobody())
        }
        outcome => Ok(outcome?),
    }
}

/// Asks, tells how many were reached, and gives each answer to `show`.
pub(super) fn trigger(
    context: &mut Context,
    connection: &mut Connection,
    trigger: Trigger,
    mut show: impl FnMut(&mut Context, &ProcessRef, &str, &serde_json::Value),
) -> Result<(), ClientError> {
    let action = trigger.action.clone();
    for reply in connection.request(&Request::Trigger(trigger))? {
        match reply? {
            Reply::Reached(count) => {
                context.out.line(&format!("{count} processes have received command {action}"));
            }
            Reply::Answer { process, namespace, value } => show(context, &process, &namespace, &value),
            _ => {}
        }
    }
    Ok(())
}

fn nobody() -> Failure {
    Failure::Bare(Refusal::NoAction.to_string())
}
