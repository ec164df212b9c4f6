//! `flush`: empties logs.

use clap::Args;
use rpm_client::{ClientError, Connection};
use rpm_core::{
    Selector,
    protocol::{Failure as Refusal, Reply, Request},
};

use super::{Invocation, Verb};
use crate::{context::Context, failure::Failure};

pub(super) const VERB: Verb =
    Verb { name: "flush", aliases: &[], about: "Empty the logs", takes_options: false, run };

#[derive(Args, Debug)]
struct Flush {
    /// Whose logs; all, and the daemon's own, if missing.
    #[arg(value_name = "name|id")]
    target: Option<String>,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Flush { target }) = invocation.read()?;
    if let Some(mut connection) = context.connect()? {
        let selector = target.map(|target| context.selector(&target));
        flush(&mut context, &mut connection, selector)?;
    }
    context.out.info("Logs flushed");
    Ok(())
}

/// As in PM2, a target that is not there is no failure.
fn flush(
    context: &mut Context,
    connection: &mut Connection,
    target: Option<Selector>,
) -> Result<(), Failure> {
    let daemon_log = context.home.daemon_log();
    let mut headed = false;
    for reply in connection.request(&Request::Flush(target))? {
        match reply {
            Ok(Reply::File(path)) if path == daemon_log => {
                context.out.info(&format!("Flushing {}", path.display()));
            }
            Ok(Reply::File(path)) => {
                if !headed {
                    context.out.info("Flushing:");
                    headed = true;
                }
                context.out.info(&path.display().to_string());
            }
            Ok(_) => {}
            Err(ClientError::Failed(
                Refusal::NoProcess | Refusal::UnknownName(_) | Refusal::UnknownId(_),
            )) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
