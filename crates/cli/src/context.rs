//! The program that was called, and what every verb needs of its surroundings.

use std::{
    env, fs,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use rpm_client::{ClientError, Connection};
use rpm_core::{
    Env, Home, MaxParallel, Persona, ProcessId, ProcessInfo, ProcessSummary, Selector,
    protocol::{Reply, Request},
};

use crate::{args::options::Options, failure::Failure, output::Output, render, verbs};

/// Who was called, how, and where its words go.
pub(crate) struct Program {
    pub(crate) persona: Persona,
    /// The arguments after the name; those that are no Unicode carry a mark instead of what is none.
    pub(crate) args: Vec<String>,
    pub(crate) out: Output,
}

impl Program {
    pub(crate) fn from_environment() -> Self {
        let mut args = env::args_os();
        let persona = args.next().map_or(Persona::Rpm, |name| Persona::of_program(Path::new(&name)));
        let args = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
        Self { persona, args, out: Output::new(persona, variable) }
    }
}

/// An environment variable, if it is Unicode.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// What a verb works with.
pub(crate) struct Context<'a> {
    pub(crate) home: Home,
    pub(crate) cwd: PathBuf,
    pub(crate) options: Options,
    /// Who was acted on by now.
    pub(crate) acted: Vec<ProcessId>,
    /// What the files that were read say about the home.
    pub(crate) max_parallel: MaxParallel,
    pub(crate) out: &'a mut Output,
}

impl<'a> Context<'a> {
    pub(crate) fn new(persona: Persona, options: Options, out: &'a mut Output) -> Result<Self, Failure> {
        out.silent |= options.silent;
        if options.no_color {
            out.without_colour();
        }
        // Where the directory was removed under us, relative paths lead nowhere, and only they.
        let physical = env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let cwd = named_by_shell(&physical, env::var_os("PWD").map(PathBuf::from));
        // A home has one name: children are known by it.
        let home = Home::locate(persona, variable, &physical)
            .ok_or_else(|| Failure::Error(format!("no home: set {} or HOME", persona.home_variable())))?;
        Ok(Self { home, cwd, options, acted: Vec::new(), max_parallel: MaxParallel::default(), out })
    }

    pub(crate) fn persona(&self) -> Persona {
        self.home.persona()
    }

    /// A word as a selector typed here.
    pub(crate) fn selector(&self, word: &str) -> Selector {
        Selector::new(word, &*self.cwd)
    }

    /// The daemon, if there is one, or was one that died.
    pub(crate) fn connect(&self) -> Result<Option<Connection>, Failure> {
        Ok(rpm_client::connect(&self.home)?)
    }

    /// The daemon, started if there is none.
    pub(crate) fn connect_or_spawn(&mut self) -> Result<Connection, Failure> {
        let title = self.persona().title();
        let discreet = variable(&format!("{title}_DISCRETE_MODE")).is_some_and(|value| !value.is_empty());
        let out = &mut *self.out;
        let mut say = |text: String| {
            if !discreet {
                out.info(&text);
            }
        };
        let announcement = format!(
            "Spawning {title} daemon with {}_home={}",
            self.home.persona().word(),
            self.home.root().display()
        );
        let (mut connection, spawned) = rpm_client::connect_or_spawn(&self.home, || say(announcement))?;
        if spawned {
            say(format!("{title} Successfully daemonized"));
            verbs::launch_modules(self, &mut connection)?;
        }
        Ok(connection)
    }

    /// All processes, with secrets if that is asked for.
    pub(crate) fn all(&self, connection: &mut Connection) -> Result<Vec<ProcessInfo>, ClientError> {
        if self.options.reveal { revealed(connection, None) } else { processes(connection, None) }
    }

    /// `--env` chooses a block of a file. Where no file is named there is nothing to choose from.
    pub(crate) fn needs_file_for_profile(&self) -> Result<(), Failure> {
        match self.options.profile {
            None => Ok(()),
            Some(_) => Err(Failure::Error(
                "Using --env [env] without passing the ecosystem.config.js does not work".to_owned(),
            )),
        }
    }

    /// Says how the environment of this shell reaches what is restarted, unless it does.
    pub(crate) fn hint_update_env(&mut self) {
        if !self.options.update_env {
            let hint = "Use --update-env to update environment variables";
            let hint = self.out.paint.paint(render::style::Style::BOLD_BLUE, hint);
            self.out.line(&hint);
        }
    }

    /// The list, as the options want it.
    pub(crate) fn show_list(&mut self, connection: Option<&mut Connection>) -> Result<(), Failure> {
        if self.out.silent {
            return Ok(());
        }
        if self.options.mini_list {
            let processes = match connection {
                Some(connection) => processes(connection, None)?,
                None => Vec::new(),
            };
            self.out.text(&render::mini::list(&processes, now_millis()));
            return Ok(());
        }
        let mut rows = match connection {
            Some(connection) => rows(connection)?,
            None => Vec::new(),
        };
        render::sort::sort(&mut rows, self.options.sort.as_deref());
        let look = render::table::Look {
            paint: self.out.paint,
            columns: Output::columns(),
            now: now_millis(),
            persona: self.persona(),
        };
        self.out.text(&render::table::table(&rows, &look));
        Ok(())
    }
}

/// Milliseconds since the epoch.
pub(crate) fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A row for each process.
pub(crate) fn rows(connection: &mut Connection) -> Result<Vec<ProcessSummary>, ClientError> {
    let mut rows = Vec::new();
    for reply in connection.request(&Request::List)? {
        if let Reply::Rows(more) = reply? {
            rows.extend(more);
        }
    }
    Ok(rows)
}

/// All about the selected processes; the values of variables that are secret are masked.
pub(crate) fn processes(
    connection: &mut Connection,
    selector: Option<Selector>,
) -> Result<Vec<ProcessInfo>, ClientError> {
    asked(connection, &Request::Describe(selector))
}

/// The same with secrets, for those who compare or hand on.
pub(crate) fn revealed(
    connection: &mut Connection,
    selector: Option<Selector>,
) -> Result<Vec<ProcessInfo>, ClientError> {
    asked(connection, &Request::Reveal(selector))
}

fn asked(connection: &mut Connection, request: &Request) -> Result<Vec<ProcessInfo>, ClientError> {
    let mut processes = Vec::new();
    for reply in connection.request(request)? {
        if let Reply::Processes(more) = reply? {
            processes.extend(more);
        }
    }
    Ok(processes)
}

/// Marks of a managed process. A CLI that runs inside one passes its environment on without them.
const BOOKKEEPING: &[&str] = &[
    "pm_id",
    "name",
    "namespace",
    "status",
    "exec_mode",
    "exec_interpreter",
    "pm_exec_path",
    "pm_cwd",
    "pm_out_log_path",
    "pm_err_log_path",
    "pm_pid_path",
    "pm_uptime",
    "created_at",
    "restart_time",
    "unstable_restarts",
    "unique_id",
    "username",
    "instances",
    "instance_var",
    "autorestart",
    "autostart",
    "automation",
    "treekill",
    "pmx",
    "vizion",
    "vizion_running",
    "km_link",
    "windowsHide",
    "kill_retry_time",
    "node_args",
    "args",
    "watch",
    "merge_logs",
    "cron_restart",
    "prev_restart_delay",
    "NODE_APP_INSTANCE",
];

/// The environment that an app inherits from whoever starts it.
pub(crate) fn inherited(variables: impl Iterator<Item = (String, String)>) -> Env {
    let mut env: Env = variables.collect();
    if env.contains_key("pm_id") {
        for name in BOOKKEEPING {
            env.remove(name);
        }
    }
    env
}

/// The working directory `physical` by the name that the shell has for it (`PWD`). Where a link led there that is the
/// link's name, so that an app which runs in it is started in the link's new target after a deployment.
fn named_by_shell(physical: &Path, pwd: Option<PathBuf>) -> PathBuf {
    let is_plain = |path: &Path| {
        path.is_absolute() && path.components().all(|part| !matches!(part, Component::ParentDir))
    };
    let named = pwd.filter(|named| is_plain(named) && is_same_directory(named, physical));
    named.unwrap_or_else(|| physical.to_owned())
}

fn is_same_directory(a: &Path, b: &Path) -> bool {
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// The environment of this process. What is not Unicode cannot be kept in a dump, and is left out.
pub(crate) fn own_environment() -> Env {
    inherited(
        env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Vec<String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        inherited(variables).keys().cloned().collect()
    }

    #[test]
    fn a_directory_keeps_the_name_of_the_link_that_led_there() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir_all(at("r1")).unwrap();
        fs::create_dir_all(at("r2")).unwrap();
        std::os::unix::fs::symlink("r1", at("current")).unwrap();
        let named = |pwd: &Path| named_by_shell(&at("r1"), Some(pwd.to_owned()));
        assert_eq!(named(&at("current")), at("current"));
        for other in [at("r2"), at("absent"), "r1".into(), at("r2/../r1")] {
            assert_eq!(named(&other), at("r1"), "{}", other.display());
        }
        assert_eq!(named_by_shell(&at("r1"), None), at("r1"));
    }

    #[test]
    fn the_marks_of_a_managed_process_are_not_handed_on() {
        assert_eq!(of(&[("name", "x"), ("PATH", "/bin")]), ["PATH", "name"], "an ordinary shell");
        assert_eq!(of(&[("name", "x"), ("PATH", "/bin"), ("pm_id", "0"), ("status", "online")]), ["PATH"]);
    }
}
