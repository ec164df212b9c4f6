//! `start`: apps of a file, a script, or what is in the list already.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    path::Path,
};

use clap::Args;
use rpm_client::Connection;
use rpm_core::{
    AppSpec, ProcessId,
    app_key::is_called,
    name::printable,
    protocol::{Action, Existing, ProcessRef, Reply, Request, StartApps},
    selector::Form,
};
use rpm_ecosystem::{Use, is_ecosystem_file};

use super::{
    Invocation, Verb, attach,
    wait::{self, Limit},
};
use crate::{
    act,
    apps::{self, Declared},
    context::{self, Context},
    crowd,
    failure::Failure,
    foreground::{self, Manner},
    max_parallel, written,
};

pub(super) const VERB: Verb = Verb {
    name: "start",
    aliases: &[],
    about: "Start apps: of a file, a script, or from the list",
    takes_options: true,
    run,
};

#[derive(Args, Debug)]
struct Start {
    /// File that declares apps, script, command, or name, namespace, id, `all`.
    #[arg(value_name = "name|namespace|file|script|command|id")]
    targets: Vec<String>,
    /// Answer when all are up: healthy where they have a health check, else ready. The exit code is 1 if one will not be.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    limit: Limit,
    /// Arguments of the script.
    #[arg(last = true, value_name = "args")]
    args: Vec<String>,
}

/// What is started where nothing is named.
const DEFAULT_FILES: [&str; 2] = ["ecosystem.config.js", "ecosystem.toml"];

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Start { targets, wait, limit, args }) = invocation.read()?;
    if wait {
        limit.begin(context.persona());
    }
    if context.options.foreground {
        return foreground::run(&mut context, Manner::default(), |context, heed| {
            let mut connection = all(context, targets, args, heed)?;
            foreground::announce(context, connection.as_mut())
        });
    }
    let mut connection = all(&mut context, targets, args, &mut |_| {})?;
    if let Some(connection) = connection.as_mut().filter(|_| wait) {
        wait::until_up(&mut context, connection)?;
    }
    attach::conclude(context, connection.as_mut())
}

/// Starts what is named, or the default file. `heed` is told of apps before they are started.
pub(super) fn all(
    context: &mut Context,
    mut targets: Vec<String>,
    args: Vec<String>,
    heed: &mut dyn FnMut(&AppSpec),
) -> Result<Option<Connection>, Failure> {
    if targets.is_empty() {
        let file = DEFAULT_FILES.iter().find(|file| context.cwd.join(file).exists());
        let file = file.ok_or_else(|| Failure::Error(format!("File {} not found", DEFAULT_FILES[0])))?;
        targets.push((*file).to_owned());
    }
    let mut declared = Declared::new(context, args)?;
    // Nothing is started, nor is a daemon, before every file has been found to be in order.
    let files: Vec<_> = targets.iter().filter(|target| is_ecosystem_file(target)).cloned().collect();
    let mut files = load_all(context, &mut declared, &files, Use::Start)?.into_iter();
    let mut connection = None;
    for target in &targets {
        let plan = if is_ecosystem_file(target) {
            Plan::Apps(files.next().unwrap_or_default())
        } else {
            if connection.is_none() {
                connection = context.connect()?;
            }
            plan(context, connection.as_mut(), &declared, target)?
        };
        if let (Plan::Script(app), true) = (&plan, context.options.write) {
            written::write(context, &app.name, target, declared.args())?;
        }
        let daemon = match connection.take() {
            Some(daemon) => daemon,
            None => context.connect_or_spawn()?,
        };
        let daemon = connection.insert(daemon);
        match plan {
            Plan::Apps(loaded) => {
                loaded.iter().for_each(&mut *heed);
                apps(context, daemon, &declared, loaded, Action::Restart)?;
            }
            Plan::Listed => listed(context, daemon, &declared, target)?,
            Plan::Script(app) => {
                heed(&app);
                script(context, daemon, &declared, app)?;
            }
        }
    }
    Ok(connection)
}

/// What a target turns out to be.
enum Plan {
    /// Apps of a file.
    Apps(Vec<AppSpec>),
    /// Processes that are there.
    Listed,
    /// A new app.
    Script(Box<AppSpec>),
}

/// PM2's order: a word without slash and extension is a name, a namespace or `all`, a number is an id; what is
/// none of these is a script.
fn plan(
    context: &mut Context,
    connection: Option<&mut Connection>,
    declared: &Declared,
    target: &str,
) -> Result<Plan, Failure> {
    let is_listed = match context.selector(target).form() {
        Form::All | Form::Number(_) | Form::Exactly(_) => true,
        Form::Regex(_) => false,
        Form::Word(word) => match connection {
            Some(connection) if !word.contains('/') && Path::new(word).extension().is_none() => {
                let rows = context::rows(connection)?;
                rows.iter().any(|row| row.name == word || row.namespace == word)
            }
            // A file is a script, whatever is called so.
            Some(connection) if word.contains('/') && !context.cwd.join(word).exists() => {
                let rows = context::rows(connection)?;
                rows.iter().any(|row| is_called(&row.namespace, &row.name, word))
            }
            _ => false,
        },
    };
    if is_listed {
        return Ok(Plan::Listed);
    }
    Ok(Plan::Script(Box::new(declared.script(context, target)?)))
}

/// The apps of each file.
pub(super) fn load_all(
    context: &mut Context,
    declared: &mut Declared,
    files: &[String],
    purpose: Use,
) -> Result<Vec<Vec<AppSpec>>, Failure> {
    let mut loaded: Vec<_> =
        files.iter().map(|file| declared.load(context, file, purpose)).collect::<Result<_, Failure>>()?;
    Declared::check_names(context, &loaded, purpose)?;
    if loaded.iter().any(|file| !file.unresolved.is_empty()) {
        let mut there: HashSet<String> = loaded
            .iter()
            .flat_map(|file| &file.apps)
            .flat_map(|app| names(&app.namespace, &app.name))
            .collect();
        if let Some(mut connection) = context.connect()? {
            let rows = context::rows(&mut connection)?;
            there.extend(rows.iter().flat_map(|row| names(&row.namespace, &row.name)));
        }
        for file in &mut loaded {
            let warnings = file.resolve(|name| there.contains(name));
            for warning in warnings.map_err(|error| apps::tell(context.out, &error))?.rendered(false) {
                context.out.warn(&warning);
            }
        }
    }
    Ok(loaded.into_iter().map(|file| file.apps).collect())
}

/// The words by which another app may name this one.
fn names(namespace: &str, name: &str) -> [String; 2] {
    [name.to_owned(), format!("{namespace}/{name}")]
}

fn listed(
    context: &mut Context,
    connection: &mut Connection,
    declared: &Declared,
    target: &str,
) -> Result<(), Failure> {
    let restart = declared.restart(context, target)?;
    act::act(context, Some(connection), restart)?;
    context.out.info("Process successfully started");
    Ok(())
}

/// Starts one app, unless the same runs already.
pub(super) fn script(
    context: &mut Context,
    connection: &mut Connection,
    declared: &Declared,
    app: Box<AppSpec>,
) -> Result<(), Failure> {
    let instances = app.instances.map_or(1, i64::from);
    let announcement = format!(
        "Starting {} in {} ({instances} instance{})",
        app.script.display(),
        app.exec_mode.as_str(),
        if instances == 1 { "" } else { "s" }
    );
    confirm_many(context, connection, std::slice::from_ref(&*app))?;
    let existing = if context.options.force { Existing::Duplicate } else { Existing::Refuse };
    let request = StartApps {
        apps: vec![*app],
        env: declared.env().clone(),
        existing,
        update_env: context.options.update_env,
    };
    let (mut failed, mut announced, mut restarted) = (false, false, false);
    for reply in connection.request(&Request::Start(request))? {
        match reply? {
            Reply::Targets(targets) => {
                restarted = true;
                echo(context, Action::Restart, &targets);
            }
            Reply::Acted(acted) => {
                context.acted.push(acted.process.id);
                if acted.created && !announced {
                    context.out.info(&announcement);
                    announced = true;
                }
                if !acted.created || acted.error.is_some() {
                    failed |= !act::tell(context, Action::Restart, &acted);
                }
            }
            Reply::Note(note) => context.out.warn(&note),
            _ => {}
        }
    }
    if failed {
        return Err(Failure::Said);
    }
    context.out.info(if restarted { "Process successfully started" } else { "Done." });
    Ok(())
}

/// Starts one app without a word.
pub(super) fn quietly(connection: &mut Connection, declared: &Declared, app: AppSpec) -> Result<(), Failure> {
    let request = StartApps {
        apps: vec![app],
        env: declared.env().clone(),
        existing: Existing::Refuse,
        update_env: false,
    };
    for reply in connection.request(&Request::Start(request))? {
        reply?;
    }
    Ok(())
}

/// Starts the apps of a file; those that are there are restarted with what the file says. `action` is what that is
/// called.
pub(super) fn apps(
    context: &mut Context,
    connection: &mut Connection,
    declared: &Declared,
    apps: Vec<AppSpec>,
    action: Action,
) -> Result<(), Failure> {
    confirm_many(context, connection, &apps)?;
    max_parallel::set(context, connection)?;
    let rows = context::rows(connection)?;
    let absent: Vec<_> = apps
        .iter()
        .filter(|app| rows.iter().all(|row| row.name != app.name || row.namespace != app.namespace))
        .map(|app| printable(&app.name).into_owned())
        .collect();
    if !absent.is_empty() {
        context.out.warn(&format!("Applications {} not running, starting...", absent.join(", ")));
    }
    let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32);
    let wanted: Vec<_> = apps
        .iter()
        .map(|app| (app.name.clone(), app.instances.map_or(1, |instances| instances.resolve(cpus))))
        .collect();
    let request = StartApps {
        apps,
        env: declared.env().clone(),
        existing: if action == Action::Reload { Existing::Reload } else { Existing::Restart },
        update_env: context.options.update_env,
    };
    let mut failed = false;
    let mut launched = Vec::new();
    for reply in connection.request(&Request::Start(request))? {
        match reply? {
            Reply::Targets(targets) => echo(context, action, &targets),
            Reply::Acted(acted) if acted.created && acted.error.is_none() => {
                let ProcessRef { id, name } = acted.process;
                context.acted.push(id);
                launched.push((id, name));
            }
            Reply::Acted(acted) => {
                context.acted.push(acted.process.id);
                failed |= !act::tell(context, action, &acted);
            }
            Reply::Note(note) => context.out.warn(&note),
            _ => {}
        }
    }
    for (name, count) in by_app(launched, &wanted) {
        context.out.info(&format!("App [{}] launched ({count} instances)", printable(&name)));
    }
    if failed { Err(Failure::Said) } else { Ok(()) }
}

/// Asks before an app gets very many processes. The present number is read only if an app declares many.
fn confirm_many(context: &mut Context, connection: &mut Connection, apps: &[AppSpec]) -> Result<(), Failure> {
    let many: Vec<_> = apps.iter().filter(|app| crowd::is_many(crowd::declared(app))).collect();
    if many.is_empty() {
        return Ok(());
    }
    let rows = context::rows(connection)?;
    for app in many {
        let present =
            rows.iter().filter(|row| row.name == app.name && row.namespace == app.namespace).count() as u64;
        crowd::confirm(context, &app.name, present, crowd::declared(app))?;
    }
    Ok(())
}

/// Counts the processes that were created for each of the apps `wanted`, which are names with numbers of instances. Apps of
/// one name, in several namespaces, are created one after the other.
fn by_app(mut created: Vec<(ProcessId, String)>, wanted: &[(String, u32)]) -> Vec<(String, u32)> {
    created.sort_unstable_by_key(|(id, _)| *id);
    let mut left: HashMap<&str, VecDeque<u32>> = HashMap::new();
    for (name, count) in wanted {
        left.entry(name).or_default().push_back(*count);
    }
    // Of each name, the place of its present app and how many more that one gets.
    let mut present: HashMap<String, (usize, u32)> = HashMap::new();
    let mut counted: Vec<(String, u32)> = Vec::new();
    for (_, name) in created {
        match present.get_mut(&name).filter(|(_, more)| *more > 0) {
            Some((place, more)) => {
                counted[*place].1 += 1;
                *more -= 1;
            }
            None => {
                let next = left.get_mut(name.as_str()).and_then(VecDeque::pop_front);
                let more = next.map_or(u32::MAX, |count| count.saturating_sub(1));
                present.insert(name.clone(), (counted.len(), more));
                counted.push((name, 1));
            }
        }
    }
    counted
}

fn echo(context: &mut Context, action: Action, targets: &[ProcessRef]) {
    let name = targets.first().map(|target| target.name.as_str()).unwrap_or_default();
    act::echo(context, action, name, &act::ids(targets, false));
}
