//! `wait`: until processes are online, ready, healthy, stopped, or have ended. And the `--wait` of `start`.

use std::{process, thread, time::Duration};

use clap::Args;
use rpm_client::Connection;
use rpm_core::{
    Millis, Persona,
    name::printable,
    protocol::{Reply, Request, Until, Wait, Waited},
};

use super::{Invocation, Verb};
use crate::{
    context::{Context, variable},
    failure::Failure,
    output::Output,
};

pub(super) const VERB: Verb = Verb {
    name: "wait",
    aliases: &[],
    about: "Wait until processes are up, healthy, or have ended",
    takes_options: false,
    run,
};

/// The exit code where the time was over, as of timeout(1).
const TIMED_OUT: i32 = 124;

#[derive(Args, Debug)]
struct Arguments {
    /// Which processes.
    #[arg(required = true, value_name = "id|name|namespace|all")]
    targets: Vec<String>,
    /// Until they are `online`, `ready` (as they declare it), `healthy`, `stopped`, or `exit`: the present run has ended.
    /// Without this: healthy where they have a health check, else ready.
    #[arg(long = "for", value_name = "what", value_parser = until)]
    until: Option<Until>,
    #[command(flatten)]
    limit: Limit,
}

/// How long a wait may take.
#[derive(Args, Debug)]
pub(super) struct Limit {
    /// Give up after this time (`30s`, `500ms`; a bare number is seconds): exit code 124.
    #[arg(long, value_name = "time", value_parser = time)]
    timeout: Option<Duration>,
}

fn until(word: &str) -> Result<Until, String> {
    match word {
        "online" => Ok(Until::Online),
        "ready" => Ok(Until::Ready),
        "healthy" => Ok(Until::Healthy),
        "stopped" => Ok(Until::Stopped),
        "exit" => Ok(Until::Exit),
        _ => Err("expected online, ready, healthy, stopped or exit".to_owned()),
    }
}

/// Seconds, as timeout(1) takes them, or text with a unit.
fn time(text: &str) -> Result<Duration, String> {
    match text.parse::<u64>() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => text.parse::<Millis>().map(Duration::from).map_err(|error| error.to_string()),
    }
}

impl Limit {
    /// Ends this program when the time is over, whatever it is doing then.
    pub(super) fn begin(&self, persona: Persona) {
        let Some(limit) = self.timeout else { return };
        thread::spawn(move || {
            thread::sleep(limit);
            Output::new(persona, variable).error(&format!("not there after {limit:?}"));
            process::exit(TIMED_OUT);
        });
    }
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Arguments { targets, until, limit }) = invocation.read()?;
    limit.begin(context.persona());
    let mut failed = false;
    for target in &targets {
        let Some(mut connection) = context.connect()? else {
            return Err(Failure::Error("no daemon is running: there is nothing to wait for".to_owned()));
        };
        let target = Some(context.selector(target));
        let wait = Wait { target, ids: Vec::new(), until: until.unwrap_or(Until::Up) };
        failed |= !ask(&mut context, &mut connection, wait)?;
    }
    if failed { Err(Failure::Said) } else { Ok(()) }
}

/// Waits until those that were started are up: healthy where they have a health check, else ready.
pub(super) fn until_up(context: &mut Context, connection: &mut Connection) -> Result<(), Failure> {
    let wait = Wait { target: None, ids: context.acted.clone(), until: Until::Up };
    if ask(context, connection, wait)? { Ok(()) } else { Err(Failure::Said) }
}

/// False if one of them cannot come there any more, which has been said then.
fn ask(context: &mut Context, connection: &mut Connection, wait: Wait) -> Result<bool, Failure> {
    let mut went_well = true;
    for reply in connection.request(&Request::Wait(wait))? {
        if let Reply::Waited(Waited { id, name, failure: Some(reason) }) = reply? {
            context.out.error(&format!("[{}]({id}) {}", printable(&name), printable(&reason)));
            went_well = false;
        }
    }
    Ok(went_well)
}
