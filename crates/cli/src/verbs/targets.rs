//! `stop` and `delete`: one action on each of several targets, in their order.

use clap::Args;
use rpm_client::Connection;
use rpm_core::{
    AppSpec, Selector,
    protocol::{Act, Action},
};
use rpm_ecosystem::{Use, is_ecosystem_file};

use super::Invocation;
use crate::{
    act::{act, act_quietly},
    apps::Declared,
    context::{self, Context},
    failure::Failure,
};

#[derive(Args, Debug)]
struct Targets {
    /// Which processes.
    #[arg(required = true, value_name = "id|name|namespace|all|json|stdin")]
    targets: Vec<String>,
}

/// Does it, and shows the list. The first failure ends it; what was done before stays done.
pub(super) fn each(invocation: Invocation, action: Action) -> Result<(), Failure> {
    let (mut context, Targets { targets }) = invocation.read()?;
    let mut connection = context.connect()?;
    for target in &targets {
        if is_ecosystem_file(target) {
            let mut declared = Declared::new(&mut context, Vec::new())?;
            let loaded = declared.load(&mut context, target, Use::Select)?;
            Declared::check_names(&mut context, std::slice::from_ref(&loaded), Use::Select)?;
            let apps = loaded.apps;
            if let Some(connection) = &mut connection {
                apps_of_file(&mut context, connection, action, &apps)?;
            }
        } else {
            let act_on =
                Act { action, target: context.selector(target), env: None, patch: serde_json::Map::new() };
            act(&mut context, connection.as_mut(), act_on)?;
        }
    }
    context.show_list(connection.as_mut())
}

/// Acts on the apps of a file by their names. Those that are not there are passed over, as in PM2.
fn apps_of_file(
    context: &mut Context,
    connection: &mut Connection,
    action: Action,
    apps: &[AppSpec],
) -> Result<(), Failure> {
    let rows = context::rows(connection)?;
    // Those that others need end last.
    let is_there =
        |app: &&AppSpec| rows.iter().any(|row| row.name == app.name && row.namespace == app.namespace);
    for app in apps.iter().rev().filter(is_there) {
        let target = Selector::of_key(app.key());
        act_quietly(context, connection, Act { action, target, env: None, patch: serde_json::Map::new() })?;
    }
    Ok(())
}
