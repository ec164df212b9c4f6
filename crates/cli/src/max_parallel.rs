//! How many tasks may run at the same time, as files declare it: settings of the home, like those of `set`.

use rpm_client::Connection;
use rpm_core::{MaxParallel, protocol::Request};
use serde_json::Value;

use crate::{
    context::Context,
    failure::Failure,
    module_conf::{ModuleConf, shown},
};

/// The keys of `module_conf.json` and their values. The daemon reads the same.
fn settings(declared: &MaxParallel) -> impl Iterator<Item = (Vec<String>, String)> + '_ {
    let home = declared.home.map(|limit| (vec!["max_parallel"], limit));
    let namespaces =
        declared.namespaces.iter().map(|(name, limit)| (vec!["namespaces", name, "max_parallel"], *limit));
    home.into_iter().chain(namespaces).map(|(path, limit)| {
        let key = std::iter::once("rpm").chain(path).map(str::to_owned).collect();
        (key, limit.to_string())
    })
}

/// What the files that were read declare and the home does not have yet, a text for each.
pub(crate) fn changes(context: &Context) -> Result<Vec<String>, Failure> {
    let conf = ModuleConf::load(&context.home)?;
    Ok(differences(&conf, &context.max_parallel)
        .map(|(key, value)| format!("{} {value}", key.join(":")))
        .collect())
}

fn differences<'a>(
    conf: &'a ModuleConf,
    declared: &'a MaxParallel,
) -> impl Iterator<Item = (Vec<String>, String)> + 'a {
    settings(declared).filter(|(key, value)| conf.get(key).map(shown).as_ref() != Some(value))
}

/// Makes what the files declare settings of the home, before the first of their apps is started.
pub(crate) fn set(context: &mut Context, connection: &mut Connection) -> Result<(), Failure> {
    let declared = std::mem::take(&mut context.max_parallel);
    if declared.is_empty() {
        return Ok(());
    }
    let mut conf = ModuleConf::load(&context.home)?;
    let changes: Vec<_> = differences(&conf, &declared).collect();
    if changes.is_empty() {
        return Ok(());
    }
    for (key, value) in changes {
        context.out.info(&format!("set {} {value}", key.join(":")));
        conf.set(&key, Value::String(value));
    }
    conf.store()?;
    for reply in connection.request(&Request::ReloadSettings)? {
        reply?;
    }
    Ok(())
}
