//! `why`: the story of a process.

use clap::Args;
use rpm_client::ClientError;
use rpm_core::{
    ProcessId, ProcessInfo,
    protocol::{Failure as Refusal, Reply, Request},
};
use rpm_history::Run;
use serde_json::json;

use super::{Invocation, Verb};
use crate::{
    context::{self, Context},
    failure::Failure,
    render::{self, why::Story},
    runs::{self, Query, Whose},
};

pub(super) const VERB: Verb = Verb {
    name: "why",
    aliases: &[],
    about: "Tell the story of a process: what ended it, what it said, what comes next",
    takes_options: false,
    run,
};

#[derive(Args, Debug)]
struct Why {
    /// Name, namespace, id or `/regex/`.
    #[arg(value_name = "name")]
    target: String,
    /// Tell it as data.
    #[arg(long)]
    json: bool,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Why { target, json }) = invocation.read()?;
    let present = present(&context, &target)?;
    let mut stories = Vec::new();
    if present.is_empty() {
        // What is no longer in the list, or was in that of a daemon that is gone.
        let whose = vec![Whose::of(&context.selector(&target))?];
        let found = runs::find(&context.home, &Query { whose, limit: Some(1), ..Query::default() })?;
        for run in found {
            stories.push(story(&context, run.id, &run.name.clone(), None)?);
        }
    }
    for process in present {
        let (id, name) = (process.summary.id, process.summary.name.clone());
        stories.push(story(&context, id, &name, Some(process))?);
    }
    if stories.is_empty() {
        return Err(Failure::Warning(format!("{target} doesn't exist, and nothing is known of it")));
    }
    let now = context::now_millis();
    if json {
        let told: Vec<_> = stories.iter().map(render::why::data).collect();
        context.out.document(json!({ "processes": told }));
    } else {
        for story in &stories {
            let text = render::why::story(story, context.out.paint, now);
            context.out.text(&text);
        }
    }
    Ok(())
}

/// Those in the list that are meant.
fn present(context: &Context, target: &str) -> Result<Vec<ProcessInfo>, Failure> {
    let Some(mut connection) = context.connect()? else { return Ok(Vec::new()) };
    let mut present = Vec::new();
    for reply in connection.request(&Request::Describe(Some(context.selector(target))))? {
        match reply {
            Ok(Reply::Processes(processes)) => present.extend(processes),
            Ok(_) => {}
            Err(ClientError::Failed(
                Refusal::NoProcess | Refusal::UnknownName(_) | Refusal::UnknownId(_),
            )) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(present)
}

/// What is known of a process: its last run and the last that failed, which may be the same.
fn story(
    context: &Context,
    id: ProcessId,
    name: &str,
    process: Option<ProcessInfo>,
) -> Result<Story, Failure> {
    let latest = |failed| -> Result<Option<Run>, Failure> {
        let whose = vec![Whose::Process(id, name.to_owned())];
        Ok(runs::find(&context.home, &Query { whose, failed, limit: Some(1), since: None })?.pop())
    };
    let last = latest(false)?;
    let failed = match &last {
        Some(run) if !run.has_failed() => latest(true)?,
        _ => None,
    };
    let told = failed.as_ref().or(last.as_ref());
    let said = runs::said(&context.home, &told.cloned().into_iter().collect::<Vec<_>>())?;
    let words = told.and_then(Run::key).and_then(|key| said.get(&key).cloned());
    Ok(Story { id, name: name.to_owned(), process, last, failed, words })
}
