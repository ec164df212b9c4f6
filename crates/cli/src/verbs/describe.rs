//! `describe`: all about the processes of a name or an id.

use clap::Args;
use rpm_client::ClientError;
use rpm_core::{
    Persona, ProcessInfo,
    protocol::{Failure as Refusal, Reply, Request},
};
use rpm_history::Run;
use serde_json::json;

use super::{Invocation, Verb};
use crate::{
    context::{self, Context, own_environment},
    failure::Failure,
    render::{
        describe::{Look, describe},
        document,
    },
    runs::{self, Query, Whose},
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
                    let runs = last_runs(&context, process);
                    context.out.text(&describe(process, &runs, &look));
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

/// Runs of a process that are shown.
const RUNS: usize = 5;

/// The last runs of a process, the oldest first. Under the name of PM2 nothing is added.
fn last_runs(context: &Context, process: &ProcessInfo) -> Vec<Run> {
    if context.persona() != Persona::Rpm {
        return Vec::new();
    }
    let whose = vec![Whose::Process(process.summary.id, process.summary.name.to_string())];
    let query = Query { whose, limit: Some(RUNS), ..Query::default() };
    // `history` tells why they cannot be read.
    let mut runs = runs::find(&context.home, &query).unwrap_or_default();
    runs.reverse();
    runs
}
