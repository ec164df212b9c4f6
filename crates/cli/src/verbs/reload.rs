//! `reload`: gives processes a new run without an interruption where they can be; where not, it is a restart.

use clap::Args;
use rpm_core::protocol::{Act, Action};
use rpm_ecosystem::{Use, is_ecosystem_file};

use super::{Invocation, Verb, attach, start};
use crate::{act, apps::Declared, failure::Failure, reload_lock::ReloadLock};

pub(super) const VERB: Verb = Verb {
    name: "reload",
    aliases: &["gracefulReload"],
    about: "Reload processes, or all apps of a file",
    takes_options: true,
    run,
};

#[derive(Args, Debug)]
struct Reload {
    /// Which processes, or a file that declares apps.
    #[arg(value_name = "id|name|namespace|all|json")]
    target: String,
    /// New arguments of the script.
    #[arg(last = true)]
    args: Vec<String>,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Reload { target, args }) = invocation.read()?;
    let mut declared = Declared::new(&mut context, args)?;
    if is_ecosystem_file(&target) {
        let files = std::slice::from_ref(&target);
        let apps = start::load_all(&mut context, &mut declared, files, Use::Restart)?.concat();
        let mut connection = context.connect_or_spawn()?;
        let lock = ReloadLock::take(&context)?;
        start::apps(&mut context, &mut connection, &declared, apps, Action::Reload)?;
        drop(lock);
        return attach::listen(&mut context, Some(&mut connection));
    }
    context.needs_file_for_profile()?;
    context.hint_update_env();
    let act = Act { action: Action::Reload, ..declared.restart(&mut context, &target)? };
    let mut connection = context.connect()?;
    let lock = match &connection {
        Some(_) => Some(ReloadLock::take(&context)?),
        None => None,
    };
    act::act(&mut context, connection.as_mut(), act)?;
    drop(lock);
    attach::listen(&mut context, connection.as_mut())
}
