//! `install` and `uninstall`: packages of npm that run as apps, in `modules/` of the home.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Args;
use rpm_client::Connection;
use rpm_core::{
    AppSpec, Env, Selector, Watch,
    name::printable,
    protocol::{Act, Action},
};
use serde_json::{Map, Value, json};

use super::{Invocation, Verb, start};
use crate::{
    act,
    apps::Declared,
    context::{self, Context},
    failure::Failure,
    module_conf::ModuleConf,
};

pub(super) const INSTALL: Verb = Verb {
    name: "install",
    aliases: &["module:install", "module:update"],
    about: "Install a package of npm and run it as an app",
    takes_options: false,
    run: install,
};

pub(super) const UNINSTALL: Verb = Verb {
    name: "uninstall",
    aliases: &["module:uninstall"],
    about: "Stop such an app and remove its package",
    takes_options: false,
    run: uninstall,
};

#[derive(Args, Debug)]
struct Install {
    /// A package as npm names it: name, name@version, URL, directory.
    #[arg(value_name = "module|git:/")]
    package: String,
    /// Accepted for PM2's sake.
    #[arg(long, hide = true)]
    v1: bool,
    /// Accepted for PM2's sake.
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "")]
    safe: Option<String>,
}

#[derive(Args, Debug)]
struct Uninstall {
    /// Its name, or `all`.
    module: String,
}

/// PM2's key for what is installed.
const INSTALLED: &str = "module-db-v2";
/// What this package does, the daemon does itself.
const ROTATION: &str = "pm2-logrotate";

fn install(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Install { package, .. }) = invocation.read()?;
    if package == ROTATION || package.starts_with(&format!("{ROTATION}@")) {
        say(&mut context, "Logs are rotated by the daemon itself: nothing has to be installed");
        let word = context.persona().word();
        say(
            &mut context,
            &format!("Its settings are those of {ROTATION}: {word} set {ROTATION}:max_size 10M"),
        );
        return Ok(());
    }
    if package.starts_with('-') {
        return Err(Failure::Error(format!("{package:?} is no package")));
    }
    if package == "." {
        return develop(&mut context);
    }
    let local = context.cwd.join(&package);
    // npm installs in a directory of its own, from where a relative path would lead elsewhere.
    let is_local = package.starts_with(['.', '/']) && local.is_dir();
    let package = if is_local { local.to_string_lossy().into_owned() } else { package };
    say(&mut context, &format!("Installing NPM {} module", printable(&package)));
    let modules = context.home.root().join("modules");
    rpm_client::prepare_home(&context.home)?;
    let staging = modules.join(format!(".new-{}", std::process::id()));
    fs::create_dir_all(&staging).map_err(|error| cannot("make", &staging, &error))?;
    let installed = fetch(&mut context, &package, &staging).and_then(|name| {
        let script = runs(&name, &staging.join("node_modules").join(&name))?;
        refuse_taken(&mut context, &name)?;
        let directory = modules.join(&name);
        remove(&directory)?;
        if let Some(parent) = directory.parent() {
            fs::create_dir_all(parent).map_err(|error| cannot("make", parent, &error))?;
        }
        fs::rename(&staging, &directory).map_err(|error| cannot("make", &directory, &error))?;
        Ok((name, script))
    });
    let (name, script) = installed.inspect_err(|_| {
        // What failed is told; what was left of it says nothing more.
        let _ = fs::remove_dir_all(&staging);
    })?;
    let mut conf = ModuleConf::load(&context.home)?;
    conf.set(&[INSTALLED.to_owned(), name.clone()], json!({ "uid": Value::Null }));
    conf.store()?;
    let directory = installed_at(&context, &name);
    let (declared, app) = module(&mut context, &name, &script, &directory)?;
    launch(&mut context, &declared, app)?;
    say(&mut context, "Module successfully installed and launched");
    let word = context.persona().word();
    say(&mut context, &format!("Checkout module options: `$ {word} conf`"));
    let mut connection = context.connect()?;
    context.show_list(connection.as_mut())
}

/// Has npm install a package below `directory`, and gives its name.
fn fetch(context: &mut Context, package: &str, directory: &Path) -> Result<String, Failure> {
    say(context, &format!("Calling [NPM] to install {} ...", printable(package)));
    let status = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"])
        .arg(directory)
        .arg("--")
        .arg(package)
        .current_dir(directory)
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => {
            return Err(Failure::Error(format!("npm ended with {status}: {package} was not installed")));
        }
        Err(error) => return Err(Failure::Error(format!("cannot run npm: {error}"))),
    }
    say(context, "Module downloaded");
    // npm notes what it was asked for, under the name that the package has.
    let manifest = manifest(directory)?;
    let names =
        manifest["dependencies"].as_object().map(|packages| packages.keys().cloned().collect::<Vec<_>>());
    match names.as_deref() {
        Some([name]) if is_plain(name) => Ok(name.clone()),
        _ => Err(Failure::Error(format!("npm installed no package for {package}"))),
    }
}

/// Whether a name stays below `modules/`: `name`, `@scope/name`.
fn is_plain(name: &str) -> bool {
    let parts: Vec<_> = name.split('/').collect();
    (parts.len() == 1 || (parts.len() == 2 && name.starts_with('@')))
        && parts.iter().all(|part| !part.is_empty() && !part.starts_with('.'))
}

fn manifest(directory: &Path) -> Result<Value, Failure> {
    let path = directory.join("package.json");
    let text = fs::read(&path).map_err(|error| cannot("read", &path, &error))?;
    serde_json::from_slice(&text).map_err(|error| cannot("read", &path, &error))
}

/// Starts the package in the working directory, where it stays, and again whenever it is changed.
fn develop(context: &mut Context) -> Result<(), Failure> {
    let directory = context.cwd.clone();
    let package = manifest(&directory)?;
    let name = package["name"].as_str().filter(|name| is_plain(name));
    let name = name.ok_or_else(|| Failure::Error("package.json gives no name".to_owned()))?;
    let script = runs(name, &directory)?;
    refuse_taken(context, name)?;
    say(context, "Installing local module in DEVELOPMENT MODE with WATCH auto restart");
    let (declared, mut app) = module(context, name, &script, &directory)?;
    app.watch = Watch::All;
    launch(context, &declared, app)?;
    say(context, "Module successfully installed and launched");
    let mut connection = context.connect()?;
    context.show_list(connection.as_mut())
}

/// The app that a package says that it is, with its settings in the environment.
fn module(
    context: &mut Context,
    name: &str,
    script: &str,
    directory: &Path,
) -> Result<(Declared, AppSpec), Failure> {
    let package = manifest(directory)?;
    let mut env = Env::default();
    let defaults = package["config"].as_object().into_iter().flatten();
    for (key, value) in defaults {
        env.set(key, crate::module_conf::shown(value));
    }
    let mut declared = Declared::new(context, Vec::new())?;
    declared.serves(name, env);
    declared.runs_in(directory);
    let mut app = declared.script(context, script)?;
    app.extras.insert("pmx_module".to_owned(), Value::Bool(true));
    Ok((declared, app))
}

/// Starts it in place of what ran under its name.
fn launch(context: &mut Context, declared: &Declared, app: AppSpec) -> Result<(), Failure> {
    let mut connection = context.connect_or_spawn()?;
    forget(context, &app.name)?;
    start::script(context, &mut connection, declared, Box::new(app))
}

/// Starts what is installed, as every new daemon does: a dump does not hold it. One that cannot be started is told, and
/// is no reason against what was asked for.
pub(crate) fn launch_all(context: &mut Context, connection: &mut Connection) -> Result<(), Failure> {
    let conf = ModuleConf::load(&context.home)?;
    let installed = conf.get(&[INSTALLED.to_owned()]).and_then(Value::as_object);
    let names: Vec<String> = installed.into_iter().flatten().map(|(name, _)| name.clone()).collect();
    for name in names.iter().filter(|name| is_plain(name)) {
        // Where the daemon before this one died, it may run still.
        if context::rows(connection)?.iter().any(|row| row.name == *name) {
            continue;
        }
        let directory = installed_at(context, name);
        let outcome = runs(name, &directory)
            .and_then(|script| module(context, name, &script, &directory))
            .and_then(|(declared, app)| start::quietly(connection, &declared, app));
        if outcome.is_err() {
            context.out.alert(&format!("module {} could not be started", printable(name)));
        }
    }
    Ok(())
}

/// Where npm put it.
fn installed_at(context: &Context, name: &str) -> PathBuf {
    context.home.root().join("modules").join(name).join("node_modules").join(name)
}

/// [`script`] of the package in `directory`.
fn runs(name: &str, directory: &Path) -> Result<String, Failure> {
    script(&manifest(directory)?)
        .ok_or_else(|| Failure::Error(format!("{name} names nothing that can be run")))
}

/// What a package runs: PM2's own `apps`, else its program, else its main file.
fn script(package: &Value) -> Option<String> {
    let apps = [&package["apps"], &package["pm2"]].into_iter().find_map(|apps| match apps {
        Value::Array(apps) => apps.first(),
        Value::Object(_) => Some(apps),
        _ => None,
    });
    let bin = match &package["bin"] {
        Value::Object(programs) => programs.values().next(),
        other => Some(other),
    };
    let script = [apps.map(|app| &app["script"]), bin, Some(&package["main"])];
    script.into_iter().flatten().find_map(Value::as_str).map(str::to_owned)
}

fn uninstall(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Uninstall { module }) = invocation.read()?;
    let mut conf = ModuleConf::load(&context.home)?;
    let installed = conf.get(&[INSTALLED.to_owned()]).and_then(Value::as_object).cloned().unwrap_or_default();
    let names: Vec<String> = match module.as_str() {
        "all" => installed.keys().cloned().collect(),
        name => vec![name.to_owned()],
    };
    for name in &names {
        say(&mut context, &format!("Uninstalling module {}", printable(name)));
        if !installed.contains_key(name) || !is_plain(name) {
            return Err(Failure::Bare(format!(
                "[{}][Module][ERROR] Unknown module",
                context.persona().title()
            )));
        }
        forget(&mut context, name)?;
        remove(&context.home.root().join("modules").join(name))?;
        conf.unset(&[INSTALLED.to_owned(), name.clone()]);
        conf.unset(std::slice::from_ref(name));
        conf.store()?;
    }
    let mut connection = context.connect()?;
    context.show_list(connection.as_mut())
}

/// Refuses a package with the name of an app that is no module, and the word that selects every app.
fn refuse_taken(context: &mut Context, name: &str) -> Result<(), Failure> {
    if name == "all" {
        return Err(Failure::Error("a module named `all` could not be told from all apps".to_owned()));
    }
    let Some(mut connection) = context.connect()? else { return Ok(()) };
    if context::rows(&mut connection)?.iter().any(|row| row.name == name && !row.module) {
        let word = context.persona().word();
        return Err(Failure::Error(format!(
            "an app is named {name} already: `{word} delete {name}` or another name for it makes room for the module"
        )));
    }
    Ok(())
}

/// Deletes the processes of a module, if there are any. An app of the same name is left alone.
fn forget(context: &mut Context, name: &str) -> Result<(), Failure> {
    let Some(mut connection) = context.connect()? else { return Ok(()) };
    let rows = context::rows(&mut connection)?;
    for row in rows.iter().filter(|row| row.name == name && row.module) {
        let target = Selector::of_id(row.id);
        let act = Act { action: Action::Delete, target, env: None, patch: Map::new() };
        act::act_quietly(context, &mut connection, act)?;
    }
    Ok(())
}

fn remove(directory: &PathBuf) -> Result<(), Failure> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(cannot("remove", directory, &error))
        }
        _ => Ok(()),
    }
}

fn cannot(what: &str, path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::Error(format!("cannot {what} {}: {error}", path.display()))
}

fn say(context: &mut Context, message: &str) {
    let title = context.persona().title();
    context.out.line(&format!("[{title}][Module] {message}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_says_what_it_runs() {
        let run = |package: Value| script(&package);
        assert_eq!(run(json!({ "main": "m.js", "apps": [{ "script": "a.js" }] })).as_deref(), Some("a.js"));
        assert_eq!(run(json!({ "pm2": { "script": "p.js" } })).as_deref(), Some("p.js"));
        assert_eq!(run(json!({ "main": "m.js", "bin": { "x": "b.js" } })).as_deref(), Some("b.js"));
        assert_eq!(run(json!({ "main": "m.js", "bin": "b.js" })).as_deref(), Some("b.js"));
        assert_eq!(run(json!({ "main": "m.js" })).as_deref(), Some("m.js"));
        assert_eq!(run(json!({ "name": "x" })), None);
    }

    #[test]
    fn names_stay_below_their_directory() {
        assert!(is_plain("a") && is_plain("@scope/a"));
        for name in ["", "..", "../x", "a/b", "@s/a/b", "@s/..", "/", ".hidden"] {
            assert!(!is_plain(name), "{name:?}");
        }
    }
}
