//! `restart`: ends processes and starts them again, with what the options change.

use clap::Args;
use rpm_client::{ClientError, Connection};
use rpm_core::protocol::{Act, Action, Request};
use rpm_ecosystem::{Use, is_ecosystem_file};
use serde_json::Map;

use super::{Invocation, Verb, attach, start};
use crate::{act, apps::Declared, failure::Failure};

pub(super) const VERB: Verb = Verb {
    name: "restart",
    aliases: &[],
    about: "Restart processes, or all apps of a file",
    takes_options: true,
    run,
};

#[derive(Args, Debug)]
struct Restart {
    /// Which processes, or a file that declares apps.
    #[arg(required = true, value_name = "id|name|namespace|all|json|stdin")]
    targets: Vec<String>,
    /// New arguments of the script.
    #[arg(last = true, value_name = "args")]
    args: Vec<String>,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Restart { targets, args }) = invocation.read()?;
    let mut declared = Declared::new(&mut context, args)?;
    let files: Vec<_> = targets.iter().filter(|target| is_ecosystem_file(target)).cloned().collect();
    let mut files = start::load_all(&mut context, &mut declared, &files, Use::Restart)?.into_iter();
    let mut connection = context.connect()?;
    for target in &targets {
        if is_ecosystem_file(target) {
            let mut daemon = match connection.take() {
                Some(daemon) => daemon,
                None => context.connect_or_spawn()?,
            };
            if let Some(apps) = files.next() {
                start::apps(&mut context, &mut daemon, &declared, apps, Action::Restart)?;
            }
            connection = Some(daemon);
            continue;
        }
        context.needs_file_for_profile()?;
        context.hint_update_env();
        let mut act = declared.restart(&mut context, target)?;
        if context.options.watches() {
            // As in PM2 the option switches over what is there, whatever its value.
            act.patch.remove("watch");
            toggle_watch(connection.as_mut(), &act)?;
        }
        act::act(&mut context, connection.as_mut(), act)?;
    }
    attach::conclude(context, connection.as_mut())
}

/// Who is not there is told by the restart that follows.
fn toggle_watch(connection: Option<&mut Connection>, restart: &Act) -> Result<(), Failure> {
    let Some(connection) = connection else { return Ok(()) };
    let toggle =
        Act { action: Action::ToggleWatch, target: restart.target.clone(), env: None, patch: Map::new() };
    for reply in connection.request(&Request::Act(toggle))? {
        match reply {
            Ok(_) | Err(ClientError::Failed(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
