//! The environment that a child gets.

use rpm_core::{AppSpec, Env, Home, Interpreter, ProcessId};

use crate::identity::Identity;

/// The variable with the number of a process.
const ID: &str = ProcessId::VARIABLE;

/// The variable with the number of the home ([`crate::identity`]).
pub(crate) const HOME_ID: &str = Home::ID_VARIABLE;

/// The variable with the number of restarts.
pub(crate) const RESTARTS: &str = "restart_time";

/// What the daemon knows of a process when it starts it.
pub(crate) struct Facts<'a> {
    pub home: &'a Home,
    pub identity: &'a Identity,
    pub id: ProcessId,
    pub instance: u32,
    pub unique_id: &'a str,
    pub restart_time: u32,
    /// The value of the app's `increment_var`.
    pub increment: Option<i64>,
    /// What tells it of descriptors and sockets that it is given.
    pub handed: Vec<(&'static str, String)>,
}

/// Variables that say something about one run only.
const OF_RUN: &[&str] = &[
    RESTARTS,
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "NODE_CHANNEL_FD",
    "NODE_CHANNEL_SERIALIZATION_MODE",
    crate::node::VARIABLE,
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
];

/// What a shell sets for itself, and leaves to the program that a script executes in its own place.
const OF_SHELL: &[&str] = &["_", "OLDPWD", "PWD", "SHLVL"];

/// Whether a variable says nothing about what was declared: it belongs to one run, or a shell has set it.
pub(crate) fn is_of_run(name: &str) -> bool {
    OF_RUN.contains(&name) || OF_SHELL.contains(&name)
}

/// The environment of one run: the starter's, then what programs under PM2 rely on, then what was declared (`resolved`
/// where that is not all, see [`crate::environment`]), and last the marks by which a later daemon knows its own children.
pub(crate) fn compose(base: &Env, app: &AppSpec, resolved: Option<&Env>, facts: &Facts<'_>) -> Env {
    let passed = base.iter().filter(|(name, _)| app.filter_env.passes(name));
    let mut env: Env = passed.map(|(name, value)| (name.clone(), value.clone())).collect();
    env.set("name", &*app.name);
    env.set("namespace", &*app.namespace);
    env.set("exec_mode", app.exec_mode.as_str());
    env.set("exec_interpreter", app.interpreter.as_str());
    env.set("pm_exec_path", app.script.to_string_lossy());
    env.set("pm_cwd", app.cwd.to_string_lossy());
    env.set("PWD", app.cwd.to_string_lossy());
    env.set(RESTARTS, facts.restart_time.to_string());
    env.set("unique_id", facts.unique_id);
    env.set(&*app.instance_var, facts.instance.to_string());
    if matches!(&app.interpreter, Interpreter::Program(program) if program.contains("python")) {
        env.set("PYTHONUNBUFFERED", "1");
    }
    for (name, value) in app.account_variables() {
        env.set(name, value);
    }
    env.merge(resolved.unwrap_or(&app.env));
    for (name, value) in &facts.handed {
        env.set(*name, &**value);
    }
    if let (Some(name), Some(value)) = (&app.increment_var, facts.increment) {
        env.set(&**name, value.to_string());
    }
    for mark in [home_mark(facts.home), facts.identity.mark().to_owned(), format!("{ID}={}", facts.id)] {
        if let Some((name, value)) = mark.split_once('=') {
            env.set(name, value);
        }
    }
    env
}

/// The number in an entry that tells with which number of restarts a run of a process began.
pub(crate) fn restarts_of_mark(entry: &[u8]) -> Option<u32> {
    std::str::from_utf8(entry).ok()?.strip_prefix(RESTARTS)?.strip_prefix('=')?.parse().ok()
}

/// The entry that tells where the home is; programs in it find their daemon by it.
pub(crate) fn home_mark(home: &Home) -> String {
    format!("{}={}", home.persona().home_variable(), home.root().display())
}

/// The number in an entry that tells of which process of its home somebody is.
pub(crate) fn id_of_mark(entry: &[u8]) -> Option<ProcessId> {
    let number = std::str::from_utf8(entry).ok()?.strip_prefix(ID)?.strip_prefix('=')?;
    number.parse().ok().map(ProcessId)
}

#[cfg(test)]
mod tests {
    use rpm_core::{Account, Persona};

    use super::*;

    #[test]
    fn declared_wins_over_captured_and_the_marks_over_all() {
        let mut base = Env::default();
        base.set("A", "shell");
        base.set("B", "shell");
        base.set("PWD", "/home/shell");
        let mut app =
            AppSpec::new("api", "/s.py".into(), Interpreter::Program("python3".into()), "/srv".into());
        app.env.set("B", "declared");
        app.env.set("pm_id", "99");
        app.env.set("LOGNAME", "declared");
        app.account = Some(Box::new(Account { name: "www".into(), home: "/w".into() }));
        let home = Home::new("/h".into(), Persona::Rpm);
        let facts = Facts {
            home: &home,
            identity: &Identity::test(&home),
            id: 4.into(),
            instance: 2,
            unique_id: "u",
            restart_time: 7,
            increment: None,
            handed: crate::ipc::environment(1).into(),
        };
        let env = compose(&base, &app, None, &facts);
        for (name, value) in [
            ("A", "shell"),
            ("B", "declared"),
            ("pm_id", "4"),
            ("RPM_HOME", "/h"),
            ("RPM_HOME_ID", "test@/h"),
            ("NODE_APP_INSTANCE", "2"),
            ("restart_time", "7"),
            ("PYTHONUNBUFFERED", "1"),
            ("NODE_CHANNEL_FD", "4"),
            ("USER", "www"),
            ("HOME", "/w"),
            ("LOGNAME", "declared"),
            ("PWD", "/srv"),
        ] {
            assert_eq!(env.get(name).map(String::as_str), Some(value), "{name}");
        }
    }
}
