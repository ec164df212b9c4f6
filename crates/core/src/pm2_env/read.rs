//! Reading what PM2 wrote.

use std::{path::PathBuf, sync::Arc};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{AppSpec, Env, Home, Interpreter, LogTarget, Status, app::CombinedLog, name::Naming};

/// A process as a list of saved ones holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// What was declared.
    pub spec: Arc<AppSpec>,
    /// The environment of the one who started it, below the declared one.
    pub base_env: Arc<Env>,
    /// Its number among the instances of its app.
    pub instance: u32,
    /// The same for all instances of one start.
    pub unique_id: Arc<str>,
    /// How its files are named.
    pub naming: Naming,
    /// Whether it was wanted up.
    pub running: bool,
}

/// Attributes of [`AppSpec`] that PM2 stores by the same name and in the same form.
const SAME: &[&str] = &[
    "name",
    "namespace",
    "args",
    "instance_var",
    "autostart",
    "autorestart",
    "treekill",
    "shutdown_with_message",
    "wait_ready",
    "listen_timeout",
    "max_restarts",
    "min_uptime",
    "restart_delay",
    "exp_backoff_restart_delay",
    "cron_restart",
    "cron_timezone",
    "kill_timeout",
    "kill_signal",
    "max_memory_restart",
    "watch",
    "ignore_watch",
    "watch_delay",
    "filter_env",
    "increment_var",
    "uid",
    "gid",
    "merge_logs",
    "log_date_format",
    "log_type",
    "disable_logs",
    "pid_file",
    "username",
    "version",
];

/// Attributes that PM2 does not know. Whatever else bears such a name, a variable of the environment perhaps, is none.
const OURS: &[&str] = &[
    "ready",
    "watchdog",
    "listen",
    "cluster_balance",
    "reload",
    "reload_parallel",
    "env_file",
    "expand_env",
    "secret",
    "limits",
    "cron_overlap",
    "cron_jitter",
    "cron_catch_up",
    "cron_only",
    "task_timeout",
    "retries",
    "retry_delay",
    "health",
    "depends_on",
    "on_dependency_failure",
];

/// The process that an entry of `dump.pm2` describes. `home` tells which log paths are the usual ones. The error is
/// a fragment that says what is wrong.
///
/// PM2 does not tell what was declared of the environment from what was inherited: all of it counts as declared, so
/// that none of it is lost at a later start.
pub fn read(entry: &Value, home: &Home) -> Result<Saved, String> {
    let entry = entry.as_object().ok_or("expected an object")?;
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    let script = text("pm_exec_path").ok_or("no pm_exec_path")?;
    let interpreter = text("exec_interpreter").unwrap_or("none");

    let mut spec = Map::new();
    for &name in SAME {
        // PM2 writes `null` and `N/A` for what it does not know.
        if let Some(value) = entry.get(name).filter(|value| !value.is_null() && *value != "N/A") {
            spec.insert(name.to_owned(), strings(name, value));
        }
    }
    spec.insert("script".to_owned(), json!(script));
    spec.insert("interpreter".to_owned(), json!(Interpreter::from(interpreter.to_owned())));
    spec.insert("interpreter_args".to_owned(), entry.get("node_args").cloned().unwrap_or(json!([])));
    spec.insert("cwd".to_owned(), json!(text("pm_cwd").unwrap_or("/")));
    if let Some(mode @ ("fork_mode" | "cluster_mode")) = text("exec_mode") {
        spec.insert("exec_mode".to_owned(), json!(mode));
    }
    if let Some(codes) = entry.get("stop_exit_codes") {
        spec.insert(
            "stop_exit_codes".to_owned(),
            if codes.is_array() { codes.clone() } else { json!([codes]) },
        );
    }
    spec.insert("env".to_owned(), json!(environment(entry)));
    for &name in OURS {
        if let Some(value) = entry.get(name) {
            let mut more = spec.clone();
            more.insert(name.to_owned(), value.clone());
            if AppSpec::deserialize(Value::Object(more.clone())).is_ok() {
                spec = more;
            }
        }
    }
    let mut spec = AppSpec::deserialize(Value::Object(spec)).map_err(|error| error.to_string())?;
    // Where PM2 had said nothing, its own rule was applied when the app was started, and is in the paths.
    spec.merge_logs.get_or_insert(false);
    let stem = Naming::Pm2.stem(&spec);
    let id = entry.get("pm_id").and_then(Value::as_u64).map(|id| (id as u32).into());
    let declared = |key: &str, stream: &str| -> Option<LogTarget> {
        let path = PathBuf::from(text(key)?);
        let usual = [None, id].iter().any(|id| path == home.log(&stem, stream, *id));
        (!usual).then(|| path.into())
    };
    let (out_file, error_file) = (declared("pm_out_log_path", "out"), declared("pm_err_log_path", "error"));
    spec.out_file = out_file;
    spec.error_file = error_file;
    spec.log_file = text("pm_log_path").map(|path| CombinedLog::At(PathBuf::from(path).into()));
    Ok(Saved {
        instance: entry
            .get(&spec.instance_var)
            .and_then(|number| number.as_u64().or_else(|| number.as_str()?.parse().ok()))
            .unwrap_or(0) as u32,
        spec: Arc::new(spec),
        base_env: Arc::default(),
        naming: Naming::of_new(home.persona()),
        unique_id: text("unique_id").unwrap_or_default().into(),
        running: text("status") != Some(Status::Stopped.as_str()),
    })
}

/// PM2 keeps numbers among `args` as numbers, and a lone glob of `ignore_watch` without its array.
fn strings(name: &str, value: &Value) -> Value {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    match (name, value) {
        ("args", Value::Array(args)) => args.iter().map(text).collect(),
        ("args" | "ignore_watch", Value::String(one)) => json!([one]),
        ("watch", Value::String(path)) => json!([path]),
        _ => value.clone(),
    }
}

/// The variables in `env`, without those that PM2 puts there itself.
fn environment(entry: &Map<String, Value>) -> Env {
    const OWN: &[&str] =
        &["unique_id", "PM2_USAGE", "PM2_JSON_PROCESSING", "PM2_INTERACTOR_PROCESSING", "PM2_HOME"];
    let name = entry.get("name").and_then(Value::as_str);
    let variables = entry.get("env").and_then(Value::as_object).into_iter().flatten();
    variables
        .filter(|(key, _)| !OWN.contains(&key.as_str()) && Some(key.as_str()) != name)
        .filter_map(|(key, value)| match value {
            Value::String(text) => Some((key.clone(), text.clone())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
            scalar => Some((key.clone(), scalar.to_string())),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Millis, Persona, app::Watch};

    fn home() -> Home {
        Home::new("/h".into(), Persona::Pm2)
    }

    #[test]
    fn an_entry_of_pm2_is_understood() {
        let entry = json!({
            "name": "web", "namespace": "default", "filter_env": [], "watch": ["src"], "treekill": true,
            "pm_exec_path": "/srv/app.js", "pm_cwd": "/srv", "exec_interpreter": "node", "node_args": ["--inspect"],
            "exec_mode": "fork_mode", "args": ["--port", 80], "stop_exit_codes": 3, "min_uptime": 5000,
            "merge_logs": true, "pm_out_log_path": "/h/logs/web-out.log", "pm_err_log_path": "/v/err.log",
            "NODE_APP_INSTANCE": 2, "status": "stopped", "unique_id": "u-1", "version": "N/A", "created_at": null,
            "env": { "PORT": "3000", "N": 7, "web": {}, "unique_id": "u-1", "PM2_HOME": "/h" }, "PORT": "3000",
        });
        let saved = read(&entry, &home()).unwrap();
        assert_eq!(saved.spec.args, ["--port", "80"]);
        assert_eq!(saved.spec.interpreter_args, ["--inspect"]);
        assert_eq!(saved.spec.watch, Watch::Paths(vec!["src".into()]));
        assert_eq!((saved.spec.min_uptime, &saved.spec.stop_exit_codes[..]), (Some(Millis(5000)), &[3][..]));
        assert_eq!(saved.spec.out_file, None);
        assert_eq!(saved.spec.error_file, Some(LogTarget::File("/v/err.log".into())));
        assert_eq!(saved.spec.env.keys().collect::<Vec<_>>(), ["N", "PORT"]);
        assert_eq!((saved.instance, saved.running, &*saved.unique_id), (2, false, "u-1"));
    }

    #[test]
    fn what_is_no_process_says_why() {
        for (entry, reason) in [
            (json!(3), "object"),
            (json!({}), "pm_exec_path"),
            (json!({ "pm_exec_path": "/a", "name": "a", "cron_restart": "soon" }), "cron"),
            (json!({ "pm_exec_path": "/a" }), "name"),
        ] {
            let error = read(&entry, &home()).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
