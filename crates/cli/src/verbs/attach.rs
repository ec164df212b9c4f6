//! `attach`: what is typed goes to a process, and what it writes is shown.

use std::{
    io::{self, BufRead},
    sync::mpsc::{self, Sender},
    thread,
};

use clap::Args;
use rpm_client::{ClientError, Connection};
use rpm_core::{
    ProcessId,
    protocol::{Failure as Refusal, Input, Request},
};

use super::{Invocation, Verb};
use crate::{
    context::{self, Context},
    failure::Failure,
    logs::{
        print::{Form, Printer},
        stream::Stream,
        watch::Wake,
    },
};

pub(super) const VERB: Verb = Verb {
    name: "attach",
    aliases: &[],
    about: "Type to a process and see what it writes",
    takes_options: false,
    run,
};

#[derive(Args, Debug)]
struct Attach {
    /// To whom.
    #[arg(value_name = "pm_id")]
    id: String,
    /// What ends a line, instead of a line break.
    separator: Option<String>,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Attach { id, separator }) = invocation.read()?;
    let Ok(number) = id.parse::<u32>() else {
        return Err(Failure::Bare("pm_id must be a process number (not a process name)".to_owned()));
    };
    let Some(mut connection) = context.connect()? else {
        return Err(Refusal::UnknownId(number).into());
    };
    let processes = context::processes(&mut connection, Some(context.selector(&id)))?;
    let (sender, wakes) = mpsc::channel();
    let stream = Stream::begin(&processes, sender.clone()).map_err(Failure::Error)?;
    let typing =
        thread::spawn(move || type_lines(connection, ProcessId(number), separator.as_deref(), &sender));
    let mut printer = Printer::new(context.out.paint, Form::Raw, None);
    stream.run(&wakes, &mut printer, context.out);
    if context.out.is_broken() {
        return Ok(());
    }
    match typing.join() {
        Ok(Err(error)) => Err(error),
        _ => Ok(()),
    }
}

/// Hands lines on until there are no more, or nobody takes them.
fn type_lines(
    mut connection: Connection,
    id: ProcessId,
    separator: Option<&str>,
    wakes: &Sender<Wake>,
) -> Result<(), Failure> {
    let outcome = io::stdin().lock().lines().try_for_each(|line| {
        let Ok(mut line) = line else { return Ok(()) };
        line.extend(separator);
        for reply in connection.request(&Request::Input(Input { id, line }))? {
            reply?;
        }
        Ok(())
    });
    // Who typed is gone, so nobody reads.
    let _ = wakes.send(Wake::Unread);
    outcome.map_err(|error: ClientError| error.into())
}

/// The end of a verb that starts something: the list, and with `--attach` the output of who was acted on.
pub(super) fn conclude(mut context: Context, mut connection: Option<&mut Connection>) -> Result<(), Failure> {
    context.show_list(connection.as_deref_mut())?;
    listen(&mut context, connection)
}

/// With `--attach`: shows the output of who was acted on, until nobody reads.
pub(super) fn listen(context: &mut Context, connection: Option<&mut Connection>) -> Result<(), Failure> {
    let (true, Some(connection)) = (context.options.attach, connection) else { return Ok(()) };
    let mut processes = context::processes(connection, None)?;
    processes.retain(|process| context.acted.contains(&process.summary.id));
    let (sender, wakes) = mpsc::channel();
    let stream = Stream::begin(&processes, sender).map_err(Failure::Error)?;
    let ids: Vec<_> = processes.iter().map(|process| process.summary.id.to_string()).collect();
    context.out.info(&format!("Log streaming apps id: {}, exit with Ctrl-C", ids.join(" ")));
    let mut printer = Printer::new(context.out.paint, Form::Labelled, None);
    stream.run(&wakes, &mut printer, context.out);
    Ok(())
}
