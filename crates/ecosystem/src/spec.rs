//! From a [`Declaration`] to an [`AppSpec`]: names, paths, interpreters and modes as PM2 derives them.

use std::{
    collections::HashMap,
    fs, mem,
    path::{Path, PathBuf},
};

use rpm_core::{
    Account, AppSpec, CombinedLog, ExecMode, Instances, Interpreter, LogTarget, Persona, listen::Place,
    units::Memory,
};

use crate::{
    Caller, Declaration, Problem,
    caller::{Programs, is_program, resolve},
    environment, extras,
    package::Packages,
    script::{self, Target},
    statics,
    typescript::{self, Run},
    values::Cron,
};

/// What `time = true` stands for.
const TIME_FORMAT: &str = "YYYY-MM-DDTHH:mm:ss";

/// Makes specs for one caller. What many apps share is looked up once.
pub(crate) struct Resolver<'a> {
    caller: &'a Caller,
    /// Where relative paths begin: PM2's is the caller's directory.
    base: PathBuf,
    /// The directory of the ecosystem file, for advice on paths.
    beside: Option<PathBuf>,
    programs: Programs,
    packages: Packages,
    directories: HashMap<PathBuf, Option<String>>,
    typescript: Option<Result<Run, &'static str>>,
    /// Whether files of variables are read as npm's `dotenv` reads them, and may be missing.
    reads_dotenv: bool,
    /// What is not as it may be thought to be with the app that was resolved last.
    remarks: Vec<Problem>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(caller: &'a Caller, base: PathBuf) -> Self {
        Self {
            caller,
            base,
            beside: None,
            programs: Programs::of(caller),
            packages: Packages::default(),
            directories: HashMap::new(),
            typescript: None,
            reads_dotenv: false,
            remarks: Vec::new(),
        }
    }

    /// Reads files of variables as in the files of PM2, where `env_file` has no effect.
    pub(crate) fn with_dotenv(self) -> Self {
        Self { reads_dotenv: true, ..self }
    }

    /// The warnings about the apps since it was asked last.
    pub(crate) fn take_remarks(&mut self) -> Vec<Problem> {
        mem::take(&mut self.remarks)
    }

    /// Gives advice for an ecosystem file in this directory.
    pub(crate) fn beside(self, directory: PathBuf) -> Self {
        Self { beside: Some(directory), ..self }
    }

    /// The app that is declared, or the first thing that keeps it from being run.
    pub(crate) fn spec(&mut self, mut declared: Declaration) -> Result<AppSpec, Problem> {
        let Some(script) = declared.script.take() else {
            return Err(Problem::error("No script path: expected `script`, a file or a command"));
        };
        let cwd = self.cwd(&declared);
        if let Some(problem) = self.not_a_directory(&cwd) {
            return Err(Problem::error(problem).of_attribute("cwd").at(declared.span("cwd")));
        }
        if let Some((attribute, problem)) = without_meaning(&declared) {
            return Err(Problem::error(problem).of_attribute(attribute).at(declared.span(attribute)));
        }
        let failed = |problem: Problem| problem.at(declared.span("script"));
        let name = declared.name.as_deref().unwrap_or_else(|| script::default_name(&script));
        let target = match &self.caller.executable {
            Some(executable) if script == statics::SCRIPT => Target::Server(executable.clone()),
            _ => script::locate(&script, &cwd, &self.base, &mut self.programs)
                .map_err(|path| failed(self.script_not_found(&script, &path)))?,
        };
        let mut spec = match target {
            Target::Server(ref executable) => AppSpec::new(name, executable.clone(), Interpreter::None, cwd),
            Target::Line(ref shell) => AppSpec::new(name, shell.clone(), Interpreter::None, cwd),
            Target::File(ref file) => {
                let (interpreter, flags) = self.interpreter(&declared, file, &cwd).map_err(failed)?;
                let mut spec = AppSpec::new(name, file.clone(), interpreter, cwd);
                spec.interpreter_args.extend(flags.iter().map(ToString::to_string));
                spec
            }
        };
        spec.name = with_prefix(spec.name, declared.name_prefix.as_deref());
        self.change_user(&mut spec, &declared)?;
        let env_file = declared.span("env_file");
        let is_undecided = declared.exec_mode.is_none() && declared.execute_command != Some(true);
        let soft_place = declared.span("max_memory_restart");
        self.fill(&mut spec, declared);
        environment::check_files(&spec).map_err(|problem| problem.at(env_file.clone()))?;
        let unread = environment::unread(&spec).into_iter();
        self.remarks.extend(unread.map(|problem| problem.at(env_file.clone())));
        match &target {
            Target::File(_) => {}
            Target::Line(_) => spec.args = vec!["-c".to_owned(), script],
            Target::Server(_) => spec.args.insert(0, statics::VERB.to_owned()),
        }
        if is_undecided && self.is_cluster(&spec) {
            spec.exec_mode = ExecMode::Cluster;
            // PM2 decides on the logs before it decides on the mode: what is not counted shares them.
            if spec.merge_logs.is_none() && matches!(spec.instances, Some(Instances::Cpus { less: 0 })) {
                spec.merge_logs = Some(true);
            }
        }
        if spec.exec_mode == ExecMode::Cluster && self.runs_bun_as_node(&spec) {
            spec.interpreter = Interpreter::Program("node".to_owned());
        }
        if let (Some(soft), Some(hard)) =
            (spec.max_memory_restart, spec.limits.as_ref().and_then(|l| l.memory))
            && soft >= hard
        {
            return Err(Problem::error(format!(
                "expected less than `limits.memory` ({}): it is killed there before it is restarted",
                Memory(hard)
            ))
            .of_attribute("max_memory_restart")
            .at(soft_place));
        }
        if !matches!(target, Target::Server(_)) {
            spec.version = spec.script.parent().and_then(|directory| self.packages.version(directory));
        }
        Ok(spec)
    }

    /// The fields of [`AppSpec`] that are declared, for an app that exists; `null` where one is switched off.
    pub(crate) fn patch(&mut self, declared: &Declaration) -> Result<Fields, Problem> {
        let cwd = self.cwd(declared);
        if let Some(problem) = self.not_a_directory(&cwd) {
            return Err(Problem::error(problem).of_attribute("cwd"));
        }
        let interpreter =
            declared.interpreter.as_ref().map_or(Interpreter::None, |word| self.program(word, &cwd));
        let name = declared.name.as_deref().unwrap_or_default();
        let mut spec = AppSpec::new(name, PathBuf::new(), interpreter, cwd);
        self.change_user(&mut spec, declared)?;
        self.fill(&mut spec, declared.clone());
        let serde_json::Value::Object(fields) =
            serde_json::to_value(spec).map_err(|error| Problem::error(error.to_string()))?
        else {
            return Ok(Fields::new());
        };
        // With the user come its group and its account.
        let more = [
            (declared.uid.is_some(), "gid"),
            (declared.uid.is_some(), "account"),
            (!declared.extras.is_empty(), "extras"),
        ];
        Ok(declared
            .declared()
            .filter_map(field)
            .chain(more.into_iter().filter_map(|(there, field)| there.then_some(field)))
            .map(|field| (field.to_owned(), fields.get(field).cloned().unwrap_or_default()))
            .collect())
    }

    /// Puts what is declared into a spec that knows its name, script, interpreter and directory: a line for each
    /// attribute.
    fn fill(&self, spec: &mut AppSpec, d: Declaration) {
        let cwd = spec.cwd.clone();
        put(&mut spec.namespace, d.namespace);
        put(&mut spec.args, d.args);
        spec.interpreter_args.extend(d.interpreter_args.unwrap_or_default());
        spec.env.merge(&d.env.unwrap_or_default());
        if let Some(port) = d.port {
            spec.env.set("PORT", port.to_string());
        }
        spec.env_file = d.env_file.filter(|files| !files.0.is_empty()).map(|mut files| {
            for file in &mut files.0 {
                file.path = self.path(&cwd, &file.path.to_string_lossy());
                if self.reads_dotenv {
                    (file.required, file.dotenv) = (false, true);
                }
            }
            Box::new(files)
        });
        put(&mut spec.expand_env, d.expand_env);
        spec.secret = d.secret.filter(|secrets| !secrets.0.is_empty()).map(Box::new);
        put(&mut spec.filter_env, d.filter_env);
        spec.profiles = d.profiles;
        spec.instances = d.instances;
        put(&mut spec.exec_mode, d.exec_mode);
        if d.execute_command == Some(true) {
            spec.exec_mode = ExecMode::Fork;
        }
        put(&mut spec.instance_var, d.instance_var);
        spec.increment_var = d.increment_var;
        spec.username = d.username.or_else(|| self.caller.username.clone());
        put(&mut spec.autostart, d.autostart);
        put(&mut spec.autorestart, d.autorestart);
        spec.max_restarts = d.max_restarts;
        spec.min_uptime = d.min_uptime;
        spec.restart_delay = d.restart_delay;
        spec.exp_backoff_restart_delay = d.exp_backoff_restart_delay;
        spec.max_memory_restart = d.max_memory_restart;
        spec.limits = d.limits.map(Box::new);
        put(&mut spec.stop_exit_codes, d.stop_exit_codes);
        spec.cron_restart = d.cron_restart.and_then(|cron| match cron {
            Cron::Off => None,
            Cron::At(schedule) => Some(schedule),
        });
        spec.cron_timezone = d.cron_timezone;
        put(&mut spec.cron_overlap, d.cron_overlap);
        spec.cron_jitter = d.cron_jitter.filter(|jitter| jitter.0 > 0);
        put(&mut spec.cron_catch_up, d.cron_catch_up);
        put(&mut spec.cron_only, d.cron_only);
        spec.task_timeout = d.task_timeout;
        put(&mut spec.retries, d.retries);
        spec.retry_delay = d.retry_delay;
        put(&mut spec.watch, d.watch);
        let (ignored, settled) =
            d.watch_options.map(|options| (options.ignored, options.settled)).unwrap_or_default();
        spec.ignore_watch = ignored.or(d.ignore_watch);
        spec.watch_delay = d.watch_delay.max(settled);
        put(&mut spec.wait_ready, d.wait_ready);
        spec.ready = d.ready;
        spec.listen_timeout = d.listen_timeout;
        spec.watchdog = d.watchdog;
        spec.health = d.health.map(Box::new);
        spec.depends_on = d.depends_on.filter(|dependencies| !dependencies.0.is_empty()).map(Box::new);
        put(&mut spec.on_dependency_failure, d.on_dependency_failure);
        let mut listen = d.listen.unwrap_or_default();
        for socket in &mut listen {
            if let Place::Unix(path) = &mut socket.place {
                *path = self.path(&cwd, &path.to_string_lossy());
            }
        }
        spec.listen = listen;
        put(&mut spec.cluster_balance, d.cluster_balance);
        spec.reload = d.reload;
        spec.reload_parallel = d.reload_parallel;
        spec.kill_timeout = d.kill_timeout;
        spec.kill_signal = d.kill_signal;
        put(&mut spec.shutdown_with_message, d.shutdown_with_message);
        put(&mut spec.treekill, d.treekill);
        spec.out_file = d.out_file.map(|path| self.log(&cwd, &path));
        spec.error_file = d.error_file.map(|path| self.log(&cwd, &path));
        spec.log_file = d.log_file.map(|log| match log {
            CombinedLog::At(LogTarget::File(path)) => {
                CombinedLog::At(self.log(&cwd, &path.to_string_lossy()))
            }
            other => other,
        });
        put(&mut spec.disable_logs, d.disable_logs);
        spec.log_type = d.log_type;
        spec.merge_logs = d.merge_logs;
        spec.log_date_format =
            if d.time == Some(true) { Some(TIME_FORMAT.to_owned()) } else { d.log_date_format };
        spec.pid_file = d.pid_file.map(|path| self.path(&cwd, &path));
        spec.extras = d.extras;
        extras::settle(&mut spec.extras);
        if let Some(io) = spec.extras.get("io") {
            spec.env.set("io", io.to_string());
        }
    }

    /// Looks up the user and the group that are declared. As in PM2 the group is the user's own unless it is
    /// declared.
    fn change_user(&self, spec: &mut AppSpec, declared: &Declaration) -> Result<(), Problem> {
        let attribute = match (&declared.uid, &declared.gid) {
            (None, None) => return Ok(()),
            (Some(_), _) => "uid",
            (None, Some(_)) => "gid",
        };
        let wrong = |attribute, message| Problem::error(message).at(declared.span(attribute));
        if !self.caller.privileged {
            let program = self.caller.persona.word();
            return Err(wrong(attribute, format!("To use --uid and --gid please run {program} as root")));
        }
        if let Some(uid) = &declared.uid {
            let user = uid.user().map_err(|message| wrong("uid", message))?;
            spec.uid = Some(user.uid.as_raw());
            spec.gid = Some(user.gid.as_raw());
            spec.account =
                Some(Box::new(Account { name: user.name, home: user.dir.to_string_lossy().into_owned() }));
        }
        if let Some(gid) = &declared.gid {
            spec.gid = Some(gid.group().map_err(|message| wrong("gid", message))?);
        }
        Ok(())
    }

    fn cwd(&self, declared: &Declaration) -> PathBuf {
        declared.cwd.as_ref().map_or_else(|| self.base.clone(), |cwd| resolve(&self.base, cwd))
    }

    fn not_a_directory(&mut self, path: &Path) -> Option<String> {
        if let Some(known) = self.directories.get(path) {
            return known.clone();
        }
        let problem = match fs::metadata(path) {
            // Specs travel and are kept as JSON.
            Ok(_) if path.to_str().is_none() => {
                Some(format!("expected a directory whose path is UTF-8, found {}", path.display()))
            }
            Ok(meta) if meta.is_dir() => None,
            Ok(_) => Some(format!("expected a directory, {} is a file", path.display())),
            Err(error) => Some(format!("expected a directory, {}: {error}", path.display())),
        };
        self.directories.insert(path.to_owned(), problem.clone());
        problem
    }

    fn script_not_found(&self, script: &str, path: &Path) -> Problem {
        let beside = self.beside.as_ref().filter(|directory| resolve(directory, script).exists());
        Problem::error(match beside {
            Some(directory) => format!(
                "Script not found: {}: it is in the directory of this file: write root = \".\" above the first \
                 app, or start it from {}",
                path.display(),
                directory.display()
            ),
            None => format!("Script not found: {}", path.display()),
        })
    }

    /// PM2's rule for an app that declares instances and no mode: `1` too makes a cluster, `-2` does not.
    fn is_cluster(&self, spec: &AppSpec) -> bool {
        (spec.interpreter.is_node() || self.runs_bun_as_node(spec))
            && matches!(spec.instances, Some(Instances::Count(_) | Instances::Cpus { less: 0 | 1 }))
    }

    /// Whether the workers of a cluster for Bun are to be processes of Node, as they are in PM2, which forks all workers from
    /// its own daemon.
    fn runs_bun_as_node(&self, spec: &AppSpec) -> bool {
        let is_bun = matches!(&spec.interpreter, Interpreter::Program(program) if program.ends_with("bun"));
        is_bun && self.caller.persona != Persona::Rpm
    }

    fn interpreter(&mut self, declared: &Declaration, file: &Path, cwd: &Path) -> Result<Run, Problem> {
        if let Some(declared) = &declared.interpreter {
            return Ok((self.program(declared, cwd), &[]));
        }
        if let Some(interpreter) = script::interpreter(file, &mut self.programs) {
            return Ok((interpreter, &[]));
        }
        let programs = &mut self.programs;
        match self.typescript.get_or_insert_with(|| typescript::interpreter(programs)).clone() {
            Ok(run) => Ok(run),
            // It cannot be started, and is not to keep the other apps of the file from it.
            Err(message) if self.beside.is_some() => {
                self.remarks.push(Problem::warning(message));
                Ok((Interpreter::Program(typescript::PREFERRED.to_owned()), &[]))
            }
            Err(message) => Err(Problem::error(message)),
        }
    }

    /// A declared interpreter as the daemon can execute it, whose directory is another: a path becomes absolute,
    /// `node@22.1.0` the Node of this version that nvm installed.
    fn program(&self, declared: &Interpreter, cwd: &Path) -> Interpreter {
        let Interpreter::Program(word) = declared else { return Interpreter::None };
        let nvm = || self.caller.env.get("NVM_DIR").map(Path::new);
        let path = match (word.strip_prefix("node@"), nvm()) {
            (Some(version), Some(nvm)) => nvm.join(format!("versions/node/v{version}/bin/node")),
            _ if word.contains('/') => {
                let beside = resolve(cwd, word);
                if beside.exists() { beside } else { resolve(&self.base, word) }
            }
            _ => return declared.clone(),
        };
        Interpreter::Program(path.to_string_lossy().into_owned())
    }

    /// Whether what runs the app is there; PM2 takes Node for granted. One app of a file is not to keep the others back;
    /// one alone is not even declared without it.
    pub(crate) fn find_interpreter(&mut self, app: &AppSpec) -> Result<(), Problem> {
        let Interpreter::Program(program) = &app.interpreter else { return Ok(()) };
        let is_there = if program.contains('/') {
            is_program(Path::new(program))
        } else {
            program == "node" || self.programs.find(program).is_some()
        };
        if is_there {
            return Ok(());
        }
        Err(Problem::error(format!(
            "Interpreter {program} is NOT AVAILABLE in PATH. (type 'which {program}' to double check.)"
        )))
    }

    fn log(&self, cwd: &Path, path: &str) -> LogTarget {
        if path == "NULL" || path == "/dev/null" {
            LogTarget::Null
        } else {
            LogTarget::File(self.path(cwd, path))
        }
    }

    /// A file that is written: `~` is the caller's home.
    fn path(&self, cwd: &Path, path: &str) -> PathBuf {
        let home = self.caller.env.get("HOME").map(Path::new);
        let in_home = path.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
        match (in_home, home) {
            (Some(rest), Some(home)) => resolve(home, rest.trim_start_matches('/')),
            _ => resolve(cwd, path),
        }
    }
}

/// The field of [`AppSpec`] that an attribute changes in an app that exists, if it does.
fn field(attribute: &'static str) -> Option<&'static str> {
    match attribute {
        "script" | "name_prefix" | "append_env_to_name" | "port" => None,
        "time" => Some("log_date_format"),
        "execute_command" => Some("exec_mode"),
        "watch_options" => Some("ignore_watch"),
        field => Some(field),
    }
}

/// The attribute that says something about what is not declared, and what that is.
fn without_meaning(declared: &Declaration) -> Option<(&'static str, &'static str)> {
    let has_schedule = matches!(declared.cron_restart, Some(Cron::At(_)));
    let of_schedule = [
        ("cron_overlap", declared.cron_overlap.is_some()),
        ("cron_jitter", declared.cron_jitter.is_some()),
        ("cron_catch_up", declared.cron_catch_up == Some(true)),
        ("cron_only", declared.cron_only == Some(true)),
    ];
    let of_task = [
        ("task_timeout", declared.task_timeout.is_some()),
        ("retries", declared.retries.is_some_and(|retries| retries > 0)),
    ];
    let is_task = declared.autorestart == Some(false);
    let has_retries = declared.retries.is_some_and(|retries| retries > 0);
    let declared_of = |attributes: &[(&'static str, bool)]| {
        attributes.iter().find(|(_, is_declared)| *is_declared).map(|(name, _)| *name)
    };
    if let Some(name) = declared_of(&of_schedule).filter(|_| !has_schedule) {
        return Some((name, "means something beside a schedule only: expected `cron_restart`"));
    }
    if let Some(name) = declared_of(&of_task).filter(|_| !is_task) {
        return Some((name, "is for tasks, which are meant to end: expected `autorestart = false`"));
    }
    (declared.retry_delay.is_some() && !has_retries)
        .then_some(("retry_delay", "means something beside `retries` only"))
}

/// Fields of an [`AppSpec`] by their names.
pub(crate) type Fields = serde_json::Map<String, serde_json::Value>;

fn put<T>(field: &mut T, declared: Option<T>) {
    if let Some(value) = declared {
        *field = value;
    }
}

/// The name of an app that is declared, as it will be in the list; nothing if neither name nor script is.
pub(crate) fn name(declared: &Declaration) -> Option<String> {
    let name = declared.name.as_deref().or_else(|| declared.script.as_deref().map(script::default_name))?;
    Some(with_prefix(name.to_owned(), declared.name_prefix.as_deref()))
}

fn with_prefix(name: String, prefix: Option<&str>) -> String {
    match prefix.filter(|prefix| !name.contains(prefix)) {
        Some(prefix) => format!("{prefix}:{name}"),
        None => name,
    }
}

/// What selects the processes of an app, and their order, without a look at anything else.
pub(crate) fn selected(declared: Declaration) -> Option<AppSpec> {
    let mut spec = AppSpec::new(name(&declared)?, PathBuf::new(), Interpreter::None, PathBuf::new());
    put(&mut spec.namespace, declared.namespace);
    spec.depends_on = declared.depends_on.map(Box::new);
    spec.profiles = declared.profiles;
    Some(spec)
}
