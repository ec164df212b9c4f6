//! Programs that report how they were started: argv, working directory, environment.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::Value;

use super::{
    answers::{self, Answers},
    normal::Normal,
};

/// Where probes leave their reports, in the working directory of a scenario.
const REPORTS: &str = "reports";

/// For Node as a `CommonJS` and as an ES module, in fork and in cluster mode.
const NODE: &str = "import('node:fs').then((fs) => {
    const { name, pm_id } = process.env;
    // Under the original, `argv[1]` is the container that loads the script.
    const { argv, execArgv, env } = process;
    const report = { argv: argv.slice(2), execArgv, cwd: process.cwd(), env };
    const file = `<REPORTS>/${name}-${pm_id}`;
    console.log(`out of ${name}`);
    console.error(`error of ${name}`);
    fs.writeFileSync(`${file}.tmp`, JSON.stringify(report));
    fs.renameSync(`${file}.tmp`, `${file}.json`);
    if (process.send) process.send('ready');
});
setInterval(() => {}, 1e6);
";

const PYTHON: &str = "import json, os, sys, signal
name, pm_id = os.environ['name'], os.environ['pm_id']
report = {'argv': sys.argv[1:], 'cwd': os.getcwd(), 'env': dict(os.environ)}
print('out of', name)
print('error of', name, file=sys.stderr)
sys.stdout.flush()
file = f'<REPORTS>/{name}-{pm_id}'
open(file + '.tmp', 'w').write(json.dumps(report))
os.rename(file + '.tmp', file + '.json')
signal.pause()
";

/// For every shell and every language that has none of its own here. Node writes the report, because quoting JSON is
/// no work for a shell.
const SHELL: &str = "#!/bin/bash
echo \"out of $name\"
echo \"error of $name\" >&2
node -e '
    const fs = require(\"fs\");
    const [cwd, ...argv] = process.argv.slice(1);
    const { name, pm_id } = process.env;
    const file = `<REPORTS>/${name}-${pm_id}`;
    fs.writeFileSync(`${file}.tmp`, JSON.stringify({ argv, cwd, env: process.env }));
    fs.renameSync(`${file}.tmp`, `${file}.json`);
' -- \"$PWD\" \"$@\"
exec sleep 1000000
";

/// Writes the probe for `program`, whose ending decides the language, below the directory `work`.
pub(crate) fn place(work: &Path, program: &str) {
    let path = work.join(program);
    let reports = work.join(REPORTS);
    let text = match path.extension().and_then(|ending| ending.to_str()) {
        Some("js" | "cjs" | "mjs" | "ts") => NODE,
        Some("py") => PYTHON,
        _ => SHELL,
    };
    fs::create_dir_all(path.parent().expect("it has a directory")).expect("the directory is ours");
    fs::create_dir_all(&reports).expect("the directory is ours");
    fs::write(&path, text.replace("<REPORTS>", &reports.display().to_string()))
        .expect("the directory is ours");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// The fields of `pm2_env` that say what is run, and how it is kept running.
const FIELDS: &[&str] = &[
    "status",
    "namespace",
    "exec_mode",
    "exec_interpreter",
    "pm_exec_path",
    "pm_cwd",
    "args",
    "node_args",
    "restart_time",
    "autorestart",
    "cron_restart",
    "watch",
    "max_memory_restart",
    "max_restarts",
    "min_uptime",
    "restart_delay",
    "exp_backoff_restart_delay",
    "kill_timeout",
    "wait_ready",
    "listen_timeout",
    "pm_out_log_path",
    "pm_err_log_path",
    "pm_log_path",
    "pm_pid_path",
];

/// The processes of `jlist`: what each runs, and how.
pub(crate) fn processes(answers: &mut Answers, list: &Value, normal: &Normal) {
    let processes = list.as_array().map(Vec::as_slice).unwrap_or_default();
    answers.insert("processes".to_owned(), processes.len().to_string());
    for process in processes {
        let key = key(&process["name"], &process["pm2_env"]["NODE_APP_INSTANCE"]);
        for field in FIELDS {
            let value = &process["pm2_env"][field];
            if !value.is_null() {
                answers.insert(
                    format!("process {key} {field}"),
                    without_id(&normal.leaf(field, value), process),
                );
            }
        }
    }
}

/// Names a process by its app and its number in it: which id it gets, where apps start at once, is chance.
fn key(name: &Value, instance: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    format!("{}#{}", text(name), text(instance))
}

/// Takes the id of its process out of the path of a log or of a pid file.
fn without_id(path: &str, process: &Value) -> String {
    let id = &process["pm_id"];
    path.replace(&format!("-{id}.log"), "-<id>.log").replace(&format!("-{id}.pid"), "-<id>.pid")
}

/// The reports of all probes, value by value.
pub(crate) fn reports(answers: &mut Answers, work: &Path, list: &Value, normal: &Normal) {
    for entry in fs::read_dir(work.join(REPORTS)).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a report can be read");
        let report: Value = serde_json::from_str(&text).expect("a report is JSON");
        let env = &report["env"];
        let id = env["pm_id"].as_str().and_then(|id| id.parse::<u64>().ok());
        let is_of = |process: &&Value| process["pm_id"].as_u64() == id;
        let instance = list.as_array().into_iter().flatten().find(is_of);
        let key = key(
            &env["name"],
            instance.map_or(&Value::Null, |process| &process["pm2_env"]["NODE_APP_INSTANCE"]),
        );
        for part in ["argv", "execArgv", "cwd"] {
            if !report[part].is_null() {
                answers.insert(format!("report {key} {part}"), normal.leaf(part, &report[part]));
            }
        }
        for (name, value) in env.as_object().into_iter().flatten() {
            // A variable with the name of the app holds its settings as a module; there are none.
            let is_settings = value == "{}" && env["name"] == name.as_str();
            if !answers::is_given(name) && name != "pm_id" && !is_settings {
                answers.insert(format!("report {key} env {name}"), normal.leaf(name, value));
            }
        }
    }
}

/// The logs of all processes of `jlist`, by their paths: processes may share one.
pub(crate) fn logs(answers: &mut Answers, list: &Value, normal: &Normal) {
    for process in list.as_array().into_iter().flatten() {
        for stream in ["pm_out_log_path", "pm_err_log_path"] {
            let Some(path) = process["pm2_env"][stream].as_str() else { continue };
            let Ok(text) = fs::read_to_string(path) else { continue };
            let mut lines: Vec<_> = text.lines().map(|line| normal.text(line)).collect();
            // Which of several instances writes first is chance.
            lines.sort();
            answers.insert(format!("log {}", without_id(&normal.text(path), process)), lines.join("\n"));
        }
    }
}
