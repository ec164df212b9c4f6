//! `set`, `get`, `unset`, `multiset` and `conf`: the settings in `module_conf.json`.

use std::{collections::BTreeSet, process::Command};

use clap::Args;
use rpm_core::{
    AppKey, Selector,
    name::printable,
    protocol::{Act, Action, Request},
};
use serde_json::{Map, Value, json};

use super::{Invocation, Verb};
use crate::{
    act,
    context::{self, Context, own_environment, variable},
    failure::Failure,
    module_conf::{ConfError, ModuleConf, parts, shown, variables},
};

pub(super) const SET: Verb = Verb {
    name: "set",
    aliases: &[],
    about: "Set a value of the configuration (`module:key value`)",
    takes_options: false,
    run: set,
};

pub(super) const GET: Verb = Verb {
    name: "get",
    aliases: &[],
    about: "Show a value of the configuration, or all",
    takes_options: false,
    run: get,
};

pub(super) const UNSET: Verb = Verb {
    name: "unset",
    aliases: &[],
    about: "Remove a value from the configuration, or all",
    takes_options: false,
    run: unset,
};

pub(super) const MULTISET: Verb = Verb {
    name: "multiset",
    aliases: &[],
    about: "Set values of the configuration (`\"key value key value\"`)",
    takes_options: false,
    run: multiset,
};

pub(super) const CONF: Verb =
    Verb { name: "conf", aliases: &[], about: "Show the configuration", takes_options: false, run: conf };

pub(super) const CONFIG: Verb = Verb {
    name: "config",
    aliases: &[],
    about: "Show or set a value of the configuration",
    takes_options: false,
    run: config,
};

#[derive(Args, Debug)]
struct Pair {
    key: Option<String>,
    #[arg(allow_hyphen_values = true)]
    value: Option<String>,
}

#[derive(Args, Debug)]
struct Shown {
    key: Option<String>,
    /// PM2 takes more words and shows all the same.
    #[arg(hide = true, allow_hyphen_values = true)]
    _ignored: Option<String>,
    /// Tell it as data.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct Key {
    key: String,
}

#[derive(Args, Debug)]
struct Pairs {
    #[arg(required = true, allow_hyphen_values = true)]
    value: Vec<String>,
}

impl From<ConfError> for Failure {
    fn from(error: ConfError) -> Self {
        Self::Error(error.to_string())
    }
}

fn set(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, pair) = invocation.read::<Pair>()?;
    match pair {
        Pair { key: None, .. } => edit(&context),
        Pair { key: Some(key), value: Some(value) } => assign(&mut context, &key, value),
        Pair { key: Some(key), value: None } => show(&mut context, &key),
    }
}

fn config(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, pair) = invocation.read::<Pair>()?;
    match pair {
        Pair { key: Some(key), value: Some(value) } => assign(&mut context, &key, value),
        Pair { key: Some(key), value: None } => show(&mut context, &key),
        Pair { key: None, .. } => {
            Err(Failure::Bare("\n  error: missing required argument `key'\n".to_owned()))
        }
    }
}

fn get(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Shown { key, json, .. }) = invocation.read()?;
    if json {
        let conf = ModuleConf::load(&context.home)?;
        let settings = match key {
            Some(key) => conf.get(&parts(&key)).cloned().ok_or(Failure::Said)?,
            None => Value::Object(conf.iter().map(|(key, value)| (key.clone(), value.clone())).collect()),
        };
        context.out.document(json!({ "settings": settings }));
        return Ok(());
    }
    match key {
        Some(key) => show(&mut context, &key),
        None => list(&mut context),
    }
}

fn conf(invocation: Invocation) -> Result<(), Failure> {
    // As in PM2 its arguments say nothing.
    let (mut context, Pair { .. }) = invocation.read()?;
    list(&mut context)
}

fn unset(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Key { key }) = invocation.read()?;
    let mut conf = ModuleConf::load(&context.home)?;
    if key == "all" {
        conf.clear();
    } else {
        conf.unset(&parts(&key));
    }
    conf.store_in(&context)?;
    tell_daemon(&mut context)?;
    list(&mut context)
}

fn multiset(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Pairs { value }) = invocation.read()?;
    let words: Vec<_> = value.iter().flat_map(|text| text.split_whitespace()).collect();
    let mut conf = ModuleConf::load(&context.home)?;
    for pair in words.chunks(2) {
        let [key, value] = pair else {
            return Err(Failure::Error(format!(
                "no value for {:?}: expected \"key value key value\"",
                pair[0]
            )));
        };
        conf.set(&checked(key, value)?, Value::from(*value));
    }
    conf.store_in(&context)?;
    tell_daemon(&mut context)?;
    list(&mut context)
}

/// The parts of a key whose value may be `value`.
fn checked(key: &str, value: &str) -> Result<Vec<String>, Failure> {
    let parts = parts(key);
    if parts.is_empty() {
        return Err(Failure::Error(format!("{key:?} is no key: expected `module:key`")));
    }
    match rpm_daemon::check_setting(&parts, value) {
        Ok(()) => Ok(parts),
        Err(reason) => Err(Failure::Error(format!("{}: {reason}", printable(&parts.join(":"))))),
    }
}

/// Sets one value; whoever it is meant for gets a new run with it.
fn assign(context: &mut Context, key: &str, value: String) -> Result<(), Failure> {
    let parts = checked(key, &value)?;
    let mut conf = ModuleConf::load(&context.home)?;
    conf.set(&parts, Value::String(value));
    conf.store_in(context)?;
    tell_daemon(context)?;
    if parts.len() > 1 {
        restart(context, &parts[0], &conf)?;
        context.out.info("Setting changed");
    }
    list(context)
}

impl ModuleConf {
    /// [`Self::store`] into a home that may not be there yet.
    fn store_in(&self, context: &Context) -> Result<(), Failure> {
        rpm_client::prepare_home(&context.home)?;
        Ok(self.store()?)
    }
}

/// Has the daemon read the settings that are its own.
fn tell_daemon(context: &mut Context) -> Result<(), Failure> {
    if let Some(mut connection) = context.connect()? {
        for reply in connection.request(&Request::ReloadSettings)? {
            reply?;
        }
    }
    Ok(())
}

/// Restarts the app that settings are for, if it is there.
fn restart(context: &mut Context, app: &str, conf: &ModuleConf) -> Result<(), Failure> {
    let Some(mut connection) = context.connect()? else { return Ok(()) };
    let rows = context::rows(&mut connection)?;
    let namespaces: BTreeSet<_> =
        rows.iter().filter(|row| row.name == app).map(|row| row.namespace.to_string()).collect();
    if namespaces.is_empty() {
        return Ok(());
    }
    for namespace in namespaces {
        let mut env = own_environment();
        let mut patch = Map::new();
        // What was declared for the app itself stands above the environment of this shell.
        let target = Selector::of_key(AppKey { namespace, name: app.to_owned() });
        let process = context::revealed(&mut connection, Some(target.clone()))?.into_iter().next();
        let mut declared = process.map(|process| process.spec.env.clone()).unwrap_or_default();
        for (name, value) in variables(conf, app) {
            if declared.contains_key(&name) {
                declared.set(name, value);
            } else {
                env.set(name, value);
            }
        }
        patch.insert("env".to_owned(), json!(declared));
        let act = Act { action: Action::Restart, target, env: Some(env), patch };
        act::act_quietly(context, &mut connection, act)?;
    }
    context.out.info(&format!("Module {} restarted", printable(app)));
    Ok(())
}

fn show(context: &mut Context, key: &str) -> Result<(), Failure> {
    let conf = ModuleConf::load(&context.home)?;
    let parts = parts(key);
    let Some(value) = conf.get(&parts) else { return Err(Failure::Said) };
    if let ([module, rest @ ..], false) = (parts.as_slice(), value.is_object()) {
        if rest.is_empty() {
            context.out.line(&printable(&shown(value)));
        } else {
            let (module, key) = (printable(module), rest.join(":"));
            let value = shown(value);
            context.out.line(&format!(
                "Value for module {module} key {}: {}",
                printable(&key),
                printable(&value)
            ));
        }
        return Ok(());
    }
    if let Some(module) = parts.first() {
        module_lines(context, module, conf.get(std::slice::from_ref(module)).unwrap_or(&Value::Null));
    }
    context.out.line("Modules configuration. Copy/Paste line to edit values.");
    Ok(())
}

fn list(context: &mut Context) -> Result<(), Failure> {
    let conf = ModuleConf::load(&context.home)?;
    for (module, values) in conf.iter() {
        module_lines(context, module, values);
    }
    Ok(())
}

/// The lines that would set what is set.
fn module_lines(context: &mut Context, module: &str, values: &Value) {
    let word = context.persona().word();
    let Value::Object(values) = values else { return };
    context.out.line(&format!("Module: {}", printable(module)));
    for (key, value) in values {
        let line = format!("$ {word} set {module}:{key} {}", shown(value));
        context.out.line(&printable(&line));
    }
}

/// Opens the file in the editor of whoever calls.
fn edit(context: &Context) -> Result<(), Failure> {
    let conf = ModuleConf::load(&context.home)?;
    let path = ModuleConf::path(&context.home);
    if !path.exists() {
        conf.store_in(context)?;
    }
    let chosen =
        ["VISUAL", "EDITOR"].into_iter().find_map(|name| variable(name).filter(|value| !value.is_empty()));
    let chosen = chosen.unwrap_or_else(|| "vim".to_owned());
    // An editor may come with arguments, `code --wait`.
    let mut words = chosen.split_whitespace();
    let program = words.next().unwrap_or("vim");
    let status = Command::new(program).args(words).arg(&path).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::Error(format!("{program} ended with {status}"))),
        Err(error) => Err(Failure::Error(format!("cannot run {program}: {error}"))),
    }
}
